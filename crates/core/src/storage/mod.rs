//! One bucket and one prefix: put, put_new, list, delete, and read, download. Only single-object
//! requests are sent. Who writes needs `s3:PutObject`, `s3:ListBucket` and `s3:DeleteObject`; who reads
//! needs `s3:GetObject` and `s3:ListBucket`.

mod answer;
mod authorities;
mod client;
mod clock;
mod counters;
mod credentials;
mod download;
mod fault;
mod http;
mod keeping;
mod key;
mod operation;
mod plan;
mod read;
mod requests;
mod retry;
mod unfinished;
mod upload;
mod watch;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub use authorities::Authorities;
pub use client::{Checksum, StoreConfig};
pub use clock::Clock;
pub use counters::StoreCounters;
pub use credentials::{Credentials, Identity, IdentitySource, Keys};
pub use download::Download;
pub use fault::{Refusal, StoreError};
pub use keeping::{AtRest, Keeping, LockMode, ObjectLock, Purpose};
pub use key::{KeyError, ObjectKey, Prefix};
pub use operation::Operation;
pub use plan::{Basis, Estimate, PlanError, TooManyParts, UploadPlan};
pub use retry::RetryPolicy;
pub use unfinished::UnfinishedUpload;

use requests::Requests;

/// S3 lists at most 1,000 keys a page; beyond ten million keys under one prefix something else is wrong.
const MAX_PAGES: usize = 10_000;

/// Bound of a whole listing: each page has a bound of its own, and a store that keeps within that could send pages for
/// days while no run begins.
const MAX_LISTING_TIME: Duration = Duration::from_secs(15 * 60);

/// Of a page with 1,000 keys of some hundred bytes each.
const PAGE_BYTES: u64 = 1024 * 1024;

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
    requests: Requests,
    checksum: bool,
    /// Whether the store takes `If-None-Match`; false after it has answered 501 once.
    conditional: AtomicBool,
    /// How the store is asked to keep objects.
    keeping: Keeping,
    /// Whether every deletion hides the object, against what the reply says.
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
    /// [`StoreError::AlreadyExists`] if an object of another size has the key, which is not of this call. If the store does not know
    /// `If-None-Match`, the key's own randomness is what prevents an overwrite.
    pub async fn put_new(&self, key: &ObjectKey, body: Bytes, purpose: Purpose) -> Result<(), StoreError> {
        let expected_bytes = body.len() as u64;
        let put = || self.put_once(key, body.clone(), purpose);
        let (outcome, attempts) = self.requests.run(Operation::Store, key, expected_bytes, put).await;
        match outcome {
            Err(error @ StoreError::AlreadyExists(_)) => match self.listed_bytes(key).await? {
                // The reply of an earlier attempt may have been lost after its effect.
                Some(bytes) if bytes == expected_bytes && attempts > 1 => Ok(()),
                Some(bytes) if bytes != expected_bytes => Err(error),
                // What stands between this and the store may have sent it twice: the object may be ours.
                _ => Err(StoreError::unclear(key)),
            },
            Err(StoreError::Unsupported { .. }) if self.conditional.swap(false, Ordering::Relaxed) => {
                self.requests.run(Operation::Store, key, expected_bytes, put).await.0
            }
            outcome => outcome,
        }
    }

    async fn put_once(&self, key: &ObjectKey, body: Bytes, purpose: Purpose) -> Result<(), StoreError> {
        let request = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(key.as_str())
            .set_if_none_match(self.condition())
            .set_checksum_algorithm(self.checksum_algorithm())
            .content_length(i64::try_from(body.len()).unwrap_or(i64::MAX))
            .body(ByteStream::from(body));
        let request = self.keeping.headers(purpose, self.now()).put(request);
        request.send().await.map(drop).map_err(|error| self.failed(Operation::Store, key, error))
    }

    /// Every object whose key starts with `start`, in the store's order, from all pages.
    ///
    /// # Errors
    /// If a page cannot be read or contradicts itself: half a listing is not a listing.
    pub async fn list(&self, start: &ObjectKey) -> Result<Vec<ListedObject>, StoreError> {
        let listed = tokio::time::timeout(MAX_LISTING_TIME, Box::pin(self.list_pages(start))).await;
        listed.unwrap_or_else(|_| Err(StoreError::broken_listing(start, "it took longer than 15 minutes")))
    }

    async fn list_pages(&self, start: &ObjectKey) -> Result<Vec<ListedObject>, StoreError> {
        let mut objects = Vec::new();
        let mut token: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let page = || self.list_page(start, token.clone());
            let page = self.requests.run(Operation::List, start, PAGE_BYTES, page).await.0?;
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
        request.send().await.map_err(|error| self.failed(Operation::List, start, error))
    }

    /// Whether the listing shows `key` with exactly `bytes` bytes.
    ///
    /// # Errors
    /// As [`Store::list`].
    pub async fn has(&self, key: &ObjectKey, bytes: u64) -> Result<bool, StoreError> {
        Ok(self.listed_bytes(key).await? == Some(bytes))
    }

    async fn listed_bytes(&self, key: &ObjectKey) -> Result<Option<u64>, StoreError> {
        Ok(self.list(key).await?.iter().find(|object| object.key == *key).map(|object| object.bytes))
    }

    /// Asks for one page of the listing below `start`: what is wrong with the bucket or the credentials comes out
    /// before anything else was begun, and an answer that contradicts this one later is doubted.
    ///
    /// # Errors
    /// If the bucket does not answer, or refuses.
    pub async fn reach(&self, start: &ObjectKey) -> Result<(), StoreError> {
        self.requests.run(Operation::List, start, PAGE_BYTES, || self.list_page(start, None)).await.0.map(drop)
    }

    /// As [`Store::reach`] for the whole prefix, with a single attempt.
    ///
    /// # Errors
    /// As [`Store::reach`].
    pub async fn probe(&self) -> Result<(), StoreError> {
        let start = self.prefix.key("");
        let once = self.requests.once();
        once.run(Operation::List, &start, PAGE_BYTES, || self.list_page(&start, None)).await.0.map(drop)
    }

    /// Deletes one object; one that is gone already counts as deleted.
    ///
    /// # Errors
    /// If the store refuses or cannot be reached.
    pub async fn delete(&self, key: &ObjectKey) -> Result<Deletion, StoreError> {
        let once = || async {
            let request = self.client.delete_object().bucket(&self.bucket).key(key.as_str());
            request.send().await.map_err(|error| self.failed(Operation::Delete, key, error))
        };
        match self.requests.run(Operation::Delete, key, 0, once).await.0 {
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

    /// What became of a request.
    fn failed<E>(&self, operation: Operation, key: &ObjectKey, error: SdkError<E, HttpResponse>) -> StoreError
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        self.keeping.explain(operation, StoreError::from_sdk(operation, key, error))
    }
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
