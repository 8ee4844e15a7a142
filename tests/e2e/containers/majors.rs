//! Every version of PostgreSQL: its own tools dump it, its own server proves it (R130).

use e2e::containers::Site;

use super::{assert_code, images};
use e2e::skip::skip;

const SAMPLE: &str = include_str!("../../demo/sample.sql");

/// Backs the sample database up from a server of `major` and drills it on another of the same version,
/// as an operator without any privileges does.
#[track_caller]
fn check(major: &str) {
    let test = format!("postgresql_{major}_comes_back_whole_r130");
    let Some(images) = images(&format!("majors::{test}")) else { return };
    if !images.has_major(major) {
        return skip(&format!("containers::majors::{test}"), &format!("the image postgres:{major} cannot be had"));
    }
    let site = Site::open(&images, major);
    site.sql("postgres", "CREATE DATABASE shop");
    site.script("shop", SAMPLE);
    let image = format!("postgres-{major}:e2e");
    let service = |args: &[&str]| {
        // At any minor version of the public image: what is tested is the version's dump.
        let service = site.service(&image, args).env("ALLOW_OUTDATED_TOOLS", "true");
        service.env("TMPDIR", "/dev/shm").env("VERIFY_SPOOL_DIR", "/var/spool/verify")
    };
    let backup = service(&["backup", "run"]).env("DATABASE_URL", &site.url("shop")).run();
    assert_code(&backup, 0);

    let drill = service(&["verify", "run"]).run();
    assert_code(&drill, 0);
    let rows = site.sql("shop", "SELECT count(*) FROM sales.orders");
    for part in [&format!("throwaway, PostgreSQL {major}"), "PASSED", "21 of 21 tables read back row by row"] {
        assert!(drill.stdout.contains(part), "no {part:?}, {rows} orders:\n{}", drill.stdout);
    }
    let self_test = service(&["verify", "self-test"]).run();
    assert_code(&self_test, 0);
}

#[test]
fn postgresql_13_comes_back_whole_r130() {
    check("13");
}

#[test]
fn postgresql_14_comes_back_whole_r130() {
    check("14");
}

#[test]
fn postgresql_15_comes_back_whole_r130() {
    check("15");
}

#[test]
fn postgresql_16_comes_back_whole_r130() {
    check("16");
}

#[test]
fn postgresql_17_comes_back_whole_r130() {
    check("17");
}

#[test]
fn postgresql_18_comes_back_whole_r130() {
    check("18");
}

/// A server that is newer than every tool of an image is refused with what to do, before anything is stored.
#[test]
fn a_server_newer_than_the_tools_is_refused_r005_r130() {
    let Some(images) = images("majors::a_server_newer_than_the_tools_is_refused_r005_r130") else { return };
    let site = Site::open(&images, "18");
    let run = site.service(super::BACKUP, &["run"]).env("DATABASE_URL", &site.url("postgres")).run();
    assert_code(&run, 1);
    assert!(run.stderr.contains("postgresql-client-18"), "{}", run.stderr);
}
