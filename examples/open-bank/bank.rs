//! The bank's side.

use super::Wrong;
use super::app::{RSA2, new_pair, nonce, now, sign};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeySize, PrivateDecryptingKey, PublicEncryptingKey};
use portcullis::alg::SigningKey;
use portcullis::audit::{AuditKey, Chain, Record, Retention, Verifier};
use portcullis::canon::client::Draft;
use portcullis::canon::{self, Profile};
use portcullis::codec::base64;
use portcullis::codec::doc::Document;
use portcullis::engine::{Engine, Outcome, Worker};
use portcullis::error::Error;
use portcullis::seal::{Cipher, Opener, Sealed, Wrap};
use portcullis::verdict::{Reason, Verdict};
use serde_json::{Value, json};

/// The guide's way of signing, with the signature inside the body: for answers.
pub fn answer_profile() -> Result<Value, Wrong> {
    let document = canon::builtin_document("openapi").ok_or("no profile openapi")?;
    let mut profile: Value = serde_json::from_str(document)?;
    profile["name"] = json!("open-bank-answer");
    profile["fields"]["signature"]["in"] = json!("body");
    Ok(profile)
}

pub struct Bank {
    engine: Engine,
    worker: Worker,
    signs: SigningKey,
    signs_public: String,
    /// Opens fields; a key that signs nothing.
    opens: Opener,
    wraps: PublicEncryptingKey,
    answers: Profile,
    audit: AuditKey,
    chain: Chain,
    log: Vec<u8>,
    cents: u64,
}

impl Bank {
    pub fn open(app_public: &str) -> Result<Self, Wrong> {
        let api =
            |id: &str, method: &str, path: &str| json!({ "api_id": id, "method": method, "path": path, "level": "A2" });
        let mut idempotency = api("idempotency", "GET", "/idempotency");
        idempotency["token"] = json!(true);
        let mut transfer = api("transfer", "POST", "/transfer");
        transfer["token"] = json!(true);
        transfer["one_time"] = json!("required");
        transfer["params"] = json!({ "unknown": "refuse", "rules": [
            { "name": "amount", "required": true, "type": "decimal", "max": 12 },
            { "name": "account", "required": true }, { "name": "accountIv", "required": true }, { "name": "accountKey", "required": true },
        ] });
        // A real bank has this secret in the environment: "secret_env".
        let document = json!({
            "version": 1,
            "state": { "birth_rule": "off" },
            "answers": { "form": "code-msg-data" },
            "tokens": { "keys": [{ "number": 0, "secret": nonce()? + &nonce()? }] },
            "apis": [api("token", "GET", "/token"), idempotency, transfer],
            "apps": [{
                "app_id": "p10001",
                "level": "A2",
                "profiles": ["openapi"],
                "allow_apis": ["token", "idempotency", "transfer"],
                "credentials": [{ "kid": "2026", "alg": RSA2.name(), "public_key_pem": app_public }],
            }],
        });
        let engine = Engine::open(document.to_string().as_bytes())?;
        let (private, signs_public) = new_pair()?;
        let decrypting = PrivateDecryptingKey::generate(KeySize::Rsa2048)?;
        let profile = answer_profile()?.to_string();
        let profile = Document::parse(profile.as_bytes()).map_err(Error::from)?;
        let audit = AuditKey::new(nonce()?.repeat(2).as_bytes())?;
        let mut log = Vec::new();
        Ok(Self {
            worker: engine.worker(),
            engine,
            signs: SigningKey::from_pkcs8_der(RSA2, &private, None)?,
            signs_public,
            opens: Opener::from_pkcs8(Wrap::RsaOaepSha256, AsDer::as_der(&decrypting)?.as_ref())?,
            wraps: decrypting.public_key(),
            answers: Profile::from_document(&profile.root()).map_err(Error::from)?,
            chain: Chain::open(&audit, Retention::Bank, None, now()?, &mut log)?,
            audit,
            log,
            cents: 100_000,
        })
    }

    pub fn public_key(&self) -> Result<String, Wrong> {
        Ok(self.signs_public.clone())
    }

