//! A reply that is lost, cut or a lie says nothing about what happened; the bucket does.

use std::collections::BTreeMap;

use e2e::proxy::{Fault, Operation, Rule};

use super::{assert_exactly_one_backup, assert_exit, clear, in_parts, large_stand};

/// The request took effect and its reply never came: the effect is found, not repeated.
#[test]
fn a_lost_reply_makes_neither_a_failure_nor_a_duplicate() {
    let stand = large_stand();
    for (operation, key) in [
        (Operation::UploadPart, ".dump"),
        (Operation::CompleteMultipartUpload, ".dump"),
        (Operation::PutObject, "globals.sql"),
        (Operation::PutObject, "manifest.json"),
        (Operation::ListObjectsV2, ""),
    ] {
        for fault in [Fault::DropReply, Fault::TruncateReply] {
            stand.proxy.rule(Rule::new(operation, fault.clone()).key(key).first(1));
            let output = in_parts(&stand).output();
            assert_exit(&output, 0);
            assert!(!output.stderr.contains("backup failed"), "{operation:?} {fault:?}: {}", output.stderr);
            assert_exactly_one_backup(&stand);
            clear(&stand);
        }
    }
}

/// The same for a dump that is small enough for one request.
#[test]
fn a_lost_reply_of_a_small_dump_makes_neither_a_failure_nor_a_duplicate() {
    let stand = crate::stand::Stand::with_rows(1_000);
    stand.proxy.rule(Rule::new(Operation::PutObject, Fault::DropReply).key(".dump.zst").first(1));
    let output = stand.run();
    assert_exit(&output, 0);
    assert!(!output.stderr.contains("backup failed"), "the run was repeated: {}", output.stderr);
    assert_exactly_one_backup(&stand);
}

/// R031: S3 sends 200 before it knows how a completion ends.
#[test]
fn a_completion_that_says_200_and_means_an_error_is_tried_again_r031() {
    let stand = large_stand();
    for code in ["InternalError", "SlowDown"] {
        stand.proxy.rule(Rule::new(Operation::CompleteMultipartUpload, Fault::OkWithError(code)).first(2));
        assert_exit(&in_parts(&stand).output(), 0);
        assert_exactly_one_backup(&stand);
        clear(&stand);
    }
}

/// R031.
#[test]
fn a_completion_that_never_succeeds_is_no_backup_r031() {
    let stand = large_stand();
    let lie = Fault::OkWithError("InternalError");
    stand.proxy.rule(Rule::new(Operation::CompleteMultipartUpload, lie));
    let output = in_parts(&stand).env("RETRY_ATTEMPTS", "2").output();
    assert_exit(&output, 1);
    assert!(output.stderr.contains("200 InternalError"), "{}", output.stderr);
    stand.assert_no_commit(&BTreeMap::new());
}

/// A gateway that answers 200 and writes later, or never: a manifest that is not listed makes no backup.
#[test]
fn a_manifest_that_was_answered_and_not_stored_is_no_backup_and_the_run_is_tried_again() {
    let stand = crate::stand::Stand::with_rows(1_000);
    let lost = || Rule::new(Operation::PutObject, Fault::bare_status(200)).key("manifest.json");
    stand.proxy.rule(lost());
    let output = stand.backup().args(["run"]).env("RETRY_ATTEMPTS", "1").output();
    assert_exit(&output, 1);
    assert!(output.stderr.contains("manifest.json has no bytes in the listing and"), "{}", output.stderr);
    assert!(!output.stderr.contains("backup committed"), "{}", output.stderr);
    stand.proxy.clear_rules();
    clear(&stand);

    stand.proxy.rule(lost().first(1));
    let output = stand.run();
    assert_exit(&output, 0);
    assert!(output.stderr.contains("trying again"), "{}", output.stderr);
    assert_eq!(stand.manifests().len(), 1);
}
