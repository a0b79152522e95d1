//! `vectors/<scheme>/*.json`: requests of every built-in scheme, made by independent clients, judged by the whole engine.

use portcullis::canon::{self, Alg, Profile, Scratch};
use portcullis::codec::doc::Document;
use portcullis::engine::{Engine, Options};
use portcullis::ndjson::Parser;
use portcullis::request::Sizes;
use portcullis::time::Millis;
use serde_json::{Value, json};
use std::sync::Arc;

/// The profile of a file: its own, or the built-in one of the directory's name.
fn profile_of(name: &str, file: &Value) -> Arc<Profile> {
    match &file["profile"] {
        Value::Null => canon::builtin(name).unwrap(),
        own => {
            let document = Document::parse(own.to_string().as_bytes()).unwrap();
            Arc::new(Profile::from_document(&document.root()).unwrap_or_else(|e| panic!("{name}: {e}")))
        }
    }
}

/// The scheme's directories and their files.
fn files() -> Vec<(String, Value)> {
    let mut files = Vec::new();
    for name in canon::builtin_names().iter().filter(|name| **name != "openapi") {
        let dir = std::fs::read_dir(format!("vectors/{name}")).unwrap_or_else(|e| panic!("vectors/{name}: {e}"));
        for entry in dir {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|e| e == "json") {
                let text = std::fs::read_to_string(&path).unwrap();
                files.push(((*name).to_owned(), serde_json::from_str(&text).unwrap()));
            }
        }
    }
    files
}

fn config(profile: &str, file: &Value) -> Vec<u8> {
    let mut app = file["app"].clone();
    let own: Vec<&Value> = file.get("profile").into_iter().collect();
    let profile = own.first().map_or(profile, |own| own["name"].as_str().unwrap());
    let members = app.as_object_mut().unwrap();
    members.entry("app_id").or_insert("the-app".into());
    members.insert("profiles".into(), json!([profile]));
    json!({"version": 1, "clock": {"past_window_ms": 300_000, "future_window_ms": 300_000}, "profiles": own, "apps": [app]})
        .to_string()
        .into_bytes()
}

fn engine(config: &[u8]) -> Engine {
    let options = Options { now: Some(Millis(0)), closed_set: true, ..Options::default() };
    Engine::open_with(config, &options).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn every_vector_has_its_verdict_and_its_string() {
    let (mut cases, mut wrong) = (0, Vec::new());
    for (name, file) in files() {
        assert!(file["source"].as_str().is_some_and(|s| s.len() > 20), "{name} has no provenance");
        let config = config(&name, &file);
        let profile = profile_of(&name, &file);
        let mut scratch = Scratch::new();
        for case in file["cases"].as_array().unwrap() {
            cases += 1;
            // Each alone: that the same request is not taken twice is another test's matter.
            let mut worker = engine(&config).worker();
            let mut line = case["request"].to_string().into_bytes();
            let mut parser = Parser::new();
            let line = parser.parse(&mut line).unwrap();
            let request = line.request();
            let reason = worker.verify(&request).reason.name();
            if case["reason"] != reason {
                wrong.push(format!("{name}/{}: {reason}, not {}", case["name"], case["reason"]));
            }
            let Some(expected) = case["string_to_sign"].as_str() else { continue };
            let alg = file["app"]["credentials"][0]["alg"].as_str().and_then(Alg::from_name).unwrap();
            let mut string = Vec::new();
            match profile.extract(&request, &mut scratch, &Sizes::default()) {
                Ok(extract) => {
                    profile.write_message(&extract, &request, alg, &mut string).map(drop).unwrap_or_default()
                }
                Err(refusal) => wrong.push(format!("{name}/{}: {refusal}", case["name"])),
            }
            if string != expected.as_bytes() {
                let string = String::from_utf8_lossy(&string);
                wrong.push(format!("{name}/{}:\n  want {expected:?}\n  have {string:?}", case["name"]));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {cases}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cases > 150, "{cases}");
}

/// What is accepted is accepted once, whether the scheme has a nonce or not.
#[test]
fn a_signed_request_is_taken_once() {
    for (name, file) in files() {
        let mut worker = engine(&config(&name, &file)).worker();
        let case = file["cases"].as_array().unwrap().iter().find(|c| c["reason"] == "ok").unwrap();
        let mut line = case["request"].to_string().into_bytes();
        let mut parser = Parser::new();
        let line = parser.parse(&mut line).unwrap();
        assert_eq!(worker.verify(&line.request()).reason.name(), "ok", "{name}");
        assert_eq!(worker.verify(&line.request()).reason.name(), "replayed", "{name}");
    }
}

/// Without a profile named, each scheme's requests are known by what they carry, all schemes being allowed.
#[test]
fn requests_are_recognised_by_what_they_carry() {
    for (name, file) in files() {
        let profile = profile_of(&name, &file);
        for case in file["cases"].as_array().unwrap().iter().filter(|c| c["reason"] == "ok") {
            let mut line = case["request"].to_string().into_bytes();
            let mut parser = Parser::new();
            let line = parser.parse(&mut line).unwrap();
            assert!(profile.recognises(&line.request()), "{name}/{}", case["name"]);
        }
    }
}

/// One byte of a header, the target or the body changed, anywhere: never a panic, and what is still accepted signs the same string.
#[test]
fn a_changed_byte_is_noticed_or_signs_the_same() {
    for (name, file) in files() {
        let profile = profile_of(&name, &file);
        let config = config(&name, &file);
        let case = file["cases"].as_array().unwrap().iter().find(|c| c["reason"] == "ok").unwrap();
        let alg = file["app"]["credentials"][0]["alg"].as_str().and_then(Alg::from_name).unwrap();
        let text = case["request"].to_string();
        let string_of = |line: &portcullis::ndjson::Line<'_>| {
            let (mut scratch, mut string) = (Scratch::new(), Vec::new());
            let request = line.request();
            if let Ok(extract) = profile.extract(&request, &mut scratch, &Sizes::default()) {
                profile.write_message(&extract, &request, alg, &mut string).unwrap();
            }
            string
        };
        let mut parser = Parser::new();
        let original = string_of(&parser.parse(&mut text.clone().into_bytes()).unwrap());
        let engine = engine(&config);
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            if bytes[at] == b'"' || bytes[at] == b'\\' || !bytes[at].is_ascii() {
                continue;
            }
            bytes[at] ^= 1;
            let Ok(line) = parser.parse(&mut bytes) else { continue };
            let mut worker = engine.worker();
            let verdict = worker.verify(&line.request());
            if verdict.ok() {
                assert_eq!(string_of(&line), original, "{name}: byte {at} of {text}");
                assert!(worker.release(&verdict.ticket));
            }
        }
    }
}
