//! A listing, sorted into backups, incomplete runs, and what is not ours.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::events::{FUTURE_TOLERANCE, ListedEvent, Moment, ends_by};
use super::{BackupId, EventKind, Journal, Kind, Layout, Role, RunEvents};
use crate::storage::{ListedObject, ObjectKey};

/// Number of runs that tell how long one takes.
const RECENT_RUNS: usize = 5;

/// One committed backup.
#[derive(Debug, Clone)]
pub struct Backup {
    /// Its id, which holds its time.
    pub id: BackupId,
    /// Full or partial.
    pub kind: Kind,
    /// Size of all its objects in the bucket.
    pub stored_bytes: u64,
    /// Size of the dump alone. Records of drills come later, so the size of all tells nothing about the source.
    pub dump_bytes: u64,
    /// The file of the dump, whose suffixes tell kind, compression and encryption.
    pub dump_name: String,
    /// When the store says that the manifest was written. A name can be forged, this cannot; and no object that
    /// another writer puts beside it changes it.
    pub committed_at: Option<DateTime<Utc>>,
    /// What the journal tells about its run.
    pub events: RunEvents,
    /// Whether the roles of the cluster lie beside it.
    pub has_globals: bool,
    /// The drills that are known here, the newest last.
    pub drills: Vec<Drill>,
    /// Its keys in the order in which they may be deleted: the manifest first, so that it never
    /// outlives its data.
    pub keys: Vec<ObjectKey>,
}

/// A verdict that `verify` left in the bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Drill {
    /// When it ended.
    pub time: DateTime<Utc>,
    /// Its verdict.
    pub passed: bool,
    /// When the store says that the record was written.
    #[serde(skip)]
    pub recorded_at: Option<DateTime<Utc>>,
}

/// Objects of a run that has no manifest, or a manifest without its data.
#[derive(Debug, Clone)]
pub struct Incomplete {
    /// The run.
    pub id: BackupId,
    /// Its keys, the manifest first if there is one.
    pub keys: Vec<ObjectKey>,
    /// Size of all its objects.
    pub stored_bytes: u64,
    /// A manifest without data: it was whole once, and its data was deleted.
    pub lost_its_data: bool,
    /// How long the run may take, if its start in the journal says so.
    pub may_take: Option<Duration>,
}

impl Incomplete {
    /// By when it has ended if it goes on now.
    pub fn ends_by(&self) -> DateTime<Utc> {
        ends_by(&self.id, self.may_take)
    }
}

/// All that a listing tells about the backups of one database.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// Committed backups, newest first.
    pub backups: Vec<Backup>,
    /// Committed backups that claim to be from the future: reported, never the newest, never deleted.
    pub from_the_future: Vec<Backup>,
    /// Runs that are not backups, newest first; one of them may be running right now.
    pub incomplete: Vec<Incomplete>,
    /// What was written down of runs and by operators.
    pub journal: Journal,
    /// Objects below the database's folder that are not ours; never touched.
    pub foreign_objects: usize,
}

#[derive(Default)]
struct Run {
    objects: Vec<(Role, ListedObject)>,
    events: RunEvents,
    event_keys: Vec<ObjectKey>,
}

impl Catalog {
    /// Sorts `objects`; those whose key does not parse completely are counted as foreign.
    pub fn from_listing(layout: &Layout, objects: Vec<ListedObject>, now: DateTime<Utc>) -> Self {
        let mut catalog = Self::default();
        let mut runs: BTreeMap<BackupId, Run> = BTreeMap::new();
        for object in objects {
            match (layout.parse(&object.key), layout.parse_event(&object.key)) {
                (Some((id, role)), _) => runs.entry(id).or_default().objects.push((role, object)),
                (None, Some(event)) if layout.believes(&event) => catalog.journal.take(event, object),
                (None, _) => catalog.foreign_objects += 1,
            }
        }
        catalog.journal.events.sort_by(|one, other| other.event.id.cmp(&one.event.id));
        for ListedEvent { event, key, written: _ } in &catalog.journal.events {
            // An event without an object of its run makes no run: it died before its first byte, or is gone.
            if let Some(run) = runs.get_mut(&event.id) {
                run.events.add(event);
                run.event_keys.push(key.clone());
            }
        }
        for (id, run) in runs.into_iter().rev() {
            let in_the_future = id.time() > now + FUTURE_TOLERANCE;
            match run.sorted(id) {
                Ok(backup) if in_the_future => catalog.from_the_future.push(backup),
                Ok(backup) => catalog.backups.push(backup),
                Err(incomplete) => catalog.incomplete.push(incomplete),
            }
        }
        catalog
    }

