//! Hostile input to every built-in scheme, made from requests that are good: a verdict for each, and never `ok` for what was not signed.

use super::*;
use portcullis::engine::Worker;
use std::cell::RefCell;

/// Every scheme's first good request, with its file.
fn good() -> impl Iterator<Item = (String, Value, Value)> {
    files().into_iter().map(|(name, file)| {
        let case = file["cases"].as_array().unwrap().iter().find(|c| c["reason"] == "ok").unwrap().clone();
        (name, file, case["request"].clone())
    })
}

/// The worker of a scheme's engine.
struct Judge(RefCell<(Worker, Parser)>);

impl Judge {
    fn new(name: &str, file: &Value) -> Self {
        Self(RefCell::new((engine(&config(name, file)).worker(), Parser::new())))
    }
}

fn judge(judge: &Judge, request: &Value) -> &'static str {
    let mut line = request.to_string().into_bytes();
    let (worker, parser) = &mut *judge.0.borrow_mut();
    let line = parser.parse(&mut line).unwrap();
    let verdict = worker.verify(&line.request());
    if verdict.ok() {
        assert!(worker.release(&verdict.ticket));
    }
    verdict.reason.name()
}

/// Line ends in values, folded or not, and spaces in names: what cannot have come over HTTP is no request, whatever signed it.
#[test]
fn line_ends_folds_and_spaces_in_headers_are_malformed_in_every_scheme() {
    for (name, file, request) in good() {
        let engine = Judge::new(&name, &file);
        assert_eq!(judge(&engine, &request), "ok", "{name}");
        let mut with = request.clone();
        with["headers"].as_array_mut().unwrap().push(json!(["x-more", "1"]));
        let count = with["headers"].as_array().unwrap().len();
        for at in 0..count {
            let value = with["headers"][at][1].as_str().unwrap();
            let (half, rest) = value.split_at((value.len() / 2..).find(|i| value.is_char_boundary(*i)).unwrap());
            for hostile in [
                format!("{value}\r\nx-evil: 1"),
                format!("{value}\nx-evil: 1"),
                format!("{value}\r"),
                format!("{half}\r\n {rest}"),
                format!("{half}\n\t{rest}"),
                format!("{half}\0{rest}"),
                format!("{half}\u{7f}{rest}"),
            ] {
                let mut changed = with.clone();
                changed["headers"][at][1] = json!(hostile);
                assert_eq!(judge(&engine, &changed), "malformed_request", "{name}: {hostile:?}");
            }
            let header = with["headers"][at][0].as_str().unwrap();
            for hostile in [
                format!("{header} "),
                format!(" {header}"),
                format!("{header}\t"),
                "x y".into(),
                "x:y".into(),
                String::new(),
            ] {
                let mut changed = with.clone();
                changed["headers"][at][0] = json!(hostile);
                assert_eq!(judge(&engine, &changed), "malformed_request", "{name}: {hostile:?}");
            }
        }
        for target in ["/a b", "/a\r\nx: y", "/a\n", "", "/a\0"] {
            let mut changed = request.clone();
            changed["target"] = json!(target);
            assert_eq!(judge(&engine, &changed), "malformed_request", "{name}: {target:?}");
        }
        for method in ["", "GET ", "G\r\nET", "GET /a HTTP/1.1\r\n"] {
            let mut changed = request.clone();
            changed["method"] = json!(method);
            assert_eq!(judge(&engine, &changed), "malformed_request", "{name}: {method:?}");
        }
    }
}

