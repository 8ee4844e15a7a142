//! The table of contents: everything that an archive holds, in the order in which it is restored.

use std::collections::HashMap;
use std::fmt;
use std::io::BufRead;

use super::error::ArchiveError;
use super::header::{OFFSET_BYTES, Version};
use super::input::Input;

/// The number of an entry within its archive; at least 1.
pub type DumpId = i32;

/// Most entries of one archive. A large object took up to three of them before PostgreSQL 17; a
/// table with its indexes, constraints and grants takes about ten.
const ENTRIES_LIMIT: usize = 10_000_000;

/// Most entries that one depends on; `pg_dump` writes each at most once.
const DEPENDENCIES_LIMIT: usize = ENTRIES_LIMIT;

/// What the list and the map of entries take for one, beside the entry, when they have just grown.
const ENTRY_BYTES: usize = size_of::<Entry>() + 32;

/// What a dependency takes, with its place in the maps of what depends on what.
const DEPENDENCY_BYTES: usize = 64;

/// What an allocation takes beside its bytes.
const ALLOCATION_BYTES: usize = 24;

/// Flags before an offset, `K_OFFSET_*` in `pg_backup_archiver.h`.
const OFFSET_NOT_SET: u8 = 1;
pub(super) const OFFSET_SET: u8 = 2;
const OFFSET_NO_DATA: u8 = 3;

/// When an entry is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// With the object that it belongs to: comments, grants.
    None,
    /// Before the data: schemas, types, functions, tables, views.
    PreData,
    /// Rows, large objects, values of sequences.
    Data,
    /// After the data: indexes, constraints, triggers, policies.
    PostData,
}

/// One entry. Texts that are null in the archive are empty here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number, unique in the archive.
    pub dump_id: DumpId,
    /// The oid of the catalog that the object was in; 0 for what is no object.
    pub catalog_oid: u32,
    /// The oid that the object had.
    pub oid: u32,
    /// Its name as `pg_dump` puts it: of a trigger `table trigger`, of a function with its arguments.
    pub tag: String,
    /// Its kind, such as `TABLE` or `FK CONSTRAINT`.
    pub desc: String,
    /// When it is restored.
    pub section: Section,
    /// The statements that make it.
    pub defn: String,
    /// The `COPY` that takes its rows; empty if there is none.
    pub copy_stmt: String,
    /// Its schema; empty if it has none.
    pub namespace: String,
    /// The tablespace that it lay in; empty for that of its database.
    pub tablespace: String,
    /// The access method of a table or materialized view; empty for what has none.
    pub access_method: String,
    /// Its owner.
    pub owner: String,
    /// The entries that must be there before it. Not all of these numbers are entries.
    pub dependencies: Vec<DumpId>,
    /// Whether a block of data belongs to it.
    pub has_data: bool,
    /// Where the block begins, if the archive says so.
    pub(super) data_at: Option<u64>,
    /// Where in the archive `data_at` and the flag before it are written.
    pub(super) offset_field_at: u64,
}

impl fmt::Display for Entry {
    /// As a person would name it: `TRIGGER public.orders audit`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dot = if self.namespace.is_empty() { "" } else { "." };
        write!(formatter, "{} {}{dot}{}", self.desc, self.namespace, self.tag)
    }
}

/// The entries, and the encoding of their texts and rows.
pub(super) struct Toc {
    pub(super) entries: Vec<Entry>,
    pub(super) places: HashMap<DumpId, usize>,
    pub(super) encoding: String,
}

impl Toc {
    /// Reads all entries, which may take `memory_bytes`.
    pub(super) fn read(
        input: &mut Input<impl BufRead>,
        version: Version,
        memory_bytes: u64,
    ) -> Result<Self, ArchiveError> {
        let mut reader = TocReader::begin(input, version, Definitions::Kept)?;
        let (mut entries, mut places) = (Vec::new(), HashMap::new());
        let (count, mut taken_bytes) = (reader.left, 0);
        loop {
            let offset = input.position();
            let Some(entry) = reader.next(input)? else { break };
            taken_bytes += memory_of(&entry);
            if taken_bytes > memory_bytes {
                return Err(too_large(count, memory_bytes));
            }
            let place = entries.len();
            input.expect(places.insert(entry.dump_id, place).is_none(), offset, "two entries have one number")?;
            entries.push(entry);
        }
        Ok(Self { entries, places, encoding: reader.encoding })
    }
}

