//! What the daemon writes down in the names of empty objects if `VERIFY_ATTEST` lets it write, and reads there after a
//! restart.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use backup_core::repository::{Author, BackupId, Catalog, Drill, Event, EventKind, Repository, Word};
use backup_core::stop::{Share, Stop};
use backup_daemon::{AlarmCode, DatabaseName, Journal, Remembered, is_restart_loop};
use backup_drill::{ChooseError, Report, Verdict, record_key, repository};
use chrono::{DateTime, Utc};

use crate::config::{TargetConfig, VerifyConfig};
use crate::skips::Skips;

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

/// Number of drills in a row that have begun and come to no end before they count as killed. A machine that is restarted
/// ends one of them, and another process may be in the middle of one.
const MIN_KILLED: usize = 3;

/// What is written down of a drill that has left no record, since it proved no backup.
fn ending_of(report: &Report) -> Option<EventKind> {
    let has_record = report.verdict == Verdict::Passed && report.proven == Some(true);
    (!has_record).then(|| EventKind::DrillEnded { verdict: Word::of(report.verdict.name()) })
}

/// Whether a drill of a process that makes no other one is worth a line: the exit code says the rest.
fn is_of_interest(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Passed | Verdict::Failed | Verdict::CouldNotRun)
}

/// Writes down how the drills of a daemon begin and end.
#[derive(Debug, Default)]
pub(crate) struct DrillLines {
    /// When the last drill of an earlier process failed, or began and came to no end.
    before: Cell<Option<DateTime<Utc>>>,
}

impl DrillLines {
    /// Takes in what earlier processes have written.
    pub(crate) fn remember(&self, past: &PastDrills) {
        let failed = past.last.map(|(at, _)| at);
        self.before.set(failed.max(past.unended.first().copied()));
    }

    /// Notes that a drill begins at `now`. What is returned notes how it ended: a drill of a restart loop is not written
    /// down, so that a loop adds no more than one drill a minute.
    pub(crate) fn begin<'run>(
        &self,
        journal: &'run Journal,
        database: DatabaseName,
        now: DateTime<Utc>,
    ) -> impl FnOnce(&Report) + use<'run> {
        let is_loop = self.before.take().is_some_and(|at| is_restart_loop(at, now));
        if !is_loop {
            journal.happened(&database, EventKind::DrillStarted, now);
        }
        move |report| {
            if let Some(kind) = ending_of(report).filter(|_| !is_loop) {
                journal.happened(&database, kind, report.ended_at);
            }
        }
    }
}

