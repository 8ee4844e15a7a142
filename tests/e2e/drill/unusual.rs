//! Databases that are unusual and good: no drill of theirs is red, with any login.

use e2e::postgres::{Database, Postgres, PostgresOptions};
use serde_json::json;

use super::DrillStand;
use crate::stand::Stand;

/// Drills as a plain role and as a superuser; both pass. Returns what the plain one did not exercise.
#[track_caller]
fn assert_good(stand: &DrillStand) -> String {
    let plain = stand.drill();
    plain.assert_verdict("passed", 0);
    let superuser = stand.drill_with(stand.verify().env("VERIFY_RESTORE_AS", "superuser"));
    superuser.assert_verdict("passed", 0);
    assert_eq!(superuser.report["not_exercised"].as_array().unwrap().len(), 0, "{:#}", superuser.report);
    plain.report["not_exercised"].to_string()
}

/// A database on the shared server, made with these options.
fn stand_with(name: &str, options: &str) -> Stand {
    let stand = Stand::new();
    let quoted = name.replace('"', "\"\"");
    stand.postgres.sql("postgres", &format!("DROP DATABASE IF EXISTS \"{quoted}\""));
    stand.postgres.sql("postgres", &format!("CREATE DATABASE \"{quoted}\" TEMPLATE template0 {options}"));
    let database = Database { name: name.to_owned(), url: stand.postgres.url(name) };
    Stand { database, ..stand }
}

#[track_caller]
fn assert_names(text: &str, parts: &[&str]) {
    parts.iter().for_each(|part| assert!(text.contains(part), "{part:?} is not in {text}"));
}

/// What only a superuser owns or grants belongs to one again; a plain role leaves it out by name.
#[test]
fn what_is_a_superusers_comes_back_as_one_or_is_left_out_by_name_r050() {
    let stand = DrillStand::of(
        "CREATE ROLE unusual_app; CREATE ROLE unusual_clerk; CREATE ROLE unusual_chief SUPERUSER;
         CREATE TABLE t AS SELECT g AS a FROM generate_series(1, 10) g; ALTER TABLE t OWNER TO unusual_app;
         CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
         CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION watch();
         ALTER EVENT TRIGGER watch OWNER TO unusual_chief;
         CREATE FOREIGN DATA WRAPPER w; CREATE PUBLICATION everything FOR ALL TABLES;
         GRANT CREATE ON SCHEMA public TO unusual_app; GRANT USAGE ON LANGUAGE plpgsql TO unusual_clerk;
         GRANT SELECT ON pg_catalog.pg_authid TO unusual_clerk;
         GRANT EXECUTE ON FUNCTION pg_catalog.pg_ls_waldir() TO unusual_clerk;
         CREATE FUNCTION loads() RETURNS void LANGUAGE plpgsql SET session_replication_role = 'replica' AS 'BEGIN END';
         CREATE FUNCTION hides() RETURNS void LANGUAGE plpgsql SET log_statement = 'none' AS 'BEGIN END';
         CREATE FUNCTION knows() RETURNS void LANGUAGE plpgsql SET my.tenant = 'x' AS 'BEGIN END';
         CREATE FUNCTION plain() RETURNS void LANGUAGE plpgsql SET work_mem = '8MB' AS 'BEGIN END';
         CREATE VIEW logins AS SELECT rolname, rolpassword IS NULL AS open FROM pg_authid;
         CREATE MATERIALIZED VIEW gathered AS SELECT * FROM logins; ALTER VIEW logins OWNER TO unusual_chief;",
        &[],
    );
    let left_out = assert_good(&stand);
    assert_names(&left_out, &["EVENT TRIGGER watch", "FUNCTION public.loads()", "FUNCTION public.hides()"]);
    assert_names(&left_out, &["FUNCTION public.knows()", "MATERIALIZED VIEW DATA public.gathered", "pg_authid"]);
    assert!(!left_out.contains("plain()") && !left_out.contains("VIEW public.logins"), "{left_out}");
}

#[test]
fn what_every_new_database_has_may_have_been_dropped_in_the_source() {
    let stand = DrillStand::of(
        "CREATE SCHEMA app; CREATE TABLE app.t (a int); INSERT INTO app.t VALUES (1);
         DROP SCHEMA public; DROP EXTENSION plpgsql",
        &[],
    );
    assert_eq!(assert_good(&stand), "[]");
    let notes = stand.drill().report["notes"].to_string();
    assert_names(&notes, &["schema public is not in the source", "extension plpgsql is not in the source"]);
}

