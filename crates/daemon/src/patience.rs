//! Waiting that a stop ends.

use std::time::Duration;

use backup_core::stop::Stop;

/// The pause between two attempts, growing from the first to the second.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Tries until it succeeds; `None` once a stop was asked for. Each failure is logged under `failure`.
pub async fn insist<T>(
    stop: &Stop,
    failure: &'static str,
    mut attempt: impl AsyncFnMut() -> anyhow::Result<T>,
) -> Option<T> {
    let mut pause = PAUSES.0;
    loop {
        match stop.or(attempt()).await {
            Ok(value) => return Some(value),
            Err(_) if stop.reason().is_some() => return None,
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), pause_seconds = pause.as_secs(), "{failure}");
            }
        }
        if !sleep(stop, pause).await {
            return None;
        }
        pause = (pause * 2).min(PAUSES.1);
    }
}

/// Sleeps; false if a stop came first.
pub async fn sleep(stop: &Stop, duration: Duration) -> bool {
    tokio::select! {
        _ = stop.stopped() => false,
        () = tokio::time::sleep(duration) => true,
    }
}
