//! The shelf: key tables of the process, under one cap of bytes.
//!
//! Where the gateway's processes share a region, the tables lie in a file beside it (see [`crate::shm::Tables`]), and the shelf holds on to those that this
//! process uses; they count towards its cap like its own. Where there is no room for them there, or no file, the process builds its own.
//!
//! A table hangs on its key's [`Slot`], where a verifier takes it with one atomic load; it is freed when the key goes, when it is evicted,
//! or when the last batch that uses it ends, whichever is latest. The shelf knows the slots by weak references and counts the bytes.
//!
//! **Who may have a table.** A key asks at its second use, so keys that are seen once cost nothing. When the cap is reached, a table is
//! built only in the place of another: of a few slots looked at, the one that was idle longest. It has to go if it was idle for
//! [`IDLE`] batches, or if the key that asks was used more often; otherwise the key that asks goes without, and the occupant's count is
//! halved, so that past glory fades. A flood of new keys, each used twice, therefore displaces nobody who is in use.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use arc_swap::ArcSwapOption;

use crate::lanes::{Line, prefetch_of};
use crate::shm::{Claim, Packed, Published, TableId, Tables as Shared};
use crate::sync::soon;

/// Default cap: 256 MiB.
const DEFAULT_BYTES: usize = 256 << 20;

/// How many batches a table must have lain idle to be evicted by a newcomer that was used less often.
const IDLE: u32 = 1024;

/// How many slots an eviction looks at.
const LOOKS: usize = 16;

static SHELF: Shelf = Shelf {
    cap: AtomicUsize::new(DEFAULT_BYTES),
    bytes: AtomicUsize::new(0),
    tables: AtomicUsize::new(0),
    shared_bytes: AtomicUsize::new(0),
    shared_tables: AtomicUsize::new(0),
    built: AtomicU64::new(0),
    attached: AtomicU64::new(0),
    evicted: AtomicU64::new(0),
    exceptional: AtomicU64::new(0),
    batches: AtomicU32::new(0),
    slots: Mutex::new(Vec::new()),
};

struct Shelf {
    cap: AtomicUsize,
    bytes: AtomicUsize,
    tables: AtomicUsize,
    shared_bytes: AtomicUsize,
    shared_tables: AtomicUsize,
    built: AtomicU64,
    attached: AtomicU64,
    evicted: AtomicU64,
    exceptional: AtomicU64,
    batches: AtomicU32,
    slots: Mutex<Vec<Weak<Slot>>>,
}

/// What the key tables of this process amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyTables {
    /// The cap in bytes.
    pub cap: usize,
    /// Bytes held, in memory of the process and in files that it shares with others.
    pub bytes: usize,
    /// Tables held.
    pub tables: usize,
    /// Of the bytes, those in shared files.
    pub shared_bytes: usize,
    /// Of the tables, those in shared files.
    pub shared_tables: usize,
    /// Tables built since the start, by this process.
    pub built: u64,
    /// Tables taken from shared files since the start, which this process or another one had built.
    pub attached: u64,
    /// Tables evicted since the start.
    pub evicted: u64,
    /// Signatures that met an exceptional case of the curve formulas and were decided one at a time.
    pub exceptional: u64,
}

/// The state of the key tables.
#[must_use]
pub fn key_tables() -> KeyTables {
    KeyTables {
        cap: SHELF.cap.load(Relaxed),
        bytes: SHELF.bytes.load(Relaxed),
        tables: SHELF.tables.load(Relaxed),
        shared_bytes: SHELF.shared_bytes.load(Relaxed),
        shared_tables: SHELF.shared_tables.load(Relaxed),
        built: SHELF.built.load(Relaxed),
        attached: SHELF.attached.load(Relaxed),
        evicted: SHELF.evicted.load(Relaxed),
        exceptional: SHELF.exceptional.load(Relaxed),
    }
}

/// Caps the bytes of key tables (default 256 MiB); 0 stops the building of tables. What is held above a lower cap is evicted.
pub fn set_key_table_bytes(cap: usize) {
    SHELF.cap.store(cap, Relaxed);
    let Some(mut slots) = soon(&SHELF.slots) else { return };
    while SHELF.bytes.load(Relaxed) > cap {
        let Some(slot) = slots.pop() else { break };
        if let Some(slot) = slot.upgrade() {
            slot.clear();
        }
    }
}

/// Counts signatures that were decided one at a time.
pub(super) fn count_exceptional(n: u64) {
    SHELF.exceptional.fetch_add(n, Relaxed);
}

/// A batch begins; its number, for telling idle tables.
pub(in crate::alg) fn next_batch() -> u32 {
    SHELF.batches.fetch_add(1, Relaxed)
}

/// A key's table, of the shape that was chosen for it.
pub(in crate::alg) struct KeyTable {
    pub shape: ShapedTable,
}

