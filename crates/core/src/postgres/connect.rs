//! From a [`Conninfo`] to a session whose settings are decided here alone.

mod attempt;
mod cause;
mod error;
mod options;
mod pooled;
mod session;

use std::net::IpAddr;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::time::{sleep, timeout};

use crate::postgres::conninfo::{
    Conninfo, Endpoint, FIRST_WITH_LOGIN_TRIGGERS, Place, TargetSessionAttrs, WITHOUT_EVENT_TRIGGERS,
};

use attempt::{Opened, login, place};
use options::{for_own_statements, restoring_options, version_number};

pub(super) use attempt::LIBPQ_KEEPALIVES;
pub use cause::{describe, is_passing};
pub use error::ConnectError;
pub use options::safe_options;
pub use session::{Session, Unanswered};

/// A name with more addresses than this is a mistake; the others are not tried.
const MAX_ADDRESSES: usize = 16;

/// A server gives a slot free a moment after the goodbye, which matters to a role with
/// `CONNECTION LIMIT 1`: so many more attempts, so far apart.
const SLOT_ATTEMPTS: u32 = 5;
const SLOT_PAUSE: Duration = Duration::from_millis(200);

/// Whether there are event triggers on login, and the role may switch them off; from 17 on.
const SHOULD_SWITCH_OFF: &str = "SELECT pg_catalog.has_parameter_privilege('event_triggers', 'SET') \
    AND EXISTS (SELECT FROM pg_catalog.pg_event_trigger WHERE evtevent = 'login' AND evtenabled <> 'D')";

impl Conninfo {
    /// Opens a session at the first host that answers, lets us in and is of the wanted kind.
    ///
    /// Each address may take `connect_timeout` for each step (look-up, login, inspection). A login
    /// that is refused as such ends the search, as in libpq. Servers from 14 on are logged in to
    /// twice: only the first login tells which settings the second may name. A third one switches
    /// event triggers on login off, if there are any and the role may.
    ///
    /// # Errors
    /// The only host's failure, or one [`ConnectError::Every`] with all of them.
    pub async fn connect(&self) -> Result<Session, ConnectError> {
        let refreshed = self.refreshed().await.map_err(ConnectError::Password)?;
        let endpoints = refreshed.endpoints().map_err(ConnectError::Settings)?;
        let rounds: &[TargetSessionAttrs] = match self.target_session_attrs() {
            TargetSessionAttrs::PreferStandby => &[TargetSessionAttrs::Standby, TargetSessionAttrs::Any],
            wanted => &[wanted],
        };
        let mut failures = Vec::new();
        for wanted in rounds {
            failures.clear();
            for endpoint in &endpoints {
                match connect_host(endpoint, self.options(), *wanted).await {
                    Ok(session) => return Ok(session),
                    Err(error) => failures.push(error),
                }
                if failures.last().is_some_and(ConnectError::concerns_every_host) {
                    break;
                }
            }
        }
        match failures.pop() {
            Some(only) if failures.is_empty() => Err(only),
            last => {
                failures.extend(last);
                Err(ConnectError::Every(failures))
            }
        }
    }
}

/// Tries the addresses of one host in the resolver's order. Reported is the last failure of an address if
/// one of them answered: what a server says tells more than that its other address does not answer.
async fn connect_host(
    endpoint: &Endpoint,
    user_options: &str,
    wanted: TargetSessionAttrs,
) -> Result<Session, ConnectError> {
    let mut telling: Option<ConnectError> = None;
    for address in addresses(endpoint).await? {
        match connect_address(endpoint, address, user_options, wanted).await {
            Ok(session) => return Ok(session),
            Err(error) => {
                tracing::debug!(%error, "address does not let us in");
                let stop = error.concerns_every_host();
                telling = Some(more_telling(telling, error));
                if stop {
                    break;
                }
            }
        }
    }
    Err(telling.unwrap_or_else(|| ConnectError::Resolve {
        place: place(endpoint),
        reason: "the name has no address".to_owned(),
    }))
}

fn more_telling(first: Option<ConnectError>, next: ConnectError) -> ConnectError {
    match first {
        Some(first) if next.is_silence() && !first.is_silence() => first,
        _ => next,
    }
}

