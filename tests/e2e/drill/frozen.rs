//! Backups that were made once and never change: see tests/fixtures/format-1/README.md.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use e2e::postgres::Postgres;
use e2e::skip::skip;
use serde_json::Value;

use super::DrillStand;
use crate::documents::commands;
use crate::encryption::{has_tool, shell};
use crate::stand::Stand;

/// The server that was dumped. No older one can restore its backups.
const MAJOR: u32 = 15;

/// The longest that the newest backup may be said to be good for. When the fixtures are older, their age is all that a
/// drill finds.
const MAX_AGE_SECONDS: &str = "31622400";

/// What each drill must have proven.
const PROVEN: [&str; 8] =
    ["archive", "contents", "definitions", "digests", "large_objects", "restore", "row_counts", "sequences"];

/// One kind of backup.
struct Frozen {
    folder: &'static str,
    /// The variable of `verify` for its key, and the file of the key.
    key: Option<(&'static str, &'static str)>,
    /// The blocks of docs/restore.md that decode it, in their order.
    blocks: &'static [&'static str],
}

const FIXTURES: [Frozen; 6] = [
    Frozen { folder: "none", key: None, blocks: &[] },
    Frozen { folder: "gzip", key: None, blocks: &["gz"] },
    Frozen { folder: "zstd", key: None, blocks: &["zst"] },
    Frozen { folder: "age", key: Some(("AGE_IDENTITY", "age.txt")), blocks: &["age", "zst"] },
    Frozen {
        folder: "aes-256-cbc",
        key: Some(("BACKUP_ENCRYPTION_KEY", "passphrase.txt")),
        blocks: &["mac", "enc", "zst"],
    },
    Frozen { folder: "signed", key: Some(("VERIFY_TRUSTED_KEYS", "signing.pub")), blocks: &["zst"] },
];

impl Frozen {
    /// Every object of the bucket, by its key.
    fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        let top = fixtures().join(self.folder);
        let mut objects = BTreeMap::new();
        let mut folders = vec![top.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                let path = entry.path();
                match path.is_dir() {
                    true => folders.push(path),
                    false => {
                        let key = path.strip_prefix(&top).unwrap().to_str().unwrap().to_owned();
                        objects.insert(key, fs::read(&path).unwrap());
                    }
                }
            }
        }
        objects
    }

    /// Decodes the files in `folder` by the commands of the documents.
    fn decode(&self, folder: &Path, id: &str) {
        let step = |block: &str| shell(&commands("docs/restore.md", block), folder, &[]);
        assert_eq!(step("check").matches(": as it was stored").count(), 2, "{}", self.folder);
        if self.folder == "signed" {
            let key = fs::read_to_string(folder.join("key.txt")).unwrap();
            let said = shell(&commands("docs/format.md", "signature"), folder, &[("TRUSTED_KEY", key.trim())]);
            assert!(said.contains("Signature Verified Successfully"), "{said}");
        }
        for block in self.blocks {
            if *block == "mac" {
                let mac = commands("docs/restore.md", "mac").replace("20261122T030000Z-calpt5zmzst5hrp2", id);
                let said = shell(&mac, folder, &[]);
                assert_eq!(said.matches(": authentic").count(), 2, "{said}");
            } else {
                step(block);
            }
        }
    }
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/format-1")
}

#[test]
fn every_backup_of_format_1_passes_a_drill() {
    if Postgres::shared().major() < MAJOR {
        skip("drill::frozen::every_backup_of_format_1_passes_a_drill", "the fixtures are of PostgreSQL 15");
        return;
    }
    for frozen in FIXTURES {
        let stand = Stand::new();
        frozen.objects().iter().for_each(|(key, content)| stand.s3.write(key, content));
        let stand = DrillStand::of_bucket(stand);
        let key = frozen.key.map(|(name, file)| (format!("{name}_FILE"), fixtures().join("keys").join(file)));
        let drill = stand.drill_with(stand.verify().envs(key).env("BACKUP_MAX_AGE", MAX_AGE_SECONDS));
        let is_old = drill.checks("failed") == ["recovery_point"];
        drill.assert_verdict(if is_old { "failed" } else { "passed" }, i32::from(is_old));
        let found = drill.findings();
        assert!(found.iter().all(|finding| finding.starts_with("recovery_point: ")), "{}: {found:?}", frozen.folder);
        let passed = drill.checks("passed");
        for check in PROVEN {
            assert!(passed.iter().any(|name| name == check), "{}: {check} is not in {passed:?}", frozen.folder);
        }
    }
}

#[test]
fn every_backup_of_format_1_is_decoded_by_the_commands_of_the_documents_r045() {
    if !has_tool("drill::frozen::every_backup_of_format_1_is_decoded_by_the_commands_of_the_documents_r045", "age") {
        return;
    }
    for frozen in FIXTURES {
        let folder = tempfile::tempdir().unwrap();
        let objects = frozen.objects();
        let (manifest, _) = objects.iter().find(|(key, _)| key.ends_with("/manifest.json")).unwrap();
        let prefix = manifest.strip_suffix("manifest.json").unwrap();
        let files = objects.iter().filter_map(|(key, content)| Some((key.strip_prefix(prefix)?, content)));
        files.for_each(|(name, content)| fs::write(folder.path().join(name), content).unwrap());
        if let Some((_, file)) = frozen.key {
            fs::copy(fixtures().join("keys").join(file), folder.path().join("key.txt")).unwrap();
        }
        frozen.decode(folder.path(), prefix.trim_end_matches('/').rsplit('/').next().unwrap());
        let manifest: Value = serde_json::from_slice(&objects[manifest]).unwrap();
        for (object, name) in [("dump", "app.dump"), ("globals", "globals.sql")] {
            let said = shell(&format!("sha256sum {name}"), folder.path(), &[]);
            let expected = manifest[object]["plain_sha256"].as_str().unwrap();
            assert!(said.starts_with(expected), "{}: {name}: {said}", frozen.folder);
        }
    }
}
