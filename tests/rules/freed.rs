//! An allocator of the tests' own that looks through memory as it is given back: what was not wiped is found there.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static SOUGHT: Cell<Option<&'static [u8]>> = const { Cell::new(None) };
    static FOUND: Cell<usize> = const { Cell::new(0) };
}

struct Watching;

/// Whether this thread looks for anything.
fn seeks() -> bool {
    SOUGHT.try_with(Cell::get).is_ok_and(|sought| sought.is_some())
}

/// Counts memory that holds what this thread looks for.
fn look(ptr: *const u8, len: usize) {
    let Ok(Some(sought)) = SOUGHT.try_with(Cell::get) else { return };
    // SAFETY: the caller gives back `len` bytes at `ptr`, which are still its own. Read byte by byte and volatile, whatever is in them.
    #[allow(unsafe_code)]
    let byte = |at: usize| unsafe { ptr.add(at).read_volatile() };
    let holds =
        (0..(len + 1).saturating_sub(sought.len())).any(|at| (0..sought.len()).all(|i| byte(at + i) == sought[i]));
    let _ = FOUND.try_with(|found| found.set(found.get() + usize::from(holds)));
}

// SAFETY: every call is passed on to the system's allocator, with zeros asked for where anything would do.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // Zeros for who looks: what somebody else left there is not what is sought.
        // SAFETY: the caller's promises are passed on.
        unsafe { if seeks() { System.alloc_zeroed(layout) } else { System.alloc(layout) } }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        look(ptr, layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(ptr, layout) }
    }
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        look(ptr, layout.size());
        // SAFETY: the caller's promises are passed on; the bytes behind the old ones are the new memory's own.
        unsafe {
            let new = System.realloc(ptr, layout, size);
            if seeks() && !new.is_null() && size > layout.size() {
                new.add(layout.size()).write_bytes(0, size - layout.size());
            }
            new
        }
    }
}

#[global_allocator]
static ALLOCATOR: Watching = Watching;

/// In how many pieces of memory that `work` gave back on this thread `sought` stood.
pub fn unwiped(sought: &'static [u8], work: impl FnOnce()) -> usize {
    FOUND.set(0);
    SOUGHT.set(Some(sought));
    work();
    SOUGHT.set(None);
    FOUND.get()
}
