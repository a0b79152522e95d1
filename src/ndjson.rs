//! Requests and verdicts as lines of JSON: what the command line reads and writes.
//!
//! A line is parsed in place by simd-json; every string of the request then borrows from the line. Members are taken strictly: unknown or
//! repeated ones, and wrong types, are errors that name the member. The body and header values are those of the request as received;
//! nothing of them is interpreted here.

use crate::codec::hex;
pub use crate::codec::json::write_string;
use crate::request::{Header, Request, TlsVersion};
use crate::time::Millis;
use crate::verdict::Verdict;
use simd_json::{Buffers, Node, StaticNode, Tape};
use std::borrow::Cow;
use std::net::IpAddr;

/// Why a line is not a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LineError(String);

fn fail<T>(message: impl Into<String>) -> Result<T, LineError> {
    Err(LineError(message.into()))
}

/// A request that came as a line: the strings borrow from the line.
#[derive(Debug)]
pub struct Line<'a> {
    /// The caller's own name of the request: a string, or an integer as its text.
    pub id: Option<Cow<'a, str>>,
    request: Request<'a>,
    headers: Vec<Header<'a>>,
    decoded: Option<Vec<u8>>,
}

impl Line<'_> {
    /// The request.
    #[must_use]
    pub fn request(&self) -> Request<'_> {
        Request { headers: &self.headers, body: self.decoded.as_deref().unwrap_or(self.request.body), ..self.request }
    }
}

/// Reused memory of the parser.
#[derive(Default)]
pub struct Parser {
    buffers: Buffers,
}

struct Walk<'t, 'a> {
    tape: &'t [Node<'a>],
    at: usize,
}

impl<'a> Walk<'_, 'a> {
    fn next(&mut self, what: &str) -> Result<Node<'a>, LineError> {
        let node = self.tape.get(self.at).copied();
        self.at += 1;
        node.ok_or_else(|| LineError(format!("{what}: the line ends early")))
    }

    fn text(&mut self, what: &str) -> Result<&'a str, LineError> {
        match self.next(what)? {
            Node::String(s) => Ok(s),
            _ => fail(format!("{what}: expected a string")),
        }
    }
}

/// The members of a line, in the order of their bits in `seen`.
const MEMBERS: [&str; 15] = [
    "id",
    "received_at_ms",
    "client_ip",
    "method",
    "target",
    "headers",
    "body",
    "body_base64",
    "scheme",
    "authority",
    "profile",
    "app_id",
    "tls",
    "peer_certificate_sha256",
    "trace_id",
];

impl Parser {
    /// A parser with nothing held yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Parses `line` (one JSON object, UTF-8, without the line end) in place.
    ///
    /// # Errors
    /// Where the line is not JSON or not a request; the message names the member.
    pub fn parse<'a>(&mut self, line: &'a mut [u8]) -> Result<Line<'a>, LineError> {
        if simdutf8::basic::from_utf8(line).is_err() {
            return fail("not UTF-8");
        }
        let tape = match simd_json::to_tape_with_buffers(line, &mut self.buffers) {
            Ok(Tape(nodes)) => nodes,
            Err(e) => return fail(format!("not JSON: {e}")),
        };
        let mut walk = Walk { tape: &tape, at: 0 };
        let Node::Object { len, .. } = walk.next("line")? else { return fail("expected an object") };
        let mut out = Line { id: None, request: Request::new(b"", b"", b""), headers: Vec::new(), decoded: None };
        let mut seen = 0u32;
        for _ in 0..len {
            let name = walk.text("member")?;
            let Some(member) = MEMBERS.iter().position(|m| *m == name) else {
                return fail(format!("{name:?}: unknown member; known here: {}", MEMBERS.join(", ")));
            };
            if seen & (1 << member) != 0 {
                return fail(format!("{name}: member is there twice"));
            }
            seen |= 1 << member;
            out.take(name, &mut walk)?;
        }
        let has = |name: &str| MEMBERS.iter().position(|m| *m == name).is_some_and(|m| seen & (1 << m) != 0);
        for needed in ["method", "target"] {
            if !has(needed) {
                return fail(format!("{needed}: member is missing"));
            }
        }
        if has("body") && has("body_base64") {
            return fail("body and body_base64 are both there");
        }
        Ok(out)
    }
}

