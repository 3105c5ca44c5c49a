//! The requests that rules are about: the kinds of `match` with their operations, less what `exclude` takes away.

use std::collections::BTreeMap;

use portcullis_model::{Operation, Operations};
use portcullis_value::Value;

use super::{given, list};
use crate::kind::KindSelector;
use crate::variable::has_variable;

/// The kinds that requests are needed for, with the operations.
pub type Requests = BTreeMap<KindSelector, Operations>;

/// Of requests that a rule may change, where it does not say which.
const CHANGEABLE: [Operation; 2] = [Operation::Create, Operation::Update];
/// Of requests about what a rule generates: its copies are put right again.
const OF_GENERATED: [Operation; 3] = [Operation::Create, Operation::Update, Operation::Delete];

/// What the rules that change the object of a request are about.
pub(super) fn mutating(rules: &[Value<'_>]) -> Requests {
    let mut requests = Requests::new();
    for rule in rules.iter().filter(|rule| mutates_requests(**rule)) {
        add_matched(*rule, CHANGEABLE.into_iter().collect(), &mut requests);
    }
    // COMPAT(kyverno): generate rules ask for their requests in both configurations once their policy is in both.
    if !requests.is_empty() {
        rules.iter().for_each(|rule| add_generate(*rule, &mut requests));
    }
    requests
}

/// What all other rules are about.
pub(super) fn validating(rules: &[Value<'_>]) -> Requests {
    let mut requests = Requests::new();
    for rule in rules {
        if given(*rule, &["validate"]).is_some() || mutates_existing(*rule) || checks_images(*rule) {
            add_matched(*rule, Operations::ALL, &mut requests);
        }
        add_generate(*rule, &mut requests);
    }
    requests
}

fn mutates_requests(rule: Value<'_>) -> bool {
    let mutates = given(rule, &["mutate"]).is_some() && !mutates_existing(rule);
    mutates || !list(rule, &["verifyImages"]).is_empty()
}

fn mutates_existing(rule: Value<'_>) -> bool {
    !list(rule, &["mutate", "targets"]).is_empty()
}

/// Whether the rule refuses images, beside writing their digests. Both its flags are set unless they are unset.
fn checks_images(rule: Value<'_>) -> bool {
    let is_set = |entry: Value<'_>, flag| entry.get(flag).and_then(Value::as_bool) != Some(false);
    list(rule, &["verifyImages"])
        .iter()
        .any(|entry| is_set(*entry, "required") || is_set(*entry, "verifyDigest"))
}

fn add_generate(rule: Value<'_>, requests: &mut Requests) {
    let Some(generate) = given(rule, &["generate"]) else { return };
    add_matched(rule, Operations::ALL, requests);
    for source in list(generate, &["foreach"]).iter().copied().chain([generate]) {
        let kind = source.get("kind").and_then(Value::as_str).unwrap_or_default();
        // What a variable will say is not known before the rule runs.
        if !kind.is_empty() && !has_variable(kind) {
            // COMPAT(kyverno): of any group and version, whatever `apiVersion` says.
            add(KindSelector::parse(kind), OF_GENERATED.into_iter().collect(), requests);
        }
        for kind in texts(source, &["cloneList", "kinds"]) {
            add(KindSelector::parse(kind), OF_GENERATED.into_iter().collect(), requests);
        }
    }
}

/// Adds the kinds that the rule matches; `usual` are the operations where it does not name any.
fn add_matched(rule: Value<'_>, usual: Operations, requests: &mut Requests) {
    let excluded: Vec<_> =
        list(rule, &["exclude", "any"]).iter().filter_map(|filter| Exclusion::of(*filter)).collect();
    let block = rule.get("match").unwrap_or_default();
    let filters = list(block, &["any"]).iter().chain(list(block, &["all"])).copied().chain([block]);
    for resources in filters.filter_map(|filter| given(filter, &["resources"])) {
        let named = operations(resources);
        for kind in texts(resources, &["kinds"]).map(KindSelector::parse) {
            let mut operations = if named.is_empty() { usual } else { named };
            for exclusion in excluded.iter().filter(|exclusion| exclusion.covers(&kind)) {
                operations = operations.without(exclusion.operations);
            }
            add(kind, operations, requests);
        }
    }
}

fn add(kind: KindSelector, operations: Operations, requests: &mut Requests) {
    if !operations.is_empty() {
        let all = requests.entry(kind).or_default();
        *all = all.or(operations);
    }
}

fn operations(resources: Value<'_>) -> Operations {
    texts(resources, &["operations"]).filter_map(|operation| operation.parse().ok()).collect()
}

fn texts<'a>(value: Value<'a>, path: &[&str]) -> impl Iterator<Item = &'a str> {
    list(value, path).iter().filter_map(|item| item.as_str())
}

/// A filter of `exclude.any` that takes whole requests away, whatever their object and user.
struct Exclusion {
    /// Empty for all of them.
    kinds: Vec<KindSelector>,
    operations: Operations,
}

impl Exclusion {
    /// `None` where the filter looks at more than kinds and operations, or at nothing.
    fn of(filter: Value<'_>) -> Option<Self> {
        let resources = filter.get("resources").unwrap_or_default();
        let says = |value: Value<'_>| match value {
            Value::Null | Value::String("") | Value::Array([]) => false,
            // An empty selector selects everything there is, and so is one.
            _ => true,
        };
        let mut said = filter
            .as_object()
            .unwrap_or_default()
            .iter()
            .filter(|(key, _)| *key != "resources")
            .chain(resources.as_object().unwrap_or_default().iter())
            .filter(|(_, value)| says(*value))
            .map(|(key, _)| key)
            .peekable();
        said.peek()?;
        if !said.all(|key| matches!(key, "kinds" | "operations")) {
            return None;
        }
        let named = operations(resources);
        Some(Self {
            kinds: texts(resources, &["kinds"]).map(KindSelector::parse).collect(),
            operations: if named.is_empty() { Operations::ALL } else { named },
        })
    }

    /// Whether all that `kind` names is excluded.
    fn covers(&self, kind: &KindSelector) -> bool {
        let wider = |wide: &str, narrow: &str| wide == "*" || wide == narrow;
        self.kinds.is_empty()
            || self.kinds.iter().any(|excluded| {
                wider(&excluded.group, &kind.group)
                    && wider(&excluded.version, &kind.version)
                    && wider(&excluded.kind, &kind.kind)
                    && wider(&excluded.subresource, &kind.subresource)
            })
    }
}
