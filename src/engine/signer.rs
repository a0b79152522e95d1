//! The other side: signing requests as an app would, and answers that a profile describes. For clients, tests, and gateways that sign what
//! they send on; it allocates, and it is not on the way of a request that is judged.

use super::Engine;
use crate::alg::{Algorithm, MacInput, SignatureForm, SigningKey};
use crate::canon::client::{Draft, Fill};
use crate::canon::{self, Alg, Profile};
use crate::codec::hex;
use crate::error::Error;
use crate::keys::{App, Credential, Snapshot};
use crate::time::Millis;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Who signs, by which profile, with which key.
#[derive(Clone, Copy, Default)]
pub struct SignerOptions<'a> {
    /// The profile: the document's of that name, or a built-in one.
    pub profile: &'a str,
    /// Whose request it is; empty where the profile carries no app id and `alg` is given.
    pub app_id: &'a str,
    /// The credential of the app, or the key id to write [default: the first credential that the profile admits].
    pub kid: Option<&'a str>,
    /// With `private_key_pem`: the algorithm of a key that the document need not know, such as the gateway's own.
    pub alg: Option<&'a str>,
    /// The private key of a key pair, PKCS#8 in PEM; MACs use the secret of the document.
    pub private_key_pem: Option<&'a str>,
    /// The user id of an SM2 key, where it is not the standard's default.
    pub sm2_user_id: Option<&'a [u8]>,
    /// Fields of the profile that the document does not have, such as a region.
    pub extra: &'a [(&'a str, &'a str)],
}

/// What signs: a key, or a secret from which the profile derives one for each request.
enum Keys {
    Fixed(Box<SigningKey>),
    Derived(Zeroizing<Box<[u8]>>, Algorithm),
}

enum From {
    Document(Arc<Snapshot>, crate::keys::ProfileIndex),
    Builtin(Arc<Profile>),
}

/// A key with all that a profile needs to sign with it. Shared by threads.
pub struct Signer {
    profile: From,
    alg: Alg,
    keys: Keys,
    app_id: String,
    kid: Option<String>,
    extra: Vec<(String, String)>,
}

fn fail(message: impl Into<String>) -> Error {
    Error::Os { doing: "signing".to_owned(), message: message.into() }
}

impl Engine {
    /// A signer by the document in force now; a later document does not change it.
    ///
    /// # Errors
    /// As [`Signer::new`].
    pub fn signer(&self, options: &SignerOptions<'_>) -> Result<Signer, Error> {
        Signer::new(self.snapshot(), options)
    }
}

impl Signer {
    /// A signer by `snapshot`.
    ///
    /// # Errors
    /// A profile, app or credential that is not there, an algorithm that the profile does not admit, a private key that cannot be read, is
    /// missing, or is not asked for.
    pub fn new(snapshot: Arc<Snapshot>, options: &SignerOptions<'_>) -> Result<Self, Error> {
        let profile = match snapshot.profile_named(options.profile) {
            Some(index) => From::Document(Arc::clone(&snapshot), index),
            // So that a client may sign by what its app does not use yet.
            None => From::Builtin(canon::builtin(options.profile).ok_or_else(|| {
                fail(format!("no profile {:?} in the document, and none is built in", options.profile))
            })?),
        };
        let own = profile.get().ok_or_else(|| fail("no profile"))?;
        let (keys, algorithm, kid) = match (options.alg, options.private_key_pem) {
            (Some(alg), Some(pem)) => {
                let algorithm = Algorithm::from_name(alg).ok_or_else(|| fail(format!("no algorithm {alg:?}")))?;
                let key = SigningKey::from_pkcs8_pem(algorithm, pem, options.sm2_user_id);
                (
                    Keys::Fixed(Box::new(key.map_err(|e| fail(e.to_string()))?)),
                    algorithm,
                    options.kid.map(str::to_owned),
                )
            }
            (Some(_), None) => {
                return Err(fail("an algorithm goes with a private key; without one it is the credential's"));
            }
            (None, pem) => of_app(&snapshot, own, options, pem)?,
        };
        let alg = Alg::from_name(algorithm.name()).ok_or_else(|| fail("the algorithm is not known to profiles"))?;
        if !own.admits(alg) {
            return Err(fail(format!("profile {:?} does not admit {}", own.name(), algorithm.name())));
        }
        let extra = options.extra.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        Ok(Self { profile, alg, keys, app_id: options.app_id.to_owned(), kid, extra })
    }

