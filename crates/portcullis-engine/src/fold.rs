//! The texts of an answer: why a request is refused, and what the user is told beside.
//!
//! Whoever sends them cuts them to size and takes control characters out.

use std::collections::BTreeMap;

use portcullis_model::{
    CompiledPolicy, Enforcement, FailurePolicy, Mask, Obstacle, Resource, RuleOutcome, Status,
};
use portcullis_value::{Arena, Object, Value};

use crate::route::Route;
use crate::verdict::{Judged, Verdict};

/// The answer to a request that holds what cannot be read.
pub(crate) fn unreadable<'a>(route: &Route<'_>, problem: &str) -> Verdict<'a> {
    let message = format!("the request cannot be read: {problem}");
    match route.failure_policy() {
        FailurePolicy::Fail => Verdict { allowed: false, message: Some(message), ..Verdict::allow() },
        FailurePolicy::Ignore => Verdict { warnings: vec![message], ..Verdict::allow() },
    }
}

/// Why the request is refused, in the reference's words: every failure of the rules that were asked before answering.
///
/// COMPAT(kyverno): policies stand by their names alone, without their namespaces.
pub(crate) fn denial(resource: Resource<'_>, verdict: &Verdict<'_>, mask: &Mask) -> String {
    let mut policies: BTreeMap<&str, BTreeMap<&str, String>> = BTreeMap::new();
    for (policy, outcome) in verdict.outcomes() {
        let is_failure = matches!(outcome.status, Status::Fail | Status::Error);
        let is_asked = outcome.enforcement != Enforcement::Audit;
        if is_failure && is_asked && outcome.obstacle != Some(Obstacle::NotExecuted) {
            let rules = policies.entry(policy.name()).or_default();
            rules.insert(rule_name(outcome), mask.apply(&outcome.message).into_owned());
        }
    }
    let arena = Arena::new();
    let rules = |rules: &BTreeMap<&str, String>| {
        let entries: Vec<_> =
            rules.iter().map(|(rule, text)| (arena.str(rule), arena.string(text))).collect();
        Value::Object(Object::from_sorted(arena.slice(&entries)))
    };
    let entries: Vec<_> = policies.iter().map(|(policy, of)| (arena.str(policy), rules(of))).collect();
    let yaml = portcullis_yaml::to_string(Value::Object(Object::from_sorted(arena.slice(&entries))));
    let (kind, namespace, name) = (resource.kind(), resource.namespace(), resource.name());
    format!("\n\nresource {kind}/{namespace}/{name} was blocked due to the following policies \n\n{yaml}")
}

/// Why a request is refused that a policy failed to mutate, in the reference's words.
pub(crate) fn mutation_denial(judged: &Judged<'_>, mask: &Mask) -> String {
    let policy = judged.policy.name();
    let failures: Vec<_> = judged
        .evaluation
        .outcomes
        .iter()
        .filter(|outcome| matches!(outcome.status, Status::Fail | Status::Error))
        .filter(|outcome| outcome.obstacle != Some(Obstacle::NotExecuted))
        .map(|outcome| format!("{}: {}", rule_name(outcome), outcome.message))
        .collect();
    let rules = mask.apply(&failures.join(" ")).into_owned();
    format!("mutation policy {policy} error: failed to apply policy {policy} rules [{rules}]")
}

/// An outcome that the user is told of.
pub(crate) fn warning(policy: &dyn CompiledPolicy, outcome: &RuleOutcome<'_>, mask: &Mask) -> String {
    format!("policy {}.{}: {}", policy.name(), rule_name(outcome), mask.apply(&outcome.message))
}

/// The name of the rule; what concerns the whole policy has none.
fn rule_name<'r>(outcome: &'r RuleOutcome<'_>) -> &'r str {
    if outcome.rule.is_empty() { "(policy)" } else { outcome.rule }
}
