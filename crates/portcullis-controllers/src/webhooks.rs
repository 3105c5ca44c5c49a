//! The two webhook configurations that the policies in force need.
//!
//! Policies are put into buckets: one for each failure policy, and one for each policy with conditions of its own. A
//! bucket that asks for requests becomes a webhook. Nothing depends on the order of the policies.

mod bucket;
mod exclusions;
mod never_asked;
mod policy;
mod rules;
mod settings;

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhook, MutatingWebhookConfiguration, ValidatingWebhook, ValidatingWebhookConfiguration,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use portcullis_cluster::discovery::Discovery;
use portcullis_kyverno::webhooks::{FailurePolicy, WebhookNeeds};

use bucket::Buckets;

pub(crate) use never_asked::Unasked;
pub use never_asked::{NeverAsked, never_asked};
pub use policy::policy_configuration;
pub use settings::{MANAGED_BY, Reach, Settings, WebhookNames};

/// Both configurations, as they are to be in the cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Configurations {
    pub mutating: MutatingWebhookConfiguration,
    pub validating: ValidatingWebhookConfiguration,
    /// The webhooks of each policy, by their names. A policy that nothing is asked of has none.
    pub webhooks_of: WebhooksOf,
}

/// The namespace of a policy, empty for a ClusterPolicy, and its name. Shared with what is known of the policy's needs.
pub type PolicyName = (Arc<str>, Arc<str>);

/// The name of the policy that needs this.
pub(crate) fn policy_name(needs: &WebhookNeeds) -> PolicyName {
    (needs.namespace.clone().unwrap_or_default(), needs.name.clone())
}

/// The names of webhooks by policy.
pub type WebhooksOf = BTreeMap<PolicyName, Vec<Arc<str>>>;

impl Configurations {
    /// What `policies` need of an API server that serves `discovery`.
    ///
    /// Where nothing is needed the configurations are there and hold no webhook. Kinds that are not served are passed
    /// over: they are found once they are.
    pub fn of<'p>(
        policies: impl IntoIterator<Item = &'p WebhookNeeds>,
        discovery: &Discovery,
        settings: &Settings,
    ) -> Self {
        let mut mutating = Buckets::default();
        let mut validating = Buckets::default();
        for policy in policies {
            let ignore_failures = settings.ignore_failures;
            mutating.add(policy, mutating_failure_policy(policy, ignore_failures), &policy.mutating);
            validating.add(policy, validating_failure_policy(policy, ignore_failures), &policy.validating);
        }
        let names = settings.names;
        let mut of = WebhooksOf::new();
        let mutating =
            webhooks(mutating, discovery, settings, [names.mutating_webhook(), "/mutate"], &mut of);
        let validating =
            webhooks(validating, discovery, settings, [names.validating_webhook(), "/validate"], &mut of);
        Self {
            mutating: MutatingWebhookConfiguration {
                metadata: metadata(names.mutating_configuration(), settings),
                webhooks: Some(mutating.into_iter().map(into_mutating).collect()),
            },
            validating: ValidatingWebhookConfiguration {
                metadata: metadata(names.validating_configuration(), settings),
                webhooks: Some(validating),
            },
            webhooks_of: of,
        }
    }
}

/// The failure policy of the webhook at which rules of `policy` change objects; `ignore_failures` is that of the settings.
pub fn mutating_failure_policy(policy: &WebhookNeeds, ignore_failures: bool) -> FailurePolicy {
    if ignore_failures { FailurePolicy::Ignore } else { policy.failure_policy }
}

/// The failure policy of the webhook at which rules of `policy` judge objects.
///
/// A policy that never refuses a request must not have any refused because nobody answers.
pub fn validating_failure_policy(policy: &WebhookNeeds, ignore_failures: bool) -> FailurePolicy {
    if policy.may_enforce { mutating_failure_policy(policy, ignore_failures) } else { FailurePolicy::Ignore }
}

/// The webhooks of `buckets`, sorted by name; `name` and `path` are what theirs begin with. Each is added to those `of`
/// its policies.
fn webhooks(
    buckets: Buckets,
    discovery: &Discovery,
    settings: &Settings,
    [name, path]: [&str; 2],
    of: &mut WebhooksOf,
) -> Vec<ValidatingWebhook> {
    let mut webhooks: BTreeMap<String, ValidatingWebhook> = BTreeMap::new();
    for (key, bucket) in buckets {
        let rules = bucket.rules(discovery);
        if rules.is_empty() {
            continue;
        }
        // Policy `b-c` of namespace `a` and policy `c` of namespace `a-b` share a name, which an API server refuses.
        let name = unique(&format!("{name}-{}", key.name()), |name| webhooks.contains_key(name));
        let shared: Arc<str> = name.as_str().into();
        for policy in bucket.policies {
            of.entry(policy).or_default().push(shared.clone());
        }
        let failure_policy = key.failure_policy;
        let conditions = bucket.match_conditions.unwrap_or_else(|| settings.match_conditions.clone());
        let conditions = exclusions::match_conditions(conditions, failure_policy);
        let webhook = ValidatingWebhook {
            name: name.clone(),
            admission_review_versions: vec!["v1".to_owned()],
            client_config: settings.client_config(&format!("{path}/{}", key.path())),
            failure_policy: Some(spelled(failure_policy).to_owned()),
            match_conditions: (!conditions.is_empty()).then_some(conditions),
            match_policy: Some("Equivalent".to_owned()),
            namespace_selector: Some(exclusions::namespace_selector(settings)),
            object_selector: Some(settings.object_selector.clone().unwrap_or_default()),
            rules: Some(rules.into_rules()),
            side_effects: "None".to_owned(),
            timeout_seconds: Some(settings.timeout(bucket.timeout_seconds)),
        };
        webhooks.insert(name, webhook);
    }
    webhooks.into_values().collect()
}

/// The webhook as one of the mutating configuration.
fn into_mutating(webhook: ValidatingWebhook) -> MutatingWebhook {
    MutatingWebhook {
        name: webhook.name,
        admission_review_versions: webhook.admission_review_versions,
        client_config: webhook.client_config,
        failure_policy: webhook.failure_policy,
        match_conditions: webhook.match_conditions,
        match_policy: webhook.match_policy,
        namespace_selector: webhook.namespace_selector,
        object_selector: webhook.object_selector,
        // Whoever changes the object after us may bring it back to where a policy applies.
        reinvocation_policy: Some("IfNeeded".to_owned()),
        rules: webhook.rules,
        side_effects: "NoneOnDryRun".to_owned(),
        timeout_seconds: webhook.timeout_seconds,
    }
}

fn metadata(name: &str, settings: &Settings) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        labels: Some(settings.labels()),
        annotations: (!settings.annotations.is_empty()).then(|| settings.annotations.clone()),
        owner_references: settings.owner.clone().map(|owner| vec![owner]),
        ..ObjectMeta::default()
    }
}

/// `name`, with a number behind it where it is taken.
fn unique(name: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let mut unique = name.to_owned();
    let mut number = 2;
    while is_taken(&unique) {
        unique = format!("{name}-{number}");
        number += 1;
    }
    unique
}

/// As webhook configurations spell it.
fn spelled(failure_policy: FailurePolicy) -> &'static str {
    match failure_policy {
        FailurePolicy::Fail => "Fail",
        FailurePolicy::Ignore => "Ignore",
    }
}
