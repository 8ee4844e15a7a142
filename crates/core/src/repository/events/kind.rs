//! What can have happened, and how it is spelled in a name.

use std::fmt;

use sha2::{Digest, Sha256};

use super::super::BackupId;
use super::kept::Kept;
use super::word::Word;

/// Hexadecimal digits of a [`ClusterTag`]: 48 bits, so that two clusters do not meet by chance.
const CLUSTER_DIGITS: usize = 12;

/// Characters of an [`EventSignature`]: 64 bytes.
const SIGNATURE_CHARS: usize = 86;

/// Hexadecimal digits of a [`Tag`]: 64 bits.
const TAG_DIGITS: usize = 16;

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
    pub(in super::super) fn of(base64: &str) -> Self {
        Self(base64.trim_end_matches('=').replace('+', "-").replace('/', "_"))
    }

    /// The signature in base64.
    pub(in super::super) fn to_base64(&self) -> String {
        format!("{}==", self.0.replace('-', "+").replace('_', "/"))
    }

    fn parse(text: &str) -> Option<Self> {
        let is_of_alphabet = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (text.len() == SIGNATURE_CHARS && text.bytes().all(is_of_alphabet)).then(|| Self(text.to_owned()))
    }
}

/// Shows that an event was written with the credential of the service that reads it: the start of an HMAC. Anyone who can
/// write to the bucket could otherwise keep a service silent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag(String);

impl Tag {
    /// The tag that begins these hexadecimal digits of an HMAC.
    pub(in super::super) fn of(digits: &str) -> Self {
        Self(digits.chars().take(TAG_DIGITS).collect())
    }

    /// What stands in the place of the tag while it is computed.
    pub(in super::super) fn none() -> Self {
        Self("0".repeat(TAG_DIGITS))
    }

    fn parse(text: &str) -> Option<Self> {
        let good = text.len() == TAG_DIGITS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        good.then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// The run of the event's id is about to dump: `backup-started-<cluster>-<tables>-<seconds>`.
    BackupStarted {
        /// The cluster that is dumped; `None` if the role may not read its identifier.
        cluster: Option<ClusterTag>,
        /// Tables of the database at that moment; `None` if they could not be counted.
        tables: Option<u64>,
        /// How long the run may take; `None` of a version that did not say so.
        max_seconds: Option<u64>,
    },
    /// Retention could not delete what it had to after the run of the event's id: `retention-degraded`.
    RetentionDegraded,
    /// The backup of the event's id is much smaller than usual: `size-suspect-<backup or none>`.
    SizeSuspect {
        /// The acceptance that was in force when it was judged. A later one makes the mark void.
        accepted: Option<BackupId>,
    },
    /// A run has failed: `backup-failed-<class>`, or, if it made up for one that had failed, `backup-failed-again-<class>`.
    BackupFailed {
        /// Why, in a word.
        class: Word,
        /// Whether it made up for another one.
        again: bool,
    },
    /// A database that was not there before is backed up from now on: `database-appeared`.
    DatabaseAppeared,
    /// A signal has ended a run: `backup-stopped`.
    BackupStopped,
    /// A drill begins: `drill-started`.
    DrillStarted,
    /// A drill has ended and has left no record: `drill-<verdict>`.
    DrillEnded {
        /// How it ended, in a word.
        verdict: Word,
    },
    /// What a service keeps in mind over a restart: `alarm-...` or `told-...`, and the tag of its writer.
    Kept(Kept, Tag),
    /// An operator says that from this backup on the smaller size is right: `size-accepted-<backup>`, and, if there is
    /// a key for it, `-<signature>`.
    SizeAccepted {
        /// The first backup of the new size.
        from: BackupId,
        /// See [`Layout::sign_event`](crate::repository::Layout::sign_event).
        signature: Option<EventSignature>,
    },
}

impl fmt::Display for EventKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BackupStarted { cluster, tables, max_seconds } => {
                let cluster = cluster.as_ref().map_or_else(|| UNKNOWN.to_owned(), ToString::to_string);
                let tables = tables.map_or_else(|| UNKNOWN.to_owned(), |tables| tables.to_string());
                write!(formatter, "backup-started-{cluster}-{tables}")?;
                max_seconds.map_or(Ok(()), |seconds| write!(formatter, "-{seconds}"))
            }
            Self::RetentionDegraded => formatter.write_str("retention-degraded"),
            Self::BackupFailed { class, again: false } => write!(formatter, "backup-failed-{class}"),
            Self::BackupFailed { class, again: true } => write!(formatter, "backup-failed-again-{class}"),
            Self::DatabaseAppeared => formatter.write_str("database-appeared"),
            Self::BackupStopped => formatter.write_str("backup-stopped"),
            Self::DrillStarted => formatter.write_str("drill-started"),
            Self::DrillEnded { verdict } => write!(formatter, "drill-{verdict}"),
            Self::Kept(kept, tag) => write!(formatter, "{kept}-{tag}"),
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
    /// What it says, without what it is about and in which numbers: another line of the same family says the same.
    pub(super) fn family(&self) -> (&'static str, &str) {
        match self {
            Self::BackupStarted { .. } => ("backup-started", ""),
            Self::RetentionDegraded => ("retention-degraded", ""),
            Self::SizeSuspect { .. } => ("size-suspect", ""),
            Self::BackupFailed { again: false, .. } => ("backup-failed", ""),
            Self::BackupFailed { again: true, .. } => ("backup-failed-again", ""),
            Self::DatabaseAppeared => ("database-appeared", ""),
            Self::BackupStopped => ("backup-stopped", ""),
            Self::DrillStarted => ("drill-started", ""),
            Self::DrillEnded { verdict } => ("drill", verdict.as_str()),
            Self::Kept(Kept::AlarmRaised { .. }, _) => ("alarm-raised", ""),
            Self::Kept(Kept::AlarmResolved { .. }, _) => ("alarm-resolved", ""),
            Self::Kept(Kept::Told { .. }, _) => ("told", ""),
            Self::SizeAccepted { .. } => ("size-accepted", ""),
        }
    }

