//! The loop of one database: how it begins, and what surrounds each of its runs.

use std::cell::Cell;
use std::time::Instant;

use backup_core::repository::{Catalog, EventKind, Kind, Repository};
use backup_core::stop::Stop;
use backup_daemon::schedule::Occasion;
use backup_daemon::{
    Cycle, DatabaseState, Ended, Event, Events, First, Journal, Listing, Start, State, Turns, insist, is_restart_loop,
    restore,
};
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{Notify, Semaphore};

use crate::config::{BackupConfig, TargetConfig};
use crate::journal::Failures;
use crate::prune::{Limits, preview};
use crate::run_report::{Outcome, RunReport};
use crate::said_once::SaidOnce;
use crate::status::{Facts, Oddities};
use crate::{journal, runner};

/// Listings of the bucket that go on at once, of all databases.
pub(crate) const MAX_LISTINGS: usize = 4;

/// How far the clock may have been set back since a run began that counts as a young one.
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::minutes(10);

/// What the loops of all databases share.
#[derive(Clone, Copy)]
pub(crate) struct Shared<'run> {
    pub(crate) config: &'run BackupConfig,
    pub(crate) state: &'run State<Facts>,
    pub(crate) journal: &'run Journal,
    pub(crate) listings: &'run Semaphore,
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

/// One database that is backed up.
pub(crate) struct Target<'run> {
    config: TargetConfig,
    state: &'run State<Facts>,
    journal: &'run Journal,
    listings: &'run Semaphore,
    said: SaidOnce,
    stop: &'run Stop,
    /// Whether it is to be written down that it has appeared.
    has_appeared: bool,
    /// Counts what is newer than a listing that was asked for before it: commits and other listings.
    news: Cell<u64>,
    /// When the last run failed before the start, as long as it is the last one.
    failed_before: Cell<Option<DateTime<Utc>>>,
}

impl<'run> Target<'run> {
    pub(crate) fn new(shared: Shared<'run>, config: TargetConfig, stop: &'run Stop) -> Self {
        let Shared { config: _, state, journal, listings } = shared;
        let (said, news, failed_before) = (SaidOnce::default(), Cell::new(0), Cell::new(None));
        Self { config, state, journal, listings, said, stop, has_appeared: false, news, failed_before }
    }

    /// One that has appeared beside others.
    pub(crate) fn noting_that_it_appeared(self) -> Self {
        Self { has_appeared: true, ..self }
    }

    pub(crate) async fn keep(&self, events: &Events<RunReport>, turns: Option<&Turns<Facts>>) {
        let (timing, database) = (&self.config.timing, self.config.database());
        let cycle = Cycle {
            database: &database,
            state: self.state,
            events,
            schedule: &timing.schedule,
            make_up: &timing.make_up,
            max_jitter: self.config.process.retry.first_pause,
            poll_interval: self.config.process.poll_interval,
            news: &Notify::new(), // Nothing in the bucket asks for a backup.
            max_age: &|facts: &Facts| timing.max_age(Utc::now(), facts.longest_run),
            turns,
            stop: self.stop,
        };
        let look = async || self.look(events).await;
        let run = async |occasion| self.run(occasion, events).await;
        cycle.keep(async || self.prepare(events).await, look, run).await;
    }

    /// Looks at what others have done to the bucket.
    async fn look(&self, events: &Events<RunReport>) {
        let (repository, news) = (self.config.repository(), self.news.get());
        match self.catalog(&repository).await {
            // Else this run has made a backup since, which the listing may not show.
            Ok(catalog) if self.news.get() == news => {
                self.recovered(&observe(&self.config, self.state, &catalog, &repository), events);
                journal::forget(&repository, &catalog, self.stop).await;
            }
            Ok(_) => {}
            Err(error) => self.not_listed(&error, &repository),
        }
    }

    /// The listing of its backups. Of all databases, only a few are listed at once.
    async fn catalog(&self, repository: &Repository) -> anyhow::Result<Catalog> {
        let listed = async {
            let _listing = self.listings.acquire().await?;
            repository.catalog(Utc::now()).await
        };
        self.stop.or(listed).await
    }

