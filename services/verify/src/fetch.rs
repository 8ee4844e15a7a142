//! From the bucket to a checked archive in a private file.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use anyhow::{Context, anyhow};
use backup_core::catalog::{BackupId, Manifest, Role, Shelf};
use backup_core::cause::find_cause;
use backup_core::codec::DecodeError;
use backup_core::codec::encryption::{Cipher, Keyring, Opening};
use backup_core::postgres::ClientTools;
use backup_core::postgres::archive::{Archive, ArchiveReader, Contents};
use backup_core::private::PrivateDir;
use backup_core::spool::{Spool, SpoolError, SpooledFile};
use backup_core::stop::Stop;
use backup_core::storage::{Store, StoreError};
use chrono::Utc;

use crate::evidence::{Evidence, Trouble};
use crate::globals;
use crate::report::BackupFacts;

/// A backup on this machine, of which every byte was held against its manifest.
pub(crate) struct Fetched {
    pub(crate) manifest: Manifest,
    pub(crate) dump: SpooledFile,
}

/// An archive that was read from its first byte to its last.
pub(crate) struct Scanned {
    pub(crate) archive: Archive,
    pub(crate) contents: Contents,
}

impl Scanned {
    /// The client tools for a restore into a server of this major version: the lowest ones that are not older
    /// than the server, whose `pg_dump` would refuse, nor than the `pg_dump` of the archive, whose format an
    /// older `pg_restore` may not know.
    pub(crate) async fn tools(&self, bin_dir: Option<&OsStr>, server_major: u32) -> anyhow::Result<ClientTools> {
        let dumped_by = major_of(&self.archive.header.pg_dump_version);
        let tools = ClientTools::find(bin_dir, dumped_by.max(server_major)).await;
        tools
            .with_context(|| format!("find tools for an archive of pg_dump {dumped_by} and a server of {server_major}"))
    }
}

/// `17` of `17.2 (Debian 17.2-1)`; 0 where there is none.
fn major_of(version: &str) -> u32 {
    version
        .split(|character: char| !character.is_ascii_digit())
        .next()
        .and_then(|major| major.parse().ok())
        .unwrap_or(0)
}

/// Where backups come from and go to.
pub(crate) struct Fetcher<'run> {
    pub(crate) store: &'run Store,
    pub(crate) shelf: &'run Shelf,
    pub(crate) folder: &'run PrivateDir,
    pub(crate) keyring: &'run Keyring,
    pub(crate) stop: &'run Stop,
    /// Counts the plain bytes, for a progress display.
    pub(crate) plain_bytes: &'run AtomicU64,
}

