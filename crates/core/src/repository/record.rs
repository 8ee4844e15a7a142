//! Records of drills: what `verify` leaves beside a backup. The format is described in docs/format.md. Anyone who can write
//! to the bucket can write a record; only `verify` has the key of its MAC, which is derived from its own credential of the
//! bucket.

use chrono::{DateTime, Utc};
use ring::hmac::{HMAC_SHA256, Key, sign, verify};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{BackupId, Tag};
use crate::secret::Secret;
use crate::storage::ObjectKey;

/// The format that is written, and the newest that is read.
pub const RECORD_FORMAT: u32 = 1;

/// What the key is derived for, so that it is no key for anything else.
const PURPOSE: &[u8] = b"record of a drill, written by verify";

/// What an event has in the place of a record, which is never one.
const EVENT: &str = "event";

/// The last fields of a record, each up to its value.
const MAC_FIELD: &str = ",\n  \"record_hmac_sha256\": \"";
const DIGEST_FIELD: &str = "\",\n  \"record_sha256\": \"";

/// What stands after the last value.
const END: &str = "\"\n}";

/// What stands in the place of the MAC and of the digest while they are computed.
const ZEROS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The record of one drill that has learned something about its backup. `R` is the report, whose fields may change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DrillRecord<R> {
    /// [`RECORD_FORMAT`].
    pub format: u32,
    /// The backup.
    pub backup_id: BackupId,
    /// `BACKUP_PREFIX`.
    pub prefix: String,
    /// The name of the database, not encoded.
    pub database: String,
    /// SHA-256 of the file `manifest.json` of the backup, as the drill read it.
    pub manifest_sha256: String,
    /// Name and version of the program that drilled.
    pub tool: String,
    /// Whether the backup came back as it was, with the contents of every table compared.
    pub proven: bool,
    /// When the drill began, by the clock of `verify`.
    pub started_at: DateTime<Utc>,
    /// When it ended; the time in the key.
    pub ended_at: DateTime<Utc>,
    /// When the snapshot of the backup was taken, by its manifest.
    pub snapshot_at: DateTime<Utc>,
    /// What a restore takes, from the first byte of the download to the last index; `None` if that was not reached.
    pub recovery_time_seconds: Option<f64>,
    /// Everything else that the drill found.
    pub report: R,
}

/// Why a record says nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// It was changed, or is no record.
    #[error("it is not a record of a drill as it was written")]
    Damaged,
    /// A later version wrote it.
    #[error("it has format {0}, and this version reads formats up to {RECORD_FORMAT}")]
    TooNew(u32),
}

/// What every format has.
#[derive(Deserialize)]
struct Head {
    format: u32,
}

impl DrillRecord<serde_json::Value> {
    /// Reads what was sealed by any `verify`; [`RecordKey::knows`] tells whether it was this one.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn open(text: &[u8]) -> Result<Self, RecordError> {
        let parts = Sealed::of(text).ok_or(RecordError::Damaged)?;
        if digest(&parts.with_mac(parts.mac)) != parts.digest {
            return Err(RecordError::Damaged);
        }
        let Head { format } = serde_json::from_slice(text).map_err(|_| RecordError::Damaged)?;
        if format > RECORD_FORMAT {
            return Err(RecordError::TooNew(format));
        }
        serde_json::from_slice(text).map_err(|_| RecordError::Damaged)
    }
}

/// Writes and recognises records of drills.
pub struct RecordKey(Key);

impl RecordKey {
    /// The key of the holder of `credential`. With another one, earlier records are no longer known.
    pub fn of(credential: &Secret) -> Self {
        let key = sign(&Key::new(HMAC_SHA256, credential.expose().as_bytes()), PURPOSE);
        Self(Key::new(HMAC_SHA256, key.as_ref()))
    }

    /// The file at `key`: `record`, a JSON object of several lines, with its MAC and its digest as the last fields.
    pub fn seal(&self, key: &ObjectKey, record: &str) -> String {
        let record = record.trim_end().strip_suffix('}').unwrap_or(record).trim_end();
        let parts = Sealed { record, mac: ZEROS, digest: ZEROS };
        let mac = hex::encode(sign(&self.0, &message(key, &parts.with_mac(ZEROS))));
        let unsealed = parts.with_mac(&mac);
        match unsealed.strip_suffix(&format!("{ZEROS}{END}")) {
            Some(head) => format!("{head}{}{END}", digest(&unsealed)),
            None => unsealed,
        }
    }

