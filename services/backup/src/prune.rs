//! Retention at work: a listing, a plan, and its deletions. `backup` may not read, so keys and
//! sizes are all that it decides by.

mod alone;

use std::sync::Once;

use anyhow::Context;
use backup_core::catalog::{Backup, Catalog, Incomplete, Manifest, Shelf};
use backup_core::stop::Stop;
use backup_core::storage::{Deletion, ObjectKey, Store};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use crate::config::BackupConfig;
use crate::prune::alone::Alone;
use crate::retention::{Authority, Candidate, PrunePlan, Verdict, plan};
use crate::status::RetentionState;

/// A run without a manifest may still be going on somewhere; after a day, and after twice the bound
/// of a run, it is debris.
const DEBRIS_AFTER: TimeDelta = TimeDelta::days(1);

/// Retention with the authority of a run that has just committed. Its failure is not the run's:
/// the backup exists. It has as long as a run, so that a bucket that hangs delays the next one no more.
pub(crate) async fn after_commit(config: &BackupConfig, stop: &Stop, manifest: &Manifest) -> RetentionState {
    let authority = Authority::Committed(manifest.id.to_string());
    let bounded = stop.bounded(config.timing.run_timeout, "BACKUP_TIMEOUT");
    match bounded.stop.or(apply_retention(config, &authority)).await {
        Ok(None) => {
            tracing::info!("retention is left to another process, which prunes the same backups right now");
            RetentionState { pruned: None, degraded: None, left_to_another: true }
        }
        Ok(Some(pruned)) => {
            tracing::info!(kept = pruned.kept_backups, deleted = pruned.deleted_backups, "retention done");
            if let Some(note) = pruned.note {
                static SAID: Once = Once::new();
                SAID.call_once(|| tracing::info!("{note}"));
            }
            RetentionState { pruned: Some(pruned), degraded: None, left_to_another: false }
        }
        Err(error) => {
            let words = config.scrubber.scrub(&format!("{error:#}")).into_owned();
            tracing::warn!(error = words, "retention did not finish; the backup is committed, old ones pile up");
            RetentionState { pruned: None, degraded: Some(words), left_to_another: false }
        }
    }
}

/// `None` where another process is at it.
async fn apply_retention(config: &BackupConfig, authority: &Authority) -> anyhow::Result<Option<Pruned>> {
    let Some(_alone) = Alone::claim(config).await? else { return Ok(None) };
    let store = config.store.open();
    let prepared = Prune::prepare(config, &config.shelf(), &store, authority, Utc::now()).await?;
    prepared.apply(config, &store).await.map(Some)
}

/// What retention would do, and what it stands on.
pub(crate) struct Prune {
    pub(crate) plan: PrunePlan,
    pub(crate) debris: Vec<Incomplete>,
    catalog: Catalog,
}

/// What retention did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Pruned {
    pub(crate) kept_backups: usize,
    pub(crate) deleted_backups: usize,
    pub(crate) deleted_bytes: u64,
    pub(crate) deferred_backups: usize,
    pub(crate) deleted_debris: usize,
    /// What the bucket makes of deletions, where that is not what one would expect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<&'static str>,
}

/// What deletions do in a bucket that keeps old versions.
pub(crate) fn hidden_note(is_b2: bool) -> &'static str {
    if is_b2 {
        "deletes create markers; space is not freed here: set the bucket's lifecycle rule to keep only the last version"
    } else {
        "deletes create markers; space is not freed here: a lifecycle rule for noncurrent versions frees it"
    }
}

impl Prune {
    /// Lists and plans; changes nothing.
    ///
    /// # Errors
    /// Where the listing cannot be had completely. Then nothing may be deleted.
    pub(crate) async fn prepare(
        config: &BackupConfig,
        shelf: &Shelf,
        store: &Store,
        authority: &Authority,
        now: DateTime<Utc>,
    ) -> anyhow::Result<Self> {
        let catalog = shelf.catalog(store, now).await?;
        let all = catalog.backups.iter().chain(&catalog.from_the_future);
        // A run speaks for backups of its own kind: a process that makes partial dumps must not delete
        // the full ones that another makes. An operator speaks for both.
        let concerned =
            |backup: &&Backup| matches!(authority, Authority::Operator) || backup.kind == config.dump.kind();
        let candidates: Vec<Candidate> = all.filter(concerned).map(candidate).collect();
        let plan = plan(&candidates, now, &config.retention, authority);
        let run_timeout = TimeDelta::from_std(config.timing.run_timeout).unwrap_or(TimeDelta::MAX);
        // A manifest without data stays: should the listing be wrong, it is all that tells what was there.
        let old = |run: &&Incomplete| !run.lost_its_data && now - run.id.time() > DEBRIS_AFTER.max(run_timeout * 2);
        let mut debris: Vec<Incomplete> = catalog.incomplete.iter().filter(old).cloned().collect();
        if plan.refused.is_some() {
            debris.clear();
        }
        debris.truncate(usize::try_from(config.retention.max_deletes).unwrap_or(usize::MAX));
        Ok(Self { plan, debris, catalog })
    }

    /// Deletes what the plan says, object by object, each backup's manifest first.
    ///
    /// # Errors
    /// The first refusal; what was deleted before stays deleted, and the rest stays.
    pub(crate) async fn apply(self, config: &BackupConfig, store: &Store) -> anyhow::Result<Pruned> {
        if let Some(refusal) = &self.plan.refused {
            anyhow::bail!("retention deleted nothing: {refusal}");
        }
        let count = |wanted: fn(&Verdict) -> bool| self.plan.lines.iter().filter(|line| wanted(&line.verdict)).count();
        let mut pruned = Pruned {
            kept_backups: count(|verdict| matches!(verdict, Verdict::Keep(_))),
            deferred_backups: count(|verdict| matches!(verdict, Verdict::Deferred)),
            ..Pruned::default()
        };
        let mut hidden = false;
        for line in self.plan.deletions() {
            let backup = self.catalog.backups.iter().find(|backup| backup.id.as_str() == line.id);
            let backup = backup.context("find a planned backup in the listing that it was planned from")?;
            hidden |= delete_in_order(store, &backup.keys).await? == Deletion::Hidden;
            tracing::info!(backup_id = %backup.id, stored_bytes = backup.stored_bytes, "deleted by retention");
            pruned.deleted_backups += 1;
            pruned.deleted_bytes += backup.stored_bytes;
        }
        for run in &self.debris {
            hidden |= delete_in_order(store, &run.keys).await? == Deletion::Hidden;
            tracing::info!(backup_id = %run.id, stored_bytes = run.stored_bytes, "deleted what a dead run had left");
            pruned.deleted_debris += 1;
        }
        pruned.note = hidden.then(|| hidden_note(config.store.is_b2()));
        Ok(pruned)
    }
}

/// What became of the last one: a bucket does the same to all.
async fn delete_in_order(store: &Store, keys: &[ObjectKey]) -> anyhow::Result<Deletion> {
    let mut outcome = Deletion::Gone;
    for key in keys {
        outcome = store.delete(key).await.context("delete")?;
    }
    Ok(outcome)
}

fn candidate(backup: &Backup) -> Candidate {
    Candidate {
        id: backup.id.to_string(),
        time: backup.id.time(),
        kind: backup.kind,
        proven: backup.is_proven(),
        stored_bytes: backup.stored_bytes,
    }
}
