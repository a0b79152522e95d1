//! Encodings: thin glue over well-kept crates. Borrow in, bounded buffer out.

pub mod doc;
