//! Why a run failed: its class, for everything that acts on it without reading words, and whether another run may end
//! otherwise.

use backup_core::cause::{find_cause, stopped_by};
use backup_core::postgres::connect::{ConnectError, Unanswered, is_passing};
use backup_core::postgres::{ChildError, DumpError, FellSilent, Renamed, Rewritten, ToolsError, Vanished};
use backup_core::repository::{Displaced, NotListed};
use backup_core::stop::Stopped;
use backup_core::storage::{Refusal, StoreError, TooManyParts};
use backup_daemon::schedule::Outlook;
use serde::Serialize;

use crate::sizing::Trust;
use crate::source::Incomplete;

/// The class of a failure. The names are part of `/status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(into = "&'static str")]
pub(crate) enum FailureClass {
    /// The server of the database does not answer, or its connections break.
    DatabaseUnreachable,
    /// The server answers, and has no such database.
    DatabaseMissing,
    /// The database refuses the login.
    Auth,
    /// The role may not read everything that the dump must contain.
    Permissions,
    /// A lock was not granted in time.
    Lock,
    /// No `pg_dump` here fits the server.
    Tools,
    /// The bucket does not answer, or is busy.
    BucketUnreachable,
    /// The bucket refuses the credentials or the request.
    BucketRefused,
    /// The bucket is full.
    BucketFull,
    /// The run took longer than `BACKUP_TIMEOUT`.
    Timeout,
    /// A signal ended the run.
    Stopped,
    /// What was dumped or stored is not what it has to be.
    Integrity,
    /// The process of the run ended before the run did. Only later processes can tell.
    Killed,
    /// Nothing of the above.
    Other,
}

impl From<FailureClass> for &'static str {
    fn from(class: FailureClass) -> Self {
        match class {
            FailureClass::DatabaseUnreachable => "database_unreachable",
            FailureClass::DatabaseMissing => "database_missing",
            FailureClass::Auth => "auth",
            FailureClass::Permissions => "permissions",
            FailureClass::Lock => "lock",
            FailureClass::Tools => "tools",
            FailureClass::BucketUnreachable => "bucket_unreachable",
            FailureClass::BucketRefused => "bucket_refused",
            FailureClass::BucketFull => "bucket_full",
            FailureClass::Timeout => "timeout",
            FailureClass::Stopped => "stopped",
            FailureClass::Integrity => "integrity",
            FailureClass::Killed => "killed",
            FailureClass::Other => "other",
        }
    }
}

impl FailureClass {
    /// Whether the bucket is what failed: then it takes no line about it either.
    pub(crate) fn is_of_bucket(self) -> bool {
        matches!(self, Self::BucketUnreachable | Self::BucketRefused | Self::BucketFull)
    }

    /// Whether the database exists, if the failure tells. A run connects to it before anything else, so what fails later shows
    /// that it does; the server tells who may not connect only if it does.
    pub(crate) fn database_exists(self) -> Option<bool> {
        match self {
            Self::DatabaseMissing => Some(false),
            Self::Permissions
            | Self::Lock
            | Self::Tools
            | Self::BucketUnreachable
            | Self::BucketRefused
            | Self::BucketFull
            | Self::Integrity => Some(true),
            Self::DatabaseUnreachable | Self::Auth | Self::Timeout | Self::Stopped | Self::Killed | Self::Other => None,
        }
    }

    const ALL: [Self; 14] = [
        Self::DatabaseUnreachable,
        Self::DatabaseMissing,
        Self::Auth,
        Self::Permissions,
        Self::Lock,
        Self::Tools,
        Self::BucketUnreachable,
        Self::BucketRefused,
        Self::BucketFull,
        Self::Timeout,
        Self::Stopped,
        Self::Integrity,
        Self::Killed,
        Self::Other,
    ];

