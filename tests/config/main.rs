//! The configuration document through the public API: a document that uses every member, a table of broken ones, the checks of policy,
//! and the exchange of snapshots under readers.

#![recursion_limit = "512"]

mod broken;
mod documented;
mod hostile;
mod lint;
mod live;
mod policy;
mod steady;
mod whole;

use portcullis::error::{DocumentError, Error};
use portcullis::keys::{Config, Snapshot};
use serde_json::{Value, json};

/// Public keys made for these tests with OpenSSL 3.0; the private halves were thrown away.
const RSA_1024: &str = include_str!("keys/rsa1024.pem");
const RSA_2048: &str = include_str!("keys/rsa2048.pem");
const P256: &str = include_str!("keys/p256.pem");
const P384: &str = include_str!("keys/p384.pem");
const ED25519: &str = include_str!("keys/ed25519.pem");
const SM2: &str = include_str!("keys/sm2.pem");
/// Serial number 0x5157F09E…B8E1, valid in 2026, to 2026-12-31T23:59:59Z.
const P256_CERTIFICATE: &str = include_str!("keys/p256-cert.pem");
const SERIAL_HEX: &str = "5157F09EFDC096DE15EBE81A47057A7232F1B8E1";
const SERIAL_DECIMAL: &str = "464389378319535425530970086054627680253797054689";
/// The points and raw keys of the files above.
const P256_POINT: &str = "04da7f1e8b27984ae48d05ae7bb86614a2082adc5be5fa64d4d206c757eb51dcd81843675ee9205434c74118226a6652644acf287d52bb3b7b\
                              2785fe0890045fc3";
const SM2_POINT: &str = "041be5551bdf0b323c901bd169bacd9c7e5231e2adab782e2f10949ec2ca20109804afcd81bfa4023b36f856dc59ac2f3f689077e659e40006\
                             ea30d63f4e714770";
const ED25519_HEX: &str = "fd68c3569253cc5620ae6cd3d2cf376581c64f7e3aca52e20b1bfdd66fd4d039";
const ED25519_BASE64: &str = "/WjDVpJTzFYgrmzT0s83ZYHGT346ylLiCxv91m/U0Dk=";

/// The base64 between the lines of a PEM block: its DER.
fn der_base64(pem: &str) -> String {
    pem.lines().filter(|line| !line.starts_with('-')).collect()
}

/// An environment with one variable.
fn environment(name: &str) -> Option<Vec<u8>> {
    (name == "PORTCULLIS_TEST_SECRET").then(|| b"from the environment".to_vec())
}

fn read(document: &Value) -> Result<Snapshot, Error> {
    Config::from_json_with(document.to_string().as_bytes(), &environment)
}

fn refused(document: &Value) -> DocumentError {
    match read(document) {
        Err(Error::Document(e)) => e,
        Err(e) => panic!("another error: {e}"),
        Ok(_) => panic!("taken, but should be refused: {document}"),
    }
}

