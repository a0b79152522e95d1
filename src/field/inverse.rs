//! The inverse modulo an odd number, in variable time: for public data only.
//!
//! **The binary GCD**, its decisions made on single words, as Pornin does ("Optimized Binary GCD for Modular Inversion", 2020, 3). State: b odd,
//! a, both not negative, starting as M and x. Halve a while it is even; then put |a - b| in the place of a and the lesser one in that of b. The low
//! 31 bits of both and the 33 bits from the highest that either has are enough to go on for 31 halvings, which are gathered into a matrix;
//! the matrix is then applied to the full numbers:
//!
//! ```text
//!   (a, b) := |matrix * (a, b)| / 2^31      exact, for the low bits were exact; a row's sign is turned with its number's
//! ```
//!
//! Two such matrices make one for the cofactors (u, v), with a = u x and b = v x modulo M throughout, which are divided by 2^62 modulo M as
//! below. When a is 0, b is the gcd and v the inverse.
//!
//! Bounds. A row of a matrix has |f| + |g| ≤ 2^31: it is at most 2^(31 - left) while `left` halvings are to be made, but for that of a
//! between a subtraction and the halving that always follows, as both were odd. So neither number ever exceeds the greater of the two. What
//! is computed is right whatever the 33 bits say, as only the choice of the greater number rests on them; that a becomes 0 soon is proved in
//! the paper (the two lengths together shrink by 31 a matrix, so by 17 for 256 bits). Here nothing hangs on that proof: after
//! [`MATRICES`] the other algorithm does it.
//!
//! **The division steps**, that other algorithm, are the GCD of Bernstein and Yang ("Fast constant-time gcd computation and modular inversion", 2019) in the
//! variable-time form in which runs of zero bits are skipped at once. State: f odd, g, starting as M and x. A step looks at the low bits
//! only, so 62 steps are gathered into a 2×2 matrix of integers on single words, and the matrix is then applied to the full numbers:
//!
//! ```text
//!   (f, g) := matrix * (f, g) / 2^62      exact
//!   (d, e) := matrix * (d, e) / 2^62      modulo M
//! ```
//!
//! with d x = f and e x = g modulo M throughout. When g is 0, f is ± gcd(M, x) and d is ± the inverse.
//!
//! Bounds. Each row of the matrix has |u| + |v| ≤ 2^62. f and g shrink and stay in (-M, M). d and e are kept in (-2M, M): M is added
//! where one is negative before the matrix is applied, which gives numbers in (-M, M); the row then yields magnitudes below 2^62 M; the
//! multiple of M, less than 2^62 of them, that makes the low 62 bits zero is *subtracted*, so that after the division the result lies in
//! (-2M, M) again. Numbers are five signed limbs of 62 bits; a row of products is at most 3 * 2^62 * 2^62 + carry, which fits 128 bits
//! with the sign.

use super::fe::{self, Fe};
use super::modulus::Modulus;
use super::words::{Words, is_zero, negated_inverse};
use crate::lanes::{Kernel, Lanes52};
use std::hint::select_unpredictable;

const BITS: u32 = 62;
const MASK: u64 = u64::MAX >> 2;
const LOW31: u64 = (1 << 31) - 1;

/// How many matrices of the binary GCD are made at most.
const MATRICES: usize = 20;

/// Five signed limbs of 62 bits; the lower four in 0..2^62, the highest carries the sign.
type Signed = [i64; 5];

const fn cut(a: &Words) -> Signed {
    [
        (a[0] & MASK).cast_signed(),
        ((a[0] >> 62 | a[1] << 2) & MASK).cast_signed(),
        ((a[1] >> 60 | a[2] << 4) & MASK).cast_signed(),
        ((a[2] >> 58 | a[3] << 6) & MASK).cast_signed(),
        (a[3] >> 56).cast_signed(),
    ]
}

fn join(a: &Signed) -> Words {
    let b = a.map(i64::cast_unsigned);
    [b[0] | b[1] << 62, b[1] >> 2 | b[2] << 60, b[2] >> 4 | b[3] << 58, b[3] >> 6 | b[4] << 56]
}

#[inline(always)]
fn wide(a: i64, b: i64) -> i128 {
    i128::from(a) * i128::from(b)
}

/// What a modulus needs for inversions.
#[derive(Clone, Copy, Debug)]
pub struct Inverter {
    modulus: Signed,
    /// 1/M mod 2^62.
    inverse: u64,
}

/// Rows (u v) and (q r).
struct Matrix {
    u: i64,
    v: i64,
    q: i64,
    r: i64,
}