/// What is too long or too many is refused before anything is read of it; below the bounds it is judged.
#[test]
fn overlong_queries_and_headers_have_a_verdict_in_every_scheme() {
    for (name, file, request) in good() {
        let engine = Judge::new(&name, &file);
        let target = request["target"].as_str().unwrap();
        let join = if target.contains('?') { '&' } else { '?' };
        let query = |pairs: String| {
            let mut changed = request.clone();
            changed["target"] = json!(format!("{target}{join}{pairs}"));
            judge(&engine, &changed)
        };
        assert_eq!(query("a".repeat(17 << 10)), "malformed_request", "{name}");
        let signed = query("zz=1".into()) != "ok";
        for pairs in ["a&".repeat(8000), "=&".repeat(8000), "%41".repeat(5000), "&".repeat(16000), "?".repeat(16000)] {
            query(pairs);
        }
        for pairs in ["a=%2525&".repeat(1900), (0..1900).map(|n| format!("a{n}=1&")).collect()] {
            assert!(!signed || query(pairs) != "ok", "{name}");
        }
        let headers = |more: Vec<Value>| {
            let mut changed = request.clone();
            changed["headers"].as_array_mut().unwrap().extend(more);
            judge(&engine, &changed)
        };
        assert_eq!(headers(vec![json!(["x", "a".repeat(65 << 10)])]), "malformed_request", "{name}");
        assert_eq!(headers(vec![json!(["x", "a"]); 200]), "malformed_request", "{name}");
        assert_eq!(headers(vec![json!(["x", "a".repeat(50 << 10)])]), "ok", "{name}: nothing of the scheme's");
    }
}

/// The header that holds the signature, with a thousand pairs, items or parts more, quotes that nobody closes, and brackets in brackets.
#[test]
fn crowded_and_unfinished_signature_headers_are_refused_in_every_scheme() {
    let pairs: String = (0..1000).map(|n| format!(",a{n}=\"{n}\"")).collect();
    let more = [
        pairs,
        ",a=\"b".into(),
        ",a=\"b\\".into(),
        ",a=\"b\\\"".into(),
        ",\"".into(),
        ",=".into(),
        ",".repeat(1000),
        "\"".repeat(40_000),
        "\\\"".repeat(20_000),
        ";a".repeat(20_000),
        "(".repeat(40_000),
        "=".repeat(40_000),
        ".".repeat(1000),
        " AAAA".into(),
    ];
    for (name, file, request) in good() {
        let engine = Judge::new(&name, &file);
        let profile = profile_of(&name, &file);
        for at in 0..request["headers"].as_array().unwrap().len() {
            // The scheme's own headers are those without which it sees nothing of its own.
            let mut without = request.clone();
            without["headers"].as_array_mut().unwrap().remove(at);
            let mut line = without.to_string().into_bytes();
            let mut parser = Parser::new();
            if profile.recognises(&parser.parse(&mut line).unwrap().request()) {
                continue;
            }
            let value = request["headers"][at][1].as_str().unwrap();
            for more in &more {
                for text in [format!("{value}{more}"), format!("{}{value}", more.trim_start_matches([',', ' ']))] {
                    let mut changed = request.clone();
                    changed["headers"][at][1] = json!(text);
                    let shown: String = text.chars().take(200).collect();
                    // What stands behind Stripe's `v0` is no part of what is read.
                    let unread = name == "stripe" && !more.starts_with(',');
                    assert!(text == value || unread || judge(&engine, &changed) != "ok", "{name}: {shown}");
                }
            }
            // Twice is not once.
            let mut twice = request.clone();
            let copy = twice["headers"][at].clone();
            twice["headers"].as_array_mut().unwrap().push(copy);
            assert_ne!(judge(&engine, &twice), "ok", "{name}");
        }
    }
}

