//! What an archive holds, without its definitions and rows: read in one pass, in memory for names only.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read};

use super::error::ArchiveError;
use super::header::Header;
use super::input::Input;
use super::scan::{BLOCK_DATA, BLOCK_LARGE_OBJECTS, LARGE_OBJECTS, pass_chunks, pass_large_objects};
use super::toc::{Definitions, DumpId, Entry, Section, TocReader};

/// The kind of the entry that holds a table's rows.
const TABLE_DATA: &str = "TABLE DATA";

/// The kind of the entry that defines a table.
const TABLE: &str = "TABLE";

/// Most names kept of entries that are cut.
const CUT_LIMIT: usize = 5;

/// The names of what an archive holds.
#[derive(Debug, Clone)]
pub struct Outline {
    /// What the archive says of itself.
    pub header: Header,
    /// The encoding of its names, as PostgreSQL calls it; empty if it does not say.
    pub encoding: String,
    /// Schema and name of each table whose rows it holds.
    tables: HashSet<(String, String)>,
    /// Whether it holds large objects.
    pub has_large_objects: bool,
    /// Whether it defines any table.
    pub has_definitions: bool,
    /// Whether it has entries after its data.
    pub has_post_data: bool,
    /// The first of the entries whose definition is cut, by name.
    pub cut: Vec<String>,
}

impl Outline {
    /// Reads `source` to its end. When this succeeds, the archive is complete: each entry that announces data
    /// has a whole block of it, and nothing follows the last one.
    ///
    /// Takes memory for the names of tables and one entry of the table of contents at a time.
    ///
    /// # Errors
    /// If the archive is damaged, incomplete or of an unknown kind, and if `source` fails.
    pub fn read(source: impl Read) -> Result<Self, ArchiveError> {
        Self::read_buffered(BufReader::new(source))
    }

    /// As [`Outline::read`].
    ///
    /// # Errors
    /// As [`Outline::read`].
    pub fn read_buffered(source: impl BufRead) -> Result<Self, ArchiveError> {
        let mut input = Input::new(source);
        let header = Header::read(&mut input)?;
        let mut toc = TocReader::begin(&mut input, header.version, Definitions::PassedOver)?;
        let (mut tables, mut large_objects, mut missing) = (HashSet::new(), HashSet::new(), HashSet::new());
        let mut known: HashSet<DumpId> = HashSet::new();
        let (mut has_definitions, mut has_post_data, mut cut) = (false, false, Vec::new());
        while let Some(entry) = toc.next(&mut input)? {
            input.expect(known.insert(entry.dump_id), entry.offset_field_at, "two entries have one number")?;
            has_definitions |= entry.desc == TABLE;
            has_post_data |= entry.section == Section::PostData;
            if cut.len() < CUT_LIMIT && is_cut(&entry) {
                cut.push(entry.to_string());
            }
            if !entry.has_data {
                continue;
            }
            missing.insert(entry.dump_id);
            if entry.desc == LARGE_OBJECTS {
                large_objects.insert(entry.dump_id);
            } else if entry.desc == TABLE_DATA {
                tables.insert((entry.namespace, entry.tag));
            }
        }
        let encoding = toc.into_encoding();
        drop(known);
        let has_large_objects = !large_objects.is_empty();
        pass_blocks(&mut input, missing, &large_objects)?;
        Ok(Self { header, encoding, tables, has_large_objects, has_definitions, has_post_data, cut })
    }

    /// Whether the rows of this table are in the archive; `None` if its name cannot be compared, because the
    /// archive's names are in an encoding that this reader does not know.
    pub fn has_rows_of(&self, schema: &str, name: &str) -> Option<bool> {
        let is_known = matches!(self.encoding.as_str(), "" | "UTF8") || (schema.is_ascii() && name.is_ascii());
        is_known.then(|| self.tables.contains(&(schema.to_owned(), name.to_owned())))
    }

    /// Number of tables whose rows are in the archive.
    pub fn tables_with_rows(&self) -> usize {
        self.tables.len()
    }
}

/// Whether a definition is what `pg_dump` writes if the server has not told it: a statement without words, a function
/// without the type of its result.
fn is_cut(entry: &Entry) -> bool {
    let is_function = entry.desc == "FUNCTION";
    let lacks_type = |line: &str| line.starts_with("CREATE FUNCTION ") && line.ends_with(" RETURNS ");
    entry.defn.trim() == ";" || is_function && entry.defn.lines().next().is_some_and(lacks_type)
}

/// Passes each block of data; `missing` are the entries whose block has not come yet.
fn pass_blocks(
    input: &mut Input<impl BufRead>,
    mut missing: HashSet<DumpId>,
    large_objects: &HashSet<DumpId>,
) -> Result<(), ArchiveError> {
    loop {
        let offset = input.position();
        let Some(kind) = input.byte_or_end()? else { break };
        let id = input.integer()?;
        input.expect(
            missing.remove(&id),
            offset,
            "a block of data belongs to no entry, or is the second of its entry",
        )?;
        match (kind, large_objects.contains(&id)) {
            (BLOCK_DATA, false) => pass_chunks(input)?,
            (BLOCK_LARGE_OBJECTS, true) => pass_large_objects(input)?,
            _ => return Err(ArchiveError::damaged(offset, "a block of data has an unknown type")),
        }
    }
    match missing.len() {
        0 => Ok(()),
        lost => {
            let problem = format!("it ends although the data of {lost} entries has not come");
            Err(ArchiveError::damaged(input.position(), problem))
        }
    }
}