/// 62 division steps on the low words of f and g. `delta` is the negated counter of Bernstein and Yang, in whole steps.
#[inline(always)]
fn steps(mut delta: i64, f: u64, g: u64) -> (i64, Matrix) {
    let (mut f, mut g) = (f, g);
    let (mut u, mut v, mut q, mut r) = (1u64, 0u64, 0u64, 1u64);
    let mut left = BITS;
    loop {
        // Skip the zeros of g: each is one step. The bits set at `left` end the run there.
        let zeros = (g | u64::MAX << left).trailing_zeros();
        g >>= zeros;
        u <<= zeros;
        v <<= zeros;
        delta -= i64::from(zeros);
        left -= zeros;
        if left == 0 {
            break;
        }
        // g is odd. Swap if the counter says so, then clear as many low bits of g at once as the counter and the steps left allow.
        let swapped = delta < 0;
        if swapped {
            delta = -delta;
            (f, g) = (g, f.wrapping_neg());
            (u, q) = (q, u.wrapping_neg());
            (v, r) = (r, v.wrapping_neg());
        }
        let limit = (delta as u64 + 1).min(u64::from(left)) as u32;
        // A multiple w of f with g + w f = 0 modulo 2^min(limit, 4 or 6). f (f² - 2) is -1/f modulo 2^6, and f + (((f + 1) & 4) << 1)
        // is 1/f modulo 2^4.
        let w = if swapped {
            let m = u64::MAX >> (64 - limit) & 63;
            f.wrapping_mul(g).wrapping_mul(f.wrapping_mul(f).wrapping_sub(2)) & m
        } else {
            let m = u64::MAX >> (64 - limit) & 15;
            f.wrapping_add((f.wrapping_add(1) & 4) << 1).wrapping_neg().wrapping_mul(g) & m
        };
        g = g.wrapping_add(f.wrapping_mul(w));
        q = q.wrapping_add(u.wrapping_mul(w));
        r = r.wrapping_add(v.wrapping_mul(w));
    }
    let m = Matrix { u: u.cast_signed(), v: v.cast_signed(), q: q.cast_signed(), r: r.cast_signed() };
    (delta, m)
}

/// The low 31 bits of both numbers, below the 33 bits that begin with the highest bit of the greater one; the numbers themselves where they have
/// one limb only.
#[inline(always)]
fn near(a: &Signed, b: &Signed, length: usize) -> (u64, u64) {
    let (low_a, low_b) = (a[0].cast_unsigned(), b[0].cast_unsigned());
    if length == 1 {
        return (low_a, low_b);
    }
    let (high_a, high_b) = (a[length - 1].cast_unsigned(), b[length - 1].cast_unsigned());
    // 2 to 63: limbs have 62 bits, and one of these is not 0.
    let shift = (high_a | high_b).leading_zeros();
    let join = |high: u64, next: i64, low: u64| {
        let top = high << shift | next.cast_unsigned() << 2 >> (64 - shift);
        top & !LOW31 | low & LOW31
    };
    (join(high_a, a[length - 2], low_a), join(high_b, b[length - 2], low_b))
}

/// 31 halvings of a, odd or even, beside an odd b. Two numbers of a row are kept in one word, f + 2^32 g, so that a row is turned by one instruction; the
/// choices are such as need no branch.
#[inline(always)]
fn halve(mut a: u64, mut b: u64) -> [[i64; 2]; 2] {
    let (mut p, mut q) = (1u64, 1u64 << 32);
    let mut left = 31;
    let mut zeros = a.trailing_zeros();
    while zeros < left {
        a >>= zeros;
        q <<= zeros;
        left -= zeros;
        let (difference, below) = a.overflowing_sub(b);
        zeros = difference.trailing_zeros();
        let (turned, row, turned_row) = (b.wrapping_sub(a), p.wrapping_sub(q), q.wrapping_sub(p));
        b = select_unpredictable(below, a, b);
        q = select_unpredictable(below, p, q);
        a = select_unpredictable(below, turned, difference);
        p = select_unpredictable(below, turned_row, row);
    }
    q <<= left;
    // Each number is above -2^31, for a row that holds 2^31 or -2^31 beside 0 is a multiple of the first ones.
    let split = |row: u64| {
        let row = row.wrapping_add(0x7fff_ffff_7fff_ffff);
        [(row & 0xffff_ffff) as i64 - 0x7fff_ffff, (row >> 32) as i64 - 0x7fff_ffff]
    };
    [split(p), split(q)]
}

