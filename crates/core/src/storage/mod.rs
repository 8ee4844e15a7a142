//! One bucket and one prefix: put, put_new, list, delete, and read, download. Only single-object
//! requests are sent. Who writes needs `s3:PutObject`, `s3:ListBucket` and `s3:DeleteObject`; who reads
//! needs `s3:GetObject` and `s3:ListBucket`.

mod authorities;
mod client;
mod clock;
mod download;
mod fault;
mod key;
mod read;
mod retry;
mod upload;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use chrono::{DateTime, Utc};

pub use authorities::Authorities;
pub use client::{Checksum, StoreConfig};
pub use clock::Clock;
pub use download::Download;
pub use fault::StoreError;
pub use key::{KeyError, ObjectKey, Prefix};
pub use retry::RetryPolicy;
pub use upload::UploadPlan;

/// S3 lists at most 1,000 keys a page; beyond ten million keys under one prefix something else is wrong.
const MOST_PAGES: usize = 10_000;

/// A transfer is expected to run at this rate at least; slower attempts are given up and repeated.
const SLOWEST_LINK_BYTES_PER_SECOND: u64 = 64 * 1024;

/// One object of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    /// Its key.
    pub key: ObjectKey,
    /// Its size.
    pub bytes: u64,
    /// When the store says that it was written; for a multipart object that is when it was begun,
    /// which is why nothing is ordered by it.
    pub modified: Option<DateTime<Utc>>,
}

/// What became of an object that was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// It is gone, as far as the store tells.
    Gone,
    /// A marker hides it, and its bytes are kept and paid for until the bucket's lifecycle rule ends them.
    Hidden,
}

/// A bucket and a prefix in it. Made anew for each run, so that no run inherits a dead connection.
pub struct Store {
    client: aws_sdk_s3::Client,
    bucket: String,
    prefix: Prefix,
    retry: RetryPolicy,
    attempt_timeout: Duration,
    checksum: bool,
    /// Whether the store takes `If-None-Match`; false after it has answered 501 once.
    conditional: AtomicBool,
    /// Whether every deletion hides the object, whatever the reply says.
    hides: bool,
    /// What sees the `Date` of every answer.
    clock: clock::ClockWatch,
}

impl Store {
    /// Everything below this prefix is ours.
    pub fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// Stores `body` under `key` unless something is there already.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`] where another object has the key. Where the store does not know
    /// `If-None-Match`, the key's own randomness is what prevents an overwrite.
    pub async fn put_new(&self, key: &ObjectKey, body: Bytes) -> Result<(), StoreError> {
        let expected_bytes = body.len() as u64;
        let timeout = self.upload_timeout(expected_bytes);
        let (outcome, attempts) = self.retry.run("store", key, timeout, || self.put_once(key, body.clone())).await;
        match outcome {
            // The reply of an earlier attempt may have been lost after its effect.
            Err(StoreError::AlreadyExists(_)) if attempts > 1 && self.has(key, expected_bytes).await? => Ok(()),
            Err(StoreError::Unsupported { .. }) if self.conditional.swap(false, Ordering::Relaxed) => {
                self.retry.run("store", key, timeout, || self.put_once(key, body.clone())).await.0
            }
            outcome => outcome,
        }
    }

    async fn put_once(&self, key: &ObjectKey, body: Bytes) -> Result<(), StoreError> {
        let request = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(key.as_str())
            .set_if_none_match(self.condition())
            .set_checksum_algorithm(self.checksum_algorithm())
            .content_length(i64::try_from(body.len()).unwrap_or(i64::MAX))
            .body(ByteStream::from(body));
        request.send().await.map(drop).map_err(|error| StoreError::from_sdk("store", key, error))
    }

