//! Engines, workers and verification.

use super::judge::FfiWorker;
use super::slots::Table;
use super::support::*;
use super::types::*;
use crate::engine::{Engine, Options, Outcome, Subject};
use crate::verdict::{Reason, Ticket};
use portcullis_result::*;
use std::ffi::c_char;

pub(super) static ENGINES: Table<Engine> = Table::new();
pub(super) static WORKERS: Table<FfiWorker> = Table::new();

/// Raised with every change of a struct or function that an older caller would notice.
const ABI_VERSION: u32 = 2;
const VERSION: &[u8] = concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes();

/// The engine behind a handle, for as long as the caller needs it.
pub(super) fn engine_of(handle: *mut portcullis_engine) -> Result<Engine, portcullis_result> {
    Ok(ENGINES.share(handle.addr())?.clone())
}

/// The ABI version of the library: equal to `PORTCULLIS_ABI_VERSION` of the header it goes with.
///
/// Threads: any. Results: the number itself.
/// Example: `if (portcullis_abi_version() != PORTCULLIS_ABI_VERSION) abort();`
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_abi_version() -> u32 {
    ABI_VERSION
}

/// The library's version as text, for ever valid; not to be freed.
///
/// Threads: any. Results: the text itself, never NULL.
/// Example: `puts(portcullis_version());`
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_version() -> *const c_char {
    VERSION.as_ptr().cast()
}

/// Opens an engine from a configuration document (JSON, UTF-8) and attaches to its state. The caller owns the handle and closes it.
///
/// Starts no thread, so a process may fork later; open it in each worker process. On failure `*engine` is untouched, and `message` (if not
/// NULL) holds why, in at most `message_len` bytes with a NUL at the end; on success it holds what an operator should know, or nothing.
///
/// Threads: any.
/// Results: `PORTCULLIS_BAD_CONFIG` with the JSON pointer in the message, `PORTCULLIS_BAD_STATE`, `PORTCULLIS_TOO_MANY_HANDLES`, `PORTCULLIS_NULL`.
/// Example: `portcullis_engine *engine; portcullis_engine_open(document, &engine, message, sizeof message);`
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
        let opened = Engine::open_with(document, &Options::default());
        // SAFETY: the caller's promise for `message`.
        let opened = unsafe { told(opened, message, message_len) }?;
        let warnings = opened.warnings().join("\n");
        let handle = ENGINES.open(opened).ok_or(PORTCULLIS_TOO_MANY_HANDLES)?;
        // SAFETY: `engine` is not NULL (checked) and writable, as is `message` (the caller's promise).
        unsafe {
            write_message(message, message_len, &warnings);
            *engine = std::ptr::without_provenance_mut(handle);
        }
        Ok(())
    })
}

/// Puts another document in force for all workers, from their next call on: a request is judged by the old one or the new one, never by a
/// mixture. A document that is refused changes nothing; nor can `state` and wider windows be changed.
///
/// Threads: any, at any time, beside calls that verify.
/// Results: `PORTCULLIS_BAD_CONFIG` with the JSON pointer in `message`, `PORTCULLIS_BAD_HANDLE`, `PORTCULLIS_NULL`.
/// Example: `if (portcullis_engine_load(engine, document, message, sizeof message)) log(message);`
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
        let engine = engine_of(engine)?;
        // SAFETY: the caller's promise for `message`.
        unsafe { told(engine.reload(document), message, message_len) }.map(drop)
    })
}

/// Closes an engine. What was opened from it (workers, queues, signers) goes on until it is closed.
///
/// Threads: any. Results: `PORTCULLIS_BAD_HANDLE` where it is closed already, `PORTCULLIS_BUSY` while another thread is in a call with it.
/// Example: `portcullis_engine_close(engine);`
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_engine_close(engine: *mut portcullis_engine) -> portcullis_result {
    guard(|| ENGINES.close(engine.addr()).map(drop))
}

