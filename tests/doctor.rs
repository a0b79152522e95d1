//! The doctor finds the mistake that a client made, for MACs and for signatures, and tells nothing that would let anybody sign.

use portcullis::alg::{Algorithm, MacInput, SignatureForm, SigningKey};
use portcullis::codec::{base64, hex};
use portcullis::doctor::{self, Options};
use portcullis::keys::{Config, Snapshot};
use portcullis::request::{Header, Request};
use portcullis::time::Millis;
use serde_json::json;

const NOW: i64 = 1_700_000_000_000;
const SECRET: &str = "a-secret-of-24-bytes-now";

fn snapshot() -> Snapshot {
    let pem = std::fs::read_to_string("vectors/demo/keys/p10004-2026.pem").unwrap();
    let rsa = SigningKey::from_pkcs8_pem(Algorithm::RsaPkcs1Sha256, &pem, None).unwrap();
    drop(rsa);
    let document = json!({
        "version": 1,
        "apps": [
            { "app_id": "p1", "allow_weak": true, "profiles": ["openapi", "wechatpay-v3", "kong-hmac"], "credentials": [
                { "kid": "mac", "alg": "hmac-sha256", "secret": SECRET },
                { "kid": "md5", "alg": "md5", "secret": SECRET },
                { "kid": "old", "alg": "hmac-sha256", "secret": "the-key-of-last-year-0123" } ] },
            { "app_id": "p2", "profiles": ["openapi"], "credentials": [
                { "kid": "other", "alg": "hmac-sha256", "secret": "the-key-of-another-app-01" } ] },
        ]
    });
    Config::from_json(document.to_string().as_bytes()).unwrap()
}

fn mac(secret: &str, text: &str) -> Vec<u8> {
    let key = SigningKey::secret(Algorithm::HmacSha256, secret.as_bytes()).unwrap();
    key.sign(text.as_bytes(), SignatureForm::Der, MacInput::Plain).unwrap()
}

fn explain(request: &Request<'_>, options: Options<'_>) -> String {
    doctor::explain(&snapshot(), request, &Options { now: Millis(NOW), ..options })
}

/// A POST of these members with `sign` in the query.
fn post(body: &str, sign: &str, options: Options<'_>) -> String {
    let headers = [Header { name: b"content-type", value: b"application/json" }];
    let target = format!("/pay?sign={sign}");
    let request = Request { headers: &headers, ..Request::new(b"POST", target.as_bytes(), body.as_bytes()) };
    explain(&request, options)
}

const BODY: &str = r#"{"partnerId":"p1","timestamp":1700000000,"nonce":"n1","Zeta":"1","alpha":"a+b c","mail":"x%40y","none":"","deep":{"k":[1, 2]},"note":"a b"}"#;
const RIGHT: &str =
    r#"Zeta=1&alpha=a+b c&deep={"k":[1, 2]}&mail=x%40y&nonce=n1&note=a b&partnerId=p1&timestamp=1700000000"#;

#[test]
fn a_good_signature_is_said_to_be_good() {
    let report = post(BODY, &hex::to_string(&mac(SECRET, RIGHT)), Options::default());
    assert!(report.contains("good       the signature is the one of key \"mac\""), "{report}");
    assert!(report.contains("timestamp  1700000000000 ms, 0 ms from now; in the window"), "{report}");
    assert!(report.contains("(from query parameter `sign`)"), "{report}");
}

