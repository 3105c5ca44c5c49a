//! `portcullis test`: the tests of the examples, rows that fail, mistakes in test files.

use std::fs;
use std::path::Path;

use crate::{check_snapshot, root, run, shown, stderr, stdout};

/// A policy that wants a label, a Pod with it and one without.
fn labelled_pods(folder: &Path) {
    let policy = "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {name: labelled}\nspec:\n  rules:\n  \
                  - name: team\n    match: {any: [{resources: {kinds: [Pod]}}]}\n    validate:\n      \
                  message: a team is missing\n      pattern: {metadata: {labels: {team: '?*'}}}\n";
    let pods = "apiVersion: v1\nkind: Pod\nmetadata: {name: good, labels: {team: a}}\n---\n\
                apiVersion: v1\nkind: Pod\nmetadata: {name: bad}\n---\n\
                apiVersion: v1\nkind: Secret\nmetadata: {name: other}\n";
    fs::write(folder.join("policy.yaml"), policy).unwrap();
    fs::write(folder.join("pods.yaml"), pods).unwrap();
}

/// A test of them with these rows: rule, resource and result.
fn test_file(rows: &[(&str, &str, &str)]) -> String {
    let mut text = "apiVersion: cli.kyverno.io/v1alpha1\nkind: Test\nmetadata: {name: labelled}\n\
                    policies: [policy.yaml]\nresources: [pods.yaml]\nresults:\n"
        .to_owned();
    for (rule, resource, result) in rows {
        text += &format!(
            "- {{policy: labelled, rule: {rule}, kind: Pod, resources: [{resource}], result: {result}}}\n"
        );
    }
    text
}

#[test]
fn the_tests_of_the_examples_pass_also_where_they_are_taken_strictly() {
    for arguments in [&["test", "examples"][..], &["test", "examples", "--strict"]] {
        let output = run(&root(), arguments);
        assert!(output.status.success(), "{}", shown(arguments, &output));
        assert!(stdout(&output).contains(" tests passed and 0 tests failed"), "{}", stdout(&output));
    }
}

#[test]
fn each_row_says_what_was_wanted_and_what_came() {
    let folder = tempfile::tempdir().unwrap();
    labelled_pods(folder.path());
    let rows = [
        ("team", "good", "pass"),
        ("team", "bad", "pass"),
        ("team", "other", "fail"),
        ("tema", "bad", "fail"),
    ];
    fs::write(folder.path().join("kyverno-test.yaml"), test_file(&rows)).unwrap();
    let mut text = String::new();
    for arguments in [
        &["test", "."][..],
        &["test", ".", "--strict"],
        &["test", ".", "--fail-only", "--detailed-results"],
        &["test", ".", "-o", "junit", "--test-case-selector", "resource=bad"],
        &["test", ".", "-o", "yaml", "--fail-only"],
        &["test", ".", "-o", "json", "--fail-only"],
        &["test", ".", "-o", "markdown", "--detailed-results"],
    ] {
        text += &shown(arguments, &run(folder.path(), arguments));
        text.push('\n');
    }
    check_snapshot("test", &text);
}

#[test]
fn a_mistake_in_a_test_file_is_shown_in_its_line_and_nothing_is_run() {
    let folder = tempfile::tempdir().unwrap();
    labelled_pods(folder.path());
    let good = test_file(&[("team", "good", "pass")]);
    fs::write(folder.path().join("kyverno-test.yaml"), good.replace("results:", "resluts:")).unwrap();
    fs::create_dir(folder.path().join("other")).unwrap();
    fs::write(folder.path().join("other/kyverno-test.yaml"), good).unwrap();
    let output = run(folder.path(), &["test", "."]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).is_empty(), "{}", stdout(&output));
    let told = stderr(&output);
    assert!(told.contains("unknown field `resluts`"), "{told}");
    assert!(told.contains("did you mean `results`?"), "{told}");
    assert!(told.contains("kyverno-test.yaml:6:1"), "{told}");
}

