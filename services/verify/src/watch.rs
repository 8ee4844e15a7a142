//! `verify watch`: the daemon without drills. It looks at everything in the bucket, and says what can be known so; it writes
//! nothing (docs/decisions/0048-watching-without-drills.md).

mod judge;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use backup_core::database_list::MAX_DATABASES;
use backup_core::repository::{Author, BackupId, Catalog, DatabaseSearch, Drill};
use backup_core::stop::Stop;
use backup_daemon::{
    Activity, Daemon, DatabaseName, DatabaseState, Events, Journal, Listing, Pages, Service, Shown, State,
};
use backup_drill::{Promised, Report, databases, repository_of};
use chrono::Utc;

use crate::config::{TargetConfig, VerifyConfig};
use crate::daemon::test_channels;
use crate::databases::{attend, with_those_beyond};
use crate::metrics::metrics;
use crate::page;
use crate::records::Records;
use crate::status::Facts;
use crate::status_page::{SHOWN, status_page};
use crate::target::{self, list_repository};
use crate::tell::{TELLER, notifier};
use crate::variables::is_for_drills;

pub(crate) use judge::conditions;

/// How old the newest record of a passed drill may be if `VERIFY_MAX_AGE` does not say: nothing in the bucket tells when
/// others drill, and drills once a week are usual.
const DEFAULT_MAX_AGE: Duration = Duration::from_secs(8 * 24 * 3600);

/// How long to wait after a look that failed: `RETRY_DELAY`, within these bounds, and never longer than between two looks.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How the daemon shows it that only watches.
const WATCHED: Shown<Facts> =
    Shown { judge: conditions, status: |state, now| status_page(state, conditions, now), runs: None, ..SHOWN };

/// What is left of `vars` without those that only drills need, and the names of these.
pub(crate) fn without_drills(vars: impl Iterator<Item = (String, String)>) -> (Vec<(String, String)>, Vec<String>) {
    let (ignored, kept): (Vec<_>, Vec<_>) = vars.partition(|(name, _)| is_for_drills(name));
    let ignored = ignored.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, _)| name);
    (kept, ignored.collect())
}

/// Runs until `stop`.
///
/// # Errors
/// Only if the HTTP port cannot be had. A bucket that cannot be reached makes `/health` red.
pub(crate) async fn watch(config: VerifyConfig, stop: &Stop) -> anyhow::Result<()> {
    let config = Arc::new(config);
    let state = State::new([(config.given.database(), initial(&config.given))]);
    let (probed, tested) = (Arc::clone(&config), Arc::clone(&config));
    let pages = Pages::new(
        &state,
        WATCHED,
        metrics(Daemon::Watch, &config, &state, conditions),
        &config.process.http_access,
        move || probe(Arc::clone(&probed)),
        move || test_channels(Arc::clone(&tested)),
    )?;
    let service = Service {
        notifier: notifier(&config.process),
        teller: TELLER,
        port: config.process.port,
        state: &state,
        events: Events::default(),
        // Lines of two daemons with one credential would be taken for those of one.
        journal: Journal::unwritten(Author::Verify),
        judge: conditions,
        pages,
        view: page::view(Daemon::Watch, &config, &state, conditions),
    };
    let (state, config) = (&state, &*config);
    let watcher = Watcher { config, state, read: RefCell::default(), search: DatabaseSearch::default(), stop };
    let work = async |_: &Events<Report>| {
        Box::pin(backup_daemon::watch(state, stop, async || watcher.look().await)).await;
    };
    service.keep(stop, work).await
}

/// What is known of a database at the start.
fn initial(target: &TargetConfig) -> DatabaseState<Facts> {
    let poll_seconds = target.process.poll_interval.as_secs();
    let mut state = target::initial(target, Utc::now());
    state.schedule = format!("a look every {poll_seconds} s");
    state.interval_seconds = poll_seconds;
    state.max_age_seconds = target.timing.given_max_age.unwrap_or(DEFAULT_MAX_AGE).as_secs();
    state
}

/// Whether the bucket answers.
async fn probe(config: Arc<VerifyConfig>) -> Vec<String> {
    let probed = config.process.store.open().probe().await;
    let reasons = probed.err().map(|error| config.process.scrubber.scrub(&format!("bucket: {error}")).into_owned());
    reasons.into_iter().collect()
}

/// The drills of which a listing shows records, with their backups.
type Drills = Vec<(BackupId, Drill)>;

/// What one look shows of a database.
struct Sight {
    listing: Listing,
    catalog: Catalog,
    promised: Option<Promised>,
    /// `None`: the same as before.
    records: Option<Records>,
}

/// Looks at the bucket.
struct Watcher<'run> {
    config: &'run VerifyConfig,
    state: &'run State<Facts>,
    /// The drills whose records were read, by database.
    read: RefCell<BTreeMap<DatabaseName, Drills>>,
    /// What is known of signatures.
    search: DatabaseSearch,
    stop: &'run Stop,
}