/// The entries one by one, for those who do not keep them.
pub(super) struct TocReader {
    version: Version,
    left: usize,
    encoding: String,
    definitions: Definitions,
}

/// What becomes of the statements of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Definitions {
    /// They are kept, and bounded.
    Kept,
    /// Only the beginning of each is kept, however long it is: only names are wanted.
    PassedOver,
}

impl TocReader {
    /// Reads how many entries there are.
    pub(super) fn begin(
        input: &mut Input<impl BufRead>,
        version: Version,
        definitions: Definitions,
    ) -> Result<Self, ArchiveError> {
        let offset = input.position();
        let left = usize::try_from(input.integer()?).unwrap_or(usize::MAX);
        input.expect(left <= ENTRIES_LIMIT, offset, "the number of its entries is impossible")?;
        Ok(Self { version, left, encoding: String::new(), definitions })
    }

    /// The next entry; `None` after the last one.
    pub(super) fn next(&mut self, input: &mut Input<impl BufRead>) -> Result<Option<Entry>, ArchiveError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let entry = read_entry(input, self.version, &self.encoding, self.definitions)?;
        if entry.desc == "ENCODING" {
            quoted_value(&entry.defn).clone_into(&mut self.encoding);
        }
        Ok(Some(entry))
    }

    /// The encoding of the texts, after the last entry.
    pub(super) fn into_encoding(self) -> String {
        self.encoding
    }
}

/// All texts of one entry together, in bytes: a definition may be as long as a text, and what else there is are names.
const ENTRY_TEXT_BYTES_LIMIT: usize = 128 * 1024 * 1024;

/// So much of a statement is wanted although only names are: `SET client_encoding = ..`, and whether it was cut.
const BEGINNING_BYTES: usize = 1024;

/// The texts of one entry, with what is left of their bound.
struct EntryTexts<'toc> {
    encoding: &'toc str,
    left: usize,
    /// Where the entry begins.
    offset: u64,
    definitions: Definitions,
}

impl EntryTexts<'_> {
    /// A statement, or its beginning.
    fn definition(&mut self, input: &mut Input<impl BufRead>) -> Result<String, ArchiveError> {
        match self.definitions {
            Definitions::Kept => self.next(input),
            Definitions::PassedOver => {
                let text = input.beginning_of_text(BEGINNING_BYTES)?;
                Ok(decode(text.unwrap_or_default(), self.encoding))
            }
        }
    }

    fn next(&mut self, input: &mut Input<impl BufRead>) -> Result<String, ArchiveError> {
        let text = decode(input.text()?.unwrap_or_default(), self.encoding);
        let left = self.left.checked_sub(text.len());
        input.expect(left.is_some(), self.offset, "the texts of an entry are longer than 128 MiB")?;
        self.left = left.unwrap_or_default();
        Ok(text)
    }
}

/// What an entry takes: itself, its place and number in a map, and its texts, each of which the allocator rounds up.
fn memory_of(entry: &Entry) -> u64 {
    let Entry { tag, desc, defn, copy_stmt, namespace, owner, tablespace, access_method, dependencies, .. } = entry;
    let texts = [tag, desc, defn, copy_stmt, namespace, owner, tablespace, access_method];
    let texts = texts.into_iter().map(String::capacity);
    let allocated = texts.filter(|bytes| *bytes > 0).map(|bytes| bytes + ALLOCATION_BYTES);
    (size_of::<Entry>() + ENTRY_BYTES + allocated.sum::<usize>() + dependencies.capacity() * DEPENDENCY_BYTES) as u64
}

/// The archive may be good: it is this machine that is too small for it.
fn too_large(entries: usize, memory_bytes: u64) -> ArchiveError {
    let mebibytes = memory_bytes / (1024 * 1024);
    ArchiveError::Unsupported(format!(
        "its table of contents has {entries} entries and takes more than {mebibytes} MiB of memory, the most that it may \
         take here; give this machine or container more memory, or restore with `pg_restore`"
    ))
}

