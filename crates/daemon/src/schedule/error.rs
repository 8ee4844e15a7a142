//! Why a schedule was refused.

use super::{MAX_INTERVAL_SECONDS, MIN_INTERVAL_SECONDS};

/// Why a schedule was refused, in words for the person who wrote it.
///
/// It names the field that is wrong and never quotes what was written: no value of the environment is
/// ever shown, since a value may have landed in the wrong variable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Not five fields.
    #[error(
        "the expression has {found} fields instead of five (minute, hour, day of month, month, \
         day of week){hint}"
    )]
    FieldCount {
        /// How many there are.
        found: usize,
        /// Empty, or what to do about the likely cause.
        hint: &'static str,
    },
    /// A field that cannot be read.
    #[error("{field} field: {problem}")]
    Field {
        /// The field by its name.
        field: &'static str,
        /// What is wrong with it, and how to write it.
        problem: String,
    },
    /// `@` and a word that is not known.
    #[error(
        "the word after @ is not known; there are @hourly, @daily, @midnight, @weekly, @monthly, @yearly \
         and @annually"
    )]
    Nickname,
    /// Both days are restricted.
    #[error(
        "day of month and day of week are both restricted, which crontab takes as \"either\" and \
         other programs as \"both\"; set one of them to *"
    )]
    AmbiguousDays,
    /// No date matches.
    #[error("the expression never fires: none of its months has such a day")]
    NeverFires,
    /// An interval that is too short or too long.
    #[error(
        "an interval of {seconds} s is out of range; it must be from {MIN_INTERVAL_SECONDS} s to \
         {MAX_INTERVAL_SECONDS} s (31 days)"
    )]
    IntervalOutOfRange {
        /// What was asked for.
        seconds: u64,
    },
}
