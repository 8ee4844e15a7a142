//! How to reach a database: a connection string read by our own parser.
//!
//! libpq must never see a connection string, since its error messages print pieces of a malformed
//! one, often of the password. It is read here, and child processes get each part as plain data
//! ([`Endpoint::child_variables`]). No error of this module holds any of the input.

mod choices;
mod client_certificate;
mod endpoint;
mod error;
mod host;
mod keyword;
mod naming;
mod options;
mod password_source;
mod settings;
#[cfg(test)]
mod tests;
mod url;
mod variables;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::secret::Secret;

pub use choices::{ChannelBinding, SslMode, TargetSessionAttrs};
pub use client_certificate::ClientCertificate;
pub use endpoint::Endpoint;
pub use error::{ConninfoError, Position};
pub use host::{Host, Place};
pub use naming::Naming;
pub(in crate::postgres) use options::{FIRST_WITH_LOGIN_TRIGGERS, WITHOUT_EVENT_TRIGGERS, escaped};
pub use password_source::{PasswordCommand, PasswordError, PasswordSource};
pub use variables::{PgVariables, VariableErrors};

/// PostgreSQL's registered port.
pub const DEFAULT_PORT: u16 = 5432;

/// How long one address may take to let us in, unless `connect_timeout` says otherwise; short
/// enough to try all hosts within a minute, long enough for a database that must wake up.
pub const DEFAULT_CONNECT_TIMEOUT_SECONDS: u32 = 10;

/// libpq rounds one second up to two.
const MIN_CONNECT_TIMEOUT_SECONDS: u32 = 2;

/// The longest wait that can be asked for; also what `connect_timeout=0` means, since every wait
/// has a bound.
pub const MAX_CONNECT_TIMEOUT_SECONDS: u32 = 600;

/// How long an answer may take that needs no work worth mentioning, unless the operator says otherwise.
pub const DEFAULT_QUESTION_LIMIT: Duration = Duration::from_secs(60);

/// Far above every real connection string.
pub const MAX_TEXT_BYTES: usize = 16 * 1024;

/// More hosts than a cluster has.
pub const MAX_HOSTS: usize = 32;

/// Where distributions keep the authorities that they trust: Debian and Alpine, Red Hat, BSD and
/// Alpine's alias.
const SYSTEM_BUNDLES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// Maximum bytes of a name (`NAMEDATALEN` - 1).
const MAX_NAME_BYTES: usize = 63;

/// `name` as a server has it, which cuts a longer one at the end of a character, in `CREATE DATABASE` as at login.
/// Everything that is named after a database has this name, also if a connection string has a longer one.
pub fn cut_name(name: &str) -> &str {
    &name[..name.floor_char_boundary(MAX_NAME_BYTES)]
}

/// Which certificate authorities to trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootCertificates {
    /// Those of this system (`sslrootcert=system`).
    System,
    /// Those in a PEM file.
    File(PathBuf),
}

/// A database and all the places where it may be, checked as far as that is possible offline.
///
/// Invariants: there is at least one host; host names hold only characters of host names; the
/// user's name is not empty; the password holds no line break and no NUL. `Debug` shows `***` for
/// the password.
#[derive(Debug, Clone)]
pub struct Conninfo {
    hosts: Vec<Host>,
    user: String,
    password: Option<Secret>,
    password_source: Option<PasswordSource>,
    dbname: String,
    sslmode: Option<SslMode>,
    sslrootcert: Option<RootCertificates>,
    sslcert: Option<PathBuf>,
    sslkey: Option<PathBuf>,
    channel_binding: ChannelBinding,
    target_session_attrs: TargetSessionAttrs,
    options: String,
    connect_timeout_seconds: u32,
    application_name: Option<String>,
    question_limit: Duration,
    naming: Naming,
}

/// See [`Conninfo::pinned`]. A restore sets what its source had after these.
const PINNED: &str = "-c exit_on_error=off -c default_transaction_read_only=off \
    -c default_transaction_isolation=read\\ committed -c default_transaction_deferrable=off -c row_security=on \
    -c client_min_messages=notice -c standard_conforming_strings=on -c backslash_quote=safe_encoding -c array_nulls=on \
    -c transform_null_equals=off -c xmloption=content -c default_tablespace= -c temp_tablespaces= \
    -c default_table_access_method=heap -c gin_fuzzy_search_limit=0 -c synchronize_seqscans=on";

