//! Every signature and MAC algorithm, for one and for many.
//!
//! A credential's key is prepared once, at load ([`Key`]); items of work ([`Item`]) come in slices of any length and any mix, and
//! [`Verifier::verify`] writes one word a piece. How the items are grouped and which kernel runs is nobody's business outside this room.
//!
//! | file | holds |
//! |---|---|
//! | `import`, `certificate` | public keys and certificates as they come: PEM, DER, points, JWK |
//! | `key` | a key bound to its algorithm, checked and prepared |
//! | `verifier`, `scheme` | items, their grouping, and the trait behind which one-message and many-message code stand |
//! | `sign` | the other side |
//! | `otherwise` | what else a signature may be, for the doctor |
//! | `ec_signature` | DER and r‖s |
//! | one folder each | `mod` the key and the scheme, `scalar` one message at a time |
//!
//! What each algorithm accepts and refuses at its edges is written down as data in `tests/alg_acceptance.rs`.

mod certificate;
pub mod chain;
mod ec;
mod ec_signature;
mod ecdsa_p256;
mod ecdsa_p384;
mod ed25519;
mod hmac;
mod import;
mod key;
mod key_error;
mod keyed;
mod otherwise;
mod rsa;
mod scheme;
mod sign;
mod sm2;
mod verifier;

pub use certificate::Certificate;
pub use ec::{KeyTables, key_tables, set_key_table_bytes};
pub use import::PublicKey;
pub use key::Key;
pub use key_error::KeyError;
pub use sign::SigningKey;
pub use verifier::{Item, MacInput, SignatureForm, Verifier};

use crate::hash;
use crate::lanes::Cpu;
use crate::shm::TableSize;

/// The sizes of the tables that keys may have, for a file that processes share (see [`Key::share_tables`]).
#[must_use]
pub fn shared_table_sizes() -> [TableSize; 4] {
    ec::shared_sizes()
}

/// Tries the lane kernels that `cpu` has for the algorithms of `used` on known answers, once in the life of the process, and yields the names of
/// those that failed. Such a kernel is not used: its work is done by the next best one, in the end one at a time by the scalar path. The
/// hash kernels are tried in any case, since every algorithm hashes with some of them.
///
/// To be asked before the first request, so that none waits for the known answers (some milliseconds).
#[must_use]
pub fn failed_kernels(cpu: Cpu, used: impl IntoIterator<Item = Algorithm>) -> Vec<String> {
    let [mut rsa, mut p256, mut sm2, mut ed25519] = [false; 4];
    for algorithm in used {
        rsa |= algorithm.name().starts_with("rsa-");
        p256 |= algorithm == Algorithm::EcdsaP256Sha256;
        sm2 |= algorithm == Algorithm::Sm2Sm3;
        ed25519 |= algorithm == Algorithm::Ed25519;
    }
    let mut failed: Vec<String> = hash::selftest::failures(cpu).map(|name| name.to_string()).collect();
    if rsa {
        failed.extend(rsa::failed_kernels(cpu).into_iter().map(str::to_owned));
    }
    failed.extend(ec::failed_kernels(cpu, p256, sm2).into_iter().map(str::to_owned));
    if ed25519 {
        failed.extend(ed25519::failed_kernels(cpu).map(str::to_owned));
    }
    failed
}

macro_rules! algorithms {
    ($($variant:ident, $name:literal, $mac:literal, $weak:literal, $gm:literal;)*) => {
        /// An algorithm, by the name that configuration documents use.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum Algorithm { $(#[doc = concat!("`", $name, "`")] $variant,)* }

        impl Algorithm {
            /// All of them.
            pub const ALL: &'static [Algorithm] = &[$(Algorithm::$variant,)*];

            /// The name in configuration documents.
            #[must_use]
            pub const fn name(self) -> &'static str { match self { $(Algorithm::$variant => $name,)* } }

            /// Whether the key is a shared secret (a MAC or keyed digest), as against a key pair.
            #[must_use]
            pub const fn is_mac(self) -> bool { match self { $(Algorithm::$variant => $mac,)* } }

            /// Whether it is admitted only under `allow_weak` (MD5 and every SHA-1 one).
            #[must_use]
            pub const fn is_weak(self) -> bool { match self { $(Algorithm::$variant => $weak,)* } }

            /// Whether it is national cryptography (JR/T 0185-2020, 7.1): SM2, SM3.
            #[must_use]
            pub const fn is_gm(self) -> bool { match self { $(Algorithm::$variant => $gm,)* } }
        }
    };
}

algorithms! {
    Md5, "md5", true, true, false;
    HmacSha1, "hmac-sha1", true, true, false;
    HmacSha256, "hmac-sha256", true, false, false;
    HmacSha384, "hmac-sha384", true, false, false;
    HmacSha512, "hmac-sha512", true, false, false;
    HmacSm3, "hmac-sm3", true, false, true;
    RsaPkcs1Sha1, "rsa-pkcs1-sha1", false, true, false;
    RsaPkcs1Sha256, "rsa-pkcs1-sha256", false, false, false;
    RsaPkcs1Sha512, "rsa-pkcs1-sha512", false, false, false;
    RsaPssSha256, "rsa-pss-sha256", false, false, false;
    RsaPssSha512, "rsa-pss-sha512", false, false, false;
    EcdsaP256Sha256, "ecdsa-p256-sha256", false, false, false;
    EcdsaP384Sha384, "ecdsa-p384-sha384", false, false, false;
    Ed25519, "ed25519", false, false, false;
    Sm2Sm3, "sm2-sm3", false, false, true;
}

impl Algorithm {
    /// The algorithm of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|a| a.name() == name)
    }
}

impl std::fmt::Display for Algorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
