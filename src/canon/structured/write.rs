//! The values of components as they stand in a signature base (RFC 9421, 2.1 to 2.4).

use super::reader::{Component, Inner, Kind, Reader, string};
use super::{Answer, INVALID};
use crate::canon::Refusal;
use crate::codec::base64::{self, Variant};
use crate::codec::percent::{self, Plus};
use crate::request::{Header, Request, View, same_name};
use crate::verdict::Reason;

/// What is signed: a request, or a response, whose header lines and body then stand in `own`.
#[derive(Clone, Copy)]
pub(super) struct Signed<'m, 'r> {
    pub own: &'m Request<'r>,
    pub answer: Option<&'m Answer<'r>>,
}

/// The header lines of one name as one value (RFC 9421, 2.1): trimmed, joined by a comma and a space.
pub(super) fn join(headers: &[Header<'_>], name: &[u8], out: &mut Vec<u8>) -> bool {
    let mut any = false;
    for value in headers.iter().filter(|h| same_name(h.name, name)).map(|h| h.value) {
        if any {
            out.extend_from_slice(b", ");
        }
        any = true;
        out.extend_from_slice(value.trim_ascii());
    }
    any
}

/// Appends host and port in lower case, without the scheme's own port.
fn authority(request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let mut hosts = request.header_values(b"host");
    let host = match (request.authority, hosts.next(), hosts.next()) {
        (Some(host), _, _) | (None, Some(host), None) => host.trim_ascii(),
        (None, Some(_), Some(_)) => return Err(Refusal::duplicate("host")),
        (None, None, _) => return Err(Refusal::missing("host")),
    };
    let own: &[u8] = match request.scheme {
        Some(scheme) if scheme.eq_ignore_ascii_case(b"http") => b":80",
        _ => b":443",
    };
    out.extend(host.strip_suffix(own).unwrap_or(host).iter().map(u8::to_ascii_lowercase));
    Ok(())
}

/// Percent-encodes as RFC 9421, 2.2.8 asks: the form's set, a space as `%20`.
fn encode_param(text: &[u8], out: &mut Vec<u8>) {
    for byte in text {
        if byte.is_ascii_alphanumeric() || b"*-._".contains(byte) {
            out.push(*byte);
        } else {
            const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
            out.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }
}

/// Appends base64 with padding.
fn append_base64(bytes: &[u8], out: &mut Vec<u8>) {
    for three in bytes.chunks(3) {
        let mut four = [0; 4];
        if let Ok(text) = base64::encode(Variant::Standard, three, &mut four) {
            out.extend_from_slice(text);
        }
    }
}

/// What the values of components are written with.
pub(super) struct Writer<'w> {
    pub list: &'w Inner,
    /// The parameters of the query, where one of them is signed.
    pub view: View<'w>,
    pub joined: &'w mut Vec<u8>,
    pub spare: &'w mut Inner,
    pub types: &'w [(Vec<u8>, Kind)],
}

/// The parameters of a component.
#[derive(Default)]
struct Flags<'l> {
    bytes: bool,
    strict: bool,
    of_request: bool,
    trailer: bool,
    key: Option<&'l [u8]>,
    name: Option<&'l [u8]>,
}

