//! Reading chains back: the first record that does not fit.
//!
//! What stands around a line's content is fixed, so it is read without a JSON parser, byte by byte; what stands inside is covered by the link. Frames of the
//! binary form are known by their first byte; from then on both are judged alike.

use super::chain::{BEFORE_LINK, Head};
use super::frame::{self, Frame, Kind, MAGIC};
use super::link::{self, AuditKey, LINK, Link, Links};
use super::seal::{self, BEFORE_SIGNATURE, Running};
use crate::alg::{self, Item, Key, MacInput, SignatureForm};
use crate::codec::base64::{self, Variant};
use crate::codec::hex;
use crate::lanes::Cpu;
use std::collections::HashMap;
use std::fmt;
use subtle::ConstantTimeEq;

/// What is wrong with a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Broken {
    /// Not a line of a chain.
    Form,
    /// Of a chain that was not opened before: its beginning is missing.
    NotOpened,
    /// Lines before it are missing, or it was moved: the number that was expected, and the one that is there.
    Missing {
        /// Expected next in this chain.
        expected: u64,
        /// There.
        found: u64,
    },
    /// It was altered, or put in by somebody without the key.
    Altered,
    /// It follows a line that closed its chain.
    AfterClose,
    /// A seal that is not over the lines before it, or not by the key: one of them was altered, put in or taken out, or the seal was.
    Seal,
    /// It goes on from another chain, whose end is not what it says: the file before is missing or was cut.
    Discontinued,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form => f.write_str("not a line of an audit chain"),
            Self::NotOpened => f.write_str("the beginning of its chain is missing"),
            Self::Missing { expected, found } if found > expected => {
                write!(f, "records {expected} to {} are missing before it", found - 1)
            }
            Self::Missing { expected, found } => {
                write!(f, "record {found} again, or moved, where {expected} is expected")
            }
            Self::Altered => f.write_str("it was altered, or not written by the holder of the key"),
            Self::AfterClose => f.write_str("it follows the end of its chain"),
            Self::Seal => f.write_str("a seal that does not fit the lines before it, or is not by the key"),
            Self::Discontinued => f.write_str("the file that it goes on from is missing or was cut short"),
        }
    }
}

/// How a chain ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// With a line that closes it.
    Closed,
    /// Openly: its worker is still writing, or was killed.
    Open,
}

/// What was found, when all lines are good.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// Good lines.
    pub lines: u64,
    /// The chains, where each stands, and how it ends, in the order of their opening.
    pub chains: Vec<(Head, Ending)>,
}

struct State {
    head: Head,
    ending: Ending,
    links: Option<Links>,
    /// The digest of the lines so far, where seals are looked at.
    running: Option<Running>,
    /// Lines before the last good seal.
    sealed: u64,
}

/// Who seals.
struct Seals {
    key: Key,
    verifier: alg::Verifier,
}

impl Seals {
    /// Whether the record is a seal over what `running` has, by the key.
    fn fits(&mut self, parts: &Parts<'_>, running: &Running) -> Option<bool> {
        let (message, signature) = match &parts.frame {
            Some(frame) => {
                let (digest, signature) = frame.sealing()?;
                if running.digest() != digest {
                    return Some(false);
                }
                (frame::signed(frame.chain, frame.seq, frame.at, &digest), signature.to_vec())
            }
            None => {
                let at = memchr::memmem::find(parts.covered, BEFORE_SIGNATURE)?;
                let (text, rest) = parts.covered.split_at(at);
                let signature = rest.strip_prefix(BEFORE_SIGNATURE)?.strip_suffix(b"\"")?;
                let (_, digest) = text.strip_suffix(b"\"")?.split_last_chunk::<64>()?;
                if hex::to_string(&running.digest()).as_bytes() != digest {
                    return Some(false);
                }
                (seal::signed(text), base64::decode_vec(Variant::Standard, signature).ok()?)
            }
        };
        let (form, input) = (SignatureForm::Der, MacInput::Plain);
        let mut ok = [false];
        self.verifier
            .verify(&[Item { key: &self.key, message: &message, signature: &signature, form, input }], &mut ok);
        Some(ok == [true] && seal::may_seal(self.key.algorithm()))
    }
}

/// Holds lines against their chains.
pub struct Verifier {
    /// Of the links; without it only seals are checked.
    key: Option<AuditKey>,
    seals: Option<Seals>,
    index: HashMap<u64, usize>,
    /// The chain of the line before, and its place.
    last: Option<(u64, usize)>,
    /// Its name, and how that is written.
    name: Option<(u64, [u8; 16])>,
    states: Vec<State>,
    lines: u64,
    /// Whether a chain may go on from one that was not seen: the files before it are kept elsewhere.
    pub partial: bool,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("lines", &self.lines).field("chains", &self.states.len()).finish()
    }
}

