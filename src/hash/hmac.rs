//! HMAC (RFC 2104) with the states of its two pads held per key, for one message and for many.
//!
//! A key's first block, inner and outer, is the same for each message, so it is compressed once, when the key is made; a message then costs
//! its own blocks and one for the outer hash. In lanes the outer block is made from the inner states without leaving the registers.
//!
//! A key's states are as good as the key for forging: they are wiped when dropped and not shown by `Debug`. The kernels take keys and
//! messages without a branch on them or an index made from them.

use zeroize::{Zeroize, ZeroizeOnDrop};

use super::compress::{Hash, Job, Pads};
use super::many::{self, Scratch};
use super::message::Message;
use super::sha256::Sha256;
use super::sm3::Sm3;
use super::table::Kernels;
use crate::lanes::Cpu;

/// The states after the two pads' blocks.
fn pads<H: Hash<2, Word = u32>>(secret: &[u8]) -> Pads<u32, 2> {
    let kernels = Kernels::from(Cpu::detect());
    let mut block = [0; 64];
    if let Some(start) = block.get_mut(..secret.len()) {
        start.copy_from_slice(secret);
    } else {
        let mut digest = many::one::<H, 2>(kernels, &Job { message: Message::new(secret), key: None });
        for (bytes, word) in block.chunks_exact_mut(4).zip(digest.as_flattened()) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        digest.zeroize();
    }
    let state = |pad: u8| {
        let mut padded = [block.map(|byte| byte ^ pad)];
        let mut state = [*H::IV];
        H::advance(kernels, &mut state, &[super::message::Blocks::of_built(&padded)], 0);
        padded.zeroize();
        state[0]
    };
    let pads = Pads { inner: state(0x36), outer: state(0x5c) };
    block.zeroize();
    pads
}

macro_rules! key {
    ($(#[$doc:meta])* $name:ident, $hash:ident) => {
        $(#[$doc])*
        pub struct $name(Pads<u32, 2>);

        impl $name {
            /// From a secret of any length; one longer than 64 bytes stands for its digest (RFC 2104, 3).
            #[must_use]
            pub fn new(secret: &[u8]) -> Self {
                Self(pads::<$hash>(secret))
            }

            /// The code of one message.
            #[must_use]
            pub fn mac(&self, message: Message<'_>) -> [u8; 32] {
                let job = Job { message, key: Some(&self.0) };
                super::digest_bytes(&many::one::<$hash, 2>(Cpu::detect().into(), &job))
            }

            /// The codes of many messages, each under its own key and with its own suffix (empty where there is none): `out[i]` that of
            /// `items[i]`, for as many as both slices have.
            pub fn mac_many(
                kernels: impl Into<Kernels>,
                items: &[(&Self, &[u8], &[u8])],
                out: &mut [[u8; 32]],
                scratch: &mut Scratch,
            ) {
                let count = items.len().min(out.len());
                let item = |i: usize| {
                    let (key, body, suffix) = items[i];
                    (key, Message::with_suffix(body, suffix))
                };
                Self::mac_each(kernels, count, item, |i, code| out[i] = *code, scratch);
            }

            /// The codes of `count` messages: `item(i)` is the i-th with its key, and `put(i, …)` is called once with its code, in any order.
            pub fn mac_each<'a>(
                kernels: impl Into<Kernels>,
                count: usize,
                item: impl Fn(usize) -> (&'a Self, Message<'a>),
                mut put: impl FnMut(usize, &[u8; 32]),
                scratch: &mut Scratch,
            ) {
                let job = |i: usize| {
                    let (key, message) = item(i);
                    Job { message, key: Some(&key.0) }
                };
                let put = |i: usize, rows: &[[u32; 4]; 2]| put(i, &super::digest_bytes(rows));
                many::each::<$hash, 2>(kernels.into(), count, job, put, scratch);
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                self.0.inner.zeroize();
                self.0.outer.zeroize();
            }
        }

        impl ZeroizeOnDrop for $name {}

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}

key! {
    /// A key of HMAC-SHA256 (RFC 2104 with FIPS 180-4's SHA-256).
    Sha256Key, Sha256
}

key! {
    /// A key of HMAC-SM3 (RFC 2104 with GB/T 32905-2016's SM3).
    Sm3Key, Sm3
}
