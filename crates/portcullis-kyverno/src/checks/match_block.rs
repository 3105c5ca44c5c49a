//! `match` and `exclude`.

use std::collections::HashSet;

use portcullis_gocompat::labels;
use portcullis_gocompat::wildcard;
use portcullis_model::closest;
use portcullis_value::Value;

use super::document::{Document, Rule, given, list, printed, text, texts};
use super::finder::Finder;
use super::quote;
use super::wildcards::Wildcards;

/// The parts of a filter that name users.
pub(super) const USERS: [&str; 3] = ["roles", "clusterRoles", "subjects"];

/// The filters of a match or exclude block, in the order in which the reference looks at them.
pub(super) struct Filter<'a> {
    pub(super) value: Value<'a>,
    /// The list it is in and its place there; `None` for the direct form.
    place: Option<(&'static str, usize)>,
}

impl<'a> Filter<'a> {
    /// The filters of `any`, then those of `all`; the direct form too.
    pub(super) fn all(block: Value<'a>) -> impl Iterator<Item = Filter<'a>> {
        let of = move |key: &'static str| {
            list(block, key)
                .iter()
                .enumerate()
                .map(move |(index, value)| Filter { value: *value, place: Some((key, index)) })
        };
        of("any").chain(of("all")).chain([Filter { value: block, place: None }])
    }

    /// The filters that decide: those of `any`, else those of `all`, else the direct form.
    pub(super) fn deciding(block: Value<'a>) -> impl Iterator<Item = Filter<'a>> {
        let decisive = ["any", "all"].into_iter().find(|key| !list(block, key).is_empty());
        Self::all(block).filter(move |filter| filter.place.map(|(key, _)| key) == decisive)
    }

    pub(super) fn resources(&self) -> Value<'a> {
        self.value.get("resources").unwrap_or_default()
    }

    pub(super) fn kinds(&self) -> impl Iterator<Item = &'a str> {
        texts(self.resources(), "kinds")
    }

    /// The path as the reference writes it behind `block`: `match.any[0]`.
    pub(super) fn path(&self, block: &str) -> String {
        match self.place {
            Some((key, index)) => format!("{block}.{key}[{index}]"),
            None => block.to_owned(),
        }
    }

    /// Looks at the filter, `finder` being at its block.
    pub(super) fn look(&self, finder: &mut Finder, look: impl FnOnce(&mut Finder)) {
        match self.place {
            Some((key, index)) => finder.item(key, index, look),
            None => look(finder),
        }
    }
}

