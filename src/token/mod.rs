//! Access tokens, one-time tokens and grants ([`Grant`]).
//!
//! # Access tokens
//!
//! An app proves who it is once, gets a token, and sends it with its calls (open-API guide, 5.3; JR/T 0185-2020, 9.2.1b). A token is
//! [`TEXT_LEN`] characters ([`text`]): a few claims and a MAC over them and the app's id. It needs no store: whoever has the key can check it.
//! Shared memory holds what a MAC cannot know ([`store`]): who refreshed, and what was revoked.
//!
//! - *Life*: [`Policy::life_s`], never more than [`Policy::max_life_s`]; an API may ask for younger ones (9.2.1b3).
//! - *Refresh* raises the app's generation. Tokens of the generation before are good for the overlap, five minutes, so that the app's own
//!   servers can change over (guide, end). Another refresh within the overlap gives another token of the same generation: however
//!   often it is asked for, the old tokens get their five minutes, and never more.
//! - *Revocation* by token, by app, or of everything issued up to a moment: seen by every process of the region at its next check (9.2.1b4).
//! - *A new region* has lost what was revoked: it refuses tokens issued before its birth, as it does with nonces (the *birth rule*).
//!
//! # One-time tokens
//!
//! The guide's section 3: the client fetches a token, sends it with the call that must not happen twice, and the server deletes it. The guide
//! asks for both "deleted after success" and "checked and deleted atomically". [`Store::reserve`], [`Store::commit`] and [`Store::release`]
//! give both: of any number of calls with one token exactly one gets the reservation; after success it commits and the token is
//! used for ever; when nothing was done it releases and the token is good again; and when its worker dies in between, the reservation ends
//! with its lease. The token itself is again claims and a MAC, so fetching tokens costs the server nothing, and nobody can
//! fill its memory by fetching: only tokens that are *sent* take a place.

mod apps;
mod batch;
mod grant;
mod one_time;
mod policy;
mod revoked;
mod store;
#[cfg(test)]
mod tests;
mod text;

pub(crate) use batch::Read;
pub use batch::{Check, Checker};
pub use grant::{Grant, Scope};
pub use policy::{OneTimePolicy, Policy, PolicyError, SECRET_MIN};
pub use store::{Issued, Refused, Sizes, Store};
pub use text::{TEXT_LEN, TokenText};
