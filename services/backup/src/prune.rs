//! Retention at work: a listing, a plan, and its deletions. `backup` may not read, so keys and
//! sizes are all that it decides by.

mod deleter;
mod lock;
mod preview;
mod signed;

use std::collections::BTreeSet;
use std::time::Duration;

use backup_core::repository::{Backup, BackupId, Catalog, Event, EventKind, Incomplete, Kind, Manifest, Repository};
use backup_core::stop::Stop;
use backup_core::storage::{Clock, ObjectKey, Store};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use crate::clusters::another;
use crate::config::TargetConfig;
use crate::prune::deleter::Deleter;
use crate::prune::lock::PruneLock;
pub(crate) use crate::prune::preview::preview;
use crate::retention::{Authority, Candidate, Line, PrunePlan, Refusal, RetentionPolicy, Verdict, plan};
use crate::said_once::SaidOnce;
use crate::shrink::{SizeRule, Sizes, accepted, judge};
use crate::standing::{Standing, StandingRule, standings};
use crate::timing::Timing;

/// A run without a manifest may still be going on somewhere; after a day, and after twice the bound
/// of a run, it counts as abandoned.
const ABANDONED_AFTER: TimeDelta = TimeDelta::days(1);

/// Bound of writing down that retention could not do its work.
const RECORD_TIMEOUT: Duration = Duration::from_secs(30);

/// The age from which on a run without a manifest counts as abandoned.
pub(crate) fn abandoned_after(run_timeout: Duration) -> TimeDelta {
    let run_timeout = TimeDelta::from_std(run_timeout).unwrap_or(TimeDelta::MAX);
    ABANDONED_AFTER.max(run_timeout * 2)
}

/// Retention with the authority of a run that has just committed. Its failure is not the run's:
/// the backup exists. It has as long as a run, so that a bucket that hangs delays the next one no more.
pub(crate) async fn after_commit(
    (config, said): (&TargetConfig, &SaidOnce),
    stop: &Stop,
    manifest: &Manifest,
) -> RetentionState {
    let authority = Authority::Committed(manifest.id.to_string());
    let bounded = stop.bounded(config.timing.run_timeout, "BACKUP_TIMEOUT");
    let state = match bounded.stop.or(apply_retention(config, &authority)).await {
        Ok(Applied::LeftToAnother) => {
            tracing::info!("retention is left to another process, which prunes the same backups right now");
            RetentionState { left_to_another: true, ..RetentionState::default() }
        }
        Ok(Applied::Refused(refusal)) if refusal.is_degradation() => degraded(refusal.to_string()),
        Ok(Applied::Refused(refusal)) => {
            let refused = Some(refusal.to_string());
            tracing::warn!(refused, "retention deleted nothing; the backup is committed, old ones pile up");
            RetentionState { refused, ..RetentionState::default() }
        }
        Ok(Applied::Done(pruned)) => of_pruned(config, said, pruned),
        Err(error) => degraded(config.process.scrubber.scrub(&format!("{error:#}")).into_owned()),
    };
    if state.why_not_done().is_some() && stop.reason().is_none() {
        record_degradation(config, manifest).await;
    }
    state
}

fn of_pruned(config: &TargetConfig, said: &SaidOnce, mut pruned: Pruned) -> RetentionState {
    tracing::info!(kept = pruned.kept_backups, deleted = pruned.deleted_backups, "retention done");
    if let Some(note) = pruned.note {
        said.hidden_deletions.call_once(|| tracing::info!("{note}"));
    }
    pruned.blocked = pruned.blocked.map(|words| config.process.scrubber.scrub(&words).into_owned());
    let state = pruned.blocked.clone().map(degraded).unwrap_or_default();
    RetentionState { pruned: Some(pruned), ..state }
}

fn degraded(words: String) -> RetentionState {
    tracing::warn!(error = words, "retention did not finish; the backup is committed, old ones pile up");
    RetentionState { degraded: Some(words), ..RetentionState::default() }
}

/// Writes it down, so that a state that lasts is known after a restart, too.
async fn record_degradation(config: &TargetConfig, manifest: &Manifest) {
    let event = Event { id: manifest.id.clone(), kind: EventKind::RetentionDegraded };
    let repository = config.repository();
    match tokio::time::timeout(RECORD_TIMEOUT, repository.record(&event)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "cannot write down that retention did not finish"),
        Err(_) => tracing::warn!("cannot write down that retention did not finish: the store does not answer"),
    }
}

