//! Responses signed by the profiles that describe them, one for each kind of scheme, and read again by the code that judges.

use portcullis::alg::{Algorithm, Item, Key, MacInput, PublicKey, SignatureForm, Verifier};
use portcullis::canon::client::Draft;
use portcullis::canon::{self, Alg, Answer, Scratch};
use portcullis::engine::{Engine, Options, Signer, SignerOptions};
use portcullis::keys::Config;
use portcullis::lanes::Cpu;
use portcullis::request::{Header, Request, Sizes};
use portcullis::time::Millis;
use serde_json::{Value, json};
use std::sync::Arc;

const NOW: Millis = Millis(1_700_000_000_000);
const PEM: &str = include_str!("../vectors/demo/keys/p10004-2026.pem");
const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn rsa_public() -> String {
    let file: Value = serde_json::from_str(include_str!("../vectors/wechatpay-v3/cases.json")).unwrap();
    file["app"]["credentials"][0]["public_key_pem"].as_str().unwrap().to_owned()
}

fn document(profile: &str, alg: &str) -> Vec<u8> {
    let mut credential = json!({"kid": "7", "alg": alg});
    match alg.starts_with("hmac") {
        true => credential["secret"] = json!(SECRET),
        false => credential["public_key_pem"] = json!(rsa_public()),
    }
    let app = json!({"app_id": "bank", "profiles": [profile], "credentials": [credential]});
    json!({"version": 1, "apps": [app]}).to_string().into_bytes()
}

fn signer(document: &[u8], profile: &str, alg: &str) -> Result<Signer, String> {
    let snapshot = Arc::new(Config::from_json(document).unwrap());
    let options = SignerOptions {
        profile,
        app_id: "bank",
        private_key_pem: (!alg.starts_with("hmac")).then_some(PEM),
        extra: &[("http://openbanking.org.uk/iss", "a bank"), ("http://openbanking.org.uk/tan", "bank.example")],
        ..SignerOptions::default()
    };
    Signer::new(snapshot, &options).map_err(|e| e.to_string())
}

