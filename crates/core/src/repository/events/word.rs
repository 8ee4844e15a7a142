//! A word in a name.

use std::fmt;

/// Maximum characters of a [`Word`].
const MAX_WORD_CHARS: usize = 32;

/// A word of a name: lower-case letters, digits and `_`. It comes from a program, never from a database or a store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Word(String);

impl Word {
    /// The word that a program spells so.
    pub fn of(text: &str) -> Self {
        Self(text.chars().map(|c| if is_good(c) { c } else { '_' }).take(MAX_WORD_CHARS).collect())
    }

    /// The word as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        (text.chars().all(is_good) && (1..=MAX_WORD_CHARS).contains(&text.len())).then(|| Self(text.to_owned()))
    }
}

fn is_good(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'
}

impl fmt::Display for Word {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
