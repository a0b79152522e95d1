//! Requests and verdicts across the border.

use super::support::moment;
use super::types::*;
use crate::codec::hex;
use crate::engine::Worker;
use crate::request::{Header, Request, TlsVersion};
use crate::verdict::{Label, Reason, Ticket, Verdict};
use portcullis_result::*;
use std::ffi::c_char;
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
        let mut wrong = PORTCULLIS_OK;
        if request.header_count == 0 {
            // SAFETY: this function's contract.
            let view = unsafe { read(request, &[], &mut wrong) };
            return if wrong == PORTCULLIS_OK { Ok(use_it(&mut self.worker, &view)) } else { Err(wrong) };
        }
        let mut headers = recycle_headers(std::mem::take(&mut self.headers));
        // SAFETY: this function's contract.
        let view = unsafe {
            read_headers(request, &mut headers, &mut wrong);
            read(request, &headers, &mut wrong)
        };
        let outcome = if wrong == PORTCULLIS_OK { Ok(use_it(&mut self.worker, &view)) } else { Err(wrong) };
        self.headers = recycle_headers(headers);
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
            unsafe { read_headers(request, &mut headers, &mut wrong) };
        }
        let mut rest: &[Header<'_>] = &headers;
        for request in requests {
            let (own, after) = rest.split_at(request.header_count.min(rest.len()));
            rest = after;
            // SAFETY: this function's contract.
            views.push(unsafe { read(request, own, &mut wrong) });
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
            let (name, value) = (line.name, line.value);
            // Nearly all: two texts with pointers, and lengths that are no more than memory has.
            if !name.ptr.is_null() && !value.ptr.is_null() && (name.len | value.len) <= isize::MAX as usize {
                // SAFETY: neither is NULL, both lengths are within what a slice may have (checked: the greatest is all ones below the highest bit),
                // memory promised by this function's contract.
                return unsafe {
                    Header {
                        name: std::slice::from_raw_parts(name.ptr, name.len),
                        value: std::slice::from_raw_parts(value.ptr, value.len),
                    }
                };
            }
            // SAFETY: this function's contract.
            unsafe { Header { name: read_bytes(name, wrong), value: read_bytes(value, wrong) } }
        })),
        Err(refused) => *wrong = refused,
    }
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

/// A request as the engine takes it; what is wrong with it goes into `wrong`, and it must not be judged then. Written field by field where it is to
/// stand: a result that is moved costs more than reading the request.
///
/// # Safety
/// Every slice of `request` describes readable memory for `'a`.
#[inline(always)]
unsafe fn read<'a>(
    request: &portcullis_request,
    headers: &'a [Header<'a>],
    wrong: &mut portcullis_result,
) -> Request<'a> {
    // SAFETY: this function's contract.
    let mut view = unsafe {
        Request {
            headers,
            received_at: moment(request.received_at_ms),
            ..Request::new(
                read_bytes(request.method, wrong),
                read_bytes(request.target, wrong),
                read_bytes(request.body, wrong),
            )
        }
    };
    if request.client_ip.len != 0 {
        // SAFETY: this function's contract.
        view.client_ip = unsafe { noted(request.client_ip.bytes().map(read_address), wrong) };
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
        unsafe { read_rare(request, &mut view, wrong) };
    }
    view
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

/// As [`read`], with what is wrong as the result.
///
/// # Safety
/// Every slice of `request` describes readable memory for `'a`.
pub(super) unsafe fn view<'a>(
    request: &portcullis_request,
    headers: &'a [Header<'a>],
) -> Result<Request<'a>, portcullis_result> {
    let mut wrong = PORTCULLIS_OK;
    // SAFETY: this function's contract.
    let view = unsafe { read(request, headers, &mut wrong) };
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

fn read_address(bytes: &[u8]) -> Option<IpAddr> {
    read_ipv4(bytes).map(IpAddr::V4).or_else(|| read_text(bytes)?.parse().ok())
}

/// An address of IPv4, of the texts that the standard library takes for one: four decimal numbers below 256 without leading zeros. In few steps, since
/// most requests have one.
fn read_ipv4(bytes: &[u8]) -> Option<Ipv4Addr> {
    fn digit(rest: &mut &[u8]) -> Option<u32> {
        let (first, behind) = rest.split_first()?;
        let digit = u32::from(first.wrapping_sub(b'0'));
        (digit < 10).then(|| {
            *rest = behind;
            digit
        })
    }
    fn octet(rest: &mut &[u8]) -> Option<u32> {
        let mut number = digit(rest)?;
        // A number that begins with 0 has no other digit, and none has more than three.
        if number != 0
            && let Some(second) = digit(rest)
        {
            number = number * 10 + second;
            if let Some(third) = digit(rest) {
                number = number * 10 + third;
            }
        }
        (number < 256).then_some(number)
    }
    let mut rest = bytes;
    let mut address = octet(&mut rest)?;
    for _ in 0..3 {
        rest = rest.strip_prefix(b".")?;
        address = address << 8 | octet(&mut rest)?;
    }
    rest.is_empty().then(|| Ipv4Addr::from_bits(address))
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
mod tests {
    use super::*;

    #[test]
    fn addresses_are_what_the_standard_library_reads() {
        let numbers = [
            "",
            "0",
            "7",
            "00",
            "01",
            "10",
            "42",
            "99",
            "100",
            "199",
            "255",
            "256",
            "299",
            "300",
            "999",
            "1000",
            "4294967296",
            "a",
            "+1",
        ];
        let same = |text: &str| assert_eq!(read_ipv4(text.as_bytes()), text.parse().ok(), "{text:?}");
        for first in numbers {
            for second in numbers {
                for third in ["0", "255", "256", "01", ""] {
                    same(&format!("{first}.{third}.1.{second}"));
                    same(&format!("{first}.1.{second}"));
                    same(&format!("1.{first}.{third}.4.{second}"));
                }
            }
        }
        for text in [
            "",
            ".",
            "...",
            "1.2.3.4.",
            ".1.2.3.4",
            "1.2.3.4 ",
            " 1.2.3.4",
            "1..2.3.4",
            "1.2.3.4\0",
            "1.2.3./",
            "1.2.3.:",
        ] {
            same(text);
        }
        for text in [
            "::1",
            "2001:db8::7",
            "1234::",
            "::ffff:1.2.3.4",
            "0010::",
            "203.0.113.7",
            "1.2.3.4.5",
            "nonsense",
            "12345",
        ] {
            assert_eq!(read_address(text.as_bytes()), text.parse().ok(), "{text:?}");
        }
        assert_eq!(read_address(b"\xff"), None);
    }
}
