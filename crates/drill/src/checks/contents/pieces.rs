//! What is to be read, cut into pieces that keep all sessions busy to the end.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use anyhow::Context;
use backup_core::postgres::connect::Session;
use pgdump_archive::{CopyTarget, CopyTargetError, RowsDigest, TableData, TableName};
use rand::seq::SliceRandom;

use super::super::subject::{Content, Subject};
use super::{Now, Restored, RestoredTable};

/// A sample holds at least one row in so many.
const SAMPLE_DIVISOR: u64 = 10;

/// So much of a table is read at once, with what lies outside its rows: small enough that no session waits
/// long for another at the end, large enough that starting a piece costs nothing beside it.
const PIECE_BYTES: u64 = 32 * 1024 * 1024;

/// Older servers read the whole table for each range of its blocks.
const RANGES_SINCE_VERSION_NUM: u32 = 140_000;

/// One table, or some of its blocks.
pub(super) struct Piece {
    /// Its number among the tables.
    pub(super) table: usize,
    /// The table itself.
    pub(super) relation: TableName,
    pub(super) sql: String,
    /// Whether `sql` reads rows; otherwise it counts them.
    pub(super) is_read: bool,
    bytes: u64,
}

/// What lies on the disk of a table.
#[derive(Clone, Copy, Default)]
struct Size {
    blocks: u32,
    /// With the values that are stored outside the rows.
    bytes: u64,
}

/// How one table is looked at.
enum Look {
    Read(CopyTarget),
    Count,
}

/// Of a table that an extension made, the rows that `pg_dump` dumps, as the end of a query; of every other
/// table, all rows.
type Conditions = BTreeMap<TableName, String>;

/// Every table of the archive that was restored, and the pieces to look at, the largest first.
pub(super) async fn plan(
    subject: &Subject<'_>,
    session: &Session,
    content: Content,
) -> anyhow::Result<(Restored, VecDeque<Piece>)> {
    let sizes = sizes(session).await.context("ask for the sizes of tables")?;
    let conditions = conditions(session).await.context("ask for the tables of extensions")?;
    let cuts = session.server_version_num() >= RANGES_SINCE_VERSION_NUM;
    let mut tables = tables(subject);
    choose(&mut tables, content);
    let (mut restored, mut pieces) = (Vec::new(), Vec::new());
    for (table, look) in tables {
        let size = sizes.get(&table.table).copied().unwrap_or_default();
        let rows = Rows { size, condition: conditions.get(&table.table).map_or("", String::as_str), cuts };
        pieces.extend(cut(restored.len(), &table.table, &look, &rows, &subject.archive.encoding));
        let now = match look {
            Look::Read(_) => Now::Read(RowsDigest::default()),
            Look::Count => Now::Counted(0),
        };
        restored.push(RestoredTable { now, ..table });
    }
    pieces.sort_by_key(|piece| std::cmp::Reverse(piece.bytes));
    Ok((restored, pieces.into()))
}

fn tables(subject: &Subject<'_>) -> Vec<(RestoredTable, Look)> {
    let left_out: BTreeSet<i32> = subject.selection.left_out.iter().map(|left_out| left_out.dump_id).collect();
    let with_data = subject.contents.tables.iter().filter(|(id, _)| !left_out.contains(id));
    with_data
        .filter_map(|(id, data)| Some((subject.archive.entry(*id)?, data)))
        .map(|(entry, data)| {
            let table = TableName { schema: entry.namespace.clone(), name: entry.tag.clone() };
            look(table, CopyTarget::of(entry, subject.archive), *data)
        })
        .collect()
}

fn look(table: TableName, target: Result<CopyTarget, CopyTargetError>, data: TableData) -> (RestoredTable, Look) {
    let archived = match data {
        TableData::Rows(digest) => Some(digest),
        TableData::Statements => None,
    };
    let loaded_into = target.as_ref().map_or_else(|_| table.clone(), |target| target.loaded_into.clone());
    let (look, unreadable) = match target {
        Ok(target) if archived.is_some() => (Look::Read(target), None),
        Ok(_) => (Look::Count, Some(CopyTargetError::NoCopy)),
        Err(error) => (Look::Count, Some(error)),
    };
    (RestoredTable { table, loaded_into, archived, unreadable, now: Now::Counted(0) }, look)
}

/// Turns reads into counts where the contents are not to be compared.
fn choose(tables: &mut [(RestoredTable, Look)], content: Content) {
    let rows = |table: &RestoredTable| table.archived.map_or(0, |digest| digest.rows);
    let mut wanted = match content {
        Content::Full => u64::MAX,
        Content::Sample => tables.iter().map(|(table, _)| rows(table)).sum::<u64>().div_ceil(SAMPLE_DIVISOR),
        Content::Off => 0,
    };
    tables.shuffle(&mut rand::rng());
    for (table, look) in tables {
        if wanted == 0 {
            *look = Look::Count;
        }
        wanted = wanted.saturating_sub(rows(table));
    }
}

