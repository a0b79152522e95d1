//! `vectors/<scheme>/*.json`: requests of every built-in scheme, made by independent clients, judged by the whole engine.

#[path = "canon/smuggled.rs"]
mod hostile;

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

/// The document of a built-in profile with the values at these JSON pointers changed, compiled and linted.
fn changed(name: &str, changes: &[(&str, Value)]) -> Result<Profile, String> {
    let mut document: Value = serde_json::from_str(canon::builtin_document(name).unwrap()).unwrap();
    for (pointer, value) in changes {
        let (parent, member) = pointer.rsplit_once('/').unwrap();
        let parent = document.pointer_mut(parent).unwrap_or_else(|| panic!("no {pointer}"));
        match member.parse::<usize>() {
            Ok(index) if parent.is_array() => parent[index] = value.clone(),
            _ => parent[member] = value.clone(),
        }
    }
    let document = Document::parse(document.to_string().as_bytes()).unwrap();
    Profile::from_document(&document.root()).map_err(|e| e.to_string())
}

/// The holes that other gateways and schemes leave open, each opened in a built-in profile: refused, by name.
#[test]
fn each_known_hole_of_the_field_is_refused_by_name() {
    let none = json!([]);
    for (name, changes, hole) in [
        // Kong: a fresh x-date beside a stale signed date; a signature over the date alone; a digest that nobody must sign.
        ("kong-hmac", vec![("/signed_headers/fields", json!("may"))], "unsigned_timestamp"),
        ("kong-hmac", vec![("/signed_headers/must", none.clone())], "unsigned_method"),
        ("kong-hmac", vec![("/signed_headers/must", none.clone())], "unsigned_path"),
        ("kong-hmac", vec![("/signed_headers/must", none.clone())], "unsigned_query"),
        ("kong-hmac", vec![("/signed_headers/must", json!([["@request-target", "date"]]))], "unsigned_method"),
        ("kong-hmac", vec![("/signed_headers/with_body", json!(["date"]))], "unsigned_digest"),
        ("kong-hmac", vec![("/digests/0/required", json!("never"))], "unsigned_body"),
        ("kong-hmac", vec![("/digests", none.clone())], "unsigned_body"),
        (
            "kong-hmac",
            vec![(
                "/fields/sign_type",
                json!({"in": "auth", "name": "algorithm", "values": {"hmac-sha1": ["hmac-sha1"]}}),
            )],
            "algorithm_from_request",
        ),
        // APISIX: the default string that covered the key id alone.
        ("apisix-hmac", vec![("/signed_headers/must", none.clone())], "unsigned_method"),
        ("apisix-hmac-legacy", vec![("/legacy_unsafe", json!(["no_nonce"]))], "unsigned_body"),
        // GitHub: no timestamp, no nonce, and nothing of the request but its body.
        ("github", vec![("/legacy_unsafe", json!(["no_nonce", "unsigned_path", "unsigned_query"]))], "no_timestamp"),
        ("github", vec![("/legacy_unsafe", json!(["no_timestamp", "unsigned_path", "unsigned_query"]))], "no_nonce"),
        ("github", vec![("/methods", json!(["POST", "PUT"]))], "unsigned_method"),
        // A2 with a key that both sides have.
        ("aws-sigv4", vec![("/level", json!("A2"))], "a2_mac"),
        ("aws-sigv4-s3", vec![("/legacy_unsafe", json!(["no_nonce"]))], "unsigned_body"),
        ("wechatpay-v3", vec![("/legacy_unsafe", none.clone())], "unsigned_app_id"),
        (
            "wechatpay-v3",
            vec![("/string/segments", json!(["method", "target", "timestamp", "body"]))],
            "unsigned_nonce",
        ),
        (
            "wechatpay-v3",
            vec![("/string/segments", json!(["method", "path", "timestamp", "nonce", "body"]))],
            "unsigned_query",
        ),
        ("stripe", vec![("/string/segments", json!(["body"]))], "unsigned_timestamp"),
        ("alipay-v3", vec![("/legacy_unsafe", none.clone())], "ambiguous_join"),
        (
            "alibabacloud-acs3",
            vec![("/signed_headers/must_prefix", json!(["x-other-"])), ("/signed_headers/fields", json!("may"))],
            "unsigned_nonce",
        ),
        ("rfc9421", vec![("/must", json!([["@method", "@path"], ["@path"], ["@query"]]))], "unsigned_method"),
        ("rfc9421", vec![("/with_body", none.clone())], "unsigned_digest"),
        (
            "jwt",
            vec![("/legacy_unsafe", json!(["unsigned_method", "unsigned_path", "unsigned_query"]))],
            "unsigned_body",
        ),
        ("jwt", vec![("/fields/nonce", Value::Null)], "no_nonce"),
    ] {
        let refused = changed(name, &changes).expect_err(&format!("{name} {changes:?} has no hole"));
        assert!(refused.contains(&format!("{hole} (")), "{name}: {hole}: {refused}");
    }
}

