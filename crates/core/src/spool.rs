//! Objects of a backup as plain files in a private folder, where programs can read them.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::codec::encryption::{MacError, Opening, Unlock};
use crate::codec::{DecodeError, SourceError, StoredChunk, decode};
use crate::private::PrivateDir;
use crate::repository::ObjectFacts;
use crate::stop::{Stop, Stopped};
use crate::storage::{Download, ObjectKey, Store, StoreError};
use crate::task::spawn_blocking;

/// What a file must leave free on its file system, for other writers.
const RESERVE_BYTES: u64 = 64 * 1024 * 1024;

/// Where objects come from, where they go, and what ends that early.
pub struct Spool<'run> {
    /// The bucket.
    pub store: &'run Store,
    /// The folder for the files.
    pub folder: &'run PrivateDir,
    /// Ends a fetch.
    pub stop: &'run Stop,
}

/// Who sees the plain bytes of an object pass, before they are proven.
#[derive(Default)]
pub struct Onlookers<'run> {
    /// Counts them, for a progress display.
    pub plain_bytes: Option<&'run AtomicU64>,
    /// Is sent them all. Whether a reader is left does not matter to the fetch.
    pub chunks: Option<mpsc::Sender<Bytes>>,
}

/// A file that holds exactly what was dumped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpooledFile {
    /// The file; it goes with its folder.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Until the last stored byte had arrived.
    pub download: Duration,
    /// Why the object's writer is not known, if the operator allows that.
    pub unauthenticated: Option<MacError>,
}

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// It would not fit; nothing was read.
    #[error(
        "{folder} has {free_bytes} bytes free, and {wanted_bytes} are needed: what the object takes and {} in \
         reserve",
        RESERVE_BYTES
    )]
    NoRoom {
        /// The folder.
        folder: PathBuf,
        /// What it needs.
        wanted_bytes: u64,
        /// What is there.
        free_bytes: u64,
    },
    /// The file system filled up on the way.
    #[error("the disk of {folder} is full after {written_bytes} bytes")]
    DiskFull {
        /// The folder.
        folder: PathBuf,
        /// What was written before.
        written_bytes: u64,
    },
    /// The file cannot be made or written for another reason.
    #[error("write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// The object cannot be had, or is not what was dumped.
    #[error("fetch {key}")]
    Decode {
        /// The object.
        key: ObjectKey,
        /// The reason.
        #[source]
        source: DecodeError,
    },
    /// A stop was asked for.
    #[error(transparent)]
    Stopped(Stopped),
}

impl SpoolError {
    /// Whether the backup is damaged. Otherwise nothing is known about it.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Decode { source, .. } => source.is_damage(),
            Self::NoRoom { .. } | Self::DiskFull { .. } | Self::Write { .. } | Self::Stopped(_) => false,
        }
    }
}

impl Spool<'_> {
    /// Fetches the object of `key`, decodes it into the new file `name`, and checks that it is what
    /// `facts` say.
    ///
    /// Nothing is synced to the disk: it is a copy. After an error or a stop there is no file.
    ///
    /// # Errors
    /// [`SpoolError::is_damage`] tells a damaged backup from what says nothing about it.
    pub async fn fetch(
        &self,
        key: &ObjectKey,
        facts: &ObjectFacts,
        opening: Opening,
        name: &str,
        onlookers: Onlookers<'_>,
    ) -> Result<SpooledFile, SpoolError> {
        let folder = self.folder.path();
        let free_bytes = free_bytes(folder).map_err(|source| SpoolError::Write { path: folder.to_owned(), source })?;
        check_room(folder, bytes_to_write(facts, &opening), free_bytes)?;
        let cannot_create = |source| SpoolError::Write { path: folder.join(name), source };
        let (file, path) = self.folder.create_file(name).map_err(cannot_create)?;
        let unfinished = Unfinished(Some(path.clone()));
        let target = Target { file, path, written_bytes: 0 };
        let pouring = self.pour(key, facts, opening, target, onlookers);
        let spooled = tokio::select! {
            biased;
            reason = self.stop.stopped() => return Err(SpoolError::Stopped(reason)),
            outcome = Box::pin(pouring) => outcome?,
        };
        unfinished.keep();
        Ok(spooled)
    }

    /// Writes chunk after chunk; the next ones are downloaded and decoded meanwhile.
    async fn pour(
        &self,
        key: &ObjectKey,
        facts: &ObjectFacts,
        opening: Opening,
        mut target: Target,
        mut onlookers: Onlookers<'_>,
    ) -> Result<SpooledFile, SpoolError> {
        let download = self.store.download(key, facts.digests.stored_bytes);
        let mut plain = decode(|chunks| pump(download, chunks), opening, &facts.digests);
        while let Some(chunk) = plain.next_chunk().await {
            if let Some(chunks) = &onlookers.chunks
                && chunks.send(chunk.clone()).await.is_err()
            {
                onlookers.chunks = None;
            }
            target = target.write(chunk).await?;
            if let Some(plain_bytes) = onlookers.plain_bytes {
                plain_bytes.store(target.written_bytes, Ordering::Relaxed);
            }
        }
        drop(onlookers);
        let decoded = plain.finish().await.map_err(|source| SpoolError::Decode { key: key.clone(), source })?;
        let Target { path, written_bytes: bytes, .. } = target;
        Ok(SpooledFile { path, bytes, download: decoded.download, unauthenticated: decoded.unauthenticated })
    }
}

