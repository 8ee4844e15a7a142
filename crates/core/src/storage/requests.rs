//! Requests to one store: attempts with growing pauses between them, each given up when the store falls silent, and
//! what to believe of a refusal.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use super::fault::Refusal;
use super::retry::MAX_PAUSE;
use super::watch::Watch;
use super::{Credentials, ObjectKey, Operation, RetryPolicy, StoreCounters, StoreError};

/// Attempts of a request that is refused although the same was allowed before. Stores and their gateways answer a
/// single 403 by mistake; a right that was taken away stays away.
const MAX_REFUSED_ATTEMPTS: u32 = 3;

/// A store that was silent for this many times the bound of one silence is not asked again: with the bound of 60 s,
/// a request ends within five minutes.
const MAX_SILENCES: f64 = 2.5;

/// However steadily bytes trickle, an attempt ends when they come more slowly than this.
const MIN_BYTES_PER_SECOND: u64 = 4 * 1024;

/// An attempt without a body to speak of ends after this many bounds of silence.
const MAX_ATTEMPT_SILENCES: u32 = 5;

/// How requests to one store are made. Clones share what was learned of it.
#[derive(Clone)]
pub(super) struct Requests {
    pub(super) policy: RetryPolicy,
    /// So long may the store take no byte and send none.
    pub(super) silence: Duration,
    /// The rights that the store has granted, as a set of [`Operation::right`].
    granted: Arc<AtomicU8>,
    counters: StoreCounters,
    credentials: Credentials,
}

impl Requests {
    pub(super) fn new(
        policy: RetryPolicy,
        silence: Duration,
        counters: StoreCounters,
        credentials: Credentials,
    ) -> Self {
        Self { policy, silence, granted: Arc::default(), counters, credentials }
    }

    /// The same, with a single attempt.
    pub(super) fn once(&self) -> Self {
        Self { policy: RetryPolicy { attempts: 1, ..self.policy }, ..self.clone() }
    }

    /// The same, with a longer bound of silence.
    pub(super) fn patient(&self, longer: Duration) -> Self {
        Self { silence: self.silence + longer, ..self.clone() }
    }

    /// Runs `attempt`, which moves at most `bytes`, until it succeeds, fails for good, or was tried often enough;
    /// returns the outcome and the number of attempts, since a lost reply of an earlier one changes what the last one
    /// means.
    pub(super) async fn run<T, F, Fut>(
        &self,
        operation: Operation,
        key: &ObjectKey,
        bytes: u64,
        mut attempt: F,
    ) -> (Result<T, StoreError>, u32)
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, StoreError>>,
    {
        let (mut attempts, mut refused_attempts) = (1, 0);
        let mut silent = Duration::ZERO;
        loop {
            // The SDK's futures are large.
            let outcome = self.attempt(operation, key, bytes, Box::pin(attempt())).await;
            self.counters.count(operation, &outcome);
            let Err(error) = outcome else {
                self.granted.fetch_or(operation.right(), Ordering::Relaxed);
                return (outcome, attempts);
            };
            if let StoreError::Silent { silence, .. } = &error {
                silent += *silence;
            }
            if let StoreError::Permanent { refusal, .. } = &error {
                refused_attempts += 1;
                if *refusal == Refusal::Credentials {
                    self.credentials.doubt();
                }
            }
            let is_enough = silent >= self.silence.mul_f64(MAX_SILENCES)
                || refused_attempts >= self.max_refused_attempts(operation, &error)
                || attempts >= self.max_attempts(&error);
            if is_enough {
                return (Err(error), attempts);
            }
            let pause = error.retry_after().min(MAX_PAUSE).max(self.policy.pause(attempts));
            tracing::warn!(%error, attempt = attempts, pause_seconds = pause.as_secs_f32(), "request failed, trying again");
            tokio::time::sleep(pause).await;
            attempts += 1;
        }
    }

