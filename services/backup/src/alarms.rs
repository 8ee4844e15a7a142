//! What is wrong, decided from the state and the time alone, and how it reads.

use std::fmt;
use std::time::Duration;

use backup_core::storage::Clock;
use backup_daemon::{Activity, AlarmCode, Condition, DatabaseState, Severity};
use chrono::{DateTime, TimeDelta, Utc};

use crate::clusters::AnotherCluster;
use crate::pace::{SlowRun, Than};
use crate::proof::is_overdue;
use crate::prune::RetentionState;
use crate::shrink::Shrunk;
use crate::status::{FAILURES_UNTIL_ALARM, Facts};

/// By how much the clock of a machine may step back while what was seen before is still believed to be past.
const MAX_CLOCK_STEP: TimeDelta = TimeDelta::minutes(1);

fn is_older(age: TimeDelta, max_age_seconds: u64) -> bool {
    age.num_seconds() > i64::try_from(max_age_seconds).unwrap_or(i64::MAX)
}

/// One thing that is wrong.
#[derive(Debug, PartialEq, Eq)]
enum Detail<'state> {
    BucketUnseen { since: Option<DateTime<Utc>>, is_late: bool },
    NoBackup { is_late: bool, had_some: bool },
    Stale { age_seconds: i64, max_age_seconds: u64 },
    Shrunk(&'state Shrunk),
    SharedRepository(&'state AnotherCluster),
    ClockSkew(Clock),
    RetentionDegraded { pending: usize, reason: Option<&'state str> },
    Failing { runs: u32, since: Option<DateTime<Utc>>, reason: Option<&'state str> },
    Slow(SlowRun),
    NeverProven { passed_at: Option<DateTime<Utc>> },
    DatabaseMissing,
}

/// Everything that is wrong; empty means healthy.
pub(crate) fn conditions(state: &DatabaseState<Facts>, now: DateTime<Utc>) -> Vec<Condition> {
    let condition = |detail: &Detail<'_>| Condition {
        since: detail.since(),
        ..Condition::new(detail.code(), detail.severity(), detail.to_string())
    };
    details(state, now).iter().map(condition).collect()
}

fn details(state: &DatabaseState<Facts>, now: DateTime<Utc>) -> Vec<Detail<'_>> {
    let facts = &state.own;
    // A first backup, and an answer of the bucket, have as long as a backup may be old.
    // A start that lies ahead is one before a clock was set back: how long it is ago is not known.
    let has_waited = |since| {
        let waited = now - since;
        waited < -MAX_CLOCK_STEP || is_older(waited, state.max_age_seconds)
    };
    let is_late = has_waited(state.started_at);
    // Restarts do not make it wait anew, and what was there before is not waited for.
    let known_since = state.noticed.since(AlarmCode::NoBackup).into_iter().chain(facts.first_run_at);
    let had_some = facts.had_backups;
    let lacks = is_late || known_since.into_iter().any(has_waited) || had_some || facts.consecutive_failures > 0;
    let newest = match &facts.newest_full_backup {
        None if facts.bucket_was_seen => Some(Detail::NoBackup { is_late: lacks, had_some }),
        None => Some(Detail::BucketUnseen { since: None, is_late }),
        Some(newest) => {
            let (age, max_age_seconds) = (now - newest.at, state.max_age_seconds);
            let stale = || Detail::Stale { age_seconds: age.num_seconds(), max_age_seconds };
            is_older(age, max_age_seconds).then(stale)
        }
    };
    let unlisted = state.unlisted.lasting().filter(|_| facts.bucket_was_seen).map(|since| {
        let is_late = now - since < -MAX_CLOCK_STEP || is_older(now - since, state.max_age_seconds);
        Detail::BucketUnseen { since: Some(since), is_late }
    });
    let shrunk = facts.shrunk.as_ref().map(Detail::Shrunk);
    let shared = facts.another_cluster.as_ref().map(Detail::SharedRepository);
    let clock = facts.clock.map(Detail::ClockSkew);
    let degraded = (facts.retention_overdue > 0).then(|| {
        let reason = facts.retention.as_ref().and_then(RetentionState::why_not_done);
        Detail::RetentionDegraded { pending: facts.retention_overdue, reason }
    });
    let failing = failing(facts).filter(|_| facts.consecutive_failures as usize >= FAILURES_UNTIL_ALARM);
    let missing = facts.is_database_missing.then_some(Detail::DatabaseMissing);
    let slow = slow(state, now).map(Detail::Slow);
    let is_unproven = is_overdue(facts.proof, state.noticed.since(AlarmCode::NeverProven), now);
    let passed_at = facts.proof.and_then(|proof| proof.passed_at);
    let unproven = is_unproven.then_some(Detail::NeverProven { passed_at });
    [newest, unlisted, shrunk, shared, clock, degraded, failing, missing, slow, unproven]
        .into_iter()
        .flatten()
        .collect()
}

/// The runs that have failed since the newest backup, if there are any.
fn failing(facts: &Facts) -> Option<Detail<'_>> {
    let last = facts.last_run.as_ref().and_then(|run| run.report.error.as_deref());
    let reason = last.or(facts.past_failure.as_deref());
    let (runs, since) = (facts.consecutive_failures, facts.failing_since);
    (runs > 0).then_some(Detail::Failing { runs, since, reason })
}

