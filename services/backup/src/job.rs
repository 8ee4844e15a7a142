//! One backup, as one straight line: preflight, snapshot, dump, store, commit.

use std::io::Cursor;
use std::sync::Arc;

use anyhow::{Context, ensure};
use backup_core::cause::find_cause;
use backup_core::codec::{Codec, Compression, encode};
use backup_core::postgres::connect::Session;
use backup_core::postgres::{ClientTools, Dumper, Preflight, Watched, database_facts, in_the_clear, preflight};
use backup_core::repository::{
    BackupId, CodecFacts, DatabaseFacts, FORMAT, Kind, Manifest, ObjectFacts, Repository, Role,
};
use backup_core::stop::{Share, Stop};
use backup_core::storage::{Estimate, ObjectKey, UploadPlan};
use backup_core::stored::{Digests, Stored};
use chrono::Utc;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::beside::watch;
use crate::config::{Globals, TargetConfig};
use crate::journal::record_start;
use crate::said_once::SaidOnce;
use crate::sizing::{Trust, plan_dump};
use crate::uploads;
use backup_daemon::Progress;

/// Time to take back what a failed run has stored; what remains goes as debris a day later.
const DISCARD_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(2);

/// How many questions the facts of a database are; its size is a look at each of its files.
const FACTS_QUESTIONS: u32 = 4;

/// Two lines for each role and for each membership: enough for some 200,000 roles.
const LARGEST_GLOBALS_BYTES: u64 = 32 * 1024 * 1024;

/// The steps of a run, as `/status` names them.
pub(crate) mod step {
    /// Everything that is known before the first byte.
    pub(crate) const INSPECT: &str = "inspect";
    /// The roles and tablespaces of the cluster.
    pub(crate) const ROLES: &str = "dump roles";
    /// The snapshot, and the dump from the first byte to the last one in the bucket.
    pub(crate) const DUMP: &str = "dump";
    /// What follows the dump until the manifest is in the bucket.
    pub(crate) const COMMIT: &str = "commit";
    /// Before another attempt.
    pub(crate) const PAUSE: &str = "wait for another attempt";
    /// After the commit.
    pub(crate) const RETENTION: &str = "retention";
    /// All of them, in their order.
    pub(crate) const ALL: [&str; 6] = [INSPECT, ROLES, DUMP, COMMIT, PAUSE, RETENTION];
}

/// One run.
pub(crate) struct Job<'run> {
    pub(crate) config: &'run TargetConfig,
    pub(crate) said: &'run SaidOnce,
    pub(crate) stop: &'run Stop,
    pub(crate) progress: &'run Progress,
    /// What the size of its parts may be planned by.
    pub(crate) trust: Trust,
}

/// The role does not see everything that a full backup must contain.
#[derive(Debug, thiserror::Error)]
#[error("the dump would not be complete: {}", .blockers.join("; "))]
pub(crate) struct Incomplete {
    /// What it does not see, and what to grant.
    pub(crate) blockers: Vec<String>,
}

/// What a run knows of its source before the first byte.
pub(crate) struct Source {
    pub(crate) session: Session,
    pub(crate) tools: ClientTools,
    pub(crate) facts: DatabaseFacts,
    pub(crate) findings: Preflight,
    /// What to say if the connection can be read on the way.
    pub(crate) in_the_clear: Option<&'static str>,
}

