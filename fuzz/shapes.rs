//! What the targets of the signing schemes do with the fuzzer's text; `tests/shapes.rs` does the same with texts that it makes up.
#![allow(dead_code)] // Each target takes its part.

use crate::harness::{Words, judge, judge_by, or, pieces, sha256};
use crate::straight::{self, Sent};
use portcullis::canon::Profile;
use portcullis::codec::base64::{self, Variant};
use portcullis::codec::doc::Document;
use sfv::{Dictionary, FieldType, Item, List, ListEntry, Parser};
use std::cell::RefCell;

/// The list without what it has already, unless it begins with `!`: of lists with something twice all are refused.
fn distinct(list: &str, divider: char, has: &[&str]) -> String {
    if let Some(list) = list.strip_prefix('!') {
        return list.to_owned();
    }
    let mut names: Vec<String> = has.iter().map(|name| (*name).to_owned()).collect();
    let mut out = String::new();
    for name in list.split(divider).filter(|name| !name.is_empty()) {
        if !names.contains(&name.to_ascii_lowercase()) {
            names.push(name.to_ascii_lowercase());
            out.push(divider);
            out += name;
        }
    }
    out
}

/// The words of [`lines`], line by line, and what is done with a text of them.
pub const LINES: (Words, fn(&str) -> bool) = (
    &[
        &["POST", "GET", "PUT", "a"],
        &["/", "a", "b", "%2F", "%", "?", "&", "a=1", "..", "+", "中", "//"],
        &["a", "b", "1", "中", ",", "=", " ", "+", "\\\"", "\\\\", "'", "\t"],
        &[
            ",a=1",
            ",b=\"x,y\"",
            ", c = \"\\\"\"",
            " ",
            ",d=",
            "\t",
            ",nonce_str=\"b\"",
            ",signature=\"c2ln\"",
            ",",
            "\"",
        ],
        &["a", "{", "}", "中", " ", "\t", "\n", "\r\n", "\\", "\""],
    ],
    lines,
);

/// Shape `lines`: WeChat Pay v3.
pub fn lines(text: &str) -> bool {
    let [method, target, nonce, more, body] = pieces(text);
    let auth = format!(
        "WECHATPAY2-SHA256-RSA2048 mchid=\"m\",timestamp=\"1700000000\",nonce_str=\"{nonce}\",signature=\"c2ln\",serial_no=\"s\"{more}"
    );
    let sent = Sent {
        method: or(method, "POST"),
        target: or(target, "/"),
        headers: vec![("Authorization".into(), auth)],
        body: body.into(),
    };
    judge("wechatpay-v3", "rsa-pkcs1-sha256", &sent, straight::wechat)
}

/// The words of [`canonical_request`], line by line, and what is done with a text of them.
pub const CANONICAL_REQUEST: (Words, fn(&str) -> bool) = (
    &[
        &["GET", "POST", "PUT", "a"],
        &[
            "/",
            "a",
            "b",
            "..",
            ".",
            "//",
            "%2F",
            "%41",
            "%e4%b8%ad",
            "%20",
            "+",
            "?",
            "?",
            "&",
            "a=1",
            "b=",
            "=",
            "~",
            "*",
            "中",
            "%",
        ],
        &[";x", ";a", ";X", ";content-type", ";host", ";absent", "!"],
        &["x", "a", "X", "content-type", "x-amz-a"],
        &["a", "b", " ", "  ", "\t", ",", "中", "\""],
        &["a", "b", " ", "\t", ",", "API.example", ":443", "\"  \""],
        &["x"],
        &["a", "{", "}", "中", " ", "\n"],
    ],
    canonical_request,
);

/// Shape `canonical-request`: AWS Signature Version 4.
pub fn canonical_request(text: &str) -> bool {
    let [method, target, list, name, value, other, payload, body] = pieces(text);
    let list = distinct(list, ';', &["host", "x-amz-date"]);
    let auth = format!(
        "AWS4-HMAC-SHA256 Credential=K/20231114/r/s/aws4_request, SignedHeaders=host;x-amz-date{list}, Signature={}",
        "0123456789abcdef".repeat(4)
    );
    let mut headers: Vec<(String, String)> = vec![
        ("Host".into(), or(other, "h")),
        ("X-Amz-Date".into(), "20231114T221320Z".into()),
        (or(name, "x"), value.into()),
        (or(name, "x"), other.into()),
        ("A".into(), value.into()),
        ("X".into(), other.into()),
        ("Content-Type".into(), "text/plain".into()),
        ("Authorization".into(), auth),
    ];
    if !payload.is_empty() {
        headers.push(("X-Amz-Content-Sha256".into(), straight::hex(&sha256(body.as_bytes()))));
    }
    let sent = Sent { method: or(method, "GET"), target: or(target, "/"), headers, body: body.into() };
    judge("aws-sigv4", "hmac-sha256", &sent, |sent| straight::sigv4(sent, sha256))
}

