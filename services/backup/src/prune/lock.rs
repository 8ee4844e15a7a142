//! Retention is one process's work at a time, also if a platform lets an old deployment and a new one overlap.

use anyhow::Context;
use backup_core::postgres::connect::Session;
use sha2::{Digest, Sha256};

use crate::config::TargetConfig;

/// A session of the source's server whose advisory lock shows that a process prunes. The lock ends with it,
/// so a process that dies holds no other up.
pub(super) struct PruneLock {
    _session: Session,
}

impl PruneLock {
    /// `None` if another process prunes the same repository.
    ///
    /// # Errors
    /// If the server of the database cannot be asked.
    pub(super) async fn claim(config: &TargetConfig) -> anyhow::Result<Option<Self>> {
        let asked = async {
            let session = config.source.connect().await?;
            let key = lock_key(config);
            let row = session.client().query_one("SELECT pg_try_advisory_lock($1)", &[&key]).await?;
            anyhow::Ok((row.try_get::<_, bool>(0)?, session))
        };
        let (is_ours, session) = asked.await.context("ask the database's server whether another process prunes")?;
        Ok(is_ours.then_some(Self { _session: session }))
    }
}

/// Names the repository: one database may be backed up into several buckets.
fn lock_key(config: &TargetConfig) -> i64 {
    let (store, start) = (&config.process.store, config.layout().start());
    let digest = Sha256::digest(format!("retention of {:?}/{}/{start}", store.endpoint, store.bucket));
    let mut key = [0; 8];
    key.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(key)
}
