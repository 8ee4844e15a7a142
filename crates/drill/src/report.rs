//! What a drill found: the evidence, in one value that logs, pages, files and terminals show.

use std::time::Duration;

use backup_core::repository::{BackupId, Kind};
use chrono::{DateTime, Utc};
use serde::Serialize;

/// The check of the newest backup's age.
pub const RECOVERY_POINT: &str = "recovery_point";

/// The check of the clusters of several backups.
pub const CLUSTERS: &str = "cluster";

/// The check of the end of a drill: what it made is gone.
pub const CLEANUP: &str = "cleanup";

/// How a drill ended. Four different things, with four exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything that the backup promises came back, and nothing stayed unproven that holds rows.
    Passed,
    /// The backup, or what came back of it, is not what was there; the findings say what.
    Failed,
    /// The drill itself did not work: no bucket, no server, no disk, not within its bound. Says nothing
    /// about the backup.
    CouldNotRun,
    /// A signal ended it.
    Stopped,
    /// Another drill was going on at the same server. Says nothing about the backup, and is no error.
    Skipped,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Passed, Self::Failed, Self::CouldNotRun, Self::Stopped, Self::Skipped];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::CouldNotRun => "could_not_run",
            Self::Stopped => "stopped",
            Self::Skipped => "skipped",
        }
    }
}

/// Everything that is known about one drill.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// How it ended.
    pub verdict: Verdict,
    /// Whether this backup came back as it was, with the contents of every table compared, even if something is wrong
    /// with its age, with other backups or with the end of the drill; `None` if that was not learned.
    pub proven: Option<bool>,
    /// Of which tables the contents were compared.
    pub contents_compared: ContentsCompared,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// The backup; `None` if none could be chosen.
    pub backup: Option<BackupFacts>,
    /// Where it was restored.
    pub server: Option<ServerFacts>,
    /// How long each step took.
    pub durations: Durations,
    /// From the first byte of the download to the last index, without the start of a server: what a real
    /// restore would take here.
    pub recovery_time_seconds: Option<f64>,
    /// How old the snapshot was when the drill began: what would have been lost.
    pub recovery_point_seconds: Option<i64>,
    /// Each check, in the order in which they ran.
    pub checks: Vec<Check>,
    /// Every table with its rows.
    pub tables: Vec<TableFigures>,
    /// What is wrong; empty if and only if nothing is.
    pub findings: Vec<Finding>,
    /// What the drill did not touch, and why.
    pub not_exercised: Vec<NotExercised>,
    /// What a reader should know besides.
    pub notes: Vec<String>,
    /// Why it could not run, or was stopped.
    pub error: Option<String>,
    /// What the dump does not contain, by its manifest; `None` if that was not read.
    #[serde(skip)]
    pub gaps: Option<Vec<String>>,
    /// Which backup was chosen, also if its manifest cannot be used.
    #[serde(skip)]
    pub chosen: Option<BackupId>,
    /// Whether the backup was deleted after it was chosen; then another choice is worth a try.
    #[serde(skip)]
    pub backup_vanished: bool,
    /// How old the newest full backup may be; `None` if that was not learned.
    #[serde(skip)]
    pub backup_max_age: Option<Duration>,
    /// Bytes that the drill needs below `VERIFY_SPOOL_DIR`; `None` if that was not learned.
    #[serde(skip)]
    pub spool_needed_bytes: Option<u64>,
}

impl Report {
    /// Of a drill that has only begun.
    pub fn new(started_at: DateTime<Utc>) -> Self {
        Self {
            verdict: Verdict::CouldNotRun,
            proven: None,
            contents_compared: ContentsCompared::None,
            started_at,
            ended_at: started_at,
            backup: None,
            server: None,
            durations: Durations::default(),
            recovery_time_seconds: None,
            recovery_point_seconds: None,
            checks: Vec::new(),
            tables: Vec::new(),
            findings: Vec::new(),
            not_exercised: Vec::new(),
            notes: Vec::new(),
            error: None,
            gaps: None,
            chosen: None,
            backup_vanished: false,
            backup_max_age: None,
            spool_needed_bytes: None,
        }
    }

