//! The daemon: how its loop begins, and what surrounds each of its runs.

use std::sync::Arc;

use backup_core::catalog::{Catalog, Kind};
use backup_core::postgres::ClientTools;
use backup_core::stop::Stop;
use backup_core::storage::Store;
use backup_daemon::schedule::Occasion;
use backup_daemon::{
    Cycle, DatabaseName, DatabaseState, Ended, Events, First, Pages, Progress, Service, Start, State, insist,
};
use chrono::{DateTime, TimeDelta, Utc};

use crate::alarms::conditions;
use crate::config::BackupConfig;
use crate::run_report::{Outcome, RunReport};
use crate::status::{Facts, Limits, status_page};
use crate::{journal, runner};

/// How far the clock may have been set back since a run began that counts as a young one.
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::minutes(10);

/// Runs until `stop`.
///
/// # Errors
/// Only if the HTTP port cannot be had. A database or bucket that cannot be reached is waited for.
pub(crate) async fn daemon(config: Arc<BackupConfig>, stop: &Stop) -> anyhow::Result<()> {
    let (now, timing) = (Utc::now(), &config.timing);
    let database = DatabaseName::from(config.source.dbname());
    let max_age = timing.max_age(now, TimeDelta::zero());
    let own = DatabaseState::new(timing.schedule.to_string(), max_age, now, Facts::default());
    let (state, progress) = (State::new([(database.clone(), own)]), Progress::default());
    let (port, events) = (config.port, Events::default());
    let pages = pages(&config, &state, &progress);
    let service = Service { name: "backup", port, state: &state, events, judge: conditions, pages };
    let target = Target { config: &config, database: &database, state: &state, progress: &progress, stop };
    service.keep(stop, async |events| target.keep(events).await).await
}

fn pages(config: &Arc<BackupConfig>, state: &State<Facts>, progress: &Progress) -> Pages {
    let (config, seen, shown, progress) = (Arc::clone(config), state.clone(), state.clone(), progress.clone());
    Pages::new(
        move || seen.alarms(conditions, Utc::now()),
        move || status_page(&shown, &progress, Utc::now()),
        move || probe(Arc::clone(&config)),
    )
}

/// Whether the database and the bucket answer now, and a `pg_dump` here fits the server.
async fn probe(config: Arc<BackupConfig>) -> Vec<String> {
    let database = async { probe_database(&config).await.map_err(|error| format!("database: {error:#}")) };
    let bucket = async { config.store.open().probe().await.map_err(|error| format!("bucket: {error}")) };
    let (database, bucket) = tokio::join!(database, bucket);
    let reasons = [database.err(), bucket.err()].into_iter().flatten();
    reasons.map(|reason| config.scrubber.scrub(&reason).into_owned()).collect()
}

async fn probe_database(config: &BackupConfig) -> anyhow::Result<()> {
    let session = config.source.connect().await?;
    let server_major = session.server_version_num() / 10_000;
    ClientTools::find(config.bin_dir.as_deref().map(AsRef::as_ref), server_major).await?;
    Ok(())
}

/// One database that is backed up.
struct Target<'run> {
    config: &'run BackupConfig,
    database: &'run DatabaseName,
    state: &'run State<Facts>,
    progress: &'run Progress,
    stop: &'run Stop,
}