impl Conninfo {
    /// Reads `postgres://..`, `postgresql://..` or libpq's `key=value ..`.
    ///
    /// Nothing is taken from the environment; see [`Conninfo::fill_from`]. Files named by
    /// `sslrootcert` must exist now.
    ///
    /// # Errors
    /// The first thing that is wrong, without any of the text. Anything that could be read in two ways,
    /// such as an unescaped `@` or `/` in a password, is refused.
    pub fn parse(text: &Secret) -> Result<Self, ConninfoError> {
        let text = text.expose();
        if text.trim().is_empty() {
            return Err(ConninfoError::Empty);
        }
        if text.len() > MAX_TEXT_BYTES {
            return Err(ConninfoError::TooLong);
        }
        if text.contains('\0') {
            return Err(ConninfoError::Nul { part: "the text" });
        }
        if text.trim_start().starts_with(['"', '\'']) {
            return Err(ConninfoError::Quoted);
        }
        // The Blank error of a URL covers white space before the scheme too.
        let start = text.trim_start();
        let url = start.strip_prefix("postgresql://").or(start.strip_prefix("postgres://"));
        let settings = match (url, text.find("://"), text.find('=')) {
            (Some(_), _, _) if start.len() < text.len() => return Err(ConninfoError::Blank),
            (Some(rest), _, _) => url::parse(rest)?,
            (None, Some(scheme), equals) if equals.is_none_or(|equals| scheme < equals) => {
                return Err(ConninfoError::OtherScheme);
            }
            (None, _, None) => return Err(ConninfoError::NeitherForm),
            (None, _, Some(_)) => keyword::parse(text)?,
        };
        settings.into_conninfo()
    }

    /// A server that this program started itself: no password, no TLS, everything else by default.
    pub fn local(host: Host, user: &str, dbname: &str) -> Self {
        Self {
            hosts: vec![host],
            user: user.to_owned(),
            password: None,
            password_source: None,
            dbname: dbname.to_owned(),
            sslmode: Some(SslMode::Disable),
            sslrootcert: None,
            sslcert: None,
            sslkey: None,
            channel_binding: ChannelBinding::Prefer,
            target_session_attrs: TargetSessionAttrs::Any,
            options: String::new(),
            connect_timeout_seconds: DEFAULT_CONNECT_TIMEOUT_SECONDS,
            application_name: None,
            question_limit: DEFAULT_QUESTION_LIMIT,
            naming: Naming::SOURCE,
        }
    }

    /// The same connection, whose hints name what has given it.
    #[must_use]
    pub fn named(self, naming: Naming) -> Self {
        Self { naming, ..self }
    }

    /// The same connection, whose sessions wait `limit` for an answer that needs no work worth mentioning.
    #[must_use]
    pub fn with_question_limit(self, limit: Duration) -> Self {
        Self { question_limit: limit, ..self }
    }

    /// Sessions that no event trigger of a restored database acts in, at their login above all; for a superuser of a
    /// server of this version, `server_version_num`.
    #[must_use]
    pub fn without_event_triggers(mut self, server_version_num: u32) -> Self {
        if server_version_num >= FIRST_WITH_LOGIN_TRIGGERS {
            self.options = format!("{} {WITHOUT_EVENT_TRIGGERS}", self.options);
        }
        self
    }

    /// Sessions that do what they say in a database whose owner may have set anything for all its sessions: what
    /// decides as whom they act, and whether and how they run what they are told. They act as `role`, or as the login
    /// itself. What is set at the start of a session ranks above what a database or a role has set.
    #[must_use]
    pub fn pinned(mut self, role: Option<&str>) -> Self {
        let role = escaped(role.unwrap_or("none"));
        let user = escaped(&self.user);
        self.options =
            format!("{} {PINNED} -c session_authorization={user} -c role={role}", self.options).trim().to_owned();
        self
    }

    /// The same server, another database.
    #[must_use]
    pub fn with_dbname(mut self, dbname: &str) -> Self {
        dbname.clone_into(&mut self.dbname);
        self
    }

    /// The same server and database, another login.
    ///
    /// # Errors
    /// An empty user, and a password with a line break or a NUL.
    pub fn with_login(mut self, user: &str, password: Option<&Secret>) -> Result<Self, ConninfoError> {
        if user.is_empty() {
            return Err(ConninfoError::MissingUser);
        }
        user.clone_into(&mut self.user);
        self.password_source = None;
        self.password = match password {
            Some(password) => settings::read_password(password.expose())?,
            None => None,
        };
        Ok(self)
    }

    /// The same connection, whose sessions ask `source` for the password each time.
    #[must_use]
    pub fn with_password_source(self, source: PasswordSource) -> Self {
        Self { password_source: Some(source), ..self }
    }

