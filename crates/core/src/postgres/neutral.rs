//! Names and texts that say nothing of a drill.

use rand::Rng;
use rand::distr::Alphanumeric;

use crate::repository::DatabaseFacts;

/// Of this many letters names are that say nothing.
const LETTERS: std::ops::RangeInclusive<usize> = 6..=12;

/// The name of the database that was backed up, or one that says nothing if no other database can have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SourceName(String);

impl SourceName {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// A name counts as bytes when a session begins, and as characters of the database in a statement: in another
    /// encoding than UTF-8 the two differ beyond ASCII.
    pub(super) fn of(source: &DatabaseFacts) -> Self {
        let is_template = ["template0", "template1"].contains(&source.name.as_str());
        let is_plain = source.name.is_ascii() || source.encoding == "UTF8";
        Self(if is_plain && !is_template { source.name.clone() } else { neutral_name() })
    }
}

/// Lower-case letters, not always as many, so that there is no pattern to know a drill by.
pub fn neutral_name() -> String {
    let mut random = rand::rng();
    (0..random.random_range(LETTERS)).map(|_| char::from(random.random_range(b'a'..=b'z'))).collect()
}

/// Letters and digits.
pub(super) fn random_text(chars: usize) -> String {
    rand::rng().sample_iter(Alphanumeric).take(chars).map(char::from).collect()
}
