//! A mapping, its words, and nothing else.

use super::bus::Watch;
use rustix::mm::{Advice, MapFlags, ProtFlags};
use std::ffi::c_void;
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

/// From this size on memory is asked for in large pages: with small ones nearly every access to a table misses the TLB.
const LARGE: usize = 8 << 20;
/// A large page (of x86-64, and of AArch64 with pages of 4 KiB). Elsewhere there is none of this size, and small ones do.
pub(super) const LARGE_PAGE: usize = 2 << 20;
/// `MADV_COLLAPSE` of the kernel's headers, which rustix lacks.
const COLLAPSE: libc::c_int = 25;

// SAFETY: the memory is only lent as atomics, which any thread may use (kept by `words`, the only way to it).
unsafe impl Send for Map {}
// SAFETY: as above.
unsafe impl Sync for Map {}

impl Map {
    /// Maps `words` words of `file` from its start, all pages `present` or each when it is used. The caller has made sure that the file is that long.
    pub fn file(file: &File, words: usize, present: bool) -> rustix::io::Result<Self> {
        let flags = if present { MapFlags::SHARED | MapFlags::POPULATE } else { MapFlags::SHARED };
        let start = map_somewhere(words * 8, |start, flags_of_place| {
            // SAFETY: a new mapping, at a place of the kernel's choice or over a reservation that nobody else knows (kept by `map_somewhere`),
            // disturbs no memory of ours.
            unsafe {
                rustix::mm::mmap(start, words * 8, ProtFlags::READ | ProtFlags::WRITE, flags | flags_of_place, file, 0)
            }
        })?;
        let mut map = Self::of(start, words)?;
        map.watch = Watch::over(start.addr(), words * 8);
        Ok(map)
    }

