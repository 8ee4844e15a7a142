//! What a daemon shows over HTTP: probes, the API, metrics.

mod access;
mod api;
mod attempts;
mod connection;
mod listener;
pub mod page;
mod probes;
mod query;
mod triggers;
mod written_out;

use std::pin::Pin;
use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::header;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use serde_json::json;

use crate::alarm::Alarm;
use crate::metrics::Metrics;
use crate::notify::ChannelTest;
use crate::state::{Judge, SCHEMA, State};

use self::page::ViewSource;
use access::{Access, add_headers, guard};
use api::{Answer, Asked};
use probes::ProbeMemory;
use triggers::Trigger;
use written_out::write_out;

pub use access::HttpAccess;
pub(crate) use access::MIN_TOKEN_CHARS;
pub use api::{DrillSummary, VerdictSource};
pub(crate) use listener::{bind, serve};
pub use triggers::RunPath;

/// Prometheus' own text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is wrong, as a probe found it.
type Probed = Pin<Box<dyn Future<Output = Vec<String>> + Send>>;

/// How the test message went, channel by channel.
type Tested = Pin<Box<dyn Future<Output = anyhow::Result<Vec<ChannelTest>>> + Send>>;

/// What answers a question with a query.
type Api = dyn Fn(&Asked, &str) -> Answer + Send + Sync;

/// How a service shows what it knows.
pub struct Shown<D> {
    /// `backup` or `verify`.
    pub service: &'static str,
    /// Decides what is wrong, for `/health`.
    pub judge: Judge<D>,
    /// Makes the JSON of `/status`.
    pub status: fn(&State<D>, DateTime<Utc>) -> String,
    /// The drills that this process has made, or knows by more than the name of a record, of one database.
    pub drills: fn(&D) -> Vec<DrillSummary>,
    /// The report of one of them, if it is known.
    pub report: fn(&D, &str) -> Option<serde_json::Value>,
    /// What a client asks for who wants a run; `None` if there are none to ask for.
    pub runs: Option<RunPath>,
}

impl<D> Clone for Shown<D> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<D> Copy for Shown<D> {}

/// What the pages of a service show, and what they take.
#[derive(Clone)]
pub struct Pages {
    alarms: Arc<dyn Fn() -> Vec<Alarm> + Send + Sync>,
    status: Arc<dyn Fn() -> String + Send + Sync>,
    metrics: Arc<dyn Fn() -> String + Send + Sync>,
    is_alive: Arc<dyn Fn() -> bool + Send + Sync>,
    probe: Arc<dyn Fn() -> Probed + Send + Sync>,
    memory: ProbeMemory,
    api: Arc<Api>,
    trigger: Trigger,
    access: Access,
}

impl Pages {
    /// Of `state`, for everyone whom `access` lets in. `probe` tells for `/readyz` why a run could not begin now; `test` sends
    /// a test message to every channel.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub fn new<D, P, T>(
        state: &State<D>,
        shown: Shown<D>,
        metrics: Metrics<D>,
        access: &HttpAccess,
        probe: impl Fn() -> P + Send + Sync + 'static,
        test: impl Fn() -> T + Send + Sync + 'static,
    ) -> anyhow::Result<Self>
    where
        D: Clone + Send + Sync + 'static,
        P: Future<Output = Vec<String>> + Send + 'static,
        T: Future<Output = anyhow::Result<Vec<ChannelTest>>> + Send + 'static,
    {
        let access = Access::new(shown.service, access)?;
        let trigger = Trigger::new(state, shown.runs, move || Box::pin(test()) as Tested);
        let Shown { judge, status, .. } = shown;
        let [judged, described, watched, asked] = [(); 4].map(|()| state.clone());
        Ok(Self {
            alarms: Arc::new(move || judged.alarms(judge, Utc::now())),
            status: Arc::new(move || status(&described, Utc::now())),
            metrics: Arc::new(move || metrics.page()),
            is_alive: Arc::new(move || watched.is_alive()),
            probe: Arc::new(move || Box::pin(probe()) as Probed),
            memory: ProbeMemory::default(),
            api: Arc::new(move |what, query| api::answer(&asked, &shown, what, query, Utc::now())),
            trigger,
            access,
        })
    }
}

/// Every path.
pub(crate) fn router(pages: Pages, view: ViewSource) -> Router {
    let access = pages.access.clone();
    Router::new()
        .route("/livez", get(probes::livez))
        .route("/readyz", get(probes::readyz))
        .route("/health", get(probes::health))
        .route("/status", get(status))
        .route("/metrics", get(metrics))
        .merge(api::routes())
        .merge(triggers::routes())
        .fallback(nothing_here)
        .with_state(pages)
        .merge(page::routes(Arc::clone(&view)))
        .merge(page::badge_route(view))
        .layer(from_fn_with_state(access, guard))
        .layer(from_fn(add_headers))
        .layer(from_fn(write_out))
}

async fn status(Shared(pages): Shared<Pages>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], (pages.status)()).into_response()
}

async fn metrics(Shared(pages): Shared<Pages>) -> Response {
    ([(header::CONTENT_TYPE, METRICS_TYPE)], (pages.metrics)()).into_response()
}

async fn nothing_here() -> Response {
    error(axum::http::StatusCode::NOT_FOUND, "there is nothing here")
}

fn error(status: axum::http::StatusCode, words: &str) -> Response {
    (status, Json(json!({ "schema": SCHEMA, "error": words }))).into_response()
}

#[cfg(test)]
mod tests;
