//! What is wrong: alarms with a code, a severity, and the time since when they hold.

use std::collections::BTreeMap;

use backup_core::text::one_line;
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::alarm_code::{AlarmCode, Reach};
use crate::database_name::DatabaseName;

/// How urgent an alarm is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// To be looked at.
    Warning,
    /// What the service is for is at risk.
    Critical,
}

impl Severity {
    /// Its name in keys.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// The severity that is called `name`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::Warning, Self::Critical].into_iter().find(|severity| severity.name() == name)
    }
}

/// What is wrong at one moment. A service finds it in its state; since when it holds is not known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// What it is about.
    pub code: AlarmCode,
    /// How urgent it is.
    pub severity: Severity,
    /// When it began, if that is known; `None`: when it was noticed.
    pub since: Option<DateTime<Utc>>,
    /// A sentence for a person.
    pub message: String,
    /// The backups that it is about, if it is about backups: another one is another cause.
    pub subjects: Vec<String>,
}

impl Condition {
    /// One that began when it was noticed, and is about no backup.
    pub fn new(code: AlarmCode, severity: Severity, message: String) -> Self {
        Self { code, severity, since: None, message, subjects: Vec::new() }
    }
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
    /// When it began, or, if that is not known, when it was noticed first.
    pub since: DateTime<Utc>,
    /// When it was noticed first.
    #[serde(skip)]
    pub noticed_at: DateTime<Utc>,
    /// A sentence for a person.
    pub message: String,
    /// The backups that it is about, if it is about backups.
    #[serde(skip)]
    pub subjects: Vec<String>,
}

impl Alarm {
    /// Whether it is no more than a first deployment that has not come to its first result yet.
    pub(crate) fn is_waiting(&self) -> bool {
        self.code.entry().reach == Reach::Late && self.severity == Severity::Warning
    }

    fn has_subject_beyond(&self, before: &Self) -> bool {
        self.subjects.iter().any(|subject| !before.subjects.contains(subject))
    }
}

/// What became of an alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlarmChange {
    /// It is new, more urgent than before, or about another backup.
    Raised(Alarm),
    /// It still holds, as it did before the restart of this process.
    Resumed(Alarm),
    /// It no longer holds; this is how it was seen last.
    Resolved(Alarm),
    /// This database is not looked after any more, and no alarm of it holds.
    Departed(DatabaseName),
}

/// An alarm of this database before a restart: when it was noticed first, and how urgent it was.
pub(crate) type PastAlarm = (DateTime<Utc>, Severity);

/// The alarms of one database that have been noticed and not resolved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NoticedAlarms {
    alarms: BTreeMap<AlarmCode, Alarm>,
    /// Those from before the restart that were not looked for yet.
    past: BTreeMap<AlarmCode, PastAlarm>,
}

