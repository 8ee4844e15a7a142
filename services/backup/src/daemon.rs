//! The daemon that backs up: its pages, its journal, and what it asks for a probe.

use std::sync::Arc;

use backup_core::postgres::ClientTools;
use backup_core::repository::Author;
use backup_core::stop::Stop;
use backup_daemon::notify::ChannelTest;
use backup_daemon::{Events, Journal, Pages, Service, State};
use tokio::sync::Semaphore;

use crate::alarms::conditions;
use crate::config::{BackupConfig, TargetConfig};
use crate::databases::at_start;
use crate::metrics::metrics;
use crate::run_report::RunReport;
use crate::status_page::SHOWN;
use crate::target::{MAX_LISTINGS, Shared};
use crate::tell::{TELLER, notifier};
use crate::{databases, journal, page};

/// Runs until `stop`.
///
/// # Errors
/// Only if the HTTP port cannot be had. A database or bucket that cannot be reached is waited for.
pub(crate) async fn daemon(config: BackupConfig, stop: &Stop) -> anyhow::Result<()> {
    let config = Arc::new(config);
    let state = State::new([at_start(&config)]);
    let (probed, tested) = (Arc::clone(&config), Arc::clone(&config));
    let metrics = metrics(&config.process.store.counters, &config.process.notify.deliveries(), &state);
    let access = &config.process.http_access;
    let test = move || test_channels(Arc::clone(&tested));
    let pages = Pages::new(&state, SHOWN, metrics, access, move || probe(Arc::clone(&probed)), test)?;
    let (port, events) = (config.process.port, Events::default());
    let (notifier, teller) = (notifier(&config.process), TELLER);
    let journal = Journal::written(Author::Backup, journal::put_line(Arc::clone(&config)));
    let (written, view) = (journal.clone(), page::view(&config, &state));
    let service = Service { notifier, teller, port, state: &state, events, journal, judge: conditions, pages, view };
    let listings = Semaphore::new(MAX_LISTINGS);
    let shared = Shared { config: &config, state: &state, journal: &written, listings: &listings };
    service.keep(stop, async |events: &Events<RunReport>| databases::keep(shared, events, stop).await).await
}

/// Sends a test message to every channel.
async fn test_channels(config: Arc<BackupConfig>) -> anyhow::Result<Vec<ChannelTest>> {
    notifier(&config.process).test_channels(&config.given.database()).await
}

/// Whether the database of `DATABASE_URL` and the bucket answer now, and a `pg_dump` here fits the server.
async fn probe(config: Arc<BackupConfig>) -> Vec<String> {
    let database = async { probe_database(&config.given).await.map_err(|error| format!("database: {error:#}")) };
    let bucket = async { config.process.store.open().probe().await.map_err(|error| format!("bucket: {error}")) };
    let (database, bucket) = tokio::join!(database, bucket);
    let reasons = database.err().into_iter().chain(bucket.err());
    reasons.map(|reason| config.process.scrubber.scrub(&reason).into_owned()).collect()
}

async fn probe_database(config: &TargetConfig) -> anyhow::Result<()> {
    let session = config.source.connect().await?;
    let server_major = session.server_version_num() / 10_000;
    ClientTools::find(config.process.bin_dir.as_deref().map(AsRef::as_ref), server_major).await?;
    Ok(())
}
