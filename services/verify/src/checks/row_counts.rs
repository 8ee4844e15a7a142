//! Row counts: the source's snapshot, the archive's lines, the restored table. Exactly equal, or a finding.

use std::collections::BTreeMap;

use backup_core::catalog::Table;

use super::contents::{Now, Restored, RestoredTable};
use super::{Subject, table_name};
use crate::evidence::Evidence;
use crate::report::TableFigures;

type Name<'run> = (&'run str, &'run str);

pub(super) fn check(subject: &Subject<'_>, restored: &Restored, evidence: &mut Evidence) {
    let by_name: BTreeMap<Name<'_>, &RestoredTable> =
        restored.iter().map(|table| ((table.table.schema.as_str(), table.table.name.as_str()), table)).collect();
    let mut found = Vec::new();
    let (mut equal, mut uncounted, mut rows) = (0_usize, 0_usize, 0);
    for table in &subject.manifest.inventory.tables {
        let restored = by_name.get(&(table.schema.as_str(), table.name.as_str())).copied();
        evidence.report.tables.push(figures(table, restored));
        if restored.is_none() && is_left_out(subject, table) {
            continue; // Named among what was not exercised.
        }
        uncounted += usize::from(table.rows.is_none());
        match problem(table, restored) {
            Some(problem) => found.push(format!("table {}: {problem}", table_name(&table.schema, &table.name))),
            None => {
                equal += 1;
                rows += restored.and_then(|restored| restored.now.rows()).unwrap_or(0);
            }
        }
    }
    let all = subject.manifest.inventory.tables.len();
    let mut figures = format!("{equal} of {all} tables with the rows of the source's snapshot, {rows} rows");
    if uncounted > 0 {
        figures.push_str(&format!("; {uncounted} were not counted in the source and are held against the archive"));
    }
    evidence.record("row_counts", figures, found);
}

fn figures(table: &Table, restored: Option<&RestoredTable>) -> TableFigures {
    TableFigures {
        schema: table.schema.clone(),
        name: table.name.clone(),
        source_rows: table.rows,
        archive_rows: restored.and_then(|restored| restored.archived).map(|digest| digest.rows),
        restored_rows: restored.and_then(|restored| restored.now.rows()),
        content_equal: None,
    }
}

fn is_left_out(subject: &Subject<'_>, table: &Table) -> bool {
    let rows = subject.selection.left_out.iter().filter(|left_out| left_out.holds_rows);
    let mut names = rows.map(|left_out| (&left_out.schema, &left_out.name));
    names.any(|name| name == (&table.schema, &table.name))
}

fn problem(table: &Table, restored: Option<&RestoredTable>) -> Option<String> {
    let Some(restored) = restored else { return Some("its rows are not in the archive".to_owned()) };
    let archived = restored.archived.map(|digest| digest.rows);
    if let (Some(source), Some(archived)) = (table.rows, archived)
        && source != archived
    {
        return Some(format!("{source} rows in the source's snapshot, and {archived} in the archive"));
    }
    // Rows that were loaded through a partitioned table may lie in another partition now.
    if restored.table != restored.loaded_into || restored.is_of_extension {
        return None;
    }
    let expected = table.rows.or(archived);
    match (&restored.now, expected) {
        (Now::Unreadable(why), _) => Some(format!("cannot be read after the restore: {why}")),
        (now, Some(expected)) if now.rows() != Some(expected) => {
            Some(format!("{expected} rows in the source's snapshot, and {} after the restore", now.rows().unwrap_or(0)))
        }
        _ => None,
    }
}
