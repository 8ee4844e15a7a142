//! Databases that a service does not look after, although it is meant to look after all.

use chrono::{DateTime, TimeDelta, Utc};

use crate::alarm::{Condition, Severity};
use crate::alarm_code::AlarmCode;

/// A server may be away for so long, and looks at the bucket may fail for so long, before it is an alarm that not all
/// databases are known.
pub const UNLISTED_FOR: TimeDelta = TimeDelta::minutes(10);

/// Why some databases are not looked after. Of these nothing is known, so nothing else tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// A sentence for a person.
    pub reason: String,
    /// How urgent that is.
    pub severity: Severity,
    /// Since when it is known.
    pub since: DateTime<Utc>,
    /// How long it may pass by itself before it is an alarm.
    pub patience: TimeDelta,
}

impl LeftOut {
    /// Databases that are left out until something changes, known since `now`.
    pub fn lasting(reason: String, severity: Severity, now: DateTime<Utc>) -> Self {
        Self { reason, severity, since: now, patience: TimeDelta::zero() }
    }

    /// What is wrong at `now`. If it was an alarm before a restart, it is one at once.
    pub(crate) fn condition(&self, was_alarm: bool, now: DateTime<Utc>) -> Option<Condition> {
        (was_alarm || now - self.since >= self.patience)
            .then(|| Condition::new(AlarmCode::LeftOut, self.severity, self.reason.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_by_itself_is_an_alarm_later_and_after_a_restart_at_once() {
        let since = Utc::now();
        let left_out =
            LeftOut { patience: TimeDelta::minutes(5), ..LeftOut::lasting("r".into(), Severity::Warning, since) };
        let at = |minutes| since + TimeDelta::minutes(minutes);
        assert_eq!(left_out.condition(false, at(4)), None);
        assert_eq!(left_out.condition(false, at(5)).unwrap().message, "r");
        assert!(left_out.condition(true, at(0)).is_some());
        assert!(LeftOut::lasting("r".into(), Severity::Warning, since).condition(false, since).is_some());
    }
}
