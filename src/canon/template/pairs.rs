//! Pairs in a header: `SCHEME name="value", name=value` and its kin.
//!
//! RFC 9110, 11.4, as loosely as the field's schemes write it: values quoted or not, pairs in any order, divided by a comma, semicolon or
//! space. One pass, no pair read twice; an unfinished quote, a pair without a name, an empty pair or more than [`LIST_MAX`](super::LIST_MAX)
//! are refused. Names that repeat are refused, but for the signature's where the scheme allows several.

use super::super::document::SignTypes;
use crate::lanes::{ByteLanes, Cpu};
use crate::request::{Stops, Text, Word, index};

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

/// What a walk over pairs stops at: all else is text of a name or a value.
#[derive(Clone, Copy)]
struct Marked {
    divider: u8,
    equals: u8,
}

impl Stops for Marked {
    #[inline(always)]
    fn find<L: ByteLanes>(self, lanes: L, block: L::Block) -> L::Mask {
        let is = |byte| lanes.equal(block, byte);
        let divides = lanes.or(is(self.divider), is(self.equals));
        lanes.or(lanes.or(divides, lanes.or(is(b'"'), is(b'\\'))), lanes.or(is(b' '), is(b'\t')))
    }

    /// Control characters, the tab among them.
    #[inline(always)]
    fn notes<L: ByteLanes>(self, lanes: L, block: L::Block, [control, ..]: [L::Mask; 3]) -> [L::Mask; 3] {
        let here = lanes.or(lanes.at_most(block, 0x1F), lanes.equal(block, 0x7F));
        [lanes.or(control, here), lanes.none(), lanes.none()]
    }
}

/// Where the text at hand has its marks; kept for its memory.
#[derive(Debug)]
pub(super) struct Marks {
    cpu: Cpu,
    bits: Vec<Word>,
}

impl Default for Marks {
    fn default() -> Self {
        Self { cpu: Cpu::detect(), bits: Vec::new() }
    }
}

impl Marks {
    /// Hands the memory out for as long as the rest of what it stands beside is at work.
    pub fn take(&mut self) -> Self {
        Self { cpu: self.cpu, bits: std::mem::take(&mut self.bits) }
    }
}

