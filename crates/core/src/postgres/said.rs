//! What may be told of a message that code of an archive may have written.
//!
//! A function of an archive can raise any text, as an error, with any code, and make the server quote any value: in a
//! cast, in a name that it looks for. Reports, logs and pages leave the machine, and must carry neither rows nor files. So
//! a message is told only if it is one of PostgreSQL's own, and in it only those words that are PostgreSQL's or that the
//! archive's definitions show anyway: names of objects. Of any other message the code is told, if it is one of
//! PostgreSQL's, and about how long it is: five characters of a code, and an exact length, hold a piece of a row each.

mod codes;
mod templates;

use std::collections::HashSet;
use std::io;
use std::sync::{LazyLock, OnceLock};

use pgdump_archive::Archive;
use regex::Regex;
use tokio_postgres::error::DbError;

use super::child::ChildError;
use super::connect::ConnectError;
use crate::values::without_values;

use codes::CODES;
use templates::{TEMPLATES, WORDS};

/// In the place of words that may be anything.
const HIDDEN: &str = "...";

/// Maximum words of one name or value that are told. Types have up to four, and a schema before them.
const MAX_WORDS: usize = 5;

/// Maximum characters between words of one name or value that are told: `"a"."b"`, `character varying(20)[]`.
const MAX_MARKS: usize = 10;

/// What stands before a message of the server, said by a tool.
const BEFORE: [&str; 8] = [
    r"could not execute query: ",
    r#"COPY failed for table "(?<name>[^"]*)": "#,
    r"query failed: ",
    r"error returned by PQputCopyData: ",
    r"error returned by PQputCopyEnd: ",
    r"error returned by PQgetResult: ",
    r"pg_(?:dump|restore): (?:error: |warning: |detail: )?",
    r"(?:ERROR|FATAL|PANIC|WARNING):  ?",
];

static SHAPES: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let shape = |line: &str| {
        // A name ends with its quotation mark: else one message would be taken for another with a longer name.
        let pattern = regex::escape(line).replace(r#""\{\}""#, r#""([^"]*)""#).replace(r"\{\}", "(.*?)");
        Regex::new(&format!("^{pattern}$")).expect("the list is a constant and tested")
    };
    TEMPLATES.lines().filter(|line| !line.is_empty()).map(shape).collect()
});

static STARTS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let start = |pattern: &&str| Regex::new(&format!("^{pattern}")).expect("the list is a constant and tested");
    BEFORE.iter().map(start).collect()
});

static OWN_CODES: LazyLock<HashSet<&str>> = LazyLock::new(|| CODES.split_whitespace().collect());

static OWN_WORDS: LazyLock<HashSet<&str>> = LazyLock::new(|| WORDS.split_whitespace().collect());

/// Knows which names an archive shows.
pub struct Said<'archive> {
    archive: Option<&'archive Archive>,
    names: OnceLock<HashSet<String>>,
}

impl<'archive> Said<'archive> {
    /// Names of `archive` are told.
    pub fn of(archive: &'archive Archive) -> Self {
        Self { archive: Some(archive), names: OnceLock::new() }
    }

    /// No name is told.
    pub fn without_names() -> Self {
        Self { archive: None, names: OnceLock::new() }
    }

    /// Knows the words of `question` as well, which the operator wrote.
    pub fn asking(&self, question: &str) -> Self {
        let words = question.split(|character| !is_of_word(character)).filter(|word| !word.is_empty());
        let names: HashSet<String> = self.names().iter().cloned().chain(words.map(str::to_owned)).collect();
        Self { archive: self.archive, names: OnceLock::from(names) }
    }

    /// A message of the server.
    pub fn by_server(&self, said: &DbError) -> String {
        self.told(said.message()).unwrap_or_else(|| unknown(said.message(), Some(said.code().code())))
    }

    /// A message of a tool, or of the server by way of one.
    pub fn by_tool(&self, message: &str) -> String {
        self.told(message).unwrap_or_else(|| unknown(message, None))
    }

