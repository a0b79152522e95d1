//! Writing a chain.

use super::mask::{Masked, mask, mask_text};
use crate::codec::base64::{self, Variant};
use crate::codec::hex;
use crate::codec::json::write_string;
use crate::error::Error;
use crate::time::Millis;
use crate::verdict::{Reason, Verdict};
use aws_lc_rs::hmac;
use std::fmt;
use std::io::Write as _;
use std::sync::Arc;

/// Bytes of a link.
pub(super) const LINK: usize = 16;
pub(super) type Link = [u8; LINK];
/// What stands before a link in its line.
pub(super) const BEFORE_LINK: &[u8] = b",\"link\":\"";
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// The key of the links. Wiped when dropped, never printed. Clones share it.
#[derive(Clone)]
pub struct AuditKey(Arc<hmac::Key>);

impl AuditKey {
    /// From a secret of 32 bytes at least.
    ///
    /// # Errors
    /// The secret is shorter.
    pub fn new(secret: &[u8]) -> Result<Self, Error> {
        if secret.len() < 32 {
            return Err(Error::Key("expected a secret of at least 32 bytes for the audit chain".to_owned()));
        }
        Ok(Self(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, secret))))
    }

    pub(super) fn link(&self, before: &Link, line: &[u8]) -> Link {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(before);
        context.update(line);
        let tag = context.sign();
        let mut link = [0; LINK];
        for (to, from) in link.iter_mut().zip(tag.as_ref()) {
            *to = *from;
        }
        link
    }
}

impl fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuditKey([redacted])")
    }
}

/// How long records must be kept (JR/T 0185-2020, 9.3.4, 10.1.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Retention {
    /// The app's side: six months.
    App,
    /// The bank's side: a year.
    Bank,
    /// As many days.
    Days(u32),
}

impl Retention {
    fn days(self) -> i64 {
        match self {
            Self::App => 184,
            Self::Bank => 366,
            Self::Days(days) => days.into(),
        }
    }
}

/// What shows later what was signed (JR/T 0185-2020, 12.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Evidence<'a> {
    /// SHA-256 of the string that was signed.
    pub digest: [u8; 32],
    /// The signature, decoded.
    pub signature: &'a [u8],
}

/// What one record says.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// When the request was received.
    pub at: Millis,
    /// The trace number that the gateway's logs have for it.
    pub trace_id: Option<&'a str>,
    /// How it was judged: app, API, key, reason and code.
    pub verdict: &'a Verdict,
    /// How long it took in microseconds, the service behind included, where the gateway tells.
    pub duration_us: Option<u64>,
    /// The account that it was about; masked here.
    pub account: Option<&'a str>,
    /// What shows later what was signed.
    pub evidence: Option<Evidence<'a>>,
}

/// Where a chain stands: what a gateway may keep elsewhere, to show later that nothing was cut off its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// The chain.
    pub chain: u64,
    /// Lines written.
    pub lines: u64,
    /// The last link.
    pub link: [u8; LINK],
}

/// A chain that is being written, by one worker.
#[derive(Debug)]
pub struct Chain {
    key: AuditKey,
    head: Head,
    retention: Retention,
    text: String,
}

