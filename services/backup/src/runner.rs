//! A run: one job, tried again where the reason may pass, bounded in time, and retention after it.

use backup_core::catalog::{Manifest, NotListed};
use backup_core::cause::{find_cause, stopped_by};
use backup_core::postgres::connect::{ConnectError, Unanswered, is_passing};
use backup_core::postgres::{ChildError, FellSilent, Rewritten};
use backup_core::stop::Stop;
use backup_core::storage::{StoreError, TooManyParts};
use backup_daemon::schedule::Outlook;

use crate::config::BackupConfig;
use crate::job::Job;
use crate::sizing::Trust;
use backup_daemon::Progress;

/// Makes one backup, with every attempt inside the same bound of `BACKUP_TIMEOUT`.
///
/// # Errors
/// The last attempt's.
pub(crate) async fn run(config: &BackupConfig, stop: &Stop, progress: &Progress) -> anyhow::Result<Manifest> {
    let bounded = stop.bounded(config.timing.run_timeout, "BACKUP_TIMEOUT");
    let retry = config.timing.retry;
    let mut trust = Trust::EarlierBackups;
    let mut attempt = 1;
    loop {
        let job = Job { config, stop: &bounded.stop, progress, trust };
        let error = match Box::pin(job.run_once()).await {
            Ok(manifest) => {
                log_committed(&manifest);
                return Ok(manifest);
            }
            Err(error) => explain(config, &bounded.stop, error).await,
        };
        if attempt >= retry.attempts || bounded.stop.reason().is_some() || !may_pass(&error) {
            return Err(error);
        }
        if let Some(next) = find_cause(&error).and_then(|TooManyParts { plan }| Trust::after(plan)) {
            trust = next;
        }
        let pause = retry.pause(attempt);
        tracing::warn!(
            error = format!("{error:#}"),
            attempt,
            pause_seconds = pause.as_secs_f32(),
            "backup failed for a reason that may pass, trying again"
        );
        tokio::select! {
            _ = bounded.stop.stopped() => return Err(error),
            () = tokio::time::sleep(pause) => attempt += 1,
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
    if manifest.inventory.tables.is_empty() {
        tracing::warn!("the database has no tables: is it the right one?");
    }
}

/// Whether the same run may succeed when it is tried again.
fn may_pass(error: &anyhow::Error) -> bool {
    if stopped_by(error).is_some() {
        return false;
    }
    // The next attempt has a snapshot of its own, and a connection.
    if find_cause::<Rewritten>(error).is_some() || find_cause::<NotListed>(error).is_some() {
        return true;
    }
    if find_cause::<Unanswered>(error).is_some() || find_cause::<FellSilent>(error).is_some() {
        return true;
    }
    if let Some(error) = find_cause::<StoreError>(error) {
        return error.passes_with_a_new_run();
    }
    if let Some(TooManyParts { plan }) = find_cause(error) {
        return Trust::after(plan).is_some(); // The next attempt plans for more.
    }
    if let Some(error) = find_cause::<ConnectError>(error) {
        return error.is_passing();
    }
    if let Some(ChildError::Failed { words, .. }) = find_cause(error) {
        return PASSING_WORDS.iter().any(|passing| words.contains(passing));
    }
    find_cause::<tokio_postgres::Error>(error).is_some_and(is_passing)
}

/// Whether a run that failed with `error` is worth another one before the next tick. One that was stopped or ran out
/// of time is not, nor is one whose cause is known and does not pass by itself: wrong passwords, missing rights, a
/// damaged table. What has no such cause may be in order again soon.
pub(crate) fn outlook(error: &anyhow::Error) -> Outlook {
    let has_known_cause = find_cause::<StoreError>(error).is_some()
        || find_cause::<ConnectError>(error).is_some()
        || matches!(find_cause(error), Some(ChildError::Failed { .. }))
        || find_cause::<tokio_postgres::Error>(error).is_some();
    match stopped_by(error).is_none() && (!has_known_cause || may_pass(error)) {
        true => Outlook::MayDiffer,
        false => Outlook::Same,
    }
}

/// What `pg_dump` says (in English, its locale is ours) where a later attempt may succeed.
const PASSING_WORDS: [&str; 12] = [
    "canceling statement due to lock timeout",
    LOCK_WAIT_TIMEOUT,
    "canceling statement due to conflict with recovery",
    "server closed the connection",
    "terminating connection",
    "connection to server",
    "could not connect to server",
    "could not receive data from server",
    "too many clients",
    "the database system is",
    "deadlock detected",
    // The session that exported it has ended.
    "SET TRANSACTION SNAPSHOT",
];

/// `--lock-wait-timeout` of `pg_dump` is a statement timeout around its `LOCK TABLE`, and it sets no other.
const LOCK_WAIT_TIMEOUT: &str = "canceling statement due to statement timeout";

/// Adds to a lock timeout who holds the locks, since `pg_dump` only names what it waited for.
async fn explain(config: &BackupConfig, stop: &Stop, error: anyhow::Error) -> anyhow::Error {
    let is_lock_timeout =
        matches!(find_cause(&error), Some(ChildError::Failed { words, .. }) if words.contains(LOCK_WAIT_TIMEOUT));
    if !is_lock_timeout {
        return error;
    }
    match stop.or(lock_holders(config)).await {
        Ok(held) if !held.is_empty() => error.context(format!(
            "locked right now: {}; raise LOCK_WAIT_TIMEOUT or end what holds the lock",
            held.join(", ")
        )),
        _ => error, // The lock is gone already, or nobody can tell.
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

async fn lock_holders(config: &BackupConfig) -> anyhow::Result<Vec<String>> {
    let session = config.source.connect().await?;
    let rows = session.ask(session.client().query(LOCK_HOLDERS, &[])).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}
