//! When ages, the listing or the store cannot be relied on.

use chrono::{TimeDelta, Utc};
use e2e::proxy::{Fault, Operation, Rule};

use super::{committed, deletions, prune, seed_days};
use crate::daemon::Running;
use crate::stand::{Stand, wait_for_the_next_second};

fn reasons(daemon: &Running) -> String {
    let (code, page) = daemon.get("/health");
    assert_eq!(code, 503, "{page}");
    page["reasons"].to_string()
}

/// R040: to this machine's clock, one that is ahead is a store that is behind.
#[test]
fn clocks_that_do_not_agree_delete_nothing_and_are_an_alarm_r040() {
    let stand = Stand::with_rows(10);
    seed_days(&stand, 30..36);
    let date = |ahead: TimeDelta| (Utc::now() - ahead).format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let skewed = [
        (date(TimeDelta::minutes(6)), "s ahead of the store's (clock skew)"),
        (date(TimeDelta::days(400)), "s ahead of the store's (clock skew)"),
        (date(-TimeDelta::days(400)), "s behind the store's (clock skew)"),
        ("yesterday".to_owned(), "no usable Date header"),
    ];
    for (date, words) in skewed {
        stand.proxy.clear_rules();
        stand.proxy.rule(Rule::new(Operation::ListObjectsV2, Fault::SetReplyHeader("date", date)));
        let output = prune(&stand, &[], &[]);
        assert_eq!(output.code, Some(1), "{}", output.stdout);
        assert!(output.stderr.contains("nothing deleted: ") && output.stderr.contains(words), "{}", output.stderr);
    }
    // A run goes through: the client signs by the time that the store tells, up to fifteen minutes from its own.
    stand.proxy.clear_rules();
    let date_of_store = Fault::SetReplyHeader("date", date(TimeDelta::minutes(6)));
    stand.proxy.rule(Rule::new(Operation::ListObjectsV2, date_of_store));
    let output = stand.run();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert!(output.stderr.contains("retention deleted nothing"), "{}", output.stderr);
    let daemon = Running::start(stand.backup());
    daemon.wait_until_waiting();
    assert!(reasons(&daemon).contains("clock skew"));
    assert_eq!(deletions(&stand), Vec::<String>::new());
    drop(daemon);
    // Five minutes are allowed.
    stand.proxy.clear_rules();
    stand.proxy.rule(Rule::new(Operation::ListObjectsV2, Fault::SetReplyHeader("date", date(TimeDelta::minutes(4)))));
    assert_eq!(prune(&stand, &[], &[]).code, Some(0));
    assert!(!deletions(&stand).is_empty());
}

/// R115: what a store refuses holds up nothing else, and is an alarm once it lasts.
#[test]
fn one_locked_object_holds_up_its_own_backup_alone_and_is_red_if_it_stays_r115() {
    let stand = Stand::with_rows(10);
    let ids = seed_days(&stand, 30..36);
    let locked = stand.key(&ids[5], "manifest.json");
    stand.proxy.rule(Rule::new(Operation::DeleteObject, Fault::status(403, "AccessDenied")).key(&locked));
    // With the three newest to keep, it takes five runs until the locked one would be kept by none of them.
    for run in 1..=5 {
        let output = stand.run();
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        assert!(output.stderr.contains("1 deletions were refused, the first: "), "{}", output.stderr);
        assert!(committed(&stand).contains(&ids[5]) && !committed(&stand).contains(&ids[4]), "{:?}", committed(&stand));
        if ![2, 5].contains(&run) {
            continue;
        }
        let daemon = Running::start(stand.backup());
        daemon.wait_until_waiting();
        match run {
            5 => assert!(
                reasons(&daemon).contains("after the last 3 runs, and backups that should be gone are still there (1)")
            ),
            _ => assert_eq!(daemon.get("/health").0, 200, "run {run}"),
        }
    }
    let output = prune(&stand, &[], &[]);
    assert_eq!(output.code, Some(1), "{}", output.stdout);
    assert!(output.stderr.contains("retention did not finish: 1 deletions were refused"), "{}", output.stderr);
    stand.proxy.clear_rules();
    stand.run_ok();
    assert!(!committed(&stand).contains(&ids[5]));
    let daemon = Running::start(stand.backup());
    daemon.wait_until_waiting();
    assert_eq!(daemon.get("/health").0, 200, "one run that finishes ends it");
}

#[test]
fn backups_of_another_cluster_between_our_own_stop_retention_and_are_an_alarm() {
    let stand = Stand::with_rows(10);
    seed_days(&stand, 30..36);
    stand.run_ok();
    let before = committed(&stand);
    wait_for_the_next_second();
    let other = stand.seed_of(TimeDelta::zero(), 10_000);
    let event = format!("postgres-backups/{}/events/{other}-backup-started-0123456789ab-1", stand.database.name);
    stand.s3.write(&event, "");
    wait_for_the_next_second();
    let old = seed_days(&stand, [40, 41]);
    let output = stand.run();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert!(output.stderr.contains("two PostgreSQL clusters store backups"), "{}", output.stderr);
    assert!(before.iter().chain(&old).all(|id| committed(&stand).contains(id)));
    let daemon = Running::start(stand.backup());
    daemon.wait_until_waiting();
    assert!(reasons(&daemon).contains(&format!("{other} of another")), "{}", reasons(&daemon));
}
