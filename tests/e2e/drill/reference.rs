//! One definition has several texts: a reference database says which of them are the same.

use super::stand::restore_then;
use super::{Drill, DrillStand};

/// Definitions that PostgreSQL writes in other words once they were dumped and restored.
const SPELLINGS: &str = "
    CREATE TABLE t (v varchar(10), w varchar, c char(3), CHECK (v IN ('a', NULL)),
        CHECK (w IN ('a'::varchar(3), 'b'::varchar(3))), CHECK (w NOT IN ('x', 'y')),
        CHECK (w ~~ ANY (ARRAY['a%'::varchar, 'b%'::varchar]::text[])), CHECK (c IN ('a', 'b')),
        CHECK (w = ANY (ARRAY['a'::bpchar, 'b'::bpchar]::varchar[])), CHECK ((v, w) IN (('a', 'b'), ('c', 'd'))));
    CREATE INDEX t_part ON t (w) WHERE v IN ('a', 'b') AND w NOT IN ('c', 'd');
    CREATE POLICY p ON t USING (v IN ('a', 'b'));
    CREATE VIEW lists AS SELECT CASE WHEN v IN ('a', 'b') THEN 1 END AS x FROM t WHERE w IN ('a', 'b', NULL);
    CREATE VIEW literals AS SELECT a.v FROM t a WHERE EXISTS (SELECT NULL FROM t);
    CREATE TABLE parent (a int);
    CREATE TABLE child (b text, a int);
    ALTER TABLE child INHERIT parent;
    INSERT INTO child VALUES ('b', 1);
    CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n * 2';";

fn with_mode<'a>(stand: &DrillStand, mode: &str, more: impl Into<Option<&'a str>>) -> Drill {
    let mut verify = stand.verify();
    if mode == "superuser" {
        verify = verify.env("VERIFY_RESTORE_AS", "superuser");
    }
    let Some(sql) = more.into() else { return stand.drill_with(verify) };
    let tools = restore_then(&format!("exec \"$PSQL\" -X -q -v ON_ERROR_STOP=1 \"$DB\" -c \"{sql}\""));
    stand.drill_with(verify.env("PG_BIN_DIR", tools.path()))
}

/// What the archive's definitions become on this server is right, in any words; anything else is not.
#[test]
fn other_words_for_the_same_definition_are_a_note_and_another_definition_is_a_finding() {
    let stand = DrillStand::of(SPELLINGS, &[]);
    for mode in ["plain", "superuser"] {
        let drill = with_mode(&stand, mode, None);
        drill.assert_verdict("passed", 0);
        let notes = drill.report["notes"].to_string();
        assert!(notes.contains("spelled differently by this server than in the archive"), "{notes}");
        assert!(
            notes.contains("in another order of columns than in the source") && notes.contains("TABLE public.child")
        );
        let checks = drill.report["checks"].to_string();
        assert!(checks.contains(" held against a reference database in "), "{checks}");
    }
    for (mode, sql, words) in [
        ("plain", "DROP TABLE child", "TABLE public.child is missing"),
        ("plain", "ALTER TABLE t DROP CONSTRAINT t_w_check", "TABLE public.t differs: its definition becomes "),
        (
            "superuser",
            "ALTER POLICY p ON t USING (v IN ('a', 'c'))",
            "POLICY public.t p differs: its definition becomes ",
        ),
        ("superuser", "DROP INDEX t_part", "INDEX public.t_part is missing"),
        (
            "plain",
            "CREATE OR REPLACE FUNCTION twice(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n * 3'",
            "FUNCTION public.twice(integer) differs: \"    AS ",
        ),
        ("plain", "CREATE VIEW more AS SELECT 1 AS a", "VIEW public.more was not in the dump"),
    ] {
        let drill = with_mode(&stand, mode, sql);
        drill.assert_verdict("failed", 1);
        let findings = drill.findings();
        let found = findings.iter().any(|finding| finding.starts_with("definitions: ") && finding.contains(words));
        assert!(found, "{sql}: {findings:#?}");
    }
}

/// Client tools of another major version than the source are no reason not to look.
#[test]
fn tools_of_a_later_major_version_compare_definitions_as_well() {
    let stand = DrillStand::of(SPELLINGS, &[]);
    for (sql, words) in [
        ("SELECT 1", None),
        ("ALTER TABLE t DROP CONSTRAINT t_w_check", Some("definitions: TABLE public.t differs: ")),
        ("DROP FUNCTION twice", Some("inventory: 1 functions in the source, and 0 after the restore")),
    ] {
        let mut tools = restore_then(&format!("exec \"$PSQL\" -X -q \"$DB\" -c \"{sql}\""));
        tools.version("pg_dump", "19.1").version("pg_restore", "19.1");
        let verify = stand.verify().env("PG_BIN_DIR", tools.path());
        let drill = stand.drill_with(verify);
        let Some(words) = words else {
            drill.assert_verdict("passed", 0);
            continue;
        };
        drill.assert_verdict("failed", 1);
        let findings = drill.findings();
        assert!(findings.iter().any(|finding| finding.starts_with(words)), "{findings:#?}");
    }
}

