//! The report of one run: how it ended, in one value that the log, `/status` and everything that tells people show.

use anyhow::Error;
use backup_core::progress::StepSeconds;
use backup_core::repository::{BackupId, Kind, Manifest};
use backup_core::scrub::Scrubber;
use backup_core::stop::Stop;
use backup_core::values::without_values;
use backup_daemon::schedule::Outlook;
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::failure::{FailureClass, outlook};
use crate::prune::RetentionState;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// The backup is committed, even if retention failed.
    Succeeded,
    /// There is no new backup.
    Failed,
    /// There is none, since a signal asked to stop.
    Stopped,
}

impl Outcome {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Succeeded, Self::Failed, Self::Stopped];

    /// Its name in metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }
}

/// Everything that is known about one run. It holds no secret.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RunReport {
    pub(crate) outcome: Outcome,
    /// Why there is no backup.
    pub(crate) class: Option<FailureClass>,
    /// The same in words.
    pub(crate) error: Option<String>,
    /// Whether another run may end otherwise before the schedule asks for one.
    #[serde(skip)]
    pub(crate) outlook: Outlook,
    pub(crate) started_at: DateTime<Utc>,
    /// When the backup was committed, or the last attempt had failed; retention comes after it.
    pub(crate) ended_at: DateTime<Utc>,
    /// From the one to the other.
    pub(crate) duration_seconds: f64,
    /// Each step, retention included.
    pub(crate) step_seconds: StepSeconds,
    /// How often it was tried.
    pub(crate) attempts: u32,
    /// What was made.
    pub(crate) backup: Option<Made>,
    /// What retention did; `None` if there was no commit, or it has not ended yet.
    pub(crate) retention: Option<RetentionState>,
    /// What a person should know although the run succeeded.
    pub(crate) warnings: Vec<String>,
}

/// The backup that a run has made.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Made {
    pub(crate) id: BackupId,
    pub(crate) kind: Kind,
    /// Of the dump, before compression and encryption.
    pub(crate) plain_bytes: u64,
    /// Of all objects.
    pub(crate) stored_bytes: u64,
    pub(crate) tables: usize,
    /// In tables that were counted.
    pub(crate) rows: u64,
    /// Of the database, as the server says.
    #[serde(skip)]
    pub(crate) source_bytes: u64,
}

impl RunReport {
    /// Of a run that has only begun.
    pub(crate) fn begin(started_at: DateTime<Utc>) -> Self {
        Self {
            outcome: Outcome::Failed,
            class: None,
            error: None,
            outlook: Outlook::MayDiffer,
            started_at,
            ended_at: started_at,
            duration_seconds: 0.0,
            step_seconds: StepSeconds::new(),
            attempts: 0,
            backup: None,
            retention: None,
            warnings: Vec::new(),
        }
    }

    /// Enters how the attempts have ended.
    pub(crate) fn end(
        &mut self,
        outcome: Result<&Manifest, &Error>,
        stop: &Stop,
        scrubber: &Scrubber,
        ended_at: DateTime<Utc>,
    ) {
        self.ended_at = ended_at;
        self.duration_seconds = (ended_at - self.started_at).as_seconds_f64();
        match outcome {
            Ok(manifest) => {
                self.outcome = Outcome::Succeeded;
                self.backup = Some(Made::of(manifest));
                self.warnings.clone_from(&manifest.gaps);
                self.warnings.extend(no_tables(manifest).map(str::to_owned));
            }
            Err(error) => {
                let is_stopped = stop.reason().is_some();
                self.outcome = if is_stopped { Outcome::Stopped } else { Outcome::Failed };
                self.class = Some(if is_stopped { FailureClass::Stopped } else { FailureClass::of(error) });
                // It leaves the machine, in messages and pings.
                self.error = Some(scrubber.scrub(&without_values(&format!("{error:#}"))).into_owned());
                self.outlook = outlook(error);
            }
        }
    }

    /// The line that says that there is no backup.
    pub(crate) fn log_failure(&self) {
        let (error, class) = (self.error.as_deref(), self.class.map(<&str>::from));
        match self.outcome {
            Outcome::Stopped => tracing::warn!(error, "run stopped"),
            Outcome::Succeeded | Outcome::Failed => tracing::error!(error, class, "backup failed"),
        }
    }
}

/// What to say of a backup without any table.
pub(crate) fn no_tables(manifest: &Manifest) -> Option<&'static str> {
    manifest.inventory.tables.is_empty().then_some("the database has no tables: is it the right one?")
}

impl Made {
    fn of(manifest: &Manifest) -> Self {
        Self {
            id: manifest.id.clone(),
            kind: manifest.kind,
            plain_bytes: manifest.dump.digests.plain_bytes,
            stored_bytes: manifest.objects().map(|object| object.digests.stored_bytes).sum(),
            tables: manifest.inventory.tables.len(),
            rows: manifest.inventory.tables.iter().filter_map(|table| table.rows).sum(),
            source_bytes: manifest.database.size_bytes,
        }
    }
}
