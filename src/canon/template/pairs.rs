//! Pairs in a header: `SCHEME name="value", name=value` and its kin.
//!
//! RFC 9110, 11.4, as loosely as the field's schemes write it: values quoted or not, pairs in any order, divided by a comma, semicolon or
//! space. One pass, no pair read twice; an unfinished quote, a pair without a name, an empty pair or more than [`LIST_MAX`](super::LIST_MAX)
//! are refused. Names that repeat are refused, but for the signature's where the scheme allows several.

use super::super::document::SignTypes;

/// A prefix of names, and the name of the parameter with the scheme's word.
type InQuery = (Box<[u8]>, Box<[u8]>);

/// How the pairs are written.
#[derive(Debug)]
pub(super) struct PairRules {
    /// Headers that may hold them; the first that is there, and says one of the schemes, does.
    pub headers: Vec<Box<[u8]>>,
    /// The words before the pairs, with the algorithms that each narrows the keys to (all, where the document says none); empty for none.
    pub schemes: SignTypes,
    /// Whether a scheme's word narrows the algorithms.
    pub narrows: bool,
    pub divider: u8,
    pub equals: u8,
    /// The whole is `id:signature`.
    pub two: bool,
    /// Whether a client puts values in quotes; both are read.
    pub quotes: bool,
    /// The query in place of the header: a prefix of its parameters' names, and the one that holds the scheme's word.
    pub query: Option<InQuery>,
}

/// A pair: spans into the text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair<'t> {
    pub name: &'t [u8],
    /// Without quotes; with its escapes where `escaped`.
    pub value: &'t [u8],
    pub escaped: bool,
    /// Where the value begins, behind its quote.
    pub value_at: usize,
    /// Where the pair begins.
    pub start: usize,
}

fn blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// Eight times that byte.
const fn splat(byte: u8) -> u64 {
    u64::MAX / 0xFF * byte as u64
}

/// The first byte at or after `at` that cannot be in a name: one of the two that divide, a quote, a blank; the end of the text at the latest.
#[inline(always)]
fn name_end(text: &[u8], mut at: usize, divider: u8, equals: u8) -> usize {
    let ends = [divider, equals, b'"', b' ', b'\t'];
    // Eight bytes at once. `(x - 01) & !x & 80` has a byte's top bit set where that byte of x is zero, and above the lowest such byte
    // perhaps elsewhere, since only a zero borrows from the next byte: the lowest is right.
    while let Some(eight) = text.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let eight = u64::from_le_bytes(*eight);
        let mut found = 0;
        for end in ends {
            let x = eight ^ splat(end);
            found |= x.wrapping_sub(splat(1)) & !x;
        }
        found &= splat(0x80);
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while text.get(at).is_some_and(|b| !ends.contains(b)) {
        at += 1;
    }
    at
}

/// Cuts `text` into pairs and hands them over in order. `false` where the text is malformed or `take` says so.
pub(super) fn each<'t>(text: &'t [u8], divider: u8, equals: u8, mut take: impl FnMut(Pair<'t>) -> bool) -> bool {
    let mut at = 0;
    loop {
        while text.get(at).is_some_and(|b| blank(*b)) {
            at += 1;
        }
        let start = at;
        at = name_end(text, at, divider, equals);
        let name = text.get(start..at).unwrap_or_default().trim_ascii_end();
        while text.get(at).is_some_and(|b| b.is_ascii_whitespace() && *b != divider) {
            at += 1;
        }
        if name.is_empty() || text.get(at) != Some(&equals) {
            return false;
        }
        at += 1;
        while text.get(at).is_some_and(|b| blank(*b)) && divider != b' ' {
            at += 1;
        }
        let (value, escaped, value_at);
        if text.get(at) == Some(&b'"') {
            let from = at + 1;
            let (mut end, mut marks) = (from, false);
            loop {
                let rest = text.get(end..).unwrap_or_default();
                let Some(len) = memchr::memchr2(b'"', b'\\', rest) else { return false };
                end += len;
                if text.get(end) == Some(&b'"') {
                    break;
                }
                marks = true;
                end += 2;
            }
            (value, escaped, value_at) = (text.get(from..end).unwrap_or_default(), marks, from);
            at = end + 1;
            while text.get(at).is_some_and(|b| blank(*b)) && divider != b' ' {
                at += 1;
            }
            if text.get(at).is_some_and(|b| *b != divider) {
                return false;
            }
        } else {
            let rest = text.get(at..).unwrap_or_default();
            let end = memchr::memchr(divider, rest).unwrap_or(rest.len());
            (value, escaped, value_at) = (rest.get(..end).unwrap_or_default().trim_ascii_end(), false, at);
            if memchr::memchr(b'"', value).is_some() {
                return false;
            }
            at += end;
        }
        if !take(Pair { name, value, escaped, value_at, start }) {
            return false;
        }
        if at >= text.len() {
            return true;
        }
        at += 1;
    }
}

