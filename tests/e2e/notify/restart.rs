//! What a restart must not forget, after `kill -9` again and again.

use e2e::process::{Run, wait_until};
use e2e::receiver::{Answer, Receiver};
use serde_json::Value;

use super::{address, bodies, types};
use crate::daemon::recovery::Door;
use crate::daemon::{HELD, Running, SOON, Script};
use crate::stand::Stand;

/// `since` of the alarm with this code.
fn since(status: &Value, code: &str) -> Option<String> {
    let alarms = status["alarms"].as_array()?;
    let alarm = alarms.iter().find(|alarm| alarm["code"] == code)?;
    Some(alarm["since"].as_str().unwrap()[..19].to_owned())
}

/// A daemon whose database is behind `door`, which sends its messages to `receiver`.
fn daemon(stand: &Stand, door: &Door, receiver: &Receiver) -> Run {
    let run = stand.backup().env("DATABASE_URL", &door.url).env("BACKUP_INTERVAL", "86400").env("RETRY_ATTEMPTS", "1");
    run.env("BACKUP_RETRY_AFTER", "off").env("WEBHOOK_URL", address("json", receiver))
}

/// How many events of the journal have this in their name.
fn noted(stand: &Stand, part: &str) -> usize {
    stand.events().iter().filter(|name| name.contains(part)).count()
}

#[test]
fn twenty_restarts_by_kill_9_change_no_count_and_no_time_and_repeat_no_message_r154() {
    let (stand, receiver) = (Stand::with_rows(10), Receiver::start());
    let door = Door::new(&stand);
    let mut first = Running::start(daemon(&stand, &door, &receiver));
    let status =
        first.wait_for(SOON, |status| since(status, "no_backup").is_some() && status["consecutive_failures"] == 1);
    let known = since(&status, "no_backup").unwrap();
    let all_noted = || noted(&stand, "told-backup-main-onset") == 1 && noted(&stand, "alarm-backup-no_backup") > 0;
    assert!(wait_until(SOON, all_noted), "{:?}\n{}", stand.events(), first.process.stderr_so_far());
    assert_eq!(types(&receiver), ["alarm.raised"]);
    first.process.kill9();
    let lines = stand.events().len();
    for restart in 1..=20 {
        let mut again = Running::start(daemon(&stand, &door, &receiver));
        let status =
            again.wait_for(SOON, |status| status["last_run"]["succeeded"] == false && status["state"] == "waiting");
        assert_eq!(status["consecutive_failures"], 1, "restart {restart}: {status:#}");
        assert_eq!(since(&status, "no_backup"), Some(known.clone()), "restart {restart}: {status:#}");
        again.process.kill9();
    }
    assert_eq!(types(&receiver), ["alarm.raised"], "{:#?}", bodies(&receiver));
    // A line for each minute that has passed, at most.
    let added = stand.events().len() - lines;
    assert!(added <= 5, "{:?}", stand.events());

    door.open();
    let last = Running::start(daemon(&stand, &door, &receiver));
    last.wait_for(SOON, |status| status["last_run"]["succeeded"] == true);
    let is_over = || types(&receiver) == ["alarm.raised", "alarm.resolved"];
    assert!(wait_until(SOON, is_over), "{:?}\n{}", types(&receiver), last.process.stderr_so_far());
    let told = bodies(&receiver);
    assert_eq!(&told[0]["data"]["since"].as_str().unwrap()[..19], &told[1]["data"]["since"].as_str().unwrap()[..19]);
    assert_eq!(told[1]["data"]["class"], "database_unreachable");
    assert!(wait_until(SOON, || noted(&stand, "alarm-backup-no_backup-resolved") == 1), "{:?}", stand.events());
}

#[test]
fn a_message_that_had_not_arrived_when_a_process_ended_is_sent_by_the_next_one_r155() {
    let (stand, receiver) = (Stand::with_rows(10), Receiver::start());
    let door = Door::new(&stand);
    receiver.answer(Answer::Status(503, "", ""));
    let mut first = Running::start(daemon(&stand, &door, &receiver));
    let is_noted = || noted(&stand, "alarm-backup-no_backup-raised") > 0;
    // A line about it would be there long before the second attempt.
    assert!(wait_until(SOON, || receiver.received().len() >= 2 && is_noted()), "{:?}", stand.events());
    first.process.kill9();
    assert_eq!(noted(&stand, "told-"), 0, "{:?}", stand.events());
    let refused = receiver.received().len();

    receiver.answer(Answer::Status(200, "", "ok"));
    let mut again = Running::start(daemon(&stand, &door, &receiver));
    assert!(wait_until(SOON, || receiver.received().len() > refused), "{}", again.process.stderr_so_far());
    assert!(wait_until(SOON, || noted(&stand, "told-backup-main-onset") == 1), "{:?}", stand.events());
    again.process.kill9();
    let third = Running::start(daemon(&stand, &door, &receiver));
    third.wait_for(SOON, |status| status["last_run"]["succeeded"] == false && status["state"] == "waiting");
    assert_eq!(receiver.received().len(), refused + 1, "{:#?}", bodies(&receiver));
}

