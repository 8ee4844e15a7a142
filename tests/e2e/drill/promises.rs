//! What `backup` says about itself in a manifest, and what manifests of different clusters say together.

use chrono::TimeDelta;

use super::DrillStand;

/// R148: both services judge the age of the newest backup by one number.
#[test]
fn the_age_that_backup_allows_is_the_one_that_a_drill_allows_r148() {
    let stand = DrillStand::small("zstd");
    stand.copy_with(TimeDelta::hours(30), |manifest| manifest["max_age_seconds"] = (31 * 3600).into());
    stand.remove_original();
    stand.drill().assert_verdict("passed", 0);
    // What the operator says counts more, and without either it is 26 hours.
    let given = stand.drill_with(stand.verify().env("BACKUP_MAX_AGE", "100000"));
    given.assert_found_by("recovery_point", "is 30 h old; 27 h allowed");
    let stand = DrillStand::small("zstd");
    stand.copy_with(TimeDelta::hours(27), |manifest| {
        manifest.as_object_mut().unwrap().remove("max_age_seconds");
    });
    stand.remove_original();
    stand.drill().assert_found_by("recovery_point", "is 27 h old; 26 h allowed");
}

#[test]
fn a_dump_that_takes_longer_than_six_hours_is_not_taken_for_dead_r148() {
    let stand = DrillStand::small("zstd");
    let of_a_day = |manifest: &mut serde_json::Value| manifest["run_timeout_seconds"] = 86_400.into();
    stand.copy_with(TimeDelta::hours(20), of_a_day);
    stand.remove_original();
    let running = stand.stand.seed(TimeDelta::hours(10));
    stand.stand.s3.delete(&stand.stand.key(&running, "manifest.json"));
    stand.drill().assert_verdict("passed", 0);
    stand.copy_as(TimeDelta::hours(19));
    stand.drill().assert_found_by("recovery_point", "is incomplete: it began 10 h ago");
}

#[test]
fn backups_of_two_clusters_under_one_prefix_are_a_finding_and_a_move_is_a_note() {
    let stand = DrillStand::small("zstd");
    let of = |cluster: &'static str| {
        move |manifest: &mut serde_json::Value| manifest["database"]["system_identifier"] = cluster.into()
    };
    stand.copy_with(TimeDelta::hours(30), of("1"));
    stand.copy_with(TimeDelta::hours(20), of("1"));
    stand.copy_with(TimeDelta::hours(10), of("2"));
    stand.remove_original();
    let moved = stand.drill();
    moved.assert_verdict("passed", 0);
    assert!(moved.report["notes"].to_string().contains("are not all of one PostgreSQL cluster"), "{:#}", moved.report);
    stand.copy_with(TimeDelta::hours(5), of("1"));
    stand.copy_with(TimeDelta::hours(2), of("2"));
    let drill = stand.drill_with(stand.verify().env("VERIFY_ATTEST", "true"));
    drill.assert_found_by("cluster", "backups of two PostgreSQL clusters alternate under this prefix");
    assert_eq!(drill.report["proven"], true, "it says nothing about the backup itself");
}
