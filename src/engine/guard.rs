//! What guards beside signatures and nonces: deny lists, limits with their actions, requests in flight, caps on an app's nonces.
//!
//! All of it lives in the shared region, so it holds in every process at once. What decides a verdict is read and written in the stages that run
//! in the order of the requests (gate and commit), never in between, so that a batch answers as one request after the other would: a limit
//! counted at the gate suspends at the gate, one counted at the commit suspends at the commit. Deny lists are changed from outside, at
//! any moment; they are looked at as early as the key is known, and once more at the commit.

use super::kept::KeptKeys;
use super::memory::Memory;
use super::order::{Parts, Refused};
use crate::bucket::{
    Anomalies, AnomaliesConfig, Anomaly, Breakers, BreakersConfig, Counts, Debit, Deny, DenyConfig, DenyKey, Held,
    Inflight, InflightConfig, Mark, Objects, ObjectsConfig, Pass, Take, VALUE_MAX, Whose, Worker, window_of,
};
use crate::canon::Extract;
use crate::error::{DocumentError, Error};
use crate::hash::prf::Kind;
use crate::keys::{Action, Api, App, CONCURRENCY_EACH, Limit, LimitIndex, LimitLists, Rate, Snapshot, State};
use crate::nonce::{NonceConfig, ShareKey, Shares, SharesConfig};
use crate::shm::{Region, RegionSpec};
use crate::time::Millis;
use crate::verdict::Reason;
use std::net::IpAddr;

/// Whom a deny list names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Subject<'a> {
    /// An app, by its id.
    App(&'a str),
    /// A client's address. An IPv4-mapped IPv6 address is the IPv4 address.
    Address(IpAddr),
    /// One key of an app, by the ids of both.
    Key {
        /// The app's id.
        app: &'a str,
        /// The key's id.
        kid: &'a str,
    },
    /// One API of one app for one user, who switched it off. Refused as `api_not_allowed`, where the API's `user` says who the user is.
    Service {
        /// The user, as the API's parameter names them.
        user: &'a str,
        /// The app's id.
        app: &'a str,
        /// The API's id.
        api: &'a str,
    },
}

/// How a request that was accepted went on behind the gateway.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It was answered.
    Success,
    /// The service failed: no connection, no answer in time, an answer that says so (5xx).
    Failure,
}

/// A limit that is changed for a while stands at so many thousandths of what the document says.
pub const OVERRIDE_MAX: u64 = VALUE_MAX;

/// A worker's own part: its number among all workers, from the first request that needs one.
#[derive(Default)]
pub(super) struct Hold {
    worker: Option<Worker>,
}

impl Hold {
    /// Before a batch: a child of a fork takes a number of its own.
    pub fn check(&mut self) {
        if self.worker.as_ref().is_some_and(|worker| !worker.is_own()) {
            self.worker = None;
        }
    }

    fn worker(&mut self, inflight: &Inflight) -> Option<&mut Worker> {
        if self.worker.is_none() {
            self.worker = inflight.register().ok();
        }
        self.worker.as_mut()
    }
}

/// The guards of an engine.
pub(super) struct Guard {
    deny: Deny,
    inflight: Inflight,
    shares: Shares,
    breakers: Breakers,
    objects: Objects,
    anomalies: Anomalies,
}

struct Configs {
    deny: DenyConfig,
    inflight: InflightConfig,
    shares: SharesConfig,
    breakers: BreakersConfig,
    objects: ObjectsConfig,
    anomalies: AnomaliesConfig,
}

fn configs(state: &State) -> Configs {
    Configs {
        deny: DenyConfig { keys: state.deny_keys },
        inflight: InflightConfig { keys: state.concurrency_keys },
        shares: SharesConfig { apps: state.capped_apps },
        breakers: BreakersConfig { breakers: state.breakers },
        objects: ObjectsConfig { keys: state.distinct_keys },
        anomalies: AnomaliesConfig { keys: state.anomaly_keys },
    }
}

