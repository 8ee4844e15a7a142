//! The loop of one database: how it begins, and what surrounds each of its drills.

use std::cell::Cell;
use std::time::{Duration, Instant};

use backup_core::repository::{Catalog, Kind, Repository};
use backup_core::spool::free_bytes;
use backup_core::stop::Stop;
use backup_daemon::schedule::{Occasion, Outlook};
use backup_daemon::{
    Activity, Cycle, DatabaseState, Ended, Events, First, Journal, Listing, Start, State, Turns, insist, restore, sleep,
};
use backup_drill::{ChooseError, DEFAULT_MAX_AGE, Promised, Report, Selector, Verdict, promised, repository};
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{Notify, Semaphore};

use crate::config::{TargetConfig, VerifyConfig};
use crate::journal::DrillLines;
use crate::news;
use crate::records::Records;
use crate::status::Facts;

/// Listings of the bucket that go on at once, of all databases.
pub(crate) const MAX_LISTINGS: usize = 4;

/// How long to wait between two looks for the first backup: `RETRY_DELAY`, within these bounds.
const SHORTEST_LOOK: Duration = Duration::from_secs(1);
const LONGEST_LOOK: Duration = Duration::from_secs(60);

/// What is said of a bucket that cannot be listed at the start.
pub(crate) const CANNOT_LIST: &str = "cannot list the bucket, trying again before the first drill";

/// What the loops of all databases share.
#[derive(Clone, Copy)]
pub(crate) struct Shared<'run> {
    pub(crate) config: &'run VerifyConfig,
    pub(crate) state: &'run State<Facts>,
    pub(crate) journal: &'run Journal,
    pub(crate) listings: &'run Semaphore,
    /// The loop without a name has seen that there is a database by now.
    pub(crate) appeared: &'run Notify,
}

/// What is known of a database at the start.
pub(crate) fn initial(target: &TargetConfig, now: DateTime<Utc>) -> DatabaseState<Facts> {
    let timing = &target.timing;
    let mut facts = Facts::new(target.drill.timeout);
    facts.max_recovery_time = target.max_recovery_time;
    facts.backup_max_age = target.drill.backup_max_age.unwrap_or(facts.backup_max_age);
    DatabaseState::new(timing.schedule.to_string(), timing.max_age(now), now, facts)
}

/// One database whose backups are drilled.
pub(crate) struct Target<'run> {
    config: TargetConfig,
    state: &'run State<Facts>,
    journal: &'run Journal,
    listings: &'run Semaphore,
    appeared: &'run Notify,
    stop: &'run Stop,
    lines: DrillLines,
    /// A backup has appeared that asks for a drill.
    news: Notify,
    /// How many listings were asked for, and the last of them whose answer was taken.
    asked: Cell<u64>,
    answered: Cell<u64>,
}

impl<'run> Target<'run> {
    pub(crate) fn new(shared: Shared<'run>, config: TargetConfig, stop: &'run Stop) -> Self {
        let Shared { config: _, state, journal, listings, appeared } = shared;
        let (lines, news) = (DrillLines::default(), Notify::new());
        let (asked, answered) = Default::default();
        Self { config, state, journal, listings, appeared, stop, lines, news, asked, answered }
    }

    pub(crate) async fn keep(&self, events: &Events<Report>, turns: Option<&Turns<Facts>>) {
        let (timing, database) = (&self.config.timing, self.config.database());
        let drills = Cell::new(0);
        let cycle = Cycle {
            database: &database,
            state: self.state,
            events,
            schedule: &timing.schedule,
            make_up: &timing.make_up,
            max_jitter: self.config.process.retry.first_pause,
            poll_interval: self.config.process.poll_interval,
            news: &self.news,
            max_age: &|_: &Facts| timing.max_age(Utc::now()),
            turns,
            stop: self.stop,
        };
        let drill = async |occasion| {
            if matches!(occasion, Occasion::Tick(_)) {
                drills.set(drills.get() + 1);
            }
            let began = Instant::now();
            let report = self.drill(drills.get(), occasion).await;
            let ended = match report.verdict {
                Verdict::CouldNotRun => Ended::Failed { took: began.elapsed(), outlook: Outlook::MayDiffer },
                Verdict::Stopped => Ended::Stopped,
                Verdict::Passed | Verdict::Failed | Verdict::Skipped => Ended::Done,
            };
            (report, ended)
        };
        cycle.keep(async || self.prepare(events).await, async || self.look().await, drill).await;
    }

