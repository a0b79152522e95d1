//! One signature a lane: a group of up to as many signatures as there are lanes, all with keys of one limb count and one exponent.
//!
//! A group that is not full computes its first signature again in the empty lanes.

use std::marker::PhantomData;

use super::montgomery::{Modulus, Montgomery, Proof};
use super::prepare::{Constants, MAX_BYTES, STRIDE};
use crate::lanes::Kernel;
use crate::lanes::u64s::{MAX_LANES, Words};

/// A signature, its key, and (PKCS#1) the digest that it should carry.
#[derive(Clone, Copy)]
pub(super) struct Claim<'a> {
    pub constants: &'a Constants,
    /// k bytes, the modulus's length, and as a number below the modulus: the caller has checked both.
    pub signature: &'a [u8],
    /// The digest of the message; not looked at where the value is recovered.
    pub digest: &'a [u8],
}

/// The claim of each lane; lanes beyond the last claim get the first one.
type Spread<'c, 'a> = [&'c Claim<'a>; MAX_LANES];

#[inline(always)]
fn spread<'c, 'a>(claims: &'c [Claim<'a>]) -> Spread<'c, 'a> {
    let mut lanes = [&claims[0]; MAX_LANES];
    for (lane, claim) in lanes.iter_mut().zip(claims) {
        *lane = claim;
    }
    lanes
}

/// Eight rows of a word a lane, or (where there are fewer lanes) as many: `out[j]`'s lane i is `rows[i][j]`.
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "iterator adapters stay calls inside a kernel")]
fn turned<V: Words>(proof: V::Proof, rows: &[&[u64; STRIDE]; MAX_LANES]) -> [V; STRIDE] {
    let mut out = [V::splat(proof, 0); STRIDE];
    let mut part = 0;
    while part < STRIDE {
        let mut views: [&[u64]; MAX_LANES] = [&[]; MAX_LANES];
        for lane in 0..V::LANES {
            views[lane] = &rows[lane][part..];
        }
        V::transpose(proof, &views[..V::LANES], &mut out[part..part + V::LANES]);
        part += V::LANES;
    }
    out
}

/// A stored number of each lane.
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "iterator adapters stay calls inside a kernel")]
fn constants<'a, M: Montgomery>(
    proof: Proof<M>,
    claims: &Spread<'_, 'a>,
    out: &mut M::Number,
    number: impl Fn(&'a Constants) -> &'a [u64],
) {
    let mut numbers: [&[[u64; STRIDE]]; MAX_LANES] = [&[]; MAX_LANES];
    for lane in 0..MAX_LANES {
        let constants = claims[lane].constants;
        debug_assert_eq!((constants.limb_bits(), constants.limbs()), (M::LIMB_BITS, M::LIMBS));
        numbers[lane] = number(constants).as_chunks().0;
    }
    let limbs = M::limbs_mut(out);
    let mut i = 0;
    while i * STRIDE < limbs.len() {
        let mut rows = [&[0; STRIDE]; MAX_LANES];
        for lane in 0..M::V::LANES {
            rows[lane] = &numbers[lane][i];
        }
        let whole = turned::<M::V>(proof, &rows);
        let chunk = &mut limbs[i * STRIDE..];
        if let Some(chunk) = chunk.first_chunk_mut() {
            *chunk = whole;
        } else {
            chunk.copy_from_slice(&whole[..chunk.len()]);
        }
        i += 1;
    }
}

/// 64-bit words of the greatest number in lanes, in whole rows, and one row more: of limbs above the number's end.
const WORDS: usize = MAX_BYTES / 8 + STRIDE;

/// Words 8·`i` … 8·`i`+7, lowest first, of a big-endian number; zeros above its end.
#[inline(always)]
fn words(number: &[u8], i: usize) -> [u64; STRIDE] {
    let end = number.len().saturating_sub(64 * i);
    let mut padded = [0; 64];
    let bytes: &[u8; 64] = if let Some(bytes) = number[..end].last_chunk() {
        bytes
    } else {
        padded[64 - end..].copy_from_slice(&number[..end]);
        &padded
    };
    let mut words = [0; STRIDE];
    let mut j = 0;
    while j < STRIDE {
        words[j] = u64::from_be_bytes(bytes.as_chunks().0[STRIDE - 1 - j]);
        j += 1;
    }
    words
}

