//! Objects out of the bucket, one request at a time. Needs `s3:GetObject` only.
//!
//! Nothing here checks what the bytes say: responses carry checksums in dialects that differ from
//! store to store, and a reader of a backup knows its SHA-256 from the manifest.

use std::ops::Range;

use aws_sdk_s3::primitives::ByteStream;
use bytes::{Buf, Bytes, BytesMut};

use super::fault::innermost;
use super::requests::Requests;
use super::{ObjectKey, Operation, Store, StoreError};

/// An object and the way to it. It owns all it needs, so that tasks can have a clone.
#[derive(Clone)]
pub(super) struct Source {
    client: aws_sdk_s3::Client,
    bucket: String,
    pub(super) key: ObjectKey,
    pub(super) requests: Requests,
}

/// The head of an answer, and its body as it arrives.
pub(super) struct Answer {
    pub(super) etag: Option<String>,
    /// Length of the body, if the head tells.
    pub(super) body_bytes: Option<u64>,
    /// Which bytes of how many these are; `None` if they are the whole object.
    pub(super) range: Option<(Range<u64>, u64)>,
    body: ByteStream,
    /// What skipping has read too far.
    rest: Option<Bytes>,
}

impl Store {
    /// Reads an object of at most `most_bytes` into memory.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if it is larger; of a larger one at most one piece too much is read.
    pub async fn read(&self, key: &ObjectKey, most_bytes: u64) -> Result<Bytes, StoreError> {
        let source = self.source(key);
        source.with_retries(most_bytes, || source.read_once(most_bytes)).await
    }

    pub(super) fn source(&self, key: &ObjectKey) -> Source {
        Source {
            client: self.client.clone(),
            bucket: self.bucket.clone(),
            key: key.clone(),
            requests: self.requests.clone(),
        }
    }
}

impl Source {
    /// Runs `attempt`, which reads at most `bytes`, as often as the policy allows.
    pub(super) async fn with_retries<T, F, Fut>(&self, bytes: u64, attempt: F) -> Result<T, StoreError>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, StoreError>>,
    {
        self.requests.run(Operation::Read, &self.key, bytes, attempt).await.0
    }

    /// Asks for `range` of the object, or for all of it, as long as it is the one that `etag` names.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if it is another one by now, [`StoreError::Passing`] if no head
    /// of an answer comes within the time of an attempt.
    pub(super) async fn get(&self, range: Option<Range<u64>>, etag: Option<&str>) -> Result<Answer, StoreError> {
        let request = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(self.key.as_str())
            .set_range(range.map(|range| format!("bytes={}-{}", range.start, range.end.saturating_sub(1))))
            .set_if_match(etag.map(str::to_owned));
        let reply = tokio::time::timeout(self.requests.silence, Box::pin(request.send()))
            .await
            .map_err(|_| self.silence())?
            .map_err(|error| StoreError::from_sdk(Operation::Read, &self.key, error))?;
        // Not every store knows `If-Match` on reads.
        if let (Some(wanted), Some(found)) = (etag, reply.e_tag())
            && wanted != found
        {
            return Err(StoreError::changed(&self.key));
        }
        let range = match reply.content_range() {
            None => None,
            Some(text) => Some(
                parse_content_range(text)
                    .ok_or_else(|| StoreError::broken_answer(&self.key, "its Content-Range cannot be read"))?,
            ),
        };
        Ok(Answer {
            etag: reply.e_tag().map(str::to_owned),
            body_bytes: reply.content_length().and_then(|length| u64::try_from(length).ok()),
            range,
            body: reply.body,
            rest: None,
        })
    }

    async fn read_once(&self, most_bytes: u64) -> Result<Bytes, StoreError> {
        let too_large = || StoreError::damaged(&self.key, format!("has more than {most_bytes} bytes"));
        let mut answer = self.get(None, None).await?;
        let body_bytes = answer.body_bytes;
        if body_bytes.is_some_and(|bytes| bytes > most_bytes) {
            return Err(too_large());
        }
        let mut content = BytesMut::new();
        while let Some(piece) = self.next_piece(&mut answer).await? {
            content.extend_from_slice(&piece);
            if content.len() as u64 > most_bytes {
                return Err(too_large());
            }
        }
        if body_bytes.is_some_and(|bytes| bytes != content.len() as u64) {
            return Err(StoreError::broken_answer(&self.key, "its body ended early"));
        }
        Ok(content.freeze())
    }

    /// The next bytes of a body, `None` at its end.
    ///
    /// # Errors
    /// [`StoreError::Passing`] if the connection ends early, or nothing comes within the time of an
    /// attempt.
    pub(super) async fn next_piece(&self, answer: &mut Answer) -> Result<Option<Bytes>, StoreError> {
        if answer.rest.is_some() {
            return Ok(answer.rest.take());
        }
        match tokio::time::timeout(self.requests.silence, answer.body.try_next()).await {
            Err(_) => Err(self.silence()),
            Ok(Err(error)) => Err(StoreError::broken_answer(&self.key, format!("it broke off: {}", innermost(&error)))),
            Ok(Ok(piece)) => Ok(piece),
        }
    }

    /// Reads the next `bytes` of a body and forgets them.
    ///
    /// # Errors
    /// As [`Source::next_piece`], and if the body has fewer.
    pub(super) async fn skip(&self, answer: &mut Answer, mut bytes: u64) -> Result<(), StoreError> {
        while bytes > 0 {
            let Some(mut piece) = self.next_piece(answer).await? else {
                return Err(StoreError::broken_answer(&self.key, "its body ended early"));
            };
            let skipped = piece.len().min(usize::try_from(bytes).unwrap_or(usize::MAX));
            piece.advance(skipped);
            bytes -= skipped as u64;
            answer.rest = Some(piece).filter(|rest| !rest.is_empty());
        }
        Ok(())
    }

    fn silence(&self) -> StoreError {
        StoreError::silent(Operation::Read, &self.key, self.requests.silence)
    }
}

/// `bytes 0-499/1234`: the range, and the size of the whole. A store that does not tell the whole
/// (`*`) is not understood.
fn parse_content_range(text: &str) -> Option<(Range<u64>, u64)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let end = last.parse::<u64>().ok()?.checked_add(1)?;
    Some((first.parse().ok()?..end, total.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<(Range<u64>, u64)>) {
        assert_eq!(parse_content_range(text), expected, "{text}");
    }

    #[test]
    fn content_ranges() {
        check("bytes 0-499/1234", Some((0..500, 1234)));
        check("bytes 7-7/8", Some((7..8, 8)));
        check("bytes 0-499/*", None);
        check("bytes */1234", None);
        check("bytes 0-18446744073709551615/1", None);
        check("items 0-1/2", None);
        check("", None);
    }
}
