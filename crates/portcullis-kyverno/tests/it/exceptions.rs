//! PolicyExceptions: whom they except from what, and what is said of them.

use std::sync::Arc;

use portcullis_kyverno::{Findings, Policy, PolicyException};
use portcullis_model::{CompiledPolicy as _, Input, User};
use portcullis_value::{Arena, Object, Value};

use crate::policies::{evaluate_compiled, policy};

const PATTERN: &str = "validate: {message: not so, pattern: {spec: {a: 1}}}";
const FAILED: &str = "r fail: validation error: not so. rule r failed at path /spec/a/";
const SKIPPED: &str = "r skip: rule is skipped due to policy exceptionsns/e";
const POD: &str =
    "{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: d, labels: {a: b}}, spec: {a: 2}}";

/// An exception `ns/e` with these fields beside that of the policy `p` and its rule `r`.
fn exception(name: &str, fields: &str) -> Arc<PolicyException> {
    let text = format!(
        "{{apiVersion: kyverno.io/v2, kind: PolicyException, metadata: {{name: {name}, namespace: ns}}, \
         spec: {{exceptions: [{{policyName: p, ruleNames: ['*r']}}], {fields}}}}}"
    );
    let arena = Arena::new();
    let document = portcullis_yaml::read(&arena, &text).unwrap();
    let found = Findings::of_exception(document).into_diagnostics();
    assert!(found.is_empty(), "{found:?}");
    Arc::new(PolicyException::compile(document))
}

