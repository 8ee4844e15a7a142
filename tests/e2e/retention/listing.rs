//! A listing that lies, or half of one, deletes nothing.

use std::sync::Mutex;

use chrono::{DateTime, TimeDelta, Utc};
use e2e::proxy::{Fault, Operation, Rule};
use serde_json::Value;

use super::{committed, deletions, prune, seed_days};
use crate::daemon::Running;
use crate::stand::Stand;

/// A run asks whether it reaches the bucket, whether its data arrived, and whether its manifest did; the fourth listing
/// is retention's.
const RETENTIONS: u32 = 4;

/// The text of a listing without the objects for which `goes` says so.
fn without(page: Vec<u8>, goes: impl Fn(&str) -> bool) -> Vec<u8> {
    let page = String::from_utf8(page).unwrap();
    let mut kept = String::new();
    let mut rest = page.as_str();
    while let Some((before, after)) = rest.split_once("<Contents>") {
        let (object, after) = after.split_once("</Contents>").unwrap();
        kept.push_str(before);
        if !goes(object) {
            kept.push_str(&format!("<Contents>{object}</Contents>"));
        }
        rest = after;
    }
    kept.push_str(rest);
    kept.into_bytes()
}

#[track_caller]
fn check_nothing_deleted(fault: Fault, complaint: &str) {
    let stand = Stand::with_rows(10);
    seed_days(&stand, 30..40);
    let dead = stand.seed(TimeDelta::days(50));
    stand.s3.delete(&stand.key(&dead, "manifest.json"));
    let before = stand.s3.objects();
    stand.proxy.rule(Rule::new(Operation::ListObjectsV2, fault).nth(RETENTIONS));
    let output = stand.backup().args(["run"]).env("RETRY_ATTEMPTS", "1").output();
    assert_eq!(output.code, Some(0), "the backup is committed all the same: {}", output.stderr);
    assert_eq!(stand.manifests().len(), 11);
    assert_eq!(deletions(&stand), Vec::<String>::new());
    assert!(before.keys().all(|key| stand.s3.objects().contains_key(key)));
    let warned = output.stderr.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut warned = warned.filter(|line| line["message"].as_str().unwrap().starts_with("retention did not finish"));
    let warning = warned.next().unwrap_or_else(|| panic!("no warning: {}", output.stderr));
    assert!(warning["error"].as_str().unwrap().contains(complaint), "{warning}");
    assert_eq!(warning["level"], "WARN");
}

#[test]
fn a_listing_that_is_empty_after_the_commit_deletes_nothing_r014() {
    check_nothing_deleted(Fault::rewrite(|page| without(page, |_| true)), "the listing does not show backup");
}

#[test]
fn a_listing_without_the_backup_just_made_deletes_nothing_r014() {
    let today = Utc::now().format("%Y%m%dT").to_string();
    let yesterday = (Utc::now() - TimeDelta::days(1)).format("%Y%m%dT").to_string();
    let is_new = move |object: &str| object.contains(&today) || object.contains(&yesterday);
    check_nothing_deleted(Fault::rewrite(move |page| without(page, &is_new)), "the listing does not show backup");
}

#[test]
fn a_listing_without_the_manifest_just_made_deletes_nothing_r014() {
    let today = Utc::now().format("%Y%m%dT%H").to_string();
    let before = (Utc::now() - TimeDelta::hours(1)).format("%Y%m%dT%H").to_string();
    let is_new =
        move |object: &str| object.contains("manifest.json") && (object.contains(&today) || object.contains(&before));
    check_nothing_deleted(Fault::rewrite(move |page| without(page, &is_new)), "the listing does not show backup");
}

#[test]
fn a_listing_that_breaks_off_deletes_nothing() {
    check_nothing_deleted(Fault::TruncateReply, "list");
    check_nothing_deleted(Fault::status(500, "InternalError"), "500 InternalError");
    check_nothing_deleted(Fault::OkWithError("InternalError"), "");
}

#[test]
fn a_listing_that_promises_more_and_does_not_say_where_deletes_nothing() {
    let promise = |page: Vec<u8>| {
        let page = String::from_utf8(page).unwrap();
        assert!(page.contains("<IsTruncated>false</IsTruncated>"), "{page}");
        page.replace("<IsTruncated>false</IsTruncated>", "<IsTruncated>true</IsTruncated>").into_bytes()
    };
    check_nothing_deleted(Fault::rewrite(promise), "more follow, and not where");
}

#[test]
fn a_listing_with_keys_that_were_not_asked_for_deletes_nothing_r014() {
    let foreign = |page: Vec<u8>| String::from_utf8(page).unwrap().replace("<Key>postgres-b", "<Key>x-b").into_bytes();
    check_nothing_deleted(Fault::rewrite(foreign), "a key that was not asked for");
}

