//! Which databases have backups below a prefix, and whose of them may be believed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

use super::open::MAX_MANIFEST_BYTES;
use super::traces::traces;
use super::{Backup, BackupId, Catalog, DatabaseDir, Layout, ManifestError, Repository, Role, Signers};
use crate::database_list::MAX_DATABASES;
use crate::storage::{ListedObject, Prefix, Store, StoreError};

/// Number of the newest manifests of a database that are read. One more is that which the store has had the longest:
/// a writer who adds manifests cannot make one older.
const NEWEST_READ: usize = 2;

/// Maximum bytes of all manifests that one search reads: a writer to the bucket shall not choose how long that takes.
const MAX_BYTES_READ: u64 = 4 * MAX_MANIFEST_BYTES;

/// What a listing tells of databases.
#[derive(Default)]
struct Folders {
    /// Those that have backups.
    found: Vec<Found>,
    /// Those that have traces of backups, and none.
    emptied: Vec<Emptied>,
}

/// A database that has no backup, and traces of such.
struct Emptied {
    name: String,
    /// Whether they show that it was there, and not only that a service was told its name: what is written of runs that
    /// fail, and of alarms, would make a name that was wrong a database that is gone.
    was_there: bool,
}

/// A database that has backups, by the listing.
struct Found {
    name: String,
    /// What to read of it, in this order, with the sizes that the store lists.
    manifests: Vec<(BackupId, u64)>,
    /// When the store says that its first manifest was written.
    since: Option<DateTime<Utc>>,
}

/// The databases that have backups below a prefix, each list in the order of their folders.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredDatabases {
    /// Those that count.
    pub names: Vec<String>,
    /// Those of which no manifest that was read is signed as it must be, while others have such a one.
    pub unsigned: Vec<String>,
    /// Those whose signature was not looked for, since there was too much to read. The next search goes on with them.
    pub unread: Vec<String>,
    /// Those that are too many.
    pub beyond: Vec<String>,
    /// Those that have no backup, and traces of such: a manifest without its data, or a journal.
    pub emptied: Vec<String>,
}

/// A search for databases whose backups may be believed. It remembers what it has read, so that a daemon does not read it
/// again at every look.
#[derive(Debug, Default)]
pub struct DatabaseSearch {
    /// What is known by name.
    known: Mutex<BTreeMap<String, Signature>>,
    /// Those of which a manifest could not be read for now, when it was tried last.
    unreadable: Mutex<BTreeSet<String>>,
}

/// What was found out of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Signature {
    /// One of its manifests was signed. Those that come later are looked at if they are used.
    Good,
    /// None of these is.
    NoneOf(Vec<(BackupId, u64)>),
}

impl Repository {
    /// The names of the databases that have backups below the prefix of `store`, in the order of their folders.
    ///
    /// # Errors
    /// If the listing cannot be read completely.
    pub async fn databases(store: &Store, now: DateTime<Utc>) -> Result<Vec<String>, StoreError> {
        let Folders { found, .. } = found_in(list(store).await?, store.prefix(), now);
        Ok(found.into_iter().map(|found| found.name).collect())
    }

    /// As [`Repository::databases`], and those that were there and of which only traces of backups are left.
    ///
    /// # Errors
    /// As there.
    pub async fn databases_with_traces(store: &Store, now: DateTime<Utc>) -> Result<Vec<String>, StoreError> {
        Ok(found_in(list(store).await?, store.prefix(), now).with_traces())
    }
}

