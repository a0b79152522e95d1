//! Keys of limits that a worker has hashed before.

use super::memory::Memory;
use super::order::Parts;
use crate::bucket::LimitKey;
use crate::keys::{KeyPart, Limit, LimitIndex};

/// Keys of limits that a worker keeps: for the apps that come often.
const KEPT: usize = 512;

/// The key of a limit that counts by the app alone.
#[derive(Clone, Copy)]
struct Kept {
    /// The document's generation, the app and the limit: all that the key is made of.
    generation: u64,
    app: usize,
    limit: usize,
    key: LimitKey,
}

impl Kept {
    /// No document is that late.
    const NOTHING: Self = Self { generation: u64::MAX, app: 0, limit: 0, key: LimitKey::NONE };
}

/// The keys of limits that count by the app alone, as this worker hashed them: an app that comes again is not hashed again. Each has one place; others
/// that fall on it take its turn.
#[derive(Default)]
pub(super) struct KeptKeys {
    /// None, or [`KEPT`].
    places: Vec<Kept>,
    /// Of the document in force.
    generation: u64,
}

impl KeptKeys {
    /// The document in force has this generation from here on.
    pub fn under(&mut self, generation: u64) {
        self.generation = generation;
    }

    /// The key of a limit for a request of these parts.
    pub fn get(&mut self, memory: &Memory, index: LimitIndex, limit: &Limit, parts: &Parts<'_>) -> LimitKey {
        let (Some(app), Some(KeyPart::App)) = (parts.app, limit.key.only()) else {
            return memory.limit_key(limit, parts);
        };
        if self.places.is_empty() {
            self.places.resize(KEPT, Kept::NOTHING);
        }
        let (generation, app, index) = (self.generation, app.index.get(), index.get());
        // Apps one after the other, and limits an eighth apart: few apps have many limits by the app alone.
        match self.places.get_mut(app.wrapping_add(index.wrapping_mul(KEPT / 8 + 1)) % KEPT) {
            Some(kept) if kept.generation == generation && kept.app == app && kept.limit == index => kept.key,
            Some(place) => {
                *place = Kept { generation, app, limit: index, key: memory.limit_key(limit, parts) };
                place.key
            }
            None => memory.limit_key(limit, parts),
        }
    }
}
