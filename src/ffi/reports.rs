//! What operators read: counters, explanations, access records.

use super::calls::{WORKERS, engine_of};
use super::judge::{headers_of, read_verdict, view};
use super::slots::Table;
use super::support::*;
use super::types::*;
use crate::audit::{AuditKey, Chain, Form, Head, Record, Retention};
use crate::doctor;
use crate::verdict::Verdict;
use portcullis_result::*;
use std::ffi::c_char;

static CHAINS: Table<Audit> = Table::new();

/// A chain, and the memory of its lines.
struct Audit {
    chain: Chain,
    line: Vec<u8>,
    signature: Vec<u8>,
}

/// Takes SIGBUS for this process: a region's file that somebody truncates while it is mapped then ends in refusals
/// (`PORTCULLIS_REASON_SHARED_UNAVAILABLE`) and not in the process's end. A SIGBUS of anything else goes on to the handler that was there before. Once is
/// enough, at any time, before or after `portcullis_engine_open`; a child of `fork` has it too.
///
/// Threads: any. Results: `PORTCULLIS_BAD_STATE` where the system refuses.
/// Example: `portcullis_survive_truncation();` in a worker process, after its own handlers are installed
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_survive_truncation() -> portcullis_result {
    guard(|| crate::shm::survive_truncation().map_err(|error| result_of(&error)))
}

/// Counts how long a request took in microseconds, the service behind included, for `portcullis_metrics`.
///
/// Threads: one at a time per worker. Results: `PORTCULLIS_BAD_HANDLE`, `PORTCULLIS_BUSY`.
/// Example: `portcullis_observe(worker, elapsed_us);`
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_observe(worker: *mut portcullis_worker, duration_us: u64) -> portcullis_result {
    guard(|| {
        let mut held = WORKERS.hold(worker.addr())?;
        held.get().ok_or(PORTCULLIS_BAD_HANDLE)?.worker.observe(duration_us);
        Ok(())
    })
}

/// Writes what all processes that share the state have counted, in the text format of Prometheus (version 0.0.4), and a NUL. `*length` (if not NULL)
/// is the length of the text; the buffer must be larger than that. 16 KiB do.
///
/// Threads: any.
/// Results: `PORTCULLIS_TOO_SMALL`, `PORTCULLIS_BAD_HANDLE`.
/// Example: `char text[16384]; size_t n; portcullis_metrics(engine, text, sizeof text, &n);`
///
/// # Safety
/// `buffer` is NULL or has `buffer_len` writable bytes; `length` is NULL or points to writable memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_metrics(
    engine: *mut portcullis_engine,
    buffer: *mut c_char,
    buffer_len: usize,
    length: *mut usize,
) -> portcullis_result {
    guard(|| {
        let mut text = String::new();
        engine_of(engine)?.metrics().write_prometheus(&mut text);
        // SAFETY: the caller's promise.
        unsafe { give(text.as_bytes(), buffer, buffer_len, length) }
    })
}

/// Writes why a request's signature does not verify, for an operator: what was read from where, the string to sign, its first difference to
/// `client_string` (what the client says it signed; may be empty), and the common mistake that makes the signature fit; and a NUL. Looks at no
/// nonce and no limit. Values are masked unless `flags` says otherwise (`PORTCULLIS_EXPLAIN_UNMASK`, `PORTCULLIS_EXPLAIN_EXPECTED`). Takes its
/// time (milliseconds): not for the way of a request. `*length` as for `portcullis_metrics`.
///
/// Threads: any.
/// Results: `PORTCULLIS_TOO_SMALL`, `PORTCULLIS_NULL`, `PORTCULLIS_BAD_STRUCT_SIZE`, `PORTCULLIS_BAD_ARGUMENT`, `PORTCULLIS_BAD_HANDLE`.
/// Example: `portcullis_explain(engine, &request, none, 0, text, sizeof text, &n);`
///
/// # Safety
/// `request` is NULL or points to a request whose slices describe readable memory, as does `client_string`; `buffer` is NULL or has `buffer_len`
/// writable bytes; `length` is NULL or points to writable memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_explain(
    engine: *mut portcullis_engine,
    request: *const portcullis_request,
    client_string: portcullis_slice,
    flags: u32,
    buffer: *mut c_char,
    buffer_len: usize,
    length: *mut usize,
) -> portcullis_result {
    guard(|| {
        if flags & !(PORTCULLIS_EXPLAIN_UNMASK | PORTCULLIS_EXPLAIN_EXPECTED) != 0 {
            return Err(PORTCULLIS_BAD_ARGUMENT);
        }
        // SAFETY: the caller's promise for each.
        unsafe {
            let (request, client) = (sized(request)?, client_string.bytes()?);
            let engine = engine_of(engine)?;
            let headers = headers_of(request)?;
            let request = view(request, &headers)?;
            let options = doctor::Options {
                now: request.received_at.unwrap_or_else(wall_clock),
                client_string: Some(client).filter(|text| !text.is_empty()),
                unmask: flags & PORTCULLIS_EXPLAIN_UNMASK != 0,
                show_expected: flags & PORTCULLIS_EXPLAIN_EXPECTED != 0,
            };
            let report = doctor::explain(&engine.snapshot(), &request, &options);
            give(report.as_bytes(), buffer, buffer_len, length)
        }
    })
}

