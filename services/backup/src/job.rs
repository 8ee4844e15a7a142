//! One backup, as one straight line: preflight, snapshot, dump, store, commit.

use std::io::Cursor;
use std::sync::Arc;

use anyhow::{Context, ensure};
use backup_core::cause::find_cause;
use backup_core::codec::{Codec, Compression};
use backup_core::postgres::globals::is_whole;
use backup_core::postgres::{DumpError, Dumper, Preflight, Watched};
use backup_core::repository::{BackupId, CodecFacts, Displaced, FORMAT, Kind, Manifest, Role};
use backup_core::stop::{Share, Stop};
use backup_core::storage::{Estimate, UploadPlan};
use chrono::Utc;
use tokio::io::AsyncReadExt;

use crate::beside::{DumpBeside, watch};
use crate::config::{Globals, TargetConfig};
use crate::journal::record_start;
use crate::roles::Look;
use crate::said_once::SaidOnce;
use crate::sizing::{Trust, plan_dump};
use crate::source::{Incomplete, Source};
use crate::step;
use crate::upload::{Upload, file_name};
use crate::uploads;
use backup_core::progress::Progress;

/// Two lines for each role and for each membership: enough for some 200,000 roles.
const LARGEST_GLOBALS_BYTES: u64 = 32 * 1024 * 1024;

/// What a manifest says of a database that is backed up with others.
const ONE_OF_SEVERAL: &str = "it is one of several databases that are backed up one after the other, each with a snapshot of \
    its own: their backups do not show one moment";

/// One run.
pub(crate) struct Job<'run> {
    pub(crate) config: &'run TargetConfig,
    pub(crate) said: &'run SaidOnce,
    pub(crate) stop: &'run Stop,
    pub(crate) progress: &'run Progress,
    /// What the size of its parts may be planned by.
    pub(crate) trust: Trust,
}

impl Job<'_> {
    /// Makes one backup and returns its manifest, which is in the bucket by then.
    ///
    /// # Errors
    /// Nothing of a failed run is a backup: its upload is aborted, and no manifest is written.
    pub(crate) async fn run_once(&self) -> anyhow::Result<Manifest> {
        let id = BackupId::new(Utc::now());
        self.progress.enter(step::INSPECT, None);
        let source = self.stop.or(Source::inspect(self.config)).await?;
        self.refuse_what_blocks(&source.findings)?;
        for warning in source.findings.gaps.iter().map(String::as_str).chain(source.in_the_clear) {
            tracing::warn!("{warning}");
        }
        let repository = self.config.repository();
        let reach = async { Ok(repository.store().reach(&repository.layout().start()).await?) };
        self.stop.or(reach).await.context("reach the bucket")?;
        uploads::sweep(self.config, self.said, self.stop).await;
        let started = record_start(&repository, &id, &source.session, &source.facts, self.config.timing.run_timeout);
        self.stop.or(started).await?;

        let upload = Upload { config: self.config, progress: self.progress, repository: &repository, id: &id };
        let manifest = match self.store_objects(source, &upload).await {
            Ok(manifest) => manifest,
            Err(error) => {
                upload.discard(self.stop).await;
                return Err(error);
            }
        };
        let signing_key = self.config.signing_key.as_ref();
        // The commit may be dropped at any instant: the manifest is there, or it is not.
        let committed = self.stop.or_within(Share::Finish, repository.commit(&manifest, signing_key)).await;
        if let Err(error) = &committed
            && find_cause::<Displaced>(error).is_some()
        {
            upload.discard(self.stop).await;
        }
        committed.context("commit")?;
        Ok(manifest)
    }

    /// Stores and confirms everything but the manifest, which is returned.
    async fn store_objects(&self, source: Source, upload: &Upload<'_>) -> anyhow::Result<Manifest> {
        let plan = self.plan(&source, upload);
        let plan = self.stop.or(plan).await.context("plan the upload")?;
        self.progress.enter(step::ROLES, None);
        // Before the snapshot: while pg_dumpall ran after it, tables could be rewritten that pg_dump had not locked.
        let (globals, globals_note) = self.dump_globals(&source).await?;
        // Its keys are derived beside the dump.
        let globals = globals.map(|text| upload.encode(Cursor::new(text), self.globals_role(), small_plan()));
        let Source { session, tools, facts, findings, .. } = source;
        self.progress.enter(step::DUMP, None);
        let beside = DumpBeside { config: self.config, stop: self.stop, upload, tools: &tools, facts: &facts };
        let mut dumped = beside.dump_and_survey(session, plan).await?;
        if !findings.is_superuser {
            dumped.inventory.objects.remove("subscriptions"); // The dump has none, and a note says so.
        }

        self.progress.enter(step::COMMIT, None);
        // After the dump, so that a dump that fails leaves no object behind.
        let globals = match globals {
            Some(globals) => Some(upload.put(globals, self.stop).await.context("store roles")?),
            None => None,
        };
        let (timing, finished_at) = (&self.config.timing, Utc::now());
        let one_of_several = self.config.roles.as_ref().map(|_| ONE_OF_SEVERAL.to_owned());
        let manifest = Manifest {
            format: FORMAT,
            id: upload.id.clone(),
            prefix: Some(upload.repository.store().prefix().to_string()),
            kind: self.kind(),
            narrowed_by: self.config.dump.options.narrowing.clone(),
            tool: concat!("backup ", env!("CARGO_PKG_VERSION")).to_owned(),
            pg_dump_version: tools.version,
            snapshot_at: dumped.snapshot_at,
            finished_at,
            max_age_seconds: Some(timing.max_age(finished_at, finished_at - upload.id.time()).as_secs()),
            run_timeout_seconds: Some(timing.run_timeout.as_secs()),
            database: facts,
            codec: codec_facts(&self.config.dump.codec),
            dump: dumped.object,
            globals,
            inventory: dumped.inventory,
            gaps: findings.gaps.clone(),
            notes: notes(findings, [globals_note, dumped.note, one_of_several]),
        };
        let confirmed = upload.repository.confirm(&manifest);
        self.stop.or_within(Share::Finish, confirmed).await.context("confirm what was stored")?;
        Ok(manifest)
    }

    async fn plan(&self, source: &Source, upload: &Upload<'_>) -> anyhow::Result<UploadPlan> {
        let name = file_name(&upload.repository.layout().key(upload.id, &self.config.dump.role()));
        plan_dump(self.config, upload.repository, source, &name, self.trust).await
    }

    /// A full dump must hold everything; of a narrowed one only `pg_dump` knows what it needs.
    fn refuse_what_blocks(&self, findings: &Preflight) -> anyhow::Result<()> {
        ensure!(findings.unreadable.is_empty(), "{}", findings.unreadable.join("; "));
        if !findings.blockers.is_empty() && self.kind() == Kind::Full {
            return Err(Incomplete { blockers: findings.blockers.clone() }.into());
        }
        for blocker in &findings.blockers {
            tracing::warn!("the partial dump may fail: {blocker}");
        }
        Ok(())
    }

    fn kind(&self) -> Kind {
        self.config.dump.kind()
    }

    fn globals_role(&self) -> Role {
        Role::Globals { suffix: self.config.dump.codec.suffix() }
    }

    /// Dumps the cluster's roles into memory; if that is not required, a failure becomes a note.
    async fn dump_globals(&self, source: &Source) -> anyhow::Result<(Option<Vec<u8>>, Option<String>)> {
        if self.config.dump.globals == Globals::Off {
            return Ok((None, Some("roles and tablespaces are not stored (BACKUP_GLOBALS=false)".to_owned())));
        }
        let shared = match &self.config.roles {
            Some(roles) => Some(self.stop.or(roles.look(&source.session, &source.facts.encoding)).await?),
            None => None,
        };
        if let Some(text) = shared.as_ref().and_then(Look::text) {
            return Ok((Some(text), None));
        }
        let (lock_wait, scrubber) = (self.config.dump.lock_wait, &self.config.process.scrubber);
        let dumper = Dumper::new(&source.tools, &source.session, lock_wait, scrubber, self.stop).await?;
        let session = &source.session;
        let row = session.ask(session.client().query_one("SELECT pg_catalog.pg_backend_pid()", &[])).await?;
        let own_pid = row.try_get(0)?;
        let dumped = match dumper.dump_globals(&source.facts.encoding) {
            Ok(globals) => {
                let watch = watch(self.config, own_pid, &globals);
                tokio::select! {
                    text = read_globals(Watched::new(globals, Arc::clone(&watch.tool))) => text,
                    silent = watch.fell_silent() => Err(silent.into()),
                }
            }
            Err(error) => Err(error),
        };
        match dumped {
            Ok(globals) => {
                shared.into_iter().for_each(|shared| shared.share(&globals));
                Ok((Some(globals), None))
            }
            Err(error) if self.config.dump.globals == Globals::WherePossible && is_the_tools_own(&error) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "roles are not stored; set BACKUP_GLOBALS=false if that is intended"
                );
                Ok((None, Some("roles and tablespaces are not stored: pg_dumpall failed".to_owned())))
            }
            Err(error) => Err(error.context("dump roles")),
        }
    }
}

