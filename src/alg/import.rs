//! Public keys as they come: SubjectPublicKeyInfo in DER or PEM, PKCS#1, points in hexadecimal, raw Ed25519 bytes, JWK.
//!
//! A key that is read here is well-formed and its point is on its curve. Whether it is strong enough, and fits an algorithm, is asked
//! when it is bound to one ([`Key::public`](super::Key::public)).

use std::fmt;

use der::asn1::{ObjectIdentifier, UintRef};
use der::{Decode, Reader, SliceReader};
use spki::SubjectPublicKeyInfoRef;

use super::{Algorithm, KeyError, ecdsa_p256, ecdsa_p384, ed25519, key, sm2};
use crate::codec::base64::{self, Variant};
use crate::codec::{hex, pem};

/// A public key, not yet bound to an algorithm.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    pub(in crate::alg) public: Public,
}

/// Numbers are big-endian; points are 04 ‖ x ‖ y, on their curve.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::alg) enum Public {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256([u8; 65]),
    P384([u8; 97]),
    Sm2([u8; 65]),
    Ed25519([u8; 32]),
}

#[derive(Clone, Copy)]
enum Curve {
    P256,
    P384,
    Sm2,
}

/// rsaEncryption (RFC 8017, A.1).
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// id-ecPublicKey (RFC 5480, 2.1.1).
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// id-Ed25519 (RFC 8410, 3).
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// secp256r1 and secp384r1 (RFC 5480, 2.1.1.1).
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
/// SM2's recommended curve (GM/T 0006).
const SM2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.1.301");

const SPKI: &str = "a SubjectPublicKeyInfo";

