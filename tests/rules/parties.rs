//! Rows 1 to 12, 15, 27, 37 and 38: who may call what, with which keys, and what a refusal tells.

use crate::support::*;
use portcullis::alg::Algorithm;
use portcullis::keys::Config;
use portcullis::verdict::Reason;
use serde_json::{Value, json};

/// A document with two APIs, `/a1` of level A1 and `/a2` of level A2, and an app that may call both.
pub fn two_levels() -> Value {
    let api = |id: &str, path: &str, level: &str| json!({ "api_id": id, "method": "*", "path": path, "level": level });
    let document = with(&document(), "/apis", json!([api(A1_API, "/a1", "A1"), api(A2_API, "/a2", "A2")]));
    with(&document, "/apps/0/allow_apis", json!([A1_API, A2_API]))
}

/// An app is its App_ID with the credentials that the document has for it: secrets, public keys, certificates, side by side.
#[test]
fn r01_an_app_is_its_id_with_a_secret_a_key_pair_or_a_certificate() {
    let (sm2, sm2_public) = credential(Algorithm::Sm2Sm3);
    let (rsa, rsa_public) = credential(Algorithm::RsaPssSha256);
    let secret = json!({ "alg": "hmac-sm3", "secret": SECRET });
    let document = with(&document(), "/apps/0/credentials", json!([secret, sm2_public, rsa_public]));
    let document = with(&document, "/apps/-", app("p2"));
    let mut worker = engine(&document).worker();
    let clients = [
        Client::with_secret("p1", Algorithm::HmacSm3, SECRET),
        Client::with_key("p1", Algorithm::Sm2Sm3, sm2),
        Client::with_key("p1", Algorithm::RsaPssSha256, rsa),
    ];
    for mut client in clients {
        assert_eq!(client.call("/pay", None).verdict(&mut worker).reason, Reason::Ok);
        client.app = "p2".to_owned();
        assert_eq!(client.call("/pay", None).verdict(&mut worker).reason, Reason::BadSignature, "another's id");
        client.app = "p3".to_owned();
        assert_eq!(client.call("/pay", None).verdict(&mut worker).reason, Reason::UnknownApp);
    }
    let certificate =
        json!({ "alg": "ecdsa-p256-sha256", "certificate_pem": include_str!("../config/keys/p256-cert.pem") });
    let read = with(&document, "/apps/0/credentials/-", certificate);
    assert!(Config::from_json(read.to_string().as_bytes()).is_ok());
}

/// Every algorithm against every level of app and API: a MAC reaches A1, a signature with a key pair A2; checked at load and at every request. MD5 and SHA-1
/// need the app's `allow_weak` besides.
#[test]
fn r03_every_algorithm_reaches_its_level_and_no_other() {
    // The guide's profile, which has no SHA-1, with it.
    let changes = [
        ("/algorithms/hmac-sha1", json!({ "signature": "hex" })),
        ("/algorithms/rsa-pkcs1-sha1", json!({ "signature": "base64" })),
    ];
    let mut judged = std::collections::BTreeMap::new();
    for alg in Algorithm::ALL.iter().copied() {
        let (profile, Client { profile: parsed, .. }) = crate::guide::own(&changes);
        let (key, mut public) = credential(alg);
        let mut client = Client::with_key("p1", alg, key);
        client.profile = parsed;
        if alg == Algorithm::RsaPkcs1Sha1 {
            let (pair, credential) = Sha1Pair::new();
            (client.sha1, public) = (Some(pair), credential);
        }
        for app_level in ["A1", "A2"] {
            let document = with(&two_levels(), "/profiles", profile["profiles"].clone());
            let document = with(&document, "/apps/0/profiles", json!(["own"]));
            let document = with(&document, "/apps/0/credentials", json!([public]));
            let strong = with(&document, "/apps/0/level", json!(app_level));
            let document = with(&strong, "/apps/0/allow_weak", json!(true));
            if alg.is_mac() && app_level == "A2" {
                let e = refused(&document);
                assert_eq!(e.pointer, "/apps/0/credentials/0/alg");
                assert!(e.message.contains("level A2"), "{}", e.message);
                judged.insert((alg.name(), app_level, "A1"), Reason::LevelTooLow);
                judged.insert((alg.name(), app_level, "A2"), Reason::LevelTooLow);
                continue;
            }
            if alg.is_weak() {
                assert!(refused(&strong).message.contains("allow_weak"), "{alg}");
            }
            let mut worker = engine(&document).worker();
            for (path, api) in [("/a1", "A1"), ("/a2", "A2")] {
                let call = client.call(path, None);
                let reason = call.verdict(&mut worker).reason;
                let forged = client.call(&format!("{path}?a=1"), None).target(|t| t.replace("a=1", "a=2"));
                let of_forged = if reason == Reason::Ok { Reason::BadSignature } else { reason };
                assert_eq!(forged.verdict(&mut worker).reason, of_forged, "{alg} {app_level} {api}");
                judged.insert((alg.name(), app_level, api), reason);
            }
        }
    }
    assert_eq!(judged.len(), 15 * 2 * 2);
    for ((alg, app, api), reason) in judged {
        let mac = alg == "md5" || alg.starts_with("hmac");
        let expected = if mac && (app == "A2" || api == "A2") { Reason::LevelTooLow } else { Reason::Ok };
        assert_eq!(reason, expected, "{alg} {app} {api}");
    }
}

