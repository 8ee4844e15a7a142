//! The server that a drill happens on: a throwaway one, or one that the operator gives.

mod lock;
mod powers;
mod sweep;

use anyhow::{Context, ensure};
use pgdump_archive::Archive;

use super::connect::Session;
use super::conninfo::Conninfo;
use super::facts::{OLDEST_SERVER_MAJOR, system_identifier};
use super::locale::Locale;
use super::neutral::SourceName;
use super::recode::read_texts;
use super::throwaway::Throwaway;
use crate::repository::DatabaseFacts;

use powers::Powers;

pub(super) use lock::hold_lock;
pub use sweep::Swept;

/// As whom to restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreAs {
    /// A role that can harm nothing outside its database.
    PlainRole,
    /// A superuser: the archive may then run any program as the server's user. The operator's explicit choice.
    Superuser,
}

/// Whether a drill may happen on the cluster that was backed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceCluster {
    /// Never.
    Refused,
    /// The operator says so.
    Allowed,
}

/// What the operator allows.
#[derive(Debug, Clone, Copy)]
pub struct DrillPolicy {
    /// As whom to restore.
    pub restore_as: RestoreAs,
    /// Whether the cluster that was backed up will do.
    pub source_cluster: SourceCluster,
}

/// Where drills happen, and how to get in. Nothing is known of it yet.
///
/// [`DrillServer::inspect`] makes it a [`SuitableServer`], [`SuitableServer::lock`] a
/// [`LockedServer`], and only that can create a [`ScratchDb`](super::ScratchDb).
#[derive(Debug, Clone)]
pub struct DrillServer {
    login: Conninfo,
    admin: Option<Conninfo>,
    is_throwaway: bool,
}

/// A server that passed every question for one backup.
pub struct SuitableServer<'server> {
    server: &'server DrillServer,
    major: u32,
    locale: Locale,
    source_name: SourceName,
    ownership: Ownership,
    login_is_superuser: bool,
    maintenance_is_superuser: bool,
    notes: Vec<String>,
}

/// A server on which no other drill happens for as long as this value lives.
pub struct LockedServer<'server> {
    suitable: SuitableServer<'server>,
    _session: Session,
}

/// Who owns the database of a drill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ownership {
    /// A role made for the run, which goes with it.
    NewRole,
    /// The login that was given.
    Login,
}

impl DrillServer {
    /// A server of the operator's. `admin` is a login to the same cluster that may create roles,
    /// extensions and databases. The databases that the two name are connected to, and nothing else.
    pub fn external(login: Conninfo, admin: Option<Conninfo>) -> Self {
        Self { login, admin, is_throwaway: false }
    }

    /// A server that we started ourselves.
    pub fn throwaway(server: &Throwaway) -> Self {
        Self { login: server.admin().clone(), admin: None, is_throwaway: true }
    }

    /// Asks the server whether a backup of `source` may be restored there.
    ///
    /// # Errors
    /// The first reason why not: it cannot be reached, is older than the source, is the very cluster
    /// that was backed up, or its logins may do too much or too little.
    pub async fn inspect(&self, source: &DatabaseFacts, policy: DrillPolicy) -> anyhow::Result<SuitableServer<'_>> {
        let session = self.maintenance().connect().await.context("connect to the drill server")?;
        let major = session.server_version_num() / 10_000;
        refuse_older(major, source.server_version_num / 10_000)?;
        let identifier = system_identifier(&session).await;
        let mut notes = match self.is_throwaway {
            true => Vec::new(), // It was made a moment ago, by us.
            false => refuse_source(identifier.as_deref(), source.system_identifier.as_deref(), policy.source_cluster)?,
        };
        let ownership = match policy.restore_as {
            RestoreAs::PlainRole if self.is_throwaway || self.admin.is_some() => Ownership::NewRole,
            RestoreAs::PlainRole | RestoreAs::Superuser => Ownership::Login,
        };
        let maintenance = Powers::of(&session).await?;
        let login = match self.admin {
            None => maintenance,
            Some(_) => {
                let session = self.login.connect().await.context("connect to the drill server")?;
                let other = system_identifier(&session).await;
                refuse_other_cluster(identifier.as_deref(), other.as_deref(), policy.source_cluster)?;
                Powers::of(&session).await?
            }
        };
        let runs_as_login = (ownership, policy.restore_as) == (Ownership::Login, RestoreAs::PlainRole);
        if runs_as_login && !login.superuser {
            powers::refuse_reach(&session).await?;
        }
        if !self.is_throwaway {
            login.check_restorer(policy.restore_as)?;
        }
        maintenance.check_maintenance(ownership)?;
        if runs_as_login {
            notes.push(RUNS_AS_LOGIN.to_owned());
        }
        session.close().await;
        Ok(SuitableServer {
            server: self,
            major,
            locale: Locale::of(source),
            source_name: SourceName::of(source),
            ownership,
            login_is_superuser: login.superuser,
            maintenance_is_superuser: maintenance.superuser,
            notes,
        })
    }

    /// Lets this server read the texts of an archive that is not in UTF-8.
    ///
    /// # Errors
    /// As [`read_texts`].
    pub async fn read_texts(&self, archive: &mut Archive) -> anyhow::Result<()> {
        let session = self.maintenance().connect().await.context("connect to the drill server")?;
        read_texts(archive, &session).await?;
        session.close().await;
        Ok(())
    }

    /// The login that creates and drops databases.
    fn maintenance(&self) -> &Conninfo {
        self.admin.as_ref().unwrap_or(&self.login)
    }
}

