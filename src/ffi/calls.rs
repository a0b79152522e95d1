//! The functions of the C ABI.

use super::slots::Table;
use super::types::*;
use crate::codec::hex;
use crate::engine::{Engine, Options, Outcome, Subject, Worker};
use crate::error::Error;
use crate::request::{Header, Request, TlsVersion};
use crate::time::Millis;
use crate::verdict::{Label, Reason, Ticket, Verdict};
use portcullis_result::*;
use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};

static ENGINES: Table<Engine> = Table::new();
static WORKERS: Table<FfiWorker> = Table::new();

/// Raised with every change of a struct or function that an older caller would notice.
const ABI_VERSION: u32 = 1;
const VERSION: &[u8] = concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes();

struct FfiWorker {
    worker: Worker,
    headers: Vec<Header<'static>>,
    requests: Vec<Request<'static>>,
    verdicts: Vec<Verdict>,
}

/// Runs `call` with panics turned into a result.
fn guard(call: impl FnOnce() -> Result<(), portcullis_result>) -> portcullis_result {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(())) => PORTCULLIS_OK,
        Ok(Err(result)) => result,
        Err(_) => PORTCULLIS_INTERNAL,
    }
}

impl portcullis_slice {
    /// The bytes.
    ///
    /// # Safety
    /// Where `len` is not 0 and `ptr` not NULL, they describe readable memory that stays as it is for `'a`.
    unsafe fn bytes<'a>(self) -> Result<&'a [u8], portcullis_result> {
        if self.len == 0 {
            return Ok(&[]);
        }
        if self.ptr.is_null() {
            return Err(PORTCULLIS_NULL);
        }
        if self.len > isize::MAX as usize {
            return Err(PORTCULLIS_BAD_ARGUMENT);
        }
        // SAFETY: not NULL, length within what a slice may have (both checked), memory promised by the caller (this function's contract).
        Ok(unsafe { std::slice::from_raw_parts(self.ptr, self.len) })
    }
}

/// Writes `text` and a NUL into the caller's buffer of `len` bytes, cut short where it is too small.
///
/// # Safety
/// `buffer` is NULL, or points to `len` writable bytes.
unsafe fn write_message(buffer: *mut c_char, len: usize, text: &str) {
    if buffer.is_null() || len == 0 {
        return;
    }
    let mut count = text.len().min(len - 1);
    while !text.is_char_boundary(count) {
        count -= 1;
    }
    // SAFETY: `count < len`, the caller promises `len` writable bytes, and `text` is ours.
    unsafe {
        std::ptr::copy_nonoverlapping(text.as_ptr(), buffer.cast::<u8>(), count);
        *buffer.add(count) = 0;
    }
}

fn result_of(error: &Error) -> portcullis_result {
    match error {
        Error::Region { .. } | Error::Os { .. } => PORTCULLIS_BAD_STATE,
        _ => PORTCULLIS_BAD_CONFIG,
    }
}

/// The ABI version of the library: equal to `PORTCULLIS_ABI_VERSION` of the header it goes with.
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_abi_version() -> u32 {
    ABI_VERSION
}

/// The library's version as text, for ever valid.
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_version() -> *const c_char {
    VERSION.as_ptr().cast()
}

/// Opens an engine from a configuration document (JSON, UTF-8) and attaches to its state.
///
/// Threads: any. Starts no thread, so a process may fork later; open it in each worker process.
/// On failure `*engine` is untouched, and `message` (if not NULL) holds why, in at most `message_len` bytes with a NUL at the end.
///
/// # Safety
/// `config` describes readable memory; `engine` is NULL or points to writable memory; `message` is NULL or has `message_len` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_engine_open(
    config: portcullis_slice,
    engine: *mut *mut portcullis_engine,
    message: *mut c_char,
    message_len: usize,
) -> portcullis_result {
    guard(|| {
        if engine.is_null() {
            return Err(PORTCULLIS_NULL);
        }
        // SAFETY: the caller's promise for `config`.
        let document = unsafe { config.bytes() }?;
        let opened = Engine::open_with(document, &Options::default()).map_err(|e| {
            // SAFETY: the caller's promise for `message`.
            unsafe { write_message(message, message_len, &e.to_string()) };
            result_of(&e)
        })?;
        let handle = ENGINES.open(opened).ok_or(PORTCULLIS_TOO_MANY_HANDLES)?;
        // SAFETY: not NULL (checked) and writable (the caller's promise).
        unsafe { *engine = std::ptr::without_provenance_mut(handle) };
        Ok(())
    })
}

