//! Whether a database holds anything that a person has made.

use std::collections::BTreeMap;

use anyhow::Context;

use super::connect::Session;

/// Kinds of objects: what a person calls them, the catalog, and a condition on its alias `o`. Indexes, triggers,
/// constraints and the like hang on one of these.
const KINDS: &[(&str, &str, &str)] = &[
    ("relations", "pg_class", "o.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND o.relpersistence <> 't'"),
    ("functions", "pg_proc", "true"),
    // Of a relation's row type and of arrays there is always the other one.
    (
        "types",
        "pg_type",
        "NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = o.oid)
         AND (o.typrelid = 0 OR EXISTS (SELECT FROM pg_class k WHERE k.oid = o.typrelid AND k.relkind = 'c'))",
    ),
    ("schemas", "pg_namespace", "o.nspname !~ '^pg_(toast_)?temp_'"),
    ("large objects", "pg_largeobject_metadata", "true"),
    ("operators", "pg_operator", "true"),
    ("operator classes", "pg_opclass", "true"),
    ("operator families", "pg_opfamily", "true"),
    ("access methods", "pg_am", "true"),
    ("casts", "pg_cast", "true"),
    ("collations", "pg_collation", "true"),
    ("conversions", "pg_conversion", "true"),
    ("languages", "pg_language", "true"),
    ("transforms", "pg_transform", "true"),
    ("text search configurations", "pg_ts_config", "true"),
    ("text search dictionaries", "pg_ts_dict", "true"),
    ("text search parsers", "pg_ts_parser", "true"),
    ("text search templates", "pg_ts_template", "true"),
    ("foreign-data wrappers", "pg_foreign_data_wrapper", "true"),
    ("foreign servers", "pg_foreign_server", "true"),
    ("event triggers", "pg_event_trigger", "true"),
    ("publications", "pg_publication", "true"),
    (
        // Before 14, all roles may read their names and not their numbers.
        "subscriptions",
        "(SELECT s.subname FROM pg_subscription s
           WHERE s.subdbid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))",
        "true",
    ),
];

/// How many objects of each kind there are that neither PostgreSQL nor an extension made; kinds without any
/// are not listed. An empty answer means that a restore meets nothing.
///
/// # Errors
/// What the server says.
pub async fn made_objects(session: &Session) -> anyhow::Result<BTreeMap<&'static str, u64>> {
    let counts: Vec<String> = KINDS.iter().map(|(_, catalog, condition)| count(catalog, condition)).collect();
    let sql = format!("SELECT {}", counts.join(", "));
    let row = session.client().query_one(&sql, &[]).await.context("count what is in the database")?;
    let mut made = BTreeMap::new();
    for (index, (kind, _, _)) in KINDS.iter().enumerate() {
        let count = u64::try_from(row.try_get::<_, i64>(index)?).unwrap_or(0);
        if count > 0 {
            made.insert(*kind, count);
        }
    }
    Ok(made)
}

/// PostgreSQL's own objects have numbers below 16384 (`FirstNormalObjectId`) in every schema; those
/// of large objects are for people to choose. What belongs to an extension, or was made along with
/// something else, is not counted.
fn count(catalog: &str, condition: &str) -> String {
    if catalog.starts_with('(') {
        return format!("(SELECT count(*) FROM {catalog} o)");
    }
    let own = if catalog == "pg_largeobject_metadata" { "true" } else { "o.oid >= 16384" };
    format!(
        "(SELECT count(*) FROM {catalog} o WHERE {own} AND {condition}
            AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = '{catalog}'::regclass AND d.objid = o.oid
                               AND d.objsubid = 0 AND d.deptype IN ('e', 'i')))"
    )
}
