//! How a database stands, in one sentence, and how that is known.

use backup_core::text::shortened;
use chrono::{DateTime, TimeDelta, Utc};

use super::icon::Icon;
use super::view::{Activity, Alarm, Backup, Database, Drill, Proof, Tone, Verdict};
use super::words::{Clock, counted, plain, sentence, span};
use crate::alarm::Severity;
use crate::alarm_code::{AlarmCode, Reach};
use crate::daemon::Daemon;

/// How old the snapshot of the newest proven backup may be if the page is to begin with it. Drills once a week are usual.
const MAX_PROOF_AGE: TimeDelta = TimeDelta::days(8);

/// How long the first look at the bucket may take before that is worth a word.
const MAX_FIRST_LOOK: TimeDelta = TimeDelta::minutes(1);

/// Maximum characters of a reason in the sentence; the alarm below has all of it.
const MAX_REASON_CHARS: usize = 160;

/// What a service that makes no drills knows of them without a record that it can believe.
const NO_RECORD: &str = "This service makes no drills, and the bucket has no record of one that was written with its \
                         credentials: whether backups come back is not known here.";

/// How a database stands, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// Runs fail, or a drill has shown that a backup is not what was there.
    Failing,
    /// What there is, is too old, or was never there.
    Stale,
    /// The bucket cannot be listed.
    Unknown,
    /// Something is to be looked at.
    Warning,
    /// The first backup is being made.
    NothingSafeYet,
    /// There is no backup yet, and none is late.
    Waiting,
    /// The bucket was not looked at yet.
    Starting,
    /// Backed up, and no drill has proven it.
    Unproven,
    /// A drill has restored it.
    Proven,
}

impl Standing {
    /// A word or two, for the title of the window and for badges.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Failing => "failing",
            Self::Stale => "stale",
            Self::Unknown => "unknown",
            Self::Warning => "warning",
            Self::NothingSafeYet => "nothing safe yet",
            Self::Waiting => "waiting",
            Self::Starting => "starting",
            Self::Unproven => "not proven",
            Self::Proven => "proven",
        }
    }

    pub(super) fn tone(self) -> Tone {
        match self {
            Self::Failing | Self::Stale => Tone::Bad,
            Self::Unknown | Self::Warning => Tone::Warning,
            Self::NothingSafeYet | Self::Waiting | Self::Starting | Self::Unproven => Tone::Neutral,
            Self::Proven => Tone::Good,
        }
    }

    pub(super) fn icon(self) -> Icon {
        match self {
            Self::Failing => Icon::Octagon,
            Self::Stale => Icon::Clock,
            Self::Unknown => Icon::Question,
            Self::Warning => Icon::Triangle,
            Self::NothingSafeYet => Icon::Running,
            Self::Waiting | Self::Starting => Icon::Dots,
            Self::Unproven => Icon::EmptyShield,
            Self::Proven => Icon::Shield,
        }
    }
}

/// What the page begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Headline {
    pub(super) standing: Standing,
    pub(super) sentence: String,
    /// How that is known, and what is still safe.
    pub(super) further: Vec<String>,
}

/// Decides how `database` stands.
pub(super) fn headline(daemon: Daemon, database: &Database, clock: Clock) -> Headline {
    let story = Story { daemon, database, clock };
    let is_damage = |alarm: &Alarm| alarm.severity == Severity::Critical && alarm.code != AlarmCode::BucketUnseen;
    // What is known to be wrong stays so while the bucket cannot be listed.
    let damage = database.alarms.iter().any(is_damage).then(|| story.of_alarms()).flatten();
    damage.or_else(|| story.of_the_bucket()).or_else(|| story.of_alarms()).unwrap_or_else(|| story.of_backups())
}

struct Story<'view> {
    daemon: Daemon,
    database: &'view Database,
    clock: Clock,
}

