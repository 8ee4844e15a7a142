//! The report of a drill as the page reads it: from the JSON that `verify` writes, of this process or of a record in the
//! bucket, by this version or another one. What is missing is empty.

use serde::Deserialize;
use serde_json::Value;

/// Maximum number of tables that are kept of a report, those that differ first. The report has all of them.
const MAX_TABLES: usize = 1_000;

/// What the page shows of a report.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct DrillReport {
    pub(super) contents_compared: String,
    pub(super) backup: Option<Backup>,
    pub(super) server: Option<Server>,
    pub(super) durations: Durations,
    pub(super) recovery_time_seconds: Option<f64>,
    pub(super) recovery_point_seconds: Option<i64>,
    pub(super) checks: Vec<Check>,
    /// At most [`MAX_TABLES`], those that differ first.
    pub(super) tables: Vec<Table>,
    /// How many tables there were, how many of them differ, and what all of them hold.
    #[serde(skip)]
    pub(super) totals: Totals,
    pub(super) findings: Vec<Finding>,
    pub(super) not_exercised: Vec<NotExercised>,
    pub(super) notes: Vec<String>,
    pub(super) error: Option<String>,
}

/// Figures of all tables.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) tables: usize,
    pub(super) differing: usize,
    /// After the restore.
    pub(super) rows: u64,
}

/// The backup that was drilled.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Backup {
    pub(super) server_version: String,
    pub(super) tool: String,
    pub(super) manifest_sha256: String,
    pub(super) stored_bytes: u64,
    pub(super) plain_bytes: u64,
}

/// Where it was restored.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Server {
    pub(super) kind: String,
    pub(super) version: String,
    pub(super) network_isolated: bool,
    pub(super) files_isolated: bool,
    pub(super) as_superuser: bool,
}

/// Seconds of each step.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Durations {
    pub(super) fetch_seconds: Option<f64>,
    pub(super) server_seconds: Option<f64>,
    pub(super) restore_data_seconds: Option<f64>,
    pub(super) restore_post_data_seconds: Option<f64>,
    pub(super) checks_seconds: Option<f64>,
    pub(super) total_seconds: f64,
}

/// One check.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Check {
    pub(super) name: String,
    /// `passed`, `failed` or `skipped`.
    pub(super) state: String,
    pub(super) figures: String,
}

/// The rows of a table.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Table {
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) source_rows: Option<u64>,
    pub(super) archive_rows: Option<u64>,
    pub(super) restored_rows: Option<u64>,
    pub(super) content_equal: Option<bool>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Finding {
    pub(super) check: String,
    pub(super) message: String,
}

/// One thing that was not restored.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct NotExercised {
    pub(super) object: String,
    pub(super) reason: String,
    pub(super) holds_rows: bool,
}

impl DrillReport {
    /// Reads a report; `None` if it is no report at all.
    pub fn read(report: Value) -> Option<Self> {
        let mut read: Self = serde_json::from_value(report).ok()?;
        let rows = read.tables.iter().filter_map(|table| table.restored_rows).fold(0, u64::saturating_add);
        let differing = read.tables.iter().filter(|table| table.differs()).count();
        read.totals = Totals { tables: read.tables.len(), differing, rows };
        read.tables.sort_by_key(|table| !table.differs());
        read.tables.truncate(MAX_TABLES);
        Some(read)
    }

    /// How many tables it holds one by one.
    pub fn kept_tables(&self) -> usize {
        self.tables.len()
    }

    /// Forgets the tables one by one; their totals stay.
    pub fn forget_tables(&mut self) {
        self.tables = Vec::new();
    }

    /// Rows after the restore.
    pub fn rows(&self) -> u64 {
        self.totals.rows
    }

    /// The steps of a real restore, in their order.
    pub(super) fn recovery_steps(&self) -> [f64; 3] {
        let durations = &self.durations;
        let steps = [durations.fetch_seconds, durations.restore_data_seconds, durations.restore_post_data_seconds];
        steps.map(Option::unwrap_or_default)
    }

    /// Why the drill did not pass, in one sentence; empty if it did.
    pub(super) fn reason(&self) -> String {
        match (&self.findings[..], &self.error) {
            ([], error) => error.clone().unwrap_or_default(),
            ([only], _) => format!("{}: {}", only.check, only.message),
            ([first, more @ ..], _) => format!("{}: {}, and {} more", first.check, first.message, more.len()),
        }
    }
}

impl Table {
    /// Whether something differs between what was dumped and what came back.
    pub(super) fn differs(&self) -> bool {
        let counts = [self.source_rows, self.archive_rows, self.restored_rows];
        let mut known = counts.iter().flatten();
        let first = known.next();
        self.content_equal == Some(false) || known.any(|count| Some(count) != first)
    }
}
