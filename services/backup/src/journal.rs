//! What a run writes down in the names of empty objects, for runs and operators after it.

use anyhow::Context;
use backup_core::postgres::connect::Session;
use backup_core::repository::{BackupId, Catalog, ClusterTag, DatabaseFacts, Event, EventKind, Repository};
use backup_core::stop::Stop;

use crate::config::TargetConfig;
use crate::shrink::judge;

/// Writes down that run `id` is about to dump, so that one that dies counts as a run as well. A bucket that does not
/// take this takes no backup either, and the database is spared the dump.
///
/// # Errors
/// If the store refuses or cannot be reached, or the database does not answer.
pub(crate) async fn record_start(
    repository: &Repository,
    id: &BackupId,
    session: &Session,
    facts: &DatabaseFacts,
) -> anyhow::Result<()> {
    let cluster = facts.system_identifier.as_deref().map(ClusterTag::of);
    let tables = Some(count_tables(session).await.context("count tables")?);
    let event = Event { id: id.clone(), kind: EventKind::BackupStarted { cluster, tables } };
    repository.record(&event).await.context("write down that a run begins")
}

/// Tables of users.
async fn count_tables(session: &Session) -> anyhow::Result<u64> {
    let sql = "SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";
    let row = session.ask(session.client().query_one(sql, &[])).await?;
    Ok(u64::try_from(row.try_get::<_, i64>(0)?)?)
}

/// Marks the newest backup of our kind if it is much smaller than usual. Without the mark it would be part of what is
/// usual once a newer one exists.
pub(crate) async fn mark_suspect(config: &TargetConfig, repository: &Repository, catalog: &Catalog, stop: &Stop) {
    let Some(event) = judge(catalog, config.dump.kind(), &config.size_rule).unmarked else { return };
    if let Err(error) = stop.or(async { Ok(repository.record(&event).await?) }).await {
        tracing::warn!(
            error = format!("{error:#}"),
            "cannot write down that the newest backup is much smaller than usual"
        );
    }
}
