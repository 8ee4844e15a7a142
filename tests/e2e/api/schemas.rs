//! Answers of both daemons, against the schemas of docs/api/.

use e2e::receiver::Receiver;
use serde_json::Value;

use super::json_schema::violations;
use super::{ask, bearer, both};
use crate::daemon::Running;
use crate::stand::Stand;

/// Each path without an id, and its definition.
const PATHS: [(&str, &str); 6] = [
    ("/status", "status"),
    ("/api/v1/databases", "databases"),
    ("/api/v1/backups", "backups"),
    ("/api/v1/drills", "drills"),
    ("/api/v1/retention", "retention"),
    ("/api/v1/events", "events"),
];

/// The answer of `path`, which is as `definition` says.
#[track_caller]
fn get(daemon: &Running, path: &str, definition: &str) -> Value {
    let answer = ask(daemon.port(), "GET", path, &[&bearer()]);
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    check(definition, &answer.body);
    answer.body
}

#[track_caller]
fn check(definition: &str, body: &Value) {
    let schema: Value = serde_json::from_str(include_str!("../../../docs/api/v1.schema.json")).unwrap();
    let found = violations(&schema, definition, body);
    assert!(found.is_empty(), "{}\n{body:#}", found.join("\n"));
}

#[test]
fn every_answer_of_both_daemons_is_as_its_schema_says() {
    let stand = Stand::with_rows(100);
    let [backup, verify] = both(&stand);
    // It lists the bucket after its next run, and then knows the drill.
    super::triggers::run_now(&backup, "/api/v1/backups");
    for daemon in [&backup, &verify] {
        for (path, definition) in PATHS {
            get(daemon, path, definition);
        }
        let backups = get(daemon, "/api/v1/backups", "backups");
        let drilled = backups["backups"].as_array().unwrap().last().unwrap();
        let one = get(daemon, &format!("/api/v1/backups/{}", drilled["id"].as_str().unwrap()), "backup");
        assert!(one["backup"]["keys"].as_array().unwrap().len() >= 3, "{one:#}");
        let drills = get(daemon, "/api/v1/drills", "drills");
        let drill = &drills["drills"][0];
        assert_eq!((&drill["verdict"], &drill["backup_id"]), (&"passed".into(), &drilled["id"]), "{drills:#}");
        get(daemon, &format!("/api/v1/drills/{}", drill["id"].as_str().unwrap()), "drill");
        for path in ["/api/v1/backups/x", "/api/v1/drills/x", "/api/v1/backups?database=other", "/nothing"] {
            let answer = ask(daemon.port(), "GET", path, &[&bearer()]);
            assert_eq!(answer.status, 404, "{path}");
            check("error", &answer.body);
        }
        check("error", &ask(daemon.port(), "GET", "/status", &[]).body);
    }
    let drill = &get(&verify, "/api/v1/drills", "drills")["drills"][0]["id"];
    let report = get(&verify, &format!("/api/v1/drills/{}", drill.as_str().unwrap()), "drill");
    assert_eq!(report["report"]["tables"][0]["restored_rows"], 100, "{report:#}");
    let events = get(&backup, "/api/v1/events", "events");
    let is_start = |event: &Value| event["event"].as_str().unwrap().starts_with("backup-started-");
    assert_eq!(events["events"].as_array().unwrap().iter().filter(|event| is_start(event)).count(), 2, "{events:#}");
}

#[test]
fn each_backup_has_its_fate_and_the_rules_that_keep_it() {
    let stand = Stand::with_rows(10);
    let backup = Running::start(stand.backup().env("BACKUP_KEEP_DAILY", "7").env("HTTP_TOKEN", super::TOKEN));
    super::wait_until_waiting(&backup);
    let retention = get(&backup, "/api/v1/retention", "retention");
    let database = &retention["databases"][0];
    assert_eq!((&database["policy"]["daily"], &database["refused"]), (&7.into(), &Value::Null), "{retention:#}");
    let fate = &database["backups"][0]["retention"];
    let rules: Vec<&str> = fate["rules"].as_array().unwrap().iter().filter_map(|rule| rule["rule"].as_str()).collect();
    assert_eq!((&fate["action"], &rules[..]), (&"keep".into(), &["newest", "days", "daily"][..]), "{fate:#}");
    let (made, until) = (database["backups"][0]["snapshot_at"].as_str().unwrap(), fate["until"].as_str().unwrap());
    let days = |text: &str| text.parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    assert!((7..=9).contains(&(days(until) - days(made)).num_days()), "{fate:#}");
}

#[test]
fn a_test_message_tells_how_each_channel_did() {
    let (stand, receiver) = (Stand::with_rows(10), Receiver::start());
    let url = crate::notify::address("json", &receiver);
    let backup = Running::start(stand.backup().env("HTTP_TOKEN", super::TOKEN).env("WEBHOOK_URL", url));
    let answer = ask(backup.port(), "POST", "/api/v1/notify", &[&bearer()]);
    assert_eq!(answer.status, 200, "{}", answer.body);
    check("notify", &answer.body);
    assert_eq!(answer.body["channels"][0]["delivered"], true, "{}", answer.body);
    assert!(receiver.received().iter().any(|one| one.body.contains("\"test\"")));
}
