//! What is wrong, decided from the state and the time alone, and how it reads.

use std::fmt;

use backup_daemon::{AlarmCode, Condition, DatabaseState, Severity};
use chrono::{DateTime, TimeDelta, Utc};

use crate::report::Verdict;
use crate::status::Facts;

/// Drills in a row that could not run, after which that is critical: nothing is proven meanwhile.
const FAILURES_UNTIL_CRITICAL: u32 = 3;

/// Every alarm that there can be.
pub(crate) const CODES: [AlarmCode; 6] = [
    AlarmCode::DrillFailed,
    AlarmCode::CouldNotRun,
    AlarmCode::Stale,
    AlarmCode::NeverPassed,
    AlarmCode::BackupSilent,
    AlarmCode::Undelivered,
];

/// One thing that is wrong.
#[derive(Debug, PartialEq, Eq)]
enum Detail {
    /// No first backup has appeared in time.
    BackupSilent {
        due_by: DateTime<Utc>,
    },
    /// The last drill of this process failed.
    DrillFailed {
        reason: String,
    },
    /// The last drill failed, by its record in the bucket.
    RecordedDrillFailed {
        at: DateTime<Utc>,
    },
    /// The last drill did not work.
    CouldNotRun {
        reason: String,
        in_a_row: u32,
    },
    /// A signal ended the last drill.
    Stopped {
        reason: String,
    },
    /// No drill has passed, and the first one still has time.
    FirstDrillPending,
    NeverPassed,
    Stale {
        age_seconds: i64,
        max_age_seconds: u64,
    },
}

/// Everything that is wrong; empty means healthy: a drill has passed, or there is no backup yet and the first one
/// still has time.
pub(crate) fn conditions(state: &DatabaseState<Facts>, now: DateTime<Utc>) -> Vec<Condition> {
    let condition =
        |detail: &Detail| Condition { code: detail.code(), severity: detail.severity(), message: detail.to_string() };
    details(state, now).iter().map(condition).collect()
}

fn details(state: &DatabaseState<Facts>, now: DateTime<Utc>) -> Vec<Detail> {
    match state.own.first_backup_by {
        Some(by) if now <= by => Vec::new(),
        Some(by) => vec![Detail::BackupSilent { due_by: by }],
        None => [of_last_drill(&state.own), of_last_pass(state, now)].into_iter().flatten().collect(),
    }
}

fn of_last_drill(facts: &Facts) -> Option<Detail> {
    let Some(report) = &facts.last_report else {
        let failed = facts.recorded_drill.filter(|drill| !drill.passed)?;
        return Some(Detail::RecordedDrillFailed { at: failed.time });
    };
    let reason = report.reason();
    match report.verdict {
        Verdict::Passed | Verdict::Skipped => None,
        Verdict::Failed => Some(Detail::DrillFailed { reason }),
        Verdict::CouldNotRun => Some(Detail::CouldNotRun { reason, in_a_row: facts.consecutive_failures }),
        Verdict::Stopped => Some(Detail::Stopped { reason }),
    }
}

fn of_last_pass(state: &DatabaseState<Facts>, now: DateTime<Utc>) -> Option<Detail> {
    let Some(passed_at) = state.own.last_passed_at else {
        let bound = TimeDelta::seconds(state.own.drill_timeout_seconds.cast_signed());
        let since = state.own.first_drill_since.unwrap_or(state.started_at);
        let is_pending = state.own.last_report.is_none() && now - since <= bound;
        return Some(if is_pending { Detail::FirstDrillPending } else { Detail::NeverPassed });
    };
    let (age_seconds, max_age_seconds) = ((now - passed_at).num_seconds(), state.max_age_seconds);
    let is_stale = age_seconds > i64::try_from(max_age_seconds).unwrap_or(i64::MAX);
    is_stale.then_some(Detail::Stale { age_seconds, max_age_seconds })
}

impl Detail {
    fn code(&self) -> AlarmCode {
        match self {
            Self::BackupSilent { .. } => AlarmCode::BackupSilent,
            Self::DrillFailed { .. } | Self::RecordedDrillFailed { .. } => AlarmCode::DrillFailed,
            Self::CouldNotRun { .. } | Self::Stopped { .. } => AlarmCode::CouldNotRun,
            Self::FirstDrillPending | Self::NeverPassed => AlarmCode::NeverPassed,
            Self::Stale { .. } => AlarmCode::Stale,
        }
    }

    fn severity(&self) -> Severity {
        match self {
            Self::CouldNotRun { in_a_row, .. } if *in_a_row >= FAILURES_UNTIL_CRITICAL => Severity::Critical,
            Self::CouldNotRun { .. } | Self::Stopped { .. } | Self::FirstDrillPending => Severity::Warning,
            Self::BackupSilent { .. }
            | Self::DrillFailed { .. }
            | Self::RecordedDrillFailed { .. }
            | Self::NeverPassed
            | Self::Stale { .. } => Severity::Critical,
        }
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BackupSilent { due_by } => write!(
                formatter,
                "there is no backup, and the first one was due by {}",
                due_by.format("%Y-%m-%d %H:%M UTC")
            ),
            Self::DrillFailed { reason } => write!(formatter, "the last drill failed: {reason}"),
            Self::RecordedDrillFailed { at } => {
                write!(formatter, "the last drill, of {}, failed", at.format("%Y-%m-%d %H:%M UTC"))
            }
            Self::CouldNotRun { reason, .. } => write!(formatter, "the last drill could not run: {reason}"),
            Self::Stopped { reason } => write!(formatter, "the last drill was stopped: {reason}"),
            Self::FirstDrillPending => {
                formatter.write_str("no drill has ended since the start; the first one still has time")
            }
            Self::NeverPassed => formatter.write_str("no drill has passed yet"),
            Self::Stale { age_seconds, max_age_seconds } => {
                write!(formatter, "the last passed drill is {age_seconds} s old, and {max_age_seconds} s are allowed")
            }
        }
    }
}

#[cfg(test)]
mod tests;
