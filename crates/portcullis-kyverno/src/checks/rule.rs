//! What a rule is as a whole.

use portcullis_value::Value;

use super::document::{Document, Rule, given, list, text};
use super::finder::Finder;
use super::match_block::{self, Filter};
use super::{generate, pod_security, quote, walk};
use crate::variable::variables;

/// What a rule can do.
const ACTIONS: [&str; 4] = ["mutate", "validate", "generate", "verifyImages"];

/// The field errors of the rules.
pub(super) fn check_fields(document: &Document<'_>, finder: &mut Finder) {
    for rule in &document.rules {
        finder.at(&rule.pointer(), |finder| {
            check_actions(rule, finder);
            match_block::check_fields(document, rule, finder);
            check_target_namespaces(document, rule, finder);
            pod_security::check(rule, finder);
            generate::check_fields(document, rule, finder);
        });
    }
}

/// A rule does one thing.
fn check_actions(rule: &Rule<'_>, finder: &mut Finder) {
    let path = format!("spec.rules[{}]", rule.index);
    let message = match ACTIONS.iter().filter(|action| rule.has(action)).count() {
        0 => format!(
            "No operation defined in the rule '{}'.(supported operations: mutate,validate,generate,verifyImages)",
            rule.name
        ),
        1 => String::new(),
        _ => format!(
            "Multiple operations defined in the rule '{}', only one operation \
             (mutate,validate,generate,verifyImages) is allowed per rule",
            rule.name
        ),
    };
    if !message.is_empty() {
        finder.error(message).invalid_text(&path, &quote::rule(rule.value));
    }
    if given(rule.value, "imageExtractors").is_some() && !rule.has("verifyImages") {
        finder
            .error(format!(
                "Invalid rule spec for rule '{}', imageExtractors can only be defined for verifyImages rule",
                rule.name
            ))
            .under(["imageExtractors"])
            .invalid_text(format_args!("{path}.imageExtractors"), &quote::rule(rule.value));
    }
}

/// A Policy changes objects in its own namespace alone.
fn check_target_namespaces(document: &Document<'_>, rule: &Rule<'_>, finder: &mut Finder) {
    if !document.is_namespaced {
        return;
    }
    let mutate = rule.value.get("mutate").unwrap_or_default();
    for (index, target) in list(mutate, "targets").iter().enumerate() {
        let namespace = text(*target, "namespace");
        if !namespace.is_empty() && namespace != document.namespace {
            finder
                .error("This field can be ignored or should have value of the namespace where the policy is being created")
                .under(["mutate", "targets", &index.to_string(), "namespace"])
                .invalid(
                    format_args!("spec.rules[{}].targets[{index}].namespace", rule.index),
                    Value::String(namespace),
                );
        }
    }
}

/// `match` and `exclude` as the reference looks at them once the fields are right; `finder` is at the rule.
pub(super) fn check_blocks(rule: &Rule<'_>, finder: &mut Finder) {
    for name in ["match", "exclude"] {
        let Some(block) = given(rule.value, name) else { continue };
        let has_filters = !list(block, "any").is_empty() || !list(block, "all").is_empty();
        let resources = given(block, "resources").unwrap_or_default();
        if has_filters && !match_block::is_empty(resources) {
            finder
                .error(format!("can't specify any/all together with {name} resources"))
                .under([name, "resources"])
                .framed(format_args!("path: spec.rules[{}].{name}.: ", rule.index))
                .hint("make the resources one more filter of the list");
        }
    }
    let block = rule.value.get("match").unwrap_or_default();
    finder.below("match", |finder| {
        for filter in Filter::deciding(block).filter(|filter| match_block::is_empty(filter.resources())) {
            filter.look(finder, |finder| {
                finder
                    .error("match resources not specified")
                    .framed(format_args!("path: spec.rules[{}].match.resources.: ", rule.index))
                    .hint("say which `kinds` the rule is for, below `resources`");
            });
        }
    });
}

/// `element` is there inside `foreach` alone; `finder` is at the rule.
pub(super) fn check_elements(rule: &Rule<'_>, finder: &mut Finder) {
    walk::texts(rule.value, &mut |text| {
        for found in variables(text.text).filter(|found| found.expression.starts_with("element")) {
            // A key is at the path of the map it is in.
            if text.place.tokens_outwards().skip(1).any(|token| token == "foreach") {
                continue;
            }
            let path = text.path();
            finder
                .error(format!(
                    "variable '{}' present outside of foreach at path {}",
                    found.expression,
                    walk::printed(&path)
                ))
                .under(path.tokens())
                .hint("`element` is an element of the list of a `foreach`");
        }
    });
}