/// `|f a + g b| / 2^31` (the low 31 bits of the sum are zero), and the row with the sign that this has.
#[inline(always)]
fn apply_row([f, g]: [i64; 2], a: &Signed, b: &Signed, length: usize) -> (Signed, [i64; 2]) {
    let mut out = [0; 5];
    let mut c = wide(f, a[0]) + wide(g, b[0]);
    debug_assert!(c as u64 & LOW31 == 0, "the low bits were exact");
    let mut low = (c as u64 & MASK) >> 31;
    c >>= BITS;
    for i in 1..length {
        c += wide(f, a[i]) + wide(g, b[i]);
        let limb = c as u64 & MASK;
        out[i - 1] = (low | (limb & LOW31) << 31).cast_signed();
        low = limb >> 31;
        c >>= BITS;
    }
    // What is left is the sign, or 31 bits at most.
    out[length - 1] = low.cast_signed() + ((c as i64) << 31);
    if c >= 0 {
        return (out, [f, g]);
    }
    let mut carry = 0;
    for limb in &mut out[..length - 1] {
        let negated = carry - *limb;
        *limb = negated & MASK.cast_signed();
        carry = negated >> BITS;
    }
    out[length - 1] = carry - out[length - 1];
    (out, [-f, -g])
}

impl Inverter {
    /// For an odd modulus.
    #[must_use]
    pub const fn new(modulus: &Words) -> Self {
        Self { modulus: cut(modulus), inverse: negated_inverse(modulus[0]).wrapping_neg() & MASK }
    }

    /// `x^-1 mod M` for `0 ≤ x < M` and gcd(x, M) = 1; 0 for 0.
    #[must_use]
    pub fn invert(&self, x: &Words) -> Words {
        self.invert_here(x)
    }

    #[inline(always)]
    fn invert_here(&self, x: &Words) -> Words {
        if is_zero(x) {
            return [0; 4];
        }
        self.by_halving(x).unwrap_or_else(|| self.by_steps(x))
    }

    /// The binary GCD.
    #[inline(always)]
    pub(super) fn by_halving(&self, x: &Words) -> Option<Words> {
        let (mut a, mut b) = (cut(x), self.modulus);
        let (mut u, mut v): (Signed, Signed) = ([1, 0, 0, 0, 0], [0; 5]);
        let mut length = 5;
        let mut before: Option<[[i64; 2]; 2]> = None;
        for _ in 0..MATRICES {
            while length > 1 && a[length - 1] | b[length - 1] == 0 {
                length -= 1;
            }
            let (near_a, near_b) = near(&a, &b, length);
            let [first, second] = halve(near_a, near_b);
            let (next_a, first) = apply_row(first, &a, &b, length);
            let (next_b, second) = apply_row(second, &a, &b, length);
            (a, b) = (next_a, next_b);
            let done = a[..length].iter().all(|&limb| limb == 0);
            let m = match before.take() {
                None if !done => {
                    before = Some([first, second]);
                    continue;
                }
                // Alone it counts as divided by 2^62 once it is doubled 31 times.
                None => {
                    let [[u, v], [q, r]] = [first, second].map(|row| row.map(|x| x << 31));
                    Matrix { u, v, q, r }
                }
                Some([[f, g], [h, k]]) => {
                    let row = |[x, y]: [i64; 2]| (x * f + y * h, x * g + y * k);
                    let ((u, v), (q, r)) = (row(first), row(second));
                    Matrix { u, v, q, r }
                }
            };
            self.apply_modular(&m, &mut u, &mut v);
            if done {
                return Some(self.normalize(v, false));
            }
        }
        None
    }

    /// The division steps; not for 0.
    #[inline(never)]
    pub(super) fn by_steps(&self, x: &Words) -> Words {
        let (mut d, mut e): (Signed, Signed) = ([0; 5], [1, 0, 0, 0, 0]);
        let (mut f, mut g) = (self.modulus, cut(x));
        let mut delta = -1;
        let mut length = 5;
        loop {
            let (next, m) = steps(delta, f[0].cast_unsigned(), g[0].cast_unsigned());
            delta = next;
            self.apply_modular(&m, &mut d, &mut e);
            apply(&m, &mut f, &mut g, length);
            if g[..length].iter().all(|&limb| limb == 0) {
                break;
            }
            // Drop the highest limb of f and g once it holds nothing but the sign.
            let (top_f, top_g) = (f[length - 1], g[length - 1]);
            if length > 1 && (top_f == 0 || top_f == -1) && (top_g == 0 || top_g == -1) {
                f[length - 2] |= top_f << BITS;
                g[length - 2] |= top_g << BITS;
                length -= 1;
            }
        }
        self.normalize(d, f[length - 1] < 0)
    }

