//! An exit status of 0 does not make a backup: the archive that passes must be whole, and of this database.

use e2e::process::Output;
use e2e::tools::FakeTools;

use crate::daemon::{SOON, Script};
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
