//! What is dropped or renamed between our snapshot and the moment at which `pg_dump` has read its definition.

use e2e::process::wait_until;

use crate::daemon::{HELD, SOON, Script};
use crate::stand::Stand;

/// The real `pg_dump`, which begins when the test makes the file `go`, with the snapshot from before.
const LATE: &str = r#": > "$D/begun"; while [ -d "$D" ] && ! [ -e "$D/go" ]; do sleep 0.02; done; exec "$REAL" "$@""#;

const OBJECTS: &str = "
    CREATE TABLE data (id int PRIMARY KEY, a int, b int); CREATE INDEX by_a ON data (a); CREATE STATISTICS ab ON a, b FROM data;
    CREATE FUNCTION f9(int, text) RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
    CREATE TRIGGER stamped BEFORE INSERT ON data FOR EACH ROW EXECUTE FUNCTION stamp();
    CREATE TYPE mood AS ENUM ('good'); CREATE FUNCTION how() RETURNS mood LANGUAGE sql AS 'SELECT NULL::public.mood';
    CREATE SCHEMA tools; CREATE FUNCTION tools.f() RETURNS int LANGUAGE sql AS 'SELECT 1'";

#[test]
fn what_vanishes_before_pg_dump_has_read_its_definition_is_dumped_again_r144() {
    for (change, words) in [
        ("DROP INDEX by_a", "INDEX public.by_a of public.data was dropped"),
        ("ALTER INDEX by_a RENAME TO other", "INDEX public.by_a of public.data was renamed"),
        ("DROP FUNCTION f9", "FUNCTION public.f9 was dropped"),
        ("DROP TRIGGER stamped ON data", "TRIGGER public.stamped of public.data was dropped"),
        ("DROP STATISTICS ab", "STATISTICS public.ab of public.data was dropped"),
        ("ALTER TYPE mood RENAME TO temper", "TYPE public.mood was renamed"),
        ("ALTER SCHEMA tools RENAME TO kit", "SCHEMA tools was renamed"),
        ("ALTER TABLE data DROP CONSTRAINT data_pkey", "cache lookup failed for index"),
    ] {
        let stand = Stand::new();
        stand.sql(OBJECTS);
        let script = Script::pg_dump(LATE);
        let mut process = script.on(stand.backup()).args(["run"]).spawn();
        script.wait_for("begun");
        stand.sql(change);
        script.give("go");
        let again = process.wait_for_line("trying again", SOON);
        assert!(again.contains(words), "{change}: {again}");
        let output = process.wait(SOON);
        assert_eq!(output.code, Some(0), "{change}: {}", output.stderr);
        assert_eq!((script.starts().len(), stand.manifests().len()), (2, 1));
        stand.restore_newest();
    }
}

/// What is made and dropped, temporary or of no table after `pg_dump` has read it is no loss.
#[test]
fn what_comes_and_goes_beside_a_dump_costs_no_attempt_r144() {
    let stand = Stand::with_rows(20_000);
    stand.sql(OBJECTS);
    let script = Script::pg_dump(&format!(
        r#": > "$D/begun"; while [ -d "$D" ] && ! [ -e "$D/go1" ]; do sleep 0.02; done
        {HELD}"#
    ));
    let mut process = script.on(stand.backup()).args(["run"]).spawn();
    script.wait_for("begun");
    stand.sql(
        "CREATE TEMP TABLE short AS SELECT 1 AS id; CREATE INDEX ON short (id); DROP TABLE short;
         CREATE FUNCTION new_one() RETURNS int LANGUAGE sql AS 'SELECT 1'; DROP FUNCTION new_one;
         CREATE OR REPLACE FUNCTION f9(int, text) RETURNS int LANGUAGE sql AS 'SELECT 2';
         GRANT EXECUTE ON FUNCTION f9 TO PUBLIC",
    );
    stand.sql("ANALYZE");
    script.give("go1");
    script.wait_for("held");
    let given_up = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query = 'ROLLBACK'";
    assert!(wait_until(SOON, || stand.sql(given_up) == "1"), "{}", process.stderr_so_far());
    stand.sql("DROP FUNCTION f9");
    script.give("go");
    process.wait_for_line("backup committed", SOON);
    let output = process.wait(SOON);
    assert!(output.code == Some(0) && !output.stderr.contains("trying again"), "{}", output.stderr);
    let restored = stand.restore_newest();
    assert_eq!(stand.postgres.sql(&restored.name, "SELECT pg_get_function_result('f9'::regproc)"), "integer");
}

/// Whether a narrowed dump has a function, only the archive tells.
#[test]
fn a_definition_that_is_cut_in_a_partial_dump_is_dumped_again_r144_r145() {
    for (change, words) in [
        (
            "DROP FUNCTION f9",
            Some("definitions in its archive are cut, as if the objects were gone: FUNCTION public.f9("),
        ),
        ("DROP INDEX by_a", Some("INDEX public.by_a of public.data was dropped")),
        ("DROP INDEX by_id", None),
    ] {
        let stand = Stand::with_rows(10);
        stand.sql(OBJECTS);
        stand.sql("CREATE INDEX by_id ON t (id)");
        let script = Script::pg_dump(LATE);
        let run = script.on(stand.backup()).args(["run"]).env("PG_DUMP_OPTIONS", "--exclude-table=t");
        let mut process = run.spawn();
        script.wait_for("begun");
        stand.sql(change);
        script.give("go");
        if let Some(words) = words {
            let again = process.wait_for_line("trying again", SOON);
            assert!(again.contains(words), "{change}: {again}");
        }
        let output = process.wait(SOON);
        assert_eq!(output.code, Some(0), "{change}: {}", output.stderr);
        assert_eq!(script.starts().len(), if words.is_some() { 2 } else { 1 }, "{change}: {}", output.stderr);
    }
}
