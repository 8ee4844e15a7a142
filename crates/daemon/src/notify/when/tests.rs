use super::*;
use crate::remembered::{Past, Remembered};

mod no_place;
mod reasons;

fn start() -> DateTime<Utc> {
    "2026-11-29T03:00:00Z".parse().unwrap()
}

fn alarm(code: AlarmCode, severity: Severity, since: DateTime<Utc>) -> Alarm {
    Alarm {
        code,
        database: DatabaseName::from("app"),
        severity,
        since,
        noticed_at: since,
        message: "why".to_owned(),
        subjects: Vec::new(),
    }
}

fn failed(ended_at: DateTime<Utc>) -> FailedRun {
    let (class, reason) = (Some("database_unreachable"), "no connection".to_owned());
    FailedRun { ended_at, sign: Some(AlarmCode::Failing), class, reason, what_to_do: None }
}

/// What happens at an hour of a test.
enum Step {
    RunFails,
    RunSucceeds,
    Raised(AlarmCode, Severity),
    Resolved(AlarmCode),
}

use AlarmCode::{BucketUnseen, CouldNotRun, DatabaseMissing, DrillFailed, Failing, NoBackup, Shrunk, Stale};
use Severity::{Critical, Warning};
use Step::{Raised, Resolved, RunFails, RunSucceeds};

/// What is sent from the start to the hour `end`, looked at every minute: the hour, the occasion and the code.
fn sent(steps: &[(i64, Step)], end: i64) -> Vec<(i64, Occasion, AlarmCode)> {
    let database = DatabaseName::from("app");
    let mut incidents = Incidents::default();
    let mut sent = Vec::new();
    for minute in 0..=end * 60 {
        let now = start() + TimeDelta::minutes(minute);
        for (_, step) in steps.iter().filter(|(hour, _)| hour * 60 == minute) {
            match step {
                RunFails => incidents.failed(&database, failed(now), now),
                RunSucceeds => incidents.succeeded(&database, now),
                Raised(code, severity) => incidents.raised(&alarm(*code, *severity, now), now),
                Resolved(code) => incidents.resolved(&alarm(*code, Critical, now), now),
            }
        }
        let due: Vec<_> = incidents.due(now + SETTLING);
        sent.extend(due.into_iter().map(|notice| (minute / 60, notice.occasion, notice.lead.code)));
        assert!(incidents.due(now + SETTLING).is_empty(), "each is due once");
    }
    sent
}

#[track_caller]
fn check(steps: &[(i64, Step)], end: i64, expected: &[(i64, Occasion, AlarmCode)]) {
    assert_eq!(sent(steps, end), expected);
}

#[test]
fn a_database_that_is_down_for_a_week_gives_six_messages_r154() {
    let mut steps: Vec<(i64, Step)> = (0..168).map(|hour| (hour, RunFails)).collect();
    steps.extend([(2, Raised(Stale, Critical)), (3, Raised(Failing, Critical))]);
    steps.extend([(168, RunSucceeds), (168, Resolved(Stale)), (168, Resolved(Failing))]);
    let expected = [
        (0, Occasion::Onset, Failing),
        (2, Occasion::Worse, Stale),
        (6, Occasion::Reminder, Failing),
        (24, Occasion::Reminder, Failing),
        (72, Occasion::Reminder, Failing),
        (168, Occasion::Resolved, Failing),
    ];
    check(&steps, 200, &expected);
}

#[test]
fn reminders_go_on_weekly_without_end_r153() {
    let sent = sent(&[(0, RunFails)], 24 * 40);
    let hours: Vec<i64> = sent.iter().map(|(hour, ..)| *hour).collect();
    assert_eq!(hours, [0, 6, 24, 72, 72 + 168, 72 + 336, 72 + 504, 72 + 672, 72 + 840]);
}

#[test]
fn drills_that_cannot_run_without_the_bucket_are_no_second_outage() {
    let begin =
        [(0, Raised(BucketUnseen, Warning)), (1, Raised(CouldNotRun, Warning)), (2, Raised(CouldNotRun, Critical))];
    let end = [(3, Resolved(BucketUnseen)), (3, Resolved(CouldNotRun))];
    let told =
        [(0, Occasion::Onset, BucketUnseen), (2, Occasion::Worse, CouldNotRun), (3, Occasion::Resolved, CouldNotRun)];
    check(&begin.into_iter().chain(end).collect::<Vec<_>>(), 5, &told);
}

