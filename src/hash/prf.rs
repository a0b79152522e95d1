//! The keyed hash of the shared tables: 128 bits that nobody without the region's key can steer.
//!
//! Table positions and tags come from what clients send, so an unkeyed hash would let one client aim its nonces at one page of the table and
//! fill it, or look for two nonces that share a tag. Two functions serve, and a region keeps to the one that its creator chose:
//!
//! - [`Kind::Aes`]: AES-128, where the CPU has the AES instructions (a few nanoseconds);
//! - [`Kind::Sip`]: SipHash-1-3 with 128 bits of output, everywhere.
//!
//! A message is a domain and a list of parts.
//!
//! # Short messages under AES
//!
//! What requests are told apart by is short: an app's id and a nonce, a limit's name and an address. Chained encryption would take its blocks one
//! after the other, each waiting for the one before. These go side by side instead, and one encryption comes after them:
//!
//! ```text
//! H(message) = AES_L( U_1(block 1) ⊕ U_2(block 2) ⊕ … ⊕ head )        U_i: four rounds of AES under four keys of its own
//! head: domain, u8 | number of parts, u8 | length of the first, u8 | length of the second, u8 | zeros | timestamp, 8 bytes
//! ```
//!
//! So is hashed one part of at most 64 bytes (the second; the first is empty), two of at most 32 and 64, and two such after a timestamp of 8
//! bytes, which stands in the head. The first part's blocks have i = 1 and 2, the second's 3 to 6. A part's blocks are its whole blocks of 16 bytes,
//! then its last 16 bytes where there are more than those; of a part below 16 bytes its first 8 and its last 8, below 8 its first 4 and its last
//! 4, below 4 the first, the middle and the last one. With the length, which the head says, each of them has one reading only.
//!
//! *Why it is a pseudo-random function* (Carter and Wegman's composition; with four rounds of AES in the first place: Minematsu and Tsunoo,
//! "Provably secure MACs from differentially-uniform permutations and AES-based implementations", FSE 2006). The keys are 25 blocks of AES under
//! the region's key, so as good as independent random ones. Two different messages then have one input to AES_L with a chance of at most
//! 2^-113:
//!
//! - they differ in a block of one number i, which both have: U_i takes a difference to a given one with a chance of at most 2^-113, over its keys
//!   (Keliher and Sui, "Exact maximum expected differential and linear probability for two-round Advanced Encryption Standard", 2007:
//!   (53/2^34)^4 for four rounds), whatever the other blocks come to, whose keys are others;
//! - one of them has a block of a number i that the other has not: U_i begins by adding a random key, so its value is uniform: 2^-128;
//! - or they have the same blocks, and so differ in the head: the inputs differ for certain.
//!
//! And AES_L of inputs of which no two are alike is as good as random, up to the birthday bound: among q messages, q² 2^-114 + q² 2^-129 and what
//! AES-128 itself is short of a random permutation. A table keeps at most some 80 bits of a hash, so it tells messages apart far less well.
//!
//! # All others
//!
//! Longer and other messages are encoded as
//!
//! ```text
//! total length, u32 LE | number of parts, u8 | domain, u8 | length of each part, LEB128 | the parts | zeros up to a whole block
//! ```
//!
//! and hashed by AES-128 in CBC-MAC form under one more such key, or by SipHash, which hashes all messages so. The total counts everything before
//! the zeros. It stands in the first block and fixes the number of blocks, so no encoded message is a prefix of another, which is what CBC-MAC
//! needs to be a pseudo-random function (Bellare, Kilian and Rogaway, "The security of the cipher block chaining message authentication code",
//! 2000; Petrank and Rackoff, 2000, for prefix-free messages of varying length). Part lengths are explicit, so `["ab", "c"]` and `["a", "bc"]`
//! differ. (Both hold for totals below 4 GiB; requests are bounded far below.)

use crate::lanes::{CbcMac, Cpu, ShortMac};
use siphasher::sip128::{Hasher128, SipHasher13};
use std::fmt;
use std::hash::Hasher;

/// Which function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// AES-128 over the AES instructions: short messages side by side, others by CBC-MAC.
    Aes,
    /// SipHash-1-3-128.
    Sip,
}

impl Kind {
    /// The faster one that `cpu` has.
    #[must_use]
    pub fn best(cpu: Cpu) -> Self {
        if cpu.aes_ni().is_some() { Self::Aes } else { Self::Sip }
    }