/// What is to be seen at once although it is no alarm yet: that the last run failed. Since when, and a sentence.
pub(crate) fn first_failures(facts: &Facts) -> Option<(DateTime<Utc>, String)> {
    let failing = failing(facts).filter(|_| (facts.consecutive_failures as usize) < FAILURES_UNTIL_ALARM)?;
    Some((failing.since()?, failing.to_string()))
}

fn slow(state: &DatabaseState<Facts>, now: DateTime<Utc>) -> Option<SlowRun> {
    let began = state.run_started_at.filter(|_| state.activity == Activity::Running);
    let running = began.and_then(|began| (now - began).to_std().ok());
    state.own.pace.slow(running, Duration::from_secs(state.interval_seconds))
}

impl Detail<'_> {
    fn code(&self) -> AlarmCode {
        match self {
            Self::BucketUnseen { .. } => AlarmCode::BucketUnseen,
            Self::NoBackup { .. } => AlarmCode::NoBackup,
            Self::Stale { .. } => AlarmCode::Stale,
            Self::Shrunk(_) => AlarmCode::Shrunk,
            Self::SharedRepository(_) => AlarmCode::SharedRepository,
            Self::ClockSkew(_) => AlarmCode::ClockSkew,
            Self::RetentionDegraded { .. } => AlarmCode::RetentionDegraded,
            Self::Failing { .. } => AlarmCode::Failing,
            Self::Slow(_) => AlarmCode::Slow,
            Self::NeverProven { .. } => AlarmCode::NeverProven,
            Self::DatabaseMissing => AlarmCode::DatabaseMissing,
        }
    }

    /// When it began, if that is known.
    fn since(&self) -> Option<DateTime<Utc>> {
        if let Self::Failing { since, .. } = self { *since } else { None }
    }

    fn severity(&self) -> Severity {
        match self {
            Self::BucketUnseen { is_late: true, .. }
            | Self::NoBackup { is_late: true, .. }
            | Self::Stale { .. }
            | Self::Shrunk(_)
            | Self::DatabaseMissing
            | Self::Failing { .. } => Severity::Critical,
            Self::BucketUnseen { is_late: false, .. }
            | Self::NoBackup { is_late: false, .. }
            | Self::SharedRepository(_)
            | Self::ClockSkew(_)
            | Self::Slow(_)
            | Self::NeverProven { .. }
            | Self::RetentionDegraded { .. } => Severity::Warning,
        }
    }
}

impl fmt::Display for Detail<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BucketUnseen { since: None, .. } => {
                formatter.write_str("the bucket could not be listed since the start")
            }
            Self::BucketUnseen { since: Some(since), .. } => {
                write!(formatter, "the bucket could not be listed since {}", since.format("%Y-%m-%d %H:%M UTC"))
            }
            Self::NoBackup { had_some: true, .. } => {
                formatter.write_str("there is no full backup any more: there were backups, and none is left")
            }
            Self::NoBackup { .. } => formatter.write_str("there is no full backup; partial ones do not count"),
            Self::Stale { age_seconds, max_age_seconds } => {
                write!(formatter, "the newest full backup is {age_seconds} s old, and {max_age_seconds} s are allowed")
            }
            Self::Shrunk(shrunk) => shrunk.fmt(formatter),
            Self::SharedRepository(another) => another.fmt(formatter),
            Self::ClockSkew(clock) => clock.fmt(formatter),
            Self::RetentionDegraded { pending, reason } => write!(
                formatter,
                "retention did not finish after the last {FAILURES_UNTIL_ALARM} runs, and backups that should be gone \
                 are still there ({pending}): {}",
                reason.unwrap_or("the log of these runs tells why")
            ),
            Self::Slow(SlowRun { takes, than }) => {
                write!(formatter, "a run takes or took {} s", takes.as_secs())?;
                match than {
                    Than::Usual(usual) => write!(formatter, ", and runs use to take {} s", usual.as_secs()),
                    Than::Interval(interval) => {
                        write!(formatter, ", and there are {} s between two of them", interval.as_secs())
                    }
                }
            }
            Self::NeverProven { passed_at: Some(at) } => write!(
                formatter,
                "by the records in the bucket, no drill has passed since {}, although they took place",
                at.format("%Y-%m-%d %H:%M UTC")
            ),
            Self::NeverProven { passed_at: None } => {
                formatter.write_str("by the records in the bucket, no drill has passed, although they took place")
            }
            Self::DatabaseMissing => formatter
                .write_str("the database did not exist on the server when it answered last; its backups are kept"),
            Self::Failing { runs: 1, reason, .. } => {
                write!(formatter, "the last run failed: {}", reason.unwrap_or("unknown"))
            }
            Self::Failing { runs, reason, .. } => {
                write!(formatter, "the last {runs} runs failed, the latest with: {}", reason.unwrap_or("unknown"))
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
