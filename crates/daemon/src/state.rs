//! What a daemon knows, keyed by database: written by its loop, read by its pages.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use backup_core::progress::{Position, Progress};
use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio::sync::Notify;

use crate::alarm::{Alarm, AlarmChange, Condition, NoticedAlarms};
use crate::alarm_code::AlarmCode;
use crate::database_name::DatabaseName;
use crate::deliveries::Deliveries;
use crate::heartbeat::Heartbeat;
use crate::left_out::LeftOut;
use crate::listing::{Listing, Unlisted};
use crate::run_request::{Busy, Made, RunRequest};
use crate::watchdog::Pulse;

mod carried;

use carried::carry;

/// The version of every JSON document that is served. Fields are added without changing it.
pub(crate) const SCHEMA: u32 = 1;

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
    /// For nothing: this process makes no runs.
    Watching,
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
    /// A request for a run now.
    pub run_request: RunRequest,
    /// When the next run begins.
    pub next_run_at: Option<DateTime<Utc>>,
    /// When the next tick of the schedule comes, by what was known when the loop last waited.
    pub next_tick_at: Option<DateTime<Utc>>,
    /// Whether a run is due and waits, since others go on.
    pub awaits_turn: bool,
    /// When the last run of this process began.
    pub run_started_at: Option<DateTime<Utc>>,
    /// When its loop last showed that it lives.
    pub heartbeat: Heartbeat,
    /// Its beats, as the watchdog counts them.
    pub pulse: Pulse,
    /// What the bucket held when it was last listed.
    pub listing: Option<Listing>,
    /// Looks at the bucket that have failed since then.
    pub unlisted: Unlisted,
    /// Ticks that passed while a run went on.
    pub skipped_overlapping_runs: u64,
    /// How old the newest result may be: the newest full backup, or the last passed drill.
    pub max_age_seconds: u64,
    /// How far a run is.
    pub progress: Progress,
    /// Since when what is wrong is wrong.
    pub noticed: NoticedAlarms,
    /// What could not be delivered, which one of the databases carries for all of them.
    pub undelivered: Option<Deliveries>,
    /// Why other databases are not looked after.
    pub left_out: Option<LeftOut>,
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
            run_request: RunRequest::default(),
            next_run_at: None,
            next_tick_at: None,
            awaits_turn: false,
            run_started_at: None,
            heartbeat: Heartbeat::now(),
            pulse: Pulse::default(),
            listing: None,
            unlisted: Unlisted::default(),
            skipped_overlapping_runs: 0,
            max_age_seconds: max_age.as_secs(),
            progress: Progress::default(),
            noticed: NoticedAlarms::default(),
            undelivered: None,
            left_out: None,
            own,
        }
    }

    /// Enters what a listing showed.
    pub fn listed(&mut self, mut listing: Listing) {
        if let Some(known) = self.listing.take().filter(|_| listing.database.is_empty()) {
            listing.database = known.database; // Nothing is left that tells the name.
        }
        self.listing = Some(listing);
        self.unlisted = Unlisted::default();
    }

    /// What metrics call the database: `name`, or what a listing has told; empty as long as neither is known.
    pub fn label<'state>(&'state self, name: &'state DatabaseName) -> &'state str {
        name.name().or_else(|| self.listing.as_ref().map(|listing| listing.database.as_str())).unwrap_or_default()
    }
}

/// `/status` as JSON: of the only database, or a list of all of them.
pub fn status_json(databases: &[impl Serialize]) -> String {
    match databases {
        [only] => serde_json::to_string(only),
        all => serde_json::to_string(&serde_json::json!({ "schema": SCHEMA, "databases": all })),
    }
    .unwrap_or_default()
}

/// What `/status` of every service shows of a database.
#[derive(Debug, Clone, Serialize)]
pub struct StatusHead {
    schema: u32,
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
            schema: SCHEMA,
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

