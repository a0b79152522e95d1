//! What a key's modulus and exponent are turned into at load, so that a verification has nothing to convert.
//!
//! For each size of limbs there is (bits B of a limb, limbs N, R = 2^(B·N); see [`super::montgomery`]) a key holds, lowest limb first:
//!
//! | scheme | numbers |
//! |---|---|
//! | PKCS#1 v1.5 | n, c = −R·R^−(e−1) mod n, k₁ = −E₀·R^−(e−1) mod n |
//! | PSS | n, z = R^e mod n |
//!
//! then, in limbs of 52 bits, the constants of folds, 2^−520 mod n ([`super::radix52`]) and 2^−416 mod n ([`super::one`]), and −n⁻¹ mod 2^B:
//! 1.6 KiB for PKCS#1 at 2048 bits. E₀ is the encoded message with an all-zero digest. Powers of R are powers of two, so one
//! exponentiation of 2 or of 1/2 gives them ([`Ring::power_of_two`]).
//!
//! The arithmetic here is plain: 64-bit words, Montgomery with operand scanning, some 40 products a key (50 µs at 2048 bits). It works on
//! public numbers only.

use super::padding::{Digest, Padding};

/// The limbs of a stored number are padded with zeros to a multiple of this, so that they can be read in whole vectors.
pub(super) const STRIDE: usize = 8;
/// The greatest length of a modulus in bytes.
pub(super) const MAX_BYTES: usize = 512;
/// The greatest public exponent of the lane kernels.
pub(super) const MAX_EXPONENT: u64 = u32::MAX as u64;

/// Limbs of 52 bits for a modulus of `k` bytes.
#[must_use]
pub(super) fn limbs52(k: usize) -> usize {
    match k {
        ..=256 => 40,
        257..=384 => 60,
        _ => 80,
    }
}

/// (Bits of a limb, limbs) where products have 64 bits, for a modulus of `k` bytes.
#[must_use]
pub(super) fn limbs28(k: usize) -> (u32, usize) {
    match k {
        ..=256 => (28, 75),
        257..=384 => (28, 110),
        _ => (27, 155),
    }
}

/// The bits that a fold takes away.
const FOLD: i64 = 520;
/// The same where a number lies across lanes.
const FOLD_ACROSS: i64 = 416;

/// A key's numbers in limbs of one size.
#[derive(Debug)]
pub(super) struct Constants {
    limb_bits: u32,
    limbs: usize,
    /// −n⁻¹ mod 2^B.
    pub n0: u64,
    /// The numbers of the table above, one after the other, `stride` words each.
    words: Box<[u64]>,
}

impl Constants {
    /// Bits of a limb.
    pub fn limb_bits(&self) -> u32 {
        self.limb_bits
    }

    /// How many limbs.
    pub fn limbs(&self) -> usize {
        self.limbs
    }

    /// Number `i` of the table: N limbs, then zeros up to a multiple of [`STRIDE`].
    pub fn number(&self, i: usize) -> &[u64] {
        let stride = self.limbs.next_multiple_of(STRIDE);
        &self.words[i * stride..][..stride]
    }

    /// 2^−520 mod n, in the same form; only with limbs of 52 bits.
    pub fn fold(&self) -> &[u64] {
        debug_assert_eq!(self.limb_bits, 52);
        let stride = self.limbs.next_multiple_of(STRIDE);
        &self.words[self.words.len() - 2 * stride..][..stride]
    }

    /// 2^−416 mod n, likewise.
    pub fn fold_across(&self) -> &[u64] {
        debug_assert_eq!(self.limb_bits, 52);
        &self.words[self.words.len() - self.limbs.next_multiple_of(STRIDE)..]
    }

    /// The constants of the key (`n`, `e`) for a padding; `n` is odd, its leading byte is not 0, and it has 256 to [`MAX_BYTES`]
    /// bytes; e is odd, at least 3 and at most [`MAX_EXPONENT`].
    pub fn new(n: &[u8], e: u64, padding: Padding, limb_bits: u32, limbs: usize) -> Self {
        match padding {
            Padding::Pkcs1(digest) => {
                let mut em = vec![0; n.len()];
                pkcs1_encoding(digest, &[], &mut em);
                Self::with_encoding(n, e, &em, limb_bits, limbs)
            }
            Padding::Pss(_) => {
                let ring = Ring::new(n);
                let z = ring.power_of_two(i64::from(limb_bits) * limbs as i64 * e as i64);
                Self::of(&ring, limb_bits, limbs, &[n, &ring.to_bytes(&ring.out(&z))])
            }
        }
    }

    /// The same for any encoding `em` < n of a message with an all-zero digest, to which the digest will be added.
    pub fn with_encoding(n: &[u8], e: u64, em: &[u8], limb_bits: u32, limbs: usize) -> Self {
        let ring = Ring::new(n);
        // R^−1 as a power of two.
        let inverse = -i64::from(limb_bits) * limbs as i64;
        let c = ring.negative(&ring.out(&ring.power_of_two(inverse * (e as i64 - 2))));
        let k1 = ring.negative(&ring.product(&ring.number(em), &ring.power_of_two(inverse * (e as i64 - 1))));
        Self::of(&ring, limb_bits, limbs, &[n, &ring.to_bytes(&c), &ring.to_bytes(&k1)])
    }

