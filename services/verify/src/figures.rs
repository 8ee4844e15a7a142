//! The figures of a drill that metrics keep when later drills come to no verdict.

use std::collections::BTreeMap;

use backup_drill::Report;

/// What the last drill that came to a verdict has measured; 0 for what it has not.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Figures {
    /// Seconds of the steps of a real restore.
    pub(crate) recovery_seconds: [f64; 3],
    pub(crate) recovery_point_seconds: i64,
    pub(crate) duration_seconds: f64,
    /// Counted after the restore.
    pub(crate) rows: u64,
    pub(crate) tables: usize,
    pub(crate) not_exercised: usize,
    /// How many findings each check has.
    pub(crate) findings: BTreeMap<&'static str, u64>,
}

impl Figures {
    /// The names of the steps of [`Figures::recovery_seconds`].
    pub(crate) const STEPS: [&str; 3] = ["fetch", "restore_data", "restore_post_data"];

    /// Of one drill.
    pub(crate) fn of(report: &Report) -> Self {
        let durations = &report.durations;
        let steps = [durations.fetch_seconds, durations.restore_data_seconds, durations.restore_post_data_seconds];
        let mut findings = BTreeMap::new();
        for finding in &report.findings {
            *findings.entry(finding.check).or_default() += 1;
        }
        Self {
            recovery_seconds: steps.map(Option::unwrap_or_default),
            recovery_point_seconds: report.recovery_point_seconds.unwrap_or_default(),
            duration_seconds: durations.total_seconds,
            rows: report.restored_rows(),
            tables: report.tables.len(),
            not_exercised: report.not_exercised.len(),
            findings,
        }
    }
}
