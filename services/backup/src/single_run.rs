//! One run of each database, and the end.

use backup_core::stop::{Share, Stop};
use backup_daemon::schedule::Occasion;
use backup_daemon::{State, exit, notify};
use chrono::Utc;

use crate::config::{BackupConfig, TargetConfig};
use crate::daemon::{initial, observe};
use crate::metrics::metrics;
use crate::run_report::Outcome;
use crate::runner;
use crate::said_once::SaidOnce;
use crate::status::Facts;
use crate::tell::{notifier, tell_single};

/// Backs up every database once; the exit code. `METRICS_FILE` is written unless a signal stopped a run: what was there
/// before says more then.
pub(crate) async fn run_all(config: &BackupConfig, stop: &Stop) -> u8 {
    let now = Utc::now();
    let state = State::new(config.targets.iter().map(|target| (target.database(), initial(target, now))));
    let mut code = exit::OK;
    for target in &config.targets {
        code = code.max(run_once(target, &state, stop).await);
        if stop.reason().is_some() {
            break; // The others have not begun, so no monitor is told that they have.
        }
    }
    if let Some(path) = &config.process.metrics_file
        && stop.reason().is_none()
    {
        metrics(&config.process.store.counters, &state).leave_file(path);
    }
    code
}

async fn run_once(config: &TargetConfig, state: &State<Facts>, stop: &Stop) -> u8 {
    let progress = state.progress(&config.database());
    let shown = progress.show();
    let said = SaidOnce::default();
    let run = notifier(&config.process).begin_single(&config.database());
    let report = Box::pin(runner::run((config, &said), stop, &progress, |_| drop(shown))).await;
    state.change(&config.database(), |state| {
        state.run_started_at = Some(report.started_at);
        match report.outcome {
            Outcome::Stopped => state.own.stopped(),
            Outcome::Failed => state.own.ran(&report, Occasion::Tick(report.started_at)),
            Outcome::Succeeded => {
                state.own.ran(&report, Occasion::Tick(report.started_at));
                state.own.retained(&report);
            }
        }
    });
    stop.or_within(Share::CleanUp, Box::pin(tell_single(config, run, &report, stop)))
        .await
        .unwrap_or_else(notify::given_up);
    match report.outcome {
        Outcome::Succeeded => {
            look(config, state, stop).await;
            exit::OK
        }
        Outcome::Stopped => exit::STOPPED,
        Outcome::Failed => {
            // Who reads the file wants to know what is still there.
            if config.process.metrics_file.is_some() {
                look(config, state, stop).await;
            }
            exit::FAILED
        }
    }
}

/// Warns of what is odd in the bucket. A run has succeeded all the same: what was there is in the bucket.
async fn look(config: &TargetConfig, state: &State<Facts>, stop: &Stop) {
    let repository = config.repository();
    match stop.or(repository.catalog(Utc::now())).await {
        Ok(catalog) => observe(config, state, &catalog, &repository, stop).await,
        Err(error) => tracing::debug!(error = format!("{error:#}"), "cannot list the bucket after the run"),
    }
}
