//! Requests under way that hold something: what each of them holds, so that it is given back exactly once.
//!
//! A process keeps one book for all its workers. A worker writes a record when a request is accepted, and hands out its token; whoever reports
//! the request's end, on whatever thread, strikes the record out by compare-and-swap on the token's serial number, and only who succeeds
//! gives back what the record lists. A token that was struck out, or never was one, finds nothing.
//!
//! ```text
//! token: 63..56 worker number | 55..36 record | 35..0 serial number, never zero, never used twice for a record
//! ```
//!
//! Records are found by walking on from the last one, and more are made where the next few are all in use: memory grows with the most requests
//! that were ever under way at once, up to 2^20 for each worker.

use super::inflight::WORKERS;
use crate::sync::{AtomicU64, Ordering};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

/// Words that a record keeps for its holder.
pub(super) const PARTS: usize = 3;
const SERIAL_BITS: u32 = 36;
const INDEX_BITS: u32 = 20;
/// Chunk k has 64 × 2^k records, so that chunk and place follow from the number of a record.
const FIRST: usize = 64;
const CHUNKS: usize = (INDEX_BITS - FIRST.ilog2()) as usize;
/// Records looked at before more are made.
const LOOK: usize = 32;

#[derive(Default)]
pub(super) struct Record {
    /// The serial number while the record is in use, else 0.
    pub(super) serial: AtomicU64,
    parts: [AtomicU64; PARTS],
}

impl Record {
    /// Writes the parts of `serial`. By the shelf's one worker, where [`Record::is_free`].
    pub(super) fn write(&self, serial: u64, parts: [u64; PARTS]) {
        for (place, part) in self.parts.iter().zip(parts) {
            place.store(part, Ordering::Relaxed);
        }
        // Release: who finds the serial number finds the parts.
        self.serial.store(serial, Ordering::Release);
    }

    pub(super) fn is_free(&self) -> bool {
        // Acquire: who struck the record out has read its parts before they are written anew.
        self.serial.load(Ordering::Acquire) == 0
    }

    /// Strikes `serial` out: its parts for the one caller who does.
    pub(super) fn strike(&self, serial: u64) -> Option<[u64; PARTS]> {
        // Acquire: with the Release of `write`.
        if serial == 0 || self.serial.load(Ordering::Acquire) != serial {
            return None;
        }
        let parts = self.parts();
        // Release: the parts are read before the record is free. They were this serial's, if it is still there: a serial comes once.
        self.serial.compare_exchange(serial, 0, Ordering::AcqRel, Ordering::Relaxed).is_ok().then_some(parts)
    }

    pub(super) fn parts(&self) -> [u64; PARTS] {
        std::array::from_fn(|i| self.parts[i].load(Ordering::Relaxed))
    }
}

/// The records of one worker number. One worker writes, anybody strikes out.
#[derive(Default)]
struct Shelf {
    chunks: [OnceLock<Box<[Record]>>; CHUNKS],
    /// The last serial number given out.
    last: AtomicU64,
}

impl Shelf {
    fn record(&self, index: usize) -> Option<&Record> {
        let slot = index + FIRST;
        let chunk = (slot.ilog2() - FIRST.ilog2()) as usize;
        self.chunks.get(chunk)?.get()?.get(slot - (FIRST << chunk))
    }

    /// How many records there are.
    fn len(&self) -> usize {
        let made = self.chunks.iter().take_while(|chunk| chunk.get().is_some()).count();
        (FIRST << made) - FIRST
    }

    /// One more chunk. `false`: no more.
    fn grow(&self) -> bool {
        let made = self.chunks.iter().take_while(|chunk| chunk.get().is_some()).count();
        let records = || (0..FIRST << made).map(|_| Record::default()).collect();
        self.chunks.get(made).is_some_and(|chunk| chunk.set(records()).is_ok())
    }
}

/// The book of a process.
pub(super) struct Flights {
    shelves: Box<[Shelf]>,
    /// Where serial numbers begin: tokens of another process are not taken for one's own.
    begin: u64,
}

