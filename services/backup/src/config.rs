//! What `backup` needs, out of the environment.

pub(crate) mod keeping;
mod several;

use std::sync::Arc;
use std::time::Duration;

use backup_core::codec::{Codec, Compression};
use backup_core::config::{ConfigError, Settings};
use backup_core::postgres::Fingerprint;
use backup_core::postgres::conninfo::{Conninfo, PasswordCommand, PasswordSource, PgVariables};
use backup_core::repository::{BackupId, Kind, Layout, Repository, Role, Signers, SigningKey};
use backup_daemon::DatabaseName;
use backup_daemon::config::{ProcessConfig, schedule};
use backup_daemon::schedule::MakeUp;
use chrono::Utc;

use crate::batches::most_of;
use crate::dump_options::DumpOptions;
use crate::encryption::{encryption, lines_of_keys, signing_key};
use crate::retention::RetentionPolicy;
use crate::roles::SharedRoles;
use crate::shrink::SizeRule;
use crate::timing::Timing;
use crate::variables::SECTIONS;

pub(crate) use several::Several;

/// What `pg_stat_activity` shows, if the URL does not say otherwise.
const APPLICATION_NAME: &str = "backup";

const DEFAULT_SCHEDULE: &str = "0 3 * * *";

/// What the names of our own variables begin with.
const OWN_PREFIXES: [&str; 2] = ["BACKUP_", "S3_"];

/// Everything that the environment says.
#[derive(Debug)]
pub(crate) struct BackupConfig {
    pub(crate) process: Arc<ProcessConfig>,
    /// What the backups of the database of `DATABASE_URL` need, and, but for the name, those of all others.
    pub(crate) given: TargetConfig,
    /// Which databases instead; `None`: that of `DATABASE_URL` alone.
    pub(crate) several: Option<Several>,
}

impl BackupConfig {
    /// What the backups of `database` need.
    pub(crate) fn target(&self, database: &str) -> TargetConfig {
        let mut target = self.given.clone();
        if self.several.is_some() {
            target.source = target.source.with_dbname(database);
        }
        target
    }
}

/// Everything that the backups of one database need.
#[derive(Debug, Clone)]
pub(crate) struct TargetConfig {
    pub(crate) process: Arc<ProcessConfig>,
    pub(crate) source: Conninfo,
    pub(crate) dump: DumpConfig,
    /// What signs manifests, if anything does.
    pub(crate) signing_key: Option<SigningKey>,
    /// Whose manifests an operator's `prune` counts, if it may read them; none: all.
    pub(crate) signers: Signers,
    pub(crate) retention: RetentionPolicy,
    /// Which backups are too small to delete older ones for.
    pub(crate) size_rule: SizeRule,
    pub(crate) timing: Timing,
    /// The dump of roles that it shares with other databases, if there are any.
    pub(crate) roles: Option<SharedRoles>,
}

impl TargetConfig {
    /// Its name among those of the process.
    pub(crate) fn database(&self) -> DatabaseName {
        DatabaseName::from(self.source.dbname())
    }

    /// The backups of the source, through connections of its own.
    pub(crate) fn repository(&self) -> Repository {
        Repository::new(self.process.store.open(), self.layout())
    }

    /// Where the backups of the source are. If there is a key for signatures, only a signed word of an operator counts.
    pub(crate) fn layout(&self) -> Layout {
        let own = self.signing_key.as_ref().map(SigningKey::signers).unwrap_or_default();
        Layout::new(self.process.store.prefix.clone(), self.source.dbname()).trusting(own.and(self.signers.clone()))
    }
}

impl DumpConfig {
    /// The role of the archive.
    pub(crate) fn role(&self) -> Role {
        Role::Dump { kind: self.kind(), suffix: self.codec.suffix() }
    }

    /// What kind of backup the options make.
    pub(crate) fn kind(&self) -> Kind {
        if self.options.narrowing.is_empty() { Kind::Full } else { Kind::Partial }
    }
}

/// What a dump holds and how it is stored.
#[derive(Debug, Clone)]
pub(crate) struct DumpConfig {
    pub(crate) codec: Codec,
    /// `None`: by the size of the database.
    pub(crate) part_bytes: Option<u64>,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) globals: Globals,
    pub(crate) options: DumpOptions,
    pub(crate) lock_wait: Duration,
    /// How fast the database is read at most.
    pub(crate) max_bytes_per_second: Option<u64>,
}

/// Whether the cluster's roles are dumped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Globals {
    Required,
    WherePossible,
    Off,
}

