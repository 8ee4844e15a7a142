//! A word in a name.

use std::fmt;

/// Maximum characters of a [`Word`].
const MAX_WORD_CHARS: usize = 32;

/// A word of a name: lower-case letters and `_`. It comes from a program, never from a database or a store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Word(String);

impl Word {
    /// The word that a program spells so.
    pub fn of(text: &'static str) -> Self {
        Self(text.chars().map(|c| if c.is_ascii_lowercase() { c } else { '_' }).take(MAX_WORD_CHARS).collect())
    }

    /// The word as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let good = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        (good && (1..=MAX_WORD_CHARS).contains(&text.len())).then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for Word {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
