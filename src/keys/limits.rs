//! Limits as a document states them: what they count by, how much, and what happens beyond.

pub use crate::bucket::Rate;

/// A part of a limit's key. A request has its own counter for every combination of the parts' values.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum KeyPart {
    /// The app id.
    App,
    /// The client's address.
    ClientIp,
    /// The path of the target, without the query.
    Path,
    /// The method.
    Method,
    /// The API that the request was matched to.
    Api,
    /// The key id of the credential.
    Kid,
}

impl KeyPart {
    /// All of them with their names in documents, in the order in which they enter a key.
    pub const NAMES: [(&str, KeyPart); 6] = [
        ("app", Self::App),
        ("client_ip", Self::ClientIp),
        ("path", Self::Path),
        ("method", Self::Method),
        ("api", Self::Api),
        ("kid", Self::Kid),
    ];

    /// Whether the part is a fact of the connection, not a claim that only a verified signature makes true. Anything else may be
    /// counted after the signature alone: or anybody could use up an app's allowance in its name.
    #[must_use]
    pub const fn known_before_signature(self) -> bool {
        matches!(self, Self::ClientIp | Self::Path | Self::Method)
    }
}

/// A set of key parts; iterates in one fixed order, whatever the document's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct KeyParts(u8);

impl KeyParts {
    /// The set with `part`.
    #[must_use]
    pub const fn with(self, part: KeyPart) -> Self {
        Self(self.0 | 1 << part as u8)
    }

    /// Whether `part` belongs to the set.
    #[must_use]
    pub const fn has(self, part: KeyPart) -> bool {
        self.0 >> (part as u8) & 1 == 1
    }

    /// The only part, where there is one alone.
    #[inline]
    #[must_use]
    pub fn only(self) -> Option<KeyPart> {
        // Bits are set by `with` alone, in the order of the names.
        let (_, part) = *KeyPart::NAMES.get(self.0.trailing_zeros() as usize)?;
        self.0.is_power_of_two().then_some(part)
    }

    /// The parts.
    pub fn iter(self) -> impl Iterator<Item = KeyPart> {
        KeyPart::NAMES.into_iter().map(|(_, part)| part).filter(move |part| self.has(*part))
    }
}

/// What happens to a request beyond the limit (JR/T 0185-2020, 10.1.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Refused.
    Reject,
    /// Accepted and reported.
    Alert,
    /// Refused, and so is everything else under the same key for this many milliseconds.
    Suspend {
        /// The length of the suspension.
        for_ms: u64,
    },
}

/// How many distinct values of a parameter a key may ask for in a window (defence against enumeration).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Distinct {
    /// The parameter: a name in the query, the form or the top level of a JSON body.
    pub of: String,
    /// How many.
    pub most: u64,
    /// The window's length in milliseconds.
    pub window_ms: u64,
    /// How far windows begin before the multiples of their length since the epoch, in milliseconds.
    pub offset_ms: i64,
}

/// The most concurrency limits that may count one request.
pub const CONCURRENCY_EACH: usize = crate::bucket::Held::ROWS;

/// A limit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limit {
    /// Its name in the document.
    pub name: String,
    /// What it counts by.
    pub key: KeyParts,
    /// The rate or the quota, where it has one.
    pub rate: Option<Rate>,
    /// Distinct values of a parameter, where they are limited.
    pub distinct: Option<Distinct>,
    /// Requests in flight at once, where that is limited.
    pub concurrency: Option<u32>,
    /// What happens beyond.
    pub action: Action,
    /// Whether it is counted before the signature is checked.
    pub before_signature: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_alone_is_known() {
        assert_eq!(KeyParts::default().only(), None);
        for (_, part) in KeyPart::NAMES {
            assert_eq!(KeyParts::default().with(part).only(), Some(part));
            let several = KeyPart::NAMES.into_iter().filter(|(_, other)| *other != part);
            assert!(
                several.map(|(_, other)| KeyParts::default().with(part).with(other).only()).all(|one| one.is_none())
            );
        }
    }

    #[test]
    fn parts_iterate_in_one_order() {
        let a = KeyParts::default().with(KeyPart::Path).with(KeyPart::App);
        let b = KeyParts::default().with(KeyPart::App).with(KeyPart::Path).with(KeyPart::Path);
        assert_eq!(a, b);
        assert_eq!(a.iter().collect::<Vec<_>>(), [KeyPart::App, KeyPart::Path]);
        assert!(!a.has(KeyPart::Kid));
        for (_, part) in KeyPart::NAMES {
            assert_eq!(KeyParts::default().with(part).iter().collect::<Vec<_>>(), [part]);
        }
    }
}
