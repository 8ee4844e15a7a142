//! The daemon: how its loop begins, and what surrounds each of its drills.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use backup_core::postgres::{ClientTools, ServerTools};
use backup_core::repository::{Backup, BackupId, Catalog, Drill, Kind, Repository};
use backup_core::stop::Stop;
use backup_daemon::notify::{Dated, Safe};
use backup_daemon::schedule::MakeUp;
use backup_daemon::{
    Activity, Cycle, DatabaseState, Ended, Events, First, Listing, Pages, Service, Start, State, insist, sleep,
};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use rand::Rng;

use crate::alarms::conditions;
use crate::attest::own_records;
use crate::choose::{ChooseError, DEFAULT_MAX_AGE, Wanted, repository};
use crate::config::{self, Habit, TargetConfig, VerifyConfig};
use crate::leftovers;
use crate::metrics::metrics;
use crate::report::Report;
use crate::runner;
use crate::status::Facts;
use crate::status_page::status_page;
use crate::tell::{TELLER, notifier};

/// How long to wait between two looks for the first backup: `RETRY_DELAY`, within these bounds.
const SHORTEST_LOOK: Duration = Duration::from_secs(1);
const LONGEST_LOOK: Duration = Duration::from_secs(60);

/// Runs until `stop`.
///
/// # Errors
/// Only if the HTTP port cannot be had. A bucket or server that cannot be reached makes drills
/// fail, and `/health` red.
pub(crate) async fn daemon(config: VerifyConfig, stop: &Stop) -> anyhow::Result<()> {
    let (config, now) = (Arc::new(config), Utc::now());
    let state = State::new(config.targets.iter().map(|target| (target.database(), initial(target, now))));
    let probed = Arc::clone(&config);
    let metrics = metrics(&config, &state);
    let pages = Pages::new(&state, conditions, status_page, metrics, move || probe(Arc::clone(&probed)));
    let (port, events) = (config.process.port, Events::default());
    let (notifier, teller) = (notifier(&config.process), TELLER);
    let service = Service { notifier, teller, port, state: &state, events, judge: conditions, pages };
    let state = &state;
    let targets: Vec<Target<'_>> = config.targets.iter().map(|config| Target { config, state, stop }).collect();
    let work = async |events: &Events<Report>| {
        join_all(targets.iter().map(|target| target.keep(events))).await;
    };
    service.keep(stop, work).await
}

/// What is known of a database at the start.
pub(crate) fn initial(target: &TargetConfig, now: DateTime<Utc>) -> DatabaseState<Facts> {
    let timing = &target.timing;
    let mut facts = Facts::new(timing.drill_timeout);
    facts.backup_max_age = target.backup_max_age.unwrap_or(facts.backup_max_age);
    DatabaseState::new(timing.schedule.to_string(), timing.max_age(now), now, facts)
}

/// Whether a drill could begin now.
async fn probe(config: Arc<VerifyConfig>) -> Vec<String> {
    let servers = join_all(
        config
            .targets
            .iter()
            .map(async |target| probe_server(target).await.map_err(|error| format!("server: {error:#}"))),
    );
    let bucket = async { config.process.store.open().probe().await.map_err(|error| format!("bucket: {error}")) };
    let (servers, bucket) = tokio::join!(servers, bucket);
    let reasons = servers.into_iter().filter_map(Result::err).chain(bucket.err());
    reasons.map(|reason| config.process.scrubber.scrub(&reason).into_owned()).collect()
}

/// Which major version a throwaway server needs only the backup's manifest says, so any will do here.
async fn probe_server(config: &TargetConfig) -> anyhow::Result<()> {
    let bin_dir = config.process.bin_dir.as_deref().map(AsRef::as_ref);
    match &config.target {
        config::Target::Throwaway => {
            let installed = ServerTools::installed(bin_dir).await;
            anyhow::ensure!(!installed.is_empty(), "no PostgreSQL server is installed here for a throwaway server");
        }
        config::Target::Given { login, admin } => {
            let session = login.connect().await?;
            ClientTools::find(bin_dir, session.server_version_num() / 10_000).await?;
            if let Some(admin) = admin {
                admin.connect().await.context("connect by VERIFY_ADMIN_URL")?;
            }
        }
    }
    Ok(())
}

/// One database whose backups are drilled.
struct Target<'run> {
    config: &'run TargetConfig,
    state: &'run State<Facts>,
    stop: &'run Stop,
}

