//! What belongs to a process, not to a database that it serves, and when runs happen.

use std::path::{Path, PathBuf};
use std::time::Duration;

use backup_core::config::Settings;
use backup_core::live_secret::LiveSecret;
use backup_core::postgres::OutdatedTools;
use backup_core::scrub::Scrubber;
use backup_core::secret::Secret;
use backup_core::storage::{Authorities, RetryPolicy, StoreConfig};
use chrono_tz::Tz;
use tracing::level_filters::LevelFilter;

use crate::notify::NotifyConfig;
use crate::schedule::Schedule;
use crate::web::{HttpAccess, MIN_TOKEN_CHARS};
use crate::{LogFormat, LogSettings};

/// What all databases of a process share.
#[derive(Debug, Clone)]
pub struct ProcessConfig {
    /// The port of the HTTP pages.
    pub port: u16,
    /// What clients of the pages have to know, if anything.
    pub http_access: HttpAccess,
    /// The zone of local times on the page: `TZ`.
    pub time_zone: Tz,
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
    /// The time between two looks at it, besides those of runs.
    pub poll_interval: Duration,
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
        let poll_interval = settings.seconds("BUCKET_POLL_INTERVAL");
        let outdated_tools = match settings.flag("ALLOW_OUTDATED_TOOLS") {
            true => OutdatedTools::Allowed,
            false => OutdatedTools::Refused,
        };
        let (port, log, grace) = (port(settings), log(settings), settings.seconds("SHUTDOWN_GRACE_SECONDS"));
        let (single_shot, bin_dir) = (settings.flag("SINGLE_SHOT_MODE"), settings.text("PG_BIN_DIR"));
        let metrics_file = metrics_file(settings);
        let http_access = HttpAccess { token: http_token(settings), is_badge_public: settings.flag("BADGE_PUBLIC") };
        let time_zone = time_zone(settings);
        let authorities = store.as_ref().map_or(Authorities::System, |store| store.authorities.clone());
        let proxies = store.as_ref().map(|store| store.proxies.clone()).unwrap_or_default();
        let notify = NotifyConfig::read(settings, authorities, proxies);
        let (scrubber, warnings) = (Scrubber::default(), Vec::new());
        let store = store?;
        Some(Self {
            port,
            http_access,
            time_zone,
            log,
            grace,
            single_shot,
            metrics_file,
            retry,
            store,
            poll_interval,
            bin_dir,
            outdated_tools,
            notify,
            scrubber,
            warnings,
        })
    }

    /// With everything that was worth a warning, and with these `secrets`, which nothing may show.
    pub fn knowing(self, settings: &Settings, secrets: &[Secret]) -> Self {
        let of_proxies = self.store.proxies.secrets();
        let scrubber = Scrubber::new(secrets.iter().chain(self.notify.secrets()).chain(&of_proxies));
        Self { scrubber, warnings: settings.warnings(), ..self }
    }
}

fn port(settings: &mut Settings) -> u16 {
    u16::try_from(settings.number("PORT")).unwrap_or_default()
}

/// The token of the pages: long enough not to be guessed, and in characters that a header can hold.
fn http_token(settings: &mut Settings) -> Option<LiveSecret> {
    let token = settings.secret("HTTP_TOKEN")?;
    let wrong = if token.expose().len() < MIN_TOKEN_CHARS {
        Some(format!("is shorter than {MIN_TOKEN_CHARS} characters; `openssl rand -hex 32` makes a good one"))
    } else if !token.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
        Some("may hold only letters, digits and signs of ASCII, and no spaces".to_owned())
    } else {
        None
    };
    match wrong {
        Some(wrong) => {
            settings.reject("HTTP_TOKEN", wrong);
            None
        }
        None => settings.live_secret("HTTP_TOKEN"),
    }
}

fn metrics_file(settings: &mut Settings) -> Option<PathBuf> {
    let path = PathBuf::from(settings.text("METRICS_FILE")?);
    // A path without a folder is one of the working directory.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if path.file_name().is_none() || !folder.is_dir() || path.is_dir() {
        settings.reject("METRICS_FILE", "is not the path of a file in a folder that exists");
        return None;
    }
    // No reason to make no backup, and something else may read it.
    if path.extension().is_none_or(|extension| extension != "prom") {
        settings.warn(
            "METRICS_FILE does not end in .prom: node_exporter's textfile collector reads no other files, so that nothing \
             is known there of these runs",
        );
    }
    Some(path)
}

/// The zone that `TZ` names; UTC stands in for what names none.
pub(crate) fn time_zone(settings: &mut Settings) -> Tz {
    const UNKNOWN: &str = "is an unknown time zone; use a name of the IANA time zone database in its exact spelling, such \
                           as Europe/Berlin or UTC";
    settings.parsed("TZ", |name| name.trim().parse().map_err(|_| UNKNOWN)).unwrap_or(Tz::UTC)
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
    let time_zone = time_zone(settings);
    let interval_seconds = settings.optional_number(interval);
    let expression = settings.text(cron);
    let (name, schedule) = match (expression, interval_seconds) {
        (Some(_), Some(_)) => {
            settings.reject(interval, format!("is set together with {cron}; keep one of them"));
            return None;
        }
        (None, Some(interval_seconds)) => (interval, Schedule::interval(interval_seconds)),
        (expression, None) => (cron, Schedule::cron(expression.as_deref().unwrap_or(default), time_zone)),
    };
    schedule.map_err(|error| settings.reject(name, error.to_string())).ok()
}
