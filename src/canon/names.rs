//! Parameter names that mean something to a profile, found without comparing every name with every other.

/// What a parameter of that name is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    AppId,
    KeyId,
    Timestamp,
    Nonce,
    Signature,
    SignType,
    /// Left out of the string to sign.
    Excluded,
    /// A secret's name: it has no business on the wire.
    Secret,
}

/// How many roles are fields that a request carries once: those before [`Role::Excluded`].
pub(super) const FIELDS: usize = 6;

impl Role {
    /// What refusals and documents call the field.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::AppId => "app_id",
            Self::KeyId => "kid",
            Self::Timestamp => "timestamp",
            Self::Nonce => "nonce",
            Self::Signature => "signature",
            Self::SignType => "sign_type",
            Self::Excluded => "exclude",
            Self::Secret => "secret",
        }
    }
}

/// Longest name that a profile may give a meaning.
pub(super) const NAME_MAX: usize = 64;

/// Names and their roles, grouped by length: most parameters of a request are of a length that no name has, or meet one comparison.
#[derive(Debug)]
pub(super) struct Names {
    /// Sorted by length of the name.
    entries: Vec<(Box<[u8]>, Role)>,
    /// `entries[from[n]..from[n + 1]]` have names of `n` bytes.
    from: [u8; NAME_MAX + 2],
}

impl Names {
    /// Of names of 1 to [`NAME_MAX`] bytes, at most 255 of them; `None` otherwise.
    pub(super) fn new(mut entries: Vec<(Box<[u8]>, Role)>) -> Option<Self> {
        u8::try_from(entries.len()).ok()?;
        if entries.iter().any(|(name, _)| name.is_empty() || name.len() > NAME_MAX) {
            return None;
        }
        entries.sort_by_key(|(name, _)| name.len());
        let from = std::array::from_fn(|n| entries.iter().filter(|(name, _)| name.len() < n).count() as u8);
        Some(Self { entries, from })
    }

    /// The role of `name`, if it has one. Secrets' names are found whatever their case.
    #[inline]
    pub(super) fn role(&self, name: &[u8]) -> Option<Role> {
        let (from, to) = match self.from.get(name.len()..) {
            Some([from, to, ..]) => (usize::from(*from), usize::from(*to)),
            _ => return None,
        };
        let same_length = self.entries.get(from..to)?;
        same_length
            .iter()
            .find(|(known, role)| match role {
                Role::Secret => known.eq_ignore_ascii_case(name),
                _ => **known == *name,
            })
            .map(|(_, role)| *role)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_and_nothing_else() {
        let long = "x".repeat(NAME_MAX);
        let names = [
            ("sign", Role::Signature),
            ("nonce", Role::Nonce),
            ("appId", Role::AppId),
            ("partnerId", Role::AppId),
            ("timestamp", Role::Timestamp),
            ("appKey", Role::Secret),
            (&long, Role::Excluded),
            ("a", Role::Excluded),
        ];
        let table = Names::new(names.iter().map(|(n, r)| (n.as_bytes().into(), *r)).collect()).unwrap();
        for (name, role) in names {
            assert_eq!(table.role(name.as_bytes()), Some(role), "{name}");
        }
        assert_eq!(table.role(b"APPKEY"), Some(Role::Secret));
        for other in ["", "b", "Sign", "signs", "APPID", "noncE", &"x".repeat(NAME_MAX + 1), &"y".repeat(NAME_MAX)] {
            assert_eq!(table.role(other.as_bytes()), None, "{other}");
        }
        assert!(Names::new(vec![(Box::new([]), Role::Nonce)]).is_none());
        assert!(Names::new(vec![("x".repeat(NAME_MAX + 1).into_bytes().into(), Role::Nonce)]).is_none());
        assert!(
            Names::new((0..256).map(|i| (format!("n{i}").into_bytes().into(), Role::Excluded)).collect()).is_none()
        );
    }
}
