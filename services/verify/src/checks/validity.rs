//! What is there but does not work: invalid indexes, constraints that were not validated, materialized views
//! without rows. What the source had so, the archive says.

use anyhow::Context;
use backup_core::postgres::connect::Session;

use super::{Subject, table_name};
use crate::evidence::Evidence;

const USER_SCHEMAS: &str = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

pub(super) async fn check(subject: &Subject<'_>, session: &Session, evidence: &mut Evidence) -> anyhow::Result<()> {
    indexes(session, evidence).await?;
    constraints(subject, session, evidence).await?;
    materialized_views(subject, session, evidence).await
}

async fn indexes(session: &Session, evidence: &mut Evidence) -> anyhow::Result<()> {
    let sql = format!(
        "SELECT n.nspname::text, c.relname::text, x.indisvalid AND x.indisready AND x.indislive
           FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE {USER_SCHEMAS}"
    );
    let (good, bad) = sort(session, &sql).await.context("look at indexes")?;
    let found = bad.iter().map(|name| format!("index {name} is not valid")).collect();
    evidence.record("indexes", format!("{} valid", good.len()), found);
    Ok(())
}

async fn constraints(subject: &Subject<'_>, session: &Session, evidence: &mut Evidence) -> anyhow::Result<()> {
    // A constraint that is not enforced (18) is never validated. One that is inherited is as valid as its
    // parent's, which alone is in the archive.
    let enforced = if session.server_version_num() >= 180_000 { "k.conenforced" } else { "true" };
    let sql = format!(
        "SELECT n.nspname::text, coalesce(c.relname || ' ', '') || k.conname, k.convalidated
           FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace
           LEFT JOIN pg_class c ON c.oid = k.conrelid
          WHERE {USER_SCHEMAS} AND {enforced} AND (k.convalidated OR k.conislocal)"
    );
    let (good, bad) = sort(session, &sql).await.context("look at constraints")?;
    let (as_in_the_source, found): (Vec<_>, Vec<_>) =
        bad.into_iter().partition(|name| subject.is_not_valid_in_the_archive(name));
    let found = found.iter().map(|name| format!("constraint {name} is not validated")).collect();
    let mut figures = format!("{} validated", good.len());
    if !as_in_the_source.is_empty() {
        figures.push_str(&format!(", {} NOT VALID as in the source", as_in_the_source.len()));
    }
    evidence.record("constraints", figures, found);
    Ok(())
}

impl Subject<'_> {
    /// Whether the archive itself says NOT VALID of `schema.table constraint`, in an entry of its own or in
    /// that of its table.
    fn is_not_valid_in_the_archive(&self, name: &str) -> bool {
        self.archive.entries.iter().any(|entry| {
            let entry_name = table_name(&entry.namespace, &entry.tag);
            let of_its_table = name.strip_prefix(&entry_name).and_then(|rest| rest.strip_prefix(' '));
            let is_within = entry.desc == "TABLE" && of_its_table.is_some_and(|name| entry.defn.contains(name));
            (entry_name == name || is_within) && entry.defn.contains("NOT VALID")
        })
    }
}

async fn materialized_views(subject: &Subject<'_>, session: &Session, evidence: &mut Evidence) -> anyhow::Result<()> {
    let sql = format!(
        "SELECT n.nspname::text, c.relname::text, c.relispopulated
           FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {USER_SCHEMAS} AND c.relkind = 'm'"
    );
    let (good, bad) = sort(session, &sql).await.context("look at materialized views")?;
    // The archive fills those that were filled in the source.
    let filled: Vec<String> = subject
        .archive
        .entries
        .iter()
        .filter(|entry| entry.desc == "MATERIALIZED VIEW DATA")
        .map(|entry| table_name(&entry.namespace, &entry.tag))
        .collect();
    let (found, as_in_the_source): (Vec<_>, Vec<_>) = bad.into_iter().partition(|name| filled.contains(name));
    let found = found.iter().map(|name| format!("materialized view {name} has no rows")).collect();
    let mut figures = format!("{} filled", good.len());
    if !as_in_the_source.is_empty() {
        figures.push_str(&format!(", {} not filled as in the source", as_in_the_source.len()));
    }
    evidence.record("materialized_views", figures, found);
    Ok(())
}

/// Runs a question of schema, name and whether it is good; returns the names, good and bad.
async fn sort(session: &Session, sql: &str) -> anyhow::Result<(Vec<String>, Vec<String>)> {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for row in session.client().query(sql, &[]).await? {
        let name = table_name(row.try_get(0)?, row.try_get(1)?);
        if row.try_get(2)? { good.push(name) } else { bad.push(name) }
    }
    Ok((good, bad))
}
