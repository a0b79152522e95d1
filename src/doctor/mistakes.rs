//! Common mistakes of clients, each with the string that it makes and the sentence that mends it.
//!
//! Three kinds: the request read as the client may have meant it, and signed by the same profile ([`of_request`]); the parameters of a
//! sorted scheme joined otherwise ([`of_parameters`]); and the string itself, changed at its ends or as a whole ([`of_string`]). One mistake
//! at a time: two at once are as many guesses as pairs, and a client that made two finds the second after the first.

use crate::canon::client::Draft;
use crate::codec::percent::{self, Encoder, Plus};
use crate::request::{Kind, Params, Request, Sizes};

/// A string that a client may have signed.
pub(super) struct Guess {
    /// What went wrong, and what to do.
    pub fix: String,
    pub string: Vec<u8>,
}

/// Requests that a client may have signed in place of the one it sent.
pub(super) fn of_request(request: &Request<'_>) -> Vec<(String, Draft)> {
    let sent = Draft::of(request);
    let mut guesses: Vec<(String, Draft)> = Vec::new();
    let mut guess = |fix: &str, change: &dyn Fn(&mut Draft)| {
        let mut draft = sent.clone();
        change(&mut draft);
        if draft != sent {
            guesses.push((fix.to_owned(), draft));
        }
    };
    for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"] {
        guess(&format!("the signature is for method {method}: sign the method that is sent"), &|d| {
            d.method = method.as_bytes().to_vec();
        });
    }
    guess("the method was signed in lower case: sign it as sent", &|d| d.method.make_ascii_lowercase());
    let (path, query) = (request.path().to_vec(), request.query().to_vec());
    let target = |path: &[u8], query: &[u8]| {
        let mut target = path.to_vec();
        if !query.is_empty() {
            target.push(b'?');
            target.extend_from_slice(query);
        }
        target
    };
    let decode = |text: &[u8], plus| {
        let mut out = Vec::new();
        if percent::decode(text, plus, &mut out).is_ok() { out } else { text.to_vec() }
    };
    guess("the query was left out: sign the path with its query", &|d| d.target = path.clone());
    guess("the path was signed without its slash at the end: sign the path as sent", &|d| {
        d.target = target(path.strip_suffix(b"/").unwrap_or(&path), &query);
    });
    guess("the path was signed with a slash at the end: sign the path as sent", &|d| {
        d.target = target(&[&path[..], b"/"].concat(), &query);
    });
    guess("the path was decoded before signing: sign it as sent", &|d| {
        d.target = target(&decode(&path, Plus::Literal), &query);
    });
    guess("the query was decoded before signing: sign it as sent", &|d| {
        d.target = target(&path, &decode(&query, Plus::Space));
    });
    guess("the query was sorted before signing: sign it as sent", &|d| {
        let mut pairs: Vec<&[u8]> = query.split(|b| *b == b'&').collect();
        pairs.sort_unstable();
        d.target = target(&path, &pairs.join(&b'&'));
    });
    // A path that a proxy took a prefix off, or another path altogether, one level up.
    if let Some(at) = memchr::memchr(b'/', path.get(1..).unwrap_or_default()) {
        let rest = path.get(at + 1..).unwrap_or_default().to_vec();
        guess("the path was signed without its first part: sign the path that is sent, prefix and all", &|d| {
            d.target = target(&rest, &query);
        });
    }
    // What a proxy says that it was before.
    for name in ["x-original-uri", "x-original-url", "x-rewrite-url", "x-forwarded-uri", "x-forwarded-prefix"] {
        let Some(said) = sent.header(name.as_bytes()).filter(|said| said.starts_with(b"/")).map(<[u8]>::to_vec) else {
            continue;
        };
        let shown = String::from_utf8_lossy(&said).into_owned();
        guess(&format!("the signature is for path {shown}: sign the path that is sent"), &|d| {
            d.target = match name {
                "x-forwarded-prefix" => [said.strip_suffix(b"/").unwrap_or(&said), &sent.target].concat(),
                _ => said.clone(),
            };
        });
    }
    guess("the body was left out: sign the body that is sent", &|d| d.body.clear());
    guess("the body was signed with a line end behind it: sign exactly the bytes that are sent", &|d| {
        d.body.push(b'\n')
    });
    guess("the body was signed without its line end: sign exactly the bytes that are sent", &|d| {
        while d.body.last().is_some_and(|b| matches!(b, b'\n' | b'\r')) {
            d.body.pop();
        }
    });
    guess("the body's line ends were CRLF when it was signed: sign exactly the bytes that are sent", &|d| {
        d.body = String::from_utf8_lossy(&d.body).replace("\r\n", "\n").replace('\n', "\r\n").into_bytes();
    });
    for (fix, body) in rewritten(&sent.body) {
        guess(
            &format!("the body was {fix} after, or before, it was signed: sign exactly the bytes that are sent"),
            &|d| {
                d.body = body.clone();
            },
        );
    }
    for (name, fix) in [("host", "host"), ("content-type", "content type"), ("accept", "Accept header")] {
        for (what, value) in [("in lower case", 0), ("without its port", 1), ("without its parameters", 2)] {
            guess(&format!("the {fix} was signed {what}: sign it as sent"), &|d| {
                for (_, text) in d.headers.iter_mut().filter(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes())) {
                    let mark = [b' ', b':', b';'][value];
                    match value {
                        0 => text.make_ascii_lowercase(),
                        _ => text.truncate(memchr::memrchr(mark, text).unwrap_or(text.len())),
                    }
                }
            });
        }
    }
    // A host that stands elsewhere in the request: a proxy's, or the one that it hides.
    let others =
        ["x-forwarded-host", "x-original-host", "host"].into_iter().filter_map(|name| sent.header(name.as_bytes()));
    for host in others.chain(request.authority).map(<[u8]>::to_vec).collect::<Vec<_>>() {
        let shown = String::from_utf8_lossy(&host).into_owned();
        guess(&format!("the signature is for host {shown}: sign the host that is sent"), &|d| {
            for (_, text) in d.headers.iter_mut().filter(|(name, _)| name.eq_ignore_ascii_case(b"host")) {
                text.clone_from(&host);
            }
            d.authority = d.authority.as_ref().map(|_| host.clone());
        });
    }
    guesses
}