fn blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// Cuts `text` into pairs and hands them over in order; `None` where it is malformed or `take` says so. Says whether the text may have
/// control characters (it has none where `false`).
pub(super) fn each<'t>(
    text: &'t [u8],
    (divider, equals): (u8, u8),
    marks: &mut Marks,
    mut take: impl FnMut(Pair<'t>) -> bool,
) -> Option<bool> {
    let anywhere = index(marks.cpu, Marked { divider, equals }, text, &mut marks.bits);
    let marked = Text { bytes: text, stops: marks.bits.as_flattened() };
    let is = |at: usize, byte: u8| text.get(at) == Some(&byte);
    let mut at = 0;
    loop {
        while text.get(at).is_some_and(|b| blank(*b)) {
            at += 1;
        }
        let start = at;
        // At one of the two that divide, a quote, a blank; a backslash is a letter of a name.
        at = marked.stop(at);
        while is(at, b'\\') {
            at = marked.stop(at + 1);
        }
        let name = text.get(start..at).unwrap_or_default().trim_ascii_end();
        while text.get(at).is_some_and(|b| b.is_ascii_whitespace() && *b != divider) {
            at += 1;
        }
        if name.is_empty() || !is(at, equals) {
            return None;
        }
        at += 1;
        while text.get(at).is_some_and(|b| blank(*b)) && divider != b' ' {
            at += 1;
        }
        let (value, escaped, value_at);
        if is(at, b'"') {
            let from = at + 1;
            let (mut end, mut escapes) = (marked.stop(from), false);
            loop {
                match text.get(end) {
                    Some(b'"') => break,
                    Some(b'\\') => {
                        escapes = true;
                        end = marked.stop(end + 2);
                    }
                    Some(_) => end = marked.stop(end + 1),
                    None => return None,
                }
            }
            (value, escaped, value_at) = (text.get(from..end).unwrap_or_default(), escapes, from);
            at = end + 1;
            while text.get(at).is_some_and(|b| blank(*b)) && divider != b' ' {
                at += 1;
            }
            if text.get(at).is_some_and(|b| *b != divider) {
                return None;
            }
        } else {
            let from = at;
            at = marked.stop(at);
            while at < text.len() && !is(at, divider) {
                if is(at, b'"') {
                    return None;
                }
                at = marked.stop(at + 1);
            }
            (value, escaped, value_at) = (text.get(from..at).unwrap_or_default().trim_ascii_end(), false, from);
        }
        if !take(Pair { name, value, escaped, value_at, start }) {
            return None;
        }
        if at >= text.len() {
            return Some(anywhere.notes[0]);
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

    /// Name, value, whether it has escapes, where the value and the pair begin.
    type Cut = (Vec<u8>, Vec<u8>, bool, usize, usize);

    fn cut(cpu: Cpu, text: &[u8], signs: (u8, u8)) -> Option<(Vec<Cut>, bool)> {
        let mut out = Vec::new();
        let controls = each(text, signs, &mut Marks { cpu, bits: Vec::new() }, |pair| {
            out.push((pair.name.to_vec(), pair.value.to_vec(), pair.escaped, pair.value_at, pair.start));
            true
        })?;
        Some((out, controls))
    }

    fn read(text: &str, divider: u8, equals: u8) -> Option<Vec<(String, String)>> {
        let (pairs, _) = cut(Cpu::detect(), text.as_bytes(), (divider, equals))?;
        let plain = |(name, value, escaped, _, start): Cut| {
            let mut text_of = Vec::new();
            if escaped {
                unescape(&value, &mut text_of)
            } else {
                text_of = value
            }
            assert!(text.as_bytes()[start..].starts_with(&name));
            (String::from_utf8_lossy(&name).into_owned(), String::from_utf8_lossy(&text_of).into_owned())
        };
        Some(pairs.into_iter().map(plain).collect())
    }

    /// The same, a byte at a time.
    fn plainly(text: &[u8], (divider, equals): (u8, u8)) -> Option<Vec<Cut>> {
        let get = |at: usize| text.get(at).copied();
        let skip = |at: &mut usize, is: &dyn Fn(u8) -> bool| {
            while get(*at).is_some_and(is) {
                *at += 1;
            }
        };
        let (mut out, mut at) = (Vec::new(), 0);
        loop {
            skip(&mut at, &blank);
            let start = at;
            skip(&mut at, &|b| ![divider, equals, b'"', b' ', b'\t'].contains(&b));
            let name = text[start..at].trim_ascii_end().to_vec();
            skip(&mut at, &|b| b.is_ascii_whitespace() && b != divider);
            if name.is_empty() || get(at)? != equals {
                return None;
            }
            at += 1;
            let space = |b| blank(b) && divider != b' ';
            skip(&mut at, &space);
            if get(at) == Some(b'"') {
                let (from, mut escaped) = (at + 1, false);
                at = from;
                while get(at)? != b'"' {
                    escaped |= get(at)? == b'\\';
                    at += if get(at)? == b'\\' { 2 } else { 1 };
                }
                out.push((name, text[from..at].to_vec(), escaped, from, start));
                at += 1;
                skip(&mut at, &space);
                if get(at).is_some_and(|b| b != divider) {
                    return None;
                }
            } else {
                let from = at;
                skip(&mut at, &|b| b != divider);
                let value = text[from..at].trim_ascii_end().to_vec();
                if value.contains(&b'"') {
                    return None;
                }
                out.push((name, value, false, from, start));
            }
            if at >= text.len() {
                return Some(out);
            }
            at += 1;
        }
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
    fn every_backend_cuts_as_a_plain_walk_does() {
        let mut state = 1u64;
        let mut next = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize % below
        };
        let (mut good, mut with_controls) = (0, 0);
        for round in 0..20_000 {
            let signs = [(b',', b'='), (b';', b'='), (b' ', b',')][round % 3];
            // Pairs, and then some bytes of them changed to marks, neighbours of marks, and others.
            let mut text = Vec::new();
            for _ in 0..=next(6) {
                let quote = next(2) == 0;
                text.extend((0..1 + next(9)).map(|_| b'a' + next(26) as u8));
                text.push(signs.1);
                text.extend(quote.then_some(b'"'));
                text.extend((0..next(80)).map(|_| b'A' + next(40) as u8).filter(|b| quote || *b != b'\\'));
                text.extend(quote.then_some(b'"'));
                text.push(signs.0);
            }
            text.pop();
            for _ in 0..next(3) {
                let near = [
                    b'=',
                    b',',
                    b';',
                    b'"',
                    b' ',
                    b'\t',
                    b'\\',
                    b'=' ^ 1,
                    b' ' | 0x80,
                    0,
                    0xFF,
                    b'\n',
                    0x7F,
                    0x1F,
                    b'a',
                ];
                let at = next(text.len());
                text[at] = near[next(near.len())];
            }
            let expected = plainly(&text, signs);
            let has_controls = text.iter().any(u8::is_ascii_control);
            for cpu in Cpu::variants() {
                let found = cut(cpu, &text, signs);
                assert_eq!(
                    found.as_ref().map(|(pairs, _)| pairs),
                    expected.as_ref(),
                    "{cpu:?} {:?}",
                    text.escape_ascii()
                );
                if let Some((_, controls)) = found {
                    assert!(controls || !has_controls, "{cpu:?} {:?}", text.escape_ascii());
                    assert!(!controls || has_controls || text.len() < 64, "{cpu:?} {:?}", text.escape_ascii());
                }
            }
            good += usize::from(expected.is_some());
            with_controls += usize::from(expected.is_some() && has_controls);
        }
        assert!(good > 5_000 && good < 19_000 && with_controls > 100, "{good} {with_controls}");
    }

    #[test]
    fn a_thousand_pairs_and_a_megabyte_of_quotes_take_one_pass() {
        let many: String = (0..100_000).map(|n| format!("a{n}=\"{n}\",")).collect();
        assert_eq!(read(many.trim_end_matches(','), b',', b'=').unwrap().len(), 100_000);
        assert_eq!(read(&format!("a=\"{}", "\\\"".repeat(500_000)), b',', b'='), None);
    }
}
