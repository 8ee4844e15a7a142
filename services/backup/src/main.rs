//! `backup`: dumps a PostgreSQL database on schedule into an S3-compatible bucket.

mod check;
mod config;
mod daemon;
mod dump_options;
mod job;
mod pages;
mod progress;
mod prune;
mod report;
mod retention;
mod runner;
mod status;
mod variables;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use backup_core::postgres::sweep_private_dirs;
use backup_core::service::{exit, init_log, stop_on_signals};
use backup_core::stop::Stop;
use chrono::Utc;
use clap::{Parser, Subcommand};

use crate::config::BackupConfig;
use crate::progress::Progress;
use crate::prune::Prune;
use crate::retention::Authority;

/// What is left of the runtime may take this long to end: a thread of the codec at most.
const RUNTIME_GRACE: Duration = Duration::from_millis(200);

const EXIT_CODES: &str = "\
Exit codes:
  0   done; for the daemon also: asked to stop
  1   the run failed, or a check found what would make it fail
  2   bad command line
  3   stopped by a signal before it was done
  78  bad environment; every problem is listed

Configuration is by environment variables; see docs/configuration.md.";

/// Dumps a PostgreSQL database on schedule into an S3-compatible bucket.
#[derive(Parser)]
#[command(name = "backup", version, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Make one backup now, then exit
    Run,
    /// Show the backups in the bucket
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Delete what the retention rules no longer keep
    Prune {
        /// Print the plan and its reasons, delete nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Look for what would make a backup fail, and what it would not contain
    Check,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let config = match config::from_vars(environment()) {
        Ok(config) => Arc::new(config),
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(exit::CONFIG);
        }
    };
    init_log(config.log, config.scrubber.clone());
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("start the runtime: {error}");
            return ExitCode::from(exit::FAILED);
        }
    };
    let code = runtime.block_on(run_within_grace(arguments.command, config));
    runtime.shutdown_timeout(RUNTIME_GRACE);
    ExitCode::from(code)
}

/// The environment as text. What is no UTF-8 cannot be a value of ours; replacing its bytes keeps
/// foreign variables from ending the start, and makes one of ours fail where it is used.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
}

/// Runs the command; once a stop was asked for, it has the grace period to end.
async fn run_within_grace(command: Option<Command>, config: Arc<BackupConfig>) -> u8 {
    let stop = Stop::default();
    if let Err(error) = stop_on_signals(&stop) {
        tracing::error!(%error, "cannot listen for signals");
        return exit::FAILED;
    }
    let out_of_time = async {
        stop.stopped().await;
        tokio::time::sleep(config.timing.grace).await;
    };
    tokio::select! {
        outcome = run(command, Arc::clone(&config), &stop) => match outcome {
            Ok(code) => code,
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "failed");
                if stop.reason().is_some() { exit::STOPPED } else { exit::FAILED }
            }
        },
        () = out_of_time => {
            tracing::warn!("the run did not end within SHUTDOWN_GRACE_SECONDS and is abandoned");
            exit::STOPPED
        }
    }
}

async fn run(command: Option<Command>, config: Arc<BackupConfig>, stop: &Stop) -> anyhow::Result<u8> {
    let once = config.timing.single_shot;
    match command {
        None if !once => {
            start(&config);
            daemon::daemon(config, stop).await?;
            Ok(exit::OK)
        }
        None | Some(Command::Run) => {
            start(&config);
            Ok(run_once(&config, stop).await)
        }
        Some(Command::List { json }) => {
            let store = config.store.open();
            let catalog = stop.or(config.shelf().catalog(&store, Utc::now())).await?;
            match json {
                true => report::print(&format!("{:#}\n", report::list_json(&catalog))),
                false => report::print(&report::list(&catalog, Utc::now())),
            }
            Ok(exit::OK)
        }
        Some(Command::Prune { dry_run }) => prune(&config, stop, dry_run).await,
        Some(Command::Check) => {
            Ok(if stop.or(async { Ok(check::check(&config).await) }).await? { exit::OK } else { exit::FAILED })
        }
    }
}

/// What both ways of running say and do first.
fn start(config: &BackupConfig) {
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    tracing::warn!(
        "backups are not encrypted on this side; a dump can hold passwords of subscriptions and foreign servers"
    );
    let swept = sweep_private_dirs();
    if swept > 0 {
        tracing::info!(swept, "removed private folders that dead processes had left");
    }
}

async fn run_once(config: &BackupConfig, stop: &Stop) -> u8 {
    let progress = Progress::default();
    let shown = progress.show();
    let outcome = runner::run(config, stop, &progress).await;
    drop(shown);
    match outcome {
        Ok(manifest) => {
            prune::after_commit(config, stop, &manifest).await;
            exit::OK
        }
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "backup failed");
            if stop.reason().is_some() { exit::STOPPED } else { exit::FAILED }
        }
    }
}

async fn prune(config: &BackupConfig, stop: &Stop, dry_run: bool) -> anyhow::Result<u8> {
    let store = config.store.open();
    let shelf = config.shelf();
    let prepared = Prune::prepare(config, &shelf, &store, &Authority::Operator, Utc::now());
    let prepared = stop.or(prepared).await.context("plan retention")?;
    report::print(&report::prune_plan(&prepared));
    if dry_run {
        return Ok(exit::OK);
    }
    let pruned = stop.or(prepared.apply(&store)).await?;
    report::print(&format!(
        "deleted {} backups ({}) and {} dead runs, kept {}\n",
        pruned.deleted_backups,
        report::bytes(pruned.deleted_bytes),
        pruned.deleted_debris,
        pruned.kept_backups
    ));
    Ok(exit::OK)
}
