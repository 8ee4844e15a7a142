//! `verify`: restores backups into a throwaway database and proves that they are what was dumped.

mod alarms;
mod backup_life;
mod config;
mod daemon;
mod databases;
mod exit_code;
mod figures;
mod history;
mod journal;
mod keys;
mod list;
mod metrics;
mod news;
mod page;
mod print;
mod records;
mod restore;
mod restore_roles;
mod selection;
mod show;
mod single_run;
mod skips;
mod status;
mod status_page;
mod target;
mod tell;
mod variables;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use backup_core::config::environment;
use backup_core::live_secret::LiveSecret;
use backup_core::postgres::{Grants, refuse_outdated};
use backup_core::private::sweep_private_dirs;
use backup_core::repository::BackupId;
use backup_core::scrub::Scrubber;
use backup_core::secret::Secret;
use backup_core::stop::Stop;
use backup_daemon::{HealthQuestion, Shell, exit, harden, show_health, silence_panics, stand_in_for_init};
use backup_drill::{Selector, self_test};
use clap::{Args, Parser, Subcommand};
use pgdump_archive::Owners;

use crate::config::{SelectionPolicy, TargetConfig, VerifyConfig};
use crate::exit_code::SkippedDrill;
use crate::list::Format;
use crate::restore::{RestoreOptions, TargetUrl};
use crate::restore_roles::{Extent, RolesOptions};
use crate::single_run::run_all;

const EXIT_CODES: &str = "\
Exit codes:
  0   the drill passed, or the command is done; for the daemon also: asked to stop
  1   the drill failed: the backup, or what came back of it, is not what was dumped; or a test message
      was not delivered
  2   bad command line
  3   stopped by a signal before it was done
  4   could not run: no bucket, no server, no disk, no time; says nothing about the backup
   5   skipped: another drill is going on at the same server
  70  the scheduler of the daemon was stuck, and it ended itself to be started again
  78  bad environment, of which every problem is listed, or tools with known vulnerabilities

Configuration is by environment variables; see docs/configuration.md.";

/// Restores backups into a throwaway database and proves that they are what was dumped.
#[derive(Parser)]
#[command(name = "verify", version, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Drill once now, print the report, then exit
    Run {
        #[command(flatten)]
        choice: Choice,
        /// Also write the report as JSON to this file
        #[arg(long, value_name = "FILE")]
        report: Option<PathBuf>,
        /// Exit code 0 instead of 5 if another drill is going on at the same server
        #[arg(long)]
        skipped_is_success: bool,
    },
    /// Show the backups in the bucket, each with its last recorded drill
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Restore a backup into a database, for good
    Restore(RestoreArguments),
    /// Make the roles of a backup that a server lacks, statement by statement, without psql
    Roles(RolesArguments),
    /// Show the manifest and the table of contents of a backup
    Show {
        /// The id of a backup, or `latest`
        #[arg(value_name = "ID", value_parser = id_or_latest)]
        backup: Selector,
    },
    /// Ask the daemon that runs here how it is: exit code 0 or 1
    Health {
        /// Only whether it lives, for the health check of a container
        #[arg(long)]
        live: bool,
    },
    /// Send a test to every channel of messages and print a line for each
    Notify,
    /// Watch everything in the bucket as the daemon does, without drills: needs no PostgreSQL, writes nothing
    Watch,
    /// Damage copies of the newest backup in every known way, and show that each is caught
    SelfTest,
}

/// Which backup to drill; by default what the configuration says, else the newest full one
#[derive(Args)]
#[group(multiple = false)]
struct Choice {
    /// This one
    #[arg(long, value_name = "ID", value_parser = id)]
    backup: Option<BackupId>,
    /// The newest full one
    #[arg(long)]
    latest: bool,
    /// The oldest full one
    #[arg(long)]
    oldest: bool,
    /// Any full one
    #[arg(long)]
    random: bool,
}

#[derive(Args)]
struct RestoreArguments {
    /// The id of a backup, or `latest`
    #[arg(value_name = "ID", value_parser = id_or_latest)]
    backup: Selector,
    /// The database to restore into, which must be empty. Every user of this machine can read a
    /// command line; RESTORE_URL in the environment, or RESTORE_URL_FILE, keeps a password out of it
    #[arg(long, value_name = "URL", value_parser = secret)]
    to: Option<Secret>,
    /// Parallel jobs, instead of VERIFY_JOBS
    #[arg(long, value_name = "N", value_parser = jobs)]
    jobs: Option<usize>,
    /// Create the database first
    #[arg(long)]
    create: bool,
    /// Print what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not compare what was restored with the backup
    #[arg(long)]
    no_proof: bool,
    /// Restore no owners: everything belongs to the login of the target, which need be no superuser
    #[arg(long)]
    no_owner: bool,
    /// Restore no grants and default privileges
    #[arg(long)]
    no_privileges: bool,
}

