//! The texts of an archive that is in another encoding than UTF-8. Only a server knows all encodings.

use std::collections::{BTreeSet, HashMap};

use anyhow::Context;
use pgdump_archive::{Archive, Entry};

use super::connect::Session;

/// The one encoding that PostgreSQL cannot convert to UTF-8.
const NOT_CONVERTIBLE: &str = "MULE_INTERNAL";

/// Texts of one question.
const TEXTS_AT_ONCE: usize = 1_000;

/// A text of a byte each, as the reader of archives leaves it.
const SQL: &str = "SELECT pg_catalog.convert_from(text, $2) FROM pg_catalog.unnest($1::bytea[])
                     WITH ORDINALITY AS texts (text, place) ORDER BY place";

/// Lets the server of `session` read names and definitions of `archive`, so that they can be compared with what a
/// database says, and sent to it. Nothing of the archive is executed.
///
/// # Errors
/// What the server says, for example that it cannot convert a text from that encoding.
pub async fn read_texts(archive: &mut Archive, session: &Session) -> anyhow::Result<()> {
    if archive.is_readable || archive.encoding == NOT_CONVERTIBLE {
        return Ok(());
    }
    let mut found: BTreeSet<&str> = BTreeSet::new();
    for entry in &archive.entries {
        found.extend(texts(entry).into_iter().map(String::as_str).filter(|text| !text.is_ascii()));
    }
    let found: Vec<String> = found.into_iter().map(str::to_owned).collect();
    let mut read: HashMap<String, String> = HashMap::new();
    for some in found.chunks(TEXTS_AT_ONCE) {
        let bytes: Vec<Vec<u8>> = some.iter().map(|text| bytes(text)).collect();
        let rows = session.client().query(SQL, &[&bytes, &archive.encoding]).await;
        let rows = rows.with_context(|| format!("read texts of the archive in {}", archive.encoding))?;
        for (text, row) in some.iter().zip(&rows) {
            read.insert(text.clone(), row.try_get(0)?);
        }
    }
    archive.is_readable = true;
    for entry in &mut archive.entries {
        for text in texts_mut(entry) {
            if let Some(read) = read.get(text) {
                text.clone_from(read);
            }
        }
    }
    Ok(())
}

fn texts(entry: &Entry) -> [&String; 5] {
    [&entry.tag, &entry.defn, &entry.copy_stmt, &entry.namespace, &entry.owner]
}

fn texts_mut(entry: &mut Entry) -> [&mut String; 5] {
    [&mut entry.tag, &mut entry.defn, &mut entry.copy_stmt, &mut entry.namespace, &mut entry.owner]
}

/// A character beyond a byte is in no such text.
fn bytes(text: &str) -> Vec<u8> {
    text.chars().map(|character| u8::try_from(u32::from(character)).unwrap_or(b'?')).collect()
}

/// The encoding in which a database is dumped again, so that its texts compare with those of `archive`.
pub fn encoding_to_compare(archive: &Archive) -> &str {
    match archive.encoding.as_str() {
        unconverted @ ("SQL_ASCII" | NOT_CONVERTIBLE) => unconverted,
        _ => "UTF8",
    }
}