/// Refuses what this engine cannot hold: a limit that is not held is worse than an error.
pub(super) fn enforceable(snapshot: &Snapshot) -> Result<(), DocumentError> {
    let concurrent = |lists: &LimitLists| {
        let limits = lists.after_signature.iter().filter_map(|limit| snapshot.limit(*limit));
        limits.filter(|limit| limit.concurrency.is_some()).count()
    };
    let of_apps = snapshot.apps().iter().map(|app| concurrent(&app.limits)).max().unwrap_or(0);
    let of_apis = snapshot.apis().iter().map(|api| concurrent(&api.limits)).max().unwrap_or(0);
    let error = |pointer: &str, message: String| Err(DocumentError { pointer: pointer.to_owned(), message });
    if of_apps + of_apis > CONCURRENCY_EACH {
        return error(
            "/limits",
            format!(
                "an app and an API together name {} limits with concurrency; expected at most {CONCURRENCY_EACH}",
                of_apps + of_apis
            ),
        );
    }
    let counts_values = |lists: &LimitLists| usize::from(lists.distinct.is_some());
    let several = |lists: &LimitLists| {
        let limits = lists.after_signature.iter().filter_map(|limit| snapshot.limit(*limit));
        limits.filter(|limit| limit.distinct.is_some()).count() > 1
    };
    let lists = || snapshot.apps().iter().map(|app| &app.limits).chain(snapshot.apis().iter().map(|api| &api.limits));
    let of_apps = snapshot.apps().iter().map(|app| counts_values(&app.limits)).max().unwrap_or(0);
    let of_apis = snapshot.apis().iter().map(|api| counts_values(&api.limits)).max().unwrap_or(0);
    if of_apps + of_apis > 1 || lists().any(several) {
        return error(
            "/limits",
            "an app and an API together name several limits with distinct; expected at most one".to_owned(),
        );
    }
    let capped = snapshot.apps().iter().filter(|app| app.nonces.is_some()).count() as u64;
    if capped > snapshot.state().capped_apps {
        return error(
            "/state/capped_apps",
            format!("{capped} apps have a cap on their nonces; expected at least that many"),
        );
    }
    Ok(())
}

/// The sections that the guards need.
pub(super) fn sections(spec: RegionSpec, state: &State, kind: Kind) -> RegionSpec {
    let configs = configs(state);
    spec.with(configs.deny.section(kind))
        .with(configs.inflight.section(kind))
        .with(configs.shares.section(kind))
        .with(configs.breakers.section(kind))
        .with(configs.objects.section(kind))
        .with(configs.anomalies.section(kind))
}

/// An address as it enters keys.
pub(super) fn address_bytes(ip: IpAddr, out: &mut [u8; 16]) -> &[u8] {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            out[..4].copy_from_slice(&ip.octets());
            &out[..4]
        }
        IpAddr::V6(ip) => {
            *out = ip.octets();
            out
        }
    }
}

/// Kinds of marks: the first part of every key in the deny table.
const IP: &[u8] = b"ip";
const APP: &[u8] = b"app";
const KEY: &[u8] = b"key";
const SUSPENDED: &[u8] = b"suspended";
const OVERRIDE: &[u8] = b"override";
const SERVICE: &[u8] = b"service";

impl Guard {
    pub fn open(region: &Region, state: &State, nonces: &NonceConfig) -> Result<Self, Error> {
        let configs = configs(state);
        Ok(Self {
            deny: Deny::open(region, &configs.deny)?,
            inflight: Inflight::open(region, &configs.inflight)?,
            shares: Shares::open(region, &configs.shares, nonces)?,
            breakers: Breakers::open(region, &configs.breakers)?,
            objects: Objects::open(region, &configs.objects)?,
            anomalies: Anomalies::open(region, &configs.anomalies)?,
        })
    }

