//! `validate.podSecurity`.

use portcullis_model::closest;
use portcullis_value::Value;

use super::document::{Rule, given, list, text};
use super::finder::Finder;
use super::match_block::Filter;
use crate::kind::KindSelector;
use crate::pod_security::{Control, Images, has_pod};

/// The exclusions; `finder` is at the rule.
pub(super) fn check(rule: &Rule<'_>, finder: &mut Finder) {
    let Some(standard) = rule.given(&["validate", "podSecurity"]) else { return };
    finder.at(&["validate", "podSecurity"].into_iter().collect(), |finder| {
        for (index, exclusion) in list(standard, "exclude").iter().enumerate() {
            let path = format!("spec.rules[{}].podSecurity.exclude[{index}]", rule.index);
            finder.item("exclude", index, |finder| {
                check_exclusion(*exclusion, text(standard, "level"), &path, finder);
            });
        }
    });
}

/// One exclusion at `path`, of a rule of `level` if there is one; `finder` is at it.
pub(super) fn check_exclusion(exclusion: Value<'_>, level: &str, path: &str, finder: &mut Finder) {
    let name = text(exclusion, "controlName");
    // The schema refuses other names.
    let Some(control) = Control::named(name) else { return };
    let refuse_control = |message: &str, finder: &mut Finder| {
        finder
            .error(message)
            .under(["controlName"])
            .invalid(format_args!("{path}.controlName"), Value::String(name));
    };
    match (control.images, list(exclusion, "images")) {
        (Images::Required, []) => {
            refuse_control("exclude.images must be specified for the container level control", finder);
        }
        (Images::Forbidden, [_, ..]) => {
            refuse_control("exclude.images must not be specified for the pod level control", finder);
        }
        _ => {}
    }
    let field = text(exclusion, "restrictedField");
    let values = list(exclusion, "values");
    if !field.is_empty() && values.is_empty() {
        finder
            .error("values is required")
            .under(["restrictedField"])
            .invalid(format_args!("{path}.values"), given(exclusion, "values").unwrap_or_default());
    }
    if field.is_empty() && !values.is_empty() {
        finder
            .error("restrictedField is required")
            .under(["values"])
            .invalid(format_args!("{path}.restrictedField"), Value::String(field));
    }
    if level == "baseline" && control.is_restricted {
        refuse_control("Invalid control name defined at the given level", finder);
    }
}

/// A level that is not what its name says, exclusions that exclude nothing, and kinds without a pod specification; `finder` is at the rule.
pub(super) fn warn(rule: &Rule<'_>, finder: &mut Finder) {
    let Some(standard) = rule.given(&["validate", "podSecurity"]) else { return };
    if text(standard, "level") == "privileged" {
        finder
            .warning("`privileged` is checked like `restricted`")
            .under(["validate", "podSecurity", "level"])
            .hint("to allow everything, write no rule");
    }
    finder.at(&["validate", "podSecurity"].into_iter().collect(), |finder| {
        for (index, exclusion) in list(standard, "exclude").iter().enumerate() {
            finder.item("exclude", index, |finder| warn_of_field(*exclusion, finder));
        }
    });
    let block = rule.value.get("match").unwrap_or_default();
    finder.below("match", |finder| {
        for filter in Filter::deciding(block) {
            for (index, written) in filter.kinds().enumerate() {
                let kind = KindSelector::parse(written);
                if kind.kind.contains(['*', '?']) || has_pod(&kind.kind) {
                    continue;
                }
                filter.look(finder, |finder| {
                    finder
                        .warning(format!(
                            "`{written}` has no pod specification: the rule ends in an error for it"
                        ))
                        .under(["resources", "kinds", &index.to_string()]);
                });
            }
        }
    });
}

/// A `restrictedField` in which nothing is ever found.
fn warn_of_field(exclusion: Value<'_>, finder: &mut Finder) {
    let Some(control) = Control::named(text(exclusion, "controlName")) else { return };
    let field = text(exclusion, "restrictedField");
    let has_images = !list(exclusion, "images").is_empty();
    if !field.is_empty() && !control.finds(field, has_images) {
        let known = control.fields(has_images);
        let hint = match closest(field, known.iter().map(String::as_str)) {
            Some(close) => format!("did you mean `{close}`?"),
            None => format!("it looks at `{}`", known.join("`, `")),
        };
        finder
            .warning(format!("excludes nothing: `{}` never finds a fault with `{field}`", control.name))
            .under(["restrictedField"])
            .hint(hint);
    }
}
