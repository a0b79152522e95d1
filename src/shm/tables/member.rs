//! Who shares the tables: a process, by a number that it holds a lock for.
//!
//! Number n belongs to who holds an exclusive lock on byte n of the file, of the kind that belongs to an open file description (`F_OFD_SETLK`). The
//! kernel gives it back when the last descriptor is closed, however the process ends, so that there is no process id to be taken for another's, and
//! containers with namespaces of their own can share. Who gets the lock of a number has made sure that its last owner is gone, and takes
//! away what that one left behind before it uses the number.
//!
//! **Forks.** A child has its parent's open files, so both hold the number, and the pins under it stand for both. Neither may take one away, since it
//! does not know what the other reads. So each process takes a number of its own for all that comes after a fork ([`Member::is_current`]); what was
//! pinned before stays so until both have let go of everything under the old number. A handler that runs before each fork counts them; a process that
//! comes about by a bare `clone`, past the C library, must not use the tables of its parent.

use super::word::MEMBERS;
use std::collections::HashMap;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

/// The byte whose lock is held while a place is looked for.
const CLAIMING: u32 = 63;
/// The byte whose lock is held while the file is removed.
const REMOVING: u32 = 62;

/// For how many milliseconds a number is waited for.
const PATIENCE: u32 = 200;

static FORKS: AtomicU64 = AtomicU64::new(0);

extern "C" fn before_fork() {
    FORKS.fetch_add(1, Ordering::SeqCst);
}

/// How many forks there were in the life of this process and its ancestors; `None` where they cannot be counted.
fn forks() -> Option<u64> {
    static COUNTED: OnceLock<bool> = OnceLock::new();
    // SAFETY: the handler has the type that is asked for, and only adds to an atomic, which is sound before any fork.
    let counted = COUNTED.get_or_init(|| unsafe { libc::pthread_atfork(Some(before_fork), None, None) } == 0);
    counted.then(|| FORKS.load(Ordering::SeqCst))
}

/// Tries to take, or gives back, the lock on one byte of the file.
fn lock(file: &File, byte: u32, take: bool) -> bool {
    // SAFETY: all zeros is a valid `flock`, and the call reads it only, for a descriptor that `file` keeps open.
    unsafe {
        let mut lock: libc::flock = std::mem::zeroed();
        // The constants are small numbers of the C headers.
        lock.l_type = (if take { libc::F_WRLCK } else { libc::F_UNLCK }) as _;
        lock.l_whence = libc::SEEK_SET as _;
        lock.l_start = byte.into();
        lock.l_len = 1;
        libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) == 0
    }
}

/// A lock on the file while it lives.
pub(super) struct Held<'a>(&'a File, u32);

impl<'a> Held<'a> {
    fn take(file: &'a File, byte: u32) -> Option<Self> {
        // Whoever holds one does so for some microseconds.
        for _ in 0..64 {
            if lock(file, byte, true) {
                return Some(Self(file, byte));
            }
            std::thread::yield_now();
        }
        None
    }
}

/// Keeps other processes from removing the file until it is closed. Whether nobody else is at it.
pub(super) fn hold_for_removal(file: &File) -> bool {
    lock(file, REMOVING, true)
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        lock(self.0, self.1, false);
    }
}

/// A number, for as long as it lives.
#[derive(Debug)]
pub(super) struct Member {
    pub number: u32,
    /// Opened by this process for this member alone: the lock belongs to it.
    file: File,
    forks: u64,
    /// How many handles of this process there are to each place; a place has the member's pin while there are any.
    pub handles: Mutex<HashMap<usize, usize>>,
    /// For the threads of the process, which share the locks of the file. Held by who looks for a place, and by who heals.
    pub claiming: Mutex<()>,
}

impl Member {
    /// Takes a number, by locks on `file`, which nobody else has opened. `heal` is given the bits of all numbers that have no owner, which will have none
    /// before it returns, the new member's among them.
    pub fn join(file: File, heal: impl FnOnce(u64)) -> Option<Self> {
        let forks = forks()?;
        let free = || -> Vec<u32> { (0..MEMBERS).filter(|number| lock(&file, *number, true)).collect() };
        // Who joins at the same moment has all numbers that nobody owns until it has healed them: then there are others again.
        let mut free_now = free();
        for _ in 0..PATIENCE {
            if !free_now.is_empty() {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
            free_now = free();
        }
        let free = free_now;
        let (number, others) = free.split_first()?;
        heal(free.iter().fold(0, |bits, number| bits | super::word::bit(*number)));
        for other in others {
            lock(&file, *other, false);
        }
        Some(Self { number: *number, file, forks, handles: Mutex::default(), claiming: Mutex::default() })
    }

    /// Whether the number is this process's alone.
    pub fn is_current(&self) -> bool {
        FORKS.load(Ordering::SeqCst) == self.forks
    }

    /// Keeps other processes from looking for a place meanwhile. With `claiming` held.
    pub fn claim(&self) -> Option<Held<'_>> {
        Held::take(&self.file, CLAIMING)
    }

    /// Has `heal` take back what the dead among `numbers` (bits) have left. With `claiming` held: no two threads of this process may do so at once.
    pub fn bury(&self, numbers: u64, heal: impl FnOnce(u64)) -> bool {
        let asked = (0..MEMBERS).filter(|n| *n != self.number && numbers & super::word::bit(*n) != 0);
        let dead: Vec<u32> = asked.filter(|number| lock(&self.file, *number, true)).collect();
        if !dead.is_empty() {
            heal(dead.iter().fold(0, |bits, number| bits | super::word::bit(*number)));
        }
        for number in &dead {
            lock(&self.file, *number, false);
        }
        !dead.is_empty()
    }
}
