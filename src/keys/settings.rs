//! The plain settings of a document: state, clock, codes, and the words for states and levels.

use crate::codec::json::write_string;
use crate::time::Millis;
use crate::verdict::{CODE_MAX, Label, Reason};
use std::path::PathBuf;

/// Security level (JR/T 0185-2020, 7.2): what must stand behind a request.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// A MAC at least.
    A1,
    /// A digital signature: asymmetric algorithms only.
    A2,
}

/// Where an app stands with the bank (JR/T 0185-2020, 9.2.1, 9.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AppStatus {
    /// May call.
    Active,
    /// May not call for now.
    Suspended,
    /// Has left for good.
    Exited,
}

/// Where an API stands in its life (JR/T 0185-2020, 11).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ApiState {
    /// Served.
    Active,
    /// No more: callers are told "service terminated".
    Retired,
}

/// Whether a credential still counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyStatus {
    /// In use.
    Active,
    /// Voided, and kept so that its use is told apart from that of an unknown key.
    Revoked,
}

/// Which messages count as one for the replay check.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum NonceMode {
    /// A nonce is used once within the windows, whatever the timestamp beside it.
    #[default]
    Strict,
    /// A nonce with another signed timestamp is another message.
    Message,
}

/// The shared state region.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct State {
    /// The file of the region; `None` is private memory of this process.
    pub path: Option<PathBuf>,
    /// How many nonces must fit at once. 1,000,000 by default.
    pub nonces: u64,
    /// How many keys of rate limits must fit at once. 100,000 by default.
    pub limit_keys: u64,
    /// How many keys of concurrency limits may have requests in flight at once. 1,000 by default.
    pub concurrency_keys: u64,
    /// How many addresses, apps and keys may be denied or suspended, or have a changed limit, at once. 10,000 by default.
    pub deny_keys: u64,
    /// How many circuit breakers may count outcomes at once. 1,000 by default.
    pub breakers: u64,
    /// How many keys of limits on distinct values may be in a window at once. 100 by default.
    pub distinct_keys: u64,
    /// How many apps and addresses have their anomalies counted at once. 1,000 by default.
    pub anomaly_keys: u64,
    /// How many apps with a cap on their nonces may have live nonces at once. 1,000 by default.
    pub capped_apps: u64,
    /// How many bytes of tables of public keys the processes that share the region hold in common, in a file beside it. 256 MiB by default; 0: each process
    /// has its own.
    pub key_table_bytes: u64,
    /// Whether a new region refuses timestamps that an older, lost one may have admitted. On by default.
    pub birth_rule: bool,
    /// Permission bits of the file. 0600 by default.
    pub mode: u32,
    /// Number of the group that the file is given to; `None` leaves it as created.
    pub group: Option<u32>,
    /// Which messages count as one, in profiles that do not say it themselves.
    pub nonce_mode: NonceMode,
}

impl Default for State {
    fn default() -> Self {
        Self {
            path: None,
            nonces: 1_000_000,
            limit_keys: 100_000,
            concurrency_keys: 1_000,
            deny_keys: 10_000,
            capped_apps: 1_000,
            breakers: 1_000,
            distinct_keys: 100,
            anomaly_keys: 1_000,
            key_table_bytes: 256 << 20,
            birth_rule: true,
            mode: 0o600,
            group: None,
            nonce_mode: NonceMode::Strict,
        }
    }
}

/// How far a signed timestamp may lie from the time of receipt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clock {
    /// Milliseconds into the past. 300,000 by default.
    pub past_window_ms: i64,
    /// Milliseconds into the future. 5,000 by default.
    pub future_window_ms: i64,
}

impl Default for Clock {
    fn default() -> Self {
        Self { past_window_ms: 300_000, future_window_ms: 5_000 }
    }
}

impl Clock {
    /// The wider window on either side.
    pub(super) fn or_wider(self, other: Self) -> Self {
        Self {
            past_window_ms: self.past_window_ms.max(other.past_window_ms),
            future_window_ms: self.future_window_ms.max(other.future_window_ms),
        }
    }