/// The parts of a record.
struct Parts<'l> {
    chain: u64,
    seq: u64,
    kind: Kind,
    /// What the link covers.
    covered: &'l [u8],
    written: Written<'l>,
    /// The frame, in the binary form.
    frame: Option<Frame<'l>>,
}

/// A link as it is written.
enum Written<'l> {
    Digits(&'l [u8; 2 * LINK]),
    Bytes(&'l Link),
}

impl Parts<'_> {
    /// Whether `link` is the one that is written here.
    #[inline]
    fn fits(&self, link: &Link) -> bool {
        match self.written {
            Written::Digits(digits) => {
                let [high, low] = [link::digits(link), *digits].map(|digits| {
                    let (halves, _) = digits.as_chunks::<16>();
                    [halves[0], halves[1]].map(u128::from_ne_bytes)
                });
                (high[0].ct_eq(&low[0]) & high[1].ct_eq(&low[1])).into()
            }
            Written::Bytes(bytes) => u128::from_ne_bytes(*link).ct_eq(&u128::from_ne_bytes(*bytes)).into(),
        }
    }

    /// The link that is written here.
    fn link(&self) -> Option<Link> {
        match self.written {
            Written::Digits(digits) => link_of(digits),
            Written::Bytes(bytes) => Some(*bytes),
        }
    }

    /// The head that an opening record goes on from.
    fn after(&self) -> Option<Option<Head>> {
        match &self.frame {
            Some(frame) => frame.opening().map(|(_, after)| after),
            None => after(self.covered),
        }
    }
}

/// Digits are lower-case: one spelling for one line.
fn is_lower(digits: &[u8]) -> bool {
    !digits.iter().fold(false, |upper, byte| upper | byte.is_ascii_uppercase())
}

fn hex_u64(digits: &[u8; 16]) -> Option<u64> {
    let mut bytes = [0; 8];
    (is_lower(digits) && hex::decode(digits, &mut bytes).ok()?.len() == 8).then(|| u64::from_be_bytes(bytes))
}

fn link_of(digits: &[u8]) -> Option<Link> {
    let mut link = [0; LINK];
    (is_lower(digits) && hex::decode(digits, &mut link).ok()?.len() == LINK).then_some(link)
}

fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let len = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(len);
    if digits.is_empty() || (digits.len() > 1 && digits.first() == Some(&b'0')) {
        return None;
    }
    let value = digits.iter().try_fold(0u64, |n, d| n.checked_mul(10)?.checked_add(u64::from(d - b'0')))?;
    Some((value, rest))
}

/// A record's parts. `last` is the name of a chain, and how it is written: that of the line before, mostly.
#[inline]
fn parts<'l>(line: &'l [u8], last: Option<&(u64, [u8; 16])>) -> Option<Parts<'l>> {
    if line.first() == Some(&MAGIC) {
        let frame = Frame::read(line)?;
        let Frame { chain, seq, kind, covered, link, .. } = frame;
        return Some(Parts { chain, seq, kind, covered, written: Written::Bytes(link), frame: Some(frame) });
    }
    let body = line.strip_suffix(b"\"}")?;
    let (rest, digits) = body.split_last_chunk()?;
    let covered = rest.strip_suffix(BEFORE_LINK)?;
    let after = covered.strip_prefix(b"{\"w\":\"")?;
    let (name, after) = after.split_first_chunk::<16>()?;
    let chain = match last {
        Some((chain, written)) if written == name => *chain,
        _ => hex_u64(name)?,
    };
    let (seq, after) = number(after.strip_prefix(b"\",\"seq\":")?)?;
    let kind = match after.strip_prefix(b",")?.strip_prefix(b"\"chain\":\"") {
        None => Kind::Record,
        Some(rest) if rest.starts_with(b"open\"") => Kind::Open,
        Some(rest) if rest.starts_with(b"close\"") => Kind::Close,
        Some(rest) if rest.starts_with(b"seal\"") => Kind::Seal,
        Some(_) => Kind::Record,
    };
    Some(Parts { chain, seq, kind, covered, written: Written::Digits(digits), frame: None })
}

