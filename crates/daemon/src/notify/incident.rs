//! What belongs together: the alarms that one outage raises are one thing to tell, not five.

use std::collections::BTreeMap;

use crate::alarm::{Alarm, Severity};
use crate::alarm_code::{AlarmCode, Reach};

/// The alarms of a database that are told as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    /// The service does not do what it is for: there is no new backup, or nothing is proven.
    Main,
    /// Something else, each on its own.
    Other(AlarmCode),
}

impl Family {
    pub(crate) fn of(code: AlarmCode) -> Self {
        match code.entry().reach {
            Reach::Broken | Reach::Late => Self::Main,
            Reach::Aside => Self::Other(code),
        }
    }

    /// The family that has this word.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        let other = || AlarmCode::named(word).map(Self::of).filter(|family| *family != Self::Main);
        if word == "main" { Some(Self::Main) } else { other() }
    }

    /// A word for keys.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Other(code) => code.into(),
        }
    }
}

/// One alarm of an incident, or what is a first sign of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sign {
    pub(crate) code: AlarmCode,
    pub(crate) severity: Severity,
    pub(crate) reason: String,
    /// The backups that it is about, if it is about backups.
    pub(crate) subjects: Vec<String>,
}

impl Sign {
    pub(super) fn of(alarm: &Alarm) -> Self {
        let (reason, subjects) = (alarm.message.clone(), alarm.subjects.clone());
        Self { code: alarm.code, severity: alarm.severity, reason, subjects }
    }

    /// Whether it is no more than a first result that is not there yet.
    pub(super) fn is_waiting(&self) -> bool {
        self.is_consequence() && self.severity == Severity::Warning
    }

    /// Whether it follows from others, which say more.
    fn is_consequence(&self) -> bool {
        self.code.entry().reach == Reach::Late
    }
}

/// All signs of an incident, in the order in which they came.
#[derive(Debug, Clone, Default)]
pub(super) struct Signs(Vec<Sign>);

impl Signs {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn hold(&self, code: AlarmCode) -> bool {
        self.0.iter().any(|sign| sign.code == code)
    }

    /// The one of `code`.
    pub(super) fn of(&self, code: AlarmCode) -> Option<&Sign> {
        self.0.iter().find(|sign| sign.code == code)
    }

    /// Gives the one of `code` this reason.
    pub(super) fn say(&mut self, code: AlarmCode, reason: &str) {
        self.0.iter_mut().filter(|sign| sign.code == code).for_each(|sign| reason.clone_into(&mut sign.reason));
    }

    pub(super) fn show(&mut self, sign: Sign) {
        self.end(sign.code);
        self.0.push(sign);
    }

    /// Whether it was there.
    pub(super) fn end(&mut self, code: AlarmCode) -> bool {
        let before = self.0.len();
        self.0.retain(|sign| sign.code != code);
        self.0.len() < before
    }

    pub(super) fn severity(&self) -> Option<Severity> {
        self.0.iter().map(|sign| sign.severity).max()
    }

    pub(super) fn codes(&self) -> Vec<AlarmCode> {
        self.0.iter().map(|sign| sign.code).collect()
    }

    /// The codes of those that are critical.
    pub(super) fn critical_codes(&self) -> Vec<AlarmCode> {
        self.critical().map(|sign| sign.code).collect()
    }

    /// A critical one whose code is not among `told`: a cause, if there is one, and of several the latest.
    pub(super) fn critical_beyond(&self, told: &[AlarmCode]) -> Option<Sign> {
        let untold = self.critical().filter(|sign| !told.contains(&sign.code));
        untold.max_by_key(|sign| !sign.is_consequence()).cloned()
    }

    fn critical(&self) -> impl Iterator<Item = &Sign> {
        self.0.iter().filter(|sign| sign.severity == Severity::Critical)
    }

    /// The most urgent one; of several a cause, and of several causes the latest.
    pub(super) fn lead(&self) -> Option<Sign> {
        self.0.iter().max_by_key(|sign| (sign.severity, !sign.is_consequence())).cloned()
    }

    /// The latest that does not follow from others.
    pub(super) fn cause(&self) -> Option<&Sign> {
        self.0.iter().rev().find(|sign| !sign.is_consequence())
    }

    /// Enters what those are about of whose codes nothing is `known`.
    pub(super) fn name_first(&self, known: &mut BTreeMap<AlarmCode, Vec<String>>) {
        for sign in self.0.iter().filter(|sign| !sign.subjects.is_empty()) {
            known.entry(sign.code).or_insert_with(|| sign.subjects.clone());
        }
    }

    /// Whether one is about a backup that is not among those that are `known`.
    pub(super) fn name_beyond(&self, known: &BTreeMap<AlarmCode, Vec<String>>) -> bool {
        let is_known = |sign: &Sign, one: &String| known.get(&sign.code).is_some_and(|known| known.contains(one));
        self.0.iter().any(|sign| sign.subjects.iter().any(|one| !is_known(sign, one)))
    }

    /// What was `known`, and what these are about.
    pub(super) fn subjects(&self, mut known: BTreeMap<AlarmCode, Vec<String>>) -> BTreeMap<AlarmCode, Vec<String>> {
        for sign in self.0.iter().filter(|sign| !sign.subjects.is_empty()) {
            let known = known.entry(sign.code).or_default();
            let new: Vec<String> = sign.subjects.iter().filter(|one| !known.contains(one)).cloned().collect();
            known.extend(new);
        }
        known
    }

    /// Whether there is a cause that is not among `told`.
    pub(super) fn has_cause_beyond(&self, told: &[AlarmCode]) -> bool {
        let is_told = |sign: &Sign| told.iter().any(|code| cause(*code) == cause(sign.code));
        self.0.iter().any(|sign| !sign.is_consequence() && !is_told(sign))
    }
}

/// A code for all that one and the same outage can raise: runs fail, and drills cannot run, because the bucket does not
/// answer.
fn cause(code: AlarmCode) -> AlarmCode {
    match code {
        AlarmCode::BucketUnseen | AlarmCode::DatabaseMissing | AlarmCode::CouldNotRun => AlarmCode::Failing,
        _ => code,
    }
}
