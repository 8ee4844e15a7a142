//! The HTTP pages of the daemon.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use backup_core::postgres::ClientTools;
use backup_daemon::{Board, ProbeMemory, verdict};
use chrono::Utc;
use serde_json::json;

use crate::config::BackupConfig;
use crate::status::{Facts, StatusPage};
use backup_daemon::Progress;

/// What the pages show.
#[derive(Clone)]
pub(crate) struct Pages {
    pub(crate) config: Arc<BackupConfig>,
    pub(crate) board: Board<Facts>,
    pub(crate) progress: Progress,
    pub(crate) probe: ProbeMemory,
}

/// `/livez`, `/readyz`, `/health` and `/status`.
pub(crate) fn router(pages: Pages) -> Router {
    Router::new()
        .route("/livez", get(async || Json(json!({ "status": "ok" }))))
        .route("/readyz", get(readyz))
        .route("/health", get(health))
        .route("/status", get(status))
        .with_state(pages)
}

/// Whether the newest full backup is young enough and runs succeed.
async fn health(State(pages): State<Pages>) -> Response {
    verdict(&pages.board.facts().alarms(Utc::now()))
}

/// Whether the database and the bucket answer now, and a `pg_dump` here fits the server: green on a first
/// deployment, before a backup exists.
async fn readyz(State(pages): State<Pages>) -> Response {
    verdict(&pages.probe.alarms(probe(pages.config)).await)
}

async fn status(State(pages): State<Pages>) -> Response {
    Json(StatusPage::of(&pages.board, &pages.progress, Utc::now())).into_response()
}

async fn probe(config: Arc<BackupConfig>) -> Vec<String> {
    let database = async { probe_database(&config).await.map_err(|error| format!("database: {error:#}")) };
    let bucket = async { config.store.open().probe().await.map_err(|error| format!("bucket: {error}")) };
    let (database, bucket) = tokio::join!(database, bucket);
    let alarms = [database.err(), bucket.err()].into_iter().flatten();
    alarms.map(|alarm| config.scrubber.scrub(&alarm).into_owned()).collect()
}

async fn probe_database(config: &BackupConfig) -> anyhow::Result<()> {
    let session = config.source.connect().await?;
    let server_major = session.server_version_num() / 10_000;
    ClientTools::find(config.bin_dir.as_deref().map(AsRef::as_ref), server_major).await?;
    Ok(())
}
