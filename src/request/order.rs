//! The byte-wise order of names.
//!
//! Names are compared by eight bytes first, as one number ([`Store::keys`]). Up to [`RANKED`] of them are put in order without a branch:
//! each key is compared with all others, and how many are less is its place. That is n² comparisons, but eight in one instruction, and
//! none that a branch predictor has to guess; a comparison sort of fourteen names in unforeseen orders guesses wrong two dozen times.
//!
//! Two keys that are the same (names that share eight bytes, one name twice) leave a place empty. Then what all names have in common is
//! skipped, and the eight bytes behind it are taken; if that does not tell them apart, or for more names, a comparison sort by keys and
//! then by names does, which is n log n.

use super::params::{self, Entry, ParamError, Source, Store};
use crate::lanes::{ByteKernel, ByteLanes, Cpu, with_bytes};
use std::cmp::Ordering;

/// As many names as are ranked.
const RANKED: usize = 64;

/// An order of entries, and the memory to make it.
#[derive(Default)]
pub(super) struct Order {
    indices: Vec<u32>,
    /// Keys behind what all names have in common.
    keys: Vec<u64>,
    /// Whether no name is there twice, as far as that was noticed on the way.
    distinct: bool,
}

/// Puts the indices of `keys` in order.
struct Rank<'a> {
    keys: &'a [u64],
    indices: &'a mut Vec<u32>,
}

impl ByteKernel for Rank<'_> {
    /// Whether it could be done: the keys are at most [`RANKED`] and all different.
    type Output = bool;

    // Plain loops over arrays, which the compiler turns into the vector instructions of where it runs.
    #[inline(always)]
    fn run<L: ByteLanes>(self, _: L) -> bool {
        match self.keys.len() {
            0..=8 => self.among::<8>(),
            9..=16 => self.among::<16>(),
            17..=32 => self.among::<32>(),
            33..=RANKED => self.among::<RANKED>(),
            _ => false,
        }
    }
}

impl Rank<'_> {
    #[inline(always)]
    fn among<const N: usize>(self) -> bool {
        let count = self.keys.len().min(N);
        // In the order of signed numbers, for which more CPUs have a comparison.
        let signed = |key: u64| (key ^ 1 << 63).cast_signed();
        let mut keys = [i64::MAX; N];
        let (eights, rest) = self.keys.as_chunks::<8>();
        let (eight_places, _) = keys.as_chunks_mut::<8>();
        for (places, eight) in eight_places.iter_mut().zip(eights) {
            *places = eight.map(signed);
        }
        for (place, key) in keys[count - rest.len()..].iter_mut().zip(rest) {
            *place = signed(*key);
        }
        let mut ranks = [0i64; N];
        for less in keys[..count].iter().copied() {
            // Opaque: else the compiler turns about the loops, for whole vectors of these, and needs more registers than there are.
            let less = std::hint::black_box(less);
            for (rank, &key) in ranks.iter_mut().zip(&keys) {
                *rank += i64::from(less < key);
            }
        }
        // A rank is below the count, since no key is less than itself.
        let (mut order, mut taken) = ([0u32; N], 0u64);
        for (index, &rank) in ranks[..count].iter().enumerate() {
            order[rank as usize % N] = index as u32;
            taken |= 1 << (rank % 64);
        }
        self.indices.clear();
        self.indices.extend_from_slice(&order);
        self.indices.truncate(count);
        taken.count_ones() as usize == count
    }
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

    /// How many bytes all names begin with in common.
    fn common(&self) -> usize {
        let first = self.name(0);
        let mut common = first.len();
        for index in 1..params::offset(self.store.entries.len()) {
            common = self.name(index).iter().zip(&first[..common]).take_while(|(a, b)| a == b).count();
        }
        common
    }
}

impl Order {
    pub(super) fn clear(&mut self) {
        self.indices.clear();
        self.distinct = false;
    }

    /// Whether all names were seen to differ, those of two sources included. They may although this is `false`.
    pub(super) fn distinct(&self) -> bool {
        self.distinct
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> (usize, usize) {
        (self.indices.capacity(), self.keys.capacity())
    }

    pub(super) fn indices(&self) -> &[u32] {
        &self.indices
    }

    pub(super) fn sort(&mut self, cpu: Cpu, store: &Store, query: &[u8], body: &[u8]) -> Result<(), ParamError> {
        self.distinct = false;
        if with_bytes(cpu, Rank { keys: &store.keys, indices: &mut self.indices }) {
            // All keys differ, hence all names.
            self.distinct = true;
            return Ok(());
        }
        let names = Names { store, query, body };
        let all = 0..params::offset(store.entries.len());
        let common = names.common();
        self.keys.clear();
        self.keys.extend(all.clone().map(|index| {
            let name = names.name(index);
            params::key(name, common, name.len())
        }));
        if with_bytes(cpu, Rank { keys: &self.keys, indices: &mut self.indices }) {
            self.distinct = true;
            return Ok(());
        }
        self.indices.clear();
        self.indices.extend(all);
        let key = |index: u32| self.keys[index as usize];
        let by_name = |a: u32, b: u32| key(a).cmp(&key(b)).then_with(|| names.name(a).cmp(names.name(b)));
        self.indices.sort_unstable_by(|&a, &b| by_name(a, b).then(a.cmp(&b)));
        // Those of one name stand together now, and among them those of one source, in the order of arrival.
        for pair in self.indices.windows(2) {
            let &[a, b] = pair else { continue };
            if names.entry(a).source == names.entry(b).source && by_name(a, b) == Ordering::Equal {
                let later = names.entry(b);
                return Err(ParamError::Duplicate { source: later.source, offset: later.name.sent.start });
            }
        }
        Ok(())
    }
}
