//! Which backup a drill takes, and what the listing alone says against the whole repository.

use std::time::Duration;

use anyhow::Context;
use backup_core::repository::{
    Backup, BackupId, Catalog, DatabaseSearch, Incomplete, Kind, Layout, ManifestError, RUN_MAY_TAKE, Repository,
    StoredDatabases,
};
use backup_core::stop::Stop;
use backup_core::text::{age, some_of};
use chrono::{DateTime, TimeDelta, Utc};

use crate::config::DrillConfig;
use crate::report::{Check, CheckState, Finding, RECOVERY_POINT};

/// How old the newest backup may be if neither `BACKUP_MAX_AGE` nor its manifest says.
pub const DEFAULT_MAX_AGE: Duration = Duration::from_secs(26 * 3600);

/// A manifest that promises less than this promises nothing.
const MAX_PROMISED_AGE: Duration = Duration::from_secs(366 * 24 * 3600);

/// Number of older backups whose clusters are compared with that of the chosen one.
const MAX_BEFORE: usize = 5;

/// Maximum number of databases, or of runs, that messages name.
const MAX_NAMES: usize = 10;

/// Which backup a drill or a command takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
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
pub struct Chosen {
    /// Where the backup is.
    pub repository: Repository,
    /// Which backup it is.
    pub choice: Choice,
}

/// What to restore, and what is known of it from the listing alone.
#[derive(Debug)]
pub struct Choice {
    /// The backup.
    pub backup: Backup,
    /// The full backups before it, the newest first.
    pub before: Vec<BackupId>,
    /// The newest full backup's age against what is allowed, whichever backup was chosen.
    pub recovery_point: Check,
    /// What is wrong with the repository: a stale newest backup, a newest run that is incomplete. The
    /// backup is drilled nevertheless.
    pub findings: Vec<Finding>,
    /// What a reader of the report should know of the repository.
    pub notes: Vec<String>,
    /// How old the newest full backup may be.
    pub max_age: Duration,
}

/// Why there is nothing to restore.
#[derive(Debug, thiserror::Error)]
pub enum ChooseError {
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
pub async fn choose(config: &DrillConfig, selector: &Selector, stop: &Stop) -> Result<Chosen, ChooseError> {
    let now = Utc::now();
    let repository = repository(config, stop).await?;
    let catalog = stop.or(repository.catalog(now)).await.map_err(ChooseError::Unlisted)?;
    let promised = promised(&repository, &catalog, stop).await?;
    let promised_age = promised.as_ref().and_then(|promised| promised.max_age);
    let max_age = config.backup_max_age.or(promised_age).unwrap_or(DEFAULT_MAX_AGE);
    let running_for = promised.and_then(|promised| promised.run_timeout).unwrap_or(RUN_MAY_TAKE);
    let rules = Rules { now, max_age, running_for, random: rand::random() };
    Ok(Chosen { choice: select(&catalog, selector, &rules)?, repository })
}

/// What `backup` says about its own schedule in a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promised {
    /// The backup whose manifest says it.
    pub by: BackupId,
    /// How old the newest full backup may be.
    pub max_age: Option<Duration>,
    /// How long a run may take.
    pub run_timeout: Option<Duration>,
    /// Bytes of the archive and of the database that it was made of.
    pub sizes: Option<(u64, u64)>,
}

/// Reads it in the manifest of the newest full backup. One that cannot be used promises nothing, and the drill of it
/// says why.
///
/// # Errors
/// If it cannot be read for now, or a stop came first.
pub async fn promised(
    repository: &Repository,
    catalog: &Catalog,
    stop: &Stop,
) -> Result<Option<Promised>, ChooseError> {
    let Some(newest) = catalog.newest(Kind::Full) else { return Ok(None) };
    let read = stop.or(async { Ok(repository.manifest(&newest.id).await) }).await.map_err(ChooseError::Unlisted)?;
    let manifest = match read {
        Ok(manifest) => manifest,
        // Another bound in its place would make a good backup too old.
        Err(ManifestError::Unreadable(error)) if error.is_passing() => {
            return Err(ChooseError::Unlisted(anyhow::Error::from(error).context("read the newest manifest")));
        }
        Err(_) => return Ok(Some(Promised { by: newest.id.clone(), max_age: None, run_timeout: None, sizes: None })),
    };
    let seconds = |seconds: Option<u64>| seconds.map(Duration::from_secs).map(|bound| bound.min(MAX_PROMISED_AGE));
    let (max_age, run_timeout) = (seconds(manifest.max_age_seconds), seconds(manifest.run_timeout_seconds));
    let sizes = Some((manifest.dump.digests.plain_bytes, manifest.database.size_bytes));
    Ok(Some(Promised { by: newest.id.clone(), max_age, run_timeout, sizes }))
}

