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

const ANY_POD: &str = "match: {any: [{resources: {kinds: [Pod]}}]}";

/// An exception `ns/NAME` with these fields beside that of the policy `p` and its rule `r`.
fn exception(name: &str, fields: &str) -> Arc<PolicyException> {
    exception_from(&format!("name: {name}"), "p", "*r", fields)
}

/// An exception from a rule of a policy, with these fields in its metadata and its specification.
fn exception_from(metadata: &str, policy: &str, rule: &str, fields: &str) -> Arc<PolicyException> {
    let text = format!(
        "{{apiVersion: kyverno.io/v2, kind: PolicyException, metadata: {{{metadata}, namespace: ns}}, \
         spec: {{exceptions: [{{policyName: {policy}, ruleNames: ['{rule}']}}], {fields}}}}}"
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
    let both = [exception("e", ANY_POD), exception("f", ANY_POD)];
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
fn a_policy_of_a_namespace_is_named_with_it_and_a_wildcard_names_no_policy() {
    let evaluate = |policy_name: &str, metadata: &str| {
        let mut text = policy("Pod", PATTERN).replace("{name: p}", metadata);
        if metadata.contains("namespace") {
            text = text.replace("ClusterPolicy", "Policy");
        }
        let arena = Arena::new();
        let compiled = Policy::compile(portcullis_yaml::read(&arena, &text).unwrap());
        let exceptions = [exception_from("name: e", policy_name, "r", ANY_POD)];
        evaluate_compiled(&compiled.excepting(&exceptions), POD, |_| {})
    };
    for (policy_name, metadata, want) in [
        ("p", "{name: p}", SKIPPED),
        ("'*'", "{name: p}", FAILED),
        ("'p*'", "{name: p}", FAILED),
        // The same name in another place is another policy.
        ("p", "{name: p, namespace: d}", FAILED),
        ("d/p", "{name: p, namespace: d}", SKIPPED),
        ("other/p", "{name: p, namespace: d}", FAILED),
        ("d/p", "{name: p}", FAILED),
    ] {
        assert_eq!(evaluate(policy_name, metadata), want, "{policy_name} {metadata}");
    }
}

#[test]
fn rules_that_autogen_makes_are_named_for_themselves() {
    let (arena, text) = (Arena::new(), policy("Pod", PATTERN));
    let evaluate = |rule: &str, kind: &str, template: &str| {
        let compiled = Policy::compile(portcullis_yaml::read(&arena, &text).unwrap());
        let exceptions =
            [exception_from("name: e", "p", rule, "match: {any: [{resources: {kinds: ['*']}}]}")];
        let object = format!("{{apiVersion: {kind}, metadata: {{name: w, namespace: d}}, spec: {template}}}");
        let outcome = evaluate_compiled(&compiled.excepting(&exceptions), &object, |_| {});
        outcome.split(':').next().unwrap_or_default().to_owned()
    };
    for (rule, pod, deployment, cron_job) in [
        ("r", "skip", "fail", "fail"),
        ("autogen-r", "fail", "skip", "fail"),
        ("autogen-cronjob-r", "fail", "fail", "skip"),
        ("autogen-*", "fail", "skip", "skip"),
        ("*r", "skip", "skip", "skip"),
        ("R", "fail", "fail", "fail"),
    ] {
        assert_eq!(evaluate(rule, "v1, kind: Pod", "{a: 2}"), format!("r {pod}"), "{rule}");
        let of_deployment = evaluate(rule, "apps/v1, kind: Deployment", "{template: {spec: {a: 2}}}");
        assert_eq!(of_deployment, format!("autogen-r {deployment}"), "{rule}");
        let nested = "{jobTemplate: {spec: {template: {spec: {a: 2}}}}}";
        let of_cron_job = evaluate(rule, "batch/v1, kind: CronJob", nested);
        assert_eq!(of_cron_job, format!("autogen-cronjob-r {cron_job}"), "{rule}");
    }
}

#[test]
fn an_exception_that_is_narrower_than_the_rule_lets_off_what_it_names_and_nothing_else() {
    let named = exception("named", "match: {any: [{resources: {kinds: [Pod], names: [special]}}]}");
    let elsewhere = exception("elsewhere", "match: {any: [{resources: {kinds: [Pod], namespaces: [e]}}]}");
    // Neither is about this Pod, and two that do not hold do not make one that does.
    assert_eq!(evaluate(PATTERN, &[named.clone(), elsewhere.clone()], |_| {}), FAILED);
    let all = [named, elsewhere, exception("e", ANY_POD)];
    // Those that do not hold are not named either.
    assert_eq!(evaluate(PATTERN, &all, |_| {}), SKIPPED);
}

/// 2026-01-01T00:00:00Z.
const MIDNIGHT: i64 = 1_767_225_600_000_000_000;

#[test]
fn an_exception_that_has_ended_lets_off_nothing() {
    let ends = |label: &str| {
        let metadata = format!(
            "name: e, labels: {{cleanup.kyverno.io/ttl: '{label}'}}, creationTimestamp: '2025-12-31T23:00:00Z'"
        );
        exception_from(&metadata, "p", "r", ANY_POD)
    };
    let at_midnight = |input: &mut Input<'_>| input.now = MIDNIGHT;
    let a_moment_before = |input: &mut Input<'_>| input.now = MIDNIGHT - 1;
    for label in ["1h", "2026-01-01", "2026-01-01T000000Z"] {
        assert_eq!(evaluate(PATTERN, &[ends(label)], a_moment_before), SKIPPED, "{label}");
        assert_eq!(evaluate(PATTERN, &[ends(label)], at_midnight), FAILED, "{label}");
    }
    // One that goes on counts beside it, and one whose label says nothing goes on.
    assert_eq!(evaluate(PATTERN, &[ends("1h"), ends("2h")], at_midnight), SKIPPED);
    assert_eq!(evaluate(PATTERN, &[exception("e", ANY_POD)], at_midnight), SKIPPED);
    let parts = "podSecurity: [{controlName: Host Namespaces}]";
    let metadata = "name: e, labels: {cleanup.kyverno.io/ttl: 2026-01-01}";
    let in_parts = exception_from(metadata, "p", "r", &format!("{ANY_POD}, {parts}"));
    let compiled = baseline().excepting(&[in_parts]);
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {hostNetwork: true}}";
    let outcome = |now: i64| evaluate_compiled(&compiled, pod, |input| input.now = now);
    assert!(outcome(MIDNIGHT).starts_with("r fail: "), "{}", outcome(MIDNIGHT));
    assert!(outcome(MIDNIGHT - 1).starts_with("r skip: "), "{}", outcome(MIDNIGHT - 1));
}

#[test]
fn a_label_that_cannot_be_read_is_warned_of() {
    let found = |label: &str| {
        let text = format!(
            "{{apiVersion: kyverno.io/v2, kind: PolicyException, metadata: {{name: e, labels: {{cleanup.kyverno.io/ttl: \
             {label}}}}}, spec: {{exceptions: [{{policyName: p, ruleNames: [r]}}], {ANY_POD}}}}}"
        );
        let arena = Arena::new();
        let findings = Findings::of_exception(portcullis_yaml::read(&arena, &text).unwrap());
        assert_eq!(findings.refusal(), None);
        findings.into_diagnostics().into_iter().map(|found| found.message).collect::<Vec<_>>()
    };
    assert!(found("2d").is_empty());
    assert_eq!(
        found("tomorrow"),
        ["the label `cleanup.kyverno.io/ttl` cannot be read: the exception does not end"]
    );
}

/// A policy with one rule `r`, about the baseline of pod security.
fn baseline() -> Policy {
    let (arena, text) = (Arena::new(), policy("Pod", "validate: {podSecurity: {level: baseline}}"));
    Policy::compile(portcullis_yaml::read(&arena, &text).unwrap())
}

#[test]
fn exceptions_for_controls_of_containers_let_off_those_containers() {
    let for_image = |name: &str, images: &str| {
        let exclusion = format!("controlName: Privileged Containers, images: [{images}]");
        exception(name, &format!("{ANY_POD}, podSecurity: [{{{exclusion}}}]"))
    };
    let containers: Vec<_> = ["a", "b", "c"]
        .map(|name| format!("{{name: {name}, image: '{name}:1', securityContext: {{privileged: true}}}}"))
        .into();
    let pod = format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: p}}, spec: {{containers: [{}]}}}}",
        containers.join(", ")
    );
    let evaluate = |exceptions: &[Arc<PolicyException>]| {
        evaluate_compiled(&baseline().excepting(exceptions), &pod, |_| {})
    };
    let places = |exceptions: &[Arc<PolicyException>]| {
        let outcome = evaluate(exceptions);
        (0..3).filter(|index| outcome.contains(&format!("containers[{index}]"))).collect::<Vec<_>>()
    };
    let (a, b, rest) = (for_image("a", "'a:*'"), for_image("b", "'b:*'"), for_image("rest", "'c:*'"));
    assert_eq!(places(&[]), [0, 1, 2]);
    assert_eq!(places(std::slice::from_ref(&b)), [0, 2]);
    assert_eq!(places(&[a.clone(), b.clone()]), [2]);
    // What is let off twice is let off once: no other container goes with it.
    assert_eq!(places(&[a.clone(), a.clone(), for_image("ab", "'a:*', 'b:*'")]), [2]);
    assert_eq!(
        evaluate(&[a, b, rest]),
        "r skip: rule is skipped due to policy exceptions ns/a, ns/b, ns/rest"
    );
}

#[test]
fn an_exception_may_leave_out_single_controls_of_pod_security() {
    let evaluate = |exceptions: &[Arc<PolicyException>]| {
        let pod = "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {hostNetwork: true, volumes: [{name: v, hostPath: {path: /}}]}}";
        evaluate_compiled(&baseline().excepting(exceptions), pod, |_| {})
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
    // Of those that overlap the widest counts, in whatever order they come: each lets off what it names.
    for exceptions in [[host.clone(), whole.clone()], [whole, host]] {
        assert_eq!(evaluate(&exceptions), "r skip: rule is skipped due to policy exception ns/whole");
    }
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
