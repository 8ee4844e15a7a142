//! The facts of a message, and their text: rendered once for all channels.

use backup_core::scrub::Scrubber;
use backup_core::text::{Lines, age, one_line, shortened};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::links::ANY_RUNBOOK;

mod level;

pub(crate) use level::{Level, Status};

/// Maximum characters of a title.
pub(super) const MAX_TITLE_CHARS: usize = 120;
/// Maximum characters of a body.
pub(super) const MAX_BODY_CHARS: usize = 1_000;
/// Maximum characters of a reason.
pub(super) const MAX_REASON_CHARS: usize = 300;
/// Maximum characters of a name: an instance, a database.
const MAX_NAME_CHARS: usize = 80;

/// Why a message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "occasion")]
pub(crate) enum Occasion {
    /// Something is wrong that was not before.
    Onset,
    /// It has become more urgent.
    Worse,
    /// It is still wrong.
    Reminder,
    /// It is in order again.
    Resolved,
    /// It has come and gone so often that only a digest a day follows.
    Unstable {
        /// Changes within a day.
        changes: u32,
    },
    /// The digest: what has changed since the last one.
    Digest {
        /// Changes since then.
        changes: u32,
    },
    /// A run has succeeded.
    Success,
    /// The message of life.
    Summary {
        /// Runs since the last one.
        succeeded: u32,
        /// The same of those that failed.
        failed: u32,
    },
    /// An operator tries the channels.
    Test,
}

impl Occasion {
    /// Its word in keys.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Onset => "onset",
            Self::Worse => "worse",
            Self::Reminder => "reminder",
            Self::Resolved => "resolved",
            Self::Unstable { .. } => "unstable",
            Self::Digest { .. } => "digest",
            Self::Success => "success",
            Self::Summary { .. } => "summary",
            Self::Test => "test",
        }
    }
}

/// A backup and the moment that it shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dated {
    /// Its id.
    pub id: String,
    /// The moment that it shows.
    pub at: DateTime<Utc>,
}

/// What is still safe.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Safe {
    /// The newest full backup that is known, and is not known to have failed its last drill.
    pub newest_backup: Option<Dated>,
    /// The newest backup that is known to have passed its last drill.
    pub newest_proven: Option<Dated>,
    /// The newest full backup, if it is much smaller than usual: then neither of the others is.
    pub suspicious: Option<Dated>,
}

/// Who speaks.
#[derive(Debug, Clone)]
pub(crate) struct Speaker {
    pub(crate) service: &'static str,
    pub(crate) instance: String,
    pub(crate) public_url: Option<String>,
    pub(crate) scrubber: Scrubber,
}

/// A message. It holds no secret, and no character that moves a cursor or turns the direction of text.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Message {
    #[serde(flatten)]
    pub(crate) occasion: Occasion,
    /// What it is about: the code of an alarm, `succeeded`, `summary` or `test`.
    pub(crate) event: &'static str,
    pub(crate) severity: Level,
    pub(crate) status: Status,
    /// Since when it holds or held.
    pub(crate) since: DateTime<Utc>,
    pub(crate) at: DateTime<Utc>,
    /// Runs that have failed meanwhile; 0 if it is about something else.
    pub(crate) occurrences: u64,
    pub(crate) service: &'static str,
    pub(crate) instance: String,
    /// `None`: the only one, whose name is not known yet.
    pub(crate) database: Option<String>,
    pub(crate) backup_id: Option<String>,
    pub(crate) class: Option<&'static str>,
    pub(crate) reason: Option<String>,
    pub(crate) safe: Safe,
    pub(crate) next_attempt_at: Option<DateTime<Utc>>,
    pub(crate) what_to_do: &'static str,
    pub(crate) runbook: &'static str,
    pub(crate) url: Option<String>,
    /// `PUBLIC_URL`.
    #[serde(skip)]
    pub(crate) pages: Option<String>,
    pub(crate) version: &'static str,
    /// The same for all messages about one thing, from its onset to its end.
    pub(crate) key: String,
    /// What it is about, in words that end a title.
    #[serde(skip)]
    pub(crate) headline: &'static str,
    /// The messages for which it stands, if these are several.
    #[serde(skip)]
    pub(crate) of_each: Vec<Self>,
}

impl Message {
    /// One about nothing in particular yet.
    pub(crate) fn new(speaker: &Speaker, occasion: Occasion, database: Option<&str>, at: DateTime<Utc>) -> Self {
        let database = database.map(|name| shortened(&plain(name), MAX_NAME_CHARS));
        let instance = shortened(&plain(&speaker.instance), MAX_NAME_CHARS);
        Self {
            occasion,
            event: "test",
            severity: Level::Info,
            status: Status::Resolved,
            since: at,
            at,
            occurrences: 0,
            service: speaker.service,
            key: format!("{}/{instance}/{}", speaker.service, database.as_deref().unwrap_or_default()),
            instance,
            database,
            backup_id: None,
            class: None,
            reason: None,
            safe: Safe::default(),
            next_attempt_at: None,
            what_to_do: "Nothing.",
            runbook: ANY_RUNBOOK,
            url: speaker.public_url.clone(),
            pages: speaker.public_url.clone(),
            version: env!("CARGO_PKG_VERSION"),
            headline: "",
            of_each: Vec::new(),
        }
    }

    /// With the address of the page of `database`, which is one of several: `/` lists all of them.
    pub(crate) fn linking_to(mut self, database: &str) -> Self {
        let name = utf8_percent_encode(database, NON_ALPHANUMERIC);
        self.url = self.url.map(|url| format!("{}/databases/{name}", url.trim_end_matches('/')));
        self
    }