/// Reads the configuration from `vars`.
///
/// # Errors
/// Every problem at once, each naming its variable, none showing a value.
pub(crate) fn from_vars(vars: impl IntoIterator<Item = (String, String)>) -> Result<BackupConfig, ConfigError> {
    let mut settings = Settings::read(vars, &SECTIONS.map(|(_, table)| table), &OWN_PREFIXES);
    let mut process = ProcessConfig::read(&mut settings);
    if let Some(process) = &mut process {
        keeping::read(&mut settings, &mut process.store);
    }
    let silence = settings.seconds("DATABASE_SILENCE_TIMEOUT");
    let source = source(&mut settings).map(|source| source.with_question_limit(silence));
    let dump = dump(&mut settings);
    let signing_key = signing_key(&mut settings);
    let signers = settings.parsed("VERIFY_TRUSTED_KEYS", Signers::parse).unwrap_or_default();
    let retention = retention(&mut settings);
    let timing = timing(&mut settings);
    let size_rule = size_rule(&mut settings, timing.as_ref());
    let several = Several::read(&mut settings);
    let password = source.as_ref().and_then(Conninfo::password).cloned();
    let secrets: Vec<_> = settings.secrets().into_iter().chain(password).chain(lines_of_keys(&settings)).collect();
    let config = (|| {
        let process = Arc::new(process?.knowing(&settings, &secrets));
        let given = TargetConfig {
            process: Arc::clone(&process),
            source: source?,
            dump: dump?,
            signing_key,
            signers,
            retention,
            size_rule,
            timing: timing?,
            roles: several.is_some().then(SharedRoles::default),
        };
        Some(BackupConfig { process, given, several })
    })();
    settings.finish(config)
}

fn source(settings: &mut Settings) -> Option<Conninfo> {
    let source = source_as_given(settings)?;
    let command = settings.parsed("DATABASE_PASSWORD_COMMAND", |text| {
        let words = shell_words::split(text).map_err(|_| "has quotes that do not end")?;
        PasswordCommand::new(words).ok_or("names no program")
    });
    let url_has_password =
        settings.secret("DATABASE_URL").and_then(|url| Conninfo::parse(&url).ok()?.password().cloned());
    match (command, source.password()) {
        (Some(_), Some(_)) => {
            settings.reject("DATABASE_PASSWORD_COMMAND", "is set together with a password; keep one of them");
            None
        }
        (Some(command), None) => Some(source.with_password_source(PasswordSource::Command(command))),
        (None, _) if url_has_password.is_some() && settings.is_from_file("DATABASE_URL") => {
            let file = settings.live_secret("DATABASE_URL")?;
            Some(source.with_password_source(PasswordSource::Url(file)))
        }
        (None, _) if url_has_password.is_none() && settings.is_from_file("PGPASSWORD") => {
            let file = settings.live_secret("PGPASSWORD")?;
            Some(source.with_password_source(PasswordSource::File(file)))
        }
        (None, _) => Some(source),
    }
}

fn source_as_given(settings: &mut Settings) -> Option<Conninfo> {
    let variables = PgVariables {
        host: settings.text("PGHOST"),
        port: settings.text("PGPORT"),
        user: settings.text("PGUSER"),
        database: settings.text("PGDATABASE"),
        password: settings.secret("PGPASSWORD"),
        sslmode: settings.text("PGSSLMODE"),
        sslrootcert: settings.text("PGSSLROOTCERT"),
        sslcert: settings.text("PGSSLCERT"),
        sslkey: settings.text("PGSSLKEY"),
    };
    let Some(url) = settings.secret("DATABASE_URL") else {
        if variables.host.is_none() {
            settings.reject("DATABASE_URL", "is not set, and neither is PGHOST");
            return None;
        }
        let source = Conninfo::from_variables(&variables).map_err(|errors| reject_all(settings, errors)).ok()?;
        return Some(source.with_default_application_name(APPLICATION_NAME));
    };
    if variables.host.is_some() {
        settings.warn("DATABASE_URL is set, so PGHOST, PGPORT, PGUSER and PGDATABASE are not used");
    }
    let mut source = Conninfo::parse(&url).map_err(|error| settings.reject("DATABASE_URL", error.to_string())).ok()?;
    source.fill_from(&variables).map_err(|errors| reject_all(settings, errors)).ok()?;
    Some(source.with_default_application_name(APPLICATION_NAME))
}

