//! `verify restore` writes into no database in which anybody has made anything.

use std::time::Duration;

use e2e::process::wait_until;
use e2e::proxy::{Fault, Operation, Rule};

use super::{COULD_NOT_RUN, LONG, PASSED, Site};

const SOURCE: &str = "CREATE TABLE t AS SELECT 1 AS id";

#[test]
fn a_target_that_holds_anything_at_all_is_refused() {
    let site = Site::new(SOURCE);
    let postgres = site.stand.postgres;
    for (made, kind) in [
        ("CREATE TYPE mood AS ENUM ('sad')", "1 types"),
        ("CREATE DOMAIN positive AS int CHECK (value > 0)", "1 types"),
        ("CREATE TYPE span AS RANGE (subtype = int)", "1 types"),
        ("CREATE TYPE pair AS (a int, b int)", "1 types"),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "1 functions"),
        ("CREATE SEQUENCE s", "1 relations"),
        ("CREATE VIEW v AS SELECT 1", "1 relations"),
        ("SELECT lo_from_bytea(1000, 'x')", "1 large objects"),
        ("CREATE SCHEMA other", "1 schemas"),
        ("CREATE PUBLICATION p", "1 publications"),
        ("CREATE OPERATOR === (FUNCTION = int4eq, LEFTARG = int, RIGHTARG = int)", "1 operators"),
        ("CREATE COLLATION c FROM \"C\"", "1 collations"),
        ("CREATE TEXT SEARCH CONFIGURATION t (COPY = simple)", "1 text search configurations"),
        ("CREATE FOREIGN DATA WRAPPER w", "1 foreign-data wrappers"),
    ] {
        let target = postgres.create_database();
        postgres.sql(&target.name, made);
        let output = site.verify().args(["restore", "latest", "--to", &target.url]).output();
        assert_eq!(output.code, COULD_NOT_RUN, "{made}: {}\n{}", output.stdout, output.stderr);
        let told = format!("is not empty: {kind}");
        assert!(output.stdout.contains(&told), "{told:?} is not in {}", output.stdout);
        assert_eq!(
            postgres.sql(&target.name, "SELECT count(*) FROM pg_class WHERE relname = 't' AND relkind = 'r'"),
            "0"
        );
    }
    // What an extension made belongs to no test.
    let target = postgres.create_database();
    postgres.sql(&target.name, "CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE EXTENSION cube");
    let output = site.verify().args(["restore", "latest", "--to", &target.url, "--dry-run"]).output();
    assert_eq!(output.code, PASSED, "{}\n{}", output.stdout, output.stderr);
}

#[test]
fn a_target_that_somebody_fills_during_the_download_is_left_alone() {
    let site = Site::new(SOURCE);
    let postgres = site.stand.postgres;
    let target = postgres.create_database();
    let slow = Rule::new(Operation::GetObject, Fault::Delay(Duration::from_secs(4))).key(".dump");
    site.stand.proxy.rule(slow);
    let run = site.verify().envs(site.stand.s3.env_through(&site.stand.proxy.endpoint()));
    let running = run.args(["restore", "latest", "--to", &target.url]).spawn();
    assert!(wait_until(LONG, || running.stdout_so_far().contains("target    database")), "no plan was made");
    postgres.sql(&target.name, "CREATE TABLE theirs AS SELECT 1 AS id");
    let output = running.wait(LONG);
    assert_eq!(output.code, COULD_NOT_RUN, "{}\n{}", output.stdout, output.stderr);
    assert!(output.stdout.contains("is not empty: 1 relations"), "{}", output.stdout);
    assert!(!output.stdout.contains("the restore begins"), "{}", output.stdout);
    assert_eq!(postgres.sql(&target.name, "SELECT count(*) FROM pg_class WHERE relname = 't'"), "0");
}
