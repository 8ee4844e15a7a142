//! Times, ages and durations as people say them. Nothing here reads a clock: `now` is given.

use backup_core::text::Lines;
use chrono::{DateTime, Datelike, TimeDelta, Utc};
use chrono_tz::Tz;

/// From this many days on, a weekday no longer tells which day is meant.
const WEEKDAY_DAYS: i64 = 6;

/// When a page is made, and for which part of the world.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    pub(super) now: DateTime<Utc>,
    pub(super) time_zone: Tz,
}

impl Clock {
    /// How long ago that was: `2 hours ago`; `just now` for the last seconds and for what another clock dates ahead.
    pub(super) fn ago(&self, at: DateTime<Utc>) -> String {
        match (self.now - at).num_seconds() {
            ..5 => "just now".to_owned(),
            seconds => format!("{} ago", rough(seconds)),
        }
    }

    /// How long until then: `in 40 s`; `now` if that has passed.
    pub(super) fn until(&self, at: DateTime<Utc>) -> String {
        match (at - self.now).num_seconds() {
            ..1 => "now".to_owned(),
            seconds => format!("in {}", rough(seconds)),
        }
    }

    /// The age of something: `2 hours`.
    pub(super) fn age(&self, at: DateTime<Utc>) -> String {
        match (self.now - at).num_seconds() {
            ..60 => "less than a minute".to_owned(),
            seconds => rough(seconds),
        }
    }

    /// A moment for people: `today 03:00`, `Tuesday 03:00`, `12 November 03:00`, `12 November 2025 03:00`.
    pub(super) fn moment(&self, at: DateTime<Utc>) -> String {
        let (there, here) = (at.with_timezone(&self.time_zone), self.now.with_timezone(&self.time_zone));
        let days = (here.date_naive() - there.date_naive()).num_days();
        let day = match days {
            -1 => "tomorrow".to_owned(),
            0 => "today".to_owned(),
            1 => "yesterday".to_owned(),
            2..=WEEKDAY_DAYS => there.format("%A").to_string(),
            _ if there.year() == here.year() => there.format("%-d %B").to_string(),
            _ => there.format("%-d %B %Y").to_string(),
        };
        format!("{day} {}", there.format("%H:%M"))
    }

    /// The day alone, for the ends of an axis: `12 Nov`.
    pub(super) fn day(&self, at: DateTime<Utc>) -> String {
        at.with_timezone(&self.time_zone).format("%-d %b").to_string()
    }

    /// `2026-11-29 04:00 CET`.
    pub(super) fn local(&self, at: DateTime<Utc>) -> String {
        at.with_timezone(&self.time_zone).format("%Y-%m-%d %H:%M %Z").to_string()
    }

    /// `2026-11-29 03:00 UTC`, or, if the local time is the same, nothing.
    pub(super) fn utc_if_other(&self, at: DateTime<Utc>) -> Option<String> {
        (self.time_zone != Tz::UTC).then(|| utc(at))
    }
}

