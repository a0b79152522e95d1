//! The hashes of RSA, one message at a time.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA512, digest};

use super::padding::Digest;

/// Hashes.
#[derive(Default)]
pub(super) struct Hasher;

impl Hasher {
    /// Writes a digest to the front of `out`.
    pub fn digest(&self, hash: Digest, message: &[u8], out: &mut [u8; 64]) {
        let algorithm = match hash {
            Digest::Sha1 => &SHA1_FOR_LEGACY_USE_ONLY,
            Digest::Sha256 => &SHA256,
            Digest::Sha512 => &SHA512,
        };
        let value = digest(algorithm, message);
        out[..hash.bytes()].copy_from_slice(value.as_ref());
    }
}