fn write_head(head: Head) -> portcullis_audit_head {
    portcullis_audit_head { chain: head.chain, lines: head.lines, link: head.link }
}

/// Opens an audit chain and writes its first line (with its line end and a NUL) into the caller's buffer of `PORTCULLIS_AUDIT_LINE` bytes or more;
/// the caller writes it to its log. Each thread has a chain of its own; chains may share a file. The caller owns the handle and closes it. With
/// `PORTCULLIS_AUDIT_BINARY` this and every record of the chain is a frame instead of a line: bytes, NUL among them, without a line end.
///
/// Threads: any; the chain is then for one thread at a time.
/// Results: `PORTCULLIS_TOO_SMALL`, `PORTCULLIS_BAD_CONFIG` with a message (a secret of less than 32 bytes), `PORTCULLIS_BAD_STRUCT_SIZE`, `PORTCULLIS_NULL`,
/// `PORTCULLIS_TOO_MANY_HANDLES`.
/// Example: `portcullis_audit_options o = {sizeof o}; o.key = secret; portcullis_audit_open(&o, &audit, line, sizeof line, &n, message, 256);`
///
/// # Safety
/// `options` is NULL or points to options, whose `after` is NULL or points to a head; `audit` and `length` are NULL or point to writable memory;
/// `buffer` is NULL or has `buffer_len` writable bytes, `message` likewise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_audit_open(
    options: *const portcullis_audit_options,
    audit: *mut *mut portcullis_audit,
    buffer: *mut c_char,
    buffer_len: usize,
    length: *mut usize,
    message: *mut c_char,
    message_len: usize,
) -> portcullis_result {
    guard(|| {
        if audit.is_null() {
            return Err(PORTCULLIS_NULL);
        }
        // SAFETY: the caller's promise for each.
        unsafe {
            let options = sized(options)?;
            let key = told(AuditKey::new(options.key.bytes()?), message, message_len)?;
            let days = options.keep_days & !PORTCULLIS_AUDIT_BINARY;
            let keep = if days == 0 { Retention::Bank } else { Retention::Days(days) };
            let form = if days == options.keep_days { Form::Ndjson } else { Form::Binary };
            let after = options.after.as_ref();
            let after = after.map(|head| Head { chain: head.chain, lines: head.lines, link: head.link });
            let mut line = Vec::new();
            let chain = Chain::open_in(form, &key, None, keep, after, wall_clock(), &mut line);
            let chain = told(chain, message, message_len)?;
            if buffer_len < PORTCULLIS_AUDIT_LINE {
                put(length, PORTCULLIS_AUDIT_LINE);
                return Err(PORTCULLIS_TOO_SMALL);
            }
            give(&line, buffer, buffer_len, length)?;
            let content = Audit { chain, line, signature: Vec::new() };
            let handle = CHAINS.open(content).ok_or(PORTCULLIS_TOO_MANY_HANDLES)?;
            *audit = std::ptr::without_provenance_mut(handle);
        }
        Ok(())
    })
}

