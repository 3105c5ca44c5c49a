//! Who wrote the TTL of a Job.

use portcullis_value::{Arena, Value, json};

/// Who wrote the TTL that a Job has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TtlOwner {
    /// No field manager: what is filled in when an object is admitted belongs to nobody.
    Admission,
    /// The field manager that was asked about, and nobody else.
    Asked,
    /// This field manager. Of several that agree it is the first.
    Other(Box<str>),
    /// No field managers are told at all.
    Unknown,
}

impl TtlOwner {
    /// Reads it from the text of `metadata.managedFields`; what is applied as `manager` is told apart.
    pub fn read(managed_fields: &str, manager: &str) -> TtlOwner {
        let arena = Arena::new();
        let entries = json::read(&arena, managed_fields).ok().and_then(Value::as_array).unwrap_or_default();
        let mut owner = if entries.is_empty() { TtlOwner::Unknown } else { TtlOwner::Admission };
        for entry in entries.iter().filter(|entry| holds_ttl(**entry)) {
            let text = |key| entry.get(key).and_then(Value::as_str).unwrap_or_default();
            if text("manager") == manager && text("operation") == "Apply" {
                owner = TtlOwner::Asked;
            } else {
                return TtlOwner::Other(text("manager").into());
            }
        }
        owner
    }
}

/// Whether `manager` has written the TTL of the Job in `manifest` by server-side apply, and nobody has taken it over.
pub fn sets_ttl(manifest: Value<'_>, manager: &str) -> bool {
    let entries = manifest.path(&["metadata", "managedFields"]).and_then(Value::as_array).unwrap_or_default();
    entries.iter().any(|entry| {
        let is = |key: &str, value: &str| entry.get(key).and_then(Value::as_str) == Some(value);
        is("manager", manager) && is("operation", "Apply") && holds_ttl(*entry)
    })
}

/// Whether the field is among those of an entry of managedFields.
fn holds_ttl(entry: Value<'_>) -> bool {
    entry.path(&["fieldsV1", "f:spec", "f:ttlSecondsAfterFinished"]).is_some()
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

    #[test]
    fn a_ttl_that_nobody_owns_came_from_admission() {
        let ttl = |manager: &str, operation: &str| {
            format!(
                r#"{{"manager":"{manager}","operation":"{operation}","fieldsV1":{{"f:spec":{{"f:ttlSecondsAfterFinished":{{}}}}}}}}"#
            )
        };
        let creator = r#"{"manager":"kubectl","operation":"Update","fieldsV1":{"f:spec":{"f:suspend":{}}}}"#;
        let read = |entries: &[&str]| TtlOwner::read(&format!("[{}]", entries.join(",")), "ours");
        assert_eq!(read(&[creator]), TtlOwner::Admission);
        assert_eq!(read(&[creator, &ttl("ours", "Apply")]), TtlOwner::Asked);
        // Whoever writes under our name in another way is not us.
        assert_eq!(read(&[&ttl("ours", "Update")]), TtlOwner::Other("ours".into()));
        assert_eq!(
            read(&[&ttl("ours", "Apply"), &ttl("kubectl", "Update")]),
            TtlOwner::Other("kubectl".into())
        );
        assert_eq!(
            ["", "null", "[]", "{"].map(|text| TtlOwner::read(text, "ours")),
            [const { TtlOwner::Unknown }; 4]
        );
    }
}