/// The chain and the number of a line that ends too early, as far as they are there; `None` where it does not begin as a line does.
fn begun(line: &[u8]) -> Option<(Option<u64>, Option<u64>)> {
    const BEFORE: &[u8] = b"{\"w\":\"";
    const BETWEEN: &[u8] = b"\",\"seq\":";
    // What is there of a literal, and what follows it where it is whole.
    let literal = |text: &'static [u8], line: &[u8]| text.iter().zip(line).all(|(a, b)| a == b);
    // Behind a link there is the end of a line, or, where it is that of the chain before, the link of the line itself.
    let behind = memchr::memmem::rfind(line, BEFORE_LINK).and_then(|at| line.get(at + BEFORE_LINK.len() + 2 * LINK..));
    let ended = behind.is_none_or(|behind| literal(b"\"},\"link\":\"", behind));
    if !literal(BEFORE, line) || !ended {
        return None;
    }
    let Some((name, rest)) = line.get(BEFORE.len()..).and_then(|rest| rest.split_first_chunk()) else {
        let digits = line.get(BEFORE.len()..).unwrap_or_default();
        return digits.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')).then_some((None, None));
    };
    let name = hex_u64(name)?;
    if !literal(BETWEEN, rest) {
        return None;
    }
    let Some(rest) = rest.get(BETWEEN.len()..) else { return Some((Some(name), None)) };
    let seq = number(rest).filter(|(_, rest)| !rest.is_empty()).map(|(seq, _)| seq);
    (seq.is_some() || rest.iter().all(u8::is_ascii_digit)).then_some((Some(name), seq))
}

/// The head that the text of an opening line goes on from.
fn after(rest: &[u8]) -> Option<Option<Head>> {
    let at = rest.windows(9).position(|window| window == b",\"after\":")?;
    let text = rest.get(at + 9..)?;
    if text == b"null" {
        return Some(None);
    }
    let text = text.strip_prefix(b"{\"w\":\"")?;
    let (digits, text) = text.split_first_chunk()?;
    let chain = hex_u64(digits)?;
    let (lines, text) = number(text.strip_prefix(b"\",\"lines\":")?)?;
    let text = text.strip_prefix(b",\"link\":\"")?.strip_suffix(b"\"}")?;
    Some(Some(Head { chain, lines, link: link_of(text)? }))
}

/// Adds a record to a digest as it stands in the log: lines with their ends.
fn add(running: &mut Running, record: &[u8]) {
    running.add(record);
    if record.first() != Some(&MAGIC) {
        running.add(b"\n");
    }
}

impl Verifier {
    /// A verifier that has seen nothing.
    #[must_use]
    pub fn new(key: &AuditKey) -> Self {
        Self { key: Some(key.clone()), ..Self::of_nothing() }
    }

    /// A verifier by seals alone, for who does not have the secret of the links: a line is as good as the next seal after it. `key` is that of
    /// the seals. Lines after the last seal are read, and not vouched for ([`Verifier::sealed`]).
    #[must_use]
    pub fn by_seals(key: Key) -> Self {
        Self::of_nothing().with_seals(key)
    }

    /// Checks seals as well.
    #[must_use]
    pub fn with_seals(mut self, key: Key) -> Self {
        self.seals = Some(Seals { key, verifier: alg::Verifier::new(Cpu::detect()) });
        self
    }

    fn of_nothing() -> Self {
        Self {
            key: None,
            seals: None,
            index: HashMap::new(),
            last: None,
            name: None,
            states: Vec::new(),
            lines: 0,
            partial: false,
        }
    }

    fn running(&self) -> Option<Running> {
        self.seals.as_ref().map(|seals| Running::of(seals.key.algorithm()))
    }

    /// Takes the next record of a log: a line without its line end, or a frame ([`split_first`](super::split_first) gives either).
    ///
    /// # Errors
    /// What is wrong with it. The verifier may go on, but what follows in that chain will mostly be wrong as well.
    pub fn line(&mut self, line: &[u8]) -> Result<(), Broken> {
        let parts = parts(line, self.name.as_ref()).ok_or(Broken::Form)?;
        let known = match self.last {
            Some((chain, at)) if chain == parts.chain => Some(at),
            _ => self.index.get(&parts.chain).copied(),
        };
        let Some((at, state)) = known.and_then(|at| Some((at, self.states.get_mut(at)?))) else {
            return self.open(line, &parts);
        };
        if state.ending == Ending::Closed {
            return Err(Broken::AfterClose);
        }
        let expected = state.head.lines;
        // With the secret the link is the one that was made; without, the one that is written.
        let (link, linked) = match &mut state.links {
            Some(links) => {
                let link = links.link(&state.head.link, parts.covered);
                (link, parts.fits(&link))
            }
            None => (parts.link().ok_or(Broken::Form)?, true),
        };
        // A line out of its place has a link that does not fit, and a number that says why.
        if parts.seq != expected {
            return Err(Broken::Missing { expected, found: parts.seq });
        }
        if !linked {
            return Err(Broken::Altered);
        }
        if let (Some(seals), Some(running)) = (&mut self.seals, &mut state.running) {
            if parts.kind == Kind::Seal {
                if seals.fits(&parts, running) != Some(true) {
                    return Err(Broken::Seal);
                }
                state.sealed = expected + 1;
            }
            add(running, line);
        }
        state.head.link = link;
        state.head.lines += 1;
        if parts.kind == Kind::Close {
            state.ending = Ending::Closed;
        }
        if self.last != Some((parts.chain, at)) {
            self.last = Some((parts.chain, at));
            let mut name = [0; 16];
            if hex::encode_lower(&parts.chain.to_be_bytes(), &mut name).is_ok() {
                self.name = Some((parts.chain, name));
            }
        }
        self.lines += 1;
        Ok(())
    }

