//! Keys that schemes derive from a secret and a few texts of the request (day, region, service): made once, kept by a worker.
//!
//! The table has a bound, whatever requests say: two places for each hash of credential and scope, the older of which gives way. A key
//! that the current batch uses never gives way; where both places are in use, the new one is kept for this batch alone. What is kept is
//! found by comparing everything that it was made from, not by its hash.

use crate::alg::Key;
use std::hash::{BuildHasher, RandomState};

/// Places in the table: two for each of 512 hashes.
const SETS: usize = 512;
/// Longest description of a key that is kept: four texts of a field's length.
const ID_MAX: usize = 4096;

struct Place {
    id: Vec<u8>,
    key: Key,
    /// The last batch that used it.
    batch: u64,
}

/// Where a derived key stands; good for the batch that asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum At {
    Table(usize),
    Aside(usize),
}

/// The derived keys of a worker.
pub(super) struct Derived {
    places: Vec<Option<Place>>,
    aside: Vec<Key>,
    id: Vec<u8>,
    batch: u64,
    hasher: RandomState,
}

impl Derived {
    pub fn new() -> Self {
        Self { places: Vec::new(), aside: Vec::new(), id: Vec::new(), batch: 0, hasher: RandomState::new() }
    }

    /// A new batch: no key is in use.
    pub fn begin(&mut self) {
        self.batch += 1;
        self.aside.clear();
    }

    /// The key that `make` derives from what `numbers` (document, app, credential, profile) and `scope` name.
    pub fn find(&mut self, numbers: [u64; 4], scope: &[&[u8]], make: impl FnOnce() -> Option<Key>) -> Option<At> {
        self.id.clear();
        for number in numbers {
            self.id.extend_from_slice(&number.to_le_bytes());
        }
        for text in scope {
            self.id.extend_from_slice(&(text.len() as u64).to_le_bytes());
            self.id.extend_from_slice(text);
        }
        if self.places.is_empty() {
            self.places.resize_with(2 * SETS, || None);
        }
        let set = 2 * (self.hasher.hash_one(&self.id) as usize % SETS);
        for at in [set, set + 1] {
            if let Some(Some(place)) = self.places.get_mut(at)
                && place.id == self.id
            {
                place.batch = self.batch;
                return Some(At::Table(at));
            }
        }
        let key = make()?;
        let age = |at: usize| self.places.get(at).and_then(Option::as_ref).map_or(0, |place| place.batch);
        let oldest = if age(set) <= age(set + 1) { set } else { set + 1 };
        if age(oldest) == self.batch || self.id.len() > ID_MAX {
            self.aside.push(key);
            return Some(At::Aside(self.aside.len() - 1));
        }
        let place = self.places.get_mut(oldest)?;
        *place = Some(Place { id: self.id.clone(), key, batch: self.batch });
        Some(At::Table(oldest))
    }

    pub fn get(&self, at: At) -> Option<&Key> {
        match at {
            At::Table(at) => self.places.get(at)?.as_ref().map(|place| &place.key),
            At::Aside(at) => self.aside.get(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alg::Algorithm;

    fn key() -> Option<Key> {
        Key::secret(Algorithm::HmacSha256, b"k").ok()
    }

    #[test]
    fn a_key_is_made_once_and_told_apart_by_everything() {
        let mut derived = Derived::new();
        derived.begin();
        let first = derived.find([1, 2, 3, 4], &[b"20150830", b"us"], key).unwrap();
        assert_eq!(derived.find([1, 2, 3, 4], &[b"20150830", b"us"], || panic!("made twice")), Some(first));
        let mut made = 0;
        for (numbers, scope) in [
            ([1, 2, 3, 5], [&b"20150830"[..], b"us"]),
            ([2, 2, 3, 4], [b"20150830", b"us"]),
            ([1, 2, 3, 4], [b"20150830u", b"s"]),
        ] {
            let at = derived.find(numbers, &scope, || {
                made += 1;
                key()
            });
            assert_ne!(at, Some(first));
            assert!(derived.get(at.unwrap()).is_some());
        }
        assert_eq!(made, 3);
        assert_eq!(derived.find([9; 4], &[], || None), None);
    }

    #[test]
    fn a_flood_of_scopes_stays_within_the_bound_and_takes_no_key_in_use() {
        let mut derived = Derived::new();
        derived.begin();
        let first = derived.find([0; 4], &[b"mine"], key).unwrap();
        let mut places = std::collections::HashSet::new();
        for n in 0..5_000u64 {
            let at = derived.find([1, n, 0, 0], &[], key).unwrap();
            assert_ne!(at, first);
            places.insert(match at {
                At::Table(at) => at,
                At::Aside(at) => 2 * SETS + at,
            });
        }
        assert_eq!(places.len(), 5_000, "each its own place within a batch");
        assert_eq!(derived.find([0; 4], &[b"mine"], || panic!("it was in use")), Some(first));
        derived.begin();
        assert!(derived.aside.is_empty());
        assert_eq!(derived.places.len(), 2 * SETS);
        for n in 0..5_000u64 {
            derived.begin();
            assert!(matches!(derived.find([2, n, 0, 0], &[], key), Some(At::Table(_))));
        }
    }
}
