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

/// A name and its role.
#[derive(Debug)]
struct Known {
    /// The first eight bytes, big-endian, zeros behind a shorter name; under `fold`.
    key: u64,
    /// Bits that are set before keys are compared: those that tell lower case from upper where case does not count, which takes some
    /// other characters for one another, too. Such names with one key are compared whole.
    fold: u64,
    /// The last eight bytes of a longer name.
    tail: [u8; 8],
    name: Box<[u8]>,
    role: Role,
    /// The next one of the same [`place`], counted from 1; 0 behind the last.
    next: u8,
}

/// The case bit of eight bytes.
const CASE: u64 = 0x2020_2020_2020_2020;

/// The first eight bytes, big-endian.
fn key(name: &[u8]) -> u64 {
    let mut eight = [0; 8];
    for (to, from) in eight.iter_mut().zip(name) {
        *to = *from;
    }
    u64::from_be_bytes(eight)
}

/// Names and their roles, by [`place`]: most parameters of a request come to a place where there is none, the others to the one that they are.
#[derive(Debug)]
pub(super) struct Names {
    entries: Vec<Known>,
    /// The first entry of each place, counted from 1; 0 where there is none.
    places: [u8; 256],
}

/// One of 256 places by the first eight bytes, case bits set.
#[inline(always)]
fn place(key: u64) -> usize {
    // The golden ratio's digits spread what differs into the top bits (Knuth, TAOCP 6.4).
    ((key | CASE).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize & 0xFF
}

impl Names {
    /// Of names of 1 to [`NAME_MAX`] bytes, at most 255 of them; `None` otherwise.
    pub(super) fn new(entries: Vec<(Box<[u8]>, Role)>) -> Option<Self> {
        u8::try_from(entries.len()).ok()?;
        if entries.iter().any(|(name, _)| name.is_empty() || name.len() > NAME_MAX) {
            return None;
        }
        let known = |(name, role): (Box<[u8]>, Role)| {
            let fold = if role == Role::Secret { CASE } else { 0 };
            let tail = name.last_chunk().copied().unwrap_or_default();
            Known { key: key(&name) | fold, fold, tail, name, role, next: 0 }
        };
        let mut entries: Vec<Known> = entries.into_iter().map(known).collect();
        let mut places = [0; 256];
        // From the last on, so that of two with one name the first is found.
        for (number, known) in (1..=u8::MAX).zip(&mut entries).rev() {
            known.next = std::mem::replace(&mut places[place(known.key)], number);
        }
        Some(Self { entries, places })
    }

    /// Whether a name of which `key` holds the first eight bytes (as for [`Names::role_of`]) may have a role; if not, it has none.
    #[inline(always)]
    pub(super) fn may_mean(&self, key: u64) -> bool {
        self.places[place(key)] != 0
    }

    /// The role of `name`, if it has one. Secrets' names are found whatever their case. `key`: the name's first eight bytes as a
    /// big-endian number, zeros behind a shorter name.
    #[inline(always)]
    pub(super) fn role_of(&self, name: &[u8], key: u64) -> Option<Role> {
        if self.may_mean(key) { self.search(name, key) } else { None }
    }

    /// As [`Names::role_of`], of a name that may have one.
    #[inline]
    pub(super) fn search(&self, name: &[u8], key: u64) -> Option<Role> {
        let known = self.entry(self.places[place(key)])?;
        if known.is(name, key) { Some(known.role) } else { self.search_on(known.next, name, key) }
    }

    #[cold]
    fn search_on(&self, mut number: u8, name: &[u8], key: u64) -> Option<Role> {
        loop {
            let known = self.entry(number)?;
            if known.is(name, key) {
                return Some(known.role);
            }
            number = known.next;
        }
    }

    /// The entry of a number that counts from 1.
    #[inline(always)]
    fn entry(&self, number: u8) -> Option<&Known> {
        self.entries.get(usize::from(number).wrapping_sub(1))
    }
}

impl Known {
    /// Whether this is `name`, of which `key` are the first eight bytes.
    #[inline(always)]
    fn is(&self, name: &[u8], key: u64) -> bool {
        // Eight bytes that agree without any fold are all that there are of a short name, and all but the last eight of one that is twice as long.
        self.key == key | self.fold
            && self.name.len() == name.len()
            && if self.fold == 0 && name.len() <= 16 {
                name.len() <= 8 || name.last_chunk() == Some(&self.tail)
            } else {
                self.is_whole(name)
            }
    }

    #[inline(never)]
    fn is_whole(&self, name: &[u8]) -> bool {
        if self.role == Role::Secret { self.name.eq_ignore_ascii_case(name) } else { *self.name == *name }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(table: &Names, name: &[u8]) -> Option<Role> {
        table.role_of(name, key(name))
    }

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
            ("key[1]", Role::Secret),
            (&long, Role::Excluded),
            ("a", Role::Excluded),
        ];
        let table = Names::new(names.iter().map(|(n, r)| (n.as_bytes().into(), *r)).collect()).unwrap();
        for (name, role) in names {
            assert_eq!(table.role_of(name.as_bytes(), key(name.as_bytes())), Some(role), "{name}");
        }
        assert_eq!(role(&table, b"APPKEY"), Some(Role::Secret));
        // The case bit alone does not tell `[` from `{`.
        assert_eq!(role(&table, b"key{1}"), None);
        for other in ["", "b", "Sign", "signs", "APPID", "noncE", &"x".repeat(NAME_MAX + 1), &"y".repeat(NAME_MAX)] {
            assert_eq!(role(&table, other.as_bytes()), None, "{other}");
        }
        assert!(Names::new(vec![(Box::new([]), Role::Nonce)]).is_none());
        assert!(Names::new(vec![("x".repeat(NAME_MAX + 1).into_bytes().into(), Role::Nonce)]).is_none());
        assert!(
            Names::new((0..256).map(|i| (format!("n{i}").into_bytes().into(), Role::Excluded)).collect()).is_none()
        );
    }
}
