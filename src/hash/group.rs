//! A group of messages in lanes: built, hashed, and where they are keyed hashed once more, without leaving the vector registers.
//!
//! Loops here count indices: iterators are functions of their own, and one that is not inlined into code with more features than its own
//! costs more than it says.
#![allow(clippy::needless_range_loop)]

use std::marker::PhantomData;

use super::compress::{BlockOf, Hash, Job};
use super::message::{Blocks, Message};
use super::table::Kernels;
use crate::lanes::words::{Block, Lanes, MAX_LANES, Run, Runs, Word};
use crate::lanes::{Kernel, align_frame};

/// A group on its way into lanes; jobs are in descending order of their number of blocks.
pub(super) struct Group<'g, 'b, 'm, H: Hash<Q>, const Q: usize, const G: usize> {
    pub jobs: &'g [Job<'m, H, Q>],
    /// Room for the blocks that are built.
    pub room: &'g mut [BlockOf<H, Q>],
    /// Takes the blocks of each job.
    pub blocks: &'b mut [Blocks<'g, BlockOf<H, Q>>; G],
    /// Whether there are keys.
    pub keyed: bool,
    /// Whether no job has a prefix and all suffixes are short ([`Blocks::is_short`]).
    pub short: bool,
    /// Blocks to do. No more than the longest job has.
    pub upto: u32,
    /// Takes the digest of each job that has no more than `upto` blocks, as little-endian words of its bytes, and the state of each that
    /// has more.
    pub out: &'b mut [[[H::Word; 4]; Q]; G],
}

impl<H: Hash<Q>, const Q: usize, const G: usize> Group<'_, '_, '_, H, Q, G> {
    // The outer `if` is decided before code is made, so that no interleaved kernel is made for a hash that does not want it.
    #[allow(clippy::collapsible_if)]
    /// Runs in the widest lanes there are, and tells how many blocks of each message were done (`upto`, or none where there are no lanes)
    /// and how many were built.
    pub fn enter(self, kernels: Kernels) -> (u32, usize) {
        let group = self;
        let upto = group.upto;
        #[cfg(target_arch = "x86_64")]
        if let Some(proof) = kernels.avx512(H::ALGORITHM) {
            if H::INTERLEAVED {
                if group.jobs.len() > <H::Word as Word>::Avx512::COUNT {
                    let lanes = PhantomData;
                    return (upto, proof.enter(Entered::<H, <H::Word as Word>::Avx512, Q, G, 2> { group, lanes }));
                }
            }
            return (upto, proof.enter(Entered::<H, <H::Word as Word>::Avx512, Q, G, 1> { group, lanes: PhantomData }));
        } else if let Some(proof) = kernels.avx2(H::ALGORITHM) {
            if H::INTERLEAVED {
                if group.jobs.len() > <H::Word as Word>::Avx2::COUNT {
                    let lanes = PhantomData;
                    return (upto, proof.enter(Entered::<H, <H::Word as Word>::Avx2, Q, G, 2> { group, lanes }));
                }
            }
            return (upto, proof.enter(Entered::<H, <H::Word as Word>::Avx2, Q, G, 1> { group, lanes: PhantomData }));
        }
        let _ = (kernels, upto);
        group.only_build()
    }

    /// Builds the blocks and gives each job its first state: what there is to do before its blocks are done one by one.
    pub fn only_build(self) -> (u32, usize) {
        let built = build::<H, H::Word, Q, G>((), self.jobs, self.short, self.room, self.blocks);
        for (state, job) in self.out.iter_mut().zip(self.jobs) {
            *state = *job.start();
        }
        (0, built)
    }
}

