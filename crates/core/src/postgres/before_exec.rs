//! What a child process does to itself between fork and exec.

use std::io::PipeWriter;
use std::process::Command;

use nix::sys::signal::{SigHandler, SigSet, Signal};
use nix::unistd::{Gid, Uid};

#[cfg(target_os = "linux")]
use super::throwaway::supervisor;

/// The operating-system user that a child runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) uid: Uid,
    pub(super) gid: Gid,
}

/// The signals by which children are ended.
const ENDING: [Signal; 4] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGHUP];

/// The changes that a child makes to itself before it becomes its program. It hears every signal: what its parent
/// ignores or blocks, as shells do for what they start in the background, would be ignored by the child, too, and
/// the death of the parent not noticed.
pub(super) struct BeforeExec {
    death_signal: Signal,
    account: Option<Account>,
    confined: Option<PipeWriter>,
    supervised: Option<PipeWriter>,
}

impl BeforeExec {
    /// The child gets `death_signal` when the thread that starts it ends, which for a thread of the
    /// runtime is when this process dies (Linux). Do not start one from `spawn_blocking`, whose
    /// threads end earlier.
    pub(super) fn dying_by(death_signal: Signal) -> Self {
        Self { death_signal, account: None, confined: None, supervised: None }
    }

    /// The child runs as `account` and in no group but its own.
    pub(super) fn running_as(mut self, account: Option<Account>) -> Self {
        self.account = account;
        self
    }

    /// The child can gain no privileges any more, not by setuid programs either, and it loses the
    /// network where the kernel lets it: then it writes a byte to `isolated` (Linux).
    pub(super) fn confined(mut self, isolated: PipeWriter) -> Self {
        self.confined = Some(isolated);
        self
    }

    /// A process stands between the child and this one, and ends whatever the child leaves behind. It is the child that
    /// the command knows; the number of the real one, in four bytes, goes to `told` (Linux).
    pub(super) fn supervised(mut self, told: PipeWriter) -> Self {
        self.supervised = Some(told);
        self
    }
}

#[cfg(target_os = "linux")]
impl BeforeExec {
    /// Makes `command` do all this.
    #[allow(unsafe_code, reason = "these system calls can only be made between fork and exec")]
    pub(super) fn arrange(self, command: &mut Command) {
        use std::os::unix::process::CommandExt;

        let parent = nix::unistd::getpid();
        // SAFETY: the closure runs in the child between fork and exec and makes system calls that are
        // async-signal-safe; it allocates nothing and touches no memory that is shared with the parent.
        unsafe {
            command.pre_exec(move || self.apply(parent).map_err(std::io::Error::from));
        }
    }

    /// The order matters: a network namespace takes the privileges that the change of user gives
    /// away, and the kernel clears the death signal at that change.
    fn apply(&self, parent: nix::unistd::Pid) -> nix::Result<()> {
        use nix::sched::{CloneFlags, unshare};
        use nix::sys::prctl;
        use nix::unistd::{getppid, setgid, setgroups, setuid, write};

        let parent = match &self.supervised {
            Some(told) => supervisor::stand_between(parent, told)?,
            None => parent,
        };
        hear_every_signal()?;
        if let Some(isolated) = &self.confined
            && unshare(CloneFlags::CLONE_NEWNET).is_ok()
        {
            write(isolated, b"!")?;
        }
        if let Some(account) = self.account {
            setgroups(&[account.gid])?;
            setgid(account.gid)?;
            setuid(account.uid)?;
        }
        if self.confined.is_some() {
            prctl::set_no_new_privs()?;
        }
        prctl::set_pdeathsig(self.death_signal)?;
        // The parent may have died before the line above took effect.
        if getppid() == parent { Ok(()) } else { Err(nix::errno::Errno::ESRCH) }
    }
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "no handler is installed, so none can run at a bad moment")]
fn hear_every_signal() -> nix::Result<()> {
    for signal in ENDING {
        // SAFETY: the default disposition runs no code of ours.
        unsafe { nix::sys::signal::signal(signal, SigHandler::SigDfl)? };
    }
    SigSet::empty().thread_set_mask()
}

#[cfg(not(target_os = "linux"))]
impl BeforeExec {
    /// Makes `command` run as the account; there is no more to be had here.
    pub(super) fn arrange(self, command: &mut Command) {
        use std::os::unix::process::CommandExt;

        if let Some(account) = self.account {
            command.uid(account.uid.as_raw()).gid(account.gid.as_raw());
        }
    }
}
