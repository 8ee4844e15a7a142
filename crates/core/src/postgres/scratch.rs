//! The database of one drill, which can only be made: nothing else is ever restored into or dropped.

mod adopted;
mod names;
mod reference;
mod removal;
mod run;

use std::time::Duration;

use anyhow::{Context, ensure};
use chrono::Utc;
use postgres_protocol::escape::{escape_identifier, escape_literal};
use postgres_protocol::password::scram_sha_256;
use tokio::time::timeout;

use super::connect::Session;
use super::conninfo::Conninfo;
use super::drill_server::{LockedServer, Ownership, hold_lock};
use super::locale::{Locale, NewDatabase};
use super::neutral::{SourceName, random_text};
use crate::secret::Secret;

pub(super) use adopted::IS_UNTOUCHED;
pub use reference::{GuestDb, ReferenceDb};
pub use removal::CleanupFailed;
pub(super) use removal::remove;
pub(super) use run::RunId;

use names::Names;

/// Copying the template takes a moment; a server that waits for a checkpoint on a busy disk, minutes.
const CREATE_LIMIT: Duration = Duration::from_secs(300);

/// Of 62 characters: 190 bits.
const PASSWORD_CHARS: usize = 32;

/// An empty database that this run created, with its owner, for as long as the lock on the server is held.
///
/// [`ScratchDb::drop`] removes it. If that is never called, the next
/// [`DrillServer::sweep`](super::DrillServer::sweep) after the end of this process does.
pub struct ScratchDb<'server> {
    server: &'server LockedServer<'server>,
    run: RunId,
    names: Names,
    owner: Conninfo,
    admin: Option<Conninfo>,
    /// Roles that this run created, in the order of their creation.
    pub(super) roles: Vec<String>,
    notes: Vec<String>,
    /// Holds the advisory lock that shows that this run lives.
    guard: Session,
}

impl LockedServer<'_> {
    /// Creates a database for one drill, in the source's encoding and locale if the server has it,
    /// else in the same encoding with locale C and a note.
    ///
    /// # Errors
    /// What the server says. What was created until then is removed again.
    pub async fn create_scratch(&self) -> anyhow::Result<ScratchDb<'_>> {
        let run = RunId::new(Utc::now());
        let guard = self.maintenance().connect().await.context("connect to the drill server")?;
        let names = match self.throwaway() {
            None => {
                ensure!(hold_lock(&guard, run.lock_key()).await?, "another run has the same lock; try again");
                Names::of_run(&run)
            }
            Some(source) => names_on_throwaway(&guard, source).await?,
        };
        let database = names.database.clone();
        let version = guard.server_version_num();
        // Under any name: this is before anything of the archive.
        let acting = "SELECT nullif(current_user, session_user)::text";
        let acting: Option<String> = guard.client().query_one(acting, &[]).await?.try_get(0)?;
        let acting = acting.as_deref();
        let inside = |login: &Conninfo, role: Option<&str>, is_superuser: bool| {
            let login = login.clone().with_dbname(&database).pinned(role);
            if is_superuser { login.without_event_triggers(version) } else { login }
        };
        let owns = self.ownership() == Ownership::Login;
        let of_login = acting.filter(|_| std::ptr::eq(self.login(), self.maintenance()));
        let owner = inside(self.login(), of_login, owns && self.login_is_superuser());
        let admin = self.admin().map(|admin| inside(admin, acting, self.maintenance_is_superuser()));
        let mut scratch =
            ScratchDb { server: self, run, names, owner, admin, roles: Vec::new(), notes: Vec::new(), guard };
        match scratch.create().await {
            Ok(()) => Ok(scratch),
            Err(error) => {
                if let Err(failure) = scratch.drop().await {
                    tracing::warn!(
                        scratch_database = failure.database,
                        "cannot take a half-made scratch database back"
                    );
                }
                Err(error)
            }
        }
    }
}

/// When the server of `login` was started, in its words, asked in a session of its own.
///
/// # Errors
/// What the server says.
pub async fn server_start(login: &Conninfo) -> anyhow::Result<String> {
    let session = login.connect().await?;
    let question = session.client().query_one("SELECT pg_catalog.pg_postmaster_start_time()::text", &[]);
    let row = session.ask(question).await?;
    let start = row.try_get(0)?;
    session.close().await;
    Ok(start)
}

/// A test of a backup makes several databases on one throwaway server. Only the first one has the source's name.
async fn names_on_throwaway(session: &Session, source: &SourceName) -> anyhow::Result<Names> {
    let names = Names::like(source);
    let question = "SELECT FROM pg_catalog.pg_database WHERE datname = $1";
    let is_taken = !session.client().query(question, &[&names.database]).await.context("list databases")?.is_empty();
    Ok(if is_taken { Names::neutral() } else { names })
}

