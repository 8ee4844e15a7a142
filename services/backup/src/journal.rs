//! What a run writes down in the names of empty objects, for runs and operators after it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use backup_core::postgres::connect::Session;
use backup_core::repository::{
    Author, Backup, BackupId, Catalog, ClusterTag, DatabaseFacts, Event, EventKind, Kind, MAX_EVENTS, RecordKey,
    Repository, Word,
};
use backup_core::stop::{Share, Stop};
use backup_daemon::schedule::Occasion;
use backup_daemon::{AlarmCode, FailedBefore, PutLine, Remembered, is_restart_loop};
use chrono::{DateTime, TimeDelta, Utc};

use crate::config::{BackupConfig, TargetConfig};
use crate::failure::FailureClass;
use crate::run_report::{Outcome, RunReport};
use crate::shrink::judge;
use crate::status::newest_by;

/// Events that are deleted at a time if there are too many of them.
const MAX_FORGOTTEN: usize = 100;

/// How long a run may take to end after `BACKUP_TIMEOUT`, differences between clocks included.
const LONGEST_CLEAN_UP: Duration = Duration::from_secs(600);

/// How long a process waits at its end for its last line.
const LAST_LINE: Duration = Duration::from_secs(5);

/// What is written down of a run that made no backup, in a daemon or alone in its process, before whose start a run had
/// `failed_before`. A restart loop adds no more than one line a minute.
pub(crate) fn ending_of(
    report: &RunReport,
    occasion: Occasion,
    failed_before: Option<DateTime<Utc>>,
) -> Option<EventKind> {
    let is_loop = failed_before.is_some_and(|at| is_restart_loop(at, report.ended_at));
    match (report.outcome, report.class) {
        (Outcome::Failed, Some(class)) if !is_loop => {
            Some(EventKind::BackupFailed { class: Word::of(class.into()), again: occasion == Occasion::MakeUp })
        }
        (Outcome::Stopped, _) => Some(EventKind::BackupStopped),
        _ => None,
    }
}

/// Writes down how the only run of a process ended, within a bound. Nothing becomes of it if the store refuses: the run
/// has failed anyway, and its reason is what counts.
pub(crate) async fn write_ending(config: &TargetConfig, report: &RunReport, stop: &Stop) {
    if report.class.is_some_and(FailureClass::is_of_bucket) {
        return;
    }
    let written = async {
        let (repository, now) = (config.repository(), Utc::now());
        let catalog = repository.catalog(now).await?;
        let failed_before = Failures::since_newest(&catalog, config.dump.kind(), now).last_at;
        if let Some(kind) = ending_of(report, Occasion::Tick(report.started_at), failed_before) {
            repository.record(&Event { id: BackupId::new(report.ended_at), kind }).await?;
        }
        // If every run fails, no retention does it, and no daemon.
        forget(&repository, &catalog, stop).await;
        anyhow::Ok(())
    };
    let bounded = async { tokio::time::timeout(LAST_LINE, written).await.context("the store does not answer")? };
    if let Err(error) = stop.or_within(Share::CleanUp, bounded).await {
        tracing::debug!(error = format!("{error:#}"), "cannot write down how the run ended");
    }
}

/// What writes lines of the journal while the daemon runs.
pub(crate) fn put_line(config: Arc<BackupConfig>) -> PutLine {
    Arc::new(move |database, id, line| {
        let config = Arc::clone(&config);
        Box::pin(async move {
            let Some(name) = database.name() else { return Ok(()) };
            let target = config.target(name);
            backup_daemon::put_line(&target.repository(), &record_key(&target), id, line).await
        })
    })
}

fn record_key(config: &TargetConfig) -> RecordKey {
    RecordKey::of(&config.process.store.record_secret)
}

/// What the journal tells of runs that have failed since the newest backup.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Failures {
    /// Those in a row, without those that made up for another one.
    pub(crate) in_a_row: u32,
    /// When the first one failed that is known.
    pub(crate) first_at: Option<DateTime<Utc>>,
    /// When the last one failed.
    pub(crate) last_at: Option<DateTime<Utc>>,
    /// Its class; `None` if this version does not know it.
    pub(crate) last_class: Option<FailureClass>,
    /// Whether the last run that came to know says that the database does not exist.
    pub(crate) is_database_missing: bool,
}

impl Failures {
    /// Of runs that make backups of this kind.
    pub(crate) fn since_newest(catalog: &Catalog, kind: Kind, now: DateTime<Utc>) -> Self {
        let newest = newest_by(catalog, kind, now).map(Backup::moment);
        let mut failures = Self::default();
        let exists = |event: &Event| match &event.kind {
            EventKind::BackupFailed { class, .. } => FailureClass::named(class.as_str())?.database_exists(),
            // It is written down once the database has answered.
            EventKind::BackupStarted { .. } => Some(true),
            _ => None,
        };
        failures.is_database_missing = catalog.journal.events_since(newest, now).find_map(exists) == Some(false);
        for event in catalog.journal.events_since(newest, now) {
            let EventKind::BackupFailed { class, again } = &event.kind else { continue };
            failures.in_a_row += u32::from(!again);
            failures.first_at = Some(event.id.time()); // The newest event is the first that is read.
            if failures.last_at.is_none() {
                failures.last_at = Some(event.id.time());
                failures.last_class = FailureClass::named(class.as_str());
            }
        }
        // An outage is one failure, also if its first run is not in the journal any more.
        failures.in_a_row = failures.in_a_row.max(u32::from(failures.last_at.is_some()));
        failures
    }

