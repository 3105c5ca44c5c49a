//! The kinds that `match` names.

use portcullis_value::Value;

use super::Served;
use super::document::{Document, Rule, given, list, shortened, text};
use super::finder::Finder;
use super::match_block::Filter;
use super::mutate::Patch;

const METADATA_ALONE: &str =
    "policy can only deal with the metadata field of the resource if the rule does not match any kind";

/// What the kinds of a rule are refused for; `finder` is at the rule.
pub(super) fn check(document: &Document<'_>, rule: &Rule<'_>, finder: &mut Finder) {
    let block = rule.value.get("match").unwrap_or_default();
    finder.below("match", |finder| {
        let filters: Vec<_> = Filter::deciding(block).collect();
        for filter in &filters {
            let path = format!("path: spec.rules[{}].{}.kinds: ", rule.index, filter.path("match"));
            filter.look(finder, |finder| {
                finder.below("resources", |finder| {
                    finder.below("kinds", |finder| {
                        check_wildcard(document, rule, filter, &path, finder);
                        check_subresources(document, rule, filter, &path, finder);
                    });
                });
            });
        }
        for filter in filters.iter().filter(|filter| filter.kinds().next().is_none()) {
            filter.look(finder, |finder| check_without_kinds(rule, filter, finder));
        }
    });
}

/// `*` is every kind there is: for a rule that knows nothing but what all objects have.
fn check_wildcard(
    document: &Document<'_>,
    rule: &Rule<'_>,
    filter: &Filter<'_>,
    path: &str,
    finder: &mut Finder,
) {
    if !filter.kinds().any(|kind| kind == "*") {
        return;
    }
    let mut refuse = |message: &str, hint: &str| {
        finder.error(message).framed(path).hint(hint);
    };
    if document.background {
        let message = "wildcard policy not allowed in background mode. Set spec.background=false to disable \
                       background mode for this policy rule ";
        refuse(message, "name the kinds, or set `spec.background: false`");
    }
    if filter.kinds().count() > 1 {
        refuse("wildcard policy can not deal with more than one kind", "`*` names all the others, too");
    }
    if rule.has("generate") || rule.has("verifyImages") || rule.given(&["validate", "foreach"]).is_some() {
        refuse("wildcard policy does not support rule type", "name the kinds");
    }
    let is_limited = only_metadata(rule) && old_conditions_are_general(rule);
    if (rule.has("validate") || rule.has("mutate")) && !is_limited {
        refuse(METADATA_ALONE, "name the kinds");
    }
}

/// Background scans see no subresources.
fn check_subresources(
    document: &Document<'_>,
    rule: &Rule<'_>,
    filter: &Filter<'_>,
    path: &str,
    finder: &mut Finder,
) {
    if !document.background || !rule.has("validate") {
        return;
    }
    for (index, kind) in filter.kinds().enumerate() {
        let served = document.kinds.map_or_else(|| Served::assumed(kind), |kinds| kinds.find(kind));
        if served == Served::Subresource {
            finder.below(index, |finder| {
                finder
                    .error(format!("background scan enabled with subresource {kind}"))
                    .framed(path)
                    .hint("set `spec.background: false`");
            });
        }
    }
}

fn check_without_kinds(rule: &Rule<'_>, filter: &Filter<'_>, finder: &mut Finder) {
    // An empty filter is refused for being that.
    if super::match_block::is_empty(filter.resources()) {
        return;
    }
    let message = match only_metadata(rule) {
        false => METADATA_ALONE,
        true => {
            "at least one element must be specified in a kind block, the kind attribute is mandatory when working \
             with the resources element"
        }
    };
    finder.error(message).under(["resources"]).hint("say which `kinds` the rule is for");
}

/// A kind that the cluster does not serve. The reference looks no further then, and accepts.
pub(super) fn check_served(document: &Document<'_>, rule: &Rule<'_>, finder: &mut Finder) {
    let Some(kinds) = document.kinds else { return };
    let block = rule.value.get("match").unwrap_or_default();
    let mut is_unknown = false;
    finder.below("match", |finder| {
        for filter in Filter::deciding(block) {
            for (index, kind) in filter.kinds().enumerate() {
                if kind == "*" || kinds.find(kind) != Served::Unknown {
                    continue;
                }
                is_unknown = true;
                // The reference's words, and what they mean.
                let theirs = format!(
                    "the kind defined in the all match resource is invalid: unable to convert GVK to GVR for \
                     kinds {kind}, err: resource not found"
                );
                let ours = format!(
                    "no kind `{}` is served here: the rule applies to it once it is",
                    shortened(kind)
                );
                let place = ["resources", "kinds", &index.to_string()];
                filter.look(finder, |finder| {
                    finder.warning(theirs).under(place).verbatim();
                    finder.warning(ours).under(place);
                });
            }
        }
    });
    if is_unknown {
        finder.accept_the_rest();
    }
}

/// Whether the patterns and patches of a rule look at nothing but `metadata`.
fn only_metadata(rule: &Rule<'_>) -> bool {
    let only = |value: Value<'_>| value.as_object().unwrap_or_default().keys().all(|key| key == "metadata");
    let validate = rule.value.get("validate").unwrap_or_default();
    let mutate = rule.value.get("mutate").unwrap_or_default();
    let paths = match Patch::of(mutate) {
        Some(Ok(patch)) => patch.paths().iter().all(|path| path.starts_with("/metadata")),
        _ => true,
    };
    paths
        && [given(mutate, "patchStrategicMerge"), given(validate, "pattern")]
            .into_iter()
            .flatten()
            .chain(list(validate, "anyPattern").iter().copied())
            .all(only)
}

/// Whether deny conditions of the old form look at nothing but what all objects have.
fn old_conditions_are_general(rule: &Rule<'_>) -> bool {
    let conditions = rule.given(&["validate", "deny", "conditions"]).and_then(Value::as_array);
    conditions.unwrap_or_default().iter().all(|condition| {
        let key = text(*condition, "key");
        key.contains("request.object.metadata.") || (is_general(key) && !key.contains("request.object.spec"))
    })
}

/// `\{\{\s*(request\.|serviceAccountName|serviceAccountNamespace)[^{}]*\}\}`.
fn is_general(key: &str) -> bool {
    key.match_indices("{{").any(|(at, _)| {
        let inner = key.get(at + 2..).unwrap_or_default().trim_start();
        let starts = ["request.", "serviceAccountName"].iter().any(|name| inner.starts_with(name));
        let end = inner.find(['{', '}']).and_then(|end| inner.get(end..));
        starts && end.is_some_and(|end| end.starts_with("}}"))
    })
}