/// MD5 and SHA-1 of an app without `allow_weak` are refused in a request as well, where only a voided credential of theirs is left.
#[test]
fn r03_a_weak_algorithm_is_refused_as_such() {
    let md5 = json!([{ "kid": "old", "alg": "md5", "secret": SECRET, "status": "revoked" }]);
    let call = Client::with_secret("p1", Algorithm::Md5, SECRET).call("/pay", None);
    let document = with(&document(), "/apps/0/credentials", md5);
    assert_eq!(call.by(&document), Reason::WeakAlgorithm);
    assert_eq!(call.by(&with(&document, "/apps/0/allow_weak", json!(true))), Reason::KeyRevoked);
}

/// SM2, SM3 and HMAC-SM3 are algorithms like the others; which ones an app may use follows from its credentials and profiles.
#[test]
fn r05_national_algorithms_are_there() {
    for (alg, other) in [(Algorithm::Sm2Sm3, Algorithm::EcdsaP256Sha256), (Algorithm::HmacSm3, Algorithm::HmacSha256)] {
        let (key, public) = credential(alg);
        let document = with(&two_levels(), "/apps/0/credentials", json!([public]));
        let client = Client::with_key("p1", alg, key);
        let path = if alg == Algorithm::Sm2Sm3 { "/a2" } else { "/a1" };
        assert_eq!(client.call(path, None).by(&document), Reason::Ok);
        let (key, _) = credential(other);
        assert_eq!(Client::with_key("p1", other, key).call(path, None).by(&document), Reason::BadSignature);
    }
}

/// A request that names a key (`fields.kid` of the profile) is checked with that key, and with no other: one that the app has not registered is `unknown_key`.
#[test]
fn r08_a_key_that_is_not_registered_is_unknown() {
    let (document, client) = crate::guide::own(&[("/fields/kid", json!({ "names": ["keyId"], "in": "params" }))]);
    let call = |kid: &str| {
        let at = NOW / 1000;
        let target = format!("/pay?partnerId=p1&timestamp={at}&nonce={}&keyId={kid}", nonce());
        crate::guide::signed(&client, "GET", &target, "")
    };
    assert_eq!(call("k1").by(&document), Reason::Ok);
    assert_eq!(call("k2").by(&document), Reason::UnknownKey);
    assert_eq!(call("k1").target(|t| t.replace("keyId=k1", "keyId=k2")).by(&document), Reason::UnknownKey);
}

