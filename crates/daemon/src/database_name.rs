//! Which database something is about.

use serde::Serialize;

/// The database that something is about; without a name until a listing has told it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct DatabaseName(Option<String>);

impl DatabaseName {
    /// The only database of a repository whose name is not configured.
    pub fn unknown() -> Self {
        Self(None)
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
