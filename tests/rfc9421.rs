//! RFC 9421 beyond requests: responses (2.2.9, 2.4, Appendix B.2.4), trailers (2.1.4), and the forms of fields that section 2.1 prints.

use portcullis::alg::{Algorithm, Item, Key, MacInput, PublicKey, SignatureForm, Verifier};
use portcullis::canon::{Alg, Answer, Profile, Scratch};
use portcullis::codec::doc::Document;
use portcullis::lanes::Cpu;
use portcullis::request::{Header, Request, Sizes};

/// Takes whatever is covered: what the text of the standard prints covers little.
fn loose() -> Profile {
    let document = r#"{
        "name": "loose", "shape": "structured-fields", "with_body": [],
        "legacy_unsafe": ["no_nonce", "unsigned_method", "unsigned_path", "unsigned_query", "unsigned_digest", "unsigned_body"],
        "structured": {"example-dict": "dictionary", "example-list": "list", "example-item": "item"},
        "algorithms": {"ecdsa-p256-sha256": {"signature": "base64", "form": "fixed"}}
    }"#;
    Profile::from_document(&Document::parse(document.as_bytes()).unwrap().root()).unwrap()
}

fn headers<'h>(lines: &'h [(&'h str, &'h str)]) -> Vec<Header<'h>> {
    lines.iter().map(|(name, value)| Header { name: name.as_bytes(), value: value.as_bytes() }).collect()
}

/// The signature base of a response, and whether the P-256 key of Appendix B.1.3 made its signature.
fn judge(answer: &Answer<'_>) -> Result<(String, bool), String> {
    let (profile, mut scratch, mut base) = (loose(), Scratch::new(), Vec::new());
    let alg = Alg::from_name("ecdsa-p256-sha256").unwrap();
    let extract =
        profile.extract_answer(answer, &mut scratch, &Sizes::default()).map_err(|refusal| refusal.to_string())?;
    assert_eq!(extract.kid, Some(&b"test-key-ecc-p256"[..]));
    profile.write_message(&extract, answer.request, alg, &mut base).unwrap();
    let mut signature = Vec::new();
    profile.decode_signature(extract.signature, alg, &mut signature).unwrap();
    let point = "04a885586552c2acf6471878cfd7b0935b4ffe0fd2dfc341248ea17bc41e058af031ce2737d2d30ce0617e851e83c61ef5679d151867657649035d90a74cd9e85d";
    let public = PublicKey::from_point_hex(Algorithm::EcdsaP256Sha256, point).unwrap();
    let key = Key::public(Algorithm::EcdsaP256Sha256, &public, None).unwrap();
    let mut good = [false];
    let item =
        Item { key: &key, message: &base, signature: &signature, form: SignatureForm::Fixed, input: MacInput::Plain };
    Verifier::new(Cpu::detect()).verify(&[item], &mut good);
    Ok((String::from_utf8(base).unwrap(), good[0]))
}

const REQUEST: [(&str, &str); 5] = [
    ("Host", "example.com"),
    ("Date", "Tue, 20 Apr 2021 02:07:55 GMT"),
    ("Content-Type", "application/json"),
    (
        "Content-Digest",
        "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:",
    ),
    ("Content-Length", "18"),
];

