//! The loops of all databases: of the one that `DATABASE_URL` names, or of those that a census finds at every tick.

use std::collections::BTreeSet;
use std::time::Duration;

use backup_core::stop::Stop;
use backup_daemon::schedule::Ticker;
use backup_daemon::{
    Activity, DatabaseName, DatabaseState, Events, LeftOut, Roster, Severity, Turns, UNLISTED_FOR, insist, keep_all,
    sleep,
};
use chrono::{DateTime, TimeDelta, Utc};

use crate::census::{Census, Unlisted};
use crate::config::{BackupConfig, Several, TargetConfig};
use crate::run_report::RunReport;
use crate::status::Facts;
use crate::target::{Shared, Target, initial};

/// How long to wait after a server could not be asked: `RETRY_DELAY`, within these bounds.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A database that has come, and whether the bucket already had backups of others then.
struct Newcomer {
    target: TargetConfig,
    is_new: bool,
}

/// What is known at the start: of the only database, or that none is known yet.
pub(crate) fn at_start(config: &BackupConfig) -> (DatabaseName, DatabaseState<Facts>) {
    let name = match config.several {
        Some(_) => DatabaseName::unknown(),
        None => config.given.database(),
    };
    (name, initial(&config.given, Utc::now()))
}

/// Keeps a loop for each database until `stop`.
pub(crate) async fn keep(shared: Shared<'_>, events: &Events<RunReport>, stop: &Stop) {
    let Some(several) = &shared.config.several else {
        return Target::new(shared, shared.config.given.clone(), stop).keep(events, None).await;
    };
    let turns = Turns::new(several.at_once, urgency);
    let keep = async |newcomer: Newcomer, stop: Stop| {
        let target = Target::new(shared, newcomer.target, &stop);
        let target = if newcomer.is_new { target.noting_that_it_appeared() } else { target };
        target.keep(events, Some(&turns)).await;
    };
    let call = async |roster: Roster<'_, Facts, Newcomer>| call(shared, several, roster, stop).await;
    keep_all((shared.state, at_start(shared.config).1), stop, call, keep).await;
}

/// Asks at the start and at every tick which databases there are.
async fn call(shared: Shared<'_>, several: &Several, mut roster: Roster<'_, Facts, Newcomer>, stop: &Stop) {
    let config = shared.config;
    let mut ticker = Ticker::new(config.given.timing.schedule.clone(), None);
    let mut told = None;
    loop {
        let census = insist(stop, "cannot list the databases of the bucket, trying again", async || {
            let census = Census::take(config, &several.list, stop).await;
            if let Err(error) = &census
                && stop.reason().is_none()
            {
                shared.state.cannot_list_databases(error, &config.process.scrubber);
            }
            census
        });
        let Some(Census { names, new, unlisted }) = Box::pin(census).await else { return };
        let reason = unlisted.as_ref().map(ToString::to_string);
        if let Some(reason) = reason.as_ref().filter(|reason| told.as_ref() != Some(*reason)) {
            tracing::error!(reason, "cannot list all databases");
        }
        told = reason;
        if !matches!(unlisted, Some(Unlisted::Away(_))) {
            // One that never had a backup, and is gone, or for which there is no place any more.
            roster.retain(|database| database.name().is_some_and(|name| names.contains(name)));
        }
        if names.is_empty() {
            tracing::error!("no database is selected by DATABASES, so there is nothing to back up");
            // An alarm says that there is no backup.
            shared.state.change(&DatabaseName::unknown(), |state| {
                (state.activity, state.own.bucket_was_seen) = (Activity::Waiting, true);
                state.unlisted = Default::default();
            });
        }
        if let Some(roles) = &config.given.roles {
            roles.forget().await;
        }
        enter(config, &mut roster, &names, &new).await;
        let is_away = matches!(unlisted, Some(Unlisted::Away(_)));
        shared.state.leave_out(unlisted.map(|unlisted| left_out(&unlisted, &config.given, Utc::now())));
        let goes_on = match is_away {
            // At the next tick all databases are backed up that are known by then.
            true => sleep(stop, config.process.retry.first_pause.clamp(SHORTEST_PAUSE, LONGEST_PAUSE)).await,
            false => ticker.next(stop.token()).await.is_some(),
        };
        if !goes_on {
            return;
        }
    }
}

/// What is wrong if a census does not have all databases. A server that is away for a moment is no news.
fn left_out(unlisted: &Unlisted, target: &TargetConfig, now: DateTime<Utc>) -> LeftOut {
    let lasting = |severity| LeftOut::lasting(unlisted.to_string(), severity, now);
    match unlisted {
        Unlisted::TooMany(..) => lasting(Severity::Critical),
        Unlisted::Unreadable(_) => lasting(Severity::Warning),
        Unlisted::Away(_) => {
            let interval_seconds = target.timing.schedule.longest_gap_seconds(now);
            let interval = TimeDelta::seconds(i64::try_from(interval_seconds).unwrap_or(i64::MAX));
            LeftOut { patience: interval.min(UNLISTED_FOR), ..lasting(Severity::Warning) }
        }
    }
}

async fn enter(
    config: &BackupConfig,
    roster: &mut Roster<'_, Facts, Newcomer>,
    names: &BTreeSet<String>,
    new: &BTreeSet<String>,
) {
    for name in names {
        let database = DatabaseName::from(name.as_str());
        if roster.has(&database) {
            continue;
        }
        let is_new = new.contains(name);
        if is_new {
            tracing::info!(database = name, "there is a new database, which is backed up from now on");
        }
        let target = config.target(name);
        roster.add(database, initial(&target, Utc::now()), Newcomer { target, is_new }).await;
    }
}

/// By how much the newest backup is older than it may be, or the last run that made none: a database whose runs never
/// succeed takes no turns away from the others. One without any run is the most urgent.
fn urgency(state: &DatabaseState<Facts>) -> f64 {
    let newest = state.own.newest_full_backup.as_ref().map(|newest| newest.at);
    let last = newest.max(state.run_started_at).max(state.own.failed_at);
    last.map_or(f64::INFINITY, |at| (Utc::now() - at).as_seconds_f64() / (state.max_age_seconds.max(1) as f64))
}
