//! The drills of all databases that have backups in the bucket, or of the one that is named.

use anyhow::Context;
use backup_core::database_list::MAX_DATABASES;
use backup_core::repository::{DatabaseSearch, StoredDatabases};
use backup_core::stop::Stop;
use backup_core::text::some_of;
use backup_daemon::{DatabaseName, DatabaseState, Events, LeftOut, Roster, Severity, Turns, insist, keep_all, sleep};
use backup_drill::{Report, databases, repository_of, sweep_and_log};
use chrono::{DateTime, TimeDelta, Utc};

use crate::config::{SelectionPolicy, TargetConfig, VerifyConfig};
use crate::status::Facts;
use crate::target::{CANNOT_LIST, Shared, Target, initial};

/// Maximum number of databases that the reason for an alarm names.
const MAX_NAMES: usize = 10;

/// How long it may take until the manifests of all databases were read, a part of them at each look.
const READING_FOR: TimeDelta = TimeDelta::hours(1);

/// Why databases beyond a bound are left out.
const TOO_MANY: &str = "there are more databases than one process looks after";

/// Keeps a loop for each database until `stop`. Drills take turns: a machine that restores two databases at once takes as
/// long for both, and needs the room of both.
pub(crate) async fn keep(shared: Shared<'_>, events: &Events<Report>, stop: &Stop) {
    let given = &shared.config.given;
    sweep_and_log(&given.drill, stop).await; // What dead drills have left.
    if given.drill.source_database.is_some() {
        return Target::new(shared, given.clone(), stop).keep(events, None).await;
    }
    let turns = Turns::new(1, urgency);
    let keep = async |target: TargetConfig, stop: Stop| {
        Target::new(shared, target, &stop).keep(events, Some(&turns)).await;
    };
    let call = async |roster: Roster<'_, Facts, TargetConfig>| call(shared, roster, stop).await;
    keep_all((shared.state, initial(given, Utc::now())), stop, call, keep).await;
}

/// Asks the bucket again and again which databases it has. As long as there is none, a loop without a name waits for the
/// first backup. It drills nothing, so that no verdict and no alarm ever has to change its name.
async fn call(shared: Shared<'_>, mut roster: Roster<'_, Facts, TargetConfig>, stop: &Stop) {
    let config = shared.config;
    let (drill, search) = (&config.given.drill, DatabaseSearch::default());
    let find = async || {
        let found = async {
            let mut found = databases(drill, &search, stop).await?;
            let others = take_others(config, &mut found.names, stop).await?;
            anyhow::Ok(attend(found, &others))
        };
        let found = found.await;
        if let Err(error) = &found
            && stop.reason().is_none()
        {
            shared.state.cannot_list_databases(error, &config.process.scrubber);
        }
        found
    };
    let Some(found) = insist(stop, CANNOT_LIST, find).await else { return };
    enter(shared, &mut roster, found).await;
    loop {
        let goes_on = tokio::select! {
            goes_on = sleep(stop, config.process.poll_interval) => goes_on,
            () = shared.appeared.notified() => true,
        };
        if !goes_on {
            return;
        }
        match find().await {
            Ok(found) => enter(shared, &mut roster, found).await,
            Err(error) if stop.reason().is_none() => {
                tracing::debug!(error = format!("{error:#}"), "cannot list the databases of the bucket");
            }
            Err(_) => {}
        }
    }
}

/// One whose backups are all gone stays: that is an alarm of its own.
async fn enter(
    Shared { config, state, .. }: Shared<'_>,
    roster: &mut Roster<'_, Facts, TargetConfig>,
    (names, left_out): (Vec<String>, Option<LeftOut>),
) {
    let unknown = DatabaseName::unknown();
    let mut wanted: Vec<DatabaseName> = names.iter().map(|name| DatabaseName::from(name.as_str())).collect();
    if wanted.is_empty() && roster.is_empty() {
        wanted.push(unknown.clone());
    }
    // Folders that come and go leave loops behind, which an end must have, too.
    let mut beyond = Vec::new();
    for database in &wanted {
        if !roster.has(database) && roster.len() >= MAX_DATABASES {
            beyond.extend(database.name().map(str::to_owned));
        } else if !roster.has(database) {
            let target = config.target(database);
            roster.add(database.clone(), initial(&target, Utc::now()), target).await;
        }
    }
    if !names.is_empty() {
        roster.retain(|database| *database != unknown);
    }
    state.leave_out(with_those_beyond(&beyond, left_out));
}