impl DatabaseSearch {
    /// As [`Repository::databases`], at most [`MAX_DATABASES`], those that the bucket has had the longest; of several only
    /// those count that have a manifest which one of `signers` has signed, if there are signers and there is one. Anyone who
    /// can write to the bucket can make a folder that looks like a database. Of each, the two newest manifests and its first
    /// one are looked at, and 256 MiB altogether; those come first that the store has had the longest. One whose manifests
    /// cannot be read for now is among those that were not read, and keeps no other one from being read.
    ///
    /// # Errors
    /// As there, or if no signature is known, and a manifest cannot be read for now.
    pub async fn find(
        &self,
        signers: &Signers,
        store: &Store,
        now: DateTime<Utc>,
    ) -> Result<StoredDatabases, StoreError> {
        let Folders { found, emptied } = found_in(list(store).await?, store.prefix(), now);
        let emptied = emptied.into_iter().map(|emptied| emptied.name).collect();
        let (mut found, beyond) = first_of(found, MAX_DATABASES);
        let names: Vec<String> = found.iter().map(|found| found.name.clone()).collect();
        if names.len() < 2 || signers.is_empty() {
            return Ok(StoredDatabases { names, beyond, emptied, ..StoredDatabases::default() });
        }
        let failed = lock(&self.unreadable).clone();
        found.sort_by_key(|found| (failed.contains(&found.name), found.since.is_none(), found.since));
        let (mut bytes_left, mut unread) = (MAX_BYTES_READ, None);
        for found in &found {
            if self.knows(found) {
                continue;
            }
            let layout = Layout::new(store.prefix().clone(), &found.name).trusting(signers.clone());
            match found.signature(store, &layout, &mut bytes_left).await {
                Ok(signature) => {
                    lock(&self.unreadable).remove(&found.name);
                    signature.into_iter().for_each(|signature| {
                        lock(&self.known).insert(found.name.clone(), signature);
                    });
                }
                // It was tried again and again, and each of the others may take as long. It is the last one next time.
                Err(error) => {
                    lock(&self.unreadable).insert(found.name.clone());
                    unread = Some(error);
                    break;
                }
            }
        }
        lock(&self.unreadable).retain(|name| names.contains(name));
        let mut known = lock(&self.known);
        known.retain(|name, _| names.contains(name));
        let is_any_good = known.values().any(|signature| *signature == Signature::Good);
        match unread {
            Some(error) if !is_any_good => Err(error),
            _ => Ok(StoredDatabases { beyond, emptied, ..StoredDatabases::of(names, &known) }),
        }
    }

