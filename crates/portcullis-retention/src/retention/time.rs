//! Times as Kubernetes writes them.

use portcullis_value::{Arena, Value};

/// Seconds since 1970-01-01 UTC.
pub(super) fn read(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second)
}

/// `Null` for what is no time.
pub(super) fn write(arena: &Arena, seconds: i64) -> Value<'_> {
    match jiff::Timestamp::from_second(seconds) {
        Ok(time) => arena.format(format_args!("{time}")).into(),
        Err(_) => Value::Null,
    }
}
