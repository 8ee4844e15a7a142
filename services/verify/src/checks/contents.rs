//! Every row of the restored tables against its line in the archive, as sums of digests that do not depend
//! on the order of rows. The source is not asked: the archive is what was there.

mod pieces;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use backup_core::postgres::archive::{RowHasher, RowsDigest, TableName};
use backup_core::postgres::connect::Session;
use backup_core::postgres::conninfo::Conninfo;
use futures_util::TryStreamExt;
use tokio::task::JoinSet;

use super::{Subject, table_name};
use crate::config::Content;
use crate::evidence::Evidence;
use pieces::{Piece, plan};

/// What `pg_dump` sets for itself, so that values look the same; what it leaves to the session is set for
/// every session of ours.
const AS_PG_DUMP: &str = "SET DateStyle = ISO; SET IntervalStyle = postgres; SET extra_float_digits = 3; \
    SET synchronize_seqscans = off; SET row_security = off";

/// Tables with data in the archive, and what became of each.
pub(super) type Restored = Vec<RestoredTable>;

/// One entry of the archive with data, and the rows that are in its table now.
pub(super) struct RestoredTable {
    pub(super) table: TableName,
    /// Where `COPY` put the rows; sums can be compared for all entries with the same one only.
    pub(super) loaded_into: TableName,
    /// `None` where the archive holds statements instead of rows.
    pub(super) archived: Option<RowsDigest>,
    pub(super) now: Now,
    /// A table of an extension, which has rows of its own besides those of the archive.
    pub(super) is_of_extension: bool,
}

/// What was learned of a restored table, or of a piece of one.
pub(super) enum Now {
    Read(RowsDigest),
    Counted(u64),
    /// The server's words.
    Unreadable(String),
}

impl Now {
    pub(super) fn rows(&self) -> Option<u64> {
        match self {
            Self::Read(digest) => Some(digest.rows),
            Self::Counted(rows) => Some(*rows),
            Self::Unreadable(_) => None,
        }
    }

    /// Adds another piece of the same table.
    fn add(&mut self, piece: Self) {
        match (&mut *self, piece) {
            (Self::Unreadable(_), _) => {}
            (Self::Read(sum), Self::Read(piece)) => *sum += piece,
            (Self::Counted(sum), Self::Counted(piece)) => *sum += piece,
            (_, piece) => *self = piece,
        }
    }
}

/// Reads or counts every table of the archive, over `jobs` sessions at once.
pub(super) async fn read_back(subject: &Subject<'_>, session: &Session, content: Content) -> anyhow::Result<Restored> {
    let (mut restored, pieces) = plan(subject, session, content).await?;
    let pieces = Arc::new(Mutex::new(pieces));
    let mut workers = JoinSet::new();
    for _ in 0..subject.jobs.max(1) {
        workers.spawn(work(subject.owner.clone(), Arc::clone(&pieces)));
    }
    while let Some(done) = workers.join_next().await {
        for (table, piece) in done.context("read tables")?? {
            restored[table].now.add(piece);
        }
    }
    restored.sort_by(|a, b| a.table.cmp(&b.table));
    Ok(restored)
}

/// Takes pieces until none is left; what each said, by the number of its table.
async fn work(owner: Conninfo, pieces: Arc<Mutex<VecDeque<Piece>>>) -> anyhow::Result<Vec<(usize, Now)>> {
    let session = owner.connect().await.context("connect to the restored database")?;
    session.client().batch_execute(AS_PG_DUMP).await.context("set the format of values")?;
    let mut done = Vec::new();
    loop {
        let next = pieces.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some(Piece { table, sql, is_read, .. }) = next else { return Ok(done) };
        let outcome = if is_read { read(&session, &sql).await } else { count(&session, &sql).await };
        let now = match outcome {
            Ok(now) => now,
            // What the server says about one table is evidence; a lost connection is not.
            Err(error) => match error.downcast_ref::<tokio_postgres::Error>().and_then(|error| error.as_db_error()) {
                Some(said) => Now::Unreadable(said.message().to_owned()),
                None => return Err(error.context(sql)),
            },
        };
        done.push((table, now));
    }
}

async fn read(session: &Session, sql: &str) -> anyhow::Result<Now> {
    let mut rows = std::pin::pin!(session.client().copy_out(sql).await?);
    let mut hasher = RowHasher::new();
    while let Some(piece) = rows.try_next().await? {
        hasher.push(&piece);
    }
    Ok(Now::Read(hasher.finish().context("read rows")?))
}

async fn count(session: &Session, sql: &str) -> anyhow::Result<Now> {
    let rows: i64 = session.client().query_one(sql, &[]).await?.try_get(0)?;
    Ok(Now::Counted(u64::try_from(rows).unwrap_or(0)))
}

/// Compares sums, for each table that `COPY` loaded.
pub(super) fn check(restored: &Restored, content: Content, evidence: &mut Evidence) {
    if content == Content::Off {
        return evidence.skip("contents", "VERIFY_CONTENT=off");
    }
    let mut found = Vec::new();
    let (mut compared, mut rows) = (0_usize, 0);
    for (name, tables) in by_target(restored) {
        let read: Option<Vec<(RowsDigest, RowsDigest)>> = tables.iter().map(|table| both(table)).collect();
        let Some(read) = read.filter(|read| !read.is_empty()) else { continue };
        let (mut archived, mut now) = (RowsDigest::default(), RowsDigest::default());
        for (of_archive, of_table) in &read {
            archived += *of_archive;
            now += *of_table;
        }
        compared += tables.len();
        rows += archived.rows;
        let equal = archived == now;
        if !equal && archived.rows == now.rows {
            found.push(format!(
                "table {}: {} rows as in the archive, and their contents are not the archive's",
                table_name(&name.schema, &name.name),
                now.rows
            ));
        }
        mark(evidence, &tables, equal);
    }
    let all = restored.iter().filter(|table| !table.is_of_extension).count();
    let figures = format!("{compared} of {all} tables read back row by row, {rows} rows");
    // A table with another number of rows is a finding of the row counts; here it only must not pass.
    evidence.record("contents", figures, found);
}

/// The tables that share a target.
fn by_target(restored: &Restored) -> BTreeMap<&TableName, Vec<&RestoredTable>> {
    let mut groups: BTreeMap<&TableName, Vec<&RestoredTable>> = BTreeMap::new();
    for table in restored.iter().filter(|table| !table.is_of_extension) {
        groups.entry(&table.loaded_into).or_default().push(table);
    }
    groups
}

fn both(table: &RestoredTable) -> Option<(RowsDigest, RowsDigest)> {
    match (&table.archived, &table.now) {
        (Some(archived), Now::Read(now)) => Some((*archived, *now)),
        _ => None,
    }
}

fn mark(evidence: &mut Evidence, tables: &[&RestoredTable], equal: bool) {
    for table in tables {
        let figures = evidence
            .report
            .tables
            .iter_mut()
            .find(|figures| figures.schema == table.table.schema && figures.name == table.table.name);
        if let Some(figures) = figures {
            figures.content_equal = Some(equal);
        }
    }
}
