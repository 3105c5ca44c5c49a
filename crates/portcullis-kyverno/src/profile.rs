//! What the engine has to know of a policy: when to evaluate it, and what its failures mean.

use aws_lc_rs::digest::{SHA256, digest};
use portcullis_model::{
    FailurePolicy, KindSelector, Likeness, Needs, Operation, Operations, Phase, Profile, Resource, Target,
};
use portcullis_value::{Number, Value};

use crate::autogen;
use crate::matching::Matching;
use crate::rule::Rule;
use crate::webhooks::may_enforce;

/// The annotation of a policy that says where its mutations are recorded.
pub(crate) const RECORD: &str = "portcullis.dev/mutation-record";

/// The profile of the policy `document`, whose compiled rules are `rules`, the generated ones included.
pub(crate) fn profile<'r>(document: Value<'_>, rules: impl Iterator<Item = &'r Rule> + Clone) -> Profile {
    let spec = document.get("spec").unwrap_or_default();
    let text = |path: &[&str]| spec.path(path).and_then(Value::as_str);
    let flag = |key| spec.get(key).and_then(Value::as_bool);
    let annotations = Resource(document).annotations();
    Profile {
        is_background_only: flag("admission") == Some(false),
        failure_policy: match text(&["webhookConfiguration", "failurePolicy"]).or(text(&["failurePolicy"])) {
            Some("Ignore") => FailurePolicy::Ignore,
            _ => FailurePolicy::Fail,
        },
        has_match_conditions: has_match_conditions(spec),
        warns: flag("emitWarning") == Some(true),
        may_enforce: may_enforce(spec),
        record: annotations.get(RECORD).and_then(Value::as_str).and_then(|mode| mode.parse().ok()),
        needs: needs(spec, rules.clone()),
        likeness: likeness(document),
        mutates: targets(Phase::Mutate, rules.clone()),
        validates: targets(Phase::Validate, rules),
    }
}

/// Whether the policy asks for a webhook of its own, with conditions that an API server checks.
fn has_match_conditions(spec: Value<'_>) -> bool {
    spec.path(&["webhookConfiguration", "matchConditions"])
        .and_then(Value::as_array)
        .is_some_and(|conditions| !conditions.is_empty())
}

/// What the policy has in common with those of other names that are written like it. What a policy says depends on its
/// text and on the input alone; one of a namespace is limited to it, and asks for facts in its name.
fn likeness(document: Value<'_>) -> Option<Likeness> {
    let spec = document.get("spec")?;
    // Policies tell integers from floats, and their texts do not.
    if Resource(document).kind() != "ClusterPolicy" || holds_float(spec) {
        return None;
    }
    let controllers = Resource(document).annotations().get(autogen::ANNOTATION).unwrap_or_default();
    let digest = digest(&SHA256, format!("{spec}{controllers}").as_bytes());
    Some(Likeness(digest.as_ref().try_into().ok()?))
}

fn holds_float(value: Value<'_>) -> bool {
    match value {
        Value::Number(number) => matches!(number, Number::Float(_)),
        Value::Array(items) => items.iter().any(|item| holds_float(*item)),
        Value::Object(object) => object.iter().any(|(_, value)| holds_float(value)),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}

/// The facts that the policy may ask for.
///
/// What an expression mentions is looked for in the text of the rules, as the reference looks for names; text of an
/// object that is evaluated in its turn comes in through an expression of the policy.
fn needs<'r>(spec: Value<'_>, mut rules: impl Iterator<Item = &'r Rule>) -> Needs {
    let text = spec.get("rules").unwrap_or_default().to_string();
    let has_expressions =
        ["{{", "\"context\"", "\"foreach\"", "\"cel\""].into_iter().any(|sign| text.contains(sign));
    let selects_namespaces = spec
        .get("validationFailureActionOverrides")
        .and_then(Value::as_array)
        .unwrap_or_default()
        .iter()
        .any(|item| item.get("namespaceSelector").is_some_and(|selector| !selector.is_null()));
    Needs {
        namespace_labels: selects_namespaces || rules.any(Rule::reads_namespace_labels),
        // Roles and subjects stand in match blocks too.
        user: has_expressions || text.contains("\"subjects\"") || text.contains("oles\""),
        roles: text.contains("oles"),
        // A rule about signed manifests asks whether the request is a dry run.
        variables: has_expressions || text.contains("\"manifests\""),
    }
}

/// What the rules of `phase` are about, each target once.
fn targets<'r>(phase: Phase, rules: impl Iterator<Item = &'r Rule>) -> Box<[Target]> {
    let possible: Operations = match phase {
        Phase::Mutate => [Operation::Create, Operation::Update, Operation::Connect].into_iter().collect(),
        Phase::Validate => Operations::ALL,
    };
    let mut targets = Vec::new();
    for rule in rules.filter(|rule| rule.action.kind().is_some_and(|kind| phase.includes(kind))) {
        for target in targets_of(rule.matching(), possible) {
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
    }
    targets.into()
}

fn targets_of(matching: &Matching, possible: Operations) -> Vec<Target> {
    let filters = match matching {
        // All filters must hold: any one of them is enough to rule a request out.
        Matching::All(filters) => {
            let first = filters.iter().find(|filter| !filter.kinds().is_empty()).or(filters.first());
            first.map(std::slice::from_ref).unwrap_or_default()
        }
        matching => matching.filters(),
    };
    let mut targets = Vec::new();
    for filter in filters {
        let operations = match filter.operations() {
            [] => possible,
            named => named.iter().copied().filter(|operation| possible.contains(*operation)).collect(),
        };
        let any_kind = [KindSelector::parse("*/*")];
        let kinds = if filter.kinds().is_empty() { &any_kind } else { filter.kinds() };
        targets.extend(kinds.iter().map(|kind| Target {
            kind: kind.clone(),
            operations,
            namespaces: filter.namespaces().into(),
        }));
    }
    targets
}
