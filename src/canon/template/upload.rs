//! Bodies in parts (RFC 7578), one of which stands for the whole in the string to sign and names the digest of the other: uploads of WeChat Pay's.
//!
//! ```text
//! --boundary CRLF  headers of the part CRLF CRLF  {"filename":"…","sha256":"…"}  CRLF --boundary CRLF
//!                  headers of the part CRLF CRLF  the file                       CRLF --boundary-- [CRLF]
//! ```
//! What is signed is the first part's JSON. So that nothing travels beside it, the body must be these two parts and no byte more, the file's digest the one that
//! is signed, and its name too. Readers of such bodies differ in what they take for a divider; here `--boundary` may stand nowhere but where it divides, and a part
//! has no headers but `Content-Disposition`, `Content-Type` and a `Content-Transfer-Encoding` that changes nothing. The parts' types are not signed.

use super::super::Refusal;
use super::extract::sole;
use super::pairs::{self, Marks};
use super::places::Memory;
use super::write::digest;
use super::{DigestText, Hash};
use crate::request::{Kind, Params, Request, Sizes};
use crate::verdict::Reason;

/// What the two parts are called, and the members of the signed one.
#[derive(Clone, Debug)]
pub(super) struct Upload {
    /// The part that is signed.
    pub part: Box<[u8]>,
    /// The one whose digest it names.
    pub file: Box<[u8]>,
    /// The member with the digest, in hexadecimal.
    pub digest: Box<[u8]>,
    pub hash: Hash,
    /// The member with the file's name.
    pub filename: Box<[u8]>,
}

const BODY: Refusal = Refusal::invalid("body");

/// From a first byte of the body to the one after the last.
pub(super) type Range = (usize, usize);

/// Longest headers of a part.
const HEADERS_MAX: usize = 4096;

/// A part of a body: what its disposition says, and where its content stands.
struct Part<'b> {
    name: &'b [u8],
    filename: Option<&'b [u8]>,
    content: Range,
}

/// Whether a boundary is of the letters of RFC 2046, 5.1.1 (but for the space) and no longer than there.
fn is_boundary(text: &[u8]) -> bool {
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(b);
    (1..=70).contains(&text.len()) && text.iter().all(allowed)
}

/// The boundary that a `Content-Type` names; `None` for any type but `multipart/form-data`. Where it names none, as some clients of WeChat Pay's do, it is
/// what the body begins with.
fn boundary<'b>(value: &'b [u8], body: &'b [u8], marks: &mut Marks) -> Option<Result<&'b [u8], Refusal>> {
    const TYPE: Refusal = Refusal::invalid("content-type");
    let end = memchr::memchr(b';', value).unwrap_or(value.len());
    let (essence, rest) = value.split_at(end);
    if !essence.trim_ascii().eq_ignore_ascii_case(b"multipart/form-data") {
        return None;
    }
    if rest.is_empty() {
        let first = body.strip_prefix(b"--").and_then(|rest| rest.get(..memchr::memchr(b'\r', rest)?));
        return Some(first.filter(|text| is_boundary(text)).ok_or(BODY));
    }
    let mut found = None;
    let good = pairs::each(rest.get(1..).unwrap_or_default(), (b';', b'='), marks, |pair| {
        let boundary = pair.name.eq_ignore_ascii_case(b"boundary") && !pair.escaped;
        boundary && found.replace(pair.value).is_none()
    });
    Some(found.filter(|text| good.is_some() && is_boundary(text)).ok_or(TYPE))
}

/// Reads a part, `at` being where its headers begin and `end` where its content ends.
fn part<'b>(body: &'b [u8], at: usize, end: usize, marks: &mut Marks) -> Option<Part<'b>> {
    let text = body.get(at..end)?;
    let blank = memchr::memmem::find(text.get(..HEADERS_MAX.min(text.len()))?, b"\r\n\r\n")?;
    let (mut name, mut filename, mut disposition) = (None, None, false);
    let mut rest = text.get(..blank)?;
    while !rest.is_empty() {
        let end = memchr::memmem::find(rest, b"\r\n").unwrap_or(rest.len());
        let line = rest.get(..end)?;
        rest = rest.get(end + 2..).unwrap_or_default();
        if line.iter().any(|b| b.is_ascii_control()) {
            return None;
        }
        let colon = memchr::memchr(b':', line)?;
        let value = line.get(colon + 1..)?.trim_ascii();
        let header = line.get(..colon)?;
        if header.eq_ignore_ascii_case(b"content-disposition") && !disposition {
            disposition = true;
            let kind = memchr::memchr(b';', value)?;
            if !value.get(..kind)?.trim_ascii().eq_ignore_ascii_case(b"form-data") {
                return None;
            }
            pairs::each(value.get(kind + 1..)?, (b';', b'='), marks, |pair| {
                let place = match pair.name {
                    b"name" => &mut name,
                    b"filename" => &mut filename,
                    _ => return false,
                };
                !pair.escaped && place.replace(pair.value).is_none()
            })?;
        } else if header.eq_ignore_ascii_case(b"content-transfer-encoding") {
            if ![&b"binary"[..], b"8bit", b"7bit"].iter().any(|plain| value.eq_ignore_ascii_case(plain)) {
                return None;
            }
        } else if !header.eq_ignore_ascii_case(b"content-type") {
            return None;
        }
    }
    Some(Part { name: name?, filename, content: (at + blank + 4, end) })
}