impl Target<'_> {
    async fn keep(&self, events: &Events<Report>) {
        let (timing, database) = (&self.config.timing, self.config.database());
        let drills = Cell::new(0);
        let cycle = Cycle {
            database: &database,
            state: self.state,
            events,
            schedule: &timing.schedule,
            make_up: &MakeUp::default(),
            max_jitter: self.config.process.retry.first_pause,
            max_age: &|_: &Facts| timing.max_age(Utc::now()),
            stop: self.stop,
        };
        let drill = async |_| {
            drills.set(drills.get() + 1);
            (self.drill(drills.get()).await, Ended::Done)
        };
        cycle.keep(async || self.prepare().await, drill).await;
    }

    /// What dead drills have left goes first; then the bucket tells when the last drill was.
    async fn prepare(&self) -> Option<Start> {
        leftovers::sweep_and_log(self.config, self.stop).await;
        let records = self.records().await?;
        let (waits, newest) = (!records.holds_backups, records.newest);
        self.change(|state| records.enter(state));
        if waits && !self.wait_for_the_first_backup().await {
            return None;
        }
        let (timing, last_run) = (&self.config.timing, newest.map(|drill| drill.time));
        let starts_now = waits || timing.schedule.is_due(last_run, Utc::now()) || timing.run_on_startup;
        Some(Start { last_run, first: if starts_now { First::Now } else { First::AtATick } })
    }

    /// What the bucket remembers of drills; nothing if `VERIFY_ATTEST` never was on.
    async fn records(&self) -> Option<Records> {
        let config = self.config;
        insist(self.stop, "cannot list the bucket, trying again before the first drill", async || {
            match repository(config, self.stop).await {
                Ok(repository) => Records::read(config, &repository).await,
                Err(ChooseError::Unlisted(error)) => {
                    // Whether there is a backup by now is not known.
                    self.change(|state| state.own.first_backup_by = None);
                    Err(error)
                }
                Err(ChooseError::NoBackup(_)) => Ok(Records::of_nothing()),
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
        let config = self.config;
        let bound = TimeDelta::from_std(config.backup_max_age.unwrap_or(DEFAULT_MAX_AGE)).unwrap_or(TimeDelta::MAX);
        let by = Utc::now().checked_add_signed(bound).unwrap_or(DateTime::<Utc>::MAX_UTC);
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
                    if is_there {
                        break;
                    }
                }
            }
        }
        tracing::info!("the first backup is there");
        self.change(|state| state.own.first_backup_by = None);
        true
    }

    /// One drill, the `number`th of this process.
    async fn drill(&self, number: u64) -> Report {
        let (wanted, progress) = (self.config.habit.wanted(number), self.state.progress(&self.config.database()));
        let report = runner::run(self.config, &wanted, self.stop, &progress).await;
        self.change(|state| state.own.drilled(report.clone()));
        match self.stop.or(list(self.config, self.stop)).await {
            Ok((listing, catalog)) => self.change(|state| {
                state.own.observe(&catalog);
                state.listing = Some(listing);
            }),
            Err(error) => tracing::debug!(error = format!("{error:#}"), "cannot list the bucket after the drill"),
        }
        report
    }

    fn change(&self, change: impl FnOnce(&mut DatabaseState<Facts>)) {
        self.state.change(&self.config.database(), change);
    }
}

/// What the bucket holds now.
async fn list(config: &TargetConfig, stop: &Stop) -> anyhow::Result<(Listing, Catalog)> {
    let (repository, now) = (repository(config, stop).await?, Utc::now());
    let catalog = repository.catalog(now).await?;
    Ok((Listing::of(&repository.layout().database(), &catalog, now), catalog))
}

/// What the bucket holds, and what records of drills say that this service has written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Records {
    /// Whether there is anything that a drill would have to look at, if only what is left of a backup.
    holds_backups: bool,
    newest: Option<Drill>,
    last_passed_at: Option<DateTime<Utc>>,
    /// Backups whose newest record says that they passed.
    proven: BTreeSet<BackupId>,
    listing: Option<Listing>,
    safe: Safe,
}

impl Records {
    /// Lists the bucket, and reads the records.
    ///
    /// # Errors
    /// If the bucket cannot be listed, or a record cannot be read now and may be later.
    pub(crate) async fn read(config: &TargetConfig, repository: &Repository) -> anyhow::Result<Self> {
        let now = Utc::now();
        let catalog = repository.catalog(now).await?;
        let own = own_records(config, repository, &catalog).await.context("read a record")?;
        let listing = Some(Listing::of(&repository.layout().database(), &catalog, now));
        Ok(Self { listing, ..Self::of(&catalog, &own) })
    }

    /// Of a prefix that was listed and holds nothing.
    fn of_nothing() -> Self {
        let listing = Some(Listing::of("", &Catalog::default(), Utc::now()));
        Self { listing, ..Self::default() }
    }

    /// Of a listing, and of `own` records, the newest first.
    fn of(catalog: &Catalog, own: &[(Drill, BackupId)]) -> Self {
        let lost = catalog.incomplete.iter().any(|run| run.lost_its_data);
        let (mut seen, mut proven) = (BTreeSet::new(), BTreeSet::new());
        for (drill, id) in own {
            if seen.insert(id) && drill.passed {
                proven.insert(id.clone());
            }
        }
        let dated = |backup: &Backup| Dated { id: backup.id.to_string(), at: backup.id.time() };
        let newest_proven = catalog.backups.iter().find(|backup| proven.contains(&backup.id)).map(dated);
        Self {
            holds_backups: lost || !catalog.backups.is_empty() || !catalog.from_the_future.is_empty(),
            newest: own.first().map(|(drill, _)| *drill),
            last_passed_at: own.iter().find(|(drill, _)| drill.passed).map(|(drill, _)| drill.time),
            safe: Safe { newest_backup: catalog.newest(Kind::Full).map(dated), newest_proven },
            proven,
            listing: None,
        }
    }

    /// Takes them into the state.
    pub(crate) fn enter(self, state: &mut DatabaseState<Facts>) {
        state.own.remember(self.newest, self.last_passed_at, self.proven, self.safe);
        state.listing = self.listing.or(state.listing.take());
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
        let (one, other) = (BackupId::new(old), BackupId::new(new));
        let drill = |time, passed, id: &BackupId| (Drill { time, passed, recorded_at: None }, id.clone());
        // The one was good and is damaged by now.
        let own = [drill(new, false, &one), drill(old, true, &other), drill(old, true, &one)];
        let expected = Records {
            newest: Some(own[0].0),
            last_passed_at: Some(old),
            proven: BTreeSet::from([other]),
            ..Records::default()
        };
        assert_eq!(Records::of(&Catalog::default(), &own), expected);
        assert_eq!(Records::of(&Catalog::default(), &[]), Records::default());
    }
}
