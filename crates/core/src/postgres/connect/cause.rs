//! What a failure of the driver means: its words, whether it passes, and what to do about it.

use std::error::Error as _;
use std::io;

use tokio_postgres::error::SqlState;

use crate::postgres::conninfo::Naming;
use crate::secret::Secret;

/// Servers' messages are one line; this keeps a hostile one from flooding a log.
const MAX_MESSAGE_CHARACTERS: usize = 1000;

/// Shorter passwords occur in ordinary words, which then would become unreadable.
const MIN_SCRUBBED_BYTES: usize = 4;

/// Whether a failed statement may succeed later: the connection broke, the server was stopped or
/// had no resources left, or other sessions were in the way.
pub fn is_passing(error: &tokio_postgres::Error) -> bool {
    if let Some(code) = error.code() {
        return is_passing_code(code);
    }
    let broken = find_source::<io::Error>(error).is_some();
    (broken && find_source::<rustls::Error>(error).is_none()) || error.is_closed()
}

/// Classes and codes from the PostgreSQL documentation, appendix A.
pub(super) fn is_passing_code(code: &SqlState) -> bool {
    let code = code.code();
    // Connection exceptions, and insufficient resources.
    code.starts_with("08")
        || code.starts_with("53")
        // admin_shutdown, crash_shutdown, cannot_connect_now, idle_session_timeout
        || matches!(code, "57P01" | "57P02" | "57P03" | "57P05")
        // serialization_failure, deadlock_detected, lock_not_available
        || matches!(code, "40001" | "40P01" | "55P03")
}

/// One line with everything that a driver error knows, such as `relation "x" does not exist
/// (SQLSTATE 42P01)`; its own `Display` says only `db error`.
pub fn describe(error: &tokio_postgres::Error) -> String {
    if let Some(server) = error.as_db_error() {
        let message = clean(server.message(), None);
        return format!("{message} (SQLSTATE {})", server.code().code());
    }
    match error.source() {
        Some(source) => clean(&format!("{error}: {source}"), None),
        None => error.to_string(),
    }
}

/// Looks through the chain of sources, and into the errors that `io::Error` wraps.
pub(super) fn find_source<E: std::error::Error + 'static>(error: &tokio_postgres::Error) -> Option<&E> {
    let mut next = error.source();
    while let Some(source) = next {
        if let Some(found) = source.downcast_ref::<E>() {
            return Some(found);
        }
        let wrapped = source.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = wrapped.and_then(|wrapped| wrapped.downcast_ref::<E>()) {
            return Some(found);
        }
        next = source.source();
    }
    None
}

/// Makes a server's text fit for one line of a log.
pub(super) fn clean(text: &str, password: Option<&Secret>) -> String {
    let mut text = text.to_owned();
    if let Some(password) = password.map(Secret::expose)
        && password.len() >= MIN_SCRUBBED_BYTES
    {
        text = text.replace(password, "***");
    }
    let printable = |character: char| {
        if character.is_control() { ' ' } else { character }
    };
    text.chars().map(printable).take(MAX_MESSAGE_CHARACTERS).collect()
}

pub(super) fn server_hint(code: &SqlState, message: &str, naming: Naming) -> Option<String> {
    let hint = match code.code() {
        "28P01" => return Some(naming.check_password()),
        "28000" if message.contains("no encryption") || message.contains("SSL off") => {
            "the server wants TLS; set sslmode=require"
        }
        "28000" if message.contains("valid client certificate") => {
            let files = naming.or("sslcert and sslkey", "PGSSLCERT and PGSSLKEY");
            return Some(format!("the server wants a client certificate; give it by {files}"));
        }
        "28000" if message.contains("pg_hba.conf") => {
            "the server's pg_hba.conf must admit this user, database and address"
        }
        "28000" => return Some(naming.check_user()),
        "3D000" => return Some(naming.check_database()),
        "42501" => "grant CONNECT on the database to this user",
        "53300" => "raise max_connections or the role's CONNECTION LIMIT, or close sessions",
        "P0001" => "a login event trigger of the database refuses the session; let it pass this role",
        "57P03" => "the server is starting, stopping or recovering; it may answer later",
        _ => return None,
    };
    Some(hint.to_owned())
}

pub(super) fn tls_hint(error: &rustls::Error, naming: Naming) -> Option<String> {
    use rustls::CertificateError as Bad;
    let rustls::Error::InvalidCertificate(bad) = error else {
        return None;
    };
    let hint = match bad {
        Bad::UnknownIssuer | Bad::BadSignature => {
            let setting = naming.or("sslrootcert=/path/to/ca.pem", "PGSSLROOTCERT");
            return Some(format!("give the authority's certificate with {setting}"));
        }
        Bad::NotValidForNameContext { presented, .. } if presented.is_empty() => {
            "the certificate has no subjectAltName; issue it anew with one, or use sslmode=verify-ca"
        }
        Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
            "connect by a name that the certificate lists, or use sslmode=verify-ca on a trusted network"
        }
        Bad::Expired | Bad::ExpiredContext { .. } => {
            "the certificate has expired (or this machine's clock is wrong); renew it"
        }
        Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
            "the certificate is not valid yet (or this machine's clock is wrong)"
        }
        _ => "issue a version 3 server certificate, or name a self-signed one itself with sslrootcert",
    };
    Some(hint.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A person who restores has no DATABASE_URL, and no `PG*` variable fills in.
    #[test]
    fn hints_name_what_has_given_the_connection_and_nothing_else() {
        let restore = Naming::of("RESTORE_URL").or_if_missing("or let --create make the database");
        let unknown_issuer = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let hints = |naming: Naming| {
            let of_server = |code, message| server_hint(&SqlState::from_code(code), message, naming).unwrap();
            [
                of_server("28P01", ""),
                of_server("28000", ""),
                of_server("28000", "connection requires a valid client certificate"),
                of_server("3D000", ""),
                tls_hint(&unknown_issuer, naming).unwrap(),
                naming.set_password(),
            ]
        };
        for hint in hints(restore) {
            assert!(!hint.contains("DATABASE_URL") && !hint.contains("PG"), "{hint}");
        }
        assert_eq!(hints(restore)[3], "check the database name in RESTORE_URL, or let --create make the database");
        for hint in hints(Naming::SOURCE) {
            assert!(hint.contains("PG"), "{hint}");
        }
        assert_eq!(hints(Naming::SOURCE)[3], "check the database name in DATABASE_URL or PGDATABASE");
    }

    #[test]
    fn a_server_that_echoes_the_password_is_scrubbed_r070() {
        let password = Secret::new("swordfish".to_owned());
        assert_eq!(clean("no\nswordfish here", Some(&password)), "no *** here");
    }
}
