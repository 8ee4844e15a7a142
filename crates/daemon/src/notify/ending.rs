//! What a service says of the end of a run, for messages and pings.

use chrono::{DateTime, Utc};

use super::message::Safe;
use super::when::FailedRun;
use crate::alarm_code::AlarmCode;
use crate::state::DatabaseState;

/// How a run ended, as far as people are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// When.
    pub ended_at: DateTime<Utc>,
    /// How.
    pub outcome: RunOutcome,
    /// The backup that it made or drilled.
    pub backup_id: Option<String>,
    /// Figures of a success or the reason of a failure.
    pub summary: String,
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunOutcome {
    /// What it is for.
    Succeeded,
    /// Nothing.
    Failed {
        /// The alarm that it raises, or that it is a first sign of.
        code: AlarmCode,
        /// Whether the state raises that alarm already because of this failure alone.
        raises_alarm: bool,
        /// The exit code of a single run that ends so.
        exit_code: u8,
        /// The class of the failure.
        class: Option<&'static str>,
        /// What to do about it, if more is known than by its alarm.
        what_to_do: Option<&'static str>,
    },
    /// It was stopped or skipped, which is nothing to tell.
    Untold,
}

impl Ending {
    pub(super) fn failed_run(&self) -> Option<FailedRun> {
        let RunOutcome::Failed { code, raises_alarm, class, what_to_do, .. } = self.outcome else { return None };
        let (ended_at, reason) = (self.ended_at, self.summary.clone());
        Some(FailedRun { ended_at, sign: (!raises_alarm).then_some(code), class, reason, what_to_do })
    }
}

/// What a service knows for messages: `D` is its own state of a database, `R` the report of a run.
pub struct Teller<D, R> {
    /// What is still safe.
    pub safe: fn(&DatabaseState<D>) -> Safe,
    /// How a run ended.
    pub ending: fn(&R) -> Ending,
}

impl<D, R> Clone for Teller<D, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<D, R> Copy for Teller<D, R> {}
