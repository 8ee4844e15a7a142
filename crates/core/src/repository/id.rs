//! The name of one run.

use std::fmt;

use chrono::{DateTime, NaiveDateTime, Utc};
use rand::Rng;

const TIME_FORMAT: &str = "%Y%m%dT%H%M%SZ";
const TIME_CHARS: usize = 16;
const RANDOM_CHARS: usize = 16;

/// RFC 4648 base 32 in lower case: 16 characters hold 80 random bits, so that a key can be neither
/// guessed nor met twice.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// `20261122T030000Z-` and 16 random characters: sorts by time, cannot be guessed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackupId(String);

impl BackupId {
    /// The length of every id.
    pub(super) const CHARS: usize = TIME_CHARS + 1 + RANDOM_CHARS;

    /// A new id for a run that starts at `now`.
    pub fn new(now: DateTime<Utc>) -> Self {
        let mut random = rand::rng();
        let tail: String =
            (0..RANDOM_CHARS).map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())])).collect();
        Self(format!("{}-{tail}", now.format(TIME_FORMAT)))
    }

    /// Reads an id; `None` for anything that [`BackupId::new`] could not have written.
    pub fn parse(text: &str) -> Option<Self> {
        let (time, tail) = text.split_at_checked(TIME_CHARS)?;
        let tail = tail.strip_prefix('-')?;
        let parsed = NaiveDateTime::parse_from_str(time, TIME_FORMAT).ok()?;
        let good = parsed.format(TIME_FORMAT).to_string() == time
            && tail.len() == RANDOM_CHARS
            && tail.bytes().all(|byte| ALPHABET.contains(&byte));
        good.then(|| Self(text.to_owned()))
    }

    /// When the run started, to the second.
    pub fn time(&self) -> DateTime<Utc> {
        NaiveDateTime::parse_from_str(&self.0[..TIME_CHARS], TIME_FORMAT)
            .map(|time| time.and_utc())
            .expect("an id holds the time that it was made or parsed with")
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BackupId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl serde::Serialize for BackupId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for BackupId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a backup id"))
    }
}
