//! One drill with everything around it: the choice, the bound, the line in the log.

use std::time::Duration;

use backup_core::scrub::Scrubber;
use backup_core::stop::{Stop, Stopped};
use backup_core::values::without_values;
use chrono::{DateTime, Utc};

use crate::attest::attest;
use crate::choose::{ChooseError, Selector, choose};
use crate::config::DrillConfig;
use crate::drill::drill;
use crate::leftovers;
use crate::own_thread::on_own_thread;
use crate::report::{Check, CheckState, Finding, Report, Verdict};
use backup_core::progress::Progress;

/// A line of the log quotes so many findings; `/status` and the report have all of them.
const LOGGED_FINDINGS: usize = 3;

/// How long after `VERIFY_TIMEOUT` a drill may take to clean up. One that does not look at the time is given up then.
const LONGEST_OVERTIME: Duration = Duration::from_secs(600);

/// Drills once, within `VERIFY_TIMEOUT`, on a thread of its own, and logs how it ended. The report holds no secret.
pub async fn run(config: &DrillConfig, selector: &Selector, stop: &Stop, progress: &Progress) -> Report {
    let (drilled, selector, progress) = (config.clone(), selector.clone(), progress.clone());
    let drill_stop = stop.clone();
    let longest = config.timeout.saturating_add(LONGEST_OVERTIME);
    let run =
        on_own_thread(longest, move || async move { run_here(&drilled, &selector, &drill_stop, &progress).await });
    run.await.unwrap_or_else(|error| {
        let error = ChooseError::Unclear(format!("the thread of the drill: {error}"));
        let report = Report::without_backup(Utc::now(), &error, stop);
        report.log();
        report
    })
}

async fn run_here(config: &DrillConfig, selector: &Selector, stop: &Stop, progress: &Progress) -> Report {
    let bounded = stop.bounded(config.timeout, "VERIFY_TIMEOUT");
    let swept = leftovers::sweep(config, &bounded.stop).await;
    let mut chosen = choose(config, selector, &bounded.stop).await;
    let mut report = Box::pin(drill(config, &chosen, &bounded.stop, progress)).await;
    if report.backup_vanished && !matches!(selector, Selector::Named(_)) {
        tracing::info!(reason = report.reason(), "choosing again");
        chosen = choose(config, selector, &bounded.stop).await;
        report = Box::pin(drill(config, &chosen, &bounded.stop, progress)).await;
    }
    // The drill sweeps again, under its lock, and says again what it had to leave alone.
    let unsaid: Vec<String> = swept.into_iter().filter(|note| !report.notes.contains(note)).collect();
    report.notes.extend(unsaid);
    report.make_safe(&config.scrubber);
    if let Ok(chosen) = &chosen
        && config.attest
        && let Some(note) = attest(config, &chosen.repository, &report, &bounded.stop).await
    {
        report.notes.push(config.scrubber.scrub(&note).into_owned());
    }
    report.log();
    report
}

impl Report {
    /// The report of a drill that had nothing to restore.
    pub fn without_backup(started_at: DateTime<Utc>, error: &ChooseError, stop: &Stop) -> Self {
        let (verdict, findings, words) = match (error, stop.reason()) {
            (ChooseError::Unlisted(_), Some(reason @ Stopped::Deadline { .. })) => {
                (Verdict::CouldNotRun, Vec::new(), Some(reason.to_string()))
            }
            (ChooseError::Unlisted(_), Some(reason)) => (Verdict::Stopped, Vec::new(), Some(reason.to_string())),
            (ChooseError::NoBackup(finding), _) => (Verdict::Failed, vec![finding.clone()], None),
            (ChooseError::Unclear(words), _) => (Verdict::CouldNotRun, Vec::new(), Some(words.clone())),
            (ChooseError::Unlisted(source), None) => {
                (Verdict::CouldNotRun, Vec::new(), Some(format!("{error}: {source:#}")))
            }
        };
        let failed = |finding: &Finding| {
            let (name, figures) = (finding.check, finding.message.clone());
            Check { name, state: CheckState::Failed, figures }
        };
        let ended_at = Utc::now();
        let mut report = Self::new(started_at);
        report.verdict = verdict;
        report.ended_at = ended_at;
        report.durations.total_seconds = (ended_at - started_at).as_seconds_f64();
        report.checks = findings.iter().map(failed).collect();
        report.findings = findings;
        report.error = words;
        report
    }

    /// The rows that were counted after the restore.
    pub fn restored_rows(&self) -> u64 {
        self.tables.iter().filter_map(|table| table.restored_rows).sum()
    }

