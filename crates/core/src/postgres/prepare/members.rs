//! What a superuser's extensions have in a database, and how far an archive's role gets at it.
//!
//! An extension trusts its own tables: what stands in them may name a folder that any role may read then, or the role as
//! which a job runs. And whose schema an extension lies in may drop the extension with the schema.

use std::collections::BTreeSet;

use anyhow::Context;
use pgdump_archive::{Archive, Guarded, TableName};
use postgres_protocol::escape::escape_identifier;

use super::super::connect::Session;
use super::super::timescaledb::TIMESCALEDB;

/// Extensions whose tables hold facts alone: no row of them lets a role do what it could not do before. TimescaleDB's
/// jobs are an exception, see [`RUNS_JOBS`].
const HARMLESS: [&str; 9] = [
    "address_standardizer_data_us",
    "age",
    "pg_partman",
    "pgmq",
    "pointcloud",
    "postgis",
    "postgis_tiger_geocoder",
    "postgis_topology",
    TIMESCALEDB,
];

/// How the names of TimescaleDB's tables begin that say what is run by itself, and as whom. A throwaway server runs
/// nothing by itself.
const RUNS_JOBS: &str = "bgw_";

/// What an archive has to do with extensions: where it puts objects, and which tables and sequences it fills.
#[derive(Debug, Clone, Default)]
pub struct Touched {
    schemas: BTreeSet<String>,
    filled: BTreeSet<TableName>,
}

impl Touched {
    /// By `archive`.
    pub fn by(archive: &Archive) -> Self {
        let mut touched = Self::default();
        for entry in archive.entries.iter().filter(|entry| !entry.namespace.is_empty()) {
            match entry.desc.as_str() {
                "TABLE DATA" | "SEQUENCE SET" => {
                    let name = TableName { schema: entry.namespace.clone(), name: entry.tag.clone() };
                    touched.filled.insert(name);
                }
                _ => {
                    touched.schemas.insert(entry.namespace.clone());
                }
            }
        }
        touched
    }
}

/// A schema that holds an extension of a superuser, and must not stay the role's that restores into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptSchema {
    /// Its name.
    pub name: String,
    /// Whether the archive puts objects of its own there.
    pub is_filled: bool,
}

const MEMBERS: &str = "
    SELECT n.nspname::text, c.relname::text, e.extname::text, c.relkind = 'S'
      FROM pg_catalog.pg_depend d
      JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
      JOIN pg_catalog.pg_class c ON c.oid = d.objid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.classid = 'pg_catalog.pg_class'::regclass
       AND d.deptype = 'e' AND c.relkind IN ('r', 'p', 'S')
     ORDER BY 1, 2";

/// Schemas that an extension itself has made.
const MEMBER_SCHEMAS: &str = "
    SELECT n.nspname::text, e.extname::text
      FROM pg_catalog.pg_depend d
      JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
      JOIN pg_catalog.pg_namespace n ON n.oid = d.objid
     WHERE d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.classid = 'pg_catalog.pg_namespace'::regclass
       AND d.deptype = 'e'
     ORDER BY 1";

/// Schemas of the role `$1` in which a superuser's extension has something.
const KEPT: &str = "
    SELECT n.nspname::text
      FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_roles o ON o.oid = n.nspowner
     WHERE o.rolname::text = $1
       AND EXISTS (
           SELECT FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_roles r ON r.oid = e.extowner
             LEFT JOIN pg_catalog.pg_depend d
               ON d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'
             LEFT JOIN pg_catalog.pg_proc p ON d.classid = 'pg_catalog.pg_proc'::regclass AND p.oid = d.objid
             LEFT JOIN pg_catalog.pg_class c ON d.classid = 'pg_catalog.pg_class'::regclass AND c.oid = d.objid
            WHERE r.rolsuper AND n.oid IN (e.extnamespace, p.pronamespace, c.relnamespace))
     ORDER BY 1";

/// All tables and sequences of extensions, and the statements that let `role` fill those that it may, and put objects into
/// the schemas of their extensions.
///
/// Neither REFERENCES nor TRIGGER is among the rights: by both, code of the role would run with the rights of the
/// table's owner, a superuser.
///
/// # Errors
/// What the server says.
pub(super) async fn open_members(
    session: &Session,
    role: &str,
    touched: &Touched,
    runs_jobs: bool,
) -> anyhow::Result<(Vec<Guarded>, String)> {
    let role = escape_identifier(role);
    let (mut members, mut grants) = (Vec::new(), String::new());
    for row in session.client().query(MEMBERS, &[]).await.context("list the tables of extensions")? {
        let name = TableName { schema: row.try_get(0)?, name: row.try_get(1)? };
        let extension: String = row.try_get(2)?;
        let runs_by_itself = runs_jobs && extension == TIMESCALEDB && name.name.starts_with(RUNS_JOBS);
        let is_open = HARMLESS.contains(&extension.as_str()) && !runs_by_itself;
        if is_open && touched.filled.contains(&name) {
            let (kind, rights) =
                if row.try_get(3)? { ("SEQUENCE", "SELECT, UPDATE") } else { ("TABLE", "SELECT, INSERT") };
            grants.push_str(&format!("GRANT {rights} ON {kind} {name} TO {role};"));
        }
        members.push(Guarded { name, extension, is_open });
    }
    for row in session.client().query(MEMBER_SCHEMAS, &[]).await.context("list the schemas of extensions")? {
        let (schema, extension): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        if HARMLESS.contains(&extension.as_str()) {
            let create = if touched.schemas.contains(&schema) { ", CREATE" } else { "" };
            grants.push_str(&format!("GRANT USAGE{create} ON SCHEMA {} TO {role};", escape_identifier(&schema)));
        }
    }
    Ok((members, grants))
}

/// The schemas of `role` that it must not keep.
///
/// # Errors
/// What the server says.
pub(super) async fn kept_schemas(session: &Session, role: &str, touched: &Touched) -> anyhow::Result<Vec<KeptSchema>> {
    let rows = session.client().query(KEPT, &[&role]).await.context("list the schemas that hold extensions")?;
    let schema = |row: &tokio_postgres::Row| {
        let name: String = row.try_get(0)?;
        Ok(KeptSchema { is_filled: touched.schemas.contains(&name), name })
    };
    rows.iter().map(schema).collect()
}

/// Takes `schemas` from `role`, for the superuser of `session`. The role may still use them, and put objects there if the
/// archive does.
///
/// Comments and grants on a schema are for its owner to make, so they must be there by then. No code of an archive may
/// have run yet.
///
/// # Errors
/// What the server says.
pub async fn keep_schemas(session: &Session, role: &str, schemas: &[KeptSchema]) -> anyhow::Result<()> {
    let role = escape_identifier(role);
    let statement = |schema: &KeptSchema| {
        let name = escape_identifier(&schema.name);
        let create = if schema.is_filled { ", CREATE" } else { "" };
        format!("ALTER SCHEMA {name} OWNER TO CURRENT_USER; GRANT USAGE{create} ON SCHEMA {name} TO {role};")
    };
    let sql: String = schemas.iter().map(statement).collect();
    session.client().batch_execute(&sql).await.context("keep the schemas that hold extensions")
}