impl ScratchDb<'_> {
    /// Its name.
    pub fn name(&self) -> &str {
        self.owner.dbname()
    }

    /// The login that restores and checks: a plain role, unless the operator chose otherwise.
    pub fn owner(&self) -> &Conninfo {
        &self.owner
    }

    /// A login to this database that may create roles and extensions, if there is one.
    pub fn admin(&self) -> Option<&Conninfo> {
        self.admin.as_ref()
    }

    /// When the server was started, in its words, asked in a session of its own. Two answers that are equal are of a
    /// server that has not been started anew between them.
    ///
    /// # Errors
    /// What the server says.
    pub async fn server_start(&self) -> anyhow::Result<String> {
        server_start(self.server.maintenance()).await.context("connect to the drill server")
    }

    /// Whether the login that restores also looks after the server: code of an archive can spoil that one.
    pub fn has_one_login(&self) -> bool {
        self.admin.is_none() && self.server.ownership() == Ownership::Login
    }

    /// What a report should say: a locale that is not the source's.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Ends every session in the database and in the run's reference database, drops both, and then the roles that
    /// the run created. On a throwaway server all of that goes with the server.
    ///
    /// # Errors
    /// [`CleanupFailed`] after several attempts, each with a connection of its own. The next sweep tries again.
    pub async fn drop(self) -> Result<(), CleanupFailed> {
        let inside = self.admin.as_ref().unwrap_or(&self.owner);
        let removed = match self.server.throwaway() {
            None => remove(self.server.maintenance(), inside, &self.run, &self.roles).await,
            Some(_) => Ok(()),
        };
        self.guard.close().await;
        removed
    }

    /// Whether the login that restores is a superuser: the operator's explicit choice.
    pub(super) fn owner_is_superuser(&self) -> bool {
        self.server.ownership() == Ownership::Login && self.server.login_is_superuser()
    }

    /// Whether the server is one that this process started.
    pub fn is_on_throwaway(&self) -> bool {
        self.server.is_throwaway()
    }

    /// Whether the admin's login is a superuser.
    pub(super) fn maintenance_is_superuser(&self) -> bool {
        self.server.maintenance_is_superuser()
    }

    /// The statement that marks what the run creates, such as `ROLE "name"`; none on a throwaway server.
    pub(super) fn mark(&self, object: &str) -> String {
        let comment = self.names.comment.as_deref();
        comment.map_or_else(String::new, |text| format!("COMMENT ON {object} IS {};", escape_literal(text)))
    }

    async fn create(&mut self) -> anyhow::Result<()> {
        if self.server.ownership() == Ownership::NewRole {
            self.create_owner().await.context("create the owner of the scratch database")?;
        }
        let created = timeout(CREATE_LIMIT, self.create_database()).await;
        created.with_context(|| format!("no answer within {} s", CREATE_LIMIT.as_secs()))?
    }

    /// The role is created together with its comment, in the one transaction that a message with several
    /// statements is. The server's log sees only a verifier of the password.
    async fn create_owner(&mut self) -> anyhow::Result<()> {
        let (name, password) = (self.names.owner.clone(), Secret::new(random_text(PASSWORD_CHARS)));
        let quoted = escape_identifier(&name);
        let row_security = if self.server.maintenance_is_superuser() { "BYPASSRLS" } else { "" };
        // Others than superusers need membership to create a database for a role, and to drop it.
        let membership = match self.server.maintenance_is_superuser() {
            true => String::new(),
            false => format!("GRANT {quoted} TO CURRENT_USER;"),
        };
        let sql = format!(
            "CREATE ROLE {quoted} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE {row_security} PASSWORD {};
             {}
             {membership}",
            escape_literal(&scram_sha_256(password.expose().as_bytes())),
            self.mark(&format!("ROLE {quoted}"))
        );
        self.guard.client().batch_execute(&sql).await?;
        let database = self.owner.dbname().to_owned();
        self.owner =
            self.server.login().clone().with_dbname(&database).with_login(&name, Some(&password))?.pinned(None);
        self.roles.push(name);
        Ok(())
    }

    async fn create_database(&mut self) -> anyhow::Result<()> {
        let locale = self.server.locale();
        if let Err(error) = self.try_create_database(locale).await {
            let Some(fallback) = locale.fallback() else {
                return Err(anyhow::Error::from(error).context("create the scratch database"));
            };
            self.try_create_database(&fallback).await.context("create the scratch database")?;
            self.notes.push(locale.fallback_note());
        }
        let name = escape_identifier(self.name());
        let sql = format!(
            "{}
             REVOKE ALL ON DATABASE {name} FROM PUBLIC", // What is restored into it is closed to other roles.
            self.mark(&format!("DATABASE {name}"))
        );
        self.guard.client().batch_execute(&sql).await.context("mark the scratch database as ours")
    }

    async fn try_create_database(&self, locale: &Locale) -> Result<(), tokio_postgres::Error> {
        let new = NewDatabase { name: self.name(), owner: Some(self.owner.user()), tablespace: None };
        locale.create_database(&self.guard, new).await
    }
}
