//! An immutable hash table from byte strings that requests carry (app ids, key ids, path segments) to dense indices.
//!
//! # Safe against flooding, without a secret
//!
//! The usual defence against an attacker who picks colliding keys is a keyed hash: needed where the attacker can *insert*. Nothing is
//! ever inserted here after the table is built from the operator's document. What an attacker can do is look up ids of his choice, and
//! the cost of a lookup is bounded by the longest run of occupied slots, which the builder measures: it tries seeds, then doubles the
//! table, until no run is longer than [`RUN_MAX`]. So any lookup, hit or miss, of whatever bytes, reads at most that many neighbouring
//! words (eight cache lines) and compares bytes only where 32 bits of the hash agree. A plain multiply-and-fold hash is enough for that.
//!
//! # Layout
//!
//! ```text
//! slot    63..32 tag: high half of the hash     31..0 place of the record in the arena + 1; a slot of 0 is free
//! record  scope, value, length: 4 bytes each, little-endian; then the id
//! ```
//!
//! Linear probing, at most half full. A hit touches two places in memory: the slot, and the record with everything else. The `scope` is a number that belongs to the key: the parent node of a path segment, the profile
//! of a key id; 0 where there is no such thing.

/// The longest run of occupied slots that the builder settles for.
const RUN_MAX: usize = 64;
/// Seeds tried before the table is doubled.
const SEEDS: u64 = 4;
/// Doublings tried before the builder gives up on the bound. Ids that the operator's own document makes collide beyond that stay
/// correct, only slower; honest ids need none or one.
const DOUBLINGS: u32 = 4;

/// Odd constants without structure: the first fractional digits of π and of √2, the last bit set.
const K: [u64; 3] = [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7345, 0x6a09_e667_f3bc_c909];

/// Both halves of the product, folded: every bit of either factor reaches the result.
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

/// An id as words.
#[derive(Clone, Copy)]
struct Words<'i> {
    len: usize,
    whole: &'i [[u8; 8]],
    /// Its last bytes, of which whole words may have some too.
    last: u64,
}

impl<'i> Words<'i> {
    #[inline(always)]
    fn of(id: &'i [u8]) -> Self {
        let four = |bytes: &[u8; 4]| u64::from(u32::from_le_bytes(*bytes));
        let last = match (id.last_chunk(), id.first_chunk(), id.last_chunk()) {
            (Some(last), ..) => u64::from_le_bytes(*last),
            (None, Some(first), Some(last)) => four(first) | four(last) << 32,
            // With the length they are the id.
            _ => {
                let three = [id.first(), id.get(id.len() / 2), id.last()];
                three.into_iter().flatten().fold(0, |word, byte| word << 8 | u64::from(*byte))
            }
        };
        Self { len: id.len(), whole: id.as_chunks().0, last }
    }

    /// The hash within `scope`.
    #[inline(always)]
    fn hash(self, seed: u64, scope: u32) -> u64 {
        let h = fold(seed ^ K[0] ^ self.len as u64, K[1] ^ (u64::from(scope) << 1));
        let take = |h: u64, word: u64| fold(h ^ word, K[2]).wrapping_add(h);
        let mut h = self.whole.iter().fold(h, |h, word| take(h, u64::from_le_bytes(*word)));
        if !self.len.is_multiple_of(8) {
            h = take(h, self.last);
        }
        fold(h ^ K[1], K[0])
    }

    /// Whether both are the same id: nearly always they are, and short.
    #[inline(always)]
    fn same(self, other: Self) -> bool {
        self.len == other.len
            && self.last == other.last
            && self.whole.iter().zip(other.whole).all(|(a, b)| u64::from_le_bytes(*a) == u64::from_le_bytes(*b))
    }
}

/// The hash of `id` within `scope`.
fn hash(seed: u64, scope: u32, id: &[u8]) -> u64 {
    Words::of(id).hash(seed, scope)
}

/// Bytes of a record before the id.
const HEAD: usize = 12;

/// Collects ids for an [`Ids`].
#[derive(Default)]
pub(super) struct IdsBuilder {
    arena: Vec<u8>,
    count: usize,
}

impl IdsBuilder {
    /// Adds `id`. The caller sees to it that each (scope, id) is added once; of several, any may be found.
    pub(super) fn push(&mut self, scope: u32, id: &[u8], value: u32) {
        let len = u32::try_from(id.len()).expect("an id stays below 4 GiB");
        for word in [scope, value, len] {
            self.arena.extend_from_slice(&word.to_le_bytes());
        }
        self.arena.extend_from_slice(id);
        self.count += 1;
        assert!(self.arena.len() < u32::MAX as usize, "ids of one document, at most 1 GiB, stay below 4 GiB");
    }

    /// The table.
    pub(super) fn build(self) -> Ids {
        let least = (self.count * 2).next_power_of_two().max(2);
        let mut ids = Ids { seed: 0, slots: Box::default(), arena: self.arena.into_boxed_slice() };
        for attempt in 0..=u64::from(DOUBLINGS) * SEEDS {
            ids.seed = attempt.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            ids.fill(least << (attempt / SEEDS));
            if ids.longest_run() <= RUN_MAX {
                break;
            }
        }
        ids
    }
}

/// The table. Lookups allocate nothing.
pub(super) struct Ids {
    seed: u64,
    slots: Box<[u64]>,
    arena: Box<[u8]>,
}

