//! For each check that needs a restored database, something that it alone sees.

use serde_json::json;

use super::DrillStand;
use super::stand::restore_then;

/// What goes wrong.
enum Sabotage {
    /// SQL in the restored database, by the role that restored it.
    Sql(&'static str),
    /// SQL that only a superuser may run, after a restore by one.
    SuperuserSql(&'static str),
    /// A change of the manifest.
    Manifest(fn(&mut serde_json::Value)),
    /// What the operator asks for and the backup does not have.
    Variable(&'static str, &'static str),
}

use Sabotage::{Manifest, Sql, SuperuserSql, Variable};

/// The sabotage, the check that alone may notice, and what it must say.
type Case = (Sabotage, &'static str, &'static str);

fn check(cases: impl IntoIterator<Item = Case>) {
    let stand = DrillStand::new();
    for (sabotage, check, words) in cases {
        let with_sql =
            |sql: &str| restore_then(&format!("exec \"$PSQL\" -X -q -v ON_ERROR_STOP=1 \"$DB\" -c \"{sql}\""));
        let drill = match sabotage {
            Sql(sql) => stand.drill_with(stand.verify().env("PG_BIN_DIR", with_sql(sql).path())),
            SuperuserSql(sql) => {
                let tools = with_sql(sql);
                let verify = stand.verify().env("VERIFY_RESTORE_AS", "superuser");
                stand.drill_with(verify.env("PG_BIN_DIR", tools.path()))
            }
            Manifest(change) => {
                stand.edit_manifest(change);
                stand.drill()
            }
            Variable(name, value) => stand.drill_with(stand.verify().env(name, value)),
        };
        drill.assert_found_by(check, words);
        stand.reset();
    }
}

/// R018: `table_count` is that of `MIN_TABLE_COUNT`.
#[test]
fn each_check_of_rows_is_the_only_one_that_sees_its_damage() {
    check([
        (Sql("DELETE FROM t WHERE id = 7"), "row_counts", "table public.t: 500 rows in the source's snapshot, and 499"),
        (Sql("UPDATE t SET v = v || 'x' WHERE id = 7"), "contents", "table public.t: 500 rows as in the archive, and"),
        (
            Sql("SELECT lo_put(oid, 0, 'S') FROM pg_largeobject_metadata"),
            "large_objects",
            "the contents of the 1 large objects are not the archive's",
        ),
        (
            Sql("GRANT SELECT ON LARGE OBJECT 7001 TO PUBLIC"),
            "large_objects",
            "large object 7001: no rights of others in the archive, and SELECT for PUBLIC after the restore",
        ),
        (
            Sql("COMMENT ON LARGE OBJECT 7001 IS 'it''s other'"),
            "large_objects",
            "the comment on large object 7001 is not the archive's",
        ),
        (
            SuperuserSql("ALTER LARGE OBJECT 7001 OWNER TO pg_monitor"),
            "large_objects",
            "large object 7001 belonged to postgres, and belongs to ... now",
        ),
        (
            Sql("SELECT setval('numbers', 41)"),
            "sequences",
            "sequence public.numbers: 42 in the archive, another one now",
        ),
        (Variable("MIN_TABLE_COUNT", "7"), "table_count", "6 tables, and MIN_TABLE_COUNT asks for 7"),
        (Variable("VERIFY_SQL", "SELECT count(*) > 500 FROM t"), "queries", "a boolean is not true"),
        (Sql("REFRESH MATERIALIZED VIEW totals WITH NO DATA"), "materialized_views", "public.totals has no rows"),
        (Sql("REFRESH MATERIALIZED VIEW empty"), "materialized_views", "view public.empty has rows, and had none"),
        (
            Sql("UPDATE files SET body = sha256(body)"),
            "contents",
            "table public.files: 2 rows as in the archive, and their contents are not the archive's",
        ),
    ]);
}

#[test]
fn each_check_of_definitions_is_the_only_one_that_sees_its_damage() {
    check([
        (
            Sql("CREATE OR REPLACE FUNCTION twice(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n * 3'"),
            "definitions",
            "FUNCTION public.twice(integer) differs: ",
        ),
        (
            Manifest(|manifest| {
                let extensions = manifest["inventory"]["extensions"].as_array_mut().unwrap();
                extensions.push(json!({ "name": "lost", "version": "1.0" }));
            }),
            "extensions",
            "extension lost is missing",
        ),
        (
            Manifest(|manifest| manifest["inventory"]["objects"]["functions"] = 3.into()),
            "inventory",
            "3 functions in the source, and 2 after the restore",
        ),
        (
            Manifest(|manifest| manifest["inventory"]["roles"] = json!([])),
            "owners",
            "the archive names owner postgres, and the manifest does not",
        ),
        (
            SuperuserSql("UPDATE pg_index SET indislive = false WHERE indexrelid = 't_v'::regclass"),
            "indexes",
            "index public.t_v is not valid",
        ),
        (
            // Of a partition, since NOT VALID is in the definition of every other one.
            SuperuserSql("UPDATE pg_constraint SET convalidated = false WHERE conrelid = 'parts_low'::regclass"),
            "constraints",
            "constraint public.parts_low parts_kind_fkey is not validated",
        ),
        (
            SuperuserSql("UPDATE pg_trigger SET tgenabled = 'D' WHERE tgrelid = 'kinds'::regclass AND tgisinternal"),
            "constraints",
            "constraint public.parts parts_kind_fkey is not enforced",
        ),
        (
            // The owner's own rights.
            SuperuserSql("REVOKE SELECT ON t FROM postgres"),
            "definitions",
            "ACL public.TABLE t was not in the dump",
        ),
        (
            SuperuserSql(
                "CREATE ACCESS METHOD heap2 TYPE TABLE HANDLER heap_tableam_handler; ALTER TABLE t SET ACCESS METHOD heap2",
            ),
            "definitions",
            "TABLE public.t differs: ",
        ),
        (
            SuperuserSql("ALTER EXTENSION pgcrypto SET SCHEMA information_schema"),
            "definitions",
            "EXTENSION pgcrypto differs: ",
        ),
        (
            // The same rows again, while the index was not told.
            SuperuserSql(
                "UPDATE pg_index SET indisready = false, indisvalid = false WHERE indexrelid = 't_v'::regclass;
                 CREATE TEMP TABLE again AS SELECT * FROM t; DELETE FROM t; INSERT INTO t SELECT * FROM again;
                 UPDATE pg_index SET indisready = true, indisvalid = true WHERE indexrelid = 't_v'::regclass",
            ),
            "amcheck",
            "lacks matching index tuple within index \"t_v\"",
        ),
        (
            // Its tuples are now in the wrong order.
            SuperuserSql("UPDATE pg_index SET indoption = '1' WHERE indexrelid = 't_pkey'::regclass"),
            "amcheck",
            "invariant violated for index \"t_pkey\"",
        ),
    ]);
}

/// Rows that are nowhere proven must not pass: the table needs a function that a plain role cannot make.
#[test]
fn rows_that_a_drill_cannot_restore_are_a_finding_of_coverage() {
    let sql = "CREATE FUNCTION louder(text) RETURNS text LANGUAGE internal IMMUTABLE AS 'upper';
        CREATE TABLE t (v text, w text GENERATED ALWAYS AS (louder(v)) STORED);
        INSERT INTO t (v) VALUES ('a');";
    let stand = DrillStand::of(sql, &[]);
    let drill = stand.drill();
    drill.assert_found_by("coverage", "the rows of TABLE DATA public.t are not proven");
    let left_out = drill.report["not_exercised"].to_string();
    assert!(left_out.contains("FUNCTION public.louder(text)"), "{left_out}");
    stand.drill_with(stand.verify().env("VERIFY_RESTORE_AS", "superuser")).assert_verdict("passed", 0);
}