#[test]
fn a_public_schema_that_was_made_again_comes_back() {
    let stand = DrillStand::of(
        "DROP SCHEMA public CASCADE; CREATE SCHEMA public; COMMENT ON SCHEMA public IS 'ours';
         CREATE TABLE public.t (a int); INSERT INTO public.t VALUES (1)",
        &[],
    );
    assert_eq!(assert_good(&stand), "[]");
}

#[test]
fn rights_on_public_come_back_whoever_owns_it() {
    for sql in [
        "ALTER SCHEMA public OWNER TO CURRENT_USER; GRANT CREATE ON SCHEMA public TO PUBLIC",
        "DO $$ BEGIN CREATE ROLE unusual_owner; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
         ALTER SCHEMA public OWNER TO unusual_owner; REVOKE ALL ON SCHEMA public FROM PUBLIC;
         GRANT USAGE ON SCHEMA public TO pg_monitor",
    ] {
        assert_eq!(assert_good(&DrillStand::of(&format!("{sql}; CREATE TABLE t (a int)"), &[])), "[]", "{sql}");
    }
}

/// R132: rows name roles, too, and no catalog says which.
#[test]
fn roles_that_only_rows_name_are_in_the_drill() {
    let sql = "CREATE ROLE \"unusual Row\"; CREATE TABLE job (who regrole); INSERT INTO job VALUES ('\"unusual Row\"')";
    assert_eq!(assert_good(&DrillStand::of(sql, &[])), "[]");
}

/// Such a value is a number, which is no other table's on the throwaway server.
#[test]
fn references_to_tables_that_were_dropped_come_back() {
    let stand = DrillStand::of(
        "CREATE TABLE audited AS SELECT id::oid::regclass AS \"of\" FROM generate_series(16384, 17000) id
          WHERE NOT EXISTS (SELECT FROM pg_class WHERE oid = id::oid)",
        &[],
    );
    assert_good(&stand);
}

