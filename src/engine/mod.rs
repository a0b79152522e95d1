//! The pipeline: requests in, verdicts out, one at a time or in batches, always with the same answer.
//!
//! An [`Engine`] holds the configuration in force and the shared state; a [`Worker`] holds the scratch memory of one thread. The order of
//! checks is in `order` alone. A batch goes through three stages, which [`Worker::verify_batch`] runs one after the other:
//!
//! 1. [`Worker::gate`], in the order of the requests: bounds of size, and the limits that are counted before anybody is known;
//! 2. [`Worker::prepare`], which depends on nothing but the request and the configuration, and may run in parallel with other batches:
//!    reading, cheap refusals, and all signatures together;
//! 3. [`Worker::commit`], in the order of the requests: replays, limits, and the commit of the nonce, which is the point of acceptance.
//!
//! What one request after the other would get is what each gets in any batch: every check that depends on state is decided in stages 1
//! and 3. (Stage 2 looks at the nonces too, without taking any, only to spare the signature of a request that stage 3 will refuse: a nonce
//! once seen stays seen.)

mod ahead;
mod batch;
mod derived;
mod evidence;
mod guard;
mod kept;
mod memory;
mod order;
mod rules;
mod signer;
pub mod state;
mod tokens;

pub use crate::bucket::{Anomaly, Counts};
pub use batch::Batch;
pub use guard::{OVERRIDE_MAX, Outcome, Subject};
pub use signer::{Signer, SignerOptions};

use crate::alg;
use crate::error::Error;
use crate::keys::{Config, Live, Snapshot};
use crate::lanes::Cpu;
use crate::metrics::Metrics;
use crate::request::Request;
use crate::time::Millis;
use crate::verdict::{Reason, Ticket, Verdict};
use memory::Memory;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// How to open an engine; the default is what a gateway wants.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// A clock that stands still, for tests and for judging what was recorded; `None` is the wall clock.
    pub now: Option<Millis>,
    /// A closed set of requests is judged, and no store of an earlier run can have admitted any of them: without `state.path` the birth
    /// rule is then off, unless the document says otherwise.
    pub closed_set: bool,
    /// The CPU features to use; `None` is what [`Cpu::detect`] finds.
    pub cpu: Option<Cpu>,
}

/// A configuration in force and the state it keeps. A clone is another handle of the same.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

struct Shared {
    live: Live,
    memory: Memory,
    cpu: Cpu,
    now: Option<Millis>,
    warnings: Vec<String>,
    workers: AtomicUsize,
}

impl Shared {
    /// Where the next worker counts: processes begin at different places.
    fn next_shard(&self) -> usize {
        self.workers.fetch_add(1, Ordering::Relaxed).wrapping_add(std::process::id() as usize)
    }

    fn now(&self) -> Millis {
        self.now.unwrap_or_else(wall_clock)
    }

    fn done(&self, ticket: &Ticket, outcome: Outcome) -> bool {
        if *ticket != Ticket::NONE {
            self.memory.metrics.outcome(outcome == Outcome::Success);
        }
        let [_, _, token] = ticket.words();
        token != 0 && self.memory.guard.end(token, Some(outcome), self.now())
    }
}

/// See [`Engine::failed_kernels`]. Every kernel is tried once in the life of the process.
fn failed_kernels(cpu: Cpu, snapshot: &Snapshot) -> Vec<String> {
    let credentials = snapshot.apps().iter().flat_map(|app| app.credentials.iter());
    alg::failed_kernels(cpu, credentials.map(|credential| credential.algorithm()))
}

fn wall_clock() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

impl Engine {
    /// Opens an engine from a configuration document (JSON, UTF-8), attaching to its shared state or making it.
    ///
    /// # Errors
    /// A refused document (by JSON pointer), or a state region that cannot be had. Nothing is left behind.
    pub fn open(document: &[u8]) -> Result<Self, Error> {
        Self::open_with(document, &Options::default())
    }

