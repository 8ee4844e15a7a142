//! What `pg_restore` says on standard error (in English, its locale is ours), one complaint per object.

use std::fmt;

use pgdump_archive::DumpId;

use crate::values::without_values;

/// One thing that `pg_restore` could not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The number of the entry that it is about; `None` if it concerns the whole restore.
    pub entry: Option<DumpId>,
    /// What the archive calls it, such as `TABLE orders`; `None` if it concerns the whole restore.
    pub object: Option<String>,
    /// The server's or the tool's words, without the statement.
    pub words: String,
    /// What kind of trouble it is.
    pub class: ComplaintClass,
}

/// Sorts complaints by what a person has to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComplaintClass {
    /// Rows did not come back, or contradict a constraint.
    Data,
    /// A role that does not exist.
    Role,
    /// A right that the restoring role does not have.
    Privilege,
    /// An extension, library or type of one that is not there.
    Extension,
    /// A server that does not know what the archive asks for.
    Version,
    /// No space is left.
    Space,
    /// The tool itself failed.
    Tool,
    /// Anything else.
    Other,
    /// Known to be harmless: comments on what belongs to another owner, a schema that is there already.
    Benign,
}

impl Complaint {
    /// Takes in which `statement` has failed. One that begins a session is about no entry, whichever one the process
    /// was at: a worker begins at the last one of the process that it was forked from.
    pub(super) fn take_statement(&mut self, statement: &str) {
        if BENIGN_OF_SESSIONS.contains(&(self.words.as_str(), statement)) {
            (self.entry, self.object, self.class) = (None, None, ComplaintClass::Benign);
        }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.object {
            Some(object) => write!(formatter, "{object}: {} ({})", self.words, self.class),
            None => write!(formatter, "{} ({})", self.words, self.class),
        }
    }
}

impl ComplaintClass {
    /// Whether the restore is whole in spite of it.
    pub fn is_benign(self) -> bool {
        self == Self::Benign
    }
}

impl fmt::Display for ComplaintClass {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Data => "data",
            Self::Role => "role",
            Self::Privilege => "privilege",
            Self::Extension => "extension",
            Self::Version => "version",
            Self::Space => "space",
            Self::Tool => "tool",
            Self::Other => "other",
            Self::Benign => "benign",
        })
    }
}

/// What is harmless, word for word. Short on purpose: anything that is not here fails a drill.
const BENIGN: [(&str, &str); 3] = [
    ("SCHEMA public", "schema \"public\" already exists"),
    ("COMMENT SCHEMA public", "must be owner of schema public"),
    ("COMMENT EXTENSION", "must be owner of extension"),
];

/// What is harmless if it is about this very statement: each session of a `pg_restore` that is newer than the server
/// sets what that server does not know yet. Timeouts that it would turn off are off there.
const BENIGN_OF_SESSIONS: [(&str, &str); 1] =
    [("unrecognized configuration parameter \"transaction_timeout\"", "SET transaction_timeout = 0;")];

/// Phrases of messages, by class; the first that fits decides.
const PHRASES: [(&str, ComplaintClass); 23] = [
    ("COPY failed", ComplaintClass::Data),
    ("violates ", ComplaintClass::Data),
    ("duplicate key", ComplaintClass::Data),
    ("could not create unique index", ComplaintClass::Data),
    ("invalid input syntax", ComplaintClass::Data),
    ("invalid byte sequence", ComplaintClass::Data),
    ("has no equivalent in encoding", ComplaintClass::Data),
    ("does not exist in this database", ComplaintClass::Role),
    ("must be member of role", ComplaintClass::Privilege),
    ("must be able to SET ROLE", ComplaintClass::Privilege),
    ("role \"", ComplaintClass::Role),
    ("permission denied", ComplaintClass::Privilege),
    ("must be owner", ComplaintClass::Privilege),
    ("must be superuser", ComplaintClass::Privilege),
    ("must be a member", ComplaintClass::Privilege),
    ("extension \"", ComplaintClass::Extension),
    ("could not open extension control file", ComplaintClass::Extension),
    ("could not access file", ComplaintClass::Extension),
    ("could not load library", ComplaintClass::Extension),
    ("unrecognized configuration parameter", ComplaintClass::Version),
    ("unsupported version", ComplaintClass::Version),
    ("syntax error", ComplaintClass::Version),
    ("unrecognized ", ComplaintClass::Version),
];

/// What the system says at the end of a line. In the middle of one it may be a name out of the archive.
const DISK_FULL: &str = ": No space left on device";

fn is_of_a_full_disk(words: &str) -> bool {
    words.lines().next().is_some_and(|line| line.ends_with(DISK_FULL))
}

/// A complaint about the tool itself.
pub(super) fn of_the_tool(words: String) -> Complaint {
    Complaint { entry: None, object: None, words, class: ComplaintClass::Tool }
}

/// What `error` says of `object`, entry `entry` of the archive.
pub(super) fn complaint(entry: Option<DumpId>, object: Option<String>, error: &str) -> Complaint {
    let words = error.strip_prefix("could not execute query: ").unwrap_or(error).trim();
    let words = words.strip_prefix("ERROR:").unwrap_or(words).trim().to_owned();
    let harmless = |(start, phrase): &(&str, &str)| {
        object.as_deref().is_some_and(|object| object.starts_with(start)) && words.contains(phrase)
    };
    let class = match BENIGN.iter().any(harmless) {
        true => ComplaintClass::Benign,
        false if is_of_a_full_disk(&words) => ComplaintClass::Space,
        false => {
            let class = PHRASES.iter().find(|(phrase, _)| words.contains(phrase));
            class.map_or(ComplaintClass::Other, |(_, class)| *class)
        }
    };
    // What a page or a record shows is not the place for the values of rows.
    Complaint { entry, object, words: without_values(&words).into_owned(), class }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(words: &str, expected: ComplaintClass) {
        assert_eq!(complaint(None, Some("TABLE t".to_owned()), words).class, expected, "{words}");
    }

    #[test]
    fn classes_of_messages() {
        check("COPY failed for table \"t\": ERROR:  invalid input syntax for type integer", ComplaintClass::Data);
        check("could not execute query: ERROR:  permission denied for schema x", ComplaintClass::Privilege);
        check("could not execute query: ERROR:  must be member of role \"app\"", ComplaintClass::Privilege);
        check("could not execute query: ERROR:  must be able to SET ROLE \"app\"", ComplaintClass::Privilege);
        check("could not execute query: ERROR:  role \"app\" does not exist", ComplaintClass::Role);
        check(
            "could not execute query: ERROR:  unrecognized configuration parameter \"transaction_timeout\"",
            ComplaintClass::Version,
        );
        check("could not execute query: ERROR:  could not access file \"$libdir/x\"", ComplaintClass::Extension);
        check("could not extend file \"base/1/2\": No space left on device", ComplaintClass::Space);
        check("relation \"a: No space left on device\" already exists", ComplaintClass::Other);
        check("must be owner of extension pgcrypto", ComplaintClass::Privilege);
        check("something new", ComplaintClass::Other);
    }
}
