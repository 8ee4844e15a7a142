//! The addresses of the pages, and the headers that all of them have.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chrono::Utc;

use super::style::content_security_policy;
use super::view::View;
use crate::documents::RUNBOOKS;

/// What the pages show, made anew for each request.
pub type ViewSource = Arc<dyn Fn() -> View + Send + Sync>;

/// How long others may keep a badge.
const BADGE_LIFETIME: &str = "max-age=300";

/// A page shows the state of this moment, and names of a database.
const NO_STORE: &str = "no-store";

/// `/`, `/databases/{name}`, `/drills/{id}`, `/runbooks`, the documents below it, and `/icon.svg`.
pub(crate) fn routes(view: ViewSource) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/databases/{name}", get(database))
        .route("/drills/{id}", get(drill))
        .route(RUNBOOKS, get(runbooks))
        .route(&format!("{RUNBOOKS}/{{name}}"), get(document))
        .route("/icon.svg", get(icon))
        .with_state(view)
}

/// `/badge.svg`, which may be public.
pub(crate) fn badge_route(view: ViewSource) -> Router {
    Router::new().route("/badge.svg", get(badge)).with_state(view)
}

async fn home(State(view): State<ViewSource>) -> Response {
    html(StatusCode::OK, view().home(Utc::now()))
}

async fn database(State(view): State<ViewSource>, Path(name): Path<String>) -> Response {
    let view = view();
    let now = Utc::now();
    found(view.database(&name, now), || view.not_found(now))
}

async fn drill(State(view): State<ViewSource>, Path(id): Path<String>) -> Response {
    let view = view();
    let now = Utc::now();
    found(view.drill(&id, now), || view.not_found(now))
}

async fn runbooks(state: State<ViewSource>) -> Response {
    document(state, Path(String::new())).await
}

async fn document(State(view): State<ViewSource>, Path(name): Path<String>) -> Response {
    let view = view();
    let now = Utc::now();
    found(view.document(&name, now), || view.not_found(now))
}

async fn icon(State(view): State<ViewSource>) -> Response {
    answer(StatusCode::OK, "image/svg+xml", NO_STORE, view().icon(Utc::now()))
}

async fn badge(State(view): State<ViewSource>) -> Response {
    answer(StatusCode::OK, "image/svg+xml", BADGE_LIFETIME, view().badge(Utc::now()))
}

fn found(page: Option<String>, otherwise: impl FnOnce() -> String) -> Response {
    match page {
        Some(page) => html(StatusCode::OK, page),
        None => html(StatusCode::NOT_FOUND, otherwise()),
    }
}

fn html(status: StatusCode, page: String) -> Response {
    answer(status, "text/html; charset=utf-8", NO_STORE, page)
}

fn answer(status: StatusCode, kind: &'static str, lifetime: &'static str, body: String) -> Response {
    let headers: [(HeaderName, &str); 5] = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, lifetime),
        (header::CONTENT_SECURITY_POLICY, content_security_policy()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (status, headers, body).into_response()
}
