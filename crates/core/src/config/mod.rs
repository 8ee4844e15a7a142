//! Environment in, typed facts out: every complaint at once, each naming its variable, none
//! showing a value.

mod bucket;
mod bucket_variables;
mod credentials;
mod foreign;
pub(crate) mod value_file;
mod variable;

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub use bucket_variables::S3_VARIABLES;
pub use variable::{
    ALLOW_OUTDATED_TOOLS, DATABASE_VARIABLES, Kind, SERVICE_VARIABLES, Variable, example_difference, index_difference,
    markdown_tables,
};

use foreign::{
    FOREIGN_PREFIXES, FOREIGN_SECRETS, FOREIGN_SOURCES, FOREIGN_VARIABLES, PLATFORM_VARIABLES, RENAMED_VARIABLES,
};
use value_file::read_value_file;

use crate::live_secret::LiveSecret;
use crate::secret::Secret;

/// All that is wrong with the environment; shown once, then the process exits with 78.
#[derive(Debug, Default)]
pub struct ConfigError {
    problems: Vec<(String, String)>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("invalid environment:")?;
        for (name, message) in &self.problems {
            write!(formatter, "\n  {name}: {message}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// The environment, matched against the table of variables that a service knows.
///
/// Reading a value never fails at once: a bad value is noted and a harmless stand-in returned, so
/// that [`Settings::finish`] can report every problem together.
pub struct Settings {
    tables: Vec<&'static [Variable]>,
    values: HashMap<String, Secret>,
    /// The file of each value that came from one, with the variable that names it.
    files: HashMap<&'static str, (String, PathBuf)>,
    platform: HashMap<&'static str, String>,
    /// Names of other tools that were given, each with ours for the same.
    foreign: Vec<(String, &'static str)>,
    /// Secrets of others in this environment, which are not ours to read and must not be shown.
    foreign_secrets: Vec<Secret>,
    warnings: Vec<String>,
    error: ConfigError,
}

impl Settings {
    /// Collects the variables of `tables` from `vars`: by name, by `NAME_FILE`, or by alias, in this
    /// order. An empty value counts as not set, as compose files write `${NAME:-}`.
    ///
    /// A name that begins with one of `own_prefixes` and is in no table is worth a warning: most likely
    /// it is misspelled.
    pub fn read(
        vars: impl IntoIterator<Item = (String, String)>,
        tables: &[&'static [Variable]],
        own_prefixes: &[&str],
    ) -> Self {
        let given: HashMap<String, Secret> = vars
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name, Secret::new(value)))
            .collect();
        let mut settings = Self {
            tables: tables.to_vec(),
            values: HashMap::new(),
            files: HashMap::new(),
            platform: HashMap::new(),
            foreign: Vec::new(),
            foreign_secrets: Vec::new(),
            warnings: Vec::new(),
            error: ConfigError::default(),
        };
        let mut pairs = Vec::new();
        for variable in tables.iter().flat_map(|table| table.iter()) {
            if let Some(value) = settings.resolve(variable, &given) {
                pairs.push((variable.name.to_owned(), value.expose().to_owned()));
            }
        }
        settings.refuse_renamed(&given);
        settings.values = envy::from_iter(pairs).expect("a map of texts takes any text");
        settings.foreign = settings.foreign_names(&given);
        for name in settings.unknown_names(&given, own_prefixes) {
            if settings.foreign.iter().all(|(theirs, _)| *theirs != name) {
                settings.warn(format!("{name} is not a variable of this program; see docs/configuration.md"));
            }
        }
        let hints: Vec<String> =
            settings.foreign.iter().map(|(theirs, ours)| format!("{theirs} {}", hint(ours))).collect();
        settings.warnings.extend(hints);
        let of_platform = |name: &&'static str| Some((*name, given.get(*name)?.expose().to_owned()));
        settings.platform = PLATFORM_VARIABLES.iter().filter_map(of_platform).collect();
        settings.foreign_secrets = FOREIGN_SECRETS.iter().filter_map(|name| given.get(*name).cloned()).collect();
        settings
    }

    fn resolve(&mut self, variable: &'static Variable, given: &HashMap<String, Secret>) -> Option<Secret> {
        let names = std::iter::once(&variable.name).chain(variable.aliases);
        for name in names {
            let file_name = format!("{name}_FILE");
            match (given.get(*name), given.get(&file_name)) {
                (Some(_), Some(_)) => {
                    self.reject(name, format!("is set together with {file_name}; keep one of them"));
                    return None;
                }
                (Some(value), None) => return Some(value.clone()),
                (None, Some(path)) => match read_value_file(path.expose()) {
                    Ok(value) => {
                        self.files.insert(variable.name, (file_name, PathBuf::from(path.expose())));
                        return Some(value).filter(|value| !value.is_empty());
                    }
                    Err(message) => {
                        self.reject(&file_name, message);
                        return None;
                    }
                },
                (None, None) => {}
            }
        }
        None
    }

    /// Notes every old name of a renamed variable: its value would be ignored without a word.
    fn refuse_renamed(&mut self, given: &HashMap<String, Secret>) {
        for (old, new) in RENAMED_VARIABLES {
            for suffix in ["", "_FILE"] {
                let old = format!("{old}{suffix}");
                if given.contains_key(&old) {
                    self.reject(&old, format!("is called {new}{suffix} now; rename it"));
                }
            }
        }
    }

    /// The given names that people bring from other tools, each with ours for the same, if this service has it.
    fn foreign_names(&self, given: &HashMap<String, Secret>) -> Vec<(String, &'static str)> {
        let variables = || self.tables.iter().flat_map(|table| table.iter());
        let knows = |name: &str| variables().any(|variable| variable.name == name || variable.aliases.contains(&name));
        // Only a service that dumps has a source: for another one, DATABASE_URL is a server to drill on.
        let lacks_source = knows("PGHOST") && !self.is_set("DATABASE_URL") && !self.is_set("PGHOST");
        let sources = if lacks_source { FOREIGN_SOURCES } else { &[] };
        let ours = |theirs: &str| {
            let exact = FOREIGN_VARIABLES.iter().chain(sources).find(|(name, _)| *name == theirs);
            exact
                .or_else(|| FOREIGN_PREFIXES.iter().find(|(start, _)| theirs.starts_with(start)))
                .map(|(_, ours)| *ours)
        };
        let mut names: Vec<&String> = given.keys().collect();
        names.sort();
        let foreign = names.into_iter().filter_map(|theirs| {
            let name = theirs.trim_end_matches("_FILE");
            ours(name).filter(|ours| !knows(name) && knows(ours)).map(|ours| (theirs.clone(), ours))
        });
        foreign.collect()
    }

    /// What the platform says of itself, if it is one of the variables that are known for that.
    pub fn of_platform(&self, name: &str) -> Option<String> {
        self.platform.get(name).cloned()
    }

    fn unknown_names(&self, given: &HashMap<String, Secret>, own_prefixes: &[&str]) -> Vec<String> {
        let known = |name: &str| {
            let variables = self.tables.iter().flat_map(|table| table.iter());
            let names = variables.flat_map(|variable| std::iter::once(&variable.name).chain(variable.aliases));
            names.chain(RENAMED_VARIABLES.iter().map(|(old, _)| old)).any(|known| *known == name)
        };
        let mut unknown: Vec<String> = given
            .keys()
            .filter(|name| own_prefixes.iter().any(|prefix| name.starts_with(prefix)))
            .filter(|name| !known(name) && !known(name.trim_end_matches("_FILE")))
            .cloned()
            .collect();
        unknown.sort();
        unknown
    }

    /// Notes something that is no error and should be said once at start. It must not quote a value.
    pub fn warn(&mut self, message: impl Into<String>) {
        self.warnings.push(message.into());
    }

    /// What was worth a warning since [`Settings::read`].
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }

    /// Notes a problem with `name`. The message must not quote the value. A value that is read twice has its problem once.
    pub fn reject(&mut self, name: &str, message: impl Into<String>) {
        let problem = (name.to_owned(), message.into());
        if !self.error.problems.contains(&problem) {
            self.error.problems.push(problem);
        }
    }

    /// Whether `name` was given in any form.
    pub fn is_set(&self, name: &str) -> bool {
        self.values.contains_key(&self.variable(name).name.to_lowercase())
    }

    /// The value as a secret, or `None` if it is not set.
    pub fn secret(&self, name: &str) -> Option<Secret> {
        self.values.get(&self.variable(name).name.to_lowercase()).cloned()
    }

    /// As [`Settings::secret`], and read again from its file when that changes.
    pub fn live_secret(&self, name: &str) -> Option<LiveSecret> {
        let secret = self.secret(name)?;
        Some(match self.files.get(self.variable(name).name) {
            Some((variable, path)) => LiveSecret::in_file(secret, variable.clone(), path.clone()),
            None => LiveSecret::fixed(secret),
        })
    }

    /// Whether the value came from a file.
    pub fn is_from_file(&self, name: &str) -> bool {
        self.files.contains_key(self.variable(name).name)
    }

    /// Every value that the tables call a secret, for a [`Scrubber`](crate::scrub::Scrubber).
    pub fn secrets(&self) -> Vec<Secret> {
        let all = self.tables.iter().flat_map(|table| table.iter());
        all.filter(|variable| matches!(variable.kind, Kind::Secret))
            .filter_map(|variable| self.secret(variable.name))
            .chain(self.foreign_secrets.iter().cloned())
            .collect()
    }

    /// The value, its default, or `None` if there is neither.
    pub fn text(&self, name: &str) -> Option<String> {
        let default = self.variable(name).default;
        let given = self.secret(name).map(|secret| secret.expose().to_owned());
        given.or_else(|| (!default.is_empty()).then(|| default.to_owned()))
    }

    /// The value, noting "is not set" if there is none.
    pub fn required(&mut self, name: &str) -> Option<Secret> {
        let value = self.secret(name);
        if value.is_none() {
            self.reject(name, "is not set");
        }
        value
    }

    /// The value or default, put through `parse`; an error of it is noted under `name`.
    pub fn parsed<T, E: fmt::Display>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        let text = self.text(name)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.reject(name, error.to_string());
                None
            }
        }
    }

    /// A whole number within the range of the table; the lower bound stands in for a bad one.
    pub fn number(&mut self, name: &str) -> u64 {
        self.optional_number(name).unwrap_or_else(|| self.range(name).0)
    }

    /// As [`Settings::number`], for a variable without a default.
    pub fn optional_number(&mut self, name: &str) -> Option<u64> {
        let (min, max) = self.range(name);
        self.parsed(name, |text| match text.trim().parse::<u64>() {
            Ok(value) if (min..=max).contains(&value) => Ok(value),
            _ => Err(format!("is not a whole number from {min} to {max}")),
        })
    }

    /// As [`Settings::number`], in seconds.
    pub fn seconds(&mut self, name: &str) -> Duration {
        Duration::from_secs(self.number(name))
    }

    /// The text of the file that the variable names.
    pub fn file(&mut self, name: &str) -> Option<String> {
        self.parsed(name, read_value_file).map(|text| text.expose().to_owned())
    }

    /// `true` or `false` (also `1`, `0`, `yes`, `no`, `on`, `off`), or the default.
    pub fn flag(&mut self, name: &str) -> bool {
        self.optional_flag(name).unwrap_or(false)
    }

    /// As [`Settings::flag`], for a variable without a default.
    pub fn optional_flag(&mut self, name: &str) -> Option<bool> {
        self.parsed(name, |text| match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err("is neither true nor false"),
        })
    }

    /// What the given word, or the default, means; the first meaning stands in for a bad word. `meanings` has each word of
    /// the table, in its order and in lower case.
    pub fn choice<T: Copy, const N: usize>(&mut self, name: &str, meanings: [(&str, T); N]) -> T {
        let words = meanings.map(|(word, _)| word);
        assert!(matches!(self.variable(name).kind, Kind::Choice(table) if *table == words), "the words of {name}");
        let chosen = self.parsed(name, |text| {
            let text = text.trim().to_ascii_lowercase();
            let meaning = meanings.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
            meaning.ok_or_else(|| format!("is not one of: {}", words.join(", ")))
        });
        chosen.unwrap_or(meanings[0].1)
    }

    /// The configuration, unless anything was wrong anywhere.
    ///
    /// # Errors
    /// Every problem noted since [`Settings::read`].
    pub fn finish<T>(mut self, config: Option<T>) -> Result<T, ConfigError> {
        match config {
            Some(config) if self.error.problems.is_empty() => Ok(config),
            _ => {
                // Warnings are not shown now, and the name of another tool may be why one of ours is missing.
                for (theirs, ours) in std::mem::take(&mut self.foreign) {
                    self.reject(&theirs, hint(ours));
                }
                Err(self.error)
            }
        }
    }

    fn range(&self, name: &str) -> (u64, u64) {
        match self.variable(name).kind {
            Kind::Number { min, max } => (min, max),
            _ => panic!("{name} is not a number"),
        }
    }

    fn variable(&self, name: &str) -> &'static Variable {
        let mut all = self.tables.iter().flat_map(|table| table.iter());
        all.find(|variable| variable.name == name)
            .unwrap_or_else(|| panic!("{name} is missing from the table of variables"))
    }
}

/// What to say of the name of another tool.
fn hint(ours: &str) -> String {
    format!("is not a variable of this program; did you mean {ours}?")
}

/// The environment as text. What is no UTF-8 cannot be a value of ours; replacing its bytes keeps
/// foreign variables from ending the start, and makes one of ours fail where it is used.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
}

#[cfg(test)]
mod tests;
