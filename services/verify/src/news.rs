//! Whether the bucket holds a backup that asks for a drill.

use backup_daemon::{Activity, DatabaseState};
use chrono::{DateTime, TimeDelta, Utc};

use crate::config::Timing;
use crate::status::Facts;

/// Whether there is a newer full backup than the last drilled one, no drill is going on, and none has begun for as long
/// as `VERIFY_MIN_INTERVAL` says: a writer to the bucket can make any number of backups appear.
pub(crate) fn ask_for_drill(state: &DatabaseState<Facts>, timing: &Timing, now: DateTime<Utc>) -> bool {
    let min_interval = TimeDelta::from_std(timing.min_interval).unwrap_or(TimeDelta::MAX);
    let recorded = state.own.recorded_drill.map(|drill| drill.time);
    let last = state.run_started_at.max(recorded);
    let is_new = state.own.newest_full > state.own.last_drilled;
    let has_rested = last.is_none_or(|last| (now - last).abs() >= min_interval);
    timing.after_backup && state.activity == Activity::Waiting && is_new && has_rested
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use backup_core::repository::{BackupId, Drill};
    use backup_daemon::schedule::{MakeUp, Schedule};

    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
    }

    #[test]
    fn a_newer_backup_asks_for_one_drill_and_not_too_often() {
        let mut timing = Timing {
            schedule: Schedule::interval(86_400).unwrap(),
            run_on_startup: false,
            given_max_age: None,
            after_backup: true,
            min_interval: Duration::from_secs(3600),
            make_up: MakeUp::default(),
        };
        let facts = Facts::new(Duration::from_secs(60));
        let mut state = DatabaseState::new("daily".to_owned(), Duration::from_secs(60), at(0), facts);
        let asks = |state: &DatabaseState<Facts>, timing: &Timing, minutes| ask_for_drill(state, timing, at(minutes));
        let (old, new) = (BackupId::new(at(1)), BackupId::new(at(2)));
        state.own.newest_full = Some(new.clone());
        assert!(!asks(&state, &timing, 3), "before the first look");
        state.activity = Activity::Waiting;
        assert!(asks(&state, &timing, 3), "no drill is known");
        state.own.last_drilled = Some(old);
        assert!(asks(&state, &timing, 3));
        state.activity = Activity::Running;
        assert!(!asks(&state, &timing, 3), "never two at once");
        state.activity = Activity::Waiting;
        state.run_started_at = Some(at(1));
        assert!(!asks(&state, &timing, 60) && asks(&state, &timing, 61));
        state.own.recorded_drill = Some(Drill { time: at(30), passed: true, recorded_at: None });
        assert!(!asks(&state, &timing, 89) && asks(&state, &timing, 90));
        timing.after_backup = false;
        assert!(!asks(&state, &timing, 90));
        timing.after_backup = true;
        state.own.last_drilled = Some(new);
        assert!(!asks(&state, &timing, 90));
    }
}
