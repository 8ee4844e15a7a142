//! When a message is sent: at the onset, when it gets worse, as a reminder, and at the end. Decided from what happened
//! and the time alone.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};

use super::incident::{Family, Sign, Signs};
use super::message::Occasion;
use crate::alarm::{Alarm, Severity};
use crate::alarm_code::AlarmCode;
use crate::database_name::DatabaseName;
use crate::remembered::Past;

mod notice;
mod restored;

pub(crate) use notice::{FailedRun, Notice};

/// How long a change waits for others: the end of a run moves several alarms within moments, which are one message.
pub(super) const SETTLING: TimeDelta = TimeDelta::seconds(3);

/// So many changes of one incident within [`CHANGES_WINDOW`] are told one by one.
const MAX_CHANGES: usize = 3;
const CHANGES_WINDOW: TimeDelta = TimeDelta::hours(24);

/// An alarm that comes so soon after a run failed comes from that.
const RUN_RAISES_WITHIN: TimeDelta = TimeDelta::minutes(1);

/// After how long a change is due again for which there was no place.
const ANOTHER_TRY: TimeDelta = TimeDelta::minutes(1);

/// After so long there is a reminder, and then one in each [`REMINDER_INTERVAL`], without end.
const REMINDERS: [TimeDelta; 3] = [TimeDelta::hours(6), TimeDelta::hours(24), TimeDelta::days(3)];
const REMINDER_INTERVAL: TimeDelta = TimeDelta::days(7);

/// Everything that is wrong, and what was told of it.
#[derive(Debug, Default)]
pub(crate) struct Incidents(BTreeMap<(DatabaseName, Family), Incident>);

#[derive(Debug, Clone, Default)]
struct Incident {
    signs: Signs,
    since: DateTime<Utc>,
    occurrences: u64,
    last_failure: Option<FailedRun>,
    /// What holds or held last.
    lead: Option<Sign>,
    /// What the last message told; `None`: that nothing is wrong.
    told: Option<Told>,
    /// When what has changed is looked at.
    settles_at: Option<DateTime<Utc>>,
    /// When changes were told, within [`CHANGES_WINDOW`].
    changes: VecDeque<DateTime<Utc>>,
    muted: Option<Muted>,
    /// What was told before a restart, until it is known whether something else is to be told.
    again: Option<Past>,
    /// What it was before the message that was due a moment ago.
    before: Option<Box<Incident>>,
    /// Whether it is over since the database is not looked after any more.
    is_departed: bool,
}

#[derive(Debug, Clone)]
struct Told {
    severity: Severity,
    codes: Vec<AlarmCode>,
    /// The backups that alarms were about, by their codes. Of one that was told before a restart, they are not known.
    subjects: BTreeMap<AlarmCode, Vec<String>>,
    reminders: usize,
}

#[derive(Debug, Clone)]
struct Muted {
    until: DateTime<Utc>,
    changes: u32,
    /// The codes of what is critical that were told since the changes are only counted.
    told_critical: Vec<AlarmCode>,
}

impl Incidents {
    /// An alarm was raised, or has become more urgent.
    pub(crate) fn raised(&mut self, alarm: &Alarm, now: DateTime<Utc>) {
        let incident = self.of(&alarm.database, Family::of(alarm.code));
        // A first result that an outage has delayed is a part of it: the outage is over when the result is there.
        if alarm.is_waiting() && incident.signs.is_empty() {
            return;
        }
        incident.show(Sign::of(alarm), alarm.since, now);
    }

    /// An alarm no longer holds.
    pub(crate) fn resolved(&mut self, alarm: &Alarm, now: DateTime<Utc>) {
        let incident = self.of(&alarm.database, Family::of(alarm.code));
        // The one from before a restart that is over at the first look says nothing.
        if !alarm.message.is_empty() {
            incident.signs.say(alarm.code, &alarm.message);
            let lead = incident.lead.iter_mut().filter(|lead| lead.code == alarm.code);
            lead.for_each(|lead| alarm.message.clone_into(&mut lead.reason));
        }
        incident.end(alarm.code, now);
    }

