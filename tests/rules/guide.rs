//! Rows 40 to 54 and 59: the open-API guide's way to sign, send and answer.

use crate::support::*;
use portcullis::alg::{Algorithm, SigningKey};
use portcullis::canon::client::{Draft, Fill};
use portcullis::verdict::Reason;
use serde_json::{Value, json};

/// The built-in profile under another name with one member changed.
fn own_profile(changes: &[(&str, Value)]) -> Value {
    let mut profile: Value = serde_json::from_str(portcullis::canon::builtin_document("openapi").unwrap()).unwrap();
    profile["name"] = json!("own");
    for (pointer, value) in changes {
        profile = with(&profile, pointer, value.clone());
    }
    profile
}

/// A document whose app uses that profile, and a client that signs by it.
pub fn own(changes: &[(&str, Value)]) -> (Value, Client) {
    let profile = own_profile(changes);
    let document = with(&document(), "/profiles", json!([profile]));
    let document = with(&document, "/apps/0/profiles", json!(["own"]));
    let mut client = Client::new("p1");
    let parsed = portcullis::codec::doc::Document::parse(profile.to_string().as_bytes()).unwrap();
    client.profile = portcullis::canon::Profile::from_document(&parsed.root()).unwrap().into();
    (document, client)
}

pub fn signed(client: &Client, method: &str, target: &str, body: &str) -> Call {
    let draft = Draft {
        method: method.as_bytes().to_vec(),
        target: target.as_bytes().to_vec(),
        headers: if body.is_empty() { Vec::new() } else { vec![json_type()] },
        body: body.as_bytes().to_vec(),
        ..Draft::default()
    };
    client.sign(draft)
}

fn json_type() -> (Vec<u8>, Vec<u8>) {
    (b"Content-Type".to_vec(), b"application/json; charset=utf-8".to_vec())
}

/// A signed body with these members besides the guide's three.
fn body(members: &str) -> String {
    format!("{{\"partnerId\":\"p1\",\"timestamp\":{},\"nonce\":\"{}\"{members}}}", NOW / 1000, nonce())
}

/// Every parameter is parsed strictly, once: same name twice, broken UTF-8 and escapes, control characters, and what exceeds `sizes` is refused.
#[test]
fn r40_what_could_be_read_in_two_ways_is_refused() {
    let (document, client) = (document(), Client::new("p1"));
    let good = client.call("/pay", Some(json!({ "a": "1" })));
    assert_eq!(good.by(&document), Reason::Ok);
    let mut worker = engine(&document).worker();
    let cases: [(&str, Call, Reason); 9] = [
        ("tampered", good.clone().body(|b| b.replace("\"1\"", "\"2\"")), Reason::BadSignature),
        ("added", good.clone().body(|b| b.replace("\"a\"", "\"b\":\"1\",\"a\"")), Reason::BadSignature),
        ("twice", good.clone().body(|b| b.replace("\"a\"", "\"a\":\"1\",\"a\"")), Reason::DuplicateField),
        ("query and body", good.clone().target(|t| format!("{t}&a=1")), Reason::DuplicateField),
        ("not JSON", good.clone().body(|b| b.replace(':', "=")), Reason::MalformedRequest),
        ("control character", good.clone().body(|b| b.replace("\"1\"", "\"\u{1}\"")), Reason::MalformedRequest),
        ("broken escape", good.clone().target(|t| format!("{t}&b=%G1")), Reason::MalformedRequest),
        ("broken UTF-8", good.clone().target(|t| format!("{t}&b=%FF")), Reason::MalformedRequest),
        ("too large", good.clone().target(|t| format!("{t}&b={}", "x".repeat(20_000))), Reason::MalformedRequest),
    ];
    for (what, call, reason) in cases {
        assert_eq!(call.verdict(&mut worker).reason, reason, "{what}");
    }
    assert_eq!(good.verdict(&mut worker).reason, Reason::Ok, "none of them took the nonce");
}

