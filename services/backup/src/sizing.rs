//! How large the parts of a dump must be: fixed before its first byte, by the most that it can have and by what the
//! backups before it had.

use anyhow::Context;
use backup_core::codec::Compression;
use backup_core::postgres::tables_bytes;
use backup_core::repository::{Catalog, Kind, Repository};
use backup_core::storage::{Basis, Estimate, PlanError, UploadPlan};
use backup_core::text::bytes;
use chrono::Utc;

use crate::config::TargetConfig;
use crate::source::Source;

/// The most that a stored stream has of the tables, in percent: random bytes in columns of type `bytea`. `pg_dump`
/// writes them as hexadecimal digits. Measured: zstd makes 101 of them, gzip 114 to 117.
const ZSTD_PERCENT_OF_TABLES: u64 = 105;
const GZIP_PERCENT_OF_TABLES: u64 = 120;

/// The same without compression: digits of incompressible bytes make 200. Long values that PostgreSQL has compressed
/// itself make more, for which there is no bound; such a dump outgrows its plan once.
const UNCOMPRESSED_PERCENT_OF_TABLES: u64 = 400;

/// How much larger than the most that was planned for a stream is planned that has outgrown it.
const OUTGROWN_FACTOR: u64 = 4;

/// No stored stream has this many times the size of its database: if that fits into the smallest parts, earlier backups
/// need not be looked at.
const NEVER_REACHED_FACTOR: u64 = 20;

/// Backups whose sizes say something about the next one.
const EARLIER_BACKUPS: usize = 3;

/// What a plan may stand on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// The sizes of the backups before, too.
    EarlierBackups,
    /// Only the most that the dump should have: one that was planned by earlier backups has outgrown its plan.
    TablesOnly,
    /// The dump has more bytes than this: it has outgrown the most that it should have.
    MoreThan(u64),
}

impl Trust {
    /// What the next attempt may stand on after the stream has outgrown `plan`; `None` if larger parts are not to be
    /// had.
    pub(crate) fn after(plan: &UploadPlan) -> Option<Self> {
        let larger = UploadPlan::for_stream(outgrown(plan.holds()), UploadPlan::memory_bytes());
        match plan.basis {
            Basis::Earlier => Some(Self::TablesOnly),
            Basis::Most if larger.part_bytes > plan.part_bytes => Some(Self::MoreThan(plan.holds())),
            Basis::Most | Basis::Given => None,
        }
    }
}

fn outgrown(held_bytes: u64) -> Estimate {
    Estimate { most_bytes: held_bytes.saturating_mul(OUTGROWN_FACTOR), earlier_bytes: None }
}

/// The plan of a dump whose object has this file name.
///
/// # Errors
/// If `PART_SIZE` does not fit into the memory, or the bucket cannot be listed.
pub(crate) async fn plan_dump(
    config: &TargetConfig,
    repository: &Repository,
    source: &Source,
    name: &str,
    trust: Trust,
) -> anyhow::Result<UploadPlan> {
    let (mut plan, mut warning) = plan_by_tables(config, source).await?;
    if plan.basis == Basis::Given || is_small(source.facts.size_bytes) && trust == Trust::EarlierBackups {
        return Ok(plan);
    }
    match trust {
        Trust::EarlierBackups => {
            let catalog = repository.catalog(Utc::now()).await.context("list earlier backups")?;
            let earlier_bytes = earlier_bytes(&catalog, name, config.dump.kind());
            let most_bytes = most_bytes(config, source).await;
            plan = UploadPlan::for_stream(Estimate { most_bytes, earlier_bytes }, UploadPlan::memory_bytes());
            warning = warning.filter(|_| plan.basis == Basis::Most);
        }
        Trust::TablesOnly => {}
        Trust::MoreThan(held_bytes) => {
            plan = UploadPlan::for_stream(outgrown(held_bytes), UploadPlan::memory_bytes());
        }
    }
    tracing::info!(
        part_bytes = plan.part_bytes,
        parts_in_flight = plan.parts_in_flight,
        parts_memory_bytes = plan.parts_bytes(),
        by = if plan.basis == Basis::Earlier { "earlier backups" } else { "tables" },
        "planned the upload"
    );
    if let Some(warning) = warning {
        tracing::warn!("{warning}");
    }
    Ok(plan)
}

/// The plan without a look at earlier backups, and what to say if a dump that does not compress at all would not fit.
///
/// # Errors
/// If `PART_SIZE` does not fit into the memory.
pub(crate) async fn plan_by_tables(
    config: &TargetConfig,
    source: &Source,
) -> Result<(UploadPlan, Option<String>), PlanError> {
    let memory_bytes = UploadPlan::memory_bytes();
    if let Some(part_bytes) = config.dump.part_bytes {
        return Ok((UploadPlan::with_part_bytes(part_bytes, memory_bytes)?, None));
    }
    let most_bytes = most_bytes(config, source).await;
    let plan = UploadPlan::for_stream(Estimate { most_bytes, earlier_bytes: None }, memory_bytes);
    let warning = (plan.holds() < most_bytes).then(|| {
        format!(
            "the stored dump may have up to {} and the upload holds {}: with {} of memory for parts, half of what \
             this machine or container has, they are {} each; if a run fails for too many parts, raise the memory \
             limit or set PART_SIZE",
            bytes(most_bytes),
            bytes(plan.holds()),
            bytes(memory_bytes),
            bytes(plan.part_bytes as u64),
        )
    });
    Ok((plan, warning))
}

/// The most that the stored dump should have. The tables are asked for only if the size of the whole database, with its
/// indexes, would make parts larger.
async fn most_bytes(config: &TargetConfig, source: &Source) -> u64 {
    let size_bytes = source.facts.size_bytes;
    let whole = stored_bytes(config, size_bytes);
    let plan = UploadPlan::for_stream(Estimate { most_bytes: whole, earlier_bytes: None }, u64::MAX);
    if plan.part_bytes == smallest().part_bytes {
        return whole;
    }
    let tables_bytes = tables_bytes(&source.session).await.unwrap_or(size_bytes);
    stored_bytes(config, tables_bytes.min(size_bytes))
}

/// Whether the smallest parts suffice for a database of this size, whether or not more is known.
fn is_small(database_bytes: u64) -> bool {
    database_bytes.saturating_mul(NEVER_REACHED_FACTOR) <= smallest().holds()
}

fn smallest() -> UploadPlan {
    UploadPlan::for_stream(Estimate { most_bytes: 0, earlier_bytes: None }, u64::MAX)
}

/// The most that the stored dump of tables of this size should have.
fn stored_bytes(config: &TargetConfig, tables_bytes: u64) -> u64 {
    let percent = match config.dump.codec.compression {
        Compression::None => UNCOMPRESSED_PERCENT_OF_TABLES,
        Compression::Gzip { .. } => GZIP_PERCENT_OF_TABLES,
        Compression::Zstd { .. } => ZSTD_PERCENT_OF_TABLES,
    };
    (tables_bytes / 100).saturating_mul(percent)
}

/// The largest of the last backups of the same kind whose dump has the same name, and so the same codec.
fn earlier_bytes(catalog: &Catalog, name: &str, kind: Kind) -> Option<u64> {
    let same = |key: &str| key.rsplit('/').next() == Some(name);
    let backups = catalog.backups.iter().filter(|backup| backup.kind == kind);
    let backups = backups.filter(|backup| backup.keys.iter().any(|key| same(key.as_str())));
    backups.take(EARLIER_BACKUPS).map(|backup| backup.stored_bytes).max()
}
