//! Counts requests to a store, and the bytes of their bodies.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Operation;

/// What was asked of a store since the start of the process. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct StoreCounters(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// Attempts by operation, in the order of [`Operation::ALL`].
    requests: [RequestCounts; Operation::ALL.len()],
    sent_bytes: AtomicU64,
    received_bytes: AtomicU64,
}

#[derive(Debug, Default)]
struct RequestCounts {
    succeeded: AtomicU64,
    failed: AtomicU64,
}

impl StoreCounters {
    /// Attempts of each operation that succeeded and that failed, none left out.
    pub fn requests(&self) -> impl Iterator<Item = (Operation, u64, u64)> {
        Operation::ALL.into_iter().zip(&self.0.requests).map(|(operation, counts)| {
            (operation, counts.succeeded.load(Ordering::Relaxed), counts.failed.load(Ordering::Relaxed))
        })
    }

    /// Bytes of the bodies of requests. Bytes that are sent again count again.
    pub fn sent_bytes(&self) -> u64 {
        self.0.sent_bytes.load(Ordering::Relaxed)
    }

    /// Bytes of the bodies of answers.
    pub fn received_bytes(&self) -> u64 {
        self.0.received_bytes.load(Ordering::Relaxed)
    }

    /// An attempt has ended.
    pub(super) fn count<T, E>(&self, operation: Operation, outcome: &Result<T, E>) {
        let Some(place) = Operation::ALL.iter().position(|one| *one == operation) else { return };
        let counts = &self.0.requests[place];
        let counter = if outcome.is_ok() { &counts.succeeded } else { &counts.failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn sent(&self, bytes: usize) {
        self.0.sent_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn received(&self, bytes: usize) {
        self.0.received_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_operation_has_a_counter_and_a_name_of_its_own() {
        let counters = StoreCounters::default();
        for (times, operation) in Operation::ALL.into_iter().enumerate() {
            (0..times).for_each(|_| counters.clone().count(operation, &Ok::<(), ()>(())));
            counters.count(operation, &Err::<(), ()>(()));
        }
        let counted: Vec<_> = counters.requests().map(|(_, succeeded, failed)| (succeeded, failed)).collect();
        let expected: Vec<_> = (0..Operation::ALL.len() as u64).map(|times| (times, 1)).collect();
        assert_eq!(counted, expected);
        let names: BTreeSet<&str> = Operation::ALL.into_iter().map(Operation::name).collect();
        assert_eq!(names.len(), Operation::ALL.len());
        // A new operation must stand in the list: the last one of the type is the last one there.
        assert_eq!(Operation::ALL.len(), Operation::Read as usize + 1);
    }
}
