//! What is kept of a Job that goes, and the Job that is made of it again.

use serde_json::{Map, Value, json};

/// The annotation that says of which Job, by its uid, this one was made again.
pub const RESTORED_FROM: &str = "portcullis.dev/restored-from";

/// A Job to be created from what was kept of one.
#[derive(Clone, Debug, PartialEq)]
pub struct Restored {
    pub namespace: String,
    pub name: String,
    /// The uid of the one that went.
    pub uid: String,
    pub definition: Value,
}

/// Why nothing can be made of what was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the manifest of a Job")]
pub struct NoManifest;

/// What belongs to the object that was, and not to its definition.
const OF_THE_OBJECT: [&str; 10] = [
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
    "managedFields",
    "ownerReferences",
    "finalizers",
];
/// Labels that Kubernetes writes on Jobs and their Pods, beside a selector that it makes of them.
const GENERATED_LABELS: [&str; 4] =
    ["controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"];
/// By this label Kueue would take the Job into its queue.
const QUEUE: &str = "kueue.x-k8s.io/queue-name";

/// The definition of the Job whose manifest was kept.
///
/// It is suspended unless it is to run, nobody owns it, no queue takes it, and it stays when it has finished. A selector
/// stays only where its author wrote it (`manualSelector`).
///
/// # Errors
/// The text is no manifest of a Job.
pub fn restored(manifest: &str, run: bool) -> Result<Restored, NoManifest> {
    let mut job: Value = serde_json::from_str(manifest).map_err(|_| NoManifest)?;
    let word = |path: &str| job.pointer(path).and_then(Value::as_str).map(str::to_owned).ok_or(NoManifest);
    let (namespace, name, uid) =
        (word("/metadata/namespace")?, word("/metadata/name")?, word("/metadata/uid")?);
    let document = job.as_object_mut().ok_or(NoManifest)?;
    document.remove("status");
    // Items of a list do not say what they are.
    document.insert("apiVersion".to_owned(), json!("batch/v1"));
    document.insert("kind".to_owned(), json!("Job"));
    let spec = document.get_mut("spec").and_then(Value::as_object_mut).ok_or(NoManifest)?;
    let has_own_selector = spec.get("manualSelector") == Some(&Value::Bool(true));
    spec.remove("ttlSecondsAfterFinished");
    spec.insert("suspend".to_owned(), json!(!run));
    if !has_own_selector {
        spec.remove("selector");
        if let Some(template) = spec.get_mut("template").and_then(|template| template.get_mut("metadata")) {
            remove(template, "labels", &GENERATED_LABELS);
        }
    }
    let metadata = document.get_mut("metadata").ok_or(NoManifest)?;
    if !has_own_selector {
        remove(metadata, "labels", &GENERATED_LABELS);
    }
    for map in ["labels", "annotations"] {
        remove(metadata, map, &[QUEUE]);
    }
    let metadata = metadata.as_object_mut().ok_or(NoManifest)?;
    metadata.retain(|key, _| !OF_THE_OBJECT.contains(&key.as_str()));
    let annotations = metadata.entry("annotations").or_insert_with(|| Value::Object(Map::new()));
    annotations.as_object_mut().ok_or(NoManifest)?.insert(RESTORED_FROM.to_owned(), json!(uid));
    Ok(Restored { namespace, name, uid, definition: job })
}

fn remove(metadata: &mut Value, map: &str, keys: &[&str]) {
    if let Some(map) = metadata.get_mut(map).and_then(Value::as_object_mut) {
        map.retain(|key, _| !keys.contains(&key.as_str()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(spec: &Value) -> String {
        let generated =
            json!({"app": "report", "controller-uid": "u", "batch.kubernetes.io/job-name": "report-1"});
        let mut job = json!({
            "metadata": {
                "name": "report-1", "namespace": "team-a", "uid": "u", "resourceVersion": "9", "generation": 1,
                "creationTimestamp": "2026-09-01T10:00:00Z", "generateName": "report-",
                "labels": generated, "annotations": {"kueue.x-k8s.io/queue-name": "q", "note": "mine"},
                "ownerReferences": [{"kind": "CronJob", "name": "report", "uid": "c"}], "finalizers": ["f"],
                "managedFields": [{"manager": "kubectl-create"}]
            },
            "spec": {
                "selector": {"matchLabels": {"controller-uid": "u"}},
                "ttlSecondsAfterFinished": 900, "completions": 1,
                "template": {"metadata": {"labels": generated}, "spec": {"restartPolicy": "Never"}}
            },
            "status": {"succeeded": 1}
        });
        for (key, value) in spec.as_object().unwrap() {
            job["spec"][key] = value.clone();
        }
        job.to_string()
    }

    #[test]
    fn the_definition_comes_back_suspended_and_nothing_of_the_object_does() {
        let restored = restored(&manifest(&json!({})), false).unwrap();
        assert_eq!((&*restored.namespace, &*restored.name, &*restored.uid), ("team-a", "report-1", "u"));
        let expected = json!({
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": {
                "name": "report-1", "namespace": "team-a", "generateName": "report-", "labels": {"app": "report"},
                "annotations": {"note": "mine", "portcullis.dev/restored-from": "u"}
            },
            "spec": {
                "completions": 1, "suspend": true,
                "template": {"metadata": {"labels": {"app": "report"}}, "spec": {"restartPolicy": "Never"}}
            }
        });
        assert_eq!(restored.definition, expected);
    }

    #[test]
    fn a_selector_that_its_author_wrote_stays_with_the_labels_it_selects() {
        let manual = json!({"manualSelector": true, "suspend": true});
        let restored = restored(&manifest(&manual), true).unwrap().definition;
        assert_eq!(restored["spec"]["selector"]["matchLabels"]["controller-uid"], "u");
        assert_eq!(restored["spec"]["template"]["metadata"]["labels"]["controller-uid"], "u");
        assert_eq!(restored["spec"]["suspend"], false);
    }

    #[test]
    fn what_is_no_manifest_of_a_job_is_refused() {
        for text in ["", "[]", "{}", r#"{"metadata": {"name": "a", "namespace": "b", "uid": "c"}}"#] {
            assert_eq!(restored(text, false), Err(NoManifest), "{text}");
        }
    }
}
