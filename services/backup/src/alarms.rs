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
    Failing { runs: u32, reason: Option<&'state str> },
    Slow(SlowRun),
    NeverProven { passed_at: Option<DateTime<Utc>> },
    DatabaseMissing,
}

/// Everything that is wrong; empty means healthy.
pub(crate) fn conditions(state: &DatabaseState<Facts>, now: DateTime<Utc>) -> Vec<Condition> {
    let condition = |detail: &Detail<'_>| Condition {
        code: detail.code(),
        severity: detail.severity(),
        message: detail.to_string(),
        subjects: Vec::new(),
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
    let failing = (facts.consecutive_failures as usize >= FAILURES_UNTIL_ALARM).then(|| {
        let last = facts.last_run.as_ref().and_then(|run| run.report.error.as_deref());
        let reason = last.or(facts.past_failure.as_deref());
        Detail::Failing { runs: facts.consecutive_failures, reason }
    });
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
            Self::Failing { runs, reason } => {
                write!(formatter, "the last {runs} runs failed, the latest with: {}", reason.unwrap_or("unknown"))
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use backup_daemon::DatabaseName;
    use backup_daemon::schedule::Occasion;

    use super::*;
    use crate::failure::FailureClass;
    use crate::run_report::RunReport;
    use crate::status::Newest;

    /// Of a database whose newest backup may be an hour old.
    pub(crate) fn state() -> DatabaseState<Facts> {
        DatabaseState::new("test".to_owned(), Duration::from_secs(3600), Utc::now(), Facts::default())
    }

    fn codes(state: &DatabaseState<Facts>) -> Vec<AlarmCode> {
        conditions(state, Utc::now()).into_iter().map(|condition| condition.code).collect()
    }

    fn words(state: &DatabaseState<Facts>) -> Vec<String> {
        conditions(state, Utc::now()).into_iter().map(|condition| condition.message).collect()
    }

    fn with_backup_of_age(state: &mut DatabaseState<Facts>, minutes: i64) {
        let at = Utc::now() - TimeDelta::minutes(minutes);
        state.own.bucket_was_seen = true;
        state.own.newest_full_backup = Some(Newest { id: "x".to_owned(), at, stored_bytes: 1 });
    }

    #[test]
    fn an_old_or_missing_full_backup_is_an_alarm_r016() {
        let mut state = state();
        assert_eq!(words(&state), ["the bucket could not be listed since the start"]);
        assert_eq!(codes(&state), [AlarmCode::BucketUnseen]);
        state.own.bucket_was_seen = true;
        assert_eq!(words(&state), ["there is no full backup; partial ones do not count"]);
        assert_eq!(codes(&state), [AlarmCode::NoBackup]);
        with_backup_of_age(&mut state, 59);
        assert_eq!(codes(&state), []);
        with_backup_of_age(&mut state, 61);
        assert!(words(&state)[0].starts_with("the newest full backup is 36"));
        assert_eq!(codes(&state), [AlarmCode::Stale]);
    }

    /// Neither shouts on a first deployment, and both do once they last.
    #[test]
    fn a_first_backup_and_a_first_listing_are_urgent_when_they_are_late_or_a_run_has_failed() {
        let severity = |state: &DatabaseState<Facts>, minutes| {
            conditions(state, state.started_at + TimeDelta::minutes(minutes))[0].severity
        };
        let mut state = state();
        for bucket_was_seen in [false, true] {
            state.own.bucket_was_seen = bucket_was_seen;
            // The clock was set back.
            assert_eq!([severity(&state, -1), severity(&state, -2)], [Severity::Warning, Severity::Critical]);
            assert_eq!([severity(&state, 60), severity(&state, 61)], [Severity::Warning, Severity::Critical]);
        }
        state.own.consecutive_failures = 1;
        assert_eq!(severity(&state, 1), Severity::Critical);
    }

    /// Else a database that never gets a backup is never urgent if its process is restarted now and then.
    #[test]
    fn a_first_backup_is_late_from_the_first_run_or_alarm_on_and_one_that_is_gone_at_once() {
        let found = |change: &dyn Fn(&mut DatabaseState<Facts>)| {
            let mut state = state();
            state.own.bucket_was_seen = true;
            change(&mut state);
            let found = conditions(&state, state.started_at + TimeDelta::minutes(1));
            assert_eq!(found[0].code, AlarmCode::NoBackup);
            (found[0].severity, found[0].message.contains("there were backups"))
        };
        let before = |minutes| Utc::now() - TimeDelta::minutes(minutes);
        assert_eq!(found(&|_| {}), (Severity::Warning, false));
        assert_eq!(found(&|state| state.own.first_run_at = Some(before(50))), (Severity::Warning, false));
        assert_eq!(found(&|state| state.own.first_run_at = Some(before(70))), (Severity::Critical, false));
        let noticed = |state: &mut DatabaseState<Facts>| {
            let (name, condition) = (DatabaseName::from("app"), conditions(state, before(70)));
            let alarms = state.noticed.alarms(&name, condition, before(70));
            state.noticed.notice(&name, alarms);
        };
        assert_eq!(found(&noticed), (Severity::Critical, false));
        assert_eq!(found(&|state| state.own.had_backups = true), (Severity::Critical, true));
    }

    /// Of a server that is down afterwards, nothing is known.
    #[test]
    fn a_database_is_missing_until_a_run_shows_that_it_exists() {
        let is_missing_after = |classes: &[FailureClass]| {
            let mut state = state();
            with_backup_of_age(&mut state, 1);
            for class in classes {
                let failed = RunReport { class: Some(*class), ..RunReport::begin(Utc::now()) };
                state.own.ran(&failed, Occasion::MakeUp);
            }
            codes(&state).contains(&AlarmCode::DatabaseMissing)
        };
        use FailureClass::{Auth, BucketFull, DatabaseMissing, DatabaseUnreachable, Lock};
        assert!(!is_missing_after(&[DatabaseUnreachable]));
        assert!(is_missing_after(&[DatabaseMissing]));
        assert!(is_missing_after(&[DatabaseMissing, DatabaseUnreachable, Auth]));
        assert!(!is_missing_after(&[DatabaseMissing, DatabaseUnreachable, Lock]));
        assert!(!is_missing_after(&[DatabaseMissing, BucketFull, DatabaseUnreachable]));
    }

    /// After a restart, of a service whose records of drills were deleted meanwhile.
    #[test]
    fn the_alarm_about_proofs_outlives_its_evidence() {
        let mut state = state();
        with_backup_of_age(&mut state, 1);
        assert_eq!(codes(&state), []);
        let name = DatabaseName::from("app");
        let unproven = Condition {
            code: AlarmCode::NeverProven,
            severity: Severity::Warning,
            message: String::new(),
            subjects: Vec::new(),
        };
        let alarms = state.noticed.alarms(&name, vec![unproven], Utc::now());
        state.noticed.notice(&name, alarms);
        assert_eq!(codes(&state), [AlarmCode::NeverProven]);
        let passed = crate::proof::Proof { passed_at: Some(Utc::now()), due_by: Utc::now() + TimeDelta::days(3) };
        state.own.proof = Some(passed);
        assert_eq!(codes(&state), []);
    }

    #[test]
    fn a_bucket_that_stops_answering_is_an_alarm_beside_what_was_seen_last() {
        let mut state = state();
        with_backup_of_age(&mut state, 1);
        state.unlisted.failed(Utc::now());
        assert_eq!(codes(&state), []);
        state.unlisted.failed(Utc::now());
        let severity = |minutes| conditions(&state, Utc::now() + TimeDelta::minutes(minutes))[0].severity;
        assert_eq!((codes(&state), severity(1)), (vec![AlarmCode::BucketUnseen], Severity::Warning));
        assert!(words(&state)[0].starts_with("the bucket could not be listed since 20"), "{:?}", words(&state));
        state.listed(backup_daemon::Listing::of("app", &Default::default(), Utc::now()));
        assert_eq!(codes(&state), []);
    }

    #[test]
    fn three_failures_in_a_row_are_an_alarm_although_the_backup_is_young_r092() {
        let mut state = state();
        with_backup_of_age(&mut state, 1);
        let failed = RunReport { error: Some("why".to_owned()), ..RunReport::begin(Utc::now()) };
        for failures in 1..=3 {
            state.own.ran(&failed, Occasion::Tick(Utc::now()));
            // However often an outage is tried again, it is one.
            state.own.ran(&failed, Occasion::MakeUp);
            state.own.ran(&failed, Occasion::MakeUp);
            assert_eq!(codes(&state).len(), usize::from(failures == 3));
        }
        assert_eq!(words(&state), ["the last 3 runs failed, the latest with: why"]);
        assert_eq!(codes(&state), [AlarmCode::Failing]);
    }

    #[test]
    fn retention_that_is_behind_and_a_wrong_clock_are_warnings() {
        let mut state = state();
        with_backup_of_age(&mut state, 1);
        state.own.retention_overdue = 4;
        state.own.clock = Some(Clock::Unknown);
        let warnings = [AlarmCode::ClockSkew, AlarmCode::RetentionDegraded].map(|code| (code, Severity::Warning));
        let found = conditions(&state, Utc::now());
        assert_eq!(found.iter().map(|one| (one.code, one.severity)).collect::<Vec<_>>(), warnings);
        assert!(found[1].message.ends_with("still there (4): the log of these runs tells why"), "{found:?}");
        // A foreign session that keeps the lock stops retention as well as a bucket does that deletes nothing.
        state.own.retention = Some(RetentionState { left_to_another: true, ..RetentionState::default() });
        assert!(words(&state)[1].contains("holds the lock of retention"), "{:?}", words(&state));
    }
}
