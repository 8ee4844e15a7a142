//! What the journal of a service tells from before a restart.

use std::collections::BTreeMap;

use backup_core::repository::{Author, EventKind, Journal, Kept, Layout, RecordKey, Word};
use chrono::{DateTime, TimeDelta, Utc};

use crate::alarm::{PastAlarm, Severity};
use crate::alarm_code::AlarmCode;

/// The verdicts of drills that did not do what they are for.
const FAILED_DRILLS: [&str; 2] = ["failed", "could_not_run"];

/// A run that fails so soon after one before the start of its process belongs to a restart loop.
const RESTART_LOOP: TimeDelta = TimeDelta::minutes(1);

/// Whether a run at `now` belongs to a restart loop: the last one before the start of its process failed a moment ago, and
/// not in a future that a clock which was set back has left behind.
pub fn is_restart_loop(failed_before: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    (now - failed_before).abs() < RESTART_LOOP
}

/// What was told of alarms that are told as one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Past {
    /// Since when they hold or held.
    pub(crate) since: DateTime<Utc>,
    /// The most urgent that was told; `None`: that it is over.
    pub(crate) severity: Option<Severity>,
    /// What was told, what the last message was about first.
    pub(crate) codes: Vec<AlarmCode>,
    /// When messages were sent, and on which occasions, the newest last.
    pub(crate) messages: Vec<(DateTime<Utc>, String)>,
    /// When the last message that has arrived in a channel was sent, and whether it told that something is wrong.
    pub(crate) arrived: BTreeMap<Word, (DateTime<Utc>, bool)>,
    /// Whether it was not written down in which channels the last message has arrived.
    pub(crate) is_everywhere: bool,
}

impl Past {
    /// Whether the last message did not arrive in `channel`, and matters there: what holds now, or the end of what was told
    /// there.
    pub(crate) fn is_missing_in(&self, channel: &Word) -> bool {
        let Some((last, _)) = self.messages.last().filter(|_| !self.is_everywhere) else { return false };
        let arrived = self.arrived.get(channel);
        match self.severity {
            Some(_) => arrived.is_none_or(|(at, _)| at < last),
            None => arrived.is_some_and(|(_, was_wrong)| *was_wrong),
        }
    }
}

/// A run that had failed before a restart, after which none has succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedBefore {
    /// The alarm that it is a first sign of.
    pub code: AlarmCode,
    /// When the first of those failed that have failed in a row.
    pub since: DateTime<Utc>,
    /// When it failed.
    pub at: DateTime<Utc>,
    /// Its class.
    pub class: Option<&'static str>,
    /// What is known of it, for a person.
    pub reason: String,
    /// What to do about it.
    pub what_to_do: Option<&'static str>,
}

/// What the journal of a service tells from before a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remembered {
    /// Alarms that were raised and not resolved.
    pub(crate) alarms: BTreeMap<AlarmCode, PastAlarm>,
    /// What was told, by what is told as one.
    pub(crate) told: BTreeMap<String, Past>,
    /// When alarms were raised or resolved.
    pub(crate) changes: Vec<(DateTime<Utc>, AlarmCode)>,
    /// When runs of the service have failed.
    pub(crate) failed_at: Vec<DateTime<Utc>>,
    /// The last of them, if none has succeeded since.
    pub failed_before: Option<FailedBefore>,
}

impl Remembered {
    /// Whether an alarm held that `is_meant`.
    pub fn had_alarm(&self, is_meant: impl Fn(AlarmCode) -> bool) -> bool {
        self.alarms.keys().any(|code| is_meant(*code))
    }

    /// Since when the alarm with this code held.
    pub fn alarm_since(&self, code: AlarmCode) -> Option<DateTime<Utc>> {
        self.alarms.get(&code).map(|(since, _)| *since)
    }

    /// Reads what `author` has written with `key`.
    pub fn read(journal: &Journal, layout: &Layout, key: &RecordKey, author: Author, now: DateTime<Utc>) -> Self {
        let mut remembered = Self::default();
        let mut events: Vec<_> = journal.past_events(now).collect();
        events.reverse();
        let mut all_kept = Vec::new();
        for event in events {
            let at = event.id.time();
            match (&event.kind, author) {
                (EventKind::BackupFailed { .. }, Author::Backup) => remembered.failed_at.push(at),
                (EventKind::DrillEnded { verdict }, Author::Verify) if FAILED_DRILLS.contains(&verdict.as_str()) => {
                    remembered.failed_at.push(at);
                }
                (EventKind::Kept(..), _) => {
                    all_kept.extend(layout.kept(event, key).into_iter().map(|kept| (at, kept)));
                }
                _ => {}
            }
        }
        // Events of one second have no order. An alarm that was raised and resolved in it is over: if it came once more, the
        // first look raises it again.
        all_kept.sort_by_key(|(at, kept)| (*at, matches!(kept, Kept::AlarmResolved { .. })));
        all_kept.into_iter().for_each(|(at, kept)| remembered.enter(kept, author, at));
        remembered
    }

    /// Enters what was kept at `at`, later than what was entered before.
    fn enter(&mut self, kept: &Kept, author: Author, at: DateTime<Utc>) {
        match kept {
            Kept::AlarmRaised { by, code, severity } if *by == author => {
                let named = AlarmCode::named(code.as_str()).zip(Severity::named(severity.as_str()));
                let Some((code, severity)) = named else { return };
                let alarm = self.alarms.entry(code).or_insert((at, severity));
                alarm.1 = alarm.1.max(severity);
                self.changes.push((at, code));
            }
            Kept::AlarmResolved { by, code } if *by == author => {
                let Some(code) = AlarmCode::named(code.as_str()) else { return };
                self.alarms.remove(&code);
                self.changes.push((at, code));
            }
            Kept::Told { by, family, occasion, severity, since, codes, to } if *by == author => {
                let past = self.told.entry(family.to_string()).or_default();
                past.since = *since;
                past.severity = severity.as_ref().and_then(|severity| Severity::named(severity.as_str()));
                past.codes = codes.iter().filter_map(|code| AlarmCode::named(code.as_str())).collect();
                let message = (at, occasion.to_string());
                if past.messages.last() != Some(&message) {
                    past.messages.push(message);
                }
                past.is_everywhere = to.is_none();
                past.arrived.extend(to.iter().map(|channel| (channel.clone(), (at, severity.is_some()))));
            }
            Kept::AlarmRaised { .. } | Kept::AlarmResolved { .. } | Kept::Told { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_belongs_to_a_restart_loop_if_the_one_before_failed_within_a_minute() {
        let now = Utc::now();
        for (seconds_ago, expected) in [(0, true), (59, true), (60, false), (-59, true), (-420, false)] {
            assert_eq!(is_restart_loop(now - TimeDelta::seconds(seconds_ago), now), expected, "{seconds_ago}");
        }
    }
}
