//! Structured fields (RFC 8941), read strictly: dictionaries, inner lists and items, with their parameters.

use super::MOST;
use std::ops::Range;

/// Keys and values of parameters, as places in a text.
pub(super) type Pairs = Vec<(Range<usize>, Range<usize>)>;

/// An item of an inner list with its parameters, as places in its canonical form; the parameters themselves are in a pool of all of them.
pub(super) struct Component {
    pub identifier: Range<usize>,
    pub name: Range<usize>,
    pub params: Range<usize>,
}

/// An inner list, read: its canonical form, its items, all parameters, and which of those are the list's own.
#[derive(Default)]
pub(super) struct Inner {
    pub text: Vec<u8>,
    pub components: Vec<Component>,
    pub pool: Pairs,
    pub own: Range<usize>,
}

impl Inner {
    pub fn clear(&mut self) {
        self.text.clear();
        self.components.clear();
        self.pool.clear();
        self.own = 0..0;
    }

    /// The parameters of a component, or of the list, as texts: key and value.
    pub fn params(&self, range: &Range<usize>) -> impl Iterator<Item = (&[u8], &[u8])> {
        let pairs = self.pool.get(range.clone()).unwrap_or_default();
        pairs.iter().map(|(key, value)| (self.get(key), self.get(value)))
    }

    pub fn get(&self, range: &Range<usize>) -> &[u8] {
        self.text.get(range.clone()).unwrap_or_default()
    }
}

/// Which type a structured field has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Item,
    List,
    Dictionary,
}

/// Whether the text is base64 with padding, and no bit of it left over (RFC 4648, 3.5 and 4).
fn is_base64(text: &[u8]) -> bool {
    let value = |b: u8| match b {
        b'A'..=b'Z' => Some(b - b'A'),
        b'a'..=b'z' => Some(b - b'a' + 26),
        b'0'..=b'9' => Some(b - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let (bare, over) = match text {
        [rest @ .., b'=', b'='] => (rest, 15),
        [rest @ .., b'='] => (rest, 3),
        all => (all, 0),
    };
    text.len().is_multiple_of(4)
        && bare.iter().all(|b| value(*b).is_some())
        && bare.last().is_none_or(|b| value(*b).is_some_and(|bits| bits & over == 0))
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

    /// Decimal digits, if any.
    fn digits(&mut self) -> &'t [u8] {
        let start = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        self.text.get(start..self.at).unwrap_or_default()
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
                if !is_base64(coded) {
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
                let minus = self.peek() == Some(b'-');
                self.at += usize::from(minus);
                let whole = self.digits();
                if whole.is_empty() || (whole.len() > 1 && whole.starts_with(b"0")) {
                    return None;
                }
                let mut zero = whole == b"0";
                if self.peek() == Some(b'.') {
                    self.at += 1;
                    let part = self.digits();
                    if whole.len() > 12 || !(1..=3).contains(&part.len()) || (part.len() > 1 && part.ends_with(b"0")) {
                        return None;
                    }
                    zero &= part == b"0";
                } else if whole.len() > 15 {
                    return None;
                }
                // Nothing below zero is written `-0` (RFC 8941, 4.1.4).
                if minus && zero {
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

    /// Parameters, appended to `out` as `;key=value`, and to `pool` where each stands there.
    pub fn params(&mut self, out: &mut Vec<u8>, pool: &mut Pairs) -> Option<Range<usize>> {
        let from = pool.len();
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
            let found = pool.get(from..).unwrap_or_default();
            if found.len() >= MOST || found.iter().any(|(k, _)| out.get(k.clone()) == out.get(name.clone())) {
                return None;
            }
            pool.push((name, value));
        }
        Some(from..pool.len())
    }

    /// An inner list with its parameters, in canonical form behind what `inner` has.
    pub fn list(&mut self, inner: &mut Inner) -> Option<()> {
        let Inner { text: out, components, pool, own } = inner;
        let before = components.len();
        self.byte(b'(')?;
        out.push(b'(');
        loop {
            self.blanks(false);
            if self.byte(b')').is_some() {
                break;
            }
            if components.len() - before >= MOST {
                return None;
            }
            if components.len() > before {
                out.push(b' ');
            }
            let start = out.len();
            let item = self.item()?;
            out.extend_from_slice(item);
            let name = start + 1..out.len().saturating_sub(1);
            let params = self.params(out, pool)?;
            components.push(Component { identifier: start..out.len(), name, params });
            if !matches!(self.peek(), Some(b' ' | b')')) {
                return None;
            }
        }
        out.push(b')');
        *own = self.params(out, pool)?;
        Some(())
    }

    /// An item or an inner list with its parameters, in canonical form.
    fn member(&mut self, inner: &mut Inner) -> Option<()> {
        if self.peek() == Some(b'(') {
            return self.list(inner);
        }
        let item = self.item()?;
        inner.text.extend_from_slice(item);
        self.params(&mut inner.text, &mut inner.pool).map(drop)
    }

    /// What stands behind the key of a dictionary's member, as its value alone in canonical form.
    pub fn value(&mut self, inner: &mut Inner) -> Option<()> {
        if self.byte(b'=').is_some() {
            return self.member(inner);
        }
        inner.text.extend_from_slice(b"?1");
        self.params(&mut inner.text, &mut inner.pool).map(drop)
    }

    /// The whole field in canonical form (RFC 8941, 4.1), which is how `sf` signs it (RFC 9421, 2.1.1). A key that comes twice is refused.
    pub fn field(&mut self, kind: Kind, inner: &mut Inner) -> Option<()> {
        match kind {
            Kind::Item => {
                self.blanks(false);
                let item = self.item()?;
                inner.text.extend_from_slice(item);
                self.params(&mut inner.text, &mut inner.pool)?;
                self.blanks(false);
                (self.at == self.text.len()).then_some(())
            }
            Kind::List => {
                self.blanks(false);
                let mut count = 0;
                while self.at < self.text.len() {
                    count += 1;
                    if count > 1 {
                        inner.text.extend_from_slice(b", ");
                    }
                    self.member(inner).filter(|()| count <= MOST)?;
                    self.blanks(true);
                    if self.at == self.text.len() {
                        break;
                    }
                    self.byte(b',')?;
                    self.blanks(true);
                    self.peek()?;
                }
                Some(())
            }
            Kind::Dictionary => {
                let mut keys: [Range<usize>; MOST] = [const { 0..0 }; MOST];
                let mut count = 0;
                self.dictionary(|key, reader| {
                    if keys.iter().take(count).any(|other| inner.text.get(other.clone()) == Some(key)) {
                        return None;
                    }
                    if count > 0 {
                        inner.text.extend_from_slice(b", ");
                    }
                    let at = inner.text.len();
                    inner.text.extend_from_slice(key);
                    *keys.get_mut(count)? = at..inner.text.len();
                    count += 1;
                    if reader.byte(b'=').is_none() {
                        return reader.params(&mut inner.text, &mut inner.pool).map(drop);
                    }
                    let at = inner.text.len();
                    inner.text.push(b'=');
                    // True is written as the key alone.
                    if reader.text.get(reader.at..).is_some_and(|rest| rest.starts_with(b"?1")) {
                        inner.text.truncate(at);
                        reader.at += 2;
                        return reader.params(&mut inner.text, &mut inner.pool).map(drop);
                    }
                    reader.member(inner)
                })
            }
        }
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
