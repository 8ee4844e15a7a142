//! Manifests out of the bucket. Anyone who can write there can write a manifest, so nothing in one is
//! believed that its key contradicts.

use serde::Deserialize;

use super::{BackupId, DatabaseDir, FORMAT, Layout, Manifest, ObjectFacts, Role, plausible, seal};
use crate::storage::StoreError;

/// A manifest has a line or two for each table; this suffices for some 300,000 of them.
pub(super) const MAX_MANIFEST_BYTES: u64 = 64 * 1024 * 1024;

/// Why there is no manifest to go by.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It cannot be read, or is not there: retention may have deleted the backup since it was listed.
    #[error("read manifest")]
    Unreadable(#[source] StoreError),
    /// It is damaged, or of another backup.
    #[error("the manifest of {id} is not usable: {reason}")]
    Wrong {
        /// The backup.
        id: BackupId,
        /// What is wrong, as a sentence.
        reason: String,
    },
    /// It was written by a newer version, which this one may misunderstand.
    #[error("the manifest of {id} has format {format}, and this version reads formats up to {}; update it", FORMAT)]
    TooNew {
        /// The backup.
        id: BackupId,
        /// Its format.
        format: u32,
    },
}

impl ManifestError {
    /// Whether the backup is damaged. Otherwise nothing is known about it.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Wrong { .. } => true,
            Self::Unreadable(error) => matches!(error, StoreError::Damaged { .. }),
            Self::TooNew { .. } => false,
        }
    }
}

/// What every format has.
#[derive(Deserialize)]
struct Head {
    format: u32,
}

impl Layout {
    /// The manifest of backup `id` that `text` is, as [`Repository::manifest`](super::Repository::manifest) reads it.
    ///
    /// # Errors
    /// As there.
    pub fn open_manifest(&self, id: &BackupId, text: &[u8]) -> Result<Manifest, ManifestError> {
        let wrong = |reason: String| ManifestError::Wrong { id: id.clone(), reason };
        // The words of the parser may quote the text, which is foreign; the place is enough.
        let unreadable = |error: serde_json::Error| {
            wrong(format!("it cannot be read as a manifest, from line {}, column {}", error.line(), error.column()))
        };
        // If signatures matter, no other writer may say that a manifest is one of a later version.
        if !self.signers.is_empty() {
            seal::check_signature(text, &self.signers).map_err(|error| wrong(error.to_string()))?;
        }
        // The format comes first: a later one may not even have the fields of this one.
        let Head { format } = serde_json::from_slice(text).map_err(unreadable)?;
        if format > FORMAT {
            return Err(ManifestError::TooNew { id: id.clone(), format });
        }
        let manifest: Manifest = serde_json::from_slice(text).map_err(unreadable)?;
        plausible::check_texts(text).map_err(wrong)?;
        if !seal::is_intact(text) {
            return Err(wrong("it is not as it was written: its digest of itself differs".to_owned()));
        }
        if manifest.id != *id {
            return Err(wrong(format!("it is the manifest of {}", manifest.id)));
        }
        if DatabaseDir::encode(&manifest.database.name) != self.database {
            return Err(wrong("it is the manifest of another database".to_owned()));
        }
        // Only if signatures matter: a repository that was moved must stay restorable.
        if !self.signers.is_empty() && manifest.prefix.as_deref() != Some(self.prefix.to_string().as_str()) {
            return Err(wrong("it is the manifest of another prefix".to_owned()));
        }
        plausible::check_values(&manifest).map_err(wrong)?;
        let decoding = manifest.codec.decoding();
        let decoding = decoding.map_err(|unknown| wrong(format!("format 1 has {unknown}")))?;
        let dump = Role::Dump { kind: manifest.kind, suffix: decoding.suffix() };
        let globals = Role::Globals { suffix: decoding.suffix() };
        self.check_object(&manifest.dump, &dump).map_err(wrong)?;
        manifest.globals.iter().try_for_each(|facts| self.check_object(facts, &globals)).map_err(wrong)?;
        Ok(manifest)
    }

