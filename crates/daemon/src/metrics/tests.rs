use std::time::Duration;

use backup_core::repository::{Catalog, Kind};

use super::*;
use crate::alarm::{Condition, Severity};
use crate::alarm_code::AlarmCode;
use crate::listing::Listing;

fn at(minutes: i64) -> DateTime<Utc> {
    Utc::now() + chrono::TimeDelta::minutes(minutes)
}

/// Wrong in the way that its own state says.
fn judge(state: &DatabaseState<Option<Severity>>, _: DateTime<Utc>) -> Vec<Condition> {
    let condition = |severity| Condition::new(AlarmCode::Stale, severity, "canary-message".to_owned());
    state.own.map(condition).into_iter().collect()
}

fn metrics(service: Daemon, name: DatabaseName) -> Metrics<Option<Severity>> {
    let database = DatabaseState::new("daily".to_owned(), Duration::from_secs(60), Utc::now(), None);
    let own = move |databases: &Databases<Option<Severity>>, _, families: &mut Families| {
        families.gauge(service.metric("own"), "Own.", of_each(databases, |_| 7.0));
    };
    Metrics {
        service,
        state: State::new([(name, database)]),
        judge,
        backup_max_age_seconds: |state| state.max_age_seconds,
        store: StoreCounters::default(),
        deliveries: Deliveries::to(["json", "mail 2"]),
        own: Arc::new(own),
    }
}

#[track_caller]
fn assert_has(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|one| one == *line), "no {line:?} in\n{text}");
    }
}

#[test]
fn everything_is_there_before_anything_is_known() {
    let text = metrics(Daemon::Backup, DatabaseName::from("app")).page();
    assert_has(
        &text,
        &[
            concat!("postgres_backup_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\",service=\"backup\"} 1.0"),
            "postgres_backup_newest_timestamp_seconds{database=\"app\",kind=\"full\"} 0.0",
            "postgres_backup_newest_age_seconds{database=\"app\",kind=\"partial\"} 0.0",
            "postgres_backup_listing_timestamp_seconds{database=\"app\"} 0.0",
            "postgres_backup_max_age_seconds{database=\"app\"} 60.0",
            "postgres_backup_own{database=\"app\"} 7.0",
            "postgres_backup_alarm{database=\"app\",alarm=\"stale\"} 0.0",
            "postgres_backup_alarm{database=\"app\",alarm=\"failing\"} 0.0",
            "postgres_backup_store_requests_total{operation=\"upload_part\",outcome=\"failed\"} 0.0",
            "postgres_backup_store_bytes_total{direction=\"received\"} 0.0",
            "postgres_backup_notifications_total{channel=\"json\",outcome=\"delivered\"} 0.0",
            "postgres_backup_notifications_total{channel=\"mail 2\",outcome=\"failed\"} 0.0",
            "postgres_backup_notifications_undelivered{channel=\"mail 2\"} 0.0",
            "postgres_backup_pings_total{outcome=\"failed\"} 0.0",
        ],
    );
}

#[test]
fn messages_and_pings_are_counted_by_what_became_of_them_r090() {
    let metrics = metrics(Daemon::Verify, DatabaseName::from("app"));
    metrics.deliveries.given_up("mail 2", "canary");
    metrics.deliveries.given_up("json", "canary");
    metrics.deliveries.delivered("json", 1, true);
    metrics.deliveries.ping_given_up();
    metrics.deliveries.ping_delivered();
    let text = metrics.page();
    assert_has(
        &text,
        &[
            "postgres_verify_notifications_total{channel=\"json\",outcome=\"delivered\"} 1.0",
            "postgres_verify_notifications_total{channel=\"json\",outcome=\"failed\"} 1.0",
            "postgres_verify_notifications_undelivered{channel=\"json\"} 0.0",
            "postgres_verify_notifications_undelivered{channel=\"mail 2\"} 1.0",
            "postgres_verify_pings_total{outcome=\"delivered\"} 1.0",
            "postgres_verify_pings_total{outcome=\"failed\"} 1.0",
        ],
    );
    assert!(!text.contains("canary"), "{text}");
}

#[test]
fn a_listing_and_alarms_are_numbers_and_messages_are_not_shown() {
    let name = DatabaseName::from("app");
    let metrics = metrics(Daemon::Verify, name.clone());
    let mut listing = Listing::of("app", &Catalog::default(), at(0));
    listing.add(Kind::Full, at(-10), 5);
    listing.add(Kind::Full, at(-20), 7);
    let newest = listing.full.newest.unwrap();
    metrics.state.change(&name, |state| (state.own, state.listing) = (Some(Severity::Warning), Some(listing)));
    let text = metrics.page();
    let timestamp = format!(
        "postgres_backup_newest_timestamp_seconds{{database=\"app\",kind=\"full\"}} {:?}",
        newest.timestamp_millis() as f64 / 1_000.0
    );
    assert_has(
        &text,
        &[
            &timestamp,
            "postgres_backup_kept{database=\"app\",kind=\"full\"} 2.0",
            "postgres_backup_kept_bytes{database=\"app\",kind=\"full\"} 12.0",
            "postgres_backup_kept{database=\"app\",kind=\"partial\"} 0.0",
            "postgres_verify_alarm{database=\"app\",alarm=\"stale\"} 1.0",
            "postgres_verify_alarm{database=\"app\",alarm=\"slow_recovery\"} 0.0",
        ],
    );
    assert!(!text.contains("canary"), "{text}");
    metrics.state.change(&name, |state| state.own = Some(Severity::Critical));
    assert_has(&metrics.page(), &["postgres_verify_alarm{database=\"app\",alarm=\"stale\"} 2.0"]);
}

/// `verify` may be told of no database, and finds the only one.
#[test]
fn a_database_has_the_name_that_the_listing_tells() {
    let metrics = metrics(Daemon::Verify, DatabaseName::unknown());
    assert_has(&metrics.page(), &["postgres_verify_own{database=\"\"} 7.0"]);
    let listing = Listing::of("app", &Catalog::default(), at(0));
    metrics.state.change(&DatabaseName::unknown(), |state| state.listing = Some(listing));
    assert_has(&metrics.page(), &["postgres_verify_own{database=\"app\"} 7.0"]);
}

/// node_exporter reads all files of a folder at once: two with the same metric and labels spoil all.
#[test]
fn files_of_two_services_and_two_databases_can_lie_in_one_folder() {
    let path = std::env::temp_dir().join(format!("metrics-{:016x}.prom", rand::random::<u64>()));
    let samples = |service, database: &str| {
        metrics(service, DatabaseName::from(database)).leave_file(&path);
        let text = std::fs::read_to_string(&path).unwrap();
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        samples.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect::<Vec<_>>()
    };
    let mut all = samples(Daemon::Backup, "app");
    assert!(all.iter().any(|line| line.starts_with("postgres_backup_newest_timestamp_seconds")), "{all:#?}");
    all.extend(samples(Daemon::Backup, "crm"));
    all.extend(samples(Daemon::Verify, "app"));
    std::fs::remove_file(&path).unwrap();
    let (count, foreign) = (all.len(), all.iter().find(|line| !line.starts_with("postgres_")));
    assert_eq!(foreign, None);
    all.sort();
    all.dedup();
    assert_eq!(all.len(), count);
}
