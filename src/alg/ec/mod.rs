//! What ECDSA over P-256 and SM2 share: keys with tables, and the deciding of claims in lanes. Ed25519 shares the shelf and the building.
//!
//! * [`shelf`]: the tables of all keys of the process, under one cap of bytes.
//! * [`decide`]: claims of any number and mix of keys, grouped by the kind of table their keys have.
//! * [`plain`]: the same where there are no lanes.
//! * [`build`]: tables for keys that were seen twice, a few at a time, on a budget.

mod build;
mod decide;
mod plain;
mod selftest;
mod shelf;
#[cfg(test)]
mod tests;

pub(in crate::alg) use build::{Tables, Waiting, build_now, build_plain_now, shared_sizes};
pub(in crate::alg) use decide::{Claims, Decider, Numbers, Pending};
pub(in crate::alg) use plain::{Plain, PlainDecider};
pub(in crate::alg) use shelf::{KeyTable, Lines, ShapedTable, Slot, drop_lost, next_batch};
pub use shelf::{KeyTables, key_tables, set_key_table_bytes};

use std::sync::OnceLock;

use crate::curve::{Curve, P256, Sm2};
use crate::field::words::Words;
use crate::lanes::Cpu;

/// A curve as this room uses it.
pub(in crate::alg) trait Signing: Curve {
    /// Tells the tables of the curves apart where processes share them.
    const NUMBER: u64;
    /// The known answer: a published private key k.
    const KNOWN_KEY: Words;
    /// The x-coordinate of its public key k G, as published with it.
    const KNOWN_X: Words;
    /// Whether the kernels gave the known answers, found out once; and whether plain code did.
    fn trusted() -> &'static [OnceLock<bool>; 2];
}

impl Signing for P256 {
    const NUMBER: u64 = 1;
    // RFC 6979, A.2.5.
    const KNOWN_KEY: Words =
        [0x7b8a_622b_120f_6721, 0x4e50_c3db_36e8_9b12, 0x6b5c_2157_67b1_d693, 0xc9af_a9d8_45ba_7516];
    const KNOWN_X: Words = [0xe669_622e_60f2_9fb6, 0xc049_b892_3b61_fa6c, 0xc961_eb74_c635_6d68, 0x60fe_d4ba_255a_9d31];
    fn trusted() -> &'static [OnceLock<bool>; 2] {
        static TRUSTED: [OnceLock<bool>; 2] = [const { OnceLock::new() }; 2];
        &TRUSTED
    }
}

impl Signing for Sm2 {
    const NUMBER: u64 = 2;
    // GB/T 32918.5-2017, A.2.
    const KNOWN_KEY: Words =
        [0x42fb_81ef_4df7_c5b8, 0x8893_9369_2860_b51a, 0x3f36_e38a_c6d3_9f95, 0x3945_208f_7b21_44b1];
    const KNOWN_X: Words = [0x6bb0_8ff3_56f3_5020, 0x7217_9fad_1833_fc07, 0x50dd_7d16_1e4b_c5c6, 0x09f9_df31_1e54_21a1];
    fn trusted() -> &'static [OnceLock<bool>; 2] {
        static TRUSTED: [OnceLock<bool>; 2] = [const { OnceLock::new() }; 2];
        &TRUSTED
    }
}

/// See [`super::failed_kernels`]; for the curves that are asked for.
pub(in crate::alg) fn failed_kernels(cpu: Cpu, p256: bool, sm2: bool) -> Vec<&'static str> {
    let lanes = cpu.avx512_ifma().is_some();
    [
        ("p256-lanes", !p256 || !lanes || selftest::trusted::<P256>()),
        ("sm2-lanes", !sm2 || !lanes || selftest::trusted::<Sm2>()),
        ("p256-plain", !p256 || lanes || selftest::plain_trusted::<P256>()),
        ("sm2-plain", !sm2 || lanes || selftest::plain_trusted::<Sm2>()),
    ]
    .into_iter()
    .filter_map(|(name, good)| (!good).then_some(name))
    .collect()
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