/// Puts another document in force for all workers, from their next call on. A document that is refused changes nothing.
///
/// Threads: any, at any time.
///
/// # Safety
/// As for `portcullis_engine_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_engine_load(
    engine: *mut portcullis_engine,
    config: portcullis_slice,
    message: *mut c_char,
    message_len: usize,
) -> portcullis_result {
    guard(|| {
        // SAFETY: the caller's promise for `config`.
        let document = unsafe { config.bytes() }?;
        let engine = ENGINES.hold(engine.addr())?.get().ok_or(PORTCULLIS_BAD_HANDLE)?.clone();
        engine.reload(document).map(drop).map_err(|e| {
            // SAFETY: the caller's promise for `message`.
            unsafe { write_message(message, message_len, &e.to_string()) };
            result_of(&e)
        })
    })
}

/// Closes an engine. Its workers go on until they are closed.
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_engine_close(engine: *mut portcullis_engine) -> portcullis_result {
    guard(|| ENGINES.close(engine.addr()).map(drop))
}

/// Opens a worker of `engine` for one thread.
///
/// # Safety
/// `worker` is NULL or points to writable memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_worker_open(
    engine: *mut portcullis_engine,
    worker: *mut *mut portcullis_worker,
) -> portcullis_result {
    guard(|| {
        if worker.is_null() {
            return Err(PORTCULLIS_NULL);
        }
        let opened = ENGINES.hold(engine.addr())?.get().ok_or(PORTCULLIS_BAD_HANDLE)?.worker();
        let content = FfiWorker { worker: opened, headers: Vec::new(), requests: Vec::new(), verdicts: Vec::new() };
        let handle = WORKERS.open(content).ok_or(PORTCULLIS_TOO_MANY_HANDLES)?;
        // SAFETY: not NULL (checked) and writable (the caller's promise).
        unsafe { *worker = std::ptr::without_provenance_mut(handle) };
        Ok(())
    })
}

/// Closes a worker.
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_worker_close(worker: *mut portcullis_worker) -> portcullis_result {
    guard(|| WORKERS.close(worker.addr()).map(drop))
}

/// Judges one request: `portcullis_verify_batch` with a count of 1.
///
/// # Safety
/// As for `portcullis_verify_batch`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_verify(
    worker: *mut portcullis_worker,
    request: *const portcullis_request,
    verdict: *mut portcullis_verdict,
) -> portcullis_result {
    // SAFETY: the caller's promise, for one of each.
    unsafe { portcullis_verify_batch(worker, request, 1, verdict) }
}

/// Judges `count` requests: the verdict of `requests[i]` goes into `verdicts[i]`. The answers are those that one request after the other
/// would get. Where the result is not `PORTCULLIS_OK`, no verdict is written and no request is accepted.
///
/// Threads: one at a time per worker; another gets `PORTCULLIS_BUSY`.
///
/// # Safety
/// `requests` points to `count` requests and `verdicts` to `count` verdicts, with `struct_size` set in each and alike; every slice in them
/// describes readable memory. All of it stays untouched by other threads for the time of the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_verify_batch(
    worker: *mut portcullis_worker,
    requests: *const portcullis_request,
    count: usize,
    verdicts: *mut portcullis_verdict,
) -> portcullis_result {
    guard(|| {
        let mut held = WORKERS.hold(worker.addr())?;
        let content = held.get().ok_or(PORTCULLIS_BAD_HANDLE)?;
        if count == 0 {
            return Ok(());
        }
        if requests.is_null() || verdicts.is_null() {
            return Err(PORTCULLIS_NULL);
        }
        if count > isize::MAX as usize / size_of::<portcullis_request>().max(size_of::<portcullis_verdict>()) {
            return Err(PORTCULLIS_BAD_ARGUMENT);
        }
        // SAFETY: not NULL (checked), `count` of each within bounds (checked) and valid (the caller's promise). `struct_size` is looked at
        // before anything behind it.
        let (requests, verdicts) =
            unsafe { (std::slice::from_raw_parts(requests, count), std::slice::from_raw_parts_mut(verdicts, count)) };
        for (request, verdict) in requests.iter().zip(verdicts.iter()) {
            if request.struct_size as usize != size_of::<portcullis_request>()
                || verdict.struct_size as usize != size_of::<portcullis_verdict>()
            {
                return Err(PORTCULLIS_BAD_STRUCT_SIZE);
            }
        }
        // SAFETY: the caller's promise for every slice in the requests; the borrows end with `judge`, which empties its vectors.
        unsafe { content.judge(requests, verdicts) }
    })
}

