//! Connection poolers. In session mode, a client has a server connection for itself, and all we need can be made by
//! statements; in transaction mode, settings are lost between two statements, and a dump would be made with them lost.

use std::net::IpAddr;
use std::time::Duration;

use tokio::time::timeout;

use super::attempt::{login, place};
use super::{ConnectError, Session};

/// How often a second session tries to get the server connection of the first.
const PROBES: u32 = 3;

const MARK: &str = "SELECT pg_catalog.current_setting('backup.options_arrived', true), pg_catalog.pg_backend_pid()";

/// Settles a session whose startup options got lost, if it is one for which that will do.
///
/// # Errors
/// [`ConnectError::Pooler`] if the pooler hands server connections round, if the connection string has options of its
/// own, and if rows would look different without our options; `pg_dump` cannot be given these by statements.
pub(super) async fn accept(
    session: &mut Session,
    address: Option<IpAddr>,
    user_options: &str,
) -> Result<(), ConnectError> {
    let place = place(session.endpoint());
    let refused = |message: String| ConnectError::Pooler { place: place.clone(), message };
    if !user_options.is_empty() {
        return Err(refused("the options of the connection string were dropped on the way".to_owned()));
    }
    // pg_dump sets its timeouts itself, and gets the time zone as a startup parameter of its own.
    let differing = session.unlike_a_dump().iter().find(|name| **name != "TimeZone");
    if let Some(name) = differing {
        let message = "the startup options of the session were dropped on the way";
        return Err(refused(format!("{message}, and {name} is not as a dump needs it")));
    }
    session.without_child_options();
    session.settle().await?;
    let first = session.row_at_login(MARK).await?;
    for _ in 0..PROBES {
        let other = login(session.endpoint(), address, "").await?;
        let limit = Duration::from_secs(session.endpoint().connect_timeout_seconds().into());
        let traffic = tokio::spawn(other.traffic);
        let begun = timeout(limit, other.client.batch_execute("BEGIN; SELECT 1")).await;
        let again = session.row_at_login(MARK).await;
        traffic.abort();
        if !matches!(begun, Ok(Ok(()))) || again? != first {
            return Err(refused("a pooler hands the server connection of the session to others".to_owned()));
        }
    }
    tracing::info!("the database is reached through a pooler in session mode; its settings are made by statements");
    Ok(())
}