    /// Enters that `repository` could not be listed. A store that refuses may tell by that what is wrong with the clock.
    fn not_listed(&self, error: &anyhow::Error, repository: &Repository) {
        if self.stop.reason().is_none() {
            tracing::debug!(error = format!("{error:#}"), "cannot list the bucket");
            let (scrubber, clock) = (&self.config.process.scrubber, repository.store().clock());
            self.state.change(&self.config.database(), |state| {
                state.unlisted.failed_by(error, scrubber, Utc::now());
                state.own.told_by_a_refusal(clock);
            });
        }
    }

    /// All state is in the bucket, so nothing is decided before it was listed once.
    async fn prepare(&self, events: &Events<RunReport>) -> Option<Start> {
        let catalog = insist(self.stop, "cannot list the bucket, trying again before the first run", async || {
            let repository = self.config.repository();
            let listed = self.catalog(&repository).await;
            let catalog = listed.inspect_err(|error| self.not_listed(error, &repository))?;
            self.remember(&catalog, &repository, events);
            self.observe(&catalog, &repository, events).await;
            Ok(catalog)
        })
        .await?;
        report_oddities(&catalog);
        let has_event = |kind| catalog.journal.events().any(|event| event.kind == kind);
        if self.has_appeared && !has_event(EventKind::DatabaseAppeared) {
            self.journal.happened(&self.config.database(), EventKind::DatabaseAppeared, Utc::now());
        }
        let last_run = catalog.newest(self.kind()).map(|backup| backup.id.time());
        let first = match self.first(&catalog, last_run, Utc::now()) {
            First::Now if self.makes_up(Utc::now()) => First::Again,
            first => first,
        };
        Some(Start { last_run, first })
    }

    /// What earlier processes have written down, before anything is decided by the state.
    fn remember(&self, catalog: &Catalog, repository: &Repository, events: &Events<RunReport>) {
        let now = Utc::now();
        let failures = Failures::since_newest(catalog, self.kind(), now).with_killed(catalog, &self.config, now);
        let remembered = journal::remembered(&self.config, catalog, repository, &failures);
        self.failed_before.set(failures.last_at);
        self.change(|facts| facts.remember(&failures));
        restore(self.state, events, &self.config.database(), remembered);
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
                First::PutOff(until, self.kind())
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

    /// Whether a run now would make up for one that has failed: no tick has come since, or it is a restart loop.
    fn makes_up(&self, now: DateTime<Utc>) -> bool {
        let failed = self.failed_before.get();
        failed.is_some_and(|at| !self.config.timing.schedule.is_due(Some(at), now) || is_restart_loop(at, now))
    }

    /// Writes down how a run ended that made no backup.
    fn note(&self, report: &RunReport, occasion: Occasion) {
        if let Some(kind) = journal::ending_of(report, occasion, self.failed_before.take()) {
            self.journal.happened(&self.config.database(), kind, report.ended_at);
        }
    }

    /// One run, and a look at what the bucket holds after it, changes by others included.
    async fn run(&self, occasion: Occasion, events: &Events<RunReport>) -> (RunReport, Ended) {
        let progress = self.state.progress(&self.config.database());
        let committed = |report: &RunReport| {
            self.news.set(self.news.get() + 1);
            self.state.change(&self.config.database(), |state| {
                state.own.ran(report, occasion);
                if let (Some(made), Some(listing)) = (&report.backup, &mut state.listing) {
                    listing.add(made.kind, made.id.time(), made.stored_bytes);
                }
            });
        };
        let began = Instant::now();
        let report = Box::pin(runner::run((&self.config, &self.said), self.stop, &progress, committed)).await;
        let occasion = self.counted_as(occasion);
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
        self.note(&report, occasion);
        let repository = self.config.repository();
        match self.catalog(&repository).await {
            Ok(catalog) => self.observe(&catalog, &repository, events).await,
            Err(error) => self.not_listed(&error, &repository),
        }
        (report, ended)
    }

    /// What a run that has ended counts as. One that makes up for another has taken the place of a tick that came meanwhile:
    /// else an outage in which each run takes long would never be three runs that failed.
    fn counted_as(&self, occasion: Occasion) -> Occasion {
        let next_tick = self.state.copy().remove(&self.config.database()).and_then(|state| state.next_tick_at);
        match (occasion, next_tick) {
            (Occasion::MakeUp, Some(tick)) if tick <= Utc::now() => Occasion::Tick(tick),
            _ => occasion,
        }
    }

    async fn observe(&self, catalog: &Catalog, repository: &Repository, events: &Events<RunReport>) {
        self.news.set(self.news.get() + 1);
        let observed = observe_and_tell(&self.config, self.state, catalog, repository, self.stop).await;
        self.recovered(&observed, events);
    }

    /// Tells that a backup of another process ends that runs fail, if it does.
    fn recovered(&self, observed: &Observed, events: &Events<RunReport>) {
        if observed.has_recovered {
            self.failed_before.set(None);
            events.send(Event::Recovered { database: self.config.database() });
        }
    }

    fn change(&self, change: impl FnOnce(&mut Facts)) {
        self.state.change(&self.config.database(), |state| change(&mut state.own));
    }
}

/// What a listing has shown.
pub(crate) struct Observed {
    oddities: Oddities,
    /// Whether a backup of another process ends that runs fail.
    has_recovered: bool,
}

/// Takes what a listing shows into the state, logs what is odd about it, and marks a backup that shrank.
pub(crate) async fn observe_and_tell(
    config: &TargetConfig,
    state: &State<Facts>,
    catalog: &Catalog,
    repository: &Repository,
    stop: &Stop,
) -> Observed {
    let observed = observe(config, state, catalog, repository);
    observed.oddities.log();
    journal::mark_suspect(config, repository, catalog, stop).await;
    observed
}

/// Takes what a listing shows into the state.
fn observe(config: &TargetConfig, state: &State<Facts>, catalog: &Catalog, repository: &Repository) -> Observed {
    let now = Utc::now();
    let (size_rule, timing, retention) = (&config.size_rule, &config.timing, &config.retention);
    let limits = Limits { kind: config.dump.kind(), size_rule, timing, retention };
    let oddities = Oddities::of(catalog, &limits, repository.store().clock(), now);
    let mut has_recovered = false;
    state.change(&config.database(), |state| {
        has_recovered = state.own.observe(catalog, &limits, &oddities);
        state.max_age_seconds = timing.max_age(now, state.own.longest_run).as_secs();
        let (retention, fates) = preview(config, catalog, repository.store().clock(), now);
        state.listed(Listing::of(config.source.dbname(), catalog, now).planned(retention, fates));
    });
    Observed { oddities, has_recovered }
}

fn report_oddities(catalog: &Catalog) {
    for backup in &catalog.from_the_future {
        tracing::warn!(backup_id = %backup.id, "this backup is dated in the future and does not count as the newest; was a clock wrong?");
    }
    for run in catalog.incomplete.iter().filter(|run| run.lost_its_data) {
        tracing::warn!(backup_id = %run.id, "this backup has lost its data: its manifest is alone");
    }
}

#[cfg(test)]
mod tests {
    use backup_core::repository::{Author, BackupId};

