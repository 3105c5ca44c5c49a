//! Planned Jobs looked at anew, at an API server that does what a test says.

use std::collections::BTreeMap;

use portcullis_retention::{Cluster, Made, Mode, Outcome, Safeguards};

use super::*;
use crate::jobs::scripted::{Script, scripted};
use crate::surroundings::Stream;

/// When all Jobs of these tests finished, in seconds since 1970-01-01 UTC, and as it is written.
const FINISHED: (i64, &str) = (1_790_812_800, "2026-10-01T00:00:00Z");

fn item(namespace: &str, name: &str) -> Item {
    Item {
        dependents: BTreeMap::new(),
        finished: FINISHED.0,
        manager: String::new(),
        name: name.to_owned(),
        namespace: namespace.to_owned(),
        outcome: Outcome::Succeeded,
        resource_version: "1".to_owned(),
        uid: "u".to_owned(),
        why: String::new(),
    }
}

fn list(namespace: &str, jobs: &[(&str, &str)]) -> Vec<(u16, String)> {
    let time = FINISHED.1;
    let job = |(name, labels): &(&str, &str)| {
        format!(
            r#"{{"metadata":{{"namespace":"{namespace}","name":"{name}","uid":"u","resourceVersion":"1","labels":{{{labels}}}}},
            "status":{{"conditions":[{{"type":"Complete","status":"True","lastTransitionTime":"{time}"}}]}}}}"#
        )
    };
    let jobs: Vec<_> = jobs.iter().map(job).collect();
    vec![(200, format!(r#"{{"kind":"JobList","metadata":{{}},"items":[{}]}}"#, jobs.join(",")))]
}

/// What protects each of the planned Jobs an hour and a half after they finished.
fn protected(safeguards: Safeguards, items: Vec<Item>, script: Script) -> Vec<String> {
    let mut plan = Plan::new(Mode::Delete, Cluster::default(), Made::default());
    plan.items = items;
    plan.safeguards = safeguards;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let survey = runtime.block_on(async {
        let (connection, _) = scripted(script);
        let mut stderr = Stream::plain(std::io::sink());
        let mut progress = Progress::on(&mut stderr);
        let mut survey = Survey::take(&connection, &plan, None, &mut progress).await.unwrap();
        drop(progress);
        let terminating = fetch::terminating_namespaces(&connection, &mut stderr).await.unwrap();
        survey.judge(&plan, terminating, FINISHED.0 + 5_400);
        survey
    });
    let reason = |index| survey.seen(index).map_or("gone".to_owned(), |seen| seen.reason);
    (0..plan.items.len()).map(reason).collect()
}

#[test]
fn a_namespace_that_is_terminating_since_protects_its_jobs() {
    let items = vec![item("one", "a"), item("two", "b"), item("two", "c")];
    let script = Script::from([
        ("/one/jobs", list("one", &[("a", "")])),
        ("/two/jobs", list("two", &[("b", "")])),
        (
            "/api/v1/namespaces",
            vec![(
                200,
                r#"{"items":[{"metadata":{"name":"one"}},{"metadata":{"name":"two","deletionTimestamp":"2026-10-01T00:00:00Z"}}]}"#.to_owned(),
            )],
        ),
    ]);
    assert_eq!(protected(Safeguards::default(), items, script), ["", "its namespace is terminating", "gone"]);
}

#[test]
fn what_protected_when_the_plan_was_made_protects_whoever_wrote_the_plan() {
    let items = || vec![item("kube-system", "a"), item("ours", "b"), item("team", "c"), item("team", "d")];
    let script = || {
        Script::from([
            ("/kube-system/jobs", list("kube-system", &[("a", "")])),
            ("/ours/jobs", list("ours", &[("b", "")])),
            ("/team/jobs", list("team", &[("c", r#""argo":"shop""#), ("d", "")])),
            ("/api/v1/namespaces", vec![(200, r#"{"items":[]}"#.to_owned())]),
        ])
    };
    let safeguards = Safeguards {
        floor: 3_600,
        instance_label: Some("argo".to_owned()),
        portcullis_namespace: "ours".to_owned(),
        ..Safeguards::default()
    };
    let alone = "in a namespace that is left alone";
    assert_eq!(
        protected(safeguards.clone(), items(), script()),
        [alone, alone, "Argo CD would create it again", ""]
    );
    let included = Safeguards {
        include_namespaces: BTreeSet::from(["kube-system".to_owned()]),
        floor: 7_200,
        ..safeguards
    };
    let young = "younger than the floor";
    assert_eq!(
        protected(included, items(), script()),
        [young, alone, "Argo CD would create it again", young]
    );
}
