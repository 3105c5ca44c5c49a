//! `apply --policy-report`.

use crate::run;

const POD: &str = "{apiVersion: v1, kind: Pod, metadata: {name: web, labels: {app: a}}}";

/// The report on a Pod of a rule with these `properties`, whose pattern asks for the label `app` to be `app`.
fn report(properties: &str, app: &str) -> String {
    let policy = format!(
        "apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {{name: labelled}}
spec:
  rules:
  - name: app
    match: {{any: [{{resources: {{kinds: [Pod]}}}}]}}
    reportProperties: {{{properties}}}
    validate: {{message: not so, pattern: {{metadata: {{labels: {{app: {app}}}}}}}}}
"
    );
    let files = [("policy.yaml", &*policy), ("pod.yaml", POD)];
    run(&files, "apply policy.yaml --resource pod.yaml --policy-report").stdout
}

#[track_caller]
fn check(properties: &str, app: &str, lines: &[&str]) {
    let report = report(properties, app);
    for line in lines {
        assert!(
            report.lines().any(|found| found.trim_start_matches([' ', '-']) == *line),
            "no line `{line}` in\n{report}"
        );
    }
}

#[test]
fn properties_of_a_rule_stand_beside_those_of_the_report() {
    check(
        "of: '{{ request.object.metadata.name }}', process: mine",
        "a",
        &["of: web", "process: background scan", "message: validation rule 'app' passed."],
    );
}

#[test]
fn a_message_for_the_result_or_for_all_takes_the_place_of_that_of_the_rule() {
    let properties = "passMessage: '{{ request.object.metadata.name }} is well', message: see the guide";
    check(properties, "a", &["message: web is well"]);
    check(properties, "b", &["message: see the guide"]);
    check(
        "failMessage: ''",
        "b",
        &["message: 'validation error: not so. rule app failed at path /metadata/labels/app/'"],
    );
}
