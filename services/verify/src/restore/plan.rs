//! What a restore will do, and what stands in its way, before anything is changed.

use backup_core::postgres::Grants;
use backup_core::repository::Manifest;
use backup_core::text::{Lines, age};
use chrono::{TimeDelta, Utc};
use pgdump_archive::Owners;

use super::last_drill::LastDrill;
use super::obstacles::{Obstacles, TargetServer};
use super::target::Destination;
use super::{RestoreOptions, by_hand, refuse};

/// See [`Plan::new`].
pub(crate) struct Plan {
    lines: Vec<String>,
    blockers: Vec<String>,
    warnings: Vec<String>,
    /// What the restore leaves to a person.
    by_hand: Vec<String>,
}

impl Plan {
    /// Holds what the backup needs against what the target has.
    pub(crate) fn new(
        manifest: &Manifest,
        last_drill: &LastDrill,
        (destination, server): (&Destination, &TargetServer),
        options: &RestoreOptions,
    ) -> Self {
        let (database, now) = (&manifest.database, Utc::now());
        let old = age((now - manifest.snapshot_at).max(TimeDelta::zero()));
        let rows: u64 = manifest.inventory.tables.iter().filter_map(|table| table.rows).sum();
        let mut lines = vec![
            format!("backup    {} of database {}, {old} old", manifest.id, database.name),
            format!("source    PostgreSQL {}, {} {}", database.server_version, database.encoding, database.collate),
            format!(
                "holds     {} tables, {rows} rows, {} bytes",
                manifest.inventory.tables.len(),
                manifest.dump.digests.plain_bytes
            ),
            format!("target    database {}, PostgreSQL {}", destination.name(), destination.server_version),
        ];
        let mut blockers = destination.in_the_way.clone();
        if destination.version_num / 10_000 < database.server_version_num / 10_000 {
            blockers.push(
                "the target's major version is older than the source's, which cannot take the archive".to_owned(),
            );
        }
        let Obstacles { blockers: more, mut warnings } = server.obstacles(manifest, options);
        blockers.extend(more);
        match last_drill.is_warning() {
            true => warnings.insert(0, last_drill.sentence(now)),
            false => lines.insert(1, format!("drills    {}", last_drill.sentence(now))),
        }
        match options.owners {
            Owners::Archive => {}
            Owners::Restorer => {
                lines.push(format!("owners    everything will belong to {} (--no-owner)", server.login))
            }
        }
        match options.grants {
            Grants::Archive => {}
            Grants::None => lines.push("grants    none will be restored (--no-privileges)".to_owned()),
        }
        Self { lines, blockers, warnings, by_hand: by_hand(manifest, destination.is_created) }
    }

    /// For a person.
    pub(crate) fn lines(&self) -> Lines {
        let mut lines = Lines::default();
        self.lines.iter().for_each(|line| lines.line(line));
        self.warnings.iter().for_each(|warning| lines.line(format_args!("warning   {warning}")));
        self.by_hand.iter().for_each(|sentence| lines.line(format_args!("by hand   {sentence}")));
        self.blockers.iter().for_each(|blocker| lines.line(format_args!("blocked   {blocker}")));
        lines
    }

    /// # Errors
    /// Everything that stands in the way.
    pub(crate) fn refuse_what_blocks(&self) -> anyhow::Result<()> {
        refuse(&self.blockers)
    }
}