/// `apps[].status`: an app that is suspended or has left is refused, each with its own reason, before its signature is looked at.
#[test]
fn r07_every_state_of_an_app_has_its_reason() {
    let call = Client::new("p1").call("/pay", None);
    for (status, reason) in [("active", Reason::Ok), ("suspended", Reason::AppSuspended), ("exited", Reason::AppExited)]
    {
        assert_eq!(call.by(&with(&document(), "/apps/0/status", json!(status))), reason);
    }
    assert_eq!(Client::new("p9").call("/pay", None).by(&document()), Reason::UnknownApp);
    assert_eq!(refused(&with(&document(), "/apps/0/status", json!("gone"))).pointer, "/apps/0/status");
    // Suspended while it is running: the next request knows.
    let engine = engine(&document());
    let mut worker = engine.worker();
    assert_eq!(call.verdict(&mut worker).reason, Reason::Ok);
    engine.reload(with(&document(), "/apps/0/status", json!("suspended")).to_string().as_bytes()).unwrap();
    assert_eq!(Client::new("p1").call("/pay", None).verdict(&mut worker).reason, Reason::AppSuspended);
}

/// Public keys are checked when the document is read: RSA of 2,048 bits at least with an odd exponent, points on their curve, no points of low order,
/// one key id once; the error names the place.
#[test]
fn r08_keys_are_checked_when_they_are_registered() {
    let at = |credential: Value| refused(&with(&document(), "/apps/0/credentials", json!([credential])));
    let point = "04".to_owned() + &"11".repeat(64);
    for (credential, member) in [
        (
            json!({ "alg": "rsa-pkcs1-sha256", "public_key_pem": include_str!("../config/keys/rsa1024.pem") }),
            "public_key_pem",
        ),
        (
            json!({ "alg": "rsa-pkcs1-sha256", "public_key_pem": include_str!("../config/keys/p256.pem") }),
            "public_key_pem",
        ),
        (json!({ "alg": "ecdsa-p256-sha256", "public_key_hex": point }), "public_key_hex"),
        (json!({ "alg": "sm2-sm3", "public_key_hex": point }), "public_key_hex"),
        (json!({ "alg": "ed25519", "public_key_hex": "00".repeat(32) }), "public_key_hex"),
        (json!({ "alg": "ed25519", "public_key_hex": "01".to_owned() + &"00".repeat(31) }), "public_key_hex"),
        (
            json!({ "alg": "ecdsa-p256-sha256", "public_key_pem": "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n" }),
            "public_key_pem",
        ),
    ] {
        let e = at(credential);
        assert_eq!(e.pointer, format!("/apps/0/credentials/0/{member}"), "{}", e.message);
    }
    let (_, good) = credential(Algorithm::EcdsaP256Sha256);
    let good = with(&good, "/kid", json!("same"));
    let twice = with(&document(), "/apps/0/credentials", json!([good, good]));
    assert!(refused(&twice).message.contains("key id \"same\""));
    assert!(Config::from_json(with(&document(), "/apps/0/credentials", json!([good])).to_string().as_bytes()).is_ok());
}