/// Why databases are left out, if `beyond` have found no place besides.
pub(crate) fn with_those_beyond(beyond: &[String], left_out: Option<LeftOut>) -> Option<LeftOut> {
    if beyond.is_empty() {
        return left_out;
    }
    let reason = format!("{TOO_MANY}, since it began: {}", some_of(beyond, MAX_NAMES));
    let others = left_out.map(|left_out| format!("; {}", left_out.reason)).unwrap_or_default();
    Some(LeftOut::lasting(format!("{reason}{others}"), Severity::Critical, Utc::now()))
}

/// Takes away those of `names` that do not have the backup which `VERIFY_BACKUP_ID` names, if another one has it.
async fn take_others(config: &VerifyConfig, names: &mut Vec<String>, stop: &Stop) -> anyhow::Result<Vec<String>> {
    let SelectionPolicy::Always(id) = &config.given.selection_policy else { return Ok(Vec::new()) };
    let (mut holders, mut others) = (Vec::new(), Vec::new());
    for name in names.iter() {
        let catalog = stop.or(async {
            repository_of(&config.given.drill, name)
                .catalog(Utc::now())
                .await
                .context("look for the backup that is drilled")
        });
        let holds_it = catalog.await?.backups.iter().any(|backup| backup.id == *id);
        if holds_it { &mut holders } else { &mut others }.push(name.clone());
    }
    if holders.is_empty() {
        return Ok(Vec::new()); // The drill of each says so.
    }
    *names = holders;
    Ok(others)
}

/// Takes those that one process can look after, those whose backups are gone after all others, and says which are left out besides `others`, of which `VERIFY_BACKUP_ID`
/// names no backup.
pub(crate) fn attend(found: StoredDatabases, others: &[String]) -> (Vec<String>, Option<LeftOut>) {
    let StoredDatabases { mut names, unsigned, unread, mut beyond, emptied } = found;
    for name in emptied {
        let list = if names.len() < MAX_DATABASES { &mut names } else { &mut beyond };
        list.push(name);
    }
    let (mut reasons, mut severity) = (Vec::new(), Severity::Warning);
    if !beyond.is_empty() {
        severity = Severity::Critical;
        reasons.push(format!("{TOO_MANY}: {}", some_of(&beyond, MAX_NAMES)));
    }
    if !unsigned.is_empty() {
        let unsigned = some_of(&unsigned, MAX_NAMES);
        reasons.push(format!("no key of VERIFY_TRUSTED_KEYS has signed a backup that was looked at of: {unsigned}"));
    }
    if !others.is_empty() {
        let others = some_of(others, MAX_NAMES);
        reasons
            .push(format!("VERIFY_BACKUP_ID names a backup of another database, so these are not drilled: {others}"));
    }
    // The next looks read the rest.
    let patience = if reasons.is_empty() { READING_FOR } else { TimeDelta::zero() };
    if !unread.is_empty() {
        reasons.push(format!("the manifests of these were not read yet: {}", some_of(&unread, MAX_NAMES)));
    }
    let left_out = || LeftOut { patience, ..LeftOut::lasting(reasons.join("; "), severity, Utc::now()) };
    (names, (!reasons.is_empty()).then(left_out))
}

/// How urgent a database is that was never drilled, at the moment at which it comes.
const NEW: f64 = 0.5;

