//! Which of the installed client tools are used.

use e2e::process::{Run, outdated_tools, wait_until};
use e2e::skip::skip;
use e2e::tools::FakeTools;

use super::{SOON, assert_run_fails, check, manifest_of, page, start_daemon, stored_key};
use crate::stand::Stand;

/// Tools that claim to be of this version, and leave a mark in the roles' file.
fn tools(major: u32) -> FakeTools {
    let mut tools = FakeTools::new();
    tools.version("pg_dump", &format!("{major}.99")).version("pg_dumpall", &format!("{major}.99"));
    tools.script("pg_dumpall", &format!("echo '-- by tools of {major}'; exec \"$REAL\" \"$@\""));
    tools
}

fn with_tools(stand: &Stand, folders: &[&FakeTools]) -> Run {
    let paths: Vec<&str> = folders.iter().map(|tools| tools.path().to_str().unwrap()).collect();
    stand.backup().env("PG_BIN_DIR", paths.join(":")).env("COMPRESSION", "none")
}

#[test]
fn of_several_versions_the_lowest_that_is_not_older_than_the_server_is_used_r005() {
    let stand = Stand::with_rows(10);
    let server = stand.postgres.major();
    let [newer, newest, older, equal] = [server + 1, server + 3, server - 1, server].map(tools);
    for (folders, expected) in [
        (vec![&newest, &newer, &older], server + 1),
        (vec![&newest, &older, &equal, &newer], server),
        (vec![&newest, &older], server + 3),
    ] {
        let manifest = manifest_of(&stand, with_tools(&stand, &folders));
        assert_eq!(manifest["pg_dump_version"], format!("pg_dump (PostgreSQL) {expected}.99"));
        let roles = stand.s3.read(&stored_key(&stand, &manifest, "globals.sql"));
        let mark = format!("-- by tools of {expected}\n");
        assert!(roles.starts_with(mark.as_bytes()), "pg_dumpall is of another folder than pg_dump");
    }
}

#[test]
fn another_minor_version_than_the_servers_is_named_by_check_and_manifest() {
    let stand = Stand::with_rows(10);
    let server = stand.postgres.major();
    let other = tools(server);
    let words = format!("pg_dump is {server}.99 and the server {server}.");
    let (code, report) = check(with_tools(&stand, &[&other]));
    assert!(code == Some(0) && report.contains(&words), "{report}");
    let manifest = manifest_of(&stand, with_tools(&stand, &[&other]));
    assert!(manifest["notes"].to_string().contains(&words), "{}", manifest["notes"]);
    assert!(!stand.run_ok()["notes"].to_string().contains("pg_dump is "), "the tools of the server itself");
}

#[test]
fn a_server_newer_than_every_client_fails_run_and_check_and_makes_the_daemon_red_r005() {
    let stand = Stand::with_rows(10);
    stand.run_ok();
    let server = stand.postgres.major();
    let old = [server - 2, server - 1].map(tools);
    let backup = || with_tools(&stand, &[&old[0], &old[1]]);
    let wanted = format!("the server is PostgreSQL {server}, and the newest pg_dump here is {}", server - 1);
    let package = format!("install postgresql-client-{server} ");
    assert_run_fails(&stand, backup(), &[&wanted, &package]);

    let (code, report) = check(backup());
    assert_eq!(code, Some(1), "{report}");
    assert!(report.contains(&wanted) && report.contains(&package), "{report}");
    assert!(report.contains("a backup would FAIL"), "{report}");

    // The newest backup is fresh, so only the probe of now can tell that the next run will fail.
    let (_daemon, port) = start_daemon(backup());
    let (status, reasons) = page(port, "/readyz");
    assert_eq!(status, 503, "{reasons}");
    assert!(reasons.contains(&wanted) && reasons.contains(&package), "{reasons}");
    assert_eq!(page(port, "/livez").0, 200);
}

