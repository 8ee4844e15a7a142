//! What `verify` needs, out of the environment.

mod target;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use backup_core::config::{ConfigError, Settings};
use backup_core::postgres::conninfo::{Conninfo, cut_name};
use backup_core::postgres::{RestoreAs, SourceCluster};
use backup_core::repository::BackupId;
use backup_core::secret::Secret;
use backup_daemon::DatabaseName;
use backup_daemon::config::{ProcessConfig, schedule};
use backup_daemon::schedule::{MakeUp, Schedule};
use backup_drill::{Amcheck, Content, DrillConfig, Queries, Target, parse_queries};
use chrono::{DateTime, Utc};

use crate::keys::{keyring, signers, single_keys};
use crate::variables::SECTIONS;

const DEFAULT_SCHEDULE: &str = "0 5 * * *";

/// What the names of our own variables begin with. Not `BACKUP_`: if both services share a file of
/// variables, most of those are rightly none of ours.
const OWN_PREFIXES: [&str; 2] = ["VERIFY_", "S3_"];

/// Everything that the environment says.
#[derive(Debug)]
pub(crate) struct VerifyConfig {
    pub(crate) process: Arc<ProcessConfig>,
    /// What the backups of the named database need, or of the only one in the bucket, and, but for the name, those of all
    /// others.
    pub(crate) given: TargetConfig,
}

/// Everything that one database's backups need.
#[derive(Debug, Clone)]
pub(crate) struct TargetConfig {
    pub(crate) process: Arc<ProcessConfig>,
    pub(crate) selection_policy: SelectionPolicy,
    /// How long a restore may take.
    pub(crate) max_recovery_time: Option<Duration>,
    pub(crate) timing: Timing,
    /// What a drill and the commands go by.
    pub(crate) drill: DrillConfig,
    /// The target of `verify restore`, if the command line does not say.
    pub(crate) restore_url: Option<Secret>,
}

impl VerifyConfig {
    /// The same, with more `secrets` that nothing may show.
    pub(crate) fn hiding(mut self, secrets: &[Secret]) -> Self {
        let scrubber = self.process.scrubber.with(secrets);
        self.process = Arc::new(ProcessConfig { scrubber, ..(*self.process).clone() });
        self.given.process = Arc::clone(&self.process);
        self.given.drill.scrubber = self.process.scrubber.clone();
        self
    }

    /// What the backups of `database` need; the given one, if it has no name.
    pub(crate) fn target(&self, database: &DatabaseName) -> TargetConfig {
        let mut target = self.given.clone();
        if let Some(name) = database.name() {
            target.drill.source_database = Some(name.to_owned());
        }
        target
    }
}

impl TargetConfig {
    /// Its name among those of the process.
    pub(crate) fn database(&self) -> DatabaseName {
        self.drill.source_database.as_deref().map_or_else(DatabaseName::unknown, DatabaseName::from)
    }
}

/// Which backups drills take, unless another is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SelectionPolicy {
    /// The newest, and an older one every so many drills; 0: never.
    Newest { random_every: u64 },
    /// One at random each time.
    Random,
    /// Always this one.
    Always(BackupId),
}

/// When drills happen, and how old a passed one may be.
#[derive(Debug, Clone)]
pub(crate) struct Timing {
    pub(crate) schedule: Schedule,
    pub(crate) run_on_startup: bool,
    /// `None`: by the schedule.
    pub(crate) given_max_age: Option<Duration>,
    /// Whether a newer backup than the last drilled one asks for a drill.
    pub(crate) after_backup: bool,
    /// The time between two drills that backups ask for.
    pub(crate) min_interval: Duration,
    /// When a drill that could not run is made up for.
    pub(crate) make_up: MakeUp,
}

impl Timing {
    /// How old the last passed drill may be at `now`.
    pub(crate) fn max_age(&self, now: DateTime<Utc>) -> Duration {
        self.given_max_age.unwrap_or_else(|| self.schedule.tolerated_age(now))
    }
}

