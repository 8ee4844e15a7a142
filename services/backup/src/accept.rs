//! `backup accept-size`: an operator says that a smaller size is right.

use anyhow::{Context, bail, ensure};
use backup_core::catalog::{BackupId, Event, EventKind};
use backup_core::text::print;
use chrono::Utc;

use crate::config::BackupConfig;
use crate::shrink::{SizeRule, judge};

/// Leaves a marker in the bucket: from backup `id` on, the size that it has is the usual one.
///
/// # Errors
/// If there is no such backup, or the bucket cannot be reached.
pub(crate) async fn accept_size(config: &BackupConfig, id: &str) -> anyhow::Result<()> {
    let Some(id) = BackupId::parse(id) else { bail!("this is not the id of a backup; `backup list` shows them") };
    let (shelf, store) = (config.shelf(), config.store.open());
    let now = Utc::now();
    let catalog = shelf.catalog(&store, now).await?;
    let backup = catalog.backups.iter().find(|backup| backup.id == id);
    let Some(backup) = backup else { bail!("there is no backup {id} of this database; `backup list` shows them") };
    let event = Event { id: BackupId::new(now), kind: EventKind::SizeAccepted { from: id.clone() } };
    shelf.record(&store, &event).await.context("store the marker")?;
    print(&format!("accepted: from {id} on, its size is the usual one\n"));
    // An older acceptance by variable does not matter: the latest one counts.
    let rule =
        SizeRule { accepted_from: config.size_rule.accepted_from.clone().max(Some(id)), ..config.size_rule.clone() };
    let left = judge(&catalog, backup.kind, &rule).shrunk;
    ensure!(
        left.is_none(),
        "the newest backup is still too small: {}",
        left.map(|left| left.to_string()).unwrap_or_default()
    );
    Ok(())
}
