//! The layer of encryption alone: bytes that a writer to the bucket has changed, who has made the
//! digests of the manifest agree.

use std::path::Path;

use anyhow::Context;
use backup_core::codec::encryption::{Label, Opening, Unlock};
use backup_core::repository::{BackupId, Manifest};
use backup_core::stored::Digests;
use chrono::Utc;
use rand::Rng;
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;

use super::damage::Damage;
use super::{RANDOM_FLIPS, Row, SelfTest};

/// An age file is authenticated in chunks of so many bytes and 16 more.
const AGE_CHUNK_BYTES: u64 = 64 * 1024 + 16;

impl SelfTest<'_> {
    /// Nothing for a backup that is not encrypted: there only the signature of the manifest tells such bytes.
    pub(super) async fn encrypted_bytes(
        &self,
        path: &Path,
        manifest: &Manifest,
        opening: &Opening,
    ) -> anyhow::Result<Vec<Row>> {
        if matches!(opening.unlock, Unlock::None) {
            return Ok(Vec::new());
        }
        let bytes = manifest.dump.digests.stored_bytes;
        let mut damages = vec![
            Damage::None,
            Damage::Cut { at: bytes.saturating_sub(1) },
            Damage::Cut { at: bytes.saturating_sub(16) },
            Damage::Cut { at: bytes / 2 },
            Damage::Flip { at: bytes.saturating_sub(1) },
            Damage::Grow,
        ];
        if bytes > AGE_CHUNK_BYTES {
            damages.push(Damage::Cut { at: bytes - bytes % AGE_CHUNK_BYTES });
        }
        damages.extend((0..RANDOM_FLIPS).map(|_| Damage::Flip { at: rand::rng().random_range(0..bytes.max(1)) }));
        let mut rows = Vec::new();
        for damage in damages {
            let believed = believing(path, &damage, &manifest.dump.digests).await.context("read the stored copy")?;
            let caught_by = self.decode(path, &damage, &believed, opening).await?;
            rows.push(damage.row(format!("bytes and digests {damage}"), caught_by));
        }
        rows.extend(self.unbound_bytes(path, manifest, opening).await?);
        Ok(rows)
    }

    /// What only a MAC can tell: the same bytes in the place of others.
    async fn unbound_bytes(&self, path: &Path, manifest: &Manifest, opening: &Opening) -> anyhow::Result<Vec<Row>> {
        let Unlock::Aes256Cbc { label, .. } = &opening.unlock else { return Ok(Vec::new()) };
        let elsewhere = Label { backup: BackupId::new(Utc::now()).to_string(), ..label.clone() };
        let mut moved = opening.clone();
        if let Unlock::Aes256Cbc { label, .. } = &mut moved.unlock {
            *label = elsewhere;
        }
        let digests = &manifest.dump.digests;
        let without_mac = Digests { stored_hmac_sha256: None, ..digests.clone() };
        let mut rows = Vec::new();
        for (what, digests, opening) in
            [("encrypted bytes of another backup", digests, &moved), ("no MAC in the manifest", &without_mac, opening)]
        {
            let caught_by = self.decode(path, &Damage::None, digests, opening).await?;
            rows.push(Row::damaged(what, caught_by));
        }
        Ok(rows)
    }
}

/// The digests of a manifest whose writer has stored the damaged bytes.
async fn believing(path: &Path, damage: &Damage, digests: &Digests) -> std::io::Result<Digests> {
    let mut damaged = damage.apply(path).await?;
    let (mut sha256, mut stored_bytes) = (Sha256::new(), 0);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match damaged.read(&mut buffer).await? {
            0 => break,
            count => {
                sha256.update(&buffer[..count]);
                stored_bytes += count as u64;
            }
        }
    }
    let stored_sha256 = sha256.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Digests { stored_bytes, stored_sha256, ..digests.clone() })
}
