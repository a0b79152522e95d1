//! Decryption of a field.

use aes_gcm::AesGcm;
use aes_gcm::aead::AeadInOut;
use aes_gcm::aead::consts::U12;
use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, AES_256, DecryptingKey, DecryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use sm4::Sm4;
use sm4::cipher::{BlockCipherDecrypt, KeyInit};
use subtle::{Choice, ConstantTimeEq, ConstantTimeGreater};

const BLOCK: usize = 16;

/// How a field is encrypted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cipher {
    /// AES-128 in CBC with the padding of PKCS#7 (which Java calls PKCS5).
    Aes128Cbc,
    /// AES-256 in CBC with the padding of PKCS#7.
    Aes256Cbc,
    /// AES-128 in GCM.
    Aes128Gcm,
    /// AES-256 in GCM.
    Aes256Gcm,
    /// SM4 in CBC with the padding of PKCS#7.
    Sm4Cbc,
    /// SM4 in GCM (RFC 8998).
    Sm4Gcm,
}

impl Cipher {
    /// All of them.
    pub const ALL: [Cipher; 6] =
        [Self::Aes128Cbc, Self::Aes256Cbc, Self::Aes128Gcm, Self::Aes256Gcm, Self::Sm4Cbc, Self::Sm4Gcm];

    /// Bytes of its key.
    #[must_use]
    pub const fn key_len(self) -> usize {
        match self {
            Self::Aes128Cbc | Self::Aes128Gcm | Self::Sm4Cbc | Self::Sm4Gcm => 16,
            Self::Aes256Cbc | Self::Aes256Gcm => 32,
        }
    }

    /// Decrypts in place: how many bytes are the plaintext, and whether it is good. What is known to everybody (lengths) may end early.
    pub(super) fn decrypt(self, key: &[u8], iv: &[u8], aad: &[u8], text: &mut [u8]) -> (usize, Choice) {
        const BAD: (usize, u8) = (0, 0);
        let bad = (BAD.0, Choice::from(BAD.1));
        match self {
            Self::Aes128Gcm | Self::Aes256Gcm => {
                let algorithm = if self == Self::Aes128Gcm { &AES_128_GCM } else { &AES_256_GCM };
                let nonce = Nonce::try_assume_unique_for_key(iv);
                let (Ok(key), Ok(nonce)) = (UnboundKey::new(algorithm, key), nonce) else { return bad };
                match LessSafeKey::new(key).open_in_place(nonce, Aad::from(aad), text) {
                    Ok(plain) => (plain.len(), Choice::from(1)),
                    Err(_) => bad,
                }
            }
            Self::Sm4Gcm => sm4_gcm(key, iv, aad, text).map_or(bad, |len| (len, Choice::from(1))),
            Self::Aes128Cbc | Self::Aes256Cbc | Self::Sm4Cbc => {
                let Ok(iv) = <[u8; BLOCK]>::try_from(iv) else { return bad };
                if text.is_empty() || !text.len().is_multiple_of(BLOCK) || !aad.is_empty() {
                    return bad;
                }
                let done = match self {
                    Self::Sm4Cbc => sm4_cbc(key, iv, text),
                    _ => aes_cbc(if self == Self::Aes128Cbc { &AES_128 } else { &AES_256 }, key, iv, text),
                };
                if done.is_none() {
                    return bad;
                }
                unpadded(text)
            }
        }
    }
}

fn aes_cbc(
    algorithm: &'static aws_lc_rs::cipher::Algorithm,
    key: &[u8],
    iv: [u8; BLOCK],
    text: &mut [u8],
) -> Option<()> {
    let key = DecryptingKey::cbc(UnboundCipherKey::new(algorithm, key).ok()?).ok()?;
    key.decrypt(text, DecryptionContext::Iv128(FixedLength::from(iv))).ok().map(drop)
}