/// Gives the nonce of an accepted request back, because nothing of the request reached the upstream: the client's identical retry is then
/// accepted, once. `*released` (if not NULL) tells whether there was anything to give back.
///
/// # Safety
/// `verdict` is NULL or points to a verdict; `released` is NULL or points to writable memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_release(
    worker: *mut portcullis_worker,
    verdict: *const portcullis_verdict,
    released: *mut bool,
) -> portcullis_result {
    guard(|| {
        let mut held = WORKERS.hold(worker.addr())?;
        let content = held.get().ok_or(PORTCULLIS_BAD_HANDLE)?;
        // SAFETY: not NULL (checked by `as_ref`) and valid (the caller's promise).
        let verdict = unsafe { verdict.as_ref() }.ok_or(PORTCULLIS_NULL)?;
        if verdict.struct_size as usize != size_of::<portcullis_verdict>() {
            return Err(PORTCULLIS_BAD_STRUCT_SIZE);
        }
        let done = content.worker.release(&Ticket::of(verdict.ticket));
        // SAFETY: not NULL (checked by `as_mut`) and writable (the caller's promise).
        if let Some(released) = unsafe { released.as_mut() } {
            *released = done;
        }
        Ok(())
    })
}

/// Reports how an accepted request ended: it is in flight no more, so that limits of concurrency have its place again. Call it once for every
/// accepted request, where the document has limits of concurrency. `outcome` is `PORTCULLIS_SUCCESS` or `PORTCULLIS_FAILURE` (the service behind
/// failed). `*done` (if not NULL) tells whether the request held anything that was given back now; a second report gives nothing back.
///
/// Any worker of the process that accepted the request will do.
///
/// # Safety
/// `verdict` is NULL or points to a verdict; `done` is NULL or points to writable memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_done(
    worker: *mut portcullis_worker,
    verdict: *const portcullis_verdict,
    outcome: u32,
    done: *mut bool,
) -> portcullis_result {
    guard(|| {
        let mut held = WORKERS.hold(worker.addr())?;
        let content = held.get().ok_or(PORTCULLIS_BAD_HANDLE)?;
        // SAFETY: not NULL (checked by `as_ref`) and valid (the caller's promise).
        let verdict = unsafe { verdict.as_ref() }.ok_or(PORTCULLIS_NULL)?;
        if verdict.struct_size as usize != size_of::<portcullis_verdict>() {
            return Err(PORTCULLIS_BAD_STRUCT_SIZE);
        }
        let outcome = match outcome {
            PORTCULLIS_SUCCESS => Outcome::Success,
            PORTCULLIS_FAILURE => Outcome::Failure,
            _ => return Err(PORTCULLIS_BAD_ARGUMENT),
        };
        let given = content.worker.done(&Ticket::of(verdict.ticket), outcome);
        // SAFETY: not NULL (checked by `as_mut`) and writable (the caller's promise).
        if let Some(done) = unsafe { done.as_mut() } {
            *done = given;
        }
        Ok(())
    })
}

/// Denies an app, a client's address or a key of an app for `for_ms` milliseconds, in every process that shares the state, from now on:
/// its requests are `PORTCULLIS_REASON_BLACKLISTED`. `INT64_MAX` is for good, 0 allows it again.
/// `kind`: `PORTCULLIS_DENY_APP` and `PORTCULLIS_DENY_ADDRESS` take `name` alone, `PORTCULLIS_DENY_KEY` the app in `name` and the key id in `kid`.
///
/// Threads: any, at any time.
///
/// # Safety
/// `name` and `kid` describe readable memory; `message` is NULL or has `message_len` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_deny(
    engine: *mut portcullis_engine,
    kind: u32,
    name: portcullis_slice,
    kid: portcullis_slice,
    for_ms: i64,
    message: *mut c_char,
    message_len: usize,
) -> portcullis_result {
    guard(|| {
        // SAFETY: the caller's promise for both.
        let (name, kid) = unsafe { (name.bytes()?, kid.bytes()?) };
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| PORTCULLIS_BAD_ARGUMENT);
        let (name, kid) = (text(name)?, text(kid)?);
        let subject = match kind {
            PORTCULLIS_DENY_APP => Subject::App(name),
            PORTCULLIS_DENY_ADDRESS => Subject::Address(name.parse().map_err(|_| PORTCULLIS_BAD_ARGUMENT)?),
            PORTCULLIS_DENY_KEY => Subject::Key { app: name, kid },
            _ => return Err(PORTCULLIS_BAD_ARGUMENT),
        };
        let engine = ENGINES.hold(engine.addr())?.get().ok_or(PORTCULLIS_BAD_HANDLE)?.clone();
        let answer = if for_ms > 0 { engine.deny(subject, for_ms) } else { engine.allow(subject) };
        answer.map_err(|e| {
            // SAFETY: the caller's promise for `message`.
            unsafe { write_message(message, message_len, &e.to_string()) };
            result_of(&e)
        })
    })
}

