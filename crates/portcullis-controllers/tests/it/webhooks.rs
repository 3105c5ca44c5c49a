//! What the configurations look like.

use portcullis_controllers::policy_admission;
use portcullis_controllers::webhooks::{
    Configurations, NeverAsked, Reach, Settings, WebhookNames, never_asked,
};
use portcullis_kyverno::webhooks::WebhookNeeds;
use portcullis_kyverno::{Lookups, Policy};
use portcullis_value::{Arena, json};
use serde::Serialize;

use crate::cluster::{discovery, needs, settings};

const FOUNDING: &str = include_str!("../../../../examples/dangling-jobs/add-ttl-to-dangling-job.yaml");

fn yaml(value: &impl Serialize) -> String {
    let arena = Arena::new();
    portcullis_yaml::to_string(json::read(&arena, arena.str(&serde_json::to_string(value).unwrap())).unwrap())
}

fn configurations(policies: &[WebhookNeeds], settings: &Settings) -> Configurations {
    Configurations::of(policies, &discovery(), settings)
}

/// `name path failurePolicy timeout` of each webhook, mutating ones first.
fn overview(configurations: &Configurations) -> Vec<String> {
    let mutating = configurations.mutating.webhooks.iter().flatten().map(|webhook| {
        (&webhook.name, &webhook.client_config, &webhook.failure_policy, webhook.timeout_seconds)
    });
    let validating = configurations.validating.webhooks.iter().flatten().map(|webhook| {
        (&webhook.name, &webhook.client_config, &webhook.failure_policy, webhook.timeout_seconds)
    });
    mutating
        .chain(validating)
        .map(|(name, client, failure_policy, timeout)| {
            let path =
                client.service.as_ref().and_then(|service| service.path.as_ref()).or(client.url.as_ref());
            let failure_policy = failure_policy.as_ref().unwrap();
            format!("{name} {} {failure_policy} {}", path.unwrap(), timeout.unwrap())
        })
        .collect()
}

/// A policy about Pods; `spec` is the rest of its specification.
fn pod_policy(kind: &str, namespace: &str, name: &str, spec: &str) -> WebhookNeeds {
    needs(&format!(
        "{{kind: {kind}, metadata: {{name: '{name}', namespace: '{namespace}', annotations: \
         {{pod-policies.kyverno.io/autogen-controllers: none}}}}, spec: {{rules: [{{name: r, match: {{any: [{{resources: \
         {{kinds: [Pod]}}}}]}}, validate: {{pattern: {{a: b}}}}}}], {spec}}}}}"
    ))
}

#[test]
fn the_founding_policy_asks_for_jobs_alone() {
    let configurations = configurations(&[needs(FOUNDING)], &settings());
    let text = format!("{}---\n{}", yaml(&configurations.mutating), yaml(&configurations.validating));
    assert_eq!(text, include_str!("founding_policy.yaml"), "in full:\n{text}");
}

#[test]
fn a_policy_that_only_audits_never_stands_in_the_way() {
    let policies = [
        pod_policy("ClusterPolicy", "", "audits", "failurePolicy: Fail"),
        pod_policy("ClusterPolicy", "", "enforces", "validationFailureAction: Enforce"),
    ];
    assert_eq!(
        overview(&configurations(&policies[..1], &settings())),
        ["validate.portcullis.svc-ignore /validate/ignore Ignore 10"]
    );
    assert_eq!(
        overview(&configurations(&policies, &settings())),
        [
            "validate.portcullis.svc-fail /validate/fail Fail 10",
            "validate.portcullis.svc-ignore /validate/ignore Ignore 10"
        ]
    );
}

#[test]
fn a_webhook_that_fails_leaves_out_what_keeps_the_cluster_alive() {
    let policy = pod_policy("ClusterPolicy", "", "p", "validationFailureAction: Enforce");
    let configurations = configurations(&[policy], &settings());
    let webhook = &configurations.validating.webhooks.unwrap()[0];
    let expressions: Vec<_> =
        webhook.match_conditions.iter().flatten().map(|condition| condition.expression.as_str()).collect();
    let expressions = expressions.join("\n");
    for resource in [
        "nodes",
        "certificatesigningrequests",
        "leases",
        "token",
        "authentication",
        "authorization",
        "clusterrolebindings",
    ] {
        assert!(expressions.contains(resource), "{resource}");
    }
}