    /// Reads what follows the id; `None` for anything that `Display` could not have written.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let known_or = |text: &str| (text != UNKNOWN).then(|| text.to_owned());
        let kind = if text == "retention-degraded" {
            Self::RetentionDegraded
        } else if text == "database-appeared" {
            Self::DatabaseAppeared
        } else if text == "backup-stopped" {
            Self::BackupStopped
        } else if let Some(class) = text.strip_prefix("backup-failed-again-") {
            Self::BackupFailed { class: Word::parse(class)?, again: true }
        } else if let Some(class) = text.strip_prefix("backup-failed-") {
            Self::BackupFailed { class: Word::parse(class)?, again: false }
        } else if text == "drill-started" {
            Self::DrillStarted
        } else if let Some(verdict) = text.strip_prefix("drill-") {
            Self::DrillEnded { verdict: Word::parse(verdict)? }
        } else if text.starts_with("alarm-") || text.starts_with("told-") {
            let (kept, tag) = text.rsplit_once('-')?;
            Self::Kept(Kept::parse(kept)?, Tag::parse(tag)?)
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
            let (tables, seconds) =
                tables.split_once('-').map_or((tables, None), |(tables, rest)| (tables, Some(rest)));
            let tables = known_or(tables).map(|count| count.parse::<u64>()).transpose().ok()?;
            let max_seconds = seconds.map(|seconds| seconds.parse::<u64>()).transpose().ok()?;
            Self::BackupStarted { cluster, tables, max_seconds }
        };
        (kind.to_string() == text).then_some(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Event;
    use super::*;

    const ID: &str = "20261122T030000Z-calpt5zmzst5hrp2";

    fn id(text: &str) -> BackupId {
        BackupId::parse(text).unwrap()
    }

    #[test]
    fn names_are_read_as_they_are_written_and_nothing_else_is() {
        let cluster = Some(ClusterTag::of("7343342892334"));
        let kinds = [
            EventKind::BackupStarted { cluster: cluster.clone(), tables: Some(184), max_seconds: Some(86_400) },
            EventKind::BackupStarted { cluster, tables: Some(184), max_seconds: None },
            EventKind::BackupStarted { cluster: None, tables: None, max_seconds: Some(1) },
            EventKind::BackupStarted { cluster: None, tables: None, max_seconds: None },
            EventKind::RetentionDegraded,
            EventKind::BackupFailed { class: Word::of("auth"), again: false },
            EventKind::BackupFailed { class: Word::of("bucket_full"), again: true },
            EventKind::BackupStopped,
            EventKind::DrillStarted,
            EventKind::DrillEnded { verdict: Word::of("could_not_run") },
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
            "20261122T030000Z-calpt5zmzst5hrp2-backup-started-0123456789ab-7-",
            "20261122T030000Z-calpt5zmzst5hrp2-backup-started-0123456789ab-7-060",
            "20261122T030000Z-calpt5zmzst5hrp2-backup-started-0123456789ab-7-unknown",
            "20261122T030000Z-calpt5zmzst5hrp2-backup-started-0123456789ab-7-60-60",
            "20261122T030000Z-calpt5zmzst5hrp2-size-accepted-yesterday",
            "20261122T030000Z-calpt5zmzst5hrp2-size-accepted-20261121T030000Z-calpt5zmzst5hrp2-",
            "20261122T030000Z-calpt5zmzst5hrp2-size-accepted-20261121T030000Z-calpt5zmzst5hrp2-abc",
            "20261122T030000Z-calpt5zmzst5hrp2-size-suspect-",
            "20261122T030000Z-calpt5zmzst5hrp2-retention-degraded-x",
            "20261122T030000Z-calpt5zmzst5hrp2-backup-failed-",
            "20261122T030000Z-calpt5zmzst5hrp2-backup-failed-a table",
            "20261122T030000Z-calpt5zmzst5hrp2-backup-failed-again-",
            "20261122T030000Z-calpt5zmzst5hrp2-backup-stopped-",
            "20261122T030000Z-calpt5zmzst5hrp2-drill-passed-7",
            "20261122T030000Z-calpt5zmzst5hrp2-drill-started-",
            "20261122T030000Z-calpt5zmzst5hrp2-alarm-backup-stale-raised-critical",
            "20261122T030000Z-calpt5zmzst5hrp2-alarm-backup-stale-raised-0123456789abcdef",
            "20261122T030000Z-calpt5zmzst5hrp2-alarm-another-stale-resolved-0123456789abcdef",
            "20261122T030000Z-calpt5zmzst5hrp2-told-backup-main-onset-critical-20261122T030000Z--0123456789abcdef",
            "20261122T030000Z-calpt5zmzst5hrp2-told-backup-main-onset-critical-2026112T030000Z-stale-0123456789abcdef",
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
}
