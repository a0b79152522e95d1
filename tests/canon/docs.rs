//! `docs/profiles.md` says what is so.

use crate::support::*;
use portcullis::canon::HOLES;
use serde_json::Value;

#[test]
fn the_documents_in_the_documentation_load() {
    let text = std::fs::read_to_string("docs/profiles.md").unwrap();
    let blocks: Vec<&str> = text.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(blocks.len(), 3);
    for block in blocks {
        let document: Value = serde_json::from_str(block).unwrap();
        compile(&document).unwrap_or_else(|e| panic!("{e}: {block}"));
    }
    for (hole, _) in HOLES {
        assert!(text.contains(&format!("| `{hole}` |")), "{hole} is not in the table");
    }
}

/// The string that the page's Python client makes.
#[test]
fn the_client_in_the_documentation_is_understood() {
    let text = std::fs::read_to_string("docs/profiles.md").unwrap();
    let block = text.split("```json\n").nth(2).unwrap().split("```").next().unwrap();
    let mut document: Value = serde_json::from_str(block).unwrap();
    document["require_scheme"] = "any".into();
    let profile = compile(&document).unwrap();
    let headers = [JSON[0], ("X-Bank-Signature", "AAAA")];
    let body = br#"{"merchant_no": "8801", "ts": "1700000000123", "nonce_str": "00112233445566778899aabbccddeeff",
        "sign_type": "RSA2", "amount": "1.10", "memo": "a&b=c"}"#;
    let seen = read_as(&profile, "rsa-pkcs1-sha256", "POST", "/pay", &headers, body).unwrap();
    assert_eq!(
        seen.string,
        "amount=1.10&memo=a%26b%3Dc&merchant_no=8801&nonce_str=00112233445566778899aabbccddeeff&sign_type=RSA2&ts=1700000000123"
    );
}
