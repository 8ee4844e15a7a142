//! What is in a database: the same questions for a source, in the dump's snapshot, and later for
//! what was restored from it.

use std::collections::BTreeSet;

use anyhow::Context;

use super::connect::Session;
use super::last_values::LastValues;
use super::row_counts::{Fingerprint, count_rows};
use super::user_relations::USER_RELATIONS;
use crate::repository::{Extension, Inventory, ObjectCounts, Sequence};

/// Leaves system schemas and extension members out: `$1` is a catalog, `$2` its alias and key, `$3` the
/// column that names the schema.
fn user_objects(catalog: &str, alias: &str, schema: &str, condition: &str) -> String {
    format!(
        "SELECT count(*) FROM {catalog} {alias} JOIN pg_namespace n ON n.oid = {alias}.{schema}
          WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND {condition}
            AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = '{catalog}'::regclass AND e.objid = {alias}.oid
                               AND e.deptype = 'e')"
    )
}

/// As [`user_objects`], for what belongs to a relation.
fn of_user_relations(catalog: &str, alias: &str, relation: &str, condition: &str) -> String {
    format!(
        "SELECT count(*) FROM {catalog} {alias} JOIN pg_class r ON r.oid = {alias}.{relation}
           JOIN pg_namespace n ON n.oid = r.relnamespace
          WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND r.relpersistence <> 't' AND {condition}
            AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.deptype = 'e'
                               AND (e.classid = 'pg_class'::regclass AND e.objid = r.oid
                                    OR e.classid = 'pg_type'::regclass AND e.objid = r.reltype))"
    )
}

/// Objects without a schema; the oid bound is where the objects of users begin (`FirstNormalObjectId`).
fn without_schema(catalog: &str) -> String {
    format!(
        "SELECT count(*) FROM {catalog} o WHERE o.oid >= 16384
            AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = '{catalog}'::regclass AND e.objid = o.oid
                               AND e.deptype = 'e')"
    )
}

/// Grows if a question below comes to count differently.
const QUESTIONS: u32 = 2;

/// Kinds whose question changed, and the first [`QUESTIONS`] with the present one.
const CHANGED: [(&str, u32); 3] = [("columns", 2), ("comments", 2), ("operators", 2)];

/// The kinds that are counted differently now than they were for `inventory`.
pub fn kinds_asked_otherwise(inventory: &Inventory) -> BTreeSet<&'static str> {
    let asked = inventory.questions.unwrap_or(1);
    CHANGED.iter().filter(|(_, since)| asked < *since).map(|(kind, _)| *kind).collect()
}

/// Comments on what `pg_dump` writes with its comment. It writes none on extensions whose comment was removed,
/// inherited constraints, copies of triggers, and what PostgreSQL makes along with something else: a table's row type,
/// a range type's functions.
const COMMENTS: &str = "SELECT count(*) FROM pg_description d WHERE d.objoid >= 16384
    AND d.classoid <> 'pg_extension'::regclass
    AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = d.classoid AND e.objid = d.objoid AND e.deptype = 'e')
    AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = d.classoid AND e.objid = d.objoid AND e.deptype = 'i'
                       AND d.classoid IN ('pg_proc'::regclass, 'pg_type'::regclass))
    AND NOT EXISTS (SELECT FROM pg_class c LEFT JOIN pg_index x ON x.indexrelid = c.oid
                     WHERE d.classoid = 'pg_class'::regclass AND c.oid = d.objoid
                       AND (c.relpersistence = 't' OR NOT x.indisvalid AND c.relkind = 'i'))
    AND NOT EXISTS (SELECT FROM pg_constraint k LEFT JOIN pg_class c ON c.oid = k.conrelid
                     WHERE d.classoid = 'pg_constraint'::regclass AND k.oid = d.objoid
                       AND (c.relpersistence = 't' OR k.contype IN ('c', 'n') AND NOT k.conislocal
                            OR k.contype = 'f' AND k.conparentid <> 0))
    AND NOT EXISTS (SELECT FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
                     WHERE d.classoid = 'pg_trigger'::regclass AND t.oid = d.objoid
                       AND (c.relpersistence = 't' OR t.tgparentid <> 0))
    AND NOT EXISTS (SELECT FROM pg_rewrite w JOIN pg_class c ON c.oid = w.ev_class
                     WHERE d.classoid = 'pg_rewrite'::regclass AND w.oid = d.objoid
                       AND (c.relpersistence = 't' OR w.rulename = '_RETURN'))";

