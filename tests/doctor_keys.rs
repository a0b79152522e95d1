//! The doctor's mistakes with signatures of key pairs, and those that need schemes of lines and canonical requests: each is made by a client
//! that makes it, and must be found by its sentence.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature as lc;
use portcullis::alg::{Algorithm, MacInput, SignatureForm, SigningKey};
use portcullis::codec::percent;
use portcullis::codec::{base64, hex};
use portcullis::doctor::{self, Options};
use portcullis::keys::{Config, Snapshot};
use portcullis::request::{Header, Request};
use portcullis::time::Millis;
use serde_json::{Value, json};
use sm2::dsa::signature::Signer;
use sm2::dsa::signature::hazmat::PrehashSigner;

const NOW: i64 = 1_700_000_000_000;
const PEM: &str = include_str!("../vectors/demo/keys/p10004-2026.pem");

fn text(bytes: &[u8]) -> String {
    base64::to_string(base64::Variant::Standard, bytes)
}

/// Private keys of each kind, and the members of a credential that name the public one.
struct Keys {
    p256: Vec<u8>,
    ed25519: Vec<u8>,
    sm2: sm2::SecretKey,
}

impl Keys {
    fn new() -> Self {
        let rng = SystemRandom::new();
        Self {
            p256: lc::EcdsaKeyPair::generate_pkcs8(&lc::ECDSA_P256_SHA256_ASN1_SIGNING, &rng)
                .unwrap()
                .as_ref()
                .to_vec(),
            ed25519: lc::Ed25519KeyPair::generate_pkcs8(&rng).unwrap().as_ref().to_vec(),
            sm2: sm2::SecretKey::from_slice(&[0x5a; 32]).unwrap(),
        }
    }

    fn snapshot(&self, profiles: Value) -> Snapshot {
        use aws_lc_rs::signature::KeyPair;
        let p256 = lc::EcdsaKeyPair::from_pkcs8(&lc::ECDSA_P256_SHA256_ASN1_SIGNING, &self.p256).unwrap();
        let ed25519 = lc::Ed25519KeyPair::from_pkcs8(&self.ed25519).unwrap();
        let demo: Value = serde_json::from_str(include_str!("../vectors/wechatpay-v3/cases.json")).unwrap();
        let rsa = &demo["app"]["credentials"][0]["public_key_pem"];
        let sm2_point = self.sm2.public_key().to_sec1_bytes();
        let names = ["openapi", "wechatpay-v3", "wechatpay-v3-callback", "aws-sigv4", "the-bank"];
        let app = |id: &str, alg: &str, key: Value| {
            let mut credential = json!({"kid": format!("{id}-key"), "alg": alg});
            credential.as_object_mut().unwrap().extend(key.as_object().unwrap().clone());
            json!({"app_id": id, "allow_weak": true, "profiles": names, "credentials": [credential]})
        };
        let document = json!({"version": 1, "profiles": [profiles], "apps": [
            app("rsa", "rsa-pkcs1-sha256", json!({"public_key_pem": rsa})),
            app("fixed", "ecdsa-p256-sha256", json!({"public_key_hex": FIXED})),
            app("p256", "ecdsa-p256-sha256", json!({"public_key_hex": hex::to_string(p256.public_key().as_ref())})),
            app("ed", "ed25519", json!({"public_key_hex": hex::to_string(ed25519.public_key().as_ref())})),
            app("sm2", "sm2-sm3", json!({"public_key_hex": hex::to_string(&sm2_point)})),
            app("named", "sm2-sm3", json!({"public_key_hex": hex::to_string(&sm2_point), "user_id": "bank@example"})),
            app("mac", "hmac-sha256", json!({"secret": "a-secret-of-24-bytes-now"})),
        ]});
        Config::from_json(document.to_string().as_bytes()).unwrap()
    }

    fn sign(&self, alg: Algorithm, message: &[u8], form: SignatureForm) -> Vec<u8> {
        let key = match alg {
            Algorithm::EcdsaP256Sha256 => SigningKey::from_pkcs8_der(alg, &self.p256, None),
            Algorithm::Ed25519 => SigningKey::from_pkcs8_der(alg, &self.ed25519, None),
            _ => SigningKey::from_pkcs8_pem(alg, PEM, None),
        };
        key.unwrap().sign(message, form, MacInput::Plain).unwrap()
    }

    /// SM2 by the crate itself, with an identifier.
    fn sm2(&self, id: &str, message: &[u8]) -> Vec<u8> {
        let key = sm2::dsa::SigningKey::new(id, &self.sm2).unwrap();
        let signature: sm2::dsa::Signature = key.sign(message);
        signature.to_bytes().to_vec()
    }
}

