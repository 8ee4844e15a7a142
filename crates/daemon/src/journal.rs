//! What a service writes down in the names of empty objects, so that a restart forgets nothing: how its runs ended, its
//! alarms, and what it has told of them.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use backup_core::repository::{self, Author, BackupId, EventKind, Kept, RecordKey, Repository, Word};
use backup_core::storage::StoreError;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Notify;

use crate::alarm::AlarmChange;
use crate::alarm_code::AlarmCode;
use crate::database_name::DatabaseName;
use crate::events::{Event, Events};
use crate::remembered::Remembered;
use crate::state::State;

/// Lines that wait to be written while the bucket does not answer. The oldest beyond them are lost.
const MAX_WAITING: usize = 4_096;

/// Bound of one attempt to write a line.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// The pause after an attempt that failed, growing from the first to the second.
const PAUSES: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));

/// A line that is dated further ahead than this is left alone, and so is what follows: else nothing would be known of it
/// until then.
const MAX_AHEAD: TimeDelta = TimeDelta::days(1);

/// What is written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// Something that happened.
    Happened(EventKind),
    /// Something that is to be known after a restart.
    Kept(Kept),
}

/// Writes a line into the repository of a database.
pub type PutLine =
    Arc<dyn Fn(DatabaseName, BackupId, Line) -> Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>> + Send + Sync>;

/// The lines of a service that wait to be written. Clones share them. No run waits for it.
#[derive(Clone)]
pub struct Journal {
    author: Author,
    queue: Option<Arc<Queue>>,
}

struct Queue {
    /// How the last line of each subject is dated.
    dated: Mutex<BTreeMap<(DatabaseName, String), DateTime<Utc>>>,
    lines: Mutex<VecDeque<(DatabaseName, BackupId, Line)>>,
    has_lines: Notify,
    has_written: Notify,
    put: PutLine,
}

impl Journal {
    /// A journal of `author` whose lines are written by `put`.
    pub fn written(author: Author, put: PutLine) -> Self {
        let (lines, dated, has_lines, has_written) = Default::default();
        Self { author, queue: Some(Arc::new(Queue { lines, dated, has_lines, has_written, put })) }
    }

    /// A journal of which nothing is kept.
    pub fn unwritten(author: Author) -> Self {
        Self { author, queue: None }
    }

    /// Notes something that happened at `at`.
    pub fn happened(&self, database: &DatabaseName, kind: EventKind, at: DateTime<Utc>) {
        self.add(database, Line::Happened(kind), at);
    }

    /// Notes what became of an alarm.
    pub(crate) fn alarm(&self, change: &AlarmChange, at: DateTime<Utc>) {
        let by = self.author;
        let (alarm, kept, not_before) = match change {
            AlarmChange::Resumed(_) | AlarmChange::Departed(_) => return,
            AlarmChange::Raised(alarm) => {
                let (code, severity) = (Word::of(alarm.code.into()), Word::of(alarm.severity.name()));
                (alarm, Kept::AlarmRaised { by, code, severity }, None)
            }
            AlarmChange::Resolved(alarm) => {
                (alarm, Kept::AlarmResolved { by, code: Word::of(alarm.code.into()) }, Some(alarm.noticed_at))
            }
        };
        let at = self.later(&alarm.database, alarm.code.into(), not_before, at);
        self.add(&alarm.database, Line::Kept(kept), at);
    }

    /// What is to be known after a restart once it has come true. It has its place in the order of the journal at once.
    pub(crate) fn note(&self, database: &DatabaseName, kept: Kept, at: DateTime<Utc>) -> Note {
        let at = match &kept {
            Kept::Told { family, since, .. } => self.later(database, &format!("told-{family}"), Some(*since), at),
            Kept::AlarmRaised { .. } | Kept::AlarmResolved { .. } => at,
        };
        self.note_of(database, kept, at)
    }

    /// The same of what a message from before a restart has told at `at`.
    pub(crate) fn note_of(&self, database: &DatabaseName, kept: Kept, at: DateTime<Utc>) -> Note {
        Note { journal: self.clone(), database: database.clone(), kept, at }
    }

    /// `at`, or if a clock that was ahead has dated the line before of `subject` later than that, the second after that
    /// one: what came last shall be read last.
    fn later(
        &self,
        database: &DatabaseName,
        subject: &str,
        not_before: Option<DateTime<Utc>>,
        at: DateTime<Utc>,
    ) -> DateTime<Utc> {
        let Some(queue) = &self.queue else { return at };
        let mut dated = queue.dated.lock().unwrap_or_else(PoisonError::into_inner);
        let before = dated.entry((database.clone(), subject.to_owned())).or_insert(DateTime::<Utc>::MIN_UTC);
        let last = (*before).max(not_before.unwrap_or(*before));
        let is_ahead = last.timestamp() >= at.timestamp() && last - at < MAX_AHEAD;
        *before = if is_ahead { last + TimeDelta::seconds(1) } else { at };
        *before
    }