    /// An error with all its causes.
    pub fn in_error(&self, error: &anyhow::Error) -> String {
        let mut parts = Vec::new();
        for cause in error.chain() {
            let server = cause.downcast_ref::<tokio_postgres::Error>().and_then(|error| error.as_db_error());
            let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            if let Some(said) = server {
                parts.push(self.by_server(said));
                break;
            }
            if let Some(refused) = cause.downcast_ref::<ConnectError>() {
                parts.push(self.by_refusal(refused));
                break;
            }
            if let Some(ChildError::Failed { tool, status, words }) = inner.and_then(|inner| inner.downcast_ref()) {
                let words: Vec<String> = words.lines().map(|line| self.by_tool(line)).collect();
                parts.push(format!("{tool} failed ({status}): {}", words.join("; ")));
                break;
            }
            parts.push(cause.to_string());
        }
        parts.join(": ")
    }

    /// Settings that an archive's code has made for its role decide what a server says to a login.
    fn by_refusal(&self, refused: &ConnectError) -> String {
        match refused {
            ConnectError::Server { place, message, code, .. } => {
                let told = self.told(message).unwrap_or_else(|| unknown(message, Some(code.code())));
                format!("connect to {place}: {told}")
            }
            ConnectError::Every(failures) => {
                failures.iter().map(|failure| self.by_refusal(failure)).collect::<Vec<_>>().join("; ")
            }
            other => other.to_string(),
        }
    }

    /// `None` for a message that is not known to be PostgreSQL's.
    fn told(&self, message: &str) -> Option<String> {
        let message = without_values(message.trim());
        let (mut told, mut rest) = (String::new(), message.as_ref());
        while let Some(found) = STARTS.iter().find_map(|start| start.captures(rest)) {
            let whole = found.get(0)?;
            if whole.is_empty() {
                break;
            }
            match found.name("name") {
                None => told.push_str(whole.as_str()),
                Some(name) => {
                    told.push_str(&rest[..name.start()]);
                    told.push_str(&self.known_words(name.as_str()));
                    told.push_str(&rest[name.end()..whole.end()]);
                }
            }
            rest = &rest[whole.end()..];
        }
        let found = SHAPES.iter().find_map(|shape| shape.captures(rest))?;
        let mut end = 0;
        for piece in found.iter().skip(1).flatten() {
            told.push_str(&rest[end..piece.start()]);
            told.push_str(&self.known_words(piece.as_str()));
            end = piece.end();
        }
        told.push_str(&rest[end..]);
        Some(told)
    }

    /// `text` with what is not known hidden: all of it, if it is longer than a name or a type can be. Code of an archive
    /// could choose a long row of known words, and say what it wants by that choice.
    pub fn known_words(&self, text: &str) -> String {
        if text.is_empty() || text == HIDDEN || self.names().contains(text) {
            return text.to_owned();
        }
        let marks = text.chars().filter(|character| !is_of_word(*character)).count();
        let words = text.split(|character| !is_of_word(character)).filter(|word| !word.is_empty()).count();
        if words > MAX_WORDS || marks > MAX_MARKS {
            return HIDDEN.to_owned();
        }
        let mut known = String::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if !is_of_word(first) {
                known.push(if first.is_ascii_punctuation() || first == ' ' { first } else { ' ' });
                rest = &rest[first.len_utf8()..];
                continue;
            }
            let end = rest.find(|character| !is_of_word(character)).unwrap_or(rest.len());
            let word = &rest[..end];
            let is_known = OWN_WORDS.contains(word.to_ascii_lowercase().as_str()) || self.names().contains(word);
            if is_known {
                known.push_str(word);
            } else if !known.ends_with(HIDDEN) {
                known.push_str(HIDDEN);
            }
            rest = &rest[end..];
        }
        known
    }

    fn names(&self) -> &HashSet<String> {
        self.names.get_or_init(|| self.archive.map(Archive::names).unwrap_or_default())
    }
}

fn is_of_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_' || character == '$'
}

fn unknown(message: &str, code: Option<&str>) -> String {
    let characters = message.chars().count().next_power_of_two();
    let code = match code {
        Some(code) if OWN_CODES.contains(code) => format!("SQLSTATE {code}, "),
        Some(_) => "a SQLSTATE of its own, ".to_owned(),
        None => String::new(),
    };
    format!("a message that code of the backup may have written ({code}at most {characters} characters)")
}

