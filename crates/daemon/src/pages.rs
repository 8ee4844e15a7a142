//! What the HTTP pages of the daemons have in common.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// A probe asks servers; more often than this it answers from memory, so that whoever may ask
/// `/readyz` cannot make us ask them without end.
const PROBE_LIFETIME: Duration = Duration::from_secs(10);

/// 200 without alarms, 503 with them.
pub fn verdict(alarms: &[String]) -> Response {
    match alarms {
        [] => Json(json!({ "status": "ok" })).into_response(),
        alarms => {
            (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "failing", "reasons": alarms }))).into_response()
        }
    }
}

/// What the last probe found wrong, and when that was.
#[derive(Debug, Clone, Default)]
pub struct ProbeMemory(Arc<Mutex<Option<Probe>>>);

/// When it ended, and what was wrong then.
type Probe = (Instant, Vec<String>);

impl ProbeMemory {
    /// What is wrong: as remembered, or, after ten seconds, by `probe`. One probe runs at a time, in a task of its own: it
    /// comes to its end and is remembered also if the one who asked hangs up.
    pub async fn alarms(&self, probe: impl Future<Output = Vec<String>> + Send + 'static) -> Vec<String> {
        let mut last = Arc::clone(&self.0).lock_owned().await;
        if let Some((at, alarms)) = last.as_ref()
            && at.elapsed() < PROBE_LIFETIME
        {
            return alarms.clone();
        }
        let asked = tokio::spawn(async move {
            let alarms = probe.await;
            *last = Some((Instant::now(), alarms.clone()));
            alarms
        });
        asked.await.unwrap_or_else(|error| vec![format!("the probe came to no end: {error}")])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_probe_is_remembered_for_ten_seconds() {
        let memory = ProbeMemory::default();
        let ask = async |found: &'static str| memory.alarms(async { vec![found.to_owned()] }).await;
        assert_eq!(ask("first").await, ["first"]);
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!(ask("second").await, ["first"]);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(ask("third").await, ["third"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_goes_on_and_is_remembered_without_the_one_who_asked() {
        let memory = ProbeMemory::default();
        let slow = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            vec!["slow".to_owned()]
        };
        assert!(tokio::time::timeout(Duration::from_secs(1), memory.alarms(slow)).await.is_err());
        assert_eq!(memory.alarms(async { vec!["another".to_owned()] }).await, ["slow"]);
    }
}
