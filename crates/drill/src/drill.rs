//! One drill, as one straight line: choose, fetch, server, scratch, restore, prove, verdict, sweep.

use std::time::Instant;

use anyhow::{Context, anyhow};
use backup_core::postgres::{
    DrillPolicy, DrillServer, Grants, KeptSchema, LockedServer, MAX_NAMED, Prerequisites, RestoreAs, ScratchDb,
    Tablespaces, Touched,
};
use backup_core::private::PrivateDir;
use backup_core::repository::Manifest;
use backup_core::stop::Stop;
use backup_core::task::spawn_blocking;
use backup_core::text::some_of;
use chrono::Utc;
use pgdump_archive::{Owners, Rights, Selection, select, superusers};

use crate::attest;
use crate::checks::Extent;
use crate::choose::{ChooseError, Chosen};
use crate::clusters;
use crate::config::{Amcheck, DrillConfig, Target};
use crate::evidence::{AnotherDrill, DrillError, Evidence};
use crate::fetch::{Fetched, Fetcher};
use crate::isolation;
use crate::proof::{Candidate, Ready, restore_and_prove, wanted_extensions};
use crate::reference::Place;
use crate::report::{CLEANUP, Report, ServerFacts};
use crate::roles::{Sorted, sort};
use crate::room;
use crate::sabotage::Sabotage;
use crate::scan::Scanned;
use crate::server::{OpenServer, ServerKind};
use backup_core::progress::Progress;

/// From this plain size on, the server starts while the backup is on its way. A smaller one is here before a
/// server could be, and damage is found without starting one.
const LARGE_BYTES: u64 = 32 * 1024 * 1024;

/// Runs one drill to its verdict. Everything that happens is in the report.
pub(crate) async fn drill(
    config: &DrillConfig,
    chosen: &Result<Chosen, ChooseError>,
    stop: &Stop,
    progress: &Progress,
) -> Report {
    let started_at = Utc::now();
    let chosen = match chosen {
        Ok(chosen) => chosen,
        Err(error) => return Report::without_backup(started_at, error, stop),
    };
    let mut evidence = Evidence::new(started_at);
    let drill = Drill { config, stop, progress, sabotage: None };
    let outcome = Box::pin(drill.run(chosen, &mut evidence)).await;
    evidence.finish(outcome, Utc::now())
}

pub(crate) struct Drill<'run> {
    pub(crate) config: &'run DrillConfig,
    pub(crate) stop: &'run Stop,
    pub(crate) progress: &'run Progress,
    /// What a self-test breaks between the rows and their constraints.
    pub(crate) sabotage: Option<&'run Sabotage>,
}

