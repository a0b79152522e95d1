//! The snapshot in force, and its exchange for another while requests are being judged.
//!
//! Readers take the snapshot once for a batch and judge by it to the end, so that no request is judged half by one document and half
//! by another. A reader never waits: not for a writer, and not for other readers.

use super::Config;
use super::settings::{Clock, State};
use super::snapshot::Snapshot;
use crate::error::{DocumentError, Error};
use arc_swap::{ArcSwap, Cache, Guard};
use std::sync::{Arc, Mutex, PoisonError};

/// Holds the snapshot in force.
pub struct Live {
    current: ArcSwap<Snapshot>,
    /// What the region was laid out for, by the first snapshot.
    state: State,
    widest: Clock,
    /// Writers go one after another, so that generations rise in the order in which snapshots come into force.
    writing: Mutex<()>,
}

/// One worker's way to the snapshot in force: keeps its own reference and asks with one atomic load whether that is still the one.
pub struct Reader<'l> {
    cache: Cache<&'l ArcSwap<Snapshot>, Arc<Snapshot>>,
}

impl Reader<'_> {
    /// The snapshot in force: for one request or one batch.
    pub fn load(&mut self) -> &Arc<Snapshot> {
        self.cache.load()
    }
}

impl Live {
    /// Puts `snapshot` in force as generation 1.
    #[must_use]
    pub fn new(mut snapshot: Snapshot) -> Self {
        snapshot.generation = 1;
        Self {
            state: snapshot.state().clone(),
            widest: snapshot.widest_clock(),
            current: ArcSwap::from_pointee(snapshot),
            writing: Mutex::new(()),
        }
    }

    /// The snapshot in force: for one request or one batch.
    #[must_use]
    pub fn load(&self) -> Guard<Arc<Snapshot>> {
        self.current.load()
    }

    /// The snapshot in force, to be kept for longer.
    #[must_use]
    pub fn load_full(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// A reader for one worker.
    #[must_use]
    pub fn reader(&self) -> Reader<'_> {
        Reader { cache: Cache::new(&self.current) }
    }

    /// Puts `snapshot` in force and returns its generation. Requests that are being judged finish by the one before.
    ///
    /// # Errors
    /// Where `state` differs from that of the first snapshot, or a window is wider: the region was laid out for these, and nonces would be
    /// forgotten while they are still in the window.
    pub fn swap(&self, mut snapshot: Snapshot) -> Result<u64, Error> {
        // A writer that panicked between lock and store has changed nothing: the lock guards no data.
        let _one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let refused =
            |pointer: &str, message: String| Err(DocumentError { pointer: pointer.to_owned(), message }.into());
        if *snapshot.state() != self.state {
            let message =
                "differs from the document that the state was opened with; expected the same values, or a restart";
            return refused("/state", message.to_owned());
        }
        if snapshot.widest_clock().or_wider(self.widest) != self.widest {
            let Clock { past_window_ms, future_window_ms } = self.widest;
            return refused(
                "/clock",
                format!(
                    "wider than what the state was opened for; expected windows, those of profiles included, of at most \
                     {past_window_ms} and {future_window_ms} ms, or a restart"
                ),
            );
        }
        snapshot.generation = self.current.load().generation + 1;
        let generation = snapshot.generation;
        self.current.store(Arc::new(snapshot));
        Ok(generation)
    }

    /// Reads a document and puts it in force. A bad document changes nothing.
    ///
    /// # Errors
    /// As [`Config::from_json`] and [`Live::swap`].
    pub fn reload(&self, document: &[u8]) -> Result<u64, Error> {
        self.swap(Config::from_json(document)?)
    }
}
