use super::*;
use proptest::prelude::*;

fn paths(patterns: &[(Option<&str>, &str)]) -> Paths {
    let mut builder = PathsBuilder::new();
    for (api, (method, path)) in patterns.iter().enumerate() {
        assert_eq!(builder.insert(*method, path, api as u32), Ok(()), "{path}");
    }
    builder.build()
}

#[test]
fn the_most_specific_pattern_has_the_path() {
    let p = paths(&[
        (Some("POST"), "/pay/*"),
        (Some("POST"), "/pay/v1/transfer"),
        (Some("GET"), "/users/*/orders"),
        (None, "/users/me/orders"),
        (Some("GET"), "/v1/file-*"),
        (Some("GET"), "/v1/*"),
        (Some("GET"), "/"),
        (Some("GET"), "/付款/查询"),
    ]);
    for (method, path, expected) in [
        ("POST", "/pay/", Match::Api(0)),
        ("POST", "/pay/v1/transfer/x", Match::Api(0)),
        ("POST", "/pay/v1/transfer", Match::Api(1)),
        ("POST", "/pay/v1/tr%61nsfer", Match::Api(1)),
        ("POST", "/pay", Match::Unknown),
        ("GET", "/pay/x", Match::OtherMethod),
        ("post", "/pay/x", Match::OtherMethod),
        ("GET", "/users/7/orders", Match::Api(2)),
        ("POST", "/users/7/orders", Match::OtherMethod),
        ("POST", "/users/me/orders", Match::Api(3)),
        ("GET", "/users//orders", Match::Unknown),
        ("GET", "/users/7/orders/", Match::Unknown),
        ("GET", "/v1/file-7/x", Match::Api(4)),
        ("GET", "/v1/file", Match::Api(5)),
        ("GET", "/", Match::Api(6)),
        ("GET", "", Match::Unknown),
        ("GET", "/%E4%BB%98%e6%ac%be/查询", Match::Api(7)),
    ] {
        assert_eq!(p.find(method.as_bytes(), path.as_bytes()), expected, "{method} {path}");
    }
}

#[test]
fn spellings_on_which_servers_disagree_match_nothing() {
    let p = paths(&[(None, "/pay/*"), (None, "/*"), (None, "/p/a;b")]);
    for path in [
        "/pay/../admin",
        "/pay/..",
        "/pay/./x",
        "/pay/%2e%2E/admin",
        "/pay/.%2e/admin",
        "/pay/..;/admin",
        "/pay/..;x=1/admin",
        "/pay/;/x",
        "/pay//x",
        "//pay/x",
        "/pay/a%2fb",
        "/pay/a%5cb",
        "/pay/a\\b",
        "/pay/a%00",
        "/pay/a\n",
        "/pay/%",
        "/pay/%2",
        "/pay/%zz",
        "/pay/a#b",
        "/pay/a b",
        "/pay/a;b",
        "/pay/a%3bb",
        "pay/x",
        "http://h/pay/x",
        "*",
        "",
    ] {
        assert_eq!(p.find(b"GET", path.as_bytes()), Match::Unknown, "{path}");
    }
    for path in
        ["/pay/...", "/pay/..x", "/pay/.x", "/pay/%23", "/pay/%20", "/pay/%25", "/p/a;b", "/p/a%3Bb", "/pay/a.;"]
    {
        let expected = if path.contains(';') && !path.starts_with("/p/") {
            Match::Unknown
        } else {
            p.find(b"GET", path.as_bytes())
        };
        assert_eq!(p.find(b"GET", path.as_bytes()), expected, "{path}");
        if !path.ends_with(';') {
            assert_ne!(expected, Match::Unknown, "{path}");
        }
    }
    let long = format!("/pay/{}", "%41".repeat(5000));
    assert_eq!(p.find(b"GET", long.as_bytes()), Match::Api(0));
}

#[test]
fn broken_and_double_patterns_are_refused() {
    let mut builder = PathsBuilder::new();
    for (path, fragment) in [
        ("pay", "begins with /"),
        ("", "begins with /"),
        ("/a?b", "without ?"),
        ("/a*b", "whole segment"),
        ("/a*/b", "whole segment"),
        ("/**", "whole segment"),
        ("/a//b", "empty or dot"),
        ("/a/../b", "empty or dot"),
        ("/a/%2f", "escaped slashes"),
        ("/a/%zz", "broken escapes"),
        ("/..*", "dot segments"),
    ] {
        match builder.insert(None, path, 0) {
            Err(PatternError::Form(message)) => assert!(message.contains(fragment), "{path}: {message}"),
            other => panic!("{path}: {other:?}"),
        }
    }
    assert!(builder.insert(None, &format!("/{}", "a".repeat(256)), 0).is_err());
    assert!(builder.insert(None, &"/a".repeat(65), 0).is_err());
    assert_eq!(builder.insert(Some("GET"), "/ab", 0), Ok(()));
    assert_eq!(builder.insert(Some("PUT"), "/ab", 1), Ok(()));
    assert_eq!(builder.insert(None, "/ab", 2), Ok(()));
    assert_eq!(builder.insert(None, "/a%62", 3), Err(PatternError::Twice(2)));
    assert_eq!(builder.insert(Some("GET"), "/%61b", 3), Err(PatternError::Twice(0)));
    assert_eq!(builder.insert(None, "/ab/*", 3), Ok(()));
    assert_eq!(builder.insert(None, "/ab/*", 4), Err(PatternError::Twice(3)));
}

