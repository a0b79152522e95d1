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

/// s^e mod n in the last k bytes, zeros before them.
pub(super) type Value = [u8; MAX_BYTES];

/// Room for MGF1's output: as long as DB, rounded up to whole digests.
type Mask = [u8; MAX_BYTES + MAX_DIGEST];

/// What is known of an encoded message.
pub(super) struct Encoded {
    /// The modulus's length in bits, at least 2048.
    bits: usize,
    /// The verdict, as far as it is known.
    pub good: bool,
}

impl Encoded {
    /// One to check.
    pub fn new(bits: usize) -> Self {
        Self { bits, good: false }
    }

    /// emBits = bits − 1 (RFC 8017, 8.1.2): EM's length in bits. It is a byte shorter than the modulus where bits − 1 is a multiple of 8.
    fn em_bits(&self) -> usize {
        self.bits - 1
    }

    /// (Where DB starts in the value, where H does.)
    fn places(&self, h_len: usize) -> (usize, usize) {
        (MAX_BYTES - self.em_bits().div_ceil(8), MAX_BYTES - 1 - h_len)
    }

    /// Bits of EM's first byte that are above emBits.
    fn spare(&self) -> usize {
        8 * self.em_bits().div_ceil(8) - self.em_bits()
    }

    /// Steps 4 to 6: the trailer, and the bits above emBits.
    fn open(&mut self, value: &Value, h_len: usize) {
        let (db, _) = self.places(h_len);
        let above = u16::from(value[db]) >> (8 - self.spare());
        self.good = zeros(&value[..db]) && above == 0 && value[MAX_BYTES - 1] == 0xbc;
    }

    /// Steps 8 to 10: DB without its mask is zeros, 01 and the salt, which is returned. What is above emBits does not count.
    fn unmasked<const H: usize>(&mut self, value: &Value, mask: &Mask) -> [u8; H] {
        let (db, h) = self.places(H);
        let (db, mask) = (&value[db..h], &mask[..h - db]);
        let (zeros, salt) = db.split_at(db.len() - H);
        let (mask_zeros, mask_salt) = mask.split_at(zeros.len());
        let mut all = u64::from((zeros[0] ^ mask_zeros[0]) & (0xff >> self.spare()));
        // Words after the first byte, the last one from the back: 01 comes last.
        let words = |bytes: &[u8], at: usize| bytes.get(at..at + 8).and_then(|b| b.first_chunk().copied());
        let last = zeros.len() - 8;
        for at in (1..last).step_by(8) {
            all |= difference(words(zeros, at), words(mask_zeros, at));
        }
        let end = zeros.len();
        all |= difference(words(zeros, last), words(mask_zeros, last)) & u64::from_be(!0xff);
        self.good &= all == 0 && zeros[end - 1] ^ mask_zeros[end - 1] == 1;
        let mut out = [0; H];
        for ((out, a), b) in out.iter_mut().zip(salt).zip(mask_salt) {
            *out = a ^ b;
        }
        out
    }
}

/// The exclusive or of two words; all ones where one is not there.
#[inline]
fn difference(a: Option<[u8; 8]>, b: Option<[u8; 8]>) -> u64 {
    match (a, b) {
        (Some(a), Some(b)) => u64::from_ne_bytes(a) ^ u64::from_ne_bytes(b),
        _ => u64::MAX,
    }
}

/// Whether there are only zeros; a word at a time.
fn zeros(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<8>();
    words.iter().fold(0, |all, word| all | u64::from_ne_bytes(*word)) == 0 && rest.iter().all(|&b| b == 0)
}

/// What there is to hash, in one piece each, and what comes of it.
#[derive(Default)]
pub(super) struct Texts {
    /// MGF1's: H and a counter; with the place in `masks` that the digest goes to.
    seeds: Vec<([u8; MAX_DIGEST + 4], u32)>,
    /// MGF1's output for each encoding.
    masks: Vec<Mask>,
    /// H's own: eight zeros, the digest, the salt.
    again: Vec<[u8; 8 + 2 * MAX_DIGEST]>,
}

/// Settles every one of `encoded`, whose values and messages' digests are in the other two: all of them have the same hash, but each its own
/// length of modulus, up to [`MAX_BYTES`].
pub(super) fn verify(
    cpu: Cpu,
    hash: Digest,
    encoded: &mut [Encoded],
    values: &[Value],
    digests: &[[u8; MAX_DIGEST]],
    texts: &mut Texts,
    scratch: &mut Scratch,
) {
    match hash {
        Digest::Sha1 => verify_with::<20>(cpu, hash, encoded, values, digests, texts, scratch),
        Digest::Sha256 => verify_with::<32>(cpu, hash, encoded, values, digests, texts, scratch),
        Digest::Sha512 => verify_with::<64>(cpu, hash, encoded, values, digests, texts, scratch),
    }
}

/// The same for digests of `H` bytes.
fn verify_with<const H: usize>(
    cpu: Cpu,
    hash: Digest,
    encoded: &mut [Encoded],
    values: &[Value],
    digests: &[[u8; MAX_DIGEST]],
    texts: &mut Texts,
    scratch: &mut Scratch,
) {
    let Texts { seeds, masks, again } = texts;
    seeds.clear();
    if masks.len() < encoded.len() {
        masks.resize(encoded.len(), [0; MAX_BYTES + MAX_DIGEST]);
    }
    for ((i, one), value) in encoded.iter_mut().enumerate().zip(values) {
        one.open(value, H);
        if one.good {
            let (db, h) = one.places(H);
            let mut seed = [0; MAX_DIGEST + 4];
            seed[..H].copy_from_slice(&value[h..h + H]);
            for counter in 0..(h - db).div_ceil(H) {
                seed[H..H + 4].copy_from_slice(&(counter as u32).to_be_bytes());
                seeds.push((seed, (i * size_of::<Mask>() + counter * H) as u32));
            }
        }
    }
    let all = masks.as_flattened_mut();
    let keep = |b: usize, digest: &[u8]| {
        if let Some(place) = all.get_mut(seeds[b].1 as usize..)
            && let (Some(place), Some(digest)) = (place.first_chunk_mut::<H>(), digest.first_chunk::<H>())
        {
            *place = *digest;
        }
    };
    digests::each(cpu, hash, seeds.len(), |b| Message::new(&seeds[b].0[..H + 4]), keep, scratch);

    again.clear();
    for (((one, value), mask), digest) in encoded.iter_mut().zip(values).zip(masks).zip(digests) {
        let mut text = [0; 8 + 2 * MAX_DIGEST];
        text[8..8 + H].copy_from_slice(&digest[..H]);
        text[8 + H..8 + 2 * H].copy_from_slice(&one.unmasked::<H>(value, mask));
        again.push(text);
    }
    let compare = |i: usize, digest: &[u8]| {
        let (one, value) = (&mut encoded[i], &values[i]);
        let h = one.places(H).1;
        one.good &= value[h..h + H] == digest[..H];
    };
    digests::each(cpu, hash, again.len(), |i| Message::new(&again[i][..8 + 2 * H]), compare, scratch);
}
