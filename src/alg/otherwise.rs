//! What a key's signature is, if it is not what the key's algorithm makes: the same key with another padding, hash, length of salt, user id,
//! or order of r and s.
//!
//! For the doctor, beside the request path: a mistake is told to an operator, and nothing that is found here is ever accepted. It deals
//! with public data alone (a public key, a message, a signature), so that it may take whatever time it takes.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::{
    self, EcdsaVerificationAlgorithm, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
};

use super::key::Material;
use super::{Key, SignatureForm, ec_signature};
use crate::hash::{sha256, sha512};

const RSA: [(&str, &RsaParameters); 7] = [
    ("PKCS#1 v1.5 padding and SHA-256", &RSA_PKCS1_2048_8192_SHA256),
    ("PKCS#1 v1.5 padding and SHA-1", &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY),
    ("PKCS#1 v1.5 padding and SHA-384", &RSA_PKCS1_2048_8192_SHA384),
    ("PKCS#1 v1.5 padding and SHA-512", &RSA_PKCS1_2048_8192_SHA512),
    ("PSS padding and SHA-256", &RSA_PSS_2048_8192_SHA256),
    ("PSS padding and SHA-384", &RSA_PSS_2048_8192_SHA384),
    ("PSS padding and SHA-512", &RSA_PSS_2048_8192_SHA512),
];

const P256: [(&str, &EcdsaVerificationAlgorithm); 3] = [
    ("SHA-1", &signature::ECDSA_P256_SHA1_ASN1),
    ("SHA-384", &signature::ECDSA_P256_SHA384_ASN1),
    ("SHA-512", &signature::ECDSA_P256_SHA512_ASN1),
];

const P384: [(&str, &EcdsaVerificationAlgorithm); 2] =
    [("SHA-256", &signature::ECDSA_P384_SHA256_ASN1), ("SHA-512", &signature::ECDSA_P384_SHA512_ASN1)];

impl Key {
    /// What made `signature` of `message`, in words, if the key's owner did so with something else than the key's algorithm; `ids` are the
    /// identifiers that an SM2 signer may have taken for its own.
    pub(crate) fn made_otherwise(&self, message: &[u8], signature: &[u8], ids: &[&[u8]]) -> Option<String> {
        match &self.material {
            Material::Rsa(key) => {
                let (n, e) = key.numbers();
                rsa(n, e, message, signature)
            }
            Material::P256(key) => ecdsa::<32, 65>(key.parsed(), &P256, message, signature),
            Material::P384(key) => ecdsa::<48, 97>(key.parsed(), &P384, message, signature),
            Material::Sm2(key) => {
                let pair = ec_signature::read::<32>(SignatureForm::Either, signature)?;
                if key.signed_without_id(message, &pair) {
                    return Some("SM2 over the message alone: Z, the hash of the user id, the curve and the key (GB/T 32918.2, 5.5), was left out".into());
                }
                if let Some(id) = ids.iter().find(|id| key.signed_with_id(message, &pair, id)) {
                    return Some(format!("SM2 with the user id {:?}", String::from_utf8_lossy(id)));
                }
                let [r, s] = pair;
                key.signed(message, &[s, r]).then(|| "SM2 with s before r".to_owned())
            }
            _ => None,
        }
    }
}

fn rsa(n: &[u8], e: u64, message: &[u8], signature: &[u8]) -> Option<String> {
    let exponent = e.to_be_bytes();
    let exponent = exponent.get(e.leading_zeros() as usize / 8..).unwrap_or_default();
    let key = RsaPublicKeyComponents { n, e: exponent };
    let made = |(_, parameters): &&(&str, &RsaParameters)| key.verify(parameters, message, signature).is_ok();
    if let Some((what, _)) = RSA.iter().find(made) {
        return Some(format!("RSA with {what}"));
    }
    let reversed: Vec<u8> = signature.iter().rev().copied().collect();
    if key.verify(&RSA_PKCS1_2048_8192_SHA256, message, &reversed).is_ok() {
        return Some("RSA with the bytes of the signature backwards (little-endian, as Windows has them)".into());
    }
    let encoded = public(n, e, signature)?;
    for (what, salt) in [
        ("SHA-256", pss_salt(n, &encoded, &sha256::digest(message), |data| sha256::digest(data).to_vec())),
        ("SHA-512", pss_salt(n, &encoded, &sha512::digest(message), |data| sha512::digest(data).to_vec())),
    ] {
        if let Some(salt) = salt {
            return Some(format!(
                "RSA with PSS padding, {what} and a salt of {salt} bytes, not of the digest's length"
            ));
        }
    }
    None
}

