//! Manifests and data that do not belong together, and archives that are wrong although their digests are right.

use chrono::TimeDelta;
use serde_json::json;

use super::DrillStand;
use super::stand::ids;
use crate::stand::Stand;

#[test]
fn the_dump_of_another_backup_under_this_manifest_fails_a_drill() {
    let stand = DrillStand::small("zstd");
    let key = stand.dump_key();
    stand.stand.sql("UPDATE t SET v = v || 'x' WHERE id = 1");
    stand.stand.run_ok();
    // Ids of the same second are in any order.
    let other = ids(&stand.stand).into_iter().find(|id| *id != stand.id).unwrap();
    stand.stand.s3.write(&key, stand.stand.s3.read(&key.replace(&stand.id, &other)));
    let drill = stand.drill_of(stand.verify(), &["--backup", &stand.id]);
    drill.assert_found_by("digests", key.rsplit('/').next().unwrap());
    // Where its own is.
    stand.drill_of(stand.verify(), &["--backup", &other]).assert_verdict("passed", 0);
}

#[test]
fn an_older_backup_under_a_newer_id_fails_a_drill() {
    let stand = DrillStand::small("zstd");
    let older = stand.copy_as(TimeDelta::hours(1));
    for file in ["manifest.json", stand.dump_key().rsplit('/').next().unwrap()] {
        let content = stand.stand.s3.read(&stand.stand.key(&older, file));
        stand.stand.s3.write(&stand.key(file), content);
    }
    stand.drill().assert_found_by("manifest", &format!("it is the manifest of {older}"));
}

#[test]
fn a_manifest_that_is_none_fails_a_drill() {
    let stand = DrillStand::small("zstd");
    let key = stand.key("manifest.json");
    let whole = stand.pristine(&key);
    let half = &whole[..whole.len() / 2];
    let touched = String::from_utf8_lossy(whole).replace("100", "101");
    assert_ne!(touched.as_bytes(), whole);
    for garbage in [b"".as_slice(), b"\0\xff\xfe", b"{}", b"null", half, touched.as_bytes()] {
        stand.stand.s3.write(&key, garbage);
        stand.drill().assert_found_by("manifest", &stand.id);
    }
    for (pointer, value) in
        [("/database/name", json!("other")), ("/dump/name", json!("other.dump.zst")), ("/kind", json!("partial"))]
    {
        stand.reset();
        stand.edit_manifest(|manifest| *manifest.pointer_mut(pointer).unwrap() = value);
        stand.drill().assert_found_by("manifest", &stand.id);
    }
}

/// What a later version has written is not damaged, and this one cannot tell.
#[test]
fn a_manifest_of_a_later_version_cannot_be_drilled() {
    let stand = DrillStand::small("zstd");
    stand.edit_manifest(|manifest| manifest["format"] = json!(2));
    let drill = stand.drill();
    drill.assert_verdict("could_not_run", 4);
    assert!(drill.report["error"].as_str().unwrap().contains("format 2"), "{}", drill.report["error"]);
    assert_eq!(drill.findings(), Vec::<String>::new());
}

/// Another codec makes another format, so under format 1 it was never written.
#[test]
fn a_codec_that_the_format_does_not_have_is_damage() {
    let stand = DrillStand::small("zstd");
    for (pointer, value) in [("/codec/compression", "brotli"), ("/codec/encryption", "rot13")] {
        stand.edit_manifest(|manifest| *manifest.pointer_mut(pointer).unwrap() = json!(value));
        stand.drill().assert_found_by("manifest", value);
        stand.reset();
    }
}

/// The manifest agrees with these bytes: only reading the archive to its end tells.
#[test]
fn an_archive_that_was_cut_before_it_was_digested_fails_a_drill_r025() {
    let stand = DrillStand::small("none");
    let whole = stand.pristine(&stand.dump_key()).to_vec();
    for left in [whole.len() - 1, whole.len() / 2, 11, 0] {
        stand.forge("dump", &whole[..left]);
        stand.drill().assert_found_by("archive", "");
    }
    stand.forge("dump", b"CREATE TABLE t (id int);\nCOPY t FROM stdin;\n1\n");
    stand.drill().assert_found_by("archive", "");
}

#[test]
fn roles_without_an_end_are_a_finding_of_their_own() {
    let stand = DrillStand::of("CREATE TABLE t (id int)", &[("COMPRESSION", "none"), ("BACKUP_GLOBALS", "true")]);
    let roles = stand.stand.s3.read(&stand.key("globals.sql"));
    let roles = String::from_utf8(roles).unwrap();
    stand.forge("globals", roles.split("-- PostgreSQL database cluster dump complete").next().unwrap().as_bytes());
    stand.drill().assert_found_by("roles", "the dump of the roles has no end");
    stand.forge("globals", roles.replacen("SET ", "DROP ROLE postgres; SET ", 1).as_bytes());
    stand.drill().assert_found_by("roles", "of the roles begins no statement that pg_dumpall writes");
}

/// A prefix with the backups of two databases: a drill takes those of one, and says which there are.
#[test]
fn the_database_must_be_named_where_there_are_several() {
    let stand = DrillStand::small("zstd");
    let other = Stand::new();
    let output = stand.verify().env("VERIFY_SOURCE_DATABASE", &other.database.name).args(["run"]).output();
    assert_eq!(output.code, Some(1), "a database without backups is no green: {}", output.stderr);
    let moved = stand.dump_key().replace(&stand.stand.database.name, "other");
    stand.stand.s3.write(&moved, "a dump");
    stand.stand.s3.write(&format!("{}/manifest.json", moved.rsplit_once('/').unwrap().0), "{}");
    let drill = stand.drill();
    drill.assert_verdict("could_not_run", 4);
    let error = drill.report["error"].as_str().unwrap();
    assert!(error.contains("VERIFY_SOURCE_DATABASE") && error.contains("other"), "{error}");
    let ours = stand.verify().env("VERIFY_SOURCE_DATABASE", &stand.stand.database.name);
    stand.drill_with(ours).assert_verdict("passed", 0);
}