fn read_entry(
    input: &mut Input<impl BufRead>,
    version: Version,
    encoding: &str,
    definitions: Definitions,
) -> Result<Entry, ArchiveError> {
    let offset = input.position();
    let dump_id = input.integer()?;
    input.expect(dump_id > 0, offset, "the number of an entry is not positive")?;
    let has_data = input.integer()? != 0;
    let (catalog_oid, oid) = (number(input)?, number(input)?);
    let mut texts = EntryTexts { encoding, left: ENTRY_TEXT_BYTES_LIMIT, offset, definitions };
    let (tag, desc) = (texts.next(input)?, texts.next(input)?);
    let section = read_section(input)?;
    let (defn, _drop_statement) = (texts.definition(input)?, texts.definition(input)?);
    let copy_stmt = texts.definition(input)?;
    let (namespace, tablespace, access_method) = (texts.next(input)?, texts.next(input)?, texts.next(input)?);
    if version >= Version::V1_16 {
        let _kind_of_relation = input.integer()?;
    }
    let owner = texts.next(input)?;
    let _with_oids = input.text()?;
    let dependencies = read_dependencies(input)?;
    let offset_field_at = input.position();
    let data_at = read_offset(input, has_data)?;
    Ok(Entry {
        dump_id,
        catalog_oid,
        oid,
        tag,
        desc,
        section,
        defn,
        copy_stmt,
        namespace,
        tablespace,
        access_method,
        owner,
        dependencies,
        has_data,
        data_at,
        offset_field_at,
    })
}

fn read_section(input: &mut Input<impl BufRead>) -> Result<Section, ArchiveError> {
    let offset = input.position();
    match input.integer()? {
        1 => Ok(Section::None),
        2 => Ok(Section::PreData),
        3 => Ok(Section::Data),
        4 => Ok(Section::PostData),
        _ => Err(ArchiveError::damaged(offset, "an entry is in no known section")),
    }
}

fn read_dependencies(input: &mut Input<impl BufRead>) -> Result<Vec<DumpId>, ArchiveError> {
    let mut dependencies = Vec::new();
    loop {
        let offset = input.position();
        let Some(text) = input.text()? else { return Ok(dependencies) };
        dependencies.push(parse(&text, offset)?);
        input.expect(dependencies.len() <= DEPENDENCIES_LIMIT, offset, "an entry depends on too many others")?;
    }
}

/// The flag and the offset after it. An entry has data in both of its fields or in neither.
fn read_offset(input: &mut Input<impl BufRead>, has_data: bool) -> Result<Option<u64>, ArchiveError> {
    let offset = input.position();
    let flag = input.byte()?;
    let mut bytes = [0; OFFSET_BYTES];
    for byte in &mut bytes {
        *byte = input.byte()?;
    }
    match (flag, has_data) {
        (OFFSET_SET, true) => Ok(Some(u64::from_le_bytes(bytes))),
        (OFFSET_NOT_SET, true) | (OFFSET_NO_DATA, false) => Ok(None),
        _ => Err(ArchiveError::damaged(offset, "an entry contradicts itself about having data")),
    }
}

/// Oids and numbers of dependencies are written as decimal text.
fn number(input: &mut Input<impl BufRead>) -> Result<u32, ArchiveError> {
    let offset = input.position();
    let text = input.text()?.unwrap_or_default();
    parse(&text, offset)
}

fn parse<T: std::str::FromStr>(text: &[u8], offset: u64) -> Result<T, ArchiveError> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| ArchiveError::damaged(offset, "a number is not one"))
}

/// The text between the first two quotation marks of `SET client_encoding = 'UTF8';`.
fn quoted_value(statement: &str) -> &str {
    statement.split('\'').nth(1).unwrap_or_default()
}

/// Texts are in the encoding of the dump. What is no UTF-8 becomes one character for each byte: exact
/// for LATIN1, and for every other encoding still different if the bytes are different.
fn decode(bytes: Vec<u8>, encoding: &str) -> String {
    let bytes = match (encoding, String::from_utf8(bytes)) {
        ("" | "UTF8" | "SQL_ASCII", Ok(text)) => return text,
        (_, Ok(text)) => text.into_bytes(),
        (_, Err(error)) => error.into_bytes(),
    };
    bytes.into_iter().map(char::from).collect()
}

#[cfg(test)]
mod tests;
