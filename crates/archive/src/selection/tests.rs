use std::collections::BTreeMap;

use super::*;
use crate::tests::build::{archive, entry, table_data};
use crate::tests::{KINDS, MEMORY_BYTES};

/// Why each of the entries is left out, by number.
#[track_caller]
fn check(entries: Vec<Entry>, expected: &[(DumpId, &str)]) {
    let selection = select(&archive(entries), Rights::Owner);
    let reasons: Vec<(DumpId, String)> =
        selection.left_out.iter().map(|left_out| (left_out.dump_id, left_out.reason.to_string())).collect();
    let expected: Vec<(DumpId, String)> = expected.iter().map(|(id, why)| (*id, (*why).to_owned())).collect();
    assert_eq!(reasons, expected);
}

/// Whether a single definition is left out, and why.
#[track_caller]
fn check_one(desc: &str, defn: &str, expected: Option<&str>) {
    let selection = select(&archive(vec![entry(1, desc, "s", "x", defn)]), Rights::Owner);
    let reason = selection.left_out.first().map(|left_out| left_out.reason.to_string());
    assert_eq!(reason.as_deref(), expected, "{defn}");
    assert_eq!(selection.list_file.is_empty(), expected.is_some(), "{defn}");
}

#[test]
fn what_a_plain_role_cannot_restore_is_left_out_with_what_needs_it() {
    let archive = Archive::read(KINDS, MEMORY_BYTES).unwrap();
    let selection = select(&archive, Rights::Owner);
    let left_out: BTreeMap<String, String> =
        selection.left_out.iter().map(|left_out| (left_out.to_string(), left_out.reason.to_string())).collect();
    let superuser = |what: &str| format!("only a superuser may {what}");
    let needs = |what: &str| format!("it depends on {what}");
    let expected = [
        (
            "ACL pg_catalog.FUNCTION pg_ls_waldir(OUT name text, OUT size bigint, OUT modification timestamp with time zone)",
            "its grants are on an object that the archive does not make".to_owned(),
        ),
        ("ACL public.COLUMN orders.note", needs("ACL public.TABLE orders")),
        ("ACL public.TABLE orders", superuser("grant in the name of another role")),
        (
            "ACL tools.FUNCTION hstore(text, text)",
            "its grants are on an object that the archive does not make".to_owned(),
        ),
        ("AGGREGATE public.inner_state(anynonarray)", superuser("use the type internal")),
        ("CAST CAST (integer AS inet)", superuser("make casts between types of others")),
        ("COMMENT EXTENSION dblink", "it reaches outside of the database".to_owned()),
        ("COMMENT EXTENSION hstore", "it is made before the restore".to_owned()),
        ("COMMENT public.TRIGGER in_c ON orders", needs("TRIGGER public.orders in_c")),
        ("DATABASE kinds", "it belongs to the database itself".to_owned()),
        (
            "DEFAULT ACL public.DEFAULT PRIVILEGES FOR TABLES",
            "only its role or a superuser may set default privileges".to_owned(),
        ),
        ("EVENT TRIGGER watch", superuser("make event triggers")),
        ("EXTENSION dblink", "it reaches outside of the database".to_owned()),
        ("EXTENSION hstore", "it is made before the restore".to_owned()),
        ("FOREIGN DATA WRAPPER nowhere", superuser("make foreign-data wrappers")),
        ("FOREIGN TABLE public.away", "its rows are on another server".to_owned()),
        ("FUNCTION public.in_c()", superuser("make functions in C")),
        ("FUNCTION public.outside()", needs("EXTENSION dblink")),
        ("FUNCTION public.raw_in(cstring)", superuser("make functions in C")),
        ("FUNCTION public.raw_out(public.raw)", superuser("make functions in C")),
        ("FUNCTION public.sealed()", superuser("make LEAKPROOF functions")),
        ("INDEX public.by_own_order", needs("OPERATOR CLASS public.own_order")),
        ("OPERATOR CLASS public.own_order", superuser("make operator classes")),
        ("OPERATOR FAMILY public.own_order", superuser("make operator families")),
        ("PUBLICATION everything", superuser("publish all tables")),
        ("PUBLICATION TABLES IN SCHEMA public.a_schema public", superuser("publish schemas")),
        ("SCHEMA tools", "it is made before the restore".to_owned()),
        ("SERVER far", "it leads to another server".to_owned()),
        ("SHELL TYPE public.raw", superuser("make base types")),
        ("SUBSCRIPTION elsewhere", "it leads to another server".to_owned()),
        ("TABLE DATA public.with_raw", needs("TABLE public.with_raw")),
        ("TABLE public.with_raw", needs("TYPE public.raw")),
        ("TRIGGER public.orders in_c", needs("FUNCTION public.in_c()")),
        ("TYPE public.raw", superuser("make base types")),
        ("USER MAPPING USER MAPPING public SERVER far", "it leads to another server".to_owned()),
        ("VIEW public.from_outside", needs("FUNCTION public.outside()")),
    ];
    assert_eq!(left_out, expected.map(|(name, why)| (name.to_owned(), why)).into());
    assert_eq!(selection.extensions, [Extension { name: "hstore".to_owned(), schema: "tools".to_owned() }]);
    let rows: Vec<&str> = selection.rows_left_out().map(|left_out| left_out.name.as_str()).collect();
    assert_eq!(rows, ["with_raw"]);
    assert_eq!(selection.list_file.lines().count() + selection.left_out.len(), archive.entries.len());
}

