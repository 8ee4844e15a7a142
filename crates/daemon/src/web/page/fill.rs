//! The view of what every service knows. What only one of them knows, it adds itself.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use backup_core::repository::Kind;

use super::events::of_repository;
use super::view::{Activity, Alarm, Backup, Database, Proof, Retention, Run, View};
use crate::alarm::Alarm as RaisedAlarm;
use crate::daemon::Daemon;
use crate::database_name::DatabaseName;
use crate::state::{self, DatabaseState, Judge, State};
use crate::view::{BackupView, DrillView, Fate};

/// Whose pages these are, and for which part of the world.
#[derive(Debug, Clone)]
pub struct Letterhead {
    /// Which service it is.
    pub daemon: Daemon,
    /// As messages call it.
    pub instance: String,
    /// `TZ`.
    pub time_zone: Tz,
}

impl View {
    /// Everything that `state` knows at `now`. `complete` adds what only this service knows of a database.
    pub fn of<D: Clone>(
        letterhead: &Letterhead,
        state: &State<D>,
        judge: Judge<D>,
        now: DateTime<Utc>,
        complete: impl Fn(&D, &mut Database),
    ) -> Self {
        let databases = state.copy().into_iter().map(|(name, state)| {
            let mut database = Database::of(&name, &state, judge, now);
            complete(&state.own, &mut database);
            database
        });
        let Letterhead { daemon, instance, time_zone } = letterhead.clone();
        Self { daemon, instance, time_zone, databases: databases.collect() }
    }
}

impl Database {
    fn of<D>(name: &DatabaseName, state: &DatabaseState<D>, judge: Judge<D>, now: DateTime<Utc>) -> Self {
        let view = state.listing.as_ref().map(|listing| &listing.view);
        Self {
            name: state.label(name).to_owned(),
            schedule: state.schedule.clone(),
            started_at: state.started_at,
            activity: activity(state),
            listed_at: state.listing.as_ref().map(|listing| listing.at),
            silent_since: state.unlisted.lasting(),
            alarms: state.alarms(name, judge, now).into_iter().map(alarm).collect(),
            backups: view.map(|view| view.backups.iter().map(backup).collect()).unwrap_or_default(),
            drills: Vec::new(),
            gaps: None,
            events: view.map(|view| of_repository(view)).unwrap_or_default(),
        }
    }
}

fn activity<D>(state: &DatabaseState<D>) -> Activity {
    match state.activity {
        state::Activity::Starting => Activity::Starting,
        state::Activity::Waiting => Activity::Waiting(state.next_run_at),
        state::Activity::Watching => Activity::Watching,
        state::Activity::Stopping => Activity::Stopping,
        state::Activity::Running => {
            let position = state.progress.position();
            Activity::Running(Run {
                started_at: state.run_started_at.unwrap_or(state.started_at),
                step: position.step,
                done_bytes: position.done_bytes,
                total_bytes: position.total_bytes,
            })
        }
    }
}

fn alarm(alarm: RaisedAlarm) -> Alarm {
    let RaisedAlarm { code, severity, since, message, noticed_at: _, database: _, subjects: _ } = alarm;
    Alarm { code, severity, since, message }
}

/// By what the listing shows: the newest record of a drill decides whether it is proven.
fn backup(view: &BackupView) -> Backup {
    let proof = match view.drills.last() {
        None => Proof::None,
        Some(DrillView { passed: true, ended_at }) => Proof::Proven(*ended_at),
        Some(DrillView { passed: false, ended_at }) => Proof::Failed(*ended_at),
    };
    let retention = match &view.retention {
        None => Retention::Unknown,
        Some(Fate::Keep { rules, until }) => {
            Retention::Kept(rules.iter().map(|rule| rule.label.clone()).collect(), *until)
        }
        Some(Fate::Delete) => Retention::Due,
        Some(Fate::Later) => Retention::Later,
    };
    // Two clocks are in it, so it may be nonsense; then it is not shown.
    let run_seconds = view.committed_at.and_then(|at| u64::try_from((at - view.snapshot_at).num_seconds()).ok());
    Backup {
        id: view.id.to_string(),
        at: view.snapshot_at,
        is_partial: view.kind == Kind::Partial,
        is_from_the_future: view.is_from_the_future,
        stored_bytes: view.stored_bytes,
        rows: None,
        run_seconds,
        is_suspicious: false,
        proof,
        retention,
    }
}