    /// As [`Engine::open`], with options.
    ///
    /// # Errors
    /// As [`Engine::open`].
    pub fn open_with(document: &[u8], options: &Options) -> Result<Self, Error> {
        let snapshot = Config::from_json(document)?;
        let cpu = options.cpu.unwrap_or_else(Cpu::detect);
        let failed = failed_kernels(cpu, &snapshot);
        let now = options.now.unwrap_or_else(wall_clock);
        let memory = Memory::open(&snapshot, options, cpu, now)?;
        let private = memory.share_tables(&snapshot, now);
        let mut shared = Shared {
            memory,
            live: Live::new(snapshot),
            cpu,
            now: options.now,
            warnings: Vec::new(),
            workers: AtomicUsize::new(0),
        };
        shared.warnings = shared.memory.warnings();
        shared.warnings.extend(private);
        for kernel in failed {
            shared.warnings.push(format!(
                "the kernel {kernel} failed its known answers and is not used: its work is done by a slower one; \
                 this CPU, or this build, does not compute what it should"
            ));
        }
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Puts another document in force for all workers, from their next batch on; returns its number. A refused document changes nothing.
    ///
    /// # Errors
    /// As [`Engine::open`]; and where `state` or `clock` differ from those in force, which cannot change while running.
    pub fn reload(&self, document: &[u8]) -> Result<u64, Error> {
        let snapshot = Config::from_json(document)?;
        self.shared.memory.fits(&snapshot)?;
        // The known answers of algorithms that are new, before a request waits for them.
        failed_kernels(self.shared.cpu, &snapshot);
        self.shared.memory.share_tables(&snapshot, self.shared.now());
        self.shared.live.swap(snapshot)
    }

    /// The names of the kernels that gave wrong answers when they were tried, of those that the configuration in force would use here.
    /// They are not used. Empty on a machine that computes as it should.
    #[must_use]
    pub fn failed_kernels(&self) -> Vec<String> {
        failed_kernels(self.shared.cpu, &self.snapshot())
    }

    /// A worker for one thread.
    #[must_use]
    pub fn worker(&self) -> Worker {
        Worker {
            shared: Arc::clone(&self.shared),
            tools: batch::Tools::new(self.shared.cpu),
            batch: None,
            hands: guard::Hands::default(),
            metrics: self.shared.memory.metrics.in_shard(self.shared.next_shard()),
        }
    }

    /// Reports how an accepted request ended, once, from whatever thread of the process that accepted it: it is in flight no more, limits of
    /// concurrency have its place again, and the circuit breaker of its API hears how it went. `false` where the ticket holds no place, or was reported before; nothing is then done twice.
    pub fn done(&self, ticket: &Ticket, outcome: Outcome) -> bool {
        self.shared.done(ticket, outcome)
    }

    /// Puts `subject` on the deny list for `for_ms` milliseconds: every process that shares the state refuses it as `blacklisted` from the next
    /// look on. [`i64::MAX`] is for good.
    ///
    /// # Errors
    /// The list is full (`state.deny_keys`).
    pub fn deny(&self, subject: Subject<'_>, for_ms: i64) -> Result<(), Error> {
        let now = self.shared.now();
        self.shared.memory.guard.deny(subject, now.plus(for_ms.max(0)), now)
    }

    /// Takes `subject` off the deny list.
    ///
    /// # Errors
    /// None at present.
    pub fn allow(&self, subject: Subject<'_>) -> Result<(), Error> {
        self.shared.memory.guard.deny(subject, Millis(0), self.shared.now())
    }

    /// Whether `subject` is on the deny list.
    #[must_use]
    pub fn is_denied(&self, subject: Subject<'_>) -> bool {
        self.shared.memory.guard.is_denied(subject, self.shared.now())
    }

    /// What was noticed of an app (any of its keys), or of an address: unknown apps, bad signatures, replays, wrong algorithms. The counts of names
    /// that were quiet for long make room for others'.
    #[must_use]
    pub fn anomalies(&self, subject: Subject<'_>) -> Counts {
        self.shared.memory.guard.anomalies_of(subject)
    }

    /// How often each kind of anomaly was noticed since the state was made, in the order of [`Anomaly::ALL`].
    #[must_use]
    pub fn anomaly_totals(&self) -> [u64; 4] {
        self.shared.memory.guard.anomaly_totals()
    }

    /// Changes the limit of that name to `permille` thousandths of what the document says (0: nothing passes; at most [`OVERRIDE_MAX`]) for
    /// `for_ms` milliseconds, in every process that shares the state; 0 ms takes the change back.
    ///
    /// # Errors
    /// The document has no such limit, or the table of changes is full (`state.deny_keys`).
    pub fn override_limit(&self, limit: &str, permille: u64, for_ms: i64) -> Result<(), Error> {
        let known = self.shared.live.load().limits().iter().any(|known| known.name == limit);
        if !known || permille > OVERRIDE_MAX {
            let message = if known {
                format!("expected at most {OVERRIDE_MAX} thousandths")
            } else {
                format!("the document has no limit \"{limit}\"")
            };
            return Err(Error::Os { doing: "changing a limit".to_owned(), message });
        }
        let now = self.shared.now();
        let until = if for_ms > 0 { now.plus(for_ms).plus(-1) } else { Millis(0) };
        self.shared.memory.guard.override_limit(limit, permille, until, now)
    }

    /// Appends the body of the answer to a refused request, `{"code":…,"msg":…,"data":null}` with the codes and texts of the document's
    /// `answers`; `false`, and nothing, where it has no such section. Made from the reason alone: nothing of the request, of a key or of the
    /// inside can be in it.
    pub fn answer(&self, verdict: &Verdict, out: &mut Vec<u8>) -> bool {
        let snapshot = self.shared.live.load();
        snapshot.answer(verdict.reason).map(|body| out.extend_from_slice(body)).is_some()
    }

    /// What has been counted, by all processes that share the state.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.shared.memory.metrics.clone()
    }

