//! Many signatures at once, for keys with tables. Those of keys without one are verified one at a time, and the keys noted: at their second
//! use they ask for a table.

use std::sync::Arc;

use super::{Ed25519Key, scalar};
use crate::alg::ec::{KeyTable, Lines, ShapedTable, Slot, Tables, Waiting, drop_lost, next_batch};
use crate::alg::scheme::{Batch, Job};
use crate::curve::edwards::many::Known;
use crate::curve::edwards::one::One;
use crate::curve::edwards::table::{Build, Flat};
use crate::curve::edwards::{Claim, is_scalar};
use crate::curve::many::{CLAIMS, Scratch};
use crate::curve::table::{Comb, Wide, Window10};
use crate::field::words::Words;
use crate::hash::{self, Message, sha512};
use crate::lanes::{Cpu, Kernel, Lanes52, Line};
use crate::shm::Published;

/// Up to how many that are left over from groups of eight go one by one across the lanes.
const ALONE: usize = 3;

/// The tables of Ed25519 keys.
#[derive(Clone, Copy)]
pub(in crate::alg) struct Edwards;

impl Tables for Edwards {
    const BYTES: [usize; 2] = [size_of::<<Comb as Flat>::Niels>(), size_of::<<Wide as Flat>::Niels>()];

    const KIND: u64 = 3 << 8 | 1;

    fn trusted() -> bool {
        super::selftest::trusted()
    }

    fn shared(table: Published, wide: bool) -> Option<ShapedTable> {
        if wide {
            Lines::shared(table).map(ShapedTable::FlatWide)
        } else {
            Lines::shared(table).map(ShapedTable::FlatComb)
        }
    }

    #[inline(always)]
    fn build<L: Lanes52>(l: L, points: &[Line], wide: bool) -> Vec<ShapedTable> {
        if wide {
            tables::<Wide, L>(l, points).into_iter().map(|table| ShapedTable::FlatWide(Lines::own(&table))).collect()
        } else {
            tables::<Comb, L>(l, points).into_iter().map(|table| ShapedTable::FlatComb(Lines::own(&table))).collect()
        }
    }
}

/// Tables of one shape for up to eight points.
#[inline(always)]
pub(super) fn tables<S: Flat, L: Lanes52>(l: L, points: &[Line]) -> Vec<Box<S::Niels>> {
    let mut tables: Vec<_> = points.iter().map(|_| S::flat_room()).collect();
    l.call(Build::<S> { points, out: &mut tables.iter_mut().map(|t| &mut **t).collect::<Vec<_>>() });
    tables
}

/// Whether batches can be decided in lanes on this CPU.
pub(super) fn ready(cpu: Cpu) -> bool {
    cpu.avx512_ifma().is_some() && super::selftest::trusted()
}

/// Eight bytes a word, little-endian.
pub(super) fn words<const W: usize>(bytes: &[u8]) -> [u64; W] {
    let mut out = [0; W];
    for (word, bytes) in out.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    out
}

/// A signature of the batch whose key has a table and whose S is below L.
struct Pending {
    /// Which of the batch.
    index: usize,
    /// R ‖ A: what goes before the message into the hash.
    prefix: [u8; 64],
    s: Words,
    wide: bool,
    table: Arc<KeyTable>,
}

/// Decides batches; holds a worker's scratch.
#[derive(Default)]
pub(super) struct Decider {
    pending: Vec<Pending>,
    claims: Vec<Claim>,
    good: Vec<bool>,
    hash: hash::Scratch,
    scratch: Scratch,
    waiting: Waiting,
}

