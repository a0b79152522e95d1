//! Signing profiles: a document is compiled or refused; a request under generated rules has the string, or the refusal, of a straightforward
//! implementation.
#![no_main]

#[path = "../../tests/canon/oracle.rs"]
mod oracle;

use libfuzzer_sys::fuzz_target;
use oracle::{Rules, naive};
use portcullis::canon::{Alg, Profile, Scratch, builtin_document};
use portcullis::codec::doc::Document;
use portcullis::request::{Header, Request, Sizes};
use portcullis::verdict::Reason;
use std::cell::RefCell;
use std::collections::HashMap;

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::new());
    /// Profiles by the byte that chose their rules.
    static PROFILES: RefCell<HashMap<u8, Profile>> = RefCell::new(HashMap::new());
}

fn rules(byte: u8) -> Rules {
    Rules {
        keep_empty: byte & 1 != 0,
        keep_spaces: byte & 2 != 0,
        refuse_delimiters: byte & 4 != 0,
        null: ["empty", "text", "refuse"][usize::from(byte >> 3 & 3).min(2)],
        nested: ["raw", "drop", "refuse"][usize::from(byte >> 5 & 1)],
        encode: ["off", "string", "values"][usize::from(byte >> 6 & 3).min(2)],
    }
}

fn profile(rules: &Rules) -> Profile {
    let mut document: serde_json::Value = serde_json::from_str(builtin_document("openapi").unwrap()).unwrap();
    for (pointer, value) in rules.changes() {
        let (parent, member) = pointer.rsplit_once('/').unwrap();
        document.pointer_mut(parent).unwrap()[member] = value;
    }
    let document = Document::parse(document.to_string().as_bytes()).unwrap();
    Profile::compile(&document.root()).unwrap()
}

/// The bytes as a profile's document.
fn compile(bytes: &[u8]) {
    if let Ok(document) = Document::parse(bytes)
        && let Ok(profile) = Profile::compile(&document.root())
    {
        let open = profile.lint().iter().any(|f| !f.accepted);
        assert!(!(open && Profile::from_document(&document.root()).is_ok()), "a hole that nobody named");
    }
}

/// The bytes as rules, a query and a body.
fn judge(choice: u8, query: &[u8], body: &[u8]) {
    let rules = rules(choice);
    let headers = [Header { name: b"content-type", value: b"application/json" }];
    let target = [b"/?sign=x&partnerId=1&timestamp=2&nonce=3&".as_slice(), query].concat();
    let request = Request { headers: &headers, ..Request::new(b"POST", &target, body) };
    PROFILES.with_borrow_mut(|profiles| {
        let profile = profiles.entry(choice).or_insert_with(|| profile(&rules));
        SCRATCH.with_borrow_mut(|scratch| {
            let mut out = Vec::new();
            let extract = profile.extract(&request, scratch, &Sizes::default());
            let seen = extract.map_err(|refusal| refusal.reason).map(|extract| {
                profile.write_message(&extract, &request, Alg::from_name("ed25519").unwrap(), &mut out).unwrap();
                assert_eq!(extract.signature, b"x");
            });
            let (Ok(query), Ok(body)) = (std::str::from_utf8(&target[2..]), std::str::from_utf8(body)) else {
                assert!(seen.is_err(), "not UTF-8");
                return;
            };
            let expected = naive(&rules, query, (!body.is_empty()).then_some(body));
            match (seen, expected) {
                (Ok(()), Ok(expected)) => assert_eq!(out, expected.into_bytes()),
                (Ok(()), Err(reason)) => panic!("taken, but {reason}"),
                // What the straightforward one does not look at: control characters, depth, numbers of parameters; secrets and
                // the other names of fields.
                (Err(Reason::MalformedRequest | Reason::InvalidField | Reason::DuplicateField), _) => {}
                (Err(reason), _) => panic!("{reason}"),
            }
        });
    });
}

fuzz_target!(|bytes: &[u8]| {
    match bytes {
        [b'{', ..] => compile(bytes),
        [choice, rest @ ..] => {
            let split = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
            let (query, body) = rest.split_at(split);
            judge(*choice, query, body.get(1..).unwrap_or_default());
        }
        [] => {}
    }
});
