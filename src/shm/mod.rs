//! The shared region: one piece of memory that all worker processes map, in which the nonces and the limits live.
//!
//! - A region is a header page and sections. A section is an array of 64-bit words, all zero at first, whose meaning belongs to the room
//!   that asked for it; it is only ever reached through atomics ([`Section::words`]).
//! - It lives in a file that every process maps (on tmpfs for speed), or, without a path, in anonymous memory that is shared with the
//!   children of this process and nobody else.
//! - Of any number of processes that open a path at once, exactly one creates the region: each prepares a file under a name of its own,
//!   magic last, and publishes it by `link`, which fails where the name exists; the losers attach to the winner's file. Nobody ever sees a
//!   half-made region under the path.
//! - The header is read once, through `pread`, checked, and copied; nothing in it is trusted afterwards, and no offset from it is used: the
//!   layout follows from what was asked for, and the header must agree with it word for word.
//! - All memory is reserved when the file is made and again at attach (`fallocate`), then mapped in, so that a full file system is an error
//!   here and not a signal later. What remains possible is another process with write access truncating the file while it is mapped: file
//!   permissions (0600 by default) guard against that, and [`survive_truncation`] against its end in a signal.
//!
//! Beside it lies a second file of the same form, for tables of public keys ([`Tables`]). Those that a process has for itself lie in blocks of a large
//! page each ([`Packed`]).
//!
//! `unsafe` is here for mapping, unmapping, for handing out mapped memory, for lending mapped words as atomics, and as lines while nobody writes to
//! them, for reading lines at once, for locks on files, and for the handlers of SIGBUS and of forks.
#![allow(unsafe_code)]

mod bus;
mod header;
mod line;
mod map;
#[cfg(all(test, loom))]
mod models;
mod packed;
mod process;
mod region;
mod section;
mod tables;
#[cfg(all(test, not(loom)))]
mod tests;

pub use bus::survive_truncation;
pub use header::{FoundSection, Resize, Shape};
#[cfg(all(test, loom))]
pub(crate) use line::OneByOne;
pub(crate) use line::{Glance, LINE_WORDS, LineReader, LineWork, Look, Question, ReadLine};
pub(crate) use map::{prefetch, prefetch_to_write};
pub use packed::Packed;
pub use process::Process;
pub use region::{Region, RegionSpec, SectionSpec};
pub use section::Section;
pub use tables::{Building, Claim, Published, TableCounts, TableId, TableSize, Tables, TablesSpec, tables_path};

/// Words of 64 bits in a page of 4 KiB.
pub const PAGE_WORDS: usize = 512;
