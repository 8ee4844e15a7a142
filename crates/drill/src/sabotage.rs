//! What `verify self-test` breaks in a restored database, to see whether the proof notices.

use std::fmt;

use anyhow::{Context, bail};
use backup_core::postgres::connect::Session;
use pgdump_archive::{CopyTarget, TableData};

use crate::scan::Scanned;

/// What a damage says that cannot be done, since no two rows differ.
pub(crate) const NOTHING_TO_DAMAGE: &str = "verify self-test has nothing to damage here";

/// What goes wrong with a restore between its rows and its constraints.
#[derive(Debug, Clone)]
pub struct Sabotage {
    what: String,
    sql: String,
}

impl fmt::Display for Sabotage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.what)
    }
}

impl Sabotage {
    /// Everything that can be tried on the first table with two rows or more.
    pub(crate) fn all(scanned: &Scanned) -> Vec<Self> {
        let with_rows = scanned.archive.entries.iter().filter(|entry| {
            matches!(scanned.contents.tables.get(&entry.dump_id), Some(TableData::Rows(digest)) if digest.rows > 1)
        });
        let mut targets = with_rows.filter_map(|entry| CopyTarget::of(entry, &scanned.archive).ok());
        let Some(target) = targets.find(|target| !target.columns.is_empty()) else { return Vec::new() };
        let table = &target.table;
        let columns: Vec<String> =
            target.columns.iter().map(|column| format!("\"{}\"", column.name.replace('"', "\"\""))).collect();
        let columns = columns.join(", ");
        let one = format!("ctid = (SELECT min(ctid) FROM ONLY {table})");
        let sabotage = |what: &str, sql: String| Self { what: format!("{what} in {table}"), sql };
        vec![
            sabotage("one row less", format!("DELETE FROM ONLY {table} WHERE {one}")),
            sabotage(
                "one row more",
                format!(
                    "INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM ONLY {table} WHERE {one}"
                ),
            ),
            sabotage("one row in the place of another", replace_a_row(&table.to_string(), &columns)),
            sabotage("one value changed", change_a_value(&table.to_string())),
            Self { what: format!("a dropped table: {table}"), sql: format!("DROP TABLE {table} CASCADE") },
        ]
    }

    /// Does it.
    ///
    /// # Errors
    /// What the server says.
    pub(crate) async fn strike(&self, session: &Session) -> anyhow::Result<()> {
        let struck = session.client().batch_execute(&self.sql).await;
        // What the server says is not told; this is our own.
        let is_nothing =
            |error: &tokio_postgres::Error| error.as_db_error().is_some_and(|said| said.message() == NOTHING_TO_DAMAGE);
        match struck {
            Err(error) if is_nothing(&error) => bail!(NOTHING_TO_DAMAGE),
            struck => struck.with_context(|| format!("damage the copy: {}", self.what)),
        }
    }
}

/// A copy of a row that differs from the first one in its place.
fn replace_a_row(table: &str, columns: &str) -> String {
    format!(
        "DO $verify_self_test$ DECLARE first tid; changed bigint; BEGIN
           SELECT min(ctid) INTO first FROM ONLY {table};
           INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM ONLY {table} o
             WHERE o::text IS DISTINCT FROM (SELECT f::text FROM ONLY {table} f WHERE f.ctid = first) LIMIT 1;
           GET DIAGNOSTICS changed = ROW_COUNT;
           IF changed = 0 THEN RAISE EXCEPTION '{NOTHING_TO_DAMAGE}'; END IF;
           DELETE FROM ONLY {table} WHERE ctid = first;
         END $verify_self_test$"
    )
}

/// Changes the last value of the first row of `table` that takes it: to another one if its type can be changed
/// without knowing more, else to the value of a row that differs. Against which of them a constraint stands, only
/// the server knows.
fn change_a_value(table: &str) -> String {
    let literal = table.replace('\'', "''");
    format!(
        "DO $verify_self_test$ DECLARE col record; first text; other text; changed bigint := 0; BEGIN
           EXECUTE 'SELECT min(ctid)::text FROM ONLY {literal}' INTO first;
           FOR col IN SELECT quote_ident(attname) AS name, format_type(atttypid, NULL) AS kind FROM pg_attribute
                       WHERE attrelid = '{literal}'::regclass AND attnum > 0 AND NOT attisdropped
                         AND attgenerated = '' AND attidentity = '' ORDER BY attnum DESC LOOP
             other := CASE WHEN col.kind IN ('text', 'character varying') THEN 't.' || col.name || ' || ''x'''
                           WHEN col.kind IN ('smallint', 'integer', 'bigint', 'numeric') THEN 't.' || col.name || ' + 1'
                           ELSE '(SELECT o.' || col.name || ' FROM ONLY {literal} o WHERE o.' || col.name
                             || '::text IS DISTINCT FROM t.' || col.name || '::text LIMIT 1)' END;
             BEGIN
               EXECUTE 'UPDATE ONLY {literal} t SET ' || col.name || ' = ' || other || ' WHERE t.ctid = ''' || first
                 || '''::tid AND (' || other || ')::text IS DISTINCT FROM t.' || col.name || '::text';
               GET DIAGNOSTICS changed = ROW_COUNT;
               EXIT WHEN changed = 1;
             EXCEPTION WHEN OTHERS THEN NULL; -- Another column may have no such constraint.
             END;
           END LOOP;
           IF changed = 0 THEN RAISE EXCEPTION '{NOTHING_TO_DAMAGE}'; END IF;
         END $verify_self_test$"
    )
}
