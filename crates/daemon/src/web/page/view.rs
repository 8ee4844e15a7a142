//! What the page shows, as plain data: each service fills it from its state, the rest of this module renders it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::report::DrillReport;
use crate::alarm::Severity;
use crate::alarm_code::AlarmCode;
use crate::daemon::Daemon;

/// Everything that the pages of a service show.
#[derive(Debug, Clone)]
pub struct View {
    /// Whose page it is.
    pub daemon: Daemon,
    /// `INSTANCE_NAME`, or what stands in for it; may be empty.
    pub instance: String,
    /// The zone of local times.
    pub time_zone: Tz,
    /// Each database once.
    pub databases: Vec<Database>,
}

/// One database.
#[derive(Debug, Clone)]
pub struct Database {
    /// Empty as long as it is not known.
    pub name: String,
    /// The schedule, as people read it.
    pub schedule: String,
    /// When the loop of the database began.
    pub started_at: DateTime<Utc>,
    /// What the loop does.
    pub activity: Activity,
    /// When the bucket was last listed.
    pub listed_at: Option<DateTime<Utc>>,
    /// Since when the bucket could not be listed, if it cannot.
    pub silent_since: Option<DateTime<Utc>>,
    /// Everything that is wrong.
    pub alarms: Vec<Alarm>,
    /// Committed backups, the newest first.
    pub backups: Vec<Backup>,
    /// Drills of this process and those that records tell of, the newest first.
    pub drills: Vec<Arc<Drill>>,
    /// What a dump does not contain, in sentences; `None` as long as it is not known.
    pub gaps: Option<Vec<String>>,
    /// What happened, the newest first.
    pub events: Vec<Event>,
}

/// What the loop of a database does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// It looks at the bucket for the first time.
    Starting,
    /// It waits for its next run, whose time may not be known.
    Waiting(Option<DateTime<Utc>>),
    /// A run is going on.
    Running(Run),
    /// It makes no runs.
    Watching,
    /// A stop was asked for.
    Stopping,
}

/// A run that is going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// The name of its step; empty before the first.
    pub step: &'static str,
    /// Bytes that the step has processed.
    pub done_bytes: u64,
    /// Bytes that it will have processed at its end, if that is known.
    pub total_bytes: Option<u64>,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// What it is about.
    pub code: AlarmCode,
    /// How urgent it is.
    pub severity: Severity,
    /// Since when it holds.
    pub since: DateTime<Utc>,
    /// A sentence for a person.
    pub message: String,
}

/// One committed backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// Its id.
    pub id: String,
    /// The moment that it shows.
    pub at: DateTime<Utc>,
    /// Whether `PG_DUMP_OPTIONS` narrowed it.
    pub is_partial: bool,
    /// Whether it is dated in the future, so that it is never the newest.
    pub is_from_the_future: bool,
    /// Size in the bucket.
    pub stored_bytes: u64,
    /// Rows, if they are known.
    pub rows: Option<u64>,
    /// How long its run took, if that is known.
    pub run_seconds: Option<u64>,
    /// Whether it is much smaller than usual, so that it may lack data.
    pub is_suspicious: bool,
    /// Whether a drill has restored it.
    pub proof: Proof,
    /// What retention will do with it.
    pub retention: Retention,
}

/// Whether a backup was restored by a drill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// No drill has come to a verdict about it.
    None,
    /// It came back as it was, by the drill that ended then.
    Proven(DateTime<Utc>),
    /// It did not, by the newest drill of it.
    Failed(DateTime<Utc>),
}

/// What retention will do with a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retention {
    /// This service does not know.
    Unknown,
    /// It stays, for these reasons; until the time, if one is known.
    Kept(Vec<String>, Option<DateTime<Utc>>),
    /// The next run may delete it.
    Due,
    /// A later run may delete it: others go first, or nothing is deleted now.
    Later,
}

/// How a drill ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The backup came back as it was.
    Passed,
    /// It did not.
    Failed,
    /// The drill did not work, which says nothing about the backup.
    CouldNotRun,
    /// A signal ended it.
    Stopped,
}

/// One drill.
#[derive(Debug, Clone, PartialEq)]
pub struct Drill {
    /// What names it in an address, see [`drill_id`](crate::drill_id).
    pub id: String,
    /// How it ended.
    pub verdict: Verdict,
    /// When that was.
    pub ended_at: DateTime<Utc>,
    /// The backup, if one could be chosen.
    pub backup_id: Option<String>,
    /// The moment that the backup shows.
    pub snapshot_at: Option<DateTime<Utc>>,
    /// Whether it has shown that the backup comes back as it was, or that it does not.
    pub proven: Option<bool>,
    /// Everything that it found, if that is known.
    pub report: Option<DrillReport>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: DateTime<Utc>,
    /// Whether it was good or bad.
    pub tone: Tone,
    /// A sentence.
    pub text: String,
}

/// How something is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Neither good nor bad.
    Neutral,
    /// In order, and proven.
    Good,
    /// To be looked at.
    Warning,
    /// What the service is for is at risk.
    Bad,
}

impl Tone {
    /// Its class in the style.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Neutral => "neutral",
            Self::Good => "good",
            Self::Warning => "warning",
            Self::Bad => "bad",
        }
    }
}

impl Database {
    /// The newest full backup.
    pub(super) fn newest(&self) -> Option<&Backup> {
        self.backups.iter().find(|backup| backup.counts())
    }

    /// The newest full backup that a drill has proven, and when the drill ended.
    pub(super) fn newest_proven(&self) -> Option<(&Backup, DateTime<Utc>)> {
        self.backups.iter().filter(|backup| backup.counts()).find_map(|backup| match backup.proof {
            Proof::Proven(at) => Some((backup, at)),
            Proof::None | Proof::Failed(_) => None,
        })
    }

    /// What to call it.
    pub(super) fn title(&self) -> &str {
        if self.name.is_empty() { "the database" } else { &self.name }
    }
}

impl Backup {
    /// Whether it can be the newest: it is full, and not dated in the future.
    pub(super) fn counts(&self) -> bool {
        !self.is_partial && !self.is_from_the_future
    }
}
