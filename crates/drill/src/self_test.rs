//! `verify self-test`: does the drill notice? Damages copies of the newest backup in every way that is known
//! here, and shows which check catches each. The bucket is only read.

mod damage;
mod encryption;

use std::path::{Path, PathBuf};

use anyhow::Context;
use backup_core::codec::encryption::Opening;
use backup_core::codec::{DecodeError, Decompression, decode_reader};
use backup_core::private::PrivateDir;
use backup_core::repository::{BackupId, Manifest, Repository, Role, UNSEALED, seal};
use backup_core::spool::SpooledFile;
use backup_core::stop::Stop;
use backup_core::stored::Digests;
use backup_core::text;
use chrono::Utc;
use futures_util::StreamExt;
use rand::Rng;
use tokio_util::io::ReaderStream;

use crate::choose::{Choice, Chosen, Selector, choose};
use crate::config::DrillConfig;
use crate::drill::Drill;
use crate::evidence::{DrillError, Evidence};
use crate::fetch::{Fetched, Fetcher};
use crate::proof::Candidate;
use crate::report::Verdict;
use crate::sabotage::{NOTHING_TO_DAMAGE, Sabotage};
use crate::scan::{Scan, Scanned};
use crate::server::OpenServer;
use backup_core::progress::Progress;

use damage::Damage;

/// The restore that must pass.
const PRISTINE: &str = "the pristine copy";

/// Maximum characters shown of the check that caught a damage.
const MAX_SHOWN_CHARACTERS: usize = 70;

/// As for every other reader of manifests.
const MAX_MANIFEST_BYTES: u64 = 64 * 1024 * 1024;

/// Positions of single flipped bits, beside the first and the last byte.
const RANDOM_FLIPS: usize = 8;

/// Damaged archives are read in pieces of this size.
const CHUNK_BYTES: usize = 256 * 1024;

/// One line of the table.
struct Row {
    what: String,
    caught_by: Option<String>,
    expected_clean: bool,
    /// Why this backup cannot be damaged so.
    not_applicable: Option<&'static str>,
}

impl Row {
    fn pristine(what: impl Into<String>, caught_by: Option<String>) -> Self {
        Self { what: what.into(), caught_by, expected_clean: true, not_applicable: None }
    }

    fn damaged(what: impl Into<String>, caught_by: Option<String>) -> Self {
        Self { what: what.into(), caught_by, expected_clean: false, not_applicable: None }
    }

    fn not_applicable(what: impl Into<String>, why: &'static str) -> Self {
        Self { what: what.into(), caught_by: None, expected_clean: false, not_applicable: Some(why) }
    }

    fn is_as_it_should(&self) -> bool {
        self.not_applicable.is_some() || self.caught_by.is_none() == self.expected_clean
    }

    /// The second column of the table.
    fn verdict(&self) -> String {
        match (self.not_applicable, &self.caught_by, self.expected_clean) {
            (Some(why), ..) => format!("not applicable: {why}"),
            (None, None, true) => "passes, as it must".to_owned(),
            (None, None, false) => "NOT CAUGHT".to_owned(),
            (None, Some(check), true) => format!("FALSE ALARM by {check}"),
            (None, Some(check), false) => format!("caught by {}", shortened(check)),
        }
    }
}

/// Runs every test and prints the table; returns how many were not as they must be.
///
/// # Errors
/// If the newest backup cannot be read, or no drill can run.
pub async fn self_test(config: &DrillConfig, stop: &Stop) -> anyhow::Result<usize> {
    let chosen = choose(config, &Selector::Newest, stop).await.context("choose a backup")?;
    let Chosen { repository, choice: Choice { backup, .. } } = chosen;
    let progress = Progress::default();
    let catalog = stop.or(repository.catalog(Utc::now())).await.context("list the bucket")?;
    let mut others = catalog.backups.iter().filter(|other| other.id != backup.id && other.kind == backup.kind);
    let other = others.next().map(|other| other.id.clone());
    let test = SelfTest {
        drill: Drill { config, stop, progress: &progress, sabotage: None },
        repository,
        folder: PrivateDir::create_in(&config.spool_dir).context("make a folder below VERIFY_SPOOL_DIR")?,
        other,
    };
    text::print_line(format_args!("self-test with copies of backup {}", backup.id));
    let rows = Box::pin(test.run(&backup.id)).await?;
    let missed = rows.iter().filter(|row| !row.is_as_it_should()).count();
    for row in &rows {
        text::print_line(format_args!("  {:<52} {}", row.what, row.verdict()));
    }
    text::print_line(format_args!("{} tests, {missed} not as they must be", rows.len()));
    Ok(missed)
}

