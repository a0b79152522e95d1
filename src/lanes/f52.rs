//! Eight lanes of 64 bits with the 52-bit multiply-add of AVX-512 IFMA: the ground that big-number kernels stand on.
//!
//! [`Lanes52`] is what a kernel is written over. Its methods are taken from a *token*: [`Avx512Ifma`], the proof that the CPU has the
//! instructions, or [`Model`], which computes the same values one lane at a time and runs anywhere. The model is the specification of
//! every method (a test holds the two against each other) and the way to run a kernel where there is no IFMA; it is slow.
//!
//! A mask is a `u8`: bit *l* speaks for lane *l*.

// Lanes and limbs are numbers in the mathematics; loops over them say so.
#![allow(clippy::needless_range_loop)]

#[cfg(target_arch = "x86_64")]
use super::Avx512Ifma;
use super::Kernel;

/// The low 52 bits of a word.
pub const MASK52: u64 = (1 << 52) - 1;

/// One cache line: eight words. What [`Lanes52::lines`] reads and [`Lanes52::unlines`] yields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct Line(pub [u64; 8]);

impl Line {
    /// Eight zero words.
    pub const ZERO: Self = Self([0; 8]);
}

/// Operations on eight lanes of 64 bits.
pub trait Lanes52: Copy + 'static {
    /// Eight words.
    type V: Copy;
    /// Whether a multiplication is better a function of its own than inlined: wherever speed is no matter, for the sake of compile time.
    const OUT_OF_LINE: bool;

    /// Runs `kernel` in code compiled with the features of this token; also the way to keep a large body from being inlined twice.
    fn call<K: Kernel<Self>>(self, kernel: K) -> K::Output
    where
        Self: Sized;
    /// `x` in every lane.
    fn splat(self, x: u64) -> Self::V;
    /// Word *l* in lane *l*.
    fn load(self, words: &Line) -> Self::V;
    /// Lane *l* in word *l*.
    fn store(self, v: Self::V) -> Line;
    /// The low 16 bits of lane *l* in word *l*.
    fn store16(self, v: Self::V) -> [u16; 8];
    /// Sum modulo 2^64.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// Difference modulo 2^64.
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// Bitwise and.
    fn and(self, a: Self::V, b: Self::V) -> Self::V;
    /// Bitwise or.
    fn or(self, a: Self::V, b: Self::V) -> Self::V;
    /// Bitwise exclusive or.
    fn xor(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a << N`; `N` below 64.
    fn shl<const N: u32>(self, a: Self::V) -> Self::V;
    /// `a >> N`, zeros coming in; `N` below 64.
    fn shr<const N: u32>(self, a: Self::V) -> Self::V;
    /// `a >> N`, the sign coming in; `N` below 64.
    fn sar<const N: u32>(self, a: Self::V) -> Self::V;
    /// `a << n`, zero where `n` is 64 or more.
    fn shl_by(self, a: Self::V, n: u32) -> Self::V;
    /// `a >> n`, zero where `n` is 64 or more.
    fn shr_by(self, a: Self::V, n: u32) -> Self::V;
    /// `c` plus the low 52 bits of the product of the low 52 bits of `a` and of `b`.
    fn madd_lo(self, c: Self::V, a: Self::V, b: Self::V) -> Self::V;
    /// `c` plus bits 52..104 of the product of the low 52 bits of `a` and of `b`.
    fn madd_hi(self, c: Self::V, a: Self::V, b: Self::V) -> Self::V;
    /// `b` in the lanes of `mask`, `a` in the others.
    fn select(self, mask: u8, a: Self::V, b: Self::V) -> Self::V;
    /// Lanes in which `a = b`.
    fn eq(self, a: Self::V, b: Self::V) -> u8;
    /// Lanes in which `a < b`, unsigned.
    fn lt(self, a: Self::V, b: Self::V) -> u8;
    /// Lanes in which `a & b` is zero.
    fn disjoint(self, a: Self::V, b: Self::V) -> u8;
    /// Lanes whose highest bit is set.
    fn negative(self, a: Self::V) -> u8;
    /// Lane *l* of the result is lane *l* xor `K`; `K` is 1, 2 or 4.
    fn swap<const K: usize>(self, a: Self::V) -> Self::V;
    /// Lane `K` in every lane; `K` below 8.
    fn broadcast<const K: usize>(self, a: Self::V) -> Self::V;
    /// A transposed load: lane *l* of result *i* is word *i* of line *l*.
    fn lines(self, lines: [&Line; 8]) -> [Self::V; 8];
    /// The transposition alone: word *i* of line *l* is lane *l* of vector *i*.
    fn unlines(self, v: [Self::V; 8]) -> [Line; 8];
    /// Asks for a line to be brought near. Changes no value.
    fn prefetch(self, line: &Line);
}

/// The lanes computed one after the other, in plain Rust: the specification of [`Lanes52`].
#[derive(Clone, Copy, Debug)]
pub struct Model;

#[inline(always)]
fn map2(a: Line, b: Line, f: impl Fn(u64, u64) -> u64) -> Line {
    let mut out = a;
    for l in 0..8 {
        out.0[l] = f(a.0[l], b.0[l]);
    }
    out
}

#[inline(always)]
fn map1(a: Line, f: impl Fn(u64) -> u64) -> Line {
    map2(a, a, |x, _| f(x))
}

#[inline(always)]
fn mask2(a: Line, b: Line, f: impl Fn(u64, u64) -> bool) -> u8 {
    let mut out = 0;
    for l in 0..8 {
        out |= u8::from(f(a.0[l], b.0[l])) << l;
    }
    out
}

#[inline(always)]
fn product52(a: u64, b: u64) -> u128 {
    u128::from(a & MASK52) * u128::from(b & MASK52)
}

impl Lanes52 for Model {
    type V = Line;
    const OUT_OF_LINE: bool = true;

    #[inline(never)]
    fn call<K: Kernel<Self>>(self, kernel: K) -> K::Output {
        kernel.run(self)
    }
    fn splat(self, x: u64) -> Line {
        Line([x; 8])
    }
    fn load(self, words: &Line) -> Line {
        *words
    }
    fn store(self, v: Line) -> Line {
        v
    }
    fn store16(self, v: Line) -> [u16; 8] {
        v.0.map(|x| x as u16)
    }
    fn add(self, a: Line, b: Line) -> Line {
        map2(a, b, u64::wrapping_add)
    }
    fn sub(self, a: Line, b: Line) -> Line {
        map2(a, b, u64::wrapping_sub)
    }
    fn and(self, a: Line, b: Line) -> Line {
        map2(a, b, |x, y| x & y)
    }
    fn or(self, a: Line, b: Line) -> Line {
        map2(a, b, |x, y| x | y)
    }
    fn xor(self, a: Line, b: Line) -> Line {
        map2(a, b, |x, y| x ^ y)
    }
    fn shl<const N: u32>(self, a: Line) -> Line {
        map1(a, |x| x << N)
    }
    fn shr<const N: u32>(self, a: Line) -> Line {
        map1(a, |x| x >> N)
    }
    fn sar<const N: u32>(self, a: Line) -> Line {
        map1(a, |x| (x.cast_signed() >> N).cast_unsigned())
    }
    fn shl_by(self, a: Line, n: u32) -> Line {
        map1(a, |x| x.checked_shl(n).unwrap_or(0))
    }
    fn shr_by(self, a: Line, n: u32) -> Line {
        map1(a, |x| x.checked_shr(n).unwrap_or(0))
    }
    fn madd_lo(self, mut c: Line, a: Line, b: Line) -> Line {
        for l in 0..8 {
            c.0[l] = c.0[l].wrapping_add(product52(a.0[l], b.0[l]) as u64 & MASK52);
        }
        c
    }
    fn madd_hi(self, mut c: Line, a: Line, b: Line) -> Line {
        for l in 0..8 {
            c.0[l] = c.0[l].wrapping_add((product52(a.0[l], b.0[l]) >> 52) as u64);
        }
        c
    }
    fn select(self, mask: u8, mut a: Line, b: Line) -> Line {
        for l in 0..8 {
            if mask >> l & 1 == 1 {
                a.0[l] = b.0[l];
            }
        }
        a
    }
    fn eq(self, a: Line, b: Line) -> u8 {
        mask2(a, b, |x, y| x == y)
    }
    fn lt(self, a: Line, b: Line) -> u8 {
        mask2(a, b, |x, y| x < y)
    }
    fn disjoint(self, a: Line, b: Line) -> u8 {
        mask2(a, b, |x, y| x & y == 0)
    }
    fn negative(self, a: Line) -> u8 {
        mask2(a, a, |x, _| x >> 63 == 1)
    }
    fn swap<const K: usize>(self, a: Line) -> Line {
        let mut out = a;
        for l in 0..8 {
            out.0[l] = a.0[(l ^ K) & 7];
        }
        out
    }
    fn broadcast<const K: usize>(self, a: Line) -> Line {
        Line([a.0[K & 7]; 8])
    }
    fn lines(self, lines: [&Line; 8]) -> [Line; 8] {
        self.unlines(lines.map(|x| *x))
    }
    fn unlines(self, v: [Line; 8]) -> [Line; 8] {
        let mut out = [Line::ZERO; 8];
        for i in 0..8 {
            for l in 0..8 {
                out[l].0[i] = v[i].0[l];
            }
        }
        out
    }
    fn prefetch(self, _: &Line) {}
}

#[cfg(target_arch = "x86_64")]
mod ifma {
    use super::{Avx512Ifma, Kernel, Lanes52, Line};
    use std::arch::x86_64::*;

    /// One intrinsic whose only requirement is the CPU features that the token stands for.
    macro_rules! intrinsic {
        ($e:expr) => {
            // SAFETY: needs only CPU features (AVX-512 F, DQ or IFMA, SSE); every caller holds an `Avx512Ifma`, which `Cpu` makes only
            // where the CPU has them (kept by `Cpu::hardware`).
            unsafe { $e }
        };
    }

    impl Lanes52 for Avx512Ifma {
        type V = __m512i;
        const OUT_OF_LINE: bool = cfg!(debug_assertions);

        #[inline(always)]
        fn call<K: Kernel<Self>>(self, kernel: K) -> K::Output {
            self.enter(kernel)
        }
        #[inline(always)]
        fn splat(self, x: u64) -> __m512i {
            intrinsic!(_mm512_set1_epi64(x.cast_signed()))
        }
        #[inline(always)]
        fn load(self, words: &Line) -> __m512i {
            // SAFETY: `words` is 64 readable bytes aligned to 64 (`repr(C, align(64))`); features as the token says.
            unsafe { _mm512_load_si512(words.0.as_ptr().cast()) }
        }
        #[inline(always)]
        fn store(self, v: __m512i) -> Line {
            let mut out = Line::ZERO;
            // SAFETY: `out` is 64 writable bytes aligned to 64 (`repr(C, align(64))`); features as the token says.
            unsafe { _mm512_store_si512(out.0.as_mut_ptr().cast(), v) };
            out
        }
        #[inline(always)]
        fn store16(self, v: __m512i) -> [u16; 8] {
            let mut out = [0; 8];
            // SAFETY: `out` is 16 writable bytes, and the store asks for no alignment; features as the token says.
            unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), _mm512_cvtepi64_epi16(v)) };
            out
        }
        #[inline(always)]
        fn add(self, a: __m512i, b: __m512i) -> __m512i {
            intrinsic!(_mm512_add_epi64(a, b))
        }
        #[inline(always)]
        fn sub(self, a: __m512i, b: __m512i) -> __m512i {
            intrinsic!(_mm512_sub_epi64(a, b))
        }
        #[inline(always)]
        fn and(self, a: __m512i, b: __m512i) -> __m512i {
            intrinsic!(_mm512_and_si512(a, b))
        }
        #[inline(always)]
        fn or(self, a: __m512i, b: __m512i) -> __m512i {
            intrinsic!(_mm512_or_si512(a, b))
        }
        #[inline(always)]
        fn xor(self, a: __m512i, b: __m512i) -> __m512i {
            intrinsic!(_mm512_xor_si512(a, b))
        }
        #[inline(always)]
        fn shl<const N: u32>(self, a: __m512i) -> __m512i {
            intrinsic!(_mm512_slli_epi64::<N>(a))
        }
        #[inline(always)]
        fn shr<const N: u32>(self, a: __m512i) -> __m512i {
            intrinsic!(_mm512_srli_epi64::<N>(a))
        }
        #[inline(always)]
        fn sar<const N: u32>(self, a: __m512i) -> __m512i {
            intrinsic!(_mm512_srai_epi64::<N>(a))
        }
        #[inline(always)]
        fn shl_by(self, a: __m512i, n: u32) -> __m512i {
            intrinsic!(_mm512_sllv_epi64(a, _mm512_set1_epi64(i64::from(n))))
        }
        #[inline(always)]
        fn shr_by(self, a: __m512i, n: u32) -> __m512i {
            intrinsic!(_mm512_srlv_epi64(a, _mm512_set1_epi64(i64::from(n))))
        }
        #[inline(always)]
        fn madd_lo(self, c: __m512i, a: __m512i, b: __m512i) -> __m512i {
            intrinsic!(_mm512_madd52lo_epu64(c, a, b))
        }
        #[inline(always)]
        fn madd_hi(self, c: __m512i, a: __m512i, b: __m512i) -> __m512i {
            intrinsic!(_mm512_madd52hi_epu64(c, a, b))
        }
        #[inline(always)]
        fn select(self, mask: u8, a: __m512i, b: __m512i) -> __m512i {
            intrinsic!(_mm512_mask_mov_epi64(a, mask, b))
        }
        #[inline(always)]
        fn eq(self, a: __m512i, b: __m512i) -> u8 {
            intrinsic!(_mm512_cmpeq_epi64_mask(a, b))
        }
        #[inline(always)]
        fn lt(self, a: __m512i, b: __m512i) -> u8 {
            intrinsic!(_mm512_cmplt_epu64_mask(a, b))
        }
        #[inline(always)]
        fn disjoint(self, a: __m512i, b: __m512i) -> u8 {
            intrinsic!(_mm512_testn_epi64_mask(a, b))
        }
        #[inline(always)]
        fn negative(self, a: __m512i) -> u8 {
            intrinsic!(_mm512_movepi64_mask(a))
        }
        #[inline(always)]
        fn swap<const K: usize>(self, a: __m512i) -> __m512i {
            match K {
                4 => intrinsic!(_mm512_shuffle_i64x2::<0x4e>(a, a)),
                2 => intrinsic!(_mm512_permutex_epi64::<0x4e>(a)),
                _ => intrinsic!(_mm512_permutex_epi64::<0xb1>(a)),
            }
        }
        #[inline(always)]
        fn broadcast<const K: usize>(self, a: __m512i) -> __m512i {
            intrinsic!(_mm512_permutexvar_epi64(_mm512_set1_epi64((K & 7) as i64), a))
        }

        /// Halves of two lines meet in one register while they are loaded, so that one round of unpacks and one of 128-bit shuffles
        /// are enough: register *k* holds the halves of lines `p[k]` and `q[k]`, with p = 0 1 4 5 and q = 2 3 6 7, the order in which
        /// the shuffles put the lanes back.
        #[inline(always)]
        fn lines(self, lines: [&Line; 8]) -> [__m512i; 8] {
            let pair = |p: &Line, q: &Line| {
                let (p, q) = (p.0.as_ptr().cast::<__m256i>(), q.0.as_ptr().cast::<__m256i>());
                // SAFETY: each line is 64 readable bytes aligned to 64, so both halves are 32 readable bytes aligned to 32; features
                // as the token says.
                unsafe {
                    (
                        _mm512_inserti64x4::<1>(_mm512_castsi256_si512(_mm256_load_si256(p)), _mm256_load_si256(q)),
                        _mm512_inserti64x4::<1>(
                            _mm512_castsi256_si512(_mm256_load_si256(p.add(1))),
                            _mm256_load_si256(q.add(1)),
                        ),
                    )
                }
            };
            let (x0, y0) = pair(lines[0], lines[2]);
            let (x1, y1) = pair(lines[1], lines[3]);
            let (x2, y2) = pair(lines[4], lines[6]);
            let (x3, y3) = pair(lines[5], lines[7]);
            let [a, b, c, d] = quarter(x0, x1, x2, x3);
            let [e, f, g, h] = quarter(y0, y1, y2, y3);
            [a, b, c, d, e, f, g, h]
        }

        #[inline(always)]
        fn unlines(self, v: [__m512i; 8]) -> [Line; 8] {
            // Three rounds: 64-bit unpacks within pairs, then 128-bit shuffles within fours, then within eights.
            let mut t = v;
            for i in 0..4 {
                t[2 * i] = intrinsic!(_mm512_unpacklo_epi64(v[2 * i], v[2 * i + 1]));
                t[2 * i + 1] = intrinsic!(_mm512_unpackhi_epi64(v[2 * i], v[2 * i + 1]));
            }
            let mut u = t;
            for h in 0..2 {
                for i in 0..2 {
                    let (a, b) = (t[4 * h + i], t[4 * h + 2 + i]);
                    u[4 * h + i] = intrinsic!(_mm512_shuffle_i64x2::<0x88>(a, b));
                    u[4 * h + 2 + i] = intrinsic!(_mm512_shuffle_i64x2::<0xdd>(a, b));
                }
            }
            let mut out = [Line::ZERO; 8];
            for i in 0..4 {
                let (a, b) = (u[i], u[4 + i]);
                out[i] = self.store(intrinsic!(_mm512_shuffle_i64x2::<0x88>(a, b)));
                out[4 + i] = self.store(intrinsic!(_mm512_shuffle_i64x2::<0xdd>(a, b)));
            }
            out
        }

        #[inline(always)]
        fn prefetch(self, line: &Line) {
            // SAFETY: a prefetch reads no memory architecturally; the address is that of a live reference anyway.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(std::ptr::from_ref(line).cast()) }
        }
    }

    /// Words 0..4 of eight lines from four registers `[p.0 p.1 p.2 p.3 | q.0 q.1 q.2 q.3]`.
    #[inline(always)]
    fn quarter(a: __m512i, b: __m512i, c: __m512i, d: __m512i) -> [__m512i; 4] {
        let (ab0, ab1) = (intrinsic!(_mm512_unpacklo_epi64(a, b)), intrinsic!(_mm512_unpackhi_epi64(a, b)));
        let (cd0, cd1) = (intrinsic!(_mm512_unpacklo_epi64(c, d)), intrinsic!(_mm512_unpackhi_epi64(c, d)));
        [
            intrinsic!(_mm512_shuffle_i64x2::<0x88>(ab0, cd0)),
            intrinsic!(_mm512_shuffle_i64x2::<0x88>(ab1, cd1)),
            intrinsic!(_mm512_shuffle_i64x2::<0xdd>(ab0, cd0)),
            intrinsic!(_mm512_shuffle_i64x2::<0xdd>(ab1, cd1)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::Cpu;

    /// A few words with every kind of edge, and a stream of mixed ones.
    fn words(seed: u64) -> Line {
        let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut out = Line::ZERO;
        for w in &mut out.0 {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            *w = match x % 7 {
                0 => 0,
                1 => u64::MAX,
                2 => MASK52,
                3 => 1 << 52,
                _ => x,
            };
        }
        out
    }

    struct All {
        a: Line,
        b: Line,
        c: Line,
        mask: u8,
        rows: [Line; 8],
    }

    impl<L: Lanes52> Kernel<L> for All {
        type Output = (Vec<Line>, Vec<u8>);
        #[inline(always)]
        fn run(self, l: L) -> Self::Output {
            let (a, b, c) = (l.load(&self.a), l.load(&self.b), l.load(&self.c));
            let mut v = Vec::new();
            for x in [
                l.splat(self.a.0[3]),
                l.add(a, b),
                l.sub(a, b),
                l.and(a, b),
                l.or(a, b),
                l.xor(a, b),
                l.shl::<7>(a),
                l.shr::<52>(a),
                l.sar::<52>(a),
                l.shl_by(a, 64),
                l.shl_by(a, 13),
                l.shr_by(a, 64),
                l.shr_by(a, 0),
                l.madd_lo(c, a, b),
                l.madd_hi(c, a, b),
                l.select(self.mask, a, b),
                l.swap::<1>(a),
                l.swap::<2>(a),
                l.swap::<4>(a),
                l.broadcast::<0>(a),
                l.broadcast::<5>(a),
            ] {
                v.push(l.store(x));
            }
            let r = &self.rows;
            let columns = l.lines([&r[0], &r[1], &r[2], &r[3], &r[4], &r[5], &r[6], &r[7]]);
            for x in columns {
                v.push(l.store(x));
            }
            let back = l.unlines(columns);
            v.extend(back);
            assert_eq!(back, self.rows, "unlines undoes lines");
            l.prefetch(&r[0]);
            v.push(Line(l.store16(a).map(u64::from)));
            (v, vec![l.eq(a, b), l.eq(a, a), l.lt(a, b), l.lt(b, a), l.disjoint(a, b), l.negative(a)])
        }
    }

    #[test]
    fn every_backend_computes_what_the_model_says() {
        for seed in 0..500 {
            let mut rows = [Line::ZERO; 8];
            for (i, r) in rows.iter_mut().enumerate() {
                *r = words(seed * 31 + i as u64);
            }
            let all = || All { a: words(seed), b: words(seed + 1000), c: words(seed + 2000), mask: seed as u8, rows };
            let expected = Model.call(all());
            assert_eq!(expected.0.len(), 38);
            if let Some(ifma) = Cpu::hardware().avx512_ifma() {
                assert_eq!(ifma.call(all()), expected, "seed {seed}");
            }
        }
    }
}