async fn read_globals(globals: Watched) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    globals.take(LARGEST_GLOBALS_BYTES + 1).read_to_end(&mut text).await?;
    ensure!(
        text.len() as u64 <= LARGEST_GLOBALS_BYTES,
        "roles and tablespaces take more than {LARGEST_GLOBALS_BYTES} bytes; set BACKUP_GLOBALS=false"
    );
    // Its exit status was 0.
    ensure!(is_whole(&text), DumpError::RolesCut);
    Ok(text)
}

fn notes(findings: Preflight, further: [Option<String>; 3]) -> Vec<String> {
    let of_preflight = findings.gaps.into_iter().chain(findings.notes);
    of_preflight.chain(further.into_iter().flatten()).collect()
}

/// For what is small for every database.
fn small_plan() -> UploadPlan {
    UploadPlan::for_stream(
        Estimate { most_bytes: LARGEST_GLOBALS_BYTES, earlier_bytes: None },
        UploadPlan::memory_bytes(),
    )
}

/// Whether `pg_dumpall` itself refused or wrote half, and neither the store nor a stop is the cause.
fn is_the_tools_own(error: &anyhow::Error) -> bool {
    use backup_core::postgres::ChildError;
    find_cause::<DumpError>(error).is_some()
        || find_cause::<ChildError>(error).is_some_and(|error| matches!(error, ChildError::Failed { .. }))
}

/// To be asked after the first object was encoded: a passphrase is derived by then.
fn codec_facts(codec: &Codec) -> CodecFacts {
    let (name, level) = match codec.compression {
        Compression::None => ("none", None),
        Compression::Gzip { level } => ("gzip", i32::try_from(level).ok()),
        Compression::Zstd { level } => ("zstd", Some(level)),
    };
    CodecFacts {
        compression: name.to_owned(),
        level,
        encryption: codec.encryption.cipher().name().to_owned(),
        key_ids: codec.encryption.key_ids(),
        iterations: codec.encryption.iterations(),
    }
}