    /// The class that is called `name`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| <&str>::from(*class) == name)
    }

    /// What to do about it, in a sentence, if the class tells.
    pub(crate) fn what_to_do(self) -> Option<&'static str> {
        Some(match self {
            Self::DatabaseUnreachable => "Check that the server of the database runs and that its address is right.",
            Self::DatabaseMissing => "Find out what dropped or renamed the database; keep its backups.",
            Self::Auth => "Check the user and the password of the database.",
            Self::Permissions => "Give the role what the reason names; docs/database-role.sql has the statements.",
            Self::Lock => "End what holds the lock, or raise LOCK_WAIT_TIMEOUT.",
            Self::Tools => "Install the client tools of the server's major version, or use the image that has them.",
            Self::BucketUnreachable => "Check the endpoint of the bucket and the network.",
            Self::BucketRefused => {
                "Do what the reason says, or check the credentials of the bucket and what they may do."
            }
            Self::BucketFull => "Make room in the bucket, or raise its quota.",
            Self::Timeout => "Look what slows the run down, or raise BACKUP_TIMEOUT.",
            Self::Killed => "Find out what killed the process: its memory limit, the platform or a person.",
            Self::Integrity | Self::Stopped | Self::Other => return None,
        })
    }

    /// The class of `error`.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        match stopped_by(error) {
            Some(Stopped::Signal) => return Self::Stopped,
            Some(Stopped::Deadline { .. }) => return Self::Timeout,
            Some(Stopped::Sibling) | None => {}
        }
        if find_cause::<ToolsError>(error).is_some() {
            return Self::Tools;
        }
        if find_cause::<Incomplete>(error).is_some() {
            return Self::Permissions;
        }
        if find_cause::<NotListed>(error).is_some()
            || find_cause::<Displaced>(error).is_some()
            || find_cause::<DumpError>(error).is_some()
            || find_cause::<Rewritten>(error).is_some()
            || find_cause::<Renamed>(error).is_some()
            || find_cause::<Vanished>(error).is_some()
        {
            return Self::Integrity;
        }
        if find_cause::<Unanswered>(error).is_some() || find_cause::<FellSilent>(error).is_some() {
            return Self::DatabaseUnreachable;
        }
        if let Some(error) = find_cause::<StoreError>(error) {
            return Self::of_store(error);
        }
        if let Some(error) = find_cause::<ConnectError>(error) {
            return Self::of_connection(error);
        }
        if let Some(ChildError::Failed { words, .. }) = find_cause(error) {
            return Self::of_words(words);
        }
        find_cause::<tokio_postgres::Error>(error).map_or(Self::Other, Self::of_question)
    }

    fn of_store(error: &StoreError) -> Self {
        match error {
            StoreError::Passing { .. } | StoreError::Silent { .. } => Self::BucketUnreachable,
            StoreError::Permanent { refusal, .. } => match refusal {
                Refusal::Credentials | Refusal::Request => Self::BucketRefused,
                Refusal::Full => Self::BucketFull,
                Refusal::Unsent => Self::BucketUnreachable,
            },
            StoreError::Unsupported { .. } | StoreError::AlreadyExists(_) => Self::BucketRefused,
            StoreError::NotFound(_) | StoreError::Damaged { .. } | StoreError::LostUpload { .. } => Self::Integrity,
        }
    }

    fn of_connection(error: &ConnectError) -> Self {
        match error {
            ConnectError::Server { code, .. } => Self::of_code(code.code()),
            ConnectError::Login { .. } | ConnectError::Password(_) => Self::Auth,
            ConnectError::Settings(_) | ConnectError::TlsSetup(_) => Self::Other,
            ConnectError::Every(failures) => {
                let mut classes = failures.iter().map(Self::of_connection);
                classes.find(|class| *class != Self::DatabaseUnreachable).unwrap_or(Self::DatabaseUnreachable)
            }
            ConnectError::Resolve { .. }
            | ConnectError::Unreachable { .. }
            | ConnectError::TimedOut { .. }
            | ConnectError::Pooler { .. }
            | ConnectError::Tls { .. }
            | ConnectError::NoTls { .. }
            | ConnectError::NotPostgres { .. }
            | ConnectError::WrongKind { .. } => Self::DatabaseUnreachable,
        }
    }

    fn of_question(error: &tokio_postgres::Error) -> Self {
        error.code().map_or(Self::DatabaseUnreachable, |code| Self::of_code(code.code()))
    }

    /// By SQLSTATE: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
    fn of_code(code: &str) -> Self {
        match (code, code.get(..2).unwrap_or_default()) {
            ("42501", _) => Self::Permissions,
            ("55P03" | "57014", _) => Self::Lock,
            (_, "28") => Self::Auth,
            ("3D000", _) => Self::DatabaseMissing,
            ("P0001", _) | (_, "08" | "53" | "57") => Self::DatabaseUnreachable,
            _ => Self::Other,
        }
    }

    /// By what a client tool says.
    fn of_words(words: &str) -> Self {
        let says = |wanted: &[&str]| wanted.iter().any(|one| words.contains(one));
        if says(&LOCK_WORDS) {
            Self::Lock
        } else if says(&["permission denied", "row-level security"]) {
            Self::Permissions
        } else if says(&["password authentication failed"]) {
            Self::Auth
        } else if says(&PASSING_WORDS) {
            Self::DatabaseUnreachable
        } else {
            Self::Other
        }
    }
}

