//! From a [`Conninfo`] to a session whose settings are decided here alone.

mod attempt;
mod cause;
mod error;
mod options;
mod pooled;

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::postgres::conninfo::{
    Conninfo, Endpoint, FIRST_WITH_LOGIN_TRIGGERS, Place, TargetSessionAttrs, WITHOUT_EVENT_TRIGGERS,
};

use attempt::{GOODBYE_LIMIT, Opened, login, place};
use options::{as_statements, for_own_statements, restoring_options, version_number};

pub(super) use attempt::LIBPQ_KEEPALIVES;
pub use cause::{describe, is_passing};
pub use error::ConnectError;
pub use options::safe_options;

/// A name with more addresses than this is a mistake; the others are not tried.
const MAX_ADDRESSES: usize = 16;

/// A server gives a slot free a moment after the goodbye, which matters to a role with
/// `CONNECTION LIMIT 1`: so many more attempts, so far apart.
const SLOT_ATTEMPTS: u32 = 5;
const SLOT_PAUSE: Duration = Duration::from_millis(200);

/// What decides whether a server will do, and whether our startup options arrived.
const INSPECTION: &str = "SET statement_timeout = 0; SELECT pg_catalog.pg_is_in_recovery(), \
    pg_catalog.current_setting('transaction_read_only'), \
    pg_catalog.current_setting('backup.options_arrived', true), \
    pg_catalog.current_setting('TimeZone'), \
    pg_catalog.current_setting('bytea_output'), \
    pg_catalog.current_setting('xmlbinary'), \
    (SELECT reset_val FROM pg_catalog.pg_settings WHERE name = 'TimeZone'), \
    (SELECT reset_val FROM pg_catalog.pg_settings WHERE name = 'bytea_output'), \
    (SELECT reset_val FROM pg_catalog.pg_settings WHERE name = 'xmlbinary')";

/// The settings of [`INSPECTION`], as they are and as they were at the start of the session, and what a dump takes.
const AS_TEXT: [(&str, &str); 3] = [("TimeZone", "UTC"), ("bytea_output", "hex"), ("xmlbinary", "base64")];

/// Whether there are event triggers on login, and the role may switch them off; from 17 on.
const SHOULD_SWITCH_OFF: &str = "SELECT pg_catalog.has_parameter_privilege('event_triggers', 'SET') \
    AND EXISTS (SELECT FROM pg_catalog.pg_event_trigger WHERE evtevent = 'login' AND evtenabled <> 'D')";

const NO_ROW: &str = "no row for a SELECT without FROM";

/// An open connection to one server.
///
/// Its timeouts are off, against the role's own settings too, and its `search_path` is empty:
/// names in statements must be qualified. When it is dropped, the socket closes at once, and the
/// server ends a statement still running within two seconds (14 and later).
pub struct Session {
    client: Client,
    endpoint: Endpoint,
    server_version_num: u32,
    child_options: String,
    restoring_options: String,
    ended_by: Arc<OnceLock<String>>,
    traffic: TrafficTask,
    /// How long an answer may take that needs no work worth mentioning.
    question_limit: Duration,
    options_arrived: bool,
    changed_at_login: Vec<&'static str>,
    /// The settings that are not as a dump takes them if they are not set.
    unlike_a_dump: Vec<&'static str>,
}

/// A question that was asked, and no answer.
#[derive(Debug, thiserror::Error)]
#[error("{place} has not answered a question for {} seconds", .limit.as_secs())]
pub struct Unanswered {
    /// Database and host.
    pub place: String,
    /// The bound that was reached.
    pub limit: Duration,
}

/// Carries the traffic until it is dropped.
struct TrafficTask(JoinHandle<()>);

impl Drop for TrafficTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Session {
    /// The driver's client, for statements.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The host that let us in, and what child processes need to reach the same one.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The server's version as PostgreSQL numbers it, such as 150018 for 15.18.
    pub fn server_version_num(&self) -> u32 {
        self.server_version_num
    }

    /// The `PGOPTIONS` that give a child process the same settings, the empty `search_path` aside; see
    /// [`safe_options`].
    pub fn child_options(&self) -> &str {
        &self.child_options
    }

    /// As [`Session::child_options`], but for how values look as text, which a restore takes from its source.
    pub(super) fn restoring_options(&self) -> &str {
        &self.restoring_options
    }

    /// How long an answer may take that needs no work worth mentioning.
    pub fn question_limit(&self) -> Duration {
        self.question_limit
    }

    /// Waits for an answer that needs no work worth mentioning, at most for the connection's limit of a question.
    ///
    /// # Errors
    /// What the server says, or [`Unanswered`].
    pub async fn ask<T>(&self, question: impl Future<Output = Result<T, tokio_postgres::Error>>) -> anyhow::Result<T> {
        self.ask_within(Duration::ZERO, question).await
    }

