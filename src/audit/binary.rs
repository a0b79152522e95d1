//! Writing a chain in the binary form. `frame.rs` has the layout.

use super::chain::{Chain, Head, Record};
use super::frame::{self, HEADER, Kind, RECORD, TEXT_MAX, UNIT, cut, flag};
use super::link::LINK;
use super::mask::{Masked, trace_number};
use super::pen::Pen;
use crate::verdict::{Label, Reason};

/// The most that a record has besides its texts and its signature, with room for labels that are moved whole.
const ROOM: usize = 512;

impl Chain {
    pub(super) fn open_frame(&mut self, at: i64, keep_until: i64, after: Option<Head>, out: &mut Vec<u8>) {
        self.frame(Kind::Open, Reason::Ok, at, 0, out, |pen| {
            pen.literal(&keep_until.to_le_bytes());
            let Some(head) = after else { return pen.literal(&[0]) };
            pen.literal(&[1]);
            pen.literal(&head.chain.to_be_bytes());
            pen.literal(&head.lines.to_le_bytes());
            pen.literal(&head.link);
        });
    }

    pub(super) fn close_frame(&mut self, at: i64, before: u64, out: &mut Vec<u8>) {
        self.frame(Kind::Close, Reason::Ok, at, 0, out, |pen| pen.literal(&before.to_le_bytes()));
    }

    pub(super) fn seal_frame(&mut self, at: i64, digest: &[u8; 32], signature: &[u8], out: &mut Vec<u8>) {
        self.frame(Kind::Seal, Reason::Ok, at, signature.len(), out, |pen| {
            pen.literal(digest);
            bytes(pen, signature);
        });
    }

    pub(super) fn record_frame(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        let Record { at, verdict, trace_id, account, duration_us, evidence } = *record;
        let (trace_id, account) = (trace_id.map(cut), account.map(cut));
        let more = trace_id.map_or(0, str::len)
            + account.map_or(0, str::len)
            + evidence.map_or(0, |evidence| evidence.signature.len());
        self.frame(Kind::Record, verdict.reason, at.0, more, out, |pen| {
            // Lengths and flags are known when all is written.
            let (start, mut flags) = (pen.at(), 0);
            let mut fixed = [0; RECORD - HEADER];
            pen.literal(&fixed);
            if let Some(us) = duration_us {
                flags |= flag::DURATION;
                match u32::try_from(us) {
                    Ok(us) => fixed[..4].copy_from_slice(&us.to_le_bytes()),
                    Err(_) => {
                        flags |= flag::LONG_DURATION;
                        pen.literal(&us.to_le_bytes());
                    }
                }
            }
            // Names of the document's are written as they are; what a stranger claims may be anything.
            let claimed = matches!(verdict.reason, Reason::UnknownApp | Reason::UnknownKey);
            fixed[4] = name(pen, claimed, &verdict.app_id);
            fixed[5] = name(pen, claimed, &verdict.api_id);
            fixed[6] = name(pen, claimed, &verdict.kid);
            if verdict.code.as_bytes() == verdict.reason.default_code().as_bytes() {
                flags |= flag::OWN_CODE;
            } else {
                fixed[7] = name(pen, false, &verdict.code);
            }
            if let Some(trace_id) = trace_id {
                flags |= flag::TRACE;
                if let Some(packed) = trace_number(trace_id.as_bytes()) {
                    flags |= flag::PACKED_TRACE;
                    pen.literal(&packed);
                } else {
                    fixed[8] = text(pen, trace_id, |pen, text| pen.masked_bytes(text));
                }
            }
            if let Some(account) = account {
                flags |= flag::ACCOUNT;
                fixed[9] = text(pen, account, |pen, text| pen.masked_bytes_as(Masked::Account, text));
            }
            if let Some(evidence) = &evidence {
                flags |= flag::EVIDENCE;
                pen.literal(&evidence.digest);
                bytes(pen, evidence.signature);
            }
            fixed[10] = flags;
            pen.patch(start, &fixed);
        });
    }

    /// Appends a frame. `more` bounds what its body has besides what every record has.
    #[inline(always)]
    fn frame(
        &mut self,
        kind: Kind,
        reason: Reason,
        at: i64,
        more: usize,
        out: &mut Vec<u8>,
        body: impl FnOnce(&mut Pen<'_>),
    ) {
        let Self { head, links, line, text, escaped, running, .. } = self;
        // Grows only: in steady state there is nothing to do.
        if line.len() < ROOM + more {
            line.resize(ROOM + more, 0);
        }
        let mut pen = Pen::new(line, 0, text, escaped);
        // The link before stands before the frame, so that both are one text for the MAC.
        pen.literal(&head.link);
        pen.literal(&[0; HEADER]);
        body(&mut pen);
        pen.pad::<UNIT>();
        let len = pen.at();
        pen.patch(LINK, &frame::header(kind, len, reason as u16, head.chain, head.lines, at));
        head.link = links.of(pen.written(0));
        head.lines += 1;
        pen.literal(&head.link);
        let frame = pen.written(LINK);
        out.extend_from_slice(frame);
        if let Some((_, running)) = running {
            running.add(frame);
        }
    }
}

/// A name: its length.
#[inline]
fn name<const N: usize>(pen: &mut Pen<'_>, claimed: bool, name: &Label<N>) -> u8 {
    // A label has at most 255 bytes, and a mask makes it no longer.
    if claimed {
        let from = pen.at();
        pen.masked_bytes(name.as_str());
        (pen.at() - from) as u8
    } else {
        pen.label_bytes(name);
        name.as_bytes().len() as u8
    }
}

/// A text as `write` writes it, no longer than it is: its length, or 255, where that stands before it in four bytes.
#[inline]
fn text(pen: &mut Pen<'_>, text: &str, write: impl FnOnce(&mut Pen<'_>, &str)) -> u8 {
    let long = text.len() > 254;
    if long {
        pen.literal(&[0; 4]);
    }
    let from = pen.at();
    write(pen, text);
    let len = pen.at() - from;
    if long {
        pen.patch(from - 4, &(len as u32).to_le_bytes());
        255
    } else {
        len as u8
    }
}

/// Bytes after their length.
fn bytes(pen: &mut Pen<'_>, bytes: &[u8]) {
    let bytes = bytes.get(..TEXT_MAX).unwrap_or(bytes);
    pen.literal(&(bytes.len() as u16).to_le_bytes());
    pen.raw(bytes);
}