/// The repository of the database whose backups are meant.
///
/// # Errors
/// If the prefix holds backups of several databases and none was named, or of none at all. With signers, of several
/// databases those count that have a signed manifest.
pub async fn repository(config: &DrillConfig, stop: &Stop) -> Result<Repository, ChooseError> {
    if let Some(database) = &config.source_database {
        return Ok(repository_of(config, database));
    }
    match databases(config, &DatabaseSearch::default(), stop).await?.names.as_slice() {
        [] => {
            let prefix = config.store.open().prefix().clone();
            Err(ChooseError::NoBackup(no_backup(format!("there is no backup under {prefix}"))))
        }
        [only] => Ok(repository_of(config, only)),
        several => Err(ChooseError::Unclear(format!(
            "{} holds backups of {} databases; set VERIFY_SOURCE_DATABASE to one of: {}",
            config.store.open().prefix(),
            several.len(),
            some_of(several, MAX_NAMES) // A writer to the bucket can make any number of folders.
        ))),
    }
}

/// The databases under the prefix that have backups, as `search` finds them.
///
/// # Errors
/// If the bucket cannot be listed, or a stop came first.
pub async fn databases(
    config: &DrillConfig,
    search: &DatabaseSearch,
    stop: &Stop,
) -> Result<StoredDatabases, ChooseError> {
    let store = config.store.open();
    let found = search.find(&config.signers, &store, Utc::now());
    let found = stop.or(async { found.await.context("list databases") }).await;
    found.map_err(ChooseError::Unlisted)
}

/// The repository of `database`.
pub fn repository_of(config: &DrillConfig, database: &str) -> Repository {
    let store = config.store.open();
    let layout = Layout::new(store.prefix().clone(), database).trusting(config.signers.clone());
    Repository::new(store, layout)
}

/// What a choice depends on besides the listing.
struct Rules {
    now: DateTime<Utc>,
    max_age: Duration,
    running_for: Duration,
    random: u64,
}

fn select(catalog: &Catalog, selector: &Selector, rules: &Rules) -> Result<Choice, ChooseError> {
    let newest = catalog.newest(Kind::Full);
    let (backup, mut notes) = match selector {
        Selector::Named(id) => named(catalog, id)?,
        selector => (by_rule(catalog, selector, rules.random)?.clone(), Vec::new()),
    };
    notes.extend(of_the_future(catalog));
    let mut findings = Vec::new();
    let mut recovery_point = recovery_point(newest, rules, &mut findings);
    let complaints = catalog.incomplete.iter().filter_map(|run| Some((run, complaint(run, rules)?)));
    for (run, message) in complaints.take(MAX_NAMES) {
        if newest.is_none_or(|newest| run.id > newest.id) {
            recovery_point.state = CheckState::Failed;
            findings.push(Finding { check: RECOVERY_POINT, message });
        } else if run.lost_its_data {
            notes.push(message);
        }
    }
    let before = catalog.backups.iter().filter(|one| one.kind == Kind::Full && one.id < backup.id);
    let before = before.take(MAX_BEFORE).map(|one| one.id.clone()).collect();
    Ok(Choice { backup, before, recovery_point, findings, notes, max_age: rules.max_age })
}

/// Notes of backups that are dated in the future, the first of them by name.
fn of_the_future(catalog: &Catalog) -> Vec<String> {
    let future = &catalog.from_the_future;
    let note = |backup: &Backup| {
        format!("{} is dated in the future and does not count as the newest; was a clock wrong?", backup.id)
    };
    let more = future.len().saturating_sub(MAX_NAMES);
    let rest = (more > 0).then(|| format!("and {more} more are dated in the future"));
    future.iter().take(MAX_NAMES).map(note).chain(rest).collect()
}

fn by_rule<'catalog>(
    catalog: &'catalog Catalog,
    selector: &Selector,
    random: u64,
) -> Result<&'catalog Backup, ChooseError> {
    let full: Vec<&Backup> = catalog.backups.iter().filter(|backup| backup.kind == Kind::Full).collect();
    let any_of = |candidates: &[&'catalog Backup]| {
        let index = random.checked_rem(candidates.len() as u64)?;
        candidates.get(usize::try_from(index).ok()?).copied()
    };
    let chosen = match selector {
        Selector::Oldest => full.last().copied(),
        Selector::Random => any_of(&full),
        Selector::Older => full.get(1..).and_then(any_of).or(full.first().copied()),
        Selector::Newest | Selector::Named(_) => full.first().copied(),
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
    let running_for = TimeDelta::from_std(run.may_take.unwrap_or(rules.running_for)).unwrap_or(TimeDelta::MAX);
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
