//! Tables of multiples of a point of edwards25519.
//!
//! Shapes, numbering and digits are those of [`crate::curve::table`]; an entry has three coordinates (see [`Niels`]), each 32 bytes,
//! below p. The first two fill a line; the third ones of two neighbours share one. After the entries comes the point itself.
//!
//! ```text
//! line 0 .. N          y + x, y - x of entry 0 .. N
//! line N               those of the point
//! line N + 1 + i / 2   2 d x y of entry i, in words 0..4 for even i, in words 4..8 for odd ones
//! line N + 1 + N / 2   that of the point, in words 0..4
//! ```
//!
//! | shape | entries | size |
//! |---|---|---|
//! | [`Comb`] | 512 | 48 KiB |
//! | [`Wide`] | 4,096 | 384 KiB |
//! | [`Window10`] | 13,312 | 1,248 KiB, for the base point |

use super::point::{Extended, Niels, add_niels, double};
use super::{BX, BY};
use crate::curve::many::eight;
use crate::curve::table::{Comb, Shape, Wide, Window10, room};
use crate::field::fe::{self, Fe, pack, unpack};
use crate::field::fe25519::{canonical, invert_lanes, mul};
use crate::lanes::{Cpu, Kernel, Lanes52, Line, Model};
use std::sync::OnceLock;

/// A shape of tables for this curve.
pub trait Flat: Shape {
    /// A table.
    type Niels: AsRef<[Line]> + AsMut<[Line]> + Send + Sync + 'static;
    /// Entries.
    const ENTRIES: usize = Self::SUBTABLES * Self::HALF;
    /// Room for a table, all zero.
    fn flat_room() -> Box<Self::Niels>;
    /// The base point's table of this shape, built at first use, shared by the process.
    fn base() -> &'static Self::Niels;
}

macro_rules! flat {
    ($shape:ty, $lines:literal) => {
        impl Flat for $shape {
            type Niels = [Line; $lines];
            fn flat_room() -> Box<Self::Niels> {
                room()
            }
            fn base() -> &'static Self::Niels {
                static TABLE: OnceLock<Box<[Line; $lines]>> = OnceLock::new();
                TABLE.get_or_init(|| {
                    const { assert!($lines == Self::ENTRIES + Self::ENTRIES / 2 + 2) };
                    let mut table = room();
                    build_best::<Self>(&[crate::curve::line(&BX, &BY)], &mut [&mut *table]);
                    table
                })
            }
        }
    };
}

flat!(Comb, 770);
flat!(Wide, 6146);
flat!(Window10, 19970);

/// The two lines of entry `index` of subtable `j`.
#[inline(always)]
pub fn entry<S: Flat>(table: &S::Niels, j: usize, index: u16) -> (&Line, &Line) {
    let i = S::HALF * j + (usize::from(index) & (S::HALF - 1));
    let lines = table.as_ref();
    (&lines[i], &lines[S::ENTRIES + 1 + i / 2])
}

/// The two lines of the point itself.
#[inline(always)]
pub fn itself<S: Flat>(table: &S::Niels) -> (&Line, &Line) {
    let lines = table.as_ref();
    (&lines[S::ENTRIES], &lines[S::ENTRIES + 1 + S::ENTRIES / 2])
}

/// Loads eight entries; `odd` has the lanes whose third coordinate lies in the upper half of its line.
#[inline(always)]
fn load<L: Lanes52>(l: L, entries: [(&Line, &Line); 8], odd: u8) -> Niels<L> {
    let w = l.lines(eight!(|LANE| entries[LANE].0));
    let v = l.lines(eight!(|LANE| entries[LANE].1));
    Niels {
        plus: unpack(l, [w[0], w[1], w[2], w[3]]),
        minus: unpack(l, [w[4], w[5], w[6], w[7]]),
        product: unpack(
            l,
            [
                l.select(odd, v[0], v[4]),
                l.select(odd, v[1], v[5]),
                l.select(odd, v[2], v[6]),
                l.select(odd, v[3], v[7]),
            ],
        ),
    }
}

/// Entry `index[lane]` of subtable `j[lane]` of `tables[lane]`.
#[inline(always)]
pub fn pick<S: Flat, L: Lanes52>(l: L, tables: &[&S::Niels; 8], j: [usize; 8], index: &[u16; 8]) -> Niels<L> {
    let mut odd = 0;
    for lane in 0..8 {
        odd |= ((index[lane] & 1) as u8) << lane;
    }
    load(l, eight!(|LANE| entry::<S>(tables[LANE], j[LANE], index[LANE])), odd)
}