/// Where a scheme signs a digest of the body (`digest` of the profile), the body is held against it besides: a body put in its place is `bad_digest`.
#[test]
fn r40_a_body_that_does_not_match_its_signed_digest_is_refused() {
    let document = with(&document(), "/apps/0/profiles", json!(["kong-hmac"]));
    let mut client = Client::new("p1");
    client.profile = portcullis::canon::builtin("kong-hmac").unwrap();
    let mut draft = Draft {
        method: b"POST".to_vec(),
        target: b"/pay".to_vec(),
        headers: vec![json_type()],
        body: br#"{"amount":"1"}"#.to_vec(),
        scheme: Some(b"https".to_vec()),
        authority: Some(b"bank.example".to_vec()),
        answers: None,
    };
    let at = Some(portcullis::time::Millis(NOW));
    let fill = Fill { app_id: None, kid: Some("k1"), timestamp: at, nonce: None, extra: &[] };
    let alg = portcullis::canon::Alg::from_name("hmac-sha256").unwrap();
    client.profile.fill(&mut draft, alg, &fill).unwrap();
    let good = client.sign(draft);
    assert_eq!(good.by(&document), Reason::Ok);
    assert_eq!(good.body(|b| b.replace('1', "2")).by(&document), Reason::BadDigest);
}

/// A request names a profile that its app does not have, or one that is not there (`profile` of the request, or none that fits): `no_profile`.
#[test]
fn r45_a_request_is_read_by_a_profile_of_its_app_alone() {
    let mut call = Client::new("p1").call("/pay", None);
    assert_eq!(call.by(&document()), Reason::Ok);
    call.profile = Some("openapi");
    assert_eq!(call.by(&document()), Reason::Ok);
    call.profile = Some("no-such");
    assert_eq!(call.by(&document()), Reason::NoProfile);
    // Of another app's: the document has it, this app does not.
    let other = with(&document(), "/apps/-", with(&app("p2"), "/profiles", json!(["openapi"])));
    let other = with(&other, "/apps/0/profiles", json!(["kong-hmac"]));
    call.profile = Some("openapi");
    assert_eq!(call.by(&other), Reason::NoProfile);
}

/// A request with a parameter of the secret's name (`secret_names` of the profile), in any case, is refused, however well it is signed.
#[test]
fn r41_the_secret_is_never_sent() {
    let client = Client::new("p1");
    let mut worker = engine(&document()).worker();
    for name in ["partnerKey", "appKey", "PARTNERKEY", "appkey"] {
        let target = format!("/pay?partnerId=p1&timestamp={}&nonce={}&{name}=x", NOW / 1000, nonce());
        let good = signed(&client, "GET", &target.replace(name, "other"), "");
        assert_eq!(good.verdict(&mut worker).reason, Reason::Ok);
        let sent = good.target(|t| t.replace("other", name));
        assert_eq!(sent.verdict(&mut worker).reason, Reason::InvalidField, "{name}");
    }
}

/// `clock.past_window_ms` and `clock.future_window_ms`, apart; the guide's five seconds are a setting.
#[test]
fn r42_a_timestamp_outside_the_window_is_refused() {
    let document = with(&document(), "/clock", json!({ "past_window_ms": 5000, "future_window_ms": 2000 }));
    let mut worker = engine(&document).worker();
    let client = Client::new("p1");
    for (age, reason) in [
        (0, Reason::Ok),
        (5000, Reason::Ok),
        (5001, Reason::TimestampTooOld),
        (-2000, Reason::Ok),
        (-2001, Reason::TimestampTooNew),
    ] {
        let call = client.call_as("GET", "/pay", None, NOW, &nonce());
        assert_eq!(call.verdict_at(&mut worker, NOW + age).reason, reason, "{age}");
    }
}

