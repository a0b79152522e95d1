//! Many messages at once: sorted by length, taken in groups, a message a lane.
//!
//! A group runs as long as its longest message asks, so messages are sorted by their number of blocks, longest first (a counting sort, which
//! is linear), and neighbours share a group. In a group, a lane whose message has ended keeps its state by a mask while the others go on.
//! Once fewer lanes are left than the break-even of [`Kernels::break_even`], the states go back to memory and the few are finished by the
//! kernel for few messages: one long body among short ones costs what it would cost alone.
//!
//! Lengths, block counts and their order are public; nothing in a kernel branches on, or is indexed by, a message's bytes or a state.

use zeroize::Zeroize;

use super::compress::{BlockOf, Hash, Job, Pads, digest_order};
use super::group::Group;
use super::message::{Blocks, Layout, Message};
use super::table::Kernels;
use crate::lanes::words::{Block, Lanes, MAX_LANES, Word};

/// Buffers that a caller keeps from batch to batch, so that a batch allocates nothing once they have grown.
#[derive(Default)]
pub struct Scratch {
    order: Vec<u32>,
    counts: Vec<u32>,
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

/// Hashes `count` messages: `job` tells each, `put` takes each digest (as little-endian words of its bytes), in any order.
#[inline]
pub(super) fn each<'a, H: Hash<Q>, const Q: usize>(
    kernels: Kernels,
    count: usize,
    job: impl Fn(usize) -> Job<'a, H, Q>,
    put: impl FnMut(usize, &[[H::Word; 4]; Q]),
    scratch: &mut Scratch,
) {
    if H::INTERLEAVED {
        groups::<H, Q, { 2 * MAX_LANES }>(kernels, count, job, put, scratch);
    } else {
        groups::<H, Q, MAX_LANES>(kernels, count, job, put, scratch);
    }
}

/// As [`each`], with arrays of `G`, which is the most that a group may have.
fn groups<'a, H: Hash<Q>, const Q: usize, const G: usize>(
    kernels: Kernels,
    count: usize,
    job: impl Fn(usize) -> Job<'a, H, Q>,
    mut put: impl FnMut(usize, &[[H::Word; 4]; Q]),
    scratch: &mut Scratch,
) {
    let few = kernels.break_even(H::ALGORITHM);
    let Scratch { order, counts, built } = scratch;
    order.clear();
    if count >= few.min(3) {
        by_length(count, |i| job(i).message.blocks::<H, Q>(), order, counts);
    } else {
        order.extend(0..count as u32);
    }
    let mut jobs = [Job::NONE; G];
    let mut out = [*H::IV; G];
    for group in order.chunks(width::<H, Q>(kernels)) {
        for (to, &i) in jobs.iter_mut().zip(group) {
            *to = job(i as usize);
        }
        run::<H, Q, G>(kernels, few, &jobs[..group.len()], &mut out, built);
        for (rows, &i) in out.iter().zip(group) {
            put(i as usize, rows);
        }
    }
}

/// The order of messages by their number of blocks, longest first: a counting sort over 0 … 62 blocks, and what is longer by comparison.
/// `counts` has each message's number afterwards.
fn by_length(count: usize, blocks: impl Fn(usize) -> u32, order: &mut Vec<u32>, counts: &mut Vec<u32>) {
    const LAST: u32 = 63;
    let class = |blocks: u32| (LAST - blocks.min(LAST)) as usize;
    let first = blocks(0);
    let mut same = true;
    counts.clear();
    counts.extend((0..count).map(|i| {
        let blocks = blocks(i);
        same &= blocks == first;
        blocks
    }));
    if same {
        order.extend(0..count as u32);
        return;
    }
    let mut ends = [0u32; LAST as usize + 1];
    for &blocks in &*counts {
        ends[class(blocks)] += 1;
    }
    let long = ends[0] as usize;
    let mut sum = 0;
    for end in &mut ends {
        (*end, sum) = (sum, sum + *end);
    }
    order.resize(count, 0);
    for (i, &blocks) in (0u32..).zip(&*counts) {
        let place = &mut ends[class(blocks)];
        order[*place as usize] = i;
        *place += 1;
    }
    order[..long].sort_unstable_by_key(|&i| std::cmp::Reverse(counts[i as usize]));
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

/// One group: no more jobs than [`width`], longest first where there are enough for lanes.
fn run<H: Hash<Q>, const Q: usize, const G: usize>(
    kernels: Kernels,
    few: usize,
    jobs: &[Job<'_, H, Q>],
    out: &mut [[[H::Word; 4]; Q]; G],
    built: &mut Built,
) {
    let (mut prefixes, mut suffixes, mut longest, mut keyed) = (0, 0, 0, false);
    for Job { message, key } in jobs {
        prefixes += message.prefix.len();
        suffixes += message.suffix.len();
        longest = longest.max(message.suffix.len());
        keyed |= key.is_some();
    }
    let at_most = Layout::<BlockOf<H, Q>>::at_most(jobs.len(), prefixes + suffixes);
    let room = built.blocks::<BlockOf<H, Q>>(at_most);
    // The lanes run while at least `few` messages go on.
    let upto = few.checked_sub(1).and_then(|i| jobs.get(i)).map_or(0, |job| job.message.blocks::<H, Q>());
    let mut blocks = [Blocks::NONE; G];
    let short = prefixes == 0 && Blocks::<BlockOf<H, Q>>::is_short::<H, Q>(longest);
    let group = Group { jobs, room, blocks: &mut blocks, keyed, short, upto, out };
    let (from, taken) = if upto > 0 { group.enter(kernels) } else { group.only_build() };
    if from == 0 || blocks[0].count() > from {
        finish::<H, Q, G>(kernels, jobs, &mut blocks, from, out);
    }
    if suffixes > 0 {
        // The buffer outlives the call, so the compiler cannot leave this out.
        built.blocks::<BlockOf<H, Q>>(taken).fill(*BlockOf::<H, Q>::ZERO);
    }
}

/// Finishes the messages that have more than `from` blocks, one by one or few by few: `out` has their states after `from`.
fn finish<H: Hash<Q>, const Q: usize, const G: usize>(
    kernels: Kernels,
    jobs: &[Job<'_, H, Q>],
    blocks: &mut [Blocks<'_, BlockOf<H, Q>>; G],
    from: u32,
    out: &mut [[[H::Word; 4]; Q]; G],
) {
    let mut left = [0; G];
    let mut states = [*H::IV; G];
    let mut n = 0;
    for i in 0..jobs.len() {
        if blocks[i].count() > from {
            (left[n], blocks[n], states[n]) = (i, blocks[i], out[i]);
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

/// The bytes of a digest's words.
fn write_digest<'d, H: Hash<Q>, const Q: usize>(rows: &[[H::Word; 4]; Q], to: &'d mut [u8; 64]) -> &'d [u8] {
    let word = size_of::<H::Word>();
    for (bytes, word) in to.chunks_exact_mut(word).zip(rows.as_flattened()) {
        word.write(bytes);
    }
    &to[..4 * Q * word]
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
