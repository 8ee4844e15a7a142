//! The database that a person wants a backup in.

use anyhow::{Context, bail};
use backup_core::catalog::DatabaseFacts;
use backup_core::postgres::connect::Session;
use backup_core::postgres::conninfo::Conninfo;
use backup_core::postgres::{NewDatabase, create_database, made_objects};

/// What is known of the target before anything is changed.
pub(crate) struct Destination {
    to: Conninfo,
    /// `server_version_num`.
    pub(crate) version_num: u32,
    pub(crate) server_version: String,
    pub(crate) is_superuser: bool,
    pub(crate) roles: Vec<String>,
    /// Extensions that could be created.
    pub(crate) available_extensions: Vec<String>,
    /// What is in it already, or that it cannot be used; empty where it will do.
    pub(crate) in_the_way: Vec<String>,
}

/// Databases of which one exists on every server.
const MAINTENANCE: [&str; 2] = ["postgres", "template1"];

impl Destination {
    /// Looks at the target; with `create`, at its server.
    ///
    /// # Errors
    /// Where the server cannot be reached.
    pub(crate) async fn inspect(to: &Conninfo, create: bool) -> anyhow::Result<Self> {
        let session = match create {
            false => to.connect().await.context("connect to the target")?,
            true => maintenance(to).await?,
        };
        let facts =
            "SELECT current_setting('server_version'), (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
                ARRAY(SELECT rolname::text FROM pg_roles), ARRAY(SELECT name::text FROM pg_available_extensions),
                EXISTS (SELECT FROM pg_database WHERE datname = $1)";
        let row = session.client().query_one(facts, &[&to.dbname()]).await.context("inspect the target")?;
        let exists: bool = row.try_get(4)?;
        let mut in_the_way = Vec::new();
        if create && exists {
            in_the_way.push(format!("database {} exists already; leave --create out, or name another", to.dbname()));
        }
        if !create {
            in_the_way.extend(contents(&session).await?);
        }
        Ok(Self {
            to: to.clone(),
            version_num: session.server_version_num(),
            server_version: row.try_get(0)?,
            is_superuser: row.try_get(1)?,
            roles: row.try_get(2)?,
            available_extensions: row.try_get(3)?,
            in_the_way,
        })
    }

    /// The name of the database.
    pub(crate) fn name(&self) -> &str {
        self.to.dbname()
    }

    /// Creates the database with the source's encoding and locale.
    ///
    /// # Errors
    /// What the server says, for example that it has no such locale.
    pub(crate) async fn create(&self, source: &DatabaseFacts) -> anyhow::Result<()> {
        let session = maintenance(&self.to).await?;
        let new = NewDatabase { name: self.to.dbname(), owner: None, tablespace: None };
        Ok(create_database(&session, new, source).await?)
    }
}

/// What is in the database of `session` already, in sentences; nothing where it is empty.
///
/// # Errors
/// What the server says.
pub(super) async fn contents(session: &Session) -> anyhow::Result<Vec<String>> {
    let made = made_objects(session).await.context("look into the target")?;
    let name = session.endpoint().dbname();
    Ok(made.iter().map(|(kind, count)| format!("database {name} is not empty: {count} {kind}")).collect())
}

async fn maintenance(to: &Conninfo) -> anyhow::Result<Session> {
    let mut last = None;
    for name in MAINTENANCE {
        match to.clone().with_dbname(name).connect().await {
            Ok(session) => return Ok(session),
            Err(error) => last = Some(error),
        }
    }
    match last {
        Some(error) => Err(anyhow::Error::from(error).context("connect to the target's server")),
        None => bail!("there is no database to connect to"),
    }
}