    /// The snapshot in force.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.live.load_full()
    }

    /// What an operator should know although it is no error.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.shared.warnings
    }
}

/// The scratch memory of one thread. Owned by it; `Send`, so it may move.
pub struct Worker {
    shared: Arc<Shared>,
    tools: batch::Tools,
    /// Its own batch, lent to a call; behind a pointer, so that lending it copies nothing.
    batch: Option<Box<Batch>>,
    hands: guard::Hands,
    metrics: Metrics,
}

impl Worker {
    /// Judges one request.
    #[must_use]
    pub fn verify(&mut self, request: &Request<'_>) -> Verdict {
        let mut verdict = Verdict::of(Reason::Internal);
        self.verify_batch(std::slice::from_ref(request), std::slice::from_mut(&mut verdict));
        verdict
    }

    /// As [`Worker::verify`], with the verdict lent where it was made: who writes it elsewhere in another form copies it once, not three times.
    #[cfg(feature = "ffi")]
    pub(crate) fn verify_lent(&mut self, request: &Request<'_>, lend: impl FnOnce(&Verdict)) {
        let (request, mut batch) = (std::slice::from_ref(request), self.batch.take().unwrap_or_default());
        self.gate(request, &mut batch);
        self.prepare(request, &mut batch);
        let mut verdict = Verdict::of(Reason::Internal);
        self.commit(request, &mut batch, std::slice::from_mut(&mut verdict));
        lend(&verdict);
        self.batch = Some(batch);
    }

    /// Judges requests in order: the verdict of `requests[i]` goes into `verdicts[i]`. Where one slice is longer, its rest is left alone.
    pub fn verify_batch(&mut self, requests: &[Request<'_>], verdicts: &mut [Verdict]) {
        let mut batch = self.batch.take().unwrap_or_default();
        // Larger batches gain nothing and would outgrow the caches.
        for (requests, verdicts) in requests.chunks(batch::CHUNK).zip(verdicts.chunks_mut(batch::CHUNK)) {
            let count = requests.len().min(verdicts.len());
            self.gate(&requests[..count], &mut batch);
            self.prepare(&requests[..count], &mut batch);
            self.commit(&requests[..count], &mut batch, &mut verdicts[..count]);
        }
        self.batch = Some(batch);
    }

    /// Stage 1. Batches pass here in the order of their requests.
    pub fn gate(&mut self, requests: &[Request<'_>], batch: &mut Batch) {
        let now = self.shared.now();
        batch.begin(self.shared.live.load_full(), now, requests.len());
        batch.gate(&self.shared.memory, requests, &mut self.hands);
    }

    /// Stage 2. Batches may be here in any order and at the same time, each with its own worker.
    pub fn prepare(&mut self, requests: &[Request<'_>], batch: &mut Batch) {
        batch.prepare(&self.shared.memory, requests, &mut self.tools);
        batch.verify(&mut self.tools);
        batch.read_tokens(requests);
    }

    /// Stage 3. Batches pass here in the order of their requests.
    pub fn commit(&mut self, requests: &[Request<'_>], batch: &mut Batch, verdicts: &mut [Verdict]) {
        let count = requests.len().min(verdicts.len());
        let (requests, verdicts) = (&requests[..count], &mut verdicts[..count]);
        batch.commit(&self.shared.memory, requests, &mut self.hands, verdicts);
        self.metrics.count(verdicts);
    }

    /// Counts how long a request took, the service behind included, for [`Engine::metrics`].
    pub fn observe(&self, duration_us: u64) {
        self.metrics.observe(duration_us);
    }

    /// As [`Engine::done`].
    pub fn done(&mut self, ticket: &Ticket, outcome: Outcome) -> bool {
        self.shared.done(ticket, outcome)
    }

    /// Gives the nonce of an accepted request back, because nothing of the request reached the upstream: the identical request is then
    /// accepted once more, once. The request is in flight no more. `false` where the ticket is none, was given back before, or its time is over.
    ///
    /// At most once for a verdict: once the identical request was accepted, its nonce is what the first one's ticket names too.
    pub fn release(&mut self, ticket: &Ticket) -> bool {
        self.shared.memory.release(ticket, self.shared.now())
    }
}