#[test]
fn a_superuser_restores_everything_that_pg_dump_writes_r051() {
    let selection = select(&Archive::read(KINDS, MEMORY_BYTES).unwrap(), Rights::Superuser);
    let left_out: Vec<_> = selection.left_out.iter().map(|one| (one.to_string(), one.reason.clone())).collect();
    assert_eq!(left_out, [("DATABASE kinds".to_owned(), Reason::OfTheDatabase)]);
    assert!(selection.extensions.is_empty());
    let connecting = "CREATE SUBSCRIPTION s CONNECTION 'host=x' PUBLICATION p WITH (slot_name = 'connect = false')";
    let selection = select(&archive(vec![entry(1, "SUBSCRIPTION", "", "s", connecting)]), Rights::Superuser);
    assert_eq!(selection.left_out[0].reason.to_string(), "it holds a subscription that would connect");
}

#[test]
fn functions_are_judged_by_their_own_words_and_not_by_their_texts() {
    let function = |rest: &str| format!("CREATE FUNCTION s.x(a text DEFAULT 'LANGUAGE c') RETURNS int\n    {rest};\n");
    for (rest, expected) in [
        ("LANGUAGE plpgsql\n    AS $$ BEGIN -- LANGUAGE c LEAKPROOF\n END $$", None),
        ("LANGUAGE sql IMMUTABLE NOT LEAKPROOF PARALLEL SAFE\n AS 'SELECT 1'", None),
        ("LANGUAGE sql\n BEGIN ATOMIC\n SELECT 1;\n SELECT 2;\nEND", None),
        ("LANGUAGE plv8 AS 'return 1'", None),
        ("LANGUAGE c AS '$libdir/x', 'f'", Some("only a superuser may make functions in C")),
        ("LANGUAGE internal AS 'textin'", Some("only a superuser may make functions in C")),
        ("LANGUAGE \"c\" AS 'x'", Some("only a superuser may make functions in C")),
        ("LANGUAGE plpython3u AS 'import os'", Some("its language is not known to be trusted")),
        ("LANGUAGE \"PlPgSQL\" AS 'x'", Some("its language is not known to be trusted")),
        ("AS 'x'", Some("its language is not known to be trusted")),
        ("LANGUAGE sql IMMUTABLE LEAKPROOF AS 'SELECT 1'", Some("only a superuser may make LEAKPROOF functions")),
        ("LANGUAGE sql SUPPORT s.f AS 'x'", Some("only a superuser may give functions a support function")),
    ] {
        check_one("FUNCTION", &function(rest), expected);
    }
    check_one(
        "PROCEDURE",
        "CREATE PROCEDURE s.x() LANGUAGE c AS 'x'",
        Some("only a superuser may make functions in C"),
    );
}

