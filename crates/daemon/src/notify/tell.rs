//! From events to messages.

use std::time::Duration;

use backup_core::stop::Stop;
use chrono::{DateTime, TimeDelta, Utc};

use super::advice::{headline, what_to_do};
use super::message::{Level, Message, Occasion, Safe, Speaker, Status};
use super::queue::Outbox;
use super::when::{FailedRun, Incidents, Notice};
use crate::alarm::{AlarmCode, Severity};
use crate::database_name::DatabaseName;
use crate::events::{Event, Subscription};
use crate::state::{DatabaseState, State};

/// The clock may be set, so what is due is looked for at least this often.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

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
    fn failed_run(&self) -> Option<FailedRun> {
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

/// Sends what `events` give reason to, until they end.
pub(super) async fn tell<D: Clone, R>(
    (state, teller): (State<D>, Teller<D, R>),
    mut events: Subscription<R>,
    (speaker, outbox): (Speaker, Outbox),
    stop: Stop,
) -> Outbox {
    let mut incidents = Incidents::default();
    loop {
        let now = Utc::now();
        let send = |notice: Notice| outbox.send(message_of(&notice, &speaker, &state, teller, now));
        incidents.due(now).into_iter().for_each(send);
        let until_due = incidents.next_due().map(|at| (at - now).max(TimeDelta::zero()).to_std().unwrap_or_default());
        let event = tokio::select! {
            event = events.next() => event,
            () = tokio::time::sleep(until_due.unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT)) => continue,
        };
        let now = Utc::now();
        match event {
            None => break,
            Some(Event::RunStarted { .. }) => {}
            // What a stop interrupts looks wrong, and is none of anybody's business.
            Some(Event::AlarmRaised(_)) if stop.reason().is_some() => {}
            Some(Event::AlarmRaised(alarm)) => incidents.raised(&alarm, now),
            Some(Event::AlarmResolved { alarm, at }) => incidents.resolved(&alarm, at),
            Some(Event::RunEnded { database, report }) => {
                let ending = (teller.ending)(&report);
                match &ending.outcome {
                    RunOutcome::Succeeded => {
                        incidents.succeeded(&database, now);
                        outbox.send(success(&ending, &speaker, &database, safe(&state, teller, &database)));
                    }
                    RunOutcome::Failed { .. } => {
                        ending.failed_run().into_iter().for_each(|run| incidents.failed(&database, run, now));
                    }
                    RunOutcome::Untold => {}
                }
            }
        }
    }
    let now = Utc::now();
    incidents.settle(now);
    let last = incidents.due(now).into_iter().map(|notice| message_of(&notice, &speaker, &state, teller, now));
    last.for_each(|message| outbox.send(message));
    outbox
}

fn safe<D: Clone, R>(state: &State<D>, teller: Teller<D, R>, database: &DatabaseName) -> Safe {
    state.copy().get(database).map(teller.safe).unwrap_or_default()
}

fn message_of<D: Clone, R>(
    notice: &Notice,
    speaker: &Speaker,
    state: &State<D>,
    teller: Teller<D, R>,
    now: DateTime<Utc>,
) -> Message {
    let next_attempt_at = state.copy().get(&notice.database).and_then(|state| state.next_run_at);
    let message = incident(notice, speaker, now);
    Message { safe: safe(state, teller, &notice.database), next_attempt_at, ..message }
}

/// A message about `notice`, without what only the state knows.
fn incident(notice: &Notice, speaker: &Speaker, now: DateTime<Utc>) -> Message {
    let code = notice.lead.code;
    let message = Message::new(speaker, notice.occasion, notice.database.name(), now);
    let message = message.with_reason(&notice.lead.reason, speaker);
    let status = if notice.is_firing { Status::Firing } else { Status::Resolved };
    let advice = match status {
        Status::Resolved => "Nothing: it is in order again.",
        Status::Firing => match code {
            AlarmCode::Failing | AlarmCode::NoBackup | AlarmCode::Stale => {
                notice.what_to_do.unwrap_or_else(|| what_to_do(code))
            }
            code => what_to_do(code),
        },
    };
    Message {
        event: code.into(),
        severity: match notice.lead.severity {
            Severity::Warning => Level::Warning,
            Severity::Critical => Level::Critical,
        },
        status,
        since: notice.since,
        occurrences: notice.occurrences,
        class: notice.class,
        what_to_do: advice,
        headline: headline(code),
        key: format!("{}/{}", message.key, notice.family.word()),
        ..message
    }
}

/// A message about a run that succeeded.
pub(super) fn success(ending: &Ending, speaker: &Speaker, database: &DatabaseName, safe: Safe) -> Message {
    let message = Message::new(speaker, Occasion::Success, database.name(), ending.ended_at);
    let message = message.with_reason(&ending.summary, speaker);
    Message {
        event: "succeeded",
        backup_id: ending.backup_id.clone(),
        safe,
        headline: "a run has succeeded",
        key: format!("{}/main", message.key),
        ..message
    }
}

/// A message about the only run of a process that failed.
pub(super) fn single_failure(
    ending: &Ending,
    speaker: &Speaker,
    database: &DatabaseName,
    safe: Safe,
) -> Option<Message> {
    let RunOutcome::Failed { code, class, what_to_do: advice, .. } = ending.outcome else { return None };
    let message = Message::new(speaker, Occasion::Onset, database.name(), ending.ended_at);
    let message = message.with_reason(&ending.summary, speaker);
    Some(Message {
        event: code.into(),
        // There is no daemon that could find that it gets worse.
        severity: Level::Critical,
        status: Status::Firing,
        class,
        backup_id: ending.backup_id.clone(),
        safe,
        what_to_do: advice.unwrap_or_else(|| what_to_do(code)),
        headline: headline(code),
        key: format!("{}/main", message.key),
        ..message
    })
}

/// The message of an operator who tries the channels.
pub(super) fn test(speaker: &Speaker, database: &DatabaseName, now: DateTime<Utc>) -> Message {
    let message = Message::new(speaker, Occasion::Test, database.name(), now);
    let message = message.with_reason("this is a test of the channels; nothing is wrong", speaker);
    Message { headline: "messages arrive", ..message }
}
