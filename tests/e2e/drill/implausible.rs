//! Values that no manifest of `backup` ever held: damage, and no excuse of the drill.

use serde_json::{Value, json};

use super::DrillStand;
use super::encrypted::ROWS;
use crate::encryption::PASSPHRASE;

#[test]
fn what_a_manifest_can_never_say_is_damage() {
    let stand = DrillStand::of("CREATE TABLE t (id int)", &[("COMPRESSION", "none"), ("BACKUP_GLOBALS", "true")]);
    let huge: Value = json!(u64::MAX);
    for (pointer, value) in [
        ("/snapshot_at", json!("9999-12-31T23:59:59Z")),
        ("/finished_at", json!("+262142-01-01T00:00:00Z")),
        ("/database/size_bytes", huge.clone()),
        ("/database/size_bytes", json!(1_u64 << 50)),
        ("/database/encoding", json!("KLINGON")),
        ("/database/encoding", json!("MULE_INTERNAL")),
        ("/database/locale_provider", json!("x")),
        ("/database/server_version_num", json!(u32::MAX)),
        ("/database/server_version_num", json!(990_000)),
        ("/inventory/roles", json!(["public"])),
        ("/dump/plain_bytes", huge.clone()),
        ("/dump/stored_bytes", huge.clone()),
        ("/globals/plain_bytes", huge.clone()),
        ("/inventory/tables/0/rows", huge.clone()),
        ("/inventory/tables/0/name", json!("a\0b")),
        ("/inventory/objects/tables", huge.clone()),
        ("/inventory/roles", json!(["a\0b"])),
        ("/inventory/extensions", json!([{"name": "a\0b", "version": "1"}])),
        ("/database/collate", json!("C\0")),
        ("/database/name", json!("a\0b")),
        ("/max_age_seconds", huge.clone()),
        ("/notes", json!(["\0"])),
    ] {
        stand.edit_manifest(|manifest| *manifest.pointer_mut(pointer).expect(pointer) = value);
        let drill = stand.drill();
        assert_eq!(drill.report["verdict"], "failed", "{pointer}: {:#}", drill.report);
        drill.assert_found_by("manifest", "is not usable");
        stand.reset();
    }
}

/// How old the data is cannot be known; that it is whole can.
#[test]
fn times_that_cannot_be_are_a_finding_and_keep_no_drill_from_its_proof() {
    let stand = DrillStand::of("CREATE TABLE t (id int)", &[]);
    for (field, time) in [("snapshot_at", "2199-01-01T00:00:00Z"), ("finished_at", "2020-01-01T00:00:00Z")] {
        stand.edit_manifest(|manifest| manifest[field] = json!(time));
        let drill = stand.drill();
        drill.assert_found_by("manifest", time.split('T').next().unwrap());
        assert_eq!(drill.report["contents_compared"], "all", "{:#}", drill.report);
        stand.reset();
    }
}

/// A writer who cannot encrypt for the keys of `verify` stores a backup without encryption.
#[test]
fn an_unencrypted_backup_is_noted_where_keys_are_given() {
    let stand = DrillStand::of(ROWS, &[]);
    let words = "the backup is not encrypted, although keys for encrypted ones are given";
    let drill = stand.drill();
    drill.assert_verdict("passed", 0);
    assert!(!drill.report["notes"].to_string().contains(words));
    let drill = stand.drill_with(stand.verify().env("BACKUP_ENCRYPTION_KEY", PASSPHRASE));
    drill.assert_verdict("passed", 0);
    assert!(drill.report["notes"].to_string().contains(words), "{:#}", drill.report["notes"]);
}
