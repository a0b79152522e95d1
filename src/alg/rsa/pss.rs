//! EMSA-PSS verification (RFC 8017, 9.1.2) of encoded messages that have been recovered, many at a time.
//!
//! ```text
//! EM = maskedDB ‖ H ‖ bc      DB = 00 … 00 ‖ 01 ‖ salt = maskedDB xor MGF1(H)      H = hash(00·8 ‖ digest ‖ salt)
//! ```
//!
//! MGF1 takes the same hash as the message, and the salt is as long as the digest: no other lengths are accepted (RFC 7518, 3.5). What there
//! is to hash (7 short messages of MGF1 at 2048 bits with SHA-256, and H) is hashed in lanes, for all encodings together.

use super::digests::{self, MAX_DIGEST};
use super::padding::Digest;
use super::prepare::MAX_BYTES;
use crate::hash::{Message, Scratch};
use crate::lanes::Cpu;

/// An encoded message to check.
pub(super) struct Encoded {
    /// s^e mod n in the last k bytes, zeros before them; DB's mask is taken off in place.
    value: [u8; MAX_BYTES],
    /// The digest that the message has, at the front.
    digest: [u8; MAX_DIGEST],
    /// The modulus's length in bits, at least 2048.
    bits: usize,
    /// H, copied out of `value`, at the front.
    h: [u8; MAX_DIGEST],
    /// The verdict, as far as it is known.
    pub good: bool,
}

impl Encoded {
    /// One to check.
    pub fn new(value: [u8; MAX_BYTES], digest: [u8; MAX_DIGEST], bits: usize) -> Self {
        Self { value, digest, bits, h: [0; MAX_DIGEST], good: false }
    }

    /// emBits = bits − 1 (RFC 8017, 8.1.2): EM's length in bits. It is a byte shorter than the modulus where bits − 1 is a multiple of 8.
    fn em_bits(&self) -> usize {
        self.bits - 1
    }

    /// (Where DB starts in `value`, where H does.)
    fn places(&self, h_len: usize) -> (usize, usize) {
        (MAX_BYTES - self.em_bits().div_ceil(8), MAX_BYTES - 1 - h_len)
    }

    /// Bits of EM's first byte that are above emBits.
    fn spare(&self) -> usize {
        8 * self.em_bits().div_ceil(8) - self.em_bits()
    }

    /// Steps 4 to 6: the trailer, and the bits above emBits. Keeps H aside.
    fn open(&mut self, h_len: usize) {
        let (db, h) = self.places(h_len);
        let above = u16::from(self.value[db]) >> (8 - self.spare());
        self.good = zeros(&self.value[..db]) && above == 0 && self.value[MAX_BYTES - 1] == 0xbc;
        self.h[..h_len].copy_from_slice(&self.value[h..h + h_len]);
    }

    /// Step 10, when the mask is off: DB is zeros, 01 and the salt.
    fn unmasked(&mut self, h_len: usize) {
        let (db, h) = self.places(h_len);
        let spare = self.spare();
        self.value[db] &= 0xff >> spare;
        let one = h - h_len - 1;
        self.good &= zeros(&self.value[db..one]) && self.value[one] == 1;
    }
}

/// Whether there are only zeros; a word at a time.
fn zeros(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<8>();
    words.iter().fold(0, |all, word| all | u64::from_ne_bytes(*word)) == 0 && rest.iter().all(|&b| b == 0)
}

/// Adds `mask`, which is at least as long, to `text`.
fn xor(text: &mut [u8], mask: &[u8]) {
    let mask = &mask[..text.len()];
    let (words, rest) = text.as_chunks_mut::<8>();
    let (masks, mask_rest) = mask.as_chunks::<8>();
    for (word, mask) in words.iter_mut().zip(masks) {
        *word = (u64::from_ne_bytes(*word) ^ u64::from_ne_bytes(*mask)).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask_rest) {
        *byte ^= mask;
    }
}

/// What there is to hash, in one piece each.
#[derive(Default)]
pub(super) struct Texts {
    /// MGF1's: H and a counter; with the place in `encoded` and the counter again.
    seeds: Vec<([u8; MAX_DIGEST + 4], u32, u32)>,
    /// H's own: eight zeros, the digest, the salt.
    again: Vec<[u8; 8 + 2 * MAX_DIGEST]>,
}

/// Settles every one of `encoded`: all of them have the same hash, but each its own length of modulus, up to [`MAX_BYTES`].
pub(super) fn verify(cpu: Cpu, hash: Digest, encoded: &mut [Encoded], texts: &mut Texts, scratch: &mut Scratch) {
    let h_len = hash.bytes();
    let Texts { seeds, again } = texts;
    seeds.clear();
    for (i, one) in (0u32..).zip(encoded.iter_mut()) {
        one.open(h_len);
        if one.good {
            let (db, h) = one.places(h_len);
            let mut seed = [0; MAX_DIGEST + 4];
            seed[..MAX_DIGEST].copy_from_slice(&one.h);
            for counter in 0..(h - db).div_ceil(h_len) as u32 {
                seed[h_len..h_len + 4].copy_from_slice(&counter.to_be_bytes());
                seeds.push((seed, i, counter));
            }
        }
    }
    let unmask = |b: usize, digest: &[u8]| {
        let (_, i, counter) = seeds[b];
        let one = &mut encoded[i as usize];
        let (db, h) = one.places(h_len);
        let start = db + counter as usize * h_len;
        xor(&mut one.value[start..h.min(start + h_len)], digest);
    };
    digests::each(cpu, hash, seeds.len(), |b| Message::new(&seeds[b].0[..h_len + 4]), unmask, scratch);

    again.clear();
    for one in encoded.iter_mut() {
        one.unmasked(h_len);
        let h = one.places(h_len).1;
        let mut text = [0; 8 + 2 * MAX_DIGEST];
        text[8..8 + h_len].copy_from_slice(&one.digest[..h_len]);
        text[8 + h_len..8 + 2 * h_len].copy_from_slice(&one.value[h - h_len..h]);
        again.push(text);
    }
    let compare = |i: usize, digest: &[u8]| {
        let one = &mut encoded[i];
        one.good &= one.h[..h_len] == digest[..h_len];
    };
    digests::each(cpu, hash, again.len(), |i| Message::new(&again[i][..8 + 2 * h_len]), compare, scratch);
}
