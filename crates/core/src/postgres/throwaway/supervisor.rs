//! What stands between this process and a throwaway server, so that nothing outlives a drill.
//!
//! Code of an archive that a superuser restores can start programs, which may leave their session, their process group
//! and their parents behind. The one thing that they cannot leave is the line of their ancestors: the kernel gives a
//! process whose parent has died to its nearest ancestor that asked for such orphans (`PR_SET_CHILD_SUBREAPER`). The
//! supervisor asks, starts the server, and once the server has ended it kills what is left until it has no children
//! any more. That takes no privilege, and can hit nothing but what the server has started.
//!
//! The supervisor is a fork of this process that runs no program of its own, so it makes system calls only and
//! allocates nothing: other threads may have held any lock at the fork.

use std::io::PipeWriter;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::sys::prctl;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, sigaction};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getpid, getppid, write};

/// How it ends if something that the server has started could not be ended. PostgreSQL has no such code.
pub(super) const LEFT_BEHIND: i32 = 120;

/// How long an immediate shutdown of the server may take. The server itself kills its sessions after five seconds.
const SERVER_GRACE: Duration = Duration::from_secs(7);

/// How long the kernel may take to end what was killed.
const KILL_LIMIT: Duration = Duration::from_secs(5);

/// Between two looks for what is left.
const PAUSE: Duration = Duration::from_millis(2);

/// Without a signal, the next look whether the server has ended.
const LOOK: Duration = Duration::from_secs(1);

/// Bytes for a part of the listing of `/proc`, and for the beginning of a file in it.
const LISTING_BYTES: usize = 8 * 1024;
const STAT_BYTES: usize = 512;

/// Forks, and goes on in the child, which becomes the server: it writes its number to `told`. Returns the number of its
/// parent, the supervisor, which never returns from here.
///
/// To be called between fork and exec, in the child of `drill`.
///
/// # Errors
/// What the kernel says.
#[allow(unsafe_code, reason = "a fork without exec; the parent's side makes system calls only")]
pub(in crate::postgres) fn stand_between(drill: Pid, told: &PipeWriter) -> nix::Result<Pid> {
    // No handler of the program runs in the supervisor, and no signal gets lost before it waits for one.
    SigSet::all().thread_block()?;
    prctl::set_child_subreaper(true)?;
    let supervisor = getpid();
    // SAFETY: both sides go on with system calls alone.
    match unsafe { fork()? } {
        ForkResult::Child => {
            write(told, &getpid().as_raw().to_ne_bytes())?;
            Ok(supervisor)
        }
        ForkResult::Parent { child } => supervise(drill, child),
    }
}

/// Waits for the end of the server, or for a signal to end it, and ends what is left then.
fn supervise(drill: Pid, server: Pid) -> ! {
    close_every_file();
    let by_itself = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    let mut asked = !prepare(&by_itself, drill);
    let mut until = Instant::now() + SERVER_GRACE;
    if asked {
        ask_to_end(server);
    }
    let code = loop {
        if let Some(code) = collect(server) {
            break code;
        }
        if asked && Instant::now() >= until {
            break LEFT_BEHIND;
        }
        let signal = wait_for_signal(if asked { PAUSE } else { LOOK });
        if !asked && signal.is_some_and(|signal| signal != libc::SIGCHLD) {
            asked = true;
            until = Instant::now() + SERVER_GRACE;
            ask_to_end(server);
        }
    };
    let is_alone = end_all();
    // A server that had to be killed is no different from one that ended.
    let code = if is_alone && code == LEFT_BEHIND { 0 } else { code };
    exit(if is_alone { code } else { LEFT_BEHIND })
}

/// Whether the drill still lives: from here on the kernel tells when it dies.
#[allow(unsafe_code, reason = "no handler is installed, so none can run at a bad moment")]
fn prepare(by_itself: &SigAction, drill: Pid) -> bool {
    // A process that ignores this signal would never collect a child.
    // SAFETY: the default disposition runs no code of ours.
    let heard = unsafe { sigaction(Signal::SIGCHLD, by_itself) }.is_ok();
    heard && prctl::set_pdeathsig(Signal::SIGQUIT).is_ok() && getppid() == drill
}

/// An immediate shutdown. A server that is gone has been collected, or will be.
fn ask_to_end(server: Pid) {
    kill(server, Signal::SIGQUIT).ok();
}

/// Collects everything that has ended. The exit code of `server`, if it is among it: 128 and its number for a signal.
fn collect(server: Pid) -> Option<i32> {
    let mut code = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, status)) if pid == server => code = Some(status),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == server => code = Some(128 + signal as i32),
            // A server of which there is no trace any more has ended.
            Err(Errno::ECHILD) => return code.or(Some(0)),
            Ok(WaitStatus::StillAlive) | Err(_) => return code,
            Ok(_) => {}
        }
    }
}

