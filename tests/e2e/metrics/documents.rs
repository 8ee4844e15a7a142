//! docs/metrics.md, held against what both services answer.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::{Scrape, both};
use crate::documents::root;

/// Of each metric in the tables of the document: type and labels.
fn documented() -> BTreeMap<String, (String, Vec<String>)> {
    let text = fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    let mut found = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| `p")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, kind, labels, meaning, unit] = cells[..] else { panic!("not five cells: {line}") };
        assert!(!meaning.is_empty() && !unit.is_empty(), "{line}");
        let labels = labels.split(", ").map(|label| label.trim_matches('`')).filter(|label| !["", "-"].contains(label));
        let entry = (kind.to_owned(), labels.map(str::to_owned).collect());
        assert!(found.insert(name.trim_matches('`').to_owned(), entry).is_none(), "twice: {line}");
    }
    found
}

#[test]
fn every_metric_is_in_the_document_with_its_type_and_labels_and_no_other() {
    let scrapes = both();
    let documented = documented();
    for scrape in &scrapes {
        for (name, kind) in &scrape.types {
            let (documented_kind, labels) =
                documented.get(name).unwrap_or_else(|| panic!("docs/metrics.md does not have {name}"));
            assert_eq!(documented_kind, kind, "{name}");
            assert_eq!(labels, &scrape.labels(name), "{name}");
        }
    }
    let scraped: BTreeSet<&String> = scrapes.iter().flat_map(|scrape| scrape.types.keys()).collect();
    for name in documented.keys() {
        assert!(scraped.contains(name), "docs/metrics.md has {name}, and no service does");
    }
}

/// Prometheus keeps a series for each value for as long as it keeps anything: what has no bound is no label.
#[test]
fn no_label_has_values_without_end_r157() {
    const LABELS: [&str; 12] = [
        "alarm",
        "channel",
        "check",
        "database",
        "direction",
        "kind",
        "operation",
        "outcome",
        "phase",
        "service",
        "step",
        "version",
    ];
    for scrape in both() {
        for name in scrape.types.keys() {
            for label in scrape.labels(name) {
                assert!(LABELS.contains(&label), "{name} has the label {label}");
            }
        }
        assert!(scrape.series().len() < 400, "{}", scrape.text);
    }
}

/// The values of `outcome` and the others that the document names are those of the scrapes.
#[test]
fn every_value_of_a_label_is_in_the_document() {
    let text = fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    for scrape in both() {
        for series in scrape.series() {
            let Some((name, labels)) = series.split_once('{') else { continue };
            for label in labels.trim_end_matches('}').split("\",") {
                let (label, value) = label.split_once("=\"").unwrap();
                let value = value.trim_end_matches('"');
                let is_free = ["database", "version"].contains(&label);
                assert!(is_free || text.contains(&format!("`{value}`")), "{name}: {label}=\"{value}\"");
            }
        }
    }
}

/// The names of all metrics of both services.
pub(super) fn names(scrapes: &[Scrape]) -> BTreeSet<String> {
    scrapes.iter().flat_map(|scrape| scrape.types.keys().cloned()).collect()
}
