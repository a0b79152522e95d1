//! Seals of a chain: a signature over the digest of all its lines so far, for those who do not have the secret of its links.
//!
//! ```text
//! {"w":"…","seq":<n>,"chain":"seal","at":…,"digest":"<64 hex>","signature":"<base64>","link":"…"}
//! ```
//! The digest is SHA-256, or SM3 where the signature is SM2's or HMAC-SM3, of lines 0 to n-1, line ends included. What is signed is
//! `portcullis audit seal 1:` and the line up to its signature, so chain, place and time are under it as well.

use crate::alg::Algorithm;
use aws_lc_rs::digest::{Context, SHA256};
use sm3::{Digest, Sm3};

/// What stands before a signature in its line.
pub(super) const BEFORE_SIGNATURE: &[u8] = b",\"signature\":\"";

/// Whether an algorithm is fit for seals: not MD5 with a secret behind, and not SHA-1, which is never signed with here.
pub(super) fn may_seal(algorithm: Algorithm) -> bool {
    !matches!(algorithm, Algorithm::Md5 | Algorithm::RsaPkcs1Sha1)
}

/// What is signed of a seal's line.
pub(super) fn signed(text: &[u8]) -> Vec<u8> {
    [b"portcullis audit seal 1:", text].concat()
}

/// The digest of the lines so far.
#[derive(Clone)]
pub(super) enum Running {
    Sha256(Context),
    Sm3(Sm3),
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Running")
    }
}

impl Running {
    pub fn of(algorithm: Algorithm) -> Self {
        if algorithm.is_gm() { Self::Sm3(Sm3::new()) } else { Self::Sha256(Context::new(&SHA256)) }
    }

    pub fn add(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(context) => context.update(bytes),
            Self::Sm3(hash) => hash.update(bytes),
        }
    }

    pub fn digest(&self) -> [u8; 32] {
        let mut out = [0; 32];
        match self {
            Self::Sha256(context) => out.copy_from_slice(context.clone().finish().as_ref()),
            Self::Sm3(hash) => out.copy_from_slice(&hash.clone().finalize()),
        }
        out
    }
}
