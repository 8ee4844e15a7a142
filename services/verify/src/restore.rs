//! `verify restore`: a real restore for a person, into a database that they name, with the same proof as a drill.

mod last_drill;
mod login;
mod obstacles;
mod plan;
mod target;

use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use backup_core::postgres::connect::Session;
use backup_core::postgres::conninfo::{Conninfo, Naming};
use backup_core::postgres::{Grants, ONLY_WITH_CREATE, create_beforehand, have_other_versions};
use backup_core::private::PrivateDir;
use backup_core::repository::Manifest;
use backup_core::secret::Secret;
use backup_core::stop::{Share, Stop};
use backup_core::text::{self, Lines};
use backup_drill::{
    Before, Candidate, Chosen, Content, DrillConfig, DrillError, Evidence, Extent, Fetcher, Place, Ready, Report,
    Scanned, SchemaDumper, Selector, Verdict, choose, restore_and_prove, wanted_extensions,
};
use chrono::Utc;
use pgdump_archive::{LeftOut, Owners, Reason, Rights, Selection, select};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::exit_code::exit_code;
use crate::print::{self, Paint};
use backup_core::progress::Progress;

use last_drill::LastDrill;
use obstacles::TargetServer;
use plan::Plan;
use target::Destination;

/// Setting the properties of a database takes milliseconds, and a container that is stopped has ten seconds.
const COMPLETE_LIMIT: Duration = Duration::from_secs(5);

/// What was typed.
#[derive(Debug)]
pub(crate) struct RestoreOptions {
    pub(crate) backup: Selector,
    /// The database to restore into.
    pub(crate) to: TargetUrl,
    /// `None`: `VERIFY_JOBS`.
    pub(crate) jobs: Option<usize>,
    /// Make the database, which must not exist.
    pub(crate) create: bool,
    /// Show the plan and change nothing.
    pub(crate) dry_run: bool,
    /// Compare the result with the archive.
    pub(crate) proof: bool,
    /// Whose everything will be.
    pub(crate) owners: Owners,
    /// Whose rights come back.
    pub(crate) grants: Grants,
}

/// A connection string that a person has given.
#[derive(Debug, Clone)]
pub(crate) struct TargetUrl {
    pub(crate) url: Secret,
    /// The option or the variable that has given it.
    pub(crate) given_by: &'static str,
}

impl TargetUrl {
    /// What it says, whose sessions are called `application_name`; hints name what has given it, and also
    /// `if_missing` if there is no such database.
    ///
    /// # Errors
    /// If it is none.
    pub(crate) fn read(&self, application_name: &str, if_missing: &'static str) -> anyhow::Result<Conninfo> {
        let to = Conninfo::parse(&self.url).with_context(|| format!("the target of {}", self.given_by))?;
        let naming = Naming::of(self.given_by).or_if_missing(if_missing);
        Ok(to.named(naming).with_default_application_name(application_name))
    }
}

/// Restores and proves; returns the exit code.
///
/// # Errors
/// If the target is not empty or not suitable, and if the backup cannot be had or is damaged. Up to the
/// line that says that the restore begins, nothing was changed.
pub(crate) async fn restore(config: &DrillConfig, options: &RestoreOptions, stop: &Stop) -> anyhow::Result<u8> {
    let if_missing = match options.create {
        true => "and that the server has a database postgres or template1, in which the restore begins",
        false => "or let --create make the database",
    };
    let to = options.to.read("verify restore", if_missing)?;
    let mut evidence = Evidence::new(Utc::now());
    let progress = Progress::default();
    let shown = progress.show();
    let run = Run { config, options, stop, progress: &progress };
    let outcome = Box::pin(run.restore_into(&to, &mut evidence)).await;
    drop(shown);
    let mut report = evidence.finish(outcome, Utc::now());
    report.make_safe(&config.scrubber);
    if !options.dry_run || report.verdict != Verdict::Passed {
        text::print(&summary(&report));
    }
    Ok(exit_code(report.verdict))
}

/// What a restore was asked for, and what bounds it.
struct Run<'run> {
    config: &'run DrillConfig,
    options: &'run RestoreOptions,
    stop: &'run Stop,
    progress: &'run Progress,
}

