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
    /// In use by another thread at this moment (a worker belongs to one thread), or full (a queue). Nothing was done; try again.
    PORTCULLIS_BUSY = 3,
    /// A `struct_size` smaller than this version's least, or larger than any it knows.
    PORTCULLIS_BAD_STRUCT_SIZE = 4,
    /// A length beyond what memory can hold, or text that must be UTF-8 and is not.
    PORTCULLIS_BAD_ARGUMENT = 5,
    /// The configuration document was refused, or lacks what the call needs; the message says where and why. What was in force stays in force.
    PORTCULLIS_BAD_CONFIG = 6,
    /// The shared state region cannot be had or has no room, or the system refused something; the message says why.
    PORTCULLIS_BAD_STATE = 7,
    /// No handle is free.
    PORTCULLIS_TOO_MANY_HANDLES = 8,
    /// An error inside the library, caught at its border. No verdict of the call may be used: refuse its requests.
    PORTCULLIS_INTERNAL = 9,
    /// The caller's buffer is too small. Nothing was done but telling the length that is needed.
    PORTCULLIS_TOO_SMALL = 10,
    /// The handle belongs to the process before the fork; open one in this process. Closing it here frees nothing of the other process's.
    PORTCULLIS_FORKED = 11,
    /// The system gives no thread or no event descriptor.
    PORTCULLIS_NO_THREAD = 12,
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

/// For `flags` of `portcullis_queue_options`: no request is judged by the thread that submits it, not even one that comes alone.
pub const PORTCULLIS_QUEUE_POOL_ONLY: u32 = 1;

/// For `portcullis_done`: the request was answered.
pub const PORTCULLIS_SUCCESS: u32 = 0;
/// For `portcullis_done`: the service behind failed.
pub const PORTCULLIS_FAILURE: u32 = 1;
/// For `portcullis_grant_issue`: good for one call.
pub const PORTCULLIS_GRANT_ONCE: u32 = 0;
/// For `portcullis_grant_issue`: good until a moment.
pub const PORTCULLIS_GRANT_UNTIL: u32 = 1;
/// For `portcullis_grant_issue`: good for the contract, until it is taken back.
pub const PORTCULLIS_GRANT_CONTRACT: u32 = 2;
/// For `portcullis_explain`: show values whole.
pub const PORTCULLIS_EXPLAIN_UNMASK: u32 = 1;
/// For `portcullis_explain`: show the MAC that would be right; whoever reads it can send the request.
pub const PORTCULLIS_EXPLAIN_EXPECTED: u32 = 2;
/// For `keep_days` of `portcullis_audit_options`, added to the days: records in the binary form, frames instead of lines of JSON.
pub const PORTCULLIS_AUDIT_BINARY: u32 = 0x8000_0000;
/// A buffer of so many bytes holds every record that opens or closes an audit chain.
pub const PORTCULLIS_AUDIT_LINE: usize = 512;
/// `duration_us` of an audit record that tells none.
pub const PORTCULLIS_NO_DURATION: u64 = u64::MAX;
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
    /// For an accepted call with a one-time token: its reservation, for `portcullis_one_time_commit` and `portcullis_one_time_release`.
    pub one_time: [u64; 3],
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

/// A token or grant that was issued.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct portcullis_token {
    /// `sizeof(portcullis_token)`, set by the caller.
    pub struct_size: u32,
    /// Seconds that it lives; 0 for grants.
    pub expires_in_s: u32,
    /// What the client sends: 40 characters and a NUL.
    pub text: [c_char; 48],
}

/// Who signs, by which profile, with which key. Set every byte to 0 first; an empty slice means "not there".
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct portcullis_signer_options {
    /// `sizeof(portcullis_signer_options)`.
    pub struct_size: u32,
    /// Must be 0.
    pub reserved: u32,
    /// The profile: the document's of that name, or a built-in one.
    pub profile: portcullis_slice,
    /// Whose request it is; may be empty where the profile carries no app id and `alg` is there.
    pub app_id: portcullis_slice,
    /// The credential of the app, or the key id to write; empty: the first credential that the profile admits.
    pub kid: portcullis_slice,
    /// With `private_key_pem`: the algorithm (`rsa-pkcs1-sha256`) of a key that the document need not know, such as the gateway's own.
    pub alg: portcullis_slice,
    /// The private key of a key pair, PKCS#8 in PEM; MACs use the secret of the document.
    pub private_key_pem: portcullis_slice,
    /// The user id of an SM2 key, where it is not the standard's default.
    pub sm2_user_id: portcullis_slice,
    /// Fields of the profile that the document does not have, such as a region, as names and values; NULL where there are none.
    pub extra: *const portcullis_header,
    /// How many.
    pub extra_count: usize,
}

