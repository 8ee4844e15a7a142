//! The loop: one run at a time, on schedule, with a missed one caught up after a start.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use backup_core::catalog::{Catalog, Kind};
use backup_core::stop::Stop;
use backup_core::storage::Store;
use backup_daemon::schedule::{Occasion, Outlook, Rhythm, Ticker};
use backup_daemon::{Board, ProbeMemory, State, bind, insist, serve, sleep};
use chrono::{DateTime, TimeDelta, Utc};
use rand::Rng;

use crate::config::BackupConfig;
use crate::pages::{Pages, router};
use crate::run_report::{Outcome, RunReport};
use crate::status::{Facts, Limits};
use crate::{journal, runner};
use backup_daemon::Progress;

/// How far the clock may have been set back since a run began that counts as a young one.
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::minutes(10);

/// Runs until `stop`.
///
/// # Errors
/// Only where the HTTP port cannot be had. A database or bucket that cannot be reached is waited for.
pub(crate) async fn daemon(config: Arc<BackupConfig>, stop: &Stop) -> anyhow::Result<()> {
    let max_age = config.timing.max_age(Utc::now(), TimeDelta::zero());
    let board = Board::new(Facts::new(config.timing.schedule.to_string(), max_age));
    let daemon = Daemon { config, board, progress: Progress::default(), stop };
    let listener = bind(daemon.config.port).await.context("listen on PORT")?;
    let port = listener.local_addr().context("listen on PORT")?.port();
    tracing::info!(port, schedule = %daemon.config.timing.schedule, "backup daemon started");
    let pages = Pages {
        config: Arc::clone(&daemon.config),
        board: daemon.board.clone(),
        progress: daemon.progress.clone(),
        probe: ProbeMemory::default(),
    };
    let server = tokio::spawn(serve(listener, router(pages), stop.clone()));
    Box::pin(daemon.run_until_stopped()).await;
    daemon.board.change(|facts| facts.state = State::Stopping);
    server.abort(); // A reader that keeps its connection open does not hold the end back.
    Ok(())
}

struct Daemon<'stop> {
    config: Arc<BackupConfig>,
    board: Board<Facts>,
    progress: Progress,
    stop: &'stop Stop,
}

