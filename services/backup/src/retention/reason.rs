//! Why a backup is kept and why a plan is refused, in words for an operator.

use std::fmt;

use chrono::NaiveDate;

use backup_core::repository::Kind;
use backup_core::storage::Clock;

use crate::clusters::AnotherCluster;
use crate::shrink::Shrunk;

/// Why a backup is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeepReason {
    /// It is among this many newest.
    Newest(u32),
    /// It is younger than this many times 24 hours.
    YoungerThanDays(u32),
    /// It is the newest of this day (UTC).
    Daily(NaiveDate),
    /// It is the newest of this ISO week.
    Weekly {
        /// The year the week belongs to, which around New Year is not always that of the date.
        year: i32,
        /// From 1 to 53.
        week: u32,
    },
    /// It is the newest of this month.
    Monthly {
        /// The year.
        year: i32,
        /// From 1 to 12.
        month: u32,
    },
    /// It is the newest of this year.
    Yearly(i32),
    /// No newer one has passed its last drill.
    NewestProven,
    /// No newer one has ever passed a drill, and it has failed its last one.
    OnceProven,
    /// It was the newest that had passed a drill until this day.
    NewestProvenUntil(NaiveDate),
    /// Its time is more than ten minutes ahead, so that its age is not known.
    FutureDated,
}

impl KeepReason {
    /// The name of its rule, for programs.
    pub(crate) fn rule(self) -> &'static str {
        match self {
            Self::Newest(_) => "newest",
            Self::YoungerThanDays(_) => "days",
            Self::Daily(_) => "daily",
            Self::Weekly { .. } => "weekly",
            Self::Monthly { .. } => "monthly",
            Self::Yearly(_) => "yearly",
            Self::NewestProven => "newest_proven",
            Self::OnceProven => "once_proven",
            Self::NewestProvenUntil(_) => "was_newest_proven",
            Self::FutureDated => "from_the_future",
        }
    }
}

impl fmt::Display for KeepReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newest(1) => formatter.write_str("newest"),
            Self::Newest(count) => write!(formatter, "newest {count}"),
            Self::YoungerThanDays(1) => formatter.write_str("younger than 1 day"),
            Self::YoungerThanDays(days) => write!(formatter, "younger than {days} days"),
            Self::Daily(date) => write!(formatter, "daily {date}"),
            Self::Weekly { year, week } => write!(formatter, "weekly {year}-W{week:02}"),
            Self::Monthly { year, month } => write!(formatter, "monthly {year}-{month:02}"),
            Self::Yearly(year) => write!(formatter, "yearly {year}"),
            Self::NewestProven => formatter.write_str("newest proven"),
            Self::OnceProven => formatter.write_str("newest proven before its last drill failed"),
            Self::NewestProvenUntil(date) => write!(formatter, "newest proven until {date}"),
            Self::FutureDated => formatter.write_str("dated in the future"),
        }
    }
}

/// Why a plan deletes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The listing does not show what this run has just committed, so it may lack more.
    ListingInconsistent {
        /// The id that is missing.
        committed: String,
    },
    /// Not one backup of this kind with a credible date would remain.
    WouldEmptyGroup(Kind),
    /// The newest backup is much smaller than usual, so the older ones may be the only good ones.
    Shrunk(Shrunk),
    /// The clock of this machine and that of the store do not agree, so no age is known.
    Clock(Clock),
    /// Another cluster stores its backups in the same place, so they cannot be counted as those of one database.
    AnotherCluster(AnotherCluster),
}

impl Refusal {
    /// Whether something is wrong with retention itself. The others are alarms of their own.
    pub(crate) fn is_degradation(&self) -> bool {
        match self {
            Self::ListingInconsistent { .. } | Self::WouldEmptyGroup(_) => true,
            Self::Shrunk(_) | Self::Clock(_) | Self::AnotherCluster(_) => false,
        }
    }
}

impl From<&Shrunk> for Refusal {
    fn from(shrunk: &Shrunk) -> Self {
        Self::Shrunk(shrunk.clone())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ListingInconsistent { committed } => write!(
                formatter,
                "nothing deleted: the listing does not show backup {committed}, which this run has \
                 committed; check that bucket, prefix and endpoint of reading and writing are the \
                 same and that the store lists new objects at once"
            ),
            Self::WouldEmptyGroup(kind) => {
                let kind = match kind {
                    Kind::Full => "full",
                    Kind::Partial => "partial",
                };
                write!(formatter, "nothing deleted: every {kind} backup would go; keep at least the newest one")
            }
            Self::Shrunk(shrunk) => write!(formatter, "nothing deleted: {shrunk}"),
            Self::Clock(clock) => write!(formatter, "nothing deleted: {clock}"),
            Self::AnotherCluster(another) => write!(formatter, "nothing deleted: {another}"),
        }
    }
}
