//! What the daemon knows of itself, and when that is worth an alarm.

use std::time::Duration;

use backup_core::catalog::{Catalog, Drill, Kind};
use backup_core::storage::Clock;
use backup_daemon::schedule::Occasion;
use backup_daemon::{Board, State};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::Serialize;

use crate::clusters::another;
use crate::config::Timing;
use crate::job::step;
use crate::prune::{Pruned, overdue};
use crate::retention::RetentionPolicy;
use crate::run_report::{Made, Outcome, RunReport};
use crate::shrink::{SizeRule, judge};
use backup_daemon::Progress;

/// Failures in a row, of runs or of retention, after which `/health` is red although the newest backup is young
/// enough: one failure may pass, three are a state.
const FAILURES_UNTIL_RED: usize = 3;

/// `/status`. An allow-list: nothing of the configuration is in it.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Facts {
    pub(crate) version: &'static str,
    pub(crate) schedule: String,
    pub(crate) state: State,
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) next_run_at: Option<DateTime<Utc>>,
    /// The newest committed full backup; `None` where the bucket has none, or was never seen.
    pub(crate) newest_full_backup: Option<Newest>,
    /// How old that one may be.
    pub(crate) max_age_seconds: u64,
    /// How long the longest of the last runs took.
    #[serde(skip)]
    pub(crate) longest_run: TimeDelta,
    /// Whether the bucket was listed since the start.
    pub(crate) bucket_was_seen: bool,
    /// What is wrong with the size of that backup, beside those before it.
    pub(crate) shrunk: Option<String>,
    /// Whether another cluster stores its backups in the same place.
    pub(crate) another_cluster: Option<String>,
    /// What is wrong with the clock of this machine, beside the store's.
    pub(crate) clock: Option<String>,
    /// Backups and dead runs that retention could not delete after each of the newest runs, and nothing else did.
    pub(crate) retention_overdue: usize,
    /// What drills have left in the bucket, in a sentence. This service proves nothing itself.
    pub(crate) drills: Option<String>,
    pub(crate) last_run: Option<LastRun>,
    pub(crate) consecutive_failures: u32,
    pub(crate) skipped_overlapping_runs: u64,
    pub(crate) incomplete_runs: usize,
    pub(crate) backups_from_the_future: usize,
    pub(crate) retention: Option<RetentionState>,
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
    pub(crate) fn new(schedule: String, max_age: Duration) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            schedule,
            started_at: Some(Utc::now()),
            max_age_seconds: max_age.as_secs(),
            ..Self::default()
        }
    }

    /// What a listing showed.
    pub(crate) fn saw(&mut self, catalog: &Catalog, limits: &Limits<'_>, clock: Clock, now: DateTime<Utc>) {
        self.shrunk = judge(catalog, limits.kind, limits.size_rule).shrunk.map(|shrunk| shrunk.to_string());
        self.longest_run = catalog.longest_run(limits.kind);
        let max_age = limits.timing.max_age(now, self.longest_run);
        self.max_age_seconds = max_age.as_secs();
        let max_age = TimeDelta::from_std(max_age).unwrap_or(TimeDelta::MAX);
        self.another_cluster = another(catalog, now, max_age).map(|another| another.to_string());
        self.clock = (clock != Clock::Agrees).then(|| clock.to_string());
        self.retention_overdue = overdue(catalog, limits, FAILURES_UNTIL_RED);
        self.newest_full_backup = catalog.newest(Kind::Full).map(|backup| Newest {
            id: backup.id.to_string(),
            at: backup.id.time(),
            stored_bytes: backup.stored_bytes,
        });
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

    /// Everything that is wrong; empty means healthy.
    pub(crate) fn alarms(&self, now: DateTime<Utc>) -> Vec<String> {
        let mut alarms = Vec::new();
        match &self.newest_full_backup {
            None if self.bucket_was_seen => {
                alarms.push("there is no full backup; partial ones do not count".to_owned())
            }
            None => alarms.push("the bucket could not be listed since the start".to_owned()),
            Some(newest) => {
                let age_seconds = (now - newest.at).num_seconds();
                let bound = self.max_age_seconds;
                if age_seconds > i64::try_from(bound).unwrap_or(i64::MAX) {
                    alarms.push(format!("the newest full backup is {age_seconds} s old, and {bound} s are allowed"));
                }
            }
        }
        alarms.extend([&self.shrunk, &self.another_cluster, &self.clock].into_iter().flatten().cloned());
        if self.retention_overdue > 0 {
            let reason = self.retention.as_ref().and_then(|state| state.degraded.as_deref());
            alarms.push(format!(
                "retention did not finish after the last {FAILURES_UNTIL_RED} runs, and backups that should be gone are still \
                 there ({}): {}",
                self.retention_overdue,
                reason.unwrap_or("the log of these runs tells why")
            ));
        }
        if self.consecutive_failures as usize >= FAILURES_UNTIL_RED {
            let reason = self.last_run.as_ref().and_then(|run| run.report.error.as_deref()).unwrap_or("unknown");
            alarms.push(format!("the last {} runs failed, the latest with: {reason}", self.consecutive_failures));
        }
        alarms
    }
}