/// Reads the configuration from `vars`.
///
/// # Errors
/// Every problem at once, each naming its variable, none showing a value.
pub(crate) fn from_vars(vars: impl IntoIterator<Item = (String, String)>) -> Result<VerifyConfig, ConfigError> {
    let mut settings = Settings::read(vars, &SECTIONS.map(|(_, table)| table), &OWN_PREFIXES);
    let process = ProcessConfig::read(&mut settings);
    let selection_policy = selection_policy(&mut settings);
    let (keyring, signers) = (keyring(&mut settings), signers(&mut settings));
    let timing = timing(&mut settings);
    let timeout = settings.seconds("VERIFY_TIMEOUT");
    let target = target::target(&mut settings);
    let spool_dir = spool_dir(&mut settings);
    let restore_as =
        settings.choice("VERIFY_RESTORE_AS", [("role", RestoreAs::PlainRole), ("superuser", RestoreAs::Superuser)]);
    let source_cluster = match settings.flag("VERIFY_ALLOW_SOURCE_CLUSTER") {
        true => SourceCluster::Allowed,
        false => SourceCluster::Refused,
    };
    let backup_max_age = settings.optional_number("BACKUP_MAX_AGE").map(Duration::from_secs);
    let max_recovery_time = settings.optional_number("VERIFY_MAX_RECOVERY_TIME").map(Duration::from_secs);
    let jobs = settings.optional_number("VERIFY_JOBS").and_then(|jobs| usize::try_from(jobs).ok());
    let content = settings
        .choice("VERIFY_CONTENT", [("full", Content::Full), ("sample", Content::Sample), ("off", Content::Off)]);
    let amcheck = settings.choice("VERIFY_AMCHECK", [("auto", Amcheck::Auto), ("off", Amcheck::Off)]);
    let queries = queries(&mut settings);
    let min_table_count = settings.optional_number("MIN_TABLE_COUNT");
    let attest = settings.flag("VERIFY_ATTEST");
    let source_database = settings.text("VERIFY_SOURCE_DATABASE").map(|name| cut_name(&name).to_owned());
    let restore_url = settings.secret("RESTORE_URL");
    let secrets = secrets(&settings, target.as_ref());
    let config = (|| {
        let process = Arc::new(process?.knowing(&settings, &secrets));
        let drill = DrillConfig {
            store: process.store.clone(),
            scrubber: process.scrubber.clone(),
            bin_dir: process.bin_dir.as_ref().map(PathBuf::from),
            source_database,
            keyring,
            signers,
            backup_max_age,
            timeout,
            target: target?,
            restore_as,
            source_cluster,
            jobs: jobs.unwrap_or_else(processors),
            content,
            amcheck,
            queries,
            min_table_count,
            spool_dir: spool_dir?,
            attest,
        };
        let (process_of_target, selection_policy) = (Arc::clone(&process), selection_policy?);
        let given = TargetConfig {
            process: process_of_target,
            selection_policy,
            max_recovery_time,
            timing: timing?,
            drill,
            restore_url,
        };
        Some(VerifyConfig { process, given })
    })();
    settings.finish(config)
}

fn queries(settings: &mut Settings) -> Queries {
    let texts =
        [("VERIFY_SQL", settings.text("VERIFY_SQL")), ("VERIFY_QUERIES_FILE", settings.file("VERIFY_QUERIES_FILE"))];
    let mut list = Vec::new();
    for (name, text) in texts {
        match parse_queries(&text.unwrap_or_default(), name) {
            Ok(queries) => list.extend(queries),
            Err(problem) => settings.reject(name, problem),
        }
    }
    Queries { list, timeout: settings.seconds("VERIFY_QUERY_TIMEOUT") }
}

fn selection_policy(settings: &mut Settings) -> Option<SelectionPolicy> {
    let latest = settings.flag("VERIFY_LATEST");
    let random_every = settings.number("VERIFY_RANDOM_EVERY");
    let Some(id) = settings.text("VERIFY_BACKUP_ID") else {
        return Some(if latest { SelectionPolicy::Newest { random_every } } else { SelectionPolicy::Random });
    };
    if !latest {
        settings.reject("VERIFY_BACKUP_ID", "is set together with VERIFY_LATEST=false; keep one of them");
    }
    let id = BackupId::parse(&id);
    if id.is_none() {
        settings.reject("VERIFY_BACKUP_ID", "is not the id of a backup, such as 20261122T030000Z-calpt5zmzst5hrp2");
    }
    id.map(SelectionPolicy::Always)
}

fn timing(settings: &mut Settings) -> Option<Timing> {
    let schedule = schedule(settings, "VERIFY_SCHEDULE", "VERIFY_INTERVAL", DEFAULT_SCHEDULE);
    let given_max_age = settings.optional_number("VERIFY_MAX_AGE").map(Duration::from_secs);
    let make_up = settings.parsed("VERIFY_RETRY_AFTER", MakeUp::parse);
    Some(Timing {
        run_on_startup: settings.flag("RUN_ON_STARTUP"),
        after_backup: settings.flag("VERIFY_AFTER_BACKUP"),
        min_interval: settings.seconds("VERIFY_MIN_INTERVAL"),
        schedule: schedule?,
        given_max_age,
        make_up: make_up?,
    })
}

fn spool_dir(settings: &mut Settings) -> Option<PathBuf> {
    let Some(given) = settings.text("VERIFY_SPOOL_DIR") else { return Some(std::env::temp_dir()) };
    if !Path::new(&given).is_dir() {
        settings.reject("VERIFY_SPOOL_DIR", "is not a folder");
        return None;
    }
    Some(given.into())
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn secrets(settings: &Settings, target: Option<&Target>) -> Vec<Secret> {
    let passwords = match target {
        Some(Target::External { login, admin }) => {
            [login.password(), admin.as_ref().and_then(|admin| admin.password())]
        }
        Some(Target::Ephemeral) | None => [None, None],
    };
    let restore_url = settings.secret("RESTORE_URL").map(|url| secrets_of_url(&url)).unwrap_or_default();
    let given = settings.secrets().into_iter().chain(single_keys(settings));
    given.chain(passwords.into_iter().flatten().cloned()).chain(restore_url).collect()
}

/// What of a connection string may not be shown: itself, and its password.
pub(crate) fn secrets_of_url(url: &Secret) -> Vec<Secret> {
    let password = Conninfo::parse(url).ok().and_then(|conninfo| conninfo.password().cloned());
    [Some(url.clone()), password].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests;
