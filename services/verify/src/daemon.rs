//! The loop: one drill at a time, on schedule, with a missed one caught up after a start.

use std::sync::Arc;

use anyhow::Context;
use backup_core::catalog::{Catalog, Drill};
use backup_core::schedule::Ticker;
use backup_core::service::{Board, ProbeMemory, State, bind, insist, serve, sleep};
use backup_core::stop::Stop;
use chrono::{DateTime, Utc};
use rand::Rng;

use crate::choose::{ChooseError, Wanted, shelf};
use crate::config::{Habit, VerifyConfig};
use crate::leftovers;
use crate::pages::{Pages, router};
use crate::progress::Progress;
use crate::runner;
use crate::status::Facts;

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
        let now = Utc::now();
        let last_drill = records.newest.map(|drill| drill.time);
        let schedule = self.config.timing.schedule.clone();
        let starts_now = schedule.is_due(last_drill, now) || self.config.timing.run_on_startup;
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
                Ok(shelf) => Ok(Records::of(&shelf.catalog(&store, Utc::now()).await?)),
                Err(ChooseError::Unlisted(error)) => Err(error),
                // The first drill says what is wrong.
                Err(ChooseError::NoBackup(_) | ChooseError::Unclear(_)) => Ok(Records::default()),
            }
        })
        .await
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

/// What records of drills a listing shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Records {
    newest: Option<Drill>,
    last_passed_at: Option<DateTime<Utc>>,
}

impl Records {
    fn of(catalog: &Catalog) -> Self {
        let all = || catalog.backups.iter().flat_map(|backup| backup.drills.iter().copied());
        Self {
            newest: all().max_by_key(|drill| drill.time),
            last_passed_at: all().filter(|drill| drill.passed).map(|drill| drill.time).max(),
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
    use backup_core::catalog::{Backup, BackupId, Kind, RunEvents};

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
    fn records_of_drills_are_found_beside_any_backup() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let (old, new) = (at("2026-11-20T05:00:00Z"), at("2026-11-21T05:00:00Z"));
        let backup = |drills| Backup {
            id: BackupId::new(old),
            kind: Kind::Full,
            stored_bytes: 1,
            dump_bytes: 1,
            dump_name: "app.dump".to_owned(),
            committed_at: None,
            events: RunEvents::default(),
            has_globals: false,
            drills,
            keys: Vec::new(),
        };
        let (passed, failed) = (Drill { time: old, passed: true }, Drill { time: new, passed: false });
        let catalog = Catalog { backups: vec![backup(vec![passed]), backup(vec![failed])], ..Catalog::default() };
        assert_eq!(Records::of(&catalog), Records { newest: Some(failed), last_passed_at: Some(old) });
        assert_eq!(Records::of(&Catalog::default()), Records::default());
    }
}
