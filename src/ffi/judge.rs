//! Requests and verdicts across the border.

use super::support::moment;
use super::types::*;
use crate::codec::hex;
use crate::engine::Worker;
use crate::request::{Header, Request, TlsVersion};
use crate::verdict::{Label, Reason, Ticket, Verdict};
use portcullis_result::*;
use std::ffi::c_char;
use std::mem::offset_of;
use std::net::{IpAddr, Ipv4Addr};

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
        if let ([request], [verdict]) = (requests, &mut *verdicts) {
            // SAFETY: this function's contract.
            return unsafe { self.judge_one(request, verdict) };
        }
        const BLANK: Verdict = Verdict::of(Reason::Internal);
        let mut own = std::mem::take(&mut self.verdicts);
        own.clear();
        own.resize(requests.len(), BLANK);
        // SAFETY: this function's contract.
        let outcome = unsafe { self.with(requests, |worker, views| worker.verify_batch(views, &mut own)) };
        if outcome.is_ok() {
            for (verdict, out) in own.iter().zip(verdicts) {
                write_verdict(verdict, out);
            }
        }
        self.verdicts = own;
        outcome
    }

    /// Judges one request and writes its verdict, from where the engine made it.
    ///
    /// # Safety
    /// Every slice of `request` describes readable memory for the time of the call.
    #[inline]
    pub unsafe fn judge_one(
        &mut self,
        request: &portcullis_request,
        verdict: &mut portcullis_verdict,
    ) -> Result<(), portcullis_result> {
        // SAFETY: this function's contract.
        unsafe { self.with_one(request, |worker, view| worker.verify_lent(view, |made| write_verdict(made, verdict))) }
    }

    /// Lends one request as the engine takes it.
    ///
    /// # Safety
    /// Every slice of `request` describes readable memory for the time of the call.
    #[inline(always)]
    unsafe fn with_one<T>(
        &mut self,
        request: &portcullis_request,
        use_it: impl FnOnce(&mut Worker, &Request<'_>) -> T,
    ) -> Result<T, portcullis_result> {
        let (mut wrong, mut copied) = (PORTCULLIS_OK, Vec::new());
        // SAFETY: this function's contract.
        let lines = unsafe { lent(request) }.unwrap_or_else(|| {
            copied = recycle_headers(std::mem::take(&mut self.headers));
            // SAFETY: this function's contract.
            unsafe { read_headers(request, &mut copied, &mut wrong) };
            &copied
        });
        // SAFETY: this function's contract.
        let mut view = unsafe { read_most(request, lines, &mut wrong) };
        // SAFETY: this function's contract.
        unsafe { read_rest(request, &mut view, &mut wrong) };
        let outcome = if wrong == PORTCULLIS_OK { Ok(use_it(&mut self.worker, &view)) } else { Err(wrong) };
        if copied.capacity() != 0 {
            self.headers = recycle_headers(copied);
        }
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
        if let [request] = requests {
            // SAFETY: this function's contract.
            return unsafe { self.with_one(request, |worker, view| use_them(worker, std::slice::from_ref(view))) };
        }
        let mut headers = recycle_headers(std::mem::take(&mut self.headers));
        let mut views = recycle_requests(std::mem::take(&mut self.requests));
        let mut wrong = PORTCULLIS_OK;
        for request in requests {
            // SAFETY: this function's contract.
            let own = unsafe { lent(request) }.unwrap_or_else(|| {
                // SAFETY: this function's contract.
                unsafe { read_headers(request, &mut headers, &mut wrong) };
                &[]
            });
            // SAFETY: this function's contract.
            views.push(unsafe { read_most(request, own, &mut wrong) });
            if let Some(view) = views.last_mut() {
                // SAFETY: this function's contract.
                unsafe { read_rest(request, view, &mut wrong) };
            }
        }
        // Lines that had to be copied are lent once all of them have their place.
        let mut rest: &[Header<'_>] = &headers;
        for (request, view) in requests.iter().zip(&mut views) {
            if rest.is_empty() {
                break;
            }
            if view.headers.len() != request.header_count {
                (view.headers, rest) = rest.split_at(request.header_count.min(rest.len()));
            }
        }
        let outcome = if wrong == PORTCULLIS_OK { Ok(use_them(&mut self.worker, &views)) } else { Err(wrong) };
        self.requests = recycle_requests(views);
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

/// As [`read_headers`], with what is wrong as the result.
///
/// # Safety
/// Every slice of `request` describes readable memory for `'a`.
pub(super) unsafe fn headers_of<'a>(request: &portcullis_request) -> Result<Vec<Header<'a>>, portcullis_result> {
    let (mut headers, mut wrong) = (Vec::new(), PORTCULLIS_OK);
    // SAFETY: this function's contract.
    unsafe { read_headers(request, &mut headers, &mut wrong) };
    if wrong == PORTCULLIS_OK { Ok(headers) } else { Err(wrong) }
}

/// Adds the header lines of `request`, or notes what is wrong with them.
///
/// # Safety
/// Every slice of `request` describes readable memory for `'a`.
#[inline]
unsafe fn read_headers<'a>(request: &portcullis_request, headers: &mut Vec<Header<'a>>, wrong: &mut portcullis_result) {
    // SAFETY: this function's contract.
    match unsafe { lines(request) } {
        Ok(lines) => headers.extend(lines.iter().map(|line| {
            // SAFETY: this function's contract.
            unsafe { Header { name: read_bytes(line.name, wrong), value: read_bytes(line.value, wrong) } }
        })),
        Err(refused) => *wrong = refused,
    }
}

// A slice of bytes is its address and its length, in this order, and nothing else: neither could be read as the other while this is compiled.
const _: () = {
    union Either {
        own: &'static [u8],
        theirs: portcullis_slice,
    }
    assert!(
        size_of::<&[u8]>() == size_of::<portcullis_slice>() && align_of::<&[u8]>() == align_of::<portcullis_slice>()
    );
    // SAFETY: bytes of a slice that is there; were they not an address and a length, this would be refused here.
    let theirs = unsafe { Either { own: b"ab" }.theirs };
    // SAFETY: the address of `ab`.
    assert!(theirs.len == 2 && unsafe { *theirs.ptr } == b'a');
    assert!(size_of::<Header<'_>>() == size_of::<portcullis_header>());
    assert!(align_of::<Header<'_>>() == align_of::<portcullis_header>());
    assert!(offset_of!(Header<'_>, name) == offset_of!(portcullis_header, name));
    assert!(offset_of!(Header<'_>, value) == offset_of!(portcullis_header, value));
};

/// The header lines where the caller has them, if all of their texts are as the engine's must be: not at NULL, and no longer than memory. Nothing where
/// one is not, be it an empty text at NULL, which is allowed: [`read_headers`] reads those, and says what is wrong.
///
/// # Safety
/// Every slice of `request` describes readable memory for `'a`.
#[inline]
unsafe fn lent<'a>(request: &portcullis_request) -> Option<&'a [Header<'a>]> {
    // SAFETY: this function's contract.
    let lines = unsafe { lines(request) }.ok()?;
    // The highest bit says of each length whether it is too great, and of each address less one whether it was NULL: one look at all of them. (An
    // address with that bit is no program's on the machines that we know, and only costs a copy of the lines.)
    let text = |text: &portcullis_slice| text.ptr.addr().wrapping_sub(1) | text.len;
    let all = lines.iter().fold(0, |all, line| all | text(&line.name) | text(&line.value));
    // SAFETY: laid out alike (asserted when this was compiled); no text at NULL, none longer than a slice may be (looked at above), and each
    // of them readable (this function's contract).
    (all <= isize::MAX as usize).then(|| unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), lines.len()) })
}

/// The header lines of a request as the caller has them.
///
/// # Safety
/// Every slice of `request` describes readable memory for `'a`.
#[inline]
pub(super) unsafe fn lines<'a>(request: &portcullis_request) -> Result<&'a [portcullis_header], portcullis_result> {
    if request.header_count == 0 {
        return Ok(&[]);
    }
    if request.headers.is_null() {
        return Err(PORTCULLIS_NULL);
    }
    if request.header_count > isize::MAX as usize / size_of::<portcullis_header>() {
        return Err(PORTCULLIS_BAD_ARGUMENT);
    }
    // SAFETY: not NULL, count within bounds (checked), memory promised by the caller (this function's contract).
    Ok(unsafe { std::slice::from_raw_parts(request.headers, request.header_count) })
}

/// The bytes of a slice, or none and what is wrong with it.
///
/// # Safety
/// Where `len` is not 0 and `ptr` not NULL, they describe readable memory that stays as it is for `'a`.
#[inline(always)]
unsafe fn read_bytes<'a>(slice: portcullis_slice, wrong: &mut portcullis_result) -> &'a [u8] {
    // SAFETY: this function's contract.
    unsafe { slice.bytes() }.unwrap_or_else(|refused| {
        *wrong = refused;
        &[]
    })
}

/// A request as the engine takes it, but for what [`read_rest`] adds; what is wrong with it goes into `wrong`, and it must not be judged then. In two
/// steps, since the second writes where the request stands: one that is moved afterwards costs more than reading it.
///
/// # Safety
/// Every slice of `request` describes readable memory for `'a`.
#[inline(always)]
unsafe fn read_most<'a>(
    request: &portcullis_request,
    headers: &'a [Header<'a>],
    wrong: &mut portcullis_result,
) -> Request<'a> {
    // SAFETY: this function's contract.
    unsafe {
        Request {
            headers,
            received_at: moment(request.received_at_ms),
            ..Request::new(
                read_bytes(request.method, wrong),
                read_bytes(request.target, wrong),
                read_bytes(request.body, wrong),
            )
        }
    }
}

/// What not every request has.
///
/// # Safety
/// Every slice of `request` describes readable memory for `'a`.
#[inline(always)]
unsafe fn read_rest<'a>(request: &portcullis_request, view: &mut Request<'a>, wrong: &mut portcullis_result) {
    if request.client_ip.len != 0 {
        // SAFETY: this function's contract.
        let text = unsafe { read_bytes(request.client_ip, wrong) };
        match read_ipv4(text) {
            Some(address) => view.client_ip = Some(IpAddr::V4(address)),
            None => read_other_address(text, view, wrong),
        }
    }
    // What few requests have: one look at all of it.
    let rare = request.scheme.len
        | request.authority.len
        | request.profile.len
        | request.app_id.len
        | request.tls.len
        | request.peer_certificate_sha256.len
        | request.trace_id.len;
    if rare != 0 {
        // SAFETY: this function's contract.
        unsafe { read_rare(request, view, wrong) };
    }
}

/// An address that is not of IPv4; where `wrong` says already that there is no text, it stays so.
#[inline(never)]
fn read_other_address(text: &[u8], view: &mut Request<'_>, wrong: &mut portcullis_result) {
    view.client_ip = read_text(text).and_then(|text| text.parse().ok());
    if view.client_ip.is_none() && !text.is_empty() {
        *wrong = PORTCULLIS_BAD_ARGUMENT;
    }
}

/// # Safety
/// Every slice of `request` describes readable memory for `'a`.
#[inline(never)]
unsafe fn read_rare<'a>(request: &portcullis_request, view: &mut Request<'a>, wrong: &mut portcullis_result) {
    /// # Safety
    /// As [`portcullis_slice::bytes`].
    unsafe fn optional<'a, T>(
        slice: portcullis_slice,
        read: impl FnOnce(&'a [u8]) -> Option<T>,
        wrong: &mut portcullis_result,
    ) -> Option<T> {
        // SAFETY: this function's contract.
        if slice.len == 0 { None } else { noted(unsafe { slice.bytes() }.map(read), wrong) }
    }
    // SAFETY: this function's contract.
    unsafe {
        view.scheme = optional(request.scheme, Some, wrong);
        view.authority = optional(request.authority, Some, wrong);
        view.profile = optional(request.profile, read_text, wrong);
        view.app_id = optional(request.app_id, read_text, wrong);
        view.tls = optional(request.tls, read_tls, wrong);
        view.peer_certificate = optional(request.peer_certificate_sha256, read_fingerprint, wrong);
        view.trace_id = optional(request.trace_id, read_text, wrong);
    }
}

