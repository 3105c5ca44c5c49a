//! What is listed of a cluster.

use std::path::Path;

use crate::Exit;
use crate::jobs::scripted::Scripted;
use crate::jobs::trial::{folder, run, run_words};

const JOBS: &str = r#"{"kind":"JobList","items":[
    {"metadata":{"name":"one","namespace":"team-a","uid":"u-1","resourceVersion":"1"},"status":{"conditions":[{"type":"Complete","status":"True","lastTransitionTime":"2026-09-30T10:00:00Z"}]}},
    {"metadata":{"name":"two","namespace":"team-a","uid":"u-2","resourceVersion":"1"},"status":{"conditions":[{"type":"Complete","status":"True","lastTransitionTime":"2026-09-30T10:00:00Z"}]}}]}"#;

/// A cluster where the Job with this uid owns a volume claim, and the other a ConfigMap.
fn cluster(uid: &str) -> Scripted {
    let owned = |uid: &str| {
        format!(
            r#"{{"items":[{{"metadata":{{"name":"x","ownerReferences":[{{"apiVersion":"batch/v1","kind":"Job","uid":"{uid}"}}]}}}}]}}"#
        )
    };
    let none = r#"{"items":[]}"#.to_owned();
    Scripted::new(vec![
        ("/jobs", 200, JOBS.to_owned()),
        ("/persistentvolumeclaims", 200, owned(uid)),
        ("/configmaps", 200, owned("u-1")),
        ("/namespaces/kube-system", 200, r#"{"metadata":{"uid":"kube-system"}}"#.to_owned()),
        ("/namespaces", 200, none),
    ])
}

fn shown(words: &str, cluster: &Scripted) -> String {
    let words = words.split(' ').map(Into::into).collect();
    let (exit, text) = run_words(Path::new("."), words, cluster);
    assert_eq!(exit, Exit::SUCCESS, "{text}");
    text
}

#[test]
fn what_a_job_owns_protects_it_in_the_list_as_in_the_plan() {
    let cluster = cluster("u-2");
    let list = shown("list -n team-a", &cluster);
    assert!(list.contains("no: owns a PersistentVolumeClaim\n"), "{list}");
    assert!(list.contains("2 finished Jobs: 1 touchable, 1 protected"), "{list}");
    let plan = shown("plan -n team-a", &cluster);
    assert!(
        plan.contains("1 of 2 Jobs would go") && plan.contains("1 stays: owns a PersistentVolumeClaim"),
        "{plan}"
    );

    let listed: serde_json::Value =
        serde_json::from_str(&shown("list -n team-a --each --format json", &cluster)).unwrap();
    let plan: serde_json::Value =
        serde_json::from_str(&shown("plan -n team-a --format json", &cluster)).unwrap();
    assert_eq!(listed["dependents"], plan["dependents"]);
    assert_eq!(listed["dependents"]["looked"], "usual");
    assert_eq!(listed["jobs"][0]["dependents"], plan["items"][0]["dependents"]);
    assert_eq!(listed["jobs"][0]["dependents"]["ConfigMap"], 1);
    assert_eq!(listed["jobs"][1]["protections"][0], "dependents");
    assert_eq!(listed["jobs"][1]["dependents"]["PersistentVolumeClaim"], 1);
    let csv = shown("list -n team-a --each --format csv", &cluster);
    assert!(
        csv.starts_with("namespace,name,") && csv.lines().nth(1).is_some_and(|line| line.ends_with(",1")),
        "{csv}"
    );
}

#[test]
fn kinds_that_nobody_may_list_are_named_and_no_failure() {
    let cluster =
        cluster("u-2").with("/persistentvolumeclaims", 403, "{}").with("/apis/kueue.x-k8s.io", 403, "{}");
    let unknown =
        "dependents not known, as they may not be listed: workloads.kueue.x-k8s.io, persistentvolumeclaims\n";
    for command in ["list", "plan"] {
        let text = shown(&format!("{command} -n team-a"), &cluster);
        assert!(text.contains(unknown), "{text}");
    }
}

#[test]
fn what_a_file_does_not_say_is_unknown() {
    let folder = folder(&[("jobs.json", JOBS)]);
    let (exit, text) = run(folder.path(), &["list", "--from", "jobs.json"]);
    assert!(exit == Exit::SUCCESS && text.contains("\ndependents unknown: "), "{text}");
    let (_, json) = run(folder.path(), &["list", "--from", "jobs.json", "--format", "json"]);
    assert!(json.contains(r#""looked": "unknown""#), "{json}");
}

#[test]
fn what_is_too_young_says_what_the_floor_is() {
    let folder = folder(&[("jobs.json", JOBS)]);
    for (command, said) in [
        (&["list"][..], "  no: younger than the floor of 3650d\n"),
        (&["list", "--each"], "  no: younger than the floor of 3650d\n"),
        (&["plan"], "  2 stay: younger than the floor of 3650d\n"),
    ] {
        let words = [command, &["--from", "jobs.json", "--floor", "3650d"]].concat();
        let (exit, text) = run(folder.path(), &words);
        assert!(exit == Exit::SUCCESS && text.contains(said), "{text}");
    }
}
