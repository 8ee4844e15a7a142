//! Ranges that break off, change, or are ignored.

use backup_core::storage::StoreError;
use e2e::proxy::{Fault, Operation, Rule};

use super::{Bucket, RANGE, download, key, noise};

/// The first byte of the range that each request asked for, in the order of arrival.
fn asked(bucket: &Bucket) -> Vec<Option<usize>> {
    let start = |range: &str| range.strip_prefix("bytes=")?.split_once('-')?.0.parse().ok();
    let requests = bucket.proxy.requests_of(Operation::GetObject);
    requests.iter().map(|request| request.header("range").and_then(start)).collect()
}

/// R123: what has arrived is kept, the rest is asked for, of the same object.
#[tokio::test]
async fn a_connection_that_drops_anywhere_goes_on_where_it_broke_off_r123() {
    let bucket = Bucket::new();
    let content = noise(4 * RANGE + 12_345, 1);
    let key = bucket.put("dump", &content);
    let offsets = noise(5, u64::from(std::process::id()));
    for offset in &offsets {
        let offset = usize::from(*offset) * (RANGE / 256) + 1;
        bucket.proxy.rule(Rule::new(Operation::GetObject, Fault::CutReplyAfter(offset as u64)).first(1));
    }
    assert!(download(&bucket.store, &key, content.len()).await.unwrap() == content, "cut at {offsets:?}");
    let requests = bucket.proxy.requests_of(Operation::GetObject);
    assert_eq!(requests[0].header("if-match"), None);
    assert!(requests[1..].iter().all(|request| request.header("if-match").is_some()));
    assert!(asked(&bucket).iter().any(|start| start.unwrap() % RANGE != 0), "{:?}", asked(&bucket));
}

#[tokio::test]
async fn what_passes_is_tried_again_r123() {
    let bucket = Bucket::impatient();
    let content = noise(2 * RANGE, 2);
    let key = bucket.put("dump", &content);
    for fault in [
        Fault::status(503, "SlowDown"),
        Fault::bare_status(429),
        Fault::CutBeforeReply,
        Fault::DropReply,
        Fault::TruncateReply,
        Fault::CutReplyAfter(0),
        Fault::BlackHole,
    ] {
        bucket.proxy.rule(Rule::new(Operation::GetObject, fault.clone()).first(2));
        assert!(download(&bucket.store, &key, content.len()).await.unwrap() == content, "{fault:?}");
        bucket.proxy.clear_rules();
    }
}

#[tokio::test]
async fn every_size_comes_whole_and_in_order_r035() {
    let bucket = Bucket::new();
    for bytes in [0, 1, RANGE - 1, RANGE, RANGE + 1, 6 * RANGE + 1] {
        let content = noise(bytes, 3);
        let key = bucket.put("dump", &content);
        assert!(download(&bucket.store, &key, bytes).await.unwrap() == content, "{bytes}");
    }
}

/// R123: two halves of two objects never become one.
#[tokio::test]
async fn an_object_that_changes_while_it_is_read_is_an_error_r123() {
    let bucket = Bucket::new();
    let size = 7 * RANGE;
    let key = bucket.put("dump", &noise(size, 4));
    let mut half = bucket.store.download(&key, size as u64);
    let mut first_range = 0;
    while first_range < RANGE {
        first_range += half.next_chunk().await.unwrap().unwrap().len();
    }
    bucket.put("dump", &noise(size, 5));
    let error = loop {
        match half.next_chunk().await {
            Ok(chunk) => assert!(chunk.is_some(), "a mixture was delivered"),
            Err(error) => break error,
        }
    };
    assert!(error.to_string().contains("changed while it was read"), "{error}");
    assert!(error.is_damage() && !error.is_passing());
    assert!(half.next_chunk().await.is_err(), "a broken download must not look finished");

    drop(half); // With the requests that it has on their way.

    // A store that does not know `If-Match` on reads still tells which object it answers with.
    let other = Fault::SetReplyHeader("etag", "\"other\"".to_owned());
    bucket.proxy.rule(Rule::new(Operation::GetObject, other).nth(3));
    let error = download(&bucket.store, &key, size).await.unwrap_err();
    assert!(error.to_string().contains("changed while it was read"), "{error}");
}

/// R123: 200 and the whole object is a lawful answer to a range.
#[tokio::test]
async fn a_store_that_ignores_ranges_is_read_as_one_stream_r123() {
    let bucket = Bucket::new();
    bucket.s3.ignore_ranges();
    let content = noise(3 * RANGE + 1, 6);
    let key = bucket.put("dump", &content);
    assert!(download(&bucket.store, &key, content.len()).await.unwrap() == content);
    assert_eq!(asked(&bucket), [Some(0), None]);

    // The first cut is wasted on the answer to the range.
    for offset in [1, RANGE + 77, 2 * RANGE] {
        bucket.proxy.rule(Rule::new(Operation::GetObject, Fault::CutReplyAfter(offset as u64)).first(1));
    }
    assert!(download(&bucket.store, &key, content.len()).await.unwrap() == content);
    assert_eq!(asked(&bucket)[2..], [Some(0), None, None, None]);

    // What is asked for again must be the same object.
    bucket.proxy.clear_rules();
    let cut = Fault::CutReplyAfter(RANGE as u64);
    bucket.proxy.rule(Rule::new(Operation::GetObject, cut).nth(2));
    let other = Fault::SetReplyHeader("etag", "\"other\"".to_owned());
    bucket.proxy.rule(Rule::new(Operation::GetObject, other).nth(2));
    let error = download(&bucket.store, &key, content.len()).await.unwrap_err();
    assert!(error.to_string().contains("changed while it was read"), "{error}");
}

#[tokio::test]
async fn an_object_of_another_size_is_damaged_r020() {
    let bucket = Bucket::new();
    let size = RANGE + 1000;
    let key = bucket.put("dump", &noise(size, 8));
    for wrong in [0, 1, RANGE, size - 1, size + 1, 3 * RANGE] {
        let error = download(&bucket.store, &key, wrong).await.unwrap_err();
        assert!(error.is_damage(), "{error}");
        assert!(error.to_string().contains(&format!("has {size} bytes in place of {wrong}")), "{error}");
    }
    bucket.put("dump", b"");
    let error = download(&bucket.store, &key, size).await.unwrap_err();
    assert!(error.is_damage() && error.to_string().contains("is shorter than the backup says"), "{error}");
    let error = download(&bucket.store, &super::key("gone"), size).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound(_)) && error.is_damage(), "{error}");
}

/// Answers that contradict themselves are never taken for content.
#[tokio::test]
async fn an_answer_that_does_not_fit_the_question_is_an_error() {
    let bucket = Bucket::new();
    let size = RANGE + 1000;
    bucket.put("dump", &noise(size, 9));
    let range = |text: &str| Fault::SetReplyHeader("content-range", text.to_owned());
    for (fault, words) in [
        (range("bytes 0-8388607/99999999"), "has 99999999 bytes in place of 8389608"),
        (range("bytes 1-8388608/8389608"), "another range than was asked for"),
        (range("bytes 0-8388607/*"), "Content-Range cannot be read"),
        (Fault::rewrite(|body| body[..body.len().saturating_sub(1)].to_vec()), "early"),
        (Fault::rewrite(|body| [body, vec![0]].concat()), "longer than what was asked for"),
    ] {
        bucket.proxy.rule(Rule::new(Operation::GetObject, fault.clone()));
        let error = download(&bucket.store, &key("dump"), size).await.unwrap_err();
        assert!(error.to_string().contains(words), "{fault:?}: {error}");
        bucket.proxy.clear_rules();
    }
}