/// The shapes.
pub(in crate::alg) enum ShapedTable {
    /// P-256 or SM2.
    Comb(Lines<512>),
    Wide(Lines<4096>),
    /// P-256 or SM2, for plain code.
    Plain(Lines<512>),
    /// Ed25519.
    FlatComb(Lines<770>),
    FlatWide(Lines<6146>),
}

/// A table in memory of this process, or in a file that it shares.
pub(in crate::alg) enum Lines<const N: usize> {
    Own(Packed<N>),
    /// Of `N` lines: kept by [`Lines::shared`].
    Shared(Published),
}

impl<const N: usize> Lines<N> {
    /// A table of this process.
    pub fn own(table: &[Line; N]) -> Self {
        Self::Own(Packed::new(table))
    }

    /// `None` where it has not as many lines.
    pub fn shared(table: Published) -> Option<Self> {
        (table.len() == N).then_some(Self::Shared(table))
    }

    fn place(&self) -> (&[Line], Option<&Published>) {
        match self {
            Self::Own(table) => (&table[..], None),
            Self::Shared(table) => (table, Some(table)),
        }
    }
}

impl<const N: usize> Deref for Lines<N> {
    type Target = [Line; N];

    #[inline]
    fn deref(&self) -> &[Line; N] {
        match self {
            Self::Own(table) => table,
            Self::Shared(table) => match table.first_chunk() {
                Some(table) => table,
                None => unreachable!("its length was checked when it was taken"),
            },
        }
    }
}

impl KeyTable {
    /// A table that this process has built.
    pub fn new(shape: ShapedTable) -> Self {
        SHELF.built.fetch_add(1, Relaxed);
        Self::counted(shape)
    }

    /// A table that was there.
    pub fn found(shape: ShapedTable) -> Self {
        SHELF.attached.fetch_add(1, Relaxed);
        Self::counted(shape)
    }

    /// The same table in another place.
    pub fn moved(self, shape: ShapedTable) -> Self {
        Self::counted(shape)
    }

    fn counted(shape: ShapedTable) -> Self {
        let table = Self { shape };
        SHELF.bytes.fetch_add(table.bytes(), Relaxed);
        SHELF.tables.fetch_add(1, Relaxed);
        if table.place().1.is_some() {
            SHELF.shared_bytes.fetch_add(table.bytes(), Relaxed);
            SHELF.shared_tables.fetch_add(1, Relaxed);
        }
        table
    }

    fn place(&self) -> (&[Line], Option<&Published>) {
        match &self.shape {
            ShapedTable::Comb(table) | ShapedTable::Plain(table) => table.place(),
            ShapedTable::Wide(table) => table.place(),
            ShapedTable::FlatComb(table) => table.place(),
            ShapedTable::FlatWide(table) => table.place(),
        }
    }

    /// Its lines.
    pub fn lines(&self) -> &[Line] {
        self.place().0
    }

    fn bytes(&self) -> usize {
        size_of_val(self.lines())
    }

    /// Whether it lay in a shared file that was truncated by now: what was computed with it means nothing, and is to be computed otherwise.
    #[inline]
    pub fn is_lost(&self) -> bool {
        self.place().1.is_some_and(Published::is_lost)
    }
}

impl Drop for KeyTable {
    fn drop(&mut self) {
        SHELF.bytes.fetch_sub(self.bytes(), Relaxed);
        SHELF.tables.fetch_sub(1, Relaxed);
        if self.place().1.is_some() {
            SHELF.shared_bytes.fetch_sub(self.bytes(), Relaxed);
            SHELF.shared_tables.fetch_sub(1, Relaxed);
        }
    }
}

/// A key's point, and the place of its table.
pub(in crate::alg) struct Slot {
    /// The point, as tables and kernels take it.
    pub point: Line,
    table: ArcSwapOption<KeyTable>,
    /// Where other processes look for its table too, if they do.
    shared: OnceLock<Shared>,
    uses: AtomicU32,
    last: AtomicU32,
    /// Set while a verifier has it on its list of tables to build.
    asked: AtomicBool,
}

impl Slot {
    pub fn new(point: Line) -> Arc<Self> {
        Arc::new(Self {
            point,
            table: ArcSwapOption::empty(),
            shared: OnceLock::new(),
            uses: AtomicU32::new(0),
            last: AtomicU32::new(0),
            asked: AtomicBool::new(false),
        })
    }

    /// The table, for a use in `batch`.
    pub fn take(&self, batch: u32) -> Option<Arc<KeyTable>> {
        // Lost updates do no harm: these only guide evictions.
        let uses = self.uses.load(Relaxed);
        if uses < u32::MAX {
            self.uses.store(uses + 1, Relaxed);
        }
        if self.last.load(Relaxed) != batch {
            self.last.store(batch, Relaxed);
        }
        self.table.load_full()
    }

