//! Which objects are a backup. A backup exists if and only if its manifest exists, and its manifest
//! is written last. What is listed is derived from keys and sizes alone, since `backup` may not read;
//! `verify` reads manifests, too.

mod events;
mod id;
mod listing;
mod manifest;
mod names;
mod open;
mod plausible;
mod record;
mod seal;
mod signing;
mod table;

use std::time::Duration;

use anyhow::Context;

pub use events::{ClusterTag, Event, EventKind, EventSignature, Journal, RunEvents};
pub use id::BackupId;
pub use listing::{Backup, Catalog, Drill, Incomplete};
pub use manifest::{
    CodecFacts, DatabaseFacts, Extension, FORMAT, Inventory, Manifest, ObjectCounts, ObjectFacts, Sequence, Table,
};
pub use names::{DatabaseDir, Kind, Role};
pub use open::ManifestError;
pub use plausible::can_be_role;
pub use record::RecordKey;
pub use seal::{UNSEALED, seal};
pub use signing::{Signers, SigningKey, SigningKeyError};

use crate::codec::encryption::Label;
use crate::storage::{ObjectKey, Store, StoreError};

/// How often the listing is asked for what was stored, and the time between.
const LISTING_ATTEMPTS: u32 = 3;
const LISTING_PAUSE: Duration = Duration::from_millis(500);

/// The store has said that an object is stored, and does not list it so.
#[derive(Debug, thiserror::Error)]
#[error(
    "{key} has {} bytes in the listing and {sent_bytes} were sent, although the store has said that it is stored",
    self.listed_bytes.map_or_else(|| "no".to_owned(), |bytes| bytes.to_string())
)]
pub struct NotListed {
    /// The object.
    pub key: ObjectKey,
    /// Its size.
    pub sent_bytes: u64,
    /// Its size in the listing, if it is there.
    pub listed_bytes: Option<u64>,
}

/// The keys of one database's backups below the prefix of a bucket.
#[derive(Debug, Clone)]
pub struct Shelf {
    prefix: crate::storage::Prefix,
    database: DatabaseDir,
    signers: Signers,
}

impl Shelf {
    /// The backups of `database` below `prefix`.
    pub fn new(prefix: crate::storage::Prefix, database: &str) -> Self {
        Self { prefix, database: DatabaseDir::encode(database), signers: Signers::default() }
    }

    /// This shelf, where manifests are believed only if one of `signers` has signed them. Without any, all are.
    #[must_use]
    pub fn trusting(self, signers: Signers) -> Self {
        Self { signers, ..self }
    }

    /// What the object with this role in backup `id` is bound to.
    pub fn label(&self, id: &BackupId, role: &Role) -> Label {
        let (database, object) = (self.database.to_string(), role.file_name(&self.database));
        Label { database, backup: id.to_string(), object }
    }

    /// The key of the object with this role in backup `id`.
    pub fn key(&self, id: &BackupId, role: &Role) -> ObjectKey {
        self.prefix.key(&format!("{}/{id}/{}", self.database, role.file_name(&self.database)))
    }

    /// What every key of this database starts with. It ends with `/`, so that `app` never sees
    /// `app_staging`.
    pub fn start(&self) -> ObjectKey {
        self.prefix.key(&format!("{}/", self.database))
    }

    /// What every key of one run starts with.
    fn run_start(&self, id: &BackupId) -> ObjectKey {
        self.prefix.key(&format!("{}/{id}/", self.database))
    }

    /// The backup and role that `key` belongs to, if it is completely one of ours.
    pub fn parse(&self, key: &ObjectKey) -> Option<(BackupId, Role)> {
        let rest = self.prefix.strip(key)?.strip_prefix(&self.database.to_string())?.strip_prefix('/')?;
        let (id, file_name) = rest.split_once('/')?;
        Some((BackupId::parse(id)?, Role::parse(file_name, &self.database)?))
    }

    /// The key of an event of this database.
    pub fn event_key(&self, event: &Event) -> ObjectKey {
        self.prefix.key(&format!("{}/{}/{}", self.database, events::FOLDER, event.file_name()))
    }

    /// The event that `key` is, if it is completely one of ours.
    pub fn parse_event(&self, key: &ObjectKey) -> Option<Event> {
        let rest = self.prefix.strip(key)?.strip_prefix(&self.database.to_string())?.strip_prefix('/')?;
        Event::parse(rest.strip_prefix(events::FOLDER)?.strip_prefix('/')?)
    }

    /// `event` with a signature by `key`, if it is of a kind that can have one. It holds for this database and prefix
    /// alone.
    #[must_use]
    pub fn sign_event(&self, event: Event, key: &SigningKey) -> Event {
        let Event { id, kind: EventKind::SizeAccepted { from, .. } } = event else { return event };
        let unsigned = Event { id: id.clone(), kind: EventKind::SizeAccepted { from: from.clone(), signature: None } };
        let signature = Some(EventSignature::of(&key.sign(self.event_key(&unsigned).as_str().as_bytes())));
        Event { id, kind: EventKind::SizeAccepted { from, signature } }
    }

