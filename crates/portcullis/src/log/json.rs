//! Lines of the log as JSON.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{Format, Json, Writer};
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, format};
use tracing_subscriber::registry::LookupSpan;

use super::DECISIONS;

/// Each event as an object with its fields. A decision, which is JSON already, is the field `decision`.
#[derive(Debug)]
pub(super) struct Lines(Format<Json>);

impl Lines {
    pub(super) fn new() -> Self {
        Self(format().json().flatten_event(true))
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'l> LookupSpan<'l>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        if metadata.target() != DECISIONS {
            return self.0.format_event(context, writer, event);
        }
        writer.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut writer)?;
        write!(writer, "\",\"level\":\"{}\",\"decision\":", metadata.level())?;
        let mut message = Message { writer: writer.by_ref(), written: Ok(()) };
        event.record(&mut message);
        message.written?;
        writeln!(writer, ",\"target\":\"{DECISIONS}\"}}")
    }
}

/// Writes the message of an event as it is.
struct Message<'w> {
    writer: Writer<'w>,
    written: fmt::Result,
}

impl Visit for Message<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.written = write!(self.writer, "{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_decision_is_an_object_among_the_fields_and_all_else_is_as_the_library_writes_it() {
        let page = Page::default();
        let writer = page.clone();
        let log = tracing_subscriber::fmt().json().event_format(Lines::new());
        tracing::subscriber::with_default(log.with_writer(move || writer.clone()).finish(), || {
            let decision = json!({"name": "a \"b\"", "allowed": true}).to_string();
            tracing::info!(target: DECISIONS, "{decision}");
            tracing::warn!(number = 1, "something {}", "else");
        });
        let written = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        let mut lines: Vec<Value> = written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for line in &mut lines {
            let time = line.as_object_mut().unwrap().remove("timestamp").unwrap();
            assert!(time.as_str().unwrap().ends_with('Z'), "{time}");
        }
        let target = module_path!();
        assert_eq!(
            lines,
            [
                json!({"level": "INFO", "target": DECISIONS, "decision": {"name": "a \"b\"", "allowed": true}}),
                json!({"level": "WARN", "target": target, "message": "something else", "number": 1}),
            ]
        );
    }
}