    /// Every object whose key starts with `start`, in the store's order, from all pages.
    ///
    /// # Errors
    /// Where any page cannot be had or contradicts itself: half a listing is no listing.
    pub async fn list(&self, start: &ObjectKey) -> Result<Vec<ListedObject>, StoreError> {
        let mut objects = Vec::new();
        let mut token: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let page =
                self.retry.run("list", start, self.attempt_timeout, || self.list_page(start, token.clone())).await.0?;
            for object in page.contents() {
                objects.push(listed_object(start, object)?);
            }
            let next = page.next_continuation_token().map(str::to_owned);
            match (page.is_truncated().unwrap_or(false), next) {
                (false, _) => return Ok(objects),
                (true, Some(next)) if Some(&next) != token.as_ref() => token = Some(next),
                (true, _) => {
                    return Err(StoreError::broken_listing(start, "a page says that more follow, and not where"));
                }
            }
        }
        Err(StoreError::broken_listing(start, "it has more than 10,000 pages"))
    }

    async fn list_page(
        &self,
        start: &ObjectKey,
        token: Option<String>,
    ) -> Result<aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output, StoreError> {
        let request =
            self.client.list_objects_v2().bucket(&self.bucket).prefix(start.as_str()).set_continuation_token(token);
        request.send().await.map_err(|error| StoreError::from_sdk("list", start, error))
    }

    /// Whether the listing shows `key` with exactly `bytes` bytes.
    ///
    /// # Errors
    /// As [`Store::list`].
    pub async fn has(&self, key: &ObjectKey, bytes: u64) -> Result<bool, StoreError> {
        Ok(self.list(key).await?.iter().any(|object| object.key == *key && object.bytes == bytes))
    }

    /// Asks whether the bucket answers, with one page of one request.
    ///
    /// # Errors
    /// Where it does not, after one attempt.
    pub async fn probe(&self) -> Result<(), StoreError> {
        let start = self.prefix.key("");
        let one = RetryPolicy { attempts: 1, ..self.retry };
        one.run("list", &start, self.attempt_timeout, || self.list_page(&start, None)).await.0.map(drop)
    }

    /// Deletes one object; one that is gone already counts as deleted.
    ///
    /// # Errors
    /// Where the store refuses or cannot be reached.
    pub async fn delete(&self, key: &ObjectKey) -> Result<Deletion, StoreError> {
        let once = || async {
            let request = self.client.delete_object().bucket(&self.bucket).key(key.as_str());
            request.send().await.map_err(|error| StoreError::from_sdk("delete", key, error))
        };
        match self.retry.run("delete", key, self.attempt_timeout, once).await.0 {
            // `x-amz-delete-marker`: the bucket is versioned, and what was there is still there below the marker.
            Ok(reply) if reply.delete_marker() == Some(true) || self.hides => Ok(Deletion::Hidden),
            Ok(_) | Err(StoreError::NotFound(_)) => Ok(Deletion::Gone),
            Err(error) => Err(error),
        }
    }

    fn condition(&self) -> Option<String> {
        self.conditional.load(Ordering::Relaxed).then(|| "*".to_owned())
    }

    fn checksum_algorithm(&self) -> Option<aws_sdk_s3::types::ChecksumAlgorithm> {
        self.checksum.then_some(aws_sdk_s3::types::ChecksumAlgorithm::Crc32)
    }

    /// The time that one attempt to send `bytes` may take.
    fn upload_timeout(&self, bytes: u64) -> Duration {
        transfer_timeout(self.attempt_timeout, bytes)
    }
}

/// The time that one attempt to move `bytes` may take.
fn transfer_timeout(attempt_timeout: Duration, bytes: u64) -> Duration {
    attempt_timeout.max(Duration::from_secs(bytes / SLOWEST_LINK_BYTES_PER_SECOND))
}

fn listed_object(start: &ObjectKey, object: &aws_sdk_s3::types::Object) -> Result<ListedObject, StoreError> {
    let key = object.key().unwrap_or_default();
    if !key.starts_with(start.as_str()) {
        return Err(StoreError::broken_listing(start, "it holds a key that was not asked for"));
    }
    Ok(ListedObject {
        key: ObjectKey::listed(key),
        bytes: object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
        modified: object.last_modified().and_then(|time| DateTime::from_timestamp(time.secs(), 0)),
    })
}