    /// Asks for the head of its table, if it has one.
    pub fn prefetch_table(&self) {
        if let Some(table) = self.table.load().as_deref() {
            prefetch_of(table);
        }
    }

    /// How often it was used, faded by evictions that passed it over.
    pub fn uses(&self) -> u32 {
        self.uses.load(Relaxed)
    }

    /// Whether a table is to be asked for: at the second use, if nobody has asked. Answers `true` once.
    pub fn ask(&self) -> bool {
        self.uses() >= 2 && SHELF.cap.load(Relaxed) > 0 && !self.asked.swap(true, Relaxed)
    }

    /// Whether the table is to be replaced by a greater one of `bytes`; as [`ask`](Self::ask).
    pub fn ask_more(&self, bytes: usize) -> bool {
        self.uses() >= super::build::WIDE_USES && wide_fits(bytes, 1) && !self.asked.swap(true, Relaxed)
    }

    /// The asking has ended, with a table or without.
    pub fn answered(&self) {
        self.asked.store(false, Relaxed);
    }

    pub fn has_table(&self) -> bool {
        self.table.load().is_some()
    }

    /// From now on its tables are those of a file that other processes share.
    pub fn share(&self, tables: &Shared) {
        // Where it is told twice, the first one counts.
        let _ = self.shared.set(tables.clone());
    }

    /// What is to be done for a table of that kind.
    pub fn claim(&self, kind: u64, lines: usize) -> Claim {
        match self.shared.get() {
            Some(shared) => shared.claim(&TableId { kind, point: self.point, lines }),
            None => Claim::None,
        }
    }

    fn is_lost(&self) -> bool {
        self.table.load().as_ref().is_some_and(|table| table.is_lost())
    }

    fn clear(&self) {
        if self.table.swap(None).is_some() {
            SHELF.evicted.fetch_add(1, Relaxed);
        }
    }
}

/// Drops the tables that were lost with the file they lay in.
pub(in crate::alg) fn drop_lost() {
    let Some(mut slots) = soon(&SHELF.slots) else { return };
    slots.retain(|slot| {
        let Some(slot) = slot.upgrade() else { return false };
        let lost = slot.is_lost();
        if lost {
            slot.clear();
        }
        !lost
    });
}

/// Whether half the cap could hold a wide table, which has `wide` bytes, for every key that has any and for `more` others.
pub(super) fn wide_fits(wide: usize, more: usize) -> bool {
    SHELF.tables.load(Relaxed).saturating_add(more).saturating_mul(wide) <= SHELF.cap.load(Relaxed) / 2
}

/// Makes room for `bytes` that a key used `uses` times asks for; whether there is. Never waits for another thread.
pub(super) fn make_room(bytes: usize, uses: u32) -> bool {
    let fits = || SHELF.bytes.load(Relaxed).saturating_add(bytes) <= SHELF.cap.load(Relaxed);
    if fits() {
        return true;
    }
    let Ok(mut slots) = SHELF.slots.try_lock() else { return false };
    let now = SHELF.batches.load(Relaxed);
    // A start that moves on with every attempt; slots lie in the order in which their tables came.
    let mut at = now as usize;
    for _ in 0..LOOKS {
        if fits() {
            return true;
        }
        let mut oldest: Option<(u32, usize)> = None;
        for _ in 0..LOOKS {
            if slots.is_empty() {
                return fits();
            }
            at = at.wrapping_mul(0x9e37_79b1).wrapping_add(0x7f4a_7c15) % slots.len();
            match slots[at].upgrade() {
                Some(slot) if slot.has_table() => {
                    let idle = now.wrapping_sub(slot.last.load(Relaxed));
                    if oldest.is_none_or(|(age, _)| idle >= age) {
                        oldest = Some((idle, at));
                    }
                }
                // The key or its table is gone. The last one takes its place, so the index found before may no longer hold.
                _ => {
                    slots.swap_remove(at);
                    oldest = None;
                }
            }
        }
        let Some((idle, at)) = oldest else { continue };
        let Some(slot) = slots.get(at).and_then(Weak::upgrade) else { continue };
        let kept = slot.uses();
        if idle >= IDLE || kept < uses {
            slots.swap_remove(at);
            slot.clear();
        } else {
            slot.uses.store(kept / 2, Relaxed);
            return false;
        }
    }
    fits()
}

/// Puts a table in its slot. Where the list is lost to a fork, no table is kept that could not be evicted.
pub(super) fn place(slot: &Arc<Slot>, table: KeyTable) {
    let had = slot.table.swap(Some(Arc::new(table))).is_some();
    if !had {
        match soon(&SHELF.slots) {
            Some(mut slots) => slots.push(Arc::downgrade(slot)),
            None => drop(slot.table.swap(None)),
        }
    }
}
