//! A store that fails for good: no commit, and the older backups stay.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use e2e::proxy::{Fault, Operation, Rule};

use super::{assert_exit, in_parts, large_stand};

/// R009 in small: what failed counts for nothing, and nothing old makes room for it.
#[test]
fn a_store_that_fails_in_the_middle_leaves_the_old_backups_and_nothing_new_r009() {
    let stand = large_stand();
    for days in [20, 30, 40, 50] {
        stand.seed(TimeDelta::days(days));
    }
    let before = stand.s3.objects();
    for (operation, fault) in [
        (Operation::UploadPart, Fault::status(500, "InternalError")),
        (Operation::UploadPart, Fault::status(403, "QuotaExceeded")),
        (Operation::UploadPart, Fault::CutBeforeReply),
        (Operation::CreateMultipartUpload, Fault::bare_status(503)),
        (Operation::CompleteMultipartUpload, Fault::status(400, "InvalidPart")),
    ] {
        let rule = Rule::new(operation, fault.clone());
        // The first part is stored, a later one is not, of any number.
        stand.proxy.rule(Rule::new(Operation::UploadPart, Fault::Delay(Default::default())).first(1));
        stand.proxy.rule(rule);
        let output = in_parts(&stand).env("RETRY_ATTEMPTS", "2").env("BACKUP_KEEP_LAST", "1").output();
        assert_exit(&output, 1);
        stand.assert_no_commit(&before);
        assert!(stand.proxy.requests_of(Operation::DeleteObject).is_empty(), "{operation:?} {fault:?}");
        stand.proxy.clear_rules();
    }
}

/// Only the listing tells whether the store kept what it was sent.
#[test]
fn an_object_that_is_listed_with_another_size_is_no_backup_r006() {
    let stand = large_stand();
    let grow = |body: Vec<u8>| String::from_utf8(body).unwrap().replace("</Size>", "0</Size>").into_bytes();
    let forget = |body: Vec<u8>| String::from_utf8(body).unwrap().replace("Contents>", "Nothing>").into_bytes();
    for (fault, words) in [
        (Fault::rewrite(grow), "bytes in the listing and"),
        (Fault::rewrite(forget), "has no bytes in the listing and"),
    ] {
        stand.proxy.rule(Rule::new(Operation::ListObjectsV2, fault));
        let output = in_parts(&stand).output();
        assert_exit(&output, 1);
        assert!(output.stderr.contains(words), "{}", output.stderr);
        assert_eq!(stand.manifests(), BTreeMap::new());
        assert!(stand.proxy.requests_of(Operation::PutObject).iter().all(|put| !put.key.ends_with("manifest.json")));
        stand.proxy.clear_rules();
    }
}

/// Half a listing is no listing: neither a commit nor a deletion may stand on it.
#[test]
fn a_listing_that_always_breaks_off_commits_nothing_and_deletes_nothing() {
    let stand = large_stand();
    stand.seed(TimeDelta::days(30));
    let before = stand.manifests();
    stand.proxy.rule(Rule::new(Operation::ListObjectsV2, Fault::TruncateReply));
    assert_exit(&in_parts(&stand).env("RETRY_ATTEMPTS", "2").output(), 1);
    assert_eq!(stand.manifests(), before);
    assert_exit(&stand.backup().args(["prune"]).output(), 1);
    assert!(stand.proxy.requests_of(Operation::DeleteObject).is_empty());
}

/// A manifest that cannot be written is no backup, however whole its data is.
#[test]
fn a_manifest_that_is_refused_is_no_backup() {
    let stand = large_stand();
    let denied = Fault::status(403, "AccessDenied");
    stand.proxy.rule(Rule::new(Operation::PutObject, denied).key("manifest.json"));
    let output = in_parts(&stand).output();
    assert_exit(&output, 1);
    assert!(output.stderr.contains("commit: store manifest"), "{}", output.stderr);
    assert_eq!(stand.manifests(), BTreeMap::new());
    let listed = stand.backup().args(["list"]).output();
    assert!(listed.stdout.contains("0 committed"), "{}", listed.stdout);
}
