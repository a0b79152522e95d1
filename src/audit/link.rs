//! The links of a chain: a MAC over each line and the link before it.
//!
//! ```text
//! link(n) = AES-256(K2, G(K1, link(n-1) ‖ line n up to its link)),   link(-1) = 0
//! G       = the tag of AES-256-GCM with that as additional data, nothing to encrypt and a nonce of zeros
//! K1, K2  = HMAC-SHA256(secret, "portcullis audit 2 hash " ‖ chain), HMAC-SHA256(secret, "portcullis audit 2 code " ‖ chain)
//! ```
//! *A universal hash whose value goes through a pseudo-random permutation is a PRF, and so a MAC* (Wegman and Carter, 1981; Boneh and Shoup, *A Graduate Course
//! in Applied Cryptography*, 7.3, "the PRF(UHF) composition"). For one key K1 and one nonce the tag is GHASH plus a constant, and two different texts of up to ℓ
//! blocks have one value for at most (ℓ + 2) of the 2^128 keys of GHASH. A forger of links of lines of 2 KiB after 2^40 of them has an advantage below
//! q²ℓ/2^128 = 2^-41 besides breaking AES; a guess is right once in 2^128.
//!
//! - *No nonce.* GMAC itself would be one step less, but gives its hash key away as soon as a nonce comes twice: after a fork, or when a machine goes on from a
//!   snapshot. Here nothing has to be unique: the value of G never leaves this file, and the same text has the same link.
//! - *What is in it.* The line begins with the chain and its number, so a line has one place in one chain; the link before it has a fixed length, so the text is read in one way
//!   only. Lines have keys of their own chain.
//! - *What it is not.* Who has the secret can write another log: that is what seals by a signature are for ([`super::seal`]), or a [`Head`](super::Head)
//!   kept elsewhere together with the number of its lines.

use crate::error::Error;
use crate::hash::Message;
use crate::hash::hmac::Sha256Key;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
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

    /// The links of one chain; `None` where the library has no memory for its keys.
    pub(super) fn links(&self, chain: u64) -> Option<Links> {
        let name = chain.to_be_bytes();
        let derive = |label: &[u8]| Zeroizing::new(self.0.mac(Message { prefix: label, body: &name, suffix: &[] }));
        let hash = UnboundKey::new(&AES_256_GCM, derive(b"portcullis audit 2 hash ").as_slice()).ok()?;
        let code = UnboundCipherKey::new(&AES_256, derive(b"portcullis audit 2 code ").as_slice()).ok()?;
        Some(Links { hash: LessSafeKey::new(hash), code: EncryptingKey::ecb(code).ok()?, text: Vec::new() })
    }
}

impl fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuditKey([redacted])")
    }
}

/// Makes the links of one chain.
pub(super) struct Links {
    hash: LessSafeKey,
    code: EncryptingKey,
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

    /// As [`Links::link`], where the link before stands in front of the line. No text of a line makes it fail: it would have to be longer than 2^61 bytes. (The
    /// link is zeros then, which fits no line.)
    pub fn of(&self, text: &[u8]) -> Link {
        self.try_of(text).unwrap_or_default()
    }

    fn try_of(&self, text: &[u8]) -> Option<Link> {
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        let tag = self.hash.seal_in_place_separate_tag(nonce, Aad::from(text), &mut []).ok()?;
        let mut link: Link = tag.as_ref().try_into().ok()?;
        self.code.less_safe_encrypt(&mut link, EncryptionContext::None).ok()?;
        Some(link)
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
    use aws_lc_rs::hmac;

    fn aes(key: &[u8], block: &mut [u8; 16]) {
        let key = EncryptingKey::ecb(UnboundCipherKey::new(&AES_256, key).unwrap()).unwrap();
        key.less_safe_encrypt(block, EncryptionContext::None).unwrap();
    }

    /// NIST SP 800-38D, algorithm 1, bit by bit.
    fn times(x: u128, y: u128) -> u128 {
        let (mut z, mut v) = (0, y);
        for bit in 0..128 {
            if x >> (127 - bit) & 1 == 1 {
                z ^= v;
            }
            v = if v & 1 == 1 { v >> 1 ^ 0xe1 << 120 } else { v >> 1 };
        }
        z
    }

    #[test]
    fn a_link_is_what_the_construction_says() {
        let secret = b"a secret of thirty-two bytes or more";
        let mut links = AuditKey::new(secret).unwrap().links(0x0123_4567_89ab_cdef).unwrap();
        let derive = |label: &[u8]| {
            let text = [label, &0x0123_4567_89ab_cdefu64.to_be_bytes()].concat();
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), &text)
        };
        let (hash, code) = (derive(b"portcullis audit 2 hash "), derive(b"portcullis audit 2 code "));
        let (mut h, mut c) = ([0; 16], [0; 16]);
        c[15] = 1;
        aes(hash.as_ref(), &mut h);
        aes(hash.as_ref(), &mut c);
        for len in [0usize, 1, 15, 16, 17, 100, 1000] {
            let (before, line) = ([len as u8; 16], vec![b'x'; len]);
            let text = [&before[..], &line].concat();
            let mut blocks: Vec<[u8; 16]> = text
                .chunks(16)
                .map(|chunk| {
                    let mut block = [0; 16];
                    block[..chunk.len()].copy_from_slice(chunk);
                    block
                })
                .collect();
            blocks.push(((text.len() as u128 * 8) << 64).to_be_bytes());
            let h = u128::from_be_bytes(h);
            let hashed = blocks.iter().fold(0, |y, block| times(y ^ u128::from_be_bytes(*block), h));
            let mut expected = (hashed ^ u128::from_be_bytes(c)).to_be_bytes();
            aes(code.as_ref(), &mut expected);
            assert_eq!(links.link(&before, &line), expected, "{len}");
            assert_eq!(digits(&expected)[..], *crate::codec::hex::to_string(&expected).as_bytes());
        }
    }

    #[test]
    fn links_depend_on_secret_chain_line_and_the_link_before() {
        let key = |secret: &[u8]| AuditKey::new(secret).unwrap();
        let (one, two) = (key(&[1; 32]), key(&[2; 32]));
        let of =
            |key: &AuditKey, chain: u64, before: u8, line: &[u8]| key.links(chain).unwrap().link(&[before; 16], line);
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
