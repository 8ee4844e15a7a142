//! A listing, sorted into backups, remains of dead runs, and what is not ours.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::{BackupId, Kind, Role, Shelf};
use crate::storage::{ListedObject, ObjectKey};

/// A backup dated later than this from now was made by a wrong clock, here or there.
const FUTURE_TOLERANCE: TimeDelta = TimeDelta::minutes(10);

/// One committed backup.
#[derive(Debug, Clone)]
pub struct Backup {
    /// Its id, which holds its time.
    pub id: BackupId,
    /// Full or partial.
    pub kind: Kind,
    /// Size of all its objects in the bucket.
    pub stored_bytes: u64,
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
}

/// Objects of a run that has no manifest, or a manifest without its data.
#[derive(Debug, Clone)]
pub struct Incomplete {
    /// The run.
    pub id: BackupId,
    /// Its keys, the manifest first where there is one.
    pub keys: Vec<ObjectKey>,
    /// Size of all its objects.
    pub stored_bytes: u64,
    /// A manifest without data: it was whole once, and somebody deleted its data.
    pub lost_its_data: bool,
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
    /// Objects below the database's folder that are not ours; never touched.
    pub foreign_objects: usize,
}

#[derive(Default)]
struct Run {
    objects: Vec<(Role, ListedObject)>,
}

impl Catalog {
    /// Sorts `objects`; those whose key does not parse completely are counted as foreign.
    pub fn from_listing(shelf: &Shelf, objects: Vec<ListedObject>, now: DateTime<Utc>) -> Self {
        let mut catalog = Self::default();
        let mut runs: BTreeMap<BackupId, Run> = BTreeMap::new();
        for object in objects {
            match shelf.parse(&object.key) {
                Some((id, role)) => runs.entry(id).or_default().objects.push((role, object)),
                None => catalog.foreign_objects += 1,
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
}

impl Run {
    fn sorted(mut self, id: BackupId) -> Result<Backup, Incomplete> {
        self.objects.sort_by_key(|(role, _)| deletion_rank(role));
        let has = |wanted: fn(&Role) -> bool| self.objects.iter().any(|(role, _)| wanted(role));
        let has_manifest = has(|role| matches!(role, Role::Manifest));
        let has_globals = has(|role| matches!(role, Role::Globals { .. }));
        let kind = self.objects.iter().find_map(|(role, _)| match role {
            Role::Dump { kind, .. } => Some(*kind),
            _ => None,
        });
        let mut drills: Vec<Drill> = self.objects.iter().filter_map(|(role, _)| drill(role)).collect();
        drills.sort_by_key(|drill| drill.time);
        let stored_bytes = self.objects.iter().map(|(_, object)| object.bytes).sum();
        let keys = self.objects.into_iter().map(|(_, object)| object.key).collect();
        match kind {
            Some(kind) if has_manifest => Ok(Backup { id, kind, stored_bytes, has_globals, drills, keys }),
            _ => Err(Incomplete { id, keys, stored_bytes, lost_its_data: has_manifest }),
        }
    }
}

fn deletion_rank(role: &Role) -> u8 {
    match role {
        Role::Manifest => 0,
        Role::Dump { .. } => 1,
        Role::Globals { .. } => 2,
        Role::Drill { .. } => 3,
    }
}

fn drill(role: &Role) -> Option<Drill> {
    match role {
        Role::Drill { time, passed } => Some(Drill { time: *time, passed: *passed }),
        _ => None,
    }
}

impl Backup {
    /// Whether any drill of it passed.
    pub fn is_proven(&self) -> bool {
        self.drills.iter().any(|drill| drill.passed)
    }
}
