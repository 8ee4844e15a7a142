//! The last values of sequences, which no snapshot covers, read in a transaction of their own.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio_postgres::error::SqlState;

use super::connect::Session;
use super::user_relations::USER_RELATIONS;

/// One reading waits no longer than this for the lock of a sequence, and lets go of all of them before the next one.
/// This is below the default of `deadlock_timeout`: two owners who drop two sequences each, and a reading between
/// them, must not end with the owner as the victim.
const READING_LOCK_WAIT: Duration = Duration::from_millis(500);

/// Between two readings, so that those who queued behind the first one get their locks.
const PAUSE: Duration = Duration::from_millis(500);

/// Last values by the oid of their sequence. One that was never used, or that the role may not read, has none.
#[derive(Debug, Default)]
pub struct LastValues(HashMap<u32, i64>);

impl LastValues {
    /// Reads the last values of all sequences of users; `session` is in no transaction.
    ///
    /// `pg_sequence_last_value` locks its sequence until the end of the transaction, also if a savepoint around
    /// it is rolled back. In the transaction of the snapshot, an owner's `DROP SEQUENCE` would wait for as long as that is open,
    /// `pg_dump` and every `nextval` behind the owner, and the snapshot for `pg_dump`. So this is asked before the
    /// snapshot is taken, and a value is never later than that in the dump.
    ///
    /// # Errors
    /// What the server says, at the latest when a sequence has been locked for `lock_wait`.
    pub async fn read(session: &Session, lock_wait: Duration) -> anyhow::Result<Self> {
        let started = Instant::now();
        loop {
            match Self::read_once(session).await {
                Err(error) if may_pass(&error) && started.elapsed() < lock_wait => tokio::time::sleep(PAUSE).await,
                read => return read.context("read sequences"),
            }
        }
    }

    /// The last value of this sequence.
    pub(super) fn of(&self, oid: u32) -> Option<i64> {
        self.0.get(&oid).copied()
    }

    async fn read_once(session: &Session) -> anyhow::Result<Self> {
        let client = session.client();
        let begin = format!("BEGIN READ ONLY; SET LOCAL lock_timeout = {}", READING_LOCK_WAIT.as_millis());
        client.batch_execute(&begin).await?;
        let sql = format!(
            "SELECT c.oid,
                    CASE WHEN has_sequence_privilege(c.oid, 'SELECT, USAGE') THEN pg_sequence_last_value(c.oid) END
             {USER_RELATIONS} AND c.relkind = 'S'"
        );
        let rows = client.query(&sql, &[]).await;
        let ended = client.batch_execute("ROLLBACK").await;
        let rows = rows?;
        ended?;
        let mut values = HashMap::new();
        for row in &rows {
            if let Some(value) = row.try_get::<_, Option<i64>>(1)? {
                values.insert(row.try_get(0)?, value);
            }
        }
        Ok(Self(values))
    }
}

/// Whether a sequence was locked, or dropped while the reading waited for it: "could not open relation with OID" has no
/// class of its own.
fn may_pass(error: &anyhow::Error) -> bool {
    let code = error.downcast_ref::<tokio_postgres::Error>().and_then(tokio_postgres::Error::code);
    code.is_some_and(|code| [SqlState::LOCK_NOT_AVAILABLE, SqlState::INTERNAL_ERROR].contains(code))
}
