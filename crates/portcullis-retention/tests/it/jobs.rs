//! Jobs to try things on.

use portcullis_retention::{Backlog, Interest, JobFacts, read_job};
use portcullis_value::Arena;

/// 2026-10-01T00:00:00Z.
pub(crate) const NOW: i64 = 1_790_812_800;

/// A Job that succeeded on 2026-09-01 and that nobody looks after, with these further members of its metadata.
pub(crate) fn finished(metadata: &str) -> String {
    job(
        metadata,
        "",
        r#""conditions":[{"type":"Complete","status":"True","lastTransitionTime":"2026-09-01T10:01:00Z"}],"succeeded":1"#,
    )
}

/// A Job with these further members of metadata, and these of spec and status.
pub(crate) fn job(metadata: &str, spec: &str, status: &str) -> String {
    let comma = if metadata.is_empty() { "" } else { "," };
    format!(
        r#"{{"kind":"Job","apiVersion":"batch/v1","metadata":{{"name":"pi","namespace":"team-a","uid":"0d3f1f0e-1d2b-4d4e-9d61-000000000001","resourceVersion":"9"{comma}{metadata}}},"spec":{{{spec}}},"status":{{{status}}}}}"#
    )
}

/// What is read of `text`, by somebody who asks for nothing in particular.
pub(crate) fn facts<'a>(arena: &'a Arena, text: &'a str) -> JobFacts<'a> {
    read_job(arena, text, &Interest::default()).unwrap()
}

pub(crate) fn backlog<'t>(texts: impl IntoIterator<Item = &'t String>) -> Backlog {
    let mut backlog = Backlog::default();
    for text in texts {
        backlog.push(&facts(&Arena::new(), text)).unwrap();
    }
    backlog
}
