//! Parameters of a flat XML body, as WeChat Pay v2 sends them: `<xml><name>text</name><name><![CDATA[text]]></name></xml>`.
//!
//! The part of XML 1.0 (5th edition) that such bodies need and no more: one element with elements of text in it, CDATA sections and the
//! five entities of 4.6. There is no DTD, so no entity can grow; no attributes, comments or processing instructions, so nothing is read
//! that is not a parameter; no element inside a parameter. All of that is malformed, as is a text without its end. One pass; nothing
//! grows by decoding.

use super::params::{AS_SENT, Entry, Kind, ParamError, Params, Piece, Source, Span, check_utf8, offset};
use super::sizes::Sizes;

/// XML stands beside forms: all its values are texts, decoded.
const SOURCE: Source = Source::Form;

const fn malformed(at: usize) -> ParamError {
    ParamError::Malformed { source: SOURCE, offset: at as u32 }
}

/// Bytes of a name. Other letters of XML's names are no names of parameters.
fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

struct Walk<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn blanks(&mut self) {
        self.at += self.rest().iter().take_while(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n')).count();
    }

    fn take(&mut self, what: &[u8]) -> Result<(), ParamError> {
        if !self.rest().starts_with(what) {
            return Err(malformed(self.at));
        }
        self.at += what.len();
        Ok(())
    }

    fn name(&mut self) -> Result<Span, ParamError> {
        let start = self.at;
        self.at += self.rest().iter().take_while(|b| is_name(**b)).count();
        if self.at == start { Err(malformed(start)) } else { Ok(Span::new(start, self.at)) }
    }

    /// Appends the text up to the next tag to `out`, and says where it stands if it is there as sent.
    fn value(&mut self, out: &mut Vec<u8>) -> Result<Option<Span>, ParamError> {
        let mut pieces = 0;
        let mut plain = Span::new(self.at, self.at);
        loop {
            if self.rest().starts_with(b"<![CDATA[") {
                let start = self.at + 9;
                let inner = self.text.get(start..).unwrap_or_default();
                let end = memchr::memmem::find(inner, b"]]>").ok_or(malformed(self.at))?;
                out.extend_from_slice(inner.get(..end).unwrap_or_default());
                (plain, self.at) = (Span::new(start, start + end), start + end + 3);
                pieces += 1;
                continue;
            }
            let start = self.at;
            let end = memchr::memchr2(b'<', b'&', self.rest()).ok_or(malformed(self.at))?;
            let text = self.rest().get(..end).unwrap_or_default();
            self.at += end;
            if !text.is_empty() {
                // XML, 2.4: this must not stand in a text.
                if memchr::memmem::find(text, b"]]>").is_some() {
                    return Err(malformed(start));
                }
                out.extend_from_slice(text);
                plain = Span::new(start, self.at);
                pieces += 1;
            }
            let rest = self.rest();
            if rest.starts_with(b"&") {
                const ENTITIES: [(&[u8], u8); 5] =
                    [(b"&lt;", b'<'), (b"&gt;", b'>'), (b"&amp;", b'&'), (b"&quot;", b'"'), (b"&apos;", b'\'')];
                let (text, byte) = ENTITIES.iter().find(|(t, _)| rest.starts_with(t)).ok_or(malformed(self.at))?;
                out.push(*byte);
                self.at += text.len();
                // Two pieces at least: not as sent.
                pieces += 2;
            } else if !rest.starts_with(b"<![CDATA[") {
                return Ok((pieces <= 1).then_some(plain));
            }
        }
    }
}

impl Params {
    /// Adds the elements of the flat XML body `text`. It may be as long as [`Sizes::body`].
    ///
    /// # Errors
    /// Any [`ParamError`] but [`ParamError::TooDeep`] and [`ParamError::Duplicate`] (the latter [`Params::sort`] finds).
    pub fn parse_xml(&mut self, text: &[u8], sizes: &Sizes) -> Result<(), ParamError> {
        if text.len() > sizes.body || text.len() >= u32::MAX as usize {
            return Err(ParamError::TooLong { source: SOURCE });
        }
        self.order.clear();
        let mark = self.store.mark();
        let walked = self.walk_xml(text, sizes);
        if walked.is_err() {
            self.store.back_to(mark);
        }
        walked
    }

