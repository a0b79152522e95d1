//! The digests of a group's messages.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use super::padding::Digest;
use crate::hash::{Message, Scratch, sha256, sha512};
use crate::lanes::Cpu;

/// The longest digest.
pub(super) const MAX_DIGEST: usize = 64;

/// Hashes `count` messages: `put(i, …)` gets the digest of `message(i)`, in any order. SHA-1, which has no lanes, goes one at a time.
pub(super) fn each<'a>(
    cpu: Cpu,
    hash: Digest,
    count: usize,
    message: impl Fn(usize) -> Message<'a>,
    mut put: impl FnMut(usize, &[u8]),
    scratch: &mut Scratch,
) {
    match hash {
        Digest::Sha256 => sha256::digest_each(cpu, count, message, |i, digest| put(i, digest), scratch),
        Digest::Sha512 => sha512::digest_each(cpu, count, message, |i, digest| put(i, digest), scratch),
        Digest::Sha1 => {
            for i in 0..count {
                put(i, digest(&SHA1_FOR_LEGACY_USE_ONLY, message(i).body).as_ref());
            }
        }
    }
}
