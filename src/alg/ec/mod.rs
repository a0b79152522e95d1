//! What ECDSA over P-256 and SM2 share: keys with tables, and the deciding of claims in lanes.
//!
//! * [`shelf`]: the tables of all keys of the process, under one cap of bytes.
//! * [`decide`]: claims of any number and mix of keys, grouped by the kind of table their keys have.
//! * [`build`]: tables for keys that were seen twice, a few at a time, on a budget.

mod build;
mod decide;
mod selftest;
mod shelf;
#[cfg(test)]
mod tests;

pub(in crate::alg) use build::build_now;
pub(in crate::alg) use decide::{Claims, Decider, Pending};
pub(in crate::alg) use shelf::Slot;
pub use shelf::{KeyTables, key_tables, set_key_table_bytes};

use std::sync::OnceLock;

use crate::curve::{Curve, P256, Sm2};
use crate::field::words::Words;

/// A curve as this room uses it.
pub(in crate::alg) trait Signing: Curve {
    /// The known answers: x(2 G).
    const TWICE_GX: Words;
    /// Whether the kernels gave the known answers, found out once.
    fn trusted() -> &'static OnceLock<bool>;
}

impl Signing for P256 {
    const TWICE_GX: Words =
        [0xa60b_48fc_4766_9978, 0xc089_69e2_77f2_1b35, 0x8a52_3803_04b5_1ac3, 0x7cf2_7b18_8d03_4f7e];
    fn trusted() -> &'static OnceLock<bool> {
        static TRUSTED: OnceLock<bool> = OnceLock::new();
        &TRUSTED
    }
}

impl Signing for Sm2 {
    const TWICE_GX: Words =
        [0x495c_2e1d_a3f2_bd52, 0x9c0d_fa08_c08a_7331, 0x0d58_ef57_fa73_ba4d, 0x56ce_fd60_d7c8_7c00];
    fn trusted() -> &'static OnceLock<bool> {
        static TRUSTED: OnceLock<bool> = OnceLock::new();
        &TRUSTED
    }
}

/// The numbers in 04 ‖ x ‖ y, which must be a point of the curve.
pub(in crate::alg) fn coordinates(point: &[u8; 65]) -> (Words, Words) {
    let number = |from: usize| {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(&point[from..from + 32]);
        crate::field::words::from_be_bytes(&bytes)
    };
    (number(1), number(33))
}