    /// A run has failed.
    pub(crate) fn failed(&mut self, database: &DatabaseName, run: FailedRun, now: DateTime<Utc>) {
        let incident = self.of(database, Family::Main);
        incident.occurrences = if incident.is_at_rest() { 1 } else { incident.occurrences + 1 };
        incident.last_failure = Some(run.clone());
        let Some(code) = run.sign else { return };
        if incident.signs.hold(code) {
            incident.signs.say(code, &run.reason);
        } else {
            let sign = Sign { code, severity: Severity::Warning, reason: run.reason, subjects: Vec::new() };
            incident.show(sign, run.ended_at, now);
        }
    }

    /// A run has succeeded, which ends what only failed runs are a sign of.
    pub(crate) fn succeeded(&mut self, database: &DatabaseName, now: DateTime<Utc>) {
        self.of(database, Family::Main).end(AlarmCode::Failing, now);
    }

    /// A database is not looked after any more, which ends all that is known of it.
    pub(crate) fn departed(&mut self, database: &DatabaseName, now: DateTime<Utc>) {
        for (_, incident) in self.0.iter_mut().filter(|((of, _), _)| of == database) {
            (incident.signs, incident.muted, incident.is_departed) = (Signs::default(), None, true);
            incident.changes.clear();
            incident.changed(now);
        }
    }

    /// Lets what may be due at `now` say what `said_now` says of each alarm: a reason may have changed since the onset.
    pub(crate) fn refresh(
        &mut self,
        said_now: impl Fn(&DatabaseName, AlarmCode) -> Option<String>,
        now: DateTime<Utc>,
    ) {
        for ((database, _), incident) in self.0.iter_mut().filter(|(_, incident)| incident.may_be_due(now)) {
            for code in incident.signs.codes() {
                said_now(database, code).into_iter().for_each(|reason| incident.signs.say(code, &reason));
            }
        }
    }

    /// What is due at `now`. Each is due once.
    pub(crate) fn due(&mut self, now: DateTime<Utc>) -> Vec<Notice> {
        let due = |((database, family), incident): (&(DatabaseName, Family), &mut Incident)| {
            incident.believe_no_future(now);
            incident.before = None;
            if !incident.may_be_due(now) {
                return None;
            }
            let before = incident.clone();
            let (occasion, again) = incident.due(now)?;
            incident.before = Some(Box::new(before));
            Some(Notice { again, ..incident.notice(occasion, database, *family)? })
        };
        let notices = self.0.iter_mut().filter_map(due).collect();
        self.0.retain(|_, incident| !incident.is_over(now));
        notices
    }

    /// What was due a moment ago found no place among what is to be sent: it is not told, and due again.
    pub(crate) fn take_back(&mut self, notice: &Notice, now: DateTime<Utc>) {
        let incident = self.of(&notice.database, notice.family);
        if let Some(before) = incident.before.take() {
            *incident = Incident { settles_at: Some(now + ANOTHER_TRY), ..*before };
        }
    }

    /// When something may be due next.
    pub(crate) fn next_due(&self) -> Option<DateTime<Utc>> {
        self.0.values().filter_map(Incident::next_due).min()
    }

    /// Lets all changes be due at once, since there is no later.
    pub(crate) fn settle(&mut self, now: DateTime<Utc>) {
        self.0.values_mut().for_each(|incident| incident.settles_at = incident.settles_at.map(|at| at.min(now)));
    }

    fn of(&mut self, database: &DatabaseName, family: Family) -> &mut Incident {
        self.0.entry((database.clone(), family)).or_default()
    }
}

impl Incident {
    fn show(&mut self, sign: Sign, since: DateTime<Utc>, now: DateTime<Utc>) {
        if self.is_at_rest() {
            // A run that has just failed is what raises an alarm.
            let is_cause = |run: &FailedRun| (since - run.ended_at).abs() < RUN_RAISES_WITHIN;
            self.occurrences = u64::from(self.last_failure.as_ref().is_some_and(is_cause));
            self.since = since;
        }
        self.since = self.since.min(since);
        self.is_departed = false;
        self.signs.show(sign);
        self.changed(now);
    }

    /// Whether nothing is wrong, and nothing else was told.
    fn is_at_rest(&self) -> bool {
        self.signs.is_empty() && self.told.is_none()
    }

