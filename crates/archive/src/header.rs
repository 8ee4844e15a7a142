//! The beginning of an archive: which format it has, and who wrote it.

use std::io::BufRead;

use super::error::ArchiveError;
use super::input::{INTEGER_BYTES, Input};

/// Bytes of a file offset in a table of contents. `pg_dump` writes its `sizeof(off_t)`, which is 8
/// wherever files may be larger than 2 GiB.
pub(super) const OFFSET_BYTES: usize = 8;

/// What the table of contents of the known versions has: 1.14 is of `pg_dump` 12 to 15, 1.15 of 16,
/// 1.16 of 17 and 18 (`K_VERS_*` in `pg_backup_archiver.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// The oldest that is read.
    V1_14,
    /// Names the compression by a byte.
    V1_15,
    /// Has the kind of relation in its entries, and several groups of large objects.
    V1_16,
}

/// What an archive says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The version of the format.
    pub version: Version,
    /// The database that was dumped.
    pub database: String,
    /// The server's version, as it prints it.
    pub server_version: String,
    /// The version of the `pg_dump` that wrote the archive.
    pub pg_dump_version: String,
}

/// Custom format: the other two that share this header are a tar file and a folder.
const CUSTOM: u8 = 1;

/// Second, minute, hour, day, month, year, daylight saving time.
const TIME_FIELDS: usize = 7;

impl Header {
    /// The major version of the server that was dumped; `None` if its version does not begin with a number.
    pub fn server_major(&self) -> Option<u32> {
        let digits = self.server_version.split(|c: char| !c.is_ascii_digit()).next();
        digits.and_then(|major| major.parse().ok())
    }

    pub(super) fn read(input: &mut Input<impl BufRead>) -> Result<Self, ArchiveError> {
        let mut magic = [0; 5];
        for byte in &mut magic {
            *byte = input.byte()?;
        }
        input.expect(&magic == b"PGDMP", 0, "it does not begin with PGDMP")?;
        let version = [input.byte()?, input.byte()?, input.byte()?];
        let version = match version {
            [1, 14, _] => Version::V1_14,
            [1, 15, _] => Version::V1_15,
            [1, 16, _] => Version::V1_16,
            [major, minor, revision] => {
                let known = "1.14 to 1.16, which pg_dump 12 to 18 write, are";
                return unsupported(format!("its format is {major}.{minor}.{revision}, and {known} known"));
            }
        };
        let sizes = [input.byte()?, input.byte()?].map(usize::from);
        if sizes != [INTEGER_BYTES, OFFSET_BYTES] {
            return unsupported("it was written on a machine with other sizes of integers and offsets".to_owned());
        }
        if input.byte()? != CUSTOM {
            return unsupported("it is not in custom format (pg_dump --format=custom)".to_owned());
        }
        let compression = if version == Version::V1_14 { input.integer()? } else { i32::from(input.byte()?) };
        if compression != 0 {
            return unsupported("its data is compressed (this needs pg_dump --compress=0)".to_owned());
        }
        for _ in 0..TIME_FIELDS {
            input.integer()?;
        }
        let mut text = || Ok(String::from_utf8_lossy(&input.text()?.unwrap_or_default()).into_owned());
        Ok(Self { version, database: text()?, server_version: text()?, pg_dump_version: text()? })
    }
}

fn unsupported<T>(problem: String) -> Result<T, ArchiveError> {
    Err(ArchiveError::Unsupported(problem))
}