    /// Whose journal it is.
    pub(crate) fn author(&self) -> Author {
        self.author
    }

    fn add(&self, database: &DatabaseName, line: Line, at: DateTime<Utc>) {
        let Some(queue) = &self.queue else { return };
        let mut lines = queue.lock();
        if lines.len() == MAX_WAITING {
            lines.pop_front();
        }
        lines.push_back((database.clone(), BackupId::new(at), line));
        queue.has_lines.notify_one();
    }

    /// Writes what is noted for as long as it is polled, what belongs to one database in order. A database of which nothing
    /// can be written holds up no other one.
    pub(crate) async fn write(self) {
        let Some(queue) = self.queue else { return };
        let mut pause = PAUSES.0;
        loop {
            let Some((database, id, line)) = queue.first() else {
                queue.has_lines.notified().await;
                continue;
            };
            match tokio::time::timeout(WRITE_TIMEOUT, (queue.put)(database.clone(), id.clone(), line)).await {
                Ok(Ok(())) => {
                    queue.lock().pop_front_if(|(_, first, _)| *first == id);
                    queue.has_written.notify_one();
                    pause = PAUSES.0;
                }
                failed => {
                    let error = match failed {
                        Ok(Err(error)) => format!("{error:#}"),
                        _ => "the store does not answer".to_owned(),
                    };
                    tracing::debug!(error, "cannot write a line of the journal, trying again");
                    queue.put_behind(&database);
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSES.1);
                }
            }
        }
    }

    /// Waits until all is written, at most for `bound`.
    pub(crate) async fn finish(&self, bound: Duration) {
        let Some(queue) = &self.queue else { return };
        let written = async {
            while queue.first().is_some() {
                queue.has_written.notified().await;
            }
        };
        if tokio::time::timeout(bound, written).await.is_err() {
            tracing::debug!("the last lines of the journal are not written");
        }
    }
}

/// A line that is not in the journal yet.
#[derive(Clone)]
pub(crate) struct Note {
    journal: Journal,
    database: DatabaseName,
    kept: Kept,
    at: DateTime<Utc>,
}

impl Note {
    /// Writes it down.
    pub(crate) fn keep(self) {
        self.journal.add(&self.database, Line::Kept(self.kept), self.at);
    }

    /// Writes down that the message has arrived in `channel`.
    pub(crate) fn keep_of(mut self, channel: Word) {
        if let Kept::Told { to, .. } = &mut self.kept {
            *to = Some(channel);
        }
        self.keep();
    }
}

impl Queue {
    fn first(&self) -> Option<(DatabaseName, BackupId, Line)> {
        self.lock().front().cloned()
    }

    /// Puts the lines of a database behind those of all others.
    fn put_behind(&self, database: &DatabaseName) {
        let mut lines = self.lock();
        let (own, others): (VecDeque<_>, VecDeque<_>) = lines.drain(..).partition(|(of, _, _)| of == database);
        lines.extend(others.into_iter().chain(own));
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(DatabaseName, BackupId, Line)>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stores a line in `repository`, for the holder of `key`. One that is there already is one.
///
/// # Errors
/// If the store refuses or cannot be reached.
pub async fn put_line(repository: &Repository, key: &RecordKey, id: BackupId, line: Line) -> anyhow::Result<()> {
    let event = match line {
        Line::Happened(kind) => repository::Event { id, kind },
        Line::Kept(kept) => repository.layout().keep(id, kept, key),
    };
    match repository.record(&event).await {
        // The answer to an earlier attempt was lost.
        Ok(()) | Err(StoreError::AlreadyExists(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Takes over what was known of `database` before a restart. To be called before its alarms are looked for.
pub fn restore<D: Clone, R>(state: &State<D>, events: &Events<R>, database: &DatabaseName, remembered: Remembered) {
    state.change(database, |state| state.noticed.remember(&remembered.alarms));
    if remembered.had_alarm(|code| code == AlarmCode::Undelivered) {
        // Where the message about it has arrived, messages arrive.
        let told = remembered.told.get(<&str>::from(AlarmCode::Undelivered));
        state.doubt_deliveries(|channel| told.is_none_or(|past| past.is_missing_in(channel)));
    }
    events.send(Event::Remembered { database: database.clone(), remembered: Arc::new(remembered) });
}

#[cfg(test)]
mod tests;