#[test]
fn types_casts_and_publications_are_judged_by_their_form() {
    check_one("TYPE", "CREATE TYPE s.x AS ENUM ('INPUT = f')", None);
    check_one("TYPE", "CREATE TYPE s.x AS RANGE (subtype = int)", None);
    check_one("TYPE", "CREATE TYPE s.x (\n INPUT = s.f)", Some("only a superuser may make base types"));
    check_one(
        "CAST",
        "CREATE CAST (int AS s.x) WITHOUT FUNCTION",
        Some("only a superuser may make casts without a function"),
    );
    let cast =
        |needed| entry(2, "CAST", "", "c", "CREATE CAST (s.x AS text) WITH FUNCTION s.f(s.x)").needing(&[needed]);
    check(vec![entry(1, "TYPE", "s", "x", "CREATE TYPE s.x AS ENUM ()"), cast(1)], &[]);
    let foreign = "only a superuser may make casts between types of others";
    check(vec![entry(1, "TYPE", "s", "x", "CREATE TYPE s.x AS ENUM ()"), cast(9)], &[(2, foreign)]);
    check_one("PUBLICATION", "CREATE PUBLICATION x WITH (publish = 'insert')", None);
    let all = "CREATE PUBLICATION \"FOR\" FOR ALL TABLES WITH (publish = 'insert')";
    check_one("PUBLICATION", all, Some("only a superuser may publish all tables"));
}

#[test]
fn statements_that_no_definition_has_are_left_out_and_named_r054() {
    let named = |beginning: &str| format!("it holds a statement that begins with {beginning}");
    for beginning in ["ALTER SYSTEM", "ALTER ROLE", "CREATE ROLE", "DROP", "COPY"] {
        let statement = format!("{beginning} x y z");
        check_one("TABLE", &statement, Some(&named(beginning)));
        check_one("TABLE", &format!("CREATE TABLE s.x ();\n {};", statement.to_lowercase()), Some(&named(beginning)));
        check_one("TABLE", &format!("/* */ {statement}"), Some(&named(beginning)));
    }
    check_one("COMMENT", "COPY (SELECT 1) TO PROGRAM 'id'", Some(&named("COPY")));
    check_one("TABLE", "CREATE VIEW s.x AS SELECT 1", Some("it holds a definition of something else"));
    check_one("VIEW", "CREATE VIEW s.x AS SELECT 'DROP TABLE'; ALTER TABLE s.x ALTER COLUMN a SET DEFAULT 1", None);
    check_one("WISH", "CREATE WISH", Some("it holds an entry of a kind that pg_dump does not write"));
    check_one("TABLE DATA", "SELECT 1", Some("it holds a definition of something else"));
    check_one("TABLE DATA", "-- load via partition root s.x", None);
    check_one("BLOB METADATA", "16385\n16386\n", None);
    check_one("BLOB METADATA", "16385\nSELECT 1", Some("it holds an entry of a kind that pg_dump does not write"));
    // Rights::Superuser is no leave to run these.
    let system = archive(vec![entry(1, "TABLE", "s", "x", "ALTER SYSTEM SET archive_command = 'id'")]);
    assert_eq!(select(&system, Rights::Superuser).list_file, "");
}

#[test]
fn whatever_needs_what_is_left_out_goes_with_it() {
    let table = |id, needs: &[DumpId]| entry(id, "TABLE", "public", "t", "CREATE TABLE public.t ()").needing(needs);
    let index = |id, needs: &[DumpId]| entry(id, "INDEX", "public", "i", "CREATE INDEX i ON t (a)").needing(needs);
    let server = |id| entry(id, "SERVER", "", "far", "CREATE SERVER far FOREIGN DATA WRAPPER w");
    // Numbers that are no entries, and those that come later in the archive.
    check(vec![table(1, &[7, 3]), index(2, &[1])], &[]);
    let leads = "it leads to another server";
    let chain = vec![index(1, &[2]), table(2, &[3]), server(3), table(4, &[9])];
    check(chain, &[(1, "it depends on TABLE public.t"), (2, "it depends on SERVER far"), (3, leads)]);
    // Circles end.
    check(vec![table(1, &[2]), index(2, &[1])], &[]);
    let circle = vec![table(1, &[2, 3]), index(2, &[1]), server(3)];
    check(circle, &[(1, "it depends on SERVER far"), (2, "it depends on TABLE public.t"), (3, leads)]);
}

#[test]
fn rows_of_extensions_go_with_their_extension_r054() {
    let extension =
        |id, name: &str| entry(id, "EXTENSION", "", name, &format!("CREATE EXTENSION {name} WITH SCHEMA ext"));
    let entries = vec![
        extension(1, "pg_cron"),
        extension(2, "postgis"),
        table_data(3, "job").needing(&[1]),
        table_data(4, "spatial_ref_sys").needing(&[2]),
    ];
    let selection = select(&archive(entries.clone()), Rights::Owner);
    assert_eq!(selection.extensions.iter().map(|extension| extension.name.as_str()).collect::<Vec<_>>(), ["postgis"]);
    let outside = "it reaches outside of the database";
    let expected = [(1, outside), (2, "it is made before the restore"), (3, "it depends on EXTENSION pg_cron")];
    check(entries, &expected);
}

