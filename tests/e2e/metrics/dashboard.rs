//! docs/grafana/dashboard.json: that it is whole, and asks for what there is.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;

use e2e::promtool::promtool;
use e2e::skip::skip;
use regex::Regex;
use serde_json::Value;

use super::both;
use super::documents::names;
use crate::documents::root;

fn dashboard() -> Value {
    serde_json::from_str(&fs::read_to_string(root().join("docs/grafana/dashboard.json")).unwrap()).unwrap()
}

/// All queries of all panels.
fn queries(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_metric_and_label_of_the_dashboard_is_one_that_a_service_has() {
    let scrapes = both();
    let (names, dashboard) = (names(&scrapes), dashboard());
    let metric = Regex::new(r"postgres_(backup|verify)_[a-z_]+").unwrap();
    let text = dashboard.to_string();
    let used: BTreeSet<&str> = metric.find_iter(&text).map(|found| found.as_str()).collect();
    assert!(used.len() > 15, "{used:?}");
    for name in used {
        assert!(names.contains(name), "the dashboard asks for {name}, which no service has");
    }
    let known: BTreeSet<&str> =
        scrapes.iter().flat_map(|scrape| names.iter().flat_map(|name| scrape.labels(name))).collect();
    let label = Regex::new(r"by \(([a-z, ]+)\)|\{\{([a-z]+)\}\}").unwrap();
    for found in label.captures_iter(&text) {
        let labels = found.get(1).or(found.get(2)).unwrap().as_str();
        assert!(labels.split(", ").all(|label| known.contains(label)), "{labels}: {known:?}");
    }
}

#[test]
fn six_figures_are_on_top_and_no_two_panels_overlap() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap();
    let top: Vec<&Value> = panels.iter().filter(|panel| panel["gridPos"]["y"] == 0).collect();
    assert!(top.len() == 6 && top.iter().all(|panel| panel["type"] == "stat"), "{top:#?}");
    let limits = top.iter().filter(|panel| panel.to_string().contains("_max_age_seconds"));
    assert_eq!(limits.count(), 3, "what is too old, the services say");
    let kinds: BTreeSet<&str> = panels.iter().map(|panel| panel["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, BTreeSet::from(["stat", "state-timeline", "table", "timeseries"]));
    let (mut ids, mut cells) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        let at = |side: &str| panel["gridPos"][side].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{panel}");
        for x in at("x")..at("x") + at("w") {
            assert!(
                (at("y")..at("y") + at("h")).all(|y| cells.insert((x, y))),
                "{} lies on another one",
                panel["title"]
            );
        }
    }
}

/// As recording rules, so that Prometheus' own parser reads them.
#[test]
fn every_query_of_the_dashboard_is_one() {
    let mut rules = "groups:\n  - name: dashboard\n    rules:\n".to_owned();
    for (number, query) in queries(&dashboard()).iter().enumerate() {
        let query = query.replace("$database", ".*").replace("$__rate_interval", "5m");
        assert!(!query.contains('$'), "{query}");
        rules.push_str(&format!("      - record: query_{number}\n        expr: '{query}'\n"));
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), rules).unwrap();
    match promtool(&["check".as_ref(), "rules".as_ref(), file.path().as_ref()] as &[&OsStr], "") {
        Some((is_fine, said)) => assert!(is_fine, "{said}"),
        None => skip("metrics::dashboard", "promtool is not here (PROMTOOL); the queries were not read"),
    }
}
