//! When a job runs: a five-field crontab expression in a time zone, or a fixed interval.
//!
//! # Daylight saving
//!
//! A crontab expression speaks of the clock on the wall, which twice a year jumps:
//!
//! | hour field           | a time that the jump leaves out        | a time that comes twice |
//! | -------------------- | -------------------------------------- | ----------------------- |
//! | names hours (`2`)    | runs once, at the first instant after  | runs the first time     |
//! | begins with `*`      | is skipped                             | runs both times         |
//!
//! So `30 2 * * *` runs exactly once every day of the year, and `*/15 * * * *` keeps its rhythm of
//! 15 minutes of real time. A schedule such as `0 */6 * * *` belongs to the second kind: in a zone
//! whose jump leaves out midnight it has one run fewer that day.
//!
//! Everything here is pure except [`Ticker`] and [`Rhythm`], which sleep.

mod crontab;
mod error;
mod rhythm;
mod ticker;
mod wall_clock;

#[cfg(test)]
mod tests;

use std::fmt;

use chrono::{DateTime, Duration, Utc};
use chrono_tz::Tz;

pub use error::ScheduleError;
pub use rhythm::{MakeUp, Occasion, Outlook, Rhythm};
pub use ticker::Ticker;

use crontab::Crontab;

/// Shortest interval in seconds. Below it, the listing of the bucket and the connection that every
/// run begins with would cost more than the run; tests and demos still need something quick.
pub const MIN_INTERVAL_SECONDS: u64 = 10;

/// Longest interval in seconds: 31 days. A longer one is a slip of the unit, not a backup plan.
pub const MAX_INTERVAL_SECONDS: u64 = 31 * 24 * 60 * 60;

/// How far a crontab tick that has run may lie in the future before it is forgotten.
///
/// A clock set back by less than this runs no tick twice. One set back further was wrong before:
/// to wait until it reads as late again could mean months without a backup, and a backup too many
/// costs less than that.
const CLOCK_TOLERANCE: Duration = Duration::hours(2);

/// How far [`Schedule::previous_before`] looks back, in seconds: twelve years, because 29 February
/// can be eight years away.
const LOOK_BACK_SECONDS: i64 = 12 * 366 * 24 * 60 * 60;

/// Fewest ticks that [`Schedule::longest_gap_seconds`] looks at.
const GAP_TICKS: usize = 60;

/// Shortest time that it looks at, so that a weekend is in it however dense the weekdays are.
const GAP_PERIOD: Duration = Duration::days(8);

/// Most ticks that it looks at: one a minute for that time.
const GAP_TICKS_LIMIT: usize = 8 * 24 * 60 + 1;

/// Longest list that [`Schedule::upcoming`] returns.
const UPCOMING_LIMIT: usize = 1_000;

/// When a job runs. Made by [`Schedule::cron`] or [`Schedule::interval`], and valid ever after.
#[derive(Debug, Clone)]
pub struct Schedule(Kind);

#[derive(Debug, Clone)]
enum Kind {
    /// Boxed because it is large and an interval is not.
    Cron {
        crontab: Box<Crontab>,
        zone: Tz,
    },
    Interval {
        seconds: u64,
    },
}

impl Schedule {
    /// Reads a five-field crontab `expression`, whose times are those of `zone`.
    ///
    /// The fields are minute, hour, day of month, month, day of week. Each is `*`, a value, a range
    /// `a-b`, either `*` or a range with a step `/n`, or a comma-separated list of these. Months and
    /// days may be three-letter names in any case; 0 and 7 are both Sunday. Instead of the fields,
    /// `@hourly`, `@daily`, `@midnight`, `@weekly`, `@monthly`, `@yearly` and `@annually` are known.
    ///
    /// # Errors
    ///
    /// Anything else is refused, with the field and the reason; so are an expression that no date
    /// can match (`0 0 31 2 *`) and one that restricts both the day of the month and the day of the
    /// week, because crontab takes that as "either" and most other programs as "both".
    pub fn cron(expression: &str, zone: Tz) -> Result<Self, ScheduleError> {
        let crontab = Box::new(Crontab::parse(expression)?);
        Ok(Self(Kind::Cron { crontab, zone }))
    }

