//! JSON bodies for tests and benchmarks: plausible ones, hostile ones by class, and what serde_json makes of them.
#![allow(dead_code)] // Each user takes its part.

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// SplitMix64 (Steele, Lea, Flood 2014): the same documents from the same seed, on every machine.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From 0 up to, not including, `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    pub fn word(&mut self, length: usize) -> String {
        (0..length).map(|_| char::from(b'a' + self.below(26) as u8)).collect()
    }

    pub fn digits(&mut self, length: usize) -> String {
        (0..length).map(|i| char::from(b'0' + if i == 0 { 1 + self.below(9) } else { self.below(10) } as u8)).collect()
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

/// A payment of fourteen members in an order of its own, lengthened to `size` bytes: text with and without escapes and Chinese, numbers,
/// literals, an object and an array.
pub fn payment(rng: &mut Rng, size: usize) -> Vec<u8> {
    let text = |s: String| format!("\"{s}\"");
    let mut members = vec![
        ("merchantOrder", text(rng.digits(20))),
        ("partnerId", text(format!("p{}", rng.digits(5)))),
        ("amount", format!("{}.{}0", rng.digits(3), 1 + rng.below(9))),
        (
            "subject",
            text(format!("{}{}", rng.pick(&["订单支付", "话费充值", "退货退款", "北京市海淀区"]), rng.word(6))),
        ),
        ("nonce", text(rng.word(24))),
        ("timestamp", rng.digits(10)),
        ("remark", text(format!("{} \\u4ed8\\u6b3e \\\"{}\\\"\\n", rng.word(8), rng.word(5)))),
        ("rate", "1e2".to_owned()),
        ("receipt", rng.pick(&["true", "false"]).to_owned()),
        ("extension", "null".to_owned()),
        ("payer", format!("{{\"id\": {}, \"name\":\"张三\", \"roles\":[\"vip\",\"{}\"]}}", rng.digits(9), rng.word(4))),
        (
            "items",
            format!("[{{\"sku\":\"{}\",\"count\":{},\"price\":{}.50}},7]", rng.word(8), rng.below(100), rng.digits(2)),
        ),
        ("coupon", text(String::new())),
        ("notifyUrl", text(format!("https://{}.example.com/paid/{}", rng.word(6), rng.word(8)))),
    ];
    rng.shuffle(&mut members);
    let length = |members: &[(&str, String)]| members.iter().map(|(n, v)| n.len() + v.len() + 4).sum::<usize>() + 1;
    let lengthened: Vec<usize> =
        (0..members.len()).filter(|&i| members[i].1.starts_with('"') && members[i].1.len() > 2).collect();
    for turn in 0.. {
        let left = size.saturating_sub(length(&members));
        if left == 0 {
            break;
        }
        let value = &mut members[lengthened[turn % lengthened.len()]].1;
        value.pop();
        if left >= 3 && turn % 3 == 0 {
            value.push('付');
        } else {
            value.push_str(&rng.word(left.min(3)));
        }
        value.push('"');
    }
    let members: Vec<String> = members.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(",")).into_bytes()
}

fn space(rng: &mut Rng) -> &'static str {
    if rng.below(5) > 0 {
        ""
    } else {
        rng.pick(&["", " ", "\n", "\t ", " \r\n  ", "                                    "])
    }
}

/// A valid string; one in ten crosses a block of 64 bytes or two.
fn string(rng: &mut Rng) -> String {
    const PIECES: &[&str] = &[
        "\\n",
        "\\b",
        "\\f",
        "\\r",
        "\\t",
        "\\\\",
        "\\\"",
        "\\/",
        "\\u00e9",
        "\\u00E9",
        "\\uD83D\\uDE00",
        "\\udbff\\udfff",
        "\\u0000",
        "\\uFFFF",
        "\\\\\\\\\\\\",
        "é",
        "付",
        "😀",
        "\u{7f}",
        "\u{85}",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        " ",
        "'",
    ];
    let length = match rng.below(10) {
        0 => 0,
        1 => 50 + rng.below(150),
        _ => rng.below(14),
    };
    let mut text = String::from("\"");
    for _ in 0..length {
        if rng.below(3) == 0 { text.push_str(rng.pick(PIECES)) } else { text.push_str(&rng.word(1)) }
    }
    text.push('"');
    text
}