fn request<'r>(headers: &'r [Header<'r>]) -> Request<'r> {
    Request { headers, scheme: Some(b"https"), ..Request::new(b"POST", b"/pay?a=b", b"{}") }
}

const HOST: [Header<'static>; 1] = [Header { name: b"host", value: b"api.example" }];

/// Schemes whose responses are lines, sorted parameters, XML, or a JWS: what was signed is taken, and no changed byte of the body is.
#[test]
fn responses_of_headers_and_body_are_signed_and_taken() {
    let form = "application/x-www-form-urlencoded";
    for (profile, alg, media, body) in [
        ("wechatpay-v3-callback", "rsa-pkcs1-sha256", "application/json", r#"{"code":"SUCCESS","amount":1}"#),
        ("jws-detached", "rsa-pss-sha256", "application/json", r#"{"Data":{"Status":"Accepted"}}"#),
        ("alipay-notify", "rsa-pkcs1-sha256", form, "trade_no=1&subject=%E4%B8%AD&gmt_close="),
        ("unionpay", "rsa-pkcs1-sha256", form, "signMethod=01&respCode=00&respMsg=ok"),
        ("wechatpay-v2", "hmac-sha256", "text/xml", "<xml><return_code>SUCCESS</return_code></xml>"),
        ("stripe", "hmac-sha256", "application/json", r#"{"id":"evt_1"}"#),
        ("github", "hmac-sha256", "application/json", r#"{"zen":"."}"#),
    ] {
        let document = document(profile, alg);
        let own = [Header { name: b"content-type", value: media.as_bytes() }];
        let own = Request { headers: &own, ..Request::new(b"POST", b"/", body.as_bytes()) };
        let mut draft = Draft::answering(200, &own, &request(&HOST));
        signer(&document, profile, alg)
            .unwrap()
            .sign(&mut draft, NOW, Some("n-1"))
            .unwrap_or_else(|e| panic!("{profile}: {e}"));
        let options = Options { now: Some(Millis(0)), closed_set: true, ..Options::default() };
        let mut worker = Engine::open_with(&document, &options).unwrap().worker();
        let mut judge = |draft: &Draft| {
            draft.lend(|request| {
                let more = Request { received_at: Some(NOW), app_id: Some("bank"), profile: Some(profile), ..*request };
                let verdict = worker.verify(&more);
                assert!(!verdict.ok() || worker.release(&verdict.ticket));
                verdict.reason.name()
            })
        };
        assert_eq!(judge(&draft), "ok", "{profile}: {draft:?}");
        for at in 0..draft.body.len() {
            let mut changed = draft.clone();
            changed.body[at] ^= 1;
            assert_ne!(judge(&changed), "ok", "{profile}: byte {at} of {:?}", String::from_utf8_lossy(&draft.body));
        }
        let twice = signer(&document, profile, alg).unwrap().sign(&mut draft, NOW, Some("n-1"));
        assert!(twice.is_err(), "{profile}: signed twice");
    }
}

/// Whether the response is one that the app signed by RFC 9421.
fn judge(alg: &str, draft: &Draft, status: u16, asked: &Request<'_>) -> Result<bool, String> {
    let algorithm = Algorithm::from_name(alg).unwrap();
    let key = match alg {
        "hmac-sha256" => Key::secret(algorithm, SECRET.as_bytes()).unwrap(),
        _ => Key::public(algorithm, &PublicKey::from_pem(&rsa_public()).unwrap(), None).unwrap(),
    };
    let profile = canon::builtin("rfc9421").unwrap();
    let headers: Vec<Header<'_>> = draft.headers.iter().map(|(name, value)| Header { name, value }).collect();
    let answer = Answer { status, headers: &headers, body: &draft.body, trailers: &[], request: asked };
    let (mut scratch, mut base, mut signature) = (Scratch::new(), Vec::new(), Vec::new());
    let alg = Alg::from_name(alg).unwrap();
    let extract = profile.extract_answer(&answer, &mut scratch, &Sizes::default()).map_err(|e| e.to_string())?;
    assert_eq!(extract.timestamp, Some(NOW));
    profile.write_message(&extract, asked, alg, &mut base).unwrap();
    profile.decode_signature(extract.signature, alg, &mut signature).unwrap();
    let (form, input) = (SignatureForm::Fixed, MacInput::Plain);
    let mut good = [false];
    let item = Item { key: &key, message: &base, signature: &signature, form, input };
    Verifier::new(Cpu::detect()).verify(&[item], &mut good);
    Ok(good[0])
}

/// HTTP Message Signatures: the status, the request and the body's digest are covered, as the built-in profile asks.
#[test]
fn responses_of_rfc_9421_are_bound_to_their_request() {
    for (alg, body) in [("hmac-sha256", "{\"a\":1}"), ("rsa-pkcs1-sha256", ""), ("rsa-pss-sha512", "text")] {
        let signer = signer(&document("rfc9421", alg), "rfc9421", alg).unwrap();
        let own = Request::new(b"", b"", body.as_bytes());
        let mut draft = Draft::answering(201, &own, &request(&HOST));
        signer.sign(&mut draft, NOW, Some("n-1")).unwrap();
        let judge = |draft: &Draft, status: u16, asked: &Request<'_>| judge(alg, draft, status, asked);
        let asked = request(&HOST);
        assert_eq!(judge(&draft, 201, &asked), Ok(true), "{alg}: {draft:?}");
        assert_eq!(judge(&draft, 200, &asked), Ok(false), "another status");
        assert_eq!(judge(&draft, 201, &Request { method: b"PUT", ..asked }), Ok(false), "another method");
        assert_eq!(judge(&draft, 201, &Request { target: b"/pay?a=c", ..asked }), Ok(false), "another query");
        assert_eq!(judge(&draft, 201, &Request { target: b"/paid?a=b", ..asked }), Ok(false), "another path");
        let other = [Header { name: b"host", value: b"other.example" }];
        assert_eq!(judge(&draft, 201, &Request { headers: &other, ..asked }), Ok(false), "another authority");
        if !body.is_empty() {
            let changed = Draft { body: b"other".to_vec(), ..draft.clone() };
            assert_eq!(judge(&changed, 201, &asked), Err("bad_digest (digest)".into()));
        }
        // What must be covered is not left out.
        for component in
            [" \"@method\";req", "\"@status\" ", " \"@path\";req", " \"@query\";req", " \"@authority\";req"]
        {
            let mut less = draft.clone();
            for (_, value) in less.headers.iter_mut().filter(|(name, _)| name == b"signature-input") {
                let text = String::from_utf8(value.clone()).unwrap();
                assert!(text.contains(component), "{component}: {text}");
                *value = text.replace(component, "").into_bytes();
            }
            assert_eq!(judge(&less, 201, &asked), Err("invalid_field (signature_input)".into()), "{component}");
        }
    }
}

/// `portcullis sign --answers`: two responses, each to its request.
#[test]
fn the_command_line_signs_responses() {
    let folder = std::env::temp_dir().join(format!("portcullis-answers-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(folder.join(name), bytes).unwrap();
        folder.join(name)
    };
    let line = |target: &str| json!({"method": "POST", "target": target, "headers": [["host", "api.example"]], "scheme": "https"});
    let own = |body: &str| json!({"method": "POST", "target": "/", "body": body});
    let config = write("config.json", &document("rfc9421", "hmac-sha256"));
    let requests = write("requests", format!("{}\n{}\n", line("/a?b"), line("/c")).as_bytes());
    let answers = write("answers", format!("{}\n{}\n", own("1"), own("")).as_bytes());
    let run = |more: &[&str], answers: &std::path::Path| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command
            .args(["sign", "--app", "bank", "--profile", "rfc9421", "--now", "1700000000000", "--config"])
            .arg(&config);
        command.args(more).arg(answers).output().unwrap()
    };
    let output = run(&["--answers", requests.to_str().unwrap(), "--status", "503"], &answers);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    for (at, target) in ["/a?b", "/c"].into_iter().enumerate() {
        let mut line = text.lines().nth(at).unwrap().to_owned().into_bytes();
        let mut parser = portcullis::ndjson::Parser::new();
        let draft = Draft::of(&parser.parse(&mut line).unwrap().request());
        let asked = Request { target: target.as_bytes(), ..request(&HOST) };
        assert_eq!(judge("hmac-sha256", &draft, 503, &asked), Ok(true));
        assert_eq!(judge("hmac-sha256", &draft, 200, &asked), Ok(false));
    }
    // One request for two responses; a status without a request.
    let one = write("one", format!("{}\n", line("/a?b")).as_bytes());
    let few = run(&["--answers", one.to_str().unwrap()], &answers);
    assert!(!few.status.success() && String::from_utf8_lossy(&few.stderr).contains("too few lines"));
    assert!(!run(&["--status", "200"], &answers).status.success());
    std::fs::remove_dir_all(&folder).unwrap();
}

/// A scheme that signs a path, or has its signature in a query, signs requests.
#[test]
fn schemes_of_requests_sign_no_response() {
    for (profile, alg) in [
        ("wechatpay-v3", "rsa-pkcs1-sha256"),
        ("kong-hmac", "hmac-sha256"),
        ("aws-sigv4", "hmac-sha256"),
        ("openapi", "hmac-sha256"),
    ] {
        let own = Request::new(b"", b"", b"{}");
        let mut draft = Draft::answering(200, &own, &request(&HOST));
        let signer = signer(&document(profile, alg), profile, alg).unwrap();
        assert!(signer.sign(&mut draft, NOW, None).is_err(), "{profile}");
    }
}

/// Components of a response that a profile may ask for are those that a response has.
#[test]
fn what_a_profile_asks_of_responses_is_checked_when_it_is_read() {
    let with = |value: Value| {
        let mut profile: Value = serde_json::from_str(canon::builtin_document("rfc9421").unwrap()).unwrap();
        profile["answer_must"] = value;
        let document = portcullis::codec::doc::Document::parse(profile.to_string().as_bytes()).unwrap();
        canon::Profile::from_document(&document.root()).map(drop).map_err(|e| e.to_string())
    };
    assert!(with(json!(["@status", "content-type", ["@method;req", "date;req"]])).is_ok());
    for wrong in [json!(["@method"]), json!([["@status", "@path"]]), json!(["Date"]), json!([[]]), json!("@status")] {
        assert!(with(wrong.clone()).unwrap_err().contains("answer_must"), "{wrong}");
    }
}
