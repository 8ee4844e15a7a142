//! The way of an alert: a real Prometheus scrapes both services, and what it finds arrives at a real Alertmanager.

use std::time::Duration;

use e2e::process::wait_until;
use e2e::prometheus::{ALERTMANAGER, PROMETHEUS, Server};
use e2e::skip::skip;
use serde_json::Value;

use super::waiting_verify;
use crate::daemon::recovery::Door;
use crate::daemon::{Running, SOON};
use crate::documents::root;
use crate::stand::Stand;

/// A run, a pause of ten seconds, another run, a scrape, and what Prometheus sends.
const ALERT_LIMIT: Duration = Duration::from_secs(90);

/// What Alertmanager holds of one alert that fires.
fn firing(alertmanager: &Server, name: &str) -> Option<Value> {
    let alerts: Value = serde_json::from_str(&alertmanager.get("/api/v2/alerts?active=true")).ok()?;
    alerts.as_array()?.iter().find(|alert| alert["labels"]["alertname"] == name).cloned()
}

/// The services that Prometheus has scraped, by what they say of themselves.
fn scraped(prometheus: &Server) -> Vec<String> {
    let answer = prometheus.get("/api/v1/query?query=postgres_backup_build_info");
    let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
    let of = |one: &Value| one["metric"]["service"].as_str().unwrap_or_default().to_owned();
    let mut services: Vec<String> = answer["data"]["result"].as_array().into_iter().flatten().map(of).collect();
    services.sort();
    services
}

#[test]
fn a_backup_that_fails_is_an_alert_at_alertmanager_until_one_succeeds() {
    let test = "metrics::alert::a_backup_that_fails_is_an_alert_at_alertmanager_until_one_succeeds";
    let Some(alertmanager) = Server::alertmanager() else {
        return skip(test, &format!("no Alertmanager; tests/run-tests.sh unpacks it and sets {ALERTMANAGER}"));
    };
    let stand = Stand::with_rows(10);
    let door = Door::new(&stand);
    let run = stand.backup().env("DATABASE_URL", &door.url).env("BACKUP_INTERVAL", "10").env("RETRY_ATTEMPTS", "1");
    let (backup, verify) = (Running::start(run), Running::start(waiting_verify(&stand)));
    let rules = root().join("docs/prometheus/rules.yml");
    let Some(prometheus) = Server::prometheus(&[backup.port(), verify.port()], &rules, &alertmanager) else {
        return skip(test, &format!("no Prometheus; tests/run-tests.sh unpacks it and sets {PROMETHEUS}"));
    };
    assert!(wait_until(SOON, || scraped(&prometheus) == ["backup", "verify"]), "{}", prometheus.log());
    let name = "PostgresBackupFailing";
    let mut alert = None;
    let arrived = wait_until(ALERT_LIMIT, || {
        alert = firing(&alertmanager, name);
        alert.is_some()
    });
    assert!(arrived, "{}\n{}", prometheus.log(), backup.process.stderr_so_far());
    let alert = alert.unwrap();
    assert_eq!(alert["labels"]["database"], stand.database.name.as_str(), "{alert:#}");
    assert_eq!(alert["labels"]["severity"], "warning");
    assert_eq!(alert["annotations"]["summary"], format!("A backup of {} failed", stand.database.name));
    door.open();
    let is_over =
        || firing(&alertmanager, name).is_none() && firing(&alertmanager, "PostgresBackupFailingRepeatedly").is_none();
    assert!(wait_until(ALERT_LIMIT, is_over), "{}\n{}", prometheus.log(), backup.process.stderr_so_far());
}
