//! Which databases are meant: `DATABASES` and `DATABASES_EXCLUDE`.

use std::collections::BTreeSet;

use regex::Regex;

use crate::postgres::conninfo::cut_name;

/// Maximum number of databases that one process serves, and of entries in a list of them.
pub const MAX_DATABASES: usize = 1_000;

/// Databases that belong to a provider, whose role for users cannot read them: Amazon RDS and Aurora, Google Cloud SQL,
/// AlloyDB, Azure, Supabase, DigitalOcean. A pattern never selects them; a name does.
pub const DATABASES_OF_PROVIDERS: [&str; 8] = [
    "rdsadmin",
    "cloudsqladmin",
    "alloydbadmin",
    "alloydbmetadata",
    "azure_maintenance",
    "azure_sys",
    "_supabase",
    "_dodb",
];

/// Why a list of databases was rejected. The list is not quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// Nothing is in it.
    #[error("names no database")]
    Empty,
    /// More than a process can serve.
    #[error("has more than {MAX_DATABASES} entries")]
    TooMany,
    /// `"app`
    #[error("has an entry that begins with a quotation mark and does not end with one")]
    Unclosed,
    /// `my"app` or `"my"app`
    #[error(
        "has a quotation mark beside other text; write a name that contains commas, quotation marks or line breaks in \
         quotation marks, and each quotation mark in it twice: \"a,b\", \"say \"\"hello\"\"\""
    )]
    Quotation,
    /// A pattern that is too long for the matcher.
    #[error("has a pattern that is too long")]
    Pattern,
}

/// An entry of a list.
#[derive(Debug, Clone)]
enum Entry {
    /// A database with exactly this name.
    Name(String),
    /// Every database whose name matches.
    Pattern(Regex),
}

/// The databases that a process serves, by name or by pattern.
#[derive(Debug, Clone)]
pub struct DatabaseList {
    included: Vec<Entry>,
    excluded: Vec<Entry>,
}

impl DatabaseList {
    /// Reads entries that are separated by commas or line breaks: names, names in quotation marks, and patterns, in which `*`
    /// stands for any characters and `?` for one.
    ///
    /// # Errors
    /// If it has no entry, too many, or a quotation mark in the wrong place.
    pub fn parse(text: &str) -> Result<Self, ListError> {
        Ok(Self { included: entries(text)?, excluded: Vec::new() })
    }

    /// This list, without what `text` names in the same way.
    ///
    /// # Errors
    /// As [`DatabaseList::parse`].
    pub fn without(self, text: &str) -> Result<Self, ListError> {
        Ok(Self { excluded: entries(text)?, ..self })
    }

    /// Whether a listing of the databases that exist decides which are meant.
    pub fn has_patterns(&self) -> bool {
        self.included.iter().any(|entry| matches!(entry, Entry::Pattern(_)))
    }

    /// Whether the database called `name` is meant, if it exists.
    pub fn selects(&self, name: &str) -> bool {
        let is_of_provider = DATABASES_OF_PROVIDERS.contains(&name);
        let is_included = self.included.iter().any(|entry| match entry {
            Entry::Name(_) => entry.is(name),
            Entry::Pattern(_) => !is_of_provider && entry.is(name),
        });
        is_included && !self.excluded.iter().any(|entry| entry.is(name))
    }

    /// The databases that are meant if `existing` exist: those of them that are selected, and those that are named whether
    /// they exist or not.
    pub fn select<'name>(&self, existing: impl IntoIterator<Item = &'name str>) -> BTreeSet<String> {
        let named = self.included.iter().filter_map(|entry| match entry {
            Entry::Name(name) => Some(name.clone()),
            Entry::Pattern(_) => None,
        });
        existing.into_iter().map(str::to_owned).chain(named).filter(|name| self.selects(name)).collect()
    }
}

impl Entry {
    fn is(&self, name: &str) -> bool {
        match self {
            Self::Name(own) => own == name,
            Self::Pattern(pattern) => pattern.is_match(name),
        }
    }

    fn parse(text: &str) -> Result<Self, ListError> {
        if !text.contains(['*', '?']) {
            return Ok(Self::Name(cut_name(text).to_owned()));
        }
        let parts = text.chars().map(|char| match char {
            '*' => ".*".to_owned(),
            '?' => ".".to_owned(),
            char => regex::escape(char.encode_utf8(&mut [0; 4])),
        });
        let pattern = format!("(?s)^{}$", parts.collect::<String>());
        Regex::new(&pattern).map(Self::Pattern).map_err(|_| ListError::Pattern)
    }
}

