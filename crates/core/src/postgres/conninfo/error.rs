//! What can be wrong with a connection string, said without quoting it.

use std::{fmt, io};

/// Every parameter with an effect; for error messages.
pub(super) const KNOWN: &str = "host, hostaddr, port, user, password, dbname, sslmode, \
    sslrootcert, sslcert, sslkey, channel_binding, target_session_attrs, options, connect_timeout, \
    application_name; accepted without effect: keepalives, keepalives_idle, \
    keepalives_interval, keepalives_count, tcp_user_timeout, sslcompression, sslnegotiation, \
    sslsni, gssencmode, client_encoding, load_balance_hosts";

/// Why a connection string, or a `PG*` variable, is refused.
///
/// The fields are numbers and texts of this program only, so no message can hold a piece of the
/// input: the place of a mistake is often the place of a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConninfoError {
    /// There is no text at all.
    #[error("is empty")]
    Empty,
    /// The text is longer than [`super::MAX_TEXT_BYTES`].
    #[error("is longer than {} bytes", super::MAX_TEXT_BYTES)]
    TooLong,
    /// PostgreSQL knows no text with a NUL character.
    #[error("holds a NUL character in {part}")]
    Nul {
        /// The part that holds it.
        part: &'static str,
    },
    /// Docker's `--env-file` and some panels keep the quotation marks of a shell.
    #[error("begins with a quotation mark; remove the quotation marks around it")]
    Quoted,
    /// White space or a control character, neither of which can be meant here.
    #[error(
        "holds a space, a line break or a control character; in a URL write a space as %20 (and check for a stray line break at the end)"
    )]
    Blank,
    /// A URL of something else.
    #[error(
        "has a scheme other than postgres:// or postgresql:// (a driver's suffix such as +asyncpg must be removed)"
    )]
    OtherScheme,
    /// Neither of the two forms.
    #[error("is neither a URL (postgres://user:password@host/database) nor a list of key=value pairs")]
    NeitherForm,
    /// A `%` that encodes nothing.
    #[error("has, in {part}, a `%` that is not followed by two hexadecimal digits; write % as %25")]
    Percent {
        /// The part that holds it.
        part: &'static str,
    },
    /// Percent-encoded bytes that are no text.
    #[error("has, in {part}, percent-encoded bytes that are not UTF-8")]
    NotUtf8 {
        /// The part that holds them.
        part: &'static str,
    },
    /// `#` would cut the rest off in other parsers.
    #[error("holds an unescaped `#`; write # as %23")]
    Hash,
    /// More than one way to tell the password from the host.
    #[error(
        "holds more than one unescaped `@`, so the password cannot be told from the host; write every @ in the user name or password as %40"
    )]
    SeveralAt,
    /// The password was probably cut at this place.
    #[error(
        "holds an unescaped `@` after the first `/` or `?`; in the user name or password write / as %2F, ? as %3F and @ as %40 (and @ as %40 everywhere else)"
    )]
    LateAt,
    /// `[` without `]`, or something other than a port after it.
    #[error("has square brackets that do not enclose the IPv6 address of host {host}")]
    Brackets {
        /// Counted from 1.
        host: usize,
    },
    /// No host at all.
    #[error("names no host")]
    MissingHost,
    /// No user at all.
    #[error("names no user")]
    MissingUser,
    /// Nothing between two commas.
    #[error("has an empty name for host {host}")]
    EmptyHost {
        /// Counted from 1.
        host: usize,
    },
    /// A name that must not reach a name server.
    #[error(
        "has, in the name of host {host}, a character that no host name holds; check that special characters of the password are percent-encoded"
    )]
    HostName {
        /// Counted from 1.
        host: usize,
    },
    /// More hosts than [`super::MAX_HOSTS`].
    #[error("names more than {} hosts", super::MAX_HOSTS)]
    TooManyHosts,
    /// Often the beginning of a password, hence the advice.
    #[error(
        "has a port of host {host} that is not a number from 1 to 65535; check that special characters of the password are percent-encoded"
    )]
    Port {
        /// Counted from 1.
        host: usize,
    },
    /// Neither one port for all hosts nor one for each.
    #[error("names {ports} ports for {hosts} hosts; give one port, or one for each host")]
    PortCount {
        /// How many ports there are.
        ports: usize,
        /// How many hosts there are.
        hosts: usize,
    },
    /// `hostaddr` takes numbers only.
    #[error("has a hostaddr for host {host} that is not an IP address")]
    HostAddress {
        /// Counted from 1.
        host: usize,
    },
    /// `host` and `hostaddr` must pair up.
    #[error("names {addresses} hostaddrs for {hosts} hosts")]
    HostAddressCount {
        /// How many addresses there are.
        addresses: usize,
        /// How many hosts there are.
        hosts: usize,
    },
    /// An unknown keyword, or one that only other programs know.
    #[error("has a parameter that this program does not know ({position}); known: {}", KNOWN)]
    UnknownParameter {
        /// Which one it is.
        position: Position,
    },
    /// A keyword of libpq that cannot be honoured here, and must not be ignored.
    #[error("sets {name}, which is not supported: {reason}")]
    Unsupported {
        /// The keyword, one of ours.
        name: &'static str,
        /// Why, and what to do instead.
        reason: &'static str,
    },
    /// A keyword without `=`.
    #[error("has a parameter without a value ({position}); {advice}")]
    NoValue {
        /// Which one it is.
        position: Position,
        /// How to write what was probably meant.
        advice: &'static str,
    },
    /// libpq refuses this too.
    #[error("has a second `=` in a parameter ({position}); write = in a value as %3D")]
    SecondEquals {
        /// Which one it is.
        position: Position,
    },
    /// `'` without its partner.
    #[error("has a value in single quotes that do not end ({position})")]
    OpenQuote {
        /// Which one it is.
        position: Position,
    },
    /// A word that is not on the list.
    #[error("has a {parameter} that is not one of: {choices}")]
    Choice {
        /// The keyword, one of ours.
        parameter: &'static str,
        /// Every word that would do.
        choices: &'static str,
    },
    /// `connect_timeout` out of its range.
    #[error("has a connect_timeout that is not a number of seconds from 0 to {}", super::MAX_CONNECT_TIMEOUT_SECONDS)]
    ConnectTimeout,
    /// A password file has one line per password, so such a password could not be handed on.
    #[error("has a password with a line break in it (a stray one at its end?)")]
    PasswordLineBreak,
    /// The file named by `sslrootcert`.
    #[error("has an sslrootcert file that cannot be read: {reason}")]
    RootCertificates {
        /// The kind of failure; its words never hold the path.
        reason: io::ErrorKind,
    },
    /// The file named by `sslcert`.
    #[error("has an sslcert file that cannot be used: {reason}")]
    ClientCertificate {
        /// Words of this program, or the kind of failure.
        reason: String,
    },
    /// The file named by `sslkey`.
    #[error("has an sslkey file that cannot be used: {reason}")]
    ClientKey {
        /// Words of this program, or the kind of failure.
        reason: String,
    },
    /// A certificate without its key, or the other way round.
    #[error("names one file of a client certificate and not the other: {missing} is missing")]
    HalfClientCertificate {
        /// The parameter, and its variable if that fills in.
        missing: String,
    },
    /// The machine has no bundle in any of the usual places.
    #[error(
        "asks to verify the server, but this system has no bundle of certificate authorities; name one with sslrootcert (or PGSSLROOTCERT)"
    )]
    NoSystemRoots,
    /// As libpq has it: public authorities certify anyone, so the name must be checked.
    #[error("has an sslmode weaker than verify-full together with sslrootcert=system")]
    WeakSystemRoots,
}

/// Which of several parameters is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Counted from 1.
    pub(super) ordinal: usize,
    /// Whether it is counted after `?` or from the beginning.
    pub(super) form: Form,
}

/// How a connection string is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `postgres://..`
    Url,
    /// `host=.. user=..`
    Keywords,
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suffix = match (self.ordinal % 10, self.ordinal % 100) {
            (1, rest) if rest != 11 => "st",
            (2, rest) if rest != 12 => "nd",
            (3, rest) if rest != 13 => "rd",
            _ => "th",
        };
        let place = match self.form {
            Form::Url => "after `?`",
            Form::Keywords => "from the left",
        };
        write!(formatter, "the {}{suffix} {place}", self.ordinal)
    }
}
