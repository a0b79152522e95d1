//! Every operation of every backend against plain words.

use super::super::Cpu;
use super::{Lanes, MAX_LANES, Pieces, Runs, Word};

/// Words that exercise carries, signs and each byte.
const WORDS: [u64; 8] = [
    0,
    1,
    u64::MAX,
    0x8000_0000_8000_0000,
    0x7fff_ffff_7fff_ffff,
    0x0102_0304_0506_0708,
    0xdead_beef_0bad_cafe,
    0x5555_5555_aaaa_aaaa,
];

/// Runs a check on a lane type; a trait, as the check is generic.
struct Check;

impl Check {
    fn of<V: Lanes>(proof: V::Proof)
    where
        V::Word: std::fmt::Debug,
    {
        let word = |i: usize| {
            V::Word::read(&WORDS[i % 8].rotate_left((i / 8 * 7) as u32).to_le_bytes()[..size_of::<V::Word>()])
        };
        let rows: Vec<[V::Word; 4]> = (0..MAX_LANES).map(|l| std::array::from_fn(|i| word(5 * l + i))).collect();
        let refs: [&[V::Word; 4]; MAX_LANES] = std::array::from_fn(|l| &rows[l]);
        let vectors = V::gather(proof, &refs);
        let mut back = [*V::Word::ZEROS; MAX_LANES];
        V::scatter(vectors, &mut back);
        for l in 0..MAX_LANES {
            let expected = if l < V::COUNT { rows[l] } else { *V::Word::ZEROS };
            assert_eq!(back[l], expected, "lane {l} of {}", V::COUNT);
        }

        // Each operation on the four vectors, lane by lane as on words.
        let [a, b, c, _] = vectors;
        let counts: [u32; MAX_LANES] =
            std::array::from_fn(|l| [0, 1, 5, 6, 7, 0x7fff_ffff, 0x8000_0000, u32::MAX][l % 8]);
        let checked = |name: &str, got: V, expected: &dyn Fn(usize, [V::Word; 3]) -> V::Word| {
            let mut lanes = [*V::Word::ZEROS; MAX_LANES];
            V::scatter([got; 4], &mut lanes);
            for l in 0..V::COUNT {
                let [a, b, c, _] = rows[l];
                assert_eq!(lanes[l], [expected(l, [a, b, c]); 4], "{name}, lane {l} of {}", V::COUNT);
            }
        };
        checked("add", a.add(b), &|_, [a, b, _]| a.add(b));
        checked("xor", a.xor(b), &|_, [a, b, _]| a.xor(b));
        checked("xor3", a.xor3(b, c), &|_, [a, b, c]| a.xor(b).xor(c));
        checked("choose", a.choose(b, c), &|_, [a, b, c]| a.choose(b, c));
        checked("majority", a.majority(b, c), &|_, [a, b, c]| a.majority(b, c));
        checked("xor_or_not", a.xor_or_not(b, c), &|_, [a, b, c]| a.xor_or_not(b, c));
        checked("shift_right", a.shift_right::<10>(), &|_, [a, _, _]| a.shift_right::<10>());
        checked("reverse_bytes", a.reverse_bytes(), &|_, [a, _, _]| a.reverse_bytes());
        checked("splat", V::splat(proof, word(5)), &|_, _| word(5));
        for done in [0, 5, 6, 0x7fff_fffe, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
            let longer = V::longer(proof, V::counts(proof, &counts), done);
            checked("keep", a.keep(longer, b), &|l, [a, b, _]| if counts[l] > done { a } else { b });
        }

        // Blocks: word i of lane l is word i of block l; pieces are put where they belong and nowhere else.
        let mut blocks = [*<V::Word as Word>::Block::ZERO; MAX_LANES];
        for (l, block) in blocks.iter_mut().enumerate() {
            for (i, byte) in block.as_mut().iter_mut().enumerate() {
                *byte = (l * 16 + i) as u8 ^ (i >> 3) as u8;
            }
        }
        let mut words = [V::splat(proof, word(0)); 16];
        V::load(proof, &std::array::from_fn(|l| &blocks[l]), &mut words);
        for (i, quad) in words.as_chunks::<4>().0.iter().enumerate() {
            let mut lanes = [*V::Word::ZEROS; MAX_LANES];
            V::scatter(*quad, &mut lanes);
            for l in 0..V::COUNT {
                let mut scalar = [word(0); 16];
                V::Word::load((), &[&blocks[l]; MAX_LANES], &mut scalar);
                assert_eq!(lanes[l], scalar.as_chunks::<4>().0[i], "words {i}, lane {l} of {}", V::COUNT);
            }
        }
        let len = <V::Word as Word>::Block::LEN;
        let from: Vec<u8> = (1..=255).collect();
        for size in 0..=len {
            let mut block = blocks[3];
            V::fill(proof, &mut block, &from[..size]);
            assert_eq!(block.as_ref()[..size], from[..size]);
            assert!(block.as_ref()[size..].iter().all(|&byte| byte == 0), "fill of {size}");
            for at in [0, 1, 63, 64, 2 * len - size] {
                let mut two = [blocks[1], blocks[2]];
                let mut expected = [blocks[1].as_ref(), blocks[2].as_ref()].concat();
                expected[at..at + size].copy_from_slice(&from[..size]);
                V::put(proof, &mut two, at, &from[..size]);
                assert_eq!([two[0].as_ref(), two[1].as_ref()].concat(), expected, "put of {size} at {at}");
            }
        }
    }
}

