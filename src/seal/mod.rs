//! Sealed fields: a key for one request, wrapped for the server's key pair, and a field encrypted under it (open-API guide, 2.3, 4.1:
//! AES/CBC/PKCS5 with a dynamic key that the client makes and sends under the server's RSA key).
//!
//! # What an attacker learns
//!
//! Nothing but that it failed. A server that answers differently for a wrapped key with bad padding, a field with bad padding and a
//! field with bad content can be asked, question by question, for the plaintext (Bleichenbacher 1998, Vaudenay 2002). Here:
//!
//! - a field is opened only with the verdict that accepted its request, so nobody without an app's key can ask at all;
//! - there is one error, [`OpenError`], without a word more;
//! - whatever a wrapped key unwraps to, decryption goes on: with a key made from the wrapped bytes and a secret of this [`Opener`] where
//!   unwrapping failed (implicit rejection, as TLS 1.2 does: RFC 5246, 7.4.7.1), chosen without a branch;
//! - the padding of CBC is checked over its whole block without a branch that depends on it.
//!
//! RSA and AES are aws-lc's, constant-time; SM2, SM4 and the GCM around it are RustCrypto's (SM4 there is table-driven: it does not hide what it
//! looks up from who shares the processor's cache). `benches/timing.rs` measures what time tells of failures. Of the two paddings of RSA prefer OAEP. GCM is better than CBC in every way; CBC is what the
//! guide asks for.
//!
//! What was opened is wiped when dropped ([`Opened`]; JR/T 0185-2020, 7.2.2).

mod cipher;
mod unwrap;

pub use cipher::Cipher;
pub use unwrap::Wrap;

use crate::error::Error;
use crate::verdict::Verdict;
use aws_lc_rs::hmac;
use std::fmt;
use subtle::{Choice, ConditionallySelectable};
use unwrap::Unwrapper;
use zeroize::Zeroizing;

/// Bytes of the longest key.
const KEY_MAX: usize = 32;

/// A field could not be opened. It does not say why: see the head of this room.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the field cannot be opened")]
pub struct OpenError;

/// What was in a field. Wiped when dropped, never printed.
pub struct Opened(Zeroizing<Vec<u8>>);

impl Opened {
    /// The bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opened([redacted])")
    }
}

/// A sealed field, as it was sent, decoded from base64 or hexadecimal.
#[derive(Clone, Copy, Debug)]
pub struct Sealed<'a> {
    /// The wrapped key.
    pub key: &'a [u8],
    /// CBC: the first block, 16 bytes. GCM: the nonce, 12 bytes.
    pub iv: &'a [u8],
    /// The field; with GCM the tag stands at its end.
    pub text: &'a [u8],
    /// GCM: what is authenticated besides. CBC: must be empty.
    pub aad: &'a [u8],
}

/// The server's private key for sealed fields: for encryption, never the one that signs (JR/T 0185-2020, 7.3.4). Never printed.
pub struct Opener {
    unwrapper: Unwrapper,
    /// Makes the keys of implicit rejection.
    rejection: hmac::Key,
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opener([redacted])")
    }
}

impl Opener {
    /// From a private key in PKCS#8 (DER), RSA of 2,048 bits at least or SM2.
    ///
    /// # Errors
    /// Not such a key.
    pub fn from_pkcs8(wrap: Wrap, der: &[u8]) -> Result<Self, Error> {
        let mut secret = Zeroizing::new([0u8; 32]);
        aws_lc_rs::rand::fill(secret.as_mut_slice())
            .map_err(|_| Error::Key("the system has no randomness".to_owned()))?;
        Ok(Self {
            unwrapper: Unwrapper::from_pkcs8(wrap, der)?,
            rejection: hmac::Key::new(hmac::HMAC_SHA256, secret.as_slice()),
        })
    }

    /// The key of the request that `verdict` accepted, for all its fields. A wrapped key that is none gives a key as well: one that opens nothing,
    /// and says so no sooner than any other failure.
    ///
    /// # Errors
    /// [`OpenError`] where the request was not accepted.
    pub fn request_key(&self, verdict: &Verdict, cipher: Cipher, wrapped: &[u8]) -> Result<RequestKey, OpenError> {
        if !verdict.ok() {
            return Err(OpenError);
        }
        let mut key = Zeroizing::new([0u8; KEY_MAX]);
        let mut other = Zeroizing::new([0u8; KEY_MAX]);
        other.iter_mut().zip(hmac::sign(&self.rejection, wrapped).as_ref()).for_each(|(to, from)| *to = *from);
        let unwrapped = self.unwrapper.unwrap(wrapped, cipher.key_len(), &mut key);
        for (byte, other) in key.iter_mut().zip(other.iter()) {
            *byte = u8::conditional_select(other, byte, unwrapped);
        }
        Ok(RequestKey { cipher, key, unwrapped })
    }

    /// Opens the only field of the request that `verdict` accepted. For several fields under one key unwrap it once: [`Opener::request_key`].
    ///
    /// # Errors
    /// [`OpenError`] for everything: not accepted, a wrapped key that cannot be unwrapped, lengths, padding, a tag.
    pub fn open(&self, verdict: &Verdict, cipher: Cipher, sealed: &Sealed<'_>) -> Result<Opened, OpenError> {
        self.request_key(verdict, cipher, sealed.key)?.open(sealed.iv, sealed.text, sealed.aad)
    }
}

/// The unwrapped key of one request. Wiped when dropped, never printed.
pub struct RequestKey {
    cipher: Cipher,
    key: Zeroizing<[u8; KEY_MAX]>,
    /// Whether it was a key of that length; not asked before a field was decrypted under it.
    unwrapped: Choice,
}

impl fmt::Debug for RequestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestKey([redacted])")
    }
}

impl RequestKey {
    /// Opens a field; `iv`, `text` and `aad` as in [`Sealed`].
    ///
    /// # Errors
    /// [`OpenError`] for everything.
    pub fn open(&self, iv: &[u8], text: &[u8], aad: &[u8]) -> Result<Opened, OpenError> {
        let key = self.key.get(..self.cipher.key_len()).ok_or(OpenError)?;
        let mut text = Zeroizing::new(text.to_vec());
        let (len, good): (usize, Choice) = self.cipher.decrypt(key, iv, aad, &mut text);
        if bool::from(good & self.unwrapped) {
            text.truncate(len);
            Ok(Opened(text))
        } else {
            Err(OpenError)
        }
    }
}
