//! Which kernel runs when: the one place where measured break-even points live.

use crate::lanes::{Avx2, Avx512, Cpu, ShaNi};

/// A hash that has kernels here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum Algorithm {
    /// MD5.
    Md5,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
    /// SM3.
    Sm3,
}

impl Algorithm {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
            Self::Sm3 => "sm3",
        }
    }
}

/// What a kernel runs on, other than plain code.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum Unit {
    /// AVX2 lanes.
    Avx2,
    /// AVX-512 lanes.
    Avx512,
    /// The SHA instructions (SHA-256 alone).
    ShaNi,
}

impl Unit {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::ShaNi => "sha-ni",
        }
    }
}

/// The kernels that may run: those of the CPU, without those that failed their known answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kernels {
    cpu: Cpu,
    /// Bit 3·algorithm + unit: that one is off.
    off: u16,
}

impl From<Cpu> for Kernels {
    fn from(cpu: Cpu) -> Self {
        Self { cpu, off: 0 }
    }
}

impl Kernels {
    /// These without one.
    #[must_use]
    pub fn without(self, algorithm: Algorithm, unit: Unit) -> Self {
        Self { off: self.off | Self::bit(algorithm, unit), ..self }
    }

    /// These without what `other` is without.
    pub(super) fn within(self, other: Self) -> Self {
        Self { off: self.off | other.off, ..self }
    }

    /// Whether one may run.
    #[must_use]
    pub fn has(self, algorithm: Algorithm, unit: Unit) -> bool {
        let there = match unit {
            Unit::Avx2 => self.cpu.avx2().is_some(),
            Unit::Avx512 => self.cpu.avx512().is_some(),
            Unit::ShaNi => self.cpu.sha_ni().is_some() && algorithm == Algorithm::Sha256,
        };
        there && self.off & Self::bit(algorithm, unit) == 0
    }

    fn bit(algorithm: Algorithm, unit: Unit) -> u16 {
        1 << (3 * algorithm as u16 + unit as u16)
    }

    pub(super) fn avx2(self, algorithm: Algorithm) -> Option<Avx2> {
        self.cpu.avx2().filter(|_| self.has(algorithm, Unit::Avx2))
    }

    pub(super) fn avx512(self, algorithm: Algorithm) -> Option<Avx512> {
        self.cpu.avx512().filter(|_| self.has(algorithm, Unit::Avx512))
    }

    pub(super) fn sha_ni(self) -> Option<ShaNi> {
        self.cpu.sha_ni().filter(|_| self.has(Algorithm::Sha256, Unit::ShaNi))
    }

    /// The number of messages in a group from which the widest lanes are faster than one message after the other (SHA-256: two after two
    /// where the SHA instructions are); `usize::MAX` where there are no lanes.
    #[must_use]
    pub fn break_even(self, algorithm: Algorithm) -> usize {
        let sha_ni = algorithm == Algorithm::Sha256 && self.has(algorithm, Unit::ShaNi);
        let (avx512, avx2) = match algorithm {
            Algorithm::Md5 => (2, 2),
            Algorithm::Sm3 => (2, 2),
            Algorithm::Sha256 if sha_ni => (8, usize::MAX),
            Algorithm::Sha256 => (2, 2),
            Algorithm::Sha512 => (3, 3),
        };
        if self.has(algorithm, Unit::Avx512) {
            avx512
        } else if self.has(algorithm, Unit::Avx2) {
            avx2
        } else {
            usize::MAX
        }
    }
}