    /// Whether `timestamp` lies within the windows around `now`; both ends belong to them.
    ///
    /// # Errors
    /// [`Reason::TimestampTooOld`], [`Reason::TimestampTooNew`].
    pub fn check(&self, timestamp: Millis, now: Millis) -> Result<(), Reason> {
        let age = now.since(timestamp);
        if age > self.past_window_ms {
            Err(Reason::TimestampTooOld)
        } else if age < -self.future_window_ms {
            Err(Reason::TimestampTooNew)
        } else {
            Ok(())
        }
    }
}

/// The return code of every reason, and whether it is a number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Codes([Label<CODE_MAX>; Reason::ALL.len()], [bool; Reason::ALL.len()]);

impl Default for Codes {
    fn default() -> Self {
        let mut codes = Self([Label::EMPTY; Reason::ALL.len()], [false; Reason::ALL.len()]);
        for reason in Reason::ALL {
            codes.set(*reason, Label::from_bytes_or_empty(reason.default_code().as_bytes()), false);
        }
        codes
    }
}

impl Codes {
    /// The code of `reason`.
    #[must_use]
    pub fn get(&self, reason: Reason) -> Label<CODE_MAX> {
        *self.0.get(reason as usize).unwrap_or(&Label::EMPTY)
    }

    /// Whether the document has it as an integer: answers then do, too.
    #[must_use]
    pub fn is_integer(&self, reason: Reason) -> bool {
        self.1.get(reason as usize) == Some(&true)
    }

    pub(super) fn set(&mut self, reason: Reason, code: Label<CODE_MAX>, integer: bool) {
        if let (Some(slot), Some(kind)) = (self.0.get_mut(reason as usize), self.1.get_mut(reason as usize)) {
            (*slot, *kind) = (code, integer);
        }
    }
}

/// The bodies of answers in the open-API guide's form: `{"code":…,"msg":…,"data":null}`. Made when the document is read, so that no answer
/// can hold anything of a request, a key or the inside.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answers(Vec<Vec<u8>>);

impl Answers {
    pub(super) fn of(codes: &Codes) -> Self {
        let mut answers = Self(vec![Vec::new(); Reason::ALL.len()]);
        for reason in Reason::ALL {
            answers.set(*reason, codes, reason.meaning());
        }
        answers
    }

    pub(super) fn set(&mut self, reason: Reason, codes: &Codes, message: &str) {
        let Some(body) = self.0.get_mut(reason as usize) else { return };
        let code = codes.get(reason);
        body.clear();
        body.extend_from_slice(b"{\"code\":");
        if codes.is_integer(reason) {
            body.extend_from_slice(code.as_str().as_bytes());
        } else {
            write_string(code.as_str(), body);
        }
        body.extend_from_slice(b",\"msg\":");
        write_string(message, body);
        body.extend_from_slice(b",\"data\":null}");
    }

    /// The body for `reason`.
    #[must_use]
    pub fn get(&self, reason: Reason) -> &[u8] {
        self.0.get(reason as usize).map_or(b"", Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_of_the_windows_are_inside() {
        let clock = Clock { past_window_ms: 300, future_window_ms: 50 };
        let now = Millis(1_000);
        for (timestamp, expected) in [
            (699, Err(Reason::TimestampTooOld)),
            (700, Ok(())),
            (1_000, Ok(())),
            (1_050, Ok(())),
            (1_051, Err(Reason::TimestampTooNew)),
            (i64::MIN, Err(Reason::TimestampTooOld)),
            (i64::MAX, Err(Reason::TimestampTooNew)),
        ] {
            assert_eq!(clock.check(Millis(timestamp), now), expected, "{timestamp}");
        }
        assert_eq!(clock.check(Millis(i64::MIN), Millis(i64::MAX)), Err(Reason::TimestampTooOld));
        assert_eq!(clock.check(Millis(i64::MAX), Millis(i64::MIN)), Err(Reason::TimestampTooNew));
    }

    #[test]
    fn codes_are_the_guides_unless_set() {
        let mut codes = Codes::default();
        for reason in Reason::ALL {
            assert_eq!(codes.get(*reason).as_str(), reason.default_code());
        }
        codes.set(Reason::Replayed, Label::new("409").unwrap(), true);
        assert_eq!(codes.get(Reason::Replayed).as_str(), "409");
        assert_eq!(codes.get(Reason::Internal).as_str(), "9998");
    }
}