impl Source {
    /// Connects and asks everything that can be known before a dump.
    pub(crate) async fn inspect(config: &TargetConfig) -> anyhow::Result<Self> {
        let session = config.source.connect().await.context("connect to the database")?;
        let server_major = session.server_version_num() / 10_000;
        let tools = ClientTools::find(config.process.bin_dir.as_deref().map(AsRef::as_ref), server_major)
            .await
            .context("find pg_dump")?;
        let facts = session
            .ask_all(session.question_limit() * FACTS_QUESTIONS, database_facts(&session))
            .await
            .context("inspect the database")?;
        let mut findings = preflight(&session).await.context("inspect the database")?;
        findings.notes.extend(tools.minor_note(session.server_version_num()));
        findings.notes.extend(changed_at_login(&session));
        let in_the_clear = session.ask(in_the_clear(&session)).await.context("inspect the connection")?;
        Ok(Self { session, tools, facts, findings, in_the_clear })
    }
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
        let started = record_start(&repository, &id, &source.session, &source.facts);
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
        self.stop.or_within(Share::Finish, repository.commit(&manifest, signing_key)).await.context("commit")?;
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
        let mut dumped = self.dump_and_survey(session, &tools, &facts, (upload, plan)).await?;
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
            notes: findings.gaps.into_iter().chain(findings.notes).chain(globals_note).chain(dumped.note).collect(),
        };
        let confirmed = upload.repository.confirm(&manifest);
        self.stop.or_within(Share::Finish, confirmed).await.context("confirm what was stored")?;
        Ok(manifest)
    }

    async fn plan(&self, source: &Source, upload: &Upload<'_>) -> anyhow::Result<UploadPlan> {
        let name = file_name(&upload.repository.layout().key(upload.id, &self.dump_role()));
        plan_dump(self.config, upload.repository, source, &name, self.trust).await
    }

    /// A full dump must hold everything; of a narrowed one only `pg_dump` knows what it needs.
    fn refuse_what_blocks(&self, findings: &Preflight) -> anyhow::Result<()> {
        if !findings.blockers.is_empty() && self.kind() == Kind::Full {
            return Err(Incomplete { blockers: findings.blockers.clone() }.into());
        }
        for blocker in &findings.blockers {
            tracing::warn!("the partial dump may fail: {blocker}");
        }
        Ok(())
    }

    pub(crate) fn kind(&self) -> Kind {
        self.config.dump.kind()
    }

    pub(crate) fn dump_role(&self) -> Role {
        Role::Dump { kind: self.kind(), suffix: self.config.dump.codec.suffix() }
    }

    fn globals_role(&self) -> Role {
        Role::Globals { suffix: self.config.dump.codec.suffix() }
    }

    /// Dumps the cluster's roles into memory; if that is not required, a failure becomes a note.
    async fn dump_globals(&self, source: &Source) -> anyhow::Result<(Option<Vec<u8>>, Option<String>)> {
        if self.config.dump.globals == Globals::Off {
            return Ok((None, Some("roles and tablespaces are not stored (BACKUP_GLOBALS=false)".to_owned())));
        }
        let (lock_wait, scrubber) = (self.config.dump.lock_wait, &self.config.process.scrubber);
        let dumper = Dumper::new(&source.tools, &source.session, lock_wait, scrubber, self.stop)?;
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
            Ok(globals) => Ok((Some(globals), None)),
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

/// What to say of a login event trigger that changes how rows look as text. The rows are right nevertheless.
fn changed_at_login(session: &Session) -> Option<String> {
    let names = session.changed_at_login();
    (!names.is_empty()).then(|| {
        format!(
            "a login event trigger changes {} in each session, so a drill finds rows that look different; \
             GRANT SET ON PARAMETER event_triggers lets this role switch such triggers off",
            names.join(", ")
        )
    })
}

async fn read_globals(globals: Watched) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    globals.take(LARGEST_GLOBALS_BYTES + 1).read_to_end(&mut text).await?;
    ensure!(
        text.len() as u64 <= LARGEST_GLOBALS_BYTES,
        "roles and tablespaces take more than {LARGEST_GLOBALS_BYTES} bytes; set BACKUP_GLOBALS=false"
    );
    Ok(text)
}

/// Where the objects of a run go.
pub(crate) struct Upload<'run> {
    config: &'run TargetConfig,
    progress: &'run Progress,
    repository: &'run Repository,
    pub(crate) id: &'run BackupId,
}

/// An object that is being encoded, as far as that goes before it is put.
pub(crate) struct Encoding {
    key: ObjectKey,
    plan: UploadPlan,
    body: Stored,
}

impl Upload<'_> {
    pub(crate) fn encode<R>(&self, plain: R, role: Role, plan: UploadPlan) -> Encoding
    where
        R: AsyncRead + Send + Unpin + 'static,
    {
        let codec = self.config.dump.codec.clone();
        let key = self.repository.layout().key(self.id, &role);
        let counter = match &role {
            Role::Dump { .. } => Arc::clone(self.progress.done_bytes()),
            _ => Arc::default(), // The progress of a run is that of its dump.
        };
        let body = encode(plain, codec, &self.repository.layout().label(self.id, &role), plan.part_bytes, counter);
        Encoding { key, plan, body }
    }

    pub(crate) async fn put(&self, Encoding { key, plan, body }: Encoding, stop: &Stop) -> anyhow::Result<ObjectFacts> {
        let digests: Digests = self.repository.store().put(&key, plan, body, stop).await?;
        Ok(ObjectFacts { name: file_name(&key), digests })
    }

    /// Takes back what a failed run has stored. The failure itself stays the one that is shown.
    async fn discard(&self, stop: &Stop) {
        let limit = stop.limit(Share::CleanUp, DISCARD_TIMEOUT);
        let discarded = tokio::time::timeout(limit, self.repository.discard(self.id)).await;
        if let Ok(Err(error)) = discarded {
            tracing::debug!(error = format!("{error:#}"), "cannot take back what the run has stored");
        }
    }
}

fn file_name(key: &ObjectKey) -> String {
    key.as_str().rsplit('/').next().unwrap_or_default().to_owned()
}

/// For what is small for every database.
fn small_plan() -> UploadPlan {
    UploadPlan::for_stream(
        Estimate { most_bytes: LARGEST_GLOBALS_BYTES, earlier_bytes: None },
        UploadPlan::memory_bytes(),
    )
}

/// Whether `pg_dumpall` itself refused, and neither the store nor a stop is the cause.
fn is_the_tools_own(error: &anyhow::Error) -> bool {
    use backup_core::postgres::ChildError;
    find_cause::<ChildError>(error).is_some_and(|error| matches!(error, ChildError::Failed { .. }))
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
