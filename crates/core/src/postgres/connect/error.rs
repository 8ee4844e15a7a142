//! Why there is no session, and whether it is worth trying again.

use std::{fmt, io};

use tokio_postgres::error::SqlState;

use crate::postgres::conninfo::{ConninfoError, Endpoint, Naming, PasswordError};
use crate::postgres::tls::TlsSetupError;

use super::cause::{clean, describe, find_source, is_passing_code, server_hint, tls_hint};

/// Why no session could be opened. `place` is the database and the host.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The settings themselves do not allow a connection.
    #[error("the connection string {0}")]
    Settings(ConninfoError),
    /// There is no password to log in with.
    #[error("log in to the database: {0}")]
    Password(PasswordError),
    /// The file of authorities is of no use.
    #[error(transparent)]
    TlsSetup(#[from] TlsSetupError),
    /// The name server does not know the host, or does not answer.
    #[error("connect to {place}: look up the host: {reason}{}", Hint(Some("check the host name")))]
    Resolve {
        /// Database and host.
        place: String,
        /// The resolver's words.
        reason: String,
    },
    /// Refused, reset, no route: the network or the server is down.
    #[error(
        "connect to {place}: {reason}{}",
        Hint(Some("check that the server runs, and that host and port are right"))
    )]
    Unreachable {
        /// Database and host.
        place: String,
        /// The operating system's words.
        reason: String,
    },
    /// One address took longer than `connect_timeout`.
    #[error(
        "connect to {place}: no answer within {seconds} seconds{}",
        Hint(Some("check host and port, and firewalls between here and there"))
    )]
    TimedOut {
        /// Database and host.
        place: String,
        /// The bound that was reached.
        seconds: u32,
    },
    /// PostgreSQL itself says no.
    #[error("connect to {place}: {message} (SQLSTATE {}){}", .code.code(), Hint(.hint.as_deref()))]
    Server {
        /// Database and host.
        place: String,
        /// PostgreSQL's message.
        message: String,
        /// PostgreSQL's code.
        code: SqlState,
        /// What to do.
        hint: Option<String>,
    },
    /// Something between us and the server drops or refuses session settings.
    #[error(
        "connect to {place}: {message}{}",
        Hint(Some("this looks like a connection pooler; use the direct endpoint of the database"))
    )]
    Pooler {
        /// Database and host.
        place: String,
        /// What gave it away.
        message: String,
    },
    /// The certificate is not believed, or the two sides find no common protocol.
    #[error("connect to {place}: TLS failed: {reason}{}", Hint(.hint.as_deref()))]
    Tls {
        /// Database and host.
        place: String,
        /// The TLS library's words.
        reason: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The server has TLS switched off, and `sslmode` insists on it.
    #[error(
        "connect to {place}: the server does not offer TLS{}",
        Hint(Some("switch ssl on there, or use a weaker sslmode on a private network"))
    )]
    NoTls {
        /// Database and host.
        place: String,
    },
    /// The login failed on our side.
    #[error("connect to {place}: {reason}{}", Hint(.hint.as_deref()))]
    Login {
        /// Database and host.
        place: String,
        /// What is missing.
        reason: String,
        /// What to do.
        hint: Option<String>,
    },
    /// Something answers, but not as PostgreSQL does.
    #[error(
        "connect to {place}: unexpected answer: {reason}{}",
        Hint(Some("check that host and port are those of a PostgreSQL server"))
    )]
    NotPostgres {
        /// Database and host.
        place: String,
        /// What was wrong with it.
        reason: String,
    },
    /// The server is fine, but not of the kind that `target_session_attrs` asks for.
    #[error("connect to {place}: the server is not {wanted}, as target_session_attrs asks")]
    WrongKind {
        /// Database and host.
        place: String,
        /// The word of `target_session_attrs`.
        wanted: &'static str,
    },
    /// Several hosts, and none let us in.
    #[error("none of {} attempts succeeded:{}", .0.len(), List(.0))]
    Every(Vec<ConnectError>),
}