/// Opens a worker of `engine` for one thread: its scratch memory. The caller owns the handle and closes it.
///
/// Threads: any; the worker is then for one thread at a time.
/// Results: `PORTCULLIS_BAD_HANDLE`, `PORTCULLIS_TOO_MANY_HANDLES` (4,096 at a time in a process), `PORTCULLIS_NULL`.
/// Example: `portcullis_worker *worker; portcullis_worker_open(engine, &worker);`
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
        let content = FfiWorker::new(engine_of(engine)?.worker());
        let handle = WORKERS.open(content).ok_or(PORTCULLIS_TOO_MANY_HANDLES)?;
        // SAFETY: not NULL (checked) and writable (the caller's promise).
        unsafe { *worker = std::ptr::without_provenance_mut(handle) };
        Ok(())
    })
}

/// Closes a worker.
///
/// Threads: any. Results: `PORTCULLIS_BAD_HANDLE` where it is closed already, `PORTCULLIS_BUSY` while another thread uses it.
/// Example: `portcullis_worker_close(worker);`
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_worker_close(worker: *mut portcullis_worker) -> portcullis_result {
    guard(|| WORKERS.close(worker.addr()).map(drop))
}

/// Judges one request: `portcullis_verify_batch` with a count of 1.
///
/// Threads: one at a time per worker. Results: as for `portcullis_verify_batch`.
/// Example: `if (portcullis_verify(worker, &request, &verdict) != PORTCULLIS_OK || verdict.reason != 0) refuse();`
///
/// # Safety
/// As for `portcullis_verify_batch`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_verify(
    worker: *mut portcullis_worker,
    request: *const portcullis_request,
    verdict: *mut portcullis_verdict,
) -> portcullis_result {
    guard(|| {
        let mut held = WORKERS.hold(worker.addr())?;
        let content = held.get().ok_or(PORTCULLIS_BAD_HANDLE)?;
        // SAFETY: the caller's promise for the request, every slice in it, and the verdict; the borrows end with the call.
        unsafe { content.judge_one(sized(request)?, sized_mut(verdict)?) }
    })
}

/// The caller's requests as a slice, every `struct_size` looked at.
///
/// # Safety
/// `requests` is NULL or points to `count` requests with `struct_size` set in each and alike, which stay as they are for `'a`.
unsafe fn requests_of<'a>(
    requests: *const portcullis_request,
    count: usize,
) -> Result<&'a [portcullis_request], portcullis_result> {
    if requests.is_null() {
        return Err(PORTCULLIS_NULL);
    }
    if count > isize::MAX as usize / size_of::<portcullis_request>().max(size_of::<portcullis_verdict>()) {
        return Err(PORTCULLIS_BAD_ARGUMENT);
    }
    // SAFETY: not NULL, `count` within bounds (checked) and valid (this function's contract). `struct_size` is looked at before anything
    // behind it.
    let requests = unsafe { std::slice::from_raw_parts(requests, count) };
    if requests.iter().any(|request| request.struct_size as usize != size_of::<portcullis_request>()) {
        return Err(PORTCULLIS_BAD_STRUCT_SIZE);
    }
    Ok(requests)
}

/// Judges `count` requests: the verdict of `requests[i]` goes into `verdicts[i]`. The answers are those that one request after the other
/// would get. Where the result is not `PORTCULLIS_OK`, no verdict is written and no request is accepted. Requests are borrowed for the call;
/// verdicts are the caller's; nothing is to be freed.
///
/// Threads: one at a time per worker; another gets `PORTCULLIS_BUSY`.
/// Results: `PORTCULLIS_NULL`, `PORTCULLIS_BAD_STRUCT_SIZE`, `PORTCULLIS_BAD_ARGUMENT` (an address, TLS version, fingerprint or text that is none),
/// `PORTCULLIS_INTERNAL`: refuse all of them.
/// Example: `portcullis_verify_batch(worker, requests, 16, verdicts);`
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
        if verdicts.is_null() {
            return Err(PORTCULLIS_NULL);
        }
        // SAFETY: the caller's promise for both; `verdicts` is not NULL and `count` within bounds (checked).
        let (requests, verdicts) =
            unsafe { (requests_of(requests, count)?, std::slice::from_raw_parts_mut(verdicts, count)) };
        if verdicts.iter().any(|verdict| verdict.struct_size as usize != size_of::<portcullis_verdict>()) {
            return Err(PORTCULLIS_BAD_STRUCT_SIZE);
        }
        // SAFETY: the caller's promise for every slice in the requests; the borrows end with `judge`, which empties its vectors.
        unsafe { content.judge(requests, verdicts) }
    })
}