    /// Whether there is nothing to read of `found`.
    fn knows(&self, found: &Found) -> bool {
        match lock(&self.known).get(&found.name) {
            Some(Signature::Good) => true,
            Some(Signature::NoneOf(read)) => *read == found.manifests,
            None => false,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl StoredDatabases {
    fn of(all: Vec<String>, known: &BTreeMap<String, Signature>) -> Self {
        let mut stored = Self::default();
        for name in &all {
            let list = match known.get(name) {
                Some(Signature::Good) => &mut stored.names,
                Some(Signature::NoneOf(_)) => &mut stored.unsigned,
                None => &mut stored.unread,
            };
            list.push(name.clone());
        }
        if stored.names.is_empty() { Self { names: all, ..Self::default() } } else { stored }
    }
}

impl Folders {
    fn with_traces(self) -> Vec<String> {
        let gone = self.emptied.into_iter().filter(|emptied| emptied.was_there).map(|emptied| emptied.name);
        self.found.into_iter().map(|found| found.name).chain(gone).collect()
    }
}

impl Found {
    /// Whether one of its manifests is signed as `layout` asks for; `None` if not all could be looked at. Reads at most
    /// `bytes_left`, and takes off what it has read.
    async fn signature(
        &self,
        store: &Store,
        layout: &Layout,
        bytes_left: &mut u64,
    ) -> Result<Option<Signature>, StoreError> {
        for (id, bytes) in &self.manifests {
            let Some(left) = bytes_left.checked_sub(*bytes) else { return Ok(None) };
            *bytes_left = left;
            let text = match store.read(&layout.key(id, &Role::Manifest), *bytes).await {
                Ok(text) => text,
                Err(error) if error.is_passing() => return Err(error),
                // What is gone or cannot be had is no signature.
                Err(_) => continue,
            };
            match layout.open_manifest(id, &text) {
                // The signature was checked before the format.
                Ok(_) | Err(ManifestError::TooNew { .. }) => return Ok(Some(Signature::Good)),
                Err(_) => {}
            }
        }
        Ok(Some(Signature::NoneOf(self.manifests.clone())))
    }
}

async fn list(store: &Store) -> Result<Vec<ListedObject>, StoreError> {
    store.list(&store.prefix().key("")).await
}

/// At most so many of these, in their order, and the names of the others: those come first that the store has had the
/// longest. A writer to the bucket can make any number of folders, and can give them any name and no earlier time.
fn first_of(found: Vec<Found>, most: usize) -> (Vec<Found>, Vec<String>) {
    let mut placed: Vec<(usize, Found)> = found.into_iter().enumerate().collect();
    placed.sort_by_key(|(_, found)| (found.since.is_none(), found.since));
    let beyond = placed.split_off(placed.len().min(most)).into_iter().map(|(_, found)| found.name).collect();
    placed.sort_by_key(|(place, _)| *place);
    (placed.into_iter().map(|(_, found)| found).collect(), beyond)
}

/// The databases that have backups among `objects`, or traces of such, in the order of their folders.
fn found_in(objects: Vec<ListedObject>, prefix: &Prefix, now: DateTime<Utc>) -> Folders {
    let mut folders: BTreeMap<String, Vec<ListedObject>> = BTreeMap::new();
    for object in objects {
        let folder = prefix.strip(&object.key).and_then(|rest| rest.split_once('/')).map(|(folder, _)| folder);
        if let Some(folder) = folder {
            folders.entry(folder.to_owned()).or_default().push(object);
        }
    }
    let mut all = Folders::default();
    for (folder, objects) in folders {
        let Some(name) = DatabaseDir::decode(&folder) else { continue };
        let layout = Layout::new(prefix.clone(), &name);
        let is_manifest =
            |object: &&ListedObject| layout.parse(&object.key).is_some_and(|(_, role)| role == Role::Manifest);
        let sizes: BTreeMap<String, u64> =
            objects.iter().filter(is_manifest).map(|object| (object.key.as_str().to_owned(), object.bytes)).collect();
        let catalog = Catalog::from_listing(&layout, objects, now);
        let backups: Vec<&Backup> = catalog.from_the_future.iter().chain(&catalog.backups).collect();
        let Some(first) = backups.iter().min_by_key(|backup| (backup.committed_at.is_none(), backup.committed_at))
        else {
            all.emptied.extend(traces(&catalog, now).map(|was_there| Emptied { name, was_there }));
            continue;
        };
        let read = catalog.backups.iter().take(NEWEST_READ).chain([*first]);
        let sized = |backup: &Backup| {
            let bytes = sizes.get(layout.key(&backup.id, &Role::Manifest).as_str()).copied();
            (backup.id.clone(), bytes.unwrap_or(MAX_MANIFEST_BYTES))
        };
        let mut manifests: Vec<(BackupId, u64)> = read.map(sized).collect();
        manifests.dedup();
        manifests.retain(|(_, bytes)| *bytes <= MAX_MANIFEST_BYTES);
        let since = first.committed_at;
        all.found.push(Found { name, manifests, since });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::Kind;
    use crate::storage::ObjectKey;

    #[test]
    fn databases_are_those_with_backups_r011() {
        let prefix = Prefix::parse("p").unwrap();
        let id = BackupId::new("2026-11-22T03:00:00Z".parse().unwrap());
        let dump = Role::Dump { kind: Kind::Full, suffix: "" };
        let key = |database: &str, role: &Role| Layout::new(prefix.clone(), database).key(&id, role);
        let keys = [
            key("app", &Role::Manifest),
            key("app", &dump),
            key("Süd/1", &dump),
            key("Süd/1", &Role::Manifest),
            key("running", &dump),
            key("lost", &Role::Manifest),
            prefix.key("notes.txt"),
            prefix.key("s~C3/x"),
        ];
        let listed = |key: ObjectKey| ListedObject { key, bytes: 1, modified: None };
        let names = |now: &str| {
            let Folders { found, emptied } = found_in(keys.clone().map(listed).into(), &prefix, now.parse().unwrap());
            let emptied: Vec<String> = emptied.into_iter().map(|emptied| emptied.name).collect();
            (found.into_iter().map(|found| found.name).collect::<Vec<_>>(), emptied)
        };
        let all = |emptied: &[&str]| {
            let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
            (owned(&["Süd/1", "app"]), owned(emptied))
        };
        assert_eq!(names("2026-11-23T00:00:00Z"), all(&["lost"]));
        assert_eq!(names("2020-01-01T00:00:00Z"), all(&["lost"]));
    }

    /// The lines of its own runs that fail must not make a service believe in a database that it was told of by mistake.
    #[test]
    fn a_name_that_only_failed_runs_have_written_is_none_that_was_there() {
        let (prefix, began) = (Prefix::parse("p").unwrap(), "2026-11-22T03:00:00Z".parse::<DateTime<Utc>>().unwrap());
        let left = |name: &str, event: &str| {
            let key = prefix.key(&format!("{name}/events/{}-{event}", BackupId::new(began)));
            ListedObject { key, bytes: 0, modified: None }
        };
        let objects =
            vec![left("dropped", "backup-started-0123456789ab-1"), left("typo", "backup-failed-database_missing")];
        let folders = found_in(objects, &prefix, began + chrono::TimeDelta::days(1));
        let names: Vec<&str> = folders.emptied.iter().map(|emptied| emptied.name.as_str()).collect();
        assert_eq!(names, ["dropped", "typo"]);
        assert_eq!(folders.with_traces(), ["dropped"]);
    }

    /// Names that come before others in the alphabet take no place from what was there before.
    #[test]
    fn of_too_many_databases_those_count_that_the_bucket_has_had_the_longest() {
        let found = |name: &str, day: Option<u32>| Found {
            name: name.to_owned(),
            manifests: Vec::new(),
            since: day.map(|day| format!("2026-11-{day:02}T03:00:00Z").parse().unwrap()),
        };
        let all = || vec![found("0", Some(9)), found("1", None), found("app", Some(9)), found("zoo", Some(3))];
        let names = |most| {
            let (found, beyond) = first_of(all(), most);
            (found.into_iter().map(|found| found.name).collect::<Vec<_>>(), beyond)
        };
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(names(2), (owned(&["0", "zoo"]), owned(&["app", "1"])));
        assert_eq!(names(3), (owned(&["0", "app", "zoo"]), owned(&["1"])));
        assert_eq!(names(5), (owned(&["0", "1", "app", "zoo"]), Vec::new()));
    }

    /// A writer who adds manifests makes neither the first one nor more than the newest ones be read.
    #[test]
    fn the_newest_manifests_and_the_first_one_are_read() {
        let prefix = Prefix::parse("p").unwrap();
        let layout = Layout::new(prefix.clone(), "app");
        let time = |day: u32| format!("2026-11-{day:02}T03:00:00Z").parse::<DateTime<Utc>>().unwrap();
        // Ids of many days, all written on one; and one that was there before.
        let written = |day: u32| if day == 9 { time(9) } else { time(22) };
        let ids: Vec<BackupId> = (1..20).map(|day| BackupId::new(time(day))).collect();
        let objects = ids.iter().zip(1..20).flat_map(|(id, day)| {
            [Role::Manifest, Role::Dump { kind: Kind::Full, suffix: "" }].map(|role| ListedObject {
                key: layout.key(id, &role),
                bytes: u64::from(day),
                modified: Some(written(day)),
            })
        });
        let found = found_in(objects.collect(), &prefix, time(23));
        let read: Vec<(BackupId, u64)> =
            [(18, 19), (17, 18), (8, 9)].map(|(at, bytes)| (ids[at].clone(), bytes)).into();
        assert_eq!((found.found[0].manifests.clone(), found.found[0].since), (read, Some(time(9))));
    }

    #[test]
    fn what_does_not_count_is_named() {
        let all = || ["app", "crm", "shop"].map(str::to_owned).to_vec();
        let none = || Signature::NoneOf(Vec::new());
        let known = |entries: &[(&str, Signature)]| {
            entries.iter().map(|(name, signature)| ((*name).to_owned(), signature.clone())).collect::<BTreeMap<_, _>>()
        };
        let stored = StoredDatabases::of(all(), &known(&[("app", none()), ("shop", Signature::Good)]));
        let one = |name: &str| vec![name.to_owned()];
        assert_eq!(
            stored,
            StoredDatabases {
                names: one("shop"),
                unsigned: one("app"),
                unread: one("crm"),
                ..StoredDatabases::default()
            }
        );
        // If there is no good one, signatures tell nothing.
        let stored = StoredDatabases::of(all(), &known(&[("app", none())]));
        assert_eq!(stored, StoredDatabases { names: all(), ..StoredDatabases::default() });
    }
}
