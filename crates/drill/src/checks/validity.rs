//! What is there but does not work: invalid indexes, constraints that were not validated or are not enforced,
//! materialized views without rows, and those with rows that had none. What the source had so, the archive says.

use std::collections::{BTreeSet, HashSet};

use anyhow::Context;
use backup_core::postgres::connect::Session;
use pgdump_archive::Archive;

use super::subject::{Subject, table_name};
use crate::evidence::Evidence;

const USER_SCHEMAS: &str = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

pub(super) async fn check(subject: &Subject<'_>, session: &Session, evidence: &mut Evidence) -> anyhow::Result<()> {
    indexes(subject, session, evidence).await?;
    constraints(subject, session, evidence).await?;
    materialized_views(subject, session, evidence).await
}

async fn indexes(subject: &Subject<'_>, session: &Session, evidence: &mut Evidence) -> anyhow::Result<()> {
    // The index of a partitioned table is valid once each partition has one of its own attached, which must be valid,
    // too. Which are attached is compared with the archive among the definitions.
    let sql = format!(
        "WITH RECURSIVE incomplete AS (
           SELECT x.indexrelid FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid
            WHERE c.relkind = 'I' AND EXISTS (
                  SELECT FROM pg_inherits partition WHERE partition.inhparent = x.indrelid AND NOT EXISTS (
                    SELECT FROM pg_inherits attached JOIN pg_index own ON own.indexrelid = attached.inhrelid
                     WHERE attached.inhparent = x.indexrelid AND own.indrelid = partition.inhrelid
                       AND own.indisvalid))
            UNION
            SELECT attached.inhparent FROM incomplete JOIN pg_inherits attached ON attached.inhrelid = incomplete.indexrelid)
          SELECT n.nspname::text, c.relname::text,
                 x.indisvalid AND x.indisready AND x.indislive AND (x.indimmediate OR EXISTS (
                   SELECT FROM pg_constraint k
                    WHERE k.conindid = x.indexrelid AND k.contype IN ('p', 'u', 'x') AND k.condeferrable)),
                 x.indexrelid IN (SELECT indexrelid FROM incomplete)
           FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE {USER_SCHEMAS}"
    );
    let sorted = sort(session, &sql).await.context("look at indexes")?;
    let found = sorted.bad.iter().map(|name| format!("index {} is not valid", subject.known(name))).collect();
    let mut figures = format!("{} valid", sorted.good.len());
    if !sorted.excused.is_empty() {
        figures.push_str(&format!(", {} without an index of each partition as in the source", sorted.excused.len()));
    }
    evidence.record("indexes", figures, found);
    Ok(())
}

async fn constraints(subject: &Subject<'_>, session: &Session, evidence: &mut Evidence) -> anyhow::Result<()> {
    // A constraint that is not enforced (18) is never validated. One that is inherited is as valid as its
    // parent's, which alone is in the archive.
    let enforced = if session.server_version_num() >= 180_000 { "k.conenforced" } else { "true" };
    let sql = format!(
        "SELECT n.nspname::text, coalesce(c.relname, t.typname) || ' ' || k.conname, k.convalidated,
                NOT k.conislocal AND EXISTS (
                  SELECT FROM pg_constraint parent
                   WHERE NOT parent.convalidated AND (parent.oid = k.conparentid
                      OR parent.conname = k.conname AND EXISTS (
                           SELECT FROM pg_inherits i WHERE i.inhrelid = k.conrelid AND i.inhparent = parent.conrelid)))
           FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace
           LEFT JOIN pg_class c ON c.oid = k.conrelid LEFT JOIN pg_type t ON t.oid = k.contypid
          WHERE {USER_SCHEMAS} AND {enforced}"
    );
    let Sorted { good, excused, bad } = sort(session, &sql).await.context("look at constraints")?;
    let not_valid = not_valid_in(subject.archive);
    let (as_in_the_source, found): (Vec<_>, Vec<_>) = bad.into_iter().partition(|name| not_valid.contains(name));
    let mut found: Vec<String> =
        found.iter().map(|name| format!("constraint {} is not validated", subject.known(name))).collect();
    found.extend(not_enforced(subject, session).await.context("look at the triggers of constraints")?);
    let mut figures = format!("{} validated", good.len());
    let not_valid = as_in_the_source.len() + excused.len();
    if not_valid > 0 {
        figures.push_str(&format!(", {not_valid} NOT VALID as in the source"));
    }
    evidence.record("constraints", figures, found);
    Ok(())
}