/// Every nonce is kept for its window, by app, and taken only after the signature; a nonce comes once whatever is signed beside it, on any path.
#[test]
fn r43_a_nonce_is_good_once() {
    let mut worker = engine(&with(&document(), "/apps/-", app("p2"))).worker();
    let client = Client::new("p1");
    let call = client.call_as("GET", "/pay?a=1", None, NOW, "once");
    let forged = call.clone().target(|t| t.replace("a=1", "a=2"));
    assert_eq!(forged.verdict(&mut worker).reason, Reason::BadSignature);
    assert_eq!(call.verdict(&mut worker).reason, Reason::Ok, "the forged one took nothing");
    assert_eq!(call.verdict(&mut worker).reason, Reason::Replayed);
    assert_eq!(call.clone().target(|t| t.replace("/pay", "/refund")).verdict(&mut worker).reason, Reason::Replayed);
    let other = client.call_as("GET", "/pay?a=3", None, NOW - 1000, "once");
    assert_eq!(other.verdict(&mut worker).reason, Reason::Replayed, "the same nonce, signed anew with another time");
    let again = client.call_as("GET", "/pay?a=1", None, NOW, "twice");
    assert_eq!(again.verdict(&mut worker).reason, Reason::Ok);
    let of_another = Client::new("p2").call_as("GET", "/pay?a=1", None, NOW, "once");
    assert_eq!(of_another.verdict(&mut worker).reason, Reason::Ok, "another app's nonce is another one");
}

/// `min` and `max` of the profile's fields: 32 bytes for partnerId and nonce; digits alone for the timestamp.
#[test]
fn r44_fields_have_their_lengths_and_types() {
    let long = "x".repeat(33);
    let at = NOW / 1000;
    let client = Client::new("p1");
    let mut worker = engine(&document()).worker();
    let good = signed(&client, "GET", &format!("/pay?partnerId=p1&timestamp={at}&nonce=n32"), "");
    assert_eq!(good.by(&document()), Reason::Ok);
    for (from, to, reason) in [
        ("n32", long.as_str(), Reason::InvalidField),
        ("=p1&", &format!("={long}&"), Reason::InvalidField),
        (&format!("{at}"), "17e8", Reason::InvalidField),
        (&format!("{at}"), "+1700000000", Reason::InvalidField),
        (&format!("{at}"), "1700000000.0", Reason::InvalidField),
        ("sign=", "sign=0", Reason::BadSignature),
        ("n32", "", Reason::MissingField),
        ("&nonce=n32", "", Reason::MissingField),
        ("partnerId=p1&", "", Reason::MissingField),
    ] {
        let changed = good.clone().target(|t| t.replacen(from, to, 1));
        assert_eq!(changed.verdict(&mut worker).reason, reason, "{from} -> {to}");
    }
    let signature = good.target(|t| format!("{}sign={}", t.split("sign=").next().unwrap(), "A".repeat(685)));
    assert_eq!(signature.verdict(&mut worker).reason, Reason::InvalidField, "longer than RSA-4096 in base64");
    let e = refused(&with(&document(), "/apps/0/app_id", json!("x".repeat(65))));
    assert_eq!(e.pointer, "/apps/0/app_id");
}

