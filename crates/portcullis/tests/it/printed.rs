//! What is printed, word for word, in every form.

use std::fs;

use crate::{check_snapshot, root, run, shown};

/// Runs `apply` with `arguments` in the folder of an example and compares all that it shows.
#[track_caller]
fn check(name: &str, example: &str, arguments: &str) {
    let arguments: Vec<&str> = std::iter::once("apply").chain(arguments.split(' ')).collect();
    let output = run(&root().join("examples").join(example), &arguments);
    // Reports carry the time.
    let is_time = |line: &&str| line.trim_start().trim_start_matches('"').starts_with("seconds");
    let text = shown(&arguments, &output);
    let text: Vec<&str> =
        text.lines().map(|line| if is_time(&line) { "    seconds: ..." } else { line }).collect();
    check_snapshot(name, &text.join("\n"));
}

const JOBS: &str = "add-ttl-to-dangling-job.yaml --resource \
                    resources/job.yaml,resources/job-of-cronjob.yaml,resources/job-with-ttl.yaml,resources/cronjob.yaml";

#[test]
fn mutations_as_text_with_their_record_and_the_reasons_of_the_rest() {
    check("mutations_text", "dangling-jobs", &format!("{JOBS} --record"));
}

#[test]
fn mutations_as_a_diff() {
    check("mutations_diff", "dangling-jobs", &format!("{JOBS} --record --diff"));
}

#[test]
fn mutations_to_be_piped_on() {
    check("mutations_piped", "dangling-jobs", &format!("{JOBS} --stdin"));
}

#[test]
fn mutations_for_programs() {
    check("mutations_json", "dangling-jobs", &format!("{JOBS} --format json"));
    check("mutations_yaml", "dangling-jobs", &format!("{JOBS} --format yaml"));
}

#[test]
fn verdicts_in_every_form() {
    let files = "policy.yaml --resource resources/good.yaml,resources/bad.yaml";
    check("verdicts_text", "no-load-balancers", files);
    check("verdicts_table", "no-load-balancers", &format!("{files} --table --detailed-results"));
    check("verdicts_report", "no-load-balancers", &format!("{files} --policy-report"));
    check("verdicts_json", "no-load-balancers", &format!("{files} --format json"));
}

#[test]
fn help_as_people_expect_it() {
    let book: String = [["apply", "-h"], ["apply", "--help"]]
        .iter()
        .map(|arguments| shown(arguments, &run(&root(), arguments)) + "\n")
        .collect();
    check_snapshot("help", &book);
}

/// Every mistake of a file in one run; what the reference accepts although it cannot work is a warning.
#[test]
fn mistakes_of_policies_are_shown_in_their_lines() {
    let folder = tempfile::tempdir().unwrap();
    let policies = r#"apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: refused}
spec:
  rules:
  - name: a
    match: {any: [{resources: {kinds: [Pod]}}]}
    preconditons: {all: []}
    validate:
      message: "{{ element }}"
      deny:
        conditions:
          all:
          - {key: "{{ request.object.metadata.name || }}", operator: Equals, value: x}
          - {key: "{{ request.operation }}", operator: Eqals, value: CREATE}
---
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: doubtful}
spec:
  rules:
  - name: a
    match: {any: [{resources: {kinds: [Pod]}}]}
    validate:
      message: a name is wrong
      deny:
        conditions:
          all:
          - {key: "{{ to_uper(request.object.metadata.name) }}", operator: Equals, value: x}
          - {key: "{{ to_upper(request.object.metadata.name, 'b') }}", operator: Equals, value: x}
          - {key: "{{ request.object.metadata.name", operator: Equals, value: x}
---
apiVersion: kyverno.io/v3
kind: ClusterPolicy
metadata: {name: unborn}
---
apiVersion: kyverno.oi/v1
kind: ClusterPolicy
metadata: {name: misspelt}
---
apiVersion: nvidia.com/v1
kind: ClusterPolicy
metadata: {name: of-somebody-else}
"#;
    fs::write(folder.path().join("policies.yaml"), policies).unwrap();
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n";
    fs::write(folder.path().join("pod.yaml"), pod).unwrap();
    let arguments = ["apply", "policies.yaml", "--resource", "pod.yaml"];
    check_snapshot("mistakes_of_policies", &shown(&arguments, &run(folder.path(), &arguments)));
}