/// The schedule that such a bucket comes from: each backup of it counts.
const EACH_MINUTE: [(&str, &str); 1] = [("BACKUP_INTERVAL", "60")];

/// 1,040 young objects and 12 old ones, which come first in the listing: two pages.
fn stand_of_two_pages() -> (Stand, Vec<String>) {
    let stand = Stand::with_rows(10);
    for minutes in 0..520 {
        stand.seed(TimeDelta::minutes(60 + minutes));
    }
    let old = seed_days(&stand, 30..36);
    (stand, old)
}

#[test]
fn a_thousand_objects_are_listed_page_by_page() {
    let (stand, old) = stand_of_two_pages();
    let list = stand.backup().args(["list", "--json"]).output();
    let list: Value = serde_json::from_str(&list.stdout).unwrap();
    assert_eq!(list["backups"].as_array().unwrap().len(), 526);
    let output = prune(&stand, &[], &EACH_MINUTE);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert_eq!(deletions(&stand).len(), 2 * old.len());
    assert!(deletions(&stand).iter().all(|key| old.iter().any(|id| key.contains(id))));
    assert_eq!(committed(&stand).len(), 520);
}

#[test]
fn a_second_page_that_fails_deletes_nothing() {
    let (stand, _) = stand_of_two_pages();
    let before = stand.s3.objects();
    for fault in [Fault::status(503, "SlowDown"), Fault::TruncateReply, Fault::CutBeforeReply] {
        stand.proxy.clear_rules();
        stand.proxy.rule(Rule::new(Operation::ListObjectsV2, fault).nth(2));
        let output = prune(&stand, &[], &[("RETRY_ATTEMPTS", "1")]);
        assert_eq!(output.code, Some(1), "{}", output.stderr);
    }
    assert_eq!(stand.s3.objects(), before);
    assert_eq!(deletions(&stand), Vec::<String>::new());
}

#[test]
fn a_second_page_that_fails_once_is_asked_for_again() {
    let (stand, old) = stand_of_two_pages();
    stand.proxy.rule(Rule::new(Operation::ListObjectsV2, Fault::status(503, "SlowDown")).nth(2));
    let output = prune(&stand, &[], &EACH_MINUTE);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert_eq!(deletions(&stand).len(), 2 * old.len());
}

#[test]
fn the_time_in_the_key_decides_and_not_the_stores_r029() {
    let stand = Stand::with_rows(10);
    let ids = seed_days(&stand, [30, 31, 32, 33, 34, 35]);
    // The store claims that the oldest key was written last.
    let ages = Mutex::new(ids.clone());
    let shuffle = move |page: Vec<u8>| {
        let page = String::from_utf8(page).unwrap();
        let objects = page.split_inclusive("</Contents>").map(|object| {
            let rank = ages.lock().unwrap().iter().position(|id| object.contains(id.as_str()));
            let Some(rank) = rank else { return object.to_owned() };
            let claimed = Utc::now() - TimeDelta::days(10) + TimeDelta::days(i64::try_from(rank).unwrap());
            let (head, rest) = object.split_once("<LastModified>").unwrap();
            let (_, tail) = rest.split_once("</LastModified>").unwrap();
            format!("{head}<LastModified>{}</LastModified>{tail}", claimed.format("%Y-%m-%dT%H:%M:%S.000Z"))
        });
        objects.collect::<String>().into_bytes()
    };
    stand.proxy.rule(Rule::new(Operation::ListObjectsV2, Fault::rewrite(shuffle)));
    let manifest = stand.run_ok();
    let kept = [manifest["id"].as_str().unwrap().to_owned(), ids[0].clone(), ids[1].clone()];
    assert_eq!(committed(&stand), kept.into());
}

#[test]
fn a_backup_from_the_future_is_reported_kept_and_never_the_newest_r029() {
    let stand = Stand::with_rows(10);
    let future = stand.seed(TimeDelta::days(-30));
    let old = seed_days(&stand, 30..36);
    let daemon = Running::start(stand.backup().env("BACKUP_INTERVAL", "3600"));
    let status = daemon.wait_until_waiting();
    assert_eq!(status["last_run"]["succeeded"], true, "it does not count as a success: {status:#}");
    assert_eq!(status["backups_from_the_future"], 1);
    let newest: DateTime<Utc> = status["newest_full_backup"]["at"].as_str().unwrap().parse().unwrap();
    assert!(newest < Utc::now());
    assert!(daemon.process.stderr_so_far().contains("dated in the future"));
    let left = committed(&stand);
    assert!(left.contains(&future) && left.contains(&old[0]) && left.contains(&old[1]), "{left:?}");
    assert_eq!(left.len(), 4, "it does not take the place of one of the newest three");
    let health = daemon.get("/health");
    assert_eq!(health.0, 200, "{}", health.1);
}
