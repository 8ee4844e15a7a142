//! The metrics that only `verify` has.

use std::sync::Arc;

use backup_core::spool::free_bytes;
use backup_daemon::{
    Activity, Daemon, DatabaseState, Databases, Families, Judge, Metrics, Sample, State, of_each, state_set, timestamp,
};
use backup_drill::Verdict;

use crate::config::VerifyConfig;
use crate::figures::Figures;
use crate::status::Facts;

/// Every check of a drill that can find something.
pub(crate) const CHECKS: [&str; 26] = [
    "amcheck",
    "archive",
    "authentication",
    "cleanup",
    "cluster",
    "constraints",
    "contents",
    "coverage",
    "definitions",
    "digests",
    "encryption",
    "extensions",
    "indexes",
    "inventory",
    "keys",
    "large_objects",
    "manifest",
    "materialized_views",
    "owners",
    "queries",
    "recovery_point",
    "restore",
    "roles",
    "row_counts",
    "sequences",
    "table_count",
];

/// All metrics of the service, with the alarms that `judge` finds.
pub(crate) fn metrics(
    service: Daemon,
    config: &VerifyConfig,
    state: &State<Facts>,
    judge: Judge<Facts>,
) -> Metrics<Facts> {
    let spool_dir = config.given.drill.spool_dir.clone();
    Metrics {
        service,
        state: state.clone(),
        judge,
        backup_max_age_seconds: |state| state.own.backup_max_age.as_secs(),
        store: config.process.store.counters.clone(),
        deliveries: config.process.notify.deliveries(),
        own: Arc::new(move |databases, _, families| {
            proofs(databases, families);
            drills(databases, families);
            figures(databases, families);
            spool(databases, free_bytes(&spool_dir).ok(), families);
        }),
    }
}

type Value = fn(&DatabaseState<Facts>) -> f64;

/// What was proven, by drills of this process and by its records in the bucket.
fn proofs(databases: &Databases<Facts>, families: &mut Families) {
    let mut gauge = |name: &str, help, value: Value| {
        families.gauge(format!("postgres_verify_{name}"), help, of_each(databases, value));
    };
    let help = "When the last passed drill ended; 0 if none is known.";
    gauge("last_passed_timestamp_seconds", help, |state| timestamp(state.own.last_passed_at));
    let help = "The time of the newest backup in the bucket that was proven restorable; 0 if none is known.";
    gauge("proven_timestamp_seconds", help, |state| timestamp(state.own.proven.last().map(|id| id.time())));
    let help = "The time of the oldest backup in the bucket that was proven restorable; 0 if none is known.";
    gauge("oldest_proven_timestamp_seconds", help, |state| timestamp(state.own.proven.first().map(|id| id.time())));
    let help = "Backups in the bucket that are known to be proven restorable.";
    gauge("proven", help, |state| state.own.proven.len() as f64);
    let help = "How old the last passed drill may be.";
    gauge("max_age_seconds", help, |state| state.max_age_seconds as f64);
    let help = "How long a restore of a drill may take; 0 if there is no bound.";
    gauge("max_recovery_time_seconds", help, |state| {
        state.own.max_recovery_time.map_or(0.0, |bound| bound.as_secs_f64())
    });
}

fn drills(databases: &Databases<Facts>, families: &mut Families) {
    let outcomes = databases.iter().flat_map(|(name, state)| {
        let verdicts = Verdict::ALL.map(|verdict| (verdict.name(), verdict));
        state_set(state.label(name), "outcome", verdicts, state.own.last_verdict())
    });
    families.gauge("postgres_verify_last_drill", "How the last drill ended: 1 for its outcome.", outcomes);
    let ended = databases.iter().flat_map(|(name, state)| {
        Verdict::ALL.map(|verdict| {
            let drills = state.own.drills.get(&verdict).copied().unwrap_or_default();
            Sample::new([("database", state.label(name)), ("outcome", verdict.name())], drills as f64)
        })
    });
    families.counter("postgres_verify_drills_total", "Drills that have ended since the start.", ended);
    let mut gauge = |name: &str, help, value: Value| {
        families.gauge(format!("postgres_verify_{name}"), help, of_each(databases, value));
    };
    let help = "When the last drill ended; 0 if none is known.";
    gauge("last_drill_timestamp_seconds", help, |state| {
        let (report, record) = (state.own.last_report.as_ref(), state.own.recorded_drill.as_ref());
        timestamp(report.map(|report| report.ended_at).or(record.map(|drill| drill.time)))
    });
    let help = "When the next drill begins; 0 if that is not known.";
    gauge("next_drill_timestamp_seconds", help, |state| timestamp(state.next_run_at));
    let help = "Whether a drill is going on.";
    gauge("running", help, |state| f64::from(u8::from(state.activity == Activity::Running)));
}

/// Of the last drill that passed or failed.
fn figures(databases: &Databases<Facts>, families: &mut Families) {
    let steps = databases.iter().flat_map(|(name, state)| {
        let seconds = Figures::STEPS.into_iter().zip(state.own.figures.recovery_seconds);
        seconds.map(|(step, seconds)| Sample::new([("database", state.label(name)), ("step", step)], seconds))
    });
    let help = "What each step of a restore took in the last drill with a verdict; their sum is the recovery time.";
    families.gauge("postgres_verify_recovery_time_seconds", help, steps);
    let findings = databases.iter().flat_map(|(name, state)| {
        CHECKS.map(|check| {
            let findings = state.own.figures.findings.get(check).copied().unwrap_or_default();
            Sample::new([("database", state.label(name)), ("check", check)], findings as f64)
        })
    });
    let help = "What each check found in the last drill with a verdict.";
    families.gauge("postgres_verify_findings", help, findings);
    let mut gauge = |name: &str, help, value: fn(&Figures) -> f64| {
        let samples = of_each(databases, |state| value(&state.own.figures));
        families.gauge(format!("postgres_verify_{name}"), help, samples);
    };
    let help = "How old the backup was when the last drill with a verdict began: what would have been lost.";
    gauge("recovery_point_seconds", help, |figures| figures.recovery_point_seconds as f64);
    let help = "How long the last drill with a verdict took.";
    gauge("duration_seconds", help, |figures| figures.duration_seconds);
    let help = "Rows that were counted after the restore in the last drill with a verdict.";
    gauge("rows", help, |figures| figures.rows as f64);
    let help = "Tables in the last drill with a verdict.";
    gauge("tables", help, |figures| figures.tables as f64);
    let help = "Objects that the last drill with a verdict did not restore.";
    gauge("not_exercised", help, |figures| figures.not_exercised as f64);
}

fn spool(databases: &Databases<Facts>, free_bytes: Option<u64>, families: &mut Families) {
    let free_bytes = free_bytes.unwrap_or_default() as f64;
    let free = databases.iter().map(|(name, state)| Sample::new([("database", state.label(name))], free_bytes));
    families.gauge("postgres_verify_spool_free_bytes", "Free bytes where drills keep backups and servers.", free);
    let needed = of_each(databases, |state| state.own.spool_needed_bytes as f64);
    let help = "Bytes that a drill of the newest backup, or the last drill, needs there; 0 if that is not known.";
    families.gauge("postgres_verify_spool_needed_bytes", help, needed);
}

#[cfg(test)]
mod tests;
