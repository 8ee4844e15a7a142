//! What of a database a dump can contain: the rows of its tables, and not their indexes.

use super::connect::Session;

/// A table that is locked for longer is not waited for: the size of the whole database does, too.
const BOUNDS: &str = "BEGIN READ ONLY; SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '60s'";

/// With their TOAST tables. Of the catalogs, only large objects are dumped as rows; materialized views are computed
/// anew, and partitioned tables have no storage of their own.
const TABLES_BYTES: &str = "
    SELECT coalesce(sum(pg_catalog.pg_table_size(c.oid)), 0)::pg_catalog.int8
      FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'r' AND c.relpersistence <> 't'
       AND (n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
            OR c.oid = 'pg_catalog.pg_largeobject'::pg_catalog.regclass)";

/// Bytes of the tables of this database without their indexes; `None` if the server does not tell within a minute, or
/// a table is locked. Asking takes a shared lock on each table for a moment.
pub async fn tables_bytes(session: &Session) -> Option<u64> {
    let client = session.client();
    let asked = async {
        client.batch_execute(BOUNDS).await?;
        client.query_one(TABLES_BYTES, &[]).await?.try_get::<_, i64>(0)
    };
    let asked = asked.await.map_err(|error| tracing::debug!(%error, "cannot tell the size of the tables"));
    // After an error, too: the session goes on with other questions.
    if let Err(error) = client.batch_execute("ROLLBACK").await {
        tracing::debug!(%error, "cannot end the question about sizes");
    }
    asked.ok().and_then(|bytes| u64::try_from(bytes).ok())
}
