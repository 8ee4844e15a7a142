//! The API: what the state holds, as JSON. docs/api/ has a schema for each answer.

use std::collections::BTreeSet;

use axum::extract::{Path, RawQuery, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};

use super::query::Query;
use super::{Pages, Shown, error};
use crate::database_name::DatabaseName;
use crate::state::{Activity, DatabaseState, SCHEMA, State};
use crate::view::{BackupView, RepositoryView, drill_id};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    Databases,
    Backups,
    Backup(String),
    Drills,
    Drill(String),
    Retention,
    Events,
}

/// The answer, without the version of its schema; or a status and why there is none.
pub(super) type Answer = Result<Value, (StatusCode, &'static str)>;

/// A drill in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DrillSummary {
    /// Its id, of the time of its end.
    pub id: String,
    /// The backup; `None` if none could be chosen.
    pub backup_id: Option<String>,
    /// When it began; `None` if only the name of its record is known.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// `passed`, `failed`, `could_not_run`, `stopped` or `skipped`.
    pub verdict: &'static str,
    /// How it is known.
    pub source: VerdictSource,
}

/// How a drill is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictSource {
    /// This process made it and has its report.
    Report,
    /// The bucket holds a record of it.
    Record,
}

/// A database and its name, as an answer shows it.
struct Named<D> {
    label: String,
    name: DatabaseName,
    state: DatabaseState<D>,
}

/// The paths that take GET.
pub(super) fn routes() -> Router<Pages> {
    let fixed = |asked: Asked| {
        get(async move |Shared(pages): Shared<Pages>, RawQuery(query): RawQuery| respond(&pages, &asked, query))
    };
    let of_id = |asked: fn(String) -> Asked| {
        get(async move |Shared(pages): Shared<Pages>, Path(id): Path<String>, RawQuery(query): RawQuery| {
            respond(&pages, &asked(id), query)
        })
    };
    Router::new()
        .route("/api/v1/databases", fixed(Asked::Databases))
        .route("/api/v1/backups", fixed(Asked::Backups))
        .route("/api/v1/backups/{id}", of_id(Asked::Backup))
        .route("/api/v1/drills", fixed(Asked::Drills))
        .route("/api/v1/drills/{id}", of_id(Asked::Drill))
        .route("/api/v1/retention", fixed(Asked::Retention))
        .route("/api/v1/events", fixed(Asked::Events))
}

fn respond(pages: &Pages, asked: &Asked, query: Option<String>) -> Response {
    match (pages.api)(asked, &query.unwrap_or_default()) {
        Ok(mut answer) => {
            answer["schema"] = SCHEMA.into();
            Json(answer).into_response()
        }
        Err((status, words)) => error(status, words),
    }
}

/// Answers from `state`.
pub(super) fn answer<D: Clone>(
    state: &State<D>,
    shown: &Shown<D>,
    asked: &Asked,
    query: &str,
    now: DateTime<Utc>,
) -> Answer {
    let query = Query::parse(query).map_err(|words| (StatusCode::BAD_REQUEST, words))?;
    let all = state.copy().into_iter().map(|(name, state)| {
        let label = state.label(&name).to_owned();
        Named { label, name, state }
    });
    let databases: Vec<Named<D>> = all.filter(|database| query.names(&database.label)).collect();
    if databases.is_empty() {
        return Err((StatusCode::NOT_FOUND, "there is no such database here"));
    }
    match asked {
        Asked::Databases => {
            let all: Vec<Value> = databases.iter().map(|database| of_database(database, shown, now)).collect();
            Ok(json!({ "service": shown.service, "version": env!("CARGO_PKG_VERSION"), "databases": all }))
        }
        Asked::Backups => Ok(backups(&databases, query.limit)),
        Asked::Backup(id) => backup(&databases, id).ok_or((StatusCode::NOT_FOUND, "there is no such backup")),
        Asked::Drills => Ok(drills(&databases, shown, query.limit)),
        Asked::Drill(id) => drill(&databases, shown, id).ok_or((StatusCode::NOT_FOUND, "there is no such drill")),
        Asked::Retention => Ok(retention(&databases, query.limit)),
        Asked::Events => Ok(events(&databases, query.limit)),
    }
}

impl<D> Named<D> {
    /// What the last listing showed; `None` before there was one.
    fn view(&self) -> Option<&RepositoryView> {
        Some(&self.state.listing.as_ref()?.view)
    }

    fn backups(&self) -> &[BackupView] {
        self.view().map(|view| &view.backups[..]).unwrap_or_default()
    }
}

/// `value` with the name of the database.
fn in_database(label: &str, value: impl Serialize) -> Value {
    let mut value = serde_json::to_value(value).unwrap_or_default();
    value["database"] = label.into();
    value
}

