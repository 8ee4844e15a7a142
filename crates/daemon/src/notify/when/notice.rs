//! What there is to tell, and what a run that failed tells of itself.

use chrono::{DateTime, Utc};

use crate::alarm::Severity;
use crate::alarm_code::AlarmCode;
use crate::database_name::DatabaseName;
use crate::notify::incident::{Family, Sign};
use crate::notify::message::Occasion;
use crate::remembered::Past;

/// A message that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) occasion: Occasion,
    pub(crate) database: DatabaseName,
    pub(crate) family: Family,
    /// What holds, or what held last if nothing does any more.
    pub(crate) lead: Sign,
    pub(crate) is_firing: bool,
    /// Whether it does not hold any more since the database is not looked after, which says nothing of the database.
    pub(crate) is_departed: bool,
    /// When the first of it was noticed.
    pub(crate) since: DateTime<Utc>,
    /// Runs that failed meanwhile; 0 if it is about something else.
    pub(crate) occurrences: u64,
    /// Of the last run that failed.
    pub(crate) class: Option<&'static str>,
    pub(crate) what_to_do: Option<&'static str>,
    /// The most urgent that was told until now, and all causes; `None`: that it is over.
    pub(crate) told: Option<(Severity, Vec<AlarmCode>)>,
    /// What was told before a restart, if it is only for the channels in which that has not arrived.
    pub(crate) again: Option<Past>,
}

/// A run that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FailedRun {
    pub(crate) ended_at: DateTime<Utc>,
    /// The alarm that it is a first sign of; `None`: it raises one itself.
    pub(crate) sign: Option<AlarmCode>,
    pub(crate) class: Option<&'static str>,
    pub(crate) reason: String,
    pub(crate) what_to_do: Option<&'static str>,
}
