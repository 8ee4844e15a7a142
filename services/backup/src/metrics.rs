//! The metrics that only `backup` has.

use std::sync::Arc;

use backup_core::repository::Kind;
use backup_core::storage::StoreCounters;
use backup_daemon::{
    Activity, Daemon, DatabaseState, Databases, Deliveries, Families, Metrics, Sample, State, of_each, state_set,
    timestamp,
};

use crate::alarms::conditions;
use crate::run_report::Outcome;
use crate::status::Facts;
use crate::step;

/// All metrics of the service, which counts its requests in `store`, its messages and pings in `deliveries`.
pub(crate) fn metrics(store: &StoreCounters, deliveries: &Deliveries, state: &State<Facts>) -> Metrics<Facts> {
    Metrics {
        service: Daemon::Backup,
        state: state.clone(),
        judge: conditions,
        backup_max_age_seconds: |state| state.max_age_seconds,
        store: store.clone(),
        deliveries: deliveries.clone(),
        own: Arc::new(|databases, _, families| {
            schedule(databases, families);
            last_run(databases, families);
            last_backup(databases, families);
            runs(databases, families);
            retention(databases, families);
        }),
    }
}

type Value = fn(&DatabaseState<Facts>) -> f64;

fn schedule(databases: &Databases<Facts>, families: &mut Families) {
    let mut gauge = |name: &str, help, value: Value| {
        families.gauge(format!("postgres_backup_{name}"), help, of_each(databases, value));
    };
    let help = "The longest time between two scheduled runs.";
    gauge("schedule_interval_seconds", help, |state| state.interval_seconds as f64);
    let help = "When the next run begins; 0 if that is not known.";
    gauge("next_run_timestamp_seconds", help, |state| timestamp(state.next_run_at));
    let help = "Whether a run is going on.";
    gauge("running", help, |state| f64::from(u8::from(state.activity == Activity::Running)));
    let help = "When the last run began; 0 if none has since the start.";
    gauge("run_started_timestamp_seconds", help, |state| timestamp(state.run_started_at));
    let help = "Bytes that a running dump has produced; 0 if none is running.";
    gauge("run_dumped_bytes", help, |state| {
        let position = state.progress.position();
        let is_dumping = state.activity == Activity::Running && position.step == step::DUMP;
        if is_dumping { position.done_bytes as f64 } else { 0.0 }
    });
}

fn last_run(databases: &Databases<Facts>, families: &mut Families) {
    let help = "When the last run ended; 0 if none has since the start.";
    let ended_at = of_each(databases, |state| timestamp(state.own.last_run.as_ref().map(|run| run.report.ended_at)));
    families.gauge("postgres_backup_last_run_timestamp_seconds", help, ended_at);
    let outcomes = databases.iter().flat_map(|(name, state)| {
        let last = state.own.last_run.as_ref().map(|run| run.report.outcome);
        state_set(state.label(name), "outcome", Outcome::ALL.map(|outcome| (outcome.name(), outcome)), last)
    });
    families.gauge("postgres_backup_last_run", "How the last run ended: 1 for its outcome.", outcomes);
    let seconds = databases.iter().flat_map(|(name, state)| {
        let report = state.own.last_run.as_ref().map(|run| &run.report);
        step::ALL.map(|step| {
            let seconds = report.and_then(|report| report.step_seconds.get(step)).copied().unwrap_or_default();
            Sample::new([("database", state.label(name)), ("phase", &step.replace(' ', "_"))], seconds)
        })
    });
    families.gauge("postgres_backup_last_duration_seconds", "How long each phase of the last run took.", seconds);
}

fn last_backup(databases: &Databases<Facts>, families: &mut Families) {
    let mut gauge = |name: &str, help, value: Value| {
        families.gauge(format!("postgres_backup_{name}"), help, of_each(databases, value));
    };
    let help = "What the last backup takes in the bucket; before the first one of this process, the newest full one.";
    gauge("last_stored_bytes", help, |state| {
        let newest_full = state.own.newest_full_backup.as_ref().map(|newest| newest.stored_bytes);
        let partial = state.own.last_made.as_ref().filter(|made| made.kind == Kind::Partial);
        partial.map(|made| made.stored_bytes).or(newest_full).unwrap_or_default() as f64
    });
    let help = "The size of the last dump, before compression and encryption; 0 if none was made since the start.";
    gauge("last_plain_bytes", help, |state| state.own.last_made.as_ref().map_or(0, |made| made.plain_bytes) as f64);
    let help = "Rows in the tables of the last backup that were counted; 0 if none was made since the start.";
    gauge("last_rows", help, |state| state.own.last_made.as_ref().map_or(0, |made| made.rows) as f64);
    let help = "Tables in the last backup; 0 if none was made since the start.";
    gauge("last_tables", help, |state| state.own.last_made.as_ref().map_or(0, |made| made.tables) as f64);
    let help = "The size of the database at the last backup; 0 if none was made since the start.";
    gauge("source_bytes", help, |state| state.own.last_made.as_ref().map_or(0, |made| made.source_bytes) as f64);
}

fn runs(databases: &Databases<Facts>, families: &mut Families) {
    let runs = databases.iter().flat_map(|(name, state)| {
        Outcome::ALL.map(|outcome| {
            let runs = state.own.runs.get(&outcome).copied().unwrap_or_default();
            Sample::new([("database", state.label(name)), ("outcome", outcome.name())], runs as f64)
        })
    });
    families.counter("postgres_backup_runs_total", "Runs that have ended since the start.", runs);
    let failures = of_each(databases, |state| f64::from(state.own.consecutive_failures));
    let help = "Runs in a row that have failed; tries to make up for one do not count.";
    families.gauge("postgres_backup_consecutive_failures", help, failures);
}

fn retention(databases: &Databases<Facts>, families: &mut Families) {
    let deleted = of_each(databases, |state| state.own.deleted_backups as f64);
    let help = "Backups that retention has deleted since the start.";
    families.counter("postgres_backup_retention_deleted_total", help, deleted);
    let pending = of_each(databases, |state| state.own.retention_overdue as f64);
    let help = "Backups and incomplete runs that retention could not delete in each of the last runs.";
    families.gauge("postgres_backup_retention_pending", help, pending);
    let degraded = of_each(databases, |state| {
        let is_degraded = state.own.retention.as_ref().is_some_and(|retention| retention.degraded.is_some());
        f64::from(u8::from(is_degraded))
    });
    let help = "Whether retention did not finish after the last backup.";
    families.gauge("postgres_backup_retention_degraded", help, degraded);
}

#[cfg(test)]
mod tests;