/// Hands on what arrives, and returns how long that took.
async fn pump(mut download: Download, chunks: mpsc::Sender<StoredChunk>) -> Duration {
    let begun = Instant::now();
    loop {
        let chunk = download.next_chunk().await.map_err(why_it_ended);
        let was_last = !matches!(chunk, Ok(Some(_)));
        let elapsed = begun.elapsed();
        if chunks.send(chunk).await.is_err() || was_last {
            return elapsed;
        }
    }
}

fn why_it_ended(error: StoreError) -> SourceError {
    match error.is_damage() {
        true => SourceError::Damaged(error.into()),
        false => SourceError::Failed(error.into()),
    }
}

/// A file that is being written.
struct Target {
    file: File,
    path: PathBuf,
    written_bytes: u64,
}

impl Target {
    /// Writes one chunk on a blocking thread.
    async fn write(mut self, chunk: Bytes) -> Result<Self, SpoolError> {
        let path = self.path.clone();
        let written = spawn_blocking(move || {
            self.file.write_all(&chunk).map_err(|error| self.explain(error))?;
            self.written_bytes += chunk.len() as u64;
            Ok(self)
        });
        written.await.unwrap_or_else(|error| Err(SpoolError::Write { path, source: io::Error::other(error) }))
    }

    fn explain(&self, source: io::Error) -> SpoolError {
        match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => SpoolError::DiskFull {
                folder: self.path.parent().unwrap_or(&self.path).to_owned(),
                written_bytes: self.written_bytes,
            },
            _ => SpoolError::Write { path: self.path.clone(), source },
        }
    }
}

/// The path of a file that is removed on drop, unless it is kept.
struct Unfinished(Option<PathBuf>);

impl Unfinished {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(path) = &self.0
            && let Err(error) = std::fs::remove_file(path)
        {
            tracing::warn!(%error, file = %path.display(), "cannot remove an unfinished file; it goes with its folder");
        }
    }
}

/// What an unprivileged user may still write to the file system of `folder`.
///
/// # Errors
/// If the folder is not there.
#[allow(clippy::useless_conversion, reason = "the counts have other types on other systems")]
pub fn free_bytes(folder: &Path) -> io::Result<u64> {
    let found = nix::sys::statvfs::statvfs(folder)?;
    Ok(u64::from(found.blocks_available()).saturating_mul(u64::from(found.fragment_size())))
}

/// What a fetch of this object writes: the plain bytes, and before them the encrypted ones if their MAC must be
/// checked first.
pub fn bytes_to_write(facts: &ObjectFacts, opening: &Opening) -> u64 {
    let kept_bytes = match opening.unlock {
        Unlock::Aes256Cbc { .. } => facts.digests.stored_bytes,
        Unlock::None | Unlock::Age(_) => 0,
    };
    facts.digests.plain_bytes.saturating_add(kept_bytes)
}

fn check_room(folder: &Path, written_bytes: u64, free_bytes: u64) -> Result<(), SpoolError> {
    let wanted_bytes = written_bytes.saturating_add(RESERVE_BYTES);
    if free_bytes >= wanted_bytes {
        return Ok(());
    }
    Err(SpoolError::NoRoom { folder: folder.to_owned(), wanted_bytes, free_bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_room_is_said_before_anything_is_read_r036() {
        let folder = Path::new("/spool");
        assert!(check_room(folder, 1000, RESERVE_BYTES + 1000).is_ok());
        assert_eq!(
            check_room(folder, 1000, 999).unwrap_err().to_string(),
            "/spool has 999 bytes free, and 67109864 are needed: what the object takes and 67108864 in reserve"
        );
        assert!(check_room(folder, u64::MAX, u64::MAX - 1).is_err());
        assert!(free_bytes(&std::env::temp_dir()).unwrap() > 0);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_disk_that_fills_up_is_named_r036() {
        let path = PathBuf::from("/dev/full");
        let file = File::options().write(true).open(&path).unwrap();
        let full = Target { file, path, written_bytes: 7 }.write(Bytes::from_static(b"x")).await;
        assert_eq!(full.err().unwrap().to_string(), "the disk of /dev is full after 7 bytes");
    }
}