/// One fixed order (`src/engine/order.rs`): form, app, address, API, key, time, signature, then token, limits and the nonce; the first failure is
/// the answer, and nothing after it is touched.
#[test]
fn r45_checks_come_in_one_order_before_business() {
    let mut document = with(&document(), "/apps/0/allow_ips", json!(["203.0.113.7"]));
    document["limits"] = json!([{ "name": "one", "key": ["app"], "rate": 1, "per_ms": 86_400_000, "burst": 1 }]);
    document["apps"][0]["limits"] = json!(["one"]);
    let mut worker = engine(&document).worker();
    let client = Client::new("p1");
    // Everything is wrong; then one thing after the other is put right.
    let call = client.call_as("GET", "/pay?a=1", None, NOW, &nonce()).from("198.51.100.1");
    let unsigned = call.clone().target(|t| t.split("&sign=").next().unwrap().to_owned());
    assert_eq!(unsigned.verdict_at(&mut worker, NOW + 1_000_000).reason, Reason::MissingSignature);
    let forged = call.clone().target(|t| t.replace("a=1", "a=2"));
    assert_eq!(forged.verdict_at(&mut worker, NOW + 1_000_000).reason, Reason::IpNotAllowed);
    let forged = forged.from("203.0.113.7");
    assert_eq!(forged.verdict_at(&mut worker, NOW + 1_000_000).reason, Reason::TimestampTooOld);
    assert_eq!(forged.verdict(&mut worker).reason, Reason::BadSignature);
    let call = call.from("203.0.113.7");
    assert_eq!(call.verdict(&mut worker).reason, Reason::Ok, "no failure took the app's one request");
    assert_eq!(client.call("/pay", None).from("203.0.113.7").verdict(&mut worker).reason, Reason::RateLimited);
    assert_eq!(call.verdict(&mut worker).reason, Reason::Replayed, "a replay is a replay, also beyond a limit");
}

/// `allow_ips`: addresses and CIDR blocks of IPv4 and IPv6, no wildcards; an app with a list may not call from an unknown address.
#[test]
fn r46_only_listed_addresses_may_call() {
    let listed = with(&document(), "/apps/0/allow_ips", json!(["203.0.113.7", "198.51.100.0/24", "2001:db8::/32"]));
    let mut worker = engine(&listed).worker();
    let mut from = |ip: Option<&str>| {
        let call = Client::new("p1").call("/pay", None);
        let call = match ip {
            Some(ip) => call.from(ip),
            None => call,
        };
        call.verdict(&mut worker).reason
    };
    for ip in ["203.0.113.7", "198.51.100.0", "198.51.100.255", "2001:db8::1", "::ffff:203.0.113.7"] {
        assert_eq!(from(Some(ip)), Reason::Ok, "{ip}");
    }
    for ip in ["203.0.113.8", "198.51.101.0", "2001:db9::1"] {
        assert_eq!(from(Some(ip)), Reason::IpNotAllowed, "{ip}");
    }
    assert_eq!(from(None), Reason::IpNotAllowed);
    for wildcard in ["203.0.113.*", "*", "203.0.113", "203.0.113.7/33", "example.com"] {
        let e = refused(&with(&document(), "/apps/0/allow_ips", json!([wildcard])));
        assert_eq!(e.pointer, "/apps/0/allow_ips/0", "{wildcard}");
    }
}

