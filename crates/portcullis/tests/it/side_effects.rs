//! Rules about other objects than the one that triggers them, on the command line.

use std::fs;
use std::path::Path;

use crate::{check_snapshot, run, shown, stdout};

/// A policy that gives each Namespace a quota, a copy of a Secret and a ConfigMap for each of its zones, and one that
/// scales Deployments as a ConfigMap says.
const POLICIES: &str = r#"
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: new-namespaces}
spec:
  rules:
  - name: quota
    match: {any: [{resources: {kinds: [Namespace]}}]}
    generate:
      apiVersion: v1
      kind: ResourceQuota
      name: quota
      namespace: "{{ request.object.metadata.name }}"
      data: {spec: {hard: {pods: "10"}}}
  - name: nodes
    match: {any: [{resources: {kinds: [Namespace]}}]}
    generate: {namespace: "{{ request.object.metadata.name }}", cloneList: {namespace: default, kinds: [v1/Node]}}
  - name: registry
    match: {any: [{resources: {kinds: [Namespace]}}]}
    generate:
      apiVersion: v1
      kind: Secret
      name: registry
      namespace: "{{ request.object.metadata.name }}"
      clone: {name: registry, namespace: default}
---
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: replicas}
spec:
  rules:
  - name: scale
    match: {any: [{resources: {kinds: [ConfigMap], names: [replicas]}}]}
    mutate:
      targets:
      - {apiVersion: apps/v1, kind: Deployment, name: "web-*", namespace: "{{ request.namespace }}"}
      patchStrategicMerge: {spec: {replicas: "{{ to_number(request.object.data.web) }}"}}
"#;
const TRIGGERS: &str = r#"
{apiVersion: v1, kind: Namespace, metadata: {name: team}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: replicas}, data: {web: "2"}}
"#;
const TARGETS: &str = r#"
{apiVersion: apps/v1, kind: Deployment, metadata: {name: web-a}, spec: {replicas: 1}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: web-b}, spec: {replicas: 2}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: web-c}, spec: {replicas: 3}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: db}, spec: {replicas: 1}}
"#;

fn write_files(folder: &Path) {
    for (name, text) in [("policies.yaml", POLICIES), ("triggers.yaml", TRIGGERS), ("targets.yaml", TARGETS)]
    {
        fs::write(folder.join(name), text).unwrap();
    }
}

#[test]
fn what_is_generated_and_which_targets_change_is_shown_in_every_form() {
    let folder = tempfile::tempdir().unwrap();
    write_files(folder.path());
    let mut text = String::new();
    for form in ["", "--diff", "--stdin", "--format yaml", "--table --detailed-results"] {
        let arguments = "apply policies.yaml --resource triggers.yaml --target-resource targets.yaml";
        let arguments: Vec<&str> = arguments.split(' ').chain(form.split_whitespace()).collect();
        text += &shown(&arguments, &run(folder.path(), &arguments));
        text.push('\n');
    }
    check_snapshot("side_effects", &text);
}

#[test]
fn generated_objects_and_changed_targets_go_to_files_too() {
    let folder = tempfile::tempdir().unwrap();
    write_files(folder.path());
    let arguments = "apply policies.yaml --resource triggers.yaml --target-resources targets.yaml -o out";
    let output = run(folder.path(), &arguments.split(' ').collect::<Vec<_>>());
    assert!(output.status.success(), "{output:?}");
    let read = |name: &str| fs::read_to_string(folder.path().join("out").join(name)).unwrap();
    assert!(read("new-namespaces-generated.yaml").contains("kind: ResourceQuota"));
    assert!(read("web-a-mutated.yaml").contains("replicas: 2"));
    assert!(!folder.path().join("out/web-b-mutated.yaml").exists(), "it is as it should be");
}

#[test]
fn rows_are_about_generated_objects_about_targets_and_about_triggers() {
    let folder = tempfile::tempdir().unwrap();
    write_files(folder.path());
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("source.yaml", "{apiVersion: v1, kind: Secret, metadata: {name: registry}, data: {a: Yg==}}");
    write(
        "copy.yaml",
        "{apiVersion: v1, kind: Secret, metadata: {name: registry, namespace: team}, data: {a: Yg==}}",
    );
    write(
        "quota.yaml",
        "{apiVersion: v1, kind: ResourceQuota, metadata: {name: quota, namespace: team}, spec: {hard: {pods: '9'}}}",
    );
    write(
        "scaled.yaml",
        &TARGETS.replace("replicas: 1", "replicas: 2").replace("replicas: 3", "replicas: 2"),
    );
    let rows = "
apiVersion: cli.kyverno.io/v1alpha1
kind: Test
metadata: {name: side-effects}
policies: [policies.yaml]
resources: [triggers.yaml]
targetResources: [targets.yaml]
results:
- {policy: new-namespaces, rule: quota, kind: Namespace, resources: [team], generatedResource: quota.yaml, result: pass}
- {policy: new-namespaces, rule: quota, kind: Namespace, resources: [team], generatedResources: [copy.yaml], result: pass}
- policy: new-namespaces
  rule: registry
  kind: Namespace
  resources: [team]
  cloneSourceResource: source.yaml
  generatedResources: [quota.yaml, copy.yaml]
  result: pass
- {policy: new-namespaces, rule: nodes, kind: Namespace, resources: [team], generatedResource: quota.yaml, result: pass}
- {policy: replicas, rule: scale, kind: ConfigMap, resources: [web-a, default/web-c], patchedResources: scaled.yaml, result: pass}
- {policy: replicas, rule: scale, kind: ConfigMap, resources: [replicas], result: pass}
";
    write("kyverno-test.yaml", rows);
    let mut text = String::new();
    for arguments in [&["test", "."][..], &["test", ".", "--strict"]] {
        let output = run(folder.path(), arguments);
        assert!(!stdout(&output).is_empty(), "{output:?}");
        text += &shown(arguments, &output);
        text.push('\n');
    }
    check_snapshot("side_effects_test", &text);
}
