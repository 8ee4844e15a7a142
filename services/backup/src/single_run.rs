//! One run of each database, and the end.

use backup_core::stop::{Share, Stop};
use backup_daemon::schedule::Occasion;
use backup_daemon::{State, exit, notify};
use chrono::Utc;
use futures_util::future::ready;
use futures_util::{StreamExt, stream};
use tracing::Instrument;

use crate::census;
use crate::config::{BackupConfig, TargetConfig};
use crate::metrics::metrics;
use crate::run_report::Outcome;
use crate::said_once::SaidOnce;
use crate::status::Facts;
use crate::target::{initial, observe_and_tell};
use crate::tell::{notifier, tell_single};
use crate::{journal, runner};

/// Backs up every database once; the exit code. `METRICS_FILE` is written unless a signal stopped a run: what was there
/// before says more then.
pub(crate) async fn run_all(config: &BackupConfig, stop: &Stop) -> u8 {
    let (targets, is_complete) = census::targets(config, stop).await;
    let now = Utc::now();
    let state = State::new(targets.iter().map(|target| (target.database(), initial(target, now))));
    // Once a stop was asked for, the others do not begin, so no monitor is told that they have.
    let begun = stream::iter(&targets).take_while(|_| ready(stop.reason().is_none()));
    let at_once = config.several.as_ref().map_or(1, |several| several.at_once);
    let codes = begun
        .map(|target| Box::pin(run_once(target, &state, stop)).instrument(target.database().span()))
        .buffer_unordered(at_once);
    let worst = codes.fold(exit::OK, |worst, code| ready(worst.max(code))).await;
    let code = match (is_complete, stop.reason()) {
        (false, None) => worst.max(exit::FAILED),
        (false, Some(_)) => exit::STOPPED,
        (true, _) => worst,
    };
    if let Some(path) = &config.process.metrics_file
        && stop.reason().is_none()
    {
        metrics(&config.process.store.counters, &config.process.notify.deliveries(), &state).leave_file(path);
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
    if report.outcome != Outcome::Succeeded {
        Box::pin(journal::write_ending(config, &report, stop)).await;
    }
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
        Ok(catalog) => {
            observe_and_tell(config, state, &catalog, &repository, stop).await;
        }
        Err(error) => tracing::debug!(error = format!("{error:#}"), "cannot list the bucket after the run"),
    }
}