/// The timestamp in the other unit, as it stands in the string: `at` in milliseconds since 1970.
pub(super) fn of_moment(right: &[u8], at: i64) -> Option<Guess> {
    let text = std::str::from_utf8(right).ok()?;
    let (ms, seconds) = (at.to_string(), at.div_euclid(1000).to_string());
    let (from, to, unit) = match text.contains(&ms) {
        true => (ms, seconds, "seconds"),
        false if text.contains(&seconds) => (seconds, ms, "milliseconds"),
        false => return None,
    };
    let fix = format!("the timestamp was signed in {unit}: sign it as it is sent");
    Some(Guess { fix, string: text.replacen(&from, &to, 1).into_bytes() })
}

/// The JSON text written in other ways: without space, with a space behind colons and commas (as Python does), and in lines.
fn rewritten(body: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let Ok(text) = std::str::from_utf8(body) else { return Vec::new() };
    if !matches!(text.trim_start().as_bytes().first(), Some(b'{' | b'[')) || text.len() > 1 << 20 {
        return Vec::new();
    }
    let write = |colon: &str, comma: &str, lines: bool| {
        let (mut out, mut depth, mut string, mut escaped) = (String::new(), 0usize, false, false);
        let indent = |out: &mut String, depth: usize| {
            if lines {
                out.push('\n');
                out.push_str(&"  ".repeat(depth.min(64)));
            }
        };
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            if string {
                out.push(c);
                string = escaped || c != '"';
                escaped = !escaped && c == '\\';
                continue;
            }
            match c {
                '"' => {
                    string = true;
                    out.push(c);
                }
                c if c.is_ascii_whitespace() => {}
                '{' | '[' => {
                    out.push(c);
                    depth += 1;
                    while rest.next_if(char::is_ascii_whitespace).is_some() {}
                    if !matches!(rest.peek(), Some('}' | ']')) {
                        indent(&mut out, depth);
                    }
                }
                '}' | ']' => {
                    depth = depth.saturating_sub(1);
                    if !out.ends_with(['{', '[']) {
                        indent(&mut out, depth);
                    }
                    out.push(c);
                }
                ':' => out.push_str(colon),
                ',' => {
                    out.push_str(comma);
                    indent(&mut out, depth);
                }
                c => out.push(c),
            }
        }
        out.into_bytes()
    };
    vec![
        ("serialised without spaces", write(":", ",", false)),
        ("serialised with spaces behind colons and commas", write(": ", ", ", false)),
        ("pretty-printed", write(": ", ",", true)),
    ]
}