fn reject_all<E: std::fmt::Display>(settings: &mut Settings, errors: Vec<(&'static str, E)>) {
    for (name, error) in errors {
        settings.reject(name, error.to_string());
    }
}

fn dump(settings: &mut Settings) -> Option<DumpConfig> {
    let compression = compression(settings);
    let encryption = encryption(settings);
    let budget = settings.seconds("BACKUP_FINGERPRINT_TIMEOUT");
    let fingerprint =
        settings.choice("BACKUP_FINGERPRINT", [("counts", Fingerprint::Counts { budget }), ("off", Fingerprint::Off)]);
    let globals = match settings.optional_flag("BACKUP_GLOBALS") {
        Some(true) => Globals::Required,
        Some(false) => Globals::Off,
        None => Globals::WherePossible,
    };
    let given = settings.text("PG_DUMP_OPTIONS").unwrap_or_default();
    let options =
        DumpOptions::parse(&given).map_err(|error| settings.reject("PG_DUMP_OPTIONS", error.to_string())).ok();
    Some(DumpConfig {
        codec: Codec { compression: compression?, encryption: encryption? },
        part_bytes: settings.optional_number("PART_SIZE").map(|mebibytes| mebibytes * 1024 * 1024),
        fingerprint,
        globals,
        options: options?,
        lock_wait: settings.seconds("LOCK_WAIT_TIMEOUT"),
        max_bytes_per_second: settings.optional_number("BACKUP_MAX_RATE").map(|mib| mib * 1024 * 1024),
    })
}

/// A word of `COMPRESSION`.
#[derive(Clone, Copy)]
enum Algorithm {
    Zstd,
    Gzip,
    None,
}

fn compression(settings: &mut Settings) -> Option<Compression> {
    let level = settings.optional_number("COMPRESSION_LEVEL");
    let words = [("zstd", Algorithm::Zstd), ("gzip", Algorithm::Gzip), ("none", Algorithm::None)];
    match (settings.choice("COMPRESSION", words), level) {
        (Algorithm::Zstd, level) => Some(Compression::Zstd { level: i32::try_from(level.unwrap_or(3)).ok()? }),
        (Algorithm::Gzip, None) => Some(Compression::Gzip { level: 6 }),
        (Algorithm::Gzip, Some(level @ 1..=9)) => Some(Compression::Gzip { level: u32::try_from(level).ok()? }),
        (Algorithm::Gzip, Some(_)) => {
            settings.reject("COMPRESSION_LEVEL", "is not a whole number from 1 to 9, as gzip wants it");
            None
        }
        (Algorithm::None, Some(_)) => {
            settings.reject("COMPRESSION_LEVEL", "is set, and COMPRESSION=none has no levels");
            None
        }
        (Algorithm::None, None) => Some(Compression::None),
    }
}

fn retention(settings: &mut Settings) -> RetentionPolicy {
    let mut number = |name| u32::try_from(settings.number(name)).unwrap_or(u32::MAX);
    RetentionPolicy {
        keep_days: number("BACKUP_RETENTION_DAYS"),
        keep_last: number("BACKUP_KEEP_LAST"),
        keep_daily: number("BACKUP_KEEP_DAILY"),
        keep_weekly: number("BACKUP_KEEP_WEEKLY"),
        keep_monthly: number("BACKUP_KEEP_MONTHLY"),
        keep_yearly: number("BACKUP_KEEP_YEARLY"),
        max_deletes: number("BACKUP_MAX_DELETES"),
    }
}

fn size_rule(settings: &mut Settings, timing: Option<&Timing>) -> SizeRule {
    let accepted_from = settings.parsed("BACKUP_ACCEPT_SIZE_FROM", |text| {
        BackupId::parse(text.trim()).ok_or("is not the id of a backup, as `backup list` shows them")
    });
    // Without a schedule that can be read there is no configuration either.
    let gap_seconds = timing.map_or(0, |timing| timing.schedule.shortest_gap_seconds(Utc::now()));
    let max_shrink_percent = settings.number("BACKUP_MAX_SHRINK_PERCENT");
    SizeRule { max_shrink_percent, accepted_from, batch: most_of(gap_seconds) }
}

fn timing(settings: &mut Settings) -> Option<Timing> {
    let schedule = schedule(settings, "BACKUP_SCHEDULE", "BACKUP_INTERVAL", DEFAULT_SCHEDULE);
    let given_max_age = settings.optional_number("BACKUP_MAX_AGE").map(Duration::from_secs);
    let make_up = settings.parsed("BACKUP_RETRY_AFTER", MakeUp::parse);
    Some(Timing {
        run_on_startup: settings.flag("RUN_ON_STARTUP"),
        min_interval: settings.seconds("BACKUP_MIN_INTERVAL"),
        run_timeout: settings.seconds("BACKUP_TIMEOUT"),
        schedule: schedule?,
        given_max_age,
        make_up: make_up?,
    })
}

#[cfg(test)]
pub(crate) mod tests;
