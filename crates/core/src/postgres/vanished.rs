//! Objects whose definitions `pg_dump` asks the server for, and that were dropped or renamed before it had them.

use anyhow::Context;

use super::connect::Session;
use super::renamed::TAKE_NOTE;

/// Names shown of what has vanished.
const MAX_NAMES: usize = 5;

/// Indexes, triggers, statistics, functions, types, operators and what else definitions name, if they are gone
/// or have another schema or name now. The catalogs are read as the snapshot sees them; `reg..` types and `pg_get_..`
/// functions, which `pg_dump` uses too, look at what is there now. For what is gone the former show the oid, and the latter
/// nothing. The path is empty, so a schema is always shown. None of it asks for a lock or a privilege.
///
/// Constraints are told as the snapshot shows them. A view that is gone is no loss: if its rule cannot be told any more,
/// `pg_dump` fails.
/// Names of roles count if an object or a privilege of this database names them.
const VANISHED: &str = "
    WITH named AS (
        SELECT 'pg_class'::regclass AS catalog, c.oid, c.relnamespace AS schema, c.relname AS name, i.indrelid AS relation,
               CASE WHEN i.indexrelid IS NULL THEN 'RELATION' ELSE 'INDEX' END AS kind, c.oid::regclass::text AS now
          FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid
         WHERE c.relkind IN ('v', 'm', 'f', 'c', 'i', 'I') AND c.relpersistence <> 't'
           AND (i.indexrelid IS NULL OR i.indisvalid OR c.relkind = 'I')
        UNION ALL SELECT 'pg_proc'::regclass, oid, pronamespace, proname, NULL, 'FUNCTION', oid::regproc::text FROM pg_proc
        UNION ALL SELECT 'pg_type'::regclass, t.oid, t.typnamespace, t.typname, NULL, 'TYPE', t.oid::regtype::text FROM pg_type t
         WHERE t.typrelid = 0 AND t.typcategory <> 'A' AND t.typisdefined
        UNION ALL SELECT 'pg_collation'::regclass, oid, collnamespace, collname, NULL, 'COLLATION', oid::regcollation::text
          FROM pg_collation
        UNION ALL SELECT 'pg_ts_config'::regclass, oid, cfgnamespace, cfgname, NULL, 'TEXT SEARCH CONFIGURATION',
               oid::regconfig::text FROM pg_ts_config
        UNION ALL SELECT 'pg_ts_dict'::regclass, oid, dictnamespace, dictname, NULL, 'TEXT SEARCH DICTIONARY',
               oid::regdictionary::text FROM pg_ts_dict),
    seen AS (
        SELECT o.catalog, o.oid, o.schema, o.kind, o.name, o.relation, o.now,
               o.now = format('%I.%I', n.nspname, o.name) AS same
          FROM named o JOIN pg_namespace n ON n.oid = o.schema
        UNION ALL
        SELECT 'pg_operator'::regclass, oid, oprnamespace, 'OPERATOR', oprname, NULL, now, now <> oid::text
          FROM (SELECT *, oid::regoper::text AS now FROM pg_operator WHERE oprcode <> 0) p
        UNION ALL
        SELECT 'pg_statistic_ext'::regclass, s.oid, s.stxnamespace, 'STATISTICS', s.stxname, s.stxrelid, d.def,
               starts_with(d.def, format('CREATE STATISTICS %I.%I ', n.nspname, s.stxname))
          FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace, pg_get_statisticsobjdef(s.oid) AS d (def)
        UNION ALL
        SELECT 'pg_trigger'::regclass, t.oid, c.relnamespace, 'TRIGGER', t.tgname, t.tgrelid, d.def,
               starts_with(d.def, format('CREATE %sTRIGGER %I ', CASE WHEN t.tgconstraint <> 0 THEN 'CONSTRAINT ' END, t.tgname))
          FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid AND c.relpersistence <> 't', pg_get_triggerdef(t.oid) AS d (def)
         WHERE NOT t.tgisinternal)
    SELECT s.kind, format('%I.%I', n.nspname, s.name), s.now IS NULL OR s.now = s.oid::text, r.relname::text, r.nspname::text
      FROM seen s JOIN pg_namespace n ON n.oid = s.schema
      LEFT JOIN (SELECT c.oid, c.relname, m.nspname FROM pg_class c JOIN pg_namespace m ON m.oid = c.relnamespace) r
        ON r.oid = s.relation
     WHERE s.same IS NOT TRUE AND NOT (s.kind = 'RELATION' AND s.now = s.oid::text)
       AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
       AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = s.catalog AND e.objid = s.oid AND e.deptype = 'e')
    UNION ALL
    SELECT 'SCHEMA', quote_ident(nspname), now = oid::text, NULL, NULL
      FROM (SELECT *, oid::regnamespace::text AS now FROM pg_namespace) n
     WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND now <> quote_ident(nspname)
    UNION ALL
    SELECT 'ROLE', quote_ident(rolname), now = oid::text, NULL, NULL
      FROM (SELECT *, oid::regrole::text AS now FROM pg_roles) r
     WHERE now <> quote_ident(rolname)
       AND EXISTS (SELECT FROM pg_shdepend h WHERE h.refclassid = 'pg_authid'::regclass AND h.refobjid = r.oid
                      AND h.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()))
     ORDER BY 1, 2";

