//! Deletions that go on past what a store refuses.

use backup_core::storage::{Deletion, ObjectKey, Store};

/// Refusals after which a run gives up: enough to go on past a few objects that are locked, and no storm of requests
/// if every deletion is refused.
const MAX_REFUSALS: u32 = 10;

/// Deletes objects one by one, and remembers what was refused.
pub(super) struct Deleter<'store> {
    store: &'store Store,
    /// Whether a deletion only hid its object: a bucket does the same to all.
    pub(super) has_hidden: bool,
    refusals: u32,
    first_refusal: Option<String>,
    left_out: u32,
}

impl<'store> Deleter<'store> {
    pub(super) fn new(store: &'store Store) -> Self {
        Self { store, has_hidden: false, refusals: 0, first_refusal: None, left_out: 0 }
    }

    /// Deletes `keys` in this order and stops at the first that is refused, so that a manifest never outlives its
    /// data; whether all are gone.
    pub(super) async fn delete_in_order(&mut self, keys: &[ObjectKey]) -> bool {
        if self.refusals >= MAX_REFUSALS {
            self.left_out += 1;
            return false;
        }
        for key in keys {
            match self.store.delete(key).await {
                Ok(deletion) => self.has_hidden |= deletion == Deletion::Hidden,
                Err(error) => {
                    self.refusals += 1;
                    self.first_refusal.get_or_insert_with(|| error.to_string());
                    return false;
                }
            }
        }
        true
    }

    /// What was not deleted, in a sentence.
    pub(super) fn blocked(&self) -> Option<String> {
        let first = self.first_refusal.as_ref()?;
        let refused = format!("{} deletions were refused, the first: {first}", self.refusals);
        Some(match self.left_out {
            0 => refused,
            left_out => format!("{refused}; {left_out} more were not tried"),
        })
    }
}