impl Writer<'_> {
    /// Appends the value of a component.
    pub fn value(&mut self, message: Signed<'_, '_>, component: &Component, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let identifier = self.list.get(&component.identifier);
        let name = self.list.get(&component.name);
        // A string, without escapes, and in lower case.
        if !identifier.starts_with(b"\"")
            || name.iter().any(|b| b.is_ascii_uppercase() || matches!(b, b'\\' | b'"' | b' '))
        {
            return Err(INVALID);
        }
        let mut flags = Flags::default();
        for (word, value) in self.list.params(&component.params) {
            match word {
                b"bs" if value.is_empty() => flags.bytes = true,
                b"sf" if value.is_empty() => flags.strict = true,
                b"req" if value.is_empty() => flags.of_request = true,
                b"tr" if value.is_empty() => flags.trailer = true,
                b"key" => flags.key = Some(string(value).ok_or(INVALID)?),
                b"name" => flags.name = Some(string(value).ok_or(INVALID)?),
                _ => return Err(INVALID),
            }
        }
        let derived = name.starts_with(b"@");
        if (derived && (flags.bytes || flags.strict || flags.trailer || flags.key.is_some()))
            || (flags.name.is_some() != (name == b"@query-param"))
            || (flags.bytes && (flags.strict || flags.key.is_some()))
            || (flags.trailer && flags.of_request)
        {
            return Err(INVALID);
        }
        match (message.answer, flags.of_request) {
            // A request answers nothing, and its trailers come after it was judged.
            (None, true) => Err(INVALID),
            (None, false) if flags.trailer => Err(INVALID),
            (None, false) if derived => self.derived(message.own, name, &flags, out),
            (None, false) => self.field(message.own.headers, name, &flags, out),
            (Some(answer), true) if derived => self.derived(answer.request, name, &flags, out),
            (Some(answer), true) => self.field(answer.request.headers, name, &flags, out),
            (Some(answer), false) if name == b"@status" => {
                let digits = [100, 10, 1].map(|unit| b'0' + (answer.status / unit % 10) as u8);
                out.extend_from_slice(&digits);
                if (100..=599).contains(&answer.status) { Ok(()) } else { Err(Refusal::invalid("status")) }
            }
            (Some(_), false) if derived => Err(INVALID),
            (Some(answer), false) if flags.trailer => self.field(answer.trailers, name, &flags, out),
            (Some(answer), false) => self.field(answer.headers, name, &flags, out),
        }
    }

    fn derived(
        &mut self,
        request: &Request<'_>,
        name: &[u8],
        flags: &Flags<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        match name {
            b"@method" => out.extend_from_slice(request.method),
            b"@authority" => authority(request, out)?,
            b"@scheme" | b"@target-uri" => {
                let scheme = request.scheme.ok_or(Refusal::missing("scheme"))?;
                out.extend(scheme.iter().map(u8::to_ascii_lowercase));
                if name == b"@target-uri" {
                    out.extend_from_slice(b"://");
                    authority(request, out)?;
                    out.extend_from_slice(request.target);
                }
            }
            b"@request-target" => out.extend_from_slice(request.target),
            b"@path" if request.path().is_empty() => out.push(b'/'),
            b"@path" => out.extend_from_slice(request.path()),
            b"@query" => {
                out.push(b'?');
                out.extend_from_slice(request.query());
            }
            b"@query-param" => {
                let wanted = &mut *self.joined;
                wanted.clear();
                percent::decode(flags.name.unwrap_or_default(), Plus::Literal, wanted).map_err(|_| INVALID)?;
                let at = self.view.find(wanted).ok_or(Refusal::missing("component"))?;
                // One that is there twice cannot be signed alone (RFC 9421, 2.2.8).
                if self.view.find_from(at + 1, wanted).is_some() {
                    return Err(Refusal::duplicate("component"));
                }
                encode_param(self.view.value(at), out);
            }
            _ => return Err(INVALID),
        }
        Ok(())
    }

    fn field(
        &mut self,
        headers: &[Header<'_>],
        name: &[u8],
        flags: &Flags<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        const MALFORMED: Refusal = Refusal::new(Reason::MalformedRequest, "component");
        let missing = Err(Refusal::missing("component"));
        if flags.bytes {
            let mut any = false;
            for value in headers.iter().filter(|h| same_name(h.name, name)).map(|h| h.value) {
                if any {
                    out.extend_from_slice(b", ");
                }
                any = true;
                out.push(b':');
                append_base64(value.trim_ascii(), out);
                out.push(b':');
            }
            return if any { Ok(()) } else { missing };
        }
        self.joined.clear();
        if !join(headers, name, self.joined) {
            return missing;
        }
        let mut reader = Reader { text: self.joined, at: 0 };
        self.spare.clear();
        if let Some(key) = flags.key {
            let mut found = false;
            let spare = &mut *self.spare;
            let read = reader.dictionary(|member, reader| {
                let (len, components) = (spare.text.len(), spare.components.len());
                let ours = member == key;
                // The last of a key counts (RFC 8941, 4.2.2).
                if ours {
                    spare.clear();
                }
                reader.value(spare)?;
                if !ours {
                    spare.text.truncate(len);
                    spare.components.truncate(components);
                    spare.pool.clear();
                }
                found |= ours;
                Some(())
            });
            read.ok_or(MALFORMED)?;
            if !found {
                return missing;
            }
            out.extend_from_slice(&self.spare.text);
            return Ok(());
        }
        if flags.strict {
            let kind = self.types.iter().find(|(known, _)| known == name).map(|(_, kind)| *kind);
            // Nobody can write canonically what nobody knows the type of (RFC 9421, 2.1.1).
            reader.field(kind.ok_or(INVALID)?, self.spare).ok_or(MALFORMED)?;
            out.extend_from_slice(&self.spare.text);
            return Ok(());
        }
        out.extend_from_slice(self.joined);
        Ok(())
    }
}
