//! Which databases there are to back up now: those of the server, and those that have backups in the bucket.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::Context;
use backup_core::database_list::{DatabaseList, MAX_DATABASES};
use backup_core::postgres::Databases;
use backup_core::repository::Repository;
use backup_core::stop::Stop;
use backup_core::text::some_of;
use chrono::Utc;

use crate::config::{BackupConfig, TargetConfig};

/// Maximum number of databases that a message names.
const MAX_NAMES: usize = 10;

/// The databases of this moment.
#[derive(Debug, Default)]
pub(crate) struct Census {
    /// All that are to be backed up. One that the server no longer has is among them as long as the bucket has backups of
    /// it, or traces of such, and `DATABASES` selects it: its run fails, and that is an alarm.
    pub(crate) names: BTreeSet<String>,
    /// Those of them that are new: the bucket has backups of others, and none of these.
    pub(crate) new: BTreeSet<String>,
    /// Why these are not all.
    pub(crate) unlisted: Option<Unlisted>,
}

/// Why a census does not have all databases.
#[derive(Debug)]
pub(crate) enum Unlisted {
    /// The server could not be asked, which may pass.
    Away(anyhow::Error),
    /// So many are too many; these have no place.
    TooMany(usize, Vec<String>),
    /// These have names that are not UTF-8.
    Unreadable(Vec<String>),
}

impl fmt::Display for Unlisted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Away(error) => write!(formatter, "the databases of the server cannot be listed: {error:#}"),
            Self::TooMany(count, beyond) => write!(
                formatter,
                "there are {count} databases, and only {MAX_DATABASES} of them are looked after; these are not: {}",
                some_of(beyond, MAX_NAMES)
            ),
            Self::Unreadable(names) => {
                let names = some_of(names, MAX_NAMES);
                write!(formatter, "databases whose names are not UTF-8 are not backed up: {names}")
            }
        }
    }
}

impl Census {
    /// Asks the bucket and the server which databases `list` selects. If the server does not answer, those that are known
    /// otherwise are tried all the same: the run of each tells its own reason.
    ///
    /// # Errors
    /// If the bucket cannot be listed, or a stop came first.
    pub(crate) async fn take(config: &BackupConfig, list: &DatabaseList, stop: &Stop) -> anyhow::Result<Self> {
        if !list.has_patterns() {
            return Ok(Self { names: list.select([]), ..Self::default() });
        }
        // One whose backups are all gone is missing as well.
        let traced = async { Repository::databases_with_traces(&config.process.store.open(), Utc::now()).await };
        let stored = stop.or(async { traced.await.context("list the databases of the bucket") }).await?;
        let (listed, unlisted) = match stop.or(listed(config)).await {
            Ok(Databases { names, unreadable }) => {
                let unreadable: Vec<String> = unreadable.into_iter().filter(|name| list.selects(name)).collect();
                (names, (!unreadable.is_empty()).then_some(Unlisted::Unreadable(unreadable)))
            }
            Err(error) if stop.reason().is_some() => return Err(error),
            // There is at least one whose run can tell why.
            Err(error) => (vec![config.given.source.dbname().to_owned()], Some(Unlisted::Away(error))),
        };
        let census = Self::of(list, &stored, &listed);
        Ok(Self { unlisted: census.unlisted.or(unlisted), ..census })
    }

    /// Of those that are `stored`, the ones come first that the bucket has had the longest.
    fn of(list: &DatabaseList, stored: &[String], listed: &[String]) -> Self {
        let names = list.select(listed.iter().chain(stored).map(String::as_str));
        let is_new = |name: &&String| listed.contains(name) && !stored.contains(name);
        let new = names.iter().filter(is_new).filter(|_| !stored.is_empty()).cloned().collect();
        if names.len() <= MAX_DATABASES {
            return Self { names, new, unlisted: None };
        }
        let count = names.len();
        // Those that the server has come before those of which only backups are left, and of each those first that the
        // bucket has had the longest: a name takes no place from another.
        let living: BTreeSet<&str> = listed.iter().map(String::as_str).collect();
        let age: BTreeMap<&str, usize> =
            stored.iter().enumerate().map(|(place, name)| (name.as_str(), place)).collect();
        let mut placed: Vec<String> = names.into_iter().collect();
        placed.sort_by_key(|name| {
            let place = age.get(name.as_str()).copied().unwrap_or(usize::MAX);
            (!living.contains(name.as_str()), place)
        });
        let beyond = placed.split_off(MAX_DATABASES);
        Self { names: placed.into_iter().collect(), new, unlisted: Some(Unlisted::TooMany(count, beyond)) }
    }
}

