//! Claims of one batch, decided in lanes: grouped by the kind of table that their keys have.

use std::marker::PhantomData;
use std::sync::Arc;

use super::Signing;
use super::build::Waiting;
use super::shelf::{self, KeyTable, ShapedTable, Slot};
use crate::curve::fresh::Fresh;
use crate::curve::many::{CLAIMS, Known, Scratch};
use crate::curve::one::One;
use crate::curve::table::{Comb, Shape, Wide};
use crate::curve::{Claim, Decision};
use crate::field::words::{Words, from_be_bytes, is_zero, lt};
use crate::lanes::{Cpu, Kernel, Lanes52, Line, prefetch_of};

/// A signature of the batch whose r and s are in range.
pub(in crate::alg) struct Pending {
    /// Which of the batch.
    pub index: usize,
    /// r and s, both in 1..n.
    pub r: Words,
    pub s: Words,
    /// The hash, as a number; may be above n.
    pub e: Words,
    /// The key's point.
    point: Line,
    table: Option<Arc<KeyTable>>,
    kind: Kind,
}

/// A signature's r and s, both in 1..n, and the hash as a number, which may be above n.
#[derive(Clone, Copy)]
pub(in crate::alg) struct Numbers {
    pub r: Words,
    pub s: Words,
    pub e: Words,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Wide,
    Comb,
    Fresh,
}

/// How signatures become claims, in lanes, [`CLAIMS`] at a time at most.
pub(in crate::alg) trait Claims<C: Signing> {
    /// Whether r and s, each in 1..n, may go together.
    fn admits(r: &Words, s: &Words) -> bool;
    /// Writes `claims[i]` for `numbers[i]`, in plain code.
    fn plain(numbers: &[Numbers], claims: &mut [Claim]);
    /// Writes `claims[i]` for `pending[i]`.
    fn claims<L: Lanes52>(l: L, pending: &[Pending], claims: &mut [Claim]);
}

/// Decides batches; holds a worker's scratch.
pub(in crate::alg) struct Decider<C, A> {
    pending: Vec<Pending>,
    indices: Vec<usize>,
    batch: u32,
    claims: Vec<Claim>,
    decisions: Vec<Decision>,
    points: Vec<Line>,
    scratch: Scratch,
    waiting: Waiting,
    of: PhantomData<(C, A)>,
}

impl<C, A> Default for Decider<C, A> {
    fn default() -> Self {
        Self {
            pending: Vec::new(),
            indices: Vec::new(),
            batch: 0,
            claims: Vec::new(),
            decisions: Vec::new(),
            points: Vec::new(),
            scratch: Scratch::default(),
            waiting: Waiting::default(),
            of: PhantomData,
        }
    }
}

impl<C: Signing, A: Claims<C>> Decider<C, A> {
    /// Whether batches can be decided on this CPU at all.
    pub fn ready(cpu: Cpu) -> bool {
        cpu.avx512_ifma().is_some() && super::selftest::trusted::<C>()
    }

    /// Starts a batch.
    pub fn begin(&mut self) {
        self.pending.clear();
        self.batch = shelf::next_batch();
    }

    /// Asks for what [`push`](Self::push) will look at, of all keys of a batch side by side: where many keys are in use they are not near, and one after
    /// the other each would be waited for.
    pub fn prefetch<'s>(slots: impl Iterator<Item = &'s Arc<Slot>> + Clone) {
        slots.clone().for_each(|slot| prefetch_of(&**slot));
        slots.for_each(|slot| slot.prefetch_table());
    }

    /// Adds a signature, if r and s are in 1..n; its hash is written later.
    pub fn push(&mut self, index: usize, slot: &Arc<Slot>, [r, s]: &[[u8; 32]; 2]) {
        let (r, s) = (from_be_bytes(r), from_be_bytes(s));
        let n = &<C::Order as crate::field::modulus::Modulus>::M;
        if is_zero(&r) || is_zero(&s) || !lt(&r, n) || !lt(&s, n) || !A::admits(&r, &s) {
            return;
        }
        let table = slot.take(self.batch);
        let kind = match table.as_deref().map(|table| &table.shape) {
            Some(ShapedTable::Comb(_)) => Kind::Comb,
            Some(ShapedTable::Wide(_)) => Kind::Wide,
            _ => Kind::Fresh,
        };
        if kind != Kind::Wide {
            self.waiting.note::<C>(slot, kind == Kind::Comb);
        }
        self.pending.push(Pending { index, r, s, e: [0; 4], point: slot.point, table, kind });
    }

    /// Hashes: `digests` is told which of the batch to hash, in order, and where to put the digests.
    pub fn hash(&mut self, digests: impl FnOnce(&[usize], &mut dyn FnMut(usize, &[u8; 32]))) {
        self.indices.clear();
        self.indices.extend(self.pending.iter().map(|p| p.index));
        let pending = &mut self.pending;
        digests(&self.indices, &mut |i, digest| {
            if let Some(pending) = pending.get_mut(i) {
                pending.e = from_be_bytes(digest);
            }
        });
    }

    /// Decides all that was pushed and calls `settle` with each; [`Decision::Exceptional`] is to be decided elsewhere. A key that is alone
    /// and without a table is also given back as exceptional if `lone` says that elsewhere is faster.
    pub fn finish(&mut self, cpu: Cpu, lone: bool, mut settle: impl FnMut(usize, Decision)) {
        #[cfg(target_arch = "x86_64")]
        if let Some(ifma) = cpu.avx512_ifma() {
            ifma.call(Batch::<C, A> { decider: self, lone });
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = (cpu, lone);
        // After the last look at any table.
        let lost = self.pending.iter().any(|pending| pending.table.as_deref().is_some_and(KeyTable::is_lost));
        if lost {
            shelf::drop_lost();
        }
        for (pending, decision) in self.pending.iter().zip(&self.decisions) {
            settle(pending.index, if lost { Decision::Exceptional } else { *decision });
        }
        // Gives the tables back.
        self.pending.clear();
    }
}

