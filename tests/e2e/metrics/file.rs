//! `METRICS_FILE`: what a single run leaves for node_exporter.

use std::fs;
use std::path::Path;

use e2e::process::Run;
use e2e::receiver::Receiver;
use nix::sys::signal::Signal;

use super::scrape::Scrape;
use crate::daemon::{HELD, Script};
use crate::drill::DrillStand;
use crate::stand::{Stand, wait_for_the_next_second};

#[track_caller]
fn read(path: &Path, test: &str) -> Scrape {
    let scrape = Scrape::parse(fs::read_to_string(path).unwrap());
    scrape.check(test);
    scrape
}

fn names_in(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

#[test]
fn a_single_run_leaves_its_metrics_also_if_it_fails_and_a_stopped_one_leaves_them_alone() {
    let stand = Stand::with_rows(2_000);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backup.prom");
    let sample =
        |name: &str, label: &str| format!("postgres_backup_{name}{{database=\"{}\"{label}}}", stand.database.name);
    let run = |run: Run| run.env("METRICS_FILE", &path).env("SINGLE_SHOT_MODE", "true");
    let output = run(stand.backup()).output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert_eq!(names_in(folder.path()), ["backup.prom"]);
    let good = read(&path, "metrics::file: a good run");
    let newest = good.value(&sample("newest_timestamp_seconds", ",kind=\"full\""));
    assert!(newest > 0.0);
    assert_eq!(good.value(&sample("last_run", ",outcome=\"succeeded\"")), 1.0);
    assert_eq!(good.value(&sample("alarm", ",alarm=\"bucket_unseen\"")), 0.0);
    wait_for_the_next_second();
    let output = run(Script::pg_dump("exit 1").on(stand.backup())).output();
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    let failed = read(&path, "metrics::file: a run that failed");
    assert_eq!(failed.series(), good.series());
    assert_eq!(failed.value(&sample("last_run", ",outcome=\"failed\"")), 1.0);
    let still_there = failed.value(&sample("newest_timestamp_seconds", ",kind=\"full\""));
    assert_eq!(still_there, newest, "what is still there is told");
    let script = Script::pg_dump(HELD);
    let mut process = run(script.on(stand.backup())).spawn();
    script.wait_for("held");
    process.signal(Signal::SIGTERM);
    let output = process.wait(std::time::Duration::from_secs(20));
    assert_eq!(output.code, Some(3), "{}", output.stderr);
    assert_eq!(fs::read_to_string(&path).unwrap(), failed.text);
    assert_eq!(names_in(folder.path()), ["backup.prom"]);
}

/// node_exporter refuses all files if two of them have one series.
#[test]
fn the_files_of_both_services_have_no_series_in_common() {
    let stand = DrillStand::small("zstd");
    let folder = tempfile::tempdir().unwrap();
    let (backup, verify) = (folder.path().join("backup.prom"), folder.path().join("verify.prom"));
    let output = stand.stand.backup().args(["run"]).env("METRICS_FILE", &backup).output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let output = stand.verify().args(["run"]).env("METRICS_FILE", &verify).output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let (backup, verify) = (read(&backup, "metrics::file: backup"), read(&verify, "metrics::file: verify"));
    assert_eq!(backup.series().intersection(&verify.series()).collect::<Vec<_>>(), Vec::<&&str>::new());
    let is_ours = |series: &&str| series.starts_with("postgres_") && series.contains("{database=\"");
    assert!(backup.series().iter().chain(&verify.series()).all(is_ours), "{}\n{}", backup.text, verify.text);
    let proven = format!("postgres_verify_proven{{database=\"{}\"}}", stand.stand.database.name);
    assert_eq!(verify.value(&proven), 1.0);
}

#[test]
fn a_missing_folder_is_an_error_at_the_start_and_a_file_that_cannot_be_written_fails_no_run() {
    let stand = Stand::with_rows(1);
    let folder = tempfile::tempdir().unwrap();
    let output = stand.backup().args(["run"]).env("METRICS_FILE", folder.path().join("no/backup.prom")).output();
    assert_eq!(output.code, Some(78), "{}", output.stderr);
    assert!(output.stderr.contains("METRICS_FILE: is not the path of a file in a folder"), "{}", output.stderr);
    // No file can be created in there, not even by root.
    let output = stand.backup().args(["run"]).env("METRICS_FILE", "/proc/backup.prom").output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert!(output.stderr.contains("cannot write METRICS_FILE"), "{}", output.stderr);
}

/// The limit of file sizes stands for a full disk. A message and a ping need no disk.
#[test]
fn a_disk_that_is_full_costs_the_metrics_of_a_run_and_nothing_else() {
    let (stand, messages, pings) = (Stand::with_rows(10), Receiver::start(), Receiver::start());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backup.prom");
    fs::write(&path, "before").unwrap();
    let run = stand.backup().env("METRICS_FILE", &path).env("WEBHOOK_ON_SUCCESS", "true").args(["run"]);
    let run = run.env("WEBHOOK_URL", format!("json+http://{}/x", messages.authority()));
    let run = run.env("HEALTHCHECK_PING_URL", format!("http://{}/x", pings.authority()));
    let limit = r#"trap '' XFSZ; ulimit -f 2; exec "$@""#;
    let output = run.under("/bin/sh", &["-c", limit, "sh"]).output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert!(output.stderr.contains("cannot write METRICS_FILE"), "{}", output.stderr);
    assert_eq!(fs::read_to_string(&path).unwrap(), "before");
    assert_eq!(names_in(folder.path()), ["backup.prom"]);
    assert_eq!((messages.received().len(), pings.received().len()), (1, 1));
}