fn of_database<D: Clone>(database: &Named<D>, shown: &Shown<D>, now: DateTime<Utc>) -> Value {
    let Named { label, name, state } = database;
    let listing = state.listing.as_ref();
    let is_running = state.activity == Activity::Running;
    json!({
        "database": label,
        "schedule": state.schedule,
        "state": state.activity,
        "started_at": state.started_at,
        "next_run_at": state.next_run_at,
        "run_started_at": state.run_started_at,
        "progress": is_running.then(|| state.progress.position()),
        "interval_seconds": state.interval_seconds,
        "max_age_seconds": state.max_age_seconds,
        "listed_at": listing.map(|listing| listing.at),
        "newest_full_backup_at": listing.and_then(|listing| listing.full.newest),
        "newest_proven_backup_at":
            database.backups().iter().find(|backup| backup.is_proven).map(|backup| backup.snapshot_at),
        "full_backups": listing.map_or(0, |listing| listing.full.backups),
        "partial_backups": listing.map_or(0, |listing| listing.partial.backups),
        "stored_bytes": listing.map_or(0, |listing| listing.full.stored_bytes.saturating_add(listing.partial.stored_bytes)),
        "incomplete_runs": listing.map_or(0, |listing| listing.incomplete_runs),
        "alarms": state.alarms(name, shown.judge, now),
    })
}

fn backups<D>(databases: &[Named<D>], limit: usize) -> Value {
    let all = databases.iter().flat_map(|one| one.backups().iter().map(|backup| in_database(&one.label, backup)));
    let incomplete = databases.iter().flat_map(|one| {
        let runs = one.view().map(|view| &view.incomplete_runs[..]).unwrap_or_default();
        runs.iter().map(|run| in_database(&one.label, run))
    });
    let known: usize = databases.iter().filter_map(Named::view).map(|view| view.backups.len()).sum();
    let older: usize = databases.iter().filter_map(Named::view).map(|view| view.backups_not_shown).sum();
    json!({
        "backups": all.take(limit).collect::<Vec<_>>(),
        "not_shown": older + known.saturating_sub(limit),
        "incomplete_runs": incomplete.take(limit).collect::<Vec<_>>(),
    })
}

fn backup<D>(databases: &[Named<D>], id: &str) -> Option<Value> {
    let mut all = databases.iter().flat_map(|one| one.backups().iter().map(move |backup| (one, backup)));
    let (database, backup) = all.find(|(_, backup)| backup.id.as_str() == id)?;
    let mut value = in_database(&database.label, backup);
    value["keys"] = backup.keys.clone().into();
    Some(json!({ "backup": value }))
}

/// The drills of a database, the newest first: those of this process, and those that left a record.
fn drills_of<D>(database: &Named<D>, shown: &Shown<D>) -> Vec<DrillSummary> {
    let mut all = (shown.drills)(&database.state.own);
    let known: BTreeSet<String> = all.iter().map(|drill| drill.id.clone()).collect();
    let recorded = database.backups().iter().flat_map(|backup| {
        backup.drills.iter().map(|drill| DrillSummary {
            id: drill_id(drill.ended_at, Some(backup.id.as_str())),
            backup_id: Some(backup.id.to_string()),
            started_at: None,
            ended_at: drill.ended_at,
            verdict: if drill.passed { "passed" } else { "failed" },
            source: VerdictSource::Record,
        })
    });
    all.extend(recorded.filter(|drill| !known.contains(&drill.id)));
    all.sort_by_key(|drill| std::cmp::Reverse(drill.ended_at));
    all
}

fn drills<D>(databases: &[Named<D>], shown: &Shown<D>, limit: usize) -> Value {
    let all = databases.iter().flat_map(|one| {
        drills_of(one, shown).into_iter().map(|drill| in_database(&one.label, drill)).collect::<Vec<_>>()
    });
    json!({ "drills": all.take(limit).collect::<Vec<_>>() })
}

fn drill<D>(databases: &[Named<D>], shown: &Shown<D>, id: &str) -> Option<Value> {
    let all = databases.iter().flat_map(|one| drills_of(one, shown).into_iter().map(move |drill| (one, drill)));
    let (database, drill) = all.into_iter().find(|(_, drill)| drill.id == id)?;
    let report = (shown.report)(&database.state.own, id);
    Some(json!({ "drill": in_database(&database.label, drill), "report": report }))
}

fn retention<D>(databases: &[Named<D>], limit: usize) -> Value {
    let of = |one: &Named<D>| {
        let planned = one.view().and_then(|view| view.retention.as_ref());
        let backups = one.backups().iter().take(limit).map(|backup| {
            json!({
                "id": backup.id, "kind": backup.kind, "snapshot_at": backup.snapshot_at,
                "stored_bytes": backup.stored_bytes, "retention": backup.retention,
            })
        });
        json!({
            "database": one.label,
            "policy": planned.map(|planned| &planned.policy),
            "refused": planned.and_then(|planned| planned.refused.as_ref()),
            "backups": backups.collect::<Vec<_>>(),
        })
    };
    json!({ "databases": databases.iter().map(of).collect::<Vec<_>>() })
}

fn events<D>(databases: &[Named<D>], limit: usize) -> Value {
    let all = databases.iter().flat_map(|one| {
        let events = one.view().map(|view| &view.events[..]).unwrap_or_default();
        events.iter().map(|event| in_database(&one.label, event))
    });
    json!({ "events": all.take(limit).collect::<Vec<_>>() })
}