/// Base64 of a good signature in other spellings: padding where none belongs, none where it does, white space, the other alphabet, bits behind
/// the end.
#[test]
fn other_spellings_of_base64_are_refused_in_every_scheme() {
    let mut tried = 0;
    for (name, file, request) in good() {
        let engine = Judge::new(&name, &file);
        let text = request.to_string();
        let profile = profile_of(&name, &file);
        let mut line = text.clone().into_bytes();
        let mut parser = Parser::new();
        let line = parser.parse(&mut line).unwrap();
        let mut scratch = Scratch::new();
        let request = line.request();
        let extract = profile.extract(&request, &mut scratch, &Sizes::default()).unwrap();
        let signature = std::str::from_utf8(extract.signatures().next().unwrap().0).unwrap().to_owned();
        let hex = signature.bytes().all(|b| b.is_ascii_hexdigit());
        let encoded = |signature: &str| {
            signature
                .replace('%', "%25")
                .replace('+', "%2B")
                .replace('/', "%2F")
                .replace('=', "%3D")
                .replace(' ', "%20")
        };
        let bare = signature.trim_end_matches('=');
        let mut last = bare.to_owned().into_bytes();
        *last.last_mut().unwrap() = if last.ends_with(b"B") { b"C"[0] } else { b"B"[0] };
        let others = [
            format!("{signature}="),
            format!("{bare}==="),
            format!("{bare}===="),
            format!("{signature} "),
            format!(" {signature}x"),
            format!("{} {}", &signature[..4], &signature[4..]),
            if bare.len() < signature.len() { bare.to_owned() } else { format!("{bare}==") },
            signature.replace('+', "-").replace('/', "_") + "A",
            String::from_utf8(last).unwrap(),
        ];
        for other in others.iter().filter(|other| **other != signature) {
            for (from, to) in [(signature.clone(), other.clone()), (encoded(&signature), encoded(other))] {
                let changed = text.replace(&from, &to);
                // White space around a header's value is not part of it.
                if changed != text && other.trim() != signature {
                    tried += 1;
                    let reason = judge(&engine, &serde_json::from_str(&changed).unwrap());
                    assert_ne!(reason, "ok", "{name}: {other:?} for {signature:?} (hexadecimal: {hex})");
                }
            }
        }
    }
    assert!(tried > 200, "{tried}");
}

/// WeChat's XML: bombs, depth, and everything that is not flat text.
#[test]
fn xml_that_is_not_flat_is_malformed() {
    let file: Value = serde_json::from_str(include_str!("../../vectors/wechatpay-v2/cases.json")).unwrap();
    let engine = Judge::new("wechatpay-v2", &file);
    let mut request = file["cases"][0]["request"].clone();
    let good = request["body"].as_str().unwrap().to_owned();
    let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;&b;&b;\">]>";
    let inside = |text: &str| good.replace(">test<", &format!(">{text}<"));
    let mut judge = |body: String| {
        request["body"] = json!(body);
        super::hostile::judge(&engine, &request)
    };
    assert_eq!(judge(good.clone()), "ok");
    for body in [
        format!("{bomb}{good}"),
        format!("<!DOCTYPE xml SYSTEM \"file:///etc/passwd\">{good}"),
        inside("&a;"),
        inside("&c;"),
        inside("&#116;est"),
        inside("&#x74;est"),
        inside("&amp"),
        inside("&"),
        inside("<![CDATA[test"),
        inside("<![CDATA[te]]>st]]>"),
        inside("<!-- -->test"),
        inside("<?php ?>test"),
        inside("<b>test</b>"),
        good.replace("<body>", "<body a=\"1\">"),
        good.replace("</body>", "</bodY>"),
        good.replace("</xml>", ""),
        format!("{good}{good}"),
        format!("{good}x"),
        "<a>".repeat(100_000),
        format!("{}{}", "<a>".repeat(50_000), "</a>".repeat(50_000)),
        format!("<xml>{}</xml>", "<".repeat(100_000)),
        format!("<xml>{}</xml>", "<a>".to_owned() + &"&".repeat(100_000) + "</a>"),
        format!("<xml><a>{}</a></xml>", "<![CDATA[".repeat(20_000)),
        format!("<xml>{}</xml>", (0..2000).map(|n| format!("<a{n}>1</a{n}>")).collect::<String>()),
        "\u{feff}<xml/>".into(),
        String::from("<xml"),
    ] {
        let shown: String = body.chars().take(120).collect();
        assert_eq!(judge(body), "malformed_request", "{shown}");
    }
    // The same text, written otherwise, is the same parameter.
    for body in [
        inside("<![CDATA[test]]>"),
        inside("<![CDATA[te]]><![CDATA[st]]>"),
        format!("<?xml version=\"1.0\"?>\n{good}\n"),
    ] {
        assert_eq!(judge(body.clone()), "ok", "{body}");
    }
}

