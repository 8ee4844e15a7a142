//! The metrics that both services have. What the listing of the bucket shows has the same names in both, so that one of
//! them stands in for the other.

use backup_core::storage::StoreCounters;
use chrono::{DateTime, Utc};

use super::{Daemon, Databases, Families, Metrics, Sample, of_each, timestamp};
use crate::alarm::Severity;
use crate::alarm_code::AlarmCode;
use crate::deliveries::Deliveries;
use crate::listing::{Kept, Listing};
use crate::state::DatabaseState;

pub(super) fn build_info(service: Daemon, families: &mut Families) {
    let labels = [("version", env!("CARGO_PKG_VERSION")), ("service", service.label())];
    let help = "The version of the service that answers; always 1.";
    families.gauge("postgres_backup_build_info", help, [Sample::new(labels, 1.0)]);
}

/// What the last listing of the bucket shows.
pub(super) fn listings<D>(
    databases: &Databases<D>,
    max_age_seconds: fn(&DatabaseState<D>) -> u64,
    now: DateTime<Utc>,
    families: &mut Families,
) {
    let mut kept = |name: &str, help, value: &dyn Fn(&Kept) -> f64| {
        let samples = databases.iter().flat_map(|(name, state)| {
            let kinds = Listing::kinds(state.listing.as_ref());
            kinds.map(|(kind, kept)| {
                Sample::new([("database", state.label(name)), ("kind", &kind.to_string())], value(&kept))
            })
        });
        families.gauge(format!("postgres_backup_{name}"), help, samples);
    };
    kept("newest_timestamp_seconds", "The time of the newest backup in the bucket; 0 if there is none.", &|kept| {
        timestamp(kept.newest)
    });
    let age_seconds = |newest: DateTime<Utc>| (now - newest).as_seconds_f64().max(0.0);
    kept("newest_age_seconds", "The age of the newest backup in the bucket; 0 if there is none.", &|kept| {
        kept.newest.map_or(0.0, age_seconds)
    });
    kept("oldest_timestamp_seconds", "The time of the oldest backup in the bucket; 0 if there is none.", &|kept| {
        timestamp(kept.oldest)
    });
    kept("kept", "Backups in the bucket.", &|kept| kept.backups as f64);
    kept("kept_bytes", "What the backups take in the bucket.", &|kept| kept.stored_bytes as f64);

    let mut listed = |name: &str, help, value: fn(&Listing) -> f64| {
        let samples = of_each(databases, |state| state.listing.as_ref().map_or(0.0, value));
        families.gauge(format!("postgres_backup_{name}"), help, samples);
    };
    let help = "Runs in the bucket that are no backup: they died, are going on, or lost their data.";
    listed("incomplete_runs", help, |listing| listing.incomplete_runs as f64);
    let help = "Objects in the folder of the database that no service has written.";
    listed("foreign_objects", help, |listing| listing.foreign_objects as f64);
    let help = "When this service last listed the bucket; 0 if it has not since its start.";
    listed("listing_timestamp_seconds", help, |listing| timestamp(listing.at));
    let help = "How old the newest full backup may be.";
    let samples = of_each(databases, |state| max_age_seconds(state) as f64);
    families.gauge("postgres_backup_max_age_seconds", help, samples);
}

/// Every alarm that the service can raise, raised or not.
pub(super) fn alarms<D: Clone>(
    metrics: &Metrics<D>,
    databases: &Databases<D>,
    now: DateTime<Utc>,
    families: &mut Families,
) {
    let samples = databases.iter().flat_map(|(name, state)| {
        let conditions = state.conditions(metrics.judge, now);
        let sample = |code: AlarmCode| {
            let raised = conditions.iter().filter(|condition| condition.code == code);
            let urgency = raised.map(|condition| urgency(condition.severity)).fold(0.0, f64::max);
            Sample::new([("database", state.label(name)), ("alarm", code.into())], urgency)
        };
        AlarmCode::all_of(metrics.service).map(sample).collect::<Vec<_>>()
    });
    let help = "Whether an alarm holds: 0 no, 1 as a warning, 2 critical.";
    families.gauge(metrics.service.metric("alarm"), help, samples);
}

fn urgency(severity: Severity) -> f64 {
    match severity {
        Severity::Warning => 1.0,
        Severity::Critical => 2.0,
    }
}

/// When the loops have last shown that they live.
pub(super) fn ticks<D>(service: Daemon, databases: &Databases<D>, families: &mut Families) {
    let help = "When the scheduler of this database last showed that it lives, which it does every few seconds.";
    let samples = of_each(databases, |state| timestamp(state.heartbeat.at));
    families.gauge(service.metric("scheduler_tick_timestamp_seconds"), help, samples);
}

/// What was asked of the store since the start.
pub(super) fn store(service: Daemon, counters: &StoreCounters, families: &mut Families) {
    let samples = counters.requests().flat_map(|(operation, succeeded, failed)| {
        [("succeeded", succeeded), ("failed", failed)].map(|(outcome, requests)| {
            Sample::new([("operation", operation.name()), ("outcome", outcome)], requests as f64)
        })
    });
    let help = "Requests to the store, each attempt counted.";
    families.counter(service.metric("store_requests_total"), help, samples);
    let samples = [("sent", counters.sent_bytes()), ("received", counters.received_bytes())]
        .map(|(direction, bytes)| Sample::new([("direction", direction)], bytes as f64));
    let help = "Bytes of the bodies of requests to the store, and of its answers.";
    families.counter(service.metric("store_bytes_total"), help, samples);
}

/// What became of messages and pings since the start. Each channel has its samples before anything was sent there.
pub(super) fn deliveries(service: Daemon, deliveries: &Deliveries, families: &mut Families) {
    let channels = deliveries.channels();
    let samples = channels.iter().flat_map(|(channel, counts)| {
        [("delivered", counts.delivered), ("failed", counts.failed)].map(|(outcome, messages)| {
            Sample::new([("channel", channel.as_str()), ("outcome", outcome)], messages as f64)
        })
    });
    let help = "Messages that were delivered or given up.";
    families.counter(service.metric("notifications_total"), help, samples);
    let samples = channels
        .iter()
        .map(|(channel, counts)| Sample::new([("channel", channel.as_str())], counts.undelivered as f64));
    let help = "Messages that were given up, until a later one is delivered.";
    families.gauge(service.metric("notifications_undelivered"), help, samples);
    let pings = deliveries.pings();
    let samples = [("delivered", pings.delivered), ("failed", pings.failed)]
        .map(|(outcome, pings)| Sample::new([("outcome", outcome)], pings as f64));
    families.counter(service.metric("pings_total"), "Pings that were delivered or given up.", samples);
}
