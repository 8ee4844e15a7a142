//! Every row of the restored tables against its line in the archive, as sums of digests that do not depend
//! on the order of rows. The source is not asked: the archive is what was there.

mod pieces;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use backup_core::postgres::connect::Session;
use backup_core::postgres::conninfo::Conninfo;
use futures_util::TryStreamExt;
use pgdump_archive::{CopyTargetError, RowHasher, RowsDigest, TableName};
use tokio::task::JoinSet;
use tokio_postgres::error::{DbError, SqlState};

use super::subject::{Content, Subject, table_name};
use crate::evidence::Evidence;
use pieces::{Piece, plan};
use tracing::Instrument;

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
    /// `None` if the archive holds statements instead of rows.
    pub(super) archived: Option<RowsDigest>,
    /// Why its rows cannot be read back in the form of the archive.
    pub(super) unreadable: Option<CopyTargetError>,
    pub(super) now: Now,
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
        let monetary = subject.recipe.source.settings.monetary().map(str::to_owned);
        workers.spawn(work(subject.owner.clone(), monetary, Arc::clone(&pieces)).in_current_span());
    }
    while let Some(done) = workers.join_next().await {
        for (table, piece) in done.context("read tables")?? {
            // What the server says of one table is evidence.
            restored[table].now.add(piece.unwrap_or_else(|said| Now::Unreadable(subject.said.by_server(&said))));
        }
    }
    restored.sort_by(|a, b| a.table.cmp(&b.table));
    Ok(restored)
}

/// Takes pieces until none is left; what came of each, by the number of its table. Amounts of money are read with the
/// `monetary` locale of the restore, which is that of the archive's rows.
async fn work(
    owner: Conninfo,
    monetary: Option<String>,
    pieces: Arc<Mutex<VecDeque<Piece>>>,
) -> anyhow::Result<Vec<(usize, Result<Now, DbError>)>> {
    let session = owner.connect().await.context("connect to the restored database")?;
    session.client().batch_execute(AS_PG_DUMP).await.context("set the format of values")?;
    if let Some(locale) = monetary {
        let sql = "SELECT pg_catalog.set_config('lc_monetary', $1, false)";
        session.client().execute(sql, &[&locale]).await.context("set the format of amounts of money")?;
    }
    let mut done = Vec::new();
    loop {
        let next = pieces.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some(piece) = next else { return Ok(done) };
        let outcome = match look(&session, &piece).await {
            Err(error) if is_row_security(&error) => look_past_row_security(&session, &piece, error).await,
            outcome => outcome,
        };
        let Piece { table, sql, .. } = piece;
        let now = match outcome {
            Ok(now) => Ok(now),
            // A lost connection is no evidence.
            Err(error) => match error.downcast_ref::<tokio_postgres::Error>().and_then(|error| error.as_db_error()) {
                Some(said) => Err(said.clone()),
                None => return Err(error.context(sql)),
            },
        };
        done.push((table, now));
    }
}

async fn look(session: &Session, piece: &Piece) -> anyhow::Result<Now> {
    match piece.is_read {
        true => read(session, &piece.sql).await,
        false => count(session, &piece.sql).await,
    }
}

/// The server refuses to answer with a part of the rows, since `row_security` is off.
fn is_row_security(error: &anyhow::Error) -> bool {
    let said = error.downcast_ref::<tokio_postgres::Error>().and_then(|error| error.as_db_error());
    said.is_some_and(|said| {
        *said.code() == SqlState::INSUFFICIENT_PRIVILEGE && said.message().contains("row-level security")
    })
}

/// `FORCE ROW LEVEL SECURITY` binds the owner, too, who may take it back: inside a transaction that is rolled back.
/// Nothing of the archive runs by that. Where the session may not do so, the first error stands.
async fn look_past_row_security(session: &Session, piece: &Piece, refused: anyhow::Error) -> anyhow::Result<Now> {
    let sql = format!("BEGIN; ALTER TABLE {} NO FORCE ROW LEVEL SECURITY", piece.relation);
    let outcome = match session.client().batch_execute(&sql).await {
        Ok(()) => look(session, piece).await,
        Err(_) => Err(refused),
    };
    session.client().batch_execute("ROLLBACK").await.context("roll back")?;
    outcome
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

/// The tables that one target of `COPY` holds, archive against database.
pub(super) struct Compared<'run> {
    /// The table itself; another one if partitions were loaded through the root of their tree, and a row
    /// may lie in another partition than it did.
    pub(super) target: &'run TableName,
    pub(super) tables: Vec<&'run RestoredTable>,
    pub(super) outcome: Outcome,
}

