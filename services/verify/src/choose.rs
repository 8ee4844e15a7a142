//! Which backup a drill takes, and what the listing alone says against the whole repository.

use std::time::Duration;

use anyhow::Context;
use backup_core::repository::{Backup, BackupId, Catalog, Incomplete, Kind, Layout, ManifestError, Repository};
use backup_core::stop::Stop;
use backup_core::text::age;
use chrono::{DateTime, TimeDelta, Utc};

use crate::config::TargetConfig;
use crate::report::{Check, CheckState, Finding, RECOVERY_POINT};

/// A run without a manifest that began less than this ago may still be going on, unless the newest manifest says how
/// long a run may take: the default of `BACKUP_TIMEOUT`.
const RUNNING_FOR: Duration = Duration::from_secs(6 * 3600);

/// How old the newest backup may be if neither `BACKUP_MAX_AGE` nor its manifest says.
pub(crate) const DEFAULT_MAX_AGE: Duration = Duration::from_secs(26 * 3600);

/// A manifest that promises less than this promises nothing.
const LONGEST_MAX_AGE: Duration = Duration::from_secs(366 * 24 * 3600);

/// Number of older backups whose clusters are compared with that of the chosen one.
const MAX_BEFORE: usize = 5;

/// Maximum number of databases that a message names.
const NAMES_SHOWN: usize = 10;

/// Which backup is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The newest committed full one.
    Newest,
    /// The oldest full one.
    Oldest,
    /// Any full one.
    Random,
    /// Any full one but the newest, if there is another.
    Older,
    /// This one, full or partial.
    Named(BackupId),
}

/// What to restore, and from where.
pub(crate) struct Chosen {
    pub(crate) repository: Repository,
    pub(crate) choice: Choice,
}

/// What to restore, and what is known of it from the listing alone.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) backup: Backup,
    /// The full backups before it, the newest first.
    pub(crate) before: Vec<BackupId>,
    /// The newest full backup's age against what is allowed, whichever backup was chosen.
    pub(crate) recovery_point: Check,
    /// What is wrong with the repository: a stale newest backup, a newest run that is incomplete. The
    /// backup is drilled nevertheless.
    pub(crate) findings: Vec<Finding>,
    pub(crate) notes: Vec<String>,
    /// How old the newest full backup may be.
    pub(crate) max_age: Duration,
}

/// Why there is nothing to restore.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChooseError {
    /// The bucket answers and holds no such backup: a finding, not an idle green.
    #[error("{}", .0.message)]
    NoBackup(Finding),
    /// Which one is meant cannot be known, or is not there.
    #[error("{0}")]
    Unclear(String),
    /// The bucket cannot be listed, or a stop came first.
    #[error("list the bucket")]
    Unlisted(#[source] anyhow::Error),
}

/// Lists the bucket and chooses.
///
/// # Errors
/// [`ChooseError`]; whether a stop was the reason is for the caller to ask `stop`.
pub(crate) async fn choose(config: &TargetConfig, wanted: &Wanted, stop: &Stop) -> Result<Chosen, ChooseError> {
    let now = Utc::now();
    let repository = repository(config, stop).await?;
    let catalog = stop.or(repository.catalog(now)).await.map_err(ChooseError::Unlisted)?;
    let promised = promised(&repository, &catalog, stop).await?;
    let max_age = config.backup_max_age.or(promised.max_age).unwrap_or(DEFAULT_MAX_AGE);
    let running_for = promised.run_timeout.unwrap_or(RUNNING_FOR);
    let rules = Rules { now, max_age, running_for, random: rand::random() };
    Ok(Chosen { choice: select(&catalog, wanted, &rules)?, repository })
}

/// What `backup` says about its own schedule.
#[derive(Default)]
struct Promised {
    max_age: Option<Duration>,
    run_timeout: Option<Duration>,
}

/// Reads it in the manifest of the newest full backup. One that cannot be used promises nothing, and the drill of it
/// says why; one that cannot be read for now is an error.
async fn promised(repository: &Repository, catalog: &Catalog, stop: &Stop) -> Result<Promised, ChooseError> {
    let Some(newest) = catalog.newest(Kind::Full) else { return Ok(Promised::default()) };
    let read = stop.or(async { Ok(repository.manifest(&newest.id).await) }).await.map_err(ChooseError::Unlisted)?;
    let manifest = match read {
        Ok(manifest) => manifest,
        // Another bound in its place would make a good backup too old.
        Err(ManifestError::Unreadable(error)) if error.is_passing() => {
            return Err(ChooseError::Unlisted(anyhow::Error::from(error).context("read the newest manifest")));
        }
        Err(_) => return Ok(Promised::default()),
    };
    let seconds = |seconds: Option<u64>| seconds.map(Duration::from_secs).map(|bound| bound.min(LONGEST_MAX_AGE));
    Ok(Promised { max_age: seconds(manifest.max_age_seconds), run_timeout: seconds(manifest.run_timeout_seconds) })
}

/// The repository of the database whose backups are meant.
///
/// # Errors
/// If the prefix holds backups of several databases and none was named, or of none at all. With signers, of several
/// databases those count that have a signed manifest.
pub(crate) async fn repository(config: &TargetConfig, stop: &Stop) -> Result<Repository, ChooseError> {
    let store = config.process.store.open();
    let prefix = store.prefix().clone();
    let layout = |database: &str| Layout::new(prefix.clone(), database).trusting(config.signers.clone());
    if let Some(database) = &config.source_database {
        return Ok(Repository::new(store, layout(database)));
    }
    let names = Repository::databases_signed_by(&config.signers, &store, Utc::now());
    let listed = stop.or(async { names.await.context("list databases") }).await;
    match listed.map_err(ChooseError::Unlisted)?.as_slice() {
        [] => Err(ChooseError::NoBackup(no_backup(format!("there is no backup under {prefix}")))),
        [only] => Ok(Repository::new(store, layout(only))),
        several => Err(ChooseError::Unclear(format!(
            "{prefix} holds backups of {} databases; set VERIFY_SOURCE_DATABASE to one of: {}",
            several.len(),
            some_of(several)
        ))),
    }
}

