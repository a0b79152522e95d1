//! A part of an open region, as rooms use it.

use super::map::Map;
use crate::lanes::Line;
use crate::sync::AtomicU64;
use rustix::fs::FallocateFlags;
use std::fs::File;
use std::ptr::NonNull;
use std::sync::Arc;

/// One section of a region: words that are reached through atomics only.
#[derive(Clone, Debug)]
pub struct Section {
    map: Arc<Map>,
    /// Words of the mapping before it.
    first: usize,
    words: Words,
    /// Of a region with a sparse section.
    file: Option<Arc<File>>,
}

/// Where a section's words are: found once, as they are asked for several times a request.
#[derive(Clone, Copy, Debug)]
struct Words(NonNull<[std::sync::atomic::AtomicU64]>);

// SAFETY: stands for a shared reference to atomics, which any thread may use.
unsafe impl Send for Words {}
// SAFETY: as above.
unsafe impl Sync for Words {}

impl Section {
    /// The `words` words of `map` from word `first` on, if there are so many.
    pub(super) fn of(map: &Arc<Map>, first: usize, words: usize, file: Option<Arc<File>>) -> Option<Self> {
        let words = Words(NonNull::from(map.words().get(first..first.checked_add(words)?)?));
        Some(Self { map: map.clone(), first, words, file })
    }

    /// All words of the section.
    #[inline]
    #[must_use]
    #[cfg(not(loom))]
    pub fn words(&self) -> &[AtomicU64] {
        // SAFETY: made of a slice of the mapping's words (kept by `of`), which stay mapped where they are for as long as `self.map` lives.
        unsafe { self.words.0.as_ref() }
    }

    /// Under loom no code runs on a mapping: models bring their own words.
    #[cfg(loom)]
    #[must_use]
    pub fn words(&self) -> &[AtomicU64] {
        unreachable!("{} {}: models do not map memory", self.first, self.len())
    }

    /// How many words.
    #[must_use]
    pub fn len(&self) -> usize {
        self.words.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes the memory of `words` words from word `first` on one's own to write to, in a sparse section. `false`: there is no room.
    pub(super) fn reserve(&self, first: usize, words: usize) -> bool {
        self.change(FallocateFlags::empty(), first, words)
    }

    /// Gives the memory of whole pages back, in a sparse section; they read as zeros from then on.
    pub(super) fn give_back(&self, first: usize, words: usize) -> bool {
        self.change(FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, first, words)
    }

    fn change(&self, flags: FallocateFlags, first: usize, words: usize) -> bool {
        let within = first.checked_add(words).is_some_and(|end| end <= self.len());
        let at = |words: usize| words as u64 * 8;
        within
            && self
                .file
                .as_ref()
                .is_some_and(|file| rustix::fs::fallocate(&**file, flags, at(self.first + first), at(words)).is_ok())
    }

    /// What is free, and what there is, on the file system of a sparse section, in bytes.
    pub(super) fn file_system(&self) -> Option<(u64, u64)> {
        let found = rustix::fs::fstatvfs(self.file.as_deref()?).ok()?;
        Some((found.f_bavail.saturating_mul(found.f_frsize), found.f_blocks.saturating_mul(found.f_frsize)))
    }

    /// What the system says of the file of a sparse section.
    pub(super) fn metadata(&self) -> Option<std::fs::Metadata> {
        self.file.as_ref()?.metadata().ok()
    }

    /// `count` lines from word `first` on, as they stand.
    ///
    /// # Safety
    /// While the answer is in use nobody, in whatever process, writes to these words, and they were written before in the sense of the memory model.
    pub(super) unsafe fn lines(&self, first: usize, count: usize) -> Option<&[Line]> {
        let end = first.checked_add(count.checked_mul(8)?)?;
        if end > self.len() || !(self.first + first).is_multiple_of(8) {
            return None;
        }
        // SAFETY: the words are mapped for as long as `self` lives (kept by `Map`) and within the section (just checked); a line is eight words
        // of any value, aligned to 64 bytes, which an offset of a multiple of eight words from the start of a page is. That nobody writes to
        // them is the caller's promise; a file that is truncated meanwhile reads as other values, of which any is a valid one.
        Some(unsafe { std::slice::from_raw_parts(self.map.start_of(self.first + first)?.cast(), count) })
    }
}
