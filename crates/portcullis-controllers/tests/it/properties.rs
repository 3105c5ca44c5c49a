//! What holds of the configurations, whatever the policies.

use std::collections::BTreeSet;

use k8s_openapi::api::admissionregistration::v1::{RuleWithOperations, ValidatingWebhook};
use portcullis_cluster::discovery::ServedResource;
use portcullis_controllers::webhooks::{Configurations, validating_failure_policy};
use portcullis_kyverno::kind::KindSelector;
use portcullis_kyverno::webhooks::{FailurePolicy, MatchCondition, WebhookNeeds};
use portcullis_model::{Gvk, Operation, Operations};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::cluster::{discovery, settings};

const KINDS: &[&str] = &[
    "Pod",
    "v1/Pod",
    "Pod/exec",
    "Pod/*",
    "*",
    "*/*",
    "*/status",
    "apps/*/*",
    "v1/*",
    "*.k8s.io/*/*",
    "Deployment",
    "Deployment/scale",
    "Event",
    "events.k8s.io/v1/Event",
    "Node",
    "Namespace",
    "Job",
    "*Job",
    "Unknown",
    "autoscaling/v2/HorizontalPodAutoscaler",
];

fn policy() -> impl Strategy<Value = WebhookNeeds> {
    let requests = prop::collection::btree_map(
        select(KINDS).prop_map(KindSelector::parse),
        subsequence(Operation::ALL.to_vec(), 1..=4).prop_map(Operations::from_iter),
        0..4,
    );
    let failure_policy = select(vec![FailurePolicy::Fail, FailurePolicy::Ignore]);
    (requests, failure_policy, any::<[bool; 3]>(), 0..40, "[a-c]{1,2}").prop_map(
        |(validating, failure_policy, [is_namespaced, may_enforce, has_conditions], timeout, name)| {
            WebhookNeeds {
                name: name.into(),
                namespace: is_namespaced.then(|| "a".into()),
                failure_policy,
                may_enforce,
                timeout_seconds: (timeout > 0).then_some(timeout),
                match_conditions: has_conditions
                    .then(|| MatchCondition { name: "a".to_owned(), expression: "true".to_owned() })
                    .into_iter()
                    .collect(),
                mutating: validating.clone(),
                validating,
            }
        },
    )
}

/// Policies with different names, as in a cluster.
fn policies() -> impl Strategy<Value = Vec<WebhookNeeds>> {
    prop::collection::vec(policy(), 0..8).prop_map(|mut policies| {
        let mut seen = BTreeSet::new();
        policies.retain(|policy| seen.insert((policy.namespace.clone(), policy.name.clone())));
        policies
    })
}

fn webhooks(policies: &[WebhookNeeds]) -> Vec<ValidatingWebhook> {
    Configurations::of(policies, &discovery(), &settings()).validating.webhooks.unwrap()
}

/// Resource and subresource.
fn parts(resource: &str) -> (&str, &str) {
    resource.split_once('/').unwrap_or((resource, ""))
}

/// Whether an API server finds `rule` to be about the request.
fn is_about(rule: &RuleWithOperations, served: &ServedResource, operation: Operation) -> bool {
    let has =
        |list: &Option<Vec<String>>, one: &str| list.iter().flatten().any(|item| item == "*" || item == one);
    let resource = |pattern: &String| {
        let (resource, subresource) = parts(pattern);
        (resource == "*" || resource == &*served.resource)
            && (subresource == "*" || subresource == &*served.subresource)
    };
    has(&rule.api_groups, &served.group)
        && has(&rule.api_versions, &served.version)
        && has(&rule.operations, operation.as_str())
        && rule.resources.iter().flatten().any(resource)
        && (rule.scope.as_deref() == Some("*") || served.namespaced)
}

fn is_sent(webhook: &ValidatingWebhook, served: &ServedResource, operation: Operation) -> bool {
    webhook.rules.iter().flatten().any(|rule| is_about(rule, served, operation))
}

/// Whether the policy asks for the request. Who asks for Pods gets the containers that are added to them.
fn is_needed(policy: &WebhookNeeds, served: &ServedResource, operation: Operation) -> bool {
    let gvk = Gvk { group: &served.group, version: &served.version, kind: &served.kind };
    let names = |kind: &KindSelector| {
        let is_of_pod = &*served.subresource == "ephemeralcontainers";
        kind.matches(gvk, &served.subresource, false) || (is_of_pod && kind.matches(gvk, "", false))
    };
    (served.namespaced || policy.namespace.is_none())
        && policy.validating.iter().any(|(kind, operations)| operations.contains(operation) && names(kind))
}

