//! A large object as a stream of chunks in order: ranges of equal size, several on their way, each
//! asked for again from where it broke off.
//!
//! Every range is asked for with `If-Match` of the first answer's `ETag`, so that two halves of two
//! objects never become one stream. A store that ignores `Range` is read as one stream instead.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio_util::task::AbortOnDropHandle;

use super::read::{Answer, Source};
use super::{ObjectKey, Store, StoreError};

/// Large enough that the time to ask costs nothing beside the time to receive.
const RANGE_BYTES: u64 = 8 * 1024 * 1024;

/// Ranges that are on their way or wait for their turn: 32 MiB of memory.
const RANGES_IN_FLIGHT: usize = 4;

/// An object that is being read. Dropping it ends its requests.
///
/// A stream that ends without an error had exactly the bytes that were announced, all of them from
/// one and the same object. After an error, every further chunk is an error.
pub struct Download {
    source: Arc<Source>,
    bytes: u64,
    delivered_bytes: u64,
    etag: Option<String>,
    /// Of a range that has arrived, what was not asked for yet.
    ready: VecDeque<Bytes>,
    mode: Mode,
}

enum Mode {
    Ranges { asked_bytes: u64, in_flight: VecDeque<AbortOnDropHandle<Result<Fetched, StoreError>>> },
    Stream { answer: Option<Answer>, broken_answers: u32 },
    Ended,
    Broken,
}

/// What came of one range.
enum Fetched {
    Range {
        pieces: VecDeque<Bytes>,
        etag: Option<String>,
    },
    /// The store sends the whole object for every range.
    RangeIgnored,
}

impl Store {
    /// Starts to read the object of `key`, which must have exactly `bytes` bytes. Sends nothing until
    /// the first chunk is asked for.
    pub fn download(&self, key: &ObjectKey, bytes: u64) -> Download {
        let mode = match bytes {
            0 => Mode::stream(), // There is no range of no bytes.
            _ => Mode::Ranges { asked_bytes: 0, in_flight: VecDeque::new() },
        };
        Download {
            source: Arc::new(self.source(key)),
            bytes,
            delivered_bytes: 0,
            etag: None,
            ready: VecDeque::new(),
            mode,
        }
    }
}

impl Mode {
    fn stream() -> Self {
        Self::Stream { answer: None, broken_answers: 0 }
    }
}

impl Download {
    /// The next chunk, `None` after the last one. May be dropped and called again: no byte is lost.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if the object is of another size or changes while it is read, else
    /// what the last attempt failed with.
    pub async fn next_chunk(&mut self) -> Result<Option<Bytes>, StoreError> {
        let outcome = match self.ready.pop_front() {
            Some(piece) => Ok(Some(piece)),
            None => self.chunk_by_mode().await,
        };
        match &outcome {
            Ok(Some(chunk)) => self.delivered_bytes += chunk.len() as u64,
            Ok(None) => self.mode = Mode::Ended,
            Err(_) => self.mode = Mode::Broken,
        }
        outcome
    }

    async fn chunk_by_mode(&mut self) -> Result<Option<Bytes>, StoreError> {
        match &self.mode {
            Mode::Ended => Ok(None),
            Mode::Broken => Err(StoreError::broken_answer(&self.source.key, "the download broke before")),
            Mode::Stream { .. } => self.next_of_stream().await,
            Mode::Ranges { .. } => match self.next_range().await? {
                Some(Fetched::Range { pieces, etag }) => {
                    self.etag = self.etag.take().or(etag);
                    self.ask_for_ranges();
                    self.ready = pieces;
                    Ok(self.ready.pop_front())
                }
                Some(Fetched::RangeIgnored) => {
                    tracing::debug!(key = %self.source.key, "the store ignores ranges; reading one stream");
                    self.mode = Mode::stream();
                    self.next_of_stream().await
                }
                None => Ok(None),
            },
        }
    }

    /// The range whose turn it is; `None` after the last.
    async fn next_range(&mut self) -> Result<Option<Fetched>, StoreError> {
        self.ask_for_ranges();
        let Mode::Ranges { in_flight, .. } = &mut self.mode else { return Ok(None) };
        let Some(range) = in_flight.front_mut() else { return Ok(None) };
        let fetched = range.await;
        in_flight.pop_front();
        fetched.unwrap_or_else(|_| Err(StoreError::broken_answer(&self.source.key, "its task ended early"))).map(Some)
    }

    /// Keeps as many ranges on their way as there may be. The first one goes alone: its answer names
    /// the object that the others must be of.
    fn ask_for_ranges(&mut self) {
        let most = if self.delivered_bytes == 0 && self.etag.is_none() { 1 } else { RANGES_IN_FLIGHT };
        let Mode::Ranges { asked_bytes, in_flight } = &mut self.mode else { return };
        while in_flight.len() < most && *asked_bytes < self.bytes {
            let range = *asked_bytes..self.bytes.min(*asked_bytes + RANGE_BYTES);
            *asked_bytes = range.end;
            let fetch = fetch_range(Arc::clone(&self.source), range, self.bytes, self.etag.clone());
            in_flight.push_back(AbortOnDropHandle::new(crate::task::spawn(fetch)));
        }
    }

