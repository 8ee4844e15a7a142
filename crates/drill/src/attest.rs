//! The record of a drill beside its backup, for retention to see, and for this service after a restart.

use std::collections::BTreeSet;

use anyhow::Context;
use backup_core::repository::{
    Backup, BackupId, Catalog, Drill, DrillRecord, RECORD_FORMAT, RecordKey, Repository, Role,
};
use backup_core::stop::Stop;
use backup_core::storage::{Purpose, StoreError};

use crate::config::DrillConfig;
use crate::evidence::{DrillError, Evidence};
use crate::report::{Report, Verdict};

/// The check of the manifest, which a record that does not fit it fails.
const CHECK: &str = "manifest";

/// Maximum bytes of a record that is read: some 100,000 tables.
const MAX_RECORD_BYTES: u64 = 16 * 1024 * 1024;

/// Maximum number of records that are read at a start.
const MAX_RECORDS: usize = 20;

/// Maximum number and bytes of records of one backup that its drill reads, to find own ones among those of others.
const MAX_SEARCHED: usize = 500;
const MAX_SEARCHED_BYTES: u64 = 4 * MAX_RECORD_BYTES;

/// Maximum number of own records of one backup that its drill holds against its manifest. Records of others take none of
/// these places: they could push the own ones out.
const MAX_OWN_RECORDS: usize = 3;

/// Leaves the final `report` beside the backup, for retention to see. Only what is known about the backup is told. Returns
/// what a reader of the report should know of it.
pub(crate) async fn attest(
    config: &DrillConfig,
    repository: &Repository,
    report: &Report,
    stop: &Stop,
) -> Option<String> {
    let (Some(backup), Some(passed)) = (&report.backup, report.proven) else {
        if report.verdict != Verdict::Passed {
            return None;
        }
        let why = "no record of this drill is left in the bucket: it compared the contents of some tables or of none \
                   (VERIFY_CONTENT), and retention relies on records";
        tracing::info!("{why}");
        return Some(why.to_owned());
    };
    let key = repository.layout().key(&backup.id, &Role::Drill { time: report.ended_at, passed });
    let record = DrillRecord {
        format: RECORD_FORMAT,
        backup_id: backup.id.clone(),
        prefix: repository.store().prefix().to_string(),
        database: backup.database.clone(),
        manifest_sha256: backup.manifest_sha256.clone(),
        tool: concat!("verify ", env!("CARGO_PKG_VERSION")).to_owned(),
        proven: passed,
        started_at: report.started_at,
        ended_at: report.ended_at,
        snapshot_at: backup.snapshot_at,
        recovery_time_seconds: report.recovery_time_seconds,
        report,
    };
    let stored = async {
        let text = serde_json::to_string_pretty(&record).context("write the record as JSON")?;
        let body = record_key(config).seal(&key, &config.scrubber.scrub(&text));
        Ok(repository.store().put_new(&key, body.into(), Purpose::Note).await?)
    };
    let error = stop.or(stored).await.err()?;
    let error = format!("{error:#}");
    tracing::warn!(error, "cannot leave the verdict in the bucket; VERIFY_ATTEST needs s3:PutObject");
    Some(format!("the verdict is not in the bucket: {error}"))
}

/// The key of records and of the journal, which only this service has.
pub fn record_key(config: &DrillConfig) -> RecordKey {
    RecordKey::of(&config.store.record_secret)
}

/// Holds the manifest of `backup` against what this service has written about it before. A manifest is written once, so one
/// that has changed since a drill was changed by another writer.
///
/// # Errors
/// If a stop came first.
pub(crate) async fn compare(
    config: &DrillConfig,
    repository: &Repository,
    backup: &Backup,
    evidence: &mut Evidence,
    stop: &Stop,
) -> Result<(), DrillError> {
    let Some(facts) = evidence.report.backup.clone() else { return Ok(()) };
    let (mut found, mut own, mut strange, mut bytes_left) = (Vec::new(), 0, 0_usize, MAX_SEARCHED_BYTES);
    for drill in from_both_ends(&backup.drills).into_iter().take(MAX_SEARCHED) {
        if own == MAX_OWN_RECORDS || bytes_left == 0 {
            break;
        }
        let read = async { Ok(own_record(config, repository, backup, drill, &mut bytes_left).await) };
        match stop.or(read).await? {
            Ok(Some(record)) => {
                own += 1;
                if record.manifest_sha256 != facts.manifest_sha256 {
                    found.push(format!(
                        "the manifest is not the one that was there when a drill ended at {}: it was replaced since",
                        record.ended_at
                    ));
                }
            }
            Ok(None) => strange += 1,
            // What cannot be read now says nothing: this drill is about to find out all of it.
            Err(_) => {}
        }
    }
    if strange > 0 {
        evidence.note(format!(
            "{strange} records of drills beside this backup were not written with these credentials: another writer has \
             added or replaced them, or S3_SECRET_ACCESS_KEY or RECORD_KEY was changed"
        ));
    }
    if !found.is_empty() {
        evidence.record(CHECK, "it does not fit the record of a drill".to_owned(), found);
    }
    Ok(())
}

