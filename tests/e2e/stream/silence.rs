//! A store that falls silent in the middle of a part, and a link that is only slow.

use std::io::Cursor;
use std::time::{Duration, Instant};

use backup_core::codec::Compression;
use e2e::proxy::{Fault, Operation, Rule};

use super::sizes::{Bucket, Random, plan};

const MIB: usize = 1024 * 1024;

/// R149: a part of 16 MiB that is not taken is noticed as soon as a small one: its size, at the speed of a slow link,
/// would be four minutes.
#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_is_not_taken_is_noticed_by_the_silence_r149() {
    let bucket = Bucket::with_attempt_timeout(Duration::from_secs(1));
    bucket.proxy.rule(Rule::new(Operation::UploadPart, Fault::StallRead).first(1));
    let plain = Random::new(149).bytes(32 * MIB + 1);
    let started = Instant::now();
    let stored = bucket.put("object", Cursor::new(plain.clone()), Compression::None, plan(16 * MIB, 10_000)).await;
    assert_eq!(stored.unwrap().stored_bytes, plain.len() as u64);
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    assert_eq!(bucket.proxy.requests_of(Operation::UploadPart).len(), 4);
    assert!(std::fs::read(bucket.s3.path("p/object")).unwrap() == plain);
}

/// R149: in every phase, a store that stays silent ends the upload, and the message says who fell silent.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_stays_silent_is_named_in_every_phase_r149() {
    // Short ends: what the system may hold of a body has longer.
    for (operation, size) in [
        (Operation::PutObject, 1_000),
        (Operation::CreateMultipartUpload, 10 * MIB + 1),
        (Operation::UploadPart, 10 * MIB + 1),
        (Operation::CompleteMultipartUpload, 10 * MIB + 1),
    ] {
        let bucket = Bucket::with_attempt_timeout(Duration::from_millis(300));
        bucket.proxy.rule(Rule::new(operation, Fault::StallRead));
        let plain = Cursor::new(vec![7; size]);
        let words = bucket.put("object", plain, Compression::None, plan(5 * MIB, 10_000)).await.unwrap_err();
        assert!(words.contains("the bucket fell silent: no byte for"), "{operation:?}: {words}");
        assert!(bucket.s3.objects().is_empty(), "{operation:?}");
    }
}

/// R121: a part that takes longer than the bound of silence, with pauses within it, is sent once.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_link_with_pauses_is_no_silence_r121() {
    let bucket = Bucket::with_attempt_timeout(Duration::from_secs(3));
    let slow = Fault::Throttle { bytes_per_second: 2 * MIB as u64, pause: Duration::from_secs(1) };
    bucket.proxy.rule(Rule::new(Operation::UploadPart, slow));
    let plain = Random::new(121).bytes(16 * MIB);
    let started = Instant::now();
    bucket.put("object", Cursor::new(plain), Compression::None, plan(8 * MIB, 10_000)).await.unwrap();
    assert!(started.elapsed() > Duration::from_secs(3), "the link was not slow: {:?}", started.elapsed());
    assert_eq!(bucket.proxy.requests_of(Operation::UploadPart).len(), 2);
}
