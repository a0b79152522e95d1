//! `vectors/openapi/*.json`: requests made by an independent client, read by the profile and verified by room `alg`.

use crate::support::*;
use portcullis::alg::{Algorithm, Item, Key, MacInput, PublicKey, SignatureForm, Verifier};
use portcullis::canon::{self, Profile, Scratch};
use portcullis::lanes::Cpu;
use portcullis::ndjson::Parser;
use portcullis::request::Sizes;
use serde_json::Value;
use std::sync::Arc;

fn key(alg: Algorithm, value: &Value) -> Key {
    let text = |name: &str| value[name].as_str();
    if let Some(secret) = text("secret") {
        Key::secret(alg, secret.as_bytes()).unwrap()
    } else if let Some(pem) = text("public_key_pem") {
        Key::public(alg, &PublicKey::from_pem(pem).unwrap(), None).unwrap()
    } else {
        let point = PublicKey::from_point_hex(alg, text("public_key_hex").unwrap()).unwrap();
        Key::public(alg, &point, text("user_id").map(str::as_bytes)).unwrap()
    }
}

fn profile_of(case: &Value) -> Arc<Profile> {
    match &case["profile"] {
        Value::String(name) => canon::builtin(name).unwrap(),
        document => Arc::new(compile(document).unwrap_or_else(|e| panic!("{}: {e}", case["name"]))),
    }
}

/// Reads and verifies; the reason that comes out, and the string to sign if it came to that.
fn judge(case: &Value, verifier: &mut Verifier, scratch: &mut Scratch) -> (&'static str, Option<String>) {
    let profile = profile_of(case);
    let mut line = case["request"].to_string().into_bytes();
    let mut parser = Parser::new();
    let line = parser.parse(&mut line).unwrap();
    let request = line.request();
    let extract = match profile.extract(&request, scratch, &Sizes::default()) {
        Ok(extract) => extract,
        Err(refusal) => return (refusal.reason.name(), None),
    };
    let name = case["alg"].as_str().unwrap_or_else(|| panic!("{} should have been refused", case["name"]));
    let (mut message, mut signature) = (Vec::new(), Vec::new());
    let how = profile.write_message(&extract, &request, alg(name), &mut message).unwrap();
    let string = String::from_utf8(message.clone()).unwrap();
    if let Err(reason) = profile.decode_signature(extract.signature, alg(name), &mut signature) {
        return (reason.name(), Some(string));
    }
    let key = key(Algorithm::from_name(name).unwrap(), &case["key"]);
    let item = Item {
        key: &key,
        message: &message,
        signature: &signature,
        form: match how.form {
            canon::SignatureForm::Der => SignatureForm::Der,
            canon::SignatureForm::Fixed => SignatureForm::Fixed,
            canon::SignatureForm::Either => SignatureForm::Either,
        },
        input: if how.append_secret { MacInput::AppendKey } else { MacInput::Plain },
    };
    let mut ok = [false];
    verifier.verify(&[item], &mut ok);
    (if ok[0] { "ok" } else { "bad_signature" }, Some(string))
}

#[test]
fn every_vector_has_its_string_and_its_outcome() {
    let mut verifier = Verifier::new(Cpu::detect());
    let mut scratch = Scratch::new();
    let (mut cases, mut wrong) = (0, Vec::new());
    for file in ["get", "post", "options", "failures"] {
        let text = std::fs::read_to_string(format!("vectors/openapi/{file}.json")).unwrap();
        let vectors: Value = serde_json::from_str(&text).unwrap();
        for case in vectors["cases"].as_array().unwrap() {
            cases += 1;
            let (reason, string) = judge(case, &mut verifier, &mut scratch);
            let expected = case["string_to_sign"]
                .as_str()
                .map(|s| format!("{s}{}", case["appended"].as_str().unwrap_or_default()));
            if case["reason"] != reason || expected != string {
                wrong.push(format!("{file}/{}: {reason}\n  want {expected:?}\n  have {string:?}", case["name"]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cases >= 110, "{cases}");
}

/// One letter or digit of a body changed, anywhere: never the same verdict, but in the names of parameters without a value, which are the
/// hole `unsigned_empty` that the guide's profile declares.
#[test]
fn a_changed_character_is_noticed() {
    let text = std::fs::read_to_string("vectors/openapi/post.json").unwrap();
    let vectors: Value = serde_json::from_str(&text).unwrap();
    let case = vectors["cases"].as_array().unwrap().iter().find(|c| c["name"] == "post-texts-hmac-sha256").unwrap();
    let mut verifier = Verifier::new(Cpu::detect());
    let mut scratch = Scratch::new();
    assert_eq!(judge(case, &mut verifier, &mut scratch).0, "ok");
    let body = case["request"]["body"].as_str().unwrap();
    let mut judged = 0;
    for (at, c) in body.char_indices().filter(|(_, c)| c.is_ascii_alphanumeric()) {
        let other = if c == '7' { "8" } else { "7" };
        let mut changed = case.clone();
        changed["request"]["body"] = format!("{}{other}{}", &body[..at], &body[at + 1..]).into();
        let (reason, string) = judge(&changed, &mut verifier, &mut scratch);
        let unsigned = ["\"memo\"", "\"none\""].iter().any(|name| {
            let from = body.find(name).unwrap();
            (from..from + name.len()).contains(&at)
        });
        assert_eq!(reason == "ok", unsigned, "{at}: {c} as {other}: {string:?}");
        judged += 1;
    }
    assert!(judged > 300);
}
