//! Manifests out of the bucket.

use backup_core::repository::{BackupId, Layout, Manifest, ManifestError, UNSEALED, seal};
use backup_core::storage::Prefix;
use serde_json::Value;

use crate::run::{Target, file, words};

const REAL: [&str; 4] = [
    "tests/fixtures/format-1/none/postgres-backups/app/20261129T162012Z-dnzrny4hqavnidbj/manifest.json",
    "tests/fixtures/format-1/age/postgres-backups/app/20261129T162014Z-3nueaabxsol4rtgj/manifest.json",
    "tests/fixtures/format-1/aes-256-cbc/postgres-backups/app/20261129T162016Z-tvqx2txeuw6pragr/manifest.json",
    "tests/fixtures/format-1/signed/postgres-backups/app/20261129T162018Z-dxvbmwyqllywmver/manifest.json",
];

/// With a digest of itself that is right, if it has a place for one: others are refused before anything else is seen.
fn resealed(text: &[u8]) -> Vec<u8> {
    const FIELD: &str = "\"manifest_sha256\": \"";
    let Ok(text) = std::str::from_utf8(text) else { return text.to_vec() };
    let Some((head, tail)) = text.rsplit_once(FIELD) else { return text.as_bytes().to_vec() };
    let Some((_, tail)) = tail.split_once('"') else { return text.as_bytes().to_vec() };
    seal(&format!("{head}{FIELD}{UNSEALED}\"{tail}")).into_bytes()
}

fn layout(database: &str) -> Layout {
    Layout::new(Prefix::parse("postgres-backups").expect("a prefix"), database)
}

#[test]
fn manifests_are_plausible_or_refused() {
    let words = words(&[
        "0",
        "-1",
        "1e999",
        "18446744073709551615",
        "9223372036854775808",
        "null",
        "true",
        "\"\"",
        "[]",
        "{}",
        "[[[[",
        "\\u0000",
        "\\ud800",
        "\\\\",
        "\"",
        ",",
        ":",
        "{",
        "}",
        "[",
        "]",
        "\"format\": 2",
        "\"rows\": null",
        "\"kind\": \"partial\"",
        "9999-12-31T23:59:59Z",
        "-262143-01-01T00:00:00Z",
        "\"format\": 1,",
        "../../x",
        "\n",
        "é",
    ]);
    let items = REAL.iter().map(|path| file(path)).collect();
    Target { name: "manifest", items, words, once: Vec::new(), bytes_per_byte: 64 }.fuzz(|bytes| {
        let other = BackupId::parse("20261122T030000Z-calpt5zmzst5hrp2").expect("an id");
        assert!(layout("app").open_manifest(&other, bytes).is_err());
        let bytes = resealed(bytes);
        let said: Option<Value> = serde_json::from_slice(&bytes).ok();
        let text = |path: &str| said.as_ref().and_then(|json| json.pointer(path)).and_then(Value::as_str);
        let id = text("/id").and_then(BackupId::parse).unwrap_or(other);
        match layout(text("/database/name").unwrap_or("app")).open_manifest(&id, &bytes) {
            Ok(manifest) => check(&manifest, &id),
            Err(ManifestError::Unreadable(_)) => panic!("nothing was read from a store"),
            Err(error) => {
                let told = error.to_string();
                assert!(!told.contains(char::is_control), "{told}");
            }
        }
    });
}

fn check(manifest: &Manifest, id: &BackupId) {
    assert_eq!(manifest.id, *id);
    // Sums of what it says go into reports.
    let mut rows = manifest.inventory.tables.iter().filter_map(|table| table.rows);
    assert!(rows.try_fold(0_u64, |sum, rows| sum.checked_add(rows)).is_some());
    assert!(manifest.objects().all(|object| !object.name.contains('/') && !object.name.is_empty()));
    assert!(manifest.codec.required().is_ok());
    let text = serde_json::to_string(manifest).expect("write a manifest");
    assert_eq!(serde_json::from_str::<Manifest>(&text).expect("read what was written"), *manifest);
}