/// s^e mod n, of the modulus's length; by the schoolbook. Verification of requests has its own arithmetic.
fn public(n: &[u8], e: u64, s: &[u8]) -> Option<Vec<u8>> {
    if s.len() != n.len() || s >= n {
        return None;
    }
    // Twice a number below n, less n if need be. Numbers are big-endian and as long as n.
    let double = |x: &mut [u8]| {
        let mut carry = 0;
        for byte in x.iter_mut().rev() {
            (*byte, carry) = ((*byte << 1) | carry, *byte >> 7);
        }
        reduce(x, n, carry == 1);
    };
    let times = |a: &[u8], b: &[u8]| {
        let mut product = vec![0; n.len()];
        for bit in b.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)) {
            double(&mut product);
            if bit == 1 {
                let mut carry = 0;
                for (byte, other) in product.iter_mut().zip(a).rev() {
                    let sum = u16::from(*byte) + u16::from(*other) + carry;
                    (*byte, carry) = (sum as u8, sum >> 8);
                }
                reduce(&mut product, n, carry == 1);
            }
        }
        product
    };
    let mut power = s.to_vec();
    for at in (0..63 - e.leading_zeros()).rev() {
        power = times(&power, &power);
        if e >> at & 1 == 1 {
            power = times(&power, s);
        }
    }
    Some(power)
}

/// Takes n off where `x` (with a bit in front of it, if `over`) is not below it.
fn reduce(x: &mut [u8], n: &[u8], over: bool) {
    if over || &*x >= n {
        let mut borrow = 0;
        for (byte, other) in x.iter_mut().zip(n).rev() {
            let difference = i16::from(*byte) - i16::from(*other) - borrow;
            (*byte, borrow) = (difference as u8, i16::from(difference < 0));
        }
    }
}

/// The salt's length, if `encoded` is the PSS encoding of `digest` with that hash (RFC 8017, 9.1.2), whatever its salt.
fn pss_salt(n: &[u8], encoded: &[u8], digest: &[u8], hash: impl Fn(&[u8]) -> Vec<u8>) -> Option<usize> {
    let bits = 8 * n.len() - n.first()?.leading_zeros() as usize - 1;
    let (zeros, message) = encoded.split_at_checked(encoded.len().checked_sub(bits.div_ceil(8))?)?;
    let (db, rest) = message.split_at_checked(message.len().checked_sub(digest.len() + 1)?)?;
    let (h, trailer) = rest.split_at_checked(digest.len())?;
    if trailer != [0xbc] || zeros.iter().any(|b| *b != 0) {
        return None;
    }
    // MGF1 over the same hash.
    let mask = (0u32..).flat_map(|counter| hash(&[h, &counter.to_be_bytes()].concat()));
    let mut db: Vec<u8> = db.iter().zip(mask).map(|(a, b)| a ^ b).collect();
    *db.first_mut()? &= 0xff >> (8 * bits.div_ceil(8) - bits);
    let one = db.iter().position(|b| *b != 0)?;
    let salt = db.get(one + 1..).filter(|_| db.get(one) == Some(&1))?;
    (hash(&[&[0; 8], digest, salt].concat()) == h).then_some(salt.len())
}

fn ecdsa<const N: usize, const POINT: usize>(
    key: &ParsedPublicKey,
    others: &[(&str, &'static EcdsaVerificationAlgorithm)],
    message: &[u8],
    signature: &[u8],
) -> Option<String> {
    let pair = ec_signature::read::<N>(SignatureForm::Either, signature)?;
    let [r, s] = pair;
    if key.verify_sig(message, [s, r].as_flattened()).is_ok() {
        return Some("ECDSA with s before r".into());
    }
    // A SubjectPublicKeyInfo ends with the point.
    let spki = key.as_der().ok()?;
    let point = spki.as_ref().last_chunk::<POINT>()?;
    let der = ec_signature::write(SignatureForm::Der, &pair);
    let made =
        |algorithm| ParsedPublicKey::new(algorithm, point).is_ok_and(|key| key.verify_sig(message, &der).is_ok());
    let (hash, _) = others.iter().find(|(_, algorithm)| made(*algorithm))?;
    Some(format!("ECDSA with {hash}"))
}
