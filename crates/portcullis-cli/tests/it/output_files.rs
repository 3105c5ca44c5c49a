//! `apply --output`.

use std::fs;

use crate::run_in;

const POLICY: &str = "apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: of-namespaces}
spec:
  rules:
  - name: quota
    match: {any: [{resources: {kinds: [Namespace]}}]}
    generate:
      {apiVersion: v1, kind: ConfigMap, name: made, namespace: '{{ request.object.metadata.name }}', data: {data: {a: b}}}
  - name: label
    match: {any: [{resources: {kinds: [Namespace]}}]}
    mutate: {patchStrategicMerge: {metadata: {labels: {seen: 'yes'}}}}
  - name: target
    match: {any: [{resources: {kinds: [Namespace]}}]}
    mutate:
      targets: [{apiVersion: v1, kind: ConfigMap, name: there, namespace: default}]
      patchStrategicMerge: {data: {seen: 'yes'}}
";

#[test]
fn a_resource_is_written_before_what_it_triggers() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("policy.yaml", POLICY),
        ("namespace.yaml", "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}"),
        ("target.yaml", "{apiVersion: v1, kind: ConfigMap, metadata: {name: there, namespace: default}}"),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let arguments =
        "apply policy.yaml --resource namespace.yaml --target-resource target.yaml --output out.yaml";
    let ran = run_in(folder.path(), arguments);
    let written = fs::read_to_string(folder.path().join("out.yaml")).unwrap_or(ran.stderr);
    let names: Vec<_> = written.lines().filter_map(|line| line.strip_prefix("  name: ")).collect();
    assert_eq!(names, ["shop", "there", "made"], "{written}");
}