/// Brings what judging these requests will look at into the caches. Decides and changes nothing, and takes no nonce. It costs a reading of
/// each request: for requests that wait for something else anyway, while their body arrives or a batch fills.
///
/// Threads: one at a time per worker.
/// Results: as for `portcullis_verify_batch`.
/// Example: `portcullis_prefetch(worker, &next, 1);`
///
/// # Safety
/// As for the requests of `portcullis_verify_batch`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_prefetch(
    worker: *mut portcullis_worker,
    requests: *const portcullis_request,
    count: usize,
) -> portcullis_result {
    guard(|| {
        let mut held = WORKERS.hold(worker.addr())?;
        let content = held.get().ok_or(PORTCULLIS_BAD_HANDLE)?;
        if count == 0 {
            return Ok(());
        }
        // SAFETY: the caller's promise for the requests and every slice in them.
        unsafe { content.with(requests_of(requests, count)?, |worker, views| worker.prefetch(views)) }
    })
}

/// Gives the nonce of an accepted request back, because nothing of the request reached the upstream: the client's identical retry is then
/// accepted, once. At most once for a verdict: after the retry was accepted, another release of the first would give back the retry's. The request
/// is in flight no more. `*released` (if not NULL) tells whether there was anything to give back.
///
/// Threads: one at a time per worker; any worker of the process that accepted the request will do.
/// Results: `PORTCULLIS_NULL`, `PORTCULLIS_BAD_STRUCT_SIZE`, `PORTCULLIS_BAD_HANDLE`.
/// Example: `if (connect_failed) portcullis_release(worker, &verdict, NULL);`
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
        // SAFETY: the caller's promise.
        let verdict = unsafe { sized(verdict) }?;
        let given = content.worker.release(&Ticket::of(verdict.ticket));
        // SAFETY: the caller's promise.
        unsafe { put(released, given) };
        Ok(())
    })
}

/// Reports how an accepted request ended: it is in flight no more, so that limits of concurrency have its place again, and the circuit breaker
/// of its API hears how it went. Call it once for every accepted request, where the document has limits of concurrency or breakers. `outcome`
/// is `PORTCULLIS_SUCCESS` or `PORTCULLIS_FAILURE` (the service behind failed). `*done` (if not NULL) tells whether the request held anything
/// that was given back now; a second report gives nothing back.
///
/// Threads: one at a time per worker; any worker of the process that accepted the request will do.
/// Results: `PORTCULLIS_BAD_ARGUMENT` for another outcome, `PORTCULLIS_NULL`, `PORTCULLIS_BAD_STRUCT_SIZE`, `PORTCULLIS_BAD_HANDLE`.
/// Example: `portcullis_done(worker, &verdict, status >= 500 ? PORTCULLIS_FAILURE : PORTCULLIS_SUCCESS, NULL);`
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
        // SAFETY: the caller's promise.
        let verdict = unsafe { sized(verdict) }?;
        let outcome = match outcome {
            PORTCULLIS_SUCCESS => Outcome::Success,
            PORTCULLIS_FAILURE => Outcome::Failure,
            _ => return Err(PORTCULLIS_BAD_ARGUMENT),
        };
        let given = content.worker.done(&Ticket::of(verdict.ticket), outcome);
        // SAFETY: the caller's promise.
        unsafe { put(done, given) };
        Ok(())
    })
}

