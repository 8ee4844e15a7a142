//! `backup`: dumps a PostgreSQL database on schedule into an S3-compatible bucket.

mod accept;
mod alarms;
mod batches;
mod beside;
mod census;
mod check;
mod clusters;
mod config;
mod daemon;
mod databases;
mod dump_options;
mod encryption;
mod failure;
mod job;
mod journal;
mod keygen;
mod metrics;
mod pace;
mod page;
mod proof;
mod prune;
mod report;
mod retention;
mod roles;
mod run_report;
mod runner;
mod said_once;
mod shrink;
mod single_run;
mod sizing;
mod source;
mod standing;
mod status;
mod status_page;
mod step;
mod target;
mod tell;
mod timing;
mod upload;
mod uploads;
mod variables;

use std::process::ExitCode;

use anyhow::Context;
use backup_core::codec::encryption::Encryption;
use backup_core::config::environment;
use backup_core::live_secret::LiveSecret;
use backup_core::postgres::refuse_outdated;
use backup_core::private::sweep_private_dirs;
use backup_core::stop::Stop;
use backup_core::text::{bytes, print, print_json, print_line};
use backup_daemon::{HealthQuestion, Shell, exit, harden, show_health, silence_panics, stand_in_for_init};
use chrono::Utc;
use clap::{Parser, Subcommand};

use crate::config::{BackupConfig, TargetConfig};
use crate::keygen::{Purpose, keygen};
use crate::prune::Prune;
use crate::retention::Authority;
use crate::single_run::run_all;

const EXIT_CODES: &str = "\
Exit codes:
  0   done; for the daemon also: asked to stop
  1   the run failed, a check found what would make it fail, or a test message was not delivered
  2   bad command line
  3   stopped by a signal before it was done
  70  the scheduler of the daemon was stuck, and it ended itself to be started again
  78  bad environment, of which every problem is listed, or client tools with known vulnerabilities

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
    /// Say that a smaller size is right from this backup on, so that retention goes on
    AcceptSize {
        /// Its id, as `backup list` and the alarm show it
        id: String,
    },
    /// Look for what would make a backup fail, and what it would not contain
    Check,
    /// Ask the daemon that runs here how it is: exit code 0 or 1
    Health {
        /// Only whether it lives, for the health check of a container
        #[arg(long)]
        live: bool,
    },
    /// Send a test to every channel of messages and print a line for each
    Notify,
    /// Make a pair of keys for age, or for signatures, and say what to put where; needs no configuration
    Keygen {
        /// An Ed25519 pair for BACKUP_SIGNING_KEY and VERIFY_TRUSTED_KEYS
        #[arg(long)]
        signing: bool,
    },
}

fn main() -> ExitCode {
    harden();
    silence_panics();
    if let Some(code) = stand_in_for_init() {
        return code;
    }
    let arguments = Arguments::parse();
    if let Some(Command::Keygen { signing }) = arguments.command {
        return match keygen(Purpose::of(signing)) {
            Ok(()) => ExitCode::from(exit::OK),
            Err(error) => {
                eprintln!("{error:#}");
                ExitCode::from(exit::FAILED)
            }
        };
    }
    let config = match config::from_vars(environment()) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(exit::CONFIG);
        }
    };
    let shell = Shell {
        log: config.process.log,
        scrubber: config.process.scrubber.clone(),
        grace: config.process.grace,
        code_of_error: exit::FAILED,
    };
    shell.run(async |stop| run(arguments.command, config, &stop).await)
}

async fn run(command: Option<Command>, config: BackupConfig, stop: &Stop) -> anyhow::Result<u8> {
    let mut code = exit::OK;
    match command {
        None if !config.process.single_shot => match start(&config).await? {
            true => daemon::daemon(config, stop).await?,
            false => code = exit::CONFIG,
        },
        None | Some(Command::Run) => {
            if !start(&config).await? {
                return Ok(exit::CONFIG);
            }
            code = Box::pin(run_all(&config, stop)).await;
        }
        Some(Command::List { json }) => list(&config, stop, json).await?,
        Some(Command::Prune { dry_run }) => code = prune_all(&config, stop, dry_run).await?,
        Some(Command::AcceptSize { id }) => stop.or(accept::accept_size(&config, &id)).await?,
        Some(Command::Check) => code = check_all(&config, stop).await?,
        Some(Command::Health { live }) => {
            let (port, token) = (config.process.port, config.process.http_access.token.as_ref().map(LiveSecret::now));
            code = stop.or(async { Ok(show_health(port, HealthQuestion::of(live), token.as_ref()).await) }).await?;
        }
        Some(Command::Notify) => {
            code = stop.or(tell::notifier(&config.process).test(&config.given.database())).await?;
        }
        Some(Command::Keygen { signing }) => keygen(Purpose::of(signing))?,
    }
    Ok(code)
}

