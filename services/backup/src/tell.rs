//! What messages say of runs and of the state.

use backup_core::repository::Catalog;
use backup_core::stop::Stop;
use backup_core::text::{bytes, count, duration};
use backup_daemon::DatabaseState;
use backup_daemon::config::ProcessConfig;
use backup_daemon::notify::{Ending, Notifier, RunOutcome, Safe, SingleRun, Teller};
use backup_daemon::{AlarmCode, exit};
use chrono::Utc;

use crate::config::TargetConfig;
use crate::failure::FailureClass;
use crate::run_report::{Made, Outcome, RunReport};
use crate::shrink::judge;
use crate::status::{Facts, safe_in};

/// What messages of the daemon go by.
pub(crate) const TELLER: Teller<Facts, RunReport> = Teller { safe, ending };

/// Who tells.
pub(crate) fn notifier(process: &ProcessConfig) -> Notifier<'_> {
    Notifier { service: "backup", config: &process.notify, scrubber: &process.scrubber }
}

/// Tells of the only run of a process, which began as `run`.
pub(crate) async fn tell_single(
    config: &TargetConfig,
    run: Option<SingleRun>,
    report: &RunReport,
    stop: &Stop,
) -> anyhow::Result<()> {
    notifier(&config.process).end_single(run, &ending(report)).await;
    if !config.process.notify.is_used() {
        return Ok(());
    }
    let listed = stop.or(config.repository().catalog(Utc::now())).await;
    let suspects = |catalog: &Catalog| judge(catalog, config.dump.kind(), &config.size_rule).suspects;
    let safe = listed.map(|catalog| safe_in(&catalog, &suspects(&catalog))).unwrap_or_else(|error| {
        tracing::debug!(error = format!("{error:#}"), "cannot list the bucket for a message");
        Safe::default()
    });
    notifier(&config.process).tell_single(&config.database(), &ending(report), safe).await;
    Ok(())
}

fn safe(state: &DatabaseState<Facts>) -> Safe {
    state.own.safe.clone()
}

fn ending(report: &RunReport) -> Ending {
    let outcome = match report.outcome {
        Outcome::Succeeded => RunOutcome::Succeeded,
        Outcome::Stopped => RunOutcome::Untold,
        Outcome::Failed => RunOutcome::Failed {
            code: AlarmCode::Failing,
            raises_alarm: false, // Three in a row do.
            exit_code: exit::FAILED,
            class: report.class.map(Into::into),
            what_to_do: report.class.and_then(FailureClass::what_to_do),
        },
    };
    let summary = match (&report.backup, &report.error) {
        (Some(made), _) => figures(made, report.duration_seconds),
        (None, error) => error.clone().unwrap_or_default(),
    };
    let backup_id = report.backup.as_ref().map(|made| made.id.to_string());
    Ending { ended_at: report.ended_at, outcome, backup_id, summary }
}

fn figures(made: &Made, duration_seconds: f64) -> String {
    let (tables, rows, stored) = (made.tables, count(made.rows), bytes(made.stored_bytes));
    let took = duration(duration_seconds);
    format!("{tables} tables, {rows} rows that were counted, {stored} stored in {took}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_with_its_class_and_a_stop_is_not_told() {
        let failed = RunReport {
            class: Some(FailureClass::Auth),
            error: Some("password authentication failed".to_owned()),
            ..RunReport::begin(Utc::now())
        };
        let told = ending(&failed);
        let RunOutcome::Failed { code, raises_alarm, class, what_to_do, .. } = told.outcome else { panic!("{told:?}") };
        assert_eq!((code, raises_alarm, class), (AlarmCode::Failing, false, Some("auth")));
        assert!(what_to_do.unwrap().contains("password") && told.summary.contains("authentication"));
        let stopped = RunReport { outcome: Outcome::Stopped, ..failed };
        assert_eq!(ending(&stopped).outcome, RunOutcome::Untold);
    }
}
