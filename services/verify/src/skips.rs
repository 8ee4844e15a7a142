//! Drills that are skipped again and again, since another session holds the lock of drills on their server.

use std::time::Duration;

use backup_daemon::{AlarmCode, Condition, Severity};
use chrono::{DateTime, TimeDelta, Utc};

use crate::status::Facts;

/// Drills in a row after whose skipping there is an alarm: one may meet another drill, three are a state.
const SKIPS_UNTIL_ALARM: u32 = 3;

/// Drills in a row that were skipped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Skips {
    in_a_row: u32,
    /// When the first of them was.
    since: Option<DateTime<Utc>>,
}

impl Skips {
    /// One more was skipped at `at`.
    pub(crate) fn add(&mut self, at: DateTime<Utc>) {
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.since = Some(self.since.map_or(at, |since| since.min(at)));
    }

    /// That no drill comes about, once it lasts longer than any other drill may take.
    pub(crate) fn condition(&self, longest_drill: Duration, now: DateTime<Utc>) -> Option<Condition> {
        let longest_drill = TimeDelta::from_std(longest_drill).unwrap_or(TimeDelta::MAX);
        let since = self.since.filter(|since| self.in_a_row >= SKIPS_UNTIL_ALARM && now - *since > longest_drill)?;
        let message = format!(
            "the last {} drills were skipped, the first of them at {}: other sessions hold the lock of drills on the server",
            self.in_a_row,
            since.format("%Y-%m-%d %H:%M UTC")
        );
        let condition = Condition::new(AlarmCode::CouldNotRun, Severity::Warning, message);
        Some(Condition { since: Some(since), ..condition })
    }
}

/// `conditions`, and that drills are skipped again and again, unless these say already that drills do not come about: there is
/// one alarm of a code, and the last drill that was not skipped is still what is known.
pub(crate) fn with_skipped(mut conditions: Vec<Condition>, facts: &Facts, now: DateTime<Utc>) -> Vec<Condition> {
    let skipped = facts.skips.condition(Duration::from_secs(facts.drill_timeout_seconds), now);
    conditions.extend(skipped.filter(|skipped| conditions.iter().all(|one| one.code != skipped.code)));
    conditions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_skipped_drills_in_longer_than_one_may_take_are_an_alarm() {
        let at = |minutes: i64| DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes);
        let of = |minutes: &[i64], now: i64| {
            let mut skips = Skips::default();
            minutes.iter().for_each(|minute| skips.add(at(*minute)));
            skips.condition(Duration::from_secs(3600), at(now)).map(|condition| condition.message)
        };
        assert_eq!([of(&[], 99), of(&[0, 70], 99), of(&[0, 20, 40], 60)], [None, None, None]);
        let expected = "the last 3 drills were skipped, the first of them at 1970-01-01 00:00 UTC: other sessions hold \
                        the lock of drills on the server";
        assert_eq!(of(&[0, 20, 40], 61).as_deref(), Some(expected));
        // After a restart they are read backwards.
        assert_eq!(of(&[40, 20, 0], 61).as_deref(), Some(expected));
    }
}
