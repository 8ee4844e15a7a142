//! Row counts: the source's snapshot, the archive's lines, the restored table. Exactly equal, or a finding.

use std::collections::{BTreeMap, HashMap, HashSet};

use backup_core::postgres::UNLOGGED;
use backup_core::repository::Table;

use super::contents::{Compared, Outcome, RestoredTable};
use super::subject::{Subject, table_name};
use crate::evidence::Evidence;
use crate::report::TableFigures;

type Name<'run> = (&'run str, &'run str);

/// A table after the restore, and what comparing it said.
type Found<'run> = (&'run RestoredTable, &'run Compared<'run>);

pub(super) fn check(subject: &Subject<'_>, compared: &[Compared<'_>], evidence: &mut Evidence) {
    let by_name: BTreeMap<Name<'_>, Found<'_>> = compared
        .iter()
        .flat_map(|compared| compared.tables.iter().map(move |table| (*table, compared)))
        .map(|found| ((found.0.table.schema.as_str(), found.0.table.name.as_str()), found))
        .collect();
    let source: HashMap<Name<'_>, &Table> = subject
        .manifest
        .inventory
        .tables
        .iter()
        .map(|table| ((table.schema.as_str(), table.name.as_str()), table))
        .collect();
    let left_out: HashSet<Name<'_>> = subject
        .selection
        .left_out
        .iter()
        .filter(|left_out| left_out.holds_rows || left_out.desc == "TABLE DATA")
        .map(|left_out| (left_out.schema.as_str(), left_out.name.as_str()))
        .collect();
    let mut found: Vec<String> = compared.iter().filter_map(|compared| problem_of_target(&source, compared)).collect();
    let (mut equal, mut uncounted, mut rows) = (0_usize, 0_usize, 0);
    for table in &subject.manifest.inventory.tables {
        let restored = by_name.get(&(table.schema.as_str(), table.name.as_str())).copied();
        evidence.report.tables.push(figures(table, restored));
        if restored.is_none() && left_out.contains(&(table.schema.as_str(), table.name.as_str())) {
            continue; // Named among what was not exercised.
        }
        if restored.is_none() && table.not_counted.as_deref() == Some(UNLOGGED) {
            let name = table_name(&table.schema, &table.name);
            evidence.note(format!("table {name} is unlogged and the source is a standby, which has none of its rows"));
            continue;
        }
        uncounted += usize::from(table.rows.is_none());
        match problem_of_table(table, restored) {
            Some(problem) => found.push(format!("table {}: {problem}", table_name(&table.schema, &table.name))),
            None if restored.is_some_and(|(_, compared)| is_equal(compared)) => {
                equal += 1;
                rows += restored.and_then(|(restored, _)| restored.now.rows()).unwrap_or(0);
            }
            None => {}
        }
    }
    let all = subject.manifest.inventory.tables.len();
    let mut figures = format!("{equal} of {all} tables with the rows of the source's snapshot, {rows} rows");
    if uncounted > 0 {
        figures.push_str(&format!("; {uncounted} were not counted in the source and are held against the archive"));
    }
    evidence.record("row_counts", figures, found);
}

fn figures(table: &Table, restored: Option<Found<'_>>) -> TableFigures {
    TableFigures {
        schema: table.schema.clone(),
        name: table.name.clone(),
        source_rows: table.rows,
        archive_rows: restored.and_then(|(restored, _)| restored.archived).map(|digest| digest.rows),
        restored_rows: restored.and_then(|(restored, _)| restored.now.rows()),
        content_equal: None,
    }
}

fn is_equal(compared: &Compared<'_>) -> bool {
    match compared.outcome {
        Outcome::Equal { .. } | Outcome::OtherContents { .. } | Outcome::CountedOnly { .. } => true,
        Outcome::OtherRows { .. } | Outcome::Unreadable(_) => false,
    }
}

/// The database against the archive.
fn problem_of_target(source: &HashMap<Name<'_>, &Table>, compared: &Compared<'_>) -> Option<String> {
    let name = table_name(&compared.target.schema, &compared.target.name);
    match &compared.outcome {
        Outcome::Unreadable(why) => Some(format!("table {name}: cannot be read after the restore: {why}")),
        Outcome::OtherRows { archived, now } => {
            let counted = compared.tables.iter().all(|table| is_counted(source, table));
            let before = if counted { "in the source's snapshot" } else { "in the archive" };
            Some(format!("table {name}: {archived} rows {before}, and {now} after the restore"))
        }
        Outcome::Equal { .. } | Outcome::OtherContents { .. } | Outcome::CountedOnly { .. } => None,
    }
}

/// Whether the source counted as many rows as the archive has.
fn is_counted(source: &HashMap<Name<'_>, &Table>, restored: &RestoredTable) -> bool {
    let archived = restored.archived.map(|digest| digest.rows);
    source
        .get(&(restored.table.schema.as_str(), restored.table.name.as_str()))
        .is_some_and(|table| table.rows.is_some() && table.rows == archived)
}

/// The source's snapshot against the archive, or against the database if the archive cannot be counted.
fn problem_of_table(table: &Table, restored: Option<Found<'_>>) -> Option<String> {
    let Some((restored, compared)) = restored else { return Some("its rows are not in the archive".to_owned()) };
    match (table.rows, restored.archived, &compared.outcome) {
        (Some(source), Some(archived), _) if source != archived.rows => {
            Some(format!("{source} rows in the source's snapshot, and {} in the archive", archived.rows))
        }
        (Some(source), None, Outcome::CountedOnly { now }) if source != *now => {
            Some(format!("{source} rows in the source's snapshot, and {now} after the restore"))
        }
        (None, None, Outcome::CountedOnly { now }) => Some(format!(
            "{now} rows after the restore, and neither the source nor the archive says how many there were"
        )),
        _ => None,
    }
}
