//! What a service does to itself first: no process of the same user looks into its memory.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use e2e::process::{Run, binary, wait_until};
use nix::unistd::{User, geteuid};

use super::children::{Slow, dump_of};
use crate::daemon::Running;
use crate::stand::Stand;

const SOON: Duration = Duration::from_secs(20);

fn core_limit(pid: u32) -> String {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a limit of core files");
    line.split_whitespace().skip(4).take(2).collect::<Vec<_>>().join(" ")
}

/// The owner of what only a process itself may read. The kernel gives it to root if the process is
/// not dumpable, which is all that can be seen of that from outside.
fn owner_of_memory(pid: u32) -> u32 {
    fs::metadata(format!("/proc/{pid}/mem")).unwrap().uid()
}

#[test]
fn core_dumps_are_off_in_both_services_and_in_their_children_r071() {
    let slow = Slow::new(r#"exec "$REAL" "$@""#);
    let backup = slow.backup().args(["run"]).spawn();
    let dump = dump_of(&backup);
    assert_eq!((core_limit(backup.pid()), core_limit(dump)), ("0 0".to_owned(), "0 0".to_owned()));
    slow.open_the_gate();
    assert_eq!(backup.wait(SOON).code, Some(0));
    let stand = Stand::new();
    let verify = Running::start(Run::new("verify").envs(stand.s3.env()).env("PORT", "0").env("LOG_FORMAT", "json"));
    assert_eq!(core_limit(verify.process.pid()), "0 0");
}

/// As another user than root, as in a container: the memory is root's, and nothing that the services do
/// themselves misses it, the throwaway server included.
#[test]
fn the_memory_of_both_services_is_closed_to_their_own_user_and_they_work_all_the_same_r071() {
    let stand = Stand::with_rows(10);
    let folder = crate::drill_safety::open_folder();
    let user = if geteuid().is_root() {
        User::from_name("postgres").unwrap().expect("a user postgres")
    } else {
        User::from_uid(geteuid()).unwrap().expect("an entry for the user of the tests")
    };
    let as_user = |name: &str| {
        let (uid, gid) = (format!("--reuid={}", user.uid), format!("--regid={}", user.gid));
        let run = Run::program("/usr/bin/setpriv").args([uid, gid]);
        let run = if geteuid().is_root() { run.args(["--clear-groups"]) } else { run };
        run.args(["--"]).args([binary(name)]).envs(stand.environment()).env("TMPDIR", folder.path())
    };
    for name in ["backup", "verify"] {
        let run = if name == "verify" { as_user(name).env_remove("DATABASE_URL") } else { as_user(name) };
        let run = run.env("RUN_ON_STARTUP", "true");
        let daemon = Running::start(run);
        let pid = daemon.process.pid();
        assert!(wait_until(SOON, || owner_of_memory(pid) == 0), "{name} is dumpable");
        let ended = if name == "backup" { "backup committed" } else { "drill" };
        let mut daemon = daemon;
        daemon.process.wait_for_line(ended, Duration::from_secs(60));
        if name == "verify" {
            let status = daemon.wait_for(Duration::from_secs(60), |status| status["last_report"].is_object());
            assert_eq!(status["last_report"]["verdict"], "passed", "{status:#}");
        }
    }
}