#[test]
fn waiting_for_a_first_result_is_not_told_until_it_is_late() {
    check(&[(0, Raised(NoBackup, Warning)), (1, Resolved(NoBackup))], 3, &[]);
    // After an outage it is still a part of it, and the end names what was told.
    let outage = [(0, Raised(BucketUnseen, Warning)), (1, Raised(NoBackup, Warning)), (1, Resolved(BucketUnseen))];
    let told = [(0, Occasion::Onset, BucketUnseen), (2, Occasion::Resolved, BucketUnseen)];
    check(&outage.into_iter().chain([(2, Resolved(NoBackup))]).collect::<Vec<_>>(), 5, &told);
    let steps = [(0, Raised(NoBackup, Warning)), (2, Raised(NoBackup, Critical))];
    check(&steps, 3, &[(2, Occasion::Onset, NoBackup)]);
}

#[test]
fn a_bucket_that_does_not_answer_and_the_runs_that_fail_by_that_are_one_thing() {
    let steps = [(0, Raised(BucketUnseen, Warning)), (1, RunFails), (2, RunSucceeds), (2, Resolved(BucketUnseen))];
    check(&steps, 3, &[(0, Occasion::Onset, BucketUnseen), (2, Occasion::Resolved, Failing)]);
}

#[test]
fn what_one_run_changes_is_one_message_in_any_order() {
    check(&[(0, Raised(NoBackup, Critical)), (0, RunFails)], 1, &[(0, Occasion::Onset, NoBackup)]);
    check(&[(0, RunFails), (0, Raised(NoBackup, Critical))], 1, &[(0, Occasion::Onset, NoBackup)]);
    check(&[(0, RunFails), (0, RunSucceeds)], 1, &[]);
}

#[test]
fn a_cause_that_comes_to_its_consequence_is_told() {
    let steps = [(0, Raised(Stale, Critical)), (1, Raised(DrillFailed, Critical)), (2, Resolved(DrillFailed))];
    check(&steps, 3, &[(0, Occasion::Onset, Stale), (1, Occasion::Onset, DrillFailed)]);
    let steps = [(0, Raised(CouldNotRun, Warning)), (1, Raised(Stale, Critical)), (2, Raised(CouldNotRun, Critical))];
    check(&steps, 3, &[(0, Occasion::Onset, CouldNotRun), (1, Occasion::Worse, Stale)]);
}

#[test]
fn other_alarms_are_told_beside_it() {
    let steps = [(0, RunFails), (1, Raised(Shrunk, Critical)), (2, Resolved(Shrunk))];
    let expected = [(0, Occasion::Onset, Failing), (1, Occasion::Onset, Shrunk), (2, Occasion::Resolved, Shrunk)];
    check(&steps, 3, &expected);
}

#[test]
fn more_than_three_changes_in_a_day_are_one_message_and_then_a_digest_a_day() {
    let flap = (0..40).map(|hour| (hour, if hour % 2 == 0 { RunFails } else { RunSucceeds }));
    let steps: Vec<(i64, Step)> = flap.collect();
    let expected = [
        (0, Occasion::Onset, Failing),
        (1, Occasion::Resolved, Failing),
        (2, Occasion::Onset, Failing),
        (3, Occasion::Unstable { changes: 4 }, Failing),
        (27, Occasion::Digest { changes: 24 }, Failing),
        (51, Occasion::Digest { changes: 12 }, Failing),
    ];
    check(&steps, 24 * 10, &expected);
}

#[test]
fn after_a_calm_day_everything_is_as_at_the_beginning() {
    let mut steps: Vec<(i64, Step)> =
        (0..6).map(|hour| (hour, if hour % 2 == 0 { RunFails } else { RunSucceeds })).collect();
    steps.push((100, RunFails));
    let sent = sent(&steps, 101);
    assert_eq!(sent[4..], [(27, Occasion::Digest { changes: 2 }, Failing), (100, Occasion::Onset, Failing)]);
}

