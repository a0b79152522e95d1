//! Generated requests under generated rules: the profile and the oracle must agree on all of them.

use crate::oracle::{Rules, encode, naive};
use crate::support::*;
use portcullis::canon::builtin;
use portcullis::verdict::Reason;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn rules() -> impl Strategy<Value = Rules> {
    (
        any::<bool>(),
        prop::sample::select(vec!["empty", "text", "refuse"]),
        prop::sample::select(vec!["raw", "drop", "refuse"]),
        any::<bool>(),
        prop::bool::weighted(0.3),
        prop::sample::select(vec!["off", "off", "string", "values"]),
    )
        .prop_map(|(keep_empty, null, nested, keep_spaces, refuse_delimiters, encode)| Rules {
            keep_empty,
            null,
            nested,
            keep_spaces,
            refuse_delimiters,
            encode,
        })
}

/// Names that share prefixes and lengths, so that the order and duplicates are put to the test.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-cA-C]{1,3}",
        2 => "commonprefix[a-c_0-9]{0,3}",
        1 => "[a-z 中=&%+\"\\\\é😀]{1,6}",
        // About as long as the pieces in which names are copied.
        1 => "[a-c]{30,34}",
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[a-z0-9]{0,8}", 1 => "[a-z0-9 ]{30,34}", 1 => "[a-z0-9 ]{62,66}", 1 => "[a-z0-9]{20,150}", 1 => "[a-z0-9 ]{60,150}", 2 => "[ a-z=&%+,.:/\"\\\\中文é😀\t\n]{0,12}", 1 => Just(String::new())]
}

/// A JSON string with some characters escaped that need not be.
fn json_string(text: &str, every: usize) -> String {
    let mut out = String::from("\"");
    for (i, c) in text.chars().enumerate() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if (i + 1) % every == 0 => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            c => out.push(c),
        }
    }
    out + "\""
}

