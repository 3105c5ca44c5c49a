//! Policies put together by webhook.

use std::collections::BTreeMap;
use std::collections::btree_map;

use k8s_openapi::api::admissionregistration::v1::MatchCondition;
use portcullis_cluster::discovery::Discovery;
use portcullis_kyverno::webhooks::{FailurePolicy, Requests, WebhookNeeds};

use super::rules::RuleSet;
use super::{PolicyName, policy_name};

/// The webhooks of one configuration.
#[derive(Debug, Default)]
pub(super) struct Buckets(BTreeMap<BucketKey, Bucket>);

/// Whose webhook it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct BucketKey {
    pub(super) failure_policy: FailurePolicy,
    /// The policy that has the webhook for itself.
    own: Option<PolicyName>,
}

/// What the policies of one webhook need together.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    pub(super) policies: Vec<PolicyName>,
    /// The requests that policies of the whole cluster ask for.
    everywhere: Requests,
    /// Those that policies ask for which are limited to their namespaces.
    in_namespaces: Requests,
    /// The longest that any policy asks for; 0 where none does.
    pub(super) timeout_seconds: i32,
    /// Those of the policy that has the webhook for itself.
    pub(super) match_conditions: Option<Vec<MatchCondition>>,
}

impl Buckets {
    /// Adds the `requests` that `policy` needs in this configuration, if there are any.
    pub(super) fn add(&mut self, policy: &WebhookNeeds, failure_policy: FailurePolicy, requests: &Requests) {
        if requests.is_empty() {
            return;
        }
        let conditions: Vec<_> = policy
            .match_conditions
            .iter()
            .map(|condition| MatchCondition {
                name: condition.name.clone(),
                expression: condition.expression.clone(),
            })
            .collect();
        let name = policy_name(policy);
        let own = (!conditions.is_empty()).then(|| name.clone());
        let bucket = self.0.entry(BucketKey { failure_policy, own }).or_default();
        bucket.policies.push(name);
        bucket.timeout_seconds = bucket.timeout_seconds.max(policy.timeout_seconds.unwrap_or_default());
        bucket.match_conditions = (!conditions.is_empty()).then_some(conditions);
        let all = match policy.namespace {
            None => &mut bucket.everywhere,
            Some(_) => &mut bucket.in_namespaces,
        };
        for (kind, operations) in requests {
            // Thousands of policies name the same few kinds.
            match all.get_mut(kind) {
                Some(known) => *known = known.or(*operations),
                None => {
                    all.insert(kind.clone(), *operations);
                }
            }
        }
    }
}

impl Bucket {
    /// The requests as resources that `discovery` knows.
    pub(super) fn rules(&self, discovery: &Discovery) -> RuleSet {
        let mut rules = RuleSet::default();
        for (requests, is_namespaced) in [(&self.everywhere, false), (&self.in_namespaces, true)] {
            for (kind, operations) in requests {
                rules.add(kind, *operations, is_namespaced, discovery);
            }
        }
        rules
    }
}

impl IntoIterator for Buckets {
    type Item = (BucketKey, Bucket);
    type IntoIter = btree_map::IntoIter<BucketKey, Bucket>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl BucketKey {
    /// The end of the webhook's name: `fail`, `ignore-finegrained-NAMESPACE-NAME`.
    pub(super) fn name(&self) -> String {
        self.joined("-")
    }

    /// The end of the webhook's path: `fail`, `ignore/finegrained/NAMESPACE/NAME`.
    pub(super) fn path(&self) -> String {
        self.joined("/")
    }

    fn joined(&self, separator: &str) -> String {
        let mut parts = vec![match self.failure_policy {
            FailurePolicy::Fail => "fail",
            FailurePolicy::Ignore => "ignore",
        }];
        if let Some((namespace, name)) = &self.own {
            parts.extend(["finegrained", &**namespace, &**name].iter().filter(|part| !part.is_empty()));
        }
        parts.join(separator)
    }
}
