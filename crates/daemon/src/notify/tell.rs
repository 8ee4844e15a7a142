//! From events to messages.

use std::time::Duration;

use backup_core::repository::{Author, Kept, Word};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use super::ending::{Ending, RunOutcome, Teller};
use super::incident::Family;
use super::message::{Level, Message, Occasion, Safe, Speaker, Status};
use super::queue::Outbox;
use super::summary::{Runs, Summary};
use super::when::{Incidents, Notice};
use crate::alarm::{Alarm, Severity};
use crate::alarm_code::AlarmCode;
use crate::database_name::DatabaseName;
use crate::events::{Event, Subscription};
use crate::journal::Journal;
use crate::remembered::Past;
use crate::state::{DatabaseState, State};

/// The clock may be set, so what is due is looked for at least this often.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The reason of the last message about a database that is not looked after any more.
const DEPARTED: &str = "the database is not looked after any more, so that nothing is known of it";

/// Sends what `events` give reason to, until they end.
pub(super) async fn tell<D: Clone, R>(
    (state, teller): (State<D>, Teller<D, R>),
    mut events: Subscription<R>,
    (speaker, outbox, journal): (Speaker, Outbox, Journal),
    mut summary: Option<Summary>,
) -> Outbox {
    let mut incidents = Incidents::default();
    let send = |notice: &Notice, now| {
        let message = message_of(notice, &speaker, &state, teller, now);
        match &notice.again {
            None => outbox.send(message, Some(journal.note(&notice.database, kept(notice, journal.author()), now))),
            Some(past) => {
                let note = kept_before(past, notice.family, journal.author());
                let note = note.map(|(at, kept)| journal.note_of(&notice.database, kept, at));
                outbox.send_to(message, note, |channel| past.is_missing_in(channel))
            }
        }
    };
    let said_now = |database: &DatabaseName, code| {
        state.see(database, |state| state.noticed.message(code).map(str::to_owned)).flatten()
    };
    loop {
        let now = Utc::now();
        incidents.refresh(said_now, now);
        for notice in incidents.due(now) {
            if !send(&notice, now) {
                incidents.take_back(&notice, now);
            }
        }
        for message in summaries(&mut summary, (&state, teller), &speaker, now) {
            outbox.send(message, None);
        }
        let next_due = [incidents.next_due(), summary.as_ref().and_then(Summary::next_due)].into_iter().flatten().min();
        let until_due = next_due.map(|at| (at - now).max(TimeDelta::zero()).to_std().unwrap_or_default());
        let event = tokio::select! {
            event = events.next() => event,
            () = tokio::time::sleep(until_due.unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT)) => continue,
        };
        let now = Utc::now();
        match event {
            None => break,
            Some(Event::RunStarted { .. }) => {}
            Some(Event::Remembered { database, remembered }) => incidents.restore(&database, &remembered, now),
            Some(Event::AlarmRaised(alarm)) => incidents.raised(&alarm, now),
            Some(Event::AlarmResolved { alarm, at }) => incidents.resolved(&alarm, at),
            Some(Event::Departed { database }) => incidents.departed(&database, now),
            Some(Event::Recovered { database }) => incidents.succeeded(&database, now),
            Some(Event::RunEnded { database, report }) => {
                let ending = (teller.ending)(&report);
                match &ending.outcome {
                    RunOutcome::Succeeded => {
                        incidents.succeeded(&database, now);
                        summary.iter_mut().for_each(|summary| summary.succeeded(&database));
                        let message = success(&ending, &speaker, &database, safe(&state, teller, &database));
                        outbox.send(on_its_page(message, &database, &state), None);
                    }
                    RunOutcome::Failed { .. } => {
                        summary.iter_mut().for_each(|summary| summary.failed(&database));
                        ending.failed_run().into_iter().for_each(|run| incidents.failed(&database, run, now));
                    }
                    RunOutcome::Untold => {}
                }
            }
        }
    }
    let now = Utc::now();
    incidents.refresh(said_now, now);
    incidents.settle(now);
    for notice in incidents.due(now) {
        send(&notice, now);
    }
    outbox
}

/// What a restart has to know of `notice`.
pub(super) fn kept(notice: &Notice, by: Author) -> Kept {
    let mut codes = vec![notice.lead.code];
    for code in notice.told.iter().flat_map(|(_, codes)| codes) {
        if !codes.contains(code) {
            codes.push(*code);
        }
    }
    Kept::Told {
        by,
        family: Word::of(notice.family.word()),
        occasion: Word::of(notice.occasion.word()),
        severity: notice.told.as_ref().map(|(severity, _)| Word::of(severity.name())),
        since: notice.since,
        codes: codes.into_iter().map(|code| Word::of(code.into())).collect(),
        to: None,
    }
}

/// What was kept of the last message of the `past`, and when it was sent.
pub(super) fn kept_before(past: &Past, family: Family, by: Author) -> Option<(DateTime<Utc>, Kept)> {
    let (at, occasion) = past.messages.last()?;
    let kept = Kept::Told {
        by,
        family: Word::of(family.word()),
        occasion: Word::of(occasion),
        severity: past.severity.map(|severity| Word::of(severity.name())),
        since: past.since,
        codes: past.codes.iter().map(|code| Word::of((*code).into())).collect(),
        to: None,
    };
    Some((*at, kept))
}

fn safe<D: Clone, R>(state: &State<D>, teller: Teller<D, R>, database: &DatabaseName) -> Safe {
    state.see(database, teller.safe).unwrap_or_default()
}

