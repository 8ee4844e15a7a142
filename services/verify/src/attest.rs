//! The record of a drill beside its backup, for retention to see, and for this service after a restart.

use anyhow::Context;
use backup_core::repository::{Backup, BackupId, Catalog, Drill, RecordKey, Repository, Role};
use backup_core::stop::Stop;
use backup_core::storage::StoreError;

use crate::config::TargetConfig;
use crate::report::{Report, Verdict};

/// Maximum bytes of a record that is read: some 100,000 tables.
const MAX_RECORD_BYTES: u64 = 16 * 1024 * 1024;

/// Maximum number of records that are read at a start.
const MAX_RECORDS: usize = 20;

/// Leaves the verdict beside the backup, for retention to see. Only what is known about the backup is told.
pub(crate) async fn attest(config: &TargetConfig, repository: &Repository, report: &mut Report, stop: &Stop) {
    let (Some(backup), Some(passed)) = (&report.backup, report.proven) else {
        if report.verdict == Verdict::Passed {
            let why = "no record of this drill is left in the bucket: it compared the contents of some tables or of none \
                       (VERIFY_CONTENT), and retention relies on records";
            tracing::info!("{why}");
            report.notes.push(why.to_owned());
        }
        return;
    };
    let key = repository.layout().key(&backup.id, &Role::Drill { time: report.ended_at, passed });
    let stored = async {
        let text = serde_json::to_string_pretty(&report).context("write the report as JSON")?;
        let body =
            RecordKey::of(&config.process.store.secret_access_key).seal(&key, &config.process.scrubber.scrub(&text));
        Ok(repository.store().put_new(&key, body.into()).await?)
    };
    if let Err(error) = stop.or(stored).await {
        tracing::warn!(
            error = format!("{error:#}"),
            "cannot leave the verdict in the bucket; VERIFY_ATTEST needs s3:PutObject"
        );
        report.notes.push(format!("the verdict is not in the bucket: {error:#}"));
    }
}

/// The newest records in the bucket that this service has written, with their backups, the newest first. Of others it says nothing: anyone
/// who can write there can write any.
///
/// # Errors
/// If one cannot be read now, and may be later.
pub(crate) async fn own_records(
    config: &TargetConfig,
    repository: &Repository,
    catalog: &Catalog,
) -> Result<Vec<(Drill, BackupId)>, StoreError> {
    let of_backup = |backup: &Backup| backup.drills.iter().map(|drill| (*drill, backup.id.clone())).collect::<Vec<_>>();
    let mut drills: Vec<_> = catalog.backups.iter().flat_map(of_backup).collect();
    drills.sort_by_key(|(drill, _)| std::cmp::Reverse(drill.time));
    let record_key = RecordKey::of(&config.process.store.secret_access_key);
    let (mut own, mut strange) = (Vec::new(), 0_usize);
    for (drill, id) in drills.into_iter().take(MAX_RECORDS) {
        let key = repository.layout().key(&id, &Role::Drill { time: drill.time, passed: drill.passed });
        match repository.store().read(&key, MAX_RECORD_BYTES).await {
            Ok(text) if record_key.knows(&key, &text) => own.push((drill, id)),
            Ok(_) => strange += 1,
            Err(error) if error.is_passing() => return Err(error),
            Err(_) => strange += 1,
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
