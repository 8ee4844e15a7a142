//! What a value of a manifest can be at all. A value beyond that was never written by `backup`: it is damage, found
//! before it reaches a server, a clock or a sum that could not take it.

use chrono::{DateTime, Datelike, TimeDelta, Utc};

use super::{Kind, Manifest, ObjectFacts};

/// An exbibyte: more than any store takes.
const MAX_BYTES: u64 = 1 << 60;

/// A table has at most 2^32 pages of some 290 rows. The sum over all tables of a manifest stays far below 2^64.
const MAX_ROWS: u64 = 1 << 41;

/// 30,000 years.
const MAX_SECONDS: u64 = 1 << 40;

/// Maximum bytes of a name: PostgreSQL has 63, and may be built with more.
const MAX_NAME_BYTES: usize = 1_024;

/// Years of a server's clock, also of one that was never set.
const YEARS: std::ops::Range<i32> = 1970..2200;

/// `server_version_num` of PostgreSQL 9.0 to 39: one comes out each year, and 18 did in 2025.
const VERSIONS: std::ops::Range<u32> = 90_000..400_000;

/// How far the clocks of a source, of `backup` and of the store may be apart: two time zones.
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::hours(26);

/// 64 tebibytes: a database of this size may have next to nothing in its dump, since dead rows, indexes and materialized
/// views are in none.
const ANY_SIZE_BYTES: u64 = 1 << 46;

/// Beyond that, how many bytes of a database a plain byte of its dump can stand for.
const MAX_BLOAT: u64 = 10_000;

/// How many plain bytes a stored one can stand for: zstd writes a block of 128 KiB in four bytes.
const MAX_RATIO: u64 = 33_000;

/// Maximum bytes of the name of a role in the encoding of its database, unless PostgreSQL was built for longer ones, which it
/// is for no package.
const MAX_ROLE_NAME_BYTES: usize = 63;

/// Names that no role can have.
const NO_ROLES: [&str; 2] = ["none", "public"];

/// Encodings that a database can have (`pg_enc` up to `PG_ENCODING_BE_LAST`) and a session in UTF-8 can be had in: that leaves
/// out `MULE_INTERNAL`, which `backup` cannot read.
const ENCODINGS: [&str; 34] = [
    "SQL_ASCII",
    "EUC_JP",
    "EUC_CN",
    "EUC_KR",
    "EUC_TW",
    "EUC_JIS_2004",
    "UTF8",
    "LATIN1",
    "LATIN2",
    "LATIN3",
    "LATIN4",
    "LATIN5",
    "LATIN6",
    "LATIN7",
    "LATIN8",
    "LATIN9",
    "LATIN10",
    "WIN1256",
    "WIN1258",
    "WIN866",
    "WIN874",
    "KOI8R",
    "WIN1251",
    "WIN1252",
    "ISO_8859_5",
    "ISO_8859_6",
    "ISO_8859_7",
    "ISO_8859_8",
    "WIN1250",
    "WIN1253",
    "WIN1254",
    "WIN1255",
    "WIN1257",
    "KOI8U",
];

/// Providers of locales.
const LOCALE_PROVIDERS: [&str; 3] = ["libc", "icu", "builtin"];

/// Whether PostgreSQL can have a role of this name: `CREATE ROLE` would refuse another one, or cut it.
pub fn can_be_role(text: &str) -> bool {
    (1..=MAX_ROLE_NAME_BYTES).contains(&text.len()) && !NO_ROLES.contains(&text)
}

/// Whether no text in `json` holds a byte of zero, which no text of PostgreSQL has. In JSON it can only be an escape.
///
/// # Errors
/// What is wrong, as a sentence.
pub(super) fn check_texts(json: &[u8]) -> Result<(), String> {
    let mut rest = json;
    while let Some(place) = rest.iter().position(|byte| *byte == b'\\') {
        let escape = &rest[place + 1..];
        if escape.starts_with(b"u0000") {
            return Err("a text of it holds a byte of zero".to_owned());
        }
        // The next byte is part of the escape, also if it is a backslash.
        rest = escape.get(1..).unwrap_or_default();
    }
    Ok(())
}

impl Manifest {
    /// Why its times cannot be what they seem, `now` by the clock of the store. A clock that was wrong leaves a backup whole,
    /// so that it can be restored; how old its data is, is not known.
    pub fn doubtful_time(&self, now: DateTime<Utc>) -> Option<String> {
        for (field, at) in [("snapshot_at", self.snapshot_at), ("finished_at", self.finished_at)] {
            if at > now + CLOCK_TOLERANCE {
                return Some(format!("{field} is {at}, which is in the future of the store's clock"));
            }
        }
        for (what, before) in [("its run began", self.id.time()), ("its snapshot was taken", self.snapshot_at)] {
            if self.finished_at + CLOCK_TOLERANCE < before {
                return Some(format!("finished_at is {}, and {what} at {before}", self.finished_at));
            }
        }
        None
    }
}

