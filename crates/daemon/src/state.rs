//! What a daemon knows, keyed by database: written by its loop, read by its pages.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio::sync::Notify;

use crate::alarm::{Alarm, AlarmChange, Condition, NoticedAlarms};
use crate::database_name::DatabaseName;
use crate::heartbeat::Heartbeat;
use crate::listing::Listing;
use crate::progress::{Position, Progress};
use crate::undelivered::Undelivered;

/// What the loop of a database is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Activity {
    /// Before its first look at the bucket.
    #[default]
    Starting,
    /// For the next tick.
    Waiting,
    /// A run.
    Running,
    /// A stop was asked for.
    Stopping,
}

/// What a daemon knows of one database: what every service knows, and `own`.
#[derive(Debug, Clone)]
pub struct DatabaseState<D> {
    /// As people read it.
    pub schedule: String,
    /// The longest time between two of its ticks; 0 until the loop has computed it.
    pub interval_seconds: u64,
    /// What its loop is doing.
    pub activity: Activity,
    /// When the loop began.
    pub started_at: DateTime<Utc>,
    /// When the next run begins.
    pub next_run_at: Option<DateTime<Utc>>,
    /// When the last run of this process began.
    pub run_started_at: Option<DateTime<Utc>>,
    /// When its loop last showed that it lives.
    pub heartbeat: Heartbeat,
    /// What the bucket held when it was last listed.
    pub listing: Option<Listing>,
    /// Ticks that passed while a run went on.
    pub skipped_overlapping_runs: u64,
    /// How old the newest result may be: the newest full backup, or the last passed drill.
    pub max_age_seconds: u64,
    /// How far a run is.
    pub progress: Progress,
    /// Since when what is wrong is wrong.
    pub noticed: NoticedAlarms,
    /// What could not be delivered.
    pub undelivered: Undelivered,
    /// What only this service knows.
    pub own: D,
}

impl<D> DatabaseState<D> {
    /// Of a loop that begins at `now`.
    pub fn new(schedule: String, max_age: std::time::Duration, now: DateTime<Utc>, own: D) -> Self {
        Self {
            schedule,
            interval_seconds: 0,
            activity: Activity::Starting,
            started_at: now,
            next_run_at: None,
            run_started_at: None,
            heartbeat: Heartbeat::now(),
            listing: None,
            skipped_overlapping_runs: 0,
            max_age_seconds: max_age.as_secs(),
            progress: Progress::default(),
            noticed: NoticedAlarms::default(),
            undelivered: Undelivered::default(),
            own,
        }
    }

    /// What metrics call the database: `name`, or what a listing has told; empty as long as neither is known.
    pub fn label<'state>(&'state self, name: &'state DatabaseName) -> &'state str {
        name.name().or_else(|| self.listing.as_ref().map(|listing| listing.database.as_str())).unwrap_or_default()
    }
}

/// What `/status` of every service shows of a database.
#[derive(Debug, Clone, Serialize)]
pub struct StatusHead {
    version: &'static str,
    database: DatabaseName,
    schedule: String,
    state: Activity,
    started_at: DateTime<Utc>,
    max_age_seconds: u64,
    alarms: Vec<Alarm>,
    progress: Option<Position>,
}

impl<D> DatabaseState<D> {
    /// What is shown of it at `now`.
    pub fn head(&self, name: &DatabaseName, judge: Judge<D>, now: DateTime<Utc>) -> StatusHead {
        StatusHead {
            version: env!("CARGO_PKG_VERSION"),
            database: name.clone(),
            schedule: self.schedule.clone(),
            state: self.activity,
            started_at: self.started_at,
            max_age_seconds: self.max_age_seconds,
            alarms: self.alarms(name, judge, now),
            progress: (self.activity == Activity::Running).then(|| self.progress.position()),
        }
    }

    /// Everything that is wrong with it at `now`: what `judge` finds, and what could not be delivered.
    pub(crate) fn alarms(&self, name: &DatabaseName, judge: Judge<D>, now: DateTime<Utc>) -> Vec<Alarm> {
        let mut conditions = judge(self, now);
        conditions.extend(self.undelivered.condition());
        self.noticed.alarms(name, conditions, now)
    }
}

/// What is wrong with a database, decided from its state and the time alone.
pub type Judge<D> = fn(&DatabaseState<D>, DateTime<Utc>) -> Vec<Condition>;

/// The state of every database. Clones share it.
#[derive(Debug)]
pub struct State<D> {
    databases: Arc<Mutex<BTreeMap<DatabaseName, DatabaseState<D>>>>,
    changed: Arc<Notify>,
}

