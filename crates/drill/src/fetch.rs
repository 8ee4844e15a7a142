//! From the bucket to a checked archive in a private file.

use std::sync::atomic::AtomicU64;
use std::time::Instant;

use anyhow::{Context, anyhow};
use backup_core::cause::find_cause;
use backup_core::codec::DecodeError;
use backup_core::codec::encryption::{Cipher, KeyError, Keyring, Opening};
use backup_core::postgres::globals::ClusterRoles;
use backup_core::private::PrivateDir;
use backup_core::repository::{BackupId, Manifest, Repository, Role};
use backup_core::spool::{Onlookers, Spool, SpoolError, SpooledFile};
use backup_core::stop::Stop;
use backup_core::storage::StoreError;
use chrono::Utc;

use crate::evidence::{DrillError, Evidence};
use crate::globals;
use crate::report::BackupFacts;
use crate::scan::{Scan, Scanned};

/// A backup on this machine, of which every byte was held against its manifest.
pub struct Fetched {
    /// Its manifest, which was believed.
    pub manifest: Manifest,
    /// The decoded dump.
    pub dump: SpooledFile,
    /// Of the source's cluster; empty if the backup holds no globals.
    pub roles: ClusterRoles,
}

/// Where backups come from and go to.
pub struct Fetcher<'run> {
    /// Where backups are.
    pub repository: &'run Repository,
    /// Where decoded objects go.
    pub folder: &'run PrivateDir,
    /// What can be decrypted.
    pub keyring: &'run Keyring,
    /// What ends it.
    pub stop: &'run Stop,
    /// Counts the plain bytes, for a progress display.
    pub plain_bytes: &'run AtomicU64,
}