/// What is left out is one entry, not everything of its name, and the rest is counted all the same.
#[test]
fn what_is_left_out_hides_nothing_beside_it() {
    let sql = "
        CREATE FUNCTION le(int, text) RETURNS bool LANGUAGE sql IMMUTABLE LEAKPROOF AS 'SELECT true';
        CREATE FUNCTION ok(text, int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true';
        CREATE OPERATOR #### (LEFTARG = int, RIGHTARG = text, FUNCTION = le);
        CREATE OPERATOR #### (LEFTARG = text, RIGHTARG = int, FUNCTION = ok);
        CREATE FUNCTION df(float8, float8) RETURNS float8 LANGUAGE sql IMMUTABLE LEAKPROOF AS 'SELECT $1 - $2';
        CREATE TYPE span AS RANGE (subtype = float8, subtype_diff = df);
        CREATE FOREIGN DATA WRAPPER nowhere;
        CREATE SERVER far FOREIGN DATA WRAPPER nowhere;
        CREATE FOREIGN TABLE away (id int NOT NULL, v text, CONSTRAINT pos CHECK (id > 0)) SERVER far;
        COMMENT ON FOREIGN TABLE away IS 'far away';
        CREATE TABLE t (a int); COMMENT ON TABLE t IS 'here'; CREATE INDEX t_a ON t (a);";
    let stand = DrillStand::of(sql, &[]);
    let drill = with_mode(&stand, "plain", None);
    drill.assert_verdict("passed", 0);
    let checks = drill.report["checks"].to_string();
    assert!(!checks.contains("not compared, since"), "{checks}");
    for (sql, words) in [
        ("DROP OPERATOR #### (text, int)", "definitions: OPERATOR public.#### is missing"),
        ("CREATE INDEX more ON t (a)", "inventory: 1 indexes in the source, and 2 after the restore"),
        ("COMMENT ON TABLE t IS NULL", "inventory: 2 comments in the source, and 0 after the restore, with 1 left out"),
    ] {
        let drill = with_mode(&stand, "plain", sql);
        let findings = drill.findings();
        assert!(findings.iter().any(|finding| finding == words), "{sql}: {findings:#?}");
    }
}

/// Comments that `pg_dump` never writes, default privileges of two roles, amcheck of the source's own.
#[test]
fn what_pg_dump_cannot_write_or_writes_twice_is_no_finding() {
    let sql = "
        DO $$ BEGIN CREATE ROLE defaults_a; CREATE ROLE defaults_b; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
        CREATE EXTENSION hstore; COMMENT ON EXTENSION hstore IS NULL;
        CREATE EXTENSION amcheck;
        CREATE TABLE p (a int CONSTRAINT pos CHECK (a > 0)) PARTITION BY RANGE (a);
        CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (10);
        COMMENT ON CONSTRAINT pos ON p1 IS 'inherited'; COMMENT ON CONSTRAINT pos ON p IS 'own';
        CREATE TYPE span AS RANGE (subtype = float8); COMMENT ON TYPE span_multirange IS 'made along';
        CREATE TABLE q (a int) PARTITION BY RANGE (a);
        CREATE TABLE q1 PARTITION OF q FOR VALUES FROM (1) TO (10) PARTITION BY RANGE (a);
        CREATE TABLE q11 PARTITION OF q1 FOR VALUES FROM (1) TO (5);
        CREATE INDEX qi ON ONLY q (a); CREATE INDEX q1i ON ONLY q1 (a); ALTER INDEX qi ATTACH PARTITION q1i;
        CREATE TABLE t (a int PRIMARY KEY); INSERT INTO t VALUES (1);
        ALTER DEFAULT PRIVILEGES FOR ROLE defaults_a IN SCHEMA public GRANT SELECT ON TABLES TO pg_monitor;
        ALTER DEFAULT PRIVILEGES FOR ROLE defaults_b IN SCHEMA public GRANT SELECT ON TABLES TO pg_monitor;";
    let stand = DrillStand::of(sql, &[]);
    for mode in ["plain", "superuser"] {
        let drill = with_mode(&stand, mode, None);
        drill.assert_verdict("passed", 0);
        assert!(drill.checks("passed").contains(&"amcheck".to_owned()), "{:#}", drill.report["checks"]);
    }
    let drill = with_mode(
        &stand,
        "superuser",
        "ALTER DEFAULT PRIVILEGES FOR ROLE defaults_a IN SCHEMA public REVOKE SELECT ON TABLES FROM pg_monitor",
    );
    drill.assert_verdict("failed", 1);
    let findings = drill.findings();
    let words = "definitions: DEFAULT ACL public.DEFAULT PRIVILEGES FOR TABLES is missing";
    assert!(findings.iter().any(|finding| finding == words), "{findings:#?}");
}
