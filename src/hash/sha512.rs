//! SHA-512 (FIPS 180-4), for Ed25519.

use super::compress::Hash;
use super::table::{Algorithm, Kernels};
use crate::lanes::words::Lanes;

/// The compression function.
pub(super) struct Sha512;

/// The first 64 bits of the fractions of the cube roots of the first 80 primes (FIPS 180-4, 4.2.3).
const K: [u64; 80] = [
    0x428a2f98d728ae22,
    0x7137449123ef65cd,
    0xb5c0fbcfec4d3b2f,
    0xe9b5dba58189dbbc,
    0x3956c25bf348b538,
    0x59f111f1b605d019,
    0x923f82a4af194f9b,
    0xab1c5ed5da6d8118,
    0xd807aa98a3030242,
    0x12835b0145706fbe,
    0x243185be4ee4b28c,
    0x550c7dc3d5ffb4e2,
    0x72be5d74f27b896f,
    0x80deb1fe3b1696b1,
    0x9bdc06a725c71235,
    0xc19bf174cf692694,
    0xe49b69c19ef14ad2,
    0xefbe4786384f25e3,
    0x0fc19dc68b8cd5b5,
    0x240ca1cc77ac9c65,
    0x2de92c6f592b0275,
    0x4a7484aa6ea6e483,
    0x5cb0a9dcbd41fbd4,
    0x76f988da831153b5,
    0x983e5152ee66dfab,
    0xa831c66d2db43210,
    0xb00327c898fb213f,
    0xbf597fc7beef0ee4,
    0xc6e00bf33da88fc2,
    0xd5a79147930aa725,
    0x06ca6351e003826f,
    0x142929670a0e6e70,
    0x27b70a8546d22ffc,
    0x2e1b21385c26c926,
    0x4d2c6dfc5ac42aed,
    0x53380d139d95b3df,
    0x650a73548baf63de,
    0x766a0abb3c77b2a8,
    0x81c2c92e47edaee6,
    0x92722c851482353b,
    0xa2bfe8a14cf10364,
    0xa81a664bbc423001,
    0xc24b8b70d0f89791,
    0xc76c51a30654be30,
    0xd192e819d6ef5218,
    0xd69906245565a910,
    0xf40e35855771202a,
    0x106aa07032bbd1b8,
    0x19a4c116b8d2d0c8,
    0x1e376c085141ab53,
    0x2748774cdf8eeb99,
    0x34b0bcb5e19b48a8,
    0x391c0cb3c5c95a63,
    0x4ed8aa4ae3418acb,
    0x5b9cca4f7763e373,
    0x682e6ff3d6b2b8a3,
    0x748f82ee5defb2fc,
    0x78a5636f43172f60,
    0x84c87814a1f0ab72,
    0x8cc702081a6439ec,
    0x90befffa23631e28,
    0xa4506cebde82bde9,
    0xbef9a3f7b2c67915,
    0xc67178f2e372532b,
    0xca273eceea26619c,
    0xd186b8c721c0c207,
    0xeada7dd6cde0eb1e,
    0xf57d4f7fee6ed178,
    0x06f067aa72176fba,
    0x0a637dc5a2c898a6,
    0x113f9804bef90dae,
    0x1b710b35131c471b,
    0x28db77f523047d84,
    0x32caab7b40c72493,
    0x3c9ebe0a15c9bebc,
    0x431d67c49c100d4c,
    0x4cc5d4becb3e42b6,
    0x597f299cfc657e2a,
    0x5fcb6fab3ad6faec,
    0x6c44198c4a475817,
];

impl Hash<2> for Sha512 {
    type Word = u64;
    const ALGORITHM: Algorithm = Algorithm::Sha512;
    const IV: &'static [[u64; 4]; 2] = &[
        [0x6a09_e667_f3bc_c908, 0xbb67_ae85_84ca_a73b, 0x3c6e_f372_fe94_f82b, 0xa54f_f53a_5f1d_36f1],
        [0x510e_527f_ade6_82d1, 0x9b05_688c_2b3e_6c1f, 0x1f83_d9ab_fb41_bd6b, 0x5be0_cd19_137e_2179],
    ];
    const BIG_ENDIAN: bool = true;
    const LENGTH_BYTES: usize = 16;
    const KEYED: bool = false;
    const INTERLEAVED: bool = false;

    #[inline(always)]
    fn compress<V: Lanes<Word = u64>, const S: usize>(
        proof: V::Proof,
        state: &mut [[[V; 4]; 2]; S],
        words: &mut [[V; 16]; S],
    ) {
        for s in 0..S {
            compress(proof, &mut state[s], &mut words[s]);
        }
    }
}

