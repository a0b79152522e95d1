//! A cache line of shared words, read at once.
//!
//! Tables in a region are walked line by line: of each word of a line two things are asked ([`Question`]), and the answers are wanted as
//! masks. One by one that is a dozen instructions a word; with vector instructions it is that many a line.
//!
//! # Why this reads atomics
//!
//! Rust has no atomic vector load, so the line is read by four instructions in an `asm!` block: `vmovdqa` of 16 bytes each, aligned. What the
//! memory model says of `asm!` is that it may do what some Rust code could have done in its place; that code is eight atomic loads, one of each
//! word, *in no particular order among themselves*:
//!
//! - *Each word is read whole.* On every processor that reports AVX, an aligned access of 16 bytes to ordinary memory is a single access: Intel's
//!   manual says so of `VMOVDQA` by name (volume 3A, section "Guaranteed Atomic Operations"), AMD's of aligned loads of up to 16 bytes
//!   (volume 2, section "Access Atomicity"). The proofs of the lanes include AVX. A load of 32 or 64 bytes carries no such promise, so there is
//!   none here. Writers write whole words.
//! - *Each load is an acquire load, and a sequentially consistent one.* On x86 both are a plain load: loads are not reordered with later loads or
//!   stores, nor with a locked instruction before or after them (the same manual, section "Memory Ordering in P6 and More Recent Processor
//!   Families"; for the mapping of C++ atomics: Sewell et al., "x86-TSO", 2010, and Batty et al., "Mathematizing C++ Concurrency", 2011). To the
//!   compiler the block may read and write any memory, so it moves no access over it.
//!
//! What users rely on is then a matter of single words: the order of changes of each, and that a look comes after what its thread did before it.
//! Who needs an order *within* a line cannot use this.

use crate::lanes::{Avx2, Avx512, Cpu};
use crate::sync::{AtomicU64, Ordering};

/// Words in a line.
pub(crate) const LINE_WORDS: usize = 8;

/// What is asked of each word.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question {
    /// A word is *tagged* where it agrees with this …
    pub tag: u64,
    /// … in these bits.
    pub tag_bits: u64,
    /// A word is *near* where it is not zero, and in `near_bits`, ones from bit 0 on, it is `from` or up to `span` - 1 greater, wrapping.
    pub from: u64,
    /// How many values are near: less than 2^31.
    pub span: u64,
    /// Of how many bits: at most 31.
    pub near_bits: u64,
}

/// The answers: bit i of a mask is word i.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look<const LINE: usize> {
    /// The words themselves.
    pub words: [u64; LINE],
    /// Which are tagged.
    pub tagged: u32,
    /// Which are near.
    pub near: u32,
}

/// The answers of [`ReadLine::glance`]: bit i of a mask is word i.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Glance {
    /// Which have the tag's upper half.
    pub alike: u32,
    /// Which are not near.
    pub far: u32,
}

/// A way to read a line of `LINE` words.
pub(crate) trait ReadLine<const LINE: usize>: Copy {
    /// Reads the words from word `FROM` on, each by an atomic load with (at least) this order, in whatever order of words. The words before, and
    /// their bits, are zero.
    fn look<const FROM: usize>(self, line: &[AtomicU64; LINE], question: &Question, order: Ordering) -> Look<LINE>;

    /// Which words agree with `tag` in `tag_bits`: a mask, read as [`Self::look`] reads.
    #[inline(always)]
    fn tagged(self, line: &[AtomicU64; LINE], tag: u64, tag_bits: u64, order: Ordering) -> u32 {
        self.look::<0>(line, &Question { tag, tag_bits, from: 0, span: 0, near_bits: 0 }, order).tagged
    }