    fn key_of(&self, subject: Subject<'_>) -> DenyKey {
        let mut bytes = [0; 16];
        match subject {
            Subject::App(app) => self.deny.key(&[APP, app.as_bytes()]),
            Subject::Address(ip) => self.deny.key(&[IP, address_bytes(ip, &mut bytes)]),
            Subject::Key { app, kid } => self.deny.key(&[KEY, app.as_bytes(), kid.as_bytes()]),
            Subject::Service { user, app, api } => {
                self.deny.key(&[SERVICE, user.as_bytes(), app.as_bytes(), api.as_bytes()])
            }
        }
    }

    pub fn deny(&self, subject: Subject<'_>, until: Millis, now: Millis) -> Result<(), Error> {
        self.deny.deny(&self.key_of(subject), until, now)
    }

    pub fn is_denied(&self, subject: Subject<'_>, now: Millis) -> bool {
        self.deny.is_denied(&self.key_of(subject), now)
    }

    /// Changes the limit of that name for every key it counts by.
    pub fn override_limit(&self, limit: &str, permille: u64, until: Millis, now: Millis) -> Result<(), Error> {
        self.deny.set(&self.deny.key(&[OVERRIDE, limit.as_bytes()]), Mark { until, value: permille }, now)
    }

    fn refuse_denied(&self, subject: Subject<'_>, now: Millis) -> Result<(), Refused> {
        match self.deny.mark(&self.key_of(subject), now) {
            None => Ok(()),
            Some(_) => Err(Reason::Blacklisted.into()),
        }
    }

    /// Refuses a denied address.
    #[inline]
    pub fn check_address(&self, ip: Option<IpAddr>, now: Millis) -> Result<(), Refused> {
        match ip {
            Some(ip) if self.deny.any(now) => self.refuse_denied(Subject::Address(ip), now),
            _ => Ok(()),
        }
    }

    /// Refuses a denied app, and a denied key of it.
    #[inline]
    pub fn check_caller(&self, app: &App, kid: Option<&[u8]>, now: Millis) -> Result<(), Refused> {
        if !self.deny.any(now) {
            return Ok(());
        }
        let app = app.id.as_str();
        self.refuse_denied(Subject::App(app), now)?;
        match kid.and_then(|kid| std::str::from_utf8(kid).ok()) {
            Some(kid) => self.refuse_denied(Subject::Key { app, kid }, now),
            None => Ok(()),
        }
    }

    /// The app's place among the capped ones, and its cap.
    pub fn share(&self, app: &App, now: Millis) -> Option<(&Shares, ShareKey, u64)> {
        let cap = app.nonces?;
        Some((&self.shares, self.shares.key(app.id.as_bytes(), now), cap))
    }

    /// What is left of a suspension under this limit's key, in milliseconds.
    fn suspension(&self, limit: &Limit, parts: &Parts<'_>, now: Millis) -> Option<u64> {
        if !self.deny.any(now) {
            return None;
        }
        let mark = parts.with_key(SUSPENDED, limit, |key| self.deny.mark(&self.deny.key(key), now))?;
        Some(u64::try_from(mark.until.plus(1).since(now)).unwrap_or(0))
    }

    /// How many thousandths of the limit stand at this moment, where it is changed.
    fn permille(&self, limit: &Limit, now: Millis) -> Option<u64> {
        if !self.deny.any(now) {
            return None;
        }
        self.deny.mark(&self.deny.key(&[OVERRIDE, limit.name.as_bytes()]), now).map(|mark| mark.value)
    }

    /// Ends an accepted request: it is in flight no more, and its circuit breaker hears of it (`None`: it never reached the service). `false` where
    /// it held nothing, or has ended before.
    pub fn end(&self, token: u64, outcome: Option<Outcome>, now: Millis) -> bool {
        let Some(held) = (if token == 0 { None } else { self.inflight.end(token) }) else { return false };
        self.report(&held, outcome, now);
        true
    }

    fn report(&self, held: &Held, outcome: Option<Outcome>, now: Millis) {
        if let Some(pass) = Pass::from_word(held.note) {
            self.breakers.report(pass, outcome.map(|outcome| outcome == Outcome::Success), now);
        }
    }

