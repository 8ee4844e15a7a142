//! The database's side of a backup: which tools, which server, which role, and what is in the dump.

use std::path::Path;
use std::time::Duration;

use e2e::postgres::{Database, Postgres};
use e2e::process::{Daemon, Output, Run, http_get};
use serde_json::Value;

use crate::stand::Stand;

mod connections;
mod contents;
mod least_role;
mod names;
mod on_the_way;
mod partial;
mod privileges;
mod report;
mod tools;

/// How long a daemon may take to do what it was started for.
const SOON: Duration = Duration::from_secs(60);

/// The words of a program's log: messages and errors of its JSON lines, and lines of any other form.
pub(crate) fn said(log: &str) -> String {
    let line = |line: &str| match serde_json::from_str::<Value>(line) {
        Ok(entry) => ["message", "error"].map(|name| entry[name].as_str().unwrap_or_default().to_owned()).join(": "),
        Err(_) => line.to_owned(),
    };
    log.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Asserts that a run ended with exit code 1 and said each of `parts`.
#[track_caller]
fn assert_failed(output: &Output, parts: &[&str]) {
    let words = said(&output.stderr);
    assert_eq!(output.code, Some(1), "{words}");
    for part in parts {
        assert!(words.contains(part), "{part:?} is missing in:\n{words}");
    }
}

/// Asserts that `backup run` with this environment fails with all of `parts`, and stores nothing.
#[track_caller]
fn assert_run_fails(stand: &Stand, run: Run, parts: &[&str]) {
    let before = stand.s3.objects();
    assert_failed(&run.args(["run"]).output(), parts);
    stand.assert_no_commit(&before);
}

/// `backup run` with this environment, which must succeed; its manifest.
#[track_caller]
fn manifest_of(stand: &Stand, run: Run) -> Value {
    committed(stand, run).1
}

/// As [`manifest_of`], with what the run said. Finds the manifest by what is new: of two runs in one
/// second, the names do not tell which was the later.
#[track_caller]
fn committed(stand: &Stand, run: Run) -> (Output, Value) {
    let before = stand.manifests();
    let output = run.args(["run"]).output();
    assert_eq!(output.code, Some(0), "{}", said(&output.stderr));
    let made: Vec<String> = stand.manifests().into_keys().filter(|key| !before.contains_key(key)).collect();
    let [made] = made.as_slice() else { panic!("{made:?} were made by one run") };
    let manifest = serde_json::from_slice(&stand.s3.read(made)).unwrap();
    (output, manifest)
}

/// The keys of the data objects beside the manifest of this run, by what `part` they contain.
#[track_caller]
fn stored_key(stand: &Stand, manifest: &Value, part: &str) -> String {
    let id = manifest["id"].as_str().unwrap();
    let keys: Vec<String> = stand.s3.objects().into_keys().filter(|key| key.contains(id)).collect();
    keys.iter().find(|key| key.contains(part)).unwrap_or_else(|| panic!("no {part} in {keys:?}")).clone()
}

/// `backup check` with this environment: its exit code and its report.
fn check(run: Run) -> (Option<i32>, String) {
    let output = run.args(["check"]).output();
    (output.code, output.stdout)
}

/// Starts the daemon and waits until it listens.
#[track_caller]
pub(crate) fn start_daemon(run: Run) -> (Daemon, u16) {
    let mut daemon = run.spawn();
    let line = daemon.wait_for_line("backup daemon started", SOON);
    let entry: Value = serde_json::from_str(&line).unwrap();
    (daemon, u16::try_from(entry["port"].as_u64().unwrap()).unwrap())
}

/// The status of a page and its text.
#[track_caller]
pub(crate) fn page(port: u16, path: &str) -> (u16, String) {
    http_get(port, path).unwrap()
}

/// A role of the stand's shared server that can log in and nothing else: its name and the URL of
/// the stand's database for it.
pub(crate) fn new_role(stand: &Stand, attributes: &str) -> (String, String) {
    let role = format!("{}_role", stand.database.name);
    // No name of anything, since the harness looks for every password wherever a service speaks.
    let password = format!("kqzw7vjx_{}", stand.database.name);
    stand.sql(&format!("CREATE ROLE {role} LOGIN PASSWORD '{password}' {attributes}"));
    let url = stand.postgres.url_as(&role, &password, &stand.database.name);
    (role, url)
}

/// Restores an uncompressed archive into `database` with the stock tool.
#[track_caller]
fn restore(postgres: &Postgres, archive: &Path, database: &Database) {
    let pg_restore = postgres.bin_dir().join("pg_restore");
    let args = ["--exit-on-error", "--dbname", &database.url, archive.to_str().unwrap()];
    let output = Run::program(pg_restore).args(args).output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
}
