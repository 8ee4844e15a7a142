//! How a daemon shows itself, out of [`SERVICE_VARIABLES`](backup_core::config::SERVICE_VARIABLES), and when it runs.

use backup_core::config::Settings;
use tracing::level_filters::LevelFilter;

use crate::schedule::Schedule;
use crate::{LogFormat, LogSettings};

/// The port of the HTTP pages.
pub fn port(settings: &mut Settings) -> u16 {
    u16::try_from(settings.number("PORT")).unwrap_or_default()
}

/// What to log and how.
pub fn log(settings: &mut Settings) -> LogSettings {
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