/// Whether `resources` says nothing at all.
pub(super) fn is_empty(resources: Value<'_>) -> bool {
    let says = |(_, value): (&str, Value<'_>)| !matches!(value, Value::Null | Value::String(""));
    !resources.as_object().unwrap_or_default().iter().any(says)
}

/// The field errors of both blocks, `finder` being at the rule.
pub(super) fn check_fields(document: &Document<'_>, rule: &Rule<'_>, finder: &mut Finder) {
    check_conflict(rule, finder);
    for name in ["match", "exclude"] {
        let Some(block) = given(rule.value, name) else { continue };
        finder.below(name, |finder| {
            let path = format!("spec.rules[{}].{name}", rule.index);
            for filter in Filter::all(block) {
                filter.look(finder, |finder| check_filter(document, &filter, &filter.path(&path), finder));
            }
        });
    }
}

fn check_filter(document: &Document<'_>, filter: &Filter<'_>, path: &str, finder: &mut Finder) {
    check_roles(filter.value, path, finder);
    check_subjects(filter.value, path, finder);
    let Some(resources) = given(filter.value, "resources") else { return };
    finder.below("resources", |finder| {
        if document.is_namespaced {
            check_inside_namespace(document, resources, path, finder);
        }
        check_selector(resources, path, finder);
    });
}

fn check_roles(filter: Value<'_>, path: &str, finder: &mut Finder) {
    for (index, role) in list(filter, "roles").iter().enumerate() {
        if role.as_str().is_some_and(|role| role.split(':').count() != 2) {
            finder.item("roles", index, |finder| {
                finder
                    .error("Role is expected to be in namespace:name format")
                    .invalid(format_args!("{path}.roles[{index}]"), *role);
            });
        }
    }
}

fn check_subjects(filter: Value<'_>, path: &str, finder: &mut Finder) {
    for (index, subject) in list(filter, "subjects").iter().enumerate() {
        let path = format!("{path}.subjects[{index}]");
        finder.item("subjects", index, |finder| {
            let kind = text(*subject, "kind");
            for key in ["kind", "name"] {
                if text(*subject, key).is_empty() && subject.get(key).is_some() {
                    finder.error("Required value").under([key]).field_error(format_args!("{path}.{key}: "));
                }
            }
            if !kind.is_empty() && !matches!(kind, "User" | "Group" | "ServiceAccount") {
                finder
                    .error("kind must be 'User', 'Group', or 'ServiceAccount'")
                    .under(["kind"])
                    .invalid(format_args!("{path}.kind"), Value::String(kind))
                    .suggest(closest(kind, ["User", "Group", "ServiceAccount"]));
            }
            if kind == "ServiceAccount" && text(*subject, "namespace").is_empty() {
                finder
                    .error("namespace is required when Kind is ServiceAccount")
                    .field_error(format_args!("{path}.namespace: Required value: "));
            }
        });
    }
}

/// What a Policy may not name, because it is limited to its namespace.
fn check_inside_namespace(document: &Document<'_>, resources: Value<'_>, path: &str, finder: &mut Finder) {
    if !list(resources, "namespaces").is_empty() {
        finder
            .error("Filtering namespaces not allowed in namespaced policies")
            .under(["namespaces"])
            .forbidden(format_args!("{path}.namespaces"))
            .hint("a Policy applies in its own namespace alone; write a ClusterPolicy for several");
    }
    let Some(kinds) = document.kinds else { return };
    for (index, kind) in texts(resources, "kinds").enumerate() {
        if kinds.is_cluster_scoped(kind) {
            finder.item("kinds", index, |finder| {
                finder
                    .error(format!("Cluster wide resource '{kind}' not allowed in namespaced policy"))
                    .forbidden(format_args!("{path}.kinds[{index}]"));
            });
        }
    }
}

/// A selector without wildcards must be one to Kubernetes, too.
fn check_selector(resources: Value<'_>, path: &str, finder: &mut Finder) {
    let Some(selector) = given(resources, "selector") else { return };
    if has_wildcard(selector) {
        return;
    }
    let message = match labels::Selector::compile(selector) {
        // What has not even the shape of a selector is the schema's business.
        Err(labels::Error::Shape { .. }) => return,
        Err(error) => error.to_string(),
        Ok(compiled) if compiled.is_empty() => "The requirements are not specified in selector".to_owned(),
        Ok(_) => return,
    };
    finder
        .error(message)
        .under(["selector"])
        .invalid_text(format_args!("{path}.selector"), &quote::selector(selector));
}

/// Whether wildcards stand in the `matchLabels` of `selector`.
pub(super) fn has_wildcard(selector: Value<'_>) -> bool {
    let labels = selector.get("matchLabels").and_then(Value::as_object).unwrap_or_default();
    labels.iter().any(|(key, value)| {
        wildcard::contains_wildcard(key) || value.as_str().is_some_and(wildcard::contains_wildcard)
    })
}

/// A rule whose exclude block takes away all that its match block names.
fn check_conflict(rule: &Rule<'_>, finder: &mut Finder) {
    let (Some(matched), Some(excluded)) = (given(rule.value, "match"), given(rule.value, "exclude")) else {
        return;
    };
    if !list(matched, "all").is_empty() || !list(excluded, "all").is_empty() {
        return;
    }
    let is_conflict = match (list(matched, "any"), list(excluded, "any")) {
        ([], []) => covers(excluded, matched),
        (matched, excluded) => {
            let excluded: HashSet<String> = excluded.iter().map(|filter| identity(*filter)).collect();
            matched.iter().any(|filter| excluded.contains(&identity(*filter)))
        }
    };
    if is_conflict {
        finder
            .error("Rule is matching an empty set")
            .invalid_text(format_args!("spec.rules[{}]", rule.index), &quote::rule(rule.value))
            .hint("`exclude` takes away all that `match` names");
    }
}

/// What a filter says, as a text that is the same for filters that are one to the reference.
fn identity(filter: Value<'_>) -> String {
    let mut text = String::new();
    let mut add = |holder: Value<'_>, key: &str| match given(holder, key) {
        None | Some(Value::String("")) => {}
        Some(value) => text.push_str(&format!("{key}: {}\n", printed(value))),
    };
    USERS.iter().for_each(|key| add(filter, key));
    let resources = filter.get("resources").unwrap_or_default();
    resources.as_object().unwrap_or_default().keys().for_each(|key| add(resources, key));
    text
}

/// Whether the direct form `excluded` covers the direct form `matched`.
fn covers(excluded: Value<'_>, matched: Value<'_>) -> bool {
    let [excluded_resources, matched_resources] =
        [excluded, matched].map(|block| block.get("resources").unwrap_or_default());
    let superset = |excluded: &[Value<'_>], matched: &[Value<'_>]| {
        let all: HashSet<String> = excluded.iter().map(|item| printed(*item)).collect();
        excluded.is_empty() || !matched.is_empty() && matched.iter().all(|item| all.contains(&printed(*item)))
    };
    let says_nothing = is_empty(excluded_resources) && USERS.iter().all(|key| list(excluded, key).is_empty());
    if says_nothing || !USERS.iter().all(|key| superset(list(excluded, key), list(matched, key))) {
        return false;
    }
    let name = text(excluded_resources, "name");
    if !name.is_empty() && !wildcard::matches(name, text(matched_resources, "name")) {
        return false;
    }
    let names: Vec<_> = texts(excluded_resources, "names").collect();
    if !names.is_empty() {
        // One name in both is enough for the reference to complain.
        let mut wildcards = Wildcards::new();
        return texts(matched_resources, "names")
            .any(|name| names.iter().any(|pattern| wildcards.matches(pattern, name, false)));
    }
    ["namespaces", "kinds", "operations"]
        .iter()
        .all(|key| superset(list(excluded_resources, key), list(matched_resources, key)))
        && ["selector", "namespaceSelector", "annotations"]
            .iter()
            .all(|key| given(excluded_resources, key) == given(matched_resources, key))
}
