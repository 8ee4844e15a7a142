//! Log lines on standard error, scrubbed below the formatter.

use std::io::{self, IsTerminal, Write};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::scrub::{Scrubber, ScrubbingWriter};
use crate::text::record;

/// The crates whose lines follow `LOG_LEVEL`. All others are capped at `warn`: at finer levels HTTP
/// and SDK crates print requests, with their headers.
const OUR_CRATES: [&str; 3] = ["backup", "backup_core", "verify"];

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// What to log and how.
#[derive(Debug, Clone, Copy)]
pub struct LogSettings {
    /// The least important level of our own lines.
    pub level: LevelFilter,
    /// `None`: text on a terminal, JSON elsewhere.
    pub format: Option<LogFormat>,
}

struct ScrubbedStderr {
    scrubber: Scrubber,
    format: LogFormat,
}

impl<'writer> MakeWriter<'writer> for ScrubbedStderr {
    type Writer = RecordWriter<ScrubbingWriter<io::Stderr>>;

    fn make_writer(&'writer self) -> Self::Writer {
        RecordWriter { inner: self.scrubber.writer(io::stderr()), format: self.format }
    }
}

/// Keeps each record apart from what its texts look like. JSON does that by itself.
struct RecordWriter<W> {
    inner: W,
    format: LogFormat,
}

impl<W: Write> Write for RecordWriter<W> {
    fn write(&mut self, written: &[u8]) -> io::Result<usize> {
        match self.format {
            LogFormat::Json => self.inner.write_all(written)?,
            LogFormat::Text => self.inner.write_all(record(&String::from_utf8_lossy(written)).as_bytes())?,
        }
        Ok(written.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Installs the process's log, in which panics appear, too; a second call changes nothing.
pub fn init_log(settings: LogSettings, scrubber: Scrubber) {
    let libraries = settings.level.min(LevelFilter::WARN);
    let filter = Targets::new().with_default(libraries).with_targets(OUR_CRATES.map(|name| (name, settings.level)));
    let is_terminal = io::stderr().is_terminal();
    let format = settings.format.unwrap_or(if is_terminal { LogFormat::Text } else { LogFormat::Json });
    let lines = tracing_subscriber::fmt::layer().with_writer(ScrubbedStderr { scrubber, format }).with_target(false);
    let lines = match format {
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed(),
        LogFormat::Text => lines.with_ansi(is_terminal).boxed(),
    };
    // An error means that a log is installed already, which is as good.
    tracing_subscriber::registry().with(lines.with_filter(filter)).try_init().unwrap_or_default();
    super::panics::log_panics();
}
