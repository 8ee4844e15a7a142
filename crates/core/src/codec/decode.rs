//! The pump between a download of stored bytes and a reader of plain chunks.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use sha2::{Digest, Sha256};
use tokio::io::AsyncRead;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::task::AbortOnDropHandle;

use super::Decompression;
use super::decompress::Decompressor;
use super::encryption::{CbcReader, MacError, Opening, Unlock};
use super::error::{DecodeError, Side, check_digest, check_size};
use super::source::{StoredBytes, StoredChunk, authenticate};
use crate::stored::Digests;
use crate::task::spawn_blocking;

/// Plain bytes leave in chunks of this size, which a disk takes well in one write.
const CHUNK_BYTES: usize = 1024 * 1024;

/// Plain chunks that wait for their digest.
const CHUNKS_TO_DIGEST: usize = 2;

/// Plain chunks that wait for the reader.
const CHUNKS_WAITING: usize = 4;

/// Stored chunks that wait, beside what the download holds itself.
const STORED_CHUNKS_WAITING: usize = 16;

/// What was decoded, which was what the manifest says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decoded {
    /// From the start until the last stored byte was here. If what follows is slower than the
    /// network, the download waits for it, and this is about the time of all.
    pub download: Duration,
    /// Why its writer is not known, if the operator allows that.
    pub unauthenticated: Option<MacError>,
}

/// A stream of plain chunks that is being made while it is read.
///
/// The end of the chunks is *not* success, and no chunk is proven before it: [`Plain::finish`] tells
/// whether they were what was dumped. Dropping it ends the download.
pub struct Plain {
    chunks: mpsc::Receiver<Bytes>,
    pump: AbortOnDropHandle<Duration>,
    decompressor: JoinHandle<Result<Option<MacError>, DecodeError>>,
}

/// Starts to decode the chunks that `pump` hands on, which must become exactly the bytes of `expected`. `pump` returns
/// how long that took, and ends when its channel is closed.
///
/// Stops at the first byte too many, so that a stream that would decompress forever fills no disk.
/// Memory: what the pump holds, `STORED_CHUNKS_WAITING` chunks of it, a window of zstd, and
/// `CHUNKS_TO_DIGEST` and `CHUNKS_WAITING` chunks of `CHUNK_BYTES` on the way to the reader.
pub fn decode<P>(pump: impl FnOnce(mpsc::Sender<StoredChunk>) -> P, opening: Opening, expected: &Digests) -> Plain
where
    P: Future<Output = Duration> + Send + 'static,
{
    let (to_decompressor, chunks) = mpsc::channel(STORED_CHUNKS_WAITING);
    Plain::start(crate::task::spawn(pump(to_decompressor)), chunks, opening, expected)
}

/// As [`decode`], from a copy of the stored bytes.
pub fn decode_reader<R>(stored: R, opening: Opening, expected: &Digests) -> Plain
where
    R: AsyncRead + Unpin + Send + 'static,
{
    decode(|chunks| pump_reader(stored, chunks), opening, expected)
}

impl Plain {
    pub(super) fn start(
        pump: JoinHandle<Duration>,
        stored: mpsc::Receiver<StoredChunk>,
        opening: Opening,
        expected: &Digests,
    ) -> Self {
        let (to_reader, chunks) = mpsc::channel(CHUNKS_WAITING);
        let all = expected.clone();
        Self {
            chunks,
            pump: AbortOnDropHandle::new(pump),
            decompressor: spawn_blocking(move || open(stored, &opening, &all, &to_reader)),
        }
    }

    /// The next chunk, or `None` if the stream has ended, cleanly or not.
    pub async fn next_chunk(&mut self) -> Option<Bytes> {
        self.chunks.recv().await
    }

    /// Whether all chunks together were what was dumped; to be asked after the last one.
    ///
    /// # Errors
    /// What broke first, seen from the bucket: the download, the stored bytes, the compression, the
    /// plain bytes.
    pub async fn finish(mut self) -> Result<Decoded, DecodeError> {
        self.chunks.close();
        let unauthenticated = (&mut self.decompressor).await.map_err(|_| DecodeError::Ended)??;
        let download = (&mut self.pump).await.map_err(|_| DecodeError::Ended)?;
        Ok(Decoded { download, unauthenticated })
    }
}

/// Hands on what is read. A reader that fails closes the channel without an end.
async fn pump_reader<R: AsyncRead + Unpin>(mut stored: R, chunks: mpsc::Sender<StoredChunk>) -> Duration {
    let begun = Instant::now();
    loop {
        let mut chunk = BytesMut::with_capacity(CHUNK_BYTES);
        let chunk = match tokio::io::AsyncReadExt::read_buf(&mut stored, &mut chunk).await {
            Ok(0) => None,
            Ok(_) => Some(chunk.freeze()),
            Err(error) => {
                tracing::warn!(%error, "cannot read the copy of the stored bytes");
                return begun.elapsed();
            }
        };
        let was_last = chunk.is_none();
        if chunks.send(Ok(chunk)).await.is_err() || was_last {
            return begun.elapsed();
        }
    }
}

