//! Where handles lead: a fixed table of slots, each with a generation.
//!
//! ```text
//! handle:  63 ........ 16 | 15 ..... 0        state of a slot:  63 ..... 18 | 17 .... 2 | 1 0
//!          generation     | index + 1                           generation  | readers   | FREE, OPEN or BUSY
//! ```
//!
//! A handle is good while its slot is OPEN or BUSY with the handle's generation. The content is held by one thread ([`Table::hold`]: one CAS
//! from OPEN without readers to BUSY, one store back) or looked at by many ([`Table::share`]: a reader more, a reader less). Closing takes
//! the content for good and raises the generation, so that the closed handle never fits again.
//!
//! `models` has every interleaving of holders, readers, closers and those who open the slot again.
//!
//! A child of `fork` has the slots as they were: one that another thread held or looked at in that moment stays so in the child, where it is
//! `PORTCULLIS_BUSY` to holders and closers for ever, and nothing worse.

use super::types::portcullis_result;
use std::cell::UnsafeCell;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};

const FREE: u64 = 0;
const OPEN: u64 = 1;
const BUSY: u64 = 2;
const STATE: u64 = 3;
const READER: u64 = 4;
const READERS: u64 = 0xffff << 2;
const GENERATION_SHIFT: u32 = 18;
const GENERATION_MAX: u64 = u64::MAX >> GENERATION_SHIFT;
/// Slots of one table: as many handles of one kind may be open at once in a process.
pub const CAPACITY: usize = 4096;

/// What the state of a slot is kept in: one word. The standard library's, which a table in static memory can be made of, or loom's.
trait Word {
    /// What it is at the moment.
    fn look(&self) -> u64;
    /// Puts `to` in the place of `from`; who does has what others did before they let go.
    fn take(&self, from: u64, to: u64) -> Result<u64, u64>;
    /// As [`Word::take`], and may fail without cause.
    fn take_weak(&self, from: u64, to: u64) -> Result<u64, u64>;
    /// Lets go of what this thread has taken.
    fn let_go(&self, to: u64);
    /// Takes `by` off.
    fn lower(&self, by: u64);
}

macro_rules! word {
    ($atomic:ty) => {
        impl Word for $atomic {
            #[inline]
            fn look(&self) -> u64 {
                self.load(Ordering::Relaxed)
            }

            #[inline]
            fn take(&self, from: u64, to: u64) -> Result<u64, u64> {
                self.compare_exchange(from, to, Ordering::Acquire, Ordering::Relaxed)
            }

            #[inline]
            fn take_weak(&self, from: u64, to: u64) -> Result<u64, u64> {
                self.compare_exchange_weak(from, to, Ordering::Acquire, Ordering::Relaxed)
            }

            #[inline]
            fn let_go(&self, to: u64) {
                self.store(to, Ordering::Release);
            }

            #[inline]
            fn lower(&self, by: u64) {
                self.fetch_sub(by, Ordering::Release);
            }
        }
    };
}
word!(AtomicU64);

/// Who may touch the content of a slot.
struct Gate<W>(W);

impl<W: Word> Gate<W> {
    /// From FREE to BUSY, and the generation; nothing where the slot is not free.
    fn occupy(&self) -> Option<u64> {
        let state = self.0.look();
        let generation = state >> GENERATION_SHIFT;
        let free = state & STATE == FREE;
        (free && self.0.take(state, generation << GENERATION_SHIFT | BUSY).is_ok()).then_some(generation)
    }

    /// From OPEN without readers to BUSY.
    #[inline]
    fn hold(&self, generation: u64) -> Result<(), portcullis_result> {
        if generation > GENERATION_MAX {
            return Err(portcullis_result::PORTCULLIS_BAD_HANDLE);
        }
        let own = generation << GENERATION_SHIFT;
        match self.0.take(own | OPEN, own | BUSY) {
            Ok(_) => Ok(()),
            Err(state) if state >> GENERATION_SHIFT == generation && state & STATE != FREE => {
                Err(portcullis_result::PORTCULLIS_BUSY)
            }
            Err(_) => Err(portcullis_result::PORTCULLIS_BAD_HANDLE),
        }
    }

    /// From BUSY to OPEN.
    #[inline]
    fn open(&self, generation: u64) {
        self.0.let_go(generation << GENERATION_SHIFT | OPEN);
    }

    /// From BUSY to FREE, for the next generation.
    fn free(&self, generation: u64) {
        self.0.let_go(((generation + 1) & GENERATION_MAX) << GENERATION_SHIFT | FREE);
    }

