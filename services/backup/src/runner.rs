//! A run: one job, tried again if the reason may pass, bounded in time, and retention after it.

use backup_core::cause::find_cause;
use backup_core::postgres::ChildError;
use backup_core::progress::Progress;
use backup_core::repository::Manifest;
use backup_core::stop::Stop;
use backup_core::storage::TooManyParts;
use backup_core::values::without_values;
use chrono::Utc;
use tokio_postgres::error::SqlState;

use crate::config::TargetConfig;
use crate::failure::{LOCK_WAIT_TIMEOUT, may_pass};
use crate::job::Job;
use crate::prune;
use crate::run_report::{RunReport, no_tables};
use crate::said_once::SaidOnce;
use crate::sizing::Trust;
use crate::step;

/// Makes one backup, deletes what retention no longer keeps, logs how it ended, and returns the report of it all.
/// `committed` is called as soon as the backup exists, with what is known by then: retention takes its time.
pub(crate) async fn run(
    (config, said): (&TargetConfig, &SaidOnce),
    stop: &Stop,
    progress: &Progress,
    committed: impl FnOnce(&RunReport),
) -> RunReport {
    let mut report = RunReport::begin(Utc::now());
    progress.finish(); // What the run before has left.
    let outcome = Box::pin(back_up((config, said), stop, progress, &mut report.attempts)).await;
    report.end(outcome.as_ref(), stop, &config.process.scrubber, Utc::now());
    match &outcome {
        Ok(manifest) => {
            log_committed(manifest);
            committed(&report);
            progress.enter(step::RETENTION, None);
            report.retention = Some(Box::pin(prune::after_commit((config, said), stop, manifest)).await);
        }
        Err(_) => report.log_failure(),
    }
    report.step_seconds = progress.finish();
    report
}

/// Makes one backup, with every attempt inside the same bound of `BACKUP_TIMEOUT`; counts `attempts`.
///
/// # Errors
/// The last attempt's.
async fn back_up(
    (config, said): (&TargetConfig, &SaidOnce),
    stop: &Stop,
    progress: &Progress,
    attempts: &mut u32,
) -> anyhow::Result<Manifest> {
    let bounded = stop.bounded(config.timing.run_timeout, "BACKUP_TIMEOUT");
    let retry = config.process.retry;
    let mut trust = Trust::EarlierBackups;
    loop {
        *attempts += 1;
        let job = Job { config, said, stop: &bounded.stop, progress, trust };
        let error = match Box::pin(job.run_once()).await {
            Ok(manifest) => return Ok(manifest),
            Err(error) => explain(config, &bounded.stop, error).await,
        };
        if *attempts >= retry.attempts || bounded.stop.reason().is_some() || !may_pass(&error) {
            return Err(error);
        }
        if let Some(next) = find_cause(&error).and_then(|TooManyParts { plan }| Trust::after(plan)) {
            trust = next;
        }
        let pause = retry.pause(*attempts);
        tracing::warn!(
            error = %without_values(&format!("{error:#}")),
            attempt = *attempts,
            pause_seconds = pause.as_secs_f32(),
            "backup failed for a reason that may pass, trying again"
        );
        progress.enter(step::PAUSE, None);
        tokio::select! {
            _ = bounded.stop.stopped() => return Err(error),
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// The line that says that a backup exists.
fn log_committed(manifest: &Manifest) {
    let dump = &manifest.dump.digests;
    tracing::info!(
        backup_id = %manifest.id,
        plain_bytes = dump.plain_bytes,
        stored_bytes = dump.stored_bytes,
        tables = manifest.inventory.tables.len(),
        duration_seconds = (manifest.finished_at - manifest.id.time()).num_seconds(),
        "backup committed"
    );
    if let Some(warning) = no_tables(manifest) {
        tracing::warn!("{warning}");
    }
}

/// Adds to a lock timeout who holds the locks, since `pg_dump` only names what it waited for, and the server does not even do that
/// for a sequence.
async fn explain(config: &TargetConfig, stop: &Stop, error: anyhow::Error) -> anyhow::Error {
    let of_pg_dump =
        matches!(find_cause(&error), Some(ChildError::Failed { words, .. }) if words.contains(LOCK_WAIT_TIMEOUT));
    let of_a_sequence = find_cause::<tokio_postgres::Error>(&error)
        .is_some_and(|error| error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE));
    if !of_pg_dump && !of_a_sequence {
        return error;
    }
    match stop.or(lock_holders(config)).await {
        Ok(held) if !held.is_empty() => error.context(format!(
            "locked right now: {}; raise LOCK_WAIT_TIMEOUT or end what holds the lock",
            held.join(", ")
        )),
        _ => error, // The lock is gone already, or it is not known.
    }
}

/// A prepared transaction has no process: it holds its locks until someone commits or rolls it back, also across
/// restarts of the server. Its number is in the lock that it holds on itself.
const LOCK_HOLDERS: &str = "
    SELECT DISTINCT CASE
             WHEN l.pid IS NOT NULL THEN format('%s (held by process %s)', l.relation::regclass, l.pid)
             WHEN p.gid IS NULL THEN format('%s (held by a prepared transaction)', l.relation::regclass)
             ELSE format('%1$s (held by the prepared transaction %2$L of %3$s since %4$s; end it with COMMIT PREPARED %2$L or ROLLBACK PREPARED %2$L)',
                         l.relation::regclass, p.gid, p.owner, date_trunc('second', p.prepared)) END
      FROM pg_locks l
      LEFT JOIN pg_locks x ON l.pid IS NULL AND x.pid IS NULL AND x.locktype = 'transactionid'
                          AND x.virtualtransaction = l.virtualtransaction
      LEFT JOIN pg_prepared_xacts p ON p.transaction = x.transactionid
     WHERE l.mode = 'AccessExclusiveLock' AND l.granted AND l.locktype = 'relation'
       AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND l.relation >= 16384 LIMIT 5";

async fn lock_holders(config: &TargetConfig) -> anyhow::Result<Vec<String>> {
    let session = config.source.connect().await?;
    let rows = session.ask(session.client().query(LOCK_HOLDERS, &[])).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}
