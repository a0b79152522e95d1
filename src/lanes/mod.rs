//! Vector lanes: CPU features as typed proofs, and one entry for each backend.
//!
//! A *kernel* is code that is written once over a lane trait and implements [`Kernel`]. It is entered through
//! [`Avx2::enter`], [`Avx512::enter`], [`Avx512Ifma::enter`] or [`ShaNi::enter`]: functions compiled with the features that the proof
//! stands for, into which the kernel's `#[inline(always)]` body is inlined. A proof value exists only where the CPU has the features and
//! `PORTCULLIS_LANES` does not forbid them, so a kernel that needs them cannot be started elsewhere.
//!
//! The product is built for the plain target: nothing here relies on `target-cpu`.
#![allow(unsafe_code)]

mod aes;
mod bytes;
mod cpu;
mod f52;
#[cfg(target_arch = "x86_64")]
pub mod sha_ni;
pub(crate) mod u64s;
pub mod words;

pub use aes::{CbcMac, ShortMac};
pub use bytes::{Baseline, ByteKernel, ByteLanes, Portable, prefetch, prefetch_of, with_bytes};
pub(crate) use cpu::align_frame;
pub use cpu::{AesNi, Avx2, Avx512, Avx512Ifma, Backend, Cpu, Kernel, ShaNi};
pub use f52::{Lanes52, Line, MASK52, Model};