impl Run<'_> {
    async fn restore_into(&self, to: &Conninfo, evidence: &mut Evidence) -> Result<(), DrillError> {
        let Self { config, options, stop, progress } = *self;
        let Chosen { repository, choice } =
            choose(config, &options.backup, stop).await.map_err(anyhow::Error::from).context("choose a backup")?;
        let folder = PrivateDir::create_in(&config.spool_dir).context("make a folder below VERIFY_SPOOL_DIR")?;
        let plain_bytes = progress.done_bytes();
        let fetcher = Fetcher { repository: &repository, folder: &folder, keyring: &config.keyring, stop, plain_bytes };
        let manifest = fetcher.manifest(&choice.backup.id, evidence).await?;
        let destination = stop.or(Destination::inspect(to, options.create)).await?;
        let to = &destination.to;
        let look = async { TargetServer::inspect(&destination.session().await?, options.create).await };
        let server = stop.or(look).await?;
        let last_drill = LastDrill::of(&choice.backup, &repository, config, stop).await?;
        let plan = Plan::new(&manifest, &last_drill, (&destination, &server), options);
        text::print(&plan.lines());
        plan.refuse_what_blocks()?;
        if options.dry_run {
            text::print_line("nothing was changed (--dry-run)");
            return Ok(());
        }
        progress.enter("fetch", Some(manifest.dump.digests.plain_bytes));
        let (fetched, scanned) = fetcher.fetch(manifest, evidence).await?;
        let mut scanned = scanned.write_offsets(&fetched.dump.path).await?;
        stop.or(destination.read_texts(&mut scanned.archive)).await?;
        let level = login::level(&scanned.archive, &server, options);
        let look = async { login::obstacles(&server, &destination.session().await?, &scanned.archive, options).await };
        refuse(&[destination.lacks(&level), stop.or(look).await?].concat())?;
        if destination.is_created {
            stop.or(destination.create(&fetched.manifest.database, &level)).await.context("create the database")?;
        }
        let session = stop.or(async { Ok(to.connect().await?) }).await.context("connect to the target")?;
        // A download takes its time, in which an empty database may have found a use.
        refuse(&stop.or(target::contents(&session)).await?)?;
        text::print_line("the backup is whole; the restore begins");
        let candidate = Candidate { fetched: &fetched, scanned: &scanned, folder: &folder };
        let selection = self.select(&session, candidate, &server, evidence).await?;
        let proven = self.restore_and_prove(session, candidate, &selection, &destination, evidence).await?;
        // After the proof, whose sessions a limit or a setting could stop, and also if it did not come to its end: also
        // after a stop, which leaves time for it.
        let limit = stop.limit(Share::CleanUp, COMPLETE_LIMIT);
        let completed = timeout(limit, destination.complete(&level, evidence)).await;
        proven?;
        let completed = completed.unwrap_or_else(|_| Err(anyhow!("no answer within {} s", limit.as_secs())));
        completed.context("set the properties of the database")?;
        tell_what_to_add((&fetched.manifest, destination.is_created), &scanned, &selection, evidence);
        Ok(())
    }

    /// All of it that the login can restore: a person's own server may have what a drill's has not.
    async fn select(
        &self,
        session: &Session,
        Candidate { fetched, scanned, .. }: Candidate<'_>,
        server: &TargetServer,
        evidence: &mut Evidence,
    ) -> anyhow::Result<Selection> {
        let mut selection = select(&scanned.archive, Rights::Superuser);
        // Extensions in other versions than the server's own need that, and code of the archive could add to one that is
        // made on the way. Others than superusers may lack the right, which `pg_restore` then says of the one extension.
        let extensions_of_source = &fetched.manifest.inventory.extensions;
        if server.is_superuser || self.stop.or(have_other_versions(session, extensions_of_source)).await? {
            selection.make_extensions_beforehand(&scanned.archive);
        }
        login::leave_out(server, &scanned.archive, self.options, &mut selection, evidence);
        Ok(selection)
    }

    /// Restores through a login of the target's, of which `session` is one; returns what became of the proof.
    async fn restore_and_prove(
        &self,
        session: Session,
        candidate: Candidate<'_>,
        selection: &Selection,
        destination: &Destination,
        evidence: &mut Evidence,
    ) -> Result<Result<(), DrillError>, DrillError> {
        let Self { config, options, stop, progress } = *self;
        let Candidate { fetched, scanned, folder } = candidate;
        let (to, scrubber) = (&destination.to, &config.scrubber);
        let bin_dir = config.bin_dir.as_deref().map(AsRef::as_ref);
        let tools = scanned.tools(bin_dir, session.server_version_num() / 10_000).await?;
        let extensions = wanted_extensions(selection, &fetched.manifest, &scanned.archive, options.owners);
        let schema = SchemaDumper { tools: &tools, archive: &scanned.archive, folder: folder.path(), scrubber, stop };
        let before = match options.proof {
            true => Some(Before::look(&session, schema).await?),
            false => None,
        };
        stop.or(create_beforehand(&session, &extensions)).await?;
        session.close().await;
        let slot = Mutex::new(None);
        let ready = Ready {
            candidate,
            selection,
            tools: &tools,
            owner: to,
            admin: None,
            place: Place::Guest { beside: to, source: &fetched.manifest.database, slot: &slot },
            owners: options.owners,
            grants: options.grants,
            tablespaces: destination.tablespaces(&scanned.archive, evidence),
            kept_schemas: &[],
            extensions,
            before: before.as_ref(),
            jobs: options.jobs.unwrap_or(config.jobs),
            extent: options.proof.then(proof_of_contents),
            sabotage: None,
            scrubber,
            stop,
            progress,
        };
        let proven = Box::pin(restore_and_prove(ready, evidence)).await?.proven;
        if let Some(guest) = slot.into_inner()
            && let Err(failed) = guest.drop().await
        {
            evidence.note(format!("database {} could not be dropped; drop it by hand", failed.database));
        }
        Ok(proven)
    }
}

