//! One host of a connection, and what a client tool needs to reach it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::secret::Secret;

use super::{ChannelBinding, ClientCertificate, Conninfo, Host, Naming, PasswordError, PasswordSource, Place, SslMode};

/// One chosen host together with login, database and TLS settings.
///
/// It is what child processes are given, so that they reach the very server that we looked at, and
/// not another one of the list. `Debug` shows `***` for the password.
#[derive(Debug, Clone)]
pub struct Endpoint {
    host: Host,
    user: String,
    password: Option<Secret>,
    password_source: Option<PasswordSource>,
    dbname: String,
    sslmode: SslMode,
    root_certificate_file: Option<PathBuf>,
    client_certificate: Option<ClientCertificate>,
    channel_binding: ChannelBinding,
    connect_timeout_seconds: u32,
    application_name: Option<String>,
    question_limit: Duration,
    naming: Naming,
}

impl Endpoint {
    pub(super) fn new(
        conninfo: &Conninfo,
        host: &Host,
        root_certificate_file: Option<PathBuf>,
        client_certificate: Option<ClientCertificate>,
    ) -> Self {
        Self {
            host: host.clone(),
            user: conninfo.user.clone(),
            password: conninfo.password.clone(),
            password_source: conninfo.password_source.clone(),
            dbname: conninfo.dbname.clone(),
            sslmode: conninfo.sslmode(),
            root_certificate_file,
            client_certificate,
            channel_binding: conninfo.channel_binding,
            connect_timeout_seconds: conninfo.connect_timeout_seconds,
            application_name: conninfo.application_name.clone(),
            question_limit: conninfo.question_limit,
            naming: conninfo.naming,
        }
    }

    /// The host, which has a `Display` fit for logs.
    pub fn host(&self) -> &Host {
        &self.host
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

    /// The mode in effect; without meaning for a Unix-domain socket.
    pub fn sslmode(&self) -> SslMode {
        self.sslmode
    }

    /// The PEM file to verify the server against; `None` if nothing is verified.
    pub fn root_certificate_file(&self) -> Option<&Path> {
        self.root_certificate_file.as_deref()
    }

    /// The certificate by which the role logs in; without meaning if TLS is not used.
    pub fn client_certificate(&self) -> Option<&ClientCertificate> {
        self.client_certificate.as_ref()
    }

    /// Whether the login is tied to its TLS session.
    pub fn channel_binding(&self) -> ChannelBinding {
        self.channel_binding
    }

    /// How long connecting may take, in seconds.
    pub fn connect_timeout_seconds(&self) -> u32 {
        self.connect_timeout_seconds
    }

    /// What the server shows in `pg_stat_activity`.
    pub fn application_name(&self) -> Option<&str> {
        self.application_name.as_deref()
    }

    /// What hints name.
    pub(in crate::postgres) fn naming(&self) -> Naming {
        self.naming
    }

    /// How long an answer may take that needs no work worth mentioning.
    pub fn question_limit(&self) -> Duration {
        self.question_limit
    }

    /// The environment that makes libpq connect here, without the password (see
    /// [`Endpoint::passfile_line`]). `options` becomes `PGOPTIONS`.
    ///
    /// The database's name is in `PGDATABASE`, which libpq takes as plain data, while on a command
    /// line it would read a database called `host=elsewhere` as a connection string.
    pub fn child_variables(&self, options: &str) -> Vec<(&'static str, OsString)> {
        let host = match self.host.place() {
            Place::Tcp(name) => name.into(),
            Place::Unix(directory) => directory.into(),
        };
        let mut variables: Vec<(&'static str, OsString)> = vec![
            ("PGHOST", host),
            ("PGPORT", self.host.port().to_string().into()),
            ("PGUSER", self.user.clone().into()),
            ("PGDATABASE", self.dbname.clone().into()),
            ("PGSSLMODE", self.sslmode.as_str().into()),
            ("PGCHANNELBINDING", self.channel_binding.as_str().into()),
            ("PGCONNECT_TIMEOUT", self.connect_timeout_seconds.to_string().into()),
            ("PGOPTIONS", options.into()),
        ];
        if let Some(address) = self.host.address() {
            variables.push(("PGHOSTADDR", address.to_string().into()));
        }
        if let Some(file) = &self.root_certificate_file {
            variables.push(("PGSSLROOTCERT", file.into()));
        }
        if let Some(ClientCertificate { certificate, key }) = &self.client_certificate {
            variables.push(("PGSSLCERT", certificate.into()));
            variables.push(("PGSSLKEY", key.into()));
        }
        if let Some(name) = &self.application_name {
            variables.push(("PGAPPNAME", name.into()));
        }
        variables
    }

    /// The same endpoint with the password as it is now: that of the session may have expired since.
    ///
    /// # Errors
    /// If a command gives none.
    pub(in crate::postgres) async fn refreshed(&self) -> Result<Self, PasswordError> {
        let fresh = match &self.password_source {
            Some(source) => source.password().await?,
            None => None,
        };
        let password = fresh.or_else(|| self.password.clone());
        Ok(Self { password, ..self.clone() })
    }

    /// The only line of a password file (`PGPASSFILE`) for this endpoint, without a line break;
    /// `None` without a password.
    ///
    /// It matches every host, since the file serves one child process only.
    pub fn passfile_line(&self) -> Option<Secret> {
        let password = self.password.as_ref()?.expose();
        // Room for every character escaped, so that no half-grown copy stays in memory.
        let mut line = String::with_capacity("*:*:*:*:".len() + 2 * password.len());
        line.push_str("*:*:*:*:");
        for character in password.chars() {
            if matches!(character, ':' | '\\') {
                line.push('\\');
            }
            line.push(character);
        }
        Some(Secret::new(line))
    }
}
