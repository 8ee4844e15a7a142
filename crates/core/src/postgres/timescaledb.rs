//! TimescaleDB wants to know of a restore: between `timescaledb_pre_restore()` and
//! `timescaledb_post_restore()` it lets rows into its own tables and chunks without acting on them. Its manual
//! asks for both, in a database in which the extension is there already, in the version of the source.

use anyhow::Context;
use postgres_protocol::escape::escape_identifier;

use super::connect::Session;

/// The name of the extension, and of its library.
pub const TIMESCALEDB: &str = "timescaledb";

/// What a throwaway server is told that has its library: nothing of it runs by itself then, and it calls nobody.
const SETTINGS: [(&str, &str); 2] =
    [("timescaledb.max_background_workers", "0"), ("timescaledb.telemetry_level", "off")];

/// The settings for a server that loads its library.
pub(super) fn settings() -> impl Iterator<Item = (&'static str, String)> {
    SETTINGS.into_iter().map(|(name, value)| (name, value.to_owned()))
}

/// A restore into a database with TimescaleDB, from the call before it to the call after it.
pub struct Timescaledb<'session> {
    session: &'session Session,
    /// Quoted.
    schema: String,
}

impl<'session> Timescaledb<'session> {
    /// Tells the extension that a restore begins; `None` where the database has none. `session` must be a
    /// superuser's, or the database owner's where the extension lets that one.
    ///
    /// # Errors
    /// What the extension says, as of a version other than that of the rows.
    pub async fn begin_restore(session: &'session Session) -> anyhow::Result<Option<Self>> {
        let sql = "SELECT n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
                    WHERE e.extname = $1";
        let Some(row) = session.client().query_opt(sql, &[&TIMESCALEDB]).await.context("look for TimescaleDB")? else {
            return Ok(None);
        };
        let hooks = Self { session, schema: escape_identifier(row.try_get(0)?) };
        hooks.call("timescaledb_pre_restore").await?;
        Ok(Some(hooks))
    }

    /// Tells it that all rows and indexes are there.
    ///
    /// # Errors
    /// What the extension says.
    pub async fn end_restore(self) -> anyhow::Result<()> {
        self.call("timescaledb_post_restore").await
    }

    async fn call(&self, function: &'static str) -> anyhow::Result<()> {
        let sql = format!("SELECT {}.{function}()", self.schema);
        self.session.client().batch_execute(&sql).await.with_context(|| format!("call {function}"))
    }
}
