//! How a daemon shows itself, out of [`SERVICE_VARIABLES`](super::SERVICE_VARIABLES), and when it runs.

use tracing::level_filters::LevelFilter;

use super::Settings;
use crate::schedule::Schedule;
use crate::service::{LogFormat, LogSettings};

impl Settings {
    /// The port of the HTTP pages.
    pub fn port(&mut self) -> u16 {
        u16::try_from(self.number("PORT")).unwrap_or_default()
    }

    /// What to log and how.
    pub fn log(&mut self) -> LogSettings {
        let level = match self.choice("LOG_LEVEL") {
            "error" => LevelFilter::ERROR,
            "warn" => LevelFilter::WARN,
            "info" => LevelFilter::INFO,
            "debug" => LevelFilter::DEBUG,
            _ => LevelFilter::TRACE,
        };
        let level = if self.flag("DEBUG") { level.max(LevelFilter::DEBUG) } else { level };
        let format = self.is_set("LOG_FORMAT").then(|| match self.choice("LOG_FORMAT") {
            "json" => LogFormat::Json,
            _ => LogFormat::Text,
        });
        LogSettings { level, format }
    }

    /// The schedule that one of two variables gives, a crontab expression or seconds; `default` where
    /// neither is set.
    pub fn schedule(&mut self, cron: &str, interval: &str, default: &str) -> Option<Schedule> {
        let time_zone = self.text("TZ").unwrap_or_default();
        let interval_seconds = self.optional_number(interval);
        let expression = self.text(cron);
        let (name, schedule) = match (expression, interval_seconds) {
            (Some(_), Some(_)) => {
                self.reject(interval, format!("is set together with {cron}; keep one of them"));
                return None;
            }
            (None, Some(interval_seconds)) => (interval, Schedule::interval(interval_seconds)),
            (expression, None) => (cron, Schedule::cron(expression.as_deref().unwrap_or(default), &time_zone)),
        };
        schedule.map_err(|error| self.reject(name, error.to_string())).ok()
    }
}