#[test]
fn who_fails_closed_is_told_what_is_never_asked() {
    let warnings_where = |ignore_failures, spec: &str| {
        let arena = Arena::new();
        let policy = format!(
            "{{apiVersion: kyverno.io/v1, kind: ClusterPolicy, metadata: {{name: p}}, spec: {{background: false, {spec}, \
             rules: [{{name: r, match: {{any: [{{resources: {{kinds: [Secret, Node, ServiceAccount/token]}}}}]}}, \
             validate: {{failureAction: Enforce, deny: {{}}}}}}]}}}}"
        );
        let policy = portcullis_yaml::read(&arena, arena.str(&policy)).unwrap();
        policy_admission(policy, Some(&discovery()), ignore_failures, 0, Lookups::default()).warnings
    };
    let warnings = |spec| warnings_where(false, spec);
    let [told] = warnings("failurePolicy: Fail").try_into().unwrap();
    assert!(told.starts_with("never asked about `Node`, `ServiceAccount/token`, which"), "{told}");
    assert_eq!(warnings("failurePolicy: Ignore"), [""; 0]);
    // Where all failures are ignored, everything is asked about.
    assert_eq!(warnings_where(true, "failurePolicy: Fail"), [""; 0]);
}

#[test]
fn a_rule_that_is_about_nothing_else_than_what_fails_closed_in_vain_is_never_asked() {
    let asked = |kind: &str, rule: &str, spec: &str, ignore_failures: bool| {
        let arena = Arena::new();
        let policy = format!(
            "{{kind: {kind}, metadata: {{name: p, namespace: n}}, spec: {{{spec}, rules: [{rule}]}}}}"
        );
        let policy = portcullis_yaml::read(&arena, arena.str(&policy)).unwrap();
        let (compiled, needs) = (Policy::compile(policy), WebhookNeeds::of(policy));
        never_asked([(&compiled, &needs)], &discovery(), ignore_failures).into_values().next()
    };
    let rule = |kinds: &str, action: &str| {
        format!("{{name: r, match: {{any: [{{resources: {{kinds: [{kinds}]}}}}]}}, {action}}}")
    };
    let (enforce, audit) =
        ("validate: {failureAction: Enforce, deny: {}}", "validate: {failureAction: Audit, deny: {}}");
    let closed = |kinds: &str| asked("ClusterPolicy", &rule(kinds, enforce), "failurePolicy: Fail", false);
    let told = |named: &[&str], among_others: &[&str], rules: &[&str]| {
        let set = |kinds: &[&str]| kinds.iter().map(ToString::to_string).collect();
        let rules = rules.iter().map(ToString::to_string).collect();
        Some(NeverAsked { named: set(named), among_others: set(among_others), rules })
    };
    assert_eq!(closed("Node"), told(&["Node"], &[], &["r"]));
    assert_eq!(closed("Node, ServiceAccount/token"), told(&["Node", "ServiceAccount/token"], &[], &["r"]));
    assert_eq!(closed("Node, Secret"), told(&["Node"], &[], &[]));
    // A kind that is not served yet is asked about once it is.
    assert_eq!(closed("Node, Unknown"), told(&["Node"], &[], &[]));
    assert_eq!(closed("'*'"), told(&[], &["Node"], &[]));
    assert_eq!(closed("Secret"), None);
    // What does not fail closed is asked about.
    let of = |rule: &str, spec: &str, ignore_failures| asked("ClusterPolicy", rule, spec, ignore_failures);
    assert_eq!(of(&rule("Node", enforce), "failurePolicy: Ignore", false), None);
    assert_eq!(of(&rule("Node", enforce), "failurePolicy: Fail", true), None);
    assert_eq!(of(&rule("Node", audit), "failurePolicy: Fail", false), None);
    assert_eq!(of(&rule("Node", enforce), "failurePolicy: Fail, admission: false", false), None);
    // Where nothing refuses, changes fail closed all the same.
    let both = [rule("Node", audit), rule("Node", "mutate: {patchStrategicMerge: {a: b}}")].join(", ");
    let both = both.replacen("name: r", "name: audits", 1);
    assert_eq!(of(&both, "failurePolicy: Fail", false), told(&["Node"], &[], &["r"]));
    // A policy of a namespace has nothing to say about Nodes, whoever is asked.
    assert_eq!(asked("Policy", &rule("Node", enforce), "failurePolicy: Fail", false), None);
}

