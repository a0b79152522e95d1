//! The structs and numbers of the C ABI.

use crate::verdict::{API_ID_MAX, APP_ID_MAX, CODE_MAX, KID_MAX};
use std::ffi::c_char;

/// What a call came to. Numbers are never reused; 0 is success.
#[repr(i32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum portcullis_result {
    /// Done.
    PORTCULLIS_OK = 0,
    /// A pointer that must not be NULL is NULL.
    PORTCULLIS_NULL = 1,
    /// A handle that was never given out, or is closed.
    PORTCULLIS_BAD_HANDLE = 2,
    /// The handle is in use by another thread at this moment: a worker belongs to one thread.
    PORTCULLIS_BUSY = 3,
    /// A `struct_size` smaller than this version's least, or larger than any it knows.
    PORTCULLIS_BAD_STRUCT_SIZE = 4,
    /// A length beyond what memory can hold, or text that must be UTF-8 and is not.
    PORTCULLIS_BAD_ARGUMENT = 5,
    /// The configuration document was refused; the message says where and why. What was in force stays in force.
    PORTCULLIS_BAD_CONFIG = 6,
    /// The shared state region cannot be had; the message says why.
    PORTCULLIS_BAD_STATE = 7,
    /// No handle is free.
    PORTCULLIS_TOO_MANY_HANDLES = 8,
    /// An error inside the library, caught at its border. No verdict of the call may be used: refuse its requests.
    PORTCULLIS_INTERNAL = 9,
}

/// Bytes borrowed from the caller for the time of a call. `ptr` may be NULL where `len` is 0.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct portcullis_slice {
    /// The first byte.
    pub ptr: *const u8,
    /// How many.
    pub len: usize,
}

/// A header line as received.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct portcullis_header {
    /// The name, without the colon.
    pub name: portcullis_slice,
    /// The value, without the line end.
    pub value: portcullis_slice,
}

/// `received_at_ms` for "now".
pub const PORTCULLIS_NOW: i64 = i64::MIN;

/// For `portcullis_done`: the request was answered.
pub const PORTCULLIS_SUCCESS: u32 = 0;
/// For `portcullis_done`: the service behind failed.
pub const PORTCULLIS_FAILURE: u32 = 1;
/// For `portcullis_deny`: an app, by its id.
pub const PORTCULLIS_DENY_APP: u32 = 0;
/// For `portcullis_deny`: a client's address.
pub const PORTCULLIS_DENY_ADDRESS: u32 = 1;
/// For `portcullis_deny`: one key of an app.
pub const PORTCULLIS_DENY_KEY: u32 = 2;

/// A request. Set every byte to 0 first, then `struct_size`, then the members you have; an empty slice means "not there".
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct portcullis_request {
    /// `sizeof(portcullis_request)`.
    pub struct_size: u32,
    /// Must be 0.
    pub reserved: u32,
    /// When the gateway received it, in milliseconds since 1970; 0 or `PORTCULLIS_NOW` means now.
    pub received_at_ms: i64,
    /// The method.
    pub method: portcullis_slice,
    /// Path and query as on the wire.
    pub target: portcullis_slice,
    /// Header lines in order of arrival; NULL where there are none.
    pub headers: *const portcullis_header,
    /// How many.
    pub header_count: usize,
    /// The body, whole.
    pub body: portcullis_slice,
    /// The client's address as text, IPv4 or IPv6.
    pub client_ip: portcullis_slice,
    /// `http` or `https`.
    pub scheme: portcullis_slice,
    /// Host and port.
    pub authority: portcullis_slice,
    /// The profile to judge by (UTF-8).
    pub profile: portcullis_slice,
    /// Whose request it is, for schemes that carry no app id (UTF-8).
    pub app_id: portcullis_slice,
    /// The version of TLS that it came over, as text: `1.2`, `TLSv1.2`.
    pub tls: portcullis_slice,
    /// SHA-256 of the client's verified certificate in DER, as 64 hexadecimal digits.
    pub peer_certificate_sha256: portcullis_slice,
    /// The trace number that the request has in the gateway's logs (UTF-8).
    pub trace_id: portcullis_slice,
}

/// The verdict of a request. Texts end with a NUL.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct portcullis_verdict {
    /// `sizeof(portcullis_verdict)`, set by the caller.
    pub struct_size: u32,
    /// A `portcullis_reason`; 0 is accepted.
    pub reason: u16,
    /// The HTTP status to answer with.
    pub http_status: u16,
    /// Milliseconds after which a limited request may pass; 0 otherwise.
    pub retry_after_ms: u64,
    /// For an accepted request: what `portcullis_done` and `portcullis_release` take; zeros otherwise.
    pub ticket: [u64; 3],
    /// 1 + the place in the document's `limits` of the first limit with the action `alert` that an accepted request exceeded; 0: none.
    pub alert: u32,
    /// 0.
    pub reserved: u32,
    /// The return code.
    pub code: [c_char; 24],
    /// The app id that the request claims; empty where it has none.
    pub app_id: [c_char; 72],
    /// The key id.
    pub kid: [c_char; 72],
    /// The API of the document that was matched; empty where none was.
    pub api_id: [c_char; 40],
}

const _: () = assert!(CODE_MAX < 24 && APP_ID_MAX < 72 && KID_MAX < 72 && API_ID_MAX < 40, "texts and their NULs fit");

/// An engine: a configuration in force and the state it keeps. Shared by all threads of a process.
pub struct portcullis_engine {
    _opaque: [u8; 0],
}

/// A worker: the scratch memory of one thread.
pub struct portcullis_worker {
    _opaque: [u8; 0],
}
