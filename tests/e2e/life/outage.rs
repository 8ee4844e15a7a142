//! A start into an outage of ten minutes.

use chrono::TimeDelta;
use e2e::process::wait_until;
use e2e::proxy::{Fault, FaultProxy, Operation, Rule};
use e2e::receiver::Receiver;

use super::{A_LOOK, Store, assert_well, at, told};
use crate::clock::{Clock, Steady};
use crate::daemon::recovery::Door;
use crate::daemon::{Running, SOON};
use crate::notify::{address, bodies, types};
use crate::stand::Stand;

/// The bucket comes first, and the database two minutes later, so that a run fails between.
#[test]
fn ten_minutes_without_database_and_bucket_at_the_start_are_one_alarm_and_then_one_backup_r094_r153() {
    let test = "life::outage::ten_minutes_without_database_and_bucket_at_the_start_are_one_alarm_and_then_one_backup_r094_r153";
    let Some(clock) = Clock::at(test, at("2026-06-10T12:00:00Z"), Steady::Moves, 20) else { return };
    let (stand, receiver) = (Stand::with_rows(10), Receiver::start());
    let (store, door) = (Store::start(&stand, &clock), Door::new(&stand));
    let proxy = FaultProxy::start_to(([127, 0, 0, 1], store.port()).into());
    proxy.rule(Rule::new(Operation::Any, Fault::CutBeforeReply));
    let run = stand.backup().env("S3_ENDPOINT", proxy.endpoint()).env("DATABASE_URL", &door.url);
    let run = run.env("BACKUP_SCHEDULE", "0 3 * * *").env("RETRY_DELAY", "5");
    let mut daemon = Running::start(clock.on(run.env("WEBHOOK_URL", address("json", &receiver))));
    assert_eq!(daemon.get("/readyz").0, 503);

    clock.wait_until(at("2026-06-10T12:08:00Z"));
    assert!(daemon.process.is_running());
    assert_eq!((daemon.get("/livez").0, daemon.get("/health").0), (200, 503));
    proxy.clear_rules();
    clock.wait_until(at("2026-06-10T12:10:00Z"));
    assert_eq!((daemon.get("/livez").0, store.committed(&stand).len()), (200, 0));
    door.open();
    let is_ready = || daemon.get("/readyz").0 == 200;
    assert!(wait_until(SOON, is_ready), "{}", daemon.process.stderr_so_far());
    daemon.wait_for(A_LOOK, |status| status["last_run"]["succeeded"] == true && status["state"] == "waiting");
    assert_well(&mut daemon);
    assert_eq!(store.committed(&stand).len(), 1);
    let status = daemon.status();
    assert_eq!(status["next_run_at"], "2026-06-11T03:00:00Z", "{status:#}");

    let raised = told(&daemon, "alarm raised");
    assert!(raised.contains(&"bucket_unseen".to_owned()) && raised.contains(&"no_backup".to_owned()), "{raised:?}");
    // One incident: a message when it began, and one when it was over.
    let is_told = || types(&receiver).last().is_some_and(|last| last == "alarm.resolved");
    assert!(wait_until(SOON, is_told), "{:?}\n{}", types(&receiver), daemon.process.stderr_so_far());
    let (types, told) = (types(&receiver), bodies(&receiver));
    assert!(types.len() <= 3 && types.iter().filter(|told| *told == "alarm.resolved").count() == 1, "{told:#?}");
    let lasted = at(told.last().unwrap()["timestamp"].as_str().unwrap()) - at("2026-06-10T12:00:00Z");
    assert!(lasted < TimeDelta::minutes(40), "{lasted}");
}
