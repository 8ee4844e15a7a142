//! An exit status of 0 does not make a backup: the archive that passes must be whole, and of this database.

use e2e::process::{Output, wait_until};
use e2e::tools::FakeTools;

use crate::daemon::{HELD, SOON, Script};
use crate::database::said;
use crate::stand::Stand;

/// `backup run` with `body` in the place of `pg_dump`, once.
fn run_with(stand: &Stand, body: &str, options: &str) -> Output {
    let mut tools = FakeTools::new();
    tools.script("pg_dump", body);
    let run = stand.backup().args(["run"]).env("PG_BIN_DIR", tools.path()).env("RETRY_ATTEMPTS", "1");
    if options.is_empty() { run.output() } else { run.env("PG_DUMP_OPTIONS", options).output() }
}

#[test]
fn a_dump_that_succeeds_with_nothing_half_or_another_database_is_no_backup_r145() {
    let stand = Stand::with_rows(20_000);
    stand.sql("CREATE TABLE u AS SELECT 1 AS id; CREATE INDEX ON t (id); SELECT lo_from_bytea(0, 'bytes')");
    stand.run_ok();
    let before = stand.s3.objects();
    let other = Stand::with_rows(5);
    let without = |option: &str| format!(r#"exec "$REAL" "$@" {option}"#);
    for (body, words) in [
        ("exit 0".to_owned(), "pg_dump succeeded, and wrote nothing"),
        (
            r#""$REAL" "$@" | head -c 1000000"#.to_owned(),
            "what it wrote is not a whole archive: the archive is damaged at byte 1000000",
        ),
        (r#""$REAL" "$@" | head -c 3000"#.to_owned(), "what it wrote is not a whole archive"),
        (r#""$REAL" "$@"; echo more"#.to_owned(), "what it wrote is not a whole archive"),
        ("echo '-- PostgreSQL database dump'".to_owned(), "it does not begin with PGDMP"),
        (without("--exclude-table=u"), "it lacks the rows of 1 tables: public.u"),
        (without("--exclude-table-data=t"), "it lacks the rows of 1 tables: public.t"),
        (without("--no-blobs"), "it lacks all 1 large objects"),
        (without("--section=pre-data --section=data"), "it lacks all indexes, keys and triggers"),
        (without("--data-only"), "it lacks the definitions of all tables"),
        (
            format!(r#"exec "$REAL" --format=custom --compress=0 --dbname='{}'"#, other.database.url),
            "its archive is not of this database: it is of database",
        ),
    ] {
        let output = run_with(&stand, &body, "");
        let log = said(&output.stderr);
        assert!(output.code == Some(1) && log.contains(words), "{body}: {log}");
        stand.assert_no_commit(&before);
    }
}

/// A narrowed dump lacks what it was told to; it must be whole nevertheless.
#[test]
fn a_partial_dump_is_checked_for_its_structure_only_r145() {
    let stand = Stand::with_rows(20_000);
    stand.sql("CREATE TABLE u AS SELECT 1 AS id");
    let cut = run_with(&stand, r#""$REAL" "$@" | head -c 1000000"#, "--exclude-table=u");
    assert!(cut.code == Some(1) && said(&cut.stderr).contains("is not a whole archive"), "{}", cut.stderr);
    let whole = run_with(&stand, r#"exec "$REAL" "$@""#, "--exclude-table=u");
    assert_eq!(whole.code, Some(0), "{}", whole.stderr);
}

/// A table that is written anew after the snapshot has no row in it for `pg_dump`, although it was never empty.
const REWRITES: [&str; 2] = [
    "BEGIN; TRUNCATE cache; INSERT INTO cache SELECT generate_series(1, 7); COMMIT",
    "ALTER TABLE cache ALTER COLUMN id TYPE bigint",
];

#[test]
fn a_table_that_is_rewritten_before_pg_dump_has_locked_it_is_dumped_again_r144() {
    for rewrite in REWRITES {
        let stand = Stand::new();
        stand.sql("CREATE TABLE cache AS SELECT generate_series(1, 5) AS id; CREATE TABLE quiet AS SELECT 1 AS id");
        // The first pg_dump begins only after the rewrite, with the snapshot from before it.
        let script = Script::pg_dump(
            r#": > "$D/begun"; while [ -d "$D" ] && ! [ -e "$D/go" ]; do sleep 0.02; done; exec "$REAL" "$@""#,
        );
        let mut process = script.on(stand.backup()).args(["run"]).spawn();
        script.wait_for("begun");
        stand.sql(rewrite);
        script.give("go");
        let again = process.wait_for_line("trying again", SOON);
        assert!(
            again.contains("tables were rewritten between the snapshot") && again.contains("public.cache"),
            "{again}"
        );
        assert!(!again.contains("quiet"), "{again}");
        let output = process.wait(SOON);
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        assert_eq!((script.starts().len(), stand.manifests().len()), (2, 1));
        let restored = stand.restore_newest();
        let count = |database: &str| stand.postgres.sql(database, "SELECT count(*) FROM cache");
        assert_eq!(count(&restored.name), count(&stand.database.name), "{rewrite}");
        assert_ne!(count(&restored.name), "0");
    }
}

/// Takes the place of what the snapshot shows under the name, as deployments do that prepare a second copy.
const SWAPS: [(&str, &str); 3] = [
    (
        "ALTER SCHEMA app RENAME TO old; ALTER SCHEMA new RENAME TO app; ALTER SCHEMA old RENAME TO new",
        "app.cache is new.cache now, app.s is new.s now",
    ),
    (
        "ALTER TABLE app.cache SET SCHEMA public; ALTER TABLE new.cache SET SCHEMA app;
         ALTER TABLE public.cache SET SCHEMA new",
        "app.cache is new.cache now",
    ),
    (
        "ALTER SEQUENCE app.s SET SCHEMA public; ALTER SEQUENCE new.s SET SCHEMA app;
         ALTER SEQUENCE public.s SET SCHEMA new",
        "app.s is new.s now",
    ),
];

#[test]
fn what_takes_a_name_before_pg_dump_has_locked_it_is_not_dumped_in_its_place_r144() {
    for (swap, words) in SWAPS {
        let stand = Stand::new();
        stand.sql(
            "CREATE SCHEMA app; CREATE TABLE app.cache AS SELECT generate_series(1, 5) AS id; CREATE SEQUENCE app.s;
             CREATE SCHEMA new; CREATE TABLE new.cache AS SELECT generate_series(1, 3) AS id; CREATE SEQUENCE new.s",
        );
        let script = Script::pg_dump(
            r#": > "$D/begun"; while [ -d "$D" ] && ! [ -e "$D/go" ]; do sleep 0.02; done; exec "$REAL" "$@""#,
        );
        let mut process = script.on(stand.backup()).args(["run"]).spawn();
        script.wait_for("begun");
        stand.sql(swap);
        script.give("go");
        let again = process.wait_for_line("trying again", SOON);
        assert!(again.contains("names changed their meaning after the snapshot") && again.contains(words), "{again}");
        let output = process.wait(SOON);
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        assert_eq!((script.starts().len(), stand.manifests().len()), (2, 1));
        let restored = stand.restore_newest();
        let count = |database: &str| stand.postgres.sql(database, "SELECT count(*) FROM app.cache");
        assert_eq!(count(&restored.name), count(&stand.database.name), "{swap}");
    }
}

/// The locks of `pg_dump` are on tables, so a schema can be renamed at any time.
#[test]
fn a_schema_that_takes_a_name_during_the_dump_is_not_dumped_in_its_place_r144() {
    let stand = Stand::new();
    // More than a pipe holds comes before the schema that is swapped.
    stand.sql(
        "CREATE TABLE a AS SELECT g AS id, repeat('x', 100) AS text FROM generate_series(1, 20000) g;
         CREATE SCHEMA zoo; CREATE TABLE zoo.t AS SELECT generate_series(1, 5) AS id;
         CREATE SCHEMA new; CREATE TABLE new.t AS SELECT generate_series(1, 3) AS id",
    );
    let script = Script::pg_dump(HELD);
    let mut process = script.on(stand.backup()).args(["run"]).spawn();
    script.wait_for("held");
    // The look at tables that were renamed is over when their rows are counted, and the snapshot is given up after it.
    let given_up = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query = 'ROLLBACK'";
    assert!(wait_until(SOON, || stand.sql(given_up) == "1"), "{}", process.stderr_so_far());
    stand.sql("GRANT USAGE ON SCHEMA public TO PUBLIC; ALTER SCHEMA zoo RENAME TO old; ALTER SCHEMA new RENAME TO zoo");
    script.give("go");
    let again = process.wait_for_line("trying again", SOON);
    let words = "schema new is zoo now, schema zoo is old now";
    assert!(again.contains("names changed their meaning after the snapshot") && again.contains(words), "{again}");
    let output = process.wait(SOON);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert_eq!((script.starts().len(), stand.manifests().len()), (2, 1));
    let restored = stand.restore_newest();
    assert_eq!(stand.postgres.sql(&restored.name, "SELECT count(*) FROM zoo.t"), "3");
}

/// Nothing is wrong with a dump after which a schema is dropped that waited for it, nor with new privileges.
#[test]
fn a_schema_that_is_dropped_right_after_the_dump_costs_no_attempt_r144() {
    let stand = Stand::with_rows(20_000);
    stand.sql("CREATE SCHEMA zoo; CREATE TABLE zoo.t AS SELECT 1 AS id");
    let script = Script::pg_dump(
        r#""$REAL" "$@"; status=$?; : > "$D/dumped"; while [ -d "$D" ] && ! [ -e "$D/go" ]; do sleep 0.02; done; exit $status"#,
    );
    let process = script.on(stand.backup()).args(["run"]).spawn();
    script.wait_for("dumped");
    // What vanishes is looked for once, at the first byte.
    std::thread::sleep(std::time::Duration::from_secs(3));
    stand.sql("GRANT USAGE ON SCHEMA public TO PUBLIC; CREATE SCHEMA late");
    stand.sql("SET lock_timeout = '5s'; DROP SCHEMA zoo CASCADE");
    script.give("go");
    let output = process.wait(SOON);
    assert!(output.code == Some(0) && !output.stderr.contains("trying again"), "{}", output.stderr);
}

/// The roles take their time, and nothing is lost meanwhile: the snapshot is taken after them.
#[test]
fn what_happens_while_roles_are_dumped_costs_nothing_r144() {
    let stand = Stand::new();
    stand.sql("CREATE TABLE cache AS SELECT generate_series(1, 5) AS id");
    let script = Script::of(
        "pg_dumpall",
        r#": > "$D/begun"; while [ -d "$D" ] && ! [ -e "$D/go" ]; do sleep 0.02; done; exec "$REAL" "$@""#,
    );
    let mut process = script.on(stand.backup()).args(["run"]).spawn();
    script.wait_for("begun");
    stand.sql(REWRITES[0]);
    script.give("go");
    process.wait_for_line("backup committed", SOON);
    let output = process.wait(SOON);
    assert!(output.code == Some(0) && !output.stderr.contains("trying again"), "{}", output.stderr);
    let restored = stand.restore_newest();
    assert_eq!(stand.postgres.sql(&restored.name, "SELECT count(*) FROM cache"), "7");
}

/// A narrowed dump locks only what it dumps: other tables may be rewritten meanwhile.
#[test]
fn a_table_outside_a_partial_dump_may_be_rewritten_r144() {
    let stand = Stand::with_rows(10);
    stand.sql("CREATE TABLE cache AS SELECT generate_series(1, 5) AS id");
    let script = Script::pg_dump(
        r#": > "$D/begun"; while [ -d "$D" ] && ! [ -e "$D/go" ]; do sleep 0.02; done; exec "$REAL" "$@""#,
    );
    let run = script.on(stand.backup()).args(["run"]).env("PG_DUMP_OPTIONS", "--exclude-table=cache");
    let process = run.spawn();
    script.wait_for("begun");
    stand.sql("TRUNCATE cache");
    script.give("go");
    let output = process.wait(SOON);
    assert!(output.code == Some(0) && !output.stderr.contains("trying again"), "{}", output.stderr);
}