    /// [`Self::look`] in few instructions and two masks: *alike* are words whose upper half is the tag's, *far* those that are not `from` or up to
    /// `span` - 1 greater (an empty word is as any other). Of the question's bits nothing else is asked.
    #[inline(always)]
    fn glance(self, line: &[AtomicU64; LINE], question: &Question, order: Ordering) -> Glance {
        let mut glance = Glance { alike: 0, far: 0 };
        for (at, word) in line.iter().enumerate() {
            let word = word.load(order);
            glance.alike |= u32::from((word ^ question.tag) >> 32 == 0) << at;
            glance.far |= u32::from(word.wrapping_sub(question.from) & question.near_bits >= question.span) << at;
        }
        glance
    }

    /// Whether the line lies as all lines of a region do: what asks nothing of others is short.
    #[inline(always)]
    fn common(self, _line: &[AtomicU64; LINE]) -> bool {
        true
    }
}

/// Word by word, with the loads of the language.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OneByOne;

impl<const LINE: usize> ReadLine<LINE> for OneByOne {
    #[inline(always)]
    fn look<const FROM: usize>(self, line: &[AtomicU64; LINE], question: &Question, order: Ordering) -> Look<LINE> {
        let mut look = Look { words: [0; LINE], tagged: 0, near: 0 };
        for (at, (place, word)) in look.words.iter_mut().zip(line).enumerate().skip(FROM) {
            let word = word.load(order);
            *place = word;
            // Without branches, as neither is foreseeable.
            let near = word != 0 && word.wrapping_sub(question.from) & question.near_bits < question.span;
            look.tagged |= u32::from((word ^ question.tag) & question.tag_bits == 0) << at;
            look.near |= u32::from(near) << at;
        }
        look
    }
}

/// Work that reads lines of [`LINE_WORDS`] words. Implementations mark `run` `#[inline(always)]`, and everything hot that it calls.
pub(crate) trait LineWork {
    /// What it yields.
    type Output;
    /// Does it.
    fn run<R: ReadLine<LINE_WORDS>>(self, reader: R) -> Self::Output;
}

/// The way to read lines that a CPU has: found once, so that nothing need be asked where it is used.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LineReader {
    OneByOne,
    Avx2(Avx2),
    Avx512(Avx512),
}

impl LineReader {
    /// The best that `cpu` has.
    pub fn of(cpu: Cpu) -> Self {
        // Loom's words are no words, and Miri does not read assembly.
        if cfg!(any(loom, miri, not(target_arch = "x86_64"))) {
            return Self::OneByOne;
        }
        match (cpu.avx512(), cpu.avx2()) {
            (Some(proof), _) => Self::Avx512(proof),
            (None, Some(proof)) => Self::Avx2(proof),
            (None, None) => Self::OneByOne,
        }
    }

    /// The best that may be used here.
    pub fn detect() -> Self {
        Self::of(Cpu::detect())
    }

    /// Has `work` done with it.
    #[inline]
    pub fn enter<W: LineWork>(self, work: W) -> W::Output {
        match self {
            #[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
            Self::Avx512(proof) => proof.enter(vector::Work(work)),
            #[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
            Self::Avx2(proof) => proof.enter(vector::Work(work)),
            _ => one_by_one(work),
        }
    }
}

/// Out of the way of those who have vectors.
#[inline(never)]
fn one_by_one<W: LineWork>(work: W) -> W::Output {
    work.run(OneByOne)
}

#[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
mod vector {
    use super::*;
    use crate::lanes::Kernel;
    use core::arch::asm;
    use core::arch::x86_64::*;

    /// Work, entered through a proof.
    pub(super) struct Work<W>(pub W);

    impl<W: LineWork, P: ReadLine<LINE_WORDS>> Kernel<P> for Work<W> {
        type Output = W::Output;

        #[inline(always)]
        fn run(self, proof: P) -> W::Output {
            self.0.run(proof)
        }
    }

    #[inline(always)]
    fn aligned(line: &[AtomicU64; LINE_WORDS]) -> bool {
        line.as_ptr().addr().is_multiple_of(16)
    }

