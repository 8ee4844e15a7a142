//! One of the two daemons, through all its lives.

use std::path::Path;
use std::time::Instant;

use e2e::process::{Run, http_get};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::daemon::{Running, SOON};

/// A daemon that is started again and again.
pub(super) struct Service {
    run: Box<dyn Fn() -> Run>,
    life: Option<Running>,
    /// What earlier lives have logged.
    past: String,
    /// When this life began.
    pub(super) born: Instant,
}

impl Service {
    /// Not yet started.
    pub(super) fn new(run: impl Fn() -> Run + 'static) -> Self {
        Self { run: Box::new(run), life: None, past: String::new(), born: Instant::now() }
    }

    pub(super) fn start(&mut self) {
        self.life = Some(Running::start((self.run)()));
        self.born = Instant::now();
    }

    pub(super) fn kill(&mut self) {
        let mut life = self.life.take().unwrap();
        life.process.kill9();
        self.past.push_str(&life.process.stderr_so_far());
    }

    /// Asks it to stop, and waits for that.
    pub(super) fn stop(&mut self) {
        let mut life = self.life.take().unwrap();
        life.process.signal(Signal::SIGTERM);
        let output = life.process.wait(SOON);
        self.past.push_str(&output.stderr);
        assert!(matches!(output.code, Some(0 | 3)), "{:?}\n{}", output.code, output.stderr);
    }

    pub(super) fn signal(&mut self, signal: Signal) {
        self.life.as_mut().unwrap().process.signal(signal);
    }

    /// Whether it lives, as the kernel and `/livez` say.
    pub(super) fn lives(&mut self) -> bool {
        let life = self.life.as_mut().unwrap();
        life.process.is_running() && http_get(life.port(), "/livez").is_ok_and(|(status, _)| status == 200)
    }

    /// `/status`; nothing if it does not answer.
    pub(super) fn status(&self) -> Value {
        let life = self.life.as_ref().unwrap();
        let answer = http_get(life.port(), "/status").map(|(_, body)| serde_json::from_str(&body).unwrap_or_default());
        answer.unwrap_or_default()
    }

    pub(super) fn metrics(&self) -> String {
        http_get(self.life.as_ref().unwrap().port(), "/metrics").map(|(_, body)| body).unwrap_or_default()
    }

    /// Everything that it has logged in all its lives.
    pub(super) fn log(&self) -> String {
        let now = self.life.as_ref().map(|life| life.process.stderr_so_far());
        format!("{}{}", self.past, now.unwrap_or_default())
    }

    pub(super) fn pid(&self) -> u32 {
        self.life.as_ref().unwrap().process.pid()
    }
}

/// The processes that have this folder in their environment or on their command lines.
pub(super) fn processes_in(folder: &Path) -> usize {
    let folder = folder.to_str().unwrap().as_bytes();
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let names = |path: std::path::PathBuf| {
        let text = std::fs::read(path).unwrap_or_default();
        text.windows(folder.len()).any(|window| window == folder)
    };
    entries.filter(|entry| names(entry.path().join("cmdline")) || names(entry.path().join("environ"))).count()
}
