//! Queries and form bodies: every backend gives the same, and what a plain implementation gives, written here without ours.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::codec::percent;
use portcullis::lanes::Cpu;
use portcullis::request::{ParamError, Params, Plus, Sizes};
use std::cell::RefCell;
use std::collections::BTreeMap;

thread_local! {
    static SCRATCH: RefCell<Vec<Params>> = RefCell::new(Cpu::variants().into_iter().map(Params::with_cpu).collect());
}

#[derive(Debug, PartialEq)]
struct Pair {
    name: String,
    value: String,
    raw_name: Vec<u8>,
    raw: Vec<u8>,
    has_value: bool,
}

/// Decodes one part: nothing for a malformed `%`, a raw control character or bytes that are not UTF-8 in the end.
fn plain_decode(part: &[u8], plus_is_space: bool) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = part.iter().copied();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return None;
                }
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            b'+' if plus_is_space => b' ',
            control if control.is_ascii_control() => return None,
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

fn plain(text: &[u8], plus_is_space: bool) -> Option<Vec<Pair>> {
    std::str::from_utf8(text).ok()?;
    let mut pairs = Vec::new();
    for pair in text.split(|&b| b == b'&').filter(|pair| !pair.is_empty()) {
        let mut halves = pair.splitn(2, |&b| b == b'=');
        let name = halves.next()?;
        let value = halves.next();
        pairs.push(Pair {
            name: plain_decode(name, plus_is_space)?,
            value: plain_decode(value.unwrap_or_default(), plus_is_space)?,
            raw_name: name.to_vec(),
            raw: value.unwrap_or_default().to_vec(),
            has_value: value.is_some(),
        });
    }
    Some(pairs)
}

fn ours(params: &mut Params, text: &[u8], form: bool, plus: Plus) -> Result<Vec<Pair>, ParamError> {
    let sizes = Sizes { target: usize::MAX, body: usize::MAX, params: usize::MAX, ..Sizes::default() };
    params.clear();
    let (query, body) = if form { (&b""[..], text) } else { (text, &b""[..]) };
    if form {
        params.parse_form(text, &sizes)?
    } else {
        params.parse_query(text, plus, &sizes)?
    }
    let sorted = params.sort(query, body);
    let view = params.view(query, body);
    let string = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("what was taken is UTF-8");
    let pairs: Vec<Pair> = (0..view.len())
        .map(|i| Pair {
            name: string(view.name(i)),
            value: string(view.value(i)),
            raw_name: view.raw_name(i).to_vec(),
            raw: view.raw(i).to_vec(),
            has_value: view.has_value(i),
        })
        .collect();
    let mut by_name: BTreeMap<&[u8], Vec<u32>> = BTreeMap::new();
    for (i, pair) in pairs.iter().enumerate() {
        by_name.entry(pair.name.as_bytes()).or_default().push(i as u32);
    }
    assert_eq!(sorted.is_err(), by_name.values().any(|same| same.len() > 1));
    assert_eq!(view.sorted(), by_name.values().flatten().copied().collect::<Vec<_>>());
    for (name, same) in by_name {
        assert_eq!(view.find(name), Some(same[0] as usize));
    }
    Ok(pairs)
}

fuzz_target!(|data: &[u8]| {
    let Some((&mode, text)) = data.split_first() else { return };
    let form = mode & 1 == 1;
    let plus = if form || mode & 2 == 2 { Plus::Space } else { Plus::Literal };
    let expected = plain(text, plus == Plus::Space);
    SCRATCH.with_borrow_mut(|scratch| {
        let results: Vec<_> = scratch.iter_mut().map(|params| ours(params, text, form, plus)).collect();
        assert!(results.windows(2).all(|two| two[0] == two[1]), "backends differ: {results:?}");
        assert_eq!(results[0].as_ref().ok(), expected.as_ref(), "{:?}", results[0].as_ref().err());
    });
    // What is encoded is decoded to itself, and holds nothing but unreserved characters and escapes.
    let (mut encoded, mut decoded) = (Vec::new(), Vec::new());
    percent::encode(text, &mut encoded);
    assert!(encoded.iter().all(|&b| b == b'%' || b.is_ascii_alphanumeric() || b"-_.~".contains(&b)));
    percent::decode(&encoded, plus, &mut decoded).expect("our own encoding");
    assert_eq!(decoded, text);
});
