//! The pump between a reader of plain bytes and an upload of stored parts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use bytes::{Bytes, BytesMut};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_util::sync::CancellationToken;

use super::compress::Compressor;
use super::encryption::{Label, Sealer, wipe_stack};
use super::part::PartWriter;
use super::{Codec, Digests};

/// Plain bytes travel in chunks of this size: large enough that handing one over costs nothing
/// beside compressing it, small enough that a handful of them is no memory.
const CHUNK_BYTES: usize = 256 * 1024;

/// Chunks that wait in front of the compressor: two of its frames, so that `pg_dump` goes on while one is
/// being compressed.
const CHUNKS_WAITING: usize = 32;

/// Finished parts that wait for the upload, beside the one being filled.
const PARTS_WAITING: usize = 1;

/// A stream of stored parts that is being made while it is read.
///
/// The end of the parts is *not* success: [`Stored::finish`] tells whether the source ended cleanly.
/// Dropping it stops the source.
pub struct Stored {
    parts: mpsc::Receiver<Bytes>,
    broken: CancellationToken,
    feed: JoinHandle<anyhow::Result<u64>>,
    plain_digest: JoinHandle<String>,
    compressor: JoinHandle<anyhow::Result<Encoded>>,
}

/// What the thread of the compressor has made.
struct Encoded {
    stored_bytes: u64,
    stored_sha256: String,
    stored_hmac_sha256: Option<String>,
}

/// The feed found a codec thread gone; that thread's own error is the one to show.
#[derive(Debug, thiserror::Error)]
#[error("the codec stopped before the source did")]
struct CodecStopped;

/// Starts to encode `plain` into parts of `part_bytes`; `plain_bytes_so_far` counts for a progress display. An
/// encryption that needs a MAC binds the object to `label`.
///
/// Memory: one part being filled, one waiting, a frame of zstd before and after, and `CHUNKS_WAITING` chunks of
/// `CHUNK_BYTES` on the way to each thread.
pub fn encode<R>(plain: R, codec: Codec, label: &Label, part_bytes: usize, plain_bytes_so_far: Arc<AtomicU64>) -> Stored
where
    R: AsyncRead + Send + Unpin + 'static,
{
    let (to_digest, digest_chunks) = mpsc::channel(CHUNKS_WAITING);
    let (to_compressor, compressor_chunks) = mpsc::channel(CHUNKS_WAITING);
    let (to_upload, parts) = mpsc::channel(PARTS_WAITING);
    let broken = CancellationToken::new();
    let (label, parts_writer) = (label.clone(), PartWriter::new(part_bytes, to_upload));
    Stored {
        parts,
        feed: tokio::spawn(feed(plain, [to_digest, to_compressor], broken.clone(), plain_bytes_so_far)),
        plain_digest: spawn_blocking(move || digest(digest_chunks)),
        compressor: spawn_blocking(move || {
            let encoded = compress(compressor_chunks, &codec, &label, parts_writer);
            wipe_stack();
            encoded
        }),
        broken,
    }
}

impl Stored {
    /// The next part, or `None` where the source has ended, cleanly or not.
    pub async fn next_part(&mut self) -> Option<Bytes> {
        self.parts.recv().await
    }

    /// Resolves as soon as the source fails, even while nobody takes parts: an upload that hangs in
    /// the network learns of a stop that way.
    pub fn broken(&self) -> impl Future<Output = ()> + use<> {
        self.broken.clone().cancelled_owned()
    }

    /// What was encoded, or why the source failed. The source's own error wins over what it caused.
    ///
    /// # Errors
    /// The read error of the source, or a failure of the codec.
    pub async fn finish(mut self) -> anyhow::Result<Digests> {
        self.parts.close();
        let fed = (&mut self.feed).await.context("read plain bytes")?;
        let plain_bytes = match fed {
            Err(error) if !error.is::<CodecStopped>() => return Err(error),
            fed => fed.ok(),
        };
        let encoded = (&mut self.compressor).await.context("compress")??;
        let plain_bytes = plain_bytes.context(CodecStopped)?;
        let plain_sha256 = (&mut self.plain_digest).await.context("digest plain bytes")?;
        let Encoded { stored_bytes, stored_sha256, stored_hmac_sha256 } = encoded;
        Ok(Digests { plain_bytes, plain_sha256, stored_bytes, stored_sha256, stored_hmac_sha256 })
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        self.feed.abort(); // Drops the reader, which ends its child; the threads see their channels close.
    }
}

/// Reads until the end, handing each chunk to both threads. A read error closes the channels early
/// and cancels `broken`, so that the upload stops at once and asks [`Stored::finish`] for the reason.
async fn feed<R>(
    mut plain: R,
    outputs: [mpsc::Sender<Bytes>; 2],
    broken: CancellationToken,
    plain_bytes_so_far: Arc<AtomicU64>,
) -> anyhow::Result<u64>
where
    R: AsyncRead + Unpin,
{
    let broken_on_exit = broken.drop_guard();
    let mut total_bytes = 0;
    loop {
        let chunk = read_chunk(&mut plain).await?;
        if chunk.is_empty() {
            broken_on_exit.disarm();
            return Ok(total_bytes);
        }
        total_bytes += chunk.len() as u64;
        plain_bytes_so_far.store(total_bytes, Ordering::Relaxed);
        for output in &outputs {
            if output.send(chunk.clone()).await.is_err() {
                return Err(CodecStopped.into());
            }
        }
    }
}

/// One full chunk, a shorter one before the end, an empty one at it.
async fn read_chunk<R: AsyncRead + Unpin>(plain: &mut R) -> std::io::Result<Bytes> {
    let mut chunk = BytesMut::with_capacity(CHUNK_BYTES);
    while chunk.len() < CHUNK_BYTES {
        if plain.read_buf(&mut chunk).await? == 0 {
            break;
        }
    }
    Ok(chunk.freeze())
}

fn digest(mut chunks: mpsc::Receiver<Bytes>) -> String {
    let mut digest = Sha256::new();
    while let Some(chunk) = chunks.blocking_recv() {
        digest.update(&chunk);
    }
    hex::encode(digest.finalize())
}

/// Compresses and encrypts. The keys are derived here, beside the source's first bytes, and stay below this frame.
#[inline(never)]
fn compress(
    mut chunks: mpsc::Receiver<Bytes>,
    codec: &Codec,
    label: &Label,
    parts: PartWriter,
) -> anyhow::Result<Encoded> {
    let sealer = Sealer::new(&codec.encryption, label, parts).context("start encryption")?;
    // What is allocated next is first built on the stack, and its padding would take what lies there along.
    wipe_stack();
    let mut compressor = Compressor::new(codec.compression, sealer).context("start compressor")?;
    while let Some(chunk) = chunks.blocking_recv() {
        compressor.write_all(&chunk).context("compress")?;
    }
    let (parts, stored_hmac_sha256) = compressor.finish().and_then(Sealer::finish).context("end compressed stream")?;
    let (stored_bytes, stored_sha256) = parts.finish().context("end stored stream")?;
    Ok(Encoded { stored_bytes, stored_sha256, stored_hmac_sha256 })
}