/// Turns stored chunks into plain ones and checks both ends. Returns what is wrong with a MAC if that is allowed.
fn open(
    stored: mpsc::Receiver<StoredChunk>,
    opening: &Opening,
    expected: &Digests,
    output: &mpsc::Sender<Bytes>,
) -> Result<Option<MacError>, DecodeError> {
    let mut stored = StoredBytes::new(stored);
    let decompression = opening.decompression;
    let poured = match &opening.unlock {
        Unlock::None => decompress(decompression, &mut stored, expected, output),
        Unlock::Age(identities) => match identities.decrypt(&mut stored) {
            Ok(plain) => decompress(decompression, Decrypting::buffered(plain), expected, output),
            Err(error) => Err(DecodeError::Decrypt(error.to_string())),
        },
        Unlock::Aes256Cbc { passphrase, iterations, label, folder, unauthenticated } => {
            let mac = passphrase.mac(label, *iterations);
            let (whole, doubt) = authenticate(stored, mac, folder, *unauthenticated, expected)?;
            let plain = CbcReader::new(passphrase, *iterations, whole);
            let plain = plain.map_err(|error| DecodeError::Decrypt(error.to_string()))?;
            let plain = decompress(decompression, Decrypting::buffered(plain), expected, output)?;
            return plain.check(expected).map(|()| doubt);
        }
    };
    match poured {
        // What the other steps say is only the consequence of a download that failed.
        Err(DecodeError::Decompress(_) | DecodeError::Decrypt(_)) if stored.failure.is_some() => {
            Err(stored.failure.unwrap_or(DecodeError::Ended))
        }
        // Other bytes than were stored explain it better, so the rest is read and digested.
        Err(error @ (DecodeError::Decompress(_) | DecodeError::Decrypt(_))) => Err(match stored.check(expected) {
            Err(cause) if cause.is_damage() => cause,
            _ => error,
        }),
        Err(error) => Err(error),
        Ok(plain) => {
            stored.check(expected)?;
            plain.check(expected).map(|()| None)
        }
    }
}

fn decompress(
    decompression: Decompression,
    compressed: impl BufRead,
    expected: &Digests,
    output: &mpsc::Sender<Bytes>,
) -> Result<Poured, DecodeError> {
    let plain = Decompressor::new(decompression, compressed).map_err(DecodeError::Decompress)?;
    pour(plain, expected.plain_bytes, output)
}

/// A reader of what a cipher gives, whose errors can be told from those of the compression above it.
struct Decrypting<R>(R);

impl<R: Read> Decrypting<R> {
    /// With a buffer as large as what ciphers give at once.
    fn buffered(plain: R) -> BufReader<Self> {
        BufReader::with_capacity(64 * 1024, Self(plain))
    }
}

impl<R: Read> Read for Decrypting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| io::Error::other(CannotDecrypt(error.to_string())))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct CannotDecrypt(String);

/// What went wrong while the decompressor was reading.
fn told(error: io::Error) -> DecodeError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<CannotDecrypt>()) {
        Some(CannotDecrypt(reason)) => DecodeError::Decrypt(reason.clone()),
        None => DecodeError::Decompress(error),
    }
}

/// What came out at the end.
struct Poured {
    plain_bytes: u64,
    digest: Sha256,
}

impl Poured {
    fn check(self, expected: &Digests) -> Result<(), DecodeError> {
        check_size(Side::Plain, expected.plain_bytes, self.plain_bytes)?;
        check_digest(Side::Plain, &expected.plain_sha256, hex::encode(self.digest.finalize()))
    }
}

/// Reads `plain` to its end, digests it on a thread beside, and hands it to `output`.
fn pour(plain: impl Read, most_bytes: u64, output: &mpsc::Sender<Bytes>) -> Result<Poured, DecodeError> {
    let (to_digester, chunks) = sync_channel(CHUNKS_TO_DIGEST);
    thread::scope(|scope| {
        let digester = scope.spawn(|| digest(chunks, output));
        let plain_bytes = cut(plain, most_bytes, to_digester);
        let digest = digester.join().map_err(|_| DecodeError::Ended)?;
        Ok(Poured { plain_bytes: plain_bytes?, digest: digest? })
    })
}

/// Reads `plain` to its end in chunks; returns how many bytes there were.
fn cut(mut plain: impl Read, most_bytes: u64, chunks: SyncSender<Bytes>) -> Result<u64, DecodeError> {
    let mut plain_bytes = 0;
    loop {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        plain.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut chunk).map_err(told)?;
        if chunk.is_empty() {
            return Ok(plain_bytes);
        }
        plain_bytes += chunk.len() as u64;
        if plain_bytes > most_bytes {
            return Err(DecodeError::TooLong(most_bytes));
        }
        chunks.send(Bytes::from(chunk)).map_err(|_| DecodeError::Ended)?;
    }
}

/// Digests what comes and hands it on.
fn digest(chunks: Receiver<Bytes>, output: &mpsc::Sender<Bytes>) -> Result<Sha256, DecodeError> {
    let mut digest = Sha256::new();
    for chunk in chunks {
        digest.update(&chunk);
        output.blocking_send(chunk).map_err(|_| DecodeError::Ended)?;
    }
    Ok(digest)
}
