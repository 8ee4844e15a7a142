//! Dropping what a run created, against everything that stands in the way of that.

use std::time::Duration;

use anyhow::Context;
use postgres_protocol::escape::{escape_identifier, escape_literal};
use tokio::time::{sleep, timeout};

use super::super::connect::Session;
use super::super::conninfo::Conninfo;
use super::adopted::{self, Roles};
use super::run::RunId;

/// Attempts, each with a new connection, and the pause between them.
const ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_secs(1);

/// Dropping a large database unlinks its files, and may wait for a checkpoint.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(120);

/// A database or a role of a drill is left on the server. The next sweep tries again.
#[derive(Debug, thiserror::Error)]
#[error("scratch database {database} is left on the drill server; drop it by hand if the next start does not")]
pub struct CleanupFailed {
    /// The database; if it is gone already, its roles are left.
    pub database: String,
    /// What the last attempt failed with.
    #[source]
    pub source: anyhow::Error,
}

/// Removes the databases of `run`, if there are any, and `roles`.
///
/// `inside` is a login to these databases; their names come from the run all the same. Only this function
/// drops databases, and it takes no name.
///
/// # Errors
/// [`CleanupFailed`] with the error of the last attempt.
pub(in crate::postgres) async fn remove(
    maintenance: &Conninfo,
    inside: &Conninfo,
    run: &RunId,
    roles: &[String],
) -> Result<(), CleanupFailed> {
    let mut attempt = 1;
    loop {
        let outcome = match timeout(ATTEMPT_LIMIT, try_remove(maintenance, inside, run, roles)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(anyhow::anyhow!("no answer within {} s", ATTEMPT_LIMIT.as_secs())),
        };
        match outcome {
            Ok(()) => return Ok(()),
            Err(source) if attempt == ATTEMPTS => return Err(CleanupFailed { database: run.database(), source }),
            Err(error) => {
                tracing::debug!(error = format!("{error:#}"), attempt, "cannot drop the scratch database yet");
                attempt += 1;
                sleep(PAUSE).await;
            }
        }
    }
}

async fn try_remove(maintenance: &Conninfo, inside: &Conninfo, run: &RunId, roles: &[String]) -> anyhow::Result<()> {
    let session = maintenance.connect().await.context("connect to the drill server")?;
    for database in [reference(&session, run).await?, Some(run.database())].into_iter().flatten() {
        let blockers = Blockers::of(&session, &database).await?;
        if blockers.any() {
            let inside = inside.clone().with_dbname(&database).connect().await;
            let inside = inside.with_context(|| format!("connect to database {database}"))?;
            blockers.remove(&inside).await?;
            inside.close().await;
        }
        make_droppable(&session, &database).await?;
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", escape_identifier(&database));
        session.client().batch_execute(&sql).await.with_context(|| format!("drop database {database}"))?;
    }
    let client = session.client();
    // The last one first: the owner is a member of the others.
    let Roles { ours, adopted } = adopted::sort(&session, run, roles).await?;
    for role in adopted {
        tracing::warn!(role, "a role that the drill made is in use by now, and was not dropped");
    }
    for role in ours.iter().rev() {
        let sql = format!("DROP ROLE IF EXISTS {}", escape_identifier(role));
        client.batch_execute(&sql).await.with_context(|| format!("drop role {role:?}"))?;
    }
    session.close().await;
    Ok(())
}

/// The name of the run's reference database, which few runs make, if it is there.
async fn reference(session: &Session, run: &RunId) -> anyhow::Result<Option<String>> {
    let name = run.reference();
    let found = session.client().query("SELECT FROM pg_catalog.pg_database WHERE datname = $1", &[&name]).await;
    Ok((!found.context("look for the reference database")?.is_empty()).then_some(name))
}

/// Takes back that `database` is a template, which no force drops: its owner may make it one, and code of an archive runs
/// as the owner.
async fn make_droppable(session: &Session, database: &str) -> anyhow::Result<()> {
    let question = "SELECT FROM pg_catalog.pg_database WHERE datname = $1 AND datistemplate";
    if session.client().query(question, &[&database]).await.context("look for a template")?.is_empty() {
        return Ok(());
    }
    let sql = format!("ALTER DATABASE {} WITH IS_TEMPLATE false", escape_identifier(database));
    session.client().batch_execute(&sql).await.with_context(|| format!("take back that {database} is a template"))
}

/// What DROP DATABASE refuses to drop with the database, by force or not.
struct Blockers {
    prepared_transactions: Vec<String>,
    subscriptions: Vec<String>,
}

impl Blockers {
    async fn of(session: &Session, database: &str) -> anyhow::Result<Self> {
        let names = async |sql: &str| -> anyhow::Result<Vec<String>> {
            let rows = session.client().query(sql, &[&database]).await.context("look for what blocks a drop")?;
            rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
        };
        Ok(Self {
            prepared_transactions: names("SELECT gid FROM pg_prepared_xacts WHERE database = $1").await?,
            subscriptions: names(
                "SELECT subname::text FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
                  WHERE d.datname = $1",
            )
            .await?,
        })
    }

    fn any(&self) -> bool {
        !self.prepared_transactions.is_empty() || !self.subscriptions.is_empty()
    }

    /// Must be called inside the database.
    async fn remove(&self, inside: &Session) -> anyhow::Result<()> {
        for gid in &self.prepared_transactions {
            let sql = format!("ROLLBACK PREPARED {}", escape_literal(gid));
            inside.client().batch_execute(&sql).await.context("roll back a prepared transaction")?;
        }
        for subscription in &self.subscriptions {
            let name = escape_identifier(subscription);
            // Without its slot, dropping it never connects to the publisher.
            for sql in [
                format!("ALTER SUBSCRIPTION {name} DISABLE"),
                format!("ALTER SUBSCRIPTION {name} SET (slot_name = NONE)"),
                format!("DROP SUBSCRIPTION {name}"),
            ] {
                inside.client().batch_execute(&sql).await.context("drop a subscription")?;
            }
        }
        Ok(())
    }
}