struct Batch<'a, C, A> {
    decider: &'a mut Decider<C, A>,
    lone: bool,
}

impl<C: Signing, A: Claims<C>, L: Lanes52> Kernel<L> for Batch<'_, C, A> {
    type Output = ();

    #[inline(always)]
    fn run(self, l: L) {
        let Decider { pending, claims, decisions, points, scratch, waiting, .. } = self.decider;
        pending.sort_unstable_by_key(|p| (p.kind, p.index));
        decisions.clear();
        decisions.resize(pending.len(), Decision::Exceptional);
        let generator = &C::generator().window10;
        let mut rest = &mut decisions[..];
        for of_kind in pending.chunk_by(|a, b| a.kind == b.kind) {
            for chunk in of_kind.chunks(CLAIMS) {
                let (decisions, after) = std::mem::take(&mut rest).split_at_mut(chunk.len());
                rest = after;
                let kind = chunk[0].kind;
                if kind == Kind::Fresh && self.lone && chunk.len() == 1 {
                    continue;
                }
                claims.clear();
                claims.resize(chunk.len(), Claim { scalars: Line::ZERO, x: Line::ZERO });
                A::claims(l, chunk, claims);
                // A few that would fill half a group or less go one by one, each across the lanes.
                let alone = match (kind, chunk.len() % 8) {
                    (Kind::Comb | Kind::Wide, few @ 1..=4) => few,
                    _ => 0,
                };
                let (grouped, singles) = chunk.split_at(chunk.len() - alone);
                let (grouped_claims, single_claims) = claims.split_at(grouped.len());
                let (grouped_decisions, single_decisions) = decisions.split_at_mut(grouped.len());
                for ((p, claim), decision) in singles.iter().zip(single_claims).zip(single_decisions) {
                    let tables = C::generator();
                    *decision = match p.table.as_deref().map(|table| &table.shape) {
                        Some(ShapedTable::Comb(table)) => {
                            l.call(One::<C, Comb> { claim, table, generator: &tables.comb, curve: PhantomData })
                        }
                        Some(ShapedTable::Wide(table)) => {
                            l.call(One::<C, Wide> { claim, table, generator: &tables.wide, curve: PhantomData })
                        }
                        _ => Decision::Exceptional,
                    };
                }
                let (chunk, claims) = (grouped, grouped_claims);
                match kind {
                    _ if chunk.is_empty() => {}
                    Kind::Comb => {
                        known::<C, Comb, L>(l, chunk, claims, generator, scratch, &mut *grouped_decisions, |table| {
                            if let ShapedTable::Comb(table) = &table.shape { Some(table) } else { None }
                        })
                    }
                    Kind::Wide => {
                        known::<C, Wide, L>(l, chunk, claims, generator, scratch, &mut *grouped_decisions, |table| {
                            if let ShapedTable::Wide(table) = &table.shape { Some(table) } else { None }
                        })
                    }
                    Kind::Fresh => {
                        points.clear();
                        points.extend(chunk.iter().map(|p| p.point));
                        let decisions = grouped_decisions;
                        l.call(Fresh::<C> { claims, points, generator, scratch, decisions, curve: PhantomData });
                    }
                }
                let exceptional = decisions.iter().filter(|d| **d == Decision::Exceptional).count();
                if exceptional > 0 {
                    shelf::count_exceptional(exceptional as u64);
                }
            }
        }
        waiting.settle::<C, L>(l, pending.len());
    }
}

/// Decides claims whose keys have tables of one shape.
#[inline(always)]
fn known<C: Signing, S: Shape, L: Lanes52>(
    l: L,
    pending: &[Pending],
    claims: &[Claim],
    generator: &<crate::curve::table::Window10 as Shape>::Table,
    scratch: &mut Scratch,
    decisions: &mut [Decision],
    shaped: fn(&KeyTable) -> Option<&S::Table>,
) {
    let Some(first) = pending.first().and_then(|p| p.table.as_deref()).and_then(shaped) else { return };
    let mut tables = [first; CLAIMS];
    for (to, pending) in tables.iter_mut().zip(pending) {
        let Some(table) = pending.table.as_deref().and_then(shaped) else { return };
        *to = table;
    }
    let tables = &tables[..pending.len().min(CLAIMS)];
    l.call(Known::<C, S> { claims, tables, generator, scratch, decisions, curve: PhantomData });
}
