//! Tables of multiples of a point, one cache line a point, and their shapes.
//!
//! An entry is an affine point: x in words 0..4 and y in words 4..8, both in Montgomery form with R = 2^260, below p. Under each subtable
//! the entries are numbered as [`super::digits`] numbers absolute values: entry i of a subtable of width w is
//! `2^(e_top) Q + Σ (bit k of i ? + : -) 2^(e_k) Q` over the lower w - 1 bits, where the e are the positions of the digit's bits.
//!
//! | shape | entries | size | additions | doublings | for |
//! |---|---|---|---|---|---|
//! | [`Comb`]: 8 teeth, 4 subtables | 512 | 32 KiB | 32 | 7 | thousands of keys |
//! | [`Wide`]: 32 windows of 8 bits | 4,096 | 256 KiB | 32 | 0 | few keys |
//! | [`Window10`]: 26 windows of 10 bits | 13,312 | 832 KiB | 26 | 0 | the generator |

use super::Curve;
use super::build::Build;
use super::digits::{self, Digits};
use crate::field::fe::Fe;
use crate::lanes::{Cpu, Lanes52, Line, Model};

/// The shape of a table, known to the kernels at compile time.
pub trait Shape: 'static {
    /// The entries; a fixed size, so that an index masked to it needs no check.
    type Table: AsRef<[Line]> + AsMut<[Line]> + Send + Sync + 'static;
    /// Bits of a digit.
    const WIDTH: usize;
    /// Subtables, that is additions between two doublings.
    const SUBTABLES: usize;
    /// One more than the doublings.
    const ROUNDS: usize;
    /// How many entries a subtable has.
    const HALF: usize = 1 << (Self::WIDTH - 1);
    /// How many powers 2^i Q the table is made of.
    const POWERS: usize;

    /// The position of bit `k` of the digits of subtable `j`, in the last round.
    fn position(j: usize, k: usize) -> usize;
    /// Cuts scalars below the order into digits.
    #[inline(always)]
    fn digits<C: Curve, L: Lanes52>(l: L, u: &Fe<L>, out: &mut Digits) {
        let (b, even) = digits::signed_bits::<C, L>(l, u);
        Self::cut(l, b, even, out);
    }
    /// Cuts signed bits into digits, the signs of the lanes in `flipped` turned.
    fn cut<L: Lanes52>(l: L, b: [L::V; 6], flipped: u8, out: &mut Digits);
    /// Entry `index` of subtable `j`.
    fn entry(table: &Self::Table, j: usize, index: u16) -> &Line;
    /// Room for a table, all zero.
    fn room() -> Box<Self::Table>;
}

/// A shape whose 32 digits can be spread over the lanes, four a lane.
pub trait Spread: Shape {
    /// The number of the digit (in the order of additions) and its subtable, for the `m`-th place of a lane. Where there are doublings, lane l
    /// takes the digits that weigh 2^l.
    fn spread(lane: usize, m: usize) -> (usize, usize);
}

impl Spread for Comb {
    #[inline(always)]
    fn spread(lane: usize, m: usize) -> (usize, usize) {
        (4 * (7 - lane) + m, m)
    }
}

impl Spread for Wide {
    #[inline(always)]
    fn spread(lane: usize, m: usize) -> (usize, usize) {
        (8 * m + lane, 8 * m + lane)
    }
}

/// A comb of eight teeth in four subtables.
#[derive(Clone, Copy, Debug)]
pub struct Comb;

/// Thirty-two windows of eight bits.
#[derive(Clone, Copy, Debug)]
pub struct Wide;

/// Twenty-six windows of ten bits.
#[derive(Clone, Copy, Debug)]
pub struct Window10;

/// On the heap from the start: some tables are larger than a thread's stack should bear.
pub(super) fn room<const N: usize>() -> Box<[Line; N]> {
    match vec![Line::ZERO; N].into_boxed_slice().try_into() {
        Ok(lines) => lines,
        Err(_) => unreachable!("the slice was made with this length"),
    }
}