    /// The object that a request asks for, where a limit counts distinct ones.
    pub fn object(&self, limit: Option<&Limit>, extract: &Extract<'_>) -> Option<u64> {
        let value = extract.param(limit?.distinct.as_ref()?.of.as_bytes())?;
        Some(self.objects.object(value))
    }

    /// Counts a refusal that speaks of unauthorised or impersonated use. `app`: the app that is known by now.
    pub fn notice(&self, reason: Reason, app: Option<&App>, ip: Option<IpAddr>, now: Millis) {
        let anomaly = match reason {
            Reason::UnknownApp => Anomaly::UnknownApp,
            Reason::BadSignature | Reason::BadDigest => Anomaly::BadSignature,
            Reason::Replayed => Anomaly::Replay,
            Reason::UnknownKey | Reason::WeakAlgorithm | Reason::LevelTooLow => Anomaly::Algorithm,
            _ => return,
        };
        self.anomalies.count(anomaly);
        if let Some(app) = app {
            self.anomalies.count_for(Whose::App, app.id.as_bytes(), anomaly, now);
        }
        if let Some(ip) = ip {
            let mut bytes = [0; 16];
            self.anomalies.count_for(Whose::Address, address_bytes(ip, &mut bytes), anomaly, now);
        }
    }

    pub fn anomalies_of(&self, subject: Subject<'_>) -> Counts {
        let mut bytes = [0; 16];
        match subject {
            Subject::App(app) | Subject::Key { app, .. } | Subject::Service { app, .. } => {
                self.anomalies.of(Whose::App, app.as_bytes())
            }
            Subject::Address(ip) => self.anomalies.of(Whose::Address, address_bytes(ip, &mut bytes)),
        }
    }

    pub fn anomaly_totals(&self) -> [u64; 4] {
        self.anomalies.totals()
    }
}

/// A limit as it stands at this moment.
struct Standing {
    rate: Option<Rate>,
    concurrency: Option<u64>,
    /// Distinct values.
    distinct: Option<u64>,
}

fn standing(memory: &Memory, limit: &Limit, now: Millis) -> Standing {
    let distinct = limit.distinct.as_ref().map(|distinct| distinct.most);
    let mut standing = Standing { rate: limit.rate, concurrency: limit.concurrency.map(u64::from), distinct };
    if let Some(permille) = memory.guard.permille(limit, now) {
        standing.rate = standing.rate.and_then(|rate| rate.scaled(permille));
        standing.concurrency = standing.concurrency.map(|most| most.saturating_mul(permille) / 1000);
        standing.distinct = distinct.map(|most| most.saturating_mul(permille) / 1000);
    }
    standing
}

/// Most limits that may count every request.
pub(super) const LIMITS_OF_ALL: usize = 16;
/// 16 limits each that an app or an API may name, before the signature and after it, and those of all.
const DEBITS: usize = LIMITS_OF_ALL + 32;

/// What a worker needs to take from limits, request after request.
#[derive(Default)]
pub(super) struct Hands {
    pub hold: Hold,
    pub taken: Taken,
}

/// What limits have taken for one request, in the order of taking. One serves request after request, since it is larger than most need.
pub(super) struct Taken {
    debits: [Debit; DEBITS],
    /// Bit i: `debits[i]` is to be given back.
    owed: u64,
    count: usize,
    held: Held,
    /// The first limit with the action `alert` that was exceeded.
    pub alert: Option<u32>,
    keys: KeptKeys,
}

/// Why a limit does not take a request.
struct Exceeded {
    reason: Reason,
    retry_after_ms: u64,
}

impl Default for Taken {
    fn default() -> Self {
        let keys = KeptKeys::default();
        Self { debits: [Debit::NONE; DEBITS], owed: 0, count: 0, held: Held::NOTHING, alert: None, keys }
    }
}

impl Taken {
    /// Forgets the request before: nothing is owed, and no debit is read that `owed` does not name.
    fn clear(&mut self) {
        (self.owed, self.count, self.held, self.alert) = (0, 0, Held::NOTHING, None);
    }