#[test]
fn an_extension_that_needs_one_that_is_left_out_is_left_out_too_r050() {
    let extension =
        |id, name: &str| entry(id, "EXTENSION", "", name, &format!("CREATE EXTENSION {name} WITH SCHEMA ext"));
    let made = "it is made before the restore";
    let entries = vec![
        extension(1, "pg_jobs_of_ours").needing(&[2]),
        extension(2, "dblink"),
        extension(3, "on_top").needing(&[1, 4]),
        extension(4, "hstore"),
        entry(5, "FUNCTION", "s", "f", "CREATE FUNCTION s.f() RETURNS int LANGUAGE sql AS ''").needing(&[3]),
        // It is not made beforehand without its extension.
        entry(6, "SCHEMA", "", "alone", "CREATE SCHEMA alone"),
        entry(7, "EXTENSION", "", "in_it", "CREATE EXTENSION in_it WITH SCHEMA alone").needing(&[2]),
    ];
    let selection = select(&archive(entries.clone()), Rights::Owner);
    assert_eq!(selection.extensions.iter().map(|extension| extension.name.as_str()).collect::<Vec<_>>(), ["hstore"]);
    let expected = [
        (1, "it depends on EXTENSION dblink"),
        (2, "it reaches outside of the database"),
        (3, "it depends on EXTENSION pg_jobs_of_ours"),
        (4, made),
        (5, "it depends on EXTENSION on_top"),
        (7, "it depends on EXTENSION dblink"),
    ];
    check(entries, &expected);
}

/// A foreign archive may say anything: grants that need each other, and many that each need two others.
#[test]
fn grants_that_lead_nowhere_are_left_out() {
    let grants =
        |id, needed: &[DumpId]| entry(id, "ACL", "public", "TABLE t", "GRANT ALL ON TABLE t TO x;").needing(needed);
    let why = "its grants are on an object that the archive does not make";
    check(vec![grants(1, &[2]), grants(2, &[1])], &[(1, why), (2, why)]);
    check(vec![grants(1, &[1])], &[(1, why)]);
    let doubled: Vec<Entry> = (1..100).map(|id| grants(id, &[id - 1, id - 1])).collect();
    assert_eq!(select(&archive(doubled), Rights::Owner).left_out.len(), 99);
    let table = entry(1, "TABLE", "public", "t", "CREATE TABLE t ();");
    check(vec![table, grants(2, &[1]), grants(3, &[3, 2])], &[]);
}

#[test]
fn extensions_that_reach_outside_are_known() {
    for name in [
        "dblink",
        "postgres_fdw",
        "file_fdw",
        "any_fdw",
        "pg_cron",
        "pg_net",
        "http",
        "plpython3u",
        "plperlu",
        "plsh",
        "hstore_plpython3u",
        "azure_ai",
        "aws_ml",
        "vectorize",
    ] {
        assert!(reaches_outside(name), "{name}");
    }
    for name in ["plpgsql", "hstore", "postgis", "pgcrypto", "citext", "vector", "timescaledb", "plperl", "bool_plperl"]
    {
        assert!(!reaches_outside(name), "{name}");
    }
}

#[test]
fn a_name_cannot_add_a_line_to_the_list() {
    let named = entry(3, "TABLE", "s\r\n8;", "a\n7; 0 0 TABLE", "CREATE TABLE a ()").owned_by("o\n9;");
    let selection =
        select(&archive(vec![entry(7, "EVENT TRIGGER", "", "e", "CREATE EVENT TRIGGER e"), named]), Rights::Owner);
    assert_eq!(selection.list_file, "3; 1259 16384 TABLE s  8; a 7; 0 0 TABLE o 9;\n");
}

#[test]
fn functions_with_settings_of_superusers_are_left_out_whatever_their_body_sets() {
    let why = Some("it has a setting that only a superuser may set");
    let function = |rest: &str| format!("CREATE FUNCTION s.x() RETURNS void\n    LANGUAGE sql\n    {rest}");
    for setting in ["session_replication_role TO 'replica'", "log_statement TO 'none'", "\"my.tenant\" TO 'x'"] {
        check_one("FUNCTION", &function(&format!("SET {setting}\n    AS 'SELECT 1'")), why);
    }
    check_one("FUNCTION", &function("SET search_path TO 'log_x'\n    AS 'SET log_statement TO none'"), None);
    check_one("FUNCTION", &function("BEGIN ATOMIC\n UPDATE t SET log_id = 1;\nEND"), None);
}