    use super::*;
    use crate::failure::FailureClass;
    use crate::status::tests::full_backup;

    /// As `backup run`, which the documents advise once the cause is repaired.
    #[tokio::test]
    async fn a_backup_of_another_process_is_told_as_the_end_of_failures_once() {
        let (config, stop) = (crate::config::tests::good_process(), Stop::default());
        let failed_at = Utc::now() - TimeDelta::minutes(5);
        let database = config.given.database();
        let state = State::new([(database.clone(), initial(&config.given, failed_at))]);
        let (journal, listings) = (Journal::unwritten(Author::Backup), Semaphore::new(1));
        let shared = Shared { config: &config, state: &state, journal: &journal, listings: &listings };
        let target = Target::new(shared, config.given.clone(), &stop);
        let class = Some(FailureClass::Auth);
        let failed = RunReport { class, ended_at: failed_at, ..RunReport::begin(failed_at) };
        target.change(|facts| facts.ran(&failed, Occasion::Tick(failed_at)));
        let (events, repository) = (Events::default(), config.given.repository());
        let mut told = events.subscribe("test");
        for minutes in [-1, 1, 2] {
            let made = full_backup(&BackupId::new(failed_at + TimeDelta::minutes(minutes)));
            let catalog = Catalog { backups: vec![made], ..Catalog::default() };
            target.observe(&catalog, &repository, &events).await;
        }
        drop(events);
        let event = told.next().await;
        assert!(matches!(&event, Some(Event::Recovered { database: of }) if *of == database), "{event:?}");
        assert!(told.next().await.is_none());
    }
}