#[test]
fn each_mistake_with_parameters_is_found() {
    for (string, fix) in [
        (
            r#"partnerId=p1&timestamp=1700000000&nonce=n1&Zeta=1&alpha=a+b c&mail=x%40y&deep={"k":[1, 2]}&note=a b"#
                .to_owned(),
            "were not sorted",
        ),
        (
            r#"alpha=a+b c&deep={"k":[1, 2]}&mail=x%40y&nonce=n1&note=a b&partnerId=p1&timestamp=1700000000&Zeta=1"#
                .to_owned(),
            "without regard to case",
        ),
        (RIGHT.replace("x%40y", "x@y"), "decoded twice"),
        (RIGHT.replace("a+b c", "a b c"), "+ was taken for a space"),
        (
            RIGHT.replace("a+b c", "a+b+c").replace("note=a b", "note=a+b").replace("[1, 2]", "[1,+2]"),
            "space was taken for a +",
        ),
        (RIGHT.replace("[1, 2]", "[1,2]"), "serialised without spaces"),
        (format!("{RIGHT}\n"), "a line end too many"),
        (format!("{RIGHT}&partnerKey={SECRET}"), "the secret was appended as \"&partnerKey=\""),
        (format!("{RIGHT}&key={SECRET}"), "the secret was appended as \"&key=\""),
        (format!("{RIGHT}{SECRET}"), "the secret was appended as \"\""),
        (RIGHT.replace("&timestamp=1700000000", ""), "timestamp was left out"),
        (RIGHT.to_ascii_lowercase(), "lower case"),
    ] {
        assert_ne!(string, RIGHT);
        let report = post(BODY, &hex::to_string(&mac(SECRET, &string)), Options::default());
        assert!(report.contains("found      ") && report.contains(fix), "{fix}: {report}");
    }
    let kept = RIGHT.replace("&nonce=n1", "&nonce=n1&none=");
    // Byte by byte `none` stands before `nonce` ("e" after "c"): it stands behind it.
    let report = post(BODY, &hex::to_string(&mac(SECRET, &kept)), Options::default());
    assert!(report.contains("empty values were signed"), "{report}");
}

/// Where empty values are signed.
#[test]
fn empty_values_that_were_dropped_are_found() {
    let mut profile: serde_json::Value =
        serde_json::from_str(portcullis::canon::builtin_document("openapi").unwrap()).unwrap();
    profile["name"] = json!("kept");
    profile["values"]["empty"] = json!("keep");
    profile["legacy_unsafe"].as_array_mut().unwrap().retain(|hole| hole != "unsigned_empty");
    let document = json!({"version": 1, "profiles": [profile], "apps": [
        { "app_id": "p1", "profiles": ["kept"], "credentials": [{ "alg": "hmac-sha256", "secret": SECRET }] }]});
    let snapshot = Config::from_json(document.to_string().as_bytes()).unwrap();
    let judge = |string: &str| {
        let target = format!(
            "/a?none=&nonce=n1&partnerId=p1&timestamp=1700000000&sign={}",
            hex::to_string(&mac(SECRET, string))
        );
        let options = Options { now: Millis(NOW), ..Options::default() };
        doctor::explain(&snapshot, &Request::new(b"GET", target.as_bytes(), b""), &options)
    };
    let right = "nonce=n1&none=&partnerId=p1&timestamp=1700000000";
    assert!(judge(right).contains("good       "), "{}", judge(right));
    let dropped = judge("nonce=n1&partnerId=p1&timestamp=1700000000");
    assert!(dropped.contains("found      empty values were left out: sign them as name="), "{dropped}");
}

#[test]
fn each_way_of_writing_a_signature_is_found() {
    let bytes = mac(SECRET, RIGHT);
    let url = base64::to_string(base64::Variant::UrlSafeNoPad, &bytes);
    let standard = base64::to_string(base64::Variant::Standard, &bytes).replace('+', "%2B");
    for (text, fix) in [(url, "base64"), (standard, "base64")] {
        let report = post(BODY, &text, Options::default());
        assert!(report.contains("found      the signature is written as") && report.contains(fix), "{report}");
    }
}

#[test]
fn another_key_is_found_of_the_app_and_of_another() {
    let old = post(BODY, &hex::to_string(&mac("the-key-of-last-year-0123", RIGHT)), Options::default());
    assert!(old.contains("good       the signature is the one of key \"old\""), "{old}");
    let other = post(BODY, &hex::to_string(&mac("the-key-of-another-app-01", RIGHT)), Options::default());
    assert!(other.contains("found      it was signed with a key of another app, p2"), "{other}");
}

