//! What differs between what was dumped and what was restored, by their tables of contents.
//!
//! The second one is of a `pg_dump --schema-only` of the restored database. What differs without meaning anything is
//! left aside: owners (a drill restores without them), numbers, the order of entries, and what each database has of its
//! own. One definition may have several texts, which differ between servers and between versions of `pg_dump`: see
//! [`Comparison::judge`].

mod by_itself;
mod found;
mod grants;
mod stamps;
mod texts;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::Archive;
use super::selection::{LeftOut, Selection};
use super::toc::{DumpId, Entry};

pub use found::{Difference, Judged, Named, Respelled};

use by_itself::ByItself;
use found::Key;
use stamps::without_stamps;
use texts::{Definitions, bodies_of, enter, first_difference, lines_of, texts_of, without_equal};

/// Kinds of entries that are not definitions, and kinds that a drill makes in its own way.
const NOT_COMPARED: &[&str] = &[
    "BLOB",
    "BLOB METADATA",
    "BLOBS",
    "DATABASE",
    "DATABASE PROPERTIES",
    "ENCODING",
    "MATERIALIZED VIEW DATA",
    "SEARCHPATH",
    "SEQUENCE SET",
    "STATISTICS DATA",
    "STDSTRINGS",
    "SUBSCRIPTION TABLE",
    "TABLE DATA",
];

/// The same for comments, grants and labels, which are about something: the beginnings of their names.
const ABOUT_NOT_COMPARED: &[&str] = &["DATABASE ", "LARGE OBJECT"];

/// The rights on a schema that is there in every new database.
const PUBLIC_GRANTS: Key<'static> = ("ACL", "", "SCHEMA public");

/// The schema itself, which each database is made with.
const PUBLIC: Key<'static> = ("SCHEMA", "", "public");

/// Whose objects come back in a restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owners {
    /// Everything belongs to the role that restores.
    Restorer,
    /// The owners of the archive, which must exist.
    Archive,
}

/// The roles whose grants on an object are not compared, by the grants.
type Ignored<'archive> = BTreeMap<Key<'archive>, BTreeSet<&'archive str>>;

/// An archive and what was restored from it, by their tables of contents.
#[derive(Debug, Clone, Copy)]
pub struct Comparison<'run> {
    /// What was dumped.
    pub dumped: &'run Archive,
    /// The dump of what was restored, without rows.
    pub restored: &'run Archive,
    /// What was left out is not missing.
    pub selection: &'run Selection,
    /// Whose objects came back. An owner's own rights are compared only if the archive's owners did.
    pub owners: Owners,
    /// The role that restored: what it may do comes from the restore, such as its rights on the tables of extensions.
    pub restorer: &'run str,
    /// The dump of the database as it was before the restore, if it may have had something by itself: what it had, and
    /// what its default privileges gave, is no difference.
    pub before: Option<&'run Archive>,
}

/// What comparing the definitions comes to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// What differs from the archive.
    pub differences: Vec<Difference>,
    /// What the archive does not hold, or has fewer grants on, because the database had it by itself.
    pub by_itself: Vec<Named>,
}

impl<'run> Comparison<'run> {
    /// Every definition that is not, text by text, the archive's.
    pub fn differences(&self) -> Vec<Difference> {
        self.compare().differences
    }

    /// As [`Comparison::differences`], together with what was not held against the restore.
    pub fn compare(&self) -> Compared {
        let Sides { dumped: mut source, restored: mut target, before, .. } = Sides::of(self, None);
        if public_belongs_to_the_superuser(self.dumped) && !source.contains_key(&PUBLIC_GRANTS) {
            target.remove(&PUBLIC_GRANTS);
        }
        let mut left_out: BTreeMap<Key<'_>, usize> = BTreeMap::new();
        for sibling in self.left_out() {
            *left_out.entry(key_of_left_out(sibling)).or_default() += 1;
        }
        let keys: BTreeSet<Key<'_>> = source.keys().chain(target.keys()).copied().collect();
        let had = self.before.map(|archive| ByItself { before, archive, restorer: self.restorer });
        let (mut differences, mut by_itself) = (Vec::new(), Vec::new());
        for key in keys {
            let texts = (source.remove(&key).unwrap_or_default(), target.remove(&key).unwrap_or_default());
            let (source, mut target) = without_equal(texts);
            if had.as_ref().is_some_and(|had| had.explains(key, &source, &target)) {
                by_itself.push(Named::of(key));
                continue;
            }
            // One of the same name that was not restored, and is there by itself.
            let excused = left_out.get(&key).copied().unwrap_or(0);
            let unexpected = target.len().saturating_sub(source.len());
            target.truncate(target.len() - unexpected.min(excused));
            enter(key, &source, &target, &mut differences);
        }
        differences.retain(|difference| !is_of_the_server(difference));
        differences.sort();
        Compared { differences, by_itself }
    }

