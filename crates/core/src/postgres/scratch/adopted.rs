//! Whether a role that a run created is still only the run's. Others may have found a use for it meanwhile.

use anyhow::Context;

use super::super::connect::Session;
use super::RunId;

/// A condition on the alias `r` of `pg_roles`: the role is as a run creates those that an archive names. It cannot log
/// in, may nothing, is a member of nothing, and only the run's owner and superusers are members of it.
pub(in crate::postgres) const IS_UNTOUCHED: &str = "
    NOT (r.rolcanlogin OR r.rolcreatedb OR r.rolcreaterole OR r.rolreplication OR r.rolbypassrls
         OR EXISTS (SELECT FROM pg_catalog.pg_auth_members m WHERE m.member = r.oid)
         OR EXISTS (SELECT FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles g ON g.oid = m.member
                     WHERE m.roleid = r.oid AND NOT g.rolsuper AND g.rolname <> current_user
                       AND pg_catalog.shobj_description(g.oid, 'pg_authid')
                           IS DISTINCT FROM pg_catalog.shobj_description(r.oid, 'pg_authid')))";

/// As above, once the databases of the run are gone: nothing on the server belongs to the role, and nothing was granted
/// to it.
const OWNS_NOTHING: &str = "
    NOT EXISTS (SELECT FROM pg_catalog.pg_shdepend d
                 WHERE d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.refobjid = r.oid)";

/// The roles of a run, in the order of their creation.
#[derive(Debug, Default)]
pub(super) struct Roles {
    /// To drop.
    pub(super) ours: Vec<String>,
    /// Not to touch: no longer marked, or in use.
    pub(super) adopted: Vec<String>,
}

/// Asks what became of `names`; those that are gone are in neither list.
///
/// # Errors
/// What the server says.
pub(super) async fn sort(session: &Session, run: &RunId, names: &[String]) -> anyhow::Result<Roles> {
    let sql = format!(
        "SELECT r.rolname::text,
                pg_catalog.shobj_description(r.oid, 'pg_authid') IS NOT DISTINCT FROM $2
                AND (r.rolname::text = $3 OR {IS_UNTOUCHED} AND {OWNS_NOTHING})
           FROM pg_catalog.pg_roles r WHERE r.rolname::text = ANY ($1) ORDER BY r.oid"
    );
    let rows = session.client().query(&sql, &[&names, &run.comment(), &run.owner()]).await;
    let mut roles = Roles::default();
    for row in rows.context("ask whether roles of the run are in use")? {
        let name = row.try_get(0)?;
        match row.try_get(1)? {
            true => roles.ours.push(name),
            false => roles.adopted.push(name),
        }
    }
    Ok(roles)
}
