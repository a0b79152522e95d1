//! Exactly-once admission of nonces, over threads and processes, in a shared region.
//!
//! # The table
//!
//! Time is cut into generations of P milliseconds by the *signed timestamp* of a message, never by its arrival: all racers of one message
//! agree where it belongs, whatever their clocks say. With W and S the past and future windows and D the allowance for clocks that disagree,
//!
//! ```text
//! P = ceil((W + S + D) / 8)      generations in a window: 8      life of a slot, L = 9 generations
//! g = floor(timestamp / P)       h = PRF(app ‖ nonce), 128 bits; in message mode PRF(app ‖ timestamp ‖ nonce)
//! ```
//!
//! The table is an array of pages of 64 lines of 64 bytes. h names a page, a home line in it and a tag of 43 bits. Message x = (tag, g) looks
//! at the slots of the page in a fixed order: home line, the lines after it, wrapped in the page ([`page`]), and takes each slot by its
//! generation *relative to its own*, not to any clock:
//!
//! - the slot holds exactly x: it is there already — replayed;
//! - nothing, or an entry of generation ≤ g - L: *free*: compare-and-swap x in; won: admitted; lost: look at it again;
//! - an entry of generation ≥ g + L: refuse, as x may have been here;
//! - any other entry: go to the next slot.
//!
//! An entry of generation e is needed as long as its message may be accepted, until (e + 1) P + W + D by any clock; who takes its slot is of
//! generation e + L or later, accepted from (e + L) P - S on: L - 1 = 8 generations are W + S + D, so that is never too early.
//!
//! # Why exactly one of all identical messages is admitted
//!
//! *At most one.* A swap replaces only nothing or a generation at least L older, so the generations that a slot goes through strictly rise.
//! Hence a slot that is not free for g at one moment is not free for g at any later one, and a slot once taken by generation g or later
//! is never taken by g again. Suppose A and B both put in x = (tag, g), at positions i ≤ j of the one order that both walk. If i = j, a slot
//! was taken twice by generation g: impossible. If i < j, B went past i having read there something that was not free for g and not x. If
//! that was before A's swap, the slot was not free for g and later was: impossible. If it was after, the slot then held x, or something
//! that had taken the place of x, which is at least L younger: B would have answered "replayed" or refused. Contradiction. The argument
//! uses nothing but the order of changes of each single word (coherence), so it holds on every architecture and with relaxed accesses. Nor
//! does it matter in what order a walk *reads* the slots, as long as it reads each after it has begun and *judges* them in the order that all
//! share: vector instructions read a line at once, its words in no particular order.
//!
//! *At least one.* "Replayed" is answered only where x was seen (or its tag, in strict mode). *Bounded.* At most 448 slots a walk, one swap for
//! each admission, none for a replay; a failed swap means that somebody else's succeeded. A process that is killed leaves a whole
//! entry or none.
//!
//! *Clocks* decide which timestamps are accepted, and so how much is refused, never whether something is admitted twice: should the
//! generations run ahead and overwrite x, the walk for x meets a newer entry at or before x's place and refuses.
//!
//! *Generations are kept modulo 2^20* and compared serially, so an entry must not stay for 2^19 generations; [`Store`] sweeps the table before
//! that: entries more than 2^18 generations away become blanks of a generation that is over for anything acceptable, which is a rise
//! like any other, so the proof does not notice. The sweep is driven by the timestamps of messages offered for admission (so verified) that
//! are also within the window of this process's clock: a wrong clock alone cannot start it. What is left is a process that is
//! stopped between two instructions for 2^19 generations (231 days at the default windows) and then goes on.
//!
//! # Strict mode
//!
//! The default: a nonce must not come again whatever its timestamp. Two messages of one nonce with timestamps of two generations walk the same
//! slots, but need not stop at the same one. So each, once in, looks for its tag in all other slots where it can be, and is refused if it
//! finds it under a generation less than L away. Of two racers at least one sees the other (Dekker's pattern, see `sync`), so at most
//! one is admitted. It may be none, when both see each other; who sends one nonce twice at once under two timestamps has no claim to
//! more. The walk to its slot, and [`Store::peek`] before it, keep most refused duplicates out of the table.
//!
//! (The pattern speaks of two slots, one's own and the one in which the other's entry is; in what order the slots are looked at after one's own
//! exchange is all the same.)
//!
//! Where a tag can be: the walk of an older message may have gone past slots that are free for this one. Each line therefore keeps its *reach*:
//! how many lines past it entries with that home were put, by blocks of 8 generations ([`page`]). It is raised before an entry goes in, so
//! who does not see the entry's reach comes before the entry in the one order of sequentially consistent accesses. A slot that was
//! never used also ends the walk: it is free for everything, so nobody has gone past it.
//!
//! Message mode ([`Mode::Message`]): the same nonce under another timestamp is another message; no reach, no second look.
//!
//! Strictness between two timestamps needs clocks that agree within D: once the first message is over for the clock of somebody who
//! takes its slot, the table has forgotten it, though another process's clock may still accept its timestamp. (The first message itself is
//! refused all the same: see above.)
//!
//! # Giving back
//!
//! The holder of a [`Ticket`] may give its nonce back when nothing has reached the upstream. One bit of the slot marks it; the next identical
//! message takes the mark away by compare-and-swap and is admitted: one of any number, since each (give back, take) pair changes one word
//! there and back. The slot's generation stays, so the proof stands. In strict mode the entry keeps its tag while it is given back, so
//! the same nonce under another timestamp stays refused, and only one that was admitted is ever given back, so taking it again needs no
//! second look.
//!
//! # A new region
//!
//! knows nothing of what a lost one admitted: it refuses timestamps up to its birth plus S + D (the *birth rule*), which is all that an earlier
//! region on this machine's clock may have admitted.

mod config;
#[cfg(all(test, not(loom)))]
mod exhaustive;
#[cfg(all(test, loom))]
mod models;
mod page;
mod period;
mod shares;
mod store;
#[cfg(all(test, not(loom)))]
mod tests;
mod word;

pub use config::{NonceConfig, carry};
pub use shares::{ShareKey, Shares, SharesConfig};
pub use store::{Admit, Mode, NonceKey, Occupancy, Store, Ticket};
