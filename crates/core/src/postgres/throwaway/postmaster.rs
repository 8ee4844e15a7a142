//! The running server process.

use std::io;
use std::process::{Child, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long an immediate shutdown may take, with the end of all that the server has started: more than the supervisor
/// takes for both.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// Time for the kernel to end a killed process, which may hang in a system call.
const KILL_LIMIT: Duration = Duration::from_secs(5);

const PAUSE: Duration = Duration::from_millis(10);

/// A server process and all that it has started. Dropping it ends them, and takes as long as
/// [`Postmaster::stop`] in the calling thread: usually 20 ms.
pub(super) struct Postmaster {
    /// The process between here and the server, if there is one.
    child: Child,
    pid: u32,
}

impl Postmaster {
    /// `server` is the number of the server if `child` is its supervisor.
    pub(super) fn new(child: Child, server: Option<u32>) -> Self {
        let pid = server.unwrap_or_else(|| child.id());
        Self { child, pid }
    }

    /// The server's process id.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// How it ended, if it did.
    pub(super) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Shuts down at once: sessions are cut off, nothing is written. Everything that the server has started ends, too.
    ///
    /// # Errors
    /// If a process lives on even after SIGKILL, or the one that looks for such processes was killed itself.
    pub(super) async fn stop(mut self) -> io::Result<()> {
        for (signal, limit) in STEPS {
            self.send(signal);
            let deadline = Instant::now() + limit;
            while Instant::now() < deadline {
                if let Some(status) = self.ended()? {
                    return left_behind(status);
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "the server does not end"))
    }

    /// A server that was waited for is not signalled: its number may belong to another process by now.
    fn send(&mut self, signal: Signal) {
        let Ok(None) = self.ended() else { return };
        let Ok(pid) = i32::try_from(self.child.id()) else { return };
        if let Err(error) = kill(Pid::from_raw(pid), signal) {
            tracing::debug!(%error, "cannot signal the throwaway server; it may have ended already");
        }
    }
}

/// An error if something that the server has started may still run.
#[cfg(target_os = "linux")]
fn left_behind(status: ExitStatus) -> io::Result<()> {
    match status.code() {
        Some(super::supervisor::LEFT_BEHIND) => {
            Err(io::Error::other("a process that the server has started does not end"))
        }
        Some(_) => Ok(()),
        None => Err(io::Error::other(
            "the process that ends what the server has started was killed, so something may still run",
        )),
    }
}

#[cfg(not(target_os = "linux"))]
fn left_behind(_: ExitStatus) -> io::Result<()> {
    Ok(())
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
