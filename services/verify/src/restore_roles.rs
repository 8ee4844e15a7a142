//! `verify roles`: makes the roles of a backup on a server that lacks them.
//!
//! The file of the roles is a script for `psql`, and anyone who can write to the bucket can write one. So it is read
//! here, refused if it holds anything that `pg_dumpall` does not write, and its statements go to the server one by one,
//! made anew from what they say. A role that is there stays as it is.

mod apply;
mod plan;
mod powers;

use std::sync::atomic::AtomicU64;

use anyhow::{Context, anyhow};
use backup_core::postgres::conninfo::Conninfo;
use backup_core::postgres::in_the_clear;
use backup_core::private::PrivateDir;
use backup_core::stop::Stop;
use backup_core::text::{self, Lines};
use backup_drill::{
    Chosen, DrillConfig, DrillError, Evidence, Fetcher, Report, Selector, Verdict, choose, role_statements,
};
use chrono::Utc;

use crate::exit_code::exit_code;
use crate::print::{self, Paint};
use crate::restore::TargetUrl;

use plan::{Plan, Target};

/// What was typed.
#[derive(Debug)]
pub(crate) struct RolesOptions {
    pub(crate) backup: Selector,
    /// A database of the server.
    pub(crate) to: TargetUrl,
    pub(crate) extent: Extent,
}

/// How far to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Show the plan and change nothing.
    Plan,
    /// Carry it out.
    Apply,
}

/// Makes the roles; returns the exit code.
///
/// # Errors
/// If the target is not usable as such.
pub(crate) async fn restore_roles(config: &DrillConfig, options: &RolesOptions, stop: &Stop) -> anyhow::Result<u8> {
    let to = options.to.read("verify roles", "which may be any of the server, such as postgres")?;
    let mut evidence = Evidence::new(Utc::now());
    let outcome = Box::pin(make(config, options, &to, stop, &mut evidence)).await;
    let mut report = evidence.finish(outcome, Utc::now());
    report.make_safe(&config.scrubber);
    if options.extent == Extent::Apply || report.verdict != Verdict::Passed {
        text::print(&summary(&report));
    }
    Ok(exit_code(report.verdict))
}

async fn make(
    config: &DrillConfig,
    options: &RolesOptions,
    to: &Conninfo,
    stop: &Stop,
    evidence: &mut Evidence,
) -> Result<(), DrillError> {
    let Chosen { repository, choice } =
        choose(config, &options.backup, stop).await.map_err(anyhow::Error::from).context("choose a backup")?;
    let folder = PrivateDir::create_in(&config.spool_dir).context("make a folder below VERIFY_SPOOL_DIR")?;
    let (keyring, plain_bytes) = (&config.keyring, &AtomicU64::new(0));
    let fetcher = Fetcher { repository: &repository, folder: &folder, keyring, stop, plain_bytes };
    let manifest = fetcher.manifest(&choice.backup.id, evidence).await?;
    let Some(file) = fetcher.globals(&manifest, evidence).await? else {
        return Err(anyhow!("backup {} holds no roles of the cluster; create them by hand", choice.backup.id).into());
    };
    if let Some(doubt) = &file.unauthenticated {
        evidence.skip("authentication", format!("ALLOW_UNAUTHENTICATED=true, and {doubt}"));
    }
    let statements = role_statements(&file.path, &manifest, evidence).await?;
    let session = stop.or(async { Ok(to.connect().await?) }).await.context("connect to the target")?;
    if let Some(warning) = in_the_clear(&session).await.context("inspect the connection")? {
        tracing::warn!("{warning}");
    }
    let target = stop.or(Target::inspect(&session)).await?;
    let plan = Plan::new(&statements, &target);
    text::print_line(format_args!("backup    {} of database {}", choice.backup.id, manifest.database.name));
    text::print(&plan.lines());
    plan.refuse_what_blocks(&target)?;
    if options.extent == Extent::Plan {
        text::print_line("nothing was changed (--dry-run)");
        return Ok(());
    }
    let refused = stop.or(apply::apply(&session, &plan.steps)).await?;
    let made = format!("{} roles created, {} statements", plan.created(), plan.steps.len());
    evidence.record("applied", made, refused);
    plan.by_hand.iter().for_each(|sentence| evidence.note(sentence.clone()));
    Ok(())
}

/// What a person sees at the end.
fn summary(report: &Report) -> Lines {
    let mut lines = print::evidence(report, Paint::for_stdout());
    report.error.iter().for_each(|error| lines.error(error));
    lines.line(match report.verdict {
        Verdict::Passed => "roles restored",
        Verdict::Failed => "roles NOT restored as they were; see the findings",
        Verdict::CouldNotRun | Verdict::Skipped => "roles not restored",
        Verdict::Stopped => "stopped",
    });
    lines
}
