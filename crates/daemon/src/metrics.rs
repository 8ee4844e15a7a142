//! Metrics for Prometheus: `/metrics` of a daemon, and the file of a single run. Every value is computed from the state
//! when it is asked for. There is no registry that something must remember to update: a restart begins with what the
//! first listing shows, and a value that nothing supports any more is gone.

mod common;
mod family;
mod file;
mod process;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use backup_core::storage::StoreCounters;
use chrono::{DateTime, Utc};

pub use family::{Families, Sample, timestamp};

use crate::daemon::Daemon;
use crate::database_name::DatabaseName;
use crate::deliveries::Deliveries;
use crate::state::{DatabaseState, Judge, State};

/// What is known, by database.
pub type Databases<D> = BTreeMap<DatabaseName, DatabaseState<D>>;

/// Adds the metrics that only one service has. Each of their samples has the label `database`.
pub type OwnMetrics<D> = Arc<dyn Fn(&Databases<D>, DateTime<Utc>, &mut Families) + Send + Sync>;

/// Where the metrics of a service come from.
pub struct Metrics<D> {
    /// Whose they are.
    pub service: Daemon,
    /// What it knows.
    pub state: State<D>,
    /// Decides what is wrong.
    pub judge: Judge<D>,
    /// How old the newest full backup may be.
    pub backup_max_age_seconds: fn(&DatabaseState<D>) -> u64,
    /// What it has asked of its store.
    pub store: StoreCounters,
    /// What became of its messages and pings.
    pub deliveries: Deliveries,
    /// What only this service has.
    pub own: OwnMetrics<D>,
}

impl Daemon {
    /// The name of a metric of its own.
    fn metric(self, name: &str) -> String {
        format!("postgres_{}_{name}", self.program())
    }
}

impl<D: Clone> Metrics<D> {
    /// The text of `/metrics`.
    pub fn page(&self) -> String {
        let (databases, now) = (self.state.copy(), Utc::now());
        let mut families = Families::default();
        common::build_info(self.service, &mut families);
        common::listings(&databases, self.backup_max_age_seconds, now, &mut families);
        (self.own)(&databases, now, &mut families);
        common::alarms(self, &databases, now, &mut families);
        common::ticks(self.service, &databases, &mut families);
        common::store(self.service, &self.store, &mut families);
        common::deliveries(self.service, &self.deliveries, &mut families);
        let started_at = databases.values().map(|state| state.started_at).min();
        process::add_to(&mut families, started_at.unwrap_or(now));
        families.text()
    }

    /// Writes what a single run has shown to `path`, whole or not at all, for node_exporter to read.
    ///
    /// It holds what has the label `database` and is this service's own. node_exporter refuses all of its files if two
    /// of them have the same metric with the same labels, so nothing is in it that the file of another database, of the
    /// other service, or node_exporter itself has, too.
    ///
    /// If it cannot be written, that is logged and the file before is still there: how the run ended is settled.
    pub fn leave_file(&self, path: &Path) {
        let (databases, now) = (self.state.copy(), Utc::now());
        let mut families = Families::default();
        if self.service == Daemon::Backup {
            common::listings(&databases, self.backup_max_age_seconds, now, &mut families);
        }
        (self.own)(&databases, now, &mut families);
        common::alarms(self, &databases, now, &mut families);
        if let Err(error) = file::replace(path, &families.text()) {
            tracing::warn!(error = format!("{error:#}"), "cannot write METRICS_FILE");
        }
    }
}

/// One sample for each of `values`, 1 for the one that holds and 0 for all others.
pub fn state_set<'value, T: Copy + PartialEq>(
    database: &str,
    label: &'static str,
    values: impl IntoIterator<Item = (&'value str, T)>,
    holds: Option<T>,
) -> Vec<Sample> {
    let sample = |(name, value): (&str, T)| {
        Sample::new([("database", database), (label, name)], f64::from(u8::from(holds == Some(value))))
    };
    values.into_iter().map(sample).collect()
}

/// A sample for each database, with its name as the only label.
pub fn of_each<D>(databases: &Databases<D>, value: impl Fn(&DatabaseState<D>) -> f64) -> Vec<Sample> {
    let sample = |(name, state): (&DatabaseName, &DatabaseState<D>)| {
        Sample::new([("database", state.label(name))], value(state))
    };
    databases.iter().map(sample).collect()
}

#[cfg(test)]
mod tests;