/// The words of [`header_list`], line by line, and what is done with a text of them.
pub const HEADER_LIST: (Words, fn(&str) -> bool) = (
    &[
        &["GET", "POST", "PUT", "a"],
        &["/", "a", "b", "%2F", "%", "?", "&", "a=1", "..", "+", "中"],
        &[" x", " a", " X", " request-line", " digest", " digest", " host", " absent", " @other", " ", "!"],
        &["x", "a", "X", "host"],
        &["a", "b", " ", "\t", ",", "中", "\""],
        &[",a=1", ",b=\"x,y\"", " ", ",c=\"\"", ",algorithm=x", ","],
        &["x"],
        &["a", "{", "}", "中", " ", "\n"],
    ],
    header_list,
);

/// Shape `header-list`: Kong's hmac-auth.
pub fn header_list(text: &str) -> bool {
    let [method, target, list, name, value, more, proxy, body] = pieces(text);
    let mut list = distinct(list, ' ', &["date", "@request-target"]);
    if !body.is_empty() && !list.contains(" digest") {
        list += " digest";
    }
    let auth = format!(
        "hmac username=\"k\", algorithm=\"hmac-sha256\", headers=\"date @request-target{list}\", signature=\"c2ln\"{more}"
    );
    let mut headers: Vec<(String, String)> = vec![
        ("Date".into(), "Tue, 14 Nov 2023 22:13:20 GMT".into()),
        (or(name, "x"), value.into()),
        (or(name, "x"), more.into()),
        (if proxy.is_empty() { "Authorization" } else { "Proxy-Authorization" }.into(), auth),
    ];
    if !body.is_empty() {
        let digest = base64::to_string(Variant::Standard, &sha256(body.as_bytes()));
        headers.push(("Digest".into(), format!("SHA-256={digest}")));
    }
    let sent = Sent { method: or(method, "GET"), target: or(target, "/"), headers, body: body.into() };
    judge("kong-hmac", "hmac-sha256", &sent, straight::kong)
}

/// The words of [`jose`], line by line, and what is done with a text of them.
pub const JOSE: (Words, fn(&str) -> bool) = (
    &[
        &[
            ",\"b64\":false",
            ",\"b64\":false",
            ",\"b64\":true",
            ",\"a\":[1,{}]",
            ",\"kid\":\"k\"",
            ",\"typ\":\"JOSE\"",
            ",\"c\":\"\\u4e2d\"",
            ",\"d\":-0.5e1",
            " ",
            ",\"alg\":\"none\"",
            "!",
        ],
        &[",\"b64\"", ",\"b64\"", " ", ",\"exp\"", ",\"kid\""],
        &["a", "b", "{", "}", "中", " ", "\n", "."],
    ],
    jose,
);

/// Shape `jose`: detached JWS with critical members, encoded or not.
pub fn jose(text: &str) -> bool {
    let [more, mut tail, body] = pieces(text);
    if tail.is_empty() && more.contains("\"b64\"") {
        tail = ",\"b64\"";
    }
    let head = "http://openbanking.org.uk/";
    let json = match more.strip_prefix('!') {
        Some(whole) => whole.to_owned(),
        None => format!(
            "{{\"alg\":\"PS256\",\"crit\":[\"{head}iat\",\"{head}iss\",\"{head}tan\"{tail}],\"{head}iat\":1700000000,\"{head}iss\":\"i\",\"{head}tan\":\"t\"{more}}}"
        ),
    };
    let jws = format!("{}..c2ln", straight::base64url(json.as_bytes()));
    let sent = Sent {
        method: "POST".into(),
        target: "/".into(),
        headers: vec![("x-jws-signature".into(), jws)],
        body: body.into(),
    };
    judge("jws-detached", "rsa-pss-sha256", &sent, |sent| {
        let raw = |json: &str| {
            let header: serde_json::Value = serde_json::from_str(json).expect("JSON");
            assert_eq!(header["alg"], "PS256");
            let known =
                |name: &serde_json::Value| name == "b64" || name.as_str().is_some_and(|name| name.starts_with(head));
            assert!(header["crit"].as_array().is_some_and(|names| names.len() >= 3 && names.iter().all(known)));
            // Without being critical it would mean nothing (RFC 7797, 6).
            let critical = header["crit"].as_array().is_some_and(|names| names.iter().any(|name| name == "b64"));
            assert_eq!(critical, header.get("b64").is_some());
            header["b64"] == false
        };
        let (json, string) = straight::detached(sent, raw)?;
        assert_eq!(straight::from_base64url(&straight::base64url(json.as_bytes())).as_deref(), Some(json.as_bytes()));
        Some(string)
    })
}

