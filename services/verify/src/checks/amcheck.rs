//! The structure of every B-tree index, by PostgreSQL's own amcheck.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use backup_core::postgres::connect::Session;
use backup_core::postgres::conninfo::Conninfo;
use tokio::task::JoinSet;

use super::Subject;
use crate::evidence::Evidence;

/// Its functions go where nothing of the backup is.
const SCHEMA: &str = "verify_amcheck";

const INDEXES: &str = "SELECT c.oid, format('%I.%I', n.nspname, c.relname)
      FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_am a ON a.oid = c.relam
     WHERE a.amname = 'btree' AND c.relkind = 'i' AND c.relpersistence <> 't' AND x.indisvalid
       AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY c.relpages DESC";

type Indexes = Arc<Mutex<VecDeque<(u32, String)>>>;

/// Checks every index over several sessions; skipped where the extension cannot be had.
pub(super) async fn check(subject: &Subject<'_>, wanted: bool, evidence: &mut Evidence) -> anyhow::Result<()> {
    if !wanted {
        evidence.skip("amcheck", "VERIFY_AMCHECK=off");
        return Ok(());
    }
    let login = subject.admin.unwrap_or(subject.owner);
    let session = login.connect().await.context("connect to the restored database")?;
    if let Err(why) = create_extension(&session).await {
        evidence.skip("amcheck", format!("the extension cannot be created here: {why}"));
        return Ok(());
    }
    let rows = session.client().query(INDEXES, &[]).await.context("list indexes")?;
    let indexes = rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<anyhow::Result<_>>()?;
    let indexes: Indexes = Arc::new(Mutex::new(indexes));
    let mut workers = JoinSet::new();
    for _ in 0..subject.jobs.max(1) {
        workers.spawn(work(login.clone(), Arc::clone(&indexes)));
    }
    let mut found = Vec::new();
    while let Some(done) = workers.join_next().await {
        found.extend(done.context("check indexes")??);
    }
    evidence.record("amcheck", format!("{} B-tree indexes walked through", rows.len()), found);
    Ok(())
}

/// The server's words where it refuses.
async fn create_extension(session: &Session) -> Result<(), String> {
    let sql = format!("CREATE SCHEMA {SCHEMA}; CREATE EXTENSION amcheck SCHEMA {SCHEMA}");
    session.client().batch_execute(&sql).await.map_err(|error| match error.as_db_error() {
        Some(said) => said.message().to_owned(),
        None => "the connection broke".to_owned(),
    })
}

async fn work(login: Conninfo, indexes: Indexes) -> anyhow::Result<Vec<String>> {
    let session = login.connect().await.context("connect to the restored database")?;
    let sql = format!("SELECT {SCHEMA}.bt_index_check($1::oid::regclass)");
    let check = session.client().prepare(&sql).await.context("prepare the check")?;
    let mut found = Vec::new();
    loop {
        let next = indexes.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some((oid, name)) = next else { return Ok(found) };
        if let Err(error) = session.client().query(&check, &[&oid]).await {
            match error.as_db_error() {
                Some(said) => found.push(format!("index {name}: {}", said.message())),
                None => return Err(anyhow::Error::from(error).context(format!("check index {name}"))),
            }
        }
    }
}