    /// Signs `draft`, a request, or a response ([`Draft::answering`]) by its headers and body and, with RFC 9421, its status and request: app id, key id, timestamp (`at`) and nonce (`nonce`, or a random one) are filled in where the profile reads them and
    /// the draft has none; the signature goes to its place.
    ///
    /// # Errors
    /// A draft that the profile cannot read or that is signed already; a response that the profile does not describe; no randomness.
    pub fn sign(&self, draft: &mut Draft, at: Millis, nonce: Option<&str>) -> Result<(), Error> {
        let refused = |e: canon::Refusal| fail(e.to_string());
        let profile = self.profile.get().ok_or_else(|| fail("no profile"))?;
        let random = match nonce {
            Some(_) => None,
            None => Some(random_nonce()?),
        };
        let extra: Vec<(&str, &str)> = self.extra.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let fill = Fill {
            app_id: Some(self.app_id.as_str()).filter(|id| !id.is_empty()),
            kid: self.kid.as_deref(),
            timestamp: Some(at),
            nonce: nonce.or(random.as_deref()),
            extra: &extra,
        };
        profile.fill(draft, self.alg, &fill).map_err(refused)?;
        // With a MAC the string may hold the secret.
        let mut text = Zeroizing::new(Vec::new());
        let how = profile.sign_string(draft, self.alg, &mut text).map_err(refused)?;
        let form = match how.form {
            canon::SignatureForm::Fixed => SignatureForm::Fixed,
            canon::SignatureForm::Der | canon::SignatureForm::Either => SignatureForm::Der,
        };
        let input = if how.append_secret { MacInput::AppendKey } else { MacInput::Plain };
        let signature = match &self.keys {
            Keys::Fixed(key) => key.sign(&text, form, input),
            Keys::Derived(secret, algorithm) => {
                let recipe = profile.recipe().ok_or_else(|| fail("the profile derives no key"))?;
                let key = profile.sign_scope(draft, |scope| recipe.derive(secret, self.alg, scope));
                let key = key.map_err(refused)?.ok_or_else(|| fail("no key can be derived from the secret"))?;
                SigningKey::secret(*algorithm, &key).and_then(|key| key.sign(&text, form, input))
            }
        };
        let signature = signature.map_err(|e| fail(e.to_string()))?;
        profile.place_signature(draft, self.alg, &signature).map_err(refused)
    }

    /// Signs `message` as it is, by the same key: the signature's bytes (DER for ECDSA and SM2). For answers whose string the gateway makes.
    ///
    /// # Errors
    /// A profile that derives its keys; MD5, which proves nothing without the profile's string.
    pub fn sign_bytes(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        match &self.keys {
            Keys::Fixed(key) => key.sign(message, SignatureForm::Der, MacInput::Plain).map_err(|e| fail(e.to_string())),
            Keys::Derived(..) => Err(fail("the profile derives a key for each request")),
        }
    }
}

impl From {
    fn get(&self) -> Option<&Profile> {
        match self {
            Self::Document(snapshot, index) => snapshot.profile(*index),
            Self::Builtin(profile) => Some(profile),
        }
    }
}

/// The key of a credential of the document.
fn of_app(
    snapshot: &Snapshot,
    profile: &Profile,
    options: &SignerOptions<'_>,
    pem: Option<&str>,
) -> Result<(Keys, Algorithm, Option<String>), Error> {
    let app = snapshot
        .app(options.app_id.as_bytes())
        .ok_or_else(|| fail(format!("no app {:?} in the document", options.app_id)))?;
    let credential = credential(app, profile, options)?;
    let algorithm = credential.algorithm();
    let kid = (!credential.kid.is_empty()).then(|| credential.kid.as_str().to_owned());
    let secret = credential.secret().map(|secret| secret.expose());
    let keys = match (pem, secret) {
        (Some(pem), None) => {
            let key = SigningKey::from_pkcs8_pem(algorithm, pem, options.sm2_user_id);
            Keys::Fixed(Box::new(key.map_err(|e| fail(e.to_string()))?))
        }
        (None, Some(secret)) if profile.recipe().is_some() => Keys::Derived(Zeroizing::new(secret.into()), algorithm),
        (None, Some(secret)) => {
            let key = SigningKey::secret(algorithm, secret);
            Keys::Fixed(Box::new(key.map_err(|e| fail(e.to_string()))?))
        }
        (None, None) => return Err(fail(format!("{} needs the private key", algorithm.name()))),
        (Some(_), Some(_)) => {
            return Err(fail(format!("{} signs with the document's secret, not with a private key", algorithm.name())));
        }
    };
    Ok((keys, algorithm, kid))
}

/// The credential to sign with.
fn credential<'a>(app: &'a App, profile: &Profile, options: &SignerOptions<'_>) -> Result<&'a Credential, Error> {
    let admitted = |a: Algorithm| Alg::from_name(a.name()).is_some_and(|a| profile.admits(a));
    let chosen = app.credentials.iter().find(|c| match options.kid {
        Some(kid) => c.answers_to(kid.as_bytes()),
        None => admitted(c.algorithm()),
    });
    chosen.ok_or_else(|| {
        fail(format!("app {:?} has no such credential for profile {:?}", options.app_id, profile.name()))
    })
}

fn random_nonce() -> Result<String, Error> {
    let mut bytes = [0u8; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| fail("the system has no randomness"))?;
    Ok(hex::to_string(&bytes))
}
