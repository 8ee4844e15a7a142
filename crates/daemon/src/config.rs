//! What belongs to a process, not to a database that it serves, and when runs happen.

use std::path::{Path, PathBuf};
use std::time::Duration;

use backup_core::config::Settings;
use backup_core::postgres::OutdatedTools;
use backup_core::scrub::Scrubber;
use backup_core::secret::Secret;
use backup_core::storage::{Authorities, RetryPolicy, StoreConfig};
use tracing::level_filters::LevelFilter;

use crate::notify::NotifyConfig;
use crate::schedule::Schedule;
use crate::{LogFormat, LogSettings};

/// What all databases of a process share.
#[derive(Debug, Clone)]
pub struct ProcessConfig {
    /// The port of the HTTP pages.
    pub port: u16,
    /// What to log and how.
    pub log: LogSettings,
    /// How long a run may take to end after a signal.
    pub grace: Duration,
    /// Whether to run once and exit.
    pub single_shot: bool,
    /// Where a single run leaves its metrics.
    pub metrics_file: Option<PathBuf>,
    /// How often requests are tried.
    pub retry: RetryPolicy,
    /// The bucket.
    pub store: StoreConfig,
    /// The folder of PostgreSQL's programs, unless they are to be looked for.
    pub bin_dir: Option<String>,
    /// Whether programs with known vulnerabilities may be used.
    pub outdated_tools: OutdatedTools,
    /// Who is told.
    pub notify: NotifyConfig,
    /// What must not be shown.
    pub scrubber: Scrubber,
    /// What is said once at start.
    pub warnings: Vec<String>,
}

impl ProcessConfig {
    /// Reads it; `None` if the bucket is not usable, which is noted then. Secrets and warnings come with
    /// [`ProcessConfig::knowing`].
    pub fn read(settings: &mut Settings) -> Option<Self> {
        let retry = settings.retry();
        let store = settings.store(retry);
        let outdated_tools = match settings.flag("ALLOW_OUTDATED_TOOLS") {
            true => OutdatedTools::Allowed,
            false => OutdatedTools::Refused,
        };
        let (port, log, grace) = (port(settings), log(settings), settings.seconds("SHUTDOWN_GRACE_SECONDS"));
        let (single_shot, bin_dir) = (settings.flag("SINGLE_SHOT_MODE"), settings.text("PG_BIN_DIR"));
        let metrics_file = metrics_file(settings);
        let authorities = store.as_ref().map_or(Authorities::System, |store| store.authorities.clone());
        let notify = NotifyConfig::read(settings, authorities);
        let (scrubber, warnings) = (Scrubber::default(), Vec::new());
        let store = store?;
        Some(Self {
            port,
            log,
            grace,
            single_shot,
            metrics_file,
            retry,
            store,
            bin_dir,
            outdated_tools,
            notify,
            scrubber,
            warnings,
        })
    }

    /// With everything that was worth a warning, and with these `secrets`, which nothing may show.
    pub fn knowing(self, settings: &Settings, secrets: &[Secret]) -> Self {
        let scrubber = Scrubber::new(secrets.iter().chain(self.notify.secrets()));
        Self { scrubber, warnings: settings.warnings(), ..self }
    }
}

fn port(settings: &mut Settings) -> u16 {
    u16::try_from(settings.number("PORT")).unwrap_or_default()
}

fn metrics_file(settings: &mut Settings) -> Option<PathBuf> {
    let path = PathBuf::from(settings.text("METRICS_FILE")?);
    // A path without a folder is one of the working directory.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if path.file_name().is_none() || !folder.is_dir() || path.is_dir() {
        settings.reject("METRICS_FILE", "is not the path of a file in a folder that exists");
        return None;
    }
    Some(path)
}

fn log(settings: &mut Settings) -> LogSettings {
    let levels = [
        ("error", LevelFilter::ERROR),
        ("warn", LevelFilter::WARN),
        ("info", LevelFilter::INFO),
        ("debug", LevelFilter::DEBUG),
        ("trace", LevelFilter::TRACE),
    ];
    let level = settings.choice("LOG_LEVEL", levels);
    let level = if settings.flag("DEBUG") { level.max(LevelFilter::DEBUG) } else { level };
    let formats = [("json", LogFormat::Json), ("text", LogFormat::Text)];
    let format = settings.is_set("LOG_FORMAT").then(|| settings.choice("LOG_FORMAT", formats));
    LogSettings { level, format }
}

/// The schedule that one of two variables gives, a crontab expression or seconds; `default` if neither is set.
pub fn schedule(settings: &mut Settings, cron: &str, interval: &str, default: &str) -> Option<Schedule> {
    let time_zone = settings.text("TZ").unwrap_or_default();
    let interval_seconds = settings.optional_number(interval);
    let expression = settings.text(cron);
    let (name, schedule) = match (expression, interval_seconds) {
        (Some(_), Some(_)) => {
            settings.reject(interval, format!("is set together with {cron}; keep one of them"));
            return None;
        }
        (None, Some(interval_seconds)) => (interval, Schedule::interval(interval_seconds)),
        (expression, None) => (cron, Schedule::cron(expression.as_deref().unwrap_or(default), &time_zone)),
    };
    schedule.map_err(|error| settings.reject(name, error.to_string())).ok()
}
