//! The filter of system calls (seccomp): which sockets can be had, and what no server and no client tool needs.
//!
//! A list of what is refused, not of what is allowed: an extension may need any call that does no harm.

use std::collections::BTreeMap;

use nix::libc;
use seccompiler::{
    BackendError, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, sock_filter,
};

use super::Sockets;

/// A filter as the kernel takes it.
pub(super) type Program = Vec<sock_filter>;

/// Calls of the x32 ABI have this bit in their number. They would pass every comparison with a number of x86-64.
#[cfg(target_arch = "x86_64")]
const X32_BIT: u32 = 0x4000_0000;

/// The bits of a socket's type that are not flags.
const TYPE_MASK: u64 = 0xf;

/// Refused as if the kernel did not have them: `io_uring` makes sockets and opens files behind the filter, and the
/// flags of `clone3` cannot be seen. The C library then takes `clone`.
const MISSING: [libc::c_long; 4] =
    [libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register, libc::SYS_clone3];

/// Refused: other processes, namespaces of users (in which a process has every capability), and parts of the kernel
/// with a history of vulnerabilities that no database needs.
const FORBIDDEN: [libc::c_long; 22] = [
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_bpf,
    libc::SYS_userfaultfd,
    libc::SYS_perf_event_open,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_mount,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    // Programs that are in no folder, and what outlives the server: its own shared memory is the only such thing.
    libc::SYS_memfd_create,
    libc::SYS_execveat,
    libc::SYS_msgget,
    libc::SYS_semget,
    libc::SYS_mq_open,
    libc::SYS_ioprio_set,
];

/// Refused unless they are about the process itself, which is 0: a limit of processor time ends a process as a signal does.
const OF_ANOTHER_PROCESS: [libc::c_long; 7] = [
    libc::SYS_prlimit64,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_setscheduler,
    libc::SYS_sched_setparam,
    libc::SYS_sched_setattr,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
];

/// The filters for a child that may use these sockets, none if there is no compiler for this processor.
pub(super) fn programs(sockets: Sockets) -> Vec<Program> {
    compile(sockets).unwrap_or_else(|error| {
        tracing::debug!(%error, "no filter of system calls");
        Vec::new()
    })
}

fn compile(sockets: Sockets) -> Result<Vec<Program>, BackendError> {
    let mut refused: BTreeMap<_, _> = FORBIDDEN.iter().map(|call| (*call, Vec::new())).collect();
    let new_user = libc::CLONE_NEWUSER as u64;
    refused.insert(libc::SYS_clone, vec![rule(&[(0, SeccompCmpOp::MaskedEq(new_user), new_user)])?]);
    for call in OF_ANOTHER_PROCESS {
        refused.insert(call, vec![rule(&[(0, SeccompCmpOp::Ne, 0)])?]);
    }
    let of_another = [(0, SeccompCmpOp::Ne, libc::PRIO_PROCESS.into()), (1, SeccompCmpOp::Ne, 0)];
    let of_another = of_another.map(|comparison| rule(&[comparison]));
    refused.insert(libc::SYS_setpriority, of_another.into_iter().collect::<Result<_, _>>()?);
    if sockets != Sockets::Any {
        refused.insert(libc::SYS_socket, other_sockets()?);
        refused.insert(libc::SYS_socketpair, other_sockets()?);
    }
    if sockets == Sockets::Answering {
        refused.insert(libc::SYS_connect, Vec::new());
    }
    let missing = MISSING.iter().map(|call| (*call, Vec::new())).collect();
    Ok(vec![program(refused, libc::EACCES)?, program(missing, libc::ENOSYS)?])
}

/// Everything but streams of Unix sockets. A datagram's address is where the filter cannot see it, so that one socket
/// reaches every service of the machine that listens for them.
fn other_sockets() -> Result<Vec<SeccompRule>, BackendError> {
    let unix = libc::AF_UNIX as u64;
    let mut rules = vec![rule(&[(0, SeccompCmpOp::Ne, unix)])?];
    for kind in (0..=TYPE_MASK).filter(|kind| *kind != libc::SOCK_STREAM as u64) {
        rules.push(rule(&[(1, SeccompCmpOp::MaskedEq(TYPE_MASK), kind)])?);
    }
    Ok(rules)
}

