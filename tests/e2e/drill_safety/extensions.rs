//! Extensions of the source in a target: their versions, their schemas, and those that a server does not have.

use super::restore::{assert_says, restore};
use super::{COULD_NOT_RUN, PASSED, Site, drill, server};

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
