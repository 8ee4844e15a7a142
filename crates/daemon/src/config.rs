//! What belongs to a process, not to a database that it serves, and when runs happen.

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
        let authorities = store.as_ref().map_or(Authorities::System, |store| store.authorities.clone());
        let notify = NotifyConfig::read(settings, authorities);
        let (scrubber, warnings) = (Scrubber::default(), Vec::new());
        let store = store?;
        Some(Self { port, log, grace, single_shot, retry, store, bin_dir, outdated_tools, notify, scrubber, warnings })
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

fn log(settings: &mut Settings) -> LogSettings {
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
