//! What passes is tried again, as often as it may be and not sooner than asked.

use std::time::Duration;

use chrono::TimeDelta;
use e2e::proxy::{Fault, Operation, Rule};

use super::{assert_exactly_one_backup, assert_exit, clear, in_parts, large_stand, requests};
use crate::stand::Stand;

const OPERATIONS: [Operation; 6] = [
    Operation::PutObject,
    Operation::CreateMultipartUpload,
    Operation::UploadPart,
    Operation::CompleteMultipartUpload,
    Operation::ListObjectsV2,
    Operation::DeleteObject,
];

/// R118 in small: every operation fails for its first two attempts.
#[test]
fn every_operation_survives_two_attempts_that_fail_in_passing_r118() {
    let stand = large_stand();
    for fault in [
        Fault::status(503, "SlowDown"),
        Fault::status(500, "InternalError"),
        Fault::bare_status(429),
        Fault::bare_status(502),
        Fault::CutBeforeReply,
    ] {
        // Old enough to be deleted after the commit.
        stand.seed(TimeDelta::days(30));
        for operation in OPERATIONS {
            stand.proxy.rule(Rule::new(operation, fault.clone()).first(2));
        }
        let sent = stand.proxy.requests().len();
        let output = in_parts(&stand).env("BACKUP_KEEP_LAST", "1").output();
        assert_exit(&output, 0);
        assert!(!output.stderr.contains("trying again\",\"attempt\":3"), "{fault:?}: {}", output.stderr);
        let hurt = stand.proxy.requests()[sent..].iter().filter(|request| request.faulted).count();
        assert_eq!(hurt, 2 * OPERATIONS.len(), "{fault:?}");
        assert_exactly_one_backup(&stand);
        clear(&stand);
    }
}

/// The store says how long it wants to be left alone.
#[test]
fn a_bare_429_is_tried_again_not_before_retry_after() {
    let stand = Stand::with_rows(100);
    let busy = Fault::Status { status: 429, code: None, retry_after_seconds: Some(2) };
    stand.proxy.rule(Rule::new(Operation::PutObject, busy).key("manifest.json").first(1));
    assert_exit(&stand.run(), 0);
    let puts = requests(&stand, Operation::PutObject, "manifest.json");
    assert_eq!(puts.len(), 2);
    assert!(puts[1].at - puts[0].at >= Duration::from_secs(2), "{:?}", puts[1].at - puts[0].at);
}

/// What does not pass is not tried again: the third answer would be the first one.
#[test]
fn a_refusal_for_good_is_asked_for_once() {
    let stand = Stand::with_rows(100);
    stand.proxy.rule(Rule::new(Operation::PutObject, Fault::status(403, "AccessDenied")));
    let output = stand.run();
    assert_exit(&output, 1);
    assert_eq!(stand.proxy.requests_of(Operation::PutObject).len(), 1);
    assert!(output.stderr.contains("s3:PutObject"), "{}", output.stderr);
    stand.assert_no_commit(&Default::default());
}

/// `RETRY_ATTEMPTS` bounds the attempts of a request, and the runs.
#[test]
fn a_store_that_never_recovers_is_given_up() {
    let stand = Stand::with_rows(100);
    stand.proxy.rule(Rule::new(Operation::PutObject, Fault::status(503, "SlowDown")));
    let output = stand.backup().args(["run"]).env("RETRY_ATTEMPTS", "2").output();
    assert_exit(&output, 1);
    assert_eq!(stand.proxy.requests_of(Operation::PutObject).len(), 4);
    stand.assert_no_commit(&Default::default());
}
