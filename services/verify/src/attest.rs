//! The record of a drill beside its backup, for retention to see, and for this service after a restart.

use anyhow::Context;
use backup_core::repository::{
    Backup, BackupId, Catalog, Drill, DrillRecord, RECORD_FORMAT, RecordKey, Repository, Role,
};
use backup_core::stop::Stop;
use backup_core::storage::StoreError;

use crate::config::TargetConfig;
use crate::evidence::{Evidence, Trouble};
use crate::report::{Report, Verdict};

/// The check of the manifest, which a record that does not fit it fails.
const CHECK: &str = "manifest";

/// Maximum bytes of a record that is read: some 100,000 tables.
const MAX_RECORD_BYTES: u64 = 16 * 1024 * 1024;

/// Maximum number of records that are read at a start.
const MAX_RECORDS: usize = 20;

/// Maximum number of records of one backup that its drill holds against its manifest.
const MAX_RECORDS_OF_BACKUP: usize = 3;

/// Leaves the final `report` beside the backup, for retention to see. Only what is known about the backup is told. Returns
/// what a reader of the report should know of it.
pub(crate) async fn attest(
    config: &TargetConfig,
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
        let body = record_key(config).seal(&key, &config.process.scrubber.scrub(&text));
        Ok(repository.store().put_new(&key, body.into()).await?)
    };
    let error = stop.or(stored).await.err()?;
    let error = format!("{error:#}");
    tracing::warn!(error, "cannot leave the verdict in the bucket; VERIFY_ATTEST needs s3:PutObject");
    Some(format!("the verdict is not in the bucket: {error}"))
}

fn record_key(config: &TargetConfig) -> RecordKey {
    RecordKey::of(&config.process.store.secret_access_key)
}

/// Holds the manifest of `backup` against what this service has written about it before. A manifest is written once, so one
/// that has changed since a drill was changed by another writer.
///
/// # Errors
/// If a stop came first.
pub(crate) async fn compare(
    config: &TargetConfig,
    repository: &Repository,
    backup: &Backup,
    evidence: &mut Evidence,
    stop: &Stop,
) -> Result<(), Trouble> {
    let Some(facts) = evidence.report.backup.clone() else { return Ok(()) };
    let mut found = Vec::new();
    for drill in backup.drills.iter().rev().take(MAX_RECORDS_OF_BACKUP) {
        // What cannot be read now says nothing: this drill is about to find out all of it.
        if let Ok(Some(record)) = stop.or(async { Ok(own_record(config, repository, backup, *drill).await) }).await?
            && record.manifest_sha256 != facts.manifest_sha256
        {
            found.push(format!(
                "the manifest is not the one that was there when a drill ended at {}: it was replaced since",
                record.ended_at
            ));
        }
    }
    if !found.is_empty() {
        evidence.record(CHECK, "it does not fit the record of a drill".to_owned(), found);
    }
    Ok(())
}

/// A record that this service has written; `None` if another writer has, or if it is of a later version.
async fn own_record(
    config: &TargetConfig,
    repository: &Repository,
    backup: &Backup,
    drill: Drill,
) -> Result<Option<DrillRecord<serde_json::Value>>, StoreError> {
    let key = repository.layout().key(&backup.id, &Role::Drill { time: drill.time, passed: drill.passed });
    let text = match repository.store().read(&key, MAX_RECORD_BYTES).await {
        Ok(text) => text,
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

/// The newest drills that this service has recorded in the bucket, with their backups, the newest first. Of other records it
/// says nothing: anyone who can write there can write any.
///
/// # Errors
/// If one cannot be read now, and may be later.
pub(crate) async fn own_records(
    config: &TargetConfig,
    repository: &Repository,
    catalog: &Catalog,
) -> Result<Vec<(Drill, BackupId)>, StoreError> {
    let drills = catalog.backups.iter().flat_map(|backup| backup.drills.iter().map(move |drill| (*drill, backup)));
    let mut drills: Vec<_> = drills.collect();
    drills.sort_by_key(|(drill, _)| std::cmp::Reverse(drill.time));
    let (mut own, mut strange) = (Vec::new(), 0_usize);
    for (drill, backup) in drills.into_iter().take(MAX_RECORDS) {
        match own_record(config, repository, backup, drill).await? {
            Some(_) => own.push((drill, backup.id.clone())),
            None => strange += 1,
        }
    }
    if strange > 0 {
        tracing::warn!(
            strange,
            "records of drills in the bucket were not written with these credentials, and do not count: forged, or from \
             before S3_SECRET_ACCESS_KEY was changed"
        );
    }
    Ok(own)
}