    /// Takes what a log ends with where [`split_first`](super::split_first) finds no more whole record: nothing, a line without its line end, or a record whose
    /// writer was stopped. `true` where it is torn: that is no tampering, and it counts for nothing.
    ///
    /// # Errors
    /// It is neither: what is wrong with it.
    pub fn end(&mut self, rest: &[u8]) -> Result<bool, Broken> {
        if rest.is_empty() {
            return Ok(false);
        }
        let (name, after) = if rest.first() == Some(&MAGIC) {
            // The length is known to be what was written, or is not there yet.
            if frame::length(rest).is_err() || self.holds_another(rest) {
                return Err(Broken::Form);
            }
            let after = rest.get(16..24).and_then(|seq| Some(u64::from_le_bytes(seq.try_into().ok()?)));
            (rest.get(8..16).and_then(|name| Some(u64::from_be_bytes(name.try_into().ok()?))), after)
        } else {
            // Whole but for its line end.
            if parts(rest, None).is_some() {
                return self.line(rest).map(|()| false);
            }
            begun(rest).ok_or(Broken::Form)?
        };
        // As far as it is there it must be the record that comes next.
        let (Some(name), Some(found)) = (name, after) else { return Ok(true) };
        match self.index.get(&name).and_then(|at| self.states.get(*at)) {
            Some(state) if state.ending == Ending::Closed => Err(Broken::AfterClose),
            Some(State { head: Head { lines: expected, .. }, .. }) if *expected != found => {
                Err(Broken::Missing { expected: *expected, found })
            }
            None if found != 0 => Err(Broken::NotOpened),
            _ => Ok(true),
        }
    }

    /// Whether a frame of a chain that is known, or of its own, begins within `rest`, which is part of a frame itself: then that is longer than it was.
    fn holds_another(&self, rest: &[u8]) -> bool {
        let name = |frame: &[u8]| Some(u64::from_be_bytes(frame.get(8..16)?.try_into().ok()?));
        let own = name(rest);
        let within = rest.get(1..).unwrap_or_default();
        memchr::memchr_iter(MAGIC, within).any(|at| {
            let begins = within.get(at..).unwrap_or_default();
            let known = |chain: u64| own == Some(chain) || self.index.contains_key(&chain);
            frame::length(begins).is_ok() && name(begins).is_some_and(known)
        })
    }

    fn open(&mut self, line: &[u8], parts: &Parts<'_>) -> Result<(), Broken> {
        if parts.seq != 0 {
            return Err(Broken::NotOpened);
        }
        if parts.kind != Kind::Open {
            return Err(Broken::Altered);
        }
        let (mut links, mut link) = (None, parts.link().ok_or(Broken::Form)?);
        if let Some(key) = &self.key {
            let links = links.insert(key.links(parts.chain));
            link = links.link(&[0; LINK], parts.covered);
            if !parts.fits(&link) {
                return Err(Broken::Altered);
            }
        }
        if let Some(head) = parts.after().ok_or(Broken::Altered)? {
            let before = self.index.get(&head.chain).and_then(|at| self.states.get(*at));
            let fits = before.map_or(self.partial, |state| state.head == head && state.ending == Ending::Closed);
            if !fits {
                return Err(Broken::Discontinued);
            }
        }
        let mut running = self.running();
        if let Some(running) = &mut running {
            add(running, line);
        }
        self.index.insert(parts.chain, self.states.len());
        let head = Head { chain: parts.chain, lines: 1, link };
        self.states.push(State { head, ending: Ending::Open, links, running, sealed: 0 });
        self.lines += 1;
        Ok(())
    }

    /// How many lines of a chain are under a good seal, seals included; 0 where seals are not looked at.
    #[must_use]
    pub fn sealed(&self, chain: u64) -> u64 {
        self.index.get(&chain).and_then(|at| self.states.get(*at)).map_or(0, |state| state.sealed)
    }

    /// What was found.
    #[must_use]
    pub fn report(&self) -> Report {
        Report { lines: self.lines, chains: self.states.iter().map(|state| (state.head, state.ending)).collect() }
    }
}