/// The two parts of a body, in their order.
fn parts<'b>(body: &'b [u8], boundary: &[u8], marks: &mut Marks) -> Option<[Part<'b>; 2]> {
    // `--` and at most seventy bytes.
    let mut room = [b'-'; 72];
    let divider = room.get_mut(..2 + boundary.len())?;
    divider.get_mut(2..)?.copy_from_slice(boundary);
    let divider = &*divider;
    let mut places = memchr::memmem::find_iter(body, divider);
    let (first, second, last) = (places.next()?, places.next()?, places.next()?);
    if first != 0 || places.next().is_some() {
        return None;
    }
    // Behind the first two a line end, before the others one, which belongs to them.
    let behind = |at: usize| {
        let after = at + divider.len();
        (body.get(after..after + 2)? == b"\r\n").then_some(after + 2)
    };
    let before = |at: usize| (body.get(at.checked_sub(2)?..at)? == b"\r\n").then(|| at - 2);
    if !matches!(body.get(last + divider.len()..)?, b"--" | b"--\r\n") {
        return None;
    }
    Some([part(body, behind(first)?, before(second)?, marks)?, part(body, behind(second)?, before(last)?, marks)?])
}

/// Where in the body the signed part's content stands; `None` where the body is not in parts, and is signed whole.
pub(super) fn read(
    rule: &Upload,
    request: &Request<'_>,
    memory: &mut Memory,
    sizes: &Sizes,
) -> Result<Option<Range>, Refusal> {
    let body = request.body;
    let Some(value) = sole(request, b"content-type", "content-type")? else { return Ok(None) };
    let boundary = match boundary(value, body, &mut memory.marks) {
        None => return Ok(None),
        Some(boundary) => boundary?,
    };
    let [first, second] = parts(body, boundary, &mut memory.marks).ok_or(BODY)?;
    let (signed, file) = if *first.name == *rule.part { (first, second) } else { (second, first) };
    if *signed.name != *rule.part || *file.name != *rule.file || signed.filename.is_some() {
        return Err(BODY);
    }
    let content = |part: &Part<'_>| body.get(part.content.0..part.content.1).unwrap_or_default();
    let params = memory.part.get_or_insert_with(|| Box::new(Params::new()));
    params.clear();
    let text = content(&signed);
    params.parse_json(text, sizes)?;
    params.sort(&[], text)?;
    let view = params.view(&[], text);
    let member = |name: &[u8]| view.find(name).filter(|at| view.kind(*at) == Kind::Text).map(|at| view.value(at));
    if member(&rule.filename) != file.filename {
        return Err(BODY);
    }
    let said = member(&rule.digest).ok_or(Refusal::missing("digest"))?;
    if !digest(rule.hash, None, content(&file)).is_text(DigestText::Hex, said) {
        return Err(Refusal::new(Reason::BadDigest, "digest"));
    }
    Ok(Some(signed.content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boundary_is_named_once_and_well() {
        let of = |text: &'static str| boundary(text.as_bytes(), b"--a-b\r\n", &mut Marks::default());
        assert_eq!(of("application/json"), None);
        assert_eq!(of(""), None);
        assert_eq!(of("multipart/form-data"), Some(Ok(&b"a-b"[..])));
        for body in ["", "--", "--\r\n", "-a\r\n", "--a", "--a\n", "--a b\r\n", "\r\n--a\r\n"] {
            assert_eq!(
                boundary(b"multipart/form-data", body.as_bytes(), &mut Marks::default()),
                Some(Err(BODY)),
                "{body:?}"
            );
        }
        for text in [
            "multipart/form-data; boundary=a-b",
            "Multipart/Form-Data;BOUNDARY=\"a-b\"",
            "multipart/form-data ; boundary=a-b ",
        ] {
            assert_eq!(of(text), Some(Ok(&b"a-b"[..])), "{text}");
        }
        let long = format!("multipart/form-data; boundary={}", "b".repeat(71));
        for text in [
            "multipart/form-data;",
            "multipart/form-data; boundary=",
            "multipart/form-data; boundary=\"\"",
            "multipart/form-data; boundary=a; boundary=a",
            "multipart/form-data; x=\"; boundary=b\"; boundary=a",
            "multipart/form-data; boundary=\"a b\"",
            "multipart/form-data; boundary=\"a\\b\"",
            "multipart/form-data; boundary=\"a",
            "multipart/form-data; charset=utf-8",
            &long,
        ] {
            assert_eq!(
                boundary(text.as_bytes(), b"--a\r\n", &mut Marks::default()),
                Some(Err(Refusal::invalid("content-type"))),
                "{text}"
            );
        }
    }

    const GOOD: &str = "--b\r\nContent-Disposition: form-data; name=\"meta\"\r\nContent-Type: application/json\r\n\r\n{}\r\n--b\r\n\
                        content-disposition: form-data; name=\"file\"; filename=\"名.jpg\"\r\n\r\nx\n--a\r\n\r\n\r\n--b--\r\n";

    #[test]
    fn two_parts_and_no_byte_more_are_taken() {
        let [meta, file] = parts(GOOD.as_bytes(), b"b", &mut Marks::default()).unwrap();
        let content = |part: &Part<'_>| GOOD.get(part.content.0..part.content.1).unwrap();
        assert_eq!((meta.name, meta.filename, content(&meta)), (&b"meta"[..], None, "{}"));
        assert_eq!(
            (file.name, file.filename, content(&file)),
            (&b"file"[..], Some("名.jpg".as_bytes()), "x\n--a\r\n\r\n")
        );
        assert!(parts(GOOD.trim_end().as_bytes(), b"b", &mut Marks::default()).is_some());
        assert!(parts(GOOD.replace("--a", "Content").as_bytes(), b"b", &mut Marks::default()).is_some());
        let replaced = |from: &str, to: &str| {
            assert!(GOOD.contains(from), "{from}");
            GOOD.replacen(from, to, 1)
        };
        for body in [
            String::new(),
            "--b--".to_owned(),
            format!("preamble\r\n{GOOD}"),
            format!("{GOOD}epilogue"),
            format!("\r\n{GOOD}"),
            replaced("x\n--a", "x\n--b"),
            replaced("x\n--a", "x--b"),
            replaced("--b--\r\n", ""),
            replaced("--b--\r\n", "--b-"),
            replaced("--b--\r\n", "--b\r\n"),
            replaced("{}\r\n--b\r\n", "{}\n--b\n"),
            replaced("{}\r\n--b\r\n", "{}\r\n--b \r\n"),
            replaced("{}\r\n--b\r\n", "{}\r\n--bc\r\n"),
            replaced("--b\r\n", "--b\r\n\r\n"),
            replaced("Content-Disposition", "X-Disposition"),
            replaced("Content-Type: application/json", "Content-Type"),
            replaced("Content-Type: application/json", "Content-Disposition: form-data; name=\"meta\""),
            replaced("Content-Type: application/json", "Content-Transfer-Encoding: base64"),
            replaced("Content-Type: application/json", "X: y"),
            replaced("Content-Type: application/json", "Content-Type: a\n b"),
            replaced("form-data; name=\"meta\"", "form-data"),
            replaced("form-data; name=\"meta\"", "attachment; name=\"meta\""),
            replaced("name=\"meta\"", "name=\"meta\"; name=\"file\""),
            replaced("name=\"meta\"", "name=\"meta\"; filename*=utf-8''x"),
            replaced("name=\"meta\"", "name=\"me\\ta\""),
            replaced("name=\"meta\"", "name=\"meta"),
            replaced("form-data; name=\"meta\"", &format!("form-data; name=\"{}\"", "m".repeat(HEADERS_MAX))),
        ] {
            assert!(parts(body.as_bytes(), b"b", &mut Marks::default()).is_none(), "{body:?}");
        }
        // A third part.
        let third = GOOD.replacen("--b\r\n", "--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n\r\n--b\r\n", 1);
        assert!(parts(third.as_bytes(), b"b", &mut Marks::default()).is_none());
        for cut in 0..GOOD.len() - 2 {
            assert!(parts(&GOOD.as_bytes()[..cut], b"b", &mut Marks::default()).is_none(), "{cut}");
        }
    }
}
