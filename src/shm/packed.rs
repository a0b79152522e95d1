//! Memory of this process for tables of keys, packed so that it fits large pages.
//!
//! A batch reads some thirty lines of each of its keys' tables, each in a small page of its own: with some hundreds of tables nearly every
//! line costs a walk through the page tables. So tables of one size share blocks of the size of a large page, which also begin where one
//! may. A block begins in small pages, of which those that are used take memory; when its last place is taken, it is put into one large
//! page, if the system has one to give. A block that nobody uses any more is given back.
//!
//! The blocks' list has a lock, which a `fork` may take over while another thread holds it. Nobody waits for it for long, then: a table has a block
//! of its own instead, and a place that cannot be marked free stays taken.

use super::map::{self, LARGE_PAGE};
use crate::lanes::Line;
use crate::sync::soon;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Mutex;

/// The blocks of the process.
static BLOCKS: Mutex<Vec<Block>> = Mutex::new(Vec::new());

#[derive(Debug)]
struct Block {
    start: NonNull<Line>,
    /// Lines of a place.
    lines: usize,
    /// Which places are taken.
    taken: u64,
}

// SAFETY: the block is memory of the process, which any thread may use; each place has one owner (kept by `taken`).
unsafe impl Send for Block {}

impl Block {
    const fn places(lines: usize) -> u32 {
        (LARGE_PAGE / size_of::<Line>() / lines) as u32
    }

    /// Takes a free place.
    fn take(&mut self) -> Option<NonNull<Line>> {
        let place = self.taken.trailing_ones();
        if place >= Self::places(self.lines) {
            return None;
        }
        self.taken |= 1 << place;
        // SAFETY: within the block: there are as many places (kept by `places`), of so many lines.
        Some(unsafe { self.start.add(place as usize * self.lines) })
    }

    fn is_full(&self) -> bool {
        self.taken.count_ones() == Self::places(self.lines)
    }
}

/// `N` lines, in a block with others like it: a [`Box`] for tables of keys.
#[derive(Debug)]
pub struct Packed<const N: usize> {
    place: NonNull<[Line; N]>,
    /// Whether it has a block of its own, which is not in the list.
    alone: bool,
}

// SAFETY: it owns its lines, as a box does (kept by `new`, which hands out each place once, and by `drop`).
unsafe impl<const N: usize> Send for Packed<N> {}
// SAFETY: as above.
unsafe impl<const N: usize> Sync for Packed<N> {}

impl<const N: usize> Packed<N> {
    /// A copy of `lines`. As with a box, the process ends where there is no memory.
    #[must_use]
    pub fn new(lines: &[Line; N]) -> Self {
        const { assert!(Block::places(N) >= 1 && Block::places(N) <= u64::BITS, "places are bits of a word") };
        let made = || match map::block() {
            Ok(start) => start.cast(),
            Err(_) => std::alloc::handle_alloc_error(std::alloc::Layout::new::<[Line; N]>()),
        };
        let mut alone = false;
        let (place, block, full): (NonNull<Line>, NonNull<Line>, bool) = if let Some(mut blocks) = soon(&BLOCKS) {
            let free = blocks.iter_mut().filter(|block| block.lines == N);
            match free.filter_map(|block| Some((block.take()?, block.start, block.is_full()))).next() {
                Some(found) => found,
                None => {
                    let start = made();
                    blocks.push(Block { start, lines: N, taken: 1 });
                    (start, start, Block::places(N) == 1)
                }
            }
        } else {
            alone = true;
            let start = made();
            (start, start, false)
        };
        let place: NonNull<[Line; N]> = place.cast();
        // SAFETY: the place has room for `N` lines, aligned as such (blocks begin on a page, and places are whole lines), and is this one's alone
        // (kept by `Block::take`). Any bits are lines.
        unsafe { place.write(*lines) };
        if full {
            // The block cannot be given back meanwhile: a place of it is ours.
            map::into_a_large_page(block.cast());
        }
        Self { place, alone }
    }
}

impl<const N: usize> Deref for Packed<N> {
    type Target = [Line; N];

