//! Structured fields (RFC 8941), read strictly: dictionaries, inner lists and items, with their parameters.

use super::MOST;
use crate::codec::base64::{self, Variant};
use std::ops::Range;

/// Keys and values of parameters, as places in a text.
pub(super) type Pairs = Vec<(Range<usize>, Range<usize>)>;

/// An item of an inner list with its parameters, as places in its canonical form.
#[derive(Clone)]
pub(super) struct Component {
    pub identifier: Range<usize>,
    pub name: Range<usize>,
    pub params: Pairs,
}

/// A reader of structured fields (RFC 8941, 4.2), which writes what it reads in canonical form.
pub(super) struct Reader<'t> {
    pub text: &'t [u8],
    pub at: usize,
}

impl<'t> Reader<'t> {
    pub fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    pub fn blanks(&mut self, tabs: bool) {
        while self.peek().is_some_and(|b| b == b' ' || (tabs && b == b'\t')) {
            self.at += 1;
        }
    }

    pub fn byte(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    pub fn key(&mut self) -> Option<&'t [u8]> {
        let start = self.at;
        let first = self.peek()?;
        if !first.is_ascii_lowercase() && first != b'*' {
            return None;
        }
        let more = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'.' | b'*');
        while self.peek().is_some_and(more) {
            self.at += 1;
        }
        self.text.get(start..self.at)
    }

    /// A bare item. Numbers and byte sequences that have another canonical form are refused.
    pub fn item(&mut self) -> Option<&'t [u8]> {
        let start = self.at;
        match self.peek()? {
            b'"' => {
                self.at += 1;
                loop {
                    match self.peek()? {
                        b'"' => break,
                        b'\\' => {
                            self.at += 1;
                            if !matches!(self.peek()?, b'"' | b'\\') {
                                return None;
                            }
                        }
                        b' '..=b'~' => {}
                        _ => return None,
                    }
                    self.at += 1;
                }
                self.at += 1;
            }
            b':' => {
                let rest = self.text.get(start + 1..)?;
                let len = memchr::memchr(b':', rest)?;
                let coded = rest.get(..len)?;
                if !coded.is_empty() && base64::decode_vec(Variant::Standard, coded).is_err() {
                    return None;
                }
                self.at = start + len + 2;
            }
            b'?' => {
                self.at += 1;
                if !matches!(self.peek()?, b'0' | b'1') {
                    return None;
                }
                self.at += 1;
            }
            b'-' | b'0'..=b'9' => {
                self.at += usize::from(self.peek() == Some(b'-'));
                let digits = self.at;
                while self.peek().is_some_and(|b| b.is_ascii_digit()) {
                    self.at += 1;
                }
                let len = self.at - digits;
                if len == 0
                    || len > 15
                    || (len > 1 && self.text.get(digits) == Some(&b'0'))
                    || self.peek() == Some(b'.')
                {
                    return None;
                }
            }
            b if b.is_ascii_alphabetic() || b == b'*' => {
                let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&b);
                while self.peek().is_some_and(token) {
                    self.at += 1;
                }
            }
            _ => return None,
        }
        self.text.get(start..self.at)
    }

    /// Parameters, appended to `out` as `;key=value`; where each stands there.
    pub fn params(&mut self, out: &mut Vec<u8>) -> Option<Pairs> {
        let mut found = Pairs::new();
        while self.peek() == Some(b';') {
            self.at += 1;
            self.blanks(false);
            let key = self.key()?;
            out.push(b';');
            let at = out.len();
            out.extend_from_slice(key);
            let name = at..out.len();
            let mut value = out.len()..out.len();
            if self.peek() == Some(b'=') {
                self.at += 1;
                let item = self.item()?;
                // True is written as the key alone.
                if item != b"?1" {
                    out.push(b'=');
                    let at = out.len();
                    out.extend_from_slice(item);
                    value = at..out.len();
                }
            }
            // The last of a key counts in RFC 8941; a signer has no reason to write two.
            if found.len() >= MOST || found.iter().any(|(k, _)| out.get(k.clone()) == out.get(name.clone())) {
                return None;
            }
            found.push((name, value));
        }
        Some(found)
    }

    /// An inner list with its parameters, appended to `out` in canonical form.
    pub fn list(&mut self, out: &mut Vec<u8>) -> Option<(Vec<Component>, Pairs)> {
        let mut components: Vec<Component> = Vec::new();
        self.byte(b'(')?;
        out.push(b'(');
        loop {
            self.blanks(false);
            if self.byte(b')').is_some() {
                break;
            }
            if components.len() >= MOST {
                return None;
            }
            if !components.is_empty() {
                out.push(b' ');
            }
            let start = out.len();
            let item = self.item()?;
            out.extend_from_slice(item);
            let name = start + 1..out.len().saturating_sub(1);
            let params = self.params(out)?;
            components.push(Component { identifier: start..out.len(), name, params });
            if !matches!(self.peek(), Some(b' ' | b')')) {
                return None;
            }
        }
        out.push(b')');
        let params = self.params(out)?;
        Some((components, params))
    }

    /// Hands over each member of a dictionary: its key; the reader then stands at its value, which `read` must read.
    pub fn dictionary(&mut self, mut read: impl FnMut(&'t [u8], &mut Self) -> Option<()>) -> Option<()> {
        self.blanks(false);
        let mut count = 0;
        while self.at < self.text.len() {
            let key = self.key()?;
            count += 1;
            if count > MOST {
                return None;
            }
            read(key, self)?;
            self.blanks(true);
            if self.at == self.text.len() {
                break;
            }
            self.byte(b',')?;
            self.blanks(true);
            // A comma with nothing behind it (RFC 8941, 4.2.2).
            self.peek()?;
        }
        Some(())
    }
}

/// The text of a string item that has no escapes.
pub(super) fn string(item: &[u8]) -> Option<&[u8]> {
    let inner = item.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    (!inner.contains(&b'\\')).then_some(inner)
}
