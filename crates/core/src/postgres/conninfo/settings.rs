//! What was written, before it is known to fit together.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::secret::Secret;

use super::client_certificate::{read_certificate, read_key};
use super::error::{KNOWN, Position};
use super::host::read_hosts;
use super::{
    ChannelBinding, Conninfo, ConninfoError, DEFAULT_CONNECT_TIMEOUT_SECONDS, MAX_CONNECT_TIMEOUT_SECONDS,
    MIN_CONNECT_TIMEOUT_SECONDS, RootCertificates, SslMode, TargetSessionAttrs,
};

/// The texts of one connection string or of the `PG*` variables.
#[derive(Default)]
pub(super) struct Settings {
    pub(super) names: Vec<String>,
    pub(super) ports: Vec<String>,
    pub(super) addresses: Vec<String>,
    pub(super) user: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) dbname: Option<String>,
    pub(super) sslmode: Option<SslMode>,
    pub(super) sslrootcert: Option<RootCertificates>,
    pub(super) sslcert: Option<PathBuf>,
    pub(super) sslkey: Option<PathBuf>,
    pub(super) channel_binding: Option<ChannelBinding>,
    pub(super) target_session_attrs: Option<TargetSessionAttrs>,
    pub(super) options: String,
    pub(super) connect_timeout_seconds: Option<u32>,
    pub(super) application_name: Option<String>,
    pub(super) fallback_application_name: Option<String>,
}

impl Settings {
    /// Takes one parameter; a later one replaces an earlier one, and an empty one is the default,
    /// as in libpq.
    ///
    /// # Errors
    /// An unknown name, or a value that cannot be one of this parameter.
    pub(super) fn set(&mut self, name: &str, value: &str, position: Position) -> Result<(), ConninfoError> {
        refuse_unsupported(name)?;
        if value.is_empty() && KNOWN.split([' ', ',', ';']).any(|known| known == name) {
            return Ok(());
        }
        match name {
            "host" => self.names = split_list(value),
            "port" => self.ports = split_list(value),
            "hostaddr" => self.addresses = split_list(value),
            "user" => self.user = Some(value.to_owned()),
            "password" => self.set_password(value)?,
            "dbname" => self.dbname = Some(value.to_owned()),
            "sslmode" => self.sslmode = Some(SslMode::parse(value)?),
            "sslrootcert" => self.sslrootcert = Some(read_root_certificates(value)?),
            "sslcert" => self.sslcert = Some(read_certificate(value)?),
            "sslkey" => self.sslkey = Some(read_key(value)?),
            "channel_binding" => self.channel_binding = Some(ChannelBinding::parse(value)?),
            "target_session_attrs" => {
                self.target_session_attrs = Some(TargetSessionAttrs::parse(value)?);
            }
            "options" => value.clone_into(&mut self.options),
            "connect_timeout" => self.connect_timeout_seconds = Some(read_timeout(value)?),
            "application_name" => self.application_name = Some(value.to_owned()),
            "fallback_application_name" => {
                self.fallback_application_name = Some(value.to_owned()).filter(|name| !name.is_empty());
            }
            // Our connections keep themselves alive, speak UTF-8, and need no tuning from outside.
            "keepalives"
            | "keepalives_idle"
            | "keepalives_interval"
            | "keepalives_count"
            | "tcp_user_timeout"
            | "sslcompression"
            | "sslnegotiation"
            | "sslsni"
            | "gssencmode"
            | "client_encoding"
            | "load_balance_hosts" => {}
            _ => return Err(ConninfoError::UnknownParameter { position }),
        }
        Ok(())
    }

    /// Takes the password; an empty one counts as none, as in libpq.
    ///
    /// # Errors
    /// A line break, which no password file can hold.
    pub(super) fn set_password(&mut self, password: &str) -> Result<(), ConninfoError> {
        self.password = read_password(password)?;
        Ok(())
    }

