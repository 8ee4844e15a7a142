//! The daemon that drills: its pages, its journal, and what it asks for a probe.

use std::sync::Arc;

use anyhow::Context;
use backup_core::postgres::{ClientTools, ServerTools};
use backup_core::stop::Stop;
use backup_daemon::notify::ChannelTest;
use backup_daemon::{Daemon, Events, Pages, Service, State};
use backup_drill::Report;
use chrono::Utc;
use tokio::sync::{Notify, Semaphore};

use crate::alarms::conditions;
use crate::config::{TargetConfig, VerifyConfig};
use crate::metrics::metrics;
use crate::status_page::SHOWN;
use crate::target::{MAX_LISTINGS, Shared, initial};
use crate::tell::{TELLER, notifier};
use crate::{databases, journal, page};

/// Runs until `stop`.
///
/// # Errors
/// Only if the HTTP port cannot be had. A bucket or server that cannot be reached makes drills
/// fail, and `/health` red.
pub(crate) async fn daemon(config: VerifyConfig, stop: &Stop) -> anyhow::Result<()> {
    let config = Arc::new(config);
    let state = State::new([(config.given.database(), initial(&config.given, Utc::now()))]);
    let (probed, tested) = (Arc::clone(&config), Arc::clone(&config));
    let metrics = metrics(Daemon::Verify, &config, &state, conditions);
    let access = &config.process.http_access;
    let test = move || test_channels(Arc::clone(&tested));
    let pages = Pages::new(&state, SHOWN, metrics, access, move || probe(Arc::clone(&probed)), test)?;
    let (port, events) = (config.process.port, Events::default());
    let (notifier, teller) = (notifier(&config.process), TELLER);
    let journal = journal::of(&config, stop);
    let (written, view) = (journal.clone(), page::view(Daemon::Verify, &config, &state, conditions));
    let service = Service { notifier, teller, port, state: &state, events, journal, judge: conditions, pages, view };
    let listings = Semaphore::new(MAX_LISTINGS);
    let appeared = Notify::new();
    let shared = Shared { config: &config, state: &state, journal: &written, listings: &listings, appeared: &appeared };
    service.keep(stop, async |events: &Events<Report>| databases::keep(shared, events, stop).await).await
}

/// Sends a test message to every channel.
pub(crate) async fn test_channels(config: Arc<VerifyConfig>) -> anyhow::Result<Vec<ChannelTest>> {
    notifier(&config.process).test_channels(&config.given.database()).await
}

/// Whether a drill could begin now.
async fn probe(config: Arc<VerifyConfig>) -> Vec<String> {
    let server = async { probe_server(&config.given).await.map_err(|error| format!("server: {error:#}")) };
    let bucket = async { config.process.store.open().probe().await.map_err(|error| format!("bucket: {error}")) };
    let (server, bucket) = tokio::join!(server, bucket);
    let reasons = server.err().into_iter().chain(bucket.err());
    reasons.map(|reason| config.process.scrubber.scrub(&reason).into_owned()).collect()
}

/// Which major version a throwaway server needs only the backup's manifest says, so any will do here.
async fn probe_server(config: &TargetConfig) -> anyhow::Result<()> {
    let bin_dir = config.process.bin_dir.as_deref().map(AsRef::as_ref);
    match &config.drill.target {
        backup_drill::Target::Ephemeral => {
            let installed = ServerTools::installed(bin_dir).await;
            anyhow::ensure!(!installed.is_empty(), "no PostgreSQL server is installed here for a throwaway server");
        }
        backup_drill::Target::External { login, admin } => {
            let session = login.connect().await?;
            ClientTools::find(bin_dir, session.server_version_num() / 10_000).await?;
            if let Some(admin) = admin {
                admin.connect().await.context("connect by VERIFY_ADMIN_URL")?;
            }
        }
    }
    Ok(())
}