/// `certificate_roots`: every certificate in use must lead to one of them, over the CAs that follow it in `certificate_pem`: signatures,
/// `basicConstraints` with path lengths, key usage and critical extensions are checked, and the key is good for the time that the whole chain has in common.
#[test]
fn r08_a_certificate_must_lead_to_a_configured_root() {
    use portcullis::alg::SigningKey;
    let alg = Algorithm::EcdsaP256Sha256;
    macro_rules! pem {
        ($name:literal) => {
            include_str!(concat!("chain/", $name, ".pem"))
        };
    }
    let rooted = |alg: &str, root: &str, chain: &str| {
        let document = with(&document(), "/certificate_roots", json!([root]));
        with(&document, "/apps/0/credentials", json!([{ "alg": alg, "certificate_pem": chain }]))
    };
    let of = |chain: &str| rooted("ecdsa-p256-sha256", pem!("root"), chain);
    let key = SigningKey::from_pkcs8_pem(alg, include_str!("chain/leaf.key"), None).unwrap();
    let client = Client::with_key("p1", alg, key);
    for chain in [pem!("direct"), pem!("by-ca"), pem!("by-low"), pem!("by-edwards")] {
        assert_eq!(client.call("/pay", None).by(&of(chain)), Reason::Ok);
    }
    let sm2 = rooted("sm2-sm3", pem!("sm2-root"), pem!("sm2-app"));
    assert!(Config::from_json(sm2.to_string().as_bytes()).is_ok(), "a chain of SM2 with SM3");
    // The app's certificate is valid for long, its CA was not: the key counts while both are.
    let short = of(pem!("short-ca"));
    assert_eq!(client.call("/pay", None).by(&short), Reason::KeyExpired);
    let before = NOW - 200 * 86_400_000;
    let call = client.call_as("GET", "/pay", None, before, &nonce());
    assert_eq!(call.verdict_at(&mut engine(&short).worker(), before).reason, Reason::Ok);

    let tampered = {
        let block = portcullis::codec::pem::only(pem!("direct")).unwrap();
        let mut der = block.der.to_vec();
        *der.last_mut().unwrap() ^= 1;
        portcullis::codec::pem::encode("CERTIFICATE", &der)
    };
    for (chain, why) in [
        (&*tampered, "the signature on CN=app is not by the key of CN=Test Root"),
        (pem!("forged"), "the signature on CN=app is not by the key of CN=Test CA"),
        (pem!("missing-ca"), "nobody here issued it; expected the certificate of CN=Test CA"),
        (pem!("not-a-ca"), "CN=No CA is no CA (basicConstraints)"),
        (pem!("no-constraints"), "CN=Old CA is no CA (basicConstraints)"),
        (pem!("usage"), "the key of CN=Test CA 2 may not sign certificates (keyUsage)"),
        (pem!("path"), "CN=Test Low CA may not have so many CAs below it (pathLenConstraint)"),
        (pem!("no-time"), "the dates of its certificates have no time in common"),
        (pem!("critical"), "critical extension 1.2.3.4 of CN=app is not understood"),
        (include_str!("../config/keys/p256-cert.pem"), "nobody here issued it"),
    ] {
        let e = refused(&of(chain));
        assert_eq!(e.pointer, "/apps/0/credentials/0/certificate_pem");
        assert!(e.message.contains(why), "{why}: {}", e.message);
    }
    let other = rooted("ecdsa-p256-sha256", pem!("same-name-root"), pem!("direct"));
    assert!(refused(&other).message.contains("does not fit the key of its issuer"), "a root of that name, another key");
    assert_eq!(refused(&with(&document(), "/certificate_roots", json!([]))).pointer, "/certificate_roots");
    // A tombstone may be of any certificate.
    let revoked = with(&of(pem!("forged")), "/apps/0/credentials/0/status", json!("revoked"));
    assert!(Config::from_json(revoked.to_string().as_bytes()).is_ok());
}

/// A certificate whose key usage is not signing, and a JWK whose use is not `sig`, are refused when the document is read.
#[test]
fn r09_keys_for_encryption_do_not_sign() {
    let at = |credential: Value| with(&document(), "/apps/0/credentials", json!([credential]));
    let certificate = |pem: &str| at(json!({ "alg": "ecdsa-p256-sha256", "certificate_pem": pem }));
    let e = refused(&certificate(include_str!("../config/keys/p256-encryption-cert.pem")));
    assert_eq!(e.pointer, "/apps/0/credentials/0/certificate_pem");
    assert!(e.message.contains("key usage"));
    let signing = certificate(include_str!("../config/keys/p256-signing-cert.pem"));
    assert!(Config::from_json(signing.to_string().as_bytes()).is_ok());
    let jwk = |usage: &str| {
        at(json!({ "alg": "ed25519", "public_key_jwk": {
            "kty": "OKP", "crv": "Ed25519", "x": "_WjDVpJTzFYgrmzT0s83ZYHGT346ylLiCxv91m_U0Dk", "use": usage } }))
    };
    assert!(refused(&jwk("enc")).pointer.ends_with("/public_key_jwk/use"));
    assert!(Config::from_json(jwk("sig").to_string().as_bytes()).is_ok());
}

