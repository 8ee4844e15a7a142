//! An open connection whose settings are known.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::attempt::{GOODBYE_LIMIT, Opened, place};
use super::cause::describe;
use super::error::ConnectError;
use super::options::{as_statements, for_own_statements, restoring_options, safe_options};
use crate::postgres::conninfo::{Endpoint, TargetSessionAttrs};

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
    pub(in crate::postgres) fn restoring_options(&self) -> &str {
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

    pub(super) fn start(endpoint: Endpoint, opened: Opened, version: u32, user_options: &str) -> Self {
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
    pub(super) async fn inspect(&mut self, wanted: TargetSessionAttrs) -> Result<(), ConnectError> {
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
    pub(super) async fn row_at_login(&self, sql: &str) -> Result<Vec<String>, ConnectError> {
        let seconds = self.endpoint.connect_timeout_seconds();
        let place = place(&self.endpoint);
        let messages = match timeout(Duration::from_secs(seconds.into()), self.client.simple_query(sql)).await {
            Err(_) => return Err(ConnectError::TimedOut { place, seconds }),
            Ok(Err(error)) => return Err(ConnectError::new(&place, &self.endpoint, &error)),
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
    pub(super) async fn settle(&self) -> Result<(), ConnectError> {
        let sql = as_statements(&for_own_statements(&safe_options(self.server_version_num, "")));
        self.row_at_login(&format!("{sql}; SELECT 1")).await.map(drop)
    }

    /// The settings for values as text that were changed at the login: by a login event trigger, which changes them in
    /// every session of `pg_dump`, too.
    pub fn changed_at_login(&self) -> &[&'static str] {
        &self.changed_at_login
    }

    /// The settings that are not as a dump takes them if they are not set.
    pub(super) fn unlike_a_dump(&self) -> &[&'static str] {
        &self.unlike_a_dump
    }

    /// Gives child processes one setting more.
    pub(super) fn add_child_option(&mut self, option: &str) {
        self.child_options = format!("{} {option}", self.child_options);
    }

    /// Gives child processes no settings.
    pub(super) fn without_child_options(&mut self) {
        self.child_options.clear();
    }

    /// Whether children must do without startup options: see [`Session::child_options`].
    pub fn is_pooled(&self) -> bool {
        !self.options_arrived
    }
}

/// libpq's meaning of the words, for one server.
pub(super) fn suits(wanted: TargetSessionAttrs, recovers: bool, read_only: bool) -> bool {
    match wanted {
        TargetSessionAttrs::Any | TargetSessionAttrs::PreferStandby => true,
        TargetSessionAttrs::ReadWrite => !recovers && !read_only,
        TargetSessionAttrs::ReadOnly => recovers || read_only,
        TargetSessionAttrs::Primary => !recovers,
        TargetSessionAttrs::Standby => recovers,
    }
}
