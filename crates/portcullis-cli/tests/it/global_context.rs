//! Entries of the global context, and what is taken from them by name.

use crate::{Ran, run};

const RESOURCES: &str = "
{apiVersion: v1, kind: ConfigMap, metadata: {name: one}, data: {a: first}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: two}, data: {a: second}}
---
{apiVersion: v1, kind: Secret, metadata: {name: key}, stringData: {password: hunter22}}
---
apiVersion: kyverno.io/v2
kind: GlobalContextEntry
metadata: {name: maps}
spec:
  kubernetesResource: {group: '', version: v1, resource: configmaps}
  projections:
  - {name: names, jmesPath: '[].metadata.name'}
  - {name: broken, jmesPath: '[].'}
---
apiVersion: kyverno.io/v2
kind: GlobalContextEntry
metadata: {name: keys}
spec:
  kubernetesResource: {group: '', version: v1, resource: secrets}
  projections:
  - {name: passwords, jmesPath: '[].to_upper(stringData.password)'}
";

/// A policy that refuses every ConfigMap with the value of `expression`, in which `v` is what `name` stands for.
fn policy(name: &str, expression: &str) -> String {
    format!(
        "apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {{name: p}}
spec:
  rules:
  - name: r
    match: {{any: [{{resources: {{kinds: [ConfigMap]}}}}]}}
    context: [{{name: v, globalReference: {{name: {name}}}}}]
    validate: {{message: 'it is {{{{ {expression} }}}}', deny: {{conditions: {{all: [{{key: '{{{{ {expression} }}}}', operator: NotEquals, value: x}}]}}}}}}
"
    )
}

fn applied(name: &str, expression: &str) -> Ran {
    let policy = policy(name, expression);
    run(&[("p.yaml", &policy), ("r.yaml", RESOURCES)], "apply p.yaml --resource r.yaml")
}

#[track_caller]
fn check_applied(name: &str, expression: &str, want: &str) {
    let told = applied(name, expression).stdout;
    assert!(told.contains(want), "{told}");
}

/// Checks what `test` says of a ConfigMap, where `entries` are given.
#[track_caller]
fn check_tested(entries: &str, name: &str, expression: &str, want: &str) {
    let test = format!(
        "apiVersion: cli.kyverno.io/v1alpha1
kind: Test
metadata: {{name: t}}
policies: [p.yaml]
resources: [r.yaml]
globalContextEntries:
- {entries}
results:
- {{policy: p, rule: r, kind: ConfigMap, resources: [one], result: pass}}
"
    );
    let policy = policy(name, expression);
    let files = [("p.yaml", &*policy), ("r.yaml", RESOURCES), ("kyverno-test.yaml", &test)];
    let told = run(&files, "test . --detailed-results --output-format json").stdout;
    assert!(told.contains(want), "{told}");
}

#[test]
fn apply_takes_from_the_objects_of_an_entry_what_its_projections_say() {
    check_applied("maps", "v[].metadata.name", r#"it is ["one","two"]"#);
    check_applied("maps.names", "v", r#"it is ["one","two"]"#);
    // What follows a second dot plays no part.
    check_applied("maps.names.more", "v", r#"it is ["one","two"]"#);
    check_applied("maps.", "v[0].metadata.name", "it is one");
    check_applied("maps.other", "v", r#"failed to fetch entry key=maps.other: projection "other" not found"#);
    check_applied("maps.broken", "v", "failed to fetch entry key=maps.broken: ");
    check_applied("other.names", "v", r#"Unknown key "v" in path"#);
}

#[test]
fn what_is_taken_from_secrets_is_not_told() {
    let ran = applied("keys.passwords", "v[0]");
    assert!(ran.stdout.contains("it is ***"), "{}", ran.stdout);
    let policy = policy("keys.passwords", "v[0]");
    let ran = run(&[("p.yaml", &policy), ("r.yaml", RESOURCES)], "explain p.yaml r.yaml");
    let told = &ran.stdout;
    assert!(told.contains("it says: it is ***") && !told.contains("HUNTER22"), "{told}");
}

#[test]
fn a_test_reads_lists_maps_and_what_is_taken_from_them() {
    let list = "{name: gc, resources: [{id: a}, {id: b}], projections: [{name: names, path: '[].id'}]}";
    check_tested(list, "gc", "v[0].id", "it is a");
    check_tested(list, "gc.names", "v[1]", "it is b");
    check_tested(list, "gc.names.more", "v[1]", "it is b");
    let map = "{name: gc, data: {id: a}, projections: [{name: own, path: id}]}";
    check_tested(map, "gc", "join(v.id, [v.own, v.own])", "it is aaa");
    check_tested(map, "gc.own", "v", "it is a");
    check_tested(map, "gc.other", "v", "failed to fetch entry key=gc.other: projection");
}