/// The newest of these drills by their names and the first ones by the store's clock, in turn. Another writer can give
/// records later names and not put them before what was there.
fn from_both_ends(drills: &[Drill]) -> Vec<Drill> {
    let mut by_store = drills.to_vec();
    by_store.sort_by_key(|drill| (drill.recorded_at.is_none(), drill.recorded_at, drill.time));
    let in_turn = drills.iter().rev().zip(&by_store).flat_map(|(newest, first)| [*newest, *first]);
    let mut seen = BTreeSet::new();
    in_turn.filter(|drill| seen.insert((drill.time, drill.passed))).collect()
}

/// A record that this service has written; `None` if another writer has, or if it is of a later version. Takes off
/// `bytes_left` what it has read.
async fn own_record(
    config: &DrillConfig,
    repository: &Repository,
    backup: &Backup,
    drill: Drill,
    bytes_left: &mut u64,
) -> Result<Option<DrillRecord<serde_json::Value>>, StoreError> {
    let key = repository.layout().key(&backup.id, &Role::Drill { time: drill.time, passed: drill.passed });
    let text = match repository.store().read(&key, MAX_RECORD_BYTES).await {
        Ok(text) => {
            *bytes_left = bytes_left.saturating_sub(text.len() as u64);
            text
        }
        Err(error) if error.is_passing() => return Err(error),
        Err(_) => return Ok(None),
    };
    if !record_key(config).knows(&key, &text) {
        return Ok(None);
    }
    Ok(DrillRecord::open(&text)
        .inspect_err(|error| tracing::warn!(%key, %error, "cannot use the record of a drill"))
        .ok())
}

/// The newest drills that this service has recorded in the bucket, with their backups, the newest first; `look_at` sees
/// each record, one after the other. Of other records it says nothing: anyone who can write there can write any.
///
/// # Errors
/// If one cannot be read now, and may be later.
pub async fn own_records(
    config: &DrillConfig,
    repository: &Repository,
    catalog: &Catalog,
    mut look_at: impl FnMut(DrillRecord<serde_json::Value>),
) -> Result<Vec<(Drill, BackupId)>, StoreError> {
    let drills = catalog.backups.iter().flat_map(|backup| backup.drills.iter().map(move |drill| (*drill, backup)));
    let mut drills: Vec<_> = drills.collect();
    drills.sort_by_key(|(drill, _)| std::cmp::Reverse(drill.time));
    let (mut own, mut strange, mut unbounded) = (Vec::new(), 0_usize, u64::MAX);
    for (drill, backup) in drills.into_iter().take(MAX_RECORDS) {
        match own_record(config, repository, backup, drill, &mut unbounded).await? {
            Some(record) => {
                own.push((drill, backup.id.clone()));
                look_at(record);
            }
            None => strange += 1,
        }
    }
    if strange > 0 {
        tracing::warn!(
            strange,
            "records of drills in the bucket were not written with these credentials, and do not count: forged, or from \
             before S3_SECRET_ACCESS_KEY or RECORD_KEY was changed"
        );
    }
    Ok(own)
}

#[cfg(test)]
mod tests {
    use chrono::{TimeDelta, Utc};

    use super::*;

    /// However many records another writer adds later, and whichever names they have.
    #[test]
    fn the_first_record_by_the_clock_of_the_store_is_among_the_first_that_are_read() {
        let (now, own) = (Utc::now(), 1_000);
        let drill = |number: i64| Drill {
            time: now + TimeDelta::seconds(number),
            passed: true,
            recorded_at: Some(now + TimeDelta::seconds(if number == own { 0 } else { 9_000 })),
        };
        let drills: Vec<Drill> = (0..2_000).map(drill).collect();
        let read = from_both_ends(&drills);
        assert_eq!((read.len(), read[0], read[1]), (2_000, drill(1_999), drill(own)));
    }
}
