//! Submit and reap: any thread submits a request and goes on; a pool judges what is there, many at once; a descriptor tells when there is
//! something to reap.
//!
//! ```text
//! submit ─▶ free ─(copy)─▶ todo ─▶ thread of the pool: all that is there, up to a batch ─▶ done ─▶ reap ─▶ free
//! ```
//! A queue owns as many jobs as it has places. They go around through three bounded queues of `crossbeam`, so that a full queue is an empty `free`
//! and `done` never overflows; nothing is allocated in steady state. Threads that find nothing sleep (`Beds`); a busy pool finds full lanes
//! waiting. The descriptor is an eventfd (`Bell`).
//!
//! A request that comes alone is judged by the thread that submits it (`Alone`): to wake another for it takes longer than to judge it, and more of
//! the processor.
//!
//! No thread is started before the first submit. A child of `fork` has no threads and is told so ([`PORTCULLIS_FORKED`]).

use super::bell::{Beds, Bell, Counter};
use super::calls::engine_of;
use super::judge::{FfiWorker, lines, view, write_verdict};
use super::signals::Masked;
use super::slots::Table;
use super::support::*;
use super::types::*;
use crate::engine::Engine;
use crate::verdict::{Reason, Ticket, Verdict};
use crossbeam_queue::ArrayQueue;
use portcullis_result::*;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{AsRawFd, OwnedFd};
use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::time::Instant;

static QUEUES: Table<Queue> = Table::new();

const CAPACITY: u32 = 1024;
const CAPACITY_MAX: u32 = 65_536;
const THREADS_MAX: u32 = 256;
/// Requests that a thread takes at once: full lanes for every algorithm at least, so that threads share what is there without breaking lanes
/// up, and no more than the engine judges together.
const BATCH_MIN: usize = 16;
const BATCH_MAX: usize = 256;
/// What a job keeps of a large request's memory.
const KEEP: usize = 64 << 10;

/// A request comes alone where nothing was submitted for so long, in nanoseconds: a thread that judges it itself is then busy for a part of the
/// time only, and what comes meanwhile finds the pool.
const ALONE_NS: u64 = 100_000;
/// Bytes of target and body up to which the submitting thread judges a request itself: some microseconds of hashing.
const ALONE_BYTES: usize = 16 << 10;

/// A request on its way, with its own copy of all bytes.
struct Job {
    user: u64,
    request: portcullis_request,
    headers: Vec<portcullis_header>,
    bytes: Vec<u8>,
    verdict: portcullis_verdict,
}

// SAFETY: the pointers in `request` and `headers` lead into the job's own vectors, which are changed only through `&mut Job`.
unsafe impl Send for Job {}

const BLANK_REQUEST: portcullis_request = {
    const NONE: portcullis_slice = portcullis_slice { ptr: std::ptr::null(), len: 0 };
    portcullis_request {
        struct_size: size_of::<portcullis_request>() as u32,
        reserved: 0,
        received_at_ms: 0,
        method: NONE,
        target: NONE,
        headers: std::ptr::null(),
        header_count: 0,
        body: NONE,
        client_ip: NONE,
        scheme: NONE,
        authority: NONE,
        profile: NONE,
        app_id: NONE,
        tls: NONE,
        peer_certificate_sha256: NONE,
        trace_id: NONE,
    }
};
const BLANK_VERDICT: portcullis_verdict = portcullis_verdict {
    struct_size: size_of::<portcullis_verdict>() as u32,
    reason: Reason::Internal as u16,
    http_status: 500,
    retry_after_ms: 0,
    ticket: [0; 3],
    one_time: [0; 3],
    alert: 0,
    reserved: 0,
    code: [0; 24],
    app_id: [0; 72],
    kid: [0; 72],
    api_id: [0; 40],
};

/// Every text of a request.
fn texts<'a>(
    request: &'a mut portcullis_request,
    headers: &'a mut [portcullis_header],
) -> impl Iterator<Item = &'a mut portcullis_slice> {
    let lines = headers.iter_mut().flat_map(|line| [&mut line.name, &mut line.value]);
    [
        &mut request.method,
        &mut request.target,
        &mut request.body,
        &mut request.client_ip,
        &mut request.scheme,
        &mut request.authority,
        &mut request.profile,
        &mut request.app_id,
        &mut request.tls,
        &mut request.peer_certificate_sha256,
        &mut request.trace_id,
    ]
    .into_iter()
    .chain(lines)
}

