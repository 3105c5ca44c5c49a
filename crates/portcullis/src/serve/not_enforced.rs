//! Rules of policies from files that are not enforced. In a cluster the status of a policy says so.

use std::sync::Arc;

use portcullis_kyverno::{Lookups, Policy};
use portcullis_model::CompiledPolicy as _;
use portcullis_webhook::Metrics;
use prometheus_client::metrics::gauge::Gauge;

/// Warns of the rules of `policies` that are not enforced where `lookups` are offered, and adds their number to `metrics`.
pub(super) fn tell(policies: &[Arc<Policy>], lookups: Lookups, metrics: &Metrics) {
    let rules: usize = policies.iter().map(|policy| tell_of(policy, lookups)).sum();
    let gauge: Gauge = Gauge::default();
    gauge.set(i64::try_from(rules).unwrap_or(i64::MAX));
    metrics.register(|registry| {
        registry.register(
            "portcullis_policies_not_enforced",
            "Rules of policies that are not enforced, since this version does not execute them, or since nobody checks the \
             match conditions of their policy",
            gauge,
        );
    });
}

/// Warns of one policy; how many rules that are.
fn tell_of(policy: &Policy, lookups: Lookups) -> usize {
    if policy.profile().has_match_conditions {
        let rules: Vec<_> = policy.written_rules().map(|(rule, ..)| format!("`{rule}`")).collect();
        let why = "its `webhookConfiguration.matchConditions` are for an API server to check";
        warn(policy, &rules, why);
        return rules.len();
    }
    let not_executed = policy.rules_not_executed(lookups);
    let rules: Vec<_> = not_executed.map(|(rule, part)| format!("`{rule}` (it has `{part}`)")).collect();
    if !rules.is_empty() {
        warn(policy, &rules, "this version does not execute them");
    }
    rules.len()
}

fn warn(policy: &Policy, rules: &[String], why: &str) {
    let place = if policy.namespace().is_empty() { "" } else { "/" };
    let name = [policy.namespace(), place, policy.name()].concat();
    tracing::warn!(policy = name, rules = rules.join(", "), "rules are not enforced: {why}");
}
