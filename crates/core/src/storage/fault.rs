//! What can go wrong with a bucket, sorted by what a caller does about it.

use std::error::Error as StdError;
use std::time::Duration;

use super::{ObjectKey, Operation};

/// A request that failed. `Display` holds the store's code, its message without our credentials, and the request id,
/// never the rest of its body, which may echo what was signed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such object or upload.
    #[error("{0} does not exist")]
    NotFound(ObjectKey),
    /// There is one, and it is not what it must be: it changed while it was read, or has another size.
    #[error("{key} {reason}")]
    Damaged {
        /// The object.
        key: ObjectKey,
        /// What is wrong with it, as the rest of a sentence.
        reason: String,
    },
    /// The store has no such upload any more, or lacks parts of it that it has confirmed. A new upload may succeed.
    #[error("the store has lost the upload of {key}: {reason}")]
    LostUpload {
        /// The object.
        key: ObjectKey,
        /// The store's words.
        reason: String,
    },
    /// No byte went in either direction.
    #[error("{operation} {key}: the bucket fell silent: no byte for {} s", silence.as_secs())]
    Silent {
        /// What was asked.
        operation: Operation,
        /// The object, or the start of a listing.
        key: ObjectKey,
        /// How long it was waited for one.
        silence: Duration,
    },
    /// `If-None-Match: *` found an object.
    #[error("{0} exists already")]
    AlreadyExists(ObjectKey),
    /// The store does not know a part of the request: 501, or a 400 that does not say which.
    #[error("{operation} {key}: {reason}")]
    Unsupported {
        /// What was asked.
        operation: Operation,
        /// The object.
        key: ObjectKey,
        /// The store's words.
        reason: String,
    },
    /// May work when it is tried again.
    #[error("{operation} {key}: {reason}")]
    Passing {
        /// What was asked.
        operation: Operation,
        /// The object, or the start of a listing.
        key: ObjectKey,
        /// The store's or the network's words.
        reason: String,
        /// How long the store asks to wait.
        retry_after: Option<Duration>,
    },
    /// Does not work until something is changed.
    #[error("{operation} {key}: {reason}")]
    Permanent {
        /// What was asked.
        operation: Operation,
        /// The object, or the start of a listing.
        key: ObjectKey,
        /// The store's words and a hint.
        reason: String,
        /// What was refused.
        refusal: Refusal,
    },
}

/// What a store has refused for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The credentials, for any use.
    Credentials,
    /// This request: a right is missing, or it makes no sense to the store.
    Request,
    /// There is no room for more.
    Full,
    /// The request was not sent, or its answer cannot be used.
    Unsent,
}

impl StoreError {
    /// Whether the same request may succeed later.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Passing { .. } | Self::Silent { .. } => true,
            Self::NotFound(_)
            | Self::Damaged { .. }
            | Self::AlreadyExists(_)
            | Self::LostUpload { .. }
            | Self::Unsupported { .. }
            | Self::Permanent { .. } => false,
        }
    }

    /// Whether a new run, which has an id and uploads of its own, may succeed where this one failed.
    pub fn passes_with_a_new_run(&self) -> bool {
        self.is_passing() || matches!(self, Self::AlreadyExists(_) | Self::LostUpload { .. })
    }

    /// How long the store asks to wait.
    pub(super) fn retry_after(&self) -> Duration {
        match self {
            Self::Passing { retry_after, .. } => retry_after.unwrap_or_default(),
            _ => Duration::ZERO,
        }
    }

    /// Whether the store did its part, and it is the object that is missing or wrong.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::NotFound(_) | Self::Damaged { .. })
    }

    pub(super) fn broken_listing(key: &ObjectKey, reason: &str) -> Self {
        let reason = format!("the listing is not usable: {reason}");
        Self::Permanent { operation: Operation::List, key: key.clone(), reason, refusal: Refusal::Unsent }
    }

    /// An object is there that this very call may have stored.
    pub(super) fn unclear(key: &ObjectKey) -> Self {
        let reason = "an object is there already that may be of this very run; its data stays".to_owned();
        Self::Passing { operation: Operation::Store, key: key.clone(), reason, retry_after: None }
    }

    pub(super) fn damaged(key: &ObjectKey, reason: impl Into<String>) -> Self {
        Self::Damaged { key: key.clone(), reason: reason.into() }
    }

    pub(super) fn changed(key: &ObjectKey) -> Self {
        Self::damaged(key, "changed while it was read; objects of a backup are never overwritten")
    }

    /// The answer to a read broke off, or is not the answer to what was asked.
    pub(super) fn broken_answer(key: &ObjectKey, reason: impl std::fmt::Display) -> Self {
        let reason = format!("the answer is not usable: {reason}");
        Self::Passing { operation: Operation::Read, key: key.clone(), reason, retry_after: None }
    }

    pub(super) fn silent(operation: Operation, key: &ObjectKey, silence: Duration) -> Self {
        Self::Silent { operation, key: key.clone(), silence }
    }

    pub(super) fn too_slow(operation: Operation, key: &ObjectKey, longest: Duration) -> Self {
        let reason = format!("the bucket is too slow: not done within {} s", longest.as_secs());
        Self::Passing { operation, key: key.clone(), reason, retry_after: None }
    }
}

/// The first link of a chain of errors that is an `E`.
pub(super) fn find<'error, E: StdError + 'static>(error: &'error (dyn StdError + 'static)) -> Option<&'error E> {
    let mut next = Some(error);
    for _ in 0..20 {
        let error = next?;
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// The last link of a chain of errors is the one that says what happened: "connection refused".
pub(super) fn innermost(error: &dyn StdError) -> String {
    let mut error = error;
    for _ in 0..20 {
        match error.source() {
            Some(source) => error = source,
            None => break,
        }
    }
    error.to_string()
}
