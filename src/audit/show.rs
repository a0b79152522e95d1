//! Frames as lines of JSON, for people and for programs that read such lines.

use super::chain::Head;
use super::frame::{Frame, Kind, Reader, flag};
use crate::codec::base64::{self, Variant};
use crate::codec::hex;
use crate::codec::json::write_string;
use crate::verdict::Reason;
use std::io::Write as _;

/// Appends a record as a line of JSON, line end included: one of the binary form with the members that it would have as a line, its link, and
/// `"form":"binary"` (such a line is for reading; the log is what is verified), and a line as it is. `false`, and nothing appended, for a frame that is none of
/// this version's. Nothing is checked: that is [`Verifier`](super::Verifier)'s.
pub fn show(record: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    if record.first() != Some(&super::frame::MAGIC) {
        out.extend_from_slice(record);
    } else if Frame::read(record).and_then(|frame| line(&frame, out)).is_none() {
        out.truncate(start);
        return false;
    }
    out.push(b'\n');
    true
}

fn line(frame: &Frame<'_>, out: &mut Vec<u8>) -> Option<()> {
    let Frame { chain, seq, at, .. } = *frame;
    // Writing into a Vec cannot fail.
    let _ = write!(out, "{{\"w\":\"{chain:016x}\",\"seq\":{seq},");
    match frame.kind {
        Kind::Record => record(frame, out)?,
        Kind::Open => {
            let (keep_until, after) = frame.opening()?;
            let _ = write!(out, "\"chain\":\"open\",\"at\":{at},\"keep_until\":{keep_until},\"after\":");
            match after {
                Some(Head { chain, lines, link }) => {
                    let link = hex::to_string(&link);
                    let _ = write!(out, "{{\"w\":\"{chain:016x}\",\"lines\":{lines},\"link\":\"{link}\"}}");
                }
                None => out.extend_from_slice(b"null"),
            }
        }
        Kind::Close => {
            let lines = u64::from_le_bytes(frame.body().array()?);
            let _ = write!(out, "\"chain\":\"close\",\"at\":{at},\"lines\":{lines}");
        }
        Kind::Seal => {
            let (digest, signature) = frame.sealing()?;
            let signature = base64::to_string(Variant::Standard, signature);
            let digest = hex::to_string(&digest);
            let _ = write!(out, "\"chain\":\"seal\",\"at\":{at},\"digest\":\"{digest}\",\"signature\":\"{signature}\"");
        }
    }
    let _ = write!(out, ",\"link\":\"{}\",\"form\":\"binary\"}}", hex::to_string(frame.link));
    Some(())
}

fn record(frame: &Frame<'_>, out: &mut Vec<u8>) -> Option<()> {
    let mut body = frame.body();
    let us = u32::from_le_bytes(body.array()?);
    let [app, api, kid, code, trace, account, flags] = body.array()?;
    let has = |flag: u8| flags & flag != 0;
    let us = if has(flag::LONG_DURATION) { u64::from_le_bytes(body.array()?) } else { us.into() };
    let reason = Reason::from_number(frame.reason)?;
    let _ = write!(out, "\"at\":{}", frame.at);
    for (member, len) in [(",\"app\":", app), (",\"api\":", api), (",\"kid\":", kid)] {
        out.extend_from_slice(member.as_bytes());
        optional(body.text(len.into())?, out);
    }
    let _ = write!(out, ",\"reason\":\"{}\",\"code\":", reason.name());
    let code = body.text(code.into())?;
    optional(if has(flag::OWN_CODE) { reason.default_code() } else { code }, out);
    if has(flag::DURATION) {
        let _ = write!(out, ",\"us\":{us}");
    }
    if has(flag::TRACE) {
        out.extend_from_slice(b",\"trace\":");
        if has(flag::PACKED_TRACE) {
            write_string(&hex::to_string(&body.array::<16>()?), out);
        } else {
            write_string(text(&mut body, trace)?, out);
        }
    }
    if has(flag::ACCOUNT) {
        out.extend_from_slice(b",\"account\":");
        write_string(text(&mut body, account)?, out);
    }
    if has(flag::EVIDENCE) {
        let digest: [u8; 32] = body.array()?;
        let len = u16::from_le_bytes(body.array()?);
        let signature = base64::to_string(Variant::Standard, body.take(len.into())?);
        let _ = write!(out, ",\"signed_sha256\":\"{}\",\"signature\":\"{signature}\"", hex::to_string(&digest));
    }
    Some(())
}

/// A text of `len` bytes, or of as many as stand before it.
fn text<'f>(body: &mut Reader<'f>, len: u8) -> Option<&'f str> {
    let len = if len == 255 { u32::from_le_bytes(body.array()?) } else { len.into() };
    body.text(usize::try_from(len).ok()?)
}

/// A name; none is `null`.
fn optional(text: &str, out: &mut Vec<u8>) {
    if text.is_empty() { out.extend_from_slice(b"null") } else { write_string(text, out) }
}
