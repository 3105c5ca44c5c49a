//! UserInfo files: who makes the request.

use crate::run;

const POD: &str = "{apiVersion: v1, kind: Pod, metadata: {name: web}}";

/// What `apply` says of a Pod, of which a rule for a user that `user` names asks for a label, where the UserInfo file has these
/// `fields`.
fn applied(user: &str, fields: &str) -> String {
    let policy = format!(
        "apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {{name: p}}
spec:
  background: false
  rules:
  - name: r
    match: {{any: [{{resources: {{kinds: [Pod]}}, {user}}}]}}
    validate: {{message: 'said {{{{ request.userInfo.username || request.userInfo.uid }}}}', pattern: {{metadata: {{labels: {{app: a}}}}}}}}
"
    );
    let file = format!("APIVersion: cli.kyverno.io/v1alpha1\nKind: UserInfo\n{fields}");
    let files = [("policy.yaml", &*policy), ("pod.yaml", POD), ("user.yaml", &file)];
    let ran = run(&files, "apply policy.yaml --resource pod.yaml --userinfo user.yaml");
    assert_eq!(ran.stderr, "");
    ran.stdout
}

#[track_caller]
fn check(user: &str, fields: &str, want: &str) {
    let told = applied(user, fields);
    assert!(told.contains(want), "{fields}\n{told}");
}

#[test]
fn a_file_that_names_nobody_is_as_good_as_none() {
    let named = "subjects: [{kind: User, name: ann}]";
    for fields in ["", "userInfo: {}", "userInfo:", "userInfo: {username: '', groups: []}\nroles: []"] {
        // Without a user the rest of the block counts.
        check(named, fields, "fail: 1");
    }
    for fields in ["userInfo: {uid: x}", "roles: ['default:admin']"] {
        check(named, fields, "fail: 0");
    }
    check(named, "userInfo: {username: ann}", "said ann");
    // The case of fields plays no part, in what variables read either.
    check(named, "UserInfo: {UserName: ann}", "said ann");
}