struct Record<'i> {
    scope: u32,
    value: u32,
    id: &'i [u8],
}

impl Ids {
    /// The record at this place of the arena; `None` after the last.
    fn record(&self, at: usize) -> Option<Record<'_>> {
        let (head, rest) = self.arena.get(at..)?.split_first_chunk::<HEAD>()?;
        let [s0, s1, s2, s3, v0, v1, v2, v3, l0, l1, l2, l3] = *head;
        let id = rest.get(..u32::from_le_bytes([l0, l1, l2, l3]) as usize)?;
        Some(Record { scope: u32::from_le_bytes([s0, s1, s2, s3]), value: u32::from_le_bytes([v0, v1, v2, v3]), id })
    }

    fn fill(&mut self, size: usize) {
        let mut slots = vec![0_u64; size].into_boxed_slice();
        let mask = size - 1;
        let mut place = 0;
        while let Some(record) = self.record(place) {
            let h = hash(self.seed, record.scope, record.id);
            let mut at = h as usize & mask;
            while slots[at] != 0 {
                at = (at + 1) & mask;
            }
            slots[at] = (h >> 32) << 32 | (place as u64 + 1);
            place += HEAD + record.id.len();
        }
        self.slots = slots;
    }

    /// The longest run of occupied slots, wrapped ones included: at most half of the slots are occupied, so a free one ends every run.
    fn longest_run(&self) -> usize {
        let (mut run, mut longest) = (0, 0);
        for slot in self.slots.iter().chain(self.slots.iter()) {
            run = if *slot == 0 { 0 } else { run + 1 };
            longest = longest.max(run);
        }
        longest
    }

    /// The value of `id` in `scope`.
    pub(super) fn get(&self, scope: u32, id: &[u8]) -> Option<u32> {
        let id = Words::of(id);
        let mask = self.slots.len() - 1;
        let h = id.hash(self.seed, scope);
        let mut at = h as usize & mask;
        loop {
            let slot = *self.slots.get(at)?;
            if slot == 0 {
                return None;
            }
            if slot >> 32 == h >> 32 {
                let record = self.record((slot as u32).wrapping_sub(1) as usize)?;
                if record.scope == scope && id.same(Words::of(record.id)) {
                    return Some(record.value);
                }
            }
            at = (at + 1) & mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn table(ids: &[(u32, Vec<u8>)]) -> Ids {
        let mut builder = IdsBuilder::default();
        for (value, (scope, id)) in ids.iter().enumerate() {
            builder.push(*scope, id, value as u32);
        }
        builder.build()
    }

    #[test]
    fn an_empty_table_holds_nothing() {
        assert_eq!(table(&[]).get(0, b""), None);
        assert_eq!(table(&[(0, vec![])]).get(0, b""), Some(0));
        assert_eq!(table(&[(0, vec![])]).get(1, b""), None);
    }

    #[test]
    fn runs_are_bounded_for_ids_of_every_habit() {
        let count = 50_000_u32;
        let habits: [fn(u32) -> Vec<u8>; 5] = [
            |n| format!("p{n}").into_bytes(),
            |n| n.to_le_bytes().to_vec(),
            |n| (u64::from(n) << 32).to_be_bytes().to_vec(),
            |n| vec![b'a'; n as usize % 200].into_iter().chain(n.to_string().into_bytes()).collect(),
            |n| n.to_le_bytes().repeat(16),
        ];
        for habit in habits {
            let ids: Vec<_> = (0..count).map(|n| (n % 3, habit(n))).collect();
            let table = table(&ids);
            assert!(table.longest_run() <= RUN_MAX, "run of {}", table.longest_run());
            for (value, (scope, id)) in ids.iter().enumerate() {
                assert_eq!(table.get(*scope, id), Some(value as u32));
                assert_eq!(table.get(scope + 3, id), None);
            }
        }
    }

    #[test]
    fn ids_are_the_same_byte_by_byte() {
        let id: Vec<u8> = (1..=40).collect();
        for length in 0..=id.len() {
            let id = &id[..length];
            let (copy, longer) = (id.to_vec(), [id, &[0]].concat());
            assert!(Words::of(id).same(Words::of(&copy)) && !Words::of(id).same(Words::of(&longer)));
            for at in 0..length {
                let mut other = id.to_vec();
                other[at] ^= 1 << (at % 8);
                assert!(!Words::of(id).same(Words::of(&other)), "{at} of {length}");
                assert_ne!(hash(0, 0, id), hash(0, 0, &other), "{at} of {length}");
            }
        }
    }

    proptest! {
        #[test]
        fn agrees_with_a_map(ids in prop::collection::hash_map((0_u32..3, prop::collection::vec(any::<u8>(), 0..20)), any::<u32>(), 0..200),
                             others in prop::collection::vec((0_u32..3, prop::collection::vec(any::<u8>(), 0..3)), 0..50)) {
            let ids: HashMap<(u32, Vec<u8>), u32> = ids;
            let mut builder = IdsBuilder::default();
            for ((scope, id), value) in &ids {
                builder.push(*scope, id, *value);
            }
            let table = builder.build();
            for (scope, id) in ids.keys().chain(&others) {
                prop_assert_eq!(table.get(*scope, id), ids.get(&(*scope, id.clone())).copied());
            }
        }
    }
}