impl fmt::Debug for Flights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").finish_non_exhaustive()
    }
}

impl Flights {
    pub fn new() -> Self {
        let shelves = (0..WORKERS).map(|_| Shelf::default()).collect();
        // Seeded by the system.
        Self { shelves, begin: RandomState::new().hash_one(std::process::id()) }
    }

    /// Writes down what a request of worker `number` holds. `cursor` is the worker's own; it alone writes to its shelf. `None`: too many
    /// are under way.
    pub fn begin(&self, number: usize, cursor: &mut usize, parts: [u64; PARTS]) -> Option<u64> {
        let shelf = self.shelves.get(number)?;
        let index = loop {
            let len = shelf.len();
            let free = |index: &usize| shelf.record(*index).is_some_and(Record::is_free);
            if let Some(index) = (0..LOOK.min(len)).map(|step| (*cursor + step) % len).find(free) {
                break index;
            }
            if shelf.grow() {
                *cursor = len;
            } else {
                *cursor = (*cursor + LOOK) % len.max(1);
                return None;
            }
        };
        *cursor = index + 1;
        let record = shelf.record(index)?;
        let mask = (1 << SERIAL_BITS) - 1;
        // Relaxed: one worker counts here.
        let count = shelf.last.fetch_add(1, Ordering::Relaxed);
        let serial = (self.begin.wrapping_add(count) & mask).max(1);
        record.write(serial, parts);
        Some((number as u64) << (SERIAL_BITS + INDEX_BITS) | (index as u64) << SERIAL_BITS | serial)
    }

    /// Strikes the record out. What it held, for the one caller who does; `None` for every other.
    pub fn end(&self, token: u64) -> Option<[u64; PARTS]> {
        let serial = token & ((1 << SERIAL_BITS) - 1);
        let index = (token >> SERIAL_BITS) as usize & ((1 << INDEX_BITS) - 1);
        self.shelves.get((token >> (SERIAL_BITS + INDEX_BITS)) as usize)?.record(index)?.strike(serial)
    }

    /// Strikes out everything of worker `number`.
    pub fn end_all(&self, number: usize, mut each: impl FnMut([u64; PARTS])) {
        let Some(shelf) = self.shelves.get(number) else { return };
        for index in 0..shelf.len() {
            let serial = shelf.record(index).map_or(0, |record| record.serial.load(Ordering::Acquire));
            let token = (number as u64) << (SERIAL_BITS + INDEX_BITS) | (index as u64) << SERIAL_BITS | serial;
            if serial != 0
                && let Some(parts) = self.end(token)
            {
                each(parts);
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_record_is_struck_out_once_by_whoever_comes_first() {
        let book = Flights::new();
        let mut cursor = 0;
        let mut tokens: Vec<u64> = (0..5000).map(|n| book.begin(3, &mut cursor, [n, n + 1, n + 2]).unwrap()).collect();
        assert_eq!(tokens.iter().collect::<HashSet<_>>().len(), 5000);
        let ended: Vec<Vec<u64>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| tokens.iter().filter_map(|token| book.end(*token)).map(|p| p[0]).collect()))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let mut all: Vec<u64> = ended.concat();
        all.sort_unstable();
        assert_eq!(all, (0..5000).collect::<Vec<_>>());
        // The same places are used again, under other numbers.
        let more: Vec<u64> = (0..5000).map(|n| book.begin(3, &mut cursor, [n; 3]).unwrap()).collect();
        assert!(tokens.iter().all(|token| book.end(*token).is_none()));
        assert!(book.shelves[3].len() < 20_000);
        tokens.clear();
        book.end_all(3, |parts| tokens.push(parts[0]));
        assert_eq!(tokens.len(), 5000);
        assert!(more.iter().all(|token| book.end(*token).is_none()));
        for nonsense in [0, 1, u64::MAX, 3 << 56, 3 << 56 | 1, 254 << 56 | 5] {
            assert!(book.end(nonsense).is_none());
        }
    }
}
