//! The journal of a database: empty objects in its folder `events/`, whose names say everything, since
//! `backup` may list and not read. docs/format.md describes the names.

mod kept;
mod kind;
mod word;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::{BackupId, RUN_MAY_TAKE};
use crate::storage::{ListedObject, ObjectKey};

pub use kept::{Author, Kept};
pub use kind::{ClusterTag, EventKind, EventSignature, Tag};
pub use word::Word;

/// The folder beside those of the backups. No id is equal to it.
pub(super) const FOLDER: &str = "events";

/// How long an event is kept that belongs to no object of a run.
const KEPT_FOR: TimeDelta = TimeDelta::days(90);

/// What is dated later than this from now was made by a wrong clock, here or there, or forged.
pub(super) const FUTURE_TOLERANCE: TimeDelta = TimeDelta::minutes(10);

/// The longest that `BACKUP_TIMEOUT` lets a run take.
const LONGEST_RUN: Duration = Duration::from_secs(7 * 24 * 3600);

/// Maximum number of such events of one kind that are kept.
pub const MAX_EVENTS: usize = 1_000;

/// How far the time of a start and the store's time of its object may be apart: the clocks of the two are not the same
/// one, and the object is written a moment after.
const START_TOLERANCE: TimeDelta = TimeDelta::minutes(60);

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The run that it is about, or, for what is about no run, a new id of the moment it happened.
    pub id: BackupId,
    /// What happened.
    pub kind: EventKind,
}

impl Event {
    /// The last segment of its key.
    pub(super) fn file_name(&self) -> String {
        format!("{}-{}", self.id, self.kind)
    }

    /// Reads the last segment of a key; `None` for anything that [`Event::file_name`] could not have written.
    pub(super) fn parse(file_name: &str) -> Option<Self> {
        let (id, rest) = file_name.split_at_checked(BackupId::CHARS)?;
        Some(Self { id: BackupId::parse(id)?, kind: EventKind::parse(rest.strip_prefix('-')?)? })
    }
}

/// How long a run may take that says so at its start, within the bounds of `BACKUP_TIMEOUT`.
fn may_take(max_seconds: Option<u64>) -> Option<Duration> {
    max_seconds.map(|seconds| Duration::from_secs(seconds).min(LONGEST_RUN))
}

/// What the journal tells about one run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunEvents {
    /// The cluster that was dumped.
    pub cluster: Option<ClusterTag>,
    /// Tables of the database when the run began.
    pub tables: Option<u64>,
    /// How long the run may take. Of several starts with its id, the shortest: another writer makes no dead run live longer.
    pub may_take: Option<Duration>,
    /// Whether retention could not do its work after this run.
    pub retention_degraded: bool,
    /// Marks that say that the backup is much smaller than usual; each holds the acceptance that was in force.
    pub size_suspect: Vec<Option<BackupId>>,
}

impl RunEvents {
    /// Adds what `event` of the same run says.
    pub(super) fn add(&mut self, event: &Event) {
        match &event.kind {
            EventKind::BackupStarted { cluster, tables, max_seconds } => {
                self.cluster.clone_from(cluster);
                self.tables = *tables;
                self.may_take = self.may_take.into_iter().chain(may_take(*max_seconds)).min();
            }
            EventKind::RetentionDegraded => self.retention_degraded = true,
            EventKind::SizeSuspect { accepted } => self.size_suspect.push(accepted.clone()),
            EventKind::SizeAccepted { .. }
            | EventKind::BackupFailed { .. }
            | EventKind::BackupStopped
            | EventKind::DatabaseAppeared
            | EventKind::DrillStarted
            | EventKind::DrillEnded { .. }
            | EventKind::Kept(..) => {}
        }
    }
}

/// By when the run `id` has ended, if it may take as long as this, or as long as a run may that does not say so.
pub(super) fn ends_by(id: &BackupId, may_take: Option<Duration>) -> DateTime<Utc> {
    let may_take = TimeDelta::from_std(may_take.unwrap_or(RUN_MAY_TAKE)).unwrap_or(TimeDelta::MAX);
    id.time().checked_add_signed(may_take).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// When something came to be: by the clock of the machine that made it, and, if it says so, by the store's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// By the machine's clock, which may have been set since.
    pub at: DateTime<Utc>,
    /// When the store has written it.
    pub written: Option<DateTime<Utc>>,
}

/// An event as it is listed.
#[derive(Debug, Clone)]
pub(super) struct ListedEvent {
    pub(super) event: Event,
    pub(super) key: ObjectKey,
    pub(super) written: Option<DateTime<Utc>>,
}

impl ListedEvent {
    /// Whether it is later than `moment` by its own time, and was not written before it. By one of these alone it would be
    /// later if a clock was ahead for a while, or if its line had to wait for the bucket.
    fn is_later_than(&self, moment: Moment) -> bool {
        let is_written_later = self.written.zip(moment.written).is_none_or(|(written, other)| written >= other);
        self.event.id.time() > moment.at && is_written_later
    }
}

/// All events of a database.
#[derive(Debug, Clone, Default)]
pub struct Journal {
    /// The newest first.
    pub(super) events: Vec<ListedEvent>,
    /// When runs began, as far as the store's time of writing agrees.
    pub(super) starts: Vec<DateTime<Utc>>,
}

