//! Multipart uploads that were begun and never ended: the remains of processes that were killed. Listing them needs
//! `s3:ListBucketMultipartUploads`, ending them `s3:AbortMultipartUpload`; neither is needed for a backup.

use aws_sdk_s3::operation::list_multipart_uploads::ListMultipartUploadsOutput;

use super::{ObjectKey, Operation, Store, StoreError};

/// A page has at most 1,000 uploads.
const MAX_PAGES: usize = 100;

/// Of a page with 1,000 uploads.
const PAGE_BYTES: u64 = 1024 * 1024;

/// An upload of which parts are kept, and paid for, until it is ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfinishedUpload {
    /// The object that it would have become.
    pub key: ObjectKey,
    pub(super) id: String,
}

impl Store {
    /// Every unfinished upload whose key starts with `start`, of at most 100 pages.
    ///
    /// # Errors
    /// If the store refuses, cannot be reached, or does not know the request.
    pub async fn unfinished_uploads(&self, start: &ObjectKey) -> Result<Vec<UnfinishedUpload>, StoreError> {
        let mut uploads = Vec::new();
        let mut after: Option<(String, String)> = None;
        for _ in 0..MAX_PAGES {
            let page = || self.uploads_page(start, after.clone());
            let page = self.requests.run(Operation::ListUploads, start, PAGE_BYTES, page).await.0?;
            for upload in page.uploads() {
                let (Some(key), Some(id)) = (upload.key(), upload.upload_id()) else { continue };
                // Some stores ignore the prefix.
                if key.starts_with(start.as_str()) {
                    uploads.push(UnfinishedUpload { key: ObjectKey::listed(key), id: id.to_owned() });
                }
            }
            let next = page.next_key_marker().zip(page.next_upload_id_marker());
            let next = next.map(|(key, id)| (key.to_owned(), id.to_owned()));
            if !page.is_truncated().unwrap_or(false) || next.is_none() || next == after {
                break;
            }
            after = next;
        }
        Ok(uploads)
    }

    async fn uploads_page(
        &self,
        start: &ObjectKey,
        after: Option<(String, String)>,
    ) -> Result<ListMultipartUploadsOutput, StoreError> {
        let (key_marker, id_marker) = after.unzip();
        let request = self
            .client
            .list_multipart_uploads()
            .bucket(&self.bucket)
            .prefix(start.as_str())
            .set_key_marker(key_marker)
            .set_upload_id_marker(id_marker);
        request.send().await.map_err(|error| self.failed(Operation::ListUploads, start, error))
    }

    /// Ends an upload and frees its parts. One that is gone counts as ended.
    ///
    /// # Errors
    /// If the store refuses or cannot be reached.
    pub async fn abort(&self, upload: &UnfinishedUpload) -> Result<(), StoreError> {
        match self.requests.run(Operation::AbortUpload, &upload.key, 0, || self.abort_once(upload)).await.0 {
            Err(StoreError::LostUpload { .. } | StoreError::NotFound(_)) => Ok(()),
            outcome => outcome,
        }
    }

    pub(super) async fn abort_once(&self, upload: &UnfinishedUpload) -> Result<(), StoreError> {
        let request = self.client.abort_multipart_upload().bucket(&self.bucket);
        let request = request.key(upload.key.as_str()).upload_id(&upload.id);
        request.send().await.map(drop).map_err(|error| self.failed(Operation::AbortUpload, &upload.key, error))
    }
}
