//! What is wrong: alarms with a code, a severity, and the time since when they hold.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::database_name::DatabaseName;

/// What an alarm is about. The names are a promise: pages, metrics and messages show them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(into = "&'static str")]
pub enum AlarmCode {
    /// The bucket could not be listed since the start.
    BucketUnseen,
    /// There is no full backup.
    NoBackup,
    /// The newest backup, or the last passed drill, is too old.
    Stale,
    /// Runs fail, one after the other.
    Failing,
    /// The newest backup is much smaller than usual.
    Shrunk,
    /// Two clusters store their backups in one repository.
    SharedRepository,
    /// This machine's clock and the store's do not agree.
    ClockSkew,
    /// Retention does not finish, run after run.
    RetentionDegraded,
    /// The last drill failed.
    DrillFailed,
    /// The last drill could not run, or was stopped.
    CouldNotRun,
    /// No drill has passed yet.
    NeverPassed,
    /// No backup has appeared in time.
    BackupSilent,
    /// A message could not be delivered.
    Undelivered,
}

impl From<AlarmCode> for &'static str {
    fn from(code: AlarmCode) -> Self {
        match code {
            AlarmCode::BucketUnseen => "bucket_unseen",
            AlarmCode::NoBackup => "no_backup",
            AlarmCode::Stale => "stale",
            AlarmCode::Failing => "failing",
            AlarmCode::Shrunk => "shrunk",
            AlarmCode::SharedRepository => "shared_repository",
            AlarmCode::ClockSkew => "clock_skew",
            AlarmCode::RetentionDegraded => "retention_degraded",
            AlarmCode::DrillFailed => "drill_failed",
            AlarmCode::CouldNotRun => "could_not_run",
            AlarmCode::NeverPassed => "never_passed",
            AlarmCode::BackupSilent => "backup_silent",
            AlarmCode::Undelivered => "undelivered",
        }
    }
}

/// How urgent an alarm is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// To be looked at.
    Warning,
    /// What the service is for is at risk.
    Critical,
}

/// What is wrong at one moment. A service finds it in its state; since when it holds is not known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// What it is about.
    pub code: AlarmCode,
    /// How urgent it is.
    pub severity: Severity,
    /// A sentence for a person.
    pub message: String,
}

/// Something that is wrong with one database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alarm {
    /// What it is about. A database has at most one alarm of each code.
    pub code: AlarmCode,
    /// Whose alarm it is.
    pub database: DatabaseName,
    /// How urgent it is.
    pub severity: Severity,
    /// When it was noticed first.
    pub since: DateTime<Utc>,
    /// A sentence for a person.
    pub message: String,
}

/// What became of an alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlarmChange {
    /// It is new, or more urgent than before.
    Raised(Alarm),
    /// It no longer holds; this is how it was seen last.
    Resolved(Alarm),
}

/// The alarms of one database that have been noticed and not resolved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NoticedAlarms(BTreeMap<AlarmCode, Alarm>);

impl NoticedAlarms {
    /// The alarms that `conditions` amount to at `now`, the oldest time first known of each kept.
    pub fn alarms(&self, database: &DatabaseName, conditions: Vec<Condition>, now: DateTime<Utc>) -> Vec<Alarm> {
        let alarm = |Condition { code, severity, message }| {
            let since = self.0.get(&code).map_or(now, |noticed| noticed.since);
            Alarm { code, database: database.clone(), severity, since, message }
        };
        conditions.into_iter().map(alarm).collect()
    }

    /// Notices `alarms`, which are all that there are, and returns what is different from before.
    pub fn notice(&mut self, alarms: Vec<Alarm>) -> Vec<AlarmChange> {
        let now: BTreeMap<AlarmCode, Alarm> = alarms.into_iter().map(|alarm| (alarm.code, alarm)).collect();
        let before = std::mem::replace(&mut self.0, now);
        let is_worse = |alarm: &&Alarm| before.get(&alarm.code).is_none_or(|one| one.severity < alarm.severity);
        let raised: Vec<_> = self.0.values().filter(is_worse).cloned().map(AlarmChange::Raised).collect();
        let resolved = before.into_values().filter(|alarm| !self.0.contains_key(&alarm.code));
        raised.into_iter().chain(resolved.map(AlarmChange::Resolved)).collect()
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn at(minute: i64) -> DateTime<Utc> {
        "2026-11-29T03:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minute)
    }

    /// What changes if `found` is all that is wrong at `minute`: `+` a code for raised, `-` for resolved, and since when.
    #[track_caller]
    fn check(noticed: &mut NoticedAlarms, minute: i64, found: &[(AlarmCode, Severity)], expected: &[(&str, i64)]) {
        let condition = |(code, severity): &(AlarmCode, Severity)| Condition {
            code: *code,
            severity: *severity,
            message: format!("{minute}"),
        };
        let conditions = found.iter().map(condition).collect();
        let alarms = noticed.alarms(&DatabaseName::from("app"), conditions, at(minute));
        let told = noticed.notice(alarms).into_iter().map(|change| match change {
            AlarmChange::Raised(alarm) => (format!("+{:?}", alarm.code), alarm.since),
            AlarmChange::Resolved(alarm) => (format!("-{:?}", alarm.code), alarm.since),
        });
        let expected: Vec<_> = expected.iter().map(|(code, since)| ((*code).to_owned(), at(*since))).collect();
        assert_eq!(told.collect::<Vec<_>>(), expected, "at minute {minute}");
    }

    #[test]
    fn an_alarm_is_told_when_it_comes_when_it_gets_worse_and_when_it_goes() {
        use AlarmCode::{Failing, Stale};
        use Severity::{Critical, Warning};
        let mut noticed = NoticedAlarms::default();
        check(&mut noticed, 0, &[], &[]);
        check(&mut noticed, 1, &[(Failing, Warning)], &[("+Failing", 1)]);
        check(&mut noticed, 2, &[(Failing, Warning)], &[]);
        check(&mut noticed, 3, &[(Failing, Critical), (Stale, Critical)], &[("+Stale", 3), ("+Failing", 1)]);
        check(&mut noticed, 4, &[(Failing, Warning), (Stale, Critical)], &[]);
        check(&mut noticed, 5, &[(Stale, Critical)], &[("-Failing", 1)]);
        check(&mut noticed, 6, &[(Failing, Warning)], &[("+Failing", 6), ("-Stale", 3)]);
    }
}
