//! Signatures in plain code, for keys that have a table: where there are no lanes, or their kernels failed.
//!
//! Tables come as those of the lanes do: at a key's second use, under the same cap, on the same budget.

use std::marker::PhantomData;
use std::sync::Arc;

use super::build::{Tables, Waiting};
use super::decide::{Claims, Numbers};
use super::shelf::{self, KeyTable, Lines, ShapedTable, Slot};
use super::{Signing, selftest};
use crate::curve::{Claim, Decision, plain};
use crate::field::modulus::Modulus;
use crate::field::words::{from_be_bytes, is_zero, lt};
use crate::lanes::{Lanes52, Line, Model};
use crate::shm::Published;

/// The tables of plain code: combs only, built one at a time.
#[derive(Clone, Copy)]
pub(in crate::alg) struct Plain<C>(PhantomData<C>);

impl<C: Signing> Tables for Plain<C> {
    /// A wide table never fits.
    const BYTES: [usize; 2] = [size_of::<plain::Table>(), usize::MAX];

    const KIND: u64 = C::NUMBER << 8 | 2;

    fn trusted() -> bool {
        selftest::plain_trusted::<C>()
    }

    fn shared(table: Published, wide: bool) -> Option<ShapedTable> {
        Lines::shared(table).filter(|_| !wide).map(ShapedTable::Plain)
    }

    fn build<L: Lanes52>(_: L, points: &[Line], _: bool) -> Vec<ShapedTable> {
        points.iter().map(|point| ShapedTable::Plain(Lines::own(&plain::table::<C>(point)))).collect()
    }
}

/// Decides signatures of keys that have tables of plain code.
pub(in crate::alg) struct PlainDecider<C, A> {
    /// Which of the batch, and the key's table.
    pending: Vec<(usize, Arc<KeyTable>)>,
    /// Of each of them.
    numbers: Vec<Numbers>,
    claims: Vec<Claim>,
    decisions: Vec<Decision>,
    room: plain::Room,
    waiting: Waiting,
    batch: u32,
    of: PhantomData<(C, A)>,
}

impl<C, A> Default for PlainDecider<C, A> {
    fn default() -> Self {
        Self {
            pending: Vec::new(),
            numbers: Vec::new(),
            claims: Vec::new(),
            decisions: Vec::new(),
            room: plain::Room::default(),
            waiting: Waiting::default(),
            batch: 0,
            of: PhantomData,
        }
    }
}

impl<C: Signing, A: Claims<C>> PlainDecider<C, A> {
    /// Starts a batch; whether plain code gave its known answers.
    pub fn begin(&mut self) -> bool {
        self.batch = shelf::next_batch();
        self.pending.clear();
        self.numbers.clear();
        Plain::<C>::trusted()
    }

    /// Adds a signature of a message with that hash. What is said at once: [`Decision::False`] where r or s is out of range,
    /// [`Decision::Exceptional`] where the key has no table, so that it is to be decided elsewhere.
    pub fn push(
        &mut self,
        index: usize,
        slot: &Arc<Slot>,
        [r, s]: &[[u8; 32]; 2],
        hash: impl FnOnce() -> [u8; 32],
    ) -> Option<Decision> {
        let (r, s) = (from_be_bytes(r), from_be_bytes(s));
        let n = &<C::Order as Modulus>::M;
        if is_zero(&r) || is_zero(&s) || !lt(&r, n) || !lt(&s, n) || !A::admits(&r, &s) {
            return Some(Decision::False);
        }
        match slot.take(self.batch) {
            Some(table) if matches!(table.shape, ShapedTable::Plain(_)) => {
                self.pending.push((index, table));
                self.numbers.push(Numbers { r, s, e: from_be_bytes(&hash()) });
                return None;
            }
            // A table of the lanes is another verifier's, who has lanes: it is left alone.
            Some(_) => {}
            None => self.waiting.note::<Plain<C>>(slot, false),
        }
        Some(Decision::Exceptional)
    }

    /// Decides all that was added and calls `settle` with each, ends the batch, and builds what is due. [`Decision::Exceptional`] is to be decided
    /// elsewhere.
    pub fn finish(&mut self, signatures: usize, mut settle: impl FnMut(usize, Decision)) {
        let Self { pending, numbers, claims, decisions, room, waiting, .. } = self;
        claims.clear();
        claims.resize(pending.len(), Claim { scalars: Line::ZERO, x: Line::ZERO });
        decisions.clear();
        decisions.resize(pending.len(), Decision::Exceptional);
        let parts = pending.chunks(plain::CLAIMS).zip(numbers.chunks(plain::CLAIMS));
        let parts = parts.zip(claims.chunks_mut(plain::CLAIMS)).zip(decisions.chunks_mut(plain::CLAIMS));
        for (((pending, numbers), claims), decisions) in parts {
            let table = |i: usize| match &pending.get(i).unwrap_or(&pending[0]).1.shape {
                ShapedTable::Plain(lines) => Some(&**lines),
                _ => None,
            };
            let Some(first) = table(0) else { continue };
            A::plain(numbers, claims);
            let tables: [&plain::Table; plain::CLAIMS] = std::array::from_fn(|i| table(i).unwrap_or(first));
            plain::decide::<C>(claims, &tables[..claims.len()], room, decisions);
        }
        // After the last look at any table.
        let lost = pending.iter().any(|(_, table)| table.is_lost());
        if lost {
            shelf::drop_lost();
        }
        let exceptional = decisions.iter().filter(|d| **d == Decision::Exceptional).count();
        if exceptional > 0 {
            shelf::count_exceptional(exceptional as u64);
        }
        for ((index, _), decision) in pending.iter().zip(decisions) {
            settle(*index, if lost { Decision::Exceptional } else { *decision });
        }
        // Gives the tables back.
        pending.clear();
        waiting.settle::<Plain<C>, Model>(Model, signatures);
    }
}
