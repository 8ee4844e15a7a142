//! What the daemon writes down in the names of empty objects if `VERIFY_ATTEST` lets it write, and reads there after a
//! restart.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use backup_core::repository::{Author, BackupId, Catalog, Event, EventKind, Repository, Word};
use backup_core::stop::{Share, Stop};
use backup_daemon::{AlarmCode, Journal, Remembered, is_restart_loop};
use backup_drill::{ChooseError, Report, Verdict, record_key, repository};
use chrono::{DateTime, Utc};

use crate::config::{TargetConfig, VerifyConfig};

/// The journal of the daemon.
pub(crate) fn of(config: &Arc<VerifyConfig>, stop: &Stop) -> Journal {
    if !config.given.drill.attest {
        return Journal::unwritten(Author::Verify);
    }
    let (config, stop) = (Arc::clone(config), stop.clone());
    let put = move |database, id, line| -> std::pin::Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>> {
        let (config, stop) = (Arc::clone(&config), stop.clone());
        Box::pin(async move {
            let target = config.target(&database);
            let repository = match repository(&target.drill, &stop).await {
                Ok(repository) => repository,
                // What waits for the first database has no folder; a line that waits for one would hold up all others.
                Err(ChooseError::NoBackup(_) | ChooseError::Unclear(_)) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            backup_daemon::put_line(&repository, &record_key(&target.drill), id, line).await
        })
    };
    Journal::written(Author::Verify, Arc::new(put))
}

/// How long a process waits at its end for its last line.
const LAST_LINE: Duration = Duration::from_secs(5);

/// What is written down of a drill, in a daemon or alone in its process, before whose start a drill had `failed_before`. A
/// restart loop adds no more than one line a minute.
pub(crate) fn ending_of(report: &Report, failed_before: Option<DateTime<Utc>>) -> Option<EventKind> {
    let is_loop = failed_before.is_some_and(|at| is_restart_loop(at, report.ended_at));
    // One that passed and proved its backup has left a record.
    let is_noted = matches!(report.verdict, Verdict::Failed | Verdict::CouldNotRun)
        || report.verdict == Verdict::Passed && report.proven != Some(true);
    (is_noted && !is_loop).then(|| EventKind::DrillEnded { verdict: Word::of(report.verdict.name()) })
}

/// Writes down how the only drill of a process ended, if anything may be written, within a bound. Nothing becomes of it if
/// the store refuses: the verdict is what counts.
pub(crate) async fn write_ending(config: &TargetConfig, report: &Report, stop: &Stop) {
    if !config.drill.attest || ending_of(report, None).is_none() {
        return;
    }
    let written = async {
        let (repository, now) = (repository(&config.drill, stop).await?, Utc::now());
        let catalog = repository.catalog(now).await?;
        let failed_before = past(config, &catalog, &repository, None, now).last.map(|(at, _)| at);
        if let Some(kind) = ending_of(report, failed_before) {
            repository.record(&Event { id: BackupId::new(report.ended_at), kind }).await?;
        }
        anyhow::Ok(())
    };
    let bounded = async { tokio::time::timeout(LAST_LINE, written).await.context("the store does not answer")? };
    if let Err(error) = stop.or_within(Share::CleanUp, bounded).await {
        tracing::debug!(error = format!("{error:#}"), "cannot write down how the drill ended");
    }
}

/// What the journal tells of drills of earlier processes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PastDrills {
    /// What is known of alarms and messages.
    pub(crate) remembered: Remembered,
    /// The last drill that did not pass, if none has passed since.
    pub(crate) last: Option<(DateTime<Utc>, Verdict)>,
    /// Those in a row.
    pub(crate) in_a_row: u32,
}

/// What is known of drills since `passed_at`; nothing unless this service writes it down.
pub(crate) fn past(
    config: &TargetConfig,
    catalog: &Catalog,
    repository: &Repository,
    passed_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> PastDrills {
    if !config.drill.attest {
        return PastDrills::default();
    }
    let (layout, key) = (repository.layout(), record_key(&config.drill));
    let remembered = Remembered::read(&catalog.journal, layout, &key, Author::Verify, now);
    let is_wrong = remembered.had_alarm(|code| matches!(code, AlarmCode::CouldNotRun | AlarmCode::DrillFailed));
    let mut past = PastDrills { remembered, ..PastDrills::default() };
    for event in catalog.journal.past_events(now).filter(|event| Some(event.id.time()) > passed_at) {
        let EventKind::DrillEnded { verdict } = &event.kind else { continue };
        let verdict = Verdict::ALL.into_iter().find(|known| known.name() == verdict.as_str());
        // It has left no record if it did not compare all contents. Anyone who writes to the bucket can say so: an alarm,
        // which only this service writes, holds until this service has resolved it.
        if verdict == Some(Verdict::Passed) {
            if is_wrong {
                continue;
            }
            break;
        }
        past.in_a_row += 1;
        past.last = past.last.or(verdict.map(|verdict| (event.id.time(), verdict)));
    }
    past
}
