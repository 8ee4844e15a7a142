//! Which reason a message tells.

use super::*;

/// As one drill that failed after another, each for a reason of its own.
#[test]
fn an_end_tells_what_was_wrong_last() {
    let mut incidents = Incidents::default();
    incidents.raised(&alarm(DrillFailed, Critical, start()), start());
    assert_eq!(incidents.due(start() + SETTLING)[0].lead.reason, "why");
    let now = start() + TimeDelta::hours(1);
    let last = Alarm { message: "the last reason".to_owned(), ..alarm(DrillFailed, Critical, start()) };
    incidents.resolved(&last, now);
    let over = incidents.due(now + SETTLING).pop().unwrap();
    assert_eq!((over.occasion, over.lead.reason.as_str()), (Occasion::Resolved, "the last reason"));
}

/// As three hundred failed runs, each for a reason of its own.
#[test]
fn a_reminder_tells_why_it_is_so_now() {
    let database = DatabaseName::from("app");
    let mut incidents = Incidents::default();
    let told = |incidents: &mut Incidents, now| incidents.due(now).pop().unwrap().lead.reason;
    incidents.failed(&database, failed(start()), start());
    assert_eq!(told(&mut incidents, start() + SETTLING), "no connection");
    let now = start() + TimeDelta::hours(6);
    incidents.failed(&database, FailedRun { reason: "the bucket is full".to_owned(), ..failed(now) }, now);
    assert_eq!(told(&mut incidents, now), "the bucket is full");
    incidents.raised(&alarm(Failing, Critical, start()), now);
    let said = |of: &DatabaseName, code| (*of == database && code == Failing).then(|| "the third reason".to_owned());
    incidents.refresh(said, now + SETTLING);
    assert_eq!(told(&mut incidents, now + SETTLING), "the third reason");
    let now = start() + TimeDelta::hours(24);
    incidents.refresh(|_, _| Some("the last reason".to_owned()), now);
    assert_eq!(told(&mut incidents, now), "the last reason");
}

/// As the first backup that came late, and then waits for its drill.
#[test]
fn an_end_is_that_of_what_was_told_and_not_of_a_first_result_that_was_only_waited_for() {
    let minute = |minute| start() + TimeDelta::minutes(minute);
    let mut incidents = Incidents::default();
    incidents.raised(&alarm(NoBackup, Critical, start()), start());
    assert_eq!(incidents.due(minute(1))[0].occasion, Occasion::Onset);
    incidents.raised(&alarm(AlarmCode::NeverPassed, Warning, minute(2)), minute(2));
    incidents.resolved(&alarm(NoBackup, Critical, start()), minute(2));
    assert_eq!(incidents.due(minute(3)), []);
    // A reminder names what holds.
    let reminder = incidents.due(minute(6 * 60)).pop().unwrap();
    assert_eq!((reminder.occasion, reminder.lead.code), (Occasion::Reminder, AlarmCode::NeverPassed));
    incidents.resolved(&alarm(AlarmCode::NeverPassed, Warning, minute(2)), minute(400));
    let over = incidents.due(minute(401)).pop().unwrap();
    assert_eq!((over.occasion, over.lead.code), (Occasion::Resolved, NoBackup));
}