/// The limbs of a big-endian number in each lane: words in lanes, which are then cut.
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "iterator adapters stay calls inside a kernel")]
fn limbs<M: Montgomery, const WORDS: usize>(proof: Proof<M>, numbers: &[&[u8]; MAX_LANES], limbs: &mut [M::V]) {
    let mut longest = 0;
    for lane in 0..MAX_LANES {
        longest = longest.max(numbers[lane].len());
    }
    let mut all = [M::V::splat(proof, 0); WORDS];
    let mut i = 0;
    while 64 * i < longest {
        let mut rows = [[0; STRIDE]; MAX_LANES];
        for lane in 0..M::V::LANES {
            rows[lane] = words(numbers[lane], i);
        }
        let mut views = [&rows[0]; MAX_LANES];
        for lane in 0..MAX_LANES {
            views[lane] = &rows[lane];
        }
        all[STRIDE * i..][..STRIDE].copy_from_slice(&turned::<M::V>(proof, &views));
        i += 1;
    }
    let mask = M::V::splat(proof, (1 << M::LIMB_BITS) - 1);
    for i in 0..limbs.len() {
        let low = M::LIMB_BITS as usize * i;
        let (word, shift) = (low / 64, (low % 64) as u64);
        let (down, up) = (M::V::splat(proof, shift), M::V::splat(proof, 64 - shift));
        limbs[i] = all[word].shr_by(down).or(all[word + 1].shl_by(up)).and(mask);
    }
}

/// The numbers that a group is worked on with.
struct Work<M: Montgomery> {
    modulus: Modulus<M>,
    s: M::Number,
    x: M::Number,
    y: M::Number,
}

impl<M: Montgomery> Work<M> {
    /// Room for the numbers. Large: it is worked on where it lies, and never moved.
    #[inline(always)]
    fn new(proof: Proof<M>) -> Self {
        let (zero, n0) = (M::zero(proof), M::V::splat(proof, 0));
        let modulus = Modulus { n: zero, fold: zero, digits: zero, n0 };
        Self { modulus, s: zero, x: zero, y: zero }
    }

    /// Loads the moduli and the signatures.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "iterator adapters stay calls inside a kernel")]
    fn load(&mut self, proof: Proof<M>, claims: &Spread<'_, '_>) {
        let mut n0 = [0; MAX_LANES];
        let mut signatures: [&[u8]; MAX_LANES] = [&[]; MAX_LANES];
        for lane in 0..MAX_LANES {
            n0[lane] = claims[lane].constants.n0;
            signatures[lane] = claims[lane].signature;
        }
        self.modulus.n0 = M::V::load(proof, &n0);
        constants::<M>(
            proof,
            claims,
            &mut self.modulus.n,
            #[inline(always)]
            |constants| constants.number(0),
        );
        if M::FOLDS {
            constants::<M>(
                proof,
                claims,
                &mut self.modulus.fold,
                #[inline(always)]
                |constants| constants.fold(),
            );
        }
        limbs::<M, WORDS>(proof, &signatures, M::limbs_mut(&mut self.s));
    }

    /// Leaves s^(e−1)·R^−(e−2) in x, for an odd e ≥ 3: all products but the last, by s. The limbs of x may be dirty; s stays as it is; y is
    /// scratch.
    #[inline(always)]
    fn power(&mut self, proof: Proof<M>, e: u64) {
        let Self { modulus, s, x, y } = self;
        // The products that will follow decide where to start, so that the last one ends in x.
        let products = e.ilog2() + e.count_ones() - 2;
        let (mut from, mut to) = if products % 2 == 1 { (y, x) } else { (x, y) };
        let mut first = true;
        for bit in (0..e.ilog2()).rev() {
            M::square(proof, to, if first { s } else { from }, modulus);
            first = false;
            std::mem::swap(&mut from, &mut to);
            if bit > 0 && e >> bit & 1 == 1 {
                M::multiply(proof, to, from, s, modulus);
                std::mem::swap(&mut from, &mut to);
            }
        }
    }
}

