//! What is wrong, decided from the state and the time alone, and how it reads.

use std::fmt;

use backup_core::repository::{BackupId, RUN_MAY_TAKE};
use backup_daemon::{AlarmCode, Condition, DatabaseState, Severity};
use backup_drill::Verdict;
use chrono::{DateTime, TimeDelta, Utc};

use crate::backup_life::BackupLife;
use crate::skips::with_skipped;
use crate::status::{Facts, Gone};

/// Drills in a row that could not run, after which that is critical: nothing is proven meanwhile.
const FAILURES_UNTIL_CRITICAL: u32 = 3;

/// One thing that is wrong.
#[derive(Debug, PartialEq, Eq)]
enum Detail {
    /// The bucket cannot be listed any more.
    BucketUnseen {
        since: DateTime<Utc>,
        is_late: bool,
    },
    /// No first backup has appeared in time.
    BackupSilent {
        due_by: DateTime<Utc>,
        life: BackupLife,
    },
    /// No newer backup has appeared in time, and nothing else of `backup`.
    BackupStale {
        age_seconds: i64,
        max_age_seconds: u64,
        life: BackupLife,
    },
    /// There was a full backup, and there is none.
    BackupGone {
        life: BackupLife,
    },
    /// A restore takes longer than it may.
    SlowRecovery {
        seconds: u64,
        max_seconds: u64,
    },
    /// The next drill does not fit.
    SpoolSmall {
        free_bytes: u64,
        needed_bytes: u64,
    },
    /// The newest run has died.
    NewestIncomplete {
        id: BackupId,
    },
    /// Backups whose data was deleted: the newest of them, and how many there are besides.
    DataLost {
        id: BackupId,
        others: usize,
    },
    /// The newest backup was deleted, with all that belonged to it. So many others have lost their data.
    NewestGone {
        gone: Gone,
        lost: usize,
    },
    /// The last drill of this process failed.
    DrillFailed {
        reason: String,
    },
    /// The last drill failed, by its record in the bucket.
    RecordedDrillFailed {
        at: DateTime<Utc>,
    },
    /// Backups of which a drill has shown that they are damaged: the newest of them, and how many there are besides.
    Damaged {
        id: BackupId,
        others: usize,
    },
    /// The last drill did not work.
    CouldNotRun {
        reason: String,
        in_a_row: u32,
    },
    /// The last drill of an earlier process did not work.
    PastCouldNotRun {
        at: DateTime<Utc>,
        in_a_row: u32,
    },
    /// The last drills of earlier processes were killed.
    Killed {
        at: DateTime<Utc>,
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
    let conditions = details(state, now).iter().map(|detail| detail.condition(&state.own)).collect();
    with_skipped(conditions, &state.own, now)
}

/// What of it listings show by themselves, whether or not there are drills.
pub(crate) fn of_listings(state: &DatabaseState<Facts>, now: DateTime<Utc>) -> Vec<Condition> {
    let unseen = of_unseen_bucket(state, now);
    let silent = if unseen.is_none() { of_backup(&state.own, now) } else { None };
    let bucket = of_bucket(&state.own, silent.is_some(), now);
    let all = [unseen, silent].into_iter().flatten().chain(bucket);
    all.map(|detail| detail.condition(&state.own)).collect()
}

fn details(state: &DatabaseState<Facts>, now: DateTime<Utc>) -> Vec<Detail> {
    match state.own.first_backup_by {
        Some(by) if now <= by => Vec::new(),
        Some(by) => vec![Detail::BackupSilent { due_by: by, life: state.own.backup.clone() }],
        None => {
            let unseen = of_unseen_bucket(state, now);
            // What `backup` does cannot be seen then.
            // Of a process that has slept, what it knows is as old as its last look.
            let seen_at = state.listing.as_ref().map_or(now, |listing| listing.at.min(now));
            let silent = if unseen.is_none() { of_backup(&state.own, seen_at) } else { None };
            // Of a bucket that has not shown anything yet, nothing else is known.
            if state.listing.is_none() && unseen.is_some() {
                return unseen.into_iter().collect();
            }
            let bucket = of_bucket(&state.own, silent.is_some(), now);
            let late = [of_last_pass(state, now), silent].into_iter().flatten();
            unseen
                .into_iter()
                .chain(of_drills(&state.own))
                .chain(late)
                .chain(bucket)
                .chain(of_figures(&state.own))
                .collect()
        }
    }
}

/// Whether the bucket could not be listed, more than once.
fn of_unseen_bucket(state: &DatabaseState<Facts>, now: DateTime<Utc>) -> Option<Detail> {
    let since = state.unlisted.lasting()?;
    let max_age = TimeDelta::from_std(state.own.backup_max_age).unwrap_or(TimeDelta::MAX);
    Some(Detail::BucketUnseen { since, is_late: now - since > max_age })
}

/// Whether `backup` is silent. While it lives, it tells itself that its backups grow old.
fn of_backup(facts: &Facts, now: DateTime<Utc>) -> Option<Detail> {
    facts.promised.as_ref()?;
    let max_age_seconds = facts.backup_max_age.as_secs();
    let is_old = |at: DateTime<Utc>| (now - at).num_seconds() > i64::try_from(max_age_seconds).unwrap_or(i64::MAX);
    let (newest_at, seen_at, life) = (facts.backup.newest_at, facts.backup.seen_at, facts.backup.clone());
    let is_silent = newest_at.is_none_or(is_old) && seen_at.is_none_or(is_old);
    is_silent.then(|| match newest_at {
        None => Detail::BackupGone { life },
        Some(at) => Detail::BackupStale { age_seconds: (now - at).num_seconds(), max_age_seconds, life },
    })
}

/// What the listing shows besides the newest backup. That `is_silent` says that no backup is left, if none is.
fn of_bucket(facts: &Facts, is_silent: bool, now: DateTime<Utc>) -> impl Iterator<Item = Detail> {
    let is_told = is_silent && facts.newest_full.is_none();
    // Of one whose manifest is left, more is known than that it is gone.
    let is_gone = |gone: &Gone| !is_told && !matches!(gone, Gone::Seen(id) if facts.lost.contains(id));
    let lost = match (facts.gone.clone().filter(is_gone), facts.lost.first()) {
        (Some(gone), _) => Some(Detail::NewestGone { gone, lost: facts.lost.len() }),
        (None, Some(id)) => Some(Detail::DataLost { id: id.clone(), others: facts.lost.len() - 1 }),
        (None, None) => None,
    };
    let promised = facts.promised.as_ref().and_then(|promised| promised.run_timeout);
    let died = facts.unfinished.clone().filter(|(id, may_take)| {
        let may_take = may_take.or(promised).unwrap_or(RUN_MAY_TAKE);
        now - id.time() > TimeDelta::from_std(may_take).unwrap_or(TimeDelta::MAX)
    });
    lost.into_iter().chain(died.map(|(id, _)| Detail::NewestIncomplete { id }))
}

/// What is wrong with figures of drills.
fn of_figures(facts: &Facts) -> impl Iterator<Item = Detail> {
    let slow = facts.recovery_seconds.zip(facts.max_recovery_time);
    let slow = slow.filter(|(seconds, most)| *seconds > most.as_secs_f64());
    let slow =
        slow.map(|(seconds, most)| Detail::SlowRecovery { seconds: seconds as u64, max_seconds: most.as_secs() });
    let needed_bytes = facts.spool_needed_bytes;
    let free_bytes = facts.spool_free_bytes.filter(|free_bytes| *free_bytes < needed_bytes);
    slow.into_iter().chain(free_bytes.map(|free_bytes| Detail::SpoolSmall { free_bytes, needed_bytes }))
}

/// What drills have shown. A backup that is damaged stays so, however the drills of others end.
fn of_drills(facts: &Facts) -> impl Iterator<Item = Detail> {
    let last = of_last_drill(facts);
    let is_told = last.as_ref().is_some_and(|last| last.code() == AlarmCode::DrillFailed);
    last.into_iter().chain(of_damaged(facts).filter(|_| !is_told))
}

fn of_damaged(facts: &Facts) -> Option<Detail> {
    facts.damaged.last().map(|id| Detail::Damaged { id: id.clone(), others: facts.damaged.len() - 1 })
}

/// That a backup in the bucket is damaged, as a drill has shown of which this service knows.
pub(crate) fn of_known_damage(facts: &Facts) -> Option<Condition> {
    of_damaged(facts).map(|detail| detail.condition(facts))
}

fn of_last_drill(facts: &Facts) -> Option<Detail> {
    let Some(report) = &facts.last_report else {
        if let Some((at, in_a_row)) = facts.killed_drills {
            return Some(Detail::Killed { at, in_a_row });
        }
        let recorded = facts.recorded_drill.map(|drill| drill.time);
        return match facts.past_drill.filter(|(at, _)| Some(*at) > recorded) {
            Some((at, Verdict::CouldNotRun)) => {
                Some(Detail::PastCouldNotRun { at, in_a_row: facts.consecutive_failures })
            }
            Some((at, _)) => Some(Detail::RecordedDrillFailed { at }),
            None => {
                let failed = facts.recorded_drill.filter(|drill| !drill.passed)?;
                Some(Detail::RecordedDrillFailed { at: failed.time })
            }
        };
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
        let due_since = state.own.first_drill_since.unwrap_or(state.started_at);
        let bound = TimeDelta::seconds(state.own.drill_timeout_seconds.cast_signed());
        // A line of many databases may be long. It is too long if proofs would grow older in it than they may.
        let in_line = TimeDelta::seconds(i64::try_from(state.max_age_seconds).unwrap_or(i64::MAX)).max(bound);
        // One that was skipped is due again, and has no more time by that.
        let skipped_at = state.own.first_skipped_at.map(|at| at.max(due_since));
        let by = match skipped_at.or(state.run_started_at) {
            _ if state.awaits_turn && skipped_at.is_none() => due_since.checked_add_signed(in_line),
            began_at => began_at.unwrap_or(due_since).checked_add_signed(bound),
        };
        let is_pending = state.own.last_report.is_none() && by.is_none_or(|by| now <= by);
        return Some(if is_pending { Detail::FirstDrillPending } else { Detail::NeverPassed });
    };
    let (age_seconds, max_age_seconds) = ((now - passed_at).num_seconds(), state.max_age_seconds);
    let is_stale = age_seconds > i64::try_from(max_age_seconds).unwrap_or(i64::MAX);
    is_stale.then_some(Detail::Stale { age_seconds, max_age_seconds })
}

impl Detail {
    fn condition(&self, facts: &Facts) -> Condition {
        let (code, severity) = (self.code(), self.severity());
        Condition { subjects: facts.subjects(code), ..Condition::new(code, severity, self.to_string()) }
    }