/// What became of retention.
enum Applied {
    Done(Pruned),
    Refused(Refusal),
    /// Another process is at it.
    LeftToAnother,
}

async fn apply_retention(config: &TargetConfig, authority: &Authority) -> anyhow::Result<Applied> {
    let Some(_lock) = PruneLock::claim(config).await? else { return Ok(Applied::LeftToAnother) };
    let repository = config.repository();
    let prepared = Prune::prepare(config, &repository, authority, Utc::now()).await?;
    Ok(match prepared.apply(config, repository.store()).await {
        Ok(pruned) => Applied::Done(pruned),
        Err(refusal) => Applied::Refused(refusal),
    })
}

/// What retention would do, and what it stands on.
pub(crate) struct Prune {
    pub(crate) plan: PrunePlan,
    pub(crate) incomplete: Vec<Incomplete>,
    catalog: Catalog,
    outdated_events: Vec<ObjectKey>,
}

/// What retention did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Pruned {
    pub(crate) kept_backups: usize,
    pub(crate) deleted_backups: usize,
    pub(crate) deleted_bytes: u64,
    pub(crate) deferred_backups: usize,
    pub(crate) deleted_incomplete: usize,
    /// Backups that were written at another time than their ids say, and take no place from others.
    pub(crate) backups_of_another_time: usize,
    /// What could not be deleted, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) blocked: Option<String>,
    /// What the bucket makes of deletions, if that is not what one would expect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<&'static str>,
}

/// What became of retention after a run.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct RetentionState {
    #[serde(flatten)]
    pub(crate) pruned: Option<Pruned>,
    /// Why retention could not do its work. The backups are fine; old ones pile up.
    pub(crate) degraded: Option<String>,
    /// Why it deleted nothing on purpose.
    pub(crate) refused: Option<String>,
    /// Whether another process was pruning the same backups at that moment.
    pub(crate) left_to_another: bool,
}

/// What it means if that lasts.
const LEFT_TO_ANOTHER: &str = "another session of the database's server holds the lock of retention: stop other processes of \
    `backup` for this database, or find the session in pg_locks (locktype 'advisory') and end it";

impl RetentionState {
    /// Why what had to be deleted may still be there. That another process prunes may be once; one that only holds the lock
    /// keeps retention away for as long as it likes, so it is written down as a failure of deletions is.
    pub(crate) fn why_not_done(&self) -> Option<&str> {
        self.degraded.as_deref().or(self.left_to_another.then_some(LEFT_TO_ANOTHER))
    }
}

/// What a listing is held against.
pub(crate) struct Limits<'config> {
    pub(crate) kind: Kind,
    pub(crate) size_rule: &'config SizeRule,
    pub(crate) timing: &'config Timing,
    pub(crate) retention: &'config RetentionPolicy,
}

/// What deletions do in a bucket that keeps old versions.
pub(crate) fn hidden_note(is_b2: bool) -> &'static str {
    if is_b2 {
        "deletes create markers; space is not freed here: set the bucket's lifecycle rule to keep only the last version"
    } else {
        "deletes create markers; space is not freed here: a lifecycle rule for noncurrent versions frees it"
    }
}

