//! Signing: requests as an app would, and answers.

use super::calls::engine_of;
use super::judge::{headers_of, view};
use super::slots::Table;
use super::support::*;
use super::types::*;
use crate::canon::client::Draft;
use crate::engine::{Signer, SignerOptions};
use portcullis_result::*;
use std::ffi::c_char;

static SIGNERS: Table<Box<Signer>> = Table::new();

/// Opens a signer by the document in force; a later document does not change it. The key is read once; the caller's copy is not kept and may be
/// wiped. The caller owns the handle and closes it.
///
/// Threads: any; a signer may be used by many at once.
/// Results: `PORTCULLIS_BAD_STATE` with a message (a profile, app or key that is not there or does not fit), `PORTCULLIS_BAD_STRUCT_SIZE`,
/// `PORTCULLIS_BAD_ARGUMENT`, `PORTCULLIS_NULL`, `PORTCULLIS_TOO_MANY_HANDLES`.
/// Example: `portcullis_signer_options o = {sizeof o}; o.profile = openapi; o.app_id = app; portcullis_signer_open(engine, &o, &signer, message, 256);`
///
/// # Safety
/// `options` is NULL or points to options whose slices describe readable memory; `signer` is NULL or points to writable memory; `message` is NULL
/// or has `message_len` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_signer_open(
    engine: *mut portcullis_engine,
    options: *const portcullis_signer_options,
    signer: *mut *mut portcullis_signer,
    message: *mut c_char,
    message_len: usize,
) -> portcullis_result {
    guard(|| {
        if signer.is_null() {
            return Err(PORTCULLIS_NULL);
        }
        // SAFETY: the caller's promise for each; `signer` is not NULL (checked).
        unsafe {
            let options = sized(options)?;
            let mut extra = Vec::new();
            if options.extra_count > 0 {
                if options.extra.is_null() {
                    return Err(PORTCULLIS_NULL);
                }
                if options.extra_count > isize::MAX as usize / size_of::<portcullis_header>() {
                    return Err(PORTCULLIS_BAD_ARGUMENT);
                }
                for pair in std::slice::from_raw_parts(options.extra, options.extra_count) {
                    extra.push((pair.name.text()?, pair.value.text()?));
                }
            }
            let asked = SignerOptions {
                profile: options.profile.text()?,
                app_id: options.app_id.text()?,
                kid: options.kid.optional()?,
                alg: options.alg.optional()?,
                private_key_pem: options.private_key_pem.optional()?,
                sm2_user_id: Some(options.sm2_user_id.bytes()?).filter(|id| !id.is_empty()),
                extra: &extra,
            };
            let opened = told(engine_of(engine)?.signer(&asked), message, message_len)?;
            let handle = SIGNERS.open(Box::new(opened)).ok_or(PORTCULLIS_TOO_MANY_HANDLES)?;
            *signer = std::ptr::without_provenance_mut(handle);
        }
        Ok(())
    })
}

/// Closes a signer; its key is wiped.
///
/// Threads: any. Results: `PORTCULLIS_BAD_HANDLE` where it is closed already, `PORTCULLIS_BUSY` while another thread uses it.
/// Example: `portcullis_signer_close(signer);`
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_signer_close(signer: *mut portcullis_signer) -> portcullis_result {
    guard(|| SIGNERS.close(signer.addr()).map(drop))
}

/// Signs a request: app id, key id, timestamp (`received_at_ms`, or now) and nonce (`nonce`, or a random one where it is empty) are filled in where
/// the profile reads them and the request has none; the signature goes to its place. An answer that a profile describes (such as
/// `wechatpay-v3-callback`) is signed the same way, by its headers and body. The signed request is written into the caller's `buffer`, aligned
/// to 8 bytes, and `*out` points into it.
///
/// Threads: any, many at once.
/// Results: `PORTCULLIS_TOO_SMALL` with what is needed in `out->length`, `PORTCULLIS_BAD_STATE` with a message (a request that the profile cannot read,
/// or that is signed already), `PORTCULLIS_BAD_ARGUMENT` (a buffer that is not aligned), `PORTCULLIS_BAD_STRUCT_SIZE`, `PORTCULLIS_NULL`.
/// Example: `portcullis_sign(signer, &request, none, buffer, sizeof buffer, &out, message, sizeof message); send(out.target, out.body);`
///
/// # Safety
/// `request` is NULL or points to a request whose slices describe readable memory, as does `nonce`; `buffer` is NULL or has `buffer_len` writable
/// bytes; `out` is NULL or points to a struct with its size; `message` is NULL or has `message_len` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_sign(
    signer: *mut portcullis_signer,
    request: *const portcullis_request,
    nonce: portcullis_slice,
    buffer: *mut u8,
    buffer_len: usize,
    out: *mut portcullis_signed,
    message: *mut c_char,
    message_len: usize,
) -> portcullis_result {
    guard(|| {
        // SAFETY: the caller's promise for each.
        unsafe {
            let (request, out) = (sized(request)?, sized_mut(out)?);
            let signer = SIGNERS.share(signer.addr())?;
            let headers = headers_of(request)?;
            let request = view(request, &headers)?;
            let mut draft = Draft::of(&request);
            let at = request.received_at.unwrap_or_else(wall_clock);
            told(signer.sign(&mut draft, at, nonce.optional()?), message, message_len)?;
            write_draft(&draft, buffer, buffer_len, out)
        }
    })
}