#[test]
fn thousands_of_patterns_and_many_wildcards_stay_bounded() {
    let mut builder = PathsBuilder::new();
    for api in 0..5_000_u32 {
        builder.insert(Some("GET"), &format!("/s{}/v{}/r{api}", api % 7, api % 3), api).unwrap();
    }
    // Every mix of `*` and `a` over ten segments: the worst a document can do to a look-up is to list 2^k patterns.
    for mask in 0..1_u32 << 10 {
        let path: String = (0..10).map(|bit| if mask >> bit & 1 == 1 { "/*" } else { "/a" }).collect();
        builder.insert(Some("PUT"), &(path + "/end"), mask).unwrap();
    }
    let p = builder.build();
    for api in (0..5_000).step_by(37) {
        let path = format!("/s{}/v{}/r{api}", api % 7, api % 3);
        assert_eq!(p.find(b"GET", path.as_bytes()), Match::Api(api));
    }
    assert_eq!(p.find(b"PUT", ("/a".repeat(10) + "/other").as_bytes()), Match::Unknown);
    assert_eq!(p.find(b"PUT", ("/b".repeat(10) + "/end").as_bytes()), Match::Api(1023));
}

/// The same answer the slow way: every pattern against the path, the greatest rank wins.
fn naive(patterns: &[(Option<&str>, String)], method: &str, path: &str) -> Match {
    let rank = |pattern: &str| -> Option<Vec<(u8, usize)>> {
        let (mut rank, mut rest) = (Vec::new(), &path[1..]);
        let parts: Vec<&str> = pattern[1..].split('/').collect();
        for (index, part) in parts.iter().enumerate() {
            let last = index + 1 == parts.len();
            if last && let Some(prefix) = part.strip_suffix('*') {
                rank.push((0, prefix.len()));
                return rest.starts_with(prefix).then_some(rank);
            }
            let (segment, tail) = rest.split_once('/').map_or((rest, None), |(s, t)| (s, Some(t)));
            let taken = segment == *part || (*part == "*" && !segment.is_empty());
            if !taken || last != tail.is_none() {
                return None;
            }
            rank.push(if *part == "*" { (1, 0) } else { (2, 0) });
            rest = tail.unwrap_or("");
        }
        Some(rank)
    };
    let takers: Vec<_> =
        patterns.iter().enumerate().filter_map(|(api, (m, p))| Some((rank(p)?, m.is_some(), api as u32, *m))).collect();
    match takers.iter().filter(|t| t.3.is_none_or(|m| m == method)).max() {
        Some(best) => Match::Api(best.2),
        None if takers.is_empty() => Match::Unknown,
        None => Match::OtherMethod,
    }
}

fn segment() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "ab", "abc", "*"])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn agrees_with_trying_every_pattern(
        patterns in prop::collection::vec(
            (prop::option::of(prop::sample::select(vec!["GET", "PUT"])), prop::collection::vec(segment(), 1..4),
             prop::sample::select(vec!["", "", "*", "/", "/*", "/a*"])), 0..20),
        requests in prop::collection::vec(
            (prop::sample::select(vec!["GET", "PUT", "POST"]), prop::collection::vec(prop::sample::select(vec!["a", "b", "ab", "abc", "x"]), 1..5),
             any::<bool>()), 20)) {
        let mut builder = PathsBuilder::new();
        let mut kept: Vec<(Option<&str>, String)> = Vec::new();
        for (method, parts, end) in &patterns {
            let path = format!("/{}{end}", parts.join("/")).replace("**", "*");
            if builder.insert(*method, &path, kept.len() as u32).is_ok() {
                kept.push((*method, path));
            }
        }
        let p = builder.build();
        for (method, parts, slash) in &requests {
            let path = format!("/{}{}", parts.join("/"), if *slash { "/" } else { "" });
            prop_assert_eq!(p.find(method.as_bytes(), path.as_bytes()), naive(&kept, method, &path), "{} {} in {:?}", method, path, kept);
        }
    }

    #[test]
    fn any_bytes_are_answered(path in prop::collection::vec(any::<u8>(), 0..60)) {
        let p = paths(&[(None, "/*")]);
        let answer = p.find(b"GET", &path);
        prop_assert!(answer == Match::Api(0) || answer == Match::Unknown);
    }
}
