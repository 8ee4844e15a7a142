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
