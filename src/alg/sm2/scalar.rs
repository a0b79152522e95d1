//! One signature at a time, by the RustCrypto crates.
//!
//! Their verifying key takes the identifier as text; ours is bytes, so Z is made here, and the crate is handed the finished hash e.

use ::sm2::dsa::signature::hazmat::PrehashVerifier;
use ::sm2::dsa::{Signature, VerifyingKey};
use ::sm2::elliptic_curve::Group;
use ::sm2::elliptic_curve::ops::Reduce;
use ::sm2::elliptic_curve::point::AffineCoordinates;
use ::sm2::elliptic_curve::sec1::ToSec1Point;
use ::sm2::pkcs8::DecodePrivateKey;
use ::sm2::{NonZeroScalar, ProjectivePoint, PublicKey, Scalar, SecretKey};
use sm3::{Digest, Sm3};
use zeroize::Zeroizing;

use crate::alg::KeyError;

/// a ‖ b ‖ xG ‖ yG of the recommended curve (GB/T 32918.5, 2).
const PARAMETERS: [[u8; 32]; 4] = [
    number([0xffff_fffe_ffff_ffff, 0xffff_ffff_ffff_ffff, 0xffff_ffff_0000_0000, 0xffff_ffff_ffff_fffc]),
    number([0x28e9_fa9e_9d9f_5e34, 0x4d5a_9e4b_cf65_09a7, 0xf397_89f5_15ab_8f92, 0xddbc_bd41_4d94_0e93]),
    number([0x32c4_ae2c_1f19_8119, 0x5f99_0446_6a39_c994, 0x8fe3_0bbf_f266_0be1, 0x715a_4589_334c_74c7]),
    number([0xbc37_36a2_f4f6_779c, 0x59bd_cee3_6b69_2153, 0xd0a9_877c_c62a_4740, 0x02df_32e5_2139_f0a0]),
];

const fn number(words: [u64; 4]) -> [u8; 32] {
    let mut out = [0; 32];
    let mut i = 0;
    while i < 32 {
        out[i] = words[i / 8].to_be_bytes()[i % 8];
        i += 1;
    }
    out
}

const NOT_ON_CURVE: KeyError = KeyError::PointNotOnCurve("SM2");

/// Checks a point (02 or 03 ‖ x, or 04 ‖ x ‖ y) and writes it as 04 ‖ x ‖ y.
pub(in crate::alg) fn point(bytes: &[u8]) -> Result<[u8; 65], KeyError> {
    let key = PublicKey::from_sec1_bytes(bytes).map_err(|_| NOT_ON_CURVE)?;
    key.as_affine().to_sec1_point(false).as_bytes().try_into().map_err(|_| NOT_ON_CURVE)
}

/// The hash of the identifier, the curve and the key (GB/T 32918.2, 5.5). ENTL counts bits in two bytes.
pub fn z(point: &[u8; 65], user_id: &[u8]) -> Result<[u8; 32], KeyError> {
    let bits = user_id.len().checked_mul(8).and_then(|bits| u16::try_from(bits).ok());
    let bits = bits.ok_or(KeyError::UserIdTooLong(user_id.len()))?;
    let mut hash = Sm3::new();
    hash.update(bits.to_be_bytes());
    hash.update(user_id);
    hash.update(PARAMETERS.as_flattened());
    let [_, coordinates @ ..] = point;
    hash.update(coordinates);
    Ok(hash.finalize().into())
}

/// The crate's form of a key, and the hash's state after Z.
pub struct Parsed {
    key: VerifyingKey,
    after_z: Sm3,
}

impl Parsed {
    pub fn new(point: &[u8; 65], z: &[u8; 32]) -> Result<Self, KeyError> {
        // The crate's own Z, of the empty identifier, is never used.
        let key = VerifyingKey::from_sec1_bytes("", point).map_err(|_| NOT_ON_CURVE)?;
        Ok(Self { key, after_z: Sm3::new_with_prefix(z) })
    }