/// The points of eight tables.
#[inline(always)]
pub fn points<S: Flat, L: Lanes52>(l: L, tables: &[&S::Niels; 8]) -> Niels<L> {
    load(l, eight!(|LANE| itself::<S>(tables[LANE])), 0)
}

/// Builds tables for up to eight points with the best lanes that the CPU has.
fn build_best<S: Flat>(points: &[Line], out: &mut [&mut S::Niels]) {
    let kernel = Build::<S> { points, out };
    #[cfg(target_arch = "x86_64")]
    if let Some(ifma) = Cpu::hardware().avx512_ifma() {
        return ifma.call(kernel);
    }
    Model.call(kernel);
}

/// The kernel: affine points (x in words 0..4, y in words 4..8, below p, on the curve), at most eight, to tables.
///
/// As [`crate::curve::build`] does: in each subtable entry 0 is the highest power less the lower ones, and bit k of an entry's number adds
/// twice the k-th power. The additions are complete, so no sum can go wrong; all entries of two subtables share one inversion.
pub struct Build<'a, 'b, S: Flat> {
    /// The points.
    pub points: &'a [Line],
    /// As many tables.
    pub out: &'a mut [&'b mut S::Niels],
}

impl<S: Flat, L: Lanes52> Kernel<L> for Build<'_, '_, S> {
    type Output = ();

    #[inline(always)]
    fn run(self, l: L) {
        let Some(first) = self.points.first() else { return };
        // Lanes without a point of their own compute the first one's table, which is then not stored.
        let points: [&Line; 8] = std::array::from_fn(|lane| self.points.get(lane).unwrap_or(first));
        let w = l.lines(points);
        let (x, y) = (unpack(l, [w[0], w[1], w[2], w[3]]), unpack(l, [w[4], w[5], w[6], w[7]]));
        let point = Niels::new(l, &x, &y);
        let powers = l.call(Powers::<S, L> { point: &point, shape: std::marker::PhantomData });
        for j in (0..S::SUBTABLES).step_by(2) {
            let entries = l.call(Subtables::<S, L> { powers: &powers, j, shape: std::marker::PhantomData });
            l.call(Store::<S, L> { entries: &entries, at: j * S::HALF, out: &mut *self.out });
        }
        let lines = store_xy(l, &point);
        let product = pack(l, &canonical(l, &point.product));
        let zero = l.splat(0);
        let products = l.unlines([product[0], product[1], product[2], product[3], zero, zero, zero, zero]);
        for (lane, table) in self.out.iter_mut().enumerate().take(8) {
            let table = (**table).as_mut();
            table[S::ENTRIES] = lines[lane];
            table[S::ENTRIES + 1 + S::ENTRIES / 2] = products[lane];
        }
    }
}

/// y + x and y - x, below p, packed.
#[inline(always)]
fn store_xy<L: Lanes52>(l: L, a: &Niels<L>) -> [Line; 8] {
    let plus = pack(l, &canonical(l, &a.plus));
    let minus = pack(l, &canonical(l, &a.minus));
    l.unlines([plus[0], plus[1], plus[2], plus[3], minus[0], minus[1], minus[2], minus[3]])
}

/// The points times 2^i, i below [`Shape::POWERS`]; only those that the shape needs are right, the others are the neutral element.
struct Powers<'a, S, L: Lanes52> {
    point: &'a Niels<L>,
    shape: std::marker::PhantomData<S>,
}

impl<S: Shape, L: Lanes52> Kernel<L> for Powers<'_, S, L> {
    type Output = Vec<Niels<L>>;

    #[inline(always)]
    fn run(self, l: L) -> Self::Output {
        let mut wanted = vec![false; S::POWERS + 1];
        for j in 0..S::SUBTABLES {
            for k in 0..S::WIDTH {
                wanted[S::position(j, k)] = true;
                if k + 1 < S::WIDTH {
                    wanted[S::position(j, k) + 1] = true;
                }
            }
        }
        let mut a = [self.point.to_extended(l, 0)];
        let mut kept = Vec::with_capacity(S::POWERS);
        for (i, wanted) in wanted[..S::POWERS].iter().enumerate() {
            if *wanted {
                kept.push(a[0]);
            }
            if i + 1 < S::POWERS {
                double::<L, 1>(l, &mut a);
            }
        }
        let mut affine = l.call(Normalize { points: &kept }).into_iter();
        let neutral = Niels::neutral(l);
        wanted[..S::POWERS].iter().map(|w| if *w { affine.next().unwrap_or(neutral) } else { neutral }).collect()
    }
}

