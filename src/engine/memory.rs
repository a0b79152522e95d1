//! The state of an engine: the region, the nonces and the limits in it.

use super::Options;
use super::guard::{self, Guard, LIMITS_OF_ALL};
use super::order::Parts;
use crate::alg;
use crate::bucket::{LimitKey, Limits, LimitsConfig};
use crate::canon::{NonceMode, NonceScope, Profile};
use crate::error::{DocumentError, Error};
use crate::hash::prf::Kind;
use crate::keys::{App, Limit, Snapshot};
use crate::lanes::Cpu;
use crate::metrics::{self, Metrics};
use crate::nonce::{Admit, Mode, NonceConfig, Store};
use crate::request::Request;
use crate::shm::{Region, RegionSpec, Tables, TablesSpec, tables_path};
use crate::time::Millis;
use crate::token;
use crate::verdict::{Reason, Ticket};
use std::path::Path;
use std::sync::OnceLock;

pub(super) use crate::nonce::NonceKey;

/// The nonces and limits of an engine.
pub(super) struct Memory {
    nonces: Store,
    pub limits: Limits,
    pub guard: Guard,
    tokens: Option<token::Store>,
    pub metrics: Metrics,
    config: NonceConfig,
    warnings: Vec<String>,
    region: Region,
    /// Made with the first key that may have a table; `None` where that failed.
    tables: OnceLock<Option<Tables>>,
}

/// What the commit of a nonce came to.
pub(super) enum Admitted {
    /// Never seen: accepted. The ticket gives it back.
    Fresh(Ticket),
    /// Not accepted.
    Refused(Reason),
}

/// The windows that the nonce table must cover: the widest of any profile.
fn windows(snapshot: &Snapshot) -> (u64, u64) {
    let clock = snapshot.widest_clock();
    (clock.past_window_ms.max(0).cast_unsigned(), clock.future_window_ms.max(0).cast_unsigned())
}

/// Refuses what a document may say and this version does not enforce: a limit that is not held is worse than an error.
fn enforceable(snapshot: &Snapshot) -> Result<(), DocumentError> {
    guard::enforceable(snapshot)?;
    if snapshot.limits_of_all().len() > LIMITS_OF_ALL {
        return Err(DocumentError {
            pointer: "/limits".to_owned(),
            message: format!(
                "expected at most {LIMITS_OF_ALL} limits before the signature that no app and no API names"
            ),
        });
    }
    Ok(())
}

/// Shared memory on a disk works, and is written back to it all the time.
fn warnings(path: Option<&Path>) -> Vec<String> {
    const TMPFS: i64 = 0x0102_1994;
    const RAMFS: i64 = 0x8584_58f6;
    let Some(path) = path else { return Vec::new() };
    match rustix::fs::statfs(path) {
        Ok(fs) if [TMPFS, RAMFS].contains(&fs.f_type) => Vec::new(),
        Ok(_) => {
            vec![format!("the state region {} is not on tmpfs (/dev/shm): the disk is in its way", path.display())]
        }
        Err(_) => Vec::new(),
    }
}

impl Memory {
    pub fn open(snapshot: &Snapshot, options: &Options, cpu: Cpu, now: Millis) -> Result<Self, Error> {
        enforceable(snapshot)?;
        let state = snapshot.state();
        let (past_window_ms, future_window_ms) = windows(snapshot);
        let private = state.path.is_none();
        let config = NonceConfig {
            birth_rule: state.birth_rule && !(private && options.closed_set),
            capacity: state.nonces,
            past_window_ms,
            future_window_ms,
            ..NonceConfig::default()
        };
        let rates = LimitsConfig { keys: state.limit_keys };
        let kind = Kind::best(cpu);
        let spec = RegionSpec::new(state.path.clone(), now).with(config.section(kind)).with(rates.section(kind));
        let mut spec = guard::sections(spec, state, kind);
        spec = spec.with(metrics::section());
        let tokens = snapshot.tokens().map(|tokens| tokens.sizes);
        if let Some(sizes) = &tokens {
            spec = spec.with(sizes.section(kind));
        }
        spec.mode = state.mode;
        spec.group = state.group;
        let region = Region::open(&spec)?;
        Ok(Self {
            nonces: Store::open(&region, &config)?,
            limits: Limits::open(&region, &rates)?,
            guard: Guard::open(&region, state, &config)?,
            metrics: Metrics::open(&region, 0)?,
            tokens: match &tokens {
                Some(sizes) => Some(token::Store::open(&region, sizes, config.birth_rule)?),
                None => None,
            },
            config,
            warnings: warnings(state.path.as_deref()),
            region,
            tables: OnceLock::new(),
        })
    }