#[test]
fn a_notice_counts_the_runs_that_failed_and_names_the_cause() {
    let database = DatabaseName::from("app");
    let mut incidents = Incidents::default();
    let hour = |hour| start() + TimeDelta::hours(hour);
    incidents.failed(&database, failed(hour(0)), hour(0));
    // The alarm of the same run is noticed a moment after it.
    incidents.raised(&alarm(Stale, Critical, hour(0) + TimeDelta::seconds(1)), hour(0));
    assert_eq!(incidents.next_due(), Some(hour(0) + SETTLING));
    assert_eq!(incidents.due(hour(0)), [], "it waits for what comes with it");
    let notice = incidents.due(hour(0) + SETTLING).pop().unwrap();
    assert_eq!((notice.occurrences, notice.since, notice.is_firing), (1, hour(0), true));
    assert_eq!((notice.lead.reason.as_str(), notice.class), ("why; no connection", Some("database_unreachable")));
    incidents.failed(&database, failed(hour(1)), hour(1));
    incidents.failed(&database, failed(hour(2)), hour(2));
    incidents.succeeded(&database, hour(3));
    incidents.resolved(&alarm(Stale, Critical, hour(0)), hour(3));
    incidents.settle(hour(3));
    let notice = incidents.due(hour(3)).pop().unwrap();
    assert_eq!((notice.occasion, notice.occurrences, notice.is_firing), (Occasion::Resolved, 3, false));
}

#[test]
fn a_drill_that_raised_the_alarm_is_counted_once() {
    let database = DatabaseName::from("app");
    let mut incidents = Incidents::default();
    let run = FailedRun { sign: None, ..failed(start()) };
    incidents.raised(&alarm(DrillFailed, Critical, start() + TimeDelta::seconds(1)), start());
    incidents.failed(&database, run, start());
    assert_eq!(incidents.due(start() + SETTLING)[0].occurrences, 1);
}

/// A message about a small backup must not say that a run failed.
#[test]
fn only_runs_that_failed_are_counted_as_such() {
    let (database, mut incidents) = (DatabaseName::from("app"), Incidents::default());
    let occurrences = |incidents: &mut Incidents, at| incidents.due(at)[0].occurrences;
    incidents.raised(&alarm(Shrunk, Critical, start()), start());
    assert_eq!(occurrences(&mut incidents, start() + SETTLING), 0);
    incidents.raised(&alarm(BucketUnseen, Warning, start()), start());
    assert_eq!(occurrences(&mut incidents, start() + SETTLING * 2), 0);
    incidents.failed(&database, failed(start() + SETTLING * 3), start() + SETTLING * 3);
    incidents.raised(&alarm(Stale, Critical, start()), start() + SETTLING * 4);
    assert_eq!(occurrences(&mut incidents, start() + SETTLING * 6), 1);
    for resolved in [BucketUnseen, Failing, Stale] {
        incidents.resolved(&alarm(resolved, Warning, start()), start() + SETTLING * 7);
    }
    assert_eq!(incidents.due(start() + SETTLING * 8).len(), 1);
    // An alarm of another day is not the fault of that run.
    let later = start() + TimeDelta::days(2);
    incidents.raised(&alarm(BucketUnseen, Warning, later), later);
    assert_eq!(occurrences(&mut incidents, later + SETTLING), 0);
}

#[test]
fn a_clock_that_is_set_back_makes_no_message_wait() {
    let mut incidents = Incidents::default();
    incidents.raised(&alarm(Stale, Critical, start()), start());
    let earlier = start() - TimeDelta::days(1);
    assert_eq!(incidents.due(earlier), []);
    assert_eq!(incidents.due(earlier + TimeDelta::seconds(61)).pop().unwrap().occasion, Occasion::Onset);
}

/// Changes that are only counted do not hide what is at risk.
#[test]
fn what_becomes_critical_among_many_changes_is_told_once() {
    let steps = [
        (0, RunFails),
        (1, RunSucceeds),
        (2, RunFails),
        (3, RunSucceeds),
        (5, Raised(Stale, Critical)),
        (6, Resolved(Stale)),
        (7, Raised(Stale, Critical)),
    ];
    let expected = [
        (0, Occasion::Onset, Failing),
        (1, Occasion::Resolved, Failing),
        (2, Occasion::Onset, Failing),
        (3, Occasion::Unstable { changes: 4 }, Failing),
        (5, Occasion::Onset, Stale),
    ];
    check(&steps, 20, &expected);
}