impl NoticedAlarms {
    /// Each of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Alarm> {
        self.alarms.values()
    }

    /// Whether there is one of `code`, or was one before a restart.
    pub(crate) fn has(&self, code: AlarmCode) -> bool {
        self.alarms.contains_key(&code) || self.past.contains_key(&code)
    }

    /// What is said of the one of `code` that holds.
    pub(crate) fn message(&self, code: AlarmCode) -> Option<&str> {
        self.alarms.get(&code).map(|alarm| alarm.message.as_str())
    }

    /// The newest backup that the one of `code` that holds is about.
    pub(crate) fn newest_subject(&self, code: AlarmCode) -> Option<String> {
        self.alarms.get(&code)?.subjects.iter().max().cloned()
    }

    /// Since when the one of `code` holds, also before a restart.
    pub fn since(&self, code: AlarmCode) -> Option<DateTime<Utc>> {
        let noticed = self.alarms.get(&code).map(|alarm| alarm.since);
        noticed.into_iter().chain(self.past.get(&code).map(|(since, _)| *since)).min()
    }

    fn noticed_at(&self, code: AlarmCode) -> Option<DateTime<Utc>> {
        let noticed = self.alarms.get(&code).map(|alarm| alarm.noticed_at);
        noticed.into_iter().chain(self.past.get(&code).map(|(at, _)| *at)).min()
    }

    /// The alarms that `conditions` amount to at `now`, the oldest time first known of each kept.
    pub fn alarms(&self, database: &DatabaseName, conditions: Vec<Condition>, now: DateTime<Utc>) -> Vec<Alarm> {
        let alarm = |Condition { code, severity, since, message, subjects }| {
            let (database, message) = (database.clone(), one_line(&message));
            let since = since.into_iter().chain(self.since(code)).min().unwrap_or(now);
            let noticed_at = self.noticed_at(code).unwrap_or(now);
            Alarm { code, database, severity, since, noticed_at, message, subjects }
        };
        conditions.into_iter().map(alarm).collect()
    }

    /// Takes over what held before a restart. What of it does not hold any more is resolved when it is noticed next.
    pub(crate) fn remember(&mut self, past: &BTreeMap<AlarmCode, PastAlarm>) {
        self.past.clone_from(past);
    }

    /// Notices `alarms`, which are all that there are of `database`, and returns what is different from before.
    pub fn notice(&mut self, database: &DatabaseName, alarms: Vec<Alarm>) -> Vec<AlarmChange> {
        let now: BTreeMap<AlarmCode, Alarm> = alarms.into_iter().map(|alarm| (alarm.code, alarm)).collect();
        let (before, past) = (std::mem::replace(&mut self.alarms, now), std::mem::take(&mut self.past));
        let mut changes = Vec::new();
        for alarm in self.alarms.values() {
            let known = before.get(&alarm.code).map(|before| before.severity);
            let is_of_another = before.get(&alarm.code).is_some_and(|before| alarm.has_subject_beyond(before));
            let remembered = past.get(&alarm.code).map(|(_, severity)| *severity);
            if is_of_another || known.max(remembered).is_none_or(|severity| severity < alarm.severity) {
                changes.push(AlarmChange::Raised(alarm.clone()));
            } else if known.is_none() {
                changes.push(AlarmChange::Resumed(alarm.clone()));
            }
        }
        let is_over = |code: &AlarmCode| !self.alarms.contains_key(code);
        let message = String::new();
        let forgotten = past.into_iter().filter(|(code, _)| is_over(code) && !before.contains_key(code));
        let forgotten = forgotten.map(|(code, (since, severity))| Alarm {
            code,
            database: database.clone(),
            severity,
            since,
            noticed_at: since,
            message: message.clone(),
            subjects: Vec::new(),
        });
        let resolved: Vec<Alarm> = forgotten.collect();
        let resolved = resolved.into_iter().chain(before.into_values().filter(|alarm| is_over(&alarm.code)));
        changes.extend(resolved.map(AlarmChange::Resolved));
        changes
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
        let condition =
            |(code, severity): &(AlarmCode, Severity)| Condition::new(*code, *severity, format!("{minute}"));
        let conditions = found.iter().map(condition).collect();
        let alarms = noticed.alarms(&DatabaseName::from("app"), conditions, at(minute));
        let told = noticed.notice(&DatabaseName::from("app"), alarms).into_iter().map(|change| match change {
            AlarmChange::Raised(alarm) => (format!("+{:?}", alarm.code), alarm.since),
            AlarmChange::Resumed(alarm) => (format!("={:?}", alarm.code), alarm.since),
            AlarmChange::Resolved(alarm) => (format!("-{:?}", alarm.code), alarm.since),
            AlarmChange::Departed(database) => panic!("{database:?}"),
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

    #[test]
    fn an_alarm_that_is_about_another_backup_is_told_again() {
        let database = DatabaseName::from("app");
        let mut noticed = NoticedAlarms::default();
        for (subjects, is_raised) in [(["a"].as_slice(), true), (&["a"], false), (&["b", "a"], true), (&["a"], false)] {
            let (code, severity) = (AlarmCode::DataLost, Severity::Critical);
            let subjects = subjects.iter().map(|id| (*id).to_owned()).collect();
            let condition = Condition { subjects, ..Condition::new(code, severity, String::new()) };
            let alarms = noticed.alarms(&database, vec![condition], at(0));
            assert_eq!(!noticed.notice(&database, alarms).is_empty(), is_raised);
        }
    }

    #[test]
    fn what_held_before_a_restart_keeps_its_time_and_is_over_if_it_does_not_hold_any_more() {
        use AlarmCode::{Failing, Shrunk, Stale};
        use Severity::{Critical, Warning};
        let mut noticed = NoticedAlarms::default();
        noticed.remember(&BTreeMap::from([
            (Failing, (at(-60), Warning)),
            (Stale, (at(-30), Critical)),
            (Shrunk, (at(-90), Critical)),
        ]));
        let expected = [("=Stale", -30), ("+Failing", -60), ("-Shrunk", -90)];
        check(&mut noticed, 1, &[(Failing, Critical), (Stale, Critical)], &expected);
        check(&mut noticed, 2, &[(Failing, Critical), (Stale, Critical)], &[]);
        check(&mut noticed, 3, &[(Failing, Critical)], &[("-Stale", -30)]);
        check(&mut noticed, 4, &[(Failing, Critical), (Stale, Critical)], &[("+Stale", 4)]);
    }
}
