//! One answer of `/metrics`, read as Prometheus reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;

use chrono::DateTime;
use e2e::promtool::promtool;
use e2e::skip::skip;
use serde_json::Value;

use crate::daemon::Running;

/// The samples of one moment.
#[derive(Debug)]
pub(super) struct Scrape {
    pub(super) text: String,
    /// Of each sample with its labels, the value.
    samples: BTreeMap<String, f64>,
    /// Of each name, the type.
    pub(super) types: BTreeMap<String, String>,
}

impl Scrape {
    /// What a daemon answers now.
    #[track_caller]
    pub(super) fn of(daemon: &Running) -> Self {
        let (status, text) = daemon.get_text("/metrics");
        assert_eq!(status, 200, "{text}");
        Self::parse(text)
    }

    #[track_caller]
    pub(super) fn parse(text: String) -> Self {
        let (mut samples, mut types) = (BTreeMap::new(), BTreeMap::new());
        for line in text.lines() {
            if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
                let before = types.insert(name.to_owned(), kind.to_owned());
                assert_eq!(before, None, "{name} comes twice");
            } else if !line.starts_with('#') {
                let (sample, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value in {line:?}"));
                let value = value.parse().unwrap_or_else(|_| panic!("no number in {line:?}"));
                let before = samples.insert(sample.to_owned(), value);
                assert_eq!(before, None, "{sample} comes twice");
            }
        }
        Self { text, samples, types }
    }

    /// The value of a sample, which is written as in the text.
    #[track_caller]
    pub(super) fn value(&self, sample: &str) -> f64 {
        *self.samples.get(sample).unwrap_or_else(|| panic!("no {sample} in\n{}", self.text))
    }

    /// The samples without their values.
    pub(super) fn series(&self) -> BTreeSet<&str> {
        self.samples.keys().map(String::as_str).collect()
    }

    /// The labels of a metric, in their order.
    pub(super) fn labels(&self, name: &str) -> Vec<&str> {
        let sample = self.samples.keys().find(|sample| sample.split('{').next() == Some(name));
        let Some((_, labels)) = sample.and_then(|sample| sample.split_once('{')) else { return Vec::new() };
        labels.split("\",").filter_map(|label| Some(label.split_once('=')?.0)).collect()
    }

    /// Fails unless Prometheus' own linter is content.
    #[track_caller]
    pub(super) fn check(&self, test: &str) {
        let arguments = ["check", "metrics"].map(OsStr::new);
        match promtool(&arguments, &self.text) {
            Some((is_fine, said)) => assert!(is_fine && said.trim().is_empty(), "{said}\n{}", self.text),
            None => skip(test, "promtool is not here (PROMTOOL); what it says of the metrics was not looked at"),
        }
    }
}

/// The time of a page as metrics tell it.
#[track_caller]
pub(super) fn seconds(time: &Value) -> f64 {
    let time = time.as_str().unwrap_or_else(|| panic!("no time: {time}"));
    DateTime::parse_from_rfc3339(time).unwrap().timestamp_millis() as f64 / 1000.0
}