#[test]
fn md5_without_or_behind_its_secret_is_found() {
    use portcullis::hash::md5::digest;
    for (text, fix) in [
        (RIGHT.to_owned(), "the secret is not part of what was hashed"),
        (format!("{SECRET}{RIGHT}"), "the secret stands in front"),
        (format!("{RIGHT}{SECRET}"), "appended as \"\""),
        (format!("{RIGHT}&key={SECRET}"), "appended as \"&key=\""),
    ] {
        let report = post(BODY, &hex::to_string(&digest(text.as_bytes())), Options::default());
        assert!(report.contains(fix), "{fix}: {report}");
    }
}

#[test]
fn a_wrong_unit_of_time_is_said() {
    let body = BODY.replace("1700000000", "1700000000000");
    let report = post(&body, "00", Options::default());
    assert!(report.contains("it is in milliseconds, and the profile reads seconds"), "{report}");
}

/// Kong's scheme: method, path, query and body in another guise.
#[test]
fn mistakes_with_the_request_line_are_found() {
    let date = "Tue, 14 Nov 2023 22:13:20 GMT";
    for (signed, fix) in [
        ("@request-target: post /a/b/?q=1", "good"),
        ("@request-target: get /a/b/?q=1", "for method GET"),
        ("@request-target: post /a/b/", "the query was left out"),
        ("@request-target: post /a/b?q=1", "without its slash"),
        ("@request-target: post /b/?q=1", "without its first part"),
    ] {
        let string = format!("date: {date}\n{signed}");
        let signature = base64::to_string(base64::Variant::Standard, &mac(SECRET, &string));
        let auth = format!(
            r#"hmac username="mac", algorithm="hmac-sha256", headers="date @request-target", signature="{signature}""#
        );
        let headers = [
            Header { name: b"date", value: date.as_bytes() },
            Header { name: b"authorization", value: auth.as_bytes() },
        ];
        let request = Request { headers: &headers, ..Request::new(b"POST", b"/a/b/?q=1", b"") };
        let report = explain(&request, Options::default());
        assert!(report.contains(fix), "{fix}: {report}");
    }
}

#[test]
fn the_first_difference_to_the_clients_string_is_shown() {
    let client = RIGHT.replace("note=a b", "note=a  b");
    let options = Options { client_string: Some(client.as_bytes()), unmask: true, ..Options::default() };
    let report = post(BODY, "00", options);
    let at = client.find("  b").unwrap() + 1;
    assert!(report.contains(&format!("first difference at byte {at}, line 1")), "{report}");
    let same = Options { client_string: Some(RIGHT.as_bytes()), ..Options::default() };
    assert!(post(BODY, "00", same).contains("the client's string is the same"));
}

#[test]
fn no_report_shows_a_secret_and_only_the_asked_for_shows_the_mac() {
    let right = hex::to_string(&mac(SECRET, RIGHT));
    let shown = Options { show_expected: true, ..Options::default() };
    let (report, expected) = (post(BODY, "00", Options::default()), post(BODY, "00", shown));
    assert!(!report.contains(&right) && !report.contains(SECRET), "{report}");
    assert!(expected.contains(&right) && !expected.contains(SECRET), "{expected}");
    // Masked by default: the value of `partnerId` is short, that of a long one is not shown.
    let body = BODY.replace("\"note\":\"a b\"", "\"card\":\"6222021234567890\"");
    assert!(!post(&body, "00", Options::default()).contains("1234567890"));
    assert!(post(&body, "00", Options { unmask: true, ..Options::default() }).contains("6222021234567890"));
}

#[test]
fn what_cannot_be_read_is_explained_too() {
    for (target, says) in [
        ("/pay?sign=00", "refused    missing_field (app_id)"),
        ("/pay?sign=%", "refused    malformed_request"),
        ("/pay?sign=00&partnerId=nobody&nonce=1&timestamp=1700000000", "no app"),
        ("/pay", "no profile of the document recognises the request"),
    ] {
        let report = explain(&Request::new(b"GET", target.as_bytes(), b""), Options::default());
        assert!(report.contains(says), "{target}: {report}");
    }
}
