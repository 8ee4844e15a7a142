//! What was told before a restart.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{CHANGES_WINDOW, FailedRun, Incident, Incidents, Muted, SETTLING, Told, reminder_after};
use crate::alarm::{Alarm, Severity};
use crate::alarm_code::AlarmCode;
use crate::database_name::DatabaseName;
use crate::notify::incident::{Family, Sign};
use crate::notify::message::Occasion;
use crate::remembered::{Past, Remembered};

impl Incidents {
    /// Takes over what was told before a restart.
    pub(crate) fn restore(&mut self, database: &DatabaseName, remembered: &Remembered, now: DateTime<Utc>) {
        for (word, past) in &remembered.told {
            let Some(family) = Family::of_word(word) else { continue };
            let held = remembered.alarms.iter().filter(|(code, _)| Family::of(**code) == family);
            let held = held.map(|(code, (since, severity))| {
                let (code, severity) = (*code, *severity);
                Alarm {
                    code,
                    database: database.clone(),
                    severity,
                    since: *since,
                    noticed_at: *since,
                    message: String::new(),
                    subjects: Vec::new(),
                }
            });
            let incident = self.of(database, family);
            incident.restore(past, held.filter(|alarm| !alarm.is_waiting()), now);
            incident.count_unsaid(&remembered.changes, family);
            incident.again = (!past.is_everywhere).then(|| past.clone());
            let failures = remembered.failed_at.iter().filter(|at| **at >= past.since - SETTLING).count();
            incident.occurrences = incident.occurrences.max(u64::try_from(failures).unwrap_or(u64::MAX));
        }
        if let Some(run) = &remembered.failed_before {
            let incident = self.of(database, Family::Main);
            if !incident.signs.hold(run.code) {
                let sign = Sign {
                    code: run.code,
                    severity: Severity::Warning,
                    reason: run.reason.clone(),
                    subjects: Vec::new(),
                };
                incident.show(sign, run.since, now);
            }
            incident.last_failure.get_or_insert(FailedRun {
                ended_at: run.at,
                sign: Some(run.code),
                class: run.class,
                reason: run.reason.clone(),
                what_to_do: run.what_to_do,
            });
        }
    }
}

impl Incident {
    fn restore(&mut self, past: &Past, held: impl Iterator<Item = Alarm>, now: DateTime<Utc>) {
        let told_at = past.messages.last().map_or(past.since, |(at, _)| *at);
        let reminders = (0..).take_while(|number| past.since + reminder_after(*number) <= told_at).count();
        self.since = if self.told.is_none() { past.since } else { self.since.min(past.since) };
        self.told = past.severity.map(|severity| {
            let now_told = self.told.take();
            let severity = now_told.as_ref().map_or(severity, |told| told.severity.max(severity));
            let codes = past.codes.iter().copied().chain(now_told.into_iter().flat_map(|told| told.codes));
            Told { severity, codes: codes.collect(), subjects: BTreeMap::new(), reminders }
        });
        for (at, occasion) in &past.messages {
            let is = |other: Occasion| other.word() == occasion;
            let is_muting = is(Occasion::Unstable { changes: 0 });
            if is_muting || is(Occasion::Digest { changes: 0 }) {
                let is_critical = past.severity == Some(Severity::Critical);
                let told_critical = if is_critical { past.codes.clone() } else { Vec::new() };
                self.muted = Some(Muted { until: *at + CHANGES_WINDOW, changes: 0, told_critical });
            } else {
                self.muted.take_if(|muted| muted.until <= *at);
            }
            let is_change = [Occasion::Onset, Occasion::Worse, Occasion::Resolved].into_iter().any(is);
            if (is_change || is_muting) && now - *at < CHANGES_WINDOW {
                self.changes.push_back(*at);
            }
        }
        // A day without a change has ended it.
        self.muted.take_if(|muted| now - muted.until >= CHANGES_WINDOW);
        for alarm in held {
            self.signs.show(Sign::of(&alarm));
        }
        let lead = past.codes.first().zip(past.severity.or(Some(Severity::Warning)));
        let lead =
            lead.map(|(code, severity)| Sign { code: *code, severity, reason: String::new(), subjects: Vec::new() });
        self.lead = self.signs.lead().or(self.lead.take()).or(lead);
        self.changed(now);
    }

    /// Counts what has changed while changes were only counted.
    fn count_unsaid(&mut self, changes: &[(DateTime<Utc>, AlarmCode)], family: Family) {
        if let Some(muted) = &mut self.muted {
            let begun = muted.until - CHANGES_WINDOW;
            let unsaid = changes.iter().filter(|(at, code)| *at > begun && Family::of(*code) == family);
            muted.changes = u32::try_from(unsaid.count()).unwrap_or(u32::MAX);
        }
    }
}
