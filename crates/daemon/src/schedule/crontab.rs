//! The five fields of a crontab line, expanded into a form that the `cron` crate cannot misread.
//!
//! That crate wants seconds, counts Sunday as 1, and lets names through that crontab does not have.
//! Here every field is checked and written out value by value, days by name; the crate is left
//! with what it does well: finding the next date that matches.

use std::collections::BTreeSet;
use std::fmt;

use chrono::{DateTime, NaiveDate, NaiveDateTime};

use super::error::ScheduleError;

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// One field: its name for errors, its bounds, and its words, the first of which means `first`.
struct Field {
    name: &'static str,
    first: u32,
    last: u32,
    words: &'static [&'static str],
}

#[rustfmt::skip]
const FIELDS: [Field; 5] = [
    Field { name: "minute",       first: 0, last: 59, words: &[] },
    Field { name: "hour",         first: 0, last: 23, words: &[] },
    Field { name: "day of month", first: 1, last: 31, words: &[] },
    Field { name: "month",        first: 1, last: 12, words: &MONTHS },
    // Both 0 and 7 are Sunday.
    Field { name: "day of week",  first: 0, last: 7,  words: &DAYS },
];

/// A checked crontab expression that fires at least once before the year 2100.
#[derive(Debug, Clone)]
pub(super) struct Crontab {
    /// As it was typed, with single spaces.
    text: String,
    matcher: cron::Schedule,
    every_hour: bool,
}

impl Crontab {
    /// Reads five fields or a nickname; see [`super::Schedule::cron`].
    pub(super) fn parse(expression: &str) -> Result<Self, ScheduleError> {
        let typed: Vec<&str> = expression.split_ascii_whitespace().collect();
        let fields = match typed.as_slice() {
            [nickname] if nickname.starts_with('@') => expand_nickname(nickname)?,
            [minute, hour, day, month, weekday] => [*minute, *hour, *day, *month, *weekday],
            _ => return Err(wrong_count(&typed)),
        };
        let matcher = compile(fields)?;
        let [_, hour, ..] = fields;
        let crontab = Self { text: typed.join(" "), matcher, every_hour: hour.starts_with('*') };
        // From a leap year on: what does not fire before 2100 then never does.
        let start = NaiveDate::from_ymd_opt(2024, 1, 1).unwrap_or_default();
        match crontab.next_after(start.and_time(chrono::NaiveTime::MIN)) {
            Some(_) => Ok(crontab),
            None => Err(ScheduleError::NeverFires),
        }
    }

    /// Whether the hour field begins with `*`, which decides what a change of the clock does.
    pub(super) fn is_every_hour(&self) -> bool {
        self.every_hour
    }

    /// The first matching time on the wall strictly after `wall`, wherever the wall is.
    pub(super) fn next_after(&self, wall: NaiveDateTime) -> Option<NaiveDateTime> {
        self.all_after(wall).next()
    }

    /// All matching times on the wall strictly after `wall`, in order, up to the year 2100.
    pub(super) fn all_after(&self, wall: NaiveDateTime) -> impl Iterator<Item = NaiveDateTime> {
        // Taken as UTC, where every time exists once: the crate must not see the time zone, in
        // which it would drop times that do not exist.
        let wall: DateTime<chrono::Utc> = wall.and_utc();
        self.matcher.after(&wall).map(|found| found.naive_utc())
    }
}

