//! `backup accept-size`: an operator says that a smaller size is right.

use anyhow::{Context, bail, ensure};
use backup_core::repository::{Backup, BackupId, Catalog, Event, EventKind, Repository};
use backup_core::text::print_line;
use chrono::{DateTime, Utc};

use crate::census;
use crate::config::{BackupConfig, TargetConfig};
use crate::shrink::{SizeRule, judge, may_be_accepted};

/// Leaves a marker in the bucket: from backup `id` on, the size that it has is the usual one.
///
/// # Errors
/// If there is no such backup, if it was not found too small, or if the newest one would still be too small: then
/// nothing is stored. And if the bucket cannot be reached.
pub(crate) async fn accept_size(config: &BackupConfig, id: &str) -> anyhow::Result<()> {
    let Some(id) = BackupId::parse(id) else { bail!("this is not the id of a backup; `backup list` shows them") };
    for target in &census::backed_up(config).await? {
        let (repository, now) = (target.repository(), Utc::now());
        let catalog = repository.catalog(now).await?;
        if let Some(backup) = catalog.backups.iter().find(|backup| backup.id == id) {
            return accept(target, &repository, (&catalog, backup), now).await;
        }
    }
    match config.several {
        None => bail!("there is no backup {id} of this database; `backup list` shows them"),
        Some(_) => bail!("there is no backup {id} of these databases; `backup list` shows them"),
    }
}

async fn accept(
    config: &TargetConfig,
    repository: &Repository,
    (catalog, backup): (&Catalog, &Backup),
    now: DateTime<Utc>,
) -> anyhow::Result<()> {
    let id = backup.id.clone();
    let group: Vec<&Backup> = catalog.backups.iter().filter(|other| other.kind == backup.kind).collect();
    let now_wrong = judge(catalog, backup.kind, &config.size_rule).shrunk;
    let advice = now_wrong.map_or("no size is waiting to be accepted".to_owned(), |shrunk| shrunk.to_string());
    ensure!(
        may_be_accepted(&group, &id),
        "backup {id} was not found too small, so its size is not to be accepted: {advice}"
    );
    let rule = SizeRule { accepted_from: Some(id.clone()), ..config.size_rule.clone() };
    if let Some(left) = judge(catalog, backup.kind, &rule).shrunk {
        bail!("the newest backup would still be too small: {left}");
    }
    let kind = EventKind::SizeAccepted { from: id.clone(), signature: None };
    let mut event = Event { id: BackupId::new(now), kind };
    match &config.signing_key {
        Some(key) => event = repository.layout().sign_event(event, key),
        None => ensure!(
            config.signers.is_empty(),
            "VERIFY_TRUSTED_KEYS is set, so an acceptance must be signed: give BACKUP_SIGNING_KEY, or set \
             BACKUP_ACCEPT_SIZE_FROM={id} where backups are deleted"
        ),
    }
    repository.record(&event).await.context("store the marker")?;
    print_line(format_args!("accepted: from {id} on, its size is the usual one"));
    Ok(())
}
