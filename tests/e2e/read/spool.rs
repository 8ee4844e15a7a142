//! Objects in files: whole, private, or not there at all.

use std::fs;
use std::io::Cursor;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use backup_core::codec::encryption::{Encryption, Label, Opening};
use backup_core::codec::{Codec, Compression, Decoding, encode};
use backup_core::private::PrivateDir;
use backup_core::repository::ObjectFacts;
use backup_core::spool::{Onlookers, Spool, SpoolError, SpooledFile};
use backup_core::stop::{Stop, Stopped};
use backup_core::storage::UploadPlan;
use e2e::proxy::{Fault, NOT_FOR_VERIFY, Operation, Rule};
use tempfile::TempDir;

use super::{Bucket, key, noise};

/// A bucket with an encoded object in it, and a folder for what is fetched.
struct Fetching {
    bucket: Bucket,
    facts: ObjectFacts,
    opening: Opening,
    stop: Stop,
    folder: PrivateDir,
    plain_bytes: AtomicU64,
    _parent: TempDir,
}

impl Fetching {
    async fn of(plain: &[u8], compression: Compression) -> Self {
        let bucket = Bucket::new();
        let codec = Codec { compression, encryption: Encryption::None };
        let plan = UploadPlan::with_part_bytes(8 << 20, u64::MAX).unwrap();
        let opening = Opening::plain(Decoding::from(&codec).decompression);
        let body = encode(Cursor::new(plain.to_vec()), codec, &Label::default(), plan.part_bytes, Default::default());
        let digests = bucket.store.put(&key("dump"), plan, body, &Stop::default()).await.unwrap();
        bucket.proxy.deny(NOT_FOR_VERIFY);
        let parent = tempfile::tempdir().unwrap();
        Self {
            bucket,
            facts: ObjectFacts { name: "dump".to_owned(), digests },
            opening,
            stop: Stop::default(),
            folder: PrivateDir::create_in(parent.path()).unwrap(),
            plain_bytes: AtomicU64::new(0),
            _parent: parent,
        }
    }

    async fn fetch(&self) -> Result<SpooledFile, SpoolError> {
        let spool = Spool { store: &self.bucket.store, folder: &self.folder, stop: &self.stop };
        let onlookers = Onlookers { plain_bytes: Some(&self.plain_bytes), chunks: None };
        spool.fetch(&key("dump"), &self.facts, self.opening.clone(), "archive", onlookers).await
    }

    /// Fetches what must not come, and leaves nothing behind.
    #[track_caller]
    fn check_failure(&self, outcome: Result<SpooledFile, SpoolError>, damage: bool, words: &str) {
        let error = outcome.unwrap_err();
        let mut chain = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            chain.push_str(&format!(": {error}"));
            cause = error.source();
        }
        assert!(chain.contains(words), "{chain}");
        assert_eq!(error.is_damage(), damage, "{chain}");
        assert!(!self.folder.path().join("archive").exists(), "a file is left behind");
    }
}

#[tokio::test]
async fn an_object_becomes_a_private_file_with_the_bytes_that_were_dumped_r085() {
    for compression in [Compression::None, Compression::Gzip { level: 1 }, Compression::Zstd { level: 1 }] {
        let plain = noise(20_000_000, 1);
        let fetching = Fetching::of(&plain, compression).await;
        fetching.bucket.proxy.rule(Rule::new(Operation::GetObject, Fault::TruncateReply).first(2));
        let file = fetching.fetch().await.unwrap();
        assert!(fs::read(&file.path).unwrap() == plain, "{compression}");
        assert_eq!(file.bytes, 20_000_000);
        assert_eq!(fetching.plain_bytes.load(Ordering::Relaxed), 20_000_000);
        assert!(Duration::ZERO < file.download, "{file:?}");
        assert_eq!(fs::metadata(&file.path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(fetching.folder.path()).unwrap().permissions().mode() & 0o777, 0o700);
    }
}

#[tokio::test]
async fn a_damaged_object_leaves_no_file_and_names_the_layer_r021() {
    let fetching = Fetching::of(&noise(10_000_000, 2), Compression::Zstd { level: 1 }).await;
    let object = key("dump");
    let mut stored = fetching.bucket.s3.read(object.as_str());
    stored[5_000_000] ^= 1;
    fetching.bucket.s3.write(object.as_str(), &stored);
    fetching.check_failure(fetching.fetch().await, true, "the SHA-256 of the stored bytes is");

    stored.pop();
    fetching.bucket.s3.write(object.as_str(), &stored);
    fetching.check_failure(fetching.fetch().await, true, "download: postgres-backups/dump has");

    fetching.bucket.s3.delete(object.as_str());
    fetching.check_failure(fetching.fetch().await, true, "download: postgres-backups/dump does not exist");
}

#[tokio::test]
async fn a_store_that_cannot_be_read_is_no_damage() {
    let fetching = Fetching::of(&noise(10_000_000, 3), Compression::Zstd { level: 1 }).await;
    fetching.bucket.proxy.rule(Rule::new(Operation::GetObject, Fault::TruncateReply));
    fetching.check_failure(
        fetching.fetch().await,
        false,
        "download: read postgres-backups/dump: the answer is not usable",
    );
    fetching.bucket.proxy.deny(&[Operation::GetObject]);
    fetching.check_failure(fetching.fetch().await, false, "403 AccessDenied");
}

#[tokio::test]
async fn a_stop_ends_a_fetch_that_hangs_r100() {
    let fetching = Fetching::of(&noise(20_000_000, 4), Compression::None).await;
    let slow = Fault::Throttle { bytes_per_second: 100_000, pause: Duration::ZERO };
    fetching.bucket.proxy.rule(Rule::new(Operation::GetObject, slow));
    let stop = fetching.stop.clone();
    let trigger = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        stop.trigger(Stopped::Signal);
    });
    let begun = std::time::Instant::now();
    let outcome = fetching.fetch().await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    fetching.check_failure(outcome, false, "stopped by a signal");
    trigger.await.unwrap();
}

#[tokio::test]
async fn an_object_that_would_not_fit_is_not_even_asked_for_r036() {
    let mut fetching = Fetching::of(&noise(1000, 5), Compression::None).await;
    fetching.facts.digests.plain_bytes = u64::MAX / 2;
    let folder = fetching.folder.path().display().to_string();
    fetching.check_failure(fetching.fetch().await, false, &format!("{folder} has "));
    assert_eq!(fetching.bucket.proxy.requests_of(Operation::GetObject).len(), 0);
}
