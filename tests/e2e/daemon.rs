//! The daemon and the commands: when runs happen, what the pages say, how it starts and ends.

pub(crate) mod alarms;
mod commands;
mod pages;
pub(crate) mod poll;
pub(crate) mod recovery;
mod restart;
mod schedule;
mod single_runs;
mod stop;

use std::path::Path;
use std::time::Duration;

use e2e::process::{Daemon, Run, http_get, wait_until};
use e2e::tools::FakeTools;
use serde_json::Value;
use tempfile::TempDir;

/// What should happen at once; the machine may be busy.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// A daemon and the port of its pages.
pub(crate) struct Running {
    pub(crate) process: Daemon,
    port: u16,
}

impl Running {
    /// Starts `backup` or `verify` without a command and waits until it listens.
    #[track_caller]
    pub(crate) fn start(run: Run) -> Self {
        let mut process = run.spawn();
        let line = process.wait_for_line("daemon started", SOON);
        let line: Value = serde_json::from_str(&line).unwrap();
        let port = line["port"].as_u64().and_then(|port| u16::try_from(port).ok());
        Self { process, port: port.expect("the first line tells the port") }
    }

    /// The port of its pages.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The status and the JSON of a page.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> (u16, Value) {
        let (status, body) = self.get_text(path);
        (status, serde_json::from_str(&body).unwrap_or_default())
    }

    /// The status and the text of a page.
    #[track_caller]
    pub(crate) fn get_text(&self, path: &str) -> (u16, String) {
        http_get(self.port, path).unwrap()
    }

    /// `/status`.
    #[track_caller]
    pub(crate) fn status(&self) -> Value {
        self.get("/status").1
    }

    /// Waits until `/status` is as `wanted` says and returns it.
    #[track_caller]
    pub(crate) fn wait_for(&self, limit: Duration, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut status = Value::Null;
        let reached = wait_until(limit, || {
            status = self.status();
            wanted(&status)
        });
        assert!(reached, "{status:#}\n{}", self.process.stderr_so_far());
        status
    }

    /// Waits until the first listing and all that it leads to are done.
    #[track_caller]
    pub(crate) fn wait_until_waiting(&self) -> Value {
        self.wait_for(SOON, |status| status["state"] == "waiting")
    }
}

/// A tool in the place of a real one, and a folder `$D` for signs between it and the test.
pub(crate) struct Script {
    tools: FakeTools,
    folder: TempDir,
}

/// The real `pg_dump`, held after its first kilobyte until the test makes the file `go`.
pub(crate) const HELD: &str = r#""$REAL" "$@" | {
    head -c 1000; : > "$D/held"
    while [ -d "$D" ] && ! [ -e "$D/go" ]; do sleep 0.05; done
    cat; }"#;

impl Script {
    /// A `pg_dump` as of [`Script::of`].
    pub(crate) fn pg_dump(body: &str) -> Self {
        Self::of("pg_dump", body)
    }

    /// A shell script as of [`FakeTools::script`] that writes its process id to `$D/starts` first.
    pub(crate) fn of(tool: &str, body: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut tools = FakeTools::new();
        tools.script(tool, &format!("D='{}'; echo $$ >> \"$D/starts\"\n{body}", folder.path().display()));
        Self { tools, folder }
    }

    /// `run` with this tool.
    pub(crate) fn on(&self, run: Run) -> Run {
        run.env("PG_BIN_DIR", self.tools.path())
    }

    /// The process ids of all starts until now.
    pub(crate) fn starts(&self) -> Vec<u32> {
        let text = std::fs::read_to_string(self.path().join("starts")).unwrap_or_default();
        text.lines().map(|line| line.parse().unwrap()).collect()
    }

    /// Makes the file `sign` for the script to see.
    pub(crate) fn give(&self, sign: &str) {
        std::fs::write(self.path().join(sign), "").unwrap();
    }

    /// Waits for the file `sign` that the script makes.
    #[track_caller]
    pub(crate) fn wait_for(&self, sign: &str) {
        assert!(wait_until(SOON, || self.path().join(sign).exists()), "the script did not come to {sign:?}");
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}