const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "10.50",
    "1e2",
    "1E+2",
    "1e-2",
    "1.0E+05",
    "-1.5",
    "123456789012345678901234567890",
    "0.1000000000000000055511151231257827",
    "18446744073709551616",
    "9007199254740993",
    "1e308",
    "-0.0",
    "0e0",
    "5",
    "1e999",
    "-1e999",
    "1e-999",
    "1e99999999999999999999",
    "0.00",
];

fn value(rng: &mut Rng, depth: usize) -> String {
    match rng.below(if depth == 0 { 7 } else { 10 }) {
        0..=2 => string(rng),
        3 => rng.pick(NUMBERS).to_owned(),
        4 => (rng.next() as i32).to_string(),
        5 => rng.pick(&["true", "false"]).to_owned(),
        6 => "null".to_owned(),
        kind => {
            let items: Vec<String> = (0..rng.below(4))
                .map(|_| {
                    let name = if kind == 9 { String::new() } else { string(rng) + space(rng) + ":" };
                    name + space(rng) + &value(rng, depth - 1) + space(rng)
                })
                .collect();
            let (open, close) = if kind == 9 { ("[", "]") } else { ("{", "}") };
            format!("{open}{}{}{close}", space(rng), items.join(&format!(",{}", space(rng))))
        }
    }
}