    fn code(&self) -> AlarmCode {
        match self {
            Self::BucketUnseen { .. } => AlarmCode::BucketUnseen,
            Self::BackupSilent { .. } | Self::BackupStale { .. } | Self::BackupGone { .. } => AlarmCode::BackupSilent,
            Self::DrillFailed { .. } | Self::RecordedDrillFailed { .. } | Self::Damaged { .. } => {
                AlarmCode::DrillFailed
            }
            Self::CouldNotRun { .. } | Self::PastCouldNotRun { .. } | Self::Killed { .. } | Self::Stopped { .. } => {
                AlarmCode::CouldNotRun
            }
            Self::FirstDrillPending | Self::NeverPassed => AlarmCode::NeverPassed,
            Self::Stale { .. } => AlarmCode::Stale,
            Self::SlowRecovery { .. } => AlarmCode::SlowRecovery,
            Self::SpoolSmall { .. } => AlarmCode::SpoolSmall,
            Self::NewestIncomplete { .. } => AlarmCode::NewestIncomplete,
            Self::DataLost { .. } | Self::NewestGone { .. } => AlarmCode::DataLost,
        }
    }

    fn severity(&self) -> Severity {
        match self {
            Self::CouldNotRun { in_a_row, .. }
            | Self::PastCouldNotRun { in_a_row, .. }
            | Self::Killed { in_a_row, .. }
                if *in_a_row >= FAILURES_UNTIL_CRITICAL =>
            {
                Severity::Critical
            }
            Self::CouldNotRun { .. }
            | Self::PastCouldNotRun { .. }
            | Self::Killed { .. }
            | Self::Stopped { .. }
            | Self::SlowRecovery { .. }
            | Self::SpoolSmall { .. }
            | Self::NewestIncomplete { .. }
            | Self::BucketUnseen { is_late: false, .. }
            | Self::FirstDrillPending => Severity::Warning,
            Self::BucketUnseen { is_late: true, .. }
            | Self::BackupSilent { .. }
            | Self::BackupStale { .. }
            | Self::BackupGone { .. }
            | Self::DataLost { .. }
            | Self::NewestGone { .. }
            | Self::DrillFailed { .. }
            | Self::Damaged { .. }
            | Self::RecordedDrillFailed { .. }
            | Self::NeverPassed
            | Self::Stale { .. } => Severity::Critical,
        }
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BucketUnseen { since, .. } => {
                write!(formatter, "the bucket could not be listed since {}", since.format("%Y-%m-%d %H:%M UTC"))
            }
            Self::BackupSilent { due_by, life } => write!(
                formatter,
                "there is no backup, and the first one was due by {}; {life}",
                due_by.format("%Y-%m-%d %H:%M UTC")
            ),
            Self::BackupStale { age_seconds, max_age_seconds, life } => write!(
                formatter,
                "the newest full backup is {age_seconds} s old, and {max_age_seconds} s are allowed; {life}"
            ),
            Self::SlowRecovery { seconds, max_seconds } => {
                write!(formatter, "the last restore took {seconds} s, and {max_seconds} s are allowed")
            }
            Self::SpoolSmall { free_bytes, needed_bytes } => write!(
                formatter,
                "VERIFY_SPOOL_DIR has {free_bytes} bytes free, and the next drill needs {needed_bytes}"
            ),
            Self::NewestIncomplete { id } => {
                write!(formatter, "the newest run, {id}, has no manifest, and does not go on any more")
            }
            Self::DataLost { id, others } => {
                write!(formatter, "{id} has lost its data: its manifest is alone{}", besides(*others, OTHERS_LOST))
            }
            Self::NewestGone { gone: Gone::Seen(id), lost } => write!(
                formatter,
                "{id}, which was the newest full backup, is gone, and no newer one has come{}",
                besides(*lost, OTHERS_LOST)
            ),
            Self::NewestGone { gone: Gone::Told(at), lost } => write!(
                formatter,
                "since {} a backup is known to be lost, and none has been made after that{}",
                at.format("%Y-%m-%d %H:%M UTC"),
                besides(*lost, OTHERS_LOST)
            ),
            Self::Damaged { id, others } => {
                let others = besides(*others, ["other backup has failed its own", "other backups have failed theirs"]);
                write!(formatter, "{id} has failed its last drill, and is still there{others}")
            }
            Self::BackupGone { life } => write!(formatter, "there is no full backup any more; {life}"),
            Self::PastCouldNotRun { at, .. } => {
                write!(formatter, "the last drill, of {}, could not run", at.format("%Y-%m-%d %H:%M UTC"))
            }
            Self::Killed { at, in_a_row } => write!(
                formatter,
                "the last {in_a_row} drills were killed before their end, the last of them began at {}: does it have the \
                 memory and the time that a drill needs?",
                at.format("%Y-%m-%d %H:%M UTC")
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

/// What is to be said of `number` others, in the words for one or for several.
fn besides(number: usize, [one, several]: [&str; 2]) -> String {
    match number {
        0 => String::new(),
        1 => format!("; 1 {one}"),
        _ => format!("; {number} {several}"),
    }
}

const OTHERS_LOST: [&str; 2] = ["other backup has lost its data", "other backups have lost their data"];

#[cfg(test)]
mod tests;