    /// Sorts `differences` by whether `reference` has them, too: the dump of a database into which the same entries
    /// were restored without rows. What is missing is a finding in any case.
    pub fn judge(&self, differences: Vec<Difference>, reference: &'run Archive) -> Judged {
        let sides = Sides::of(self, Some(reference));
        let mut by_object: BTreeMap<Named, Vec<Difference>> = BTreeMap::new();
        for difference in differences {
            by_object.entry(difference.object().clone()).or_default().push(difference);
        }
        let mut judged = Judged::default();
        for (object, differences) in by_object {
            let (missing, others): (Vec<_>, Vec<_>) =
                differences.into_iter().partition(|difference| matches!(difference, Difference::Missing(_)));
            judged.findings.extend(missing);
            if others.is_empty() {
                continue;
            }
            let of = |side| texts_of(side, object.key());
            let (dumped, reference, restored) = (of(&sides.dumped), of(&sides.reference), of(&sides.restored));
            // A server keeps the body of a function as it was written: another one is no spelling of the server.
            if reference == restored && bodies_of(&dumped) == bodies_of(&restored) {
                let is_reordered = lines_of(&dumped) == lines_of(&restored);
                judged.respelled.push(Respelled { object, is_reordered });
            } else if reference.is_empty() || restored.is_empty() || reference == dumped || reference == restored {
                judged.findings.extend(others);
            } else {
                let (reference, restored) = first_difference(&reference.join("\n"), &restored.join("\n"));
                judged.findings.push(Difference::Otherwise { object, reference, restored });
            }
        }
        judged
    }

    /// One finding for each object that belongs to another role than it did, after a restore that brings owners back.
    /// What only the restored database has passes through `known`.
    pub fn other_owners(&self, known: impl Fn(&str) -> String) -> Vec<String> {
        // Whom a catalog, a language or the member of an extension belongs to is not in the archive's hand.
        let is_made = |entry: &&Entry| entry.desc != "ACL" || self.dumped.makes_what_it_is_about(entry);
        let was = owners_by_key(self.dumped.entries.iter().filter(is_made));
        let is = owners_by_key(self.restored.entries.iter());
        let mut differences = Vec::new();
        for (key, was) in was {
            // How many there are is compared among the definitions.
            let Some(is) = is.get(&key).filter(|is| is.len() == was.len() && **is != was) else { continue };
            let object = Named::of(key);
            let (was, is) = (was.join(", "), known(&is.join(", ")));
            differences.push(format!("{object} belonged to {was}, and belongs to {is} now"));
        }
        differences
    }

    /// What nothing is known of after the restore.
    fn left_out(&self) -> Vec<&'run LeftOut> {
        self.selection.left_out.iter().filter(|left_out| left_out.reason.is_unproven()).collect()
    }
}

/// The definitions of each side.
struct Sides<'run> {
    dumped: Definitions<'run>,
    restored: Definitions<'run>,
    reference: Definitions<'run>,
    before: Definitions<'run>,
}

impl<'run> Sides<'run> {
    fn of(comparison: &Comparison<'run>, reference: Option<&'run Archive>) -> Self {
        let left_out: BTreeSet<DumpId> = comparison.left_out().iter().map(|left_out| left_out.dump_id).collect();
        let ignored = ignored(comparison, reference);
        let all = |archive: &'run Archive| definitions(archive.entries.iter(), &ignored, comparison.owners);
        let stayed = comparison.dumped.entries.iter().filter(|entry| !left_out.contains(&entry.dump_id));
        Self {
            dumped: definitions(stayed, &ignored, comparison.owners),
            restored: all(comparison.restored),
            reference: reference.map(all).unwrap_or_default(),
            before: comparison.before.map(all).unwrap_or_default(),
        }
    }
}

/// As it is before 15. A drill gives schema `public` to the restoring role, and the rights that the schema had
/// from the beginning are then written as grants.
fn public_belongs_to_the_superuser(dumped: &Archive) -> bool {
    dumped.header.server_major().is_some_and(|major| major < 15)
}

