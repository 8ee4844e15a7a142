//! A second, empty database beside a restored one: the archive's own definitions become there what they become on
//! this server, without a row.

use anyhow::{Context, ensure};
use chrono::Utc;
use postgres_protocol::escape::{escape_identifier, escape_literal};
use tokio::time::timeout;

use super::super::connect::Session;
use super::super::conninfo::Conninfo;
use super::super::drill_server::hold_lock;
use super::super::locale::{Locale, NewDatabase};
use super::super::prepare::{Prepared, Prerequisites};
use super::{CREATE_LIMIT, CleanupFailed, RunId, ScratchDb, remove};
use crate::repository::DatabaseFacts;

/// The reference database of a drill. It has the run, the owner and the roles of the scratch database, and
/// [`ScratchDb::drop`] drops both.
pub struct ReferenceDb<'server> {
    inner: ScratchDb<'server>,
}

impl ScratchDb<'_> {
    /// Creates the reference database of this run, as the scratch database was created.
    ///
    /// # Errors
    /// What the server says.
    pub async fn create_reference(&self) -> anyhow::Result<ReferenceDb<'_>> {
        let name = self.names.reference.clone();
        let guard = self.server.maintenance().connect().await.context("connect to the drill server")?;
        let mut inner = ScratchDb {
            server: self.server,
            run: self.run.clone(),
            names: self.names.clone(),
            owner: self.owner.clone().with_dbname(&name),
            admin: self.admin.clone().map(|admin| admin.with_dbname(&name)),
            roles: Vec::new(),
            notes: Vec::new(),
            guard,
        };
        let created = timeout(CREATE_LIMIT, inner.create_database()).await;
        created.with_context(|| format!("no answer within {} s", CREATE_LIMIT.as_secs()))??;
        Ok(ReferenceDb { inner })
    }
}

impl ReferenceDb<'_> {
    /// The login that restores and checks.
    pub fn owner(&self) -> &Conninfo {
        self.inner.owner()
    }

    /// A login to this database that may create extensions, if there is one.
    pub fn admin(&self) -> Option<&Conninfo> {
        self.inner.admin()
    }

    /// As [`ScratchDb::prepare`]; the roles are there already.
    ///
    /// # Errors
    /// As [`ScratchDb::prepare`].
    pub async fn prepare(&mut self, wanted: &Prerequisites) -> anyhow::Result<Prepared> {
        self.inner.prepare(wanted).await
    }
}

/// A reference database on the server of a person, made by their login.
///
/// It has the name and the mark of a drill's, so the sweep of a drill on that server drops it if this process dies.
pub struct GuestDb {
    to: Conninfo,
    run: RunId,
    /// Holds the advisory lock that shows that this run lives.
    guard: Session,
}

impl GuestDb {
    /// A name for a database beside that of `beside`. Nothing is created yet.
    ///
    /// # Errors
    /// If the login may not create databases, and what else the server says.
    pub async fn reserve(beside: &Conninfo) -> anyhow::Result<Self> {
        let run = RunId::new(Utc::now());
        let guard = beside.connect().await.context("connect to the target")?;
        let may_create = "SELECT rolsuper OR rolcreatedb FROM pg_catalog.pg_roles WHERE rolname = current_user";
        let may_create: bool = guard.client().query_one(may_create, &[]).await?.try_get(0)?;
        ensure!(may_create, "the login may not create databases");
        ensure!(hold_lock(&guard, run.lock_key()).await?, "another run has the same lock; try again");
        Ok(Self { to: beside.clone().with_dbname(&run.reference()), run, guard })
    }

    /// Creates it, empty, in the source's encoding and locale if the server has it, else with locale C.
    ///
    /// # Errors
    /// What the server says.
    pub async fn create(&self, source: &DatabaseFacts) -> anyhow::Result<()> {
        let created = timeout(CREATE_LIMIT, self.create_database(source)).await;
        created.with_context(|| format!("no answer within {} s", CREATE_LIMIT.as_secs()))?
    }

    async fn create_database(&self, source: &DatabaseFacts) -> anyhow::Result<()> {
        let locale = Locale::of(source);
        let new = NewDatabase { name: self.to.dbname(), owner: None, tablespace: None };
        let mut created = locale.create_database(&self.guard, new).await;
        if let (Err(_), Some(fallback)) = (&created, locale.fallback()) {
            created = fallback.create_database(&self.guard, new).await;
        }
        created.context("create the reference database")?;
        let name = escape_identifier(self.to.dbname());
        let sql = format!(
            "COMMENT ON DATABASE {name} IS {};
             REVOKE ALL ON DATABASE {name} FROM PUBLIC",
            escape_literal(&self.run.comment())
        );
        self.guard.client().batch_execute(&sql).await.context("mark the reference database as ours")
    }

    /// The login to it.
    pub fn to(&self) -> &Conninfo {
        &self.to
    }

    /// Ends every session in it, and drops it if it was created.
    ///
    /// # Errors
    /// As [`ScratchDb::drop`].
    pub async fn drop(self) -> Result<(), CleanupFailed> {
        // From the database that the person named, which exists for certain.
        let beside = self.to.clone().with_dbname(self.guard.endpoint().dbname());
        let removed = remove(&beside, &self.to, &self.run, &[]).await;
        self.guard.close().await;
        removed
    }
}