/// The name of a database above what a command says of it, if there are several.
fn print_heading(config: &BackupConfig, target: &TargetConfig) {
    if config.several.is_some() {
        print_line(format_args!("database {}", target.source.dbname()));
    }
}

async fn list(config: &BackupConfig, stop: &Stop, json: bool) -> anyhow::Result<()> {
    let mut listed = Vec::new();
    for target in &stop.or(census::backed_up(config)).await? {
        let catalog = stop.or(target.repository().catalog(Utc::now())).await?;
        if json {
            let mut value = catalog.to_json();
            if config.several.is_some() {
                value["database"] = target.source.dbname().into();
            }
            listed.push(value);
        } else {
            print_heading(config, target);
            print(&catalog.to_table(Utc::now()));
        }
    }
    match (json, config.several.is_some(), &listed[..]) {
        (true, false, [only]) => print_json(only),
        (true, ..) => print_json(&serde_json::json!({ "databases": listed })),
        (false, ..) => {}
    }
    Ok(())
}

/// Prunes the backups of each database. One that fails does not stop the others.
async fn prune_all(config: &BackupConfig, stop: &Stop, dry_run: bool) -> anyhow::Result<u8> {
    let targets = stop.or(census::backed_up(config)).await?;
    if config.several.is_none() {
        prune(&config.given, stop, dry_run).await?;
        return Ok(exit::OK);
    }
    let mut code = exit::OK;
    for target in &targets {
        print_heading(config, target);
        if let Err(error) = prune(target, stop, dry_run).await {
            if stop.reason().is_some() {
                return Err(error);
            }
            print_line(format_args!("failed: {}", config.process.scrubber.scrub(&format!("{error:#}"))));
            code = exit::FAILED;
        }
    }
    Ok(code)
}

async fn check_all(config: &BackupConfig, stop: &Stop) -> anyhow::Result<u8> {
    let (targets, is_complete) = census::targets(config, stop).await;
    let mut code = if is_complete { exit::OK } else { exit::FAILED };
    for target in &targets {
        print_heading(config, target);
        let is_fine = stop.or(async { Ok(check::check(target).await) }).await?;
        code = if is_fine { code } else { exit::FAILED };
    }
    Ok(code)
}

/// What both ways of running say and do first; false if the tools forbid a start.
///
/// # Errors
/// If what encrypts does not work, so that no backup could be made.
async fn start(config: &BackupConfig) -> anyhow::Result<bool> {
    for warning in &config.process.warnings {
        tracing::warn!("{warning}");
    }
    let bin_dir = config.process.bin_dir.as_deref().map(AsRef::as_ref);
    if let Err(error) = refuse_outdated(bin_dir, config.process.outdated_tools).await {
        tracing::error!(%error, "refusing to start");
        return Ok(false);
    }
    let encryption = &config.given.dump.codec.encryption;
    let tried = encryption::check(encryption, config.given.signing_key.as_ref()).await?;
    match encryption {
        Encryption::None => tracing::warn!(
            "backups are not encrypted on this side; a dump can hold passwords of subscriptions and foreign servers"
        ),
        Encryption::Aes256Cbc(_) | Encryption::Age(_) => tracing::info!("encryption: {tried}"),
    }
    let swept = sweep_private_dirs(&std::env::temp_dir());
    if swept > 0 {
        tracing::info!(swept, "removed private folders that dead processes had left");
    }
    Ok(true)
}

async fn prune(config: &TargetConfig, stop: &Stop, dry_run: bool) -> anyhow::Result<()> {
    let repository = config.repository();
    let prepared = Prune::prepare(config, &repository, &Authority::Operator, Utc::now());
    let prepared = stop.or(prepared).await.context("plan retention")?;
    print(&report::prune_plan(&prepared));
    if dry_run {
        return Ok(());
    }
    let applied =
        async { prepared.apply(config, repository.store()).await.map_err(|refusal| anyhow::anyhow!("{refusal}")) };
    let pruned = stop.or(applied).await?;
    print_line(format_args!(
        "deleted {} backups ({}) and {} incomplete runs, kept {}",
        pruned.deleted_backups,
        bytes(pruned.deleted_bytes),
        pruned.deleted_incomplete,
        pruned.kept_backups
    ));
    if let Some(note) = pruned.note {
        print_line(format_args!("note: {note}"));
    }
    if let Some(blocked) = pruned.blocked {
        anyhow::bail!("retention did not finish: {blocked}");
    }
    Ok(())
}
