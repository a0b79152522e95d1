//! Which kernel runs: what the CPU has, what passed its known answers, and what is cheapest for so many signatures.

use std::sync::OnceLock;

use super::batch::{Claim, Pkcs1, Recover};
use super::prepare::{MAX_BYTES, limbs52};
use crate::lanes::Cpu;
#[cfg(target_arch = "x86_64")]
use {
    super::one::{Pkcs1One, RecoverOne},
    super::radix28::Radix28,
    super::radix52::Radix52,
    crate::lanes::u64s::{Ifma8, Wide4},
    crate::lanes::{Avx2, Avx512Ifma},
    std::marker::PhantomData,
};

/// One way of computing with lanes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unit {
    /// Eight signatures in lanes, AVX-512 IFMA.
    Eight,
    /// One signature across lanes, AVX-512 IFMA.
    Across,
    /// Four signatures in lanes, AVX2.
    Four,
}

impl Unit {
    pub const ALL: [Self; 3] = [Self::Eight, Self::Across, Self::Four];

    /// The name by which a failed self-test is reported.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Eight => "rsa-ifma-x8",
            Self::Across => "rsa-ifma-across",
            Self::Four => "rsa-avx2-x4",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }

    /// Signatures in a full group.
    pub const fn lanes(self) -> usize {
        match self {
            Self::Eight => 8,
            Self::Across => 1,
            Self::Four => 4,
        }
    }

    /// Whether the constants it wants are those in limbs of 52 bits.
    pub const fn wide(self) -> bool {
        !matches!(self, Self::Four)
    }
}

/// µs of one run, whatever its fill, for keys of up to 2048, 3072 and 4096 bits and exponent 65537; `SCALAR` is one signature by aws-lc.
///
/// Measured together on a Xeon with AVX-512 IFMA near 2.9 GHz. Only the proportions matter, and those hold for other exponents well enough.
const EIGHT: [u32; 3] = [204, 432, 745];
const ACROSS: [u32; 3] = [70, 158, 222];
const FOUR: [u32; 3] = [452, 930, 1810];
const SCALAR: [u32; 3] = [180, 370, 670];

/// The row of a key of `k` bytes in the tables above.
fn size(k: usize) -> usize {
    limbs52(k) / 20 - 2
}

/// The units that may be used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Units {
    set: u8,
    #[cfg(target_arch = "x86_64")]
    ifma: Option<Avx512Ifma>,
    #[cfg(target_arch = "x86_64")]
    avx2: Option<Avx2>,
}

/// How a number of signatures is shared out: first full groups, then the rest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Shares {
    /// The unit of the groups, and how many signatures go through it (the last group may not be full).
    pub groups: Option<(Unit, usize)>,
    /// Whether the others go across lanes; one by one without lanes if not.
    pub across: bool,
}

impl Units {
    /// Those that `cpu` has and that computed their known answers rightly (tried once in the life of the process).
    pub fn of(cpu: Cpu) -> Self {
        static BROKEN: OnceLock<u8> = OnceLock::new();
        let units = Self::untested(cpu);
        if units.set == 0 {
            return units;
        }
        let broken = *BROKEN.get_or_init(|| {
            let all = Self::untested(Cpu::hardware());
            let failed = super::selftest::failures(all);
            failed.iter().fold(0, |set, unit| set | unit.bit())
        });
        Self { set: units.set & !broken, ..units }
    }

    /// Those that `cpu` has.
    #[cfg(target_arch = "x86_64")]
    pub fn untested(cpu: Cpu) -> Self {
        let (ifma, avx2) = (cpu.avx512_ifma(), cpu.avx2());
        let set = if ifma.is_some() { Unit::Eight.bit() | Unit::Across.bit() } else { 0 }
            | if avx2.is_some() { Unit::Four.bit() } else { 0 };
        Self { set, ifma, avx2 }
    }

    /// Those that `cpu` has.
    #[cfg(not(target_arch = "x86_64"))]
    pub fn untested(_: Cpu) -> Self {
        Self { set: 0 }
    }

    /// Whether `unit` is among them.
    pub fn has(self, unit: Unit) -> bool {
        self.set & unit.bit() != 0
    }

    /// Only `unit`, if it is there: for tests.
    #[cfg(test)]
    pub fn only(self, unit: Unit) -> Self {
        Self { set: self.set & unit.bit(), ..self }
    }