/// JWS: `none`, an algorithm of another kind of key, a public key as a secret, `crit`, members twice, keys by path, and what follows a header
/// of JSON that is not quite JSON.
#[test]
fn hostile_jose_headers_are_refused() {
    use portcullis::alg::{Algorithm, MacInput, SignatureForm, SigningKey};
    use portcullis::codec::base64::{Variant, to_string};
    let secret = "0123456789abcdef0123456789abcdef";
    let wechat: Value = serde_json::from_str(include_str!("../../vectors/wechatpay-v3/cases.json")).unwrap();
    let pem = wechat["app"]["credentials"][0]["public_key_pem"].as_str().unwrap().to_owned();
    let profile = json!({
        "name": "tokens", "shape": "jose", "form": "detached", "header": "x-jws", "crit": ["known"],
        "legacy_unsafe": ["no_timestamp", "no_nonce", "unsigned_method", "unsigned_path", "unsigned_query"],
        "algorithms": {"hmac-sha256": {"signature": "base64url"}, "rsa-pkcs1-sha256": {"signature": "base64url"}},
    });
    let file = json!({"profile": profile, "app": {"credentials": [
        {"kid": "mac", "alg": "hmac-sha256", "secret": secret}, {"kid": "rsa", "alg": "rsa-pkcs1-sha256", "public_key_pem": pem}]}});
    let engine = Judge::new("tokens", &file);
    let encode = |bytes: &[u8]| to_string(Variant::UrlSafeNoPad, bytes);
    let jws = |header: &str, key: &[u8]| {
        let text = format!("{}.{}", encode(header.as_bytes()), encode(b"{}"));
        let key = SigningKey::secret(Algorithm::HmacSha256, key).unwrap();
        let signature = key.sign(text.as_bytes(), SignatureForm::Der, MacInput::Plain).unwrap();
        format!("{}..{}", encode(header.as_bytes()), encode(&signature))
    };
    let post = |jws: &str| {
        let request = json!({"method": "POST", "target": "/", "headers": [["x-jws", jws]], "body": "{}", "received_at_ms": 0, "profile": "tokens"});
        judge(&engine, &request)
    };
    assert_eq!(post(&jws(r#"{"alg":"HS256","kid":"mac"}"#, secret.as_bytes())), "ok");
    assert_eq!(post(&jws(r#"{"alg":"HS256","kid":"mac","crit":["known"],"known":1}"#, secret.as_bytes())), "ok");
    for (header, reason) in [
        (r#"{"alg":"none","kid":"mac"}"#, "invalid_field"),
        (r#"{"alg":"None"}"#, "invalid_field"),
        (r#"{"alg":"nOnE"}"#, "invalid_field"),
        (r#"{"alg":""}"#, "invalid_field"),
        (r#"{"alg":null}"#, "missing_field"),
        (r#"{"alg":["HS256"]}"#, "missing_field"),
        (r#"{"kid":"mac"}"#, "missing_field"),
        (r#"{"alg":"hs256"}"#, "invalid_field"),
        (r#"{"alg":"RS256","kid":"mac"}"#, "unknown_key"),
        (r#"{"alg":"HS256","kid":"rsa"}"#, "unknown_key"),
        (r#"{"alg":"HS512","kid":"mac"}"#, "unknown_key"),
        (r#"{"alg":"HS256","kid":"mac","crit":["exp"],"exp":1}"#, "invalid_field"),
        (r#"{"alg":"HS256","kid":"mac","crit":["known","other"],"known":1,"other":1}"#, "invalid_field"),
        (r#"{"alg":"HS256","kid":"mac","crit":["known"]}"#, "invalid_field"),
        (r#"{"alg":"HS256","kid":"mac","crit":[]}"#, "invalid_field"),
        (r#"{"alg":"HS256","kid":"mac","crit":"known","known":1}"#, "invalid_field"),
        (r#"{"alg":"HS256","kid":"mac","crit":["known","known"],"known":1}"#, "invalid_field"),
        (r#"{"alg":"HS256","kid":"mac","crit":["\u006bnown"],"known":1}"#, "invalid_field"),
        (r#"{"alg":"HS256","kid":"mac","crit":["alg"]}"#, "invalid_field"),
        (r#"{"alg":"HS256","alg":"none","kid":"mac"}"#, "duplicate_field"),
        (r#"{"alg":"none","alg":"HS256","kid":"mac"}"#, "duplicate_field"),
        (r#"{"alg":"HS256","\u0061lg":"none","kid":"mac"}"#, "duplicate_field"),
        (r#"{"alg":"HS256","kid":"mac","kid":"rsa"}"#, "duplicate_field"),
        (r#"{"alg":"HS256","kid":"../../../../dev/null"}"#, "unknown_key"),
        (r#"{"alg":"HS256","kid":"/dev/null"}"#, "unknown_key"),
        (r#"{"alg":"HS256","kid":"file:///etc/passwd"}"#, "unknown_key"),
        (r#"{"alg":"HS256","kid":"mac' OR '1'='1"}"#, "unknown_key"),
        (r#"{"alg":"HS256","kid":"mac\u0000"}"#, "invalid_field"),
        (r#"{"alg":"HS256","kid":"Mac"}"#, "unknown_key"),
        (r#"{"alg":"HS256","kid":7}"#, "invalid_field"),
        (r#"{"alg":"HS256","kid":{"a":1}}"#, "invalid_field"),
        (r#"{"alg":"HS256","kid":"mac","b64":false}"#, "invalid_field"),
        (r#"{"alg":"HS256","kid":"mac"}x"#, "malformed_request"),
        (r#"[{"alg":"HS256"}]"#, "malformed_request"),
        (r#"{"alg":"HS256","kid":"mac",}"#, "malformed_request"),
        (r#"{'alg':'HS256'}"#, "malformed_request"),
        ("", "malformed_request"),
    ] {
        assert_eq!(post(&jws(header, secret.as_bytes())), reason, "{header}");
    }
    // The public key, which everybody has, as the secret of a MAC.
    assert_eq!(post(&jws(r#"{"alg":"HS256","kid":"rsa"}"#, pem.as_bytes())), "unknown_key");
    assert_eq!(post(&jws(r#"{"alg":"HS256"}"#, pem.as_bytes())), "bad_signature");
    let long = format!(r#"{{"alg":"HS256","kid":"{}"}}"#, "a".repeat(65));
    assert_eq!(post(&jws(&long, secret.as_bytes())), "invalid_field");
    let deep = format!(r#"{{"alg":"HS256","a":{}{}}}"#, "[".repeat(5000), "]".repeat(5000));
    assert_eq!(post(&jws(&deep, secret.as_bytes())), "malformed_request");
    let many = format!(r#"{{"alg":"HS256"{}}}"#, (0..2000).map(|n| format!(",\"a{n}\":1")).collect::<String>());
    assert_eq!(post(&jws(&many, secret.as_bytes())), "malformed_request");
    // base64url without padding, and nothing else.
    let good = jws(r#"{"alg":"HS256","kid":"mac"}"#, secret.as_bytes());
    let (header, signature) = good.split_once("..").unwrap();
    for text in [
        format!("{header}=..{signature}"),
        format!("{header}..{signature}="),
        format!("{header}..{signature}=="),
        format!("{header} ..{signature}"),
        format!("{header}.. {signature}"),
        format!("{header}.e30.{signature}"),
        format!("{header}..{signature}."),
        format!("{header}.{signature}"),
        format!(".{header}..{signature}"),
        format!("{header}..{signature}, {header}..{signature}"),
        format!("{header}..{}", signature.replace(['-', '_'], "+") + "A"),
        "..".into(),
        ".".repeat(10_000),
    ] {
        assert_ne!(post(&text), "ok", "{text}");
    }
}

/// `Signature-Input` in structured fields: lists in lists, items that are none, a thousand of everything.
#[test]
fn hostile_structured_fields_are_refused() {
    let file: Value = serde_json::from_str(include_str!("../../vectors/rfc9421/cases.json")).unwrap();
    let engine = Judge::new("rfc9421", &file);
    let request = &file["cases"][0]["request"];
    let place = |name: &str| {
        let headers = request["headers"].as_array().unwrap();
        headers.iter().position(|h| h[0].as_str().unwrap().eq_ignore_ascii_case(name)).unwrap()
    };
    let (input, signature) = (place("signature-input"), place("signature"));
    let list = request["headers"][input][1].as_str().unwrap().to_owned();
    let text = request["headers"][signature][1].as_str().unwrap().to_owned();
    let judge = |at: usize, text: String| {
        let mut changed = request.clone();
        changed["headers"][at][1] = json!(text);
        super::hostile::judge(&engine, &changed)
    };
    assert_eq!(judge(input, list.clone()), "ok");
    let (label, rest) = list.split_once('=').unwrap();
    for hostile in [
        format!("{label}=({rest})"),
        format!("{label}={}", rest.replacen("(", "((", 1).replacen(")", "))", 1)),
        format!("{label}={}", rest.replacen("\"@path\"", "(\"@path\")", 1)),
        format!("{label}={}", rest.replacen("\"@path\"", &"(".repeat(30_000), 1)),
        format!("{label}={}", rest.replacen("\"@path\"", "\"@path\";a=(1)", 1)),
        format!("{label}={}", rest.replacen("\"@path\"", "\"@path", 1)),
        format!("{label}={}", rest.replacen("\"@path\"", "\"@path\\\"", 1)),
        format!("{label}={}", rest.replacen("\"@path\"", "\"@path\"\"@query\"", 1)),
        format!("{label}={}", rest.replacen("\"@path\"", "\"@path\",", 1)),
        format!("{label}={}", rest.replacen("\"@path\"", &"\"@path\" ".repeat(1000), 1)),
        format!("{label}={}", rest.replacen("\"@path\"", &format!("\"@path\"{}", ";a".repeat(5000)), 1)),
        format!("{label}={rest}{}", ";a".repeat(5000)),
        format!("{label}={rest}{}", (0..1000).map(|n| format!(";a{n}={n}")).collect::<String>()),
        format!("{label}={rest};"),
        format!("{label}={rest},"),
        format!("{label}={rest}, {label}={rest}"),
        format!("{label}=?1"),
        label.to_owned(),
        format!("{}={rest}", label.to_uppercase()),
        format!("{label} = {rest}"),
        String::new(),
        ",".repeat(1000),
        (0..5000).map(|n| format!("l{n}=(),")).collect(),
    ] {
        let shown: String = hostile.chars().take(160).collect();
        assert_ne!(judge(input, hostile), "ok", "{shown}");
    }
    let (_, bytes) = text.split_once('=').unwrap();
    for hostile in [
        format!("{label}=({bytes})"),
        format!("{label}={}", bytes.trim_matches(':')),
        format!("{label}=:{bytes}:"),
        format!("{label}=:"),
        format!("{label}=::"),
        format!("{label}={bytes}, {label}={bytes}"),
        format!("{label}={}", bytes.replace(':', "\"")),
        format!("other={bytes}"),
        format!("{label}={bytes},"),
        format!("{label}={}", bytes.trim_end_matches(':')),
        (0..5000).map(|n| format!("l{n}={bytes},")).collect(),
    ] {
        let shown: String = hostile.chars().take(160).collect();
        assert_ne!(judge(signature, hostile), "ok", "{shown}");
    }
}