impl<'a> Line<'a> {
    fn take(&mut self, name: &str, walk: &mut Walk<'_, 'a>) -> Result<(), LineError> {
        match name {
            "id" => {
                self.id = Some(match walk.next(name)? {
                    Node::String(s) => Cow::Borrowed(s),
                    Node::Static(StaticNode::U64(n)) => Cow::Owned(n.to_string()),
                    Node::Static(StaticNode::I64(n)) => Cow::Owned(n.to_string()),
                    _ => return fail("id: expected a string or an integer"),
                });
            }
            "received_at_ms" => {
                let ms = match walk.next(name)? {
                    Node::Static(StaticNode::U64(n)) => i64::try_from(n).ok(),
                    Node::Static(StaticNode::I64(n)) => Some(n),
                    _ => None,
                };
                let Some(ms) = ms else { return fail("received_at_ms: expected milliseconds as an integer") };
                self.request.received_at = Some(Millis(ms));
            }
            "client_ip" => {
                let text = walk.text(name)?;
                let Ok(ip) = text.parse::<IpAddr>() else { return fail("client_ip: expected an IPv4 or IPv6 address") };
                self.request.client_ip = Some(ip);
            }
            "method" => self.request.method = walk.text(name)?.as_bytes(),
            "target" => self.request.target = walk.text(name)?.as_bytes(),
            "headers" => self.take_headers(walk)?,
            "body" => self.request.body = walk.text(name)?.as_bytes(),
            "body_base64" => {
                let text = walk.text(name)?;
                match base64_simd::STANDARD.decode_to_vec(text) {
                    Ok(bytes) => self.decoded = Some(bytes),
                    Err(_) => return fail("body_base64: expected base64 with padding (RFC 4648, section 4)"),
                }
            }
            "scheme" => self.request.scheme = Some(walk.text(name)?.as_bytes()),
            "authority" => self.request.authority = Some(walk.text(name)?.as_bytes()),
            "profile" => self.request.profile = Some(walk.text(name)?),
            "app_id" => self.request.app_id = Some(walk.text(name)?),
            "tls" => {
                let Some(version) = TlsVersion::from_name(walk.text(name)?) else {
                    return fail("tls: expected a version such as 1.2 or TLSv1.2");
                };
                self.request.tls = Some(version);
            }
            "peer_certificate_sha256" => {
                let mut bytes = [0; 32];
                match hex::decode(walk.text(name)?.as_bytes(), &mut bytes) {
                    Ok(decoded) if decoded.len() == 32 => self.request.peer_certificate = Some(bytes),
                    _ => return fail("peer_certificate_sha256: expected 64 hexadecimal digits"),
                }
            }
            _ => self.request.trace_id = Some(walk.text(name)?),
        }
        Ok(())
    }

    /// `[["name","value"],…]`, or an object of names to values.
    fn take_headers(&mut self, walk: &mut Walk<'_, 'a>) -> Result<(), LineError> {
        const SHAPE: &str = "headers: expected an array of [name, value] or an object of names to values";
        match walk.next("headers")? {
            Node::Array { len, .. } => {
                for _ in 0..len {
                    let Node::Array { len: 2, .. } = walk.next("headers")? else { return fail(SHAPE) };
                    self.take_header(walk)?;
                }
            }
            Node::Object { len, .. } => {
                for _ in 0..len {
                    self.take_header(walk)?;
                }
            }
            _ => return fail(SHAPE),
        }
        Ok(())
    }

    fn take_header(&mut self, walk: &mut Walk<'_, 'a>) -> Result<(), LineError> {
        let name = walk.text("headers")?.as_bytes();
        let value = walk.text("headers")?.as_bytes();
        self.headers.push(Header { name, value });
        Ok(())
    }
}

fn write_optional(text: &str, out: &mut Vec<u8>) {
    if text.is_empty() { out.extend_from_slice(b"null") } else { write_string(text, out) }
}