impl Shape for Comb {
    type Table = [Line; 512];
    const WIDTH: usize = 8;
    const SUBTABLES: usize = 4;
    const ROUNDS: usize = 8;
    const POWERS: usize = 249;

    #[inline(always)]
    fn position(j: usize, k: usize) -> usize {
        32 * k + 8 * j
    }
    #[inline(always)]
    fn cut<L: Lanes52>(l: L, b: [L::V; 6], flipped: u8, out: &mut Digits) {
        digits::cut_comb(l, b, flipped, out);
    }
    #[inline(always)]
    fn entry(table: &Self::Table, j: usize, index: u16) -> &Line {
        &table[(128 * j + usize::from(index)) & 511]
    }
    fn room() -> Box<Self::Table> {
        room()
    }
}

impl Shape for Wide {
    type Table = [Line; 4096];
    const WIDTH: usize = 8;
    const SUBTABLES: usize = 32;
    const ROUNDS: usize = 1;
    const POWERS: usize = 256;

    #[inline(always)]
    fn position(j: usize, k: usize) -> usize {
        8 * j + k
    }
    #[inline(always)]
    fn cut<L: Lanes52>(l: L, b: [L::V; 6], flipped: u8, out: &mut Digits) {
        digits::cut_windows::<L, 8, false>(l, b, flipped, out);
    }
    #[inline(always)]
    fn entry(table: &Self::Table, j: usize, index: u16) -> &Line {
        &table[(128 * j + usize::from(index)) & 4095]
    }
    fn room() -> Box<Self::Table> {
        room()
    }
}

impl Shape for Window10 {
    type Table = [Line; 13312];
    const WIDTH: usize = 10;
    const SUBTABLES: usize = 26;
    const ROUNDS: usize = 1;
    const POWERS: usize = 260;

    #[inline(always)]
    fn position(j: usize, k: usize) -> usize {
        10 * j + k
    }
    #[inline(always)]
    fn cut<L: Lanes52>(l: L, b: [L::V; 6], flipped: u8, out: &mut Digits) {
        digits::cut_windows::<L, 10, false>(l, b, flipped, out);
    }
    #[inline(always)]
    fn entry(table: &Self::Table, j: usize, index: u16) -> &Line {
        &table[512 * j + usize::from(index & 511)]
    }
    fn room() -> Box<Self::Table> {
        room()
    }
}

/// The generator's tables of one curve.
#[derive(Debug)]
pub struct Generator {
    /// For groups of eight.
    pub window10: Box<<Window10 as Shape>::Table>,
    /// For one signature across the lanes, beside a key's [`Wide`] table.
    pub wide: Box<<Wide as Shape>::Table>,
    /// For one signature across the lanes, beside a key's [`Comb`].
    pub comb: Box<<Comb as Shape>::Table>,
}

impl Generator {
    /// Builds them, with the best lanes that the CPU has: a few milliseconds once in the life of a process.
    #[must_use]
    pub fn new<C: Curve>() -> Self {
        let mut tables = Self { window10: Window10::room(), wide: Wide::room(), comb: Comb::room() };
        // The generator in Montgomery form: x and y as a key's point has them.
        let g = super::montgomery_point::<C>(&C::GX, &C::GY);
        fn one<C: Curve, S: Shape>(g: &Line, out: &mut S::Table) {
            build_best::<C, S>(&[*g], &mut [out]);
        }
        one::<C, Window10>(&g, &mut tables.window10);
        one::<C, Wide>(&g, &mut tables.wide);
        one::<C, Comb>(&g, &mut tables.comb);
        tables
    }
}

/// Builds tables for up to eight points with the best lanes that the CPU has.
fn build_best<C: Curve, S: Shape>(points: &[Line], out: &mut [&mut S::Table]) {
    let kernel = Build::<C, S>::new(points, out);
    #[cfg(target_arch = "x86_64")]
    if let Some(ifma) = Cpu::hardware().avx512_ifma() {
        return ifma.call(kernel);
    }
    Model.call(kernel);
}
