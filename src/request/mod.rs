//! A request as borrowed bytes, and its parameters: query, form and JSON body, each decoded exactly once.

mod check;
mod escape;
mod json;
mod name;
mod order;
mod pairs;
mod params;
mod sizes;
mod stops;
mod tls;
mod view;
mod xml;

#[cfg(test)]
mod tests;

use crate::time::Millis;
use std::net::IpAddr;

pub use crate::codec::percent::Plus;
pub use check::RequestError;
pub(crate) use name::same_name;
pub use params::{Kind, ParamError, Params, Source};
pub use sizes::Sizes;
pub(crate) use stops::{Stops, Text, Word, index};
pub use tls::TlsVersion;
pub use view::View;
pub(crate) use view::{AsSent, On, Param, Plain};

/// One header line. Names compare without case; values are as received, without the line end.
///
/// Laid out as in C, the name before the value: the C ABI lends the caller's lines where they lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Header<'a> {
    /// The name as received.
    pub name: &'a [u8],
    /// The value as received.
    pub value: &'a [u8],
}

/// A request, borrowed from the caller for the time of a call.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method, as received (`GET`).
    pub method: &'a [u8],
    /// The request target: path and query as received on the wire (`/pay?sign=…`), not decoded.
    pub target: &'a [u8],
    /// Header lines in the order of arrival.
    pub headers: &'a [Header<'a>],
    /// The body, whole.
    pub body: &'a [u8],
    /// The client's address as the gateway knows it (behind a trusted proxy: from the header that the gateway trusts).
    pub client_ip: Option<IpAddr>,
    /// When the gateway received it; `None` means now.
    pub received_at: Option<Millis>,
    /// `http` or `https`, where a scheme signs it.
    pub scheme: Option<&'a [u8]>,
    /// Host and port where a scheme signs them; `None` means the `Host` header.
    pub authority: Option<&'a [u8]>,
    /// The profile to judge by; `None` means: chosen by what the request carries and the app allows.
    pub profile: Option<&'a str>,
    /// Whose request it is, for schemes that carry neither app id nor key id.
    pub app_id: Option<&'a str>,
    /// The version of TLS that it came over, as the gateway knows it.
    pub tls: Option<TlsVersion>,
    /// SHA-256 of the client's certificate in DER, where the connection had one and the gateway has verified it.
    pub peer_certificate: Option<[u8; 32]>,
    /// The trace number that the request has in the gateway's logs.
    pub trace_id: Option<&'a str>,
}

impl<'a> Request<'a> {
    /// A request of `method`, `target` and `body` with nothing else.
    #[must_use]
    pub fn new(method: &'a [u8], target: &'a [u8], body: &'a [u8]) -> Self {
        Self {
            method,
            target,
            headers: &[],
            body,
            client_ip: None,
            received_at: None,
            scheme: None,
            authority: None,
            profile: None,
            app_id: None,
            tls: None,
            peer_certificate: None,
            trace_id: None,
        }
    }

    /// The target up to its first `?`.
    #[must_use]
    pub fn path(&self) -> &'a [u8] {
        match memchr::memchr(b'?', self.target) {
            Some(at) => &self.target[..at],
            None => self.target,
        }
    }

    /// The target after its first `?`, or nothing.
    #[must_use]
    pub fn query(&self) -> &'a [u8] {
        match memchr::memchr(b'?', self.target) {
            Some(at) => &self.target[at + 1..],
            None => &[],
        }
    }

    /// The values of the header `name` (compared without case), in the order of arrival.
    pub fn header_values<'s>(&'s self, name: &'s [u8]) -> impl Iterator<Item = &'a [u8]> + 's {
        self.headers.iter().filter(move |h| name::same_name(h.name, name)).map(|h| h.value)
    }
}
