//! Which backup is drilled, and what the bucket itself tells about the recovery point.

use backup_core::repository::BackupId;
use chrono::{TimeDelta, Utc};

use super::DrillStand;

/// The key of an object of a run that began so long ago, and the run's id.
fn run_without_manifest(stand: &DrillStand, age: TimeDelta) -> (String, String) {
    let id = BackupId::new(Utc::now() - age).to_string();
    (stand.dump_key().replace(&stand.id, &id), id)
}

#[test]
fn a_bucket_without_a_backup_is_red_r027() {
    let stand = DrillStand::small("zstd");
    stand.remove_original();
    let no_backup = |words| stand.drill().assert_found_by("recovery_point", words);
    no_backup("there is no backup");
    // Dead runs and a backup from the future are none either.
    stand.stand.s3.write(&run_without_manifest(&stand, TimeDelta::hours(2)).0, "half a dump");
    no_backup("there is no backup");
    stand.copy_as(-TimeDelta::hours(2));
    no_backup("there is no full backup: 0 partial, 1 dated in the future, 1 runs without a manifest");
}

/// The backup before it is proven nevertheless.
#[test]
fn a_newest_run_that_died_fails_a_drill_of_the_backup_before_r027() {
    let stand = DrillStand::small("zstd");
    stand.copy_as(TimeDelta::hours(9));
    stand.remove_original();
    let (key, dead) = run_without_manifest(&stand, TimeDelta::hours(7));
    stand.stand.s3.write(&key, "half a dump");
    let drill = stand.drill();
    drill.assert_found_by("recovery_point", &format!("the newest run, {dead}, is incomplete"));
    assert_eq!(drill.checks("failed"), ["recovery_point"]);
    assert!(drill.checks("passed").contains(&"contents".to_owned()), "{:?}", drill.checks("passed"));
    // One that began within the default of BACKUP_TIMEOUT may still be going on.
    stand.stand.s3.delete(&key);
    stand.stand.s3.write(&run_without_manifest(&stand, TimeDelta::minutes(350)).0, "half a dump");
    stand.drill().assert_verdict("passed", 0);
}

#[test]
fn a_newest_backup_that_lost_its_data_fails_a_drill_of_the_backup_before_r027() {
    let stand = DrillStand::small("zstd");
    let older = stand.copy_as(TimeDelta::hours(3));
    stand.stand.s3.delete(&stand.dump_key());
    let drill = stand.drill();
    drill.assert_found_by("recovery_point", &format!("{} has lost its data", stand.id));
    assert_eq!(drill.report["backup"]["id"], older.as_str());
}

#[test]
fn a_newest_backup_that_is_too_old_fails_every_drill_r028() {
    let stand = DrillStand::small("zstd");
    let newest = stand.copy_as(TimeDelta::hours(2));
    let oldest = stand.copy_as(TimeDelta::hours(5));
    stand.remove_original();
    for (arguments, drilled) in [(&["--latest"], &newest), (&["--oldest"], &oldest)] {
        let drill = stand.drill_of(stand.verify().env("BACKUP_MAX_AGE", "3600"), arguments);
        drill.assert_found_by("recovery_point", &format!("the newest full backup, {newest}, is 2 h"));
        assert_eq!(drill.report["backup"]["id"], drilled.as_str());
    }
    stand.drill_with(stand.verify().env("BACKUP_MAX_AGE", "8000")).assert_verdict("passed", 0);
}

#[test]
fn a_backup_from_the_future_is_not_the_newest_r029() {
    let stand = DrillStand::small("zstd");
    let future = stand.copy_as(-TimeDelta::hours(2));
    let drill = stand.drill();
    drill.assert_verdict("passed", 0);
    assert_eq!(drill.report["backup"]["id"], stand.id.as_str());
    let notes = drill.report["notes"].to_string();
    assert!(notes.contains(&format!("{future} is dated in the future")), "{notes}");
}