/// Builds the blocks of each job, one after the other from the start of `room`, and tells how many blocks that took.
#[inline(always)]
fn build<'g, H: Hash<Q>, V: Lanes<Word = H::Word>, const Q: usize, const G: usize>(
    proof: V::Proof,
    jobs: &[Job<'g, H, Q>],
    short: bool,
    mut room: &'g mut [BlockOf<H, Q>],
    blocks: &mut [Blocks<'g, BlockOf<H, Q>>; G],
) -> usize {
    let all = room.len();
    assert!(jobs.len() <= G);
    // Two loops, for the common one to be short.
    if short {
        let (pairs, _) = room.as_chunks_mut::<2>();
        let (mut pairs, _) = pairs.split_at_mut(jobs.len());
        for i in 0..jobs.len() {
            let Message { body, suffix, .. } = jobs[i].message;
            let Some((pair, rest)) = pairs.split_first_mut() else { break };
            blocks[i] = Blocks::of_short::<H, V, Q>(proof, body, suffix, jobs[i].before(), pair);
            pairs = rest;
        }
        return 2 * jobs.len();
    }
    for i in 0..jobs.len() {
        let layout = jobs[i].layout();
        let (mine, rest) = room.split_at_mut(layout.built);
        layout.build::<H, V, Q>(proof, mine);
        blocks[i] = layout.blocks(mine);
        room = rest;
    }
    all - room.len()
}

/// A group in `S` interleaved groups of the lanes `V`.
struct Entered<'g, 'b, 'm, H: Hash<Q>, V, const Q: usize, const G: usize, const S: usize> {
    group: Group<'g, 'b, 'm, H, Q, G>,
    lanes: PhantomData<V>,
}