impl Story<'_> {
    fn tell(&self, standing: Standing, sentence: String, further: impl IntoIterator<Item = String>) -> Headline {
        Headline { standing, sentence, further: further.into_iter().collect() }
    }

    /// If the bucket cannot be listed, since it does not answer or refuses, all else is what was known before.
    fn of_the_bucket(&self) -> Option<Headline> {
        let Database { listed_at, silent_since, started_at, activity, .. } = self.database;
        match (listed_at, silent_since) {
            (Some(_), Some(since)) => {
                let since = self.clock.moment(*since);
                let sentence =
                    format!("The bucket could not be listed since {since}; this page shows what was known then.");
                Some(self.tell(Standing::Unknown, sentence, [self.still_safe()]))
            }
            (Some(_), None) => None,
            (None, None) if *activity == Activity::Starting && self.clock.now - started_at <= MAX_FIRST_LOOK => {
                let sentence = "The bucket is being looked at for the first time.".to_owned();
                Some(self.tell(Standing::Starting, sentence, []))
            }
            (None, _) => {
                let since = self.clock.moment(*started_at);
                let sentence = format!("The bucket could not be listed since the start, {since}; nothing is known.");
                Some(self.tell(Standing::Unknown, sentence, []))
            }
        }
    }

    /// The most urgent alarm that is not told by the state of the backups itself.
    fn of_alarms(&self) -> Option<Headline> {
        let told_below = |alarm: &&Alarm| {
            alarm.severity == Severity::Warning
                && matches!(alarm.code, AlarmCode::BucketUnseen | AlarmCode::NoBackup | AlarmCode::NeverPassed)
        };
        let alarms = self.database.alarms.iter().filter(|alarm| !told_below(alarm));
        let worst = alarms.min_by_key(|alarm| (std::cmp::Reverse(alarm.severity), alarm.code.entry().rank))?;
        let standing = match (worst.severity, worst.code) {
            (Severity::Warning, _) => return Some(self.with_warning(worst)),
            (_, AlarmCode::BackupSilent) => Standing::Stale,
            (_, code) if code.entry().reach == Reach::Late => Standing::Stale,
            (Severity::Critical, _) => Standing::Failing,
        };
        // What is late is so because of something, if that is known.
        let is_late = worst.code.entry().reach == Reach::Late;
        let cause = self.database.alarms.iter().find(|alarm| is_late && alarm.code == AlarmCode::Failing);
        let cause = cause.map(|cause| self.sentence_of(cause));
        Some(self.tell(standing, self.sentence_of(worst), std::iter::once(self.still_safe()).chain(cause)))
    }

    /// The data is as safe as without the warning, so that is told first.
    fn with_warning(&self, alarm: &Alarm) -> Headline {
        let Headline { sentence, further, .. } = self.of_backups();
        let warning = match alarm.code {
            AlarmCode::Failing => format!("{}{}", self.sentence_of(alarm), self.next_attempt()),
            code => format!("Warning: {}.", code.entry().headline),
        };
        Headline { standing: Standing::Warning, sentence: format!("{sentence} {warning}"), further }
    }

    fn next_attempt(&self) -> String {
        match self.database.activity {
            Activity::Waiting(Some(at)) => format!(" The next attempt starts {}.", self.clock.until(at)),
            Activity::Running(_) => " Another attempt is running.".to_owned(),
            Activity::Starting | Activity::Waiting(None) | Activity::Watching | Activity::Stopping => String::new(),
        }
    }

    fn sentence_of(&self, alarm: &Alarm) -> String {
        let since = self.clock.moment(alarm.since);
        let message = plain(&alarm.message);
        // What an alarm says before its reason is said here in better words.
        let reason = message.split_once(": ").map_or(message.as_str(), |(_, reason)| reason);
        let reason = sentence(&shortened(reason, MAX_REASON_CHARS));
        let reason = reason.trim_start();
        let newest = self.database.newest().map(|backup| self.clock.age(backup.at));
        match (alarm.code, newest) {
            (AlarmCode::Failing, _) => format!("Backups have failed since {since}: {}", lower(reason)),
            (AlarmCode::DrillFailed, _) => self.failed_drill().unwrap_or_else(|| {
                // The backup may be whole: it may be too old, for example.
                format!("A drill failed {since}: {}", lower(reason))
            }),
            (AlarmCode::CouldNotRun, _) => format!("Drills have not run since {since}: {}", lower(reason)),
            (AlarmCode::Stale, Some(age)) if self.daemon == Daemon::Backup => {
                format!("The newest backup is {age} old, which is older than it may be.")
            }
            // It may be about a backup or about drills.
            (AlarmCode::Stale, _) if self.daemon == Daemon::Watch => sentence(&message),
            (AlarmCode::Stale, _) => match self.last_passed() {
                Some(drill) => {
                    format!("The last drill that passed ended {}; that is too long ago.", self.clock.ago(drill))
                }
                None => sentence(&message),
            },
            (AlarmCode::NeverPassed, _) => "No drill has passed: nothing is proven.".to_owned(),
            (AlarmCode::NoBackup, _) => "There is no backup.".to_owned(),
            _ => sentence(&shortened(&message, MAX_REASON_CHARS)),
        }
    }

    /// What the last drill says against its backup. The message of a finding may be long and full of digests; what is
    /// beneath the headline has all of it.
    fn failed_drill(&self) -> Option<String> {
        let last = self.database.drills.first().filter(|drill| drill.proven == Some(false))?;
        let (at, finding) = (last.snapshot_at?, last.report.as_ref()?.findings.first()?);
        let (at, check) = (self.clock.moment(at), plain(&finding.check));
        Some(format!("The backup of {at} does not come back as it was: the check {check} failed."))
    }

    fn last_passed(&self) -> Option<DateTime<Utc>> {
        self.database.drills.iter().find(|drill| drill.verdict == Verdict::Passed).map(|drill| drill.ended_at)
    }

    /// Nothing is wrong.
    fn of_backups(&self) -> Headline {
        let Some(newest) = self.database.newest() else { return self.without_backup() };
        if let Proof::Failed(at) = newest.proof {
            let (of, ago) = (self.clock.moment(newest.at), self.clock.ago(at));
            let sentence = format!("The newest backup, of {of}, failed its drill {ago}.");
            return self.tell(Standing::Warning, sentence, [self.still_safe()]);
        }
        let proven = self.database.newest_proven();
        match proven.filter(|(backup, _)| self.clock.now - backup.at <= MAX_PROOF_AGE) {
            Some((backup, proven_at)) => self.proven(backup, proven_at, newest),
            None => {
                let sentence = format!("Backed up {}, not proven.", self.clock.ago(newest.at));
                let further = match proven {
                    Some((backup, _)) => {
                        let at = self.clock.moment(backup.at);
                        format!("The newest backup that a drill has restored is the one of {at}.")
                    }
                    None if self.daemon == Daemon::Watch => NO_RECORD.to_owned(),
                    None => "No drill has restored a backup yet, so whether they come back is not known.".to_owned(),
                };
                self.tell(Standing::Unproven, sentence, [further])
            }
        }
    }

    fn without_backup(&self) -> Headline {
        match (self.daemon, self.database.activity) {
            (Daemon::Backup, Activity::Running(_)) => {
                let sentence = "The first backup is being made. Nothing is safe yet.".to_owned();
                self.tell(Standing::NothingSafeYet, sentence, [])
            }
            (Daemon::Backup, Activity::Waiting(Some(at))) => {
                let sentence = format!("No backup yet. The first run starts {}.", self.clock.until(at));
                self.tell(Standing::Waiting, sentence, [])
            }
            (Daemon::Backup, _) => self.tell(Standing::Waiting, "No backup yet.".to_owned(), []),
            (Daemon::Watch, _) => self.tell(Standing::Waiting, "No backup yet.".to_owned(), []),
            (Daemon::Verify, _) => {
                let sentence = "No backup yet. The first drill starts as soon as there is one.".to_owned();
                self.tell(Standing::Waiting, sentence, [])
            }
        }
    }

    fn proven(&self, backup: &Backup, proven_at: DateTime<Utc>, newest: &Backup) -> Headline {
        let drill = self.database.drills.iter().find(|drill| is_the_proof(drill, backup));
        let ago = self.clock.ago(proven_at);
        let sentence = match drill.and_then(|drill| drill.report.as_ref()) {
            None => format!("Proven restorable {ago}."),
            Some(report) => {
                let tables = counted(report.totals.tables as u64, "table", "tables");
                let rows = counted(report.rows(), "row", "rows");
                let recovery = report.recovery_time_seconds.map(|seconds| format!(", {} to recover", span(seconds)));
                format!("Proven restorable {ago}: {tables}, {rows}{}.", recovery.unwrap_or_default())
            }
        };
        let of = self.clock.moment(backup.at);
        let how = match (drill, self.daemon) {
            (_, Daemon::Watch) => format!(
                "By the record of another verify, which uses the same credentials of the bucket: the backup of {of} was \
                 restored and compared with what was there, row for row."
            ),
            (Some(_), _) => format!(
                "The backup of {of} was restored into a database of its own and compared with what was there, row for row."
            ),
            (None, Daemon::Backup) => format!("verify has recorded that the backup of {of} came back as it was."),
            (None, Daemon::Verify) => {
                format!("A record in the bucket says that the backup of {of} came back as it was.")
            }
        };
        let is_newest = backup.id == newest.id;
        let later =
            (!is_newest).then(|| format!("The newest backup, of {}, is not proven yet.", self.clock.moment(newest.at)));
        self.tell(Standing::Proven, sentence, std::iter::once(how).chain(later))
    }

    /// What would come back now.
    fn still_safe(&self) -> String {
        let of = |backup: &Backup| self.clock.moment(backup.at);
        let usual = || self.database.backups.iter().filter(|backup| backup.counts() && !backup.is_suspicious);
        let newest = usual().find(|backup| !matches!(backup.proof, Proof::Failed(_)));
        let proven = usual().find(|backup| matches!(backup.proof, Proof::Proven(_)));
        let safe = match (newest, proven) {
            (None, _) => "Nothing is known to be safe.".to_owned(),
            (Some(newest), Some(proven)) if newest.id == proven.id => {
                format!("Still safe: the backup of {}, proven.", of(newest))
            }
            (Some(newest), Some(proven)) => {
                format!(
                    "Still safe: the backup of {}, proven. The newest, of {}, is not proven.",
                    of(proven),
                    of(newest)
                )
            }
            (Some(newest), None) if self.daemon == Daemon::Watch => {
                format!("Still there: the backup of {}. Whether it comes back is not known here.", of(newest))
            }
            (Some(newest), None) => format!("Still there: the backup of {}, which no drill has proven.", of(newest)),
        };
        match self.database.newest().filter(|backup| backup.is_suspicious) {
            None => safe,
            Some(small) => {
                format!("{safe} Not counted: the newest, of {}, which is much smaller than usual.", of(small))
            }
        }
    }
}

/// Whether a drill is what proves `backup`.
fn is_the_proof(drill: &Drill, backup: &Backup) -> bool {
    drill.proven == Some(true) && drill.backup_id.as_deref() == Some(backup.id.as_str())
}

/// After a colon, a sentence begins small, unless its first word is an abbreviation.
fn lower(text: &str) -> String {
    let mut characters = text.chars();
    match (characters.next(), characters.clone().next()) {
        (Some(first), Some(second)) if !second.is_uppercase() => first.to_lowercase().chain(characters).collect(),
        _ => text.to_owned(),
    }
}
