//! The keyed hash of the shared tables: 128 bits that nobody without the region's key can steer.
//!
//! Table positions and tags come from what clients send, so an unkeyed hash would let one client aim its nonces at one page of the table and
//! fill it, or look for two nonces that share a tag. Two functions serve, and a region keeps to the one that its creator chose:
//!
//! - [`Kind::Aes`]: AES-128 CBC-MAC, where the CPU has the AES instructions (a few nanoseconds);
//! - [`Kind::Sip`]: SipHash-1-3 with 128 bits of output, everywhere.
//!
//! # Encoding
//!
//! A message is a domain and a list of parts, encoded as
//!
//! ```text
//! total length, u32 LE | number of parts, u8 | domain, u8 | length of each part, LEB128 | the parts | zeros up to a whole block
//! ```
//!
//! The total counts everything before the zeros. It stands in the first block and fixes the number of blocks, so no encoded message is a
//! prefix of another, which is what CBC-MAC needs to be a pseudo-random function (Bellare, Kilian and Rogaway, "The security of the cipher
//! block chaining message authentication code", 2000; Petrank and Rackoff, 2000, for prefix-free messages of varying length). Part lengths
//! are explicit, so `["ab", "c"]` and `["a", "bc"]` differ. (Both hold for totals below 4 GiB; requests are bounded far below.)

use crate::lanes::{CbcMac, Cpu};
use siphasher::sip128::{Hasher128, SipHasher13};
use std::fmt;
use std::hash::Hasher;

/// Which function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// AES-128 CBC-MAC over the AES instructions.
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
enum Function {
    Aes(CbcMac),
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
            Some(proof) => Function::Aes(CbcMac::new(proof, &key)),
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
            Function::Aes(_) => Kind::Aes,
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
        debug_assert!(parts.len() <= 255);
        let mut total = 6;
        for part in parts {
            total += leb128_len(part.len()) + part.len();
        }
        // Lengths beyond 32 bits do not come up (see the top); the explicit part lengths still tell them apart.
        #[allow(clippy::cast_possible_truncation)]
        let head = total as u64 & 0xffff_ffff | (parts.len() as u64 & 0xff) << 32 | u64::from(domain) << 40;
        if let (Function::Aes(mac), [first, second]) = (&self.function, parts)
            && first.len().max(second.len()) <= CbcMac::SHORT
        {
            let head = head | (first.len() as u64) << 48 | (second.len() as u64) << 56;
            let chain = mac.short::<8>([head, 0, 0], first, second);
            return (chain[0], chain[1]);
        }
        if let (Function::Aes(mac), [stamp, first, second]) = (&self.function, parts)
            && let Some(stamp) = stamp.as_array::<8>()
            && first.len().max(second.len()) <= CbcMac::SHORT
        {
            // A message's timestamp, app and nonce: the third length is byte 8, the timestamp begins at byte 9.
            let head = head | (stamp.len() as u64) << 48 | (first.len() as u64) << 56;
            let stamp = u64::from_le_bytes(*stamp);
            let chain = mac.short::<17>([head, second.len() as u64 | stamp << 8, stamp >> 56], first, second);
            return (chain[0], chain[1]);
        }
        if let (Function::Aes(mac), [part]) = (&self.function, parts)
            && let Some((first, rest)) = part.split_first()
            && rest.len() <= CbcMac::SHORT
        {
            // The part begins at byte 7 of the head's word.
            let head = head | (part.len() as u64) << 48 | u64::from(*first) << 56;
            let chain = mac.short::<8>([head, 0, 0], rest, &[]);
            return (chain[0], chain[1]);
        }
        let mut sink = Sink::new(&self.function);
        if let [first, second] = parts
            && (first.len() | second.len()) < 0x80
        {
            // The usual case, app and nonce: all before the parts is one word.
            sink.put(&(head | (first.len() as u64) << 48 | (second.len() as u64) << 56).to_le_bytes());
        } else {
            sink.put(&head.to_le_bytes()[..6]);
            for part in parts {
                sink.put_leb128(part.len());
            }
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
            Function::Aes(_) => None,
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
            (Function::Aes(mac), _) => self.chain = mac.absorb(self.chain, blocks),
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
            let parts: [&[u8]; 3] = [&text[..length / 3], &text[length / 3..length], b"x"];
            let flat = encoded(9, &parts);
            for prf in both() {
                let expected = match prf.function {
                    Function::Sip(key) => {
                        let hash = SipHasher13::new_with_key(&key).hash(&flat);
                        (hash.h1, hash.h2)
                    }
                    Function::Aes(mac) => {
                        let blocks: Vec<[u8; 16]> = flat.chunks(16).map(|b| b.try_into().unwrap()).collect();
                        let chain = mac.absorb([0; 2], &blocks);
                        (chain[0], chain[1])
                    }
                };
                assert_eq!(prf.hash_in(9, &parts), expected, "{length} {prf:?}");
            }
        }
    }

    #[test]
    fn two_parts_of_every_length_hash_the_encoding_too() {
        let text: Vec<u8> = (1..=80u8).collect();
        for first in 0..40 {
            for second in 0..40 {
                let parts: [&[u8]; 2] = [&text[..first], &text[first..first + second]];
                let blocks: Vec<[u8; 16]> = encoded(3, &parts).chunks(16).map(|b| b.try_into().unwrap()).collect();
                for prf in both() {
                    if let Function::Aes(mac) = prf.function {
                        let chain = mac.absorb([0; 2], &blocks);
                        assert_eq!(prf.hash_in(3, &parts), (chain[0], chain[1]), "{first} {second}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_timestamp_and_two_parts_of_every_length_hash_the_encoding_too() {
        let text: Vec<u8> = (1..=90u8).collect();
        for first in 0..40 {
            for second in 0..40 {
                let parts: [&[u8]; 3] = [&text[..8], &text[8..8 + first], &text[8 + first..8 + first + second]];
                let blocks: Vec<[u8; 16]> = encoded(2, &parts).chunks(16).map(|b| b.try_into().unwrap()).collect();
                for prf in both() {
                    if let Function::Aes(mac) = prf.function {
                        let chain = mac.absorb([0; 2], &blocks);
                        assert_eq!(prf.hash_in(2, &parts), (chain[0], chain[1]), "{first} {second}");
                    }
                }
            }
        }
    }

    #[test]
    fn one_part_of_every_length_hashes_the_encoding() {
        let text: Vec<u8> = (1..=80u8).collect();
        for length in 0..80 {
            let parts: [&[u8]; 1] = [&text[..length]];
            let blocks: Vec<[u8; 16]> = encoded(16, &parts).chunks(16).map(|b| b.try_into().unwrap()).collect();
            for prf in both() {
                if let Function::Aes(mac) = prf.function {
                    let chain = mac.absorb([0; 2], &blocks);
                    assert_eq!(prf.hash_in(16, &parts), (chain[0], chain[1]), "{length}");
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