    #[inline]
    fn deref(&self) -> &[Line; N] {
        // SAFETY: the place is this one's alone until it is dropped, and was written by `new`.
        unsafe { self.place.as_ref() }
    }
}

impl<const N: usize> DerefMut for Packed<N> {
    fn deref_mut(&mut self) -> &mut [Line; N] {
        // SAFETY: as above, and `self` is borrowed by nobody else.
        unsafe { self.place.as_mut() }
    }
}

impl<const N: usize> Drop for Packed<N> {
    fn drop(&mut self) {
        let line: NonNull<Line> = self.place.cast();
        if self.alone {
            // SAFETY: a block that `map::block` has made, for this place only (kept by `new`).
            return unsafe { map::give_back_block(line.cast()) };
        }
        let Some(mut blocks) = soon(&BLOCKS) else { return };
        let of_block = |block: &Block| line.addr().get().wrapping_sub(block.start.addr().get());
        let Some(at) = blocks.iter().position(|block| of_block(block) < LARGE_PAGE) else { return };
        let block = &mut blocks[at];
        block.taken &= !(1 << (of_block(block) / size_of::<[Line; N]>()));
        if block.taken == 0 {
            let start = blocks.swap_remove(at).start;
            drop(blocks);
            // SAFETY: a block that `map::block` has made, out of the list and without an owner of any place.
            unsafe { map::give_back_block(start.cast()) };
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::PoisonError;

    /// A size that no table has, so that other tests' blocks are not met.
    const LINES: usize = 6000;

    /// Who holds the list for long.
    static ALONE: Mutex<()> = Mutex::new(());

    fn blocks() -> Vec<u64> {
        let blocks = BLOCKS.lock().unwrap();
        blocks.iter().filter(|block| block.lines == LINES).map(|block| block.taken).collect()
    }

    #[test]
    fn places_are_distinct_and_used_again_and_blocks_are_given_back() {
        let lines = |number: u64| {
            let lines: Box<[Line; LINES]> = vec![Line([number; 8]); LINES].into_boxed_slice().try_into().unwrap();
            Packed::new(&lines)
        };
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(Block::places(LINES), 5);
        let mut tables: Vec<_> = (0..12).map(lines).collect();
        assert_eq!(blocks(), [0b11111, 0b11111, 0b11]);
        let holds = |tables: &[Packed<LINES>], number: &dyn Fn(usize) -> u64| {
            tables.iter().enumerate().all(|(i, table)| table.iter().all(|line| *line == Line([number(i); 8])))
        };
        assert!(holds(&tables, &|i| i as u64), "also after a block was moved into a large page");
        assert!(tables[0].as_ptr().addr().is_multiple_of(LARGE_PAGE));
        tables[3][LINES - 1] = Line::ZERO;
        assert!(tables[4].iter().all(|line| *line == Line([4; 8])));
        let second = tables.swap_remove(1);
        drop(second);
        assert_eq!(blocks(), [0b11101, 0b11111, 0b11]);
        tables[1] = lines(77);
        assert_eq!(blocks(), [0b11111, 0b11111, 0b01], "the free place is taken, that of the one it replaces is free");
        drop(tables);
        assert!(blocks().is_empty());
    }

    #[test]
    fn a_lock_that_nobody_lets_go_of_holds_nobody_up() {
        const LINES: usize = 5000;
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let lines: Box<[Line; LINES]> = vec![Line([5; 8]); LINES].into_boxed_slice().try_into().unwrap();
        let before = Packed::new(&lines);
        let held = BLOCKS.lock().unwrap();
        let during = std::thread::scope(|scope| scope.spawn(|| Packed::new(&lines)).join().unwrap());
        assert!(during.alone && during[LINES - 1] == Line([5; 8]));
        std::thread::scope(|scope| scope.spawn(|| drop(during)).join().unwrap());
        std::thread::scope(|scope| scope.spawn(|| drop(before)).join().unwrap());
        let taken: Vec<u64> = held.iter().filter(|block| block.lines == LINES).map(|block| block.taken).collect();
        assert_eq!(taken, [1], "a place that could not be marked free");
    }
}