/// Changes a limit of the document to `permille` thousandths of what the document says (0: nothing passes) for `for_ms` milliseconds, in every
/// process that shares the state; 0 ms takes the change back.
///
/// Threads: any, at any time.
///
/// # Safety
/// `limit` describes readable memory; `message` is NULL or has `message_len` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_override_limit(
    engine: *mut portcullis_engine,
    limit: portcullis_slice,
    permille: u32,
    for_ms: i64,
    message: *mut c_char,
    message_len: usize,
) -> portcullis_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let limit = std::str::from_utf8(unsafe { limit.bytes() }?).map_err(|_| PORTCULLIS_BAD_ARGUMENT)?;
        let engine = ENGINES.hold(engine.addr())?.get().ok_or(PORTCULLIS_BAD_HANDLE)?.clone();
        engine.override_limit(limit, u64::from(permille), for_ms).map_err(|e| {
            // SAFETY: the caller's promise for `message`.
            unsafe { write_message(message, message_len, &e.to_string()) };
            result_of(&e)
        })
    })
}

impl FfiWorker {
    /// # Safety
    /// Every slice of `requests` describes readable memory for the time of the call.
    unsafe fn judge(
        &mut self,
        requests: &[portcullis_request],
        verdicts: &mut [portcullis_verdict],
    ) -> Result<(), portcullis_result> {
        let mut headers = recycle(std::mem::take(&mut self.headers));
        let mut views = recycle(std::mem::take(&mut self.requests));
        // SAFETY: this function's contract.
        let read = unsafe { read_requests(requests, &mut headers) };
        let outcome = read.and_then(|()| {
            let mut rest: &[Header<'_>] = &headers;
            for request in requests {
                let (own, after) = rest.split_at(request.header_count.min(rest.len()));
                rest = after;
                // SAFETY: this function's contract.
                views.push(unsafe { view(request, own) }?);
            }
            self.verdicts.clear();
            self.verdicts.resize(views.len(), Verdict::of(Reason::Internal));
            self.worker.verify_batch(&views, &mut self.verdicts);
            for (verdict, out) in self.verdicts.iter().zip(verdicts) {
                write_verdict(verdict, out);
            }
            Ok(())
        });
        self.requests = recycle(views);
        self.headers = recycle_headers(headers);
        outcome
    }
}

/// An emptied vector of requests for another lifetime; the memory is kept (an in-place `collect`).
fn recycle<'b, T: Recycle<'b>>(mut vector: Vec<T>) -> Vec<T::Other> {
    vector.clear();
    vector.into_iter().map(|_| unreachable!("the vector was emptied")).collect()
}

/// A type that differs only by a lifetime.
trait Recycle<'b> {
    type Other;
}
impl<'b> Recycle<'b> for Request<'_> {
    type Other = Request<'b>;
}
impl<'b> Recycle<'b> for Header<'_> {
    type Other = Header<'b>;
}

fn recycle_headers(headers: Vec<Header<'_>>) -> Vec<Header<'static>> {
    recycle(headers)
}

/// # Safety
/// Every slice of `requests` describes readable memory for `'a`.
unsafe fn read_requests<'a>(
    requests: &[portcullis_request],
    headers: &mut Vec<Header<'a>>,
) -> Result<(), portcullis_result> {
    for request in requests {
        if request.header_count == 0 {
            continue;
        }
        if request.headers.is_null() {
            return Err(PORTCULLIS_NULL);
        }
        if request.header_count > isize::MAX as usize / size_of::<portcullis_header>() {
            return Err(PORTCULLIS_BAD_ARGUMENT);
        }
        // SAFETY: not NULL, count within bounds (checked), memory promised by the caller.
        let own = unsafe { std::slice::from_raw_parts(request.headers, request.header_count) };
        for header in own {
            // SAFETY: as above.
            headers.push(unsafe { Header { name: header.name.bytes()?, value: header.value.bytes()? } });
        }
    }
    Ok(())
}

