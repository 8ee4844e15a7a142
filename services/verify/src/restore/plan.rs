//! What a restore will do, and what stands in its way, before anything is changed.

use std::fmt;

use backup_core::catalog::Manifest;
use chrono::Utc;

use super::target::Destination;
use super::{by_hand, refuse};

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
    pub(crate) fn new(manifest: &Manifest, destination: &Destination) -> Self {
        let database = &manifest.database;
        let age = Utc::now() - manifest.snapshot_at;
        let rows: u64 = manifest.inventory.tables.iter().filter_map(|table| table.rows).sum();
        let lines = vec![
            format!("backup    {} of database {}, {} h old", manifest.id, database.name, age.num_hours()),
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
        let absent = |wanted: &[String], there: &[String]| -> Vec<String> {
            wanted.iter().filter(|name| !there.contains(name)).cloned().collect()
        };
        let roles = absent(&manifest.inventory.roles, &destination.roles);
        if !roles.is_empty() {
            blockers.push(format!(
                "the target lacks roles that own or may use something: {}; restore globals.sql of this backup first, or create them",
                roles.join(", ")
            ));
        }
        let wanted: Vec<String> =
            manifest.inventory.extensions.iter().map(|extension| extension.name.clone()).collect();
        let extensions = absent(&wanted, &destination.available_extensions);
        if !extensions.is_empty() {
            blockers.push(format!("the target's server lacks extensions: {}; install them", extensions.join(", ")));
        }
        let mut warnings = Vec::new();
        if !destination.is_superuser {
            warnings.push(
                "the login is no superuser: owners, some extensions and event triggers may be refused".to_owned(),
            );
        }
        Self { lines, blockers, warnings, by_hand: by_hand(manifest, destination.is_created) }
    }

    /// # Errors
    /// Everything that stands in the way.
    pub(crate) fn refuse_what_blocks(&self) -> anyhow::Result<()> {
        refuse(&self.blockers)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            writeln!(formatter, "{line}")?;
        }
        for warning in &self.warnings {
            writeln!(formatter, "warning   {warning}")?;
        }
        for sentence in &self.by_hand {
            writeln!(formatter, "by hand   {sentence}")?;
        }
        for blocker in &self.blockers {
            writeln!(formatter, "blocked   {blocker}")?;
        }
        Ok(())
    }
}