/// What the process backs up once: the databases of a census, or as many of them as are known, and whether that is all.
/// There is at least one that can tell why the others are not.
pub(crate) async fn targets(config: &BackupConfig, stop: &Stop) -> (Vec<TargetConfig>, bool) {
    let Some(several) = &config.several else { return (vec![config.given.clone()], true) };
    let census = Census::take(config, &several.list, stop).await;
    let (names, reason) = match census {
        Ok(Census { names, unlisted, .. }) => (names, unlisted.map(|unlisted| unlisted.to_string())),
        Err(error) => (several.list.select([config.given.source.dbname()]), Some(format!("{error:#}"))),
    };
    if let Some(reason) = reason.as_ref().filter(|_| stop.reason().is_none()) {
        tracing::error!(reason, "cannot list all databases");
    }
    if names.is_empty() {
        tracing::error!("no database is selected by DATABASES, so there is nothing to back up");
    }
    let is_complete = reason.is_none() && !names.is_empty();
    (names.iter().map(|name| config.target(name)).collect(), is_complete)
}

/// The databases that have backups in the bucket and that `DATABASES` selects, without a question to the server.
///
/// # Errors
/// If the bucket cannot be listed.
pub(crate) async fn backed_up(config: &BackupConfig) -> anyhow::Result<Vec<TargetConfig>> {
    let Some(several) = &config.several else { return Ok(vec![config.given.clone()]) };
    let names = several.list.select(stored(config).await?.iter().map(String::as_str));
    Ok(names.iter().map(|name| config.target(name)).collect())
}

async fn stored(config: &BackupConfig) -> anyhow::Result<Vec<String>> {
    let store = config.process.store.open();
    Repository::databases(&store, Utc::now()).await.context("list the databases of the bucket")
}

async fn listed(config: &BackupConfig) -> anyhow::Result<Databases> {
    let session = config.given.source.connect().await.context("connect to the database of DATABASE_URL")?;
    Databases::list(&session).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check((list, stored, listed): (&str, &[&str], &[&str]), names: &[&str], new: &[&str]) {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let census = Census::of(&DatabaseList::parse(list).unwrap(), &owned(stored), &owned(listed));
        assert_eq!((census.names, census.new), (owned(names).into_iter().collect(), owned(new).into_iter().collect()));
    }

    #[test]
    fn a_database_is_backed_up_from_the_time_it_exists_and_missed_from_the_time_it_does_not() {
        check(("*", &[], &["app", "crm"]), &["app", "crm"], &[]);
        check(("*", &["app"], &["app", "crm"]), &["app", "crm"], &["crm"]);
        check(("*", &["app", "gone"], &["app"]), &["app", "gone"], &[]);
        check(("a*", &["app", "gone"], &["app", "crm"]), &["app"], &[]);
        check(("a*,gone", &["app"], &["app"]), &["app", "gone"], &[]);
    }

    #[test]
    fn living_databases_come_before_dropped_ones_if_there_are_too_many() {
        let named = |start: &str, count| (0..count).map(|number| format!("{start}{number:04}")).collect::<Vec<_>>();
        let (living, gone) = (named("z", MAX_DATABASES - 1), named("a", 2));
        let list = DatabaseList::parse("*").unwrap();
        let Census { names, unlisted, .. } = Census::of(&list, &gone, &living);
        assert_eq!((names.len(), unlisted.is_some()), (MAX_DATABASES, true));
        assert!(living.iter().all(|name| names.contains(name)));
    }

    /// Anyone who can write to the bucket can make folders whose names come before all others in the alphabet.
    #[test]
    fn of_too_many_databases_those_count_that_the_bucket_has_had_the_longest() {
        let named = |start: &str, count| (0..count).map(|number| format!("{start}{number:04}")).collect::<Vec<_>>();
        let all = |parts: &[Vec<String>]| parts.iter().flatten().cloned().collect::<Vec<_>>();
        let list = DatabaseList::parse("*").unwrap();
        let one = |name: &str| vec![name.to_owned()];
        // A dropped database, forged folders, and a server that has a few.
        let (forged, living) = (named("a", 2 * MAX_DATABASES), named("b", 10));
        let Census { names, unlisted, .. } = Census::of(&list, &all(&[one("zoo"), forged, living.clone()]), &living);
        assert_eq!(names.len(), MAX_DATABASES);
        assert!(names.contains("zoo") && living.iter().all(|name| names.contains(name)));
        let reason = unlisted.unwrap().to_string();
        let expected = "there are 2011 databases, and only 1000 of them are looked after; these are not: a0989, a0990";
        assert!(reason.starts_with(expected), "{reason}");
        // A server with too many: those without a backup wait.
        let (old, new) = (named("z", MAX_DATABASES), named("a", 5));
        let names = Census::of(&list, &old, &all(&[new, old.clone()])).names;
        assert!(old.iter().all(|name| names.contains(name)));
    }
}
