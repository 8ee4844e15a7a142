//! Which databases have backups below a prefix, and whose of them may be believed.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::open::MAX_MANIFEST_BYTES;
use super::{Backup, BackupId, Catalog, DatabaseDir, Layout, ManifestError, Repository, Role, Signers};
use crate::storage::{ListedObject, Prefix, Store, StoreError};

/// Maximum number of databases whose manifests are read, those first that the store has had the longest.
const MAX_DATABASES_READ: usize = 50;

/// Number of the newest manifests of a database that are read. One more is that which the store has had the longest:
/// a writer who adds manifests cannot make one older.
const NEWEST_READ: usize = 2;

/// Maximum bytes of all manifests that are read: a writer to the bucket shall not choose how long that takes.
const MAX_BYTES_READ: u64 = 4 * MAX_MANIFEST_BYTES;

/// A database that has backups, by the listing.
struct Found {
    name: String,
    /// What to read of it, in this order, with the sizes that the store lists.
    manifests: Vec<(BackupId, u64)>,
    /// When the store says that its first manifest was written.
    since: Option<DateTime<Utc>>,
}

impl Repository {
    /// The names of the databases that have backups below the prefix of `store`, in the order of their folders.
    ///
    /// # Errors
    /// If the listing cannot be read completely.
    pub async fn databases(store: &Store, now: DateTime<Utc>) -> Result<Vec<String>, StoreError> {
        let found = found_in(list(store).await?, store.prefix(), now);
        Ok(found.into_iter().map(|found| found.name).collect())
    }

    /// As [`Repository::databases`]; of several only those that have a manifest which one of `signers` has signed, if
    /// there are signers and there is one. Anyone who can write to the bucket can make a folder that looks like a
    /// database. At most 50 are looked at, and of each the two newest manifests and its first one.
    ///
    /// # Errors
    /// As there, or if a manifest cannot be read for now.
    pub async fn databases_signed_by(
        signers: &Signers,
        store: &Store,
        now: DateTime<Utc>,
    ) -> Result<Vec<String>, StoreError> {
        let mut found = found_in(list(store).await?, store.prefix(), now);
        let names = |found: &[Found]| found.iter().map(|found| found.name.clone()).collect::<Vec<String>>();
        let all = names(&found);
        if all.len() < 2 || signers.is_empty() {
            return Ok(all);
        }
        found.sort_by_key(|found| (found.since.is_none(), found.since));
        let (mut signed, mut bytes_left) = (Vec::new(), MAX_BYTES_READ);
        for found in found.into_iter().take(MAX_DATABASES_READ) {
            let layout = Layout::new(store.prefix().clone(), &found.name).trusting(signers.clone());
            if found.is_signed(store, &layout, &mut bytes_left).await? {
                signed.push(found);
            }
        }
        Ok(if signed.is_empty() { all } else { names(&signed) })
    }
}

impl Found {
    /// Whether one of its manifests is signed as `layout` asks for. Reads at most `bytes_left`, and takes off what it has
    /// read.
    async fn is_signed(&self, store: &Store, layout: &Layout, bytes_left: &mut u64) -> Result<bool, StoreError> {
        for (id, bytes) in &self.manifests {
            let Some(left) = bytes_left.checked_sub(*bytes) else { continue };
            *bytes_left = left;
            let text = match store.read(&layout.key(id, &Role::Manifest), *bytes).await {
                Ok(text) => text,
                Err(error) if error.is_passing() => return Err(error),
                // What is gone or cannot be had is no signature.
                Err(_) => continue,
            };
            match layout.open_manifest(id, &text) {
                // The signature was checked before the format.
                Ok(_) | Err(ManifestError::TooNew { .. }) => return Ok(true),
                Err(_) => {}
            }
        }
        Ok(false)
    }
}

async fn list(store: &Store) -> Result<Vec<ListedObject>, StoreError> {
    store.list(&store.prefix().key("")).await
}

/// The databases that have backups among `objects`, in the order of their folders.
fn found_in(objects: Vec<ListedObject>, prefix: &Prefix, now: DateTime<Utc>) -> Vec<Found> {
    let mut folders: BTreeMap<String, Vec<ListedObject>> = BTreeMap::new();
    for object in objects {
        let folder = prefix.strip(&object.key).and_then(|rest| rest.split_once('/')).map(|(folder, _)| folder);
        if let Some(folder) = folder {
            folders.entry(folder.to_owned()).or_default().push(object);
        }
    }
    let found = folders.into_iter().filter_map(|(folder, objects)| {
        let name = DatabaseDir::decode(&folder)?;
        let layout = Layout::new(prefix.clone(), &name);
        let is_manifest =
            |object: &&ListedObject| layout.parse(&object.key).is_some_and(|(_, role)| role == Role::Manifest);
        let sizes: BTreeMap<String, u64> =
            objects.iter().filter(is_manifest).map(|object| (object.key.as_str().to_owned(), object.bytes)).collect();
        let catalog = Catalog::from_listing(&layout, objects, now);
        let backups: Vec<&Backup> = catalog.from_the_future.iter().chain(&catalog.backups).collect();
        let first = backups.iter().min_by_key(|backup| (backup.committed_at.is_none(), backup.committed_at))?;
        let read = catalog.backups.iter().take(NEWEST_READ).chain([*first]);
        let sized = |backup: &Backup| {
            let bytes = sizes.get(layout.key(&backup.id, &Role::Manifest).as_str()).copied();
            (backup.id.clone(), bytes.unwrap_or(MAX_MANIFEST_BYTES))
        };
        let mut manifests: Vec<(BackupId, u64)> = read.map(sized).collect();
        manifests.dedup();
        manifests.retain(|(_, bytes)| *bytes <= MAX_MANIFEST_BYTES);
        Some(Found { name, manifests, since: first.committed_at })
    });
    found.collect()
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
            let found = found_in(keys.clone().map(listed).into(), &prefix, now.parse().unwrap());
            found.into_iter().map(|found| found.name).collect::<Vec<_>>()
        };
        assert_eq!(names("2026-11-23T00:00:00Z"), ["Süd/1", "app"]);
        assert_eq!(names("2020-01-01T00:00:00Z"), ["Süd/1", "app"]);
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
        assert_eq!((found[0].manifests.clone(), found[0].since), (read, Some(time(9))));
    }
}