#[test]
fn each_channel_gets_after_a_restart_what_has_not_arrived_there_and_nothing_twice_r155() {
    let (stand, up, down) = (Stand::with_rows(10), Receiver::start(), Receiver::start());
    let door = Door::new(&stand);
    let run = || {
        let both = format!("{},{}", address("json", &up), address("json", &down));
        daemon(&stand, &door, &up).env("WEBHOOK_URL", both)
    };
    down.answer(Answer::Status(503, "", ""));
    let mut first = Running::start(run());
    let is_noted = || noted(&stand, "told-backup-main-onset") == 1 && !down.received().is_empty();
    assert!(wait_until(SOON, is_noted), "{:?}", stand.events());
    first.process.kill9();
    let refused = down.received().len();

    down.answer(Answer::Status(200, "", "ok"));
    let mut again = Running::start(run());
    assert!(wait_until(SOON, || down.received().len() > refused), "{}", again.process.stderr_so_far());
    assert!(wait_until(SOON, || noted(&stand, "told-backup-main-onset") == 2), "{:?}", stand.events());
    let late = &bodies(&down)[refused];
    assert_eq!(late["data"]["reason"], bodies(&up)[0]["data"]["reason"], "{late:#}");
    again.process.kill9();
    let mut third = Running::start(run());
    third.wait_for(SOON, |status| status["last_run"]["succeeded"] == false && status["state"] == "waiting");
    std::thread::sleep(std::time::Duration::from_secs(6));
    assert_eq!((up.received().len(), down.received().len()), (1, refused + 1), "{:#?}", bodies(&up));
    third.process.kill9();

    door.open();
    let last = Running::start(run());
    let is_over = || types(&up) == ["alarm.raised", "alarm.resolved"] && down.received().len() == refused + 2;
    assert!(wait_until(SOON, is_over), "{:?}\n{}", types(&up), last.process.stderr_so_far());
}