impl Job {
    fn new() -> Self {
        Self { user: 0, request: BLANK_REQUEST, headers: Vec::new(), bytes: Vec::new(), verdict: BLANK_VERDICT }
    }

    /// Copies a request whole, and makes sure that it can be judged.
    ///
    /// # Safety
    /// Every slice of `request` describes readable memory for the time of the call.
    unsafe fn take(&mut self, request: &portcullis_request) -> Result<(), portcullis_result> {
        self.request = *request;
        self.headers.clear();
        self.bytes.clear();
        // SAFETY: this function's contract.
        self.headers.extend_from_slice(unsafe { lines(request) }?);
        let Self { request, headers, bytes, .. } = self;
        let mut all = 0usize;
        for slice in texts(request, headers) {
            // SAFETY: this function's contract.
            let text = unsafe { slice.bytes() }?;
            all = all.checked_add(text.len()).ok_or(PORTCULLIS_BAD_ARGUMENT)?;
            // For now where it stands in `bytes`, which may yet move.
            bytes.extend_from_slice(text);
            *slice = portcullis_slice { ptr: std::ptr::without_provenance(all - text.len()), len: text.len() };
        }
        let base = bytes.as_ptr();
        for slice in texts(request, headers) {
            slice.ptr = base.wrapping_add(slice.ptr.addr());
        }
        request.headers = headers.as_ptr();
        // What cannot be judged is told to who submits it, and not to a batch of others.
        // SAFETY: the copy's slices lead into `bytes`.
        unsafe { view(request, &[]) }.map(drop)
    }

    /// Forgets the request; the memory is kept, unless it is much.
    fn clear(&mut self) {
        self.request = BLANK_REQUEST;
        self.headers.clear();
        self.bytes.clear();
        self.bytes.shrink_to(KEEP);
        self.headers.shrink_to(KEEP / size_of::<portcullis_header>());
    }
}

/// A nonblocking eventfd.
struct Eventfd(OwnedFd);

impl Counter for Eventfd {
    fn raise(&self) {
        // It fails only at 2^64 - 1, where the descriptor is readable all the same.
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }

    fn clear(&self) {
        // It fails where there is nothing to read.
        let _ = rustix::io::read(&self.0, &mut [0; 8]);
    }
}

/// What submitters, the pool and reapers share.
struct Inner {
    engine: Engine,
    threads: usize,
    free: ArrayQueue<Box<Job>>,
    todo: ArrayQueue<Box<Job>>,
    done: ArrayQueue<Box<Job>>,
    beds: Beds,
    bell: Bell<Eventfd>,
    stop: AtomicBool,
    /// None: the pool only.
    alone: Option<Alone>,
}

/// What a thread needs to judge a request that it submits alone.
struct Alone {
    worker: Mutex<FfiWorker>,
    opened: Instant,
    /// Nanoseconds from `opened` to the last submit's end.
    last: AtomicU64,
}

impl Alone {
    fn now(&self) -> u64 {
        // 580 years fit.
        self.opened.elapsed().as_nanos() as u64
    }

