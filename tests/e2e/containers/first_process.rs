//! A container without an init: the service is process 1.

use std::time::{Duration, Instant};

use e2e::process::wait_until;

use super::{assert_code, assert_isolated, backup, committed, site, verify};

/// A first backup and a first drill, with Docker's own interval between two looks.
const FIRST: Duration = Duration::from_secs(120);

/// What docs/railway.md and the compose file promise a platform that stops a container.
const GRACE: Duration = Duration::from_secs(9);

#[test]
fn both_images_do_their_work_without_root_and_with_a_read_only_root_r087() {
    let Some(site) = site("first_process::both_images_do_their_work_without_root_and_with_a_read_only_root_r087")
    else {
        return;
    };
    let backup = backup(&site, &[]).env("RUN_ON_STARTUP", "true").start();
    let is_green = |daemon: &e2e::containers::Running| daemon.health() == "healthy" && daemon.get("/health").0 == 200;
    assert!(wait_until(FIRST, || is_green(&backup)), "{}", backup.log());
    let verify = verify(&site, &[]).env("RUN_ON_STARTUP", "true").start();
    assert!(wait_until(FIRST, || is_green(&verify)), "{}", verify.log());
    let (_, status) = verify.get("/status");
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["last_report"]["verdict"], "passed", "{status:#}");
    assert_eq!(status["last_report"]["backup"]["id"].as_str(), committed(&site).first().map(String::as_str));
    assert_isolated(&status["last_report"]);
    for daemon in [&backup, &verify] {
        assert_eq!(daemon.inspect("{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}}"), "true [ALL]");
        let users = daemon.shell("grep -h ^Uid: /proc/1/status; touch /written 2>&1");
        assert!(!users.contains("Uid:\t0") && users.contains("Read-only file system"), "{users}");
    }
}

/// What is not there cannot be used.
#[test]
fn the_images_hold_no_setuid_program_and_no_package_manager() {
    let Some(site) = site("first_process::the_images_hold_no_setuid_program_and_no_package_manager") else { return };
    for daemon in [backup(&site, &[]).start(), verify(&site, &[]).start()] {
        assert_eq!(daemon.shell("find / -xdev -type f -perm /6000 2>/dev/null"), "");
        assert_eq!(daemon.shell("ls /usr/bin /usr/sbin | grep -E '^(apt|dpkg)'; ls -d /usr/lib/apt 2>/dev/null"), "");
        // What scanners read to know what is in an image.
        assert!(daemon.shell("grep -c ^Package: /var/lib/dpkg/status").trim().parse::<u32>().unwrap() > 50);
    }
}

/// R102: a process that dies without a parent of its own is collected, and SIGTERM ends the daemon.
#[test]
fn orphans_are_collected_and_a_signal_ends_process_1_r102() {
    let Some(site) = site("first_process::orphans_are_collected_and_a_signal_ends_process_1_r102") else { return };
    let daemon = backup(&site, &[]).start();
    assert_eq!(daemon.shell("cat /proc/1/comm").trim(), "backup");
    // Each sleep loses its parent at once, and so belongs to process 1 when it ends.
    daemon.shell("for number in $(seq 50); do (sleep 0.3 & ) ; done");
    let states = || daemon.shell("for stat in /proc/[0-9]*/stat; do cat $stat; done 2>/dev/null");
    assert!(wait_until(Duration::from_secs(20), || !states().contains("(sleep)")), "zombies:\n{}", states());
    let asked = Instant::now();
    daemon.signal("TERM");
    let finished = daemon.finished();
    assert_code(&finished, 0);
    assert!(asked.elapsed() < GRACE, "the stop took {:?}", asked.elapsed());
    assert!(finished.stderr.contains("SIGTERM"), "{}", finished.stderr);
}

/// R100 in a container: nothing of the interrupted run counts, and the next start catches it up.
#[test]
fn a_container_killed_in_the_middle_of_a_run_leaves_no_backup_and_starts_again_r007_r100() {
    let test = "first_process::a_container_killed_in_the_middle_of_a_run_leaves_no_backup_and_starts_again_r007_r100";
    let Some(site) = site(test) else { return };
    // The run waits for this lock, so the kill comes in its middle.
    let waiting = || site.sql("app", "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") != "0";
    let lock = std::thread::scope(|scope| {
        let lock = scope.spawn(|| site.sql("app", "BEGIN; LOCK TABLE parent; SELECT pg_sleep(25); COMMIT"));
        // What began and came to no end holds the next run back for five minutes otherwise.
        let daemon = backup(&site, &[]).env("RUN_ON_STARTUP", "true").env("BACKUP_MIN_INTERVAL", "1").start();
        assert!(wait_until(FIRST, waiting), "nobody waits:\n{}", daemon.log());
        daemon.signal("KILL");
        assert!(wait_until(GRACE, || !daemon.is_running()), "a killed container runs on");
        assert!(wait_until(GRACE, || !waiting()), "a session outlives its container");
        assert_eq!(committed(&site), Vec::<String>::new());
        daemon.start_again();
        assert!(wait_until(FIRST, || committed(&site).len() == 1), "{}", daemon.log());
        lock.join()
    });
    lock.unwrap();
    assert_code(&verify(&site, &["run"]).run(), 0);
}
