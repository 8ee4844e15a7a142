//! One drill of each database, and the end.

use std::path::Path;

use backup_core::stop::{Share, Stop};
use backup_core::text;
use backup_daemon::{State, exit, notify};
use chrono::Utc;

use crate::choose::{Wanted, repository};
use crate::config::{Habit, TargetConfig, VerifyConfig};
use crate::daemon::{Records, initial};
use crate::metrics::metrics;
use crate::print::{self, Paint, ReportFile};
use crate::runner;
use crate::status::Facts;
use crate::tell::{notifier, tell_single};

/// Drills the backups of every database once, those that `wanted` names; the exit code. `METRICS_FILE` is written unless
/// a signal stopped a drill: what was there before says more then.
///
/// # Errors
/// If a report cannot be written.
pub(crate) async fn run_all(
    config: &VerifyConfig,
    wanted: impl Fn(&Habit) -> Wanted,
    report_path: Option<&Path>,
    stop: &Stop,
) -> anyhow::Result<u8> {
    let now = Utc::now();
    let state = State::new(config.targets.iter().map(|target| (target.database(), initial(target, now))));
    let mut code = exit::OK;
    for target in &config.targets {
        let ended = Box::pin(run_once(target, &wanted(&target.habit), report_path, &state, stop)).await;
        code = code.max(ended?);
        if stop.reason().is_some() {
            break; // The others have not begun, so no monitor is told that they have.
        }
    }
    if let Some(path) = &config.process.metrics_file
        && stop.reason().is_none()
    {
        metrics(config, &state).leave_file(path);
    }
    Ok(code)
}

async fn run_once(
    config: &TargetConfig,
    wanted: &Wanted,
    report_path: Option<&Path>,
    state: &State<Facts>,
    stop: &Stop,
) -> anyhow::Result<u8> {
    let file = report_path.map(ReportFile::create).transpose()?;
    let progress = state.progress(&config.database());
    let shown = progress.show();
    let run = notifier(&config.process).begin_single(&config.database());
    let report = runner::run(config, wanted, stop, &progress).await;
    drop(shown);
    text::print(&print::report(&report, Paint::for_stdout()));
    if config.process.metrics_file.is_some() {
        remember(config, state, stop).await;
        state.change(&config.database(), |state| state.own.drilled(report.clone()));
    }
    let written = file.map(|file| file.finish(&report)).transpose();
    stop.or_within(Share::CleanUp, Box::pin(tell_single(config, run, &report))).await.unwrap_or_else(notify::given_up);
    written?;
    Ok(report.exit_code())
}

/// Takes what the bucket holds into the state: metrics tell what was proven before, too.
async fn remember(config: &TargetConfig, state: &State<Facts>, stop: &Stop) {
    let records = async { Records::read(config, &repository(config, stop).await?).await };
    match stop.or(records).await {
        Ok(records) => state.change(&config.database(), |state| records.enter(state)),
        Err(error) => tracing::debug!(error = format!("{error:#}"), "cannot list the bucket after the drill"),
    }
}