    /// The cheapest way for `count` signatures with keys of `k` bytes.
    pub fn share(self, k: usize, count: usize) -> Shares {
        let size = size(k);
        let (across, one) = if self.has(Unit::Across) { (true, ACROSS[size]) } else { (false, SCALAR[size]) };
        let unit = if self.has(Unit::Eight) {
            Some((Unit::Eight, EIGHT[size]))
        } else if self.has(Unit::Four) {
            Some((Unit::Four, FOUR[size]))
        } else {
            None
        };
        let groups = unit.and_then(|(unit, cost)| {
            let rest = count % unit.lanes();
            // A group that is not full is worth its price only if its signatures cost more one by one. (A full one always is; where one
            // signature goes across lanes only, a "group" of that unit is a full one.)
            let grouped = if rest as u32 * one < cost { count - rest } else { count };
            (grouped > 0).then_some((unit, grouped))
        });
        Shares { groups, across }
    }

    /// Checks a group of PKCS#1 v1.5 signatures: bit i of the result for claim i. `None` if the unit is not there.
    ///
    /// `claims` holds 1 to [`Unit::lanes`] claims; see [`Pkcs1`].
    #[cfg(target_arch = "x86_64")]
    pub fn pkcs1(self, unit: Unit, claims: &[Claim<'_>], e: u64) -> Option<u8> {
        let &first = claims.first()?;
        let limbs = first.constants.limbs();
        macro_rules! group {
            ($proof:expr, $arithmetic:ty) => {
                $proof.enter(Pkcs1::<$arithmetic> { claims, e, arithmetic: PhantomData })
            };
        }
        macro_rules! one {
            ($proof:expr, $vectors:literal) => {
                u8::from($proof.enter(Pkcs1One::<Ifma8, $vectors, { $vectors + 1 }> {
                    claim: first,
                    e,
                    vector: PhantomData,
                }))
            };
        }
        self.has(unit).then_some(())?;
        Some(match (unit, limbs) {
            (Unit::Eight, 40) => group!(self.ifma?, Radix52<Ifma8, 4>),
            (Unit::Eight, 60) => group!(self.ifma?, Radix52<Ifma8, 6>),
            (Unit::Eight, 80) => group!(self.ifma?, Radix52<Ifma8, 8>),
            (Unit::Across, 40) => one!(self.ifma?, 5),
            (Unit::Across, 60) => one!(self.ifma?, 8),
            (Unit::Across, 80) => one!(self.ifma?, 10),
            (Unit::Four, 75) => group!(self.avx2?, Radix28<Wide4, 28, 15>),
            (Unit::Four, 110) => group!(self.avx2?, Radix28<Wide4, 28, 22>),
            (Unit::Four, 155) => group!(self.avx2?, Radix28<Wide4, 27, 31>),
            _ => return None,
        })
    }

    /// Recovers s^e mod n of a group: see [`Recover`]. `None` if the unit is not there.
    #[cfg(target_arch = "x86_64")]
    pub fn recover(self, unit: Unit, claims: &[Claim<'_>], e: u64, values: &mut [[u8; MAX_BYTES]]) -> Option<()> {
        let &first = claims.first()?;
        let limbs = first.constants.limbs();
        macro_rules! group {
            ($proof:expr, $arithmetic:ty) => {
                $proof.enter(Recover::<$arithmetic> { claims, e, values, arithmetic: PhantomData })
            };
        }
        macro_rules! one {
            ($proof:expr, $vectors:literal) => {
                $proof.enter(RecoverOne::<Ifma8, $vectors, { $vectors + 1 }> {
                    claim: first,
                    e,
                    value: &mut values[0],
                    vector: PhantomData,
                })
            };
        }
        self.has(unit).then_some(())?;
        match (unit, limbs) {
            (Unit::Eight, 40) => group!(self.ifma?, Radix52<Ifma8, 4>),
            (Unit::Eight, 60) => group!(self.ifma?, Radix52<Ifma8, 6>),
            (Unit::Eight, 80) => group!(self.ifma?, Radix52<Ifma8, 8>),
            (Unit::Across, 40) => one!(self.ifma?, 5),
            (Unit::Across, 60) => one!(self.ifma?, 8),
            (Unit::Across, 80) => one!(self.ifma?, 10),
            (Unit::Four, 75) => group!(self.avx2?, Radix28<Wide4, 28, 15>),
            (Unit::Four, 110) => group!(self.avx2?, Radix28<Wide4, 28, 22>),
            (Unit::Four, 155) => group!(self.avx2?, Radix28<Wide4, 27, 31>),
            _ => return None,
        }
        Some(())
    }

    /// No lanes here yet.
    #[cfg(not(target_arch = "x86_64"))]
    pub fn pkcs1(self, _: Unit, _: &[Claim<'_>], _: u64) -> Option<u8> {
        None
    }

    /// No lanes here yet.
    #[cfg(not(target_arch = "x86_64"))]
    pub fn recover(self, _: Unit, _: &[Claim<'_>], _: u64, _: &mut [[u8; MAX_BYTES]]) -> Option<()> {
        None
    }
}