use super::Block;

#[test]
fn every_backend_is_plain_words_side_by_side() {
    Check::of::<u32>(());
    Check::of::<u64>(());
    #[cfg(target_arch = "x86_64")]
    {
        use super::{U32x8, U32x16, U64x4, U64x8};
        if let Some(proof) = Cpu::hardware().avx2() {
            Check::of::<U32x8>(proof);
            Check::of::<U64x4>(proof);
        }
        if let Some(proof) = Cpu::hardware().avx512() {
            Check::of::<U32x16>(proof);
            Check::of::<U64x8>(proof);
        }
    }
}

#[test]
fn a_rotation_is_the_same_to_the_left_and_to_the_right() {
    fn check<V: Lanes<Word = u32>>(proof: V::Proof) {
        let mut rows = [[0; 4]; MAX_LANES];
        let v = V::splat(proof, 0x8123_4567);
        V::scatter([v.rotate::<1, 31>(), v.rotate::<16, 16>(), v.rotate::<31, 1>(), v.rotate::<7, 25>()], &mut rows);
        assert_eq!(rows[0], [0x0246_8acf, 0x4567_8123, 0xc091_a2b3, 0x91a2_b3c0]);
    }
    check::<u32>(());
    #[cfg(target_arch = "x86_64")]
    {
        if let Some(proof) = Cpu::hardware().avx2() {
            check::<super::U32x8>(proof);
        }
        if let Some(proof) = Cpu::hardware().avx512() {
            check::<super::U32x16>(proof);
        }
    }
}

#[test]
fn every_number_of_pieces_is_the_block_that_it_stands_for() {
    let blocks: Vec<[u8; 64]> = (0..12).map(|i| [i; 64]).collect();
    let (built, whole) = blocks.split_at(5);
    for head in 0..=built.len() {
        for whole in [&whole[..0], &whole[..1], whole] {
            let expected: Vec<&[u8; 64]> = built[..head].iter().chain(whole).chain(&built[head..]).collect();
            let pieces = Pieces::new(head, whole, built);
            assert_eq!(pieces.count() as usize, expected.len());
            let (in_place, tail) = (Runs::new(1, |_| pieces.whole()), Runs::new(1, |_| pieces.tail()));
            for number in 0..20 {
                assert_eq!(pieces.get(number), expected.get(number as usize).copied());
                let n = number as usize;
                assert_eq!(in_place.has(number), (head..head + whole.len()).contains(&n));
                assert_eq!(tail.has(number), (head + whole.len()..expected.len()).contains(&n));
                for runs in [&in_place, &tail] {
                    if runs.has(number) {
                        assert!(runs.at(number).iter().all(|block| *block == expected[n]));
                    }
                }
            }
        }
    }
    assert!(Pieces::<[u8; 64]>::NONE.get(0).is_none() && !Runs::<[u8; 64]>::NONE.has(0));
}

#[test]
fn runs_have_the_numbers_that_all_lanes_have() {
    let blocks: Vec<[u8; 64]> = (0..40).map(|i| [i; 64]).collect();
    // Lane l has the numbers from l on, 20 of them.
    let lane = |l: usize| Pieces::new(l, &blocks[..20], &blocks[20..]).whole();
    for lanes in 1..=MAX_LANES {
        let runs = Runs::new(lanes, lane);
        for number in 0..50 {
            assert_eq!(runs.has(number), number as usize >= lanes - 1 && number < 20);
            if runs.has(number) {
                for (l, block) in runs.at(number).iter().enumerate().take(lanes) {
                    assert_eq!(block[0] as usize, number as usize - l);
                }
            }
        }
    }
}

#[test]
#[should_panic(expected = "has")]
fn a_number_that_a_lane_has_not_is_not_given() {
    let blocks = [[0; 64]; 3];
    let runs = Runs::new(2, |l| Pieces::new(0, &blocks[l..], &[]).whole());
    let _ = runs.at(2);
}