    /// The number that a region's header records.
    #[must_use]
    pub const fn number(self) -> u64 {
        match self {
            Self::Aes => 1,
            Self::Sip => 2,
        }
    }

    /// The function of that number.
    #[must_use]
    pub const fn from_number(number: u64) -> Option<Self> {
        match number {
            1 => Some(Self::Aes),
            2 => Some(Self::Sip),
            _ => None,
        }
    }
}

/// A keyed hash, ready for use by any number of threads.
#[derive(Clone, Copy)]
pub struct Prf {
    function: Function,
}

#[derive(Clone, Copy)]
#[allow(clippy::large_enum_variant)] // A few for each region, read by every request: no pointer in between.
enum Function {
    Aes(ShortMac, CbcMac),
    Sip([u8; 16]),
}

impl fmt::Debug for Prf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prf").field("kind", &self.kind()).finish_non_exhaustive()
    }
}

impl Prf {
    /// The faster function that `cpu` has, under `key`.
    #[must_use]
    pub fn new(cpu: Cpu, key: [u8; 16]) -> Self {
        let function = match cpu.aes_ni() {
            Some(proof) => {
                let key = CbcMac::new(proof, &key);
                // Zero is not among the numbers of which the short one's keys are made.
                Function::Aes(ShortMac::new(&key), CbcMac::new(proof, &key.derive(0)))
            }
            None => Function::Sip(key),
        };
        Self { function }
    }

    /// The function `kind` under `key`; `None` where the hardware lacks what it needs. A cap set by `PORTCULLIS_LANES` does not count here:
    /// it chooses what new regions use, while an existing region must be read with the function that it was written with.
    #[must_use]
    pub fn of(kind: Kind, key: [u8; 16]) -> Option<Self> {
        match kind {
            Kind::Aes => Cpu::hardware().aes_ni().is_some().then(|| Self::new(Cpu::hardware(), key)),
            Kind::Sip => Some(Self { function: Function::Sip(key) }),
        }
    }

    /// The function that a region recorded by `number` ([`Kind::number`]); `None` as in [`Prf::of`], and where there is no such function.
    #[must_use]
    pub fn recorded(number: Option<u64>, key: [u8; 16]) -> Option<Self> {
        Self::of(Kind::from_number(number?)?, key)
    }

    /// Which function this is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self.function {
            Function::Aes(..) => Kind::Aes,
            Function::Sip(_) => Kind::Sip,
        }
    }

    /// 128 bits for `parts` in domain 0. At most 255 parts.
    #[must_use]
    pub fn hash(&self, parts: &[&[u8]]) -> (u64, u64) {
        self.hash_in(0, parts)
    }

    /// 128 bits for `parts` in `domain`: the same parts in two domains have nothing in common. At most 255 parts.
    #[must_use]
    #[inline]
    pub fn hash_in(&self, domain: u8, parts: &[&[u8]]) -> (u64, u64) {
        let short = match parts {
            [part] => self.short(domain, 1, 0, &[], part),
            [first, second] => self.short(domain, 2, 0, first, second),
            [stamp, first, second] => {
                stamp.as_array::<8>().and_then(|stamp| self.short(domain, 3, u64::from_le_bytes(*stamp), first, second))
            }
            _ => None,
        };
        short.unwrap_or_else(|| self.long(domain, parts))
    }

    /// [`Self::hash_in`] of two parts.
    #[must_use]
    #[inline]
    pub fn hash_two(&self, domain: u8, first: &[u8], second: &[u8]) -> (u64, u64) {
        self.short(domain, 2, 0, first, second).unwrap_or_else(
            #[cold]
            || self.long(domain, &[first, second]),
        )
    }

    /// [`Self::hash_in`] of three parts, of which the first is `stamp` in little-endian order.
    #[must_use]
    #[inline]
    pub fn hash_stamped(&self, domain: u8, stamp: u64, first: &[u8], second: &[u8]) -> (u64, u64) {
        self.short(domain, 3, stamp, first, second).unwrap_or_else(
            #[cold]
            || self.long(domain, &[&stamp.to_le_bytes(), first, second]),
        )
    }

    /// The hash of what goes side by side: `count` parts, of which these two are the last. `None`: it is too long, or the function is another.
    #[inline(always)]
    fn short(&self, domain: u8, count: u64, stamp: u64, first: &[u8], second: &[u8]) -> Option<(u64, u64)> {
        let Function::Aes(mac, _) = &self.function else { return None };
        if first.len() > ShortMac::FIRST || second.len() > ShortMac::SECOND {
            return None;
        }
        let head = u64::from(domain) | count << 8 | (first.len() as u64) << 16 | (second.len() as u64) << 24;
        Some(mac.hash(head, stamp, first, second))
    }

    /// [`Self::hash_in`] of the encoding.
    #[inline(never)]
    fn long(&self, domain: u8, parts: &[&[u8]]) -> (u64, u64) {
        debug_assert!(parts.len() <= 255);
        let mut total = 6;
        for part in parts {
            total += leb128_len(part.len()) + part.len();
        }
        let mut sink = Sink::new(&self.function);
        // Lengths beyond 32 bits do not come up (see the top); the explicit part lengths still tell them apart.
        #[allow(clippy::cast_possible_truncation)]
        let head = total as u64 & 0xffff_ffff | (parts.len() as u64 & 0xff) << 32 | u64::from(domain) << 40;
        sink.put(&head.to_le_bytes()[..6]);
        for part in parts {
            sink.put_leb128(part.len());
        }
        for part in parts {
            sink.put(part);
        }
        sink.finish()
    }
}

