//! What a run calls what it creates.

use rand::Rng;

use super::RunId;
use crate::catalog::DatabaseFacts;

/// Of this many letters names are that say nothing.
const LETTERS: std::ops::RangeInclusive<usize> = 6..=12;

/// The names of one run, and the mark on all that has them.
///
/// On a server that others use they follow from the run: a name is what a sweep finds leftovers by, and what keeps a
/// drill from everything that is not its own. On a throwaway server, which goes as a whole, nothing is swept, and a name
/// of a drill would only tell code of the archive that it is looked at: there they are the source's, or say nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) database: String,
    pub(super) reference: String,
    pub(super) owner: String,
    pub(super) comment: Option<String>,
}

impl Names {
    /// Those of a run on a server that others use.
    pub(super) fn of_run(run: &RunId) -> Self {
        Self { database: run.database(), reference: run.reference(), owner: run.owner(), comment: Some(run.comment()) }
    }

    /// Those of a run on a server of its own.
    pub(super) fn like(source: &SourceName) -> Self {
        Self { database: source.0.clone(), ..Self::neutral() }
    }

    /// Those of a further run on a server of its own.
    pub(super) fn neutral() -> Self {
        Self { database: neutral_name(), reference: neutral_name(), owner: neutral_name(), comment: None }
    }
}

/// The name of the database that was backed up, or one that says nothing if no other database can have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::postgres) struct SourceName(String);

impl SourceName {
    /// A name counts as bytes when a session begins, and as characters of the database in a statement: in another
    /// encoding than UTF-8 the two differ beyond ASCII.
    pub(in crate::postgres) fn of(source: &DatabaseFacts) -> Self {
        let is_template = ["template0", "template1"].contains(&source.name.as_str());
        let is_plain = source.name.is_ascii() || source.encoding == "UTF8";
        Self(if is_plain && !is_template { source.name.clone() } else { neutral_name() })
    }
}

/// Lower-case letters, not always as many, so that there is no pattern to know a drill by.
pub(in crate::postgres) fn neutral_name() -> String {
    let mut random = rand::rng();
    (0..random.random_range(LETTERS)).map(|_| char::from(random.random_range(b'a'..=b'z'))).collect()
}