impl Prune {
    /// Lists and plans; changes nothing.
    ///
    /// # Errors
    /// If the listing cannot be had completely, or a manifest cannot be read that an operator wants to be signed. Then
    /// nothing may be deleted.
    pub(crate) async fn prepare(
        config: &TargetConfig,
        repository: &Repository,
        authority: &Authority,
        now: DateTime<Utc>,
    ) -> anyhow::Result<Self> {
        let catalog = repository.catalog(now).await?;
        // A run speaks for backups of its own kind: a process that makes partial dumps must not delete
        // the full ones that another makes. An operator speaks for both.
        let kinds = [Kind::Full, Kind::Partial].into_iter();
        let kinds = kinds.filter(|kind| *authority == Authority::Operator || *kind == config.dump.kind());
        let rule = StandingRule::of(&config.timing, config.size_rule.max_shrink_percent, now);
        let (mut sizes, mut candidates) = (Vec::new(), Vec::new());
        for kind in kinds {
            let (judged, of_kind) = judged_candidates(&catalog, kind, &config.size_rule, &rule);
            candidates.extend(of_kind);
            sizes.push(judged);
        }
        let signed = match authority {
            Authority::Operator => signed::signed(config, candidates.iter().map(|(backup, _)| *backup)).await?,
            Authority::Committed(_) => BTreeSet::new(),
        };
        let candidates: Vec<Candidate> = candidates
            .into_iter()
            .map(|(backup, candidate)| Candidate { is_signed: signed.contains(&backup.id), ..candidate })
            .collect();
        let doubt = doubt(config, repository.store().clock(), &catalog, &sizes, now);
        let plan = plan(&candidates, now, &config.retention, authority, doubt);
        let old = |run: &&Incomplete| is_abandoned(run, now, config.timing.run_timeout);
        let mut incomplete: Vec<Incomplete> = catalog.incomplete.iter().filter(old).cloned().collect();
        if plan.refused.is_some() {
            incomplete.clear();
        }
        let most = usize::try_from(config.retention.max_deletes).unwrap_or(usize::MAX);
        incomplete.truncate(most);
        let mut outdated_events = catalog.outdated_events(now);
        outdated_events.truncate(most);
        let prepared = Self { plan, incomplete, catalog, outdated_events };
        prepared.warn_of_another_time();
        Ok(prepared)
    }

    /// Those that were copied from another bucket, or forged.
    fn of_another_time(&self) -> impl Iterator<Item = &Line> {
        self.plan.lines.iter().filter(|line| line.standing.is_of_another_time())
    }

    /// Says what a person should look at, once in each run.
    fn warn_of_another_time(&self) {
        if let Some(newest) = self.of_another_time().next() {
            let (backups, newest) = (self.of_another_time().count(), &newest.id);
            tracing::warn!(
                backups,
                newest,
                "backups were written at another time than their ids say: copied from another bucket, or forged. They are \
                 kept and deleted by the rules, and take no place from the others"
            );
        }
    }

    /// Deletes what the plan says, object by object, each backup's manifest first. A backup with an object that the
    /// store refuses to delete stays behind, and the others go.
    ///
    /// # Errors
    /// A plan that is refused deletes nothing.
    pub(crate) async fn apply(self, config: &TargetConfig, store: &Store) -> Result<Pruned, Refusal> {
        if let Some(refusal) = self.plan.refused {
            return Err(refusal);
        }
        let count = |wanted: fn(&Verdict) -> bool| self.plan.lines.iter().filter(|line| wanted(&line.verdict)).count();
        let mut pruned = Pruned {
            kept_backups: count(|verdict| matches!(verdict, Verdict::Keep(_))),
            deferred_backups: count(|verdict| matches!(verdict, Verdict::Deferred)),
            backups_of_another_time: self.of_another_time().count(),
            ..Pruned::default()
        };
        let mut deleter = Deleter::new(store);
        for line in self.plan.deletions() {
            // The plan was made from this listing.
            let Some(backup) = BackupId::parse(&line.id).and_then(|id| self.catalog.backup(&id)) else { continue };
            if deleter.delete_in_order(&backup.keys).await {
                tracing::info!(backup_id = %backup.id, stored_bytes = backup.stored_bytes, "deleted by retention");
                pruned.deleted_backups += 1;
                pruned.deleted_bytes += backup.stored_bytes;
            }
        }
        for run in &self.incomplete {
            if deleter.delete_in_order(&run.keys).await {
                tracing::info!(backup_id = %run.id, stored_bytes = run.stored_bytes, "deleted an incomplete run");
                pruned.deleted_incomplete += 1;
            }
        }
        for key in self.outdated_events {
            deleter.delete_in_order(&[key]).await;
        }
        pruned.note = deleter.has_hidden.then(|| hidden_note(config.process.store.is_b2()));
        pruned.blocked = deleter.blocked();
        Ok(pruned)
    }
}

