//! Whether a loop lives: it says so every few seconds, also during a run.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

/// How often a loop shows that it lives.
pub(crate) const HEARTBEAT_PAUSE: Duration = Duration::from_secs(10);

/// A loop that was silent for longer is stuck.
const MAX_SILENCE: Duration = Duration::from_secs(120);

/// When a loop last showed that it lives.
#[derive(Debug, Clone, Copy)]
pub struct Heartbeat {
    /// By the wall clock, for people and metrics.
    pub at: DateTime<Utc>,
    /// By the monotonic clock, which cannot be set, for the decision.
    instant: Instant,
}

impl Heartbeat {
    /// At this moment.
    pub fn now() -> Self {
        Self { at: Utc::now(), instant: Instant::now() }
    }

    /// Whether it is recent enough.
    pub(crate) fn is_alive(&self) -> bool {
        self.instant.elapsed() < MAX_SILENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn two_minutes_of_silence_are_a_loop_that_is_stuck() {
        let heartbeat = Heartbeat::now();
        tokio::time::advance(Duration::from_secs(119)).await;
        assert!(heartbeat.is_alive());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!heartbeat.is_alive());
    }
}
