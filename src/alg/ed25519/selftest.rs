//! Known answers, once before the kernels are first used. If they fail, signatures are verified one at a time by the library.

use std::sync::OnceLock;

use super::batch::{tables, words};
use super::negative;
use crate::codec::hex;
use crate::curve::edwards::Claim;
use crate::curve::edwards::many::Known;
use crate::curve::edwards::one::One;
use crate::curve::edwards::table::Flat;
use crate::curve::many::Scratch;
use crate::curve::table::{Comb, Wide, Window10};
use crate::hash::sha512;
use crate::lanes::{Cpu, Kernel, Lanes52, Line};

/// Key, message and signature of RFC 8032, 7.1, tests 1 to 3.
const KNOWN: [[&str; 3]; 3] = [
    [
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ],
    [
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ],
    [
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ],
];

/// Whether the kernels may be used on this CPU.
pub(super) fn trusted() -> bool {
    static TRUSTED: OnceLock<bool> = OnceLock::new();
    *TRUSTED.get_or_init(|| match Cpu::hardware().avx512_ifma() {
        #[cfg(target_arch = "x86_64")]
        Some(ifma) => ifma.call(SelfTest),
        _ => false,
    })
}

/// The claim and the negated key of a known answer.
fn known([key, message, signature]: &[&str; 3]) -> Option<(Claim, Line)> {
    let [key, message, signature] = [key, message, signature].map(|text| hex::decode_vec(text.as_bytes()).ok());
    let (key, message, signature) = (key?, message?, signature?);
    let hashed = [&signature[..signature.len().min(32)], &key, &message].concat();
    let digest = Line(words(&sha512::digest(&hashed)));
    Some((Claim { signature: Line(words(&signature)), digest }, negative(key.as_slice().try_into().ok()?)?))
}

struct SelfTest;

impl<L: Lanes52> Kernel<L> for SelfTest {
    type Output = bool;

    /// Nineteen claims fill a pair of groups and a part of a single one; every fourth is false, in R, in S or in the hash.
    #[inline(always)]
    fn run(self, l: L) -> bool {
        const CLAIMS: usize = 19;
        let answers: Vec<_> = KNOWN.iter().filter_map(known).collect();
        let points: Vec<Line> = answers.iter().map(|(_, point)| *point).collect();
        if points.len() != KNOWN.len() {
            return false;
        }
        let (combs, wides) = (tables::<Comb, L>(l, &points), tables::<Wide, L>(l, &points));
        let mut claims = [answers[0].0; CLAIMS];
        let mut expected = [true; CLAIMS];
        for i in 0..CLAIMS {
            claims[i] = answers[i % 3].0;
            if i % 4 == 3 {
                expected[i] = false;
                match i % 3 {
                    0 => claims[i].signature.0[i % 4] ^= 1 << i,
                    1 => claims[i].signature.0[4 + i % 4] ^= 1 << i,
                    _ => claims[i].digest.0[i % 8] ^= 1 << i,
                }
            }
        }
        let mut scratch = Scratch::default();
        let mut good = [false; CLAIMS];
        let of_comb: [_; CLAIMS] = std::array::from_fn(|i| &*combs[i % 3]);
        l.call(Known::<Comb> {
            claims: &claims,
            tables: &of_comb,
            base: Window10::base(),
            scratch: &mut scratch,
            good: &mut good,
        });
        let mut all = good == expected;
        good.fill(false);
        let of_wide: [_; CLAIMS] = std::array::from_fn(|i| &*wides[i % 3]);
        l.call(Known::<Wide> {
            claims: &claims,
            tables: &of_wide,
            base: Window10::base(),
            scratch: &mut scratch,
            good: &mut good,
        });
        all &= good == expected;
        for i in 0..CLAIMS {
            let claim = &claims[i];
            all &= l.call(One::<Comb> { claim, table: of_comb[i], base: Comb::base() }) == expected[i];
            all &= l.call(One::<Wide> { claim, table: of_wide[i], base: Wide::base() }) == expected[i];
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::Model;

    #[test]
    fn the_known_answers_are_given() {
        assert!(Model.call(SelfTest));
        assert_eq!(trusted(), Cpu::hardware().avx512_ifma().is_some());
    }
}