    /// With this reason, made safe to show.
    pub(crate) fn with_reason(mut self, reason: &str, speaker: &Speaker) -> Self {
        let reason = shortened(&plain(&one_line(&speaker.scrubber.scrub(reason))), MAX_REASON_CHARS);
        self.reason = Some(reason).filter(|reason| !reason.is_empty());
        self
    }

    /// One line without markup, of at most [`MAX_TITLE_CHARS`].
    pub(crate) fn title(&self) -> String {
        let severity = self.severity.word().to_uppercase();
        let (lasted, is_over) = (age(self.at - self.since), self.status == Status::Resolved);
        let start = match self.occasion {
            Occasion::Onset | Occasion::Worse => severity,
            Occasion::Reminder => format!("STILL {severity} after {lasted}"),
            Occasion::Resolved => format!("RESOLVED after {lasted}"),
            Occasion::Unstable { .. } if is_over => "UNSTABLE, RESOLVED".to_owned(),
            Occasion::Unstable { .. } => format!("UNSTABLE, {severity}"),
            Occasion::Digest { changes } if is_over => format!("UNSTABLE, {changes} changes, RESOLVED"),
            Occasion::Digest { changes } => format!("UNSTABLE, {changes} changes, {severity}"),
            Occasion::Success => "OK".to_owned(),
            Occasion::Summary { .. } if is_over => "SUMMARY".to_owned(),
            Occasion::Summary { .. } => format!("SUMMARY, {severity}"),
            Occasion::Test => "TEST".to_owned(),
        };
        let title = format!("{start}: {} of {}: {} ({})", self.service, self.name(), self.headline, self.instance);
        shortened(&title, MAX_TITLE_CHARS)
    }

    /// What is known, the most important first: what each is called, and what it is.
    pub(crate) fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts: Vec<(&'static str, String)> = Vec::new();
        let note = match self.occasion {
            Occasion::Unstable { changes } => {
                Some(format!("{changes} changes within a day; from now on there is one message a day about this"))
            }
            Occasion::Digest { changes } => {
                let now = if self.status == Status::Firing { "wrong" } else { "in order" };
                Some(format!("{changes} changes since the last message; at the moment it is {now}"))
            }
            Occasion::Summary { succeeded, failed } => {
                let (runs, since) = (if self.service == "verify" { "drills" } else { "runs" }, shown_time(self.since));
                Some(format!("{runs} since {since}: {succeeded} succeeded, {failed} failed"))
            }
            Occasion::Onset
            | Occasion::Worse
            | Occasion::Reminder
            | Occasion::Resolved
            | Occasion::Success
            | Occasion::Test => None,
        };
        facts.extend(note.map(|note| ("Note", note)));
        facts.extend(self.databases().map(|names| ("Databases", names)));
        let name = if matches!(self.occasion, Occasion::Summary { .. }) { "Alarms" } else { "Reason" };
        facts.extend(self.reason.clone().map(|reason| (name, reason)));
        facts.push(("Still safe", self.still_safe()));
        facts.extend(self.next_attempt_at.map(|at| ("Next attempt", shown_time(at))));
        facts.extend([("What to do", self.what_to_do.to_owned()), ("Runbook", self.runbook_place())]);
        if matches!(self.occasion, Occasion::Success | Occasion::Summary { .. } | Occasion::Test) {
            facts.push(("At", shown_time(self.at)));
        } else {
            facts.push(("Since", format!("{} ({})", shown_time(self.since), age(self.at - self.since))));
            let name = if self.service == "verify" { "Failed drills" } else { "Failed runs" };
            facts.extend(Some(self.occurrences).filter(|count| *count > 0).map(|count| (name, count.to_string())));
        }
        facts.push(("Event", self.event.to_owned()));
        facts.push(("Status", format!("{}, {}", self.status.word(), self.severity.word())));
        facts.extend(self.class.map(|class| ("Class", class.to_owned())));
        facts.extend(self.backup_id.clone().map(|id| ("Backup", id)));
        facts.extend(self.url.clone().map(|url| ("Page", url)));
        facts.push(("Instance", self.instance.clone()));
        facts.push(("Version", self.version.to_owned()));
        facts
    }

    /// The facts as lines of plain text, at most [`MAX_BODY_CHARS`] in all.
    pub(crate) fn body(&self) -> String {
        let lines: Vec<String> = self.facts().into_iter().map(|(name, fact)| format!("{name}: {fact}")).collect();
        shortened(&lines.join("\n"), MAX_BODY_CHARS)
    }

    fn still_safe(&self) -> String {
        if let Some(least) = self.least_safe() {
            return format!("of {}, which has the least: {}", least.name(), least.still_safe());
        }
        let shown = |dated: &Dated| format!("{} ({} old)", dated.id, age((self.at - dated.at).max(TimeDelta::zero())));
        let safe = match (&self.safe.newest_backup, &self.safe.newest_proven) {
            (None, None) => "no backup that is known".to_owned(),
            (Some(backup), None) => format!("newest backup {}; none is known to be proven", shown(backup)),
            (None, Some(proven)) => format!("newest proven backup {}", shown(proven)),
            (Some(backup), Some(proven)) if backup.id == proven.id => {
                format!("newest backup {}, proven", shown(backup))
            }
            (Some(backup), Some(proven)) => {
                format!("newest backup {}; newest proven backup {}", shown(backup), shown(proven))
            }
        };
        match &self.safe.suspicious {
            None => safe,
            Some(small) => format!("{safe}; not counted: {}, which is much smaller than usual", shown(small)),
        }
    }
}

fn shown_time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// `text` in one line, with everything written out that moves a cursor or turns the direction of text.
fn plain(text: &str) -> String {
    Lines::of(text).to_string().trim_end_matches('\n').to_owned()
}

#[cfg(test)]
pub(super) mod tests;
