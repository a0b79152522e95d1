//! Many messages at once: sorted by length, taken in groups, a message a lane.
//!
//! A group runs as long as its longest message asks, so messages are sorted by their number of blocks, longest first (a counting sort, which
//! is linear), and neighbours share a group. In a group, a lane whose message has ended keeps its state by a mask while the others go on.
//! Once fewer lanes are left than the break-even of [`Kernels::break_even`], the states go back to memory and the few are finished by the
//! kernel for few messages: one long body among short ones costs what it would cost alone.
//!
//! Lengths, block counts and their order are public; nothing in a kernel branches on, or is indexed by, a message's bytes or a state.

use std::marker::PhantomData;

use zeroize::Zeroize;

use super::message::{Blocks, Layout, Message};
use super::table::{Algorithm, Kernels};
#[cfg(target_arch = "x86_64")]
use crate::lanes::Avx512;
use crate::lanes::Kernel;
use crate::lanes::words::{Block, Lanes, MAX_LANES, Word};

/// A compression function, written once over lanes, and what the padding needs to know. A state is `Q` rows of four words.
pub(super) trait Hash<const Q: usize>: 'static {
    /// The word.
    type Word: Word;
    /// For the table of kernels.
    const ALGORITHM: Algorithm;
    /// The initial state.
    const IV: &'static [[Self::Word; 4]; Q];
    /// Whether words and the length are big-endian.
    const BIG_ENDIAN: bool;
    /// The bytes of the length at the end.
    const LENGTH_BYTES: usize;
    /// Whether two groups of lanes are faster interleaved than one after the other.
    const INTERLEAVED: bool;
    /// Whether there is an HMAC over it here; it must be big-endian then.
    const KEYED: bool;

    /// A block's words into the state, for each of `S` groups of lanes. The words are in the hash's own byte order, and are used up.
    fn compress<V: Lanes<Word = Self::Word>, const S: usize>(
        proof: V::Proof,
        state: &mut [[[V; 4]; Q]; S],
        words: &mut [[V; 16]; S],
    );

    /// Finishes a few messages from their block `from` on.
    fn advance(
        kernels: Kernels,
        states: &mut [[[Self::Word; 4]; Q]],
        blocks: &[Blocks<'_, BlockOf<Self, Q>>],
        from: u32,
    ) {
        let _ = kernels;
        advance_scalar::<Self, Q>(states, blocks, from);
    }
}

/// The block of a hash.
pub(super) type BlockOf<H, const Q: usize> = <<H as Hash<Q>>::Word as Word>::Block;

/// The two states of an HMAC key: after the inner pad's block and after the outer pad's.
#[derive(Clone, Copy)]
pub(super) struct Pads<T, const Q: usize> {
    pub inner: [[T; 4]; Q],
    pub outer: [[T; 4]; Q],
}

/// A message to hash, under a key or not.
pub(super) struct Job<'a, H: Hash<Q> + ?Sized, const Q: usize> {
    pub message: Message<'a>,
    pub key: Option<&'a Pads<H::Word, Q>>,
}

impl<H: Hash<Q> + ?Sized, const Q: usize> Clone for Job<'_, H, Q> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<H: Hash<Q> + ?Sized, const Q: usize> Copy for Job<'_, H, Q> {}

impl<'a, H: Hash<Q>, const Q: usize> Job<'a, H, Q> {
    const NONE: Self = Self { message: Message::new(&[]), key: None };

    #[inline]
    fn layout(&self) -> Layout<'a, BlockOf<H, Q>> {
        let before = if self.key.is_some() { BlockOf::<H, Q>::LEN } else { 0 };
        Layout::new::<H, Q>(&self.message, before)
    }

    #[inline(always)]
    fn start(&self) -> &'a [[H::Word; 4]; Q] {
        self.key.map_or(H::IV, |key| &key.inner)
    }
}

/// Buffers that a caller keeps from batch to batch, so that a batch allocates nothing once they have grown.
#[derive(Default)]
pub struct Scratch {
    order: Vec<u32>,
    built: Built,
}

impl Scratch {
    /// Empty buffers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl std::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scratch").finish_non_exhaustive()
    }
}

/// Room for built blocks, on cache lines. Pieces of secrets pass through it and are wiped by whoever put them there.
#[derive(Default)]
struct Built {
    bytes: Vec<u8>,
}

