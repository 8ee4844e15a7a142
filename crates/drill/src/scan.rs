//! The pass over an archive while it arrives: what it holds, and a digest of every table's rows.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::{self, BufRead, Read};
use std::path::Path;

use anyhow::{Context, anyhow};
use backup_core::machine::Machine;
use backup_core::postgres::ClientTools;
use backup_core::task::spawn_blocking;
use bytes::{Buf, Bytes};
use pgdump_archive::{Archive, ArchiveError, ArchiveReader, Contents};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::evidence::{DrillError, Evidence};

/// Chunks that wait for the pass, of a MiB each.
const CHUNKS_WAITING: usize = 4;

/// An archive that was read from its first byte to its last.
pub struct Scanned {
    /// Its table of contents.
    pub archive: Archive,
    /// What its data hold.
    pub contents: Contents,
}

/// A pass that has begun.
pub(crate) struct Scan(JoinHandle<Result<Scanned, ArchiveError>>);

impl Scan {
    /// Reads what is sent, and ends with the sender, or earlier at the first damage.
    pub(crate) fn start() -> (mpsc::Sender<Bytes>, Self) {
        let (sender, chunks) = mpsc::channel(CHUNKS_WAITING);
        let source = Arriving { chunks, chunk: Bytes::new() };
        let pass = spawn_blocking(move || {
            let (archive, contents) = ArchiveReader::open(source, Machine::here().contents_bytes())?.scan()?;
            Ok(Scanned { archive, contents })
        });
        (sender, Self(pass))
    }

    /// What it was, once the sender is gone. Damage is evidence.
    pub(crate) async fn finish(self, evidence: &mut Evidence) -> Result<Scanned, DrillError> {
        match self.0.await.context("read the archive")? {
            Ok(scanned) => {
                let (entries, tables) = (scanned.archive.entries.len(), scanned.contents.tables.len());
                let figures = format!("{entries} entries, {tables} with rows, complete to the last byte");
                evidence.record("archive", figures, Vec::new());
                Ok(scanned)
            }
            Err(error) if error.is_damage() => Err(evidence.damaged("archive", format!("{:#}", anyhow!(error)))),
            Err(error) => Err(anyhow::Error::from(error).context("read the archive").into()),
        }
    }
}

impl Scanned {
    /// Writes into the copy in `file` where each table begins, so that `pg_restore --jobs` need not search.
    /// The copy is no longer byte for byte what was dumped.
    pub async fn write_offsets(self, file: &Path) -> anyhow::Result<Self> {
        let file = file.to_owned();
        let written = spawn_blocking(move || {
            let mut copy = OpenOptions::new().write(true).open(&file)?;
            self.contents.write_offsets(&self.archive, &mut copy)?;
            io::Result::Ok(self)
        });
        written.await.context("write offsets")?.context("write offsets")
    }

    /// The client tools for a restore into a server of this major version: the lowest ones that are not older
    /// than the server, whose `pg_dump` would refuse, nor than the `pg_dump` of the archive, whose format an
    /// older `pg_restore` may not know.
    pub async fn tools(&self, bin_dir: Option<&OsStr>, server_major: u32) -> anyhow::Result<ClientTools> {
        let dumped_by = major_of(&self.archive.header.pg_dump_version);
        let tools = ClientTools::find_for_archive(bin_dir, server_major, dumped_by).await;
        tools
            .with_context(|| format!("find tools for an archive of pg_dump {dumped_by} and a server of {server_major}"))
    }
}

/// `17` of `17.2 (Debian 17.2-1)`; 0 if there is none.
fn major_of(version: &str) -> u32 {
    version
        .split(|character: char| !character.is_ascii_digit())
        .next()
        .and_then(|major| major.parse().ok())
        .unwrap_or(0)
}

/// A reader of what is sent, for a blocking thread.
struct Arriving {
    chunks: mpsc::Receiver<Bytes>,
    /// What is left of the last one.
    chunk: Bytes,
}

impl BufRead for Arriving {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.chunk.is_empty() {
            match self.chunks.blocking_recv() {
                Some(chunk) => self.chunk = chunk,
                None => break,
            }
        }
        Ok(&self.chunk)
    }

    fn consume(&mut self, bytes: usize) {
        self.chunk.advance(bytes);
    }
}

impl Read for Arriving {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill_buf()?.read(buffer)?;
        self.consume(bytes);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stop ends the fetch, and with it the sender.
    #[tokio::test]
    async fn a_pass_ends_with_its_sender_and_what_it_has_seen_is_no_archive_r063() {
        let begun: &[u8] = b"PGDMP\x01\x0e\x00\x04\x08\x01\x01";
        for chunks in [&[][..], &[&b""[..]], &[&begun[..3], b"", &begun[3..]]] {
            let (to_scan, scan) = Scan::start();
            for chunk in chunks {
                to_scan.send(Bytes::copy_from_slice(chunk)).await.unwrap();
            }
            drop(to_scan);
            let mut evidence = Evidence::new(chrono::Utc::now());
            assert!(matches!(scan.finish(&mut evidence).await, Err(DrillError::Damaged)), "{chunks:?}");
            assert_eq!(evidence.report.findings[0].check, "archive");
        }
    }

    #[test]
    fn versions_as_pg_dump_writes_them_into_an_archive() {
        for (version, major) in [("17.2 (Debian 17.2-1.pgdg120+1)", 17), ("15.18", 15), ("18beta1", 18), ("", 0)] {
            assert_eq!(major_of(version), major, "{version}");
        }
    }
}