    /// The words of a line, two by two.
    #[inline]
    #[target_feature(enable = "avx")]
    fn load(line: &[AtomicU64; LINE_WORDS]) -> [__m128i; 4] {
        if !aligned(line) {
            return load_one_by_one(line);
        }
        let (a, b, c, d): (__m128i, __m128i, __m128i, __m128i);
        // SAFETY: reads the 64 bytes of the reference, each word by one access as an atomic load does (see the head; AVX is there, as the function
        // is compiled with it, and the alignment was just seen), and writes nothing.
        unsafe {
            asm!(
                "vmovdqa {a}, xmmword ptr [{line}]",
                "vmovdqa {b}, xmmword ptr [{line} + 16]",
                "vmovdqa {c}, xmmword ptr [{line} + 32]",
                "vmovdqa {d}, xmmword ptr [{line} + 48]",
                line = in(reg) line.as_ptr(),
                a = out(xmm_reg) a,
                b = out(xmm_reg) b,
                c = out(xmm_reg) c,
                d = out(xmm_reg) d,
                options(nostack, preserves_flags),
            );
        }
        [a, b, c, d]
    }

    /// [`load`] of a line that lies elsewhere than those of a region.
    #[inline]
    #[target_feature(enable = "avx")]
    fn load_one_by_one(line: &[AtomicU64; LINE_WORDS]) -> [__m128i; 4] {
        // SeqCst, as the other way is.
        let word = |at: usize| line[at].load(Ordering::SeqCst).cast_signed();
        std::array::from_fn(|pair| _mm_set_epi64x(word(2 * pair + 1), word(2 * pair)))
    }