    /// Looks at what others have done to the bucket, unless that is what the service waits for.
    async fn look(&self) {
        let is_waiting = |state: &DatabaseState<Facts>| state.own.first_backup_by.is_some();
        if self.copy().as_ref().is_some_and(is_waiting) {
            return;
        }
        self.list_if_possible().await;
        if self.config.selection_policy.asks_for_newest()
            && self.copy().is_some_and(|state| news::ask_for_drill(&state, &self.config.timing, Utc::now()))
        {
            tracing::info!("there is a newer backup than the last drilled one");
            self.news.notify_one();
        }
    }

    fn copy(&self) -> Option<DatabaseState<Facts>> {
        self.state.get(&self.config.database())
    }

    /// Takes what the bucket holds now into the state, unless a listing that was asked for later has come before.
    ///
    /// # Errors
    /// If the bucket cannot be listed, which the state knows by then, or a stop came first.
    async fn list(&self) -> anyhow::Result<()> {
        let asked = self.asked.get() + 1;
        self.asked.set(asked);
        let known = self.copy().and_then(|state| state.own.promised);
        let listed = async {
            let _listing = self.listings.acquire().await?;
            list(&self.config, known, self.stop).await
        };
        match self.stop.or(listed).await {
            Ok(_) if asked < self.answered.get() => Ok(()),
            Ok((listing, catalog, promised)) => {
                self.answered.set(asked);
                self.change(|state| {
                    // A drill that is going on takes room itself.
                    if state.activity != Activity::Running {
                        state.own.spool_free_bytes = free_bytes(&self.config.drill.spool_dir).ok();
                    }
                    if let Some(promised) = promised {
                        state.own.needs(promised.sizes, &self.config);
                        state.own.promise(promised, self.config.drill.backup_max_age);
                    }
                    state.own.observe(&catalog, Utc::now());
                    state.listed(listing.proven(|id| state.own.proven.contains(id)));
                });
                Ok(())
            }
            Err(error) => {
                if self.stop.reason().is_none() {
                    let scrubber = &self.config.process.scrubber;
                    self.change(|state| state.unlisted.failed_by(&error, scrubber, Utc::now()));
                }
                Err(error)
            }
        }
    }

    /// As [`Target::list`]: the next look may succeed.
    async fn list_if_possible(&self) {
        if let Err(error) = self.list().await {
            tracing::debug!(error = format!("{error:#}"), "cannot list the bucket");
        }
    }

    /// The bucket tells when the last drill was.
    async fn prepare(&self, events: &Events<Report>) -> Option<Start> {
        let records = self.records().await?;
        let waits = !records.holds_backups || self.config.drill.source_database.is_none();
        let bound = TimeDelta::from_std(self.config.drill.backup_max_age.unwrap_or(DEFAULT_MAX_AGE));
        let first_by = records.first_backup_by(bound.unwrap_or(TimeDelta::MAX), Utc::now());
        let (newest, past) = (records.newest, records.past.clone());
        self.lines.remember(&past);
        self.change(|state| {
            records.enter(state);
            state.own.past(&past);
        });
        if !waits {
            // Alarms from before the restart are judged by what it shows.
            insist(self.stop, CANNOT_LIST, async || self.list().await).await?;
        }
        restore(self.state, events, &self.config.database(), past.remembered);
        if waits && !self.wait_for_the_first_backup(first_by).await {
            return None;
        }
        let (timing, last_run) = (&self.config.timing, newest.map(|drill| drill.time));
        let starts_now = waits || timing.schedule.is_due(last_run, Utc::now()) || timing.run_on_startup;
        Some(Start { last_run, first: if starts_now { First::Now } else { First::AtATick } })
    }

