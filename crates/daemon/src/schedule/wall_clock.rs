//! From times on the wall to instants, across changes of the clock.
//!
//! A *gap* is the stretch of wall time that a jump forward leaves out, a *fold* the stretch that a
//! jump back repeats. Everything else on the wall is one instant. Times are exact to the minute,
//! like crontab; the few zones that changed by odd seconds did so more than fifty years ago.

use chrono::{DateTime, Datelike, Duration, LocalResult, NaiveDateTime, TimeZone, Timelike, Utc};
use chrono_tz::Tz;

use super::crontab::Crontab;

/// The `cron` crate knows the years from this one
const FIRST_YEAR: i32 = 1970;
/// to this one, in which the search no longer starts: it would find only a part of its ticks.
const LAST_YEAR: i32 = 2100;

/// Longest gap or fold, in minutes. The longest known left out a whole day (Samoa, 2011).
const LONGEST_CHANGE_MINUTES: usize = 26 * 60;

/// The first tick of `crontab` in `zone` strictly after `after`; `None` from the year 2100 on.
pub(super) fn next_after(crontab: &Crontab, zone: Tz, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    if after.year() >= LAST_YEAR {
        return None;
    }
    let after = match after.year() < FIRST_YEAR {
        true => DateTime::UNIX_EPOCH,
        false => after,
    };
    let wall = after.with_timezone(&zone).naive_local();
    // Ticks with a later wall time. Those before `wall` are in the past, with one exception, below.
    let onward = crontab
        .all_after(wall)
        // A gap skips, and the second pass of a fold has seen, at most this many.
        .take(2 * LONGEST_CHANGE_MINUTES)
        .find_map(|tick| instant_after(crontab, zone, tick, after));
    let repeated = match crontab.is_every_hour() {
        true => first_repeated(crontab, zone, wall, after),
        false => None,
    };
    match (onward, repeated) {
        (Some(onward), Some(repeated)) => Some(onward.min(repeated)),
        (onward, repeated) => onward.or(repeated),
    }
}

/// The instant after `after` at which the wall shows `tick`, by the rules of the parent module.
fn instant_after(crontab: &Crontab, zone: Tz, tick: NaiveDateTime, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let instants = match zone.from_local_datetime(&tick) {
        LocalResult::Single(only) => [Some(only), None],
        LocalResult::Ambiguous(first, second) => [Some(first), crontab.is_every_hour().then_some(second)],
        LocalResult::None if crontab.is_every_hour() => [None, None],
        LocalResult::None => [end_of_gap(zone, tick), None],
    };
    let mut later = instants.into_iter().flatten().map(|instant| instant.to_utc());
    later.find(|instant| *instant > after)
}

/// The first instant after the gap that `wall` lies in.
fn end_of_gap(zone: Tz, wall: NaiveDateTime) -> Option<DateTime<Tz>> {
    minutes_from(wall, Duration::minutes(1)).find_map(|minute| zone.from_local_datetime(&minute).earliest())
}

/// The first tick of the second pass through a fold, if `after`, at `wall`, is in its first pass:
/// the one case in which an earlier time on the wall is still to come.
fn first_repeated(crontab: &Crontab, zone: Tz, wall: NaiveDateTime, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let in_fold = |minute: &NaiveDateTime| matches!(zone.from_local_datetime(minute), LocalResult::Ambiguous(..));
    if !in_fold(&wall) || zone.from_local_datetime(&wall).earliest()? != after {
        return None;
    }
    let whole_minute = wall.with_second(0)?.with_nanosecond(0)?;
    let fold_start = minutes_from(whole_minute, Duration::minutes(-1)).take_while(in_fold).last()?;
    let tick = crontab.next_after(fold_start - Duration::seconds(1))?;
    match zone.from_local_datetime(&tick) {
        LocalResult::Ambiguous(_, second) => Some(second.to_utc()).filter(|tick| *tick > after),
        LocalResult::Single(_) | LocalResult::None => None,
    }
}

/// `wall` and what follows in steps of `step`, for the length of the longest change.
fn minutes_from(wall: NaiveDateTime, step: Duration) -> impl Iterator<Item = NaiveDateTime> {
    std::iter::successors(Some(wall), move |minute| minute.checked_add_signed(step)).take(LONGEST_CHANGE_MINUTES)
}
