//! R042: no object is ever overwritten.

use std::time::{Duration, Instant};

use e2e::proxy::{Fault, Operation, Rule};

use backup_core::codec::Compression;
use backup_core::storage::UploadPlan;

use super::{assert_exactly_one_backup, assert_exit, clear, in_parts, large_stand, requests};
use crate::stand::Stand;
use crate::stream::sizes::Bucket;

/// Bound of the wait for a run to begin.
const FORGERY_LIMIT: Duration = Duration::from_secs(60);

/// R042.
#[test]
fn every_write_that_makes_an_object_appear_asks_for_a_free_key_r042() {
    let stand = large_stand();
    assert_exit(&stand.run(), 0);
    assert_exit(&in_parts(&stand).output(), 0);
    let puts = stand.proxy.requests_of(Operation::PutObject);
    let completions = stand.proxy.requests_of(Operation::CompleteMultipartUpload);
    assert!(puts.len() >= 4 && !completions.is_empty());
    for request in puts.iter().chain(&completions) {
        assert_eq!(request.header("if-none-match"), Some("*"), "{} {}", request.method, request.key);
    }
}

/// R042: the first holder of the key keeps it, and the run goes on under another id.
#[test]
fn a_key_that_is_taken_makes_the_run_start_again_under_a_new_id_r042() {
    let stand = Stand::with_rows(1_000);
    for object in ["manifest.json", ".dump.zst", "globals.sql.zst"] {
        let taken = Fault::status(412, "PreconditionFailed");
        stand.proxy.rule(Rule::new(Operation::PutObject, taken).key(object).first(1));
        assert_exit(&stand.run(), 0);
        let puts = requests(&stand, Operation::PutObject, object);
        let tries: Vec<_> = puts.iter().rev().take(2).collect();
        assert_ne!(tries[0].key, tries[1].key, "{object} was tried again under the key that is taken");
        assert_eq!((tries[1].status, tries[0].status), (Some(412), Some(200)), "{object}");
        let deleted = requests(&stand, Operation::DeleteObject, object);
        assert!(deleted.iter().all(|request| request.key != tries[1].key), "{object} of somebody else was deleted");
        assert_eq!(stand.manifests().len(), 1, "{object}");
        clear(&stand);
    }
}

/// A writer who may not delete puts a manifest of two bytes beside the dump of a run, before the run has put its own. The
/// whole dump beside it would look like a backup, and push good ones out.
#[test]
fn a_manifest_that_another_writer_puts_first_makes_no_backup() {
    let stand = Stand::with_rows(1_000);
    let slow = Fault::Delay(Duration::from_secs(2));
    stand.proxy.rule(Rule::new(Operation::PutObject, slow).key(".dump.zst").first(1));
    let forger = std::thread::scope(|scope| {
        let forger = scope.spawn(|| {
            let deadline = Instant::now() + FORGERY_LIMIT;
            let started = || stand.events().into_iter().find(|event| event.contains("-backup-started"));
            while Instant::now() < deadline {
                if let Some(event) = started() {
                    let id: String = event.split('-').take(2).collect::<Vec<_>>().join("-");
                    stand.s3.write(&stand.key(&id, "manifest.json"), "{}");
                    return id;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            panic!("no run began")
        });
        let run = stand.run();
        assert_exit(&run, 0);
        assert!(run.stderr.contains("another writer has stored"), "{run:?}");
        forger.join().unwrap()
    });
    assert_exactly_one_backup(&stand);
    assert!(!stand.objects().keys().any(|key| key.contains(&forger)), "{:?}", stand.objects());
}

/// R042, where the object really is there: with the same size as ours, it could be taken for ours.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_somebody_else_is_not_taken_for_ours_r042() {
    let bucket = Bucket::new();
    let part = 5 * 1024 * 1024;
    for size in [1000, part + 1000] {
        let theirs = vec![b'#'; size];
        bucket.s3.write("p/taken", &theirs);
        let ours = std::io::Cursor::new(vec![b'.'; size]);
        let plan = UploadPlan::with_part_bytes(part as u64, u64::MAX).unwrap();
        let error = bucket.put("taken", ours, Compression::None, plan).await.unwrap_err();
        assert!(error.contains("p/taken") && error.contains("already"), "{error}");
        assert!(bucket.s3.read("p/taken") == theirs, "{size} bytes were overwritten");
        assert_eq!(bucket.s3.open_uploads(), 0);
    }
}

/// R042: stores that do not know the condition rely on the randomness of the key.
#[test]
fn a_store_without_if_none_match_gets_its_backup_without_it_r042() {
    for status in [501, 400] {
        let stand = large_stand();
        stand.proxy.reject_if_none_match(status);
        assert_exit(&in_parts(&stand).output(), 0);
        assert_exactly_one_backup(&stand);
        let refused = stand.proxy.requests().iter().filter(|request| request.status == Some(status)).count();
        assert_eq!(refused, 1, "the store was asked again and again");
    }
}

/// R042: another writer was at work; nothing is known of its outcome, so the same key is tried again.
#[test]
fn a_conflict_of_conditions_is_tried_again_r042() {
    let stand = large_stand();
    let conflict = || Fault::status(409, "ConditionalRequestConflict");
    stand.proxy.rule(Rule::new(Operation::CompleteMultipartUpload, conflict()).first(1));
    stand.proxy.rule(Rule::new(Operation::PutObject, conflict()).key("manifest.json").first(1));
    stand.proxy.rule(Rule::new(Operation::PutObject, conflict()).key("globals").first(1));
    assert_exit(&in_parts(&stand).output(), 0);
    assert_exactly_one_backup(&stand);
    assert_eq!(requests(&stand, Operation::PutObject, "manifest.json").len(), 2);
}
