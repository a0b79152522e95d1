//! Writing a chain.

use super::link::{AuditKey, LINK, Links};
use super::mask::{Masked, mask, mask_text};
use super::seal::{self, Running};
use crate::alg::{Algorithm, MacInput, SignatureForm, SigningKey};
use crate::codec::base64::{self, Variant};
use crate::codec::hex;
use crate::codec::json::{write_number, write_string};
use crate::error::Error;
use crate::time::Millis;
use crate::verdict::{Reason, Verdict};

/// What stands before a link in its line.
pub(super) const BEFORE_LINK: &[u8] = b",\"link\":\"";
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

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
    links: Links,
    retention: Retention,
    /// How every line begins.
    start: Vec<u8>,
    text: String,
    /// The digest of all lines, where the chain is sealed, and by which algorithm.
    running: Option<(Algorithm, Running)>,
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
        Self::open_with(key, None, retention, after, now, out)
    }

    /// As [`Chain::open`], for a chain that [`Chain::seal`] will seal by `algorithm`. Every line then costs its digest besides.
    ///
    /// # Errors
    /// As [`Chain::open`].
    pub fn open_sealed(
        key: &AuditKey,
        algorithm: Algorithm,
        retention: Retention,
        after: Option<Head>,
        now: Millis,
        out: &mut Vec<u8>,
    ) -> Result<Self, Error> {
        Self::open_with(key, Some(algorithm), retention, after, now, out)
    }

    fn open_with(
        key: &AuditKey,
        seals: Option<Algorithm>,
        retention: Retention,
        after: Option<Head>,
        now: Millis,
        out: &mut Vec<u8>,
    ) -> Result<Self, Error> {
        if seals.is_some_and(|algorithm| !seal::may_seal(algorithm)) {
            return Err(fail("opening an audit chain", "seals are signatures, or MACs by HMAC"));
        }
        let mut name = [0; 8];
        aws_lc_rs::rand::fill(&mut name).map_err(|_| fail("opening an audit chain", "no randomness"))?;
        let head = Head { chain: u64::from_be_bytes(name), lines: 0, link: [0; LINK] };
        let links = key.links(head.chain).ok_or_else(|| fail("opening an audit chain", "no memory"))?;
        let mut chain = Self {
            key: key.clone(),
            head,
            links,
            retention,
            start: format!("{{\"w\":\"{:016x}\",\"seq\":", head.chain).into_bytes(),
            text: String::new(),
            running: seals.map(|algorithm| (algorithm, Running::of(algorithm))),
        };
        chain.line(out, |_, out| {
            let keep_until = now.plus(retention.days() * DAY_MS).0;
            let text = format!("\"chain\":\"open\",\"at\":{},\"keep_until\":{keep_until},\"after\":", now.0);
            out.extend_from_slice(text.as_bytes());
            match after {
                Some(head) => {
                    let text = format!("{{\"w\":\"{:016x}\",\"lines\":{},\"link\":", head.chain, head.lines);
                    out.extend_from_slice(text.as_bytes());
                    write_hex(&head.link, out);
                    out.push(b'}');
                }
                None => out.extend_from_slice(b"null"),
            }
        });
        Ok(chain)
    }

    /// Seals all lines so far: appends a line with their digest and `signer`'s signature (or MAC) over it, by which somebody without the secret of the links can
    /// check them. Of the chain's algorithm, opened with [`Chain::open_sealed`]. How often is the caller's choice: what comes after the last seal
    /// stands on the links alone.
    ///
    /// # Errors
    /// Another algorithm than the chain was opened for; no randomness.
    pub fn seal(&mut self, signer: &SigningKey, now: Millis, out: &mut Vec<u8>) -> Result<(), Error> {
        let digest = match &self.running {
            Some((algorithm, running)) if *algorithm == signer.algorithm() => running.digest(),
            _ => return Err(fail("sealing an audit chain", "it was not opened for seals by this algorithm")),
        };
        let mut text = self.start.clone();
        write_number(self.head.lines, &mut text);
        text.extend_from_slice(b",\"chain\":\"seal\",\"at\":");
        write_time(now, &mut text);
        text.extend_from_slice(b",\"digest\":");
        write_hex(&digest, &mut text);
        let signature = signer
            .sign(&seal::signed(&text), SignatureForm::Der, MacInput::Plain)
            .map_err(|e| fail("sealing an audit chain", &e.to_string()))?;
        let from = self.start.len() + digits(self.head.lines) + 1;
        self.line(out, |_, out| {
            out.extend_from_slice(text.get(from..).unwrap_or_default());
            out.extend_from_slice(seal::BEFORE_SIGNATURE);
            out.extend_from_slice(base64::to_string(Variant::Standard, &signature).as_bytes());
            out.push(b'"');
        });
        Ok(())
    }

    /// Appends a record.
    pub fn write(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        let Record { at, verdict, .. } = *record;
        self.line(out, |text, out| {
            out.extend_from_slice(b"\"at\":");
            write_time(at, out);
            out.extend_from_slice(b",\"app\":");
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
            out.extend_from_slice(b",\"reason\":\"");
            out.extend_from_slice(verdict.reason.name().as_bytes());
            out.extend_from_slice(b"\",\"code\":");
            write_string(verdict.code.as_str(), out);
            if let Some(us) = record.duration_us {
                out.extend_from_slice(b",\"us\":");
                write_number(us, out);
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
            let text = format!("\"chain\":\"close\",\"at\":{},\"lines\":{before}", now.0);
            out.extend_from_slice(text.as_bytes());
        });
        self.head
    }

    /// Closes the chain at the end of one file and goes on with another at the beginning of the next.
    ///
    /// # Errors
    /// As [`Chain::open`].
    pub fn rotate(self, now: Millis, old: &mut Vec<u8>, new: &mut Vec<u8>) -> Result<Self, Error> {
        let (key, retention) = (self.key.clone(), self.retention);
        let seals = self.running.as_ref().map(|(algorithm, _)| *algorithm);
        let head = self.close(now, old);
        Self::open_with(&key, seals, retention, Some(head), now, new)
    }

    /// Where the chain stands.
    #[must_use]
    pub fn head(&self) -> Head {
        self.head
    }

    /// Takes the last line back, which its caller has no room for: `before` is where the chain stood. Not for chains that are sealed: a digest does not
    /// go back.
    #[cfg(feature = "ffi")]
    pub(crate) fn rewind(&mut self, before: Head) {
        debug_assert!(self.running.is_none());
        self.head = before;
    }

    #[inline]
    fn line(&mut self, out: &mut Vec<u8>, members: impl FnOnce(&mut String, &mut Vec<u8>)) {
        let begin = out.len();
        out.extend_from_slice(&self.start);
        write_number(self.head.lines, out);
        out.push(b',');
        members(&mut self.text, out);
        self.head.link = self.links.link(&self.head.link, out.get(begin..).unwrap_or_default());
        self.head.lines += 1;
        let mut end = [0; BEFORE_LINK.len() + 2 * LINK + 3];
        let (before, rest) = end.split_at_mut(BEFORE_LINK.len());
        let (link, last) = rest.split_at_mut(2 * LINK);
        before.copy_from_slice(BEFORE_LINK);
        let _ = hex::encode_lower(&self.head.link, link);
        last.copy_from_slice(b"\"}\n");
        out.extend_from_slice(&end);
        if let Some((_, running)) = &mut self.running {
            running.add(out.get(begin..).unwrap_or_default());
        }
    }
}

fn fail(doing: &str, message: &str) -> Error {
    Error::Os { doing: doing.to_owned(), message: message.to_owned() }
}

/// How many digits a number has.
fn digits(number: u64) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

fn write_time(at: Millis, out: &mut Vec<u8>) {
    if at.0 < 0 {
        out.push(b'-');
    }
    write_number(at.0.unsigned_abs(), out);
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
