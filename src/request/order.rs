//! The byte-wise order of names.

use super::params::{Entry, ParamError, Source, Store};
use crate::lanes::Cpu;
use std::cmp::Ordering;

/// An order of entries, and the memory to make it.
#[derive(Default)]
pub(super) struct Order {
    indices: Vec<u32>,
}

/// Entries of a store with the texts they were sent in.
struct Names<'a> {
    store: &'a Store,
    query: &'a [u8],
    body: &'a [u8],
}

impl Names<'_> {
    #[inline(always)]
    fn entry(&self, index: u32) -> &Entry {
        &self.store.entries[index as usize]
    }

    #[inline(always)]
    fn name(&self, index: u32) -> &[u8] {
        let entry = self.entry(index);
        self.store.text(entry.name, if entry.source == Source::Query { self.query } else { self.body })
    }

    /// By name, then by arrival.
    #[inline(always)]
    fn compare(&self, a: u32, b: u32) -> Ordering {
        let by_key = self.store.keys[a as usize].cmp(&self.store.keys[b as usize]);
        by_key.then_with(|| self.name(a).cmp(self.name(b))).then(a.cmp(&b))
    }
}

impl Order {
    pub(super) fn clear(&mut self) {
        self.indices.clear();
    }

    pub(super) fn indices(&self) -> &[u32] {
        &self.indices
    }

    pub(super) fn sort(&mut self, _cpu: Cpu, store: &Store, query: &[u8], body: &[u8]) -> Result<(), ParamError> {
        let names = Names { store, query, body };
        self.indices.clear();
        self.indices.extend(0..super::params::offset(store.entries.len()));
        self.indices.sort_unstable_by(|&a, &b| names.compare(a, b));
        self.duplicate(&names)
    }

    /// Refuses two entries of one source and name. Those of one name stand together, and among them the sources: they arrive in turn.
    fn duplicate(&self, names: &Names<'_>) -> Result<(), ParamError> {
        for pair in self.indices.windows(2) {
            let &[a, b] = pair else { continue };
            let same = names.store.keys[a as usize] == names.store.keys[b as usize];
            if same && names.entry(a).source == names.entry(b).source && names.name(a) == names.name(b) {
                let later = names.entry(b);
                return Err(ParamError::Duplicate { source: later.source, offset: later.name.sent.start });
            }
        }
        Ok(())
    }
}