    fn take_rate(
        &mut self,
        memory: &Memory,
        index: LimitIndex,
        limit: &Limit,
        standing: &Standing,
        parts: &Parts<'_>,
        now: Millis,
    ) -> Result<(), Exceeded> {
        let full = |rate: &Rate| Exceeded { reason: Reason::RateLimited, retry_after_ms: rate.per_ms() };
        match (&standing.rate, &limit.rate) {
            (None, None) => Ok(()),
            (None, Some(rate)) => Err(full(rate)),
            (Some(rate), _) => match memory.limits.take(&self.keys.get(memory, index, limit, parts), rate, now) {
                Take::Ok(debit) => {
                    if let Some(place) = self.debits.get_mut(self.count) {
                        *place = debit;
                        self.owed |= 1 << self.count;
                    }
                    Ok(())
                }
                Take::Limited { retry_after_ms } => Err(Exceeded { reason: Reason::RateLimited, retry_after_ms }),
                // No room for another key: who cannot be counted is not let in.
                Take::Full => Err(full(rate)),
            },
        }
    }

    fn take_object(
        memory: &Memory,
        limit: &Limit,
        standing: &Standing,
        parts: &Parts<'_>,
        now: Millis,
    ) -> Result<(), Exceeded> {
        let (Some(distinct), Some(most), Some(object)) = (&limit.distinct, standing.distinct, parts.object) else {
            return Ok(());
        };
        let (number, retry_after_ms) = window_of(now, distinct.window_ms, distinct.offset_ms);
        let window = (number, now.plus(i64::try_from(retry_after_ms).unwrap_or(i64::MAX)));
        match parts.with_key(&[], limit, |key| memory.guard.objects.take(key, object, window, most, now)) {
            Some(true) => Ok(()),
            // Without room for the key nobody can say how many it has asked for.
            Some(false) | None => Err(Exceeded { reason: Reason::RateLimited, retry_after_ms }),
        }
    }

    fn enter(
        &mut self,
        memory: &Memory,
        limit: &Limit,
        standing: &Standing,
        parts: &Parts<'_>,
        now: Millis,
        hold: &mut Hold,
    ) -> Result<(), Exceeded> {
        let Some(most) = standing.concurrency else { return Ok(()) };
        let inflight = &memory.guard.inflight;
        let exceeded = Exceeded { reason: Reason::ConcurrencyLimited, retry_after_ms: 0 };
        let key = parts.with_key(&[], limit, |key| inflight.key(key));
        let Some(worker) = hold.worker(inflight) else { return Err(exceeded) };
        let entered = if limit.action == Action::Alert {
            // Counted all the same: it is in flight.
            worker.enter_over(key, most)
        } else {
            worker.enter(key, most, now).map(|row| (row, false))
        };
        let Some((row, over)) = entered else { return Err(exceeded) };
        if !self.held.add(row) {
            worker.leave(row);
            return Err(exceeded);
        }
        if over { Err(exceeded) } else { Ok(()) }
    }

    /// Takes one request from a limit.
    fn take(
        &mut self,
        memory: &Memory,
        index: LimitIndex,
        limit: &Limit,
        parts: &Parts<'_>,
        now: Millis,
        hold: &mut Hold,
    ) -> Result<(), Refused> {
        if self.count == DEBITS {
            return Err(Reason::Internal.into());
        }
        if let Action::Suspend { .. } = limit.action
            && let Some(retry_after_ms) = memory.guard.suspension(limit, parts, now)
        {
            return Err(Refused { reason: Reason::Suspended, retry_after_ms });
        }
        let standing = standing(memory, limit, now);
        let mut outcome = self.take_rate(memory, index, limit, &standing, parts, now);
        if outcome.is_ok() || limit.action == Action::Alert {
            outcome = outcome.and(Self::take_object(memory, limit, &standing, parts, now));
        }
        if outcome.is_ok() || limit.action == Action::Alert {
            outcome = outcome.and(self.enter(memory, limit, &standing, parts, now, hold));
        }
        self.count += 1;
        let Err(Exceeded { reason, retry_after_ms }) = outcome else { return Ok(()) };
        match limit.action {
            Action::Reject => Err(Refused { reason, retry_after_ms }),
            Action::Alert => {
                self.alert = self.alert.or(u32::try_from(index.get()).ok());
                Ok(())
            }
            Action::Suspend { for_ms } => {
                let until = now.plus(i64::try_from(for_ms).unwrap_or(i64::MAX)).plus(-1);
                let deny = &memory.guard.deny;
                let marked = parts.with_key(SUSPENDED, limit, |key| deny.deny(&deny.key(key), until, now));
                // Where no room is left for the suspension the request is refused all the same.
                Err(Refused { reason, retry_after_ms: if marked.is_ok() { for_ms } else { retry_after_ms } })
            }
        }
    }