/// Every error of a document of these shapes names its place.
#[test]
fn broken_documents_are_refused_by_pointer() {
    for (name, pointer, value, says) in [
        ("stripe", "/string/segments/0", json!("moment"), "/string/segments/0: expected a segment"),
        ("stripe", "/string/segments/0", json!({"fext": "."}), "/string/segments/0: expected one of text"),
        ("stripe", "/string/segments", json!(["timestamp", "body"]), "a field needs a join or a text behind it"),
        ("stripe", "/string/segments", json!([]), "expected at least one segment"),
        ("stripe", "/fields/signature", Value::Null, "without a field \"signature\""),
        ("stripe", "/fields/timestamp/in", json!("cookie"), "expected one of auth, header, query, body"),
        ("stripe", "/fields/timestamp/required", json!(false), "always required"),
        ("stripe", "/canonical", json!(["body"]), "is in no digest"),
        ("stripe", "/auth/divider", json!("="), "are the same"),
        ("github", "/fields/timestamp", json!({"in": "auth", "name": "t"}), "needs the member \"auth\""),
        ("kong-hmac", "/signed_headers", json!({"musst": []}), "unknown member"),
        ("kong-hmac", "/shape", json!("lines"), "belong to other shapes"),
        ("aws-sigv4", "/key/chain/0", json!("moon"), "expected a required field"),
        ("aws-sigv4", "/fields/kid/part", json!(5), "/fields/kid/part"),
        ("tencentcloud-tc3", "/fields/timestamp/zone", json!("+08:00"), "formats that name none only"),
        ("jwt", "/fields/sub", json!("sub"), "expected app_id"),
        ("rfc9421", "/must/0", json!("@Method"), "in lower case"),
    ] {
        let refused = changed(name, &[(pointer, value)]).expect_err(name);
        assert!(refused.contains(says), "{name} {pointer}: {refused}");
    }
}

/// What the client's side fills in and signs is taken, for every profile that has a MAC.
#[test]
fn the_clients_side_signs_what_the_profile_verifies() {
    use portcullis::alg::{Algorithm, MacInput, SignatureForm, SigningKey};
    use portcullis::canon::client::{Draft, Fill};
    for name in canon::builtin_names() {
        let profile = canon::builtin(name).unwrap();
        let Some(alg) =
            ["hmac-sha256", "hmac-sha1"].into_iter().filter_map(Alg::from_name).find(|a| profile.admits(*a))
        else {
            continue;
        };
        let algorithm = Algorithm::from_name(alg.name()).unwrap();
        let secret =
            if *name == "standard-webhooks" { "d2hhdC1hLXNlY3JldC10aGlzLWlz" } else { "what-a-secret-this-is" };
        let mut draft = Draft {
            method: b"POST".to_vec(),
            // Where parameters come from the body alone, the query may hold none.
            target: if *name == "wechatpay-v2" { b"/a/b".to_vec() } else { b"/a/b?x=1".to_vec() },
            headers: vec![(b"Host".to_vec(), b"api.example".to_vec())],
            ..Draft::default()
        };
        if *name == "tencentcloud-tc3" {
            draft.headers.push((b"content-type".to_vec(), b"application/json".to_vec()));
        }
        if *name == "apisix-hmac-legacy" {
            // Nothing must be in its list, so that the client says what is.
            draft.headers.push((b"x-hmac-signed-headers".to_vec(), b"Host".to_vec()));
        }
        let now = Millis(1_700_000_000_000);
        let extra = [("region", "r1"), ("service", "s1")];
        let fill =
            Fill { app_id: Some("app-1"), kid: Some("k1"), timestamp: Some(now), nonce: Some("n-1"), extra: &extra };
        profile.fill(&mut draft, alg, &fill).unwrap_or_else(|e| panic!("{name}: {e}"));
        let mut string = Vec::new();
        let how = profile.sign_string(&draft, alg, &mut string).unwrap_or_else(|e| panic!("{name}: {e} {draft:?}"));
        let derived =
            profile.sign_scope(&draft, |scope| profile.recipe()?.derive(secret.as_bytes(), alg, scope)).unwrap();
        let key = derived.as_ref().map_or(secret.as_bytes(), |key| key.as_slice());
        let input = if how.append_secret { MacInput::AppendKey } else { MacInput::Plain };
        let signature = SigningKey::secret(algorithm, key).unwrap().sign(&string, SignatureForm::Der, input).unwrap();
        profile.place_signature(&mut draft, alg, &signature).unwrap();
        let app = json!({"app_id": "app-1", "allow_weak": true, "profiles": [name],
            "credentials": [{"kid": "k1", "alg": alg.name(), "secret": secret}]});
        let config = json!({"version": 1, "apps": [app]}).to_string().into_bytes();
        let mut worker = engine(&config).worker();
        draft.lend(|request| {
            let request = portcullis::request::Request { received_at: Some(now), ..*request };
            assert_eq!(worker.verify(&request).reason.name(), "ok", "{name}: {draft:?}");
        });
    }
}