/// `allow_ips_public` refuses lists with private, local, documentation and other special addresses when the document is read. An API that says
/// `any_ip`, the call for a token, may be called from anywhere.
#[test]
fn r46_addresses_are_public_where_asked_and_the_call_for_a_token_is_exempt() {
    let listed = |ips: Value| with(&with(&document(), "/allow_ips_public", json!(true)), "/apps/0/allow_ips", ips);
    let public = listed(json!(["8.8.8.8", "223.5.5.0/24", "2400:3200::/32"]));
    assert_eq!(Client::new("p1").call("/pay", None).from("223.5.5.5").by(&public), Reason::Ok);
    for (bad, what) in [
        ("10.1.2.3", "private"),
        ("172.16.0.0/12", "private"),
        ("192.168.1.0/24", "private"),
        ("127.0.0.1", "this host"),
        ("169.254.1.1", "one link"),
        ("100.64.0.0/10", "carrier"),
        ("203.0.113.7", "documentation"),
        ("0.0.0.0/0", "this network"),
        ("224.0.0.1", "multicast"),
        ("::1", "IPv6"),
        ("fd00::/8", "private"),
        ("2001:db8::1", "documentation"),
    ] {
        let e = refused(&listed(json!(["8.8.8.8", bad])));
        assert_eq!(e.pointer, "/apps/0/allow_ips/1", "{bad}");
        assert!(e.message.contains(what), "{bad}: {}", e.message);
    }
    let api = |id: &str, path: &str| json!({ "api_id": id, "method": "*", "path": path, "level": "A1" });
    let mut token = api("token", "/token");
    token["any_ip"] = json!(true);
    let document = with(&public, "/apis", json!([token, api("pay", "/pay")]));
    let document = with(&document, "/apps/0/allow_apis", json!(["token", "pay"]));
    for (path, ip, expected) in [
        ("/token", Some("198.51.100.1"), Reason::Ok),
        ("/token", None, Reason::Ok),
        ("/pay", Some("198.51.100.1"), Reason::IpNotAllowed),
        ("/pay", None, Reason::IpNotAllowed),
        ("/pay", Some("8.8.8.8"), Reason::Ok),
        ("/elsewhere", Some("198.51.100.1"), Reason::IpNotAllowed),
        ("/elsewhere", Some("8.8.8.8"), Reason::ApiNotAllowed),
    ] {
        let call = Client::new("p1").call(path, None);
        let call = match ip {
            Some(ip) => call.from(ip),
            None => call,
        };
        assert_eq!(call.by(&document), expected, "{path} {ip:?}");
    }
}

/// The string to sign takes every parameter but the signature and, where the profile says so, files (`exclude`) and empty ones (`values.empty`).
#[test]
fn r47_all_parameters_but_the_signature_are_signed() {
    let client = Client::new("p1");
    let call = signed(&client, "POST", "/pay", &body(",\"b\":\"2\",\"a\":\"1\",\"empty\":\"\",\"none\":null"));
    let text = String::from_utf8(call.text.clone()).unwrap();
    assert!(text.starts_with("a=1&b=2&nonce=") && !text.contains("empty") && !text.contains("sign"), "{text}");
    assert_eq!(call.by(&document()), Reason::Ok);
    let (kept, client) = own(&[
        ("/values/empty", json!("keep")),
        ("/exclude", json!(["file"])),
        (
            "/legacy_unsafe",
            json!(["unsigned_method", "unsigned_path", "unsigned_source", "unsigned_parameter", "ambiguous_join"]),
        ),
    ]);
    let call = signed(&client, "POST", "/pay", &body(",\"empty\":\"\",\"file\":\"AAAA\""));
    let text = String::from_utf8(call.text.clone()).unwrap();
    assert!(text.starts_with("empty=&nonce=") && !text.contains("file"), "{text}");
    assert_eq!(call.by(&kept), Reason::Ok);
    assert_eq!(call.clone().body(|b| b.replace("AAAA", "BBBB")).by(&kept), Reason::Ok, "a file is not signed");
    assert_eq!(call.body(|b| b.replace(",\"empty\":\"\"", "")).by(&kept), Reason::BadSignature);
}

/// Names and values with a space at either end are refused (`values.spaces`: `refuse`) or signed as they are (`keep`); never trimmed.
#[test]
fn r48_spaces_around_names_and_values_are_not_trimmed() {
    let (kept, client) = own(&[("/values/spaces", json!("keep"))]);
    for member in [",\"a\":\" 1\"", ",\"a\":\"1 \"", ",\" a\":\"1\"", ",\"a \":\"1\""] {
        let call = signed(&client, "POST", "/pay", &body(member));
        assert_eq!(call.by(&kept), Reason::Ok, "{member}");
        assert_eq!(call.by(&document()), Reason::InvalidField, "{member}");
        let trimmed = call.body(|b| b.replace(" 1", "1").replace("1 ", "1").replace(" a", "a").replace("a \"", "a\""));
        assert_eq!(trimmed.by(&kept), Reason::BadSignature, "{member}");
    }
    let inside = signed(&client, "POST", "/pay", &body(",\"a\":\"1 2\""));
    assert_eq!(inside.by(&document()), Reason::Ok);
}

