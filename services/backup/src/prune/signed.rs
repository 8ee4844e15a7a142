//! Which backups are signed. `backup` may not read by itself; a machine that prunes may be allowed to read manifests.

use std::collections::BTreeSet;

use anyhow::Context;
use backup_core::repository::{Backup, BackupId, ManifestError, Repository};

use crate::config::TargetConfig;

/// Those of `backups` whose manifest one of the keys of `VERIFY_TRUSTED_KEYS` has signed. Without a key it is none, and
/// nothing is read.
///
/// # Errors
/// If a manifest is there and cannot be read now.
pub(super) async fn signed<'all>(
    config: &TargetConfig,
    backups: impl Iterator<Item = &'all Backup>,
) -> anyhow::Result<BTreeSet<BackupId>> {
    let mut signed = BTreeSet::new();
    if config.signers.is_empty() {
        return Ok(signed);
    }
    let repository = Repository::new(config.process.store.open(), config.layout().trusting(config.signers.clone()));
    for backup in backups {
        match repository.manifest(&backup.id).await {
            Ok(_) => drop(signed.insert(backup.id.clone())),
            Err(ManifestError::Unreadable(error)) if !error.is_damage() => {
                let id = &backup.id;
                return Err(error).with_context(|| {
                    format!(
                        "read the manifest of {id}: VERIFY_TRUSTED_KEYS is set, and with it `backup prune` needs \
                         s3:GetObject on manifests"
                    )
                });
            }
            Err(error) => tracing::debug!(backup_id = %backup.id, %error, "not signed, as far as can be told"),
        }
    }
    Ok(signed)
}
