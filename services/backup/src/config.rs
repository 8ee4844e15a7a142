//! What `backup` needs, out of the environment.

use std::time::Duration;

use backup_core::catalog::{Kind, Shelf};
use backup_core::codec::{Codec, Compression, Encryption};
use backup_core::config::{ConfigError, Settings};
use backup_core::postgres::Fingerprint;
use backup_core::postgres::conninfo::{Conninfo, PgVariables};
use backup_core::schedule::Schedule;
use backup_core::scrub::Scrubber;
use backup_core::secret::Secret;
use backup_core::service::{LogFormat, LogSettings};
use backup_core::storage::{Checksum, Prefix, RetryPolicy, StoreConfig};
use chrono::{DateTime, Utc};

use crate::dump_options::DumpOptions;
use crate::retention::RetentionPolicy;
use crate::variables::SECTIONS;

/// What `pg_stat_activity` shows, where the URL does not say otherwise.
const APPLICATION_NAME: &str = "backup";

const DEFAULT_SCHEDULE: &str = "0 3 * * *";

/// Everything that a run and the daemon around it need.
#[derive(Debug)]
pub(crate) struct BackupConfig {
    pub(crate) source: Conninfo,
    pub(crate) bin_dir: Option<String>,
    pub(crate) store: StoreConfig,
    pub(crate) dump: DumpConfig,
    pub(crate) retention: RetentionPolicy,
    pub(crate) timing: Timing,
    pub(crate) port: u16,
    pub(crate) log: LogSettings,
    pub(crate) scrubber: Scrubber,
    /// Things to say once at start.
    pub(crate) warnings: Vec<String>,
}

impl BackupConfig {
    /// Where the backups of the source are.
    pub(crate) fn shelf(&self) -> Shelf {
        Shelf::new(self.store.prefix.clone(), self.source.dbname())
    }
}

impl DumpConfig {
    /// What kind of backup the options make.
    pub(crate) fn kind(&self) -> Kind {
        if self.options.narrowing.is_empty() { Kind::Full } else { Kind::Partial }
    }
}

/// What a dump holds and how it is stored.
#[derive(Debug)]
pub(crate) struct DumpConfig {
    pub(crate) codec: Codec,
    /// `None`: by the size of the database.
    pub(crate) part_bytes: Option<u64>,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) globals: Globals,
    pub(crate) options: DumpOptions,
    pub(crate) lock_wait: Duration,
}

/// Whether the cluster's roles are dumped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Globals {
    Required,
    WherePossible,
    Off,
}

/// When runs happen and how long things may take.
#[derive(Debug)]
pub(crate) struct Timing {
    pub(crate) schedule: Schedule,
    pub(crate) run_on_startup: bool,
    pub(crate) single_shot: bool,
    pub(crate) min_interval: Duration,
    /// `None`: by the schedule.
    pub(crate) given_max_age: Option<Duration>,
    pub(crate) run_timeout: Duration,
    pub(crate) retry: RetryPolicy,
    pub(crate) grace: Duration,
}

impl Timing {
    /// How old the newest full backup may be at `now`: the longest gap of the schedule around it, a
    /// tenth of that and an hour, unless `BACKUP_MAX_AGE` says.
    pub(crate) fn max_age(&self, now: DateTime<Utc>) -> Duration {
        self.given_max_age.unwrap_or_else(|| {
            let gap_seconds = self.schedule.longest_gap_seconds(now);
            Duration::from_secs(gap_seconds + gap_seconds / 10 + 3600)
        })
    }
}

/// Reads the configuration from `vars`.
///
/// # Errors
/// Every problem at once, each naming its variable, none showing a value.
pub(crate) fn from_vars(vars: impl IntoIterator<Item = (String, String)>) -> Result<BackupConfig, ConfigError> {
    let mut settings = Settings::read(vars, &SECTIONS.map(|(_, table)| table));
    refuse_what_is_not_here(&mut settings);
    let mut warnings: Vec<String> = settings
        .unknown()
        .iter()
        .map(|name| format!("{name} is not a variable of this program; see docs/configuration.md"))
        .collect();
    let retry = RetryPolicy {
        attempts: u32::try_from(settings.number("RETRY_ATTEMPTS")).unwrap_or(1),
        first_pause: seconds(&mut settings, "RETRY_DELAY"),
    };
    let source = source(&mut settings, &mut warnings);
    let store = store(&mut settings, retry, &mut warnings);
    let dump = dump(&mut settings);
    let retention = retention(&mut settings);
    let timing = timing(&mut settings, retry);
    let port = u16::try_from(settings.number("PORT")).unwrap_or_default();
    let log = log_settings(&mut settings);
    let secrets = secrets(&settings, source.as_ref());
    let bin_dir = settings.text("PG_BIN_DIR");
    let config = (|| {
        Some(BackupConfig {
            source: source?,
            bin_dir,
            store: store?,
            dump: dump?,
            retention,
            timing: timing?,
            port,
            log,
            scrubber: Scrubber::new(&secrets),
            warnings,
        })
    })();
    settings.finish(config)
}