    /// What is wrong, in one line.
    pub fn reason(&self) -> String {
        let mut words: Vec<&str> =
            self.findings.iter().take(LOGGED_FINDINGS).map(|finding| finding.message.as_str()).collect();
        words.extend(self.error.as_deref());
        let more = self.findings.len().saturating_sub(LOGGED_FINDINGS);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        format!("{}{more}", words.join("; "))
    }

    /// Takes secrets, and values of rows, out of every text that may quote a server, a store or an archive: the
    /// report is shown to all clients that can reach `/status`, and leaves the machine.
    pub fn make_safe(&mut self, scrubber: &Scrubber) {
        let change = |text: &mut String| *text = scrubber.scrub(&without_values(text)).into_owned();
        self.findings.iter_mut().for_each(|finding| change(&mut finding.message));
        self.checks.iter_mut().for_each(|check| change(&mut check.figures));
        self.not_exercised.iter_mut().flat_map(|one| [&mut one.object, &mut one.reason]).for_each(change);
        self.notes.iter_mut().chain(&mut self.error).for_each(change);
    }

    /// The one line that says how the drill ended.
    fn log(&self) {
        let backup_id = self.backup.as_ref().map(|backup| backup.id.to_string());
        let reason = Some(self.reason()).filter(|reason| !reason.is_empty());
        macro_rules! event {
            ($level:ident, $message:literal) => {
                tracing::$level!(
                    backup_id,
                    reason,
                    duration_seconds = self.durations.total_seconds,
                    tables = self.tables.len(),
                    rows = self.restored_rows(),
                    findings = self.findings.len(),
                    recovery_time_seconds = self.recovery_time_seconds,
                    recovery_point_seconds = self.recovery_point_seconds,
                    $message
                )
            };
        }
        match self.verdict {
            Verdict::Passed => event!(info, "drill passed"),
            Verdict::Failed => event!(error, "drill failed"),
            Verdict::CouldNotRun => event!(error, "drill could not run"),
            Verdict::Stopped => event!(warn, "drill stopped"),
            Verdict::Skipped => event!(info, "drill skipped"),
        }
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;
    use backup_core::secret::Secret;

    use super::*;
    use crate::report::NotExercised;

    fn without_backup(error: &ChooseError, stop: &Stop) -> (Verdict, String) {
        let report = Report::without_backup(Utc::now(), error, stop);
        (report.verdict, report.reason())
    }

    #[test]
    fn nothing_to_restore_ends_in_three_different_ways() {
        let running = Stop::default();
        let finding = Finding { check: "recovery_point", message: "none".to_owned() };
        let unlisted = || ChooseError::Unlisted(anyhow!("refused"));
        let stopped = Stop::default();
        stopped.trigger(Stopped::Signal);
        let late = Stop::default();
        late.trigger(Stopped::Deadline { bound: std::time::Duration::from_secs(9), variable: "VERIFY_TIMEOUT" });
        for (error, stop, expected) in [
            (ChooseError::NoBackup(finding), &running, (Verdict::Failed, "none")),
            (ChooseError::Unclear("several".to_owned()), &running, (Verdict::CouldNotRun, "several")),
            (unlisted(), &running, (Verdict::CouldNotRun, "list the bucket: refused")),
            (unlisted(), &stopped, (Verdict::Stopped, "stopped by a signal")),
            (unlisted(), &late, (Verdict::CouldNotRun, "the run took longer than its bound of 9 s (VERIFY_TIMEOUT)")),
        ] {
            let (verdict, reason) = expected;
            assert_eq!(without_backup(&error, stop), (verdict, reason.to_owned()));
        }
    }

    #[test]
    fn no_text_of_a_report_holds_a_secret_or_a_value_of_a_row_r070() {
        let secret = Secret::new("canary-secret".to_owned());
        let mut report = Report::without_backup(Utc::now(), &ChooseError::Unclear("why".to_owned()), &Stop::default());
        let text = || "canary-secret; Key (email)=(canary-value) already exists.".to_owned();
        report.findings.push(Finding { check: "restore", message: text() });
        report.checks.push(Check { name: "restore", state: CheckState::Failed, figures: text() });
        report.not_exercised.push(NotExercised { object: text(), reason: text(), holds_rows: false });
        report.notes.push(text());
        report.error = Some(text());
        report.make_safe(&Scrubber::new([&secret]));
        let json = serde_json::to_string(&report).unwrap();
        assert!(!json.contains("canary") && json.matches("Key (email)=(...)").count() == 6, "{json}");
    }

    #[test]
    fn a_line_of_the_log_quotes_the_first_findings() {
        let mut report = Report::without_backup(Utc::now(), &ChooseError::Unclear("why".to_owned()), &Stop::default());
        report.findings = (1..=5).map(|n| Finding { check: "rows", message: format!("f{n}") }).collect();
        assert_eq!(report.reason(), "f1; f2; f3; why; and 2 more");
    }
}