/// A name and a value, as a way of joining has them.
type Joined = (Vec<u8>, Vec<u8>);

/// A parameter as it may be joined.
struct Pair {
    name: Vec<u8>,
    value: Vec<u8>,
    raw_name: Vec<u8>,
    raw: Vec<u8>,
}

fn join(pairs: &[&Pair], text: impl Fn(&Pair) -> Joined) -> Vec<u8> {
    let mut out = Vec::new();
    for (at, pair) in pairs.iter().enumerate() {
        if at > 0 {
            out.push(b'&');
        }
        let (name, value) = text(pair);
        out.extend_from_slice(&name);
        out.push(b'=');
        out.extend_from_slice(&value);
    }
    out
}

/// For schemes of sorted parameters: the string that other ways of joining make. `right` is the scheme's own, by which the parameters that
/// it signs are known.
pub(super) fn of_parameters(request: &Request<'_>, signature: &[u8], right: &[u8]) -> Vec<Guess> {
    let mut params = Params::new();
    let sizes = Sizes::default();
    let query = request.query();
    let parsed = params.parse_query(query, Plus::Space, &sizes).is_ok()
        && (params.parse_json(request.body, &sizes).is_ok()
            || params.parse_form(request.body, &sizes).is_ok()
            || params.parse_xml(request.body, &sizes).is_ok());
    if !parsed && params.parse_query(query, Plus::Space, &sizes).is_err() {
        return Vec::new();
    }
    let view = params.view(query, request.body);
    let mut pairs: Vec<Pair> = (0..view.len())
        .filter(|at| view.value(*at) != signature)
        .map(|at| Pair {
            name: view.name(at).to_vec(),
            value: if view.kind(at) == Kind::Null { Vec::new() } else { view.value(at).to_vec() },
            raw_name: view.raw_name(at).to_vec(),
            raw: view.raw(at).to_vec(),
        })
        .collect();
    let plain = |pair: &Pair| (pair.name.clone(), pair.value.clone());
    // Whether the scheme signs empty values.
    let kept = |pair: &Pair| right.split(|b| *b == b'&').any(|text| text.strip_suffix(b"=") == Some(&pair.name[..]));
    let keeps = pairs.iter().any(|pair| pair.value.is_empty() && kept(pair));
    let full = |pairs: &[Pair]| -> Vec<usize> {
        (0..pairs.len()).filter(|at| keeps || !pairs[*at].value.is_empty()).collect()
    };
    let pick = |pairs: &[Pair], which: &[usize], text: &dyn Fn(&Pair) -> Joined| {
        let chosen: Vec<&Pair> = which.iter().filter_map(|at| pairs.get(*at)).collect();
        join(&chosen, text)
    };
    let mut guesses = Vec::new();
    let mut add = |fix: &str, string: Vec<u8>| {
        if string != right {
            guesses.push(Guess { fix: fix.to_owned(), string });
        }
    };
    // In the order of arrival.
    add("the parameters were not sorted: sort them by name, byte by byte", pick(&pairs, &full(&pairs), &plain));
    pairs.sort_by_cached_key(|pair| pair.name.to_ascii_lowercase());
    add(
        "the parameters were sorted without regard to case: sort them byte by byte",
        pick(&pairs, &full(&pairs), &plain),
    );
    pairs.sort_by(|a, b| b.name.cmp(&a.name));
    add("the parameters were sorted backwards", pick(&pairs, &full(&pairs), &plain));
    pairs.sort_by(|a, b| a.name.cmp(&b.name));
    let (all, some) = ((0..pairs.len()).collect::<Vec<_>>(), full(&pairs));
    add("empty values were signed: leave them out", pick(&pairs, &all, &plain));
    let filled: Vec<usize> = some.iter().copied().filter(|at| !pairs[*at].value.is_empty()).collect();
    add("empty values were left out: sign them as name=", pick(&pairs, &filled, &plain));
    let sent = |pair: &Pair| (pair.raw_name.clone(), pair.raw.clone());
    add("values were signed as they are sent: decode them first", pick(&pairs, &some, &sent));
    let twice = |pair: &Pair| {
        let mut out = Vec::new();
        let good = percent::decode(&pair.value, Plus::Literal, &mut out).is_ok();
        (pair.name.clone(), if good { out } else { pair.value.clone() })
    };
    add("values were decoded twice: decode them once", pick(&pairs, &some, &twice));
    let plus = |from: u8, to: u8| {
        move |pair: &Pair| {
            let value = pair.value.iter().map(|b| if *b == from { to } else { *b }).collect();
            (pair.name.clone(), value)
        }
    };
    add(
        "a + was taken for a space: in JSON, and when it is sent as %2B, it is none",
        pick(&pairs, &some, &plus(b'+', b' ')),
    );
    add("a space was taken for a +: sign the space", pick(&pairs, &some, &plus(b' ', b'+')));
    for (what, encoder) in [("percent-encoded", Encoder::Rfc3986), ("encoded as a form", Encoder::Form)] {
        let encoded = |pair: &Pair| {
            let (mut name, mut value) = (Vec::new(), Vec::new());
            encoder.append(&pair.name, &mut name);
            encoder.append(&pair.value, &mut value);
            (name, value)
        };
        add(&format!("values were {what} before signing: sign them decoded"), pick(&pairs, &some, &encoded));
    }
    let trimmed = |pair: &Pair| (pair.name.clone(), pair.value.trim_ascii().to_vec());
    add("spaces were trimmed: sign values as they are", pick(&pairs, &some, &trimmed));
    for (fix, at) in [("without spaces", 0), ("with spaces behind colons and commas", 1)] {
        let other = |pair: &Pair| {
            let value = rewritten(&pair.value).into_iter().nth(at).map_or_else(|| pair.value.clone(), |(_, text)| text);
            (pair.name.clone(), value)
        };
        add(
            &format!("objects and arrays were serialised {fix}: sign their bytes as sent"),
            pick(&pairs, &some, &other),
        );
    }
    for leave in ["sign_type", "signType", "charset", "partnerId", "appId", "timestamp", "nonce"] {
        let which: Vec<usize> = some.iter().copied().filter(|at| pairs[*at].name != leave.as_bytes()).collect();
        if which.len() < some.len() {
            add(&format!("{leave} was left out: it is signed"), pick(&pairs, &which, &plain));
        }
    }
    guesses
}