async fn sizes(session: &Session) -> anyhow::Result<BTreeMap<TableName, Size>> {
    let sql = "SELECT n.nspname, c.relname, pg_relation_size(c.oid) / current_setting('block_size')::bigint,
                      pg_table_size(c.oid)
                 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r'";
    let mut sizes = BTreeMap::new();
    for row in session.client().query(sql, &[]).await? {
        let (blocks, bytes): (i64, i64) = (row.try_get(2)?, row.try_get(3)?);
        let size = Size { blocks: u32::try_from(blocks).unwrap_or(0), bytes: u64::try_from(bytes).unwrap_or(0) };
        sizes.insert(TableName { schema: row.try_get(0)?, name: row.try_get(1)? }, size);
    }
    Ok(sizes)
}

async fn conditions(session: &Session) -> anyhow::Result<Conditions> {
    let sql = "SELECT n.nspname, c.relname, config.condition
                 FROM pg_extension e, unnest(e.extconfig, e.extcondition) AS config (oid, condition)
                 JOIN pg_class c ON c.oid = config.oid JOIN pg_namespace n ON n.oid = c.relnamespace";
    let mut conditions = Conditions::new();
    for row in session.client().query(sql, &[]).await? {
        conditions.insert(TableName { schema: row.try_get(0)?, name: row.try_get(1)? }, row.try_get(2)?);
    }
    Ok(conditions)
}

/// Where the rows of one table are.
struct Rows<'run> {
    size: Size,
    /// See [`Conditions`]; empty for all rows.
    condition: &'run str,
    /// Whether the server can read ranges of blocks.
    cuts: bool,
}

/// The pieces of one table.
fn cut(number: usize, table: &TableName, look: &Look, rows: &Rows<'_>, encoding: &str) -> Vec<Piece> {
    let Rows { size, condition, cuts } = *rows;
    let piece = |sql, is_read, bytes| Piece { table: number, relation: table.clone(), sql, is_read, bytes };
    let target = match look {
        Look::Count => {
            return vec![piece(format!("SELECT count(*) FROM ONLY {table} {condition}"), false, size.bytes)];
        }
        Look::Read(target) => target,
    };
    let whole = || {
        let some = target.copy_some_to_stdout(condition).filter(|_| !condition.is_empty());
        vec![some.unwrap_or_else(|| target.copy_to_stdout())]
    };
    let is_cut = cuts && condition.is_empty();
    let count = if is_cut { u32::try_from(size.bytes / PIECE_BYTES).unwrap_or(u32::MAX).min(size.blocks) } else { 0 };
    let blocks = size.blocks / count.max(1);
    // The last piece has no end, since the size is an estimate.
    let ranges = (0..count).map(|n| n * blocks..if n + 1 == count { u32::MAX } else { (n + 1) * blocks });
    let sqls: Option<Vec<String>> = ranges.map(|range| target.copy_blocks_to_stdout(&range)).collect();
    let sqls = sqls.filter(|sqls| sqls.len() > 1).unwrap_or_else(whole);
    let bytes = size.bytes / sqls.len() as u64;
    sqls.into_iter().map(|sql| piece(in_encoding(sql, encoding), true, bytes)).collect()
}

/// Rows come in the encoding of the archive, not in that of the session.
fn in_encoding(copy: String, encoding: &str) -> String {
    match encoding {
        "" | "UTF8" => copy,
        encoding => format!("{copy} WITH (ENCODING '{}')", encoding.replace('\'', "''")),
    }
}

#[cfg(test)]
mod tests {
    use pgdump_archive::CopyColumn;

    use super::*;

    #[track_caller]
    fn check(blocks: u32, mib: u64, cuts: bool, condition: &str, expected: &[&str]) {
        let table = TableName { schema: "s".to_owned(), name: "t".to_owned() };
        let columns = vec![CopyColumn { name: "c".to_owned(), is_bytea: false }];
        let target = CopyTarget { table: table.clone(), columns, loaded_into: table.clone() };
        let rows = Rows { size: Size { blocks, bytes: mib * 1024 * 1024 }, condition, cuts };
        let pieces = cut(3, &table, &Look::Read(target), &rows, "LATIN1");
        let end = " TO STDOUT WITH (ENCODING 'LATIN1')";
        let places: Vec<&str> = pieces
            .iter()
            .map(|piece| {
                assert!(piece.is_read && piece.table == 3, "{}", piece.sql);
                let place = piece.sql.strip_suffix(end).expect("an encoding");
                place.strip_prefix("COPY (SELECT \"c\" FROM ONLY \"s\".\"t\" ").unwrap_or(place)
            })
            .collect();
        assert_eq!(places, expected);
    }

    #[test]
    fn a_large_table_is_read_in_ranges_that_leave_nothing_out() {
        let ranges = [
            "WHERE ctid >= '(0,0)' AND ctid < '(3,0)')",
            "WHERE ctid >= '(3,0)' AND ctid < '(6,0)')",
            "WHERE ctid >= '(6,0)' AND ctid < '(4294967295,0)')",
        ];
        check(10, 96, true, "", &ranges);
        check(10, 96, true, "WHERE own", &["WHERE own)"]);
        let whole = "COPY \"s\".\"t\" (\"c\")";
        check(10, 96, false, "", &[whole]);
        check(1, 96, true, "", &[whole]);
        check(0, 96, true, "", &[whole]);
        check(10_000, 63, true, "", &[whole]);
    }
}