    /// The newest committed backup of this kind.
    pub fn newest(&self, kind: Kind) -> Option<&Backup> {
        self.backups.iter().find(|backup| backup.kind == kind)
    }

    /// The committed backup with this id, unless it claims to be from the future.
    pub fn backup(&self, id: &BackupId) -> Option<&Backup> {
        let place = self.backups.binary_search_by(|backup| id.cmp(&backup.id)).ok()?;
        self.backups.get(place)
    }

    /// Whether there is a committed backup with this id.
    pub fn holds(&self, id: &BackupId) -> bool {
        let is_ahead = || self.from_the_future.binary_search_by(|backup| id.cmp(&backup.id)).is_ok();
        self.backup(id).is_some() || is_ahead()
    }

    /// How long the longest of the newest runs took that made a backup of this kind, by [`Backup::took`]; zero if nothing
    /// is known.
    pub fn longest_run(&self, kind: Kind, run_timeout: Duration) -> TimeDelta {
        let runs = self.backups.iter().filter(|backup| backup.kind == kind).take(RECENT_RUNS);
        let longest = runs.filter_map(|backup| backup.took(run_timeout)).max().unwrap_or_default();
        TimeDelta::from_std(longest).unwrap_or(TimeDelta::MAX)
    }

    /// Whether something is left that only a database leaves that had a backup: a manifest without its data, or a line of the
    /// journal that is about a backup. A run that failed or was killed, that there is no backup, and a drill that found none,
    /// are none.
    pub fn had_backups(&self, now: DateTime<Utc>) -> bool {
        let is_about_a_backup = |kind: &EventKind| match kind {
            EventKind::RetentionDegraded | EventKind::SizeSuspect { .. } | EventKind::SizeAccepted { .. } => true,
            EventKind::DrillStarted
            | EventKind::DrillEnded { .. }
            | EventKind::BackupStarted { .. }
            | EventKind::BackupFailed { .. }
            | EventKind::BackupStopped
            | EventKind::DatabaseAppeared
            | EventKind::Kept(..) => false,
        };
        self.incomplete.iter().any(|run| run.lost_its_data)
            || self.journal.past_events(now).any(|event| is_about_a_backup(&event.kind))
    }

    /// Keys of events that nothing needs any more.
    pub fn outdated_events(&self, now: DateTime<Utc>) -> Vec<ObjectKey> {
        let committed = self.backups.iter().chain(&self.from_the_future).map(|backup| &backup.id);
        let listed: BTreeSet<&BackupId> = committed.chain(self.incomplete.iter().map(|run| &run.id)).collect();
        self.journal.outdated(now, |id| listed.contains(id))
    }
}