#[derive(Args)]
struct RolesArguments {
    /// The id of a backup, or `latest`
    #[arg(value_name = "ID", value_parser = id_or_latest)]
    backup: Selector,
    /// A database of the server that lacks roles. Every user of this machine can read a command line; RESTORE_URL in
    /// the environment, or RESTORE_URL_FILE, keeps a password out of it
    #[arg(long, value_name = "URL", value_parser = secret)]
    to: Option<Secret>,
    /// Print what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

fn id(text: &str) -> Result<BackupId, &'static str> {
    BackupId::parse(text).ok_or("not the id of a backup, such as 20261122T030000Z-calpt5zmzst5hrp2")
}

fn id_or_latest(text: &str) -> Result<Selector, &'static str> {
    if text == "latest" { Ok(Selector::Newest) } else { id(text).map(Selector::Named) }
}

fn jobs(text: &str) -> Result<usize, &'static str> {
    text.parse().ok().filter(|jobs| (1..=64).contains(jobs)).ok_or("not a whole number from 1 to 64")
}

fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text.to_owned()))
}

fn main() -> ExitCode {
    harden();
    silence_panics();
    if let Some(code) = stand_in_for_init() {
        return code;
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) if error.use_stderr() => {
            // The message quotes what was typed, and a URL may stand in the place of an id.
            eprint!("{}", Scrubber::default().scrub(&error.to_string()));
            return ExitCode::from(exit::USAGE);
        }
        Err(help) => help.exit(),
    };
    let (vars, ignored) = match arguments.command {
        Some(Command::Watch) => watch::without_drills(environment()),
        _ => (environment().collect(), Vec::new()),
    };
    let mut config = match config::from_vars(vars) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(exit::CONFIG);
        }
    };
    if let Some(
        Command::Restore(RestoreArguments { to: Some(url), .. }) | Command::Roles(RolesArguments { to: Some(url), .. }),
    ) = &arguments.command
    {
        config = config.hiding(&config::secrets_of_url(url));
    }
    let shell = Shell {
        log: config.process.log,
        scrubber: config.process.scrubber.clone(),
        grace: config.process.grace,
        code_of_error: exit::COULD_NOT_RUN,
    };
    shell.run(async |stop| {
        if !ignored.is_empty() {
            tracing::info!(
                variables = ignored.join(" "),
                "verify watch makes no drills and ignores what only they need"
            );
        }
        run(arguments.command, config, &stop).await
    })
}

async fn run(command: Option<Command>, config: VerifyConfig, stop: &Stop) -> anyhow::Result<u8> {
    match &command {
        None if !config.process.single_shot => {
            if !start(&config).await {
                return Ok(exit::CONFIG);
            }
            daemon::daemon(config, stop).await?;
            return Ok(exit::OK);
        }
        Some(Command::Health { live }) => {
            let (port, token) = (config.process.port, config.process.http_access.token.as_ref().map(LiveSecret::now));
            return stop.or(async { Ok(show_health(port, HealthQuestion::of(*live), token.as_ref()).await) }).await;
        }
        // It uses neither tools nor the disk.
        Some(Command::Watch) => {
            say_warnings(&config);
            watch::watch(config, stop).await?;
            return Ok(exit::OK);
        }
        Some(Command::List { .. } | Command::Show { .. } | Command::Notify) => {}
        None | Some(Command::Run { .. } | Command::Restore(_) | Command::Roles(_) | Command::SelfTest) => {
            if !start(&config).await {
                return Ok(exit::CONFIG);
            }
        }
    }
    match &command {
        None => {
            let skipped = SkippedDrill::IsSkipped;
            return Box::pin(run_all(&config, SelectionPolicy::selector_once, None, skipped, stop)).await;
        }
        Some(Command::Run { choice, report, skipped_is_success }) => {
            let selector = |selection_policy: &SelectionPolicy| choice.selector(selection_policy);
            let skipped = if *skipped_is_success { SkippedDrill::IsSuccess } else { SkippedDrill::IsSkipped };
            return Box::pin(run_all(&config, selector, report.as_deref(), skipped, stop)).await;
        }
        Some(_) => {}
    }
    Box::pin(run_for(command.as_ref(), &config.given, stop)).await
}