    /// What is wrong with it at `now`: what `judge` finds, what could not be delivered, and that others are left out.
    pub(crate) fn conditions(&self, judge: Judge<D>, now: DateTime<Utc>) -> Vec<Condition> {
        let mut conditions = judge(self, now);
        // What to do depends on what the store says.
        for condition in conditions.iter_mut().filter(|condition| condition.code == AlarmCode::BucketUnseen) {
            condition.message.extend(self.unlisted.reason().into_iter().flat_map(|reason| [": ", reason]));
        }
        conditions.extend(self.undelivered.as_ref().and_then(Deliveries::condition));
        let was_alarm = self.noticed.has(AlarmCode::LeftOut);
        conditions.extend(self.left_out.as_ref().and_then(|left_out| left_out.condition(was_alarm, now)));
        conditions
    }

    /// As [`DatabaseState::conditions`], with the time since when each holds.
    pub(crate) fn alarms(&self, name: &DatabaseName, judge: Judge<D>, now: DateTime<Utc>) -> Vec<Alarm> {
        self.noticed.alarms(name, self.conditions(judge, now), now)
    }
}

/// What is wrong with a database, decided from its state and the time alone.
pub type Judge<D> = fn(&DatabaseState<D>, DateTime<Utc>) -> Vec<Condition>;

/// The state of every database. Clones share it.
#[derive(Debug)]
pub struct State<D> {
    databases: Arc<Mutex<BTreeMap<DatabaseName, DatabaseState<D>>>>,
    changed: Arc<Notify>,
    /// What became of alarms of databases that are gone, until it is noticed.
    departed: Arc<Mutex<Vec<AlarmChange>>>,
}

impl<D> Clone for State<D> {
    fn clone(&self) -> Self {
        let Self { databases, changed, departed } = self;
        Self { databases: Arc::clone(databases), changed: Arc::clone(changed), departed: Arc::clone(departed) }
    }
}

impl<D: Clone> State<D> {
    /// The state of these databases.
    pub fn new(databases: impl IntoIterator<Item = (DatabaseName, DatabaseState<D>)>) -> Self {
        let databases = Arc::new(Mutex::new(databases.into_iter().collect()));
        Self { databases, changed: Arc::default(), departed: Arc::default() }
    }

    /// Takes in a database that has come.
    pub fn add(&self, database: DatabaseName, state: DatabaseState<D>) {
        self.lock().insert(database, state);
        self.changed.notify_one();
    }

    /// Lets go of a database. Its alarms are resolved.
    pub fn remove(&self, database: &DatabaseName) {
        let mut databases = self.lock();
        let Some(mut state) = databases.remove(database) else { return };
        if let Some((other, undelivered)) = databases.values_mut().next().zip(state.undelivered.take()) {
            other.undelivered = Some(undelivered);
        }
        drop(databases);
        let resolved = state.noticed.notice(database, Vec::new()).into_iter();
        let changes = resolved.chain([AlarmChange::Departed(database.clone())]);
        self.departed.lock().unwrap_or_else(PoisonError::into_inner).extend(changes);
        self.changed.notify_one();
    }

    /// A copy of the state of one database.
    pub fn get(&self, database: &DatabaseName) -> Option<DatabaseState<D>> {
        self.lock().get(database).cloned()
    }

    /// What `look` sees in the state of one database, without a copy.
    pub(crate) fn see<T>(&self, database: &DatabaseName, look: impl FnOnce(&DatabaseState<D>) -> T) -> Option<T> {
        self.lock().get(database).map(look)
    }

    /// A consistent copy.
    pub fn copy(&self) -> BTreeMap<DatabaseName, DatabaseState<D>> {
        self.lock().iter().map(|(name, state)| (name.clone(), state.clone())).collect()
    }

    /// How far a run of one database is.
    pub fn progress(&self, database: &DatabaseName) -> Progress {
        self.lock().get(database).map(|state| state.progress.clone()).unwrap_or_default()
    }

    /// Each database, with what metrics and the API call it.
    pub(crate) fn names(&self) -> Vec<(DatabaseName, String)> {
        self.lock().iter().map(|(name, state)| (name.clone(), state.label(name).to_owned())).collect()
    }

