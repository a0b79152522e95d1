//! One trait for one and for many: behind it a scheme may work an item at a time or in lanes, and nobody outside sees which.

use super::key::Material;
use super::verifier::{Item, MacInput, SignatureForm};
use crate::lanes::Cpu;

/// A way of verifying, over a batch of items whose keys are all of one kind and of one group (see [`Material::group`]).
///
/// The verdict on an item depends on that item alone: never on its neighbours, its place or the batch's length.
pub(in crate::alg) trait Scheme {
    /// The prepared key.
    type Key;

    /// The key in `material`, if it is of this scheme.
    fn key(material: &Material) -> Option<&Self::Key>;

    /// Settles every item of the batch. An item that is not settled counts as refused.
    fn verify(&mut self, cpu: Cpu, batch: &mut Batch<'_, Self::Key>);
}

/// Items of one group, picked out of a slice that may hold others between them.
pub(in crate::alg) struct Batch<'a, K> {
    items: &'a [Item<'a>],
    picks: &'a [(u64, u32)],
    key: fn(&Material) -> Option<&K>,
    ok: &'a mut [bool],
}

/// One item with the key of its scheme.
pub(in crate::alg) struct Job<'a, K> {
    pub key: &'a K,
    pub message: &'a [u8],
    pub signature: &'a [u8],
    pub form: SignatureForm,
    pub input: MacInput,
}

impl<K> Job<'_, K> {
    /// Whether nothing is to be appended: a signature algorithm has no secret that could be.
    pub fn plain(&self) -> bool {
        self.input == MacInput::Plain
    }
}

impl<'a, K: 'a> Batch<'a, K> {
    /// `picks` holds indices into `items` and `ok`, each beside its group.
    pub fn new(
        items: &'a [Item<'a>],
        picks: &'a [(u64, u32)],
        key: fn(&Material) -> Option<&K>,
        ok: &'a mut [bool],
    ) -> Self {
        Self { items, picks, key, ok }
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.picks.len()
    }

    /// The item `i` of `0..len()`; `None` only beyond that.
    pub fn job(&self, i: usize) -> Option<Job<'a, K>> {
        let item = self.items.get(self.picks.get(i)?.1 as usize)?;
        let key = (self.key)(&item.key.material)?;
        Some(Job { key, message: item.message, signature: item.signature, form: item.form, input: item.input })
    }

    /// Writes the verdict on item `i`.
    pub fn settle(&mut self, i: usize, good: bool) {
        if let Some(slot) = self.picks.get(i).and_then(|p| self.ok.get_mut(p.1 as usize)) {
            *slot = good;
        }
    }

    /// Settles every item with what `verify` says of it, one at a time.
    pub fn each(&mut self, mut verify: impl FnMut(Job<'a, K>) -> bool) {
        for i in 0..self.len() {
            if let Some(job) = self.job(i) {
                self.settle(i, verify(job));
            }
        }
    }
}
