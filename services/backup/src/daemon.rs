//! The daemon: how its loop begins, and what surrounds each of its runs.

use std::sync::Arc;
use std::time::Instant;

use backup_core::postgres::ClientTools;
use backup_core::repository::{Catalog, Kind, Repository};
use backup_core::stop::Stop;
use backup_daemon::schedule::Occasion;
use backup_daemon::{Cycle, DatabaseState, Ended, Events, First, Listing, Pages, Service, Start, State, insist};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;

use crate::alarms::conditions;
use crate::config::{BackupConfig, TargetConfig};
use crate::metrics::metrics;
use crate::prune::Limits;
use crate::run_report::{Outcome, RunReport};
use crate::said_once::SaidOnce;
use crate::status::Facts;
use crate::status_page::status_page;
use crate::tell::{TELLER, notifier};
use crate::{journal, runner};

/// How far the clock may have been set back since a run began that counts as a young one.
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::minutes(10);

/// Runs until `stop`.
///
/// # Errors
/// Only if the HTTP port cannot be had. A database or bucket that cannot be reached is waited for.
pub(crate) async fn daemon(config: BackupConfig, stop: &Stop) -> anyhow::Result<()> {
    let (config, now) = (Arc::new(config), Utc::now());
    let state = State::new(config.targets.iter().map(|target| (target.database(), initial(target, now))));
    let probed = Arc::clone(&config);
    let metrics = metrics(&config.process.store.counters, &state);
    let pages = Pages::new(&state, conditions, status_page, metrics, move || probe(Arc::clone(&probed)));
    let (port, events) = (config.process.port, Events::default());
    let (notifier, teller) = (notifier(&config.process), TELLER);
    let service = Service { notifier, teller, port, state: &state, events, judge: conditions, pages };
    let state = &state;
    let targets = config.targets.iter().map(|config| Target { config, state, said: SaidOnce::default(), stop });
    let targets: Vec<Target<'_>> = targets.collect();
    let work = async |events: &Events<RunReport>| {
        join_all(targets.iter().map(|target| target.keep(events))).await;
    };
    service.keep(stop, work).await
}

/// What is known of a database at the start.
pub(crate) fn initial(target: &TargetConfig, now: DateTime<Utc>) -> DatabaseState<Facts> {
    let timing = &target.timing;
    let max_age = timing.max_age(now, TimeDelta::zero());
    DatabaseState {
        interval_seconds: timing.schedule.longest_gap_seconds(now),
        ..DatabaseState::new(timing.schedule.to_string(), max_age, now, Facts::default())
    }
}

/// Whether each database and the bucket answer now, and a `pg_dump` here fits each server.
async fn probe(config: Arc<BackupConfig>) -> Vec<String> {
    let databases = join_all(
        config
            .targets
            .iter()
            .map(async |target| probe_database(target).await.map_err(|error| format!("database: {error:#}"))),
    );
    let bucket = async { config.process.store.open().probe().await.map_err(|error| format!("bucket: {error}")) };
    let (databases, bucket) = tokio::join!(databases, bucket);
    let reasons = databases.into_iter().filter_map(Result::err).chain(bucket.err());
    reasons.map(|reason| config.process.scrubber.scrub(&reason).into_owned()).collect()
}

async fn probe_database(config: &TargetConfig) -> anyhow::Result<()> {
    let session = config.source.connect().await?;
    let server_major = session.server_version_num() / 10_000;
    ClientTools::find(config.process.bin_dir.as_deref().map(AsRef::as_ref), server_major).await?;
    Ok(())
}

/// One database that is backed up.
struct Target<'run> {
    config: &'run TargetConfig,
    state: &'run State<Facts>,
    said: SaidOnce,
    stop: &'run Stop,
}

