//! The newest backup of each of the last days, weeks, months and years.

use chrono::{DateTime, Datelike, Utc};

use super::{KeepReason, RetentionPolicy};

/// One tier on its way down a group, from the newest backup to the oldest.
pub(super) struct Tier {
    period_of: fn(DateTime<Utc>) -> KeepReason,
    periods_left: u32,
    current: Option<KeepReason>,
}

impl Tier {
    /// The reason to keep a backup of `time`, if it is the newest of a period that still counts.
    /// Times must not increase from call to call.
    pub(super) fn apply(&mut self, time: DateTime<Utc>) -> Option<KeepReason> {
        let period = Some((self.period_of)(time));
        if period == self.current {
            return None;
        }
        self.current = period;
        self.periods_left = self.periods_left.checked_sub(1)?;
        period
    }
}

/// The tiers of `policy`, the finest first.
pub(super) fn of(policy: &RetentionPolicy) -> [Tier; 4] {
    let tier = |periods_left, period_of| Tier { period_of, periods_left, current: None };
    [
        tier(policy.keep_daily, |time| KeepReason::Daily(time.date_naive())),
        tier(policy.keep_weekly, |time| {
            let week = time.iso_week();
            KeepReason::Weekly { year: week.year(), week: week.week() }
        }),
        tier(policy.keep_monthly, |time| KeepReason::Monthly { year: time.year(), month: time.month() }),
        tier(policy.keep_yearly, |time| KeepReason::Yearly(time.year())),
    ]
}
