//! The building of key tables, on a budget.
//!
//! Keys that were seen twice without a table wait on a verifier's list. Every verified signature earns the verifier a credit; when there
//! are enough for a build, and eight keys wait (or fewer have waited for some batches), their tables are built, eight at once in lanes,
//! at the end of a batch. So building takes at most a fixed part of the time that verifying takes, whatever keys come: 0.4 µs a signature,
//! which the requests of other apps pay too (`benches/flood.rs`). A verifier begins with credits for the keys of a small gateway; while
//! nothing is to be built it saves those of ten builds.

use std::sync::Arc;

use super::Signing;
use super::shelf::{self, KeyTable, Lines, ShapedTable, Slot};
use crate::curve::build::Build;
use crate::curve::table::{Comb, Shape, Wide};
use crate::lanes::{Cpu, Kernel, Lanes52, Line, Model};
use crate::shm::{Claim, Published, TableSize};

/// The tables of the keys of one curve.
pub(in crate::alg) trait Tables: Copy + 'static {
    /// Bytes of a comb and of a wide table.
    const BYTES: [usize; 2];
    /// What tells these tables from all others that may lie beside them, together with their size and the key. To be changed with what any entry means.
    const KIND: u64;
    /// Whether the kernels gave the known answers on this CPU.
    fn trusted() -> bool;
    /// A table that was built before; `None` where it has another size.
    fn shared(table: Published, wide: bool) -> Option<ShapedTable>;
    /// Tables for up to eight points, wide or not.
    fn build<L: Lanes52>(l: L, points: &[Line], wide: bool) -> Vec<ShapedTable>;
}

impl<C: Signing> Tables for C {
    const BYTES: [usize; 2] = [size_of::<<Comb as Shape>::Table>(), size_of::<<Wide as Shape>::Table>()];

    const KIND: u64 = C::NUMBER << 8 | 1;

    fn trusted() -> bool {
        super::selftest::trusted::<C>()
    }

    fn shared(table: Published, wide: bool) -> Option<ShapedTable> {
        if wide { Lines::shared(table).map(ShapedTable::Wide) } else { Lines::shared(table).map(ShapedTable::Comb) }
    }

    #[inline(always)]
    fn build<L: Lanes52>(l: L, points: &[Line], wide: bool) -> Vec<ShapedTable> {
        fn of_shape<C: Signing, S: Shape<Table = [Line; N]>, L: Lanes52, const N: usize>(
            l: L,
            points: &[Line],
            shaped: fn(Lines<N>) -> ShapedTable,
        ) -> Vec<ShapedTable> {
            let mut tables: Vec<_> = points.iter().map(|_| S::room()).collect();
            l.call(Build::<C, S>::new(points, &mut tables.iter_mut().map(|t| &mut **t).collect::<Vec<_>>()));
            tables.into_iter().map(|table| shaped(Lines::own(&table))).collect()
        }
        if wide {
            of_shape::<C, Wide, L, _>(l, points, ShapedTable::Wide)
        } else {
            of_shape::<C, Comb, L, _>(l, points, ShapedTable::Comb)
        }
    }
}

/// From how many uses on a key gets a wide table, if there is room.
pub(super) const WIDE_USES: u32 = 256;

/// Credits that eight combs cost: some 400 µs, against 1,024 signatures of 2 to 11 µs.
const COMB_COST: u32 = 1024;

/// Credits that eight wide tables cost: some 2 ms.
const WIDE_COST: u32 = 5 * COMB_COST;

/// Credits to begin with: combs for 256 keys, 13 ms of work spread over batches.
const GRANT: u32 = 32 * COMB_COST;

/// The most credits that are saved.
const SAVED: u32 = 2 * WIDE_COST;

/// How many batches fewer than eight keys wait.
const PATIENCE: u32 = 8;

/// How often, a millisecond apart, [`BuildNow`] looks whether other processes have built what they were at.
const WAITS: usize = 100;

/// The most keys that wait.
const WAITING: usize = 32;

/// Keys that wait for a table, and the credits earned.
pub(in crate::alg) struct Waiting {
    combs: Vec<Arc<Slot>>,
    wides: Vec<Arc<Slot>>,
    credits: u32,
    patience: u32,
}

impl Default for Waiting {
    fn default() -> Self {
        Self { combs: Vec::new(), wides: Vec::new(), credits: GRANT, patience: 0 }
    }
}

impl Waiting {
    /// Notes a key that was met without a table, or with a comb.
    pub fn note<T: Tables>(&mut self, slot: &Arc<Slot>, has_comb: bool) {
        let list = if has_comb { &mut self.wides } else { &mut self.combs };
        if list.len() < WAITING && if has_comb { slot.ask_more(T::BYTES[1]) } else { slot.ask() } {
            list.push(slot.clone());
        }
    }