fn evaluate(rule: &str, exceptions: &[Arc<PolicyException>], change: impl Fn(&mut Input<'_>)) -> String {
    let (arena, text) = (Arena::new(), policy("Pod", rule));
    let compiled = Policy::compile(portcullis_yaml::read(&arena, &text).unwrap());
    evaluate_compiled(&compiled.excepting(exceptions), POD, change)
}

#[track_caller]
fn check(fields: &str, want: &str) {
    let fields = format!("background: false, {fields}");
    assert_eq!(evaluate(PATTERN, &[exception("e", &fields)], |_| {}), want, "{fields}");
}

#[test]
fn who_is_excepted_is_said_by_filters_and_conditions() {
    check("match: {any: [{resources: {kinds: [Job]}}, {resources: {kinds: [Pod], names: ['p*']}}]}", SKIPPED);
    check("match: {all: [{resources: {kinds: [Job]}}, {resources: {kinds: [Pod]}}]}", FAILED);
    check("match: {any: [{resources: {kinds: [Pod], namespaces: [e]}}]}", FAILED);
    // One that says nothing excepts nothing.
    check("match: {any: [{}]}", FAILED);
    // Operations play no part, and nobody is not the user.
    check("match: {any: [{resources: {kinds: [Pod], operations: [DELETE]}}]}", SKIPPED);
    check("match: {any: [{resources: {kinds: [Pod]}, subjects: [{kind: User, name: a}]}]}", FAILED);
    let of_label = |label: &str| {
        format!(
            "match: {{any: [{{resources: {{kinds: [Pod]}}}}]}}, conditions: {{all: [{{key: \
             '{{{{ request.object.metadata.labels.{label} }}}}', operator: Equals, value: b}}]}}"
        )
    };
    check(&of_label("a"), SKIPPED);
    // A condition that cannot be judged does not hold.
    check(&of_label("missing"), FAILED);
}

#[test]
fn the_user_and_the_labels_of_the_namespace_are_asked_for() {
    let alice = |input: &mut Input<'_>| input.user = Some(User { username: "alice", ..User::NOBODY });
    let of_alice =
        exception("e", "background: false, match: {any: [{subjects: [{kind: User, name: alice}]}]}");
    assert_eq!(evaluate(PATTERN, &[of_alice], alice), SKIPPED);
    let by_namespace = [exception(
        "e",
        "match: {any: [{resources: {kinds: [Pod], namespaceSelector: {matchLabels: {x: z}}}}]}",
    )];
    assert_eq!(evaluate(PATTERN, &by_namespace, |_| {}), FAILED);
    const LABELS: &[(&str, Value<'_>)] = &[("x", Value::String("z"))];
    let labelled = |input: &mut Input<'_>| input.namespace_labels = Some(Object::from_sorted(LABELS));
    assert_eq!(evaluate(PATTERN, &by_namespace, labelled), SKIPPED);
    // What is not known excepts nobody.
    assert_eq!(evaluate(PATTERN, &by_namespace, |input| input.namespace_labels = None), FAILED);
}

#[test]
fn exceptions_name_policies_exactly_and_rules_by_wildcards() {
    let any_pod = "match: {any: [{resources: {kinds: [Pod]}}]}";
    let both = [exception("e", any_pod), exception("f", any_pod)];
    assert_eq!(
        evaluate(PATTERN, &both, |_| {}),
        "r skip: rule is skipped due to policy exceptionsns/e, ns/f"
    );
    let (arena, text) = (Arena::new(), policy("Pod", PATTERN).replace("{name: p}", "{name: pp}"));
    let other = Policy::compile(portcullis_yaml::read(&arena, &text).unwrap()).excepting(&both);
    assert_eq!(evaluate_compiled(&other, POD, |_| {}), FAILED);
    // What is excepted is like no other policy, even one that is written like it.
    let text = policy("Pod", PATTERN);
    let excepted = Policy::compile(portcullis_yaml::read(&arena, &text).unwrap()).excepting(&both);
    assert_eq!((other.profile().likeness.is_some(), excepted.profile().likeness), (true, None));
}

#[test]
fn an_exception_may_leave_out_single_controls_of_pod_security() {
    const ANY_POD: &str = "match: {any: [{resources: {kinds: [Pod]}}]}";
    let standard = "validate: {podSecurity: {level: baseline}}";
    let evaluate = |exceptions: &[Arc<PolicyException>]| {
        let (arena, text) = (Arena::new(), policy("Pod", standard));
        let compiled = Policy::compile(portcullis_yaml::read(&arena, &text).unwrap());
        let pod = "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {hostNetwork: true, volumes: [{name: v, hostPath: {path: /}}]}}";
        evaluate_compiled(&compiled.excepting(exceptions), pod, |_| {})
    };
    let host = exception("host", &format!("{ANY_POD}, podSecurity: [{{controlName: Host Namespaces}}]"));
    let paths = exception("paths", &format!("{ANY_POD}, podSecurity: [{{controlName: HostPath Volumes}}]"));
    let whole = exception("whole", ANY_POD);
    let remaining = evaluate(std::slice::from_ref(&host));
    assert!(remaining.contains("hostPath volumes") && !remaining.contains("host namespaces"), "{remaining}");
    assert_eq!(
        evaluate(&[host.clone(), paths]),
        "r skip: rule is skipped due to policy exceptions ns/host, ns/paths"
    );
    assert_eq!(evaluate(&[host, whole]), "r skip: rule is skipped due to policy exception ns/whole");
}

#[test]
fn a_mistake_in_an_exception_is_refused() {
    let check = |spec: &str, want: &str| {
        let text = format!(
            "{{apiVersion: kyverno.io/v2, kind: PolicyException, metadata: {{name: e}}, spec: {spec}}}"
        );
        let arena = Arena::new();
        let refusal = Findings::of_exception(portcullis_yaml::read(&arena, &text).unwrap()).refusal();
        assert_eq!(refusal.as_deref(), Some(want), "{spec}");
    };
    check(
        "{exceptions: [{policyName: p, ruleNames: [r]}], match: {any: [{subjects: [{kind: User, name: a}]}]}}",
        "spec.match.any[0].subjects: Forbidden: Usage of user info is forbidden",
    );
    check(
        "{exceptions: [{policyName: '', ruleNames: [r]}], match: {any: [{resources: {kinds: [Pod]}}]}}",
        "spec.exceptions[0].policyName: Required value: An exception requires a policy name",
    );
    check(
        "{exceptions: [{policyName: p, ruleName: [r]}], match: {any: [{resources: {kinds: [Pod]}}]}}",
        "unknown field `ruleName`",
    );
}
