//! One pass over the data of an archive.

use std::collections::{BTreeMap, HashSet};
use std::io::{BufRead, Seek, SeekFrom, Write};

use super::Archive;
use super::copy::CopyTarget;
use super::error::ArchiveError;
use super::input::Input;
use super::long_values::LongValues;
use super::rows::{LargeObjectHasher, RowHasher, RowsDigest};
use super::toc::{DumpId, Entry, OFFSET_SET};

/// Types of blocks, `BLK_*` in `pg_backup_archiver.h`.
pub(super) const BLOCK_DATA: u8 = 1;
pub(super) const BLOCK_LARGE_OBJECTS: u8 = 3;

/// The kind of entry that large objects belong to.
pub(super) const LARGE_OBJECTS: &str = "BLOBS";

/// What the data of an archive amounts to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// What each entry with data holds, large objects excepted.
    pub tables: BTreeMap<DumpId, TableData>,
    /// All large objects together.
    pub large_objects: RowsDigest,
    /// Bytes of the whole archive.
    pub archive_bytes: u64,
    /// Where each block begins.
    blocks: BTreeMap<DumpId, u64>,
}

/// The data of one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableData {
    /// Rows in the text format of `COPY`.
    Rows(RowsDigest),
    /// `INSERT` statements (`pg_dump --inserts`): restored like any other data, and not comparable with
    /// what `COPY` says of the restored table.
    Statements,
}

impl Contents {
    /// Whether an entry holds a row, as far as that can be told.
    pub fn has_rows(&self, entry: DumpId) -> bool {
        match self.tables.get(&entry) {
            Some(TableData::Rows(digest)) => digest.rows > 0,
            Some(TableData::Statements) => true,
            None => false,
        }
    }

    /// Reads `input`, which stands behind the table of contents, to its end.
    pub(super) fn read(input: &mut Input<impl BufRead>, archive: &Archive) -> Result<Self, ArchiveError> {
        let mut contents = Self {
            tables: BTreeMap::new(),
            large_objects: RowsDigest::default(),
            archive_bytes: 0,
            blocks: BTreeMap::new(),
        };
        // The definition of a table is read for its rows: it may be long, and there may be many entries.
        let mut filled = HashSet::new();
        loop {
            let offset = input.position();
            let Some(kind) = input.byte_or_end()? else { break };
            let id = input.integer()?;
            let entry = archive.entry(id).filter(|entry| entry.has_data);
            let entry = entry.ok_or_else(|| ArchiveError::damaged(offset, "a block of data belongs to no entry"))?;
            input.expect(contents.blocks.insert(id, offset).is_none(), offset, "an entry has two blocks of data")?;
            let in_place = entry.data_at.is_none_or(|data_at| data_at == offset);
            input.expect(in_place, offset, "a block of data is not where the table of contents says")?;
            match (kind, entry.desc == LARGE_OBJECTS) {
                (BLOCK_DATA, false) => {
                    let is_first = filled.insert((entry.desc.as_str(), entry.namespace.as_str(), entry.tag.as_str()));
                    input.expect(is_first, offset, "two blocks of data are the rows of one table")?;
                    contents.tables.insert(id, read_table(input, entry, archive)?);
                }
                (BLOCK_LARGE_OBJECTS, true) => contents.large_objects += read_large_objects(input)?,
                _ => return Err(ArchiveError::damaged(offset, "a block of data has an unknown type")),
            }
        }
        contents.archive_bytes = input.position();
        let lost =
            archive.entries.iter().filter(|entry| entry.has_data && !contents.blocks.contains_key(&entry.dump_id));
        match lost.count() {
            0 => Ok(contents),
            lost => {
                let problem = format!("it ends although the data of {lost} entries has not come");
                Err(ArchiveError::damaged(contents.archive_bytes, problem))
            }
        }
    }

    /// Writes where the blocks are into the table of contents of `file`, a copy of the archive. An
    /// archive that went through a pipe does not say so; with it, `pg_restore --jobs` goes straight to
    /// each block and begins with the largest tables.
    ///
    /// # Errors
    /// What writing and seeking say.
    pub fn write_offsets(&self, archive: &Archive, file: &mut (impl Write + Seek)) -> std::io::Result<()> {
        for entry in &archive.entries {
            let Some(block_at) = self.blocks.get(&entry.dump_id) else { continue };
            let mut field = vec![OFFSET_SET];
            field.extend_from_slice(&block_at.to_le_bytes());
            file.seek(SeekFrom::Start(entry.offset_field_at))?;
            file.write_all(&field)?;
        }
        file.flush()
    }
}

fn read_table(input: &mut Input<impl BufRead>, entry: &Entry, archive: &Archive) -> Result<TableData, ArchiveError> {
    if entry.copy_stmt.is_empty() {
        read_chunks(input, |_| ())?;
        return Ok(TableData::Statements);
    }
    let columns = CopyTarget::of(entry, archive).map(|target| target.columns).unwrap_or_default();
    let digest = if columns.iter().any(|column| column.is_bytea) {
        let mut values = LongValues::new(columns.iter().map(|column| column.is_bytea).collect());
        read_chunks(input, |piece| values.push(piece))?;
        values.finish()
    } else {
        let mut hasher = RowHasher::new();
        read_chunks(input, |piece| hasher.push(piece))?;
        hasher.finish()
    };
    let digest = digest.map_err(|error| ArchiveError::damaged(input.position(), error.to_string()))?;
    Ok(TableData::Rows(digest))
}

/// Each object is its oid and its data; oid 0 ends them.
fn read_large_objects(input: &mut Input<impl BufRead>) -> Result<RowsDigest, ArchiveError> {
    let mut digest = RowsDigest::default();
    loop {
        let oid = input.integer()?.cast_unsigned();
        if oid == 0 {
            return Ok(digest);
        }
        let mut hasher = LargeObjectHasher::new(oid);
        read_chunks(input, |piece| hasher.push(piece))?;
        digest += hasher.finish();
    }
}

/// Passes the data of one entry without looking at it.
pub(super) fn pass_chunks(input: &mut Input<impl BufRead>) -> Result<(), ArchiveError> {
    read_chunks(input, |_| ())
}

/// As [`pass_chunks`], for large objects.
pub(super) fn pass_large_objects(input: &mut Input<impl BufRead>) -> Result<(), ArchiveError> {
    while input.integer()? != 0 {
        pass_chunks(input)?;
    }
    Ok(())
}

/// Chunks are a length and that many bytes; length 0 ends them.
fn read_chunks(input: &mut Input<impl BufRead>, mut sink: impl FnMut(&[u8])) -> Result<(), ArchiveError> {
    loop {
        let offset = input.position();
        match u64::try_from(input.integer()?) {
            Ok(0) => return Ok(()),
            Ok(length) => input.pass(length, &mut sink)?,
            Err(_) => return Err(ArchiveError::damaged(offset, "a chunk of data has a negative length")),
        }
    }
}
