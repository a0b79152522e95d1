//! Atomics and locks in one place, so that loom can take the place of the standard library's.
//!
//! Two processes that each write one word and then read the other's must not both miss the other (Dekker's pattern). Under the C++20 memory
//! model that follows when the write is a sequentially consistent read-modify-write and the read a sequentially consistent load: all four
//! have one total order that agrees with what each process does first. On x86 this costs nothing beyond the locked instruction itself,
//! where a fence after it would be a second one. loom knows sequential consistency of fences only, so under loom the same places carry a
//! fence: [`publish_fence`], which is empty otherwise. Code that relies on the pattern uses both: `SeqCst` on the accesses, and the call
//! between them.

#[cfg(not(loom))]
#[allow(unused_imports)]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
#[cfg(not(loom))]
#[allow(unused_imports)]
pub(crate) use std::sync::{Condvar, Mutex};

#[cfg(loom)]
#[allow(unused_imports)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
#[cfg(loom)]
#[allow(unused_imports)]
pub(crate) use loom::sync::{Condvar, Mutex};

/// Stands between a sequentially consistent read-modify-write and the sequentially consistent loads that must not pass it.
#[inline(always)]
#[allow(dead_code)]
pub(crate) fn publish_fence() {
    #[cfg(loom)]
    fence(Ordering::SeqCst);
}

/// A lock that other threads hold for microseconds, or for good where a fork has taken it over in the middle: `None` then.
#[allow(dead_code)]
pub(crate) fn soon<T>(lock: &std::sync::Mutex<T>) -> Option<std::sync::MutexGuard<'_, T>> {
    use std::sync::TryLockError;
    for _ in 0..1000 {
        match lock.try_lock() {
            Ok(held) => return Some(held),
            Err(TryLockError::Poisoned(held)) => return Some(held.into_inner()),
            Err(TryLockError::WouldBlock) => std::thread::yield_now(),
        }
    }
    None
}
