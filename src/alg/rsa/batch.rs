//! One signature a lane: a group of up to as many signatures as there are lanes, all with keys of one limb count and one exponent.
//!
//! A group that is not full computes its first signature again in the empty lanes.

use std::marker::PhantomData;

use super::montgomery::{Modulus, Montgomery, Proof};
use super::prepare::{Constants, MAX_BYTES, MAX_LIMBS, STRIDE, strip};
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

/// Writes vectors of limbs, of which each lane's limbs 8i … 8i+7 are `strip(lane, i)`.
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "iterator adapters stay calls inside a kernel")]
fn gather<V: Words>(proof: V::Proof, limbs: &mut [V], strip: impl Fn(usize, usize) -> [u64; STRIDE]) {
    let zero = V::splat(proof, 0);
    let mut i = 0;
    while i * STRIDE < limbs.len() {
        let mut rows = [[0; STRIDE]; MAX_LANES];
        for lane in 0..V::LANES {
            rows[lane] = strip(lane, i);
        }
        let mut whole = [zero; STRIDE];
        let mut part = 0;
        while part < STRIDE {
            let mut views: [&[u64]; MAX_LANES] = [&[]; MAX_LANES];
            for lane in 0..V::LANES {
                views[lane] = &rows[lane][part..];
            }
            V::transpose(proof, &views[..V::LANES], &mut whole[part..part + V::LANES]);
            part += V::LANES;
        }
        let chunk = &mut limbs[i * STRIDE..];
        if let Some(chunk) = chunk.first_chunk_mut() {
            *chunk = whole;
        } else {
            chunk.copy_from_slice(&whole[..chunk.len()]);
        }
        i += 1;
    }
}

/// Number `which` of each lane's constants.
#[inline(always)]
fn constants<M: Montgomery>(proof: Proof<M>, claims: &Spread<'_, '_>, which: usize, out: &mut M::Number) {
    let mut numbers: [&[[u64; STRIDE]]; MAX_LANES] = [&[]; MAX_LANES];
    let mut lane = 0;
    while lane < MAX_LANES {
        let constants = claims[lane].constants;
        debug_assert_eq!((constants.limb_bits(), constants.limbs()), (M::LIMB_BITS, M::LIMBS));
        numbers[lane] = constants.number(which).as_chunks().0;
        lane += 1;
    }
    gather(
        proof,
        M::limbs_mut(out),
        #[inline(always)]
        |lane, i| numbers[lane][i],
    );
}

/// The numbers that a group is worked on with.
struct Work<M: Montgomery> {
    modulus: Modulus<M>,
    s: M::Number,
    x: M::Number,
    y: M::Number,
}

/// Loads the moduli and the signatures.
#[inline(always)]
fn load<M: Montgomery>(proof: Proof<M>, claims: &Spread<'_, '_>) -> Work<M> {
    let mut n0 = [0; MAX_LANES];
    for (n0, claim) in n0.iter_mut().zip(claims) {
        *n0 = claim.constants.n0;
    }
    let zero = M::zero(proof);
    let mut work = Work { modulus: Modulus { n: zero, n0: M::V::load(proof, &n0) }, s: zero, x: zero, y: zero };
    constants::<M>(proof, claims, 0, &mut work.modulus.n);
    gather(
        proof,
        M::limbs_mut(&mut work.s),
        #[inline(always)]
        |lane, i| strip(claims[lane].signature, M::LIMB_BITS, i),
    );
    work
}

impl<M: Montgomery> Work<M> {
    /// Leaves s^e·R^−(e−1) in x, its limbs clean. s stays as it is; y is scratch.
    #[inline(always)]
    fn power(&mut self, proof: Proof<M>, e: u64) {
        let Self { modulus, s, x, y } = self;
        // The products that will follow decide where to start, so that the last one ends in x.
        let products = e.ilog2() + e.count_ones() - 1;
        let (mut from, mut to) = if products % 2 == 1 { (y, x) } else { (x, y) };
        let mut first = true;
        for bit in (0..e.ilog2()).rev() {
            M::square(proof, to, if first { s } else { from }, modulus);
            first = false;
            std::mem::swap(&mut from, &mut to);
            if e >> bit & 1 == 1 {
                M::multiply(proof, to, from, s, modulus);
                std::mem::swap(&mut from, &mut to);
            }
        }
    }
}

