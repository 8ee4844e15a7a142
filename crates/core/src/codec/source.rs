//! The stored bytes on their way to the decryption or decompression: counted, digested, and authenticated as a whole
//! if the cipher does not do that.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use bytes::{Buf, Bytes};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::encryption::{Mac, MacError, Unauthenticated};
use super::error::{DecodeError, Side, SourceError, check_digest, check_size};
use crate::stored::Digests;

/// What the pump hands on: a chunk, `None` for the clean end, or why there is none. A channel that
/// closes without an end is an accident of ours, and must not look like an object that is too short.
pub type StoredChunk = Result<Option<Bytes>, SourceError>;

/// The stored bytes as a reader that counts and digests what passes.
pub(super) struct StoredBytes {
    chunks: mpsc::Receiver<StoredChunk>,
    chunk: Bytes,
    ended: bool,
    /// Why there are no more bytes, if a reader of these saw an error.
    pub(super) failure: Option<DecodeError>,
    bytes: u64,
    digest: Sha256,
}

impl StoredBytes {
    pub(super) fn new(chunks: mpsc::Receiver<StoredChunk>) -> Self {
        Self { chunks, chunk: Bytes::new(), ended: false, failure: None, bytes: 0, digest: Sha256::new() }
    }

    /// Makes sure that there are bytes in `chunk`, unless there are none left.
    fn refill(&mut self) -> Result<(), DecodeError> {
        while self.chunk.is_empty() && !self.ended {
            match self.chunks.blocking_recv() {
                Some(Ok(Some(chunk))) => self.chunk = chunk,
                Some(Ok(None)) => self.ended = true,
                Some(Err(error)) => return Err(error.into()),
                None => return Err(DecodeError::Ended),
            }
            self.bytes += self.chunk.len() as u64;
            self.digest.update(&self.chunk);
        }
        Ok(())
    }

    /// Reads what is left, and compares size and digest of all.
    pub(super) fn check(mut self, expected: &Digests) -> Result<(), DecodeError> {
        while !self.ended {
            self.chunk.clear();
            self.refill()?;
        }
        check_size(Side::Stored, expected.stored_bytes, self.bytes)?;
        check_digest(Side::Stored, &expected.stored_sha256, hex::encode(self.digest.finalize()))
    }
}

impl BufRead for StoredBytes {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if let Err(error) = self.refill() {
            self.failure = Some(error);
            return Err(io::Error::other("the stored bytes ended early"));
        }
        Ok(&self.chunk)
    }

    fn consume(&mut self, count: usize) {
        self.chunk.advance(count);
    }
}

impl Read for StoredBytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

/// Keeps all stored bytes in a file without a name below `folder`, which only this process has, and returns it once
/// their size, their digest and their MAC are what the manifest says; with the MAC's error if that one is allowed.
pub(super) fn authenticate(
    mut stored: StoredBytes,
    mut mac: Mac,
    folder: &Path,
    unauthenticated: Unauthenticated,
    expected: &Digests,
) -> Result<(File, Option<MacError>), DecodeError> {
    let cannot_keep = |error| DecodeError::Keep(folder.to_owned(), error);
    let mut file = nameless_file(folder).map_err(cannot_keep)?;
    loop {
        stored.refill()?;
        if stored.chunk.is_empty() {
            break;
        }
        mac.update(&stored.chunk);
        file.write_all(&stored.chunk).map_err(cannot_keep)?;
        stored.chunk.clear();
    }
    stored.check(expected)?;
    let doubt = match (mac.check(expected.stored_hmac_sha256.as_deref()), unauthenticated) {
        (Ok(()), _) => None,
        (Err(error), Unauthenticated::Allowed) => Some(error),
        (Err(error), Unauthenticated::Refused) => return Err(error.into()),
    };
    file.rewind().map_err(cannot_keep)?;
    Ok((file, doubt))
}

fn nameless_file(folder: &Path) -> io::Result<File> {
    let path = folder.join(format!("encrypted-{:016x}", rand::random::<u64>()));
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}
