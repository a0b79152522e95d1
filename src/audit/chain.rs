//! Writing a chain.

use super::form::Form;
use super::frame;
use super::link::{AuditKey, LINK, Links};
use super::mask::Masked;
use super::pen::Pen;
use super::seal::{self, Running};
use crate::alg::{Algorithm, MacInput, SignatureForm, SigningKey};
use crate::codec::base64::{self, Variant};
use crate::codec::hex;
use crate::codec::json::write_number;
use crate::error::Error;
use crate::time::Millis;
use crate::verdict::{Label, Reason, Verdict};

/// What stands before a link in its line.
pub(super) const BEFORE_LINK: &[u8; 9] = b",\"link\":\"";
/// Bytes at the start of every line: `{"w":"`, sixteen digits, `","seq":`.
const START: usize = 30;
/// Room for all that a record has, but texts of requests and signatures: four labels of at most 64 bytes, each of which JSON writes with six at most, and the rest
/// of some 400.
const ROOM: usize = 2_048;
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
    form: Form,
    pub(super) head: Head,
    pub(super) links: Links,
    retention: Retention,
    /// How every line begins.
    start: [u8; START],
    /// Room for a record, and the link before it; and for texts on their way into it.
    pub(super) line: Vec<u8>,
    pub(super) text: String,
    pub(super) escaped: Vec<u8>,
    /// The digest of all records, where the chain is sealed, and by which algorithm.
    pub(super) running: Option<(Algorithm, Running)>,
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
        Self::open_in(Form::Ndjson, key, None, retention, after, now, out)
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
        Self::open_in(Form::Ndjson, key, Some(algorithm), retention, after, now, out)
    }

    /// As [`Chain::open`], or, where there is an algorithm for seals, as [`Chain::open_sealed`], with records in `form`. A chain may go on from one in the
    /// other form.
    ///
    /// # Errors
    /// As [`Chain::open`].
    pub fn open_in(
        form: Form,
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
        let links = key.links(head.chain);
        let mut chain = Self {
            key: key.clone(),
            form,
            head,
            links,
            retention,
            start: start(head.chain),
            line: Vec::new(),
            text: String::new(),
            escaped: Vec::new(),
            running: seals.map(|algorithm| (algorithm, Running::of(algorithm))),
        };
        let keep_until = now.plus(retention.days() * DAY_MS).0;
        if form == Form::Binary {
            chain.open_frame(now.0, keep_until, after, out);
            return Ok(chain);
        }
        chain.line(0, out, |pen| {
            pen.literal(b"\"chain\":\"open\",\"at\":");
            pen.signed(now.0);
            pen.literal(b",\"keep_until\":");
            pen.signed(keep_until);
            pen.literal(b",\"after\":");
            match after {
                Some(head) => {
                    pen.literal(b"{\"w\":");
                    pen.hex(&head.chain.to_be_bytes());
                    pen.literal(b",\"lines\":");
                    pen.number(head.lines);
                    pen.literal(b",\"link\":");
                    pen.hex(&head.link);
                    pen.literal(b"}");
                }
                None => pen.literal(b"null"),
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
        let sign = |message: &[u8]| {
            let signature = signer.sign(message, SignatureForm::Der, MacInput::Plain);
            signature.map_err(|e| fail("sealing an audit chain", &e.to_string()))
        };
        if self.form == Form::Binary {
            let signature = sign(&frame::signed(self.head.chain, self.head.lines, now.0, &digest))?;
            self.seal_frame(now.0, &digest, &signature, out);
            return Ok(());
        }
        let mut text = self.start.to_vec();
        write_number(self.head.lines, &mut text);
        text.push(b',');
        let members = text.len();
        text.extend_from_slice(format!("\"chain\":\"seal\",\"at\":{},\"digest\":\"", now.0).as_bytes());
        text.extend_from_slice(hex::to_string(&digest).as_bytes());
        text.push(b'"');
        let signature = sign(&seal::signed(&text))?;
        text.extend_from_slice(seal::BEFORE_SIGNATURE);
        text.extend_from_slice(base64::to_string(Variant::Standard, &signature).as_bytes());
        text.push(b'"');
        self.line(text.len(), out, |pen| pen.raw(text.get(members..).unwrap_or_default()));
        Ok(())
    }

    /// Appends a record.
    pub fn write(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        match self.form {
            Form::Ndjson => self.record_line(record, out),
            Form::Binary => self.record_frame(record, out),
        }
    }

    fn record_line(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        let Record { at, verdict, trace_id, account, duration_us, evidence } = *record;
        // A byte becomes six at most in a string of JSON.
        let texts = 6 * (trace_id.map_or(0, str::len) + account.map_or(0, str::len));
        let signature = evidence.map_or(0, |evidence| base64::encoded_len(evidence.signature.len()));
        self.line(texts + signature, out, |pen| {
            pen.literal(b"\"at\":");
            pen.signed(at.0);
            // Names of the document's are written as they are; what a stranger claims may be anything.
            let claimed = matches!(verdict.reason, Reason::UnknownApp | Reason::UnknownKey);
            pen.literal(b",\"app\":");
            name(pen, claimed, &verdict.app_id);
            pen.literal(b",\"api\":");
            name(pen, claimed, &verdict.api_id);
            pen.literal(b",\"kid\":");
            name(pen, claimed, &verdict.kid);
            pen.literal(b",\"reason\":\"");
            pen.raw(verdict.reason.name().as_bytes());
            pen.literal(b"\",\"code\":");
            pen.label(&verdict.code);
            if let Some(us) = duration_us {
                pen.literal(b",\"us\":");
                pen.number(us);
            }
            if let Some(trace_id) = trace_id {
                pen.literal(b",\"trace\":");
                pen.trace(trace_id);
            }
            if let Some(account) = account {
                pen.literal(b",\"account\":");
                pen.masked_as(Masked::Account, account);
            }
            if let Some(evidence) = &evidence {
                pen.literal(b",\"signed_sha256\":");
                pen.hex(&evidence.digest);
                pen.literal(b",\"signature\":");
                pen.base64(evidence.signature);
            }
        });
    }

    /// Closes the chain: its last line says how many there were.
    pub fn close(mut self, now: Millis, out: &mut Vec<u8>) -> Head {
        let before = self.head.lines;
        if self.form == Form::Binary {
            self.close_frame(now.0, before, out);
            return self.head;
        }
        self.line(0, out, |pen| {
            pen.literal(b"\"chain\":\"close\",\"at\":");
            pen.signed(now.0);
            pen.literal(b",\"lines\":");
            pen.number(before);
        });
        self.head
    }

    /// Closes the chain at the end of one file and goes on with another at the beginning of the next.
    ///
    /// # Errors
    /// As [`Chain::open`].
    pub fn rotate(self, now: Millis, old: &mut Vec<u8>, new: &mut Vec<u8>) -> Result<Self, Error> {
        let (form, key, retention) = (self.form, self.key.clone(), self.retention);
        let seals = self.running.as_ref().map(|(algorithm, _)| *algorithm);
        let head = self.close(now, old);
        Self::open_in(form, &key, seals, retention, Some(head), now, new)
    }

    /// Where the chain stands.
    #[must_use]
    pub fn head(&self) -> Head {
        self.head
    }

    /// How its records are written.
    #[must_use]
    pub fn form(&self) -> Form {
        self.form
    }

    /// Takes the last line back, which its caller has no room for: `before` is where the chain stood. Not for chains that are sealed: a digest does not
    /// go back.
    #[cfg(feature = "ffi")]
    pub(crate) fn rewind(&mut self, before: Head) {
        debug_assert!(self.running.is_none());
        self.head = before;
    }

    /// Appends a line. `more` bounds what its members have besides labels and what every record has.
    #[inline]
    fn line(&mut self, more: usize, out: &mut Vec<u8>, members: impl FnOnce(&mut Pen<'_>)) {
        let Self { head, links, start, line, text, escaped, running, .. } = self;
        // Grows only: in steady state there is nothing to do.
        if line.len() < ROOM + more {
            line.resize(ROOM + more, 0);
        }
        let mut pen = Pen::new(line, 0, text, escaped);
        // The link before stands before the line, so that both are one text for the MAC.
        pen.literal(&head.link);
        pen.literal(start);
        pen.number(head.lines);
        pen.literal(b",");
        members(&mut pen);
        head.link = links.of(pen.written(0));
        head.lines += 1;
        pen.literal(BEFORE_LINK);
        pen.link(&head.link);
        pen.literal(b"\"}\n");
        let line = pen.written(LINK);
        out.extend_from_slice(line);
        if let Some((_, running)) = running {
            running.add(line);
        }
    }
}

fn fail(doing: &str, message: &str) -> Error {
    Error::Os { doing: doing.to_owned(), message: message.to_owned() }
}

fn start(chain: u64) -> [u8; START] {
    let mut start = *b"{\"w\":\"0000000000000000\",\"seq\":";
    if let Some(digits) = start.get_mut(6..22) {
        let _ = hex::encode_lower(&chain.to_be_bytes(), digits);
    }
    start
}

#[inline]
fn name<const N: usize>(pen: &mut Pen<'_>, claimed: bool, name: &Label<N>) {
    if claimed && !name.is_empty() { pen.masked(name.as_str()) } else { pen.label(name) }
}