#[inline(always)]
fn compress<V: Lanes<Word = u64>>(proof: V::Proof, state: &mut [[V; 4]; 2], w: &mut [V; 16]) {
    let mut now = *state;
    for group in 0..4 {
        sixteen_rounds::<V, false>(proof, &mut now, w, group);
    }
    sixteen_rounds::<V, true>(proof, &mut now, w, 4);
    for row in 0..2 {
        for i in 0..4 {
            state[row][i] = state[row][i].add(now[row][i]);
        }
    }
}

/// Rounds 16·group … 16·group + 15, `LAST` where they are the last.
///
/// The schedule is kept as a ring of sixteen words: round j puts W_(j+16) in the place of W_j when it has used that. The words W_(j+1),
/// W_(j+9) and W_(j+14) that it is made from are in the ring by then: the latest, j + 14, was put there two rounds before.
#[inline(always)]
fn sixteen_rounds<V: Lanes<Word = u64>, const LAST: bool>(
    proof: V::Proof,
    state: &mut [[V; 4]; 2],
    w: &mut [V; 16],
    group: usize,
) {
    let [[mut a, mut b, mut c, mut d], [mut e, mut f, mut g, mut h]] = *state;
    macro_rules! round {
        ($i:literal, $a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident) => {
            let keyed = w[$i].add(V::splat(proof, K[16 * group + $i]));
            let t = $h.add(keyed).add($e.choose($f, $g)).add(big_sigma1($e));
            $d = $d.add(t);
            $h = t.add($a.majority($b, $c)).add(big_sigma0($a));
            if !LAST {
                let (first, fourteenth) = (small_sigma0(w[($i + 1) % 16]), small_sigma1(w[($i + 14) % 16]));
                w[$i] = w[$i].add(first).add(w[($i + 9) % 16].add(fourteenth));
            }
        };
    }
    round!(0, a b c d e f g h);
    round!(1, h a b c d e f g);
    round!(2, g h a b c d e f);
    round!(3, f g h a b c d e);
    round!(4, e f g h a b c d);
    round!(5, d e f g h a b c);
    round!(6, c d e f g h a b);
    round!(7, b c d e f g h a);
    round!(8, a b c d e f g h);
    round!(9, h a b c d e f g);
    round!(10, g h a b c d e f);
    round!(11, f g h a b c d e);
    round!(12, e f g h a b c d);
    round!(13, d e f g h a b c);
    round!(14, c d e f g h a b);
    round!(15, b c d e f g h a);
    *state = [[a, b, c, d], [e, f, g, h]];
}

/// `Σ0` of FIPS 180-4, 4.1.3.
#[inline(always)]
fn big_sigma0<V: Lanes<Word = u64>>(x: V) -> V {
    x.rotate::<{ 64 - 28 }, 28>().xor3(x.rotate::<{ 64 - 34 }, 34>(), x.rotate::<{ 64 - 39 }, 39>())
}

/// `Σ1` of FIPS 180-4, 4.1.3.
#[inline(always)]
fn big_sigma1<V: Lanes<Word = u64>>(x: V) -> V {
    x.rotate::<{ 64 - 14 }, 14>().xor3(x.rotate::<{ 64 - 18 }, 18>(), x.rotate::<{ 64 - 41 }, 41>())
}

/// `σ0` of FIPS 180-4, 4.1.3.
#[inline(always)]
fn small_sigma0<V: Lanes<Word = u64>>(x: V) -> V {
    x.rotate::<{ 64 - 1 }, 1>().xor3(x.rotate::<{ 64 - 8 }, 8>(), x.shift_right::<7>())
}

/// `σ1` of FIPS 180-4, 4.1.3.
#[inline(always)]
fn small_sigma1<V: Lanes<Word = u64>>(x: V) -> V {
    x.rotate::<{ 64 - 19 }, 19>().xor3(x.rotate::<{ 64 - 61 }, 61>(), x.shift_right::<6>())
}

super::digest_functions!(Sha512, 2, 64);