    /// Takes one request from every limit of `lists`, or from none: a refusal gives back what the earlier ones gave. Forgets the request
    /// before.
    pub fn take_all(
        &mut self,
        snapshot: &Snapshot,
        memory: &Memory,
        lists: &[&[LimitIndex]],
        parts: &Parts<'_>,
        now: Millis,
        hold: &mut Hold,
    ) -> Result<(), Refused> {
        self.clear();
        self.keys.under(snapshot.generation());
        for index in lists.iter().copied().flatten() {
            let limit = snapshot.limit(*index).ok_or(Reason::Internal)?;
            if let Err(refused) = self.take(memory, *index, limit, parts, now, hold) {
                self.give_back(snapshot, memory, lists, parts, now, hold);
                return Err(refused);
            }
        }
        Ok(())
    }

    /// Asks the API's circuit breaker, and writes down what the request holds while it is in flight; 0 where that is nothing.
    pub fn begin(&mut self, memory: &Memory, api: Option<&Api>, now: Millis, hold: &mut Hold) -> Result<u64, Refused> {
        // For those without a nonce.
        if memory.is_lost() {
            return Err(Reason::SharedUnavailable.into());
        }
        let guard = &memory.guard;
        if let Some((api, rule)) = api.and_then(|api| Some((api, api.breaker.as_ref()?))) {
            match guard.breakers.allow(api.id.as_bytes(), rule, now) {
                Ok(pass) => self.held.note = pass.map_or(0, Pass::to_word),
                Err(retry_after_ms) => return Err(Refused { reason: Reason::CircuitOpen, retry_after_ms }),
            }
        }
        if self.held.is_empty() {
            return Ok(0);
        }
        let token = hold.worker(&guard.inflight).and_then(|worker| worker.begin(&self.held));
        token.ok_or_else(|| {
            guard.report(&self.held, None, now);
            Reason::ConcurrencyLimited.into()
        })
    }

    /// Takes back what [`Self::begin`] did; the counts stay, for [`Self::give_back`].
    pub fn forget(&self, memory: &Memory, token: u64, now: Millis) {
        if token != 0 {
            memory.guard.inflight.forget(token);
            memory.guard.report(&self.held, None, now);
        }
    }

    /// Gives back what was taken from the limits of `lists`.
    pub fn give_back(
        &self,
        snapshot: &Snapshot,
        memory: &Memory,
        lists: &[&[LimitIndex]],
        parts: &Parts<'_>,
        now: Millis,
        hold: &mut Hold,
    ) {
        let limits = lists.iter().copied().flatten().filter_map(|limit| snapshot.limit(*limit));
        for (at, (limit, debit)) in limits.zip(&self.debits).enumerate() {
            if self.owed >> at & 1 == 1
                && let Some(rate) = standing(memory, limit, now).rate
            {
                memory.limits.give_back(&memory.limit_key(limit, parts), &rate, *debit, now);
            }
        }
        for row in self.held.rows() {
            if let Some(worker) = hold.worker(&memory.guard.inflight) {
                worker.leave(row);
            }
        }
    }
}