/// A document that uses every member.
#[rustfmt::skip]
fn whole() -> Value {
    json!({
        "version": 1,
        "state": {
            "path": "/dev/shm/portcullis-test", "nonces": 2000, "limit_keys": 300, "birth_rule": "off", "mode": "0660", "group": "root",
            "nonce_mode": "message"
        },
        "clock": { "past_window_ms": 60000, "future_window_ms": 0 },
        "sizes": { "target": 8192, "headers": 64, "header_bytes": 32768, "body": 1048576, "params": 100, "depth": 16 },
        "codes": { "replayed": "409-R", "bad_signature": 9992, "ok": 0 },
        "profiles": [ own_profile("my-bank") ],
        "tokens": {
            "keys": [
                { "number": 3, "secret": "a secret of thirty-two bytes at least" },
                { "number": 0, "secret_hex": "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff" }
            ],
            "life_s": 1800, "max_life_s": 3600, "overlap_s": 60, "header": "X-Token", "bearer": true, "required": "all", "apps": 10,
            "revocations": 10, "one_time": { "header": "X-Once", "life_s": 60, "lease_s": 5, "capacity": 100 }
        },
        "limits": [
            { "name": "door", "key": ["client_ip"], "rate": 1000, "per_ms": 1000, "burst": 2000, "before_signature": true },
            { "name": "door-pay", "key": ["path", "client_ip", "method"], "rate": 5, "per_ms": 60000, "before_signature": true },
            { "name": "per-ip-path", "key": ["client_ip", "path"], "rate": 100, "per_ms": 1000, "burst": 200, "action": "reject" },
            { "name": "pay", "key": ["app"], "concurrency": 50, "action": "reject" },
            { "name": "watch", "key": ["kid", "api"], "rate": 1, "per_ms": 1000, "action": "alert", "before_signature": false },
            { "name": "penalty", "key": ["app", "method"], "rate": 1, "per_ms": 86400000, "concurrency": 2, "action": "suspend", "suspend_ms": 600000 }
        ],
        "apis": [
            { "api_id": "OP1023450202000100001000", "method": "POST", "path": "/pay/*", "level": "A2", "limits": ["pay", "door-pay"], "token": true, "token_max_age_s": 60, "one_time": "required",
              "user": "userId", "consent": { "param": "consent", "until": "consentUntil" }, "peer_certificate": true,
              "params": { "unknown": "allow", "rules": [
                  { "name": "amount", "required": true, "type": "decimal", "charset": "any", "min": 1, "max": 12, "one_of": ["1", "2"] } ] } },
            { "api_id": "balance", "method": "GET", "path": "/accounts/*/balance", "level": "A1", "state": "active" },
            { "api_id": "old", "method": "*", "path": "/v0/*", "level": "A1", "state": "retired" }
        ],
        "tls_min": "1.2", "gm_only": false, "key_max_age_days": {},
        "roles": [ { "name": "reader", "allow_apis": ["balance"] } ],
        "parties": [ { "party_id": "bank", "status": "active", "allow_apis": ["balance", "old", "OP1023450202000100001000"] } ],
        "apps": [
            {
                "app_id": "p10001", "status": "active", "level": "A1", "profiles": ["openapi", "my-bank"], "allow_weak": true,
                "credentials": [
                    { "kid": "2026", "alg": "md5", "secret": "k3y", "status": "active", "roles": ["reader"], "allow_apis": [] },
                    { "alg": "hmac-sha256", "secret_base64": "AAEC" },
                    { "alg": "hmac-sm3", "secret_env": "PORTCULLIS_TEST_SECRET" },
                    { "alg": "hmac-sha512", "secret_hex": "00fF" },
                    { "alg": "hmac-sha384", "secret": "付款" },
                    { "kid": "old", "alg": "hmac-sha1", "secret": "x", "status": "revoked" }
                ],
                "allow_ips": ["203.0.113.0/24", "198.51.100.7", "2001:db8::/32"],
                "allow_apis": ["balance", "OP1023450202000100001000"],
                "limits": ["per-ip-path", "watch"], "roles": ["reader"], "party": "bank", "require": "secret OR key_pair",
                "peer_certificates": ["00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"]
            },
            {
                "app_id": "p10002", "status": "suspended", "level": "A2", "profiles": ["openapi"],
                "credentials": [
                    { "kid": "r", "alg": "rsa-pkcs1-sha256", "public_key_pem": RSA_2048, "not_before": "2026-01-01T00:00:00Z", "not_after": "2027-01-01T08:00:00+08:00" },
                    { "kid": "r-der", "alg": "rsa-pss-sha256", "public_key_base64": der_base64(RSA_2048) },
                    { "kid": "sm2", "alg": "sm2-sm3", "public_key_hex": SM2_POINT, "user_id": "1234567812345678" },
                    { "kid": "sm2-pem", "alg": "sm2-sm3", "public_key_pem": SM2 },
                    { "alg": "ecdsa-p256-sha256", "certificate_pem": P256_CERTIFICATE },
                    { "kid": "der", "alg": "ecdsa-p256-sha256", "certificate_base64": der_base64(P256_CERTIFICATE), "not_before": "2025-01-01T00:00:00Z", "not_after": "2026-06-01T00:00:00Z" },
                    { "kid": "point", "alg": "ecdsa-p256-sha256", "public_key_hex": P256_POINT },
                    { "kid": "p384", "alg": "ecdsa-p384-sha384", "public_key_pem": P384 },
                    { "kid": "raw64", "alg": "ed25519", "public_key_base64": ED25519_BASE64 },
                    { "kid": "raw16", "alg": "ed25519", "public_key_hex": ED25519_HEX },
                    { "kid": "spki", "alg": "ed25519", "public_key_base64": der_base64(ED25519) },
                    { "alg": "ed25519", "public_key_jwk": { "kty": "OKP", "crv": "Ed25519", "x": "_WjDVpJTzFYgrmzT0s83ZYHGT346ylLiCxv91m_U0Dk", "kid": "of-the-jwk", "key_ops": ["verify"] } },
                    { "kid": "gone", "alg": "hmac-sha256", "secret": "voided, and kept", "status": "revoked" },
                    { "kid": "usage", "alg": "ecdsa-p256-sha256", "certificate_pem": include_str!("keys/p256-signing-cert.pem") }
                ],
                "allow_ips": [], "allow_apis": [], "limits": ["penalty"]
            },
            { "app_id": "付款", "status": "exited", "credentials": [], "profiles": [], "limits": [] },
            { "app_id": "bare" }
        ]
    })
}

/// A profile like the built-in `openapi`, under another name.
fn own_profile(name: &str) -> Value {
    let text = portcullis::canon::builtin_document("openapi").expect("openapi is built in");
    let mut profile: Value = serde_json::from_str(text).expect("a built-in profile is JSON");
    profile["name"] = name.into();
    profile
}
