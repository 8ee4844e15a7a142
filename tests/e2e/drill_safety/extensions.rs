//! Extensions of the source in a target: their versions, their schemas, and those that a server does not have.

use e2e::postgres::SUPERUSER;
use e2e::skip::skip;

use super::restore::{assert_says, restore};
use super::{COULD_NOT_RUN, FAILED, PASSED, PASSWORD, Site, drill, server};

/// A later version calls the column `total_exec_time`.
const OLD: &str = "
    CREATE ROLE \"keeper of SOURCE\"; CREATE SCHEMA stats AUTHORIZATION \"keeper of SOURCE\";
    COMMENT ON SCHEMA stats IS 'of the extension'; GRANT USAGE ON SCHEMA stats TO PUBLIC;
    CREATE EXTENSION cube SCHEMA stats; CREATE EXTENSION earthdistance SCHEMA stats;
    CREATE EXTENSION pg_stat_statements SCHEMA stats VERSION '1.4';
    CREATE VIEW slow AS SELECT query FROM stats.pg_stat_statements WHERE total_time > 100;
    CREATE TABLE t (at stats.cube); INSERT INTO t VALUES ('(1, 2)')";

#[test]
fn extensions_come_in_the_version_of_the_source() {
    let site = Site::new(OLD);
    let postgres = site.stand.postgres;
    let state =
        "SELECT extversion, nspname, nspowner::regrole FROM pg_extension e JOIN pg_namespace n ON n.oid = extnamespace
        WHERE extname = 'pg_stat_statements'";
    let expected = format!("1.4|stats|\"keeper of {}\"", site.stand.database.name);
    let made = format!("{}_made", site.stand.database.name);
    let target = postgres.create_database();
    for (name, arguments) in
        [(&target.name, &["--to", &target.url][..]), (&made, &["--to", &postgres.url(&made), "--create"])]
    {
        assert_says(&restore(&site, arguments).output(), PASSED, &["restored\n"]);
        assert_eq!(postgres.sql(name, state), expected);
    }
    drill(site.verify()).assert_code(PASSED);
    drill(site.verify().env("VERIFY_RESTORE_AS", "superuser")).assert_code(PASSED);
    site.assert_clean();
}

/// `CREATE SCHEMA IF NOT EXISTS` refuses names that begin with `pg_`, also of schemas that are there.
#[test]
fn an_extension_in_a_schema_of_the_server_is_made_beforehand() {
    let site = Site::new("CREATE EXTENSION adminpack; CREATE EXTENSION pg_stat_statements VERSION '1.4'");
    if site.stand.postgres.major() > 16 {
        let test = "drill_safety::extensions::an_extension_in_a_schema_of_the_server_is_made_beforehand";
        return skip(test, "PostgreSQL 17 has no adminpack");
    }
    let server = server(&[]);
    let made = restore(&site, &["--to", &server.url("made"), "--create"]).output();
    assert_says(&made, PASSED, &["restored\n"]);
}

/// Whether it would be made beforehand or not: the rest comes back.
#[test]
fn an_extension_that_the_server_refuses_is_a_finding() {
    let site = Site::new("CREATE EXTENSION pg_stat_statements VERSION '1.4'; CREATE TABLE t AS SELECT 1 AS id");
    let server = server(&[]);
    let url = server.url_as("drill", PASSWORD, "made");
    let made = restore(&site, &["--to", &url, "--create", "--no-owner", "--no-privileges"]).output();
    assert_says(
        &made,
        FAILED,
        &["restore: EXTENSION pg_stat_statements: permission denied to create", "NOT restored as it was"],
    );
    assert_eq!(server.sql("made", "SELECT count(*) FROM t"), "1");
}