    /// The next piece of the whole object, which is asked for again from its start if it breaks
    /// off: what was delivered already is skipped.
    async fn next_of_stream(&mut self) -> Result<Option<Bytes>, StoreError> {
        let Mode::Stream { answer, broken_answers } = &mut self.mode else { return Ok(None) };
        loop {
            let open = match answer {
                Some(open) => open,
                None => {
                    let open =
                        open_stream(&self.source, self.bytes, self.delivered_bytes, self.etag.as_deref()).await?;
                    self.etag = self.etag.take().or_else(|| open.etag.clone());
                    answer.insert(open)
                }
            };
            match next_within(&self.source, open, self.bytes - self.delivered_bytes).await {
                Err(error) if error.is_passing() && *broken_answers + 1 < self.source.requests.policy.attempts => {
                    *answer = None;
                    *broken_answers += 1;
                    let pause = self.source.requests.policy.pause(*broken_answers);
                    tracing::warn!(%error, pause_seconds = pause.as_secs_f32(), "the stream broke off, asking again");
                    tokio::time::sleep(pause).await;
                }
                outcome => return outcome,
            }
        }
    }
}

/// What one range has so far. It outlives the attempts, so that each goes on where the last broke off.
struct Partial {
    /// As they came: gathering them in one place would cost more than reading them.
    pieces: VecDeque<Bytes>,
    bytes: u64,
    etag: Option<String>,
}

async fn fetch_range(
    source: Arc<Source>,
    range: Range<u64>,
    object_bytes: u64,
    etag: Option<String>,
) -> Result<Fetched, StoreError> {
    let range_bytes = range.end - range.start;
    let partial = Mutex::new(Partial { pieces: VecDeque::new(), bytes: 0, etag });
    let complete = source.with_retries(range_bytes, || complete_range(&source, &range, object_bytes, &partial)).await?;
    let Partial { pieces, etag, .. } = partial.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(if complete { Fetched::Range { pieces, etag } } else { Fetched::RangeIgnored })
}

/// Asks for what `partial` lacks of `range`, and waits for all of it; `false` if the store ignores
/// the range.
async fn complete_range(
    source: &Source,
    range: &Range<u64>,
    object_bytes: u64,
    partial: &Mutex<Partial>,
) -> Result<bool, StoreError> {
    let (missing, etag) = {
        let partial = lock(partial);
        (range.start + partial.bytes..range.end, partial.etag.clone())
    };
    if missing.is_empty() {
        return Ok(true); // The last attempt broke off after its last byte.
    }
    let mut answer = source.get(Some(missing.clone()), etag.as_deref()).await?;
    let Some((found, total_bytes)) = answer.range.take() else { return Ok(false) };
    check_size(source, object_bytes, total_bytes)?;
    if found != missing {
        return Err(StoreError::broken_answer(&source.key, "it is another range than was asked for"));
    }
    lock(partial).etag = etag.or_else(|| answer.etag.take());
    let mut missing_bytes = missing.end - missing.start;
    while let Some(piece) = next_within(source, &mut answer, missing_bytes).await? {
        missing_bytes -= piece.len() as u64;
        let mut partial = lock(partial);
        partial.bytes += piece.len() as u64;
        partial.pieces.push_back(piece);
    }
    Ok(true)
}

fn lock(partial: &Mutex<Partial>) -> MutexGuard<'_, Partial> {
    partial.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks for the whole object and skips what was delivered already.
async fn open_stream(source: &Source, bytes: u64, skip_bytes: u64, etag: Option<&str>) -> Result<Answer, StoreError> {
    let once = || async {
        let mut answer = source.get(None, etag).await?;
        if let Some(body_bytes) = answer.body_bytes {
            check_size(source, bytes, body_bytes)?;
        }
        source.skip(&mut answer, skip_bytes).await?;
        Ok(answer)
    };
    source.with_retries(skip_bytes, once).await
}

/// The next piece of a body that must have `left_bytes` more, no more and no fewer.
async fn next_within(source: &Source, answer: &mut Answer, left_bytes: u64) -> Result<Option<Bytes>, StoreError> {
    match source.next_piece(answer).await? {
        None if left_bytes > 0 => {
            Err(StoreError::broken_answer(&source.key, format!("its body ended {left_bytes} bytes early")))
        }
        Some(piece) if piece.len() as u64 > left_bytes => {
            Err(StoreError::broken_answer(&source.key, "its body is longer than what was asked for"))
        }
        piece => Ok(piece),
    }
}

fn check_size(source: &Source, wanted_bytes: u64, found_bytes: u64) -> Result<(), StoreError> {
    if wanted_bytes == found_bytes {
        return Ok(());
    }
    Err(StoreError::damaged(&source.key, format!("has {found_bytes} bytes in place of {wanted_bytes}")))
}