/// Whether the same run may succeed when it is tried again.
pub(crate) fn may_pass(error: &anyhow::Error) -> bool {
    if stopped_by(error).is_some() {
        return false;
    }
    // The next attempt has a snapshot of its own, and a connection.
    if find_cause::<Rewritten>(error).is_some()
        || find_cause::<Renamed>(error).is_some()
        || find_cause::<Vanished>(error).is_some()
        || matches!(find_cause(error), Some(DumpError::Cut(_)))
        || find_cause::<NotListed>(error).is_some()
        || find_cause::<Displaced>(error).is_some()
        || find_cause::<Unanswered>(error).is_some()
        || find_cause::<FellSilent>(error).is_some()
    {
        return true;
    }
    if let Some(error) = find_cause::<StoreError>(error) {
        return error.passes_with_a_new_run();
    }
    if let Some(TooManyParts { plan }) = find_cause(error) {
        return Trust::after(plan).is_some(); // The next attempt plans for more.
    }
    if let Some(error) = find_cause::<ConnectError>(error) {
        return error.is_passing();
    }
    if let Some(ChildError::Failed { words, .. }) = find_cause(error) {
        let mut passing = LOCK_WORDS.iter().chain(&PASSING_WORDS);
        return passing.any(|passing| words.contains(passing)) || is_about_what_is_gone(words);
    }
    find_cause::<tokio_postgres::Error>(error).is_some_and(|error| {
        is_passing(error) || error.as_db_error().is_some_and(|said| is_about_what_is_gone(said.message()))
    })
}

/// Whether a run that failed with `error` is worth another one before the next tick. One that was stopped or ran out
/// of time is not, nor is one whose cause is known and does not pass by itself: wrong passwords, missing rights, a
/// damaged table. What has no such cause may be in order again soon.
pub(crate) fn outlook(error: &anyhow::Error) -> Outlook {
    let has_known_cause = find_cause::<StoreError>(error).is_some()
        || find_cause::<ConnectError>(error).is_some()
        || matches!(find_cause(error), Some(ChildError::Failed { .. }))
        || find_cause::<tokio_postgres::Error>(error).is_some();
    match stopped_by(error).is_none() && (!has_known_cause || may_pass(error)) {
        true => Outlook::MayDiffer,
        false => Outlook::Same,
    }
}

/// Whether `pg_dump` or our session did not find what the snapshot shows: it was dropped or renamed before it was read.
fn is_about_what_is_gone(words: &str) -> bool {
    let is_named = words.contains("relation \"") || words.contains("schema \"");
    is_named && words.contains("\" does not exist") || GONE_WORDS.iter().any(|gone| words.contains(gone))
}

/// What the server or `pg_dump` says of something that is gone without its name.
const GONE_WORDS: [&str; 4] = [
    "could not open relation with OID",
    "cache lookup failed for",
    "could not find tuple for",
    "appears to be empty (length zero)",
];

/// `--lock-wait-timeout` of `pg_dump` is a statement timeout around its `LOCK TABLE`, and it sets no other.
pub(crate) const LOCK_WAIT_TIMEOUT: &str = "canceling statement due to statement timeout";

/// What `pg_dump` says (in English, its locale is ours) if it did not get a lock.
const LOCK_WORDS: [&str; 3] = ["canceling statement due to lock timeout", LOCK_WAIT_TIMEOUT, "deadlock detected"];

/// What else it says if a later attempt may succeed.
const PASSING_WORDS: [&str; 9] = [
    "canceling statement due to conflict with recovery",
    "server closed the connection",
    "terminating connection",
    "connection to server",
    "could not connect to server",
    "could not receive data from server",
    "too many clients",
    "the database system is",
    // The session that exported it has ended.
    "SET TRANSACTION SNAPSHOT",
];

#[cfg(test)]
mod tests;