    /// With runs that were killed, which have left no line about their end. A kill between two ticks repeats one before it.
    pub(crate) fn with_killed(mut self, catalog: &Catalog, config: &TargetConfig, now: DateTime<Utc>) -> Self {
        let killed = killed(catalog, config, now);
        self.in_a_row = self.in_a_row.saturating_add(u32::try_from(killed.len()).unwrap_or(u32::MAX));
        self.first_at = killed.first().copied().into_iter().chain(self.first_at).min();
        if let Some(last) = killed.last().filter(|last| Some(**last) > self.last_at) {
            (self.last_at, self.last_class) = (Some(*last), Some(FailureClass::Killed));
        }
        self
    }

    /// What is known of the last one, for a person.
    pub(crate) fn reason(&self) -> String {
        let class = self.last_class.map_or("unknown", <&str>::from);
        format!("{class} (before a restart, whose log has the whole reason)")
    }
}

/// When runs began that were killed since the newest backup, the newest last.
///
/// A start does not say of which run it is: each attempt has its own, and a run of another process may still go on. So
/// those between two ticks count as one run, which was killed if a later one has begun at a tick, if there are more
/// starts than a run has attempts, or if it began longer ago than a run may take.
fn killed(catalog: &Catalog, config: &TargetConfig, now: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    let newest = [Kind::Full, Kind::Partial].into_iter().filter_map(|kind| newest_by(catalog, kind, now));
    let newest = newest.max_by_key(|backup| backup.id.time()).map(Backup::moment);
    let mut events: Vec<&Event> = catalog.journal.events_since(newest, now).collect();
    // A run that fails in the second in which it began has its start first.
    events.sort_by_key(|event| (event.id.time(), !matches!(event.kind, EventKind::BackupStarted { .. })));
    let is_tick_between = |one, other| config.timing.schedule.is_due(Some(one), other);
    let (mut killed, mut open, mut failed_at) = (Vec::new(), None, None);
    for event in events {
        let at = event.id.time();
        match (&event.kind, &mut open) {
            (EventKind::BackupFailed { .. } | EventKind::BackupStopped, _) => (open, failed_at) = (None, Some(at)),
            (EventKind::BackupStarted { .. }, Some((began, _))) if is_tick_between(*began, at) => {
                killed.push(*began);
                open = Some((at, 1));
            }
            (EventKind::BackupStarted { .. }, Some((_, starts))) => *starts += 1,
            // It repeats one that has failed.
            (EventKind::BackupStarted { .. }, None) if failed_at.is_some_and(|failed| !is_tick_between(failed, at)) => {
            }
            (EventKind::BackupStarted { .. }, None) => open = Some((at, 1)),
            _ => {}
        }
    }
    let longest = config.timing.run_timeout.saturating_add(LONGEST_CLEAN_UP);
    let longest = TimeDelta::from_std(longest).unwrap_or(TimeDelta::MAX);
    let is_killed = |began, starts| starts > config.process.retry.attempts || now - began > longest;
    killed.extend(open.filter(|(began, starts)| is_killed(*began, *starts)).map(|(began, _)| began));
    killed
}

/// What the daemon has to know over a restart.
pub(crate) fn remembered(
    config: &TargetConfig,
    catalog: &Catalog,
    repository: &Repository,
    failures: &Failures,
) -> Remembered {
    let (layout, key) = (repository.layout(), record_key(config));
    let mut remembered = Remembered::read(&catalog.journal, layout, &key, Author::Backup, Utc::now());
    remembered.failed_before = failures.last_at.map(|at| FailedBefore {
        code: AlarmCode::Failing,
        since: failures.first_at.unwrap_or(at),
        at,
        class: failures.last_class.map(Into::into),
        reason: format!("the last run failed: {}", failures.reason()),
        what_to_do: failures.last_class.and_then(FailureClass::what_to_do),
    });
    remembered
}

/// Deletes what the journal has too much of: as long as every run fails, no retention does it.
pub(crate) async fn forget(repository: &Repository, catalog: &Catalog, stop: &Stop) {
    if catalog.journal.count() <= MAX_EVENTS {
        return;
    }
    for key in catalog.outdated_events(Utc::now()).iter().take(MAX_FORGOTTEN) {
        if let Err(error) = stop.or(async { Ok(repository.store().delete(key).await?) }).await {
            tracing::debug!(error = format!("{error:#}"), "cannot delete an old event");
            return;
        }
    }
}

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
    run_timeout: Duration,
) -> anyhow::Result<()> {
    let cluster = facts.system_identifier.as_deref().map(ClusterTag::of);
    let tables = Some(count_tables(session).await.context("count tables")?);
    let max_seconds = Some(run_timeout.as_secs());
    let event = Event { id: id.clone(), kind: EventKind::BackupStarted { cluster, tables, max_seconds } };
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

#[cfg(test)]
mod tests;
