//! The loop: one drill at a time, on schedule, with a missed one caught up after a start.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use backup_core::catalog::{Catalog, Drill};
use backup_core::stop::Stop;
use backup_daemon::schedule::Ticker;
use backup_daemon::{Board, ProbeMemory, State, bind, insist, serve, sleep};
use chrono::{DateTime, TimeDelta, Utc};
use rand::Rng;

use crate::attest::own_records;
use crate::choose::{ChooseError, DEFAULT_MAX_AGE, Wanted, shelf};
use crate::config::{Habit, VerifyConfig};
use crate::leftovers;
use crate::pages::{Pages, router};
use crate::runner;
use crate::status::Facts;
use backup_daemon::Progress;

/// How long to wait between two looks for the first backup: `RETRY_DELAY`, within these bounds.
const SHORTEST_LOOK: Duration = Duration::from_secs(1);
const LONGEST_LOOK: Duration = Duration::from_secs(60);

/// Runs until `stop`.
///
/// # Errors
/// Only where the HTTP port cannot be had. A bucket or server that cannot be reached makes drills
/// fail, and `/health` red.
pub(crate) async fn daemon(config: Arc<VerifyConfig>, stop: &Stop) -> anyhow::Result<()> {
    let now = Utc::now();
    let timing = &config.timing;
    let facts = Facts::new(timing.schedule.to_string(), timing.max_age(now), timing.drill_timeout, now);
    let daemon = Daemon { board: Board::new(facts), progress: Progress::default(), config, stop };
    let listener = bind(daemon.config.port).await.context("listen on PORT")?;
    let port = listener.local_addr().context("listen on PORT")?.port();
    tracing::info!(port, schedule = %daemon.config.timing.schedule, "verify daemon started");
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
    config: Arc<VerifyConfig>,
    board: Board<Facts>,
    progress: Progress,
    stop: &'stop Stop,
}

impl Daemon<'_> {
    async fn run_until_stopped(&self) {
        leftovers::sweep_and_log(&self.config, self.stop).await;
        let Some(records) = self.records().await else { return };
        self.board.change(|facts| facts.remember(records.newest, records.last_passed_at));
        let waits = !records.holds_backups;
        if waits && !self.wait_for_the_first_backup().await {
            return;
        }
        let now = Utc::now();
        let last_drill = records.newest.map(|drill| drill.time);
        let schedule = self.config.timing.schedule.clone();
        let starts_now = waits || schedule.is_due(last_drill, now) || self.config.timing.run_on_startup;
        let mut ticker = Ticker::new(schedule, if starts_now { Some(now) } else { last_drill });
        let mut drills = 0;
        if starts_now && self.jitter().await {
            drills += 1;
            self.drill(drills).await;
        }
        loop {
            let max_age_seconds = self.config.timing.max_age(Utc::now()).as_secs();
            self.board.change(|facts| {
                facts.state = State::Waiting;
                facts.max_age_seconds = max_age_seconds; // Again, since daylight saving moves it.
                facts.next_drill_at = ticker.upcoming();
            });
            let Some(tick) = ticker.next(self.stop.token()).await else { return };
            tracing::debug!(%tick, "tick");
            self.board.change(|facts| facts.skipped_overlapping_drills = ticker.skipped_overlap());
            drills += 1;
            self.drill(drills).await;
        }
    }

    /// What the bucket remembers of drills; nothing where `VERIFY_ATTEST` never was on.
    async fn records(&self) -> Option<Records> {
        insist(self.stop, "cannot list the bucket, trying again before the first drill", async || {
            let store = self.config.store.open();
            match shelf(&self.config, &store, self.stop).await {
                Ok(shelf) => {
                    let catalog = shelf.catalog(&store, Utc::now()).await?;
                    let own = own_records(&self.config, &store, &shelf, &catalog).await.context("read a record")?;
                    Ok(Records::of(&catalog, &own))
                }
                Err(ChooseError::Unlisted(error)) => {
                    // Whether there is a backup by now nobody knows.
                    self.board.change(|facts| facts.first_backup_by = None);
                    Err(error)
                }
                Err(ChooseError::NoBackup(_)) => Ok(Records::default()),
                // The first drill says what is wrong.
                Err(ChooseError::Unclear(_)) => Ok(Records { holds_backups: true, ..Records::default() }),
            }
        })
        .await
    }

    /// Looks into the bucket again and again until it holds a backup; false if a stop came first. A service that is
    /// deployed together with `backup` has nothing to restore until the first run of that one has ended, which is no
    /// failure for as long as `BACKUP_MAX_AGE` allows.
    async fn wait_for_the_first_backup(&self) -> bool {
        let bound =
            TimeDelta::from_std(self.config.backup_max_age.unwrap_or(DEFAULT_MAX_AGE)).unwrap_or(TimeDelta::MAX);
        let by = Utc::now().checked_add_signed(bound).unwrap_or(DateTime::<Utc>::MAX_UTC);
        let pause = self.config.timing.retry.first_pause.clamp(SHORTEST_LOOK, LONGEST_LOOK);
        tracing::info!(red_from = %by, "there is no backup yet; waiting for the first one");
        let mut is_late = false;
        loop {
            self.board.change(|facts| {
                facts.state = State::Waiting;
                facts.first_backup_by = Some(by);
            });
            if !is_late && Utc::now() > by {
                is_late = true;
                tracing::warn!("there is still no backup, for longer than BACKUP_MAX_AGE allows");
            }
            if !sleep(self.stop, pause).await {
                return false;
            }
            match self.records().await {
                None => return false,
                Some(records) if records.holds_backups => break,
                Some(_) => {}
            }
        }
        tracing::info!("the first backup is there");
        self.board.change(|facts| facts.first_backup_by = None);
        true
    }

    /// Waits a moment, so that services that were started together do not all begin at once; false
    /// where a stop came first.
    async fn jitter(&self) -> bool {
        let pause = self.config.timing.retry.first_pause.mul_f64(rand::rng().random_range(0.0..=1.0));
        sleep(self.stop, pause).await
    }

    /// One drill, the `number`th of this process.
    async fn drill(&self, number: u64) {
        self.board.change(|facts| facts.state = State::Running);
        let wanted = self.config.habit.wanted(number);
        let report = runner::run(&self.config, &wanted, self.stop, &self.progress).await;
        self.board.change(|facts| facts.drilled(report));
    }
}