/// Kills every child until there is none: what a killed one has started becomes a child by that. Whether none is left.
fn end_all() -> bool {
    let until = Instant::now() + KILL_LIMIT;
    loop {
        kill_children();
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Err(Errno::ECHILD) => return true,
                Ok(WaitStatus::StillAlive) | Err(_) => break,
                Ok(_) => {}
            }
        }
        if Instant::now() >= until {
            return false;
        }
        wait_for_signal(PAUSE);
    }
}

#[allow(unsafe_code, reason = "system calls that allocate nothing; the standard library's do")]
fn kill_children() {
    let own = getpid().as_raw();
    // SAFETY: a constant path with a NUL at its end.
    let listing = unsafe { libc::open(c"/proc".as_ptr(), libc::O_RDONLY | libc::O_DIRECTORY) };
    let mut part = [0_u8; LISTING_BYTES];
    loop {
        // SAFETY: the kernel writes at most as many bytes as there are; without the file it writes none.
        let read = unsafe { libc::syscall(libc::SYS_getdents64, listing, part.as_mut_ptr(), part.len()) };
        let Some(entries) = usize::try_from(read).ok().filter(|bytes| *bytes > 0).and_then(|bytes| part.get(..bytes))
        else {
            break;
        };
        for name in Names(entries) {
            if let Some(pid) = number(name).filter(|pid| *pid > 1 && parent_of(name) == Some(own)) {
                kill(Pid::from_raw(pid), Signal::SIGKILL).ok();
            }
        }
    }
    // SAFETY: the file is ours.
    unsafe { libc::close(listing) };
}

/// The names in what `getdents64` writes: each entry has its length at 16, and its name, with a NUL at the end, at 19.
struct Names<'listing>(&'listing [u8]);

impl<'listing> Iterator for Names<'listing> {
    type Item = &'listing [u8];

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = usize::from(u16::from_ne_bytes([*self.0.get(16)?, *self.0.get(17)?]));
        let name = self.0.get(19..bytes)?;
        self.0 = self.0.get(bytes..)?;
        name.split(|byte| *byte == 0).next()
    }
}

fn number(text: &[u8]) -> Option<i32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The parent of a process, out of `/proc/NUMBER/stat`: `number (name) state parent ..`. The name may hold anything.
#[allow(unsafe_code, reason = "system calls that allocate nothing; the standard library's do")]
fn parent_of(pid: &[u8]) -> Option<i32> {
    let mut path = [0_u8; 32];
    let (start, end) = (b"/proc/", b"/stat");
    let parts = start.iter().chain(pid).chain(end);
    for (place, byte) in path.iter_mut().take(31).zip(parts) {
        *place = *byte;
    }
    let mut text = [0_u8; STAT_BYTES];
    // SAFETY: the path ends with a NUL, and the kernel writes at most as many bytes as there are.
    let read = unsafe {
        let file = libc::open(path.as_ptr().cast(), libc::O_RDONLY);
        let read = libc::read(file, text.as_mut_ptr().cast(), text.len());
        libc::close(file);
        read
    };
    let text = text.get(..usize::try_from(read).ok()?)?;
    let name_end = text.iter().rposition(|byte| *byte == b')')?;
    let mut words = text.get(name_end + 2..)?.split(|byte| *byte == b' ');
    words.nth(1).and_then(number)
}

/// The number of the next signal, unless none comes in time.
#[allow(unsafe_code, reason = "there is no safe call with a bound")]
fn wait_for_signal(limit: Duration) -> Option<i32> {
    let limit = libc::timespec {
        tv_sec: libc::time_t::try_from(limit.as_secs()).unwrap_or(1),
        tv_nsec: limit.subsec_nanos().into(),
    };
    let all = SigSet::all();
    // SAFETY: both are valid for the call, and nothing is asked about the sender.
    let signal = unsafe { libc::sigtimedwait(all.as_ref(), std::ptr::null_mut(), &limit) };
    (signal > 0).then_some(signal)
}

/// The files of the drill are not ours to hold open: some are read until their last writer is gone.
#[allow(unsafe_code, reason = "the files of this process, which uses none of them any more")]
fn close_every_file() {
    // SAFETY: nothing in this process has a use for a file.
    unsafe {
        if libc::syscall(libc::SYS_close_range, 0_u32, u32::MAX, 0_u32) == 0 {
            return;
        }
        // Kernels before 5.9.
        let most = libc::sysconf(libc::_SC_OPEN_MAX).clamp(256, 65_536);
        for file in 0..i32::try_from(most).unwrap_or(65_536) {
            libc::close(file);
        }
    }
}

#[allow(unsafe_code, reason = "nothing that the program does at its end may be done by its fork")]
fn exit(code: i32) -> ! {
    // SAFETY: ends this process.
    unsafe { libc::_exit(code) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_of_a_process_is_read() {
        let own = getpid().as_raw();
        assert_eq!(parent_of(own.to_string().as_bytes()), Some(getppid().as_raw()));
        assert_eq!(parent_of(b"0"), None);
    }
}
