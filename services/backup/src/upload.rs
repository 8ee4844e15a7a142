//! Where the objects of a run go.

use std::sync::Arc;
use std::time::Duration;

use backup_core::codec::encode;
use backup_core::progress::Progress;
use backup_core::repository::{BackupId, ObjectFacts, Repository, Role};
use backup_core::stop::{Share, Stop};
use backup_core::storage::{ObjectKey, UploadPlan};
use backup_core::stored::{Digests, Stored};
use tokio::io::AsyncRead;

use crate::config::TargetConfig;

/// Time to take back what a failed run has stored; what remains is deleted as an abandoned run a day later.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(2);

/// Where the objects of a run go.
pub(crate) struct Upload<'run> {
    pub(crate) config: &'run TargetConfig,
    pub(crate) progress: &'run Progress,
    pub(crate) repository: &'run Repository,
    pub(crate) id: &'run BackupId,
}

/// An object that is being encoded, as far as that goes before it is put.
pub(crate) struct Encoding {
    key: ObjectKey,
    plan: UploadPlan,
    body: Stored,
}

impl Upload<'_> {
    pub(crate) fn encode<R>(&self, plain: R, role: Role, plan: UploadPlan) -> Encoding
    where
        R: AsyncRead + Send + Unpin + 'static,
    {
        let codec = self.config.dump.codec.clone();
        let key = self.repository.layout().key(self.id, &role);
        let counter = match &role {
            Role::Dump { .. } => Arc::clone(self.progress.done_bytes()),
            _ => Arc::default(), // The progress of a run is that of its dump.
        };
        let body = encode(plain, codec, &self.repository.layout().label(self.id, &role), plan.part_bytes, counter);
        Encoding { key, plan, body }
    }

    pub(crate) async fn put(&self, Encoding { key, plan, body }: Encoding, stop: &Stop) -> anyhow::Result<ObjectFacts> {
        let digests: Digests = self.repository.store().put(&key, plan, body, stop).await?;
        Ok(ObjectFacts { name: file_name(&key), digests })
    }

    /// Takes back what a failed run has stored. The failure itself stays the one that is shown.
    pub(crate) async fn discard(&self, stop: &Stop) {
        let limit = stop.limit(Share::CleanUp, DISCARD_TIMEOUT);
        let discarded = tokio::time::timeout(limit, self.repository.discard(self.id)).await;
        if let Ok(Err(error)) = discarded {
            tracing::debug!(error = format!("{error:#}"), "cannot take back what the run has stored");
        }
    }
}

pub(crate) fn file_name(key: &ObjectKey) -> String {
    key.as_str().rsplit('/').next().unwrap_or_default().to_owned()
}