    /// Whether `event` counts: if signatures matter, one that stands for an operator's word must have one.
    fn believes(&self, event: &Event) -> bool {
        let EventKind::SizeAccepted { from, signature } = &event.kind else { return true };
        let kind = EventKind::SizeAccepted { from: from.clone(), signature: None };
        let key = self.event_key(&Event { id: event.id.clone(), kind });
        let signature = signature.as_ref().map(EventSignature::to_base64);
        self.signers.is_empty() || self.signers.check(key.as_str().as_bytes(), signature.as_deref()).is_ok()
    }

    /// Writes a line of the journal: an empty object.
    ///
    /// # Errors
    /// If the store refuses or cannot be reached.
    pub async fn record(&self, store: &Store, event: &Event) -> Result<(), StoreError> {
        store.put_new(&self.event_key(event), bytes::Bytes::new()).await
    }

    /// Lists the bucket and sorts what it finds.
    ///
    /// # Errors
    /// If the listing cannot be read completely.
    pub async fn catalog(&self, store: &Store, now: chrono::DateTime<chrono::Utc>) -> anyhow::Result<Catalog> {
        let objects = store.list(&self.start()).await.context("list backups")?;
        Ok(Catalog::from_listing(self, objects, now))
    }

    /// Checks that the store lists every object of a backup with the size that was sent.
    ///
    /// # Errors
    /// If a size differs or an object is missing ([`NotListed`]). Then the backup must not be made to exist.
    pub async fn confirm(&self, store: &Store, manifest: &Manifest) -> anyhow::Result<()> {
        let start = self.run_start(&manifest.id);
        let mut sent = Vec::new();
        for object in manifest.objects() {
            let key = start_key(&start, &object.name, &self.prefix).context("name of a stored object")?;
            sent.push((key, object.digests.stored_bytes));
        }
        self.find_in_listing(store, &manifest.id, &sent).await
    }

    /// Looks for each of `sent` with its size in the listing of a run, more than once: some stores list an object
    /// a moment after they have answered that it is stored.
    async fn find_in_listing(&self, store: &Store, id: &BackupId, sent: &[(ObjectKey, u64)]) -> anyhow::Result<()> {
        let mut attempt = 1;
        loop {
            let listed = store.list(&self.run_start(id)).await.context("list what was stored")?;
            let bytes_of = |key: &ObjectKey| listed.iter().find(|listed| listed.key == *key).map(|listed| listed.bytes);
            let Some((key, sent_bytes)) = sent.iter().find(|(key, bytes)| bytes_of(key) != Some(*bytes)) else {
                return Ok(());
            };
            if attempt == LISTING_ATTEMPTS {
                return Err(NotListed { key: key.clone(), sent_bytes: *sent_bytes, listed_bytes: bytes_of(key) }.into());
            }
            attempt += 1;
            tokio::time::sleep(LISTING_PAUSE).await;
        }
    }

    /// Takes back what a run has stored before its commit was tried. After that it must not be
    /// called: the manifest may be there, and would outlive its data.
    ///
    /// # Errors
    /// If the store refuses; what remains is debris.
    pub async fn discard(&self, store: &Store, id: &BackupId) -> anyhow::Result<()> {
        for object in store.list(&self.run_start(id)).await.context("list what was stored")? {
            store.delete(&object.key).await.context("delete")?;
        }
        Ok(())
    }

    /// Makes a backup exist: writes its manifest, the last object of the run, signed if there is a key, and
    /// looks for it in the listing. A store that answers 200 and has not stored it makes no backup.
    ///
    /// # Errors
    /// If it cannot be written, or is not listed ([`NotListed`]). It may be there nevertheless, or come later,
    /// so its data must stay.
    pub async fn commit(
        &self,
        store: &Store,
        manifest: &Manifest,
        signing_key: Option<&SigningKey>,
    ) -> anyhow::Result<()> {
        let body = seal::write(manifest, signing_key).context("write manifest as JSON")?;
        let (key, sent_bytes) = (self.key(&manifest.id, &Role::Manifest), body.len() as u64);
        store.put_new(&key, body.into()).await.context("store manifest")?;
        self.find_in_listing(store, &manifest.id, &[(key, sent_bytes)]).await
    }
}

fn start_key(start: &ObjectKey, name: &str, prefix: &crate::storage::Prefix) -> Option<ObjectKey> {
    prefix.strip(start).map(|relative| prefix.key(&format!("{relative}{name}")))
}

#[cfg(test)]
mod tests;