fn portcullis_pem(pem: &str) -> Vec<u8> {
    let inner: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    base64::decode_vec(base64::Variant::Standard, inner.as_bytes()).unwrap()
}

/// A profile of lines that takes signatures as DER alone.
fn bank() -> Value {
    json!({
        "name": "the-bank", "shape": "lines", "legacy_unsafe": ["no_nonce"],
        "fields": {
            "app_id": {"in": "header", "name": "x-app"},
            "timestamp": {"in": "header", "name": "x-time", "format": "unix-seconds"},
            "signature": {"in": "header", "name": "x-signature"},
        },
        "string": ["method", "target", "app_id", "timestamp", "body"],
        "algorithms": {
            "ecdsa-p256-sha256": {"signature": "base64", "form": "der"}, "sm2-sm3": {"signature": "base64", "form": "der"},
            "rsa-pkcs1-sha256": {"signature": "base64"}, "ed25519": {"signature": "base64"}, "hmac-sha256": {"signature": "hex-lower"},
        },
    })
}

fn explain(snapshot: &Snapshot, request: &Request<'_>) -> String {
    doctor::explain(snapshot, request, &Options { now: Millis(NOW), ..Options::default() })
}

/// The open-API guide's scheme: a GET of these parameters, with that signature.
fn guide(snapshot: &Snapshot, app: &str, signature: &str) -> String {
    let mut target = format!("/pay?amount=1.10&nonce=n1&partnerId={app}&timestamp=1700000000&sign=").into_bytes();
    percent::encode(signature.as_bytes(), &mut target);
    explain(snapshot, &Request::new(b"GET", &target, b""))
}

fn guide_string(app: &str) -> String {
    format!("amount=1.10&nonce=n1&partnerId={app}&timestamp=1700000000")
}

fn lines(snapshot: &Snapshot, app: &str, signature: &str, body: &[u8]) -> String {
    let headers = [
        Header { name: b"x-app", value: app.as_bytes() },
        Header { name: b"x-time", value: b"1700000000" },
        Header { name: b"x-signature", value: signature.as_bytes() },
    ];
    let request = Request { headers: &headers, profile: Some("the-bank"), ..Request::new(b"POST", b"/a?b=c", body) };
    explain(snapshot, &request)
}

fn found(report: &str, fix: &str) {
    assert!(report.lines().any(|line| line.starts_with("found      ") && line.contains(fix)), "{fix}: {report}");
}

#[test]
fn every_kind_of_key_signs_well_to_begin_with() {
    let keys = Keys::new();
    let snapshot = keys.snapshot(bank());
    for (app, alg) in
        [("rsa", Algorithm::RsaPkcs1Sha256), ("p256", Algorithm::EcdsaP256Sha256), ("ed", Algorithm::Ed25519)]
    {
        let signature = keys.sign(alg, guide_string(app).as_bytes(), SignatureForm::Der);
        assert!(guide(&snapshot, app, &text(&signature)).contains("good       "), "{app}");
    }
    let ours = keys.sm2("1234567812345678", guide_string("sm2").as_bytes());
    assert!(guide(&snapshot, "sm2", &text(&ours)).contains("good       "));
    let named = keys.sm2("bank@example", guide_string("named").as_bytes());
    assert!(guide(&snapshot, "named", &text(&named)).contains("good       "));
}

#[test]
fn sm2_without_z_or_with_another_identifier_is_found() {
    let keys = Keys::new();
    let snapshot = keys.snapshot(bank());
    let string = guide_string("sm2");
    let key = sm2::dsa::SigningKey::new("", &keys.sm2).unwrap();
    let e = portcullis::hash::sm3::digest(string.as_bytes());
    let bare: sm2::dsa::Signature = key.sign_prehash(&e).unwrap();
    found(&guide(&snapshot, "sm2", &text(&bare.to_bytes())), "Z, the hash of the user id, the curve and the key");
    for (id, shown) in
        [("", "the user id \"\""), ("sm2", "the user id \"sm2\""), ("sm2-key", "the user id \"sm2-key\"")]
    {
        found(&guide(&snapshot, "sm2", &text(&keys.sm2(id, string.as_bytes()))), shown);
    }
    // The credential has one, and the client took the usual one.
    let usual = keys.sm2("1234567812345678", guide_string("named").as_bytes());
    found(&guide(&snapshot, "named", &text(&usual)), "the user id \"1234567812345678\"");
    let (r, s) = ours_halves(&keys.sm2("1234567812345678", string.as_bytes()));
    found(&guide(&snapshot, "sm2", &text(&[s, r].concat())), "SM2 with s before r");
}