/// Byte-wise by decoded name, whatever the order of sending: upper case before lower, shorter before longer.
#[test]
fn r49_parameters_are_sorted_by_their_bytes() {
    let client = Client::new("p1");
    let members = ",\"b\":\"4\",\"B\":\"1\",\"ab\":\"3\",\"a\":\"2\",\"é\":\"5\"";
    let call = signed(&client, "POST", "/pay", &body(members));
    let text = String::from_utf8(call.text.clone()).unwrap();
    let names: Vec<&str> = text.split('&').map(|pair| pair.split('=').next().unwrap()).collect();
    assert_eq!(names, ["B", "a", "ab", "b", "nonce", "partnerId", "timestamp", "é"]);
    assert_eq!(call.by(&document()), Reason::Ok);
}

/// `k=v` joined by `&`; the secret follows as `&partnerKey=` and its bytes, or alone (`secret_suffix`): the guide has both.
#[test]
fn r50_pairs_are_joined_and_md5_appends_the_key() {
    let weak = with(&document(), "/apps/0/allow_weak", json!(true));
    let credentials = json!([{ "alg": "md5", "secret": SECRET }]);
    let named = with(&weak, "/apps/0/credentials", credentials.clone());
    let client = Client::with_secret("p1", Algorithm::Md5, SECRET);
    let call = signed(&client, "GET", &format!("/t?partnerId=p1&timestamp={}&nonce=x", NOW / 1000), "");
    assert_eq!(call.text, format!("nonce=x&partnerId=p1&timestamp={}&partnerKey=", NOW / 1000).as_bytes());
    assert_eq!(call.by(&named), Reason::Ok);
    // Upper-case digits are the same signature.
    assert_eq!(
        call.clone()
            .target(|t| {
                let (head, sign) = t.split_once("sign=").unwrap();
                format!("{head}sign={}", sign.to_ascii_uppercase())
            })
            .by(&named),
        Reason::Ok
    );
    let (raw, mut client) = own(&[("/algorithms/md5/secret_suffix", json!(""))]);
    client.alg = Algorithm::Md5;
    client.key = SigningKey::secret(Algorithm::Md5, SECRET.as_bytes()).unwrap();
    let raw = with(&with(&raw, "/apps/0/allow_weak", json!(true)), "/apps/0/credentials", credentials);
    let other = signed(&client, "GET", &format!("/t?partnerId=p1&timestamp={}&nonce=x", NOW / 1000), "");
    assert_eq!(other.text, format!("nonce=x&partnerId=p1&timestamp={}", NOW / 1000).as_bytes());
    assert_eq!(other.by(&raw), Reason::Ok);
    assert_eq!(call.by(&raw), Reason::BadSignature);
    assert_eq!(other.by(&named), Reason::BadSignature);
}

/// `encode` of the profile: the joined string, percent-encoded before it is signed.
#[test]
fn r51_the_string_may_be_url_encoded_before_it_is_signed() {
    let (encoded, client) = own(&[("/encode", json!("string"))]);
    let call = signed(&client, "POST", "/pay", &body(",\"a\":\"付 款/=\""));
    let text = String::from_utf8(call.text.clone()).unwrap();
    assert!(text.starts_with("a%3D%E4%BB%98%20%E6%AC%BE%2F%3D%26nonce%3D"), "{text}");
    assert_eq!(call.by(&encoded), Reason::Ok);
    assert_eq!(call.by(&document()), Reason::BadSignature);
}

