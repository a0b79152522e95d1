//! The other side: signing responses, and requests in tests and for vectors. One at a time, in constant time.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};

use super::key::Material;
use super::{Algorithm, Key, KeyError, MacInput, SignatureForm, ec_signature, sm2};
use crate::codec::pem;

/// A key that signs. Wiped on drop and never printed.
pub struct SigningKey {
    algorithm: Algorithm,
    inner: Inner,
}

enum Inner {
    Mac(Key),
    Rsa(Box<RsaKeyPair>, &'static dyn RsaEncoding),
    P256(Box<EcdsaKeyPair>),
    P384(Box<EcdsaKeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
    Sm2(Box<sm2::Signer>),
}

impl SigningKey {
    /// The key of a MAC algorithm.
    ///
    /// # Errors
    /// As [`Key::secret`].
    pub fn secret(alg: Algorithm, secret: &[u8]) -> Result<Self, KeyError> {
        Ok(Self { algorithm: alg, inner: Inner::Mac(Key::secret(alg, secret)?) })
    }

    /// Reads an unencrypted PKCS#8 private key (RFC 5958) in PEM with one block, `PRIVATE KEY`. `sm2_user_id` as in [`Key::public`].
    ///
    /// # Errors
    /// Not PEM, another label, and as [`from_pkcs8_der`](Self::from_pkcs8_der).
    pub fn from_pkcs8_pem(alg: Algorithm, text: &str, sm2_user_id: Option<&[u8]>) -> Result<Self, KeyError> {
        let block = pem::only(text)?;
        let expected = match block.label {
            "PRIVATE KEY" => return Self::from_pkcs8_der(alg, &block.der, sm2_user_id),
            "ENCRYPTED PRIVATE KEY" => "`PRIVATE KEY` (decrypt it: openssl pkcs8 -in key.pem)",
            label if label.ends_with(" PRIVATE KEY") => {
                "`PRIVATE KEY` (convert it: openssl pkcs8 -topk8 -nocrypt -in key.pem)"
            }
            _ => "`PRIVATE KEY`",
        };
        Err(KeyError::PemLabel { found: block.label.chars().take(64).collect(), expected })
    }

    /// Reads the DER of an unencrypted PKCS#8 private key (RFC 5958).
    ///
    /// # Errors
    /// A key of another kind, a private key that does not hold together, RSA below 2048 bits; `rsa-pkcs1-sha1`, which is verified but no
    /// longer made.
    pub fn from_pkcs8_der(alg: Algorithm, der: &[u8], sm2_user_id: Option<&[u8]>) -> Result<Self, KeyError> {
        let refused = |kind: &str, why: &dyn fmt::Display| KeyError::Private(format!("not PKCS#8 of {kind}: {why}"));
        let rsa = |encoding: &'static dyn RsaEncoding| match RsaKeyPair::from_pkcs8(der) {
            Ok(pair) => Ok(Inner::Rsa(Box::new(pair), encoding)),
            // The library's word for a modulus out of bounds.
            Err(why) if matches!(why.to_string().as_str(), "TooSmall" | "TooLarge") => {
                Err(KeyError::Private("an RSA modulus of 2048 to 8192 bits is needed".into()))
            }
            Err(why) => Err(refused("an RSA key", &why)),
        };
        let inner = match alg {
            Algorithm::RsaPkcs1Sha1 => return Err(KeyError::Sign("SHA-1 signatures are verified, no longer made")),
            Algorithm::RsaPkcs1Sha256 => rsa(&RSA_PKCS1_SHA256)?,
            Algorithm::RsaPkcs1Sha512 => rsa(&RSA_PKCS1_SHA512)?,
            Algorithm::RsaPssSha256 => rsa(&RSA_PSS_SHA256)?,
            Algorithm::RsaPssSha512 => rsa(&RSA_PSS_SHA512)?,
            Algorithm::EcdsaP256Sha256 => Inner::P256(Box::new(
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der)
                    .map_err(|why| refused("a P-256 key", &why))?,
            )),
            Algorithm::EcdsaP384Sha384 => Inner::P384(Box::new(
                EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, der)
                    .map_err(|why| refused("a P-384 key", &why))?,
            )),
            Algorithm::Ed25519 => Inner::Ed25519(Box::new(
                Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(|why| refused("an Ed25519 key", &why))?,
            )),
            Algorithm::Sm2Sm3 => {
                Inner::Sm2(Box::new(sm2::Signer::from_pkcs8(der, sm2_user_id.unwrap_or(sm2::DEFAULT_USER_ID))?))
            }
            algorithm => {
                return Err(KeyError::Mismatch { algorithm, needed: "a secret", found: "a private key" });
            }
        };
        Ok(Self { algorithm: alg, inner })
    }

    /// The algorithm that this key is bound to.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The public half, for a key pair.
    #[must_use]
    pub fn public_key(&self) -> Option<super::PublicKey> {
        match &self.inner {
            Inner::Mac(_) => None,
            Inner::Rsa(pair, _) => super::PublicKey::from_pkcs1_der(pair.public_key().as_ref()).ok(),
            Inner::P256(pair) | Inner::P384(pair) => {
                super::PublicKey::from_point(self.algorithm, pair.public_key().as_ref()).ok()
            }
            Inner::Ed25519(pair) => super::PublicKey::from_raw_ed25519(pair.public_key().as_ref()).ok(),
            Inner::Sm2(pair) => super::PublicKey::from_point(self.algorithm, pair.point()).ok(),
        }
    }

    /// The signature's bytes; for ECDSA and SM2 in `form`, where [`SignatureForm::Either`] is DER.
    ///
    /// # Errors
    /// [`MacInput::AppendKey`] for a signature algorithm, [`MacInput::Plain`] for `md5`, or a failure of the system's random numbers.
    pub fn sign(&self, message: &[u8], form: SignatureForm, input: MacInput) -> Result<Vec<u8>, KeyError> {
        const FAILED: KeyError = KeyError::Sign("the library reports a failure");
        if !matches!(self.inner, Inner::Mac(_)) && input == MacInput::AppendKey {
            return Err(KeyError::Sign("a signature algorithm has no secret to append"));
        }
        let random = SystemRandom::new();
        match &self.inner {
            Inner::Mac(key) => match &key.material {
                Material::Md5(key) => {
                    let tag = key.tag(message, input);
                    Ok(tag.ok_or(KeyError::Sign("an MD5 digest without the secret proves nothing"))?.to_vec())
                }
                Material::Hmac(key) => Ok(key.tag(message, input).as_slice().to_vec()),
                Material::HmacSm3(key) => Ok(key.tag(message, input).as_slice().to_vec()),
                _ => Err(FAILED),
            },
            Inner::Rsa(pair, encoding) => {
                let mut out = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &random, message, &mut out).map_err(|_| FAILED)?;
                Ok(out)
            }
            Inner::P256(pair) => written::<32>(form, pair.sign(&random, message).map_err(|_| FAILED)?.as_ref()),
            Inner::P384(pair) => written::<48>(form, pair.sign(&random, message).map_err(|_| FAILED)?.as_ref()),
            Inner::Ed25519(pair) => Ok(pair.try_sign(message).map_err(|_| FAILED)?.as_ref().to_vec()),
            Inner::Sm2(signer) => Ok(ec_signature::write(form, &signer.sign(message)?)),
        }
    }
}

/// The library's r ‖ s in the form that is asked for.
fn written<const N: usize>(form: SignatureForm, fixed: &[u8]) -> Result<Vec<u8>, KeyError> {
    let pair = ec_signature::read::<N>(SignatureForm::Fixed, fixed);
    Ok(ec_signature::write(form, &pair.ok_or(KeyError::Sign("the library reports a failure"))?))
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}
