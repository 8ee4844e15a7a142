//! The first process of a container.
//!
//! The kernel gives process 1 two duties that no other has: it inherits every process whose parent has
//! died and must collect it, and a signal without a handler does not end it. A runtime that waits for
//! its own children alone would leave the others as zombies, so process 1 does nothing but these duties
//! and runs the program as its child.

use std::env;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid};

/// What is passed on to the program; anything else keeps the kernel's way with process 1.
const PASSED_ON: [Signal; 6] =
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGUSR1, Signal::SIGUSR2];

/// If this is process 1: runs this program once more as its child, passes signals on to it, collects
/// orphans, and returns the exit code of the child when it has ended. `None` in every other process,
/// and if no child can be made: then this process is the program.
///
/// A child that a signal has ended gives 128 and the number of the signal, as a shell tells it.
pub fn stand_in_for_init() -> Option<ExitCode> {
    let mut signals = SigSet::from_iter(PASSED_ON);
    signals.add(Signal::SIGCHLD);
    if getpid() != Pid::from_raw(1) {
        // Even if the parent has blocked it, this process must hear a signal to stop.
        report(signals.thread_unblock().map_err(io::Error::from), "listen to signals");
        return None;
    }
    report(signals.thread_block().map_err(io::Error::from), "hold signals back")?;
    let child = report(run_again(), "start this program under process 1")?;
    report(stand_by(child, &signals).map_err(io::Error::from), "wait for the program").map(ExitCode::from)
}

/// There is no log yet, so what went wrong goes to standard error.
fn report<T>(outcome: io::Result<T>, what: &str) -> Option<T> {
    outcome.inspect_err(|error| eprintln!("cannot {what}: {error}")).ok()
}

fn run_again() -> io::Result<Pid> {
    let mut arguments = env::args_os();
    let mut command = Command::new("/proc/self/exe");
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    let child = command.args(arguments).spawn()?;
    i32::try_from(child.id()).map(Pid::from_raw).map_err(io::Error::other)
}

/// Passes signals on and collects the dead until `child` is one of them.
fn stand_by(child: Pid, signals: &SigSet) -> nix::Result<u8> {
    loop {
        match signals.wait()? {
            Signal::SIGCHLD => {
                if let Some(code) = collect(child)? {
                    return Ok(code);
                }
            }
            signal => match kill(child, signal) {
                // It has ended just now; its SIGCHLD is on its way.
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(error) => return Err(error),
            },
        }
    }
}

/// Collects all that have died; one signal may stand for several. The exit code of `child`, if it did.
fn collect(child: Pid) -> nix::Result<Option<u8>> {
    let mut code = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, status)) if pid == child => {
                code = Some(u8::try_from(status & 0xff).unwrap_or(u8::MAX));
            }
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => {
                code = Some(128_u8.saturating_add(u8::try_from(signal as i32).unwrap_or(u8::MAX)));
            }
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return Ok(code),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
    }
}