/// What one document of a class has in it: a member to put among valid ones, or a change of the whole text.
type Class = (&'static str, fn(&mut Rng) -> Option<(Vec<u8>, Vec<u8>)>, fn(&mut Rng, &mut Vec<u8>));

fn nothing(_: &mut Rng) -> Option<(Vec<u8>, Vec<u8>)> {
    None
}

fn kept(_: &mut Rng, _: &mut Vec<u8>) {}

/// A member `"zz_k"` whose value is one of `values`, at the top or inside another value.
fn member(rng: &mut Rng, values: &[&[u8]]) -> Option<(Vec<u8>, Vec<u8>)> {
    let value = rng.pick(values);
    let value = match rng.below(4) {
        0 => [b"{\"k\":", value, b"}"].concat(),
        1 => [b"[1,", value, b"]"].concat(),
        _ => value.to_vec(),
    };
    Some((b"\"zz_k\"".to_vec(), value))
}

fn strings(rng: &mut Rng, contents: &[&[u8]]) -> Option<(Vec<u8>, Vec<u8>)> {
    // Before and after, so that what matters may come to stand anywhere in a block, or across two.
    let (before, after) = (rng.below(70), rng.below(5));
    let text =
        [b"\"".as_slice(), rng.word(before).as_bytes(), rng.pick(contents), rng.word(after).as_bytes(), b"\""].concat();
    if rng.below(5) == 0 { Some((text, b"1".to_vec())) } else { member(rng, &[&text]) }
}

fn nested(depth: usize) -> Vec<u8> {
    [vec![b'['; depth], vec![b']'; depth]].concat()
}

const MARKS: &[u8] = b"\"\\{}[]:,0-.eE tfnu\n\x00\x1f\x7f\x80\xff";

/// Every class of documents.
#[rustfmt::skip]
pub const CLASSES: &[Class] = &[
    ("valid", nothing, kept),
    ("same name", |_| Some((b"\"twice\"".to_vec(), b"1,\"twice\":2".to_vec())), kept),
    ("same name by escape", |r| Some((b"\"amount\"".to_vec(), [b"1,", r.pick(&["\"am\\u006funt\"", "\"\\u0061mount\"", "\"amoun\\u0074\""]).as_bytes(), b":2"].concat())), kept),
    ("same name after a null", |_| Some((b"\"a\"".to_vec(), b"1,\"a\\u0000\":2,\"a\\u0000\\u0000\":3".to_vec())), kept),
    ("names that share prefixes", |r| Some((b"\"common_prefix\"".to_vec(), format!("1,\"common_prefix_{0}\":1,\"common_prefix_{1}\":2", r.below(3), r.below(3)).into_bytes())), kept),
    ("nested to the cap", |r| Some((b"\"zz_k\"".to_vec(), nested(r.pick(&[60, 63, 64, 65, 125, 126, 127, 128])))), kept),
    ("nested far beyond", |_| Some((b"\"zz_k\"".to_vec(), nested(5000))), kept),
    ("bad escape", |r| strings(r, &[b"\\x41", b"\\u12G4", b"\\u12", b"\\", b"\\ b", b"\\U0041", b"\\'", b"\\u", b"\\0", b"\\a", b"\\u 123", b"\\u+123", b"\\\x80", b"\\\n"]), kept),
    ("lone surrogate", |r| strings(r, &[b"\\uD800", b"\\uDC00", b"\\uD800x", b"\\uD800\\uD800", b"\\uD83D\\n", b"\\uDC00\\uD800", b"\\udfff", b"\\uD800\\u0041", b"\\ud800\\udbff", b"\\ud800\\ue000"]), kept),
    ("control character", |r| strings(r, &[b"\x01", b"\n", b"\t", b"\0", b"\x1f", b"\r"]), kept),
    ("bad UTF-8", |r| strings(r, &[b"\x80", b"\xc0\x80", b"\xff", b"\xe2\x82", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc3", b"\xf8\x88\x80\x80\x80", b"\xe4\xb8\\u00ad"]), kept),
    ("bad number", |r| member(r, &[b"01", b"-", b"-01", b"1.", b".5", b"1e", b"1e+", b"+1", b"00", b"0x1", b"1_0", b"NaN", b"Infinity", b"-Infinity", b"1.e2", b"--1", b"1.2.3", b"0123", b"-.5", b"1e5.5", b"1ee2", b"1e+-2", b"0.", b"0e"]), kept),
    ("good number", |r| { let n = r.pick(NUMBERS); member(r, &[n.as_bytes()]) }, kept),
    ("bad literal", |r| member(r, &[b"tru", b"nul", b"True", b"falsE", b"nulll", b"truefalse", b"undefined", b"", b"'a'", b"t", b"f", b"n", b"true1", b"null\"\""]), kept),
    ("bad structure", |r| member(r, &[b"[1 2]", b"[1,]", b"{\"a\" 1}", b"{\"a\":1 \"b\":2}", b"{\"a\":1,}", b"[,1]", b"{1:2}", b"[1}", b"{\"a\":1]", b"[\"a\":1]", b"{\"a\"}", b"[[1]", b"{:1}", b"{,}", b"[:]", b"{\"a\":}", b"[\"a]", b"1,", b"1,2", b"{\"a\":1}}", b"[]]", b"//c\n1", b"/*c*/1"]), kept),
    ("long string", |r| { let n = r.below(3000); let text = format!("\"{}{}\"", "x".repeat(n), r.pick(&["", "\\n", "付", "\\\\"])); member(r, &[text.as_bytes()]) }, kept),
    ("trailing text", nothing, |r, text| text.extend_from_slice(r.pick(&["x", "}", " {}", ",", "\0", "]", "{", " null", "\u{feff}", "//c", "\u{a0}", "\x0b", "\x0c"]).as_bytes())),
    ("leading text", nothing, |r, text| drop(text.splice(0..0, r.pick(&["\u{feff}", "x", ",", "\0", "{", "[", "\x0b", "\u{a0}"]).bytes()))),
    ("not an object", |_| None, |r, text| *text = r.pick(&["", " ", "[]", "[{}]", "1", "\"a\"", "null", "true", "{", "}", "\u{feff}{}", "\u{feff}", "{}{}", "{\"a\":1},{}", "-", "\"", "\\", "{\"", "{\"a", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{,", "{}", " { } ", "{\"\":0}"]).as_bytes().to_vec()),
    ("cut off", nothing, |r, text| text.truncate(r.below(text.len()))),
    ("bytes changed", nothing, |r, text| for _ in 0..1 + r.below(2) { let at = r.below(text.len()); text[at] = match r.below(3) { 0 => r.next() as u8, 1 => r.pick(MARKS), _ => text[at] ^ 1 << r.below(8) } }),
    ("byte put in", nothing, |r, text| { let at = r.below(text.len() + 1); let byte = if r.below(2) == 0 { r.next() as u8 } else { r.pick(MARKS) }; text.insert(at, byte) }),
    ("byte taken out", nothing, |r, text| { let at = r.below(text.len()); text.remove(at); }),
    ("part repeated", nothing, |r, text| { let from = r.below(text.len()); let part = text[from..from + r.below(text.len() - from)].to_vec(); let to = r.below(text.len()); drop(text.splice(to..to, part)) }),
];

/// A document of `class`.
pub fn document(rng: &mut Rng, class: &Class) -> Vec<u8> {
    let mut members: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for i in 0..rng.below(20) {
        let name = match rng.below(12) {
            0 => string(rng),
            1 => "\"sign\"".to_owned(),
            2 => "\"s\\u0069gn\"".to_owned(),
            3 => format!("\"common_prefix_{i}\""),
            _ => format!("\"{}{i}\"", {
                let length = rng.below(10);
                rng.word(length)
            }),
        };
        // Names are unique unless the class says otherwise.
        if seen.insert(serde_json::from_str::<String>(&name).unwrap()) {
            members.push((name.into_bytes(), value(rng, 3).into_bytes()));
        }
    }
    if let Some(member) = class.1(rng) {
        members.insert(rng.below(members.len() + 1), member);
    }
    let mut text = space(rng).as_bytes().to_vec();
    text.push(b'{');
    text.extend_from_slice(space(rng).as_bytes());
    for (i, (name, value)) in members.iter().enumerate() {
        if i > 0 {
            text.push(b',');
            text.extend_from_slice(space(rng).as_bytes());
        }
        text.extend_from_slice(name);
        text.extend_from_slice(space(rng).as_bytes());
        text.push(b':');
        text.extend_from_slice(space(rng).as_bytes());
        text.extend_from_slice(value);
        text.extend_from_slice(space(rng).as_bytes());
    }
    text.push(b'}');
    text.extend_from_slice(space(rng).as_bytes());
    class.2(rng, &mut text);
    text
}

/// The members of an object in the order of arrival, duplicates and all, as serde_json reads them without copying.
pub struct Members<'a>(pub Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::with_capacity(16);
                while let Some((Name(name), value)) = map.next_entry()? {
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }

        from.deserialize_map(Object)
    }
}

/// A name that is borrowed where it has no escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }

        from.deserialize_str(Text)
    }
}

/// Name, decoded value and value as sent, of each member in the order of arrival; nothing where the body has to be refused. Duplicates
/// are left in.
pub fn oracle(body: &[u8]) -> Option<Vec<(String, String, String)>> {
    let Members(members) = serde_json::from_slice(body).ok()?;
    members
        .into_iter()
        .map(|(name, raw)| {
            // A raw value's strings are not decoded by serde_json, so its surrogates are not looked at: decode them here.
            let tree: serde_json::Value = serde_json::from_str(raw.get()).ok()?;
            let value = tree.as_str().unwrap_or(raw.get()).to_owned();
            Some((name.into_owned(), value, raw.get().to_owned()))
        })
        .collect()
}
