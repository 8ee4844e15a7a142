//! Metrics as values, and their text.

use std::fmt;

use backup_core::text::is_unprintable;
use chrono::{DateTime, Utc};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabel, EncodeLabelSet, LabelSetEncoder, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

/// The labels of a sample.
type Labels = Vec<(&'static str, String)>;

/// All metrics of one scrape, in their order.
#[derive(Debug, Clone, Default)]
pub struct Families(Vec<Family>);

/// One metric with its samples.
#[derive(Debug, Clone)]
struct Family {
    name: String,
    help: &'static str,
    kind: FamilyKind,
    samples: Vec<Sample>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FamilyKind {
    Gauge,
    Counter,
}

/// One value of a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    labels: Labels,
    value: f64,
}

impl Sample {
    /// A value with these labels.
    pub fn new<const N: usize>(labels: [(&'static str, &str); N], value: f64) -> Self {
        Self { labels: labels.map(|(name, value)| (name, value.to_owned())).into(), value }
    }
}

impl Families {
    /// Adds a metric whose value can go up and down.
    pub fn gauge(&mut self, name: impl Into<String>, help: &'static str, samples: impl IntoIterator<Item = Sample>) {
        self.add(name.into(), help, FamilyKind::Gauge, samples);
    }

    /// Adds a metric that only grows until the process ends. Its name ends in `_total`.
    pub fn counter(&mut self, name: impl Into<String>, help: &'static str, samples: impl IntoIterator<Item = Sample>) {
        self.add(name.into(), help, FamilyKind::Counter, samples);
    }

    fn add(&mut self, name: String, help: &'static str, kind: FamilyKind, samples: impl IntoIterator<Item = Sample>) {
        self.0.push(Family { name, help, kind, samples: samples.into_iter().collect() });
    }

    /// Prometheus' text format, version 0.0.4.
    pub fn text(self) -> String {
        let (mut text, mut registry) = (String::new(), Registry::default());
        registry.register_collector(Box::new(self));
        if encode_registry(&mut text, &registry).is_err() {
            tracing::error!("the metrics cannot be written; this is a bug");
        }
        text
    }
}

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for family in &self.0 {
            family.encode(encoder.encode_descriptor(&family.name, family.help, None, family.metric_type())?)?;
        }
        Ok(())
    }
}

impl Family {
    fn metric_type(&self) -> MetricType {
        match self.kind {
            FamilyKind::Gauge => MetricType::Gauge,
            FamilyKind::Counter => MetricType::Counter,
        }
    }

    /// Writes counters as gauges, too: the crate writes OpenMetrics, in which the name of a counter's type lacks the
    /// `_total` of its samples. Prometheus' own format, which node_exporter and `promtool` read, has one name for both.
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        self.samples.iter().try_for_each(|sample| match sample.labels[..] {
            [] => encoder.encode_gauge(&sample.value),
            [_, ..] => encoder.encode_family(sample)?.encode_gauge(&sample.value),
        })
    }
}

impl EncodeLabelSet for Sample {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        // The crate writes values as they are.
        self.labels.iter().try_for_each(|(name, value)| (*name, escaped(value)).encode(encoder.encode_label()))
    }
}

/// `value` for a place between quotes. Without it, the name of a database could end the line and begin another one. What
/// would move the cursor of a terminal is written out as `\u{1b}`, and so is a backslash that could be taken for the
/// beginning of that: two names never have one label.
fn escaped(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for (place, character) in value.char_indices() {
        match character {
            '\n' => escaped.push_str("\\n"),
            '"' => escaped.push_str("\\\""),
            '\\' if value[place..].starts_with("\\u{") => escaped.push_str("\\\\u{5c}"),
            '\\' => escaped.push_str("\\\\"),
            character if is_unprintable(character) => {
                escaped.push('\\');
                escaped.extend(character.escape_unicode());
            }
            character => escaped.push(character),
        }
    }
    escaped
}

/// Seconds since 1970; 0 if there is no time.
pub fn timestamp(time: impl Into<Option<DateTime<Utc>>>) -> f64 {
    time.into().map_or(0.0, |time| time.timestamp_millis() as f64 / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_of_prometheus_own_format_and_no_name_of_a_database_can_break_it() {
        let mut families = Families::default();
        families.gauge("some_bytes", "Help.", [Sample::new([("database", "a\"b\\c\nd{}")], 3.0), Sample::new([], 0.5)]);
        families.counter("runs_total", "Runs.", [Sample::new([("database", "ü"), ("outcome", "failed")], 2.0)]);
        let expected = "# HELP some_bytes Help.\n# TYPE some_bytes gauge\n\
                        some_bytes{database=\"a\\\"b\\\\c\\nd{}\"} 3.0\nsome_bytes 0.5\n\
                        # HELP runs_total Runs.\n# TYPE runs_total counter\n\
                        runs_total{database=\"ü\",outcome=\"failed\"} 2.0\n";
        assert_eq!(families.text(), expected);
    }

    #[test]
    fn what_a_terminal_obeys_is_written_out_and_each_name_keeps_a_label_of_its_own() {
        for (name, label) in [
            ("a\u{1b}[2J\u{9b}1A\r", "a\\\\u{1b}[2J\\\\u{9b}1A\\\\u{d}"),
            ("\u{2028}\u{202e}\u{e0041}", "\\\\u{2028}\\\\u{202e}\\\\u{e0041}"),
            ("a\\u{1b}", "a\\\\u{5c}u{1b}"),
            ("a\\u{5c}u{1b}", "a\\\\u{5c}u{5c}u{1b}"),
            ("a\\nb\nc\\", "a\\\\nb\\nc\\\\"),
        ] {
            assert_eq!(escaped(name), label);
        }
    }

    #[test]
    fn no_time_is_zero() {
        assert_eq!(timestamp(None), 0.0);
        assert_eq!(timestamp(DateTime::from_timestamp_millis(1_500)), 1.5);
    }
}