/// Everything but what would write into the database of a person.
fn proof_of_contents() -> Extent<'static> {
    let no_time = Duration::ZERO;
    Extent {
        content: Content::Full,
        no_amcheck: Some("only drills run it"),
        queries: &[],
        query_timeout: no_time,
        min_table_count: 0,
    }
}

/// What a person adds by hand: what no archive holds, out of the manifest, and settings of a database that was there.
fn by_hand(manifest: &Manifest, is_created: bool) -> Vec<String> {
    let settings = manifest.database.settings.iter().filter(|_| !is_created);
    let settings =
        settings.map(|setting| format!("ALTER DATABASE ... SET {setting} was set in the source; set it here, too"));
    notes(manifest, is_created).cloned().chain(settings).collect()
}

/// What the manifest notes, as far as it is true of this restore.
fn notes(manifest: &Manifest, is_created: bool) -> impl Iterator<Item = &String> {
    manifest.notes.iter().filter(move |note| !is_created || !note.starts_with(ONLY_WITH_CREATE))
}

fn tell_what_to_add(
    (manifest, is_created): (&Manifest, bool),
    scanned: &Scanned,
    selection: &Selection,
    evidence: &mut Evidence,
) {
    notes(manifest, is_created).for_each(|note| evidence.note(note));
    let subscriptions = scanned.archive.entries.iter().filter(|entry| entry.desc == "SUBSCRIPTION");
    for subscription in subscriptions {
        evidence.note(format!("subscription {} is disabled; enable it where it is wanted", subscription.tag));
    }
    let is_told = |left_out: &&LeftOut| left_out.reason.is_unproven() && left_out.reason != Reason::NotWanted;
    for left_out in selection.left_out.iter().filter(is_told) {
        evidence.note(format!("{left_out} was left out: {}", left_out.reason));
    }
}

/// What a person sees at the end.
fn summary(report: &Report) -> Lines {
    let mut lines = print::evidence(report, Paint::for_stdout());
    report.error.iter().for_each(|error| lines.error(error));
    lines.line(match report.verdict {
        Verdict::Passed => "restored",
        Verdict::Failed => "NOT restored as it was; see the findings",
        Verdict::CouldNotRun | Verdict::Skipped => "not restored",
        Verdict::Stopped => "stopped",
    });
    lines
}

/// The one reason that is left if a plan cannot be carried out.
fn refuse(reasons: &[String]) -> anyhow::Result<()> {
    match reasons {
        [] => Ok(()),
        reasons => bail!("nothing was changed: {}", reasons.join("; ")),
    }
}