#[cfg(test)]
mod tests {
    use pgdump_archive::by_hand::{archive, entry};
    use tokio_postgres::error::SqlState;

    use super::*;

    #[track_caller]
    fn check(message: &str, expected: &str) {
        let table =
            "CREATE TABLE app.orders (\n    id integer,\n    \"Who is\" text CONSTRAINT positive CHECK (id > 0)\n);\n";
        let archive = archive(vec![entry(1, "TABLE", "app", "orders", table)]);
        assert_eq!(Said::of(&archive).by_tool(message), expected);
    }

    #[test]
    fn messages_of_postgresql_are_told_with_names_of_the_archive() {
        for message in [
            "new row for relation \"orders\" violates check constraint \"positive\"",
            "could not execute query: ERROR:  relation \"app.orders\" does not exist",
            "COPY failed for table \"orders\": ERROR:  invalid input syntax for type integer: \"...\"",
            "column \"Who is\" of relation \"orders\" does not exist",
            "server closed the connection unexpectedly",
            "permission denied for table orders",
        ] {
            check(message, message);
        }
    }

    #[test]
    fn values_names_of_nothing_and_other_texts_are_hidden() {
        check("relation \"4711 0815\" does not exist", "relation \"... ...\" does not exist");
        check("role \"canary\" does not exist", "role \"...\" does not exist");
        check("invalid input syntax for type integer: \"canary\"", "invalid input syntax for type integer: \"...\"");
        check(
            "COPY failed for table \"canary\": ERROR:  out of memory",
            "COPY failed for table \"...\": ERROR:  out of memory",
        );
        let hidden =
            |most: usize| format!("a message that code of the backup may have written (at most {most} characters)");
        check("ERROR:  the secret is canary", &hidden(32));
        check("relation \"orders\" does not exist\npg_restore: canary", &hidden(64));
    }

    #[test]
    fn a_row_of_known_words_or_marks_that_is_no_name_and_no_type_is_hidden() {
        let whole = "operator does not exist: \"app\".\"orders\" = timestamp without time zone";
        check(whole, "operator does not exist: ...");
        check("value too long for type character varying(20)[]", "value too long for type character varying(...)[]");
        check("operator does not exist: integer integer text text integer text", "operator does not exist: ...");
        check("relation \"!,!;!,!;!,!\" does not exist", "relation \"...\" does not exist");
    }

    #[test]
    fn neither_a_code_nor_a_length_carries_a_value() {
        let told = |message: &str, code| unknown(message, Some(code));
        assert!(told("x", "P0001").contains("(SQLSTATE P0001, at most"), "{}", told("x", "P0001"));
        assert!(told("x", "22P02").contains("SQLSTATE 22P02"));
        for code in ["A1B2C", "00P99", "53K4T", ""] {
            assert_eq!(told(&"x".repeat(4711), code), told(&"y".repeat(5000), "ZZZZZ"));
        }
    }

    #[test]
    fn what_a_server_says_to_a_login_is_told_as_any_other_message() {
        let refused = |message: &str| ConnectError::Server {
            place: "x".to_owned(),
            message: message.to_owned(),
            code: SqlState::UNDEFINED_FILE,
            hint: None,
        };
        let library = "could not access file \"$libdir/plugins/canary-4711\": No such file or directory";
        for error in [refused(library), ConnectError::Every(vec![refused("canary-4711"), refused(library)])] {
            let told = Said::without_names().in_error(&anyhow::Error::from(error).context("connect"));
            assert!(!told.contains("4711") && told.contains("could not access file"), "{told}");
        }
    }

    /// The driver's list and this one are of the same origin, and neither may lack a code of the other.
    #[test]
    fn the_codes_are_those_that_the_driver_knows() {
        let is_known = |code: &str| !format!("{:?}", SqlState::from_code(code)).contains("Other");
        assert!(!is_known("A1B2C"));
        let strange: Vec<&&str> = OWN_CODES.iter().filter(|code| !is_known(code)).collect();
        assert!(strange.is_empty() && OWN_CODES.len() >= 260, "{strange:?}");
    }
}
