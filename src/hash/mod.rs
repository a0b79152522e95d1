//! Hashes: one message at a time and many at once, and the keyed hash of the shared tables.

pub mod prf;
