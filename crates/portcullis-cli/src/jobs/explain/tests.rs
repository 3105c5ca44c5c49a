//! Jobs explained, from files and from an API server that does what a test says.

use crate::jobs::scripted::Scripted;
use crate::jobs::trial;
use crate::{Commands, Exit, Offline};

/// A Job that ended by this condition at this time of 2026-09-30, with these members of metadata and spec.
fn job(name: &str, condition: &str, time: &str, metadata: &str, spec: &str) -> String {
    let comma = if metadata.is_empty() { "" } else { "," };
    format!(
        r#"{{"metadata":{{"name":"{name}","namespace":"team-a","uid":"u-{name}","resourceVersion":"1","generateName":"report-","creationTimestamp":"2026-09-30T00:00:00Z","managedFields":[{{"manager":"kubectl","operation":"Update","fieldsV1":{{"f:spec":{{}}}}}}]{comma}{metadata}}},"spec":{{{spec}}},"status":{{"conditions":[{{"type":"{condition}","status":"True","lastTransitionTime":"2026-09-30T{time}:00Z"}}]}}}}"#
    )
}

const ADMITTED: &str = r#""ttlSecondsAfterFinished":900"#;

fn jobs() -> String {
    let jobs = [
        job("report-1", "Complete", "10:00", "", ""),
        job("report-2", "Complete", "11:00", "", ADMITTED),
        job("report-3", "Failed", "12:00", "", ADMITTED),
        job("report-4", "Complete", "14:00", "", ""),
        job("owned", "Complete", "13:00", r#""ownerReferences":[{"kind":"CronJob","name":"x"}]"#, ""),
        job("elsewhere", "Complete", "13:00", "", "").replace("team-a", "team-b"),
        job("runs", "Suspended", "13:00", "", ""),
        job("twice", "Complete", "13:00", "", ""),
        job("twice", "Complete", "13:00", "", "").replace("team-a", "team-b"),
    ];
    format!(r#"{{"apiVersion":"v1","kind":"List","items":[{}]}}"#, jobs.join(","))
}

const RETENTIONS: &str = "
apiVersion: portcullis.dev/v1alpha1
kind: JobRetention
metadata: {name: last-ones}
spec: {selector: {}, ttl: {succeeded: 1d, failed: 7d}, keepLast: 1, mode: enforce}
---
apiVersion: portcullis.dev/v1alpha1
kind: JobRetention
metadata: {name: tried}
spec: {selector: {}, ttl: {succeeded: 30d}}
";

const POLICY: &str = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: add-ttl}
spec:
  rules:
  - name: add-ttl
    match: {any: [{resources: {kinds: [Job]}}]}
    mutate: {patchStrategicMerge: {spec: {+(ttlSecondsAfterFinished): 900}}}
";

fn explained_by(arguments: &str, cluster: &dyn Commands) -> (Exit, String) {
    let files =
        [("jobs.json", jobs()), ("retentions.yaml", RETENTIONS.into()), ("policy.yaml", POLICY.into())];
    run_in(&files, &format!("explain {arguments}"), cluster)
}

/// Runs a command of `jobs` in a folder with these files.
fn run_in(files: &[(&str, String)], arguments: &str, cluster: &dyn Commands) -> (Exit, String) {
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, &**text)).collect();
    let folder = trial::folder(&files);
    trial::run_words(folder.path(), arguments.split(' ').map(Into::into).collect(), cluster)
}

#[track_caller]
fn explained(arguments: &str) -> String {
    let (exit, text) = explained_by(arguments, &Offline);
    assert_eq!(exit, Exit::SUCCESS, "{text}");
    text
}

/// The first line of what is said of a Job of team-a, by all files.
#[track_caller]
fn sentence(name: &str, more: &str) -> String {
    let text = explained(&format!("team-a/{name} --from jobs.json{more}"));
    text.lines().next().unwrap_or_default().to_owned()
}

const ALL: &str = " --retentions retentions.yaml --policies policy.yaml";