fn entries(text: &str) -> Result<Vec<Entry>, ListError> {
    let (mut entries, mut rest) = (Vec::new(), text);
    loop {
        rest = rest.trim_start_matches(|char: char| char.is_whitespace() || char == ',');
        if rest.is_empty() {
            break;
        }
        if entries.len() == MAX_DATABASES {
            return Err(ListError::TooMany);
        }
        let (entry, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_name(quoted)?,
            None => {
                let (entry, after) = rest.split_at(rest.find([',', '\n']).unwrap_or(rest.len()));
                if entry.contains('"') {
                    return Err(ListError::Quotation);
                }
                (Entry::parse(entry.trim())?, after)
            }
        };
        entries.push(entry);
        rest = after;
    }
    if entries.is_empty() { Err(ListError::Empty) } else { Ok(entries) }
}

/// The name that `text` begins with, whose first quotation mark is taken off already, and what follows it.
fn quoted_name(text: &str) -> Result<(Entry, &str), ListError> {
    let (mut name, mut rest) = (String::new(), text);
    loop {
        let (part, after) = rest.split_once('"').ok_or(ListError::Unclosed)?;
        name.push_str(part);
        let Some(doubled) = after.strip_prefix('"') else {
            let next = after.trim_start_matches([' ', '\t', '\r']);
            if name.is_empty() {
                return Err(ListError::Empty);
            }
            return match next.is_empty() || next.starts_with([',', '\n']) {
                true => Ok((Entry::Name(cut_name(&name).to_owned()), next)),
                false => Err(ListError::Quotation),
            };
        };
        name.push('"');
        rest = doubled;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of `existing` are meant, and which are named besides.
    #[track_caller]
    fn check((included, excluded): (&str, &str), existing: &[&str], expected: &[&str]) {
        let list = DatabaseList::parse(included).unwrap();
        let list = if excluded.is_empty() { list } else { list.without(excluded).unwrap() };
        let selected = list.select(existing.iter().copied());
        assert_eq!(selected, expected.iter().map(|name| (*name).to_owned()).collect(), "{included} without {excluded}");
    }

    #[test]
    fn names_are_meant_whether_they_exist_or_not_and_patterns_only_what_exists() {
        let existing = ["app", "billing", "tmp_1", "tmp_2", "Tmp_3"];
        check(("app,gone", ""), &existing, &["app", "gone"]);
        check((" app ,\nbilling,", ""), &existing, &["app", "billing"]);
        check(("*", ""), &existing, &existing);
        check(("*", "tmp_*"), &existing, &["Tmp_3", "app", "billing"]);
        check(("*", "tmp_?, app"), &existing, &["Tmp_3", "billing"]);
        check(("tmp_*,app", "tmp_2"), &existing, &["app", "tmp_1"]);
        check(("app,gone", "gone"), &existing, &["app"]);
        check(("*", "*"), &existing, &[]);
        check(("tmp_*", ""), &["app"], &[]);
    }

    #[test]
    fn databases_of_providers_are_meant_only_by_their_names() {
        let existing = ["app", "rdsadmin", "azure_sys", "_supabase", "rdsadmin2"];
        check(("*", ""), &existing, &["app", "rdsadmin2"]);
        check(("rds*", ""), &existing, &["rdsadmin2"]);
        check(("*,rdsadmin", ""), &existing, &["app", "rdsadmin", "rdsadmin2"]);
    }

    #[test]
    fn every_name_can_be_written() {
        let hostile = ["a,b", "say \"hello\"", "two\nlines", " spaces ", "*", "a.b", "ü?", "--host=evil", "(x|y)"];
        for name in hostile {
            let quoted = format!("app, \"{}\" , other", name.replace('"', "\"\""));
            check((&quoted, ""), &[], &["app", "other", name]);
            check(("*", &quoted), &[name, "x"], &["x"]);
        }
        check(("a.b", ""), &["axb"], &["a.b"]);
        check(("(x|y)*", ""), &["x", "(x|y)1"], &["(x|y)1"]);
        check(("a?c*", ""), &["a\nc\n", "aüc", "ac"], &["a\nc\n", "aüc"]);
        let long = "x".repeat(70);
        check((&long, ""), &[], &[&long[..63]]);
    }

    #[test]
    fn a_list_that_cannot_be_meant_is_rejected() {
        let check = |text: &str, expected| assert_eq!(DatabaseList::parse(text).unwrap_err(), expected, "{text}");
        check("", ListError::Empty);
        check(" , \n", ListError::Empty);
        check("\"\"", ListError::Empty);
        check("\"app", ListError::Unclosed);
        check("my\"app", ListError::Quotation);
        check("\"my\"app", ListError::Quotation);
        check(&"a,".repeat(MAX_DATABASES + 1), ListError::TooMany);
    }
}