#[test]
fn what_a_test_names_and_cannot_be_used_fails_it() {
    let folder = tempfile::tempdir().unwrap();
    labelled_pods(folder.path());
    let good = test_file(&[("team", "good", "pass")]);
    fs::write(folder.path().join("user.yaml"), "roles: [admin]").unwrap();
    let policy = fs::read_to_string(folder.path().join("policy.yaml")).unwrap();
    let misspelt = policy.replace("spec:", "spec:\n  backgrund: true");
    fs::write(folder.path().join("misspelt.yaml"), misspelt).unwrap();
    for (from, to, told) in [
        ("policies: [policy.yaml]", "policies: [policies.yaml]", "cannot read"),
        ("policies: [policy.yaml]", "policies: [policy.yaml, pods.yaml]", "`v1/Pod` is no policy"),
        ("resources: [pods.yaml]", "resources: [pod.yaml]", "cannot read"),
        ("resources: [pods.yaml]", "resources: [pods.yaml]\nvariables: values.yaml", "cannot read"),
        ("resources: [pods.yaml]", "resources: [pods.yaml]\nuserinfo: user.yaml", "uses a deprecated schema"),
        ("policies: [policy.yaml]", "policies: [policy.yaml, misspelt.yaml]", "unknown field `backgrund`"),
        (
            "results:",
            "globalContextEntries: [{name: pods, resourceFiles: [pod.yaml]}]\nresults:",
            "cannot read",
        ),
    ] {
        fs::write(folder.path().join("kyverno-test.yaml"), good.replace(from, to)).unwrap();
        let output = run(folder.path(), &["test", "."]);
        assert_eq!(output.status.code(), Some(1), "{to}");
        assert!(stderr(&output).contains(told), "{to}: {}", stderr(&output));
        assert!(stdout(&output).contains("0 tests passed and 1 tests failed"), "{to}: {}", stdout(&output));
    }
}

#[test]
fn a_policy_of_a_wrong_form_and_a_later_resource_that_is_not_there_are_told_and_the_rest_is_judged() {
    let folder = tempfile::tempdir().unwrap();
    labelled_pods(folder.path());
    let policy = fs::read_to_string(folder.path().join("policy.yaml")).unwrap();
    let wrong =
        policy.replace("spec:", "spec:\n  background: often").replace("name: labelled", "name: wrong");
    fs::write(folder.path().join("wrong.yaml"), wrong).unwrap();
    let named = test_file(&[("team", "good", "pass"), ("team", "good", "pass")])
        .replacen("policy: labelled", "policy: wrong", 1)
        .replace("[policy.yaml]", "[policy.yaml, wrong.yaml]")
        .replace("[pods.yaml]", "[pods.yaml, missing.yaml]");
    fs::write(folder.path().join("kyverno-test.yaml"), named).unwrap();
    let output = run(folder.path(), &["test", "."]);
    let (rows, told) = (stdout(&output), stderr(&output));
    assert!(told.contains("wrong.yaml:") && told.contains("cannot read `./missing.yaml`"), "{told}");
    assert!(rows.contains("Not found") && rows.contains("1 tests passed and 1 tests failed"), "{rows}");
}

#[test]
fn what_nobody_knows_and_what_stands_in_a_list_is_passed_over_among_policies() {
    let folder = tempfile::tempdir().unwrap();
    labelled_pods(folder.path());
    let good = test_file(&[("team", "good", "pass")]);
    let others = "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: a}\n---\nkind: nothing\n---\n\
                  apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: Pod, metadata: {name: a}}]\n---\n\
                  apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicyBinding\nmetadata: {name: a}\n";
    fs::write(folder.path().join("others.yaml"), others).unwrap();
    let named = good.replace("[policy.yaml]", "[policy.yaml, others.yaml]");
    fs::write(folder.path().join("kyverno-test.yaml"), named).unwrap();
    let output = run(folder.path(), &["test", "."]);
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn a_folder_without_tests_is_no_failure_unless_tests_are_required() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["test", "."]);
    assert!(output.status.success());
    assert_eq!(stdout(&output), "No test yamls available\n");
    let output = run(folder.path(), &["test", ".", "--require-tests"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("no tests found"));
}

