//! Content types: which source a body's type names, and whether its charset is UTF-8.

/// What a body is said to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::canon) enum Media {
    Json,
    Form,
    Xml,
}

/// What is said of the charset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::canon) enum Charset {
    Unsaid,
    Utf8,
    Other,
}

fn trim(text: &[u8]) -> &[u8] {
    let blank = |b: &u8| *b == b' ' || *b == b'\t';
    let start = text.iter().position(|b| !blank(b)).unwrap_or(text.len());
    let end = text.iter().rposition(|b| !blank(b)).map_or(start, |at| at + 1);
    text.get(start..end).unwrap_or_default()
}

/// Reads the value of a `Content-Type` header (RFC 9110, 8.3). `None` for any other type and for a `charset` given twice.
///
/// Parameters are split at every `;`: one inside a quoted string breaks a parameter that we do not read anyway, except that it may
/// look like a second `charset`, which is refused.
pub(in crate::canon) fn read(value: &[u8]) -> Option<(Media, Charset)> {
    // What nearly every client writes needs no reading.
    match value {
        b"application/json" => Some((Media::Json, Charset::Unsaid)),
        b"application/json; charset=utf-8" | b"application/json;charset=utf-8" | b"application/json; charset=UTF-8" => {
            Some((Media::Json, Charset::Utf8))
        }
        _ => read_parts(value),
    }
}

fn read_parts(value: &[u8]) -> Option<(Media, Charset)> {
    let mut parts = value.split(|b| *b == b';');
    let essence = trim(parts.next()?);
    let media = if essence.eq_ignore_ascii_case(b"application/json") {
        Media::Json
    } else if essence.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
        Media::Form
    } else if essence.eq_ignore_ascii_case(b"text/xml") || essence.eq_ignore_ascii_case(b"application/xml") {
        Media::Xml
    } else {
        return None;
    };
    let mut charset = Charset::Unsaid;
    for part in parts {
        let Some(at) = memchr::memchr(b'=', part) else { continue };
        let (name, value) = part.split_at(at);
        if !trim(name).eq_ignore_ascii_case(b"charset") {
            continue;
        }
        if charset != Charset::Unsaid {
            return None;
        }
        let value = trim(value.get(1..).unwrap_or_default());
        let value = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value);
        charset = if value.eq_ignore_ascii_case(b"utf-8") || value.eq_ignore_ascii_case(b"utf8") {
            Charset::Utf8
        } else {
            Charset::Other
        };
    }
    Some((media, charset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_charsets() {
        for (text, expected) in [
            ("application/json", Some((Media::Json, Charset::Unsaid))),
            ("application/json; charset=utf-8", Some((Media::Json, Charset::Utf8))),
            ("application/json; charset=UTF-8", Some((Media::Json, Charset::Utf8))),
            ("application/json;charset=utf-8", Some((Media::Json, Charset::Utf8))),
            ("Application/JSON;charset=UTF-8", Some((Media::Json, Charset::Utf8))),
            (" application/json ;\tcharset=\"utf-8\" ", Some((Media::Json, Charset::Utf8))),
            ("application/json; charset=utf8", Some((Media::Json, Charset::Utf8))),
            ("application/json; version=1; charset=utf-8;", Some((Media::Json, Charset::Utf8))),
            ("application/json; charset=gbk", Some((Media::Json, Charset::Other))),
            ("application/json; charset=", Some((Media::Json, Charset::Other))),
            ("application/json; charset=utf-8; charset=utf-8", None),
            ("application/x-www-form-urlencoded", Some((Media::Form, Charset::Unsaid))),
            ("text/xml; charset=utf-8", Some((Media::Xml, Charset::Utf8))),
            ("application/xml", Some((Media::Xml, Charset::Unsaid))),
            ("application/jsonp", None),
            ("application/problem+json", None),
            ("text/json", None),
            ("multipart/form-data; boundary=x", None),
            ("", None),
            (";", None),
        ] {
            assert_eq!(read(text.as_bytes()), expected, "{text:?}");
            assert_eq!(read_parts(text.as_bytes()), expected, "{text:?}");
        }
    }
}