impl Target<'_> {
    async fn keep(&self, events: &Events<RunReport>) {
        let (timing, database) = (&self.config.timing, self.config.database());
        let cycle = Cycle {
            database: &database,
            state: self.state,
            events,
            schedule: &timing.schedule,
            make_up: &timing.make_up,
            max_jitter: self.config.process.retry.first_pause,
            max_age: &|facts: &Facts| timing.max_age(Utc::now(), facts.longest_run),
            stop: self.stop,
        };
        cycle.keep(async || self.prepare().await, async |occasion| self.run(occasion).await).await;
    }

    /// All state is in the bucket, so nothing is decided before it was listed once.
    async fn prepare(&self) -> Option<Start> {
        let catalog = insist(self.stop, "cannot list the bucket, trying again before the first run", async || {
            let repository = self.config.repository();
            let catalog = repository.catalog(Utc::now()).await?;
            self.observe(&catalog, &repository).await;
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
        let recent = now.checked_sub_signed(min_interval).unwrap_or(DateTime::<Utc>::MIN_UTC);
        // A run that died has cost the database as much as one that ended well.
        let died = catalog.journal.first_start(recent, now + CLOCK_TOLERANCE);
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

    /// One run, and a look at what the bucket holds after it, changes by others included.
    async fn run(&self, occasion: Occasion) -> (RunReport, Ended) {
        let progress = self.state.progress(&self.config.database());
        let committed = |report: &RunReport| {
            self.state.change(&self.config.database(), |state| {
                state.own.ran(report, occasion);
                if let (Some(made), Some(listing)) = (&report.backup, &mut state.listing) {
                    listing.add(made.kind, made.id.time(), made.stored_bytes);
                }
            });
        };
        let began = Instant::now();
        let report = Box::pin(runner::run((self.config, &self.said), self.stop, &progress, committed)).await;
        let ended = match report.outcome {
            Outcome::Succeeded => {
                self.change(|facts| facts.retained(&report));
                Ended::Done
            }
            Outcome::Stopped => {
                self.change(|facts| facts.stopped());
                Ended::Stopped
            }
            Outcome::Failed => {
                self.change(|facts| facts.ran(&report, occasion));
                Ended::Failed { took: began.elapsed(), outlook: report.outlook }
            }
        };
        let repository = self.config.repository();
        match self.stop.or(repository.catalog(Utc::now())).await {
            Ok(catalog) => self.observe(&catalog, &repository).await,
            Err(error) => tracing::debug!(error = format!("{error:#}"), "cannot list the bucket after the run"),
        }
        (report, ended)
    }

    async fn observe(&self, catalog: &Catalog, repository: &Repository) {
        observe(self.config, self.state, catalog, repository, self.stop).await;
    }

    fn change(&self, change: impl FnOnce(&mut Facts)) {
        self.state.change(&self.config.database(), |state| change(&mut state.own));
    }
}

/// Takes what a listing shows into the state.
pub(crate) async fn observe(
    config: &TargetConfig,
    state: &State<Facts>,
    catalog: &Catalog,
    repository: &Repository,
    stop: &Stop,
) {
    let now = Utc::now();
    let (size_rule, timing, retention) = (&config.size_rule, &config.timing, &config.retention);
    let limits = Limits { kind: config.dump.kind(), size_rule, timing, retention };
    state.change(&config.database(), |state| {
        state.own.observe(catalog, &limits, repository.store().clock(), now);
        state.max_age_seconds = timing.max_age(now, state.own.longest_run).as_secs();
        state.listing = Some(Listing::of(config.source.dbname(), catalog, now));
    });
    journal::mark_suspect(config, repository, catalog, stop).await;
}

fn report_oddities(catalog: &Catalog) {
    for backup in &catalog.from_the_future {
        tracing::warn!(backup_id = %backup.id, "this backup is dated in the future and does not count as the newest; was a clock wrong?");
    }
    for run in catalog.incomplete.iter().filter(|run| run.lost_its_data) {
        tracing::warn!(backup_id = %run.id, "this backup has lost its data: its manifest is alone");
    }
}
