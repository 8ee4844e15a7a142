//! `verify show`: what a backup says of itself.

use std::sync::atomic::AtomicU64;

use anyhow::Context;
use backup_core::private::PrivateDir;
use backup_core::repository::Manifest;
use backup_core::stop::Stop;
use backup_core::text::{Lines, bytes, count, print, print_line};
use backup_drill::{DrillConfig, Evidence, Fetcher, Selector, choose};
use chrono::Utc;

/// Prints the manifest and the archive's table of contents.
///
/// # Errors
/// If there is no such backup, or it cannot be read.
pub(crate) async fn show(config: &DrillConfig, selector: &Selector, stop: &Stop) -> anyhow::Result<()> {
    let chosen = choose(config, selector, stop).await?;
    let folder = PrivateDir::create_in(&config.spool_dir).context("make a folder below VERIFY_SPOOL_DIR")?;
    let counter = AtomicU64::new(0);
    let fetcher = Fetcher {
        repository: &chosen.repository,
        folder: &folder,
        keyring: &config.keyring,
        stop,
        plain_bytes: &counter,
    };
    let mut evidence = Evidence::new(Utc::now());
    let manifest =
        fetcher.manifest(&chosen.choice.backup.id, &mut evidence).await.map_err(|error| error.into_error(&evidence))?;
    print(&describe(&manifest));
    let fetched = fetcher.fetch(manifest, &mut evidence).await;
    let (_, scanned) = fetched.map_err(|error| error.into_error(&evidence))?;
    print_line("");
    print_line(format_args!("table of contents, {} entries", count(scanned.archive.entries.len() as u64)));
    for entry in &scanned.archive.entries {
        print_line(format_args!("  {entry}"));
    }
    Ok(())
}

/// The manifest in lines, with every table and its rows.
fn describe(manifest: &Manifest) -> Lines {
    let database = &manifest.database;
    let mut lines = Lines::default();
    let mut line = |name: &str, value: String| lines.line(format_args!("{name:<12}  {value}"));
    line("backup", format!("{}, {}", manifest.id, manifest.kind));
    line("database", format!("{} on PostgreSQL {}", database.name, database.server_version));
    line("locale", format!("{} {} ({})", database.encoding, database.collate, database.locale_provider));
    line("snapshot", manifest.snapshot_at.format("%Y-%m-%d %H:%M:%S UTC").to_string());
    line("written by", format!("{}, {}", manifest.tool, manifest.pg_dump_version));
    for object in manifest.objects() {
        let digests = &object.digests;
        line("object", format!("{}, {} of {}", object.name, bytes(digests.stored_bytes), bytes(digests.plain_bytes)));
    }
    let codec = &manifest.codec;
    let keys = if codec.key_ids.is_empty() { String::new() } else { format!(" for {}", codec.key_ids.join(", ")) };
    line("encryption", format!("{}{keys}", codec.encryption));
    let inventory = &manifest.inventory;
    let objects = inventory.objects.iter().map(|(kind, number)| format!("{kind} {}", count(*number)));
    line("objects", objects.collect::<Vec<_>>().join(", "));
    let extensions = inventory.extensions.iter().map(|extension| format!("{} {}", extension.name, extension.version));
    line("extensions", extensions.collect::<Vec<_>>().join(", "));
    line("roles", inventory.roles.join(", "));
    for note in &manifest.notes {
        line("note", note.clone());
    }
    lines.line("");
    lines.line(format_args!("{:>14}  {}", "ROWS", "TABLE"));
    for table in &inventory.tables {
        let not_counted = || table.not_counted.clone().unwrap_or_else(|| "?".to_owned());
        let rows = table.rows.map_or_else(not_counted, count);
        lines.line(format_args!("{rows:>14}  {}.{}", table.schema, table.name));
    }
    lines
}
