//! The journal of a database: empty objects in its folder `events/`, whose names say everything, since
//! `backup` may list and not read. docs/format.md describes the names.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};

use super::BackupId;
use crate::storage::{ListedObject, ObjectKey};

/// The folder beside those of the backups. No id is equal to it.
pub(super) const FOLDER: &str = "events";

/// How long an event is kept that belongs to no object of a run.
const KEPT_FOR: TimeDelta = TimeDelta::days(90);

/// Maximum number of such events that are kept.
const MAX_KEPT: usize = 1_000;

/// How far the time of a start and the store's time of its object may be apart: the clocks of the two are not the same
/// one, and the object is written a moment after.
const START_TOLERANCE: TimeDelta = TimeDelta::minutes(60);

/// Hexadecimal digits of a [`ClusterTag`]: 48 bits, so that two clusters do not meet by chance.
const CLUSTER_DIGITS: usize = 12;

/// Characters of an [`EventSignature`]: 64 bytes.
const SIGNATURE_CHARS: usize = 86;

/// What stands in a name for something that could not be read.
const UNKNOWN: &str = "unknown";

/// What stands in a name in the place of an id that there is none of.
const NONE: &str = "none";

/// Tells one PostgreSQL cluster from another in a key: the start of a SHA-256 of its `system_identifier`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClusterTag(String);

impl ClusterTag {
    /// The tag of the cluster with this `system_identifier`.
    pub fn of(system_identifier: &str) -> Self {
        let digest = Sha256::digest(format!("system_identifier {system_identifier}"));
        let digits = digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        Self(digits[..CLUSTER_DIGITS].to_owned())
    }

    fn parse(text: &str) -> Option<Self> {
        let good = text.len() == CLUSTER_DIGITS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        good.then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for ClusterTag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A signature in a name: base64 in the alphabet for URLs, without padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventSignature(String);

impl EventSignature {
    /// Of a signature in base64.
    pub(super) fn of(base64: &str) -> Self {
        Self(base64.trim_end_matches('=').replace('+', "-").replace('/', "_"))
    }

    /// The signature in base64.
    pub(super) fn to_base64(&self) -> String {
        format!("{}==", self.0.replace('-', "+").replace('_', "/"))
    }

    fn parse(text: &str) -> Option<Self> {
        let is_of_alphabet = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (text.len() == SIGNATURE_CHARS && text.bytes().all(is_of_alphabet)).then(|| Self(text.to_owned()))
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// The run of the event's id is about to dump: `backup-started-<cluster>-<tables>`.
    BackupStarted {
        /// The cluster that is dumped; `None` if the role may not read its identifier.
        cluster: Option<ClusterTag>,
        /// Tables of the database at that moment; `None` if they could not be counted.
        tables: Option<u64>,
    },
    /// Retention could not delete what it had to after the run of the event's id: `retention-degraded`.
    RetentionDegraded,
    /// The backup of the event's id is much smaller than usual: `size-suspect-<backup or none>`.
    SizeSuspect {
        /// The acceptance that was in force when it was judged. A later one makes the mark void.
        accepted: Option<BackupId>,
    },
    /// An operator says that from this backup on the smaller size is right: `size-accepted-<backup>`, and, if there is
    /// a key for it, `-<signature>`.
    SizeAccepted {
        /// The first backup of the new size.
        from: BackupId,
        /// See [`Layout::sign_event`](super::Layout::sign_event).
        signature: Option<EventSignature>,
    },
}

impl fmt::Display for EventKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BackupStarted { cluster, tables } => {
                let cluster = cluster.as_ref().map_or_else(|| UNKNOWN.to_owned(), ToString::to_string);
                let tables = tables.map_or_else(|| UNKNOWN.to_owned(), |tables| tables.to_string());
                write!(formatter, "backup-started-{cluster}-{tables}")
            }
            Self::RetentionDegraded => formatter.write_str("retention-degraded"),
            Self::SizeSuspect { accepted: None } => write!(formatter, "size-suspect-{NONE}"),
            Self::SizeSuspect { accepted: Some(id) } => write!(formatter, "size-suspect-{id}"),
            Self::SizeAccepted { from, signature: None } => write!(formatter, "size-accepted-{from}"),
            Self::SizeAccepted { from, signature: Some(signature) } => {
                write!(formatter, "size-accepted-{from}-{}", signature.0)
            }
        }
    }
}

