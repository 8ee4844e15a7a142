//! What a login may do: neither too much for a restore nor too little for the work around it.

use anyhow::{Context, ensure};

use super::{Ownership, RestoreAs, Session};

/// What the role of a session may do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Powers {
    pub(super) superuser: bool,
    /// It can become a superuser or act as the server's user: run programs, write files.
    reaches_the_host: bool,
    creates_databases: bool,
    creates_roles: bool,
    is_standby: bool,
}

const QUESTION: &str = "
    SELECT r.rolsuper,
           EXISTS (SELECT FROM pg_roles s
                    WHERE (s.rolsuper OR s.rolname IN ('pg_execute_server_program', 'pg_write_server_files'))
                      AND pg_has_role(r.oid, s.oid, 'MEMBER')),
           r.rolsuper OR r.rolcreatedb, r.rolsuper OR r.rolcreaterole, pg_is_in_recovery()
      FROM pg_roles r WHERE r.rolname = current_user";

/// What a login reaches outside of the database of a drill, in words. A role that only reads is harmless, and a
/// database with a name of ours is what a dead drill left.
const REACH: &str = r"
    SELECT 'may create and change roles (CREATEROLE)' FROM pg_roles r WHERE r.rolname = current_user AND r.rolcreaterole
    UNION ALL
    SELECT 'may replicate (REPLICATION)' FROM pg_roles r WHERE r.rolname = current_user AND r.rolreplication
    UNION ALL
    (SELECT format('owns database %s', d.datname) FROM pg_database d
      WHERE pg_get_userbyid(d.datdba) = current_user AND d.datname !~ '^verify_(drill|reference)_' ORDER BY d.datname LIMIT 3)
    UNION ALL
    (SELECT format('owns tablespace %s', t.spcname) FROM pg_tablespace t
      WHERE pg_get_userbyid(t.spcowner) = current_user ORDER BY t.spcname LIMIT 3)
    UNION ALL
    (SELECT format('is a member of role %s', o.rolname) FROM pg_roles o
      WHERE o.rolname <> current_user AND pg_has_role(o.oid, 'MEMBER')
        AND o.rolname NOT IN ('pg_database_owner', 'pg_monitor', 'pg_read_all_data', 'pg_read_all_settings',
                              'pg_read_all_stats', 'pg_stat_scan_tables')
      ORDER BY o.rolname LIMIT 3)";

/// Refuses a login as which code of an archive would run and that can change something outside of the database of a
/// drill. Its own password and settings it can always change.
///
/// # Errors
/// What it can change, and what the server says.
pub(super) async fn refuse_reach(session: &Session) -> anyhow::Result<()> {
    let rows = session.client().query(REACH, &[]).await.context("ask what the login reaches")?;
    let reach = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<String>, _>>()?;
    ensure!(
        reach.is_empty(),
        "the login of the drill server {}, and code of the archive would run as that login; give VERIFY_ADMIN_URL, so \
         that each drill runs as a role of its own, or a login for drills alone: \
         CREATE ROLE drill LOGIN CREATEDB PASSWORD '...'",
        reach.join(", ")
    );
    Ok(())
}

impl Powers {
    /// Asks the server.
    ///
    /// # Errors
    /// What it says.
    pub(super) async fn of(session: &Session) -> anyhow::Result<Self> {
        let row = session.client().query_one(QUESTION, &[]).await.context("ask what the login may do")?;
        Ok(Self {
            superuser: row.try_get(0)?,
            reaches_the_host: row.try_get(1)?,
            creates_databases: row.try_get(2)?,
            creates_roles: row.try_get(3)?,
            is_standby: row.try_get(4)?,
        })
    }

    /// Refuses a login of the operator's that is not as harmless, or not as mighty, as it should be.
    pub(super) fn check_restorer(self, restore_as: RestoreAs) -> anyhow::Result<()> {
        match restore_as {
            RestoreAs::PlainRole => ensure!(
                !self.superuser && !self.reaches_the_host,
                "the login of the drill server is a superuser, or may become one, or may run programs there: what is \
                 restored could then run any code on that host; use a plain role, or set VERIFY_RESTORE_AS=superuser"
            ),
            RestoreAs::Superuser => ensure!(
                self.superuser,
                "VERIFY_RESTORE_AS=superuser, and the login of the drill server is no superuser"
            ),
        }
        Ok(())
    }

    /// Refuses a login that cannot create what a drill needs.
    pub(super) fn check_maintenance(self, ownership: Ownership) -> anyhow::Result<()> {
        ensure!(!self.is_standby, "the drill server is a standby, where nothing can be created");
        ensure!(
            self.creates_databases,
            "the login of the drill server may not create databases; ALTER ROLE ... CREATEDB allows it"
        );
        ensure!(
            ownership == Ownership::Login || self.creates_roles,
            "the admin's login to the drill server may not create roles; ALTER ROLE ... CREATEROLE allows it"
        );
        Ok(())
    }
}