impl<'server> SuitableServer<'server> {
    /// The server's major version, which decides about the `pg_restore` to use.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// What a report should say: a check that could not be made.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Takes the lock of the server, or returns `None` if another drill holds it. It is an
    /// advisory lock of a session, so the death of its holder frees it.
    ///
    /// # Errors
    /// What the server says.
    pub async fn lock(self) -> anyhow::Result<Option<LockedServer<'server>>> {
        let session = self.server.maintenance().connect().await.context("connect to the drill server")?;
        // A throwaway server is ours alone, and a lock would tell code of the archive whose it is.
        let locked = self.server.is_throwaway
            || lock::hold_lock(&session, lock::SERVER_KEY).await.context("lock the drill server")?;
        Ok(locked.then_some(LockedServer { suitable: self, _session: session }))
    }
}

impl LockedServer<'_> {
    /// The server's major version.
    pub fn major(&self) -> u32 {
        self.suitable.major
    }

    pub(super) fn maintenance(&self) -> &Conninfo {
        self.suitable.server.maintenance()
    }

    pub(super) fn login(&self) -> &Conninfo {
        &self.suitable.server.login
    }

    /// The login that may create roles and extensions.
    pub(super) fn admin(&self) -> Option<&Conninfo> {
        let server = self.suitable.server;
        server.admin.as_ref().or(self.suitable.login_is_superuser.then_some(&server.login))
    }

    pub(super) fn is_throwaway(&self) -> bool {
        self.suitable.server.is_throwaway
    }

    pub(super) fn login_is_superuser(&self) -> bool {
        self.suitable.login_is_superuser
    }

    pub(super) fn maintenance_is_superuser(&self) -> bool {
        self.suitable.maintenance_is_superuser
    }

    /// The name that the database of a drill has on a throwaway server; `None` if it is a given one.
    pub(super) fn throwaway(&self) -> Option<&SourceName> {
        self.suitable.server.is_throwaway.then_some(&self.suitable.source_name)
    }

    pub(super) fn ownership(&self) -> Ownership {
        self.suitable.ownership
    }

    pub(super) fn locale(&self) -> &Locale {
        &self.suitable.locale
    }
}

fn refuse_older(major: u32, source_major: u32) -> anyhow::Result<()> {
    ensure!(
        major >= OLDEST_SERVER_MAJOR,
        "the drill server is PostgreSQL {major}; {OLDEST_SERVER_MAJOR} is the oldest that is supported"
    );
    ensure!(
        major >= source_major,
        "the drill server is PostgreSQL {major}, and the backup is of {source_major}: an archive may hold what an older \
         server does not know, so that its errors would prove nothing; use a server of {source_major}"
    );
    Ok(())
}

/// What no question to the server can rule out.
const RUNS_AS_LOGIN: &str = "code of the archive ran as the login of the drill server itself, which can change its own \
                             password and settings; with VERIFY_ADMIN_URL each drill runs as a role of its own";

/// What lets a role see which cluster it is in. PostgreSQL allows it to all roles; a few services do not.
const HOW_TO_ALLOW: &str = "GRANT EXECUTE ON FUNCTION pg_control_system() TO that role allows it, or a login that is a \
                            member of pg_monitor if the service gives it that right, for a drill beside \
                            VERIFY_ADMIN_URL; \
                            VERIFY_ALLOW_SOURCE_CLUSTER=true drills without knowing";

