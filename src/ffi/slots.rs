//! Where handles lead: a fixed table of slots, each with a generation.
//!
//! ```text
//! handle:  63 ........ 16 | 15 ..... 0        state of a slot:  63 ...... 2 | 1 0
//!          generation     | index + 1                           generation  | FREE, OPEN or BUSY
//! ```
//!
//! A handle is good while its slot is OPEN or BUSY with the handle's generation. Taking the content is one CAS from OPEN to BUSY, giving it
//! back one store; closing takes the content for good and raises the generation, so that the closed handle never fits again.

use super::types::portcullis_result;
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicU64, Ordering};

const FREE: u64 = 0;
const OPEN: u64 = 1;
const BUSY: u64 = 2;
const STATE: u64 = 3;
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

// SAFETY: a slot's content is touched only by the thread that moved its state to BUSY (by CAS), and is handed on by a release store that the
// next CAS acquires; so `T: Send` is enough for threads to share the table.
unsafe impl<T: Send> Sync for Table<T> {}

/// The content of a slot, held by one thread until dropped.
pub struct Held<'t, T> {
    slot: &'t Slot<T>,
    generation: u64,
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
            let generation = state >> 2;
            // Acquire: what the closer did to the content comes before what we do.
            if slot.state.compare_exchange(state, generation << 2 | BUSY, Ordering::Acquire, Ordering::Relaxed).is_err()
            {
                continue;
            }
            // SAFETY: the CAS above made this thread the only holder of the slot.
            unsafe { *slot.content.get() = Some(content) };
            slot.state.store(generation << 2 | OPEN, Ordering::Release);
            return Some((generation as usize) << 16 | (index + 1));
        }
        None
    }

    fn find(&self, handle: usize) -> Option<(&Slot<T>, u64)> {
        let index = (handle & 0xffff).checked_sub(1)?;
        Some((self.slots.get(index)?, (handle >> 16) as u64))
    }

    /// Takes the content behind `handle` for this thread.
    pub fn hold(&self, handle: usize) -> Result<Held<'_, T>, portcullis_result> {
        let (slot, generation) = self.find(handle).ok_or(portcullis_result::PORTCULLIS_BAD_HANDLE)?;
        match slot.state.compare_exchange(
            generation << 2 | OPEN,
            generation << 2 | BUSY,
            Ordering::Acquire,
            Ordering::Relaxed,
        ) {
            Ok(_) => Ok(Held { slot, generation }),
            Err(state) if state == generation << 2 | BUSY => Err(portcullis_result::PORTCULLIS_BUSY),
            Err(_) => Err(portcullis_result::PORTCULLIS_BAD_HANDLE),
        }
    }

    /// Takes the content behind `handle` out; the handle is bad from here on.
    pub fn close(&self, handle: usize) -> Result<T, portcullis_result> {
        let held = self.hold(handle)?;
        // SAFETY: `held` makes this thread the only holder of the slot.
        let content = unsafe { (*held.slot.content.get()).take() };
        let next = (held.generation + 1) & (u64::MAX >> 16);
        held.slot.state.store(next << 2 | FREE, Ordering::Release);
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
        self.slot.state.store(self.generation << 2 | OPEN, Ordering::Release);
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
        }
        assert_eq!(TABLE.close(again).unwrap(), "b");
    }
}