/// Names for a message, as many as a person reads: a writer to the bucket can make any number of folders.
fn some_of(names: &[String]) -> String {
    let shown = names.iter().take(NAMES_SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES_SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// What a choice depends on besides the listing.
struct Rules {
    now: DateTime<Utc>,
    max_age: Duration,
    running_for: Duration,
    random: u64,
}

fn select(catalog: &Catalog, wanted: &Wanted, rules: &Rules) -> Result<Choice, ChooseError> {
    let newest = catalog.newest(Kind::Full);
    let (backup, mut notes) = match wanted {
        Wanted::Named(id) => named(catalog, id)?,
        wanted => (by_rule(catalog, wanted, rules.random)?.clone(), Vec::new()),
    };
    notes.extend(catalog.from_the_future.iter().map(|backup| {
        format!("{} is dated in the future and does not count as the newest; was a clock wrong?", backup.id)
    }));
    let mut findings = Vec::new();
    let mut recovery_point = recovery_point(newest, rules, &mut findings);
    for run in &catalog.incomplete {
        let is_newest = newest.is_none_or(|newest| run.id > newest.id);
        match complaint(run, rules) {
            Some(message) if is_newest => {
                recovery_point.state = CheckState::Failed;
                findings.push(Finding { check: RECOVERY_POINT, message });
            }
            Some(message) if run.lost_its_data => notes.push(message),
            _ => {}
        }
    }
    let before = catalog.backups.iter().filter(|one| one.kind == Kind::Full && one.id < backup.id);
    let before = before.take(MAX_BEFORE).map(|one| one.id.clone()).collect();
    Ok(Choice { backup, before, recovery_point, findings, notes, max_age: rules.max_age })
}

fn by_rule<'catalog>(
    catalog: &'catalog Catalog,
    wanted: &Wanted,
    random: u64,
) -> Result<&'catalog Backup, ChooseError> {
    let full: Vec<&Backup> = catalog.backups.iter().filter(|backup| backup.kind == Kind::Full).collect();
    let any_of = |candidates: &[&'catalog Backup]| {
        let index = random.checked_rem(candidates.len() as u64)?;
        candidates.get(usize::try_from(index).ok()?).copied()
    };
    let chosen = match wanted {
        Wanted::Oldest => full.last().copied(),
        Wanted::Random => any_of(&full),
        Wanted::Older => full.get(1..).and_then(any_of).or(full.first().copied()),
        Wanted::Newest | Wanted::Named(_) => full.first().copied(),
    };
    chosen.ok_or_else(|| {
        ChooseError::NoBackup(no_backup(format!(
            "there is no full backup: {} partial, {} dated in the future, {} runs without a manifest or without data",
            catalog.backups.len(),
            catalog.from_the_future.len(),
            catalog.incomplete.len()
        )))
    })
}

/// A backup that was asked for by its id, of any kind.
fn named(catalog: &Catalog, id: &BackupId) -> Result<(Backup, Vec<String>), ChooseError> {
    let committed = catalog.backups.iter().chain(&catalog.from_the_future).find(|backup| backup.id == *id);
    if let Some(backup) = committed {
        let note = format!("{id} is a partial backup: what its options left out is not proven");
        return Ok((backup.clone(), if backup.kind == Kind::Partial { vec![note] } else { Vec::new() }));
    }
    match catalog.incomplete.iter().find(|run| run.id == *id) {
        Some(run) if run.lost_its_data => Err(ChooseError::NoBackup(no_backup(lost_its_data(run)))),
        Some(_) => {
            Err(ChooseError::Unclear(format!("{id} is not a backup: it has no manifest, so it is running or died")))
        }
        None => Err(ChooseError::Unclear(format!("there is no backup {id}"))),
    }
}

fn recovery_point(newest: Option<&Backup>, rules: &Rules, findings: &mut Vec<Finding>) -> Check {
    let allowed = TimeDelta::from_std(rules.max_age).unwrap_or(TimeDelta::MAX);
    let (state, figures) = match newest {
        None => (CheckState::Failed, "there is no full backup".to_owned()),
        Some(newest) => {
            let old = rules.now - newest.id.time();
            let state = if old > allowed { CheckState::Failed } else { CheckState::Passed };
            (state, format!("the newest full backup, {}, is {} old; {} allowed", newest.id, age(old), age(allowed)))
        }
    };
    if state == CheckState::Failed {
        findings.push(Finding { check: RECOVERY_POINT, message: figures.clone() });
    }
    Check { name: RECOVERY_POINT, state, figures }
}

/// What is wrong with a run that is no backup; `None` if it may still be going on.
fn complaint(run: &Incomplete, rules: &Rules) -> Option<String> {
    let old = rules.now - run.id.time();
    let running_for = TimeDelta::from_std(rules.running_for).unwrap_or(TimeDelta::MAX);
    match run.lost_its_data {
        true => Some(lost_its_data(run)),
        false if old > running_for => {
            Some(format!("the newest run, {}, is incomplete: it began {} ago and has no manifest", run.id, age(old)))
        }
        false => None,
    }
}

fn lost_its_data(run: &Incomplete) -> String {
    format!("{} has lost its data: its manifest is alone", run.id)
}

fn no_backup(message: String) -> Finding {
    Finding { check: RECOVERY_POINT, message }
}

#[cfg(test)]
mod tests;