/// All of these comparisons of an argument hold.
fn rule(comparisons: &[(u8, SeccompCmpOp, u64)]) -> Result<SeccompRule, BackendError> {
    let conditions = comparisons.iter().map(|(argument, comparison, value)| {
        SeccompCondition::new(*argument, SeccompCmpArgLen::Dword, comparison.clone(), *value)
    });
    SeccompRule::new(conditions.collect::<Result<_, _>>()?)
}

/// A call of another ABI than this program's own ends the process: the compiler sees to those of another processor.
fn program(refused: BTreeMap<i64, Vec<SeccompRule>>, errno: i32) -> Result<Program, BackendError> {
    let arch: TargetArch = std::env::consts::ARCH.try_into()?;
    let refuse = SeccompAction::Errno(errno.unsigned_abs());
    let filter: Program = SeccompFilter::new(refused, SeccompAction::Allow, refuse, arch)?.try_into()?;
    Ok(without_x32(filter))
}

#[cfg(target_arch = "x86_64")]
fn without_x32(filter: Program) -> Program {
    let instruction = |code: u32, jt, jf, k| sock_filter { code: code as u16, jt, jf, k };
    let mut program = vec![
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0), // The number of the call.
        instruction(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 0, 1, X32_BIT),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_KILL_PROCESS),
    ];
    program.extend(filter);
    program
}

#[cfg(not(target_arch = "x86_64"))]
fn without_x32(filter: Program) -> Program {
    filter
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// The error numbers that a child gets for `calls` with this first argument, behind the filter if it `is_filtered`; 0 for none.
    fn errors_with(first: i32, calls: &[libc::c_long], is_filtered: bool) -> Vec<i32> {
        let error = |call: &libc::c_long| {
            let script = "exit(syscall($ARGV[0] + 0, $ARGV[1] + 0, 0, 0, 0, 0) == -1 ? $! + 0 : 0)";
            let status =
                Command::new("perl").args(["-e", script, &call.to_string(), &first.to_string()]).status().unwrap();
            status.code().unwrap()
        };
        // A filter is one of a thread, and of what the thread starts.
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let filters = if is_filtered { programs(Sockets::Local) } else { Vec::new() };
                filters.iter().for_each(|filter| seccompiler::apply_filter(filter).unwrap());
                calls.iter().map(error).collect()
            });
            thread.join().unwrap()
        })
    }

    fn errors(calls: &[libc::c_long], is_filtered: bool) -> Vec<i32> {
        errors_with(0, calls, is_filtered)
    }

    #[test]
    fn calls_about_other_processes_are_refused_and_those_about_the_own_one_are_not() {
        let calls = [OF_ANOTHER_PROCESS.to_vec(), vec![libc::SYS_setpriority]].concat();
        assert_eq!(errors_with(1, &calls, true), [libc::EACCES; 8]);
        assert!(!errors(&calls, true).contains(&libc::EACCES));
    }

    #[test]
    fn calls_that_no_server_needs_are_refused() {
        let calls = [
            libc::SYS_memfd_create,
            libc::SYS_execveat,
            libc::SYS_msgget,
            libc::SYS_semget,
            libc::SYS_mq_open,
            libc::SYS_unshare,
            libc::SYS_keyctl,
            libc::SYS_ptrace,
            libc::SYS_mount,
        ];
        assert_eq!(errors(&calls, true), [libc::EACCES; 9]);
        assert!(!errors(&calls, false).contains(&libc::EACCES), "another wall refuses them, and nothing is shown");
        assert_eq!(errors(&[libc::SYS_io_uring_setup, libc::SYS_clone3], true), [libc::ENOSYS; 2]);
    }
}
