//! Rows 1, 2, 5, 6, 10, 15, 17 to 20 and 62: what must stand behind a call, what it may call, and what its parameters look like.

use crate::parties::two_levels;
use crate::support::*;
use portcullis::alg::{Algorithm, Certificate, SigningKey};
use portcullis::engine::Subject;
use portcullis::policy::uapi::{LEN, Type, UApiId, UApiIdError};
use portcullis::request::TlsVersion;
use portcullis::verdict::Reason;
use serde_json::{Value, json};
use std::process::Command;

const DAY: i64 = 86_400_000;

fn certificate() -> (&'static str, [u8; 32]) {
    let pem = include_str!("../config/keys/p256-cert.pem");
    (pem, Certificate::from_pem(pem).unwrap().sha256_fingerprint())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `apps[].require`, an expression over `secret`, `key_pair`, `certificate` and `peer_certificate`; compiled when the document is read, checked for every
/// credential that might have signed.
#[test]
fn r01_a_combination_of_credentials_can_be_required() {
    let (_, fingerprint) = certificate();
    let listed = with(&document(), "/apps/0/peer_certificates", json!([hex(&fingerprint)]));
    let both = with(&listed, "/apps/0/require", json!("secret AND peer_certificate"));
    let call = Client::new("p1").call("/pay", None);
    assert_eq!(call.by(&listed), Reason::Ok);
    assert_eq!(call.by(&both), Reason::LevelTooLow, "the secret alone");
    assert_eq!(call.clone().peer(fingerprint).by(&both), Reason::Ok);
    assert_eq!(call.clone().peer([7; 32]).by(&both), Reason::LevelTooLow, "another's certificate");
    let pair = with(&listed, "/apps/0/require", json!("key_pair OR (secret AND peer_certificate)"));
    assert_eq!(call.by(&pair), Reason::LevelTooLow);
    let (key, public) = credential(Algorithm::Ed25519);
    let pair = with(&pair, "/apps/0/credentials/-", public);
    assert_eq!(Client::with_key("p1", Algorithm::Ed25519, key).call("/pay", None).by(&pair), Reason::Ok);
    for (text, message) in [("secret AND", "joined by AND"), ("secret AND key_pair", "no request can meet this")] {
        let e = refused(&with(&listed, "/apps/0/require", json!(text)));
        assert_eq!(e.pointer, "/apps/0/require");
        assert!(e.message.contains(message), "{}", e.message);
    }
}

/// Level A2 takes signatures with a key pair only; `apis[].peer_certificate` asks for a registered certificate of the connection besides: one of the
/// app's credentials, or of its list `peer_certificates`, as the gateway tells its fingerprint.
#[test]
fn r02_a2_interfaces_need_a_certificate_or_key_pair_on_both_sides() {
    let (pem, fingerprint) = certificate();
    let (key, public) = credential(Algorithm::Sm2Sm3);
    // The certificate is one of 2026, and so is this test's clock.
    let at = 1_767_225_600_000 + 30 * DAY;
    let credentials = json!([public, { "alg": "ecdsa-p256-sha256", "certificate_pem": pem }, { "alg": "hmac-sha256", "secret": SECRET }]);
    let document = with(&two_levels(), "/apps/0/credentials", credentials);
    let document = with(&document, "/apis/1/peer_certificate", json!(true));
    let sm2 = Client::with_key("p1", Algorithm::Sm2Sm3, key);
    let judge = |client: &Client, path: &str, peer: Option<[u8; 32]>, at: i64| {
        let mut call = client.call_as("GET", path, None, at, &nonce());
        call.peer = peer;
        call.verdict_at(&mut engine(&document).worker(), at).reason
    };
    assert_eq!(judge(&sm2, "/a2", Some(fingerprint), at), Reason::Ok);
    assert_eq!(judge(&sm2, "/a2", None, at), Reason::LevelTooLow);
    assert_eq!(judge(&sm2, "/a2", Some([0; 32]), at), Reason::LevelTooLow);
    assert_eq!(judge(&sm2, "/a2", Some(fingerprint), at + 366 * DAY), Reason::LevelTooLow, "the certificate has ended");
    assert_eq!(judge(&sm2, "/a1", None, at), Reason::Ok, "an API of level A1");
    assert_eq!(judge(&Client::new("p1"), "/a2", Some(fingerprint), at), Reason::BadSignature, "a MAC is not tried");
    assert_eq!(judge(&Client::new("p1"), "/a1", None, at), Reason::Ok);
}

/// `gm_only` refuses every key in use that is not SM2 or HMAC-SM3, when the document is read.
#[test]
fn r05_a_document_can_ask_for_national_algorithms_only() {
    for alg in Algorithm::ALL.iter().copied().filter(|alg| *alg != Algorithm::RsaPkcs1Sha1) {
        let (_, public) = credential(alg);
        let document = with(&document(), "/apps/0/credentials", json!([public]));
        let document = with(&document, "/apps/0/allow_weak", json!(true));
        let gm = with(&document, "/gm_only", json!(true));
        if [Algorithm::Sm2Sm3, Algorithm::HmacSm3].contains(&alg) {
            assert!(engine_at(&gm, NOW).is_ok());
        } else {
            let e = refused(&gm);
            assert_eq!(e.pointer, "/apps/0/credentials/0", "{alg}");
            assert!(e.message.contains("national"));
            let revoked = with(&gm, "/apps/0/credentials/0/status", json!("revoked"));
            assert!(engine_at(&revoked, NOW).is_ok(), "a tombstone may be of any");
        }
    }
}

/// `tls_min`: the gateway tells the version of TLS with each request; below it, or not told, is `level_too_low`.
#[test]
fn r06_a_connection_below_the_least_version_of_tls_is_refused() {
    let document = with(&document(), "/tls_min", json!("1.2"));
    let call = Client::new("p1").call("/pay", None);
    for (version, reason) in [
        (Some("TLSv1.3"), Reason::Ok),
        (Some("TLSv1.2"), Reason::Ok),
        (Some("TLSv1.1"), Reason::LevelTooLow),
        (Some("TLSv1"), Reason::LevelTooLow),
        (Some("SSLv3"), Reason::LevelTooLow),
        (None, Reason::LevelTooLow),
    ] {
        let mut call = call.clone();
        call.tls = version.map(|name| TlsVersion::from_name(name).unwrap());
        assert_eq!(call.by(&document), reason, "{version:?}");
    }
    let mut line = br#"{"method":"GET","target":"/","tls":"TLSv1.2","trace_id":"t-1"}"#.to_vec();
    let mut parser = portcullis::ndjson::Parser::new();
    let line = parser.parse(&mut line).unwrap();
    assert_eq!((line.request().tls, line.request().trace_id), (Some(TlsVersion::V1_2), Some("t-1")));
    assert_eq!(refused(&with(&document, "/tls_min", json!("2"))).pointer, "/tls_min");
}

/// `key_max_age_days` by level: a key needs a `not_before`, and from its greatest age on it is `key_expired`; the linter tells before.
#[test]
fn r10_a_key_has_a_greatest_age_by_level() {
    let (key, public) = credential(Algorithm::Ed25519);
    let old = with(&public, "/not_before", json!("2023-01-01T00:00:00Z"));
    let document = with(&two_levels(), "/apps/0/credentials", json!([old]));
    let document = with(&document, "/key_max_age_days", json!({ "A1": 730, "A2": 365 }));
    let client = Client::with_key("p1", Algorithm::Ed25519, key);
    let judge = |path: &str, days: i64| {
        // 2023-01-01T00:00:00Z
        let at = 1_672_531_200_000 + days * DAY;
        client.call_as("GET", path, None, at, &nonce()).verdict_at(&mut engine(&document).worker(), at).reason
    };
    assert_eq!((judge("/a1", 365), judge("/a2", 365)), (Reason::Ok, Reason::Ok));
    assert_eq!((judge("/a1", 366), judge("/a2", 366)), (Reason::Ok, Reason::KeyExpired));
    assert_eq!(judge("/a1", 731), Reason::KeyExpired);
    let undated = with(&document, "/apps/0/credentials", json!([public]));
    assert!(refused(&undated).message.contains("not_before is missing"));
    // The linter tells before: thirty days, and again when it is over.
    let told = |days: i64| -> Vec<String> {
        let snapshot = portcullis::keys::Config::from_json(document.to_string().as_bytes()).unwrap();
        let at = portcullis::time::Millis(1_672_531_200_000 + days * DAY);
        let warnings = portcullis::keys::lint(&snapshot, at);
        let of_key = warnings.into_iter().filter(|w| w.pointer == "/apps/0/credentials/0");
        of_key.map(|w| w.message).filter(|m| m.contains("renew")).collect()
    };
    assert_eq!(told(334), [""; 0]);
    assert_eq!(told(336), ["reaches the greatest age of keys at level A2 in 29 days: renew it"]);
    assert_eq!(told(366), ["is older than keys may be at level A2: renew it"]);
    assert_eq!(told(701).len(), 2, "of both levels");
}

/// An app may call what its `allow_apis` and `roles` give it, within what its `party` may: nothing by default. The user is row 18's.
#[test]
fn r15_what_is_not_allowed_is_refused() {
    let call = |path: &str| Client::new("p1").call(path, None);
    let mut document = two_levels();
    document["apps"][0].as_object_mut().unwrap().remove("allow_apis");
    assert_eq!(call("/a1").by(&document), Reason::ApiNotAllowed, "by default nothing");
    let one = with(&document, "/apps/0/allow_apis", json!([A1_API]));
    assert_eq!(call("/a1").by(&one), Reason::Ok);
    assert_eq!(call("/a2").by(&one), Reason::ApiNotAllowed);
    assert_eq!(call("/other").by(&one), Reason::ApiNotAllowed, "no such API");
    // A party's bounds hold for all its apps, and so does its state.
    let party = |allow: Value, status: &str| {
        let party =
            with(&two_levels(), "/parties", json!([{ "party_id": "bank", "allow_apis": allow, "status": status }]));
        with(&party, "/apps/0/party", json!("bank"))
    };
    assert_eq!(call("/a1").by(&party(json!([A1_API]), "active")), Reason::Ok);
    assert_eq!(call("/a1").by(&party(json!([A2_API]), "active")), Reason::ApiNotAllowed);
    assert_eq!(call("/a1").by(&party(json!([A1_API]), "suspended")), Reason::AppSuspended);
    assert_eq!(call("/a1").by(&party(json!([A1_API]), "exited")), Reason::AppExited);
    let e = refused(&with(&two_levels(), "/apps/0/party", json!("nobody")));
    assert_eq!(e.pointer, "/apps/0/party");
    // Exchanged as a whole, while it is running.
    let engine = engine(&one);
    let mut worker = engine.worker();
    assert_eq!(call("/a1").verdict(&mut worker).reason, Reason::Ok);
    engine.reload(document.to_string().as_bytes()).unwrap();
    assert_eq!(call("/a1").verdict(&mut worker).reason, Reason::ApiNotAllowed);
}

/// `apis[].consent` names the signed parameters that hold the consent's reference and its end; without them, or after it, the call is refused.
#[test]
fn r17_a_call_for_a_user_needs_the_users_consent() {
    let document = with(&two_levels(), "/apis/0/consent", json!({ "param": "consentId", "until": "consentUntil" }));
    let judge = |body: Value| Client::new("p1").call("/a1", Some(body)).by(&document);
    let end = NOW / 1000;
    assert_eq!(judge(json!({ "consentId": "c-1", "consentUntil": end + 1 })), Reason::Ok);
    assert_eq!(judge(json!({ "consentId": "c-1", "consentUntil": (end + 1).to_string() })), Reason::Ok);
    assert_eq!(judge(json!({ "consentId": "c-1", "consentUntil": end })), Reason::ApiNotAllowed, "over");
    assert_eq!(judge(json!({ "consentId": "", "consentUntil": end + 1 })), Reason::MissingField);
    assert_eq!(judge(json!({ "consentId": "c-1" })), Reason::MissingField);
    assert_eq!(judge(json!({ "consentId": "c-1", "consentUntil": "for ever" })), Reason::InvalidField);
    let prolonged = Client::new("p1").call("/a1", Some(json!({ "consentId": "c-1", "consentUntil": end + 1 })));
    let prolonged = prolonged.body(|b| b.replace(&(end + 1).to_string(), &(end + 9).to_string()));
    assert_eq!(prolonged.by(&document), Reason::BadSignature, "it is signed");
}

/// `apis[].user` names the parameter with the user; `Engine::deny(Subject::Service …)` switches one API of one app off for one user, at once.
#[test]
fn r18_a_user_can_switch_a_service_off() {
    let document = with(&two_levels(), "/apis/0/user", json!("userId"));
    let engine = engine(&document);
    let mut worker = engine.worker();
    let mut judge =
        |user: &str| Client::new("p1").call("/a1", Some(json!({ "userId": user }))).verdict(&mut worker).reason;
    let off = Subject::Service { user: "u1", app: "p1", api: A1_API };
    assert_eq!((judge("u1"), judge("u2")), (Reason::Ok, Reason::Ok));
    engine.deny(off, i64::MAX).unwrap();
    assert_eq!((judge("u1"), judge("u2")), (Reason::ApiNotAllowed, Reason::Ok));
    engine.deny(Subject::Service { user: "u2", app: "p2", api: A1_API }, i64::MAX).unwrap();
    assert_eq!(judge("u2"), Reason::Ok, "another app's service");
    engine.allow(off).unwrap();
    assert_eq!(judge("u1"), Reason::Ok);
    assert_eq!(judge(""), Reason::MissingField, "a call that names no user");
}

/// `apis[].params`: for each parameter whether it must be there, its type, length, characters and values; parameters without a rule may be refused.
/// Checked on what was decoded, before the signature.
#[test]
fn r19_parameters_have_the_form_that_their_api_says() {
    let rules = json!({ "unknown": "refuse", "rules": [
        { "name": "amount", "required": true, "type": "decimal", "max": 12 },
        { "name": "account", "required": true, "charset": "digits", "min": 16, "max": 19 },
        { "name": "version", "one_of": ["1.0", "1.1"] },
        { "name": "payee", "charset": "name", "type": "text" },
        { "name": "count", "type": "integer" },
        { "name": "now", "type": "bool" },
        { "name": "items", "type": "array" },
        { "name": "more", "type": "object" },
    ] });
    let document = with(&two_levels(), "/apis/0/params", rules);
    let mut worker = engine(&document).worker();
    let base = json!({ "amount": "10.50", "account": "6222020000000000" });
    let mut judge = |member: &str, value: Value| {
        Client::new("p1").call("/a1", Some(with(&base, &format!("/{member}"), value))).verdict(&mut worker).reason
    };
    for (member, value) in [
        ("amount", json!(10.5)),
        ("amount", json!("-0.01")),
        ("version", json!("1.1")),
        ("payee", json!("张三 O-Neil")),
        ("count", json!(-3)),
        ("count", json!("0")),
        ("now", json!(true)),
        ("items", json!([1])),
        ("more", json!({ "a": 1 })),
        ("payee", json!(null)),
    ] {
        assert_eq!(judge(member, value.clone()), Reason::Ok, "{member} {value}");
    }
    for (member, value) in [
        ("amount", json!("1e3")),
        ("amount", json!("01.5")),
        ("amount", json!("1.")),
        ("amount", json!(".5")),
        ("amount", json!("1234567890.12")),
        ("account", json!("622202000000000x")),
        ("account", json!("622202000000000")),
        ("version", json!("2.0")),
        ("payee", json!("x'; DROP TABLE--")),
        ("payee", json!("<script>")),
        ("payee", json!(7)),
        ("count", json!(1.5)),
        ("count", json!("--1")),
        ("now", json!("yes")),
        ("items", json!("[]")),
        ("more", json!([])),
        ("unheard_of", json!(1)),
    ] {
        assert_eq!(judge(member, value.clone()), Reason::InvalidField, "{member} {value}");
    }
    for value in [json!(""), json!(null)] {
        assert_eq!(judge("amount", value), Reason::MissingField);
    }
    for (rule, pointer) in [
        (json!({ "name": "a", "type": "float" }), "/type"),
        (json!({ "name": "a", "min": 2, "max": 1 }), ""),
        (json!({ "type": "text" }), ""),
        (json!({ "name": "a", "one_of": [] }), "/one_of"),
    ] {
        let e = refused(&with(&two_levels(), "/apis/0/params", json!({ "rules": [rule] })));
        assert_eq!(e.pointer, format!("/apis/0/params/rules/0{pointer}"));
    }
}

/// Every field by its clause: read, put together, and checked against the level that its API has in the document; `portcullis uapi`.
#[test]
fn r20_a_u_api_id_is_read_built_and_held_against_its_level() {
    let id = UApiId { institution: *b"102345", kind: Type::A2, service: 2, sub_service: 1, number: 10, reserved: 0 };
    assert_eq!(id.to_string(), "OP1023450202000100001000");
    assert_eq!(UApiId::parse("OP1023450202000100001000"), Ok(id));
    assert_eq!(id.service_name(), Some("payment and settlement"));
    assert_eq!(id.to_string().len(), LEN);
    for (text, error) in [
        ("OP102345020200010000100", UApiIdError::Length),
        ("OP10234502020001000010000", UApiIdError::Length),
        ("OP10234502020001000010é", UApiIdError::Length),
        ("op1023450202000100001000", UApiIdError::Fixed),
        ("XP1023450202000100001000", UApiIdError::Fixed),
        ("OP10234-0202000100001000", UApiIdError::Institution),
        ("OP10234a0202000100001000", UApiIdError::Institution),
        ("OP1023450002000100001000", UApiIdError::Type),
        ("OP1023450302000100001000", UApiIdError::Type),
        ("OP1023450200000100001000", UApiIdError::Service),
        ("OP1023450202000000001000", UApiIdError::SubService),
        ("OP1023450202000100000000", UApiIdError::Number),
        ("OP10234502020001+0001000", UApiIdError::Number),
        ("OP102345020200010000100x", UApiIdError::Reserved),
    ] {
        assert_eq!(UApiId::parse(text), Err(error), "{text}");
    }
    for (change, error) in [
        (UApiId { service: 0, ..id }, UApiIdError::Service),
        (UApiId { service: 100, ..id }, UApiIdError::Service),
        (UApiId { sub_service: 10_000, ..id }, UApiIdError::SubService),
        (UApiId { number: 1_000_000, ..id }, UApiIdError::Number),
        (UApiId { reserved: 100, ..id }, UApiIdError::Reserved),
    ] {
        assert_eq!(change.check(), Err(error));
    }
    assert_eq!(id.check(), Ok(()));
    // A document that says one level and numbers another is refused.
    let api = |id: &str, level: &str| json!([{ "api_id": id, "method": "*", "path": "/x", "level": level }]);
    assert!(engine_at(&with(&document(), "/apis", api(A2_API, "A2")), NOW).is_ok());
    let e = refused(&with(&document(), "/apis", api(A2_API, "A1")));
    assert_eq!(e.pointer, "/apis/0/api_id");
    assert!(e.message.contains("B.3.4"));
    assert!(
        refused(&with(&document(), "/apis", api("OP1023450002000100001000", "A1")))
            .message
            .contains("01 (A1) or 02 (A2)")
    );
    assert!(engine_at(&with(&document(), "/apis", api("a name of its own", "A1")), NOW).is_ok());

    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_portcullis")).arg("uapi").args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let build =
        ["build", "--institution", "102345", "--level", "A2", "--service", "2", "--sub-service", "1", "--number", "10"];
    assert_eq!(run(&build), (Some(0), "OP1023450202000100001000\n".to_owned()));
    let (code, said) = run(&["parse", "OP1023450202000100001000"]);
    assert_eq!(code, Some(0));
    assert!(said.contains("102345") && said.contains("payment and settlement") && said.contains("A2"));
    assert_eq!(run(&["parse", "OP1023450002000100001000"]).0, Some(1));
}

/// A credential may have `roles` and `allow_apis` of its own, within what its app may: one key for each department.
#[test]
fn r62_a_departments_key_may_call_what_its_roles_allow() {
    let key = |kid: &str, secret: &str, role: &str| json!({ "kid": kid, "alg": "hmac-sha256", "secret": secret, "roles": [role] });
    let mut document = two_levels();
    document["apis"][1]["level"] = json!("A1");
    document["apis"][1]["api_id"] = json!("reports");
    document["roles"] =
        json!([{ "name": "teller", "allow_apis": [A1_API] }, { "name": "auditor", "allow_apis": ["reports"] }]);
    document["apps"][0]["allow_apis"] = json!([A1_API, "reports"]);
    document["apps"][0]["credentials"] =
        json!([key("front", "secret of the front", "teller"), key("back", "secret of the back", "auditor")]);
    let call = |secret: &str, path: &str| {
        Client::with_key(
            "p1",
            Algorithm::HmacSha256,
            SigningKey::secret(Algorithm::HmacSha256, secret.as_bytes()).unwrap(),
        )
        .call(path, None)
    };
    let mut worker = engine(&document).worker();
    let verdict = call("secret of the front", "/a1").verdict(&mut worker);
    assert_eq!((verdict.reason, verdict.kid.as_str()), (Reason::Ok, "front"));
    assert_eq!(call("secret of the back", "/a2").verdict(&mut worker).kid.as_str(), "back");
    assert_eq!(
        call("secret of the front", "/a2").verdict(&mut worker).reason,
        Reason::BadSignature,
        "not a key for this API"
    );
    // With one key alone, the reason says what is missing.
    let front = with(&document, "/apps/0/credentials", json!([key("front", "secret of the front", "teller")]));
    assert_eq!(call("secret of the front", "/a2").by(&front), Reason::ApiNotAllowed);
    // An app may have roles as well.
    let roles = with(&front, "/apps/0/roles", json!(["auditor"]));
    let mut roles = with(&roles, "/apps/0/allow_apis", json!([]));
    assert_eq!(call("secret of the front", "/a1").by(&roles), Reason::ApiNotAllowed);
    roles["apps"][0]["credentials"][0].as_object_mut().unwrap().remove("roles");
    assert_eq!(call("secret of the front", "/a2").by(&roles), Reason::Ok);
    assert_eq!(refused(&with(&roles, "/apps/0/roles", json!(["boss"]))).pointer, "/apps/0/roles/0");
}
