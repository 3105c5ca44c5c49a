//! What a Job owns, and what would go with it.

use portcullis_value::{Arena, Value, json};

/// Whether objects of `kind` are missed by somebody, so that the Job that owns one is left alone: volumes, and what runs.
pub fn protects_owner(kind: &str) -> bool {
    const PROTECTING: [&str; 9] = [
        "CronJob",
        "DaemonSet",
        "Deployment",
        "Job",
        "PersistentVolumeClaim",
        "ReplicaSet",
        "ReplicationController",
        "StatefulSet",
        "Workload",
    ];
    PROTECTING.contains(&kind)
}

/// The uids of the Jobs among the owner references in `owners`, which is JSON; none where it is something else.
pub fn owning_jobs(owners: &str) -> Vec<Box<str>> {
    // Most owners are CronJobs, and the word is quoted.
    if !owners.contains(r#""Job""#) {
        return Vec::new();
    }
    jobs_among(json::read(&Arena::new(), owners).unwrap_or_default())
}

/// The uids of the Jobs among the owner references `owners`; none where it is something else.
pub fn jobs_among(owners: Value<'_>) -> Vec<Box<str>> {
    let owners = owners.as_array().unwrap_or_default().iter();
    let uid = |owner: &Value<'_>| {
        let text = |key| owner.get(key).and_then(Value::as_str);
        let is_job = text("kind")? == "Job" && text("apiVersion")?.starts_with("batch/");
        text("uid").filter(|_| is_job).map(Box::from)
    };
    owners.filter_map(uid).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_owners_of_an_object_the_jobs_count() {
        let owners = owning_jobs(
            r#"[{"apiVersion":"batch/v1","kind":"Job","uid":"a"},{"apiVersion":"batch/v1","kind":"CronJob","uid":"b"},
                {"apiVersion":"example.com/v1","kind":"Job","uid":"c"},{"kind":"Job","uid":"d"},
                {"apiVersion":"batch/v1","kind":"Job"},7,{"apiVersion":"batch/v2","kind":"Job","uid":"e"}]"#,
        );
        assert_eq!(owners, ["a".into(), "e".into()]);
        for none in ["", "null", r#"{"kind":"Job"}"#, r#"["Job"]"#, r#"["Job""#] {
            assert_eq!(owning_jobs(none), [], "{none}");
        }
    }
}