/// A command that is about one database.
async fn run_for(command: Option<&Command>, config: &TargetConfig, stop: &Stop) -> anyhow::Result<u8> {
    match command {
        Some(Command::List { json }) => {
            list::list(&config.drill, if *json { Format::Json } else { Format::Table }, stop).await?;
            Ok(exit::OK)
        }
        Some(Command::Restore(arguments)) => match arguments.options(config) {
            Some(options) => restore::restore(&config.drill, &options, stop).await,
            None => Ok(no_target()),
        },
        Some(Command::Roles(arguments)) => match arguments.options(config) {
            Some(options) => restore_roles::restore_roles(&config.drill, &options, stop).await,
            None => Ok(no_target()),
        },
        Some(Command::Show { backup }) => {
            show::show(&config.drill, backup, stop).await?;
            Ok(exit::OK)
        }
        Some(Command::SelfTest) => {
            let missed = self_test(&config.drill, stop).await?;
            Ok(if missed == 0 { exit::OK } else { exit::FAILED })
        }
        Some(Command::Notify) => stop.or(tell::notifier(&config.process).test(&config.database())).await,
        // These are about the daemon, or about all databases at once.
        None | Some(Command::Run { .. } | Command::Health { .. } | Command::Watch) => Ok(exit::OK),
    }
}

/// What was typed, else what the environment says.
fn target_url(typed: Option<&Secret>, config: &TargetConfig) -> Option<TargetUrl> {
    let typed = typed.map(|url| TargetUrl { url: url.clone(), given_by: "--to" });
    let given = || Some(TargetUrl { url: config.restore_url.clone()?, given_by: "RESTORE_URL" });
    typed.or_else(given)
}

fn no_target() -> u8 {
    eprintln!("no target was given: use --to, or RESTORE_URL in the environment");
    exit::USAGE
}

/// What everything that uses the disk says and does first; false if the tools forbid a start.
async fn start(config: &VerifyConfig) -> bool {
    say_warnings(config);
    let bin_dir = config.process.bin_dir.as_deref().map(AsRef::as_ref);
    if let Err(error) = refuse_outdated(bin_dir, config.process.outdated_tools).await {
        tracing::error!(%error, "refusing to start");
        return false;
    }
    // Children read their passwords from files below TMPDIR, wherever the spool is.
    let swept = sweep_private_dirs(&config.given.drill.spool_dir) + sweep_private_dirs(&std::env::temp_dir());
    if swept > 0 {
        tracing::info!(swept, "removed private folders that dead processes had left");
    }
    true
}

fn say_warnings(config: &VerifyConfig) {
    for warning in &config.process.warnings {
        tracing::warn!("{warning}");
    }
}

impl Choice {
    /// A person who names no backup means what the configuration pins, and else the newest: the one
    /// older backup in so many is the daemon's.
    fn selector(&self, selection_policy: &SelectionPolicy) -> Selector {
        match (self, selection_policy) {
            (Self { backup: Some(id), .. }, _) => Selector::Named(id.clone()),
            (Self { latest: true, .. }, _) => Selector::Newest,
            (Self { oldest: true, .. }, _) => Selector::Oldest,
            (Self { random: true, .. }, _) | (_, SelectionPolicy::Random) => Selector::Random,
            (_, SelectionPolicy::Always(id)) => Selector::Named(id.clone()),
            (_, SelectionPolicy::Newest { .. }) => Selector::Newest,
        }
    }
}

impl RolesArguments {
    /// `None` without a target.
    fn options(&self, config: &TargetConfig) -> Option<RolesOptions> {
        let extent = if self.dry_run { Extent::Plan } else { Extent::Apply };
        let to = target_url(self.to.as_ref(), config)?;
        Some(RolesOptions { backup: self.backup.clone(), to, extent })
    }
}

impl RestoreArguments {
    /// `None` without a target.
    fn options(&self, config: &TargetConfig) -> Option<RestoreOptions> {
        Some(RestoreOptions {
            backup: self.backup.clone(),
            to: target_url(self.to.as_ref(), config)?,
            jobs: self.jobs,
            create: self.create,
            dry_run: self.dry_run,
            proof: !self.no_proof,
            owners: if self.no_owner { Owners::Restorer } else { Owners::Archive },
            grants: if self.no_privileges { Grants::None } else { Grants::Archive },
        })
    }
}

#[cfg(test)]
mod tests;
