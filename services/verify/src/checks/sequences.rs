//! The value of each sequence against the archive's. Sequences are not part of a snapshot, so the archive,
//! not the manifest, says what must come back.

use std::collections::BTreeMap;

use backup_core::catalog::Inventory;

use super::{Subject, table_name};
use crate::evidence::Evidence;

pub(super) fn check(subject: &Subject<'_>, restored: &Inventory, evidence: &mut Evidence) {
    let now: BTreeMap<(&str, &str), Option<i64>> = restored
        .sequences
        .iter()
        .map(|sequence| ((sequence.schema.as_str(), sequence.name.as_str()), sequence.last_value))
        .collect();
    let left_out: Vec<i32> = subject.selection.left_out.iter().map(|left_out| left_out.dump_id).collect();
    let set = subject.archive.entries.iter().filter(|entry| entry.desc == "SEQUENCE SET");
    let (mut equal, mut found) = (0_usize, Vec::new());
    for entry in set.filter(|entry| !left_out.contains(&entry.dump_id)) {
        let name = table_name(&entry.namespace, &entry.tag);
        let Some(expected) = value(&entry.defn) else {
            found.push(format!("sequence {name}: its value in the archive cannot be read"));
            continue;
        };
        match now.get(&(entry.namespace.as_str(), entry.tag.as_str())) {
            Some(now) if *now == expected => equal += 1,
            Some(now) => found.push(format!("sequence {name}: {} in the archive, {} now", show(expected), show(*now))),
            None => found.push(format!("sequence {name} is missing")),
        }
    }
    evidence.record("sequences", format!("{equal} at the value of the archive"), found);
}

fn show(value: Option<i64>) -> String {
    value.map_or_else(|| "never used".to_owned(), |value| value.to_string())
}

/// Out of `SELECT pg_catalog.setval('public.orders_id_seq', 42, true);`: the last value, or `Some(None)`
/// where the sequence was never used.
fn value(definition: &str) -> Option<Option<i64>> {
    let (_, rest) = definition.rsplit_once("', ")?;
    let (number, called) = rest.trim_end().strip_suffix(");")?.split_once(", ")?;
    let number = number.parse().ok()?;
    match called {
        "true" => Some(Some(number)),
        "false" => Some(None),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(definition: &str, expected: Option<Option<i64>>) {
        assert_eq!(value(definition), expected, "{definition}");
    }

    #[test]
    fn values_as_pg_dump_writes_them() {
        check("SELECT pg_catalog.setval('public.orders_id_seq', 42, true);\n", Some(Some(42)));
        check("SELECT pg_catalog.setval('public.\"it''s, here\"', -7, true);\n", Some(Some(-7)));
        check("SELECT pg_catalog.setval('public.never', 1, false);\n", Some(None));
        check("SELECT pg_catalog.setval('public.odd', x, true);\n", None);
        check("", None);
    }
}
