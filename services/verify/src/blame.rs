//! Whose doing it is that a drill, or the restore of a person, cannot go on once code of the archive may have run.
//!
//! Code of an archive can close the database to its own role, end the drill's sessions or hold what they wait for. Were
//! that "could not run", an archive could say so of each of its drills. So a server that lives and refuses is a finding. A
//! server that died, was started anew, lacks room or cannot be reached says nothing about the archive.

use anyhow::Error;
use backup_core::cause::find_cause;
use backup_core::postgres::connect::{ConnectError, Session};
use backup_core::postgres::{ChildError, Said};

use crate::evidence::{AnotherDrill, Evidence, Trouble};
use crate::reference::Place;

/// The check that the finding belongs to.
const CHECK: &str = "restore";

/// What a session says that another one has ended (`admin_shutdown`), and one that the end of all has taken along
/// (`crash_shutdown`).
const ENDED: &str = "57P01";
const CRASHED: &str = "57P02";

/// Turns an `outcome` that the archive has caused into damage. `server_start` is from before the restore, and `sessions`
/// were opened then.
pub(crate) async fn unless_archive(
    outcome: Result<(), Trouble>,
    place: &Place<'_>,
    server_start: &str,
    sessions: &[&Session],
    evidence: &mut Evidence,
) -> Result<(), Trouble> {
    let error = match outcome {
        Err(Trouble::CouldNotRun(error)) if evidence.code_ran && !error.is::<AnotherDrill>() => error,
        outcome => return outcome,
    };
    let ended: Vec<&str> = sessions.iter().filter_map(|session| session.broken_by()).collect();
    if !is_refusal(&error, &ended) || !is_alive(place, server_start).await {
        return Err(Trouble::CouldNotRun(error));
    }
    let words = Said::without_names().in_error(&error);
    Err(evidence.damaged(
        CHECK,
        format!(
            "once the restore had begun, the server, which still runs, refused the sessions of verify; code of the \
             backup can cause that, such as by ALTER DATABASE, ALTER ROLE, REVOKE or pg_terminate_backend: {words}"
        ),
    ))
}

/// Whether the server has answered, and with a refusal. `ended` says what ended sessions that were open.
fn is_refusal(error: &Error, ended: &[&str]) -> bool {
    if ended.iter().any(|why| why.contains(CRASHED)) {
        return false;
    }
    if let Some(refused) = find_cause::<ConnectError>(error) {
        return is_refused_login(refused);
    }
    if let Some(ChildError::Failed { words, .. }) = find_cause::<ChildError>(error) {
        return words.contains("FATAL:") || words.contains("ERROR:") || words.contains("terminating connection");
    }
    match find_cause::<tokio_postgres::Error>(error) {
        Some(error) => match error.code() {
            Some(code) => is_refusal_code(code.code()),
            None => error.is_closed() && ended.iter().any(|why| why.contains(ENDED)),
        },
        None => false,
    }
}

fn is_refused_login(refused: &ConnectError) -> bool {
    match refused {
        ConnectError::Server { code, .. } => is_refusal_code(code.code()),
        ConnectError::Every(failures) => failures.iter().any(is_refused_login),
        _ => false,
    }
}

/// Not the codes of a server that lacks room, reads damaged files, starts or stops. A limit of connections (53300) and a
/// library that is not there (58P01) are settings of a database or a role.
fn is_refusal_code(code: &str) -> bool {
    match code {
        "53300" | "58P01" => true,
        CRASHED | "57P03" => false,
        code => !["08", "53", "58", "XX", "F0"].iter().any(|class| code.starts_with(class)),
    }
}

/// Whether the server runs as it did before the restore. If the archive's code has the login that would ask, its refusal
/// is an answer as well.
async fn is_alive(place: &Place<'_>, server_start: &str) -> bool {
    match place.server_start().await {
        Ok(start) => start == server_start,
        Err(error) => place.has_one_login() && find_cause::<ConnectError>(&error).is_some_and(is_refused_login),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;
    use tokio_postgres::error::SqlState;

    use super::*;

    fn login(code: SqlState) -> Error {
        let place = "database x".to_owned();
        Error::from(ConnectError::Server { place, message: "no".to_owned(), code, hint: None }).context("connect")
    }

    #[test]
    fn a_refusal_is_told_from_a_server_that_cannot() {
        for (code, expected) in [
            (SqlState::TOO_MANY_CONNECTIONS, true),
            (SqlState::INSUFFICIENT_PRIVILEGE, true),
            (SqlState::INVALID_PASSWORD, true),
            (SqlState::UNDEFINED_FILE, true),
            (SqlState::ADMIN_SHUTDOWN, true),
            (SqlState::QUERY_CANCELED, true),
            (SqlState::DISK_FULL, false),
            (SqlState::OUT_OF_MEMORY, false),
            (SqlState::CRASH_SHUTDOWN, false),
            (SqlState::CANNOT_CONNECT_NOW, false),
            (SqlState::IO_ERROR, false),
            (SqlState::DATA_CORRUPTED, false),
        ] {
            assert_eq!(is_refusal(&login(code.clone()), &[]), expected, "{code:?}");
        }
        assert!(!is_refusal(&login(SqlState::TOO_MANY_CONNECTIONS), &["no (SQLSTATE 57P02)"]));
        let unreachable = ConnectError::Unreachable { place: "x".to_owned(), reason: "refused".to_owned() };
        assert!(!is_refusal(&Error::from(unreachable), &[]));
        assert!(!is_refusal(&anyhow!("no room on the disk"), &["no (SQLSTATE 57P01)"]));
    }
}
