//! The HTTP pages of a daemon.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::State as Shared;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::alarm::Alarm;
use crate::metrics::Metrics;
use crate::state::{Judge, State};

/// A probe asks servers; more often than this it answers from memory, so that clients of `/readyz` cannot make us ask
/// them without end.
const PROBE_LIFETIME: Duration = Duration::from_secs(10);

/// Prometheus' own text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Requests that wait for a probe at once. What a probe asks may hang, and those who wait hold connections, which the
/// other pages need too: further requests get the answer of the last minute, or 503 at once.
const MAX_WAITING: usize = 8;

/// How old an answer may be that a request gets instead of a place among those that wait.
const ANSWER_LIFETIME: Duration = Duration::from_secs(60);

/// The answer without any of that age.
const TOO_MANY_WAIT: &str = "the servers have not answered yet, and too many requests wait for that";

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
#[derive(Debug, Clone)]
struct ProbeMemory {
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

    use backup_core::stop::Stop;
    use backup_core::storage::StoreCounters;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpSocket, TcpStream};

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

    /// A connection from another address of this machine, on which a page was asked for.
    async fn asking(from: [u8; 4], port: u16, page: &str) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        let mut stream = socket.connect(([127, 0, 0, 1], port).into()).await.unwrap();
        stream.write_all(format!("GET {page} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
        stream
    }

    /// As many clients as there are connections, while what `/readyz` asks hangs.
    #[tokio::test]
    #[cfg(target_os = "linux")]
    async fn livez_answers_at_once_whoever_waits_for_readyz() {
        let pages = Pages {
            alarms: Arc::new(Vec::new),
            status: Arc::new(String::new),
            metrics: Arc::new(String::new),
            is_alive: Arc::new(|| true),
            probe: Arc::new(|| Box::pin(pending())),
            memory: ProbeMemory::default(),
        };
        let listener = crate::http::bind(0).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(crate::http::serve(listener, router(pages), Stop::default()));
        let mut waiting = Vec::new();
        for number in 0..64 {
            waiting.push(asking([127, 0, 0, 2 + number % 4], port, "/readyz").await);
        }
        let answer = async {
            let mut text = String::new();
            asking([127, 0, 0, 99], port, "/livez").await.read_to_string(&mut text).await.unwrap();
            text
        };
        let answer = tokio::time::timeout(Duration::from_secs(5), answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        drop(waiting);
        server.abort();
    }
}
