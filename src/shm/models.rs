//! Every interleaving of processes that create and attach to a region at once; run with `RUSTFLAGS="--cfg loom" cargo test --release --lib models`.
//!
//! A model of two files: each creator has one of its own, writes its header there and publishes it by `link`, which is one atomic step of the file
//! system that fails where the name exists. Here the name is a word that holds the number of the file, and `link` a compare-and-swap on it.

use super::region::put_header;
use crate::sync::{AtomicU64, Ordering};
use loom::thread;
use std::sync::Arc;

const WORDS: usize = 3;

struct Disk {
    /// 0: no such file; else 1 + the number of the file.
    name: AtomicU64,
    files: [[AtomicU64; WORDS]; 2],
}

fn disk() -> Arc<Disk> {
    let file = || std::array::from_fn(|_| AtomicU64::new(0));
    Arc::new(Disk { name: AtomicU64::new(0), files: [file(), file()] })
}

/// What process `own` writes: the magic, and words that name it.
fn header(own: usize) -> [u64; WORDS] {
    [7, 100 + own as u64, 200 + own as u64]
}

fn link(disk: &Disk, own: usize) -> bool {
    disk.name.compare_exchange(0, own as u64 + 1, Ordering::AcqRel, Ordering::Acquire).is_ok()
}

/// Reads the file under the name: its header, if there is one.
fn attach(disk: &Disk) -> Option<[u64; WORDS]> {
    let file = (disk.name.load(Ordering::Acquire) as usize).checked_sub(1)?;
    Some(std::array::from_fn(|word| disk.files[file][word].load(Ordering::Relaxed)))
}

/// Opens the region: whether this process made it, and the header that it goes by.
fn open(disk: &Disk, own: usize) -> (bool, [u64; WORDS]) {
    if let Some(found) = attach(disk) {
        return (false, found);
    }
    put_header(&disk.files[own], &header(own), |word, value, order| word.store(value, order));
    if link(disk, own) { (true, header(own)) } else { (false, attach(disk).expect("it exists")) }
}

fn race(open: fn(&Disk, usize) -> (bool, [u64; WORDS])) {
    loom::model(move || {
        let disk = disk();
        let other = {
            let disk = disk.clone();
            thread::spawn(move || open(&disk, 1))
        };
        let reader = {
            let disk = disk.clone();
            thread::spawn(move || attach(&disk))
        };
        let (own, other) = (open(&disk, 0), other.join().unwrap());
        assert_eq!(u8::from(own.0) + u8::from(other.0), 1, "one of them makes it");
        assert_eq!(own.1, other.1, "and both go by the same header");
        let seen = reader.join().unwrap();
        assert!(seen.is_none() || seen == Some(own.1), "a whole header or no file");
    });
}

#[test]
fn one_of_two_creates_and_all_see_a_whole_header() {
    race(open);
}

// What must be caught.

#[test]
#[should_panic(expected = "whole header")]
fn publishing_before_writing_is_caught() {
    race(|disk, own| {
        if link(disk, own) {
            put_header(&disk.files[own], &header(own), |word, value, order| word.store(value, order));
            (true, header(own))
        } else {
            // Waiting for the magic, so that only the reader is misled.
            while disk.files[1 - own][0].load(Ordering::Acquire) == 0 {
                thread::yield_now();
            }
            (false, attach(disk).expect("it exists"))
        }
    });
}