impl Journal {
    /// Adds what is listed as `object`.
    pub(super) fn take(&mut self, event: Event, object: ListedObject) {
        let began = event.id.time();
        let is_in_time = object.modified.is_none_or(|written| (written - began).abs() <= START_TOLERANCE);
        if matches!(event.kind, EventKind::BackupStarted { .. }) && is_in_time {
            self.starts.push(began);
        }
        self.events.push(ListedEvent { event, key: object.key, written: object.modified });
    }

    /// All events, the newest first.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.events.iter().map(|listed| &listed.event)
    }

    /// When the first run began later than `after` and not later than `until`, by starts that the store has written
    /// when they say; of runs that died, too.
    ///
    /// The first and not the last: anyone who can write to the bucket can write a start at any moment. A wait that ends
    /// a fixed time after the first one of that time cannot be made longer by another.
    pub fn first_start(&self, after: DateTime<Utc>, until: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.starts.iter().copied().filter(|began| *began > after && *began <= until).min()
    }

    /// By when a run has made a backup or is dead whose `event` this is, if it is of a run.
    pub fn run_ends_by(event: &Event) -> Option<DateTime<Utc>> {
        let may_take = match &event.kind {
            EventKind::BackupStarted { max_seconds, .. } => may_take(*max_seconds),
            EventKind::BackupFailed { .. } | EventKind::BackupStopped => None,
            _ => return None,
        };
        Some(ends_by(&event.id, may_take))
    }

    /// The longest that a run may take by its start, at least [`RUN_MAY_TAKE`].
    pub(super) fn longest_run(&self) -> Duration {
        let starts = self.events().filter_map(|event| match &event.kind {
            EventKind::BackupStarted { max_seconds, .. } => may_take(*max_seconds),
            _ => None,
        });
        starts.chain([RUN_MAY_TAKE]).max().unwrap_or(RUN_MAY_TAKE)
    }

    /// The backups from which on an operator has accepted a smaller size.
    pub fn accepted_from(&self) -> impl Iterator<Item = &BackupId> {
        self.events().filter_map(|event| match &event.kind {
            EventKind::SizeAccepted { from, .. } => Some(from),
            _ => None,
        })
    }

    /// Those that are not dated in the future at `now`, the newest first.
    pub fn past_events(&self, now: DateTime<Utc>) -> impl Iterator<Item = &Event> {
        self.events().filter(move |event| event.id.time() <= now + FUTURE_TOLERANCE)
    }

    /// Those of [`Journal::past_events`] that are later than `moment`; all, if there is none.
    pub fn events_since(&self, moment: Option<Moment>, now: DateTime<Utc>) -> impl Iterator<Item = &Event> {
        let later = self.events.iter().filter(move |listed| moment.is_none_or(|moment| listed.is_later_than(moment)));
        later.map(|listed| &listed.event).filter(move |event| event.id.time() <= now + FUTURE_TOLERANCE)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.events.len()
    }

    /// The places of what no newer line about the same makes void: an alarm that was raised and not resolved, the last
    /// message about something that is still wrong.
    fn in_force(&self) -> BTreeSet<usize> {
        let (mut over, mut in_force) = (BTreeSet::new(), BTreeSet::new());
        for (place, event) in self.events().enumerate() {
            let EventKind::Kept(kept, _) = &event.kind else { continue };
            if kept.is_wrong() && !over.contains(&kept.subject()) {
                in_force.insert(place);
            }
            over.extend(kept.ends());
        }
        in_force
    }

    /// Keys of events that may go: of no run in `listed`, and older than 90 days or beyond the newest 1,000 of their kind.
    /// What holds state stays, however much another writer adds. Of lines with a tag, which only their writer
    /// can check, and another program deletes, all that are young; of older ones those in force. Of other lines, what is
    /// added of one kind takes no place from another, and says what those say whose places it takes. The acceptance that
    /// counts stays at any age.
    pub(super) fn outdated(&self, now: DateTime<Utc>, is_listed: impl Fn(&BackupId) -> bool) -> Vec<ObjectKey> {
        let (accepted, in_force) = (self.accepted_from().max(), self.in_force());
        let mut newer: BTreeMap<(&str, &str, bool), usize> = BTreeMap::new();
        let mut outdated = Vec::new();
        for (place, ListedEvent { event, key, .. }) in self.events.iter().enumerate() {
            let age = now - event.id.time();
            let is_needed = match &event.kind {
                EventKind::SizeAccepted { from, .. } => Some(from) == accepted,
                EventKind::Kept(..) => age <= KEPT_FOR || in_force.contains(&place),
                _ => false,
            };
            if is_needed || is_listed(&event.id) {
                continue;
            }
            let (kind, word) = event.kind.family();
            // What is dated in the future is not read, and so is no reason to forget what is.
            let newer = newer.entry((kind, word, age < -FUTURE_TOLERANCE)).or_default();
            if *newer >= MAX_EVENTS || age > KEPT_FOR {
                outdated.push(key.clone());
            }
            *newer += 1;
        }
        outdated
    }
}

#[cfg(test)]
mod tests;
