//! Requests and verdicts across the border.

use super::support::moment;
use super::types::*;
use crate::codec::hex;
use crate::engine::Worker;
use crate::request::{Header, Request, TlsVersion};
use crate::verdict::{Label, Reason, Ticket, Verdict};
use portcullis_result::*;
use std::cell::Cell;
use std::ffi::c_char;
use std::net::IpAddr;

/// A worker, and the vectors that requests are read into.
pub(super) struct FfiWorker {
    pub worker: Worker,
    headers: Vec<Header<'static>>,
    requests: Vec<Request<'static>>,
    verdicts: Vec<Verdict>,
}

impl FfiWorker {
    pub fn new(worker: Worker) -> Self {
        Self { worker, headers: Vec::new(), requests: Vec::new(), verdicts: Vec::new() }
    }

    /// Judges requests and writes their verdicts.
    ///
    /// # Safety
    /// Every slice of `requests` describes readable memory for the time of the call.
    pub unsafe fn judge(
        &mut self,
        requests: &[portcullis_request],
        verdicts: &mut [portcullis_verdict],
    ) -> Result<(), portcullis_result> {
        const BLANK: Verdict = Verdict::of(Reason::Internal);
        // One request has its verdict on the stack: nothing is taken from the heap, or put back.
        let mut one = BLANK;
        let mut many = std::mem::take(&mut self.verdicts);
        let own = if requests.len() == 1 {
            std::slice::from_mut(&mut one)
        } else {
            many.clear();
            many.resize(requests.len(), BLANK);
            &mut many[..]
        };
        // SAFETY: this function's contract.
        let outcome = unsafe { self.with(requests, |worker, views| worker.verify_batch(views, own)) };
        if outcome.is_ok() {
            for (verdict, out) in own.iter().zip(verdicts) {
                write_verdict(verdict, out);
            }
        }
        self.verdicts = many;
        outcome
    }

    /// Lends requests as the engine takes them.
    ///
    /// # Safety
    /// Every slice of `requests` describes readable memory for the time of the call.
    pub unsafe fn with<T>(
        &mut self,
        requests: &[portcullis_request],
        use_them: impl FnOnce(&mut Worker, &[Request<'_>]) -> T,
    ) -> Result<T, portcullis_result> {
        let mut headers = recycle_headers(std::mem::take(&mut self.headers));
        // SAFETY: this function's contract.
        let read = unsafe { read_requests(requests, &mut headers) };
        let outcome = match (read, requests) {
            (Err(refused), _) => Err(refused),
            (Ok(()), [request]) => {
                let wrong = Cell::new(None);
                // SAFETY: this function's contract.
                let view = unsafe { self::read(request, &headers, &wrong) };
                match wrong.get() {
                    None => Ok(use_them(&mut self.worker, std::slice::from_ref(&view))),
                    Some(refused) => Err(refused),
                }
            }
            (Ok(()), _) => {
                let mut views = recycle_requests(std::mem::take(&mut self.requests));
                let mut rest: &[Header<'_>] = &headers;
                let read = requests.iter().try_for_each(|request| {
                    let (own, after) = rest.split_at(request.header_count.min(rest.len()));
                    rest = after;
                    // SAFETY: this function's contract.
                    views.push(unsafe { view(request, own) }?);
                    Ok(())
                });
                let outcome = read.map(|()| use_them(&mut self.worker, &views));
                self.requests = recycle_requests(views);
                outcome
            }
        };
        self.headers = recycle_headers(headers);
        outcome
    }
}

/// The memory of a vector, for values that differ by a lifetime only; what was in it is dropped.
macro_rules! recycle {
    ($name:ident, $of:ident) => {
        fn $name<'a>(mut vector: Vec<$of<'_>>) -> Vec<$of<'a>> {
            vector.clear();
            let mut vector = std::mem::ManuallyDrop::new(vector);
            // SAFETY: memory of a vector of the same type but for a lifetime, hence of the same layout, given up by its owner and empty.
            unsafe { Vec::from_raw_parts(vector.as_mut_ptr().cast::<$of<'a>>(), 0, vector.capacity()) }
        }
    };
}
recycle!(recycle_headers, Header);
recycle!(recycle_requests, Request);

/// # Safety
/// Every slice of `requests` describes readable memory for `'a`.
pub(super) unsafe fn read_requests<'a>(
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

/// A request as the engine takes it; what is wrong with it goes into `wrong`, and it must not be judged then. Written field by field where it is to
/// stand: a result that is moved costs more than reading the request.
///
/// # Safety
/// Every slice of `request` describes readable memory for `'a`.
#[inline(always)]
unsafe fn read<'a>(
    request: &portcullis_request,
    headers: &'a [Header<'a>],
    wrong: &Cell<Option<portcullis_result>>,
) -> Request<'a> {
    let bytes = |slice: portcullis_slice| -> &'a [u8] {
        if slice.len == 0 {
            return &[];
        }
        if slice.ptr.is_null() || slice.len > isize::MAX as usize {
            wrong.set(Some(if slice.ptr.is_null() { PORTCULLIS_NULL } else { PORTCULLIS_BAD_ARGUMENT }));
            return &[];
        }
        // SAFETY: not NULL, length within what a slice may have (both checked), memory promised by this function's contract.
        unsafe { std::slice::from_raw_parts(slice.ptr, slice.len) }
    };
    let optional = |slice: portcullis_slice| Some(bytes(slice)).filter(|bytes| !bytes.is_empty());
    // What few requests have is read apart.
    let text = |slice: portcullis_slice| optional(slice).and_then(|bytes| noted(read_text(bytes), wrong));
    Request {
        method: bytes(request.method),
        target: bytes(request.target),
        headers,
        body: bytes(request.body),
        client_ip: optional(request.client_ip).and_then(|bytes| noted(read_address(bytes), wrong)),
        received_at: moment(request.received_at_ms),
        scheme: optional(request.scheme),
        authority: optional(request.authority),
        profile: text(request.profile),
        app_id: text(request.app_id),
        tls: optional(request.tls).and_then(|bytes| noted(read_tls(bytes), wrong)),
        peer_certificate: optional(request.peer_certificate_sha256)
            .and_then(|bytes| noted(read_fingerprint(bytes), wrong)),
        trace_id: text(request.trace_id),
    }
}

