use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::Context;
use backup_core::storage::{Operation, Prefix};

use super::*;

#[track_caller]
fn check(error: impl Into<anyhow::Error>, expected: FailureClass) {
    // As a run wraps it: in an I/O error of a stream, and in context.
    let error = Err::<(), _>(error.into()).context("store dump").unwrap_err();
    assert_eq!(FailureClass::of(&error), expected, "{error:#}");
}

fn tool_says(words: &str) -> io::Error {
    let status = ExitStatus::from_raw(256);
    io::Error::other(ChildError::Failed { tool: "pg_dump".to_owned(), status, words: words.to_owned() })
}

fn refused(refusal: Refusal) -> StoreError {
    let key = Prefix::parse("p").unwrap().key("x");
    StoreError::Permanent { operation: Operation::Store, key, reason: "why".to_owned(), refusal }
}

#[test]
fn what_pg_dump_does_not_find_any_more_may_pass() {
    for (words, expected) in [
        ("query failed: ERROR:  relation \"public.s\" does not exist", true),
        ("query failed: ERROR:  schema \"app\" does not exist", true),
        ("query failed: ERROR:  could not open relation with OID 16400", true),
        ("query failed: ERROR:  cache lookup failed for index 16403", true),
        ("query failed: ERROR:  could not find tuple for trigger 16405", true),
        ("definition of view \"v\" appears to be empty (length zero)", true),
        ("query failed: ERROR:  function pg_catalog.f(oid) does not exist", false),
        ("invalid page in block 7 of relation base/5/16400", false),
    ] {
        let error = Err::<(), _>(tool_says(words)).context("store dump").unwrap_err();
        assert_eq!(may_pass(&error), expected, "{words}");
    }
}

#[test]
fn each_failure_has_its_class() {
    let place = || "app on h".to_owned();
    let server = |code: &str| ConnectError::Server {
        place: place(),
        message: "no".to_owned(),
        code: tokio_postgres::error::SqlState::from_code(code),
        hint: None,
    };
    let unreachable = || ConnectError::Unreachable { place: place(), reason: "refused".to_owned() };
    check(unreachable(), FailureClass::DatabaseUnreachable);
    check(server("57P03"), FailureClass::DatabaseUnreachable);
    check(server("28P01"), FailureClass::Auth);
    check(server("3D000"), FailureClass::DatabaseMissing);
    check(server("42501"), FailureClass::Permissions);
    check(ConnectError::Every(vec![unreachable(), server("28000")]), FailureClass::Auth);
    check(ConnectError::Every(vec![unreachable(), unreachable()]), FailureClass::DatabaseUnreachable);
    check(ToolsError::Missing { major: 17 }, FailureClass::Tools);
    check(Incomplete { blockers: vec!["why".to_owned()] }, FailureClass::Permissions);
    check(tool_says("permission denied for table t"), FailureClass::Permissions);
    check(tool_says("canceling statement due to lock timeout"), FailureClass::Lock);
    check(tool_says("server closed the connection unexpectedly"), FailureClass::DatabaseUnreachable);
    check(tool_says("invalid page in block 7"), FailureClass::Other);
    check(refused(Refusal::Credentials), FailureClass::BucketRefused);
    check(refused(Refusal::Full), FailureClass::BucketFull);
    check(refused(Refusal::Unsent), FailureClass::BucketUnreachable);
    check(Stopped::Signal, FailureClass::Stopped);
    let bound = Duration::from_secs(9);
    check(Stopped::Deadline { bound, variable: "BACKUP_TIMEOUT" }, FailureClass::Timeout);
    check(io::Error::other(ChildError::Stopped(Stopped::Signal)), FailureClass::Stopped);
    check(DumpError::Empty, FailureClass::Integrity);
    check(Vanished { objects: Vec::new() }, FailureClass::Integrity);
    check(anyhow::anyhow!("who knows"), FailureClass::Other);
    assert_eq!(serde_json::json!(FailureClass::DatabaseUnreachable), "database_unreachable");
}
