//! A warning for those who give a finished Job a time to live that is over already.

use jiff::{SignedDuration, Timestamp};
use portcullis_model::{Input, Operation};
use portcullis_value::Value;

/// The warning about `object`, which is what the request leaves, where it gives a finished Job a TTL that has run out by
/// `now` (nanoseconds since 1970-01-01 UTC).
pub(super) fn warning(input: &Input<'_>, object: Option<Value<'_>>, now: i64) -> Option<String> {
    const TTL: [&str; 2] = ["spec", "ttlSecondsAfterFinished"];
    if input.operation != Operation::Update || input.gvk.group != "batch" || input.gvk.kind != "Job" {
        return None;
    }
    let object = object?;
    let ttl = object.path(&TTL)?.as_i64()?;
    if input.old_object.and_then(|old| old.path(&TTL)).and_then(Value::as_i64) == Some(ttl) {
        return None;
    }
    let finished = finished_at(object)?;
    let expired = finished.checked_add(SignedDuration::from_secs(ttl)).ok()?;
    let now = Timestamp::from_nanosecond(now.into()).ok()?;
    (expired <= now).then(|| {
        format!(
            "the Job finished at {finished}, and its time to live of {ttl} s ran out at {expired}: it and its Pods are deleted at once"
        )
    })
}

/// When the Job finished, as the TTL controller sees it: when its condition `Complete` or `Failed` became true.
fn finished_at(job: Value<'_>) -> Option<Timestamp> {
    let conditions = job.path(&["status", "conditions"])?.as_array()?;
    let is_end = |condition: &&Value<'_>| {
        let text = |key| condition.get(key).and_then(Value::as_str);
        matches!(text("type"), Some("Complete" | "Failed")) && text("status") == Some("True")
    };
    conditions.iter().find(is_end)?.get("lastTransitionTime")?.as_str()?.parse().ok()
}
