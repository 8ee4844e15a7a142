//! What a server has besides the database of a session: its other databases, and its roles.

use anyhow::Context;

use super::connect::Session;
use crate::database_list::MAX_DATABASES;

/// The databases of a server that a client can be connected to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Databases {
    /// Their names, in no order.
    pub names: Vec<String>,
    /// Names that are not UTF-8, so that no connection string can have them: with `\u{fffd}` in place of what is not.
    pub unreadable: Vec<String>,
}

/// A database whose limit is -2 is what an interrupted DROP DATABASE has left. As bytes, since a name has no encoding: it
/// is that of the database in which CREATE DATABASE was executed.
const LIST: &str = "
    SELECT pg_catalog.textsend(datname::pg_catalog.text) FROM pg_catalog.pg_database
     WHERE datallowconn AND NOT datistemplate AND datconnlimit <> -2 LIMIT $1";

impl Databases {
    /// Those of the server of `session` that allow connections and are no templates.
    ///
    /// # Errors
    /// If the server does not answer, or has more than [`MAX_DATABASES`].
    pub async fn list(session: &Session) -> anyhow::Result<Self> {
        let limit = i64::try_from(MAX_DATABASES + 1).unwrap_or(i64::MAX);
        let rows = session.ask(session.client().query(LIST, &[&limit])).await.context("list databases")?;
        anyhow::ensure!(rows.len() <= MAX_DATABASES, "the server has more than {MAX_DATABASES} databases");
        let mut databases = Self::default();
        for row in rows {
            match String::from_utf8(row.try_get(0)?) {
                Ok(name) => databases.names.push(name),
                Err(error) => databases.unreadable.push(String::from_utf8_lossy(error.as_bytes()).into_owned()),
            }
        }
        Ok(databases)
    }
}

/// Everything that a dump of roles without passwords shows and that exists in every version: each part is readable by all
/// roles.
const ROLES: &str = "
    SELECT pg_catalog.md5(pg_catalog.concat_ws('|',
        (SELECT pg_catalog.string_agg(r::text, ';' ORDER BY r.oid) FROM pg_catalog.pg_roles r),
        (SELECT pg_catalog.string_agg(m::text, ';' ORDER BY m::text) FROM pg_catalog.pg_auth_members m),
        (SELECT pg_catalog.string_agg(t::text, ';' ORDER BY t.oid) FROM pg_catalog.pg_tablespace t),
        (SELECT pg_catalog.string_agg(d::text, ';' ORDER BY d::text) FROM pg_catalog.pg_shdescription d),
        (SELECT pg_catalog.string_agg(l::text, ';' ORDER BY l::text) FROM pg_catalog.pg_shseclabel l)))";

/// Grants on parameters, which exist from version 15 on.
const PARAMETERS: &str =
    "SELECT pg_catalog.md5(pg_catalog.string_agg(p::text, ';' ORDER BY p.oid)) FROM pg_catalog.pg_parameter_acl p";

/// A digest of the roles and tablespaces of the server of `session`: as long as it stays the same, so does a dump of them.
///
/// # Errors
/// If the server does not answer.
pub async fn roles_digest(session: &Session) -> anyhow::Result<String> {
    let asked = session.ask(session.client().query_one(ROLES, &[])).await.context("look at the roles")?;
    let mut digest: String = asked.try_get(0)?;
    if session.server_version_num() >= 150_000 {
        let asked = session.ask(session.client().query_one(PARAMETERS, &[])).await.context("look at the roles")?;
        digest.push_str(&asked.try_get::<_, Option<String>>(0)?.unwrap_or_default());
    }
    Ok(digest)
}
