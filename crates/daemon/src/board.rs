//! What a daemon knows of itself: written by its loop, read by its pages.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Facts that the loop writes and the pages read. Clones share them.
#[derive(Debug)]
pub struct Board<F>(Arc<Mutex<F>>);

impl<F> Clone for Board<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<F: Clone> Board<F> {
    /// A board with `facts` on it.
    pub fn new(facts: F) -> Self {
        Self(Arc::new(Mutex::new(facts)))
    }

    /// A consistent copy.
    pub fn facts(&self) -> F {
        self.lock().clone()
    }

    /// Changes several facts at once.
    pub fn change(&self, change: impl FnOnce(&mut F)) {
        change(&mut self.lock());
    }

    fn lock(&self) -> MutexGuard<'_, F> {
        // The facts are plain values, so a panic elsewhere cannot have left them half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the loop of a daemon is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Before its first look at the bucket.
    #[default]
    Starting,
    /// For the next tick.
    Waiting,
    /// A run.
    Running,
    /// A stop was asked for.
    Stopping,
}