#[test]
fn the_first_line_says_what_becomes_of_a_job_when_and_why() {
    let said = |name| sentence(name, ALL);
    assert_eq!(
        said("report-1"),
        "`team-a/report-1` expires in 10h: JobRetention `last-ones` lets Jobs that succeeded stay 1d; a TTL is still to be written"
    );
    assert_eq!(
        said("report-2"),
        "`team-a/report-2` expires in 11h: JobRetention `last-ones` lets Jobs that succeeded stay 1d; its TTL of 15m, which came from admission, is still to be replaced"
    );
    assert_eq!(
        said("report-3"),
        "`team-a/report-3` expires in 6d12h: JobRetention `last-ones` lets Jobs that failed stay 7d; its TTL of 15m, which came from admission, is still to be replaced"
    );
    assert_eq!(
        said("report-4"),
        "`team-a/report-4` stays: JobRetention `last-ones` keeps the last 1 of its group"
    );
    assert_eq!(said("owned"), "`team-a/owned` stays: owned by a CronJob");
    assert_eq!(said("runs"), "`team-a/runs` stays for now: has not finished");
}

#[test]
fn without_objects_it_is_the_ttl_that_counts() {
    assert_eq!(
        sentence("report-1", ""),
        "`team-a/report-1` stays: it has no TTL, and no JobRetention was given"
    );
    assert_eq!(
        sentence("report-3", ""),
        "`team-a/report-3` goes at any moment, as its time ran out 11h ago: it has a TTL of 15m, which came from admission, and no JobRetention was given"
    );
}

