//! Lines of the log as JSON: the fields of an event beside each other, and with them what is known of all that happens
//! around it, such as the database.

use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// One JSON object a line. What an event says itself ranks above what its span says. The fields of spans must be formatted
/// as JSON.
pub(crate) struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut timestamp = String::new();
        SystemTime.format_time(&mut Writer::new(&mut timestamp))?;
        let mut fields = Fields(vec![
            ("timestamp".to_owned(), Value::from(timestamp)),
            ("level".to_owned(), Value::from(event.metadata().level().as_str())),
        ]);
        event.record(&mut fields);
        for span in context.event_scope().into_iter().flatten() {
            let extensions = span.extensions();
            let formatted = extensions.get::<FormattedFields<N>>().map(|fields| fields.fields.as_str());
            let of_span: Map<String, Value> = serde_json::from_str(formatted.unwrap_or_default()).unwrap_or_default();
            of_span.into_iter().for_each(|(name, value)| fields.add(&name, value));
        }
        for (index, (name, value)) in fields.0.iter().enumerate() {
            let before = if index == 0 { '{' } else { ',' };
            write!(line, "{before}{}:{value}", Value::from(name.as_str()))?;
        }
        writeln!(line, "}}")
    }
}

struct Fields(Vec<(String, Value)>);

impl Fields {
    fn add(&mut self, name: &str, value: Value) {
        let name = name.strip_prefix("r#").unwrap_or(name);
        if self.0.iter().all(|(known, _)| known != name) {
            self.0.push((name.to_owned(), value));
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field.name(), Value::from(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field.name(), Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field.name(), Value::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field.name(), Value::from(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field.name(), Value::from(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field.name(), Value::from(format!("{value:?}")));
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::format::JsonFields;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::database_name::DatabaseName;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, written: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(written);
            Ok(written.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Each line that `log` writes, without its time.
    fn lines(log: impl FnOnce()) -> Vec<String> {
        let written = Written::default();
        let writer = written.clone();
        let layer = tracing_subscriber::fmt::layer().with_writer(move || writer.clone());
        let layer = layer.event_format(JsonLines).fmt_fields(JsonFields::new());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let without_time = |line: &str| {
            let (start, rest) = line.split_once("\",\"level").unwrap();
            assert!(start.starts_with("{\"timestamp\":\"20") && start.ends_with('Z'), "{line}");
            format!("level{rest}")
        };
        text.lines().map(without_time).collect()
    }

    #[test]
    fn a_line_has_its_fields_and_the_name_of_the_database_unless_it_names_one_itself() {
        let database = DatabaseName::from("a \"b\"\n");
        let found = lines(|| {
            tracing::warn!(size = 5_u64, share = 0.5, is_new = true, place = %"x:1", missing = None::<&str>, "said {}", 1);
            let _of = database.span().entered();
            tracing::info!(r#type = -3_i64, "what");
            tracing::info!(database = "other", "what");
            let _of = DatabaseName::unknown().span().entered();
            tracing::info!("what");
        });
        let expected = [
            r#"level":"WARN","message":"said 1","size":5,"share":0.5,"is_new":true,"place":"x:1"}"#,
            r#"level":"INFO","message":"what","type":-3,"database":"a \"b\"\n"}"#,
            r#"level":"INFO","message":"what","database":"other"}"#,
            r#"level":"INFO","message":"what","database":"a \"b\"\n"}"#,
        ];
        assert_eq!(found, expected);
    }
}