fn broken(what: &'static str) -> impl Fn(der::Error) -> KeyError {
    move |why| KeyError::Der { what, why: why.to_string() }
}

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo (RFC 5280, 4.1.2.7): RSA, P-256, P-384, SM2 or Ed25519.
    ///
    /// # Errors
    /// Not DER, bytes after its end, an algorithm or curve that is not taken, a point off its curve.
    pub fn from_spki_der(bytes: &[u8]) -> Result<Self, KeyError> {
        let spki = SubjectPublicKeyInfoRef::from_der(bytes).map_err(broken(SPKI))?;
        let bits = spki
            .subject_public_key
            .as_bytes()
            .ok_or(KeyError::Der { what: SPKI, why: "the key is not a whole number of bytes".into() })?;
        match spki.algorithm.oid {
            RSA => {
                // RFC 3279, 2.3.1: the parameters are NULL.
                if spki.algorithm.parameters.is_none_or(|p| !p.is_null()) {
                    return Err(KeyError::Der {
                        what: SPKI,
                        why: "the parameters of rsaEncryption are not NULL".into(),
                    });
                }
                Self::from_pkcs1_der(bits)
            }
            EC => {
                let curve = spki.algorithm.parameters_oid().map_err(|_| KeyError::Der {
                    what: SPKI,
                    why: "the curve is not named by an object identifier".into(),
                })?;
                let curve = match curve {
                    P256 => Curve::P256,
                    P384 => Curve::P384,
                    SM2 => Curve::Sm2,
                    other => {
                        let taken = "P-256 1.2.840.10045.3.1.7, P-384 1.3.132.0.34 and SM2 1.2.156.10197.1.301 are";
                        return Err(KeyError::Oid { what: "curve", oid: other.to_string(), taken });
                    }
                };
                curve.point(bits, false)
            }
            ED25519 if spki.algorithm.parameters.is_some() => {
                Err(KeyError::Der { what: SPKI, why: "Ed25519 has parameters, none belong there".into() })
            }
            ED25519 => Self::from_raw_ed25519(bits),
            other => Err(KeyError::Oid {
                what: "key algorithm",
                oid: other.to_string(),
                taken: "rsaEncryption 1.2.840.113549.1.1.1, id-ecPublicKey 1.2.840.10045.2.1 and Ed25519 1.3.101.112 are",
            }),
        }
    }

    /// Reads an RSAPublicKey (RFC 8017, A.1.1).
    ///
    /// # Errors
    /// Not DER, negative numbers, bytes after its end.
    pub fn from_pkcs1_der(bytes: &[u8]) -> Result<Self, KeyError> {
        let read = || {
            let mut reader = SliceReader::new(bytes)?;
            let numbers = reader.sequence(|body| {
                let n: UintRef<'_> = body.decode()?;
                let e: UintRef<'_> = body.decode()?;
                Ok::<_, der::Error>((n.as_bytes().to_vec(), e.as_bytes().to_vec()))
            })?;
            reader.finish()?;
            Ok(numbers)
        };
        let (n, e) = read().map_err(broken("an RSAPublicKey"))?;
        Ok(Self { public: Public::Rsa { n, e } })
    }

    /// Reads PEM with one block, `PUBLIC KEY` or `RSA PUBLIC KEY`.
    ///
    /// # Errors
    /// Not PEM, another label, and as [`from_spki_der`](Self::from_spki_der).
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let block = pem::only(text)?;
        let expected = match block.label {
            "PUBLIC KEY" => return Self::from_spki_der(&block.der),
            "RSA PUBLIC KEY" => return Self::from_pkcs1_der(&block.der),
            "CERTIFICATE" => "`PUBLIC KEY` or `RSA PUBLIC KEY` (a certificate is configured as certificate_pem)",
            label if label.ends_with("PRIVATE KEY") => {
                "`PUBLIC KEY` or `RSA PUBLIC KEY` (never hand out a private key)"
            }
            _ => "`PUBLIC KEY` or `RSA PUBLIC KEY`",
        };
        Err(KeyError::PemLabel { found: block.label.chars().take(64).collect(), expected })
    }

    /// Reads a point of the algorithm's curve (SEC 1, 2.3.4): 02 or 03 ‖ x, or 04 ‖ x ‖ y; x ‖ y alone, as SM2 toolkits write it, for SM2.
    ///
    /// # Errors
    /// An algorithm without such points, another length or first byte, infinity, a point off the curve.
    pub fn from_point(alg: Algorithm, bytes: &[u8]) -> Result<Self, KeyError> {
        let curve = match alg {
            Algorithm::EcdsaP256Sha256 => Curve::P256,
            Algorithm::EcdsaP384Sha384 => Curve::P384,
            Algorithm::Sm2Sm3 => Curve::Sm2,
            algorithm => {
                let needed = key::needed(algorithm);
                return Err(KeyError::Mismatch { algorithm, needed, found: "a point of a curve" });
            }
        };
        curve.point(bytes, true)
    }

    /// [`from_point`](Self::from_point) from hexadecimal of either case.
    ///
    /// # Errors
    /// Not hexadecimal, and as there.
    pub fn from_point_hex(alg: Algorithm, text: &str) -> Result<Self, KeyError> {
        Self::from_point(alg, &hex::decode_vec(text.as_bytes()).map_err(|_| KeyError::Encoding("hexadecimal"))?)
    }

    /// Takes the 32 bytes of an Ed25519 key (RFC 8032, 5.1.5).
    ///
    /// # Errors
    /// Another length, an encoding that is not canonical or of no point, a point of low order.
    pub fn from_raw_ed25519(bytes: &[u8]) -> Result<Self, KeyError> {
        let bytes = bytes.try_into().map_err(|_| KeyError::Ed25519Length(bytes.len()))?;
        ed25519::check(&bytes)?;
        Ok(Self { public: Public::Ed25519(bytes) })
    }

    /// Reads a JSON Web Key (RFC 7517; RFC 7518, 6; RFC 8037) from its members as name and value: `kty` RSA with `n` and `e`, EC with `crv`
    /// P-256, P-384 or SM2 and `x` and `y`, OKP with `crv` Ed25519 and `x`. Members that do not matter here are passed over; private ones
    /// are refused.
    ///
    /// # Errors
    /// A member that is missing, twice there, unknown in value or not base64url without padding; and what other imports refuse.
    pub fn from_jwk(members: &[(&str, &str)]) -> Result<Self, KeyError> {
        let jwk = |why: String| KeyError::Jwk(why);
        let find = |name: &str| {
            let mut values = members.iter().filter(|m| m.0 == name).map(|m| m.1);
            match (values.next(), values.next()) {
                (Some(value), None) => Ok(value),
                (Some(_), Some(_)) => Err(jwk(format!("member `{name}` is there twice"))),
                (None, _) => Err(jwk(format!("member `{name}` is missing"))),
            }
        };
        let bytes = |name: &str| {
            base64::decode_vec(Variant::UrlSafeNoPad, find(name)?.as_bytes())
                .map_err(|_| jwk(format!("member `{name}` is not base64url without padding")))
        };
        // RFC 7518, 6.2.1.2: coordinates are written in the full length.
        let coordinate = |name: &str, len: usize| {
            let bytes = bytes(name)?;
            if bytes.len() == len {
                Ok(bytes)
            } else {
                Err(jwk(format!("member `{name}` is of {} bytes, {len} needed", bytes.len())))
            }
        };
        for secret in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            if members.iter().any(|m| m.0 == secret) {
                return Err(jwk(format!(
                    "member `{secret}` belongs to a private or secret key, a public one is needed"
                )));
            }
        }
        match find("kty")? {
            "RSA" => {
                // RFC 7518, 6.3.1.1: no leading zero.
                let number = |name: &str| match bytes(name)? {
                    bytes if bytes.first().is_none_or(|b| *b == 0) => {
                        Err(jwk(format!("member `{name}` is empty or begins with a zero byte")))
                    }
                    bytes => Ok(bytes),
                };
                Ok(Self { public: Public::Rsa { n: number("n")?, e: number("e")? } })
            }
            "EC" => {
                let (curve, len) = match find("crv")? {
                    "P-256" => (Curve::P256, 32),
                    "P-384" => (Curve::P384, 48),
                    "SM2" => (Curve::Sm2, 32),
                    other => {
                        return Err(jwk(format!("curve `{}` is not taken (P-256, P-384 and SM2 are)", brief(other))));
                    }
                };
                let (x, y) = (coordinate("x", len)?, coordinate("y", len)?);
                curve.point(&[&[4], x.as_slice(), &y].concat(), false)
            }
            "OKP" => match find("crv")? {
                "Ed25519" => Self::from_raw_ed25519(&coordinate("x", 32)?),
                other => Err(jwk(format!("curve `{}` is not taken (Ed25519 is)", brief(other)))),
            },
            other => Err(jwk(format!("key type `{}` is not taken (RSA, EC and OKP are)", brief(other)))),
        }
    }

    /// What kind of key it is, for messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.public {
            Public::Rsa { .. } => "an RSA key",
            Public::P256(_) => "a P-256 key",
            Public::P384(_) => "a P-384 key",
            Public::Sm2(_) => "an SM2 key",
            Public::Ed25519(_) => "an Ed25519 key",
        }
    }
}