impl Decider {
    pub fn verify(&mut self, cpu: Cpu, batch: &mut Batch<'_, Ed25519Key>) {
        let number = next_batch();
        self.pending.clear();
        for index in 0..batch.len() {
            let Some(job) = batch.job(index).filter(Job::plain) else { continue };
            let Some((r, s)) = job.signature.split_first_chunk::<32>().filter(|(_, s)| s.len() == 32) else { continue };
            let s: Words = words(s);
            if !is_scalar(&s) {
                continue;
            }
            let slot: &Arc<Slot> = &job.key.slot;
            let table = slot.take(number);
            let wide = match table.as_deref().map(|table| &table.shape) {
                Some(ShapedTable::FlatWide(_)) => true,
                _ => {
                    self.waiting.note::<Edwards>(slot, table.is_some());
                    false
                }
            };
            let Some(table) = table else {
                batch.settle(index, scalar::verify(job.key, job.message, job.signature));
                continue;
            };
            let mut prefix = [0; 64];
            let (first, second) = prefix.split_at_mut(32);
            first.copy_from_slice(r);
            second.copy_from_slice(&job.key.bytes);
            self.pending.push(Pending { index, prefix, s, wide, table });
        }
        self.pending.sort_unstable_by_key(|p| (!p.wide, p.index));
        let Self { pending, claims, hash, .. } = self;
        claims.clear();
        claims.extend(pending.iter().map(|p| {
            let r: Words = words(&p.prefix);
            Claim { signature: crate::curve::line(&r, &p.s), digest: Line::ZERO }
        }));
        let message = |i: usize| match pending.get(i) {
            Some(p) => {
                Message { prefix: &p.prefix, body: batch.job(p.index).map_or(&[], |job| job.message), suffix: &[] }
            }
            None => Message::default(),
        };
        let put = |i: usize, digest: &sha512::Digest| {
            if let Some(claim) = claims.get_mut(i) {
                claim.digest = Line(words(digest));
            }
        };
        sha512::digest_each(cpu, pending.len(), message, put, hash);
        self.good.clear();
        self.good.resize(self.pending.len(), false);
        #[cfg(target_arch = "x86_64")]
        if let Some(ifma) = cpu.avx512_ifma() {
            ifma.call(Decide { decider: self, signatures: batch.len() });
        }
        // After the last look at any table.
        let lost = self.pending.iter().any(|pending| pending.table.is_lost());
        if lost {
            drop_lost();
        }
        for (pending, good) in self.pending.iter().zip(&self.good) {
            let good = match batch.job(pending.index).filter(|_| lost) {
                Some(job) => scalar::verify(job.key, job.message, job.signature),
                None => *good,
            };
            batch.settle(pending.index, good);
        }
        // Gives the tables back.
        self.pending.clear();
    }
}

struct Decide<'a> {
    decider: &'a mut Decider,
    signatures: usize,
}

impl<L: Lanes52> Kernel<L> for Decide<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, l: L) {
        let Decider { pending, claims, good, scratch, waiting, .. } = self.decider;
        let wides = pending.iter().take_while(|p| p.wide).count();
        let (wide, comb) = pending.split_at(wides);
        let (wide_claims, comb_claims) = claims.split_at(wides);
        let (wide_good, comb_good) = good.split_at_mut(wides);
        decide::<Wide, L>(l, wide, wide_claims, scratch, wide_good, |table| match &table.shape {
            ShapedTable::FlatWide(table) => Some(table),
            _ => None,
        });
        decide::<Comb, L>(l, comb, comb_claims, scratch, comb_good, |table| match &table.shape {
            ShapedTable::FlatComb(table) => Some(table),
            _ => None,
        });
        waiting.settle::<Edwards, L>(l, self.signatures);
    }
}

/// Decides claims whose keys have tables of one shape.
#[inline(always)]
fn decide<S: Flat + crate::curve::table::Spread, L: Lanes52>(
    l: L,
    pending: &[Pending],
    claims: &[Claim],
    scratch: &mut Scratch,
    good: &mut [bool],
    shaped: fn(&KeyTable) -> Option<&S::Niels>,
) {
    for ((pending, claims), good) in pending.chunks(CLAIMS).zip(claims.chunks(CLAIMS)).zip(good.chunks_mut(CLAIMS)) {
        let Some(first) = pending.first().and_then(|p| shaped(&p.table)) else { return };
        let mut tables = [first; CLAIMS];
        for (to, pending) in tables.iter_mut().zip(pending) {
            let Some(table) = shaped(&pending.table) else { return };
            *to = table;
        }
        let alone = match pending.len() % 8 {
            few if few <= ALONE => few,
            _ => 0,
        };
        let grouped = pending.len() - alone;
        let (group_good, single_good) = good.split_at_mut(grouped);
        for ((claim, table), good) in claims[grouped..].iter().zip(&tables[grouped..]).zip(single_good) {
            *good = l.call(One::<S> { claim, table: *table, base: S::base() });
        }
        l.call(Known::<S> {
            claims: &claims[..grouped],
            tables: &tables[..grouped],
            base: Window10::base(),
            scratch: &mut *scratch,
            good: group_good,
        });
    }
}
