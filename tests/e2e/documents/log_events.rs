//! Whether the tables of log events list the events of the programs, with their levels and fields.

use std::fs;

use super::messages::{is_known, literals, templates};
use super::{files, open, root};

/// The pages with tables of log events.
const PAGES: [&str; 3] = ["docs/configuration.md", "docs/configuration-backup.md", "docs/configuration-verify.md"];

const LEVELS: [&str; 3] = ["info", "warn", "error"];

/// One event, in a table or in the source.
#[derive(Debug, Clone, PartialEq, Eq)]
struct LogEvent {
    message: String,
    level: String,
    fields: Vec<String>,
}

#[test]
fn every_listed_log_event_is_one_of_the_programs() {
    let templates = templates();
    let listed = listed();
    assert!(listed.len() > 40, "{listed:#?}");
    let unknown: Vec<_> = listed.iter().filter(|event| !is_known(&event.message, &templates)).collect();
    assert!(unknown.is_empty(), "no program logs {unknown:#?}");
    for event in logged("crates").iter().chain(&logged("services/backup/src")) {
        for row in listed.iter().filter(|row| event.is(row)) {
            assert!(row.level.contains(&event.level), "{row:?} is {}", event.level);
            assert_eq!(row.fields, event.fields, "{}", row.message);
        }
    }
}

#[test]
fn every_log_event_of_backup_is_listed() {
    let listed = listed();
    let logged = logged("services/backup/src");
    assert!(logged.len() > 20, "{logged:#?}");
    let missing: Vec<_> = logged.iter().filter(|event| !listed.iter().any(|row| event.is(row))).collect();
    assert!(missing.is_empty(), "no table lists {missing:#?}");
}

#[test]
fn events_are_found_in_a_source() {
    let source = r##"
        tracing::info!(backup_id = %backup.id, stored_bytes, "deleted (by retention)");
        Err(error) => tracing::warn!(
            error = format!("{error:#}, {}", 1),
            %until,
            "it failed, \
             trying again in {until}"
        ),
        tracing::debug!("not shown by default");
        tracing::error!("{words}");
    "##;
    let event = |message: &str, level: &str, fields: &[&str]| LogEvent {
        message: message.to_owned(),
        level: level.to_owned(),
        fields: fields.iter().map(|field| (*field).to_owned()).collect(),
    };
    let mut found = Vec::new();
    LEVELS.iter().for_each(|level| found.extend(events(source, level)));
    assert_eq!(
        found,
        [
            event("deleted (by retention)", "info", &["backup_id", "stored_bytes"]),
            event("it failed, trying again in", "warn", &["error", "until"]),
        ]
    );
    assert!(found[1].is(&event("it failed, trying again in ...", "warn", &[])));
    assert!(!found[0].is(&event("deleted", "info", &[])));
}

impl LogEvent {
    /// Whether a row of a table is about this event: what is put in is `...` there.
    fn is(&self, row: &Self) -> bool {
        row.message == self.message
            || row.message.strip_suffix("...").is_some_and(|start| start.trim_end() == self.message)
    }
}

/// The rows of all tables of log events that have a column for fields.
fn listed() -> Vec<LogEvent> {
    let mut rows = Vec::new();
    for page in PAGES {
        for line in open(page).prose.lines() {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            let [messages, level, fields, _] = cells.as_slice() else { continue };
            if !LEVELS.iter().any(|word| level.split(' ').next() == Some(word)) {
                continue;
            }
            let fields: Vec<String> = spans(fields).collect();
            let row = |message| LogEvent { message, level: (*level).to_owned(), fields: fields.clone() };
            rows.extend(spans(messages).map(row));
        }
    }
    rows
}

fn spans(cell: &str) -> impl Iterator<Item = String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned)
}

/// The events of the sources below `folder`, without those whose whole message is put in.
fn logged(folder: &str) -> Vec<LogEvent> {
    let sources = files(folder, ".rs").into_iter().filter(|path| !path.contains("/tests"));
    let mut found = Vec::new();
    for path in sources {
        let source = fs::read_to_string(root().join(path)).unwrap();
        LEVELS.iter().for_each(|level| found.extend(events(&source, level)));
    }
    found
}

fn events(source: &str, level: &str) -> Vec<LogEvent> {
    let start = format!("tracing::{level}!(");
    source.split(&start).skip(1).filter_map(|rest| event(&arguments(rest), level)).collect()
}

/// The event of a macro with these arguments. The message is the last text; `{` begins what is put in.
fn event(arguments: &[String], level: &str) -> Option<LogEvent> {
    let at = arguments.iter().position(|argument| argument.starts_with('"'))?;
    let message = literals(&arguments[at]).pop()?;
    let message = message.split('{').next().unwrap_or_default().trim_end().to_owned();
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let field = |argument: &String| {
        argument.trim_start_matches(['%', '?']).split(|letter| !is_word(letter)).next().map(str::to_owned)
    };
    let fields = arguments[..at].iter().filter_map(field).collect();
    (!message.is_empty()).then(|| LogEvent { message, level: level.to_owned(), fields })
}

/// The arguments of a macro, given the source after its opening bracket.
fn arguments(source: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    let (mut depth, mut in_text, mut is_escaped) = (0, false, false);
    for letter in source.chars() {
        match letter {
            '"' if !is_escaped => in_text = !in_text,
            '(' | '[' | '{' if !in_text => depth += 1,
            ')' if !in_text && depth == 0 => break,
            ')' | ']' | '}' if !in_text => depth -= 1,
            ',' if !in_text && depth == 0 => {
                found.push(String::new());
                continue;
            }
            _ => {}
        }
        is_escaped = letter == '\\' && !is_escaped;
        found.last_mut().unwrap().push(letter);
    }
    found.into_iter().map(|argument| argument.trim().to_owned()).filter(|argument| !argument.is_empty()).collect()
}
