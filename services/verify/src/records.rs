//! What the bucket remembers of drills.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use backup_core::repository::{Backup, BackupId, Catalog, Drill, DrillRecord, Kind, ManifestError, Repository};
use backup_daemon::notify::{Dated, Safe};
use backup_daemon::{AlarmCode, DatabaseState, Listing};
use backup_drill::{DrillConfig, own_records};
use chrono::{DateTime, TimeDelta, Utc};

use crate::backup_life::BackupLife;
use crate::config::TargetConfig;
use crate::history::History;
use crate::journal::{self, PastDrills};
use crate::status::Facts;

/// What the bucket holds, and what records of drills say that this service has written.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Records {
    /// Whether there is anything that a drill would have to look at, if only what is left of a backup.
    pub(crate) holds_backups: bool,
    pub(crate) newest: Option<Drill>,
    last_passed: Option<Drill>,
    /// Backups whose newest record says that they passed.
    proven: BTreeSet<BackupId>,
    /// Those whose newest record says that they did not.
    damaged: BTreeSet<BackupId>,
    listing: Option<Listing>,
    safe: Safe,
    last_drilled: Option<BackupId>,
    /// What a restore took in the newest that knows.
    recovery_millis: Option<u64>,
    history: History,
    /// SHA-256 of the manifest that the newest record of a backup is about.
    manifests: BTreeMap<BackupId, String>,
    backup: BackupLife,
    pub(crate) past: PastDrills,
}

impl Records {
    /// Until when the first backup has time that may take so long, for a service that begins to wait at `now`: restarts give
    /// it no more, of `backup` or of this service.
    pub(crate) fn first_backup_by(&self, bound: TimeDelta, now: DateTime<Utc>) -> DateTime<Utc> {
        let first_at = self.backup.first_at.filter(|_| !self.holds_backups);
        let since = first_at.map_or(now, |first_at| first_at.min(now));
        let by = since.checked_add_signed(bound).unwrap_or(DateTime::<Utc>::MAX_UTC);
        self.past.remembered.alarm_since(AlarmCode::BackupSilent).map_or(by, |told_at| told_at.min(by))
    }

    /// Lists the bucket, and reads the records.
    ///
    /// # Errors
    /// If the bucket cannot be listed, or a record cannot be read now and may be later.
    pub(crate) async fn read(config: &TargetConfig, repository: &Repository) -> anyhow::Result<Self> {
        let now = Utc::now();
        let catalog = repository.catalog(now).await?;
        let records = Self::in_catalog(&config.drill, repository, &catalog, now).await?;
        let listing = Some(Listing::of(&repository.layout().database(), &catalog, now));
        let past = journal::past(config, &catalog, repository, records.last_passed, now);
        // None of these is told of a database that waits for its first backup. That it waits in vain is told, and that line
        // of this service says nothing of backups.
        let is_of_backups = |code| {
            use AlarmCode::{CouldNotRun, DataLost, DrillFailed, Stale};
            matches!(code, CouldNotRun | DataLost | DrillFailed | Stale)
        };
        let had_backups = past.remembered.had_alarm(is_of_backups);
        Ok(Self { holds_backups: records.holds_backups || had_backups, listing, past, ..records })
    }

    /// Reads the records in `catalog`, for a service that makes no drills, which would compare the manifests: a backup is
    /// proven only if its manifest is the one that the drill has read.
    ///
    /// # Errors
    /// If a record or a manifest cannot be read now and may be later.
    pub(crate) async fn of_others(
        drill: &DrillConfig,
        repository: &Repository,
        catalog: &Catalog,
        now: DateTime<Utc>,
    ) -> anyhow::Result<Self> {
        let mut records = Self::in_catalog(drill, repository, catalog, now).await?;
        for (id, drilled) in &records.manifests {
            let now = match repository.manifest_and_digest(id).await {
                Ok((_, digest)) => Some(digest),
                Err(ManifestError::Unreadable(error)) if error.is_passing() => {
                    return Err(anyhow::Error::from(error).context("read a manifest"));
                }
                Err(_) => None,
            };
            if now.as_ref() != Some(drilled) && records.proven.remove(id) {
                tracing::warn!(backup_id = %id, "the manifest is not the one that was drilled: the record of the drill does not count");
            }
        }
        records.safe.newest_proven.take_if(|known| !records.proven.iter().any(|id| id.as_str() == known.id));
        Ok(records)
    }

