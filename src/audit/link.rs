//! The links of a chain: a MAC over each line and the link before it.
//!
//! ```text
//! link(n) = PMAC-AES-256(K, link(n-1) ‖ line n up to its link),   link(-1) = 0
//! K       = HMAC-SHA256(secret, "portcullis audit 3 link " ‖ chain)
//! ```
//! PMAC ([`crate::hash::aes_mac`]) enciphers the blocks of a line side by side, so that a link costs little more than two calls of the cipher, whatever
//! the line. A forger who saw 2^40 links of lines of 2 KiB has an advantage below σ²/2^126 = 2^-32 besides breaking AES; a guess is right once in 2^128.
//!
//! - *No nonce.* Nothing has to be unique, so nothing is lost after a fork, or when a machine goes on from a snapshot: the same text has the same link.
//! - *What is in it.* The line begins with the chain and its number, so a line has one place in one chain; the link before it has a fixed length, so the text is read in one way
//!   only. Lines have keys of their own chain.
//! - *What it is not.* Who has the secret can write another log: that is what seals by a signature are for ([`super::seal`]), or a [`Head`](super::Head)
//!   kept elsewhere together with the number of its lines.

use crate::error::Error;
use crate::hash::Message;
use crate::hash::aes_mac::PmacKey;
use crate::hash::hmac::Sha256Key;
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Bytes of a link.
pub(super) const LINK: usize = 16;
pub(super) type Link = [u8; LINK];

/// The key of the links. Wiped when dropped, never printed. Clones share it.
#[derive(Clone)]
pub struct AuditKey(Arc<Sha256Key>);

impl AuditKey {
    /// From a secret of 32 bytes at least.
    ///
    /// # Errors
    /// The secret is shorter.
    pub fn new(secret: &[u8]) -> Result<Self, Error> {
        if secret.len() < 32 {
            return Err(Error::Key("expected a secret of at least 32 bytes for the audit chain".to_owned()));
        }
        Ok(Self(Arc::new(Sha256Key::new(secret))))
    }

    /// The links of one chain.
    pub(super) fn links(&self, chain: u64) -> Links {
        let message = Message { prefix: b"portcullis audit 3 link ", body: &chain.to_be_bytes(), suffix: &[] };
        Links { key: PmacKey::new(&Zeroizing::new(self.0.mac(message))), text: Vec::new() }
    }
}

impl fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuditKey([redacted])")
    }
}

/// Makes the links of one chain.
pub(super) struct Links {
    key: PmacKey,
    /// The link before, and the line.
    text: Vec<u8>,
}

impl Links {
    /// The link of `line`, which ends before its link, after the link `before`.
    pub fn link(&mut self, before: &Link, line: &[u8]) -> Link {
        self.text.clear();
        self.text.extend_from_slice(before);
        self.text.extend_from_slice(line);
        self.of(&self.text)
    }

    /// As [`Links::link`], where the link before stands in front of the line.
    #[inline]
    pub fn of(&self, text: &[u8]) -> Link {
        self.key.mac(text)
    }
}

/// A link as it stands in its line.
#[inline]
pub(super) fn digits(link: &Link) -> [u8; 2 * LINK] {
    // Loops over arrays, which the compiler turns into vector instructions.
    let digit = |half: u8| half + b'0' + (b'a' - b'0' - 10) * u8::from(half > 9);
    let (high, low) = (link.map(|byte| digit(byte >> 4)), link.map(|byte| digit(byte & 15)));
    let mut digits = [0; 2 * LINK];
    for ((pair, high), low) in digits.as_chunks_mut::<2>().0.iter_mut().zip(high).zip(low) {
        *pair = [high, low];
    }
    digits
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Links([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aes::Aes256;
    use aws_lc_rs::hmac;
    use pmac::{KeyInit, Mac, Pmac};

    #[test]
    fn a_link_is_what_the_construction_says() {
        let secret = b"a secret of thirty-two bytes or more";
        let mut links = AuditKey::new(secret).unwrap().links(0x0123_4567_89ab_cdef);
        let text = [&b"portcullis audit 3 link "[..], &0x0123_4567_89ab_cdefu64.to_be_bytes()].concat();
        let key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), &text);
        for len in [0usize, 1, 15, 16, 17, 100, 1000] {
            let (before, line) = ([len as u8; 16], vec![b'x'; len]);
            let mut mac = Pmac::<Aes256>::new_from_slice(key.as_ref()).unwrap();
            mac.update(&before);
            mac.update(&line);
            let expected: Link = mac.finalize().into_bytes().into();
            assert_eq!(links.link(&before, &line), expected, "{len}");
            assert_eq!(digits(&expected)[..], *crate::codec::hex::to_string(&expected).as_bytes());
        }
    }

    #[test]
    fn links_depend_on_secret_chain_line_and_the_link_before() {
        let key = |secret: &[u8]| AuditKey::new(secret).unwrap();
        let (one, two) = (key(&[1; 32]), key(&[2; 32]));
        let of = |key: &AuditKey, chain: u64, before: u8, line: &[u8]| key.links(chain).link(&[before; 16], line);
        let mut all =
            vec![of(&two, 7, 0, b"ab"), of(&one, 8, 0, b"ab"), of(&one, 7, 1, b"ab"), of(&one, 7, 0, b"ab\0")];
        let text = [7u8; 200];
        all.extend((0..200).map(|len| of(&one, 7, 0, &text[..len])));
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        assert_eq!(of(&one, 7, 0, b"ab"), of(&one, 7, 0, b"ab"));
    }
}
