//! `verify list`: what the bucket holds, each backup with its last verdict that is known there.

use anyhow::Context;
use backup_core::repository::{Layout, Repository};
use backup_core::stop::Stop;
use backup_core::text::{Lines, print, print_json, print_line};
use backup_drill::DrillConfig;
use chrono::Utc;
use serde_json::json;

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// For a person.
    Table,
    Json,
}

/// Prints the backups of the configured database, or of every one under the prefix.
///
/// # Errors
/// If the bucket cannot be listed completely, or a stop comes first.
pub(crate) async fn list(config: &DrillConfig, format: Format, stop: &Stop) -> anyhow::Result<()> {
    let store = config.store.open();
    let names = match &config.source_database {
        Some(name) => vec![name.clone()],
        None => stop.or(async { Repository::databases(&store, Utc::now()).await.context("list databases") }).await?,
    };
    let mut values = Vec::new();
    for name in &names {
        let repository = Repository::new(config.store.open(), Layout::new(store.prefix().clone(), name));
        let now = Utc::now();
        let catalog = stop.or(repository.catalog(now)).await?;
        match format {
            Format::Json => values.push(json!({ "database": name, "catalog": catalog.to_json() })),
            Format::Table => {
                let mut lines = Lines::of(format_args!("database {name}"));
                lines.append(&catalog.to_table(now));
                lines.line("");
                print(&lines);
            }
        }
    }
    match format {
        Format::Json => print_json(&serde_json::Value::Array(values)),
        Format::Table if names.is_empty() => print_line("no backup"),
        Format::Table => {}
    }
    Ok(())
}
