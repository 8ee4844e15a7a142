//! Whose doing it is that a drill, or the restore of a person, cannot go on once code of the archive may have run.
//!
//! Code of an archive can close the database to its own role, end the drill's sessions or hold what they wait for. Were
//! that "could not run", an archive could say so of each of its drills. So a server that lives and refuses is a finding. A
//! server that died, was started anew, lacks room or cannot be reached says nothing about the archive.

use anyhow::Error;
use backup_core::cause::find_cause;
use backup_core::postgres::connect::{ConnectError, Session};
use backup_core::postgres::{ChildError, Said};

use crate::evidence::{AnotherDrill, DrillError, Evidence};
use crate::reference::Place;

/// The check that the finding belongs to.
const CHECK: &str = "restore";

/// What a client tool says of a refusal. Other errors of it may have their cause in the server.
const REFUSALS: [&str; 10] = [
    "permission denied",
    "too many connections for",
    "is not currently accepting connections",
    "is not permitted to log in",
    "password authentication failed",
    "terminating connection due to administrator command",
    "canceling statement due to user request",
    "could not access file",
    "stack depth limit exceeded",
    "invalid byte sequence",
];

/// What a session says that another one has ended (`admin_shutdown`), and one that the end of all has taken along
/// (`crash_shutdown`).
const ENDED: &str = "57P01";
const CRASHED: &str = "57P02";

/// Turns an `outcome` that the archive has caused into damage. `server_start` is from before the restore, and `sessions`
/// were opened then.
pub(crate) async fn unless_archive(
    outcome: Result<(), DrillError>,
    place: &Place<'_>,
    server_start: &str,
    sessions: &[&Session],
    evidence: &mut Evidence,
) -> Result<(), DrillError> {
    let error = match outcome {
        Err(DrillError::CouldNotRun(error)) if evidence.code_ran && !error.is::<AnotherDrill>() => error,
        outcome => return outcome,
    };
    let ended: Vec<&str> = sessions.iter().filter_map(|session| session.broken_by()).collect();
    if !is_refusal(&error, &ended, place.is_on_throwaway()) || !is_alive(place, server_start).await {
        return Err(DrillError::CouldNotRun(error));
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

/// Whether the server has answered, and with a refusal. `ended` says what ended sessions that were open. On a server of the
/// drill's own, which does not go on after a crash, a session that was closed without a word has been ended.
fn is_refusal(error: &Error, ended: &[&str], is_on_throwaway: bool) -> bool {
    if ended.iter().any(|why| why.contains(CRASHED)) {
        return false;
    }
    if let Some(refused) = find_cause::<ConnectError>(error) {
        return is_refused_login(refused);
    }
    if let Some(ChildError::Failed { words, .. }) = find_cause::<ChildError>(error) {
        return REFUSALS.iter().any(|refusal| words.contains(refusal));
    }
    match find_cause::<tokio_postgres::Error>(error) {
        Some(error) => match error.as_db_error() {
            Some(said) => is_refusal_code(said.code().code(), said.message()),
            None => error.is_closed() && (is_on_throwaway || ended.iter().any(|why| why.contains(ENDED))),
        },
        None => false,
    }
}

fn is_refused_login(refused: &ConnectError) -> bool {
    match refused {
        ConnectError::Server { code, message, .. } => is_refusal_code(code.code(), message),
        ConnectError::Every(failures) => failures.iter().any(is_refused_login),
        _ => false,
    }
}

/// A login that is not let in (28), a right (42501) or a database (3D000) that is not there, a database that is closed
/// (55000), a session that was ended (57P01) or a statement that was (57014), and a library that is not there (58P01), which
/// a setting of a database or a role names. Of limits of connections (53300) those of a role or a database: the one of the
/// server can be used up by others. Data and statements that the server cannot take (22, 54) come out of the archive, too. All
/// other codes may be the server's own error, or ours.
fn is_refusal_code(code: &str, message: &str) -> bool {
    match code {
        "53300" => ["for role", "for database"].iter().any(|whose| message.contains(whose)),
        "42501" | "3D000" | "55000" | ENDED | "57014" | "58P01" => true,
        code => ["22", "28", "54"].iter().any(|class| code.starts_with(class)),
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
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use anyhow::anyhow;
    use tokio_postgres::error::SqlState;

    use super::*;

    fn login(code: SqlState, message: &str) -> Error {
        let (place, message) = ("database x".to_owned(), message.to_owned());
        Error::from(ConnectError::Server { place, message, code, hint: None }).context("connect")
    }

    #[test]
    fn a_refusal_is_told_from_a_server_that_cannot() {
        for (code, expected) in [
            (SqlState::TOO_MANY_CONNECTIONS, false),
            (SqlState::INSUFFICIENT_PRIVILEGE, true),
            (SqlState::INVALID_PASSWORD, true),
            (SqlState::UNDEFINED_FILE, true),
            (SqlState::ADMIN_SHUTDOWN, true),
            (SqlState::QUERY_CANCELED, true),
            (SqlState::CHARACTER_NOT_IN_REPERTOIRE, true),
            (SqlState::STATEMENT_TOO_COMPLEX, true),
            (SqlState::DISK_FULL, false),
            (SqlState::UNDEFINED_COLUMN, false),
            (SqlState::T_R_DEADLOCK_DETECTED, false),
            (SqlState::READ_ONLY_SQL_TRANSACTION, false),
            (SqlState::OUT_OF_MEMORY, false),
            (SqlState::CRASH_SHUTDOWN, false),
            (SqlState::CANNOT_CONNECT_NOW, false),
            (SqlState::IO_ERROR, false),
            (SqlState::DATA_CORRUPTED, false),
        ] {
            assert_eq!(is_refusal(&login(code.clone(), "no"), &[], true), expected, "{code:?}");
        }
        for (message, expected) in [
            ("too many connections for role \"r\"", true),
            ("too many connections for database \"d\"", true),
            ("sorry, too many clients already", false),
            ("remaining connection slots are reserved for superusers", false),
        ] {
            let error = login(SqlState::TOO_MANY_CONNECTIONS, message);
            assert_eq!(is_refusal(&error, &[], false), expected, "{message}");
            assert!(!is_refusal(&error, &["no (SQLSTATE 57P02)"], true), "{message}");
        }
        let unreachable = ConnectError::Unreachable { place: "x".to_owned(), reason: "refused".to_owned() };
        assert!(!is_refusal(&Error::from(unreachable), &[], true));
        assert!(!is_refusal(&anyhow!("no room on the disk"), &["no (SQLSTATE 57P01)"], true));
    }

    #[test]
    fn a_tool_that_the_server_had_no_room_for_was_not_refused() {
        for (words, expected) in [
            ("pg_dump: error: query failed: ERROR:  permission denied for table t", true),
            ("pg_dump: error: connection failed: FATAL:  database \"d\" is not currently accepting connections", true),
            ("pg_dump: error: query failed: ERROR:  out of shared memory", false),
            ("pg_dump: error: query failed: ERROR:  could not write to file: No space left on device", false),
        ] {
            let (tool, status) = ("pg_dump".to_owned(), ExitStatus::from_raw(256));
            let error = Error::from(ChildError::Failed { tool, status, words: words.to_owned() });
            assert_eq!(is_refusal(&error, &[], false), expected, "{words}");
        }
    }
}
