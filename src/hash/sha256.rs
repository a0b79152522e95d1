//! SHA-256 (FIPS 180-4).
//!
//! Sixteen messages keep both vector ports of AVX-512 busy without help; a few messages are faster on the SHA instructions, two at a time.

#[cfg(target_arch = "x86_64")]
use super::compress::{self, Hash};
use super::message::Blocks;
use super::table::{Algorithm, Kernels};
use crate::lanes::words::Lanes;
#[cfg(target_arch = "x86_64")]
use crate::lanes::{Kernel, ShaNi, sha_ni::State};

/// The compression function.
pub(super) struct Sha256;

/// The first 32 bits of the fractions of the cube roots of the first 64 primes (FIPS 180-4, 4.2.2).
const K: [u32; 64] = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
    0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
    0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
    0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
    0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
    0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
    0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
    0xc67178f2,
];

impl Hash<2> for Sha256 {
    type Word = u32;
    const ALGORITHM: Algorithm = Algorithm::Sha256;
    const IV: &'static [[u32; 4]; 2] =
        &[[0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a], [0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19]];
    const BIG_ENDIAN: bool = true;
    const LENGTH_BYTES: usize = 8;
    const KEYED: bool = true;
    const INTERLEAVED: bool = false;

    #[inline(always)]
    fn compress<V: Lanes<Word = u32>, const S: usize>(
        proof: V::Proof,
        state: &mut [[[V; 4]; 2]; S],
        words: &mut [[V; 16]; S],
    ) {
        for s in 0..S {
            compress(proof, &mut state[s], &mut words[s]);
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn advance(kernels: Kernels, states: &mut [[[u32; 4]; 2]], blocks: &[Blocks<'_, [u8; 64]>], from: u32) {
        match kernels.sha_ni() {
            Some(proof) => proof.enter(Pairs { states, blocks, from }),
            None => compress::advance_scalar::<Self, 2>(states, blocks, from),
        }
    }
}

#[inline(always)]
fn compress<V: Lanes<Word = u32>>(proof: V::Proof, state: &mut [[V; 4]; 2], w: &mut [V; 16]) {
    let mut now = *state;
    for group in 0..3 {
        sixteen_rounds::<V, false>(proof, &mut now, w, group);
    }
    sixteen_rounds::<V, true>(proof, &mut now, w, 3);
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
fn sixteen_rounds<V: Lanes<Word = u32>, const LAST: bool>(
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

/// `Σ0` of FIPS 180-4, 4.1.2.
#[inline(always)]
fn big_sigma0<V: Lanes<Word = u32>>(x: V) -> V {
    x.rotate::<{ 32 - 2 }, 2>().xor3(x.rotate::<{ 32 - 13 }, 13>(), x.rotate::<{ 32 - 22 }, 22>())
}

/// `Σ1` of FIPS 180-4, 4.1.2.
#[inline(always)]
fn big_sigma1<V: Lanes<Word = u32>>(x: V) -> V {
    x.rotate::<{ 32 - 6 }, 6>().xor3(x.rotate::<{ 32 - 11 }, 11>(), x.rotate::<{ 32 - 25 }, 25>())
}

/// `σ0` of FIPS 180-4, 4.1.2.
#[inline(always)]
fn small_sigma0<V: Lanes<Word = u32>>(x: V) -> V {
    x.rotate::<{ 32 - 7 }, 7>().xor3(x.rotate::<{ 32 - 18 }, 18>(), x.shift_right::<3>())
}

/// `σ1` of FIPS 180-4, 4.1.2.
#[inline(always)]
fn small_sigma1<V: Lanes<Word = u32>>(x: V) -> V {
    x.rotate::<{ 32 - 17 }, 17>().xor3(x.rotate::<{ 32 - 19 }, 19>(), x.shift_right::<10>())
}

/// Messages two by two on the SHA instructions.
#[cfg(target_arch = "x86_64")]
struct Pairs<'g, 'm> {
    states: &'g mut [[[u32; 4]; 2]],
    blocks: &'g [Blocks<'m, [u8; 64]>],
    from: u32,
}

#[cfg(target_arch = "x86_64")]
impl Kernel<ShaNi> for Pairs<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run(self, proof: ShaNi) {
        let Self { states, blocks, from } = self;
        for (states, blocks) in states.chunks_mut(2).zip(blocks.chunks(2)) {
            let mut done = from;
            if let ([first, second], [one, two]) = (&mut *states, blocks) {
                let mut pair = [State::new(proof, first), State::new(proof, second)];
                let both = one.count().min(two.count()).max(from);
                while done < both {
                    State::compress(&mut pair, &[one.block(done), two.block(done)], &K);
                    done += 1;
                }
                (*first, *second) = (pair[0].words(), pair[1].words());
            }
            for (state, blocks) in states.iter_mut().zip(blocks) {
                if done < blocks.count() {
                    let mut alone = [State::new(proof, state)];
                    for b in done..blocks.count() {
                        State::compress(&mut alone, &[blocks.block(b)], &K);
                    }
                    *state = alone[0].words();
                }
            }
        }
    }
}

super::digest_functions!(Sha256, 2, 32);
