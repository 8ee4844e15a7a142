//! A long life: clocks that are set, nights that are longer or shorter, machines that sleep, deployments that overlap.

mod daylight;
mod deployments;
mod lost_connection;
mod outage;
mod set_clocks;
mod sleep;
mod stopped_at_once;

use std::time::Duration;

use chrono::{DateTime, Utc};
use e2e::process::{Daemon, Run, wait_until};
use e2e::s3::S3Server;
use regex::Regex;
use tempfile::TempDir;

use crate::clock::Clock;
use crate::daemon::{Running, SOON};
use crate::stand::Stand;

/// A tick that has come is seen within so long: the longest sleep of a loop, and a run on a busy machine.
const A_LOOK: Duration = Duration::from_secs(60);

/// The S3 server as a program, so that it can have the clock of a test: a store refuses what was signed at another time.
struct Store {
    _process: Daemon,
    endpoint: String,
    root: TempDir,
    bucket: String,
}

impl Store {
    /// An empty one with the bucket and the keys of `stand`.
    fn start(stand: &Stand, clock: &Clock) -> Self {
        let root = tempfile::tempdir().unwrap();
        let s3: &S3Server = &stand.s3;
        let run = Run::new("s3-server").args(["--root".as_ref(), root.path().as_os_str()]);
        let run = run.args(["--bucket", s3.bucket(), "--access-key", s3.access_key(), "--secret-key", s3.secret_key()]);
        let mut process = clock.on(run).spawn();
        let line = process.wait_for_line("listening on ", crate::daemon::SOON);
        let endpoint = line.trim_start_matches("listening on ").trim().to_owned();
        Self { _process: process, endpoint, root, bucket: s3.bucket().to_owned() }
    }

    /// `run` with this store.
    fn on(&self, run: Run) -> Run {
        run.env("S3_ENDPOINT", &self.endpoint)
    }

    fn port(&self) -> u16 {
        self.endpoint.rsplit(':').next().unwrap().parse().unwrap()
    }

    /// The ids of all committed backups of the database of `stand`, the oldest first.
    fn committed(&self, stand: &Stand) -> Vec<String> {
        let folder = self.root.path().join(&self.bucket).join("postgres-backups").join(&stand.database.name);
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let made = entries.filter(|entry| entry.path().join("manifest.json").is_file());
        let mut ids: Vec<String> = made.map(|entry| entry.file_name().into_string().unwrap()).collect();
        ids.sort();
        ids
    }
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The ticks that a daemon has begun a run for, by its log, which must be at the level `debug`.
fn ticks(daemon: &Running) -> Vec<DateTime<Utc>> {
    let tick = Regex::new(r#""occasion":"Tick\(([^)]*)\)""#).unwrap();
    let log = daemon.process.stderr_so_far();
    let due = log.lines().filter(|line| line.contains("the next run is due"));
    due.filter_map(|line| Some(at(tick.captures(line)?.get(1)?.as_str()))).collect()
}

/// Waits until the last run that was begun was that of `tick`, and has ended.
#[track_caller]
fn wait_for_tick(daemon: &Running, tick: DateTime<Utc>) {
    let came = wait_until(A_LOOK, || ticks(daemon).last() == Some(&tick));
    assert!(came, "no run at {tick}: {:?}\n{}", ticks(daemon), daemon.process.stderr_so_far());
    daemon.wait_for(A_LOOK, |status| status["state"] == "waiting");
}

/// The codes of all alarms that were raised, and of all that were resolved, by the log.
fn told(daemon: &Running, message: &str) -> Vec<String> {
    let log = daemon.process.stderr_so_far();
    let lines = log.lines().filter(|line| line.contains(&format!("\"message\":\"{message}\"")));
    lines
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["code"].as_str().unwrap().to_owned())
        .collect()
}

/// It lives, and nothing is wrong any more.
#[track_caller]
fn assert_well(daemon: &mut Running) {
    let status = daemon.wait_for(A_LOOK, |status| status["alarms"].as_array().is_some_and(Vec::is_empty));
    assert_eq!((daemon.get("/livez").0, daemon.get("/health").0), (200, 200), "{status:#}");
    // One that becomes critical is raised twice.
    let codes = |messages: &[&str]| {
        let mut codes: Vec<String> = messages.iter().flat_map(|message| told(daemon, message)).collect();
        codes.sort();
        codes.dedup();
        codes
    };
    // The log follows what the status says.
    let all_are_over =
        wait_until(SOON, || codes(&["alarm raised", "waiting for the first result"]) == codes(&["alarm resolved"]));
    let log = daemon.process.stderr_so_far();
    assert!(all_are_over, "{log}");
    assert!(daemon.process.is_running(), "{log}");
    assert!(!log.contains("panicked"), "{log}");
}
