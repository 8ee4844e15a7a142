//! The operator's own questions: `VERIFY_SQL` and `VERIFY_QUERIES_FILE`.
//!
//! ```sql
//! -- name: orders are fresh
//! -- expect: >= 1
//! SELECT count(*) FROM orders WHERE at > now() - interval '2 days';
//! ```

use std::fmt;
use std::pin::pin;
use std::time::Duration;

use anyhow::Context;
use backup_core::postgres::Said;
use backup_core::postgres::connect::Session;
use backup_core::repository::Inventory;
use futures_util::TryStreamExt;
use tokio_postgres::types::Type;
use tokio_postgres::{SimpleQueryMessage, SimpleQueryRow};

use super::Extent;
use crate::evidence::Evidence;

/// The longest number that a report quotes.
const MAX_SHOWN_BYTES: usize = 40;

/// One question and what its answer must be.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// How reports call it.
    pub name: String,
    /// The statement.
    pub sql: String,
    /// What it must return.
    pub expect: Expect,
}

/// What the first field of the first row must be.
#[derive(Debug, Clone, PartialEq)]
pub enum Expect {
    /// A row, and every boolean of it true.
    True,
    /// A comparison with a number or a text.
    Compared(Comparison, String),
}

/// See [`Expect`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    AtLeast,
    AtMost,
    More,
    Less,
    Equal,
    NotEqual,
}

/// Longer ones first, so that `>=` is not taken for `>`.
const COMPARISONS: [(&str, Comparison); 7] = [
    (">=", Comparison::AtLeast),
    ("<=", Comparison::AtMost),
    ("<>", Comparison::NotEqual),
    ("!=", Comparison::NotEqual),
    (">", Comparison::More),
    ("<", Comparison::Less),
    ("=", Comparison::Equal),
];

impl fmt::Display for Comparison {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = COMPARISONS.iter().find(|(_, comparison)| comparison == self).map_or("=", |(word, _)| word);
        formatter.write_str(word)
    }
}

/// Reads questions out of `text`: each begins at a `-- name:` line; a text without one is a single question
/// called `otherwise`.
///
/// # Errors
/// What is wrong, without any of the text but names.
pub fn parse_queries(text: &str, otherwise: &str) -> Result<Vec<Query>, String> {
    let mut queries: Vec<Query> = Vec::new();
    let new = |name: &str| Query { name: name.to_owned(), sql: String::new(), expect: Expect::True };
    for line in text.lines() {
        let comment = line.trim().strip_prefix("--").map(str::trim);
        if let Some(name) = comment.and_then(|comment| comment.strip_prefix("name:")) {
            queries.push(new(name.trim()));
            continue;
        }
        if queries.is_empty() {
            if line.trim().is_empty() {
                continue;
            }
            queries.push(new(otherwise));
        }
        let Some(query) = queries.last_mut() else { continue };
        match comment.and_then(|comment| comment.strip_prefix("expect:")) {
            Some(expected) => query.expect = expect(expected.trim()).ok_or_else(|| bad_expectation(query))?,
            None => {
                query.sql.push_str(line);
                query.sql.push('\n');
            }
        }
    }
    for query in &queries {
        let says_nothing = |line: &str| line.trim().is_empty() || line.trim().starts_with("--");
        if query.sql.lines().all(says_nothing) {
            return Err(format!("has no SQL under the name {:?}", query.name));
        }
    }
    Ok(queries)
}

fn bad_expectation(query: &Query) -> String {
    format!("has an expectation that is not one of >= > <= < = <> and a value, under the name {:?}", query.name)
}

fn expect(text: &str) -> Option<Expect> {
    let (word, comparison) = COMPARISONS.iter().find(|(word, _)| text.starts_with(word))?;
    let value = text[word.len()..].trim();
    (!value.is_empty()).then(|| Expect::Compared(*comparison, value.to_owned()))
}

/// Enters the check of `MIN_TABLE_COUNT`.
pub(super) fn check_table_count(restored: &Inventory, at_least: u64, evidence: &mut Evidence) {
    let tables = restored.objects.get("tables").copied().unwrap_or(0);
    let few = (tables < at_least).then(|| format!("{tables} tables, and MIN_TABLE_COUNT asks for {at_least}"));
    evidence.record("table_count", format!("{tables} tables, at least {at_least} wanted"), few.into_iter().collect());
}

/// Runs each question in a transaction of its own that can write nothing.
pub(super) async fn check(
    session: &Session,
    extent: &Extent<'_>,
    said: &Said<'_>,
    evidence: &mut Evidence,
) -> anyhow::Result<()> {
    if extent.queries.is_empty() {
        evidence.skip("queries", "none given");
        return Ok(());
    }
    let mut found = Vec::new();
    for query in extent.queries {
        if let Some(problem) = ask(session, query, extent.query_timeout, said).await? {
            found.push(format!("query {:?}: {problem}", query.name));
        }
    }
    evidence.record("queries", format!("{} asked", extent.queries.len()), found);
    Ok(())
}