    /// The backup that this drill has found damaged.
    pub fn rejected(&self) -> Option<&BackupId> {
        match &self.backup {
            Some(backup) => (self.proven == Some(false)).then_some(&backup.id),
            // Nothing of it is known if its manifest cannot be used.
            None => self.chosen.as_ref().filter(|_| self.findings.iter().any(|finding| finding.check == "manifest")),
        }
    }
}

/// Of which tables a drill compared the contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentsCompared {
    /// Of every table, and of every large object.
    All,
    /// Of a sample; the rest was counted.
    Sample,
    /// Of none: rows were counted at most.
    None,
}

/// The backup that was drilled, out of its manifest.
#[derive(Debug, Clone, Serialize)]
pub struct BackupFacts {
    /// Its id.
    pub id: BackupId,
    /// SHA-256 of its manifest, as a file.
    pub manifest_sha256: String,
    /// The database that was dumped.
    pub database: String,
    /// Full or partial.
    pub kind: Kind,
    /// The moment whose data it holds.
    pub snapshot_at: DateTime<Utc>,
    /// The version of the server that was dumped.
    pub server_version: String,
    /// The program that made it, with its version.
    pub tool: String,
    /// The size of the stored dump.
    pub stored_bytes: u64,
    /// The size of the decoded dump.
    pub plain_bytes: u64,
}

/// The server that it was restored into.
#[derive(Debug, Clone, Serialize)]
pub struct ServerFacts {
    /// `throwaway` or `external`.
    pub kind: &'static str,
    /// As the server prints it.
    pub version: String,
    /// Whether the server had no network at all.
    pub network_isolated: bool,
    /// Whether the server could read nothing but programs and its own files, write nothing else, and execute nothing.
    pub files_isolated: bool,
    /// Whether everything was restored as a superuser.
    pub as_superuser: bool,
}

/// Seconds of each step; `None` if it was not reached.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Durations {
    /// Download, digests, decoding, and beside it the pass over the archive.
    pub fetch_seconds: Option<f64>,
    /// Of these, until the last byte had arrived.
    pub download_seconds: Option<f64>,
    /// The server, the scratch database, roles and extensions.
    pub server_seconds: Option<f64>,
    /// Schemas, types, functions, tables and rows.
    pub restore_data_seconds: Option<f64>,
    /// Indexes, constraints, triggers.
    pub restore_post_data_seconds: Option<f64>,
    /// All checks.
    pub checks_seconds: Option<f64>,
    /// Everything.
    pub total_seconds: f64,
}

impl Durations {
    /// What a restore takes: the steps up to the last index, without the start of a server.
    pub fn recovery_seconds(&self) -> f64 {
        let steps = [self.fetch_seconds, self.restore_data_seconds, self.restore_post_data_seconds];
        steps.into_iter().flatten().sum()
    }
}

/// One check.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// `recovery_point`, `archive`, `restore`, `inventory`, `row_counts`, `contents`, `indexes`, ...
    pub name: &'static str,
    /// How it ended.
    pub state: CheckState,
    /// Its figures, in a sentence: `302 of 302 tables equal, 1,749,612 rows`.
    pub figures: String,
}

/// What came out of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    /// It found nothing.
    Passed,
    /// It found something.
    Failed,
    /// Not done; the figures say why.
    Skipped,
}

/// The rows of one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableFigures {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Counted in the snapshot of the dump.
    pub source_rows: Option<u64>,
    /// Lines in the archive.
    pub archive_rows: Option<u64>,
    /// Counted after the restore.
    pub restored_rows: Option<u64>,
    /// Whether every row equals its line in the archive; `None` if that was not compared.
    pub content_equal: Option<bool>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The check that found it.
    pub check: &'static str,
    /// A sentence that names the object.
    pub message: String,
}

impl Finding {
    /// Whether it speaks against the backup that was drilled.
    pub fn is_about_the_backup(&self) -> bool {
        ![RECOVERY_POINT, CLEANUP, CLUSTERS].contains(&self.check)
    }
}

/// One thing that was not restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotExercised {
    /// As a DBA would write it: `EVENT TRIGGER audit_ddl`.
    pub object: String,
    /// Why it was not exercised.
    pub reason: String,
    /// Whether it holds rows of a table, which are then unproven.
    pub holds_rows: bool,
}