/// Writes one access record as a line of JSON (with its line end), or as a frame, and a NUL into the caller's buffer; the caller writes it to its log, in
/// order. Texts are masked. `*length` (if not NULL) is the length of the record without that NUL; `*head` (if not NULL) is where the chain stands then. 1 KiB does for
/// records without a request; with one, 4 KiB.
///
/// Threads: one at a time per chain.
/// Results: `PORTCULLIS_TOO_SMALL` (the chain is as before: call again with a larger buffer), `PORTCULLIS_NULL`, `PORTCULLIS_BAD_STRUCT_SIZE`,
/// `PORTCULLIS_BAD_ARGUMENT` (a verdict that the library did not write), `PORTCULLIS_BAD_HANDLE`, `PORTCULLIS_BUSY`.
/// Example: `portcullis_audit_write(audit, &record, line, sizeof line, &n, NULL); fwrite(line, 1, n, log);`
///
/// # Safety
/// `record` is NULL or points to a record, whose pointers are NULL or point to what they say; `buffer` is NULL or has `buffer_len` writable
/// bytes; `length` and `head` are NULL or point to writable memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_audit_write(
    audit: *mut portcullis_audit,
    record: *const portcullis_audit_record,
    buffer: *mut c_char,
    buffer_len: usize,
    length: *mut usize,
    head: *mut portcullis_audit_head,
) -> portcullis_result {
    guard(|| {
        // SAFETY: the caller's promise for each.
        unsafe {
            let record = sized(record)?;
            let verdict = read_verdict(sized(record.verdict)?)?;
            let (trace_id, account) = (record.trace_id.optional()?, record.account.optional()?);
            let mut held = CHAINS.hold(audit.addr())?;
            let Audit { chain, line, signature } = held.get().ok_or(PORTCULLIS_BAD_HANDLE)?;
            let evidence = if record.request.is_null() {
                None
            } else {
                evidence(record, &verdict, signature)?.map(|digest| (digest, signature.as_slice()))
            };
            let at = moment(record.at_ms).unwrap_or_else(wall_clock);
            let said = Record {
                at,
                trace_id,
                verdict: &verdict,
                duration_us: Some(record.duration_us).filter(|us| *us != PORTCULLIS_NO_DURATION),
                account,
                evidence: evidence.map(|(digest, signature)| crate::audit::Evidence { digest, signature }),
            };
            line.clear();
            let before = chain.head();
            chain.write(&said, line);
            give(line, buffer, buffer_len, length).inspect_err(|_| chain.rewind(before))?;
            put(head, write_head(chain.head()));
        }
        Ok(())
    })
}

/// The digest of what was signed; the signature goes into `signature`.
///
/// # Safety
/// The request of `record` is valid.
unsafe fn evidence(
    record: &portcullis_audit_record,
    verdict: &Verdict,
    signature: &mut Vec<u8>,
) -> Result<Option<[u8; 32]>, portcullis_result> {
    let mut held = WORKERS.hold(record.worker.addr())?;
    let content = held.get().ok_or(PORTCULLIS_BAD_HANDLE)?;
    // SAFETY: this function's contract.
    unsafe {
        let request = sized(record.request)?;
        content.with(std::slice::from_ref(request), |worker, views| {
            let found = views.first().and_then(|view| worker.evidence(view, verdict, signature));
            found.map(|evidence| evidence.digest)
        })
    }
}

/// Writes the line that closes the chain into the caller's buffer of `PORTCULLIS_AUDIT_LINE` bytes or more, and closes the handle. `*head` (if not
/// NULL) is where the chain ended: for the `after` of the next file's chain, and to show later that nothing was cut off.
///
/// Threads: one at a time per chain.
/// Results: `PORTCULLIS_TOO_SMALL` (the chain stays open), `PORTCULLIS_BAD_HANDLE` where it is closed already, `PORTCULLIS_BUSY`.
/// Example: `portcullis_audit_close(audit, line, sizeof line, &n, &head);`
///
/// # Safety
/// `buffer` is NULL or has `buffer_len` writable bytes; `length` and `head` are NULL or point to writable memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_audit_close(
    audit: *mut portcullis_audit,
    buffer: *mut c_char,
    buffer_len: usize,
    length: *mut usize,
    head: *mut portcullis_audit_head,
) -> portcullis_result {
    guard(|| {
        if buffer.is_null() || buffer_len < PORTCULLIS_AUDIT_LINE {
            // A handle that is closed says so whatever the buffer is.
            drop(CHAINS.hold(audit.addr())?);
            // SAFETY: the caller's promise.
            unsafe { put(length, PORTCULLIS_AUDIT_LINE) };
            return Err(PORTCULLIS_TOO_SMALL);
        }
        let Audit { chain, mut line, .. } = CHAINS.close(audit.addr())?;
        line.clear();
        let end = chain.close(wall_clock(), &mut line);
        // SAFETY: the caller's promise for each.
        unsafe {
            put(head, write_head(end));
            give(&line, buffer, buffer_len, length)
        }
    })
}
