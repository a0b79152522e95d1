//! The app's side.

use super::Wrong;
use aws_lc_rs::cipher::{AES_128, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{KeySize, OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use aws_lc_rs::signature::{KeyPair, RsaKeyPair};
use portcullis::alg::{Algorithm, MacInput, SignatureForm, SigningKey};
use portcullis::canon::client::{Draft, Fill};
use portcullis::canon::{self, Alg, Profile};
use portcullis::codec::{base64, pem};
use portcullis::engine::{Engine, Worker};
use portcullis::time::Millis;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// RSA2 of the guide: SHA256withRSA.
pub const RSA2: Algorithm = Algorithm::RsaPkcs1Sha256;

/// A new key pair: the private key in PKCS#8, the public one in PEM.
pub fn new_pair() -> Result<(Vec<u8>, String), Wrong> {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048)?;
    Ok((pair.as_der()?.as_ref().to_vec(), pem::encode("RSA PUBLIC KEY", pair.public_key().as_ref())))
}

pub fn now() -> Result<Millis, Wrong> {
    Ok(Millis(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?))
}

/// 24 characters that never come again.
pub fn nonce() -> Result<String, Wrong> {
    let mut bytes = [0; 18];
    aws_lc_rs::rand::fill(&mut bytes)?;
    Ok(base64::to_string(base64::Variant::UrlSafeNoPad, &bytes))
}

/// Signs what stands in `draft` by a profile, and puts the signature where that wants it.
pub fn sign(profile: &Profile, key: &SigningKey, draft: &mut Draft) -> Result<(), Wrong> {
    let alg = Alg::from_name(RSA2.name()).ok_or("no such algorithm")?;
    let mut text = Vec::new();
    profile.sign_string(draft, alg, &mut text).map_err(|refusal| format!("{refusal:?}"))?;
    let signature = key.sign(&text, SignatureForm::Either, MacInput::Plain)?;
    profile.place_signature(draft, alg, &signature).map_err(|refusal| format!("{refusal:?}"))?;
    Ok(())
}

pub struct App {
    id: String,
    public: String,
    key: SigningKey,
    profile: Arc<Profile>,
    /// Wraps keys for the bank.
    wrapping: Option<OaepPublicEncryptingKey>,
    /// Checks the bank's answers.
    answers: Option<Worker>,
}

impl App {
    pub fn new(id: &str) -> Result<Self, Wrong> {
        let (private, public) = new_pair()?;
        let key = SigningKey::from_pkcs8_der(RSA2, &private, None)?;
        let profile = canon::builtin("openapi").ok_or("no profile openapi")?;
        Ok(Self { id: id.to_owned(), public, key, profile, wrapping: None, answers: None })
    }

    pub fn public_key(&self) -> Result<String, Wrong> {
        Ok(self.public.clone())
    }

    /// Takes the bank's public keys: one that signs its answers, one that keys are wrapped for.
    pub fn meet(&mut self, signs: &str, wraps: PublicEncryptingKey) -> Result<(), Wrong> {
        self.wrapping = Some(OaepPublicEncryptingKey::new(wraps)?);
        // To the app the bank is a caller like any other: one app in a document, with one key.
        let document = json!({
            "version": 1,
            "profiles": [super::bank::answer_profile()?],
            "apps": [{
                "app_id": "bank",
                "profiles": ["open-bank-answer"],
                "credentials": [{ "alg": RSA2.name(), "public_key_pem": signs }],
            }],
            // The app's own memory of answers is new; so is every answer.
            "state": { "birth_rule": "off" },
        });
        self.answers = Some(Engine::open(document.to_string().as_bytes())?.worker());
        Ok(())
    }

    /// A signed call.
    pub fn call(
        &self,
        method: &str,
        target: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Result<Draft, Wrong> {
        let mut draft = Draft {
            method: method.as_bytes().to_vec(),
            target: target.as_bytes().to_vec(),
            headers: headers
                .iter()
                .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
                .collect(),
            body: body.map(|body| body.to_string().into_bytes()).unwrap_or_default(),
            ..Draft::default()
        };
        let nonce = nonce()?;
        let fill = Fill { app_id: Some(&self.id), timestamp: Some(now()?), nonce: Some(&nonce), ..Fill::default() };
        let alg = Alg::from_name(RSA2.name()).ok_or("no such algorithm")?;
        self.profile.fill(&mut draft, alg, &fill).map_err(|refusal| format!("{refusal:?}"))?;
        sign(&self.profile, &self.key, &mut draft)?;
        Ok(draft)
    }

    /// A transfer, with the account number encrypted: AES/CBC/PKCS5 under a new key, wrapped for the bank's.
    pub fn transfer(&self, account: &str, amount: &str, headers: &[(&str, &str)]) -> Result<Draft, Wrong> {
        let (mut key, mut iv) = ([0; 16], [0; 16]);
        aws_lc_rs::rand::fill(&mut key)?;
        aws_lc_rs::rand::fill(&mut iv)?;
        let mut text = account.as_bytes().to_vec();
        let aes = PaddedBlockEncryptingKey::cbc_pkcs7(UnboundCipherKey::new(&AES_128, &key)?)?;
        aes.less_safe_encrypt(&mut text, EncryptionContext::Iv128(FixedLength::from(iv)))?;
        let wrapping = self.wrapping.as_ref().ok_or("the bank's keys are not there")?;
        let mut wrapped = vec![0; wrapping.ciphertext_size()];
        wrapping.encrypt(&OAEP_SHA256_MGF1SHA256, &key, &mut wrapped, None)?;
        let text_of = |bytes: &[u8]| base64::to_string(base64::Variant::Standard, bytes);
        let body = json!({
            "amount": amount,
            "account": text_of(&text),
            "accountIv": text_of(&iv),
            "accountKey": text_of(&wrapped),
        });
        self.call("POST", "/transfer", Some(&body), headers)
    }

    /// Reads an answer whose signature is the bank's.
    pub fn read(&mut self, answer: &[u8]) -> Result<Value, Wrong> {
        let worker = self.answers.as_mut().ok_or("the bank's keys are not there")?;
        let json = (b"Content-Type".to_vec(), b"application/json; charset=utf-8".to_vec());
        let draft = Draft {
            method: b"POST".to_vec(),
            target: b"/answer".to_vec(),
            headers: vec![json],
            body: answer.to_vec(),
            ..Draft::default()
        };
        let verdict = draft.lend(|request| worker.verify(request));
        if verdict.ok() { Ok(serde_json::from_slice(answer)?) } else { Err(verdict.reason.to_string().into()) }
    }
}
