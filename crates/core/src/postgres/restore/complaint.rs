//! What `pg_restore` says on standard error (in English, its locale is ours), one complaint per object.

use std::fmt;

use crate::values::without_values;

/// One thing that `pg_restore` could not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// What the archive calls it, such as `TABLE orders`; `None` where it concerns the whole restore.
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
    /// Known to be harmless: comments on what belongs to somebody else, a schema that is there already.
    Benign,
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

/// What is harmless, word for word. Short on purpose: whatever is not here fails a drill.
const BENIGN: [(&str, &str); 3] = [
    ("SCHEMA public", "schema \"public\" already exists"),
    ("COMMENT SCHEMA public", "must be owner of schema public"),
    ("COMMENT EXTENSION", "must be owner of extension"),
];

/// What is harmless where it concerns no entry: each session of a `pg_restore` that is newer than the server sets
/// what that server does not know yet. Timeouts that it would turn off are off there.
const BENIGN_OF_SESSIONS: [&str; 1] = ["unrecognized configuration parameter \"transaction_timeout\""];

/// Phrases of messages, by class; the first that fits decides.
const PHRASES: [(&str, ComplaintClass); 24] = [
    ("No space left on device", ComplaintClass::Space),
    ("could not extend file", ComplaintClass::Space),
    ("COPY failed", ComplaintClass::Data),
    ("violates ", ComplaintClass::Data),
    ("duplicate key", ComplaintClass::Data),
    ("could not create unique index", ComplaintClass::Data),
    ("invalid input syntax", ComplaintClass::Data),
    ("invalid byte sequence", ComplaintClass::Data),
    ("has no equivalent in encoding", ComplaintClass::Data),
    ("does not exist in this database", ComplaintClass::Role),
    ("role \"", ComplaintClass::Role),
    ("permission denied", ComplaintClass::Privilege),
    ("must be owner", ComplaintClass::Privilege),
    ("must be superuser", ComplaintClass::Privilege),
    ("must be able to SET ROLE", ComplaintClass::Privilege),
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

/// Reads `words`, which `pg_restore` left before it ended with `status`. Never empty: where nothing can be
/// read, the status itself is the complaint.
pub(super) fn read(words: &str, status: &str) -> Vec<Complaint> {
    let mut complaints: Vec<Complaint> = Vec::new();
    let mut object = None;
    let mut announced = None;
    for line in words.lines() {
        let Some(said) = line.strip_prefix("pg_restore: ") else { continue };
        if let Some(entry) = said.strip_prefix("from TOC entry ") {
            object = entry_name(entry);
        } else if let Some(count) = said.strip_prefix("warning: errors ignored on restore: ") {
            announced = count.trim().parse::<usize>().ok();
        } else if let Some(error) = said.strip_prefix("error: ") {
            complaints.push(complaint(object.take(), error));
        }
    }
    // With `errors ignored`, the tool went through to its end, and each error is in the list.
    match announced {
        Some(count) if count <= complaints.len() => {}
        // Either the first ones were cut off, or it restored in parallel: then it counts, besides each error,
        // whatever a worker does after its first one.
        Some(count) => {
            let listed = complaints.len();
            complaints
                .push(of_the_tool(format!("pg_restore counted {count} errors, of which {listed} are listed here")));
        }
        None => complaints.push(of_the_tool(format!("pg_restore ended early ({status})"))),
    }
    complaints
}

fn of_the_tool(words: String) -> Complaint {
    Complaint { object: None, words, class: ComplaintClass::Tool }
}

fn complaint(object: Option<String>, error: &str) -> Complaint {
    let words = error.strip_prefix("could not execute query: ").unwrap_or(error).trim();
    let words = words.strip_prefix("ERROR:").unwrap_or(words).trim().to_owned();
    let harmless = |(start, phrase): &(&str, &str)| {
        object.as_deref().is_some_and(|object| object.starts_with(start)) && words.contains(phrase)
    };
    let of_session = object.is_none() && BENIGN_OF_SESSIONS.contains(&words.as_str());
    let class = match of_session || BENIGN.iter().any(harmless) {
        true => ComplaintClass::Benign,
        false => {
            let class = PHRASES.iter().find(|(phrase, _)| words.contains(phrase));
            class.map_or(ComplaintClass::Other, |(_, class)| *class)
        }
    };
    // What a page or a record shows is not the place for the values of rows.
    Complaint { object, words: without_values(&words).into_owned(), class }
}

/// `3456; 1259 16400 TABLE orders alice` without its numbers and its owner.
fn entry_name(entry: &str) -> Option<String> {
    let (_, rest) = entry.split_once("; ")?;
    let mut words = rest.split(' ').skip(2).collect::<Vec<_>>();
    words.pop();
    (!words.is_empty()).then(|| words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER_MISSING: &str = "\
pg_restore: while PROCESSING TOC:
pg_restore: from TOC entry 215; 1259 16400 TABLE orders alice
pg_restore: error: could not execute query: ERROR:  role \"alice\" does not exist
Command was: ALTER TABLE public.orders OWNER TO alice;

pg_restore: from TOC entry 3400; 0 0 COMMENT EXTENSION pgcrypto 
pg_restore: error: could not execute query: ERROR:  must be owner of extension pgcrypto
Command was: COMMENT ON EXTENSION pgcrypto IS 'x';

pg_restore: warning: errors ignored on restore: 2";

    #[test]
    fn each_error_has_its_object_and_class_r023() {
        let complaints = read(OWNER_MISSING, "exit status: 1");
        let seen: Vec<_> =
            complaints.iter().map(|one| (one.object.as_deref(), one.words.as_str(), one.class)).collect();
        assert_eq!(
            seen,
            [
                (Some("TABLE orders"), "role \"alice\" does not exist", ComplaintClass::Role),
                (Some("COMMENT EXTENSION pgcrypto"), "must be owner of extension pgcrypto", ComplaintClass::Benign),
            ]
        );
    }

    #[track_caller]
    fn check(words: &str, expected: ComplaintClass) {
        assert_eq!(complaint(Some("TABLE t".to_owned()), words).class, expected, "{words}");
    }

    #[test]
    fn no_complaint_quotes_a_value_of_a_row() {
        let words = "\
pg_restore: from TOC entry 3307; 0 16385 TABLE DATA t alice
pg_restore: error: COPY failed for table \"t\": ERROR:  invalid input syntax for type integer: \"canary\"
CONTEXT:  COPY t, line 1, column id: \"canary\"
pg_restore: warning: errors ignored on restore: 1";
        let complaints = read(words, "exit status: 1");
        let told = complaints[0].to_string();
        let expected =
            "TABLE DATA t: COPY failed for table \"t\": ERROR:  invalid input syntax for type integer: \"...\" (data)";
        assert_eq!((told.as_str(), complaints.len()), (expected, 1));
    }

    #[test]
    fn classes_of_messages() {
        check("COPY failed for table \"t\": ERROR:  invalid input syntax for type integer", ComplaintClass::Data);
        check("could not execute query: ERROR:  permission denied for schema x", ComplaintClass::Privilege);
        check(
            "could not execute query: ERROR:  unrecognized configuration parameter \"transaction_timeout\"",
            ComplaintClass::Version,
        );
        check("could not execute query: ERROR:  could not access file \"$libdir/x\"", ComplaintClass::Extension);
        check("could not write: No space left on device", ComplaintClass::Space);
        check("must be owner of extension pgcrypto", ComplaintClass::Privilege);
        check("something new", ComplaintClass::Other);
    }

    /// As `pg_restore` 17 says it of a server of 15, once for itself and once for each worker.
    #[test]
    fn a_setting_that_only_a_newer_pg_restore_knows_is_benign_r130() {
        let line = "\
pg_restore: while INITIALIZING:
pg_restore: error: could not execute query: ERROR:  unrecognized configuration parameter \"transaction_timeout\"
Command was: SET transaction_timeout = 0;";
        let words = format!("{line}\n{line}\npg_restore: warning: errors ignored on restore: 2");
        let complaints = read(&words, "exit status: 1");
        assert_eq!(complaints.iter().map(|one| one.class).collect::<Vec<_>>(), [ComplaintClass::Benign; 2]);
        let in_entry = "unrecognized configuration parameter \"transaction_timeout\"";
        check(in_entry, ComplaintClass::Version);
    }

    #[test]
    fn a_tool_that_was_killed_or_says_nothing_is_a_complaint_r024() {
        let killed = read("", "signal: 9 (SIGKILL)");
        assert_eq!(killed[0].words, "pg_restore ended early (signal: 9 (SIGKILL))");
        let cut = read("pg_restore: error: could not read from input file: end of file", "exit status: 1");
        assert_eq!(cut.len(), 2);
        let dropped = read("pg_restore: warning: errors ignored on restore: 7", "exit status: 1");
        assert_eq!(dropped[0].class, ComplaintClass::Tool);
    }
}