    /// A reader more.
    fn share(&self, generation: u64) -> Result<(), portcullis_result> {
        let mut state = self.0.look();
        loop {
            if state >> GENERATION_SHIFT != generation || state & STATE == FREE {
                return Err(portcullis_result::PORTCULLIS_BAD_HANDLE);
            }
            if state & STATE == BUSY || state & READERS == READERS {
                return Err(portcullis_result::PORTCULLIS_BUSY);
            }
            match self.0.take_weak(state, state + READER) {
                Ok(_) => return Ok(()),
                Err(found) => state = found,
            }
        }
    }

    /// A reader less.
    fn unshare(&self) {
        self.0.lower(READER);
    }
}

/// On cache lines of its own (two, which processors fetch together): threads with workers beside each other write to none in common.
#[repr(align(128))]
struct Slot<T> {
    gate: Gate<AtomicU64>,
    content: UnsafeCell<Option<T>>,
}

/// A table of handles to `T`.
pub struct Table<T> {
    slots: [Slot<T>; CAPACITY],
}

// SAFETY: a slot's content is changed only by the thread that moved its state to BUSY (by CAS, without readers), and is handed on by a release
// that the next CAS acquires: that needs `T: Send`. Readers share it only while the state is OPEN and counts them: that needs `T: Sync`, which
// `share` asks for.
unsafe impl<T: Send> Sync for Table<T> {}

/// The content of a slot, held by one thread until dropped.
pub struct Held<'t, T> {
    slot: &'t Slot<T>,
    generation: u64,
}

/// The content of a slot, looked at beside other readers until dropped.
pub struct Shared<'t, T> {
    slot: &'t Slot<T>,
    content: &'t T,
}

impl<T> Table<T> {
    /// An empty table.
    pub const fn new() -> Self {
        Self { slots: [const { Slot { gate: Gate(AtomicU64::new(FREE)), content: UnsafeCell::new(None) } }; CAPACITY] }
    }

    /// Puts `content` into a free slot; `None` where all are taken.
    pub fn open(&self, content: T) -> Option<usize> {
        for (index, slot) in self.slots.iter().enumerate() {
            let Some(generation) = slot.gate.occupy() else { continue };
            // SAFETY: the gate has made this thread the only holder of the slot.
            unsafe { *slot.content.get() = Some(content) };
            slot.gate.open(generation);
            return Some((generation as usize) << 16 | (index + 1));
        }
        None
    }

    fn find(&self, handle: usize) -> Result<(&Slot<T>, u64), portcullis_result> {
        let index = (handle & 0xffff).checked_sub(1);
        let slot = index.and_then(|index| self.slots.get(index)).ok_or(portcullis_result::PORTCULLIS_BAD_HANDLE)?;
        Ok((slot, (handle >> 16) as u64))
    }

    /// Takes the content behind `handle` for this thread.
    #[inline]
    pub fn hold(&self, handle: usize) -> Result<Held<'_, T>, portcullis_result> {
        let (slot, generation) = self.find(handle)?;
        slot.gate.hold(generation)?;
        Ok(Held { slot, generation })
    }

    /// Looks at the content behind `handle` beside other readers.
    pub fn share(&self, handle: usize) -> Result<Shared<'_, T>, portcullis_result>
    where
        T: Sync,
    {
        let (slot, generation) = self.find(handle)?;
        slot.gate.share(generation)?;
        // SAFETY: the gate has counted this reader in an OPEN slot; until it counts itself off, nobody can make the slot BUSY, so the content
        // stays and is not changed.
        let content = unsafe { (*slot.content.get()).as_ref() };
        match content {
            Some(content) => Ok(Shared { slot, content }),
            None => {
                slot.gate.unshare();
                Err(portcullis_result::PORTCULLIS_BAD_HANDLE)
            }
        }
    }

    /// Takes the content behind `handle` out; the handle is bad from here on.
    pub fn close(&self, handle: usize) -> Result<T, portcullis_result> {
        let held = self.hold(handle)?;
        // SAFETY: `held` makes this thread the only holder of the slot.
        let content = unsafe { (*held.slot.content.get()).take() };
        held.slot.gate.free(held.generation);
        std::mem::forget(held);
        content.ok_or(portcullis_result::PORTCULLIS_BAD_HANDLE)
    }
}

impl<T> Held<'_, T> {
    /// The content.
    pub fn get(&mut self) -> Option<&mut T> {
        // SAFETY: this value exists only while its thread holds the slot (BUSY), and borrows it uniquely.
        unsafe { (*self.slot.content.get()).as_mut() }
    }
}

impl<T> Drop for Held<'_, T> {
    fn drop(&mut self) {
        self.slot.gate.open(self.generation);
    }
}

impl<T> Deref for Shared<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.content
    }
}

