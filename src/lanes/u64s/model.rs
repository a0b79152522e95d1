//! The lanes in plain Rust: what every other backend has to agree with.
//!
//! No method is inlined: kernels have thousands of them, and speed is no matter here, but compile time is.

use super::{Across, MASK52, MAX_LANES, Mul32, Mul52, Words};
use crate::lanes::Kernel;

/// The proof of no feature at all.
#[derive(Clone, Copy, Debug)]
pub struct Anywhere;

/// Eight 64-bit lanes in plain Rust. Slow: for tests, not for work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Model8([u64; 8]);

impl Model8 {
    #[inline(never)]
    fn each(self, b: Self, f: impl Fn(u64, u64) -> u64) -> Self {
        Self(std::array::from_fn(|i| f(self.0[i], b.0[i])))
    }

    #[inline(never)]
    fn mask(self, f: impl Fn(usize, u64) -> bool) -> u8 {
        (0..8).fold(0, |m, i| m | u8::from(f(i, self.0[i])) << i)
    }
}

impl Words for Model8 {
    type Proof = Anywhere;
    const LANES: usize = 8;

    fn enter<K: Kernel<Anywhere>>(proof: Anywhere, kernel: K) -> K::Output {
        kernel.run(proof)
    }

    #[inline(never)]
    fn splat(_: Anywhere, x: u64) -> Self {
        Self([x; 8])
    }

    #[inline(never)]
    fn load(_: Anywhere, from: &[u64]) -> Self {
        Self(std::array::from_fn(|i| from.get(i).copied().unwrap_or(0)))
    }

    #[inline(never)]
    fn words(self) -> [u64; MAX_LANES] {
        self.0
    }

    #[inline(never)]
    fn transpose(_: Anywhere, rows: &[&[u64]], out: &mut [Self]) {
        assert!(rows.len() == 8 && out.len() == 8);
        for (j, out) in out.iter_mut().enumerate() {
            *out = Self(std::array::from_fn(|i| rows[i][j]));
        }
    }

    #[inline(never)]
    fn add(self, b: Self) -> Self {
        self.each(b, u64::wrapping_add)
    }

    #[inline(never)]
    fn sub(self, b: Self) -> Self {
        self.each(b, u64::wrapping_sub)
    }

    #[inline(never)]
    fn and(self, b: Self) -> Self {
        self.each(b, |a, b| a & b)
    }

    #[inline(never)]
    fn or(self, b: Self) -> Self {
        self.each(b, |a, b| a | b)
    }

    #[inline(never)]
    fn shr_by(self, counts: Self) -> Self {
        self.each(counts, |a, n| if n < 64 { a >> n } else { 0 })
    }

    #[inline(never)]
    fn shl_by(self, counts: Self) -> Self {
        self.each(counts, |a, n| if n < 64 { a << n } else { 0 })
    }

    #[inline(never)]
    fn shr<const BITS: u32>(self) -> Self {
        self.each(self, |a, _| a >> BITS)
    }

    #[inline(never)]
    fn sar<const BITS: u32>(self) -> Self {
        self.each(self, |a, _| (a.cast_signed() >> BITS).cast_unsigned())
    }

    #[inline(never)]
    fn disjoint(self, mask: Self) -> u8 {
        self.mask(|i, a| a & mask.0[i] == 0)
    }
}

/// The 104-bit product of the low 52 bits of each.
fn product52(a: u64, b: u64) -> u128 {
    u128::from(a & MASK52) * u128::from(b & MASK52)
}

impl Mul52 for Model8 {
    #[inline(never)]
    fn lo(self, a: Self, b: Self) -> Self {
        self.add(a.each(b, |a, b| product52(a, b) as u64 & MASK52))
    }

    #[inline(never)]
    fn hi(self, a: Self, b: Self) -> Self {
        self.add(a.each(b, |a, b| (product52(a, b) >> 52) as u64))
    }
}

impl Mul32 for Model8 {
    #[inline(never)]
    fn mul(self, b: Self) -> Self {
        self.each(b, |a, b| (a & 0xffff_ffff) * (b & 0xffff_ffff))
    }
}

impl Across for Model8 {
    #[inline(never)]
    fn down(self, above: Self) -> Self {
        Self(std::array::from_fn(|i| if i < 7 { self.0[i + 1] } else { above.0[0] }))
    }

    #[inline(never)]
    fn up(self, below: Self) -> Self {
        Self(std::array::from_fn(|i| if i > 0 { self.0[i - 1] } else { below.0[7] }))
    }

    #[inline(never)]
    fn spread0(self) -> Self {
        Self([self.0[0]; 8])
    }

    #[inline(never)]
    fn spread1(self) -> Self {
        Self([self.0[1]; 8])
    }

    #[inline(never)]
    fn keep(self, keep: u8) -> Self {
        Self(std::array::from_fn(|i| if keep >> i & 1 == 1 { self.0[i] } else { 0 }))
    }

    #[inline(never)]
    fn increment(self, which: u8) -> Self {
        Self(std::array::from_fn(|i| self.0[i].wrapping_add(u64::from(which >> i & 1))))
    }

    #[inline(never)]
    fn greater(self, b: Self) -> u8 {
        self.mask(|i, a| a > b.0[i])
    }

    #[inline(never)]
    fn equal(self, b: Self) -> u8 {
        self.mask(|i, a| a == b.0[i])
    }
}
