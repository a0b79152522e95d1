//! Encodings: thin glue over well-kept crates. Borrow in, bounded buffer out.

pub mod base64;
pub mod civil;
pub mod dates;
pub mod doc;
pub mod fault;
pub mod hex;
pub mod json;
pub mod pem;
pub mod percent;
pub mod rfc3339;

/// The text is not what its encoding allows, or does not fit the buffer. Which of the two, and where, is of no use to a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("malformed")]
pub struct Malformed;
