//! A key bound to its algorithm: checked and prepared once, at load.

use std::fmt;

use super::import::{Public, PublicKey};
use super::{Algorithm, KeyError, ec, ecdsa_p256, ecdsa_p384, ed25519, hmac, keyed, rsa, sm2};
use crate::curve::{P256, Sm2};
use crate::shm::Tables;

/// A verification key, prepared: parsed, checked, with its hash states. `Send` and `Sync`; secrets are wiped on drop and never printed.
pub struct Key {
    algorithm: Algorithm,
    /// [`Material::group`], kept here so that grouping a batch touches nothing behind the key's pointers.
    pub(in crate::alg) group: u64,
    pub(in crate::alg) material: Material,
}

/// The prepared key of each scheme.
pub(in crate::alg) enum Material {
    Md5(keyed::Md5Key),
    Hmac(Box<hmac::HmacKey>),
    HmacSm3(Box<hmac::HmacSm3Key>),
    Rsa(Box<rsa::RsaKey>),
    P256(Box<ecdsa_p256::P256Key>),
    P384(Box<ecdsa_p384::P384Key>),
    Ed25519(Box<ed25519::Ed25519Key>),
    Sm2(Box<sm2::Sm2Key>),
}

impl Material {
    /// Items whose keys have the same number here are verified together. The high byte names the scheme, the rest is the scheme's own:
    /// HMAC's hash; RSA's limb count and exponent, for those fix the course of the computation.
    fn group(&self) -> u64 {
        let (scheme, own) = match self {
            Self::Md5(_) => (0, 0),
            Self::Hmac(key) => (1, key.group()),
            Self::HmacSm3(_) => (2, 0),
            Self::Rsa(key) => (3, key.group()),
            Self::P256(_) => (4, 0),
            Self::P384(_) => (5, 0),
            Self::Ed25519(_) => (6, 0),
            Self::Sm2(_) => (7, 0),
        };
        (scheme << 56) | own
    }
}

impl Key {
    /// The key of a MAC algorithm.
    ///
    /// # Errors
    /// An empty secret, or an algorithm that needs a key pair.
    pub fn secret(alg: Algorithm, secret: &[u8]) -> Result<Self, KeyError> {
        let material = match alg {
            _ if secret.is_empty() => return Err(KeyError::EmptySecret),
            Algorithm::Md5 => Material::Md5(keyed::Md5Key::new(secret)),
            Algorithm::HmacSm3 => Material::HmacSm3(Box::new(hmac::HmacSm3Key::new(secret)?)),
            Algorithm::HmacSha1 => Material::Hmac(Box::new(hmac::HmacKey::new(hmac::Hash::Sha1, secret))),
            Algorithm::HmacSha256 => Material::Hmac(Box::new(hmac::HmacKey::new(hmac::Hash::Sha256, secret))),
            Algorithm::HmacSha384 => Material::Hmac(Box::new(hmac::HmacKey::new(hmac::Hash::Sha384, secret))),
            Algorithm::HmacSha512 => Material::Hmac(Box::new(hmac::HmacKey::new(hmac::Hash::Sha512, secret))),
            algorithm => {
                return Err(KeyError::Mismatch { algorithm, needed: needed(algorithm), found: "a secret" });
            }
        };
        Ok(Self { algorithm: alg, group: material.group(), material })
    }