#[test]
fn a_file_that_tests_nothing_is_told_of_and_an_error_where_it_is_taken_strictly() {
    let folder = tempfile::tempdir().unwrap();
    labelled_pods(folder.path());
    let good = test_file(&[("team", "good", "pass")]);
    fs::create_dir(folder.path().join("good")).unwrap();
    let elsewhere = good.replace("policy.yaml", "../policy.yaml").replace("pods.yaml", "../pods.yaml");
    fs::write(folder.path().join("good/kyverno-test.yaml"), elsewhere).unwrap();
    let without_rows = good.split("results:").next().unwrap().to_owned();
    for (text, told) in [
        ("# later\n".to_owned(), "there is no test in this file"),
        (good.replace("kind: Test", "kind: Tst"), "`Tst` is no kind of tests"),
        (without_rows, "the test expects nothing"),
    ] {
        fs::write(folder.path().join("kyverno-test.yaml"), text).unwrap();
        let output = run(folder.path(), &["test", "."]);
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(stderr(&output).contains(&format!("warning: {told}")), "{}", stderr(&output));
        let output = run(folder.path(), &["test", ".", "--strict"]);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(stderr(&output).contains(&format!("error: {told}")), "{}", stderr(&output));
    }
    let output = run(folder.path(), &["test", "good", "--test-case-selector", "policy=labeled"]);
    assert!(output.status.success());
    let told = "warning: `--test-case-selector` selects none of the rows, of which there is 1";
    assert!(stderr(&output).contains(told), "{}", stderr(&output));
}

#[test]
fn an_expected_file_that_cannot_be_read_fails_its_row_and_a_field_that_is_not_read_its_test() {
    let folder = tempfile::tempdir().unwrap();
    labelled_pods(folder.path());
    let good = test_file(&[("team", "good", "pass"), ("team", "bad", "fail")]);
    let missing = good.replacen("result: pass", "result: pass, patchedResources: missing.yaml", 1);
    fs::write(folder.path().join("kyverno-test.yaml"), missing).unwrap();
    let output = run(folder.path(), &["test", "."]);
    assert!(stdout(&output).contains("1 tests passed and 1 tests failed"), "{}", stdout(&output));
    assert!(stdout(&output).contains("Resource error"), "{}", stdout(&output));

    let entry = "globalContextEntries: [{name: pods, data: [], fieldPath: items}]\nresults:";
    fs::write(folder.path().join("kyverno-test.yaml"), good.replace("results:", entry)).unwrap();
    fs::create_dir(folder.path().join("other")).unwrap();
    let elsewhere = good.replace("policy.yaml", "../policy.yaml").replace("pods.yaml", "../pods.yaml");
    fs::write(folder.path().join("other/kyverno-test.yaml"), elsewhere).unwrap();
    let output = run(folder.path(), &["test", "."]);
    assert!(
        stderr(&output).contains("`fieldPath` of the global context entry `pods`"),
        "{}",
        stderr(&output)
    );
    assert!(stdout(&output).contains("2 tests passed and "), "{}", stdout(&output));
}

#[test]
fn what_stands_for_a_cluster_says_what_labels_namespaces_have() {
    let folder = tempfile::tempdir().unwrap();
    labelled_pods(folder.path());
    let policy = fs::read_to_string(folder.path().join("policy.yaml")).unwrap();
    let selected = "kinds: [Pod], namespaceSelector: {matchLabels: {checked: 'yes'}}";
    fs::write(folder.path().join("policy.yaml"), policy.replace("kinds: [Pod]", selected)).unwrap();
    fs::create_dir(folder.path().join("cluster")).unwrap();
    let cluster = "apiVersion: cli.kyverno.io/v1alpha1\nkind: ClusterResource\nmetadata: {name: c}\nspec:\n  resources:\n  \
                   - {apiVersion: v1, kind: Namespace, metadata: {name: default, labels: {checked: 'yes'}}}\n  \
                   crds: [zones.yaml]\n";
    fs::write(folder.path().join("cluster/resources.yaml"), cluster).unwrap();
    let zones = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: zones.example.com}\n\
                 spec: {group: example.com, names: {kind: Zone, plural: zones}, scope: Cluster, versions: []}\n";
    // Paths in it start in the folder of the test.
    fs::write(folder.path().join("zones.yaml"), zones).unwrap();
    let test = test_file(&[("team", "good", "pass"), ("team", "bad", "fail")])
        .replace("results:", "clusterResources: [cluster/resources.yaml]\nresults:");
    fs::write(folder.path().join("kyverno-test.yaml"), test).unwrap();
    let output = run(folder.path(), &["test", ".", "--strict"]);
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    assert!(stdout(&output).contains("2 tests passed and 0 tests failed"), "{}", stdout(&output));
}