/// A value for a message: what is odd about it shows at its beginning.
fn brief(value: &str) -> String {
    value.chars().take(32).collect()
}

impl Curve {
    fn point(self, bytes: &[u8], bare: bool) -> Result<PublicKey, KeyError> {
        let (curve, size) = match self {
            Self::P256 => ("P-256", 32),
            Self::P384 => ("P-384", 48),
            Self::Sm2 => ("SM2", 32),
        };
        let bare = bare && matches!(self, Self::Sm2);
        let full;
        let bytes = match bytes {
            [0] => return Err(KeyError::PointAtInfinity(curve)),
            [2 | 3, x @ ..] if x.len() == size => bytes,
            [4, xy @ ..] if xy.len() == 2 * size => bytes,
            xy if bare && xy.len() == 2 * size => {
                full = [&[4], xy].concat();
                &full
            }
            _ => {
                let expected =
                    if bare { "02 or 03 and x, or 04, x and y, or x and y" } else { "02 or 03 and x, or 04, x and y" };
                let first = bytes.first().map_or_else(|| "nothing".into(), |b| format!("0x{b:02x}"));
                return Err(KeyError::PointEncoding { curve, len: bytes.len(), first, expected });
            }
        };
        let public = match self {
            Self::P256 => Public::P256(ecdsa_p256::point(bytes)?),
            Self::P384 => Public::P384(ecdsa_p384::point(bytes)?),
            Self::Sm2 => Public::Sm2(sm2::point(bytes)?),
        };
        Ok(PublicKey { public })
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.kind())
    }
}
