//! The transaction whose snapshot the dump and the inventory share.

use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, Utc};

use super::connect::Session;

/// Tables whose rows are in another file than they were when the snapshot was taken. The catalog is read as the
/// snapshot sees it, and `pg_relation_filenode` says what is so now. Rows of an extension's tables are in a dump
/// only if the extension marks them.
const REWRITTEN: &str = "
    SELECT n.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
       AND pg_relation_filenode(c.oid) IS DISTINCT FROM c.relfilenode
       AND NOT EXISTS (SELECT FROM pg_depend e JOIN pg_extension x ON x.oid = e.refobjid
                        WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e'
                          AND e.refclassid = 'pg_extension'::regclass AND c.oid <> ALL (coalesce(x.extconfig, '{}')))
     ORDER BY 1, 2";

/// Names shown of the tables that were rewritten.
const MAX_NAMES: usize = 5;

/// What rewrites a table leaves no row version behind that an older snapshot sees: the table is empty in a dump
/// whose `pg_dump` has locked it only then, as if it had been empty at the snapshot.
#[derive(Debug, thiserror::Error)]
#[error(
    "tables were rewritten between the snapshot and the locks of pg_dump (by TRUNCATE, ALTER TABLE, CLUSTER or VACUUM FULL), \
     so their rows may be missing in the dump: {}", self.names()
)]
pub struct Rewritten {
    /// Schema and name of each.
    pub tables: Vec<(String, String)>,
}

impl Rewritten {
    fn names(&self) -> String {
        let shown: Vec<String> =
            self.tables.iter().take(MAX_NAMES).map(|(schema, name)| format!("{schema}.{name}")).collect();
        let more = self.tables.len() - shown.len();
        if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
    }
}

/// An exported snapshot; valid for as long as this value lives.
pub struct Snapshot {
    session: Session,
    name: String,
    at: DateTime<Utc>,
    backend_pid: i32,
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
        session.ask(session.client().batch_execute(&begin)).await.context("begin the snapshot's transaction")?;
        let export =
            "SELECT pg_catalog.pg_export_snapshot(), pg_catalog.clock_timestamp(), pg_catalog.pg_backend_pid()";
        let row = session.ask(session.client().query_one(export, &[])).await.context("export a snapshot")?;
        let (name, at) = (row.try_get(0)?, row.try_get::<_, std::time::SystemTime>(1)?.into());
        let backend_pid = row.try_get(2)?;
        Ok(Self { session, name, at, backend_pid })
    }

    /// What `pg_dump --snapshot` takes.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When it was taken, by the server's clock.
    pub fn at(&self) -> DateTime<Utc> {
        self.at
    }

    /// The process of the server that serves the session.
    pub fn backend_pid(&self) -> i32 {
        self.backend_pid
    }

    /// The tables that were rewritten since the snapshot was taken. To be asked once `pg_dump` holds its locks:
    /// from then on nothing can rewrite what it dumps.
    ///
    /// # Errors
    /// What the server says.
    pub async fn rewritten(&self) -> anyhow::Result<Rewritten> {
        let rows = self.session.ask(self.session.client().query(REWRITTEN, &[])).await;
        let rows = rows.context("look for tables that were rewritten")?;
        let tables = rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<anyhow::Result<_>>()?;
        Ok(Rewritten { tables })
    }

    /// Ends the transaction. `pg_dump` has taken the snapshot over by its first byte, and a session that is idle
    /// in a transaction for hours is what administrators end.
    ///
    /// # Errors
    /// What the server says.
    pub async fn release(&self) -> anyhow::Result<()> {
        self.session
            .ask(self.session.client().batch_execute("ROLLBACK"))
            .await
            .context("end the snapshot's transaction")
    }

    /// The session, inside the transaction.
    pub fn session(&self) -> &Session {
        &self.session
    }
}
