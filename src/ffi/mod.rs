//! The C ABI.
//!
//! Two kinds of handle: an *engine*, shared by all threads of a process, and a *worker*, one per thread, which holds the scratch memory of
//! verification. Handles are numbers dressed as pointers: nothing behind them is ever dereferenced by way of what the caller passes, so a
//! closed, repeated or made-up handle is a result and not a crash (see `slots`).
//!
//! All memory given by the caller is borrowed for the time of the call; verdicts go into the caller's memory; nothing needs to be freed per
//! request. Every function returns a [`portcullis_result`] and catches panics at the border.
#![allow(unsafe_code, non_camel_case_types)]

mod calls;
mod slots;
mod types;

pub use calls::*;
pub use types::*;