    /// Names are part of a path further on, so only the one that the role has is taken.
    fn check_object(&self, facts: &ObjectFacts, role: &Role) -> Result<(), String> {
        let name = role.file_name(&self.database);
        if facts.name != name {
            return Err(format!("it names another object where {name} belongs"));
        }
        let is_sha256 =
            |text: &String| text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if ![&facts.digests.plain_sha256, &facts.digests.stored_sha256].into_iter().all(is_sha256) {
            return Err(format!("it holds no SHA-256 of {name}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};
    use serde_json::{Value, json};

    use super::*;
    use crate::repository::bounded::MAX_ENTRIES;
    use crate::storage::Prefix;

    const SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn layout() -> Layout {
        Layout::new(Prefix::parse("p").unwrap(), "Süd 1")
    }

    /// When the manifest of these tests was written.
    fn now() -> DateTime<Utc> {
        "2026-11-22T03:00:09Z".parse().unwrap()
    }

    fn manifest(id: &BackupId) -> Value {
        let sides = json!({"plain_bytes": 0, "plain_sha256": SHA256, "stored_bytes": 0, "stored_sha256": SHA256});
        let object = |name: &str| {
            let mut object = sides.clone();
            object["name"] = json!(name);
            object
        };
        json!({
            "format": 1, "id": id, "kind": "full", "narrowed_by": [], "tool": "backup 0.1.0",
            "pg_dump_version": "15.18", "snapshot_at": "2026-11-22T03:00:00Z", "finished_at": "2026-11-22T03:00:09Z",
            "database": {
                "name": "Süd 1", "server_version": "15.18", "server_version_num": 150018, "system_identifier": null,
                "size_bytes": 1, "encoding": "UTF8", "collate": "C", "ctype": "C", "locale_provider": "libc",
                "locale": null, "settings": [],
            },
            "codec": {"compression": "zstd", "level": 1, "encryption": "none", "key_ids": []},
            "dump": object("S~C3~BCd~201.dump.zst"), "globals": object("globals.sql.zst"),
            "inventory": {"objects": {}, "tables": [], "sequences": [], "extensions": [], "roles": []},
            "notes": [], "a field of later": "is ignored", "manifest_sha256": seal::UNSEALED,
        })
    }

    /// Opens a manifest in which the value at `pointer` is another one.
    #[track_caller]
    fn check(pointer: &str, value: Value, damage: bool, words: &str) {
        let id = BackupId::new(now());
        let mut text = manifest(&id);
        *text.pointer_mut(pointer).unwrap() = value;
        let error = layout().open_manifest(&id, seal::seal(&text.to_string()).as_bytes()).unwrap_err();
        let found = error.is_damage();
        let chain = format!("{:#}", anyhow::Error::from(error));
        assert!(chain.contains(words) && found == damage, "{pointer}: {chain}");
    }

    #[test]
    fn a_manifest_that_contradicts_its_key_is_refused() {
        let id = BackupId::new(now());
        let text = seal::seal(&manifest(&id).to_string());
        assert_eq!(layout().open_manifest(&id, text.as_bytes()).unwrap().id, id);
        let touched = text.replace("15.18", "15.19");
        let error = layout().open_manifest(&id, touched.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("its digest of itself differs"), "{error}");
        let older = BackupId::new(now() - TimeDelta::days(9));
        check("/id", json!(older), true, &format!("it is the manifest of {older}"));
        check("/id", json!("../../x"), true, "cannot be read");
        check("/database/name", json!("app"), true, "another database");
        for name in
            ["x.dump.zst", "../S~C3~BCd~201.dump.zst", "/etc/passwd", "S~C3~BCd~201.dump", "globals.sql.zst", ""]
        {
            check("/dump/name", json!(name), true, "another object where S~C3~BCd~201.dump.zst belongs");
        }
        check("/globals/name", json!("roles.sql.zst"), true, "another object where globals.sql.zst belongs");
        check("/kind", json!("partial"), true, "where S~C3~BCd~201.partial.dump.zst belongs");
        check("/dump/stored_sha256", json!(SHA256.to_uppercase()), true, "no SHA-256");
        check("/globals/plain_sha256", json!(""), true, "no SHA-256");
        check("/dump/plain_bytes", json!(-1), true, "cannot be read");
    }

    #[test]
    fn what_a_value_can_never_be_is_damage() {
        for time in ["/snapshot_at", "/finished_at"] {
            check(time, json!("9999-12-31T23:59:59Z"), true, "is the year 9999, which it can never be");
            check(time, json!("0001-01-01T00:00:00Z"), true, "is the year 1, which it can never be");
            check(time, json!("+262142-01-01T00:00:00Z"), true, "it can never be");
        }
        let most = u64::MAX;
        for bytes in ["/database/size_bytes", "/dump/plain_bytes", "/dump/stored_bytes", "/globals/plain_bytes"] {
            check(bytes, json!(most), true, "is 18446744073709551615, which it can never be");
        }
        check("/database/server_version_num", json!(u32::MAX), true, "it can never be");
        check("/inventory/objects", json!({"tables": most}), true, "inventory.objects is ");
        let table = |schema: &str, name: &str, rows: u64| json!([{"schema": schema, "name": name, "rows": rows}]);
        check("/inventory/tables", table("public", "t", most), true, "inventory.tables is ");
        check("/inventory/tables", table("", "t", 1), true, "a name of 0 bytes");
        check("/inventory/tables", table("public", &"t".repeat(1_025), 1), true, "a name of 1025 bytes");
        for (list, value) in [
            ("/inventory/roles", json!(["a\0b"])),
            ("/inventory/tables", table("public", "a\0", 1)),
            ("/inventory/extensions", json!([{"name": "a", "version": "\0"}])),
            ("/inventory/sequences", json!([{"schema": "\0", "name": "a", "last_value": null}])),
            ("/database/encoding", json!("UTF8\0")),
            ("/database/settings", json!(["\0"])),
            ("/notes", json!(["\0"])),
            ("/inventory/objects", json!({"\0": 1})),
        ] {
            check(list, value, true, "holds a byte of zero");
        }
        check("/inventory/roles", json!([""]), true, "a name of 0 bytes");
        for role in ["public", "none", &"r".repeat(64)] {
            check("/inventory/roles", json!([role]), true, "inventory.roles has a name that no role can have");
        }
        check("/database/server_version_num", json!(990_000), true, "it can never be");
        check("/database/encoding", json!("KLINGON"), true, "database.encoding is none that PostgreSQL has");
        check("/database/encoding", json!("SJIS"), true, "database.encoding is none that PostgreSQL has");
        check("/database/locale_provider", json!("x"), true, "database.locale_provider is none");
        check("/dump/plain_bytes", json!(1), true, "larger than its stored bytes can");
    }

    /// A clock was wrong, and the backup is whole: it opens, and a drill says so.
    #[test]
    fn times_that_contradict_each_other_or_the_clock_are_doubtful_and_no_damage() {
        let doubt = |change: &[(&str, &str)], began: DateTime<Utc>| {
            let id = BackupId::new(began);
            let mut text = manifest(&id);
            for (field, time) in change {
                text[field] = json!(time);
            }
            let opened = layout().open_manifest(&id, seal::seal(&text.to_string()).as_bytes()).unwrap();
            opened.doubtful_time(now()).unwrap_or_default()
        };
        for field in ["snapshot_at", "finished_at"] {
            let words = doubt(&[(field, "2026-11-23T05:00:10Z")], now());
            assert!(words.contains("which is in the future of the store's clock"), "{words}");
        }
        let words = doubt(&[("finished_at", "2026-11-21T00:59:59Z")], now());
        assert!(words.contains("and its run began at 2026-11-22"), "{words}");
        let words = doubt(&[("finished_at", "2026-11-20T00:00:00Z")], now() - TimeDelta::days(9));
        assert!(words.contains("its snapshot was taken at"), "{words}");
        // Clocks may differ by what a wrong time zone makes of them.
        for time in ["2026-11-23T04:00:00Z", "2026-11-21T02:00:00Z"] {
            assert_eq!(doubt(&[("finished_at", time)], now()), "");
        }
    }

    #[test]
    fn a_format_has_the_codecs_that_it_had_when_it_was_made() {
        check("/codec/compression", json!("brotli"), true, "format 1 has no compression \"brotli\"");
        check("/codec/encryption", json!("rot13"), true, "format 1 has no encryption \"rot13\"");
    }

    /// Lists of which a manifest never has many entries are counted before they are kept.
    #[test]
    fn a_list_that_is_never_long_is_damage_if_it_is() {
        let long = json!(vec![""; MAX_ENTRIES + 1]);
        for list in ["/narrowed_by", "/notes", "/database/settings", "/codec/key_ids"] {
            check(list, long.clone(), true, "cannot be read as a manifest, from line 1");
        }
        let extension = json!({"name": "a", "version": "1"});
        check("/inventory/extensions", json!(vec![extension; MAX_ENTRIES + 1]), true, "cannot be read");
        // What a later version may add is not kept, beside an object either.
        let id = BackupId::new(now());
        let mut text = manifest(&id);
        (text["later"], text["dump"]["later"]) = (long.clone(), long);
        layout().open_manifest(&id, seal::seal(&text.to_string()).as_bytes()).unwrap();
    }

    #[test]
    fn a_manifest_of_a_newer_version_is_not_called_damaged() {
        check("/format", json!(2), false, "format 2, and this version reads formats up to 1");
        let id = BackupId::new(now());
        let error = layout().open_manifest(&id, br#"{"format": 7}"#).unwrap_err();
        assert!(matches!(error, ManifestError::TooNew { format: 7, .. }), "{error}");
    }

    #[test]
    fn a_cut_manifest_is_refused_at_every_length() {
        let id = BackupId::new(now());
        let text = seal::seal(&manifest(&id).to_string());
        for length in 0..text.len() {
            let error = layout().open_manifest(&id, &text.as_bytes()[..length]).unwrap_err();
            assert!(error.is_damage(), "{length}: {error}");
        }
    }
}
