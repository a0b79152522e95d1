//! Algorithms as a profile sees them: a name, a class, and how its signatures are written. Nothing here computes one.

/// What kind of thing a signature of the algorithm is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// A shared secret on both sides: a MAC or keyed digest, of that many bytes.
    Mac(usize),
    /// RSA: as many bytes as the modulus.
    Rsa,
    /// ECDSA and SM2: r and s, as DER or side by side.
    Curve,
    /// Ed25519: 64 bytes.
    Edwards,
}

/// The algorithms of configuration documents, in the order of their bits in an [`AlgSet`].
const TABLE: [(&str, Class); 15] = [
    ("md5", Class::Mac(16)),
    ("hmac-sha1", Class::Mac(20)),
    ("hmac-sha256", Class::Mac(32)),
    ("hmac-sha384", Class::Mac(48)),
    ("hmac-sha512", Class::Mac(64)),
    ("hmac-sm3", Class::Mac(32)),
    ("rsa-pkcs1-sha1", Class::Rsa),
    ("rsa-pkcs1-sha256", Class::Rsa),
    ("rsa-pkcs1-sha512", Class::Rsa),
    ("rsa-pss-sha256", Class::Rsa),
    ("rsa-pss-sha512", Class::Rsa),
    ("ecdsa-p256-sha256", Class::Curve),
    ("ecdsa-p384-sha384", Class::Curve),
    ("ed25519", Class::Edwards),
    ("sm2-sm3", Class::Curve),
];

/// How many algorithms there are.
pub(super) const ALGS: usize = TABLE.len();

/// An algorithm, by its place in the table: resolved from its name once, at load.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Alg(u8);

impl Alg {
    /// `md5`, the only algorithm whose secret must be part of the message.
    pub const MD5: Self = Self(0);

    /// The algorithm of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        TABLE.iter().position(|(n, _)| *n == name).and_then(|at| u8::try_from(at).ok()).map(Self)
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..ALGS).filter_map(|at| u8::try_from(at).ok()).map(Self)
    }

    /// The name in documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        TABLE[self.index()].0
    }

    /// What its signatures are.
    #[must_use]
    pub fn class(self) -> Class {
        TABLE[self.index()].1
    }

    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// A set of algorithms.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AlgSet(u16);

impl AlgSet {
    /// None of them.
    pub const EMPTY: Self = Self(0);

    /// With `alg` in it.
    #[must_use]
    pub fn with(self, alg: Alg) -> Self {
        Self(self.0 | 1 << alg.0)
    }

    /// Whether `alg` is in it.
    #[must_use]
    pub fn has(self, alg: Alg) -> bool {
        self.0 >> alg.0 & 1 == 1
    }

    /// What is in both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether none is in it.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its members.
    pub fn iter(self) -> impl Iterator<Item = Alg> {
        Alg::all().filter(move |alg| self.has(*alg))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_again_and_bits_are_apart() {
        let mut set = AlgSet::EMPTY;
        for alg in Alg::all() {
            assert_eq!(Alg::from_name(alg.name()), Some(alg));
            assert!(!set.has(alg));
            set = set.with(alg);
            assert!(set.has(alg));
        }
        assert_eq!(set.iter().count(), ALGS);
        assert_eq!(Alg::MD5.name(), "md5");
        assert_eq!(Alg::from_name("none"), None);
    }
}
