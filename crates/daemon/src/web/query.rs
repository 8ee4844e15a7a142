//! The part of a URL after the question mark.

use percent_encoding::percent_decode_str;

/// Number of items of an answer if the query does not say.
const DEFAULT_LIMIT: usize = 100;

/// Maximum number of items of an answer.
const MAX_LIMIT: usize = 1_000;

/// What a query says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Query {
    /// The only database that is asked about.
    pub(super) database: Option<String>,
    /// Maximum number of items of an answer.
    pub(super) limit: usize,
}

impl Query {
    /// Reads `text`. Other parameters are ignored, so that a client of a later version is answered.
    ///
    /// # Errors
    /// What is wrong with a value.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut query = Self { database: None, limit: DEFAULT_LIMIT };
        for (name, value) in text.split('&').filter_map(|pair| pair.split_once('=')) {
            match name {
                "database" => query.database = Some(decode(value).ok_or("database is not UTF-8")?),
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
                    query.limit = limit.ok_or("limit is not a whole number from 1 to 1000")?;
                }
                _ => {}
            }
        }
        Ok(query)
    }

    /// Whether `database` is asked about.
    pub(super) fn names(&self, database: &str) -> bool {
        self.database.as_deref().is_none_or(|named| named == database)
    }
}

fn decode(value: &str) -> Option<String> {
    let spaced = value.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(|text| text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_names_a_database_and_a_limit() {
        let read = |text: &str| Query::parse(text).map(|query| (query.database, query.limit));
        assert_eq!(read(""), Ok((None, 100)));
        assert_eq!(read("database=a%26b+c&limit=7&later=x"), Ok((Some("a&b c".to_owned()), 7)));
        for wrong in ["limit=0", "limit=1001", "limit=-1", "limit=", "database=%ff"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