/// `message` with the address of the page of `database`, if there are several.
fn on_its_page<D: Clone>(message: Message, database: &DatabaseName, state: &State<D>) -> Message {
    let names = state.names();
    let has_page = names.len() > 1 && names.iter().any(|(known, _)| known == database);
    match database.name().filter(|_| has_page) {
        Some(name) => message.linking_to(name),
        None => message,
    }
}

fn message_of<D: Clone, R>(
    notice: &Notice,
    speaker: &Speaker,
    state: &State<D>,
    teller: Teller<D, R>,
    now: DateTime<Utc>,
) -> Message {
    let next_attempt_at = state.see(&notice.database, |state| state.next_run_at).flatten();
    let subject = state.see(&notice.database, |state| state.noticed.newest_subject(notice.lead.code)).flatten();
    let message = on_its_page(incident(notice, speaker, now), &notice.database, state);
    let backup_id = subject.or(message.backup_id);
    Message { backup_id, safe: safe(state, teller, &notice.database), next_attempt_at, ..message }
}

/// A message about `notice`, without what only the state knows.
fn incident(notice: &Notice, speaker: &Speaker, now: DateTime<Utc>) -> Message {
    let code = notice.lead.code;
    let entry = code.entry();
    let message = Message::new(speaker, notice.occasion, notice.database.name(), now);
    let reason = if notice.is_departed { DEPARTED } else { &notice.lead.reason };
    let message = message.with_reason(reason, speaker);
    let status = if notice.is_firing { Status::Firing } else { Status::Resolved };
    let advice = match status {
        Status::Resolved if notice.is_departed => "Check that this database was removed on purpose.",
        Status::Resolved => "Nothing: it is in order again.",
        Status::Firing => match code {
            AlarmCode::Failing | AlarmCode::NoBackup | AlarmCode::Stale => {
                notice.what_to_do.unwrap_or(entry.what_to_do)
            }
            _ => entry.what_to_do,
        },
    };
    Message {
        event: code.into(),
        severity: level(notice.lead.severity),
        status,
        since: notice.since,
        occurrences: notice.occurrences,
        class: notice.class,
        // The newest, since ids begin with a time.
        backup_id: notice.lead.subjects.iter().max().cloned(),
        what_to_do: advice,
        runbook: entry.runbook,
        headline: entry.headline,
        key: format!("{}/{}", message.key, notice.family.word()),
        ..message
    }
}

/// The messages of life, one for each database, if they are due.
fn summaries<D: Clone, R>(
    summary: &mut Option<Summary>,
    (all, teller): (&State<D>, Teller<D, R>),
    speaker: &Speaker,
    now: DateTime<Utc>,
) -> Vec<Message> {
    let Some((since, runs)) = summary.as_mut().and_then(|summary| summary.due(now)) else { return Vec::new() };
    let of = |(database, state): (DatabaseName, DatabaseState<D>)| {
        let runs = runs.get(&database).copied().unwrap_or_default();
        let message = life(&database, (since, runs), state.noticed.iter(), speaker, now);
        let message = on_its_page(message, &database, all);
        Message { safe: (teller.safe)(&state), next_attempt_at: state.next_run_at, ..message }
    };
    all.copy().into_iter().map(of).collect()
}

/// The message of life of `database`, of which `alarms` hold, without what only the state knows.
fn life<'alarm>(
    database: &DatabaseName,
    (since, runs): (DateTime<Utc>, Runs),
    alarms: impl Iterator<Item = &'alarm Alarm>,
    speaker: &Speaker,
    now: DateTime<Utc>,
) -> Message {
    let mut alarms: Vec<&Alarm> = alarms.collect();
    alarms.sort_by_key(|alarm| std::cmp::Reverse(alarm.severity));
    let named = |alarm: &&Alarm| {
        let (code, since) = (<&str>::from(alarm.code), alarm.since.to_rfc3339_opts(SecondsFormat::Secs, true));
        let severity = match alarm.severity {
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        };
        format!("{code} ({severity}, since {since})")
    };
    let named: Vec<String> = alarms.iter().map(named).collect();
    let occasion = Occasion::Summary { succeeded: runs.succeeded, failed: runs.failed };
    let message = Message::new(speaker, occasion, database.name(), now);
    let message = match named.is_empty() {
        true => message.with_reason("none", speaker),
        false => message.with_reason(&named.join(", "), speaker),
    };
    let worst = alarms.first();
    let entry = worst.map(|alarm| alarm.code.entry());
    Message {
        event: "summary",
        severity: worst.map_or(Level::Info, |alarm| level(alarm.severity)),
        status: if worst.is_some() { Status::Firing } else { Status::Resolved },
        since,
        what_to_do: entry.map_or("Nothing.", |entry| entry.what_to_do),
        runbook: entry.map_or(message.runbook, |entry| entry.runbook),
        headline: entry.map_or("everything is in order", |entry| entry.headline),
        key: format!("{}/summary", message.key),
        ..message
    }
}

fn level(severity: Severity) -> Level {
    match severity {
        Severity::Warning => Level::Warning,
        Severity::Critical => Level::Critical,
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
        occurrences: 1,
        class,
        backup_id: ending.backup_id.clone(),
        safe,
        what_to_do: advice.unwrap_or(code.entry().what_to_do),
        runbook: code.entry().runbook,
        headline: code.entry().headline,
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

#[cfg(test)]
mod tests;
