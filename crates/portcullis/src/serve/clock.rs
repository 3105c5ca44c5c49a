//! The clock of the process, in the forms that its parts ask for. Nothing below reads one.

use std::time::{SystemTime, UNIX_EPOCH};

use k8s_openapi::jiff::Timestamp;

/// The time of day.
#[expect(clippy::disallowed_methods, reason = "the binary gives everything below its time")]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

/// The time of day in nanoseconds since 1970-01-01 UTC.
pub(crate) fn unix_nanoseconds() -> i64 {
    let now = now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_nanos()).unwrap_or(i64::MAX)
}

/// The time of day in whole seconds, as Kubernetes writes times.
pub(crate) fn timestamp() -> Timestamp {
    let now = Timestamp::try_from(now()).unwrap_or_default();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}
