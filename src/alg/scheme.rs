//! One trait for one and for many: behind it a scheme may work an item at a time or in lanes, and nobody outside sees which.

use super::key::Material;
use super::verifier::{Item, MacInput, SignatureForm};
use crate::lanes::Cpu;
use subtle::ConstantTimeEq;

/// Whether a MAC's tag is the one that was sent, in a time that depends on their lengths alone. Eight bytes at once: `subtle` keeps the
/// compiler from seeing through each comparison, byte by byte if it is given bytes.
pub(in crate::alg) fn same_tag(tag: &[u8], sent: &[u8]) -> bool {
    if tag.len() != sent.len() {
        return false;
    }
    let ((words, rest), (sent_words, sent_rest)) = (tag.as_chunks::<8>(), sent.as_chunks::<8>());
    let pairs = words.iter().zip(sent_words);
    pairs
        .fold(rest.ct_eq(sent_rest), |same, (a, b)| same & u64::from_le_bytes(*a).ct_eq(&u64::from_le_bytes(*b)))
        .into()
}

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

#[cfg(test)]
mod tests {
    use super::same_tag;

    #[test]
    fn tags_are_the_same_in_every_bit_or_not() {
        for length in [0, 1, 7, 8, 15, 16, 20, 32, 48, 64] {
            let tag: Vec<u8> = (0..length).map(|i| i as u8 ^ 0x5A).collect();
            assert!(same_tag(&tag, &tag), "{length}");
            for bit in 0..8 * length {
                let mut other = tag.clone();
                other[bit / 8] ^= 1 << (bit % 8);
                assert!(!same_tag(&tag, &other), "bit {bit} of {length}");
            }
            let mut longer = tag.clone();
            longer.push(0);
            assert!(!same_tag(&tag, &longer) && !same_tag(&longer, &tag));
        }
    }
}
