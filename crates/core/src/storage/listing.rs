//! What a bucket holds: whole listings, page by page, within bounds that no answer of a store can exceed.

use chrono::{DateTime, Utc};
use std::time::Duration;

use super::fault::StoreError;
use super::key::ObjectKey;
use super::{Operation, Store};

/// S3 lists at most 1,000 keys a page; beyond ten million keys under one prefix something else is wrong.
const MAX_PAGES: usize = 10_000;

/// Bound of a whole listing: each page has a bound of its own, and a store that keeps within that could send pages for
/// days while no run begins.
const MAX_LISTING_TIME: Duration = Duration::from_secs(15 * 60);

/// Bound of what a whole listing takes in memory: about three million objects with names of ours. A page has a bound of
/// its own, and another writer below the prefix could fill the memory of a service with small pages.
const MAX_LISTING_BYTES: usize = 512 * 1024 * 1024;

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

impl Store {
    /// Every object whose key starts with `start`, in the store's order, from all pages.
    ///
    /// # Errors
    /// If a page cannot be read or contradicts itself: half a listing is not a listing.
    pub async fn list(&self, start: &ObjectKey) -> Result<Vec<ListedObject>, StoreError> {
        let listed = tokio::time::timeout(MAX_LISTING_TIME, Box::pin(self.list_pages(start))).await;
        listed.unwrap_or_else(|_| Err(StoreError::broken_listing(start, "it took longer than 15 minutes")))
    }

    async fn list_pages(&self, start: &ObjectKey) -> Result<Vec<ListedObject>, StoreError> {
        let mut listing = Listing::new(MAX_LISTING_BYTES);
        let mut token: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let page = || self.list_page(start, token.clone());
            let page = self.requests.run(Operation::List, start, PAGE_BYTES, page).await.0?;
            for object in page.contents() {
                listing.add(start, object)?;
            }
            let next = page.next_continuation_token().map(str::to_owned);
            match (page.is_truncated().unwrap_or(false), next) {
                (false, _) => return Ok(listing.objects),
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

    pub(super) async fn listed_bytes(&self, key: &ObjectKey) -> Result<Option<u64>, StoreError> {
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
}

/// What the pages have shown so far.
struct Listing {
    objects: Vec<ListedObject>,
    room_bytes: usize,
}

impl Listing {
    fn new(room_bytes: usize) -> Self {
        Self { objects: Vec::new(), room_bytes }
    }

    fn add(&mut self, start: &ObjectKey, object: &aws_sdk_s3::types::Object) -> Result<(), StoreError> {
        let key = object.key().unwrap_or_default();
        if !key.starts_with(start.as_str()) {
            return Err(StoreError::broken_listing(start, "it holds a key that was not asked for"));
        }
        // A vector that grows is held twice for a moment.
        let taken = 2 * size_of::<ListedObject>() + key.len();
        self.room_bytes = self.room_bytes.checked_sub(taken).ok_or_else(|| {
            let reason =
                "it would take more than 512 MiB of memory: delete what is not needed, or set another BACKUP_PREFIX";
            StoreError::broken_listing(start, reason)
        })?;
        self.objects.push(ListedObject {
            key: ObjectKey::listed(key),
            bytes: object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
            modified: object.last_modified().and_then(|time| DateTime::from_timestamp(time.secs(), 0)),
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_s3::types::Object;

    #[test]
    fn a_listing_ends_before_it_has_filled_the_memory() {
        let start = ObjectKey::listed("backups/");
        let object = Object::builder().key(format!("backups/{}", "k".repeat(900))).size(1).build();
        let mut listing = Listing::new(64 * 1024);
        let refused = (0..100).find_map(|_| listing.add(&start, &object).err()).expect("a bound");
        assert!(refused.to_string().contains("512 MiB"), "{refused}");
        let held = listing.objects.capacity() * size_of::<ListedObject>()
            + listing.objects.iter().map(|object| object.key.as_str().len()).sum::<usize>();
        assert!((48 * 1024..=64 * 1024).contains(&held), "{held}");
    }
}
