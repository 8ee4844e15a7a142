//! A reader of `pg_dump`'s custom format: what an archive holds, a digest of every table's rows, and which of it a role
//! without superuser rights can restore.
//!
//! It reads what `pg_dump --format=custom --compress=0` writes (`pg_backup_archiver.c` and
//! `pg_backup_custom.c`): a header, a table of contents, then a block of data for each entry that has
//! rows. Nothing in the file is believed: lengths, counts and numbers are bounded, and memory is taken
//! for bytes that have arrived.
//!
//! Everything here reads and computes without waiting for anything but its source, so it belongs on a
//! blocking thread. To stop it, let the source fail.

#[cfg(any(test, feature = "by-hand"))]
pub mod by_hand;
mod copy;
mod database;
mod difference;
mod error;
mod header;
mod input;
mod large_object_facts;
mod long_values;
mod made;
mod names;
mod outline;
mod roles;
mod rows;
mod scan;
mod selection;
mod sql;
mod toc;

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Read};

pub use copy::{CopyColumn, CopyTarget, CopyTargetError, TableName};
pub use database::{DatabaseGrant, DatabaseLevel, DatabaseRight, DatabaseRights, SettingKey};
pub use difference::{Compared, Comparison, Difference, Judged, Named, Owners, Respelled};
pub use error::ArchiveError;
pub use header::{Header, Version};
pub use large_object_facts::{LargeObjectFacts, LargeObjectRight};
pub use made::Made;
pub use outline::Outline;
pub use roles::NeededRoles;
pub use rows::{LargeObjectHasher, RowHasher, RowsDigest, RowsError};
pub use scan::{Contents, TableData};
pub use selection::{Extension, Guarded, LeftOut, Reason, Rights, Selection, reaches_outside, select, superusers};
pub use toc::{DumpId, Entry, Section};

use input::Input;
use toc::Toc;

/// Maximum number of entries that are looked at to see what grants are about. Those on a column need the column's table
/// and the grants on it, and these need the table.
const MAX_NEEDED_BY_GRANTS: usize = 100;

/// The header and the table of contents of an archive.
#[derive(Debug, Clone)]
pub struct Archive {
    /// What the archive says of itself.
    pub header: Header,
    /// Its entries, in the order in which they are restored.
    pub entries: Vec<Entry>,
    /// The encoding of its texts and rows, as PostgreSQL calls it; empty if it does not say.
    pub encoding: String,
    /// Whether its texts are what they are in the database, and not a character for each byte.
    pub is_readable: bool,
    places: HashMap<DumpId, usize>,
}

impl Archive {
    /// Reads the beginning of `source`; see [`ArchiveReader`] for its data.
    ///
    /// # Errors
    /// As [`ArchiveReader::open`].
    pub fn read(source: impl Read, memory_bytes: u64) -> Result<Self, ArchiveError> {
        ArchiveReader::open(BufReader::new(source), memory_bytes).map(|reader| reader.archive)
    }

    /// The entry with this number.
    pub fn entry(&self, id: DumpId) -> Option<&Entry> {
        self.places.get(&id).and_then(|&place| self.entries.get(place))
    }

    /// Whether the object that `grants` is about is one that this archive makes. Others, such as catalogs and
    /// languages, are there in every database or come with an extension, and belong to a superuser of the server.
    pub fn makes_what_it_is_about(&self, grants: &Entry) -> bool {
        // What an archive says may go in a circle, or on for ever.
        let mut seen = HashSet::from([grants.dump_id]);
        let mut open = vec![grants];
        let mut looked_at = 0_usize;
        while let Some(entry) = open.pop() {
            for needed in entry.dependencies.iter().filter_map(|id| self.entry(*id)) {
                looked_at += 1;
                match needed.desc.as_str() {
                    _ if looked_at > MAX_NEEDED_BY_GRANTS => return false,
                    "EXTENSION" => {}
                    // A grant on a column needs those on its table.
                    "ACL" if !seen.insert(needed.dump_id) => {}
                    "ACL" => open.push(needed),
                    _ => return true,
                }
            }
        }
        false
    }

    /// Whether the source had the schema `public`, if it had so many schemas. No entry of an archive says that it
    /// was dropped.
    pub fn had_public(&self, schemas: u64) -> bool {
        let is_schema = |entry: &Entry| entry.desc == "SCHEMA" && entry.tag == "public";
        let needs_it = |entry: &Entry| entry.namespace == "public" || entry.tag == "SCHEMA public" || is_schema(entry);
        let schemas_of_entries = self.entries.iter().filter(|entry| entry.desc == "SCHEMA").count();
        self.entries.iter().any(needs_it) || u64::try_from(schemas_of_entries) != Ok(schemas)
    }
}

/// An archive of which the data has not been read yet.
pub struct ArchiveReader<R> {
    archive: Archive,
    input: Input<R>,
}

impl<R: BufRead> ArchiveReader<R> {
    /// Reads the header and the table of contents, which may take `memory_bytes`: an entry takes some 400 bytes and its
    /// texts. `source` may be a pipe: it is read once, front to back.
    ///
    /// # Errors
    /// If the archive is damaged, of an unknown kind or too large, and if `source` fails.
    pub fn open(source: R, memory_bytes: u64) -> Result<Self, ArchiveError> {
        let mut input = Input::new(source);
        let header = Header::read(&mut input)?;
        let Toc { entries, places, encoding } = Toc::read(&mut input, header.version, memory_bytes)?;
        let is_readable = matches!(encoding.as_str(), "" | "UTF8" | "SQL_ASCII" | "LATIN1");
        Ok(Self { archive: Archive { header, entries, encoding, is_readable, places }, input })
    }

    /// What has been read so far.
    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    /// Reads all data and digests it. When this succeeds, the archive is complete: every entry that
    /// announces data has it, and nothing follows.
    ///
    /// Memory does not grow with the data.
    ///
    /// # Errors
    /// If the archive is damaged, or the source fails.
    pub fn scan(mut self) -> Result<(Archive, Contents), ArchiveError> {
        let contents = Contents::read(&mut self.input, &self.archive)?;
        Ok((self.archive, contents))
    }
}

/// The example of the README, which is compiled by the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(test)]
mod tests;