impl<T> Drop for Shared<'_, T> {
    fn drop(&mut self) {
        self.slot.gate.unshare();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_fit_once() {
        static TABLE: Table<String> = Table::new();
        let handle = TABLE.open("a".to_owned()).unwrap();
        {
            let mut held = TABLE.hold(handle).unwrap();
            assert_eq!(held.get().unwrap(), "a");
            assert_eq!(TABLE.hold(handle).err(), Some(portcullis_result::PORTCULLIS_BUSY));
            assert_eq!(TABLE.close(handle).err(), Some(portcullis_result::PORTCULLIS_BUSY));
        }
        assert_eq!(TABLE.close(handle).unwrap(), "a");
        assert_eq!(TABLE.close(handle).err(), Some(portcullis_result::PORTCULLIS_BAD_HANDLE));
        let again = TABLE.open("b".to_owned()).unwrap();
        assert_ne!(again, handle);
        assert!(TABLE.hold(handle).is_err());
        for nonsense in [0, 7, usize::MAX, 1 << 40] {
            assert!(TABLE.hold(nonsense).is_err());
            assert!(TABLE.share(nonsense).is_err());
        }
        assert_eq!(TABLE.close(again).unwrap(), "b");
    }

    #[test]
    fn readers_are_many_and_keep_the_slot_open() {
        static TABLE: Table<String> = Table::new();
        let handle = TABLE.open("a".to_owned()).unwrap();
        let (one, two) = (TABLE.share(handle).unwrap(), TABLE.share(handle).unwrap());
        assert_eq!((one.as_str(), two.as_str()), ("a", "a"));
        assert_eq!(TABLE.hold(handle).err(), Some(portcullis_result::PORTCULLIS_BUSY));
        assert_eq!(TABLE.close(handle).err(), Some(portcullis_result::PORTCULLIS_BUSY));
        drop(one);
        assert_eq!(TABLE.close(handle).err(), Some(portcullis_result::PORTCULLIS_BUSY));
        drop(two);
        {
            let _held = TABLE.hold(handle).unwrap();
            assert_eq!(TABLE.share(handle).err(), Some(portcullis_result::PORTCULLIS_BUSY));
        }
        assert_eq!(TABLE.close(handle).unwrap(), "a");
        assert_eq!(TABLE.share(handle).err(), Some(portcullis_result::PORTCULLIS_BAD_HANDLE));
    }

    #[test]
    fn threads_that_open_share_and_close_never_see_another_content() {
        static TABLE: Table<usize> = Table::new();
        std::thread::scope(|scope| {
            for thread in 0..4usize {
                scope.spawn(move || {
                    for round in 0..20_000 {
                        let own = thread << 32 | round;
                        let handle = TABLE.open(own).unwrap();
                        assert_eq!(*TABLE.share(handle).unwrap(), own);
                        assert_eq!(*TABLE.hold(handle).unwrap().get().unwrap(), own);
                        assert_eq!(TABLE.close(handle).unwrap(), own);
                        assert!(TABLE.share(handle).is_err());
                    }
                });
            }
        });
    }
}

#[cfg(all(test, loom))]
mod models {
    //! `RUSTFLAGS="--cfg loom" cargo test --release --lib models`. loom's cell panics where two touch it at once, or one without what the other did.

    use super::super::bell::Beds;
    use super::*;
    use crate::sync::Ordering as Order;
    use loom::cell::UnsafeCell as Cell;
    use loom::thread;
    use portcullis_result::*;
    use std::sync::Arc;

    word!(loom::sync::atomic::AtomicU64);

    type LoomWord = loom::sync::atomic::AtomicU64;

    struct Room {
        gate: Gate<LoomWord>,
        content: Cell<u64>,
    }

    // SAFETY: loom sees to it that its cell is touched as it must be, which is what is tested.
    unsafe impl Sync for Room {}

    /// An open slot of generation 0 whose content is 100.
    fn room() -> Arc<Room> {
        let room = Room { gate: Gate(LoomWord::new(FREE)), content: Cell::new(100) };
        assert_eq!(room.gate.occupy(), Some(0));
        room.gate.open(0);
        Arc::new(room)
    }

    impl Room {
        fn read(&self) -> u64 {
            // SAFETY: a pointer from loom's cell, to be read while loom counts the reader.
            self.content.with(|content| unsafe { *content })
        }

        fn add(&self, more: u64) {
            // SAFETY: a pointer from loom's cell, to be written while loom counts the writer.
            self.content.with_mut(|content| unsafe { *content += more });
        }

        fn held(&self, more: u64) -> Result<(), portcullis_result> {
            self.gate.hold(0)?;
            self.add(more);
            self.gate.open(0);
            Ok(())
        }

        fn close(&self) -> Result<(), portcullis_result> {
            self.gate.hold(0)?;
            self.add(1_000);
            self.gate.free(0);
            Ok(())
        }
    }

