//! Backups that retention deletes while a drill reads them, and roles with odd comments beside them.

use std::time::Duration;

use chrono::TimeDelta;
use e2e::process::wait_until;
use e2e::proxy::{Fault, Operation, Rule};

use super::DrillStand;
use super::stand::DRILL_LIMIT;

#[test]
fn a_backup_that_is_deleted_after_it_was_chosen_is_no_damage_and_another_is_drilled() {
    let stand = DrillStand::small("zstd");
    let oldest = stand.copy_as(TimeDelta::hours(9));
    let keys = || stand.stand.s3.objects().into_keys().filter(|key| key.contains(&oldest)).collect::<Vec<_>>();
    let kept: Vec<_> = keys().into_iter().map(|key| (key.clone(), stand.stand.s3.read(&key))).collect();
    for (argument, verdict) in [(vec!["--oldest"], ("passed", 0)), (vec!["--backup", &oldest], ("could_not_run", 4))] {
        kept.iter().for_each(|(key, content)| stand.stand.s3.write(key, content));
        let dump = kept.iter().map(|(key, _)| key).find(|key| key.contains(".dump")).unwrap();
        stand
            .stand
            .proxy
            .rule(Rule::new(Operation::GetObject, Fault::Delay(Duration::from_secs(3))).key(dump).first(1));
        let before = stand.stand.proxy.requests_of(Operation::GetObject).len();
        let drill = std::thread::scope(|scope| {
            let drilling = scope.spawn(|| stand.drill_of(stand.verify(), &argument));
            // The manifest, and then the dump.
            assert!(wait_until(DRILL_LIMIT, || stand.stand.proxy.requests_of(Operation::GetObject).len() > before));
            std::thread::sleep(Duration::from_millis(500));
            keys().iter().for_each(|key| stand.stand.s3.delete(key));
            drilling.join().unwrap()
        });
        drill.assert_verdict(verdict.0, verdict.1);
        assert_eq!(drill.report["findings"].to_string(), "[]");
        stand.stand.proxy.clear_rules();
    }
}

#[test]
fn comments_of_roles_with_line_breaks_are_no_finding() {
    let stand = DrillStand::of(
        "DO $$ BEGIN CREATE ROLE r_17c; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
         COMMENT ON ROLE r_17c IS E'first;\nDROP TABLE is said in the second\n\n-- and --';
         CREATE TABLE t AS SELECT 1 AS id",
        &[],
    );
    let drill = stand.drill();
    assert!(drill.checks("passed").contains(&"roles".to_owned()), "{:#?}", drill.findings());
}