#[test]
fn views_over_what_superusers_read_are_made_and_not_filled() {
    let view = |id, desc: &str, name: &str, query: &str| entry(id, desc, "s", name, &format!("CREATE {desc} {query}"));
    let entries = vec![
        view(1, "VIEW", "logins", "VIEW s.logins AS SELECT rolname FROM pg_authid"),
        view(2, "FUNCTION", "f", "f() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM s.logins'").needing(&[1]),
        view(3, "MATERIALIZED VIEW", "a", "s.a AS SELECT * FROM s.logins").needing(&[1]),
        view(4, "MATERIALIZED VIEW", "b", "s.b AS SELECT s.f()").needing(&[2]),
        view(5, "MATERIALIZED VIEW", "c", "s.c AS SELECT pg_authids FROM s.t"),
        entry(6, "MATERIALIZED VIEW DATA", "s", "a", "REFRESH MATERIALIZED VIEW s.a").needing(&[3]),
        entry(7, "MATERIALIZED VIEW DATA", "s", "b", "REFRESH MATERIALIZED VIEW s.b").needing(&[4]),
        entry(8, "MATERIALIZED VIEW DATA", "s", "c", "REFRESH MATERIALIZED VIEW s.c").needing(&[5]),
    ];
    check(entries.clone(), &[(6, restricted::WHY), (7, restricted::WHY)]);
    assert_eq!(select(&archive(entries), Rights::Superuser).left_out, []);
}

#[test]
fn without_their_roles_grants_and_policies_are_left_out_with_what_hangs_on_them() {
    let policy = |id, name: &str, rest: &str| entry(id, "POLICY", "s", name, &format!("CREATE POLICY p ON s.t {rest}"));
    let archive = archive(vec![
        entry(1, "TABLE", "s", "t", "CREATE TABLE s.t ()"),
        policy(2, "t p", "FOR SELECT TO here, \"Not \"\"here\" USING (true)").needing(&[1]),
        entry(3, "COMMENT", "s", "POLICY p ON t", "COMMENT ON POLICY p ON s.t IS 'x'").needing(&[2]),
        policy(4, "t q", "TO here USING ((a = 'to \"Not \"\"here\"'))").needing(&[1]),
        entry(5, "ACL", "s", "TABLE t", "GRANT SELECT ON TABLE s.t TO here").needing(&[1]),
    ]);
    let mut selection = select(&archive, Rights::Owner);
    assert_eq!(selection.left_out, []);
    selection.leave_out_for_lack_of(&archive, &["Not \"here".to_owned()]);
    assert_eq!(selection.left_out.iter().map(|left_out| left_out.dump_id).collect::<Vec<_>>(), [2, 3, 5]);
    let kept: Vec<&str> = selection.list_file.lines().map(|line| line.split(';').next().unwrap()).collect();
    assert_eq!(kept, ["1", "4"]);
}

#[test]
fn owners_that_must_be_superusers_are_known() {
    let archive = archive(vec![
        entry(1, "EVENT TRIGGER", "", "e", "CREATE EVENT TRIGGER e").owned_by("chief"),
        entry(2, "PUBLICATION", "", "all", "CREATE PUBLICATION all_of FOR ALL TABLES WITH (x)").owned_by("publisher"),
        entry(3, "PUBLICATION", "", "some", "CREATE PUBLICATION some WITH (x)").owned_by("app"),
        entry(4, "TABLE", "s", "t", "CREATE TABLE s.t ()").owned_by("app"),
    ]);
    assert_eq!(superusers(&archive), ["chief", "publisher"].map(str::to_owned).into());
}

#[test]
fn whether_the_source_had_a_public_schema_is_counted() {
    let schemas = |names: &[&str]| {
        let schema =
            |(id, name): (usize, &&str)| entry(i32::try_from(id).unwrap() + 1, "SCHEMA", "", name, "CREATE SCHEMA");
        archive(names.iter().enumerate().map(schema).collect())
    };
    assert!(!schemas(&["app"]).had_public(1) && schemas(&["app"]).had_public(2));
    assert!(!schemas(&[]).had_public(0) && schemas(&[]).had_public(1) && schemas(&["public"]).had_public(1));
    assert!(archive(vec![entry(1, "TABLE", "public", "t", "CREATE TABLE public.t ()")]).had_public(0));
}
