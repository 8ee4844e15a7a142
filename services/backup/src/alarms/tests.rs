use backup_daemon::DatabaseName;
use backup_daemon::schedule::Occasion;

use super::*;
use crate::failure::FailureClass;
use crate::journal::Failures;
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
    let unproven = Condition::new(AlarmCode::NeverProven, Severity::Warning, String::new());
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

/// The third failure is when it became an alarm, not when it began.
#[test]
fn failures_are_told_from_the_first_on_and_begin_with_it() {
    let mut state = state();
    with_backup_of_age(&mut state, 1);
    let at = |minutes| start() + TimeDelta::minutes(minutes);
    let failed = |minutes| RunReport {
        error: Some(format!("why {minutes}")),
        ended_at: at(minutes),
        ..RunReport::begin(at(minutes))
    };
    assert_eq!(first_failures(&state.own), None);
    for (minutes, message) in [(1, "the last run failed: why 1"), (2, "the last 2 runs failed, the latest with: why 2")]
    {
        state.own.ran(&failed(minutes), Occasion::Tick(at(minutes)));
        assert_eq!(first_failures(&state.own), Some((at(1), message.to_owned())));
    }
    state.own.ran(&failed(3), Occasion::Tick(at(3)));
    assert_eq!(first_failures(&state.own), None, "from here on it is an alarm");
    assert_eq!(conditions(&state, Utc::now())[0].since, Some(at(1)));
    let name = DatabaseName::from("app");
    assert_eq!(state.noticed.alarms(&name, conditions(&state, at(3)), at(3))[0].since, at(1));
    // After a restart, the journal tells.
    state.own = Facts::default();
    let failures = Failures { in_a_row: 1, first_at: Some(at(1)), last_at: Some(at(2)), ..Failures::default() };
    state.own.remember(&failures);
    let message = "the last run failed: unknown (before a restart, whose log has the whole reason)";
    assert_eq!(first_failures(&state.own), Some((at(1), message.to_owned())));
}

fn start() -> DateTime<Utc> {
    "2026-11-29T03:00:00Z".parse().unwrap()
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
