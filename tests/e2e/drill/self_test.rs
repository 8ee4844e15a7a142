//! The self-test with tables and shelves of odd kinds.

use chrono::TimeDelta;

use super::DrillStand;

#[test]
fn the_self_test_damages_columns_of_any_type_and_swaps_real_objects() {
    let sql = "CREATE TABLE t (id uuid DEFAULT gen_random_uuid(), document jsonb NOT NULL);
               INSERT INTO t (document) SELECT jsonb_build_object('n', g) FROM generate_series(1, 20) g";
    let stand = DrillStand::of(sql, &[("BACKUP_GLOBALS", "false")]);
    // Another backup of the same database, with other bytes.
    stand.stand.sql("INSERT INTO t (document) VALUES ('{}')");
    stand.stand.run_ok();
    let output = stand.verify().args(["self-test"]).output();
    assert_eq!(output.code, Some(0), "{}\n{}", output.stdout, output.stderr);
    let line = |words: &str| output.stdout.lines().find(|line| line.contains(words)).unwrap_or_default().to_owned();
    for words in
        ["the data of another backup", "one value changed", "one row in the place of another", "without digests"]
    {
        assert!(line(words).contains("caught by"), "{words}: {}", output.stdout);
    }
    stand.assert_nothing_is_left();
}

#[test]
fn what_cannot_be_damaged_is_not_applicable_and_no_failure() {
    let stand =
        DrillStand::of("CREATE TABLE t (d jsonb NOT NULL); INSERT INTO t SELECT '{}' FROM generate_series(1, 3)", &[]);
    stand.copy_as(TimeDelta::hours(2));
    let output = stand.verify().args(["self-test"]).output();
    assert_eq!(output.code, Some(0), "{}\n{}", output.stdout, output.stderr);
    assert_eq!(output.stdout.matches("not applicable: its rows are all alike").count(), 2, "{}", output.stdout);
    assert!(output.stdout.contains("not applicable: the other one holds the same bytes"), "{}", output.stdout);
}