/// Checks a group of PKCS#1 v1.5 signatures. Yields bit i for a good claim i.
///
/// At least one claim and at most as many as there are lanes; all constants are for the arithmetic `M`, for PKCS#1, and for exponent `e`.
pub(super) struct Pkcs1<'a, M> {
    pub claims: &'a [Claim<'a>],
    pub e: u64,
    pub arithmetic: PhantomData<M>,
}

impl<M: Montgomery> Kernel<Proof<M>> for Pkcs1<'_, M> {
    type Output = u8;

    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "iterator adapters stay calls inside a kernel")]
    fn run(self, proof: Proof<M>) -> u8 {
        let claims = spread(self.claims);
        let mut work = Work::<M>::new(proof);
        work.load(proof, &claims);
        work.power(proof, self.e);

        // The digests as numbers: as many limbs as the longest of them has.
        let mut digests: [&[u8]; MAX_LANES] = [&[]; MAX_LANES];
        let mut bytes = 0;
        for lane in 0..MAX_LANES {
            digests[lane] = claims[lane].digest;
            bytes = bytes.max(digests[lane].len());
        }
        let used = (8 * bytes).div_ceil(M::LIMB_BITS as usize).min(DIGEST_LIMBS);
        let mut digest = [M::V::splat(proof, 0); DIGEST_LIMBS];
        limbs::<M, { 2 * STRIDE }>(proof, &digests, &mut digest[..used]);

        let Work { modulus, s, x, y: z } = &mut work;
        let (mut c, mut k1) = (M::zero(proof), M::zero(proof));
        constants::<M>(
            proof,
            &claims,
            &mut c,
            #[inline(always)]
            |constants| constants.number(1),
        );
        constants::<M>(
            proof,
            &claims,
            &mut k1,
            #[inline(always)]
            |constants| constants.number(2),
        );
        M::difference(proof, z, (x, s), &digest[..used], (&c, &k1), modulus);
        // Lanes beyond the claims hold copies.
        M::multiples(proof, z, modulus) & (u8::MAX >> (MAX_LANES - self.claims.len()))
    }
}

/// Room for the limbs of a 64-byte digest of any limb size.
const DIGEST_LIMBS: usize = 20;

/// Recovers s^e mod n of a group of signatures for PSS: `values[i]` is written as k big-endian bytes at the end of its place, zeros before
/// them. The same rules as for [`Pkcs1`], with constants for PSS.
pub(super) struct Recover<'a, M> {
    pub claims: &'a [Claim<'a>],
    pub e: u64,
    pub values: &'a mut [[u8; MAX_BYTES]],
    pub arithmetic: PhantomData<M>,
}

