//! Who wrote the TTL of a Job.

use portcullis_value::Value;

/// Whether `manager` has written the TTL of the Job in `manifest` by server-side apply, and nobody has taken it over.
pub fn sets_ttl(manifest: Value<'_>, manager: &str) -> bool {
    let entries = manifest.path(&["metadata", "managedFields"]).and_then(Value::as_array).unwrap_or_default();
    entries.iter().any(|entry| {
        let is = |key: &str, value: &str| entry.get(key).and_then(Value::as_str) == Some(value);
        let ttl = entry.path(&["fieldsV1", "f:spec", "f:ttlSecondsAfterFinished"]);
        is("manager", manager) && is("operation", "Apply") && ttl.is_some()
    })
}

#[cfg(test)]
mod tests {
    use portcullis_value::{Arena, json};

    use super::*;

    #[test]
    fn a_ttl_is_of_the_manager_that_applied_it() {
        let arena = Arena::new();
        let text = r#"{"metadata":{"managedFields":[
            {"manager":"kubectl","operation":"Update","fieldsV1":{"f:spec":{"f:ttlSecondsAfterFinished":{}}}},
            {"manager":"ours","operation":"Apply","fieldsV1":{"f:spec":{"f:ttlSecondsAfterFinished":{}}}},
            {"manager":"other","operation":"Apply","fieldsV1":{"f:spec":{"f:suspend":{}}}}]}}"#;
        let job = json::read(&arena, text).unwrap();
        assert_eq!(
            ["ours", "kubectl", "other", ""].map(|manager| sets_ttl(job, manager)),
            [true, false, false, false]
        );
    }
}
