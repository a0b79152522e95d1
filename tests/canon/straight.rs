//! Schemes of lines, canonical requests, header lists, JWS and XML once more, straightforwardly, with strings, vectors and `format!`: the oracle
//! of fuzzing and what benchmarks are held against. It checks little and knows one scheme of each shape by heart.
#![allow(dead_code)] // Each user takes its part.

use std::collections::BTreeMap;

/// A request.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

/// The hash that the user of this file brings along.
pub type Sha256 = fn(&[u8]) -> Vec<u8>;

impl Sent {
    fn values(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.trim_ascii()).collect()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.values(name).first().copied()
    }

    fn split(&self) -> (&str, &str) {
        self.target.split_once('?').unwrap_or((&self.target, ""))
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// `name=value` and `name="value"`, divided by commas.
pub fn pairs(text: &str) -> Vec<(String, String)> {
    let (mut pairs, mut piece, mut quoted, mut escaped) = (Vec::new(), String::new(), false, false);
    let mut put = |piece: &mut String| {
        let text = std::mem::take(piece);
        if let Some((name, value)) = text.split_once('=') {
            let value = value.trim_ascii();
            let value = match value.strip_prefix('"').and_then(|v| v.strip_suffix('"')) {
                None => value.to_owned(),
                Some(inner) => {
                    let (mut out, mut rest) = (String::new(), inner.chars());
                    while let Some(c) = rest.next() {
                        out.extend(if c == '\\' { rest.next() } else { Some(c) });
                    }
                    out
                }
            };
            pairs.push((name.trim_ascii().to_owned(), value));
        }
    };
    for c in text.chars() {
        if c == ',' && !quoted {
            put(&mut piece);
            continue;
        }
        piece.push(c);
        quoted ^= c == '"' && !escaped;
        escaped = quoted && c == '\\' && !escaped;
    }
    put(&mut piece);
    pairs
}

fn pair(pairs: &[(String, String)], name: &str) -> Option<String> {
    pairs.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone())
}

/// WeChat Pay v3: method, target, timestamp, nonce, body.
pub fn wechat(sent: &Sent) -> Option<String> {
    let pairs = pairs(sent.header("authorization")?.split_once([' ', '\t'])?.1);
    let (stamp, nonce) = (pair(&pairs, "timestamp")?, pair(&pairs, "nonce_str")?);
    Some(format!("{}\n{}\n{stamp}\n{nonce}\n{}\n", sent.method, sent.target, sent.body))
}

fn encode(bytes: &[u8]) -> String {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"-_.~".contains(b);
    bytes.iter().map(|b| if plain(b) { char::from(*b).to_string() } else { format!("%{b:02X}") }).collect()
}

fn decode(text: &str) -> Vec<u8> {
    let (mut out, mut at, text) = (Vec::new(), 0, text.as_bytes());
    while at < text.len() {
        let two = text.get(at + 1..at + 3).and_then(|two| std::str::from_utf8(two).ok());
        match two.and_then(|two| u8::from_str_radix(two, 16).ok()).filter(|_| text[at] == b'%') {
            Some(byte) => (out.push(byte), at += 3),
            None => (out.push(text[at]), at += 1),
        };
    }
    out
}

/// AWS Signature Version 4 with the signature in a header: the string to sign.
pub fn sigv4(sent: &Sent, sha256: Sha256) -> Option<String> {
    let (word, rest) = sent.header("authorization")?.split_once(' ')?;
    let pairs = pairs(rest);
    let (path, query) = sent.split();
    let mut pieces: Vec<&str> = Vec::new();
    for piece in path.split('/') {
        match piece {
            "" | "." => {}
            ".." => _ = pieces.pop(),
            piece => pieces.push(piece),
        }
    }
    let mut uri: String = pieces.iter().map(|piece| format!("/{}", encode(piece.as_bytes()))).collect();
    if uri.is_empty() || path.ends_with('/') {
        uri.push('/');
    }
    let mut parameters: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (encode(&decode(name)), encode(&decode(value))))
        .collect();
    parameters.sort();
    let parameters: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let signed = pair(&pairs, "SignedHeaders")?;
    let mut headers = String::new();
    for name in signed.split(';') {
        let collapse = |value: &&str| value.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        let values: Vec<String> = sent.values(name).iter().map(collapse).collect();
        headers += &format!("{}:{}\n", name.to_ascii_lowercase(), values.join(","));
    }
    let payload = match sent.header("x-amz-content-sha256") {
        Some(said) if !said.is_empty() => said.to_owned(),
        _ => hex(&sha256(sent.body.as_bytes())),
    };
    let canonical = format!("{}\n{uri}\n{}\n{headers}\n{signed}\n{payload}", sent.method, parameters.join("&"));
    let scope = pair(&pairs, "Credential")?;
    let scope = scope.split_once('/')?.1;
    Some(format!("{word}\n{}\n{scope}\n{}", sent.header("x-amz-date")?, hex(&sha256(canonical.as_bytes()))))
}

