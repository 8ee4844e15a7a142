//! What messages say of drills and of the state.

use backup_core::text::{count, duration};
use backup_daemon::AlarmCode;
use backup_daemon::DatabaseState;
use backup_daemon::config::ProcessConfig;
use backup_daemon::notify::{Ending, Notifier, RunOutcome, Safe, SingleRun, Teller};
use backup_drill::{Report, Verdict};

use crate::config::TargetConfig;
use crate::exit_code::exit_code;
use crate::status::{Facts, learn};

/// What messages of the daemon go by.
pub(crate) const TELLER: Teller<Facts, Report> = Teller { safe, ending };

/// Who tells.
pub(crate) fn notifier(process: &ProcessConfig) -> Notifier<'_> {
    Notifier { service: "verify", config: &process.notify, scrubber: &process.scrubber }
}

/// Tells of the only drill of a process, which began as `run`.
pub(crate) async fn tell_single(config: &TargetConfig, run: Option<SingleRun>, report: &Report) -> anyhow::Result<()> {
    notifier(&config.process).end_single(run, &ending(report)).await;
    let mut safe = Safe::default();
    learn(&mut safe, report);
    notifier(&config.process).tell_single(&config.database(), &ending(report), safe).await;
    Ok(())
}

fn safe(state: &DatabaseState<Facts>) -> Safe {
    state.own.safe.clone()
}

fn ending(report: &Report) -> Ending {
    let failed = |code| RunOutcome::Failed {
        code,
        raises_alarm: true,
        exit_code: exit_code(report.verdict),
        class: report.findings.first().map(|finding| finding.check),
        what_to_do: None,
    };
    let outcome = match report.verdict {
        Verdict::Passed => RunOutcome::Succeeded,
        Verdict::Failed => failed(AlarmCode::DrillFailed),
        Verdict::CouldNotRun => failed(AlarmCode::CouldNotRun),
        Verdict::Stopped | Verdict::Skipped => RunOutcome::Untold,
    };
    let summary = match report.verdict {
        Verdict::Passed => {
            let (tables, rows) = (report.tables.len(), count(report.restored_rows()));
            let seconds = report.recovery_time_seconds.unwrap_or(report.durations.total_seconds);
            format!("{tables} tables and {rows} rows came back in {}", duration(seconds))
        }
        _ => report.reason(),
    };
    let backup_id = report.backup.as_ref().map(|backup| backup.id.to_string());
    Ending { ended_at: report.ended_at, outcome, backup_id, summary }
}

#[cfg(test)]
mod tests {
    use backup_core::repository::{BackupId, Kind};
    use chrono::{TimeDelta, Utc};

    use backup_drill::BackupFacts;

    use super::*;

    /// A drill of the backup of so many days ago.
    fn drill(days: i64, proven: Option<bool>) -> Report {
        let at = Utc::now() - TimeDelta::days(days);
        let backup = BackupFacts {
            id: BackupId::new(at),
            manifest_sha256: "0".repeat(64),
            database: "app".to_owned(),
            kind: Kind::Full,
            snapshot_at: at,
            server_version: String::new(),
            tool: String::new(),
            stored_bytes: 1,
            plain_bytes: 1,
        };
        Report { backup: Some(backup), proven, ..Report::new(Utc::now()) }
    }

    #[test]
    fn what_is_safe_is_the_newest_that_a_drill_has_shown() {
        let id = |report: &Report| report.backup.as_ref().map(|backup| backup.id.to_string());
        let ids = |safe: &Safe| [&safe.newest_backup, &safe.newest_proven].map(|known| known.clone().map(|one| one.id));
        let mut safe = Safe::default();
        let (old, new, unknown) = (drill(2, Some(true)), drill(1, Some(true)), drill(0, None));
        learn(&mut safe, &new);
        learn(&mut safe, &old);
        assert_eq!(ids(&safe), [id(&new), id(&new)]);
        learn(&mut safe, &unknown);
        assert_eq!(ids(&safe), [id(&unknown), id(&new)]);
        learn(&mut safe, &Report { proven: Some(false), ..new });
        assert_eq!(ids(&safe), [id(&unknown), None]);
    }

    #[test]
    fn a_drill_that_could_not_run_says_nothing_about_the_backup() {
        let told = |verdict| ending(&Report { verdict, ..drill(1, None) }).outcome;
        let code = |verdict| match told(verdict) {
            RunOutcome::Failed { code, raises_alarm: true, .. } => code,
            other => panic!("{other:?}"),
        };
        assert_eq!(code(Verdict::CouldNotRun), AlarmCode::CouldNotRun);
        assert_eq!(code(Verdict::Failed), AlarmCode::DrillFailed);
        assert_eq!(told(Verdict::Passed), RunOutcome::Succeeded);
        assert_eq!([told(Verdict::Stopped), told(Verdict::Skipped)], [RunOutcome::Untold, RunOutcome::Untold]);
    }
}