impl Target<'_> {
    async fn keep(&self, events: &Events<RunReport>) {
        let timing = &self.config.timing;
        let cycle = Cycle {
            database: self.database,
            state: self.state,
            events,
            schedule: &timing.schedule,
            make_up: &timing.make_up,
            max_jitter: timing.retry.first_pause,
            max_age: &|facts: &Facts| timing.max_age(Utc::now(), facts.longest_run),
            stop: self.stop,
        };
        cycle.keep(async || self.prepare().await, async |occasion| self.run(occasion).await).await;
    }

    /// All state is in the bucket, so nothing is decided before it was listed once.
    async fn prepare(&self) -> Option<Start> {
        let shelf = self.config.shelf();
        let catalog = insist(self.stop, "cannot list the bucket, trying again before the first run", async || {
            let store = self.config.store.open();
            let catalog = shelf.catalog(&store, Utc::now()).await?;
            self.observe(&catalog, &store).await;
            Ok(catalog)
        })
        .await?;
        report_oddities(&catalog);
        let last_run = catalog.newest(self.kind()).map(|backup| backup.id.time());
        Some(Start { last_run, first: self.first(&catalog, last_run, Utc::now()) })
    }

    fn kind(&self) -> Kind {
        self.config.dump.kind()
    }

    /// Whether to run before the first tick: a run was missed, there is no backup at all, or
    /// `RUN_ON_STARTUP` says so; and no run began less than `BACKUP_MIN_INTERVAL` ago.
    fn first(&self, catalog: &Catalog, last_success: Option<DateTime<Utc>>, now: DateTime<Utc>) -> First {
        let timing = &self.config.timing;
        let min_interval = TimeDelta::from_std(timing.min_interval).unwrap_or(TimeDelta::MAX);
        // One from the next minutes, by a clock that was set back since, has a negative age and is young, too.
        let is_young = |began: DateTime<Utc>| (now - began).max(TimeDelta::zero()) < min_interval;
        let is_due = timing.schedule.is_due(last_success, now);
        if !is_due && !timing.run_on_startup {
            return First::AtATick;
        }
        if catalog.newest(self.kind()).is_some_and(|backup| is_young(backup.id.time())) {
            tracing::info!("no run at start: a backup younger than BACKUP_MIN_INTERVAL exists");
            return First::AtATick;
        }
        // A run that died has cost the database as much as one that ended well.
        let died = catalog.journal.last_start(now + CLOCK_TOLERANCE).filter(|began| is_young(*began));
        match (is_due, died) {
            (true, Some(began)) => {
                let until = began.min(now) + min_interval;
                tracing::warn!(%until, "a run began less than BACKUP_MIN_INTERVAL ago and came to no end; the next one waits");
                First::PutOff(until)
            }
            (false, Some(_)) => {
                tracing::info!("no run at start: one began less than BACKUP_MIN_INTERVAL ago");
                First::AtATick
            }
            (true, None) => {
                let last_success = last_success.map(|at| at.to_rfc3339());
                tracing::info!(last_success, "catching up a run that was missed");
                First::Now
            }
            (false, None) => First::Now,
        }
    }

    /// One run, and a look at what the bucket holds after it, whatever else has changed it.
    async fn run(&self, occasion: Occasion) -> (RunReport, Ended) {
        let committed = |report: &RunReport| self.change(|facts| facts.ran(report, occasion));
        let report = runner::run(self.config, self.stop, self.progress, committed).await;
        let ended = match report.outcome {
            Outcome::Succeeded => {
                self.change(|facts| facts.retained(&report));
                Ended::Done
            }
            Outcome::Stopped => Ended::Stopped,
            Outcome::Failed => {
                self.change(|facts| facts.ran(&report, occasion));
                Ended::Failed(report.outlook)
            }
        };
        let store = self.config.store.open();
        match self.stop.or(self.config.shelf().catalog(&store, Utc::now())).await {
            Ok(catalog) => self.observe(&catalog, &store).await,
            Err(error) => tracing::debug!(error = format!("{error:#}"), "cannot list the bucket after the run"),
        }
        (report, ended)
    }

    /// Takes what a listing shows into the state.
    async fn observe(&self, catalog: &Catalog, store: &Store) {
        let (config, now) = (self.config, Utc::now());
        let (size_rule, timing, retention) = (&config.size_rule, &config.timing, &config.retention);
        let limits = Limits { kind: self.kind(), size_rule, timing, retention };
        self.state.change(self.database, |state| {
            state.own.observe(catalog, &limits, store.clock(), now);
            state.max_age_seconds = timing.max_age(now, state.own.longest_run).as_secs();
        });
        journal::mark_suspect(config, store, catalog, self.stop).await;
    }

    fn change(&self, change: impl FnOnce(&mut Facts)) {
        self.state.change(self.database, |state| change(&mut state.own));
    }
}

fn report_oddities(catalog: &Catalog) {
    for backup in &catalog.from_the_future {
        tracing::warn!(backup_id = %backup.id, "this backup is dated in the future and does not count as the newest; was a clock wrong?");
    }
    for run in catalog.incomplete.iter().filter(|run| run.lost_its_data) {
        tracing::warn!(backup_id = %run.id, "this backup has lost its data: its manifest is alone");
    }
}