impl fmt::Display for Crontab {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

fn expand_nickname(nickname: &str) -> Result<[&'static str; 5], ScheduleError> {
    match nickname.to_ascii_lowercase().as_str() {
        "@hourly" => Ok(["0", "*", "*", "*", "*"]),
        "@daily" | "@midnight" => Ok(["0", "0", "*", "*", "*"]),
        "@weekly" => Ok(["0", "0", "*", "*", "0"]),
        "@monthly" => Ok(["0", "0", "1", "*", "*"]),
        "@yearly" | "@annually" => Ok(["0", "0", "1", "1", "*"]),
        _ => Err(ScheduleError::Nickname),
    }
}

fn wrong_count(typed: &[&str]) -> ScheduleError {
    let hint = match typed {
        [first, ..] if first.starts_with('@') => "; a nickname stands alone",
        [first, ..] if first.contains('=') => "; the time zone is a setting of its own",
        _ if typed.len() == 6 || typed.len() == 7 => "; this is five-field cron without seconds and years",
        _ => "",
    };
    let found = typed.len();
    ScheduleError::FieldCount { found, hint }
}

/// Checks the fields and hands them to the `cron` crate, which puts seconds first.
fn compile(fields: [&str; 5]) -> Result<cron::Schedule, ScheduleError> {
    let mut written = vec!["0".to_owned()];
    for (field, text) in FIELDS.iter().zip(fields) {
        let values = expand(field, text)?;
        written.push(write_out(field, &values));
    }
    let [_, _, day, _, weekday] = fields;
    if is_restricted(day) && is_restricted(weekday) {
        return Err(ScheduleError::AmbiguousDays);
    }
    let written = written.join(" ");
    // Nothing that passed the checks above is known to fail here.
    let problem = "it cannot be read together with the others".to_owned();
    written.parse().map_err(|_: cron::error::Error| ScheduleError::Field { field: "one", problem })
}

/// Only a bare star leaves a day open. `1-31` does not: crontab takes it as a restriction.
fn is_restricted(text: &str) -> bool {
    !matches!(text, "*" | "*/1")
}

fn write_out(field: &Field, values: &BTreeSet<u32>) -> String {
    let written: BTreeSet<String> = values
        .iter()
        .map(|value| match field.name {
            "day of week" => DAYS[*value as usize % DAYS.len()].to_owned(),
            _ => value.to_string(),
        })
        .collect();
    written.into_iter().collect::<Vec<_>>().join(",")
}

/// All values that `text` stands for; never none.
fn expand(field: &Field, text: &str) -> Result<BTreeSet<u32>, ScheduleError> {
    let refuse = |problem: String| ScheduleError::Field { field: field.name, problem };
    let mut values = BTreeSet::new();
    for item in text.split(',') {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (item, None),
        };
        let (first, last) = range_of(field, range).map_err(refuse)?;
        let step = match step {
            None => 1,
            Some(_) if range != "*" && !range.contains('-') => {
                let last = field.last;
                return Err(refuse(format!("a step needs a range or *, such as {first}-{last}/5")));
            }
            Some(step) => step_of(step, last - first).map_err(refuse)?,
        };
        values.extend((first..=last).step_by(step));
    }
    Ok(values)
}

/// First and last value of `range`: `*`, `a-b` or `a`.
fn range_of(field: &Field, range: &str) -> Result<(u32, u32), String> {
    if range == "*" {
        return Ok((field.first, field.last));
    }
    let Some((first, last)) = range.split_once('-') else {
        let value = value_of(field, range)?;
        return Ok((value, value));
    };
    let (first, mut last) = (value_of(field, first)?, value_of(field, last)?);
    if field.name == "day of week" && last == 0 && first > 0 {
        last = 7; // FRI-SUN ends with the Sunday that follows.
    }
    if first > last {
        return Err("the range runs backwards; write it as two ranges".to_owned());
    }
    Ok((first, last))
}

fn value_of(field: &Field, text: &str) -> Result<u32, String> {
    let word = text.to_ascii_uppercase();
    if let Some(index) = field.words.iter().position(|known| **known == *word) {
        return Ok(field.first + u32::try_from(index).unwrap_or_default());
    }
    if let Some(value) = number_of(text)
        && (field.first..=field.last).contains(&value)
    {
        return Ok(value);
    }
    let extension = word.trim_matches(|c: char| c.is_ascii_digit());
    if matches!(extension, "L" | "W" | "LW") || word.contains(['#', '?']) {
        return Err("L, W, # and ? are not part of crontab and not supported".to_owned());
    }
    let (first, last) = (field.first, field.last);
    let words = match field.words {
        [first, .., last] => format!(" or a name from {first} to {last}"),
        _ => String::new(),
    };
    Err(format!("holds what is not a number from {first} to {last}{words}"))
}

/// A step that is as long as the range or longer would select its first value alone, which no user
/// means by `*/90`.
fn step_of(text: &str, span: u32) -> Result<usize, String> {
    let longest = span.max(1);
    match number_of(text) {
        Some(step) if (1..=longest).contains(&step) => Ok(step as usize),
        _ => Err(format!("the step must be a number from 1 to {longest}")),
    }
}

/// A number of one to three ASCII digits; no sign, no blank.
fn number_of(text: &str) -> Option<u32> {
    let is_number = (1..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}