    fn of(ring: &Ring, limb_bits: u32, limbs: usize, numbers: &[&[u8]]) -> Self {
        debug_assert!(8 * ring.bytes + 8 <= limb_bits as usize * limbs, "R is at least 2^8 times n");
        let stride = limbs.next_multiple_of(STRIDE);
        let folds = if limb_bits == 52 { &[FOLD, FOLD_ACROSS][..] } else { &[] };
        let folds: Vec<_> = folds.iter().map(|bits| ring.to_bytes(&ring.out(&ring.power_of_two(-bits)))).collect();
        let mut words = Vec::with_capacity((numbers.len() + folds.len()) * stride);
        for number in numbers.iter().copied().chain(folds.iter().map(Vec::as_slice)) {
            let start = words.len();
            words.resize(start + stride, 0);
            to_limbs(number, limb_bits, &mut words[start..start + limbs]);
        }
        Self { limb_bits, limbs, n0: ring.n0 & ((1 << limb_bits) - 1), words: words.into() }
    }
}

/// A big-endian number cut into limbs of `bits` bits, lowest first, zeros above.
fn to_limbs(number: &[u8], bits: u32, out: &mut [u64]) {
    for (i, chunk) in out.chunks_mut(STRIDE).enumerate() {
        let strip = strip(number, bits, i);
        chunk.copy_from_slice(&strip[..chunk.len()]);
    }
}

/// Limbs 8·`i` … 8·`i`+7 of a big-endian number, in limbs of `bits` ≤ 52 bits: they are exactly `bits` bytes of it. Zeros above its end.
#[inline(always)]
pub(super) fn strip(number: &[u8], bits: u32, i: usize) -> [u64; STRIDE] {
    // Eight bytes are read for every limb: it starts within the lowest of them, so that it has at most 52 + 7 of the 64 bits. The
    // uppermost limb's eight bytes may reach beyond the strip.
    let reach = bits as usize + 8;
    let end = number.len().saturating_sub(bits as usize * i);
    let mut buffer = [0; 64];
    let window = if end >= reach {
        &number[end - reach..end]
    } else {
        buffer[reach - end..reach].copy_from_slice(&number[..end]);
        &buffer[..reach]
    };
    let mut limbs = [0; STRIDE];
    for (j, limb) in limbs.iter_mut().enumerate() {
        let low = j * bits as usize;
        let end = reach - low / 8;
        let word = window[end - 8..].first_chunk().copied().unwrap_or_default();
        *limb = u64::from_be_bytes(word) >> (low % 8) & ((1 << bits) - 1);
    }
    limbs
}

/// Writes EM of EMSA-PKCS1-v1_5 (RFC 8017, 9.2): `00 01 FF…FF 00`, the DER of DigestInfo, the digest. An empty `value` stands for an
/// all-zero digest. `em` has at least 11 bytes more than DigestInfo.
pub(super) fn pkcs1_encoding(digest: Digest, value: &[u8], em: &mut [u8]) {
    let info = digest.info_prefix();
    let (head, tail) = em.split_at_mut(em.len() - info.len() - digest.bytes());
    head.fill(0xff);
    head[0] = 0;
    head[1] = 1;
    head[head.len() - 1] = 0;
    let (prefix, place) = tail.split_at_mut(info.len());
    prefix.copy_from_slice(info);
    place.fill(0);
    place[..value.len()].copy_from_slice(value);
}

/// s^e mod n, plainly; all numbers big-endian, s < n, the result as long as n.
pub(super) fn power(n: &[u8], s: &[u8], e: u64) -> Vec<u8> {
    let ring = Ring::new(n);
    // s times 2^(64·len): a product with (2^(64·len))², which is 2^(64·len) inside.
    let base = ring.product(&ring.number(s), &ring.power_of_two(64 * ring.n.len() as i64));
    let mut x = base.clone();
    for bit in (0..e.ilog2()).rev() {
        x = ring.product(&x, &x);
        if e >> bit & 1 == 1 {
            x = ring.product(&x, &base);
        }
    }
    ring.to_bytes(&ring.out(&x))
}

/// a − b mod n, for a < n and b < n.
pub(super) fn difference(n: &[u8], a: &[u8], b: &[u8]) -> Vec<u8> {
    let ring = Ring::new(n);
    let (mut x, b) = (ring.number(a), ring.number(b));
    let mut borrow = false;
    for (x, &b) in x.iter_mut().zip(&b) {
        (*x, borrow) = x.borrowing_sub(b, borrow);
    }
    if borrow {
        let mut carry = false;
        for (x, &n) in x.iter_mut().zip(&ring.n) {
            (*x, carry) = x.carrying_add(n, carry);
        }
    }
    ring.to_bytes(&x)
}

/// Numbers modulo n, in 64-bit words, lowest first, always below n. "Inside" the Montgomery domain a number x stands as x·2^(64·len).
struct Ring {
    n: Vec<u64>,
    /// −n⁻¹ mod 2^64.
    n0: u64,
    bytes: usize,
    /// 1, inside.
    one: Vec<u64>,
}

