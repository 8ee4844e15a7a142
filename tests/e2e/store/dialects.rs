//! Stores differ in what they know, and policies in what they allow.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use e2e::proxy::{B2_REJECTS, Fault, NOT_FOR_BACKUP, Operation, RGW_REJECTS, Rule};

use super::{assert_exactly_one_backup, assert_exit, in_parts, large_stand};

/// What `backup` must never send, whether the store would allow it or not.
const NEVER: [Operation; 6] = [
    Operation::GetObject,
    Operation::HeadObject,
    Operation::HeadBucket,
    Operation::ListParts,
    Operation::DeleteObjects,
    Operation::Other,
];

/// Put, list and delete suffice, for a run with retention and for the other commands.
#[test]
fn the_documented_policy_suffices_for_every_command_r113_r111() {
    let stand = large_stand();
    stand.proxy.deny(NOT_FOR_BACKUP);
    stand.seed(TimeDelta::days(30));
    assert_exit(&in_parts(&stand).env("BACKUP_KEEP_LAST", "1").output(), 0);
    assert_exactly_one_backup(&stand);
    for arguments in [&["list"][..], &["prune", "--dry-run"], &["prune"], &["check"]] {
        assert_exit(&stand.backup().args(arguments).output(), 0);
    }
    assert!(!stand.proxy.requests_of(Operation::DeleteObject).is_empty(), "retention did not run");
    let denied = stand.proxy.requests().into_iter().filter(|request| request.status == Some(403));
    let denied: Vec<_> = denied.map(|request| request.operation).collect();
    // Whether there are unfinished uploads is asked once, and not knowing it is no failure.
    assert_eq!(denied, [Operation::ListMultipartUploads]);
    for operation in NEVER {
        assert!(stand.proxy.requests_of(operation).is_empty(), "{operation:?}");
    }
}

/// An abort is `s3:AbortMultipartUpload`, which the policy does not have: that is worth one sentence.
#[test]
fn an_abort_that_is_denied_is_one_warning_with_the_lifecycle_hint() {
    let stand = large_stand();
    stand.proxy.deny(NOT_FOR_BACKUP);
    stand.proxy.rule(Rule::new(Operation::UploadPart, Fault::status(403, "AccessDenied")));
    let output = in_parts(&stand).output();
    assert_exit(&output, 1);
    let hints: Vec<_> = output.stderr.lines().filter(|line| line.contains("lifecycle rule")).collect();
    assert_eq!(hints.len(), 1, "{}", output.stderr);
    assert!(hints[0].contains("WARN"), "{}", hints[0]);
    let error = output.stderr.lines().find(|line| line.contains("\"backup failed\"")).expect("an error");
    assert!(error.contains("upload part of") && !error.contains("abort upload of"), "{error}");
    assert_eq!(stand.objects(), BTreeMap::new());
}

/// B2, RGW and their relatives refuse what the SDK would send by default.
#[test]
fn nothing_is_sent_that_other_stores_refuse_r109_r110() {
    let stand = large_stand();
    stand.proxy.reject_headers(B2_REJECTS);
    stand.proxy.reject_headers(RGW_REJECTS);
    stand.proxy.require_content_length();
    stand.proxy.require_one_checksum();
    stand.proxy.require_equal_parts();
    assert_exit(&in_parts(&stand).output(), 0);
    assert_exactly_one_backup(&stand);
    assert_plain_bodies(&stand);
}

/// Buckets with Object Lock want a checksum, and one is enough.
#[test]
fn a_checksum_goes_in_a_header_where_it_is_asked_for_r112() {
    let stand = large_stand();
    stand.proxy.require_digest();
    stand.proxy.require_one_checksum();
    stand.proxy.reject_headers(RGW_REJECTS);
    assert_exit(&in_parts(&stand).env("S3_CHECKSUM", "crc32").output(), 0);
    assert_exactly_one_backup(&stand);
    assert_plain_bodies(&stand);
    for operation in [Operation::PutObject, Operation::UploadPart] {
        let sent = stand.proxy.requests_of(operation);
        assert!(!sent.is_empty() && sent.iter().all(|request| request.header("x-amz-checksum-crc32").is_some()));
    }
}

/// A clock that is off: the store says so, and no retry helps.
#[test]
fn a_clock_that_the_store_does_not_believe_is_named_r127() {
    let stand = large_stand();
    stand.proxy.rule(Rule::new(Operation::ListObjectsV2, Fault::status(403, "RequestTimeTooSkewed")));
    let output = in_parts(&stand).output();
    assert_exit(&output, 1);
    assert!(output.stderr.contains("the clock of this machine is wrong"), "{}", output.stderr);
    assert_eq!(stand.proxy.requests_of(Operation::ListObjectsV2).len(), 1);
    assert_eq!(stand.objects(), BTreeMap::new());
}

/// Every body is signed as a whole and has its length before it: nothing is chunked, nothing trails.
#[track_caller]
fn assert_plain_bodies(stand: &crate::stand::Stand) {
    for request in stand.proxy.requests() {
        let chunked =
            ["content-encoding", "transfer-encoding", "x-amz-trailer", "trailer", "x-amz-decoded-content-length"];
        for name in chunked {
            assert_eq!(request.header(name), None, "{name} in {} {}", request.method, request.key);
        }
        let signed = request.header("x-amz-content-sha256").unwrap_or_default();
        assert!(!signed.starts_with("STREAMING-"), "{signed} in {} {}", request.method, request.key);
    }
}