impl Fetcher<'_> {
    /// Reads the manifest of `id`.
    pub async fn manifest(&self, id: &BackupId, evidence: &mut Evidence) -> Result<Manifest, DrillError> {
        let read = self.stop.or(async { Ok(self.repository.manifest_and_digest(id).await) }).await?;
        let (manifest, manifest_sha256) = match read {
            Ok(read) => read,
            Err(error) if error.is_damage() => {
                return Err(evidence.damaged("manifest", format!("{:#}", anyhow!(error))));
            }
            Err(error) => {
                let error = anyhow::Error::from(error).context("read the manifest");
                return Err(self.unless_gone(id, error, evidence).await?.into());
            }
        };
        evidence.report.backup = Some(facts(&manifest, manifest_sha256));
        Ok(manifest)
    }

    /// Downloads, checks and decodes every object of the backup, and reads the archive as it arrives. What that
    /// pass says counts only for bytes that are as promised.
    pub async fn fetch(&self, manifest: Manifest, evidence: &mut Evidence) -> Result<(Fetched, Scanned), DrillError> {
        let started = Instant::now();
        let decoding = manifest.codec.decoding().map_err(anyhow::Error::from)?;
        let role = Role::Dump { kind: manifest.kind, suffix: decoding.suffix() };
        let (to_scan, scan) = Scan::start();
        let onlookers = Onlookers { plain_bytes: Some(self.plain_bytes), chunks: Some(to_scan) };
        let dump = self.object(&manifest, &role, "dump", onlookers, evidence).await?;
        let mut doubt = dump.unauthenticated;
        let mut roles = ClusterRoles::default();
        if let Some(globals) = self.globals(&manifest, evidence).await? {
            doubt = doubt.or(globals.unauthenticated);
            globals::check(&globals.path, &manifest, evidence).await?;
            roles = ClusterRoles::read(&globals.path).await?;
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
        } else if self.keyring.has_keys() {
            evidence.note(
                "the backup is not encrypted, although keys for encrypted ones are given: was encryption switched off, or \
                 did another program write it?",
            );
        }
        if let Some(doubt) = doubt {
            evidence.skip("authentication", format!("ALLOW_UNAUTHENTICATED=true, and {doubt}"));
        }
        let scanned = scan.finish(evidence).await?;
        evidence.report.durations.download_seconds = Some(dump.download.as_secs_f64());
        evidence.report.durations.fetch_seconds = Some(started.elapsed().as_secs_f64());
        Ok((Fetched { manifest, dump, roles }, scanned))
    }

    /// Downloads, checks and decodes the roles of the cluster; `None` if the backup holds none.
    pub async fn globals(
        &self,
        manifest: &Manifest,
        evidence: &mut Evidence,
    ) -> Result<Option<SpooledFile>, DrillError> {
        let Some(globals) = &manifest.globals else { return Ok(None) };
        let bytes = globals.digests.plain_bytes;
        if bytes > globals::MAX_BYTES {
            return Err(evidence.damaged("roles", format!("the roles have {bytes} bytes, more than any backup has")));
        }
        let decoding = manifest.codec.decoding().map_err(anyhow::Error::from)?;
        let role = Role::Globals { suffix: decoding.suffix() };
        self.object(manifest, &role, "globals.sql", Onlookers::default(), evidence).await.map(Some)
    }

    async fn object(
        &self,
        manifest: &Manifest,
        role: &Role,
        name: &str,
        onlookers: Onlookers<'_>,
        evidence: &mut Evidence,
    ) -> Result<SpooledFile, DrillError> {
        let spool = Spool { store: self.repository.store(), folder: self.folder, stop: self.stop };
        let key = self.repository.layout().key(&manifest.id, role);
        let is_globals = matches!(role, Role::Globals { .. });
        let facts = manifest.globals.as_ref().filter(|_| is_globals).unwrap_or(&manifest.dump);
        let opening = self.opening(manifest, role, evidence).await?;
        match spool.fetch(&key, facts, opening, name, onlookers).await {
            Ok(file) => Ok(file),
            Err(SpoolError::Stopped(reason)) => Err(DrillError::Stopped(reason)),
            Err(error) if error.is_damage() => {
                let layer = layer(&error);
                let error = self.unless_gone(&manifest.id, error.into(), evidence).await?;
                Err(evidence.damaged(layer, format!("{error:#}")))
            }
            Err(error) => Err(DrillError::CouldNotRun(error.into())),
        }
    }

    /// Hands `error` back unless it says that an object does not exist and the whole backup is gone by now:
    /// retention may delete one that a drill has just chosen, its manifest first, and that is no damage.
    async fn unless_gone(
        &self,
        id: &BackupId,
        error: anyhow::Error,
        evidence: &mut Evidence,
    ) -> Result<anyhow::Error, DrillError> {
        if !matches!(find_cause::<StoreError>(&error), Some(StoreError::NotFound(_))) {
            return Ok(error);
        }
        let listed = self.stop.or(self.repository.catalog(Utc::now())).await;
        let catalog = listed.context("list the bucket again")?;
        let committed = catalog.backups.iter().chain(&catalog.from_the_future).any(|backup| backup.id == *id);
        if committed || catalog.incomplete.iter().any(|run| run.id == *id && run.lost_its_data) {
            return Ok(error);
        }
        evidence.report.backup_vanished = true;
        Err(DrillError::CouldNotRun(anyhow!("backup {id} was deleted after it was chosen, as retention does")))
    }

    /// The key for one object. That none is here which the manifest names says nothing about the backup: another reader may
    /// hold it. Bytes that do not open with a key which the manifest names are damage.
    pub async fn opening(
        &self,
        manifest: &Manifest,
        role: &Role,
        evidence: &mut Evidence,
    ) -> Result<Opening, DrillError> {
        let (keyring, codec) = (self.keyring.clone(), manifest.codec.clone());
        let (label, folder) = (self.repository.layout().label(&manifest.id, role), self.folder.path().to_owned());
        let found = backup_core::task::spawn_blocking(move || {
            let required = codec.required().map_err(anyhow::Error::from)?;
            anyhow::Ok(keyring.opening(required, &label, &folder))
        });
        match found.await.context("derive keys")?? {
            Ok(opening) => Ok(opening),
            Err(error @ KeyError::NoKey { .. }) => {
                evidence.skip("keys", "the manifest names none of the keys that are given");
                Err(DrillError::CouldNotRun(error.into()))
            }
            Err(error @ KeyError::Iterations(_)) => {
                evidence.record("keys", "the backup cannot be decrypted".to_owned(), vec![error.to_string()]);
                Err(DrillError::Damaged)
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

fn facts(manifest: &Manifest, manifest_sha256: String) -> BackupFacts {
    BackupFacts {
        id: manifest.id.clone(),
        manifest_sha256,
        database: manifest.database.name.clone(),
        kind: manifest.kind,
        snapshot_at: manifest.snapshot_at,
        server_version: manifest.database.server_version.clone(),
        tool: manifest.tool.clone(),
        stored_bytes: manifest.objects().map(|object| object.digests.stored_bytes).sum(),
        plain_bytes: manifest.dump.digests.plain_bytes,
    }
}
