//! `/livez`, `/readyz` and `/health`: for platforms and monitors, without a token. If there is one, reasons need it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::Pages;

/// A probe asks servers; more often than this it answers from memory, so that clients of `/readyz` cannot make us ask
/// them without end.
const PROBE_LIFETIME: Duration = Duration::from_secs(10);

/// Requests that wait for a probe at once. What a probe asks may hang, and those who wait hold connections, which the
/// other pages need too: further requests get the answer of the last minute, or 503 at once.
const MAX_WAITING: usize = 8;

/// How old an answer may be that a request gets instead of a place among those that wait.
const ANSWER_LIFETIME: Duration = Duration::from_secs(60);

/// The answer without any of that age.
const TOO_MANY_WAIT: &str = "the servers have not answered yet, and too many requests wait for that";

/// Whether the process does its work. What restarts containers asks this: it is red only if a restart may help.
pub(super) async fn livez(Shared(pages): Shared<Pages>) -> Response {
    match (pages.is_alive)() {
        true => ok(),
        false => failing(&json!({ "status": "failing", "reasons": ["the scheduler is stuck"] })),
    }
}

/// Whether anything is wrong that a person should look at.
pub(super) async fn health(Shared(pages): Shared<Pages>) -> Response {
    let alarms = (pages.alarms)();
    let reasons: Vec<&str> = alarms.iter().map(|alarm| alarm.message.as_str()).collect();
    match &reasons[..] {
        [] => ok(),
        reasons => failing(&json!({ "status": "failing", "reasons": reasons, "alarms": alarms })),
    }
}

/// Whether a run could begin now: green on a first deployment, before one has succeeded.
pub(super) async fn readyz(Shared(pages): Shared<Pages>) -> Response {
    match &pages.memory.recall((pages.probe)()).await[..] {
        [] => ok(),
        reasons => failing(&json!({ "status": "failing", "reasons": reasons })),
    }
}

fn ok() -> Response {
    Json(json!({ "status": "ok" })).into_response()
}

fn failing(page: &serde_json::Value) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, Json(page)).into_response()
}

/// What the last probe found wrong, and when that was.
#[derive(Debug, Clone)]
pub(super) struct ProbeMemory {
    last: Arc<Mutex<Option<Probe>>>,
    /// Held by the probe that runs.
    turn: Arc<tokio::sync::Mutex<()>>,
    waiting: Arc<Semaphore>,
}

/// When it ended, and what was wrong then.
type Probe = (Instant, Vec<String>);

impl Default for ProbeMemory {
    fn default() -> Self {
        Self { last: Arc::default(), turn: Arc::default(), waiting: Arc::new(Semaphore::new(MAX_WAITING)) }
    }
}

impl ProbeMemory {
    /// What is wrong: as remembered, or, after ten seconds, by `probe`. One probe runs at a time, in a task of its own: it
    /// comes to its end and is remembered also if the client hangs up. [`MAX_WAITING`] wait for it.
    async fn recall(&self, probe: impl Future<Output = Vec<String>> + Send + 'static) -> Vec<String> {
        if let Some(reasons) = self.remembered(PROBE_LIFETIME) {
            return reasons;
        }
        let Ok(_place) = self.waiting.try_acquire() else {
            return self.remembered(ANSWER_LIFETIME).unwrap_or_else(|| vec![TOO_MANY_WAIT.to_owned()]);
        };
        let turn = Arc::clone(&self.turn).lock_owned().await;
        if let Some(reasons) = self.remembered(PROBE_LIFETIME) {
            return reasons;
        }
        let last = Arc::clone(&self.last);
        let asked = tokio::spawn(async move {
            let reasons = probe.await;
            *lock(&last) = Some((Instant::now(), reasons.clone()));
            drop(turn);
            reasons
        });
        asked.await.unwrap_or_else(|error| vec![format!("the probe came to no end: {error}")])
    }

    /// The answer of the last probe, if it is younger than `lifetime`.
    fn remembered(&self, lifetime: Duration) -> Option<Vec<String>> {
        let last = lock(&self.last);
        let (at, reasons) = last.as_ref()?;
        (at.elapsed() < lifetime).then(|| reasons.clone())
    }
}

fn lock(last: &Mutex<Option<Probe>>) -> MutexGuard<'_, Option<Probe>> {
    last.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_probe_is_remembered_for_ten_seconds() {
        let memory = ProbeMemory::default();
        let ask = async |found: &'static str| memory.recall(async { vec![found.to_owned()] }).await;
        assert_eq!(ask("first").await, ["first"]);
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!(ask("second").await, ["first"]);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(ask("third").await, ["third"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_goes_on_and_is_remembered_without_the_client_that_asked() {
        let memory = ProbeMemory::default();
        let slow = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            vec!["slow".to_owned()]
        };
        assert!(tokio::time::timeout(Duration::from_secs(1), memory.recall(slow)).await.is_err());
        assert_eq!(memory.recall(async { vec!["another".to_owned()] }).await, ["slow"]);
    }

    #[tokio::test(start_paused = true)]
    async fn only_some_wait_for_a_probe_that_hangs_and_the_others_are_answered_at_once() {
        let memory = ProbeMemory::default();
        assert!(memory.recall(async { Vec::new() }).await.is_empty());
        tokio::time::advance(PROBE_LIFETIME).await;
        let waiting: Vec<_> = (0..MAX_WAITING)
            .map(|_| {
                let memory = memory.clone();
                tokio::spawn(async move { memory.recall(pending()).await })
            })
            .collect();
        tokio::task::yield_now().await;
        // By the last answer while it is young, and then red.
        let further = async || tokio::time::timeout(Duration::from_millis(1), memory.recall(pending())).await.ok();
        assert_eq!(further().await, Some(Vec::new()));
        tokio::time::advance(ANSWER_LIFETIME).await;
        assert_eq!(further().await, Some(vec![TOO_MANY_WAIT.to_owned()]));
        assert!(waiting.iter().all(|task| !task.is_finished()));
        // A client that hangs up leaves its place.
        waiting[MAX_WAITING - 1].abort();
        tokio::task::yield_now().await;
        assert_eq!(further().await, None);
    }
}
