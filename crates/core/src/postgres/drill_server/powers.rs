//! What a login may do: neither too much for a restore nor too little for the work around it.

use std::collections::BTreeMap;

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

/// What a login reaches outside of the database of a drill: what it is, and the name of the object if there is one. A
/// database with a name of ours is what a dead drill left. `pg_database_owner` has every owner of a database as a
/// member, in that database alone.
const REACH: &str = r"
    SELECT a.words, NULL FROM pg_roles r,
           LATERAL (VALUES (r.rolcreaterole, 'may create and change roles (CREATEROLE)'),
                           (r.rolreplication, 'may replicate (REPLICATION)'),
                           (r.rolbypassrls, 'may read past row security (BYPASSRLS)')) a (has, words)
     WHERE r.rolname = current_user AND a.has
    UNION ALL
    SELECT 'is a member of role', o.rolname FROM pg_roles o
     WHERE o.rolname <> current_user AND pg_has_role(o.oid, 'MEMBER') AND o.rolname <> 'pg_database_owner'
    UNION ALL
    SELECT CASE pg_get_userbyid(d.datdba) WHEN current_user THEN 'owns database' ELSE 'may create schemas in database' END,
           d.datname
      FROM pg_database d
     WHERE d.datname !~ '^verify_(drill|reference)_'
       AND (pg_get_userbyid(d.datdba) = current_user OR has_database_privilege(d.oid, 'CREATE'))
    UNION ALL
    SELECT CASE pg_get_userbyid(t.spcowner) WHEN current_user THEN 'owns tablespace' ELSE 'may use tablespace' END, t.spcname
      FROM pg_tablespace t
     WHERE pg_get_userbyid(t.spcowner) = current_user OR has_tablespace_privilege(t.oid, 'CREATE')";

/// Settings that only a superuser may set unless they are granted, for the session or for the whole server.
const PARAMETERS: &str = "
    SELECT CASE WHEN has_parameter_privilege(parname, 'ALTER SYSTEM') THEN 'may ALTER SYSTEM SET' ELSE 'may SET' END, parname
      FROM pg_parameter_acl
     WHERE has_parameter_privilege(parname, 'ALTER SYSTEM') OR has_parameter_privilege(parname, 'SET')";

/// The first version that can grant settings.
const GRANTED_PARAMETERS_SINCE: u32 = 150_000;

/// Maximum number of names of each kind in the message.
const MAX_NAMES: usize = 5;

/// Refuses a login as which code of an archive would run and that can change or see something outside of the database
/// of a drill: it may create databases, and nothing else. Its own password and settings it can always change.
///
/// # Errors
/// All that is too much, and what the server says.
pub(super) async fn refuse_reach(session: &Session) -> anyhow::Result<()> {
    let mut questions = vec![REACH];
    questions.extend((session.server_version_num() >= GRANTED_PARAMETERS_SINCE).then_some(PARAMETERS));
    let mut reach: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for question in questions {
        for row in session.client().query(question, &[]).await.context("ask what the login reaches")? {
            reach.entry(row.try_get(0)?).or_default().extend(row.try_get::<_, Option<String>>(1)?);
        }
    }
    let reach: Vec<String> = reach.into_iter().map(|(words, names)| in_words(&words, names)).collect();
    ensure!(
        reach.is_empty(),
        "the login of the drill server {}, and code of the archive would run as that login; give VERIFY_ADMIN_URL, so \
         that each drill runs as a role of its own, or a login for drills alone: \
         CREATE ROLE drill LOGIN CREATEDB PASSWORD '...'",
        reach.join("; it ")
    );
    Ok(())
}

/// `owns database a, b, c, d, e and 2 more`.
fn in_words(words: &str, mut names: Vec<String>) -> String {
    names.sort();
    let more = names.len().saturating_sub(MAX_NAMES);
    names.truncate(MAX_NAMES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{words} {}{more}", names.join(", ")).trim_end().to_owned()
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
                "VERIFY_RESTORE_AS=superuser, and the login of the drill server is not a superuser"
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_names_are_counted() {
        let names = |count: usize| (0..count).map(|number| format!("n{number}")).collect();
        assert_eq!(in_words("may replicate", names(0)), "may replicate");
        assert_eq!(in_words("owns database", names(2)), "owns database n0, n1");
        assert_eq!(in_words("owns database", names(7)), "owns database n0, n1, n2, n3, n4 and 2 more");
    }
}
