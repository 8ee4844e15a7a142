//! Keys and the prefix that they all start with.

use std::fmt;

/// The folder of the bucket that is ours: segments of letters, digits, `-`, `_` and `.`, joined by
/// `/`, none of them `.` or `..`, at most 200 bytes. Never empty, so that a stray variable cannot
/// make the whole bucket ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix(String);

/// Why a prefix was refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Nothing is left of it without its slashes.
    #[error("is empty; name a folder of the bucket, such as postgres-backups")]
    Empty,
    /// A segment is `.`, `..` or empty, or has another character.
    #[error(
        "may hold letters, digits, `-`, `_` and `.` only, in folders joined by single `/`, none of them `.` or `..`"
    )]
    Grammar,
    /// Longer than 200 bytes.
    #[error("is longer than 200 bytes")]
    TooLong,
}

impl Prefix {
    /// Reads a prefix; slashes around it do not count.
    ///
    /// # Errors
    /// If it does not keep to the grammar of [`Prefix`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let text = text.trim_matches('/');
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let good = |segment: &str| !matches!(segment, "" | "." | "..") && segment.chars().all(allowed);
        match text {
            "" => Err(KeyError::Empty),
            text if text.len() > 200 => Err(KeyError::TooLong),
            text if text.split('/').all(good) => Ok(Self(text.to_owned())),
            _ => Err(KeyError::Grammar),
        }
    }

    /// The key of `relative` below this prefix.
    pub fn key(&self, relative: &str) -> ObjectKey {
        ObjectKey(format!("{}/{relative}", self.0))
    }

    /// What follows this prefix and its slash in `key`.
    pub fn strip<'key>(&self, key: &'key ObjectKey) -> Option<&'key str> {
        key.0.strip_prefix(&self.0)?.strip_prefix('/')
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The full key of an object in the bucket. Made from a [`Prefix`], or read from a listing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey(String);

impl ObjectKey {
    /// A key as a listing shows it.
    pub(super) fn listed(key: &str) -> Self {
        Self(key.to_owned())
    }

    /// The key of `relative` below this one, which is that of a folder: with a slash between them, and never two.
    #[must_use]
    pub fn join(&self, relative: &str) -> Self {
        Self(format!("{}/{relative}", self.0.trim_end_matches('/')))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, KeyError>) {
        assert_eq!(Prefix::parse(text).map(|prefix| prefix.to_string()), expected.map(str::to_owned), "{text:?}");
    }

    #[test]
    fn prefixes_that_could_reach_foreign_objects_are_refused_r012() {
        check("postgres-backups", Ok("postgres-backups"));
        check("/a/b.c/", Ok("a/b.c"));
        check("", Err(KeyError::Empty));
        check("/", Err(KeyError::Empty));
        check("///", Err(KeyError::Empty));
        check("..", Err(KeyError::Grammar));
        check("a/../b", Err(KeyError::Grammar));
        check("a//b", Err(KeyError::Grammar));
        check("a/*", Err(KeyError::Grammar));
        check("a?", Err(KeyError::Grammar));
        check("a b", Err(KeyError::Grammar));
        check(&"x".repeat(201), Err(KeyError::TooLong));
    }

    #[test]
    fn a_prefix_never_matches_a_longer_name_r011() {
        let prefix = Prefix::parse("p").unwrap();
        assert_eq!(prefix.strip(&ObjectKey::listed("p/app/x")), Some("app/x"));
        assert_eq!(prefix.strip(&ObjectKey::listed("p2/app/x")), None);
    }
}