/// For schemes whose string holds the digest of a canonical request: the strings that other canonical requests make.
pub(super) fn of_canonical(request: &Request<'_>, right: &[u8], canonical: &[u8]) -> Vec<Guess> {
    type Hash = fn(&[u8]) -> Vec<u8>;
    let hashes: [Hash; 2] =
        [|text| crate::hash::sha256::digest(text).to_vec(), |text| crate::hash::sm3::digest(text).to_vec()];
    let text = |hash: Hash, text: &[u8]| crate::codec::hex::to_string(&hash(text));
    let find = |hash: Hash| memchr::memmem::find(right, text(hash, canonical).as_bytes());
    let Some((hash, at)) = hashes.into_iter().find_map(|hash| Some((hash, find(hash)?))) else { return Vec::new() };
    let (front, behind) = (right.get(..at).unwrap_or_default(), right.get(at + 64..).unwrap_or_default());
    let mut guesses = Vec::new();
    let mut add = |fix: &str, other: Vec<u8>| {
        if other != canonical {
            let string = [front, text(hash, &other).as_bytes(), behind].concat();
            guesses.push(Guess { fix: fix.to_owned(), string });
        }
    };
    let body = text(hash, request.body);
    if let Some(rest) = canonical.strip_suffix(body.as_bytes()) {
        let with = |last: &[u8]| [rest, last].concat();
        let missing = "the digest of the body is missing from the canonical request: it is its last line";
        add(missing, with(b""));
        add(missing, rest.strip_suffix(b"\n").unwrap_or(rest).to_vec());
        add("the body itself stands in the canonical request: its digest does", with(request.body));
        add(
            "the digest of the body was written in upper case: write it in lower case",
            with(body.to_ascii_uppercase().as_bytes()),
        );
        let base64 = crate::codec::base64::to_string(crate::codec::base64::Variant::Standard, &hash(request.body));
        add("the digest of the body was written as base64: write it as hexadecimal", with(base64.as_bytes()));
        add("the canonical request says UNSIGNED-PAYLOAD: sign the digest of the body", with(b"UNSIGNED-PAYLOAD"));
    }
    // Method, path and query are the first three lines.
    let lines: Vec<&[u8]> = canonical.split(|b| *b == b'\n').collect();
    let mut line = |fix: &str, at: usize, other: &[u8]| {
        let mut lines = lines.clone();
        if let Some(line) = lines.get_mut(at) {
            *line = other;
            add(fix, lines.join(&b'\n'));
        }
    };
    let (path, query) = (request.path(), request.query());
    line("the path was signed as it is sent: write it as the scheme does", 1, path);
    line("the query's parameters were not sorted and encoded: sort them by name, byte by byte", 2, query);
    let mut pairs: Vec<&[u8]> = lines.get(2).copied().unwrap_or_default().split(|b| *b == b'&').collect();
    pairs.sort_by_cached_key(|pair| pair.to_ascii_lowercase());
    line("the query's parameters were sorted without regard to case: sort them byte by byte", 2, &pairs.join(&b'&'));
    let known: Vec<&[u8]> =
        query.split(|b| *b == b'&').map(|pair| pair.split(|b| *b == b'=').next().unwrap_or_default()).collect();
    pairs.sort_by_key(|pair| {
        let name = pair.split(|b| *b == b'=').next().unwrap_or_default();
        known.iter().position(|other| *other == name)
    });
    line("the query's parameters were not sorted: sort them by name, byte by byte", 2, &pairs.join(&b'&'));
    pairs.sort_unstable();
    pairs.retain(|pair| !pair.ends_with(b"="));
    line("parameters with empty values were left out: sign them as name=", 2, &pairs.join(&b'&'));
    for (fix, plus) in [("decoded", Plus::Literal), ("decoded, a + as a space", Plus::Space)] {
        let mut decoded = Vec::new();
        if percent::decode(lines.get(2).copied().unwrap_or_default(), plus, &mut decoded).is_ok() {
            line(&format!("the query's values were {fix}: encode them as the scheme does"), 2, &decoded);
        }
    }
    line("the query was left out", 2, b"");
    add("there is a line end too many behind the canonical request", [canonical, b"\n"].concat());
    guesses.push(Guess {
        fix: "the canonical request itself was signed: sign the string that holds its digest".to_owned(),
        string: canonical.to_vec(),
    });
    let upper = text(hash, canonical).to_ascii_uppercase();
    guesses.push(Guess {
        fix: "the digest of the canonical request was written in upper case: write it in lower case".to_owned(),
        string: [front, upper.as_bytes(), behind].concat(),
    });
    guesses
}

