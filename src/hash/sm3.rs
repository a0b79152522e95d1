//! SM3 (GB/T 32905-2016).
//!
//! A message alone is bound by the chain of rounds, each of which waits for the one before; the expansion of its blocks is not: with AVX-512 that of up to
//! sixteen blocks of one message is done in lanes beforehand, a block a lane.

use super::compress::{self, Hash};
use super::message::Blocks;
use super::table::{Algorithm, Kernels};
use crate::lanes::words::Lanes;
#[cfg(target_arch = "x86_64")]
use crate::lanes::{
    Avx512, Kernel,
    words::{MAX_LANES, U32x16},
};

/// The compression function.
pub(super) struct Sm3;

/// T_j rotated to the left by j (GB/T 32905-2016, 4.2 and 5.3.3).
const K: [u32; 64] = {
    let mut k = [0; 64];
    let mut j = 0;
    while j < 64 {
        let t: u32 = if j < 16 { 0x79cc_4519 } else { 0x7a87_9d8a };
        k[j] = t.rotate_left(j as u32 % 32);
        j += 1;
    }
    k
};

impl Hash<2> for Sm3 {
    type Word = u32;
    const ALGORITHM: Algorithm = Algorithm::Sm3;
    const IV: &'static [[u32; 4]; 2] =
        &[[0x7380_166f, 0x4914_b2b9, 0x1724_42d7, 0xda8a_0600], [0xa96f_30bc, 0x1631_38aa, 0xe38d_ee4d, 0xb0fb_0e4e]];
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

    fn advance(kernels: Kernels, states: &mut [[[u32; 4]; 2]], blocks: &[Blocks<'_, [u8; 64]>], from: u32) {
        #[cfg(target_arch = "x86_64")]
        if let Some(proof) = kernels.avx512(Algorithm::Sm3) {
            return proof.enter(Alone { states, blocks, from });
        }
        let _ = kernels;
        compress::advance_scalar::<Self, 2>(states, blocks, from);
    }
}

/// The expanded words are kept as a ring of sixteen: round j reads W_j and W_(j+4) (W'_j is their exclusive or) and then puts W_(j+16) in the
/// place of W_j. The words W_(j+3), W_(j+7), W_(j+10) and W_(j+13) that it is made from are in the ring by then: the latest, j + 13, was
/// put there three rounds before.
#[inline(always)]
fn compress<V: Lanes<Word = u32>>(proof: V::Proof, state: &mut [[V; 4]; 2], w: &mut [V; 16]) {
    let mut now = *state;
    sixteen_rounds::<V, true, false>(proof, &mut now, w, 0);
    sixteen_rounds::<V, false, false>(proof, &mut now, w, 1);
    sixteen_rounds::<V, false, false>(proof, &mut now, w, 2);
    sixteen_rounds::<V, false, true>(proof, &mut now, w, 3);
    for row in 0..2 {
        for i in 0..4 {
            state[row][i] = state[row][i].xor(now[row][i]);
        }
    }
}

/// Rounds 16·group … 16·group + 15; `FIRST` where the Boolean functions are those of rounds 0–15, `LAST` where no word after W_67 is needed.
#[inline(always)]
fn sixteen_rounds<V: Lanes<Word = u32>, const FIRST: bool, const LAST: bool>(
    proof: V::Proof,
    state: &mut [[V; 4]; 2],
    w: &mut [V; 16],
    group: usize,
) {
    let [[mut a, mut b, mut c, mut d], [mut e, mut f, mut g, mut h]] = *state;
    macro_rules! round {
        ($i:literal, $a:ident $b:ident $c:ident $d:ident, $e:ident $f:ident $g:ident $h:ident) => {
            let twelve = $a.rotate::<12, 20>();
            let ss1 = twelve.add($e.add(V::splat(proof, K[16 * group + $i]))).rotate::<7, 25>();
            let ss2 = ss1.xor(twelve);
            let ff = if FIRST { $a.xor3($b, $c) } else { $a.majority($b, $c) };
            let gg = if FIRST { $e.xor3($f, $g) } else { $e.choose($f, $g) };
            $d = $d.add(w[$i].xor(w[($i + 4) % 16])).add(ff).add(ss2);
            let tt2 = $h.add(w[$i]).add(gg).add(ss1);
            $b = $b.rotate::<9, 23>();
            $f = $f.rotate::<19, 13>();
            $h = tt2.xor3(tt2.rotate::<9, 23>(), tt2.rotate::<17, 15>());
            if !LAST || $i < 4 {
                w[$i] = next(w, $i);
            }
        };
    }
    round!(0, a b c d, e f g h);
    round!(1, d a b c, h e f g);
    round!(2, c d a b, g h e f);
    round!(3, b c d a, f g h e);
    round!(4, a b c d, e f g h);
    round!(5, d a b c, h e f g);
    round!(6, c d a b, g h e f);
    round!(7, b c d a, f g h e);
    round!(8, a b c d, e f g h);
    round!(9, d a b c, h e f g);
    round!(10, c d a b, g h e f);
    round!(11, b c d a, f g h e);
    round!(12, a b c d, e f g h);
    round!(13, d a b c, h e f g);
    round!(14, c d a b, g h e f);
    round!(15, b c d a, f g h e);
    *state = [[a, b, c, d], [e, f, g, h]];
}

/// Messages one after the other, the blocks of each expanded in lanes.
#[cfg(target_arch = "x86_64")]
struct Alone<'g, 'm> {
    states: &'g mut [[[u32; 4]; 2]],
    blocks: &'g [Blocks<'m, [u8; 64]>],
    from: u32,
}

