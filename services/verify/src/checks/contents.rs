//! Every row of the restored tables against its line in the archive, as sums of digests that do not depend
//! on the order of rows. The source is not asked: the archive is what was there.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use backup_core::postgres::archive::{CopyTarget, CopyTargetError, RowHasher, RowsDigest, TableData, TableName};
use backup_core::postgres::connect::Session;
use backup_core::postgres::conninfo::Conninfo;
use futures_util::TryStreamExt;
use rand::seq::SliceRandom;
use tokio::task::JoinSet;

use super::{Subject, table_name};
use crate::config::Content;
use crate::evidence::Evidence;

/// A sample holds at least one row in so many.
const SAMPLE_DIVISOR: u64 = 10;

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

/// What was learned of a restored table.
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
}

/// One table to look at.
struct Task {
    table: RestoredTable,
    sql: String,
    is_read: bool,
}

/// Reads or counts every table of the archive, the largest first, over `jobs` sessions at once.
pub(super) async fn read_back(subject: &Subject<'_>, content: Content) -> anyhow::Result<Restored> {
    let tasks = Arc::new(Mutex::new(tasks(subject, content)));
    let mut workers = JoinSet::new();
    for _ in 0..subject.jobs.max(1) {
        workers.spawn(work(subject.owner.clone(), Arc::clone(&tasks)));
    }
    let mut restored = Vec::new();
    while let Some(done) = workers.join_next().await {
        restored.extend(done.context("read tables")??);
    }
    restored.sort_by(|a: &RestoredTable, b| a.table.cmp(&b.table));
    Ok(restored)
}

fn tasks(subject: &Subject<'_>, content: Content) -> VecDeque<Task> {
    let left_out: Vec<i32> = subject.selection.left_out.iter().map(|left_out| left_out.dump_id).collect();
    let mut tasks: Vec<Task> = subject
        .contents
        .tables
        .iter()
        .filter(|(id, _)| !left_out.contains(id))
        .filter_map(|(id, data)| Some((subject.archive.entry(*id)?, data)))
        .map(|(entry, data)| {
            let table = TableName { schema: entry.namespace.clone(), name: entry.tag.clone() };
            task(subject, table, CopyTarget::of(entry, subject.archive), *data)
        })
        .collect();
    choose(&mut tasks, content);
    tasks.sort_by_key(|task| std::cmp::Reverse(task.table.archived.map(|digest| digest.rows)));
    tasks.into()
}

fn task(subject: &Subject<'_>, table: TableName, target: Result<CopyTarget, CopyTargetError>, data: TableData) -> Task {
    let count = format!("SELECT count(*) FROM ONLY {table}");
    let archived = match data {
        TableData::Rows(digest) => Some(digest),
        TableData::Statements => None,
    };
    let (loaded_into, sql) = match target {
        Ok(target) => (target.loaded_into.clone(), copy_out(&target, &subject.archive.encoding)),
        Err(_) => (table.clone(), count),
    };
    let is_of_extension = subject.selection.extension_tables.contains(&table);
    let is_read = sql.starts_with("COPY") && archived.is_some() && !is_of_extension;
    let now = Now::Unreadable(String::new());
    Task { table: RestoredTable { table, loaded_into, archived, now, is_of_extension }, sql, is_read }
}

/// Rows come in the encoding of the archive, whatever the session speaks.
fn copy_out(target: &CopyTarget, encoding: &str) -> String {
    match encoding {
        "" | "UTF8" => target.copy_to_stdout(),
        encoding => format!("{} WITH (ENCODING '{}')", target.copy_to_stdout(), encoding.replace('\'', "''")),
    }
}

/// Turns reads into counts where the contents are not to be compared.
fn choose(tasks: &mut [Task], content: Content) {
    let rows = |task: &Task| task.table.archived.map_or(0, |digest| digest.rows);
    let mut wanted = match content {
        Content::Full => u64::MAX,
        Content::Sample => tasks.iter().map(rows).sum::<u64>().div_ceil(SAMPLE_DIVISOR),
        Content::Off => 0,
    };
    tasks.shuffle(&mut rand::rng());
    for task in tasks {
        task.is_read &= wanted > 0;
        wanted = wanted.saturating_sub(rows(task));
        if !task.is_read {
            task.sql = format!("SELECT count(*) FROM ONLY {}", task.table.table);
        }
    }
}

/// Takes tables until none is left.
async fn work(owner: Conninfo, tasks: Arc<Mutex<VecDeque<Task>>>) -> anyhow::Result<Restored> {
    let session = owner.connect().await.context("connect to the restored database")?;
    session.client().batch_execute(AS_PG_DUMP).await.context("set the format of values")?;
    let mut done = Vec::new();
    loop {
        let next = tasks.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some(mut task) = next else { return Ok(done) };
        let outcome = if task.is_read { read(&session, &task.sql).await } else { count(&session, &task.sql).await };
        task.table.now = match outcome {
            Ok(now) => now,
            // What the server says about one table is evidence; a lost connection is not.
            Err(error) => match error.downcast_ref::<tokio_postgres::Error>().and_then(|error| error.as_db_error()) {
                Some(said) => Now::Unreadable(said.message().to_owned()),
                None => return Err(error.context(format!("read {}", task.table.table))),
            },
        };
        done.push(task.table);
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
