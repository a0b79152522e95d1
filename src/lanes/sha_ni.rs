//! SHA-256 by the SHA instructions, one or more messages interleaved.
//!
//! The instructions run two rounds at a time with a latency of four or more cycles each, so one message leaves the unit idle half the
//! time; a second message beside it fills the gap. They know the state as two vectors, (a, b, e, f) and (c, d, g, h), highest word first.

use std::arch::x86_64::*;

use super::ShaNi;

/// The state of one message, as the instructions want it. Made only by [`State::new`], from a proof: the SAFETY comments below call
/// that invariant *by proof*.
#[derive(Clone, Copy)]
pub struct State {
    abef: __m128i,
    cdgh: __m128i,
}

impl State {
    /// From the eight words a … h.
    #[inline(always)]
    pub fn new(_: ShaNi, words: &[[u32; 4]; 2]) -> Self {
        let [[a, b, c, d], [e, f, g, h]] = *words;
        // SAFETY: SSE2 is part of the target.
        unsafe {
            Self {
                abef: _mm_set_epi32(a.cast_signed(), b.cast_signed(), e.cast_signed(), f.cast_signed()),
                cdgh: _mm_set_epi32(c.cast_signed(), d.cast_signed(), g.cast_signed(), h.cast_signed()),
            }
        }
    }

    /// The eight words a … h.
    #[inline(always)]
    pub fn words(self) -> [[u32; 4]; 2] {
        // SAFETY: SSE2 is part of the target.
        let (ab, ef, cd, gh) = unsafe {
            (
                _mm_cvtsi128_si64(_mm_unpackhi_epi64(self.abef, self.abef)).cast_unsigned(),
                _mm_cvtsi128_si64(self.abef).cast_unsigned(),
                _mm_cvtsi128_si64(_mm_unpackhi_epi64(self.cdgh, self.cdgh)).cast_unsigned(),
                _mm_cvtsi128_si64(self.cdgh).cast_unsigned(),
            )
        };
        let (first, second) = (|v: u64| (v >> 32) as u32, |v: u64| v as u32);
        [[first(ab), second(ab), first(cd), second(cd)], [first(ef), second(ef), first(gh), second(gh)]]
    }

    /// One block into each of `S` states; `k` is the table of round constants (FIPS 180-4, 4.2.2).
    #[inline(always)]
    #[allow(clippy::needless_range_loop)] // as the standard counts
    pub fn compress<const S: usize>(states: &mut [Self; S], blocks: &[&[u8; 64]; S], k: &[u32; 64]) {
        let before = *states;
        // SAFETY: SSSE3, SSE4.1 and the SHA instructions are there, by proof: there is no other way to a `State`. Each read of a
        // block is of 16 bytes at 0, 16, 32 or 48 of 64; each read of `k` is of 4 words at 0, 4, … 60 of 64.
        unsafe {
            let swap = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
            let mut w = [[_mm_setzero_si128(); 4]; S];
            for s in 0..S {
                for i in 0..4 {
                    w[s][i] = _mm_shuffle_epi8(_mm_loadu_si128(blocks[s].as_ptr().add(16 * i).cast()), swap);
                }
            }
            for i in 0..16 {
                let constants = _mm_loadu_si128(k.as_ptr().add(4 * i).cast());
                for s in 0..S {
                    let State { abef, cdgh } = &mut states[s];
                    let x = &mut w[s];
                    let sum = _mm_add_epi32(x[i % 4], constants);
                    *cdgh = _mm_sha256rnds2_epu32(*cdgh, *abef, sum);
                    *abef = _mm_sha256rnds2_epu32(*abef, *cdgh, _mm_shuffle_epi32::<0b00_00_11_10>(sum));
                    if i < 12 {
                        // The words of the round after the next three: 4(i + 4) … 4(i + 4) + 3.
                        let (x0, x1, x2, x3) = (x[i % 4], x[(i + 1) % 4], x[(i + 2) % 4], x[(i + 3) % 4]);
                        let t = _mm_add_epi32(_mm_sha256msg1_epu32(x0, x1), _mm_alignr_epi8::<4>(x3, x2));
                        x[i % 4] = _mm_sha256msg2_epu32(t, x3);
                    }
                }
            }
            for s in 0..S {
                states[s].abef = _mm_add_epi32(states[s].abef, before[s].abef);
                states[s].cdgh = _mm_add_epi32(states[s].cdgh, before[s].cdgh);
            }
        }
    }
}