/// To table entries, under one inversion.
struct Normalize<'a, L: Lanes52> {
    points: &'a [Extended<L>],
}

impl<L: Lanes52> Kernel<L> for Normalize<'_, L> {
    type Output = Vec<Niels<L>>;

    #[inline(always)]
    fn run(self, l: L) -> Self::Output {
        // products[i] = Z_0 .. Z_(i-1)
        let mut products: Vec<Fe<L>> = Vec::with_capacity(self.points.len());
        let mut product = fe::constant(l, [1, 0, 0, 0, 0]);
        for point in self.points {
            products.push(product);
            product = mul(l, &product, &point.z);
        }
        let mut inverse = invert_lanes(l, &product);
        let mut out = vec![Niels::neutral(l); self.points.len()];
        for i in (0..self.points.len()).rev() {
            let point = &self.points[i];
            let z = mul(l, &inverse, &products[i]);
            inverse = mul(l, &inverse, &point.z);
            out[i] = Niels::new(l, &mul(l, &point.x, &z), &mul(l, &point.y, &z));
        }
        out
    }
}

/// The entries of two subtables from the `j`-th on, one after the other.
struct Subtables<'a, S, L: Lanes52> {
    powers: &'a [Niels<L>],
    j: usize,
    shape: std::marker::PhantomData<S>,
}

impl<S: Shape, L: Lanes52> Kernel<L> for Subtables<'_, S, L> {
    type Output = Vec<Niels<L>>;

    #[inline(always)]
    fn run(self, l: L) -> Self::Output {
        let power = |k: usize, above: usize| -> [Niels<L>; 2] {
            [self.powers[S::position(self.j, k) + above], self.powers[S::position(self.j + 1, k) + above]]
        };
        let top = power(S::WIDTH - 1, 0);
        let mut first = [top[0].to_extended(l, 0), top[1].to_extended(l, 0)];
        for k in 0..S::WIDTH - 1 {
            add_niels::<L, 2>(l, &mut first, &power(k, 0), &[0xff; 2]);
        }
        let mut entries = vec![Extended::neutral(l); 2 * S::HALF];
        (entries[0], entries[S::HALF]) = (first[0], first[1]);
        for k in 0..S::WIDTH - 1 {
            let step = power(k, 1);
            for i in 0..1 << k {
                let mut sums = [entries[i], entries[S::HALF + i]];
                add_niels::<L, 2>(l, &mut sums, &step, &[0; 2]);
                let to = i + (1 << k);
                (entries[to], entries[S::HALF + to]) = (sums[0], sums[1]);
            }
        }
        l.call(Normalize { points: &entries })
    }
}

/// Writes entries, an even number of them, to their places from `at` on.
struct Store<'a, 'b, S: Flat, L: Lanes52> {
    entries: &'a [Niels<L>],
    at: usize,
    out: &'a mut [&'b mut S::Niels],
}

impl<S: Flat, L: Lanes52> Kernel<L> for Store<'_, '_, S, L> {
    type Output = ();

    #[inline(always)]
    fn run(self, l: L) {
        for i in (0..self.entries.len()).step_by(2) {
            let (a, b) = (&self.entries[i], &self.entries[i + 1]);
            let (first, second) = (store_xy(l, a), store_xy(l, b));
            let (p, q) = (pack(l, &canonical(l, &a.product)), pack(l, &canonical(l, &b.product)));
            let products = l.unlines([p[0], p[1], p[2], p[3], q[0], q[1], q[2], q[3]]);
            let at = self.at + i;
            for (lane, table) in self.out.iter_mut().enumerate().take(8) {
                let table = (**table).as_mut();
                table[at] = first[lane];
                table[at + 1] = second[lane];
                table[S::ENTRIES + 1 + at / 2] = products[lane];
            }
        }
    }
}

/// What is to be added so that an odd number of additions of the point becomes an even one: the point itself, negated by the caller, in the
/// lanes of `even`; nothing in the others.
#[inline(always)]
pub fn correction<S: Flat, L: Lanes52>(l: L, tables: &[&S::Niels; 8], even: u8) -> Niels<L> {
    Niels::neutral(l).or(l, even, &points::<S, L>(l, tables))
}