    /// Ends a batch of `signatures`: builds what is due.
    pub fn settle<T: Tables, L: Lanes52>(&mut self, l: L, signatures: usize) {
        let earned = u32::try_from(signatures).unwrap_or(u32::MAX);
        self.credits = self.credits.max(self.credits.saturating_add(earned).min(SAVED));
        if self.combs.is_empty() && self.wides.is_empty() {
            return;
        }
        self.patience += 1;
        let impatient = self.patience >= PATIENCE;
        if !self.combs.is_empty() && self.credits >= COMB_COST && (self.combs.len() >= 8 || impatient) {
            self.patience = 0;
            let slots: Vec<_> = self.combs.drain(..self.combs.len().min(8)).collect();
            if build::<T, L>(l, &slots, false).built {
                self.credits -= COMB_COST;
            }
        } else if !self.wides.is_empty() && self.credits >= WIDE_COST && (self.wides.len() >= 8 || impatient) {
            self.patience = 0;
            let slots: Vec<_> = self.wides.drain(..self.wides.len().min(8)).collect();
            if build::<T, L>(l, &slots, true).built {
                self.credits -= WIDE_COST;
            }
        }
    }
}

impl Drop for Waiting {
    /// Whoever waited may ask elsewhere.
    fn drop(&mut self) {
        for slot in self.combs.iter().chain(&self.wides) {
            slot.answered();
        }
    }
}

/// What came of [`build`].
struct Built {
    /// Whether any table was built.
    built: bool,
    /// Keys whose tables somebody else is building at this moment.
    elsewhere: Vec<Arc<Slot>>,
}

/// Places tables for up to eight keys, for those that the shelf has room for: those that other processes have built, and for all others new ones, unless
/// somebody else is building them.
fn build<T: Tables, L: Lanes52>(l: L, slots: &[Arc<Slot>], wide: bool) -> Built {
    let bytes = T::BYTES[usize::from(wide)];
    // A wide table takes the place of a comb, so room is asked for the whole of it all the same: both are there for a moment.
    let mut reserved = 0;
    let (admitted, refused): (Vec<_>, Vec<_>) = slots.iter().partition(|slot| {
        let fits = shelf::make_room(reserved + bytes, slot.uses());
        reserved += if fits { bytes } else { 0 };
        fits
    });
    for slot in refused {
        slot.answered();
    }
    let (mut missing, mut elsewhere) = (Vec::new(), Vec::new());
    for slot in admitted {
        match slot.claim(T::KIND, bytes / size_of::<Line>()) {
            Claim::Ready(table) => {
                if let Some(table) = T::shared(table, wide) {
                    shelf::place(slot, KeyTable::found(table));
                }
                slot.answered();
            }
            // It may ask again.
            Claim::Later => {
                slot.answered();
                elsewhere.push(slot.clone());
            }
            Claim::Build(place) => missing.push((slot, Some(place))),
            Claim::None => missing.push((slot, None)),
        }
    }
    if missing.is_empty() {
        return Built { built: false, elsewhere };
    }
    let points: Vec<Line> = missing.iter().map(|(slot, _)| slot.point).collect();
    for ((slot, place), table) in missing.into_iter().zip(T::build(l, &points, wide)) {
        let table = KeyTable::new(table);
        let published = place.and_then(|place| place.publish(table.lines()));
        let table = match published.and_then(|published| T::shared(published, wide)) {
            Some(shared) => table.moved(shared),
            None => table,
        };
        shelf::place(slot, table);
        slot.answered();
    }
    Built { built: true, elsewhere }
}

/// The sizes of tables that processes share. Wide ones are for few keys, so half the memory is the most that they may take.
pub(in crate::alg) fn shared_sizes() -> [TableSize; 4] {
    let size = |bytes: usize, part| TableSize { lines: bytes / size_of::<Line>(), part };
    let [comb, wide] = <crate::curve::P256 as Tables>::BYTES;
    let [flat_comb, flat_wide] = <crate::alg::ed25519::Edwards as Tables>::BYTES;
    [size(comb, 1), size(flat_comb, 1), size(wide, 2), size(flat_wide, 2)]
}

/// Builds tables for keys that have none, now, as far as the cap allows: wide ones if they fit for all.
pub(in crate::alg) struct BuildNow<'a, T> {
    slots: &'a [Arc<Slot>],
    of: std::marker::PhantomData<T>,
}

/// See [`BuildNow`]; whether that was done.
pub(in crate::alg) fn build_now<T: Tables>(slots: &[Arc<Slot>]) -> bool {
    if slots.is_empty() {
        return true;
    }
    #[cfg(target_arch = "x86_64")]
    if let Some(ifma) = Cpu::detect().avx512_ifma().filter(|_| T::trusted()) {
        ifma.call(BuildNow::<T> { slots, of: std::marker::PhantomData });
        return true;
    }
    false
}

/// As [`build_now`], for plain code.
pub(in crate::alg) fn build_plain_now<T: Tables>(slots: &[Arc<Slot>]) {
    if T::trusted() {
        Model.call(BuildNow::<T> { slots, of: std::marker::PhantomData });
    }
}

impl<T: Tables, L: Lanes52> Kernel<L> for BuildNow<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self, l: L) {
        let mut missing: Vec<_> = self.slots.iter().filter(|slot| !slot.has_table()).cloned().collect();
        // All alike: wide tables for the first of many would leave the last without any.
        let wide = shelf::wide_fits(T::BYTES[1], missing.len());
        for _ in 0..WAITS {
            missing = missing.chunks(8).flat_map(|slots| build::<T, L>(l, slots, wide).elsewhere).collect();
            if missing.is_empty() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }
}