const fn leb128_len(mut value: usize) -> usize {
    let mut bytes = 1;
    while value >= 0x80 {
        value >>= 7;
        bytes += 1;
    }
    bytes
}

/// How many blocks are gathered before the function is called.
const BLOCKS: usize = 8;

/// Gathers bytes into whole blocks.
struct Sink<'a> {
    function: &'a Function,
    blocks: [[u8; 16]; BLOCKS],
    fill: usize,
    chain: [u64; 2],
    sip: Option<SipHasher13>,
}

impl<'a> Sink<'a> {
    #[inline]
    fn new(function: &'a Function) -> Self {
        let sip = match function {
            Function::Aes(..) => None,
            Function::Sip(key) => Some(SipHasher13::new_with_key(key)),
        };
        Self { function, blocks: [[0; 16]; BLOCKS], fill: 0, chain: [0; 2], sip }
    }

    #[inline]
    fn put(&mut self, mut bytes: &[u8]) {
        loop {
            let room = &mut self.blocks.as_flattened_mut()[self.fill..];
            if bytes.len() <= room.len() {
                room[..bytes.len()].copy_from_slice(bytes);
                self.fill += bytes.len();
                return;
            }
            let (now, later) = bytes.split_at(room.len());
            room.copy_from_slice(now);
            bytes = later;
            self.absorb(BLOCKS);
            self.blocks = [[0; 16]; BLOCKS];
            self.fill = 0;
        }
    }

    #[inline]
    fn put_leb128(&mut self, mut value: usize) {
        while value >= 0x80 {
            self.put(&[(value & 0x7f) as u8 | 0x80]);
            value >>= 7;
        }
        self.put(&[value as u8]);
    }

    /// Takes in the first `count` blocks gathered.
    #[inline]
    fn absorb(&mut self, count: usize) {
        let blocks = &self.blocks[..count];
        match (self.function, &mut self.sip) {
            (Function::Aes(_, mac), _) => self.chain = mac.absorb(self.chain, blocks),
            (Function::Sip(_), Some(sip)) => sip.write(blocks.as_flattened()),
            (Function::Sip(_), None) => {}
        }
    }

