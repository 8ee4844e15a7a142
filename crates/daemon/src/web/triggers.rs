//! What a client may ask for: a run, and a test message. Nothing is deleted, restored or configured over HTTP.

use std::sync::Arc;

use axum::extract::{RawQuery, State as Shared};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use chrono::Utc;
use serde_json::json;
use tokio::sync::Semaphore;

use super::query::Query;
use super::{Pages, Tested, error};
use crate::run_request::Busy;
use crate::state::{SCHEMA, State};

/// Where a client sees what became of a run.
const FOLLOW: &str = "/status";

/// What a run of a service is called in a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunPath {
    /// `/api/v1/backups`.
    Backups,
    /// `/api/v1/drills`.
    Drills,
}

/// Why a run was not asked for.
enum NotRequested {
    /// The database is not one of this process.
    Unknown,
    /// There are several, and none is named.
    Several,
    Busy(Busy),
}

/// Asks the loop of a database for a run.
type Request = dyn Fn(&Query) -> Result<(), NotRequested> + Send + Sync;

/// Starts what clients ask for.
#[derive(Clone)]
pub(super) struct Trigger {
    runs: Option<RunPath>,
    request: Arc<Request>,
    test: Arc<dyn Fn() -> Tested + Send + Sync>,
    /// One test at a time: each may wait for every receiver.
    tests: Arc<Semaphore>,
}

impl Trigger {
    /// Of `state`, with `runs` to ask for; `test` sends a test message to every channel.
    pub(super) fn new<D>(
        state: &State<D>,
        runs: Option<RunPath>,
        test: impl Fn() -> Tested + Send + Sync + 'static,
    ) -> Self
    where
        D: Clone + Send + Sync + 'static,
    {
        let state = state.clone();
        let request = move |query: &Query| {
            let named = state.names().into_iter().filter(|(_, label)| query.names(label));
            match &named.collect::<Vec<_>>()[..] {
                [] => Err(NotRequested::Unknown),
                [(name, _)] => state.request_run(name).map_err(NotRequested::Busy),
                [..] => Err(NotRequested::Several),
            }
        };
        Self { runs, request: Arc::new(request), test: Arc::new(test), tests: Arc::new(Semaphore::new(1)) }
    }
}

/// The paths that take POST.
pub(super) fn routes() -> Router<Pages> {
    Router::new()
        .route("/api/v1/backups", post(backups))
        .route("/api/v1/drills", post(drills))
        .route("/api/v1/notify", post(notify))
}

async fn backups(Shared(pages): Shared<Pages>, RawQuery(query): RawQuery) -> Response {
    run(&pages, RunPath::Backups, query.as_deref())
}

async fn drills(Shared(pages): Shared<Pages>, RawQuery(query): RawQuery) -> Response {
    run(&pages, RunPath::Drills, query.as_deref())
}

fn run(pages: &Pages, path: RunPath, query: Option<&str>) -> Response {
    match pages.trigger.runs {
        Some(runs) if runs == path => {}
        Some(_) => return error(StatusCode::METHOD_NOT_ALLOWED, "this service does not make them"),
        None => return error(StatusCode::CONFLICT, words(Busy::Watching)),
    }
    let query = match Query::parse(query.unwrap_or_default()) {
        Ok(query) => query,
        Err(words) => return error(StatusCode::BAD_REQUEST, words),
    };
    let requested_at = Utc::now();
    match (pages.trigger.request)(&query) {
        Ok(()) => {
            tracing::info!(database = query.database, "a run was asked for over HTTP");
            let answer = json!({ "schema": SCHEMA, "requested_at": requested_at, "follow": FOLLOW });
            (StatusCode::ACCEPTED, [(header::LOCATION, FOLLOW)], Json(answer)).into_response()
        }
        Err(NotRequested::Unknown) => error(StatusCode::NOT_FOUND, "there is no such database here"),
        Err(NotRequested::Several) => error(StatusCode::BAD_REQUEST, "name one of the databases: ?database=NAME"),
        Err(NotRequested::Busy(busy)) => error(StatusCode::CONFLICT, words(busy)),
    }
}

fn words(busy: Busy) -> &'static str {
    match busy {
        Busy::Starting => "the service has not seen the bucket since its start",
        Busy::Running => "a run is going on",
        Busy::Requested => "a run was asked for already",
        Busy::NothingToRunFor => "there is no backup yet; the first run begins by itself as soon as there is one",
        Busy::Watching => "this process only watches and makes no runs",
        Busy::Stopping => "the service is stopping",
    }
}

/// Sends the test message. Its client may hang up: the message is sent all the same.
async fn notify(Shared(pages): Shared<Pages>) -> Response {
    let Ok(turn) = Arc::clone(&pages.trigger.tests).try_acquire_owned() else {
        return error(StatusCode::CONFLICT, "a test is going on");
    };
    let testing = (pages.trigger.test)();
    let tested = tokio::spawn(async move {
        let tested = testing.await;
        drop(turn);
        tested
    });
    match tested.await {
        Ok(Ok(channels)) if channels.is_empty() => {
            error(StatusCode::CONFLICT, "there is no channel for messages: see docs/alerts.md")
        }
        Ok(Ok(channels)) => Json(json!({ "schema": SCHEMA, "channels": channels })).into_response(),
        Ok(Err(_)) | Err(_) => error(StatusCode::INTERNAL_SERVER_ERROR, "no message can be sent"),
    }
}