impl Fetcher<'_> {
    /// Reads the manifest of `id`.
    pub(crate) async fn manifest(&self, id: &BackupId, evidence: &mut Evidence) -> Result<Manifest, Trouble> {
        let read = self.stop.or(async { Ok(self.shelf.manifest(self.store, id).await) }).await?;
        let manifest = match read {
            Ok(manifest) => manifest,
            Err(error) if error.is_damage() => {
                return Err(evidence.damaged("manifest", format!("{:#}", anyhow!(error))));
            }
            Err(error) => {
                let error = anyhow::Error::from(error).context("read the manifest");
                return Err(self.unless_gone(id, error, evidence).await?.into());
            }
        };
        evidence.report.backup = Some(facts(&manifest));
        Ok(manifest)
    }

    /// Downloads, checks and decodes every object of the backup.
    pub(crate) async fn fetch(&self, manifest: Manifest, evidence: &mut Evidence) -> Result<Fetched, Trouble> {
        let started = Instant::now();
        let decoding = manifest.codec.decoding().map_err(anyhow::Error::from)?;
        let role = Role::Dump { kind: manifest.kind, suffix: decoding.suffix() };
        let dump = self.object(&manifest, &role, "dump", evidence).await?;
        let mut doubt = dump.unauthenticated;
        if manifest.globals.is_some() {
            let role = Role::Globals { suffix: decoding.suffix() };
            let globals = self.object(&manifest, &role, "globals.sql", evidence).await?;
            doubt = doubt.or(globals.unauthenticated);
            globals::check(&globals.path, &manifest, evidence).await?;
        } else {
            evidence.skip("roles", "the backup holds no roles of the cluster");
        }
        let figures = format!(
            "{} bytes stored, {} plain, sizes and SHA-256 as promised",
            manifest.dump.digests.stored_bytes, dump.bytes
        );
        evidence.record("digests", figures, Vec::new());
        if decoding.encryption != Cipher::None {
            let figures = format!("{}, key {}", decoding.encryption, manifest.codec.key_ids.join(", "));
            evidence.record("encryption", figures, Vec::new());
        }
        if let Some(doubt) = doubt {
            evidence.skip("authentication", format!("ALLOW_UNAUTHENTICATED=true, and {doubt}"));
        }
        evidence.report.durations.download_seconds = Some(dump.download.as_secs_f64());
        evidence.report.durations.fetch_seconds = Some(started.elapsed().as_secs_f64());
        Ok(Fetched { manifest, dump })
    }

    async fn object(
        &self,
        manifest: &Manifest,
        role: &Role,
        name: &str,
        evidence: &mut Evidence,
    ) -> Result<SpooledFile, Trouble> {
        let spool = Spool { store: self.store, folder: self.folder, stop: self.stop };
        let key = self.shelf.key(&manifest.id, role);
        let is_globals = matches!(role, Role::Globals { .. });
        let facts = manifest.globals.as_ref().filter(|_| is_globals).unwrap_or(&manifest.dump);
        let counter = if is_globals { &AtomicU64::new(0) } else { self.plain_bytes };
        let opening = self.opening(manifest, role, evidence).await?;
        match spool.fetch(&key, facts, opening, name, counter).await {
            Ok(file) => Ok(file),
            Err(SpoolError::Stopped(reason)) => Err(Trouble::Stopped(reason)),
            Err(error) if error.is_damage() => {
                let layer = layer(&error);
                let error = self.unless_gone(&manifest.id, error.into(), evidence).await?;
                Err(evidence.damaged(layer, format!("{error:#}")))
            }
            Err(error) => Err(Trouble::CouldNotRun(error.into())),
        }
    }

    /// Hands `error` back unless it says that an object does not exist and the whole backup is gone by now:
    /// retention may delete one that a drill has just chosen, its manifest first, and that is no damage.
    async fn unless_gone(
        &self,
        id: &BackupId,
        error: anyhow::Error,
        evidence: &mut Evidence,
    ) -> Result<anyhow::Error, Trouble> {
        if !matches!(find_cause::<StoreError>(&error), Some(StoreError::NotFound(_))) {
            return Ok(error);
        }
        let listed = self.stop.or(self.shelf.catalog(self.store, Utc::now())).await;
        let catalog = listed.context("list the bucket again")?;
        let committed = catalog.backups.iter().chain(&catalog.from_the_future).any(|backup| backup.id == *id);
        if committed || catalog.incomplete.iter().any(|run| run.id == *id && run.lost_its_data) {
            return Ok(error);
        }
        evidence.report.backup_vanished = true;
        Err(Trouble::CouldNotRun(anyhow!("backup {id} was deleted after it was chosen, as retention does")))
    }

    /// The key for one object. Without one the backup is worth nothing to this drill, so that is a finding.
    pub(crate) async fn opening(
        &self,
        manifest: &Manifest,
        role: &Role,
        evidence: &mut Evidence,
    ) -> Result<Opening, Trouble> {
        let (keyring, codec) = (self.keyring.clone(), manifest.codec.clone());
        let (label, folder) = (self.shelf.label(&manifest.id, role), self.folder.path().to_owned());
        let found = tokio::task::spawn_blocking(move || {
            let required = codec.required().map_err(anyhow::Error::from)?;
            anyhow::Ok(keyring.opening(required, &label, &folder))
        });
        match found.await.context("derive keys")?? {
            Ok(opening) => Ok(opening),
            Err(error) => {
                evidence.record("keys", "the backup cannot be decrypted".to_owned(), vec![error.to_string()]);
                Err(Trouble::Damaged)
            }
        }
    }
}