    /// Puts the parts together; the database's name defaults to the user's.
    ///
    /// # Errors
    /// A missing host or user, and lists of hosts and ports that do not match.
    pub(super) fn into_conninfo(self) -> Result<Conninfo, ConninfoError> {
        let hosts = read_hosts(&self.names, &self.ports, &self.addresses)?;
        let user = self.user.filter(|user| !user.is_empty()).ok_or(ConninfoError::MissingUser)?;
        let conninfo = Conninfo {
            hosts,
            dbname: super::cut_name(self.dbname.as_deref().unwrap_or(&user)).to_owned(),
            user,
            password: self.password,
            password_source: None,
            sslmode: self.sslmode,
            sslrootcert: self.sslrootcert,
            sslcert: self.sslcert,
            sslkey: self.sslkey,
            channel_binding: self.channel_binding.unwrap_or(ChannelBinding::Prefer),
            target_session_attrs: self.target_session_attrs.unwrap_or(TargetSessionAttrs::Any),
            options: self.options,
            connect_timeout_seconds: self.connect_timeout_seconds.unwrap_or(DEFAULT_CONNECT_TIMEOUT_SECONDS),
            application_name: self.application_name.or(self.fallback_application_name),
            question_limit: super::DEFAULT_QUESTION_LIMIT,
            naming: super::Naming::SOURCE,
        };
        conninfo.refuse_weak_system_roots()?;
        Ok(conninfo)
    }
}

/// Parameters that change what is trusted or reached, so that ignoring them would be a lie.
fn refuse_unsupported(name: &str) -> Result<(), ConninfoError> {
    let (name, reason) = match name {
        "service" | "servicefile" => ("service", "write the parameters out; service files are not read"),
        "passfile" => ("passfile", "give the password itself"),
        "sslpassword" => ("sslpassword", "write the key of sslkey without a password: openssl pkey -in KEY -out NEW"),
        "sslcrl" | "sslcrldir" => ("sslcrl", "revocation lists are not implemented"),
        "require_auth" => ("require_auth", "use channel_binding=require instead"),
        "requirepeer" => ("requirepeer", "the owner of a socket is not checked"),
        "replication" => ("replication", "backups are logical; use an ordinary connection"),
        _ => return Ok(()),
    };
    Err(ConninfoError::Unsupported { name, reason })
}

/// `None` for an empty password, which libpq takes for no password.
///
/// # Errors
/// A line break or a NUL.
pub(super) fn read_password(password: &str) -> Result<Option<Secret>, ConninfoError> {
    if password.contains('\0') {
        return Err(ConninfoError::Nul { part: "the password" });
    }
    if password.contains(['\n', '\r']) {
        return Err(ConninfoError::PasswordLineBreak);
    }
    Ok(Some(Secret::new(password.to_owned())).filter(|password| !password.is_empty()))
}

/// `system`, or a file that can be opened now, so that a wrong path is a configuration error.
pub(super) fn read_root_certificates(value: &str) -> Result<RootCertificates, ConninfoError> {
    if value == "system" {
        return Ok(RootCertificates::System);
    }
    check_readable(Path::new(value)).map_err(|error| ConninfoError::RootCertificates { reason: error.kind() })?;
    Ok(RootCertificates::File(PathBuf::from(value)))
}

fn check_readable(path: &Path) -> io::Result<()> {
    if File::open(path)?.metadata()?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Ok(())
}

/// Zero, libpq's "forever", becomes the longest wait of this program; one second becomes two, as
/// in libpq.
fn read_timeout(value: &str) -> Result<u32, ConninfoError> {
    match value.trim().parse::<u32>() {
        Ok(0) => Ok(MAX_CONNECT_TIMEOUT_SECONDS),
        Ok(seconds) if seconds <= MAX_CONNECT_TIMEOUT_SECONDS => Ok(seconds.max(MIN_CONNECT_TIMEOUT_SECONDS)),
        _ => Err(ConninfoError::ConnectTimeout),
    }
}

/// Splits a comma list as libpq does; an empty list has no item.
pub(super) fn split_list(value: &str) -> Vec<String> {
    if value.is_empty() {
        return Vec::new();
    }
    value.split(',').map(str::to_owned).collect()
}