/// A request as the engine takes it, or what is wrong with it.
///
/// # Safety
/// Every slice of `request` describes readable memory for `'a`.
pub(super) unsafe fn view<'a>(
    request: &portcullis_request,
    headers: &'a [Header<'a>],
) -> Result<Request<'a>, portcullis_result> {
    let mut wrong = PORTCULLIS_OK;
    // SAFETY: this function's contract.
    let mut view = unsafe { read_most(request, headers, &mut wrong) };
    // SAFETY: this function's contract.
    unsafe { read_rest(request, &mut view, &mut wrong) };
    if wrong == PORTCULLIS_OK { Ok(view) } else { Err(wrong) }
}

#[inline]
fn noted<T>(outcome: Result<Option<T>, portcullis_result>, wrong: &mut portcullis_result) -> Option<T> {
    match outcome {
        Ok(Some(value)) => Some(value),
        Ok(None) => {
            *wrong = PORTCULLIS_BAD_ARGUMENT;
            None
        }
        Err(refused) => {
            *wrong = refused;
            None
        }
    }
}

fn read_text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// An address of IPv4, of the texts that the standard library takes for one: four decimal numbers below 256 without leading zeros. In few steps, since
/// most requests have one.
#[inline]
fn read_ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    const LONGEST: usize = "255.255.255.255".len();
    /// More than the text, a dot, and where a number may be looked for behind them.
    const ROOM: usize = 32;
    let mut padded = [0; ROOM];
    let end = text.len();
    if end > LONGEST {
        return None;
    }
    // Copied as two pieces that may lie over each other: a copy of any length is a call.
    if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        padded[..8].copy_from_slice(first);
        padded[end - 8..end].copy_from_slice(last);
    } else {
        padded[..4].copy_from_slice(text.first_chunk::<4>()?);
        padded[end - 4..end].copy_from_slice(text.last_chunk::<4>()?);
    }
    padded[end] = b'.';
    let byte = |at: usize| padded[at % ROOM];
    let digit = |at| Some(u32::from(byte(at).wrapping_sub(b'0'))).filter(|&digit| digit < 10);
    let (mut at, mut address) = (0, 0);
    for _ in 0..4 {
        let mut number = digit(at)?;
        at += 1;
        if let Some(second) = digit(at) {
            // What begins with 0 has no other digit.
            if number == 0 {
                return None;
            }
            number = number * 10 + second;
            at += 1;
            if let Some(third) = digit(at) {
                number = number * 10 + third;
                if number > 255 {
                    return None;
                }
                at += 1;
            }
        }
        if byte(at) != b'.' {
            return None;
        }
        at += 1;
        address = address << 8 | number;
    }
    (at == end + 1).then(|| Ipv4Addr::from_bits(address))
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

#[cfg(test)]
mod tests;
