//! One message at a time.

use ::hmac::{Hmac, KeyInit, Mac};
use aws_lc_rs::hmac as aws;
use sm3::Sm3;

use crate::alg::KeyError;

/// A tag of 20 to 64 bytes.
pub(in crate::alg) struct Tag {
    bytes: [u8; 64],
    len: usize,
}

impl Tag {
    fn new(from: &[u8]) -> Self {
        let mut bytes = [0; 64];
        let len = from.len().min(64);
        for (to, from) in bytes.iter_mut().zip(from) {
            *to = *from;
        }
        Self { bytes, len }
    }

    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// The tag over `message ‖ appended`.
pub fn sha(held: &aws::Key, message: &[u8], appended: &[u8]) -> Tag {
    if appended.is_empty() {
        return Tag::new(aws::sign(held, message).as_ref());
    }
    let mut context = aws::Context::with_key(held);
    context.update(message);
    context.update(appended);
    Tag::new(context.sign().as_ref())
}

pub type HeldSm3 = Hmac<Sm3>;

pub fn held_sm3(secret: &[u8]) -> Result<HeldSm3, KeyError> {
    // RFC 2104 takes keys of any length, and so does the crate: its error has no way to happen.
    HeldSm3::new_from_slice(secret).map_err(|_| KeyError::Encoding("a key of a length that HMAC takes"))
}

/// The tag over `message ‖ appended`.
pub fn sm3(held: &HeldSm3, message: &[u8], appended: &[u8]) -> Tag {
    let mut mac = held.clone();
    mac.update(message);
    mac.update(appended);
    Tag::new(&mac.finalize().into_bytes())
}
