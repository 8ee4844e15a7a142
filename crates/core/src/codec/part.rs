//! The stored stream cut into equal parts.

use std::io::{self, Write};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// So much is copied and digested at once, while it is in the processor's cache.
const PIECE_BYTES: usize = 256 * 1024;

/// A writer whose bytes leave as parts of exactly `part_bytes`, the last one excepted, through a
/// bounded channel: a slow network holds the compressor back.
pub(super) struct PartWriter {
    part: Vec<u8>,
    part_bytes: usize,
    parts: mpsc::Sender<Bytes>,
    /// The place of the part that is being filled. It is taken before the first byte, so that no second part waits
    /// behind one that was not taken.
    place: Option<mpsc::OwnedPermit<Bytes>>,
    digest: Sha256,
    stored_bytes: u64,
}

impl PartWriter {
    pub(super) fn new(part_bytes: usize, parts: mpsc::Sender<Bytes>) -> Self {
        Self { part: Vec::new(), part_bytes, parts, place: None, digest: Sha256::new(), stored_bytes: 0 }
    }

    /// Sends what is left; returns the count and the SHA-256 of all bytes.
    ///
    /// # Errors
    /// `BrokenPipe` if parts are no longer taken.
    pub(super) fn finish(mut self) -> io::Result<(u64, String)> {
        if !self.part.is_empty() {
            self.send()?;
        }
        Ok((self.stored_bytes, hex::encode(self.digest.finalize())))
    }

    fn send(&mut self) -> io::Result<()> {
        let part = Bytes::from(std::mem::take(&mut self.part));
        self.stored_bytes += part.len() as u64;
        let place = self.place.take().ok_or(io::ErrorKind::BrokenPipe)?;
        place.send(part);
        Ok(())
    }

    /// Waits until the part before was taken.
    fn begin(&mut self) -> io::Result<()> {
        let place = Handle::current().block_on(self.parts.clone().reserve_owned());
        self.place = Some(place.map_err(|_| io::ErrorKind::BrokenPipe)?);
        self.part.reserve_exact(self.part_bytes);
        Ok(())
    }
}

impl Write for PartWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.place.is_none() {
            self.begin()?;
        }
        let taken = bytes.len().min(self.part_bytes - self.part.len()).min(PIECE_BYTES);
        self.part.extend_from_slice(&bytes[..taken]);
        self.digest.update(&bytes[..taken]);
        if self.part.len() == self.part_bytes {
            self.send()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(()) // A part leaves when it is full or last; leaving earlier would make it smaller than the others.
    }
}
