//! Two deployments at once, as a platform that overlaps them makes it (R041, R103).

use std::time::Duration;

use e2e::process::wait_until;

use super::{assert_code, backup, committed, site, verify};

const LONG: Duration = Duration::from_secs(120);

#[test]
fn two_replicas_commit_backups_of_their_own_and_both_are_whole_r041_r103() {
    let Some(site) = site("replicas::two_replicas_commit_backups_of_their_own_and_both_are_whole_r041_r103") else {
        return;
    };
    let replica = || {
        let daemon = backup(&site, &[]).env("RUN_ON_STARTUP", "true").env("BACKUP_MIN_INTERVAL", "0");
        daemon.env("BACKUP_KEEP_LAST", "1").start()
    };
    let waiting = "SELECT count(DISTINCT client_addr) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    // Both runs wait for this lock, so both are going on at the same time.
    let (old, new) = std::thread::scope(|scope| {
        let lock = scope.spawn(|| site.sql("app", "BEGIN; LOCK TABLE parent; SELECT pg_sleep(20); COMMIT"));
        let (old, new) = (replica(), replica());
        assert!(wait_until(LONG, || site.sql("app", waiting) == "2"), "{}\n{}", old.log(), new.log());
        lock.join().unwrap();
        (old, new)
    });
    assert!(wait_until(LONG, || committed(&site).len() == 2), "{}\n{}", old.log(), new.log());
    // The platform ends the old one; the new one is well without it.
    old.signal("TERM");
    assert_code(&old.finished(), 0);
    assert_eq!(new.get("/health").0, 200);
    for id in committed(&site) {
        assert_code(&verify(&site, &["run", "--backup", &id]).run(), 0);
    }
}
