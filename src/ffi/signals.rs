//! Threads of the pool take no signals of the gateway's.

use std::ffi::c_int;

/// Blocks signals for the threads that are started while it lives, so that the gateway's handlers never run on them.
pub(super) struct Masked([u64; 16]);

const SIG_SETMASK: c_int = 2;

unsafe extern "C" {
    /// POSIX; a `sigset_t` is 128 bytes with both C libraries of Linux.
    fn pthread_sigmask(how: c_int, set: *const [u64; 16], old: *mut [u64; 16]) -> c_int;
}

impl Masked {
    pub fn new() -> Self {
        // All but those that tell of a fault of the thread's own: ILL 4, TRAP 5, BUS 7, FPE 8, SEGV 11.
        let faults = [4, 5, 7, 8, 11].into_iter().fold(0u64, |set, signal| set | 1 << (signal - 1));
        let (set, mut old) = ([!faults; 16], [0; 16]);
        // SAFETY: both point to 128 bytes, which is a `sigset_t`; the mask is this thread's own and put back on drop.
        unsafe { pthread_sigmask(SIG_SETMASK, &set, &mut old) };
        Self(old)
    }
}

impl Drop for Masked {
    fn drop(&mut self) {
        // SAFETY: as in `new`; the set is the one that was there.
        unsafe { pthread_sigmask(SIG_SETMASK, &self.0, std::ptr::null_mut()) };
    }
}