#[test]
fn what_is_half_made_in_the_source_is_half_made_after_a_restore() {
    let stand = DrillStand::of(
        "CREATE TABLE p (a int) PARTITION BY RANGE (a);
         CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (10) PARTITION BY RANGE (a);
         CREATE TABLE p11 PARTITION OF p1 FOR VALUES FROM (1) TO (5);
         CREATE INDEX pi ON ONLY p (a); CREATE INDEX p1i ON ONLY p1 (a); ALTER INDEX pi ATTACH PARTITION p1i;
         CREATE FUNCTION ok(text, int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true';
         CREATE OPERATOR #### (LEFTARG = text, RIGHTARG = int, FUNCTION = ok, COMMUTATOR = ####);
         CREATE SEQUENCE numbers;
         CREATE MATERIALIZED VIEW numbered AS SELECT nextval('numbers') AS n FROM generate_series(1, 3);",
        &[],
    );
    assert_eq!(assert_good(&stand), "[]");
    let notes = stand.drill().report["notes"].to_string();
    assert_names(&notes, &["sequence public.numbers: 3 in the archive, a higher one now"]);
}

#[test]
fn a_range_whose_function_is_left_out_is_left_out_with_what_hangs_on_it() {
    let stand = DrillStand::of(
        "CREATE FUNCTION df(float8, float8) RETURNS float8 LANGUAGE sql IMMUTABLE LEAKPROOF AS 'SELECT $1 - $2';
         CREATE TYPE fr AS RANGE (subtype = float8, subtype_diff = df); CREATE TABLE t (a int)",
        &[],
    );
    assert_names(&assert_good(&stand), &["FUNCTION public.df", "TYPE public.fr"]);
}

/// R131: a throwaway server loads what the source's extension cannot work without.
#[test]
fn a_view_over_an_extension_that_must_be_preloaded_is_filled() {
    if !e2e::postgres::bin_dir().join("../lib/pg_stat_statements.so").exists() {
        let name = "drill::unusual::a_view_over_an_extension_that_must_be_preloaded_is_filled";
        return e2e::skip::skip(name, "pg_stat_statements is not installed");
    }
    let settings = vec!["shared_preload_libraries = 'pg_stat_statements'".to_owned()];
    let server = Box::leak(Box::new(Postgres::start(PostgresOptions { settings, ..PostgresOptions::default() })));
    let sql = "CREATE EXTENSION pg_stat_statements;
               CREATE MATERIALIZED VIEW slow AS SELECT query, calls FROM pg_stat_statements";
    assert_eq!(assert_good(&DrillStand::on(Stand::on(server), sql, &[])), "[]");
}

/// R134: names and rows in any encoding that a server or a client of it may have.
#[test]
fn names_of_every_encoding_are_the_same_names() {
    let table = "CREATE TABLE \"Größe €\" (\"Maß\" int, v text); INSERT INTO \"Größe €\" VALUES (1, 'Œuvre €');
                 CREATE VIEW \"Übersicht €\" AS SELECT \"Maß\" FROM \"Größe €\"";
    let japanese = "CREATE TABLE \"表\" (\"名\" text, CHECK (\"名\" <> '表')); INSERT INTO \"表\" VALUES ('日本')";
    for (name, encoding, sql) in [
        ("unusual_latin9", "LATIN9", table.to_owned()),
        ("unusual_euc", "EUC_JP", japanese.to_owned()),
        ("unusual_sjis", "UTF8", format!("{japanese}; ALTER DATABASE unusual_sjis SET client_encoding = 'SJIS'")),
    ] {
        let stand = stand_with(name, &format!("ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"));
        let stand = DrillStand::on(stand, &format!("SET client_encoding = 'UTF8'; {sql}"), &[]);
        assert_eq!(assert_good(&stand), "[]", "{encoding}");
        let report = stand.drill().report;
        let tables = report["tables"].to_string();
        assert!(tables.contains("Größe €") || tables.contains("表"), "{tables}");
        assert_eq!(report["tables"][0]["content_equal"], true, "{tables}");
        stand.stand.postgres.sql("postgres", &format!("DROP DATABASE {name}"));
    }
}

/// R134: if a machine lacks the source's locale, what fails for that is told from damage.
#[test]
fn a_finding_under_another_locale_names_it() {
    let options = "ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'en-US'";
    if Postgres::shared().major() < 15 {
        return e2e::skip::skip(
            "drill::unusual::a_finding_under_another_locale_names_it",
            "ICU databases came with 15",
        );
    }
    let sql = "CREATE TABLE p (n text) PARTITION BY RANGE (n);
               CREATE TABLE p1 PARTITION OF p FOR VALUES FROM ('a') TO ('N');
               CREATE TABLE p2 PARTITION OF p FOR VALUES FROM ('N') TO (MAXVALUE);
               INSERT INTO p VALUES ('Bob'), ('alice'), ('zoe')";
    let stand = DrillStand::on(stand_with("unusual_locale", options), sql, &[]);
    stand.drill().assert_verdict("passed", 0);
    stand.edit_manifest(|manifest| {
        manifest["database"]["locale_provider"] = "libc".into();
        manifest["database"]["locale"] = serde_json::Value::Null;
        manifest["database"]["collate"] = "xx_YY.UTF-8".into();
    });
    let drill = stand.drill();
    drill.assert_verdict("failed", 1);
    let findings = drill.findings();
    let named = |finding: &String| {
        finding.contains("empty range bound") && finding.contains("likely cause") && finding.contains("xx_YY.UTF-8")
    };
    assert!(findings.iter().any(named), "{findings:#?}");
    stand.stand.postgres.sql("postgres", "DROP DATABASE unusual_locale");
}

/// `pg_dump` of a standby leaves the rows of unlogged tables out, since a standby has none.
#[test]
fn an_unlogged_table_of_a_standby_is_a_note() {
    let stand = DrillStand::of("CREATE TABLE t AS SELECT 2 AS a", &[]);
    let with_cache = |not_counted: &str| {
        let cache = json!({ "schema": "public", "name": "cache", "rows": null, "not_counted": not_counted });
        stand.edit_manifest(|manifest| manifest["inventory"]["tables"].as_array_mut().unwrap().push(cache));
        let drill = stand.drill();
        stand.reset();
        drill
    };
    with_cache("off").assert_found_by("row_counts", "table public.cache: its rows are not in the archive");
    let drill = with_cache("unlogged on a standby");
    drill.assert_verdict("passed", 0);
    assert_names(&drill.report["notes"].to_string(), &["table public.cache is unlogged and the source is a standby"]);
}

/// Tags and definitions of an archive have the quotation marks of its session, which is ours.
#[test]
fn a_source_that_quotes_every_identifier_comes_back() {
    let sql =
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET quote_all_identifiers = on', current_database()); END $$;
               CREATE FUNCTION f(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1';
               CREATE TABLE t (a text CHECK (f(a) IS NOT NULL)); CREATE VIEW v AS SELECT f(a) AS b FROM t";
    assert_eq!(assert_good(&DrillStand::of(sql, &[])), "[]");
}
