//! What happens, for everything that tells people: one bounded channel out of the loop.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender, channel};

use crate::alarm::{Alarm, AlarmChange, Severity};
use crate::database_name::DatabaseName;
use crate::remembered::Remembered;

/// Events that wait for a slow subscriber. It loses the oldest beyond them, and no run waits for it.
const MAX_WAITING: usize = 4_096;

/// Something that happened. `R` is the report of a run.
#[derive(Debug)]
pub enum Event<R> {
    /// A run has begun.
    RunStarted {
        /// Whose.
        database: DatabaseName,
        /// When.
        at: DateTime<Utc>,
    },
    /// A run has ended.
    RunEnded {
        /// Whose.
        database: DatabaseName,
        /// How.
        report: Arc<R>,
    },
    /// What the journal tells from before the start.
    Remembered {
        /// Of which database.
        database: DatabaseName,
        /// All of it.
        remembered: Arc<Remembered>,
    },
    /// Another process has made what the runs of this one had failed to make.
    Recovered {
        /// Of which database.
        database: DatabaseName,
    },
    /// A database is not looked after any more.
    Departed {
        /// Which.
        database: DatabaseName,
    },
    /// Something is wrong that was not before, or not as urgent; or, after a start, still.
    AlarmRaised(Alarm),
    /// Something is in order again.
    AlarmResolved {
        /// As it was seen last.
        alarm: Alarm,
        /// When that was noticed.
        at: DateTime<Utc>,
    },
}

impl<R> Clone for Event<R> {
    fn clone(&self) -> Self {
        match self {
            Self::RunStarted { database, at } => Self::RunStarted { database: database.clone(), at: *at },
            Self::RunEnded { database, report } => {
                Self::RunEnded { database: database.clone(), report: Arc::clone(report) }
            }
            Self::Remembered { database, remembered } => {
                Self::Remembered { database: database.clone(), remembered: Arc::clone(remembered) }
            }
            Self::Recovered { database } => Self::Recovered { database: database.clone() },
            Self::Departed { database } => Self::Departed { database: database.clone() },
            Self::AlarmRaised(alarm) => Self::AlarmRaised(alarm.clone()),
            Self::AlarmResolved { alarm, at } => Self::AlarmResolved { alarm: alarm.clone(), at: *at },
        }
    }
}

impl<R> Event<R> {
    pub(crate) fn of(change: AlarmChange, at: DateTime<Utc>) -> Self {
        match change {
            AlarmChange::Raised(alarm) | AlarmChange::Resumed(alarm) => Self::AlarmRaised(alarm),
            AlarmChange::Resolved(alarm) => Self::AlarmResolved { alarm, at },
            AlarmChange::Departed(database) => Self::Departed { database },
        }
    }
}

/// The sending end.
#[derive(Debug)]
pub struct Events<R>(Sender<Event<R>>);

/// One receiving end. Each sees every event.
#[derive(Debug)]
pub struct Subscription<R> {
    name: &'static str,
    receiver: Receiver<Event<R>>,
    lost: u64,
}

impl<R> Default for Events<R> {
    fn default() -> Self {
        Self(channel(MAX_WAITING).0)
    }
}

impl<R> Events<R> {
    /// Tells all subscribers. Never waits.
    pub fn send(&self, event: Event<R>) {
        if self.0.send(event).is_err() {
            tracing::trace!("an event has no subscriber");
        }
    }

    /// From now on, under a `name` for the log.
    pub fn subscribe(&self, name: &'static str) -> Subscription<R> {
        Subscription { name, receiver: self.0.subscribe(), lost: 0 }
    }
}

impl<R> Subscription<R> {
    /// The next event; `None` once the loop has ended. The first loss is logged, and all of them are counted.
    pub async fn next(&mut self) -> Option<Event<R>> {
        loop {
            match self.receiver.recv().await {
                Ok(event) => return Some(event),
                Err(RecvError::Closed) => return None,
                Err(RecvError::Lagged(events)) => {
                    if self.lost == 0 {
                        tracing::warn!(subscriber = self.name, events, "a subscriber is too slow and has lost events");
                    }
                    self.lost += events;
                }
            }
        }
    }