impl ConnectError {
    /// Whether the same attempt may succeed later with the same settings.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Resolve { .. }
            | Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::WrongKind { .. }
            // What lends tokens has its own bad minutes.
            | Self::Password(_) => true,
            Self::Server { code, .. } => is_passing_code(code),
            Self::Every(failures) => failures.iter().any(Self::is_passing),
            Self::Settings(_)
            | Self::TlsSetup(_)
            | Self::Pooler { .. }
            | Self::Tls { .. }
            | Self::NoTls { .. }
            | Self::Login { .. }
            | Self::NotPostgres { .. } => false,
        }
    }

    /// Whether there was no answer.
    pub fn is_silence(&self) -> bool {
        match self {
            Self::Resolve { .. } | Self::Unreachable { .. } | Self::TimedOut { .. } => true,
            Self::Every(failures) => failures.iter().all(Self::is_silence),
            Self::Settings(_)
            | Self::Password(_)
            | Self::TlsSetup(_)
            | Self::Server { .. }
            | Self::Pooler { .. }
            | Self::Tls { .. }
            | Self::NoTls { .. }
            | Self::Login { .. }
            | Self::NotPostgres { .. }
            | Self::WrongKind { .. } => false,
        }
    }

    /// Whether other hosts need not be tried, since the login is wrong rather than the host; the
    /// same rule as libpq's.
    pub(super) fn concerns_every_host(&self) -> bool {
        match self {
            Self::Settings(_) | Self::Password(_) | Self::TlsSetup(_) | Self::Login { .. } => true,
            Self::Server { code, .. } => {
                let code = code.code();
                code.starts_with("28") || code == "3D000" || code == "42501"
            }
            Self::Resolve { .. }
            | Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::WrongKind { .. }
            | Self::Pooler { .. }
            | Self::Tls { .. }
            | Self::NoTls { .. }
            | Self::NotPostgres { .. }
            | Self::Every(_) => false,
        }
    }

    /// Whether `sslmode=prefer` or `allow` should try the other way: TLS failed, or a pg_hba.conf
    /// rule distinguishes the two ways (28000). Not for a wrong password: that one stays wrong, and
    /// servers count.
    pub(super) fn depends_on_encryption(&self) -> bool {
        match self {
            Self::Tls { .. } | Self::NoTls { .. } => true,
            Self::Server { code, .. } => *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
            _ => false,
        }
    }

    /// Whether all slots were taken, perhaps by our own session a moment ago.
    pub(super) fn is_too_many_connections(&self) -> bool {
        matches!(self, Self::Server { code, .. } if *code == SqlState::TOO_MANY_CONNECTIONS)
    }

    /// Sorts a failure of the driver; the password is removed from what the server said.
    pub(super) fn new(place: &str, endpoint: &Endpoint, error: &tokio_postgres::Error) -> Self {
        let (place, password, naming) = (place.to_owned(), endpoint.password(), endpoint.naming());
        if let Some(server) = error.as_db_error() {
            let message = clean(server.message(), password);
            if message.contains("unsupported startup parameter") {
                return Self::Pooler { place, message };
            }
            let hint = server_hint(server.code(), &message, naming);
            // A login is plain, unless a login event trigger runs code in it: its function is named there.
            let message = match server.where_() {
                Some(place) => format!("{message}, in {}", clean(place.lines().next().unwrap_or_default(), password)),
                None => message,
            };
            return Self::Server { place, message, code: server.code().clone(), hint };
        }
        if let Some(tls) = find_source::<rustls::Error>(error) {
            let reason = clean(&tls.to_string(), password);
            return Self::Tls { place, reason, hint: tls_hint(tls, naming) };
        }
        let reason = clean(&describe(error), password);
        if let Some(io) = find_source::<io::Error>(error) {
            return match io.kind() {
                io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => Self::NotPostgres { place, reason },
                _ => Self::Unreachable { place, reason: clean(&io.to_string(), password) },
            };
        }
        if error.is_closed() {
            return Self::Unreachable { place, reason };
        }
        Self::from_words(place, reason, naming)
    }

    /// Sorts what is left by the driver's fixed words (tokio-postgres 0.7), since it keeps its kinds
    /// to itself.
    fn from_words(place: String, reason: String, naming: Naming) -> Self {
        match reason.as_str() {
            text if text.contains("server does not support TLS") => Self::NoTls { place },
            text if text.contains("password missing") => Self::Login {
                place,
                reason: "the server asks for a password, and none was given".to_owned(),
                hint: Some(naming.set_password()),
            },
            text if text.contains("channel binding") => {
                let hint = Some("channel_binding=require needs TLS and a SCRAM password".to_owned());
                Self::Login { place, reason, hint }
            }
            text if text.starts_with("authentication error") => Self::Login { place, reason, hint: None },
            text if text.starts_with("error performing TLS") => Self::Tls { place, reason, hint: None },
            _ => Self::NotPostgres { place, reason },
        }
    }
}

/// A line of its own, if there is anything to say.
struct Hint<'hint>(Option<&'hint str>);

impl fmt::Display for Hint<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(hint) => write!(formatter, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

/// The failures of all hosts, one to a line, their hints further in.
struct List<'list>(&'list [ConnectError]);

impl fmt::Display for List<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for failure in self.0 {
            let text = failure.to_string().replace('\n', "\n    ");
            write!(formatter, "\n  {text}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(code: SqlState) -> ConnectError {
        ConnectError::Server { place: "x".to_owned(), message: "no".to_owned(), code, hint: None }
    }

    #[track_caller]
    fn check(code: &str, passing: bool) {
        assert_eq!(server(SqlState::from_code(code)).is_passing(), passing, "{code}");
    }

    #[test]
    fn what_passes_and_what_does_not() {
        for code in ["57P03", "57P01", "53300", "53200", "08006", "40001", "55P03"] {
            check(code, true);
        }
        for code in ["28P01", "28000", "3D000", "42501", "57014", "22023", "42P01"] {
            check(code, false);
        }
        let wrong = || server(SqlState::INVALID_PASSWORD);
        let busy = || server(SqlState::TOO_MANY_CONNECTIONS);
        assert!(!ConnectError::Every(vec![wrong(), wrong()]).is_passing());
        assert!(ConnectError::Every(vec![wrong(), busy()]).is_passing());
    }

    #[test]
    fn several_hosts_are_listed_with_their_hints() {
        let timed_out = ConnectError::TimedOut { place: "b:2".to_owned(), seconds: 10 };
        let shown = ConnectError::Every(vec![server(SqlState::CANNOT_CONNECT_NOW), timed_out]);
        assert_eq!(
            shown.to_string(),
            "none of 2 attempts succeeded:\n  connect to x: no (SQLSTATE 57P03)\n  \
             connect to b:2: no answer within 10 seconds\n    \
             hint: check host and port, and firewalls between here and there"
        );
    }
}