/// What comparing them said.
pub(super) enum Outcome {
    /// Row by row.
    Equal {
        rows: u64,
    },
    OtherRows {
        archived: u64,
        now: u64,
    },
    OtherContents {
        rows: u64,
    },
    /// The rows were not read, or cannot be compared.
    CountedOnly {
        now: u64,
    },
    /// The server's words.
    Unreadable(String),
}

/// Compares what came back with the archive, target by target: the one comparison behind two checks.
pub(super) fn compare(restored: &Restored) -> Vec<Compared<'_>> {
    let mut groups: BTreeMap<&TableName, Vec<&RestoredTable>> = BTreeMap::new();
    for table in restored {
        groups.entry(&table.loaded_into).or_default().push(table);
    }
    groups
        .into_iter()
        .map(|(target, tables)| {
            let outcome = outcome(&tables);
            Compared { target, tables, outcome }
        })
        .collect()
}

fn outcome(tables: &[&RestoredTable]) -> Outcome {
    let mut archived = Some(RowsDigest::default());
    let (mut read, mut all_read, mut now) = (RowsDigest::default(), true, 0);
    for table in tables {
        archived = archived.zip(table.archived).map(|(sum, table)| sum + table);
        match &table.now {
            Now::Read(digest) => read += *digest,
            Now::Counted(_) => all_read = false,
            Now::Unreadable(why) => return Outcome::Unreadable(why.clone()),
        }
        now += table.now.rows().unwrap_or(0);
    }
    match archived {
        Some(archived) if archived.rows != now => Outcome::OtherRows { archived: archived.rows, now },
        Some(archived) if all_read && archived == read => Outcome::Equal { rows: now },
        Some(_) if all_read => Outcome::OtherContents { rows: now },
        _ => Outcome::CountedOnly { now },
    }
}

/// Enters what reading every row said. Another number of rows is a finding of the row counts.
pub(super) fn check(compared: &[Compared<'_>], content: Content, evidence: &mut Evidence) {
    if content == Content::Off {
        return evidence.skip("contents", "VERIFY_CONTENT=off");
    }
    let (mut found, mut equal) = (Vec::new(), HashMap::new());
    let (mut read, mut all, mut rows_read) = (0_usize, 0_usize, 0);
    for Compared { target, tables, outcome } in compared {
        let name = table_name(&target.schema, &target.name);
        all += tables.len();
        let is_equal = match outcome {
            Outcome::Equal { rows } => {
                read += tables.len();
                rows_read += rows;
                true
            }
            Outcome::OtherContents { rows } => {
                found.push(format!(
                    "table {name}: {rows} rows as in the archive, and their contents are not the archive's"
                ));
                false
            }
            Outcome::OtherRows { .. } | Outcome::Unreadable(_) => false,
            Outcome::CountedOnly { .. } if content == Content::Sample => continue,
            Outcome::CountedOnly { .. } => {
                let why = tables.iter().find_map(|table| table.unreadable).map(|why| why.to_string());
                found.push(format!("table {name}: counted, and not compared: {}", why.unwrap_or_default()));
                continue;
            }
        };
        equal.extend(tables.iter().map(|table| (&table.table, is_equal)));
    }
    mark(evidence, equal);
    let figures = format!("{read} of {all} tables read back row by row, {rows_read} rows");
    evidence.record("contents", figures, found);
}

/// Enters into the figures of each table whether its contents are equal.
fn mark(evidence: &mut Evidence, equal: HashMap<&TableName, bool>) {
    let by_name: HashMap<(&str, &str), bool> =
        equal.into_iter().map(|(table, equal)| ((table.schema.as_str(), table.name.as_str()), equal)).collect();
    for figures in &mut evidence.report.tables {
        if let Some(equal) = by_name.get(&(figures.schema.as_str(), figures.name.as_str())) {
            figures.content_equal = Some(*equal);
        }
    }
}