#[test]
fn extensions_that_are_elsewhere_or_not_to_be_had_are_in_the_plan() {
    let site = Site::new("CREATE SCHEMA ext; CREATE EXTENSION hstore SCHEMA ext; CREATE TABLE t (h ext.hstore)");
    let postgres = site.stand.postgres;
    let target = postgres.create_database();
    postgres.sql(&target.name, "CREATE EXTENSION hstore VERSION '1.7'");
    let refused = restore(&site, &["--to", &target.url]).output();
    let told = "nothing was changed: extension hstore lies in schema public of the target, and in ext of the source: drop it \
        first, or move it (ALTER EXTENSION hstore SET SCHEMA ext)";
    let other = "warning   extension hstore is there already, in version 1.7 instead of 1.8: drop it first";
    assert_says(&refused, COULD_NOT_RUN, &[told, other]);
    assert_eq!(postgres.sql(&target.name, "SELECT count(*) FROM pg_class WHERE relname = 't'"), "0");

    site.edit_manifest(|manifest| {
        let extensions = manifest["inventory"]["extensions"].as_array_mut().unwrap();
        extensions.iter_mut().for_each(|extension| match extension["name"].as_str() {
            Some("hstore") => extension["version"] = "0.1".into(),
            _ => extension["name"] = "no_such_thing".into(),
        });
    });
    let server = server(&[]);
    let refused = restore(&site, &["--to", &server.url("made"), "--create"]).output();
    let lacks = "blocked   the target's server lacks extension no_such_thing 1.0: install its package on that machine";
    let other = "warning   the target's server has extension hstore in version 1.8 and not in 0.1";
    assert_says(&refused, COULD_NOT_RUN, &[lacks, other]);
}

/// Code that runs when a row comes back, in every database but the source's, and what it does there.
fn on_restore(what: &[&str]) -> Site {
    let what: String = what.iter().map(|sql| format!("EXECUTE $do${sql}$do$;")).collect();
    Site::new(&format!(
        "CREATE EXTENSION hstore;
         CREATE FUNCTION act() RETURNS bool LANGUAGE plpgsql AS $$
         BEGIN
           IF current_database() = 'SOURCE' AND current_setting('listen_addresses') <> '' THEN RETURN true; END IF;
           {what} RETURN true;
         END $$;
         CREATE TABLE t (id int CHECK (act())); INSERT INTO t VALUES (1)"
    ))
}

/// What is a member of an extension is in no dump of the restored database, and no count.
#[test]
fn what_code_of_an_archive_hides_in_an_extension_is_a_finding() {
    let server = server(&[]);
    let superuser = |site: &Site| {
        site.verify().env("VERIFY_DATABASE_URL", server.url(SUPERUSER)).env("VERIFY_RESTORE_AS", "superuser")
    };
    let function = "CREATE FUNCTION public.hidden() RETURNS int LANGUAGE sql AS 'SELECT 1'";
    let add = "ALTER EXTENSION hstore ADD FUNCTION public.hidden()";
    let hidden = on_restore(&[function, add]);
    let is_member = "is a member of extension hstore, which did not make it";
    drill(superuser(&hidden)).assert_code(FAILED).assert_lists("findings", &[is_member]);
    drill(hidden.verify().env("VERIFY_RESTORE_AS", "superuser"))
        .assert_code(FAILED)
        .assert_lists("findings", &[is_member]);
    // The login owns a trusted extension that it has made.
    drill(hidden.verify_on(&server)).assert_code(FAILED).assert_lists("findings", &[is_member]);
    // The restore of a person looks for the same.
    let restored = restore(&hidden, &["--to", &server.url("restored"), "--create"]).output();
    assert_says(&restored, FAILED, &[is_member, "NOT restored as it was"]);

    let replaced = on_restore(&[
        "CREATE OR REPLACE FUNCTION public.akeys(public.hstore) RETURNS text[] LANGUAGE sql AS 'SELECT NULL::text[]'",
        "CREATE FUNCTION pg_catalog.hidden() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    ]);
    drill(superuser(&replaced)).assert_code(FAILED).assert_lists(
        "findings",
        &["akeys(public.hstore) of extension hstore is not what the extension made", "are not PostgreSQL's"],
    );
    drill(superuser(&on_restore(&["SELECT 1"]))).assert_code(PASSED);
    hidden.assert_clean();
}
