//! Which database something is about.

use serde::Serialize;
use tracing::Span;

/// The database that something is about; without a name until a listing has told it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct DatabaseName(Option<String>);

impl DatabaseName {
    /// The only database of a repository whose name is not configured.
    pub fn unknown() -> Self {
        Self(None)
    }

    /// What its lines in the log are written in: each has the field `database` then, if the name is known.
    pub fn span(&self) -> Span {
        // At the level of the most important lines, so that no level of the log leaves it out.
        self.name().map_or_else(Span::none, |name| tracing::error_span!("of", database = name))
    }

    /// The name, if it is known.
    pub fn name(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl From<&str> for DatabaseName {
    fn from(name: &str) -> Self {
        Self(Some(name.to_owned()))
    }
}
