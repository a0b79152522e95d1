//! Known answers, to be run before a kernel is trusted with a request.
//!
//! A miscompiled kernel, or a CPU that does not do what it says, must not turn good signatures away or let bad ones in. The plain code is
//! held against the standards' own examples; then each kernel of this CPU against the same examples, in every lane of a full group and of a
//! group that is not full, and its HMAC against the plain code's. A kernel that fails is taken out of [`Kernels`], so that its work goes to
//! the next one or to plain code, and is reported by name.

use std::fmt;
use std::sync::OnceLock;

use super::hmac::{Sha256Key, Sm3Key};
use super::{Algorithm, Kernels, Scratch, Unit, md5, sha256, sha512, sm3};
use crate::lanes::Cpu;

/// A message and its digest.
type Known<const N: usize> = (&'static [u8], [u8; N]);

/// RFC 1321, A.5: no byte, one block, two blocks.
const MD5: &[Known<16>] = &[
    (b"", [0xd4, 0x1d, 0x8c, 0xd9, 0x8f, 0x00, 0xb2, 0x04, 0xe9, 0x80, 0x09, 0x98, 0xec, 0xf8, 0x42, 0x7e]),
    (b"abc", [0x90, 0x01, 0x50, 0x98, 0x3c, 0xd2, 0x4f, 0xb0, 0xd6, 0x96, 0x3f, 0x7d, 0x28, 0xe1, 0x7f, 0x72]),
    (
        b"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
        [0x57, 0xed, 0xf4, 0xa2, 0x2b, 0xe3, 0xc9, 0x55, 0xac, 0x49, 0xda, 0x2e, 0x21, 0x07, 0xb6, 0x7a],
    ),
];

/// FIPS 180-4, the examples of one and of two blocks.
const SHA256: &[Known<32>] = &[
    (
        b"abc",
        [
            0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03,
            0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
        ],
    ),
    (
        b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        [
            0x24, 0x8d, 0x6a, 0x61, 0xd2, 0x06, 0x38, 0xb8, 0xe5, 0xc0, 0x26, 0x93, 0x0c, 0x3e, 0x60, 0x39, 0xa3, 0x3c,
            0xe4, 0x59, 0x64, 0xff, 0x21, 0x67, 0xf6, 0xec, 0xed, 0xd4, 0x19, 0xdb, 0x06, 0xc1,
        ],
    ),
];

/// FIPS 180-4, the examples of one and of two blocks.
const SHA512: &[Known<64>] = &[
    (
        b"abc",
        [
            0xdd, 0xaf, 0x35, 0xa1, 0x93, 0x61, 0x7a, 0xba, 0xcc, 0x41, 0x73, 0x49, 0xae, 0x20, 0x41, 0x31,
            0x12, 0xe6, 0xfa, 0x4e, 0x89, 0xa9, 0x7e, 0xa2, 0x0a, 0x9e, 0xee, 0xe6, 0x4b, 0x55, 0xd3, 0x9a,
            0x21, 0x92, 0x99, 0x2a, 0x27, 0x4f, 0xc1, 0xa8, 0x36, 0xba, 0x3c, 0x23, 0xa3, 0xfe, 0xeb, 0xbd,
            0x45, 0x4d, 0x44, 0x23, 0x64, 0x3c, 0xe8, 0x0e, 0x2a, 0x9a, 0xc9, 0x4f, 0xa5, 0x4c, 0xa4, 0x9f,
        ],
    ),
    (
        b"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
        [
            0x8e, 0x95, 0x9b, 0x75, 0xda, 0xe3, 0x13, 0xda, 0x8c, 0xf4, 0xf7, 0x28, 0x14, 0xfc, 0x14, 0x3f,
            0x8f, 0x77, 0x79, 0xc6, 0xeb, 0x9f, 0x7f, 0xa1, 0x72, 0x99, 0xae, 0xad, 0xb6, 0x88, 0x90, 0x18,
            0x50, 0x1d, 0x28, 0x9e, 0x49, 0x00, 0xf7, 0xe4, 0x33, 0x1b, 0x99, 0xde, 0xc4, 0xb5, 0x43, 0x3a,
            0xc7, 0xd3, 0x29, 0xee, 0xb6, 0xdd, 0x26, 0x54, 0x5e, 0x96, 0xe5, 0x5b, 0x87, 0x4b, 0xe9, 0x09,
        ],
    ),
];

/// GB/T 32905-2016, A.1 and A.2: one block, two blocks.
const SM3: &[Known<32>] = &[
    (
        b"abc",
        [
            0x66, 0xc7, 0xf0, 0xf4, 0x62, 0xee, 0xed, 0xd9, 0xd1, 0xf2, 0xd4, 0x6b, 0xdc, 0x10, 0xe4, 0xe2, 0x41, 0x67,
            0xc4, 0x87, 0x5c, 0xf2, 0xf7, 0xa2, 0x29, 0x7d, 0xa0, 0x2b, 0x8f, 0x4b, 0xa8, 0xe0,
        ],
    ),
    (
        b"abcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcd",
        [
            0xde, 0xbe, 0x9f, 0xf9, 0x22, 0x75, 0xb8, 0xa1, 0x38, 0x60, 0x48, 0x89, 0xc1, 0x8e, 0x5a, 0x4d, 0x6f, 0xdb,
            0x70, 0xe5, 0x38, 0x7e, 0x57, 0x65, 0x29, 0x3d, 0xcb, 0xa3, 0x9c, 0x0c, 0x57, 0x32,
        ],
    ),
];

/// A kernel by name; plain code where there is no unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Name {
    /// The hash (and its HMAC).
    pub algorithm: Algorithm,
    /// What it runs on.
    pub unit: Option<Unit>,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.algorithm.name(), self.unit.map_or("scalar", Unit::name))
    }
}