impl Chain {
    /// Opens a chain: appends its first line to `out`. `after` is the head of the chain that it goes on from, where a file was rotated.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn open(
        key: &AuditKey,
        retention: Retention,
        after: Option<Head>,
        now: Millis,
        out: &mut Vec<u8>,
    ) -> Result<Self, Error> {
        let mut name = [0; 8];
        aws_lc_rs::rand::fill(&mut name).map_err(|_| Error::Os {
            doing: "opening an audit chain".to_owned(),
            message: "no randomness".to_owned(),
        })?;
        let head = Head { chain: u64::from_be_bytes(name), lines: 0, link: [0; LINK] };
        let mut chain = Self { key: key.clone(), head, retention, text: String::new() };
        chain.line(out, |_, out| {
            let keep_until = now.plus(retention.days() * DAY_MS).0;
            let _ = write!(out, "\"chain\":\"open\",\"at\":{},\"keep_until\":{keep_until},\"after\":", now.0);
            match after {
                Some(head) => {
                    let _ = write!(out, "{{\"w\":\"{:016x}\",\"lines\":{},\"link\":", head.chain, head.lines);
                    write_hex(&head.link, out);
                    out.push(b'}');
                }
                None => out.extend_from_slice(b"null"),
            }
        });
        Ok(chain)
    }

    /// Appends a record.
    pub fn write(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        let Record { at, verdict, .. } = *record;
        self.line(out, |text, out| {
            // Writing into a Vec cannot fail.
            let _ = write!(out, "\"at\":{},\"app\":", at.0);
            // Names of the document's are written as they are; what a stranger claims may be anything.
            let claimed = matches!(verdict.reason, Reason::UnknownApp | Reason::UnknownKey);
            let mut name = |name: &str, out: &mut Vec<u8>| match name {
                "" => out.extend_from_slice(b"null"),
                _ if claimed => write_text(name, text, out),
                _ => write_string(name, out),
            };
            name(verdict.app_id.as_str(), out);
            out.extend_from_slice(b",\"api\":");
            name(verdict.api_id.as_str(), out);
            out.extend_from_slice(b",\"kid\":");
            name(verdict.kid.as_str(), out);
            let _ = write!(out, ",\"reason\":\"{}\",\"code\":", verdict.reason);
            write_string(verdict.code.as_str(), out);
            if let Some(us) = record.duration_us {
                let _ = write!(out, ",\"us\":{us}");
            }
            if let Some(trace_id) = record.trace_id {
                out.extend_from_slice(b",\"trace\":");
                write_text(trace_id, text, out);
            }
            if let Some(account) = record.account {
                text.clear();
                mask(Masked::Account, account, text);
                out.extend_from_slice(b",\"account\":");
                write_string(text, out);
            }
            if let Some(evidence) = &record.evidence {
                out.extend_from_slice(b",\"signed_sha256\":");
                write_hex(&evidence.digest, out);
                out.extend_from_slice(b",\"signature\":\"");
                let start = out.len();
                out.resize(start + base64::encoded_len(evidence.signature.len()), 0);
                let len = out
                    .get_mut(start..)
                    .and_then(|place| base64::encode(Variant::Standard, evidence.signature, place).ok())
                    .map_or(0, |written| written.len());
                out.truncate(start + len);
                out.push(b'"');
            }
        });
    }

    /// Closes the chain: its last line says how many there were.
    pub fn close(mut self, now: Millis, out: &mut Vec<u8>) -> Head {
        let before = self.head.lines;
        self.line(out, |_, out| {
            let _ = write!(out, "\"chain\":\"close\",\"at\":{},\"lines\":{before}", now.0);
        });
        self.head
    }

    /// Closes the chain at the end of one file and goes on with another at the beginning of the next.
    ///
    /// # Errors
    /// As [`Chain::open`].
    pub fn rotate(self, now: Millis, old: &mut Vec<u8>, new: &mut Vec<u8>) -> Result<Self, Error> {
        let (key, retention) = (self.key.clone(), self.retention);
        let head = self.close(now, old);
        Self::open(&key, retention, Some(head), now, new)
    }

    /// Where the chain stands.
    #[must_use]
    pub fn head(&self) -> Head {
        self.head
    }

    /// Takes the last line back, which its caller has no room for: `before` is where the chain stood.
    #[cfg(feature = "ffi")]
    pub(crate) fn rewind(&mut self, before: Head) {
        self.head = before;
    }

    fn line(&mut self, out: &mut Vec<u8>, members: impl FnOnce(&mut String, &mut Vec<u8>)) {
        let start = out.len();
        let _ = write!(out, "{{\"w\":\"{:016x}\",\"seq\":{},", self.head.chain, self.head.lines);
        members(&mut self.text, out);
        self.head.link = self.key.link(&self.head.link, out.get(start..).unwrap_or_default());
        self.head.lines += 1;
        out.extend_from_slice(BEFORE_LINK);
        let mut digits = [0; 2 * LINK];
        let _ = hex::encode_lower(&self.head.link, &mut digits);
        out.extend_from_slice(&digits);
        out.extend_from_slice(b"\"}\n");
    }
}

/// Appends bytes as hexadecimal in quotes.
fn write_hex(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let start = out.len();
    out.resize(start + 2 * bytes.len(), 0);
    if let Some(place) = out.get_mut(start..) {
        let _ = hex::encode_lower(bytes, place);
    }
    out.push(b'"');
}

/// Appends a text that came with a request: whatever looks like an account, an identity or a telephone in it is masked.
fn write_text(text: &str, scratch: &mut String, out: &mut Vec<u8>) {
    scratch.clear();
    mask_text(text, scratch);
    write_string(scratch, out);
}
