//! The loop: one run at a time, on schedule, with a missed one caught up after a start.

use std::sync::Arc;

use anyhow::Context;
use backup_core::catalog::{Catalog, Kind};
use backup_core::schedule::Ticker;
use backup_core::service::{Board, ProbeMemory, State, bind, insist, serve, sleep};
use backup_core::stop::Stop;
use chrono::{DateTime, Utc};
use rand::Rng;

use crate::config::BackupConfig;
use crate::pages::{Pages, router};
use crate::progress::Progress;
use crate::status::Facts;
use crate::{prune, runner};

/// Runs until `stop`.
///
/// # Errors
/// Only where the HTTP port cannot be had. A database or bucket that cannot be reached is waited for.
pub(crate) async fn daemon(config: Arc<BackupConfig>, stop: &Stop) -> anyhow::Result<()> {
    let board = Board::new(Facts::new(config.timing.schedule.to_string(), config.timing.max_age(Utc::now())));
    let daemon = Daemon { config, board, progress: Arc::default(), stop };
    let listener = bind(daemon.config.port).await.context("listen on PORT")?;
    let port = listener.local_addr().context("listen on PORT")?.port();
    tracing::info!(port, schedule = %daemon.config.timing.schedule, "backup daemon started");
    let pages = Pages {
        config: Arc::clone(&daemon.config),
        board: daemon.board.clone(),
        progress: Arc::clone(&daemon.progress),
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
    progress: Arc<Progress>,
    stop: &'stop Stop,
}

impl Daemon<'_> {
    async fn run_until_stopped(&self) {
        let Some(catalog) = self.first_listing().await else { return };
        let now = Utc::now();
        let last_success = catalog.newest(self.kind()).map(|backup| backup.id.time());
        let starts_now = self.starts_now(&catalog, last_success, now);
        let schedule = self.config.timing.schedule.clone();
        let mut ticker = Ticker::new(schedule, if starts_now { Some(now) } else { last_success });
        if starts_now && self.jitter().await {
            self.run().await;
        }
        loop {
            let max_age_seconds = self.config.timing.max_age(Utc::now()).as_secs();
            self.board.change(|facts| {
                facts.state = State::Waiting;
                facts.max_age_seconds = max_age_seconds; // Again, since daylight saving moves it.
                facts.next_run_at = ticker.upcoming();
            });
            let Some(tick) = ticker.next(self.stop.token()).await else { return };
            tracing::debug!(%tick, "tick");
            self.board.change(|facts| facts.skipped_overlapping_runs = ticker.skipped_overlap());
            self.run().await;
        }
    }

    /// All state is in the bucket, so nothing is decided before it was listed once.
    async fn first_listing(&self) -> Option<Catalog> {
        let shelf = self.config.shelf();
        let catalog = insist(self.stop, "cannot list the bucket, trying again before the first run", async || {
            shelf.catalog(&self.config.store.open(), Utc::now()).await
        })
        .await?;
        self.saw(&catalog);
        report_oddities(&catalog);
        Some(catalog)
    }

    fn kind(&self) -> Kind {
        self.config.dump.kind()
    }

    /// Whether to run before the first tick: a run was missed, there is no backup at all, or
    /// `RUN_ON_STARTUP` says so; and no backup is younger than `BACKUP_MIN_INTERVAL`.
    fn starts_now(&self, catalog: &Catalog, last_success: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
        let timing = &self.config.timing;
        let youngest = catalog.newest(self.kind()).map(|backup| now - backup.id.time());
        // One from the next minutes, by a clock that was set back since, has a negative age and is young, too.
        let too_young = youngest.is_some_and(|age| age.to_std().unwrap_or_default() < timing.min_interval);
        let is_due = timing.schedule.is_due(last_success, now);
        match (is_due, timing.run_on_startup, too_young) {
            (false, false, _) => false,
            (_, _, true) => {
                tracing::info!("no run at start: a backup younger than BACKUP_MIN_INTERVAL exists");
                false
            }
            (true, _, _) => {
                let last_success = last_success.map(|at| at.to_rfc3339());
                tracing::info!(last_success, "catching up a run that was missed");
                true
            }
            (false, true, _) => true,
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
    async fn run(&self) {
        self.back_up().await;
        let store = self.config.store.open();
        match self.stop.or(self.config.shelf().catalog(&store, Utc::now())).await {
            Ok(catalog) => self.saw(&catalog),
            Err(error) => tracing::debug!(error = format!("{error:#}"), "cannot list the bucket after the run"),
        }
    }

    fn saw(&self, catalog: &Catalog) {
        self.board.change(|facts| facts.saw(catalog, self.config.timing.max_shrink_percent));
        if let Some(alarm) = self.board.facts().shrunk {
            tracing::warn!("{alarm}");
        }
    }

    async fn back_up(&self) {
        let started_at = Utc::now();
        self.board.change(|facts| facts.state = State::Running);
        match runner::run(&self.config, self.stop, &self.progress).await {
            Ok(manifest) => {
                self.board.change(|facts| facts.ran(started_at, Ok(&manifest)));
                let retention = prune::after_commit(&self.config, self.stop, &manifest).await;
                self.board.change(|facts| facts.retention = Some(retention));
            }
            Err(error) if self.stop.reason().is_some() => tracing::warn!(error = format!("{error:#}"), "run stopped"),
            Err(error) => {
                let words = self.config.scrubber.scrub(&format!("{error:#}")).into_owned();
                tracing::error!(error = words, "backup failed");
                self.board.change(|facts| facts.ran(started_at, Err(words)));
            }
        }
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