/// Refuses the cluster that was backed up, and one that may be that cluster, as far as can be told.
/// Returns what to note if the operator allows either.
fn refuse_source(here: Option<&str>, source: Option<&str>, allowed: SourceCluster) -> anyhow::Result<Vec<String>> {
    let refused = match (here, source) {
        (Some(here), Some(source)) if here != source => return Ok(Vec::new()),
        (Some(_), Some(source)) => format!(
            "the drill server is the cluster that was backed up (system identifier {source}); use another one, or none \
             at all for a throwaway server, or set VERIFY_ALLOW_SOURCE_CLUSTER=true"
        ),
        (None, _) => format!(
            "whether the drill server is the cluster that was backed up cannot be told: its login may not read the \
             system identifier; {HOW_TO_ALLOW}"
        ),
        (Some(_), None) => format!(
            "whether the drill server is the cluster that was backed up cannot be told: the manifest holds no system \
             identifier, since the login of backup may not read it; {HOW_TO_ALLOW}"
        ),
    };
    match (allowed, here == source) {
        (SourceCluster::Refused, _) => anyhow::bail!(refused),
        (SourceCluster::Allowed, true) if here.is_some() => {
            Ok(vec!["the drill happened on the cluster that was backed up, as the operator allowed".to_owned()])
        }
        (SourceCluster::Allowed, _) => Ok(vec![
            "whether the drill server is the cluster that was backed up could not be told, as the operator allowed"
                .to_owned(),
        ]),
    }
}

/// Refuses two logins that do not lead to the same cluster, or may not.
fn refuse_other_cluster(admin: Option<&str>, login: Option<&str>, allowed: SourceCluster) -> anyhow::Result<()> {
    match (admin, login) {
        (Some(admin), Some(login)) => {
            ensure!(admin == login, "the login and the admin's login lead to different clusters");
        }
        (None, _) | (_, None) => ensure!(
            allowed == SourceCluster::Allowed,
            "whether the login and the admin's login lead to the same cluster cannot be told: one of them may not read \
             the system identifier; {HOW_TO_ALLOW}"
        ),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_older_than_the_source_is_refused_with_the_reason_r130() {
        assert!(refuse_older(15, 15).is_ok() && refuse_older(17, 13).is_ok());
        let error = refuse_older(15, 16).unwrap_err().to_string();
        assert!(error.starts_with("the drill server is PostgreSQL 15, and the backup is of 16: "), "{error}");
        assert!(refuse_older(12, 12).is_err());
    }

    #[test]
    fn the_cluster_that_was_backed_up_is_refused_unless_allowed_r046() {
        let error = refuse_source(Some("7"), Some("7"), SourceCluster::Refused).unwrap_err().to_string();
        assert!(error.contains("VERIFY_ALLOW_SOURCE_CLUSTER=true"), "{error}");
        let notes = |here, source, allowed| refuse_source(here, source, allowed).unwrap().len();
        assert_eq!(notes(Some("7"), Some("7"), SourceCluster::Allowed), 1);
        assert_eq!(notes(Some("7"), Some("8"), SourceCluster::Refused), 0);
    }

    #[test]
    fn a_cluster_that_cannot_be_told_from_the_source_is_refused_unless_allowed_r046() {
        for (here, source) in [(None, Some("8")), (Some("7"), None), (None, None)] {
            let error = refuse_source(here, source, SourceCluster::Refused).unwrap_err().to_string();
            for part in ["cannot be told", "pg_control_system()", "VERIFY_ALLOW_SOURCE_CLUSTER=true"] {
                assert!(error.contains(part), "{part:?} is not in {error:?}");
            }
            let notes = refuse_source(here, source, SourceCluster::Allowed).unwrap();
            assert!(notes.len() == 1 && notes[0].contains("could not be told"), "{notes:?}");
        }
        let logins = |admin, login, allowed| refuse_other_cluster(admin, login, allowed).is_ok();
        assert!(logins(Some("7"), Some("7"), SourceCluster::Refused));
        assert!(!logins(Some("7"), Some("8"), SourceCluster::Allowed));
        for (admin, login) in [(None, Some("7")), (Some("7"), None), (None, None)] {
            assert!(!logins(admin, login, SourceCluster::Refused) && logins(admin, login, SourceCluster::Allowed));
        }
    }
}