fn ours_halves(fixed: &[u8]) -> (Vec<u8>, Vec<u8>) {
    (fixed[..32].to_vec(), fixed[32..].to_vec())
}

#[test]
fn rsa_with_another_padding_hash_or_salt_is_found() {
    let keys = Keys::new();
    let snapshot = keys.snapshot(bank());
    let string = guide_string("rsa");
    for (alg, fix) in [
        (Algorithm::RsaPkcs1Sha512, "RSA with PKCS#1 v1.5 padding and SHA-512"),
        (Algorithm::RsaPssSha256, "RSA with PSS padding and SHA-256"),
        (Algorithm::RsaPssSha512, "RSA with PSS padding and SHA-512"),
    ] {
        let signature = keys.sign(alg, string.as_bytes(), SignatureForm::Der);
        let report = guide(&snapshot, "rsa", &text(&signature));
        found(&report, fix);
        found(&report, "the key is registered for rsa-pkcs1-sha256");
    }
    let sha1 = lc::RsaKeyPair::from_pkcs8(&portcullis_pem(PEM)).unwrap();
    let mut signature = vec![0; 256];
    sha1.sign(&lc::RSA_PKCS1_SHA384, &SystemRandom::new(), string.as_bytes(), &mut signature).unwrap();
    found(&guide(&snapshot, "rsa", &text(&signature)), "RSA with PKCS#1 v1.5 padding and SHA-384");
    // As long a salt as fits, 222 bytes: what OpenSSL does unless it is told. Made by Python's `cryptography`, PSS.MAX_LENGTH.
    found(&guide(&snapshot, "rsa", LONG_SALT), "PSS padding, SHA-256 and a salt of 222 bytes");
    let mut backwards = keys.sign(Algorithm::RsaPkcs1Sha256, string.as_bytes(), SignatureForm::Der);
    backwards.reverse();
    found(&guide(&snapshot, "rsa", &text(&backwards)), "backwards");
}

#[test]
fn ecdsa_in_the_other_form_order_or_hash_is_found() {
    let keys = Keys::new();
    let snapshot = keys.snapshot(bank());
    let string = b"POST\n/a?b=c\np256\n1700000000\n{}";
    let alg = Algorithm::EcdsaP256Sha256;
    let der = keys.sign(alg, string, SignatureForm::Der);
    assert!(lines(&snapshot, "p256", &text(&der), b"{}").contains("good       "));
    let fixed = keys.sign(alg, string, SignatureForm::Fixed);
    found(&lines(&snapshot, "p256", &text(&fixed), b"{}"), "written as r ‖ s: write it as DER");
    let (r, s) = ours_halves(&fixed);
    found(&lines(&snapshot, "p256", &text(&[s, r].concat()), b"{}"), "ECDSA with s before r");
    found(&guide(&snapshot, "fixed", WITH_SHA384), "ECDSA with SHA-384");
    let sm2 = keys.sm2("1234567812345678", b"POST\n/a?b=c\nsm2\n1700000000\n{}");
    found(&lines(&snapshot, "sm2", &text(&sm2), b"{}"), "written as r ‖ s: write it as DER");
}

