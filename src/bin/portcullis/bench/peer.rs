//! For each algorithm a fresh key, and the library that verifies with it one at a time.

use crate::Failure;
use ::hmac::{Hmac, KeyInit, Mac};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self, KeyPair, ParsedPublicKey, VerificationAlgorithm};
use aws_lc_rs::{hmac, rsa};
use md5::{Digest, Md5};
use portcullis::alg::{Algorithm, Key, SigningKey};
use sm2::dsa::signature::Verifier as _;
use sm3::Sm3;

/// Whether a signature over a message is good.
type Alone = Box<dyn Fn(&[u8], &[u8]) -> bool>;

/// A key pair of an algorithm.
pub struct Made {
    pub signing: SigningKey,
    pub key: Key,
    /// The peer's name.
    pub library: &'static str,
    pub alone: Alone,
}

const AWS: &str = "aws-lc-rs";
const SECRET: [u8; 32] = [0x5a; 32];

/// The user id of SM2 where none is agreed (GM/T 0009-2012, 10).
const SM2_ID: &str = "1234567812345678";

pub fn make(algorithm: Algorithm) -> Result<Made, Failure> {
    if algorithm.is_mac() {
        let (library, alone) = mac(algorithm)?;
        let signing = SigningKey::secret(algorithm, &SECRET).map_err(|e| e.to_string())?;
        let key = Key::secret(algorithm, &SECRET).map_err(|e| e.to_string())?;
        return Ok(Made { signing, key, library, alone });
    }
    let (der, library, alone) = pair(algorithm)?;
    let signing = SigningKey::from_pkcs8_der(algorithm, &der, None).map_err(|e| e.to_string())?;
    let public = signing.public_key().ok_or("no public half")?;
    let key = Key::public(algorithm, &public, None).map_err(|e| e.to_string())?;
    Ok(Made { signing, key, library, alone })
}

fn mac(algorithm: Algorithm) -> Result<(&'static str, Alone), Failure> {
    let held = |of| -> (&'static str, Alone) {
        let key = hmac::Key::new(of, &SECRET);
        (AWS, Box::new(move |message, tag| hmac::verify(&key, message, tag).is_ok()))
    };
    Ok(match algorithm {
        Algorithm::HmacSha1 => held(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
        Algorithm::HmacSha256 => held(hmac::HMAC_SHA256),
        Algorithm::HmacSha384 => held(hmac::HMAC_SHA384),
        Algorithm::HmacSha512 => held(hmac::HMAC_SHA512),
        Algorithm::HmacSm3 => {
            let key = Hmac::<Sm3>::new_from_slice(&SECRET).map_err(|e| e.to_string())?;
            ("sm3", Box::new(move |message, tag| key.clone().chain_update(message).verify_slice(tag).is_ok()))
        }
        Algorithm::Md5 => (
            "md-5",
            Box::new(|message, tag| Md5::new().chain_update(message).chain_update(SECRET).finalize().as_slice() == tag),
        ),
        other => return Err(format!("{}: no library to compare with", other.name())),
    })
}

/// A fresh private key as PKCS#8 (RFC 5958), and its public half with the library.
fn pair(algorithm: Algorithm) -> Result<(Vec<u8>, &'static str, Alone), Failure> {
    let failed = |_| format!("{}: no key could be made", algorithm.name());
    let random = SystemRandom::new();
    let aws = |rules: &'static dyn VerificationAlgorithm, public: &[u8]| -> Result<Alone, Failure> {
        let key = ParsedPublicKey::new(rules, public).map_err(|e| format!("{}: {e}", algorithm.name()))?;
        Ok(Box::new(move |message, signature| key.verify_sig(message, signature).is_ok()))
    };
    let ecdsa = |signing, rules| -> Result<(Vec<u8>, &'static str, Alone), Failure> {
        let der = signature::EcdsaKeyPair::generate_pkcs8(signing, &random).map_err(failed)?;
        let pair = signature::EcdsaKeyPair::from_pkcs8(signing, der.as_ref()).map_err(|e| e.to_string())?;
        Ok((der.as_ref().to_vec(), AWS, aws(rules, pair.public_key().as_ref())?))
    };
    let rsa = |rules| -> Result<(Vec<u8>, &'static str, Alone), Failure> {
        let pair = rsa::KeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
        let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
        Ok((der.as_ref().to_vec(), AWS, aws(rules, pair.public_key().as_ref())?))
    };
    match algorithm {
        Algorithm::RsaPkcs1Sha256 => rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::RsaPkcs1Sha512 => rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::RsaPssSha256 => rsa(&signature::RSA_PSS_2048_8192_SHA256),
        Algorithm::RsaPssSha512 => rsa(&signature::RSA_PSS_2048_8192_SHA512),
        Algorithm::EcdsaP256Sha256 => {
            ecdsa(&signature::ECDSA_P256_SHA256_ASN1_SIGNING, &signature::ECDSA_P256_SHA256_ASN1)
        }
        Algorithm::EcdsaP384Sha384 => {
            ecdsa(&signature::ECDSA_P384_SHA384_ASN1_SIGNING, &signature::ECDSA_P384_SHA384_ASN1)
        }
        Algorithm::Ed25519 => {
            let der = signature::Ed25519KeyPair::generate_pkcs8(&random).map_err(failed)?;
            let pair = signature::Ed25519KeyPair::from_pkcs8(der.as_ref()).map_err(|e| e.to_string())?;
            Ok((der.as_ref().to_vec(), AWS, aws(&signature::ED25519, pair.public_key().as_ref())?))
        }
        Algorithm::Sm2Sm3 => {
            // An SM2 private key: id-ecPublicKey with the curve 1.2.156.10197.1.301, then the scalar.
            let head = b"3041020100301306072a8648ce3d020106082a811ccf5501822d042730250201010420";
            let mut der = portcullis::codec::hex::decode_vec(head).map_err(|_| "hex")?;
            let mut scalar = [0u8; 32];
            aws_lc_rs::rand::fill(&mut scalar[1..]).map_err(failed)?;
            der.extend_from_slice(&scalar);
            let key = sm2::dsa::SigningKey::from_slice(SM2_ID, &scalar).map_err(|e| e.to_string())?;
            let key = key.verifying_key().clone();
            let alone: Alone = Box::new(move |message, signature| {
                sm2::dsa::Signature::from_der(signature).is_ok_and(|signature| key.verify(message, &signature).is_ok())
            });
            Ok((der, "sm2", alone))
        }
        other => Err(format!("{}: no library to compare with", other.name())),
    }
}