    #[inline]
    fn finish(&mut self) -> (u64, u64) {
        self.absorb(self.fill.div_ceil(16));
        match &self.sip {
            None => (self.chain[0], self.chain[1]),
            Some(sip) => {
                let hash = sip.finish128();
                (hash.h1, hash.h2)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::sync::LazyLock;

    const KEY: [u8; 16] = *b"sixteen byte key";

    fn both() -> Vec<Prf> {
        [Kind::Aes, Kind::Sip].into_iter().filter_map(|kind| Prf::of(kind, KEY)).collect()
    }

    /// The encoding of the module's head, written the slow way.
    fn encoded(domain: u8, parts: &[&[u8]]) -> Vec<u8> {
        let mut tail = vec![parts.len() as u8, domain];
        for part in parts {
            let mut len = part.len();
            while len >= 128 {
                tail.push(len as u8 | 0x80);
                len >>= 7;
            }
            tail.push(len as u8);
        }
        tail.extend(parts.concat());
        let mut all = (tail.len() as u32 + 4).to_le_bytes().to_vec();
        all.extend(tail);
        all.resize(all.len().next_multiple_of(16), 0);
        all
    }

    #[test]
    fn every_length_hashes_the_encoding_of_the_module_head() {
        let text: Vec<u8> = (0..2000u32).map(|i| (i * 7) as u8).collect();
        for length in (0..600).chain([1000, 1999]) {
            // Four parts are never short.
            let parts: [&[u8]; 4] = [&text[..length / 3], &text[length / 3..length], b"x", b""];
            let flat = encoded(9, &parts);
            for prf in both() {
                let expected = match prf.function {
                    Function::Sip(key) => {
                        let hash = SipHasher13::new_with_key(&key).hash(&flat);
                        (hash.h1, hash.h2)
                    }
                    Function::Aes(_, mac) => {
                        let blocks: Vec<[u8; 16]> = flat.chunks(16).map(|b| b.try_into().unwrap()).collect();
                        mac.absorb([0; 2], &blocks).into()
                    }
                };
                assert_eq!(prf.hash_in(9, &parts), expected, "{length} {prf:?}");
            }
        }
    }

    /// AES-128 of one block, by the crate.
    fn aes_128(key: [u8; 16], block: [u8; 16]) -> [u8; 16] {
        use aes::cipher::{BlockCipherEncrypt, KeyInit};
        let mut block = block.into();
        aes::Aes128::new(&key.into()).encrypt_block(&mut block);
        block.into()
    }

    fn xor(a: [u8; 16], b: [u8; 16]) -> [u8; 16] {
        std::array::from_fn(|i| a[i] ^ b[i])
    }

    /// SubBytes, ShiftRows and MixColumns (FIPS 197, section 5.1), by their definitions.
    fn unkeyed_round(state: [u8; 16]) -> [u8; 16] {
        fn double(x: u8) -> u8 {
            x << 1 ^ if x & 0x80 == 0 { 0 } else { 0x1b }
        }
        fn times(a: u8, b: u8) -> u8 {
            (0..8).rev().fold(0, |sum, bit| double(sum) ^ if b >> bit & 1 == 1 { a } else { 0 })
        }
        static BOX: LazyLock<[u8; 256]> = LazyLock::new(|| {
            let power = |x: u8| (0..254).fold(1, |power, _| times(power, x));
            std::array::from_fn(|x| (0..5).fold(0x63, |sum, turn| sum ^ power(x as u8).rotate_left(turn)))
        });
        std::array::from_fn(|at| {
            let (column, row) = (at / 4, at % 4);
            let moved = |row: usize| BOX[usize::from(state[(column + row) % 4 * 4 + row])];
            let of = |more: usize| moved((row + more) % 4);
            double(of(0)) ^ double(of(1)) ^ of(1) ^ of(2) ^ of(3)
        })
    }

    /// The number `i` of the keys that are derived from the region's.
    fn derived(i: u64) -> [u8; 16] {
        let mut block = [0; 16];
        block[..8].copy_from_slice(&i.to_le_bytes());
        aes_128(KEY, block)
    }

    /// A short message's hash as the module's head has it, the slow way.
    fn side_by_side(domain: u8, count: u8, stamp: [u8; 8], first: &[u8], second: &[u8]) -> (u64, u64) {
        let mut sum = [0; 16];
        sum[..4].copy_from_slice(&[domain, count, first.len() as u8, second.len() as u8]);
        sum[8..].copy_from_slice(&stamp);
        for (part, number) in [(first, 0), (second, 2)] {
            let mut blocks: Vec<[u8; 16]> = Vec::new();
            match part.len() {
                0 => {}
                16.. => {
                    blocks.extend(part.chunks_exact(16).map(|b| <[u8; 16]>::try_from(b).unwrap()));
                    if part.len() % 16 != 0 {
                        blocks.push(part[part.len() - 16..].try_into().unwrap());
                    }
                }
                len => {
                    let mut block = [0; 16];
                    let half = if len >= 8 { 8 } else { 4 };
                    if len >= 4 {
                        block[..half].copy_from_slice(&part[..half]);
                        block[half..2 * half].copy_from_slice(&part[len - half..]);
                    } else {
                        block[..3].copy_from_slice(&[part[len - 1], part[len / 2], part[0]]);
                    }
                    blocks.push(block);
                }
            }
            for (block, number) in blocks.into_iter().zip(number..) {
                let keys = [2, 3, 4, 5].map(|key| derived(4 * number + key));
                let mut state = xor(block, keys[0]);
                for key in [keys[1], keys[2], keys[3], [0; 16]] {
                    state = xor(unkeyed_round(state), key);
                }
                sum = xor(sum, state);
            }
        }
        let hash = u128::from_le_bytes(aes_128(derived(1), sum));
        (hash as u64, (hash >> 64) as u64)
    }

    #[test]
    fn short_messages_of_every_length_hash_as_the_module_head_says_and_longer_ones_do_not() {
        let Some(prf) = Prf::of(Kind::Aes, KEY) else { return };
        let text: Vec<u8> = (1..=180u8).map(|i| i.wrapping_mul(37)).collect();
        let stamp: [u8; 8] = text[..8].try_into().unwrap();
        for first in 0..40 {
            for second in 0..70 {
                let (a, b) = (&text[8..8 + first], &text[100..100 + second]);
                let short = first <= 32 && second <= 64;
                assert_eq!(prf.hash_in(3, &[a, b]) == side_by_side(3, 2, [0; 8], a, b), short, "{first} {second}");
                let stamped = side_by_side(7, 3, stamp, a, b);
                assert_eq!(prf.hash_in(7, &[&stamp, a, b]) == stamped, short, "{first} {second}");
                if first == 0 {
                    assert_eq!(prf.hash_in(5, &[b]) == side_by_side(5, 1, [0; 8], &[], b), short, "{second}");
                }
                assert_ne!(prf.hash_in(7, &[&stamp[1..], a, b]), stamped);
            }
        }
    }

    #[test]
    fn each_byte_and_the_length_of_short_messages_counts() {
        for prf in both() {
            let mut seen = HashSet::new();
            for (first, second) in
                [(0, 0), (1, 3), (2, 2), (4, 7), (7, 9), (8, 15), (9, 24), (15, 16), (16, 36), (32, 64)]
            {
                let (a, b) = (vec![0; first], vec![0; second]);
                assert!(seen.insert(prf.hash(&[&a, &b])));
                assert!(seen.insert(prf.hash(&[&[0; 8], &a, &b])));
                for at in 0..first + second + 8 {
                    let (mut stamp, mut a, mut b) = ([0; 8], a.clone(), b.clone());
                    let mut places = stamp.iter_mut().chain(&mut a).chain(&mut b);
                    *places.nth(at).unwrap() = 1;
                    assert!(seen.insert(prf.hash(&[&stamp, &a, &b])), "{first} {second} {at}");
                    if at >= 8 {
                        assert!(seen.insert(prf.hash(&[&a, &b])), "{first} {second} {at}");
                    }
                }
            }
        }
    }

    #[test]
    fn parts_domains_keys_and_trailing_zeros_are_told_apart() {
        for prf in both() {
            let mut seen = HashSet::new();
            let lists: [&[&[u8]]; 9] = [
                &[],
                &[b""],
                &[b"", b""],
                &[b"abc"],
                &[b"ab", b"c"],
                &[b"a", b"bc"],
                &[b"abc", b""],
                &[b"abc\0"],
                &[b"abc\0\0"],
            ];
            for list in lists {
                assert!(seen.insert(prf.hash(list)));
                assert!(seen.insert(prf.hash_in(1, list)));
                assert!(seen.insert(Prf::of(prf.kind(), [7; 16]).unwrap().hash(list)));
            }
        }
    }

    #[test]
    fn the_cap_chooses_the_kind_and_the_number_finds_it_again() {
        assert_eq!(Prf::new(Cpu::SCALAR, KEY).kind(), Kind::Sip);
        for kind in [Kind::Aes, Kind::Sip] {
            assert_eq!(Kind::from_number(kind.number()), Some(kind));
        }
        assert_eq!(Kind::from_number(0), None);
        assert!(!format!("{:?}", Prf::new(Cpu::detect(), KEY)).contains("115"), "the key is not printed");
    }
}
