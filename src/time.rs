//! Milliseconds since the Unix epoch, and spans of them. Time is passed in, never read, below `engine`.

/// A moment: milliseconds since 1970-01-01T00:00:00Z, by the wall clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Millis(pub i64);

impl Millis {
    /// This moment moved by `ms` milliseconds, held at the ends of the range.
    #[must_use]
    pub fn plus(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to `self` (negative if `self` comes first), held at the ends of the range.
    #[must_use]
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}
