//! The uploads of runs that were killed: their parts are kept, and paid for, until the uploads are ended.

use std::time::Duration;

use backup_core::repository::Repository;
use backup_core::stop::Stop;
use backup_core::storage::{StoreError, UnfinishedUpload};
use chrono::{DateTime, Utc};

use crate::config::TargetConfig;
use crate::prune::abandoned_after;
use crate::said_once::SaidOnce;

/// The sweep is not what a run is for.
const SWEEP_TIMEOUT: Duration = Duration::from_secs(30);

/// Ends the uploads of this database whose runs cannot be going on any more. Under a policy that does not allow that,
/// says once how to look for them. Never an error: the run goes on.
pub(crate) async fn sweep(config: &TargetConfig, said: &SaidOnce, stop: &Stop) {
    if said.refused_sweep.is_completed() {
        return;
    }
    let repository = config.repository();
    let swept = tokio::select! {
        _ = stop.stopped() => return,
        swept = tokio::time::timeout(SWEEP_TIMEOUT, Box::pin(sweep_old(config, &repository, Utc::now()))) => swept,
    };
    match swept {
        Ok(Ok(0)) => {}
        Ok(Ok(ended)) => tracing::info!(ended, "ended unfinished uploads of runs that were killed"),
        Ok(Err(error)) if error.is_passing() => tracing::debug!(%error, "cannot sweep unfinished uploads now"),
        Ok(Err(error)) => said.refused_sweep.call_once(|| {
            tracing::info!(
                %error,
                "cannot sweep the unfinished uploads of runs that were killed; a rule of the bucket for incomplete uploads \
                 removes them, and this lists them: aws s3api list-multipart-uploads --bucket {} --prefix {}",
                config.process.store.bucket,
                config.layout().start(),
            );
        }),
        Err(_) => tracing::debug!("the sweep of unfinished uploads took too long"),
    }
}

async fn sweep_old(config: &TargetConfig, repository: &Repository, now: DateTime<Utc>) -> Result<usize, StoreError> {
    let (layout, store) = (repository.layout(), repository.store());
    let mut ended = 0;
    let is_old = |upload: &UnfinishedUpload| {
        // A key that does not parse completely as ours is not ours.
        layout.parse(&upload.key).is_some_and(|(id, _)| now - id.time() > abandoned_after(config.timing.run_timeout))
    };
    for upload in store.unfinished_uploads(&layout.start()).await?.iter().filter(|upload| is_old(upload)) {
        store.abort(upload).await?;
        ended += 1;
    }
    Ok(ended)
}
