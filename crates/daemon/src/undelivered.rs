//! Which channels messages could not be delivered to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::alarm::{AlarmCode, Condition, Severity};

/// What could not be delivered, by channel. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Undelivered(Arc<Mutex<BTreeMap<String, String>>>);

impl Undelivered {
    /// What is wrong, if anything is.
    pub(crate) fn condition(&self) -> Option<Condition> {
        let channels = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let each: Vec<String> = channels.iter().map(|(channel, reason)| format!("{channel}: {reason}")).collect();
        (!each.is_empty()).then(|| Condition {
            code: AlarmCode::Undelivered,
            severity: Severity::Warning,
            message: format!("messages could not be delivered: {}", each.join("; ")),
        })
    }

    pub(crate) fn add(&self, channel: &str, reason: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(channel.to_owned(), reason.to_owned());
    }

    pub(crate) fn remove(&self, channel: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(channel);
    }
}