    /// Asks the loop of a database for a run now.
    ///
    /// # Errors
    /// If it would not begin one now.
    pub(crate) fn request_run(&self, database: &DatabaseName) -> Result<(), Busy> {
        let databases = self.lock();
        let state = databases.get(database).ok_or(Busy::Stopping)?;
        // What the loop does is what is told. Whether it takes a request, only the loop itself says.
        let busy = match state.activity {
            Activity::Stopping => return Err(Busy::Stopping),
            Activity::Starting => Busy::Starting,
            Activity::Waiting => Busy::NothingToRunFor,
            Activity::Running => Busy::Running,
            Activity::Watching => Busy::Watching,
        };
        match state.run_request.make() {
            Made::Now => Ok(()),
            Made::Before => Err(Busy::Requested),
            Made::Not => Err(busy),
        }
    }

    /// What asks the loop of one database for a run.
    pub(crate) fn run_request(&self, database: &DatabaseName) -> RunRequest {
        self.lock().get(database).map(|state| state.run_request.clone()).unwrap_or_default()
    }

    /// Changes several facts of one database at once.
    pub fn change(&self, database: &DatabaseName, change: impl FnOnce(&mut DatabaseState<D>)) {
        if let Some(state) = self.lock().get_mut(database) {
            change(state);
        }
        self.changed.notify_one();
    }

    /// Whether the loop of a database has not looked at the bucket yet.
    pub(crate) fn is_starting(&self, database: &DatabaseName) -> bool {
        self.lock().get(database).is_none_or(|state| state.activity == Activity::Starting)
    }

    /// A database that waits for its turn has been looked at, and is looked at again.
    pub(crate) fn leave_start(&self, database: &DatabaseName) {
        if self.is_starting(database) {
            self.change(database, |state| state.activity = Activity::Waiting);
        }
    }

    /// The pulses of all loops.
    pub(crate) fn pulses(&self) -> Vec<Pulse> {
        self.lock().values().map(|state| state.pulse.clone()).collect()
    }

    /// Whether every loop has shown recently that it lives.
    pub(crate) fn is_alive(&self) -> bool {
        self.lock().iter().all(|(_, state)| state.heartbeat.is_alive())
    }

    /// Shows that the one loop of all databases lives.
    pub(crate) fn beat(&self) {
        for state in self.lock().values_mut() {
            state.heartbeat = Heartbeat::now();
        }
    }

    /// Waits until something was changed since the last call, of which there is one at a time.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Everything that is wrong at `now`.
    pub fn alarms(&self, judge: Judge<D>, now: DateTime<Utc>) -> Vec<Alarm> {
        self.lock().iter().flat_map(|(name, state)| state.alarms(name, judge, now)).collect()
    }

    /// Notices everything that is wrong at `now`, and returns what is different from before. What is wrong with a
    /// database that was not looked at yet is not worth telling.
    pub(crate) fn notice(&self, judge: Judge<D>, now: DateTime<Utc>) -> Vec<AlarmChange> {
        let mut databases = self.lock();
        // A start that lies ahead is one before a clock was set back.
        let is_old = |state: &DatabaseState<D>| (now - state.started_at).abs() > START_PATIENCE;
        let is_looked_at = |state: &DatabaseState<D>| state.activity != Activity::Starting || is_old(state);
        // Which database had the alarm before a restart is known once the journals of all were read.
        let all_are = databases.values().all(is_looked_at);
        if all_are {
            carry(&mut databases, |left_out| left_out);
        }
        let waits = |state: &DatabaseState<D>| state.left_out.is_some() || state.noticed.has(AlarmCode::LeftOut);
        let looked_at = databases.iter_mut().filter(|(_, state)| is_looked_at(state) && (all_are || !waits(state)));
        let changes = looked_at.flat_map(|(name, state)| {
            let alarms = state.alarms(name, judge, now);
            state.noticed.notice(name, alarms)
        });
        let departed = std::mem::take(&mut *self.departed.lock().unwrap_or_else(PoisonError::into_inner));
        departed.into_iter().chain(changes).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<DatabaseName, DatabaseState<D>>> {
        // These are plain values, so a panic elsewhere cannot have left them half changed.
        self.databases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a start may look for the bucket before that is worth telling.
const START_PATIENCE: chrono::TimeDelta = chrono::TimeDelta::minutes(1);

#[cfg(test)]
mod tests;
