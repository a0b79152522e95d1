//! EMSA-PSS verification (RFC 8017, 9.1.2) of an encoded message that has been recovered.
//!
//! MGF1 takes the same hash as the message, and the salt is as long as the digest: no other lengths are accepted (RFC 7518, 3.5).

use super::digests::Hasher;
use super::padding::Digest;
use super::prepare::MAX_BYTES;

/// Whether `value`, a number of k big-endian bytes, is an encoding of `digest` for a modulus of `bits` bits. `bits` is at least 2048.
pub(super) fn verify(hasher: &Hasher, hash: Digest, bits: usize, value: &[u8], digest: &[u8]) -> bool {
    // emBits = bits − 1 (RFC 8017, 8.1.2): where bits − 1 is a multiple of 8, EM is a byte shorter than the modulus.
    let em_bits = bits - 1;
    let em_len = em_bits.div_ceil(8);
    let (front, em) = value.split_at(value.len().saturating_sub(em_len));
    let h_len = hash.bytes();
    if front.iter().any(|&b| b != 0) || em.len() < 2 * h_len + 2 {
        return false;
    }
    let (masked, tail) = em.split_at(em_len - h_len - 1);
    let (h, last) = tail.split_at(h_len);
    // The bits of EM above emBits are 0.
    let spare = 8 * em_len - em_bits;
    if last != [0xbc] || u16::from(masked[0]) >> (8 - spare) != 0 {
        return false;
    }
    let mut db = [0; MAX_BYTES];
    let Some(db) = db.get_mut(..masked.len()) else { return false };
    db.copy_from_slice(masked);
    let mut seed = [0; 64 + 4];
    seed[..h_len].copy_from_slice(h);
    let mut block = [0; 64];
    for (i, chunk) in (0u32..).zip(db.chunks_mut(h_len)) {
        seed[h_len..h_len + 4].copy_from_slice(&i.to_be_bytes());
        hasher.digest(hash, &seed[..h_len + 4], &mut block);
        for (d, m) in chunk.iter_mut().zip(&block) {
            *d ^= m;
        }
    }
    db[0] &= 0xff >> spare;
    // DB = zeros ‖ 01 ‖ salt.
    let (zeros, rest) = db.split_at(db.len() - h_len - 1);
    let (one, salt) = rest.split_at(1);
    if zeros.iter().any(|&b| b != 0) || one != [1] {
        return false;
    }
    let mut again = [0; 8 + 64 + 64];
    again[8..8 + h_len].copy_from_slice(&digest[..h_len]);
    again[8 + h_len..8 + 2 * h_len].copy_from_slice(salt);
    hasher.digest(hash, &again[..8 + 2 * h_len], &mut block);
    block[..h_len] == *h
}