/// `rsa-pkcs1-sha256` with signatures in base64; RSA keys below 2,048 bits are refused when the document is read.
#[test]
fn r52_rsa2_takes_keys_of_2048_bits_and_more() {
    let (signing, public) = credential(Algorithm::RsaPkcs1Sha256);
    let strong = with(&document(), "/apps/0/credentials", json!([public]));
    let call = Client::with_key("p1", Algorithm::RsaPkcs1Sha256, signing).call("/pay", Some(json!({ "a": "1" })));
    assert_eq!(call.by(&strong), Reason::Ok);
    assert_eq!(call.clone().body(|b| b.replace("\"1\"", "\"2\"")).by(&strong), Reason::BadSignature);
    assert_eq!(call.target(|t| t.replacen("sign=", "sign=A", 1)).by(&strong), Reason::BadSignature);
    let small = include_str!("../config/keys/rsa1024.pem");
    let e = refused(&with(
        &document(),
        "/apps/0/credentials",
        json!([{ "alg": "rsa-pkcs1-sha256", "public_key_pem": small }]),
    ));
    assert_eq!(e.message, "RSA modulus of 1024 bits, at least 2048 needed");
}

/// The signature stands URL-encoded in the query, everything else in a JSON body; decoded once; another content type is refused.
#[test]
fn r53_a_post_has_its_signature_in_the_query_and_the_rest_as_json() {
    let (signing, public) = credential(Algorithm::Ed25519);
    let document = with(&document(), "/apps/0/credentials", json!([public]));
    let client = Client::with_key("p1", Algorithm::Ed25519, signing);
    // A signature with a plus sign in its base64, which only a decoder that decodes once gets right.
    let call = std::iter::repeat_with(|| client.call("/pay", Some(json!({ "a": "1" }))))
        .find(|call| String::from_utf8_lossy(&call.draft.target).contains("%2B"))
        .unwrap();
    assert_eq!(call.by(&document), Reason::Ok);
    assert_eq!(call.clone().target(|t| t.replace('%', "%25")).by(&document), Reason::BadSignature, "encoded twice");
    assert_eq!(call.clone().target(|t| t.replace("%2B", "+")).by(&document), Reason::BadSignature, "not encoded");
    let moved = call.clone().body(|b| b.replacen('{', "{\"sign\":\"x\",", 1));
    assert_ne!(moved.by(&document), Reason::Ok);
    for (kind, reason) in [
        ("application/json; charset=utf-8", Reason::Ok),
        ("application/json;charset=UTF-8", Reason::Ok),
        ("text/plain", Reason::InvalidField),
        ("application/json; charset=gbk", Reason::InvalidField),
    ] {
        let mut call = call.clone();
        call.draft.headers = vec![(b"content-type".to_vec(), kind.as_bytes().to_vec())];
        assert_eq!(call.by(&document), reason, "{kind}");
    }
}

/// The same profile reads a GET with everything in the query: the guide's call for a token.
#[test]
fn r54_a_get_has_everything_in_the_query() {
    let client = Client::new("p1");
    let target = format!("/auth/v1/get_access_token?nonce=n54&partnerId=p1&timestamp={}", NOW / 1000);
    let call = signed(&client, "GET", &target, "");
    assert_eq!(call.by(&document()), Reason::Ok);
    assert_eq!(call.clone().target(|t| t.replace("n54", "n55")).by(&document()), Reason::BadSignature);
    let mut with_body = call.clone();
    with_body.draft.body = b"{\"a\":1}".to_vec();
    assert_ne!(with_body.by(&document()), Reason::Ok, "an unsigned body");
    let mut put = call;
    put.draft.method = b"PUT".to_vec();
    assert_eq!(put.by(&document()), Reason::MethodNotAllowed);
}

