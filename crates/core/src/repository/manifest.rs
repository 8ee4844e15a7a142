//! The manifest: what a backup is, and what its source looked like in the dump's own snapshot.
//! docs/format.md is the promise; this is its text in types. It names no host, no user of ours, no
//! connection string and no row.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{BackupId, Kind, bounded};
use crate::codec::encryption::Required;
use crate::codec::{Decoding, UnknownCodec};
use crate::stored::Digests;

/// The version of the manifest's format. Readers refuse a higher one.
pub const FORMAT: u32 = 1;

/// `manifest.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// The backup's id.
    pub id: BackupId,
    /// The folder in the bucket that holds the database's folder. Older manifests do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Full or partial.
    pub kind: Kind,
    /// The options of `PG_DUMP_OPTIONS` that narrowed a partial dump, without their values.
    #[serde(deserialize_with = "bounded::list")]
    pub narrowed_by: Vec<String>,
    /// Name and version of the program that wrote it.
    pub tool: String,
    /// Version of `pg_dump`, as it prints it.
    pub pg_dump_version: String,
    /// When the snapshot was taken, by the server's clock: what was committed a moment before is in the dump.
    pub snapshot_at: DateTime<Utc>,
    /// When the last byte of the dump was stored.
    pub finished_at: DateTime<Utc>,
    /// How old the newest full backup may become, as `backup` judges it: `verify` goes by the same number. Older
    /// manifests do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_seconds: Option<u64>,
    /// How long a run may take. Older manifests do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_timeout_seconds: Option<u64>,
    /// The database.
    pub database: DatabaseFacts,
    /// How objects were encoded.
    pub codec: CodecFacts,
    /// The archive.
    pub dump: ObjectFacts,
    /// The cluster's roles, if they were dumped.
    pub globals: Option<ObjectFacts>,
    /// What was in the database.
    pub inventory: Inventory,
    /// What a restore by hand must add, and what is not in the dump, in sentences.
    #[serde(deserialize_with = "bounded::list")]
    pub notes: Vec<String>,
    /// Those of the notes that say what the dump lacks, or that it restores in some places only. Drills repeat them.
    #[serde(default, deserialize_with = "bounded::list", skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<String>,
}

impl Manifest {
    /// The data objects that must be in the bucket.
    pub fn objects(&self) -> impl Iterator<Item = &ObjectFacts> {
        std::iter::once(&self.dump).chain(&self.globals)
    }
}

/// Facts of the database and its server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DatabaseFacts {
    /// Its name.
    pub name: String,
    /// `server_version` as the server prints it.
    pub server_version: String,
    /// `server_version_num`.
    pub server_version_num: u32,
    /// `pg_control_system().system_identifier`, as text because JSON numbers lose digits; `None`
    /// if the role may not read it.
    pub system_identifier: Option<String>,
    /// `pg_database_size`, in bytes, just before the snapshot.
    pub size_bytes: u64,
    /// Encoding, such as `UTF8`.
    pub encoding: String,
    /// `LC_COLLATE`.
    pub collate: String,
    /// `LC_CTYPE`.
    pub ctype: String,
    /// Locale provider: `libc`, `icu` or `builtin`.
    pub locale_provider: String,
    /// Locale of the `icu` or `builtin` provider.
    pub locale: Option<String>,
    /// Rules that are added to a locale of the `icu` provider (PostgreSQL 16 and later).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icu_rules: Option<String>,
    /// Settings that a session of the database had if it set nothing itself, as far as they decide what a restore
    /// computes. Older manifests do not say.
    #[serde(default, deserialize_with = "bounded::map", skip_serializing_if = "BTreeMap::is_empty")]
    pub session_settings: BTreeMap<String, String>,
    /// Settings of `ALTER DATABASE ... SET`, names only: pg_dump writes them only with `--create`.
    #[serde(deserialize_with = "bounded::list")]
    pub settings: Vec<String>,
}

/// How objects were encoded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CodecFacts {
    /// `zstd`, `gzip` or `none`.
    pub compression: String,
    /// The level, if the compression has levels.
    pub level: Option<i32>,
    /// `age`, `aes-256-cbc` or `none`.
    pub encryption: String,
    /// Fingerprints of the keys that can decrypt; empty without encryption.
    #[serde(deserialize_with = "bounded::list")]
    pub key_ids: Vec<String>,
    /// Iterations of PBKDF2, with `aes-256-cbc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iterations: Option<u32>,
}

impl CodecFacts {
    /// How the objects become plain again.
    ///
    /// # Errors
    /// If it names what its format does not have.
    pub fn decoding(&self) -> Result<Decoding, UnknownCodec> {
        Decoding::from_names(&self.compression, &self.encryption)
    }

    /// What a reader needs for that.
    ///
    /// # Errors
    /// As [`CodecFacts::decoding`].
    pub fn required(&self) -> Result<Required<'_>, UnknownCodec> {
        Ok(Required { decoding: self.decoding()?, key_ids: &self.key_ids, iterations: self.iterations })
    }
}

/// One data object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "FlatObjectFacts")]
pub struct ObjectFacts {
    /// Its name beside the manifest.
    pub name: String,
    /// Sizes and digests.
    #[serde(flatten)]
    pub digests: Digests,
}

/// As [`ObjectFacts`] is written. A field that is read flattened has its siblings kept in memory first, those of later
/// versions, too, however large.
#[derive(Deserialize)]
struct FlatObjectFacts {
    name: String,
    plain_bytes: u64,
    plain_sha256: String,
    stored_bytes: u64,
    stored_sha256: String,
    #[serde(default)]
    stored_hmac_sha256: Option<String>,
}

impl From<FlatObjectFacts> for ObjectFacts {
    fn from(flat: FlatObjectFacts) -> Self {
        let FlatObjectFacts { name, plain_bytes, plain_sha256, stored_bytes, stored_sha256, stored_hmac_sha256 } = flat;
        let digests = Digests { plain_bytes, plain_sha256, stored_bytes, stored_sha256, stored_hmac_sha256 };
        Self { name, digests }
    }
}

/// What was in the database, extension members and system schemas aside.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Inventory {
    /// Which questions `objects` are the answers to; backups of earlier versions do not say. A count is compared with
    /// another one of the same question only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub questions: Option<u32>,
    /// Objects by kind.
    #[serde(deserialize_with = "bounded::map")]
    pub objects: ObjectCounts,
    /// Every table that holds rows of its own, partitions included.
    pub tables: Vec<Table>,
    /// Every sequence. Sequences are not transactional: the dump may hold a later value.
    pub sequences: Vec<Sequence>,
    /// Installed extensions.
    #[serde(deserialize_with = "bounded::list")]
    pub extensions: Vec<Extension>,
    /// Owners and grantees that a restore with owners needs.
    #[serde(deserialize_with = "bounded::roles")]
    pub roles: Vec<String>,
}

/// Number of objects by kind (`tables`, `indexes`, `functions`, ...), in the names of the field.
pub type ObjectCounts = BTreeMap<String, u64>;

/// One table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its rows, counted exactly in the snapshot of the dump; `None` if `not_counted` says why.
    pub rows: Option<u64>,
    /// `off`, `time budget`, `lock timeout`, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_counted: Option<String>,
}

/// One sequence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sequence {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its last value; `None` if it was never used.
    pub last_value: Option<i64>,
}

/// One extension.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Extension {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}