    #[inline(always)]
    fn apply_modular(&self, t: &Matrix, d: &mut Signed, e: &mut Signed) {
        let m = &self.modulus;
        let (sign_d, sign_e) = (d[4] >> 63, e[4] >> 63);
        // How many times M is added: once for each negative number, ...
        let mut times_d = (t.u & sign_d) + (t.v & sign_e);
        let mut times_e = (t.q & sign_d) + (t.r & sign_e);
        let mut c = wide(t.u, d[0]) + wide(t.v, e[0]);
        let mut k = wide(t.q, d[0]) + wide(t.r, e[0]);
        // ... less what makes the low 62 bits zero.
        let low = |times: i64, column: i128| {
            (self.inverse.wrapping_mul(column as u64).wrapping_add(times.cast_unsigned()) & MASK).cast_signed()
        };
        times_d -= low(times_d, c);
        times_e -= low(times_e, k);
        c = (c + wide(m[0], times_d)) >> BITS;
        k = (k + wide(m[0], times_e)) >> BITS;
        for i in 1..5 {
            c += wide(t.u, d[i]) + wide(t.v, e[i]) + wide(m[i], times_d);
            k += wide(t.q, d[i]) + wide(t.r, e[i]) + wide(m[i], times_e);
            d[i - 1] = (c as u64 & MASK).cast_signed();
            e[i - 1] = (k as u64 & MASK).cast_signed();
            c >>= BITS;
            k >>= BITS;
        }
        d[4] = c as i64;
        e[4] = k as i64;
    }

    /// `±d` brought into 0..M.
    fn normalize(&self, mut d: Signed, negated: bool) -> Words {
        let add_modulus = |d: &mut Signed| {
            for (limb, m) in d.iter_mut().zip(&self.modulus) {
                *limb += m;
            }
        };
        if d[4] < 0 {
            add_modulus(&mut d);
        }
        if negated {
            d = d.map(|limb| -limb);
        }
        carry(&mut d);
        if d[4] < 0 {
            add_modulus(&mut d);
            carry(&mut d);
        }
        join(&d)
    }
}

/// [`Inverter::invert`] in code compiled with the features of a proof: shifts by a variable number and wide products are shorter where the CPU
/// has BMI2, which every proof of vectors brings with it.
#[derive(Clone, Copy, Debug)]
pub struct Invert<'a>(pub &'a Inverter, pub &'a Words);

impl<P> Kernel<P> for Invert<'_> {
    type Output = Words;

    #[inline(always)]
    fn run(self, _: P) -> Words {
        self.0.invert_here(self.1)
    }
}

/// The inverses of eight numbers in Montgomery form by one inversion: none of them may be zero. Inputs and result below 2 M.
///
/// Products over pairs, fours and eights of lanes; the inverse of the whole product in every lane; and each partner's product taken off
/// again (the trick of Montgomery, across lanes).
#[inline(always)]
pub fn invert_lanes<M: Modulus, L: Lanes52>(l: L, a: &Fe<L>) -> Fe<L> {
    let swapped4 = fe::limbwise!(|I| l.swap::<4>(a[I]));
    let fours = fe::mul::<M, L>(l, a, &swapped4);
    let swapped2 = fe::limbwise!(|I| l.swap::<2>(fours[I]));
    let twos = fe::mul::<M, L>(l, &fours, &swapped2);
    let swapped1 = fe::limbwise!(|I| l.swap::<1>(twos[I]));
    let whole = fe::pack(l, &fe::canonical::<M, L>(l, &fe::mul::<M, L>(l, &twos, &swapped1)));
    let whole = [l.store(whole[0]).0[0], l.store(whole[1]).0[0], l.store(whole[2]).0[0], l.store(whole[3]).0[0]];
    debug_assert!(!is_zero(&whole), "a zero among numbers to be inverted");
    // (t R)^-1 times R^3 / R is t^-1 R.
    let inverse = l.call(Invert(&const { Inverter::new(&M::M) }, &whole));
    let inverse = fe::constant(l, super::words::limbs(&inverse));
    let inverse = fe::mul::<M, L>(l, &inverse, &fe::constant(l, M::R3));
    let inverse = fe::mul::<M, L>(l, &inverse, &swapped1);
    let inverse = fe::mul::<M, L>(l, &inverse, &swapped2);
    fe::mul::<M, L>(l, &inverse, &swapped4)
}

#[inline(always)]
fn carry(d: &mut Signed) {
    for i in 0..4 {
        d[i + 1] += d[i] >> BITS;
        d[i] &= MASK.cast_signed();
    }
}

#[inline(always)]
fn apply(t: &Matrix, f: &mut Signed, g: &mut Signed, length: usize) {
    let mut c = (wide(t.u, f[0]) + wide(t.v, g[0])) >> BITS;
    let mut k = (wide(t.q, f[0]) + wide(t.r, g[0])) >> BITS;
    for i in 1..length {
        c += wide(t.u, f[i]) + wide(t.v, g[i]);
        k += wide(t.q, f[i]) + wide(t.r, g[i]);
        f[i - 1] = (c as u64 & MASK).cast_signed();
        g[i - 1] = (k as u64 & MASK).cast_signed();
        c >>= BITS;
        k >>= BITS;
    }
    f[length - 1] = c as i64;
    g[length - 1] = k as i64;
}
