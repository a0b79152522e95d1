//! What a document says is what the snapshot answers.

use super::*;
use portcullis::alg::Algorithm;
use portcullis::keys::{Action, AppStatus, KeyPart, KeyStatus, Level, NonceMode, Rate};
use portcullis::time::Millis;
use portcullis::verdict::Reason;
use std::path::Path;

#[test]
fn the_least_document_has_every_default() {
    let s = Config::from_json(br#"{"version":1}"#).unwrap();
    assert_eq!((s.generation(), s.apps().len(), s.apis().len(), s.limits().len()), (0, 0, 0, 0));
    assert_eq!((s.state().nonces, s.state().limit_keys, s.state().mode), (1_000_000, 100_000, 0o600));
    assert!(s.state().path.is_none() && s.state().birth_rule && s.state().group.is_none());
    assert_eq!(s.state().nonce_mode, NonceMode::Strict);
    assert_eq!((s.widest_clock().past_window_ms, s.widest_clock().future_window_ms), (300_000, 5_000));
    assert_eq!(s.sizes().params, 1000);
    assert_eq!(s.code(Reason::Replayed).as_str(), "9997");
    assert!(s.app(b"").is_none() && s.app(b"p10001").is_none());
    assert!(s.api_for(b"GET", b"/any/thing").unwrap().is_none());
    assert!(s.profile_named("openapi").is_none());
}

#[test]
fn settings_are_read() {
    let s = read(&whole()).unwrap();
    let state = s.state();
    assert_eq!(state.path.as_deref(), Some(Path::new("/dev/shm/portcullis-test")));
    assert_eq!((state.nonces, state.limit_keys, state.birth_rule, state.mode), (2000, 300, false, 0o660));
    assert_eq!((state.group, state.nonce_mode), (Some(0), NonceMode::Message));
    assert_eq!((s.widest_clock().past_window_ms, s.widest_clock().future_window_ms), (60_000, 0));
    let z = s.sizes();
    assert_eq!((z.target, z.headers, z.header_bytes, z.body, z.params, z.depth), (8192, 64, 32768, 1_048_576, 100, 16));
    assert_eq!(s.code(Reason::Replayed).as_str(), "409-R");
    assert_eq!(s.code(Reason::BadSignature).as_str(), "9992");
    assert_eq!(s.code(Reason::Ok).as_str(), "0");
    assert_eq!(s.code(Reason::Internal).as_str(), "9998");

    let mut other = whole();
    other["state"] = json!({ "birth_rule": true, "group": 33, "mode": "600" });
    let s = read(&other).unwrap();
    assert_eq!((s.state().birth_rule, s.state().mode, s.state().group), (true, 0o600, Some(33)));
    other["state"] = json!({ "birth_rule": false });
    assert!(!read(&other).unwrap().state().birth_rule);
}

#[test]
fn limits_are_resolved_and_sorted_by_when_they_count() {
    let s = read(&whole()).unwrap();
    let name = |index: &portcullis::keys::LimitIndex| s.limit(*index).unwrap().name.as_str();
    let names = |list: &[portcullis::keys::LimitIndex]| list.iter().map(name).collect::<Vec<_>>();
    assert_eq!(names(s.limits_of_all()), ["door"], "named by nobody, so it counts everybody");
    let pay = &s.apis()[0].limits;
    assert_eq!((names(&pay.before_signature), names(&pay.after_signature)), (vec!["door-pay"], vec!["pay"]));
    let app = &s.app(b"p10001").unwrap().limits;
    assert_eq!((names(&app.before_signature), names(&app.after_signature)), (vec![], vec!["per-ip-path", "watch"]));

    let [door, door_pay, _, pay, watch, penalty] = s.limits() else { panic!("six limits") };
    assert_eq!(door.rate, Rate::new(1000, 1000, 2000).ok());
    assert_eq!(door_pay.rate, Rate::new(5, 60_000, 5).ok(), "as much at once as in a span");
    assert_eq!(door_pay.key.iter().collect::<Vec<_>>(), [KeyPart::ClientIp, KeyPart::Path, KeyPart::Method]);
    assert_eq!((pay.rate, pay.concurrency, pay.action), (None, Some(50), Action::Reject));
    assert_eq!((watch.action, watch.before_signature), (Action::Alert, false));
    assert_eq!((penalty.action, penalty.concurrency), (Action::Suspend { for_ms: 600_000 }, Some(2)));
}

#[test]
fn apps_and_credentials_are_read() {
    let s = read(&whole()).unwrap();
    let app = s.app(b"p10001").unwrap();
    assert_eq!((app.id.as_str(), app.index.get(), app.status, app.level), ("p10001", 0, AppStatus::Active, Level::A1));
    assert!(app.allow_weak);
    let profiles: Vec<&str> = app.profiles.iter().map(|p| s.profile(*p).unwrap().name()).collect();
    assert_eq!(profiles, ["openapi", "my-bank"]);
    assert!(app.allows_profile(s.profile_named("my-bank").unwrap()));
    let secrets: Vec<&[u8]> = app.credentials.iter().map(|c| c.secret().unwrap().expose()).collect();
    let expected: [&[u8]; 6] = [b"k3y", &[0, 1, 2], b"from the environment", &[0, 0xff], "付款".as_bytes(), b"x"];
    assert_eq!(secrets, expected);
    assert_eq!(app.credential(b"2026").unwrap().algorithm(), Algorithm::Md5);
    assert!(app.credential(b"").is_none(), "a credential without a key id answers to none");

    let second = s.app(b"p10002").unwrap();
    assert_eq!((second.status, second.level, second.credentials.len()), (AppStatus::Suspended, Level::A2, 14));
    assert!(second.credentials[..12].iter().all(|c| c.secret().is_none() && !c.algorithm().is_mac()));
    assert_eq!(second.credential(b"gone").unwrap().status, KeyStatus::Revoked);
    assert_eq!(second.credential(b"of-the-jwk").unwrap().algorithm(), Algorithm::Ed25519);
    assert!(!second.allows_profile(s.profile_named("my-bank").unwrap()));
    let rsa = second.credential(b"r").unwrap();
    assert_eq!((rsa.not_before, rsa.not_after), (Millis(1_767_225_600_000), Millis(1_798_761_600_000)));

    assert_eq!(s.app("付款".as_bytes()).unwrap().status, AppStatus::Exited);
    let bare = s.app(b"bare").unwrap();
    assert_eq!(
        (bare.status, bare.level, bare.allow_weak, bare.profiles.len()),
        (AppStatus::Active, Level::A1, false, 0)
    );
    assert!(s.app(b"p1000").is_none() && s.app(b"p10001 ").is_none() && s.app(b"P10001").is_none());
}

#[test]
fn a_certificate_bounds_and_names_its_credential() {
    let s = read(&whole()).unwrap();
    let app = s.app(b"p10002").unwrap();
    let credential = app.credential(SERIAL_HEX.as_bytes()).unwrap();
    assert_eq!(credential.kid.as_str(), SERIAL_HEX);
    assert_eq!((credential.not_before, credential.not_after), (Millis(1_767_225_600_000), Millis(1_798_761_599_999)));
    for kid in [SERIAL_HEX.to_ascii_lowercase().as_str(), SERIAL_DECIMAL] {
        assert_eq!(app.credential(kid.as_bytes()).unwrap().kid.as_str(), SERIAL_HEX);
    }
    let named = app.credential(b"der").unwrap();
    assert_eq!(named.certificate.as_ref().unwrap().serial_decimal, SERIAL_DECIMAL);
    assert_eq!((named.not_before, named.not_after), (Millis(1_767_225_600_000), Millis(1_780_272_000_000)));
}

#[test]
fn every_spelling_of_one_key_is_the_same_key() {
    use portcullis::alg::{Item, MacInput, SignatureForm, Verifier};
    // RFC 8032, 7.1, test 2: key, one-byte message, signature. The DER before a raw key is that of RFC 8410, 4.
    let hex = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
    let signature = portcullis::codec::hex::decode_vec(
        b"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    )
    .unwrap();
    let raw = portcullis::codec::hex::decode_vec(hex.as_bytes()).unwrap();
    let der: Vec<u8> = [&[0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0], raw.as_slice()].concat();
    let base64 = |bytes: &[u8]| {
        use portcullis::codec::base64::{Variant, to_string};
        (to_string(Variant::Standard, bytes), to_string(Variant::UrlSafeNoPad, bytes))
    };
    let document = json!({ "version": 1, "apps": [{ "app_id": "a", "credentials": [
        { "kid": "hex", "alg": "ed25519", "public_key_hex": hex.to_ascii_uppercase() },
        { "kid": "raw", "alg": "ed25519", "public_key_base64": base64(&raw).0 },
        { "kid": "spki", "alg": "ed25519", "public_key_base64": base64(&der).0 },
        { "kid": "pem", "alg": "ed25519", "public_key_pem":
            format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", base64(&der).0) },
        { "alg": "ed25519", "public_key_jwk": { "kty": "OKP", "crv": "Ed25519", "x": base64(&raw).1, "kid": "jwk" } } ] }] });
    let s = read(&document).unwrap();
    let mut verifier = Verifier::new(portcullis::lanes::Cpu::detect());
    for kid in ["hex", "raw", "spki", "pem", "jwk"] {
        let key = &s.app(b"a").unwrap().credential(kid.as_bytes()).unwrap().key;
        let item =
            |message| Item { key, message, signature: &signature, form: SignatureForm::Either, input: MacInput::Plain };
        let mut ok = [false, true];
        verifier.verify(&[item(b"\x72"), item(b"\x73")], &mut ok);
        assert_eq!(ok, [true, false], "{kid}");
    }
}

#[test]
fn a_sole_app_stands_for_its_profile() {
    let s = read(&whole()).unwrap();
    assert_eq!(s.sole_app(s.profile_named("my-bank").unwrap()).unwrap().id.as_str(), "p10001");
    assert!(s.sole_app(s.profile_named("openapi").unwrap()).is_none(), "two apps allow it");
}

/// A profile whose requests carry a key id and no app id.
fn by_key_id(name: &str) -> Value {
    let mut profile = own_profile(name);
    profile["fields"]["app_id"] = Value::Null;
    profile["fields"]["kid"] = json!({ "names": ["keyId"], "in": "params" });
    profile
}

#[test]
fn a_key_id_alone_finds_its_app() {
    let mut document = json!({
        "version": 1,
        "profiles": [by_key_id("k1"), by_key_id("k2"), own_profile("o")],
        "apps": [
            { "app_id": "a", "profiles": ["k1"], "credentials": [
                { "alg": "hmac-sha256", "secret": "x" },
                { "kid": "one", "alg": "hmac-sha256", "secret": "1" },
                { "alg": "ecdsa-p256-sha256", "certificate_pem": P256_CERTIFICATE }] },
            { "app_id": "b", "profiles": ["k2", "o"], "credentials": [{ "kid": "one", "alg": "hmac-sha256", "secret": "2" }] },
            { "app_id": "c", "profiles": ["k2"], "credentials": [{ "kid": "two", "alg": "hmac-sha256", "secret": "3" }] }
        ]
    });
    let s = read(&document).unwrap();
    let holder = |profile: &str, kid: &str| {
        let (app, credential) = s.by_kid(s.profile_named(profile).unwrap(), kid.as_bytes())?;
        assert!(credential.answers_to(kid.as_bytes()));
        Some(app.id.as_str())
    };
    assert_eq!((holder("k1", "one"), holder("k2", "one"), holder("k2", "two")), (Some("a"), Some("b"), Some("c")));
    assert_eq!((holder("k1", "two"), holder("k1", ""), holder("k2", "three")), (None, None, None));
    assert_eq!(holder("o", "one"), None, "its requests carry an app id");
    for serial in [SERIAL_HEX, SERIAL_DECIMAL, &SERIAL_HEX.to_ascii_lowercase()] {
        assert_eq!(holder("k1", serial), Some("a"), "{serial}");
    }
    // The same key id twice within one such profile: nobody could tell whose request it is.
    document["apps"][2]["credentials"][0]["kid"] = json!("one");
    let e = refused(&document);
    assert_eq!(e.pointer, "/apps/2/credentials/0");
    assert!(e.message.contains("also one of /apps/1") && e.message.contains("\"k2\""), "{e}");
}

#[test]
fn profiles_have_their_own_windows_and_nonce_modes() {
    use portcullis::canon::NonceMode::{Message, Strict};
    let mut wide = own_profile("wide");
    wide["clock"] = json!({ "past_window_ms": 900_000 });
    let mut loose = own_profile("loose");
    loose["fields"]["nonce"]["mode"] = json!("message");
    let mut document = json!({
        "version": 1, "clock": { "past_window_ms": 1000, "future_window_ms": 10 },
        "profiles": [wide, loose], "apps": [{ "app_id": "a", "profiles": ["openapi"] }]
    });
    let s = read(&document).unwrap();
    let of = |s: &Snapshot, name: &str| {
        let index = s.profile_named(name).unwrap();
        let clock = s.clock(index);
        (clock.past_window_ms, clock.future_window_ms, s.nonce_mode(index))
    };
    assert_eq!(of(&s, "wide"), (900_000, 10, Strict));
    assert_eq!(of(&s, "loose"), (1000, 10, Message));
    assert_eq!(of(&s, "openapi"), (1000, 10, Strict));
    assert_eq!((s.widest_clock().past_window_ms, s.widest_clock().future_window_ms), (900_000, 10));
    document["state"] = json!({ "nonce_mode": "message" });
    assert_eq!(of(&read(&document).unwrap(), "openapi"), (1000, 10, Message));
}

#[test]
fn nothing_that_is_printed_holds_a_secret() {
    let s = read(&whole()).unwrap();
    let printed = format!("{s:?} {:?}", s.apps());
    for secret in ["k3y", "from the environment", "付款\"", "voided", "[0, 1, 2]"] {
        assert!(
            !printed.replace("Label(\"付款\")", "").replace("id: \"付款\"", "").contains(secret),
            "{secret} in {printed}"
        );
    }
    assert!(printed.contains("[redacted]"));
}

#[test]
fn a_snapshot_is_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>(_: &T) {}
    shared(&read(&whole()).unwrap());
}

#[test]
fn a_hundred_thousand_apps_are_found() {
    let count = if std::env::var_os("PORTCULLIS_SLOW").is_some() { 1_000_000 } else { 100_000 };
    let mut text = String::from(r#"{"version":1,"apps":["#);
    for n in 0..count {
        let comma = if n == 0 { "" } else { "," };
        text.push_str(&format!(
            r#"{comma}{{"app_id":"p{n}","credentials":[{{"kid":"k","alg":"hmac-sha256","secret":"s{n}"}}]}}"#
        ));
    }
    text.push_str("]}");
    let s = Config::from_json(text.as_bytes()).unwrap();
    for n in (0..count).step_by(7) {
        let id = format!("p{n}");
        let app = s.app(id.as_bytes()).unwrap();
        assert_eq!((app.index.get(), app.id.as_str()), (n, id.as_str()));
        assert_eq!(app.credentials[0].secret().unwrap().expose(), format!("s{n}").as_bytes());
        assert!(s.app(format!("q{n}").as_bytes()).is_none());
    }
}

#[test]
fn the_demonstration_is_taken() {
    let s = Config::from_json(include_bytes!("../../vectors/demo/config.json")).unwrap();
    assert!(s.apps().len() >= 5 && !s.apis().is_empty());
    assert!(s.profile_named("openapi").is_some());
}
