//! `backup prune`.

use super::{committed, deletions, prune, seed_days};
use crate::stand::Stand;

/// The line of the plan about `id`.
#[track_caller]
fn line<'plan>(plan: &'plan str, id: &str) -> &'plan str {
    let mut lines = plan.lines().filter(|line| line.contains(id));
    let line = lines.next().unwrap_or_else(|| panic!("{id} is not in the plan:\n{plan}"));
    assert_eq!(lines.next(), None, "{plan}");
    line
}

#[test]
fn a_dry_run_gives_a_reason_for_each_line_and_deletes_nothing() {
    let stand = Stand::with_rows(10);
    let ids = seed_days(&stand, [1, 2, 30, 40, 50, 60]);
    let dead = stand.seed(chrono::TimeDelta::days(3));
    stand.s3.delete(&stand.key(&dead, "manifest.json"));
    let before = stand.s3.objects();
    let output = prune(&stand, &["--dry-run"], &[("BACKUP_KEEP_YEARLY", "9")]);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let plan = output.stdout.as_str();
    assert!(line(plan, &ids[0]).contains("keep") && line(plan, &ids[0]).contains("newest 3, younger than 7 days"));
    assert!(line(plan, &ids[0]).contains("yearly"), "{plan}");
    assert!(line(plan, &ids[1]).contains("newest 3, younger than 7 days"), "{plan}");
    assert!(line(plan, &ids[2]).contains("newest 3"), "{plan}");
    assert!(line(plan, &dead).starts_with("delete") && line(plan, &dead).contains("incomplete run"), "{plan}");
    let deleted = plan.lines().filter(|line| line.starts_with("delete"));
    assert!(deleted.clone().all(|line| line.contains("no rule keeps it") || line.contains("incomplete run")), "{plan}");
    assert_eq!(plan.lines().count(), 7, "{plan}");
    assert_eq!((stand.s3.objects(), deletions(&stand)), (before, Vec::new()));
    // What was announced is what happens.
    let announced: Vec<String> = deleted.map(|line| line.split_whitespace().nth(1).unwrap().to_owned()).collect();
    let output = prune(&stand, &[], &[("BACKUP_KEEP_YEARLY", "9")]);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    for id in ids.iter().chain([&dead]) {
        let left = stand.s3.objects().keys().any(|key| key.contains(id.as_str()));
        assert_eq!(left, !announced.contains(id), "{id}\n{plan}");
    }
    assert!(output.stdout.contains(&format!("deleted {} backups", announced.len() - 1)), "{}", output.stdout);
}

#[test]
fn the_newest_backup_that_passed_a_drill_is_kept_however_old() {
    let stand = Stand::with_rows(10);
    let ids = seed_days(&stand, [1, 2, 3, 30, 40, 50, 60]);
    stand.s3.write(&stand.key(&ids[3], "drill-20250101T000000Z-failed.json"), "{}");
    stand.s3.write(&stand.key(&ids[4], "drill-20250101T000000Z-failed.json"), "{}");
    stand.s3.write(&stand.key(&ids[4], "drill-20250102T000000Z-passed.json"), "{}");
    stand.s3.write(&stand.key(&ids[5], "drill-20250102T000000Z-passed.json"), "{}");
    let plan = prune(&stand, &["--dry-run"], &[]).stdout;
    assert!(line(&plan, &ids[4]).starts_with("keep") && line(&plan, &ids[4]).contains("newest proven"), "{plan}");
    assert_eq!(prune(&stand, &[], &[]).code, Some(0));
    let kept = [&ids[0], &ids[1], &ids[2], &ids[4]].map(Clone::clone);
    assert_eq!(committed(&stand), kept.into());
    // The verdicts go with their backups.
    assert!(!stand.s3.objects().keys().any(|key| key.contains(ids[5].as_str()) || key.contains(ids[3].as_str())));
}

#[test]
fn one_run_deletes_no_more_than_it_may_and_the_oldest_first_r010() {
    let stand = Stand::with_rows(10);
    let ids = seed_days(&stand, 30..40);
    let env = [("BACKUP_MAX_DELETES", "2")];
    let plan = prune(&stand, &["--dry-run"], &env).stdout;
    assert_eq!(plan.lines().filter(|line| line.starts_with("delete")).count(), 2, "{plan}");
    assert!(line(&plan, &ids[3]).starts_with("later") && line(&plan, &ids[3]).contains("BACKUP_MAX_DELETES"), "{plan}");
    for left in [8, 6, 4, 3, 3] {
        assert_eq!(prune(&stand, &[], &env).code, Some(0));
        assert_eq!(committed(&stand), ids.iter().take(left).cloned().collect());
    }
}

#[test]
fn a_bucket_that_cannot_be_listed_is_a_failure_and_not_an_empty_one() {
    let stand = Stand::with_rows(10);
    stand.proxy.deny(&[e2e::proxy::Operation::ListObjectsV2]);
    for args in [&["--dry-run"][..], &[]] {
        let output = prune(&stand, args, &[]);
        assert_eq!(output.code, Some(1), "{}", output.stderr);
        assert!(output.stderr.contains("403 AccessDenied"), "{}", output.stderr);
        assert_eq!(output.stdout, "");
    }
}