/// The path of the webhook at which the policy judges.
fn path(policy: &WebhookNeeds) -> String {
    let bucket = match validating_failure_policy(policy, settings().ignore_failures) {
        FailurePolicy::Fail => "/validate/fail",
        FailurePolicy::Ignore => "/validate/ignore",
    };
    match (&policy.match_conditions[..], &policy.namespace) {
        ([], _) => bucket.to_owned(),
        (_, None) => format!("{bucket}/finegrained/{}", policy.name),
        (_, Some(namespace)) => format!("{bucket}/finegrained/{namespace}/{}", policy.name),
    }
}

fn path_of(webhook: &ValidatingWebhook) -> &str {
    webhook.client_config.service.as_ref().unwrap().path.as_deref().unwrap()
}

proptest! {
    #[test]
    fn a_webhook_is_sent_what_its_policies_need_and_nothing_else(policies in policies()) {
        let webhooks = webhooks(&policies);
        let discovery = discovery();
        for webhook in &webhooks {
            let of_webhook: Vec<_> = policies.iter().filter(|policy| path(policy) == path_of(webhook)).collect();
            for served in discovery.resources() {
                for operation in Operation::ALL {
                    prop_assert_eq!(
                        is_sent(webhook, served, operation),
                        of_webhook.iter().any(|policy| is_needed(policy, served, operation)),
                        "{} {:?} {}", &webhook.name, served, operation
                    );
                }
            }
        }
        for policy in &policies {
            let needs_anything = discovery.resources().iter().any(|served| {
                Operation::ALL.into_iter().any(|operation| is_needed(policy, served, operation))
            });
            let has_webhook = webhooks.iter().any(|webhook| path_of(webhook) == path(policy));
            prop_assert!(has_webhook || !needs_anything, "{:?}", policy);
        }
    }

    #[test]
    fn a_policy_more_never_takes_a_request_away(policies in policies(), at in 0..8usize) {
        let mut fewer = policies.clone();
        if at < fewer.len() {
            fewer.remove(at);
        }
        let after = webhooks(&policies);
        for webhook in webhooks(&fewer) {
            let same = after.iter().find(|other| path_of(other) == path_of(&webhook));
            let same = same.expect("the webhook is still there");
            prop_assert!(same.timeout_seconds >= webhook.timeout_seconds);
            for served in discovery().resources() {
                for operation in Operation::ALL {
                    prop_assert!(!is_sent(&webhook, served, operation) || is_sent(same, served, operation));
                }
            }
        }
    }

    #[test]
    fn the_order_of_policies_does_not_matter(policies in policies(), seed in any::<prop::sample::Index>()) {
        let mut other = policies.clone();
        other.reverse();
        if !other.is_empty() {
            let middle = seed.index(other.len());
            other.rotate_left(middle);
        }
        let of = |policies: &[WebhookNeeds]| Configurations::of(policies, &discovery(), &settings());
        prop_assert_eq!(of(&policies), of(&other));
    }

    #[test]
    fn an_api_server_takes_the_form(policies in policies()) {
        let webhooks = webhooks(&policies);
        let names: Vec<_> = webhooks.iter().map(|webhook| &webhook.name).collect();
        prop_assert!(names.is_sorted_by(|one, other| one < other), "{:?}", names);
        for webhook in &webhooks {
            prop_assert!((1..=30).contains(&webhook.timeout_seconds.unwrap()));
            for rule in webhook.rules.iter().flatten() {
                let resources = rule.resources.as_ref().unwrap();
                // An API server refuses a rule that names what a star in it names already.
                let covers = |wide: &str, narrow: &str| {
                    let (wide, narrow) = (parts(wide), parts(narrow));
                    (wide.0 == "*" || wide.0 == narrow.0) && (wide.1 == "*" || wide.1 == narrow.1)
                };
                let twice = resources.iter().any(|narrow| {
                    resources.iter().any(|wide| wide != narrow && covers(wide, narrow))
                });
                prop_assert!(!twice, "{:?}", resources);
            }
        }
    }
}
