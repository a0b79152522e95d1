//! A group of messages in lanes: built, hashed, and where they are keyed hashed once more, without leaving the vector registers.
//!
//! Loops here count indices: iterators are functions of their own, and one that is not inlined into code with more features than its own
//! costs more than it says.
#![allow(clippy::needless_range_loop)]

use std::marker::PhantomData;

use super::compress::{BlockOf, Hash, Job};
use super::message::{Blocks, Message};
use super::table::Kernels;
use crate::lanes::Kernel;
use crate::lanes::words::{Block, Lanes, MAX_LANES, Word};

/// A group on its way into lanes; jobs are in descending order of their number of blocks.
pub(super) struct Group<'g, 'b, 'm, H: Hash<Q>, const Q: usize, const G: usize> {
    pub jobs: &'g [Job<'m, H, Q>],
    /// Room for the blocks that are built.
    pub room: &'g mut [BlockOf<H, Q>],
    /// Takes the blocks of each job.
    pub blocks: &'b mut [Blocks<'g, BlockOf<H, Q>>; G],
    /// Whether there are keys.
    pub keyed: bool,
    /// Blocks to do. No more than the longest job has.
    pub upto: u32,
    /// Takes the digest of each job that has no more than `upto` blocks, as little-endian words of its bytes, and the state of each that
    /// has more.
    pub out: &'b mut [[[H::Word; 4]; Q]; G],
}

impl<H: Hash<Q>, const Q: usize, const G: usize> Group<'_, '_, '_, H, Q, G> {
    // The outer `if` is decided before code is made, so that no interleaved kernel is made for a hash that does not want it.
    #[allow(clippy::collapsible_if)]
    /// Runs in the widest lanes there are, and tells how many blocks were done: `upto`, or none where there are no lanes.
    pub fn enter(self, kernels: Kernels) -> u32 {
        let group = self;
        let upto = group.upto;
        #[cfg(target_arch = "x86_64")]
        if let Some(proof) = kernels.avx512(H::ALGORITHM) {
            if H::INTERLEAVED {
                if group.jobs.len() > <H::Word as Word>::Avx512::COUNT {
                    proof.enter(Entered::<H, <H::Word as Word>::Avx512, Q, G, 2> { group, lanes: PhantomData });
                    return upto;
                }
            }
            proof.enter(Entered::<H, <H::Word as Word>::Avx512, Q, G, 1> { group, lanes: PhantomData });
            return upto;
        } else if let Some(proof) = kernels.avx2(H::ALGORITHM) {
            if H::INTERLEAVED {
                if group.jobs.len() > <H::Word as Word>::Avx2::COUNT {
                    proof.enter(Entered::<H, <H::Word as Word>::Avx2, Q, G, 2> { group, lanes: PhantomData });
                    return upto;
                }
            }
            proof.enter(Entered::<H, <H::Word as Word>::Avx2, Q, G, 1> { group, lanes: PhantomData });
            return upto;
        }
        let _ = (kernels, upto);
        group.only_build()
    }

    /// Builds the blocks and gives each job its first state: what there is to do before its blocks are done one by one.
    pub fn only_build(self) -> u32 {
        build::<H, H::Word, Q, G>((), self.jobs, self.room, self.blocks);
        for (state, job) in self.out.iter_mut().zip(self.jobs) {
            *state = *job.start();
        }
        0
    }
}

/// Builds the blocks of each job.
#[inline(always)]
fn build<'g, H: Hash<Q>, V: Lanes<Word = H::Word>, const Q: usize, const G: usize>(
    proof: V::Proof,
    jobs: &[Job<'g, H, Q>],
    mut room: &'g mut [BlockOf<H, Q>],
    blocks: &mut [Blocks<'g, BlockOf<H, Q>>; G],
) {
    for i in 0..jobs.len() {
        let Message { prefix, body, suffix } = jobs[i].message;
        if prefix.is_empty() && suffix.is_empty() {
            (blocks[i], room) = Blocks::of_body::<H, V, Q>(proof, body, jobs[i].before(), room);
            continue;
        }
        let layout = jobs[i].layout();
        let (mine, rest) = room.split_at_mut(layout.built);
        layout.build::<H, V, Q>(proof, mine);
        blocks[i] = layout.blocks(mine);
        room = rest;
    }
}

/// A group in `S` interleaved groups of the lanes `V`.
struct Entered<'g, 'b, 'm, H: Hash<Q>, V, const Q: usize, const G: usize, const S: usize> {
    group: Group<'g, 'b, 'm, H, Q, G>,
    lanes: PhantomData<V>,
}

impl<H: Hash<Q>, V: Lanes<Word = H::Word>, const Q: usize, const G: usize, const S: usize> Kernel<V::Proof>
    for Entered<'_, '_, '_, H, V, Q, G, S>
{
    type Output = ();

    #[inline(always)]
    fn run(self, proof: V::Proof) {
        assert!(S * V::COUNT <= G);
        let Group { jobs, room, blocks, keyed, upto, out } = self.group;
        build::<H, V, Q, G>(proof, jobs, room, blocks);
        // Lanes without a job follow the last one's; what comes of it is not looked at. The blocks that all have in place, and that all have
        // built after those:
        let (mut in_place, mut built) = (blocks[0].in_place(), blocks[0].built_after());
        for i in 1..S * V::COUNT {
            if i >= jobs.len() {
                blocks[i] = blocks[jobs.len() - 1];
            }
            let (from, to) = blocks[i].in_place();
            in_place = (in_place.0.max(from), in_place.1.min(to));
            let (from, to) = blocks[i].built_after();
            built = (built.0.max(from), built.1.min(to));
        }
        let blocks = &*blocks;
        let mut counts = [[0; MAX_LANES]; S];
        for s in 0..S {
            for l in 0..V::COUNT {
                counts[s][l] = blocks[s * V::COUNT + l].count;
            }
        }
        let shortest = blocks[jobs.len() - 1].count;
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
            if b >= in_place.0 && b < in_place.1 {
                load::<H, V, Q, G, S>(proof, blocks, &mut words, |blocks| blocks.whole(b));
            } else if b >= built.0 && b < built.1 {
                load::<H, V, Q, G, S>(proof, blocks, &mut words, |blocks| blocks.built(b));
            } else {
                load::<H, V, Q, G, S>(proof, blocks, &mut words, |blocks| blocks.block(b));
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
    }
}

/// A block of each lane, transposed.
#[inline(always)]
fn load<'g, H: Hash<Q>, V: Lanes<Word = H::Word>, const Q: usize, const G: usize, const S: usize>(
    proof: V::Proof,
    blocks: &[Blocks<'g, BlockOf<H, Q>>; G],
    words: &mut [[V; 16]; S],
    block: impl Fn(&Blocks<'g, BlockOf<H, Q>>) -> &'g BlockOf<H, Q>,
) {
    for s in 0..S {
        let mut rows = [BlockOf::<H, Q>::ZERO; MAX_LANES];
        for l in 0..V::COUNT {
            rows[l] = block(&blocks[s * V::COUNT + l]);
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
