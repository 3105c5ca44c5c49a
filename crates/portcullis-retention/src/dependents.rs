//! What a Job owns, and what would go with it.

use portcullis_value::Value;

/// Whether objects of `kind` are missed by somebody, so that the Job that owns one is left alone: volumes, and what runs.
pub fn is_held_dear(kind: &str) -> bool {
    const DEAR: [&str; 9] = [
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
    DEAR.contains(&kind)
}

/// The uids of the Jobs among `owners`, which are the owner references of an object.
pub fn owning_jobs<'a>(owners: Value<'a>) -> impl Iterator<Item = &'a str> {
    let owners = owners.as_array().unwrap_or_default().iter();
    let text = |owner: &Value<'a>, key| owner.get(key).and_then(Value::as_str);
    let jobs = owners.filter(move |owner| {
        let is_of_batch = text(owner, "apiVersion").is_some_and(|version| version.starts_with("batch/"));
        is_of_batch && text(owner, "kind") == Some("Job")
    });
    jobs.filter_map(move |owner| text(owner, "uid"))
}

#[cfg(test)]
mod tests {
    use portcullis_value::{Arena, json};

    use super::*;

    #[test]
    fn of_the_owners_of_an_object_the_jobs_count() {
        let arena = Arena::new();
        let owners = json::read(
            &arena,
            r#"[{"apiVersion":"batch/v1","kind":"Job","uid":"a"},{"apiVersion":"batch/v1","kind":"CronJob","uid":"b"},
                {"apiVersion":"example.com/v1","kind":"Job","uid":"c"},{"kind":"Job","uid":"d"},
                {"apiVersion":"batch/v1","kind":"Job"},7,{"apiVersion":"batch/v2","kind":"Job","uid":"e"}]"#,
        );
        assert_eq!(owning_jobs(owners.unwrap()).collect::<Vec<_>>(), ["a", "e"]);
        assert_eq!(owning_jobs(Value::Null).count(), 0);
    }
}