/// Checks a group of PKCS#1 v1.5 signatures. Yields bit i for a good claim i.
///
/// At least one claim and at most as many as there are lanes; all constants are for the arithmetic `M`, for PKCS#1, for exponent `e`, and
/// for digests that need the same D.
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
        let mut work = load::<M>(proof, &claims);
        work.power(proof, self.e);

        // The digests as numbers: as many limbs as the longest of them has.
        let mut digest = [M::V::splat(proof, 0); DIGEST_LIMBS];
        gather(
            proof,
            &mut digest,
            #[inline(always)]
            |lane, i| strip(claims[lane].digest, M::LIMB_BITS, i),
        );
        let mut bytes = 0;
        for claim in claims {
            bytes = bytes.max(claim.digest.len());
        }
        let used = (8 * bytes).div_ceil(M::LIMB_BITS as usize);

        let Work { modulus, s: mut c, x, y: mut k1 } = work;
        constants::<M>(proof, &claims, 1, &mut c);
        constants::<M>(proof, &claims, 2, &mut k1);
        let mut y = M::zero(proof);
        M::expected(proof, &mut y, &digest[..used], &c, &k1, &modulus);

        // y − x is one of 0, n, 2n, −n. Each candidate is subtracted limb by limb with a signed carry; the difference is 0 exactly where all
        // limbs and the last carry are.
        let zero = M::V::splat(proof, 0);
        let (mask, all) = (M::V::splat(proof, (1 << M::LIMB_BITS) - 1), M::V::splat(proof, u64::MAX));
        let (mut b1, mut b2, mut b3) = (zero, zero, zero);
        let (mut same, mut one, mut two, mut minus) = (0xff, 0xff, 0xff, 0xff);
        let (ys, xs, ns) = (M::limbs(&y), M::limbs(&x), M::limbs(&modulus.n));
        for i in 0..M::LIMBS {
            let (y, x, n) = (ys[i], xs[i], ns[i]);
            let d = y.sub(x);
            same &= d.disjoint(all);
            let t = d.sub(n).add(b1);
            b1 = M::carry(t);
            one &= t.disjoint(mask);
            let t = d.sub(n.add(n)).add(b2);
            b2 = M::carry(t);
            two &= t.disjoint(mask);
            let t = d.add(n).add(b3);
            b3 = M::carry(t);
            minus &= t.disjoint(mask);
        }
        one &= b1.disjoint(all);
        two &= b2.disjoint(all);
        minus &= b3.disjoint(all);
        // Lanes beyond the claims hold copies.
        (same | one | two | minus) & (u8::MAX >> (MAX_LANES - self.claims.len()))
    }
}

/// Room for the limbs of a 64-byte digest of any limb size, in whole vectors.
const DIGEST_LIMBS: usize = 24;

/// Recovers s^e mod n of a group of signatures for PSS: `values[i]` is written as k big-endian bytes at the end of its place. The same
/// rules as for [`Pkcs1`], with constants for PSS.
pub(super) struct Recover<'a, M> {
    pub claims: &'a [Claim<'a>],
    pub e: u64,
    pub values: &'a mut [[u8; MAX_BYTES]; MAX_LANES],
    pub arithmetic: PhantomData<M>,
}

impl<M: Montgomery> Kernel<Proof<M>> for Recover<'_, M> {
    type Output = ();

    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "iterator adapters stay calls inside a kernel")]
    fn run(self, proof: Proof<M>) {
        let claims = spread(self.claims);
        let mut work = load::<M>(proof, &claims);
        work.power(proof, self.e);
        let Work { modulus, s: mut z, x, mut y } = work;
        constants::<M>(proof, &claims, 1, &mut z);
        M::multiply(proof, &mut y, &x, &z, &modulus);

        let mut rows = [[0; MAX_LIMBS]; MAX_LANES];
        let limbs = M::limbs(&y);
        for j in 0..M::LIMBS {
            let words = limbs[j].words();
            for lane in 0..M::V::LANES {
                rows[lane][j] = words[lane];
            }
        }
        for ((claim, row), value) in self.claims.iter().zip(&mut rows).zip(self.values) {
            canonical(&mut row[..M::LIMBS], &claim.constants.number(0)[..M::LIMBS], M::LIMB_BITS);
            to_bytes(&row[..M::LIMBS], M::LIMB_BITS, value);
        }
    }
}

/// Subtracts n once if x ≥ n: x is below 2n.
pub(super) fn canonical(x: &mut [u64], n: &[u64], bits: u32) {
    if x.iter().rev().ge(n.iter().rev()) {
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