#[test]
fn the_response_of_appendix_b24_verifies_and_every_part_of_it_is_signed() {
    let asked = headers(&REQUEST);
    let request =
        Request { headers: &asked, ..Request::new(b"POST", b"/foo?param=Value&Pet=dog", br#"{"hello": "world"}"#) };
    let lines = [
        ("Date", "Tue, 20 Apr 2021 02:07:56 GMT"),
        ("Content-Type", "application/json"),
        (
            "Content-Digest",
            "sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:",
        ),
        ("Content-Length", "23"),
        (
            "Signature-Input",
            r#"sig-b24=("@status" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-ecc-p256""#,
        ),
        (
            "Signature",
            "sig-b24=:wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw==:",
        ),
    ];
    let own = headers(&lines);
    let answer =
        Answer { status: 200, headers: &own, body: br#"{"message": "good dog"}"#, trailers: &[], request: &request };
    let (base, good) = judge(&answer).unwrap();
    assert!(good, "{base}");
    assert!(base.starts_with("\"@status\": 200\n\"content-type\": application/json\n"), "{base}");
    assert!(!judge(&Answer { status: 201, ..answer }).unwrap().1);
    assert_eq!(judge(&Answer { body: br#"{"message": "good cat"}"#, ..answer }).unwrap_err(), "bad_digest (digest)");
    for at in [1, 3] {
        let mut other = lines;
        other[at].1 = "text/plain";
        assert!(!judge(&Answer { headers: &headers(&other), ..answer }).unwrap().1);
    }
}

#[test]
fn a_response_is_bound_to_its_request_as_section_24_prints_it() {
    let asked = headers(&REQUEST);
    let request =
        Request { headers: &asked, ..Request::new(b"POST", b"/foo?param=Value&Pet=dog", br#"{"hello": "world"}"#) };
    let own = headers(&[
        ("Date", "Tue, 20 Apr 2021 02:07:56 GMT"),
        ("Content-Type", "application/json"),
        ("Content-Length", "62"),
        (
            "Content-Digest",
            "sha-512=:0Y6iCBzGg5rZtoXS95Ijz03mslf6KAMCloESHObfwnHJDbkkWWQz6PhhU9kxsTbARtY2PTBOzq24uJFpHsMuAg==:",
        ),
        (
            "Signature-Input",
            r#"reqres=("@status" "content-digest" "content-type" "@authority";req "@method";req "@path";req "content-digest";req);created=1618884479;keyid="test-key-ecc-p256""#,
        ),
        (
            "Signature",
            "reqres=:dMT/A/76ehrdBTD/2Xx8QuKV6FoyzEP/I9hdzKN8LQJLNgzU4W767HK05rx1i8meNQQgQPgQp8wq2ive3tV5Ag==:",
        ),
    ]);
    let body = br#"{"busy": true, "message": "Your call is very important to us"}"#;
    let answer = Answer { status: 503, headers: &own, body, trailers: &[], request: &request };
    let (base, good) = judge(&answer).unwrap();
    assert_eq!(
        base,
        r#""@status": 503
"content-digest": sha-512=:0Y6iCBzGg5rZtoXS95Ijz03mslf6KAMCloESHObfwnHJDbkkWWQz6PhhU9kxsTbARtY2PTBOzq24uJFpHsMuAg==:
"content-type": application/json
"@authority";req: example.com
"@method";req: POST
"@path";req: /foo
"content-digest";req: sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:
"@signature-params": ("@status" "content-digest" "content-type" "@authority";req "@method";req "@path";req "content-digest";req);created=1618884479;keyid="test-key-ecc-p256""#
    );
    assert!(good);
    let other = Request { headers: &asked, ..Request::new(b"PUT", b"/foo?param=Value&Pet=dog", b"") };
    assert!(!judge(&Answer { request: &other, ..answer }).unwrap().1, "an answer to another request");
}

/// The base of a response with these components, and these header and trailer lines.
fn base(components: &str, own: &[(&str, &str)], trailers: &[(&str, &str)]) -> Result<String, String> {
    let input = format!("sig=({components});created=1618884473;keyid=\"test-key-ecc-p256\"");
    let lines = [own, &[("Signature-Input", &input), ("Signature", "sig=:c2ln:")]].concat();
    let (own, trailers) = (headers(&lines), headers(trailers));
    let asked = headers(&REQUEST);
    let request = Request { headers: &asked, ..Request::new(b"POST", b"/foo?param=Value&Pet=dog", b"") };
    let (text, _) = judge(&Answer { status: 200, headers: &own, body: b"", trailers: &trailers, request: &request })?;
    let (lines, params) = text.rsplit_once("\"@signature-params\": ").unwrap();
    assert_eq!(params, input.strip_prefix("sig=").unwrap());
    Ok(lines.to_owned())
}

#[test]
fn fields_are_written_as_section_21_prints_them() {
    let dict = [("Example-Dict", "  a=1,    b=2;x=1;y=2,   c=(a   b   c), d")];
    for (components, own, expected) in [
        // 2.1.1 and 2.1.2.
        (r#""example-dict""#, &dict[..], "\"example-dict\": a=1,    b=2;x=1;y=2,   c=(a   b   c), d\n"),
        (r#""example-dict";sf"#, &dict, "\"example-dict\";sf: a=1, b=2;x=1;y=2, c=(a b c), d\n"),
        (
            r#""example-dict";key="a" "example-dict";key="d" "example-dict";key="b" "example-dict";key="c""#,
            &dict,
            "\"example-dict\";key=\"a\": 1\n\"example-dict\";key=\"d\": ?1\n\"example-dict\";key=\"b\": 2;x=1;y=2\n\"example-dict\";key=\"c\": (a b c)\n",
        ),
        (
            r#""example-list";sf"#,
            &[("Example-List", "a;x ,  (1   2);y=\"z\"")],
            "\"example-list\";sf: a;x, (1 2);y=\"z\"\n",
        ),
        (r#""example-item";sf"#, &[("Example-Item", " :aGVsbG8=:; x=?1 ")], "\"example-item\";sf: :aGVsbG8=:;x\n"),
        // 2.1.3.
        (
            r#""example-header";bs"#,
            &[("Example-Header", "value, with, lots"), ("Example-Header", "of, commas")],
            "\"example-header\";bs: :dmFsdWUsIHdpdGgsIGxvdHM=:, :b2YsIGNvbW1hcw==:\n",
        ),
        (
            r#""example-header""#,
            &[("Example-Header", "value, with, lots"), ("Example-Header", "of, commas")],
            "\"example-header\": value, with, lots, of, commas\n",
        ),
        // Numbers (RFC 8941, 4.1.4 and 4.1.5).
        (
            r#""example-list";sf"#,
            &[("Example-List", "1,-1.5 , 0.125;q=0,  -0.5")],
            "\"example-list\";sf: 1, -1.5, 0.125;q=0, -0.5\n",
        ),
    ] {
        assert_eq!(base(components, own, &[]).as_deref(), Ok(expected), "{components}");
    }
    // Numbers with another canonical form, as which they would have been signed.
    for number in [
        "-0",
        "00",
        "01",
        "1.",
        ".5",
        "1.50",
        "1.0000",
        "-0.0",
        "-00.5",
        "1234567890123.5",
        "1234567890123456",
        "-",
        "1.5.5",
    ] {
        let refused = base(r#""example-item";sf"#, &[("Example-Item", number)], &[]).unwrap_err();
        assert!(refused.starts_with("malformed_request"), "{number}: {refused}");
    }
    // 2.1.4.
    let trailer = base(
        r#""@status" "trailer" "expires";tr"#,
        &[("Content-Type", "text/plain"), ("Trailer", "Expires")],
        &[("Expires", "Wed, 9 Nov 2022 07:28:00 GMT")],
    );
    assert_eq!(
        trailer.as_deref(),
        Ok("\"@status\": 200\n\"trailer\": Expires\n\"expires\";tr: Wed, 9 Nov 2022 07:28:00 GMT\n")
    );
}

#[test]
fn what_has_no_meaning_is_refused() {
    for (components, refused) in [
        // Of its own a response has no method; of its request it has no status.
        (r#""@method""#, "invalid_field"),
        (r#""@status";req"#, "invalid_field"),
        (r#""@status" "@status""#, "duplicate_field"),
        (r#""@status";sf"#, "invalid_field"),
        (r#""x";sf"#, "invalid_field"),
        (r#""x";sf;bs"#, "invalid_field"),
        (r#""x";key="a";bs"#, "invalid_field"),
        (r#""x";tr;req"#, "invalid_field"),
        (r#""x";tr"#, "missing_field"),
        (r#""y";req"#, "missing_field"),
        (r#""x";new"#, "invalid_field"),
        (r#""x";sf=1"#, "invalid_field"),
        (r#""example-dict";sf"#, "malformed_request"),
        (r#""example-list";sf"#, "malformed_request"),
        (r#""example-dict";key="b""#, "malformed_request"),
    ] {
        let own = [("X", "1"), ("Example-Dict", "a=1, b=(1"), ("Example-List", "a,")];
        let found = base(components, &own, &[]).unwrap_err();
        assert!(found.starts_with(refused), "{components}: {found}");
    }
}
