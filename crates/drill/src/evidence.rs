//! The report of a drill while it grows, and why a drill ends early.

use backup_core::cause::stopped_by;
use backup_core::postgres::Said;
use backup_core::stop::Stopped;
use chrono::{DateTime, Utc};

use crate::report::{CLEANUP, Check, CheckState, ContentsCompared, Finding, Report, Verdict};

/// Findings kept of one check; the rest is counted in a last one.
const MAX_FINDINGS: usize = 50;

/// Why a drill is skipped.
#[derive(Debug, thiserror::Error)]
#[error("another drill runs on this server; this one is skipped")]
pub(crate) struct AnotherDrill;

/// Why a drill ends before its last check.
#[derive(Debug)]
pub enum DrillError {
    /// The backup is not what it should be; the findings say so already.
    Damaged,
    /// The drill does not work, which says nothing about the backup.
    CouldNotRun(anyhow::Error),
    /// A stop was asked for.
    Stopped(Stopped),
}

impl From<anyhow::Error> for DrillError {
    fn from(error: anyhow::Error) -> Self {
        match stopped_by(&error) {
            Some(reason) => Self::Stopped(reason),
            None => Self::CouldNotRun(error),
        }
    }
}

impl DrillError {
    /// For commands that are no drills: what ended them, in words.
    pub fn into_error(self, evidence: &Evidence) -> anyhow::Error {
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
pub struct Evidence {
    /// What is known so far.
    pub report: Report,
    /// Whether code of the archive may have run: what the server says from then on may be its words.
    pub code_ran: bool,
}

impl Evidence {
    /// Evidence of a drill that began at `started_at`.
    pub fn new(started_at: DateTime<Utc>) -> Self {
        Self { report: Report::new(started_at), code_ran: false }
    }

    /// Enters a check that was done: passed if it found nothing.
    pub fn record(&mut self, name: &'static str, figures: String, found: Vec<String>) {
        let state = if found.is_empty() { CheckState::Passed } else { CheckState::Failed };
        self.report.checks.push(Check { name, state, figures });
        let more = found.len().saturating_sub(MAX_FINDINGS);
        let shown = found.into_iter().take(MAX_FINDINGS);
        let rest = (more > 0).then(|| format!("and {more} more of this kind"));
        self.report.findings.extend(shown.chain(rest).map(|message| Finding { check: name, message }));
    }

    /// Enters a check that was not done.
    pub fn skip(&mut self, name: &'static str, why: impl Into<String>) {
        self.report.checks.push(Check { name, state: CheckState::Skipped, figures: why.into() });
    }

    /// Enters a check that ends the drill.
    pub fn damaged(&mut self, name: &'static str, message: String) -> DrillError {
        self.record(name, "not what was dumped".to_owned(), vec![message]);
        DrillError::Damaged
    }

    /// Enters what a reader of the report should know besides.
    pub fn note(&mut self, note: impl Into<String>) {
        self.report.notes.push(note.into());
    }

    /// Names the likely cause in what was found from the `first` finding on: a locale that is not here. `fallback`
    /// says which locale the drill used instead of the database's; `settings`, which settings it could not have.
    pub fn blame_locale_from(&mut self, first: usize, fallback: Option<&str>, settings: &[String]) {
        let monetary = settings.iter().find(|note| note.contains("lc_monetary")).map(String::as_str);
        for finding in self.report.findings.iter_mut().skip(first) {
            let cause = match finding.message.as_str() {
                message if message.contains("could not create locale") => {
                    Some("this locale is not installed on the server's machine")
                }
                message if message.contains("type money") => monetary.or(fallback),
                _ => fallback,
            };
            if let Some(cause) = cause {
                finding.message.push_str("; the likely cause: ");
                finding.message.push_str(cause);
            }
        }
    }

    /// Turns what was found from the `first` finding on into notes: it says nothing about the backup, for `why`.
    pub fn discount_from(&mut self, first: usize, why: &str) {
        let discounted = self.report.findings.split_off(first.min(self.report.findings.len()));
        for check in &mut self.report.checks {
            if discounted.iter().any(|finding| finding.check == check.name) {
                check.state = CheckState::Skipped;
                check.figures = why.to_owned();
            }
        }
        self.report
            .notes
            .extend(discounted.into_iter().map(|finding| format!("{}: {}", finding.check, finding.message)));
    }

    /// The report, with its verdict: what was found outranks what could not be done.
    pub fn finish(mut self, outcome: Result<(), DrillError>, ended_at: DateTime<Utc>) -> Report {
        let findings = &self.report.findings;
        let is_at_fault = findings.iter().any(|finding| finding.is_about_the_backup());
        let (verdict, error) = match outcome {
            Ok(()) if findings.is_empty() => (Verdict::Passed, None),
            Ok(()) | Err(DrillError::Damaged) => (Verdict::Failed, None),
            Err(DrillError::CouldNotRun(error)) => {
                let verdict = match Self::cut_short(findings) {
                    Verdict::CouldNotRun if error.is::<AnotherDrill>() => Verdict::Skipped,
                    verdict => verdict,
                };
                let words = if self.code_ran { Said::without_names().in_error(&error) } else { format!("{error:#}") };
                (verdict, Some(words))
            }
            Err(DrillError::Stopped(reason @ Stopped::Deadline { .. })) => {
                (Self::cut_short(findings), Some(reason.to_string()))
            }
            Err(DrillError::Stopped(reason)) => (Verdict::Stopped, Some(reason.to_string())),
        };
        self.report.proven = match (&error, is_at_fault) {
            (_, true) => Some(false),
            // Rows that were counted may hold anything.
            (None, false) if self.report.contents_compared == ContentsCompared::All => Some(true),
            (None | Some(_), false) => None,
        };
        self.report.verdict = verdict;
        self.report.error = error;
        self.report.ended_at = ended_at;
        self.report.durations.total_seconds = (ended_at - self.report.started_at).as_seconds_f64();
        self.report
    }

    /// The verdict of a drill that did not come to its end. That it could not clean up is no finding then.
    fn cut_short(findings: &[Finding]) -> Verdict {
        if findings.iter().all(|finding| finding.check == CLEANUP) { Verdict::CouldNotRun } else { Verdict::Failed }
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[track_caller]
    fn check(found_by: &[&'static str], outcome: Result<(), DrillError>, expected: (Verdict, Option<bool>)) {
        let mut evidence = Evidence::new(Utc::now());
        evidence.report.contents_compared = ContentsCompared::All;
        for check in found_by {
            evidence.record(check, String::new(), vec!["found".to_owned()]);
        }
        let report = evidence.finish(outcome, Utc::now());
        assert_eq!((report.verdict, report.proven), expected, "{found_by:?}, {:?}", report.error);
    }

    #[test]
    fn a_locale_that_is_not_here_is_named_where_it_is_the_likely_cause() {
        let causes = |message: &str, fallback: Option<&str>, settings: &[String]| {
            let mut evidence = Evidence::new(Utc::now());
            evidence.record("restore", String::new(), vec!["before".to_owned(), message.to_owned()]);
            evidence.blame_locale_from(1, fallback, settings);
            assert_eq!(evidence.report.findings[0].message, "before");
            evidence.report.findings[1].message.split_once("; the likely cause: ").map(|(_, cause)| cause.to_owned())
        };
        let settings = ["the source had lc_monetary = \"de_DE\"".to_owned()];
        let check = |message, fallback, settings: &[String], expected: Option<&str>| {
            assert_eq!(causes(message, fallback, settings).as_deref(), expected, "{message}");
        };
        check("invalid input syntax for type money", None, &settings, Some(settings[0].as_str()));
        check("invalid input syntax for type money", Some("C"), &[], Some("C"));
        check("empty range bound", Some("C"), &settings, Some("C"));
        check("empty range bound", None, &settings, None);
        let collation = "this locale is not installed on the server's machine";
        check("could not create locale \"de_DE\": No such file", None, &[], Some(collation));
    }

    #[test]
    fn what_was_found_outranks_what_could_not_be_done() {
        let error = || Err(DrillError::CouldNotRun(anyhow!("no server")));
        let late = || {
            let bound = std::time::Duration::from_secs(9);
            Err(DrillError::Stopped(Stopped::Deadline { bound, variable: "VERIFY_TIMEOUT" }))
        };
        check(&[], Ok(()), (Verdict::Passed, Some(true)));
        check(&["contents"], Ok(()), (Verdict::Failed, Some(false)));
        check(&["digests"], Err(DrillError::Damaged), (Verdict::Failed, Some(false)));
        check(&[], error(), (Verdict::CouldNotRun, None));
        check(&[], late(), (Verdict::CouldNotRun, None));
        check(&["contents"], error(), (Verdict::Failed, Some(false)));
        check(&["contents"], late(), (Verdict::Failed, Some(false)));
        check(&["contents"], Err(DrillError::Stopped(Stopped::Signal)), (Verdict::Stopped, Some(false)));
    }

    #[test]
    fn rows_that_were_counted_or_sampled_prove_nothing() {
        for (compared, proven) in
            [(ContentsCompared::All, Some(true)), (ContentsCompared::Sample, None), (ContentsCompared::None, None)]
        {
            let mut evidence = Evidence::new(Utc::now());
            evidence.report.contents_compared = compared;
            let report = evidence.finish(Ok(()), Utc::now());
            assert_eq!((report.verdict, report.proven), (Verdict::Passed, proven), "{compared:?}");
        }
    }

    /// R060: a database that stays behind is a finding, and says nothing about the backup.
    #[test]
    fn neither_an_old_repository_nor_a_database_left_behind_speaks_against_the_backup_r060() {
        check(&["recovery_point"], Ok(()), (Verdict::Failed, Some(true)));
        check(&["cleanup"], Ok(()), (Verdict::Failed, Some(true)));
        check(&["cluster"], Ok(()), (Verdict::Failed, Some(true)));
        check(&["cleanup"], Err(DrillError::CouldNotRun(anyhow!("the server died"))), (Verdict::CouldNotRun, None));
        check(&["recovery_point", "contents"], Ok(()), (Verdict::Failed, Some(false)));
    }
}