impl<H: Hash<Q>, V: Lanes<Word = H::Word>, const Q: usize, const G: usize, const S: usize> Kernel<V::Proof>
    for Entered<'_, '_, '_, H, V, Q, G, S>
{
    /// How many blocks were built.
    type Output = usize;

    #[inline(always)]
    fn run(self, proof: V::Proof) -> usize {
        align_frame();
        assert!(S * V::COUNT <= G);
        let Group { jobs, room, blocks, keyed, short, upto, out } = self.group;
        let taken = build::<H, V, Q, G>(proof, jobs, short, room, blocks);
        // Lanes without a job follow the last one's; what comes of it is not looked at.
        for i in jobs.len()..S * V::COUNT {
            blocks[i] = blocks[jobs.len() - 1];
        }
        let blocks = &*blocks;
        let mut counts = [[0; MAX_LANES]; S];
        for s in 0..S {
            for l in 0..V::COUNT {
                counts[s][l] = blocks[s * V::COUNT + l].count();
            }
        }
        let in_place: [Runs<'_, _>; S] = runs::<H, V, Q, G, S>(blocks, Blocks::in_place);
        let built: [Runs<'_, _>; S] = runs::<H, V, Q, G, S>(blocks, Blocks::built_after);
        let shortest = blocks[jobs.len() - 1].count();
        let zero = V::splat(proof, H::Word::default());
        let mut state = [[[zero; 4]; Q]; S];
        for s in 0..S {
            for q in 0..Q {
                for i in 0..4 {
                    state[s][q][i] = V::splat(proof, H::IV[q][i]);
                }
            }
        }
        if H::KEYED && keyed {
            state = gather::<H, V, Q, S>(proof, jobs, false);
        }

        // Out here, or clearing them is a call in each round of the loop.
        let mut words = [[zero; 16]; S];
        for b in 0..upto {
            // Three copies of the same, one for each place where blocks may be. Were the places chosen lane by lane and loaded from here,
            // the compiler would choose them in vectors, and taking them apart again costs more than the loads.
            if all_have(&in_place, b) {
                for s in 0..S {
                    V::load(proof, &in_place[s].at(b), &mut words[s]);
                }
            } else if all_have(&built, b) {
                for s in 0..S {
                    V::load(proof, &built[s].at(b), &mut words[s]);
                }
            } else {
                // Rare, and so nothing of it is to be read ahead of the loop.
                load::<H, V, Q, G, S>(proof, std::hint::black_box(blocks), &mut words, b);
            }
            for s in 0..S {
                if H::BIG_ENDIAN {
                    for i in 0..16 {
                        words[s][i] = words[s][i].reverse_bytes();
                    }
                }
            }
            let before = state;
            H::compress::<V, S>(proof, &mut state, &mut words);
            if b >= shortest {
                for s in 0..S {
                    let going_on = V::longer(proof, V::counts(proof, &counts[s]), b);
                    for q in 0..Q {
                        for i in 0..4 {
                            state[s][q][i] = state[s][q][i].keep(going_on, before[s][q][i]);
                        }
                    }
                }
            }
        }

        let states = state;
        if H::KEYED && keyed {
            let mut words = [[zero; 16]; S];
            for s in 0..S {
                // The digest's words as they stand in the state, big-endian as every keyed hash here; the one bit; the length of a block
                // and a digest.
                for q in 0..Q {
                    for i in 0..4 {
                        words[s][4 * q + i] = state[s][q][i];
                    }
                }
                words[s][4 * Q] = V::splat(proof, H::Word::from_u32(0x80)).reverse_bytes();
                let bits = 8 * (BlockOf::<H, Q>::LEN + 4 * Q * size_of::<H::Word>());
                words[s][15] = V::splat(proof, H::Word::from_u32(bits as u32));
            }
            state = gather::<H, V, Q, S>(proof, jobs, true);
            H::compress::<V, S>(proof, &mut state, &mut words);
        }
        for s in 0..S {
            let going_on = V::longer(proof, V::counts(proof, &counts[s]), upto);
            for q in 0..Q {
                for i in 0..4 {
                    let word = state[s][q][i];
                    let word = if H::BIG_ENDIAN { word.reverse_bytes() } else { word };
                    state[s][q][i] = states[s][q][i].keep(going_on, word);
                }
                let mut rows = [*H::Word::ZEROS; MAX_LANES];
                V::scatter(state[s][q], &mut rows);
                for l in 0..V::COUNT {
                    out[s * V::COUNT + l][q] = rows[l];
                }
            }
        }
        taken
    }
}

/// The runs that `run` takes of each lane's blocks.
#[inline(always)]
fn runs<'g, H: Hash<Q>, V: Lanes<Word = H::Word>, const Q: usize, const G: usize, const S: usize>(
    blocks: &[Blocks<'g, BlockOf<H, Q>>; G],
    run: impl Fn(&Blocks<'g, BlockOf<H, Q>>) -> Run<'g, BlockOf<H, Q>>,
) -> [Runs<'g, BlockOf<H, Q>>; S] {
    let mut out = [Runs::NONE; S];
    for s in 0..S {
        out[s] = Runs::new(V::COUNT, |l| run(&blocks[s * V::COUNT + l]));
    }
    out
}

/// Whether block `b` is in all of the runs.
#[inline(always)]
fn all_have<B, const S: usize>(runs: &[Runs<'_, B>; S], b: u32) -> bool {
    let mut all = true;
    for s in 0..S {
        all &= runs[s].has(b);
    }
    all
}

/// Block `b` of each lane wherever it is, transposed.
#[inline(always)]
fn load<H: Hash<Q>, V: Lanes<Word = H::Word>, const Q: usize, const G: usize, const S: usize>(
    proof: V::Proof,
    blocks: &[Blocks<'_, BlockOf<H, Q>>; G],
    words: &mut [[V; 16]; S],
    b: u32,
) {
    for s in 0..S {
        let mut rows = [BlockOf::<H, Q>::ZERO; MAX_LANES];
        for l in 0..V::COUNT {
            rows[l] = blocks[s * V::COUNT + l].block(b);
        }
        V::load(proof, &rows, &mut words[s]);
    }
}

/// A state of each job into its lane: the one to begin with, or that of the outer hash.
#[inline(always)]
fn gather<H: Hash<Q>, V: Lanes<Word = H::Word>, const Q: usize, const S: usize>(
    proof: V::Proof,
    jobs: &[Job<'_, H, Q>],
    outer: bool,
) -> [[[V; 4]; Q]; S] {
    let mut out = [[[V::splat(proof, H::Word::default()); 4]; Q]; S];
    // Under one key there is nothing to transpose.
    let key = |i: usize| jobs[i].key.map(std::ptr::from_ref);
    let mut same = true;
    for i in 1..jobs.len() {
        same &= key(i) == key(0);
    }
    if same {
        let state = if outer { jobs[0].outer() } else { jobs[0].start() };
        for q in 0..Q {
            for i in 0..4 {
                let word = V::splat(proof, state[q][i]);
                for s in 0..S {
                    out[s][q][i] = word;
                }
            }
        }
        return out;
    }
    for s in 0..S {
        let mut states = [H::IV; MAX_LANES];
        for l in 0..V::COUNT {
            let i = s * V::COUNT + l;
            if i < jobs.len() {
                states[l] = if outer { jobs[i].outer() } else { jobs[i].start() };
            }
        }
        for q in 0..Q {
            let mut rows = [H::Word::ZEROS; MAX_LANES];
            for l in 0..V::COUNT {
                rows[l] = &states[l][q];
            }
            out[s][q] = V::gather(proof, &rows);
        }
    }
    out
}
