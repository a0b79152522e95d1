//! One message at a time.

use md5::{Digest, Md5};

/// MD5(message ‖ secret).
pub fn digest(message: &[u8], secret: &[u8]) -> [u8; 16] {
    let mut hash = Md5::new();
    hash.update(message);
    hash.update(secret);
    hash.finalize().into()
}
