//! When rules will stop keeping what they keep now. Nothing is decided by it: pages show it.
//!
//! It assumes that each tick of the schedule makes a backup, and that no further drill passes.

use std::collections::BTreeMap;

use backup_daemon::schedule::Schedule;
use chrono::{DateTime, Datelike, Days, Duration, Months, NaiveDate, NaiveTime, Utc};

use super::{KeepReason, Line, PrunePlan, RetentionPolicy, Verdict, proven_stays};

/// Maximum number of ticks, and of periods, that it looks ahead. Beyond, no end is known.
const MAX_AHEAD: usize = 1_000;

/// The rules that count periods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Period {
    Day,
    Week,
    Month,
    Year,
}

/// When each kept backup of a plan will be kept no longer.
pub(crate) struct Forecast {
    ends: BTreeMap<String, DateTime<Utc>>,
}

/// What it is computed from.
struct Outlook<'plan> {
    policy: &'plan RetentionPolicy,
    /// The next ticks.
    ticks: Vec<DateTime<Utc>>,
    /// Of each rule, the first tick in each period that has no backup yet.
    new_periods: BTreeMap<Period, Vec<DateTime<Utc>>>,
    /// Backups that the number of the newest keeps, so far.
    newest: usize,
    /// Periods that hold a kept backup, so far.
    periods: BTreeMap<Period, Vec<DateTime<Utc>>>,
}

impl Forecast {
    /// Computes it for `plan`, which is of one kind and was made at `now`.
    pub(crate) fn new(plan: &PrunePlan, policy: &RetentionPolicy, schedule: &Schedule, now: DateTime<Utc>) -> Self {
        let mut outlook = Outlook::new(plan, policy, schedule, now);
        let ends = plan.lines.iter().filter_map(|line| Some((line.id.clone(), outlook.end_of(line)?)));
        Self { ends: ends.collect() }
    }

    /// The time from which on no rule keeps `line`; `None` if no such time is known.
    pub(crate) fn end_of(&self, line: &Line) -> Option<DateTime<Utc>> {
        self.ends.get(&line.id).copied()
    }
}

impl<'plan> Outlook<'plan> {
    fn new(plan: &PrunePlan, policy: &'plan RetentionPolicy, schedule: &Schedule, now: DateTime<Utc>) -> Self {
        let newest = plan.lines.iter().map(|line| line.time).find(|time| *time <= now);
        let tick_after = |time: DateTime<Utc>| schedule.next_tick(newest, time);
        let ahead = |count: u32| usize::try_from(count).unwrap_or(MAX_AHEAD).min(MAX_AHEAD);
        let ticks = std::iter::successors(tick_after(now), |tick| tick_after(*tick));
        let ticks: Vec<_> = ticks.take(ahead(policy.keep_last.max(1))).collect();
        let new_periods = [Period::Day, Period::Week, Period::Month, Period::Year].map(|period| {
            let is_new = |tick: &DateTime<Utc>| newest.is_none_or(|time| period.end_of(time) < period.end_of(*tick));
            // The last second of a period, so that a tick at the first moment of the next one is found.
            let in_next = |tick: &DateTime<Utc>| tick_after(period.end_of(*tick) - Duration::seconds(1));
            let firsts = std::iter::successors(ticks.first().copied(), in_next).filter(is_new);
            (period, firsts.take(ahead(period.kept(policy))).collect())
        });
        Self { policy, ticks, new_periods: BTreeMap::from(new_periods), newest: 0, periods: BTreeMap::new() }
    }

    /// The lines have to come in their order, the newest first.
    fn end_of(&mut self, line: &Line) -> Option<DateTime<Utc>> {
        let Verdict::Keep(reasons) = &line.verdict else { return None };
        let ends: Vec<_> = reasons.iter().map(|reason| self.end_of_reason(*reason, line.time)).collect();
        // It stays until the last of its reasons is gone.
        ends.into_iter().collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    fn end_of_reason(&mut self, reason: KeepReason, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let period = match reason {
            KeepReason::Newest(count) => {
                let left = usize::try_from(count).ok()?.saturating_sub(self.newest).max(1);
                self.newest += 1;
                return self.ticks.get(left - 1).copied();
            }
            KeepReason::YoungerThanDays(days) => return time.checked_add_signed(Duration::days(days.into())),
            KeepReason::Daily(_) => Period::Day,
            KeepReason::Weekly { .. } => Period::Week,
            KeepReason::Monthly { .. } => Period::Month,
            KeepReason::Yearly(_) => Period::Year,
            KeepReason::NewestProvenUntil(day) => {
                // The day of the record is known, and not the hour.
                let end = day.checked_add_days(Days::new(1))?.and_time(NaiveTime::MIN).and_utc();
                return end.checked_add_signed(proven_stays(self.policy));
            }
            KeepReason::NewestProven | KeepReason::OnceProven | KeepReason::FutureDated => return None,
        };
        let end = period.end_of(time);
        let seen = self.periods.entry(period).or_default();
        if seen.last() != Some(&end) {
            seen.push(end);
        }
        let place = seen.len() - 1;
        // A newer backup of the same period takes its place.
        let next = *self.ticks.first()?;
        if period.end_of(next) == end {
            return Some(next);
        }
        let left = usize::try_from(period.kept(self.policy)).ok()?.saturating_sub(place).max(1);
        self.new_periods.get(&period)?.get(left - 1).copied()
    }
}

impl Period {
    fn kept(self, policy: &RetentionPolicy) -> u32 {
        match self {
            Self::Day => policy.keep_daily,
            Self::Week => policy.keep_weekly,
            Self::Month => policy.keep_monthly,
            Self::Year => policy.keep_yearly,
        }
    }

    /// The first moment after the period that `time` lies in; in UTC, as the rules count.
    fn end_of(self, time: DateTime<Utc>) -> DateTime<Utc> {
        let day = time.date_naive();
        let next = match self {
            Self::Day => day.checked_add_days(Days::new(1)),
            Self::Week => day.checked_add_days(Days::new(7 - u64::from(day.weekday().num_days_from_monday()))),
            Self::Month => day.with_day(1).and_then(|first| first.checked_add_months(Months::new(1))),
            Self::Year => NaiveDate::from_ymd_opt(day.year() + 1, 1, 1),
        };
        // `None` only at the end of the calendar, some 260,000 years from now.
        next.map_or(DateTime::<Utc>::MAX_UTC, |day| day.and_time(NaiveTime::MIN).and_utc())
    }
}
