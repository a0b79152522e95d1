//! Keys that a scheme derives from the shared secret: `AWS4` ‖ secret through a chain of HMACs, `secret&`, the base64 behind `whsec_`.
//!
//! Everything here is computed from the secret and from a few fields that the request names (day, region, service). The caller keeps the
//! results by secret and scope, within a bound; the secret and what comes out of it are wiped.

use crate::codec::base64;
use crate::hash::Message;
use crate::hash::hmac::{Sha256Key, Sm3Key};
use zeroize::Zeroizing;

use super::alg::Alg;

/// One step of a chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Link {
    /// The text of a field of the scope, by its place there.
    Scope(usize),
    /// A text of the document.
    Text(Box<[u8]>),
}

/// How a key is made from the secret.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Recipe {
    /// Taken off the secret's front, where it is there.
    pub(super) strip: Box<[u8]>,
    /// What is left is base64 of the key.
    pub(super) base64: bool,
    pub(super) prefix: Box<[u8]>,
    pub(super) suffix: Box<[u8]>,
    /// key ← MAC(key, link) for each.
    pub(super) chain: Vec<Link>,
}

impl Recipe {
    /// Whether keys can be derived from `secret`.
    ///
    /// # Errors
    /// What is wrong with it, without any of it.
    pub fn check(&self, secret: &[u8]) -> Result<(), &'static str> {
        let rest = secret.strip_prefix(&*self.strip).unwrap_or(secret);
        if self.base64 && !base64::decode_vec(base64::Variant::Standard, rest).is_ok_and(|key| !key.is_empty()) {
            return Err("the profile's keys are base64; this secret is not");
        }
        Ok(())
    }

    /// The key's bytes; `None` where the secret is not of the form that the recipe asks for, or a scope's field is missing.
    ///
    /// The chain uses HMAC-SM3 for `hmac-sm3` and HMAC-SHA-256 for every other algorithm, which is what the schemes do that have one.
    #[must_use]
    pub fn derive(&self, secret: &[u8], alg: Alg, scope: &[&[u8]]) -> Option<Zeroizing<Vec<u8>>> {
        let secret = secret.strip_prefix(&*self.strip).unwrap_or(secret);
        let secret = if self.base64 {
            Zeroizing::new(base64::decode_vec(base64::Variant::Standard, secret).ok()?)
        } else {
            Zeroizing::new(secret.to_vec())
        };
        if secret.is_empty() {
            return None;
        }
        let mut key = Zeroizing::new(Vec::with_capacity(self.prefix.len() + secret.len() + self.suffix.len()));
        key.extend_from_slice(&self.prefix);
        key.extend_from_slice(&secret);
        key.extend_from_slice(&self.suffix);
        for link in &self.chain {
            let message = match link {
                Link::Scope(at) => scope.get(*at)?,
                Link::Text(text) => &**text,
            };
            let tag = match alg.name() {
                "hmac-sm3" => Zeroizing::new(Sm3Key::new(&key).mac(Message::new(message))),
                _ => Zeroizing::new(Sha256Key::new(&key).mac(Message::new(message))),
            };
            key = Zeroizing::new(tag.to_vec());
        }
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::hex;

    /// The example of the AWS documentation, "Deriving a signing key".
    #[test]
    fn the_chain_of_sigv4() {
        let recipe = Recipe {
            prefix: b"AWS4".as_slice().into(),
            chain: vec![Link::Scope(0), Link::Scope(1), Link::Scope(2), Link::Text(b"aws4_request".as_slice().into())],
            ..Recipe::default()
        };
        let alg = Alg::from_name("hmac-sha256").unwrap();
        let scope: [&[u8]; 3] = [b"20150830", b"us-east-1", b"iam"];
        let key = recipe.derive(b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", alg, &scope).unwrap();
        assert_eq!(hex::to_string(&key), "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9");
        assert_eq!(recipe.derive(b"x", alg, &scope[..2]), None);
        assert_eq!(recipe.derive(b"", alg, &scope), None);
    }

    #[test]
    fn base64_behind_a_prefix_that_may_be_missing() {
        let recipe = Recipe { strip: b"whsec_".as_slice().into(), base64: true, ..Recipe::default() };
        let alg = Alg::from_name("hmac-sha256").unwrap();
        for secret in ["whsec_AQID", "AQID"] {
            assert_eq!(recipe.derive(secret.as_bytes(), alg, &[]).unwrap().as_slice(), [1, 2, 3]);
        }
        for secret in ["whsec_", "whsec_AQI", "!", ""] {
            assert_eq!(recipe.derive(secret.as_bytes(), alg, &[]), None, "{secret}");
        }
    }
}
