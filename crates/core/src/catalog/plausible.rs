//! What a value of a manifest can be at all. A value beyond that was never written by `backup`: it is damage, found
//! before it reaches a server, a clock or a sum that could not take it.

use chrono::{DateTime, Datelike, Utc};

use super::{Manifest, ObjectFacts};

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

/// `server_version_num` of PostgreSQL 9.0 to 99.
const VERSIONS: std::ops::Range<u32> = 90_000..1_000_000;

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

/// Whether every number, time and name of `manifest` can be one.
///
/// # Errors
/// The first that cannot, as a sentence.
pub(super) fn check_values(manifest: &Manifest) -> Result<(), String> {
    time("snapshot_at", manifest.snapshot_at)?;
    time("finished_at", manifest.finished_at)?;
    for (field, seconds) in
        [("max_age_seconds", manifest.max_age_seconds), ("run_timeout_seconds", manifest.run_timeout_seconds)]
    {
        at_most(field, seconds.unwrap_or_default(), MAX_SECONDS)?;
    }
    let database = &manifest.database;
    at_most("database.size_bytes", database.size_bytes, MAX_BYTES)?;
    if !VERSIONS.contains(&database.server_version_num) {
        return Err(implausible("database.server_version_num", database.server_version_num));
    }
    let texts = [&database.name, &database.encoding, &database.collate, &database.ctype, &database.locale_provider];
    texts.into_iter().try_for_each(|text| name("database", text))?;
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
    inventory.roles.iter().try_for_each(|role| name("inventory.roles", role))
}

fn object(object: &ObjectFacts) -> Result<(), String> {
    at_most("plain_bytes", object.digests.plain_bytes, MAX_BYTES)?;
    at_most("stored_bytes", object.digests.stored_bytes, MAX_BYTES)
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