impl Built {
    #[inline]
    fn blocks<B: Block>(&mut self, count: usize) -> &mut [B] {
        const LINE: usize = 64;
        let len = count * B::LEN;
        if self.bytes.len() < len + LINE {
            self.bytes.resize(len + LINE, 0);
        }
        let skip = self.bytes.as_ptr().align_offset(LINE).min(LINE);
        B::split_mut(self.bytes.get_mut(skip..skip + len).unwrap_or_default())
    }
}

/// The most messages in a group: two interleaved groups of the widest lanes.
const GROUP: usize = 2 * MAX_LANES;

/// Hashes `count` messages: `job` tells each, `put` takes each digest (as little-endian words of its bytes), in any order.
#[inline]
pub(super) fn each<'a, H: Hash<Q>, const Q: usize>(
    kernels: Kernels,
    count: usize,
    job: impl Fn(usize) -> Job<'a, H, Q>,
    mut put: impl FnMut(usize, &[[H::Word; 4]; Q]),
    scratch: &mut Scratch,
) {
    let few = kernels.break_even(H::ALGORITHM);
    let width = width::<H, Q>(kernels);
    let mut order = std::mem::take(&mut scratch.order);
    order.clear();
    if count >= few.min(3) {
        by_length(count, |i| job(i).message.blocks::<H, Q>(), &mut order);
    } else {
        order.extend(0..count as u32);
    }
    let mut out = [*H::IV; GROUP];
    for group in order.chunks(width) {
        let mut jobs = [Job::NONE; GROUP];
        for (to, &i) in jobs.iter_mut().zip(group) {
            *to = job(i as usize);
        }
        run::<H, Q>(kernels, few, &jobs[..group.len()], &mut out, &mut scratch.built);
        for (rows, &i) in out.iter().zip(group) {
            put(i as usize, rows);
        }
    }
    scratch.order = order;
}

/// The order of messages by their number of blocks, longest first: a counting sort over 0 … 62 blocks, and what is longer by comparison.
fn by_length(count: usize, blocks: impl Fn(usize) -> u32, order: &mut Vec<u32>) {
    const LAST: usize = 63;
    let class = |i: usize| LAST - (blocks(i) as usize).min(LAST);
    let mut ends = [0u32; LAST + 1];
    for i in 0..count {
        ends[class(i)] += 1;
    }
    if ends.iter().any(|&n| n as usize == count) && ends[0] == 0 {
        order.extend(0..count as u32);
        return;
    }
    let long = ends[0] as usize;
    let mut sum = 0;
    for end in &mut ends {
        (*end, sum) = (sum, sum + *end);
    }
    order.resize(count, 0);
    for i in 0..count {
        let place = &mut ends[class(i)];
        order[*place as usize] = i as u32;
        *place += 1;
    }
    order[..long].sort_unstable_by_key(|&i| std::cmp::Reverse(blocks(i as usize)));
}

/// The messages in a group.
fn width<H: Hash<Q>, const Q: usize>(kernels: Kernels) -> usize {
    #[cfg(target_arch = "x86_64")]
    {
        let streams = if H::INTERLEAVED { 2 } else { 1 };
        if kernels.avx512(H::ALGORITHM).is_some() {
            return streams * <H::Word as Word>::Avx512::COUNT;
        }
        if kernels.avx2(H::ALGORITHM).is_some() {
            return streams * <H::Word as Word>::Avx2::COUNT;
        }
    }
    let _ = kernels;
    MAX_LANES
}