/// A cause that comes while changes are only counted has a message of its own, also if another one is critical.
#[test]
fn each_critical_code_is_told_once_among_many_changes() {
    let steps = [
        (0, RunFails),
        (1, RunSucceeds),
        (2, RunFails),
        (3, Raised(Failing, Critical)),
        (5, Raised(DatabaseMissing, Critical)),
        (6, Resolved(DatabaseMissing)),
        (7, Raised(DatabaseMissing, Critical)),
        (8, Raised(DrillFailed, Warning)),
        (9, Raised(Stale, Critical)),
    ];
    let expected = [
        (0, Occasion::Onset, Failing),
        (1, Occasion::Resolved, Failing),
        (2, Occasion::Onset, Failing),
        (3, Occasion::Unstable { changes: 4 }, Failing),
        (5, Occasion::Onset, DatabaseMissing),
        (9, Occasion::Onset, Stale),
    ];
    check(&steps, 20, &expected);
}

#[test]
fn a_clock_that_is_set_back_keeps_no_change_young_and_delays_no_digest() {
    let database = DatabaseName::from("app");
    let hour = |hour| start() + TimeDelta::hours(hour);
    let mut incidents = Incidents::default();
    let mut look = |now, fails: Option<bool>| {
        match fails {
            Some(true) => incidents.failed(&database, failed(now), now),
            Some(false) => incidents.succeeded(&database, now),
            None => {}
        }
        incidents.due(now + SETTLING).pop().map(|notice| notice.occasion)
    };
    for (at, fails) in [(100, true), (101, false), (102, true), (103, false), (104, true)] {
        look(hour(at), Some(fails));
    }
    assert_eq!(look(hour(0), None), None);
    assert_eq!(look(hour(24), None), Some(Occasion::Digest { changes: 1 }));
    assert_eq!(look(hour(48), None), Some(Occasion::Reminder), "a calm day");
}

/// A failed run is a sign that only a run ends, and there is none any more.
#[test]
fn a_database_that_is_not_looked_after_any_more_is_told_once_and_never_again() {
    let database = DatabaseName::from("app");
    let hour = |hour| start() + TimeDelta::hours(hour);
    let mut incidents = Incidents::default();
    for at in 0..5 {
        if at % 2 == 0 {
            incidents.failed(&database, failed(hour(at)), hour(at))
        } else {
            incidents.succeeded(&database, hour(at))
        }
        incidents.due(hour(at) + SETTLING);
    }
    incidents.departed(&database, hour(5));
    let told = incidents.due(hour(5) + SETTLING);
    assert!(matches!(&told[..], [one] if one.occasion == Occasion::Resolved && one.is_departed), "{told:?}");
    assert!((5..2_000).all(|at| incidents.due(hour(at) + SETTLING).is_empty()));
    assert_eq!(incidents.next_due(), None);
    // It may come back.
    incidents.failed(&database, failed(hour(3_000)), hour(3_000));
    assert_eq!(incidents.due(hour(3_000) + SETTLING).pop().map(|one| one.is_departed), Some(false));
}

/// As the next backup that is lost, or fails its drill.
#[test]
fn an_alarm_about_another_backup_is_another_cause_also_after_a_restart_and_each_is_told_once() {
    let mut incidents = Incidents::default();
    let mut look = |hour: i64, ids: &[&str]| {
        let now = start() + TimeDelta::hours(hour);
        let subjects = ids.iter().map(|id| (*id).to_owned()).collect();
        incidents.raised(&Alarm { subjects, ..alarm(DrillFailed, Critical, now) }, now);
        incidents.due(now + SETTLING).pop().map(|notice| notice.occasion)
    };
    assert_eq!(look(0, &["a"]), Some(Occasion::Onset));
    assert_eq!(look(1, &["b", "a"]), Some(Occasion::Onset));
    assert_eq!([look(2, &["a"]), look(3, &["b", "a"])], [None, None]);
    let mut restarted = Incidents::default();
    let told = Past {
        since: start(),
        severity: Some(Critical),
        codes: vec![DrillFailed],
        messages: vec![(start(), "onset".to_owned())],
        is_everywhere: true,
        ..Past::default()
    };
    let remembered = Remembered { told: [("main".to_owned(), told)].into(), ..Remembered::default() };
    restarted.restore(&DatabaseName::from("app"), &remembered, start());
    let subjects = vec!["a".to_owned()];
    restarted.raised(&Alarm { subjects, ..alarm(DrillFailed, Critical, start()) }, start());
    assert_eq!(restarted.due(start() + SETTLING), []);
}