/// The string changed at its ends, or as a whole.
pub(super) fn of_string(right: &[u8]) -> Vec<Guess> {
    let mut guesses = Vec::new();
    let mut add = |fix: &str, string: Vec<u8>| {
        if string != right {
            guesses.push(Guess { fix: fix.to_owned(), string });
        }
    };
    add("the line end behind the string is missing", right.strip_suffix(b"\n").unwrap_or(right).to_vec());
    add("there is a line end too many behind the string", [right, b"\n"].concat());
    add("the string ends in & or has one in front", [right, b"&"].concat());
    add("lines end in CRLF: they end in LF", String::from_utf8_lossy(right).replace('\n', "\r\n").into_bytes());
    let mut encoded = Vec::new();
    percent::encode(right, &mut encoded);
    add("the whole string was percent-encoded before signing: sign it as it is", encoded);
    let mut decoded = Vec::new();
    if percent::decode(right, Plus::Space, &mut decoded).is_ok() {
        add("the whole string was decoded once more", decoded);
    }
    add("the string was put into lower case", right.to_ascii_lowercase());
    add("the string was put into upper case", right.to_ascii_uppercase());
    for (fix, digest) in [
        ("SHA-256", crate::hash::sha256::digest(right).to_vec()),
        ("SM3", crate::hash::sm3::digest(right).to_vec()),
        ("SHA-512", crate::hash::sha512::digest(right).to_vec()),
        ("MD5", crate::hash::md5::digest(right).to_vec()),
    ] {
        let hex = crate::codec::hex::to_string(&digest);
        add(&format!("the {fix} digest of the string was signed, not the string"), digest);
        add(&format!("the hexadecimal text of the string's {fix} digest was signed, not the string"), hex.into_bytes());
    }
    guesses
}
