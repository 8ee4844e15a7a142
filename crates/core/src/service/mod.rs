//! The shell of a daemon: exit codes, log, signals, HTTP.

mod board;
mod hardening;
mod health;
mod http;
mod init;
mod logging;
mod pages;
mod panics;
mod patience;
mod shell;

pub use board::{Board, State};
pub use hardening::harden;
pub use health::{HealthQuestion, show_health};
pub use http::{bind, serve};
pub use init::stand_in_for_init;
pub use logging::{LogFormat, LogSettings, init_log};
pub use pages::{ProbeMemory, verdict};
pub use panics::silence_panics;
pub use patience::{insist, sleep};
pub use shell::Shell;

use tokio::signal::unix::{SignalKind, signal};

use crate::stop::{Stop, Stopped};

/// Exit codes, as docs/configuration.md lists them.
pub mod exit {
    /// Done; also a daemon that was asked to stop.
    pub const OK: u8 = 0;
    /// The run failed, or a check found what would make it fail.
    pub const FAILED: u8 = 1;
    /// Bad command line.
    pub const USAGE: u8 = 2;
    /// A signal ended a single run before it was done.
    pub const STOPPED: u8 = 3;
    /// Nothing is known about what was to be checked: the check itself did not work.
    pub const COULD_NOT_RUN: u8 = 4;
    /// Nothing was done, since somebody else is at it.
    pub const SKIPPED: u8 = 5;
    /// Bad environment.
    pub const CONFIG: u8 = 78;
}

/// Triggers `stop` at the first SIGTERM or SIGINT.
///
/// # Errors
/// Where the process may not install signal handlers.
pub fn stop_on_signals(stop: &Stop) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = stop.clone();
    tokio::spawn(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!(signal = name, "stopping");
        stop.trigger(Stopped::Signal);
    });
    Ok(())
}