    /// e, the hash of Z and the message.
    pub fn hash(&self, message: &[u8]) -> [u8; 32] {
        self.after_z.clone().chain_update(message).finalize().into()
    }

    /// The crate checks the range of r and s, and t ≠ 0.
    pub fn verify(&self, message: &[u8], pair: &[[u8; 32]; 2]) -> bool {
        self.verify_hash(&self.hash(message), pair)
    }

    /// The same of a finished hash e.
    pub fn verify_hash(&self, e: &[u8; 32], pair: &[[u8; 32]; 2]) -> bool {
        Signature::from_slice(pair.as_flattened()).is_ok_and(|pair| self.key.verify_prehash(e, &pair).is_ok())
    }

    /// The point as 04 ‖ x ‖ y.
    pub fn point(&self) -> Option<[u8; 65]> {
        self.key.as_affine().to_sec1_point(false).as_bytes().try_into().ok()
    }
}

/// A private key with its identifier.
///
/// The crate's own signing key is not wiped on drop and gives up where a nonce does not fit, so the few lines of GB/T 32918.2, 6.1 stand
/// here, over the crate's constant-time arithmetic.
pub(in crate::alg) struct Signer {
    d: Zeroizing<Scalar>,
    /// (1 + d)^−1.
    inverse: Zeroizing<Scalar>,
    point: [u8; 65],
    after_z: Sm3,
}

impl Signer {
    /// Takes PKCS#8 DER of an EC private key over SM2's curve.
    pub fn from_pkcs8(der: &[u8], user_id: &[u8]) -> Result<Self, KeyError> {
        let refused = |why: &str| KeyError::Private(format!("not PKCS#8 of an SM2 key: {why}"));
        let secret = SecretKey::from_pkcs8_der(der).map_err(|why| refused(&why.to_string()))?;
        let point = secret.public_key().as_affine().to_sec1_point(false);
        let point: [u8; 65] = point.as_bytes().try_into().map_err(|_| refused("its point"))?;
        let d: Zeroizing<Scalar> = Zeroizing::new(*Zeroizing::new(secret.to_nonzero_scalar()).as_ref());
        // d = n − 1 is a number of the curve but no private key (GB/T 32918.1, 6.1): 1 + d has no inverse.
        let sum = Zeroizing::new(*d + Scalar::ONE);
        let inverse = sum.invert().into_option().ok_or_else(|| refused("its number is n - 1"))?;
        Ok(Self { d, inverse: Zeroizing::new(inverse), point, after_z: Sm3::new_with_prefix(z(&point, user_id)?) })
    }

    /// The public point as 04 ‖ x ‖ y.
    pub fn point(&self) -> &[u8; 65] {
        &self.point
    }

    /// r and s (GB/T 32918.2, 6.1, A1 to A7).
    pub fn sign(&self, message: &[u8]) -> Result<[[u8; 32]; 2], KeyError> {
        let e = Scalar::reduce(&self.after_z.clone().chain_update(message).finalize());
        loop {
            // A random number of 256 bits that is not in [1, n) is drawn again, so that every k is as likely as any other.
            let mut bytes = Zeroizing::new([0; 32]);
            aws_lc_rs::rand::fill(bytes.as_mut_slice()).map_err(|_| KeyError::Sign("no random numbers"))?;
            let Ok(k) = NonZeroScalar::try_from(bytes.as_slice()).map(Zeroizing::new) else { continue };
            let k: Zeroizing<Scalar> = Zeroizing::new(*k.as_ref());
            let r = e + Scalar::reduce(&ProjectivePoint::mul_by_generator(&k).to_affine().x());
            let s = *self.inverse * (*k - r * *self.d);
            // r = 0, r + k = n and s = 0 are met by nobody; the standard draws again.
            if bool::from(!(r.is_zero() | (r + *k).is_zero() | s.is_zero())) {
                return Ok([r.to_bytes().into(), s.to_bytes().into()]);
            }
        }
    }
}
