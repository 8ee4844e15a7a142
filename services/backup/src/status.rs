//! What the daemon knows of a database besides what every service knows.

use std::collections::{BTreeMap, BTreeSet};

use backup_core::repository::{Backup, BackupId, Catalog, Drill, Kind};
use backup_core::storage::Clock;
use backup_daemon::notify::{Dated, Safe};
use backup_daemon::schedule::Occasion;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::{Serialize, Serializer};

use crate::clusters::{AnotherCluster, another};
use crate::failure::FailureClass;
use crate::journal::Failures;
use crate::pace::Pace;
use crate::proof::Proof;
use crate::prune::{Limits, RetentionState, overdue};
use crate::run_report::{Made, Outcome, RunReport};
use crate::shrink::{Shrunk, Sizes, judge};

/// Failures in a row, of runs or of retention, after which there is an alarm although the newest backup is young
/// enough: one failure may pass, three are a state.
pub(crate) const FAILURES_UNTIL_ALARM: usize = 3;

/// A part of `/status`. An allow-list: nothing of the configuration is in it.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Facts {
    /// The newest committed full backup; `None` if the bucket has none, or was never seen.
    pub(crate) newest_full_backup: Option<Newest>,
    /// How long the longest of the last runs took.
    #[serde(skip)]
    pub(crate) longest_run: TimeDelta,
    /// Whether the bucket was listed since the start.
    pub(crate) bucket_was_seen: bool,
    /// What is wrong with the size of that backup, beside those before it.
    #[serde(serialize_with = "in_words")]
    pub(crate) shrunk: Option<Shrunk>,
    /// Whether another cluster stores its backups in the same place.
    #[serde(serialize_with = "in_words")]
    pub(crate) another_cluster: Option<AnotherCluster>,
    /// What is wrong with the clock of this machine, beside the store's.
    #[serde(serialize_with = "in_words")]
    pub(crate) clock: Option<Clock>,
    /// Backups and incomplete runs that retention could not delete after each of the newest runs, and nothing else did.
    pub(crate) retention_overdue: usize,
    /// What is safe, by the listing and the records in the bucket.
    #[serde(skip)]
    pub(crate) safe: Safe,
    /// The backups that are much smaller than usual.
    #[serde(skip)]
    pub(crate) suspects: BTreeSet<BackupId>,
    /// What drills have left in the bucket, in a sentence. This service proves nothing itself.
    pub(crate) drills: Option<String>,
    pub(crate) last_run: Option<LastRun>,
    pub(crate) consecutive_failures: u32,
    /// When the first of them ended.
    #[serde(skip)]
    pub(crate) failing_since: Option<DateTime<Utc>>,
    /// When the last of them ended.
    #[serde(skip)]
    pub(crate) failed_at: Option<DateTime<Utc>>,
    /// How long runs take.
    #[serde(skip)]
    pub(crate) pace: Pace,
    /// Whether drills prove what is made.
    #[serde(skip)]
    pub(crate) proof: Option<Proof>,
    /// Whether the last run that came to know says that the database does not exist; also before a restart.
    #[serde(skip)]
    pub(crate) is_database_missing: bool,
    /// Whether there was a backup before, as far as this process or what is left in the bucket can tell.
    #[serde(skip)]
    pub(crate) had_backups: bool,
    /// When the first run began that the journal tells of.
    #[serde(skip)]
    pub(crate) first_run_at: Option<DateTime<Utc>>,
    /// Why the last run before the start failed, if it is one of these.
    #[serde(skip)]
    pub(crate) past_failure: Option<String>,
    pub(crate) incomplete_runs: usize,
    pub(crate) backups_from_the_future: usize,
    pub(crate) retention: Option<RetentionState>,
    /// Runs of this process, by how they ended.
    #[serde(skip)]
    pub(crate) runs: BTreeMap<Outcome, u64>,
    /// The last backup that this process has made.
    #[serde(skip)]
    pub(crate) last_made: Option<Made>,
    /// Rows of the backups that this process has made and that are still there.
    #[serde(skip)]
    pub(crate) rows: BTreeMap<String, u64>,
    /// What the last dump of this process does not contain.
    #[serde(skip)]
    pub(crate) gaps: Option<Vec<String>>,
    /// Backups that retention has deleted after runs of this process.
    #[serde(skip)]
    pub(crate) deleted_backups: u64,
}