/// `None` stands for the endpoint's socket.
async fn addresses(endpoint: &Endpoint) -> Result<Vec<Option<IpAddr>>, ConnectError> {
    let host = endpoint.host();
    let name = match (host.place(), host.address()) {
        (Place::Unix(_), _) => return Ok(vec![None]),
        (Place::Tcp(_), Some(address)) => return Ok(vec![Some(address)]),
        (Place::Tcp(name), None) => name.as_str(),
    };
    let seconds = endpoint.connect_timeout_seconds();
    let place = place(endpoint);
    let look_up = lookup_host((name, host.port()));
    let found = match timeout(Duration::from_secs(seconds.into()), look_up).await {
        Err(_) => return Err(ConnectError::TimedOut { place, seconds }),
        Ok(Err(error)) => {
            return Err(ConnectError::Resolve { place, reason: error.to_string() });
        }
        Ok(Ok(found)) => found,
    };
    Ok(found.map(|address| Some(address.ip())).take(MAX_ADDRESSES).collect())
}

async fn connect_address(
    endpoint: &Endpoint,
    address: Option<IpAddr>,
    user_options: &str,
    wanted: TargetSessionAttrs,
) -> Result<Session, ConnectError> {
    let common = restoring_options(0, user_options);
    let (opened, refused) = match login(endpoint, address, &for_own_statements(&common)).await {
        // Some poolers refuse startup options. In session mode, statements do the same.
        Err(ConnectError::Pooler { .. }) if user_options.is_empty() => (login(endpoint, address, "").await?, true),
        opened => (opened?, false),
    };
    let version = opened.server_version.as_deref().and_then(version_number);
    let Some(version) = version else {
        let reason = "the server does not tell its version".to_owned();
        return Err(ConnectError::NotPostgres { place: place(endpoint), reason });
    };
    let options = restoring_options(version, user_options);
    // Before any question: a role's own timeouts may end a session that does not have all of our options.
    let opened = if options == common || refused {
        opened
    } else {
        opened.close().await;
        login_again(endpoint, address, &for_own_statements(&options)).await?
    };
    let mut session = Session::start(endpoint.clone(), opened, version, user_options);
    session.inspect(wanted).await?;
    if session.is_pooled() {
        pooled::accept(&mut session, address, user_options).await?;
        return Ok(session);
    }
    if version >= FIRST_WITH_LOGIN_TRIGGERS && session.row_at_login(SHOULD_SWITCH_OFF).await? == ["t"] {
        session.close().await;
        let options = format!("{} {WITHOUT_EVENT_TRIGGERS}", for_own_statements(&options));
        let opened = login_again(endpoint, address, &options).await?;
        session = Session::start(endpoint.clone(), opened, version, user_options);
        session.add_child_option(WITHOUT_EVENT_TRIGGERS);
        session.inspect(wanted).await?;
    }
    session.settle().await?;
    Ok(session)
}

/// Logs in if our own former session may still hold the only slot.
async fn login_again(endpoint: &Endpoint, address: Option<IpAddr>, options: &str) -> Result<Opened, ConnectError> {
    for _ in 1..SLOT_ATTEMPTS {
        match login(endpoint, address, options).await {
            Err(error) if error.is_too_many_connections() => sleep(SLOT_PAUSE).await,
            result => return result,
        }
    }
    login(endpoint, address, options).await
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::session::suits;
    use super::*;

    #[track_caller]
    fn check(word: &str, suitable: [bool; 3]) {
        let wanted = TargetSessionAttrs::parse(word).unwrap();
        let primary = suits(wanted, false, false);
        let primary_read_only = suits(wanted, false, true);
        let standby = suits(wanted, true, true);
        assert_eq!([primary, primary_read_only, standby], suitable, "{word}");
    }

    #[test]
    fn which_servers_will_do() {
        check("any", [true, true, true]);
        check("read-write", [true, false, false]);
        check("read-only", [false, true, true]);
        check("primary", [true, true, false]);
        check("standby", [false, false, true]);
        check("prefer-standby", [true, true, true]);
    }

    #[test]
    fn an_answer_tells_more_than_silence_at_another_address() {
        let silence = || ConnectError::TimedOut { place: "a".to_owned(), seconds: 2 };
        let answer = |reason: &str| ConnectError::NotPostgres { place: "b".to_owned(), reason: reason.to_owned() };
        let check = |first: Option<ConnectError>, next: ConnectError, expected: ConnectError| {
            assert_eq!(more_telling(first, next).to_string(), expected.to_string());
        };
        check(None, silence(), silence());
        check(Some(silence()), answer("x"), answer("x"));
        check(Some(answer("x")), silence(), answer("x"));
        check(Some(answer("x")), answer("y"), answer("y"));
    }

    #[tokio::test]
    async fn a_silent_server_is_given_up_after_the_timeout() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = format!("postgres://u:swordfish@127.0.0.1:{port}/app?connect_timeout=2");
        let error = Conninfo::parse(&crate::secret::Secret::new(url)).unwrap().connect().await;
        let error = error.err().unwrap();
        assert!(error.is_passing());
        let expected = format!("connect to database \"app\" at 127.0.0.1:{port}: no answer within 2 seconds");
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
}
