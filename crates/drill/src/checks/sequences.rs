//! The value of each sequence against the archive's. Sequences are not part of a snapshot, so the archive,
//! not the manifest, says what must come back.

use std::collections::{BTreeSet, HashSet};
use std::fmt;

use anyhow::Context;
use backup_core::postgres::connect::Session;
use pgdump_archive::{Archive, DumpId, Entry, TableName};

use super::subject::{Subject, table_name};
use crate::evidence::Evidence;

/// Where a sequence stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Value {
    number: i64,
    /// Whether `number` was given out; otherwise it is the next one.
    is_called: bool,
}

impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, is_called } = self;
        if *is_called { write!(formatter, "{number}") } else { write!(formatter, "{number} (not used yet)") }
    }
}

pub(super) async fn check(subject: &Subject<'_>, session: &Session, evidence: &mut Evidence) -> anyhow::Result<()> {
    let left_out: BTreeSet<i32> = subject.selection.left_out.iter().map(|left_out| left_out.dump_id).collect();
    let set = subject.archive.entries.iter().filter(|entry| entry.desc == "SEQUENCE SET");
    let named_by_views = named_by_filled_views(subject.archive);
    let (mut equal, mut found) = (0_usize, Vec::new());
    for entry in set.filter(|entry| !left_out.contains(&entry.dump_id)) {
        let sequence = TableName { schema: entry.namespace.clone(), name: entry.tag.clone() };
        let name = table_name(&sequence.schema, &sequence.name);
        let Some(expected) = value(&entry.defn) else {
            found.push(format!("sequence {name}: its value in the archive cannot be read"));
            continue;
        };
        match now(subject, session, &sequence).await? {
            Ok(now) if now == expected => equal += 1,
            // As after a restore by stock tools, which fill such a view last, too.
            Ok(now) if now.number > expected.number && fills_a_view(entry, &named_by_views) => evidence.note(format!(
                "sequence {name}: {expected} in the archive, a higher one now, since filling a materialized view takes \
                 numbers"
            )),
            Ok(now) => {
                // Code of the archive may have made a number of rows.
                let how = if now.number > expected.number { "a higher" } else { "another" };
                found.push(format!("sequence {name}: {expected} in the archive, {how} one now"));
            }
            Err(said) => found.push(format!("sequence {name} cannot be read after the restore: {said}")),
        }
    }
    evidence.record("sequences", format!("{equal} at the value of the archive"), found);
    Ok(())
}

/// What the materialized views need that the restore fills.
fn named_by_filled_views(archive: &Archive) -> HashSet<DumpId> {
    let filled = archive.entries.iter().filter(|entry| entry.desc == "MATERIALIZED VIEW DATA");
    let views: HashSet<DumpId> = filled.flat_map(|data| data.dependencies.iter().copied()).collect();
    let views = views.into_iter().filter_map(|id| archive.entry(id));
    views.filter(|view| view.desc == "MATERIALIZED VIEW").flat_map(|view| view.dependencies.iter().copied()).collect()
}

/// Whether a materialized view that the restore fills names the sequence that `set` is about.
fn fills_a_view(set: &Entry, named_by_views: &HashSet<DumpId>) -> bool {
    set.dependencies.iter().any(|id| named_by_views.contains(id))
}

/// The value in the database, or the server's words.
async fn now(subject: &Subject<'_>, session: &Session, sequence: &TableName) -> anyhow::Result<Result<Value, String>> {
    let sql = format!("SELECT last_value, is_called FROM {sequence}");
    match session.client().query_one(&sql, &[]).await {
        Ok(row) => Ok(Ok(Value { number: row.try_get(0)?, is_called: row.try_get(1)? })),
        Err(error) => match error.as_db_error() {
            Some(said) => Ok(Err(subject.said.by_server(said))),
            None => Err(error).context("read a sequence"),
        },
    }
}

/// Out of `SELECT pg_catalog.setval('public.orders_id_seq', 42, true);`.
fn value(definition: &str) -> Option<Value> {
    let (_, rest) = definition.rsplit_once("', ")?;
    let (number, called) = rest.trim_end().strip_suffix(");")?.split_once(", ")?;
    let is_called = match called {
        "true" => true,
        "false" => false,
        _ => return None,
    };
    Some(Value { number: number.parse().ok()?, is_called })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(definition: &str, expected: Option<(i64, bool)>) {
        let expected = expected.map(|(number, is_called)| Value { number, is_called });
        assert_eq!(value(definition), expected, "{definition}");
    }

    #[test]
    fn values_as_pg_dump_writes_them() {
        check("SELECT pg_catalog.setval('public.orders_id_seq', 42, true);\n", Some((42, true)));
        check("SELECT pg_catalog.setval('public.\"it''s, here\"', -7, true);\n", Some((-7, true)));
        check("SELECT pg_catalog.setval('public.never', 500, false);\n", Some((500, false)));
        check("SELECT pg_catalog.setval('public.odd', x, true);\n", None);
        check("", None);
    }
}
