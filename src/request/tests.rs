//! Parameters as callers see them.

use super::*;
use crate::lanes::Cpu;

type Member = (Vec<u8>, Kind, Vec<u8>, Vec<u8>);

fn members(view: View<'_>) -> Vec<Member> {
    (0..view.len())
        .map(|i| (view.name(i).to_vec(), view.kind(i), view.value(i).to_vec(), view.raw(i).to_vec()))
        .collect()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn json_members_keep_what_was_sent() {
    let body = r#" { "b" : "x\u4e2d\n\"\ud83d\ude00" ,"a":1.10,"c":1e2,"d":{"k": [1, "]}\"", {}] },"e":[ ], "f":true,"g":null,"":"" } "#;
    let mut params = Params::new();
    params.parse_json(body.as_bytes(), &Sizes::default()).unwrap();
    params.sort(b"", body.as_bytes()).unwrap();
    let view = params.view(b"", body.as_bytes());
    let found: Vec<_> = view
        .sorted()
        .iter()
        .map(|&i| i as usize)
        .map(|i| (text(view.name(i)), view.kind(i), text(view.value(i))))
        .collect();
    let expected = [
        ("", Kind::Text, ""),
        ("a", Kind::Number, "1.10"),
        ("b", Kind::Text, "x中\n\"😀"),
        ("c", Kind::Number, "1e2"),
        ("d", Kind::Object, r#"{"k": [1, "]}\"", {}] }"#),
        ("e", Kind::Array, "[ ]"),
        ("f", Kind::Bool, "true"),
        ("g", Kind::Null, "null"),
    ];
    assert_eq!(found, expected);
    let b = view.find(b"b").unwrap();
    assert_eq!((b, text(view.raw(b)), text(view.raw_name(b))), (0, r#""x\u4e2d\n\"\ud83d\ude00""#, "b"));
    assert_eq!(view.source(b), Source::Json);
    assert_eq!(view.find(b"b\0"), None);
}

#[test]
fn queries_are_decoded_once() {
    let query = b"a=1&&b=%2541+%E4%B8%AD&c&=v&d==x%26&e%3Df=";
    let mut params = Params::new();
    params.parse_query(query, Plus::Space, &Sizes::default()).unwrap();
    params.sort(query, b"").unwrap();
    let view = params.view(query, b"");
    let found: Vec<_> = (0..view.len()).map(|i| (text(view.name(i)), text(view.value(i)), view.has_value(i))).collect();
    let expected = [
        ("a", "1", true),
        ("b", "%41 中", true),
        ("c", "", false),
        ("", "v", true),
        ("d", "=x&", true),
        ("e=f", "", true),
    ];
    assert_eq!(found, expected);
    assert_eq!(text(view.raw(1)), "%2541+%E4%B8%AD");
    assert_eq!(text(view.raw_name(5)), "e%3Df");
    let sorted: Vec<_> = view.sorted().iter().map(|&i| text(view.name(i as usize))).collect();
    assert_eq!(sorted, ["", "a", "b", "c", "d", "e=f"]);

    params.clear();
    params.parse_query(b"a=x+y", Plus::Literal, &Sizes::default()).unwrap();
    assert_eq!(params.view(b"a=x+y", b"").value(0), b"x+y");
}

#[test]
fn errors_say_what_and_where() {
    let sizes = Sizes { params: 3, depth: 3, body: 80, target: 20, ..Sizes::default() };
    let source = Source::Json;
    for (body, error) in [
        ("", ParamError::Malformed { source, offset: 0 }),
        ("[]", ParamError::Malformed { source, offset: 0 }),
        ("{\"a\":01}", ParamError::Malformed { source, offset: 6 }),
        ("{\"a\":\"\n\"}", ParamError::Malformed { source, offset: 6 }),
        ("{\"a\":\"", ParamError::Malformed { source, offset: 6 }),
        ("{\"a\":1}x", ParamError::Malformed { source, offset: 7 }),
        ("{\"a\":\"\\ud800\"}", ParamError::BadEncoding { source, offset: 6 }),
        ("{\"a\":[\"\\udc00\"]}", ParamError::BadEncoding { source, offset: 7 }),
        ("{\"a\":[[[]]]}", ParamError::TooDeep { source, offset: 7 }),
        ("{\"a\":1,\"b\":1,\"c\":1,\"d\":1}", ParamError::TooMany { source }),
    ] {
        assert_eq!(Params::new().parse_json(body.as_bytes(), &sizes), Err(error), "{body}");
    }
    assert_eq!(Params::new().parse_json(&[b' '; 81], &sizes), Err(ParamError::TooLong { source }));
    assert_eq!(
        Params::new().parse_json(b"{\"a\":\"\xff\"}", &sizes),
        Err(ParamError::BadEncoding { source, offset: 6 })
    );

    let source = Source::Query;
    for (query, error) in [
        ("a=%", ParamError::Malformed { source, offset: 2 }),
        ("b=1&a=1%4", ParamError::Malformed { source, offset: 7 }),
        ("a=\n", ParamError::Malformed { source, offset: 2 }),
        ("a=1&x%ff=", ParamError::BadEncoding { source, offset: 4 }),
        ("a&b&c&d", ParamError::TooMany { source }),
        ("012345678901234567890", ParamError::TooLong { source }),
    ] {
        let mut params = Params::new();
        assert_eq!(params.parse_query(query.as_bytes(), Plus::Space, &sizes), Err(error), "{query}");
        assert!(params.is_empty());
    }
}

#[test]
fn duplicates_are_by_decoded_name_and_source() {
    let body = br#"{"longer name":1,"sign":2,"s\u0069gn":3}"#;
    let query = b"sign=1&longer+name=2";
    let mut params = Params::new();
    params.parse_query(query, Plus::Space, &Sizes::default()).unwrap();
    params.parse_json(br#"{"longer name":1,"sign":2}"#, &Sizes::default()).unwrap();
    assert_eq!(params.sort(query, br#"{"longer name":1,"sign":2}"#), Ok(()), "one in each source");
    params.clear();
    params.parse_query(query, Plus::Space, &Sizes::default()).unwrap();
    params.parse_json(body, &Sizes::default()).unwrap();
    assert_eq!(params.sort(query, body), Err(ParamError::Duplicate { source: Source::Json, offset: 27 }));
    let view = params.view(query, body);
    assert_eq!(view.sorted(), [1, 2, 0, 3, 4]);
    assert_eq!(view.find(b"sign"), Some(0));
    assert_eq!(view.find_from(1, b"sign"), Some(3));
}

#[test]
fn every_backend_gives_the_same() {
    let bodies = [
        r#"{"a":"plain","b":"中","c":"\u4e2d","d":[1,{"x":"\\"}]}"#.to_owned(),
        format!("{{\"{}\":\"{}\\\"{}\"}}", "n".repeat(61), "v".repeat(64), "中".repeat(43)),
    ];
    for body in &bodies {
        for end in 0..=body.len() {
            let body = &body.as_bytes()[..end];
            let mut results = Vec::new();
            for cpu in Cpu::variants() {
                let mut params = Params::with_cpu(cpu);
                let result = params.parse_json(body, &Sizes::default());
                results.push((result, members(params.view(b"", body))));
            }
            assert!(results.windows(2).all(|two| two[0] == two[1]), "{results:?}");
        }
    }
}

#[test]
fn memory_is_kept_and_does_not_grow_from_request_to_request() {
    let query = b"sign=a%2Bb&same+prefix+1=%E4%B8%AD&same+prefix+2=x";
    let body = r#"{"a\u0062":"\n","same prefix 1":[[]],"same prefix 2":"x"}"#.as_bytes();
    let mut params = Params::new();
    let mut capacities = Vec::new();
    for _ in 0..3 {
        params.clear();
        params.parse_query(query, Plus::Space, &Sizes::default()).unwrap();
        params.parse_json(body, &Sizes::default()).unwrap();
        params.sort(query, body).unwrap();
        let Params { store, stops, nesting, order, .. } = &params;
        let stored =
            [store.entries.capacity(), store.keys.capacity(), store.arena.capacity(), store.decoded.capacity()];
        capacities.push((stored, stops.capacity(), nesting.capacity(), order.capacity()));
    }
    assert_eq!(capacities[0], capacities[1]);
    assert_eq!(capacities[0], capacities[2]);
}

/// Pairs by plain means: split first, then decode each part with the codec (which has its own tests).
fn plainly(text: &[u8], plus: Plus) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let part = |part: &[u8]| {
        let mut out = Vec::new();
        let clean = !part.iter().any(u8::is_ascii_control);
        (clean && crate::codec::percent::decode(part, plus, &mut out).is_ok() && std::str::from_utf8(&out).is_ok())
            .then_some(out)
    };
    std::str::from_utf8(text).ok()?;
    text.split(|&b| b == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let at = pair.iter().position(|&b| b == b'=').unwrap_or(pair.len());
            Some((part(&pair[..at])?, part(pair.get(at + 1..).unwrap_or_default())?))
        })
        .collect()
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    fn queries() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            8 => "[a-z]{0,9}".prop_map(String::into_bytes),
            2 => Just(b"&".to_vec()),
            2 => Just(b"=".to_vec()),
            2 => Just(b"+".to_vec()),
            3 => any::<u8>().prop_map(|byte| format!("%{byte:02X}").into_bytes()),
            3 => any::<char>().prop_map(|c| c.to_string().bytes().map(|b| format!("%{b:02x}")).collect::<String>().into_bytes()),
            1 => any::<char>().prop_map(|c| c.to_string().into_bytes()),
            1 => "[a-z]{50,80}".prop_map(String::into_bytes),
        ];
        // Wholly random bytes at times, and not too many of what makes a query wrong.
        prop_oneof![
            9 => proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat()),
            1 => proptest::collection::vec(any::<u8>(), 0..200),
        ]
    }

    proptest! {
        #[test]
        fn queries_are_split_first_and_decoded_afterwards(query in queries(), space: bool) {
            let plus = if space { Plus::Space } else { Plus::Literal };
            let expected = plainly(&query, plus);
            for cpu in Cpu::variants() {
                let mut params = Params::with_cpu(cpu);
                let parsed = params.parse_query(&query, plus, &Sizes::default());
                prop_assert_eq!(parsed.is_ok(), expected.is_some(), "{:?}", parsed);
                let view = params.view(&query, b"");
                let found: Vec<_> = (0..view.len()).map(|i| (view.name(i).to_vec(), view.value(i).to_vec())).collect();
                prop_assert_eq!(found, expected.clone().unwrap_or_default());
            }
        }

        #[test]
        fn names_of_any_kind_and_number_are_sorted(
            names in proptest::collection::vec(prop_oneof!["[ab]{0,3}", "same_prefix[ab\0]{0,3}", "\\PC{0,12}"], 0..100),
            bodies: bool,
        ) {
            // Every name once or more, in a query and a body.
            let mut query = Vec::new();
            for name in &names {
                crate::codec::percent::encode(name.as_bytes(), &mut query);
                query.extend_from_slice(b"=&");
            }
            let body = if bodies { query.clone() } else { Vec::new() };
            for cpu in Cpu::variants() {
                let mut params = Params::with_cpu(cpu);
                params.parse_query(&query, Plus::Space, &Sizes::default()).unwrap();
                params.parse_form(&body, &Sizes::default()).unwrap();
                let sorted = params.sort(&query, &body);
                let view = params.view(&query, &body);
                let mut order: Vec<u32> = (0..view.len() as u32).collect();
                order.sort_by(|&a, &b| view.name(a as usize).cmp(view.name(b as usize)));
                prop_assert_eq!(view.sorted(), &order[..]);
                let once: std::collections::HashSet<_> = names.iter().collect();
                prop_assert_eq!(sorted.is_ok(), once.len() == names.len());
            }
        }
    }
}