/// Appends a quoted string's text without its escapes (RFC 9110, 5.6.4).
pub(super) fn unescape(text: &[u8], out: &mut Vec<u8>) {
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => out.extend(bytes.next()),
            _ => out.push(*byte),
        }
    }
}

impl PairRules {
    /// The pairs' text of a header's value, and the scheme's place in the list; `None` where the value says no scheme of ours.
    pub fn text<'t>(&self, value: &'t [u8]) -> Option<(&'t [u8], usize)> {
        let value = value.trim_ascii();
        if self.schemes.is_empty() {
            return Some((value, 0));
        }
        // Schemes are tokens (RFC 9110, 5.6.2): none has a blank, so that the blank behind one is the value's first.
        self.schemes.iter().enumerate().find_map(|(at, (name, _))| {
            let (word, rest) = value.split_at_checked(name.len())?;
            let said = rest.first().is_some_and(|b| blank(*b)) && (*word == **name || word.eq_ignore_ascii_case(name));
            said.then(|| (rest.trim_ascii_start(), at))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, divider: u8, equals: u8) -> Option<Vec<(String, String)>> {
        let mut out = Vec::new();
        let good = each(text.as_bytes(), divider, equals, |pair| {
            let mut value = Vec::new();
            if pair.escaped {
                unescape(pair.value, &mut value)
            } else {
                value.extend_from_slice(pair.value)
            }
            assert!(text.as_bytes()[pair.start..].starts_with(pair.name));
            out.push((String::from_utf8_lossy(pair.name).into_owned(), String::from_utf8_lossy(&value).into_owned()));
            true
        });
        good.then_some(out)
    }

    fn all(pairs: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
        Some(pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn pairs_as_schemes_write_them() {
        for (text, divider, equals, expected) in [
            (r#"a="1",b="2""#, b',', b'=', vec![("a", "1"), ("b", "2")]),
            (r#"a = "x,y" , b=z=="#, b',', b'=', vec![("a", "x,y"), ("b", "z==")]),
            (r##"a="q\"\\q",b="""##, b',', b'=', vec![("a", r#"q"\q"#), ("b", "")]),
            ("t=1,v1=aa,v1=bb", b',', b'=', vec![("t", "1"), ("v1", "aa"), ("v1", "bb")]),
            ("v1,aa= v1a,bb", b' ', b',', vec![("v1", "aa="), ("v1a", "bb")]),
            ("A=1; B=2", b';', b'=', vec![("A", "1"), ("B", "2")]),
        ] {
            assert_eq!(read(text, divider, equals), all(&expected), "{text}");
        }
    }

    #[test]
    fn broken_ones_are_refused() {
        for text in [
            "",
            ",",
            "a",
            "a=1,",
            ",a=1",
            "a=1,,b=2",
            "=1",
            "a=\"1",
            "a=\"1\\",
            "a=\"1\\\"",
            "a=\"1\"x",
            "a=1\"",
            "a b=1",
            "a=\"",
            "\"a\"=1",
        ] {
            assert_eq!(read(text, b',', b'='), None, "{text:?}");
        }
    }

    #[test]
    fn a_name_ends_where_a_plain_search_says() {
        let mut state = 1u64;
        for length in 0..40 {
            for _ in 0..200 {
                let text: Vec<u8> = (0..length)
                    .map(|_| {
                        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        // Neighbours of the bytes that end a name, those with a top bit included, and now and then one of them.
                        let near =
                            [b'=', b',', b'"', b' ', b'\t', b'=' ^ 1, b',' + 1, b' ' | 0x80, b'"' - 1, 0, 0xFF, b'a'];
                        let pick = (state >> 33) as usize;
                        if !pick.is_multiple_of(4) {
                            b'a' + (pick >> 8) as u8 % 26
                        } else {
                            near[(pick >> 8) % near.len()]
                        }
                    })
                    .collect();
                let plain = text.iter().position(|b| b"=,\" \t".contains(b)).unwrap_or(text.len());
                assert_eq!(name_end(&text, 0, b',', b'='), plain, "{text:?}");
            }
        }
    }

    #[test]
    fn a_thousand_pairs_and_a_megabyte_of_quotes_take_one_pass() {
        let many: String = (0..100_000).map(|n| format!("a{n}=\"{n}\",")).collect();
        assert_eq!(read(many.trim_end_matches(','), b',', b'=').unwrap().len(), 100_000);
        assert_eq!(read(&format!("a=\"{}", "\\\"".repeat(500_000)), b',', b'='), None);
    }
}