/// What retention had to delete already before each of the last `runs` runs that made a backup, and could not; none if
/// one of them finished, or if something else has deleted it since, such as `backup prune` with other credentials.
pub(crate) fn overdue(catalog: &Catalog, limits: &Limits<'_>, runs: usize) -> usize {
    let all = catalog.backups.iter().filter(|backup| backup.kind == limits.kind);
    let degraded: Vec<&Backup> = all.clone().take(runs).filter(|backup| backup.events.retention_degraded).collect();
    let Some(first) = degraded.last().filter(|_| degraded.len() == runs) else { return 0 };
    let time = first.id.time();
    let rule = StandingRule::of(limits.timing, limits.size_rule.max_shrink_percent, time);
    let candidates = candidates_of(catalog, all.filter(|backup| backup.id <= first.id), limits.size_rule, &rule);
    let candidates: Vec<Candidate> = candidates.into_iter().map(|(_, candidate)| candidate).collect();
    let plan = plan(&candidates, time, limits.retention, &Authority::Operator, None);
    let backups = plan.lines.iter().filter(|line| !matches!(line.verdict, Verdict::Keep(_))).count();
    backups + catalog.incomplete.iter().filter(|run| is_abandoned(run, time, limits.timing.run_timeout)).count()
}

/// Whether a run has left this behind, as far as is known at `now`.
fn is_abandoned(run: &Incomplete, now: DateTime<Utc>, run_timeout: Duration) -> bool {
    // A manifest without data stays: if the listing is wrong, it is all that tells what was there.
    !run.lost_its_data && now - run.id.time() > abandoned_after(run_timeout)
}

/// Why nothing may be deleted now, against the rules.
fn doubt(
    config: &TargetConfig,
    clock: Clock,
    catalog: &Catalog,
    sizes: &[Sizes],
    now: DateTime<Utc>,
) -> Option<Refusal> {
    let clock = match clock {
        Clock::Agrees => None,
        clock @ (Clock::Apart { .. } | Clock::Unknown) => Some(Refusal::Clock(clock)),
    };
    let shrunk = || sizes.iter().find_map(|sizes| sizes.shrunk.as_ref()).map(Refusal::from);
    let max_age = TimeDelta::from_std(
        config.timing.max_age(now, catalog.longest_run(config.dump.kind(), config.timing.run_timeout)),
    )
    .unwrap_or(TimeDelta::MAX);
    let another = || another(catalog, now, max_age).map(Refusal::AnotherCluster);
    clock.or_else(shrunk).or_else(another)
}

/// The sizes of the backups of `kind`, and each of these backups with what a plan sees of it. None is signed.
fn judged_candidates<'catalog>(
    catalog: &'catalog Catalog,
    kind: Kind,
    size_rule: &SizeRule,
    rule: &StandingRule,
) -> (Sizes, Vec<(&'catalog Backup, Candidate)>) {
    let judged = judge(catalog, kind, size_rule);
    let all = catalog.backups.iter().chain(&catalog.from_the_future);
    let of_kind = candidates_of(catalog, all.filter(|backup| backup.kind == kind), size_rule, rule);
    let marked = of_kind.into_iter().map(|(backup, candidate)| {
        let suspect = judged.suspects.contains(&backup.id);
        (backup, Candidate { suspect, ..candidate })
    });
    let marked = marked.collect();
    (judged, marked)
}

/// Backups of one kind, each with what a plan sees of it. None is a suspect, and none signed.
fn candidates_of<'catalog>(
    catalog: &'catalog Catalog,
    group: impl Iterator<Item = &'catalog Backup>,
    size_rule: &SizeRule,
    rule: &StandingRule,
) -> Vec<(&'catalog Backup, Candidate)> {
    let group: Vec<&Backup> = group.collect();
    let standings = standings(&group, &rule.accepting(accepted(catalog, &group, size_rule).cloned()));
    let seen: Vec<Candidate> =
        group.iter().zip(standings).map(|(backup, standing)| candidate(backup, standing)).collect();
    group.into_iter().zip(seen).collect()
}

fn candidate(backup: &Backup, standing: Standing) -> Candidate {
    Candidate {
        id: backup.id.to_string(),
        time: backup.id.time(),
        kind: backup.kind,
        proven_since: backup.proven_since(),
        once_proven_since: backup.once_proven_since(),
        standing,
        is_signed: false,
        suspect: false,
        stored_bytes: backup.stored_bytes,
    }
}