/// How much of the time that a proof is good for has passed since the last drill, of any verdict.
///
/// A database without a passed drill is not always first: a writer to the bucket can make folders that look like databases
/// and never pass, and any number of new ones.
pub(crate) fn urgency(state: &DatabaseState<Facts>) -> f64 {
    let (recorded, past) = (state.own.recorded_drill.map(|drill| drill.time), state.own.past_drill.map(|(at, _)| at));
    let last = [state.own.last_passed_at, recorded, past, state.run_started_at].into_iter().flatten().max();
    let since = |at: DateTime<Utc>| (Utc::now() - at).as_seconds_f64() / (state.max_age_seconds.max(1) as f64);
    last.map_or_else(|| NEW + since(state.started_at), since)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use backup_drill::Verdict;

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    /// Of a database that is known since so many hours, was drilled last by this process, and passed last.
    fn hours_ago(known: i64, drilled: Option<i64>, passed: Option<i64>) -> f64 {
        let before = |hours: i64| Utc::now() - TimeDelta::hours(hours);
        let mut state = DatabaseState::new(String::new(), DAY, before(known), Facts::new(DAY));
        state.run_started_at = drilled.map(before);
        state.own.last_passed_at = passed.map(before);
        let urgency_now = urgency(&state);
        if drilled.is_some() {
            // What is known after a restart counts the same.
            (state.own.past_drill, state.run_started_at) = (drilled.map(|at| (before(at), Verdict::CouldNotRun)), None);
            assert!((urgency(&state) - urgency_now).abs() < 0.01);
        }
        urgency_now
    }

    /// Anyone who can write to the bucket can make folders that look like databases, whose drills never pass.
    #[test]
    fn databases_that_never_pass_do_not_keep_another_one_from_its_drill() {
        let due = hours_ago(90, Some(23), Some(23));
        assert!(due > hours_ago(90, Some(1), None), "one that has just failed goes first");
        assert!(due > hours_ago(90, Some(1), Some(80)), "one that has just failed goes first");
        assert!(due > hours_ago(0, None, None), "one that has just come goes first");
        assert!(hours_ago(90, None, None) > due, "one that has never had a turn is never drilled");
        assert!(hours_ago(0, None, None) > hours_ago(90, Some(1), Some(1)), "a new one waits for one that was drilled");
        assert!(hours_ago(90, Some(23), Some(80)) > hours_ago(90, Some(22), Some(22)));
    }

    #[test]
    fn what_is_not_drilled_is_named_with_its_reason() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let found = |unsigned: &[&str], beyond: &[&str]| StoredDatabases {
            names: names(&["app"]),
            unsigned: names(unsigned),
            beyond: names(beyond),
            ..StoredDatabases::default()
        };
        // What the next looks read is no alarm at once.
        let unread = |unsigned| StoredDatabases { unread: names(&["crm"]), ..found(unsigned, &[]) };
        let patience = |found| attend(found, &[]).1.unwrap().patience;
        assert_eq!([patience(unread(&[])), patience(unread(&["zoo"]))], [READING_FOR, TimeDelta::zero()]);
        assert_eq!(attend(found(&[], &[]), &[]), (names(&["app"]), None));
        let left_out = |found, others: &[&str]| {
            let left_out = attend(found, &names(others)).1.unwrap();
            (left_out.severity, left_out.reason)
        };
        let (severity, reason) = left_out(found(&["crm"], &[]), &[]);
        assert_eq!(
            (severity, reason.contains("VERIFY_TRUSTED_KEYS") && reason.contains("crm")),
            (Severity::Warning, true)
        );
        let (severity, reason) = left_out(found(&[], &["crm"]), &[]);
        assert_eq!((severity, reason.contains("crm")), (Severity::Critical, true));
        let (severity, reason) = left_out(found(&[], &[]), &["crm"]);
        assert_eq!(
            (severity, reason.contains("VERIFY_BACKUP_ID") && reason.contains("crm")),
            (Severity::Warning, true)
        );
    }
}