/// `not_before` and `not_after` of a credential, inside a certificate's own dates; old and new key may overlap.
#[test]
fn r10_a_key_counts_between_its_dates() {
    let key = |secret: &str, from: &str, to: &str| json!({ "alg": "hmac-sha256", "secret": secret, "not_before": from, "not_after": to });
    // 2023-11-14T22:13:20Z is NOW.
    let document = with(
        &document(),
        "/apps/0/credentials",
        json!([
            key("old", "2023-01-01T00:00:00Z", "2023-11-14T22:13:20Z"),
            key("new", "2023-11-14T22:13:19Z", "2024-11-14T00:00:00Z"),
        ]),
    );
    let mut worker = engine(&document).worker();
    let mut at = |secret: &str, at: i64| {
        let client = Client::with_secret("p1", Algorithm::HmacSha256, secret);
        client.call_as("GET", "/pay", None, at, &nonce()).verdict_at(&mut worker, at).reason
    };
    assert_eq!((at("old", NOW), at("new", NOW)), (Reason::Ok, Reason::Ok), "overlap");
    assert_eq!((at("old", NOW + 1000), at("new", NOW + 1000)), (Reason::BadSignature, Reason::Ok));
    assert_eq!((at("old", NOW - 2000), at("new", NOW - 2000)), (Reason::Ok, Reason::BadSignature));
    let alone =
        with(&document, "/apps/0/credentials", json!([key("old", "2023-01-01T00:00:00Z", "2023-11-14T22:13:19Z")]));
    assert_eq!(
        Client::with_secret("p1", Algorithm::HmacSha256, "old").call("/pay", None).by(&alone),
        Reason::KeyExpired
    );
    let backward = key("x", "2024-01-01T00:00:00Z", "2023-01-01T00:00:00Z");
    assert_eq!(refused(&with(&document, "/apps/0/credentials/0", backward)).pointer, "/apps/0/credentials/0/not_after");
}

/// Secrets may come from the environment (`secret_env`); no `Debug`, no error message and no snapshot shows one; they are wiped when dropped.
#[test]
fn r11_secrets_are_not_shown() {
    let named =
        with(&document(), "/apps/0/credentials", json!([{ "alg": "hmac-sha256", "secret_env": "RULES_SECRET" }]));
    let environment = |name: &str| (name == "RULES_SECRET").then(|| SECRET.as_bytes().to_vec());
    let snapshot = Config::from_json_with(named.to_string().as_bytes(), &environment).unwrap();
    let shown = format!("{snapshot:?} {:?} {:?}", snapshot.apps(), snapshot.apps()[0].credentials[0].secret());
    assert!(!shown.contains(SECRET) && shown.contains("redacted"), "{shown}");
    let missing = Config::from_json_with(named.to_string().as_bytes(), &|_| None).unwrap_err().to_string();
    assert!(missing.contains("RULES_SECRET"), "the variable is named");
    // Read and dropped, a secret of the environment's is left in no memory that is given back. (One that stands in the document is: in the parser's copy of that.)
    drop(snapshot);
    let text = named.to_string();
    let read = || drop(Config::from_json_with(text.as_bytes(), &environment).unwrap());
    assert_eq!(crate::freed::unwiped(SECRET.as_bytes(), read), 0);
    for broken in [
        json!({ "alg": "ed25519", "secret": SECRET }),
        json!({ "alg": "hmac-sha256", "secret": SECRET, "secret_hex": "00" }),
    ] {
        let e = refused(&with(&document(), "/apps/0/credentials", json!([broken])));
        assert!(!e.to_string().contains(SECRET), "{e}");
    }
}

/// A credential with `"status": "revoked"` stays in the document as a tombstone: who signs with it is told `key_revoked`, not `unknown_key`.
#[test]
fn r12_a_voided_credential_is_remembered() {
    let revoked = with(&document(), "/apps/0/credentials/0/status", json!("revoked"));
    let call = Client::new("p1").call("/pay", None);
    assert_eq!(call.by(&document()), Reason::Ok);
    assert_eq!(call.by(&revoked), Reason::KeyRevoked);
    let (_, other) = credential(Algorithm::Ed25519);
    let both = with(&revoked, "/apps/0/credentials/-", other);
    assert_eq!(call.by(&both), Reason::BadSignature, "the other key is asked; the voided one verifies nothing");
    let left = with(&document(), "/apps/0/status", json!("exited"));
    assert_eq!(call.by(&left), Reason::AppExited);
}