/// What is not any more what the snapshot shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    /// Its kind, as statements call it.
    kind: String,
    /// Its schema and name in the snapshot.
    name: String,
    /// Whether it was dropped; else it was renamed.
    was_dropped: bool,
    /// Schema and name of the table that it belongs to.
    pub table: Option<(String, String)>,
}

/// `pg_dump` reads catalogs as its snapshot shows them, and asks the server for definitions, which come from what is there
/// now. For what was dropped meanwhile they are empty, and for what was renamed they have other names than the rest.
#[derive(Debug, thiserror::Error)]
#[error(
    "objects were dropped or renamed after the snapshot and before pg_dump had read their definitions, \
     so these may be missing or cut in the dump: {}", self.names()
)]
pub struct Vanished {
    /// Each of them.
    pub objects: Vec<Gone>,
}

impl Vanished {
    fn names(&self) -> String {
        let name = |gone: &Gone| {
            let Gone { kind, name, was_dropped, table } = gone;
            let table = table.as_ref().map(|(schema, table)| format!(" of {schema}.{table}")).unwrap_or_default();
            format!("{kind} {name}{table} was {}", if *was_dropped { "dropped" } else { "renamed" })
        };
        let shown: Vec<String> = self.objects.iter().take(MAX_NAMES).map(name).collect();
        let more = self.objects.len() - shown.len();
        if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
    }
}

/// What of the snapshot of this transaction was dropped or renamed since. To be asked once `pg_dump` has read all
/// definitions: what happens later is none of the dump's business.
///
/// # Errors
/// What the server says.
pub async fn vanished_objects(session: &Session) -> anyhow::Result<Vec<Gone>> {
    session.client().query_one(TAKE_NOTE, &[]).await?;
    let rows = session.client().query(VANISHED, &[]).await.context("look for objects that were dropped or renamed")?;
    let gone = |row: &tokio_postgres::Row| {
        let table = row.try_get::<_, Option<String>>(4)?.zip(row.try_get(3)?);
        Ok(Gone { kind: row.try_get(0)?, name: row.try_get(1)?, was_dropped: row.try_get(2)?, table })
    };
    rows.iter().map(gone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_vanished_is_named_with_its_table() {
        let gone = |index: usize| Gone {
            kind: "INDEX".to_owned(),
            name: format!("app.i{index}"),
            was_dropped: index > 0,
            table: (index > 1).then(|| ("app".to_owned(), "t".to_owned())),
        };
        let error = Vanished { objects: (0..7).map(gone).collect() }.to_string();
        let start = "INDEX app.i0 was renamed, INDEX app.i1 was dropped, INDEX app.i2 of app.t was dropped";
        assert!(error.contains(start) && error.ends_with("and 2 more"), "{error}");
    }
}
