//! What differs, in values and in sentences.

use std::fmt;

use crate::toc::Entry;

/// What an archive defines: its kind, its schema if it has one, and its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// Its kind, such as `TRIGGER`.
    pub desc: String,
    /// Its schema; empty if it has none.
    pub schema: String,
    /// Its name, such as `orders audit`.
    pub name: String,
}

impl From<&Entry> for Named {
    fn from(entry: &Entry) -> Self {
        Self { desc: entry.desc.clone(), schema: entry.namespace.clone(), name: entry.tag.clone() }
    }
}

impl fmt::Display for Named {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dot = if self.schema.is_empty() { "" } else { "." };
        write!(formatter, "{} {}{dot}{}", self.desc, self.schema, self.name)
    }
}

/// One thing that is not as it was dumped.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// It was dumped and is not there.
    Missing(Named),
    /// It is there and was not dumped.
    Unexpected(Named),
    /// It is there, defined otherwise.
    Different {
        /// The object.
        object: Named,
        /// The first line of its definition that differs, as it was dumped.
        dumped: String,
        /// The same line as it was restored.
        restored: String,
    },
    /// It is there, and defined otherwise than by the archive's definition when that is restored here.
    Otherwise {
        /// The object.
        object: Named,
        /// The first line of its definition that differs, as it is in the reference database.
        reference: String,
        /// The same line as it was restored.
        restored: String,
    },
}

impl Difference {
    /// What it is about.
    pub fn object(&self) -> &Named {
        match self {
            Self::Missing(object)
            | Self::Unexpected(object)
            | Self::Different { object, .. }
            | Self::Otherwise { object, .. } => object,
        }
    }

    /// The sentence about it. What only the restored database has, code of the archive may have made of rows, so it
    /// passes through `known`.
    pub fn told(&self, known: impl Fn(&str) -> String) -> String {
        match self {
            Self::Missing(object) => format!("{object} is missing"),
            Self::Unexpected(object) => format!("{} was not in the dump", known(&object.to_string())),
            Self::Different { object, dumped, restored } => {
                format!("{object} differs: {dumped:?} was dumped, {:?} is there", known(restored))
            }
            Self::Otherwise { object, reference, restored } => {
                format!("{object} differs: its definition becomes {reference:?} here, {:?} is there", known(restored))
            }
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.told(str::to_owned))
    }
}

/// An object whose text is not the archive's, and that is as it should be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Respelled {
    /// The object.
    pub object: Named,
    /// Whether the lines are the same ones in another order: columns that a table inherits come first after a
    /// restore, in any order in the source.
    pub is_reordered: bool,
}

/// What differences come to, once the archive's own definitions were restored beside them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// Differences that a reference database does not explain.
    pub findings: Vec<Difference>,
    /// Differences that the reference database has, too.
    pub respelled: Vec<Respelled>,
}

/// Kind, schema, name.
pub(super) type Key<'archive> = (&'archive str, &'archive str, &'archive str);

impl Named {
    pub(super) fn of((desc, schema, name): Key<'_>) -> Self {
        Self { desc: desc.to_owned(), schema: schema.to_owned(), name: name.to_owned() }
    }

    pub(super) fn key(&self) -> Key<'_> {
        (&self.desc, &self.schema, &self.name)
    }
}
