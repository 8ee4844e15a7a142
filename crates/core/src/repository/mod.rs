//! Which objects are a backup. A backup exists if and only if its manifest exists, and its manifest
//! is written last. What is listed is derived from keys and sizes alone, since `backup` may not read;
//! `verify` reads manifests, too.

mod bounded;
mod databases;
mod events;
mod id;
mod layout;
mod listing;
mod manifest;
mod names;
mod open;
mod plausible;
mod record;
mod seal;
mod signing;
mod table;
mod traces;

use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

pub use databases::{DatabaseSearch, StoredDatabases};
pub use events::{
    Author, ClusterTag, Event, EventKind, EventSignature, Journal, Kept, MAX_EVENTS, Moment, RunEvents, Tag, Word,
};
pub use id::BackupId;
pub use layout::Layout;
pub use listing::{Backup, Catalog, Drill, Incomplete};
pub use manifest::{
    CodecFacts, DatabaseFacts, Extension, FORMAT, Inventory, Manifest, ObjectCounts, ObjectFacts, Sequence, Table,
};
pub use names::{DatabaseDir, Kind, Role};
pub use open::ManifestError;
pub use plausible::can_be_role;
pub use record::{DrillRecord, RECORD_FORMAT, RecordError, RecordKey};
pub use seal::{UNSEALED, seal};
pub use signing::{Signers, SigningKey, SigningKeyError};

use crate::blocking::blocking;
use crate::storage::{ObjectKey, Purpose, Store, StoreError};

/// How long a run may be going on that has left no manifest yet, unless an earlier manifest says: the default of
/// `BACKUP_TIMEOUT`.
pub const RUN_MAY_TAKE: Duration = Duration::from_secs(6 * 3600);

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

/// Another writer has stored a manifest for a run of ours, which would make garbage of our dump a backup.
#[derive(Debug, thiserror::Error)]
#[error(
    "another writer has stored {0} before this run could: its credentials can write to this prefix. The dump is taken back, \
     since that manifest is not its own; rotate the keys of the bucket"
)]
pub struct Displaced(ObjectKey);

/// The backups of one database in a bucket: where they are, and the store that holds them.
pub struct Repository {
    store: Store,
    layout: Layout,
}

impl Repository {
    /// The backups that are at `layout` in `store`.
    pub fn new(store: Store, layout: Layout) -> Self {
        Self { store, layout }
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The keys of its objects.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Reads the manifest of backup `id`, which must be of that backup and of this database, and name
    /// objects beside it only.
    ///
    /// # Errors
    /// If it cannot be read, is damaged, or is too new; [`ManifestError::is_damage`] tells these apart.
    pub async fn manifest(&self, id: &BackupId) -> Result<Manifest, ManifestError> {
        Ok(self.manifest_and_digest(id).await?.0)
    }

    /// As [`Repository::manifest`], with the SHA-256 of the whole file in hexadecimal digits.
    ///
    /// # Errors
    /// As there.
    pub async fn manifest_and_digest(&self, id: &BackupId) -> Result<(Manifest, String), ManifestError> {
        let text = self.store.read(&self.layout.key(id, &Role::Manifest), open::MAX_MANIFEST_BYTES).await;
        let text = text.map_err(ManifestError::Unreadable)?;
        let (layout, id) = (self.layout.clone(), id.clone());
        blocking(move || Ok((layout.open_manifest(&id, &text)?, hex::encode(Sha256::digest(&text))))).await
    }

    /// Writes a line of the journal: an empty object.
    ///
    /// # Errors
    /// If the store refuses or cannot be reached.
    pub async fn record(&self, event: &Event) -> Result<(), StoreError> {
        self.store.put_new(&self.layout.event_key(event), Bytes::new(), Purpose::Note).await
    }

    /// Lists the bucket and sorts what it finds.
    ///
    /// # Errors
    /// If the listing cannot be read completely.
    pub async fn catalog(&self, now: DateTime<Utc>) -> anyhow::Result<Catalog> {
        let objects = self.store.list(&self.layout.start()).await.context("list backups")?;
        let layout = self.layout.clone();
        Ok(blocking(move || Catalog::from_listing(&layout, objects, now)).await)
    }

    /// Checks that the store lists every object of a backup with the size that was sent.
    ///
    /// # Errors
    /// If a size differs or an object is missing ([`NotListed`]). Then the backup must not be made to exist.
    pub async fn confirm(&self, manifest: &Manifest) -> anyhow::Result<()> {
        let start = self.layout.run_start(&manifest.id);
        let sent = manifest.objects().map(|object| (start.join(&object.name), object.digests.stored_bytes));
        self.find_in_listing(&manifest.id, &sent.collect::<Vec<_>>()).await
    }

    /// Looks for each of `sent` with its size in the listing of a run, more than once: some stores list an object
    /// a moment after they have answered that it is stored.
    async fn find_in_listing(&self, id: &BackupId, sent: &[(ObjectKey, u64)]) -> anyhow::Result<()> {
        let mut attempt = 1;
        loop {
            let listed = self.store.list(&self.layout.run_start(id)).await.context("list what was stored")?;
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

    /// Takes back what a run has stored before its commit was tried, or if that was [`Displaced`]. After another commit
    /// it must not be called: the manifest may be there, and would outlive its data.
    ///
    /// # Errors
    /// If the store refuses; what remains is an incomplete run.
    pub async fn discard(&self, id: &BackupId) -> anyhow::Result<()> {
        let mut objects = self.store.list(&self.layout.run_start(id)).await.context("list what was stored")?;
        // A manifest first: alone, it would look like a backup that has lost its data.
        let manifest = self.layout.key(id, &Role::Manifest);
        objects.sort_by_key(|object| object.key != manifest);
        for object in objects {
            self.store.delete(&object.key).await.context("delete")?;
        }
        Ok(())
    }

    /// Makes a backup exist: writes its manifest, the last object of the run, signed if there is a key, and
    /// looks for it in the listing. A store that answers 200 and has not stored it makes no backup.
    ///
    /// # Errors
    /// If it cannot be written, or is not listed ([`NotListed`]). It may be there nevertheless, or come later,
    /// so its data must stay; but not with [`Displaced`].
    pub async fn commit(&self, manifest: &Manifest, signing_key: Option<&SigningKey>) -> anyhow::Result<()> {
        let body = seal::write(manifest, signing_key).context("write manifest as JSON")?;
        let (key, sent_bytes) = (self.layout.key(&manifest.id, &Role::Manifest), body.len() as u64);
        match self.store.put_new(&key, body.into(), Purpose::Manifest).await {
            Err(StoreError::AlreadyExists(key)) => return Err(Displaced(key).into()),
            stored => stored.context("store manifest")?,
        }
        self.find_in_listing(&manifest.id, &[(key, sent_bytes)]).await
    }
}

#[cfg(test)]
mod tests;