/// Ignoring these would make someone believe in a protection that is not there.
fn refuse_what_is_not_here(settings: &mut Settings) {
    let encryption_on = settings.flag("BACKUP_ENCRYPTION");
    for name in ["BACKUP_ENCRYPTION_KEY", "AGE_RECIPIENTS", "WEBHOOK_URL", "HEALTHCHECK_PING_URL"] {
        if settings.is_set(name) {
            settings.reject(name, "is not supported by this version; unset it");
        }
    }
    if encryption_on {
        settings.reject(
            "BACKUP_ENCRYPTION",
            "client-side encryption is not in this version; unset it, or wait with production data",
        );
    }
}

fn source(settings: &mut Settings, warnings: &mut Vec<String>) -> Option<Conninfo> {
    let variables = PgVariables {
        host: settings.text("PGHOST"),
        port: settings.text("PGPORT"),
        user: settings.text("PGUSER"),
        database: settings.text("PGDATABASE"),
        password: settings.secret("PGPASSWORD"),
        sslmode: settings.text("PGSSLMODE"),
        sslrootcert: settings.text("PGSSLROOTCERT"),
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
        warnings.push("DATABASE_URL is set, so PGHOST, PGPORT, PGUSER and PGDATABASE are not used".to_owned());
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

fn store(settings: &mut Settings, retry: RetryPolicy, warnings: &mut Vec<String>) -> Option<StoreConfig> {
    let access_key_id = settings.required("S3_ACCESS_KEY_ID");
    let secret_access_key = settings.required("S3_SECRET_ACCESS_KEY");
    let bucket = settings.required("S3_BUCKET").map(|bucket| bucket.expose().to_owned());
    let endpoint = settings.required("S3_ENDPOINT").and_then(|endpoint| {
        Endpoint::parse(endpoint.expose()).map_err(|message| settings.reject("S3_ENDPOINT", message)).ok()
    });
    let prefix = settings.parsed("BACKUP_PREFIX", Prefix::parse);
    let path_style = settings.optional_flag("S3_FORCE_PATH_STYLE");
    let checksum = settings.choice("S3_CHECKSUM");
    let (endpoint, bucket) = (endpoint?, bucket?);
    if let Some(warning) = endpoint.plain_http_warning() {
        warnings.push(warning);
    }
    Some(StoreConfig {
        path_style: path_style.unwrap_or(!endpoint.is_aws() || bucket.contains('.')),
        checksum: match checksum {
            "crc32" => Checksum::Crc32,
            "auto" if endpoint.is_aws() => Checksum::Crc32,
            _ => Checksum::None,
        },
        endpoint: endpoint.for_sdk(),
        bucket,
        region: settings.text("S3_REGION").unwrap_or_default(),
        access_key_id: access_key_id?,
        secret_access_key: secret_access_key?,
        session_token: settings.secret("S3_SESSION_TOKEN"),
        prefix: prefix?,
        retry,
        connect_timeout: seconds(settings, "S3_CONNECT_TIMEOUT"),
        attempt_timeout: seconds(settings, "S3_ATTEMPT_TIMEOUT"),
    })
}

fn dump(settings: &mut Settings) -> Option<DumpConfig> {
    let compression = compression(settings);
    let budget = seconds(settings, "BACKUP_FINGERPRINT_TIMEOUT");
    let fingerprint = match settings.choice("BACKUP_FINGERPRINT") {
        "counts" => Fingerprint::Counts { budget },
        _ => Fingerprint::Off,
    };
    let globals = match settings.optional_flag("BACKUP_GLOBALS") {
        Some(true) => Globals::Required,
        Some(false) => Globals::Off,
        None => Globals::WherePossible,
    };
    let given = settings.text("PG_DUMP_OPTIONS").unwrap_or_default();
    let options =
        DumpOptions::parse(&given).map_err(|error| settings.reject("PG_DUMP_OPTIONS", error.to_string())).ok();
    Some(DumpConfig {
        codec: Codec { compression: compression?, encryption: Encryption::None },
        part_bytes: settings.optional_number("PART_SIZE").map(|mebibytes| mebibytes * 1024 * 1024),
        fingerprint,
        globals,
        options: options?,
        lock_wait: seconds(settings, "LOCK_WAIT_TIMEOUT"),
    })
}

fn compression(settings: &mut Settings) -> Option<Compression> {
    let level = settings.optional_number("COMPRESSION_LEVEL");
    match (settings.choice("COMPRESSION"), level) {
        ("zstd", level) => Some(Compression::Zstd { level: i32::try_from(level.unwrap_or(3)).ok()? }),
        ("gzip", None) => Some(Compression::Gzip { level: 6 }),
        ("gzip", Some(level @ 1..=9)) => Some(Compression::Gzip { level: u32::try_from(level).ok()? }),
        ("gzip", Some(_)) => {
            settings.reject("COMPRESSION_LEVEL", "is not a whole number from 1 to 9, as gzip wants it");
            None
        }
        (_, Some(_)) => {
            settings.reject("COMPRESSION_LEVEL", "is set, and COMPRESSION=none has no levels");
            None
        }
        (_, None) => Some(Compression::None),
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

fn timing(settings: &mut Settings, retry: RetryPolicy) -> Option<Timing> {
    let schedule = schedule(settings);
    let given_max_age = settings.optional_number("BACKUP_MAX_AGE").map(Duration::from_secs);
    Some(Timing {
        run_on_startup: settings.flag("RUN_ON_STARTUP"),
        single_shot: settings.flag("SINGLE_SHOT_MODE"),
        min_interval: seconds(settings, "BACKUP_MIN_INTERVAL"),
        run_timeout: seconds(settings, "BACKUP_TIMEOUT"),
        grace: seconds(settings, "SHUTDOWN_GRACE_SECONDS"),
        schedule: schedule?,
        given_max_age,
        retry,
    })
}

fn schedule(settings: &mut Settings) -> Option<Schedule> {
    let time_zone = settings.text("TZ").unwrap_or_default();
    let interval_seconds = settings.optional_number("BACKUP_INTERVAL");
    let expression = settings.text("BACKUP_SCHEDULE");
    let (name, schedule) = match (expression, interval_seconds) {
        (Some(_), Some(_)) => {
            settings.reject("BACKUP_INTERVAL", "is set together with BACKUP_SCHEDULE; keep one of them");
            return None;
        }
        (None, Some(interval_seconds)) => ("BACKUP_INTERVAL", Schedule::interval(interval_seconds)),
        (expression, None) => {
            ("BACKUP_SCHEDULE", Schedule::cron(expression.as_deref().unwrap_or(DEFAULT_SCHEDULE), &time_zone))
        }
    };
    schedule.map_err(|error| settings.reject(name, error.to_string())).ok()
}

fn log_settings(settings: &mut Settings) -> LogSettings {
    use tracing::level_filters::LevelFilter;
    let level = match settings.choice("LOG_LEVEL") {
        "error" => LevelFilter::ERROR,
        "warn" => LevelFilter::WARN,
        "info" => LevelFilter::INFO,
        "debug" => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let level = if settings.flag("DEBUG") { level.max(LevelFilter::DEBUG) } else { level };
    let format = settings.is_set("LOG_FORMAT").then(|| match settings.choice("LOG_FORMAT") {
        "json" => LogFormat::Json,
        _ => LogFormat::Text,
    });
    LogSettings { level, format }
}

fn secrets(settings: &Settings, source: Option<&Conninfo>) -> Vec<Secret> {
    let names = ["DATABASE_URL", "PGPASSWORD", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY", "S3_SESSION_TOKEN"];
    let given = names.iter().filter_map(|name| settings.secret(name));
    given.chain(source.and_then(Conninfo::password).cloned()).collect()
}

fn seconds(settings: &mut Settings, name: &str) -> Duration {
    Duration::from_secs(settings.number(name))
}

/// The URL of the S3 service.
struct Endpoint(String);

impl Endpoint {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim().trim_end_matches('/');
        let Some(rest) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else {
            return Err("does not start with https:// or http://");
        };
        match rest {
            "" => Err("has no host"),
            rest if rest.contains(['@', '?', '#', ' ']) => Err(
                "is not a plain URL of scheme, host and port; keys go into S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY",
            ),
            _ => Ok(Self(text.to_owned())),
        }
    }

    fn host(&self) -> &str {
        let authority = self.0.split_once("://").map_or("", |(_, rest)| rest);
        let authority = authority.split('/').next().unwrap_or_default();
        match authority.strip_prefix('[') {
            Some(v6) => v6.split(']').next().unwrap_or_default(),
            None => authority.split(':').next().unwrap_or_default(),
        }
    }

    fn is_aws(&self) -> bool {
        self.host().ends_with(".amazonaws.com") || self.host().ends_with(".amazonaws.com.cn")
    }

    /// `None` where the SDK knows the regional endpoint better than the global name.
    fn for_sdk(self) -> Option<String> {
        (self.host() != "s3.amazonaws.com").then_some(self.0)
    }

    fn plain_http_warning(&self) -> Option<String> {
        use std::net::IpAddr;
        let private = match self.host().parse::<IpAddr>() {
            Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
            Ok(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
            Err(_) => {
                !self.host().contains('.') || self.host().ends_with(".internal") || self.host().ends_with(".local")
            }
        };
        (self.0.starts_with("http://") && !private).then(|| {
            "S3_ENDPOINT is plain http to a public address: backups and signatures travel unprotected".to_owned()
        })
    }
}

#[cfg(test)]
mod tests;