/// Extensions that a server has by itself are counted with the inventory, and `pg_dump` does not write that an
/// extension has no comment.
fn is_of_the_server(difference: &Difference) -> bool {
    match difference {
        Difference::Unexpected(object) => {
            object.desc == "EXTENSION" || object.desc == "COMMENT" && object.name.starts_with("EXTENSION ")
        }
        _ => false,
    }
}

fn key_of_left_out(left_out: &LeftOut) -> Key<'_> {
    (&left_out.desc, &left_out.schema, &left_out.name)
}

fn key_of(entry: &Entry) -> Key<'_> {
    (&entry.desc, &entry.namespace, &entry.tag)
}

fn is_compared(entry: &Entry, owners: Owners) -> bool {
    let is_about = |kinds: &[&str]| {
        matches!(entry.desc.as_str(), "ACL" | "COMMENT" | "SECURITY LABEL")
            && kinds.iter().any(|beginning| entry.tag.starts_with(beginning))
    };
    // A plain role does not restore them: the extension comes with its own.
    let is_of_extension = owners == Owners::Restorer && is_about(&["EXTENSION "]);
    !is_about(ABOUT_NOT_COMPARED) && !is_of_extension && !NOT_COMPARED.contains(&entry.desc.as_str())
}

/// The roles whose grants on an object say nothing, on any side: its owners, if it belongs to others than before, and
/// the restoring role, unless the archive grants it something.
fn ignored<'run>(comparison: &Comparison<'run>, reference: Option<&'run Archive>) -> Ignored<'run> {
    let Comparison { dumped, restored, owners, restorer, before, .. } = *comparison;
    let grants = |archive: &'run Archive| archive.entries.iter().filter(|entry| entry.desc == "ACL");
    let mut owners_of: Ignored<'_> = BTreeMap::new();
    for entry in [Some(dumped), Some(restored), reference].into_iter().flatten().flat_map(grants) {
        owners_of.entry(key_of(entry)).or_default().insert(&entry.owner);
    }
    for entry in before.into_iter().flat_map(grants) {
        owners_of.entry(key_of(entry)).or_default();
    }
    if owners == Owners::Restorer {
        owners_of.values_mut().for_each(|owners| {
            owners.insert(restorer);
        });
        return owners_of;
    }
    let granted: BTreeSet<Key<'_>> = grants(dumped).map(key_of).collect();
    for (key, owners) in &mut owners_of {
        let is_ours = owners.contains(restorer);
        if owners.len() == 1 && *key != PUBLIC_GRANTS {
            owners.clear();
        }
        if !granted.contains(key) && !is_ours {
            owners.insert(restorer);
        }
    }
    owners_of
}

/// The owners of each object, in a fixed order: default privileges of several roles have one name.
fn owners_by_key<'run>(entries: impl Iterator<Item = &'run Entry>) -> BTreeMap<Key<'run>, Vec<&'run str>> {
    let mut owners: BTreeMap<Key<'_>, Vec<&str>> = BTreeMap::new();
    for entry in entries.filter(|entry| is_compared(entry, Owners::Archive) && entry.desc != "EXTENSION") {
        if !entry.owner.is_empty() && key_of(entry) != PUBLIC {
            owners.entry(key_of(entry)).or_default().push(&entry.owner);
        }
    }
    owners.values_mut().for_each(|owners| owners.sort_unstable());
    owners
}

fn definitions<'run>(
    entries: impl Iterator<Item = &'run Entry>,
    ignored: &Ignored<'run>,
    owners: Owners,
) -> Definitions<'run> {
    let mut definitions = Definitions::new();
    for entry in entries.filter(|entry| is_compared(entry, owners)) {
        let key = key_of(entry);
        let definition = match (entry.desc.as_str(), ignored.get(&key)) {
            ("ACL", Some(ignored)) => Cow::Owned(grants::to_others(&entry.defn, ignored)),
            _ if entry.access_method.is_empty() => without_stamps(entry.defn.trim()),
            _ => Cow::Owned(format!("{}\nUSING {}", without_stamps(entry.defn.trim()), entry.access_method)),
        };
        // An entry may exist for its owner only: of grants to no other role, and of the schema `public`.
        let is_empty = definition.lines().all(|line| line.is_empty() || line.starts_with("--"));
        if !is_empty {
            definitions.entry(key).or_default().push(definition);
        }
    }
    definitions.values_mut().for_each(|definitions| definitions.sort());
    definitions
}

#[cfg(test)]
mod tests;