    /// Has the keys of a document that is about to be in force share their tables with the other processes of a region. What keeps it from that: each
    /// process then has its own, as it has without a region.
    pub fn share_tables(&self, snapshot: &Snapshot, now: Millis) -> Option<String> {
        let state = snapshot.state();
        let path = state.path.as_deref().filter(|_| state.key_table_bytes > 0)?;
        let keys = || snapshot.apps().iter().flat_map(|app| app.credentials.iter()).map(|credential| &credential.key);
        if !keys().any(alg::Key::may_have_table) {
            return None;
        }
        let mut failed = None;
        let tables = self.tables.get_or_init(|| {
            let spec = TablesSpec {
                path: &tables_path(path),
                bytes: state.key_table_bytes,
                sizes: &alg::shared_table_sizes(),
                mode: state.mode,
                group: state.group,
                now,
            };
            Tables::open(&spec).map_err(|error| failed = Some(format!("key tables are not shared: {error}"))).ok()
        });
        if let Some(tables) = tables {
            alg::Key::share_tables(keys(), tables);
        }
        failed
    }

    /// What an operator should know.
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }

    /// Whether another document can be in force over this state.
    pub fn fits(&self, snapshot: &Snapshot) -> Result<(), Error> {
        enforceable(snapshot)?;
        // A document may come without tokens; one with them needs the section, as it was made.
        let made = self.tokens.as_ref().map(token::Store::sizes);
        if snapshot.tokens().is_some_and(|tokens| made != Some(&tokens.sizes)) {
            let message = "differs from what the state was opened with (apps, revocations, one_time.capacity, one_time.life_s); it takes \
                           a restart";
            return Err(DocumentError { pointer: "/tokens".to_owned(), message: message.to_owned() }.into());
        }
        let (past, future) = windows(snapshot);
        if past > self.config.past_window_ms || future > self.config.future_window_ms {
            return Err(DocumentError {
                pointer: "/profiles".to_owned(),
                message: format!(
                    "a profile's window of {past} ms past and {future} ms future is wider than the state was made for \
                     ({} and {}); it takes a restart",
                    self.config.past_window_ms, self.config.future_window_ms
                ),
            }
            .into());
        }
        Ok(())
    }

    /// The tokens, where the document had them when the state was opened.
    pub fn tokens(&self) -> Option<&token::Store> {
        self.tokens.as_ref()
    }

    /// The place of a message in the nonce table. Never endpoint and app mixed up: each part's length goes into the hash.
    pub fn nonce_key(
        &self,
        app: &App,
        nonce: &[u8],
        timestamp: Millis,
        profile: &Profile,
        mode: NonceMode,
        request: &Request<'_>,
    ) -> NonceKey {
        let mode = match mode {
            NonceMode::Message => Mode::Message,
            NonceMode::Strict | NonceMode::Arrival => Mode::Strict,
        };
        let app = app.id.as_bytes();
        match profile.nonce_scope() {
            NonceScope::App => self.nonces.key(app, nonce, timestamp, mode),
            NonceScope::Endpoint => self.nonces.key_of(&[app, request.method, request.path(), nonce], timestamp, mode),
        }
    }

    /// Asks for the memory that the commit will look at.
    pub fn prefetch(&self, nonce: &NonceKey) {
        self.nonces.prefetch(nonce);
    }

    /// Whether the message was admitted before. Takes nothing.
    pub fn seen(&self, nonce: &NonceKey) -> bool {
        self.nonces.peek(nonce)
    }

    /// Whether the region's file was truncated under this process: nothing may be accepted any more.
    pub fn is_lost(&self) -> bool {
        self.region.is_lost()
    }

    /// Takes the nonce: the point of acceptance. `token` stands for what the request holds while it is in flight.
    pub fn admit(&self, nonce: &NonceKey, app: &App, token: u64, now: Millis) -> Admitted {
        let answer = match self.guard.share(app, now) {
            None => self.nonces.admit(nonce, now),
            Some((shares, key, cap)) => self.nonces.admit_within(nonce, now, shares, &key, cap),
        };
        match answer {
            // Asked after all that a decision hangs on: limits come before the nonce.
            Admit::Ok(_) if self.is_lost() => Admitted::Refused(Reason::SharedUnavailable),
            Admit::Ok(ticket) => {
                let [slot, word] = ticket.to_words();
                Admitted::Fresh(Ticket::of([slot, word, token]))
            }
            Admit::Replayed => Admitted::Refused(Reason::Replayed),
            Admit::Stale | Admit::BeforeBirth => Admitted::Refused(Reason::TimestampTooOld),
            Admit::TooNew => Admitted::Refused(Reason::TimestampTooNew),
            Admit::Full => Admitted::Refused(Reason::NonceStoreFull),
        }
    }

    /// Gives a nonce back, and ends the request.
    pub fn release(&self, ticket: &Ticket, now: Millis) -> bool {
        let [slot, word, token] = ticket.words();
        self.guard.end(token, None, now);
        self.nonces.release(crate::nonce::Ticket::from_words([slot, word]))
    }

    /// The key under which a limit counts a request.
    pub fn limit_key(&self, limit: &Limit, parts: &Parts<'_>) -> LimitKey {
        parts.with_key(&[], limit, |key| self.limits.key(key))
    }
}