#[test]
fn conditions_of_its_own_give_a_policy_its_own_webhook() {
    let spec = "validationFailureAction: Enforce, webhookConfiguration: {timeoutSeconds: 20, matchConditions: \
                [{name: a, expression: 'true'}, {name: a, expression: 'false'}]}";
    let policies = [
        pod_policy("ClusterPolicy", "", "one", spec),
        pod_policy("Policy", "team", "two", spec),
        // The names of these two come to the same.
        pod_policy("Policy", "a", "b-c", spec),
        pod_policy("Policy", "a-b", "c", spec),
        pod_policy("ClusterPolicy", "", "plain", "validationFailureAction: Enforce"),
    ];
    let configurations = configurations(&policies, &Settings { names: WebhookNames::Kyverno, ..settings() });
    assert_eq!(
        overview(&configurations),
        [
            "validate.kyverno.svc-fail /validate/fail Fail 10",
            "validate.kyverno.svc-fail-finegrained-a-b-c /validate/fail/finegrained/a/b-c Fail 20",
            "validate.kyverno.svc-fail-finegrained-a-b-c-2 /validate/fail/finegrained/a-b/c Fail 20",
            "validate.kyverno.svc-fail-finegrained-one /validate/fail/finegrained/one Fail 20",
            "validate.kyverno.svc-fail-finegrained-team-two /validate/fail/finegrained/team/two Fail 20",
        ]
    );
    let webhooks_of = |namespace: &str, name: &str| {
        configurations.webhooks_of[&(namespace.into(), name.into())]
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(webhooks_of("a-b", "c"), ["validate.kyverno.svc-fail-finegrained-a-b-c-2"]);
    assert_eq!(webhooks_of("", "plain"), ["validate.kyverno.svc-fail"]);
    let webhook = &configurations.validating.webhooks.unwrap()[3];
    let names: Vec<_> =
        webhook.match_conditions.iter().flatten().map(|condition| condition.name.as_str()).collect();
    assert!(names.ends_with(&["a", "a-2"]), "{names:?}");
}

#[test]
fn a_laptop_serves_without_ever_blocking() {
    let policy =
        pod_policy("ClusterPolicy", "", "p", "validationFailureAction: Enforce, webhookTimeoutSeconds: 30");
    let settings = Settings {
        ignore_failures: true,
        longest_timeout_seconds: 3,
        ..Settings::new(Reach::Url("https://127.0.0.1:9443".to_owned()), b"CA".to_vec())
    };
    let configurations = configurations(&[policy], &settings);
    assert_eq!(
        overview(&configurations),
        ["validate.portcullis.svc-ignore https://127.0.0.1:9443/validate/ignore Ignore 3"]
    );
}

#[test]
fn kinds_with_stars_are_asked_for_with_stars() {
    let policy = |kind: &str| {
        needs(&format!(
            "{{kind: ClusterPolicy, metadata: {{name: p}}, spec: {{rules: [{{match: {{any: [{{resources: {{kinds: \
             ['{kind}', Pod, Node]}}}}]}}, validate: {{}}}}]}}}}"
        ))
    };
    let rules = |kind: &str| -> Vec<String> {
        let configurations = configurations(&[policy(kind)], &settings());
        let webhook = &configurations.validating.webhooks.unwrap()[0];
        let rule = |rule: &k8s_openapi::api::admissionregistration::v1::RuleWithOperations| {
            format!(
                "{}/{}/{} {}",
                rule.api_groups.as_ref().unwrap().join(","),
                rule.api_versions.as_ref().unwrap().join(","),
                rule.resources.as_ref().unwrap().join(","),
                rule.scope.as_ref().unwrap()
            )
        };
        webhook.rules.iter().flatten().map(rule).collect()
    };
    assert_eq!(rules("*"), ["*/*/*,pods/ephemeralcontainers *"]);
    assert_eq!(rules("*/*"), ["*/*/*/* *"]);
    assert_eq!(
        rules("apps/*/*"),
        ["/v1/nodes *", "/v1/pods,pods/ephemeralcontainers Namespaced", "apps/*/* *"]
    );
    assert_eq!(
        rules("*.k8s.io/*/*"),
        [
            "/v1/nodes *",
            "/v1/pods,pods/ephemeralcontainers Namespaced",
            "events.k8s.io/v1/events Namespaced",
            "storage.k8s.io/v1/storageclasses *"
        ]
    );
    assert_eq!(
        rules("*/scale"),
        ["/v1/nodes *", "/v1/pods,pods/ephemeralcontainers Namespaced", "*/*/*/scale *"]
    );
}
