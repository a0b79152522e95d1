//! One signature at a time in plain code, for keys that have a table: where there are no lanes, or their kernels failed.
//!
//! Tables come as those of the lanes do: at a key's second use, under the same cap, on the same budget.

use std::marker::PhantomData;
use std::sync::Arc;

use super::build::{Tables, Waiting};
use super::decide::Claims;
use super::shelf::{self, KeyTable, Lines, ShapedTable, Slot};
use super::{Signing, selftest};
use crate::curve::{Decision, plain};
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
    waiting: Waiting,
    batch: u32,
    of: PhantomData<(C, A)>,
}

impl<C, A> Default for PlainDecider<C, A> {
    fn default() -> Self {
        Self { waiting: Waiting::default(), batch: 0, of: PhantomData }
    }
}

impl<C: Signing, A: Claims<C>> PlainDecider<C, A> {
    /// Starts a batch; whether plain code gave its known answers.
    pub fn begin(&mut self) -> bool {
        self.batch = shelf::next_batch();
        Plain::<C>::trusted()
    }

    /// Decides a signature of a message with that hash; [`Decision::Exceptional`] where that is to be done elsewhere, for want of a table
    /// above all.
    pub fn decide(&mut self, slot: &Arc<Slot>, [r, s]: &[[u8; 32]; 2], hash: impl FnOnce() -> [u8; 32]) -> Decision {
        let (r, s) = (from_be_bytes(r), from_be_bytes(s));
        let n = &<C::Order as Modulus>::M;
        if is_zero(&r) || is_zero(&s) || !lt(&r, n) || !lt(&s, n) || !A::admits(&r, &s) {
            return Decision::False;
        }
        let table = slot.take(self.batch);
        let Some(ShapedTable::Plain(lines)) = table.as_deref().map(|table| &table.shape) else {
            // A table of the lanes is another verifier's, who has lanes: it is left alone.
            if table.is_none() {
                self.waiting.note::<Plain<C>>(slot, false);
            }
            return Decision::Exceptional;
        };
        let decision = plain::decide::<C>(&A::claim(&r, &s, &from_be_bytes(&hash())), lines);
        if table.as_deref().is_some_and(KeyTable::is_lost) {
            shelf::drop_lost();
            return Decision::Exceptional;
        }
        if decision == Decision::Exceptional {
            shelf::count_exceptional(1);
        }
        decision
    }

    /// Ends the batch: builds what is due.
    pub fn end(&mut self, signatures: usize) {
        self.waiting.settle::<Plain<C>, Model>(Model, signatures);
    }
}
