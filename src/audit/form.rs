//! The two forms of a chain, and a log split into its records.

use super::frame;

/// How the records of a chain are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Form {
    /// Lines of JSON.
    #[default]
    Ndjson,
    /// Frames: the same content in half of the bytes. [`show`](super::show) makes lines of them.
    Binary,
}

/// The first record of a log, without its line end, and what follows it; `None` where the log ends before the record does
/// ([`Verifier::end`](super::Verifier::end) says what that means). Both forms are known by their first byte, also side by side in one log. Where no record
/// begins, what is there comes back as one, for [`Verifier::line`](super::Verifier::line) to refuse.
#[must_use]
pub fn split_first(log: &[u8]) -> Option<(&[u8], &[u8])> {
    if log.first() == Some(&frame::MAGIC) {
        return match frame::length(log) {
            Ok(len) => log.split_at_checked(len?),
            Err(()) => Some((log, &[])),
        };
    }
    let end = memchr::memchr(b'\n', log)?;
    Some((log.get(..end)?, log.get(end + 1..)?))
}
