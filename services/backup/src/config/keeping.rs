//! How the store is asked to keep backups.

use backup_core::config::{Kind, Settings, Variable};
use backup_core::storage::{Checksum, LockMode, ObjectLock, StoreConfig};

/// Classes whose objects must be restored for hours before they can be read.
const ARCHIVES: [&str; 2] = ["GLACIER", "DEEP_ARCHIVE"];

/// Of S3: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html>
const MAX_TAGS: usize = 10;
const MAX_TAG_NAME_CHARACTERS: usize = 128;
const MAX_TAG_VALUE_CHARACTERS: usize = 256;

/// How the store is asked to keep backups.
pub(crate) static KEEPING_VARIABLES: &[Variable] = &[
    Variable::new(
        "S3_STORAGE_CLASS",
        Kind::Text,
        "",
        "STANDARD_IA",
        "Storage class of dumps and roles; manifests stay in that of the bucket. `GLACIER` and `DEEP_ARCHIVE` are refused: no drill could read them.",
    ),
    Variable::new(
        "S3_OBJECT_LOCK_DAYS",
        Kind::Number { min: 1, max: 36_500 },
        "",
        "14",
        "Days for which the store refuses to delete the objects of a backup. The bucket must have Object Lock.",
    ),
    Variable::new(
        "S3_OBJECT_LOCK_MODE",
        Kind::Choice(&["governance", "compliance"]),
        "governance",
        "compliance",
        "`governance`: those with `s3:BypassGovernanceRetention` can delete nevertheless. `compliance`: no one can, the account's owner included.",
    ),
    Variable::new(
        "S3_TAGS",
        Kind::Text,
        "",
        "team=data,cost-center=42",
        "Tags of the objects of a backup, `name=value` separated by commas, at most ten.",
    ),
];

/// Reads it into `store`; what is wrong is noted.
pub(super) fn read(settings: &mut Settings, store: &mut StoreConfig) {
    store.keeping.storage_class = settings.parsed("S3_STORAGE_CLASS", storage_class);
    store.keeping.tags = settings.parsed("S3_TAGS", tags).unwrap_or_default();
    let modes = [("governance", LockMode::Governance), ("compliance", LockMode::Compliance)];
    let (days, mode) = (settings.optional_number("S3_OBJECT_LOCK_DAYS"), settings.choice("S3_OBJECT_LOCK_MODE", modes));
    if days.is_none() && settings.is_set("S3_OBJECT_LOCK_MODE") {
        settings.reject("S3_OBJECT_LOCK_MODE", "is set, and S3_OBJECT_LOCK_DAYS is not");
    }
    store.keeping.lock = days.and_then(|days| Some(ObjectLock { days: u32::try_from(days).ok()?, mode }));
    // A store takes no locked object without a digest.
    if store.keeping.lock.is_some() && store.checksum == Checksum::None {
        match settings.text("S3_CHECKSUM").as_deref().map(str::trim) {
            Some("auto") => store.checksum = Checksum::Crc32,
            _ => settings.reject("S3_CHECKSUM", "is none, and S3_OBJECT_LOCK_DAYS needs a checksum with each object"),
        }
    }
}

fn storage_class(text: &str) -> Result<String, &'static str> {
    let class = text.trim().to_ascii_uppercase();
    let is_word =
        (1..=40).contains(&class.len()) && class.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    match class {
        class if ARCHIVES.contains(&class.as_str()) => Err(
            "is an archive, whose objects no drill and no restore can read without hours of waiting; GLACIER_IR is one \
                 that can be read",
        ),
        class if is_word => Ok(class),
        _ => Err("is not the name of a storage class such as STANDARD_IA"),
    }
}

fn tags(text: &str) -> Result<Vec<(String, String)>, &'static str> {
    const MESSAGE: &str = "is not a list of name=value separated by commas: at most ten, names of 1 to 128 and values of up \
                           to 256 letters, digits, spaces and + - . _ : / @";
    let allowed = |text: &str| text.chars().all(|one| one.is_alphanumeric() || " +-._:/@".contains(one));
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or(MESSAGE)?;
        let (name, value) = (name.trim(), value.trim());
        let fits = (1..=MAX_TAG_NAME_CHARACTERS).contains(&name.chars().count())
            && value.chars().count() <= MAX_TAG_VALUE_CHARACTERS;
        let is_new = pairs.iter().all(|(other, _)| *other != name);
        if !fits || !is_new || !allowed(name) || !allowed(value) || name.starts_with("aws:") {
            return Err(MESSAGE);
        }
        pairs.push((name, value));
    }
    if pairs.is_empty() || pairs.len() > MAX_TAGS {
        return Err(MESSAGE);
    }
    Ok(pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_names_with_values_and_bad_ones_are_refused() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(tags("team=data, cost = 4 2+").unwrap(), [pair("team", "data"), pair("cost", "4 2+")]);
        assert_eq!(tags("empty=").unwrap(), [pair("empty", "")]);
        for bad in
            ["", ",", "team", "=x", "a=1,a=2", "aws:x=1", "a=b&c=d", "a=1,b=2,c=3,d=4,e=5,f=6,g=7,h=8,i=9,j=10,k=11"]
        {
            assert!(tags(bad).is_err(), "{bad}");
        }
        assert!(tags(&format!("{}=x", "n".repeat(129))).is_err() && tags(&format!("n={}", "x".repeat(257))).is_err());
    }

    #[test]
    fn an_archive_is_no_storage_class_for_backups() {
        assert_eq!(storage_class("standard_ia").unwrap(), "STANDARD_IA");
        assert_eq!(storage_class("GLACIER_IR").unwrap(), "GLACIER_IR");
        for bad in ["GLACIER", "deep_archive", "a b", ""] {
            assert!(storage_class(bad).is_err(), "{bad}");
        }
    }
}