#[test]
fn what_protects_a_job_that_no_object_selects_is_what_list_and_plan_say() {
    let system = job("system", "Complete", "10:00", "", "").replace("team-a", "kube-system");
    let argo = r#""labels":{"app.kubernetes.io/instance":"shop"}"#;
    let young = job("young", "Complete", "23:30", "", "");
    let jobs = [system, job("argo", "Complete", "10:00", argo, ""), young].join(",");
    let files = [("jobs.json", format!(r#"{{"kind":"List","items":[{jobs}]}}"#))];
    let lines = |arguments: &str| {
        let (exit, text) = run_in(&files, &format!("explain {arguments} --from jobs.json"), &Offline);
        assert_eq!(exit, Exit::SUCCESS, "{text}");
        let protected = text.lines().filter_map(|line| line.strip_prefix("protected   "));
        (text.lines().next().unwrap().to_owned(), protected.collect::<Vec<_>>().join("; "))
    };
    let said = |first: &str, protected: &str| (first.to_owned(), protected.to_owned());
    let alone = "in a namespace that is left alone";
    assert_eq!(lines("system"), said(&format!("`kube-system/system` stays: {alone}"), alone));
    let argo = "Argo CD would create it again";
    assert_eq!(lines("argo"), said(&format!("`team-a/argo` stays: {argo}"), argo));
    let unselected = |name: &str| format!("`{name}` stays: it has no TTL, and no JobRetention was given");
    assert_eq!(
        lines("system --include-namespace kube-system"),
        said(&unselected("kube-system/system"), "no")
    );
    assert_eq!(lines("argo --argocd-instance-label="), said(&unselected("team-a/argo"), "no"));
    assert_eq!(lines("young"), said(&unselected("team-a/young"), "younger than the floor of 1h"));
    assert_eq!(lines("young --floor 5m"), said(&unselected("team-a/young"), "no"));
}

#[test]
fn below_it_stands_what_it_is_made_of() {
    assert_eq!(
        explained(&format!("report-1 -n team-a --from jobs.json{ALL}")).split_once("\n\n").unwrap().1,
        "\
finished    succeeded, at 2026-09-30T10:00:00Z, 14h ago
made by     kubectl
TTL         none
protected   no
retention   JobRetention `last-ones` lets Jobs that succeeded stay 1d, and decides; it is number 6 of 6 in the group `report-`, the last to finish being the first
retention   JobRetention `tried` lets Jobs that succeeded stay 30d, which is in mode audit and changes nothing; it is number 6 of 6 in the group `report-`, the last to finish being the first
policy      ClusterPolicy `add-ttl` gives such a Job a TTL of 15m: it was created while nobody asked the policy
"
    );
}

#[test]
fn what_was_not_looked_at_is_not_said_to_be_none() {
    let text = explained("team-a/report-1 --from jobs.json");
    assert!(text.contains("retention   none was given with `--retentions`\n"), "{text}");
    assert!(text.ends_with("policy      none was given with `--policies`\n"), "{text}");
    let text = explained("team-a/report-1 --from jobs.json --format json");
    assert!(!text.contains("\"policies\"") && !text.contains("\"retentions\""), "{text}");
}

#[test]
fn a_job_that_is_being_deleted_goes() {
    let going = job("going", "Complete", "10:00", r#""deletionTimestamp":"2026-09-30T23:00:00Z""#, "");
    let files = [
        ("jobs.json", format!(r#"{{"kind":"List","items":[{going}]}}"#)),
        ("retentions.yaml", RETENTIONS.into()),
    ];
    for more in ["", " --retentions retentions.yaml"] {
        let (exit, text) = run_in(&files, &format!("explain going --from jobs.json{more}"), &Offline);
        assert_eq!(exit, Exit::SUCCESS, "{text}");
        assert!(text.starts_with("`team-a/going` goes: it is being deleted already\n"), "{text}");
    }
}

#[test]
fn of_two_objects_that_say_the_same_the_first_decides() {
    let same = RETENTIONS.replace("{succeeded: 30d}", "{succeeded: 1d}, keepLast: 1, mode: enforce");
    let files = [("jobs.json", jobs()), ("retentions.yaml", same)];
    let command = "explain team-a/report-1 --from jobs.json --retentions retentions.yaml";
    let (_, text) = run_in(&files, command, &Offline);
    assert!(
        text.contains("JobRetention `tried` lets Jobs that succeeded stay 1d, and another says the same"),
        "{text}"
    );
}

#[test]
fn a_file_without_field_managers_does_not_say_who_set_a_ttl() {
    let fields = r#""managedFields":[{"manager":"kubectl","operation":"Update","fieldsV1":{"f:spec":{}}}]"#;
    let without = jobs().replace(fields, r#""labels":{}"#);
    let files = [("jobs.json", without), ("retentions.yaml", RETENTIONS.into())];
    let command = "explain team-a/report-3 --from jobs.json --retentions retentions.yaml";
    let (_, text) = run_in(&files, command, &Offline);
    assert!(text.contains("warning: the file does not say who has set the TTLs of Jobs"), "{text}");
    assert!(!explained(&format!("team-a/report-3 --from jobs.json{ALL}")).contains("warning"));
}

#[test]
fn programs_get_the_same_as_a_document() {
    let text = explained(&format!("team-a/report-4 --from jobs.json{ALL} --format json"));
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let at = |pointer: &str| document.pointer(pointer).cloned().unwrap_or_default();
    assert_eq!(at("/ending"), "stays");
    assert_eq!(
        at("/says"),
        "`team-a/report-4` stays: JobRetention `last-ones` keeps the last 1 of its group"
    );
    assert_eq!(at("/retentions/0/decides"), true);
    assert_eq!(at("/retentions/0/keeps"), true);
    assert_eq!(at("/retentions/0/group/size"), 6);
    assert_eq!(at("/retentions/1/ttlSeconds"), 2_592_000);
    assert_eq!(at("/policies/0/missed"), true);
    let text = explained(&format!("team-a/report-3 --from jobs.json{ALL} --format yaml"));
    assert!(text.contains("ending: expires\nexpires: \"2026-10-07T12:00:00Z\"\n"), "{text}");
    assert!(text.contains("ttl:\n  owner: admission\n  seconds: 900\n"), "{text}");
}

#[test]
fn a_policy_of_which_nobody_can_say_what_it_would_have_done_misses_nothing() {
    let other = |from: &str, to: &str| {
        assert!(POLICY.contains(from));
        POLICY.replace(from, to).replace("spec:\n", "spec:\n  background: false\n")
    };
    let by_user = other("kinds: [Job]}", "kinds: [Job]}, subjects: [{kind: User, name: bob}]");
    let by_variable = other("900", "'{{ length(request.userInfo.username) }}'");
    let by_label = other("kinds: [Job]", "kinds: [Job], namespaceSelector: {matchLabels: {a: b}}");
    let by_context =
        other("    match:", "    context: [{name: c, configMap: {name: c, namespace: d}}]\n    match:");
    let by_field = other("kinds: [Job]", "kinds: [Job], names: ['serviceAccountName-*', '*']");
    for (policy, why) in [
        (by_user, Some("asks who creates a Job")),
        (by_variable, Some("asks who creates a Job")),
        (by_label, Some("asks for the labels of the namespace")),
        (by_context, Some("asks for a context")),
        (by_field, None),
        (POLICY.to_owned(), None),
    ] {
        let files = [("jobs.json", jobs()), ("policy.yaml", policy.clone())];
        let list = "list --from jobs.json --missed --each --policies policy.yaml";
        let (exit, text) = run_in(&files, list, &Offline);
        assert_eq!(exit, Exit::SUCCESS, "{policy}{text}");
        let warning = why.map(|why| format!("warning: ClusterPolicy `add-ttl` {why}"));
        assert_eq!(text.contains("report-"), why.is_none(), "{policy}{text}");
        assert!(warning.is_none_or(|warning| text.contains(&warning)), "{policy}{text}");
    }
}

#[test]
fn a_job_that_is_not_there_or_twice_is_told() {
    let refused = |arguments: &str| {
        let (exit, text) = explained_by(arguments, &Offline);
        assert_eq!(exit, Exit::FAILURE, "{text}");
        text
    };
    assert_eq!(
        refused("reprot-1 -n team-a --from jobs.json"),
        "error: there is no Job `reprot-1` in the namespace `team-a`\nhint: did you mean `report-1`?\n"
    );
    assert_eq!(
        refused("nope --from jobs.json"),
        "error: there is no Job `nope`\nhint: `portcullis jobs list --each --from jobs.json` shows all that have finished\n"
    );
    assert_eq!(
        refused("twice --from jobs.json"),
        "error: there are Jobs `twice` in the namespaces `team-a`, `team-b`\nhint: name one of them with `-n`\n"
    );
    assert_eq!(
        refused("team-a/twice -n team-b --from jobs.json"),
        "error: the Job is said to be in the namespace `team-a` and in `team-b`\n"
    );
    let text = refused("report-1 --from jobs.json --retentions policy.yaml,missing.yaml");
    assert!(text.contains("missing.yaml"), "{text}");
}

#[test]
fn files_with_mistakes_are_told_and_nothing_is_explained_by_the_rest() {
    let other = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n";
    let files = [
        ("jobs.json", jobs()),
        ("misspelt.yaml", RETENTIONS.replace("kind: JobRetention\n", "kind: JobRetenton\n")),
        ("version.yaml", RETENTIONS.replace("v1alpha1", "v1")),
        ("empty.yaml", String::new()),
        ("other.yaml", other.into()),
        ("both.yaml", format!("{other}---{RETENTIONS}")),
        ("policy.yaml", POLICY.replace("patchStrategicMerge", "patchStrategicMrge")),
    ];
    let said =
        |more: &str| run_in(&files, &format!("explain team-a/report-1 --from jobs.json {more}"), &Offline);
    let refused = |more: &str, words: &[&str]| {
        let (exit, text) = said(more);
        assert_eq!(exit, Exit::FAILURE, "{text}");
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
    };
    let mistakes = [
        "expected a JobRetention, found a `JobRetenton`",
        "misspelt.yaml:3:7",
        "did you mean `JobRetention`?",
    ];
    refused("--retentions misspelt.yaml", &mistakes);
    refused(
        "--retentions version.yaml",
        &["`JobRetention` has no version `portcullis.dev/v1`", "version.yaml:2:13"],
    );
    refused("--retentions empty.yaml", &["there is no JobRetention in this file", "empty.yaml"]);
    refused(
        "--retentions other.yaml",
        &["there is no JobRetention in this file", "it holds the resource `v1/ConfigMap`"],
    );
    assert_eq!(said("--retentions both.yaml").0, Exit::SUCCESS);
    let mistakes = ["`patchStrategicMrge`", "policy.yaml:9:14", "did you mean `patchStrategicMerge`?"];
    refused("--policies policy.yaml", &mistakes);
    let (exit, text) = run_in(&files, "list --from jobs.json --missed --policies policy.yaml", &Offline);
    assert_eq!(exit, Exit::FAILURE, "{text}");
    assert!(mistakes.iter().all(|word| text.contains(word)) && !text.contains("NAMESPACE"), "{text}");
}

#[test]
fn an_hour_that_is_used_up_holds_up_what_is_to_go() {
    let status = r#"{"observedGeneration":1,"next":{"writesFrom":"2026-10-01T00:20:00Z"}}"#;
    let spec = r#"{"selector":{},"ttl":{"succeeded":"1d","failed":"7d"},"mode":"enforce"}"#;
    let object = format!(r#"{{"metadata":{{"name":"full"}},"status":{status},"spec":{spec}}}"#);
    let cluster = Scripted::new(vec![
        ("/jobretentions", 200, format!(r#"{{"items":[{object}]}}"#)),
        ("/namespaces/team-a/jobs", 200, jobs()),
    ]);
    let full = "held up     JobRetention `full`: as many TTLs were written as may be in an hour: it goes on in 20m\n";
    // The second has a TTL that is to become longer.
    for (job, is_held_up) in [("report-1", true), ("report-3", false)] {
        let (exit, text) = explained_by(job, &cluster);
        assert_eq!(exit, Exit::SUCCESS, "{text}");
        assert_eq!(text.contains(full), is_held_up, "{text}");
    }
}

#[test]
fn in_a_cluster_the_objects_in_it_are_asked_and_its_clock_counts() {
    let object = |name: &str, spec: &str| {
        format!(r#"{{"metadata":{{"name":"{name}"}},"spec":{{"selector":{{}},{spec}}}}}"#)
    };
    let by_namespace =
        r#""namespaceSelector":{"matchLabels":{"tier":"test"}},"ttl":{"succeeded":"2d"},"mode":"enforce""#;
    let waits = r#"{"observedGeneration":1,"conditions":[{"type":"Ready","status":"True"},{"type":"BacklogApproved","status":"False","message":"30 Jobs wait"}]}"#;
    let waiting =
        object("by-namespace", by_namespace).replace(r#""spec""#, &format!(r#""status":{waits},"spec""#));
    let new = object("new", r#""ttl":{"succeeded":"1d"}"#);
    let objects = [waiting, object("broken", r#""keep":3"#), new];
    let cluster = Scripted::new(vec![
        ("/jobretentions", 200, format!(r#"{{"items":[{}]}}"#, objects.join(","))),
        ("/namespaces/team-a/jobs", 200, jobs()),
        (
            "/api/v1/namespaces/team-a",
            200,
            r#"{"metadata":{"name":"team-a","labels":{"tier":"test"}}}"#.to_owned(),
        ),
        ("/clusterpolicies", 403, "{}".to_owned()),
    ]);
    let (exit, text) = explained_by("report-1", &cluster);
    assert_eq!(exit, Exit::SUCCESS, "{text}");
    let first = "`team-a/report-1` expires in 1d9h: JobRetention `by-namespace` lets Jobs that succeeded stay 2d; a TTL is still to be written\n";
    assert!(text.starts_with(first), "{text}");
    assert!(text.contains("held up     JobRetention `by-namespace`: 30 Jobs wait\n"), "{text}");
    assert!(text.contains("held up     JobRetention `new`: no Portcullis that looks after"), "{text}");
    assert!(text.contains("policy      not known: they could not be read\n"), "{text}");
    assert!(
        text.contains("JobRetention `broken` cannot be used: /spec/keep: there is no field `keep`"),
        "{text}"
    );
    assert!(text.contains("which policies give Jobs a TTL is not known"), "{text}");

    let owner = r#"{"items":[{"metadata":{"name":"c","ownerReferences":[{"apiVersion":"batch/v1","kind":"Job","uid":"UID"}]}}]}"#;
    let uid = jobs().split_once(r#""uid":""#).unwrap().1.split('"').next().unwrap().to_owned();
    for (code, told) in [
        (200, "protected   owns a PersistentVolumeClaim\n"),
        (403, "what Jobs own is not known: persistentvolumeclaims cannot be listed"),
    ] {
        let cluster = cluster.clone().with("/persistentvolumeclaims", code, &owner.replace("UID", &uid));
        let (_, text) = explained_by("report-1", &cluster);
        assert!(text.contains(told), "{text}");
    }

    let without_objects = Scripted::new(vec![("/namespaces/team-a/jobs", 200, jobs())]);
    let (_, text) = explained_by("report-4", &without_objects);
    assert!(
        text.starts_with("`team-a/report-4` stays: it has no TTL, and no JobRetention selects it\n"),
        "{text}"
    );
}
