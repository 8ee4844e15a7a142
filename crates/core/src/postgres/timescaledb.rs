//! TimescaleDB wants to know of a restore: between `timescaledb_pre_restore()` and
//! `timescaledb_post_restore()` it lets rows into its own tables and chunks without acting on them. Its manual
//! asks for both, in a database in which the extension is there already, in the version of the source.

use anyhow::Context;
use postgres_protocol::escape::escape_identifier;

use super::connect::Session;

/// The name of the extension, and of its library.
pub const TIMESCALEDB: &str = "timescaledb";

/// What a throwaway server is told that has its library: nothing of it runs by itself then, and it calls no other host.
const SETTINGS: [(&str, &str); 2] =
    [("timescaledb.max_background_workers", "0"), ("timescaledb.telemetry_level", "off")];

/// The settings for a server that loads its library.
pub(super) fn settings() -> impl Iterator<Item = (&'static str, String)> {
    SETTINGS.into_iter().map(|(name, value)| (name, value.to_owned()))
}

/// A restore into a database with TimescaleDB, from the call before it to the call after it.
///
/// Between the two, functions of the archive run. Their role may own the schema of the extension, rename it, drop it
/// with all that is in it and put functions of its own there. `session` is a superuser's, so it calls nothing but the
/// functions that were the extension's before.
pub struct Timescaledb<'session> {
    session: &'session Session,
    /// The `oid` of the function to call at the end.
    post_restore: u32,
}

/// Functions of the extension without arguments.
const MEMBERS: &str = "
    SELECT p.oid, n.nspname::text, p.proname::text
      FROM pg_catalog.pg_extension e
      JOIN pg_catalog.pg_depend d
        ON d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'
      JOIN pg_catalog.pg_proc p ON d.classid = 'pg_catalog.pg_proc'::regclass AND p.oid = d.objid AND p.pronargs = 0
      JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
     WHERE e.extname = $1";

impl<'session> Timescaledb<'session> {
    /// Tells the extension that a restore begins; `None` if the database has none. `session` must be a
    /// superuser's, or the database owner's if the extension lets that one.
    ///
    /// # Errors
    /// What the extension says, as of a version other than that of the rows.
    pub async fn begin_restore(session: &'session Session) -> anyhow::Result<Option<Self>> {
        let sql = "SELECT FROM pg_catalog.pg_extension WHERE extname = $1";
        if session.client().query_opt(sql, &[&TIMESCALEDB]).await.context("look for TimescaleDB")?.is_none() {
            return Ok(None);
        }
        let find = async |name: &str| {
            let sql = format!("{MEMBERS} AND p.proname = $2");
            let row = session.client().query_one(&sql, &[&TIMESCALEDB, &name]).await;
            Ok::<u32, anyhow::Error>(row.with_context(|| format!("look for {name} of TimescaleDB"))?.try_get(0)?)
        };
        let pre_restore = find("timescaledb_pre_restore").await?;
        let hooks = Self { session, post_restore: find("timescaledb_post_restore").await? };
        hooks.call(pre_restore).await?;
        Ok(Some(hooks))
    }

    /// Tells it that all rows and indexes are there.
    ///
    /// # Errors
    /// What the extension says; and if the function is gone, or no longer the extension's.
    pub async fn end_restore(self) -> anyhow::Result<()> {
        self.call(self.post_restore).await
    }

    /// By the name that the function has now: nothing of the archive runs any more.
    async fn call(&self, function: u32) -> anyhow::Result<()> {
        let sql = format!("{MEMBERS} AND p.oid = $2");
        let row =
            self.session.client().query_opt(&sql, &[&TIMESCALEDB, &function]).await.context("call TimescaleDB")?;
        let row = row.context("a function of TimescaleDB is gone, or no longer its own; it was not called")?;
        let (schema, name): (String, String) = (row.try_get(1)?, row.try_get(2)?);
        let sql = format!("SELECT {}.{}()", escape_identifier(&schema), escape_identifier(&name));
        self.session.client().batch_execute(&sql).await.with_context(|| format!("call {name}"))
    }
}