    fn end(&mut self, code: AlarmCode, now: DateTime<Utc>) {
        if self.signs.end(code) {
            self.changed(now);
        }
    }

    fn changed(&mut self, now: DateTime<Utc>) {
        self.settles_at.get_or_insert(now + SETTLING);
    }

    fn may_be_due(&self, now: DateTime<Utc>) -> bool {
        self.next_due().is_some_and(|at| at <= now)
    }

    /// Why there is a message, and what was told before a restart if it is only for the channels in which that has not
    /// arrived.
    fn due(&mut self, now: DateTime<Utc>) -> Option<(Occasion, Option<Past>)> {
        let has_settled = self.settles_at.take().is_some();
        let again = self.again.take();
        match self.news(has_settled, now) {
            Some(occasion) => Some((occasion, None)),
            None if again.is_some() && self.signs.lead().is_some_and(|sign| sign.reason.is_empty()) => {
                // It was not looked at yet whether that still holds.
                (self.again, self.settles_at) = (again, Some(now + SETTLING));
                None
            }
            None if again.is_some() => {
                let occasion = if self.signs.is_empty() { Occasion::Resolved } else { Occasion::Onset };
                Some((occasion, again))
            }
            None => self.routine(now).map(|occasion| (occasion, None)),
        }
    }

    /// What has changed, if that is to be told.
    fn news(&mut self, has_settled: bool, now: DateTime<Utc>) -> Option<Occasion> {
        let change = if has_settled { self.settled() } else { None };
        if let Some(muted) = &mut self.muted {
            muted.changes += u32::from(change.is_some());
            // What is at risk now is told, each code once in each of these times.
            let urgent = self.signs.critical_beyond(&muted.told_critical).filter(|_| has_settled);
            muted.told_critical.extend(urgent.iter().map(|sign| sign.code));
            if change.is_some() || urgent.is_some() {
                self.remember_as_told(now);
            }
            self.lead = Some(urgent?);
            // There may be more than one.
            self.settles_at = Some(now + SETTLING);
            return change.or(Some(Occasion::Onset));
        }
        let occasion = change?;
        self.remember_as_told(now);
        self.changes.retain(|at| now - *at < CHANGES_WINDOW);
        self.changes.push_back(now);
        Some(if self.changes.len() > MAX_CHANGES { self.mute(now) } else { occasion })
    }

    /// What is due without a change.
    fn routine(&mut self, now: DateTime<Utc>) -> Option<Occasion> {
        match &self.muted {
            Some(_) => self.digest(now),
            None => self.reminder(now),
        }
    }

    /// A clock that was set back makes nothing wait for longer.
    fn believe_no_future(&mut self, now: DateTime<Utc>) {
        self.since = self.since.min(now);
        self.settles_at = self.settles_at.map(|at| at.min(now + ANOTHER_TRY));
        self.changes.iter_mut().for_each(|at| *at = (*at).min(now));
        self.muted.iter_mut().for_each(|muted| muted.until = muted.until.min(now + CHANGES_WINDOW));
    }

    /// How what holds differs from what was told.
    fn settled(&mut self) -> Option<Occasion> {
        // What only waits for its first result now is not what was wrong.
        let lead = self.signs.lead();
        self.lead = lead.clone().filter(|sign| !sign.is_waiting()).or(self.lead.take()).or(lead);
        self.told.iter_mut().for_each(|told| self.signs.name_first(&mut told.subjects));
        match (&self.told, self.signs.severity()) {
            (None, None) => None,
            (None, Some(_)) => Some(Occasion::Onset),
            (Some(_), None) => Some(Occasion::Resolved),
            (Some(told), Some(severity)) if severity > told.severity => Some(Occasion::Worse),
            (Some(told), Some(_)) => {
                let is_another = self.signs.has_cause_beyond(&told.codes) || self.signs.name_beyond(&told.subjects);
                is_another.then_some(Occasion::Onset)
            }
        }
    }