/// What is wrong with the answer, if anything.
async fn ask(session: &Session, query: &Query, timeout: Duration, said: &Said<'_>) -> anyhow::Result<Option<String>> {
    let begin = format!(
        "BEGIN READ ONLY; SET LOCAL statement_timeout = {}; SET LOCAL search_path = public",
        timeout.as_millis()
    );
    session.client().batch_execute(&begin).await.context("begin a read-only transaction")?;
    let answer = answer(session, query).await;
    session.client().batch_execute("ROLLBACK").await.context("end a read-only transaction")?;
    match answer {
        Ok(problem) => Ok(problem),
        Err(error) => match error.as_db_error() {
            Some(error) => Ok(Some(said.asking(&query.sql).by_server(error))),
            None => Err(error.into()),
        },
    }
}

async fn answer(session: &Session, query: &Query) -> Result<Option<String>, tokio_postgres::Error> {
    let types: Vec<Type> =
        session.client().prepare(&query.sql).await?.columns().iter().map(|column| column.type_().clone()).collect();
    // As text, so that every type can be compared and shown; row by row, so that no answer is too large.
    let mut messages = pin!(session.client().simple_query_raw(&query.sql).await?);
    let all_true = |row: &SimpleQueryRow| {
        types.iter().enumerate().all(|(index, kind)| *kind != Type::BOOL || row.get(index) == Some("t"))
    };
    let (mut rows, mut problem) = (0_u64, None);
    // To the end: an error in the last row is an answer, too.
    while let Some(message) = messages.try_next().await? {
        let SimpleQueryMessage::Row(row) = message else { continue };
        rows += 1;
        match &query.expect {
            Expect::Compared(comparison, expected) if rows == 1 => {
                let value = row.get(0);
                if !value.is_some_and(|value| holds(value, *comparison, expected)) {
                    problem = Some(format!("{}, and {comparison} {expected} is expected", shown(value)));
                }
            }
            Expect::True if problem.is_none() && !all_true(&row) => {
                problem = Some("a boolean is not true".to_owned());
            }
            Expect::Compared(..) | Expect::True => {}
        }
    }
    Ok(if rows == 0 { Some("no row".to_owned()) } else { problem })
}

/// A number or a boolean; any other value is data, and a report leaves the machine.
fn shown(value: Option<&str>) -> &str {
    match value {
        None => "null",
        Some(value @ ("t" | "f")) => value,
        Some(value) if value.len() <= MAX_SHOWN_BYTES && value.parse::<f64>().is_ok() => value,
        Some(_) => "another value",
    }
}

/// Compares as numbers if both are numbers, else as texts.
fn holds(value: &str, comparison: Comparison, expected: &str) -> bool {
    let ordering = match (value.parse::<f64>(), expected.parse::<f64>()) {
        (Ok(value), Ok(expected)) => value.partial_cmp(&expected),
        _ => Some(value.cmp(expected)),
    };
    let Some(ordering) = ordering else { return false };
    match comparison {
        Comparison::AtLeast => ordering.is_ge(),
        Comparison::AtMost => ordering.is_le(),
        Comparison::More => ordering.is_gt(),
        Comparison::Less => ordering.is_lt(),
        Comparison::Equal => ordering.is_eq(),
        Comparison::NotEqual => ordering.is_ne(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_questions_with_expectations() {
        let text = "\n-- name: fresh\n-- expect: >= 1\nSELECT count(*)\nFROM orders;\n-- name: whole\nSELECT true;\n";
        let queries = parse_queries(text, "VERIFY_SQL").unwrap();
        assert_eq!(queries[0].name, "fresh");
        assert_eq!(queries[0].expect, Expect::Compared(Comparison::AtLeast, "1".to_owned()));
        assert_eq!(queries[0].sql, "SELECT count(*)\nFROM orders;\n");
        assert_eq!((queries[1].name.as_str(), &queries[1].expect), ("whole", &Expect::True));
    }

    #[test]
    fn a_text_without_names_is_one_question() {
        let queries = parse_queries("SELECT 1 = 1", "VERIFY_SQL").unwrap();
        assert_eq!((queries.len(), queries[0].name.as_str()), (1, "VERIFY_SQL"));
        assert!(parse_queries("  \n", "VERIFY_SQL").unwrap().is_empty());
    }

    #[test]
    fn nonsense_is_refused_and_named() {
        let error = parse_queries("-- name: a\n-- expect: plenty\nSELECT 1", "x").unwrap_err();
        assert!(error.contains("\"a\""), "{error}");
        assert!(parse_queries("-- name: empty\n-- nothing\n", "x").unwrap_err().contains("\"empty\""));
    }

    #[test]
    fn values_of_an_answer_are_shown_where_they_are_numbers() {
        let values = [None, Some("17"), Some("-1.5e3"), Some("t"), Some("a@b.example"), Some("")];
        assert_eq!(values.map(shown), ["null", "17", "-1.5e3", "t", "another value", "another value"]);
        assert_eq!(shown(Some(&"1".repeat(41))), "another value");
    }

    #[track_caller]
    fn check(value: &str, expected: &str, holds_expected: bool) {
        let Some(Expect::Compared(comparison, wanted)) = expect(expected) else { panic!("{expected}") };
        assert_eq!(holds(value, comparison, &wanted), holds_expected, "{value} {expected}");
    }

    #[test]
    fn numbers_are_compared_as_numbers() {
        check("10", ">= 9", true);
        check("9", "> 9", false);
        check("9.0", "= 9", true);
        check("abc", "= abc", true);
        check("abc", "<> abd", true);
        check("10", "< 9", false);
        check("10", "<= 10", true);
    }
}
