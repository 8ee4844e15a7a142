//! A catalog for a person, and for a script.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{Backup, Catalog, Kind};
use crate::text::{Lines, age, bytes};

impl Catalog {
    /// A line for each backup and each run that is none, and how many there are.
    pub fn to_table(&self, now: DateTime<Utc>) -> Lines {
        let mut lines = Lines::of(format_args!(
            "{:<33}  {:>10}  {:>10}  {:<7}  {:<5}  {}",
            "ID", "AGE", "SIZE", "KIND", "ROLES", "LAST DRILL"
        ));
        for backup in self.from_the_future.iter().chain(&self.backups) {
            let roles = if backup.has_globals { "yes" } else { "no" };
            lines.line(format_args!(
                "{:<33}  {:>10}  {:>10}  {:<7}  {roles:<5}  {}",
                backup.id.to_string(),
                age(now - backup.id.time()),
                bytes(backup.stored_bytes),
                backup.kind.to_string(),
                last_drill(backup)
            ));
        }
        for run in &self.incomplete {
            let why = if run.lost_its_data { "its data is gone" } else { "no manifest: running, or ended early" };
            lines.line(format_args!("{:<33}  not a backup ({why})", run.id.to_string()));
        }
        let full = self.backups.iter().filter(|backup| backup.kind == Kind::Full).count();
        lines.line(format_args!("{} committed, {full} of them full", self.backups.len()));
        lines
    }

    /// Everything, with all keys.
    pub fn to_json(&self) -> Value {
        let backup = |backup: &Backup| {
            json!({
                "id": backup.id, "time": backup.id.time(), "kind": backup.kind, "stored_bytes": backup.stored_bytes,
                "globals": backup.has_globals, "drills": backup.drills,
                "keys": backup.keys.iter().map(|key| key.as_str()).collect::<Vec<_>>(),
            })
        };
        json!({
            "backups": self.backups.iter().map(backup).collect::<Vec<_>>(),
            "from_the_future": self.from_the_future.iter().map(backup).collect::<Vec<_>>(),
            "incomplete": self.incomplete.iter().map(|run| json!({
                "id": run.id, "stored_bytes": run.stored_bytes, "lost_its_data": run.lost_its_data,
            })).collect::<Vec<_>>(),
            "foreign_objects": self.foreign_objects,
        })
    }
}

fn last_drill(backup: &Backup) -> String {
    match backup.drills.last() {
        None => "-".to_owned(),
        Some(drill) => format!("{} {}", if drill.passed { "passed" } else { "FAILED" }, drill.time.format("%Y-%m-%d")),
    }
}