/// What the known answers said.
#[derive(Clone, Debug)]
pub struct Report {
    /// The kernels that may be used: those of the CPU without those that failed.
    pub kernels: Kernels,
    /// Those that gave the right answers.
    pub passed: Vec<Name>,
    /// Those that did not. Plain code in it means that this build or machine cannot be trusted with anything.
    pub failed: Vec<Name>,
}

/// What the known answers say on this machine, with every feature of its CPU; they are run once in the life of the process.
pub fn report() -> &'static Report {
    static REPORT: OnceLock<Report> = OnceLock::new();
    REPORT.get_or_init(|| run(Cpu::hardware()))
}

/// The kernels of `cpu` that gave the right answers on this machine.
#[must_use]
pub fn trusted(cpu: Cpu) -> Kernels {
    Kernels::from(cpu).within(report().kernels)
}

/// The kernels of `cpu` that did not.
pub fn failures(cpu: Cpu) -> impl Iterator<Item = Name> {
    let kernels = Kernels::from(cpu);
    report().failed.iter().copied().filter(move |name| name.unit.is_none_or(|unit| kernels.has(name.algorithm, unit)))
}

/// Runs the known answers of every kernel that `cpu` has (some hundred microseconds).
#[must_use]
pub fn run(cpu: Cpu) -> Report {
    let mut report = Report { kernels: cpu.into(), passed: Vec::new(), failed: Vec::new() };
    report.check(cpu, Algorithm::Md5, |kernels| digests(MD5, kernels, md5::digest_many));
    report.check(cpu, Algorithm::Sha256, |kernels| {
        digests(SHA256, kernels, sha256::digest_many) && codes(kernels, Sha256Key::new, Sha256Key::mac_many)
    });
    report.check(cpu, Algorithm::Sha512, |kernels| digests(SHA512, kernels, sha512::digest_many));
    report.check(cpu, Algorithm::Sm3, |kernels| {
        digests(SM3, kernels, sm3::digest_many)
            && alone(kernels, sm3::digest_many)
            && codes(kernels, Sm3Key::new, Sm3Key::mac_many)
    });
    report
}

impl Report {
    /// Tries plain code and each unit of the CPU alone.
    fn check(&mut self, cpu: Cpu, algorithm: Algorithm, right: impl Fn(Kernels) -> bool) {
        for unit in [None, Some(Unit::Avx2), Some(Unit::Avx512), Some(Unit::ShaNi)] {
            let others = [Unit::Avx2, Unit::Avx512, Unit::ShaNi].into_iter().filter(|&other| Some(other) != unit);
            let alone = others.fold(Kernels::from(cpu), |kernels, other| kernels.without(algorithm, other));
            let name = Name { algorithm, unit };
            match unit {
                Some(unit) if !alone.has(algorithm, unit) => {}
                _ if right(alone) => self.passed.push(name),
                _ => {
                    self.failed.push(name);
                    if let Some(unit) = unit {
                        self.kernels = self.kernels.without(algorithm, unit);
                    }
                }
            }
        }
    }
}