impl EventKind {
    /// Reads what follows the id; `None` for anything that `Display` could not have written.
    fn parse(text: &str) -> Option<Self> {
        let known_or = |text: &str| (text != UNKNOWN).then(|| text.to_owned());
        let kind = if text == "retention-degraded" {
            Self::RetentionDegraded
        } else if let Some(from) = text.strip_prefix("size-accepted-") {
            let (from, signature) = from.split_at_checked(BackupId::CHARS)?;
            let signature = match signature.strip_prefix('-') {
                Some(signature) => Some(EventSignature::parse(signature)?),
                None => None,
            };
            Self::SizeAccepted { from: BackupId::parse(from)?, signature }
        } else if let Some(accepted) = text.strip_prefix("size-suspect-") {
            let accepted = (accepted != NONE).then(|| BackupId::parse(accepted).ok_or(())).transpose().ok()?;
            Self::SizeSuspect { accepted }
        } else {
            let (cluster, tables) = text.strip_prefix("backup-started-")?.split_once('-')?;
            let cluster = known_or(cluster).map(|tag| ClusterTag::parse(&tag).ok_or(())).transpose().ok()?;
            let tables = known_or(tables).map(|count| count.parse::<u64>()).transpose().ok()?;
            Self::BackupStarted { cluster, tables }
        };
        (kind.to_string() == text).then_some(kind)
    }
}

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

/// What the journal tells about one run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunEvents {
    /// The cluster that was dumped.
    pub cluster: Option<ClusterTag>,
    /// Tables of the database when the run began.
    pub tables: Option<u64>,
    /// Whether retention could not do its work after this run.
    pub retention_degraded: bool,
    /// Marks that say that the backup is much smaller than usual; each holds the acceptance that was in force.
    pub size_suspect: Vec<Option<BackupId>>,
}

impl RunEvents {
    /// Adds what `event` of the same run says.
    pub(super) fn add(&mut self, event: &Event) {
        match &event.kind {
            EventKind::BackupStarted { cluster, tables } => {
                self.cluster.clone_from(cluster);
                self.tables = *tables;
            }
            EventKind::RetentionDegraded => self.retention_degraded = true,
            EventKind::SizeSuspect { accepted } => self.size_suspect.push(accepted.clone()),
            EventKind::SizeAccepted { .. } => {}
        }
    }
}