#[test]
fn a_channel_that_takes_nothing_stays_an_alarm_over_a_restart_until_it_takes_something_r090() {
    let (stand, up, down) = (Stand::with_rows(10), Receiver::start(), Receiver::start());
    let door = Door::new(&stand);
    let run = || {
        let both = format!("{},{}", address("json", &up), address("json", &down));
        daemon(&stand, &door, &up).env("WEBHOOK_URL", both)
    };
    let told = |event: &str| {
        let bodies = bodies(&up);
        let of = bodies.iter().filter(|body| body["data"]["event"] == event);
        of.map(|body| body["type"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    down.answer(Answer::Status(400, "", ""));
    let mut first = Running::start(run());
    let is_noted = || noted(&stand, "told-backup-undelivered-onset") == 1;
    assert!(wait_until(SOON, is_noted), "{:?}\n{}", stand.events(), first.process.stderr_so_far());
    first.process.kill9();
    let refused = down.received().len();

    let mut again = Running::start(run());
    // Each of what it lacks is tried there once.
    assert!(wait_until(SOON, || down.received().len() >= refused + 2), "{}", again.process.stderr_so_far());
    let status = again.wait_for(SOON, |status| since(status, "undelivered").is_some());
    assert_eq!(told("undelivered"), ["alarm.raised"], "{status:#}");
    again.process.kill9();

    down.answer(Answer::Status(200, "", "ok"));
    let last = Running::start(run());
    let is_over = || told("undelivered") == ["alarm.raised", "alarm.resolved"];
    assert!(wait_until(SOON, is_over), "{:?}\n{}", told("undelivered"), last.process.stderr_so_far());
}

#[test]
fn an_end_is_told_after_a_restart_although_no_channel_wanted_the_begin() {
    let (stand, receiver) = (Stand::with_rows(10), Receiver::start());
    let door = Door::new(&stand);
    let run =
        || daemon(&stand, &door, &receiver).env("WEBHOOK_URL", format!("{}#on=recovery", address("json", &receiver)));
    let mut first = Running::start(run());
    assert!(wait_until(SOON, || noted(&stand, "told-backup-main-onset") == 1), "{:?}", stand.events());
    first.process.kill9();
    door.open();
    let again = Running::start(run());
    let is_over = || types(&receiver) == ["alarm.resolved"];
    assert!(wait_until(SOON, is_over), "{:?}\n{}", types(&receiver), again.process.stderr_so_far());
}

#[test]
fn failures_are_counted_on_after_a_restart_and_three_are_an_alarm_r092() {
    let (stand, receiver) = (Stand::with_rows(10), Receiver::start());
    let door = Door::new(&stand);
    stand.seed(chrono::TimeDelta::minutes(1));
    let run = || daemon(&stand, &door, &receiver).env("BACKUP_INTERVAL", "10").env("BACKUP_MAX_AGE", "86400");
    let mut first = Running::start(run());
    // On a slow machine there may be more before the test sees two.
    first.wait_for(SOON, |status| status["consecutive_failures"].as_u64() >= Some(2));
    let is_noted = || noted(&stand, "backup-failed-database_unreachable") >= 2;
    assert!(wait_until(SOON, is_noted), "{:?}", stand.events());
    first.process.kill9();
    let again = Running::start(run());
    let status = again.wait_for(SOON, |status| since(status, "failing").is_some());
    let own = again.process.stderr_so_far().matches("\"backup failed\"").count();
    // On a slow machine another run has failed by now.
    let counted = status["consecutive_failures"].as_u64().unwrap();
    assert!(counted >= 3 && counted > own as u64, "{own} of its own: {status:#}");
}

/// As the documents advise once the cause is repaired.
#[test]
fn a_backup_of_another_process_ends_what_is_told_of_failed_runs_r153() {
    let (stand, receiver) = (Stand::with_rows(10), Receiver::start());
    let door = Door::new(&stand);
    stand.seed(chrono::TimeDelta::minutes(70));
    let run = daemon(&stand, &door, &receiver).env("BACKUP_INTERVAL", "3600").env("BACKUP_MAX_AGE", "86400");
    let first = Running::start(run.env("BUCKET_POLL_INTERVAL", "5"));
    let is_told = || types(&receiver) == ["alarm.raised"];
    assert!(wait_until(SOON, is_told), "{:?}\n{}", types(&receiver), first.process.stderr_so_far());
    assert_eq!(first.status()["consecutive_failures"], 1);
    let output = stand.backup().args(["run"]).output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let is_over = || types(&receiver) == ["alarm.raised", "alarm.resolved"];
    assert!(wait_until(SOON, is_over), "{:?}\n{}", types(&receiver), first.process.stderr_so_far());
    let status = first.status();
    assert_eq!((&status["consecutive_failures"], &status["last_run"]["succeeded"]), (&0.into(), &false.into()));
}

#[test]
fn runs_that_are_killed_are_told_as_failed_ones_r092() {
    let (stand, receiver) = (Stand::with_rows(10), Receiver::start());
    let script = Script::pg_dump(HELD);
    stand.seed(chrono::TimeDelta::minutes(70));
    let run = || {
        let run = script.on(stand.backup()).env("BACKUP_INTERVAL", "3600").env("BACKUP_MAX_AGE", "86400");
        let run = run.env("BACKUP_MIN_INTERVAL", "0").env("RETRY_ATTEMPTS", "1");
        run.env("WEBHOOK_URL", address("json", &receiver))
    };
    for starts in 1..=2 {
        let mut daemon = Running::start(run());
        assert!(wait_until(SOON, || script.starts().len() == starts), "{}", daemon.process.stderr_so_far());
        daemon.process.kill9();
    }
    assert_eq!(types(&receiver).len(), 0, "one that began a moment ago may go on elsewhere");
    let last = Running::start(run());
    let is_told = || types(&receiver) == ["alarm.raised"];
    assert!(wait_until(SOON, is_told), "{:?}\n{}", types(&receiver), last.process.stderr_so_far());
    let told = &bodies(&receiver)[0]["data"];
    assert_eq!((&told["event"], &told["class"]), (&"failing".into(), &"killed".into()), "{told:#}");
    assert_eq!(last.status()["consecutive_failures"], 1);
    script.give("go");
    last.wait_for(SOON, |status| status["consecutive_failures"] == 0);
    let is_over = || types(&receiver) == ["alarm.raised", "alarm.resolved"];
    assert!(wait_until(SOON, is_over), "{:?}\n{}", types(&receiver), last.process.stderr_so_far());
}