    #[test]
    fn holders_have_the_content_one_after_the_other_and_none_after_it_is_closed() {
        loom::model(|| {
            let room = room();
            let threads: Vec<_> = (0..2)
                .map(|_| {
                    let room = Arc::clone(&room);
                    thread::spawn(move || room.held(1))
                })
                .collect();
            let closed = room.close();
            let held: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            for outcome in &held {
                let refused =
                    if closed.is_ok() { &[PORTCULLIS_BUSY, PORTCULLIS_BAD_HANDLE][..] } else { &[PORTCULLIS_BUSY] };
                assert!(outcome.is_ok() || refused.contains(&outcome.unwrap_err()));
            }
            let count = held.iter().filter(|outcome| outcome.is_ok()).count() as u64;
            assert_eq!(room.read(), 100 + count + if closed.is_ok() { 1_000 } else { 0 });
            assert!(count > 0 || closed.is_ok());
            if closed.is_ok() {
                assert_eq!(
                    (room.held(1), room.close()),
                    (Err(PORTCULLIS_BAD_HANDLE), Err(PORTCULLIS_BAD_HANDLE)),
                    "closed twice"
                );
            }
        });
    }

    /// Two read, one closes the slot as given and another content comes into it.
    fn readers_and_one_who_opens_it_again(close: fn(&Room) -> Result<(), portcullis_result>) {
        loom::model(move || {
            let room = room();
            let readers: Vec<_> = (0..2)
                .map(|_| {
                    let room = Arc::clone(&room);
                    thread::spawn(move || {
                        if room.gate.share(0).is_ok() {
                            assert_eq!(room.read(), 100, "not the content of this handle");
                            room.gate.unshare();
                        }
                    })
                })
                .collect();
            if close(&room).is_ok()
                && let Some(generation) = room.gate.occupy()
            {
                assert_eq!(generation, 1);
                room.add(1);
                room.gate.open(generation);
                assert_eq!(room.gate.share(0), Err(PORTCULLIS_BAD_HANDLE));
            }
            for reader in readers {
                reader.join().unwrap();
            }
        });
    }

    #[test]
    fn readers_see_the_content_of_their_handle_or_none() {
        readers_and_one_who_opens_it_again(Room::close);
    }

    /// Closing that does not look for readers.
    #[test]
    #[should_panic]
    fn closing_beside_readers_takes_their_content_away() {
        readers_and_one_who_opens_it_again(|room| {
            room.add(1_000);
            room.gate.free(0);
            Ok(())
        });
    }

    /// What is submitted while the queue is closed was taken, judged or left, or was refused; and the pool ends.
    #[test]
    fn a_queue_that_is_closed_under_its_submitters_ends_and_loses_nothing() {
        struct Queue {
            gate: Gate<LoomWord>,
            todo: LoomWord,
            stop: LoomWord,
            beds: Beds,
        }
        let mut builder = loom::model::Builder::new();
        builder.max_branches = 20_000;
        builder.preemption_bound = Some(3);
        builder.check(|| {
            let queue = Queue {
                gate: Gate(LoomWord::new(FREE)),
                todo: LoomWord::new(0),
                stop: LoomWord::new(0),
                beds: Beds::new(),
            };
            queue.gate.occupy().unwrap();
            queue.gate.open(0);
            let queue = Arc::new(queue);
            let own = Arc::clone(&queue);
            // As `Inner::run`.
            let pool = thread::spawn(move || {
                let mut judged = 0;
                while own.stop.load(Order::SeqCst) == 0 {
                    let got = own.todo.swap(0, Order::SeqCst);
                    judged += got;
                    if got == 0 {
                        own.beds.sleep(|| own.todo.load(Order::SeqCst) == 0 && own.stop.load(Order::SeqCst) == 0);
                    }
                }
                own.beds.wake();
                judged
            });
            let other = Arc::clone(&queue);
            // As `portcullis_submit`.
            let submitter = thread::spawn(move || {
                other.gate.share(0).map(|()| {
                    other.todo.fetch_add(1, Order::SeqCst);
                    other.beds.wake();
                    other.gate.unshare();
                })
            });
            let first = queue.gate.hold(0);
            let submitted = submitter.join().unwrap();
            // Refused only while another was in a call; there is none any more.
            if first.is_err() {
                assert_eq!(first, Err(PORTCULLIS_BUSY));
                assert_eq!(queue.gate.hold(0), Ok(()));
            }
            queue.gate.free(0);
            queue.stop.store(1, Order::SeqCst);
            queue.beds.wake();
            let judged = pool.join().unwrap();
            assert_eq!(judged + queue.todo.load(Order::SeqCst), u64::from(submitted.is_ok()));
            assert_eq!(queue.gate.share(0), Err(PORTCULLIS_BAD_HANDLE));
        });
    }
}