impl Drill<'_> {
    async fn run(&self, chosen: &Chosen, evidence: &mut Evidence) -> Result<(), DrillError> {
        let Chosen { repository, choice } = chosen;
        let folder = PrivateDir::create_in(&self.config.spool_dir).context("make a folder below VERIFY_SPOOL_DIR")?;
        let plain_bytes = self.progress.done_bytes();
        let fetcher =
            Fetcher { repository, folder: &folder, keyring: &self.config.keyring, stop: self.stop, plain_bytes };
        evidence.report.chosen = Some(choice.backup.id.clone());
        evidence.report.backup_max_age = Some(choice.max_age);
        evidence.report.checks.push(choice.recovery_point.clone());
        evidence.report.findings.extend(choice.findings.iter().cloned());
        evidence.report.notes.extend(choice.notes.iter().cloned());
        let manifest = fetcher.manifest(&choice.backup.id, evidence).await?;
        attest::compare(self.config, repository, &choice.backup, evidence, self.stop).await?;
        let age = evidence.report.started_at - manifest.snapshot_at;
        evidence.report.recovery_point_seconds = Some(age.num_seconds());
        if let Some(doubt) = manifest.doubtful_time(repository.store().now()) {
            evidence.record("manifest", "its times cannot be".to_owned(), vec![doubt]);
        }
        evidence.report.notes.extend(manifest.gaps.iter().cloned());
        evidence.report.gaps = Some(manifest.gaps.clone());
        clusters::compare(&fetcher, &choice.before, &manifest, evidence).await?;
        evidence.report.spool_needed_bytes = Some(room::wanted_bytes(self.config, &manifest));
        room::check(self.config, &manifest)?;
        let promised = manifest.clone();
        let is_large = manifest.dump.digests.plain_bytes >= LARGE_BYTES;
        let server = OpenServer::open(self.config, &promised, self.stop);
        let (candidate, server) = if is_large {
            tokio::join!(self.candidate(&fetcher, manifest, evidence), server)
        } else {
            let candidate = self.candidate(&fetcher, manifest, evidence).await?;
            (Ok(candidate), server.await)
        };
        let (fetched, mut scanned) = candidate?;
        let server = server?;
        self.stop.or(server.read_texts(&mut scanned.archive)).await?;
        let candidate = Candidate { fetched: &fetched, scanned: &scanned, folder: &folder };
        let outcome = self.on_open_server(&server, &candidate, evidence).await;
        // The kernel takes its time to remove so much: the archive goes beside the server's files.
        let removed = spawn_blocking(move || drop(folder));
        server.close(evidence).await;
        if let Err(error) = removed.await {
            evidence.note(format!("the decoded archive was not removed: {error}"));
        }
        outcome
    }

    async fn candidate(
        &self,
        fetcher: &Fetcher<'_>,
        manifest: Manifest,
        evidence: &mut Evidence,
    ) -> Result<(Fetched, Scanned), DrillError> {
        self.progress.enter("fetch", Some(manifest.dump.digests.plain_bytes));
        let (fetched, scanned) = fetcher.fetch(manifest, evidence).await?;
        let scanned = scanned.write_offsets(&fetched.dump.path).await?;
        Ok((fetched, scanned))
    }

    /// Restores the backup there and holds it against what it was.
    pub(crate) async fn on_open_server(
        &self,
        open_server: &OpenServer,
        candidate: &Candidate<'_>,
        evidence: &mut Evidence,
    ) -> Result<(), DrillError> {
        self.progress.enter("prepare a database", None);
        evidence.report.durations.server_seconds = Some(open_server.opened_in.as_secs_f64());
        let (throwaway, version) = match &open_server.kind {
            ServerKind::External(external) => {
                let first_finding = evidence.report.findings.len();
                let outcome = self.on_server(external, candidate, evidence).await;
                return room::unless_server_failed(outcome, first_finding, "", evidence);
            }
            ServerKind::Ephemeral { throwaway, version } => (throwaway, version.clone()),
        };
        throwaway.notes().iter().for_each(|note| evidence.note(note));
        let held = throwaway.held();
        isolation::note_throwaway(held, evidence);
        evidence.report.server = Some(ServerFacts {
            kind: "throwaway",
            version,
            network_isolated: held.network,
            files_isolated: held.files,
            as_superuser: self.config.restore_as == RestoreAs::Superuser,
        });
        let first_finding = evidence.report.findings.len();
        let outcome = self.on_server(&DrillServer::throwaway(throwaway), candidate, evidence).await;
        // Its log is looked at and not quoted: code of the archive may have written there.
        room::unless_server_failed(outcome, first_finding, &throwaway.log_tail(), evidence)
    }

    async fn on_server(
        &self,
        server: &DrillServer,
        candidate: &Candidate<'_>,
        evidence: &mut Evidence,
    ) -> Result<(), DrillError> {
        let preparing = Instant::now();
        let policy = DrillPolicy { restore_as: self.config.restore_as, source_cluster: self.config.source_cluster };
        let suitable = self.stop.or(server.inspect(&candidate.fetched.manifest.database, policy)).await?;
        suitable.notes().iter().for_each(|note| evidence.note(note));
        let locked = self.stop.or(suitable.lock()).await?;
        let locked = locked.ok_or_else(|| anyhow!(AnotherDrill))?;
        if matches!(self.config.target, Target::External { .. }) {
            self.external_server(server, &locked, evidence).await?;
        }
        let mut scratch = locked.create_scratch().await.context("create a scratch database")?;
        let outcome = self.in_scratch(&mut scratch, locked.major(), candidate, preparing, evidence).await;
        // A throwaway server goes with its folder; dropping a database of many tables first would only take time.
        if matches!(self.config.target, Target::Ephemeral) {
            return outcome;
        }
        if let Err(failed) = scratch.drop().await {
            let message = format!("database {} could not be dropped; the next drill tries again", failed.database);
            evidence.record(CLEANUP, "the scratch database is still there".to_owned(), vec![message]);
        }
        outcome
    }

    /// What a server that others use needs: leftovers of dead drills go, and the report says where it is.
    async fn external_server(
        &self,
        server: &DrillServer,
        locked: &LockedServer<'_>,
        evidence: &mut Evidence,
    ) -> anyhow::Result<()> {
        let swept = self.stop.or(server.sweep()).await.context("drop what dead drills left")?;
        swept.notes().into_iter().for_each(|note| evidence.note(note));
        evidence.report.server = Some(ServerFacts {
            kind: "external",
            version: locked.major().to_string(),
            network_isolated: false,
            files_isolated: false,
            as_superuser: self.config.restore_as == RestoreAs::Superuser,
        });
        Ok(())
    }

    async fn in_scratch(
        &self,
        scratch: &mut ScratchDb<'_>,
        major: u32,
        candidate: &Candidate<'_>,
        preparing: Instant,
        evidence: &mut Evidence,
    ) -> Result<(), DrillError> {
        let mut selection = self.select(candidate);
        scratch.notes().iter().for_each(|note| evidence.note(note));
        let (grants, kept_schemas) = self.prepare(scratch, candidate, &mut selection, evidence).await?;
        let server_seconds = evidence.report.durations.server_seconds.get_or_insert(0.0);
        *server_seconds += preparing.elapsed().as_secs_f64();
        if matches!(self.config.target, Target::External { .. }) {
            isolation::note(&candidate.scanned.archive, evidence);
        }
        let bin_dir = self.config.bin_dir.as_deref().map(AsRef::as_ref);
        let tools = candidate.scanned.tools(bin_dir, major).await?;
        let (owners, archive) = (self.owners(), &candidate.scanned.archive);
        let ready = Ready {
            candidate: *candidate,
            selection: &selection,
            tools: &tools,
            owner: scratch.owner(),
            admin: scratch.admin(),
            place: Place::Scratch(scratch),
            owners,
            grants,
            tablespaces: Tablespaces::Default,
            kept_schemas: &kept_schemas,
            extensions: wanted_extensions(&selection, &candidate.fetched.manifest, archive, owners),
            before: None,
            jobs: self.config.jobs,
            extent: Some(self.extent()),
            sabotage: self.sabotage,
            scrubber: &self.config.scrubber,
            stop: self.stop,
            progress: self.progress,
        };
        Box::pin(restore_and_prove(ready, evidence)).await?.proven
    }

    fn owners(&self) -> Owners {
        match self.config.restore_as {
            RestoreAs::PlainRole => Owners::Restorer,
            RestoreAs::Superuser => Owners::Archive,
        }
    }

    /// Everything of the archive that the role of the drill can restore. A superuser could make extensions on the way;
    /// they are made before, so that it is known what each has made before code of the archive can add to it.
    fn select(&self, candidate: &Candidate<'_>) -> Selection {
        let archive = &candidate.scanned.archive;
        match self.config.restore_as {
            RestoreAs::PlainRole => select(archive, Rights::Owner),
            RestoreAs::Superuser => {
                let mut selection = select(archive, Rights::Superuser);
                selection.make_extensions_beforehand(archive);
                selection
            }
        }
    }

    fn extent(&self) -> Extent<'_> {
        Extent {
            content: self.config.content,
            no_amcheck: (self.config.amcheck == Amcheck::Off).then_some("VERIFY_AMCHECK=off"),
            queries: &self.config.queries.list,
            query_timeout: self.config.queries.timeout,
            min_table_count: self.config.min_table_count.unwrap_or(0),
        }
    }

    /// Roles and extensions, before anything of the archive. Without the roles that grants name, grants are
    /// left out as a whole.
    async fn prepare(
        &self,
        scratch: &mut ScratchDb<'_>,
        candidate: &Candidate<'_>,
        selection: &mut Selection,
        evidence: &mut Evidence,
    ) -> anyhow::Result<(Grants, Vec<KeptSchema>)> {
        let prepared = self.stop.or(scratch.prepare(&prerequisites(candidate, selection, self.owners()))).await?;
        prepared.notes.iter().chain(&prepared.extension_notes).for_each(|note| evidence.note(note));
        let missing = some_of(&prepared.missing_extensions, MAX_NAMED);
        // Never with a superuser's login, which can try each, and is told by the server why one fails.
        anyhow::ensure!(
            missing.is_empty(),
            "a plain role cannot create these extensions of the source here: {missing}; give VERIFY_ADMIN_URL"
        );
        let Scanned { archive, contents, .. } = candidate.scanned;
        selection.leave_out_guarded(archive, &prepared.members, |id| contents.has_rows(id));
        if prepared.missing_roles.is_empty() {
            return Ok((Grants::Archive, prepared.kept_schemas));
        }
        let missing = some_of(&prepared.missing_roles, MAX_NAMED);
        evidence.note(format!("grants are not restored, since these roles are not there: {missing}"));
        selection.leave_out_for_lack_of(archive, &prepared.missing_roles);
        Ok((Grants::None, prepared.kept_schemas))
    }
}

/// The roles that the archive needs, the other roles that are known of the cluster, and the extensions with their versions.
fn prerequisites(candidate: &Candidate<'_>, selection: &Selection, owners: Owners) -> Prerequisites {
    let (archive, cluster) = (&candidate.scanned.archive, &candidate.fetched.roles);
    let known = candidate.fetched.manifest.inventory.roles.iter().chain(&cluster.all);
    let Sorted { needed, bystanders } = sort(archive, known);
    Prerequisites {
        roles: needed.into_iter().collect(),
        bystanders,
        superusers: superusers(archive).union(&cluster.superusers).cloned().collect(),
        extensions: wanted_extensions(selection, &candidate.fetched.manifest, archive, owners),
        touched: Touched::by(archive),
    }
}