/// What records of drills say that this service has written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Records {
    /// Whether there is anything that a drill would have to look at, if only what is left of a backup.
    holds_backups: bool,
    newest: Option<Drill>,
    last_passed_at: Option<DateTime<Utc>>,
}

impl Records {
    /// Of a listing, and of `own` records, the newest first.
    fn of(catalog: &Catalog, own: &[Drill]) -> Self {
        let lost = catalog.incomplete.iter().any(|run| run.lost_its_data);
        Self {
            holds_backups: lost || !catalog.backups.is_empty() || !catalog.from_the_future.is_empty(),
            newest: own.first().copied(),
            last_passed_at: own.iter().find(|drill| drill.passed).map(|drill| drill.time),
        }
    }
}

impl Habit {
    /// What the `number`th drill of a daemon takes.
    fn wanted(&self, number: u64) -> Wanted {
        match self {
            // Every second of them is the oldest, which needs the oldest key.
            Self::Newest { random_every: every @ 1.. } if number.is_multiple_of(*every) => {
                if (number / every).is_multiple_of(2) { Wanted::Older } else { Wanted::Oldest }
            }
            Self::Newest { .. } => Wanted::Newest,
            Self::Random => Wanted::Random,
            Self::Always(id) => Wanted::Named(id.clone()),
        }
    }

    /// What a process takes that drills once and cannot count: chance stands in for a counter.
    pub(crate) fn wanted_once(&self) -> Wanted {
        match self {
            Self::Newest { random_every: every @ 1.. } => self.wanted(rand::rng().random_range(1..=every * 2)),
            _ => self.wanted(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_so_many_drills_one_takes_an_older_backup_and_each_second_of_them_the_oldest_r038() {
        let drills = |random_every, wanted: Wanted| {
            let habit = Habit::Newest { random_every };
            (1..=20).filter(|number| habit.wanted(*number) == wanted).collect::<Vec<_>>()
        };
        assert_eq!(drills(5, Wanted::Oldest), [5, 15]);
        assert_eq!(drills(5, Wanted::Older), [10, 20]);
        assert_eq!((drills(1, Wanted::Oldest).len(), drills(1, Wanted::Older).len()), (10, 10));
        assert_eq!(drills(0, Wanted::Newest).len(), 20);
        assert_eq!(Habit::Random.wanted(5), Wanted::Random);
    }

    #[test]
    fn a_process_that_drills_once_takes_an_older_backup_by_chance() {
        let habit = Habit::Newest { random_every: 2 };
        let taken: Vec<Wanted> = (0..200).map(|_| habit.wanted_once()).collect();
        assert!([Wanted::Older, Wanted::Oldest, Wanted::Newest].iter().all(|wanted| taken.contains(wanted)));
        assert_eq!(Habit::Newest { random_every: 0 }.wanted_once(), Wanted::Newest);
    }

    #[test]
    fn what_the_bucket_remembers_is_what_own_records_say() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let (old, new) = (at("2026-11-20T05:00:00Z"), at("2026-11-21T05:00:00Z"));
        let drill = |time, passed| Drill { time, passed, recorded_at: None };
        let own = [drill(new, false), drill(old, true)];
        let expected = Records { holds_backups: false, newest: Some(own[0]), last_passed_at: Some(old) };
        assert_eq!(Records::of(&Catalog::default(), &own), expected);
        assert_eq!(Records::of(&Catalog::default(), &[]), Records::default());
    }
}
