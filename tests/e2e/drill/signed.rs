//! Manifests whose writer must be known.

use chrono::TimeDelta;

use super::DrillStand;
use super::encrypted::ROWS;
use crate::encryption::signing_pair;

/// R022: everything that a writer to the bucket can do, with every digest made to agree.
#[test]
fn swapped_rolled_back_and_made_up_backups_fail_where_signatures_are_asked_for_r022() {
    let ((private, public), (_, stranger)) = (signing_pair(), signing_pair());
    let stand = DrillStand::of(ROWS, &[("BACKUP_SIGNING_KEY", &private), ("COMPRESSION", "none")]);
    let verify = |key: &str| stand.verify().env("VERIFY_TRUSTED_KEYS", key);
    stand.drill_with(verify(&public)).assert_verdict("passed", 0);
    stand.drill_with(verify(&format!("{stranger}\n{public}"))).assert_verdict("passed", 0);
    stand.drill_with(verify(&stranger)).assert_found_by("manifest", "its signature is by none of the keys");
    // An older backup as a newer one, with a manifest to match.
    let older = stand.copy_as(-TimeDelta::minutes(5));
    let drill = stand.drill_with(verify(&public));
    drill.assert_found_by("manifest", "its signature is by none of the keys");
    assert!(drill.report["backup"].is_null(), "{}", drill.report);
    stand.reset();
    assert!(!stand.stand.manifests().keys().any(|key| key.contains(&older)));
    // Another row count, other data, no signature at all.
    stand.edit_manifest(|manifest| manifest["inventory"]["tables"][0]["rows"] = 99.into());
    stand.drill_with(verify(&public)).assert_found_by("manifest", "its signature");
    stand.reset();
    stand.forge("dump", stand.pristine(&stand.dump_key()));
    stand.drill_with(verify(&public)).assert_found_by("manifest", "its signature");
    stand.reset();
    stand.edit_manifest(|manifest| drop(manifest.as_object_mut().unwrap().remove("signature")));
    stand.drill_with(verify(&public)).assert_found_by("manifest", "it is not signed");
    // Who asks for no signature sees none of that.
    stand.drill().assert_verdict("passed", 0);
}

/// Two objects of one byte look like the backup of another database.
#[test]
fn folders_of_a_forger_do_not_hide_which_database_is_meant_if_one_is_signed() {
    let (private, public) = signing_pair();
    let stand = DrillStand::of(ROWS, &[("BACKUP_SIGNING_KEY", &private)]);
    for number in 0..20 {
        for file in ["manifest.json".to_owned(), format!("x{number}.dump")] {
            let key = format!("postgres-backups/x{number}/20261122T030000Z-calpt5zmzst5hrp2/{file}");
            stand.stand.s3.write(&key, b"x");
        }
    }
    stand.drill_with(stand.verify().env("VERIFY_TRUSTED_KEYS", &public)).assert_verdict("passed", 0);
    // Without a key all are alike, and also if none has signed a manifest.
    let (_, stranger) = signing_pair();
    for verify in [stand.verify(), stand.verify().env("VERIFY_TRUSTED_KEYS", &stranger)] {
        let drill = stand.drill_with(verify);
        drill.assert_verdict("could_not_run", 4);
        let error = drill.report["error"].as_str().unwrap();
        assert!(error.contains("holds backups of 21 databases") && error.ends_with(" and 11 more"), "{error}");
    }
    let named = stand.verify().env("VERIFY_SOURCE_DATABASE", &stand.stand.database.name);
    stand.drill_with(named).assert_verdict("passed", 0);
}

#[test]
fn a_signed_repository_under_another_prefix_is_refused_and_can_be_restored_without_the_key_r022() {
    let (private, public) = signing_pair();
    let stand = DrillStand::of(ROWS, &[("BACKUP_SIGNING_KEY", &private)]);
    for (key, _) in stand.stand.s3.objects() {
        let elsewhere = key.replace("postgres-backups/", "elsewhere/");
        stand.stand.s3.write(&elsewhere, stand.stand.s3.read(&key));
    }
    let elsewhere = || stand.verify().env("BACKUP_PREFIX", "elsewhere");
    let drill = stand.drill_with(elsewhere().env("VERIFY_TRUSTED_KEYS", &public));
    drill.assert_found_by("manifest", "it is the manifest of another prefix");
    stand.drill_with(elsewhere()).assert_verdict("passed", 0);
}
