//! What this CPU can do, as values that only a CPU that can do it yields.

use std::sync::OnceLock;

/// A backend by name; a greater one includes the lesser.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Backend {
    /// No vector instructions beyond the target's own; no SHA instructions either.
    Scalar,
    /// AVX2 (and BMI2, ADX where a kernel asks for them), SHA-NI where there.
    Avx2,
    /// AVX-512 F, BW, DQ, VL, and IFMA where there.
    Avx512,
}

impl Backend {
    /// The name, as `PORTCULLIS_LANES` spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }
}

/// The features that may be used: what the CPU has, capped by `PORTCULLIS_LANES` or by a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpu {
    avx2: bool,
    avx512: bool,
    ifma: bool,
    sha: bool,
    aes: bool,
}

impl Cpu {
    /// No features at all.
    pub const SCALAR: Self = Self { avx2: false, avx512: false, ifma: false, sha: false, aes: false };

    /// What this CPU has, within the cap that the environment variable `PORTCULLIS_LANES` (`scalar`, `avx2` or `avx512`) sets.
    /// Read once in the life of the process; an unknown value sets no cap.
    #[must_use]
    pub fn detect() -> Self {
        static CPU: OnceLock<Cpu> = OnceLock::new();
        *CPU.get_or_init(|| {
            let cap = match std::env::var("PORTCULLIS_LANES").as_deref() {
                Ok("scalar") => Backend::Scalar,
                Ok("avx2") => Backend::Avx2,
                _ => Backend::Avx512,
            };
            Self::hardware().capped(cap)
        })
    }

    /// What this CPU has, whatever the environment says.
    #[must_use]
    pub fn hardware() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            let avx2 = has!("avx2") && has!("bmi1") && has!("bmi2");
            let avx512 =
                avx2 && has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl") && has!("avx512cd");
            Self {
                avx2,
                avx512,
                ifma: avx512 && has!("avx512ifma"),
                sha: has!("sha") && has!("ssse3") && has!("sse4.1"),
                aes: has!("aes") && has!("sse4.1"),
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        Self::SCALAR
    }

    /// These features without what is above `cap`.
    #[must_use]
    pub fn capped(self, cap: Backend) -> Self {
        Self {
            avx2: self.avx2 && cap >= Backend::Avx2,
            avx512: self.avx512 && cap >= Backend::Avx512,
            ifma: self.ifma && cap >= Backend::Avx512,
            sha: self.sha && cap >= Backend::Avx2,
            aes: self.aes && cap >= Backend::Avx2,
        }
    }

    /// These features without IFMA (for tests of the AVX-512 kernels that do without).
    #[must_use]
    pub fn without_ifma(self) -> Self {
        Self { ifma: false, ..self }
    }

    /// These features without the SHA instructions (for tests and incident response).
    #[must_use]
    pub fn without_sha(self) -> Self {
        Self { sha: false, ..self }
    }

    /// The greatest backend.
    #[must_use]
    pub fn backend(self) -> Backend {
        match (self.avx512, self.avx2) {
            (true, _) => Backend::Avx512,
            (false, true) => Backend::Avx2,
            (false, false) => Backend::Scalar,
        }
    }

    /// The proof of AVX2.
    #[must_use]
    pub fn avx2(self) -> Option<Avx2> {
        self.avx2.then_some(Avx2(()))
    }

    /// The proof of AVX-512.
    #[must_use]
    pub fn avx512(self) -> Option<Avx512> {
        self.avx512.then_some(Avx512(()))
    }

    /// The proof of AVX-512 with IFMA.
    #[must_use]
    pub fn avx512_ifma(self) -> Option<Avx512Ifma> {
        self.ifma.then_some(Avx512Ifma(()))
    }

    /// The proof of the SHA instructions.
    #[must_use]
    pub fn sha_ni(self) -> Option<ShaNi> {
        self.sha.then_some(ShaNi(()))
    }

    /// The proof of the AES instructions.
    #[must_use]
    pub fn aes_ni(self) -> Option<AesNi> {
        self.aes.then_some(AesNi(()))
    }

