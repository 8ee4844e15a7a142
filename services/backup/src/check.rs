//! `backup check`: whether a run would succeed, and what its dump would not contain.

use backup_core::postgres::refuse_outdated;
use backup_core::repository::{BackupId, Role};
use backup_core::storage::{Deletion, Purpose};
use backup_core::text::{Lines, bytes, print};
use chrono::Utc;

use crate::config::TargetConfig;
use crate::encryption;
use crate::sizing;
use crate::source::Source;

/// A line of the report, or an error with its hint.
macro_rules! say {
    ($($part:tt)*) => {{
        let mut lines = Lines::default();
        lines.error(format_args!($($part)*));
        print(&lines);
    }};
}

/// Prints the report; returns whether a run would succeed.
pub(crate) async fn check(config: &TargetConfig) -> bool {
    say!("configuration: valid");
    for warning in &config.process.warnings {
        say!("  note: {warning}");
    }
    let upcoming: Vec<String> =
        config.timing.schedule.upcoming(5, Utc::now()).iter().map(|at| in_zone(config, *at)).collect();
    say!("schedule: {}", config.timing.schedule);
    for (index, at) in upcoming.iter().enumerate() {
        say!("{} {at}", if index == 0 { "  next:" } else { "       " });
    }
    let encryption = check_encryption(config).await;
    let tools = check_tools(config).await;
    let database = check_database(config).await;
    let bucket = check_bucket(config).await;
    let good = encryption && tools && database && bucket;
    say!("{}", if good { "a backup would succeed" } else { "a backup would FAIL" });
    good
}

fn in_zone(config: &TargetConfig, at: chrono::DateTime<Utc>) -> String {
    let zone = config.timing.schedule.time_zone();
    format!("{} ({} {zone})", at.format("%Y-%m-%d %H:%M UTC"), at.with_timezone(&zone).format("%H:%M"))
}

async fn check_encryption(config: &TargetConfig) -> bool {
    match encryption::check(&config.dump.codec.encryption, config.signing_key.as_ref()).await {
        Ok(tried) => {
            say!("encryption: {tried}");
            true
        }
        Err(error) => {
            say!("encryption: FAILED: {}", config.process.scrubber.scrub(&format!("{error:#}")));
            false
        }
    }
}

/// Whether a run would be refused for holes in its tools.
async fn check_tools(config: &TargetConfig) -> bool {
    let outdated =
        refuse_outdated(config.process.bin_dir.as_deref().map(AsRef::as_ref), config.process.outdated_tools).await;
    if let Err(error) = &outdated {
        say!("tools: FAILED: {error}");
    }
    outdated.is_ok()
}

async fn check_database(config: &TargetConfig) -> bool {
    let source = match Source::inspect(config).await {
        Ok(source) => source,
        Err(error) => {
            say!("database: FAILED: {}", config.process.scrubber.scrub(&format!("{error:#}")));
            return false;
        }
    };
    let facts = &source.facts;
    say!(
        "database: {} on PostgreSQL {}, {}, {} {}",
        facts.name,
        facts.server_version,
        bytes(facts.size_bytes),
        facts.encoding,
        facts.collate
    );
    say!("tools: {} in {}", source.tools.version, source.tools.folder.display());
    for blocker in source.findings.unreadable.iter().chain(&source.findings.blockers) {
        say!("  FAILED: {blocker}");
    }
    let memory = check_memory(config, &source).await;
    for option in &config.dump.options.narrowing {
        say!("  note: PG_DUMP_OPTIONS has {option}: the backup is partial and never counts as fresh");
    }
    for gap in &source.findings.gaps {
        say!("  note: {gap}");
    }
    for note in source.findings.notes.iter().map(String::as_str).chain(source.in_the_clear) {
        say!("  note: {note}");
    }
    let readable = source.findings.unreadable.is_empty();
    readable && memory && (source.findings.blockers.is_empty() || !config.dump.options.narrowing.is_empty())
}

/// Whether the parts of an upload fit into the memory that there is.
async fn check_memory(config: &TargetConfig, source: &Source) -> bool {
    match sizing::plan_by_tables(config, source).await {
        Ok((plan, warning)) => {
            say!("memory: up to {} for parts of {}", bytes(plan.parts_bytes()), bytes(plan.part_bytes as u64));
            if let Some(warning) = warning {
                say!("  note: {warning}");
            }
            true
        }
        Err(error) => {
            say!("memory: FAILED: {error}");
            false
        }
    }
}

/// Lists, and stores and deletes a small object under the key of a run that never commits.
async fn check_bucket(config: &TargetConfig) -> bool {
    let repository = config.repository();
    let store = repository.store();
    let name = format!("{}/{}", config.process.store.bucket, store.prefix());
    let backups = match repository.catalog(Utc::now()).await {
        Ok(catalog) => catalog.backups.len(),
        Err(error) => {
            say!("bucket: {name} FAILED: {}", config.process.scrubber.scrub(&format!("{error:#}")));
            return false;
        }
    };
    say!("bucket: {name}, {backups} backups of this database");
    let key = repository.layout().key(&BackupId::new(Utc::now()), &Role::Globals { suffix: "" });
    if let Err(error) = store.put_new(&key, "probe of backup check\n".into(), Purpose::Note).await {
        say!("  FAILED: cannot store an object: {error}");
        return false;
    }
    match store.delete(&key).await {
        Ok(Deletion::Gone) => {}
        Ok(Deletion::Hidden) => say!("  note: {}", crate::prune::hidden_note(config.process.store.is_b2())),
        Err(error) => say!("  note: cannot delete an object, so retention will not work: {error}"),
    }
    true
}