/// Constraints that PostgreSQL enforces by triggers of its own which are disabled. No archive says that, so a restore
/// never makes it.
async fn not_enforced(subject: &Subject<'_>, session: &Session) -> anyhow::Result<Vec<String>> {
    let sql = format!(
        "SELECT DISTINCT n.nspname::text, c.relname || ' ' || k.conname
           FROM pg_trigger t JOIN pg_constraint k ON k.oid = t.tgconstraint JOIN pg_class c ON c.oid = k.conrelid
           JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE {USER_SCHEMAS} AND t.tgisinternal AND k.contype <> 't' AND t.tgenabled <> 'O' ORDER BY 1, 2"
    );
    let rows = session.client().query(&sql, &[]).await?;
    let sentence = |row: &tokio_postgres::Row| {
        let name = subject.known(&table_name(row.try_get(0)?, row.try_get(1)?));
        Ok(format!("constraint {name} is not enforced: PostgreSQL's own triggers for it are disabled"))
    };
    rows.iter().map(sentence).collect()
}

/// Each `schema.table constraint` of which the archive itself says NOT VALID, for which `pg_dump` writes an entry of its
/// own.
fn not_valid_in(archive: &Archive) -> HashSet<String> {
    let not_valid = archive.entries.iter().filter(|entry| entry.defn.trim_end().ends_with(" NOT VALID;"));
    not_valid.map(|entry| table_name(&entry.namespace, &entry.tag)).collect()
}

async fn materialized_views(subject: &Subject<'_>, session: &Session, evidence: &mut Evidence) -> anyhow::Result<()> {
    let sql = format!(
        "SELECT n.nspname::text, c.relname::text, c.relispopulated, false
           FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {USER_SCHEMAS} AND c.relkind = 'm'"
    );
    let Sorted { good, bad, .. } = sort(session, &sql).await.context("look at materialized views")?;
    // The archive fills those that were filled in the source, unless the drill's role may not read what they read.
    let left_out: BTreeSet<i32> = subject.selection.left_out.iter().map(|left_out| left_out.dump_id).collect();
    let filled: BTreeSet<String> = subject
        .archive
        .entries
        .iter()
        .filter(|entry| entry.desc == "MATERIALIZED VIEW DATA" && !left_out.contains(&entry.dump_id))
        .map(|entry| table_name(&entry.namespace, &entry.tag))
        .collect();
    let (found, as_in_the_source): (Vec<_>, Vec<_>) = bad.into_iter().partition(|name| filled.contains(name));
    let mut found: Vec<String> =
        found.iter().map(|name| format!("materialized view {} has no rows", subject.known(name))).collect();
    let stale = good.iter().filter(|name| !filled.contains(*name));
    let has_rows =
        |name: &String| format!("materialized view {} has rows, and had none in the source", subject.known(name));
    found.extend(stale.map(has_rows));
    let mut figures = format!("{} filled", good.len());
    if !as_in_the_source.is_empty() {
        figures.push_str(&format!(", {} not filled as in the source or not exercised", as_in_the_source.len()));
    }
    evidence.record("materialized_views", figures, found);
    Ok(())
}

/// Names of objects, by what is to be thought of them.
struct Sorted {
    good: Vec<String>,
    /// Not good, for a reason that is not of the restore.
    excused: Vec<String>,
    bad: Vec<String>,
}

/// Runs a question of schema, name, whether it is good, and whether it is excused.
async fn sort(session: &Session, sql: &str) -> anyhow::Result<Sorted> {
    let mut sorted = Sorted { good: Vec::new(), excused: Vec::new(), bad: Vec::new() };
    for row in session.client().query(sql, &[]).await? {
        let name = table_name(row.try_get(0)?, row.try_get(1)?);
        match (row.try_get(2)?, row.try_get(3)?) {
            (true, _) => sorted.good.push(name),
            (false, true) => sorted.excused.push(name),
            (false, false) => sorted.bad.push(name),
        }
    }
    Ok(sorted)
}
