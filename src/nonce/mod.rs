//! Exactly-once admission of nonces, over threads and processes, in a shared region.
//!
//! # The table
//!
//! Time is cut into generations of P milliseconds by the *signed timestamp* of a message, never by its arrival: all racers of one message
//! agree where it belongs, whatever their clocks say. With W and S the past and future windows and D the allowance for clocks that disagree,
//!
//! ```text
//! P = ceil((W + S + D) / 4)      generations in a window: 4      buffers: ceil((W + S + D) / P) + 1 = 5
//! g = floor(timestamp / P)       h = PRF(app ‖ nonce), 128 bits; in message mode PRF(app ‖ timestamp ‖ nonce)
//! ```
//!
//! The table has 5 buffers, each of pages of 512 slots (4 KiB). Message (h, g) looks at the slots of one page of buffer g mod 5 in a fixed
//! order: from the line that h names, line by line, wrapped in the page, each slot in turn ([`table::claim`]):
//!
//! - the slot holds exactly (tag of h, g): it is there already — replayed;
//! - another entry of generation g: go to the next slot;
//! - an entry of a newer generation: refuse, as the message may have been here;
//! - empty, or of an older generation: compare-and-swap the entry in; won: admitted; lost: look at the *same* slot again.
//!
//! # Why exactly one of all identical messages is admitted
//!
//! *At most one.* A swap replaces only nothing or an older generation by g, so the generations that a slot goes through strictly rise: for
//! each g a slot is a register that is written at most once. Suppose A and B both put in the message x = (tag, g), at positions i ≤ j of the
//! one order that both walk. If i = j, the register was written twice: impossible. If i < j, B went past i having read there an entry of
//! generation g other than x; but the only entry of generation g that slot i ever holds is A's x: contradiction. The argument uses nothing
//! but the order of changes of each single word (coherence), so it holds on every architecture and with relaxed accesses.
//!
//! *At least one.* "Replayed" is answered only where x was seen. *Bounded.* At most 512 slots, one swap for each admission, none for a
//! replay; a failed swap means that somebody else's succeeded. A process that is killed leaves a whole entry or none.
//!
//! *Clocks* decide which timestamps are accepted, and so how much is refused, never whether something is admitted twice: should the
//! generations run ahead and overwrite x, the walk for x meets a newer entry at or before x's place and refuses.
//!
//! *Generations are kept modulo 2^20* and compared serially, so an entry must not stay for 2^19 generations; [`Store`] sweeps the table before
//! that: entries more than 2^18 generations away become blanks of a generation older than anything acceptable, which is a rise like any
//! other, so the proof does not notice. The sweep is driven by the timestamps of verified messages that are also within the window of
//! this process's clock, so that a wrong clock alone cannot start it. What is left is a process that is stopped between two
//! instructions for 2^20 generations (1.8 years at the default windows) and then goes on.
//!
//! # Strict mode
//!
//! The default: a nonce must not come again whatever its timestamp. Two messages with one nonce and timestamps of two generations go to two
//! buffers, so each, once in, looks for the other's tag in the other four buffers, and is refused if it finds it. Of two racers at
//! least one sees the other (Dekker's pattern, see `sync`): at most one is admitted. It may be none, when both see each other; who sends
//! one nonce twice at once under two timestamps has no claim to more. A look before putting in keeps refused duplicates out of the table
//! except in such races.
//!
//! Message mode ([`Mode::Message`]): the same nonce under another timestamp is another message.
//!
//! # Giving back
//!
//! The holder of a [`Ticket`] may give its nonce back when nothing has reached the upstream. One bit of the slot marks it; the next identical
//! message takes the mark away by compare-and-swap and is admitted: one of any number, since each (give back, take) pair changes one word
//! there and back. The register still never holds another entry of its generation, so the proof stands. In strict mode the entry keeps
//! its tag while it is given back, so the same nonce under another timestamp stays refused, and only one that was admitted is ever
//! given back, so taking it again needs no second look at the other buffers.
//!
//! # A new region
//!
//! knows nothing of what a lost one admitted: it refuses timestamps up to its birth plus S + D (the *birth rule*), which is all that an earlier
//! region on this machine's clock may have admitted.

mod store;
mod table;
#[cfg(all(test, not(loom)))]
mod tests;
mod word;

pub use store::{Admit, Mode, NonceConfig, NonceKey, Store, Ticket};
