//! What the engine has to know of a policy: when to evaluate it, and what its failures mean.

use aws_lc_rs::digest::{SHA256, digest};
use portcullis_model::{
    FailurePolicy, KindSelector, Likeness, Needs, Operation, Operations, Phase, Profile, Resource, Target,
};
use portcullis_value::{Number, Value, json};

use crate::autogen;
use crate::matching::Matching;
use crate::rule::Rule;
use crate::variable::find_braces;
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
    let print = |value| json::Writer::compact().to_string(value);
    let digest = digest(&SHA256, (print(spec) + &print(controllers)).as_bytes());
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

/// What the texts and keys of the rules mention, each of which may ask for a fact.
///
/// It is looked for by name, as the reference looks; text of an object that is evaluated in its turn comes in through an
/// expression of the policy.
#[derive(Debug, Default)]
struct Mentions {
    expressions: bool,
    subjects: bool,
    /// Those of a user, in match blocks too.
    roles: bool,
    manifests: bool,
}

impl Mentions {
    fn of(rules: Value<'_>) -> Self {
        let mut mentions = Self::default();
        rules.has_text(&mut |text| {
            mentions.add(text);
            false
        });
        mentions
    }

    fn add(&mut self, text: &str) {
        match text {
            "context" | "foreach" | "cel" => self.expressions = true,
            "subjects" => self.subjects = true,
            "manifests" => self.manifests = true,
            text => {
                self.expressions |= find_braces(text).is_some();
                self.roles |= text.contains("oles");
            }
        }
    }
}

/// The facts that the policy may ask for.
fn needs<'r>(spec: Value<'_>, mut rules: impl Iterator<Item = &'r Rule>) -> Needs {
    let mentions = Mentions::of(spec.get("rules").unwrap_or_default());
    let selects_namespaces = spec
        .get("validationFailureActionOverrides")
        .and_then(Value::as_array)
        .unwrap_or_default()
        .iter()
        .any(|item| item.get("namespaceSelector").is_some_and(|selector| !selector.is_null()));
    Needs {
        namespace_labels: selects_namespaces || rules.any(Rule::reads_namespace_labels),
        user: mentions.expressions || mentions.subjects || mentions.roles,
        roles: mentions.roles,
        // A rule about signed manifests asks whether the request is a dry run.
        variables: mentions.expressions || mentions.manifests,
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