/// The newest verdict in the bucket. Where `verify` may not write there, does not run, or does not come to a
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

/// The counter of a running dump, for `/status`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct StatusPage {
    #[serde(flatten)]
    pub(crate) facts: Facts,
    pub(crate) alarms: Vec<String>,
    pub(crate) dumped_bytes: Option<u64>,
}

impl StatusPage {
    pub(crate) fn of(board: &Board<Facts>, progress: &Progress, now: DateTime<Utc>) -> Self {
        let facts = board.facts();
        let dumped_bytes = Some(progress.position()).filter(|position| position.step == step::DUMP);
        let dumped_bytes = dumped_bytes.map(|position| position.done_bytes);
        Self { alarms: facts.alarms(now), facts, dumped_bytes }
    }
}

#[cfg(test)]
mod tests {
    use backup_core::catalog::{Backup, BackupId, RunEvents};
    use chrono::{TimeDelta, TimeZone};

    use super::*;

    /// What a listing changes, with defaults and a clock that agrees.
    fn saw(facts: &mut Facts, catalog: &Catalog) {
        let size_rule = SizeRule { max_shrink_percent: 50, accepted_from: None };
        let config = crate::config::tests::good();
        let limits =
            Limits { kind: Kind::Full, size_rule: &size_rule, timing: &config.timing, retention: &config.retention };
        facts.saw(catalog, &limits, Clock::Agrees, Utc::now());
    }

    fn facts() -> Facts {
        Facts::new("test".to_owned(), Duration::from_secs(3600))
    }

    fn with_backup_of_age(facts: &mut Facts, minutes: i64) {
        let at = Utc::now() - TimeDelta::minutes(minutes);
        facts.bucket_was_seen = true;
        facts.newest_full_backup = Some(Newest { id: "x".to_owned(), at, stored_bytes: 1 });
    }

    #[test]
    fn an_old_or_missing_full_backup_is_an_alarm_r016() {
        let mut facts = facts();
        assert_eq!(facts.alarms(Utc::now()), ["the bucket could not be listed since the start"]);
        saw(&mut facts, &Catalog::default());
        assert_eq!(facts.alarms(Utc::now()), ["there is no full backup; partial ones do not count"]);
        facts.max_age_seconds = 3600;
        with_backup_of_age(&mut facts, 59);
        assert!(facts.alarms(Utc::now()).is_empty());
        with_backup_of_age(&mut facts, 61);
        assert!(facts.alarms(Utc::now())[0].starts_with("the newest full backup is 36"));
    }

    #[test]
    fn without_a_verdict_in_the_bucket_the_pair_was_never_verified_r107() {
        let mut facts = facts();
        saw(&mut facts, &Catalog::default());
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
        saw(&mut facts, &Catalog { backups, ..Catalog::default() });
        let page = serde_json::to_string(&facts).unwrap();
        assert!(page.contains(&format!("the newest drill failed, of backup {id}, at 2026-11-20T03:00:00Z")), "{page}");
        assert!(!page.contains("verified"), "{page}");
    }

    #[test]
    fn three_failures_in_a_row_are_an_alarm_although_the_backup_is_young_r092() {
        let mut facts = facts();
        with_backup_of_age(&mut facts, 1);
        let failed = RunReport { error: Some("why".to_owned()), ..RunReport::begin(Utc::now()) };
        for failures in 1..=3 {
            facts.ran(&failed, Occasion::Tick(Utc::now()));
            // However often an outage is tried again, it is one.
            facts.ran(&failed, Occasion::MakeUp);
            facts.ran(&failed, Occasion::MakeUp);
            assert_eq!(facts.alarms(Utc::now()).len(), usize::from(failures == 3));
        }
        assert_eq!(facts.alarms(Utc::now()), ["the last 3 runs failed, the latest with: why"]);
    }
}