/// As [`read`], with what is wrong as the result.
///
/// # Safety
/// Every slice of `request` describes readable memory for `'a`.
pub(super) unsafe fn view<'a>(
    request: &portcullis_request,
    headers: &'a [Header<'a>],
) -> Result<Request<'a>, portcullis_result> {
    let wrong = Cell::new(None);
    // SAFETY: this function's contract.
    let view = unsafe { read(request, headers, &wrong) };
    wrong.get().map_or(Ok(view), Err)
}

fn noted<T>(outcome: Option<T>, wrong: &Cell<Option<portcullis_result>>) -> Option<T> {
    if outcome.is_none() {
        wrong.set(Some(PORTCULLIS_BAD_ARGUMENT));
    }
    outcome
}

fn read_text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

fn read_address(bytes: &[u8]) -> Option<IpAddr> {
    read_text(bytes)?.parse().ok()
}

fn read_tls(bytes: &[u8]) -> Option<TlsVersion> {
    TlsVersion::from_name(read_text(bytes)?)
}

fn read_fingerprint(digits: &[u8]) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let len = hex::decode(digits, &mut bytes).ok()?.len();
    Some(bytes).filter(|_| len == 32)
}

fn write_label<const N: usize, const M: usize>(label: &Label<N>, out: &mut [c_char; M]) {
    const { assert!(M > N, "room for the NUL") };
    let (text, behind) = out.split_at_mut(N);
    // SAFETY: both are N bytes, and apart: one is borrowed uniquely. `c_char` is a byte of either sign.
    unsafe { std::ptr::copy_nonoverlapping(label.padded().as_ptr().cast::<c_char>(), text.as_mut_ptr(), N) };
    behind.fill(0);
}

pub(super) fn write_verdict(verdict: &Verdict, out: &mut portcullis_verdict) {
    out.reason = verdict.reason as u16;
    out.http_status = verdict.reason.http_status();
    out.retry_after_ms = verdict.retry_after_ms;
    out.ticket = verdict.ticket.words();
    out.one_time = verdict.one_time.words();
    out.alert = verdict.alert.map_or(0, |limit| limit.saturating_add(1));
    out.reserved = 0;
    write_label(&verdict.code, &mut out.code);
    write_label(&verdict.app_id, &mut out.app_id);
    write_label(&verdict.kid, &mut out.kid);
    write_label(&verdict.api_id, &mut out.api_id);
}

fn read_label<const N: usize, const M: usize>(text: &[c_char; M]) -> Result<Label<N>, portcullis_result> {
    let mut bytes = [0; M];
    for (to, from) in bytes.iter_mut().zip(text) {
        [*to] = from.to_ne_bytes();
    }
    let text = std::ffi::CStr::from_bytes_until_nul(&bytes).map_err(|_| PORTCULLIS_BAD_ARGUMENT)?;
    text.to_str().ok().and_then(Label::new).ok_or(PORTCULLIS_BAD_ARGUMENT)
}

/// A verdict that was given out, read back.
pub(super) fn read_verdict(given: &portcullis_verdict) -> Result<Verdict, portcullis_result> {
    let reason = Reason::from_number(given.reason).ok_or(PORTCULLIS_BAD_ARGUMENT)?;
    Ok(Verdict {
        code: read_label(&given.code)?,
        app_id: read_label(&given.app_id)?,
        kid: read_label(&given.kid)?,
        api_id: read_label(&given.api_id)?,
        retry_after_ms: given.retry_after_ms,
        ticket: Ticket::of(given.ticket),
        one_time: Ticket::of(given.one_time),
        alert: given.alert.checked_sub(1),
        ..Verdict::of(reason)
    })
}