/// One group: no more jobs than [`width`].
fn run<H: Hash<Q>, const Q: usize>(
    kernels: Kernels,
    few: usize,
    jobs: &[Job<'_, H, Q>],
    out: &mut [[[H::Word; 4]; Q]; GROUP],
    built: &mut Built,
) {
    let mut layouts = [Layout::NONE; GROUP];
    let mut counts = [0; GROUP];
    let mut stride = 1;
    for (i, job) in jobs.iter().enumerate() {
        layouts[i] = job.layout();
        counts[i] = layouts[i].count;
        stride = stride.max(layouts[i].built);
    }
    let layouts = &layouts[..jobs.len()];
    let (upto, shortest, longest) = {
        let mut sorted = counts;
        let sorted = &mut sorted[..jobs.len()];
        sorted.sort_unstable_by(|a, b| b.cmp(a));
        let at = |i: usize| sorted.get(i).copied().unwrap_or(0);
        // The lanes run while at least `few` messages go on.
        (at(few.wrapping_sub(1)), at(jobs.len().wrapping_sub(1)), at(0))
    };

    let room = built.blocks::<BlockOf<H, Q>>(stride * jobs.len());
    build::<H, Q>(kernels, layouts, stride, room);
    let mut blocks = [Blocks::NONE; GROUP];
    for (i, layout) in layouts.iter().enumerate() {
        blocks[i] = layout.blocks(&room[i * stride..][..layout.built]);
    }
    let mut states = [*H::IV; GROUP];
    let keyed = H::KEYED && jobs.iter().any(|job| job.key.is_some());
    let (mut inner, mut outer) = ([H::IV; GROUP], [H::IV; GROUP]);
    for (i, job) in jobs.iter().enumerate() {
        if let Some(key) = job.key {
            (inner[i], outer[i]) = (&key.inner, &key.outer);
        }
    }
    let keys = keyed.then_some((&inner, &outer));
    let in_lanes = upto > 0 && {
        let (blocks, states, out) = (&blocks, &mut states, &mut *out);
        let n = jobs.len();
        enter::<H, Q>(kernels, Group { n, blocks, counts: &counts, keys, shortest, upto, longest, out, states })
    };
    let from = if in_lanes { upto } else { 0 };
    if !in_lanes {
        for (state, job) in states.iter_mut().zip(jobs) {
            *state = *job.start();
        }
    }
    if from < longest {
        finish::<H, Q>(kernels, jobs, &mut blocks, &mut states, from, out);
    }
    if jobs.iter().any(|job| !job.message.suffix.is_empty()) {
        // The buffer outlives the call, so the compiler cannot leave this out.
        room.fill(*BlockOf::<H, Q>::ZERO);
    }
}

/// Builds the blocks of each layout, with masked reads where there are any.
fn build<H: Hash<Q>, const Q: usize>(
    kernels: Kernels,
    layouts: &[Layout<'_, BlockOf<H, Q>>],
    stride: usize,
    room: &mut [BlockOf<H, Q>],
) {
    let build = Build::<H, Q> { layouts, stride, room };
    #[cfg(target_arch = "x86_64")]
    if let Some(proof) = kernels.avx512(H::ALGORITHM) {
        return proof.enter(build);
    }
    let _ = kernels;
    build.with::<H::Word>(());
}

/// The work of [`build`].
struct Build<'g, 'm, H: Hash<Q>, const Q: usize> {
    layouts: &'g [Layout<'m, BlockOf<H, Q>>],
    stride: usize,
    room: &'g mut [BlockOf<H, Q>],
}

impl<H: Hash<Q>, const Q: usize> Build<'_, '_, H, Q> {
    #[inline(always)]
    fn with<V: Lanes<Word = H::Word>>(self, proof: V::Proof) {
        for i in 0..self.layouts.len() {
            let layout = &self.layouts[i];
            layout.build::<H, V, Q>(proof, &mut self.room[i * self.stride..][..layout.built]);
        }
    }
}

#[cfg(target_arch = "x86_64")]
impl<H: Hash<Q>, const Q: usize> Kernel<Avx512> for Build<'_, '_, H, Q> {
    type Output = ();

    #[inline(always)]
    fn run(self, proof: Avx512) {
        self.with::<<H::Word as Word>::Avx512>(proof);
    }
}

/// Finishes the messages that have more than `from` blocks, one by one or few by few, from their states after `from`.
fn finish<H: Hash<Q>, const Q: usize>(
    kernels: Kernels,
    jobs: &[Job<'_, H, Q>],
    blocks: &mut [Blocks<'_, BlockOf<H, Q>>; GROUP],
    states: &mut [[[H::Word; 4]; Q]; GROUP],
    from: u32,
    out: &mut [[[H::Word; 4]; Q]; GROUP],
) {
    let mut left = [0; GROUP];
    let mut n = 0;
    for i in 0..jobs.len() {
        if blocks[i].count > from {
            (left[n], blocks[n], states[n]) = (i, blocks[i], states[i]);
            n += 1;
        }
    }
    let (states, left) = (&mut states[..n], &left[..n]);
    H::advance(kernels, states, &blocks[..n], from);
    outer::<H, Q>(kernels, states, |k| jobs[left[k]].key);
    for (state, &i) in states.iter().zip(left) {
        out[i] = digest_order::<H, Q>(state);
    }
}

/// The outer hash of HMAC (RFC 2104) for the states that have a key: one block, the digest of the inner hash padded.
fn outer<'a, H: Hash<Q>, const Q: usize>(
    kernels: Kernels,
    states: &mut [[[H::Word; 4]; Q]],
    key: impl Fn(usize) -> Option<&'a Pads<H::Word, Q>>,
) {
    for (k, state) in states.iter_mut().enumerate() {
        let Some(key) = key(k) else { continue };
        let mut block = [*BlockOf::<H, Q>::ZERO];
        let mut digest = [0; 64];
        let digest = write_digest::<H, Q>(&digest_order::<H, Q>(state), &mut digest);
        Layout::new::<H, Q>(&Message::new(digest), BlockOf::<H, Q>::LEN).build::<H, H::Word, Q>((), &mut block);
        *state = key.outer;
        H::advance(kernels, std::slice::from_mut(state), &[Blocks::of_built(&block)], 0);
    }
}

/// A state as little-endian words of the digest's bytes.
#[inline(always)]
fn digest_order<H: Hash<Q>, const Q: usize>(state: &[[H::Word; 4]; Q]) -> [[H::Word; 4]; Q] {
    if H::BIG_ENDIAN { state.map(|row| row.map(Lanes::reverse_bytes)) } else { *state }
}

/// The bytes of a digest's words.
fn write_digest<'d, H: Hash<Q>, const Q: usize>(rows: &[[H::Word; 4]; Q], to: &'d mut [u8; 64]) -> &'d [u8] {
    let word = size_of::<H::Word>();
    for (bytes, word) in to.chunks_exact_mut(word).zip(rows.as_flattened()) {
        word.write(bytes);
    }
    &to[..4 * Q * word]
}