fn sm4_gcm(key: &[u8], iv: &[u8], aad: &[u8], text: &mut [u8]) -> Option<usize> {
    let cipher = AesGcm::<Sm4, U12>::new_from_slice(key).ok()?;
    let nonce = <[u8; 12]>::try_from(iv).ok()?;
    let (text, tag) = text.split_last_chunk_mut::<BLOCK>()?;
    cipher.decrypt_inout_detached(&nonce.into(), aad, (&mut *text).into(), &(*tag).into()).ok()?;
    Some(text.len())
}

fn sm4_cbc(key: &[u8], iv: [u8; BLOCK], text: &mut [u8]) -> Option<()> {
    let cipher = Sm4::new_from_slice(key).ok()?;
    let mut before = iv;
    for block in text.chunks_exact_mut(BLOCK) {
        let mut sent = [0; BLOCK];
        sent.copy_from_slice(block);
        let mut plain = sent.into();
        cipher.decrypt_block(&mut plain);
        for ((to, plain), before) in block.iter_mut().zip(plain.iter()).zip(before) {
            *to = plain ^ before;
        }
        before = sent;
    }
    Some(())
}

/// PKCS#7: the last byte says how many there are of it, 1 to 16. Looks at the whole last block whatever it says.
fn unpadded(text: &[u8]) -> (usize, Choice) {
    let Some((_, last)) = text.split_last_chunk::<BLOCK>() else { return (0, Choice::from(0)) };
    let [.., pad] = *last;
    let mut good = !pad.ct_eq(&0) & !pad.ct_gt(&(BLOCK as u8));
    for (place, byte) in (1..=BLOCK as u8).rev().zip(last) {
        // The byte `place` from the end is padding where place <= pad.
        good &= place.ct_gt(&pad) | byte.ct_eq(&pad);
    }
    (text.len().saturating_sub(usize::from(pad)), good)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8998, A.1.
    #[test]
    fn sm4_gcm_is_that_of_the_rfc() {
        let bytes = |text: &str| crate::codec::hex::decode_vec(text.as_bytes()).unwrap();
        let mut text = bytes(
            "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735d82710ca5c22f0ccfa7cbf93d496ac15\
             a56834cbcf98c397b4024a2691233b8d83de3541e4c2b58177e065a9bf7b62ec",
        );
        let (key, iv) = (bytes("0123456789abcdeffedcba9876543210"), bytes("00001234567800000000abcd"));
        let aad = bytes("feedfacedeadbeeffeedfacedeadbeefabaddad2");
        let whole = text.clone();
        let (len, good) = Cipher::Sm4Gcm.decrypt(&key, &iv, &aad, &mut text);
        assert!(bool::from(good));
        let plain = bytes(
            "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccddddddddddddddddeeeeeeeeeeeeeeeeffffffffffffffff\
             eeeeeeeeeeeeeeeeaaaaaaaaaaaaaaaa",
        );
        assert_eq!(text[..len], plain);
        for at in 0..whole.len() {
            let mut bad = whole.clone();
            bad[at] ^= 1;
            assert!(!bool::from(Cipher::Sm4Gcm.decrypt(&key, &iv, &aad, &mut bad).1), "{at}");
        }
        assert!(!bool::from(Cipher::Sm4Gcm.decrypt(&key, &iv, b"", &mut whole.clone()).1));
        assert!(!bool::from(Cipher::Sm4Gcm.decrypt(&key, &iv, &aad, &mut whole[..15].to_vec()).1));
    }

    #[test]
    fn exactly_the_paddings_of_pkcs7_are_good() {
        for length in 0..=16u8 {
            for wrong in 0..=16usize {
                let mut text = [0xabu8; 32];
                let from = 32 - usize::from(length);
                text[from..].fill(length);
                if length > 0 && wrong > 0 && wrong <= usize::from(length) {
                    text[32 - wrong] ^= 0x40;
                }
                let (len, good) = unpadded(&text);
                let touched = wrong > 0 && wrong <= usize::from(length);
                assert_eq!(bool::from(good), length > 0 && !touched, "{length} {wrong}");
                if bool::from(good) {
                    assert_eq!(len, from);
                }
            }
        }
        for pad in 17..=255u8 {
            assert!(!bool::from(unpadded(&[pad; 32]).1));
        }
    }
}
