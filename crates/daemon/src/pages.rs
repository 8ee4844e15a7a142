//! The HTTP pages of a daemon.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State as Shared;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use serde_json::json;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::alarm::Alarm;
use crate::metrics::Metrics;
use crate::state::{Judge, State};

/// A probe asks servers; more often than this it answers from memory, so that clients of `/readyz` cannot make us ask
/// them without end.
const PROBE_LIFETIME: Duration = Duration::from_secs(10);

/// Prometheus' own text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is wrong, as a probe found it.
type Probed = Pin<Box<dyn Future<Output = Vec<String>> + Send>>;

/// What the pages of a service show.
#[derive(Clone)]
pub struct Pages {
    alarms: Arc<dyn Fn() -> Vec<Alarm> + Send + Sync>,
    status: Arc<dyn Fn() -> String + Send + Sync>,
    metrics: Arc<dyn Fn() -> String + Send + Sync>,
    is_alive: Arc<dyn Fn() -> bool + Send + Sync>,
    probe: Arc<dyn Fn() -> Probed + Send + Sync>,
    memory: ProbeMemory,
}

impl Pages {
    /// Of `state`: `judge` decides what is wrong, for `/health`; `status` makes the JSON of `/status`, `metrics` the text
    /// of `/metrics`; `probe` tells for `/readyz` why a run could not begin now.
    pub fn new<D, P>(
        state: &State<D>,
        judge: Judge<D>,
        status: fn(&State<D>, DateTime<Utc>) -> String,
        metrics: Metrics<D>,
        probe: impl Fn() -> P + Send + Sync + 'static,
    ) -> Self
    where
        D: Clone + Send + Sync + 'static,
        P: Future<Output = Vec<String>> + Send + 'static,
    {
        let probe = move || Box::pin(probe()) as Probed;
        let (seen, shown, watched) = (state.clone(), state.clone(), state.clone());
        Self {
            alarms: Arc::new(move || seen.alarms(judge, Utc::now())),
            status: Arc::new(move || status(&shown, Utc::now())),
            metrics: Arc::new(move || metrics.page()),
            is_alive: Arc::new(move || watched.is_alive()),
            probe: Arc::new(probe),
            memory: ProbeMemory::default(),
        }
    }
}

/// `/livez`, `/readyz`, `/health`, `/status` and `/metrics`.
pub(crate) fn router(pages: Pages) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/health", get(health))
        .route("/status", get(status))
        .route("/metrics", get(metrics))
        .with_state(pages)
}

/// Whether the process does its work. What restarts containers asks this: it is red only if a restart may help.
async fn livez(Shared(pages): Shared<Pages>) -> Response {
    match (pages.is_alive)() {
        true => ok(),
        false => failing(&json!({ "status": "failing", "reasons": ["the scheduler is stuck"] })),
    }
}

/// Whether anything is wrong that a person should look at.
async fn health(Shared(pages): Shared<Pages>) -> Response {
    let alarms = (pages.alarms)();
    let reasons: Vec<&str> = alarms.iter().map(|alarm| alarm.message.as_str()).collect();
    match &reasons[..] {
        [] => ok(),
        reasons => failing(&json!({ "status": "failing", "reasons": reasons, "alarms": alarms })),
    }
}

/// Whether a run could begin now: green on a first deployment, before one has succeeded.
async fn readyz(Shared(pages): Shared<Pages>) -> Response {
    match &pages.memory.recall((pages.probe)()).await[..] {
        [] => ok(),
        reasons => failing(&json!({ "status": "failing", "reasons": reasons })),
    }
}

async fn status(Shared(pages): Shared<Pages>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], (pages.status)()).into_response()
}

async fn metrics(Shared(pages): Shared<Pages>) -> Response {
    ([(header::CONTENT_TYPE, METRICS_TYPE)], (pages.metrics)()).into_response()
}

fn ok() -> Response {
    Json(json!({ "status": "ok" })).into_response()
}

fn failing(page: &serde_json::Value) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, Json(page)).into_response()
}

/// What the last probe found wrong, and when that was.
#[derive(Debug, Clone, Default)]
struct ProbeMemory(Arc<Mutex<Option<Probe>>>);

/// When it ended, and what was wrong then.
type Probe = (Instant, Vec<String>);

impl ProbeMemory {
    /// What is wrong: as remembered, or, after ten seconds, by `probe`. One probe runs at a time, in a task of its own: it
    /// comes to its end and is remembered also if the client hangs up.
    async fn recall(&self, probe: impl Future<Output = Vec<String>> + Send + 'static) -> Vec<String> {
        let mut last = Arc::clone(&self.0).lock_owned().await;
        if let Some((at, reasons)) = last.as_ref()
            && at.elapsed() < PROBE_LIFETIME
        {
            return reasons.clone();
        }
        let asked = tokio::spawn(async move {
            let reasons = probe.await;
            *last = Some((Instant::now(), reasons.clone()));
            reasons
        });
        asked.await.unwrap_or_else(|error| vec![format!("the probe came to no end: {error}")])
    }
}

#[cfg(test)]
mod tests {
    use backup_core::storage::StoreCounters;

    use super::*;
    use crate::database_name::DatabaseName;
    use crate::heartbeat::Heartbeat;
    use crate::metrics::MetricsOf;
    use crate::state::DatabaseState;

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
    async fn livez_is_red_once_a_loop_is_stuck_and_metrics_are_text() {
        let database = DatabaseState::new("daily".to_owned(), Duration::ZERO, Utc::now(), ());
        let state = State::new([(DatabaseName::from("app"), database)]);
        let metrics = Metrics {
            service: MetricsOf::Backup,
            state: state.clone(),
            judge: |_, _| Vec::new(),
            codes: &[],
            backup_max_age_seconds: |state| state.max_age_seconds,
            store: StoreCounters::default(),
            own: Arc::new(|_, _, _| ()),
        };
        let pages = Pages::new(&state, |_, _| Vec::new(), |_, _| String::new(), metrics, async || Vec::new());
        let page = super::metrics(Shared(pages.clone())).await;
        assert_eq!(page.headers()[header::CONTENT_TYPE], METRICS_TYPE);
        let live = async || livez(Shared(pages.clone())).await.status();
        tokio::time::advance(Duration::from_secs(119)).await;
        assert_eq!(live().await, StatusCode::OK);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(live().await, StatusCode::SERVICE_UNAVAILABLE);
        state.change(&DatabaseName::from("app"), |state| state.heartbeat = Heartbeat::now());
        assert_eq!(live().await, StatusCode::OK);
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
}