impl<D> Clone for State<D> {
    fn clone(&self) -> Self {
        Self { databases: Arc::clone(&self.databases), changed: Arc::clone(&self.changed) }
    }
}

impl<D: Clone> State<D> {
    /// The state of these databases; there will be no others.
    pub fn new(databases: impl IntoIterator<Item = (DatabaseName, DatabaseState<D>)>) -> Self {
        Self { databases: Arc::new(Mutex::new(databases.into_iter().collect())), changed: Arc::default() }
    }

    /// A consistent copy.
    pub fn copy(&self) -> BTreeMap<DatabaseName, DatabaseState<D>> {
        self.lock().clone()
    }

    /// How far a run of one database is.
    pub fn progress(&self, database: &DatabaseName) -> Progress {
        self.lock().get(database).map(|state| state.progress.clone()).unwrap_or_default()
    }

    /// Changes several facts of one database at once.
    pub fn change(&self, database: &DatabaseName, change: impl FnOnce(&mut DatabaseState<D>)) {
        if let Some(state) = self.lock().get_mut(database) {
            change(state);
        }
        self.changed.notify_one();
    }

    /// Whether every loop has shown recently that it lives.
    pub(crate) fn is_alive(&self) -> bool {
        self.lock().values().all(|state| state.heartbeat.is_alive())
    }

    /// Waits until something was changed since the last call, of which there is one at a time.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Everything that is wrong at `now`.
    pub fn alarms(&self, judge: Judge<D>, now: DateTime<Utc>) -> Vec<Alarm> {
        let databases = self.lock();
        databases.iter().flat_map(|(name, state)| state.alarms(name, judge, now)).collect()
    }

    /// Notices everything that is wrong at `now`, and returns what is different from before. What is wrong with a
    /// database that was not looked at yet is not worth telling.
    pub(crate) fn notice(&self, judge: Judge<D>, now: DateTime<Utc>) -> Vec<AlarmChange> {
        let mut databases = self.lock();
        let looked_at = databases
            .iter_mut()
            .filter(|(_, state)| state.activity != Activity::Starting || now - state.started_at > START_PATIENCE);
        let changes = looked_at.flat_map(|(name, state)| {
            let alarms = state.alarms(name, judge, now);
            state.noticed.notice(alarms)
        });
        changes.collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<DatabaseName, DatabaseState<D>>> {
        // These are plain values, so a panic elsewhere cannot have left them half changed.
        self.databases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a start may look for the bucket before that is worth telling.
const START_PATIENCE: chrono::TimeDelta = chrono::TimeDelta::minutes(1);

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::alarm::{AlarmCode, Severity};

    /// Wrong while its own state says so.
    fn judge(state: &DatabaseState<bool>, _: DateTime<Utc>) -> Vec<Condition> {
        let condition = Condition { code: AlarmCode::Stale, severity: Severity::Critical, message: "why".to_owned() };
        Vec::from_iter(state.own.then_some(condition))
    }

    #[test]
    fn each_database_has_alarms_of_its_own_and_keeps_their_time() {
        let start: DateTime<Utc> = "2026-11-29T03:00:00Z".parse().unwrap();
        let later = |seconds| start + TimeDelta::seconds(seconds);
        let database = || DatabaseState::new("daily".to_owned(), std::time::Duration::ZERO, start, true);
        let (app, crm) = (DatabaseName::from("app"), DatabaseName::from("crm"));
        let state = State::new([(app.clone(), database()), (crm.clone(), database())]);
        assert_eq!(state.alarms(judge, start).len(), 2);
        assert_eq!(state.notice(judge, later(60)), [], "a start has its time");
        state.change(&app, |state| state.activity = Activity::Waiting);
        let changes = state.notice(judge, later(5));
        assert!(matches!(&changes[..], [AlarmChange::Raised(alarm)] if alarm.database == app), "{changes:?}");
        assert_eq!(state.notice(judge, later(61)).len(), 1, "the other one is looked at now");
        let since = |alarms: Vec<Alarm>| alarms.into_iter().map(|alarm| alarm.since).collect::<Vec<_>>();
        assert_eq!(since(state.alarms(judge, later(100))), [later(5), later(61)]);
        state.change(&crm, |state| state.own = false);
        assert!(
            matches!(&state.notice(judge, later(101))[..], [AlarmChange::Resolved(alarm)] if alarm.database == crm)
        );
        assert_eq!(since(state.alarms(judge, later(102))), [later(5)]);
    }
}