/// Finishes messages one after the other in general registers.
pub(super) fn advance_scalar<H: Hash<Q> + ?Sized, const Q: usize>(
    states: &mut [[[H::Word; 4]; Q]],
    blocks: &[Blocks<'_, BlockOf<H, Q>>],
    from: u32,
) {
    for (state, blocks) in states.iter_mut().zip(blocks) {
        let mut one = [*state];
        for b in from..blocks.count {
            let mut words = [H::Word::load((), &[blocks.block(b); MAX_LANES])];
            if H::BIG_ENDIAN {
                words[0] = words[0].map(Lanes::reverse_bytes);
            }
            H::compress::<H::Word, 1>((), &mut one, &mut words);
        }
        [*state] = one;
    }
}

/// One message, without buffers of the caller's.
pub(super) fn one<H: Hash<Q>, const Q: usize>(kernels: Kernels, job: &Job<'_, H, Q>) -> [[H::Word; 4]; Q] {
    let layout = job.layout();
    let mut near = [*BlockOf::<H, Q>::ZERO; 4];
    // A prefix or suffix of several blocks is rare enough to be allowed an allocation.
    let mut far = Vec::new();
    let built = match near.get_mut(..layout.built) {
        Some(near) => near,
        None => {
            far.resize(layout.built, *BlockOf::<H, Q>::ZERO);
            &mut far[..]
        }
    };
    layout.build::<H, H::Word, Q>((), built);
    let mut state = [*job.start()];
    H::advance(kernels, &mut state, &[layout.blocks(built)], 0);
    outer::<H, Q>(kernels, &mut state, |_| job.key);
    if !job.message.suffix.is_empty() {
        BlockOf::<H, Q>::bytes_mut(built).zeroize();
    }
    digest_order::<H, Q>(&state[0])
}

/// A state for each job.
type States<'g, H, const Q: usize> = [&'g [[<H as Hash<Q>>::Word; 4]; Q]; GROUP];

/// A group on its way into lanes.
struct Group<'g, H: Hash<Q>, const Q: usize> {
    /// How many jobs there are; in what follows, the places after them are empty.
    n: usize,
    blocks: &'g [Blocks<'g, BlockOf<H, Q>>; GROUP],
    counts: &'g [u32; GROUP],
    /// Where the jobs are keyed: the states after the inner and after the outer pad.
    keys: Option<(&'g States<'g, H, Q>, &'g States<'g, H, Q>)>,
    shortest: u32,
    /// Blocks to do; messages that are longer leave their states in `states`.
    upto: u32,
    longest: u32,
    /// The digests of all others, as little-endian words of their bytes.
    out: &'g mut [[[H::Word; 4]; Q]; GROUP],
    states: &'g mut [[[H::Word; 4]; Q]; GROUP],
}