impl Ring {
    fn new(n: &[u8]) -> Self {
        let bytes = n.len();
        let words = from_be(n, bytes.div_ceil(8));
        // Newton: each step doubles the low bits that are right; the first guess has three.
        let mut inverse = words[0];
        for _ in 0..5 {
            inverse = inverse.wrapping_mul(2u64.wrapping_sub(words[0].wrapping_mul(inverse)));
        }
        let mut ring = Self { n0: inverse.wrapping_neg(), bytes, one: vec![0; words.len()], n: words };
        // 2^top is below n (its highest bit is top, and n is odd and not a power of two); doubling brings it to 2^(64·len).
        let total = 64 * ring.n.len();
        let top = total - 1 - ring.n.last().map_or(0, |w| w.leading_zeros() as usize);
        let mut one = vec![0; ring.n.len()];
        one[top / 64] = 1 << (top % 64);
        for _ in top..total {
            ring.double(&mut one);
        }
        ring.one = one;
        ring
    }

    fn number(&self, number: &[u8]) -> Vec<u64> {
        from_be(number, self.n.len())
    }

    fn to_bytes(&self, x: &[u64]) -> Vec<u8> {
        let all: Vec<u8> = x.iter().rev().flat_map(|w| w.to_be_bytes()).collect();
        all[all.len() - self.bytes..].to_vec()
    }

    /// a·b·2^−(64·len): operand scanning; the accumulator stays below 2n, one subtraction brings it below n.
    fn product(&self, a: &[u64], b: &[u64]) -> Vec<u64> {
        let len = self.n.len();
        let mut t = vec![0u64; len + 2];
        for &x in a {
            let mut carry = 0;
            for j in 0..len {
                (t[j], carry) = x.carrying_mul_add(b[j], t[j], carry);
            }
            let over;
            (t[len], over) = t[len].overflowing_add(carry);
            t[len + 1] = u64::from(over);
            let m = t[0].wrapping_mul(self.n0);
            (_, carry) = m.carrying_mul_add(self.n[0], t[0], 0);
            for j in 1..len {
                (t[j - 1], carry) = m.carrying_mul_add(self.n[j], t[j], carry);
            }
            let over;
            (t[len - 1], over) = t[len].overflowing_add(carry);
            t[len] = t[len + 1] + u64::from(over);
        }
        let high = t[len];
        t.truncate(len);
        self.reduce(&mut t, high);
        t
    }

    /// Subtracts n once from `high`·2^(64·len) + x if that does not go below 0.
    fn reduce(&self, x: &mut [u64], high: u64) {
        if high != 0 || x.iter().rev().ge(self.n.iter().rev()) {
            let mut borrow = false;
            for (x, &n) in x.iter_mut().zip(&self.n) {
                (*x, borrow) = x.borrowing_sub(n, borrow);
            }
        }
    }

    fn double(&self, x: &mut [u64]) {
        let mut out = 0;
        for w in x.iter_mut() {
            (*w, out) = (*w << 1 | out, *w >> 63);
        }
        self.reduce(x, out);
    }

    /// x/2 mod n: an odd x becomes even with n.
    fn halve(&self, x: &mut [u64]) {
        let mut carry = false;
        if x[0] & 1 == 1 {
            for (x, &n) in x.iter_mut().zip(&self.n) {
                (*x, carry) = x.carrying_add(n, carry);
            }
        }
        let mut above = u64::from(carry);
        for w in x.iter_mut().rev() {
            (*w, above) = (*w >> 1 | above << 63, *w & 1);
        }
    }

    /// 2^exponent, inside, for exponents of either sign.
    fn power_of_two(&self, exponent: i64) -> Vec<u64> {
        let mut x = self.one.clone();
        let size = exponent.unsigned_abs();
        for bit in (0..64 - size.leading_zeros()).rev() {
            x = self.product(&x, &x);
            if size >> bit & 1 == 1 {
                if exponent > 0 { self.double(&mut x) } else { self.halve(&mut x) }
            }
        }
        x
    }

    /// −x mod n, for x < n.
    fn negative(&self, x: &[u64]) -> Vec<u64> {
        if x.iter().all(|&w| w == 0) {
            return x.to_vec();
        }
        let mut borrow = false;
        let mut out = self.n.clone();
        for (n, &x) in out.iter_mut().zip(x) {
            (*n, borrow) = n.borrowing_sub(x, borrow);
        }
        out
    }

    /// Out of the Montgomery domain.
    fn out(&self, x: &[u64]) -> Vec<u64> {
        let mut one = vec![0; self.n.len()];
        one[0] = 1;
        self.product(x, &one)
    }
}

/// `len` words, lowest first, of a big-endian number of at most 8·len bytes.
fn from_be(number: &[u8], len: usize) -> Vec<u64> {
    let mut words: Vec<u64> = number.rchunks(8).map(|c| c.iter().fold(0, |w, &b| w << 8 | u64::from(b))).collect();
    words.resize(len, 0);
    words
}
