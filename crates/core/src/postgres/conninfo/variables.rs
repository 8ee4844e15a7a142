//! The `PG*` variables, which may hold a whole connection or complete a connection string.

use std::path::PathBuf;

use crate::secret::Secret;

use super::client_certificate::{read_certificate, read_key};
use super::settings::{Settings, read_password, read_root_certificates, split_list};
use super::{Conninfo, ConninfoError, SslMode};

/// What is wrong, by the name of the variable.
pub type VariableErrors = Vec<(&'static str, ConninfoError)>;

/// The values of the variables that libpq knows and we honour; an empty one counts as not set.
#[derive(Debug, Clone, Default)]
pub struct PgVariables {
    /// `PGHOST`: names, addresses or socket directories, separated by commas.
    pub host: Option<String>,
    /// `PGPORT`: one port, or one for each host.
    pub port: Option<String>,
    /// `PGUSER`.
    pub user: Option<String>,
    /// `PGDATABASE`; defaults to the user's name.
    pub database: Option<String>,
    /// `PGPASSWORD`.
    pub password: Option<Secret>,
    /// `PGSSLMODE`.
    pub sslmode: Option<String>,
    /// `PGSSLROOTCERT`: a file, or `system`.
    pub sslrootcert: Option<String>,
    /// `PGSSLCERT`: the file of a client certificate.
    pub sslcert: Option<String>,
    /// `PGSSLKEY`: the file of its key.
    pub sslkey: Option<String>,
}

/// What completes a connection string.
#[derive(Default)]
struct Completion {
    password: Option<Secret>,
    sslmode: Option<SslMode>,
    sslrootcert: Option<super::RootCertificates>,
    sslcert: Option<PathBuf>,
    sslkey: Option<PathBuf>,
}

impl Conninfo {
    /// Builds a connection from the variables alone.
    ///
    /// # Errors
    /// Everything that is wrong or missing, each with the variable's name.
    pub fn from_variables(variables: &PgVariables) -> Result<Self, VariableErrors> {
        let mut errors = VariableErrors::new();
        let completion = read_completion(variables, &mut errors);
        for (name, value) in [
            ("PGHOST", &variables.host),
            ("PGPORT", &variables.port),
            ("PGUSER", &variables.user),
            ("PGDATABASE", &variables.database),
        ] {
            if value.as_ref().is_some_and(|value| value.contains('\0')) {
                errors.push((name, ConninfoError::Nul { part: "the value" }));
            }
        }
        let user = given(&variables.user);
        if user.is_none() {
            errors.push(("PGUSER", ConninfoError::MissingUser));
        }
        let settings = Settings {
            names: split_list(given(&variables.host).unwrap_or_default()),
            ports: split_list(given(&variables.port).unwrap_or_default()),
            // Any name does here when there is none: the error is on the list already.
            user: Some(user.unwrap_or("missing").to_owned()),
            dbname: given(&variables.database).map(str::to_owned),
            password: completion.password,
            sslmode: completion.sslmode,
            sslrootcert: completion.sslrootcert,
            sslcert: completion.sslcert,
            sslkey: completion.sslkey,
            ..Settings::default()
        };
        match settings.into_conninfo().and_then(|conninfo| {
            conninfo.endpoints()?;
            Ok(conninfo)
        }) {
            Ok(conninfo) if errors.is_empty() => return Ok(conninfo),
            Ok(_) => {}
            Err(error) => errors.push((variable_of(&error), error)),
        }
        Err(errors)
    }

    /// Takes password, sslmode and sslrootcert from the variables if the connection string gave
    /// none, and checks that the result can be used.
    ///
    /// # Errors
    /// Everything that is wrong, each with the variable's name; `self` is then unchanged.
    pub fn fill_from(&mut self, variables: &PgVariables) -> Result<(), VariableErrors> {
        // A variable that the connection string overrides may hold anything.
        let wanted = PgVariables {
            password: variables.password.clone().filter(|_| self.password.is_none()),
            sslmode: variables.sslmode.clone().filter(|_| self.sslmode.is_none()),
            sslrootcert: variables.sslrootcert.clone().filter(|_| self.sslrootcert.is_none()),
            sslcert: variables.sslcert.clone().filter(|_| self.sslcert.is_none()),
            sslkey: variables.sslkey.clone().filter(|_| self.sslkey.is_none()),
            ..PgVariables::default()
        };
        let mut errors = VariableErrors::new();
        let completion = read_completion(&wanted, &mut errors);
        let mut filled = self.clone();
        filled.password = filled.password.or(completion.password);
        filled.sslmode = filled.sslmode.or(completion.sslmode);
        filled.sslrootcert = filled.sslrootcert.or(completion.sslrootcert);
        filled.sslcert = filled.sslcert.or(completion.sslcert);
        filled.sslkey = filled.sslkey.or(completion.sslkey);
        let files = filled.root_certificate_file().map(drop).and(filled.client_certificate().map(drop));
        let check = filled.refuse_weak_system_roots().and(files);
        if let Err(error) = check {
            errors.push((variable_of(&error), error));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        *self = filled;
        Ok(())
    }
}

fn read_completion(variables: &PgVariables, errors: &mut VariableErrors) -> Completion {
    let mut completion = Completion::default();
    match variables.password.as_ref().map(|password| read_password(password.expose())) {
        Some(Ok(password)) => completion.password = password,
        Some(Err(error)) => errors.push(("PGPASSWORD", error)),
        None => {}
    }
    match given(&variables.sslmode).map(SslMode::parse) {
        Some(Ok(sslmode)) => completion.sslmode = Some(sslmode),
        Some(Err(error)) => errors.push(("PGSSLMODE", error)),
        None => {}
    }
    match given(&variables.sslrootcert).map(read_root_certificates) {
        Some(Ok(sslrootcert)) => completion.sslrootcert = Some(sslrootcert),
        Some(Err(error)) => errors.push(("PGSSLROOTCERT", error)),
        None => {}
    }
    for (name, value, read, slot) in [
        ("PGSSLCERT", &variables.sslcert, read_certificate as ReadFile, &mut completion.sslcert),
        ("PGSSLKEY", &variables.sslkey, read_key, &mut completion.sslkey),
    ] {
        match given(value).map(read) {
            Some(Ok(path)) => *slot = Some(path),
            Some(Err(error)) => errors.push((name, error)),
            None => {}
        }
    }
    completion
}

/// Takes the path of a file that can be used.
type ReadFile = fn(&str) -> Result<PathBuf, ConninfoError>;

fn given(value: &Option<String>) -> Option<&str> {
    value.as_deref().filter(|value| !value.is_empty())
}

/// The variable to correct for an error that shows only when the parts are put together.
fn variable_of(error: &ConninfoError) -> &'static str {
    match error {
        ConninfoError::Port { .. } | ConninfoError::PortCount { .. } => "PGPORT",
        ConninfoError::NoSystemRoots => "PGSSLROOTCERT",
        ConninfoError::HalfClientCertificate { .. } => "PGSSLCERT",
        ConninfoError::WeakSystemRoots => "PGSSLMODE",
        ConninfoError::MissingUser => "PGUSER",
        _ => "PGHOST",
    }
}