/// A line of the table says enough with its beginning.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

struct SelfTest<'run> {
    drill: Drill<'run>,
    repository: Repository,
    folder: PrivateDir,
    /// Another full backup, whose objects are as real.
    other: Option<BackupId>,
}

impl Damage {
    fn row(self, what: String, caught_by: Option<String>) -> Row {
        match self {
            Self::None => Row::pristine(what, caught_by),
            Self::Cut { .. } | Self::Flip { .. } | Self::Grow => Row::damaged(what, caught_by),
        }
    }
}

impl SelfTest<'_> {
    async fn run(&self, id: &BackupId) -> anyhow::Result<Vec<Row>> {
        let mut evidence = Evidence::new(Utc::now());
        let counter = std::sync::atomic::AtomicU64::new(0);
        let fetcher = Fetcher {
            repository: &self.repository,
            folder: &self.folder,
            keyring: &self.drill.config.keyring,
            stop: self.drill.stop,
            plain_bytes: &counter,
        };
        let manifest = fetcher.manifest(id, &mut evidence).await.map_err(|error| error.into_error(&evidence))?;
        let mut rows = self.manifests(id, &manifest).await?;
        let role = Role::Dump { kind: manifest.kind, suffix: manifest.codec.decoding()?.suffix() };
        let opening = fetcher.opening(&manifest, &role, &mut evidence).await;
        let opening = opening.map_err(|error| error.into_error(&evidence))?;
        let path = self.download(&manifest).await?;
        rows.extend(self.stored_bytes(&path, &manifest, &opening).await?);
        rows.extend(self.encrypted_bytes(&path, &manifest, &opening).await?);
        tokio::fs::remove_file(&path).await.context("remove the stored copy")?;
        rows.push(self.swapped(&fetcher, &manifest, &opening).await?);
        let fetched = fetcher.fetch(manifest, &mut evidence).await;
        let (fetched, scanned) = fetched.map_err(|error| error.into_error(&evidence))?;
        rows.extend(self.decoded_bytes(&fetched).await?);
        let scanned = scanned.write_offsets(&fetched.dump.path).await?;
        rows.extend(self.restores(&fetched, &scanned).await?);
        Ok(rows)
    }

    /// The manifest of one backup in the place of another's.
    async fn manifests(&self, id: &BackupId, manifest: &Manifest) -> anyhow::Result<Vec<Row>> {
        let newer = BackupId::new(Utc::now());
        let key = self.repository.layout().key(id, &Role::Manifest);
        let read = async { Ok(self.repository.store().read(&key, MAX_MANIFEST_BYTES).await?) };
        let manifest_text = self.drill.stop.or(read).await.context("read the manifest")?;
        let mut rows = Vec::new();
        let mut add = |what: &str, id: &BackupId, text: &[u8]| {
            let caught_by = self.repository.layout().open_manifest(id, text).is_err().then(|| "manifest".to_owned());
            rows.push(Row::damaged(what, caught_by));
        };
        add("an older backup under a newer id", &newer, &manifest_text);
        add("the manifest cut in half", id, &manifest_text[..manifest_text.len() / 2]);
        add("an empty manifest", id, b"");
        for _ in 0..RANDOM_FLIPS {
            let at = rand::rng().random_range(0..manifest_text.len());
            let mut flipped = manifest_text.to_vec();
            flipped[at] ^= 1;
            add(&format!("the manifest with a bit of byte {at} flipped"), id, &flipped);
        }
        add(
            "a manifest that names another object",
            id,
            resealed(&manifest_text, &manifest.dump.name, "other.dump").as_bytes(),
        );
        Ok(rows)
    }

    /// The stored dump, cut, flipped, grown, swapped.
    async fn stored_bytes(&self, path: &Path, manifest: &Manifest, opening: &Opening) -> anyhow::Result<Vec<Row>> {
        let bytes = manifest.dump.digests.stored_bytes;
        let mut damages = vec![
            Damage::None,
            Damage::Cut { at: bytes.saturating_sub(1) },
            Damage::Cut { at: bytes.saturating_sub(100) },
            Damage::Cut { at: bytes / 2 },
            Damage::Cut { at: 0 },
            Damage::Flip { at: 0 },
            Damage::Flip { at: bytes.saturating_sub(1) },
            Damage::Grow,
        ];
        damages.extend((0..RANDOM_FLIPS).map(|_| Damage::Flip { at: rand::rng().random_range(0..bytes.max(1)) }));
        let mut rows = Vec::new();
        for damage in damages {
            let caught_by = self.decode(path, &damage, &manifest.dump.digests, opening).await?;
            rows.push(damage.row(format!("stored bytes {damage}"), caught_by));
        }
        Ok(rows)
    }

    /// The objects of another backup under the manifest of this one, as a store or a person might mix them up.
    async fn swapped(&self, fetcher: &Fetcher<'_>, manifest: &Manifest, opening: &Opening) -> anyhow::Result<Row> {
        let what = "the data of another backup";
        let Some(other) = &self.other else { return Ok(Row::not_applicable(what, "there is no other full backup")) };
        let mut evidence = Evidence::new(Utc::now());
        let theirs = match fetcher.manifest(other, &mut evidence).await {
            Ok(theirs) => theirs,
            Err(DrillError::Damaged) => return Ok(Row::not_applicable(what, "the other one has no usable manifest")),
            Err(error) => return Err(error.into_error(&evidence)),
        };
        if theirs.codec.decoding()? != manifest.codec.decoding()? {
            return Ok(Row::not_applicable(what, "the other one is of another codec"));
        }
        if theirs.dump.digests == manifest.dump.digests {
            return Ok(Row::not_applicable(what, "the other one holds the same bytes"));
        }
        let path = self.download(&theirs).await?;
        let caught_by = self.decode(&path, &Damage::None, &manifest.dump.digests, opening).await?;
        tokio::fs::remove_file(&path).await.context("remove the stored copy")?;
        Ok(Row::damaged(what, caught_by))
    }

    /// The decoded archive, damaged behind every layer that the store has: its digest finds that, and the reader
    /// of archives finds a cut also by itself.
    async fn decoded_bytes(&self, fetched: &Fetched) -> anyhow::Result<Vec<Row>> {
        let Fetched { manifest, dump, .. } = fetched;
        let opening = Opening::plain(Decompression::None);
        let mut digests = manifest.dump.digests.clone();
        (digests.stored_bytes, digests.stored_sha256) = (digests.plain_bytes, digests.plain_sha256.clone());
        let (bytes, mut rows) = (dump.bytes, Vec::new());
        let cuts = [bytes.saturating_sub(1), bytes / 2, 0].map(|at| Damage::Cut { at });
        let mut damages = vec![Damage::None, Damage::Grow];
        damages.extend(cuts);
        damages.extend((0..RANDOM_FLIPS).map(|_| Damage::Flip { at: rand::rng().random_range(0..bytes.max(1)) }));
        for damage in damages {
            let caught_by = self.decode(&dump.path, &damage, &digests, &opening).await?;
            rows.push(damage.row(format!("decoded archive {damage}"), caught_by));
        }
        for cut in cuts {
            let caught_by = self.scan_damaged(dump, cut).await?;
            rows.push(Row::damaged(format!("decoded archive {cut}, without digests"), caught_by));
        }
        Ok(rows)
    }

    /// Whether the reader of archives notices the damage by itself.
    async fn scan_damaged(&self, dump: &SpooledFile, damage: Damage) -> anyhow::Result<Option<String>> {
        let damaged = damage.apply(&dump.path).await.context("read the decoded archive")?;
        let (to_scan, scan) = Scan::start();
        let mut chunks = ReaderStream::with_capacity(damaged, CHUNK_BYTES);
        let sent = async {
            while let Some(chunk) = chunks.next().await {
                if to_scan.send(chunk?).await.is_err() {
                    break; // It has seen enough.
                }
            }
            Ok(())
        };
        self.drill.stop.or(sent).await.context("read the damaged archive")?;
        drop(to_scan);
        let mut evidence = Evidence::new(Utc::now());
        match scan.finish(&mut evidence).await {
            Ok(_) => Ok(None),
            Err(DrillError::Damaged) => Ok(Some("archive".to_owned())),
            Err(error) => Err(error.into_error(&evidence)),
        }
    }

    async fn download(&self, manifest: &Manifest) -> anyhow::Result<PathBuf> {
        let decoding = manifest.codec.decoding()?;
        let key =
            self.repository.layout().key(&manifest.id, &Role::Dump { kind: manifest.kind, suffix: decoding.suffix() });
        let (file, path) = self.folder.create_file("stored").context("make a copy of the stored bytes")?;
        let mut file = tokio::fs::File::from_std(file);
        let mut download = self.repository.store().download(&key, manifest.dump.digests.stored_bytes);
        let copied = async {
            while let Some(chunk) = download.next_chunk().await? {
                tokio::io::AsyncWriteExt::write_all(&mut file, &chunk).await?;
            }
            Ok(tokio::io::AsyncWriteExt::flush(&mut file).await?)
        };
        self.drill.stop.or(copied).await.context("copy the stored bytes")?;
        Ok(path)
    }

    /// Which layer refuses the damaged bytes, if any.
    async fn decode(
        &self,
        path: &Path,
        damage: &Damage,
        digests: &Digests,
        opening: &Opening,
    ) -> anyhow::Result<Option<String>> {
        let source = damage.apply(path).await.context("read the stored copy")?;
        let decoded = async {
            let mut plain = decode_reader(source, opening.clone(), digests);
            while plain.next_chunk().await.is_some() {}
            Ok(plain.finish().await)
        };
        Ok(match self.drill.stop.or(decoded).await? {
            Ok(_) => None,
            Err(error @ (DecodeError::Decrypt(_) | DecodeError::Mac(_))) => Some(format!("encryption ({error})")),
            Err(error) if error.is_damage() => Some(format!("digests ({error})")),
            Err(error) => return Err(error.into()),
        })
    }

    /// The pristine copy, and restores that go wrong without a word of `pg_restore`.
    async fn restores(&self, fetched: &Fetched, scanned: &Scanned) -> anyhow::Result<Vec<Row>> {
        let mut rows = vec![self.restore(PRISTINE, None, fetched, scanned).await?];
        for sabotage in Sabotage::all(scanned) {
            let what = sabotage.to_string();
            rows.push(self.restore(&what, Some(sabotage), fetched, scanned).await?);
        }
        let mut other = fetched.manifest.clone();
        if let Some(table) = other.inventory.tables.iter_mut().find(|table| table.rows.is_some()) {
            table.rows = table.rows.map(|rows| rows + 1);
            let forged = Fetched { manifest: other, dump: fetched.dump.clone(), roles: fetched.roles.clone() };
            rows.push(self.restore("a manifest that counts one row more", None, &forged, scanned).await?);
        }
        Ok(rows)
    }

    async fn restore(
        &self,
        what: &str,
        sabotage: Option<Sabotage>,
        fetched: &Fetched,
        scanned: &Scanned,
    ) -> anyhow::Result<Row> {
        let Drill { config, stop, progress, .. } = self.drill;
        let drill = Drill { config, stop, progress, sabotage: sabotage.as_ref() };
        let candidate = Candidate { fetched, scanned, folder: &self.folder };
        let mut evidence = Evidence::new(Utc::now());
        let server = OpenServer::open(config, &fetched.manifest, stop).await;
        let server = server.with_context(|| format!("restore {what}"))?;
        let outcome = Box::pin(drill.on_open_server(&server, &candidate, &mut evidence)).await;
        server.close(&mut evidence).await;
        let mut report = evidence.finish(outcome, Utc::now());
        report.make_safe(&config.scrubber);
        let caught_by = match report.verdict {
            Verdict::Passed => None,
            Verdict::Failed => {
                report.findings.first().map(|finding| format!("{} ({})", finding.check, finding.message))
            }
            Verdict::CouldNotRun | Verdict::Stopped | Verdict::Skipped => {
                let why = report.error.unwrap_or_default();
                if sabotage.is_some() && why.contains(NOTHING_TO_DAMAGE) {
                    return Ok(Row::not_applicable(what, "its rows are all alike"));
                }
                return Err(anyhow::anyhow!("{why}").context(format!("restore {what}")));
            }
        };
        Ok(if what == PRISTINE { Row::pristine(what, caught_by) } else { Row::damaged(what, caught_by) })
    }
}

/// A manifest with another word in it, by an attacker who knows how manifests are sealed.
fn resealed(text: &[u8], word: &str, other: &str) -> String {
    let text = String::from_utf8_lossy(text).replacen(word, other, 1);
    let digest: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    match digest["manifest_sha256"].as_str() {
        Some(digest) => seal(&text.replace(digest, UNSEALED)),
        None => text,
    }
}