/// What is wrong with the string is found whoever signed it.
#[test]
fn each_mistake_with_the_string_is_found_for_every_kind_of_key() {
    let keys = Keys::new();
    let snapshot = keys.snapshot(bank());
    let body = br#"{"a": 1, "b": [true]}"#;
    for (app, alg) in
        [("rsa", Algorithm::RsaPkcs1Sha256), ("p256", Algorithm::EcdsaP256Sha256), ("ed", Algorithm::Ed25519)]
    {
        let of = |method: &str, target: &str, body: &str| format!("{method}\n{target}\n{app}\n1700000000\n{body}");
        let sent = std::str::from_utf8(body).unwrap();
        for (string, fix) in [
            (of("PUT", "/a?b=c", sent), "for method PUT"),
            (of("post", "/a?b=c", sent), "method was signed in lower case"),
            (of("POST", "/a", sent), "the query was left out"),
            (of("POST", "/a/?b=c", sent), "with a slash at the end"),
            (of("POST", "/a?b=c", ""), "the body was left out"),
            (of("POST", "/a?b=c", r#"{"a":1,"b":[true]}"#), "serialised without spaces"),
            (of("POST", "/a?b=c", "{\n  \"a\": 1,\n  \"b\": [\n    true\n  ]\n}"), "pretty-printed"),
            (of("POST", "/a?b=c", sent) + "\n", "a line end"),
            (of("POST", "/a?b=c", sent).replace('\n', "\r\n"), "CRLF"),
            (of("POST", "/a?b=c", sent).to_lowercase(), "lower case"),
        ] {
            let signature = keys.sign(alg, string.as_bytes(), SignatureForm::Der);
            found(&lines(&snapshot, app, &text(&signature), body), fix);
        }
        let digest = portcullis::hash::sha256::digest(of("POST", "/a?b=c", sent).as_bytes());
        let signature = keys.sign(alg, &digest, SignatureForm::Der);
        found(&lines(&snapshot, app, &text(&signature), body), "the SHA-256 digest of the string was signed");
        // One whose two ways of base64 differ: of ECDSA's signatures, which are random, one in a hundred has neither padding nor + nor /.
        let signature = (0..100)
            .map(|_| keys.sign(alg, of("POST", "/a?b=c", sent).as_bytes(), SignatureForm::Der))
            .find(|signature| base64::to_string(base64::Variant::UrlSafeNoPad, signature) != text(signature))
            .unwrap();
        for (written, fix) in [
            (base64::to_string(base64::Variant::UrlSafeNoPad, &signature), "base64"),
            (hex::to_string(&signature), "hexadecimal"),
            (text(hex::to_string(&signature).as_bytes()), "base64 of its hexadecimal text"),
        ] {
            found(&lines(&snapshot, app, &written, body), fix);
        }
    }
    // A + that nobody percent-encoded arrives as a space.
    let signature = text(&keys.sign(Algorithm::RsaPkcs1Sha256, guide_string("rsa").as_bytes(), SignatureForm::Der));
    assert!(signature.contains('+'));
    found(&guide(&snapshot, "rsa", &signature.replace('+', " ")), "whose + became spaces");
    // Whoever's key it is.
    let string = b"POST\n/a?b=c\ned\n1700000000\n{}";
    let signature = keys.sign(Algorithm::RsaPkcs1Sha256, string, SignatureForm::Der);
    found(&lines(&snapshot, "ed", &text(&signature), b"{}"), "a key of another app, rsa");
}

/// WeChat's string ends in a line end, and its host is not signed; AWS signs the host and the digest of the body.
#[test]
fn ends_hosts_digests_and_cases_are_found() {
    let keys = Keys::new();
    let snapshot = keys.snapshot(bank());
    let wechat = |string: &str| {
        let signature = text(&keys.sign(Algorithm::RsaPkcs1Sha256, string.as_bytes(), SignatureForm::Der));
        let auth = format!(
            r#"WECHATPAY2-SHA256-RSA2048 mchid="rsa",nonce_str="n1",timestamp="1700000000",serial_no="rsa-key",signature="{signature}""#
        );
        let headers = [Header { name: b"authorization", value: auth.as_bytes() }];
        explain(&snapshot, &Request { headers: &headers, ..Request::new(b"GET", b"/v3/pay?x=%2F", b"") })
    };
    assert!(wechat("GET\n/v3/pay?x=%2F\n1700000000\nn1\n\n").contains("good       "));
    found(&wechat("GET\n/v3/pay?x=%2F\n1700000000\nn1\n"), "the line end behind the string is missing");
    found(&wechat("GET\n/v3/pay?x=%2F\n1700000000\nn1\n\n\n"), "a line end");
    found(&wechat("GET\n/v3/pay?x=/\n1700000000\nn1\n\n"), "the query was decoded before signing");
    found(&wechat("GET\n/v3/pay?x=%2F\n1700000000000\nn1\n\n"), "the timestamp was signed in milliseconds");

    let secret = b"AWS4a-secret-of-24-bytes-now";
    let mac = |key: &[u8], text: &[u8]| {
        SigningKey::secret(Algorithm::HmacSha256, key).unwrap().sign(text, SignatureForm::Der, MacInput::Plain).unwrap()
    };
    let digest = |text: &str| hex::to_string(&portcullis::hash::sha256::digest(text.as_bytes()));
    let aws = |host: &str, payload: &str, upper: bool, derived: bool| {
        let canonical =
            format!("POST\n/\n\nhost:{host}\nx-amz-date:20231114T221320Z\n\nhost;x-amz-date\n{}", digest(payload));
        let string = format!("AWS4-HMAC-SHA256\n20231114T221320Z\n20231114/r/s/aws4_request\n{}", digest(&canonical));
        let parts: [&[u8]; 4] = [b"20231114", b"r", b"s", b"aws4_request"];
        let key = parts.iter().fold(secret.to_vec(), |key, part| mac(&key, part));
        let key = if derived { &key[..] } else { b"a-secret-of-24-bytes-now" };
        let signature = hex::to_string(&mac(key, string.as_bytes()));
        let signature = if upper { signature.to_uppercase() } else { signature };
        let auth = format!(
            "AWS4-HMAC-SHA256 Credential=mac-key/20231114/r/s/aws4_request, SignedHeaders=host;x-amz-date, Signature={signature}"
        );
        let headers = [
            Header { name: b"host", value: b"API.example:8443" },
            Header { name: b"x-amz-date", value: b"20231114T221320Z" },
            Header { name: b"authorization", value: auth.as_bytes() },
            Header { name: b"x-forwarded-host", value: b"public.example" },
        ];
        explain(&snapshot, &Request { headers: &headers, ..Request::new(b"POST", b"/", b"{}") })
    };
    assert!(aws("API.example:8443", "{}", false, true).contains("good       "));
    found(&aws("api.example:8443", "{}", false, true), "the host was signed in lower case");
    found(&aws("API.example", "{}", false, true), "the host was signed without its port");
    found(&aws("public.example", "{}", false, true), "the signature is for host public.example");
    found(&aws("API.example:8443", "", false, true), "the body was left out");
    found(&aws("API.example:8443", "{}", true, true), "hexadecimal of another case");
    found(&aws("API.example:8443", "{}", false, false), "the secret itself was the key");
}

/// Every way of joining parameters wrongly, whoever signs.
#[test]
fn each_mistake_with_parameters_is_found_for_every_kind_of_key() {
    let keys = Keys::new();
    let snapshot = keys.snapshot(bank());
    for app in ["rsa", "p256", "ed", "sm2", "mac"] {
        let sign = |string: &str| match app {
            "rsa" => text(&keys.sign(Algorithm::RsaPkcs1Sha256, string.as_bytes(), SignatureForm::Der)),
            "p256" => text(&keys.sign(Algorithm::EcdsaP256Sha256, string.as_bytes(), SignatureForm::Der)),
            "ed" => text(&keys.sign(Algorithm::Ed25519, string.as_bytes(), SignatureForm::Der)),
            "sm2" => text(&keys.sm2("1234567812345678", string.as_bytes())),
            _ => {
                let key = SigningKey::secret(Algorithm::HmacSha256, b"a-secret-of-24-bytes-now").unwrap();
                hex::to_string(&key.sign(string.as_bytes(), SignatureForm::Der, MacInput::Plain).unwrap())
            }
        };
        let judge = |string: &str| {
            let target = format!(
                "/pay?mail=x%2540y&Zeta=1&alpha=a%2Bb%20c&none=&nonce=n1&partnerId={app}&timestamp=1700000000&sign="
            );
            let mut target = target.into_bytes();
            percent::encode(sign(string).as_bytes(), &mut target);
            explain(&snapshot, &Request::new(b"GET", &target, b""))
        };
        let end = format!("nonce=n1&partnerId={app}&timestamp=1700000000");
        let right = format!("Zeta=1&alpha=a+b c&mail=x%40y&{end}");
        assert!(judge(&right).contains("good       "), "{app}");
        for (string, fix) in [
            (right.replace("a+b c", "a%2Bb%20c").replace("%40", "%2540"), "signed as they are sent: decode them first"),
            (right.replace("%40", "@"), "values were decoded twice"),
            (right.replace("a+b", "a b"), "a + was taken for a space"),
            (right.replace("b c", "b+c"), "a space was taken for a +"),
            (format!("mail=x%40y&Zeta=1&alpha=a+b c&{end}"), "the parameters were not sorted"),
            (format!("alpha=a+b c&mail=x%40y&{end}&Zeta=1"), "sorted without regard to case"),
            (right.replace("&nonce=n1", "&nonce=n1&none="), "empty values were signed: leave them out"),
            (format!("{right}\n"), "a line end too many"),
            (right.replace("1700000000", "1700000000000"), "the timestamp was signed in milliseconds"),
            (right.replace("&nonce=n1", ""), "nonce was left out"),
        ] {
            assert_ne!(string, right, "{fix}");
            found(&judge(&string), fix);
        }
    }
    // Where empty values are signed: Alipay's notifications.
    let demo: Value = serde_json::from_str(include_str!("../vectors/alipay-notify/cases.json")).unwrap();
    let app = json!({"app_id": "rsa", "profiles": ["alipay-notify"], "credentials": demo["app"]["credentials"]});
    let snapshot = Config::from_json(json!({"version": 1, "apps": [app]}).to_string().as_bytes()).unwrap();
    let alipay = |string: &str| {
        let sign = text(&keys.sign(Algorithm::RsaPkcs1Sha256, string.as_bytes(), SignatureForm::Der));
        let mut body = b"app_id=rsa&gmt_close=&notify_id=n1&notify_time=2023-11-15+06%3A13%3A20&sign=".to_vec();
        percent::encode(sign.as_bytes(), &mut body);
        let headers = [Header { name: b"content-type", value: b"application/x-www-form-urlencoded" }];
        let request =
            Request { headers: &headers, profile: Some("alipay-notify"), ..Request::new(b"POST", b"/n", &body) };
        explain(&snapshot, &request)
    };
    let right = "app_id=rsa&gmt_close=&notify_id=n1&notify_time=2023-11-15 06:13:20";
    assert!(alipay(right).contains("good       "), "{}", alipay(right));
    found(&alipay(&right.replace("&gmt_close=", "")), "empty values were left out: sign them as name=");
    found(&alipay(&right.replace("15 06", "15+06")), "a space was taken for a +");
}

/// The canonical request, and what a client makes of it.
#[test]
fn mistakes_with_canonical_requests_are_found() {
    let keys = Keys::new();
    let snapshot = keys.snapshot(bank());
    let mac = |key: &[u8], text: &[u8]| {
        SigningKey::secret(Algorithm::HmacSha256, key).unwrap().sign(text, SignatureForm::Der, MacInput::Plain).unwrap()
    };
    let digest = |text: &str| hex::to_string(&portcullis::hash::sha256::digest(text.as_bytes()));
    let aws = |string: &dyn Fn(&str) -> String| {
        let canonical = format!(
            "POST\n/a%2520b\nB=1&a=&c=%E4%B8%AD\nhost:h\nx-amz-date:20231114T221320Z\n\nhost;x-amz-date\n{}",
            digest("{}")
        );
        let parts: [&[u8]; 4] = [b"20231114", b"r", b"s", b"aws4_request"];
        let key = parts.iter().fold(b"AWS4a-secret-of-24-bytes-now".to_vec(), |key, part| mac(&key, part));
        let signature = hex::to_string(&mac(&key, string(&canonical).as_bytes()));
        let auth = format!(
            "AWS4-HMAC-SHA256 Credential=mac-key/20231114/r/s/aws4_request, SignedHeaders=host;x-amz-date, Signature={signature}"
        );
        let headers = [
            Header { name: b"host", value: b"h" },
            Header { name: b"x-amz-date", value: b"20231114T221320Z" },
            Header { name: b"x-original-uri", value: b"/public/a" },
            Header { name: b"authorization", value: auth.as_bytes() },
        ];
        let request = Request { headers: &headers, ..Request::new(b"POST", b"/a%20b?c=%E4%B8%AD&a=&B=1", b"{}") };
        explain(&snapshot, &request)
    };
    let over = |canonical: &str| {
        format!("AWS4-HMAC-SHA256\n20231114T221320Z\n20231114/r/s/aws4_request\n{}", digest(canonical))
    };
    assert!(aws(&over).contains("good       "), "{}", aws(&over));
    type Change<'c> = &'c dyn Fn(&str) -> String;
    let cases: [(&str, Change<'_>); 14] = [
        ("the digest of the body is missing", &|c| c.replace(&digest("{}"), "")),
        ("the digest of the body is missing", &|c| c.replace(&format!("\n{}", digest("{}")), "")),
        ("the body itself stands in the canonical request", &|c| c.replace(&digest("{}"), "{}")),
        ("the digest of the body was written in upper case", &|c| {
            c.replace(&digest("{}"), &digest("{}").to_uppercase())
        }),
        ("UNSIGNED-PAYLOAD", &|c| c.replace(&digest("{}"), "UNSIGNED-PAYLOAD")),
        ("the body was left out", &|c| c.replace(&digest("{}"), &digest(""))),
        ("the query's parameters were not sorted", &|c| c.replace("B=1&a=&c=%E4%B8%AD", "c=%E4%B8%AD&a=&B=1")),
        ("sorted without regard to case", &|c| c.replace("B=1&a=&c", "a=&B=1&c")),
        ("empty values were left out", &|c| c.replace("&a=&", "&")),
        ("the query's values were decoded", &|c| c.replace("%E4%B8%AD", "中")),
        ("the query was left out", &|c| c.replace("B=1&a=&c=%E4%B8%AD", "")),
        ("the path was decoded before signing", &|c| c.replace("%2520", "%20")),
        ("for path /public/a", &|c| c.replace("/a%2520b\nB=1&a=&c=%E4%B8%AD", "/public/a\n")),
        ("a line end too many behind the canonical request", &|c| format!("{c}\n")),
    ];
    for (fix, change) in cases {
        found(&aws(&|canonical| over(&change(canonical))), fix);
    }
    found(&aws(&|canonical| canonical.to_owned()), "the canonical request itself was signed");
}

/// What must be signed with a body, and is not there.
#[test]
fn a_digest_that_was_not_sent_or_not_signed_is_named() {
    let names = json!(["kong-hmac", "rfc9421"]);
    let document = json!({"version": 1, "apps": [{"app_id": "a", "profiles": names, "credentials": [
        {"kid": "k", "alg": "hmac-sha256", "secret": "a-secret-of-24-bytes-now"}]}]});
    let snapshot = Config::from_json(document.to_string().as_bytes()).unwrap();
    let date = Header { name: b"date", value: b"Tue, 14 Nov 2023 22:13:20 GMT" };
    let auth = br#"hmac username="k", algorithm="hmac-sha256", headers="date @request-target", signature="AAAA""#;
    let kong = [date, Header { name: b"authorization", value: auth }];
    let host = Header { name: b"host", value: b"h" };
    let input = br#"s=("@method" "@authority" "@path" "@query");created=1700000000;keyid="k""#;
    let http =
        [host, Header { name: b"signature-input", value: input }, Header { name: b"signature", value: b"s=:AAAA:" }];
    for (headers, name) in [(&kong[..], "digest"), (&http, "content-digest")] {
        let request = Request { headers, ..Request::new(b"POST", b"/a", b"{}") };
        let report = explain(&snapshot, &request);
        found(&report, &format!("the digest of the body is missing: with a body, {name:?} must be sent"));
        let bare = explain(&snapshot, &Request { headers, ..Request::new(b"POST", b"/a", b"") });
        assert!(!bare.contains("digest of the body is missing"), "{bare}");
    }
}

/// The right signature under the wrong name: another key of the app, a key of another app, and the key id of another app, for MACs and for
/// key pairs.
#[test]
fn keys_and_key_ids_of_others_are_found() {
    use aws_lc_rs::signature::KeyPair;
    let keys = Keys::new();
    let p256 = lc::EcdsaKeyPair::from_pkcs8(&lc::ECDSA_P256_SHA256_ASN1_SIGNING, &keys.p256).unwrap();
    let other = lc::EcdsaKeyPair::from_pkcs8(
        &lc::ECDSA_P256_SHA256_ASN1_SIGNING,
        lc::EcdsaKeyPair::generate_pkcs8(&lc::ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new()).unwrap().as_ref(),
    )
    .unwrap();
    let mut profile = bank();
    profile["fields"]["kid"] = json!({"in": "header", "name": "x-key"});
    let public = |kid: &str, pair: &lc::EcdsaKeyPair| json!({"kid": kid, "alg": "ecdsa-p256-sha256", "public_key_hex": hex::to_string(pair.public_key().as_ref())});
    let secret = |kid: &str, secret: &str| json!({"kid": kid, "alg": "hmac-sha256", "secret": secret});
    let (one, two) = ("the-first-secret-of-all-0", "the-second-secret-of-all-");
    let app = |id: &str, credentials: Value| json!({"app_id": id, "profiles": ["the-bank", "aws-sigv4"], "credentials": credentials});
    let document = json!({"version": 1, "profiles": [profile], "apps": [
        app("a", json!([public("a1", &p256), public("a2", &other), secret("a3", one), secret("a4", two)])),
        app("b", json!([public("b1", &other), secret("b2", "a-secret-that-b-alone-has")])),
    ]});
    let snapshot = Config::from_json(document.to_string().as_bytes()).unwrap();
    let string = |app: &str| format!("POST\n/a\n{app}\n1700000000\n{{}}");
    let judge = |app: &str, kid: &str, signature: &str| {
        let headers = [
            Header { name: b"x-app", value: app.as_bytes() },
            Header { name: b"x-key", value: kid.as_bytes() },
            Header { name: b"x-time", value: b"1700000000" },
            Header { name: b"x-signature", value: signature.as_bytes() },
        ];
        let request = Request { headers: &headers, profile: Some("the-bank"), ..Request::new(b"POST", b"/a", b"{}") };
        explain(&snapshot, &request)
    };
    let pair = |pair: &lc::EcdsaKeyPair, app: &str| {
        text(pair.sign(&SystemRandom::new(), string(app).as_bytes()).unwrap().as_ref())
    };
    let mac = |secret: &str, app: &str| {
        let key = SigningKey::secret(Algorithm::HmacSha256, secret.as_bytes()).unwrap();
        hex::to_string(&key.sign(string(app).as_bytes(), SignatureForm::Der, MacInput::Plain).unwrap())
    };
    assert!(judge("a", "a1", &pair(&p256, "a")).contains("good       "));
    assert!(judge("a", "a3", &mac(one, "a")).contains("good       "));
    found(&judge("a", "a1", &pair(&other, "a")), "it was signed with another key of the app, \"a2\"");
    found(&judge("a", "a3", &mac(two, "a")), "it was signed with another key of the app, \"a4\"");
    found(&judge("b", "b1", &pair(&p256, "b")), "it was signed with a key of another app, a");
    found(&judge("b", "b2", &mac(one, "b")), "it was signed with a key of another app, a");
    for (kid, signature, own) in [("b1", pair(&p256, "a"), "\"a1\""), ("b2", mac(two, "a"), "\"a4\"")] {
        let report = judge("a", kid, &signature);
        found(&report, "the key id is of another app, b: send the key id of the app that the request names");
        found(&report, &format!("it was signed with another key of the app, {own}"));
    }
    assert!(!judge("a", "nobody's", &mac(one, "a")).contains("the key id is of another app"));
    // Where the key id alone says whose the request is.
    let digest = |text: &str| hex::to_string(&portcullis::hash::sha256::digest(text.as_bytes()));
    let canonical = format!("GET\n/\n\nhost:h\nx-amz-date:20231114T221320Z\n\nhost;x-amz-date\n{}", digest(""));
    let string = format!("AWS4-HMAC-SHA256\n20231114T221320Z\n20231114/r/s/aws4_request\n{}", digest(&canonical));
    let step = |key: &[u8], text: &[u8]| {
        SigningKey::secret(Algorithm::HmacSha256, key).unwrap().sign(text, SignatureForm::Der, MacInput::Plain).unwrap()
    };
    let parts: [&[u8]; 4] = [b"20231114", b"r", b"s", b"aws4_request"];
    let key = parts.iter().fold(format!("AWS4{one}").into_bytes(), |key, part| step(&key, part));
    let auth = format!(
        "AWS4-HMAC-SHA256 Credential=b2/20231114/r/s/aws4_request, SignedHeaders=host;x-amz-date, Signature={}",
        hex::to_string(&step(&key, string.as_bytes()))
    );
    let headers = [
        Header { name: b"host", value: b"h" },
        Header { name: b"x-amz-date", value: b"20231114T221320Z" },
        Header { name: b"authorization", value: auth.as_bytes() },
    ];
    let report = explain(&snapshot, &Request { headers: &headers, ..Request::new(b"GET", b"/", b"") });
    found(&report, "it was signed with a key of another app, a");
}

const LONG_SALT: &str = "BqEeilUO/2cB6tkGvrQ/A3AnrcVXRTge+8Ka70qxffq9Q+A3t1ZWi1VebQ2C1mHy4dZm2xZcUuHgaYEkmsdnQS+c9ZitOZCB8XweD4EDzgnYK1DktKF18We8OM1E3c+eT4N3Rl/pHsST03mbk1aEnA9zeA+TWi0eUo46qEDu7rzPYvP5fIC0ZIDdeFbc/aBvWeIQwjvGbYRK9BqSW6vbhcxtHVecLEnmMjFK/a5u/pl9q/VwXkrT6dm9yqomwodsuVACwUQ26J32hOj0Oha/Fd4jz4Ystku+c7HQCEITGT+4M0AHLjcc86WGKKBKjnTAy77Ov1/Oto/gPM9NBxSwGQ==";

/// A P-256 key, and its signature of the guide's string of app `fixed` with SHA-384; made by Python's `cryptography`.
const FIXED: &str = "0413783a0d30f2bf5dbe1eaf8ef28b2299f57f4742ab6563c355850454c63fc16062d1bdc07ecc1c33c065f96582073c3cf88cecb7894e8e3af84be70fc59ca2a6";
const WITH_SHA384: &str =
    "MEUCIQDh6dVZWm04ULqqoeroFaI4btpioF0qdpEAIEJ7XurBJgIgIjsVkb0iFu7r3okXrqpSj6Xe/mpTIrAaZ5pFcvY5tOc=";