    /// The key of a signature algorithm. `sm2_user_id` is the signer's distinguishing identifier, for SM2 alone (GB/T 32918.2, 5.5);
    /// `None` stands for `1234567812345678` (GM/T 0009, 10).
    ///
    /// # Errors
    /// A key of another kind, RSA outside 2048 to 8192 bits or with an exponent out of bounds, a user id that is too long.
    pub fn public(alg: Algorithm, key: &PublicKey, sm2_user_id: Option<&[u8]>) -> Result<Self, KeyError> {
        let mismatch = || KeyError::Mismatch { algorithm: alg, needed: needed(alg), found: key.kind() };
        let material = match (alg, &key.public) {
            (Algorithm::EcdsaP256Sha256, Public::P256(point)) => {
                Material::P256(Box::new(ecdsa_p256::P256Key::new(point)?))
            }
            (Algorithm::EcdsaP384Sha384, Public::P384(point)) => {
                Material::P384(Box::new(ecdsa_p384::P384Key::new(point)?))
            }
            (Algorithm::Ed25519, Public::Ed25519(bytes)) => {
                Material::Ed25519(Box::new(ed25519::Ed25519Key::new(bytes)?))
            }
            (Algorithm::Sm2Sm3, Public::Sm2(point)) => {
                Material::Sm2(Box::new(sm2::Sm2Key::new(point, sm2_user_id.unwrap_or(sm2::DEFAULT_USER_ID))?))
            }
            (_, Public::Rsa { n, e }) => {
                let method = rsa::Method::of(alg).ok_or_else(mismatch)?;
                Material::Rsa(Box::new(rsa::RsaKey::new(method, n, e)?))
            }
            _ => return Err(mismatch()),
        };
        Ok(Self { algorithm: alg, group: material.group(), material })
    }

    /// Builds the tables of those keys that may have one (P-256, SM2, Ed25519), now and not at their second use, as far as the cap allows (see
    /// [`set_key_table_bytes`](super::set_key_table_bytes)). Takes 50 to 250 µs a key. Without the lanes
    /// Ed25519 keys get none.
    pub fn prepare_tables<'a>(keys: impl IntoIterator<Item = &'a Self>) {
        let (mut p256, mut sm2, mut edwards) = (Vec::new(), Vec::new(), Vec::new());
        for key in keys {
            match &key.material {
                Material::P256(key) => p256.push(key.slot.clone()),
                Material::Sm2(key) => sm2.push(key.slot.clone()),
                Material::Ed25519(key) => edwards.push(key.slot.clone()),
                _ => {}
            }
        }
        if !ec::build_now::<P256>(&p256) {
            ec::build_plain_now::<ec::Plain<P256>>(&p256);
        }
        if !ec::build_now::<Sm2>(&sm2) {
            ec::build_plain_now::<ec::Plain<Sm2>>(&sm2);
        }
        ec::build_now::<ed25519::Edwards>(&edwards);
    }

    /// Has the tables of those keys that may have one lie in a file that other processes share, from the next one on that is built.
    pub fn share_tables<'a>(keys: impl IntoIterator<Item = &'a Self>, tables: &Tables) {
        for key in keys {
            if let Some(slot) = key.slot() {
                slot.share(tables);
            }
        }
    }

    /// Whether the key may have a table.
    #[must_use]
    pub fn may_have_table(&self) -> bool {
        self.slot().is_some()
    }

    fn slot(&self) -> Option<&ec::Slot> {
        match &self.material {
            Material::P256(key) => Some(&key.slot),
            Material::Sm2(key) => Some(&key.slot),
            Material::Ed25519(key) => Some(&key.slot),
            _ => None,
        }
    }

    /// The algorithm that this key is bound to.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

/// The kind of key that an algorithm needs, for messages.
pub(in crate::alg) fn needed(alg: Algorithm) -> &'static str {
    match alg {
        Algorithm::Md5
        | Algorithm::HmacSha1
        | Algorithm::HmacSha256
        | Algorithm::HmacSha384
        | Algorithm::HmacSha512
        | Algorithm::HmacSm3 => "a secret",
        Algorithm::RsaPkcs1Sha1
        | Algorithm::RsaPkcs1Sha256
        | Algorithm::RsaPkcs1Sha512
        | Algorithm::RsaPssSha256
        | Algorithm::RsaPssSha512 => "an RSA key",
        Algorithm::EcdsaP256Sha256 => "a P-256 key",
        Algorithm::EcdsaP384Sha384 => "a P-384 key",
        Algorithm::Ed25519 => "an Ed25519 key",
        Algorithm::Sm2Sm3 => "an SM2 key",
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}