impl Run {
    fn sorted(mut self, id: BackupId) -> Result<Backup, Incomplete> {
        self.objects.sort_by_key(|(role, _)| deletion_rank(role));
        let has = |wanted: fn(&Role) -> bool| self.objects.iter().any(|(role, _)| wanted(role));
        let manifest = self.objects.iter().find(|(role, _)| matches!(role, Role::Manifest));
        let (has_manifest, committed_at) = (manifest.is_some(), manifest.and_then(|(_, object)| object.modified));
        let has_globals = has(|role| matches!(role, Role::Globals { .. }));
        let dumps = self.objects.iter().filter_map(|(role, object)| match role {
            Role::Dump { kind, .. } => Some((*kind, object.bytes, file_name(&object.key))),
            _ => None,
        });
        // A run writes one. Another one, which another writer has put beside it, must not make it look small or
        // partial.
        let dump = dumps.min_by_key(|(kind, bytes, _)| (*kind, Reverse(*bytes)));
        let mut drills: Vec<Drill> = self.objects.iter().filter_map(|(role, object)| drill(role, object)).collect();
        drills.sort_by_key(|drill| drill.time);
        // A store may say any size.
        let stored_bytes = self.objects.iter().fold(0_u64, |sum, (_, object)| sum.saturating_add(object.bytes));
        let keys = self.objects.into_iter().map(|(_, object)| object.key).chain(self.event_keys).collect();
        let events = self.events;
        match dump {
            Some((kind, dump_bytes, dump_name)) if has_manifest => Ok(Backup {
                id,
                kind,
                stored_bytes,
                dump_bytes,
                dump_name,
                committed_at,
                events,
                has_globals,
                drills,
                keys,
            }),
            _ => Err(Incomplete { id, keys, stored_bytes, lost_its_data: has_manifest, may_take: events.may_take }),
        }
    }
}

fn file_name(key: &ObjectKey) -> String {
    key.as_str().rsplit('/').next().unwrap_or_default().to_owned()
}

fn deletion_rank(role: &Role) -> u8 {
    match role {
        Role::Manifest => 0,
        Role::Dump { .. } => 1,
        Role::Globals { .. } => 2,
        Role::Drill { .. } => 3,
    }
}

/// A record that is older than the drill that it tells of is not of `verify`, which writes it afterwards.
fn drill(role: &Role, object: &ListedObject) -> Option<Drill> {
    let Role::Drill { time, passed } = role else { return None };
    let recorded_at = object.modified;
    let is_possible = recorded_at.is_none_or(|recorded_at| *time <= recorded_at + FUTURE_TOLERANCE);
    is_possible.then_some(Drill { time: *time, passed: *passed, recorded_at })
}

impl Drill {
    /// When it ended.
    pub fn moment(&self) -> Moment {
        Moment { at: self.time, written: self.recorded_at }
    }

    /// Since when its record is known: by the store's clock, or by the record itself if the store does not tell.
    pub fn known_at(&self) -> DateTime<Utc> {
        self.recorded_at.unwrap_or(self.time)
    }
}

impl Backup {
    /// When its run began, and when the store has written its manifest.
    pub fn moment(&self) -> Moment {
        Moment { at: self.id.time(), written: self.committed_at }
    }

    /// How long its run took, from the id to what the store says of the manifest. A guess, since two clocks are in it;
    /// `None` if nothing is known. What took longer than `run_timeout` was copied here.
    pub fn took(&self, run_timeout: Duration) -> Option<Duration> {
        let took = (self.committed_at? - self.id.time()).to_std().ok();
        took.filter(|took| *took <= run_timeout)
    }

    /// Whether its newest record says that a drill of it passed. What passed once may be damaged since.
    pub fn is_proven(&self) -> bool {
        self.proven_since().is_some()
    }

    /// Whether its newest record says that a drill of it failed.
    pub fn is_damaged(&self) -> bool {
        self.by_record().last().is_some_and(|drill| !drill.passed)
    }

    /// Since when all records in the bucket say that drills of it passed; `None` if the newest one does not.
    pub fn proven_since(&self) -> Option<DateTime<Utc>> {
        let drills = self.by_record();
        let passed = drills.iter().rev().take_while(|drill| drill.passed);
        passed.last().map(|drill| drill.known_at())
    }

    /// Since when any record in the bucket says that a drill of it passed; later ones may say that it failed.
    pub fn once_proven_since(&self) -> Option<DateTime<Utc>> {
        self.drills.iter().filter(|drill| drill.passed).map(Drill::known_at).min()
    }

    /// Its drills, the one with the newest record last; of one moment, the one that failed.
    fn by_record(&self) -> Vec<&Drill> {
        let mut drills: Vec<&Drill> = self.drills.iter().collect();
        drills.sort_by_key(|drill| (drill.known_at(), drill.time, !drill.passed));
        drills
    }
}