    /// The worker, if this request comes alone and nobody else is judging one. Notes the time.
    fn worker(&self, request: &portcullis_request) -> Option<MutexGuard<'_, FfiWorker>> {
        let now = self.now();
        let last = self.last.swap(now, Ordering::Relaxed);
        if now.saturating_sub(last) < ALONE_NS || request.target.len.saturating_add(request.body.len) > ALONE_BYTES {
            return None;
        }
        match self.worker.try_lock() {
            Ok(worker) => Some(worker),
            Err(TryLockError::Poisoned(worker)) => Some(worker.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

struct Queue {
    inner: Arc<Inner>,
    process: u32,
    started: AtomicBool,
    pool: Mutex<Vec<JoinHandle<()>>>,
}

impl Inner {
    /// A thread of the pool, until the queue is closed.
    fn run(&self) {
        let mut worker = FfiWorker::new(self.engine.worker());
        let (mut jobs, mut requests, mut verdicts) = (Vec::new(), Vec::new(), Vec::new());
        while !self.stop.load(Ordering::SeqCst) {
            let share = self.todo.len().div_ceil(self.threads).clamp(BATCH_MIN, BATCH_MAX);
            jobs.extend(std::iter::from_fn(|| self.todo.pop()).take(share));
            if jobs.is_empty() {
                self.beds.sleep(|| self.todo.is_empty() && !self.stop.load(Ordering::SeqCst));
                continue;
            }
            if !self.todo.is_empty() {
                self.beds.wake();
            }
            requests.clear();
            requests.extend(jobs.iter().map(|job| job.request));
            verdicts.clear();
            verdicts.resize(jobs.len(), BLANK_VERDICT);
            // SAFETY: the slices lead into the jobs, which this thread has until it hands them on below.
            if unsafe { self.judge(&mut worker, &requests, &mut verdicts) }.is_err() {
                for verdict in &mut verdicts {
                    write_verdict(&Verdict::of(Reason::Internal), verdict);
                }
            }
            for (mut job, verdict) in jobs.drain(..).zip(&verdicts) {
                job.verdict = *verdict;
                // There is room: jobs are as many as places.
                let _ = self.done.push(job);
            }
            self.bell.ring();
        }
        // The next one, if it sleeps.
        self.beds.wake();
    }

    /// Judges requests; a worker that panics is given up for a new one.
    ///
    /// # Safety
    /// Every slice of `requests` describes readable memory for the time of the call.
    unsafe fn judge(
        &self,
        worker: &mut FfiWorker,
        requests: &[portcullis_request],
        verdicts: &mut [portcullis_verdict],
    ) -> Result<(), portcullis_result> {
        // SAFETY: this function's contract.
        catch_unwind(AssertUnwindSafe(|| unsafe { worker.judge(requests, verdicts) })).unwrap_or_else(|_| {
            *worker = FfiWorker::new(self.engine.worker());
            Err(PORTCULLIS_INTERNAL)
        })
    }

    /// Judges a request in this thread, if it comes alone: `Ok(true)`, and it is to be reaped.
    ///
    /// # Safety
    /// Every slice of `request` describes readable memory for the time of the call.
    unsafe fn judge_alone(&self, request: &portcullis_request, job: &mut Job) -> Result<bool, portcullis_result> {
        let Some(alone) = &self.alone else { return Ok(false) };
        let Some(mut worker) = alone.worker(request) else { return Ok(false) };
        job.verdict = BLANK_VERDICT;
        // SAFETY: this function's contract.
        unsafe { self.judge(&mut worker, std::slice::from_ref(request), std::slice::from_mut(&mut job.verdict)) }?;
        // From its end on, so that a thread that is busy with one request after the other hands them over.
        alone.last.store(alone.now(), Ordering::Relaxed);
        Ok(true)
    }
}

impl Queue {
    fn open(engine: Engine, threads: u32, capacity: u32, flags: u32) -> Result<Self, portcullis_result> {
        let places = capacity as usize;
        let kind = EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC;
        let counter = Eventfd(eventfd(0, kind).map_err(|_| PORTCULLIS_NO_THREAD)?);
        let free = ArrayQueue::new(places);
        for _ in 0..places {
            let _ = free.push(Box::new(Job::new()));
        }
        let threads = match threads {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            threads => threads as usize,
        };
        let (todo, done) = (ArrayQueue::new(places), ArrayQueue::new(places));
        let (beds, bell, stop) = (Beds::new(), Bell::new(counter), AtomicBool::new(false));
        let alone = (flags & PORTCULLIS_QUEUE_POOL_ONLY == 0).then(|| Alone {
            worker: Mutex::new(FfiWorker::new(engine.worker())),
            opened: Instant::now(),
            last: AtomicU64::new(0),
        });
        let inner = Arc::new(Inner { engine, threads, free, todo, done, beds, bell, stop, alone });
        let process = std::process::id();
        Ok(Self { inner, process, started: AtomicBool::new(false), pool: Mutex::new(Vec::new()) })
    }

    fn own(&self) -> Result<(), portcullis_result> {
        if self.process == std::process::id() { Ok(()) } else { Err(PORTCULLIS_FORKED) }
    }

    /// Starts the pool, once.
    fn start(&self) -> Result<(), portcullis_result> {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        if pool.is_empty() {
            let _masked = Masked::new();
            for _ in 0..self.inner.threads {
                let inner = Arc::clone(&self.inner);
                let builder = std::thread::Builder::new().name("portcullis".to_owned());
                match builder.spawn(move || inner.run()) {
                    Ok(thread) => pool.push(thread),
                    // Fewer will do.
                    Err(_) if !pool.is_empty() => break,
                    Err(_) => return Err(PORTCULLIS_NO_THREAD),
                }
            }
        }
        self.started.store(true, Ordering::Release);
        Ok(())
    }

    /// # Safety
    /// Every slice of `request` describes readable memory for the time of the call.
    unsafe fn submit(&self, request: &portcullis_request, user: u64) -> Result<(), portcullis_result> {
        self.own()?;
        let mut job = self.inner.free.pop().ok_or(PORTCULLIS_BUSY)?;
        job.user = user;
        // SAFETY: this function's contract.
        let taken = unsafe { self.inner.judge_alone(request, &mut job) }.and_then(|judged| {
            if !judged {
                if !self.started.load(Ordering::Acquire) {
                    self.start()?;
                }
                // SAFETY: this function's contract.
                unsafe { job.take(request) }?;
            }
            Ok(judged)
        });
        // There is room: jobs are as many as places.
        match taken {
            Ok(true) => {
                let _ = self.inner.done.push(job);
                self.inner.bell.ring();
            }
            Ok(false) => {
                let _ = self.inner.todo.push(job);
                self.inner.beds.wake();
            }
            Err(refused) => {
                job.clear();
                let _ = self.inner.free.push(job);
                return Err(refused);
            }
        }
        Ok(())
    }

    /// Ends the pool. What was accepted and not reaped is given back: nobody will hear that it was.
    fn close(self) {
        if self.own().is_err() {
            // Another process's threads, and a copy of its descriptor. Nothing here may be touched but the descriptor.
            // SAFETY: the descriptor is this queue's own and used nowhere else from here on, since the queue is forgotten.
            unsafe { rustix::io::close(self.inner.bell.counter.0.as_raw_fd()) };
            std::mem::forget(self);
            return;
        }
        self.inner.stop.store(true, Ordering::SeqCst);
        self.inner.beds.wake();
        for thread in self.pool.into_inner().unwrap_or_else(PoisonError::into_inner) {
            let _ = thread.join();
        }
        let mut worker = None;
        while let Some(job) = self.inner.done.pop() {
            if job.verdict.reason == Reason::Ok as u16 {
                let worker = worker.get_or_insert_with(|| self.inner.engine.worker());
                worker.release(&Ticket::of(job.verdict.ticket));
                let _ = worker.release_one_time_token(&Ticket::of(job.verdict.one_time));
            }
        }
    }
}

/// Opens a queue of requests that a pool of threads judges, and gives the descriptor that is readable while there is something to reap: for `poll`
/// and its kin, not to be read, written or closed by the caller. `options` may be NULL. Starts no thread: the first submit does. The caller owns the
/// handle and closes it.
///
/// Threads: any.
/// Results: `PORTCULLIS_BAD_ARGUMENT` (too many threads or places, unknown flags), `PORTCULLIS_NO_THREAD` (no descriptor), `PORTCULLIS_BAD_STRUCT_SIZE`, `PORTCULLIS_NULL`,
/// `PORTCULLIS_BAD_HANDLE`, `PORTCULLIS_TOO_MANY_HANDLES`.
/// Example: `int fd; portcullis_queue *queue; portcullis_queue_open(engine, NULL, &queue, &fd);`
///
/// # Safety
/// `options` is NULL or points to options; `queue` and `event_fd` are NULL or point to writable memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_queue_open(
    engine: *mut portcullis_engine,
    options: *const portcullis_queue_options,
    queue: *mut *mut portcullis_queue,
    event_fd: *mut c_int,
) -> portcullis_result {
    guard(|| {
        if queue.is_null() || event_fd.is_null() {
            return Err(PORTCULLIS_NULL);
        }
        let (mut threads, mut capacity, mut flags) = (0, CAPACITY, 0);
        if !options.is_null() {
            // SAFETY: the caller's promise.
            let options = unsafe { sized(options) }?;
            threads = options.threads;
            flags = options.flags;
            capacity = if options.capacity == 0 { CAPACITY } else { options.capacity };
        }
        if threads > THREADS_MAX || capacity > CAPACITY_MAX || flags > PORTCULLIS_QUEUE_POOL_ONLY {
            return Err(PORTCULLIS_BAD_ARGUMENT);
        }
        let opened = Queue::open(engine_of(engine)?, threads, capacity, flags)?;
        let descriptor = opened.inner.bell.counter.0.as_raw_fd();
        let handle = QUEUES.open(opened).ok_or(PORTCULLIS_TOO_MANY_HANDLES)?;
        // SAFETY: neither is NULL (checked), both writable (the caller's promise).
        unsafe {
            *queue = std::ptr::without_provenance_mut(handle);
            *event_fd = descriptor;
        }
        Ok(())
    })
}

/// Hands a request over to be judged. It is copied: the caller's memory is free again when the call returns. `user` comes back with the verdict.
/// A small request (16 KiB) that comes alone, 0.1 ms or more after the last one, is judged within the call, which then takes as long as
/// `portcullis_verify`: waking a thread of the pool for it would take longer. `PORTCULLIS_QUEUE_POOL_ONLY` has the pool judge everything.
///
/// Threads: any, many at once.
/// Results: `PORTCULLIS_BUSY` where the queue is full (reap, or answer 503), `PORTCULLIS_FORKED` in a child of the process that opened it,
/// `PORTCULLIS_NO_THREAD` where the pool cannot be started, and all of `portcullis_verify_batch`; whatever is not `PORTCULLIS_OK` was not taken.
/// Example: `if (portcullis_submit(queue, &request, (uintptr_t)connection) != PORTCULLIS_OK) answer_503(connection);`
///
/// # Safety
/// `request` is NULL or points to a request whose slices describe readable memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_submit(
    queue: *mut portcullis_queue,
    request: *const portcullis_request,
    user: u64,
) -> portcullis_result {
    // SAFETY: the caller's promise.
    guard(|| unsafe { QUEUES.share(queue.addr())?.submit(sized(request)?, user) })
}

/// Takes up to `max` verdicts of submitted requests, and writes how many to `*count`: 0 where there are none, at once. They come in no order; each
/// request comes once. The descriptor stays readable while there are more.
///
/// Threads: any, many at once.
/// Results: `PORTCULLIS_FORKED`, `PORTCULLIS_NULL`, `PORTCULLIS_BAD_STRUCT_SIZE`, `PORTCULLIS_BAD_HANDLE`.
/// Example: `size_t n; while (portcullis_reap(queue, done, 64, &n) == PORTCULLIS_OK && n > 0) answer(done, n);`
///
/// # Safety
/// `completions` is NULL or points to `max` completions with their sizes; `count` is NULL or points to writable memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_reap(
    queue: *mut portcullis_queue,
    completions: *mut portcullis_completion,
    max: usize,
    count: *mut usize,
) -> portcullis_result {
    guard(|| {
        let queue = QUEUES.share(queue.addr())?;
        queue.own()?;
        if count.is_null() || (completions.is_null() && max > 0) {
            return Err(PORTCULLIS_NULL);
        }
        queue.inner.bell.hush();
        let mut taken = 0;
        let mut outcome = Ok(());
        while taken < max {
            // SAFETY: not NULL (checked), within the caller's array.
            match unsafe { sized_mut(completions.wrapping_add(taken)) } {
                Ok(out) => {
                    let Some(mut job) = queue.inner.done.pop() else { break };
                    out.reserved = 0;
                    out.user = job.user;
                    out.verdict = job.verdict;
                    job.clear();
                    let _ = queue.inner.free.push(job);
                    taken += 1;
                }
                Err(_) if taken > 0 => break,
                Err(refused) => {
                    outcome = Err(refused);
                    break;
                }
            }
        }
        if !queue.inner.done.is_empty() {
            queue.inner.bell.ring();
        }
        // SAFETY: not NULL (checked), writable (the caller's promise).
        unsafe { put(count, taken) };
        outcome
    })
}

/// Closes a queue: waits for its threads to finish what they are at, and ends them. What was submitted and not judged is dropped; what was accepted
/// and not reaped is given back, so that its retry is accepted. In a child of `fork` it frees the handle and touches nothing else.
///
/// Threads: any. Results: `PORTCULLIS_BAD_HANDLE` where it is closed already, `PORTCULLIS_BUSY` while another thread is in a call with it.
/// Example: `portcullis_queue_close(queue);` before `dlclose`
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_queue_close(queue: *mut portcullis_queue) -> portcullis_result {
    guard(|| {
        QUEUES.close(queue.addr())?.close();
        Ok(())
    })
}
