//! The items of a suite: SQL under a line that says what it is.
//!
//! ```text
//! ## M002 | index | drop index
//! -- needs: 15
//! DROP INDEX sales.orders_note;
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// The options that may stand between the first line and the SQL: `-- name: value`.
const OPTIONS: [&str; 7] = ["db", "owner", "url-user", "clientenc", "needs", "until", "locale"];

/// One case of a suite.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// Unique in its suite, such as `M002`.
    pub(super) id: String,
    /// Of a mutation, the kind of object that it changes; of a good database, the modes of its drills.
    pub(super) kind: String,
    /// For the reader of a table.
    pub(super) what: String,
    /// For `psql`, which understands `\gexec`, too.
    pub(super) sql: String,
    options: BTreeMap<String, String>,
}

impl Item {
    /// The value of an option that stands before the SQL.
    pub(super) fn option(&self, name: &str) -> Option<&str> {
        debug_assert!(OPTIONS.contains(&name), "{name} is not an option");
        self.options.get(name).map(String::as_str)
    }

    /// Whether a server of this major version has what the item is about.
    pub(super) fn suits(&self, major: u32) -> bool {
        let version = |name: &str| self.option(name).map(|text| text.parse::<u32>().unwrap());
        version("needs").is_none_or(|least| least <= major) && version("until").is_none_or(|most| major <= most)
    }
}

/// All items of a folder under `tests/suites/`, file by file.
#[track_caller]
pub(super) fn all(folder: &str) -> Vec<Item> {
    let entries = fs::read_dir(super::data(folder)).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(".sql"));
    names.sort();
    let items: Vec<Item> = names.iter().flat_map(|name| parse(&super::read(&format!("{folder}/{name}")))).collect();
    let mut ids = BTreeSet::new();
    items.iter().for_each(|item| assert!(ids.insert(&item.id), "{} is there twice", item.id));
    items
}

/// The items of a file. What stands before the first is for the reader of the file.
#[track_caller]
fn parse(text: &str) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            items.push(titled(title));
        } else if let Some(item) = items.last_mut() {
            add(item, line);
        } else {
            assert!(line.is_empty() || line.starts_with("--"), "before the first item: {line}");
        }
    }
    items.iter().for_each(|item| assert!(!item.sql.trim().is_empty(), "{} has no SQL", item.id));
    items
}

#[track_caller]
fn titled(title: &str) -> Item {
    let mut parts = title.splitn(3, " | ").map(|part| part.trim().to_owned());
    let mut part = || parts.next().unwrap_or_else(|| panic!("not `## id | kind | what`: {title}"));
    Item { id: part(), kind: part(), what: part(), sql: String::new(), options: BTreeMap::new() }
}

#[track_caller]
fn add(item: &mut Item, line: &str) {
    let option = line.strip_prefix("-- ").filter(|_| item.sql.is_empty()).and_then(|text| text.split_once(": "));
    match option {
        Some((name, value)) if OPTIONS.contains(&name) => {
            item.options.insert(name.to_owned(), value.trim().to_owned());
        }
        Some((name, _)) if !name.contains(' ') => panic!("{}: {name} is not an option", item.id),
        _ => {
            item.sql.push_str(line);
            item.sql.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_have_a_title_options_and_sql() {
        let text = "-- For the reader.\n\n## A1 | plain,su | one | two\n-- db: ENCODING 'LATIN9'\n-- needs: 16\n-- until: 17\n\
                    -- A remark: with a colon.\nSELECT 1;\n-- owner: app\n## A2 | control | none\n\\echo\n";
        let items = parse(text);
        let [first, second] = items.as_slice() else { panic!("{items:#?}") };
        assert_eq!((first.id.as_str(), first.kind.as_str(), first.what.as_str()), ("A1", "plain,su", "one | two"));
        assert_eq!(first.option("db"), Some("ENCODING 'LATIN9'"));
        assert_eq!(first.option("owner"), None);
        assert_eq!(first.sql, "-- A remark: with a colon.\nSELECT 1;\n-- owner: app\n");
        assert!(!first.suits(15) && first.suits(16) && !first.suits(18) && second.suits(13));
    }

    #[test]
    #[should_panic(expected = "A1: onwer is not an option")]
    fn an_option_with_a_typo_is_not_taken_for_a_comment() {
        parse("## A1 | plain | one\n-- onwer: app\nSELECT 1;\n");
    }
}