    /// How many events were lost.
    pub fn lost(&self) -> u64 {
        self.lost
    }
}

/// Writes alarms into the log as they come and go.
pub(crate) async fn log_alarms<R>(mut events: Subscription<R>) {
    while let Some(event) = events.next().await {
        match event {
            Event::RunStarted { .. } | Event::RunEnded { .. } | Event::Remembered { .. } | Event::Departed { .. } => {}
            Event::Recovered { database } => {
                let database = database.name();
                tracing::info!(database, "another process has made a backup: runs no longer count as failing");
            }
            Event::AlarmRaised(alarm) => {
                let (code, since) = (<&str>::from(alarm.code), alarm.since.to_rfc3339());
                let database = alarm.database.name();
                match alarm.severity {
                    // A first deployment is nothing to be warned of.
                    _ if alarm.is_waiting() => {
                        tracing::info!(code, database, since, reason = alarm.message, "waiting for the first result");
                    }
                    Severity::Warning => tracing::warn!(code, database, since, reason = alarm.message, "alarm raised"),
                    Severity::Critical => {
                        tracing::error!(code, database, since, reason = alarm.message, "alarm raised")
                    }
                }
            }
            Event::AlarmResolved { alarm, at } => {
                let lasted_seconds = (at - alarm.since).num_seconds();
                let (code, database) = (<&str>::from(alarm.code), alarm.database.name());
                tracing::info!(code, database, lasted_seconds, "alarm resolved");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::alarm_code::AlarmCode::{ClockSkew, NeverPassed, NoBackup};

    fn started(seconds: i64) -> Event<()> {
        let at = DateTime::from_timestamp(seconds, 0).unwrap();
        Event::RunStarted { database: DatabaseName::from("app"), at }
    }

    async fn seconds(subscription: &mut Subscription<()>) -> Option<i64> {
        match subscription.next().await? {
            Event::RunStarted { at, .. } => Some(at.timestamp()),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_slow_subscriber_delays_nothing_and_loses_the_oldest() {
        let events = Events::default();
        events.send(started(-1)); // There is no subscriber yet.
        let (mut slow, mut quick) = (events.subscribe("slow"), events.subscribe("quick"));
        let sent = i64::try_from(MAX_WAITING).unwrap() + 44;
        for second in 0..sent {
            events.send(started(second));
            assert_eq!(seconds(&mut quick).await, Some(second));
        }
        assert_eq!((seconds(&mut slow).await, slow.lost(), quick.lost()), (Some(44), 44, 0));
        drop(events);
        let mut last = None;
        while let Some(second) = seconds(&mut slow).await {
            last = Some(second);
        }
        assert_eq!(last, Some(sent - 1), "what was sent before the end is still received");
    }

    /// A first deployment warns of nothing: it waits.
    #[tokio::test]
    async fn what_only_waits_for_its_first_result_is_no_warning_in_the_log() {
        let written = Arc::new(std::sync::Mutex::new(Vec::new()));
        let writer = Arc::clone(&written);
        let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(move || Writer(Arc::clone(&writer)));
        let _log = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines));
        let alarm = |code, severity| Alarm {
            code,
            database: DatabaseName::from("app"),
            severity,
            since: Utc::now(),
            noticed_at: Utc::now(),
            message: "why".to_owned(),
            subjects: Vec::new(),
        };
        for (code, severity, expected) in [
            (NoBackup, Severity::Warning, "INFO"),
            (NeverPassed, Severity::Warning, "INFO"),
            (NoBackup, Severity::Critical, "ERROR"),
            (ClockSkew, Severity::Warning, "WARN"),
        ] {
            let events = Events::<()>::default();
            let log = events.subscribe("log");
            events.send(Event::AlarmRaised(alarm(code, severity)));
            drop(events);
            log_alarms(log).await;
            let line = String::from_utf8(std::mem::take(&mut *written.lock().unwrap())).unwrap();
            assert_eq!(line.split_whitespace().nth(1), Some(expected), "{line}");
        }
    }

    struct Writer(Arc<std::sync::Mutex<Vec<u8>>>);

    impl std::io::Write for Writer {
        fn write(&mut self, written: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend(written);
            Ok(written.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
}
