//! Attempts, each bounded, with growing pauses between them.

use std::future::Future;
use std::time::Duration;

use rand::Rng;

use super::{ObjectKey, StoreError};

/// No pause is longer than this, whatever a store asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How often and how patiently something is tried again.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// Attempts in all, at least 1.
    pub attempts: u32,
    /// Pause before the second attempt, before jitter.
    pub first_pause: Duration,
}

impl RetryPolicy {
    /// The pause after `failed_attempts`: doubled each time up to a minute, of which between a half
    /// and the whole is waited, so that many clients do not come back at once.
    pub fn pause(&self, failed_attempts: u32) -> Duration {
        let doubled = self.first_pause.saturating_mul(1 << failed_attempts.saturating_sub(1).min(16));
        doubled.min(LONGEST_PAUSE).mul_f64(rand::rng().random_range(0.5..=1.0))
    }

    /// Runs `attempt` until it succeeds, fails for good, or was tried often enough; returns the
    /// outcome and the number of attempts, since a lost reply of an earlier one changes what the
    /// last one means.
    pub(super) async fn run<T, F, Fut>(
        &self,
        operation: &'static str,
        key: &ObjectKey,
        timeout: Duration,
        mut attempt: F,
    ) -> (Result<T, StoreError>, u32)
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, StoreError>>,
    {
        let mut attempts = 1;
        loop {
            let outcome = tokio::time::timeout(timeout, Box::pin(attempt())) // The SDK's futures are large.
                .await
                .unwrap_or_else(|_| Err(StoreError::timed_out(operation, key, timeout)));
            let Err(StoreError::Passing { retry_after, .. }) = &outcome else { return (outcome, attempts) };
            if attempts >= self.attempts {
                return (outcome, attempts);
            }
            let pause = retry_after.unwrap_or_default().min(LONGEST_PAUSE).max(self.pause(attempts));
            if let Err(error) = &outcome {
                tracing::warn!(%error, attempt = attempts, pause_seconds = pause.as_secs_f32(), "request failed, trying again");
            }
            tokio::time::sleep(pause).await;
            attempts += 1;
        }
    }
}