fn member(name: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let value = prop_oneof![
        5 => (text(), 1usize..9).prop_map(|(t, every)| json_string(&t, every)),
        2 => prop::sample::select(vec!["0", "-0", "1.10", "1e2", "-1.5E+3", "12345678901234567890123.0"]).prop_map(str::to_owned),
        1 => prop::sample::select(vec!["true", "false", "null"]).prop_map(str::to_owned),
        1 => prop::sample::select(vec!["[]", "{}", "[1, 2]", r#"{"a" : [{"b":"&c=\u0041"}]}"#, "[\n1 ]"]).prop_map(str::to_owned),
    ];
    (name, 1usize..9, value, 0usize..3).prop_map(|(name, every, value, spaces)| {
        let space = " ".repeat(spaces);
        format!("{space}{}{space}:{value}{space}", json_string(&name, every))
    })
}

/// A few members, or more than are written in one run, whose names hardly ever meet.
fn members() -> impl Strategy<Value = Vec<String>> {
    prop_oneof![
        4 => prop::collection::vec(member(name()), 0..12),
        1 => prop::collection::vec(member("[a-z]{6,12}"), 26..70),
    ]
}

fn pair() -> impl Strategy<Value = String> {
    (name(), text(), any::<bool>(), any::<bool>()).prop_map(|(name, value, plus, bare)| {
        let value = if plus { encode(&value).replace("%20", "+") } else { encode(&value) };
        if bare && value.is_empty() { encode(&name) } else { format!("{}={value}", encode(&name)) }
    })
}

fn cases(default: u32) -> ProptestConfig {
    let slow = std::env::var_os("PORTCULLIS_SLOW").is_some();
    ProptestConfig { cases: if slow { default * 50 } else { default }, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn posts_agree(
        rules in rules(),
        pairs in prop::collection::vec(pair(), 0..3),
        members in members(),
        sign_at in 0usize..3,
        ids_at in 0usize..13,
    ) {
        let mut pairs = pairs;
        pairs.insert(sign_at.min(pairs.len()), "sign=x".into());
        let query = pairs.join("&");
        let ids = r#""partnerId":"p1","timestamp":1700000000,"nonce":"n1""#.to_owned();
        let mut members = members;
        members.insert(ids_at.min(members.len()), ids);
        let body = format!("{{{}}}", members.join(","));
        let seen = post(&profile(&rules.changes()), &query, &body).map(|s| s.string).map_err(|r| r.reason);
        let expected = naive(&rules, &query, Some(&body));
        match (&seen, &expected) {
            // Where a request is wrong in two ways, which of them is told depends on the order of looking.
            (Err(Reason::InvalidField | Reason::DuplicateField), Err(Reason::InvalidField | Reason::DuplicateField)) => {}
            _ => prop_assert_eq!(seen, expected, "{} {}", query, body),
        }
    }

    #[test]
    fn gets_agree(rules in rules(), pairs in prop::collection::vec(pair(), 0..16), noise in "[a-c%+=&0-9]{0,6}") {
        let ids = "partnerId=p1&timestamp=1700000000&nonce=n1&sign=x";
        let query = format!("{}&{ids}&{noise}", pairs.join("&"));
        let seen = get(&profile(&rules.changes()), &query).map(|s| s.string).map_err(|r| r.reason);
        let expected = naive(&rules, &query, None);
        match (&seen, &expected) {
            (Err(Reason::InvalidField | Reason::DuplicateField), Err(Reason::InvalidField | Reason::DuplicateField)) => {}
            // The naive one decodes pair by pair and so may find a duplicate before a broken escape.
            (Err(Reason::MalformedRequest), Err(_)) => {}
            _ => prop_assert_eq!(seen, expected, "{}", query),
        }
    }

    /// With `delimiters` refused, a string belongs to one set of names and values only.
    #[test]
    fn refused_delimiters_make_the_join_unambiguous(pairs in prop::collection::btree_map("[ab&=]{1,3}", "[ab&=]{1,5}", 1..4)) {
        let rules = Rules {
            keep_empty: true, null: "empty", nested: "raw", keep_spaces: false, refuse_delimiters: true, encode: "off",
        };
        let query: Vec<String> = pairs.iter().map(|(n, v)| format!("{}={}", encode(n), encode(v))).collect();
        let query = format!("{}&partnerId=p1&timestamp=1700000000&nonce=n1&sign=x", query.join("&"));
        if let Ok(seen) = get(&profile(&rules.changes()), &query) {
            let mut back: BTreeMap<String, String> = BTreeMap::new();
            let mut last = String::new();
            for piece in seen.string.split('&') {
                match piece.split_once('=') {
                    Some((name, value)) => {
                        last = name.to_owned();
                        prop_assert!(back.insert(last.clone(), value.to_owned()).is_none());
                    }
                    None => back.get_mut(&last).unwrap().push_str(&format!("&{piece}")),
                }
            }
            for (name, value) in [("partnerId", "p1"), ("timestamp", "1700000000"), ("nonce", "n1")] {
                prop_assert_eq!(back.remove(name), Some(value.to_owned()));
            }
            prop_assert_eq!(back, pairs);
        }
    }

    /// Whatever the bytes: an answer, and the same answer again from used scratch memory.
    #[test]
    fn any_bytes_are_judged(target in prop::collection::vec(any::<u8>(), 0..60), body in prop::collection::vec(any::<u8>(), 0..80)) {
        use portcullis::canon::Scratch;
        use portcullis::request::{Header, Request, Sizes};
        let profile = builtin("openapi").unwrap();
        let headers = [Header { name: b"content-type", value: b"application/json" }];
        let target = [b"/?sign=x&nonce=1&timestamp=2&partnerId=3&", target.as_slice()].concat();
        let request = Request { headers: &headers, ..Request::new(b"POST", &target, &body) };
        let mut scratch = Scratch::new();
        let first = profile.extract(&request, &mut scratch, &Sizes::default()).map(|e| e.nonce.map(<[u8]>::to_vec));
        let again = profile.extract(&request, &mut scratch, &Sizes::default()).map(|e| e.nonce.map(<[u8]>::to_vec));
        prop_assert_eq!(first, again);
    }
}