    async fn in_catalog(
        drill: &DrillConfig,
        repository: &Repository,
        catalog: &Catalog,
        now: DateTime<Utc>,
    ) -> anyhow::Result<Self> {
        let (mut history, mut recovery_seconds, mut manifests) = (History::default(), None, BTreeMap::new());
        let look_at = |record: DrillRecord<serde_json::Value>| {
            recovery_seconds = recovery_seconds.or(record.recovery_time_seconds);
            manifests.entry(record.backup_id.clone()).or_insert_with(|| record.manifest_sha256.clone());
            history.remember(record);
        };
        let own = own_records(drill, repository, catalog, look_at).await.context("read a record")?;
        let recovery_millis = recovery_seconds.map(|seconds| (seconds * 1_000.0) as u64);
        Ok(Self { recovery_millis, history, manifests, ..Self::of(catalog, &own, now) })
    }

    /// Of a bucket in which it is not clear what to drill.
    pub(crate) fn unclear() -> Self {
        Self { holds_backups: true, ..Self::default() }
    }

    /// Of a prefix that was listed and holds nothing.
    pub(crate) fn of_nothing() -> Self {
        let listing = Some(Listing::of("", &Catalog::default(), Utc::now()));
        Self { listing, ..Self::default() }
    }

    /// Of a listing at `now`, and of `own` records, the newest first.
    fn of(catalog: &Catalog, own: &[(Drill, BackupId)], now: DateTime<Utc>) -> Self {
        let backup = BackupLife::of(catalog, now);
        // Not the first run of a first deployment: a run of earlier hours has died, or its backup is gone. One that failed has
        // left none.
        let had_runs = backup.unfailed_ends_by.is_some_and(|by| now > by);
        let lost = had_runs || catalog.incomplete.iter().any(|run| run.lost_its_data);
        let (mut proven, mut damaged) = (BTreeSet::new(), BTreeSet::new());
        for (drill, id) in own {
            if !proven.contains(id) && !damaged.contains(id) {
                if drill.passed { &mut proven } else { &mut damaged }.insert(id.clone());
            }
        }
        let dated = |backup: &Backup| Dated { id: backup.id.to_string(), at: backup.id.time() };
        let is_good = |backup: &&Backup| backup.kind == Kind::Full && !damaged.contains(&backup.id);
        let newest_good = catalog.backups.iter().find(is_good);
        let newest_proven = catalog.backups.iter().find(|backup| proven.contains(&backup.id)).map(dated);
        Self {
            holds_backups: lost || !catalog.backups.is_empty() || !catalog.from_the_future.is_empty(),
            newest: own.first().map(|(drill, _)| *drill),
            last_passed: own.iter().find(|(drill, _)| drill.passed).map(|(drill, _)| *drill),
            safe: Safe { newest_backup: newest_good.map(dated), newest_proven, suspicious: None },
            proven,
            damaged,
            listing: None,
            last_drilled: own.iter().map(|(_, id)| id.clone()).max(),
            recovery_millis: None,
            history: History::default(),
            manifests: BTreeMap::new(),
            backup,
            past: PastDrills::default(),
        }
    }

    /// Takes them into the state.
    pub(crate) fn enter(self, state: &mut DatabaseState<Facts>) {
        state.own.history = self.history;
        let last_passed_at = self.last_passed.map(|drill| drill.time);
        state.own.remember(self.newest, last_passed_at, (self.proven, self.damaged), self.safe);
        state.own.backup = self.backup;
        let recovery_seconds = self.recovery_millis.map(|millis| millis as f64 / 1_000.0);
        state.own.recovery_seconds = recovery_seconds.or(state.own.recovery_seconds);
        state.own.last_drilled = self.last_drilled.max(state.own.last_drilled.take());
        if let Some(listing) = self.listing {
            state.listed(listing.proven(|id| state.own.proven.contains(id)));
        }
    }
}

