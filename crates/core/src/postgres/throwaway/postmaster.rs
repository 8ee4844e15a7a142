//! The running server process.

use std::io;
use std::process::{Child, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long an immediate shutdown may take. The server itself kills what has not ended after five seconds.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// Time for the kernel to end a killed process, which may hang in a system call.
const KILL_LIMIT: Duration = Duration::from_secs(5);

const PAUSE: Duration = Duration::from_millis(10);

/// A server process and all that it has started. Dropping it ends them, and takes as long as
/// [`Postmaster::stop`] in the calling thread: usually 20 ms.
pub(super) struct Postmaster(Child);

impl Postmaster {
    pub(super) fn new(child: Child) -> Self {
        Self(child)
    }

    /// Its process id.
    pub(super) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// How it ended, if it did.
    pub(super) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.try_wait()
    }

    /// Shuts down at once: sessions are cut off, nothing is written.
    ///
    /// # Errors
    /// Where the process lives on even after SIGKILL, which only a hanging disk can cause.
    pub(super) async fn stop(mut self) -> io::Result<()> {
        for (signal, limit) in STEPS {
            self.send(signal);
            let deadline = Instant::now() + limit;
            while Instant::now() < deadline {
                if self.ended()?.is_some() {
                    return Ok(());
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "the server does not end"))
    }

    /// A server that was waited for is not signalled: its number may belong to somebody else by now.
    fn send(&mut self, signal: Signal) {
        let Ok(None) = self.ended() else { return };
        let Ok(pid) = i32::try_from(self.0.id()) else { return };
        if let Err(error) = kill(Pid::from_raw(pid), signal) {
            tracing::debug!(%error, "cannot signal the throwaway server; it may have ended already");
        }
    }
}

/// Sessions of a killed server end by themselves as soon as they notice.
const STEPS: [(Signal, Duration); 2] = [(Signal::SIGQUIT, STOP_LIMIT), (Signal::SIGKILL, KILL_LIMIT)];

impl Drop for Postmaster {
    fn drop(&mut self) {
        for (signal, limit) in STEPS {
            self.send(signal);
            let deadline = Instant::now() + limit;
            while Instant::now() < deadline {
                if !matches!(self.ended(), Ok(None)) {
                    return;
                }
                thread::sleep(PAUSE);
            }
        }
        tracing::warn!(pid = self.pid(), "the throwaway server does not end");
    }
}
