//! Reading chains back: the first line that does not fit.
//!
//! A line's frame is fixed, so it is read without a JSON parser, byte by byte; what stands inside is covered by the link.

use super::chain::{BEFORE_LINK, Head};
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
    /// Whether the line is a seal over what `running` has, by the key.
    fn fits(&mut self, covered: &[u8], running: &Running) -> Option<bool> {
        let at = memchr::memmem::find(covered, BEFORE_SIGNATURE)?;
        let (text, rest) = covered.split_at(at);
        let signature = rest.strip_prefix(BEFORE_SIGNATURE)?.strip_suffix(b"\"")?;
        let signature = base64::decode_vec(Variant::Standard, signature).ok()?;
        let (_, digest) = text.strip_suffix(b"\"")?.split_last_chunk::<64>()?;
        if hex::to_string(&running.digest()).as_bytes() != digest {
            return Some(false);
        }
        let message = seal::signed(text);
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

/// The parts of a line.
struct Parts<'l> {
    chain: u64,
    seq: u64,
    /// After the number.
    rest: &'l [u8],
    /// What the link covers.
    covered: &'l [u8],
    /// The link as it is written.
    digits: &'l [u8; 2 * LINK],
}

impl Parts<'_> {
    /// Whether `link` is the one that is written here.
    fn fits(&self, link: &Link) -> bool {
        let [high, low] = [link::digits(link), *self.digits].map(|digits| {
            let (halves, _) = digits.as_chunks::<16>();
            [halves[0], halves[1]].map(u128::from_ne_bytes)
        });
        (high[0].ct_eq(&low[0]) & high[1].ct_eq(&low[1])).into()
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

/// A line's parts. `last` is the name of a chain, and how it is written: that of the line before, mostly.
fn parts<'l>(line: &'l [u8], last: Option<&(u64, [u8; 16])>) -> Option<Parts<'l>> {
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
    Some(Parts { chain, seq, rest: after.strip_prefix(b",")?, covered, digits })
}

/// The head that an opening line goes on from.
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

    /// Takes the next line, without its line end.
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
            None => (link_of(parts.digits).ok_or(Broken::Form)?, true),
        };
        // A line out of its place has a link that does not fit, and a number that says why.
        if parts.seq != expected {
            return Err(Broken::Missing { expected, found: parts.seq });
        }
        if !linked {
            return Err(Broken::Altered);
        }
        if let (Some(seals), Some(running)) = (&mut self.seals, &mut state.running) {
            if parts.rest.starts_with(b"\"chain\":\"seal\"") {
                if seals.fits(parts.covered, running) != Some(true) {
                    return Err(Broken::Seal);
                }
                state.sealed = expected + 1;
            }
            running.add(line);
            running.add(b"\n");
        }
        state.head.link = link;
        state.head.lines += 1;
        if parts.rest.starts_with(b"\"chain\":\"close\"") {
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

    fn open(&mut self, line: &[u8], parts: &Parts<'_>) -> Result<(), Broken> {
        if parts.seq != 0 {
            return Err(Broken::NotOpened);
        }
        if !parts.rest.starts_with(b"\"chain\":\"open\"") {
            return Err(Broken::Altered);
        }
        let (mut links, mut link) = (None, link_of(parts.digits).ok_or(Broken::Form)?);
        if let Some(key) = &self.key {
            let links = links.insert(key.links(parts.chain).ok_or(Broken::Altered)?);
            link = links.link(&[0; LINK], parts.covered);
            if !parts.fits(&link) {
                return Err(Broken::Altered);
            }
        }
        if let Some(head) = after(parts.rest).ok_or(Broken::Altered)? {
            let before = self.index.get(&head.chain).and_then(|at| self.states.get(*at));
            let fits = before.map_or(self.partial, |state| state.head == head && state.ending == Ending::Closed);
            if !fits {
                return Err(Broken::Discontinued);
            }
        }
        let mut running = self.running();
        if let Some(running) = &mut running {
            running.add(line);
            running.add(b"\n");
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