/// Denies an app, a client's address or a key of an app for `for_ms` milliseconds, in every process that shares the state, from now on:
/// its requests are `PORTCULLIS_REASON_BLACKLISTED`. `INT64_MAX` is for good, 0 allows it again.
/// `kind`: `PORTCULLIS_DENY_APP` and `PORTCULLIS_DENY_ADDRESS` take `name` alone, `PORTCULLIS_DENY_KEY` the app in `name` and the key id in `kid`.
///
/// Threads: any, at any time.
/// Results: `PORTCULLIS_BAD_ARGUMENT` (an address that is none, another kind), `PORTCULLIS_BAD_CONFIG` or `PORTCULLIS_BAD_STATE` with a message
/// (the list is full), `PORTCULLIS_BAD_HANDLE`.
/// Example: `portcullis_deny(engine, PORTCULLIS_DENY_KEY, app, kid, INT64_MAX, message, sizeof message);`
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
        let (name, kid) = unsafe { (name.text()?, kid.text()?) };
        let subject = match kind {
            PORTCULLIS_DENY_APP => Subject::App(name),
            PORTCULLIS_DENY_ADDRESS => Subject::Address(name.parse().map_err(|_| PORTCULLIS_BAD_ARGUMENT)?),
            PORTCULLIS_DENY_KEY => Subject::Key { app: name, kid },
            _ => return Err(PORTCULLIS_BAD_ARGUMENT),
        };
        let engine = engine_of(engine)?;
        let answer = if for_ms > 0 { engine.deny(subject, for_ms) } else { engine.allow(subject) };
        // SAFETY: the caller's promise for `message`.
        unsafe { told(answer, message, message_len) }
    })
}

/// Changes a limit of the document to `permille` thousandths of what the document says (0: nothing passes) for `for_ms` milliseconds, in every
/// process that shares the state; 0 ms takes the change back.
///
/// Threads: any, at any time.
/// Results: `PORTCULLIS_BAD_STATE` with a message (no such limit, too many thousandths, no room), `PORTCULLIS_BAD_ARGUMENT`, `PORTCULLIS_BAD_HANDLE`.
/// Example: `portcullis_override_limit(engine, limit, 500, 3600000, message, sizeof message);` halves it for an hour
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
        let limit = unsafe { limit.text() }?;
        let changed = engine_of(engine)?.override_limit(limit, u64::from(permille), for_ms);
        // SAFETY: the caller's promise for `message`.
        unsafe { told(changed, message, message_len) }
    })
}

/// The stable name of a reason (`replayed`), for ever valid, not to be freed.
///
/// Threads: any. Results: the text, or NULL where the number is not known.
/// Example: `log("%s", portcullis_reason_name(verdict.reason));`
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_reason_name(reason: u16) -> *const c_char {
    Reason::from_number(reason).map_or(std::ptr::null(), |r| r.c_name().as_ptr())
}

/// A line about a result, for ever valid, not to be freed.
///
/// Threads: any. Results: the text, never NULL.
/// Example: `fprintf(stderr, "%s\n", portcullis_result_message(result));`
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_result_message(result: i32) -> *const c_char {
    let text: &'static std::ffi::CStr = match result {
        0 => c"done",
        1 => c"a pointer that must not be NULL is NULL",
        2 => c"a handle that was never given out, or is closed",
        3 => c"in use by another thread, or full: nothing was done, try again",
        4 => c"a struct_size that this version does not know",
        5 => c"a length, a number or a text is not valid",
        6 => c"the configuration document was refused, or has no such section",
        7 => c"the shared state region cannot be had, or has no room",
        8 => c"no handle is free",
        9 => c"an error inside the library",
        10 => c"the buffer is too small",
        11 => c"the handle belongs to the process before the fork: open one in this process",
        12 => c"the system gives no thread or no event descriptor",
        _ => c"not a result of this version",
    };
    text.as_ptr()
}
