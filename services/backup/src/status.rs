//! What the daemon knows of a database besides what every service knows.

use backup_core::repository::{Catalog, Drill, Kind};
use backup_core::storage::Clock;
use backup_daemon::notify::Dated;
use backup_daemon::schedule::Occasion;
use backup_daemon::{DatabaseState, State, StatusHead};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::{Serialize, Serializer};

use crate::alarms::{FAILURES_UNTIL_ALARM, conditions};
use crate::clusters::{AnotherCluster, another};
use crate::config::Timing;
use crate::job::step;
use crate::prune::{Pruned, overdue};
use crate::retention::RetentionPolicy;
use crate::run_report::{Made, Outcome, RunReport};
use crate::shrink::{Shrunk, SizeRule, judge};
use crate::tell::safe_in;

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
    /// The newest backup that has passed a drill, by the records in the bucket.
    #[serde(skip)]
    pub(crate) newest_proven: Option<Dated>,
    /// What drills have left in the bucket, in a sentence. This service proves nothing itself.
    pub(crate) drills: Option<String>,
    pub(crate) last_run: Option<LastRun>,
    pub(crate) consecutive_failures: u32,
    pub(crate) incomplete_runs: usize,
    pub(crate) backups_from_the_future: usize,
    pub(crate) retention: Option<RetentionState>,
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

/// What a listing is held against.
pub(crate) struct Limits<'config> {
    pub(crate) kind: Kind,
    pub(crate) size_rule: &'config SizeRule,
    pub(crate) timing: &'config Timing,
    pub(crate) retention: &'config RetentionPolicy,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct LastRun {
    /// Whether there is a new backup.
    pub(crate) succeeded: bool,
    #[serde(flatten)]
    pub(crate) report: RunReport,
}

#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct RetentionState {
    #[serde(flatten)]
    pub(crate) pruned: Option<Pruned>,
    /// Why retention could not do its work. The backups are fine; old ones pile up.
    pub(crate) degraded: Option<String>,
    /// Why it deleted nothing on purpose.
    pub(crate) refused: Option<String>,
    /// Whether another process was pruning the same backups at that moment.
    pub(crate) left_to_another: bool,
}

impl Facts {
    /// What a listing showed.
    pub(crate) fn observe(&mut self, catalog: &Catalog, limits: &Limits<'_>, clock: Clock, now: DateTime<Utc>) {
        self.longest_run = catalog.longest_run(limits.kind);
        let oddities = Oddities::of(catalog, limits, clock, now);
        oddities.log();
        Oddities { shrunk: self.shrunk, another_cluster: self.another_cluster, clock: self.clock } = oddities;
        self.retention_overdue = overdue(catalog, limits, FAILURES_UNTIL_ALARM);
        self.newest_full_backup = catalog.newest(Kind::Full).map(|backup| Newest {
            id: backup.id.to_string(),
            at: backup.id.time(),
            stored_bytes: backup.stored_bytes,
        });
        self.newest_proven = safe_in(catalog).newest_proven;
        self.drills = Some(drills(catalog));
        self.bucket_was_seen = true;
        self.incomplete_runs = catalog.incomplete.len();
        self.backups_from_the_future = catalog.from_the_future.len();
    }

    /// How a run ended. One that failed to make up for another is no failure of its own: an outage is one, however
    /// often it was tried to get past it.
    pub(crate) fn ran(&mut self, report: &RunReport, occasion: Occasion) {
        match &report.backup {
            Some(made) => self.committed(made),
            None if occasion == Occasion::MakeUp && self.consecutive_failures > 0 => {}
            None => self.consecutive_failures += 1,
        }
        let succeeded = report.outcome == Outcome::Succeeded;
        self.last_run = Some(LastRun { succeeded, report: report.clone() });
    }

    /// What retention did after the run that [`Facts::ran`] was told of.
    pub(crate) fn retained(&mut self, report: &RunReport) {
        self.retention.clone_from(&report.retention);
        if let Some(last_run) = &mut self.last_run {
            last_run.report = report.clone();
        }
    }