/// # Safety
/// Every slice of `request` describes readable memory for `'a`.
unsafe fn view<'a>(request: &portcullis_request, headers: &'a [Header<'a>]) -> Result<Request<'a>, portcullis_result> {
    let optional = |slice: portcullis_slice| -> Result<Option<&'a [u8]>, portcullis_result> {
        // SAFETY: this function's contract.
        Ok(Some(unsafe { slice.bytes() }?).filter(|b| !b.is_empty()))
    };
    let text = |slice: portcullis_slice| match optional(slice)? {
        Some(bytes) => std::str::from_utf8(bytes).map(Some).map_err(|_| PORTCULLIS_BAD_ARGUMENT),
        None => Ok(None),
    };
    let client_ip = match text(request.client_ip)? {
        Some(ip) => Some(ip.parse().map_err(|_| PORTCULLIS_BAD_ARGUMENT)?),
        None => None,
    };
    let tls = match text(request.tls)? {
        Some(version) => Some(TlsVersion::from_name(version).ok_or(PORTCULLIS_BAD_ARGUMENT)?),
        None => None,
    };
    let peer_certificate = match optional(request.peer_certificate_sha256)? {
        Some(digits) => {
            let mut bytes = [0; 32];
            let len = hex::decode(digits, &mut bytes).map_err(|_| PORTCULLIS_BAD_ARGUMENT)?.len();
            Some(bytes).filter(|_| len == 32).ok_or(PORTCULLIS_BAD_ARGUMENT).map(Some)?
        }
        None => None,
    };
    let received_at = match request.received_at_ms {
        0 | PORTCULLIS_NOW => None,
        ms => Some(Millis(ms)),
    };
    // SAFETY: this function's contract.
    let (method, target, body) = unsafe { (request.method.bytes()?, request.target.bytes()?, request.body.bytes()?) };
    Ok(Request {
        method,
        target,
        headers,
        body,
        client_ip,
        received_at,
        scheme: optional(request.scheme)?,
        authority: optional(request.authority)?,
        profile: text(request.profile)?,
        app_id: text(request.app_id)?,
        tls,
        peer_certificate,
        trace_id: text(request.trace_id)?,
    })
}

fn write_label<const N: usize, const M: usize>(label: &Label<N>, out: &mut [c_char; M]) {
    const { assert!(M > N, "room for the NUL") };
    out.fill(0);
    for (to, from) in out.iter_mut().zip(label.as_str().bytes()) {
        *to = c_char::from_ne_bytes([from]);
    }
}

fn write_verdict(verdict: &Verdict, out: &mut portcullis_verdict) {
    out.reason = verdict.reason as u16;
    out.http_status = verdict.reason.http_status();
    out.retry_after_ms = verdict.retry_after_ms;
    out.ticket = verdict.ticket.words();
    out.alert = verdict.alert.map_or(0, |limit| limit.saturating_add(1));
    out.reserved = 0;
    write_label(&verdict.code, &mut out.code);
    write_label(&verdict.app_id, &mut out.app_id);
    write_label(&verdict.kid, &mut out.kid);
    write_label(&verdict.api_id, &mut out.api_id);
}

/// The stable name of a reason (`replayed`), for ever valid; NULL where the number is not known.
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_reason_name(reason: u16) -> *const c_char {
    Reason::from_number(reason).map_or(std::ptr::null(), |r| r.c_name().as_ptr())
}

/// A line about a result, for ever valid.
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_result_message(result: i32) -> *const c_char {
    let text: &'static std::ffi::CStr = match result {
        0 => c"done",
        1 => c"a pointer that must not be NULL is NULL",
        2 => c"a handle that was never given out, or is closed",
        3 => c"the handle is in use by another thread",
        4 => c"a struct_size that this version does not know",
        5 => c"a length or a text is not valid",
        6 => c"the configuration document was refused",
        7 => c"the shared state region cannot be had",
        8 => c"no handle is free",
        9 => c"an error inside the library",
        _ => c"not a result of this version",
    };
    text.as_ptr()
}
