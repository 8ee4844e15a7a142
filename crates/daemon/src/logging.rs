//! Log lines on standard error, scrubbed below the formatter.

use std::io::{self, IsTerminal};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use backup_core::scrub::{Scrubber, ScrubbingWriter};

/// The crates whose lines follow `LOG_LEVEL`: every member of the workspace but the tests. All others are capped at
/// `warn`: at finer levels HTTP and SDK crates print requests, with their headers.
const OUR_CRATES: [&str; 5] = ["backup", "backup_core", "backup_daemon", "pgdump_archive", "verify"];

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

struct ScrubbedStderr(Scrubber);

impl<'writer> MakeWriter<'writer> for ScrubbedStderr {
    type Writer = ScrubbingWriter<io::Stderr>;

    fn make_writer(&'writer self) -> Self::Writer {
        self.0.writer(io::stderr())
    }
}

/// Installs the process's log, in which panics appear, too; a second call changes nothing.
pub(crate) fn init_log(settings: LogSettings, scrubber: Scrubber) {
    let libraries = settings.level.min(LevelFilter::WARN);
    let filter = Targets::new().with_default(libraries).with_targets(OUR_CRATES.map(|name| (name, settings.level)));
    let is_terminal = io::stderr().is_terminal();
    let format = settings.format.unwrap_or(if is_terminal { LogFormat::Text } else { LogFormat::Json });
    let lines = tracing_subscriber::fmt::layer().with_writer(ScrubbedStderr(scrubber)).with_target(false);
    let lines = match format {
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed(),
        LogFormat::Text => lines.with_ansi(is_terminal).boxed(),
    };
    // An error means that a log is installed already, which is as good.
    tracing_subscriber::registry().with(lines.with_filter(filter)).try_init().unwrap_or_default();
    crate::panics::log_panics();
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn no_crate_of_the_workspace_is_capped() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let members = ["crates", "services"].map(|folder| fs::read_dir(root.join(folder)).unwrap());
        let mut seen = 0;
        for member in members.into_iter().flatten() {
            let manifest = fs::read_to_string(member.unwrap().path().join("Cargo.toml")).unwrap();
            let name = manifest.lines().find_map(|line| line.strip_prefix("name = ")).unwrap();
            let name = name.trim_matches('"').replace('-', "_");
            assert!(OUR_CRATES.contains(&name.as_str()), "{name} is missing from OUR_CRATES");
            seen += 1;
        }
        assert!(seen >= 4, "{seen}");
    }
}