/// Whether every number, time and name of `manifest` can be one.
///
/// # Errors
/// The first that cannot, as a sentence.
pub(super) fn check_values(manifest: &Manifest) -> Result<(), String> {
    for (field, at) in [("snapshot_at", manifest.snapshot_at), ("finished_at", manifest.finished_at)] {
        time(field, at)?;
    }
    for (field, seconds) in
        [("max_age_seconds", manifest.max_age_seconds), ("run_timeout_seconds", manifest.run_timeout_seconds)]
    {
        at_most(field, seconds.unwrap_or_default(), MAX_SECONDS)?;
    }
    let database = &manifest.database;
    at_most("database.size_bytes", database.size_bytes, MAX_BYTES)?;
    // A partial dump says nothing about the size of what it leaves out.
    if manifest.kind == Kind::Full {
        let most = manifest.dump.digests.plain_bytes.saturating_mul(MAX_BLOAT).saturating_add(ANY_SIZE_BYTES);
        at_most("database.size_bytes", database.size_bytes, most)?;
    }
    if !VERSIONS.contains(&database.server_version_num) {
        return Err(implausible("database.server_version_num", database.server_version_num));
    }
    let texts = [&database.name, &database.encoding, &database.collate, &database.ctype, &database.locale_provider];
    texts.into_iter().try_for_each(|text| name("database", text))?;
    one_of("database.encoding", &database.encoding, &ENCODINGS)?;
    one_of("database.locale_provider", &database.locale_provider, &LOCALE_PROVIDERS)?;
    manifest.objects().try_for_each(object)?;
    let inventory = &manifest.inventory;
    inventory.objects.iter().try_for_each(|(kind, count)| {
        name("inventory.objects", kind)?;
        at_most("inventory.objects", *count, MAX_ROWS)
    })?;
    inventory.tables.iter().try_for_each(|table| {
        name("inventory.tables", &table.schema)?;
        name("inventory.tables", &table.name)?;
        at_most("inventory.tables", table.rows.unwrap_or_default(), MAX_ROWS)
    })?;
    inventory.sequences.iter().try_for_each(|sequence| {
        name("inventory.sequences", &sequence.schema)?;
        name("inventory.sequences", &sequence.name)
    })?;
    inventory.extensions.iter().try_for_each(|extension| {
        name("inventory.extensions", &extension.name)?;
        name("inventory.extensions", &extension.version)
    })?;
    inventory.roles.iter().try_for_each(|role| {
        name("inventory.roles", role)?;
        // In UTF-8 a name takes up to four times the bytes that it takes in the source's encoding.
        let is_one = (1..=MAX_ROLE_NAME_BYTES).contains(&role.chars().count()) && !NO_ROLES.contains(&role.as_str());
        if is_one { Ok(()) } else { Err("inventory.roles has a name that no role can have".to_owned()) }
    })
}

fn object(object: &ObjectFacts) -> Result<(), String> {
    at_most("plain_bytes", object.digests.plain_bytes, MAX_BYTES)?;
    at_most("stored_bytes", object.digests.stored_bytes, MAX_BYTES)?;
    let most = object.digests.stored_bytes.saturating_mul(MAX_RATIO);
    if object.digests.plain_bytes <= most {
        Ok(())
    } else {
        Err("an object is promised to become larger than its stored bytes can".to_owned())
    }
}

fn one_of(field: &str, text: &str, known: &[&str]) -> Result<(), String> {
    if known.contains(&text) { Ok(()) } else { Err(format!("{field} is none that PostgreSQL has")) }
}

fn time(field: &str, time: DateTime<Utc>) -> Result<(), String> {
    if YEARS.contains(&time.year()) { Ok(()) } else { Err(implausible(field, format!("the year {}", time.year()))) }
}

fn at_most(field: &str, value: u64, max: u64) -> Result<(), String> {
    if value <= max { Ok(()) } else { Err(implausible(field, value)) }
}

fn name(field: &str, text: &str) -> Result<(), String> {
    match text.len() {
        1..=MAX_NAME_BYTES => Ok(()),
        bytes => Err(implausible(field, format!("a name of {bytes} bytes"))),
    }
}

fn implausible(field: &str, value: impl std::fmt::Display) -> String {
    format!("{field} is {value}, which it can never be")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_of_zero_is_found_as_the_escape_that_it_is() {
        for (json, expected) in [
            (r#"{"a": "b\\n", "c": "\\u0000"}"#, false),
            (r#"{"a": "\u0001\\\\u0000"}"#, false),
            (r#"{"a": "\u0000"}"#, true),
            (r#"{"a": "\\\u0000"}"#, true),
            (r#"{"\u0000": 1}"#, true),
            (r#""\"#, false),
        ] {
            assert_eq!(check_texts(json.as_bytes()).is_err(), expected, "{json}");
        }
    }
}