    /// `vector`, made before any line is loaded that is loaded after this: the compiler would make it where it is needed, between the line's
    /// arrival and what follows from it, where each instruction keeps the core from seeing what comes next.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn early(mut vector: __m256i) -> __m256i {
        // SAFETY: no instructions.
        unsafe { asm!("/* {0} */", inout(ymm_reg) vector, options(nomem, nostack, preserves_flags)) };
        vector
    }

    /// The words of the four, from word `FROM` on. They are stored by halves of vectors, which lie within cache lines wherever the frame does.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn words<const FROM: usize>(line: [__m128i; 4]) -> [u64; LINE_WORDS] {
        const { assert!(FROM <= 1, "only the first word is ever left out") };
        let [a, b, c, d] = line;
        let a = if FROM == 1 { _mm_unpackhi_epi64(_mm_setzero_si128(), a) } else { a };
        let mut words = [0; LINE_WORDS];
        for (place, pair) in words.as_chunks_mut::<2>().0.iter_mut().zip([a, b, c, d]) {
            // SAFETY: `place` is as long as the vector.
            unsafe { _mm_storeu_si128(place.as_mut_ptr().cast(), pair) };
        }
        words
    }

    #[inline]
    #[target_feature(enable = "avx2,bmi1,bmi2,avx512f,avx512bw,avx512dq,avx512vl,avx512cd")]
    fn look512<const FROM: usize>(line: &[AtomicU64; LINE_WORDS], question: &Question) -> Look<LINE_WORDS> {
        let all = |word: u64| _mm512_set1_epi64(word.cast_signed());
        let [a, b, c, d] = load(line);
        let low = _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(a), b);
        let high = _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(c), d);
        let word = _mm512_maskz_inserti64x4::<1>(u8::MAX << FROM, _mm512_castsi256_si512(low), high);
        let differs = _mm512_xor_si512(word, all(question.tag));
        let offset = _mm512_and_si512(_mm512_sub_epi64(word, all(question.from)), all(question.near_bits));
        let near = _mm512_mask_cmplt_epu64_mask(_mm512_test_epi64_mask(word, word), offset, all(question.span));
        let tagged = _mm512_mask_testn_epi64_mask(u8::MAX << FROM, differs, all(question.tag_bits));
        Look { words: words::<FROM>([a, b, c, d]), tagged: tagged.into(), near: near.into() }
    }

    #[inline]
    #[target_feature(enable = "avx2,bmi1,bmi2,avx512f,avx512bw,avx512dq,avx512vl,avx512cd")]
    fn tagged512(line: &[AtomicU64; LINE_WORDS], tag: u64, tag_bits: u64) -> u32 {
        let all = |word: u64| _mm512_set1_epi64(word.cast_signed());
        let (tag, bits) = (all(tag), all(tag_bits));
        _mm512_testn_epi64_mask(_mm512_xor_si512(in_one(load(line)), tag), bits).into()
    }

    #[inline]
    #[target_feature(enable = "avx2,bmi1,bmi2")]
    fn tagged256(line: &[AtomicU64; LINE_WORDS], tag: u64, tag_bits: u64) -> u32 {
        let all = |half: u64| early(_mm256_set1_epi32((half as u32).cast_signed()));
        let zero = _mm256_setzero_si256();
        // Which bits are asked for is known where this is used: mostly none of the lower halves'.
        let question = |tag: u64, bits: u64| (bits as u32 != 0).then(|| (all(tag), all(bits)));
        let (of_low, of_high) = (question(tag, tag_bits), question(tag >> 32, tag_bits >> 32));
        let (low, high) = in_halves(load(line));
        let mut differs = zero;
        for (half, question) in [(low, of_low), (high, of_high)] {
            if let Some((tag, bits)) = question {
                differs = _mm256_or_si256(differs, _mm256_and_si256(_mm256_xor_si256(half, tag), bits));
            }
        }
        _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(differs, zero))).cast_unsigned()
    }

    #[inline]
    #[target_feature(enable = "avx2,bmi1,bmi2,avx512f,avx512bw,avx512dq,avx512vl,avx512cd")]
    fn glance512(line: &[AtomicU64; LINE_WORDS], question: &Question) -> Glance {
        let all = |word: u64| _mm512_set1_epi64(word.cast_signed());
        let (tag, upper) = (all(question.tag), all(u64::MAX << 32));
        let (from, near_bits, span) = (all(question.from), all(question.near_bits), all(question.span));
        let word = in_one(load(line));
        let offset = _mm512_and_si512(_mm512_sub_epi64(word, from), near_bits);
        let alike = _mm512_testn_epi64_mask(_mm512_xor_si512(word, tag), upper);
        Glance { alike: alike.into(), far: _mm512_cmpge_epu64_mask(offset, span).into() }
    }

    #[inline]
    #[target_feature(enable = "avx2,bmi1,bmi2")]
    fn glance256(line: &[AtomicU64; LINE_WORDS], question: &Question) -> Glance {
        let all = |half: u64| early(_mm256_set1_epi32((half as u32).cast_signed()));
        let mask = |lanes: __m256i| _mm256_movemask_ps(_mm256_castsi256_ps(lanes)).cast_unsigned();
        let tag = all(question.tag >> 32);
        let (from, near_bits, last) = (all(question.from), all(question.near_bits), all(question.span.wrapping_sub(1)));
        let (low, high) = in_halves(load(line));
        // An offset has at most 31 bits, so it is not negative.
        let offset = _mm256_and_si256(_mm256_sub_epi32(low, from), near_bits);
        Glance { alike: mask(_mm256_cmpeq_epi32(high, tag)), far: mask(_mm256_cmpgt_epi32(offset, last)) }
    }

    /// All words in one vector.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn in_one([a, b, c, d]: [__m128i; 4]) -> __m512i {
        let low = _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(a), b);
        let high = _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(c), d);
        _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high)
    }

    /// All words' lower halves, in order, and all upper halves.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn in_halves([a, b, c, d]: [__m128i; 4]) -> (__m256i, __m256i) {
        // Words 0, 1, 4 and 5, and 2, 3, 6 and 7: picked from both at once, halves stand in order.
        let first = _mm256_castsi256_ps(_mm256_inserti128_si256::<1>(_mm256_castsi128_si256(a), c));
        let second = _mm256_castsi256_ps(_mm256_inserti128_si256::<1>(_mm256_castsi128_si256(b), d));
        let low = _mm256_castps_si256(_mm256_shuffle_ps::<0b10_00_10_00>(first, second));
        let high = _mm256_castps_si256(_mm256_shuffle_ps::<0b11_01_11_01>(first, second));
        (low, high)
    }

    /// All words' lower halves in one vector, and all upper halves in another, so that each question is asked once.
    #[inline]
    #[target_feature(enable = "avx2,bmi1,bmi2")]
    fn look256<const FROM: usize>(line: &[AtomicU64; LINE_WORDS], question: &Question) -> Look<LINE_WORDS> {
        let all = |half: u64| early(_mm256_set1_epi32((half as u32).cast_signed()));
        let mask = |lanes: __m256i| _mm256_movemask_ps(_mm256_castsi256_ps(lanes)).cast_unsigned();
        let zero = _mm256_setzero_si256();
        let (tag_low, tag_high) = (all(question.tag), all(question.tag >> 32));
        let bits = [question.tag_bits, question.tag_bits >> 32].map(|half| (half as u32, all(half)));
        let (from, near_bits, span) = (all(question.from), all(question.near_bits), all(question.span));
        let line = load(line);
        let (low, high) = in_halves(line);
        let differs = |half, tag, (bits, all): (u32, __m256i)| {
            let differs = _mm256_xor_si256(half, tag);
            if bits == u32::MAX { differs } else { _mm256_and_si256(differs, all) }
        };
        let differs = _mm256_or_si256(differs(low, tag_low, bits[0]), differs(high, tag_high, bits[1]));
        let tagged = _mm256_cmpeq_epi32(differs, zero);
        // An offset has at most 31 bits, so it is not negative.
        let offset = _mm256_and_si256(_mm256_sub_epi32(low, from), near_bits);
        let empty = _mm256_cmpeq_epi32(_mm256_or_si256(low, high), zero);
        let near = _mm256_andnot_si256(empty, _mm256_cmpgt_epi32(span, offset));
        let wanted = 0xff << FROM;
        Look { words: words::<FROM>(line), tagged: mask(tagged) & wanted, near: mask(near) & wanted }
    }

    macro_rules! vectors {
        ($($proof:ty, $look:ident, $tagged:ident, $glance:ident;)*) => {$(
            impl ReadLine<LINE_WORDS> for $proof {
                #[inline(always)]
                fn look<const FROM: usize>(
                    self,
                    line: &[AtomicU64; LINE_WORDS],
                    question: &Question,
                    _: Ordering,
                ) -> Look<LINE_WORDS> {
                    // SAFETY: the features are there, by proof (`self`, kept by `Cpu`).
                    unsafe { $look::<FROM>(line, question) }
                }

                #[inline(always)]
                fn tagged(self, line: &[AtomicU64; LINE_WORDS], tag: u64, tag_bits: u64, _: Ordering) -> u32 {
                    // SAFETY: as above.
                    unsafe { $tagged(line, tag, tag_bits) }
                }

                #[inline(always)]
                fn glance(self, line: &[AtomicU64; LINE_WORDS], question: &Question, _: Ordering) -> Glance {
                    // SAFETY: as above.
                    unsafe { $glance(line, question) }
                }

                #[inline(always)]
                fn common(self, line: &[AtomicU64; LINE_WORDS]) -> bool {
                    aligned(line)
                }
            }
        )*};
    }

    vectors! {
        Avx512, look512, tagged512, glance512;
        Avx2, look256, tagged256, glance256;
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// A line that lies at `words` words from the start of a cache line.
    #[repr(align(64))]
    struct Lines([AtomicU64; 16]);

    /// The questions of [`Ask`] in less detail.
    struct AskLess<'a>(&'a [AtomicU64; LINE_WORDS], &'a Question);

    impl LineWork for AskLess<'_> {
        type Output = (u32, Glance);

        #[inline(always)]
        fn run<R: ReadLine<LINE_WORDS>>(self, reader: R) -> (u32, Glance) {
            let Self(line, question) = self;
            let tagged = reader.tagged(line, question.tag, question.tag_bits, Ordering::Relaxed);
            (tagged, reader.glance(line, question, Ordering::Acquire))
        }
    }

    struct Ask<'a>(&'a [AtomicU64; LINE_WORDS], &'a Question, bool);

    impl LineWork for Ask<'_> {
        type Output = Look<LINE_WORDS>;

        #[inline(always)]
        fn run<R: ReadLine<LINE_WORDS>>(self, reader: R) -> Look<LINE_WORDS> {
            if self.2 {
                reader.look::<1>(self.0, self.1, Ordering::SeqCst)
            } else {
                reader.look::<0>(self.0, self.1, Ordering::Acquire)
            }
        }
    }

    #[test]
    fn every_reader_answers_as_word_by_word() {
        let mut seed = 1u64;
        let mut random = move || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            seed ^ seed >> 29
        };
        let (mut tagged, mut near) = (0, 0);
        for round in 0..20_000u64 {
            let question = Question {
                tag: random(),
                tag_bits: u64::MAX << (round % 40),
                from: random(),
                span: 1 + random() % 20,
                near_bits: u64::MAX >> (33 + round % 20),
            };
            // Words that agree with the question, nearly agree with it, or do not; zeros; all ones; the edges of what is near.
            let lines = Lines(std::array::from_fn(|_| {
                match random() % 8 {
                    0 => 0,
                    1 => u64::MAX,
                    2 => question.tag,
                    3 => question.tag ^ 1 << (random() % 64),
                    4 => question.from.wrapping_add(random() % (question.span + 2)).wrapping_sub(1),
                    5 => question.from.wrapping_add(question.span) | random() & !question.near_bits,
                    6 => {
                        (question.from.wrapping_add(random() % question.span) & question.near_bits)
                            | random() & !question.near_bits
                    }
                    _ => random(),
                }
                .into()
            }));
            for at in [0, 1, 2, 3, 4, 8] {
                let line = lines.0[at..].first_chunk().unwrap();
                for second in [false, true] {
                    let ask = || Ask(line, &question, second);
                    let expected = ask().run(OneByOne);
                    let (_, less) = AskLess(line, &question).run(OneByOne);
                    for (number, word) in line.iter().enumerate().skip(usize::from(second)) {
                        let word = word.load(Ordering::Relaxed);
                        let is_tagged = word & question.tag_bits == question.tag & question.tag_bits;
                        let is_near = word != 0
                            && (0..question.span).any(|more| {
                                question.from.wrapping_add(more) & question.near_bits == word & question.near_bits
                            });
                        assert_eq!(
                            (expected.tagged >> number & 1 == 1, expected.near >> number & 1 == 1),
                            (is_tagged, is_near)
                        );
                        let is_alike = word >> 32 == question.tag >> 32;
                        let is_far = (0..question.span).all(|more| {
                            question.from.wrapping_add(more) & question.near_bits != word & question.near_bits
                        });
                        assert_eq!((less.alike >> number & 1 == 1, less.far >> number & 1 == 1), (is_alike, is_far));
                        tagged += u32::from(is_tagged);
                        near += u32::from(is_near);
                    }
                    for cpu in Cpu::variants() {
                        let reader = LineReader::of(cpu);
                        assert_eq!(reader.enter(ask()), expected, "{cpu:?} {question:x?}");
                        if !second {
                            let (tagged, glance) = reader.enter(AskLess(line, &question));
                            assert_eq!(tagged, expected.tagged, "{cpu:?} {question:x?}");
                            assert_eq!(glance, less, "{cpu:?} {question:x?}");
                        }
                    }
                }
            }
        }
        assert!(tagged > 100_000 && near > 100_000, "{tagged} {near}");
    }
}
