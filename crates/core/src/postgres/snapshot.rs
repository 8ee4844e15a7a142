//! The transaction whose snapshot the dump and the inventory share.

use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, Utc};

use super::connect::Session;

/// An exported snapshot; valid for as long as this value lives.
pub struct Snapshot {
    session: Session,
    name: String,
    at: DateTime<Utc>,
}

impl Snapshot {
    /// Begins a repeatable-read, read-only transaction on `session` and exports its snapshot.
    /// No statement of it waits for a lock longer than `lock_wait`.
    ///
    /// # Errors
    /// What the server says.
    pub async fn export(session: Session, lock_wait: Duration) -> anyhow::Result<Self> {
        let begin = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL lock_timeout = {}; SET LOCAL row_security = off",
            lock_wait.as_millis()
        );
        session.client().batch_execute(&begin).await.context("begin the snapshot's transaction")?;
        let row = session
            .client()
            .query_one("SELECT pg_catalog.pg_export_snapshot(), pg_catalog.clock_timestamp()", &[])
            .await
            .context("export a snapshot")?;
        let (name, at) = (row.try_get(0)?, row.try_get::<_, std::time::SystemTime>(1)?.into());
        Ok(Self { session, name, at })
    }

    /// What `pg_dump --snapshot` takes.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When it was taken, by the server's clock.
    pub fn at(&self) -> DateTime<Utc> {
        self.at
    }

    /// The session, inside the transaction.
    pub fn session(&self) -> &Session {
        &self.session
    }
}