/// Writes down how the only drill of a process ended, if anything may be written, within a bound. Nothing becomes of it if
/// the store refuses: the verdict is what counts.
pub(crate) async fn write_ending(config: &TargetConfig, report: &Report, stop: &Stop) {
    let Some(kind) = ending_of(report).filter(|_| config.drill.attest && is_of_interest(report.verdict)) else {
        return;
    };
    let written = async {
        let (repository, now) = (repository(&config.drill, stop).await?, Utc::now());
        let catalog = repository.catalog(now).await?;
        // A name that is wrong, or a first backup that is still to come, shall not look like backups that were lost.
        if catalog.backups.is_empty() && !catalog.had_backups(now) {
            return Ok(());
        }
        let failed_before = past(config, &catalog, &repository, None, now).last.map(|(at, _)| at);
        if !failed_before.is_some_and(|at| is_restart_loop(at, report.ended_at)) {
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
    /// When drills began since then that have come to no end, the newest first.
    pub(crate) unended: Vec<DateTime<Utc>>,
    /// The last drills, as far as they were skipped.
    pub(crate) skips: Skips,
}

impl PastDrills {
    /// When the last of them was killed, and how many were in a row; `None` if none was.
    pub(crate) fn killed(&self) -> Option<(DateTime<Utc>, u32)> {
        let last = self.unended.first().filter(|_| self.unended.len() >= MIN_KILLED)?;
        Some((*last, u32::try_from(self.unended.len()).unwrap_or(u32::MAX)))
    }
}

/// What is known of drills since the last one that `passed`; nothing unless this service writes it down.
pub(crate) fn past(
    config: &TargetConfig,
    catalog: &Catalog,
    repository: &Repository,
    passed: Option<Drill>,
    now: DateTime<Utc>,
) -> PastDrills {
    if !config.drill.attest {
        return PastDrills::default();
    }
    let (layout, key) = (repository.layout(), record_key(&config.drill));
    let remembered = Remembered::read(&catalog.journal, layout, &key, Author::Verify, now);
    let is_wrong = remembered.had_alarm(|code| matches!(code, AlarmCode::CouldNotRun | AlarmCode::DrillFailed));
    let events = catalog.journal.events_since(passed.as_ref().map(Drill::moment), now);
    PastDrills { remembered, ..of_drills(events, is_wrong) }
}

/// What `events`, the newest first, tell of drills, of which something was wrong with one if `is_wrong`.
fn of_drills<'all>(events: impl Iterator<Item = &'all Event>, is_wrong: bool) -> PastDrills {
    let mut past = PastDrills::default();
    let (mut has_ended, mut came_about) = (false, false);
    for event in events {
        let verdict = match &event.kind {
            EventKind::DrillStarted if !has_ended => {
                past.unended.push(event.id.time());
                continue;
            }
            EventKind::DrillEnded { verdict } => verdict,
            _ => continue,
        };
        has_ended = true;
        let verdict = Verdict::ALL.into_iter().find(|known| known.name() == verdict.as_str());
        match verdict {
            Some(Verdict::Skipped) => {
                if !came_about {
                    past.skips.add(event.id.time());
                }
                continue;
            }
            Some(Verdict::Stopped) => continue,
            // It has left no record if it did not compare all contents. Anyone who writes to the bucket can say so: an
            // alarm, which only this service writes, holds until this service has resolved it.
            Some(Verdict::Passed) if is_wrong => {
                came_about = true;
                continue;
            }
            Some(Verdict::Passed) => break,
            _ => {}
        }
        came_about = true;
        past.in_a_row += 1;
        past.last = past.last.or(verdict.map(|verdict| (event.id.time(), verdict)));
    }
    past
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    /// Each letter is a line, the oldest first, an hour apart: `b` begins a drill, and `f`, `c`, `p`, `s` and `k` end one as
    /// failed, as one that could not run, as passed, as stopped and as skipped.
    fn past(lines: &str) -> PastDrills {
        let begin: DateTime<Utc> = "2026-11-20T00:00:00Z".parse().unwrap();
        let mut events: Vec<Event> = (0..)
            .zip(lines.chars())
            .map(|(hour, letter)| {
                let ended = |verdict: Verdict| EventKind::DrillEnded { verdict: Word::of(verdict.name()) };
                let kind = match letter {
                    'b' => EventKind::DrillStarted,
                    'f' => ended(Verdict::Failed),
                    'c' => ended(Verdict::CouldNotRun),
                    'p' => ended(Verdict::Passed),
                    's' => ended(Verdict::Stopped),
                    _ => ended(Verdict::Skipped),
                };
                Event { id: BackupId::new(begin + TimeDelta::hours(hour)), kind }
            })
            .collect();
        events.reverse();
        of_drills(events.iter(), false)
    }

    #[test]
    fn three_drills_in_a_row_that_come_to_no_end_were_killed() {
        for (lines, expected) in [
            ("", None),
            ("b", None),
            ("bb", None),
            ("bbb", Some(3)),
            ("bfbbbb", Some(4)),
            ("bbbbf", None),
            ("bbbbc", None),
            ("bbbbp", None),
            ("bbsbb", None),
            ("bsbsbs", None),
            ("bkbkbk", None),
        ] {
            assert_eq!(past(lines).killed().map(|(_, in_a_row)| in_a_row), expected, "{lines}");
        }
        let hours = |past: PastDrills| past.killed().map(|(at, _)| at.format("%H").to_string());
        assert_eq!(hours(past("bfbbb")), Some("04".to_owned()));
    }

    #[test]
    fn drills_that_were_skipped_in_a_row_are_known() {
        let hour = |hour: i64| "2026-11-20T00:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::hours(hour);
        for (lines, skipped_at) in [
            ("bkbkbk", [1, 3, 5].as_slice()),
            ("bkbsbk", &[1, 5]),
            ("bkbfbk", &[5]),
            ("bkbcbk", &[5]),
            ("bkbpbk", &[5]),
            ("bkbf", &[]),
        ] {
            let mut expected = Skips::default();
            skipped_at.iter().for_each(|at| expected.add(hour(*at)));
            assert_eq!(past(lines).skips, expected, "{lines}");
        }
    }

    #[test]
    fn what_ends_a_drill_otherwise_is_no_failure() {
        for (lines, in_a_row, last) in [
            ("bfbc", 2, Some(Verdict::CouldNotRun)),
            ("bfbsbkb", 1, Some(Verdict::Failed)),
            ("bfbpbs", 0, None),
            ("bsbk", 0, None),
        ] {
            let past = past(lines);
            assert_eq!((past.in_a_row, past.last.map(|(_, verdict)| verdict)), (in_a_row, last), "{lines}");
        }
    }
}
