//! How often and how patiently something is tried again.

use std::time::Duration;

use rand::Rng;

/// No pause is longer than this, even if a store asks for more.
pub(super) const MAX_PAUSE: Duration = Duration::from_secs(60);

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
        doubled.min(MAX_PAUSE).mul_f64(rand::rng().random_range(0.5..=1.0))
    }
}
