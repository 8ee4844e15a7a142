//! A stream of stored parts becomes one object: one PutObject if it is small, else a multipart
//! upload with several parts in flight.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::task::JoinSet;

use anyhow::Context;

use super::plan::{TooManyParts, UploadPlan};
use super::unfinished::UnfinishedUpload;
use super::{ObjectKey, Operation, Purpose, Store, StoreError};
use crate::stop::{Share, Stop};
use crate::stored::{Digests, Stored};
use tracing::Instrument;

/// An abort that takes longer than this is left to the bucket's lifecycle rule.
const ABORT_TIMEOUT: Duration = Duration::from_secs(2);

/// Beyond the usual silence, a store that joins parts may say nothing for so long for each of them.
const JOINING_TIME_OF_A_PART: Duration = Duration::from_millis(5);

struct Upload<'store> {
    store: &'store Store,
    key: &'store ObjectKey,
    id: String,
}

impl Store {
    /// Stores `body` under the new key `key`, whose parts `plan` describes.
    ///
    /// If `body` fails, the upload is aborted and its error returned; an error of the abort is only
    /// logged. A `stop` normally arrives as such an error; if the source has ended already, what
    /// is left of the upload has a share of the grace to finish. If this future is dropped, parts may
    /// remain: the bucket needs a lifecycle rule that ends incomplete uploads.
    ///
    /// # Errors
    /// What `body` failed with, a [`StoreError`], or why it was stopped.
    pub async fn put(
        &self,
        key: &ObjectKey,
        plan: UploadPlan,
        mut body: Stored,
        stop: &Stop,
    ) -> anyhow::Result<Digests> {
        let first = body.next_part().await;
        let second = body.next_part().await;
        let Some(second) = second else {
            let digests = body.finish().await?;
            let stored = async { Ok(self.put_new(key, first.unwrap_or_default(), Purpose::Data).await?) };
            return stop.or_within(Share::Finish, stored).await.map(|()| digests);
        };
        let upload = stop.or_within(Share::Finish, async { Ok(self.create_upload(key).await?) }).await?;
        let head = first.into_iter().chain([second]).collect();
        let stored = stop.or_within(Share::Finish, upload.send_all(plan, head, body)).await;
        upload.aborted_on_error(stored, stop).await
    }

    async fn create_upload<'store>(&'store self, key: &'store ObjectKey) -> Result<Upload<'store>, StoreError> {
        let once = || async {
            let request = self
                .client
                .create_multipart_upload()
                .bucket(&self.bucket)
                .key(key.as_str())
                .set_checksum_algorithm(self.checksum_algorithm());
            let request = self.keeping.headers(Purpose::Data, self.now()).begin(request);
            request.send().await.map_err(|error| self.failed(Operation::BeginUpload, key, error))
        };
        let reply = self.requests.run(Operation::BeginUpload, key, 0, once).await.0?;
        let id = reply.upload_id().unwrap_or_default().to_owned();
        Ok(Upload { store: self, key, id })
    }
}

