//! The report of a drill while it grows, and why a drill ends early.

use backup_core::cause::stopped_by;
use backup_core::stop::Stopped;
use chrono::{DateTime, Utc};

use crate::report::{Check, CheckState, Finding, Report, Verdict};

/// Findings kept of one check; the rest is counted in a last one.
const MOST_FINDINGS: usize = 50;

/// Why a drill is skipped.
#[derive(Debug, thiserror::Error)]
#[error("another drill runs on this server; this one is skipped")]
pub(crate) struct AnotherDrill;

/// Why a drill ends before its last check.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The backup is not what it should be; the findings say so already.
    Damaged,
    /// The drill does not work, which says nothing about the backup.
    CouldNotRun(anyhow::Error),
    /// Somebody asked to stop.
    Stopped(Stopped),
}

impl From<anyhow::Error> for Trouble {
    fn from(error: anyhow::Error) -> Self {
        match stopped_by(&error) {
            Some(reason) => Self::Stopped(reason),
            None => Self::CouldNotRun(error),
        }
    }
}

impl Trouble {
    /// For commands that are no drills: what ended them, in words.
    pub(crate) fn into_error(self, evidence: &Evidence) -> anyhow::Error {
        match self {
            Self::Damaged => {
                let findings = evidence.report.findings.iter().map(|finding| finding.message.as_str());
                anyhow::anyhow!("the backup is damaged: {}", findings.collect::<Vec<_>>().join("; "))
            }
            Self::CouldNotRun(error) => error,
            Self::Stopped(reason) => reason.into(),
        }
    }
}

/// A report that is not finished.
pub(crate) struct Evidence {
    pub(crate) report: Report,
}

impl Evidence {
    pub(crate) fn new(started_at: DateTime<Utc>) -> Self {
        Self { report: Report::new(started_at) }
    }

    /// Enters a check that was done: passed where it found nothing.
    pub(crate) fn record(&mut self, name: &'static str, figures: String, found: Vec<String>) {
        let state = if found.is_empty() { CheckState::Passed } else { CheckState::Failed };
        self.report.checks.push(Check { name, state, figures });
        let more = found.len().saturating_sub(MOST_FINDINGS);
        let shown = found.into_iter().take(MOST_FINDINGS);
        let rest = (more > 0).then(|| format!("and {more} more of this kind"));
        self.report.findings.extend(shown.chain(rest).map(|message| Finding { check: name, message }));
    }

    /// Enters a check that was not done.
    pub(crate) fn skip(&mut self, name: &'static str, why: impl Into<String>) {
        self.report.checks.push(Check { name, state: CheckState::Skipped, figures: why.into() });
    }

    /// Enters a check that ends the drill.
    pub(crate) fn damaged(&mut self, name: &'static str, message: String) -> Trouble {
        self.record(name, "not what was dumped".to_owned(), vec![message]);
        Trouble::Damaged
    }

    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.report.notes.push(note.into());
    }

    /// The report, with its verdict: what was found outranks what could not be done.
    pub(crate) fn finish(mut self, outcome: Result<(), Trouble>, ended_at: DateTime<Utc>) -> Report {
        let has_findings = !self.report.findings.is_empty();
        let (verdict, error) = match outcome {
            Err(Trouble::Stopped(reason @ Stopped::Deadline { .. })) => {
                (Verdict::CouldNotRun, Some(reason.to_string()))
            }
            Err(Trouble::Stopped(reason)) => (Verdict::Stopped, Some(reason.to_string())),
            Err(Trouble::CouldNotRun(error)) if has_findings => (Verdict::Failed, Some(format!("{error:#}"))),
            Err(Trouble::CouldNotRun(error)) if error.is::<AnotherDrill>() => {
                (Verdict::Skipped, Some(format!("{error:#}")))
            }
            Err(Trouble::CouldNotRun(error)) => (Verdict::CouldNotRun, Some(format!("{error:#}"))),
            Err(Trouble::Damaged) => (Verdict::Failed, None),
            Ok(()) if has_findings => (Verdict::Failed, None),
            Ok(()) => (Verdict::Passed, None),
        };
        self.report.verdict = verdict;
        self.report.error = error;
        self.report.ended_at = ended_at;
        self.report.durations.total_seconds = (ended_at - self.report.started_at).as_seconds_f64();
        self.report
    }
}