    fn committed(&mut self, made: &Made) {
        self.consecutive_failures = 0;
        if made.kind == Kind::Full {
            let (id, at) = (made.id.to_string(), made.id.time());
            self.newest_full_backup = Some(Newest { id, at, stored_bytes: made.stored_bytes });
        }
        self.bucket_was_seen = true;
    }
}

/// What is odd about a listing, and does not make a run fail.
pub(crate) struct Oddities {
    shrunk: Option<Shrunk>,
    another_cluster: Option<AnotherCluster>,
    clock: Option<Clock>,
}

impl Oddities {
    /// Of `catalog`, as it was listed at `now`.
    pub(crate) fn of(catalog: &Catalog, limits: &Limits<'_>, clock: Clock, now: DateTime<Utc>) -> Self {
        let max_age = limits.timing.max_age(now, catalog.longest_run(limits.kind));
        Self {
            shrunk: judge(catalog, limits.kind, limits.size_rule).shrunk,
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

/// The newest verdict in the bucket. If `verify` may not write there, does not run, or does not come to a
/// verdict, there is none, and the pair has never been verified as far as can be seen from here.
fn drills(catalog: &Catalog) -> String {
    let verdicts = catalog.backups.iter().flat_map(|backup| backup.drills.iter().map(move |drill| (drill, &backup.id)));
    match verdicts.max_by_key(|(drill, _)| drill.time) {
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

/// `/status` as JSON. There is one database today.
pub(crate) fn status_page(state: &State<Facts>, now: DateTime<Utc>) -> String {
    let page = state.copy().into_iter().next().map(|(name, state)| {
        let dumping = Some(state.progress.position()).filter(|position| position.step == step::DUMP);
        let head = state.head(&name, conditions, now);
        let DatabaseState { next_run_at, skipped_overlapping_runs, own, .. } = state;
        let dumped_bytes = dumping.map(|position| position.done_bytes);
        StatusPage { head, next_run_at, skipped_overlapping_runs, dumped_bytes, facts: own }
    });
    serde_json::to_string(&page).unwrap_or_default()
}

#[derive(Serialize)]
struct StatusPage {
    #[serde(flatten)]
    head: StatusHead,
    next_run_at: Option<DateTime<Utc>>,
    skipped_overlapping_runs: u64,
    /// The counter of a running dump.
    dumped_bytes: Option<u64>,
    #[serde(flatten)]
    facts: Facts,
}

#[cfg(test)]
mod tests {
    use backup_core::repository::{Backup, BackupId, RunEvents};
    use chrono::TimeZone;

    use super::*;

    /// What a listing changes, with defaults and a clock that agrees.
    fn observe(facts: &mut Facts, catalog: &Catalog) {
        let size_rule = SizeRule { max_shrink_percent: 50, accepted_from: None };
        let config = crate::config::tests::good();
        let limits =
            Limits { kind: Kind::Full, size_rule: &size_rule, timing: &config.timing, retention: &config.retention };
        facts.observe(catalog, &limits, Clock::Agrees, Utc::now());
    }

    #[test]
    fn without_a_verdict_in_the_bucket_the_pair_was_never_verified_r107() {
        let mut facts = Facts::default();
        observe(&mut facts, &Catalog::default());
        let page = serde_json::to_string(&facts).unwrap();
        assert_eq!(page.matches("verified").count(), 1, "{page}");
        assert!(page.contains("never verified"), "{page}");

        let id = BackupId::new(Utc::now());
        let drill = |day: u32, passed| Drill {
            time: Utc.with_ymd_and_hms(2026, 11, day, 3, 0, 0).unwrap(),
            passed,
            recorded_at: None,
        };
        let backup = |drills| Backup {
            id: id.clone(),
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
        let backups = vec![backup(vec![drill(1, true), drill(20, false)]), backup(vec![drill(19, true)])];
        observe(&mut facts, &Catalog { backups, ..Catalog::default() });
        let page = serde_json::to_string(&facts).unwrap();
        assert!(page.contains(&format!("the newest drill failed, of backup {id}, at 2026-11-20T03:00:00Z")), "{page}");
        assert!(!page.contains("verified"), "{page}");
    }
}
