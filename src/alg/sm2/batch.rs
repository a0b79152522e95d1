//! SM2's scalars: the claim that x(s G + t Q), t = r + s, is congruent to r - e modulo n (GB/T 32918.2, 7.1).
//!
//! No inversion. t = 0 is refused before (step B5): the curve phase has no digits for it that would end at s G with certainty, and the
//! standard forbids it.

use crate::alg::ec::{Claims, Numbers, Pending};
use crate::alg::ecdsa_p256::candidates;
use crate::curve::{Claim, Sm2, line};
use crate::field::modulus::{Modulus, Sm2Order as Order, Sm2Prime};
use crate::field::words::{Words, add_mod, is_zero, reduce_once, sub_mod};
use crate::lanes::Lanes52;

/// See the module.
#[derive(Default)]
pub(in crate::alg) struct Sm2Scalars;

impl Claims<Sm2> for Sm2Scalars {
    fn admits(r: &Words, s: &Words) -> bool {
        !is_zero(&add_mod(r, s, &Order::M))
    }

    fn plain(numbers: &[Numbers], claims: &mut [Claim]) {
        for (number, to) in numbers.iter().zip(claims) {
            *to = claim(&number.r, &number.s, &number.e);
        }
    }

    #[inline(always)]
    fn claims<L: Lanes52>(_: L, pending: &[Pending], claims: &mut [Claim]) {
        for (p, to) in pending.iter().zip(claims) {
            *to = claim(&p.r, &p.s, &p.e);
        }
    }
}

fn claim(r: &Words, s: &Words, e: &Words) -> Claim {
    let e = reduce_once(e, false, &Order::M);
    Claim { scalars: line(s, &add_mod(r, s, &Order::M)), x: candidates::<Sm2Prime, Order>(&sub_mod(r, &e, &Order::M)) }
}