/// The words of [`xml`], line by line, and what is done with a text of them.
pub const XML: (Words, fn(&str) -> bool) = (
    &[
        &[
            "<b>1</b>",
            "<m>1</m>",
            "<n/>",
            "<o><![CDATA[a]]>b</o>",
            "<p>&gt;</p>",
            "<c/>",
            "<d><![CDATA[x<y]]></d>",
            "<e>&amp;&lt;</e>",
            " ",
            "<f>中</f>",
            "<g></g>",
            "<h a='1'>1</h>",
            "<appid>b</appid>",
            "<!-- -->",
            "<?x?>",
            "&",
            "!",
        ],
        &["a", "b", "c", "mch_id", "key", "中", " "],
        &[
            "1",
            "a",
            "2",
            "b",
            "<![CDATA[a]]>",
            "<![CDATA[<&]]>",
            "&amp;",
            "&lt;",
            "&gt;",
            "&quot;",
            "&apos;",
            "<![CDATA[",
            "]]>",
            "]]",
            ">",
            "中",
            " ",
            "\n",
            "&bogus;",
            "&#65;",
            "<",
        ],
    ],
    xml,
);

/// Parameters in XML: WeChat Pay v2.
pub fn xml(text: &str) -> bool {
    let body = match text.strip_prefix('!') {
        Some(whole) => whole.to_owned(),
        None => {
            let [more, name, inside] = pieces(text);
            let name = or(name, "a");
            format!(
                "<xml><appid>a</appid>{more}<nonce_str>n</nonce_str><{name}>{inside}</{name}><sign>9A0A8659F005D6984697E2CA0A9CF3B7</sign></xml>"
            )
        }
    };
    let headers = vec![("Content-Type".into(), "text/xml".into())];
    let sent = Sent { method: "POST".into(), target: "/".into(), headers, body };
    judge("wechatpay-v2", "md5", &sent, straight::wechat_v2)
}

thread_local! {
    static PROFILE: RefCell<Option<Profile>> = const { RefCell::new(None) };
}

/// Takes whatever is covered.
const LOOSE: &str = r#"{
    "name": "loose", "shape": "structured-fields", "with_body": [],
    "legacy_unsafe": ["no_nonce", "unsigned_method", "unsigned_path", "unsigned_query", "unsigned_digest", "unsigned_body"],
    "structured": {"x-list": "list", "x-dictionary": "dictionary", "x-item": "item"},
    "algorithms": {"hmac-sha256": {"signature": "base64"}}
}"#;

fn one(entry: ListEntry) -> Option<String> {
    List::from([entry]).serialize()
}