impl Watcher<'_> {
    /// One look at everything; how long to wait until the next one.
    async fn look(&self) -> Duration {
        let all_is_seen = self.look_for_databases(&self.config.given).await;
        let poll_interval = self.config.process.poll_interval;
        match all_is_seen {
            true => poll_interval,
            false => self.config.process.retry.first_pause.clamp(SHORTEST_PAUSE, LONGEST_PAUSE).min(poll_interval),
        }
    }

    /// Looks at the databases of `target`, those that have appeared by now included; whether all could be seen.
    async fn look_for_databases(&self, target: &TargetConfig) -> bool {
        if let Some(name) = &target.drill.source_database {
            return self.look_at(target, name).await;
        }
        let (names, left_out) = match databases(&target.drill, &self.search, self.stop).await {
            Ok(found) => attend(found, &[]),
            Err(error) => {
                let error = error.into();
                self.state.copy().keys().for_each(|database| self.not_seen(database, &error));
                return false;
            }
        };
        // Folders that come and go leave databases behind, which an end must have, too.
        let mut beyond = Vec::new();
        if names.is_empty() {
            self.see_nothing();
        } else {
            let mut known: BTreeSet<DatabaseName> = self.state.copy().into_keys().collect();
            known.remove(&DatabaseName::unknown());
            for name in names {
                let database = DatabaseName::from(name.as_str());
                if known.contains(&database) {
                    continue;
                }
                if known.len() >= MAX_DATABASES {
                    beyond.push(name);
                } else {
                    self.state.add(database.clone(), initial(target));
                    known.insert(database);
                }
            }
            self.state.remove(&DatabaseName::unknown());
        }
        self.state.leave_out(with_those_beyond(&beyond, left_out));
        // Also those of which nothing is left.
        let mut all_is_seen = true;
        for database in self.state.copy().keys() {
            let Some(name) = database.name() else { continue };
            all_is_seen &= self.look_at(target, name).await;
        }
        all_is_seen
    }

    /// The bucket answers, and holds nothing of any database.
    fn see_nothing(&self) {
        self.state.change(&DatabaseName::unknown(), |state| {
            state.activity = Activity::Watching;
            state.listed(Listing::of("", &Catalog::default(), Utc::now()));
        });
    }

    /// Looks at one database; whether it could be seen.
    async fn look_at(&self, target: &TargetConfig, name: &str) -> bool {
        let database = DatabaseName::from(name);
        match self.stop.or(self.see(target, &database, name)).await {
            Ok(sight) => {
                self.state.change(&database, |state| sight.enter(state, target));
                true
            }
            Err(error) => {
                self.not_seen(&database, &error);
                false
            }
        }
    }

    async fn see(&self, target: &TargetConfig, database: &DatabaseName, name: &str) -> anyhow::Result<Sight> {
        let repository = repository_of(&target.drill, name);
        let known = self.state.copy().remove(database).and_then(|state| state.own.promised);
        let (listing, catalog, promised) = list_repository(&repository, known, self.stop).await?;
        let of_backup = |backup: &backup_core::repository::Backup| {
            backup.drills.iter().map(|drill| (backup.id.clone(), *drill)).collect::<Vec<_>>()
        };
        let drills: Drills = catalog.backups.iter().flat_map(of_backup).collect();
        let is_known = self.read.borrow().get(database) == Some(&drills);
        let records = match is_known {
            true => None,
            false => Some(Records::of_others(&target.drill, &repository, &catalog, Utc::now()).await?),
        };
        self.read.borrow_mut().insert(database.clone(), drills);
        Ok(Sight { listing, catalog, promised, records })
    }

    fn not_seen(&self, database: &DatabaseName, error: &anyhow::Error) {
        if self.stop.reason().is_none() {
            tracing::debug!(error = format!("{error:#}"), "cannot list the bucket");
            let scrubber = &self.config.process.scrubber;
            self.state.change(database, |state| state.unlisted.failed_by(error, scrubber, Utc::now()));
        }
    }
}

impl Sight {
    fn enter(self, state: &mut DatabaseState<Facts>, target: &TargetConfig) {
        state.activity = Activity::Watching;
        if let Some(records) = self.records {
            records.enter(state);
        }
        if let Some(promised) = self.promised {
            state.own.promise(promised, target.drill.backup_max_age);
        }
        state.own.observe(&self.catalog, Utc::now());
        state.listed(self.listing.proven(|id| state.own.proven.contains(id)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::from_vars;

    #[test]
    fn what_only_drills_need_is_ignored_by_name_and_by_file() {
        let vars = [
            ("S3_BUCKET", "b"),
            ("VERIFY_SOURCE_DATABASE", "app"),
            ("VERIFY_MAX_AGE", "86400"),
            ("BACKUP_MAX_AGE", "86400"),
            ("WEBHOOK_URL", ""),
            ("VERIFY_DATABASE_URL", "no url"),
            ("AGE_IDENTITY_FILE", "/nowhere"),
            ("VERIFY_QUERIES_FILE", "/nowhere"),
            ("VERIFY_SPOOL_DIR", "/nowhere"),
            ("VERIFY_ATTEST", "true"),
            ("VERIFY_JOBS", ""),
        ];
        let vars = vars.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let (kept, ignored) = without_drills(vars.into_iter());
        assert_eq!(kept.len(), 5, "{kept:?}");
        let expected =
            ["VERIFY_DATABASE_URL", "AGE_IDENTITY_FILE", "VERIFY_QUERIES_FILE", "VERIFY_SPOOL_DIR", "VERIFY_ATTEST"];
        assert_eq!(ignored, expected);
    }

    /// None of the variables that are left out is needed.
    #[test]
    fn the_bucket_is_all_that_a_watcher_needs() {
        let vars = [
            ("S3_ENDPOINT", "http://127.0.0.1:1"),
            ("S3_REGION", "auto"),
            ("S3_BUCKET", "b"),
            ("S3_ACCESS_KEY_ID", "id"),
            ("S3_SECRET_ACCESS_KEY", "canary"),
            ("VERIFY_SPOOL_DIR", "/nowhere/at/all"),
            ("VERIFY_SCHEDULE", "nonsense"),
        ];
        let vars = vars.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert!(from_vars(vars.clone()).is_err());
        assert!(from_vars(without_drills(vars.into_iter()).0).is_ok());
    }
}