/// A signed request. All of it lies in the buffer that the caller gave.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct portcullis_signed {
    /// `sizeof(portcullis_signed)`, set by the caller.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// Bytes of the buffer that were used, or that are needed.
    pub length: usize,
    /// The method.
    pub method: portcullis_slice,
    /// Path and query to send.
    pub target: portcullis_slice,
    /// Header lines to send.
    pub headers: *const portcullis_header,
    /// How many.
    pub header_count: usize,
    /// The body to send.
    pub body: portcullis_slice,
}

/// Where an audit chain stands.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct portcullis_audit_head {
    /// The chain.
    pub chain: u64,
    /// Lines written.
    pub lines: u64,
    /// The last link.
    pub link: [u8; 16],
}

/// How to open an audit chain.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct portcullis_audit_options {
    /// `sizeof(portcullis_audit_options)`.
    pub struct_size: u32,
    /// How many days the records must be kept; 0: a year, as a bank must. `PORTCULLIS_AUDIT_BINARY` may be added.
    pub keep_days: u32,
    /// The secret of the links, 32 bytes at least. Copied.
    pub key: portcullis_slice,
    /// The head of the chain that this one goes on from, where a file was rotated; NULL for a first one.
    pub after: *const portcullis_audit_head,
}

/// What one audit record says. Set every byte to 0 first.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct portcullis_audit_record {
    /// `sizeof(portcullis_audit_record)`.
    pub struct_size: u32,
    /// Must be 0.
    pub reserved: u32,
    /// When the request was received, in milliseconds since 1970; 0 means now.
    pub at_ms: i64,
    /// How it was judged.
    pub verdict: *const portcullis_verdict,
    /// How long it took in microseconds, the service behind included; `PORTCULLIS_NO_DURATION` where the gateway does not tell.
    pub duration_us: u64,
    /// The trace number that the gateway's logs have for it; empty where there is none.
    pub trace_id: portcullis_slice,
    /// The account that it was about, masked in the record; empty where there is none.
    pub account: portcullis_slice,
    /// The accepted request, where the record is to show what was signed, and a worker to read it with; NULL otherwise.
    pub request: *const portcullis_request,
    /// The worker.
    pub worker: *mut portcullis_worker,
}

/// How to open a queue. Set every byte to 0 first; 0 means the default.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct portcullis_queue_options {
    /// `sizeof(portcullis_queue_options)`.
    pub struct_size: u32,
    /// Threads of the pool, 256 at most; 0: one for each processor that this process may use.
    pub threads: u32,
    /// Requests that may be submitted and not yet reaped, 65,536 at most; 0: 1,024.
    pub capacity: u32,
    /// 0, or `PORTCULLIS_QUEUE_POOL_ONLY`.
    pub flags: u32,
}

/// A submitted request that was judged.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct portcullis_completion {
    /// `sizeof(portcullis_completion)`, set by the caller.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// What the request was submitted with.
    pub user: u64,
    /// The verdict, its `struct_size` set by the library.
    pub verdict: portcullis_verdict,
}

/// A struct that begins with its size, four bytes.
pub(super) trait Sized32 {}

macro_rules! sized {
    ($($name:ident)*) => { $(
        impl Sized32 for $name {}
        const _: () = assert!(std::mem::offset_of!($name, struct_size) == 0);
    )* };
}
sized!(portcullis_request portcullis_verdict portcullis_token portcullis_signer_options portcullis_signed portcullis_audit_options
    portcullis_audit_record portcullis_queue_options portcullis_completion);

const _: () = assert!(CODE_MAX < 24 && APP_ID_MAX < 72 && KID_MAX < 72 && API_ID_MAX < 40, "texts and their NULs fit");

/// An engine: a configuration in force and the state it keeps. Shared by all threads of a process.
pub struct portcullis_engine {
    _opaque: [u8; 0],
}

/// A worker: the scratch memory of one thread.
pub struct portcullis_worker {
    _opaque: [u8; 0],
}

/// A signer: a key with all that a profile needs to sign with it. Shared by threads.
pub struct portcullis_signer {
    _opaque: [u8; 0],
}

/// An audit chain that is being written, by one thread at a time.
pub struct portcullis_audit {
    _opaque: [u8; 0],
}

/// A queue of requests that a pool of threads judges. Shared by threads.
pub struct portcullis_queue {
    _opaque: [u8; 0],
}
