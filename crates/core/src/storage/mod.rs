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
mod listing;
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
use std::sync::atomic::{AtomicBool, Ordering};

pub use authorities::Authorities;
pub use client::{Checksum, StoreConfig};
pub use clock::Clock;
pub use counters::StoreCounters;
pub use credentials::{Credentials, Identity, IdentitySource, Keys};
pub use download::Download;
pub use fault::{Refusal, StoreError};
pub use keeping::{AtRest, Keeping, LockMode, ObjectLock, Purpose};
pub use key::{KeyError, ObjectKey, Prefix};
pub use listing::ListedObject;
pub use operation::Operation;
pub use plan::{Basis, Estimate, PlanError, TooManyParts, UploadPlan};
pub use retry::RetryPolicy;
pub use unfinished::UnfinishedUpload;

use requests::Requests;

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