/// A verdict holds a code and a reason of a fixed list; what it says to a client names no key, no secret, no limit and nothing of the inside.
#[test]
fn r27_an_answer_tells_nothing_internal() {
    let client = Client::new("p1");
    let good = client.call("/pay", Some(json!({ "a": "1" })));
    let forged = good.clone().body(|b| b.replace("\"1\"", "\"2\"")).verdict(&mut engine(&document()).worker());
    let mut line = Vec::new();
    portcullis::ndjson::write_verdict(Some("1"), &forged, &mut line);
    let line = String::from_utf8(line).unwrap();
    assert!(!line.contains(SECRET) && !line.contains("a=1"), "{line}");
    let members: Vec<String> =
        serde_json::from_str::<Value>(&line).unwrap().as_object().unwrap().keys().cloned().collect();
    for member in &members {
        let known = ["id", "ok", "reason", "code", "http_status", "app_id", "kid", "api_id", "retry_after_ms"];
        assert!(known.contains(&member.as_str()) || member == "alert", "{member}");
    }
    for reason in Reason::ALL {
        let meaning = reason.meaning();
        assert!(meaning.len() < 80 && !meaning.contains("src") && !meaning.contains("panic"), "{meaning}");
    }
    // One answer for a wrong key, a changed text and a signature that is none.
    let worker = &mut engine(&document()).worker();
    for call in [
        Client::with_secret("p1", Algorithm::HmacSha256, "wrong").call("/pay", None),
        client.call("/pay?a=1", None).target(|t| t.replace("a=1", "a=2")),
        client.call("/pay", None).target(|t| t.replace("sign=", "sign=zz")),
    ] {
        let verdict = call.verdict(worker);
        assert_eq!((verdict.reason, verdict.code.as_str()), (Reason::BadSignature, "9992"));
    }
}

/// `"state": "retired"`: the API answers `api_retired`, "service terminated", HTTP 410, to whoever may have called it.
#[test]
fn r37_a_retired_api_says_that_its_service_has_ended() {
    let call = Client::new("p1").call("/a1", None);
    assert_eq!(call.by(&two_levels()), Reason::Ok);
    let retired = with(&two_levels(), "/apis/0/state", json!("retired"));
    assert_eq!(call.by(&retired), Reason::ApiRetired);
    assert_eq!((Reason::ApiRetired.meaning(), Reason::ApiRetired.http_status()), ("service terminated", 410));
    assert_eq!(refused(&with(&two_levels(), "/apis/0/state", json!("gone"))).pointer, "/apis/0/state");
}

/// Documents come into force as a whole, by number; one that is refused changes nothing; requests under way finish by the one they began with.
#[test]
fn r38_a_bad_document_changes_nothing() {
    let engine = engine(&document());
    let mut worker = engine.worker();
    let client = Client::new("p1");
    assert_eq!(engine.snapshot().generation(), 1);
    let two = with(&document(), "/apps/-", app("p2"));
    for bad in ["", "{", "{\"version\":2}", &with(&two, "/apps/1/credentials/0/alg", json!("rot13")).to_string()] {
        assert!(engine.reload(bad.as_bytes()).is_err());
        assert_eq!(engine.snapshot().generation(), 1);
        assert_eq!(client.call("/pay", None).verdict(&mut worker).reason, Reason::Ok);
        assert_eq!(Client::new("p2").call("/pay", None).verdict(&mut worker).reason, Reason::UnknownApp);
    }
    assert_eq!(engine.reload(two.to_string().as_bytes()).unwrap(), 2);
    assert_eq!(Client::new("p2").call("/pay", None).verdict(&mut worker).reason, Reason::Ok);
}