fn in_words<T: ToString, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    value.as_ref().map(T::to_string).serialize(serializer)
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Newest {
    pub(crate) id: String,
    pub(crate) at: DateTime<Utc>,
    pub(crate) stored_bytes: u64,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct LastRun {
    /// Whether there is a new backup.
    pub(crate) succeeded: bool,
    #[serde(flatten)]
    pub(crate) report: RunReport,
}

impl Facts {
    /// What a listing showed. True if a backup of another process ends that runs fail.
    pub(crate) fn observe(&mut self, catalog: &Catalog, limits: &Limits<'_>, oddities: &Oddities) -> bool {
        self.longest_run = catalog.longest_run(limits.kind, limits.timing.run_timeout);
        self.pace = Pace::of(catalog, limits.kind, limits.timing.run_timeout);
        self.proof = Proof::after(self.proof, Proof::of(catalog));
        Oddities {
            shrunk: self.shrunk,
            suspects: self.suspects,
            another_cluster: self.another_cluster,
            clock: self.clock,
        } = oddities.clone();
        self.retention_overdue = overdue(catalog, limits, FAILURES_UNTIL_ALARM);
        self.newest_full_backup = catalog.newest(Kind::Full).map(|backup| Newest {
            id: backup.id.to_string(),
            at: backup.id.time(),
            stored_bytes: backup.stored_bytes,
        });
        self.safe = safe_in(catalog, &self.suspects);
        // A run of another process has succeeded since the last one that failed, or was not killed after all.
        let newest = newest_by(catalog, limits.kind, Utc::now()).map(|backup| backup.id.time());
        let has_recovered = self.failed_at.is_some_and(|at| newest >= Some(at));
        if has_recovered {
            (self.consecutive_failures, self.failing_since, self.failed_at) = (0, None, None);
            (self.is_database_missing, self.past_failure) = (false, None);
        }
        // Of a database that has only partial backups, the journal may be about these.
        self.had_backups |=
            self.newest_full_backup.is_some() || (catalog.backups.is_empty() && catalog.had_backups(Utc::now()));
        self.first_run_at = catalog.journal.first_start(DateTime::<Utc>::MIN_UTC, Utc::now());
        self.drills = Some(drills(catalog));
        self.bucket_was_seen = true;
        self.rows.retain(|id, _| BackupId::parse(id).is_some_and(|id| catalog.backup(&id).is_some()));
        self.incomplete_runs = catalog.incomplete.len();
        self.backups_from_the_future = catalog.from_the_future.len();
        has_recovered
    }

    /// What the answer of a store that has refused a listing tells of the clock. No answer, and one without a usable
    /// `Date`, which may be a gateway's, tell nothing.
    pub(crate) fn told_by_a_refusal(&mut self, clock: Clock) {
        match clock {
            Clock::Apart { .. } => self.clock = Some(clock),
            Clock::Agrees => self.clock = None,
            Clock::Unknown => {}
        }
    }

    /// Takes over how runs of earlier processes ended.
    pub(crate) fn remember(&mut self, failures: &Failures) {
        self.consecutive_failures = failures.in_a_row;
        (self.failing_since, self.failed_at) = (failures.first_at, failures.last_at);
        self.is_database_missing = failures.is_database_missing;
        self.past_failure = failures.last_at.map(|_| failures.reason());
    }

    /// How a run ended. One that failed to make up for another is no failure of its own: an outage is one, however
    /// often it was tried to get past it.
    pub(crate) fn ran(&mut self, report: &RunReport, occasion: Occasion) {
        *self.runs.entry(report.outcome).or_default() += 1;
        match &report.backup {
            Some(made) => {
                self.gaps = Some(report.warnings.clone());
                self.committed(made);
            }
            None if occasion == Occasion::MakeUp && self.consecutive_failures > 0 => {}
            None => self.consecutive_failures += 1,
        }
        self.failed_at = report.backup.is_none().then_some(report.ended_at);
        self.failing_since = self.failed_at.map(|at| self.failing_since.unwrap_or(at));
        // A run that ends before it came to know says nothing about it.
        let exists = match &report.backup {
            Some(_) => Some(true),
            None => report.class.and_then(FailureClass::database_exists),
        };
        self.is_database_missing = exists.map_or(self.is_database_missing, |exists| !exists);
        let succeeded = report.outcome == Outcome::Succeeded;
        self.last_run = Some(LastRun { succeeded, report: report.clone() });
    }

    /// A signal ended a run: neither a success nor a failure.
    pub(crate) fn stopped(&mut self) {
        *self.runs.entry(Outcome::Stopped).or_default() += 1;
    }

    /// What retention did after the run that [`Facts::ran`] was told of.
    pub(crate) fn retained(&mut self, report: &RunReport) {
        self.retention.clone_from(&report.retention);
        let pruned = report.retention.as_ref().and_then(|retention| retention.pruned.as_ref());
        self.deleted_backups += pruned.map_or(0, |pruned| pruned.deleted_backups as u64);
        if let Some(last_run) = &mut self.last_run {
            last_run.report = report.clone();
        }
    }

    fn committed(&mut self, made: &Made) {
        self.consecutive_failures = 0;
        self.last_made = Some(made.clone());
        self.rows.insert(made.id.to_string(), made.rows);
        if made.kind == Kind::Full {
            let (id, at) = (made.id.to_string(), made.id.time());
            self.safe.newest_backup = Some(Dated { id: id.clone(), at });
            self.newest_full_backup = Some(Newest { id, at, stored_bytes: made.stored_bytes });
            self.had_backups = true;
        }
        self.bucket_was_seen = true;
    }
}

/// The newest backup that is not dated after `now`: a clock that was ahead for a while dates some later than
/// runs that fail after it.
pub(crate) fn newest_by(catalog: &Catalog, kind: Kind, now: DateTime<Utc>) -> Option<&Backup> {
    let backups = catalog.backups.iter().filter(|backup| backup.kind == kind && backup.id.time() <= now);
    backups.max_by_key(|backup| backup.id.time())
}

/// What is odd about a listing, and does not make a run fail.
#[derive(Debug, Clone)]
pub(crate) struct Oddities {
    shrunk: Option<Shrunk>,
    suspects: BTreeSet<BackupId>,
    another_cluster: Option<AnotherCluster>,
    clock: Option<Clock>,
}

impl Oddities {
    /// Of `catalog`, as it was listed at `now`.
    pub(crate) fn of(catalog: &Catalog, limits: &Limits<'_>, clock: Clock, now: DateTime<Utc>) -> Self {
        let max_age = limits.timing.max_age(now, catalog.longest_run(limits.kind, limits.timing.run_timeout));
        let Sizes { shrunk, suspects, .. } = judge(catalog, limits.kind, limits.size_rule);
        Self {
            shrunk,
            suspects,
            another_cluster: another(catalog, now, TimeDelta::from_std(max_age).unwrap_or(TimeDelta::MAX)),
            clock: (clock != Clock::Agrees).then_some(clock),
        }
    }

    /// A warning for each.
    pub(crate) fn log(&self) {
        let words = [
            self.shrunk.as_ref().map(Shrunk::to_string),
            self.another_cluster.as_ref().map(AnotherCluster::to_string),
            self.clock.as_ref().map(Clock::to_string),
        ];
        for words in words.into_iter().flatten() {
            tracing::warn!("{words}");
        }
    }
}

/// The newest full backup that did not fail its last drill, and the newest that passed it, by the records in the bucket.
/// Neither is one of `suspects`, of which a drill can only say that they come back as they are.
pub(crate) fn safe_in(catalog: &Catalog, suspects: &BTreeSet<BackupId>) -> Safe {
    let dated = |backup: &Backup| Dated { id: backup.id.to_string(), at: backup.id.time() };
    let is_suspect = |backup: &&Backup| suspects.contains(&backup.id);
    let usual = || catalog.backups.iter().filter(|backup| !is_suspect(backup));
    Safe {
        newest_backup: usual().find(|backup| backup.kind == Kind::Full && !backup.is_damaged()).map(dated),
        newest_proven: usual().find(|backup| backup.is_proven()).map(dated),
        suspicious: catalog.newest(Kind::Full).filter(is_suspect).map(dated),
    }
}

/// The newest verdict in the bucket. If `verify` may not write there, does not run, or does not come to a
/// verdict, there is none, and the pair has never been verified as far as can be seen from here.
fn drills(catalog: &Catalog) -> String {
    let verdicts = catalog.backups.iter().flat_map(|backup| backup.drills.iter().map(move |drill| (drill, &backup.id)));
    match verdicts.max_by_key(|(drill, _)| (drill.known_at(), drill.time)) {
        Some((Drill { time, passed, recorded_at: _ }, id)) => {
            let verdict = if *passed { "passed" } else { "failed" };
            format!(
                "by its record in the bucket, the newest drill {verdict}, of backup {id}, at {}",
                time.to_rfc3339_opts(SecondsFormat::Secs, true)
            )
        }
        None => "never verified: no drill has left its verdict in the bucket (VERIFY_ATTEST)".to_owned(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
