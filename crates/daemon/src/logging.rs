//! Log lines on standard error, scrubbed below the formatter.

use std::io::{self, IsTerminal, Write};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use backup_core::scrub::{Scrubber, ScrubbingWriter};
use backup_core::text::{json_text, record};

use crate::log_format::JsonLines;
use crate::our_crates::OUR_CRATES;

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

/// A record is scrubbed as it was written: a secret with a line break in it is no longer one behind a bar.
impl<'writer> MakeWriter<'writer> for ScrubbedStderr {
    type Writer = ScrubbingWriter<RecordWriter<io::Stderr>>;

    fn make_writer(&'writer self) -> Self::Writer {
        self.scrubber.writer(RecordWriter { inner: io::stderr(), format: self.format })
    }
}

/// Keeps each record apart from what its texts look like, and a terminal from obeying them.
struct RecordWriter<W> {
    inner: W,
    format: LogFormat,
}

impl<W: Write> Write for RecordWriter<W> {
    fn write(&mut self, written: &[u8]) -> io::Result<usize> {
        match self.format {
            LogFormat::Json => self.inner.write_all(json_text(&String::from_utf8_lossy(written)).as_bytes())?,
            LogFormat::Text => self.inner.write_all(record(&String::from_utf8_lossy(written)).as_bytes())?,
        }
        Ok(written.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Installs the process's log, in which panics appear, too; a second call changes nothing.
pub(crate) fn init_log(settings: LogSettings, scrubber: Scrubber) {
    let is_terminal = io::stderr().is_terminal();
    let format = settings.format.unwrap_or(if is_terminal { LogFormat::Text } else { LogFormat::Json });
    let lines = tracing_subscriber::fmt::layer().with_writer(ScrubbedStderr { scrubber, format }).with_target(false);
    let lines = match format {
        LogFormat::Json => lines.event_format(JsonLines).fmt_fields(JsonFields::new()).boxed(),
        LogFormat::Text => lines.with_ansi(is_terminal).boxed(),
    };
    // An error means that a log is installed already, which is as good.
    tracing_subscriber::registry().with(lines.with_filter(filter(settings.level))).try_init().unwrap_or_default();
    crate::panics::log_panics();
}

/// Lines of [`OUR_CRATES`] follow `level`. All others are capped at `warn`: at finer levels HTTP and SDK crates print
/// requests, with their headers. What `aws_config` has to say is in the error that we tell, without the answers of STS
/// that it prints whole.
fn filter(level: LevelFilter) -> Targets {
    let all = Targets::new().with_default(level.min(LevelFilter::WARN)).with_target("aws_config", LevelFilter::OFF);
    all.with_targets(OUR_CRATES.map(|name| (name, level)))
}

#[cfg(test)]
mod tests {
    use backup_core::secret::Secret;
    use tracing::Level;

    use super::*;

    #[test]
    fn a_secret_of_several_lines_is_masked_before_its_lines_are_marked() {
        let scrubber = Scrubber::new([&Secret::new("first\n\tsecond".to_owned())]);
        let mut log = Vec::new();
        let mut writer = scrubber.writer(RecordWriter { inner: &mut log, format: LogFormat::Text });
        writer.write_all(b"it said first\n\tsecond\n").unwrap();
        drop(writer);
        assert_eq!(String::from_utf8(log).unwrap(), "it said ***\n");
    }

    #[test]
    fn lines_of_each_of_our_crates_follow_the_level_and_those_of_libraries_do_not() {
        let passes = |level, target: &str, line| filter(level).would_enable(target, &line);
        for target in ["backup::job", "backup_core::storage", "pgdump_archive::toc", "verify"] {
            assert!(passes(LevelFilter::DEBUG, target, Level::DEBUG), "{target}");
            assert!(!passes(LevelFilter::INFO, target, Level::DEBUG), "{target}");
        }
        for target in ["hyper::proto", "aws_smithy_runtime::client"] {
            assert!(!passes(LevelFilter::TRACE, target, Level::INFO), "{target}");
            assert!(passes(LevelFilter::TRACE, target, Level::WARN), "{target}");
            assert!(!passes(LevelFilter::ERROR, target, Level::WARN), "{target}");
        }
        assert!(!passes(LevelFilter::TRACE, "aws_config::web_identity_token", Level::WARN));
    }
}
