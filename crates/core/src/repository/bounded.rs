//! Lists and maps of a manifest that are never long, read within a bound.
//!
//! A list of empty texts takes ten times its bytes once it is in memory, and anyone who can write to the bucket can
//! write one. So what a manifest has without counting a database is counted while it is read, and one entry too many is
//! an error before the others are taken in. Lists that count a database are bounded by the bytes of a manifest.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Maximum number of entries of a list: of keys, options, settings or sentences.
pub(super) const MAX_ENTRIES: usize = 100_000;

/// Maximum number of roles: a cluster may have one for each of its users.
pub(super) const MAX_ROLES: usize = 1_000_000;

/// Maximum number of kinds of objects and of settings.
pub(super) const MAX_NAMES: usize = 10_000;

/// Reads a list of at most [`MAX_ENTRIES`].
///
/// # Errors
/// If it is longer, or not a list of these.
pub(super) fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_seq(List { max: MAX_ENTRIES, entry: PhantomData })
}

/// Reads a list of at most [`MAX_ROLES`] names.
///
/// # Errors
/// As [`list`].
pub(super) fn roles<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    deserializer.deserialize_seq(List { max: MAX_ROLES, entry: PhantomData })
}

/// Reads a map of at most [`MAX_NAMES`].
///
/// # Errors
/// If it has more, or is not a map of these.
pub(super) fn map<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, T>, D::Error> {
    deserializer.deserialize_map(Map(PhantomData))
}

struct List<T> {
    max: usize,
    entry: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for List<T> {
    type Value = Vec<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a list of at most {} entries", self.max)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(entry) = entries.next_element()? {
            if list.len() == self.max {
                return Err(A::Error::invalid_length(self.max + 1, &self));
            }
            list.push(entry);
        }
        Ok(list)
    }
}

struct Map<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Map<T> {
    type Value = BTreeMap<String, T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a map of at most {MAX_NAMES} entries")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut map = BTreeMap::new();
        while let Some((name, value)) = entries.next_entry()? {
            map.insert(name, value);
            if map.len() > MAX_NAMES {
                return Err(A::Error::invalid_length(map.len(), &self));
            }
        }
        Ok(map)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn one_entry_too_many_is_an_error_and_as_many_as_allowed_are_none() {
        let texts = |count: usize| Value::from(vec![""; count]);
        let read = |json: Value| list::<_, String>(json).map(|list| list.len());
        assert_eq!(read(texts(MAX_ENTRIES)).unwrap(), MAX_ENTRIES);
        assert!(read(texts(MAX_ENTRIES + 1)).unwrap_err().to_string().contains("a list of at most 100000 entries"));
        assert!(read(json!({})).is_err() && read(json!([1])).is_err());
        assert_eq!(roles(texts(MAX_ROLES)).unwrap().len(), MAX_ROLES);
        assert!(roles(texts(MAX_ROLES + 1)).is_err());
        let names = |count: usize| Value::Object((0..count).map(|number| (number.to_string(), json!(1))).collect());
        let read = |json: Value| map::<_, u64>(json).map(|map| map.len());
        assert_eq!(read(names(MAX_NAMES)).unwrap(), MAX_NAMES);
        assert!(read(names(MAX_NAMES + 1)).is_err() && read(json!([])).is_err());
    }
}