impl Daemon<'_> {
    async fn run_until_stopped(&self) {
        let Some(catalog) = self.first_listing().await else { return };
        let now = Utc::now();
        let last_success = catalog.newest(self.kind()).map(|backup| backup.id.time());
        let start = self.start(&catalog, last_success, now);
        let counts_from = if start == Start::AtATick { last_success } else { Some(now) };
        let ticker = Ticker::new(self.config.timing.schedule.clone(), counts_from);
        let mut rhythm = Rhythm::new(ticker, self.config.timing.make_up.clone());
        match start {
            Start::Now if self.jitter().await => self.run(&mut rhythm, Occasion::Tick(now)).await,
            Start::PutOff(until) => rhythm.put_off_until(until),
            Start::Now | Start::AtATick => {}
        }
        loop {
            self.board.change(|facts| {
                facts.state = State::Waiting;
                facts.next_run_at = rhythm.upcoming();
                // Again, since daylight saving moves it.
                facts.max_age_seconds = self.config.timing.max_age(Utc::now(), facts.longest_run).as_secs();
            });
            let Some(occasion) = rhythm.next(self.stop.token()).await else { return };
            tracing::debug!(?occasion, "the next run is due");
            self.board.change(|facts| facts.skipped_overlapping_runs = rhythm.skipped_overlap());
            self.run(&mut rhythm, occasion).await;
        }
    }

    /// All state is in the bucket, so nothing is decided before it was listed once.
    async fn first_listing(&self) -> Option<Catalog> {
        let shelf = self.config.shelf();
        let catalog = insist(self.stop, "cannot list the bucket, trying again before the first run", async || {
            let store = self.config.store.open();
            let catalog = shelf.catalog(&store, Utc::now()).await?;
            self.saw(&catalog, &store).await;
            Ok(catalog)
        })
        .await?;
        report_oddities(&catalog);
        Some(catalog)
    }

    fn kind(&self) -> Kind {
        self.config.dump.kind()
    }

    /// Whether to run before the first tick: a run was missed, there is no backup at all, or
    /// `RUN_ON_STARTUP` says so; and no run began less than `BACKUP_MIN_INTERVAL` ago.
    fn start(&self, catalog: &Catalog, last_success: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Start {
        let timing = &self.config.timing;
        let min_interval = TimeDelta::from_std(timing.min_interval).unwrap_or(TimeDelta::MAX);
        // One from the next minutes, by a clock that was set back since, has a negative age and is young, too.
        let is_young = |began: DateTime<Utc>| (now - began).max(TimeDelta::zero()) < min_interval;
        let is_due = timing.schedule.is_due(last_success, now);
        if !is_due && !timing.run_on_startup {
            return Start::AtATick;
        }
        if catalog.newest(self.kind()).is_some_and(|backup| is_young(backup.id.time())) {
            tracing::info!("no run at start: a backup younger than BACKUP_MIN_INTERVAL exists");
            return Start::AtATick;
        }
        // A run that died has cost the database as much as one that ended well.
        let died = catalog.journal.last_start(now + CLOCK_TOLERANCE).filter(|began| is_young(*began));
        match (is_due, died) {
            (true, Some(began)) => {
                let until = began.min(now) + min_interval;
                tracing::warn!(%until, "a run began less than BACKUP_MIN_INTERVAL ago and came to no end; the next one waits");
                Start::PutOff(until)
            }
            (false, Some(_)) => {
                tracing::info!("no run at start: one began less than BACKUP_MIN_INTERVAL ago");
                Start::AtATick
            }
            (true, None) => {
                let last_success = last_success.map(|at| at.to_rfc3339());
                tracing::info!(last_success, "catching up a run that was missed");
                Start::Now
            }
            (false, None) => Start::Now,
        }
    }

    /// Waits a moment, so that services that were started together do not all dump at once; false
    /// where a stop came first.
    async fn jitter(&self) -> bool {
        let bound = self.config.timing.retry.first_pause;
        let pause = bound.mul_f64(rand::rng().random_range(0.0..=1.0));
        sleep(self.stop, pause).await
    }

    /// One run, and a look at what the bucket holds after it, whoever changed it.
    async fn run(&self, rhythm: &mut Rhythm, occasion: Occasion) {
        self.back_up(rhythm, occasion).await;
        let store = self.config.store.open();
        match self.stop.or(self.config.shelf().catalog(&store, Utc::now())).await {
            Ok(catalog) => self.saw(&catalog, &store).await,
            Err(error) => tracing::debug!(error = format!("{error:#}"), "cannot list the bucket after the run"),
        }
    }

    async fn saw(&self, catalog: &Catalog, store: &Store) {
        let limits = Limits {
            kind: self.kind(),
            size_rule: &self.config.size_rule,
            timing: &self.config.timing,
            retention: &self.config.retention,
        };
        self.board.change(|facts| facts.saw(catalog, &limits, store.clock(), Utc::now()));
        let facts = self.board.facts();
        for alarm in [facts.shrunk, facts.another_cluster, facts.clock].into_iter().flatten() {
            tracing::warn!("{alarm}");
        }
        journal::mark_suspect(&self.config, store, catalog, self.stop).await;
    }

    async fn back_up(&self, rhythm: &mut Rhythm, occasion: Occasion) {
        let began = Instant::now();
        self.board.change(|facts| facts.state = State::Running);
        let committed = |report: &RunReport| self.board.change(|facts| facts.ran(report, occasion));
        let report = runner::run(&self.config, self.stop, &self.progress, committed).await;
        match report.outcome {
            Outcome::Succeeded => {
                rhythm.succeeded();
                self.board.change(|facts| facts.retained(&report));
            }
            Outcome::Stopped => {}
            Outcome::Failed => {
                rhythm.failed(began.elapsed(), report.outlook);
                if report.outlook == Outlook::Same {
                    tracing::info!("this is not tried again before the next tick: it would fail in the same way");
                }
                self.board.change(|facts| facts.ran(&report, occasion));
            }
        }
    }
}

/// What happens before the first tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// A run.
    Now,
    /// A run, and not before this time.
    PutOff(DateTime<Utc>),
    /// Nothing.
    AtATick,
}

fn report_oddities(catalog: &Catalog) {
    for backup in &catalog.from_the_future {
        tracing::warn!(backup_id = %backup.id, "this backup is dated in the future and does not count as the newest; was a clock wrong?");
    }
    for run in catalog.incomplete.iter().filter(|run| run.lost_its_data) {
        tracing::warn!(backup_id = %run.id, "this backup has lost its data: its manifest is alone");
    }
}
