//! Which databases have backups below a prefix, and whose of them may be believed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

use super::open::MAX_MANIFEST_BYTES;
use super::traces::traces;
use super::{Backup, BackupId, Catalog, DatabaseDir, Layout, ManifestError, Repository, Role, Signers};
use crate::blocking::blocking;
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
    /// When the store says that the first trace was written.
    since: Option<DateTime<Utc>>,
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
    /// Those that have no backup, and traces of such: a manifest without its data, or a journal. Those come first that the
    /// bucket has had the longest.
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
        let Folders { found, .. } = folders(store, now).await?;
        Ok(found.into_iter().map(|found| found.name).collect())
    }

    /// As [`Repository::databases`], and those that were there and of which only traces of backups are left. Those come first
    /// that the bucket has had the longest: a writer to it can make any number of folders, and give them any name and no
    /// earlier time.
    ///
    /// # Errors
    /// As there.
    pub async fn databases_with_traces(store: &Store, now: DateTime<Utc>) -> Result<Vec<String>, StoreError> {
        Ok(folders(store, now).await?.by_age())
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
        let Folders { found, emptied } = folders(store, now).await?;
        let emptied = oldest_first(emptied.into_iter().map(|emptied| (emptied.name, emptied.since)).collect());
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
    /// The names of all that were there, the oldest first.
    fn by_age(self) -> Vec<String> {
        let found = self.found.into_iter().map(|found| (found.name, found.since));
        let gone = self.emptied.into_iter().filter(|emptied| emptied.was_there);
        oldest_first(found.chain(gone.map(|emptied| (emptied.name, emptied.since))).collect())
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
            let (layout, id) = (layout.clone(), id.clone());
            match blocking(move || layout.open_manifest(&id, &text)).await {
                // The signature was checked before the format.
                Ok(_) | Err(ManifestError::TooNew { .. }) => return Ok(Some(Signature::Good)),
                Err(_) => {}
            }
        }
        Ok(Some(Signature::NoneOf(self.manifests.clone())))
    }
}

async fn folders(store: &Store, now: DateTime<Utc>) -> Result<Folders, StoreError> {
    let (objects, prefix) = (store.list(&store.prefix().key("")).await?, store.prefix().clone());
    Ok(blocking(move || found_in(objects, &prefix, now)).await)
}

/// These names, in the order of the times since when the store has them.
fn oldest_first(mut named: Vec<(String, Option<DateTime<Utc>>)>) -> Vec<String> {
    named.sort_by_key(|(_, since)| (since.is_none(), *since));
    named.into_iter().map(|(name, _)| name).collect()
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
        let first_written = objects.iter().filter_map(|object| object.modified).min();
        let catalog = Catalog::from_listing(&layout, objects, now);
        let backups: Vec<&Backup> = catalog.from_the_future.iter().chain(&catalog.backups).collect();
        let Some(first) = backups.iter().min_by_key(|backup| (backup.committed_at.is_none(), backup.committed_at))
        else {
            all.emptied.extend(traces(&catalog, now).map(|was_there| Emptied {
                name,
                was_there,
                since: first_written,
            }));
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
mod tests;
