//! Hashes: one message at a time and many at once, HMAC in the same lanes, MACs under AES for our own texts, and the keyed hash of the shared tables.
//!
//! # One and many
//!
//! [`md5`], [`sha256`], [`sm3`] and [`sha512`] have the same three functions: `digest` for one message, `digest_many` for a slice of them,
//! and `digest_each`, which takes its messages from one closure and gives its digests to another, so that a caller with its own tables
//! needs no slice in between. A message may be in three pieces ([`Message`]). Results never depend on the kernel, on the order or on what
//! else is in the batch.
//!
//! | hash | AVX-512 | AVX2 | else |
//! |---|---|---|---|
//! | MD5 | 2 × 16 interleaved, 16 | 2 × 8 interleaved, 8 | one by one |
//! | SHA-256 | 16; few: SHA-NI | 8; SHA-NI where there | SHA-NI two by two, or one by one |
//! | SM3 | 16 | 8 | one by one |
//! | SHA-512 | 8 | 4 | one by one |
//!
//! From how many messages on which kernel runs is in [`Kernels::break_even`]. [`Scratch`] holds the buffers; a batch allocates nothing once
//! they have grown.

mod compress;
mod group;
mod many;
mod message;
mod table;

pub mod aes_mac;
pub mod hmac;
pub mod md5;
pub mod prf;
pub mod selftest;
pub mod sha256;
pub mod sha512;
pub mod sm3;

pub use many::Scratch;
pub use message::Message;
pub use table::{Algorithm, Kernels, Unit};

use crate::lanes::words::Word;

/// A digest's bytes from its words, which are little-endian here whatever the hash.
#[inline(always)]
fn digest_bytes<T: Word, const Q: usize, const N: usize>(rows: &[[T; 4]; Q]) -> [u8; N] {
    let mut bytes = [0; N];
    for (bytes, word) in bytes.chunks_exact_mut(size_of::<T>()).zip(rows.as_flattened()) {
        word.write(bytes);
    }
    bytes
}

/// The functions that every hash has.
macro_rules! digest_functions {
    ($hash:ident, $rows:literal, $bytes:literal) => {
        /// A digest.
        pub type Digest = [u8; $bytes];

        /// The digest of one message.
        #[must_use]
        pub fn digest(message: &[u8]) -> Digest {
            let job = $crate::hash::compress::Job { message: $crate::hash::Message::new(message), key: None };
            $crate::hash::digest_bytes(&$crate::hash::many::one::<$hash, $rows>(
                $crate::lanes::Cpu::detect().into(),
                &job,
            ))
        }

        /// The digests of many messages: `out[i]` that of `messages[i]`, for as many as both slices have.
        pub fn digest_many(
            kernels: impl Into<Kernels>,
            messages: &[&[u8]],
            out: &mut [Digest],
            scratch: &mut $crate::hash::Scratch,
        ) {
            let count = messages.len().min(out.len());
            let message = |i: usize| $crate::hash::Message::new(messages[i]);
            digest_each(kernels, count, message, |i, digest| out[i] = *digest, scratch);
        }

        /// The digests of `count` messages: `message(i)` is the i-th, and `put(i, …)` is called once with its digest, in any order.
        pub fn digest_each<'a>(
            kernels: impl Into<Kernels>,
            count: usize,
            message: impl Fn(usize) -> $crate::hash::Message<'a>,
            mut put: impl FnMut(usize, &Digest),
            scratch: &mut $crate::hash::Scratch,
        ) {
            $crate::hash::many::each::<$hash, $rows>(
                kernels.into(),
                count,
                |i| $crate::hash::compress::Job { message: message(i), key: None },
                |i, rows| put(i, &$crate::hash::digest_bytes(rows)),
                scratch,
            );
        }
    };
}
use digest_functions;
