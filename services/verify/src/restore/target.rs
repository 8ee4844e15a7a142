//! The database that a person wants a backup in.

use std::collections::BTreeSet;

use anyhow::{Context, bail};
use backup_core::postgres::connect::Session;
use backup_core::postgres::conninfo::Conninfo;
use backup_core::postgres::{
    NewDatabase, Tablespaces, close_database, create_database, database_differences, made_objects, read_texts,
    set_database_level,
};
use backup_core::repository::DatabaseFacts;
use backup_drill::Evidence;
use pgdump_archive::{Archive, DatabaseLevel};

/// What is known of the target before anything is changed.
pub(crate) struct Destination {
    /// How to reach it.
    pub(crate) to: Conninfo,
    /// Whether the restore makes the database.
    pub(crate) is_created: bool,
    /// `server_version_num`.
    pub(crate) version_num: u32,
    pub(crate) server_version: String,
    roles: Vec<String>,
    tablespaces: Vec<String>,
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
        let facts = "SELECT current_setting('server_version'), ARRAY(SELECT rolname::text FROM pg_roles),
                EXISTS (SELECT FROM pg_database WHERE datname = $1), ARRAY(SELECT spcname::text FROM pg_tablespace),
                rolsuper, rolsuper OR rolcreatedb, current_user::text FROM pg_roles WHERE rolname = current_user";
        let row = session.client().query_one(facts, &[&to.dbname()]).await.context("inspect the target")?;
        let exists: bool = row.try_get(2)?;
        let mut in_the_way = Vec::new();
        if create && exists {
            in_the_way.push(format!("database {} exists already; leave --create out, or name another", to.dbname()));
        }
        if create && !row.try_get::<_, bool>(5)? {
            let login: &str = row.try_get(6)?;
            in_the_way.push(format!(
                "the login {login} may not create databases: give it CREATEDB, or create database {} by hand and leave \
                 --create out",
                to.dbname()
            ));
        }
        if !create {
            in_the_way.extend(contents(&session).await?);
        }
        let (version_num, is_superuser) = (session.server_version_num(), row.try_get(4)?);
        let to = to.clone();
        Ok(Self {
            to: if is_superuser { to.without_event_triggers(version_num) } else { to },
            is_created: create,
            version_num,
            server_version: row.try_get(0)?,
            roles: row.try_get(1)?,
            tablespaces: row.try_get(3)?,
            in_the_way,
        })
    }

    /// The name of the database.
    pub(crate) fn name(&self) -> &str {
        self.to.dbname()
    }

    /// Lets the target's server read the names and definitions of an archive in another encoding than UTF-8.
    ///
    /// # Errors
    /// What the server says.
    pub(crate) async fn read_texts(&self, archive: &mut Archive) -> anyhow::Result<()> {
        read_texts(archive, &self.session().await?).await
    }

    /// Creates the database with the source's encoding and locale, in the tablespace of the source if the server has
    /// one of this name. It is closed to everybody else until [`Destination::complete`].
    ///
    /// # Errors
    /// What the server says, for example that it has no such locale.
    pub(crate) async fn create(&self, source: &DatabaseFacts, level: &DatabaseLevel) -> anyhow::Result<()> {
        let session = maintenance(&self.to).await?;
        let tablespace = level.tablespace.as_deref().filter(|name| self.has_tablespace(name));
        let new = NewDatabase { name: self.to.dbname(), owner: None, tablespace };
        create_database(&session, new, source).await?;
        close_database(&session, self.name()).await
    }

    /// What keeps a database that the restore makes from being as `level` says, in sentences.
    pub(crate) fn lacks(&self, level: &DatabaseLevel) -> Vec<String> {
        let is_absent = |role: &&str| !self.roles.iter().any(|there| there == role);
        let absent: Vec<&str> = level.roles().into_iter().filter(|_| self.is_created).filter(is_absent).collect();
        match absent.as_slice() {
            [] => Vec::new(),
            absent => vec![format!(
                "the target lacks roles that own the database, may use it or have settings in it: {}; make them with \
                 `verify roles` first, or create them",
                absent.join(", ")
            )],
        }
    }

    /// Those of the archive if the server has all of them.
    pub(crate) fn tablespaces(&self, archive: &Archive, evidence: &mut Evidence) -> Tablespaces {
        let of_database = DatabaseLevel::of(archive).tablespace.filter(|_| self.is_created);
        let of_objects = archive.entries.iter().map(|entry| entry.tablespace.as_str()).filter(|name| !name.is_empty());
        let named: BTreeSet<&str> = of_objects.chain(of_database.as_deref()).collect();
        let absent: Vec<&str> = named.into_iter().filter(|name| !self.has_tablespace(name)).collect();
        if absent.is_empty() {
            return Tablespaces::Archive;
        }
        evidence.note(format!(
            "the target's server lacks tablespaces of the source ({}): everything lies in the database's own",
            absent.join(", ")
        ));
        Tablespaces::Default
    }

    /// To another database if this one is made by the restore.
    pub(crate) async fn session(&self) -> anyhow::Result<Session> {
        match self.is_created {
            false => self.to.connect().await.context("connect to the target"),
            true => maintenance(&self.to).await,
        }
    }

    fn has_tablespace(&self, name: &str) -> bool {
        self.tablespaces.iter().any(|there| there == name)
    }

    /// Gives a database that the restore made its owner, rights, settings, comment and limit, and compares them. Of a
    /// database that was there only notes say what the archive holds.
    ///
    /// # Errors
    /// What the server says, other than that it refuses a property.
    pub(crate) async fn complete(&self, level: &DatabaseLevel, evidence: &mut Evidence) -> anyhow::Result<()> {
        let not_read = level.not_read.iter().map(|entry| format!("not restored: {entry} could not be read"));
        let session = self.session().await?;
        if !self.is_created {
            let differences = database_differences(&session, self.name(), level).await?;
            let left =
                differences.into_iter().map(|difference| format!("left as it is without --create: {difference}"));
            left.chain(not_read).for_each(|note| evidence.note(note));
            return Ok(());
        }
        let refused = set_database_level(&session, self.name(), level).await?;
        refused.into_iter().for_each(|sentence| evidence.note(sentence));
        let mut found = database_differences(&session, self.name(), level).await?;
        found.extend(not_read);
        let (settings, grants) = (level.settings.len(), level.grants.len());
        let figures = format!("owner, comment, limit, {settings} settings and {grants} grants of the database itself");
        evidence.record("database", figures, found);
        Ok(())
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
