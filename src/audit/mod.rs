//! The access record, and the chain that shows whether it was tampered with (JR/T 0185-2020, 7.3.3, 12.3).
//!
//! Each worker writes its own chain of records ([`Chain`]) into a buffer of the caller's, which the caller writes where it keeps its logs;
//! chains of several workers may share a file. [`Verifier`] reads records in order and names the first that was altered, deleted, put in,
//! moved or cut off.
//!
//! # A record
//!
//! Records are lines of JSON, or frames with the same content in half of the bytes ([`Form::Binary`]; [`show`] makes lines of them):
//!
//! ```text
//! {"w":"<chain, 16 hex>","seq":<n>, … ,"link":"<32 hex>"}
//! 0xf5 | version and kind | length | chain | number | time | … | link, 16 bytes
//! ```
//! What is said of lines here holds for frames. *Masks* are put on before either is written.
//!
//! The link of line n is a MAC (128 bits; `link.rs` has its construction and why it is one) over the link of line n-1 and line n up to its link, under keys that
//! are derived from the secret for this chain alone. It is keyed, so that who can write the file cannot make links: the first line that does not fit is
//! the first that was touched, not merely one of a block before a seal. It needs no nonce, so a fork or a restored machine spoils no key; the two
//! lines of one number that come of it are found.
//!
//! - Line 0 opens a chain. It names the chain, drawn at random, the line that it goes on from where a file was rotated, and how long
//!   the records must be kept.
//! - A line that closes says how many there were. A chain that has not been closed ends openly: its worker is still writing, or was killed.
//!   That is told apart from tampering, and so is a torn last line. What was cut off an open end can be shown by [`Head`] alone, which
//!   a gateway may keep elsewhere.
//! - A line that seals ([`Chain::seal`]) has a signature over all lines before it: by that a log is checked by those who may not have the secret of
//!   the links, and who has that secret cannot change what was sealed.

mod binary;
mod chain;
mod form;
mod frame;
mod link;
mod mask;
mod pen;
mod seal;
mod show;
#[cfg(test)]
mod tests;
mod verify;

pub use chain::{Chain, Evidence, Head, Record, Retention};
pub use form::{Form, split_first};
pub use link::AuditKey;
pub use mask::{Masked, mask, mask_text};
pub use show::show;
pub use verify::{Broken, Ending, Report, Verifier};
