//! The structure of every B-tree index, and that it has an entry for each row, by PostgreSQL's own amcheck.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use backup_core::postgres::connect::Session;
use backup_core::postgres::conninfo::Conninfo;
use backup_core::postgres::neutral_name;
use tokio::task::JoinSet;
use tokio_postgres::error::{DbError, SqlState};

use super::subject::Subject;
use crate::evidence::Evidence;
use tracing::Instrument;

const INDEXES: &str = "SELECT c.oid, format('%I.%I', n.nspname, c.relname)
      FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_am a ON a.oid = c.relam
     WHERE a.amname = 'btree' AND c.relkind = 'i' AND c.relpersistence <> 't' AND x.indisvalid
       AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY c.relpages DESC";

/// Event triggers of the backup, which may forbid every definition, do not fire in a session with this setting, unless they
/// were made for it (`ENABLE ALWAYS`). Only a superuser may set it, and only a superuser restores event triggers.
const WITHOUT_EVENT_TRIGGERS: &str = "
    SELECT pg_catalog.set_config('session_replication_role', 'replica', false)
      FROM pg_catalog.pg_roles WHERE rolname = current_user AND rolsuper";

type Indexes = Arc<Mutex<VecDeque<(u32, String)>>>;

/// Checks every index over several sessions; skipped if there is a `reason` for that, or no extension and none can be
/// created.
pub(super) async fn check(
    subject: &Subject<'_>,
    reason: Option<&'static str>,
    evidence: &mut Evidence,
) -> anyhow::Result<()> {
    if let Some(reason) = reason {
        evidence.skip("amcheck", reason);
        return Ok(());
    }
    let login = subject.admin.unwrap_or(subject.owner);
    let session = login.connect().await.context("connect to the restored database")?;
    let schema = match schema(&session).await? {
        Ok(schema) => schema,
        Err(error) => {
            let why = format!("the extension cannot be created here: {}", subject.said.by_server(&error));
            match subject.amcheck_was_possible {
                true => evidence.record("amcheck", why.clone(), vec![format!("{why}; before the restore it could")]),
                false => evidence.skip("amcheck", why),
            }
            return Ok(());
        }
    };
    let rows = session.client().query(INDEXES, &[]).await.context("list indexes")?;
    let indexes = rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<anyhow::Result<_>>()?;
    let indexes: Indexes = Arc::new(Mutex::new(indexes));
    let mut workers = JoinSet::new();
    for _ in 0..subject.jobs.max(1) {
        workers.spawn(work(login.clone(), schema.clone(), Arc::clone(&indexes)).in_current_span());
    }
    let (mut found, mut not_compared) = (Vec::new(), Vec::new());
    while let Some(done) = workers.join_next().await {
        let Looked { bad, structure_only } = done.context("check indexes")??;
        let said = |said: &DbError| subject.said.by_server(said);
        let sentence = |(name, error): &(String, DbError)| format!("index {}: {}", subject.known(name), said(error));
        found.extend(bad.iter().map(sentence));
        let why = |(name, error): &(String, DbError)| format!("{} ({})", subject.known(name), said(error));
        not_compared.extend(structure_only.iter().map(why));
    }
    let mut figures = format!("{} B-tree indexes walked through and compared with the rows", rows.len());
    if !not_compared.is_empty() {
        figures.push_str(&format!("; of {} only the structure: {}", not_compared.len(), not_compared.join(", ")));
    }
    evidence.record("amcheck", figures, found);
    Ok(())
}

/// A new schema that has amcheck's functions and nothing else. The server's words if it refuses.
///
/// Functions of the backup run while an index is checked: those in its expressions. The schema must not be one in which
/// their role could put others in the place of amcheck's, which this session would then run with its own rights.
async fn schema(session: &Session) -> anyhow::Result<Result<String, DbError>> {
    let own = "SELECT FROM pg_catalog.pg_extension WHERE extname = 'amcheck'";
    let is_there = session.client().query_opt(own, &[]).await.context("look for amcheck")?.is_some();
    // Nothing of the backup has that name, nor can it tell a drill by it.
    let schema = neutral_name();
    let bring = if is_there { "ALTER EXTENSION amcheck SET" } else { "CREATE EXTENSION amcheck" };
    let sql = format!("{WITHOUT_EVENT_TRIGGERS}; CREATE SCHEMA {schema}; {bring} SCHEMA {schema}");
    match session.client().batch_execute(&sql).await {
        Ok(()) => Ok(Ok(schema)),
        Err(error) => match error.as_db_error() {
            Some(said) => Ok(Err(said.clone())),
            None => Err(error).context("create extension amcheck"),
        },
    }
}

/// Whether the check could be made in a database into which nothing was restored yet. Nothing is left of the attempt.
///
/// # Errors
/// A lost connection.
pub(crate) async fn is_possible(session: &Session) -> anyhow::Result<bool> {
    session.client().batch_execute("BEGIN").await.context("try to make amcheck")?;
    let is_made = schema(session).await?.is_ok();
    session.client().batch_execute("ROLLBACK").await.context("take amcheck back")?;
    Ok(is_made)
}

/// What one session says of the indexes that it took.
#[derive(Default)]
struct Looked {
    bad: Vec<(String, DbError)>,
    /// Names of indexes that have functions which could not be run, and why.
    structure_only: Vec<(String, DbError)>,
}

async fn work(login: Conninfo, schema: String, indexes: Indexes) -> anyhow::Result<Looked> {
    let session = login.connect().await.context("connect to the restored database")?;
    let sql = format!("SELECT {schema}.bt_index_check($1::oid::regclass, $2::bool)");
    let check = session.client().prepare(&sql).await.context("prepare the check")?;
    let mut looked = Looked::default();
    loop {
        let next = indexes.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some((oid, name)) = next else { return Ok(looked) };
        let run = async |with_rows: bool| -> anyhow::Result<Option<DbError>> {
            match session.client().query(&check, &[&oid, &with_rows]).await {
                Ok(_) => Ok(None),
                Err(error) => match error.as_db_error() {
                    Some(said) => Ok(Some(said.clone())),
                    None => Err(anyhow::Error::from(error).context("check an index")),
                },
            }
        };
        let Some(mut said) = run(true).await? else { continue };
        // An expression or a condition of the index that does not run here says nothing about the index.
        if !is_damage(&said) {
            match run(false).await? {
                None => {
                    looked.structure_only.push((name, said));
                    continue;
                }
                Some(structure) => said = structure,
            }
        }
        looked.bad.push((name, said));
    }
}

fn is_damage(said: &DbError) -> bool {
    [SqlState::INDEX_CORRUPTED, SqlState::DATA_CORRUPTED].contains(said.code())
}
