//! The pump between a reader of plain bytes and an upload of stored parts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use bytes::BufMut;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Codec;
use super::compress::{Compressor, FRAME_BYTES};
use super::encryption::{Label, Sealer, on_wiped_stack};
use super::part::PartWriter;
use crate::stored::{Digests, Stored};
use crate::task::spawn_blocking;

/// Plain bytes travel in chunks of this size, which are the frames of zstd: what is read lies where the compressor
/// takes it from.
const CHUNK_BYTES: usize = FRAME_BYTES;

/// So much is read and digested at once: it is in the processor's cache then, which halves the time of a digest.
const PIECE_BYTES: usize = 256 * 1024;

/// Chunks that wait in front of the compressor, so that `pg_dump` goes on while it is busy.
const CHUNKS_WAITING: usize = 1;

/// The part that is being filled, or waits for the upload once it is full.
const PARTS_WAITING: usize = 1;

/// What was read.
struct Fed {
    plain_bytes: u64,
    plain_sha256: String,
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
/// Memory: one part being filled or waiting, what the compressor holds, and beside the chunk that is read
/// `CHUNKS_WAITING` and one on their way.
pub fn encode<R>(plain: R, codec: Codec, label: &Label, part_bytes: usize, plain_bytes_so_far: Arc<AtomicU64>) -> Stored
where
    R: AsyncRead + Send + Unpin + 'static,
{
    let (to_compressor, chunks) = mpsc::channel(CHUNKS_WAITING);
    let (to_upload, parts) = mpsc::channel(PARTS_WAITING);
    let (broken, dropped) = (CancellationToken::new(), CancellationToken::new());
    let (label, parts_writer) = (label.clone(), PartWriter::new(part_bytes, to_upload));
    let feed = feed(plain, to_compressor, broken.clone(), plain_bytes_so_far);
    let until_dropped = dropped.clone().run_until_cancelled_owned(feed);
    // A thread that may compute: it digests what it reads.
    let feed = spawn_blocking(move || Handle::current().block_on(until_dropped).unwrap_or(Err(CodecStopped.into())));
    let compressor = spawn_blocking(move || on_wiped_stack(|| compress(chunks, &codec, &label, parts_writer)));
    Stored::new(parts, broken, end(feed, compressor), dropped.drop_guard())
}

/// What was encoded, or why not. The source's own error wins over what it caused.
async fn end(
    feed: JoinHandle<anyhow::Result<Fed>>,
    compressor: JoinHandle<anyhow::Result<Encoded>>,
) -> anyhow::Result<Digests> {
    let fed = match feed.await.context("read plain bytes")? {
        Err(error) if !error.is::<CodecStopped>() => return Err(error),
        fed => fed.ok(),
    };
    let encoded = compressor.await.context("compress")??;
    let Fed { plain_bytes, plain_sha256 } = fed.context(CodecStopped)?;
    let Encoded { stored_bytes, stored_sha256, stored_hmac_sha256 } = encoded;
    Ok(Digests { plain_bytes, plain_sha256, stored_bytes, stored_sha256, stored_hmac_sha256 })
}

/// Reads until the end, digests, and hands on. A read error closes the channel early and cancels `broken`, so that
/// the upload stops at once and asks [`Stored::finish`] for the reason.
async fn feed<R>(
    mut plain: R,
    chunks: mpsc::Sender<Vec<u8>>,
    broken: CancellationToken,
    plain_bytes_so_far: Arc<AtomicU64>,
) -> anyhow::Result<Fed>
where
    R: AsyncRead + Unpin,
{
    let broken_on_exit = broken.drop_guard();
    let mut digest = Sha256::new();
    let mut plain_bytes = 0;
    loop {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        while chunk.len() < CHUNK_BYTES {
            let begin = chunk.len();
            fill(&mut plain, &mut chunk, begin + PIECE_BYTES).await?;
            if chunk.len() == begin {
                break;
            }
            digest.update(&chunk[begin..]);
            plain_bytes += (chunk.len() - begin) as u64;
            plain_bytes_so_far.store(plain_bytes, Ordering::Relaxed);
        }
        if chunk.is_empty() {
            broken_on_exit.disarm();
            return Ok(Fed { plain_bytes, plain_sha256: hex::encode(digest.finalize()) });
        }
        if chunks.send(chunk).await.is_err() {
            return Err(CodecStopped.into());
        }
    }
}

/// Reads until `chunk` has `end` bytes; fewer only at the end of the source.
async fn fill<R: AsyncRead + Unpin>(plain: &mut R, chunk: &mut Vec<u8>, end: usize) -> std::io::Result<()> {
    while chunk.len() < end {
        let room = end - chunk.len();
        if plain.read_buf(&mut chunk.limit(room)).await? == 0 {
            return Ok(());
        }
    }
    Ok(())
}

/// Compresses and encrypts. The keys are derived here, beside the source's first bytes, and stay below this frame.
#[inline(never)]
fn compress(
    mut chunks: mpsc::Receiver<Vec<u8>>,
    codec: &Codec,
    label: &Label,
    parts: PartWriter,
) -> anyhow::Result<Encoded> {
    // What is allocated next is first built on the stack, and its padding would take what lies there along.
    let sealer = on_wiped_stack(|| Sealer::new(&codec.encryption, label, parts)).context("start encryption")?;
    let mut compressor = Compressor::new(codec.compression, sealer).context("start compressor")?;
    while let Some(chunk) = chunks.blocking_recv() {
        compressor.write(chunk).context("compress")?;
    }
    let (parts, stored_hmac_sha256) = compressor.finish().and_then(Sealer::finish).context("end compressed stream")?;
    let (stored_bytes, stored_sha256) = parts.finish().context("end stored stream")?;
    Ok(Encoded { stored_bytes, stored_sha256, stored_hmac_sha256 })
}