    fn remember_as_told(&mut self, now: DateTime<Utc>) {
        let reminders = (0..).take_while(|number| self.since + reminder_after(*number) <= now).count();
        let before = self.told.take();
        self.told = self.signs.severity().map(|severity| {
            let before = before.as_ref();
            let mut codes = self.signs.codes();
            codes.extend(before.iter().flat_map(|told| told.codes.iter().copied()));
            let severity = before.map_or(severity, |told| told.severity.max(severity));
            let subjects = self.signs.subjects(before.map(|told| told.subjects.clone()).unwrap_or_default());
            Told { severity, codes, subjects, reminders }
        });
    }

    fn mute(&mut self, now: DateTime<Utc>) -> Occasion {
        self.muted = Some(self.muted_from(now));
        Occasion::Unstable { changes: u32::try_from(self.changes.len()).unwrap_or(u32::MAX) }
    }

    /// Changes are counted from `now` on. What is critical at that moment is told with the message that says so.
    fn muted_from(&self, now: DateTime<Utc>) -> Muted {
        let told_critical = self.signs.critical_codes();
        Muted { until: now + CHANGES_WINDOW, changes: 0, told_critical }
    }

    /// The digest of a day, or the end of all that if the day was calm.
    fn digest(&mut self, now: DateTime<Utc>) -> Option<Occasion> {
        let changes = self.muted.as_ref().filter(|muted| muted.until <= now)?.changes;
        self.muted = (changes > 0).then(|| self.muted_from(now));
        match changes {
            0 => self.reminder(now),
            changes => Some(Occasion::Digest { changes }),
        }
    }

    fn reminder(&mut self, now: DateTime<Utc>) -> Option<Occasion> {
        let told = self.told.as_mut()?;
        if now < self.since + reminder_after(told.reminders) {
            return None;
        }
        // What was due while the machine slept is one reminder.
        while self.since + reminder_after(told.reminders) <= now {
            told.reminders += 1;
        }
        Some(Occasion::Reminder)
    }

    fn next_due(&self) -> Option<DateTime<Utc>> {
        // What is about to settle may be over: after a restart nothing is judged yet.
        if self.settles_at.is_some() {
            return self.settles_at;
        }
        match (&self.muted, &self.told) {
            (Some(muted), _) => Some(muted.until),
            (None, Some(told)) => Some(self.since + reminder_after(told.reminders)),
            (None, None) => None,
        }
    }

    fn notice(&self, occasion: Occasion, database: &DatabaseName, family: Family) -> Option<Notice> {
        let failure = self.last_failure.as_ref();
        let known = self.lead.as_ref()?;
        let mut lead =
            self.signs.of(known.code).cloned().or_else(|| self.signs.lead()).unwrap_or_else(|| known.clone());
        // What is too old is so because of something, if that is known.
        if let Some(cause) = self.signs.cause().filter(|cause| cause.code != lead.code) {
            lead.reason = format!("{}; {}", lead.reason, cause.reason);
        }
        Some(Notice {
            occasion,
            database: database.clone(),
            family,
            lead,
            is_firing: !self.signs.is_empty(),
            is_departed: self.is_departed && database.name().is_some(),
            since: self.since,
            occurrences: self.occurrences,
            class: failure.and_then(|failure| failure.class),
            what_to_do: failure.and_then(|failure| failure.what_to_do),
            told: self.told.as_ref().map(|told| (told.severity, told.codes.clone())),
            again: None,
        })
    }

    /// Whether there is nothing left to know of it: it is in order, told, and has not changed for a day.
    fn is_over(&self, now: DateTime<Utc>) -> bool {
        let is_calm = self.changes.iter().all(|at| now - *at >= CHANGES_WINDOW);
        let is_known =
            self.told.is_none() && self.settles_at.is_none() && self.muted.is_none() && self.before.is_none();
        self.signs.is_empty() && is_known && is_calm
    }
}

/// After how long the reminder of this number is due.
fn reminder_after(number: usize) -> TimeDelta {
    let later = i32::try_from(number.saturating_sub(REMINDERS.len() - 1)).unwrap_or(i32::MAX);
    REMINDERS.get(number).copied().unwrap_or_else(|| REMINDERS[REMINDERS.len() - 1] + REMINDER_INTERVAL * later)
}

#[cfg(test)]
mod tests;