/// Whether a group and a half of the known messages, in turn, have the known digests.
fn digests<const N: usize>(
    known: &[Known<N>],
    kernels: Kernels,
    digest_many: impl Fn(Kernels, &[&[u8]], &mut [[u8; N]], &mut Scratch),
) -> bool {
    let (messages, expected): (Vec<&[u8]>, Vec<[u8; N]>) = known.iter().cycle().take(48).copied().unzip();
    let mut out = vec![[0; N]; messages.len()];
    digest_many(kernels, &messages, &mut out, &mut Scratch::new());
    out == expected
}

/// Whether messages of one to twenty blocks, each alone, have the digests that plain code gives them.
fn alone<const N: usize>(
    kernels: Kernels,
    digest_many: impl Fn(Kernels, &[&[u8]], &mut [[u8; N]], &mut Scratch),
) -> bool {
    let text: Vec<u8> = (0..=255).cycle().take(20 * 64).collect();
    let digest = |kernels: Kernels, message: &[u8]| {
        let mut out = [[0; N]];
        digest_many(kernels, &[message], &mut out, &mut Scratch::new());
        out
    };
    let plain = Kernels::from(Cpu::SCALAR);
    (0..text.len()).step_by(100).all(|len| digest(kernels, &text[..len]) == digest(plain, &text[..len]))
}

/// Whether codes of messages of one to four blocks, each under its own key, are those of plain code.
fn codes<K>(
    kernels: Kernels,
    new: impl Fn(&[u8]) -> K,
    mac_many: impl Fn(Kernels, &[(&K, &[u8], &[u8])], &mut [[u8; 32]], &mut Scratch),
) -> bool {
    let text: Vec<u8> = (0..=255).collect();
    let keys: Vec<K> = (0..24).map(|i| new(&text[i..3 * i])).collect();
    let items: Vec<(&K, &[u8], &[u8])> =
        keys.iter().enumerate().map(|(i, key)| (key, &text[i..9 * i], &text[..i % 3 * 8])).collect();
    let (mut out, mut expected) = (vec![[0; 32]; items.len()], vec![[0; 32]; items.len()]);
    mac_many(kernels, &items, &mut out, &mut Scratch::new());
    mac_many(Kernels::from(Cpu::SCALAR), &items, &mut expected, &mut Scratch::new());
    out == expected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_here_passes() {
        for cpu in Cpu::variants() {
            let report = run(cpu);
            assert_eq!(report.failed, []);
            assert_eq!(report.kernels, cpu.into());
            assert!(report.passed.len() >= 4, "plain code at least");
        }
        assert_eq!(trusted(Cpu::hardware()), Cpu::hardware().into());
        let names: Vec<String> = run(Cpu::SCALAR).passed.iter().map(Name::to_string).collect();
        assert_eq!(names, ["md5/scalar", "sha256/scalar", "sha512/scalar", "sm3/scalar"]);
    }

    #[test]
    fn a_kernel_that_fails_is_named_and_not_used() {
        let cpu = Cpu::hardware();
        let mut wrong = MD5.to_vec();
        wrong[1].1[15] ^= 1;
        assert!(!digests(&wrong, cpu.into(), md5::digest_many));
        let mut report = Report { kernels: cpu.into(), passed: Vec::new(), failed: Vec::new() };
        report.check(cpu, Algorithm::Sm3, |kernels| !kernels.has(Algorithm::Sm3, Unit::Avx2));
        assert!(!report.kernels.has(Algorithm::Sm3, Unit::Avx2));
        if cpu.avx2().is_some() {
            assert_eq!(report.failed, [Name { algorithm: Algorithm::Sm3, unit: Some(Unit::Avx2) }]);
            assert_eq!(report.failed[0].to_string(), "sm3/avx2");
            assert!(report.kernels.has(Algorithm::Md5, Unit::Avx2), "the others stay");
        }
        assert!(report.passed.contains(&Name { algorithm: Algorithm::Sm3, unit: None }));
    }
}