    /// The same connection with the password as it is now.
    ///
    /// # Errors
    /// If a command gives none.
    pub(super) async fn refreshed(&self) -> Result<Cow<'_, Self>, PasswordError> {
        let Some(source) = &self.password_source else { return Ok(Cow::Borrowed(self)) };
        let password = source.password().await?.or_else(|| self.password.clone());
        Ok(Cow::Owned(Self { password, ..self.clone() }))
    }

    /// Takes `name` for `application_name` unless the connection string gave one.
    #[must_use]
    pub fn with_default_application_name(mut self, name: &str) -> Self {
        self.application_name.get_or_insert_with(|| name.to_owned());
        self
    }

    /// How long an answer may take that needs no work worth mentioning.
    pub fn question_limit(&self) -> Duration {
        self.question_limit
    }

    /// Where to try, in this order; never empty.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// The role to log in as.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The password, if one was given.
    pub fn password(&self) -> Option<&Secret> {
        self.password.as_ref()
    }

    /// The database's name, as plain data.
    pub fn dbname(&self) -> &str {
        &self.dbname
    }

    /// The mode in effect: as given, else `verify-full` with `sslrootcert=system`, else `prefer`.
    pub fn sslmode(&self) -> SslMode {
        match (self.sslmode, &self.sslrootcert) {
            (Some(mode), _) => mode,
            (None, Some(RootCertificates::System)) => SslMode::VerifyFull,
            (None, _) => SslMode::Prefer,
        }
    }

    /// The authorities as given; see [`Conninfo::root_certificate_file`] for what is in effect.
    pub fn root_certificates(&self) -> Option<&RootCertificates> {
        self.sslrootcert.as_ref()
    }

    /// Whether logins are tied to their TLS session.
    pub fn channel_binding(&self) -> ChannelBinding {
        self.channel_binding
    }

    /// What kind of server will do.
    pub fn target_session_attrs(&self) -> TargetSessionAttrs {
        self.target_session_attrs
    }

    /// The user's own server options, as in `-c work_mem=64MB`; ours go after them.
    pub fn options(&self) -> &str {
        &self.options
    }

    /// How long one address may take, in seconds, 2 to [`MAX_CONNECT_TIMEOUT_SECONDS`].
    pub fn connect_timeout_seconds(&self) -> u32 {
        self.connect_timeout_seconds
    }

    /// What the server shows in `pg_stat_activity`.
    pub fn application_name(&self) -> Option<&str> {
        self.application_name.as_deref()
    }

    /// The PEM file to verify servers against, for us and for child processes alike.
    ///
    /// `None` if nothing is verified. The modes `verify-ca` and `verify-full` without `sslrootcert`
    /// take this system's bundle.
    ///
    /// # Errors
    /// [`ConninfoError::NoSystemRoots`] if the bundle is wanted and there is none.
    pub fn root_certificate_file(&self) -> Result<Option<PathBuf>, ConninfoError> {
        let verifies = matches!(self.sslmode(), SslMode::VerifyCa | SslMode::VerifyFull);
        match &self.sslrootcert {
            Some(RootCertificates::File(file)) => Ok(Some(file.clone())),
            None if !verifies => Ok(None),
            Some(RootCertificates::System) | None => SYSTEM_BUNDLES
                .iter()
                .map(Path::new)
                .find(|bundle| bundle.is_file())
                .map(|bundle| Some(bundle.to_owned()))
                .ok_or(ConninfoError::NoSystemRoots),
        }
    }

    /// The certificate by which this program logs in, if one was given.
    ///
    /// # Errors
    /// [`ConninfoError::HalfClientCertificate`] if only one of its two files was.
    pub fn client_certificate(&self) -> Result<Option<ClientCertificate>, ConninfoError> {
        match (&self.sslcert, &self.sslkey) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => {
                Ok(Some(ClientCertificate { certificate: certificate.clone(), key: key.clone() }))
            }
            (Some(_), None) => {
                Err(ConninfoError::HalfClientCertificate { missing: self.naming.or("sslkey", "PGSSLKEY") })
            }
            (None, Some(_)) => {
                Err(ConninfoError::HalfClientCertificate { missing: self.naming.or("sslcert", "PGSSLCERT") })
            }
        }
    }

    /// One endpoint for each host, in order.
    ///
    /// # Errors
    /// As [`Conninfo::root_certificate_file`] and [`Conninfo::client_certificate`].
    pub fn endpoints(&self) -> Result<Vec<Endpoint>, ConninfoError> {
        let root_certificate_file = self.root_certificate_file()?;
        let client_certificate = self.client_certificate()?;
        let new = |host| Endpoint::new(self, host, root_certificate_file.clone(), client_certificate.clone());
        Ok(self.hosts.iter().map(new).collect())
    }

    fn refuse_weak_system_roots(&self) -> Result<(), ConninfoError> {
        let uses_system = self.sslrootcert == Some(RootCertificates::System);
        if uses_system && self.sslmode() != SslMode::VerifyFull {
            return Err(ConninfoError::WeakSystemRoots);
        }
        Ok(())
    }
}