    /// The tag of the event at `key`, whose own tag is left out.
    pub(super) fn tag(&self, key: &ObjectKey) -> Tag {
        Tag::of(&hex::encode(sign(&self.0, &message(key, EVENT))))
    }

    /// Whether `text` is what was written with this key to `key`.
    pub fn knows(&self, key: &ObjectKey, text: &[u8]) -> bool {
        let Some(parts) = Sealed::of(text) else { return false };
        let Ok(mac) = hex::decode(parts.mac) else { return false };
        let is_ours = verify(&self.0, &message(key, &parts.with_mac(ZEROS)), &mac).is_ok();
        is_ours && digest(&parts.with_mac(parts.mac)) == parts.digest
    }
}

/// A file, taken apart.
struct Sealed<'text> {
    record: &'text str,
    mac: &'text str,
    digest: &'text str,
}

impl<'text> Sealed<'text> {
    fn of(text: &'text [u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?.strip_suffix(END)?;
        let (head, digest) = text.rsplit_once(DIGEST_FIELD)?;
        let (record, mac) = head.rsplit_once(MAC_FIELD)?;
        Some(Self { record, mac, digest })
    }

    /// The file with this MAC, and zeros for its digest.
    fn with_mac(&self, mac: &str) -> String {
        format!("{}{MAC_FIELD}{mac}{DIGEST_FIELD}{ZEROS}{END}", self.record)
    }
}

fn digest(unsealed: &str) -> String {
    hex::encode(Sha256::digest(unsealed))
}

/// The place is part of it, so that a record of one backup is none of another, and none of another time or verdict.
fn message(key: &ObjectKey, unsealed: &str) -> Vec<u8> {
    [key.as_str().as_bytes(), b"\0", unsealed.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::storage::Prefix;

    fn record(format: u32) -> DrillRecord<Value> {
        let at: DateTime<Utc> = "2026-11-29T04:00:00Z".parse().unwrap();
        DrillRecord {
            format,
            backup_id: BackupId::parse("20261129T030000Z-calpt5zmzst5hrp2").unwrap(),
            prefix: "p".to_owned(),
            database: "app".to_owned(),
            manifest_sha256: ZEROS.to_owned(),
            tool: "verify 0.1.0".to_owned(),
            proven: true,
            started_at: at,
            ended_at: at,
            snapshot_at: at,
            recovery_time_seconds: Some(1.25),
            report: json!({ "verdict": "passed", "note": format!("{MAC_FIELD}{ZEROS}{DIGEST_FIELD}{ZEROS}{END}") }),
        }
    }

    fn key(credential: &str) -> RecordKey {
        RecordKey::of(&Secret::new(credential.to_owned()))
    }

    #[test]
    fn a_record_is_known_at_its_place_with_its_key_and_as_it_was_written() {
        let prefix = Prefix::parse("p").unwrap();
        let (here, there) = (prefix.key("a/drill-1-passed.json"), prefix.key("b/drill-1-passed.json"));
        let (own, written) = (key("canary of a credential"), record(RECORD_FORMAT));
        let text = own.seal(&here, &serde_json::to_string_pretty(&written).unwrap());
        assert_eq!((DrillRecord::open(text.as_bytes()), text.contains("canary")), (Ok(written), false));
        assert!(own.knows(&here, text.as_bytes()) && !own.knows(&there, text.as_bytes()));
        assert!(!key("another").knows(&here, text.as_bytes()));
        for place in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[place] ^= 1;
            for changed in [&changed[..], &text.as_bytes()[..place]] {
                assert!(!own.knows(&here, changed), "{place}");
                assert_eq!(DrillRecord::open(changed), Err(RecordError::Damaged), "{place}");
            }
        }
        assert!(!own.knows(&here, b"{}") && !own.knows(&here, b""));
    }

    #[test]
    fn a_record_of_a_later_version_is_not_called_damaged() {
        let here = Prefix::parse("p").unwrap().key("x");
        let later = serde_json::to_string_pretty(&json!({ "format": 2, "other": "fields" })).unwrap();
        let text = key("k").seal(&here, &later);
        assert_eq!(DrillRecord::open(text.as_bytes()), Err(RecordError::TooNew(2)));
        let nonsense = key("k").seal(&here, "{\n  \"format\": 1\n}");
        assert_eq!(DrillRecord::open(nonsense.as_bytes()), Err(RecordError::Damaged));
    }
}
