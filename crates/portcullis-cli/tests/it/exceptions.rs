//! Exceptions in files.

use portcullis_cli::Exit;

use crate::{Ran, run};

const POLICY: &str = "apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: p}
spec:
  rules:
  - name: r
    match: {any: [{resources: {kinds: [Pod]}}]}
    validate: {message: not so, pattern: {metadata: {labels: {app: a}}}}
";

const USER: &str = "apiVersion: cli.kyverno.io/v1alpha1\nkind: UserInfo\nuserInfo: {username: ann}\n";

/// Runs `arguments` beside an exception for the user `ann` with these `fields`.
fn excepted(fields: &str, arguments: &str) -> Ran {
    let exception = format!(
        "apiVersion: kyverno.io/v2
kind: PolicyException
metadata: {{name: e, namespace: ns}}
spec:
  exceptions: [{{policyName: p, ruleNames: [r]}}]
  match: {{any: [{{resources: {{kinds: [Pod]}}, subjects: [{{kind: User, name: ann}}]}}]}}
{fields}"
    );
    let test = "apiVersion: cli.kyverno.io/v1alpha1
kind: Test
policies: [p.yaml]
resources: [pod.yaml]
exceptions: [e.yaml]
userinfo: u.yaml
results: [{policy: p, rule: r, kind: Pod, result: skip}]
";
    let files = [
        ("p.yaml", POLICY),
        ("pod.yaml", "{apiVersion: v1, kind: Pod, metadata: {name: web}}"),
        ("e.yaml", &exception),
        ("u.yaml", USER),
        ("kyverno-test.yaml", test),
    ];
    run(&files, arguments)
}

const APPLY: &str = "apply p.yaml --resource pod.yaml --exception e.yaml --userinfo u.yaml";

#[test]
fn what_an_admission_alone_refuses_is_a_warning() {
    let ran = excepted("", APPLY);
    assert!(ran.stderr.starts_with("warning: Usage of user info is forbidden"), "{}", ran.stderr);
    assert!(ran.stdout.contains("fail: 0, warn: 0, error: 0, skip: 1"), "{}", ran.stdout);
    let ran = excepted("", "test .");
    assert_eq!((ran.exit, &*ran.stderr), (Exit::SUCCESS, ""), "{}", ran.stdout);
    assert_eq!(excepted("  background: false\n", APPLY).stderr, "");
}

#[test]
fn what_is_no_exception_ends_the_run() {
    for arguments in [APPLY, "test ."] {
        let ran = excepted("  backgrund: false\n", arguments);
        assert_eq!(ran.exit, Exit::FAILURE);
        assert!(ran.stderr.contains("unknown field `backgrund`"), "{}", ran.stderr);
    }
}