    /// Maps `words` words of zeros that only this process and its later children share, all pages present.
    pub fn anonymous(words: usize) -> rustix::io::Result<Self> {
        let start = map_somewhere(words * 8, |start, flags_of_place| {
            let protection = ProtFlags::READ | ProtFlags::WRITE;
            // SAFETY: as in `file`.
            unsafe { rustix::mm::mmap_anonymous(start, words * 8, protection, MapFlags::SHARED | flags_of_place) }
        })?;
        let map = Self::of(start, words)?;
        // A large page is made of a small one without copying what is not there.
        for page in map.words().chunks(LARGE_PAGE / 8) {
            page[0].store(0, Ordering::Relaxed);
        }
        map.in_large_pages();
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

    /// Has what is mapped put into large pages, where it is memory (also that of tmpfs), there are such pages to be had and nobody has forbidden
    /// them (`deny` in `/sys/kernel/mm/transparent_hugepage/shmem_enabled`; the kernel's default there, `never`, forbids those only that nobody
    /// asks for). Linux from 6.1 on; else it stays as it is. Costs a copy of what is there: for who makes a region.
    pub fn in_large_pages(&self) {
        if cfg!(target_os = "linux") && self.words * 8 >= LARGE {
            // SAFETY: moves the content of a mapping of ours to other physical memory, as the kernel may at any time; it changes none. What
            // a kernel says that does not know this, or cannot do it, is of no interest.
            let _ = unsafe { libc::madvise(self.start.as_ptr().cast(), self.words * 8, COLLAPSE) };
        }
    }

    fn of(start: *mut c_void, words: usize) -> rustix::io::Result<Self> {
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

/// Has `map` make a mapping of `bytes`: at a place of the kernel's choice, or, where large pages are wanted, at a place that begins with one. (A file
/// can be mapped in large pages only where its own multiples of their size come to lie on such.)
fn map_somewhere(
    bytes: usize,
    map: impl Fn(*mut c_void, MapFlags) -> rustix::io::Result<*mut c_void>,
) -> rustix::io::Result<*mut c_void> {
    let anywhere = || map(std::ptr::null_mut(), MapFlags::empty());
    if bytes < LARGE || !bytes.is_multiple_of(4096) {
        return anywhere();
    }
    map_on_a_large_page(bytes, map)
}

/// See [`map_somewhere`]; `bytes` are whole pages.
fn map_on_a_large_page(
    bytes: usize,
    map: impl Fn(*mut c_void, MapFlags) -> rustix::io::Result<*mut c_void>,
) -> rustix::io::Result<*mut c_void> {
    let anywhere = || map(std::ptr::null_mut(), MapFlags::empty());
    let Some(room) = bytes.checked_add(LARGE_PAGE) else { return anywhere() };
    // SAFETY: a reservation of addresses at a place of the kernel's choice, without memory, disturbs nothing of ours.
    let reserved = unsafe {
        rustix::mm::mmap_anonymous(
            std::ptr::null_mut(),
            room,
            ProtFlags::empty(),
            MapFlags::PRIVATE | MapFlags::NORESERVE,
        )
    };
    let Ok(reserved) = reserved else { return anywhere() };
    let before = reserved.addr().next_multiple_of(LARGE_PAGE) - reserved.addr();
    let start = reserved.wrapping_byte_add(before);
    let mapped = map(start, MapFlags::FIXED);
    // The reservation is left in the middle where that failed: a kernel may have given it up, and somebody else may be there now.
    for (at, count) in [(reserved, before), (start.wrapping_byte_add(bytes), LARGE_PAGE - before)] {
        if count > 0 {
            // SAFETY: these addresses are of the reservation, nobody has been given them, and nothing was mapped over them.
            let _ = unsafe { rustix::mm::munmap(at, count) };
        }
    }
    mapped
}

/// Zeros of this process alone, [`LARGE_PAGE`] bytes that begin where a large page may, in small pages, each present when it is used.
pub(super) fn block() -> rustix::io::Result<NonNull<c_void>> {
    let start = map_on_a_large_page(LARGE_PAGE, |start, flags_of_place| {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: as in `Map::file`.
        unsafe { rustix::mm::mmap_anonymous(start, LARGE_PAGE, protection, MapFlags::PRIVATE | flags_of_place) }
    })?;
    NonNull::new(start).ok_or(rustix::io::Errno::NOMEM)
}

/// Puts a [`block`] into one large page, where the system can.
pub(super) fn into_a_large_page(block: NonNull<c_void>) {
    if cfg!(target_os = "linux") {
        // SAFETY: moves the content of a mapping of ours to other physical memory, as the kernel may at any time; it changes none. What a
        // kernel says that does not know this, or has no such page, is of no interest.
        let done = unsafe { libc::madvise(block.as_ptr(), LARGE_PAGE, COLLAPSE) };
        if done != 0 {
            // Before Linux 6.1: it may do so later by itself.
            // SAFETY: as above.
            let _ = unsafe { libc::madvise(block.as_ptr(), LARGE_PAGE, libc::MADV_HUGEPAGE) };
        }
    }
}

/// Unmaps a block.
///
/// # Safety
/// It was made by [`block`], and nothing in it is used any more.
pub(super) unsafe fn give_back_block(block: NonNull<c_void>) {
    // SAFETY: exactly what `block` has mapped; unused, as the caller says.
    let _ = unsafe { rustix::mm::munmap(block.as_ptr(), LARGE_PAGE) };
}

/// Asks for the cache line that holds the start of `word`. A hint without an effect on any value. For reading: what is looked at by many and written
/// by none (a key over its limit, a replayed nonce) stays in all their caches.
#[inline(always)]
pub(crate) fn prefetch<T>(word: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch, of whatever address, cannot fault and changes no value.
    unsafe {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(word.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = word;
}

/// [`prefetch`] of what will most likely be written. The intrinsic of that name asks for it only where all code is compiled for CPUs that have the
/// instruction; 64-bit CPUs that lack it take it for none at all.
#[inline(always)]
pub(crate) fn prefetch_to_write<T>(word: *const T) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a prefetch, of whatever address, cannot fault and changes no value.
    unsafe {
        std::arch::asm!("prefetchw [{}]", in(reg) word, options(nostack, preserves_flags, readonly));
    }
    #[cfg(any(not(target_arch = "x86_64"), miri))]
    let _ = word;
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_large_begins_with_a_large_page_and_holds_what_is_written() {
        // Not a multiple of a large page.
        let words = (LARGE + LARGE_PAGE + 12_288) / 8;
        let path = std::env::temp_dir().join(format!("portcullis-map-{}", std::process::id()));
        let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        file.set_len(words as u64 * 8).unwrap();
        let mapped = || Map::file(&file, words, true).unwrap();
        let maps = [Map::anonymous(words).unwrap(), mapped()];
        let second = mapped();
        std::fs::remove_file(&path).unwrap();
        for map in &maps {
            assert!(map.start_of(0).unwrap().addr().is_multiple_of(LARGE_PAGE));
            assert_eq!(map.words().len(), words);
            assert!(map.words().iter().all(|word| word.load(Ordering::Relaxed) == 0));
            for (number, word) in map.words().iter().enumerate() {
                word.store(number as u64, Ordering::Relaxed);
            }
            map.in_large_pages();
            assert!(map.words().iter().enumerate().all(|(number, word)| word.load(Ordering::Relaxed) == number as u64));
        }
        // Another mapping of the file sees the same memory, wherever it was moved to.
        second.words()[words - 1].store(7, Ordering::Relaxed);
        assert_eq!(maps[1].words()[words - 1].load(Ordering::Relaxed), 7);
        assert_eq!(second.words()[words / 2].load(Ordering::Relaxed), words as u64 / 2);
    }
}