    pub fn wrapping_key(&self) -> Result<PublicEncryptingKey, Wrong> {
        Ok(self.wraps.clone())
    }

    /// What a gateway does with a call: judge it, and only then let the business see it.
    pub fn handle(&mut self, call: &Draft) -> Result<(Reason, Vec<u8>), Wrong> {
        let verdict = call.lend(|request| self.worker.verify(request));
        let mut account = None;
        let answer = if verdict.ok() {
            let answer = self.business(call, &verdict, &mut account);
            let outcome = if answer.is_ok() { Outcome::Success } else { Outcome::Failure };
            self.worker.done(&verdict.ticket, outcome);
            answer?
        } else {
            // Code and text of the reason, nothing else.
            let mut body = Vec::new();
            self.engine.answer(&verdict, &mut body);
            serde_json::from_slice(&body)?
        };
        let record = Record {
            at: now()?,
            trace_id: None,
            verdict: &verdict,
            duration_us: None,
            account: account.as_deref(),
            evidence: None,
        };
        self.chain.write(&record, &mut self.log);
        Ok((verdict.reason, self.signed(answer)?))
    }

    fn business(&mut self, call: &Draft, verdict: &Verdict, account: &mut Option<String>) -> Result<Value, Wrong> {
        let app = verdict.app_id.as_str();
        let data = match verdict.api_id.as_str() {
            "token" => {
                let issued = self.engine.issue_token(app, None)?;
                json!({ "accessToken": issued.token.as_str(), "expiresIn": issued.expires_in_s })
            }
            "idempotency" => json!({ "token": self.engine.issue_one_time_token(app)?.token.as_str() }),
            _ => {
                let body: Value = serde_json::from_slice(&call.body)?;
                let bytes = |name: &str| {
                    base64::decode_vec(base64::Variant::Standard, body[name].as_str().unwrap_or("").as_bytes())
                };
                let (key, iv, text) = (bytes("accountKey")?, bytes("accountIv")?, bytes("account")?);
                // Only with a verdict that accepted the call; one error for whatever is wrong. Wiped when dropped.
                let sealed = Sealed { key: &key, iv: &iv, text: &text, aad: b"" };
                let opened = self.opens.open(verdict, Cipher::Aes128Cbc, &sealed)?;
                *account = Some(std::str::from_utf8(opened.expose())?.to_owned());
                let cents = body["amount"].as_str().unwrap_or("").replace('.', "").parse::<u64>()?;
                self.cents = self.cents.checked_sub(cents).ok_or("not enough money")?;
                // Done: from here on the one-time token is used for ever.
                if !self.worker.commit_one_time_token(&verdict.one_time) {
                    return Err("the reservation was lost".into());
                }
                json!({ "balance": format!("{}.{:02}", self.cents / 100, self.cents % 100) })
            }
        };
        Ok(json!({ "code": verdict.code.as_str(), "msg": "success", "data": data }))
    }

    /// Signs an answer as the app signs its calls.
    fn signed(&self, mut answer: Value) -> Result<Vec<u8>, Wrong> {
        answer["partnerId"] = json!("bank");
        answer["timestamp"] = json!(now()?.0 / 1000);
        answer["nonce"] = json!(nonce()?);
        let mut draft = Draft {
            method: b"POST".to_vec(),
            target: b"/answer".to_vec(),
            headers: vec![(b"Content-Type".to_vec(), b"application/json; charset=utf-8".to_vec())],
            body: answer.to_string().into_bytes(),
            ..Draft::default()
        };
        sign(&self.answers, &self.signs, &mut draft)?;
        Ok(draft.body)
    }

    /// Closes the log, reads it back, and says what was found.
    pub fn close_log(mut self) -> Result<String, Wrong> {
        self.chain.close(now()?, &mut self.log);
        let text = String::from_utf8(self.log)?;
        if text.contains("6222020000001234567") {
            return Err("an account number in the log".into());
        }
        let mut verifier = Verifier::new(&self.audit);
        for line in text.lines() {
            verifier.line(line.as_bytes()).map_err(|broken| broken.to_string())?;
        }
        Ok(format!("{text}verified: {} lines, none altered, none missing", verifier.report().lines))
    }
}
