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

struct Slot<T> {
    state: AtomicU64,
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
        Self { slots: [const { Slot { state: AtomicU64::new(FREE), content: UnsafeCell::new(None) } }; CAPACITY] }
    }

    /// Puts `content` into a free slot; `None` where all are taken.
    pub fn open(&self, content: T) -> Option<usize> {
        for (index, slot) in self.slots.iter().enumerate() {
            let state = slot.state.load(Ordering::Relaxed);
            if state & STATE != FREE {
                continue;
            }
            let generation = state >> GENERATION_SHIFT;
            let ours = generation << GENERATION_SHIFT | BUSY;
            // Acquire: what the closer did to the content comes before what we do.
            if slot.state.compare_exchange(state, ours, Ordering::Acquire, Ordering::Relaxed).is_err() {
                continue;
            }
            // SAFETY: the CAS above made this thread the only holder of the slot.
            unsafe { *slot.content.get() = Some(content) };
            slot.state.store(generation << GENERATION_SHIFT | OPEN, Ordering::Release);
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
    pub fn hold(&self, handle: usize) -> Result<Held<'_, T>, portcullis_result> {
        let (slot, generation) = self.find(handle)?;
        if generation > GENERATION_MAX {
            return Err(portcullis_result::PORTCULLIS_BAD_HANDLE);
        }
        let own = generation << GENERATION_SHIFT;
        match slot.state.compare_exchange(own | OPEN, own | BUSY, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => Ok(Held { slot, generation }),
            Err(state) if state >> GENERATION_SHIFT == generation && state & STATE != FREE => {
                Err(portcullis_result::PORTCULLIS_BUSY)
            }
            Err(_) => Err(portcullis_result::PORTCULLIS_BAD_HANDLE),
        }
    }

    /// Looks at the content behind `handle` beside other readers.
    pub fn share(&self, handle: usize) -> Result<Shared<'_, T>, portcullis_result>
    where
        T: Sync,
    {
        let (slot, generation) = self.find(handle)?;
        let mut state = slot.state.load(Ordering::Relaxed);
        loop {
            if state >> GENERATION_SHIFT != generation || state & STATE == FREE {
                return Err(portcullis_result::PORTCULLIS_BAD_HANDLE);
            }
            if state & STATE == BUSY || state & READERS == READERS {
                return Err(portcullis_result::PORTCULLIS_BUSY);
            }
            match slot.state.compare_exchange_weak(state, state + READER, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => break,
                Err(found) => state = found,
            }
        }
        // SAFETY: the CAS above counted this reader in an OPEN slot; until it counts itself off, nobody can make the slot BUSY, so the content
        // stays and is not changed.
        let content = unsafe { (*slot.content.get()).as_ref() };
        match content {
            Some(content) => Ok(Shared { slot, content }),
            None => {
                slot.state.fetch_sub(READER, Ordering::Release);
                Err(portcullis_result::PORTCULLIS_BAD_HANDLE)
            }
        }
    }

    /// Takes the content behind `handle` out; the handle is bad from here on.
    pub fn close(&self, handle: usize) -> Result<T, portcullis_result> {
        let held = self.hold(handle)?;
        // SAFETY: `held` makes this thread the only holder of the slot.
        let content = unsafe { (*held.slot.content.get()).take() };
        let next = (held.generation + 1) & GENERATION_MAX;
        held.slot.state.store(next << GENERATION_SHIFT | FREE, Ordering::Release);
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
        self.slot.state.store(self.generation << GENERATION_SHIFT | OPEN, Ordering::Release);
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
        self.slot.state.fetch_sub(READER, Ordering::Release);
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