    fn walk_xml(&mut self, text: &[u8], sizes: &Sizes) -> Result<(), ParamError> {
        check_utf8(text, SOURCE)?;
        let control = |b: &u8| (*b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r')) || *b == 0x7F;
        if let Some(at) = text.iter().position(control) {
            return Err(malformed(at));
        }
        // In a CDATA section it stands for itself.
        self.store.seen.ampersand |= memchr::memchr(b'&', text).is_some();
        let mut walk = Walk { text, at: 0 };
        walk.blanks();
        if walk.rest().starts_with(b"<?xml ") {
            let end = memchr::memmem::find(walk.rest(), b"?>").ok_or(malformed(walk.at))?;
            walk.at += end + 2;
            walk.blanks();
        }
        walk.take(b"<")?;
        let root = walk.name()?;
        walk.take(b">")?;
        loop {
            walk.blanks();
            if walk.rest().starts_with(b"</") {
                break;
            }
            self.element(&mut walk, sizes)?;
        }
        walk.take(b"</")?;
        walk.take(root.of(text))?;
        walk.take(b">")?;
        walk.blanks();
        if walk.rest().is_empty() { Ok(()) } else { Err(malformed(walk.at)) }
    }

    fn element(&mut self, walk: &mut Walk<'_>, sizes: &Sizes) -> Result<(), ParamError> {
        if self.store.entries.len() >= sizes.params {
            return Err(ParamError::TooMany { source: SOURCE });
        }
        walk.take(b"<")?;
        let name = walk.name()?;
        let mut value = Piece { sent: Span::new(walk.at, walk.at), decoded: AS_SENT };
        if walk.rest().starts_with(b"/>") {
            walk.at += 2;
        } else {
            walk.take(b">")?;
            let arena = self.store.arena.len();
            let (start, plain) = (walk.at, walk.value(&mut self.store.arena)?);
            match plain {
                Some(span) => {
                    self.store.arena.truncate(arena);
                    value.sent = span;
                }
                None => {
                    value.sent = Span::new(start, walk.at);
                    value.decoded =
                        self.store.decoded_from(arena).map_err(|_| ParamError::TooLong { source: SOURCE })?;
                }
            }
            walk.take(b"</")?;
            walk.take(name.of(walk.text))?;
            walk.take(b">")?;
        }
        debug_assert!(offset(walk.at) as usize == walk.at);
        let name = Piece { sent: name, decoded: AS_SENT };
        self.store.push(Entry::new(name, value, Kind::Text, SOURCE), walk.text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Vec<(String, String)>, ParamError> {
        let mut params = Params::new();
        params.parse_xml(text.as_bytes(), &Sizes::default())?;
        params.sort(b"", text.as_bytes())?;
        let view = params.view(b"", text.as_bytes());
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Ok((0..view.len()).map(|i| (text(view.name(i)), text(view.value(i)))).collect())
    }

    #[test]
    fn flat_documents_are_read() {
        let body = "<?xml version=\"1.0\"?>\n<xml>\n <a>1</a><b><![CDATA[x<&y]]></b>\r\n<c>a&lt;b&amp;&gt;&quot;&apos;</c>\
            <d/><e></e><f>p<![CDATA[q]]>r</f><g>名</g><h> x </h><i><![CDATA[]]></i></xml>\n";
        let expected = [
            ("a", "1"),
            ("b", "x<&y"),
            ("c", "a<b&>\"'"),
            ("d", ""),
            ("e", ""),
            ("f", "pqr"),
            ("g", "名"),
            ("h", " x "),
            ("i", ""),
        ];
        let expected: Vec<_> = expected.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        assert_eq!(read(body).unwrap(), expected);
        assert_eq!(read("<xml></xml>").unwrap(), []);
    }

    #[test]
    fn everything_else_of_xml_is_refused() {
        for body in [
            "",
            "<xml>",
            "<xml/>",
            "x",
            "<xml></xml>x",
            "<xml></yml>",
            "<xml>text</xml>",
            "<xml><a>1</b></xml>",
            "<xml><a>1</xml>",
            "<xml><a><b>1</b></a></xml>",
            "<xml><a x=\"1\">1</a></xml>",
            "<xml a=\"1\"></xml>",
            "<xml><!-- c --></xml>",
            "<xml><?p?></xml>",
            "<xml><a>&#65;</a></xml>",
            "<xml><a>&x;</a></xml>",
            "<xml><a>&amp</a></xml>",
            "<xml><a><![CDATA[x</a></xml>",
            "<xml><a>]]></a></xml>",
            "<xml><a>\u{1}</a></xml>",
            "<xml><a >1</a></xml>",
            "<xml></xml ><a/>",
            "<!DOCTYPE xml [<!ENTITY a \"b\">]><xml><a>&a;</a></xml>",
            "<!DOCTYPE x SYSTEM \"file:///etc/passwd\"><xml></xml>",
            "<xml><a>1</a><a>2</a></xml>",
        ] {
            assert!(read(body).is_err(), "{body}");
        }
        let mut params = Params::new();
        assert!(params.parse_xml(b"<xml><a>\xff</a></xml>", &Sizes::default()).is_err());
        assert!(params.is_empty());
    }

    #[test]
    fn long_bodies_take_one_pass() {
        let many: String = (0..999).map(|n| format!("<a{n}>{}</a{n}>", "&amp;".repeat(500))).collect();
        assert_eq!(read(&format!("<xml>{many}</xml>")).unwrap().len(), 999);
        let too_many: String = (0..1_001).map(|n| format!("<a{n}/>")).collect();
        assert!(matches!(read(&format!("<xml>{too_many}</xml>")), Err(ParamError::TooMany { .. })));
        assert!(read(&format!("<xml><a>{}", "<![CDATA[".repeat(100_000))).is_err());
        assert!(read(&"<".repeat(1_000_000)).is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(values in proptest::collection::vec("[^\\x00-\\x08\\x0b-\\x1f\\x7f]{0,12}", 0..8), cdata: bool) {
            let mut body = "<xml>".to_owned();
            for (n, value) in values.iter().enumerate() {
                if cdata && !value.contains("]]>") {
                    body += &format!("<n{n}><![CDATA[{value}]]></n{n}>");
                } else {
                    let text = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
                    body += &format!("<n{n}>{text}</n{n}>");
                }
            }
            body += "</xml>";
            let found = read(&body).unwrap();
            prop_assert_eq!(found.len(), values.len());
            for (n, value) in values.iter().enumerate() {
                prop_assert_eq!(&found[n], &(format!("n{n}"), value.clone()));
            }
        }

        #[test]
        fn nothing_panics(text: Vec<u8>) {
            let _ = Params::new().parse_xml(&text, &Sizes::default());
        }
    }
}