/// Each reason has its code of the guide's table; `codes` of the document maps them anew, as text or integer.
#[test]
fn r59_answers_carry_the_guides_codes() {
    let client = Client::new("p1");
    let good = client.call("/pay", Some(json!({ "a": "1" })));
    let code = |document: &Value, call: &Call| {
        let verdict = call.verdict(&mut engine(document).worker());
        (verdict.reason, verdict.code.as_str().to_owned())
    };
    let unsigned = good.clone().target(|t| t.split("?sign=").next().unwrap().to_owned());
    let mut delete = good.clone();
    delete.draft.method = b"DELETE".to_vec();
    for (call, reason, expected) in [
        (good.clone(), Reason::Ok, "0000"),
        (good.clone().body(|b| b.replace("\"1\"", "\"2\"")), Reason::BadSignature, "9992"),
        (unsigned, Reason::MissingSignature, "9993"),
        (delete, Reason::MethodNotAllowed, "9994"),
        (good.clone().body(|b| b.replace("nonce", "n0nce")), Reason::MissingField, "9995"),
        (good.clone().body(|b| b.replace("\"timestamp\":", "\"timestamp\":-")), Reason::InvalidField, "9996"),
        (Client::new("stranger").call("/pay", None), Reason::UnknownApp, "9997"),
    ] {
        assert_eq!(code(&document(), &call), (reason, expected.to_owned()));
    }
    for (reason, code) in [(Reason::TokenInvalid, "9991"), (Reason::Internal, "9998"), (Reason::NonceStoreFull, "9999")]
    {
        assert_eq!(reason.default_code(), code);
    }
    let mapped = with(&document(), "/codes", json!({ "ok": 0, "unknown_app": "E-17" }));
    assert_eq!(code(&mapped, &good).1, "0");
    assert_eq!(code(&mapped, &Client::new("stranger").call("/pay", None)).1, "E-17");
}

/// `answers` of the document: bodies `{"code":…,"msg":…,"data":null}` for every reason, with codes as text or integer and texts of the document's own; made when
/// it is read, so that nothing of a request can be in them.
#[test]
fn r59_answers_have_the_guides_form() {
    let body = |document: &Value, call: &Call| {
        let engine = engine(document);
        let verdict = call.verdict(&mut engine.worker());
        let mut out = Vec::new();
        engine.answer(&verdict, &mut out).then(|| String::from_utf8(out).unwrap())
    };
    let stranger = Client::new("stranger").call("/pay", None);
    let good = Client::new("p1").call("/pay", None);
    assert_eq!(body(&document(), &stranger), None, "by option");
    let plain = with(&document(), "/answers", json!({ "form": "code-msg-data" }));
    assert_eq!(body(&plain, &stranger).unwrap(), r#"{"code":"9997","msg":"the app id is not known","data":null}"#);
    assert_eq!(body(&plain, &good).unwrap(), r#"{"code":"0000","msg":"accepted","data":null}"#);
    let own = with(&plain, "/codes", json!({ "ok": 0, "unknown_app": "E-17" }));
    let own = with(&own, "/answers/messages", json!({ "unknown_app": "未知 \"app\"" }));
    assert_eq!(body(&own, &stranger).unwrap(), r#"{"code":"E-17","msg":"未知 \"app\"","data":null}"#);
    assert_eq!(body(&own, &good).unwrap(), r#"{"code":0,"msg":"accepted","data":null}"#);
    // Every reason has a body of the form, whatever the request was.
    let snapshot = portcullis::keys::Config::from_json(own.to_string().as_bytes()).unwrap();
    for reason in Reason::ALL {
        let body: Value = serde_json::from_slice(snapshot.answer(*reason).unwrap()).unwrap();
        let members: Vec<&String> = body.as_object().unwrap().keys().collect();
        assert_eq!((members.len(), &body["data"]), (3, &Value::Null), "{members:?}");
        assert!(body["code"].is_string() || body["code"].is_u64(), "{body}");
    }
    for (pointer, value, at) in [
        ("/answers/form", json!("xml"), "/answers/form"),
        ("/answers/messages", json!({ "no_such": "x" }), "/answers/messages/no_such"),
        ("/answers/messages", json!({ "internal": "" }), "/answers/messages/internal"),
    ] {
        assert_eq!(refused(&with(&plain, pointer, value)).pointer, at);
    }
}
