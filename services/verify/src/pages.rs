//! The HTTP pages of the daemon.

use std::sync::Arc;

use anyhow::Context;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use backup_core::postgres::{ClientTools, ServerTools};
use backup_daemon::{Board, ProbeMemory, verdict};
use chrono::Utc;
use serde_json::json;

use crate::config::{Target, VerifyConfig};
use crate::status::{Facts, StatusPage};
use backup_daemon::Progress;

/// What the pages show.
#[derive(Clone)]
pub(crate) struct Pages {
    pub(crate) config: Arc<VerifyConfig>,
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

/// Whether the last drill passed, and not too long ago.
async fn health(State(pages): State<Pages>) -> Response {
    verdict(&pages.board.facts().alarms(Utc::now()))
}

/// Whether a drill could begin now: green on a first deployment, before one has passed.
async fn readyz(State(pages): State<Pages>) -> Response {
    verdict(&pages.probe.alarms(probe(pages.config)).await)
}

async fn status(State(pages): State<Pages>) -> Response {
    Json(StatusPage::of(&pages.board, &pages.progress, Utc::now())).into_response()
}

async fn probe(config: Arc<VerifyConfig>) -> Vec<String> {
    let server = async { probe_server(&config).await.map_err(|error| format!("server: {error:#}")) };
    let bucket = async { config.store.open().probe().await.map_err(|error| format!("bucket: {error}")) };
    let (server, bucket) = tokio::join!(server, bucket);
    let alarms = [server.err(), bucket.err()].into_iter().flatten();
    alarms.map(|alarm| config.scrubber.scrub(&alarm).into_owned()).collect()
}

/// Which major version a throwaway server needs only the backup's manifest says, so any will do here.
async fn probe_server(config: &VerifyConfig) -> anyhow::Result<()> {
    let bin_dir = config.bin_dir.as_deref().map(AsRef::as_ref);
    match &config.target {
        Target::Throwaway => {
            let installed = ServerTools::installed(bin_dir).await;
            anyhow::ensure!(!installed.is_empty(), "no PostgreSQL server is installed here for a throwaway server");
        }
        Target::Given { login, admin } => {
            let session = login.connect().await?;
            ClientTools::find(bin_dir, session.server_version_num() / 10_000).await?;
            if let Some(admin) = admin {
                admin.connect().await.context("connect by VERIFY_ADMIN_URL")?;
            }
        }
    }
    Ok(())
}
