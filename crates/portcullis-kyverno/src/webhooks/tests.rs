//! Policies, and the requests that they ask for.

use portcullis_model::Operations;

use super::*;
use crate::kind::KindSelector;

fn needs(yaml: &str) -> WebhookNeeds {
    let arena = Arena::new();
    WebhookNeeds::of(portcullis_yaml::read(&arena, yaml).unwrap())
}

/// `Kind OPERATIONS` of each entry.
fn listed(requests: &Requests) -> Vec<String> {
    let line = |(kind, operations): (&KindSelector, &Operations)| {
        operations.iter().fold(kind.kind.to_string(), |line, operation| format!("{line} {operation}"))
    };
    requests.iter().map(line).collect()
}

fn policy(rules: &str) -> WebhookNeeds {
    needs(&format!("{{kind: ClusterPolicy, metadata: {{name: p}}, spec: {{rules: [{rules}]}}}}"))
}

#[test]
fn an_exclusion_of_operations_alone_takes_them_away() {
    let matched = "match: {any: [{resources: {kinds: [Service]}}]}, validate: {pattern: {a: b}}";
    let with = |exclude: &str| {
        listed(&policy(&format!("{{name: r, {matched}, exclude: {{any: [{exclude}]}}}}")).validating)
    };
    assert_eq!(with("{resources: {operations: [DELETE, CONNECT]}}"), ["Service CREATE UPDATE"]);
    assert_eq!(with("{resources: {kinds: [Service]}}"), [""; 0]);
    assert_eq!(with("{resources: {kinds: [Pod]}}"), ["Service CREATE UPDATE DELETE CONNECT"]);
    // Whom it is about is not known before the request comes.
    assert_eq!(
        with("{clusterRoles: [cluster-admin], resources: {operations: [DELETE]}}"),
        ["Service CREATE UPDATE DELETE CONNECT"]
    );
    assert_eq!(with("{}"), ["Service CREATE UPDATE DELETE CONNECT"]);
}

#[test]
fn a_generate_rule_watches_what_it_makes() {
    let needs = policy(
        "{name: r, match: {any: [{resources: {kinds: [Namespace], operations: [CREATE]}}]}, generate: {apiVersion: \
         networking.k8s.io/v1, kind: NetworkPolicy, name: n, foreach: [{list: x, kind: '{{ element }}', cloneList: \
         {kinds: [v1/Secret]}}]}}",
    );
    assert_eq!(
        listed(&needs.validating),
        ["Namespace CREATE", "NetworkPolicy CREATE UPDATE DELETE", "Secret CREATE UPDATE DELETE"]
    );
    assert!(needs.mutating.is_empty());
}

#[test]
fn rules_that_change_other_objects_do_not_mutate_the_request() {
    let needs = policy(
        "{name: r, match: {any: [{resources: {kinds: [ConfigMap]}}]}, mutate: {targets: [{kind: Secret}], \
         patchStrategicMerge: {a: b}}}",
    );
    assert_eq!(listed(&needs.validating), ["ConfigMap CREATE UPDATE DELETE CONNECT"]);
    assert!(needs.mutating.is_empty());
}

#[test]
fn a_policy_enforces_where_any_rule_or_override_does() {
    let may_enforce = |spec: &str| needs(&format!("{{kind: ClusterPolicy, spec: {{{spec}}}}}")).may_enforce;
    assert!(!may_enforce("rules: [{validate: {}}]"));
    assert!(may_enforce("validationFailureAction: enforce, rules: [{validate: {}}]"));
    // The rule has the last word.
    assert!(!may_enforce("validationFailureAction: Enforce, rules: [{validate: {failureAction: Audit}}]"));
    assert!(may_enforce("rules: [{validate: {failureAction: Enforce}}]"));
    assert!(may_enforce(
        "rules: [{validate: {failureAction: Audit, failureActionOverrides: [{action: Enforce, namespaces: [a]}]}}]"
    ));
    assert!(may_enforce(
        "validationFailureActionOverrides: [{action: Enforce, namespaces: [a]}], rules: [{validate: {}}]"
    ));
    // Nothing that mutates or generates refuses anything.
    assert!(!may_enforce("validationFailureAction: Enforce, rules: [{mutate: {}}]"));
}

#[test]
fn the_newer_of_two_fields_counts() {
    let needs = needs(
        "{kind: Policy, metadata: {name: p, namespace: dev}, spec: {failurePolicy: Fail, webhookTimeoutSeconds: 5, \
         webhookConfiguration: {failurePolicy: Ignore, timeoutSeconds: 7, matchConditions: [{name: a, expression: 'true'}]}}}",
    );
    assert_eq!(needs.failure_policy, FailurePolicy::Ignore);
    assert_eq!(needs.timeout_seconds, Some(7));
    assert_eq!(needs.match_conditions.len(), 1);
    assert_eq!(needs.namespace.as_deref(), Some("dev"));
}