/// Appends the verdict of the request called `id` as one line of JSON, line end included.
pub fn write_verdict(id: Option<&str>, verdict: &Verdict, out: &mut Vec<u8>) {
    use std::io::Write as _;
    out.extend_from_slice(b"{\"id\":");
    match id {
        Some(id) => write_string(id, out),
        None => out.extend_from_slice(b"null"),
    }
    // Writing into a Vec cannot fail.
    let _ = write!(out, ",\"ok\":{},\"reason\":\"{}\",\"code\":", verdict.ok(), verdict.reason);
    write_string(verdict.code.as_str(), out);
    let _ = write!(out, ",\"http_status\":{},\"app_id\":", verdict.reason.http_status());
    write_optional(verdict.app_id.as_str(), out);
    out.extend_from_slice(b",\"kid\":");
    write_optional(verdict.kid.as_str(), out);
    out.extend_from_slice(b",\"api_id\":");
    write_optional(verdict.api_id.as_str(), out);
    let _ = write!(out, ",\"retry_after_ms\":{}", verdict.retry_after_ms);
    if let Some(limit) = verdict.alert {
        let _ = write!(out, ",\"alert\":\"/limits/{limit}\"");
    }
    out.extend_from_slice(b"}\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Label, Reason};

    fn error(line: &str) -> String {
        let mut bytes = line.as_bytes().to_vec();
        Parser::new().parse(&mut bytes).map(|_| ()).expect_err("should be refused").to_string()
    }

    #[test]
    fn a_whole_line_is_read() {
        let mut line = br#"{"id":"1","received_at_ms":1700000000000,"client_ip":"203.0.113.7","method":"POST","target":"/p?sign=%41",
            "headers":[["host","h"],["A","b\u00e9"]],"body":"{\"a\":\"\\u00e9\"}","scheme":"https","authority":"h:1","profile":"openapi","app_id":"x"}"#
            .to_vec();
        let mut parser = Parser::new();
        let line = parser.parse(&mut line).unwrap();
        let request = line.request();
        assert_eq!(line.id.as_deref(), Some("1"));
        assert_eq!(request.received_at, Some(Millis(1_700_000_000_000)));
        assert_eq!(request.client_ip, Some("203.0.113.7".parse().unwrap()));
        assert_eq!((request.method, request.target), (&b"POST"[..], &b"/p?sign=%41"[..]));
        assert_eq!(request.headers.len(), 2);
        assert_eq!(request.headers[1].value, "b\u{e9}".as_bytes());
        assert_eq!(request.body, br#"{"a":"\u00e9"}"#);
        assert_eq!((request.profile, request.app_id), (Some("openapi"), Some("x")));
        assert_eq!((request.scheme, request.authority), (Some(&b"https"[..]), Some(&b"h:1"[..])));
    }

    #[test]
    fn headers_may_be_an_object_and_the_body_base64() {
        let mut line =
            br#"{"id":7,"method":"GET","target":"/","headers":{"a":"1","b":"2"},"body_base64":"AP8="}"#.to_vec();
        let mut parser = Parser::new();
        let line = parser.parse(&mut line).unwrap();
        assert_eq!(line.id.as_deref(), Some("7"));
        assert_eq!(line.request().body, [0, 255]);
        assert_eq!(line.request().headers[1], Header { name: b"b", value: b"2" });
    }

    #[test]
    fn bad_lines_name_the_member() {
        for (line, expected) in [
            ("", "not JSON"),
            ("{", "not JSON"),
            ("[]", "expected an object"),
            (r#"{"method":"GET"}"#, "target: member is missing"),
            (r#"{"method":"GET","target":"/","x":1}"#, "\"x\": unknown member"),
            (r#"{"method":"GET","method":"GET","target":"/"}"#, "method: member is there twice"),
            (r#"{"method":1,"target":"/"}"#, "method: expected a string"),
            (r#"{"method":"GET","target":"/","client_ip":"1.2.3"}"#, "client_ip: expected an IPv4"),
            (r#"{"method":"GET","target":"/","received_at_ms":1.5}"#, "received_at_ms: expected"),
            (r#"{"method":"GET","target":"/","received_at_ms":18446744073709551615}"#, "received_at_ms: expected"),
            (r#"{"method":"GET","target":"/","headers":[["a"]]}"#, "headers: expected an array"),
            (r#"{"method":"GET","target":"/","headers":[["a",1]]}"#, "headers: expected a string"),
            (r#"{"method":"GET","target":"/","headers":3}"#, "headers: expected an array"),
            (r#"{"method":"GET","target":"/","body_base64":"AP8"}"#, "body_base64: expected base64"),
            (r#"{"method":"GET","target":"/","body":"","body_base64":""}"#, "body and body_base64"),
        ] {
            let message = error(line);
            assert!(message.starts_with(expected), "{line}: {message}");
        }
        assert_eq!(Parser::new().parse(&mut [b'"', 0xff, b'"']).map(|_| ()).unwrap_err().to_string(), "not UTF-8");
    }

    #[test]
    fn verdicts_are_escaped_json() {
        let mut verdict = Verdict::of(Reason::Replayed);
        verdict.app_id = Label::new("a\"\n\u{1}中").unwrap();
        let mut out = Vec::new();
        write_verdict(Some("x\\"), &verdict, &mut out);
        let parsed: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(
            parsed,
            serde_json::json!({"id":"x\\","ok":false,"reason":"replayed","code":"9997","http_status":409,
                "app_id":"a\"\n\u{1}中","kid":null,"api_id":null,"retry_after_ms":0})
        );
        assert!(out.ends_with(b"}\n"));
    }
}
