//! From `main` to an exit code: log, runtime, signals, and the grace period after one.

use std::process::ExitCode;
use std::time::Duration;

use backup_core::scrub::Scrubber;
use backup_core::stop::{Stop, Stopped};
use tokio::signal::unix::{SignalKind, signal};

use crate::exit;
use crate::logging::{LogSettings, init_log};

/// What is left of the runtime may take this long to end: a thread of the codec at most.
const RUNTIME_GRACE: Duration = Duration::from_millis(200);

/// What a command runs in.
pub struct Shell {
    /// Its log.
    pub log: LogSettings,
    /// What no line of the log may hold.
    pub scrubber: Scrubber,
    /// How long a command may take to end after SIGTERM or SIGINT.
    pub grace: Duration,
    /// The exit code of an error.
    pub code_of_error: u8,
}

impl Shell {
    /// Runs `command` to its end, or until the grace period is over; returns its exit code. An error
    /// is logged here, and only here.
    pub fn run<W>(self, command: impl FnOnce(Stop) -> W) -> ExitCode
    where
        W: Future<Output = anyhow::Result<u8>>,
    {
        init_log(self.log, self.scrubber.clone());
        let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                eprintln!("start the runtime: {error}");
                return ExitCode::from(self.code_of_error);
            }
        };
        let code = runtime.block_on(self.run_within_grace(command));
        runtime.shutdown_timeout(RUNTIME_GRACE);
        ExitCode::from(code)
    }

    async fn run_within_grace<W>(&self, command: impl FnOnce(Stop) -> W) -> u8
    where
        W: Future<Output = anyhow::Result<u8>>,
    {
        let stop = Stop::with_grace(self.grace);
        if let Err(error) = stop_on_signals(&stop) {
            tracing::error!(%error, "cannot listen for signals");
            return self.code_of_error;
        }
        let out_of_time = async {
            stop.stopped().await;
            tokio::time::sleep(self.grace).await;
        };
        tokio::select! {
            outcome = Box::pin(command(stop.clone())) => match outcome {
                Ok(code) => code,
                Err(error) => {
                    tracing::error!(error = format!("{error:#}"), "failed");
                    if stop.reason().is_some() { exit::STOPPED } else { self.code_of_error }
                }
            },
            () = out_of_time => {
                tracing::warn!("the run did not end within SHUTDOWN_GRACE_SECONDS and is abandoned");
                exit::STOPPED
            }
        }
    }
}

/// Triggers `stop` at the first SIGTERM or SIGINT.
///
/// # Errors
/// If the process may not install signal handlers.
fn stop_on_signals(stop: &Stop) -> std::io::Result<()> {
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