impl<M: Montgomery> Kernel<Proof<M>> for Recover<'_, M> {
    type Output = ();

    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "iterator adapters stay calls inside a kernel")]
    fn run(self, proof: Proof<M>) {
        let claims = spread(self.claims);
        let mut work = Work::<M>::new(proof);
        work.load(proof, &claims);
        work.power(proof, self.e);
        let Work { modulus, s, x, y } = &mut work;
        M::multiply(proof, y, x, s, modulus);
        // s has served.
        let z = s;
        constants::<M>(
            proof,
            &claims,
            z,
            #[inline(always)]
            |constants| constants.number(1),
        );
        M::multiply(proof, x, y, z, modulus);
        // Below 2.05·n: n is taken away where that leaves no debt, and once more.
        below::<M>(proof, x, y, modulus);
        below::<M>(proof, x, y, modulus);

        // Limbs to words, all in lanes; then a row of eight words a lane.
        let mut all = [M::V::splat(proof, 0); WORDS];
        let limbs = M::limbs(x);
        for i in 0..M::LIMBS {
            let low = M::LIMB_BITS as usize * i;
            let (word, shift) = (low / 64, low % 64);
            all[word] = all[word].or(limbs[i].shl_by(M::V::splat(proof, shift as u64)));
            if shift + M::LIMB_BITS as usize > 64 {
                all[word + 1] = limbs[i].shr_by(M::V::splat(proof, 64 - shift as u64));
            }
        }
        for i in 0..MAX_BYTES / 64 {
            if 64 * i >= (M::LIMB_BITS as usize * M::LIMBS).div_ceil(8) {
                for lane in 0..self.claims.len().min(self.values.len()) {
                    self.values[lane][MAX_BYTES - 64 * (i + 1)..MAX_BYTES - 64 * i].fill(0);
                }
                continue;
            }
            let mut part = 0;
            while part < STRIDE {
                let mut rows = [[0; MAX_LANES]; MAX_LANES];
                let mut views: [&[u64]; MAX_LANES] = [&[]; MAX_LANES];
                for j in 0..M::V::LANES {
                    rows[j] = all[STRIDE * i + part + j].words();
                }
                for j in 0..M::V::LANES {
                    views[j] = &rows[j];
                }
                let mut turned = [M::V::splat(proof, 0); MAX_LANES];
                M::V::transpose(proof, &views[..M::V::LANES], &mut turned[..M::V::LANES]);
                for lane in 0..self.claims.len().min(self.values.len()) {
                    let words = turned[lane].words();
                    let end = MAX_BYTES - 64 * i - 8 * part;
                    let place = self.values[lane][end - 8 * M::V::LANES..end].as_chunks_mut().0;
                    for j in 0..M::V::LANES {
                        place[M::V::LANES - 1 - j] = words[j].to_be_bytes();
                    }
                }
                part += M::V::LANES;
            }
        }
    }
}

/// Takes n from the lanes of `x` that are not below it; clean limbs. `y` is scratch.
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "iterator adapters stay calls inside a kernel")]
fn below<M: Montgomery>(proof: Proof<M>, x: &mut M::Number, y: &mut M::Number, modulus: &Modulus<M>) {
    let (x, y, n) = (M::limbs_mut(x), M::limbs_mut(y), M::limbs(&modulus.n));
    let mask = M::V::splat(proof, (1 << M::LIMB_BITS) - 1);
    // 0, or −1 where the limbs below have run into debt.
    let mut debt = M::V::splat(proof, 0);
    for i in 0..M::LIMBS {
        let difference = x[i].sub(n[i]).add(debt);
        debt = M::carry(difference);
        y[i] = difference.and(mask);
    }
    for i in 0..M::LIMBS {
        x[i] = y[i].sub(y[i].sub(x[i]).and(debt));
    }
}

/// Subtracts n as often as it takes.
pub(super) fn canonical(x: &mut [u64], n: &[u64], bits: u32) {
    while x.iter().rev().ge(n.iter().rev()) {
        let mut borrow = 0;
        for (x, &n) in x.iter_mut().zip(n) {
            let d = x.wrapping_sub(n).wrapping_sub(borrow);
            borrow = d >> 63;
            *x = d & ((1 << bits) - 1);
        }
    }
}

/// Limbs of a number below 2^(8·[`MAX_BYTES`]) to big-endian bytes, right-aligned. Bytes above the limbs are left as they are.
#[inline(always)]
pub(super) fn to_bytes(limbs: &[u64], bits: u32, out: &mut [u8; MAX_BYTES]) {
    // From the lowest limb up, each writes the eight bytes that end with its lowest, into which the topmost bits of the limb below may
    // reach; its own zeros above are overwritten by the next. Nothing is read back.
    let mut below = 0;
    let mut low = 0;
    for &limb in limbs {
        let word = (limb << (low % 8) | below >> (bits as usize - low % 8)).to_be_bytes();
        let end = MAX_BYTES.saturating_sub(low / 8);
        if let Some(place) = out[..end].last_chunk_mut() {
            *place = word;
        } else {
            out[..end].copy_from_slice(&word[8 - end..]);
        }
        below = limb;
        low += bits as usize;
    }
}