fn count_questions() -> Vec<(&'static str, String)> {
    let relations = |kinds: &str| {
        user_objects("pg_class", "c", "relnamespace", &format!("c.relkind IN ({kinds}) AND c.relpersistence <> 't'"))
    };
    let functions = |kinds: &str| user_objects("pg_proc", "p", "pronamespace", &format!("p.prokind IN ({kinds})"));
    let standalone_types = "(t.typtype IN ('d', 'e', 'r', 'm') OR t.typtype = 'b' AND t.typelem = 0
        OR t.typtype = 'c' AND EXISTS (SELECT FROM pg_class k WHERE k.oid = t.typrelid AND k.relkind = 'c'))";
    vec![
        ("schemas", "SELECT count(*) FROM pg_namespace o WHERE o.nspname !~ '^pg_' AND o.nspname <> 'information_schema'
            AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_namespace'::regclass AND e.objid = o.oid AND e.deptype = 'e')".to_owned()),
        ("tables", relations("'r', 'p'")),
        ("partitioned_tables", relations("'p'")),
        ("foreign_tables", relations("'f'")),
        ("views", relations("'v'")),
        ("materialized_views", relations("'m'")),
        ("sequences", relations("'S'")),
        // An invalid index, as a CREATE INDEX CONCURRENTLY that failed leaves behind, is in no dump.
        ("indexes", user_objects("pg_class", "c", "relnamespace", "c.relkind IN ('i', 'I') AND c.relpersistence <> 't'
            AND EXISTS (SELECT FROM pg_index x WHERE x.indexrelid = c.oid AND (x.indisvalid OR c.relkind = 'I'))")),
        ("columns", of_user_relations("pg_attribute", "a", "attrelid", "a.attnum > 0 AND NOT a.attisdropped AND r.relkind IN ('r', 'p', 'f', 'v', 'm', 'c')")),
        // From 18 on, NOT NULL is a constraint with a name; before, it is a property of its column.
        ("constraints", of_user_relations("pg_constraint", "k", "conrelid", "k.contype <> 'n'")),
        ("triggers", of_user_relations("pg_trigger", "t", "tgrelid", "NOT t.tgisinternal")),
        ("rules", of_user_relations("pg_rewrite", "w", "ev_class", "w.rulename <> '_RETURN'")),
        ("policies", of_user_relations("pg_policy", "p", "polrelid", "true")),
        ("statistics", user_objects("pg_statistic_ext", "s", "stxnamespace", "true")),
        ("functions", functions("'f', 'w'")),
        ("procedures", functions("'p'")),
        ("aggregates", functions("'a'")),
        ("types", user_objects("pg_type", "t", "typnamespace", standalone_types)),
        ("collations", user_objects("pg_collation", "c", "collnamespace", "true")),
        // One that another one names as its commutator, and that was never made, is in no dump.
        ("operators", user_objects("pg_operator", "o", "oprnamespace", "o.oprcode <> 0")),
        ("operator_classes", user_objects("pg_opclass", "o", "opcnamespace", "true")),
        ("text_search_configurations", user_objects("pg_ts_config", "t", "cfgnamespace", "true")),
        ("casts", without_schema("pg_cast")),
        ("event_triggers", without_schema("pg_event_trigger")),
        ("publications", without_schema("pg_publication")),
        ("foreign_servers", without_schema("pg_foreign_server")),
        ("extensions", "SELECT count(*) FROM pg_extension".to_owned()),
        ("large_objects", "SELECT count(*) FROM pg_largeobject_metadata".to_owned()),
        ("comments", COMMENTS.to_owned()),
        ("subscriptions", "SELECT count(subname) FROM pg_subscription
            WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())".to_owned()),
    ]
}

/// All roles that an archive may name: owners, grantees, those of policies and of default privileges. What
/// PostgreSQL notes of that itself (`pg_shdepend`) is complete, but for the superuser of `initdb`, of whom it
/// notes nothing: his objects are looked for by kind.
const ROLES: &str = "
    WITH owned AS (
        SELECT relnamespace AS schema, relowner AS owner, relacl AS acl FROM pg_class
        UNION ALL SELECT pronamespace, proowner, proacl FROM pg_proc
        UNION ALL SELECT typnamespace, typowner, typacl FROM pg_type
        UNION ALL SELECT oid, nspowner, nspacl FROM pg_namespace),
    named AS (
        SELECT o.owner, o.acl FROM owned o JOIN pg_namespace n ON n.oid = o.schema
         WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
        UNION ALL SELECT lomowner, lomacl FROM pg_largeobject_metadata
        UNION ALL SELECT d.datdba, NULL FROM pg_database d WHERE d.datname = current_database()
        UNION ALL SELECT defaclrole, defaclacl FROM pg_default_acl
        UNION ALL SELECT unnest(polroles), NULL FROM pg_policy
        UNION ALL SELECT refobjid, NULL FROM pg_shdepend
                   WHERE refclassid = 'pg_authid'::regclass AND deptype IN ('o', 'a', 'r')
                     AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
        UNION ALL SELECT evtowner, NULL FROM pg_event_trigger WHERE oid >= 16384
        UNION ALL SELECT pubowner, NULL FROM pg_publication WHERE oid >= 16384
        UNION ALL SELECT srvowner, srvacl FROM pg_foreign_server WHERE oid >= 16384
        UNION ALL SELECT fdwowner, fdwacl FROM pg_foreign_data_wrapper WHERE oid >= 16384
        UNION ALL SELECT lanowner, lanacl FROM pg_language WHERE oid >= 16384
        UNION ALL SELECT oprowner, NULL FROM pg_operator WHERE oid >= 16384
        UNION ALL SELECT opcowner, NULL FROM pg_opclass WHERE oid >= 16384
        UNION ALL SELECT opfowner, NULL FROM pg_opfamily WHERE oid >= 16384
        UNION ALL SELECT collowner, NULL FROM pg_collation WHERE oid >= 16384
        UNION ALL SELECT conowner, NULL FROM pg_conversion WHERE oid >= 16384
        UNION ALL SELECT cfgowner, NULL FROM pg_ts_config WHERE oid >= 16384
        UNION ALL SELECT dictowner, NULL FROM pg_ts_dict WHERE oid >= 16384
        UNION ALL SELECT stxowner, NULL FROM pg_statistic_ext WHERE oid >= 16384
        UNION ALL SELECT subowner, NULL FROM pg_subscription
                   WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
        UNION ALL SELECT c.relowner, a.attacl FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
                   JOIN pg_namespace n ON n.oid = c.relnamespace
                   WHERE a.attacl IS NOT NULL AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema')
    SELECT DISTINCT r.rolname::text FROM pg_roles r
      JOIN (SELECT owner AS oid FROM named UNION SELECT a.grantee FROM named, aclexplode(named.acl) a) used ON used.oid = r.oid
     WHERE r.rolname !~ '^pg_' ORDER BY 1";

/// Takes the inventory in the transaction that `session` is in, without the last values of sequences.
///
/// # Errors
/// What the server says. A table whose lock or count does not come in time is no error: it stays
/// uncounted and says why.
pub async fn take_inventory(session: &Session, fingerprint: Fingerprint) -> anyhow::Result<Inventory> {
    let inventory = list_objects(session, &LastValues::default()).await?;
    Ok(Inventory { tables: count_rows(session, fingerprint).await.context("count rows")?, ..inventory })
}

/// The inventory without its tables, with the last values of sequences as they were read before.
///
/// It locks nothing but system catalogs, since the transaction of a snapshot keeps each lock to its end.
///
/// # Errors
/// What the server says.
pub async fn list_objects(session: &Session, last_values: &LastValues) -> anyhow::Result<Inventory> {
    Ok(Inventory {
        questions: Some(QUESTIONS),
        objects: count_objects(session).await.context("count objects")?,
        sequences: read_sequences(session, last_values).await.context("read sequences")?,
        extensions: read_extensions(session).await.context("read extensions")?,
        roles: read_roles(session).await.context("read roles")?,
        tables: Vec::new(),
    })
}

async fn count_objects(session: &Session) -> anyhow::Result<ObjectCounts> {
    let questions = count_questions();
    let columns: Vec<String> = questions.iter().map(|(_, sql)| format!("({sql})")).collect();
    let row = session.client().query_one(&format!("SELECT {}", columns.join(", ")), &[]).await?;
    let mut counts = ObjectCounts::new();
    for (index, (kind, _)) in questions.iter().enumerate() {
        let count = u64::try_from(row.try_get::<_, i64>(index)?).unwrap_or(0);
        if count > 0 {
            counts.insert((*kind).to_owned(), count);
        }
    }
    Ok(counts)
}

async fn read_sequences(session: &Session, last_values: &LastValues) -> anyhow::Result<Vec<Sequence>> {
    let sql =
        format!("SELECT n.nspname::text, c.relname::text, c.oid {USER_RELATIONS} AND c.relkind = 'S' ORDER BY 1, 2");
    let rows = session.client().query(&sql, &[]).await?;
    let sequence = |row: &tokio_postgres::Row| {
        Ok(Sequence { schema: row.try_get(0)?, name: row.try_get(1)?, last_value: last_values.of(row.try_get(2)?) })
    };
    rows.iter().map(sequence).collect()
}

async fn read_extensions(session: &Session) -> anyhow::Result<Vec<Extension>> {
    let rows = session.client().query("SELECT extname::text, extversion FROM pg_extension ORDER BY 1", &[]).await?;
    rows.iter().map(|row| Ok(Extension { name: row.try_get(0)?, version: row.try_get(1)? })).collect()
}

async fn read_roles(session: &Session) -> anyhow::Result<Vec<String>> {
    let rows = session.client().query(ROLES, &[]).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}
