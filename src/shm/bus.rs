//! A file that another process cuts off while it is mapped: the kernel answers the next access to what is gone with SIGBUS, which ends a process.
//!
//! Only who may write the file can cut it off, and nothing in the kernel prevents it: seals exist for memory files without a name only, and leases and
//! immutable flags exclude the very writers that share a region. So the signal is taken: [`survive_truncation`] installs a handler that puts
//! private zeros in the place of the mapping, *after* it has noted that the region is lost ([`super::Region::is_lost`]), and lets the access go on.
//! Whoever decides anything from a region asks afterwards whether it is lost, and if so, refuses.
//!
//! *Nothing is accepted on zeros.* A thread reads zeros only where the mapping was replaced, which was after the note; so it finds the note
//! when it looks after its last access. (In the handler's own thread by program order; in another one by the replacement itself, a system call
//! that orders memory on every processor before the first access to the new pages can succeed.)
//!
//! A handler is the process's own affair, hence opt-in: the command line installs it; a gateway may. A SIGBUS elsewhere goes on to whatever handler
//! there was before, or ends the process as ever. The handler allocates nothing, locks nothing and makes one system call.

use crate::error::Error;
use rustix::mm::{MapFlags, ProtFlags};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Most mappings that are looked after at one time.
const MAPPINGS: usize = 64;
/// A place that is taken, of a mapping that is not yet to be looked after. No mapping begins there.
const TAKEN: usize = 1;

struct Place {
    start: AtomicUsize,
    bytes: AtomicUsize,
    lost: AtomicBool,
}

static PLACES: [Place; MAPPINGS] =
    [const { Place { start: AtomicUsize::new(0), bytes: AtomicUsize::new(0), lost: AtomicBool::new(false) } };
        MAPPINGS];

static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();

/// A mapping's place among those looked after; given up on drop.
#[derive(Debug)]
pub(super) struct Watch(usize);

impl Watch {
    /// Looks after a mapping from now on. `None`: there are too many.
    pub fn over(start: usize, bytes: usize) -> Option<Self> {
        let taken = |place: &Place| place.start.compare_exchange(0, TAKEN, Ordering::SeqCst, Ordering::Relaxed).is_ok();
        let number = PLACES.iter().position(taken)?;
        PLACES[number].lost.store(false, Ordering::SeqCst);
        PLACES[number].bytes.store(bytes, Ordering::SeqCst);
        PLACES[number].start.store(start, Ordering::SeqCst);
        Some(Self(number))
    }

    /// Whether the mapping was replaced.
    #[inline]
    pub fn is_lost(&self) -> bool {
        // After every access to the mapping that the caller has made.
        fence(Ordering::Acquire);
        PLACES.get(self.0).is_some_and(|place| place.lost.load(Ordering::Acquire))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(place) = PLACES.get(self.0) {
            place.start.store(0, Ordering::SeqCst);
        }
    }
}

/// Puts zeros in the place of the mapping that `address` is in. `false`: it is in none of ours, or that cannot be done.
fn replace(address: usize) -> bool {
    for place in &PLACES {
        let (start, bytes) = (place.start.load(Ordering::SeqCst), place.bytes.load(Ordering::SeqCst));
        if start <= TAKEN || address < start || address - start >= bytes {
            continue;
        }
        place.lost.store(true, Ordering::SeqCst);
        let at = std::ptr::without_provenance_mut(start);
        let flags = MapFlags::PRIVATE | MapFlags::FIXED;
        // SAFETY: the range is a whole mapping of ours (kept by `Watch`, which is given up before the mapping is), lent as atomics only; it stays
        // readable and writable, any bits are valid there, and who reads them learns from `is_lost` that they mean nothing.
        return unsafe { rustix::mm::mmap_anonymous(at, bytes, ProtFlags::READ | ProtFlags::WRITE, flags) }.is_ok();
    }
    false
}

extern "C" fn on_bus(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel gives a handler installed with SA_SIGINFO a valid siginfo, which for this signal, sent by the kernel, has an address.
    let address = unsafe { if (*info).si_code > 0 { (*info).si_addr().addr() } else { 0 } };
    if address != 0 && replace(address) {
        return;
    }
    let Some(before) = BEFORE.get() else { return };
    if before.sa_sigaction == libc::SIG_DFL || before.sa_sigaction == libc::SIG_IGN {
        // SAFETY: gives the signal back its default action and sends it again, to take effect when this handler returns.
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        }
    } else if before.sa_flags & libc::SA_SIGINFO != 0 {
        // SAFETY: it was installed as a handler of this very type, as its flags say.
        let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
            unsafe { std::mem::transmute(before.sa_sigaction) };
        handler(signal, info, context);
    } else {
        // SAFETY: as above: without the flag a handler takes the signal's number alone.
        let handler: extern "C" fn(libc::c_int) = unsafe { std::mem::transmute(before.sa_sigaction) };
        handler(signal);
    }
}

/// Takes SIGBUS for this process, so that a region's file that another process truncates while it is mapped ends in refusals
/// (`shared_unavailable`) instead of the end of the process. Once is enough, at any time; what was installed before is called for every other SIGBUS.
///
/// # Errors
/// The system refuses.
pub fn survive_truncation() -> Result<(), Error> {
    static INSTALLED: Mutex<bool> = Mutex::new(false);
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if *installed {
        return Ok(());
    }
    let fail = || Error::Os {
        doing: "installing a handler for SIGBUS".into(),
        message: std::io::Error::last_os_error().to_string(),
    };
    // SAFETY: all zeros is a valid sigaction; asking for the present one and setting another whose function has the type that its flags say.
    unsafe {
        let mut before: libc::sigaction = std::mem::zeroed();
        if libc::sigaction(libc::SIGBUS, std::ptr::null(), &raw mut before) != 0 {
            return Err(fail());
        }
        let _ = BEFORE.set(before);
        let mut action: libc::sigaction = std::mem::zeroed();
        let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = on_bus;
        action.sa_sigaction = handler as libc::sighandler_t;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        if libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut()) != 0 {
            return Err(fail());
        }
    }
    *installed = true;
    Ok(())
}
