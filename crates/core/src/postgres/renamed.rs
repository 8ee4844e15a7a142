//! Names that came to mean something else while `pg_dump` looked for tables by name.

use std::collections::HashMap;

use anyhow::Context;

use super::connect::Session;

/// Names shown of what was renamed.
const MAX_NAMES: usize = 5;

/// Tables and sequences that have another schema or name now than in the snapshot, or none. The catalog is read as the
/// snapshot sees it, and `regclass` shows the name of now; for what is gone it shows the oid. The path is empty, so a
/// schema is always shown. Neither asks for a lock or a privilege.
const MOVED: &str = "
    SELECT n.nspname::text, c.relname::text, c.oid::regclass::text
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'S') AND c.relpersistence <> 't'
       AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
       AND c.oid::regclass::text <> format('%I.%I', n.nspname, c.relname)
       AND NOT EXISTS (SELECT FROM pg_depend e JOIN pg_extension x ON x.oid = e.refobjid
                        WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e'
                          AND e.refclassid = 'pg_extension'::regclass AND c.oid <> ALL (coalesce(x.extconfig, '{}')))
     ORDER BY 1, 2";

/// A transaction takes note of what others have changed in the catalog when it takes a lock that it does not have, and
/// the lists before have locked all that [`MOVED`] reads. This takes one for a moment, on a catalog that no list reads.
pub(super) const TAKE_NOTE: &str = "SELECT pg_relation_size('pg_catalog.pg_am'::regclass)";

/// Schemas in which there are tables or sequences.
const SCHEMAS: &str = "
    SELECT n.oid, n.nspname::text FROM pg_namespace n
     WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
       AND EXISTS (SELECT FROM pg_class c
                    WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'S') AND c.relpersistence <> 't')
     ORDER BY 2";

/// Schemas that have one of these oids now.
const SCHEMAS_NOW: &str = "SELECT oid, nspname::text FROM pg_namespace WHERE oid = ANY ($1)";

/// What has another name than in the snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Its schema in the snapshot, or the schema itself.
    pub schema: String,
    /// The name of a table or sequence.
    pub name: Option<String>,
    /// What has become of it, in words.
    now: String,
}

/// `pg_dump` reads definitions by oid, and rows by name. No lock of it keeps a schema from being renamed, nor a table
/// before it has locked it by its name: if another one takes the name, its rows are dumped instead, without a word.
#[derive(Debug, thiserror::Error)]
#[error(
    "names changed their meaning after the snapshot (by ALTER ... RENAME or SET SCHEMA, or by dropping and creating), and \
     pg_dump looks for rows by name, so the dump may hold those of other tables: {}", self.names()
)]
pub struct Renamed {
    /// Each schema, table and sequence.
    pub moved: Vec<Moved>,
}

impl Renamed {
    fn names(&self) -> String {
        let name = |moved: &Moved| match &moved.name {
            Some(name) => format!("{}.{name} {}", moved.schema, moved.now),
            None => format!("schema {} {}", moved.schema, moved.now),
        };
        let shown: Vec<String> = self.moved.iter().take(MAX_NAMES).map(name).collect();
        let more = self.moved.len() - shown.len();
        if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
    }
}

/// Tables and sequences that have other names now than in the snapshot of this transaction. To be asked once `pg_dump`
/// holds its locks: from then on only their schemas can be renamed.
///
/// # Errors
/// What the server says.
pub async fn moved_relations(session: &Session) -> anyhow::Result<Vec<Moved>> {
    session.ask(session.client().query_one(TAKE_NOTE, &[])).await?;
    let rows = session.ask(session.client().query(MOVED, &[])).await.context("look for tables that were renamed")?;
    let moved = |row: &tokio_postgres::Row| {
        let now: String = row.try_get(2)?;
        let is_gone = now.bytes().all(|byte| byte.is_ascii_digit());
        let now = if is_gone { "was dropped".to_owned() } else { format!("is {now} now") };
        Ok(Moved { schema: row.try_get(0)?, name: Some(row.try_get(1)?), now })
    };
    rows.iter().map(moved).collect()
}

/// The schemas of tables and sequences by oid and name.
#[derive(Debug)]
pub struct Schemas(Vec<(u32, String)>);

impl Schemas {
    /// Reads them in the transaction that `session` is in.
    ///
    /// # Errors
    /// What the server says.
    pub async fn read(session: &Session) -> anyhow::Result<Self> {
        Ok(Self(by_oid(&session.client().query(SCHEMAS, &[]).await?)?))
    }

    /// Those that have another name now. To be asked outside of the transaction of the snapshot, while `pg_dump` runs.
    ///
    /// One that is gone counts as the same: `pg_dump` holds locks on its tables, so it was dropped only after the dump,
    /// perhaps to be made anew. One that was renamed and renamed back is not noticed: its row in the catalog is new then, and so
    /// it is after each `GRANT`.
    ///
    /// # Errors
    /// What the server says.
    pub async fn moved(&self, session: &Session) -> anyhow::Result<Vec<Moved>> {
        let oids: Vec<u32> = self.0.iter().map(|(oid, _)| *oid).collect();
        let rows = session.ask(session.client().query(SCHEMAS_NOW, &[&oids])).await?;
        Ok(self.differences(&by_oid(&rows)?))
    }

    fn differences(&self, now: &[(u32, String)]) -> Vec<Moved> {
        let names: HashMap<u32, &str> = now.iter().map(|(oid, name)| (*oid, name.as_str())).collect();
        let difference = |(oid, name): &(u32, String)| {
            let now = names.get(oid).filter(|now| *now != name)?;
            Some(Moved { schema: name.clone(), name: None, now: format!("is {now} now") })
        };
        self.0.iter().filter_map(difference).collect()
    }
}

fn by_oid(rows: &[tokio_postgres::Row]) -> anyhow::Result<Vec<(u32, String)>> {
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schemas(list: &[(u32, &str)]) -> Vec<(u32, String)> {
        list.iter().map(|(oid, name)| (*oid, (*name).to_owned())).collect()
    }

    #[track_caller]
    fn check(now: &[(u32, &str)], expected: &[&str]) {
        let found = Schemas(schemas(&[(1, "app"), (2, "logs")])).differences(&schemas(now));
        let found: Vec<String> = found.iter().map(|moved| format!("{} {}", moved.schema, moved.now)).collect();
        assert_eq!(found, expected, "{now:?}");
    }

    #[test]
    fn a_schema_is_another_one_by_oid_or_by_name() {
        check(&[(1, "app"), (2, "logs")], &[]);
        check(&[(1, "app_old"), (2, "logs"), (3, "app")], &["app is app_old now"]);
        check(&[(1, "logs"), (2, "app")], &["app is logs now", "logs is app now"]);
        check(&[(1, "app_old"), (2, "logs")], &["app is app_old now"]);
        check(&[(2, "logs"), (3, "app")], &[]);
        check(&[(2, "logs")], &[]);
    }

    #[test]
    fn a_long_list_of_names_is_cut() {
        let moved = |index: usize| Moved {
            schema: "app".to_owned(),
            name: (index > 0).then(|| format!("t{index}")),
            now: "was dropped".to_owned(),
        };
        let error = Renamed { moved: (0..7).map(moved).collect() }.to_string();
        assert!(error.contains("schema app was dropped, app.t1 was dropped"), "{error}");
        assert!(error.ends_with("app.t4 was dropped and 2 more"), "{error}");
    }
}