    /// The different sets of features that this CPU can be held to, greatest first; for tests that run every backend there is.
    #[must_use]
    pub fn variants() -> Vec<Self> {
        let full = Self::hardware();
        let mut all = vec![
            full,
            full.without_sha(),
            full.without_ifma(),
            full.capped(Backend::Avx2),
            full.capped(Backend::Avx2).without_sha(),
            Self::SCALAR,
        ];
        all.dedup();
        all
    }
}

/// Code that runs with a backend's features switched on. Implementations mark `run` `#[inline(always)]`, and everything hot that it calls.
pub trait Kernel<P> {
    /// What the kernel yields.
    type Output;
    /// Runs with the features that `proof` stands for.
    fn run(self, proof: P) -> Self::Output;
}

/// Has the frame of the function that this is inlined into lie on a cache line, for a kernel to call that keeps more vectors than there
/// are registers.
///
/// The compiler puts vectors on the stack that find no register. It aligns them only where it knew before it gave out registers that the
/// frame has something to align, and a kernel whose arrays have all become registers has nothing: then the frame is where the caller's
/// depth leaves it, and a half of all AVX2's vectors there, or three quarters of AVX-512's, lie across two cache lines.
#[inline(always)]
pub(crate) fn align_frame() {
    #[repr(align(64))]
    struct Line(#[allow(dead_code)] [u8; 64]);
    // Never written, and only its address is looked at.
    let line = std::mem::MaybeUninit::<Line>::uninit();
    std::hint::black_box(&raw const line);
}

macro_rules! proofs {
    ($($(#[$doc:meta])* $name:ident, $features:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name(());

        impl $name {
            /// Runs `kernel` in code compiled with these features.
            #[inline]
            pub fn enter<K: Kernel<Self>>(self, kernel: K) -> K::Output {
                #[cfg(target_arch = "x86_64")]
                #[target_feature(enable = $features)]
                fn go<K: Kernel<$name>>(proof: $name, kernel: K) -> K::Output {
                    kernel.run(proof)
                }
                #[cfg(not(target_arch = "x86_64"))]
                fn go<K: Kernel<$name>>(proof: $name, kernel: K) -> K::Output {
                    kernel.run(proof)
                }
                // SAFETY: a value of this type is made only by `Cpu`, only where the CPU has these features (kept by `Cpu::hardware`).
                #[allow(unused_unsafe)]
                unsafe {
                    go(self, kernel)
                }
            }
        }
    )*};
}

proofs! {
    /// AVX2, BMI1 and BMI2 are there.
    Avx2, "avx2,bmi1,bmi2";
    /// AVX-512 F, BW, DQ, VL and CD are there (and all of AVX2's proof).
    Avx512, "avx2,bmi1,bmi2,avx512f,avx512bw,avx512dq,avx512vl,avx512cd";
    /// AVX-512 with IFMA is there.
    Avx512Ifma, "avx2,bmi1,bmi2,avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx512ifma";
    /// The SHA instructions are there. Entered apart from the AVX proofs on purpose: they have only the legacy encoding, and beside dirty
    /// upper halves they run two orders of magnitude slower.
    ShaNi, "sha,ssse3,sse4.1";
    /// The AES instructions are there.
    AesNi, "aes,sse2,sse4.1";
}

impl From<Avx512Ifma> for Avx512 {
    fn from(_: Avx512Ifma) -> Self {
        Self(())
    }
}

impl From<Avx512> for Avx2 {
    fn from(_: Avx512) -> Self {
        Self(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cap_takes_away_what_is_above_it() {
        let all = Cpu { avx2: true, avx512: true, ifma: true, sha: true, aes: true };
        assert_eq!(all.capped(Backend::Scalar), Cpu::SCALAR);
        let avx2 = all.capped(Backend::Avx2);
        assert!(avx2.avx2 && avx2.sha && !avx2.avx512 && !avx2.ifma);
        assert_eq!(all.capped(Backend::Avx512), all);
        assert_eq!(Cpu::variants().last(), Some(&Cpu::SCALAR));
    }
}