fn joined(sent: &Sent, name: &str) -> Option<String> {
    let named = sent.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
    let values: Vec<&str> = named.map(|(_, value)| value.trim_ascii()).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

/// The application/x-www-form-urlencoded reading of a name or value.
fn form(text: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [bytes.next().unwrap_or_default(), bytes.next().unwrap_or_default()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap_or_default(), 16).unwrap_or_default()
            }
            byte => byte,
        });
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn component(sent: &Sent, item: &Item) -> Option<String> {
    let name = item.bare_item.as_string()?.as_str();
    let text = |key: &str| item.params.get(key).and_then(|value| value.as_string()).map(|text| text.as_str());
    let flag = |key: &str| item.params.get(key).and_then(|value| value.as_boolean()).unwrap_or_default();
    let (path, query) = sent.target.split_once('?').unwrap_or((&sent.target, ""));
    Some(match name {
        "@method" => sent.method.clone(),
        "@authority" => host(sent)?,
        "@scheme" => "https".into(),
        "@target-uri" => format!("https://{}{}", host(sent)?, sent.target),
        "@request-target" => sent.target.clone(),
        "@path" => or(path, "/"),
        "@query" => format!("?{query}"),
        "@query-param" => {
            let wanted = straight::decoded(text("name")?);
            let pairs = query.split('&').filter(|pair| !pair.is_empty());
            let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
            let found: Vec<String> = pairs.filter(|(n, _)| form(n) == wanted).map(|(_, value)| form(value)).collect();
            let [value] = &found[..] else { return None };
            let plain = |b: &u8| b.is_ascii_alphanumeric() || b"*-._".contains(b);
            value.bytes().map(|b| if plain(&b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
        }
        _ if name.starts_with('@') => return None,
        _ if flag("bs") => {
            let named = sent.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
            let code = |(_, value): &(String, String)| {
                format!(":{}:", base64::to_string(Variant::Standard, value.trim_ascii().as_bytes()))
            };
            named.map(code).collect::<Vec<_>>().join(", ")
        }
        _ => {
            let value = joined(sent, name)?;
            match text("key") {
                Some(key) => {
                    let fields: Dictionary = Parser::new(&value).parse().ok()?;
                    one(fields.get(key)?.clone())?
                }
                None if flag("sf") => match name {
                    "x-item" => Parser::new(&value).parse::<Item>().ok()?.serialize(),
                    "x-list" => Parser::new(&value).parse::<List>().ok()?.serialize().unwrap_or_default(),
                    _ => Parser::new(&value).parse::<Dictionary>().ok()?.serialize().unwrap_or_default(),
                },
                None => value,
            }
        }
    })
}

fn host(sent: &Sent) -> Option<String> {
    let host = joined(sent, "host")?.to_ascii_lowercase();
    Some(host.strip_suffix(":443").unwrap_or(&host).to_owned())
}

fn base(sent: &Sent) -> Option<String> {
    let fields: Dictionary = Parser::new(&joined(sent, "signature-input")?).parse().ok()?;
    let ListEntry::InnerList(list) = fields.get("sig")?.clone() else { return None };
    let mut out = String::new();
    for item in &list.items {
        out += &format!("{}: {}\n", one(ListEntry::Item(item.clone()))?, component(sent, item)?);
    }
    Some(out + "\"@signature-params\": " + &one(ListEntry::InnerList(list))?)
}

/// The words of [`structured_fields`], line by line, and what is done with a text of them.
pub const STRUCTURED_FIELDS: (Words, fn(&str) -> bool) = (
    &[
        &["/", "a", "b", "%2F", "?", "?", "&", "a=1", "a=%20+", "a", "b=", "=", "+", "中"],
        &[
            "\"@method\" ",
            "\"@path\" ",
            "\"@query\" ",
            "\"@authority\" ",
            "\"@scheme\" ",
            "\"@target-uri\" ",
            "\"@request-target\" ",
            "\"@query-param\";name=\"a\" ",
            "\"@query-param\";name=\"b\" ",
            "\"x-list\" ",
            "\"x-list\";sf ",
            "\"x-list\";bs ",
            "\"x-dictionary\" ",
            "\"x-dictionary\";sf ",
            "\"x-dictionary\";key=\"a\" ",
            "\"x-dictionary\";key=\"b\" ",
            "\"x-item\";sf ",
            "\"host\" ",
            "\"host\";bs ",
            "\"content-digest\" ",
            "\"content-digest\";key=\"sha-256\" ",
            "\"content-digest\";sf ",
            " ",
            "\"x-list\";req ",
            "\"@method\";tr ",
        ],
        &[
            ";nonce=\"n\"",
            ";tag=\"t\"",
            ";a=1",
            ";b=?0",
            ";c=:aGk=:",
            ";d=-0",
            ";e=1.50",
            ";f",
            ";g=x/y:z",
            ";h=\"a\\\"\"",
            ";expires=1700000300",
            ";alg=\"hmac-sha256\"",
            " ",
            ";created=1",
        ],
        &["x-list", "x-dictionary", "x-item", "X-List"],
        &["a", "1", ", ", ", ", "b", "(1 2)", "(a  b);c", ";x", "=1", ":aGk=:", "?1", "\"s\"", "-0", "1.0", " ", "\t"],
        &["a", "a=1", ", ", ", ", "b=2", "b", "=(1 2)", ";x", "=?0", "=\"s\"", "=:aGk=:", "=1.0", " ", "\t"],
        &["h", "API.example", ":443", ":80", " "],
        &["a", "{", "}", "中", " ", "\n"],
    ],
    structured_fields,
);

/// Shape `structured-fields`: HTTP Message Signatures. The straightforward one reads and writes structured fields with the crate `sfv`.
pub fn structured_fields(text: &str) -> bool {
    let [target, components, params, name, value, other, host, body] = pieces(text);
    let digest = base64::to_string(Variant::Standard, &sha256(body.as_bytes()));
    let sent = Sent {
        method: "POST".into(),
        target: or(target, "/"),
        headers: vec![
            ("Host".into(), or(host, "h")),
            (or(name, "x-list"), value.into()),
            (or(name, "x-dictionary"), other.into()),
            ("Content-Digest".into(), format!("sha-256=:{digest}:")),
            ("Signature-Input".into(), format!("sig=({components});created=1700000000;keyid=\"k\"{params}")),
            ("Signature".into(), "sig=:c2ln:".into()),
        ],
        body: body.into(),
    };
    PROFILE.with_borrow_mut(|profile| {
        let profile = profile.get_or_insert_with(|| {
            Profile::from_document(&Document::parse(LOOSE.as_bytes()).expect("JSON").root()).expect("a profile")
        });
        judge_by(profile, "hmac-sha256", &sent, base)
    })
}