/// `2026-11-29 03:00 UTC`.
pub(super) fn utc(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

/// For the attribute of `<time>`.
pub(super) fn machine(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// One unit: `40 s`, `12 min`, `2 hours`, `3 days`.
fn rough(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds} s"),
        60..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} hours", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// A duration in at most two units: `under 1 s`, `12 s`, `4 min 10 s`, `1 h 5 min`, `3 d 4 h`.
pub(super) fn span(seconds: f64) -> String {
    let millis = TimeDelta::milliseconds((seconds.clamp(0.0, 1e9) * 1_000.0) as i64);
    let two = |large: i64, large_unit, small: i64, small_unit| match small {
        0 => format!("{large} {large_unit}"),
        small => format!("{large} {large_unit} {small} {small_unit}"),
    };
    match millis.num_seconds() {
        0 => "under 1 s".to_owned(),
        seconds @ ..10 => format!("{seconds}.{} s", millis.subsec_nanos() / 100_000_000),
        seconds @ ..60 => format!("{seconds} s"),
        seconds @ ..3_600 => two(seconds / 60, "min", seconds % 60, "s"),
        seconds @ ..86_400 => two(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        seconds => two(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

/// `1 table`, `184 tables`.
pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", backup_core::text::count(count), if count == 1 { one } else { many })
}

/// Foreign text on one line, with nothing in it that moves a cursor or turns the direction of writing.
pub(super) fn plain(text: &str) -> String {
    Lines::of(text).to_string().trim_end_matches('\n').to_owned()
}

/// As a sentence: with a capital letter, and a full stop unless there is an end already.
pub(super) fn sentence(text: &str) -> String {
    let mut characters = text.trim().chars();
    let Some(first) = characters.next() else { return String::new() };
    let text = first.to_uppercase().chain(characters).collect::<String>();
    if text.ends_with(['.', '!', '?', '…']) { text } else { text + "." }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn moments_are_named_as_people_in_that_zone_name_them() {
        // A Sunday.
        let clock = Clock { now: at("2026-11-29T23:30:00Z"), time_zone: Tz::Europe__Berlin };
        for (moment, expected) in [
            ("2026-11-29T23:10:00Z", "today 00:10"),
            ("2026-11-29T22:10:00Z", "yesterday 23:10"),
            ("2026-11-25T02:00:00Z", "Wednesday 03:00"),
            ("2026-11-12T02:00:00Z", "12 November 03:00"),
            ("2025-11-12T02:00:00Z", "12 November 2025 03:00"),
            ("2026-12-01T02:00:00Z", "tomorrow 03:00"),
            ("2026-12-05T02:00:00Z", "5 December 03:00"),
        ] {
            assert_eq!(clock.moment(at(moment)), expected);
        }
        assert_eq!(clock.local(at("2026-07-01T02:00:00Z")), "2026-07-01 04:00 CEST");
        assert_eq!(clock.utc_if_other(at("2026-07-01T02:00:00Z")).as_deref(), Some("2026-07-01 02:00 UTC"));
        assert_eq!(Clock { time_zone: Tz::UTC, ..clock }.utc_if_other(clock.now), None);
    }

    #[test]
    fn ages_and_spans_have_the_unit_that_suits_them() {
        let clock = Clock { now: at("2026-11-29T12:00:00Z"), time_zone: Tz::UTC };
        for (seconds, expected) in [
            (-500, "just now"),
            (4, "just now"),
            (59, "59 s ago"),
            (119, "1 min ago"),
            (7_199, "119 min ago"),
            (7_200, "2 hours ago"),
            (172_799, "47 hours ago"),
            (172_800, "2 days ago"),
        ] {
            assert_eq!(clock.ago(clock.now - TimeDelta::seconds(seconds)), expected);
        }
        assert_eq!(clock.until(clock.now + TimeDelta::seconds(40)), "in 40 s");
        assert_eq!(clock.until(clock.now), "now");
        for (seconds, expected) in
            [(-5, "less than a minute"), (0, "less than a minute"), (59, "less than a minute"), (60, "1 min")]
        {
            assert_eq!(clock.age(clock.now - TimeDelta::seconds(seconds)), expected);
        }
        for (seconds, expected) in [
            (0.0, "under 1 s"),
            (0.85, "under 1 s"),
            (1.25, "1.2 s"),
            (12.9, "12 s"),
            (250.0, "4 min 10 s"),
            (240.0, "4 min"),
            (3_900.0, "1 h 5 min"),
            (273_600.0, "3 d 4 h"),
            (f64::NAN, "under 1 s"),
            (f64::INFINITY, "11574 d 1 h"),
        ] {
            assert_eq!(span(seconds), expected);
        }
    }

    #[test]
    fn foreign_text_becomes_one_plain_sentence() {
        assert_eq!(plain("a\n\u{202e}b"), "a\\n\\u{202e}b");
        assert_eq!(sentence("permission denied"), "Permission denied.");
        assert_eq!(sentence("why?"), "Why?");
        assert_eq!(sentence(" "), "");
        assert_eq!(counted(1, "table", "tables"), "1 table");
        assert_eq!(counted(1_234, "table", "tables"), "1,234 tables");
    }
}
