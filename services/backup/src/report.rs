//! What the commands print on standard output for a person, or for a script.

use std::io::{self, Write};

use backup_core::catalog::{Backup, Catalog, Kind};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::prune::Prune;
use crate::retention::Verdict;

/// Writes to standard output. A reader that has seen enough (`backup list | head`) is no failure.
pub(crate) fn print(text: &str) {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            tracing::error!(%error, "cannot write to standard output");
        }
        _ => {}
    }
}

/// `backup list`.
pub(crate) fn list(catalog: &Catalog, now: DateTime<Utc>) -> String {
    let mut text =
        format!("{:<33}  {:>8}  {:>10}  {:<7}  {:<5}  {}\n", "ID", "AGE", "SIZE", "KIND", "ROLES", "LAST DRILL");
    for backup in catalog.from_the_future.iter().chain(&catalog.backups) {
        let roles = if backup.has_globals { "yes" } else { "no" };
        let row = format!(
            "{:<33}  {:>8}  {:>10}  {:<7}  {roles:<5}  {}\n",
            backup.id.to_string(),
            age(now - backup.id.time()),
            bytes(backup.stored_bytes),
            kind(backup.kind),
            last_drill(backup)
        );
        text.push_str(&row);
    }
    for run in &catalog.incomplete {
        let why = if run.lost_its_data { "its data is gone" } else { "no manifest: running, or a dead run" };
        text.push_str(&format!("{:<33}  not a backup ({why})\n", run.id.to_string()));
    }
    let full = catalog.backups.iter().filter(|backup| backup.kind == Kind::Full).count();
    text.push_str(&format!("{} committed, {full} of them full\n", catalog.backups.len()));
    text
}

/// `backup list --json`.
pub(crate) fn list_json(catalog: &Catalog) -> Value {
    let backup = |backup: &Backup| {
        json!({
            "id": backup.id, "time": backup.id.time(), "kind": backup.kind, "stored_bytes": backup.stored_bytes,
            "globals": backup.has_globals, "drills": backup.drills,
            "keys": backup.keys.iter().map(|key| key.as_str()).collect::<Vec<_>>(),
        })
    };
    json!({
        "backups": catalog.backups.iter().map(backup).collect::<Vec<_>>(),
        "from_the_future": catalog.from_the_future.iter().map(backup).collect::<Vec<_>>(),
        "incomplete": catalog.incomplete.iter().map(|run| json!({
            "id": run.id, "stored_bytes": run.stored_bytes, "lost_its_data": run.lost_its_data,
        })).collect::<Vec<_>>(),
        "foreign_objects": catalog.foreign_objects,
    })
}

/// `backup prune --dry-run`: every backup with what would become of it, and why.
pub(crate) fn prune_plan(prune: &Prune) -> String {
    let mut text = String::new();
    for line in &prune.plan.lines {
        let (word, reasons) = match &line.verdict {
            Verdict::Keep(reasons) => ("keep", reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
            Verdict::Delete => ("delete", "no rule keeps it".to_owned()),
            Verdict::Deferred => ("later", "over BACKUP_MAX_DELETES for one run".to_owned()),
        };
        text.push_str(&format!("{word:<6}  {}  {:>10}  {reasons}\n", line.id, bytes(line.stored_bytes)));
    }
    for run in &prune.debris {
        text.push_str(&format!(
            "delete  {}  {:>10}  left by a dead run, no manifest\n",
            run.id,
            bytes(run.stored_bytes)
        ));
    }
    if let Some(refusal) = &prune.plan.refused {
        text.push_str(&format!("nothing will be deleted: {refusal}\n"));
    }
    text
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Full => "full",
        Kind::Partial => "partial",
    }
}

fn last_drill(backup: &Backup) -> String {
    match backup.drills.last() {
        None => "-".to_owned(),
        Some(drill) => format!("{} {}", if drill.passed { "passed" } else { "FAILED" }, drill.time.format("%Y-%m-%d")),
    }
}

fn age(age: chrono::TimeDelta) -> String {
    match age.num_minutes() {
        minutes @ ..0 => format!("in {} min", -minutes),
        minutes @ 0..120 => format!("{minutes} min"),
        minutes @ 120..2880 => format!("{} h", minutes / 60),
        minutes => format!("{} d", minutes / 1440),
    }
}

/// A size for people, in binary units.
pub(crate) fn bytes(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}
