//! A catalog for a person, and for a script.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{Backup, Catalog, Kind};
use crate::text::{age, bytes};

impl Catalog {
    /// A line for each backup and each run that is none, and how many there are.
    pub fn to_table(&self, now: DateTime<Utc>) -> String {
        let mut text =
            format!("{:<33}  {:>8}  {:>10}  {:<7}  {:<5}  {}\n", "ID", "AGE", "SIZE", "KIND", "ROLES", "LAST DRILL");
        for backup in self.from_the_future.iter().chain(&self.backups) {
            let roles = if backup.has_globals { "yes" } else { "no" };
            let row = format!(
                "{:<33}  {:>8}  {:>10}  {:<7}  {roles:<5}  {}\n",
                backup.id.to_string(),
                age(now - backup.id.time()),
                bytes(backup.stored_bytes),
                backup.kind.to_string(),
                last_drill(backup)
            );
            text.push_str(&row);
        }
        for run in &self.incomplete {
            let why = if run.lost_its_data { "its data is gone" } else { "no manifest: running, or a dead run" };
            text.push_str(&format!("{:<33}  not a backup ({why})\n", run.id.to_string()));
        }
        let full = self.backups.iter().filter(|backup| backup.kind == Kind::Full).count();
        text.push_str(&format!("{} committed, {full} of them full\n", self.backups.len()));
        text
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
