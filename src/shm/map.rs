//! A mapping, its words, and nothing else.

use super::bus::Watch;
use rustix::mm::{Advice, MapFlags, ProtFlags};
use std::fs::File;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

/// Shared memory of this process's address space, unmapped on drop.
#[derive(Debug)]
pub(super) struct Map {
    start: NonNull<AtomicU64>,
    words: usize,
    /// Of a file only: nobody can cut off memory without a name.
    watch: Option<Watch>,
}

/// From this size on memory is asked for in large pages (2 MiB on x86-64): with small ones nearly every access to a table misses the TLB.
const LARGE: usize = 8 << 20;

// SAFETY: the memory is only lent as atomics, which any thread may use (kept by `words`, the only way to it).
unsafe impl Send for Map {}
// SAFETY: as above.
unsafe impl Sync for Map {}

impl Map {
    /// Maps `words` words of `file` from its start, all pages `present` or each when it is used. The caller has made sure that the file is that long.
    pub fn file(file: &File, words: usize, present: bool) -> rustix::io::Result<Self> {
        let flags = if present { MapFlags::SHARED | MapFlags::POPULATE } else { MapFlags::SHARED };
        // SAFETY: a new mapping at a place of the kernel's choice disturbs no memory of ours.
        let start = unsafe {
            rustix::mm::mmap(std::ptr::null_mut(), words * 8, ProtFlags::READ | ProtFlags::WRITE, flags, file, 0)?
        };
        let mut map = Self::of(start, words)?;
        map.watch = Watch::over(start.addr(), words * 8);
        Ok(map)
    }

    /// Maps `words` words of zeros that only this process and its later children share, all pages present.
    pub fn anonymous(words: usize) -> rustix::io::Result<Self> {
        // SAFETY: a new mapping at a place of the kernel's choice disturbs no memory of ours.
        let start = unsafe {
            let protection = ProtFlags::READ | ProtFlags::WRITE;
            rustix::mm::mmap_anonymous(std::ptr::null_mut(), words * 8, protection, MapFlags::SHARED)?
        };
        let map = Self::of(start, words)?;
        if words * 8 >= LARGE {
            // SAFETY: advice on the size of pages of a mapping of ours, that changes no content. Where it is not granted, small ones do.
            let _ = unsafe { rustix::mm::madvise(start, words * 8, Advice::LinuxHugepage) };
        }
        // SAFETY: has the pages of a mapping of ours made present, changing no content.
        match unsafe { rustix::mm::madvise(start, words * 8, Advice::LinuxPopulateWrite) } {
            Ok(()) => {}
            // Linux before 5.14 does not know this.
            Err(rustix::io::Errno::INVAL) => {
                for page in map.words().chunks(512) {
                    page[0].store(0, Ordering::Relaxed);
                }
            }
            Err(error) => return Err(error),
        }
        Ok(map)
    }

    fn of(start: *mut std::ffi::c_void, words: usize) -> rustix::io::Result<Self> {
        let start: NonNull<AtomicU64> = NonNull::new(start.cast()).ok_or(rustix::io::Errno::NOMEM)?;
        debug_assert!(start.as_ptr().addr().is_multiple_of(4096), "mappings begin on a page");
        Ok(Self { start, words, watch: None })
    }

    /// Whether another process has cut off the file, and the words are zeros of this process alone.
    #[inline]
    pub fn is_lost(&self) -> bool {
        self.watch.as_ref().is_some_and(Watch::is_lost)
    }

    /// The address of word `index`.
    pub fn start_of(&self, index: usize) -> Option<*const AtomicU64> {
        // Within the mapping, or just behind it.
        (index <= self.words).then(|| self.start.as_ptr().cast_const().wrapping_add(index))
    }

    /// All words.
    #[inline]
    pub fn words(&self) -> &[AtomicU64] {
        // SAFETY: `start` begins a live mapping of `words` readable and writable words (kept by the constructors, which map them, and by
        // `drop`, which alone unmaps them), aligned to a page. `AtomicU64` has the layout of u64, any bits are a valid value, and no one
        // is ever given non-atomic access. Other processes write through atomics too; one that does not can change values, not types.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.words) }
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        self.watch = None;
        // SAFETY: the range is exactly what a constructor mapped, and every borrow of the words has ended, since they borrow `self`.
        let _ = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.words * 8) };
    }
}

/// Asks for the cache line that holds the start of `word`, for writing. A hint without an effect on any value.
#[inline(always)]
pub(crate) fn prefetch<T>(word: &T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch of a valid reference's address; it cannot fault and changes nothing.
    unsafe {
        use core::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_ET0>(std::ptr::from_ref(word).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = word;
}