impl Upload<'_> {
    /// Sends every part and makes the object appear.
    async fn send_all(&self, plan: UploadPlan, head: Vec<Bytes>, mut body: Stored) -> anyhow::Result<Digests> {
        let Some(parts) = self.send_parts(plan, head, &mut body).await? else {
            return Err(body.finish().await.err().context("the source broke without an error")?);
        };
        let digests = body.finish().await?;
        self.complete(parts, digests.stored_bytes).await?;
        Ok(digests)
    }

    /// Sends every part, several at once, and returns them in order; `None` if `body` broke, even
    /// while all parts on their way hang in the network.
    async fn send_parts(
        &self,
        plan: UploadPlan,
        head: Vec<Bytes>,
        body: &mut Stored,
    ) -> anyhow::Result<Option<Vec<CompletedPart>>> {
        let mut broken = std::pin::pin!(body.broken());
        let mut waiting = head.into_iter();
        let mut in_flight = JoinSet::new();
        let mut parts: Vec<CompletedPart> = Vec::new();
        let mut sent: u32 = 0;
        let mut ended = false;
        while !ended || !in_flight.is_empty() {
            let room = !ended && in_flight.len() < plan.parts_in_flight;
            tokio::select! {
                biased;
                () = &mut broken => return Ok(None),
                Some(done) = in_flight.join_next() => parts.push(done??),
                part = next(&mut waiting, body), if room => match part {
                    None => ended = true,
                    Some(_) if sent == plan.most_parts => return Err(TooManyParts { plan }.into()),
                    Some(part) => {
                        sent += 1;
                        in_flight.spawn(self.part_task(sent, part).in_current_span());
                    }
                },
            }
        }
        parts.sort_by_key(CompletedPart::part_number);
        Ok(Some(parts))
    }

    /// A task that owns all it needs, so that dropping the set of tasks ends it.
    fn part_task(&self, number: u32, part: Bytes) -> impl Future<Output = Result<CompletedPart, StoreError>> + 'static {
        let number = i32::try_from(number).unwrap_or(i32::MAX);
        let (requests, checksum) = (self.store.requests.clone(), self.store.checksum_algorithm());
        let (client, bucket) = (self.store.client.clone(), self.store.bucket.clone());
        let (key, id) = (self.key.clone(), self.id.clone());
        async move {
            let once = || {
                let request = client
                    .upload_part()
                    .bucket(&bucket)
                    .key(key.as_str())
                    .upload_id(&id)
                    .part_number(number)
                    .content_length(i64::try_from(part.len()).unwrap_or(i64::MAX))
                    .set_checksum_algorithm(checksum.clone())
                    .body(ByteStream::from(part.clone()));
                let failed = |error| StoreError::from_sdk(Operation::UploadPart, &key, error);
                async move { request.send().await.map_err(failed) }
            };
            let reply = requests.run(Operation::UploadPart, &key, part.len() as u64, once).await.0?;
            Ok(CompletedPart::builder()
                .part_number(number)
                .set_e_tag(reply.e_tag().map(str::to_owned))
                .set_checksum_crc32(reply.checksum_crc32().map(str::to_owned))
                .build())
        }
    }

    /// Makes the object appear. The listing has the last word: a reply that was lost after its
    /// effect, or an error inside a 200, says nothing about what is there.
    async fn complete(&self, parts: Vec<CompletedPart>, stored_bytes: u64) -> anyhow::Result<()> {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let (mut outcome, mut attempts) = self.complete_with_retries(&parts).await;
        if matches!(outcome, Err(StoreError::Unsupported { .. }))
            && self.store.conditional.swap(false, Ordering::Relaxed)
        {
            (outcome, attempts) = self.complete_with_retries(&parts).await;
        }
        match outcome {
            Ok(()) => Ok(()),
            // The reply of an earlier attempt may have been lost after its effect.
            Err(StoreError::NotFound(_) | StoreError::LostUpload { .. } | StoreError::AlreadyExists(_))
                if attempts > 1 && self.store.has(self.key, stored_bytes).await? =>
            {
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The outcome, and after how many attempts.
    async fn complete_with_retries(&self, parts: &CompletedMultipartUpload) -> (Result<(), StoreError>, u32) {
        let once = || async {
            let request = self
                .store
                .client
                .complete_multipart_upload()
                .bucket(&self.store.bucket)
                .key(self.key.as_str())
                .upload_id(&self.id)
                .set_if_none_match(self.store.condition())
                .multipart_upload(parts.clone());
            let failed = |error| self.store.failed(Operation::CompleteUpload, self.key, error);
            request.send().await.map(drop).map_err(failed)
        };
        let joining = JOINING_TIME_OF_A_PART * u32::try_from(parts.parts().len()).unwrap_or(u32::MAX);
        self.store.requests.patient(joining).run(Operation::CompleteUpload, self.key, 0, once).await
    }

    /// Ends the upload if `outcome` is an error; that error stays the one that is shown.
    async fn aborted_on_error<T>(&self, outcome: anyhow::Result<T>, stop: &Stop) -> anyhow::Result<T> {
        let Err(cause) = outcome else { return outcome };
        let upload = UnfinishedUpload { key: self.key.clone(), id: self.id.clone() };
        let limit = stop.limit(Share::CleanUp, ABORT_TIMEOUT);
        let aborted = tokio::time::timeout(limit, Box::pin(self.store.abort_once(&upload))).await;
        let aborted = aborted.unwrap_or_else(|_| Err(StoreError::silent(Operation::AbortUpload, self.key, limit)));
        if let Err(error) = aborted {
            tracing::warn!(
                %error,
                "cannot abort the upload; its parts stay until the bucket's lifecycle rule for incomplete multipart uploads removes them"
            );
        }
        Err(cause.context("upload aborted"))
    }
}

async fn next(waiting: &mut std::vec::IntoIter<Bytes>, body: &mut Stored) -> Option<Bytes> {
    match waiting.next() {
        Some(part) => Some(part),
        None => body.next_part().await,
    }
}