#[cfg(test)]
mod tests {
    use backup_core::repository::{Event, EventKind, Layout, Word};
    use backup_core::storage::{ListedObject, Prefix};

    use super::*;

    #[test]
    fn what_the_bucket_remembers_is_what_own_records_say() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let (old, new) = (at("2026-11-20T05:00:00Z"), at("2026-11-21T05:00:00Z"));
        let (one, other) = (BackupId::new(old), BackupId::new(new));
        let drill = |time, passed, id: &BackupId| (Drill { time, passed, recorded_at: None }, id.clone());
        // The one was good and is damaged by now.
        let own = [drill(new, false, &one), drill(old, true, &other), drill(old, true, &one)];
        let expected = Records {
            newest: Some(own[0].0),
            last_passed: Some(own[1].0),
            last_drilled: Some(other.clone()),
            proven: BTreeSet::from([other]),
            damaged: BTreeSet::from([one]),
            ..Records::default()
        };
        assert_eq!(Records::of(&Catalog::default(), &own, new), expected);
        assert_eq!(Records::of(&Catalog::default(), &[], new), Records::default());
    }

    /// A restart must not end the alarm that there is none, nor put it off.
    #[test]
    fn a_first_backup_has_its_time_from_the_first_trace_of_backup_or_was_due_when_that_was_told() {
        let at = |hour: i64| DateTime::UNIX_EPOCH + TimeDelta::hours(hour);
        let layout = Layout::new(Prefix::parse("p").unwrap(), "app");
        let by = |events: &[(i64, EventKind)]| {
            let object = |(hour, kind): &(i64, EventKind)| {
                let event = Event { id: BackupId::new(at(*hour)), kind: kind.clone() };
                ListedObject { key: layout.event_key(&event), bytes: 0, modified: None }
            };
            let catalog = Catalog::from_listing(&layout, events.iter().map(object).collect(), at(100));
            Records::of(&catalog, &[], at(100)).first_backup_by(TimeDelta::hours(24), at(100))
        };
        let failed = || EventKind::BackupFailed { class: Word::of("auth"), again: false };
        assert_eq!(by(&[]), at(124));
        assert_eq!(by(&[(90, failed()), (99, failed())]), at(114));
        let drill = EventKind::DrillEnded { verdict: Word::of("failed") };
        assert_eq!(by(&[(10, drill)]), at(124), "that is of verify");
        // It waits for a database that has no name yet, and whose backups are there by now.
        let started = EventKind::BackupStarted { cluster: None, tables: None, max_seconds: None };
        assert_eq!(by(&[(10, started)]), at(124));
    }

    /// What `verify` waits for is a first backup, and not one that comes back.
    #[test]
    fn a_bucket_in_which_backup_ran_hours_ago_is_no_first_deployment() {
        let now: DateTime<Utc> = "2026-11-20T12:00:00Z".parse().unwrap();
        let layout = Layout::new(Prefix::parse("p").unwrap(), "app");
        let holds_backups = |kind: EventKind, hours| {
            let event = Event { id: BackupId::new(now - TimeDelta::hours(hours)), kind };
            let object = ListedObject { key: layout.event_key(&event), bytes: 0, modified: None };
            Records::of(&Catalog::from_listing(&layout, vec![object], now), &[], now).holds_backups
        };
        let started = || EventKind::BackupStarted { cluster: None, tables: None, max_seconds: None };
        assert!(!holds_backups(started(), 6), "the first run may still be going on");
        assert!(holds_backups(started(), 7));
        let of_a_day = || EventKind::BackupStarted { cluster: None, tables: None, max_seconds: Some(86_400) };
        assert!(!holds_backups(of_a_day(), 23) && holds_backups(of_a_day(), 25));
        let failed = EventKind::BackupFailed { class: Word::of("auth"), again: false };
        assert!(!holds_backups(failed, 70), "it has made no backup");
        assert!(!holds_backups(EventKind::DrillEnded { verdict: Word::of("failed") }, 7), "that is of verify");
    }
}