    /// As [`Session::ask`], for a question whose work may take `work` on the server.
    ///
    /// # Errors
    /// As [`Session::ask`].
    pub async fn ask_within<T>(
        &self,
        work: Duration,
        question: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> anyhow::Result<T> {
        let limit = self.question_limit.saturating_add(work);
        let Ok(answer) = timeout(limit, Box::pin(question)).await else {
            return Err(Unanswered { place: place(&self.endpoint), limit }.into());
        };
        answer.map_err(|error| match self.broken_by() {
            Some(reason) if error.is_closed() => anyhow::Error::from(error).context(reason.to_owned()),
            _ => error.into(),
        })
    }

    /// Bounds several questions in a row, whose work may take `work` on the server.
    ///
    /// # Errors
    /// [`Unanswered`], or what `questions` fails with.
    pub async fn ask_all<T>(
        &self,
        work: Duration,
        questions: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        let limit = self.question_limit.saturating_add(work);
        let Ok(answers) = timeout(limit, Box::pin(questions)).await else {
            return Err(Unanswered { place: place(&self.endpoint), limit }.into());
        };
        answers
    }

    /// Why the connection broke, if it did; statements only say that it is closed.
    pub fn broken_by(&self) -> Option<&str> {
        self.ended_by.get().map(String::as_str)
    }

    /// Says goodbye and waits until the socket is closed, at most a second; dropping is enough
    /// wherever nothing depends on the server having noticed.
    pub async fn close(self) {
        let Self { client, mut traffic, .. } = self;
        drop(client);
        if timeout(GOODBYE_LIMIT, &mut traffic.0).await.is_err() {
            tracing::debug!("server did not take leave in time");
        }
    }

    fn start(endpoint: Endpoint, opened: Opened, version: u32, user_options: &str) -> Self {
        let question_limit = endpoint.question_limit();
        let ended_by = Arc::new(OnceLock::new());
        let reason = Arc::clone(&ended_by);
        let traffic = opened.traffic;
        let task = tokio::spawn(async move {
            if let Err(error) = traffic.await {
                let error = reason.get_or_init(|| describe(&error));
                tracing::debug!(%error, "connection to PostgreSQL broke");
            }
        });
        Self {
            client: opened.client,
            endpoint,
            server_version_num: version,
            child_options: safe_options(version, user_options),
            restoring_options: restoring_options(version, user_options),
            ended_by,
            traffic: TrafficTask(task),
            question_limit,
            options_arrived: true,
            changed_at_login: Vec::new(),
            unlike_a_dump: Vec::new(),
        }
    }

    /// Checks that the server is of the wanted kind, and looks at the settings as they are after the login.
    async fn inspect(&mut self, wanted: TargetSessionAttrs) -> Result<(), ConnectError> {
        let row = self.row_at_login(INSPECTION).await?;
        let [recovers, read_only, arrived, ..] = row.as_slice() else {
            return Err(ConnectError::NotPostgres { place: place(&self.endpoint), reason: NO_ROW.to_owned() });
        };
        if !suits(wanted, recovers == "t", read_only == "on") {
            return Err(ConnectError::WrongKind { place: place(&self.endpoint), wanted: wanted.as_str() });
        }
        self.options_arrived = arrived == "on";
        let (is, at_start) = row[3..].split_at(AS_TEXT.len());
        let which = |differs: &dyn Fn(usize) -> bool| -> Vec<&'static str> {
            (0..AS_TEXT.len()).filter(|&index| differs(index)).map(|index| AS_TEXT[index].0).collect()
        };
        self.changed_at_login = which(&|index| is.get(index) != at_start.get(index));
        self.unlike_a_dump = which(&|index| is.get(index).map(String::as_str) != Some(AS_TEXT[index].1));
        Ok(())
    }

    /// One row of a simple query, within the time for a step of connecting. A null is an empty text.
    async fn row_at_login(&self, sql: &str) -> Result<Vec<String>, ConnectError> {
        let seconds = self.endpoint.connect_timeout_seconds();
        let place = place(&self.endpoint);
        let messages = match timeout(Duration::from_secs(seconds.into()), self.client.simple_query(sql)).await {
            Err(_) => return Err(ConnectError::TimedOut { place, seconds }),
            Ok(Err(error)) => return Err(ConnectError::new(&place, self.endpoint.password(), &error)),
            Ok(Ok(messages)) => messages,
        };
        let row = messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let row = row.ok_or_else(|| ConnectError::NotPostgres { place, reason: NO_ROW.to_owned() })?;
        Ok((0..row.len()).map(|column| row.get(column).unwrap_or_default().to_owned()).collect())
    }

    /// Makes the settings by statements, which hold even if the login has changed them.
    async fn settle(&self) -> Result<(), ConnectError> {
        let sql = as_statements(&for_own_statements(&safe_options(self.server_version_num, "")));
        self.row_at_login(&format!("{sql}; SELECT 1")).await.map(drop)
    }

    /// The settings for values as text that were changed at the login: by a login event trigger, which changes them in
    /// every session of `pg_dump`, too.
    pub fn changed_at_login(&self) -> &[&'static str] {
        &self.changed_at_login
    }

    /// Whether children must do without startup options: see [`Session::child_options`].
    pub fn is_pooled(&self) -> bool {
        !self.options_arrived
    }
}

/// libpq's meaning of the words, for one server.
fn suits(wanted: TargetSessionAttrs, recovers: bool, read_only: bool) -> bool {
    match wanted {
        TargetSessionAttrs::Any | TargetSessionAttrs::PreferStandby => true,
        TargetSessionAttrs::ReadWrite => !recovers && !read_only,
        TargetSessionAttrs::ReadOnly => recovers || read_only,
        TargetSessionAttrs::Primary => !recovers,
        TargetSessionAttrs::Standby => recovers,
    }
}

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
        let endpoints = self.endpoints().map_err(ConnectError::Settings)?;
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
        session.child_options = format!("{} {WITHOUT_EVENT_TRIGGERS}", session.child_options);
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