/// All events of a database.
#[derive(Debug, Clone, Default)]
pub struct Journal {
    /// Each with its key, the newest first.
    pub(super) events: Vec<(Event, ObjectKey)>,
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
        self.events.push((event, object.key));
    }

    /// When the first run began later than `after` and not later than `until`, by starts that the store has written
    /// when they say; of runs that died, too.
    ///
    /// The first and not the last: anyone who can write to the bucket can write a start at any moment. A wait that ends
    /// a fixed time after the first one of that time cannot be made longer by another.
    pub fn first_start(&self, after: DateTime<Utc>, until: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.starts.iter().copied().filter(|began| *began > after && *began <= until).min()
    }

    /// The backups from which on an operator has accepted a smaller size.
    pub fn accepted_from(&self) -> impl Iterator<Item = &BackupId> {
        self.events.iter().filter_map(|(event, _)| match &event.kind {
            EventKind::SizeAccepted { from, .. } => Some(from),
            EventKind::BackupStarted { .. } | EventKind::RetentionDegraded | EventKind::SizeSuspect { .. } => None,
        })
    }

    /// Keys of events that may go: of no run in `listed`, and older than 90 days or beyond the newest 1,000.
    /// The acceptance that counts stays.
    pub(super) fn outdated(&self, now: DateTime<Utc>, is_listed: impl Fn(&BackupId) -> bool) -> Vec<ObjectKey> {
        let counts = |kind: &EventKind| match kind {
            EventKind::SizeAccepted { from, .. } => Some(from) == self.accepted_from().max(),
            EventKind::BackupStarted { .. } | EventKind::RetentionDegraded | EventKind::SizeSuspect { .. } => false,
        };
        let alone = self.events.iter().filter(|(event, _)| !is_listed(&event.id) && !counts(&event.kind));
        let old = alone.enumerate().filter(|(place, (event, _))| {
            let age = now - event.id.time();
            *place >= MAX_KEPT || age > KEPT_FOR
        });
        old.map(|(_, (_, key))| key.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "20261122T030000Z-calpt5zmzst5hrp2";

    fn id(text: &str) -> BackupId {
        BackupId::parse(text).unwrap()
    }

    #[test]
    fn names_are_read_as_they_are_written_and_nothing_else_is() {
        let cluster = Some(ClusterTag::of("7343342892334"));
        let kinds = [
            EventKind::BackupStarted { cluster, tables: Some(184) },
            EventKind::BackupStarted { cluster: None, tables: None },
            EventKind::RetentionDegraded,
            EventKind::SizeSuspect { accepted: None },
            EventKind::SizeSuspect { accepted: Some(id("20261121T030000Z-calpt5zmzst5hrp2")) },
            EventKind::SizeAccepted { from: id("20261121T030000Z-calpt5zmzst5hrp2"), signature: None },
            EventKind::SizeAccepted {
                from: id("20261121T030000Z-calpt5zmzst5hrp2"),
                signature: EventSignature::parse(&"a-_9".repeat(22)[..86]),
            },
        ];
        for kind in kinds {
            let event = Event { id: id(ID), kind };
            assert_eq!(Event::parse(&event.file_name()), Some(event));
        }
        for wrong in [
            "",
            ID,
            "20261122T030000Z-calpt5zmzst5hrp2-",
            "20261122T030000Z-calpt5zmzst5hrp2-backup-started",
            "20261122T030000Z-calpt5zmzst5hrp2-backup-started-0123456789ab-007",
            "20261122T030000Z-calpt5zmzst5hrp2-backup-started-0123456789AB-7",
            "20261122T030000Z-calpt5zmzst5hrp2-backup-started-0123456789ab-+7",
            "20261122T030000Z-calpt5zmzst5hrp2-backup-started-0123456789ab-7.tmp",
            "20261122T030000Z-calpt5zmzst5hrp2-size-accepted-yesterday",
            "20261122T030000Z-calpt5zmzst5hrp2-size-accepted-20261121T030000Z-calpt5zmzst5hrp2-",
            "20261122T030000Z-calpt5zmzst5hrp2-size-accepted-20261121T030000Z-calpt5zmzst5hrp2-abc",
            "20261122T030000Z-calpt5zmzst5hrp2-size-suspect-",
            "20261122T030000Z-calpt5zmzst5hrp2-retention-degraded-x",
            "20261122T030000Z_calpt5zmzst5hrp2-retention-degraded",
            "ü0261122T030000Z-calpt5zmzst5hrp2-retention-degraded",
        ] {
            assert_eq!(Event::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_tag_depends_on_the_cluster_alone() {
        assert_eq!(ClusterTag::of("1"), ClusterTag::of("1"));
        assert_ne!(ClusterTag::of("1"), ClusterTag::of("2"));
        assert_eq!(ClusterTag::of("1").to_string().len(), CLUSTER_DIGITS);
    }

    #[test]
    fn old_events_go_but_those_of_a_listed_run_and_the_acceptance_that_counts() {
        let prefix = crate::storage::Prefix::parse("p").unwrap();
        let now: DateTime<Utc> = "2026-11-22T00:00:00Z".parse().unwrap();
        let started = EventKind::BackupStarted { cluster: None, tables: None };
        let accepted = |from: &str| EventKind::SizeAccepted { from: id(from), signature: None };
        let (listed, old) = ("20260101T000000Z-calpt5zmzst5hrp2", "20260102T000000Z-calpt5zmzst5hrp2");
        let mut events = vec![
            (Event { id: id(listed), kind: started.clone() }, prefix.key("listed")),
            (Event { id: id(old), kind: started.clone() }, prefix.key("old")),
            (Event { id: id(old), kind: accepted("20250101T000000Z-calpt5zmzst5hrp2") }, prefix.key("superseded")),
            (Event { id: id(old), kind: accepted(listed) }, prefix.key("counts")),
        ];
        let young = (0..1_001).map(|minute| {
            let id = BackupId::new(now - TimeDelta::minutes(minute));
            (Event { id, kind: started.clone() }, prefix.key(&format!("young {minute}")))
        });
        events.extend(young);
        events.sort_by(|one, other| other.0.id.cmp(&one.0.id));
        let journal = Journal { events, starts: Vec::new() };
        let outdated = journal.outdated(now, |id| id.as_str() == listed);
        let mut names: Vec<&str> = outdated.iter().map(|key| key.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["p/old", "p/superseded", "p/young 1000"]);
        assert_eq!(journal.accepted_from().max(), Some(&id(listed)));
    }

    #[test]
    fn starts_that_keep_coming_do_not_move_the_first_one() {
        let at = |minute: i64| DateTime::UNIX_EPOCH + TimeDelta::minutes(minute);
        let journal = Journal { starts: (0..100).map(at).rev().collect(), ..Journal::default() };
        assert_eq!(journal.first_start(at(50), at(80)), Some(at(51)));
        assert_eq!(journal.first_start(at(-9), at(80)), Some(at(0)));
        assert_eq!(journal.first_start(at(99), at(200)), None);
    }
}
