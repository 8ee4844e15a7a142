//! docs/prometheus: the alert rules and their tests.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;

use e2e::promtool::promtool;
use e2e::skip::skip;
use regex::Regex;

use super::both;
use super::documents::names;
use crate::documents::root;

const RULES: &str = "docs/prometheus/rules.yml";
const TESTS: &str = "docs/prometheus/rules.test.yml";

#[test]
fn the_rules_are_rules_and_pass_their_tests() {
    for (what, file) in [("check", RULES), ("test", TESTS)] {
        let path = root().join(file);
        match promtool(&[what.as_ref(), "rules".as_ref(), path.as_ref()] as &[&OsStr], "") {
            Some((is_fine, said)) => assert!(is_fine, "{said}"),
            None => return skip("metrics::rules", "promtool is not here (PROMTOOL); the rules were not tried"),
        }
    }
}

#[test]
fn every_metric_of_the_rules_is_one_that_a_service_has() {
    let names = names(&both());
    let metric = Regex::new(r"postgres_(backup|verify)_[a-z_]+").unwrap();
    for file in [RULES, TESTS] {
        let text = fs::read_to_string(root().join(file)).unwrap();
        let used: BTreeSet<&str> = metric.find_iter(&text).map(|found| found.as_str()).collect();
        assert!(used.len() > 10, "{file}: {used:?}");
        for name in used {
            assert!(names.contains(name), "{file} uses {name}, which no service has");
        }
    }
}

/// Every alert says how urgent it is, what is wrong and what to do, and has a case in which it is raised and one in which
/// it is not.
#[test]
fn every_alert_is_complete_and_tested_both_ways() {
    let rules = fs::read_to_string(root().join(RULES)).unwrap();
    let tests = fs::read_to_string(root().join(TESTS)).unwrap();
    let alerts: Vec<&str> = rules.split("      - alert: ").skip(1).collect();
    assert!(alerts.len() >= 14, "{}", alerts.len());
    for alert in alerts {
        let name = alert.lines().next().unwrap();
        for part in ["expr:", "severity: ", "summary: ", "description: ", "runbook: docs/"] {
            assert!(alert.contains(part), "{name} has no {part:?}");
        }
        let runbook = alert.split("runbook: docs/").nth(1).unwrap().lines().next().unwrap();
        let (file, anchor) = runbook.split_once('#').unwrap();
        let document = fs::read_to_string(root().join("docs").join(file)).unwrap();
        let heading = |line: &str| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        let is_there = document.lines().filter(|line| line.starts_with('#')).any(|line| {
            heading(line).chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect::<String>() == anchor
        });
        assert!(is_there, "{name}: docs/{runbook} leads nowhere");
        let cases: Vec<&str> =
            tests.split("alertname: ").skip(1).filter(|case| case.lines().next() == Some(name)).collect();
        let fires = |case: &&&str| case.split("alertname: ").next().unwrap().contains("exp_labels:");
        assert!(cases.iter().any(|case| fires(&case)), "{name} is never raised in {TESTS}");
        assert!(cases.iter().any(|case| !fires(&case)), "{name} is raised in every case of {TESTS}");
    }
}
