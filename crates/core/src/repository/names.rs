//! File names inside a backup, and the folder name of a database.

use std::fmt;

use chrono::{DateTime, NaiveDateTime, Utc};

use crate::codec::Codec;

const DRILL_TIME_FORMAT: &str = "%Y%m%dT%H%M%SZ";

/// A database's name as a folder: letters, digits, `_` and `-` stand for themselves, a `.` too
/// unless it is the first character; every other byte is `~` and two upper-case hexadecimal digits.
/// Reversible, and, followed by `/`, never the start of another name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseDir(String);

impl DatabaseDir {
    /// The folder of the database called `name`.
    pub fn encode(name: &str) -> Self {
        let mut encoded = String::with_capacity(name.len());
        for (index, byte) in name.bytes().enumerate() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => encoded.push(char::from(byte)),
                b'.' if index > 0 => encoded.push('.'),
                _ => encoded.push_str(&format!("~{byte:02X}")),
            }
        }
        Self(encoded)
    }

    /// The name of the database; `None` if [`DatabaseDir::encode`] could not have written `folder`.
    pub fn decode(folder: &str) -> Option<String> {
        let mut bytes = Vec::with_capacity(folder.len());
        let mut rest = folder.as_bytes();
        while let Some((&byte, tail)) = rest.split_first() {
            rest = tail;
            if byte == b'~' {
                let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = &rest[2..];
            } else {
                bytes.push(byte);
            }
        }
        let name = String::from_utf8(bytes).ok()?;
        (Self::encode(&name).0 == folder).then_some(name)
    }
}

impl fmt::Display for DatabaseDir {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Whether a dump holds the whole database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// All of it.
    Full,
    /// What `PG_DUMP_OPTIONS` left of it. It is part of the key, because the listing is all that
    /// `backup` can see.
    Partial,
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Full => "full",
            Self::Partial => "partial",
        })
    }
}

/// What an object of a backup is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// The archive: `<database>.dump.zst`, `<database>.partial.dump`.
    Dump {
        /// Full or partial.
        kind: Kind,
        /// One of [`Codec::SUFFIXES`].
        suffix: &'static str,
    },
    /// Roles and tablespaces of the cluster: `globals.sql.zst`.
    Globals {
        /// One of [`Codec::SUFFIXES`].
        suffix: &'static str,
    },
    /// `manifest.json`.
    Manifest,
    /// `drill-<time>-passed.json` or `-failed.json`, written by `verify` if it may.
    Drill {
        /// When the drill ended.
        time: DateTime<Utc>,
        /// Its verdict.
        passed: bool,
    },
}

impl Role {
    /// The last segment of the key.
    pub fn file_name(&self, database: &DatabaseDir) -> String {
        match self {
            Self::Dump { kind: Kind::Full, suffix } => format!("{database}.dump{suffix}"),
            Self::Dump { kind: Kind::Partial, suffix } => format!("{database}.partial.dump{suffix}"),
            Self::Globals { suffix } => format!("globals.sql{suffix}"),
            Self::Manifest => "manifest.json".to_owned(),
            Self::Drill { time, passed } => {
                let verdict = if *passed { "passed" } else { "failed" };
                format!("drill-{}-{verdict}.json", time.format(DRILL_TIME_FORMAT))
            }
        }
    }

    /// Reads a file name; `None` for anything that [`Role::file_name`] could not have written.
    pub fn parse(file_name: &str, database: &DatabaseDir) -> Option<Self> {
        let written = Codec::SUFFIXES.iter().flat_map(|suffix| {
            [
                Self::Dump { kind: Kind::Full, suffix },
                Self::Dump { kind: Kind::Partial, suffix },
                Self::Globals { suffix },
            ]
        });
        let fixed = written.chain([Self::Manifest]).find(|role| role.file_name(database) == file_name);
        fixed.or_else(|| {
            let (time, verdict) = file_name.strip_prefix("drill-")?.strip_suffix(".json")?.split_once('-')?;
            let time = NaiveDateTime::parse_from_str(time, DRILL_TIME_FORMAT).ok()?.and_utc();
            let role = Self::Drill { time, passed: verdict == "passed" };
            (role.file_name(database) == file_name).then_some(role)
        })
    }
}
