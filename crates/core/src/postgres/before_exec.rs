//! What a child process does to itself between fork and exec.

use std::io::PipeWriter;
use std::process::Command;

use nix::sys::signal::{SigHandler, SigSet, Signal};
use nix::unistd::{Gid, Uid};

use super::confinement::Confinement;
#[cfg(target_os = "linux")]
use super::confinement::Held;
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
    confinement: Option<Confinement>,
    /// Gets the [`Held`] of the child.
    told: Option<PipeWriter>,
    supervised: Option<PipeWriter>,
}

impl BeforeExec {
    /// The child gets `death_signal` when the thread that starts it ends, which for a thread of the
    /// runtime is when this process dies, and for that of a drill when the drill is over (Linux). Do not
    /// start one from `spawn_blocking`, whose threads end earlier.
    pub(super) fn dying_by(death_signal: Signal) -> Self {
        Self { death_signal, account: None, confinement: None, told: None, supervised: None }
    }

    /// The child runs as `account` and in no group but its own.
    pub(super) fn running_as(mut self, account: Option<Account>) -> Self {
        self.account = account;
        self
    }

    /// The child can gain no privileges any more, not by setuid programs either, and is bound to `confinement` as far
    /// as the kernel goes (Linux).
    pub(super) fn confined(mut self, confinement: Confinement) -> Self {
        self.confinement = Some(confinement);
        self
    }

    /// As [`BeforeExec::confined`]. The child also leaves the network behind if it may, and writes the bytes of
    /// [`Held`] to `told`.
    pub(super) fn isolated(mut self, confinement: Confinement, told: PipeWriter) -> Self {
        self.told = Some(told);
        self.confined(confinement)
    }

    /// A process stands between the child and this one, and ends everything that the child leaves behind. It is the
    /// child that the command knows; the number of the real one, in four bytes, goes to `told` (Linux).
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
    /// away, the kernel clears the death signal at that change, and the filter of system calls comes last.
    fn apply(&self, parent: nix::unistd::Pid) -> nix::Result<()> {
        use nix::sched::{CloneFlags, unshare};
        use nix::sys::prctl;
        use nix::unistd::{getppid, setgid, setgroups, setuid, write};

        let parent = match &self.supervised {
            Some(told) => supervisor::stand_between(parent, told)?,
            None => parent,
        };
        hear_every_signal()?;
        let mut held = Held::default();
        if self.told.is_some() {
            held.network = unshare(CloneFlags::CLONE_NEWNET).is_ok();
        }
        if let Some(account) = self.account {
            setgroups(&[account.gid])?;
            setgid(account.gid)?;
            setuid(account.uid)?;
        }
        prctl::set_pdeathsig(self.death_signal)?;
        if let Some(confinement) = &self.confinement {
            prctl::set_no_new_privs()?;
            let confined = confine(confinement);
            held = Held { network: held.network || confined.network, files: confined.files };
        }
        if let Some(told) = &self.told {
            write(told, &[held.to_byte()])?;
        }
        // The parent may have died before the line above took effect.
        if getppid() == parent { Ok(()) } else { Err(nix::errno::Errno::ESRCH) }
    }
}

/// Binds the calling process to rules and filters, and tells what holds. A kernel that has no such thing is no error.
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "there is no other way to bind a process to rules without allocating memory")]
fn confine(confinement: &Confinement) -> Held {
    use std::os::fd::AsRawFd;

    let is_bound = |rules: i32| {
        // SAFETY: the call takes a descriptor, which is open, and a number, and touches no memory.
        unsafe { nix::libc::syscall(nix::libc::SYS_landlock_restrict_self, rules, 0) == 0 }
    };
    let files = confinement.rules.as_ref().is_some_and(|rules| is_bound(rules.as_raw_fd()));
    let filtered = confinement.filters.iter().all(|filter| seccompiler::apply_filter(filter).is_ok());
    Held { network: filtered && confinement.promised.network, files: files && confinement.promised.files }
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