/// Enters the widest lanes there are; false where there are none.
fn enter<H: Hash<Q>, const Q: usize>(kernels: Kernels, group: Group<'_, H, Q>) -> bool {
    #[cfg(target_arch = "x86_64")]
    if let Some(proof) = kernels.avx512(H::ALGORITHM) {
        if H::INTERLEAVED && group.n > <H::Word as Word>::Avx512::COUNT {
            proof.enter(Entered::<H, <H::Word as Word>::Avx512, Q, 2> { group, lanes: PhantomData });
        } else {
            proof.enter(Entered::<H, <H::Word as Word>::Avx512, Q, 1> { group, lanes: PhantomData });
        }
        return true;
    } else if let Some(proof) = kernels.avx2(H::ALGORITHM) {
        if H::INTERLEAVED && group.n > <H::Word as Word>::Avx2::COUNT {
            proof.enter(Entered::<H, <H::Word as Word>::Avx2, Q, 2> { group, lanes: PhantomData });
        } else {
            proof.enter(Entered::<H, <H::Word as Word>::Avx2, Q, 1> { group, lanes: PhantomData });
        }
        return true;
    }
    let _ = (kernels, group);
    false
}

/// A group in `S` interleaved groups of the lanes `V`.
struct Entered<'g, H: Hash<Q>, V, const Q: usize, const S: usize> {
    group: Group<'g, H, Q>,
    lanes: PhantomData<V>,
}

/// Loops here count indices: iterators are functions of their own, and one that is not inlined into code with more features than its own
/// costs more than it says.
impl<H: Hash<Q>, V: Lanes<Word = H::Word>, const Q: usize, const S: usize> Kernel<V::Proof>
    for Entered<'_, H, V, Q, S>
{
    type Output = ();

    #[inline(always)]
    #[allow(clippy::needless_range_loop)]
    fn run(self, proof: V::Proof) {
        let Group { blocks, keys, shortest, upto, longest, out, states, .. } = self.group;
        let mut counts = [[0; MAX_LANES]; S];
        for s in 0..S {
            for l in 0..V::COUNT {
                counts[s][l] = self.group.counts[s * V::COUNT + l];
            }
        }
        let zero = V::splat(proof, H::Word::default());
        let mut state = [[[zero; 4]; Q]; S];
        match keys {
            Some((inner, _)) => state = gather::<H, V, Q, S>(proof, inner),
            None => {
                for s in 0..S {
                    for q in 0..Q {
                        for i in 0..4 {
                            state[s][q][i] = V::splat(proof, H::IV[q][i]);
                        }
                    }
                }
            }
        }

        for b in 0..upto {
            let mut words = [[zero; 16]; S];
            for s in 0..S {
                let mut rows = [BlockOf::<H, Q>::ZERO; MAX_LANES];
                for l in 0..V::COUNT {
                    rows[l] = blocks[s * V::COUNT + l].block(b);
                }
                words[s] = V::load(proof, &rows);
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

        if upto < longest {
            scatter::<H, V, Q, S>(&state, states);
        }
        if H::KEYED
            && let Some((_, outer)) = keys
        {
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
            state = gather::<H, V, Q, S>(proof, outer);
            H::compress::<V, S>(proof, &mut state, &mut words);
        }
        if H::BIG_ENDIAN {
            for s in 0..S {
                for q in 0..Q {
                    for i in 0..4 {
                        state[s][q][i] = state[s][q][i].reverse_bytes();
                    }
                }
            }
        }
        scatter::<H, V, Q, S>(&state, out);
    }
}

/// A state of each job into its lane.
#[inline(always)]
#[allow(clippy::needless_range_loop)]
fn gather<H: Hash<Q>, V: Lanes<Word = H::Word>, const Q: usize, const S: usize>(
    proof: V::Proof,
    states: &States<'_, H, Q>,
) -> [[[V; 4]; Q]; S] {
    let mut out = [[[V::splat(proof, H::Word::default()); 4]; Q]; S];
    for s in 0..S {
        for q in 0..Q {
            let mut rows = [H::Word::ZEROS; MAX_LANES];
            for l in 0..V::COUNT {
                rows[l] = &states[s * V::COUNT + l][q];
            }
            out[s][q] = V::gather(proof, &rows);
        }
    }
    out
}

/// The lanes' states into rows.
#[inline(always)]
#[allow(clippy::needless_range_loop)]
fn scatter<H: Hash<Q>, V: Lanes<Word = H::Word>, const Q: usize, const S: usize>(
    state: &[[[V; 4]; Q]; S],
    out: &mut [[[H::Word; 4]; Q]; GROUP],
) {
    for s in 0..S {
        for q in 0..Q {
            let mut rows = [*H::Word::ZEROS; MAX_LANES];
            V::scatter(state[s][q], &mut rows);
            for l in 0..V::COUNT {
                out[s * V::COUNT + l][q] = rows[l];
            }
        }
    }
}