    /// What the bucket remembers of drills; nothing if `VERIFY_ATTEST` never was on.
    async fn records(&self) -> Option<Records> {
        let config = &self.config;
        insist(self.stop, CANNOT_LIST, async || {
            let _listing = self.listings.acquire().await?;
            let records = match repository(&config.drill, self.stop).await {
                Ok(repository) => Records::read(config, &repository).await,
                Err(ChooseError::Unlisted(error)) => Err(error),
                Err(ChooseError::NoBackup(_)) => Ok(Records::of_nothing()),
                // The first drill says what is wrong.
                Err(ChooseError::Unclear(_)) => Ok(Records::unclear()),
            };
            if let Err(error) = &records
                && self.stop.reason().is_none()
            {
                self.change(|state| {
                    // Whether there is a backup by now is not known.
                    state.own.first_backup_by = None;
                    state.unlisted.failed_by(error, &config.process.scrubber, Utc::now());
                });
            }
            records
        })
        .await
    }

    /// Looks into the bucket again and again until it holds a backup; false if a stop came first. A service that is
    /// deployed together with `backup` has nothing to restore until the first run of that one has ended, which is no
    /// failure until `by`, for as long as `BACKUP_MAX_AGE` allows.
    async fn wait_for_the_first_backup(&self, by: DateTime<Utc>) -> bool {
        let config = &self.config;
        let pause = config.process.retry.first_pause.clamp(SHORTEST_LOOK, LONGEST_LOOK);
        tracing::info!(red_from = %by, "there is no backup yet; waiting for the first one");
        let mut is_late = false;
        loop {
            self.change(|state| {
                state.activity = Activity::Waiting;
                state.own.first_backup_by = Some(by);
                state.own.first_drill_since = Some(Utc::now());
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
                Some(records) => {
                    let is_there = records.holds_backups;
                    self.change(|state| records.enter(state));
                    if is_there && config.drill.source_database.is_some() {
                        break;
                    }
                    if is_there {
                        self.appeared.notify_one(); // A loop with its name takes this one's place.
                    }
                }
            }
        }
        tracing::info!("the first backup is there");
        self.change(|state| state.own.first_backup_by = None);
        true
    }

    /// One drill, the `number`th of this process.
    async fn drill(&self, number: u64, occasion: Occasion) -> Report {
        let selector = match occasion {
            Occasion::News => Selector::Newest,
            Occasion::Tick(_) | Occasion::MakeUp => self.config.selection_policy.selector(number.max(1)),
        };
        let progress = self.state.progress(&self.config.database());
        let ended = self.lines.begin(self.journal, self.config.database(), Utc::now());
        let report = backup_drill::run(&self.config.drill, &selector, self.stop, &progress).await;
        self.change(|state| state.own.drilled(report.clone()));
        ended(&report);
        self.list_if_possible().await;
        report
    }

    fn change(&self, change: impl FnOnce(&mut DatabaseState<Facts>)) {
        self.state.change(&self.config.database(), change);
    }
}

/// What the bucket holds now, and what the newest manifest promises, unless that is `known`.
async fn list(
    config: &TargetConfig,
    known: Option<Promised>,
    stop: &Stop,
) -> anyhow::Result<(Listing, Catalog, Option<Promised>)> {
    match repository(&config.drill, stop).await {
        Ok(repository) => list_repository(&repository, known, stop).await,
        // It answers, and everything that was there is gone.
        Err(ChooseError::NoBackup(_)) => {
            Ok((Listing::of("", &Catalog::default(), Utc::now()), Catalog::default(), None))
        }
        Err(error) => Err(error.into()),
    }
}

/// As [`list`], of one repository.
pub(crate) async fn list_repository(
    repository: &Repository,
    known: Option<Promised>,
    stop: &Stop,
) -> anyhow::Result<(Listing, Catalog, Option<Promised>)> {
    let now = Utc::now();
    let catalog = repository.catalog(now).await?;
    let newest = catalog.newest(Kind::Full).map(|backup| &backup.id);
    let promised = match known {
        Some(known) if Some(&known.by) == newest => Some(known),
        // What cannot be read now is read at the next look.
        _ => promised(repository, &catalog, stop).await.ok().flatten(),
    };
    Ok((Listing::of(&repository.layout().database(), &catalog, now), catalog, promised))
}
