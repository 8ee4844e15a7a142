//! The statements of a plan, one by one, in a transaction.

use anyhow::Context;
use backup_core::postgres::connect::Session;

use super::plan::Step;

/// Executes `steps`; what the server refused, in sentences. A statement that it refuses is left out, and the others
/// stay. If this is stopped or the connection breaks, nothing was changed.
///
/// # Errors
/// If the transaction cannot be begun or ended.
pub(super) async fn apply(session: &Session, steps: &[Step]) -> anyhow::Result<Vec<String>> {
    let client = session.client();
    client.batch_execute("BEGIN").await.context("begin a transaction")?;
    let mut refused = Vec::new();
    for step in steps {
        client.batch_execute("SAVEPOINT step").await.context("nothing was changed: set a savepoint")?;
        // With the extended protocol, a text cannot hold a second statement.
        match client.execute(&step.sql, &[]).await {
            Ok(_) => client.batch_execute("RELEASE step").await.context("nothing was changed: go on")?,
            Err(error) => {
                let words = error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned());
                refused.push(format!("{}: {words}", step.what));
                client.batch_execute("ROLLBACK TO step").await.context("nothing was changed: go on")?;
            }
        }
    }
    client.batch_execute("COMMIT").await.context("commit; whether the roles are there, the server tells")?;
    Ok(refused)
}
