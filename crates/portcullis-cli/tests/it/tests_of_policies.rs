//! `test`: what tests are made of, and what is said when there is nothing to run.

use portcullis_cli::Exit;

use crate::{Ran, run};

const POLICY: &str = "apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: labelled}
spec:
  rules:
  - name: app
    match: {any: [{resources: {kinds: [Pod], namespaceSelector: {matchLabels: {checked: 'yes'}}}}]}
    validate: {message: not so, pattern: {metadata: {labels: {app: '?*'}}}}
";

const POD: &str = "{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop}}";

/// The namespace of the Pod.
const SHOP: &str = "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {checked: 'yes'}}}";

/// Runs a test with these `fields`, which expects that the Pod fails, beside `resources` of a cluster.
fn tested(fields: &str, resources: &str, cluster: &str) -> Ran {
    let test = format!(
        "apiVersion: cli.kyverno.io/v1alpha1
kind: Test
metadata: {{name: t}}
policies: [policy.yaml]
resources: [pod.yaml]
{fields}
results:
- {{policy: labelled, rule: app, kind: Pod, resources: [web], result: fail}}
"
    );
    let cluster = format!(
        "{{apiVersion: cli.kyverno.io/v1alpha1, kind: ClusterResource, metadata: {{name: c}}, spec: {{resources: [{cluster}]}}}}"
    );
    let files = [
        ("policy.yaml", POLICY),
        ("pod.yaml", resources),
        ("cluster.yaml", &cluster),
        ("kyverno-test.yaml", &test),
    ];
    run(&files, "test . --strict")
}

#[test]
fn the_case_of_fields_plays_no_part() {
    let values = "APIVersion: cli.kyverno.io/v1alpha1
Kind: Values
NamespaceSelector:
- {Name: shop, Labels: {checked: 'yes'}}
";
    let user = "apiversion: cli.kyverno.io/v1alpha1\nKIND: UserInfo\n";
    let test = "APIVERSION: cli.kyverno.io/v1alpha1
KIND: Test
policies: [policy.yaml]
Resources: [pod.yaml]
Variables: values.yaml
UserInfo: user.yaml
results:
- {Policy: labelled, RULE: app, kind: Pod, resources: [web], result: fail}
";
    let files = [
        ("policy.yaml", POLICY),
        ("pod.yaml", POD),
        ("values.yaml", values),
        ("user.yaml", user),
        ("kyverno-test.yaml", test),
    ];
    let ran = run(&files, "test . --strict");
    assert_eq!((ran.exit, &*ran.stderr), (Exit::SUCCESS, ""), "{}", ran.stdout);
}

#[test]
fn tests_of_which_no_row_is_run_are_summed_up_and_only_where_there_are_none_is_that_said() {
    let without_rows =
        "apiVersion: cli.kyverno.io/v1alpha1\nkind: Test\npolicies: [policy.yaml]\nresources: [pod.yaml]\n";
    let with_rows = format!("{without_rows}results: [{{policy: labelled, kind: Pod, result: fail}}]");
    let files = |test| [("policy.yaml", POLICY), ("pod.yaml", POD), ("kyverno-test.yaml", test)];
    for (test, arguments) in [
        (without_rows, "test . --require-tests"),
        (&*with_rows, "test . --require-tests --test-case-selector policy=other"),
    ] {
        let ran = run(&files(test), arguments);
        let printed = (ran.exit, &*ran.stdout);
        assert_eq!(printed, (Exit::SUCCESS, "\nTest Summary: 0 tests passed and 0 tests failed\n"));
    }
    let ran = run(&[], "test .");
    assert_eq!((ran.exit, &*ran.stdout), (Exit::SUCCESS, "No test yamls available\n"));
    let ran = run(&[], "test . --require-tests");
    assert_eq!((ran.exit, &*ran.stdout), (Exit::FAILURE, ""));
    assert!(ran.stderr.contains("no tests found"), "{}", ran.stderr);
}

#[test]
fn beside_what_stands_for_a_cluster_the_namespace_of_a_resource_must_be_there() {
    let with_cluster = "clusterResources: [cluster.yaml]";
    let ran = tested(with_cluster, POD, "");
    assert_eq!(ran.exit, Exit::FAILURE);
    let told = "failed to run test (kyverno-test.yaml): there is no namespace `shop` for shop/Pod/web";
    assert!(ran.stderr.contains(told), "{}", ran.stderr);

    let values = format!(
        "{with_cluster}\nvalues: {{namespaceSelector: [{{name: shop, labels: {{checked: 'yes'}}}}]}}"
    );
    for (fields, resources, cluster) in
        [(with_cluster, POD, SHOP), (with_cluster, &*format!("{POD}\n---\n{SHOP}"), ""), (&values, POD, "")]
    {
        let ran = tested(fields, resources, cluster);
        assert_eq!(ran.exit, Exit::SUCCESS, "{}{}", ran.stdout, ran.stderr);
    }
    // Without it nothing is known of namespaces but what the values say.
    assert_eq!(tested("", POD, "").exit, Exit::FAILURE);
    assert!(tested("", POD, "").stderr.contains("1 tests failed"));
}
