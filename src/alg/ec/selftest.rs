//! Known answers, once before the kernels of a curve are first used. Kernels that fail are not used: signatures are then verified one at a
//! time by the libraries, and `portcullis` says so by [`super::KeyTables`] staying empty.

use std::marker::PhantomData;

use super::Signing;
use crate::curve::fresh::Fresh;
use crate::curve::many::{Known, Scratch};
use crate::curve::one::One;
use crate::curve::table::{Comb, Shape, Wide};
use crate::curve::{Claim, Decision, montgomery_point, plain};
use crate::field::modulus::Modulus;
use crate::field::words::sub_mod;
use crate::lanes::{Cpu, Kernel, Lanes52};

/// Whether the kernels of the curve may be used on this CPU.
pub(super) fn trusted<C: Signing>() -> bool {
    *C::trusted()[0].get_or_init(|| match Cpu::hardware().avx512_ifma() {
        #[cfg(target_arch = "x86_64")]
        Some(ifma) => ifma.call(SelfTest::<C>(PhantomData)),
        _ => false,
    })
}

/// Whether plain code may be used.
pub(super) fn plain_trusted<C: Signing>() -> bool {
    *C::trusted()[1].get_or_init(|| {
        let table = plain::table::<C>(&montgomery_point::<C>(&C::GX, &C::GY));
        let (claims, expected) = claims::<C>();
        let mut room = plain::Room::default();
        let mut good = true;
        for count in [1, CLAIMS] {
            let mut decisions = [Decision::Exceptional; CLAIMS];
            for (claims, decisions) in claims.chunks(count).zip(decisions.chunks_mut(count)) {
                plain::decide::<C>(claims, &vec![&*table; claims.len()], &mut room, decisions);
            }
            good &= decisions == expected;
        }
        good
    })
}

const CLAIMS: usize = 19;

/// The key is the generator itself, so its tables serve as a key's: u G + (k - u) G = k G for any u, and x(k G) is known. Nineteen claims fill
/// a pair of groups and a part of a single one; every third is false. (k is not small on purpose: the digits of u and of 2 - u, say, differ
/// in little but their signs, and sums of their entries would meet exceptional cases that no honest signature meets.)
fn claims<C: Signing>() -> ([Claim; CLAIMS], [Decision; CLAIMS]) {
    let n = &C::Order::M;
    let mut u = [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210, 0x0f1e_2d3c_4b5a_6978, 0x7fff_0000_ffff_0001];
    let mut claims = [Claim::new(&u, &u, &u, &u); CLAIMS];
    let mut expected = [Decision::False; CLAIMS];
    for (i, (claim, expected)) in claims.iter_mut().zip(&mut expected).enumerate() {
        u = [u[3] >> 1, u[0].rotate_left(7) ^ u[1], u[1].wrapping_mul(5), u[2] >> 3];
        let mut x = C::KNOWN_X;
        if i % 3 == 2 {
            x[i % 4] ^= 1 << i;
        } else {
            *expected = Decision::True;
        }
        *claim = Claim::new(&u, &sub_mod(&C::KNOWN_KEY, &u, n), &x, &x);
    }
    (claims, expected)
}

struct SelfTest<C>(PhantomData<C>);

impl<C: Signing, L: Lanes52> Kernel<L> for SelfTest<C> {
    type Output = bool;

    #[inline(always)]
    fn run(self, l: L) -> bool {
        let (claims, expected) = claims::<C>();
        let tables = C::generator();
        let mut scratch = Scratch::default();
        let mut good = true;
        let mut decisions = [Decision::Exceptional; CLAIMS];
        l.call(Known::<C, Comb> {
            claims: &claims,
            tables: &[&*tables.comb as &<Comb as Shape>::Table; CLAIMS],
            generator: &tables.window10,
            scratch: &mut scratch,
            decisions: &mut decisions,
            curve: PhantomData,
        });
        good &= decisions == expected;
        decisions.fill(Decision::Exceptional);
        l.call(Known::<C, Wide> {
            claims: &claims,
            tables: &[&*tables.wide as &<Wide as Shape>::Table; CLAIMS],
            generator: &tables.window10,
            scratch: &mut scratch,
            decisions: &mut decisions,
            curve: PhantomData,
        });
        good &= decisions == expected;
        decisions.fill(Decision::Exceptional);
        l.call(Fresh::<C> {
            claims: &claims,
            points: &[montgomery_point::<C>(&C::GX, &C::GY); CLAIMS],
            generator: &tables.window10,
            scratch: &mut scratch,
            decisions: &mut decisions,
            curve: PhantomData,
        });
        good &= decisions == expected;
        for (claim, expected) in claims.iter().zip(expected) {
            let (comb, wide) = (&*tables.comb, &*tables.wide);
            good &= l.call(One::<C, Comb> { claim, table: comb, generator: comb, curve: PhantomData }) == expected;
            good &= l.call(One::<C, Wide> { claim, table: wide, generator: wide, curve: PhantomData }) == expected;
        }
        good
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curve::tests::Oracle;
    use crate::curve::{P256, Sm2};
    use crate::lanes::Model;

    #[test]
    fn the_known_answers_are_right_and_given() {
        assert_eq!(P256::multiple(&P256::KNOWN_KEY).unwrap().0, P256::KNOWN_X);
        assert_eq!(Sm2::multiple(&Sm2::KNOWN_KEY).unwrap().0, Sm2::KNOWN_X);
        assert!(Model.call(SelfTest::<P256>(PhantomData)) && Model.call(SelfTest::<Sm2>(PhantomData)));
        let ifma = Cpu::hardware().avx512_ifma().is_some();
        assert_eq!((trusted::<P256>(), trusted::<Sm2>()), (ifma, ifma));
        assert!(plain_trusted::<P256>() && plain_trusted::<Sm2>());
    }
}
