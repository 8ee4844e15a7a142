//! The passes of a restore, and which entries belong in each.

use std::collections::{BTreeMap, HashSet};

use pgdump_archive::{Archive, DumpId, Entry, Section};
use postgres_protocol::escape::escape_identifier;

use super::super::prepare::KeptSchema;

/// The parts of a restore, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pass {
    /// Comments and grants on the schemas that a superuser takes from the restoring role after it, see
    /// [`keep_schemas`](crate::postgres::keep_schemas). No code of the archive runs by these.
    KeptSchemas,
    /// Definitions and rows.
    Data,
    /// Rights, in one job and in the archive's order. A grant that was made through a grant option needs the grant
    /// before it, and the archive notes no dependency between the two: several jobs lose it by chance.
    Grants,
    /// Indexes, constraints, triggers, rules, policies.
    PostData,
    /// The rows of materialized views, which are read with the rights of their owners.
    MaterializedViews,
    /// Event triggers, in one job. They come last, so that they do not fire for the restore itself.
    EventTriggers,
}

impl Pass {
    /// All of them, in their order.
    pub const ALL: [Self; 6] =
        [Self::KeptSchemas, Self::Data, Self::Grants, Self::PostData, Self::MaterializedViews, Self::EventTriggers];

    /// A name for files and command lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::KeptSchemas => "kept-schemas",
            Self::Data => "data",
            Self::Grants => "grants",
            Self::PostData => "post-data",
            Self::MaterializedViews => "materialized-views",
            Self::EventTriggers => "event-triggers",
        }
    }

    /// How many jobs of the wanted number it may have.
    pub(super) fn jobs(self, wanted: usize) -> usize {
        match self {
            Self::Data | Self::PostData | Self::MaterializedViews => wanted,
            Self::KeptSchemas | Self::Grants | Self::EventTriggers => 1,
        }
    }
}

/// The lines of `list`, which are in the archive's order, by the pass that restores their entries.
pub(super) fn split(archive: &Archive, list: &str, kept_schemas: &[KeptSchema]) -> BTreeMap<Pass, String> {
    let mut passes = passes(archive);
    let names = kept_schemas.iter().flat_map(|schema| [schema.name.clone(), escape_identifier(&schema.name)]);
    let names: HashSet<String> = names.collect();
    for entry in archive.entries.iter().filter(|entry| is_about_one_of(&names, entry)) {
        passes.insert(entry.dump_id, Pass::KeptSchemas);
    }
    let mut lists: BTreeMap<Pass, String> = BTreeMap::new();
    for line in list.split_inclusive('\n') {
        // A line that names no entry is left for `pg_restore` to complain of.
        let pass = entry_id(line).and_then(|id| passes.get(&id).copied()).unwrap_or(Pass::Data);
        lists.entry(pass).or_default().push_str(line);
    }
    lists
}

/// The number of the entry that a line of a list is about.
pub(super) fn entry_id(line: &str) -> Option<DumpId> {
    line.split(';').next().and_then(|id| id.trim().parse().ok())
}

/// Whether `entry` is a comment, a label or grants on one of the schemas with these `names`, each also as SQL quotes it.
fn is_about_one_of(names: &HashSet<String>, entry: &Entry) -> bool {
    let is_about = matches!(entry.desc.as_str(), "ACL" | "COMMENT" | "SECURITY LABEL");
    let Some(name) = entry.tag.strip_prefix("SCHEMA ").filter(|_| is_about) else { return false };
    names.contains(name)
}

fn passes(archive: &Archive) -> BTreeMap<DumpId, Pass> {
    // What is in no section, such as a comment, follows what it is about.
    let mut section = Section::PreData;
    let mut passes = BTreeMap::new();
    for entry in &archive.entries {
        if entry.section != Section::None {
            section = entry.section;
        }
        passes.insert(entry.dump_id, pass_of(entry, section));
    }
    passes
}

/// As `pg_restore` itself does it in one run (`_tocEntryRestorePass` in `pg_backup_archiver.c`), but for the
/// grants, which come before indexes: functions in them run with the rights of the table's owner.
fn pass_of(entry: &Entry, section: Section) -> Pass {
    let is_about_event_trigger =
        matches!(entry.desc.as_str(), "COMMENT" | "SECURITY LABEL") && entry.tag.starts_with("EVENT TRIGGER ");
    match entry.desc.as_str() {
        "ACL" | "DEFAULT ACL" => Pass::Grants,
        "EVENT TRIGGER" => Pass::EventTriggers,
        _ if is_about_event_trigger => Pass::EventTriggers,
        "MATERIALIZED VIEW DATA" => Pass::MaterializedViews,
        // Of materialized views; the others are with the data.
        "STATISTICS DATA" if section == Section::PostData => Pass::MaterializedViews,
        _ if section == Section::PostData => Pass::PostData,
        _ => Pass::Data,
    }
}

#[cfg(test)]
mod tests {
    use pgdump_archive::by_hand::{archive, entry};

    use super::*;

    #[test]
    fn each_entry_is_in_one_pass_and_the_order_of_the_archive_stays() {
        let in_section = |mut entry: Entry, section| {
            entry.section = section;
            entry
        };
        let none = |id, desc: &str, tag: &str| in_section(entry(id, desc, "", tag, "X"), Section::None);
        let archive = archive(vec![
            in_section(entry(1, "SCHEMA", "", "s", "X"), Section::PreData),
            none(2, "ACL", "SCHEMA s"),
            none(3, "COMMENT", "SCHEMA s"),
            in_section(entry(4, "TABLE DATA", "s", "t", ""), Section::Data),
            in_section(entry(5, "INDEX", "s", "i", "X"), Section::PostData),
            none(6, "COMMENT", "INDEX i"),
            in_section(entry(7, "EVENT TRIGGER", "", "e", "X"), Section::PostData),
            none(8, "COMMENT", "EVENT TRIGGER e"),
            in_section(entry(9, "MATERIALIZED VIEW DATA", "s", "m", "X"), Section::PostData),
            none(10, "DEFAULT ACL", "DEFAULT PRIVILEGES FOR TABLES"),
            in_section(entry(11, "STATISTICS DATA", "s", "m", "X"), Section::PostData),
        ]);
        let list: String = (1..=11).map(|id| format!("{id}; 0 0 of no matter\n")).collect();
        let numbers = |text: &String| text.lines().filter_map(entry_id).collect::<Vec<_>>();
        let lists: Vec<_> = split(&archive, &list, &[]).iter().map(|(pass, text)| (*pass, numbers(text))).collect();
        let expected = [
            (Pass::Data, vec![1, 3, 4]),
            (Pass::Grants, vec![2, 10]),
            (Pass::PostData, vec![5, 6]),
            (Pass::MaterializedViews, vec![9, 11]),
            (Pass::EventTriggers, vec![7, 8]),
        ];
        assert_eq!(lists, expected);
        let kept = [KeptSchema { name: "s".to_owned(), is_filled: false }];
        let lists = split(&archive, &list, &kept);
        assert_eq!(numbers(&lists[&Pass::KeptSchemas]), [2, 3]);
        assert_eq!(numbers(&lists[&Pass::Data]), [1, 4]);
    }
}