/// From how many blocks on their expansion in lanes pays.
#[cfg(target_arch = "x86_64")]
const LEAST: u32 = 3;

#[cfg(target_arch = "x86_64")]
impl Kernel<Avx512> for Alone<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run(self, proof: Avx512) {
        let Self { states, blocks, from } = self;
        for (state, blocks) in states.iter_mut().zip(blocks) {
            let mut done = from;
            while done < blocks.count() {
                let count = (blocks.count() - done).min(MAX_LANES as u32);
                if count < LEAST {
                    compress::advance_scalar::<Sm3, 2>(std::slice::from_mut(state), &[*blocks], done);
                    break;
                }
                let mut lines = [blocks.block(done); MAX_LANES];
                for (line, b) in lines.iter_mut().zip(done..done + count) {
                    *line = blocks.block(b);
                }
                let words = expand(proof, &lines);
                for block in 0..count as usize {
                    rounds(state, &words, block & (MAX_LANES - 1));
                }
                done += count;
            }
        }
    }
}

/// W_0 … W_67 of a block in each lane.
#[cfg(target_arch = "x86_64")]
type Words = [[u32; MAX_LANES]; 68];

/// The expansion (GB/T 32905-2016, 5.3.2) of a block in each lane.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn expand(proof: Avx512, blocks: &[&[u8; 64]; MAX_LANES]) -> Words {
    let mut out = [[0; MAX_LANES]; 68];
    let mut w = [U32x16::splat(proof, 0); 16];
    U32x16::load(proof, blocks, &mut w);
    for j in 0..16 {
        w[j] = w[j].reverse_bytes();
        out[j] = w[j].words();
    }
    for j in 16..68 {
        w[j % 16] = next(&w, j % 16);
        out[j] = w[j % 16].words();
    }
    out
}

/// W_(j+16), which takes the place of W_j in a ring of sixteen.
#[inline(always)]
fn next<V: Lanes<Word = u32>>(w: &[V; 16], j: usize) -> V {
    let x = w[j].xor3(w[(j + 7) % 16], w[(j + 13) % 16].rotate::<15, 17>());
    let p1 = x.xor3(x.rotate::<15, 17>(), x.rotate::<23, 9>());
    p1.xor3(w[(j + 3) % 16].rotate::<7, 25>(), w[(j + 10) % 16])
}

/// The rounds of one block (5.3.3), whose words are in lane `block`.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn rounds(state: &mut [[u32; 4]; 2], w: &Words, block: usize) {
    let [[mut a, mut b, mut c, mut d], [mut e, mut f, mut g, mut h]] = *state;
    macro_rules! round {
        ($first:literal, $j:expr, $a:ident $b:ident $c:ident $d:ident, $e:ident $f:ident $g:ident $h:ident) => {
            let (this, fourth) = (w[$j][block], w[$j + 4][block]);
            let twelve = $a.rotate_left(12);
            let ss1 = twelve.wrapping_add($e).wrapping_add(K[$j]).rotate_left(7);
            let ff = if $first { $a ^ $b ^ $c } else { ($a & $b) | ($c & ($a | $b)) };
            let gg = if $first { $e ^ $f ^ $g } else { ($e & $f) | (!$e & $g) };
            $d = $d.wrapping_add(this ^ fourth).wrapping_add(ff).wrapping_add(ss1 ^ twelve);
            let tt2 = $h.wrapping_add(this).wrapping_add(gg).wrapping_add(ss1);
            $b = $b.rotate_left(9);
            $f = $f.rotate_left(19);
            $h = tt2 ^ tt2.rotate_left(9) ^ tt2.rotate_left(17);
        };
    }
    macro_rules! four {
        ($first:literal, $j:expr) => {
            round!($first, $j, a b c d, e f g h);
            round!($first, $j + 1, d a b c, h e f g);
            round!($first, $j + 2, c d a b, g h e f);
            round!($first, $j + 3, b c d a, f g h e);
        };
    }
    for j in (0..16).step_by(4) {
        four!(true, j);
    }
    for j in (16..64).step_by(4) {
        four!(false, j);
    }
    for (old, new) in state.as_flattened_mut().iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *old ^= new;
    }
}

super::digest_functions!(Sm3, 2, 32);
