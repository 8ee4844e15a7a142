//! What others do to the bucket shows without a run.

use e2e::process::wait_until;
use e2e::proxy::{Fault, Operation, Rule};
use serde_json::Value;

use super::{Running, SOON};
use crate::drill::{DRILL_LIMIT, DrillStand};
use crate::stand::Stand;

/// The codes of all alarms.
pub(crate) fn codes(status: &Value) -> Vec<&str> {
    let alarms = status["alarms"].as_array().map(Vec::as_slice).unwrap_or_default();
    alarms.iter().filter_map(|alarm| alarm["code"].as_str()).collect()
}

fn metric(daemon: &Running, sample: &str) -> f64 {
    let (_, text) = daemon.get_text("/metrics");
    let line = text.lines().find_map(|line| line.strip_prefix(sample)).unwrap_or_else(|| panic!("no {sample}\n{text}"));
    line.trim().parse().unwrap()
}

#[test]
fn a_backup_that_another_one_deletes_shows_within_a_poll() {
    let stand = Stand::with_rows(10);
    let daemon = Running::start(stand.backup().env("BACKUP_INTERVAL", "86400").env("BUCKET_POLL_INTERVAL", "5"));
    daemon.wait_for(SOON, |status| status["last_run"]["succeeded"] == true);
    daemon.wait_until_waiting();
    assert_eq!(daemon.get("/health").0, 200);
    for key in stand.objects().into_keys() {
        stand.s3.delete(&key);
    }
    let status = daemon.wait_for(SOON, |status| codes(status) == ["no_backup"]);
    assert!(status["newest_full_backup"].is_null(), "{status:#}");
    let label = format!("{{database=\"{}\",kind=\"full\"}}", stand.database.name);
    assert_eq!(metric(&daemon, &format!("postgres_backup_kept{label}")), 0.0);
    let id = stand.seed(chrono::TimeDelta::minutes(1));
    let status = daemon.wait_for(SOON, |status| codes(status).is_empty());
    assert_eq!(status["newest_full_backup"]["id"], *id, "one that another one has put back");
}

#[test]
fn a_bucket_that_stops_answering_is_an_alarm_until_it_answers_again() {
    let stand = Stand::with_rows(10);
    let daemon = Running::start(stand.backup().env("BACKUP_INTERVAL", "86400").env("BUCKET_POLL_INTERVAL", "5"));
    daemon.wait_for(SOON, |status| status["last_run"]["succeeded"] == true);
    daemon.wait_until_waiting();
    stand.proxy.rule(Rule::new(Operation::ListObjectsV2, Fault::status(503, "SlowDown")));
    let status = daemon.wait_for(SOON, |status| codes(status) == ["bucket_unseen"]);
    assert!(status["newest_full_backup"]["id"].is_string(), "what was seen last is still shown: {status:#}");
    assert_eq!((daemon.get("/health").0, daemon.get("/livez").0), (503, 200));
    stand.proxy.clear_rules();
    daemon.wait_for(SOON, |status| codes(status).is_empty());
    assert_eq!(daemon.get("/health").0, 200);
}

#[test]
fn a_drilled_backup_that_is_deleted_is_not_proven_any_more() {
    let stand = DrillStand::small("zstd");
    let verify =
        stand.verify().env("BUCKET_POLL_INTERVAL", "5").env("VERIFY_SOURCE_DATABASE", &stand.stand.database.name);
    let daemon = Running::start(verify);
    daemon.wait_for(DRILL_LIMIT, |status| status["last_report"]["verdict"] == "passed");
    daemon.wait_until_waiting();
    let sample = format!("postgres_verify_proven{{database=\"{}\"}}", stand.stand.database.name);
    assert_eq!(metric(&daemon, &sample), 1.0);
    for key in stand.stand.objects().into_keys() {
        stand.stand.s3.delete(&key);
    }
    assert!(wait_until(SOON, || metric(&daemon, &sample) == 0.0), "{}", daemon.process.stderr_so_far());
}
