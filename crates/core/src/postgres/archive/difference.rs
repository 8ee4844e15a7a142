//! What differs between what was dumped and what was restored, by their tables of contents.
//!
//! The second one is of a `pg_dump --schema-only` of the restored database, by the same version. What
//! differs without meaning anything is left aside: owners (a drill restores without them), numbers, the
//! order of entries, and what each database has of its own.

mod grants;
mod spelling;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::Archive;
use super::selection::{LeftOut, Selection};
use super::toc::Entry;

/// Most characters of a definition that are quoted in a finding.
const EXCERPT_CHARACTERS: usize = 80;

/// Kinds of entries that are not definitions, and kinds that a drill makes in its own way.
const NOT_COMPARED: &[&str] = &[
    "BLOB",
    "BLOB METADATA",
    "BLOBS",
    "DATABASE",
    "DATABASE PROPERTIES",
    "ENCODING",
    "EXTENSION",
    "MATERIALIZED VIEW DATA",
    "SEARCHPATH",
    "SEQUENCE SET",
    "STATISTICS DATA",
    "STDSTRINGS",
    "SUBSCRIPTION TABLE",
    "TABLE DATA",
];

/// The same for comments, grants and labels, which are about something: the beginnings of their names.
const ABOUT_NOT_COMPARED: &[&str] = &["DATABASE ", "EXTENSION ", "LARGE OBJECT"];

/// The rights on a schema that is there in every new database.
const PUBLIC_GRANTS: Key<'static> = ("ACL", "", "SCHEMA public");

/// The schema itself, which each database is made with.
const PUBLIC: Key<'static> = ("SCHEMA", "", "public");

/// One finding: an object by its name, such as `TRIGGER public.orders audit`, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// It was dumped and is not there.
    Missing(String),
    /// It is there and was not dumped.
    Unexpected(String),
    /// It is there, defined otherwise.
    Different {
        /// The object.
        object: String,
        /// The first line of its definition that differs, as it was dumped.
        dumped: String,
        /// The same line as it was restored.
        restored: String,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(object) => write!(formatter, "{object} is missing"),
            Self::Unexpected(object) => write!(formatter, "{object} was not in the dump"),
            Self::Different { object, dumped, restored } => {
                write!(formatter, "{object} differs: {dumped:?} was dumped, {restored:?} is there")
            }
        }
    }
}

/// Kind, schema, name.
type Key<'archive> = (&'archive str, &'archive str, &'archive str);

/// Definitions by what they define. Several may have one name: grants on columns, rules.
type Definitions<'archive> = BTreeMap<Key<'archive>, Vec<Cow<'archive, str>>>;

/// Compares the definitions in two tables of contents, but for those that `selection` left out. `restorer` is the role
/// that restored: whatever it may do comes from the restore, such as its rights on the tables of extensions.
pub fn difference(dumped: &Archive, restored: &Archive, selection: &Selection, restorer: &str) -> Vec<Difference> {
    let unproven = selection.left_out.iter().filter(|left_out| left_out.reason.is_unproven());
    let left_out: BTreeSet<Key<'_>> = unproven.map(key_of_left_out).collect();
    let mut owners = owners_of_grants(dumped, restored);
    owners.values_mut().for_each(|owners| {
        owners.insert(restorer);
    });
    let mut source = definitions(dumped, &left_out, &owners);
    let mut target = definitions(restored, &left_out, &owners);
    if public_belongs_to_the_superuser(dumped) && !source.contains_key(&PUBLIC_GRANTS) {
        target.remove(&PUBLIC_GRANTS);
    }
    let keys: BTreeSet<Key<'_>> = source.keys().chain(target.keys()).copied().collect();
    let mut differences = Vec::new();
    for key in keys {
        let (source, target) = (source.remove(&key).unwrap_or_default(), target.remove(&key).unwrap_or_default());
        compare(key, source, target, &mut differences);
    }
    differences.sort();
    differences
}

/// One finding for each object that belongs to another role than it did, after a restore that brings owners
/// back.
pub fn other_owners(dumped: &Archive, restored: &Archive) -> Vec<String> {
    let with_owner = |entry: &&Entry| is_compared(entry) && !entry.owner.is_empty() && key_of(entry) != PUBLIC;
    let now: BTreeMap<Key<'_>, &str> =
        restored.entries.iter().filter(with_owner).map(|entry| (key_of(entry), entry.owner.as_str())).collect();
    let mut differences = Vec::new();
    for entry in dumped.entries.iter().filter(with_owner) {
        match now.get(&key_of(entry)) {
            Some(owner) if *owner != entry.owner => {
                differences.push(format!("{entry} belonged to {}, and belongs to {owner} now", entry.owner));
            }
            _ => {}
        }
    }
    differences
}

