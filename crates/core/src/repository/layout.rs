//! Which key each object of a database's backups has, and whose signatures count. Nothing here asks the store.

use super::{
    BackupId, DatabaseDir, Event, EventKind, EventSignature, Kept, RecordKey, Role, Signers, SigningKey, Tag, events,
};
use crate::codec::encryption::Label;
use crate::storage::{ObjectKey, Prefix};

/// The keys of one database's backups below the prefix of a bucket.
#[derive(Debug, Clone)]
pub struct Layout {
    pub(super) prefix: Prefix,
    pub(super) database: DatabaseDir,
    pub(super) signers: Signers,
}

impl Layout {
    /// The backups of `database` below `prefix`.
    pub fn new(prefix: Prefix, database: &str) -> Self {
        Self { prefix, database: DatabaseDir::encode(database), signers: Signers::default() }
    }

    /// This layout, with manifests believed only if one of `signers` has signed them. Without any, all are.
    #[must_use]
    pub fn trusting(self, signers: Signers) -> Self {
        Self { signers, ..self }
    }

    /// The name of the database.
    pub fn database(&self) -> String {
        DatabaseDir::decode(&self.database.to_string()).unwrap_or_default()
    }

    /// What the object with this role in backup `id` is bound to.
    pub fn label(&self, id: &BackupId, role: &Role) -> Label {
        let (database, object) = (self.database.to_string(), role.file_name(&self.database));
        Label { database, backup: id.to_string(), object }
    }

    /// The key of the object with this role in backup `id`.
    pub fn key(&self, id: &BackupId, role: &Role) -> ObjectKey {
        self.run_start(id).join(&role.file_name(&self.database))
    }

    /// What every key of this database starts with. It ends with `/`, so that `app` never sees
    /// `app_staging`.
    pub fn start(&self) -> ObjectKey {
        self.prefix.key(&format!("{}/", self.database))
    }

    /// What every key of one run starts with.
    pub(super) fn run_start(&self, id: &BackupId) -> ObjectKey {
        self.start().join(&format!("{id}/"))
    }

    /// The backup and role that `key` belongs to, if it is completely one of ours.
    pub fn parse(&self, key: &ObjectKey) -> Option<(BackupId, Role)> {
        let rest = self.below_start(key)?;
        let (id, file_name) = rest.split_once('/')?;
        Some((BackupId::parse(id)?, Role::parse(file_name, &self.database)?))
    }

    /// What follows [`Layout::start`] in `key`.
    fn below_start<'key>(&self, key: &'key ObjectKey) -> Option<&'key str> {
        key.as_str().strip_prefix(self.start().as_str())
    }

    /// The key of an event of this database.
    pub fn event_key(&self, event: &Event) -> ObjectKey {
        self.start().join(&format!("{}/{}", events::FOLDER, event.file_name()))
    }

    /// The event that `key` is, if it is completely one of ours.
    pub fn parse_event(&self, key: &ObjectKey) -> Option<Event> {
        Event::parse(self.below_start(key)?.strip_prefix(events::FOLDER)?.strip_prefix('/')?)
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

    /// What happened at `at`, as the service keeps it that has `key`.
    pub fn keep(&self, at: BackupId, kept: Kept, key: &RecordKey) -> Event {
        let untagged = Event { id: at.clone(), kind: EventKind::Kept(kept.clone(), Tag::none()) };
        let tag = key.tag(&self.event_key(&untagged));
        Event { id: at, kind: EventKind::Kept(kept, tag) }
    }

    /// What `event` keeps, if the holder of `key` has written it here.
    pub fn kept<'event>(&self, event: &'event Event, key: &RecordKey) -> Option<&'event Kept> {
        let EventKind::Kept(kept, _) = &event.kind else { return None };
        (self.keep(event.id.clone(), kept.clone(), key) == *event).then_some(kept)
    }

    /// Whether `event` counts: if signatures matter, one that stands for an operator's word must have one.
    pub(super) fn believes(&self, event: &Event) -> bool {
        let EventKind::SizeAccepted { from, signature } = &event.kind else { return true };
        let kind = EventKind::SizeAccepted { from: from.clone(), signature: None };
        let key = self.event_key(&Event { id: event.id.clone(), kind });
        let signature = signature.as_ref().map(EventSignature::to_base64);
        self.signers.is_empty() || self.signers.check(key.as_str().as_bytes(), signature.as_deref()).is_ok()
    }
}