/// Kong's hmac-auth.
pub fn kong(sent: &Sent) -> Option<String> {
    let is = |value: &&str| value.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("hmac"));
    let text = ["proxy-authorization", "authorization"];
    let text = text.iter().find_map(|name| sent.values(name).into_iter().find(|value| is(value)))?;
    let listed = pair(&pairs(text.get(4..)?), "headers")?;
    let line = |name: &str| match name.to_ascii_lowercase().as_str() {
        "@request-target" => format!("@request-target: {} {}", sent.method.to_ascii_lowercase(), sent.target),
        "request-line" => format!("{} {} HTTP/1.1", sent.method, sent.target),
        _ => match sent.values(name) {
            values if values.is_empty() => format!("{name}:"),
            values => format!("{name}: {}", values.join(",")),
        },
    };
    Some(listed.split(' ').map(line).collect::<Vec<_>>().join("\n"))
}

/// The elements of a flat XML document: `<xml>` around elements of text or CDATA.
pub fn xml(text: &str) -> Option<BTreeMap<String, String>> {
    let text = text.trim_ascii();
    let text = match text.strip_prefix("<?xml") {
        Some(rest) => rest.split_once("?>")?.1.trim_ascii(),
        None => text,
    };
    let (root, rest) = text.strip_prefix('<')?.split_once('>')?;
    let root = root.trim_ascii();
    let end = rest.rfind("</")?;
    let (mut rest, close) = (&rest[..end], &rest[end + 2..]);
    if close.strip_suffix('>')?.trim_ascii() != root {
        return None;
    }
    let mut elements = BTreeMap::new();
    loop {
        rest = rest.trim_ascii();
        if rest.is_empty() {
            return Some(elements);
        }
        let (name, after) = rest.strip_prefix('<')?.split_once('>')?;
        if let Some(name) = name.strip_suffix('/') {
            elements.insert(name.trim_ascii().to_owned(), String::new());
            rest = after;
            continue;
        }
        let (mut value, mut after) = (String::new(), after);
        loop {
            if let Some(data) = after.strip_prefix("<![CDATA[") {
                let (data, more) = data.split_once("]]>")?;
                value += data;
                after = more;
            } else if after.starts_with("</") {
                break;
            } else {
                let at = after.find('<')?;
                value += &entities(&after[..at])?;
                after = &after[at..];
            }
        }
        let (close, more) = after.strip_prefix("</")?.split_once('>')?;
        if close.trim_ascii() != name.trim_ascii() || elements.insert(name.trim_ascii().to_owned(), value).is_some() {
            return None;
        }
        rest = more;
    }
}

fn entities(text: &str) -> Option<String> {
    let mut pieces = text.split('&');
    let mut out = pieces.next()?.to_owned();
    for piece in pieces {
        let (name, rest) = piece.split_once(';')?;
        out.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => return None,
        });
        out += rest;
    }
    Some(out)
}

/// WeChat Pay v2: non-empty elements but `sign`, sorted, with `&key=` behind them.
pub fn wechat_v2(sent: &Sent) -> Option<String> {
    let elements = xml(&sent.body)?;
    let signed = elements.iter().filter(|(name, value)| *name != "sign" && !value.is_empty());
    let joined: Vec<String> = signed.map(|(name, value)| format!("{name}={value}")).collect();
    Some(joined.join("&") + "&key=")
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

pub fn base64url(bytes: &[u8]) -> String {
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let word = three.iter().fold(0u32, |word, b| word << 8 | u32::from(*b)) << (8 * (3 - three.len()));
        for at in 0..=three.len() {
            out.push(char::from(DIGITS[(word >> (18 - 6 * at) & 63) as usize]));
        }
    }
    out
}

pub fn from_base64url(text: &str) -> Option<Vec<u8>> {
    let (mut out, mut word, mut bits) = (Vec::new(), 0u32, 0);
    for byte in text.bytes() {
        word = word << 6 | DIGITS.iter().position(|d| *d == byte)? as u32;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((word >> bits) as u8);
        }
    }
    Some(out)
}

/// A detached JWS: its header (JSON), and what is signed, with the body as it is where `raw` says so of the header.
pub fn detached(sent: &Sent, raw: impl Fn(&str) -> bool) -> Option<(String, String)> {
    let (header, _) = sent.header("x-jws-signature")?.split_once("..")?;
    let json = String::from_utf8(from_base64url(header)?).ok()?;
    let payload = if raw(&json) { sent.body.clone() } else { base64url(sent.body.as_bytes()) };
    Some((json, format!("{header}.{payload}")))
}

/// Percent-decoded once.
pub fn decoded(text: &str) -> String {
    String::from_utf8_lossy(&decode(text)).into_owned()
}
