//! What a policy needs of an API server: which requests are to be sent to the engine, and what becomes of them when it
//! does not answer.

mod requests;

use std::sync::Arc;

pub use portcullis_model::FailurePolicy;
use portcullis_model::Resource;
use portcullis_value::{Arena, Value};

use crate::autogen;
use crate::validation::FailureAction;

pub use requests::Requests;

/// What one policy needs of webhook configurations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookNeeds {
    pub name: Arc<str>,
    /// `None` for a ClusterPolicy.
    pub namespace: Option<Arc<str>>,
    pub failure_policy: FailurePolicy,
    /// Whether a violation may refuse a request anywhere. A policy that only audits must not stand in the way.
    pub may_enforce: bool,
    /// How long the API server waits, where the policy says so.
    pub timeout_seconds: Option<i32>,
    /// CEL conditions that the API server checks before it asks.
    pub match_conditions: Vec<MatchCondition>,
    /// What rules that change the object of the request are about.
    pub mutating: Requests,
    /// What all other rules are about.
    pub validating: Requests,
}

/// An entry of `webhookConfiguration.matchConditions`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatchCondition {
    pub name: String,
    pub expression: String,
}

impl WebhookNeeds {
    /// The needs of a ClusterPolicy or Policy. What is of a wrong type is left out.
    ///
    /// A policy with `admission: false` needs nothing.
    pub fn of(policy: Value<'_>) -> Self {
        let arena = Arena::new();
        let resource = Resource(policy);
        let spec = policy.get("spec").unwrap_or_default();
        // The fields of `webhookConfiguration` have older names beside it.
        let configured = |key: &str, old: &str| {
            given(spec, &["webhookConfiguration", key]).or_else(|| given(spec, &[old]))
        };
        let takes_part = spec.get("admission").and_then(Value::as_bool) != Some(false);
        let rules = if takes_part { autogen::all_rules(&arena, policy).into_vec() } else { Vec::new() };
        Self {
            name: resource.name().into(),
            namespace: (resource.kind() == "Policy").then(|| resource.namespace().into()),
            failure_policy: match configured("failurePolicy", "failurePolicy").and_then(Value::as_str) {
                Some("Ignore") => FailurePolicy::Ignore,
                _ => FailurePolicy::Fail,
            },
            may_enforce: may_enforce(spec),
            timeout_seconds: configured("timeoutSeconds", "webhookTimeoutSeconds")
                .and_then(Value::as_i64)
                .and_then(|seconds| i32::try_from(seconds).ok()),
            match_conditions: list(spec, &["webhookConfiguration", "matchConditions"])
                .iter()
                .filter_map(|condition| MatchCondition::of(*condition))
                .collect(),
            mutating: requests::mutating(&rules),
            validating: requests::validating(&rules),
        }
    }
}

impl MatchCondition {
    fn of(condition: Value<'_>) -> Option<Self> {
        let text = |key| Some(condition.get(key)?.as_str()?.to_owned());
        Some(Self { name: text("name")?, expression: text("expression")? })
    }
}

/// Whether the effective action of any rule, somewhere, is to enforce.
pub(crate) fn may_enforce(spec: Value<'_>) -> bool {
    let enforces = |action: Option<Value<'_>>| {
        action
            .and_then(Value::as_str)
            .is_some_and(|action| FailureAction::of(action) == FailureAction::Enforce)
    };
    let any_override = |overrides: &[Value<'_>]| overrides.iter().any(|item| enforces(item.get("action")));
    // What holds where a rule says nothing.
    let policy_enforces = enforces(spec.get("validationFailureAction"))
        || any_override(list(spec, &["validationFailureActionOverrides"]));
    let action_enforces = |block: Value<'_>| match given(block, &["failureAction"]) {
        None => policy_enforces,
        action => enforces(action),
    };
    list(spec, &["rules"]).iter().any(|rule| {
        given(*rule, &["validate"]).is_some_and(|validate| {
            action_enforces(validate) || any_override(list(validate, &["failureActionOverrides"]))
        }) || list(*rule, &["verifyImages"]).iter().any(|images| action_enforces(*images))
    })
}

/// What `path` leads to, unless that is null, which Go's decoder takes for absent.
fn given<'a>(value: Value<'a>, path: &[&str]) -> Option<Value<'a>> {
    value.path(path).filter(|value| !value.is_null())
}

/// The list that `path` leads to, empty if there is none.
fn list<'a>(value: Value<'a>, path: &[&str]) -> &'a [Value<'a>] {
    value.path(path).and_then(Value::as_array).unwrap_or_default()
}

#[cfg(test)]
mod tests;