/// The check that has found the damage.
fn layer(error: &SpoolError) -> &'static str {
    match error {
        SpoolError::Decode { source: DecodeError::Decrypt(_) | DecodeError::Mac(_), .. } => "encryption",
        _ => "digests",
    }
}

fn facts(manifest: &Manifest) -> BackupFacts {
    BackupFacts {
        id: manifest.id.clone(),
        database: manifest.database.name.clone(),
        kind: manifest.kind,
        snapshot_at: manifest.snapshot_at,
        server_version: manifest.database.server_version.clone(),
        tool: manifest.tool.clone(),
        stored_bytes: manifest.objects().map(|object| object.digests.stored_bytes).sum(),
        plain_bytes: manifest.dump.digests.plain_bytes,
    }
}

/// Reads the whole archive, digests its rows, and writes into the copy where each table begins, so that
/// `pg_restore --jobs` need not search.
///
/// A stop becomes a read error, as everywhere.
pub(crate) async fn scan(dump: &SpooledFile, stop: &Stop, evidence: &mut Evidence) -> Result<Scanned, Trouble> {
    let started = Instant::now();
    let (path, stop) = (dump.path.clone(), stop.clone());
    let scanned = tokio::task::spawn_blocking(move || scan_file(&path, stop)).await.context("scan the archive")?;
    let scanned = match scanned {
        Ok(scanned) => scanned,
        Err(ScanError::Archive(error)) if error.is_damage() => {
            return Err(evidence.damaged("archive", format!("{:#}", anyhow!(error))));
        }
        Err(ScanError::Archive(error)) => return Err(anyhow::Error::from(error).context("read the archive").into()),
        Err(ScanError::Copy(error)) => return Err(anyhow::Error::from(error).context("write offsets").into()),
    };
    let tables = scanned.contents.tables.len();
    let figures = format!("{} entries, {tables} with rows, complete to the last byte", scanned.archive.entries.len());
    evidence.record("archive", figures, Vec::new());
    evidence.report.durations.scan_seconds = Some(started.elapsed().as_secs_f64());
    Ok(scanned)
}

enum ScanError {
    Archive(backup_core::postgres::archive::ArchiveError),
    Copy(std::io::Error),
}

/// A file that cannot be read any more once a stop came.
struct Stoppable<R> {
    source: R,
    stop: Stop,
}

impl<R: Read> Read for Stoppable<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.stop.reason() {
            Some(reason) => Err(io::Error::other(reason)),
            None => self.source.read(buffer),
        }
    }
}

fn scan_file(path: &Path, stop: Stop) -> Result<Scanned, ScanError> {
    let source = Stoppable { source: File::open(path).map_err(ScanError::Copy)?, stop };
    let (archive, contents) = ArchiveReader::open(source).and_then(ArchiveReader::scan).map_err(ScanError::Archive)?;
    let mut copy = OpenOptions::new().write(true).open(path).map_err(ScanError::Copy)?;
    contents.write_offsets(&archive, &mut copy).map_err(ScanError::Copy)?;
    Ok(Scanned { archive, contents })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use backup_core::cause::stopped_by;
    use backup_core::stop::Stopped;

    use super::*;

    #[test]
    fn versions_as_pg_dump_writes_them_into_an_archive() {
        for (version, major) in [("17.2 (Debian 17.2-1.pgdg120+1)", 17), ("15.18", 15), ("18beta1", 18), ("", 0)] {
            assert_eq!(major_of(version), major, "{version}");
        }
    }

    #[test]
    fn a_stop_ends_the_pass_over_an_archive_r063() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"PGDMP and whatever follows").unwrap();
        let stop = Stop::default();
        let error = |stop| match scan_file(file.path(), stop) {
            Err(ScanError::Archive(error)) => anyhow!(error),
            _ => panic!("it is no archive"),
        };
        assert_eq!(stopped_by(&error(stop.clone())), None);
        stop.trigger(Stopped::Signal);
        assert_eq!(stopped_by(&error(stop)), Some(Stopped::Signal));
    }
}