/// As it is before 15. A drill gives schema `public` to the restoring role, and the rights that the schema had
/// from the beginning are then written as grants.
fn public_belongs_to_the_superuser(dumped: &Archive) -> bool {
    let major = dumped.header.server_version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    major.is_some_and(|major| major < 15)
}

fn key_of_left_out(left_out: &LeftOut) -> Key<'_> {
    (&left_out.desc, &left_out.schema, &left_out.name)
}

fn key_of(entry: &Entry) -> Key<'_> {
    (&entry.desc, &entry.namespace, &entry.tag)
}

fn is_compared(entry: &Entry) -> bool {
    let is_about_other = matches!(entry.desc.as_str(), "ACL" | "COMMENT" | "SECURITY LABEL")
        && ABOUT_NOT_COMPARED.iter().any(|beginning| entry.tag.starts_with(beginning));
    !is_about_other && !NOT_COMPARED.contains(&entry.desc.as_str())
}

/// Who owns, on either side, what a grant is about: an owner's own rights are not compared.
fn owners_of_grants<'archive>(
    dumped: &'archive Archive,
    restored: &'archive Archive,
) -> BTreeMap<Key<'archive>, BTreeSet<&'archive str>> {
    let mut owners: BTreeMap<Key<'_>, BTreeSet<&str>> = BTreeMap::new();
    let entries = dumped.entries.iter().chain(&restored.entries);
    for entry in entries.filter(|entry| entry.desc == "ACL") {
        owners.entry(key_of(entry)).or_default().insert(&entry.owner);
    }
    owners
}

fn definitions<'archive>(
    archive: &'archive Archive,
    left_out: &BTreeSet<Key<'archive>>,
    owners: &BTreeMap<Key<'archive>, BTreeSet<&'archive str>>,
) -> Definitions<'archive> {
    let mut definitions = Definitions::new();
    for entry in archive.entries.iter().filter(|entry| is_compared(entry)) {
        let key = key_of(entry);
        let definition = match (entry.desc.as_str(), owners.get(&key)) {
            ("ACL", Some(owners)) => Cow::Owned(grants::to_others(&entry.defn, owners)),
            _ => spelling::normal(entry.defn.trim()),
        };
        // An entry may exist for its owner only: of grants to nobody else, and of the schema `public`.
        let is_empty = definition.lines().all(|line| line.is_empty() || line.starts_with("--"));
        if !is_empty && !left_out.contains(&key) {
            definitions.entry(key).or_default().push(definition);
        }
    }
    definitions.values_mut().for_each(|definitions| definitions.sort());
    definitions
}

/// Pairs equal definitions of one name off, then unequal ones; what is left over has no partner.
fn compare(
    key: Key<'_>,
    mut source: Vec<Cow<'_, str>>,
    mut target: Vec<Cow<'_, str>>,
    differences: &mut Vec<Difference>,
) {
    source.retain(|definition| match target.iter().position(|other| other == definition) {
        Some(place) => {
            target.remove(place);
            false
        }
        None => true,
    });
    let (desc, schema, name) = key;
    let dot = if schema.is_empty() { "" } else { "." };
    let object = format!("{desc} {schema}{dot}{name}");
    let pairs = source.len().min(target.len());
    for (dumped, restored) in source.iter().zip(&target) {
        let (dumped, restored) = first_difference(dumped, restored);
        differences.push(Difference::Different { object: object.clone(), dumped, restored });
    }
    differences.extend(source[pairs..].iter().map(|_| Difference::Missing(object.clone())));
    differences.extend(target[pairs..].iter().map(|_| Difference::Unexpected(object.clone())));
}

/// An excerpt of each text where they first differ.
fn first_difference(dumped: &str, restored: &str) -> (String, String) {
    let mut lines = (dumped.lines(), restored.lines());
    loop {
        match (lines.0.next(), lines.1.next()) {
            (None, None) => return (String::new(), String::new()),
            (ours, theirs) if ours == theirs => {}
            (ours, theirs) => return excerpts(ours.unwrap_or_default(), theirs.unwrap_or_default()),
        }
    }
}

/// Both lines, from a little before the first character that differs.
fn excerpts(dumped: &str, restored: &str) -> (String, String) {
    let same = dumped.chars().zip(restored.chars()).take_while(|(a, b)| a == b).count();
    let skipped = if dumped.chars().count().max(restored.chars().count()) <= EXCERPT_CHARACTERS {
        0
    } else {
        same.saturating_sub(EXCERPT_CHARACTERS / 2)
    };
    let excerpt = |line: &str| line.trim_end().chars().skip(skipped).take(EXCERPT_CHARACTERS).collect();
    (excerpt(dumped), excerpt(restored))
}

#[cfg(test)]
mod tests;
