//! ECDSA's scalars, in lanes: u1 = e/s and u2 = r/s modulo n, and the claim that x(u1 G + u2 Q) is r or r + n.
//!
//! One inversion serves all: the groups' s are multiplied up, the product inverted across its lanes, and each group's inverse taken off
//! again. Every s is in 1..n here, so none is without an inverse and none can spoil the others'. e is the hash itself, below 2^256 and so
//! below 1.01 n: Montgomery multiplication takes it unreduced.

use crate::alg::ec::{Claims, Numbers, Pending};
use crate::curve::many::GROUPS;
use crate::curve::{Claim, P256, line};
use crate::field::fe::{self, Fe, canonical, mul, pack, to_montgomery, unpack};
use crate::field::inverse::{Invert, Inverter, invert_lanes};
use crate::field::modulus::{Modulus, P256Order as Order, P256Prime};
use crate::field::plain;
use crate::field::words::{Words, add, limbs, lt};
use crate::lanes::{Lanes52, Line};

/// See the module.
#[derive(Default)]
pub(in crate::alg) struct Ecdsa;

/// How many signatures share an inversion in plain code.
const TOGETHER: usize = 32;

const INVERTER: Inverter = Inverter::new(&Order::M);

/// r and, where it is another x-coordinate that reduces to r, r + n.
pub(in crate::alg) fn candidates<P: Modulus, N: Modulus>(r: &Words) -> Line {
    let (above, carry) = add(r, &N::M);
    line(r, if !carry && lt(&above, &P::M) { &above } else { r })
}

impl Claims<P256> for Ecdsa {
    fn admits(_: &Words, _: &Words) -> bool {
        true
    }

    /// One inversion serves [`TOGETHER`] signatures, as in lanes.
    fn plain(numbers: &[Numbers], claims: &mut [Claim]) {
        for (numbers, claims) in numbers.chunks(TOGETHER).zip(claims.chunks_mut(TOGETHER)) {
            let (mut s, mut before) = ([[0; 4]; TOGETHER], [[0; 4]; TOGETHER]);
            let mut product = plain::Constants::<Order>::ONE;
            for ((number, s), before) in numbers.iter().zip(&mut s).zip(&mut before) {
                *s = plain::mul::<Order>(&number.s, &plain::Constants::<Order>::R2);
                *before = product;
                product = plain::mul::<Order>(&product, s);
            }
            // (t R)^-1 times R^3 / R is t^-1 R.
            let mut inverse = plain::mul::<Order>(&INVERTER.invert(&product), &plain::Constants::<Order>::R3);
            for (((number, claim), s), before) in numbers.iter().zip(claims).zip(&s).zip(&before).rev() {
                // 1/s R, so that each product is free of R again.
                let own = plain::mul::<Order>(&inverse, before);
                inverse = plain::mul::<Order>(&inverse, s);
                let (u1, u2) = (plain::mul::<Order>(&number.e, &own), plain::mul::<Order>(&number.r, &own));
                *claim = Claim { scalars: line(&u1, &u2), x: candidates::<P256Prime, Order>(&number.r) };
            }
        }
    }

    #[inline(always)]
    fn claims<L: Lanes52>(l: L, pending: &[Pending], claims: &mut [Claim]) {
        if let ([p], [claim]) = (pending, &mut *claims) {
            *claim = single(l, p);
            return;
        }
        let groups = pending.len().div_ceil(8).min(GROUPS);
        let Some(last) = pending.last() else { return };
        let nth = |group: usize, lane: usize| pending.get(8 * group + lane).unwrap_or(last);
        let load = |l: L, group: usize, both: fn(&Pending) -> Line| -> (Fe<L>, Fe<L>) {
            let lines: [Line; 8] = std::array::from_fn(|lane| both(nth(group, lane)));
            let [a, b, c, d, e, f, g, h] = &lines;
            let w = l.lines([a, b, c, d, e, f, g, h]);
            (unpack(l, [w[0], w[1], w[2], w[3]]), unpack(l, [w[4], w[5], w[6], w[7]]))
        };
        // before[g] = s_0 .. s_(g-1)
        let one = fe::constant(l, Order::ONE);
        let (mut before, mut s, mut product) = ([one; GROUPS], [one; GROUPS], one);
        for g in 0..groups {
            s[g] = to_montgomery::<Order, L>(l, &load(l, g, |p| line(&p.s, &p.s)).0);
            before[g] = product;
            product = mul::<Order, L>(l, &product, &s[g]);
        }
        let mut inverse = invert_lanes::<Order, L>(l, &product);
        for g in (0..groups).rev() {
            let (e, r) = load(l, g, |p| line(&p.e, &p.r));
            let own = mul::<Order, L>(l, &inverse, &before[g]);
            inverse = mul::<Order, L>(l, &inverse, &s[g]);
            // (1/s R) e / R = e/s
            let u1 = pack(l, &canonical::<Order, L>(l, &mul::<Order, L>(l, &own, &e)));
            let u2 = pack(l, &canonical::<Order, L>(l, &mul::<Order, L>(l, &own, &r)));
            let scalars = l.unlines([u1[0], u1[1], u1[2], u1[3], u2[0], u2[1], u2[2], u2[3]]);
            for (lane, scalars) in scalars.into_iter().enumerate() {
                if let (Some(claim), Some(p)) = (claims.get_mut(8 * g + lane), pending.get(8 * g + lane)) {
                    *claim = Claim { scalars, x: candidates::<P256Prime, Order>(&p.r) };
                }
            }
        }
    }
}

/// The claim of one signature, with an inversion of its own.
#[inline(always)]
fn single<L: Lanes52>(l: L, p: &Pending) -> Claim {
    let inverse = fe::constant(l, limbs(&l.call(Invert(&INVERTER, &p.s))));
    let inverse = to_montgomery::<Order, L>(l, &inverse);
    let both = line(&p.e, &p.r);
    let w = l.lines([&both; 8]);
    let e = unpack(l, [w[0], w[1], w[2], w[3]]);
    let r = unpack(l, [w[4], w[5], w[6], w[7]]);
    let u1 = pack(l, &canonical::<Order, L>(l, &mul::<Order, L>(l, &inverse, &e)));
    let u2 = pack(l, &canonical::<Order, L>(l, &mul::<Order, L>(l, &inverse, &r)));
    let [scalars, ..] = l.unlines([u1[0], u1[1], u1[2], u1[3], u2[0], u2[1], u2[2], u2[3]]);
    Claim { scalars, x: candidates::<P256Prime, Order>(&p.r) }
}