    async fn attempt<T>(
        &self,
        operation: Operation,
        key: &ObjectKey,
        bytes: u64,
        attempt: Pin<Box<impl Future<Output = Result<T, StoreError>>>>,
    ) -> Result<T, StoreError> {
        let longest = self.silence * MAX_ATTEMPT_SILENCES + Duration::from_secs(bytes / MIN_BYTES_PER_SECOND);
        let watched = Watch::new(self.silence, self.counters.clone()).guard(attempt);
        match tokio::time::timeout(longest, watched).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(silence)) => Err(StoreError::silent(operation, key, silence)),
            Err(_) => Err(StoreError::too_slow(operation, key, longest)),
        }
    }

    /// How often a request that failed like this may be tried.
    fn max_attempts(&self, error: &StoreError) -> u32 {
        match error {
            StoreError::Passing { .. } | StoreError::Silent { .. } | StoreError::Permanent { .. } => {
                self.policy.attempts
            }
            StoreError::NotFound(_)
            | StoreError::Damaged { .. }
            | StoreError::AlreadyExists(_)
            | StoreError::LostUpload { .. }
            | StoreError::Unsupported { .. } => 1,
        }
    }

    /// How often it may be refused. What was so from the first request on is final.
    fn max_refused_attempts(&self, operation: Operation, error: &StoreError) -> u32 {
        let StoreError::Permanent { refusal, .. } = error else { return u32::MAX };
        let granted = self.granted.load(Ordering::Relaxed);
        match refusal {
            // The credentials were good a moment ago, for the same or another use.
            Refusal::Credentials if granted != 0 => MAX_REFUSED_ATTEMPTS,
            Refusal::Request if granted & operation.right() != 0 => MAX_REFUSED_ATTEMPTS,
            Refusal::Credentials | Refusal::Request | Refusal::Full | Refusal::Unsent => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live_secret::LiveSecret;
    use crate::secret::Secret;
    use crate::storage::{Keys, Prefix};

    fn requests() -> Requests {
        let policy = RetryPolicy { attempts: 3, first_pause: Duration::from_secs(5) };
        Requests::new(policy, Duration::from_secs(60), StoreCounters::default(), keys())
    }

    fn keys() -> Credentials {
        let secret = || LiveSecret::fixed(Secret::new("x".to_owned()));
        Credentials::Keys(Keys { access_key_id: secret(), secret_access_key: secret(), session_token: None })
    }

    fn key() -> ObjectKey {
        Prefix::parse("p").unwrap().key("k")
    }

    /// R149: a request to a deaf store ends within five minutes, and says who fell silent.
    #[tokio::test(start_paused = true)]
    async fn a_deaf_store_is_given_up_within_five_minutes_r149() {
        let started = tokio::time::Instant::now();
        let deaf = std::future::pending::<Result<(), StoreError>>;
        let (outcome, attempts) = requests().run(Operation::List, &key(), 0, deaf).await;
        assert_eq!(attempts, 3);
        assert!(started.elapsed() < Duration::from_secs(300), "{:?}", started.elapsed());
        assert_eq!(outcome.unwrap_err().to_string(), "list p/k: the bucket fell silent: no byte for 60 s");
        let many = Requests { policy: RetryPolicy { attempts: 20, ..requests().policy }, ..requests() };
        let (_, attempts) = many.run(Operation::List, &key(), 0, deaf).await;
        assert_eq!(attempts, 3, "more attempts must not mean more minutes");
        let counted = many.counters.requests().find(|(operation, ..)| *operation == Operation::List);
        assert_eq!(counted, Some((Operation::List, 0, 3)), "every attempt counts");
    }

    #[track_caller]
    fn check(granted: &[Operation], operation: Operation, refusal: Refusal, attempts: u32) {
        let requests = requests();
        granted.iter().for_each(|operation| {
            requests.granted.fetch_or(operation.right(), Ordering::Relaxed);
        });
        let error = StoreError::Permanent { operation, key: key(), reason: String::new(), refusal };
        assert_eq!(requests.max_refused_attempts(operation, &error), attempts, "{granted:?} {operation:?} {refusal:?}");
    }

    /// What was so from the first request on is final.
    #[test]
    fn only_a_refusal_that_contradicts_what_was_allowed_is_doubted() {
        use Operation::{CompleteUpload, Delete, List, UploadPart};
        check(&[], List, Refusal::Credentials, 1);
        check(&[List], UploadPart, Refusal::Credentials, 3);
        check(&[List], UploadPart, Refusal::Request, 1);
        check(&[UploadPart], CompleteUpload, Refusal::Request, 3);
        check(&[List, UploadPart], Delete, Refusal::Request, 1);
        check(&[UploadPart], UploadPart, Refusal::Full, 1);
        check(&[UploadPart], UploadPart, Refusal::Unsent, 1);
    }
}
