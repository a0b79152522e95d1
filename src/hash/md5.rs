//! MD5 (RFC 1321).
//!
//! Broken as a hash against collisions; here because deployed schemes sign with `MD5(message ‖ secret)`, where the engine admits it only
//! under `allow_weak`. For that form [`digest_each`] takes the secret as the message's suffix and copies nothing of the message.
//!
//! A step is four dependent operations and six in all, so sixteen messages on AVX-512 wait for one another's results: two groups of
//! sixteen interleaved step by step fill both vector ports.

use super::compress::Hash;
use super::table::{Algorithm, Kernels};
use crate::lanes::words::Lanes;

/// The compression function.
pub(super) struct Md5;

/// floor(2^32 · |sin(i + 1)|) (RFC 1321, 3.4).
const K: [u32; 64] = [
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501, 0x698098d8,
    0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821, 0xf61e2562, 0xc040b340,
    0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8, 0x21e1cde6, 0xc33707d6, 0xf4d50d87,
    0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a, 0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c,
    0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70, 0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039,
    0xe6db99e5, 0x1fa27cf8, 0xc4ac5665, 0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92,
    0xffeff47d, 0x85845dd1, 0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb,
    0xeb86d391,
];

impl Hash<1> for Md5 {
    type Word = u32;
    const ALGORITHM: Algorithm = Algorithm::Md5;
    const IV: &'static [[u32; 4]; 1] = &[[0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476]];
    const BIG_ENDIAN: bool = false;
    const LENGTH_BYTES: usize = 8;
    const KEYED: bool = false;
    const INTERLEAVED: bool = true;

    #[inline(always)]
    fn compress<V: Lanes<Word = u32>, const S: usize>(
        proof: V::Proof,
        state: &mut [[[V; 4]; 1]; S],
        words: &mut [[V; 16]; S],
    ) {
        let mut now = *state;
        // A step on the words of the state in the order in which it names them: a = b + rotate(a + f(b, c, d) + word + constant).
        macro_rules! step {
            ($f:ident, $a:literal $b:literal $c:literal $d:literal, $word:literal, $k:expr, $left:literal) => {
                for s in 0..S {
                    let [a, b, c, d] = [now[s][0][$a], now[s][0][$b], now[s][0][$c], now[s][0][$d]];
                    let sum = a.add(words[s][$word].add(V::splat(proof, K[$k]))).add($f(b, c, d));
                    now[s][0][$a] = b.add(sum.rotate::<$left, { 32 - $left }>());
                }
            };
        }
        macro_rules! quad {
            ($f:ident, [$w0:literal, $w1:literal, $w2:literal, $w3:literal], $k:literal,
             [$s0:literal, $s1:literal, $s2:literal, $s3:literal]) => {
                step!($f, 0 1 2 3, $w0, $k, $s0);
                step!($f, 3 0 1 2, $w1, $k + 1, $s1);
                step!($f, 2 3 0 1, $w2, $k + 2, $s2);
                step!($f, 1 2 3 0, $w3, $k + 3, $s3);
            };
        }
        quad!(f, [0, 1, 2, 3], 0, [7, 12, 17, 22]);
        quad!(f, [4, 5, 6, 7], 4, [7, 12, 17, 22]);
        quad!(f, [8, 9, 10, 11], 8, [7, 12, 17, 22]);
        quad!(f, [12, 13, 14, 15], 12, [7, 12, 17, 22]);
        quad!(g, [1, 6, 11, 0], 16, [5, 9, 14, 20]);
        quad!(g, [5, 10, 15, 4], 20, [5, 9, 14, 20]);
        quad!(g, [9, 14, 3, 8], 24, [5, 9, 14, 20]);
        quad!(g, [13, 2, 7, 12], 28, [5, 9, 14, 20]);
        quad!(h, [5, 8, 11, 14], 32, [4, 11, 16, 23]);
        quad!(h, [1, 4, 7, 10], 36, [4, 11, 16, 23]);
        quad!(h, [13, 0, 3, 6], 40, [4, 11, 16, 23]);
        quad!(h, [9, 12, 15, 2], 44, [4, 11, 16, 23]);
        quad!(i, [0, 7, 14, 5], 48, [6, 10, 15, 21]);
        quad!(i, [12, 3, 10, 1], 52, [6, 10, 15, 21]);
        quad!(i, [8, 15, 6, 13], 56, [6, 10, 15, 21]);
        quad!(i, [4, 11, 2, 9], 60, [6, 10, 15, 21]);
        for s in 0..S {
            for i in 0..4 {
                state[s][0][i] = state[s][0][i].add(now[s][0][i]);
            }
        }
    }
}

/// `F` of RFC 1321.
#[inline(always)]
fn f<V: Lanes>(b: V, c: V, d: V) -> V {
    b.choose(c, d)
}

/// `G` of RFC 1321: `F` with the choice made by the last.
#[inline(always)]
fn g<V: Lanes>(b: V, c: V, d: V) -> V {
    d.choose(b, c)
}

/// `H` of RFC 1321.
#[inline(always)]
fn h<V: Lanes>(b: V, c: V, d: V) -> V {
    b.xor3(c, d)
}

/// `I` of RFC 1321.
#[inline(always)]
fn i<V: Lanes>(b: V, c: V, d: V) -> V {
    c.xor_or_not(b, d)
}

super::digest_functions!(Md5, 1, 16);