/// Signs a response to `request`: of `answer` headers and body count, its method and target do not. By RFC 9421 the status and what the profile
/// asks of the request are signed with it; other profiles that sign no path sign headers and body (`wechatpay-v3-callback`, `jws-detached`). Fields are filled in as `portcullis_sign` does; `received_at_ms` is the answer's.
///
/// Threads: any, many at once.
/// Results: as `portcullis_sign`; `PORTCULLIS_BAD_STATE` with a message also for a profile that signs requests alone.
/// Example: `portcullis_sign_answer(signer, 200, &answer, &request, none, buffer, sizeof buffer, &out, message, sizeof message); send(out.headers);`
///
/// # Safety
/// `answer` and `request` are each NULL or point to a request whose slices describe readable memory, as does `nonce`; `buffer` is NULL or has
/// `buffer_len` writable bytes; `out` is NULL or points to a struct with its size; `message` is NULL or has `message_len` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_sign_answer(
    signer: *mut portcullis_signer,
    status: u16,
    answer: *const portcullis_request,
    request: *const portcullis_request,
    nonce: portcullis_slice,
    buffer: *mut u8,
    buffer_len: usize,
    out: *mut portcullis_signed,
    message: *mut c_char,
    message_len: usize,
) -> portcullis_result {
    guard(|| {
        // SAFETY: the caller's promise for each.
        unsafe {
            let (answer, request, out) = (sized(answer)?, sized(request)?, sized_mut(out)?);
            let signer = SIGNERS.share(signer.addr())?;
            let (own, asked) = (headers_of(answer)?, headers_of(request)?);
            let (answer, request) = (view(answer, &own)?, view(request, &asked)?);
            let mut draft = Draft::answering(status, &answer, &request);
            let at = answer.received_at.unwrap_or_else(wall_clock);
            told(signer.sign(&mut draft, at, nonce.optional()?), message, message_len)?;
            write_draft(&draft, buffer, buffer_len, out)
        }
    })
}

/// Lays the draft out in the caller's buffer: the array of headers, then all texts.
///
/// # Safety
/// `buffer` is NULL or has `len` writable bytes.
unsafe fn write_draft(
    draft: &Draft,
    buffer: *mut u8,
    len: usize,
    out: &mut portcullis_signed,
) -> Result<(), portcullis_result> {
    let lines = draft.headers.len() * size_of::<portcullis_header>();
    let texts: usize = draft.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    out.length = lines + texts + draft.method.len() + draft.target.len() + draft.body.len();
    if buffer.is_null() || len < out.length {
        return Err(PORTCULLIS_TOO_SMALL);
    }
    if !buffer.addr().is_multiple_of(align_of::<portcullis_header>()) {
        return Err(PORTCULLIS_BAD_ARGUMENT);
    }
    let mut at = lines;
    let mut place = |text: &[u8]| {
        // SAFETY: all texts and the array together are `length` bytes, which the buffer has (checked); `at` counts what is used.
        let ptr = unsafe { buffer.add(at) };
        // SAFETY: as above; the draft is ours, so nothing overlaps.
        unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), ptr, text.len()) };
        at += text.len();
        portcullis_slice { ptr, len: text.len() }
    };
    let headers = buffer.cast::<portcullis_header>();
    for (index, (name, value)) in draft.headers.iter().enumerate() {
        let line = portcullis_header { name: place(name), value: place(value) };
        // SAFETY: the array is first in the buffer, aligned (checked), and `index` is within it.
        unsafe { headers.add(index).write(line) };
    }
    out.reserved = 0;
    out.headers = if draft.headers.is_empty() { std::ptr::null() } else { headers };
    out.header_count = draft.headers.len();
    (out.method, out.target, out.body) = (place(&draft.method), place(&draft.target), place(&draft.body));
    Ok(())
}

/// Signs bytes as they are, by the signer's key: for answers whose string the gateway makes. Writes the signature's bytes (DER for ECDSA and SM2)
/// and their number to `*length`.
///
/// Threads: any, many at once.
/// Results: `PORTCULLIS_TOO_SMALL` with what is needed in `*length`, `PORTCULLIS_BAD_STATE` with a message (MD5, or a profile that derives its keys),
/// `PORTCULLIS_NULL`.
/// Example: `portcullis_sign_bytes(signer, answer, signature, sizeof signature, &length, message, sizeof message);`
///
/// # Safety
/// `bytes` describes readable memory; `buffer` is NULL or has `buffer_len` writable bytes; `length` is NULL or points to writable memory;
/// `message` is NULL or has `message_len` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_sign_bytes(
    signer: *mut portcullis_signer,
    bytes: portcullis_slice,
    buffer: *mut u8,
    buffer_len: usize,
    length: *mut usize,
    message: *mut c_char,
    message_len: usize,
) -> portcullis_result {
    guard(|| {
        if length.is_null() {
            return Err(PORTCULLIS_NULL);
        }
        // SAFETY: the caller's promise for each.
        unsafe {
            let signer = SIGNERS.share(signer.addr())?;
            let signature = told(signer.sign_bytes(bytes.bytes()?), message, message_len)?;
            put(length, signature.len());
            if buffer.is_null() || buffer_len < signature.len() {
                return Err(PORTCULLIS_TOO_SMALL);
            }
            std::ptr::copy_nonoverlapping(signature.as_ptr(), buffer, signature.len());
        }
        Ok(())
    })
}
