//! The images as subjects: every version of PostgreSQL, the first process of a container, the compose file.

use e2e::containers::{Finished, Images, Service, Site};
use e2e::skip::skip;

mod compose;
mod first_process;
mod majors;
mod replicas;
mod suites;

const BACKUP: &str = "backup:e2e";
const VERIFY: &str = "verify:e2e";

/// A database of two tables that takes a moment to dump.
const SOURCE: &str = "CREATE DATABASE app";
const ROWS: &str = "CREATE TABLE t AS SELECT g AS id, md5(g::text) AS text FROM generate_series(1, 20000) g;
    CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent SELECT generate_series(1, 500)";

/// The images, or `None` and a note that `test` did not run.
fn images(test: &str) -> Option<Images> {
    Images::find().inspect_err(|reason| skip(&format!("containers::{test}"), reason)).ok()
}

/// A site with the database `app` on PostgreSQL 17.
fn site(test: &str) -> Option<Site> {
    let site = Site::open(&images(test)?, "17");
    site.sql("postgres", SOURCE);
    site.sql("app", ROWS);
    Some(site)
}

fn backup(site: &Site, args: &[&str]) -> Service {
    site.service(BACKUP, args).env("DATABASE_URL", &site.url("app"))
}

fn verify(site: &Site, args: &[&str]) -> Service {
    site.service(VERIFY, args)
}

#[track_caller]
fn assert_code(finished: &Finished, code: i64) {
    assert_eq!(finished.code, code, "{}\n{}", finished.stdout, finished.stderr);
}

/// Asserts that a drill happened on a throwaway server without a network and other files, although the container has a
/// network and no capability.
#[track_caller]
fn assert_isolated(report: &serde_json::Value) {
    let server = &report["server"];
    assert_eq!(server["network_isolated"], true, "{server:#}");
    if server["files_isolated"] != true {
        skip("containers: files_isolated", "the kernel has no Landlock, or less than that of Linux 6.2");
    }
}

/// The ids of the backups in the bucket, the newest first.
fn committed(site: &Site) -> Vec<String> {
    let list = backup(site, &["list", "--json"]).run();
    assert_code(&list, 0);
    let list: serde_json::Value = serde_json::from_str(&list.stdout).unwrap();
    let backups = list["backups"].as_array().unwrap_or_else(|| panic!("{list:#}"));
    backups.iter().map(|backup| backup["id"].as_str().unwrap().to_owned()).collect()
}