#[test]
fn a_daemon_without_fitting_tools_says_so_at_every_run_r005() {
    let stand = Stand::with_rows(10);
    let server = stand.postgres.major();
    let old = tools(server - 1);
    let run = with_tools(&stand, &[&old]).env("BACKUP_INTERVAL", "3600");
    let (mut daemon, port) = start_daemon(run);
    let line = daemon.wait_for_line("backup failed", SOON);
    assert!(line.contains(&format!("postgresql-client-{server}")), "{line}");
    assert!(wait_until(SOON, || page(port, "/status").1.contains("\"consecutive_failures\":1")));
    let (status, reasons) = page(port, "/health");
    assert_eq!(status, 503, "{reasons}");
    let (_, status) = page(port, "/status");
    assert!(status.contains(&format!("postgresql-client-{server}")), "{status}");
    assert!(stand.objects().is_empty());
}

#[test]
fn without_any_client_the_package_to_install_is_named_r005() {
    let stand = Stand::with_rows(10);
    let empty = tempfile::tempdir().unwrap();
    let backup = || stand.backup().env("PG_BIN_DIR", empty.path());
    let package = format!("install postgresql-client-{} ", stand.postgres.major());
    assert_run_fails(&stand, backup(), &["no pg_dump found", &package]);
    let (code, report) = check(backup());
    assert_eq!(code, Some(1), "{report}");
    assert!(report.contains(&package), "{report}");
}

/// A pg_dump that claims to be of this version, for all other purposes the real one.
fn outdated(server: u32) -> FakeTools {
    let mut tools = FakeTools::new();
    tools.version("pg_dump", &format!("{server}.1"));
    tools
}

#[test]
fn tools_with_known_holes_stop_the_start_of_both_services_unless_they_are_allowed_r055() {
    let stand = Stand::with_rows(10);
    if stand.postgres.major() >= 18 {
        let test =
            "database::tools::tools_with_known_holes_stop_the_start_of_both_services_unless_they_are_allowed_r055";
        return skip(test, "every release of this major version is repaired");
    }
    if outdated_tools().is_some() {
        let test =
            "database::tools::tools_with_known_holes_stop_the_start_of_both_services_unless_they_are_allowed_r055";
        return skip(test, "TEST_ALLOW_OUTDATED_TOOLS is set");
    }
    let tools = outdated(stand.postgres.major());
    let vulnerable = "has known vulnerabilities (CVE-2025-8714, CVE-2025-8715)";
    let backup = || with_tools(&stand, &[&tools]);
    for run in [backup(), backup().args(["run"]), backup().env("SINGLE_SHOT_MODE", "true")] {
        let output = run.output();
        assert_eq!(output.code, Some(78), "{}", output.stderr);
        assert!(output.stderr.contains(vulnerable) && output.stderr.contains("ALLOW_OUTDATED_TOOLS=true"));
    }
    let (code, report) = check(backup());
    assert!(code == Some(1) && report.contains(vulnerable), "{report}");
    assert!(stand.s3.objects().is_empty());
    // What uses no tools is not refused.
    assert_eq!(backup().args(["list"]).output().code, Some(0));

    let verify = || Run::new("verify").envs(stand.s3.env()).env("PG_BIN_DIR", tools.path()).env("PORT", "0");
    for arguments in [&[][..], &["run"], &["self-test"], &["restore", "latest", "--to", "postgres://u@127.0.0.1/d"]] {
        let output = verify().args(arguments).output();
        assert_eq!(output.code, Some(78), "{arguments:?} {}", output.stderr);
        assert!(output.stderr.contains(vulnerable), "{}", output.stderr);
    }

    let allowed = backup().env("ALLOW_OUTDATED_TOOLS", "true").args(["run"]).output();
    assert_eq!(allowed.code, Some(0), "{}", allowed.stderr);
    assert!(allowed.stderr.contains(vulnerable), "{}", allowed.stderr);
}
