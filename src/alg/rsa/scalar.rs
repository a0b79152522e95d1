//! One signature at a time, by aws-lc with a parsed key.

use aws_lc_rs::signature::{
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA512, RsaParameters,
    RsaPublicKeyComponents,
};

use super::{Method, RsaKey};
use crate::alg::KeyError;

fn parameters(method: Method) -> &'static RsaParameters {
    match method {
        Method::Pkcs1Sha1 => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
        Method::Pkcs1Sha256 => &RSA_PKCS1_2048_8192_SHA256,
        Method::Pkcs1Sha512 => &RSA_PKCS1_2048_8192_SHA512,
        Method::PssSha256 => &RSA_PSS_2048_8192_SHA256,
        Method::PssSha512 => &RSA_PSS_2048_8192_SHA512,
    }
}

/// The library's form of n and e, both without leading zeros.
pub fn parse(method: Method, n: &[u8], e: &[u8]) -> Result<ParsedPublicKey, KeyError> {
    RsaPublicKeyComponents { n, e }
        .to_parsed_public_key(parameters(method))
        .map_err(|why| KeyError::Der { what: "an RSA public key", why: why.to_string() })
}

/// The library checks the length and s < n itself; the length is checked here as well, before any hashing.
pub fn verify(key: &RsaKey, message: &[u8], signature: &[u8]) -> bool {
    signature.len() == key.n.len() && key.parsed.verify_sig(message, signature).is_ok()
}
