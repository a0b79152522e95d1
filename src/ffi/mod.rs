//! The C ABI.
//!
//! An *engine* is shared by all threads of a process, a *worker* is one per thread and holds the scratch memory of verification; *signers* and
//! *queues* are shared, *audit chains* one per thread. Handles are numbers dressed as pointers: nothing behind them is ever dereferenced by way of what the caller passes, so a
//! closed, repeated or made-up handle is a result and not a crash (see `slots`).
//!
//! All memory given by the caller is borrowed for the time of the call; verdicts go into the caller's memory; nothing needs to be freed per
//! request. Every function returns a [`portcullis_result`] and catches panics at the border.
#![allow(unsafe_code, non_camel_case_types)]

mod bell;
mod calls;
mod judge;
#[cfg(target_pointer_width = "64")]
mod layout;
mod queue;
mod reports;
mod signals;
mod signing;
mod slots;
mod support;
mod tokens;
mod types;

pub use calls::*;
pub use queue::*;
pub use reports::*;
pub use signing::*;
pub use tokens::*;
pub use types::*;
