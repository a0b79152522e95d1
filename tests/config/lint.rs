//! What is told about a document that is good.

use super::*;
use portcullis::keys::lint;
use portcullis::time::Millis;

/// 2026-07-01T00:00:00Z.
const NOW: Millis = Millis(1_782_864_000_000);

fn told(document: &Value) -> Vec<(String, String)> {
    lint(&read(document).unwrap(), NOW).into_iter().map(|w| (w.pointer, w.message)).collect()
}

#[test]
#[rustfmt::skip]
fn each_matter_is_told_at_its_place() {
    let document = json!({
        "version": 1,
        "state": { "birth_rule": "off", "mode": "0666" },
        "profiles": [own_profile("unused")],
        "limits": [
            { "name": "idle", "key": ["app"], "rate": 1, "per_ms": 1 },
            { "name": "door", "key": ["client_ip"], "rate": 1, "per_ms": 1, "before_signature": true },
            { "name": "used", "key": ["app"], "rate": 1, "per_ms": 1 }
        ],
        "apis": [{ "api_id": "pay", "method": "POST", "path": "/pay", "level": "A2", "limits": ["used"] }],
        "apps": [
            { "app_id": "a", "profiles": ["openapi"], "allow_weak": true, "allow_apis": ["pay"], "allow_ips": [],
              "credentials": [{ "alg": "md5", "secret": "short" },
                              { "kid": "0", "alg": "hmac-sha256", "secret": "0123456789abcdef", "not_after": "2026-06-30T23:59:59Z" },
                              { "kid": "1", "alg": "hmac-sha256", "secret": "0123456789abcdef", "not_after": "2026-07-11T12:00:00Z" },
                              { "kid": "2", "alg": "hmac-sha256", "secret": "0123456789abcdef", "not_before": "2026-07-01T00:00:01Z" },
                              { "kid": "3", "alg": "hmac-sha256", "secret": "x", "status": "revoked" }] },
            { "app_id": "b", "allow_weak": true },
            { "app_id": "c", "profiles": ["openapi"], "allow_apis": ["pay"],
              "credentials": [{ "kid": "3", "alg": "rsa-pkcs1-sha1", "public_key_pem": RSA_2048, "status": "revoked" }] },
            { "app_id": "gone", "status": "exited" }
        ]
    });
    let found = told(&document);
    for (pointer, fragment) in [
        ("/state/birth_rule", "off"),
        ("/state/mode", "others"),
        ("/profiles/0", "no app uses profile \"unused\""),
        ("/profiles/0/legacy_unsafe", "unsigned_path"),
        ("/limits/0", "\"idle\": it limits nothing"),
        ("/apps/0/allow_ips", "lets no address in"),
        ("/apps/0/allow_apis", "\"pay\" is of level A2"),
        ("/apps/0/allow_weak", "MD5 or SHA-1 is in use"),
        ("/apps/0/credentials/0", "shorter than 16"),
        ("/apps/0/credentials/1", "has ended"),
        ("/apps/0/credentials/2", "ends in 10 days"),
        ("/apps/0/credentials/3", "has not begun"),
        ("/apps/1", "without profiles"),
        ("/apps/1", "names no API"),
        ("/apps/1/allow_weak", "no active credential needs it"),
        ("/apps/2/allow_apis", "no active credential of this app is a key pair"),
        ("/apps/2/profiles/0", "profile \"openapi\" admits"),
    ] {
        assert!(found.iter().any(|(p, m)| p == pointer && m.contains(fragment)), "{pointer}: {fragment} in {found:#?}");
    }
    let quiet = ["/limits/1", "/limits/2", "/apps/0/credentials/4", "/apps/3"];
    assert!(found.iter().all(|(pointer, message)| !quiet.contains(&pointer.as_str()) && !message.contains("short\"")), "{found:#?}");
    assert_eq!(found.len(), 17 + 4, "the other four holes of the profile: {found:#?}");
}

#[test]
fn a_document_without_a_blemish_is_passed_over_in_silence() {
    let document = json!({
        "version": 1,
        "apps": [{ "app_id": "a", "profiles": ["openapi"], "credentials": [{ "alg": "ed25519", "public_key_hex": ED25519_HEX }] }]
    });
    assert_eq!(told(&document), []);
}