    /// A run every `seconds`, counted from the run before.
    ///
    /// # Errors
    ///
    /// `seconds` outside [`MIN_INTERVAL_SECONDS`] to [`MAX_INTERVAL_SECONDS`] is refused.
    pub fn interval(seconds: u64) -> Result<Self, ScheduleError> {
        if !(MIN_INTERVAL_SECONDS..=MAX_INTERVAL_SECONDS).contains(&seconds) {
            return Err(ScheduleError::IntervalOutOfRange { seconds });
        }
        Ok(Self(Kind::Interval { seconds }))
    }

    /// The zone in which to show times to people; UTC for an interval.
    pub fn time_zone(&self) -> Tz {
        match &self.0 {
            Kind::Cron { zone, .. } => *zone,
            Kind::Interval { .. } => Tz::UTC,
        }
    }

    /// The first tick strictly after `after`; for an interval, `after` is the last run.
    ///
    /// `None` only if the calendar ends: a crontab ends in the year 2100.
    pub fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match &self.0 {
            Kind::Cron { crontab, zone } => wall_clock::next_after(crontab, *zone, after),
            Kind::Interval { seconds } => after.checked_add_signed(interval_of(*seconds)),
        }
    }

    /// The last tick at or before `now`.
    ///
    /// `None` for an interval, whose ticks exist only relative to a run (see [`Schedule::is_due`]),
    /// and when no tick lies in the twelve years before `now`.
    pub fn previous_before(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let Kind::Cron { .. } = &self.0 else {
            return None;
        };
        // "The next tick after this second has come by now" holds up to the second before the tick
        // sought and fails from there on, so halving finds it, in at most 29 steps. In this way the
        // rules of daylight saving are written down once, in the forward direction.
        let seconds_ago = |seconds: i64| now.checked_sub_signed(Duration::seconds(seconds));
        let tick_since = |seconds: i64| {
            let tick = self.next_after(seconds_ago(seconds)?)?;
            (tick <= now).then_some(tick)
        };
        let (mut too_short, mut long_enough) = (0, LOOK_BACK_SECONDS);
        let mut found = tick_since(long_enough)?;
        while long_enough - too_short > 1 {
            let middle = too_short + (long_enough - too_short) / 2;
            match tick_since(middle) {
                Some(tick) => (long_enough, found) = (middle, tick),
                None => too_short = middle,
            }
        }
        Some(found)
    }

    /// Whether a run was missed: for the catch-up after a start.
    ///
    /// True if nothing ever succeeded, if a crontab tick lies after `last_success` and not after
    /// `now`, or if an interval has passed since. A success dated after `now` leaves nothing due.
    pub fn is_due(&self, last_success: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
        let next = last_success.map(|last| self.next_after(last));
        match next {
            None => true,
            Some(next) => next.is_some_and(|tick| tick <= now),
        }
    }

    /// The first tick after `now` for a job whose last tick (or last success) was at `last_tick`.
    ///
    /// An interval keeps the rhythm of `last_tick`, and takes one dated after `now` as `now`. A
    /// crontab does not repeat a tick up to `last_tick` even if the clock was set back since, unless
    /// by more than two hours.
    pub fn next_tick(&self, last_tick: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let last_tick = self.trusted(last_tick.unwrap_or(now), now);
        match &self.0 {
            Kind::Cron { .. } => self.next_after(last_tick.max(now)),
            Kind::Interval { .. } => self.next_after(self.latest_tick(last_tick, now)),
        }
    }

    /// The longest time between two ticks, in seconds, from which the age that a backup may reach
    /// is derived.
    ///
    /// Pass the time of the last success: the gap that `from` lies in is counted in full, then the
    /// gaps between the next 60 ticks and at least those of the next eight days. A schedule that
    /// rests for a season shows that gap only when `from` comes near it, and the extra hour of a
    /// change to winter time likewise, so ask again rather than keep the answer.
    pub fn longest_gap_seconds(&self, from: DateTime<Utc>) -> u64 {
        self.gaps(from).into_iter().max().unwrap_or_default()
    }

    /// The gaps, in seconds, that lie around and after `from`.
    fn gaps(&self, from: DateTime<Utc>) -> Vec<u64> {
        if let Kind::Interval { seconds } = &self.0 {
            return vec![*seconds];
        }
        let mut earlier = self.previous_before(from).unwrap_or(from);
        let mut gaps = Vec::new();
        for seen in 0..GAP_TICKS_LIMIT {
            if seen >= GAP_TICKS && earlier - from >= GAP_PERIOD {
                break;
            }
            let Some(later) = self.next_after(earlier) else {
                break;
            };
            gaps.push((later - earlier).num_seconds().unsigned_abs());
            earlier = later;
        }
        gaps
    }

    /// The shortest time between two ticks, in seconds, of those that [`Schedule::longest_gap_seconds`] looks at; the
    /// same if there is only one gap.
    pub fn shortest_gap_seconds(&self, from: DateTime<Utc>) -> u64 {
        self.gaps(from).into_iter().min().unwrap_or_default()
    }

    /// How old what a run leaves behind may be at `now` before a run must have been missed: the longest
    /// gap around it, a tenth of that and an hour.
    pub fn tolerated_age(&self, now: DateTime<Utc>) -> std::time::Duration {
        let gap_seconds = self.longest_gap_seconds(now);
        std::time::Duration::from_secs(gap_seconds + gap_seconds / 10 + 3600)
    }

    /// The next `n` ticks after `from`, in order, at most 1,000; for an interval as if a run had
    /// begun at `from`.
    pub fn upcoming(&self, n: usize, from: DateTime<Utc>) -> Vec<DateTime<Utc>> {
        std::iter::successors(self.next_after(from), |tick| self.next_after(*tick))
            .take(n.min(UPCOMING_LIMIT))
            .collect()
    }

    /// `last_tick`, or `now` if it lies so far in the future that the clock must have been wrong.
    fn trusted(&self, last_tick: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
        let tolerance = match &self.0 {
            Kind::Cron { .. } => CLOCK_TOLERANCE,
            // From now on a full interval passes anyway, so nothing runs twice in it.
            Kind::Interval { .. } => Duration::zero(),
        };
        if last_tick - now > tolerance { now } else { last_tick }
    }

    /// The last tick after `last_tick` and not after `now`; `last_tick` itself if there is none.
    fn latest_tick(&self, last_tick: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
        match &self.0 {
            Kind::Cron { .. } => match self.previous_before(now) {
                Some(tick) => tick.max(last_tick),
                None => last_tick,
            },
            Kind::Interval { seconds } => {
                let passed = intervals_between(last_tick, now, *seconds);
                last_tick + Duration::seconds(passed.saturating_mul(seconds.cast_signed()))
            }
        }
    }

    /// How many ticks lie after `last_tick` and not after `now`, counted up to `limit`.
    fn ticks_between(&self, last_tick: DateTime<Utc>, now: DateTime<Utc>, limit: usize) -> u64 {
        if let Kind::Interval { seconds } = &self.0 {
            return intervals_between(last_tick, now, *seconds).unsigned_abs();
        }
        std::iter::successors(self.next_after(last_tick), |tick| self.next_after(*tick))
            .take(limit)
            .take_while(|tick| *tick <= now)
            .fold(0, |count, _| count + 1)
    }
}

/// `seconds` is at most [`MAX_INTERVAL_SECONDS`], so nothing overflows.
fn interval_of(seconds: u64) -> Duration {
    Duration::seconds(seconds.cast_signed())
}

/// How many whole intervals fit between the two times; 0 if `now` is the earlier.
fn intervals_between(last_tick: DateTime<Utc>, now: DateTime<Utc>, seconds: u64) -> i64 {
    (now - last_tick).num_seconds().max(0) / seconds.cast_signed()
}

impl fmt::Display for Schedule {
    /// The expression and its zone (`30 2 * * * Europe/Berlin`), or the interval (`every 6 h`).
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Cron { crontab, zone } => write!(formatter, "{crontab} {}", zone.name()),
            Kind::Interval { seconds } => {
                let units = [(86_400, "d"), (3_600, "h"), (60, "min")];
                let unit = units.into_iter().find(|(size, _)| seconds % size == 0);
                let (size, unit) = unit.unwrap_or((1, "s"));
                write!(formatter, "every {} {unit}", seconds / size)
            }
        }
    }
}
